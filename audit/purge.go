package audit

import (
	"fmt"
	"strings"
)

// Facts and history are kept for as long as the policy says; then a night lets them go, in the transaction that publishes it. What later judgments need
// stays: the counts and sets of findings (see BaseDay), headers, answers, and of lifecycle the state that each site was in.

// BaseDay is the day under which the contributions of days that were purged are kept, as one for each finding.
const BaseDay Day = StateDay + 1

// A Retention is from when on something is kept; what is older leaves the store with the run that is published.
type Retention struct {
	Findings Instant // resolved findings, by the last thing that happened to them
	Trail    Instant // details of the trail, runs, messages that were delivered
}

// A Purged is what left the store with a run.
type Purged struct {
	Before       string `json:"before"` // the first day whose facts are kept
	Days         int    `json:"days"`   // that had facts
	Packs        int    `json:"packs"`
	Records      int64  `json:"records"` // calls and reports
	Bytes        int64  `json:"bytes"`   // of the archive
	Observations int    `json:"observations"`
	Folded       int    `json:"folded"` // contributions that were made part of one
	Events       int    `json:"events"` // of lifecycle
	Versions     int    `json:"versions"`
	Findings     int    `json:"findings"`
	Details      int    `json:"details"` // of the trail
	Quarantined  int    `json:"quarantined"`
	Runs         int    `json:"runs"`
	Messages     int    `json:"messages"`
	Attachments  int    `json:"attachments"` // of vendors
}

// parts is what is told of p, in order.
func (p *Purged) parts() []purgedPart {
	return []purgedPart{{"packs", int64(p.Packs)}, {"records", p.Records}, {"bytes", p.Bytes}, {"days", int64(p.Days)}, {"observations", int64(p.Observations)},
		{"contributions folded", int64(p.Folded)}, {"lifecycle events", int64(p.Events)}, {"registry versions", int64(p.Versions)},
		{"resolved findings", int64(p.Findings)}, {"details of the trail", int64(p.Details)}, {"lines in quarantine", int64(p.Quarantined)},
		{"runs", int64(p.Runs)}, {"messages", int64(p.Messages)}, {"attachments", int64(p.Attachments)}}
}

type purgedPart struct {
	what string
	n    int64
}

// Any says whether anything was purged.
func (p *Purged) Any() bool {
	for _, x := range p.parts() {
		if x.n > 0 {
			return true
		}
	}
	return false
}

// String says in one line what was purged.
func (p *Purged) String() string {
	var said []string
	for _, x := range p.parts() {
		if x.n > 0 {
			said = append(said, fmt.Sprintf("%s %d", x.what, x.n))
		}
	}
	text := strings.Join(said, ", ")
	if p.Before != "" {
		text += "; facts are kept from " + p.Before + " on"
	}
	return text
}

// Numbers is p for the trail.
func (p *Purged) Numbers() map[string]any {
	out := map[string]any{"before": p.Before}
	for _, x := range p.parts() {
		if x.n > 0 {
			out[strings.ReplaceAll(x.what, " ", "_")] = x.n
		}
	}
	return out
}

// Fold is contributions of one finding to several days as one, under BaseDay: all that the finding's numbers and evidence need of them.
func Fold(list []Contribution) Contribution {
	t := totalsOf(list)
	return t.folded(&list[0])
}

// LastEvents is what later judgments need of a site's events that are all over: those that tell its state since the last of them, and how many users it
// had last.
func LastEvents(events []Lifecycle) []Lifecycle {
	if len(events) == 0 {
		return nil
	}
	SortEvents(events)
	last := len(events) - 1
	keep := map[int]bool{last: true}
	if !events[last].Event.Active() {
		left := last // when it became inactive
		for left > 0 && !events[left-1].Event.Active() {
			left--
		}
		keep[left] = true
	}
	for i := last; i >= 0; i-- {
		if events[i].Users >= 0 && events[i].Event.Active() { // an inactive one would stand for the beginning of the absence
			keep[i] = true
			break
		}
	}
	var out []Lifecycle
	for i := range events {
		if keep[i] {
			out = append(out, events[i])
		}
	}
	return out
}
