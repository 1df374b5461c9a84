package console_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jba/templatecheck"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/internal/nighttest"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

const day = 24 * time.Hour

// start is when a bench's clock starts: a night is over, and coffee is ready.
const start = audit.Instant(20000)*audit.Instant(day) + audit.Instant(8*time.Hour)

// hostile is a name that means harm wherever it is not escaped.
const hostile = "<script>alert(1)</script>\" onload='x' \u202e{{.}}"

// A bench is a console on a store of its own, with nights that the test makes and a clock that it sets.
type bench struct {
	t        *testing.T
	store    *store.Store
	c        *console.Console
	url      string
	listener net.Addr
	log      *strings.Builder
	desk     *notices.Desk
	vendor   audit.Vendor // of the apps that a night registers
	ready    []string
	retrier  retrier

	mu  sync.Mutex
	now audit.Instant
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.Time()
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// newBench gives a console that answers at b.url. Who logs in is asked of o; without an issuer it is by a link.
func newBench(t *testing.T, o console.OIDC) *bench {
	t.Helper()
	return benchOn(t, "sqlite://"+filepath.Join(t.TempDir(), "s.db"), o)
}

func benchOn(t *testing.T, storeURL string, o console.OIDC) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), storeURL)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	b := &bench{t: t, store: s, now: start, log: &strings.Builder{}, vendor: audit.Vendor{ID: "v-1", Name: "Acme", Contacts: []string{"security@acme.example"}}}
	b.open(o)
	return b
}

// open starts a console on b's store, as after a restart.
func (b *bench) open(o console.OIDC) {
	b.t.Helper()
	log := slog.New(slog.NewTextHandler(b.log, nil))
	site, err := web.New(web.Config{Listen: "127.0.0.1:0", Log: log})
	must(b.t, err)
	server := httptest.NewUnstartedServer(nil)
	cfg := &config.Config{Policy: audit.DefaultPolicy(), Notices: config.Notices{From: "audit@market.example", SMTP: "smtp://127.0.0.1:1"}, Vendor: config.Vendor{PublicURL: "https://vendors.example"}}
	b.desk = notices.New(b.store, cfg, b.clock, log)
	b.c, err = console.New(console.Config{Site: site, Store: b.store, Deeds: b.deeds(), Desk: b.desk, Policy: audit.DefaultPolicy(), Clock: b.clock, Log: log, OIDC: o,
		Check: checks.Get, Checks: []string{"purpose-prohibited", "access-unapproved"}, Clause: checks.ClauseText,
		Export: func(w io.Writer, _ *audit.Finding, set audit.IDs) error {
			_, err := fmt.Fprintln(w, set.Strings())
			return err
		},
		Drift: checks.Drift, Fold: checks.PlainWords, Retrier: &b.retrier, Outbox: outbox{b.store},
		API: api.New(api.Config{Store: b.store, Deeds: b.deeds(), Desk: b.desk, Clock: b.clock, Log: log}).Handler(), Settings: "store: sqlite:s.db\n", Ready: func(context.Context) []string { return b.ready }})
	must(b.t, err)
	server.Config.Handler = b.c.Handler()
	server.Start()
	b.t.Cleanup(server.Close)
	b.c.Listening(server.Listener.Addr())
	b.url, b.listener = server.URL, server.Listener.Addr()
}

// A retrier notes who wants what is in quarantine read again.
type retrier struct{ console.Retries }

func (r *retrier) Retry(who string) bool { return r.Begin(who, start) }

// outbox is a store's, without those who deliver.
type outbox struct{ store *store.Store }

func (o outbox) Undelivered(ctx context.Context) (list []notices.Task, err error) {
	stuck, err := o.store.Stuck(ctx, start)
	for _, m := range stuck {
		list = append(list, notices.Task{What: "undelivered", About: fmt.Sprint("M-", m.ID), Since: m.Created, Says: m.Key})
	}
	return list, err
}

func (o outbox) Retry(ctx context.Context, message, by string) error {
	return o.store.Record(ctx, audit.TrailEntry{At: start, Who: by, What: "message retried", Why: message})
}

func (o outbox) GiveUp(ctx context.Context, message, by, why string) error {
	var id int64
	if _, err := fmt.Sscanf(message, "M-%d", &id); err != nil {
		return store.ErrNotFound
	}
	return o.store.GiveUp(ctx, store.GiveUp{ID: id, GivenUp: audit.GivenUp{At: start, By: by, Why: why}})
}

// deeds does what people want, as the command line does.
func (b *bench) deeds() nighttest.Deeds { return nighttest.Deeds{Store: b.store, AsOf: start} }

// post does a deed as somebody else.
func (b *bench) post(id string, do audit.DeedKind, reason string) {
	b.t.Helper()
	now := audit.At(b.clock())
	must(b.t, b.deeds().Do(b.t.Context(), audit.Deed{Kind: do, By: "console:9 (bob)", At: now, Reason: reason, Until: now.Add(30 * day)}, id))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// finding is one as a night files it.
func finding(check, app, subject string, severity audit.Severity) audit.Finding {
	return nighttest.Finding(check, app, subject, severity, start)
}

// night publishes a run that files or changes findings. Apps are called by their keys' last part.
func (b *bench) night(list ...audit.Finding) string {
	b.t.Helper()
	return nighttest.File(b.t, b.store, audit.At(b.clock()), b.vendor, list...)
}

// publish publishes a run that changes one app.
func (b *bench) publish(u audit.AppUpdate) {
	b.t.Helper()
	now := audit.At(b.clock())
	nighttest.Publish(b.t, b.store, &audit.Run{AsOf: now, ScheduledAt: audit.Never, StartedAt: now, FinishedAt: audit.Never, By: "test"}, now, u)
}

// A browser is one that keeps cookies, but runs nothing.
type browser struct {
	t    *testing.T
	base string
	*http.Client
}

func (b *bench) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(b.t, err)
	return &browser{b.t, b.url, &http.Client{Jar: jar}}
}

// loggedIn is a browser of somebody of a role, whose session the test made.
func (b *bench) loggedIn(who string, role console.Role) *browser {
	b.t.Helper()
	now := audit.At(b.clock())
	token := "token-of-" + url.QueryEscape(who)
	must(b.t, b.store.Login(b.t.Context(), store.Session{Digest: console.DigestOf(token), Who: "console:" + who + " (" + who + ")", Name: who, Role: string(role), Created: now, Expires: now.Add(12 * time.Hour)}))
	x := b.browser()
	u, err := url.Parse(b.url)
	must(b.t, err)
	x.Jar.SetCookies(u, []*http.Cookie{{Name: "mailreeve-session", Value: token, Path: "/"}})
	return x
}

// get gives the status, the text and the final path of a page.
func (x *browser) get(path string) (int, string, string) {
	x.t.Helper()
	r, err := x.Get(x.base + path)
	must(x.t, err)
	return x.read(r)
}

func (x *browser) post(path string, form url.Values) (int, string, string) {
	x.t.Helper()
	r, err := x.PostForm(x.base+path, form)
	must(x.t, err)
	return x.read(r)
}

func (x *browser) read(r *http.Response) (int, string, string) {
	x.t.Helper()
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	must(x.t, err)
	return r.StatusCode, string(text), r.Request.URL.RequestURI()
}

// text is a page without its tags, spaces folded.
func text(page string) string {
	page = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(page), " ")
}

func TestNobodyGetsInWithoutALogin(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	x := b.browser()
	for _, path := range []string{"/", "/findings", "/findings/" + f.ID, "/findings?format=json", "/findings/" + f.ID + "/accounts.csv", "/sessions", "/apps", "/runs", "/runs/R-000001", "/quarantine", "/tasks", "/checks", "/suppressions", "/trail", "/settings", "/nowhere"} {
		if status, page, at := x.get(path); status != 200 || !strings.HasPrefix(at, "/login") || strings.Contains(page, "marketing") {
			t.Errorf("%s: %d at %s: %s", path, status, at, page)
		}
	}
	if _, page, at := x.post("/findings/"+f.ID, url.Values{"do": {"acknowledge"}}); !strings.HasPrefix(at, "/login") {
		t.Errorf("an act without a login leads to %s: %s", at, page)
	}
	if now, err := b.store.Finding(t.Context(), f.ID); err != nil || now.Status != audit.Open {
		t.Errorf("an act without a login made it %s, %v", now.Status, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _, _ := x.get(path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	b.ready = []string{"The last night is late."}
	if status, page, _ := x.get("/readyz"); status != 503 || !strings.Contains(page, "late") {
		t.Errorf("readyz when a night is late: %d %s", status, page)
	}
}

func TestRolesLimitWhatPeopleDo(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	for _, tt := range []struct {
		role   console.Role
		path   string
		form   url.Values
		status int
	}{
		{console.Viewer, "/findings/" + f.ID, url.Values{"do": {"comment"}, "reason": {"hm"}}, 403},
		{console.Viewer, "/findings", url.Values{"do": {"acknowledge"}, "id": {f.ID}}, 403},
		{"owner", "/findings/" + f.ID, url.Values{"do": {"acknowledge"}}, 403}, // no role of ours
		{console.Reviewer, "/findings/" + f.ID, url.Values{"do": {"comment"}, "reason": {"hm"}}, 200},
		{console.Reviewer, "/findings/" + f.ID, url.Values{"do": {"erase"}}, 400},
		{console.Viewer, "/quarantine", nil, 403},
		{console.Reviewer, "/quarantine", nil, 200},
		{console.Viewer, "/messages/M-1", url.Values{"do": {"retry"}}, 403},
		{console.Admin, "/findings", url.Values{"do": {"acknowledge"}, "id": {f.ID}}, 200},
	} {
		x := b.loggedIn(string(tt.role)+tt.form.Get("do"), tt.role)
		if status, page, _ := x.post(tt.path, tt.form); status != tt.status {
			t.Errorf("%s posts %v to %s: %d, want %d\n%s", tt.role, tt.form, tt.path, status, tt.status, text(page))
		}
	}
	viewer := b.loggedIn("vera", console.Viewer)
	for _, path := range []string{"/findings", "/findings/" + f.ID} {
		if _, page, _ := viewer.get(path); strings.Contains(page, `name="do"`) {
			t.Errorf("%s offers a viewer what she may not do", path)
		}
	}
	trail, err := b.store.Trail(t.Context(), store.TrailFilter{Finding: f.ID})
	must(t, err)
	var said []string
	for _, e := range trail {
		said = append(said, e.Who+" "+e.What)
	}
	if got, want := strings.Join(said, "; "), "night filed; console:reviewercomment (reviewercomment) commented; console:adminacknowledge (adminacknowledge) acknowledged"; got != want {
		t.Errorf("the trail says %s, want %s", got, want)
	}
}

func TestTemplatesFitWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	for name, data := range b.c.Pages() {
		if err := templatecheck.CheckHTML(b.c.Template(name), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostileNamesStayText(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme."+hostile, hostile, audit.Critical)
	f.Title, f.Explanation, f.Remediation, f.Assignee, f.Reason = hostile, hostile, hostile, hostile, hostile
	f.Evidence[0].Detail, f.Evidence[0].Site, f.Evidence[0].Account = hostile, hostile, hostile
	b.vendor = audit.Vendor{ID: hostile, Name: hostile, Contacts: []string{"security@acme.example", hostile}}
	b.night(f)
	n := b.drafted()
	x := b.loggedIn(hostile, console.Admin)
	x.post("/findings/"+f.ID, url.Values{"do": {"comment"}, "reason": {hostile}})
	x.post("/findings/"+f.ID, url.Values{"do": {"suppress"}, "reason": {hostile}, "until": {b.clock().AddDate(0, 1, 0).Format(time.DateOnly)}})
	for _, path := range []string{"/", "/findings", "/findings/" + f.ID, "/sessions", "/tasks", "/tasks?what=" + url.QueryEscape(hostile), "/notices", "/notices?state=" + url.QueryEscape(hostile), "/notices/" + n.ID, "/vendors", "/vendors?q=" + url.QueryEscape(hostile), "/vendors/" + url.PathEscape(n.Vendor), "/findings?q=" + url.QueryEscape(hostile), "/findings?status=" + url.QueryEscape(hostile), "/findings?app=" + url.QueryEscape(hostile),
		"/apps", "/apps?q=" + url.QueryEscape(hostile), "/apps/" + url.PathEscape(f.App), "/runs", "/runs/R-000001", "/quarantine", "/checks", "/suppressions", "/trail", "/settings",
		"/trail?who=" + url.QueryEscape(hostile), "/quarantine?path=" + url.QueryEscape(hostile)} {
		status, page, _ := x.get(path)
		if strings.Contains(page, "<script>alert") || strings.Contains(page, `" onload='`) || strings.Contains(page, "\u202e") || status == 500 {
			t.Errorf("%s: %d: %s", path, status, page)
		}
	}
	if strings.Contains(b.log.String(), "ERROR") {
		t.Error(b.log.String())
	}
}
