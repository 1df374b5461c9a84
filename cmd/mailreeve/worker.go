package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/audit/store"
)

func (c *cli) workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "worker",
		Example: "  mailreeve worker -c /etc/mailreeve/mailreeve.yaml",
		Short:   "Do parts of other processes' nights, and send messages, until SIGTERM (Postgres only)",
		Long: `worker reads files and judges apps for whichever process runs the night, as many at a time as the configuration's workers, and delivers messages beside the
others. It needs the same database and, at the same paths, the same archive and source files as that process. It may be started, stopped and killed at any time: what it
had not finished, others do.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.worker(cmd.Context()) },
	}
}

func (c *cli) worker(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if strings.HasPrefix(cfg.StoreURL(), "sqlite://") { // nothing is made for nothing
		return fmt.Errorf("%s: on SQLite a night runs in one process: workers need `store: postgres://…`", cfg.Path)
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	crew := s.newCrew()
	s.log.Info("doing parts of nights", "crew", crew.ID(), "hands", crew.Hands)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.keepDelivering(ctx) })
	defer func() { cancel(); wg.Wait() }()
	return crew.Serve(ctx)
}

func (s *system) newCrew() *schedule.Crew {
	night := s.night(s.store.Night(nil), nil) // only to read
	return &schedule.Crew{Store: s.store, Hands: night.Hands(), Night: night, Log: s.log}
}

// spread lets the night use the crews that are there. What it returns ends that.
func (s *system) spread(ctx context.Context, night *audit.Night, st *store.Night) (leave func(), err error) {
	leave = func() {}
	if s.store.Queue() == nil {
		return leave, nil
	}
	crew := s.crew
	if crew == nil {
		crew = s.newCrew()
	}
	spreader := &schedule.Spreader{Crew: crew, Night: st}
	night.Spread = spreader
	if s.crew != nil {
		return leave, nil
	}
	// A run by hand helps those that are there, while it lasts.
	if hands, err := spreader.Hands(ctx); err != nil || hands == 0 {
		return leave, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := crew.Serve(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("this process leaves the night's parts to others", "error", err)
		}
	})
	return func() { cancel(); wg.Wait() }, nil
}
