package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// rulesFile is a file of rules of a platform's own.
type rulesFile struct {
	Rules []ruleEntry `yaml:"rules"`
}

type ruleEntry struct {
	ID          string       `yaml:"id"`
	Clause      string       `yaml:"clause"`
	Severity    string       `yaml:"severity"`
	Confidence  string       `yaml:"confidence"`
	Finds       string       `yaml:"finds"`
	When        scalar       `yaml:"when"`
	Subject     scalar       `yaml:"subject"`
	Title       scalar       `yaml:"title"`
	Remediation string       `yaml:"remediation"`
	Examples    exampleEntry `yaml:"examples"`
}

type exampleEntry struct {
	Violates []yaml.Node `yaml:"violates"`
	Complies []yaml.Node `yaml:"complies"`
}

// scalar is a text that knows where it stands.
type scalar struct {
	text string
	yaml.Node
}

// UnmarshalYAML reads a text.
func (s *scalar) UnmarshalYAML(n *yaml.Node) error {
	s.Node = *n
	return n.Decode(&s.text)
}

// ReadRules reads a file of rules of a platform's own, whose e-mail scopes p has. What its expressions mean is not looked at.
func ReadRules(path string, p *audit.Policy) ([]audit.OwnRule, error) {
	return readRules(path, path, p)
}

// readRules reads the file at path, which errors call name.
func readRules(name, path string, p *audit.Policy) ([]audit.OwnRule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return parseRules(name, text, p)
}

func parseRules(name string, text []byte, p *audit.Policy) ([]audit.OwnRule, error) {
	var f rulesFile
	if err := decode(name, text, &f); err != nil {
		return nil, err
	}
	in, lines := sheetOf(name, text), strings.Split(string(text), "\n")
	var wrong mistakes
	var out []audit.OwnRule
	for i := range f.Rules {
		e := &f.Rules[i]
		at := in.at("rules", i)
		missing := func(key, value string) {
			if strings.TrimSpace(value) == "" {
				wrong.add(at, "%s is missing", key)
			}
		}
		missing("id", e.ID)
		missing("clause", e.Clause)
		missing("severity", e.Severity)
		missing("when", e.When.text)
		missing("title", e.Title.text)
		if e.ID != "" && !checkName.MatchString(e.ID) {
			wrong.add(in.at("rules", i, "id"), "id: %q is no name of a rule: a small letter, then up to 63 small letters, digits and hyphens", e.ID)
		}
		if e.Severity != "" && !slices.Contains(audit.Severities(), audit.Severity(e.Severity)) {
			wrong.add(in.at("rules", i, "severity"), "severity: %q is none of critical, high, medium, low", e.Severity)
		}
		confidence := audit.Confidence(cmp.Or(e.Confidence, string(audit.Certain)))
		if !slices.Contains([]audit.Confidence{audit.Certain, audit.Likely, audit.Possible}, confidence) {
			wrong.add(in.at("rules", i, "confidence"), "confidence: %q is none of certain, likely, possible", e.Confidence)
		}
		r := audit.OwnRule{ID: e.ID, Clause: e.Clause, Severity: audit.Severity(e.Severity), Confidence: confidence,
			When: e.When.text, Subject: e.Subject.text, Title: address.Redact(strings.TrimSpace(e.Title.text)),
			Finds: address.Redact(strings.TrimSpace(e.Finds)), Remediation: address.Redact(strings.TrimSpace(e.Remediation)), At: at,
			WhenAt: e.When.at(name, lines), SubjectAt: e.Subject.at(name, lines), TitleAt: e.Title.at(name, lines)}
		if len(e.Examples.Violates) == 0 || len(e.Examples.Complies) == 0 {
			wrong.add(at, "examples: give one or more under violates, and under complies: a rule is held against them before it judges anything")
		}
		for _, x := range []struct {
			from []yaml.Node
			to   *[]audit.Example
		}{{e.Examples.Violates, &r.Violates}, {e.Examples.Complies, &r.Complies}} {
			for j := range x.from {
				example, err := readExample(name, &x.from[j], p)
				if err != nil {
					wrong = append(wrong, err)
					continue
				}
				*x.to = append(*x.to, example)
			}
		}
		out = append(out, r)
	}
	if len(f.Rules) == 0 && len(wrong) == 0 {
		return nil, fmt.Errorf("%s: there is no rule in it: list them under rules", name)
	}
	return out, errors.Join(wrong...)
}

// at is where the first character of the text stands. Column is 0 where the file has the text in another shape: folded, or on several lines.
func (s *scalar) at(file string, lines []string) audit.Position {
	p := audit.Position{File: file, Line: s.Line, Column: s.Column}
	switch {
	case s.Line == 0:
		return audit.Position{File: file}
	case s.Style&yaml.LiteralStyle != 0:
		for i := s.Line; i < len(lines); i++ {
			if text := strings.TrimLeft(lines[i], " "); text != "" {
				return audit.Position{File: file, Line: s.Line + 1, Column: len(lines[i]) - len(text) + 1}
			}
		}
	case s.Style&yaml.FoldedStyle != 0:
		p.Column = 0
	case s.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		p.Column++
	}
	if s.Line <= len(lines) && s.Style&yaml.FoldedStyle == 0 && !strings.Contains(lines[s.Line-1], s.text) {
		p.Column = 0
	}
	return p
}

// exampleAsOf is when examples play that do not say when.
const exampleAsOf = "2026-11-22T02:30:00Z"

// readExample reads an app in figures: the fields that rules see, and story and subjects.
func readExample(file string, n *yaml.Node, p *audit.Policy) (audit.Example, error) {
	at := audit.Position{File: file, Line: n.Line}
	x := struct {
		Story    string   `json:"story"`
		Subjects []string `json:"subjects"`
		audit.Figures
	}{}
	x.AsOf, _ = time.Parse(time.RFC3339, exampleAsOf)
	var plain any
	if err := n.Decode(&plain); err != nil {
		return audit.Example{}, fmt.Errorf("%s: %w", written(at), err)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return audit.Example{}, fmt.Errorf("%s: examples: %w", written(at), err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return audit.Example{}, fmt.Errorf("%s: examples: %s: docs/rules.md lists what an example may say", written(at), strings.TrimPrefix(err.Error(), "json: "))
	}
	x.Complete(p)
	return audit.Example{Story: address.Redact(x.Story), Figures: &x.Figures, Subjects: x.Subjects, At: at}, nil
}
