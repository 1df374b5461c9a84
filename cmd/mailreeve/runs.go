package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) runsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "List audits, show one, what each looked at, and when the next ones come"}
	cmd.AddCommand(c.runsListCommand(), c.runsShowCommand(), c.runsCoverageCommand(), c.runsNextCommand())
	return cmd
}

func (c *cli) runsListCommand() *cobra.Command {
	var format string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Example: "  mailreeve runs list\n  mailreeve runs list --limit 7 --format json",
		Short:   "List the runs, the newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit: give 0 or more")
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			list, err := s.store.Runs(cmd.Context(), limit)
			if err != nil {
				return err
			}
			type R = audit.Run
			n := func(of func(*audit.FindingCounts) int) func(R) string {
				return func(r R) string { return strconv.Itoa(of(&r.Summary.Findings)) }
			}
			return listing[R]{
				none:   "no runs yet",
				record: func(r R) any { return record.RunOf(&r) },
				columns: []column[R]{
					{name: "id", of: func(r R) string { return r.ID }},
					{name: "status", of: func(r R) string { return string(r.Status) }},
					{name: "as of", at: func(r R) audit.Instant { return r.AsOf }},
					{name: "scheduled at", at: func(r R) audit.Instant { return r.ScheduledAt }, wide: true},
					{name: "started at", at: func(r R) audit.Instant { return r.StartedAt }, wide: true},
					{name: "finished at", at: func(r R) audit.Instant { return r.FinishedAt }, wide: true},
					{name: "how", of: func(r R) string { return r.Began() }},
					{name: "by", of: func(r R) string { return r.By }, wide: true},
					{name: "new", of: n(func(f *audit.FindingCounts) int { return f.New })},
					{name: "reopened", of: n(func(f *audit.FindingCounts) int { return f.Reopened })},
					{name: "worsened", of: n(func(f *audit.FindingCounts) int { return f.Worsened })},
					{name: "resolved", of: n(func(f *audit.FindingCounts) int { return f.Resolved })},
					{name: "withdrawn", of: n(func(f *audit.FindingCounts) int { return f.Withdrawn })},
					{name: "open", of: n(func(f *audit.FindingCounts) int { return f.Open })},
					{name: "note", of: func(r R) string { return r.Note() }},
				},
			}.print(c, format, slices.Values(list))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (default: all)")
	formatFlag(cmd, &format)
	return cmd
}

func (c *cli) runsShowCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "show ID",
		Example: "  mailreeve runs show R-000001",
		Short:   "Show what a run read, looked at and found",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			r, err := s.store.Run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if format == asJSON {
				return record.Write(c.out, record.RunOf(r), "  ")
			}
			return c.showRun(r)
		},
	}
	formatFlag(cmd, &format, asTable, asJSON)
	return cmd
}

func (c *cli) showRun(r *audit.Run) error {
	fmt.Fprintf(c.out, "%s  %s, %s by %s\n", r.ID, r.Status, r.Began(), shown(r.By))
	t := newTable(c.out)
	t.row("as of", instantText(r.AsOf))
	if r.ScheduledAt != audit.Never {
		t.row("scheduled at", instantText(r.ScheduledAt))
	}
	t.row("started at", instantText(r.StartedAt))
	t.row("finished at", instantText(r.FinishedAt))
	if r.Error != "" {
		t.row("error", r.Error)
	}
	if err := t.flush(); err != nil || r.Status != audit.Finished {
		return err
	}
	sum := &r.Summary
	fmt.Fprintln(c.out, "\nSources")
	t = newTable(c.out)
	t.row("KIND", "PATH", "LINES", "FACTS", "DUPLICATES", "QUARANTINED", "EXPIRED", "NEWEST", "LOOKED")
	for _, s := range sum.Sources {
		t.row(string(s.Kind), s.Path, strconv.FormatInt(s.Lines, 10), strconv.FormatInt(s.Facts, 10), strconv.FormatInt(s.Duplicates, 10),
			strconv.FormatInt(s.Quarantined, 10), strconv.FormatInt(s.Expired, 10), instantText(s.Newest), looked(s.Looked, s.Trouble))
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "\nChecks")
	t = newTable(c.out)
	for _, x := range sum.Checks {
		t.row(x.ID, looked(x.Looked, x.Why))
	}
	if err := t.flush(); err != nil {
		return err
	}
	f := &sum.Findings
	fmt.Fprintf(c.out, "\nFindings  %d new, %d reopened, %d worsened, %d resolved, %d withdrawn; %d open\n", f.New, f.Reopened, f.Worsened, f.Resolved, f.Withdrawn, f.Open)
	if sum.UnknownInstalls > 0 {
		fmt.Fprintf(c.out, "Unknown installs  %s on sites where nobody can say whether the app was installed: not judged\n", count(sum.UnknownInstalls, "retrieval", "retrievals"))
	}
	if sum.ClockTrouble > 0 {
		fmt.Fprintf(c.out, "Clock trouble  %s more than 24 h after as-of: look at the clock of what wrote them\n", count(sum.ClockTrouble, "record", "records"))
	}
	for _, n := range sum.Notes {
		fmt.Fprintln(c.out, shown(n))
	}
	if sum.Purged != nil {
		fmt.Fprintf(c.out, "Purged  %s\n", sum.Purged)
	}
	if h := sum.Trail; h != nil {
		fmt.Fprintf(c.out, "Trail  entry %d, head %s\n", h.Seq, h.Hash)
	}
	return nil
}

func looked(yes bool, why string) string {
	if yes {
		return "yes"
	}
	if why == "" {
		return "no"
	}
	return "no: " + why
}

func (c *cli) runsCoverageCommand() *cobra.Command {
	var format string
	var limit int
	cmd := &cobra.Command{
		Use:     "coverage",
		Example: "  mailreeve runs coverage",
		Short:   "Show, night by night, which source and which check looked through which day",
		Long: `coverage shows for each finished run, the newest first, which source and which check it looked at, and through which UTC day: the day of the
last run, up to that one, that could look. What could not be looked at is examined by the next run that can.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit: give 0 or more")
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			runs, err := s.store.Runs(cmd.Context(), 0)
			if err != nil {
				return err
			}
			runs = slices.DeleteFunc(runs, func(r audit.Run) bool { return r.Status != audit.Finished })
			nights := record.CoverageOf(runs)
			if limit > 0 && len(nights) > limit {
				nights = nights[:limit]
			}
			return coverageListing().print(c, format, slices.Values(slices.Concat(nights...)))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many runs (default: all)")
	formatFlag(cmd, &format)
	return cmd
}

func coverageListing() listing[record.Coverage] {
	type R = record.Coverage
	return listing[R]{
		none:   "no finished runs yet",
		record: func(r R) any { return r },
		columns: []column[R]{
			{name: "run", of: func(r R) string { return r.Run }},
			{name: "as of", at: func(r R) audit.Instant { return audit.Instant(r.AsOf) }},
			{name: "what", of: func(r R) string { return r.What }},
			{name: "name", of: func(r R) string { return r.Name }},
			{name: "path", of: func(r R) string { return r.Path }},
			{name: "looked", of: func(r R) string { return looked(r.Looked, "") }},
			{name: "through", of: func(r R) string {
				if r.Through == nil {
					return ""
				}
				return audit.Day(*r.Through).String()
			}},
			{name: "newest", at: func(r R) audit.Instant { return audit.Instant(r.Newest) }},
			{name: "why", of: func(r R) string { return r.Why }},
		},
	}
}

func (c *cli) runsNextCommand() *cobra.Command {
	var from string
	var n int
	cmd := &cobra.Command{
		Use:     "next",
		Short:   "Print the coming scheduled times, one RFC 3339 a line",
		Example: "  mailreeve runs next -n 7\n  mailreeve runs next --from 2027-03-27T00:00:00Z -n 3",
		RunE: func(*cobra.Command, []string) error {
			if n < 0 {
				return usagef("-n: give 0 or more")
			}
			start := c.clock()
			if from != "" {
				var err error
				if start, err = time.Parse(time.RFC3339Nano, from); err != nil {
					return usagef("--from: %q is no time as in 2026-11-23T02:30:00Z", from)
				}
			}
			cfg, err := c.load()
			if err != nil {
				return err
			}
			plan, err := schedule.Parse(cfg.Schedule)
			if err != nil {
				return fmt.Errorf("%s: %w", cmp.Or(c.config, cfg.Path), err)
			}
			nights := plan.Nights(start, n)
			for _, t := range nights {
				fmt.Fprintln(c.out, t.UTC().Format(time.RFC3339Nano))
			}
			if len(nights) < n {
				return errors.New("the schedule has no more times within five years")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "after this time, RFC 3339 (default: now)")
	cmd.Flags().IntVarP(&n, "count", "n", 1, "how many")
	return cmd
}
