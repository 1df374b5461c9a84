package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
)

// patience is how long a run by hand tries to deliver its digest.
const patience = 2 * time.Minute

func (c *cli) runCommand() *cobra.Command {
	var asOf string
	var o audit.Options
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Audit now",
		Long: `run reads what is new in the sources, judges what that makes due, files findings, and posts a digest to Slack if anything changed.
Without a Slack token the digest is printed. The same input again changes nothing and sends nothing. A run may be killed anywhere and started again.`,
		Example: "  mailreeve run\n  mailreeve run -c /etc/mailreeve/mailreeve.yaml --as-of 2026-11-23T02:30:00Z\n  mailreeve run --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.AsOf = audit.At(c.clock())
			if asOf != "" {
				t, err := time.Parse(time.RFC3339Nano, asOf)
				if err != nil {
					return usagef("--as-of: %q is no time as in 2026-11-23T02:30:00Z", asOf)
				}
				o.AsOf = audit.At(t)
			}
			if o.AsOf > audit.At(c.clock()).Add(24*time.Hour) {
				fmt.Fprintf(c.err, "warning: --as-of %s lies in the future: no run as of an earlier time can follow it\n", o.AsOf)
			}
			o.ScheduledAt, o.By = audit.Never, operator()
			return c.run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&asOf, "as-of", "", "judge as of this time, RFC 3339 (default: now)")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would be filed, and file nothing")
	cmd.Flags().BoolVar(&o.Baseline, "baseline", false, "one digest, however much is found: what a first run is anyway")
	return cmd
}

// run audits once and says what came of it.
func (c *cli) run(ctx context.Context, o audit.Options) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	since := audit.At(s.clock())
	bar := newBar(c.err)
	res, err := s.audit(ctx, o, false, bar.show)
	bar.done()
	if err != nil {
		s.tellOfFailure(ctx, since)
		return err
	}
	d, err := s.digest(ctx, res)
	if err != nil {
		return err
	}
	if s.slack && !res.DryRun {
		fmt.Fprintln(c.out, d.Headline())
	} else if d.Changed() || res.First || res.DryRun {
		fmt.Fprint(c.out, d.Text())
	} else {
		fmt.Fprintf(c.out, "%s\n%s", d.Headline(), quietly(d))
	}
	c.blind(res)
	if !res.DryRun {
		if !s.slack {
			if err := printHeld(ctx, c.out, s.desk()); err != nil {
				return err
			}
		}
		if err := s.store.RetryFailed(ctx); err != nil { // whoever runs it may have mended what failed
			return err
		}
		delivered := s.deliver(ctx, since, patience)
		if delivered != nil {
			delivered = fmt.Errorf("run %s is filed, but not all that it has to tell is delivered: %w", res.Run.ID, delivered)
		}
		noted := s.desk().Advance(ctx)
		if noted != nil {
			noted = fmt.Errorf("run %s is filed, but not all that is known of notices: %w", res.Run.ID, noted)
		}
		if err := errors.Join(delivered, noted); err != nil {
			return err
		}
	}
	if !res.Looked() {
		return exitCode(exitBlind)
	}
	return nil
}

// quietly says what there is to say of a run after which no open finding is other than before.
func quietly(d notifier.Digest) string {
	var facts, bad int64
	for _, s := range d.Sources {
		facts += s.Facts
		bad += s.Quarantined
	}
	text := "Nothing changed since the last run.\n"
	if d.Silent > 0 {
		text = fmt.Sprintf("No open finding changed since the last run. Suppressed or dismissed ones that grew: %d.\n", d.Silent)
	}
	if facts > 0 {
		text += fmt.Sprintf("New facts that were read: %d.\n", facts)
	}
	if bad > 0 {
		text += fmt.Sprintf("Lines that went to quarantine: %d (mailreeve quarantine list).\n", bad)
	}
	for _, n := range d.Notes {
		text += n + "\n"
	}
	return text
}

// blind says on stderr what could not be looked at.
func (c *cli) blind(res *audit.Result) {
	for _, s := range res.Run.Summary.Sources {
		if !s.Looked {
			fmt.Fprintf(c.err, "could not look at %s %s: %s\n", s.Kind, s.Path, s.Trouble)
		}
	}
}

// audit runs a night under its lock.
func (s *system) audit(ctx context.Context, o audit.Options, wait bool, progress func(string, int64, int64)) (res *audit.Result, err error) {
	lease, err := s.lock(ctx, wait)
	if err != nil {
		if errors.Is(err, store.ErrLocked) {
			return nil, fmt.Errorf("%w: wait until it has finished, and start again", err)
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	return s.auditUnder(ctx, lease, o, progress)
}

// auditUnder runs a night under a lock that is held.
func (s *system) auditUnder(ctx context.Context, lease *store.Lease, o audit.Options, progress func(string, int64, int64)) (*audit.Result, error) {
	if s.slack && s.cfg.Slack.Channel == "" {
		return nil, fmt.Errorf("%s: slack: there is a token in %s, but no channel: say where to post", s.cfg.Path, s.cfg.Slack.TokenEnv)
	}
	night := s.night(s.store.Night(lease), progress)
	leave, err := s.spread(ctx, night, s.store.Night(lease))
	if err != nil {
		return nil, err
	}
	defer leave()
	if !o.DryRun {
		defer func() { s.afterRun(ctx) }()
	}
	res, err := night.Run(ctx, o)
	if err != nil || res.DryRun {
		return res, err
	}
	run := res.Run
	s.keepHead(ctx, *run.Summary.Trail, fmt.Sprintf("%s run %s", run.FinishedAt, run.ID))
	s.afterNight(ctx, run.ID)
	return res, nil
}

// holdOn is how long a run by hand waits for the lock: a holder that was killed just now may not be gone yet.
const holdOn = 3 * time.Second

func (s *system) lock(ctx context.Context, wait bool) (*store.Lease, error) {
	for end := time.Now().Add(holdOn); ; {
		lease, err := s.store.Lock(ctx, wait)
		if !errors.Is(err, store.ErrLocked) || time.Now().After(end) {
			return lease, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// A bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	to    io.Writer
	on    bool
	mu    sync.Mutex
	stage string
	bar   *progressbar.ProgressBar
}

func newBar(to io.Writer) *bar {
	f, ok := to.(*os.File)
	return &bar{to: to, on: ok && term.IsTerminal(int(f.Fd()))}
}

// show is called by several goroutines.
func (b *bar) show(stage string, done, total int64) {
	if !b.on {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil || b.stage != stage {
		b.finish()
		b.stage = stage
		o := []progressbar.Option{progressbar.OptionSetWriter(b.to), progressbar.OptionSetDescription(stage), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetWidth(30)}
		if stage == "reading" {
			o = append(o, progressbar.OptionShowBytes(true))
		}
		b.bar = progressbar.NewOptions64(total, o...)
	}
	_ = b.bar.Set64(done) // a terminal that went away is no reason to stop
}

func (b *bar) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish()
}

func (b *bar) finish() {
	if b.bar != nil {
		_ = b.bar.Finish()
		b.bar = nil
	}
}
