package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mailreeve/mailreeve/internal/web"
)

func site(t *testing.T, c web.Config) *web.Site {
	t.Helper()
	s, err := web.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ok() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "too much", http.StatusRequestEntityTooLarge)
		}
	})
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []web.Config{
		{Listen: "8089"},
		{Listen: "127.0.0.1:0", PublicURL: "audit.example"},
		{Listen: "127.0.0.1:0", PublicURL: "ftp://audit.example"},
		{Listen: "127.0.0.1:0", PublicURL: "https://audit.example/console"},
		{Listen: "127.0.0.1:0", TLSCert: "cert.pem"},
	} {
		if _, err := web.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestHostIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listen, public, host string
		want                 int
	}{
		{"127.0.0.1:8089", "", "127.0.0.1:8089", 200},
		{"127.0.0.1:8089", "", "localhost:8089", 200},
		{"127.0.0.1:8089", "", "[::1]:8089", 200},
		{"127.0.0.1:8089", "", "rebound.attacker.example:8089", 421},
		{"127.0.0.1:8089", "", "localhost.attacker.example", 421},
		{"127.0.0.1:8089", "https://audit.example", "audit.example", 200},
		{"127.0.0.1:8089", "https://audit.example", "AUDIT.example", 200},
		{"127.0.0.1:8089", "https://audit.example", "audit.example:8443", 200},
		{"0.0.0.0:8089", "https://audit.example:8443", "audit.example:8443", 200},
		{"0.0.0.0:8089", "https://audit.example:8443", "audit.example", 200}, // a proxy that passes no port on
		{"0.0.0.0:8089", "https://audit.example:8443", "audit.example.attacker.example:8443", 421},
		{"0.0.0.0:8089", "", "10.0.0.7:8089", 200}, // a probe by address
		{"0.0.0.0:8089", "", "localhost", 421},
		{"audit.internal:8089", "", "audit.internal:8089", 200},
		{":8089", "", "", 421},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		site(t, web.Config{Listen: tt.listen, PublicURL: tt.public}).Guard(ok()).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("listen %s, public %q: a request for %q is answered %d, want %d", tt.listen, tt.public, tt.host, w.Code, tt.want)
		}
	}
}

func TestWhatAnotherSiteSendsIsRefused(t *testing.T) {
	t.Parallel()
	s := site(t, web.Config{Listen: "127.0.0.1:8089", PublicURL: "https://audit.example"})
	for _, tt := range []struct {
		method, header, value string
		want                  int
	}{
		{"POST", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "Sec-Fetch-Site", "same-site", 403},
		{"POST", "Sec-Fetch-Site", "same-origin", 200},
		{"POST", "Origin", "https://attacker.example", 403},
		{"POST", "Origin", "null", 403},
		{"POST", "Origin", "https://audit.example", 200},
		{"POST", "Accept", "*/*", 200}, // no browser
		{"GET", "Sec-Fetch-Site", "cross-site", 200},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Host = "127.0.0.1:8089" // as a proxy may pass it on
		r.Header.Set(tt.header, tt.value)
		w := httptest.NewRecorder()
		s.Guard(ok()).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s with %s: %s is answered %d, want %d", tt.method, tt.header, tt.value, w.Code, tt.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	get := func(c web.Config) http.Header {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		site(t, c).Guard(ok()).ServeHTTP(w, r)
		return w.Header()
	}
	plain := get(web.Config{Listen: "127.0.0.1:0"})
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Strict-Transport-Security": "",
	} {
		if got := plain.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	policy := plain.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "data:") {
		t.Errorf("the policy %q lets written-in code run", policy)
	}
	if get(web.Config{Listen: "127.0.0.1:0", PublicURL: "https://audit.example"}).Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS behind TLS")
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	s := site(t, web.Config{Listen: "127.0.0.1:0", MaxBody: 10})
	for body, want := range map[string]int{"0123456789": 200, "0123456789a": 413} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		s.Guard(ok()).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("a body of %d bytes is answered %d, want %d", len(body), w.Code, want)
		}
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		public, name string
		secure       bool
	}{{"", "session", false}, {"https://audit.example", "__Host-session", true}} {
		s := site(t, web.Config{Listen: "127.0.0.1:0", PublicURL: tt.public})
		w := httptest.NewRecorder()
		s.SetCookie(w, "session", "token", 60)
		c := w.Result().Cookies()[0]
		if c.Name != tt.name || c.Secure != tt.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("public URL %q: the cookie is %+v", tt.public, c)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(c)
		if got := s.Cookie(r, "session"); got != "token" {
			t.Errorf("public URL %q: the cookie is read as %q", tt.public, got)
		}
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"page.css": {Data: []byte("body{}")}}
	a, err := web.NewAssets(files)
	if err != nil {
		t.Fatal(err)
	}
	at, err := a.Path("page.css")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", at, nil))
	if w.Code != 200 || w.Body.String() != "body{}" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%s is answered %d %v %s", at, w.Code, w.Header(), w.Body)
	}
	files["page.css"].Data = []byte("body{color:red}")
	b, err := web.NewAssets(files)
	if err != nil {
		t.Fatal(err)
	}
	if changed, _ := b.Path("page.css"); changed == at {
		t.Error("a changed file has the path of the one before")
	}
	for _, path := range []string{"/assets/page.css", "/assets/../assets/page.css", "/assets/"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		a.ServeHTTP(w, r)
		if w.Code != 404 {
			t.Errorf("%s is answered %d", path, w.Code)
		}
	}
	if _, err := a.Path("other.css"); err == nil {
		t.Error("an asset that is not there has a path")
	}
}

func TestPagesComeWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	assets, err := web.NewAssets(fstest.MapFS{"page.css": {Data: []byte("body{}")}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	p, err := web.NewPages(fstest.MapFS{
		"layout.html":      {Data: []byte(`<link href="{{asset "page.css"}}"><title>{{template "title" .}}</title>{{template "main" .}}`)},
		"parts/name.html":  {Data: []byte(`{{define "name"}}<b>{{shout .}}</b>{{end}}`)},
		"pages/hello.html": {Data: []byte(`{{define "title"}}Hello{{end}}{{define "main"}}{{template "name" .Name}}{{end}}`)},
		"pages/bad.html":   {Data: []byte(`{{define "title"}}Bad{{end}}{{define "main"}}begun{{.None}}{{end}}`)},
	}, assets, template.FuncMap{"shout": strings.ToUpper}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	data := struct{ Name string }{"<script>\u202e\x1b[2Jzoë"}
	w := httptest.NewRecorder()
	p.Render(w, httptest.NewRequest("GET", "/", nil), http.StatusAccepted, "hello", data)
	if got := w.Body.String(); w.Code != http.StatusAccepted || !strings.Contains(got, `<b>&lt;SCRIPT&gt;\u202e\u001b[2JZOË</b>`) || !strings.Contains(got, `href="/assets/page.`) {
		t.Errorf("the page is %d %s", w.Code, got)
	}
	for _, name := range []string{"bad", "none"} {
		w := httptest.NewRecorder()
		p.Render(w, httptest.NewRequest("GET", "/", nil), 200, name, data)
		if got := w.Body.String(); w.Code != 500 || strings.Contains(got, "begun") || strings.Contains(got, "None") || !strings.Contains(got, "could not be made") {
			t.Errorf("the page %s is %d %s", name, w.Code, got)
		}
	}
	if !strings.Contains(log.String(), "None") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestServeEndsWithItsContextThoughAnAnswerHangs(t *testing.T) {
	t.Parallel()
	s := site(t, web.Config{Listen: "127.0.0.1:0"})
	l, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	in := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- s.Serve(ctx, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(in); <-r.Context().Done() }))
	}()
	go func() {
		if resp, err := http.Get(s.URL(l.Addr(), "/")); err == nil {
			resp.Body.Close()
		}
	}()
	<-in
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it is still listened for")
	}
}

// Who sends a body byte by byte, or never, holds a handler no longer than a request may take to come.
func TestABodyThatTricklesIsCutOff(t *testing.T) {
	t.Parallel()
	s := site(t, web.Config{Listen: "127.0.0.1:0"})
	s.SetTime(200 * time.Millisecond)
	l, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	done := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		done <- s.Serve(ctx, l, s.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			ended <- err
		})))
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	var late net.Error
	if err := <-ended; !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("the handler read %v", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) { // until it is closed
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeSpeaksTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := site(t, web.Config{Listen: "127.0.0.1:0", TLSCert: write("cert.pem", "CERTIFICATE", cert), TLSKey: write("key.pem", "PRIVATE KEY", private)})
	l, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l, s.Guard(ok())) }()
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	resp, err := client.Get(s.URL(l.Addr(), "/"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A slowWriter notes until when it may write.
type slowWriter struct {
	*httptest.ResponseRecorder
	until []time.Time
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error { w.until = append(w.until, t); return nil }

func TestALongAnswerHasATimeForEachWrite(t *testing.T) {
	t.Parallel()
	w := &slowWriter{ResponseRecorder: httptest.NewRecorder()}
	out := web.Stream(w)
	for _, text := range []string{"one,", "two"} {
		if _, err := io.WriteString(out, text); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.until) != 2 || w.until[1].Before(w.until[0]) || !w.until[0].After(time.Now()) || w.Body.String() != "one,two" {
		t.Errorf("%q was written, until %v", w.Body, w.until)
	}
	if _, err := io.WriteString(web.Stream(httptest.NewRecorder()), "x"); err != nil { // one that knows no deadlines
		t.Error(err)
	}
}
