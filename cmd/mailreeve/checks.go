package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) checksCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "checks", Short: "List the checks, explain one, and test rules of your own"}
	cmd.AddCommand(c.checksListCommand(), c.checksExplainCommand(), c.checksTestCommand())
	return cmd
}

// needsOf is the sources that a check needs, in words.
func needsOf(c *audit.Check) string {
	needs := joined(c.Needs)
	for _, k := range c.NeedsIfSet {
		needs += ", " + string(k) + " where configured"
	}
	if len(c.NeedsOneOf) > 0 {
		needs += ", " + strings.Join(strings.Split(joined(c.NeedsOneOf), ", "), " or ")
	}
	if c.Purposes {
		needs += ", with purposes logged"
	}
	return needs
}

func (c *cli) checksListCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "list",
		Example: "  mailreeve checks list\n  mailreeve checks list --format json",
		Short:   "List the checks",
		RunE: func(*cobra.Command, []string) error {
			set, _, err := c.configured()
			if err != nil {
				return err
			}
			now := audit.At(c.clock())
			return listing[[]audit.Check]{
				record: func(x []audit.Check) any { return record.CheckOf(x) },
				columns: []column[[]audit.Check]{
					{name: "id", of: func(x []audit.Check) string { return x[0].ID }},
					{name: "clause", of: func(x []audit.Check) string { return x[0].Clause }},
					{name: "severity", of: func(x []audit.Check) string { return x[0].Graded() }},
					{name: "confidence", of: func(x []audit.Check) string { return string(x[0].Confidence) }, wide: true},
					{name: "is", of: func(x []audit.Check) string { return string(x[0].Nature) }},
					{name: "needs", of: func(x []audit.Check) string {
						var needs []string
						for i := range x {
							needs = append(needs, joined(x[i].Needs))
						}
						return strings.Join(needs, "; or ")
					}, wide: true},
					{name: "policy", of: func(x []audit.Check) string { return x[0].Standing(now) }, wide: true},
					{name: "finds", of: func(x []audit.Check) string { return x[0].Finds }},
				},
			}.print(c, format, slices.Values(set.Catalogue()))
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func (c *cli) checksExplainCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "explain ID",
		Example: "  mailreeve checks explain report-overdue",
		Short:   "Explain a check: its rule, its boundaries, and what the vendor has to do",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (ids []cobra.Completion, _ cobra.ShellCompDirective) {
			if set, _, err := c.configured(); err == nil && len(args) == 0 {
				for _, parts := range set.Catalogue() {
					ids = append(ids, cobra.CompletionWithDesc(parts[0].ID, parts[0].Finds))
				}
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			set, policy, err := c.configured()
			if err != nil {
				return err
			}
			parts := set.Parts(args[0])
			if len(parts) == 0 {
				return fmt.Errorf("there is no check %q: mailreeve checks list shows them", args[0])
			}
			if format == asJSON {
				return record.Write(c.out, record.CheckOf(parts), "  ")
			}
			check := &parts[0]
			grade := fmt.Sprintf("%s, %s", check.Severity, check.Confidence)
			if check.Grade != nil {
				grade += " at most, by subject"
			}
			fmt.Fprintf(c.out, "%s (%s): finds %s\n\nseverity    %s\nis          %s\n", check.ID, check.Clause, check.Finds, grade, natureText(check.Nature))
			if x := check.Standing(audit.At(c.clock())); x != "" {
				fmt.Fprintf(c.out, "policy      %s\n", x)
			}
			if x := policy.Clause(check.Clause); x != nil && x.URL != "" {
				fmt.Fprintf(c.out, "clause at   %s\n", shown(x.URL))
			}
			for i := range parts {
				part := &parts[i]
				rule, boundaries, _ := strings.Cut(part.Rule, "\n\nBoundaries: ")
				if boundaries != "" {
					boundaries = strings.ToUpper(boundaries[:1]) + boundaries[1:]
				}
				clause := checks.Clause(policy, part.Clause)
				if i > 0 {
					clause = "" // it was told
				}
				if part.Part != "" {
					fmt.Fprintf(c.out, "\nsubject     %s\n", part.Part)
				}
				fmt.Fprintf(c.out, "needs       %s\n", needsOf(part))
				by := "" // whose numbers the stories go by
				if all := checks.Parts(part.ID); len(all) > i && all[i].Rule != part.Rule {
					by = " (by the numbers and purposes of the built-in policy)"
				}
				for _, x := range [][2]string{{"Clause " + part.Clause, clause}, {"Rule", rule}, {"Boundaries", boundaries}, {"What the vendor has to do", part.Remediation},
					{"Breaks it" + by, part.Proof.Violates.Story}, {"Nearly does" + by, part.Proof.Complies.Story}} {
					if x[1] != "" {
						fmt.Fprintf(c.out, "\n%s\n%s\n", x[0], folded(x[1], "  ", textWidth))
					}
				}
			}
			return nil
		},
	}
	formatFlag(cmd, &format, asTable, asJSON)
	return cmd
}

// configured are the checks under the policy of the configuration, or of none where there is no configuration.
func (c *cli) configured() (checks.Set, *audit.Policy, error) {
	if _, err := config.Find(); c.config == "" && err != nil {
		return checks.All(), audit.DefaultPolicy(), nil
	}
	cfg, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	return c.checks, cfg.Policy, nil
}

func (c *cli) checksTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "test FILE…",
		Example: "  mailreeve checks test rules/*.yaml",
		Short:   "Test rules of your own by their examples",
		Long: `test reads files of rules, type-checks what they say, and holds each rule against its examples: those that violate it and those that comply.
It needs no store and changes nothing. Where there is a configuration, clauses that its policy words are known. docs/rules.md is about rules.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, policy, err := c.configured()
			if err != nil {
				return err
			}
			alone := audit.DefaultPolicy()
			alone.Clauses, alone.Scopes = policy.Clauses, policy.Scopes
			for _, path := range args {
				list, err := config.ReadRules(path, alone)
				if err != nil {
					return err
				}
				alone.Own = append(alone.Own, list...)
			}
			if _, err := checks.For(alone); err != nil {
				return err
			}
			for i := range alone.Own {
				r := &alone.Own[i]
				fmt.Fprintf(c.out, "ok  %s: %s, %s\n", r.ID, count(len(r.Violates), "example violates it", "examples violate it"), count(len(r.Complies), "complies", "comply"))
			}
			return nil
		},
	}
}

func natureText(n audit.Nature) string {
	if n == audit.IsState {
		return "state: it holds now, and resolves itself when it no longer does"
	}
	return "event: it happened, and stays until a person resolves it"
}

// textWidth is how wide running text is printed.
const textWidth = 100

// folded is a text in lines of at most a width where words allow, each after an indent. Paragraphs stay.
func folded(s, indent string, width int) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		room := 0
		for j, word := range strings.Fields(paragraph) {
			word = shown(word)
			n := len([]rune(word))
			switch {
			case j == 0:
				b.WriteString(indent)
				room = width - len(indent) - n
			case n+1 > room:
				b.WriteString("\n" + indent)
				room = width - len(indent) - n
			default:
				b.WriteString(" ")
				room -= n + 1
			}
			b.WriteString(word)
		}
	}
	return b.String()
}
