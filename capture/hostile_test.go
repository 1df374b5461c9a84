package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// leftovers are browsers and profiles of captures that are still there.
func leftovers(t *testing.T) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "mailreeve-capture-*"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if line, err := os.ReadFile(p); err == nil && bytes.Contains(line, []byte("--user-data-dir="+filepath.Join(os.TempDir(), "mailreeve-capture-"))) {
			left = append(left, p)
		}
	}
	return left
}

// apart gives the test a folder of its own for profiles, so that others running meanwhile do not count.
func apart(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "mr") // a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
}

func TestRefusesToGoWhereItIsNotPublic(t *testing.T) {
	apart(t)
	c, s := capturer(t), newSite(t)
	var hits atomic.Int32
	s.page("/", `<script>location = "http://inside.example:PORT/secret"</script>`)
	s.mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.at("inside.example", "/secret"), http.StatusFound)
	})
	s.mux.HandleFunc("/secret", func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	c.AllowPrivate = false
	// app.example is public for the proxy, and the test's server for all else.
	c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	c.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
		if host == "app.example" {
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		}
		return locally(ctx, host)
	}
	for _, url := range []string{s.at("inside.example", "/secret"), s.at("127.0.0.1", "/secret"), s.at("localhost", "/secret"), s.at("app.example", "/moved"), s.at("app.example", "/"),
		strings.Replace(s.at("inside.example", "/secret"), "http:", "https:", 1)} {
		if _, err := c.Capture(t.Context(), Page{URL: url}); err == nil || err.Error() != errRefused.Error() {
			t.Errorf("%s: %v", url, err)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the host inside was asked %d times", hits.Load())
	}
	s.page("/parts", `<p>Fine</p><img src="http://inside.example:PORT/secret">`)
	res, _, dom, _ := capture(t, c, s.at("app.example", "/parts"))
	if !strings.Contains(dom, "Fine") || len(res.Notes) == 0 {
		t.Errorf("parts that were refused: %q, %v", dom, res.Notes)
	}
	if hits.Load() != 0 {
		t.Errorf("the host inside was asked %d times", hits.Load())
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestHostilePages has pages that want to hold the browser up, or to bring it down. Each must end in time, and the next one must work.
func TestHostilePages(t *testing.T) {
	apart(t)
	c, s := capturer(t), newSite(t)
	c.Limits.Page, c.Limits.Load, c.Limits.Rest = 18*time.Second, 2*time.Second, time.Second
	s.mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, strings.Repeat("<p>and so on", 1000)); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	s.mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", "attachment; filename=big.bin")
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	s.mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	})
	s.page("/alerts", `<p>Text of alerts</p><script>setTimeout(() => { for (;;) alert("jane.quartermaine@customer.example") }, 100)</script>`)
	s.page("/loop", `<p>Text of loop</p><script>setTimeout(() => { for (;;); }, 100)</script>`)
	s.page("/huge", `<p>Text of huge</p><script>for (let i = 0; i < 150000; i++) document.body.append(document.createElement("i"))</script>`)
	s.page("/deep", `<p>Text of deep</p>`+strings.Repeat("<div>", 20000))
	s.page("/windows", `<p>Text of windows</p><script>for (let i = 0; i < 20; i++) { open("/windows?" + i); const a = document.createElement("a"); a.href = "/"; a.target = "_blank"; a.click() }</script>`)
	s.page("/reload", `<p>Text of reload</p><meta http-equiv=refresh content=0><script>setInterval(() => location.reload(), 300)</script>`)
	s.page("/unload", `<p>Text of unload</p><script>onbeforeunload = e => { e.preventDefault(); return "no" }</script>`)
	s.page("/print", `<p>Text of print</p><script>print(); prompt("x"); confirm("y")</script>`)
	s.page("/scroll", `<p>Text of scroll</p><script>onscroll = () => document.body.insertAdjacentHTML("beforeend", "<div style='height:2000px'>more</div>"); for (let i = 0; i < 3; i++) onscroll()</script>`)
	s.page("/patched", `<p>Text of patched</p><script>for (const k of ["insertRule", "querySelectorAll", "createElement", "setAttribute"]) Document.prototype[k] = Element.prototype[k] = () => { throw 1 }; String.prototype.replace = () => "x"; Array.prototype.forEach = () => {}; Object.defineProperty(Element.prototype, "attachShadow", {value: null})</script><p>jane.quartermaine@customer.example`)
	s.page("/good", `<p>Text of good</p>`)
	for _, x := range []struct {
		path, want string // the text that must be in the page; empty: it must fail
		err        error  // of a page that fails; nil: any
		recorded   bool   // it must be in the recording, since the page is too large
	}{
		{"/endless", "/endless", nil, true}, {"/download", "", errDownload, false}, {"/slow", "", errTooLong, false}, {"/alerts", "Text of alerts", nil, false}, {"/loop", "Text of loop", nil, false},
		{"/huge", "Text of huge", nil, true}, {"/deep", "Text of deep", nil, false}, {"/windows", "Text of windows", nil, false}, {"/reload", "Text of reload", nil, false}, {"/unload", "Text of unload", nil, false},
		{"/print", "Text of print", nil, false}, {"/scroll", "Text of scroll", nil, false}, {"/patched", "Text of patched", nil, false},
	} {
		t.Run(x.path[1:], func(t *testing.T) {
			began := time.Now()
			if x.want == "" {
				_, err := c.Capture(t.Context(), Page{URL: s.at("app.example", x.path)})
				if err == nil || x.err != nil && err.Error() != x.err.Error() {
					t.Errorf("it ends with %v", err)
				}
			} else {
				res, recording, dom, shot := capture(t, c, s.at("app.example", x.path))
				t.Log(res.Notes, res.NoScreenshot, len(shot))
				if x.recorded {
					dom = recording
				}
				if !strings.Contains(dom, x.want) {
					t.Errorf("the page lacks %q: %.300s", x.want, dom)
				}
				if m := names.FindString(recording + dom); m != "" {
					t.Errorf("it holds %q", m)
				}
			}
			if took := time.Since(began); took > c.Limits.Start+c.Limits.Page+c.Limits.Screenshot+5*time.Second {
				t.Errorf("it took %s", took)
			} else {
				t.Log(took)
			}
			if left := leftovers(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if _, _, dom, shot := capture(t, c, s.at("app.example", "/good")); !strings.Contains(dom, "Text of good") || len(shot) == 0 {
		t.Error("the page after them cannot be captured")
	}
}

// TestACrashedRendererIsTold kills the page's renderer, as a page that finds a way to crash it would.
func TestACrashedRendererIsTold(t *testing.T) {
	apart(t)
	c, s := capturer(t), newSite(t)
	s.page("/", `<p>Text</p><script>setInterval(() => fetch("/tick").catch(() => {}), 200)</script>`)
	var once sync.Once
	s.mux.HandleFunc("/tick", func(http.ResponseWriter, *http.Request) {
		once.Do(func() { killRenderers(t) })
	})
	if _, err := c.Capture(t.Context(), Page{URL: s.at("app.example", "/")}); err == nil || !strings.Contains(err.Error(), errCrashed.Error()) {
		t.Errorf("it ends with %v", err)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAFrameThatHangs has a frame from elsewhere whose renderer stops: the page around it is captured all the same, with the frame covered.
func TestAFrameThatHangs(t *testing.T) {
	apart(t)
	c, s := capturer(t), newSite(t)
	s.page("/", `<p>Text around</p><img src="/until-then"><iframe src="http://other.example:PORT/frame"></iframe>`)
	s.page("/frame", `<p>Text inside</p><script>fetch("/tick").catch(() => {}); setTimeout(() => { for (const began = Date.now(); Date.now() - began < 3000;); }, 100)</script>`)
	stopped, done := 0, make(chan struct{})
	var once sync.Once
	s.mux.HandleFunc("/tick", func(http.ResponseWriter, *http.Request) {
		once.Do(func() { stopped = stopBusiest(t); close(done) })
	})
	s.mux.HandleFunc("/until-then", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	res, _, dom, shot := capture(t, c, s.at("app.example", "/"))
	if stopped == 0 {
		t.Fatal("no renderer was stopped")
	}
	if !strings.Contains(dom, "Text around") || strings.Contains(dom, "Text inside") || len(shot) == 0 {
		t.Errorf("the page is captured as %q, its picture in %d bytes (%s)", dom, len(shot), res.NoScreenshot)
	}
	if !slices.Contains(res.Notes, "frames that did not answer and were not looked at: 1") {
		t.Errorf("notes: %q", res.Notes)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// stopBusiest stops the renderer that uses the processor most, and returns its id.
func stopBusiest(t *testing.T) (busiest int) {
	var used [2]map[int]int64
	for i := range used {
		time.Sleep(400 * time.Millisecond)
		used[i] = map[int]int64{}
		for _, p := range leftovers(t) {
			line, _ := os.ReadFile(p)
			stat, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "stat"))
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // proc(5): the third is the first here, and utime the 14th
			var pid int
			if _, err := fmt.Sscanf(p, "/proc/%d/", &pid); err == nil && len(fields) > 11 && bytes.Contains(line, []byte("--type=renderer")) && !bytes.Contains(line, []byte("--top-chrome-webui")) { // not the browser's own
				used[i][pid], _ = strconv.ParseInt(fields[11], 10, 64)
			}
		}
	}
	most := int64(-1)
	for pid, ticks := range used[1] {
		if ticks -= used[0][pid]; ticks > most {
			busiest, most = pid, ticks
		}
	}
	if err := exec.Command("kill", "-STOP", strconv.Itoa(busiest)).Run(); err != nil {
		t.Error(err)
	}
	return busiest
}

// killRenderers kills the renderers of the captures in the test's folder.
func killRenderers(t *testing.T) {
	for _, p := range leftovers(t) {
		line, err := os.ReadFile(p)
		if err != nil || !bytes.Contains(line, []byte("--type=renderer")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(p, "/proc/%d/", &pid); err == nil {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
	}
}

// TestAProfileThatStaysIsTold has one that cannot be removed: a path that ends with a dot cannot.
func TestAProfileThatStaysIsTold(t *testing.T) {
	b := &process{profile: t.TempDir() + "/.", done: make(chan struct{})}
	if err := b.run(exec.Command("true")); err != nil {
		t.Skip(err)
	}
	if err := b.end(); err == nil || !strings.Contains(err.Error(), "remove "+b.profile) {
		t.Errorf("it ends with %v", err)
	}
}

func TestNothingIsLeftAfterACancel(t *testing.T) {
	apart(t)
	c, s := capturer(t), newSite(t)
	opened := make(chan struct{})
	s.mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-opened:
		default:
			close(opened)
		}
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var at time.Time
	go func() { <-opened; at = time.Now(); cancel() }()
	_, err := c.Capture(ctx, Page{URL: s.at("app.example", "/")})
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("it ends with %v", err)
	}
	if took := time.Since(at); took > time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(c.Manifest); !errors.Is(err, os.ErrNotExist) {
		t.Error("a manifest was written")
	}
}

// TestNothingGoesAroundTheProxy has a page try WebRTC, which does not ask proxies.
func TestNothingGoesAroundTheProxy(t *testing.T) {
	c, s := capturer(t), newSite(t)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	_, port, _ := net.SplitHostPort(udp.LocalAddr().String())
	s.page("/", `<script>const p = new RTCPeerConnection({iceServers: [{urls: "stun:127.0.0.1:`+port+`"}, {urls: "turn:127.0.0.1:`+port+`", username: "a", credential: "b"}]})
p.createDataChannel("x"); p.createOffer().then(o => p.setLocalDescription(o)); setInterval(() => fetch("/wait"), 300)</script><p>tried`)
	s.mux.HandleFunc("/wait", func(http.ResponseWriter, *http.Request) {})
	capture(t, c, s.at("app.example", "/"))
	_ = udp.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, from, err := udp.ReadFrom(make([]byte, 1500)); err == nil {
		t.Errorf("%d bytes came from %s", n, from)
	}
}

func TestLogIn(t *testing.T) {
	const secret, cookie = "Bearer s3cr3t-of-the-crawler", "c00kie-of-the-crawler"
	c, s := capturer(t), newSite(t)
	var mu sync.Mutex
	got := map[string]string{}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got[strings.Split(r.Host, ":")[0]+r.URL.Path] = r.Header.Get("X-Crawler") + "|" + r.Header.Get("Cookie")
		mu.Unlock()
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			http.SetCookie(w, &http.Cookie{Name: "fresh", Value: "another-c00kie"})
			fmt.Fprintf(w, `<p>You are %s %s<p id=c><script>document.getElementById("c").textContent = document.cookie; localStorage.token = document.cookie; fetch("/moved").catch(() => {}); fetch("http://other.example:%s/other", {mode: "no-cors"})</script>`,
				r.Header.Get("X-Crawler"), r.Header.Get("Cookie"), s.port)
		case "/moved":
			http.Redirect(w, r, s.at("third.example", "/third"), http.StatusFound)
		}
	})
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cookies, err := ReadCookies(write("cookies.txt", "# Netscape HTTP Cookie File\napp.example\tFALSE\t/\tFALSE\t0\tsid\t"+cookie+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	headers, err := ReadHeaders(write("headers", "X-Crawler: "+secret+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Capture(t.Context(), Page{URL: s.at("app.example", "/?jwt=abc.def.ghi&x=1"), Login: Login{Cookies: cookies, Headers: headers}})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for at, want := range map[string]string{"app.example/": secret + "|sid=" + cookie, "app.example/moved": secret + "|fresh=another-c00kie; sid=" + cookie, "other.example/other": "|", "third.example/third": "|"} {
		if g, ok := got[at]; !ok || g != want && !strings.HasPrefix(at, "app.example/moved") || strings.HasPrefix(want, secret) && !strings.HasPrefix(g, secret) {
			t.Errorf("%s got %q, want %q", at, g, want)
		}
	}
	all, err := filepath.Glob(filepath.Join(filepath.Dir(c.Manifest), "*"))
	if err != nil || len(all) < 4 {
		t.Fatalf("written: %v %v", all, err)
	}
	for _, f := range all {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []string{secret, "s3cr3t", cookie, "c00kie-of", "abc.def", "another-c00kie"} {
			if bytes.Contains(text, []byte(x)) {
				t.Errorf("%s holds %s", filepath.Base(f), x)
			}
		}
	}
	for _, f := range res.Files {
		if strings.HasSuffix(f, ".png") {
			shot, err := os.ReadFile(filepath.Join(filepath.Dir(c.Manifest), f))
			if err != nil {
				t.Fatal(err)
			}
			if text := read(t, shot); strings.Contains(text, "s3cr3t") || strings.Contains(text, "kie-of") {
				t.Errorf("the screenshot shows a secret:\n%s", text)
			}
		}
	}
}
