package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/internal/ocsf"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) findingsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "findings",
		Short: "List findings, show one, export them, act on them",
		Long: `A finding says that an app breaks a rule. It grows while that goes on, and stays until a person resolves it or, where it is about what holds
now, until it no longer holds. An ID may be cut short as long as it is the only one that begins so.`,
	}
	cmd.AddCommand(c.findingsListCommand(), c.findingsShowCommand(), c.findingsExportCommand())
	cmd.AddCommand(c.actCommands()...)
	return cmd
}

func (c *cli) findingsListCommand() *cobra.Command {
	var pick findingFlags
	var format string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List findings that are not resolved, the worst first",
		Example: "  mailreeve findings list --severity critical,high\n  mailreeve findings list --status all --app com.brassbell.campaigns --format json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := pick.filter(c)
			if err != nil {
				return err
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			return c.listFindings(cmd.Context(), s, filter, format)
		},
	}
	pick.add(cmd)
	formatFlag(cmd, &format)
	return cmd
}

// listFindings prints the findings that a filter asks for.
func (c *cli) listFindings(ctx context.Context, s *system, filter store.Filter, format string) error {
	list, err := s.store.Findings(ctx, filter)
	if err != nil {
		return err
	}
	if format == asOCSF {
		events := make([]*audit.Finding, len(list))
		for i := range list {
			events[i] = &list[i]
		}
		return c.printEvents(ctx, s, events)
	}
	var files map[uint32]string
	if format == asJSON || format == asJSONL {
		if files, err = s.store.EvidencePaths(ctx, list); err != nil {
			return err
		}
	}
	return findingListing(files).print(c, format, slices.Values(list))
}

// findingFlags is how the command line picks findings.
type findingFlags struct {
	statuses, severities, checks, runs []string
	apps, vendors                      []string
	limit                              int
}

func (p *findingFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&p.statuses, "status", nil, "all, or some of "+joined(audit.Statuses())+" (default: all but resolved)")
	f.StringSliceVar(&p.severities, "severity", nil, "some of "+joined(audit.Severities()))
	f.StringSliceVar(&p.checks, "check", nil, "ids of checks, as in mailreeve checks list")
	f.StringArrayVar(&p.apps, "app", nil, `key of an app; "" for calls by no app; may be given more than once`)
	f.StringArrayVar(&p.vendors, "vendor", nil, "name or id of a vendor; may be given more than once")
	f.StringSliceVar(&p.runs, "run", nil, "ids of runs that filed it or changed it last")
	f.IntVar(&p.limit, "limit", 0, "at most so many (default: all)")
	completes(cmd, "status", append([]audit.Status{"all"}, audit.Statuses()...))
	completes(cmd, "severity", audit.Severities())
}

func joined[S ~string](list []S) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

func (p *findingFlags) filter(c *cli) (store.Filter, error) {
	f := store.Filter{Checks: p.checks, Apps: p.apps, Vendors: p.vendors, Limit: p.limit}
	if p.limit < 0 {
		return f, usagef("--limit: give 0 or more")
	}
	for _, s := range p.statuses {
		switch status := audit.Status(s); {
		case s == "all":
			f.Statuses = audit.Statuses()
		case slices.Contains(audit.Statuses(), status):
			f.Statuses = append(f.Statuses, status)
		default:
			return f, usagef("--status: %q is none of all, %s", s, joined(audit.Statuses()))
		}
	}
	if len(p.statuses) == 0 {
		f.Statuses = audit.UnresolvedStatuses()
	}
	for _, s := range p.severities {
		severity := audit.Severity(s)
		if !slices.Contains(audit.Severities(), severity) {
			return f, usagef("--severity: %q is none of %s", s, joined(audit.Severities()))
		}
		f.Severities = append(f.Severities, severity)
	}
	var known checks.Set
	if len(p.checks) > 0 {
		var err error
		if known, _, err = c.configured(); err != nil {
			return f, err
		}
	}
	for _, id := range p.checks {
		if _, ok := known.Get(id); !ok {
			return f, usagef("--check: there is no check %q: mailreeve checks list shows them", id)
		}
	}
	for _, id := range p.runs {
		f.Runs = append(f.Runs, strings.ToUpper(id))
	}
	return f, nil
}

// findingListing is how findings are listed. files are those that their evidence comes from, for JSON.
func findingListing(files map[uint32]string) listing[audit.Finding] {
	type F = audit.Finding
	n := func(of func(F) int) func(F) string { return func(f F) string { return strconv.Itoa(of(f)) } }
	return listing[F]{
		none:   "no findings",
		record: func(f F) any { return record.FindingOf(&f, files) },
		columns: []column[F]{
			{name: "id", of: func(f F) string { return f.ID }},
			{name: "severity", of: func(f F) string { return string(f.Severity) }},
			{name: "status", of: func(f F) string { return string(f.Status) }, told: func(f F) string {
				if f.Observed {
					return string(f.Status) + ", observed"
				}
				return string(f.Status)
			}},
			{name: "check", of: func(f F) string { return f.Check }},
			{name: "clause", of: func(f F) string { return f.Clause }, wide: true},
			{name: "confidence", of: func(f F) string { return string(f.Confidence) }, wide: true},
			{name: "app key", of: func(f F) string { return f.App }},
			{name: "app name", of: func(f F) string { return f.AppName }, wide: true},
			{name: "vendor", of: func(f F) string { return f.Vendor }, wide: true},
			{name: "subject", of: func(f F) string { return f.Subject }},
			{name: "title", of: func(f F) string { return f.Title }, wide: true},
			{name: "occurrences", of: n(func(f F) int { return f.Occurrences })},
			{name: "accounts", of: n(func(f F) int { return f.Accounts })},
			{name: "sites", of: n(func(f F) int { return f.Sites })},
			{name: "first seen", at: func(f F) audit.Instant { return f.FirstSeen }, wide: true},
			{name: "last seen", at: func(f F) audit.Instant { return f.LastSeen }},
			{name: "first run", of: func(f F) string { return f.FirstRun }, wide: true},
			{name: "last run", of: func(f F) string { return f.LastRun }, wide: true},
			{name: "notified at", at: func(f F) audit.Instant { return f.NotifiedAt }, wide: true},
			{name: "due at", at: func(f F) audit.Instant { return f.DueAt }, wide: true},
			{name: "worsened", of: func(f F) string { return strconv.FormatBool(f.Worsened) }, wide: true},
			{name: "observed", of: func(f F) string { return strconv.FormatBool(f.Observed) }, wide: true},
			{name: "assignee", of: func(f F) string { return f.Assignee }, wide: true},
			{name: "policy", of: func(f F) string { return f.PolicyDigest }, wide: true},
			{name: "reason", of: func(f F) string { return f.Reason }, wide: true, prose: true},
			{name: "recommendation", of: func(f F) string {
				if f.Recommendation == nil {
					return ""
				}
				return cmp.Or(f.Recommendation.Decision, f.Recommendation.Act+", not decided")
			}, wide: true, prose: true},
			{name: "explanation", of: func(f F) string { return f.Explanation }, wide: true, prose: true},
			{name: "remediation", of: func(f F) string { return f.Remediation }, wide: true, prose: true},
		},
	}
}

func (c *cli) findingsExportCommand() *cobra.Command {
	var pick findingFlags
	var format string
	cmd := &cobra.Command{
		Use:   "export [ID…]",
		Short: "Write all accounts of some findings, or all findings as records, for spreadsheets, or for other systems",
		Long: `With IDs, export writes the full list of account ids of these findings, one a row: finding, check, app_key, subject, account_id.
Without, it writes the findings that mailreeve findings list with the same options would list.

csv is for programs, and as findings list has it. excel is the same for spreadsheets: CSV with a byte order mark, a finding a row with all its texts, times in UTC that
a spreadsheet can reckon with. ocsf is each finding, also with IDs, as an event of the Open Cybersecurity Schema Framework ` + ocsf.Version + `, class Compliance Finding
(2003), one a line.`,
		Example: "  mailreeve findings export F-Z47QJX --format csv > accounts.csv\n  mailreeve findings export --format excel > findings.csv\n  mailreeve findings export --status all --format ocsf > findings.ocsf.jsonl",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter, err := pick.filter(c)
			if err != nil {
				return err
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			if len(ids) == 0 {
				return c.listFindings(cmd.Context(), s, filter, format)
			}
			list, err := s.named(cmd.Context(), ids)
			if err != nil {
				return err
			}
			if format == asOCSF {
				return c.printEvents(cmd.Context(), s, list)
			}
			return c.exportAccounts(cmd.Context(), s, list, format)
		},
	}
	pick.add(cmd)
	formatFlag(cmd, &format, asTable, asJSON, asJSONL, asCSV, asExcel, asOCSF)
	return cmd
}

// printEvents writes findings as events of OCSF.
func (c *cli) printEvents(ctx context.Context, s *system, list []*audit.Finding) error {
	version, _ := build()
	for list := range slices.Chunk(list, 500) {
		ids, found := make([]string, len(list)), make([]audit.Finding, len(list))
		for i, f := range list {
			ids[i], found[i] = f.ID, *f
		}
		files, err := s.store.EvidencePaths(ctx, found)
		if err != nil {
			return err
		}
		spans, err := s.store.TrailSpans(ctx, ids)
		if err != nil {
			return err
		}
		err = listing[*audit.Finding]{record: func(f *audit.Finding) any {
			check, _ := s.checks.Get(f.Check)
			span := spans[f.ID]
			return ocsf.EventOf(ocsf.Finding{Finding: f, Created: span.First, Changed: span.Last, Check: check.Finds, Clause: checks.Clause(s.cfg.Policy, f.Clause),
				Place: func(x audit.Source) string { return record.Place(x, files) }, Version: version})
		}}.print(c, asJSONL, slices.Values(list))
		if err != nil {
			return err
		}
	}
	return nil
}

// named gives the findings that the command line names, each once.
func (s *system) named(ctx context.Context, ids []string) ([]*audit.Finding, error) {
	var list []*audit.Finding
	for _, id := range ids {
		f, err := s.store.Finding(ctx, id)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(x *audit.Finding) bool { return x.ID == f.ID }) {
			list = append(list, f)
		}
	}
	return list, nil
}

// An accountRow is one account of one finding.
type accountRow struct {
	Finding string `json:"finding"`
	Check   string `json:"check"`
	AppKey  string `json:"app_key"`
	Subject string `json:"subject"`
	Account string `json:"account_id"`
}

// accountListing is how accounts of findings are listed.
func accountListing() listing[accountRow] {
	return listing[accountRow]{
		record: func(r accountRow) any { return r },
		columns: []column[accountRow]{
			{name: "finding", of: func(r accountRow) string { return r.Finding }},
			{name: "check", of: func(r accountRow) string { return r.Check }},
			{name: "app key", of: func(r accountRow) string { return r.AppKey }},
			{name: "subject", of: func(r accountRow) string { return r.Subject }},
			{name: "account id", of: func(r accountRow) string { return r.Account }},
		},
	}
}

// accountRows is all accounts of a finding.
func accountRows(f *audit.Finding, set audit.IDs) iter.Seq[accountRow] {
	return func(yield func(accountRow) bool) {
		for i := range set.Len() {
			if !yield(accountRow{f.ID, f.Check, f.App, f.Subject, set.At(i)}) {
				return
			}
		}
	}
}

func (c *cli) exportAccounts(ctx context.Context, s *system, list []*audit.Finding, format string) error {
	sets := make([]audit.IDs, len(list))
	for i, f := range list {
		var err error
		if sets[i], err = s.store.Accounts(ctx, f.ID); err != nil {
			return err
		}
		if sets[i].Len() == 0 {
			fmt.Fprintf(c.err, "%s (%s) is about no accounts\n", f.ID, f.Check)
		}
	}
	rows := func(yield func(accountRow) bool) {
		for i, f := range list {
			for row := range accountRows(f, sets[i]) {
				if !yield(row) {
					return
				}
			}
		}
	}
	return accountListing().print(c, format, rows)
}
