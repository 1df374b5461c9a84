package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// slackLook is how findings are shown in Slack.
func (s *system) slackLook() slack.Look {
	c := s.cfg.Slack
	return slack.Look{Redact: address.Redact, Buttons: len(c.Reviewers) > 0, AccountIDs: c.AccountIDs, Pages: s.cfg.Console.PublicURL}
}

// teller composes what Slack is told.
func (s *system) teller() *slack.Teller {
	t := &slack.Teller{Channel: s.cfg.Slack.Channel, Look: s.slackLook(), Memory: s.store}
	if plan, err := schedule.Parse(s.cfg.Schedule); err == nil { // else nothing is scheduled
		t.Zone = plan.Zone()
	}
	for _, r := range s.cfg.Slack.Routes {
		route := slack.Route{Check: r.Check, Vendor: r.Vendor, App: r.App, Channel: r.Channel}
		for _, severity := range r.Severity {
			route.Severities = append(route.Severities, audit.Severity(severity))
		}
		t.Routes = append(t.Routes, route)
	}
	return t
}

// digest is what to tell of a run.
func (s *system) digest(ctx context.Context, r *audit.Result) (notifier.Digest, error) {
	d, err := s.teller().Digest(ctx, r)
	if err != nil {
		return d, fmt.Errorf("the digest of run %s: %w", r.Run.ID, err)
	}
	return d, nil
}

// slackClient posts to Slack.
func (s *system) slackClient() *slack.Client {
	c := slack.New(os.Getenv(s.cfg.Slack.TokenEnv), s.cfg.Slack.APIURL, http.DefaultClient)
	c.Findings, c.Receipts, c.Look = s.store, s.store, s.slackLook()
	return c
}

// presses is how presses under Slack's messages come in.
func (s *system) presses() (appToken, signingSecret string) {
	c := s.cfg.Slack
	if !s.slack || len(c.Reviewers) == 0 {
		return "", ""
	}
	return os.Getenv(c.AppTokenEnv), os.Getenv(c.SigningSecretEnv)
}

// pressesEnd is how long presses under way are waited for at the end.
const pressesEnd = 500 * time.Millisecond

// hear does what people press under Slack's messages, over Socket Mode where there is an app token, until ctx is done. Where there is a signing secret, it
// also gives what answers Slack over HTTP; else nil. What it began is waited for by done.
func (s *system) hear(ctx context.Context) (presses http.Handler, done func()) {
	appToken, secret := s.presses()
	if appToken == "" && secret == "" {
		return nil, func() {}
	}
	desk := &slack.Desk{Client: s.slackClient(), Deeds: s, Reviewers: s.cfg.Slack.Reviewers, Clock: s.clock, Log: s.log}
	var wg sync.WaitGroup
	if appToken != "" {
		wg.Go(func() { desk.Listen(ctx, appToken, s.cfg.Slack.APIURL) })
	}
	if secret != "" {
		presses = desk.Handler(secret)
		s.log.Info("Slack's presses are heard", "at", s.cfg.Console.Listen, "path", slack.Path)
	}
	return presses, func() { wg.Wait(); desk.Close(pressesEnd) }
}

// Do is slack.Deeds': as the command line does it.
func (s *system) Do(ctx context.Context, d audit.Deed, id string) (err error) {
	d.Policy = s.cfg.Policy
	if d.AsOf, err = s.lastAsOf(ctx); err != nil {
		return err
	}
	list, err := s.named(ctx, []string{id})
	if err != nil {
		return err
	}
	for _, f := range list {
		if _, err := s.do(ctx, d, f); err != nil {
			return err
		}
	}
	return nil
}

// slackParts looks at what messages to Slack need beside a token, and says what is missing.
func (d *doctor) slackParts(ctx context.Context, client *slack.Client, w *slack.Workspace) {
	c := d.cfg.Slack
	for _, scope := range slices.Sorted(maps.Keys(slack.Scopes())) {
		if w.Scopes != nil && !slices.Contains(w.Scopes, scope) {
			d.warn("slack", "the app lacks the scope %s, by which %s: add it, and install the app again", scope, slack.Scopes()[scope])
		}
	}
	if slices.Contains(w.Scopes, "channels:read") {
		seen := map[string]bool{c.Channel: true}
		for _, r := range c.Routes {
			seen[r.Channel] = true
		}
		for _, channel := range slices.Sorted(maps.Keys(seen)) {
			if err := client.Reach(ctx, channel); err != nil {
				d.wrong("slack", "channel %s: %w", channel, err)
			}
		}
	}
	heard := c.AppTokenEnv != "" && os.Getenv(c.AppTokenEnv) != "" || c.SigningSecretEnv != "" && os.Getenv(c.SigningSecretEnv) != ""
	switch {
	case len(c.Reviewers) > 0 && !heard:
		d.warn("slack", "slack.reviewers may press buttons that nobody hears: put an app token into the variable of slack.app_token_env, or a signing secret into that of slack.signing_secret_env")
	case len(c.Reviewers) == 0 && heard:
		d.warn("slack", "messages have no buttons, for nobody may press them: name who may in slack.reviewers")
	}
}
