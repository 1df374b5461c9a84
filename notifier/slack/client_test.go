package slack

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

const token = slackfake.BotToken

// A fault is what goes wrong with a request. after: Slack has taken the message.
type fault struct {
	after bool
	do    func(w http.ResponseWriter)
}

// newServer is a workspace behind a door at which things go wrong.
func newServer(t *testing.T, fate func() *fault) (*httptest.Server, *slackfake.Server) {
	fake := slackfake.New("#email-api-audit", "#c")
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f *fault
		if fate != nil {
			f = fate()
		}
		if f == nil || f.after {
			fake.ServeHTTP(w, r)
		}
		if f != nil {
			f.do(w)
		}
	}))
	t.Cleanup(front.Close)
	return front, fake
}

func answer(status int, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func slow(w http.ResponseWriter) { time.Sleep(700 * time.Millisecond) }

func enqueue(t *testing.T, id int64, key, channel string) audit.Message {
	t.Helper()
	m, err := Enqueue(key, channel, Render(nights.Busy()), 0)
	if err != nil {
		t.Fatal(err)
	}
	m.ID = id
	return m
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	fake := slackfake.New("#email-api-audit")
	url := fake.Start(t)
	c := New(slackfake.BotToken, strings.TrimSuffix(url, "/"), nil) // without the slash that slack-go asks for
	msg := enqueue(t, 1, "digest/R-000042", "#email-api-audit")
	if lane := msg.Lane; lane != "#email-api-audit" {
		t.Errorf("lane %q", lane)
	}
	receipt, err := c.Deliver(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	got := fake.Messages("#email-api-audit")[0]
	if receipt != fake.ID("#email-api-audit")+"/"+got.TS || got.Key != msg.Key {
		t.Errorf("receipt %q of %+v", receipt, got)
	}
	if !strings.Contains(got.Text, "3 new") || !strings.Contains(string(got.Blocks), "com.vendor0.app0") {
		t.Errorf("posted %v", got)
	}
	w, err := c.Check(t.Context())
	if err != nil || w.Team == "" {
		t.Errorf("%v, %v", w, err)
	}
	if d := cmp.Diff(slackfake.AllScopes(), w.Scopes); d != "" {
		t.Error(d)
	}

	// Tried before, and accepted: it is found, by a client that does not know the channel's id, too, and not sent again.
	msg.Attempts = 1
	for _, c := range []*Client{c, New(slackfake.BotToken, url, nil)} {
		if again, err := c.Deliver(t.Context(), msg); err != nil || again != receipt {
			t.Errorf("%q, %v", again, err)
		}
	}
	other := enqueue(t, 2, "digest/R-000043", "#email-api-audit")
	other.Attempts = 1
	if r, err := c.Deliver(t.Context(), other); err != nil || r == receipt {
		t.Errorf("%q, %v", r, err)
	}
	if n := len(fake.Messages("")); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// TestMissingScopes: without the right to look, nothing that may be there already is sent again, and it is said which scope is missing.
func TestMissingScopes(t *testing.T) {
	t.Parallel()
	for missing, says := range map[string]string{"chat:write": "chat:write", "channels:history": "channels:history", "channels:read": "channels:read"} {
		fake := slackfake.New("#c")
		fake.Scopes = slices.DeleteFunc(slackfake.AllScopes(), func(s string) bool { return s == missing })
		msg := enqueue(t, 1, "k", "#c")
		if missing != "chat:write" {
			msg.Attempts = 1
		}
		_, err := New(slackfake.BotToken, fake.Start(t), nil).Deliver(t.Context(), msg)
		var f *notifier.Failure
		if !errors.As(err, &f) || !f.Final || !strings.Contains(err.Error(), "missing_scope (the app needs the scope "+says) {
			t.Errorf("%s: %v", missing, err)
		}
		if n := len(fake.Messages("")); n != 0 {
			t.Errorf("%s: %d messages", missing, n)
		}
	}
}

func TestErrors(t *testing.T) {
	refuse := func(code string) func(http.ResponseWriter) {
		return answer(200, `{"ok":false,"error":"`+code+`"}`)
	}
	for _, c := range []struct {
		name  string
		do    func(http.ResponseWriter)
		final bool
		after time.Duration
		says  string
	}{
		{"429", answer(429, "", "Retry-After", "30"), false, 30 * time.Second, "wait 30s"},
		{"429 without a time", answer(429, ""), false, 0, "429"},
		{"429 with a date", answer(429, "", "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"), false, 0, ""},
		{"500", answer(500, "<html>"), false, 0, "500"},
		{"503", answer(503, ""), false, 0, "503"},
		{"404", answer(404, ""), true, 0, "404"},
		{"a redirect is not followed", answer(307, "", "Location", "https://evil.example/"), true, 0, "307"},
		{"a proxy's page", answer(200, "<html>log in</html>"), false, 0, ""},
		{"cut short", answer(200, `{"ok":tr`), false, 0, ""},
		{"neither posted nor refused", answer(200, `{"ok":false}`), false, 0, "does not say"},
		{"reset", reset, false, 0, ""},
		{"slow", slow, false, 0, ""},
		{"invalid_auth", refuse("invalid_auth"), true, 0, "invalid_auth (the token"},
		{"channel_not_found", refuse("channel_not_found"), true, 0, "channel_not_found"},
		{"invalid_blocks", refuse("invalid_blocks"), true, 0, "invalid_blocks"},
		{"msg_blocks_too_long", refuse("msg_blocks_too_long"), true, 0, "msg_blocks_too_long"},
		{"ratelimited", refuse("ratelimited"), false, 0, "ratelimited"},
		{"internal_error", refuse("internal_error"), false, 0, "internal_error"},
		{"an error that repeats the token", refuse("bad token " + token), true, 0, "an unknown error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := newServer(t, func() *fault { return &fault{do: c.do} })
			hc := s.Client()
			hc.Timeout = 500 * time.Millisecond
			_, err := New(token, s.URL+"/", hc).Deliver(t.Context(), enqueue(t, 1, "k", "#c"))
			if err == nil {
				t.Fatal("delivered")
			}
			var f *notifier.Failure
			final, after := false, time.Duration(0)
			if errors.As(err, &f) {
				final, after = f.Final, f.RetryAfter
			}
			if final != c.final || after != c.after || !strings.Contains(err.Error(), c.says) {
				t.Errorf("final %t, after %s: %v", final, after, err)
			}
			if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, errors.Unwrap(err)); strings.Contains(text, "SECRET") {
				t.Errorf("the token is in the error: %s", text)
			}
		})
	}
	var f *notifier.Failure
	if _, err := New(token, "http://127.0.0.1:1", nil).Deliver(t.Context(), audit.Message{Body: []byte("{")}); !errors.As(err, &f) || !f.Final {
		t.Errorf("a body that cannot be read: %v", err)
	}
	if _, err := New(token, "http://127.0.0.1:1/"+token, nil).Deliver(t.Context(), enqueue(t, 1, "k", "#c")); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("nobody there: %v", err)
	}
}
