package vendorpage_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/capture"
	"github.com/mailreeve/mailreeve/internal/picture"
)

// chromium is a tab of a browser. Where there is none the test is skipped, or fails where CI says that all programs are there.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := capture.FindChromium("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true))
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	ctx, end = context.WithTimeout(ctx, 2*time.Minute) // it hangs: no test of time
	t.Cleanup(end)
	return ctx
}

// A look is how somebody looks at a page.
type look struct {
	width, height int64
	scheme        string
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.scheme) }

func (l look) set(t *testing.T, ctx context.Context) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 600})
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	out, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// follow does what leads to another page, and waits for it.
func follow(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

var update = flag.Bool("update", false, "take the pictures of docs/pictures anew")

// plainly takes out of a page what these tests' market has to frighten it, which is not for the docs.
const plainly = `(() => {
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = walk.nextNode();) n.nodeValue = n.nodeValue.replaceAll("Mailer <b>", "Acme Mailer").replaceAll("<script>alert(1)</script> for [address]", "").replaceAll(" [address] did it.", "").replace("retrieved for html", "visible in the app's UI (html)");
})()`

// keep keeps a picture of the page in the folder that MAILREEVE_TEST_KEEP names, to look at.
func keep(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("MAILREEVE_TEST_KEEP")
	if dir == "" {
		return
	}
	shot := run(t, ctx, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A vendor answers in a browser that runs no script: from the link in the mail to the dispute.
func TestAVendorAnswersWithoutJavaScript(t *testing.T) {
	t.Parallel()
	ctx, m := chromium(t), newMarket(t)
	look{390, 844, "light"}.set(t, ctx)
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	follow(t, ctx, chromedp.Navigate(m.srv.URL+"/v/"+m.token("privacy@acme.example")))
	follow(t, ctx, chromedp.Click("main button"))
	home := run(t, ctx, chromedp.Text("main"))
	follow(t, ctx, chromedp.Click(`.cards a[href="/f/`+m.acme.ID+`"]`))
	finding := run(t, ctx, chromedp.Text("main"))
	follow(t, ctx, chromedp.Click(".standing button")) // acknowledge
	due := run(t, ctx, chromedp.Text(".due"))
	run(t, ctx, chromedp.Steps(chromedp.Click("//summary[text()='This is not right']"), chromedp.WaitVisible("#dispute-text"),
		chromedp.SendKeys("#dispute-text", "These calls were a test of ours, on a site of ours.")))
	follow(t, ctx, chromedp.Click(`form[action$="/dispute"] button`))
	disputed := run(t, ctx, chromedp.Text("main"))
	for _, tt := range []struct{ text, want string }{
		{home, "Open: 2"}, {home, "Waits for your answer."}, {finding, "4 occurrences, 3 accounts, 1 site"}, {finding, "3 accounts on 1 site."}, {due, "(28 days left)"},
		{disputed, "You dispute it, and we are looking into it."}, {disputed, "the clock stands still"}, {disputed, "These calls were a test of ours"}, {disputed, "You acknowledged it"},
	} {
		if !strings.Contains(tt.text, tt.want) {
			t.Errorf("the page lacks %q: %s", tt.want, tt.text)
		}
	}
	if x := m.matter(m.acme.ID); x.Answer != audit.Disputed || !x.Stands() {
		t.Errorf("the matter: %+v", x)
	}
}

// With the keyboard alone, a vendor gets in, and to a finding's form.
func TestWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	ctx, m := chromium(t), newMarket(t)
	press := chromedp.KeyEvent
	focused := func() string {
		t.Helper()
		run(t, ctx, press("\t"))
		return run(t, ctx, chromedp.Evaluate[string](`document.activeElement.textContent.trim()`))
	}
	follow(t, ctx, chromedp.Navigate(m.srv.URL+"/v/"+m.token("privacy@acme.example")))
	if first, second := focused(), focused(); first != "Skip to the content" || second != "Open the page" {
		t.Fatalf("%q %q", first, second)
	}
	follow(t, ctx, press("\r"))
	follow(t, ctx, chromedp.Navigate(m.srv.URL+"/f/"+m.acme.ID))
	var met []string
	for range 25 {
		met = append(met, focused())
	}
	for _, want := range []string{"All findings", "Acknowledge: we have seen it", "The 3 accounts, as CSV", "It is fixed", "We need more time", "This is not right", "Attach a file", "Close this page in this browser"} {
		if !slices.Contains(met, want) {
			t.Errorf("the keyboard does not get to %q, but to %q", want, met)
		}
	}
}

// Every page, light and dark, on a phone and on a desk, without a violation of WCAG 2.2 AA that axe-core sees, and without anything beside the screen.
func TestLooks(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join("..", "console", "testdata", "axe.min.js"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skip("axe-core is not in console/testdata")
	} else if err != nil {
		t.Fatal(err)
	}
	ctx, m := chromium(t), newMarket(t)
	m.deliver()
	incident := m.incident()
	m.deliver()
	long := url.Values{"text": {"We stopped the job, and wrote a test.\nhttps://acme.example/" + strings.Repeat("path/", 60)}, "since": {"2024-10-05"}, "version": {"2.4.1"}}
	b := m.in("privacy@acme.example")
	if status, _ := b.post("/f/"+m.closed.ID+"/fix-claimed", long); status != 200 {
		t.Fatal(status)
	}
	if status, _ := b.attach(m.closed.ID, "proof.txt", []byte("hello")); status != 200 {
		t.Fatal(status)
	}
	used := m.token("privacy@acme.example")
	m.pass(time.Minute)
	if _, err := m.desk.SendLink(t.Context(), "v-1", ann); err != nil {
		t.Fatal(err)
	}
	fresh := m.token("privacy@acme.example")
	pages := []struct {
		name, path string
		then       func()
	}{
		{"used", "/v/" + used, nil},
		{"door", "/v/" + fresh, nil},
		{"home", "/v/" + fresh, func() { follow(t, ctx, chromedp.Click("main button")) }},
		{"finding", "/f/" + m.acme.ID, func() {
			run(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
		}},
		{"problem", "/f/" + m.acme.ID, func() {
			run(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("form").forEach(f => f.noValidate = true); document.querySelector("details").open = true`))
			follow(t, ctx, chromedp.Click(`form[action$="/fix-claimed"] button`))
		}},
		{"incident", "/f/" + incident.ID, nil},
		{"answered", "/f/" + m.closed.ID, nil},
		{"not-found", "/f/" + m.other.ID, nil},
	}
	for _, p := range pages {
		look{1200, 900, "light"}.set(t, ctx)
		follow(t, ctx, chromedp.Navigate(m.srv.URL+p.path))
		if p.then != nil {
			p.then()
		}
		run(t, ctx, chromedp.Evaluate[chromedp.Void](string(axe)))
		for _, l := range []look{{360, 740, "light"}, {390, 844, "light"}, {390, 844, "dark"}, {1200, 900, "light"}, {1200, 900, "dark"}} {
			l.set(t, ctx)
			if n := run(t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); n > 0 {
				t.Errorf("%s, %s: %d pixels are beside the screen", p.name, l, n)
			}
			for _, v := range run(t, ctx, chromedp.Evaluate[[]string](`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
				.then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html).join(" | ")))`, chromedp.EvalAwaitPromise)) {
				t.Errorf("%s, %s: %s", p.name, l, v)
			}
			keep(t, ctx, p.name+"-"+l.String())
			if name, ok := map[string]string{"home": "vendors-page", "incident": "vendors-page-finding"}[p.name]; *update && ok && l.width == 1200 && l.scheme == "light" {
				run(t, ctx, chromedp.Evaluate[chromedp.Void](plainly))
				if err := picture.Take(ctx, filepath.Join("..", "docs", "pictures"), name); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
