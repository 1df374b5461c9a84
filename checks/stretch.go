package checks

import (
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// A stretch is a part of a day over which neither the approvals in force nor the rules change.
type stretch struct {
	from, until audit.Instant // until excluded
	approved    bool
	rules       *audit.Rules
	verdicts    []verdict // by purpose of the day's calls; see purposes.go
}

// stretches cuts a day up to as-of where an approval or a version of the rules begins or ends. There is at least one.
func stretches(d *audit.Dossier, day audit.Day) []stretch {
	start, end := day.Start(), day.End()
	cuts := []audit.Instant{start}
	cut := func(t audit.Instant) {
		if start < t && t < end {
			cuts = append(cuts, t)
		}
	}
	for i := range d.Approvals {
		from, to := d.Approvals[i].Span()
		cut(from)
		cut(to)
	}
	for i := range d.Rules {
		cut(d.Rules[i].From)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)

	out := make([]stretch, len(cuts))
	for i, from := range cuts {
		out[i] = stretch{from: from, until: audit.Never, approved: d.ApprovedAt(from), rules: d.Rules.At(from)}
		if i > 0 {
			out[i-1].until = from
		}
	}
	return out
}

// eachCall visits the day's calls up to as-of, in order of time, each with the stretch that it falls on. Where no stretch is of interest the
// calls are not even read.
func eachCall(d *audit.Dossier, day audit.Day, interest func(*stretch) bool, visit func(*audit.CallDay, *audit.Call, *stretch)) error {
	parts := stretches(d, day)
	wanted := make([]bool, len(parts))
	for i := range parts {
		wanted[i] = interest(&parts[i])
	}
	if !slices.Contains(wanted, true) {
		return nil
	}
	calls, err := d.Days.Calls(day)
	if err != nil {
		return err
	}
	i := 0
	for j := range calls.Calls {
		c := &calls.Calls[j]
		if c.At > d.AsOf {
			break
		}
		for c.At >= parts[i].until {
			i++
		}
		if wanted[i] {
			visit(calls, c, &parts[i])
		}
	}
	return nil
}

// unapproved says whether no approval was in force.
func unapproved(s *stretch) bool { return !s.approved }

// nothing of a policy is read.
func nothing(*audit.Policy) any { return nil }
