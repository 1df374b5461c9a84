package slackfake

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
)

// What Slack takes at most, https://docs.slack.dev/reference/block-kit and …/methods/chat.postMessage.
const (
	maxText    = 40000
	maxBlocks  = 50
	maxTotal   = 13200 // observed, not documented
	maxSection = 3000
	maxHeader  = 150

	maxMetadata = 4000 // less than Slack takes, which is not documented
)

type block struct {
	Type     string            `json:"type"`
	ID       string            `json:"block_id"`
	Text     *text             `json:"text"`
	Fields   []text            `json:"fields"`
	Elements []json.RawMessage `json:"elements"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func (t *text) wrong(most int) bool {
	return t.Type != "plain_text" && t.Type != "mrkdwn" || strings.TrimSpace(t.Text) == "" || units(t.Text) > most
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// tooMuch says why Slack does not take a message.
func tooMuch(message string, raw json.RawMessage) refusal {
	if units(message) > maxText {
		return "msg_too_long"
	}
	if len(raw) == 0 {
		return ""
	}
	var list []block
	if json.Unmarshal(raw, &list) != nil {
		return "invalid_blocks_format"
	}
	if units(string(raw)) > maxTotal {
		return "msg_blocks_too_long"
	}
	if len(list) > maxBlocks || wrongBlocks(list) {
		return "invalid_blocks"
	}
	return ""
}

func wrongBlocks(list []block) bool {
	ids := map[string]bool{}
	for _, b := range list {
		if len(b.ID) > 255 || b.ID != "" && ids[b.ID] {
			return true
		}
		ids[b.ID] = true
		switch b.Type {
		case "header":
			if b.Text == nil || b.Text.Type != "plain_text" || b.Text.wrong(maxHeader) {
				return true
			}
		case "section":
			if b.Text == nil && len(b.Fields) == 0 || b.Text != nil && b.Text.wrong(maxSection) || len(b.Fields) > 10 {
				return true
			}
			for _, f := range b.Fields {
				if f.wrong(2000) {
					return true
				}
			}
		case "context":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				return true
			}
			for _, e := range b.Elements {
				var t text
				if json.Unmarshal(e, &t) != nil || t.wrong(maxSection) {
					return true
				}
			}
		case "actions":
			if len(b.Elements) == 0 || len(b.Elements) > 25 {
				return true
			}
			for _, e := range b.Elements {
				var x struct {
					Type, Value, URL string
					ActionID         string `json:"action_id"`
					Text             *text
				}
				if json.Unmarshal(e, &x) != nil || x.Type != "button" || x.Text == nil || x.Text.Type != "plain_text" || x.Text.wrong(75) ||
					len(x.Value) > 2000 || len(x.URL) > 3000 || len(x.ActionID) > 255 {
					return true
				}
			}
		case "divider", "input":
		default:
			return true
		}
	}
	return false
}

// wrongView says why Slack does not open a modal.
func wrongView(raw string) refusal {
	var v struct {
		Type                 string
		Title, Submit, Close *text
		Meta                 string `json:"private_metadata"`
		Blocks               []block
	}
	if json.Unmarshal([]byte(raw), &v) != nil || v.Type != "modal" || v.Title == nil || len(v.Meta) > 3000 || len(v.Blocks) > 100 || wrongBlocks(v.Blocks) {
		return "invalid_arguments"
	}
	for _, t := range []*text{v.Title, v.Submit, v.Close} {
		if t != nil && (t.Type != "plain_text" || t.wrong(24)) {
			return "invalid_arguments"
		}
	}
	return ""
}
