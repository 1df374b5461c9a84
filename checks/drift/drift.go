// Package drift tells when a daily count is far above its own past: robust statistics of counts, per weekday, that take growth into account. It knows
// nothing of apps and calls. Why it is done so, and what of the literature: docs/decisions/033-drift.md.
package drift

import (
	"math"
	"slices"
	"strings"
	"time"
)

// A Day is a count on one day.
type Day struct {
	Weekday time.Weekday
	Count   float64
	Scale   float64 // what the count is expected to grow with, such as users; 0: nobody knows, and the day says nothing
	Enough  bool    // the count is large enough to matter: only then may it be a drift, and leave what is ordinary
}

// A Level is what a day is held against.
type Level struct {
	Expected  float64
	Threshold float64 // the least count that is far above
	Days      int     // ordinary ones that it rests on
}

const (
	// deviations is how many robust standard deviations far above is. Days are no normal deviates: with so many even heavy tails stay below.
	deviations = 10
	// times is how many times what is expected far above is: less is no sudden change.
	times = 5
	// busiest is how many times the busiest of the ordinary days of its kind far above is: rare busy days of an app are its own.
	busiest = 1.75
	// sameWeekday is how many days of a weekday are enough to speak for it; before, those of its kind do: working days, or weekends.
	sameWeekday = 4
)

// A Habit is how a count may come about.
type Habit struct {
	Learning int  // how many ordinary days have to be known
	Monthly  bool // busy days come by the date, on whatever weekday that is
}

// Above says whether today is far above what Expect tells, and that. Most days are not, and the first busy day before them says so.
func Above(past []Day, today Day, habit Habit) (l Level, above bool) {
	if habit.knows(past, today) {
		return Level{}, false
	}
	l, ok := Expect(past, today, habit)
	return l, ok && today.Count >= l.Threshold
}

// knows says that a day which is ordinary whatever the others are was so busy that today is not far above it.
func (h Habit) knows(past []Day, today Day) bool {
	ordinary := 0
	for i := range past {
		d := &past[i]
		if d.Scale <= 0 || d.Enough && ordinary >= max(h.Learning, 1) {
			continue
		}
		ordinary++
		if h.alike(d.Weekday, today.Weekday) && today.Count < math.Ceil(busiest*d.scaled(today)) {
			return true
		}
	}
	return false
}

// alike says whether days of two weekdays are of one kind.
func (h Habit) alike(v, w time.Weekday) bool { return h.Monthly || weekend(v) == weekend(w) }

// scaled is the day's count, had it had today's scale.
func (d *Day) scaled(today Day) float64 { return d.Count * today.Scale / d.Scale }

// Expect tells what today is held against. past is the days before, in order. A day of the past that is far above those before it is not ordinary, and says
// nothing of what is. ok is false while there are too few ordinary days.
func Expect(past []Day, today Day, habit Habit) (l Level, ok bool) {
	h := history{habit: habit}
	for i := range past {
		d := &past[i]
		if d.Scale <= 0 {
			continue
		}
		if d.Enough && len(h.days) >= max(habit.Learning, 1) {
			if l := h.level(*d); d.Count >= l.Threshold {
				continue
			}
		}
		h.days = append(h.days, *d)
	}
	if len(h.days) < max(habit.Learning, 1) || today.Scale <= 0 {
		return Level{Days: len(h.days)}, false
	}
	return h.level(today), true
}

// history is ordinary days.
type history struct {
	habit Habit
	days  []Day
}

// level works on square roots, whose spread hardly depends on the count (Anscombe).
func (h *history) level(today Day) Level {
	scaled := make([]float64, len(h.days))
	top := 0.0
	for i, d := range h.days {
		n := d.scaled(today)
		scaled[i] = root(n)
		if h.habit.alike(d.Weekday, today.Weekday) {
			top = max(top, n)
		}
	}
	var centres [7]float64
	var known [7]bool
	centre := func(w time.Weekday) float64 {
		if !known[w] {
			centres[w], known[w] = h.centre(scaled, w), true
		}
		return centres[w]
	}
	off := make([]float64, len(scaled))
	for i, d := range h.days {
		off[i] = math.Abs(scaled[i] - centre(d.Weekday))
	}
	// Median absolute deviation, as a standard deviation; of a Poisson count it is a half.
	spread := max(1.4826*median(off), 0.5)
	m := centre(today.Weekday)
	l := Level{Expected: count(m), Days: len(h.days)}
	l.Threshold = math.Ceil(max(count(m+deviations*spread), times*l.Expected, busiest*top))
	return l
}

// centre is the median of a weekday's days, or, where they are few, of all days of its kind.
func (h *history) centre(scaled []float64, w time.Weekday) float64 {
	var same, kind []float64
	for i, d := range h.days {
		if d.Weekday == w {
			same = append(same, scaled[i])
		}
		if weekend(d.Weekday) == weekend(w) {
			kind = append(kind, scaled[i])
		}
	}
	switch {
	case len(same) >= sameWeekday:
		return median(same)
	case len(kind) > 0:
		return median(kind)
	}
	return median(slices.Clone(scaled))
}

func weekend(w time.Weekday) bool { return w == time.Saturday || w == time.Sunday }

func root(n float64) float64 { return math.Sqrt(n + 3.0/8) }

func count(y float64) float64 { return max(y*y-3.0/8, 0) }

// median reorders its list.
func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	if n%2 == 1 {
		return list[n/2]
	}
	return (list[n/2-1] + list[n/2]) / 2
}

// Run finds, among answers in order of time, the stretch that speaks most for ids being tried in a row: each answer in vain adds 1, and each other takes
// hit off, down to 0 (a CUSUM). It is answers[from:to], the first where several speak alike; empty where none is in vain.
func Run(inVain []bool, hit int) (from, to int) {
	sum, start, score := 0, 0, 0
	for i, v := range inVain {
		if v {
			sum++
		} else if sum -= hit; sum <= 0 {
			sum, start = 0, i+1
		}
		if sum > score {
			from, to, score = start, i+1, sum
		}
	}
	return from, to
}

// Chart draws counts as a line of text, the highest as a full block.
func Chart(counts []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	top := 0.0
	for _, n := range counts {
		top = max(top, n)
	}
	var b strings.Builder
	for _, n := range counts {
		i := 0
		if top > 0 {
			i = int(math.Round(n / top * float64(len(bars)-1)))
		}
		b.WriteRune(bars[i])
	}
	return b.String()
}
