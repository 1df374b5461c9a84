package email

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/notifier"
)

// A Mail is a notice as it is sent. A mail to others may have no HTML and no JSON.
type Mail struct {
	Subject string          `json:"subject"`        // one line
	Text    string          `json:"text"`           // complete by itself
	HTML    string          `json:"html,omitempty"` // the same for who reads HTML; loads nothing
	JSON    json.RawMessage `json:"json,omitempty"` // the same for programs: the notice, by docs/notice.schema.json
}

// How much of a text from outside a mail shows, in characters; JSON has it whole.
const (
	maxSubject  = 150
	maxName     = 80
	maxText     = 600
	maxEvidence = 10 // rows of a finding
	fewEvidence = 3  // where there are more than manyFindings

	manyFindings = 8
	maxList      = 20 // questions, and what happens next
)

// Render makes the mail of a notice by t; nil stands for the built-in templates. Whatever is in n is text in all of them, of one line each: what would
// break a line, hide or turn text around is shown by its code, and nothing of it is markup, or a template. URLs that are not https or http are left out of text
// and HTML.
func Render(n notifier.Notice, t *Templates) (Mail, error) {
	if t == nil {
		t = builtin()
	}
	full := complete(n)
	shown := clean(full)
	var m Mail
	var err error
	if m.Subject, err = t.subject.render(shown); err != nil {
		return Mail{}, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	m.Subject = notifier.Shorten(notifier.Line(m.Subject), maxSubject)
	if m.Text, err = t.text.render(shown); err != nil {
		return Mail{}, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	if m.HTML, err = t.html.render(shown); err != nil {
		return Mail{}, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	if m.JSON, err = json.Marshal(full); err != nil {
		return Mail{}, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	return m, nil
}

// complete is n with its schema named, times in UTC, no more evidence than a notice holds, and lists that are empty rather than absent.
func complete(n notifier.Notice) notifier.Notice {
	n.Schema = notifier.NoticeSchema
	n.IssuedAt = n.IssuedAt.UTC()
	n.Asks = append([]string{}, n.Asks...)
	n.Next = append([]string{}, n.Next...)
	n.Findings = append([]notifier.NoticeFinding{}, n.Findings...)
	for i := range n.Findings {
		f := &n.Findings[i]
		f.First, f.Last, f.Due = f.First.UTC(), f.Last.UTC(), utc(f.Due)
		f.Evidence = append([]notifier.NoticeEvidence{}, f.Evidence[:min(len(f.Evidence), maxEvidence)]...)
		for j := range f.Evidence {
			f.Evidence[j].At = f.Evidence[j].At.UTC()
		}
	}
	return n
}

// clean is a complete n as templates see it: nothing in it can break out of its line, or crowd out the rest.
func clean(n notifier.Notice) notifier.Notice {
	name := func(s *string) { *s = notifier.Shorten(notifier.Line(*s), maxName) }
	text := func(s *string) { *s = notifier.Shorten(notifier.Line(*s), maxText) }
	name(&n.ID)
	name(&n.Vendor.ID)
	name(&n.Vendor.Name)
	lines := func(list []string) []string {
		list = append([]string{}, list[:min(len(list), maxList)]...)
		for i := range list {
			text(&list[i])
		}
		return list
	}
	n.Asks, n.Next = lines(n.Asks), lines(n.Next)
	n.Answer.URL = web(n.Answer.URL)
	name(&n.Answer.ReplyTo)
	text(&n.Answer.How)
	n.Findings = append([]notifier.NoticeFinding{}, n.Findings...)
	for i := range n.Findings {
		f := &n.Findings[i]
		for _, s := range []*string{&f.ID, &f.Check, &f.Clause, &f.Severity, &f.AppKey, &f.AppName, &f.Subject} {
			name(s)
		}
		for _, s := range []*string{&f.ClauseText, &f.Title, &f.Seen, &f.ToDo} {
			text(s)
		}
		f.FormURL = web(f.FormURL)
		f.Evidence = append([]notifier.NoticeEvidence{}, f.Evidence...)
		for j := range f.Evidence {
			name(&f.Evidence[j].Site)
			f.Evidence[j].Detail = notifier.Shorten(notifier.Line(f.Evidence[j].Detail), 240)
		}
	}
	return n
}

// web is s where it is a URL of the web, else "".
func web(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
