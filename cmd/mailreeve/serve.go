package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/audit/store"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "serve",
		Example: "  mailreeve serve -c /etc/mailreeve/mailreeve.yaml",
		Short:   "Run the nights by their schedule, and serve the console, until SIGTERM",
		Long: `serve runs an audit at each time of the configuration's schedule, never two at once. Nights that were missed while nothing ran are made up by
one run at the start. The console is served at console.listen; where console.oidc does not say who logs people in, a link is printed that does so once, on
this machine. A night that failed is tried again after a minute, and then after growing pauses, until the next one is due.
With vendor.public_url the vendors' page is served, too, at vendor.listen.
On SIGTERM a night under way is rolled back: nothing of it is visible, and the next start makes it up.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
}

func (c *cli) serve(ctx context.Context) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	plan, err := schedule.Parse(s.cfg.Schedule)
	if err != nil {
		return err
	}
	if next := plan.Nights(c.clock(), 1); len(next) > 0 {
		s.log.Info("waiting for the next night", "schedule", s.cfg.Schedule, "at", next[0])
	}
	stop, err := s.serveMetrics(ctx, missed(plan))
	if err != nil {
		return err
	}
	defer stop()
	if err := s.store.RetryFailed(ctx); err != nil { // who starts it may have mended what failed
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.keepDelivering(ctx) })
	wg.Go(func() { s.keepWriting(ctx) })
	wg.Go(func() { s.keepWatching(ctx, plan) })
	wg.Go(func() {
		if err := s.serveConsole(ctx, missed(plan)); err != nil && ctx.Err() == nil { // the nights go on
			s.log.Error("the console is not served, nor heard what Slack sends to it", "error", err)
		}
	})
	wg.Go(func() {
		if err := s.serveVendors(ctx); err != nil && ctx.Err() == nil { // the nights go on
			s.log.Error("the vendors' page is not served", "error", err)
		}
	})
	wg.Go(func() {
		if err := s.keepCapturing(ctx, c); err != nil && ctx.Err() == nil { // the nights go on
			s.log.Error("nothing is captured", "error", err)
		}
	})
	if s.store.Queue() != nil {
		s.crew = s.newCrew()
		wg.Go(func() {
			for ctx.Err() == nil { // while the database is away there is nothing to do
				if err := s.crew.Serve(ctx); err != nil && ctx.Err() == nil {
					s.log.Warn("this process does no parts of nights; it tries again", "error", err)
					_ = pause(ctx, time.Minute)
				}
			}
		})
	}
	defer func() { cancel(); wg.Wait() }()
	r := &schedule.Runner{Schedule: plan, Log: s.log, Last: s.store.LastNight, Night: s.scheduled}
	if err := r.Serve(ctx); err != nil && ctx.Err() == nil { // to end before the first night is no failure either
		return err
	}
	return nil
}

// scheduled runs one scheduled night and delivers what it has to say.
func (s *system) scheduled(ctx context.Context, scheduledAt, asOf time.Time) error {
	since := audit.At(s.clock())
	res, err := s.audit(ctx, audit.Options{AsOf: audit.At(asOf), ScheduledAt: audit.At(scheduledAt), By: "schedule"}, true, nil)
	if errors.Is(err, store.ErrAlreadyRun) {
		s.log.Info("another scheduler ran this night", "scheduled_at", scheduledAt)
		return nil
	}
	if err != nil {
		return err
	}
	s.say(ctx, res)
	if err := s.deliver(ctx, since, time.Minute); err != nil { // the night has run all the same
		s.log.Warn("the night's digest waits in the outbox, and is tried again", "run", res.Run.ID, "error", err)
	}
	return nil
}

// say logs what came of a night that nobody waits for, and prints its digest where there is no Slack.
func (s *system) say(ctx context.Context, res *audit.Result) {
	run := res.Run
	n := run.Summary.Findings
	s.log.Info("night finished", "run", run.ID, "as_of", run.AsOf, "new", n.New, "reopened", n.Reopened, "worsened", n.Worsened,
		"resolved", n.Resolved, "withdrawn", n.Withdrawn, "open", n.Open)
	for _, x := range run.Summary.Sources {
		if !x.Looked {
			s.log.Warn("could not look at a source", "kind", x.Kind, "path", x.Path, "why", x.Trouble)
		}
	}
	if !s.slack {
		d, err := s.digest(ctx, res)
		if err != nil { // the night has run all the same
			s.log.Error("the digest cannot be printed", "run", run.ID, "error", err)
		}
		fmt.Fprint(s.out, d.Text())
		if err := printHeld(ctx, s.out, s.desk()); err != nil {
			s.log.Error("whether the night was abnormal cannot be printed", "run", run.ID, "error", err)
		}
	}
}
