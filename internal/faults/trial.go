//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mailreeve/mailreeve/internal/market"
)

// A trial brings one fault about again and again, in the nights of one market after another.
type trial struct {
	name    string
	times   int // runs that are to be hit
	each    int // at most so many of a night; it is hit again before it has finished
	setting func(l *lab) (setting, error)

	strike  func(x *striking) error                     // brings the fault about
	before  bool                                        // half of the faults are there before the run begins
	again   bool                                        // the night is to be run again also where the run that was hit finished
	check   func(e *estate, said string) (wrong string) // whether a run that failed says what it should
	compare func(want, got *state) []string             // in the end
	close   func() error
}

// striking is a fault under way.
type striking struct {
	*estate
	rng  *rand.Rand
	asOf time.Time
	run  *process // that is hit; nil: none has begun
	note func(what string)
	undo func() error // set by the fault: ends it, once the run that was hit has ended; nil: it passes by itself
}

// do does the trial, from the market of a seed on.
func (t *trial) do(ctx context.Context, l *lab, seed uint64) (r *result, err error) {
	r = &result{name: t.name, stages: map[string]int{}, notes: map[string]int{}}
	if t.close != nil {
		defer func() { err = errors.Join(err, t.close()) }()
	}
	for last := seed + uint64(20+t.times); r.hit < t.times; seed++ {
		if seed > last {
			return r, fmt.Errorf("%s: no run can be hit", t.name)
		}
		if err := t.market(ctx, l, seed, r); err != nil {
			return r, fmt.Errorf("%s, market %d: %w", t.name, seed, err)
		}
		fmt.Fprintf(l.log, "%s: %d of %d, %d differences\n", t.name, r.hit, t.times, len(r.differs))
	}
	return r, nil
}

// market does the trial in the nights of one market.
func (t *trial) market(ctx context.Context, l *lab, seed uint64, r *result) error {
	want, err := l.undisturbed(ctx, seed)
	if err != nil {
		return err
	}
	m, list := l.market(seed)
	s, err := t.setting(l)
	if err != nil {
		return err
	}
	e, err := l.newEstate(m, s)
	if err != nil {
		return err
	}
	defer e.close()
	if len(e.workers) > 0 {
		if err := e.ready(ctx); err != nil {
			return err
		}
	}
	x := &striking{estate: e, rng: rand.New(rand.NewPCG(l.seed, seed)), note: func(what string) { r.notes[what]++ }}
	took := 500 * time.Millisecond
	var last market.Night
	for _, last = range list {
		if err := e.apply(last); err != nil {
			return err
		}
		if err := t.night(ctx, x, last.AsOf, &took, r); err != nil {
			return err
		}
	}
	// Whatever a fault left behind at the very end, the next run removes.
	if _, _, err := e.finish(ctx, last.AsOf); err != nil {
		return err
	}
	got, err := e.state(ctx)
	if err != nil {
		return err
	}
	r.twice += got.twice
	for _, d := range t.compare(want, got) {
		r.differs = append(r.differs, fmt.Sprintf("%s, market %d: %s", t.name, seed, d))
	}
	return nil
}

// night hits a night's runs, and has it finish. took is how long one takes.
func (t *trial) night(ctx context.Context, x *striking, asOf time.Time, took *time.Duration, r *result) error {
	r.nights++
	hits, struck, finished := 0, time.Time{}, false
	for !finished && hits < t.each && r.hit < t.times && (hits == 0 || x.rng.IntN(3) > 0) {
		at := moment(x.rng, *took)
		if t.before && x.rng.IntN(2) == 0 {
			at = 0
		}
		stage, began, err := t.hit(ctx, x, asOf, at)
		if err != nil {
			return err
		}
		r.runs++
		finished = x.run.done()
		if stage == "" {
			*took = (*took + x.run.took()) / 2
			continue
		}
		hits++
		r.times++
		r.hit++
		r.stages[stage]++
		struck = began
		if finished {
			r.longest = max(r.longest, x.run.over.Sub(struck))
		} else if t.check != nil && x.run.code >= 0 {
			if wrong := t.check(x.estate, x.run.last()); wrong != "" {
				r.differs = append(r.differs, fmt.Sprintf("%s: %s: %s", t.name, wrong, x.run.last()))
			}
		}
	}
	if finished && !(t.again && hits > 0) {
		if hits == 0 {
			r.times++ // it was tried
		}
		return nil
	}
	runs, said, err := x.finish(ctx, asOf)
	r.runs += runs
	if err != nil {
		return err
	}
	if hits > 0 && !finished {
		r.longest = max(r.longest, time.Since(struck))
	}
	for _, line := range said {
		x.note("said: " + trouble(line))
	}
	return nil
}

// hit starts a run and hits it after a while; at once: before it begins. It says in which stage that was, "" where the run had finished, and when.
func (t *trial) hit(ctx context.Context, x *striking, asOf time.Time, after time.Duration) (stage string, struck time.Time, err error) {
	x.run, x.undo, x.asOf = nil, nil, asOf
	defer func() {
		if x.undo != nil {
			err = errors.Join(err, x.undo())
		}
	}()
	if after == 0 {
		stage, struck = "before", time.Now()
		if err := t.strike(x); err != nil {
			return "", struck, err
		}
	}
	if x.run, err = x.estate.run(asOf); err != nil {
		return "", struck, err
	}
	defer x.run.kill() // it has ended, unless something went wrong
	if after > 0 {
		if x.rng.IntN(2) == 0 { // half of them late in the run, where it judges and publishes, which takes less time than to read
			x.run.reaches(stages[2+x.rng.IntN(len(stages)-2)])
			after = time.Duration(x.rng.IntN(40)) * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return "", struck, ctx.Err()
		case <-x.run.ended:
			return "", struck, nil
		case <-time.After(after):
		}
		stage, struck = x.run.stage(), time.Now()
		if err := t.strike(x); err != nil {
			return "", struck, err
		}
	}
	return stage, struck, x.run.wait(ctx, patience)
}

// trouble is the kind of an error line, for the table.
func trouble(line string) string {
	if len(line) > 120 {
		line = line[:120] + "…"
	}
	return line
}

// patience is how long a night may take, its repetitions included.
const patience = 5 * time.Minute

// moment is a random moment of a run that takes so long.
func moment(rng *rand.Rand, took time.Duration) time.Duration {
	return max(time.Duration(rng.Int64N(int64(max(took, 2*time.Millisecond)))), time.Millisecond)
}
