//go:build linux

package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/internal/slackfake"
)

// A slack takes messages as Slack does, and keeps them.
type slack struct {
	url    string
	server *http.Server
	fake   *slackfake.Server
}

// newSlack listens on an address; empty: on this machine's own.
func newSlack(at string) (*slack, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(at, "127.0.0.1"), "0"))
	if err != nil {
		return nil, err
	}
	s := &slack{url: fmt.Sprintf("http://%s/api/", l.Addr()), fake: slackfake.New("#audit")}
	s.server = &http.Server{Handler: s.fake, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(l) }() // until close
	return s, nil
}

func (s *slack) close() { _ = s.server.Close() }

// messages gives what stands in Slack, each message once, and how many were posted more often. Charts are left out: they show every run, also those of
// which a night took more than one.
func (s *slack) messages() (texts []string, twice int) {
	seen := map[string]bool{}
	for _, m := range s.fake.Messages("") {
		switch {
		case strings.HasPrefix(m.Key, "ops "): // an alert about a fault, which the other estate does not have
		case len(m.Files) > 0:
		case seen[m.Key]:
			twice++
		default:
			seen[m.Key] = true
			texts = append(texts, m.Channel+"\n"+m.Text+"\n"+string(m.Blocks))
		}
	}
	return texts, twice
}
