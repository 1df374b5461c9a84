package email

import (
	"cmp"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

const (
	maxStuck = 20             // messages that a mail names
	again    = 24 * time.Hour // after which operators are told of more that got stuck since
)

// TellOfStuck says whether to write to operators about messages that are stuck. They were last told at told; Ever: never. They are told once for as long as something of which they were told is
// stuck, and once a day if more gets stuck meanwhile.
func TellOfStuck(stuck []audit.Message, told, now audit.Instant) bool {
	known := 0
	for i := range stuck {
		if m := &stuck[i]; m.Created <= told && m.Stuck(told) {
			known++
		}
	}
	return len(stuck) > 0 && (known == 0 || known < len(stuck) && now >= told.Add(again))
}

// Stuck is what operators are told of messages that are stuck, of which there is at least one.
func Stuck(stuck []audit.Message, redact func(string) string) Mail {
	what := fmt.Sprintf("%d messages are not delivered", len(stuck))
	if len(stuck) == 1 {
		what = "1 message is not delivered"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: they failed for good, or wait for more than %d hours.\n\n", what, int(audit.StuckAfter.Hours()))
	for i, m := range stuck {
		if i == maxStuck {
			fmt.Fprintf(&b, "… and %d more.\n", len(stuck)-maxStuck)
			break
		}
		fmt.Fprintf(&b, "%d. %s, to %s, since %s, tried %d times: %s\n", i+1, redact(notifier.Line(m.Key)), m.Sink, notifier.Stamp(m.Created), m.Attempts,
			cmp.Or(redact(notifier.Line(m.Error)), unanswered(&m)))
	}
	b.WriteString("\nmailreeve doctor says what to do. You are told once for as long as one of these is not delivered, and once a day if there are more.\n")
	return Plain("mailreeve: "+what, b.String())
}

// unanswered says of a message that no attempt has said anything of what is known.
func unanswered(m *audit.Message) string {
	if m.Attempts == 0 {
		return "nobody has tried to send it"
	}
	return "no answer was seen"
}

// Plain is a mail to operators, of text.
func Plain(subject, text string) Mail {
	return Mail{Subject: notifier.Line(subject), Text: text, HTML: "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>mailreeve</title>\n<body><pre style=\"white-space:pre-wrap\">" +
		html.EscapeString(text) + "</pre></body></html>\n"}
}
