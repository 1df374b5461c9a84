package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/smtptest"
)

// newOperator is a small world that is told of by mail only, as alerts says.
func newOperator(t *testing.T, alerts string) (w *ward, s *system) {
	t.Helper()
	w = newWard(t, "")
	w.configure("sources:", alerts+"\nsources:")
	return w, w.system()
}

// system is the world's, by the test's clock.
func (w *ward) system() *system {
	w.Helper()
	c := &cli{out: io.Discard, err: io.Discard, clock: func() time.Time { return w.clock() }, config: w.path("mailreeve.yaml")}
	s, err := c.open(w.Context())
	w.must(err)
	w.Cleanup(func() { w.must(s.close()) })
	return s
}

// Messages of a receiver that is not configured any more are named, with what to do, and can be given up, with a reason, by whom and when; then nothing is wrong any more.
func TestGivingUpMessages(t *testing.T) {
	t.Parallel()
	w, s := newOperator(t, "")
	now := audit.At(time.Now())
	for _, key := range []string{"digest R-000007", "digest R-000008"} {
		w.must(s.store.EnqueueMessages(t.Context(), audit.Message{Key: key, Sink: "slack", Lane: "#audit", Created: now.Add(-7 * time.Hour), NextAt: now.Add(-7 * time.Hour)}))
	}
	said := func(code int, args ...string) string {
		t.Helper()
		w.output.Reset()
		if got := w.say(args...); got != code {
			t.Fatalf("%q ended with %d, not %d:\n%s", args, got, code, w.output.String())
		}
		return w.output.String()
	}
	shows := func(text string, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	shows(said(exitFailed, "doctor"), "2 messages wait for slack, which is not configured here (there is no token in SLACK_BOT_TOKEN); the first, digest R-000007", "mailreeve notices send --give-up slack --reason …")
	shows(said(exitDone, "notices", "list", "--tasks", "--format", "csv"), "undelivered,M-1,", "digest R-000007, to slack, which is not configured", "mailreeve notices send --give-up M-2 --reason …")
	shows(said(exitUsage, "notices", "send", "--give-up", "M-1"), "needs --reason")
	shows(said(exitUsage, "notices", "send", "--give-up", "--reason", "x"), "needs the messages")
	shows(said(exitUsage, "notices", "send", "M-1"), "only --give-up takes arguments")
	shows(said(exitUsage, "notices", "send", "--give-up", "--retry", "M-1", "--reason", "x"), "give one of them")
	shows(said(exitFailed, "notices", "send", "--give-up", "slak", "--reason", "x"), `"slak": nothing waits`, "one of slack")
	shows(said(exitFailed, "notices", "send", "--give-up", "M-99", "--reason", "x"), "M-99", "not found")
	shows(said(exitDone, "notices", "send", "--give-up", "m-1", "--reason", "Joe <joe@customer.example> left"), "M-1 is given up: digest R-000007, to slack")
	shows(said(exitDone, "notices", "send", "--give-up", "slack", "--reason", "we left Slack"), "M-2 is given up: digest R-000008, to slack")
	shows(said(exitFailed, "notices", "send", "--give-up", "M-1", "--reason", "x"), "message M-1: given up at")
	if left := said(exitDone, "notices", "list", "--tasks"); strings.Contains(left, "undelivered") || strings.Contains(left, "given-up") {
		t.Errorf("it still waits for a person:\n%s", left)
	}
	shows(said(exitDone, "notices", "list", "--tasks", "--all", "--format", "jsonl"), `"task":"given-up","about":"M-2"`, "was given up by cli:", "we left Slack")
	one := said(exitDone, "notices", "show", "M-1")
	shows(one, "digest R-000007", "given up at", "by cli:", " left")
	if strings.Contains(one, "joe@") {
		t.Errorf("it shows an address:\n%s", one)
	}
	shows(said(exitDone, "notices", "show", "M-2", "--format", "json"), `"id": "M-2"`, `"given_up_reason": "we left Slack"`, `"sent_at": null`)
	shows(said(exitDone, "verify"), "")
	shows(said(exitDone, "doctor"), "0 messages waiting")
}

// Alerts go by mail where there is no Slack, once each, whoever looks.
func TestAlertsByMail(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	w, s := newOperator(t, `alerts: {mail: [ops@platform.example]}
notices: {smtp: "smtp://`+server.SMTP+`", from: compliance@platform.example}`)
	nobody := func(from, to time.Time) bool { return to.Sub(from) >= 24*time.Hour }
	started := watched{since: time.Now()}
	begun := time.Now()
	w.clock = func() time.Time { return begun.Add(26*time.Hour + time.Minute) }
	for range 2 {
		w.must(s.watch(t.Context(), &started, nobody))
		w.must(s.watch(t.Context(), &watched{since: begun}, nobody)) // another process
	}
	w.spoil()
	w.put("access-2.jsonl", slackCall(w.clock().Add(-time.Minute).UTC().Format(time.RFC3339), "r2")+"\n")
	for range 2 {
		w.say("run")
	}
	w.sql(`DROP TRIGGER spoiled`)
	if code := w.say("run"); code != exitDone {
		t.Fatalf("exit %d: %s", code, w.output.String())
	}
	var subjects []string
	for _, m := range server.Messages(t) {
		_, rest, _ := strings.Cut(string(server.Raw(t, m.ID)), "Subject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	want := []string{"mailreeve: A night failed", "mailreeve: Nights finish again", "mailreeve: No night has finished for 26 hours"}
	if !slices.Equal(subjects, want) {
		t.Errorf("%q, want %q\n%s", subjects, want, w.output.String())
	}
}

// Of an abnormal night the operators are told by mail, too, once.
func TestAnAbnormalNightByMail(t *testing.T) {
	t.Parallel()
	w := emptyWard(t, "")
	w.put("policy.yaml", "notices: {abnormal: {findings: 0, times: 0}}\n")
	w.configure("archive:", `policy: policy.yaml
alerts: {mail: [ops@platform.example]}
notices: {smtp: "smtp://`+smtptest.Start(t, smtptest.Options{}).SMTP+`", from: compliance@platform.example}
archive:`)
	s := w.system()
	w.say("run")
	w.put("access-2.jsonl", strings.ReplaceAll(slackCall(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "r2"), `"acme"`, `"basil"`)+"\n")
	w.say("run")
	all, err := s.store.Messages(t.Context())
	w.must(err)
	var told []string
	for _, m := range all {
		if strings.HasPrefix(m.Key, "abnormal ") {
			told = append(told, m.Key+" by "+m.Sink)
		}
	}
	if !slices.Equal(told, []string{"abnormal R-000002 by email"}) {
		t.Errorf("%q", told)
	}
}
