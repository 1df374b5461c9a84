package capture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit/address"
)

// The people of the tests. The addresses are long and odd, so that nothing else reads like them.
const (
	jane  = "jane.quartermaine@customer.example"
	bob   = "bob.yellowstone@customer.example"
	mine  = "crawler.account@platform.example"
	nancy = "nancy.stranger@elsewhere.example" // nobody that was handed out
)

func handedOut(_ context.Context, add func(Address) error) error {
	for account, email := range map[string]string{"jane": jane, "bob": bob, "me": mine} {
		if err := add(Address{Account: account, Email: email}); err != nil {
			return err
		}
	}
	return nil
}

// need is a program's path; without it the test is skipped, or fails where CI says that all programs are there.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed, and CI needs it", program)
		}
		t.Skipf("%s is not installed", program)
	}
	return path
}

// A site is hosts of a test: names that lead to one server.
type site struct {
	*httptest.Server
	t    *testing.T
	mux  *http.ServeMux
	port string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, mux: http.NewServeMux()}
	s.Server = httptest.NewServer(s.mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	_, s.port, _ = strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	return s
}

// page serves a page. PORT in it is the server's.
func (s *site) page(path, text string) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, strings.ReplaceAll(text, "PORT", s.port))
	})
}

func (s *site) at(host, path string) string { return "http://" + host + ":" + s.port + path }

// locally resolves every name to this machine.
func locally(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// capturer captures with small limits into a folder of the test's.
func capturer(t *testing.T) *Capturer {
	t.Helper()
	need(t, "chromium")
	chromium, err := FindChromium("")
	if err != nil {
		t.Fatal(err)
	}
	l := DefaultLimits()
	l.Page, l.Load, l.Rest = 30*time.Second, 5*time.Second, 2*time.Second
	l.Bytes, l.Height = 20<<20, 3000
	return &Capturer{Chromium: chromium, AllowPrivate: true, Manifest: filepath.Join(t.TempDir(), "manifest.jsonl"), Limits: l, Resolve: locally, Addresses: handedOut}
}

// capture captures one page, which must work, and gives its parts as they were written.
func capture(t *testing.T, c *Capturer, url string) (res *Result, recording, dom string, shot []byte) {
	t.Helper()
	res, err := c.Capture(t.Context(), Page{URL: url, App: "com.acme", Site: "site", Viewer: "me"})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(c.Manifest), name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, f := range res.Files {
		switch filepath.Ext(f) {
		case ".har":
			recording = string(read(f))
		case ".html":
			dom = string(read(f))
		case ".png":
			shot = read(f)
		}
	}
	if dir := os.Getenv("MAILREEVE_TEST_KEEP"); dir != "" { // to look at them
		name := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_"))
		for ext, text := range map[string][]byte{".har": []byte(recording), ".html": []byte(dom), ".png": shot} {
			if err := os.WriteFile(name+ext, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return res, recording, dom, shot
}

// read is what a screenshot says to who reads it.
func read(t *testing.T, shot []byte) string {
	t.Helper()
	tesseract := need(t, "tesseract")
	cmd := exec.Command(tesseract, "stdin", "stdout", "--psm", "11", "--dpi", "96")
	cmd.Stdin = bytes.NewReader(shot)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// names are what people would know the planted addresses by.
var names = regexp.MustCompile(`(?i)quarterma|yellowst|zoe\.back|crawler\.acc|nancy\.str|@customer|@elsewhere`)

// drawn is a picture of a text.
func drawn(text string) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" width="420" height="30"><text x="5" y="20" font-size="18" font-family="sans-serif">` + text + `</text></svg>`
}

// everywhere is a page that shows addresses in every way that a screenshot must mask.
const everywhere = `<!doctype html><title>Members</title>
<style>
 body { font: 20px sans-serif; margin: 20px } div, p { margin: 8px 0 }
 .gen::before { content: "bob.yellowstone@customer.example" }
 .bg { background: url(/picture.svg) no-repeat; width: 420px; height: 40px }
 .flex { display: flex; flex-direction: row-reverse; justify-content: flex-end }
 li { list-style-type: "bob.yellowstone@customer.example " }
</style>
<h1>Members of the project</h1>
<p id=plain>Plain: jane.quartermaine@customer.example and nancy.stranger@elsewhere.example, both.</p>
<p>Split: <b>jane.quarter</b><i>maine</i>@<span>customer</span>.example in pieces</p>
<p class=gen>: generated</p>
<div class=flex><span>customer.example</span><span>@</span><span>zoe.backwards</span></div>
<p>Input <input value="x" id=typed size=40> <input placeholder="bob.yellowstone@customer.example" size=40></p>
<p><textarea rows=2 cols=50>bob.yellowstone@customer.example</textarea></p>
<p><select><option>jane.quartermaine@customer.example</option></select> <button>bob.yellowstone@customer.example</button>
<input type=submit value="jane.quartermaine@customer.example"></p>
<p><canvas id=canvas width=420 height=40></canvas></p>
<p><img src=/picture.svg><img src=/none.png alt="jane.quartermaine@customer.example"></p>
<p><svg width=420 height=30><text y=20>jane.quartermaine@customer.example</text></svg></p>
<div class=bg>Background</div>
<div id=open></div><div id=closed></div>
<ul><li>item</ul>
<iframe srcdoc="<p style='font:20px sans-serif'>bob.yellowstone@customer.example" width=500 height=70></iframe>
<iframe src="http://other.example:PORT/frame" width=500 height=70></iframe>
<div id=built></div>
<div style="height:2000px"></div><div id=lazy>the end</div>
<script>
 document.getElementById("typed").value = "jane.quartermaine" + "@customer.example"
 const c = document.getElementById("canvas").getContext("2d"); c.font = "20px sans-serif"; c.fillText("jane.quartermaine@customer.example", 5, 25)
 document.getElementById("open").attachShadow({mode: "open"}).innerHTML = "<p>Open root: jane.quartermaine@customer.example</p>"
 document.getElementById("closed").attachShadow({mode: "closed"}).innerHTML = "<p>Closed root: bob.yellowstone@customer.example</p>"
 setTimeout(() => { document.getElementById("built").textContent = "Built: " + [..."elpmaxe.remotsuc@enotswolley.bob"].reverse().join("") }, 300)
 new IntersectionObserver(async (seen, o) => { if (seen[0].isIntersecting) { o.disconnect(); document.getElementById("lazy").textContent = await (await fetch("/lazy")).text() } }).observe(document.getElementById("lazy"))
 localStorage.setItem("user", JSON.stringify({mail: "jane.quartermaine@customer.example"}))
 fetch("http://tracker.example:PORT/collect?e=jane.quartermaine%40customer.example", {method: "POST", body: "mail=bob.yellowstone@customer.example", mode: "no-cors"})
</script>`

func everywhereSite(t *testing.T) *site {
	s := newSite(t)
	s.page("/", everywhere)
	s.page("/frame", `<body style="font:20px sans-serif"><p>Other process: jane.quartermaine@customer.example<script>fetch("/in-frame").then(r => r.text())</script>`)
	s.mux.HandleFunc("/picture.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, drawn(jane))
	})
	s.mux.HandleFunc("/lazy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Lazy: ", bob) })
	s.mux.HandleFunc("/in-frame", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, jane) })
	s.mux.HandleFunc("/collect", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: jane})
	})
	return s
}

func TestACaptureShowsNoAddress(t *testing.T) {
	c, s := capturer(t), everywhereSite(t)
	res, recording, dom, shot := capture(t, c, s.at("app.example", "/"))
	t.Log(res)
	if res.NoScreenshot != "" {
		t.Fatalf("there is no screenshot: %s", res.NoScreenshot)
	}
	recording = strings.ReplaceAll(recording, "zoe.backwards", "") // in the source it is no address, only in the layout
	for name, text := range map[string]string{"HAR": recording, "DOM": dom} {
		if m := names.FindString(text); m != "" {
			t.Errorf("the %s holds %q", name, m)
		}
		if address.LooksLike([]byte(text)) {
			t.Errorf("the %s holds something of the shape of an address: %v", name, address.Spans(text))
		}
	}
	for _, want := range []string{"Members of the project", "Open root: ", "Closed root: ", "Built: ", "Lazy: ", "Other process: "} {
		if !strings.Contains(dom, want) {
			t.Errorf("the DOM lacks %q", want)
		}
	}
	for _, want := range []string{"http://tracker.example:" + s.port + "/collect", "/in-frame", "/lazy", "/frame", "/picture.svg"} {
		if !strings.Contains(recording, want) {
			t.Errorf("the HAR lacks %q", want)
		}
	}
	text := read(t, shot)
	if m := names.FindString(text); m != "" {
		t.Errorf("the screenshot shows %q", m)
	}
	if !strings.Contains(text, "Members of the project") {
		t.Errorf("the screenshot cannot be read:\n%s", text)
	}
	manifest, err := os.ReadFile(c.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if m := names.FindString(string(manifest)); m != "" {
		t.Errorf("the manifest holds %q", m)
	}
	var kinds []string
	for l := range bytes.Lines(manifest) {
		var x line
		if err := json.Unmarshal(l, &x); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, string(x.Kind))
		if x.App != "com.acme" || x.Site != "site" || x.Viewer != "me" || x.URL != s.at("app.example", "/") || len(x.Sightings) == 0 {
			t.Errorf("the manifest's line is %+v", x)
		}
	}
	if !slices.Equal(kinds, []string{"har", "html"}) {
		t.Errorf("the manifest's lines are of the kinds %v", kinds)
	}
}

// TestTheScreenshotTestCanFail shows that reading the page as it was gives the addresses away.
func TestTheScreenshotTestCanFail(t *testing.T) {
	c, s := capturer(t), everywhereSite(t)
	out := filepath.Join(t.TempDir(), "plain.png")
	dir := t.TempDir()
	cmd := exec.Command(c.Chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+dir, "--host-resolver-rules=MAP * 127.0.0.1", "--window-size=1280,1500", "--virtual-time-budget=3000", "--screenshot="+out, s.at("app.example", "/"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	shot, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if text := read(t, shot); !names.MatchString(text) {
		t.Errorf("the addresses cannot be read even where nothing is masked:\n%s", text)
	}
}
