package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/unreliable"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

var update = flag.Bool("update", false, "write golden files")

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

func instant(s string) audit.Instant {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return audit.At(t)
}

// finding is the nth, as the store gives it.
func theFinding(n int) audit.Finding {
	f := nights.Finding(n)
	f.FirstSeen, f.LastSeen, f.NotifiedAt, f.DueAt = instant("2026-11-01T10:00:00Z"), instant("2026-11-21T10:00:00Z"), audit.Never, audit.Never
	f.FirstRun, f.LastRun, f.PolicyDigest = "R-000001", "R-000042", "sha256:00"
	f.Evidence = []audit.Evidence{{At: instant("2026-11-21T10:00:00Z"), Site: "site-1", Account: "5b10-secret-account", Detail: "GET /rest/api/3/user/email"}}
	return f
}

// hostile is a finding whose every text is.
func hostile() audit.Finding {
	f := theFinding(0)
	text := "</script><!channel>\x00\x1b[31m\u202e\xff\r\n\"}, mail " + nights.Address
	f.App, f.AppName, f.Vendor, f.Subject, f.Title, f.Explanation, f.Remediation, f.Assignee = text, text, text, text, text, text, text, text
	f.Evidence[0].Site, f.Evidence[0].Detail = text, text
	f.Recommendation = &audit.Recommendation{Act: "warn", ProposedBy: text, ProposedAt: 1}
	return f
}

// news is one night and two deeds, with an event of each kind but those about notices and failures.
func news() []notifier.News {
	run := &audit.Run{ID: "R-000042", AsOf: instant("2026-11-22T02:30:00Z"), ScheduledAt: instant("2026-11-22T02:30:00Z"), Status: audit.Running, Summary: audit.RunSummary{
		Sources: []audit.SourceResult{{Kind: audit.KindAccess, Path: "logs/<" + nights.Address + ">.jsonl", Lines: 10, Facts: 9, Quarantined: 1, Newest: audit.Ever, Looked: true}},
		Checks:  []audit.CheckResult{{ID: "access-unapproved", Looked: true}}, Findings: audit.FindingCounts{New: 1, Open: 3}}}
	silent := theFinding(9)
	silent.Status = audit.Suppressed
	resolved, acked := theFinding(5), theFinding(6)
	resolved.Status, acked.Status = audit.Resolved, audit.Acknowledged
	changes := []audit.Change{{Finding: hostile(), What: audit.IsNew}, {Finding: theFinding(1), What: audit.IsReopened}, {Finding: theFinding(2), What: audit.IsWorsened},
		{Finding: theFinding(3), What: audit.IsResolved}, {Finding: theFinding(4), What: audit.IsWithdrawn}, {Finding: theFinding(8), What: audit.Grew}, {Finding: silent, What: audit.IsReopened}}
	deed := func(f audit.Finding, what string, from, to audit.Status) notifier.News {
		e := audit.TrailEntry{Who: "cli:ann@host", What: what, Finding: f.ID, Why: "told by " + nights.Address, Details: map[string]any{"from": string(from), "to": string(to)}}
		return notifier.News{At: instant("2026-11-22T09:00:00Z"), Changes: []audit.Change{{Finding: f, What: audit.IsActed}}, Trail: []audit.TrailEntry{e}}
	}
	return []notifier.News{{At: instant("2026-11-22T02:31:00Z"), Result: &audit.Result{Run: run, Changes: changes}, Changes: changes},
		deed(resolved, "resolved", audit.Open, audit.Resolved), deed(acked, "acknowledged", audit.Open, audit.Acknowledged)}
}

func all(t *testing.T, h *Hooks) []audit.Message {
	t.Helper()
	var list []audit.Message
	add := func(more []audit.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, more...)
	}
	for _, n := range news() {
		add(h.Tell(n))
	}
	add(h.Failed(&audit.Run{ID: "R-000043", AsOf: instant("2026-11-23T02:30:00Z"), ScheduledAt: audit.Never, FinishedAt: instant("2026-11-23T02:30:05Z"), Status: audit.Failed, Error: "no room\nfor " + nights.Address}))
	add(h.Noticed(notifier.Notice{Schema: notifier.NoticeSchema, ID: "N-1", Kind: audit.FirstNotice, IssuedAt: instant("2026-11-23T09:00:00Z").Time()}, instant("2026-11-23T09:00:00Z")))
	add(h.Test(instant("2026-11-23T10:00:00Z")))
	for i := range list {
		list[i].ID = int64(i + 1)
	}
	return list
}

// What is sent is as docs/webhook.schema.json says, and shows neither accounts nor addresses.
func TestBodies(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("../../docs/webhook.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden bytes.Buffer
	seen, keys := map[string]bool{}, map[string]bool{}
	for _, m := range all(t, &Hooks{List: []Hook{{URL: "https://hooks.example/url-secret"}}, Redact: nights.Redact}) {
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(body); err != nil {
			t.Errorf("%s: %v", m.Key, err)
		}
		kind, _ := body.(map[string]any)["type"].(string)
		if keys[m.Key] {
			t.Errorf("the key %q comes twice", m.Key)
		}
		seen[kind], keys[m.Key] = true, true
		if s := m.Key + m.Lane + string(m.Body); strings.Contains(s, "secret") || strings.Contains(s, "joe.doe") {
			t.Errorf("it shows what it should not: %s", s)
		}
		fmt.Fprintf(&golden, "%s\n", m.Key)
		if err := json.Indent(&golden, m.Body, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden.WriteString("\n\n")
	}
	for _, e := range Events() {
		if !seen[e] {
			t.Errorf("no %s", e)
		}
	}
	if *update {
		if err := os.WriteFile("testdata/bodies.txt", golden.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/bodies.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, golden.Bytes()) {
		t.Errorf("other bodies than testdata/bodies.txt:\n%s", golden.String())
	}
	if err := schema.Validate(map[string]any{"type": "finding.opened", "timestamp": "2026-11-22T02:31:00Z", "data": map[string]any{"account_id": "x"}}); err == nil {
		t.Error("the schema takes anything")
	}
}

func TestOnlyNamedEvents(t *testing.T) {
	t.Parallel()
	h := &Hooks{List: []Hook{{URL: "https://a.example", Events: []string{Opened, RunFinished}}, {URL: "https://b.example", Events: []string{Resolved}}}, Redact: nights.Redact}
	var got []string
	for _, m := range all(t, h)[:4] {
		got = append(got, strings.ReplaceAll(strings.ReplaceAll(m.Key, h.List[0].Lane(), "a"), h.List[1].Lane(), "b"))
	}
	id := func(n int) string { return theFinding(n).ID }
	want := []string{"webhook a finding.opened " + id(0) + " R-000042", "webhook a run.finished R-000042", "webhook b finding.resolved " + id(3) + " R-000042", "webhook b finding.resolved " + id(5) + " 2026-11-22T09:00:00Z"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A receiver checks signatures with the standard's own library, and knows what it has had by its id.
type receiver struct {
	t       *testing.T
	verify  *standard.Webhook
	mu      sync.Mutex
	handled map[string]string // by id
	times   int
	headers http.Header
}

func newReceiver(t *testing.T) *receiver {
	v, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{t: t, verify: v, handled: map[string]string{}}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if err := r.verify.Verify(body, req.Header); err != nil {
		r.t.Errorf("%v: %s", err, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
	r.headers = req.Header
	id := req.Header.Get("webhook-id")
	if was, ok := r.handled[id]; ok && was != string(body) {
		r.t.Errorf("the id %s came with another body", id)
	}
	r.handled[id] = string(body)
	w.WriteHeader(http.StatusAccepted)
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := httptest.NewServer(r)
	defer s.Close()
	old := "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	hooks := []Hook{{URL: s.URL + "/path-secret", Secrets: []string{old, secret}, AllowPrivate: true}}
	m := all(t, &Hooks{List: hooks, Redact: nights.Redact})[0]
	receipt, err := NewSender(hooks, time.Now).Deliver(t.Context(), m)
	if err != nil || receipt != "202" {
		t.Fatalf("%q, %v", receipt, err)
	}
	first := r.headers.Get("webhook-id")
	if _, err := NewSender(hooks, func() time.Time { return time.Now().Add(3 * time.Second) }).Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(r.handled) != 1 || first != ID(m.Key) || r.handled[first] != string(m.Body) {
		t.Errorf("%v", r.handled)
	}
	if n := len(strings.Fields(r.headers.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d signatures of two secrets", n)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status   int
		attempts int
		header   string
		final    bool
		after    time.Duration
	}{
		{status: 302, final: true}, {status: 308, final: true}, {status: 400, final: true}, {status: 401, final: true}, {status: 404, attempts: 400, final: true}, {status: 410, final: true}, {status: 422, final: true},
		{status: 429, attempts: 50, header: "7", after: 7 * time.Second}, {status: 503, header: "120", after: 2 * time.Minute}, {status: 500, attempts: 50}, {status: 504}, {status: 408, attempts: 50}, {status: 425},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/")
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, "body-secret", strings.Repeat("x", 1<<20))
		}))
		hooks := []Hook{{URL: s.URL + "/path-secret", Secrets: []string{secret}, AllowPrivate: true}}
		_, err := NewSender(hooks, time.Now).Deliver(t.Context(), audit.Message{Lane: hooks[0].Lane(), Attempts: c.attempts, Body: []byte("{}")})
		s.Close()
		var f *notifier.Failure
		errors.As(err, &f)
		if err == nil || (f != nil && f.Final) != c.final || (f != nil && f.RetryAfter != c.after) || (f == nil && c.after > 0) {
			t.Errorf("%d after %d: %+v", c.status, c.attempts, err)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%d: it shows what it should not: %v", c.status, err)
		}
	}
}

// What is wrong before anything is sent.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer s.Close()
	hooks := []Hook{{URL: s.URL + "/path-secret"}, {URL: "http://127.0.0.1:1/path-secret", AllowPrivate: true}, {URL: s.URL + "/2-secret", Secrets: []string{"whsec_%"}, AllowPrivate: true}}
	for lane, want := range map[string]string{
		hooks[0].Lane(): "final not a public address", hooks[1].Lane(): "connection refused", hooks[2].Lane(): "final no base64", "gone": "final no longer",
	} {
		_, err := NewSender(hooks, time.Now).Deliver(t.Context(), audit.Message{Lane: lane})
		want, final := strings.CutPrefix(want, "final ")
		var f *notifier.Failure
		if isFinal := errors.As(err, &f) && f.Final; err == nil || isFinal != final || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret"+"/") || strings.Contains(err.Error(), "path-secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for text, n := range map[string]int{secret: 1, secret + " " + secret + "\n": 2, "": 0, "hunter2": 0, "whsec_c2hvcnQ=": 0, "whsec_" + strings.Repeat("%", 40): 0, "whsec_" + strings.Repeat("AAAA", 40): 0} {
		got, err := Secrets(text)
		if len(got) != n || (err == nil) != (n > 0) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows it: %v", err)
		}
	}
}

// Whatever is dropped, delayed, reset or answered 429 or 500, at 30 % each, before and after accepting: everything arrives, and nothing is handled twice by
// who knows ids.
func TestUnreliableReceivers(t *testing.T) {
	t.Parallel()
	receivers := []*receiver{newReceiver(t), newReceiver(t)}
	var hooks []Hook
	for i, r := range receivers {
		s := httptest.NewUnstartedServer(unreliable.Handler(r, uint64(i+1), 0.3))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Start()
		defer s.Close()
		hooks = append(hooks, Hook{URL: s.URL, Secrets: []string{secret}, AllowPrivate: true})
	}
	clock, store := &nights.Clock{}, &nights.Store{}
	messages := all(t, &Hooks{List: hooks, Redact: nights.Redact})
	store.Put(messages...)
	o := &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{Sink: NewSender(hooks, time.Now)}, Clock: clock.Now, Sleep: clock.Sleep}
	for range 100 {
		if err := o.Flush(context.Background(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if store.Waiting() == 0 {
			break
		}
		_ = clock.Sleep(context.Background(), time.Hour)
	}
	if left := store.Waiting(); left != 0 {
		t.Fatalf("%d messages were not delivered", left)
	}
	repeats := 0
	for i, r := range receivers {
		if want := len(messages) / 2; len(r.handled) != want {
			t.Errorf("receiver %d handled %d messages, not %d", i, len(r.handled), want)
		}
		repeats += r.times - len(r.handled)
	}
	if repeats == 0 {
		t.Error("no answer was lost: this test tests nothing")
	}
}
