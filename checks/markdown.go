package checks

import (
	"fmt"
	"io"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// Doc writes docs/checks.md: the catalogue, from the checks themselves.
func Doc(w io.Writer) error {
	_, err := io.WriteString(w, Markdown())
	return err
}

// Markdown is the catalogue as Doc writes it.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Checks

<!-- Written by checks.Doc from the checks themselves: go test ./checks -run TestDoc -update -->

What mailreeve finds, by which rule of the guideline, and where exactly each rule begins and ends. An **event** happened, and its finding stays until a
person resolves it; a **state** holds, and its finding resolves itself when it no longer does. Every number is a default of the policy file. Days are UTC
days; a retrieval is a call with status 200 and at least one account; the account id ` + "`unknown`" + ` is no account. The last two paragraphs of each check are
its proof: a case that breaks the rule, and one that nearly does.

| check | clause | finds | is | severity | confidence |
|---|---|---|---|---|---|
`)
	all := Catalogue()
	for _, parts := range all {
		c := &parts[0]
		severity, confidence := string(c.Severity), string(c.Confidence)
		if c.Grade != nil {
			severity, confidence = "by subject", "by subject"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s | %s |\n", c.ID, c.ID, c.Clause, c.Finds, c.Nature, severity, confidence)
	}
	for _, parts := range all {
		section(&b, parts)
	}
	return b.String()
}

func section(b *strings.Builder, parts []audit.Check) {
	c := &parts[0]
	fmt.Fprintf(b, "\n## %s\n\n", c.ID)
	fmt.Fprintf(b, "**Clause %s.** Finds %s. It is %s %s", c.Clause, c.Finds, article(string(c.Nature)), c.Nature)
	if len(parts) == 1 {
		fmt.Fprintf(b, "; needs %s.\n\n", needs(c))
		rule(b, c)
		fmt.Fprintf(b, "**What the vendor has to do.** %s\n\n", c.Remediation)
		proof(b, c)
		return
	}
	fmt.Fprintf(b, ". It has %d parts, each a subject of its own.\n\n**What the vendor has to do.** %s\n", len(parts), c.Remediation)
	for i := range parts {
		c := &parts[i]
		fmt.Fprintf(b, "\n### %s: %s\n\nNeeds %s.\n\n", c.ID, c.Part, needs(c))
		rule(b, c)
		proof(b, c)
	}
}

func rule(b *strings.Builder, c *audit.Check) {
	rule, boundaries, _ := strings.Cut(c.Rule, "\n\nBoundaries: ")
	fmt.Fprintf(b, "**Rule.** %s\n\n**Boundaries.** %s\n\n", rule, upper(boundaries))
}

func proof(b *strings.Builder, c *audit.Check) {
	fmt.Fprintf(b, "**Breaks it:** %s *Found: %s.*\n\n", c.Proof.Violates.Story, found(c, c.Proof.Violates.Finds))
	fmt.Fprintf(b, "**Nearly:** %s *Found: %s.*\n", c.Proof.Complies.Story, found(c, c.Proof.Complies.Finds))
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}

func needs(c *audit.Check) string {
	var list []string
	for _, k := range c.Needs {
		list = append(list, "`"+string(k)+"`")
	}
	s := strings.Join(list, ", ")
	for _, k := range c.NeedsIfSet {
		s += ", and `" + string(k) + "` where configured"
	}
	if len(c.NeedsOneOf) > 0 {
		var list []string
		for _, k := range c.NeedsOneOf {
			list = append(list, "`"+string(k)+"`")
		}
		s += ", and " + strings.Join(list, " or ") + ", whichever is configured"
	}
	if c.Purposes {
		s += ", with purposes logged"
	}
	return s
}

func found(c *audit.Check, list []audit.Found) string {
	if len(list) == 0 {
		return "nothing"
	}
	var out []string
	for _, f := range list {
		var s []string
		if f.Subject != "" {
			s = append(s, "`"+f.Subject+"`")
		}
		if c.Nature == audit.IsEvent {
			s = append(s, count(f.Occurrences, "occurrence", "occurrences"))
			if !c.NoAccounts {
				s = append(s, accounts(f.Accounts))
			}
			if !c.NoSites {
				s = append(s, sites(f.Sites))
			}
		}
		if len(s) == 0 {
			s = []string{"it holds"}
		}
		out = append(out, strings.Join(s, ", "))
	}
	return strings.Join(out, "; ")
}
