package main

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/internal/market"
)

// consoleSystem is a system of a small market, opened as serve opens it.
func consoleSystem(t *testing.T, clock func() time.Time, stderr io.Writer, lines string) *system {
	t.Helper()
	dir := marketDir(t, market.New(3))
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte(lines), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := (&cli{out: io.Discard, err: stderr, clock: clock, config: path}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

// serve prints a link that logs one in, once, and ends with its context.
func TestServeConsole(t *testing.T) {
	t.Parallel()
	var errs syncBuffer
	s := consoleSystem(t, time.Now, &errs, "console: {listen: \"127.0.0.1:0\"}\n")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.serveConsole(ctx, nil) }()
	link := ""
	for end := time.Now().Add(10 * time.Second); link == ""; time.Sleep(5 * time.Millisecond) {
		link = regexp.MustCompile(`http://127\.0\.0\.1:\d+/login/\w+`).FindString(errs.String())
		if time.Now().After(end) {
			t.Fatalf("no link: %s", errs.String())
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(httptest.NewRequest("GET", link, nil))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) == 0 {
		t.Errorf("the link is answered %s", answer.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What readyz tells is so: a night that is late, a message that is stuck.
func TestAmiss(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	began := now
	s := consoleSystem(t, func() time.Time { return now }, io.Discard, "")
	nightly := func(from, to time.Time) bool { return to.Sub(from) >= 24*time.Hour }
	wrong := func() string { return strings.Join(s.amiss(t.Context(), began, nightly), "\n") }
	if got := wrong(); got != "" {
		t.Errorf("at the start: %s", got)
	}
	now = now.Add(27 * time.Hour)
	if got := wrong(); !strings.Contains(got, "The last night is late") || !strings.Contains(got, "2026-11-27T08:00:00Z") {
		t.Errorf("when no night came: %s", got)
	}
	began = now
	if err := s.store.EnqueueMessages(t.Context(), audit.Message{Key: "k", Sink: "slack", Body: []byte("{}"), Created: audit.At(now)}); err != nil {
		t.Fatal(err)
	}
	if got := wrong(); got != "" {
		t.Errorf("when a message just waits: %s", got)
	}
	now = now.Add(7 * time.Hour)
	if got := wrong(); !strings.Contains(got, "1 message is stuck") {
		t.Errorf("when a message waits for 7 hours: %s", got)
	}
}

func TestDoctorLooksAtTheConsole(t *testing.T) {
	t.Parallel()
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"issuer":"http://`+r.Host+`","authorization_endpoint":"http://x.example/a","token_endpoint":"http://x.example/t","jwks_uri":"http://x.example/k"}`)
	}))
	t.Cleanup(idp.Close)
	for _, tt := range []struct {
		console config.Console
		state   string
		says    string
	}{
		{config.Console{}, isOK, "a link that serve prints logs in"},
		{config.Console{Listen: "0.0.0.0:8089"}, isWrong, "nobody can log in"},
		{config.Console{Listen: "0.0.0.0:8089"}, isWarning, "without TLS"},
		{config.Console{Listen: "8089"}, isWrong, "listen"},
		{config.Console{PublicURL: "audit.example"}, isWrong, "public_url"},
		{config.Console{TLSCert: "none.pem", TLSKey: "none.key"}, isWrong, "none.pem"},
		{config.Console{TLSCert: "none.pem"}, isWrong, "give both files"},
		{config.Console{OIDC: config.OIDC{Issuer: idp.URL}}, isWrong, "client_id is missing"},
		{config.Console{OIDC: config.OIDC{Issuer: idp.URL, ClientID: "m", ClientSecretEnv: "MAILREEVE_TEST_NOT_SET"}}, isWrong, "MAILREEVE_TEST_NOT_SET"},
		{config.Console{OIDC: config.OIDC{Issuer: idp.URL + "/else", ClientID: "m"}}, isWrong, "does not say who it is"},
		{config.Console{Listen: "0.0.0.0:8089", OIDC: config.OIDC{Issuer: idp.URL, ClientID: "m"}}, isWrong, "public_url is missing"},
		{config.Console{PublicURL: "https://audit.example", OIDC: config.OIDC{Issuer: idp.URL, ClientID: "m"}}, isOK, "https://audit.example/oidc/callback"},
	} {
		tt.console.Listen = cmp.Or(tt.console.Listen, "127.0.0.1:8089")
		d := &doctor{cfg: &config.Config{Console: tt.console, Dir: t.TempDir()}, now: time.Now()}
		d.console(t.Context())
		found := false
		for _, x := range d.found {
			found = found || x.State == tt.state && strings.Contains(x.Says, tt.says)
		}
		if !found {
			t.Errorf("%+v: %+v, want %s: %s", tt.console, d.found, tt.state, tt.says)
		}
	}
}
