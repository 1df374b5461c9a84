package console_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// drafted lets two days pass and a night run, after which the vendor's notice waits for approval.
func (b *bench) drafted() *audit.Notice {
	b.t.Helper()
	b.wait(2 * day)
	b.night()
	must(b.t, b.desk.Night(b.t.Context()))
	list, err := b.store.Notices(b.t.Context(), store.NoticeFilter{})
	must(b.t, err)
	if len(list) != 1 {
		b.t.Fatalf("the nights drafted %d notices, want 1", len(list))
	}
	return &list[0]
}

// delivered is a notice that its vendor has, and somebody who approved it.
func (b *bench) delivered(who string) (*audit.Notice, *browser) {
	b.t.Helper()
	n, by := b.drafted(), b.loggedIn(who, console.Reviewer)
	by.post("/notices/"+n.ID, url.Values{"do": {"approve"}, "digest": {shownDigest(b.t, by, n.ID)}})
	must(b.t, b.desk.Queue(b.t.Context()))
	by.post("/notices/"+n.ID, url.Values{"do": {"answer"}, "kind": {"viewed"}})
	return b.notice(n.ID), by
}

func (b *bench) notice(id string) *audit.Notice {
	b.t.Helper()
	n, err := b.store.Notice(b.t.Context(), id)
	must(b.t, err)
	return n
}

// shownDigest is what the page of a notice offers to approve.
func shownDigest(t *testing.T, x *browser, id string) string {
	t.Helper()
	_, page, _ := x.get("/notices/" + id)
	found := regexp.MustCompile(`name="digest" value="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page offers nothing to approve: %s", text(page))
	}
	return html.UnescapeString(found[1])
}

func TestANoticeIsApproved(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	n := b.drafted()
	ann, vera := b.loggedIn("ann", console.Reviewer), b.loggedIn("vera", console.Viewer)

	if _, page, _ := ann.get("/"); !strings.Contains(text(page), "1 notice to approve") {
		t.Errorf("the first page does not say that a notice waits: %s", text(page))
	}
	if _, page, _ := ann.get("/notices"); !strings.Contains(text(page), "Waiting for a person 1 Acme to be approved") {
		t.Errorf("the list does not say what waits: %s", text(page))
	}
	status, page, _ := ann.get("/notices/" + n.ID)
	for _, want := range []string{"security@acme.example", f.Title, "Reason, for the trail", `href="/findings/` + f.ID + `"`} {
		if status != 200 || !strings.Contains(page, want) {
			t.Errorf("the notice's page (%d) lacks %q: %s", status, want, text(page))
		}
	}
	form := url.Values{"do": {"approve"}, "digest": {shownDigest(t, ann, n.ID)}, "text": {"as zebra@customer.example asked"}}

	if status, _, _ := vera.post("/notices/"+n.ID, form); status != 403 {
		t.Errorf("a viewer approves: %d", status)
	}
	if _, page, _ := vera.get("/notices/" + n.ID); strings.Contains(page, `name="do"`) {
		t.Error("the page offers a viewer what she may not do")
	}
	foreign, err := http.NewRequest(http.MethodPost, b.url+"/notices/"+n.ID, strings.NewReader(form.Encode()))
	must(t, err)
	foreign.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := ann.Do(foreign)
	must(t, err)
	if status, _, _ := ann.read(answer); status != 403 {
		t.Errorf("another site's page approves: %d", status)
	}
	if status, _, _ := ann.post("/notices/"+n.ID, url.Values{"do": {"approve"}}); status != 400 {
		t.Errorf("an approval of nothing in particular: %d", status)
	}
	if now := b.notice(n.ID); now.Delivery != audit.NoticeDrafted {
		t.Fatalf("it is %s", now.Delivery)
	}

	if _, page, _ := ann.post("/notices/"+n.ID, form); !strings.Contains(text(page), n.ID+" is approved, for 1 recipient.") {
		t.Errorf("the page does not say that it is approved: %s", text(page))
	}
	now := b.notice(n.ID)
	if now.Delivery != audit.NoticeApproved || now.ApprovedBy != "console:ann (ann)" || now.Pinned != form.Get("digest") {
		t.Errorf("it is %s by %q, pinned to %s", now.Delivery, now.ApprovedBy, now.Pinned)
	}
	_, page, _ = ann.get("/notices/" + n.ID)
	if !strings.Contains(page, "notice approved") || strings.Contains(page, "zebra") {
		t.Errorf("the timeline does not tell of it without the address: %s", text(page))
	}
	if _, page, _ := ann.get("/findings/" + f.ID); !strings.Contains(page, `href="/notices/`+n.ID+`"`) {
		t.Error("the finding does not lead to its notice")
	}
}

func TestWhatChangedIsNotApproved(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	n := b.drafted()
	digest := shownDigest(t, b.loggedIn("vic", console.Reviewer), n.ID)

	b.wait(day)
	ann := b.loggedIn("ann", console.Reviewer)
	f.Accounts, f.Occurrences = 700, 900
	b.night(f)
	must(t, b.desk.Night(t.Context()))
	_, page, _ := ann.post("/notices/"+n.ID, url.Values{"do": {"approve"}, "digest": {digest}})
	if now := b.notice(n.ID); !strings.Contains(page, "Not approved") || now.Delivery != audit.NoticeDrafted {
		t.Errorf("what nobody saw is %s: %s", now.Delivery, text(page))
	}
	if status, _, _ := ann.get("/notices/" + n.ID + "/mail?digest=" + url.QueryEscape(digest)); status != 409 {
		t.Errorf("the frame of the page as it was: %d", status)
	}
	if next := shownDigest(t, ann, n.ID); next == digest {
		t.Error("the digest is the one of what it said before")
	}
}

// The mail is HTML that is made from what others wrote: it is shown where it can do nothing.
func TestTheMailIsFramedWhereItCanDoNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	b.night(finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical))
	n, ann := b.delivered("ann")
	answer, err := ann.Get(ann.base + "/notices/" + n.ID + "/mail?digest=" + url.QueryEscape(n.Pinned))
	must(t, err)
	policy := answer.Header.Get("Content-Security-Policy")
	status, page, _ := ann.read(answer)
	if status != 200 || !strings.HasPrefix(policy, "sandbox; default-src 'none';") || !strings.Contains(policy, "frame-ancestors 'self'") || !strings.Contains(page, "Acme") {
		t.Errorf("the mail: %d, %s\n%s", status, policy, text(page))
	}
	queued, err := b.store.Messages(t.Context())
	must(t, err)
	i := slices.IndexFunc(queued, func(m audit.Message) bool { return m.Key == n.Key() })
	var m email.Mail
	must(t, json.Unmarshal(queued[i].Body, &m))
	token := regexp.MustCompile(`https://vendors\.example/?[^\s]{20,}`).FindString(m.Text)
	if token == "" || strings.Contains(string(n.Content), "https://vendors.example") {
		t.Errorf("the mail has %q, the notice that is kept %s", token, n.Content)
	}
	_, whole, _ := ann.get("/notices/" + n.ID)
	if token == "" || strings.Contains(whole+page, strings.TrimPrefix(token, "https://vendors.example")) {
		t.Errorf("the console shows the vendor's own link %q", token)
	}
}

func TestADisputeIsDecidedByAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	n, ann := b.delivered("ann")
	bob := b.loggedIn("bob", console.Reviewer)
	at := "/notices/" + n.ID
	ann.post(at, url.Values{"do": {"answer"}, "kind": {"dispute"}, "text": {"that was a test"}})

	if _, page, _ := ann.get(at); strings.Contains(page, "Accept the dispute") || !strings.Contains(page, "another person decides") {
		t.Errorf("who approved it is offered to decide: %s", text(page))
	}
	decision := url.Values{"do": {"answer"}, "finding": {f.ID}, "kind": {"dispute-rejected"}, "text": {"it was not"}}
	if _, page, _ := ann.post(at, decision); !strings.Contains(page, "another person than the one who approved the notice decides disputes") {
		t.Errorf("who approved it decides: %s", text(page))
	}
	if _, page, _ := bob.get("/notices"); !strings.Contains(text(page), "Acme disputed") {
		t.Errorf("the list does not say that it is disputed: %s", text(page))
	}
	if _, page, _ := bob.post(at, decision); !strings.Contains(text(page), "dispute-rejected: "+f.ID) {
		t.Errorf("another decides: %s", text(page))
	}
	bob.post(at, url.Values{"do": {"answer"}, "kind": {"extension"}, "text": {"two weeks, please"}})
	if _, page, _ := bob.post(at, url.Values{"do": {"answer"}, "finding": {f.ID}, "kind": {"extension-granted"}, "text": {"as asked"}, "days": {"14"}}); !strings.Contains(text(page), "extension-granted: "+f.ID) {
		t.Errorf("an extension is granted: %s", text(page))
	}
	matters, err := b.store.Matters(t.Context(), true)
	must(t, err)
	if len(matters) != 1 || matters[0].Extended != 14*day || matters[0].DisputedAt != audit.Never {
		t.Errorf("the matter is %+v", matters)
	}
}

func TestAttachmentsAreOnlyDownloaded(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	n, ann := b.delivered("ann")
	room := store.AttachmentRoom{Files: 5, Vendor: 1 << 20, All: 1 << 20}
	attach := func(vendor, id string) {
		must(t, b.store.Attach(t.Context(), &store.Attachment{ID: id, App: f.App, Finding: f.ID, Vendor: vendor, Name: "notes.txt", Kind: "text/plain", Size: 2, At: start, Content: []byte("hi")}, room, nil))
	}
	attach(n.Vendor, "A-MINE")
	attach("another", "A-OTHER")
	if _, page, _ := ann.get("/notices/" + n.ID); !strings.Contains(page, "/attachments/A-MINE") || strings.Contains(page, "A-OTHER") {
		t.Errorf("the page lists other files than the vendor's: %s", text(page))
	}
	answer, err := ann.Get(ann.base + "/notices/" + n.ID + "/attachments/A-MINE")
	must(t, err)
	if got := answer.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment;") || answer.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("it is given as %q, %q", got, answer.Header.Get("Content-Type"))
	}
	ann.read(answer)
	if status, _, _ := ann.get("/notices/" + n.ID + "/attachments/A-OTHER"); status != 404 {
		t.Errorf("another vendor's file: %d", status)
	}
}

func TestVendors(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	n := b.drafted()
	x := b.loggedIn("vera", console.Viewer)
	if _, page, _ := x.get("/vendors"); !strings.Contains(text(page), "Acme 1 1 0 0 0 1 1 waits") {
		t.Errorf("the list: %s", text(page))
	}
	if _, page, _ := x.get("/vendors?q=nobody"); !strings.Contains(page, "There is none of that name") {
		t.Errorf("a search for nobody: %s", text(page))
	}
	_, page, _ := x.get("/vendors/v-1")
	for _, want := range []string{"/notices/" + n.ID, "/findings/" + f.ID, "App mailer", "1 open finding"} {
		if !strings.Contains(page, want) {
			t.Errorf("the vendor's page lacks %q: %s", want, text(page))
		}
	}
	if status, _, _ := x.get("/vendors/v-2"); status != 404 {
		t.Errorf("nobody's page: %d", status)
	}
}

func TestAnAbnormalNightIsReleased(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	var list []audit.Finding
	for i := range audit.DefaultPolicy().Ladder.Abnormal + 1 {
		list = append(list, finding("purpose-prohibited", fmt.Sprintf("com.acme.app%d", i), "marketing", audit.Critical))
	}
	run := b.night(list...)
	n := b.drafted()
	ann, vera := b.loggedIn("ann", console.Reviewer), b.loggedIn("vera", console.Viewer)
	held := run + " holds up every notice"
	if _, page, _ := vera.get("/notices"); !strings.Contains(text(page), held+" It filed 51 new critical and high findings, more than the 50 that are normal") || strings.Contains(page, "<button>Release") {
		t.Errorf("a viewer sees %s", text(page))
	}
	if _, page, _ := ann.post("/notices/"+n.ID, url.Values{"do": {"approve"}, "digest": {shownDigest(t, ann, n.ID)}}); !strings.Contains(text(page), "It goes out once "+run+", an abnormal night, is released.") {
		t.Errorf("it is approved with the words %s", text(page))
	}
	if status, _, _ := vera.post("/notices", url.Values{"run": {run}}); status != 403 {
		t.Errorf("a viewer releases: %d", status)
	}
	if _, page, _ := ann.post("/notices", url.Values{"run": {"R-999999"}}); !strings.Contains(text(page), "R-999999 holds up nothing") || !strings.Contains(text(page), held) {
		t.Errorf("a run that there is not: %s", text(page))
	}
	if _, page, _ := ann.post("/notices", url.Values{"run": {run}, "reason": {"a new check"}}); !strings.Contains(text(page), run+" is released.") || strings.Contains(text(page), held) {
		t.Errorf("it is released with the words %s", text(page))
	}
	if now := b.notice(n.ID); !now.Queued() {
		t.Errorf("what was approved is still %s, and not on its way", now.Delivery)
	}
}
