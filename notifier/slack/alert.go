package slack

import (
	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/ops"
)

// RenderAlert makes a message of an alert about the nights themselves.
func RenderAlert(a ops.Alert) Message {
	mark := "⚠️ "
	if a.Over {
		mark = "✅ "
	}
	title := mark + notifier.Line(a.Title)
	return Message{Text: fit(title, maxLine), Blocks: []slack.Block{header(title), slack.NewSectionBlock(plain(fit(notifier.Line(a.Text), maxText)), nil, nil)}}
}
