package jira

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Sink is the name of this sink in the outbox.
const Sink = "jira"

// A group is the findings that one issue is about.
type group struct {
	App    string `json:"app"`
	Clause string `json:"clause"`
}

// digest names a group; app keys may be any text.
func (g group) digest() string {
	sum := sha256.Sum256([]byte(g.App + "|" + g.Clause))
	return hex.EncodeToString(sum[:8])
}

// Label is what an issue is found by.
func (g group) label() string { return "mailreeve-" + g.digest() }

// opening is the key of the message that makes the group's issue. It is enqueued again and again, and written once.
func (g group) opening() string { return Sink + " " + g.digest() }

// body is a message of the outbox. What the issue shows is read when it is delivered.
type body struct {
	group
	News  string   `json:"news"`            // the run, or the time of a deed
	Make  bool     `json:"make,omitempty"`  // make the issue, and nothing else
	Opens bool     `json:"opens,omitempty"` // something opened, reopened or worsened: a closed issue is opened
	Lines []string `json:"lines,omitempty"` // of the comment, redacted
}

// Tell makes the messages that tell of news: for each group the one that makes its issue, which is written only once, and one that updates it.
func (c *Client) Tell(n notifier.News) ([]audit.Message, error) {
	news := n.At.String()
	for _, e := range n.Trail { // one command, or press, acts on several findings at one time
		news += " " + e.Finding + " " + e.What
	}
	head := "A person acted"
	if n.Result != nil {
		news = n.Result.Run.ID
		head = "Run " + news + " as of " + notifier.Stamp(n.Result.Run.AsOf)
	}
	var order []group
	bodies := map[group]*body{}
	for i := range n.Changes {
		change := &n.Changes[i]
		if change.Finding.Observed {
			continue // nothing is to be done about it yet
		}
		line, opens := c.line(change, n.Trail)
		if line == "" {
			continue
		}
		g := group{change.Finding.App, change.Finding.Clause}
		b := bodies[g]
		if b == nil {
			b = &body{group: g, News: news, Lines: []string{head}}
			bodies[g] = b
			order = append(order, g)
		}
		b.Lines = append(b.Lines, line)
		b.Opens = b.Opens || opens
	}
	var list []audit.Message
	for _, g := range order {
		b := bodies[g]
		if b.Opens {
			m, err := c.message(g.opening(), &body{group: g, News: news, Make: true}, n.At)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
		m, err := c.message(g.opening()+" "+news, b, n.At)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (c *Client) message(key string, b *body, at audit.Instant) (audit.Message, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return audit.Message{}, fmt.Errorf("jira message %s: %w", key, err)
	}
	return audit.Message{Key: key, Sink: Sink, Lane: c.site.Project, Body: text, Created: at, NextAt: at, SentAt: audit.Never}, nil
}

// line says what a change is, for a comment; "" where there is nothing to say. opens: there is something to do now that there was not.
func (c *Client) line(change *audit.Change, trail []audit.TrailEntry) (text string, opens bool) {
	f := &change.Finding
	i := c.item(f)
	what := f.ID + " " + i.What(short)
	switch change.What {
	case audit.IsResolved, audit.IsWithdrawn:
		return string(change.What) + ": " + what, false
	case audit.IsActed:
		for _, e := range trail {
			text = fmt.Sprintf("%s, %s by %s: %s", e.What, f.Status, short(c.clean(e.Who)), what)
			if why := c.clean(e.Why); why != "" {
				text += ": " + notifier.Shorten(why, 500)
			}
			opens = e.Reopens()
		}
		return text, opens
	case audit.IsNew, audit.IsReopened, audit.IsWorsened:
		if !audit.IsOpen(f.Status) {
			return "", false
		}
		return fmt.Sprintf("%s, %s: %s: %s", change.What, f.Severity, what, i.Numbers(change.What != audit.IsNew)), true
	}
	return "", false
}

func (c *Client) clean(s string) string { return c.redact(notifier.Line(s)) }

func short(s string) string { return notifier.Shorten(s, 80) }

func (c *Client) item(f *audit.Finding) notifier.Item {
	return notifier.Item{ID: f.ID, Check: f.Check, Clause: f.Clause, Severity: f.Severity, Confidence: f.Confidence, App: c.clean(f.App), AppName: c.clean(f.AppName),
		Vendor: c.clean(f.Vendor), Subject: c.clean(f.Subject), Why: c.clean(cmp.Or(f.Explanation, f.Title)), Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites, Latest: f.Latest}
}

// summary is an issue's, of findings of one group.
func (c *Client) summary(g group, findings []audit.Finding) string {
	who := short(c.clean(g.App))
	if len(findings) > 0 {
		i := c.item(&findings[0])
		who = i.Who(short)
	}
	return fit(g.Clause+": "+who, maxSummary)
}

// description is an issue's, of findings of one group: the open ones first, the worst first.
func (c *Client) description(findings []audit.Finding) node {
	list := slices.Clone(findings)
	closed := func(f *audit.Finding) int {
		if audit.IsOpen(f.Status) {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b audit.Finding) int {
		return cmp.Or(cmp.Compare(closed(&a), closed(&b)), cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(a.ID, b.ID))
	})
	blocks := [][]node{{paragraph("mailreeve keeps this issue: it writes this description anew, and closes the issue when all that it is about has ended. What was seen, and the accounts: mailreeve findings show ID.")}}
	for k := range list {
		f := &list[k]
		i := c.item(f)
		b := []node{heading(fmt.Sprintf("%s, %s: %s", f.Severity, f.Status, i.What(short))), paragraph(f.ID + ": " + i.Numbers(false) + seen(f))}
		if i.Why != "" {
			b = append(b, paragraph(notifier.Shorten(i.Why, 1000)))
		}
		if todo := c.clean(f.Remediation); todo != "" {
			b = append(b, paragraph("To do: "+notifier.Shorten(todo, 1000)))
		}
		blocks = append(blocks, b)
	}
	return document(blocks, func(n int) string { return fmt.Sprintf("and %d more: mailreeve findings list", n) })
}

func seen(f *audit.Finding) string {
	text := ""
	if f.FirstSeen != audit.Ever && f.FirstSeen != audit.Never && f.FirstSeen != 0 {
		text = ", first " + notifier.Stamp(f.FirstSeen) + ", last " + notifier.Stamp(f.LastSeen)
	}
	if f.DueAt != audit.Never && f.DueAt != 0 {
		text += ", due " + notifier.Stamp(f.DueAt)
	}
	return text
}

// comment is what b's lines say.
func comment(b *body) node {
	var blocks [][]node
	for _, l := range b.Lines {
		blocks = append(blocks, []node{paragraph(strings.TrimSpace(l))})
	}
	return document(blocks, func(n int) string { return fmt.Sprintf("and %d more", n) })
}
