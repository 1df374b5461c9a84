package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

func (c *cli) appsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "apps", Short: "List the apps, and show one"}
	cmd.AddCommand(c.appsListCommand(), c.appsShowCommand())
	return cmd
}

// An appRow is an app in a list.
type appRow struct {
	Key      string         `json:"key"`
	Name     string         `json:"name"`
	Vendor   string         `json:"vendor"`
	Listed   bool           `json:"listed"` // in the registry
	Approved moment         `json:"approved_at"`
	Days     *int           `json:"days_since_approval"` // null: no approval is in force
	Open     map[string]int `json:"open"`                // findings, by severity
	Accounts int            `json:"accounts"`            // the most that one of these holds
}

func appRowOf(a *store.AppSummary, asOf audit.Instant) appRow {
	r := appRow{Key: a.Key, Name: a.Name, Vendor: a.Vendor, Listed: a.Listed, Approved: moment(audit.Never), Open: map[string]int{}, Accounts: a.Accounts}
	for _, s := range audit.Severities() {
		r.Open[string(s)] = a.Open[s]
	}
	decided, days := a.Approved(asOf)
	r.Approved, r.Days = moment(decided), days
	return r
}

func (c *cli) appsListCommand() *cobra.Command {
	var format, sort string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all apps of the registry and the logs",
		Example: "  mailreeve apps list --sort risk",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sort != "key" && sort != "risk" {
				return usagef("--sort: %q is neither key nor risk", sort)
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			list, err := s.store.AppsList(cmd.Context())
			if err != nil {
				return err
			}
			asOf, err := s.lastAsOf(cmd.Context())
			if err != nil {
				return err
			}
			if sort == "risk" {
				store.SortByRisk(list, asOf)
			}
			rows := make([]appRow, len(list))
			for i := range list {
				rows[i] = appRowOf(&list[i], asOf)
			}
			return appListing().print(c, format, slices.Values(rows))
		},
	}
	cmd.Flags().StringVar(&sort, "sort", "key", "key, or risk: open severity, accounts, days since approval")
	formatFlag(cmd, &format)
	return cmd
}

func appListing() listing[appRow] {
	l := listing[appRow]{
		none:   "no apps yet",
		record: func(r appRow) any { return r },
		columns: []column[appRow]{
			{name: "key", of: func(r appRow) string { return r.Key }},
			{name: "name", of: func(r appRow) string { return r.Name }},
			{name: "vendor", of: func(r appRow) string { return r.Vendor }},
			{name: "listed", of: func(r appRow) string { return looked(r.Listed, "") }},
			{name: "approved", of: func(r appRow) string {
				if r.Days == nil {
					return ""
				}
				return audit.Instant(r.Approved).Day().String()
			}},
		},
	}
	for _, s := range audit.Severities() {
		l.columns = append(l.columns, column[appRow]{name: string(s), of: func(r appRow) string { return strconv.Itoa(r.Open[string(s)]) }})
	}
	l.columns = append(l.columns, column[appRow]{name: "accounts", of: func(r appRow) string { return strconv.Itoa(r.Accounts) }})
	return l
}

// An appRecord is an app in JSON.
type appRecord struct {
	Key            string           `json:"key"`
	Listed         bool             `json:"listed"`
	Entry          *audit.App       `json:"entry"` // of the registry; null: none
	Approvals      []approvalRecord `json:"approvals"`
	FirstRetrieval moment           `json:"first_retrieval"`
	LastRetrieval  moment           `json:"last_retrieval"`
	LastReport     moment           `json:"last_report"`
	LearningUntil  moment           `json:"learning_until"` // its pattern of access is not judged before; null: it is judged, or there is none
	Sites          []siteRecord     `json:"sites"`
	Findings       []findingRecord  `json:"findings"` // that are not resolved
}

type approvalRecord struct {
	RequestID string               `json:"request_id"`
	Status    audit.ApprovalStatus `json:"status"`
	Decided   moment               `json:"decided_at"`
	Revoked   moment               `json:"revoked_at"`
	InForce   bool                 `json:"in_force"`
	Purposes  []string             `json:"purposes"`
	Accepted  []string             `json:"accepted"` // subjects of feature-drift
}

type siteRecord struct {
	Site   string `json:"cloud_id"`
	At     moment `json:"ts"` // of the last event
	Event  string `json:"event"`
	Active bool   `json:"active"`
}

func appRecordOf(f *audit.AppFacts, p *audit.Policy, asOf audit.Instant) appRecord {
	r := appRecord{Key: f.Key, Approvals: []approvalRecord{}, Sites: []siteRecord{}, Findings: []findingRecord{}}
	r.Entry, r.Listed = f.Entry()
	first, last, report := f.Span()
	r.FirstRetrieval, r.LastRetrieval, r.LastReport = moment(first), moment(last), moment(report)
	r.LearningUntil = moment(f.LearningUntil(p, asOf))
	for i := range f.Approvals {
		a := &f.Approvals[i]
		_, to := a.Span()
		if to == audit.Never {
			to = a.Revoked
		}
		r.Approvals = append(r.Approvals, approvalRecord{a.RequestID, a.Status, moment(a.Decided), moment(to), a.InForce(asOf),
			append([]string{}, a.Purposes...), append([]string{}, a.Accepted...)})
	}
	for _, e := range f.Sites(asOf) {
		r.Sites = append(r.Sites, siteRecord{e.Site, moment(e.At), e.Event.String(), e.Event.Active()})
	}
	return r
}

func (c *cli) appsShowCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show an app: what it declares, what was approved, what it did, its findings",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := c.openStore(ctx)
			if err != nil {
				return err
			}
			defer s.close()
			facts, err := s.store.App(ctx, args[0])
			if err != nil {
				return err
			}
			asOf, err := s.lastAsOf(ctx)
			if err != nil {
				return err
			}
			statuses, err := (&findingFlags{}).filter()
			if err != nil {
				return err
			}
			found, err := s.store.Findings(ctx, store.Filter{Apps: args, Statuses: statuses.Statuses})
			if err != nil {
				return err
			}
			files, err := s.files(ctx, found)
			if err != nil {
				return err
			}
			r := appRecordOf(facts, s.cfg.Policy, asOf)
			if format == asJSON {
				for i := range found {
					r.Findings = append(r.Findings, recordOf(&found[i], files))
				}
				return writeJSON(c.out, r, "  ")
			}
			return c.showApp(&r, found)
		},
	}
	formatFlag(cmd, &format, asTable, asJSON)
	return cmd
}

func (c *cli) showApp(r *appRecord, found []audit.Finding) error {
	name := r.Key
	if name == "" {
		name = "(calls by no app)"
	}
	fmt.Fprintln(c.out, shown(name))
	t := newTable(c.out)
	if a := r.Entry; a != nil {
		t.row("name", a.Name)
		t.row("kind", a.Kind)
		t.row("vendor", strings.Join(notEmpty(a.Vendor.Name, a.Vendor.ID, a.Vendor.Email), ", "))
		stores := "no statement"
		if a.Stores != nil {
			stores = looked(*a.Stores, "")
		}
		t.row("stores data", stores)
		t.row("scopes", strings.Join(a.Features.Scopes, " "))
		t.row("egress", strings.Join(a.Features.Egress, " "))
		t.row("domains", strings.Join(a.Features.Domains, " "))
		for _, n := range a.Notes {
			t.row("note", n)
		}
	}
	t.row("in the registry", looked(r.Listed, ""))
	t.row("retrievals", strings.Join(notEmpty(when(audit.Instant(r.FirstRetrieval)), when(audit.Instant(r.LastRetrieval))), " to "))
	t.row("last report", when(audit.Instant(r.LastReport)))
	if until := audit.Instant(r.LearningUntil); until != audit.Ever {
		t.row("purpose-drift", "learning what is usual until "+when(until))
	}
	active := 0
	for _, s := range r.Sites {
		if s.Active {
			active++
		}
	}
	t.row("sites", fmt.Sprintf("active on %d of %d", active, len(r.Sites)))
	if err := t.flush(); err != nil {
		return err
	}
	if len(r.Approvals) > 0 {
		fmt.Fprintln(c.out, "\nApprovals")
		t = newTable(c.out)
		t.row("REQUEST", "STATUS", "DECIDED", "ENDS", "IN FORCE", "PURPOSES", "ACCEPTED SINCE")
		for _, a := range r.Approvals {
			t.row(a.RequestID, string(a.Status), when(audit.Instant(a.Decided)), when(audit.Instant(a.Revoked)), looked(a.InForce, ""),
				strings.Join(a.Purposes, ", "), strings.Join(a.Accepted, ", "))
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(c.out, "\nNo findings that are not resolved.")
		return nil
	}
	fmt.Fprintln(c.out, "\nFindings that are not resolved")
	return findingListing(nil).print(c, asTable, slices.Values(found))
}
