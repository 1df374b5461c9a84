// Package ops tells operators what is wrong with the nights themselves. What to tell follows from the runs alone: the same runs give the same alerts, with
// the same keys, so that none is sent twice.
package ops

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// The boundaries of alerts.
const (
	Late   = 26 * time.Hour // without a night that finished
	Recent = 24 * time.Hour // how long after it ended a condition is told of

	day   = 24 * time.Hour
	weeks = 4 // that a source is held against
	least = 3 // of them that must be there
)

// Window is how many runs are enough for Watch.
const Window = 1500

// An Alert says that a condition began, or ended. It holds no addresses; its texts are one line each, and not escaped.
type Alert struct {
	Key   string // of the condition, the run that began it, and whether it is over
	Title string
	Text  string
	Over  bool
}

// Settings are what is watched for.
type Settings struct {
	Quarantined float64                       // share of a source's lines above which too many are bad
	Missed      func(from, to time.Time) bool // whether a night should have run between; nil: whether nights come is not watched
	Since       time.Time                     // when nights began to be watched, for where none ever ran
	Redact      func(string) string
}

// Watch gives the alerts about all conditions that hold at now, or ended within Recent of it, in the order in which they began. runs are the last ones, the
// newest first, Window of them or all that there are.
func Watch(runs []audit.Run, now time.Time, s Settings) []Alert {
	w := watch{now: now, Settings: s}
	if len(runs) >= Window {
		// A streak whose beginning may have been cut off was told of when it began.
		w.from = runs[len(runs)-1].StartedAt.Time().Add((weeks*7 + 2) * day)
	}
	runs = slices.Clone(runs)
	slices.Reverse(runs)
	w.failures(runs)
	finished := slices.DeleteFunc(runs, func(r audit.Run) bool { return r.Status != audit.Finished })
	w.late(runs, finished)
	w.quarantines(finished)
	w.falls(finished)
	slices.SortStableFunc(w.list, func(a, b dated) int { return a.at.Compare(b.at) })
	out := make([]Alert, len(w.list))
	for i, d := range w.list {
		out[i] = d.Alert
	}
	return out
}

type watch struct {
	Settings
	now  time.Time
	from time.Time // what began before is not told
	list []dated
}

type dated struct {
	Alert
	at time.Time
}

func (w *watch) text(s string) string { return w.Redact(notifier.Line(s)) }

// A streak is a condition from the run in which it began. Where it ends, end is told of.
type streak struct {
	w     *watch
	key   string
	begun *dated
}

// bad continues the streak, or begins it by a run.
func (s *streak) bad(run string, at time.Time, title, text string) {
	if s.begun == nil {
		s.begun = &dated{Alert{Key: fmt.Sprintf("ops %s %s", s.key, run), Title: title, Text: text}, at}
	}
}

// good ends it.
func (s *streak) good(at time.Time, title, text string) {
	if b := s.begun; b != nil && !b.at.Before(s.w.from) && s.w.now.Sub(at) < Recent {
		s.w.list = append(s.w.list, *b, dated{Alert{Key: b.Key + " over", Title: title, Text: text, Over: true}, at})
	}
	s.begun = nil
}

// close tells of a streak that goes on.
func (s *streak) close() {
	if s.begun != nil && !s.begun.at.Before(s.w.from) {
		s.w.list = append(s.w.list, *s.begun)
	}
}

// failures tells of runs that failed. One that was stopped is made up by the next start, and no failure.
func (w *watch) failures(runs []audit.Run) {
	s := streak{w: w, key: "failed"}
	for i := range runs {
		r := &runs[i]
		switch {
		case r.Status == audit.Failed && !strings.HasSuffix(r.Error, "context canceled"):
			s.bad(r.ID, r.FinishedAt.Time(), "A night failed", fmt.Sprintf("Run %s, as of %s, failed: %s. Nothing of it was filed; serve tries again. mailreeve doctor says more.",
				r.ID, notifier.Stamp(r.AsOf), notifier.Shorten(w.text(r.Error), 500)))
		case r.Status == audit.Finished:
			s.good(r.FinishedAt.Time(), "Nights finish again", fmt.Sprintf("Run %s, as of %s, has finished, after one or more that failed.", r.ID, notifier.Stamp(r.AsOf)))
		}
	}
	s.close()
}

// late tells where no night finished for too long.
func (w *watch) late(runs, finished []audit.Run) {
	if w.Missed == nil {
		return
	}
	s := streak{w: w, key: "late"}
	last, id, since := w.Since, "none", ""
	if len(runs) > 0 {
		last = runs[0].StartedAt.Time()
	}
	late := func(now time.Time) {
		if Overdue(last, now, w.Missed) {
			s.bad(id, last.Add(Late), "No night has finished for 26 hours", cmp.Or(since, "None ever has.")+" See that mailreeve serve runs and what it logs; mailreeve doctor says more.")
		}
	}
	for i := range finished {
		r := &finished[i]
		at := r.FinishedAt.Time()
		late(at)
		s.good(at, "A night has finished again", fmt.Sprintf("Run %s, as of %s, finished at %s.", r.ID, notifier.Stamp(r.AsOf), notifier.Stamp(r.FinishedAt)))
		last, id, since = at, r.ID, fmt.Sprintf("The last one, %s, finished at %s.", r.ID, notifier.Stamp(r.FinishedAt))
	}
	if !last.IsZero() {
		late(w.now)
	}
	s.close()
}

type sourceKey struct {
	kind audit.Kind
	path string
}

func keyOf(s *audit.SourceResult) sourceKey { return sourceKey{s.Kind, s.Path} }

func (k sourceKey) shown(w *watch) string {
	return string(k.kind) + " " + notifier.Shorten(w.text(k.path), 120)
}

// streaks are one for each source, in the order in which they were met.
type streaks struct {
	w     *watch
	key   string
	of    map[sourceKey]*streak
	order []*streak
}

func (x *streaks) get(k sourceKey) *streak {
	if x.of[k] == nil {
		x.of[k] = &streak{w: x.w, key: x.key + " " + string(k.kind) + " " + k.path}
		x.order = append(x.order, x.of[k])
	}
	return x.of[k]
}

func (x *streaks) close() {
	for _, s := range x.order {
		s.close()
	}
}

// Overdue says whether at now a night should have finished since last. missed says whether one should have run between two times.
func Overdue(last, now time.Time, missed func(from, to time.Time) bool) bool {
	return now.Sub(last) > Late && missed(last, now.Add(day-Late)) // a night that is due has as long to finish as a daily one
}

// nightOf is when what a run read was new: a night that was made up late, as one of many on old logs, is told of by its own time.
func nightOf(r *audit.Run) time.Time { return min(r.AsOf, r.FinishedAt).Time() }

// quarantines tells of sources with too many bad lines. A run that read nothing of a source says nothing of it.
func (w *watch) quarantines(finished []audit.Run) {
	all := streaks{w: w, key: "quarantined", of: map[sourceKey]*streak{}}
	for i := range finished {
		r := &finished[i]
		for j := range r.Summary.Sources {
			x := &r.Summary.Sources[j]
			k := keyOf(x)
			switch refused := !x.Looked && strings.Contains(x.Trouble, "max_bad"); {
			case refused:
				all.get(k).bad(r.ID, nightOf(r), "Too many bad lines in "+k.shown(w), fmt.Sprintf("Run %s took nothing of it: %s.", r.ID, notifier.Shorten(w.text(x.Trouble), 500)))
			case x.Lines == 0:
			case float64(x.Quarantined) > w.Quarantined*float64(x.Lines):
				all.get(k).bad(r.ID, nightOf(r), "Too many bad lines in "+k.shown(w), fmt.Sprintf("Run %s put %d of %d lines into quarantine (%s; more than %s is too many): mailreeve quarantine list.",
					r.ID, x.Quarantined, x.Lines, percent(float64(x.Quarantined)/float64(x.Lines)), percent(w.Quarantined)))
			default:
				all.get(k).good(nightOf(r), "No longer too many bad lines in "+k.shown(w), fmt.Sprintf("Run %s put %d of %d lines into quarantine.", r.ID, x.Quarantined, x.Lines))
			}
		}
	}
	all.close()
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

// A volume is how many facts a night brought, by source.
type volume struct {
	run   *audit.Run
	facts map[sourceKey]int64
}

// volumes gives the nights, each with what came since the one before: runs by hand take nothing from a night. Where none is scheduled, each run is a night.
func volumes(finished []audit.Run) (list []volume) {
	scheduled := slices.ContainsFunc(finished, func(r audit.Run) bool { return r.ScheduledAt != audit.Never })
	sum := map[sourceKey]int64{}
	for i := range finished {
		r := &finished[i]
		for j := range r.Summary.Sources {
			sum[keyOf(&r.Summary.Sources[j])] += r.Summary.Sources[j].Facts
		}
		if scheduled && r.ScheduledAt == audit.Never {
			continue
		}
		facts := map[sourceKey]int64{} // of the sources that it was configured with
		for j := range r.Summary.Sources {
			k := keyOf(&r.Summary.Sources[j])
			facts[k] = sum[k]
		}
		list, sum = append(list, volume{r, facts}), map[sourceKey]int64{}
	}
	return list
}

// falls tells of sources that brought less than half of what they bring on such a weekday. What is read whole each time, or may be empty for months, is not held against that.
func (w *watch) falls(finished []audit.Run) {
	all := streaks{w: w, key: "fell", of: map[sourceKey]*streak{}}
	nights := volumes(finished)
	for i := range nights {
		r := nights[i].run
		for j := range r.Summary.Sources {
			k := keyOf(&r.Summary.Sources[j])
			if k.kind == audit.KindApps || k.kind == audit.KindAddresses || k.kind == audit.KindIncidents {
				continue
			}
			usual, ok := median(nights[:i], k, r.AsOf.Time())
			n := nights[i].facts[k]
			switch {
			case !ok:
			case 2*n < usual:
				all.get(k).bad(r.ID, nightOf(r), "Less than usual in "+k.shown(w), fmt.Sprintf("Run %s read %d facts of it, less than half of %d, the median of its %ss of the last 4 weeks: see what writes it.",
					r.ID, n, usual, r.AsOf.Time().Weekday()))
			default:
				all.get(k).good(nightOf(r), "As much as usual in "+k.shown(w)+" again", fmt.Sprintf("Run %s read %d facts of it; the median of its %ss is %d.", r.ID, n, r.AsOf.Time().Weekday(), usual))
			}
		}
	}
	all.close()
}

// median is that of the nights at the same time of the week in the weeks before at.
func median(nights []volume, k sourceKey, at time.Time) (m int64, ok bool) {
	var found []int64
	for week := range weeks {
		then := at.Add(-time.Duration(week+1) * 7 * day)
		best, apart := int64(0), 12*time.Hour
		has := false
		for _, n := range slices.Backward(nights) {
			d := n.run.AsOf.Time().Sub(then)
			if d < -apart {
				break // those before are still earlier
			}
			if facts, ok := n.facts[k]; ok && d.Abs() < apart {
				best, apart, has = facts, d.Abs(), true
			}
		}
		if has {
			found = append(found, best)
		}
	}
	if len(found) < least {
		return 0, false
	}
	slices.Sort(found)
	n := len(found)
	return (found[(n-1)/2] + found[n/2]) / 2, true
}
