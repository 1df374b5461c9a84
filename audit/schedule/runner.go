package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"
)

// A Runner runs the nights of a schedule, by the machine's clock.
type Runner struct {
	Schedule Schedule

	// Last tells up to when nights were run: the scheduled time of the latest scheduled night that finished or, where there was none, when the
	// last run finished. Zero: nothing ever ran, so nothing was missed. It is asked once, at the start.
	Last func(ctx context.Context) (time.Time, error)

	// Night runs the night that was due at scheduledAt, as of asOf. It must return soon after ctx is done, finished or rolled back. An error is
	// logged, and the same night is tried again. It is never called while it runs.
	Night func(ctx context.Context, scheduledAt, asOf time.Time) error

	Log *slog.Logger // nil: nothing is logged
}

// Serve runs nights until ctx is done, lets the one that runs return, and then returns nil.
//
// A night's as-of is its scheduled time. One that is due while another runs waits for it. Where several wait, or where the machine slept through
// several, they are made up by one run as of now, which stands for the latest of them; so are nights missed before Serve was called, also a single one.
//
// A night that failed is tried again as of the same time, after a minute and then after pauses that double up to half an hour, until it has run or the
// next one is due, which takes in what it missed. One that ctx ended is left for the next start.
func (r *Runner) Serve(ctx context.Context) error {
	started := time.Now()
	last, err := r.Last(ctx)
	if err != nil {
		return fmt.Errorf("last night: %w", err)
	}
	log := cronLog{r.Log}
	if r.Log == nil {
		log.Logger = slog.New(slog.DiscardHandler)
	}
	n := &nights{Runner: &Runner{Schedule: r.Schedule, Last: r.Last, Night: r.Night, Log: log.Logger}, ctx: ctx, handled: started}
	c := cron.New(cron.WithLogger(log), cron.WithLocation(r.Schedule.location()), cron.WithChain(cron.Recover(log), oneAtATime(ctx)))
	entry := c.Entry(c.Schedule(r.Schedule, n))
	if !last.IsZero() {
		n.missed, _ = r.Schedule.Due(last, started)
	}
	madeUp := !n.missed.IsZero() // asked before the start: from then on a run may write it
	c.Start()
	if madeUp {
		entry.WrappedJob.Run() // in the same chain: what falls due meanwhile waits
	}
	<-ctx.Done()
	<-c.Stop().Done()
	return nil
}

// location is where cron shows its times.
func (s Schedule) location() *time.Location {
	if s.zone == nil {
		return time.UTC
	}
	return s.zone
}

// nights is the job that cron starts at every scheduled time: it runs what is due by then. Only one Run runs at a time.
type nights struct {
	*Runner
	ctx     context.Context
	handled time.Time // scheduled times up to then were run
	missed  time.Time // the latest that was missed before the start; zero: none
}

// Run runs what is due; it is a cron.Job.
func (n *nights) Run() {
	now := time.Now()
	scheduledAt, due := n.Schedule.Due(n.handled, now)
	asOf := scheduledAt
	switch {
	case due == 0 && n.missed.IsZero():
		return // an earlier run stood for it
	case due == 0:
		scheduledAt, asOf = n.missed, now
	case due > 1 || !n.missed.IsZero():
		n.handled, asOf = scheduledAt, now
	default:
		n.handled = scheduledAt
	}
	n.missed = time.Time{}
	n.keepTrying(scheduledAt, asOf)
}

// The pauses after a night that failed: what is gone in a minute, such as a database that restarts, costs a minute, and what lasts, such as a full disk,
// costs no more than a look at it now and then.
const (
	firstPause   = time.Minute
	longestPause = 30 * time.Minute
)

// keepTrying runs a night until it has run, ctx is done, or the next one is due.
func (n *nights) keepTrying(scheduledAt, asOf time.Time) {
	next := n.Schedule.Next(scheduledAt)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := n.Night(n.ctx, scheduledAt, asOf)
		if err == nil || n.ctx.Err() != nil {
			return
		}
		again := time.Now().Add(pause)
		if !next.IsZero() && !again.Before(next) {
			n.Log.Error("night failed; the next one takes in what it missed", "scheduled_at", scheduledAt, "as_of", asOf, "next", next, "error", err)
			return
		}
		n.Log.Error("night failed; it is tried again", "scheduled_at", scheduledAt, "as_of", asOf, "again_at", again, "error", err)
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// oneAtATime makes a job wait while another run of it runs, and gives up waiting when ctx is done. cron.DelayIfStillRunning would go on to run it.
func oneAtATime(ctx context.Context) cron.JobWrapper {
	return func(job cron.Job) cron.Job {
		turn := make(chan struct{}, 1)
		return cron.FuncJob(func() {
			select {
			case turn <- struct{}{}:
			case <-ctx.Done():
				return
			}
			defer func() { <-turn }()
			if ctx.Err() == nil {
				job.Run()
			}
		})
	}
}

// cronLog lets cron speak through slog; what it does from minute to minute is for debugging.
type cronLog struct{ *slog.Logger }

func (l cronLog) Info(msg string, args ...any) { l.Logger.Debug("cron: "+msg, args...) }

func (l cronLog) Error(err error, msg string, args ...any) {
	l.Logger.Error("cron: "+msg, append([]any{"error", err}, args...)...)
}
