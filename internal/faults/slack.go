//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A slack takes messages as Slack does, and keeps them.
type slack struct {
	url    string
	server *http.Server
	mu     sync.Mutex
	posts  []post
}

// A post is a message that was accepted.
type post struct {
	key  string // of the message in the outbox
	text string // all of it
}

// newSlack listens on an address; empty: on this machine's own.
func newSlack(at string) (*slack, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(at, "127.0.0.1"), "0"))
	if err != nil {
		return nil, err
	}
	s := &slack{url: fmt.Sprintf("http://%s/api/", l.Addr())}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(l) }() // until close
	return s, nil
}

func (s *slack) close() { _ = s.server.Close() }

// ServeHTTP implements http.Handler.
func (s *slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var meta struct {
		Payload map[string]string `json:"event_payload"`
	}
	_ = json.Unmarshal([]byte(r.Form.Get("metadata")), &meta) // without it the key is empty, which shows
	s.mu.Lock()
	s.posts = append(s.posts, post{meta.Payload["key"], r.Form.Get("channel") + "\n" + r.Form.Get("text") + "\n" + r.Form.Get("blocks")})
	n := len(s.posts)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, fmt.Sprintf(`{"ok":true,"channel":"C1","ts":"%d.000100"}`, n))
}

// messages gives what was posted, each message once, and how many were posted more often.
func (s *slack) messages() (texts []string, twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[post]bool{}
	for _, p := range s.posts {
		if strings.HasPrefix(p.key, "ops ") { // an alert about a fault, which the other estate does not have
			continue
		}
		if seen[p] {
			twice++
			continue
		}
		seen[p] = true
		texts = append(texts, p.text)
	}
	return texts, twice
}
