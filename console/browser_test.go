package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/capture"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/internal/nighttest"
)

// chromium starts a browser, once for a test; each part of it gets a tab.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := capture.FindChromium("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v, and CI needs it", err)
		}
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("/tmp", "mailreeve-console-") // its sockets' paths must be short
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // the browser may still write
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(time.Minute))
	if os.Geteuid() == 0 {
		o = append(o, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	must(t, chromedp.Do(ctx))
	return ctx
}

// A tab is a page of the browser, which says where a test failed.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

func newTab(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	return &tab{t, ctx, url}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for i, a := range actions {
		if err := chromedp.Do(p.ctx, a); err != nil {
			p.fatal(fmt.Errorf("step %d: %w", i, err))
		}
	}
}

// fatal ends the test, and says where the tab is.
func (p *tab) fatal(err error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), 5*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	p.t.Fatalf("%v\nat %s:\n%s", err, at, text)
}

// call runs a command of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, command, params); err != nil {
		p.fatal(err)
	}
}

// evaluate runs a script on the page, and gives what it comes to.
func evaluate[T any](p *tab, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fatal(err)
	}
	return v
}

func (p *tab) open(path string) { p.t.Helper(); p.do(chromedp.Navigate(p.url + path)) }

// click clicks what leads to another page, and waits for it.
func (p *tab) click(selector string) {
	p.t.Helper()
	if _, err := chromedp.RunResponse(p.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		p.fatal(fmt.Errorf("click %s: %w", selector, err))
	}
}

// press presses keys that lead to another page, and waits for it.
func (p *tab) press(keys string) {
	p.t.Helper()
	if _, err := chromedp.RunResponse(p.ctx, chromedp.KeyEvent(keys)); err != nil {
		p.fatal(fmt.Errorf("press %q: %w", keys, err))
	}
}

func (p *tab) text() string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		p.fatal(err)
	}
	return strings.Join(strings.Fields(text), " ")
}

func (p *tab) says(want ...string) {
	p.t.Helper()
	text := p.text()
	for _, w := range want {
		if !strings.Contains(text, w) {
			p.t.Errorf("the page does not say %q: %s", w, text)
		}
	}
}

func TestInABrowser(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	t.Run("the reviewer's morning", func(t *testing.T) { theReviewersMorning(t, browser) })
	t.Run("a newcomer approves a notice", func(t *testing.T) { aNewcomerApproves(t, browser) })
	t.Run("pages are accessible", func(t *testing.T) { pagesAreAccessible(t, browser) })
}

// A newcomer logs in, sees that a notice waits, reads it as it is sent, and approves it.
func aNewcomerApproves(t *testing.T, browser context.Context) {
	b, acme, _ := market(t)
	notice := b.drafted()
	link, err := b.c.Link(b.listener)
	must(t, err)
	p := newTab(t, browser, b.url)
	p.do(chromedp.Navigate(link))
	p.says("1 notice to approve")
	p.click(`.counts a[href^="/notices"]`)
	p.says("Waiting for a person", "Acme")
	p.click(".row .open")
	p.says(notice.ID, "security@acme.example", acme.Title)
	if framed := evaluate[bool](p, `document.querySelector("iframe.mail").contentDocument === null`); !framed {
		t.Error("the page reaches into the frame of the mail, and so the mail's scripts could reach the page")
	}
	p.click("#approve")
	p.says(notice.ID+" is approved, for 1 recipient.", "notice approved")
	if now := b.notice(notice.ID); now.Delivery != audit.NoticeApproved {
		t.Errorf("it is %s", now.Delivery)
	}
}

// market is a bench with two nights, and some findings of each kind.
func market(t *testing.T) (b *bench, acme, birch audit.Finding) {
	b = newBench(t, console.OIDC{})
	acme = finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	birch = finding("access-unapproved", "com.birch.board", "", audit.High)
	birch.Title, birch.Clause = "Addresses retrieved without an approval", "P1"
	var others []audit.Finding
	for i, severity := range audit.Severities() {
		f := finding("purpose-prohibited", fmt.Sprintf("com.vendor%d.suite", i), "training-onboarding", severity)
		f.Confidence = audit.Likely
		others = append(others, f)
	}
	b.night(append(others, acme, birch)...)
	b.wait(day)
	acme.Occurrences, acme.Accounts = 31, 14
	b.night(acme)
	return b, acme, birch
}

// A reviewer logs in, sees the night, looks for a finding, acknowledges it, comments on it, suppresses another, and takes that back; then by keys alone; then
// without scripts.
func theReviewersMorning(t *testing.T, browser context.Context) {
	b, acme, birch := market(t)
	link, err := b.c.Link(b.listener)
	must(t, err)

	p := newTab(t, browser, b.url)
	p.do(chromedp.Navigate(link))
	p.says("Tonight", "1,200", "reports", "it is missing", "App mailer")
	p.open("/findings")
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "acme marketing"))
	p.press(kb.Enter)
	p.says("31 occurrences +31", "14 accounts", acme.ID)
	if text := p.text(); strings.Contains(text, birch.ID) {
		t.Errorf("the search for acme shows %s", text)
	}
	p.click(".row .open")
	p.says("31 occurrences · 14 accounts · 1 site", "Addresses from the Email API are never to be used", "5b10a2844c20165700ede21f", "filed", "grew", "All 14 accounts")
	p.click("#acknowledge")
	p.says(acme.ID+": acknowledged.", "acknowledged by")
	p.do(chromedp.SendKeys(chromedp.CSS("#comment"), "Wrote to zebra@customer.example about it"))
	p.click(".say button")
	p.says("Wrote to", "about it")
	if text := p.text(); strings.Contains(text, "zebra@customer.example") {
		t.Errorf("an address stands in a comment: %s", text)
	}
	p.open("/findings/" + birch.ID)
	p.do(chromedp.Click(chromedp.Search(`//summary[text()="Suppress"]`)), chromedp.SendKeys(chromedp.Search(`//details[@open]//input[@name="reason"]`), "pilot"),
		chromedp.SetValue(chromedp.Search(`//details[@open]//input[@name="until"]`), b.clock().AddDate(0, 1, 0).Format(time.DateOnly)))
	p.click(`details[open] form button`)
	p.says("suppressed until", "pilot")
	p.click(".flash button")
	p.says(birch.ID + ": reopened.")

	keys := newTab(t, browser, b.url)
	keys.open("/findings?status=open")
	keys.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"), chromedp.KeyEvent("x"), chromedp.KeyEvent("j"), chromedp.KeyEvent("x"))
	keys.says("2 ticked")
	keys.press("a")
	keys.says("2 findings: acknowledged.")
	keys.do(chromedp.KeyEvent("j"))
	keys.press(kb.Enter)
	keys.says("What the vendor has to do")
	opened := evaluate[string](keys, `location.pathname`)
	keys.press("j") // the next one of the list
	keys.says("What the vendor has to do", "Previous", "Next")
	keys.press("k")
	if at := evaluate[string](keys, `location.pathname`); at != opened {
		t.Errorf("the one before the next is %s, not %s", at, opened)
	}
	keys.do(chromedp.KeyEvent("?"), chromedp.WaitVisible(chromedp.CSS("#keys")), chromedp.KeyEvent(kb.Escape), chromedp.WaitNotPresent(chromedp.CSS("#keys[open]")))
	keys.do(chromedp.KeyEvent("/"), chromedp.WaitVisible(chromedp.CSS("#search"))) // a finding has no search: it leads to the list

	plain := newTab(t, browser, b.url)
	call(plain, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	plain.open("/findings?status=open")
	plain.do(chromedp.Click(chromedp.CSS(".pick input")))
	plain.click("#acknowledge")
	plain.says(": acknowledged.")
	plain.do(chromedp.Click(chromedp.CSS(".pick input")), chromedp.SendKeys(chromedp.CSS(".bulk input[name=reason]"), "no harm"))
	plain.click(`button[value="dismiss"]`)
	plain.says("dismissed as a false positive", "Undo: reopen")
}

// Every page holds to WCAG 2.2 AA as far as axe sees, in light and dark, on a phone and on a desk.
func pagesAreAccessible(t *testing.T, browser context.Context) {
	b, acme, birch := market(t)
	scope, _, words := b.drifted()
	notice := b.drafted()
	axe, err := os.ReadFile(filepath.Join("testdata", "axe.min.js"))
	must(t, err)
	link, err := b.c.Link(b.listener)
	must(t, err)
	p := newTab(t, browser, b.url)
	p.open("/login")
	left := http.NewServeMux()
	looked := map[string]bool{"GET /findings/{id}/accounts.csv": true, "GET /notices/{id}/attachments/{file}": true, // downloads
		"GET /notices/{id}/mail": true} // what the vendor gets, in a frame of the notice's page
	for _, pattern := range console.Views() {
		left.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	pages := []string{"/login", "/login/used"}
	check := func() {
		for _, path := range pages {
			p.open(path)
			_, pattern := left.Handler(httptest.NewRequest("GET", path, nil))
			looked[pattern] = true
			if at := evaluate[string](p, `location.pathname + location.search`); at != path {
				t.Fatalf("%s leads to %s", path, at)
			}
			evaluate[chromedp.Void](p, string(axe))
			for _, width := range []int64{360, 1200} {
				for _, scheme := range []string{"light", "dark"} {
					p.do(chromedp.EmulateViewport(width, 900))
					call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
					found := evaluate[string](p, `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], elementRef: false}).then((r) => JSON.stringify(
						r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html + " " + n.failureSummary)}))))`)
					if found != "[]" {
						t.Errorf("%s, %d px, %s: %s", path, width, scheme, found)
					}
					if evaluate[bool](p, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
						t.Errorf("%s, %d px: it is wider than the window", path, width)
					}
					if dir := os.Getenv("MAILREEVE_TEST_KEEP"); dir != "" { // to look at them
						shot, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
						must(t, err)
						must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", strings.Trim(strings.ReplaceAll(path, "/", "_"), "_"), width, scheme)), shot, 0o600))
					}
				}
			}
		}
	}
	check()
	p.do(chromedp.Navigate(link))
	token, _, err := api.NewToken("siem", []string{string(api.ReadFindings), string(api.WriteFindings)}, "cli:ann@host", audit.At(b.clock()), audit.At(b.clock()).Add(90*day))
	must(t, err)
	must(t, b.store.CreateToken(t.Context(), token))
	b.post(acme.ID, "suppress", "pilot")
	must(t, b.deeds().Do(t.Context(), audit.Deed{Kind: audit.DoSuppress, By: "console:9 (bob)", At: audit.At(b.clock()), Reason: "their test site", Site: "site-a", Until: audit.At(b.clock()).Add(30 * day)}, birch.ID))
	p.open("/findings/" + acme.ID) // looked at: what comes is new
	b.wait(2 * time.Hour)
	acme.Occurrences += 7
	b.night(acme)
	must(t, b.store.EnqueueMessages(t.Context(), audit.Message{Key: "digest", Sink: "webhook", Lane: "hook", Body: []byte("{}"), Created: start.Add(-30 * day), NextAt: start.Add(-30 * day), SentAt: audit.Never}))
	must(t, nighttest.Deeds{Store: b.store, AsOf: start}.Do(t.Context(), audit.Deed{Kind: audit.DoRecommend, By: "console:9 (bob)", At: audit.At(b.clock()), Act: "warn"}, scope.ID))
	b.retrier.Retry("console:9 (bob)")
	pages = []string{"/findings/" + birch.ID, "/findings/" + scope.ID, "/findings/" + words.ID, "/", "/findings", "/findings?q=nowhere", "/findings/" + acme.ID, "/tasks", "/notices", "/notices/" + notice.ID, "/vendors", "/vendors/" + notice.Vendor, "/sessions", "/nowhere",
		"/apps", "/apps/com.acme.mailer", "/apps?q=nowhere", "/runs", "/runs/R-000001", "/quarantine", "/checks", "/suppressions", "/suppressions?quiet=yes", "/notices?state=all", "/trail", "/settings"}
	check()
	for _, pattern := range console.Views() {
		if !looked[pattern] {
			t.Errorf("no page of %s was looked at", pattern)
		}
	}
}
