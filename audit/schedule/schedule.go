// Package schedule says when nights are due and runs them: robfig/cron's syntax and clockwork, with a rule for daylight saving that loses no
// night and repeats none.
//
// robfig/cron alone skips a night whose local time does not exist because clocks go forward, and runs one twice whose local time comes twice
// because they go back (its pull request 541). Here, for schedules rarer than hourly, the former runs right after the gap, and the latter
// once, the first time. Schedules that are hourly or more frequent, and "@every", keep cron's behaviour.
//
// Zones come from the machine or, where it has none, from the program: cmd embeds time/tzdata.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A Schedule is a series of times at which nights are due. The zero value has none; Parse makes one. It is a cron.Schedule.
type Schedule struct {
	spec  string
	plain cron.Schedule      // as cron understands it
	civil *cron.SpecSchedule // as a clock reads that knows no daylight saving; nil where plain holds
	zone  *time.Location     // in which the spec is meant
}

// Parse reads a spec: robfig/cron's standard syntax (five fields, or a descriptor such as "@daily" or "@every 6h"), after an optional "CRON_TZ=Zone " or
// "TZ=Zone ". Without a zone it is the machine's. A spec that never comes, such as one for 30 February, is an error.
func Parse(spec string) (Schedule, error) {
	s := Schedule{spec: strings.TrimSpace(spec), zone: time.Local}
	if zoned := strings.HasPrefix(s.spec, "TZ=") || strings.HasPrefix(s.spec, "CRON_TZ="); zoned && !strings.Contains(s.spec, " ") {
		return Schedule{}, fmt.Errorf("schedule %q names a zone and no time", spec) // cron panics
	}
	plain, err := cron.ParseStandard(s.spec)
	if err != nil {
		mend := "write minute, hour, day of month, month and day of week, as in CRON_TZ=UTC 30 2 * * *"
		if strings.Contains(err.Error(), "time zone") {
			mend = "call the zone as the IANA database does, as in CRON_TZ=Europe/Berlin 30 2 * * *"
		}
		return Schedule{}, fmt.Errorf("schedule %q: %w: %s", spec, err, mend)
	}
	s.plain = plain
	switch p := plain.(type) {
	case *cron.SpecSchedule:
		s.zone = p.Location
		if p.Hour&everyHour != everyHour {
			civil := *p
			civil.Location = time.UTC
			s.civil = &civil
		}
	case cron.ConstantDelaySchedule:
		if _, delay, ok := strings.Cut(s.spec, "@every "); ok {
			if d, err := time.ParseDuration(delay); err == nil && d < time.Second {
				return Schedule{}, fmt.Errorf("schedule %q: every %s is too often", spec, d) // cron takes it for a second
			}
		}
	}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, errNever)
	}
	return s, nil
}

var errNever = errors.New("no such time ever comes")

// everyHour is the hours of a day in cron's set of bits.
const everyHour = 1<<24 - 1

// String is the spec.
func (s Schedule) String() string { return s.spec }

// Zone is the zone in which the spec is meant.
func (s Schedule) Zone() *time.Location { return s.zone }

// Next is the first scheduled time after t, in t's location; zero where none comes within five years.
func (s Schedule) Next(t time.Time) time.Time {
	switch {
	case s.plain == nil:
		return time.Time{}
	case s.civil == nil:
		next := s.plain.Next(t.In(s.zone))
		if next.IsZero() {
			return next
		}
		return next.In(t.Location())
	}
	wall := s.civil.Next(shown(t, s.zone))
	if wall.IsZero() {
		return wall
	}
	return reached(wall, s.zone).In(t.Location())
}

// Nights gives the next n scheduled times after from.
func (s Schedule) Nights(from time.Time, n int) []time.Time {
	var nights []time.Time
	for t := s.Next(from); len(nights) < n && !t.IsZero(); t = s.Next(t) {
		nights = append(nights, t)
	}
	return nights
}

// Due says which of the scheduled times after last and up to now is the latest, and how many there are; zero and 0 where none is. It counts one by one.
func (s Schedule) Due(last, now time.Time) (latest time.Time, n int) {
	for t := s.Next(last); !t.IsZero() && !t.After(now); t = s.Next(t) {
		latest = t
		n++
	}
	return latest, n
}

// The civil clock. A local time is written as if it were UTC, which has no gaps and no repetitions; cron reckons on that without error. What the
// clock on the wall has shown up to an instant only grows, so the instant at which a local time is due is the first at which the wall shows it or
// a later one: its first coming, or the end of the gap that it lies in.

// longestShift is longer than any change of a zone's offset. The longest are the days that islands skipped or repeated at the date line.
const longestShift = 48 * time.Hour

// shown is the latest local time that the wall has shown up to t, as the civil clock writes it. Where clocks went back not long before, it is
// just short of the time at which they did.
func shown(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	latest := civil(t, offset(t))
	for start, _ := t.ZoneBounds(); !start.IsZero() && t.Sub(start) < longestShift; start, _ = start.Add(-1).ZoneBounds() {
		if before := civil(start, offset(start.Add(-1))).Add(-1); before.After(latest) {
			latest = before
		}
	}
	return latest
}

// reached is the first instant at which the wall shows the local time or a later one.
func reached(wall time.Time, zone *time.Location) time.Time {
	from := time.Unix(wall.Unix(), int64(wall.Nanosecond())).Add(-longestShift).In(zone)
	for {
		at := time.Unix(wall.Unix(), int64(wall.Nanosecond())).Add(-offset(from)).In(zone)
		if at.Before(from) {
			return from
		}
		end := nextChange(from)
		if end.IsZero() || at.Before(end) {
			return at
		}
		from = end
	}
}

// nextChange is when the zone's offset may next change after t; zero where it never does. On the last day of leap years beyond a zone's table (from 2040
// on) time.ZoneBounds gives that day's start, which is not after t: then it is asked again an hour later.
func nextChange(t time.Time) time.Time {
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		return t.Add(time.Hour)
	}
	return end
}

func civil(t time.Time, offset time.Duration) time.Time { return t.UTC().Add(offset) }

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
