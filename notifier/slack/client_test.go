package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack/slacktest"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

const token = "xoxb-1234567890-SECRET"

// A fault is what goes wrong with a request. after: Slack has taken the message.
type fault struct {
	name  string
	after bool
	do    func(w http.ResponseWriter)
}

// A server is slacktest's behind a door at which things go wrong.
type server struct {
	*httptest.Server
	behind *slacktest.Server
	fate   func() *fault

	mu       sync.Mutex
	accepted []url.Values
}

func newServer(t *testing.T, fate func() *fault) *server {
	s := &server{behind: slacktest.NewTestServer(), fate: fate}
	s.behind.Start()
	t.Cleanup(s.behind.Stop)
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	request, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(request))
	var f *fault
	if s.fate != nil {
		f = s.fate()
	}
	if f != nil && !f.after {
		f.do(w)
		return
	}
	answer, err := http.Post(strings.TrimSuffix(s.behind.GetAPIURL(), "/")+r.URL.Path, r.Header.Get("Content-Type"), strings.NewReader(string(request)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK && strings.HasSuffix(r.URL.Path, "chat.postMessage") {
		s.mu.Lock()
		s.accepted = append(s.accepted, form)
		s.mu.Unlock()
	}
	if f != nil {
		f.do(w)
		return
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func (s *server) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, f := range s.accepted {
		var m struct {
			Event   string         `json:"event_type"`
			Payload map[string]any `json:"event_payload"`
		}
		_ = json.Unmarshal([]byte(f.Get("metadata")), &m)
		keys = append(keys, fmt.Sprint(m.Payload["key"]))
	}
	return keys
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
	s := newServer(t, nil)
	c := New(token, s.URL, s.Client()) // without the slash that slack-go asks for
	msg := enqueue(t, 1, "digest/R-000042", "#email-api-audit")
	if lane := msg.Lane; lane != "#email-api-audit" {
		t.Errorf("lane %q", lane)
	}
	ts, err := c.Deliver(t.Context(), msg)
	if err != nil || ts == "" {
		t.Fatalf("%q, %v", ts, err)
	}
	got := s.accepted[0]
	if got.Get("channel") != "#email-api-audit" || got.Get("parse") != "none" || got.Get("link_names") != "false" || got.Get("unfurl_links") != "false" {
		t.Errorf("%v", got)
	}
	if k := s.keys(); k[0] != msg.Key {
		t.Errorf("key %q", k)
	}
	if !strings.Contains(got.Get("text"), "3 new") || !strings.Contains(got.Get("blocks"), "com.vendor0.app0") {
		t.Errorf("posted %v", got)
	}
	if w, err := c.Check(t.Context()); err != nil || w.Team == "" {
		t.Errorf("team %v, %v", w, err)
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
			s := newServer(t, func() *fault { return &fault{do: c.do} })
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

// TestOutboxToSlack: 40 messages to three channels through a door where nearly every second request goes wrong, before or after Slack took the message. All arrive, in
// order for each channel, and none again once its delivery was recorded.
func TestOutboxToSlack(t *testing.T) {
	faults := []*fault{}
	for _, after := range []bool{false, true} {
		faults = append(faults, &fault{"429", after, answer(429, "", "Retry-After", "7")}, &fault{"500", after, answer(500, "oops")}, &fault{"reset", after, reset}, &fault{"slow", after, slow})
	}
	chance := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	lost, sleeps := 0, 0
	s := newServer(t, func() *fault {
		mu.Lock()
		defer mu.Unlock()
		if chance.IntN(100) < 55 {
			return nil
		}
		f := faults[chance.IntN(len(faults))]
		if f.name == "slow" {
			if sleeps++; sleeps > 4 { // they take real time
				return nil
			}
		}
		if f.after {
			lost++
		}
		return f
	})
	hc := s.Client()
	hc.Timeout = 500 * time.Millisecond
	clock, store := &nights.Clock{}, &nights.Store{}
	for i := range int64(40) {
		store.Put(enqueue(t, i+1, fmt.Sprintf("digest/%02d", i), fmt.Sprintf("#c%d", i%3)))
	}
	confirmed := map[string]bool{}
	sink := New(token, s.URL, hc)
	o := &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{Sink: sink}, Clock: clock.Now, Sleep: clock.Sleep,
		Log: func(m audit.Message, _ string, err error) {
			if confirmed[m.Key] {
				t.Errorf("%s was sent again", m.Key)
			}
			confirmed[m.Key] = err == nil
		}}
	left := 40
	for range 100 {
		var err error
		if left, err = o.Flush(context.Background(), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
		_ = clock.Sleep(context.Background(), time.Minute)
	}
	if left != 0 {
		t.Fatalf("%d left", left)
	}
	keys := s.keys()
	if extra := len(keys) - 40; extra != lost {
		t.Errorf("%d more than one each, of which %d had their answer lost", extra, lost)
	}
	first := map[string][]string{}
	for i, k := range keys {
		if !slices.Contains(keys[:i], k) {
			channel := s.accepted[i].Get("channel")
			first[channel] = append(first[channel], k)
		}
	}
	for channel, ks := range first {
		if !slices.IsSorted(ks) {
			t.Errorf("%s got %v", channel, ks)
		}
	}
}
