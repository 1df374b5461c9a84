package drift

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// past is n days that end on a Sunday, each of count.
func past(n int, count func(i int, w time.Weekday) float64) []Day {
	var days []Day
	for i := range n {
		w := time.Weekday((i + 70 - n + 1) % 7)
		days = append(days, Day{Weekday: w, Count: count(i, w), Scale: 100, Enough: true})
	}
	return days
}

func on(w time.Weekday, count float64) Day { return Day{Weekday: w, Count: count, Scale: 100} }

func TestExpect(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	working := func(_ int, w time.Weekday) float64 {
		if weekend(w) {
			return 10
		}
		return 100 + float64(rnd.IntN(11)-5)
	}
	monday, sunday := on(time.Monday, 0), on(time.Sunday, 0)
	for _, c := range []struct {
		name     string
		past     []Day
		today    Day
		habit    Habit
		expected [2]float64 // from, to
		least    [2]float64 // of the threshold
	}{
		{"a working day is held against working days", past(63, working), monday, Habit{Learning: 14}, [2]float64{95, 105}, [2]float64{475, 525}},
		{"a Sunday is held against Sundays", past(63, working), sunday, Habit{Learning: 14}, [2]float64{9, 11}, [2]float64{45, 120}},
		{"after two weeks weekdays speak for each other", past(14, working), monday, Habit{Learning: 14}, [2]float64{95, 105}, [2]float64{475, 525}},
		{"twice as many users are expected to do twice as much", past(63, working), Day{Weekday: time.Monday, Scale: 200}, Habit{Learning: 14}, [2]float64{190, 210}, [2]float64{950, 1050}},
		{"a day far above leaves what is ordinary", past(63, func(i int, w time.Weekday) float64 {
			if i >= 58 {
				return 2000
			}
			return 100
		}), monday, Habit{Learning: 14}, [2]float64{99, 101}, [2]float64{500, 501}},
		{"a busy day that is not far above stays, and may come again twice over", past(63, func(i int, w time.Weekday) float64 {
			if i == 58 {
				return 400
			}
			return 100
		}), monday, Habit{Learning: 14}, [2]float64{99, 101}, [2]float64{700, 700}},
		{"nothing before: ten standard deviations of a Poisson count", past(63, func(int, time.Weekday) float64 { return 0 }), monday, Habit{Learning: 14}, [2]float64{0, 0}, [2]float64{31, 32}},
		{"a large set on a working day is known on a Sunday, where sets come by the date", past(63, func(i int, w time.Weekday) float64 {
			if i == 32 {
				return 900
			}
			return 10
		}), sunday, Habit{Learning: 56, Monthly: true}, [2]float64{9, 11}, [2]float64{1575, 1575}},
	} {
		l, ok := Expect(c.past, c.today, c.habit)
		if !ok || l.Expected < c.expected[0] || l.Expected > c.expected[1] || l.Threshold < c.least[0] || l.Threshold > c.least[1] {
			t.Errorf("%s: %+v, %v, want %v and %v", c.name, l, ok, c.expected, c.least)
		}
	}
	if l, ok := Expect(past(13, working), monday, Habit{Learning: 14}); ok {
		t.Errorf("thirteen days are enough: %+v", l)
	}
	if l, ok := Expect(past(63, working), Day{Weekday: time.Monday}, Habit{Learning: 14}); ok {
		t.Errorf("held against users that nobody knows: %+v", l)
	}
}

// TestAbove says that the short way ends where the long one does.
func TestAbove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := past(rapid.IntRange(0, 63).Draw(t, "days"), func(int, time.Weekday) float64 { return float64(rapid.IntRange(0, 100).Draw(t, "count")) })
		for i := range days {
			days[i].Scale = rapid.SampledFrom([]float64{100, 100, 150, 0}).Draw(t, "users")
			days[i].Enough = days[i].Count >= 30
		}
		today := on(time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday")), float64(rapid.IntRange(0, 400).Draw(t, "today")))
		habit := Habit{Learning: rapid.IntRange(0, 20).Draw(t, "learning"), Monthly: rapid.Bool().Draw(t, "monthly")}
		want, known := Expect(days, today, habit)
		got, above := Above(days, today, habit)
		if above != (known && today.Count >= want.Threshold) || above && got != want {
			t.Fatalf("got %+v, %v; want %+v, %v", got, above, want, known)
		}
	})
}

// TestExpectIsSteady says that one more user than before never lowers what is expected, or the threshold.
func TestExpectIsSteady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := past(rapid.IntRange(14, 63).Draw(t, "days"), func(int, time.Weekday) float64 { return float64(rapid.IntRange(0, 500).Draw(t, "count")) })
		few, ok1 := Expect(days, Day{Weekday: time.Monday, Scale: 100}, Habit{Learning: 14})
		more, ok2 := Expect(days, Day{Weekday: time.Monday, Scale: 101}, Habit{Learning: 14})
		if !ok1 || !ok2 {
			t.Fatalf("too few of %d days", len(days))
		}
		if more.Threshold < few.Threshold || more.Expected < few.Expected {
			t.Errorf("with more users %+v, with fewer %+v", more, few)
		}
		if few.Threshold < times*few.Expected || few.Expected < 0 {
			t.Errorf("the threshold is no %d times what is expected: %+v", times, few)
		}
	})
}

func TestRun(t *testing.T) {
	read := func(s string) []bool {
		var out []bool
		for _, c := range s {
			out = append(out, c == 'x')
		}
		return out
	}
	for _, c := range []struct {
		answers  string
		from, to int
	}{
		{"", 0, 0},
		{"ooo", 0, 0},
		{"xxx", 0, 3},
		{"oxxxo", 1, 4},
		{"xxo" + "xxx", 3, 6}, // a hit ends what is short
		{"xxxxxxxxxxxxo" + "xxxxxxxxxxxx", 0, 25}, // and is forgiven in what is long
		{"xxxoxxx", 0, 3},                         // the first of two
	} {
		if from, to := Run(read(c.answers), 9); from != c.from || to != c.to {
			t.Errorf("%q: %d to %d, want %d to %d", c.answers, from, to, c.from, c.to)
		}
	}
}

func TestChart(t *testing.T) {
	for _, c := range []struct {
		counts []float64
		want   string
	}{{nil, ""}, {[]float64{0, 0}, "▁▁"}, {[]float64{0, 7, 3.5, 1}, "▁█▅▂"}, {[]float64{5}, "█"}} {
		if got := Chart(c.counts); got != c.want {
			t.Errorf("%v: %s, want %s", c.counts, got, c.want)
		}
	}
}
