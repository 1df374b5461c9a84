package email

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"github.com/mailreeve/mailreeve/notifier"
)

// A Bounce is what came back of a mail, for one recipient.
type Bounce struct {
	MessageID string    // of the mail that was sent, without angle brackets
	Recipient string    // a vendor's contact, as the report has it; "" where it does not say who
	Final     bool      // it will not be delivered; else it is late, and the server goes on trying
	Complaint bool      // the recipient called it unwanted; then it was delivered, and Final is false
	Status    string    // as in 5.1.1 (RFC 3463); "" where there is none
	Says      string    // what the receiving server said: one line, without addresses
	At        time.Time // when the report was written, UTC
}

// Limits of a report. What is longer is cut off there: what tells of the mail comes before the mail.
const (
	maxReport     = 1 << 20 // bytes
	maxParts      = 16
	maxRecipients = MaxRecipients
)

// errOther says that a mail is no report of a mail that was sent.
var errOther = errors.New("no report of a mail")

// parseReport reads a mail that may be a report: of what could not be delivered, or is late (RFC 3464), or was complained of (RFC 5965). It gives none for a
// report of what was delivered, and errOther for other mail, and for a report that does not say of which mail it is.
func parseReport(r io.Reader) ([]Bounce, error) {
	m, err := message.Read(io.LimitReader(r, maxReport))
	if err != nil && !message.IsUnknownCharset(err) {
		return nil, errOther
	}
	kind, _, err := m.Header.ContentType()
	parts := m.MultipartReader()
	if err != nil || kind != "multipart/report" || parts == nil {
		return nil, errOther
	}
	var list []Bounce
	report, id := false, ""
	for range maxParts {
		p, err := parts.NextPart()
		if err != nil && !message.IsUnknownCharset(err) {
			break // the end, or what was cut off
		}
		kind, _, _ := p.Header.ContentType()
		switch kind {
		case "message/delivery-status", "message/global-delivery-status":
			report = true
			list = append(list, failures(p.Body)...)
		case "message/feedback-report":
			report = true
			list = append(list, complaint(p.Body)...)
		case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
			if h := fields(bufio.NewReader(p.Body)); id == "" {
				id = messageID(h.Get("Message-Id"))
			}
		}
	}
	if id == "" {
		id = cmp.Or(messageID(m.Header.Get("In-Reply-To")), messageID(m.Header.Get("References")))
	}
	if !report || id == "" {
		return nil, errOther
	}
	at, err := mail.ParseDate(m.Header.Get("Date"))
	if err != nil {
		at = time.Time{}
	}
	for i := range list {
		list[i].MessageID, list[i].At = id, at.UTC()
	}
	return list, nil
}

// failures reads a message/delivery-status: fields of the mail, then of each recipient, parted by empty lines.
func failures(r io.Reader) []Bounce {
	var list []Bounce
	b := bufio.NewReader(r)
	for range maxRecipients + 1 {
		h := fields(b)
		action := strings.ToLower(word(h.Get("Action")))
		if action == "failed" || action == "delayed" {
			list = append(list, Bounce{
				Recipient: cmp.Or(recipient(h.Get("Original-Recipient")), recipient(h.Get("Final-Recipient"))),
				Final:     action == "failed",
				Status:    cmp.Or(status(h.Get("Status")), status(h.Get("Diagnostic-Code"))),
				Says:      said(afterType(h.Get("Diagnostic-Code"))),
			})
		}
		if _, err := b.Peek(1); err != nil {
			break
		}
	}
	return list
}

// complaint reads a message/feedback-report. "not-spam" is none.
func complaint(r io.Reader) []Bounce {
	h := fields(bufio.NewReader(r))
	kind := strings.ToLower(word(h.Get("Feedback-Type")))
	if kind == "" || kind == "not-spam" {
		return nil
	}
	return []Bounce{{Recipient: recipient(h.Get("Original-Rcpt-To")), Complaint: true, Says: said(kind)}}
}

// fields reads fields up to an empty line or the end, leaving out lines that are none.
func fields(b *bufio.Reader) textproto.MIMEHeader {
	h := textproto.MIMEHeader{}
	last := ""
	for {
		line, err := b.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		switch {
		case line == "" && (err != nil || len(h) > 0):
			return h
		case line == "": // more than one empty line
		case line[0] == ' ' || line[0] == '\t':
			if v := h[last]; len(v) > 0 {
				v[len(v)-1] += " " + strings.TrimSpace(line)
			}
		case ok:
			last = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
			h.Add(last, strings.TrimSpace(value))
		default:
			last = ""
		}
		if err != nil {
			return h
		}
	}
}

// word is the first word of a field, without the comment that may follow.
func word(s string) string {
	s, _, _ = strings.Cut(s, "(")
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

// afterType is a field without its type, as in "smtp; 550 no such user".
func afterType(s string) string {
	if kind, rest, ok := strings.Cut(s, ";"); ok && !strings.ContainsAny(strings.TrimSpace(kind), " \t") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(s)
}

// recipient is the address in a field such as "rfc822; privacy@acme.example"; "" where there is none.
func recipient(s string) string {
	a, err := mail.ParseAddress(notifier.Line(strings.Trim(afterType(s), "<> ")))
	if err != nil {
		return ""
	}
	return a.Address
}

// messageID is the last of the Message-IDs in a field, without its angle brackets; "" where there is none.
func messageID(s string) string {
	f := strings.Fields(s)
	if len(f) == 0 {
		return ""
	}
	id := strings.TrimSuffix(strings.TrimPrefix(f[len(f)-1], "<"), ">")
	if len(id) > 998 || !messageIDPattern.MatchString(id) {
		return ""
	}
	return id
}
