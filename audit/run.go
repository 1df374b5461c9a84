package audit

import "fmt"

// Began says how the run came about.
func (r *Run) Began() string {
	switch {
	case r.Baseline:
		return "baseline"
	case r.ScheduledAt != Never:
		return "scheduled"
	}
	return "by hand"
}

// Note says what somebody should know of the run; empty: nothing.
func (r *Run) Note() string {
	if r.Error != "" {
		return r.Error
	}
	blind := 0
	for _, s := range r.Summary.Sources {
		if !s.Looked {
			blind++
		}
	}
	switch blind {
	case 0:
		return ""
	case 1:
		return "could not look at 1 source"
	}
	return fmt.Sprintf("could not look at %d sources", blind)
}

// RunStatus is where a run stands.
type RunStatus string

// The statuses of a run.
const (
	Running  RunStatus = "running"
	Finished RunStatus = "finished"
	Failed   RunStatus = "failed"
)

// A Run is one audit.
type Run struct {
	Seq         int64 // 1, 2, …
	ID          string
	AsOf        Instant
	ScheduledAt Instant // Never: run by hand
	StartedAt   Instant
	FinishedAt  Instant // Never: not yet
	Status      RunStatus
	Error       string
	Baseline    bool
	By          string // who started it
	Summary     RunSummary
}

// RunSummary is what a run read, looked at, and found.
type RunSummary struct {
	Sources         []SourceResult `json:"sources"`
	Checks          []CheckResult  `json:"checks"`
	UnknownInstalls int            `json:"unknown_installs"`
	ClockTrouble    int            `json:"clock_trouble"`
	Findings        FindingCounts  `json:"findings"`
	Judged          int            `json:"judged"` // (app, day, check)s
	Notes           []string       `json:"notes,omitempty"`
	Purged          *Purged        `json:"purged,omitempty"`
	Trail           *TrailHead     `json:"trail,omitempty"` // once the run was published
}

// A TrailHead is the last entry of the trail at a moment. Its hash covers every entry before it: whoever kept it can tell whether one was changed or
// cut off since.
type TrailHead struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"` // hexadecimal
}

// SourceResult is what a run made of a source. Lines = Facts + Duplicates + Quarantined + Expired.
type SourceResult struct {
	Kind        Kind    `json:"kind"`
	Path        string  `json:"path"`
	Lines       int64   `json:"lines"`
	Facts       int64   `json:"facts"`
	Duplicates  int64   `json:"duplicates"`
	Quarantined int64   `json:"quarantined"`
	Expired     int64   `json:"expired"`
	Newest      Instant `json:"newest"` // of its records up to as-of; Ever: none
	Looked      bool    `json:"looked"`
	Trouble     string  `json:"trouble,omitempty"` // why it was not looked at, or what to mend
}

// CheckResult is whether a run looked at a check, and why not.
type CheckResult struct {
	ID     string `json:"id"`
	Looked bool   `json:"looked"`
	Why    string `json:"why,omitempty"`
	Off    bool   `json:"off,omitempty"` // the policy turns it off
}

// Idle are the checks that did not look though they should have.
func (s *RunSummary) Idle() (list []CheckResult) {
	for _, c := range s.Checks {
		if !c.Looked && !c.Off {
			list = append(list, c)
		}
	}
	return list
}

// FindingCounts is what a run changed.
type FindingCounts struct {
	New       int `json:"new"`
	Reopened  int `json:"reopened"`
	Worsened  int `json:"worsened"`
	Resolved  int `json:"resolved"`
	Withdrawn int `json:"withdrawn"`
	Open      int `json:"open"` // all that are not resolved, suppressed or dismissed
}
