package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// reviewed adds routes, reviewers and where presses come in to slackDir's configuration.
func reviewed(t *testing.T, dir, listen string) {
	t.Helper()
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	more := `, signing_secret_env: MAILREEVE_TEST_SLACK_SECRET, reviewers: [U1ANN], routes: [{severity: [critical], channel: "#urgent"}]}` +
		"\nconsole: {listen: \"" + listen + "\", public_url: \"https://console.example\"}\n"
	i := strings.LastIndex(string(text), "}")
	if err := os.WriteFile(path, []byte(string(text)[:i]+more), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A new critical finding gets a head in its channel; what the command line and a press do to it stands in its thread and in the trail.
func TestAThreadFromHeadToResolved(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	dir := slackDir(t, s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	reviewed(t, dir, listen)
	runAt(t, dir, "2026-11-23T02:30:00Z") // the first: a digest only, the finding of acme in it
	if err := os.WriteFile(filepath.Join(dir, "access-2.jsonl"), []byte(strings.ReplaceAll(slackCall("2026-11-23T10:00:00Z", "r2"), `"acme"`, `"other"`)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runAt(t, dir, "2026-11-24T02:30:00Z")
	id := audit.FindingID("access-unapproved", "other", "")
	urgent := s.fake.Messages("#urgent")
	if len(urgent) != 1 || !strings.Contains(string(urgent[0].Blocks), id) || !strings.Contains(string(urgent[0].Blocks), "Suppress") {
		t.Fatalf("%+v", urgent)
	}
	if n := len(s.fake.Messages("#audit")); n != 3 { // two digests and a chart
		t.Errorf("%d messages in #audit", n)
	}

	c := &cli{out: io.Discard, err: io.Discard, clock: time.Now, config: filepath.Join(dir, "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan error, 1)
	go func() { heard <- sys.serveConsole(ctx, nil) }()
	press := func(user string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			r, err := slackfake.Signed(ctx, "http://"+listen+slack.Path, "signed-and-sealed", s.fake.Press(user, "mailreeve_acknowledge", id, urgent[0]), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err == nil {
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Fatal(answer.Status)
				}
				return
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	press("U1ANN")
	press("U2BOB")
	cancel()
	if err := <-heard; err != nil {
		t.Error(err)
	}
	trail, err := sys.store.Trail(t.Context(), store.TrailFilter{Finding: id})
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, e := range trail {
		who = append(who, e.Who+" "+e.What)
	}
	if got := fmt.Sprint(who); !strings.Contains(got, "slack:U1ANN (name-of-U1ANN) acknowledged") || strings.Contains(got, "U2BOB") {
		t.Errorf("trail: %s", got)
	}
	if code, _, errs := mailreeve(t, dir, "findings", "resolve", id, "--reason", "mended"); code != exitDone {
		t.Fatal(errs)
	}
	if err := sys.deliver(t.Context(), audit.Ever, time.Minute); err != nil {
		t.Fatal(err)
	}
	urgent = s.fake.Messages("#urgent")
	var replies []string
	for _, m := range urgent[1:] {
		if m.Thread != urgent[0].TS {
			t.Errorf("outside of the thread: %s", m.Text)
		}
		replies = append(replies, string(m.Blocks))
	}
	if len(replies) != 2 || !strings.Contains(replies[0], "Acknowledged by slack:U1ANN") || !strings.Contains(replies[1], "mended") {
		t.Errorf("%q", replies)
	}
	if !strings.Contains(string(urgent[0].Blocks), "Now: resolved (mended)") || strings.Contains(string(urgent[0].Blocks), "Acknowledge") {
		t.Errorf("the head: %s", urgent[0].Blocks)
	}
	if said := s.fake.Whispers(); len(said) != 1 || said[0].User != "U2BOB" {
		t.Errorf("%v", said)
	}
	if refused := s.fake.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

// doctor names the scopes that are missing, the channels that the app is not in, and buttons that nobody hears.
func TestDoctorLooksAtSlack(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	s.fake.Scopes = []string{"chat:write", "channels:read"}
	dir := slackDir(t, s)
	reviewed(t, dir, "127.0.0.1:0")
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blind := strings.NewReplacer("#urgent", "#gone", "MAILREEVE_TEST_SLACK_SECRET", "MAILREEVE_TEST_NOTHING").Replace(string(text))
	if err := os.WriteFile(path, []byte(blind), 0o600); err != nil {
		t.Fatal(err)
	}
	runAt(t, dir, "2026-11-23T02:30:00Z")
	_, said, _ := mailreeve(t, dir, "doctor")
	for _, want := range []string{"lacks the scope channels:history", "lacks the scope files:write", "channel #gone: slack: channel_not_found", "buttons that nobody hears"} {
		if !strings.Contains(said, want) {
			t.Errorf("doctor does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "channel #audit:") || strings.Contains(said, slackToken) {
		t.Errorf("%s", said)
	}
}
