//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/internal/market"
)

// A lab is what all trials share: the program, a folder, and the seed that decides what they do.
type lab struct {
	binary string
	dir    string
	seed   uint64
	log    io.Writer // told as things happen

	nights int // that each market is cut into

	mu   sync.Mutex
	next int

	reference sync.Mutex
	want      map[uint64]*state // what undisturbed nights leave, by the market's seed
}

// newLab builds the program.
func newLab(dir string, seed uint64, nights int, log io.Writer) (*lab, error) {
	l := &lab{binary: filepath.Join(dir, "mailreeve"), dir: dir, seed: seed, nights: nights, log: log, want: map[uint64]*state{}}
	if out, err := exec.Command("go", "build", "-o", l.binary, "github.com/mailreeve/mailreeve/cmd/mailreeve").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build mailreeve: %w\n%s", err, out)
	}
	return l, nil
}

// number is another one at each call.
func (l *lab) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

// folder is a new one. All names are of one length: messages cut long lines short, and lines name paths.
func (l *lab) folder() (string, error) {
	dir := filepath.Join(l.dir, fmt.Sprintf("%05d", l.number()))
	return dir, os.Mkdir(dir, 0o755)
}

// market is the market of a seed, and its nights.
func (l *lab) market(seed uint64) (*market.Market, []market.Night) {
	m := market.New(seed)
	return m, m.Nights(rand.New(rand.NewPCG(seed, 2)), l.nights)
}

// undisturbed is what the nights of a market leave when nothing happens to them: in one process, on SQLite.
func (l *lab) undisturbed(ctx context.Context, seed uint64) (*state, error) {
	l.reference.Lock()
	defer l.reference.Unlock()
	if known := l.want[seed]; known != nil {
		return known, nil
	}
	m, list := l.market(seed)
	e, err := l.newEstate(m, setting{})
	if err != nil {
		return nil, err
	}
	defer e.close()
	for _, n := range list {
		if err := e.apply(n); err != nil {
			return nil, err
		}
		runs, _, err := e.finish(ctx, n.AsOf)
		if err == nil && runs != 1 {
			err = errors.New("an undisturbed night took more than one run")
		}
		if err != nil {
			return nil, err
		}
	}
	s, err := e.state(ctx)
	l.want[seed] = s
	return s, err
}

// A result is what came of a trial.
type result struct {
	name    string
	times   int            // how often the fault was to come
	hit     int            // how often it met a run under way
	stages  map[string]int // in which stage that was
	nights  int            // that were run
	runs    int            // that those took
	longest time.Duration  // from a fault to the end of a run that finished
	twice   int            // messages that were posted twice
	notes   map[string]int
	differs []string // from the undisturbed nights
	skipped string   // why it could not be tried
}

func (r *result) add(x *result) {
	r.times, r.hit, r.nights, r.runs, r.twice = r.times+x.times, r.hit+x.hit, r.nights+x.nights, r.runs+x.runs, r.twice+x.twice
	r.longest = max(r.longest, x.longest)
	r.differs = append(r.differs, x.differs...)
	for stage, n := range x.stages {
		r.stages[stage] += n
	}
	for note, n := range x.notes {
		r.notes[note] += n
	}
}
