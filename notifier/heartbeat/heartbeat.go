// Package heartbeat calls a URL after each good night, so that who waits for it notices when none comes.
package heartbeat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/outbound"
	"github.com/mailreeve/mailreeve/notifier"
)

// Sink is the name of this sink in the outbox.
const Sink = "heartbeat"

// A Heart beats. It is a notifier.Sink, and its Tell a notifier.Composer.
type Heart struct {
	url    string
	newest func(ctx context.Context) (run string, err error)
	client *http.Client
}

// New makes a heart that calls url. newest gives the last run that finished: a beat for one before it comes too late, and is dropped.
func New(url string, allowPrivate bool, newest func(ctx context.Context) (run string, err error)) *Heart {
	return &Heart{url, newest, outbound.Client(allowPrivate)}
}

type body struct {
	Run string `json:"run"`
}

// Tell makes a beat of a night that finished and looked at every source.
func (h *Heart) Tell(n notifier.News) ([]audit.Message, error) {
	if n.Result == nil || n.Result.DryRun || !n.Result.Looked() {
		return nil, nil
	}
	text, err := json.Marshal(body{n.Result.Run.ID})
	if err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	lane := sha256.Sum256([]byte(h.url)) // the URL may hold a secret
	return []audit.Message{{Key: Sink + " " + n.Result.Run.ID, Sink: Sink, Lane: hex.EncodeToString(lane[:8]), Body: text, Created: n.At, NextAt: n.At, SentAt: audit.Never}}, nil
}

// Deliver calls the URL. No error holds it.
func (h *Heart) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	var b body
	if err := json.Unmarshal(msg.Body, &b); err != nil {
		return "", notifier.Final(fmt.Errorf("heartbeat: message %s of the outbox cannot be read: %w", msg.Key, err))
	}
	newest, err := h.newest(ctx)
	if err != nil {
		return "", fmt.Errorf("heartbeat: %w", err)
	}
	if newest != b.Run {
		return "dropped: " + newest + " finished since", nil
	}
	status, wait, err := h.ask(ctx, http.MethodGet, h.url)
	if err != nil {
		return "", err
	}
	if status/100 != 2 {
		return "", &notifier.Failure{Err: fmt.Errorf("heartbeat: %s: answered %d", outbound.Place(h.url), status), RetryAfter: wait}
	}
	return fmt.Sprint(status), nil
}

// Reach says whether the URL's host answers, without calling the URL.
func (h *Heart) Reach(ctx context.Context) error {
	_, _, err := h.ask(ctx, http.MethodHead, outbound.Place(h.url)+"/")
	return err
}

func (h *Heart) ask(ctx context.Context, method, url string) (status int, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, 0, notifier.Final(errors.New("heartbeat: the URL of the configuration cannot be read"))
	}
	req.Header.Set("User-Agent", "mailreeve")
	res, err := h.client.Do(req)
	if err != nil {
		err = fmt.Errorf("heartbeat: %s: %w", outbound.Place(h.url), outbound.Cause(err))
		return 0, 0, &notifier.Failure{Err: err, Final: errors.Is(err, outbound.ErrPrivate)}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // the status has said all
	return res.StatusCode, outbound.RetryAfter(res.Header, time.Now()), nil
}
