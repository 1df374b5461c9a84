package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message"
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
	b := body{e, at, m}
	if b.MessageID == "" {
		id, err := MessageID(key, e.From)
		if err != nil {
			return fail(err)
		}
		b.MessageID = id
	}
	_, to, _, err := b.compose()
	if err != nil {
		return fail(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		return fail(err)
	}
	return audit.Message{Key: key, Sink: Sink, Lane: lane(to[0]), Body: text, Created: at, NextAt: at, SentAt: audit.Never}, nil
}

// compose is the mail as it goes to the server, always the same for the same message, and whose it is and for whom: addresses without names.
func (b body) compose() (from string, to []string, raw []byte, err error) {
	sender, err := parseAddress(b.From)
	if err != nil {
		return "", nil, nil, fmt.Errorf("notices.from: %w", err)
	}
	if !messageIDPattern.MatchString(b.MessageID) {
		return "", nil, nil, errors.New("its Message-ID is none")
	}
	var names []string
	for i, s := range b.To {
		a, err := parseAddress(s)
		if err != nil {
			return "", nil, nil, fmt.Errorf("recipient %d: %w", i+1, err)
		}
		to, names = append(to, bare(a)), append(names, a.String())
	}
	var h message.Header // its fields come out in the opposite order
	h.SetContentType("multipart/mixed", map[string]string{"boundary": b.boundary("mixed")})
	h.Set("MIME-Version", "1.0")
	h.Set("Auto-Submitted", "auto-generated") // RFC 3834: no robot is to answer
	h.Set("Message-ID", "<"+b.MessageID+">")
	h.Set("Date", b.Date.Time().Format(time.RFC1123Z))
	h.Set("Subject", unstructured(notifier.Line(b.Subject)))
	h.Set("To", strings.Join(names, ", "))
	if b.ReplyTo != "" {
		a, err := parseAddress(b.ReplyTo)
		if err != nil {
			return "", nil, nil, fmt.Errorf("notices.reply_to: %w", err)
		}
		h.Set("Reply-To", a.String())
	}
	h.Set("From", sender.String())

	var out bytes.Buffer
	mixed, err := message.CreateWriter(&out, h)
	if err != nil {
		return "", nil, nil, err
	}
	var ah message.Header
	ah.SetContentType("multipart/alternative", map[string]string{"boundary": b.boundary("alternative")})
	alternative, err := mixed.CreatePart(ah)
	if err != nil {
		return "", nil, nil, err
	}
	err = write(alternative, "text/plain", "quoted-printable", "", []byte(b.Text))
	if b.HTML != "" {
		err = errors.Join(err, write(alternative, "text/html", "quoted-printable", "", []byte(b.HTML)))
	}
	err = errors.Join(err, alternative.Close())
	if len(b.JSON) > 0 && string(b.JSON) != "null" {
		err = errors.Join(err, write(mixed, "application/json", "base64", "notice.json", b.JSON))
	}
	err = errors.Join(err, mixed.Close()) // writes the last boundary
	return bare(sender), to, out.Bytes(), err
}

// unstructured is a text of one line as a field holds it (RFC 2047). What looks like an encoded word is encoded itself: nothing in a text is for the reader to decode.
func unstructured(s string) string {
	if !strings.Contains(s, "=?") {
		return mime.QEncoding.Encode("utf-8", s)
	}
	var words []string
	for s != "" {
		n := min(len(s), 45) // 75 characters with all around it
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// boundary cannot be in what it parts: it is no text that anybody could know before.
func (b body) boundary(what string) string {
	return digest("boundary", what, b.MessageID, b.Text, b.HTML, string(b.JSON))[:40]
}

func write(w *message.Writer, contentType, encoding, file string, content []byte) error {
	var h message.Header
	h.Set("Content-Transfer-Encoding", encoding)
	params := map[string]string{"charset": "utf-8"}
	if file != "" {
		h.SetContentDisposition("attachment", map[string]string{"filename": file})
		params = nil // JSON is UTF-8 (RFC 8259)
	}
	h.SetContentType(contentType, params)
	p, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	if _, err := p.Write(content); err != nil {
		return err
	}
	return p.Close()
}

var messageIDPattern = regexp.MustCompile(`^[^\s<>@]+@[^\s<>@]+$`)

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

// bare is an address as SMTP has it: without a name, its local part quoted where it must be.
func bare(a *mail.Address) string {
	s := (&mail.Address{Address: a.Address}).String()
	return s[1 : len(s)-1]
}

// Canonical is an address as [Enqueue] takes it, without a name. What Enqueue would refuse is an error, which does not name it.
func Canonical(s string) (string, error) {
	a, err := parseAddress(s)
	if err != nil {
		return "", err
	}
	if _, err := parseAddress(bare(a)); err != nil {
		return "", err
	}
	return bare(a), nil
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
