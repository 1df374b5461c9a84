package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/ops"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// consoleSite is the console's site as a configuration wants it.
func consoleSite(cfg *config.Config, log *slog.Logger) (*web.Site, error) {
	c := cfg.Console
	resolved := func(path string) string {
		if path == "" {
			return ""
		}
		return cfg.Resolve(path)
	}
	site, err := web.New(web.Config{Listen: cfg.Console.Listen, PublicURL: c.PublicURL, TLSCert: resolved(c.TLSCert), TLSKey: resolved(c.TLSKey), Log: log})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Path, cfg.Located(fmt.Errorf("console: %w", err)))
	}
	return site, nil
}

// console is the console's pages. missed says whether a night should have run between two times; nil: nights are not waited for.
// Lines in quarantine are read again by retrier.
func (s *system) console(site *web.Site, missed func(from, to time.Time) bool, retrier console.Retrier) (*console.Console, error) {
	o := s.cfg.Console.OIDC
	var ids []string
	for _, parts := range s.checks.Catalogue() {
		ids = append(ids, parts[0].ID)
	}
	began := s.clock()
	return console.New(console.Config{Site: site, Store: s.store, Deeds: s, Desk: s.desk(), Policy: s.cfg.Policy, Clock: s.clock, Log: s.log,
		OIDC:  console.OIDC{Issuer: o.Issuer, ClientID: o.ClientID, Secret: os.Getenv(o.ClientSecretEnv), RoleClaim: o.RoleClaim},
		Check: s.checks.Get, Checks: ids, Clause: func(name string) string { return checks.Clause(s.cfg.Policy, name) },
		Export: func(w io.Writer, f *audit.Finding, accounts audit.IDs) error {
			b := bufio.NewWriterSize(w, 64<<10)
			if err := accountListing().csv(b, accountRows(f, accounts)); err != nil {
				return err
			}
			return b.Flush()
		},
		Drift: checks.Drift, Fold: checks.PlainWords, Retrier: retrier, Outbox: outbox{s},
		API: api.New(api.Config{Policy: s.cfg.Policy, Store: s.store, Deeds: s, Desk: s.desk(), Checks: s.checks.Catalogue(), Clock: s.clock, Log: s.log}).Handler(), Settings: s.cfg.Shown(),
		Ready: func(ctx context.Context) []string { return s.amiss(ctx, began, missed) }})
}

// serveConsole serves the console, and what Slack sends to its address, until ctx is done.
func (s *system) serveConsole(ctx context.Context, missed func(from, to time.Time) bool) error {
	presses, done := s.hear(ctx)
	defer done()
	site, err := consoleSite(s.cfg, s.log)
	if err != nil {
		return err
	}
	retrier := newRetrier(s)
	c, err := s.console(site, missed, retrier)
	if err != nil {
		return err
	}
	l, err := site.Listen(ctx)
	if err != nil {
		return fmt.Errorf("%s: console: %w", s.cfg.Path, err)
	}
	c.Listening(l.Addr())
	s.log.Info("serving the console", "at", site.URL(l.Addr(), "/"))
	if s.cfg.Console.OIDC.Issuer == "" {
		if link, err := c.Link(l.Addr()); err != nil {
			s.log.Warn("nobody can log in to the console", "why", err)
		} else {
			fmt.Fprintf(s.err, "To log in to the console, open this once, on this machine: %s\n", link)
		}
	}
	var working sync.WaitGroup
	defer working.Wait()
	ctx, stop := context.WithCancel(ctx) // who cannot serve ends the work, too
	defer stop()
	working.Go(func() { retrier.work(ctx) })
	return site.Serve(ctx, l, withPresses(c.Handler(), presses))
}

// withPresses also answers Slack, whose requests are signed, and come under whatever name the console is reached by.
func withPresses(pages, presses http.Handler) http.Handler {
	if presses == nil {
		return pages
	}
	mux := http.NewServeMux()
	mux.Handle(slack.Path, presses)
	mux.Handle("/", pages)
	return mux
}

// amiss says what keeps the system from doing what it is for; empty: nothing does. Nights are waited for from since on.
func (s *system) amiss(ctx context.Context, since time.Time, missed func(from, to time.Time) bool) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	now := s.clock()
	if have, want, err := s.store.Schema(ctx); err != nil {
		s.log.WarnContext(ctx, "the store does not answer", "error", err)
		return []string{"The store does not answer."}
	} else if have != want {
		add("The store's schema has version %d, and this mailreeve's is %d: run the same mailreeve everywhere.", have, want)
	}
	last, err := s.store.LastNight(ctx)
	if err != nil {
		return append(wrong, "The store does not say when the last night ran.")
	}
	if missed != nil {
		if from := cmp.Or(last, since); ops.Overdue(from, now, missed) {
			add("The last night is late: none has finished since %s.", from.UTC().Format(time.RFC3339))
		}
	}
	switch stuck, err := s.store.CountStuck(ctx, audit.At(now)); {
	case err != nil:
		add("The store does not say what waits to be delivered.")
	case stuck > 0:
		add("%s stuck in the outbox: they failed for good, or wait for more than 6 hours. mailreeve doctor says why.", count(stuck, "message is", "messages are"))
	}
	return wrong
}

// console looks at whether people can reach the console and log in to it.
func (d *doctor) console(ctx context.Context) {
	c := d.cfg.Console
	site, err := consoleSite(d.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		d.wrong("console", "%w", err)
		return
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(d.cfg.Resolve(c.TLSCert), d.cfg.Resolve(c.TLSKey))
		switch {
		case err != nil:
			d.wrong("console", "console.tls_cert and tls_key: %w: name a certificate and its key, both as PEM files that this user may read", err)
			return
		case pair.Leaf != nil && d.now.After(pair.Leaf.NotAfter):
			d.wrong("console", "console.tls_cert ended at %s: renew it", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
		case pair.Leaf != nil && d.now.AddDate(0, 0, 14).After(pair.Leaf.NotAfter):
			d.warn("console", "console.tls_cert ends at %s: renew it", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	if !site.Loopback() && !site.Secure() {
		d.warn("console", "%s is reached without TLS, so that anybody in between can read and take over: give console.tls_cert and tls_key, or put a proxy with TLS before it and say so in console.public_url",
			d.cfg.Console.Listen)
	}
	o := c.OIDC
	if o.Issuer == "" {
		if !site.Loopback() {
			d.wrong("console", "nobody can log in at %s: configure console.oidc, or listen on 127.0.0.1, where a link that serve prints logs in", d.cfg.Console.Listen)
			return
		}
		d.ok("console", "at %s; a link that serve prints logs in", d.cfg.Console.Listen)
		return
	}
	switch {
	case o.ClientID == "":
		d.wrong("console", "console.oidc.client_id is missing: give the id under which the issuer knows mailreeve")
		return
	case o.ClientSecretEnv != "" && os.Getenv(o.ClientSecretEnv) == "":
		d.wrong("console", "the variable %s, which console.oidc.client_secret_env names, is empty", o.ClientSecretEnv)
	case c.PublicURL == "" && !site.Loopback():
		d.wrong("console", "console.public_url is missing: the issuer leads people back to it")
	}
	ctx, cancel := context.WithTimeout(ctx, bedside)
	defer cancel()
	if _, err := oidc.NewProvider(ctx, o.Issuer); err != nil {
		d.wrong("console", "console.oidc.issuer %s does not say who it is: %w", o.Issuer, err)
		return
	}
	d.ok("console", "at %s; %s vouches for people, and leads them back to %s", d.cfg.Console.Listen, o.Issuer, site.URL(nil, console.CallbackPath))
}
