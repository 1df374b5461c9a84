//go:build linux

// Command faults kills, starves, cuts off and deceives nights, and compares what is left in the end with what undisturbed nights leave.
//
//	go run ./internal/faults -seed 1 -kills 200
//
// It runs the real program on SQLite and on Postgres servers of its own, with two workers where it can, on markets of chance that are cut into five
// nights each; all is decided by the seed but for what the machine's clock decides. Full disks and cut networks need root, and are left out otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mailreeve/mailreeve/internal/pgtest"
)

func main() {
	seed := flag.Uint64("seed", 1, "decides the markets, and when what happens")
	kills := flag.Int("kills", 200, "how many nights and workers on Postgres to kill; other faults come in proportion")
	only := flag.String("only", "", "only the faults whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, long(*kills), *seed, *only, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "faults: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan, seed uint64, only string, out, log io.Writer) error {
	dir, err := os.MkdirTemp("", "mailreeve-faults-")
	if err != nil {
		return err
	}
	results, err := p.run(ctx, dir, seed, only, log)
	if err == nil {
		err = os.RemoveAll(dir)
	} else {
		err = fmt.Errorf("%w\nits folders: %s", err, dir)
	}
	differs := 0
	for _, r := range results {
		differs += len(r.differs)
		for _, d := range r.differs {
			fmt.Fprintln(log, d)
		}
	}
	if terr := table(out, results); terr != nil {
		return errors.Join(err, terr)
	}
	if differs > 0 {
		err = errors.Join(err, fmt.Errorf("%d differences from undisturbed nights", differs))
	}
	return err
}

// A plan says how often each fault is to meet a run, and how long some last.
type plan struct {
	alone, nights, workers int // kills: of a night on SQLite, and on Postgres with workers; of a worker
	restarts, pauses       int // of Postgres
	disks, cuts, files     int
	pause, away            time.Duration
	lanes                  int    // trials at one time
	nightsEach             int    // of a market
	apart                  uint64 // the seeds of two trials' first markets
}

// long is the plan for a number of kills on Postgres.
func long(kills int) plan {
	return plan{alone: kills / 4, nights: (kills + 1) / 2, workers: kills / 2, restarts: max(1, kills/20), pauses: max(1, kills/60), disks: max(1, kills/20),
		cuts: max(1, kills/60), files: max(1, kills/5), pause: time.Minute, away: 90 * time.Second, lanes: 6, nightsEach: 5, apart: 100}
}

// A way makes a trial ready. errors.ErrUnsupported: not here.
type way struct {
	name string
	make func(l *lab) (*trial, error)
}

// run does all trials of the plan, some at a time, and gives what came of each.
func (p plan) run(ctx context.Context, dir string, seed uint64, only string, log io.Writer) ([]*result, error) {
	l, err := newLab(dir, seed, p.nightsEach, log)
	if err != nil {
		return nil, err
	}
	shared, err := pgtest.Start(pgtest.Options{Durable: true})
	if err != nil {
		return nil, err
	}
	defer shared.Close()
	ways := slices.DeleteFunc(p.ways(shared), func(w way) bool { return !strings.Contains(w.name, only) })
	results, errs := make([]*result, len(ways)), make([]error, len(ways))
	var group sync.WaitGroup
	lanes := make(chan struct{}, p.lanes)
	for i, w := range ways {
		group.Go(func() {
			lanes <- struct{}{}
			defer func() { <-lanes }()
			results[i], errs[i] = w.run(ctx, l, seed+p.apart*uint64(i))
		})
	}
	group.Wait()
	return merge(results), errors.Join(errs...)
}

// merge makes one result of those of one name.
func merge(results []*result) (out []*result) {
	for _, r := range results {
		if r == nil {
			continue
		}
		if n := len(out); n > 0 && out[n-1].name == r.name {
			out[n-1].add(r)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (w way) run(ctx context.Context, l *lab, seed uint64) (*result, error) {
	t, err := w.make(l)
	if errors.Is(err, errors.ErrUnsupported) {
		return &result{name: w.name, skipped: err.Error()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.name, err)
	}
	t.name, t.each = w.name, max(t.each, 1)
	if t.compare == nil {
		t.compare = everything
	}
	return t.do(ctx, l, seed)
}

// ways is every fault. Those that harm Postgres have a server of their own.
func (p plan) ways(shared *pgtest.Server) []way {
	own := func(o pgtest.Options, t func(s *pgtest.Server) *trial) func(*lab) (*trial, error) {
		return func(*lab) (*trial, error) {
			o.Durable = true
			s, err := pgtest.Start(o)
			if err != nil {
				return nil, err
			}
			made := t(s)
			made.close = s.Close
			if made.setting == nil {
				made.setting = onPostgres(s)
			}
			return made, nil
		}
	}
	simple := func(t trial) func(*lab) (*trial, error) { return func(*lab) (*trial, error) { return &t, nil } }
	return []way{
		{"Postgres paused " + p.pause.String(), own(pgtest.Options{}, func(s *pgtest.Server) *trial {
			return &trial{times: p.pauses, strike: pausePostgres(s, p.pause)}
		})},
		{"worker's network cut " + p.away.String(), p.cut(func(s *setting, w *network) { s.workers = [][]string{nil, w.inside()} })},
		{"night's network cut " + p.away.String(), p.cut(func(s *setting, w *network) { s.night, s.slackAt = w.inside(), w.address })},
		// In three parts: to notice that a worker is dead takes seconds, in which nothing happens.
		{"worker killed", simple(trial{times: p.workers / 3, setting: onPostgres(shared), strike: killWorker})},
		{"worker killed", simple(trial{times: p.workers / 3, setting: onPostgres(shared), strike: killWorker})},
		{"worker killed", simple(trial{times: p.workers - 2*(p.workers/3), setting: onPostgres(shared), strike: killWorker})},
		{"night killed, with workers", simple(trial{times: p.nights, each: 4, setting: onPostgres(shared), strike: killNight})},
		{"night overtaken by another", simple(trial{times: p.restarts, setting: onPostgres(shared), strike: overtake, again: true})},
		{"night killed, SQLite", simple(trial{times: p.alone, each: 4, setting: onSQLite, strike: killNight})},
		{"Postgres killed", own(pgtest.Options{}, func(s *pgtest.Server) *trial {
			return &trial{times: p.restarts, each: 2, strike: killPostgres(s)}
		})},
		{"Postgres restarted", own(pgtest.Options{}, func(s *pgtest.Server) *trial {
			return &trial{times: p.restarts, each: 2, strike: restartPostgres(s)}
		})},
		{"archive's disk full", p.fillArchive(shared)},
		{"SQLite's disk full", p.fillSQLite},
		{"Postgres' disk full", p.fillPostgres},
		{"file replaced, with workers", simple(trial{times: p.files / 2, setting: onPostgres(shared), strike: replaceFile, again: true, compare: inTheEnd})},
		{"file replaced, SQLite", simple(trial{times: p.files - p.files/2, setting: onSQLite, strike: replaceFile, again: true, compare: inTheEnd})},
	}
}

// root says why what only root may do cannot be done.
func root(what string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s needs root: %w", what, errors.ErrUnsupported)
	}
	return nil
}

// small is a small disk for a trial; errors.ErrUnsupported where none can be mounted.
func small(path string, megabytes int) (*disk, error) {
	if err := root("a small disk"); err != nil {
		return nil, err
	}
	d, err := newDisk(path, megabytes)
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		err = fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
	}
	return d, err
}

func (p plan) fillArchive(shared *pgtest.Server) func(l *lab) (*trial, error) {
	return func(l *lab) (*trial, error) {
		d, err := small(filepath.Join(l.dir, "archives"), 64)
		if err != nil {
			return nil, err
		}
		return &trial{times: p.disks, each: 2, before: true, strike: d.full, close: d.close,
			setting: func(l *lab) (setting, error) {
				s, err := onPostgres(shared)(l)
				s.archive = filepath.Join(d.path, fmt.Sprint(l.number()))
				return s, err
			},
			check: names(func(e *estate) string { return e.archive })}, nil
	}
}

func (p plan) fillSQLite(l *lab) (*trial, error) {
	d, err := small(filepath.Join(l.dir, "stores"), 64)
	if err != nil {
		return nil, err
	}
	return &trial{times: p.disks, each: 2, before: true, strike: d.full, close: d.close,
		setting: func(l *lab) (setting, error) {
			return setting{store: "sqlite://" + filepath.Join(d.path, fmt.Sprintf("%d.db", l.number()))}, nil
		},
		check: names(func(e *estate) string { return strings.TrimPrefix(e.store, "sqlite://") })}, nil
}

func (p plan) fillPostgres(*lab) (*trial, error) {
	var d *disk
	s, err := pgtest.Start(pgtest.Options{Durable: true, Prepare: func(data string) (err error) {
		d, err = small(data, 400)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return &trial{times: p.disks, each: 2, before: true, setting: onPostgres(s),
		strike: func(x *striking) error {
			x.undo = func() error { return errors.Join(d.room(), s.Revive()) }
			return d.fill()
		},
		check: func(e *estate, said string) string {
			if strings.Contains(said, "No space left") && !strings.Contains(said, "room") {
				return "a full disk, and the run does not say what to do"
			}
			return ""
		},
		close: func() error { return errors.Join(s.Stop(), d.close(), s.Close()) }}, nil
}

// cut is a trial in which a network is cut on which Postgres is reached. joined puts into it what is to be cut off.
func (p plan) cut(joined func(s *setting, w *network)) func(l *lab) (*trial, error) {
	return func(l *lab) (*trial, error) {
		if err := root("a network of its own"); err != nil {
			return nil, err
		}
		if _, err := exec.LookPath("ip"); err != nil && os.Getenv("CI") != "true" {
			return nil, fmt.Errorf("a network of its own needs ip, of iproute2: %w", errors.ErrUnsupported)
		}
		w, err := newNetwork(l.number())
		if err != nil {
			if os.Getenv("CI") != "true" {
				err = fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
			}
			return nil, err
		}
		s, err := pgtest.Start(pgtest.Options{Durable: true, Network: w.wide})
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		return &trial{times: p.cuts, strike: w.cut(p.away), close: func() error { return errors.Join(w.close(), s.Close()) },
			setting: func(l *lab) (setting, error) {
				x, err := onPostgres(s)(l)
				x.reached, x.store = x.store, strings.Replace(x.store, "127.0.0.1", w.address, 1)
				joined(&x, w)
				return x, err
			}}, nil
	}
}

// table prints what came of the trials.
func table(out io.Writer, results []*result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "fault\ttimes\thit\tnights\truns\tlongest recovery\tposted twice\tdifferences\tin which stage")
	var notes []string
	for _, r := range results {
		if r.skipped != "" {
			notes = append(notes, fmt.Sprintf("%s: not tried: %s", r.name, r.skipped))
			continue
		}
		var hit []string
		for _, s := range append([]string{"before"}, stages...) {
			if n := r.stages[s]; n > 0 {
				hit = append(hit, fmt.Sprintf("%s %d", s, n))
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%s\n", r.name, r.times, r.hit, r.nights, r.runs, r.longest.Round(100*time.Millisecond), r.twice,
			len(r.differs), strings.Join(hit, ", "))
		for _, n := range slices.Sorted(maps.Keys(r.notes)) {
			notes = append(notes, fmt.Sprintf("%s: %s: %d", r.name, n, r.notes[n]))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, strings.Join(notes, "\n"))
	return err
}
