package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/internal/jirafake"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/internal/smtptest"
	"github.com/mailreeve/mailreeve/notifier"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

// Others are the other systems that are told.
type others struct {
	*testing.T
	dir  string
	jira *jirafake.Server

	mu     sync.Mutex
	events []string // that the webhook got, with what they are about
	bodies bytes.Buffer
	beats  int
}

// newOthers is a small world that tells a webhook, a Jira, a heartbeat and Slack.
func newOthers(t *testing.T, s *slackServer) *others {
	o := &others{T: t, dir: slackDir(t, s), jira: &jirafake.Server{Clock: time.Now}}
	verify, err := standard.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook/path-secret", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verify.Verify(body, r.Header)
		}
		if err != nil {
			t.Error(err)
		}
		var e struct {
			Type string
			Data struct{ ID string }
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.events = append(o.events, e.Type+" "+e.Data.ID)
		o.bodies.Write(body)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /beat/path-secret", func(http.ResponseWriter, *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.beats++
	})
	mux.Handle("/rest/", o.jira)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.write("mailreeve.yaml", o.read("mailreeve.yaml")+`webhooks: [{url: "`+server.URL+`/hook/path-secret", secret_env: MAILREEVE_TEST_HOOK_SECRET, allow_private: true}]
jira: {url: "`+server.URL+`", user_env: MAILREEVE_TEST_JIRA_USER, token_env: MAILREEVE_TEST_JIRA_TOKEN, project: AUDIT, allow_private: true}
heartbeat: {url: "`+server.URL+`/beat/path-secret", allow_private: true}
`)
	return o
}

func (o *others) write(name, text string) {
	o.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		o.Fatal(err)
	}
}

func (o *others) read(name string) string {
	o.Helper()
	text, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.Fatal(err)
	}
	return string(text)
}

// told are the events since the last call, sorted.
func (o *others) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.events
	o.events = nil
	slices.Sort(list)
	return list
}

// A night, what a person does, and a night that fails, as other systems are told of it.
func TestOthersAreTold(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	o := newOthers(t, s)
	const account = "5b10a2844c20165700ede21g"
	o.write("apps.jsonl", `{"key":"acme","name":"<!channel> {code} Acme","vendor":{"id":"v1","name":"\u202eAcme"},"approvals":[]}`+"\n")
	o.write("access-1.jsonl", strings.Replace(slackCall("2026-11-22T10:00:00Z", "r1"), `"ann"`, `"`+account+`"`, 1)+"\n")
	runAt(t, o.dir, "2026-11-23T02:30:00Z")
	finding := audit.FindingID("access-unapproved", "acme", "")
	events := o.told()
	for _, want := range []string{"finding.opened " + finding, "run.finished R-000001"} {
		if !slices.Contains(events, want) {
			t.Errorf("no %s in %q", want, events)
		}
	}
	issues := o.jira.Issues()
	i := slices.IndexFunc(issues, func(i jirafake.Issue) bool { return strings.HasPrefix(i.Summary, "P1: <!channel> {code} Acme (acme)") })
	if i < 0 || o.beats != 1 {
		t.Fatalf("%d beats, issues %+v", o.beats, issues)
	}
	if s.posted() != 1 {
		t.Errorf("Slack got %d messages", s.posted())
	}

	// The same again tells nobody but the heartbeat, and who wants to hear of runs.
	runAt(t, o.dir, "2026-11-23T02:30:00Z")
	if got := o.told(); !slices.Equal(got, []string{"run.finished R-000002"}) || o.beats != 2 || len(o.jira.Issues()) != len(issues) {
		t.Errorf("%q, %d beats, %d issues", got, o.beats, len(o.jira.Issues()))
	}

	// A person resolves it: the issue is closed with all of its group.
	for _, x := range o.jira.Issues() {
		if x.Status != "Offen" {
			t.Errorf("%s is %s", x.Key, x.Status)
		}
	}
	if code, _, errs := mailreeve(t, o.dir, "findings", "resolve", finding, "--reason", "told by zebra@planted.example"); code != exitDone {
		t.Fatal(errs)
	}
	runAt(t, o.dir, "2026-11-23T03:30:00Z")
	if got := o.told(); !slices.Contains(got, "finding.acted "+finding) || !slices.Contains(got, "finding.resolved "+finding) {
		t.Errorf("%q", got)
	}
	if x := o.jira.Issues()[i]; len(x.Comments) != 1 || x.Status != "Fertig" {
		t.Errorf("%+v", x)
	}

	// A night that fails is told, once, and that it is over.
	w := &ward{T: t, dir: o.dir, url: "sqlite://" + filepath.Join(o.dir, "mailreeve.db")}
	w.spoil()
	o.write("access-2.jsonl", slackCall("2026-11-23T10:00:00Z", "r2")+"\n")
	posted := s.posted()
	for range 2 {
		if code, _, _ := mailreeve(t, o.dir, "run", "--as-of", "2026-11-24T02:30:00Z"); code != exitFailed {
			t.Fatalf("exit %d", code)
		}
	}
	w.sql(`DROP TRIGGER spoiled`)
	runAt(t, o.dir, "2026-11-24T02:30:00Z")
	got := o.told()
	for _, want := range []string{"run.failed R-000004", "run.failed R-000005", "run.finished R-000006", "finding.reopened " + finding} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
	var texts []string
	for _, f := range s.forms[posted:] {
		texts = append(texts, f.Get("text"))
	}
	slices.Sort(texts)
	if len(texts) != 3 || texts[1] != "⚠️ A night failed" || texts[2] != "✅ Nights finish again" && texts[2] != "⚠️ A night failed" {
		t.Errorf("Slack got %q", texts)
	}

	// Nothing of that holds accounts, addresses or secrets, whoever was told.
	var stored strings.Builder
	files, err := filepath.Glob(filepath.Join(o.dir, "mailreeve.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		stored.WriteString(o.read(filepath.Base(f)))
	}
	all := o.bodies.String()
	for _, x := range o.jira.Issues() {
		all += x.Summary + string(x.Description)
		for _, c := range x.Comments {
			all += string(c.Body)
		}
	}
	for _, private := range []string{account, "zebra@planted"} {
		if strings.Contains(all, private) {
			t.Errorf("%s was told", private)
		}
	}
	for _, secret := range []string{"path-secret", hookSecret, jirafake.Token} {
		if strings.Contains(all, secret) || strings.Contains(stored.String(), secret) {
			t.Errorf("the secret %s is shown or kept", secret)
		}
	}
}

// Serve tells where no night comes, by a clock, once.
func TestServeTellsThatNoNightComes(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	now := at("2026-11-23T02:31:00Z").Time()
	c := &cli{out: io.Discard, err: io.Discard, clock: func() time.Time { return now }, config: filepath.Join(slackDir(t, s), "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	night := func(when string) {
		t.Helper()
		now = at(when).Time().Add(time.Minute)
		if err := sys.scheduled(t.Context(), at(when).Time(), at(when).Time()); err != nil {
			t.Fatal(err)
		}
	}
	night("2026-11-23T02:30:00Z")
	w := watched{since: now}
	look := func(want ...string) {
		t.Helper()
		for range 2 {
			if err := sys.watch(t.Context(), &w, func(from, to time.Time) bool { return to.Sub(from) >= 24*time.Hour }); err != nil {
				t.Fatal(err)
			}
		}
		list, err := sys.store.Messages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, m := range list {
			if strings.HasPrefix(m.Key, "ops ") {
				keys = append(keys, m.Key)
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%q, want %q", keys, want)
		}
	}
	now = now.Add(26 * time.Hour)
	look()
	now = now.Add(time.Minute)
	look("ops late R-000001")
	w = watched{since: now} // another process
	look("ops late R-000001")
	night("2026-11-25T02:30:00Z")
	look("ops late R-000001", "ops late R-000001 over")
}

// What is in an event about a finding is what findings export gives, but for accounts and lines of files.
func TestAnEventHoldsTheFinding(t *testing.T) {
	t.Parallel()
	f := audit.Finding{ID: "F-1", Evidence: []audit.Evidence{{}}, Recommendation: &audit.Recommendation{Act: "warn"}, Status: audit.Open, DueAt: audit.Never, NotifiedAt: audit.Never}
	list, err := hooksOf(&config.Config{Webhooks: []config.Webhook{{URL: "https://hooks.example"}}}).Tell(notifier.News{Result: &audit.Result{Run: &audit.Run{}}, Changes: []audit.Change{{Finding: f, What: audit.IsNew}}})
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ Data map[string]any }
	if err := json.Unmarshal(list[0].Body, &event); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(record.FindingOf(&f, nil))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	evidence := want["evidence"].([]any)[0].(map[string]any)
	delete(evidence, "account_id")
	delete(evidence, "source")
	if !reflect.DeepEqual(event.Data, want) {
		t.Errorf("%v, want %v", event.Data, want)
	}
}

func TestMistakesInHooksAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`webhooks: [{url: "hooks.example/secret"}]`:                                              `webhooks[0]: url: give a URL`,
		`webhooks: [{url: "https://u:s3cr3t@hooks.example"}]`:                                    `holds no user and no password`,
		`webhooks: [{url: "https://a.example/secret"}, {url: "https://a.example/secret"}]`:       `webhooks[1]: url: it is configured twice`,
		`webhooks: [{url: "https://a.example", events: [finding.open]}]`:                         `"finding.open" is none of finding.opened`,
		`heartbeat: {url: "ftp://secret"}`:                                                       `heartbeat: url: give a URL`,
		`jira: {url: "http://jira.example/secret", user_env: A, token_env: B, project: AUDIT}`:   `begins with https://`,
		`jira: {url: "https://jira.example/", user_env: A, token_env: B, project: "a\" OR 1=1"}`: `is no key of a project`,
		`jira: {url: "https://jira.example/secret", project: AUDIT}`:                             `user_env and token_env`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, _ := mailreeve(t, dir, "doctor")
		if code != exitFailed || !strings.Contains(out, want) || strings.Contains(strings.ReplaceAll(out, "secrets come", ""), "secret") || strings.Contains(out, "s3cr3t") {
			t.Errorf("%s: exit %d: %s", text, code, out)
		}
	}
}

// doctor --send tries each receiver: a message to Slack, mail and webhooks; Jira and the heartbeat are left as they are.
func TestDoctorSends(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	s := newSlack(t)
	o := newOthers(t, s)
	o.write("mailreeve.yaml", o.read("mailreeve.yaml")+`notices: {smtp: "smtp://`+server.SMTP+`", from: compliance@platform.example}
alerts: {mail: [ops@platform.example]}
`)
	runAt(t, o.dir, "2026-11-23T02:30:00Z")
	o.told()
	posted, beats, issues := s.posted(), o.beats, len(o.jira.Issues())
	_, out, errs := mailreeve(t, o.dir, "doctor", "--send")
	for _, want := range []string{"#audit has the test message", "took the test message, to 1 operator;", "has the test message, and answered 204",
		"knows the account (Mailreeve Bot), the project AUDIT and its issue type", "answers; its URL was not called"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s%s", want, out, errs)
		}
	}
	if strings.Contains(out, "path-secret") || strings.Contains(out, hookSecret) {
		t.Errorf("it shows a secret:\n%s", out)
	}
	mails := server.Messages(t)
	if got := o.told(); len(mails) != 1 || s.posted() == posted || !slices.Equal(got, []string{"test "}) || o.beats != beats || len(o.jira.Issues()) != issues {
		t.Errorf("%d mails, %d posts, events %q, %d beats, %d issues", len(mails), s.posted()-posted, got, o.beats-beats, len(o.jira.Issues())-issues)
	}
}
