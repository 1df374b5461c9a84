// Package slack tells of nights and findings in Slack: digests with their charts, a thread for what needs a look, and buttons to act.
//
// A message is within Slack's limits by construction. What mailreeve writes itself is mrkdwn; every text that may come from outside is a plain_text
// object, in which nothing formats, links or notifies, and is escaped all the same.
package slack

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// A Message is what Slack shows: the text where blocks cannot be shown, such as in a notification, and the blocks.
type Message struct {
	Text   string
	Blocks []slack.Block
}

// Render makes a message of a digest, which Compose has cleared of addresses. All that is counted is exact; findings that do not fit are counted by
// "and N more", and none is cut in two.
func Render(d notifier.Digest) Message {
	// What always has a place comes first, to know how much is left for findings.
	head := []slack.Block{header(d.Headline())}
	if d.Changed() {
		head = append(head, markup("```\n"+d.Table()+"```"))
	} else {
		head = append(head, markup(fmt.Sprintf("Nothing new. Still open: *%s*", d.Open)))
	}
	if remarks := d.Remarks(); len(remarks) > 0 {
		head = append(head, markup(strings.Join(remarks, "\n")))
	}
	if lines := d.NotLookedAt(); len(lines) > 0 {
		head = append(head, markup(fmt.Sprintf(":warning: *Could not look at* (%d)", len(lines))), slack.NewSectionBlock(plain(list(lines, maxTrouble)), nil, nil))
	}
	var tail []slack.Block
	if len(d.Sources) > 0 {
		var lines []string
		for _, s := range d.Sources {
			lines = append(lines, fmt.Sprintf("%s: %d lines (%d facts, %d duplicates, %d quarantined, %d expired), newest %s, %s",
				s.Kind, s.Lines, s.Facts, s.Duplicates, s.Quarantined, s.Expired, notifier.Stamp(s.Newest), s.Path))
		}
		tail = append(tail, small(plain(list(lines, maxSources))))
	}
	if len(d.Notes) > 0 {
		tail = append(tail, small(plain(list(d.Notes, maxNotes))))
	}
	run := notifier.Line(d.Run)
	about := []*slack.TextBlockObject{plain(d.How() + ", run " + fit(run, maxID)), plain("mailreeve findings list --run " + fit(run, maxID))}
	if head := d.Head(); head != "" {
		about = append(about, plain(fit(head, maxLine)))
	}
	tail = append(tail, small(about...))

	return Message{Text: d.Headline(), Blocks: append(append(head, findings(d.Groups(), run, head, tail)...), tail...)}
}

// findings names as many findings as there is place for beside the other blocks, of each group in turn.
func findings(groups []notifier.Group, run string, others ...[]slack.Block) []slack.Block {
	blocks, left := maxBlocks, maxMessage
	for _, o := range others {
		blocks -= len(o)
		left -= size(o...)
	}
	more := func(g notifier.Group, n int) slack.Block {
		return small(plain(fmt.Sprintf("and %d more %s", n, g.More)))
	}
	shown := make([][]slack.Block, len(groups))
	for _, g := range groups {
		blocks -= 2
		left -= size(heading(g), more(g, len(g.Items)))
	}
	for grew := true; grew; {
		grew = false
		for i, g := range groups {
			if len(shown[i]) == len(g.Items) {
				continue
			}
			b := finding(g.Items[len(shown[i])], g.Added)
			if s := size(b); blocks > 0 && s <= left {
				shown[i] = append(shown[i], b)
				blocks--
				left -= s
				grew = true
			}
		}
	}
	var out []slack.Block
	for i, g := range groups {
		out = append(append(out, heading(g)), shown[i]...)
		if n := len(g.Items) - len(shown[i]); n > 0 {
			out = append(out, more(g, n))
		}
	}
	return out
}

func heading(g notifier.Group) slack.Block {
	return markup(fmt.Sprintf("*%s* (%d)", g.Heading, len(g.Items)))
}

// finding is one finding, of a size of at most maxFinding: nobody can crowd out others by a name of 4,000 signs.
func finding(i notifier.Item, added bool) slack.Block {
	b := compose(i, added, maxName, maxWhy)
	if size(b) > maxFinding {
		b = compose(i, added, maxName*2/5, maxWhy/4)
	}
	return b
}

func compose(i notifier.Item, added bool, name, why int) slack.Block {
	show := func(s string) string { return fit(notifier.Line(s), name) }
	lines := []string{
		mark(i.Severity) + " " + show(string(i.Severity)) + ": " + i.Who(show),
		i.What(show),
		i.Numbers(added) + ", " + show(i.ID),
	}
	if why := fit(notifier.Line(i.Why), why); why != "" {
		lines = append(lines, why)
	}
	return slack.NewSectionBlock(plain(strings.Join(lines, "\n")), nil, nil)
}

func mark(s audit.Severity) string {
	switch s {
	case audit.Critical:
		return "🔴"
	case audit.High:
		return "🟠"
	case audit.Medium:
		return "🟡"
	}
	return "⚪"
}

// list is lines from outside, as many as there is place for and at least one.
func list(lines []string, most int) string {
	var b strings.Builder
	length, cost := 0, 0
	for i, l := range lines {
		l = fit(notifier.Line(l), maxLine)
		more := fmt.Sprintf("and %d more", len(lines)-i)
		if length+units(l+more)+2 > maxText || cost+size(plain(l), plain(more)) > most {
			b.WriteString(more)
			break
		}
		length += units(l) + 1
		cost += size(plain(l))
		b.WriteString(l)
		if i < len(lines)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// markup is a section of mailreeve's own words.
func markup(text string) slack.Block {
	// Verbatim: nothing in it is turned into a link or a mention.
	return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, text, false, true), nil, nil)
}

func header(text string) slack.Block {
	return slack.NewHeaderBlock(plain(fit(text, maxHeader)))
}

func small(texts ...*slack.TextBlockObject) slack.Block {
	elements := make([]slack.MixedElement, len(texts))
	for i, t := range texts {
		elements[i] = t
	}
	return slack.NewContextBlock("", elements...)
}

// plain is text that was escaped and shows as it is: no formatting, and :names: are no emoji. Slack refuses text that is empty.
func plain(text string) *slack.TextBlockObject {
	if strings.TrimSpace(text) == "" {
		text = "-"
	}
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}
