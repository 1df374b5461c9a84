package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List the lines that could not be read, show them, read them again",
		Long:  "A line of a source that says nothing that can be audited goes to quarantine, with file, number, reason and its text without addresses. The run goes on.",
	}
	cmd.AddCommand(c.quarantineListCommand(), c.quarantineShowCommand(), c.quarantineRetryCommand())
	return cmd
}

func (c *cli) quarantined(ctx context.Context) ([]audit.Quarantined, error) {
	s, err := c.openStore(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.store.Quarantine(ctx)
}

func (c *cli) quarantineListCommand() *cobra.Command {
	var format, kind string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Example: "  mailreeve quarantine list\n  mailreeve quarantine list --kind access --format csv",
		Short:   "List the lines in quarantine, by file and line",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit: give 0 or more")
			}
			list, err := c.quarantined(cmd.Context())
			if err != nil {
				return err
			}
			if kind != "" {
				list = slices.DeleteFunc(list, func(q audit.Quarantined) bool { return string(q.Kind) != kind })
			}
			if limit > 0 && len(list) > limit {
				fmt.Fprintf(c.err, "the first %d of %d\n", limit, len(list))
				list = list[:limit]
			}
			type Q = audit.Quarantined
			return listing[Q]{
				none:   "nothing is in quarantine",
				record: func(q Q) any { return record.QuarantinedOf(&q) },
				columns: []column[Q]{
					{name: "file", of: func(q Q) string { return q.Path }},
					{name: "line", of: func(q Q) string { return strconv.FormatUint(q.Line, 10) }},
					{name: "kind", of: func(q Q) string { return string(q.Kind) }},
					{name: "reason", of: func(q Q) string { return q.Reason }},
					{name: "text", of: func(q Q) string { return q.Text }, wide: true},
				},
			}.print(c, format, slices.Values(list))
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only of sources of this kind")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (default: all)")
	formatFlag(cmd, &format)
	return cmd
}

func (c *cli) quarantineShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE[:LINE]",
		Short:   "Show lines in quarantine with their text, addresses masked",
		Example: "  mailreeve quarantine show access-2026-11-22.jsonl:17",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := c.quarantined(cmd.Context())
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(q audit.Quarantined) bool { return !isPlace(&q, args[0]) })
			if len(list) == 0 {
				return fmt.Errorf("no line of %q is in quarantine: mailreeve quarantine list shows what is", args[0])
			}
			for i, q := range list {
				if i > 0 {
					fmt.Fprintln(c.out)
				}
				fmt.Fprintf(c.out, "%s:%d (%s)\n  %s\n  %s\n", shown(q.Path), q.Line, q.Kind, shown(q.Reason), shown(q.Text))
			}
			return nil
		},
	}
}

// isPlace says whether a line is what the command line calls it: FILE or FILE:LINE, the file by its path or the end of it.
func isPlace(q *audit.Quarantined, name string) bool {
	is := func(file string) bool { return file != "" && (q.Path == file || strings.HasSuffix(q.Path, "/"+file)) }
	if file, line, ok := cutLast(name, ":"); ok && line == strconv.FormatUint(q.Line, 10) && is(file) {
		return true
	}
	return is(name)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (c *cli) quarantineRetryCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "retry",
		Example: "  mailreeve quarantine retry",
		Short:   "Read the lines in quarantine again from their files",
		Long: `retry reads the files that have lines in quarantine again, in an audit by hand as of the last run. What was read from them before is known and
changes nothing; lines that were mended are taken, and judged as if they had come now.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.retry(cmd.Context()) },
	}
}

func (c *cli) retry(ctx context.Context) error {
	s, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	again, err := s.reread(ctx, operator())
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	if again == nil {
		fmt.Fprintln(c.out, "nothing is in quarantine")
		return nil
	}
	ran := c.run(ctx, again.options)
	var code exitCode
	if ran != nil && !errors.As(ran, &code) {
		return ran
	}
	after, err := c.quarantined(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, again.outcome(after))
	return ran
}

// A reread is an audit that reads the files again that have lines in quarantine.
type reread struct {
	before  []audit.Quarantined
	options audit.Options
}

// reread notes in the trail who wants what is in quarantine read again, and gives the audit that does it; nil: nothing is in it.
func (s *system) reread(ctx context.Context, by string) (*reread, error) {
	list, err := s.store.Quarantine(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ledger, err := s.store.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	r := &reread{list, audit.Options{AsOf: ledger.Last.AsOf, ScheduledAt: audit.Never, By: by, Reread: map[uint32]bool{}}}
	for _, q := range list {
		r.options.Reread[q.File] = true
	}
	return r, s.store.Record(ctx, audit.TrailEntry{At: audit.At(s.clock()), Who: by, What: "quarantine retried",
		Details: map[string]any{"lines": float64(len(list)), "files": float64(len(r.options.Reread))}})
}

// outcome says what came of it, by what is in quarantine afterwards.
func (r *reread) outcome(after []audit.Quarantined) string {
	type line struct {
		file uint32
		line uint64
	}
	still := map[line]bool{}
	for _, q := range after {
		still[line{q.File, q.Line}] = true
	}
	good := 0
	for _, q := range r.before {
		if !still[line{q.File, q.Line}] {
			good++
		}
	}
	return fmt.Sprintf("%d of %s in %s are good now; %d remain in quarantine", good, count(len(r.before), "line", "lines"), count(len(r.options.Reread), "file", "files"), len(after))
}

// A retrier reads the files again that have lines in quarantine, for people in the console, one time after the other.
type retrier struct {
	*system
	console.Retries
	asked chan string // who
}

func newRetrier(s *system) *retrier { return &retrier{system: s, asked: make(chan string, 1)} }

// Retry lets it be done once no night runs any more; false: somebody asked for it before, and it is not done yet.
func (r *retrier) Retry(who string) bool {
	if !r.Begin(who, audit.At(r.clock())) {
		return false
	}
	r.asked <- who // there is room: none is under way
	return true
}

// work does what is asked for until ctx is done.
func (r *retrier) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case who := <-r.asked:
			says, err := r.retry(ctx, who)
			if err != nil {
				r.log.WarnContext(ctx, "what is in quarantine was not read again", "by", who, "error", err)
				says = address.Redact(err.Error())
			}
			r.End(audit.At(r.clock()), says, err != nil)
		}
	}
}

// retry waits until no night runs, reads the files again, and says what came of it.
func (r *retrier) retry(ctx context.Context, who string) (says string, err error) {
	lease, err := r.store.Lock(ctx, true)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	again, err := r.reread(ctx, who)
	if err != nil || again == nil {
		return "Nothing was in quarantine any more.", err
	}
	since := audit.At(r.clock())
	res, err := r.auditUnder(ctx, lease, again.options, nil)
	if err != nil {
		r.tellOfFailure(ctx, since)
		return "", err
	}
	r.say(ctx, res)
	after, err := r.store.Quarantine(ctx)
	return res.Run.ID + ": " + again.outcome(after) + ".", err
}
