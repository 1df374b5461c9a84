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
		Use:   "serve",
		Short: "Run the nights by their schedule, until SIGTERM",
		Long: `serve runs an audit at each time of the configuration's schedule, never two at once. Nights that were missed while nothing ran are made up by
one run at the start. On SIGTERM a night under way is rolled back: nothing of it is visible, and the next start makes it up.`,
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
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.keepDelivering(ctx) })
	wg.Go(func() {
		if err := s.keepCapturing(ctx, c); err != nil && ctx.Err() == nil { // the nights go on
			s.log.Error("nothing is captured", "error", err)
		}
	})
	if s.store.Queue() != nil {
		s.crew = s.newCrew()
		wg.Go(func() {
			if err := s.crew.Serve(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("this process does no parts of nights", "error", err)
			}
		})
	}
	defer func() { cancel(); wg.Wait() }()
	r := &schedule.Runner{Schedule: plan, Log: s.log, Last: s.lastNight, Night: s.scheduled}
	return r.Serve(ctx)
}

// lastNight is up to when nights were run.
func (s *system) lastNight(ctx context.Context) (time.Time, error) {
	runs, err := s.store.Runs(ctx, 0)
	return lastNight(runs), err
}

// lastNight is up to when runs, the newest first, were nights; zero where there was none.
func lastNight(runs []audit.Run) time.Time {
	for _, r := range runs {
		if r.Status == audit.Finished && r.ScheduledAt != audit.Never {
			return r.ScheduledAt.Time()
		}
	}
	for _, r := range runs {
		if r.Status == audit.Finished {
			return r.FinishedAt.Time()
		}
	}
	return time.Time{}
}

// scheduled runs one scheduled night and delivers what it has to say.
func (s *system) scheduled(ctx context.Context, scheduledAt, asOf time.Time) error {
	res, err := s.audit(ctx, audit.Options{AsOf: audit.At(asOf), ScheduledAt: audit.At(scheduledAt), By: "schedule"}, true, nil)
	if errors.Is(err, store.ErrAlreadyRun) {
		return nil // another scheduler did
	}
	if err != nil {
		return err
	}
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
		fmt.Fprint(s.out, digestOf(res).Text())
	}
	return s.deliver(ctx, time.Minute)
}

// deliverEvery is how often serve tries to deliver what a night could not.
const deliverEvery = time.Minute

// keepDelivering delivers what is left in the outbox, beside the nights, until ctx is done.
func (s *system) keepDelivering(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(deliverEvery):
		}
		waiting, err := s.store.Pending(ctx, audit.At(s.clock()))
		if err == nil && len(waiting) > 0 {
			err = s.deliver(ctx, 0)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("messages wait in the outbox", "error", err)
		}
	}
}
