package notices

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// nights are the finished runs, judged: those of an older mailreeve by what is kept of them, until the next run does it for good.
func (d *Desk) nights(ctx context.Context) ([]audit.NightCount, error) {
	list, err := d.Store.NightCounts(ctx)
	d.Policy.Ladder.Judge(list)
	return list, err
}

// held is the first abnormal night that holds up every notice; nil where none does.
func held(nights []audit.NightCount) *audit.NightCount {
	if i := slices.IndexFunc(nights, func(n audit.NightCount) bool { return n.Holds() }); i >= 0 {
		return &nights[i]
	}
	return nil
}

// Alarm is what people are told of an abnormal night as it is filed; "" where it is none, or nobody writes to vendors.
func (d *Desk) Alarm(r *audit.Result) string {
	if r == nil || !d.On() || !r.Night.Holds() {
		return ""
	}
	return r.Night.Alarm()
}

// Release lets go what a run holds up: every notice, where it was abnormal; those about what it filed, where it was a first run. Without a run it is all of
// them that hold anything up. It gives the runs.
func (d *Desk) Release(ctx context.Context, run, by, reason string) (released []string, err error) {
	nights, err := d.nights(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range nights {
		holds := n.Holds() || !n.Released && n.Baseline && run != ""
		if run != "" && n.Run != run || !holds {
			continue
		}
		e := audit.TrailEntry{At: audit.At(d.Clock()), Who: by, What: "notices released", Why: reason, Details: map[string]any{"run": n.Run, "severe": float64(n.Severe)}}
		if err := d.Store.Release(ctx, n.Run, e); err != nil {
			return released, err
		}
		released = append(released, n.Run)
	}
	if run != "" && len(released) == 0 {
		if !slices.ContainsFunc(nights, func(n audit.NightCount) bool { return n.Run == run }) {
			return nil, fmt.Errorf("run %q: %w: `mailreeve runs list` shows what there is", run, store.ErrNotFound)
		}
		return nil, fmt.Errorf("run %s: %w", run, ErrHoldsNothing)
	}
	return released, nil
}

// ErrHoldsNothing says that a run is not to be released.
var ErrHoldsNothing = errors.New("it holds up nothing, or no longer")

// Held is the abnormal night that holds up every notice; nil where none does.
func (d *Desk) Held(ctx context.Context) (*audit.NightCount, error) {
	nights, err := d.nights(ctx)
	return held(nights), err
}
