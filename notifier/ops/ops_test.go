package ops

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// start is a Sunday.
var start = time.Date(2026, 9, 27, 2, 30, 0, 0, time.UTC)

// A history is runs, the oldest first.
type history []audit.Run

// night adds the night of a day, which finished 10 minutes later.
func (h history) night(n int, sources ...audit.SourceResult) history {
	at := start.Add(time.Duration(n) * day)
	return append(h, audit.Run{ID: fmt.Sprint("R-", len(h)+1), AsOf: audit.At(at), ScheduledAt: audit.At(at), StartedAt: audit.At(at), FinishedAt: audit.At(at.Add(10 * time.Minute)), Status: audit.Finished,
		Summary: audit.RunSummary{Sources: sources}})
}

// failed adds a night of a day that failed.
func (h history) failed(n int, cause string) history {
	h = h.night(n)
	r := &h[len(h)-1]
	r.Status, r.Error = audit.Failed, cause
	return h
}

func (h history) byHand() history {
	h[len(h)-1].ScheduledAt = audit.Never
	return h
}

func access(lines, bad int64) audit.SourceResult {
	return audit.SourceResult{Kind: audit.KindAccess, Path: "logs/access-*", Lines: lines, Facts: lines - bad, Quarantined: bad, Looked: true}
}

// daily is the schedule 30 2 * * *.
func daily(from, to time.Time) bool {
	next := time.Date(from.Year(), from.Month(), from.Day(), 2, 30, 0, 0, time.UTC)
	if !next.After(from) {
		next = next.Add(day)
	}
	return !next.After(to)
}

func weekly(from, to time.Time) bool { return to.Sub(from) >= 7*day }

// alerts are those of h at a time after start, and what a second look a minute later would add.
func alerts(t *testing.T, h history, at time.Duration, missed func(from, to time.Time) bool) []Alert {
	t.Helper()
	runs := slices.Clone(h)
	slices.Reverse(runs)
	s := Settings{Quarantined: 0.01, Missed: missed, Since: start, Redact: func(s string) string { return strings.ReplaceAll(s, "joe@customer.example", "[address]") }}
	list := Watch(runs, start.Add(at), s)
	seen := map[string]bool{}
	for _, a := range list {
		if seen[a.Key] {
			t.Errorf("%s comes twice", a.Key)
		}
		seen[a.Key] = true
		if text := a.Title + a.Text; strings.Contains(text, "joe@") || strings.ContainsAny(text, "\n\x00\x1b") {
			t.Errorf("hostile text got through: %q", text)
		}
	}
	return list
}

func keys(list []Alert) (out []string) {
	for _, a := range list {
		out = append(out, a.Key)
	}
	return out
}

const hour = time.Hour

func TestWatch(t *testing.T) {
	t.Parallel()
	months := func(n int, sources ...audit.SourceResult) history { // n good nights
		var h history
		for i := range n {
			h = h.night(i, sources...)
		}
		return h
	}
	good := access(1000, 0)
	with := func(h history, sources ...audit.SourceResult) history { return h.night(len(h), sources...) }
	nothing := func(s audit.SourceResult) audit.SourceResult {
		s.Lines, s.Facts, s.Quarantined = 0, 0, 0
		return s
	}
	refused := audit.SourceResult{Kind: audit.KindAccess, Path: "logs/access-*", Trouble: "200 of 1500 lines of joe@customer.example\nare bad, over max_bad"}
	for _, c := range []struct {
		name   string
		runs   history
		at     time.Duration // after start
		missed func(from, to time.Time) bool
		want   []string
	}{
		{"nothing ran, for 26 hours", nil, 26 * hour, daily, nil},
		{"nothing ran, for longer", nil, 26*hour + time.Minute, daily, []string{"ops late none"}},
		{"nothing ran, and nights are not watched", nil, 99 * hour, nil, nil},
		{"26 hours after a night", months(1), 26*hour + 10*time.Minute, daily, nil},
		{"a minute more", months(1), 26*hour + 11*time.Minute, daily, []string{"ops late R-1"}},
		{"a day more is the same", months(1), 50 * hour, daily, []string{"ops late R-1"}},
		{"a week without a night that was not due", months(1), 6 * 24 * hour, weekly, nil},
		{"a weekly one that is due", months(1), 8 * 24 * hour, weekly, []string{"ops late R-1"}},
		{"it came at last", months(1).night(3), 3*24*hour + hour, daily, []string{"ops late R-1", "ops late R-1 over"}},
		{"that was yesterday", months(1).night(3), 4*24*hour + 11*time.Minute, daily, nil},
		{"all is well", months(60, good), 59*24*hour + hour, daily, nil},

		{"one failed", months(2).failed(2, "no room"), 2*24*hour + hour, nil, []string{"ops failed R-3"}},
		{"and again", months(2).failed(2, "no room").failed(2, "no room").failed(3, "x"), 3*24*hour + hour, nil, []string{"ops failed R-3"}},
		{"and then one finished", months(2).failed(2, "no room").failed(3, "x").night(3), 3*24*hour + hour, nil, []string{"ops failed R-3", "ops failed R-3 over"}},
		{"long ago", months(2).failed(2, "no room").night(2).night(3).night(4), 4*24*hour + hour, nil, nil},
		{"one was stopped", months(2).failed(2, "read logs: context canceled"), 2*24*hour + hour, nil, nil},
		{"hostile errors", months(2).failed(2, "open \x1b[31m/joe@customer.example\n\x00"), 2*24*hour + hour, nil, []string{"ops failed R-3"}},

		{"a share that is set", months(1, access(1000, 10)), hour, nil, nil},
		{"one more line", months(1, access(1000, 11)), hour, nil, []string{"ops quarantined access logs/access-* R-1"}},
		{"the next night as well", months(3, access(1000, 11)), 2*24*hour + hour, nil, []string{"ops quarantined access logs/access-* R-1"}},
		{"a run that reads nothing changes nothing", with(months(1, access(1000, 11)), nothing(good)), 24*hour + hour, nil, []string{"ops quarantined access logs/access-* R-1"}},
		{"it is over", with(months(2, access(1000, 11)), good), 2*24*hour + hour, nil, []string{"ops quarantined access logs/access-* R-1", "ops quarantined access logs/access-* R-1 over"}},
		{"so many that nothing is taken", with(months(1, good), refused), 24*hour + hour, nil, []string{"ops quarantined access logs/access-* R-2"}},

		{"half of the median", with(months(28, good), access(500, 0)), 28*24*hour + hour, nil, nil},
		{"less than half", with(months(28, good), access(499, 0)), 28*24*hour + hour, nil, []string{"ops fell access logs/access-* R-29"}},
		{"two nights", with(with(months(28, good), access(499, 0)), access(1, 0)), 29*24*hour + hour, nil, []string{"ops fell access logs/access-* R-29"}},
		{"and back", with(with(months(28, good), access(499, 0)), good), 29*24*hour + hour, nil, []string{"ops fell access logs/access-* R-29", "ops fell access logs/access-* R-29 over"}},
		{"three weeks are enough", with(months(21, good), access(499, 0)), 21*24*hour + hour, nil, []string{"ops fell access logs/access-* R-22"}},
		{"two are not", with(months(14, good), access(499, 0)), 14*24*hour + hour, nil, nil},
		{"one that is not there at all", with(months(28, good), audit.SourceResult{Kind: audit.KindAccess, Path: "logs/access-*", Trouble: "no file matches"}), 28*24*hour + hour, nil, []string{"ops fell access logs/access-* R-29"}},
		{"the registry is read whole", with(months(28, audit.SourceResult{Kind: audit.KindApps, Facts: 100}), audit.SourceResult{Kind: audit.KindApps}), 28*24*hour + hour, nil, nil},
		{"a new source", with(months(28, good), good, audit.SourceResult{Kind: audit.KindReports}), 28*24*hour + hour, nil, nil},
		{"what a run by hand read before counts", with(with(months(28, good), access(800, 0)).byHand(), access(200, 0)), 28*24*hour + hour, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := keys(alerts(t, c.runs, c.at, c.missed)); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Weekdays differ: what is little for a Tuesday is usual for a Sunday.
func TestWeekdays(t *testing.T) {
	t.Parallel()
	var h history
	for n := range 60 {
		lines := int64(1000)
		if weekday := start.Add(time.Duration(n) * day).Weekday(); weekday == time.Sunday || weekday == time.Saturday {
			lines = 100
		}
		h = h.night(n, access(lines, 0))
		if got := alerts(t, h, time.Duration(n)*day+hour, daily); len(got) > 0 {
			t.Fatalf("night %d: %v", n, got)
		}
	}
	h[59].Summary.Sources[0].Facts = 100 // a Wednesday as a Sunday
	got := alerts(t, h, 59*day+hour, daily)
	if len(got) != 1 || got[0].Title != "Less than usual in access logs/access-*" || got[0].Text != "Run R-60 read 100 facts of it, less than half of 1000, the median of its Wednesdays of the last 4 weeks: see what writes it." {
		t.Errorf("%+v", got)
	}
}

// However often one looks, and however long a condition lasts, each is told once, and once that it is over.
func TestEachIsToldOnce(t *testing.T) {
	t.Parallel()
	var h history
	told := map[string]int{}
	total := 0
	for n := range Window + 3 {
		switch {
		case n >= 40 && n < 50:
			h = h.failed(n, "no room")
		case n >= 100: // for ever
			h = h.night(n, access(1000, 500))
		default:
			h = h.night(n, access(1000, 0))
		}
		if n > 130 && n < Window-2 {
			continue // nothing happens
		}
		runs := slices.Clone(h[max(0, len(h)-Window):])
		slices.Reverse(runs)
		for look := range 2 {
			for _, a := range Watch(runs, start.Add(time.Duration(n)*day+hour+time.Duration(look)*hour), Settings{Quarantined: 0.01, Missed: daily, Redact: func(s string) string { return s }}) {
				if told[a.Key] == 0 {
					total++
				}
				told[a.Key]++
			}
		}
	}
	if total != 5 { // failed, late, bad lines; the first two end
		t.Errorf("%d alerts: %v", total, told)
	}
}
