package config

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit"
)

// A sheet tells where in a YAML file its values stand.
type sheet struct {
	file string
	root *yaml.Node
}

func sheetOf(file string, text []byte) sheet {
	p := sheet{file: file}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) == nil && len(doc.Content) > 0 {
		p.root = doc.Content[0]
	}
	return p
}

// at is the line of what a path of keys and indexes leads to, or of the last of its steps that is in the file.
func (p sheet) at(path ...any) audit.Position {
	pos := audit.Position{File: p.file}
	n := p.root
	for _, step := range path {
		if n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n == nil {
			break
		}
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					next = n.Content[i+1]
					pos.Line = n.Content[i].Line
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
				pos.Line = next.Line
			}
		}
		n = next
	}
	return pos
}

// Moment is a time as YAML writes them.
type Moment audit.Instant

// UnmarshalYAML reads a time.
func (m *Moment) UnmarshalYAML(n *yaml.Node) error {
	var t time.Time
	if err := n.Decode(&t); err != nil {
		return fmt.Errorf("line %d: %q is no time: write it like 2024-01-01T00:00:00Z", n.Line, n.Value)
	}
	*m = Moment(audit.At(t))
	return nil
}

// MarshalYAML writes a time so that it can be read again.
func (m Moment) MarshalYAML() (any, error) { return audit.Instant(m).Time(), nil }

// Date is a moment as people write it: a day, which begins at 00:00 UTC, or RFC 3339.
type Date audit.Instant

// UnmarshalYAML reads a date.
func (d *Date) UnmarshalYAML(n *yaml.Node) error {
	t, ok := audit.ParseEnd(strings.TrimSpace(n.Value))
	if !ok {
		return fmt.Errorf("line %d: %q is no date: write it like 2027-06-30, or 2027-06-30T12:00:00Z", n.Line, n.Value)
	}
	*d = Date(t)
	return nil
}
