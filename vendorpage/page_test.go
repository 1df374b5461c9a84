package vendorpage_test

import (
	"bytes"
	"encoding/csv"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/notices"
	"github.com/mailreeve/mailreeve/vendorpage"
)

// A vendor opens its page from the mail, and answers, before anybody knows that the mail arrived.
func TestAVendorAnswers(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); answers(t, newMarket(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); answers(t, newMarketIn(t, cluster.New(t))) })
}

func answers(t *testing.T, m *market) {
	b := m.browser()
	token := m.token("privacy@acme.example")

	before := m.everything()
	for range 3 { // as mail scanners do
		status, text := b.get("/v/" + token)
		if status != 200 || !strings.Contains(text, "Open the page</button>") || strings.Contains(text, "marketing") {
			t.Fatalf("the link shows %d %s", status, text)
		}
	}
	if m.everything() != before {
		t.Error("opening the link changes something")
	}
	status, text := b.post("/v/"+token, nil)
	if status != 200 || !strings.Contains(text, "Open: 2") || !strings.Contains(text, "Addresses retrieved for marketing") {
		t.Fatalf("the page shows %d %s", status, text)
	}
	if m.matter(m.acme.ID) != nil || len(m.said(m.acme.ID, "vendor: viewed")) > 0 {
		t.Error("opening the page is an answer")
	}

	path := "/f/" + m.acme.ID
	_, text = b.get(path)
	for _, want := range []string{"Waits for your answer", "28 days", "3 accounts, as CSV", account, "&lt;script&gt;", "an account was retrieved", "Mailer &lt;b&gt;", "at most 28"} {
		if !strings.Contains(text, want) {
			t.Errorf("the finding's page lacks %q", want)
		}
	}
	if strings.Contains(text, user) || strings.Contains(text, "<script") {
		t.Errorf("the finding's page has what it must not: %s", text)
	}

	if status, text := b.post(path+"/viewed", nil); status != 200 || !strings.Contains(text, "Acknowledged") || !strings.Contains(text, "27 days") && !strings.Contains(text, "28 days left") {
		t.Errorf("acknowledged: %d %s", status, text)
	}
	x := m.matter(m.acme.ID)
	if x == nil || x.Answer != audit.Viewed || x.Notified != m.now || x.Due != m.now.Add(28*day) {
		t.Errorf("the deadline: %+v", x)
	}
	if m.matter(m.closed.ID).Answer != audit.NoAnswer {
		t.Error("the other finding is acknowledged, too")
	}
	if status, text := b.post("/viewed", nil); status != 200 || strings.Contains(text, "Acknowledge all") || m.matter(m.closed.ID).Answer != audit.Viewed {
		t.Errorf("all acknowledged: %d %s", status, text)
	}

	m.pass(day)
	form := url.Values{"text": {"We stopped the job.\r\nSee " + user + "\x07"}, "since": {"2024-10-05"}, "version": {"2.4.1"}}
	if status, text := b.post(path+"/fix-claimed", form); status != 200 || !strings.Contains(text, "You said that it is fixed") || !strings.Contains(text, "in version 2.4.1") || strings.Contains(text, user) {
		t.Errorf("fixed: %d %s", status, text)
	}
	if status, text := b.post(path+"/extension", url.Values{"text": {"a release"}, "days": {"14"}}); status != 200 || !strings.Contains(text, "You asked for more time") {
		t.Errorf("more time: %d %s", status, text)
	}
	if status, text := b.post(path+"/extension", url.Values{"text": {"again"}, "days": {"14"}}); status != 422 || !strings.Contains(text, "waits for a decision") {
		t.Errorf("more time again: %d %s", status, text)
	}
	if status, text := b.post(path+"/dispute", url.Values{"text": {"these were tests"}}); status != 200 || !strings.Contains(text, "You dispute it") || !strings.Contains(text, "the clock stands still") {
		t.Errorf("disputed: %d %s", status, text)
	}
	if x := m.matter(m.acme.ID); x.Answer != audit.Disputed || !x.Stands() || !x.ExtensionAsked {
		t.Errorf("the matter: %+v", x)
	}
	// What was said is in the trail, as an answer and as a comment, with who, and no address.
	said := slices.Concat(m.said(m.acme.ID, "vendor: fix-claimed"), m.said(m.acme.ID, "commented"))
	if len(said) != 4 || !slices.ContainsFunc(said, func(s string) bool {
		return strings.HasPrefix(s, "vendor:v-1: Fixed since 2024-10-05, in version 2.4.1:\nWe stopped the job.")
	}) {
		t.Errorf("the trail: %q", said)
	}
	if all := m.everything(); strings.Contains(strings.Join(said, " "), user) || strings.Contains(all, `\u0007`) {
		t.Errorf("what was said is kept as it came: %q", said)
	}
	// A vendor's comment is none of a reviewer's.
	if of, err := m.store.Commented(t.Context(), []string{m.acme.ID}); err != nil || of[m.acme.ID] {
		t.Errorf("commented by a reviewer: %v, %v", of, err)
	}

	// A person decides, and the vendor sees that, but not what was said among reviewers.
	m.must(m.store.Record(t.Context(), audit.TrailEntry{At: m.now, Who: ann, What: "commented", Finding: m.acme.ID, Why: "they lie, I think"}))
	if _, err := m.desk.Reply(t.Context(), x.Notice, m.acme.ID, audit.Reply{Kind: audit.RejectDispute, By: "cli:bob@host", Text: "nonsense, says Bob"}); err != nil {
		t.Fatal(err)
	}
	_, text = b.get(path)
	for what, want := range map[string]bool{"Your dispute was not accepted": true, "A notice reached you": true, "these were tests": true, "they lie": false, "nonsense": false, "Bob": false, ann: false} {
		if strings.Contains(text, what) != want {
			t.Errorf("the page has %q: %v", what, !want)
		}
	}
}

func TestWhatAFormLacksIsSaid(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	before := m.everything()
	for _, tt := range []struct {
		answer, text, since, version, days, want string
	}{
		{answer: "fix-claimed", since: "2024-10-05", want: "what was fixed"},
		{answer: "fix-claimed", text: "x", want: "as a date"},
		{answer: "fix-claimed", text: "x", since: "yesterday", want: "as a date"},
		{answer: "fix-claimed", text: "x", since: "2099-01-01", want: "in the future"},
		{answer: "fix-claimed", text: "x", since: "2024-10-05", version: strings.Repeat("1.", 40), want: "version in at most"},
		{answer: "extension", text: " \n\t", days: "3", want: "say why"},
		{answer: "extension", text: "x", days: "29", want: "from 1 to 28"},
		{answer: "extension", text: "x", days: "-1", want: "from 1 to 28"},
		{answer: "extension", text: "x", days: "1e1", want: "from 1 to 28"},
		{answer: "dispute", text: strings.Repeat("ä", 4001), want: "at most 4000"},
	} {
		status, text := b.post("/f/"+m.acme.ID+"/"+tt.answer, url.Values{"text": {tt.text}, "since": {tt.since}, "version": {tt.version}, "days": {tt.days}})
		if status != 422 || !strings.Contains(text, tt.want) || !strings.Contains(text, `<details open><summary>`) {
			t.Errorf("%+v: %d", tt, status)
		}
		m.pass(time.Minute) // so that it is not too often
	}
	if m.everything() != before {
		t.Error("something was changed all the same")
	}
}

// The questions about an incident are asked on the page, and answered there.
func TestAnIncidentsQuestions(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	f := m.incident()
	m.deliver()
	b := m.in("privacy@acme.example")
	path := "/f/" + f.ID
	if _, text := b.get("/f/" + m.acme.ID); strings.Contains(text, "about the incident") {
		t.Error("what is no incident asks the questions of one")
	}
	if status, _ := b.post(path+"/viewed", nil); status != 200 {
		t.Fatal(status)
	}
	due := m.matter(f.ID).AnswerBy
	if _, text := b.get(path); !strings.Contains(text, "are to be answered by <time datetime=\""+due.Time().Format(time.RFC3339)) || !strings.Contains(text, "What kind of incident is it") {
		t.Errorf("the questions, due %s: %s", due, text)
	}
	form := url.Values{"nature": {"a bug"}, "scope": {"2.4 on all sites\nseen by " + user}, "since": {"Monday; it is over"}, "users": {""}}
	if status, text := b.post(path+"/incident", form); status != 422 || !strings.Contains(text, "how many users") || !strings.Contains(text, "<option selected>a bug</option>") || !strings.Contains(text, "2.4 on all sites") {
		t.Errorf("one is left open: %d %s", status, text)
	}
	form.Set("users", "about 12")
	status, text := b.post(path+"/incident", form)
	if status != 200 || strings.Contains(text, "What kind of incident is it") || strings.Contains(text, "are to be answered by") || !strings.Contains(text, "You answered the questions about the incident") {
		t.Errorf("answered: %d %s", status, text)
	}
	if said := m.said(f.ID, "commented"); len(said) != 1 || said[0] != "vendor:v-1: Category: a bug\nScope: 2.4 on all sites\nseen by [address]\nSince when, and whether it is over: Monday; it is over\nUsers affected: about 12" {
		t.Errorf("the comment: %q", said)
	}
	if m.matter(f.ID).AnswerBy != 0 {
		t.Error("it still waits for the answers")
	}
}

// Of two contacts who got one mail, one opens the link; the other has a new one sent, and both are in.
func TestASecondContactGetsIn(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	first := m.in("privacy@acme.example")
	second := m.browser()
	used := m.token("security@acme.example")
	for _, request := range []func() (int, string){
		func() (int, string) { return second.get("/v/" + used) },
		func() (int, string) { return second.post("/v/"+used, nil) },
	} {
		if status, text := request(); status != 410 || !strings.Contains(text, "used before") || !strings.Contains(text, "Send a new link") {
			t.Fatalf("the used link: %d %s", status, text)
		}
	}
	if status, _ := second.get("/"); status != 401 {
		t.Errorf("in without a link: %d", status)
	}
	if status, text := first.get("/v/" + used); status != 200 || !strings.Contains(text, "Findings about your apps") {
		t.Errorf("who is in and opens the link again: %d %s", status, text)
	}
	if status, text := first.post("/v/"+used, nil); status != 200 || !strings.Contains(text, "Findings about your apps") {
		t.Errorf("who presses twice: %d %s", status, text)
	}
	m.pass(time.Minute)
	for range 3 { // however often it is asked for
		if status, text := second.post("/v/"+used+"/new", nil); status != 200 || !strings.Contains(text, "on its way") {
			t.Fatalf("asked for a new link: %d %s", status, text)
		}
	}
	list := m.tokens("security@acme.example")
	if len(list) != 2 || list[1] == used {
		t.Fatalf("links: %q", list)
	}
	mails, err := m.store.Messages(t.Context())
	m.must(err)
	last := string(mails[len(mails)-1].Body)
	if !strings.Contains(last, "privacy@acme.example") || !strings.Contains(last, "security@acme.example") || strings.Contains(last, "marketing") {
		t.Errorf("the mail: %s", last)
	}
	if status, text := second.post("/v/"+list[1], nil); status != 200 || !strings.Contains(text, "Open: 2") {
		t.Errorf("the second contact: %d %s", status, text)
	}
	if status, _ := first.get("/"); status != 200 {
		t.Errorf("the first contact is out: %d", status)
	}
	if said := m.said(m.acme.ID, "fresh link sent to vendor"); !slices.Equal(said, []string{"vendor:v-1: "}) {
		t.Errorf("the trail: %q", said)
	}
}

// A fresh link goes only to those who got a notice and are contacts still.
func TestAFreshLinkGoesToApprovedContactsOnly(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	m.in("privacy@acme.example")
	apps := registry()
	apps[0].Vendor.Email, apps[0].Vendor.Contacts = "stranger@evil.example", []string{"security@acme.example"}
	m.pass(day)
	m.nightOf(apps)
	b := m.browser()
	used := m.token("privacy@acme.example")
	if status, text := b.post("/v/"+used+"/new", nil); status != 200 || !strings.Contains(text, "on its way") {
		t.Fatalf("asked for a new link: %d %s", status, text)
	}
	mails, err := m.store.Messages(t.Context())
	m.must(err)
	last := string(mails[len(mails)-1].Body)
	if !strings.Contains(last, "security@acme.example") || strings.Contains(last, "privacy@acme.example") || strings.Contains(last, "stranger") {
		t.Errorf("the mail: %s", last)
	}
	apps[0].Vendor.Contacts = nil
	m.pass(day)
	m.nightOf(apps)
	if status, text := b.post("/v/"+used+"/new", nil); status != 200 || !strings.Contains(text, "reply to the mail") {
		t.Errorf("nobody is left: %d %s", status, text)
	}
	if len(m.tokens("stranger@evil.example")) > 0 {
		t.Error("a stranger got a link")
	}
}

func TestLinksRunOutAndAreTakenBack(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	b := m.in("privacy@acme.example")
	token := m.token("privacy@acme.example")

	if status, _ := b.post("/leave", nil); status != 200 {
		t.Errorf("leave: %d", status)
	}
	if status, _ := b.get("/"); status != 401 {
		t.Errorf("after leaving: %d", status)
	}

	fresh := func() *browser {
		t.Helper()
		m.pass(2 * time.Hour)
		if n, err := m.desk.SendLink(t.Context(), "v-1", ann); err != nil || n != 2 {
			t.Fatalf("%d recipients, %v", n, err)
		}
		return m.in("privacy@acme.example")
	}
	b = fresh()
	m.pass(notices.SessionFor - time.Second)
	if status, _ := b.get("/"); status != 200 {
		t.Errorf("before the session's end: %d", status)
	}
	m.pass(time.Second)
	if status, _ := b.get("/"); status != 401 {
		t.Errorf("after the session's end: %d", status)
	}

	b = fresh()
	m.pass(2 * time.Hour)
	if _, err := m.desk.SendLink(t.Context(), "v-1", ann); err != nil {
		t.Fatal(err)
	}
	unused := m.token("privacy@acme.example")
	list, err := m.desk.Store.MattersOf(t.Context(), "v-1")
	m.must(err)
	if len(list) > 0 {
		t.Fatalf("%+v", list)
	}
	n, err := m.desk.RevokeLinks(t.Context(), m.noticeOf("v-1"), ann, "a mailbox was broken into")
	if err != nil || n.Vendor != "v-1" {
		t.Fatal(err)
	}
	for _, link := range []string{token, unused} {
		for _, path := range []string{"/v/" + link, "/v/" + link + "/new"} {
			if status, text := b.post(path, nil); status != 410 || !strings.Contains(text, "taken back") || strings.Contains(text, "Send a new link") {
				t.Errorf("a link that was taken back: %d %s", status, text)
			}
		}
	}
	if status, _ := b.get("/f/" + m.acme.ID); status != 401 {
		t.Errorf("a session that began with it: %d", status)
	}
	if said := m.said(m.acme.ID, "vendor's links taken back"); !slices.Equal(said, []string{ann + ": a mailbox was broken into"}) {
		t.Errorf("the trail: %q", said)
	}
	b = fresh() // what is sent later holds
	if status, _ := b.get("/"); status != 200 {
		t.Errorf("with a later link: %d", status)
	}
	m.pass(301 * day)
	b = m.browser()
	if status, text := b.get("/v/" + m.token("privacy@other.example")); status != 410 || !strings.Contains(text, "has run out") || !strings.Contains(text, "Send a new link") {
		t.Errorf("a link that has run out: %d %s", status, text)
	}
	if status, text := b.post("/v/"+m.token("privacy@other.example"), nil); status != 410 || strings.Contains(text, "secret") {
		t.Errorf("a link that has run out is pressed: %d", status)
	}
}

// A notice may be approved before links are taken back, and sent after: its link opens the page.
func TestANoticeThatIsSentAfterLinksWereTakenBack(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	before := m.token("privacy@acme.example")
	m.pass(day)
	m.night(finding("purpose-prohibited", "com.acme.mailer", "webinars"))
	m.pass(day)
	m.night()
	id := m.noticeOf("v-1")
	if _, err := m.desk.Approve(t.Context(), id, notices.Approval{By: ann}); err != nil {
		t.Fatal(err)
	}
	m.pass(time.Minute)
	if _, err := m.desk.RevokeLinks(t.Context(), id, ann, "a mailbox was broken into"); err != nil {
		t.Fatal(err)
	}
	m.pass(time.Minute)
	m.must(m.desk.Queue(t.Context()))
	m.mail()
	if status, _ := m.browser().post("/v/"+before, nil); status != 410 {
		t.Errorf("the link that was taken back: %d", status)
	}
	b := m.in("privacy@acme.example")
	if status, text := b.get("/"); status != 200 || !strings.Contains(text, "webinars") {
		t.Errorf("the link that was sent later: %d %s", status, text)
	}
}

func TestAccountsAsCSV(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	status, text, h := b.all(b.request("GET", "/f/"+m.acme.ID+"/accounts.csv", nil))
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	m.must(err)
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join(r, "|"))
	}
	slices.Sort(got)
	if status != 200 || !slices.Equal(got, []string{"'+of com.acme.mailer", "'=cmd()", account, "account_id"}) {
		t.Errorf("%d %q", status, got)
	}
	if h.Get("Content-Disposition") != "attachment; filename=accounts-"+m.acme.ID+".csv" || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
	m.forget(account)
	if _, text := b.get("/f/" + m.acme.ID + "/accounts.csv"); strings.Contains(text, account) || strings.Contains(text, "forgotten") || strings.Count(text, "\n") != 3 {
		t.Errorf("after the account was forgotten: %q", text)
	}
	if _, text := b.get("/f/" + m.acme.ID); strings.Contains(text, account) || strings.Contains(text, "forgotten-") {
		t.Error("the page has the account, or its pseudonym, still")
	}
}

// What is closed is listed, without its evidence; what comes back is shown once the vendor is told anew.
func TestWhatIsClosed(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	if status, _ := b.post("/f/"+m.closed.ID+"/viewed", nil); status != 200 {
		t.Fatal(status)
	}
	done := m.closed
	done.Status = audit.Resolved
	m.pass(day)
	m.night(done)
	_, text := b.get("/")
	if !strings.Contains(text, "Closed: 1") || !strings.Contains(text, "Open: 1") {
		t.Errorf("the list: %s", text)
	}
	_, text = b.get("/f/" + m.closed.ID)
	if strings.Contains(text, account) || strings.Contains(text, "<details") || !strings.Contains(text, "You acknowledged it") {
		t.Errorf("closed: %s", text)
	}
	for _, path := range []string{"/accounts.csv"} {
		if status, text := b.get("/f/" + m.closed.ID + path); status != 404 || strings.Contains(text, account) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, _ := b.post("/f/"+m.closed.ID+"/dispute", url.Values{"text": {"late"}}); status != 422 {
		t.Errorf("disputed after all: %d", status)
	}
	if status, _ := b.attach(m.closed.ID, "a.txt", []byte("late")); status != 422 {
		t.Errorf("attached after all: %d", status)
	}

	m.pass(day)
	m.night(m.closed) // it is back, and its vendor is not told of that yet
	if _, text := b.get("/f/" + m.closed.ID); strings.Contains(text, account) {
		t.Error("what came back is shown before its vendor is told")
	}
	m.pass(day)
	m.night()
	if _, err := m.desk.Approve(t.Context(), m.noticeOf("v-1"), notices.Approval{By: ann}); err != nil {
		t.Fatal(err)
	}
	m.must(m.desk.Queue(t.Context()))
	if _, text := b.get("/f/" + m.closed.ID); strings.Contains(text, account) {
		t.Error("what waits in the outbox, and may yet be taken back, is shown")
	}
	m.mail()
	if _, text := b.get("/f/" + m.closed.ID); !strings.Contains(text, account) || !strings.Contains(text, "Waits for your answer") {
		t.Errorf("told anew: %s", text)
	}
	if status, text := b.post("/f/"+m.closed.ID+"/dispute", url.Values{"text": {"not again"}}); status != 200 || !strings.Contains(text, "You dispute it") {
		t.Errorf("answered anew: %d %s", status, text)
	}
}

// An app that goes over to another vendor takes its findings from the page of the first; the second sees none that it was not told of.
func TestAnAppThatChangesHands(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	acme, other := m.in("privacy@acme.example"), m.in("privacy@other.example")
	if status, _ := acme.post("/f/"+m.acme.ID+"/dispute", url.Values{"text": {"acme says so"}}); status != 200 {
		t.Fatal(status)
	}
	if status, _ := acme.attach(m.acme.ID, "a.txt", []byte("acme's file")); status != 200 {
		t.Fatal(status)
	}
	apps := registry()
	apps[0].Vendor = apps[1].Vendor
	m.pass(day)
	m.nightOf(apps)
	for name, b := range map[string]*browser{"acme": acme, "other": other} {
		for _, path := range []string{"/f/" + m.acme.ID, "/f/" + m.acme.ID + "/accounts.csv"} {
			if status, text := b.get(path); status != 404 || strings.Contains(text, account) {
				t.Errorf("%s gets %s: %d", name, path, status)
			}
		}
		if status, text := b.get("/"); status != 200 || strings.Contains(text, "marketing") {
			t.Errorf("%s sees it listed: %d", name, status)
		}
	}
}

// Behind TLS the cookie goes nowhere without it, and to no other site of the domain.
func TestBehindTLS(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	site, err := web.New(web.Config{Listen: "127.0.0.1:8090", PublicURL: "https://vendors.platform.example"})
	m.must(err)
	page, err := vendorpage.New(site, m.desk, slog.New(slog.DiscardHandler))
	m.must(err)
	r := httptest.NewRequest("POST", "/v/"+m.token("privacy@acme.example"), nil)
	r.Host = "vendors.platform.example"
	r.Header.Set("Origin", "https://vendors.platform.example")
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	cookie := w.Header().Get("Set-Cookie")
	if w.Code != 303 || !strings.HasPrefix(cookie, "__Host-vendor=") || !strings.Contains(cookie, "; Secure") || !strings.Contains(cookie, "; HttpOnly") || w.Header().Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.browser()
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	token := m.token("privacy@acme.example")
	status, _, h := b.all(b.request("POST", "/v/"+token, nil))
	cookie := h.Get("Set-Cookie")
	if status != 303 || h.Get("Location") != "/" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || strings.Contains(cookie, "Domain") {
		t.Errorf("opened: %d %v", status, h)
	}
	for _, path := range []string{"/", "/v/" + token, "/f/" + m.acme.ID, "/nowhere"} {
		_, text, h := b.all(b.request("GET", path, nil))
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", path, h)
		}
		if strings.Contains(text, token) && path != "/v/"+token {
			t.Errorf("%s has the link's token", path)
		}
	}
	// Neither the link nor the cookie is in the log, nor in the store as it is.
	value, _, _ := strings.Cut(strings.TrimPrefix(cookie, "vendor="), ";")
	if log := m.logs.String(); strings.Contains(log, token) || strings.Contains(log, value) || !strings.Contains(log, "opened its page") {
		t.Errorf("the log: %s", log)
	}
	if len(value) < 40 {
		t.Errorf("a cookie of %d characters", len(value))
	}
	files, err := filepath.Glob(filepath.Join(m.dir, "*"))
	m.must(err)
	for _, f := range files {
		content, err := os.ReadFile(f)
		m.must(err)
		if bytes.Contains(content, []byte(value)) {
			t.Errorf("the cookie is in %s", filepath.Base(f))
		}
	}
}
