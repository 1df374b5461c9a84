package console_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/mailreeve/mailreeve/internal/picture"
)

var update = flag.Bool("update", false, "take the pictures of docs/pictures anew, from the demo")

var pictures = filepath.Join("..", "docs", "pictures")

// The docs show each page, and no picture is larger than it may be. With -update they are taken anew: here the console's, from the demo; in vendorpage the vendors'.
func TestPicturesOfTheDocs(t *testing.T) {
	t.Parallel()
	if *update {
		takePictures(t)
	}
	shown := map[string]bool{}
	for _, doc := range []string{"console.md", "vendor-page.md"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", doc))
		must(t, err)
		for _, m := range regexp.MustCompile(`!\[[^\]]+\]\(pictures/([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
			shown[m[1]] = true
		}
	}
	entries, err := os.ReadDir(pictures)
	must(t, err)
	var there []string
	all := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if there, all = append(there, e.Name()), all+info.Size(); info.Size() > picture.Most {
			t.Errorf("%s has %d bytes", e.Name(), info.Size())
		}
		if !shown[e.Name()] {
			t.Errorf("no document shows %s", e.Name())
		}
	}
	if all > picture.MostOfAll {
		t.Errorf("all pictures have %d bytes", all)
	}
	for name := range shown {
		if !slices.Contains(there, name) {
			t.Errorf("there is no %s: go test ./console ./vendorpage -run 'Pictures|Looks' -update", name)
		}
	}
}

// takePictures starts the demo, does what reviewers do, and takes pictures of what they see.
func takePictures(t *testing.T) {
	browser := chromium(t)
	program := filepath.Join(t.TempDir(), "mailreeve")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/mailreeve").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir, err := os.MkdirTemp("/tmp", "demo-") // the pictures show where it is
	must(t, err)
	defer os.RemoveAll(dir)
	demo := exec.CommandContext(t.Context(), program, "demo", "--serve", "--dir", dir)
	said, err := demo.StderrPipe()
	must(t, err)
	must(t, demo.Start())
	defer func() { _ = demo.Process.Kill(); _ = demo.Wait() }()
	link := ""
	for lines := bufio.NewScanner(said); link == "" && lines.Scan(); {
		link = regexp.MustCompile(`http://\S+/login/\S+`).FindString(lines.Text())
	}
	if link == "" {
		t.Fatal("the demo gives no link")
	}
	must(t, os.MkdirAll(pictures, 0o755))
	p := newTab(t, browser, link[:strings.Index(link, "/login")])
	p.do(chromedp.Navigate(link))

	act := func(path string, form map[string]string) {
		t.Helper()
		var fields []string
		for k, v := range form {
			fields = append(fields, fmt.Sprintf("%q: %q", k, v))
		}
		evaluate[int](p, fmt.Sprintf(`fetch(%q, {method: "POST", body: new URLSearchParams({%s})}).then(r => r.status)`, path, strings.Join(fields, ", ")))
	}
	// first gives where the first link on a page leads whose address begins so.
	first := func(page, begin string) string {
		t.Helper()
		p.open(page)
		return evaluate[string](p, fmt.Sprintf(`document.querySelector('main a[href^="%s"]').getAttribute("href")`, begin))
	}
	until := time.Now().AddDate(0, 2, 0).Format(time.DateOnly)
	worst := first("/findings", "/findings/F-")
	act(worst, map[string]string{"do": "comment", "reason": "The vendor's job runs at night; asked them why it reads profiles of people who left."})
	act(worst, map[string]string{"do": "assign", "to": "me"})
	act(first("/findings?check=report-overdue&severity=low&severity=medium&severity=high", "/findings/F-"), map[string]string{"do": "suppress", "reason": "a pilot that ends in spring", "until": until})
	act(first("/findings?check=purpose-not-approved", "/findings/F-"), map[string]string{"do": "acknowledge"})
	act(first("/findings?check=listing-incomplete", "/findings/F-"), map[string]string{"do": "dismiss", "reason": "an app of our own"})
	drifted := first("/findings?check=policy-language-changed", "/findings/F-")
	act(worst, map[string]string{"do": "recommend", "act": "block-new-installs", "reason": "it goes on"})
	app := first(first("/findings?check=feature-drift&severity=medium", "/findings/F-"), "/apps/")

	take := func(name, path string, width, height int64, scheme string) {
		t.Helper()
		p.do(chromedp.EmulateViewport(width, height))
		call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		p.open(path)
		if strings.Contains(path, "#") { // what is aimed at, under the head
			evaluate[chromedp.Void](p, `document.querySelector(location.hash).scrollIntoView()`)
		}
		ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
		defer cancel()
		must(t, picture.Take(ctx, pictures, name))
	}
	for _, x := range []struct{ name, path string }{
		{"tonight", "/"}, {"findings", "/findings"}, {"finding", worst}, {"drift", drifted + "#drift"}, {"tasks", "/tasks"}, {"notices", "/notices"}, {"notice", first("/notices?state=waits", "/notices/N-")},
		{"vendors", "/vendors"}, {"vendor", first("/vendors", "/vendors/")}, {"apps", "/apps"}, {"app", strings.TrimSuffix(app, "#drift")}, {"runs", "/runs"}, {"run", first("/runs", "/runs/R-")}, {"quarantine", "/quarantine"},
		{"checks", "/checks"}, {"suppressions", "/suppressions"}, {"trail", "/trail"}, {"settings", "/settings"}, {"sessions", "/sessions"},
	} {
		take(x.name, x.path, 1200, 800, "light")
	}
	take("tonight-dark", "/", 1200, 800, "dark")
	take("finding-phone", worst, 360, 740, "light")
	if dir := os.Getenv("MAILREEVE_TEST_KEEP"); dir != "" { // to look at them
		for _, path := range []string{"/", "/findings", worst, drifted, "/tasks", "/notices", first("/notices?state=waits", "/notices/N-"), "/vendors", first("/vendors", "/vendors/"), "/apps", app, "/runs", first("/runs", "/runs/R-"), "/quarantine",
			"/checks", "/suppressions", "/trail", "/settings", "/sessions"} {
			for _, width := range []int64{360, 1200, 2560} {
				for _, scheme := range []string{"light", "dark"} {
					p.do(chromedp.EmulateViewport(width, 900))
					call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
					p.open(path)
					shot, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(80))
					must(t, err)
					must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.jpg", strings.Trim(strings.ReplaceAll(path, "/", "_"), "_"), width, scheme)), shot, 0o600))
				}
			}
		}
	}
}
