package slack

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// Slack's limits, https://docs.slack.dev/reference/block-kit/blocks. Characters are counted as UTF-16 does, after escaping, which is never less than Slack counts.
const (
	maxBlocks  = 50
	maxText    = 3000 // of a section's or context's text
	maxHeader  = 150
	maxMessage = 12000 // of all blocks together; see size
	maxButton  = 75
	maxPlain   = 40000 // of a message's text beside its blocks
)

// How much of a text from outside is shown, in characters after escaping.
const (
	maxName = 80
	maxWhy  = 300
	maxLine = 240
	maxID   = 60
)

// How much of a message its lists take at most, so that there is place for findings; a line takes no more than 6 * maxLine. See size.
const (
	maxTrouble = 2500
	maxSources = 2500
	maxNotes   = 1700
	maxFinding = 1700
)

// within is m within Slack's limits. What is composed here is anyway; this is for what an older version left in the outbox, or a wrong count above: a
// message that is cut short tells more than one that is refused.
func within(m Message) Message {
	m.Text = cut(m.Text, maxPlain)
	note := small(plain("the rest does not fit into one message"))
	most := maxMessage - size(note)
	for i, b := range m.Blocks {
		switch b := b.(type) {
		case *slack.SectionBlock:
			if b.Text != nil {
				b.Text.Text = cut(b.Text.Text, maxText)
			}
		case *slack.HeaderBlock:
			b.Text.Text = cut(b.Text.Text, maxHeader)
		}
		most -= size(m.Blocks[i])
		if most < 0 || i == maxBlocks-1 && len(m.Blocks) > maxBlocks {
			m.Blocks = append(m.Blocks[:i:i], note)
			break
		}
	}
	return m
}

// cut shortens text that is escaped, or mailreeve's own, without cutting an escape in two.
func cut(s string, most int) string {
	if units(s) <= most {
		return s
	}
	n, end, in := 0, 0, false // in an escape
	for i, r := range s {
		if !in && n < most {
			end = i
		}
		switch {
		case r == '&':
			in = true
		case r == ';':
			in = false
		}
		if n += units(string(r)); n > most {
			break
		}
	}
	return s[:end] + "…"
}

// fit escapes s, https://docs.slack.dev/messaging/formatting-message-text, and shortens it to at most most characters after escaping, the last
// of them … where it was longer. It cuts between characters, never in an escape.
func fit(s string, most int) string {
	var b strings.Builder
	n, end := 0, 0 // written; where … still has a place
	for _, r := range s {
		var e string
		switch r {
		case '&':
			e = "&amp;"
		case '<':
			e = "&lt;"
		case '>':
			e = "&gt;"
		default:
			e = string(r)
		}
		n += units(e)
		if n > most {
			return strings.TrimRight(b.String()[:end], " ") + "…"
		}
		b.WriteString(e)
		if n < most {
			end = b.Len()
		}
	}
	return b.String()
}

// units is the length of s in UTF-16.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// size is how much of maxMessage blocks take. Slack refuses messages of about 13,200 characters by msg_blocks_too_long and does not document what it
// counts; it is less than the text of some that were refused (slackapi/bolt-js 2509 and 2867). So this counts the most that it could be: the blocks as
// JSON in ASCII, where a character beyond that takes six.
func size[B any](blocks ...B) int {
	n := 0
	for _, b := range blocks {
		text, err := json.Marshal(b)
		if err != nil {
			return maxMessage + 1
		}
		n++ // the comma
		for _, r := range string(text) {
			switch {
			case r < utf8.RuneSelf:
				n++
			default:
				n += 6 * units(string(r))
			}
		}
	}
	return n
}
