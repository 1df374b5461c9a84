package email

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Sink is the name of this sink in the outbox.
const Sink = "email"

// An Envelope says who writes to whom. Addresses are as RFC 5322 has them, with or without a name.
type Envelope struct {
	From      string   `json:"from"`
	ReplyTo   string   `json:"reply_to,omitempty"`
	To        []string `json:"to"`         // 1 to MaxRecipients
	MessageID string   `json:"message_id"` // without angle brackets; "": the one that MessageID makes of the key
}

// MaxRecipients is to how many a mail goes at most: what every server takes (RFC 5321, 4.5.3.1.8).
const MaxRecipients = 100

// body is a message of the outbox.
type body struct {
	Envelope
	Date audit.Instant `json:"date"`
	Mail
}

// Enqueue makes a message for the outbox that sends m, dated at. No two messages of one key are enqueued. Its lane is a digest of the first recipient.
// An address that is none is an error that names the place in To, not the address.
func Enqueue(key string, e Envelope, m Mail, at audit.Instant) (audit.Message, error) {
	fail := func(err error) (audit.Message, error) {
		return audit.Message{}, fmt.Errorf("mail %s: %w", key, err)
	}
	if len(e.To) == 0 {
		return fail(errors.New("it has no recipient"))
	}
	if len(e.To) > MaxRecipients {
		return fail(fmt.Errorf("it has %d recipients: %d are the most", len(e.To), MaxRecipients))
	}
	first := ""
	for i, to := range e.To {
		a, err := parseAddress(to)
		if err != nil {
			return fail(fmt.Errorf("recipient %d is no address", i+1))
		}
		if i == 0 {
			first = a.Address
		}
	}
	if e.MessageID == "" {
		id, err := MessageID(key, e.From)
		if err != nil {
			return fail(err)
		}
		e.MessageID = id
	}
	b, err := json.Marshal(body{e, at, m})
	if err != nil {
		return fail(err)
	}
	return audit.Message{Key: key, Sink: Sink, Lane: lane(first), Body: b, Created: at, NextAt: at, SentAt: audit.Never}, nil
}

// MessageID is the Message-ID, without angle brackets, of the mail of a key from an address: always the same for the same.
func MessageID(key, from string) (string, error) {
	a, err := parseAddress(from)
	if err != nil {
		return "", fmt.Errorf("notices.from is no address: %w", err)
	}
	_, domain, _ := cutLast(a.Address, "@")
	return digest("message", key, domain)[:32] + "@" + domain, nil
}

// lane is a recipient's lane: nothing that is shown of an outbox holds an address.
func lane(address string) string { return digest("lane", strings.ToLower(address))[:16] }

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte("mailreeve\x00" + strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// parseAddress reads an address. Its domain is in ASCII, its name fit for a header.
func parseAddress(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return nil, errors.New("it is not as in Name <name@example.com>")
	}
	local, domain, _ := cutLast(a.Address, "@")
	if domain, err = idna.Lookup.ToASCII(domain); err != nil {
		return nil, errors.New("its domain is none")
	}
	return &mail.Address{Name: notifier.Shorten(notifier.Line(a.Name), maxName), Address: local + "@" + domain}, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
