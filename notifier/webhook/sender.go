package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/outbound"
	"github.com/mailreeve/mailreeve/notifier"
)

const maxAnswer = 64 << 10 // bytes that are read of an answer, so that the connection may be used again

// A Sender sends messages to their hooks. It is a notifier.Sink, and safe for concurrent use.
type Sender struct {
	hooks           map[string]*Hook
	clock           audit.Clock
	public, private *http.Client
}

// NewSender makes a sender. The clock stamps what is sent.
func NewSender(hooks []Hook, clock audit.Clock) *Sender {
	s := &Sender{hooks: map[string]*Hook{}, clock: clock, public: outbound.Client(false), private: outbound.Client(true)}
	for i := range hooks {
		s.hooks[hooks[i].Lane()] = &hooks[i]
	}
	return s
}

// ID is the webhook-id of the message of a key: the same each time that it is sent.
func ID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Deliver posts msg to its hook. Any 2xx is a receipt. No error holds the URL or a secret.
func (s *Sender) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	hook := s.hooks[msg.Lane]
	if hook == nil {
		return "", final("webhook: the configuration has no longer the URL that this message is for")
	}
	place := outbound.Place(hook.URL)
	if hook.Trouble != "" {
		return "", final("webhook: %s: %s", place, hook.Trouble)
	}
	ctx, cancel := context.WithTimeout(ctx, outbound.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(msg.Body))
	if err != nil {
		return "", final("webhook: %s: its URL cannot be read", place)
	}
	now := s.clock()
	id := ID(msg.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "mailreeve")
	req.Header.Set(standard.HeaderWebhookID, id)
	req.Header.Set(standard.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	var signatures []string
	for _, secret := range hook.Secrets {
		signer, err := standard.NewWebhook(secret)
		if err != nil {
			return "", final("webhook: %s: its secret is no base64 after whsec_", place)
		}
		signature, err := signer.Sign(id, now, msg.Body)
		if err != nil {
			return "", final("webhook: %s: cannot be signed", place)
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) > 0 {
		req.Header.Set(standard.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	client := s.public
	if hook.AllowPrivate {
		client = s.private
	}
	res, err := client.Do(req)
	if err != nil {
		err = fmt.Errorf("webhook: %s: %w", place, outbound.Cause(err))
		if errors.Is(err, outbound.ErrPrivate) {
			err = notifier.Final(err)
		}
		if notifier.Unreached(err) {
			err = notifier.Unsent(err)
		}
		return "", err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // the status has said all
	wait := outbound.RetryAfter(res.Header, now)
	switch code := res.StatusCode; {
	case code/100 == 2:
		return strconv.Itoa(code), nil
	case code == http.StatusTooManyRequests || code/100 == 5 || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		return "", &notifier.Failure{Err: fmt.Errorf("webhook: %s: answered %d", place, code), RetryAfter: wait}
	case code == http.StatusGone:
		return "", final("webhook: %s: answered 410: nobody listens there any more; take it out of the configuration", place)
	case code/100 == 3:
		return "", final("webhook: %s: answered %d: redirects are not followed; configure where it leads to", place, code)
	default:
		return "", final("webhook: %s: answered %d: see what it refuses", place, code)
	}
}

// final is of what was not sent, or refused.
func final(format string, args ...any) error {
	return notifier.Unsent(notifier.Final(fmt.Errorf(format, args...)))
}

// Secrets reads the secrets of a hook: whsec_ and base64 of 24 to 64 bytes, several with spaces between them while one replaces another.
func Secrets(text string) ([]string, error) {
	list := strings.Fields(text)
	for _, s := range list {
		encoded, ok := strings.CutPrefix(s, "whsec_")
		if n := len(encoded) / 4 * 3; !ok || n < 24 || n > 66 {
			return nil, errors.New("a secret is whsec_ and base64 of 24 to 64 bytes, as `echo whsec_$(openssl rand -base64 32)` makes one")
		}
		if _, err := standard.NewWebhook(s); err != nil {
			return nil, errors.New("a secret is not base64 after whsec_")
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no secret")
	}
	return list, nil
}
