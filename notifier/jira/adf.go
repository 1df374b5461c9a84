package jira

import (
	"encoding/json"
	"unicode/utf16"
)

// The limits of Jira: characters as Java counts them.
const (
	maxSummary = 255
	maxText    = 32_767 // of a description or comment; the whole of its JSON is held to it, which is more than Jira counts
)

// A node is one of the Atlassian Document Format. Text in it is plain: nothing in it formats, links or mentions.
type node struct {
	Type    string         `json:"type"`
	Version int            `json:"version,omitempty"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	Text    string         `json:"text,omitempty"`
	Content []node         `json:"content,omitempty"`
}

// document is a document of as many of blocks as there is place for; more says what is said of n that there is none for.
func document(blocks [][]node, more func(n int) string) node {
	doc := node{Type: "doc", Version: 1}
	left := maxText - 1000 // for the last line, and what is around
	for i, b := range blocks {
		n := size(b)
		if n > left {
			doc.Content = append(doc.Content, paragraph(more(len(blocks)-i)))
			break
		}
		left -= n
		doc.Content = append(doc.Content, b...)
	}
	return doc
}

func size(nodes []node) int {
	text, err := json.Marshal(nodes)
	if err != nil {
		return maxText // strings and numbers can always be encoded
	}
	return len(text)
}

func paragraph(text string) node {
	p := node{Type: "paragraph"}
	if text != "" { // Jira refuses empty text
		p.Content = []node{{Type: "text", Text: text}}
	}
	return p
}

func heading(text string) node {
	h := paragraph(text)
	h.Type, h.Attrs = "heading", map[string]any{"level": 3}
	return h
}

// fit shortens s to most characters as Java counts them, the last of them … where it was longer.
func fit(s string, most int) string {
	n, end := 0, 0
	for i, r := range s {
		n += len(utf16.AppendRune(nil, r))
		if n > most {
			return s[:end] + "…"
		}
		if n < most {
			end = i + len(string(r))
		}
	}
	return s
}
