package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) appsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "apps", Short: "List the apps, and show one"}
	cmd.AddCommand(c.appsListCommand(), c.appsShowCommand())
	return cmd
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
			rows := make([]record.AppSummary, len(list))
			for i := range list {
				rows[i] = record.AppSummaryOf(&list[i], asOf)
			}
			return appListing().print(c, format, slices.Values(rows))
		},
	}
	cmd.Flags().StringVar(&sort, "sort", "key", "key, or risk: open severity, accounts, days since approval")
	formatFlag(cmd, &format)
	return cmd
}

func appListing() listing[record.AppSummary] {
	l := listing[record.AppSummary]{
		none:   "no apps yet",
		record: func(r record.AppSummary) any { return r },
		columns: []column[record.AppSummary]{
			{name: "key", of: func(r record.AppSummary) string { return r.Key }},
			{name: "name", of: func(r record.AppSummary) string { return r.Name }},
			{name: "vendor", of: func(r record.AppSummary) string { return r.Vendor }},
			{name: "listed", of: func(r record.AppSummary) string { return looked(r.Listed, "") }},
			{name: "approved", of: func(r record.AppSummary) string {
				if r.Days == nil {
					return ""
				}
				return audit.Instant(r.Approved).Day().String()
			}},
		},
	}
	for _, s := range audit.Severities() {
		l.columns = append(l.columns, column[record.AppSummary]{name: string(s), of: func(r record.AppSummary) string { return strconv.Itoa(r.Open[string(s)]) }})
	}
	l.columns = append(l.columns, column[record.AppSummary]{name: "accounts", of: func(r record.AppSummary) string { return strconv.Itoa(r.Accounts) }})
	return l
}

func (c *cli) appsShowCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "show KEY",
		Example: "  mailreeve apps show com.brassbell.campaigns",
		Short:   "Show an app: what it declares, what was approved, what it did, its findings",
		Args:    cobra.ExactArgs(1),
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
			found, err := s.store.Findings(ctx, store.Filter{Apps: args, Statuses: audit.UnresolvedStatuses()})
			if err != nil {
				return err
			}
			files, err := s.store.EvidencePaths(ctx, found)
			if err != nil {
				return err
			}
			r := record.AppOf(facts, s.cfg.Policy, asOf, found, files)
			if format == asJSON {
				return record.Write(c.out, r, "  ")
			}
			return c.showApp(&r, found)
		},
	}
	formatFlag(cmd, &format, asTable, asJSON)
	return cmd
}

func (c *cli) showApp(r *record.App, found []audit.Finding) error {
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
