package record

import (
	"slices"
	"strconv"

	"github.com/mailreeve/mailreeve/audit"
)

// A Run is a run in JSON, as docs/findings.md gives it.
type Run struct {
	ID              string              `json:"id"`
	AsOf            Moment              `json:"as_of"`
	ScheduledAt     Moment              `json:"scheduled_at"`
	Status          audit.RunStatus     `json:"status"`
	Sources         []Source            `json:"sources"`
	Checks          []CheckLooked       `json:"checks"`
	UnknownInstalls int                 `json:"unknown_installs"`
	ClockTrouble    int                 `json:"clock_trouble"`
	Findings        audit.FindingCounts `json:"findings"`
	Purged          *audit.Purged       `json:"purged,omitempty"`
	Trail           *audit.TrailHead    `json:"trail,omitempty"`
}

// A Source is what a run read of a source.
type Source struct {
	Kind        audit.Kind `json:"kind"`
	Path        string     `json:"path"`
	Lines       int64      `json:"lines"`
	Facts       int64      `json:"facts"`
	Duplicates  int64      `json:"duplicates"`
	Quarantined int64      `json:"quarantined"`
	Expired     int64      `json:"expired"`
	Newest      Moment     `json:"newest"`
	Looked      bool       `json:"looked"`
}

// A CheckLooked says whether a check could look.
type CheckLooked struct {
	ID     string `json:"id"`
	Looked bool   `json:"looked"`
}

// RunOf is a run.
func RunOf(r *audit.Run) Run {
	out := Run{ID: r.ID, AsOf: Moment(r.AsOf), ScheduledAt: Moment(r.ScheduledAt), Status: r.Status, Sources: []Source{}, Checks: []CheckLooked{},
		UnknownInstalls: r.Summary.UnknownInstalls, ClockTrouble: r.Summary.ClockTrouble, Findings: r.Summary.Findings, Purged: r.Summary.Purged, Trail: r.Summary.Trail}
	for _, s := range r.Summary.Sources {
		out.Sources = append(out.Sources, Source{s.Kind, s.Path, s.Lines, s.Facts, s.Duplicates, s.Quarantined, s.Expired, Moment(s.Newest), s.Looked})
	}
	for _, x := range r.Summary.Checks {
		out.Checks = append(out.Checks, CheckLooked{x.ID, x.Looked})
	}
	return out
}

// A Coverage says whether a run could look at one source, or through one check.
type Coverage struct {
	Run     string `json:"run"`
	AsOf    Moment `json:"as_of"`
	What    string `json:"what"` // source or check
	Name    string `json:"name"` // of a check its id, of a source its kind
	Path    string `json:"path"` // of a source
	Looked  bool   `json:"looked"`
	Through *Day   `json:"through"` // the as-of's day of the last run up to this one that could look; null: none could
	Newest  Moment `json:"newest"`  // of a source: its newest record up to as-of
	Why     string `json:"why"`     // it could not
}

// A Day is a UTC day in JSON.
type Day audit.Day

// MarshalJSON writes a day as in 2026-11-22.
func (d Day) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, audit.Day(d).String()), nil
}

// CoverageOf is what finished runs looked at, given and told from the newest on; of each run sources first.
func CoverageOf(runs []audit.Run) [][]Coverage {
	type name struct{ what, name, path string }
	through := map[name]*Day{}
	nights := make([][]Coverage, len(runs))
	for i, r := range slices.Backward(runs) {
		day := Day(r.AsOf.Day())
		add := func(row Coverage) {
			n := name{row.What, row.Name, row.Path}
			if row.Looked {
				through[n] = &day
			}
			row.Run, row.AsOf, row.Through = r.ID, Moment(r.AsOf), through[n]
			nights[i] = append(nights[i], row)
		}
		for _, s := range r.Summary.Sources {
			add(Coverage{What: "source", Name: string(s.Kind), Path: s.Path, Looked: s.Looked, Newest: Moment(s.Newest), Why: s.Trouble})
		}
		for _, x := range r.Summary.Checks {
			add(Coverage{What: "check", Name: x.ID, Looked: x.Looked, Newest: Moment(audit.Ever), Why: x.Why})
		}
	}
	return nights
}

// A Quarantined is a bad line in JSON, as docs/findings.md gives it.
type Quarantined struct {
	File   string     `json:"file"`
	Line   uint64     `json:"line"`
	Kind   audit.Kind `json:"kind"`
	Reason string     `json:"reason"`
	Text   string     `json:"text"`
}

// QuarantinedOf is a bad line.
func QuarantinedOf(q *audit.Quarantined) Quarantined {
	return Quarantined{q.Path, q.Line, q.Kind, q.Reason, q.Text}
}
