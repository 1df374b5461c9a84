package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
)

// A slackServer is a workspace behind a door that fails first.
type slackServer struct {
	t      *testing.T
	url    string
	fake   *slackfake.Server
	mu     sync.Mutex
	forms  []url.Values // of messages that were accepted
	faults []int        // statuses to answer with before any is accepted
}

const slackToken = slackfake.BotToken

func newSlack(t *testing.T) *slackServer {
	t.Helper()
	s := &slackServer{t: t, fake: slackfake.New("#audit", "#urgent")}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.faults) > 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(s.faults[0])
			s.faults = s.faults[1:]
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
			s.forms = append(s.forms, r.Form)
		}
		s.fake.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL + "/"
	return s
}

// posted is how many messages Slack has taken so far.
func (s *slackServer) posted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.forms)
}

func (s *slackServer) fail(statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = statuses
}

// slackDir is a folder with a small world that posts to s.
func slackDir(t *testing.T, s *slackServer) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("mailreeve.yaml", `store: sqlite://mailreeve.db
archive: mailreeve.archive
sources:
  - {kind: access, path: "access-*.jsonl"}
  - {kind: apps, path: apps.jsonl}
slack: {channel: "#audit", token_env: MAILREEVE_TEST_SLACK_TOKEN, api_url: "`+s.url+`"}
`)
	put("apps.jsonl", `{"key":"acme","name":"<!channel> & *Acme*","vendor":{"id":"v1"},"approvals":[]}`+"\n")
	put("access-1.jsonl", slackCall("2026-11-22T10:00:00Z", "r1")+"\n")
	return dir
}

func slackCall(ts, request string) string {
	return `{"ts":"` + ts + `","request_id":"` + request + `","app_key":"acme","cloud_id":"site-1","path":"/rest/api/3/user/email","auth":"oauth2","status":200,"account_ids":["ann"]}`
}

// mailreeve runs the command in dir and gives its exit code.
func mailreeve(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(context.Background(), append(args, "-c", filepath.Join(dir, "mailreeve.yaml")), &out, &errs)
	return code, out.String(), errs.String()
}

func runAt(t *testing.T, dir, asOf string) {
	t.Helper()
	if code, _, errs := mailreeve(t, dir, "run", "--as-of", asOf); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
}

// The first run is one digest. The same run again sends nothing (aws-securityhub-to-slack 16), one by hand that changes something one more.
func TestARunByHandPostsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	dir := slackDir(t, s)
	runAt(t, dir, "2026-11-23T02:30:00Z")
	if s.posted() != 1 {
		t.Fatalf("the first run posted %d messages", s.posted())
	}
	blocks := s.forms[0].Get("blocks")
	if !strings.Contains(blocks, "access-unapproved") || strings.Contains(blocks, `"<!channel>`) || strings.Contains(s.forms[0].Get("text"), "<!channel>") {
		t.Errorf("posted %s\n%s", s.forms[0].Get("text"), blocks)
	}
	runAt(t, dir, "2026-11-23T02:30:00Z")
	runAt(t, dir, "2026-11-23T03:30:00Z")
	if s.posted() != 1 {
		t.Fatalf("the same again posted %d messages more", s.posted()-1)
	}
	if err := os.WriteFile(filepath.Join(dir, "access-2.jsonl"), []byte(slackCall("2026-11-23T10:00:00Z", "r2")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runAt(t, dir, "2026-11-24T02:30:00Z")
	if s.posted() != 2 {
		t.Fatalf("what is new posted %d messages", s.posted()-1)
	}
}

// A digest is retried on 429 and 5xx, and arrives once.
func TestADigestSurvivesSlacksFaults(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	dir := slackDir(t, s)
	s.fail(http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway)
	runAt(t, dir, "2026-11-23T02:30:00Z")
	if s.posted() != 1 {
		t.Fatalf("posted %d messages", s.posted())
	}
}

// Exactly one digest a scheduled night, also when nothing is new, and none for a night that has been run.
func TestAScheduledNightPostsOneDigest(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	c := &cli{out: io.Discard, err: io.Discard, clock: at("2026-11-22T02:30:05Z").Time, config: filepath.Join(slackDir(t, s), "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	for i, when := range []string{"2026-11-23T02:30:00Z", "2026-11-24T02:30:00Z", "2026-11-24T02:30:00Z"} {
		if err := sys.scheduled(t.Context(), at(when).Time(), at(when).Time()); err != nil {
			t.Fatal(err)
		}
		if want := min(i+1, 2); s.posted() != want {
			t.Fatalf("after night %d: %d messages, want %d", i+1, s.posted(), want)
		}
	}
}

// What Slack does not take is kept and sent with the next run, and says so; the token is in no message, log, or store.
func TestAnUndeliveredDigestIsKept(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	dir := slackDir(t, s)
	c := &cli{out: io.Discard, err: io.Discard, clock: at("2026-11-22T02:30:05Z").Time, config: filepath.Join(dir, "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	s.fail(503, 503, 503, 503, 503, 503, 503, 503)
	res, err := sys.audit(t.Context(), audit.Options{AsOf: at("2026-11-23T02:30:00Z"), ScheduledAt: audit.Never, By: "test"}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !res.First {
		t.Error("it is not the first run")
	}
	if err := sys.deliver(t.Context(), audit.Ever, 0); err == nil || !strings.Contains(err.Error(), "1 message could not be delivered yet") {
		t.Errorf("got %v", err)
	}
	s.fail()
	runAt(t, dir, "2026-11-23T02:30:00Z")
	if s.posted() != 1 {
		t.Errorf("posted %d messages", s.posted())
	}
	files, err := filepath.Glob(filepath.Join(dir, "mailreeve.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(slackToken)) {
			t.Errorf("%s holds the token", f)
		}
	}
}
