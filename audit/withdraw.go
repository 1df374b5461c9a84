package audit

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// takenAway notes the occurrences of a day that were counted before and no longer are, and up to three of the facts that did it.
func (x *examination) takenAway(d *delta, c *Check, day Day, since int64, old *Contribution, now []uint64) error {
	gone := map[uint64]bool{}
	for _, id := range old.Occurrences {
		if _, still := slices.BinarySearch(now, id); !still {
			gone[id] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	d.gone += len(gone)
	if len(d.causes) >= maxCauses || day == StateDay {
		return nil
	}
	why := withdrawal{x: x, since: since, day: day, gone: gone, old: old}
	if err := why.find(c); err != nil {
		return err
	}
	for _, cause := range why.causes {
		if len(d.causes) < maxCauses && !slices.Contains(d.causes, cause) {
			d.causes = append(d.causes, cause)
		}
	}
	return nil
}

const maxCauses = 3

// A withdrawal looks for the facts that took occurrences away: among those that came since the check last looked.
type withdrawal struct {
	x      *examination
	since  int64
	day    Day
	gone   map[uint64]bool
	old    *Contribution
	causes []string
}

func (w *withdrawal) add(s Source, format string, args ...any) {
	if len(w.causes) < maxCauses {
		text := fmt.Sprintf(format, args...)
		if s.File != 0 {
			text += fmt.Sprintf(" (%s)", w.x.sourceName(s))
		}
		w.causes = append(w.causes, text)
	}
}

func (w *withdrawal) find(c *Check) error {
	if c.IsTouched(TouchApproval) {
		w.approvals()
	}
	if c.IsTouched(TouchInstall) {
		if err := w.installs(); err != nil {
			return err
		}
	}
	if c.IsTouched(TouchLeaving) {
		w.leavings()
	}
	if c.IsTouched(TouchRetrieved) {
		if err := w.retrieved(); err != nil {
			return err
		}
	}
	if c.IsTouched(TouchPast) {
		if err := w.past(); err != nil {
			return err
		}
	}
	if c.IsTouched(TouchReporting) {
		if err := w.reporting(); err != nil {
			return err
		}
	}
	if c.IsTouched(TouchUpdated) {
		return w.updated()
	}
	return nil
}

func (w *withdrawal) approvals() {
	for i := range w.x.d.Approvals {
		a := &w.x.d.Approvals[i]
		if slices.ContainsFunc(w.x.approvalsWere, func(b Approval) bool { return sameJSON(*a, b) }) {
			continue
		}
		from, to := a.Span()
		if from < w.old.Last+1 && to > w.old.First {
			var source Source
			if app := w.x.d.Newest(); app != nil {
				source = app.Source
			}
			third := ""
			if len(a.ThirdParties) > 0 {
				third = ", with the third parties " + strings.Join(a.ThirdParties, ", ")
			}
			w.add(source, "approval %s, in force from %s to %s, for %s%s", a.RequestID, from, to, strings.Join(a.Purposes, ", "), third)
		}
	}
}

func (w *withdrawal) installs() error {
	calls, err := w.x.days.Calls(w.day)
	if err != nil {
		return err
	}
	sites := map[string]bool{}
	for i := range calls.Calls {
		if c := &calls.Calls[i]; w.gone[c.Hash] {
			sites[calls.Sites[c.Site]] = true
		}
	}
	observed, err := w.x.days.Observations(w.day)
	if err != nil {
		return err
	}
	for i := range observed {
		if o := &observed[i]; w.gone[o.Occurrence()] {
			sites[o.Site] = true
		}
	}
	for _, e := range w.events() {
		if sites[e.Site] {
			w.add(e.Source, "%s on site %s at %s", e.Event, e.Site, e.At)
		}
	}
	return nil
}

// events is the lifecycle events that came since the check last looked, or whose time has come since.
func (w *withdrawal) events() []Lifecycle {
	out := slices.Clone(w.x.newEvents)
	for i := range w.x.before.Events {
		if e := &w.x.before.Events[i]; e.Run >= w.since {
			out = append(out, e.Lifecycle)
		}
	}
	slices.SortFunc(out, func(a, b Lifecycle) int { return compareInstants(a.At, b.At) })
	return out
}

func (w *withdrawal) leavings() {
	for _, e := range w.events() {
		w.add(e.Source, "%s on site %s at %s", e.Event, e.Site, e.At)
	}
}

// retrieved looks for retrievals of the accounts in the days before.
func (w *withdrawal) retrieved() error {
	for day := w.day - w.x.longest((*Policy).FreshDays); day <= w.day; day++ {
		calls, err := w.x.days.newCalls(day, w.since)
		if err != nil {
			return err
		}
		for i := range calls.Calls {
			c := &calls.Calls[i]
			if c.Retrieval() && slices.ContainsFunc(c.Accounts, func(a uint32) bool { return w.old.Accounts.Has(calls.Accounts.At(int(a))) }) {
				w.add(c.Source, "a retrieval at %s", c.At)
				break
			}
		}
	}
	return nil
}

// past looks for calls of the days before that the day is held against, and for what happened on sites then.
func (w *withdrawal) past() error {
	from := w.day - w.x.longest((*Policy).DriftDays)
	for _, e := range w.events() {
		if e.At < w.day.End() {
			w.add(e.Source, "%s on site %s at %s", e.Event, e.Site, e.At)
		}
	}
	for i := range w.x.d.Headers {
		h := &w.x.d.Headers[i]
		if len(w.causes) >= maxCauses || h.Day > w.day {
			break
		}
		if h.Day < from {
			continue
		}
		calls, err := w.x.days.newCalls(h.Day, w.since)
		if err != nil {
			return err
		}
		if len(calls.Calls) > 0 {
			w.add(calls.Calls[0].Source, "%d more calls of %s, which the day is held against", len(calls.Calls), h.Day)
		}
	}
	return nil
}

// reporting looks for reports that hold the accounts, answers that closed them, and incidents that moved the deadline.
func (w *withdrawal) reporting() error {
	for _, n := range w.x.newIncs {
		if n.API == ReportingAPI {
			w.add(n.Source, "an incident of the reporting API from %s to %s moved the deadline", n.From, n.To)
		}
	}
	by := w.x.newBy(w.day)
	for i := range w.x.d.Headers {
		h := &w.x.d.Headers[i]
		if len(w.causes) >= maxCauses || !by.Kept(h.Day.Start()) {
			break
		}
		if h.LastReport == Ever {
			continue
		}
		reports, err := w.x.days.newReports(h.Day, w.since)
		if err != nil {
			return err
		}
		for j := range reports.Reports {
			r := &reports.Reports[j]
			if !r.Counts() || !by.Kept(r.At) {
				continue
			}
			holds := r.At >= w.day.Start() && slices.ContainsFunc(r.Accounts, func(a Reported) bool { return w.old.Accounts.Has(reports.Accounts.At(int(a.Account))) })
			closes := slices.ContainsFunc(r.Answers, func(a Answer) bool {
				return a.Closed && w.old.Accounts.Has(reports.Accounts.At(int(a.Account)))
			})
			switch {
			case holds:
				w.add(r.Source, "a report of %s holds them", r.At)
			case closes:
				w.add(r.Source, "the answer of %s closed them", r.At)
			}
		}
	}
	return nil
}

// updated looks for retrievals of the accounts, and for answers that came to be the latest.
func (w *withdrawal) updated() error {
	for i := range w.x.d.Headers {
		h := &w.x.d.Headers[i]
		if len(w.causes) >= maxCauses || h.Day > w.day {
			break
		}
		if h.FirstRetrieval != Ever {
			calls, err := w.x.days.newCalls(h.Day, w.since)
			if err != nil {
				return err
			}
			for j := range calls.Calls {
				c := &calls.Calls[j]
				if c.Retrieval() && slices.ContainsFunc(c.Accounts, func(a uint32) bool { return w.old.Accounts.Has(calls.Accounts.At(int(a))) }) {
					w.add(c.Source, "a retrieval at %s", c.At)
					break
				}
			}
		}
		if h.LastReport != Ever {
			reports, err := w.x.days.newReports(h.Day, w.since)
			if err != nil {
				return err
			}
			for j := range reports.Reports {
				r := &reports.Reports[j]
				if r.Counts() && slices.ContainsFunc(r.Answers, func(a Answer) bool { return !a.Closed && w.old.Accounts.Has(reports.Accounts.At(int(a.Account))) }) {
					w.add(r.Source, "a later answer at %s", r.At)
					break
				}
			}
		}
	}
	return nil
}

// sourceName is a fact's file and line for a person.
func (r *running) sourceName(s Source) string {
	return fmt.Sprintf("%s:%d", r.fileNames()[s.File], s.Line)
}

// fileNames is the base names of all files, by number.
func (r *running) fileNames() map[uint32]string {
	r.names.Do(func() {
		r.nameOf = map[uint32]string{}
		for _, f := range r.led.Files {
			r.nameOf[f.ID] = filepath.Base(f.Path)
		}
		for _, f := range r.reading.Files {
			r.nameOf[f.ID] = filepath.Base(f.Path)
		}
	})
	return r.nameOf
}
