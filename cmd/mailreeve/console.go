package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/ops"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// consoleListen is where the console listens.
func (s *system) consoleListen() string { return cmp.Or(s.cfg.Console.Listen, "127.0.0.1:8089") }

// consoleSite is the console's site as the configuration wants it.
func (s *system) consoleSite() (*web.Site, error) {
	c := s.cfg.Console
	site, err := web.New(web.Config{Listen: s.consoleListen(), PublicURL: c.PublicURL, TLSCert: s.resolved(c.TLSCert), TLSKey: s.resolved(c.TLSKey), Log: s.log})
	if err != nil {
		return nil, fmt.Errorf("%s: console: %w", s.cfg.Path, err)
	}
	return site, nil
}

// resolved is a path as it is opened; empty where none is configured.
func (s *system) resolved(path string) string {
	if path == "" {
		return ""
	}
	return s.cfg.Resolve(path)
}

// console is the console's pages. missed says whether a night should have run between two times; nil: nights are not waited for.
func (s *system) console(site *web.Site, missed func(from, to time.Time) bool) (*console.Console, error) {
	o := s.cfg.Console.OIDC
	var ids []string
	for _, parts := range checks.Catalogue() {
		ids = append(ids, parts[0].ID)
	}
	began := s.clock()
	return console.New(console.Config{Site: site, Store: s.store, Deeds: s, Policy: s.cfg.Policy, Clock: s.clock, Log: s.log,
		OIDC:  console.OIDC{Issuer: o.Issuer, ClientID: o.ClientID, Secret: os.Getenv(o.ClientSecretEnv), RoleClaim: o.RoleClaim},
		Check: checks.Get, Checks: ids, Clause: checks.ClauseText,
		Record: func(f *audit.Finding, files map[uint32]string) any { return recordOf(f, files) },
		Export: func(w io.Writer, f *audit.Finding, accounts audit.IDs) error {
			b := bufio.NewWriter(w)
			if err := accountListing().csv(b, accountRows(f, accounts)); err != nil {
				return err
			}
			return b.Flush()
		},
		Ready: func(ctx context.Context) []string { return s.amiss(ctx, began, missed) }})
}

// serveConsole serves the console, and what Slack sends to its address, until ctx is done.
func (s *system) serveConsole(ctx context.Context, missed func(from, to time.Time) bool) error {
	presses, done := s.hear(ctx)
	defer done()
	site, err := s.consoleSite()
	if err != nil {
		return err
	}
	c, err := s.console(site, missed)
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
		from := cmp.Or(last, since)
		if now.Sub(from) > ops.Late && missed(from, now.Add(24*time.Hour-ops.Late)) {
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
