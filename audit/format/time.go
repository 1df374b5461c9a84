package format

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The forms of times, besides seconds, milliseconds, microseconds and nanoseconds since the Unix epoch. A fraction may follow the seconds of each.
const (
	commonLog  = "02/Jan/2006:15:04:05 -0700" // of NCSA's Common Log Format: $time_local of nginx
	haproxyLog = "02/Jan/2006:15:04:05"
	localT     = "2006-01-02T15:04:05"
	localSpace = "2006-01-02 15:04:05"
	zonedSpace = "2006-01-02 15:04:05Z07:00"
	zonedBasic = "2006-01-02T15:04:05Z0700"
)

var errTime = errors.New("is no time that is known: RFC 3339, 10/Oct/2000:13:55:36 -0700, or seconds, milli-, micro- or nanoseconds since 1970")

// parseTime reads a time. One without an offset is of zone.
func parseTime(s string, zone *time.Location) (time.Time, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if s == "" {
		return time.Time{}, errTime
	}
	if strings.Trim(s, "0123456789.") == "" {
		return sinceEpoch(s)
	}
	for _, layout := range []string{time.RFC3339Nano, commonLog, zonedSpace, zonedBasic} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{haproxyLog, localT, localSpace} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errTime
}

// sinceEpoch reads a number whose size tells its unit: as seconds, 1e11 is the year 5138; as milliseconds, 1973.
func sinceEpoch(s string) (time.Time, error) {
	whole, part, dotted := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Contains(part, ".") || dotted && part == "" {
		return time.Time{}, errTime
	}
	unit, digits := time.Second, 9
	switch {
	case n >= 1e17:
		unit, digits = time.Nanosecond, 0
	case n >= 1e14:
		unit, digits = time.Microsecond, 3
	case n >= 1e11:
		unit, digits = time.Millisecond, 6
	}
	fraction := int64(0)
	if part = (part + "000000000")[:digits]; part != "" {
		if fraction, err = strconv.ParseInt(part, 10, 64); err != nil {
			return time.Time{}, errTime
		}
	}
	per := int64(time.Second / unit)
	return time.Unix(n/per, n%per*int64(unit)+fraction), nil
}
