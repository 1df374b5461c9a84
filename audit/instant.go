package audit

import (
	"math"
	"time"
)

// An Instant is a moment in time: nanoseconds since the Unix epoch, UTC. It holds the years 1678 to 2261; a moment outside them is
// taken for the nearest end, which no audit ever reaches.
type Instant int64

// Ever lies before every instant, Never after it.
const (
	Ever  Instant = math.MinInt64
	Never Instant = math.MaxInt64
)

const (
	earliest Instant = -9214560000000000000 // 1678-01-01
	latest   Instant = 9214646400000000000  // 2262-01-01
)

// At is the instant of t.
func At(t time.Time) Instant { return AtUnix(t.Unix(), int64(t.Nanosecond())) }

// AtUnix is the instant sec seconds and nsec nanoseconds after the Unix epoch.
func AtUnix(sec, nsec int64) Instant {
	switch {
	case sec < int64(earliest)/1e9:
		return earliest
	case sec >= int64(latest)/1e9:
		return latest
	}
	return Instant(sec*1e9 + nsec)
}

// ParseEnd reads when something ends: a time as RFC 3339 has it, or a day, at whose beginning in UTC it is. False: s is neither.
func ParseEnd(s string) (Instant, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return At(t), true
		}
	}
	return 0, false
}

// Time is i as a time in UTC.
func (i Instant) Time() time.Time { return time.Unix(int64(i)/1e9, int64(i)%1e9).UTC() }

// Add is the instant d after i. Ever and Never stay what they are.
func (i Instant) Add(d time.Duration) Instant {
	switch {
	case i == Ever || i == Never:
		return i
	case d > 0 && i > Never-Instant(d):
		return Never
	case d < 0 && i < Ever-Instant(d):
		return Ever
	}
	return i + Instant(d)
}

// Day is the UTC day that i falls on.
func (i Instant) Day() Day {
	d := i / nsPerDay
	if i%nsPerDay < 0 {
		d--
	}
	return Day(d)
}

// String is i in RFC 3339 with as many digits of a second as it has.
func (i Instant) String() string {
	switch i {
	case Ever:
		return "ever"
	case Never:
		return "never"
	}
	return i.Time().Format(time.RFC3339Nano)
}

const nsPerDay = Instant(24 * time.Hour)

// A Day is a UTC day, counted from 1970-01-01.
type Day int32

// Start is the first instant of d.
func (d Day) Start() Instant { return Instant(d) * nsPerDay }

// End is the first instant after d.
func (d Day) End() Instant { return (d + 1).Start() }

// String is d as in 2026-11-22.
func (d Day) String() string { return d.Start().Time().Format(time.DateOnly) }
