package jira

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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/jirafake"
	"github.com/mailreeve/mailreeve/internal/unreliable"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

var update = flag.Bool("update", false, "write golden files")

// A world is findings, an outbox, and a Jira behind a door.
type world struct {
	*testing.T
	clock    *nights.Clock
	store    *nights.Store
	jira     *jirafake.Server
	client   *Client
	outbox   *notifier.Outbox
	findings map[string]audit.Finding
	runs     int
}

func newWorld(t *testing.T, door func(http.Handler) http.Handler) *world {
	w := &world{T: t, clock: &nights.Clock{}, store: &nights.Store{}, findings: map[string]audit.Finding{}}
	w.jira = &jirafake.Server{Clock: w.clock.Now, Lag: Horizon - time.Second}
	var h http.Handler = w.jira
	if door != nil {
		h = door(h)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	w.client = New(Site{URL: s.URL + "/", User: jirafake.User, Token: jirafake.Token, Project: jirafake.Project, IssueType: jirafake.Type, AllowPrivate: true}, w, w.of, nights.Redact, w.clock.Now)
	w.restart()
	return w
}

// restart is another process on the same store.
func (w *world) restart() {
	w.client = New(w.client.site, w, w.of, nights.Redact, w.clock.Now)
	w.outbox = &notifier.Outbox{Store: w.store, Sinks: map[string]notifier.Sink{Sink: w.client}, Clock: w.clock.Now, Sleep: w.clock.Sleep}
}

// Receipt is notifier.Receipts'.
func (w *world) Receipt(_ context.Context, key string) (string, error) {
	for _, m := range w.store.Rows {
		if m.Key == key && m.SentAt != audit.Never {
			return m.Receipt, nil
		}
	}
	return "", nil
}

func (w *world) of(_ context.Context, app, clause string) (list []audit.Finding, _ error) {
	for _, f := range w.findings {
		if f.App == app && f.Clause == clause {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b audit.Finding) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// tell enqueues what news come to, each key once.
func (w *world) tell(n notifier.News) {
	w.Helper()
	for _, c := range n.Changes {
		w.findings[c.Finding.ID] = c.Finding
	}
	list, err := w.client.Tell(n)
	if err != nil {
		w.Fatal(err)
	}
	for _, m := range list {
		if !slices.ContainsFunc(w.store.Rows, func(r audit.Message) bool { return r.Key == m.Key }) {
			m.ID = int64(len(w.store.Rows) + 1)
			w.store.Put(m)
		}
	}
}

func (w *world) night(changes ...audit.Change) {
	w.Helper()
	w.runs++
	run := &audit.Run{ID: fmt.Sprintf("R-%06d", w.runs), AsOf: audit.At(w.clock.Now())}
	w.tell(notifier.News{At: audit.At(w.clock.Now()), Result: &audit.Result{Run: run}, Changes: changes})
}

func (w *world) deed(f audit.Finding, what string, to audit.Status) {
	w.Helper()
	was := f.Status
	f.Status = to
	e := audit.TrailEntry{Who: "cli:ann@host", What: what, Why: "as " + nights.Address + " says", Details: map[string]any{"from": string(was), "to": string(to)}}
	w.tell(notifier.News{At: audit.At(w.clock.Now()), Changes: []audit.Change{{Finding: f, What: audit.IsActed}}, Trail: []audit.TrailEntry{e}})
}

// deliver delivers all.
func (w *world) deliver() {
	w.Helper()
	for range 5000 {
		if err := w.outbox.Flush(w.Context(), time.Hour); err != nil {
			w.Fatal(err)
		}
		if w.store.Waiting() == 0 {
			_ = w.clock.Sleep(w.Context(), time.Second)
			return
		}
		_ = w.clock.Sleep(w.Context(), time.Minute)
	}
	for _, m := range w.store.Rows {
		if m.SentAt == audit.Never {
			w.Errorf("%s is not delivered after %d attempts: %s", m.Key, m.Attempts, m.Error)
		}
	}
	w.FailNow()
}

// of is a finding of an app against P7 with a subject.
func p7(app, subject string) audit.Finding {
	f := nights.Finding(0)
	f.App, f.Check, f.Clause, f.Subject, f.ID = app, "purpose-not-approved", "P7", subject, audit.FindingID("purpose-not-approved", app, subject)
	f.NotifiedAt, f.DueAt = audit.Never, audit.Never
	return f
}

// shown is what a person sees of an issue.
func shown(i jirafake.Issue) string {
	return fmt.Sprintf("%s %s, %d comments", i.Key, i.Status, len(i.Comments))
}

func (w *world) see(want ...string) {
	w.Helper()
	var got []string
	for _, i := range w.jira.Issues() {
		got = append(got, shown(i))
	}
	if !slices.Equal(got, want) {
		w.Errorf("%q, want %q", got, want)
	}
}

func is(what audit.ChangeKind, status audit.Status, f audit.Finding) audit.Change {
	f.Status = status
	return audit.Change{Finding: f, What: what}
}

// The life of a group's issue.
func TestAnIssueForEachGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b, other := p7("acme", "user-sync"), p7("acme", "security-alerts"), p7("basil", "user-sync")
	w.night(is(audit.IsNew, audit.Open, a), is(audit.IsNew, audit.Open, b), is(audit.IsNew, audit.Open, other))
	w.deliver()
	w.see("AUDIT-1 Offen, 0 comments", "AUDIT-2 Offen, 0 comments")
	w.night(is(audit.Grew, audit.Open, a))
	w.deliver()
	w.see("AUDIT-1 Offen, 0 comments", "AUDIT-2 Offen, 0 comments") // nobody is told each night
	w.night(is(audit.IsWorsened, audit.Open, a))
	w.deed(other, "acknowledged", audit.Acknowledged)
	w.deliver()
	w.see("AUDIT-1 Offen, 1 comments", "AUDIT-2 Offen, 1 comments")
	w.night(is(audit.IsResolved, audit.Resolved, a))
	w.deliver()
	w.see("AUDIT-1 Offen, 2 comments", "AUDIT-2 Offen, 1 comments") // the other of its group is open
	w.deed(b, "suppressed", audit.Suppressed)
	w.deliver()
	w.see("AUDIT-1 Fertig, 3 comments", "AUDIT-2 Offen, 1 comments")
	w.night(is(audit.IsReopened, audit.Open, a))
	w.deliver()
	w.see("AUDIT-1 Offen, 4 comments", "AUDIT-2 Offen, 1 comments")
	// A person closed it in Jira; what people do in mailreeve does not open it, what comes anew does.
	w.jira.Move("10002", "Fertig")
	w.deed(w.findings[other.ID], "comment", audit.Acknowledged)
	w.deliver()
	w.see("AUDIT-1 Offen, 4 comments", "AUDIT-2 Fertig, 2 comments")
	w.night(is(audit.IsWorsened, audit.Open, other))
	w.deliver()
	w.see("AUDIT-1 Offen, 4 comments", "AUDIT-2 Offen, 3 comments")
	// A person deleted it: it comes back with what comes anew, and only then.
	w.jira.Delete("10002")
	w.deed(other, "acknowledged", audit.Acknowledged)
	w.deliver()
	w.see("AUDIT-1 Offen, 4 comments")
	w.night(is(audit.IsWorsened, audit.Open, other))
	w.deliver()
	w.see("AUDIT-1 Offen, 4 comments", "AUDIT-3 Offen, 0 comments")
	// What was found before there was a Jira has no issue to update.
	w.deed(p7("old", "x"), "resolved", audit.Resolved)
	w.deliver()
	w.see("AUDIT-1 Offen, 4 comments", "AUDIT-3 Offen, 0 comments")
}

// An issue that was made, and of which no answer came, is found before it is made again, though search shows it late; also by another process, and by two that take turns.
func TestNoIssueTwiceThoughSearchIsLate(t *testing.T) {
	t.Parallel()
	for _, senders := range []int{1, 2, 3} { // of whom the second makes the second attempt; of two each makes every other
		var mu sync.Mutex
		lose := 2
		w := newWorld(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(rw, r)
				mu.Lock()
				defer mu.Unlock()
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/issue") && lose > 0 {
					lose--
					panic(http.ErrAbortHandler)
				}
			})
		})
		began := w.clock.Now()
		w.night(is(audit.IsNew, audit.Open, p7("acme", "user-sync")))
		if err := w.outbox.Flush(t.Context(), 30*time.Second); err != nil || w.store.Waiting() != 2 {
			t.Fatalf("%d left, %v", w.store.Waiting(), err)
		}
		if senders > 1 {
			was := w.client
			w.restart()
			if senders > 2 {
				w.outbox.Sinks[Sink] = &turns{list: []notifier.Sink{w.client, was}}
			}
		}
		w.deliver()
		w.see("AUDIT-1 Offen, 0 comments")
		if d := w.clock.Now().Sub(began); d > 2*Horizon+time.Minute {
			t.Errorf("it took %s", d)
		}
	}
}

// turns are senders each of whom makes one attempt.
type turns struct {
	list []notifier.Sink
	n    int
}

func (s *turns) Deliver(ctx context.Context, m audit.Message) (string, error) {
	s.n++
	return s.list[s.n%len(s.list)].Deliver(ctx, m)
}

// Whatever is dropped, delayed, reset or answered 429 or 500, at 30 % each, before and after accepting: everything arrives, no issue and no comment twice.
func TestUnreliableJira(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(next http.Handler) http.Handler { return unreliable.Handler(next, 7, 0.3) })
	const groups = 1
	var first, second, third []audit.Change
	for i := range groups {
		f := p7(fmt.Sprint("app", i), "user-sync")
		first = append(first, is(audit.IsNew, audit.Open, f))
		second = append(second, is(audit.IsWorsened, audit.Open, f))
		third = append(third, is(audit.IsResolved, audit.Resolved, f))
	}
	w.night(first...)
	w.deliver()
	w.night(second...)
	w.deliver()
	w.restart()
	w.night(third...)
	w.deliver()
	var want []string
	for i := range groups {
		want = append(want, fmt.Sprintf("AUDIT-%d Fertig, 2 comments", i+1))
	}
	w.see(want...)
	attempts := 0
	for _, m := range w.store.Rows {
		attempts += m.Attempts
	}
	if attempts < 10*groups {
		t.Errorf("%d attempts failed: this test tests nothing", attempts)
	}
}

// What Jira gets of findings whose every text is hostile, and of more than there is place for.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	text := "*bold* [~accountid:5b10] @all <script>\x00\x1b[31m\u202e\xff\r\n" + nights.Address + " "
	f := p7("acme", "user-sync")
	f.AppName, f.Vendor, f.Subject, f.Explanation, f.Remediation = text+strings.Repeat("👩‍💻", 300), text, text, text+strings.Repeat("x", 40_000), text
	changes := []audit.Change{is(audit.IsNew, audit.Open, f)}
	w.night(changes...)
	w.deliver()
	w.deed(f, "comment", audit.Open)
	w.deliver()
	issue := w.jira.Issues()[0]
	var golden bytes.Buffer
	fmt.Fprintf(&golden, "%s\n%s\n", issue.Summary, issue.Labels)
	for _, doc := range []json.RawMessage{issue.Description, issue.Comments[0].Body} {
		if err := json.Indent(&golden, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden.WriteByte('\n')
	}
	if strings.Contains(golden.String(), "joe.doe") {
		t.Error("an address got through")
	}
	if *update {
		if err := os.WriteFile("testdata/hostile.txt", golden.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, golden.Bytes()) {
		t.Errorf("other than testdata/hostile.txt:\n%s", golden.String())
	}

	// 300 findings of one group, each as long as can be: Jira takes them, and they say how many are left out.
	changes = nil
	for i := range 300 {
		f.Subject = fmt.Sprint(i)
		f.ID = audit.FindingID(f.Check, f.App, f.Subject)
		changes = append(changes, is(audit.IsNew, audit.Open, f))
	}
	w.night(changes...)
	w.deliver()
	issue = w.jira.Issues()[0]
	if n := len(issue.Description); n > maxText || n < maxText/2 || !strings.Contains(string(issue.Description), "more: mailreeve findings list") {
		t.Errorf("a description of %d characters", n)
	}
	if n := len(issue.Comments[1].Body); n > maxText || !strings.Contains(string(issue.Comments[1].Body), "more") {
		t.Errorf("a comment of %d characters", n)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for _, c := range []struct {
		name  string
		do    func(http.ResponseWriter)
		final bool
		after time.Duration
		says  string
	}{
		{"401", answer(401, ""), true, 0, "user and token"},
		{"403", answer(403, `{"errorMessages":["You do not have permission to create issues in this project."],"errors":{}}`), true, 0, "You do not have permission"},
		{"400", answer(400, `{"errorMessages":[],"errors":{"labels":"Field 'labels' cannot be set. It is not on the appropriate screen, or unknown."}}`), true, 0, "labels: Field 'labels' cannot be set"},
		{"it repeats secrets", answer(400, `{"errorMessages":["no `+jirafake.Token+" "+nights.Address+`"]}`), true, 0, "no … [address]"},
		{"429", answer(429, "", "Retry-After", "30"), false, 30 * time.Second, "429"},
		{"503", answer(503, "<html>", "Retry-After", "5"), false, 5 * time.Second, "503"},
		{"500", answer(500, "<html>"), false, 0, "500"},
		{"a redirect", answer(302, "", "Location", "https://evil.example/"), true, 0, "not followed"},
		{"a page to log in", answer(200, "<html>"), false, 0, "no JSON"},
		{"cut short", answer(200, `{"issues":[{"i`), false, 0, "no JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { c.do(rw) })
			})
			w.night(is(audit.IsNew, audit.Open, p7("acme", "x")))
			_, err := w.client.Deliver(t.Context(), w.store.Rows[0])
			var f *notifier.Failure
			errors.As(err, &f)
			if err == nil || (f != nil && f.Final) != c.final || (f != nil && f.RetryAfter != c.after) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v", err)
			}
			if text := fmt.Sprint(err); strings.Contains(text, jirafake.Token) || strings.Contains(text, "joe.doe") {
				t.Errorf("it shows what it should not: %s", text)
			}
		})
	}
	// A workflow without a way to Done says so.
	w := newWorld(t, nil)
	w.jira.Stuck = true
	f := p7("acme", "x")
	w.night(is(audit.IsNew, audit.Open, f))
	w.deliver()
	w.night(is(audit.IsResolved, audit.Resolved, f))
	_, err := w.client.Deliver(t.Context(), w.store.Rows[2])
	var final *notifier.Failure
	if !errors.As(err, &final) || !final.Final || !strings.Contains(err.Error(), "AUDIT-1 no transition leads") {
		t.Errorf("%v", err)
	}
	// Nobody is there; the address is not public.
	site := Site{URL: "http://127.0.0.1:1", User: "u", Token: "t", Project: "P", AllowPrivate: true}
	for allow, says := range map[bool]string{true: "connection refused", false: "not a public address"} {
		site.AllowPrivate = allow
		_, err := New(site, w, w.of, nights.Redact, w.clock.Now).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if name, err := w.client.Check(t.Context()); err != nil || name != "Mailreeve Bot" {
		t.Errorf("%q, %v", name, err)
	}
	for change, want := range map[string]func(*Site){
		"no project NONE": func(s *Site) { s.Project = "NONE" }, "no issue type Story; it has Task, Bug": func(s *Site) { s.IssueType = "Story" }, "answered 401": func(s *Site) { s.Token = "x" },
	} {
		site := w.client.site
		want(&site)
		if _, err := New(site, w, w.of, nights.Redact, w.clock.Now).Check(t.Context()); err == nil || !strings.Contains(err.Error(), change) {
			t.Errorf("%v, want %s", err, change)
		}
	}
}
