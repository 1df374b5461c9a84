package schedule

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The clock of a synctest bubble, which cron's timers obey too, starts at midnight UTC on 2000-01-01 and jumps ahead while everyone waits.

type call struct{ Scheduled, AsOf, Began, Ended string }

// serve runs a Runner for a time. Each night takes as long as took says, by its number; the first ones fail.
func serve(t *testing.T, spec string, last time.Time, lasts time.Duration, took func(night int) time.Duration, fail int) []call {
	t.Helper()
	var calls []call
	synctest.Test(t, func(t *testing.T) {
		stamp := func(at time.Time) string { return at.UTC().Format("2 15:04:05") }
		ctx, cancel := context.WithTimeout(context.Background(), lasts)
		defer cancel()
		running := false
		r := &Runner{
			Schedule: parse(t, spec),
			Last:     func(context.Context) (time.Time, error) { return last, nil },
			Night: func(ctx context.Context, scheduledAt, asOf time.Time) error {
				if running {
					t.Error("two at once")
				}
				running = true
				defer func() { running = false }()
				c := call{Scheduled: stamp(scheduledAt), AsOf: stamp(asOf), Began: stamp(time.Now())}
				n := len(calls)
				calls = append(calls, c)
				select {
				case <-time.After(took(n)):
				case <-ctx.Done():
					time.Sleep(time.Second) // to roll back
				}
				calls[n].Ended = stamp(time.Now())
				if n < fail {
					return errors.New("failed")
				}
				return ctx.Err()
			},
		}
		if err := r.Serve(ctx); err != nil {
			t.Error(err)
		}
		if running {
			t.Error("Serve returned while a night ran")
		}
	})
	return calls
}

func minutes(took ...int) func(int) time.Duration {
	return func(n int) time.Duration { return time.Duration(took[min(n, len(took)-1)]) * time.Minute }
}

func TestServe(t *testing.T) {
	const nightly, hourly = "CRON_TZ=UTC 30 2 * * *", "CRON_TZ=UTC 0 * * * *"
	day := func(d, h, m int) time.Time { return time.Date(2000, 1, d, h, m, 0, 0, time.UTC) }
	for _, c := range []struct {
		name, spec string
		last       time.Time
		lasts      time.Duration
		took       func(int) time.Duration
		want       []call
	}{
		{"night by night", nightly, time.Time{}, 49 * time.Hour, minutes(20), []call{
			{"1 02:30:00", "1 02:30:00", "1 02:30:00", "1 02:50:00"},
			{"2 02:30:00", "2 02:30:00", "2 02:30:00", "2 02:50:00"}}},
		{"none was missed", nightly, day(0, 2, 30), 3 * time.Hour, minutes(20), []call{
			{"1 02:30:00", "1 02:30:00", "1 02:30:00", "1 02:50:00"}}},
		{"three were missed: one run as of now", nightly, day(-3, 2, 30), 3 * time.Hour, minutes(20), []call{
			{"31 02:30:00", "1 00:00:00", "1 00:00:00", "1 00:20:00"},
			{"1 02:30:00", "1 02:30:00", "1 02:30:00", "1 02:50:00"}}},
		{"the one that makes up overlaps the next", nightly, day(-3, 2, 30), 5 * time.Hour, minutes(180, 20), []call{
			{"31 02:30:00", "1 00:00:00", "1 00:00:00", "1 03:00:00"},
			{"1 02:30:00", "1 02:30:00", "1 03:00:00", "1 03:20:00"}}},
		{"a night overlaps the next", hourly, time.Time{}, 230 * time.Minute, minutes(80, 10), []call{
			{"1 01:00:00", "1 01:00:00", "1 01:00:00", "1 02:20:00"},
			{"1 02:00:00", "1 02:00:00", "1 02:20:00", "1 02:30:00"},
			{"1 03:00:00", "1 03:00:00", "1 03:00:00", "1 03:10:00"}}},
		{"and the next three: one run as of now", hourly, time.Time{}, 350 * time.Minute, minutes(205, 10), []call{
			{"1 01:00:00", "1 01:00:00", "1 01:00:00", "1 04:25:00"},
			{"1 04:00:00", "1 04:25:00", "1 04:25:00", "1 04:35:00"},
			{"1 05:00:00", "1 05:00:00", "1 05:00:00", "1 05:10:00"}}},
		{"stopped in the middle of a night, with one waiting", hourly, time.Time{}, 150 * time.Minute, minutes(120), []call{
			{"1 01:00:00", "1 01:00:00", "1 01:00:00", "1 02:30:01"}}},
		{"stopped while making up", nightly, day(-3, 2, 30), time.Minute, minutes(20), []call{
			{"31 02:30:00", "1 00:00:00", "1 00:00:00", "1 00:01:01"}}},
		{"every so often", "@every 90m", time.Time{}, 200 * time.Minute, minutes(1), []call{
			{"1 01:30:00", "1 01:30:00", "1 01:30:00", "1 01:31:00"},
			{"1 03:00:00", "1 03:00:00", "1 03:00:00", "1 03:01:00"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, serve(t, c.spec, c.last, c.lasts, c.took, 0)); d != "" {
				t.Error(d)
			}
		})
	}
}

// A night that failed is tried again, as of its time, with growing pauses, until it has run or the next one is due.
func TestServeTriesAgain(t *testing.T) {
	const nightly, hourly = "CRON_TZ=UTC 30 2 * * *", "CRON_TZ=UTC 0 * * * *"
	for _, c := range []struct {
		name, spec string
		last       time.Time
		lasts      time.Duration
		fails      int
		want       []call
	}{
		{"it passes", nightly, time.Time{}, 4 * time.Hour, 3, []call{
			{"1 02:30:00", "1 02:30:00", "1 02:30:00", "1 02:30:10"},
			{"1 02:30:00", "1 02:30:00", "1 02:31:10", "1 02:31:20"},
			{"1 02:30:00", "1 02:30:00", "1 02:33:20", "1 02:33:30"},
			{"1 02:30:00", "1 02:30:00", "1 02:37:30", "1 02:37:40"}}},
		{"no longer than until the next", hourly, time.Time{}, 125 * time.Minute, 7, []call{
			{"1 01:00:00", "1 01:00:00", "1 01:00:00", "1 01:00:10"},
			{"1 01:00:00", "1 01:00:00", "1 01:01:10", "1 01:01:20"},
			{"1 01:00:00", "1 01:00:00", "1 01:03:20", "1 01:03:30"},
			{"1 01:00:00", "1 01:00:00", "1 01:07:30", "1 01:07:40"},
			{"1 01:00:00", "1 01:00:00", "1 01:15:40", "1 01:15:50"},
			{"1 01:00:00", "1 01:00:00", "1 01:31:50", "1 01:32:00"},
			{"1 02:00:00", "1 02:00:00", "1 02:00:00", "1 02:00:10"},
			{"1 02:00:00", "1 02:00:00", "1 02:01:10", "1 02:01:20"}}},
		{"one that makes up, too", nightly, time.Date(1999, 12, 28, 2, 30, 0, 0, time.UTC), time.Hour, 1, []call{
			{"31 02:30:00", "1 00:00:00", "1 00:00:00", "1 00:00:10"},
			{"31 02:30:00", "1 00:00:00", "1 00:01:10", "1 00:01:20"}}},
		{"not once it is to end", nightly, time.Time{}, 151 * time.Minute, 9, []call{
			{"1 02:30:00", "1 02:30:00", "1 02:30:00", "1 02:30:10"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, serve(t, c.spec, c.last, c.lasts, func(int) time.Duration { return 10 * time.Second }, c.fails)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Half an hour is the longest pause, however long it lasts.
func TestServeNeverGivesUp(t *testing.T) {
	calls := serve(t, "CRON_TZ=UTC 30 2 * * *", time.Time{}, 26*time.Hour, func(int) time.Duration { return time.Second }, 1000)
	if n := len(calls); n < 48 || n > 60 {
		t.Errorf("tried %d times", n)
	}
	if last := calls[len(calls)-1]; last.Scheduled != "1 02:30:00" {
		t.Errorf("last %+v", last)
	}
}

func TestServeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 230*time.Minute)
		defer cancel()
		var log bytes.Buffer
		nights := map[string]int{}
		r := &Runner{
			Schedule: parse(t, "CRON_TZ=UTC 0 * * * *"),
			Last:     func(context.Context) (time.Time, error) { return time.Time{}, nil },
			Night: func(_ context.Context, scheduledAt, _ time.Time) error {
				nights[scheduledAt.UTC().Format("15:04")]++
				if len(nights) == 1 {
					panic("a bug")
				}
				return errors.New("the disk is full")
			},
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		if err := r.Serve(ctx); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(map[string]int{"01:00": 1, "02:00": 6, "03:00": 6}, nights); d != "" {
			t.Error(d)
		}
		for _, want := range []string{"a bug", "the disk is full", "tried again", "takes in what it missed"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not tell of %q:\n%s", want, &log)
			}
		}
	})
}

func TestServeCannotStart(t *testing.T) {
	r := &Runner{Schedule: parse(t, "@daily"), Last: func(context.Context) (time.Time, error) { return time.Time{}, errors.New("locked") }}
	if err := r.Serve(t.Context()); err == nil {
		t.Error("started without knowing the last night")
	}
}
