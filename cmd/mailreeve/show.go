package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier"
)

func (c *cli) findingsShowCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "show ID",
		Example: "  mailreeve findings show F-Z47QJX",
		Short:   "Show a finding: why, the evidence, its history, what was done about it",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			x, err := record.Look(cmd.Context(), s.store, args[0])
			if err != nil {
				return err
			}
			if format == asJSON {
				return record.Write(c.out, x.Record(), "  ")
			}
			return (*seen)(x).write(c.out)
		},
	}
	formatFlag(cmd, &format, asTable, asJSON)
	return cmd
}

// A seen is a finding as the command line shows it.
type seen record.Seen

func (x *seen) write(w io.Writer) error {
	fmt.Fprintf(w, "%s  %s\n\n", x.ID, shown(x.Title))
	t := newTable(w)
	status := string(x.Status)
	if x.Reason != "" {
		status += " (" + x.Reason + ")"
	}
	if x.Worsened {
		status += ", worsened"
	}
	if x.Observed {
		status += ", " + notifier.Observed
	}
	t.row("status", status)
	t.row("severity", fmt.Sprintf("%s, %s", x.Severity, x.Confidence))
	t.row("check", fmt.Sprintf("%s, clause %s", x.Check, x.Clause))
	t.row("app", appText(x.Finding))
	if x.Subject != "" {
		t.row("subject", x.Subject)
	}
	t.row("counts", fmt.Sprintf("%s, %s, %s", count(x.Occurrences, "occurrence", "occurrences"), count(x.Accounts, "account", "accounts"), count(x.Sites, "site", "sites")))
	t.row("latest", fmt.Sprintf("%s added %s, %s", x.Latest.Run, count(x.Latest.Occurrences, "occurrence", "occurrences"), count(x.Latest.Accounts, "account", "accounts")))
	t.row("seen", when(x.FirstSeen)+" to "+when(x.LastSeen))
	t.row("runs", "filed by "+x.FirstRun+", last changed by "+x.LastRun)
	t.row("assignee", x.Assignee)
	if r := x.Recommendation; r != nil {
		text := r.Act + ", proposed by " + r.ProposedBy
		if r.DecidedBy != "" {
			text += "; decided by " + r.DecidedBy + ": " + r.Decision
		}
		t.row("recommended", text)
	}
	if record.IsSet(x.NotifiedAt) {
		t.row("notified", when(x.NotifiedAt)+", due "+when(x.DueAt))
	}
	t.row("judged by", fmt.Sprintf("policy %s, registry version %d", x.PolicyDigest, x.Registry))
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWhy\n%s\n\nWhat the vendor has to do\n%s\n", folded(x.Explanation, "  ", textWidth), folded(x.Remediation, "  ", textWidth))

	fmt.Fprintf(w, "\nEvidence\n")
	t = newTable(w)
	t.row("TIME", "SOURCE", "SITE", "ACCOUNT", "DETAIL")
	for _, e := range x.Evidence {
		t.row(instantText(e.At), record.Place(e.Source, x.Files), e.Site, e.Account, e.Detail)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if x.Accounts > len(x.Evidence) {
		fmt.Fprintf(w, "All %d accounts: mailreeve findings export %s\n", x.Accounts, x.ID)
	}

	if len(x.Acts) > 0 {
		fmt.Fprintf(w, "\nSuppressions and dismissals\n")
		t = newTable(w)
		t.row("SINCE", "KIND", "SITE", "UNTIL", "ENDED", "BY", "REASON")
		for _, a := range x.Acts {
			t.row(when(a.At), string(a.Kind), a.Site, when(a.Until), when(a.Ended), a.By, a.Reason)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	history := func(title string, comments bool) error {
		t := newTable(w)
		n := 0
		for _, e := range x.Trail {
			if (e.What == "commented") != comments {
				continue
			}
			if n++; n == 1 {
				fmt.Fprintf(w, "\n%s\n", title)
			}
			why := e.Why
			if e.Erased {
				why = "(erased)"
			}
			if comments {
				t.row(when(e.At), e.Who, why)
			} else {
				t.row(when(e.At), e.Who, e.What, strings.Join(notEmpty(detailText(e.Details), why), "; "))
			}
		}
		return t.flush()
	}
	if err := history("Timeline", false); err != nil {
		return err
	}
	return history("Comments", true)
}

func appText(f *audit.Finding) string {
	if f.App == "" {
		return "none: calls by no app"
	}
	text := f.App
	if f.AppName != "" {
		text += " (" + f.AppName + ")"
	}
	if f.Vendor != "" {
		text += " of " + f.Vendor
	}
	return text
}

// detailText is what an entry of the trail says in numbers and names, in words.
func detailText(details map[string]any) string {
	var out []string
	for _, d := range []struct{ key, words string }{
		{"added", "%s new"}, {"taken_away", "%s taken away"}, {"to", "now %s"}, {"assignee", "to %s"}, {"until", "until %s"}, {"site", "on site %s"},
		{"subject", "%s"}, {"act", "%s"}, {"notice", "%s"}, {"due", "due %s"},
	} {
		text := ""
		switch v := details[d.key].(type) {
		case string:
			text = v
		case float64:
			if v != 0 {
				text = strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		if text != "" {
			out = append(out, fmt.Sprintf(d.words, text))
		}
	}
	return strings.Join(out, ", ")
}

func notEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
