package vendorpage_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/notices"
	"github.com/mailreeve/mailreeve/vendorpage"
)

// requests are all that can be asked about a finding.
func requests(finding string) map[string]func(*browser) (int, string) {
	out := map[string]func(*browser) (int, string){
		"read":     func(b *browser) (int, string) { return b.get("/f/" + finding) },
		"accounts": func(b *browser) (int, string) { return b.get("/f/" + finding + "/accounts.csv") },
		"attach":   func(b *browser) (int, string) { return b.attach(finding, "a.txt", []byte("hello")) },
	}
	for _, kind := range audit.ReplyKinds() {
		out[string(kind)] = func(b *browser) (int, string) {
			return b.post("/f/"+finding+"/"+string(kind), url.Values{"text": {"mine"}, "days": {"3"}, "since": {"2024-10-05"}})
		}
	}
	return out
}

// A vendor reaches nothing of another vendor's, nothing that it was not told of, and nothing under an id that is none.
func TestOthersFindingsAreNotThere(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	b := m.in("privacy@acme.example")
	before := m.everything()
	var answers []string
	for name, id := range map[string]string{"another vendor's": m.other.ID, "not told of": m.likely.ID, "none": "F-000000000000", "a prefix": m.acme.ID[:8], "in lower case": strings.ToLower(m.acme.ID),
		"a pattern": "F-%25", "SQL": "F-'%20OR%20'1'='1", "a NUL": m.acme.ID + "%00", "traversal": "..%2f..%2fetc%2fpasswd", "with markup": "%3Cscript%3E"} {
		for what, request := range requests(id) {
			status, text := request(b)
			if status != 404 || strings.Contains(text, "secret of the other") || strings.Contains(text, "not told") || strings.Contains(text, "<script") {
				t.Errorf("%s, %s: %d %s", name, what, status, text)
			}
			if what == "read" {
				answers = append(answers, text)
			}
		}
		m.pass(20 * time.Minute)
	}
	for _, a := range answers[1:] {
		if a != answers[0] {
			t.Error("what is another's can be told from what is not there")
		}
	}
	if m.everything() != before {
		t.Error("something was changed")
	}
	if _, text := b.get("/"); strings.Contains(text, "secret") || strings.Contains(text, "not told") || !strings.Contains(text, "Open: 2") {
		t.Errorf("the list: %s", text)
	}
}

// Nobody gets in with anything but a session's cookie, and a vendor cannot decide about itself.
func TestNobodyGetsInOtherwise(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	token := m.token("privacy@acme.example")
	in := m.in("privacy@acme.example")
	before := m.everything()
	for name, cookie := range map[string]string{"none": "", "a guess": strings.Repeat("A", 52), "the link's token": token, "a vendor": "v-1", "SQL": "' OR 1=1 --", "long": strings.Repeat("x", 8000)} {
		for what, request := range requests(m.acme.ID) {
			b := m.browser()
			u, err := url.Parse(m.srv.URL)
			m.must(err)
			if cookie != "" {
				b.http.Jar.SetCookies(u, []*http.Cookie{{Name: "vendor", Value: cookie}})
			}
			want := 401
			if kind := audit.ReplyKind(what); strings.Contains(what, "-") && !kind.ByVendor() {
				want = 401 // whether there is such an answer is nobody's business either
			}
			if status, text := request(b); status != want || strings.Contains(text, "marketing") {
				t.Errorf("with the cookie %s, %s: %d", name, what, status)
			}
			m.pass(time.Minute)
		}
	}
	for _, kind := range audit.ReplyKinds() {
		if kind.ByVendor() {
			continue
		}
		if status, _ := in.post("/f/"+m.acme.ID+"/"+string(kind), url.Values{"text": {"granted"}, "days": {"28"}}); status != 404 {
			t.Errorf("a vendor decides %s: %d", kind, status)
		}
	}
	if m.everything() != before {
		t.Error("something was changed")
	}
}

func TestLinksThatAreNotOurs(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	token := m.token("privacy@acme.example")
	other := m.token("privacy@other.example")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	m.must(err)
	encode := base64.RawURLEncoding.EncodeToString
	changed := func(i int, c byte) string { p := bytes.Clone(raw); p[i] ^= c; return encode(p) }
	b := m.browser()
	for name, bad := range map[string]string{
		"another key":      notices.Token([]byte("guessed"), "v-1", m.now.Add(day)),
		"no key":           notices.Token(nil, "v-1", m.now.Add(day)),
		"another vendor":   encode(append(bytes.Clone(raw[:40]), "v-2"...)),
		"a later end":      changed(33, 1),
		"another's mark":   encode(append(mustDecode(other)[:32], raw[32:]...)),
		"cut off":          token[:40],
		"longer":           token + "AA",
		"no base64":        "!!!!",
		"empty vendor":     encode(raw[:40]),
		"a bit that hides": token[:len(token)-1] + string(token[len(token)-1]+1),
	} {
		for _, path := range []string{"/v/" + bad, "/v/" + bad + "/new"} {
			for _, method := range []string{"GET", "POST"} {
				status, text := b.do(b.request(method, path, nil))
				if want := 404; status != want && !(method == "GET" && strings.HasSuffix(path, "/new") && status == 405) || strings.Contains(text, "Open the page") {
					t.Errorf("%s: %s: %d %s", name, method, status, text)
				}
			}
			m.pass(time.Minute)
		}
	}
	if status, _ := b.get("/"); status != 401 {
		t.Errorf("in all the same: %d", status)
	}
	if status, _ := b.post("/v/"+token, nil); status != 200 {
		t.Fatalf("the link itself: %d", status)
	}
	// A used link stays used, however it is written.
	for _, again := range []string{token, token + "%0A", "%0D%0A" + token, token[:10] + "%0A" + token[10:], strings.ReplaceAll(token, token[:1], fmt.Sprintf("%%%02X", token[0]))} {
		thief := m.browser()
		if status, text := thief.post("/v/"+again, nil); status != 410 && status != 404 || strings.Contains(text, "marketing") {
			t.Errorf("%q opens again: %d", again, status)
		}
		if status, _ := thief.get("/"); status != 401 {
			t.Errorf("%q lets in again", again)
		}
		m.pass(time.Minute)
	}
}

func mustDecode(token string) []byte {
	p, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		panic(err)
	}
	return p
}

// What another site's page makes a browser send changes nothing: neither answers, nor who is in.
func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	b := m.in("privacy@acme.example")
	before := m.everything()
	b.from = "https://evil.example"
	for what, request := range requests(m.acme.ID) {
		if what == "read" || what == "accounts" {
			continue
		}
		if status, _ := request(b); status != 403 {
			t.Errorf("%s from another site: %d", what, status)
		}
	}
	for _, path := range []string{"/viewed", "/leave", "/v/" + m.token("privacy@other.example"), "/v/" + m.token("privacy@acme.example") + "/new"} {
		if status, _ := b.post(path, nil); status != 403 {
			t.Errorf("%s from another site: %d", path, status)
		}
	}
	if m.everything() != before {
		t.Error("something was changed")
	}
	b.from = ""
	if _, text := b.get("/"); !strings.Contains(text, "marketing") {
		t.Error("another site changed who is in")
	}
}

func TestOtherNamesAndPaths(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	r := b.request("GET", "/", nil)
	r.Host = "rebound.evil.example"
	if status, _ := b.do(r); status != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d", status)
	}
	for _, path := range []string{"/login", "/findings", "/notices", "/apps", "/api/v1/findings", "/settings", "/metrics", "/healthz", "/slack/actions", "/assets/", "/assets/../templates/layout.html",
		"/assets/..%2ftemplates%2flayout.html", "/v/", "/f/", "//evil.example/", "/.git/config", "/debug/pprof/", "/f/" + m.acme.ID + "/accounts.csv/..", "/files/A-1"} {
		status, text := b.get(path)
		if status != 404 && status != 200 || status == 200 && !strings.Contains(text, "Findings about your apps") && !strings.Contains(text, m.acme.ID) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	before := m.everything()
	for _, method := range []string{"PUT", "DELETE", "PATCH", "GET", "HEAD", "OPTIONS", "TRACE"} {
		for _, path := range []string{"/f/" + m.acme.ID + "/viewed", "/viewed", "/leave", "/f/" + m.acme.ID + "/file"} {
			if status, _ := b.do(b.request(method, path, nil)); status != 404 && status != 405 {
				t.Errorf("%s %s: %d", method, path, status)
			}
		}
	}
	if m.everything() != before {
		t.Error("something was changed")
	}
}

func TestTooMuch(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	before := m.everything()
	if status, _ := b.post("/f/"+m.acme.ID+"/dispute", url.Values{"text": {strings.Repeat("x", 1<<20)}}); status != 413 {
		t.Errorf("a form of 1 MB: %d", status)
	}
	if status, text := b.attach(m.acme.ID, "a.txt", bytes.Repeat([]byte("x"), vendorpage.MaxFile+1)); status != 413 || !strings.Contains(text, "at most 5 MB") {
		t.Errorf("a file of more than 5 MB: %d %s", status, text)
	}
	endless := b.request("POST", "/f/"+m.acme.ID+"/file", io.LimitReader(forever{}, 100<<20)) // says nothing of its length
	endless.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	if resp, err := b.http.Do(endless); err == nil { // or it is cut off, before the client has sent it all
		resp.Body.Close()
		if resp.StatusCode != 413 && resp.StatusCode != 400 {
			t.Errorf("a body without end: %d", resp.StatusCode)
		}
	}
	for name, body := range map[string]string{"no parts": "", "broken": "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc", "no file": "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nabc\r\n--x--\r\n",
		"many parts": strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", 5000) + "--x--\r\n", "no name": "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\nabc\r\n--x--\r\n"} {
		r := b.request("POST", "/f/"+m.acme.ID+"/file", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		if status, _ := b.do(r); status != 400 && status != 413 && status != 422 {
			t.Errorf("%s: %d", name, status)
		}
		m.pass(time.Minute)
	}
	r := b.request("POST", "/f/"+m.acme.ID+"/file", strings.NewReader("file=abc"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, _ := b.do(r); status != 400 {
		t.Errorf("a file that is none: %d", status)
	}
	// Nobody's body is read before it is known who sends it.
	stranger := m.browser()
	stuck := &stuckBody{gone: t.Context().Done()}
	r = stranger.request("POST", "/f/"+m.acme.ID+"/file", stuck)
	r.ContentLength = 1 << 20
	if status, _ := stranger.do(r); status != 401 {
		t.Errorf("a stranger who sends slowly: %d", status)
	}
	if m.everything() != before {
		t.Error("something was changed")
	}
}

// forever is an endless body.
type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// A stuckBody never comes.
type stuckBody struct{ gone <-chan struct{} }

func (s *stuckBody) Read([]byte) (int, error) { <-s.gone; return 0, errors.New("gone") }

// A slowLine is an answer to somebody whose file comes slowly.
type slowLine struct {
	*httptest.ResponseRecorder
	read time.Time // until when the file may come
}

func (w *slowLine) SetReadDeadline(t time.Time) error { w.read = t; return nil }

// A readFunc is a body.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// A file has a time of its own to come, which is longer than a page's, and set before any of it is read.
func TestAFileMayComeSlowly(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	w := &slowLine{ResponseRecorder: httptest.NewRecorder()}
	file := strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"notes.txt\"\r\n\r\nwe mended it\r\n--x--\r\n")
	r := b.request("POST", "/f/"+m.acme.ID+"/file", readFunc(func(p []byte) (int, error) {
		if left := time.Until(w.read); left < time.Minute {
			t.Errorf("the file has %v to come", left)
		}
		return file.Read(p[:1])
	}))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range b.http.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	m.srv.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Errorf("it is answered %d: %s", w.Code, w.Body)
	}
	if _, page := b.get("/f/" + m.acme.ID); !strings.Contains(page, "notes.txt") {
		t.Error("the file is not there")
	}
}

// trickle begins to send a file, and sends no more of it, until it breaks off; how it is answered comes once it is, 0 where it is cut off.
func (b *browser) trickle(finding string) (answered chan int, breakOff func()) {
	b.m.t.Helper()
	body, more := io.Pipe()
	r := b.request("POST", "/f/"+finding+"/file", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answered = make(chan int, 1)
	go func() {
		defer more.Close()
		resp, err := b.http.Do(r)
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	if _, err := io.WriteString(more, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"slow.txt\"\r\n\r\n"+strings.Repeat("we mended it\n", 10_000)); err != nil { // more than is kept to be sent later
		b.m.t.Fatal(err)
	}
	return answered, func() { more.CloseWithError(errors.New("broken off")) }
}

// Who sends files that trickle holds up nobody but itself.
func TestFilesThatTrickleHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b, other := m.in("privacy@acme.example"), m.in("privacy@other.example")
	first, breakFirst := b.trickle(m.acme.ID)
	second, breakSecond := b.trickle(m.acme.ID)
	for m.page.OnTheirWay("v-1") < 2 {
		time.Sleep(time.Millisecond)
	}
	if status, _ := b.attach(m.acme.ID, "a.txt", []byte("hello")); status != http.StatusTooManyRequests {
		t.Errorf("a third file at the same time: %d", status)
	}
	if status, _ := other.attach(m.other.ID, "a.txt", []byte("hello")); status != 200 {
		t.Errorf("another vendor's file: %d", status)
	}
	breakFirst()
	breakSecond()
	<-first
	<-second
}

// A file that trickles is given up once its time is over; what its sender sends then is taken.
func TestAFileThatTricklesIsGivenUp(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.page.SetFileTime(200 * time.Millisecond)
	b := m.in("privacy@acme.example")
	for range 3 {
		answered, _ := b.trickle(m.acme.ID)
		if status := <-answered; status != http.StatusBadRequest && status != 0 {
			t.Errorf("a file that never ends: %d", status)
		}
	}
	if _, page := b.get("/f/" + m.acme.ID); strings.Contains(page, "slow.txt") {
		t.Error("what came of it was kept")
	}
}

func TestThousandsOfTries(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.deliver()
	thief := m.browser()
	thief.ip = "198.51.100.7"
	codes := map[int]int{}
	for i := range 2000 {
		status, text := thief.get("/v/" + notices.Token([]byte{byte(i)}, "v-1", m.now.Add(day)))
		codes[status]++
		if status == 429 && !strings.Contains(text, "wait a moment") {
			t.Fatal(text)
		}
	}
	if codes[404] > 25 || codes[429] < 1900 {
		t.Errorf("tries were answered so: %v", codes)
	}
	_, _, h := thief.all(thief.request("GET", "/", nil))
	if h.Get("Retry-After") == "" {
		t.Error("nothing says how long to wait")
	}
	b := m.browser()
	b.ip = "203.0.113.9"
	if status, _ := b.post("/v/"+m.token("privacy@acme.example"), nil); status != 200 {
		t.Errorf("another who comes then: %d", status)
	}
	// One link is limited from wherever it is tried.
	codes = map[int]int{}
	for i := range 50 {
		b := m.browser()
		b.ip = fmt.Sprintf("203.0.113.%d", i)
		status, _ := b.get("/v/" + m.token("privacy@other.example"))
		codes[status]++
	}
	if codes[200] > 11 || codes[429] < 39 {
		t.Errorf("one link from many addresses: %v", codes)
	}
	// So are answers, which are kept for ever.
	before := len(m.said(m.acme.ID, "vendor: viewed"))
	for i := range 100 {
		b.ip = fmt.Sprintf("203.0.113.%d", 100+i)
		b.post("/f/"+m.acme.ID+"/viewed", nil)
	}
	if n := len(m.said(m.acme.ID, "vendor: viewed")) - before; n > 31 {
		t.Errorf("%d answers within a moment", n)
	}
}

// Who is no proxy in front of the page cannot say to be others.
func TestForwardedAddressesOfStrangers(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	codes := map[int]int{}
	for i := range 200 {
		r := httptest.NewRequest("GET", "/v/x", nil)
		r.Host, r.RemoteAddr = strings.TrimPrefix(m.srv.URL, "http://"), "198.51.100.7:1234"
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		w := httptest.NewRecorder()
		m.srv.Config.Handler.ServeHTTP(w, r)
		codes[w.Code]++
	}
	if codes[429] < 150 {
		t.Errorf("a stranger who says to be 200: %v", codes)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	picture := image.NewGray(image.Rect(0, 0, 8, 8))
	var pngFile, jpegFile bytes.Buffer
	m.must(png.Encode(&pngFile, picture))
	m.must(jpeg.Encode(&jpegFile, picture, nil))
	for _, tt := range []struct {
		sent, content, name, kind string // kind "": it is not taken
	}{
		{"log.txt", "hello", "log.txt", "text/plain; charset=utf-8"},
		{"list.csv", "\xef\xbb\xbfa;b\r\n1;2\r\n", "list.csv", "text/plain; charset=utf-8"},
		{"report.pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3", "report.pdf", "application/pdf"},
		{"shot.png", pngFile.String(), "shot.png", "image/png"},
		{"shot.JPEG", jpegFile.String(), "shot.jpeg", "image/jpeg"},
		{"invoice.pdf.exe", "%PDF-1.7\n", "invoice.pdf.exe.pdf", "application/pdf"},
		{"page.html", "just words", "page.html.txt", "text/plain; charset=utf-8"},
		{"../../etc/passwd", "root", "passwd.txt", "text/plain; charset=utf-8"},
		{`C:\Users\me\..\x.txt`, "x", "x.txt", "text/plain; charset=utf-8"},
		{"..", "x", "file.txt", "text/plain; charset=utf-8"},
		{".htaccess", "x", "htaccess.txt", "text/plain; charset=utf-8"},
		{"a\r\nSet-Cookie: x=1.txt", "x", "a%0D%0ASet-Cookie_ x=1.txt", "text/plain; charset=utf-8"},
		{"r\u202egnp.txt", "x", `r_u202egnp.txt`, "text/plain; charset=utf-8"},
		{"joe@customer.example.txt", "x", "", "text/plain; charset=utf-8"},
		{strings.Repeat("n", 300) + ".txt", "x", strings.Repeat("n", 79) + "….txt", "text/plain; charset=utf-8"},
		{"a.txt", "", "", ""},
		{"a.txt", "PK\x03\x04\x14\x00\x00\x00", "", ""},
		{"a.png", "PK\x03\x04" + pngFile.String(), "", ""},
		{"a.txt", "<!DOCTYPE html><script>alert(1)</script>", "", ""},
		{"a.txt", "  \n\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "", ""},
		{"a.txt", "\xef\xbb\xbf <svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "", ""},
		{"a.pdf", "<?xml version='1.0'?><svg/>", "", ""},
		{"a.sh", "#!/bin/sh\nrm -rf /", "", ""},
		{"a.txt", "MZ\x90\x00\x03", "", ""},
		{"a.txt", "\x7fELF\x02", "", ""},
		{"a.gif", "GIF89a\x01\x00", "", ""},
		{"a.txt", "bell\x07", "", ""},
		{"a.txt", "\xff\xfeh\x00i\x00", "", ""},
	} {
		before, err := m.store.Attachments(t.Context(), []string{m.acme.ID})
		m.must(err)
		status, text := b.attach(m.acme.ID, tt.sent, []byte(tt.content))
		m.pass(5 * time.Minute)
		after, err := m.store.Attachments(t.Context(), []string{m.acme.ID})
		m.must(err)
		if tt.kind == "" {
			if status != 422 && status != 400 || len(after) != len(before) {
				t.Errorf("%q %.20q is taken: %d", tt.sent, tt.content, status)
			}
			continue
		}
		if status != 200 || len(after) != len(before)+1 {
			t.Errorf("%q %.20q is not taken: %d %s", tt.sent, tt.content, status, text)
			continue
		}
		a := after[len(after)-1]
		if tt.name != "" && a.Name != tt.name || a.Kind != tt.kind || strings.Contains(a.Name, user) || a.Vendor != "v-1" || a.App != m.acme.App {
			t.Errorf("%q is kept as %+v", tt.sent, a)
		}
	}
	said := m.said(m.acme.ID, "vendor: attached")
	if len(said) == 0 || said[0] != "vendor:v-1: log.txt" {
		t.Errorf("the trail: %q", said)
	}
	if _, text := b.get("/f/" + m.acme.ID); !strings.Contains(text, "log.txt") || !strings.Contains(text, "You attached a file") {
		t.Errorf("the page lists no files: %s", text)
	}
	if _, text := b.get("/f/" + m.closed.ID); strings.Contains(text, "log.txt") {
		t.Error("the files of one finding are listed with another")
	}
}

// Addresses in a text are masked before it is kept; and a file goes out as nothing but a file to keep.
func TestAFileIsOnlyEverADownload(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	if status, _ := b.attach(m.acme.ID, "nämes \"x\".csv", []byte("id,mail\n1,"+user+"\n")); status != 200 {
		t.Fatal(status)
	}
	list, err := m.store.Attachments(t.Context(), []string{m.acme.ID})
	m.must(err)
	a, err := m.store.Attachment(t.Context(), list[0].ID)
	m.must(err)
	if strings.Contains(string(a.Content), user) || !strings.HasPrefix(string(a.Content), "id,mail\n1,") || a.Size != int64(len(a.Content)) {
		t.Errorf("kept: %q", a.Content)
	}
	w := httptest.NewRecorder()
	m.must(web.Download(w, a.Name, a.Content))
	h := w.Header()
	disposition, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if disposition != "attachment" || params["filename"] != a.Name || err != nil || h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || w.Body.String() != string(a.Content) {
		t.Errorf("%v %q", h, w.Body)
	}
	// Nobody gets it from here.
	for _, path := range []string{"/files/" + a.ID, "/f/" + m.acme.ID + "/file/" + a.ID, "/f/" + m.acme.ID + "/" + a.ID, "/attachments/" + a.ID} {
		if status, text := b.get(path); status == 200 || strings.Contains(text, "id,mail") {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestRoomForFilesEnds(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	b := m.in("privacy@acme.example")
	for i := range 21 {
		status, text := b.attach(m.acme.ID, "a.txt", []byte("x"))
		if want := map[bool]int{true: 200, false: 422}[i < 20]; status != want || i == 20 && !strings.Contains(text, "no room") {
			t.Errorf("file %d: %d", i+1, status)
		}
		m.pass(time.Minute)
	}
	// What is too much for one is none of another's.
	m.deliver()
	o := m.in("privacy@other.example")
	if status, _ := o.attach(m.other.ID, "a.txt", []byte("x")); status != 200 {
		t.Errorf("another vendor: %d", status)
	}
	if _, err := m.store.Attachment(t.Context(), "A-nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}
