package vendorpage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/pgtest"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/notices"
	"github.com/mailreeve/mailreeve/vendorpage"
)

const (
	day     = 24 * time.Hour
	start   = audit.Instant(20000) * audit.Instant(day)
	ann     = "cli:ann@host"
	account = "5b10a2844c20165700ede21f"
	user    = "joe@customer.example" // who must be nowhere
)

var cluster pgtest.Cluster

func TestMain(t *testing.M) {
	code := t.Run()
	if err := cluster.Close(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// A market is a platform with two vendors, nights that the test makes, and the page at a real listener.
type market struct {
	t     *testing.T
	dir   string // of the SQLite file
	desk  *notices.Desk
	store *store.Store
	srv   *httptest.Server
	logs  *lockedBuffer

	page *vendorpage.Page

	mu  sync.Mutex
	now audit.Instant

	acme, closed, likely, other audit.Finding
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (m *market) clock() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Time()
}

func (m *market) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func (m *market) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func finding(check, app, subject string) audit.Finding {
	return audit.Finding{ID: audit.FindingID(check, app, subject), Check: check, App: app, Subject: subject, AppName: "Mailer <b>", Vendor: "Acme", Clause: "P6",
		Severity: audit.Critical, Confidence: audit.Certain, Status: audit.Open, Title: "Addresses retrieved for " + subject, Explanation: "3 accounts on 1 site. " + user + " did it.",
		Remediation: "Stop it.", FirstSeen: start, LastSeen: start.Add(time.Hour), Occurrences: 4, Accounts: 3, Sites: 1, NotifiedAt: audit.Never, DueAt: audit.Never,
		Evidence: []audit.Evidence{{At: start, Site: "site-" + app, Account: account, Detail: account + " was retrieved <script>alert(1)</script> for " + user}}}
}

// newMarket has told Acme of two findings, and Other of one. A third of Acme's waits for a reviewer. The mail server has taken the mails, and nobody has
// taken note of that yet.
func newMarket(t *testing.T) *market {
	t.Helper()
	dir := t.TempDir()
	m := newMarketIn(t, "sqlite://"+filepath.Join(dir, "s.db"))
	m.dir = dir
	return m
}

func newMarketIn(t *testing.T, url string) *market {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &market{t: t, store: s, now: start, logs: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m.srv = httptest.NewUnstartedServer(nil)
	base := "http://" + m.srv.Listener.Addr().String()
	cfg := &config.Config{Policy: audit.DefaultPolicy(), Notices: config.Notices{SMTP: "smtp://localhost:1025", From: "compliance@platform.example"}, Vendor: config.Vendor{PublicURL: base}}
	m.desk = notices.New(s, cfg, m.clock, log)
	site, err := web.New(web.Config{Listen: m.srv.Listener.Addr().String(), PublicURL: base, MaxBody: vendorpage.MaxBody, Log: log})
	m.must(err)
	m.page, err = vendorpage.New(site, m.desk, log)
	m.must(err)
	m.srv.Config.Handler = m.page.Handler()
	m.srv.Start()
	t.Cleanup(m.srv.Close)

	m.acme, m.closed = finding("purpose-prohibited", "com.acme.mailer", "marketing"), finding("purpose-prohibited", "com.acme.mailer", "training")
	m.other, m.likely = finding("purpose-prohibited", "com.other", "secret of the other"), finding("purpose-drift", "com.acme.mailer", "not told")
	m.likely.Confidence = audit.Likely
	m.night()
	m.pass(day)
	m.night(m.acme, m.closed, m.other, m.likely)
	m.pass(day)
	m.night()
	list, err := s.Notices(t.Context(), store.NoticeFilter{})
	m.must(err)
	if len(list) != 2 {
		t.Fatalf("%d notices", len(list))
	}
	for _, n := range list {
		_, err := m.desk.Approve(t.Context(), n.ID, notices.Approval{By: ann})
		m.must(err)
	}
	m.must(m.desk.Queue(t.Context()))
	m.mail()
	return m
}

func registry() []*audit.App {
	return []*audit.App{
		{Key: "com.acme.mailer", Name: "Mailer <b>", Vendor: audit.Vendor{ID: "v-1", Name: "Acme", Email: "privacy@acme.example", Contacts: []string{"security@acme.example"}}},
		{Key: "com.other", Name: "Other's", Vendor: audit.Vendor{ID: "v-2", Name: "Other", Email: "privacy@other.example"}}}
}

// night publishes a run that files findings, with their accounts, and lets the desk do its work.
func (m *market) night(list ...audit.Finding) { m.t.Helper(); m.nightOf(registry(), list...) }

func (m *market) nightOf(apps []*audit.App, list ...audit.Finding) {
	m.t.Helper()
	ctx := m.t.Context()
	lease, err := m.store.Lock(ctx, true)
	m.must(err)
	n := m.store.Night(lease)
	run := &audit.Run{AsOf: m.now, ScheduledAt: audit.Never, StartedAt: m.now, FinishedAt: audit.Never, By: "test"}
	m.must(n.Begin(ctx, run))
	run.FinishedAt = m.now
	run.Summary = audit.RunSummary{Checks: []audit.CheckResult{{ID: "purpose-prohibited", Looked: true}}}
	p := &audit.Publication{Run: run, Purged: audit.StateDay}
	for _, a := range apps {
		u := audit.AppUpdate{Key: a.Key, StatesAt: audit.Never, Version: &audit.AppVersion{From: m.now, App: a}, SetApprovals: true}
		if _, _, err := n.FindingsOf(ctx, a.Key); err != nil {
			m.t.Fatal(err)
		}
		for _, f := range list {
			if f.App != a.Key {
				continue
			}
			f.FirstRun = run.ID
			if known, err := m.store.Finding(ctx, f.ID); err == nil {
				f.FirstRun, f.NotifiedAt, f.DueAt = known.FirstRun, known.NotifiedAt, known.DueAt
			}
			f.LastRun, f.Latest = run.ID, audit.Latest{Run: run.ID, Occurrences: 1}
			u.Findings = append(u.Findings, f)
			u.Put = append(u.Put, audit.Contribution{Check: f.Check, App: f.App, Subject: f.Subject, Day: 20000, Occurrences: []uint64{1, 2, 3, 4}, First: f.FirstSeen, Last: f.LastSeen,
				Accounts: audit.NewIDs(account, "=cmd()", "+of "+f.App), Sites: audit.NewIDs("site")})
		}
		p.Apps = append(p.Apps, u)
	}
	m.must(n.Publish(ctx, p))
	m.must(lease.Release())
	m.must(m.desk.Night(ctx))
}

// deliver gives what waits in the outbox to a mail server, and has that noted.
func (m *market) deliver() {
	m.t.Helper()
	m.mail()
	m.must(m.desk.Advance(m.t.Context()))
}

func (m *market) mail() {
	m.t.Helper()
	waiting, err := m.store.Pending(m.t.Context())
	m.must(err)
	receipt, err := json.Marshal(email.Receipt{})
	m.must(err)
	for _, x := range waiting {
		claim, err := m.store.Take(m.t.Context(), x.Sink, x.Lane, "test", m.now, m.now.Add(time.Minute))
		m.must(err)
		m.must(m.store.Delivered(m.t.Context(), claim, string(receipt), m.now, m.now))
	}
}

var linkPattern = regexp.MustCompile(`http://[^\s"\\<>]+/v/([A-Za-z0-9_-]+)`)

// tokens are those of all mails to a recipient, the oldest first.
func (m *market) tokens(recipient string) (list []string) {
	m.t.Helper()
	mails, err := m.store.Messages(m.t.Context())
	m.must(err)
	for _, x := range mails {
		if strings.Contains(string(x.Body), recipient) {
			if found := linkPattern.FindStringSubmatch(string(x.Body)); found != nil {
				list = append(list, found[1])
			}
		}
	}
	return list
}

func (m *market) token(recipient string) string {
	m.t.Helper()
	list := m.tokens(recipient)
	if len(list) == 0 {
		m.t.Fatalf("no mail to %s has a link", recipient)
	}
	return list[len(list)-1]
}

// A browser keeps cookies, and follows where it is sent.
type browser struct {
	m    *market
	http *http.Client
	from string // the site whose page sends; empty: the page's own
	ip   string
}

func (m *market) browser() *browser {
	jar, err := cookiejar.New(nil)
	m.must(err)
	return &browser{m: m, http: &http.Client{Jar: jar}}
}

// in is a browser in which the page is open to which the newest mail to a recipient leads.
func (m *market) in(recipient string) *browser {
	m.t.Helper()
	b := m.browser()
	if status, text := b.post("/v/"+m.token(recipient), nil); status != 200 || !strings.Contains(text, "Findings about your apps") {
		m.t.Fatalf("%s cannot open the page: %d %s", recipient, status, text)
	}
	return b
}

func (b *browser) do(r *http.Request) (int, string) {
	status, text, _ := b.all(r)
	return status, text
}

func (b *browser) all(r *http.Request) (int, string, http.Header) {
	b.m.t.Helper()
	if b.from != "" {
		r.Header.Set("Origin", b.from)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	} else if r.Method == "POST" {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if b.ip != "" {
		r.Header.Set("X-Forwarded-For", b.ip)
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.m.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func (b *browser) request(method, path string, body io.Reader) *http.Request {
	b.m.t.Helper()
	r, err := http.NewRequestWithContext(b.m.t.Context(), method, b.m.srv.URL+path, body)
	if err != nil {
		b.m.t.Fatal(err)
	}
	return r
}

func (b *browser) get(path string) (int, string) {
	b.m.t.Helper()
	return b.do(b.request("GET", path, nil))
}

func (b *browser) post(path string, form url.Values) (int, string) {
	b.m.t.Helper()
	r := b.request("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *browser) attach(finding, name string, content []byte) (int, string) {
	b.m.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	b.m.must(err)
	_, err = part.Write(content)
	b.m.must(err)
	b.m.must(w.Close())
	r := b.request("POST", "/f/"+finding+"/file", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(r)
}

// everything is all that the store's trail, matters and sessions say, to see that nothing changed.
func (m *market) everything() string {
	m.t.Helper()
	var b strings.Builder
	trail, err := m.store.Trail(m.t.Context(), store.TrailFilter{})
	m.must(err)
	matters, err := m.store.Matters(m.t.Context(), false)
	m.must(err)
	list, err := m.store.Notices(m.t.Context(), store.NoticeFilter{})
	m.must(err)
	mails, err := m.store.Messages(m.t.Context())
	m.must(err)
	files, err := m.store.Attachments(m.t.Context(), []string{m.acme.ID, m.closed.ID, m.other.ID, m.likely.ID})
	m.must(err)
	e := json.NewEncoder(&b)
	for _, x := range []any{trail, matters, list, mails, files} {
		m.must(e.Encode(x))
	}
	return b.String()
}

func (m *market) matter(finding string) *audit.Matter {
	m.t.Helper()
	list, err := m.store.Matters(m.t.Context(), false)
	m.must(err)
	i := slices.IndexFunc(list, func(x audit.Matter) bool { return x.Finding == finding })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// said is what the trail says of a finding since a number of entries.
func (m *market) said(finding, what string) (list []string) {
	m.t.Helper()
	trail, err := m.store.Trail(m.t.Context(), store.TrailFilter{Finding: finding, What: what})
	m.must(err)
	for _, e := range trail {
		list = append(list, e.Who+": "+e.Why)
	}
	return list
}

// incident tells Acme of an incident, too.
func (m *market) incident() audit.Finding {
	m.t.Helper()
	f := finding("ui-exposure", "com.acme.mailer", "html")
	m.pass(day)
	m.night(f)
	m.pass(day)
	m.night()
	_, err := m.desk.Approve(m.t.Context(), m.noticeOf("v-1"), notices.Approval{By: ann})
	m.must(err)
	m.must(m.desk.Queue(m.t.Context()))
	return f
}

// noticeOf is a vendor's newest notice.
func (m *market) noticeOf(vendor string) string {
	m.t.Helper()
	list, err := m.store.Notices(m.t.Context(), store.NoticeFilter{Vendors: []string{vendor}})
	m.must(err)
	if len(list) == 0 {
		m.t.Fatalf("%s has no notice", vendor)
	}
	return list[0].ID
}

func (m *market) forget(accounts ...string) {
	m.t.Helper()
	lease, err := m.store.Lock(m.t.Context(), true)
	m.must(err)
	what := store.Forgetting{Renames: audit.NewForgotten(m.store.ArchiveKey()).Forget(accounts), Who: ann, At: m.now}
	_, err = m.store.Night(lease).Forget(m.t.Context(), what)
	m.must(err)
	m.must(lease.Release())
}
