package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/outbound"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/heartbeat"
	"github.com/mailreeve/mailreeve/notifier/jira"
	"github.com/mailreeve/mailreeve/notifier/ops"
	"github.com/mailreeve/mailreeve/notifier/slack"
	"github.com/mailreeve/mailreeve/notifier/webhook"
)

// What other systems are told: webhooks, Jira, the heartbeat; and what operators are told of the nights themselves.

// hookComposers are those that tell of what happens to findings.
func (s *system) hookComposers() []notifier.Composer {
	var list []notifier.Composer
	if len(s.cfg.Webhooks) > 0 {
		list = append(list, s.hooks().Tell, s.tellOfNotices)
	}
	if s.cfg.Jira.URL != "" {
		list = append(list, s.jira().Tell)
	}
	if s.cfg.Heartbeat.URL != "" {
		list = append(list, s.heart().Tell)
	}
	return list
}

// hookSinks are those that deliver, by audit.Message.Sink.
func (s *system) hookSinks() map[string]notifier.Sink {
	sinks := map[string]notifier.Sink{}
	if len(s.cfg.Webhooks) > 0 {
		sinks[webhook.Sink] = webhook.NewSender(s.hooks().List, s.clock)
	}
	if s.cfg.Jira.URL != "" {
		sinks[jira.Sink] = s.jira()
	}
	if s.cfg.Heartbeat.URL != "" {
		sinks[heartbeat.Sink] = s.heart()
	}
	return sinks
}

func (s *system) hooks() *webhook.Hooks { return hooksOf(s.cfg) }

// hooksOf are the webhooks of a configuration, with their secrets.
func hooksOf(cfg *config.Config) *webhook.Hooks {
	h := &webhook.Hooks{Redact: address.Redact}
	for _, x := range cfg.Webhooks {
		hook := webhook.Hook{URL: x.URL, Events: x.Events, AllowPrivate: x.AllowPrivate}
		if x.SecretEnv != "" {
			var err error
			if hook.Secrets, err = webhook.Secrets(os.Getenv(x.SecretEnv)); err != nil {
				hook.Trouble = fmt.Sprintf("%s: %s", x.SecretEnv, err)
			}
		}
		h.List = append(h.List, hook)
	}
	return h
}

func (s *system) jira() *jira.Client { return jiraOf(s.cfg, s.store, s.clock) }

// jiraOf is the Jira of a configuration. The store may be nil where nothing is delivered.
func jiraOf(cfg *config.Config, st *store.Store, clock audit.Clock) *jira.Client {
	j := cfg.Jira
	site := jira.Site{URL: j.URL, User: os.Getenv(j.UserEnv), Token: os.Getenv(j.TokenEnv), Project: j.Project, IssueType: j.IssueType, AllowPrivate: j.AllowPrivate}
	return jira.New(site, st, func(ctx context.Context, app, clause string) ([]audit.Finding, error) {
		list, err := st.Findings(ctx, store.Filter{Apps: []string{app}, Statuses: audit.Statuses()})
		return slices.DeleteFunc(list, func(f audit.Finding) bool { return f.Clause != clause || f.Observed }), err
	}, address.Redact, clock)
}

func (s *system) heart() *heartbeat.Heart {
	return heartbeat.New(s.cfg.Heartbeat.URL, s.cfg.Heartbeat.AllowPrivate, s.store.LastGood)
}

// tellOfNotices makes the messages that tell other systems of notices that vendors were sent.
func (s *system) tellOfNotices(news notifier.News) (list []audit.Message, err error) {
	for i := range news.Notices {
		var n notifier.Notice
		if err := json.Unmarshal(news.Notices[i].Content, &n); err != nil {
			return nil, fmt.Errorf("notice %s: %w", news.Notices[i].ID, err)
		}
		more, err := s.hooks().Noticed(n, news.At)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

var projectKey = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)

// checkHooks says what is wrong with the configuration of what other systems are told. No error holds a URL.
func checkHooks(cfg *config.Config) error {
	seen := map[string]bool{}
	for i, h := range cfg.Webhooks {
		at := fmt.Sprintf("webhooks[%d]", i)
		if err := outbound.Check(h.URL); err != nil {
			return fmt.Errorf("%s: url: %w", at, err)
		}
		if seen[h.URL] {
			return fmt.Errorf("%s: url: it is configured twice", at)
		}
		seen[h.URL] = true
		for _, e := range h.Events {
			if !slices.Contains(webhook.Events(), e) {
				return fmt.Errorf("%s: events: %q is none of %s", at, e, strings.Join(webhook.Events(), ", "))
			}
		}
	}
	if h := cfg.Heartbeat; h.URL != "" {
		if err := outbound.Check(h.URL); err != nil {
			return fmt.Errorf("heartbeat: url: %w", err)
		}
	}
	j := cfg.Jira
	if j.URL == "" {
		return nil
	}
	switch err := outbound.Check(j.URL); {
	case err != nil:
		return fmt.Errorf("jira: url: %w", err)
	case !strings.HasPrefix(j.URL, "https://") && !loopback(j.URL):
		return errors.New("jira: url: give one that begins with https://: the token would travel for everybody to read")
	case !projectKey.MatchString(j.Project):
		return fmt.Errorf("jira: project: %q is no key of a project, as AUDIT is", j.Project)
	case j.UserEnv == "" || j.TokenEnv == "":
		return errors.New("jira: user_env and token_env: name the environment variables that hold the account and its API token")
	}
	return nil
}

// loopback says whether a URL leads to this machine.
func loopback(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

// watched is what this process knows of the nights.
type watched struct {
	since  time.Time // when it began to serve
	newest audit.Run
	runs   []audit.Run
	told   map[string]bool // keys of messages that are in the outbox
}

// watchEvery is how often serve looks whether something is to be told of the nights.
const watchEvery = time.Minute

// keepWatching tells of nights that do not come, until ctx is done.
func (s *system) keepWatching(ctx context.Context, plan schedule.Schedule) {
	w := watched{since: s.clock()}
	for pause(ctx, watchEvery) == nil {
		if err := s.watch(ctx, &w, missed(plan)); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot see whether the nights are well", "error", err)
		}
	}
}

// missed says whether a schedule had a night between two times.
func missed(plan schedule.Schedule) func(from, to time.Time) bool {
	return func(from, to time.Time) bool {
		_, n := plan.Due(from, to)
		return n > 0
	}
}

// afterRun tells of what a run shows of the nights, also where ctx is done. That none comes only serve can say.
func (s *system) afterRun(ctx context.Context) {
	ctx, cancel := notifier.Linger(ctx, 10*time.Second)
	defer cancel()
	if err := s.watch(ctx, &s.watched, nil); err != nil {
		s.log.Warn("cannot see whether the nights are well; serve looks again", "error", err)
	}
}

// tellOfFailure gives the alert of a run by hand that failed a moment to be delivered: there may be no serve that does it.
func (s *system) tellOfFailure(ctx context.Context, since audit.Instant) {
	if err := s.deliver(ctx, since, 0); err != nil && ctx.Err() == nil {
		s.log.Warn("messages wait in the outbox", "error", err)
	}
}

// alert makes the message that tells operators of the nights themselves: to Slack's channel, or else by mail to those in alerts.mail; nil where there is neither.
func (s *system) alert(key string, inSlack slack.Message, title, text string, at audit.Instant) (*audit.Message, error) {
	var m audit.Message
	var err error
	switch {
	case s.slack:
		m, err = slack.Enqueue(key, s.cfg.Slack.Channel, inSlack, at)
	case len(s.cfg.Alerts.Mail) > 0:
		m, err = s.toOperators(key, email.Plain("mailreeve: "+title, text+"\n\nmailreeve doctor says more.\n"), at)
	default:
		return nil, nil
	}
	return &m, err
}

// watch enqueues what there is to tell of the nights: alerts to Slack's channel, by mail, or into the log, and run.failed to webhooks. Each has a key of its own, so that none
// is sent twice, whoever looks.
func (s *system) watch(ctx context.Context, w *watched, missed func(from, to time.Time) bool) error {
	newest, err := s.store.Runs(ctx, 1)
	if err != nil {
		return err
	}
	if len(newest) > 0 && (newest[0].Seq != w.newest.Seq || newest[0].Status != w.newest.Status) {
		if w.runs, err = s.store.Runs(ctx, ops.Window); err != nil {
			return err
		}
		w.newest = newest[0]
	}
	now := s.clock()
	alerts := ops.Watch(w.runs, now, ops.Settings{Quarantined: s.cfg.Alerts.Quarantined, Missed: missed, Since: w.since, Redact: address.Redact})
	var messages []audit.Message
	if w.told == nil {
		w.told = map[string]bool{}
	}
	for _, a := range alerts {
		if w.told[a.Key] {
			continue
		}
		m, err := s.alert(a.Key, slack.RenderAlert(a), a.Title, a.Text, audit.At(now))
		if err != nil {
			return err
		}
		if m == nil {
			if w.told[a.Key] = true; missed != nil { // a run by hand shows what it met
				s.log.Warn(a.Title, "alert", a.Text)
			}
			continue
		}
		messages = append(messages, *m)
	}
	for i := range w.runs {
		r := &w.runs[i]
		if r.Status != audit.Failed || now.Sub(r.FinishedAt.Time()) > ops.Recent {
			continue
		}
		more, err := s.hooks().Failed(r)
		if err != nil {
			return err
		}
		messages = append(messages, more...)
	}
	messages = slices.DeleteFunc(messages, func(m audit.Message) bool { return w.told[m.Key] })
	if len(messages) == 0 {
		return nil
	}
	if err := s.store.EnqueueMessages(ctx, messages...); err != nil {
		return err
	}
	for _, m := range messages {
		w.told[m.Key] = true
	}
	return nil
}

// webhooks says whether receivers of webhooks get what they are sent.
func (d *doctor) webhooks(ctx context.Context, send bool) {
	hooks := hooksOf(d.cfg)
	messages, err := hooks.Test(audit.At(d.now))
	if err != nil {
		d.wrong("webhooks", "%w", err)
		return
	}
	sender := webhook.NewSender(hooks.List, func() time.Time { return d.now })
	for i := range hooks.List {
		h := &hooks.List[i]
		place := outbound.Place(h.URL)
		switch {
		case h.Trouble != "":
			d.wrong("webhooks", "%s: %s: put it there, where serve runs, too", place, h.Trouble)
		case send:
			ctx, cancel := context.WithTimeout(ctx, bedside)
			receipt, err := sender.Deliver(ctx, messages[i])
			cancel()
			if err != nil {
				d.wrong("webhooks", "%w: mend that; what waits in the outbox is sent then", err)
				continue
			}
			d.ok("webhooks", "%s has the test message, and answered %s", place, receipt)
		case len(h.Secrets) == 0:
			d.warn("webhooks", "%s: what it is sent is not signed, so that anybody could send it: set secret_env", place)
		default:
			d.ok("webhooks", "%s: --send tries it", place)
		}
	}
}

// jira says whether issues can be filed. It files none.
func (d *doctor) jira(ctx context.Context) {
	j := d.cfg.Jira
	if j.URL == "" {
		return
	}
	for _, env := range []string{j.UserEnv, j.TokenEnv} {
		if os.Getenv(env) == "" {
			d.wrong("jira", "there is nothing in %s: put the account and its API token there, where serve runs, too", env)
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, bedside)
	defer cancel()
	name, err := jiraOf(d.cfg, nil, func() time.Time { return d.now }).Check(ctx)
	if err != nil {
		d.wrong("jira", "%w: mend that; what waits in the outbox is sent then", err)
		return
	}
	d.ok("jira", "%s knows the account (%s), the project %s and its issue type", outbound.Place(j.URL), name, j.Project)
}

// heartbeat says whether its host can be reached. Its URL is not called: that would be a beat, of whatever method.
func (d *doctor) heartbeat(ctx context.Context, send bool) {
	h := d.cfg.Heartbeat
	switch {
	case h.URL == "":
	case !send:
		d.ok("heartbeat", "%s: --send sees whether it answers", outbound.Place(h.URL))
	default:
		ctx, cancel := context.WithTimeout(ctx, bedside)
		defer cancel()
		if err := heartbeat.New(h.URL, h.AllowPrivate, nil).Reach(ctx); err != nil {
			d.wrong("heartbeat", "%w: mend that, or nobody notices a night that does not come", err)
			return
		}
		d.ok("heartbeat", "%s answers; its URL was not called, which would be a beat", outbound.Place(h.URL))
	}
}
