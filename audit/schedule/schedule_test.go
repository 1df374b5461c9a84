package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones, wherever they run

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"
)

func parse(t interface{ Fatal(...any) }, spec string) Schedule {
	s, err := Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestDaylightSaving shows the rule on nights that anyone can check against a calendar.
func TestDaylightSaving(t *testing.T) {
	for _, c := range []struct {
		name, spec, from string
		want             []string // in the zone
	}{
		{"clocks go forward over the night's time", "CRON_TZ=US/Pacific 30 2 * * *", "2025-03-08T12:00:00Z",
			[]string{"2025-03-09T03:00:00-07:00", "2025-03-10T02:30:00-07:00"}},
		{"at the end of the gap there is a night anyway: once", "CRON_TZ=US/Pacific 0,30 2,3 * * *", "2025-03-09T09:00:00Z",
			[]string{"2025-03-09T03:00:00-07:00", "2025-03-09T03:30:00-07:00", "2025-03-10T02:00:00-07:00"}},
		{"clocks go back over it", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"asked between its two comings", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T01:10:00Z",
			[]string{"2026-10-26T02:30:00+01:00"}},
		{"half an hour back", "CRON_TZ=Australia/Lord_Howe 45 1 * * *", "2026-04-04T00:00:00Z",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"half an hour forward", "CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03T00:00:00Z",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"no midnight", "CRON_TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"no midnight, and a weekday", "CRON_TZ=Asia/Beirut 30 0 * * sun", "2022-03-26T12:00:00Z",
			[]string{"2022-03-27T01:00:00+03:00", "2022-04-03T00:30:00+03:00"}},
		{"a day that never was", "CRON_TZ=Pacific/Apia 30 2 * * *", "2011-12-29T18:00:00Z",
			[]string{"2011-12-31T00:00:00+14:00", "2011-12-31T02:30:00+14:00", "2012-01-01T02:30:00+14:00"}},
		{"midnight comes twice", "CRON_TZ=America/Havana 30 0 * * *", "2026-10-31T12:00:00Z",
			[]string{"2026-11-01T00:30:00-04:00", "2026-11-02T00:30:00-05:00"}},
		{"hourly: as cron has it", "CRON_TZ=Europe/Berlin 30 * * * *", "2026-10-25T00:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		{"every two hours", "CRON_TZ=Europe/Berlin 0 */2 * * *", "2026-03-29T00:30:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"a descriptor", "TZ=America/Sao_Paulo @daily", "2018-11-03T12:00:00Z", []string{"2018-11-04T01:00:00-02:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, c.spec)
			from, _ := time.Parse(time.RFC3339, c.from)
			var got []string
			for _, n := range s.Nights(from, len(c.want)) {
				if n.Location() != from.Location() {
					t.Errorf("%v is not where it was asked from", n)
				}
				got = append(got, n.In(s.zone).Format(time.RFC3339))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, spec := range []string{"", "30 2 * *", "CRON_TZ=UTC", "TZ=UTC", "CRON_TZ=Nowhere/City 30 2 * * *", "0 0 30 2 *", "61 2 * * *", "30 2 , * *", "@every 0s",
		"@every -1h", "@every x", "@sometimes"} {
		if s, err := Parse(spec); err == nil {
			t.Errorf("%q: taken as %v", spec, s)
		}
	}
}

func TestLocalIsTheMachines(t *testing.T) {
	s := parse(t, "30 2 * * *")
	next := s.Next(time.Date(2026, 11, 22, 0, 0, 0, 0, zone(t, "Asia/Tokyo"))).In(time.Local)
	if next.Hour() != 2 || next.Minute() != 30 {
		t.Errorf("%v is not half past two here", next)
	}
	if (Schedule{}).Next(next) != (time.Time{}) {
		t.Error("no schedule has a night")
	}
}

// reference walks every minute of [from, to) and looks at the wall: a minute that it shows for the first time, or that it has passed over, and that the
// spec names, is a night. Nothing of the package's reckoning is in it. Offsets must be whole minutes: years after 1972.
func reference(specs []*cron.SpecSchedule, z *time.Location, from, to time.Time) [][]time.Time {
	nights := make([][]time.Time, len(specs))
	read := func(t time.Time) time.Time {
		t = t.In(z)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	warm := from.Add(-72 * time.Hour)
	seen := read(warm)
	for now := warm.Add(time.Minute); now.Before(to); now = now.Add(time.Minute) {
		due := make([]bool, len(specs))
		for wall := read(now); seen.Before(wall); {
			seen = seen.Add(time.Minute)
			for i, s := range specs {
				due[i] = due[i] || names(s, seen)
			}
		}
		for i := range specs {
			if due[i] && !now.Before(from) {
				nights[i] = append(nights[i], now)
			}
		}
	}
	return nights
}

func names(s *cron.SpecSchedule, t time.Time) bool {
	if s.Minute&(1<<t.Minute()) == 0 || s.Hour&(1<<t.Hour()) == 0 || s.Month&(1<<t.Month()) == 0 {
		return false
	}
	day, weekday := s.Dom&(1<<t.Day()) != 0, s.Dow&(1<<t.Weekday()) != 0
	if s.Dom>>63 == 0 && s.Dow>>63 == 0 {
		return day || weekday
	}
	return day && weekday
}

type tb interface {
	Fatalf(string, ...any)
	Fatal(...any)
}

func checkAgainst(t tb, name string, specs []string, from, to time.Time) {
	var schedules []Schedule
	var fields []*cron.SpecSchedule
	for _, spec := range specs {
		s := parse(t, "CRON_TZ="+name+" "+spec)
		schedules = append(schedules, s)
		fields = append(fields, s.civil)
	}
	for i, want := range reference(fields, zone(t, name), from, to) {
		compare(t, schedules[i], want, from, to)
	}
}

func compare(t tb, s Schedule, want []time.Time, from, to time.Time) {
	var got []time.Time
	for n := s.Next(from.Add(-1)); n.Before(to) && !n.IsZero(); n = s.Next(n) {
		got = append(got, n)
	}
	if !slices.EqualFunc(want, got, time.Time.Equal) {
		t.Fatalf("%s, %v to %v:\n%s", s, from, to, cmp.Diff(want, got))
	}
	// From anywhere between two nights the next is the same.
	for i, n := range want {
		for _, back := range []time.Duration{time.Nanosecond, time.Second, 31 * time.Minute, 61 * time.Minute, 25 * time.Hour} {
			at := n.Add(-back)
			if at.Before(from) || i > 0 && at.Before(want[i-1]) {
				continue
			}
			if next := s.Next(at); !next.Equal(n) {
				t.Fatalf("%s: after %v comes %v, not %v", s, at, next, n)
			}
		}
	}
}

// TestYears compares whole years of zones with peculiar clocks to the reference.
func TestYears(t *testing.T) {
	if testing.Short() {
		t.Skip("walks years minute by minute")
	}
	specs := []string{"30 2 * * *", "0 0 * * *", "15,45 0-3 * * *", "0 */2 * * 1-5", "59 23 30,31 * *"}
	for _, c := range []struct {
		zone string
		year int
	}{
		{"America/Sao_Paulo", 2018}, {"Asia/Beirut", 2022}, {"Asia/Beirut", 2023}, {"Pacific/Apia", 2011}, {"Australia/Lord_Howe", 2026}, {"Europe/Dublin", 2026},
		{"America/Havana", 2026}, {"Africa/Casablanca", 2026}, {"Africa/Cairo", 2014}, {"America/Santiago", 2026}, {"Antarctica/Troll", 2026},
		{"Pacific/Kwajalein", 1993}, {"Asia/Pyongyang", 2018}, {"America/Caracas", 2016}, {"America/St_Johns", 2006}, {"Asia/Gaza", 2011}, {"Europe/Volgograd", 2020},
		{"America/Nuuk", 2026}, {"Asia/Kathmandu", 1986}, {"Pacific/Enderbury", 1994}, {"UTC", 2026}, {"Asia/Tehran", 2021}, {"America/Scoresbysund", 2024},
	} {
		t.Run(fmt.Sprint(c.zone, " ", c.year), func(t *testing.T) {
			from := time.Date(c.year, 1, 1, 0, 0, 0, 0, time.UTC)
			checkAgainst(t, c.zone, specs, from, from.AddDate(1, 0, 2))
		})
	}
}

// TestReference compares random specs around random changes of random zones' clocks to the reference.
func TestReference(t *testing.T) {
	zones := []string{"America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe", "Europe/Berlin", "America/New_York", "America/Havana", "Africa/Casablanca",
		"Africa/El_Aaiun", "Africa/Cairo", "Asia/Amman", "Asia/Damascus", "Asia/Gaza", "Asia/Tehran", "America/Asuncion", "America/Santiago", "Antarctica/Troll", "Antarctica/Macquarie",
		"Pacific/Kwajalein", "Pacific/Kiritimati", "Pacific/Enderbury", "Pacific/Fakaofo", "Pacific/Chatham", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul", "America/Nuuk",
		"America/Caracas", "America/Godthab", "America/St_Johns", "Asia/Pyongyang", "Asia/Kolkata", "Australia/Eucla", "Africa/Juba", "Africa/Sao_Tome", "Etc/GMT+12"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.Date(1973, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 24*365*75).Draw(t, "hour")) * time.Hour)
		if _, end := at.In(zone(t, name)).ZoneBounds(); !end.IsZero() && end.Year() < 2060 {
			at = end.UTC().Truncate(time.Minute)
		}
		field := func(label string, least, most int) string {
			n := rapid.IntRange(1, 3).Draw(t, label+"s")
			var s string
			for range n {
				s += fmt.Sprint(",", rapid.IntRange(least, most).Draw(t, label))
			}
			return s[1:]
		}
		hour := rapid.OneOf(rapid.Just("*/2"), rapid.Just("0-4"), rapid.Just("23,0,1"), rapid.Custom(func(*rapid.T) string { return field("hour", 0, 23) })).Draw(t, "hours")
		days := rapid.SampledFrom([]string{"* * *", "* * *", "*/2 * *", "* * 0,6", "1,30,31 * 5"}).Draw(t, "days")
		checkAgainst(t, name, []string{field("minute", 0, 59) + " " + hour + " " + days}, at.Add(-50*time.Hour), at.Add(50*time.Hour))
	})
}

// On the last day of leap years beyond the zones' tables the library's bounds of a zone end before the time that is asked for.
func TestTheLastDayOfALeapYear(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"} {
		from := time.Date(2040, 12, 29, 0, 0, 0, 0, time.UTC)
		checkAgainst(t, name, []string{"30 2 * * *", "15 */2 * * *"}, from, from.AddDate(0, 0, 5))
	}
}

// TestFrequentIsCrons: what is hourly or more frequent, and "@every", is cron's own.
func TestFrequentIsCrons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := "CRON_TZ=" + rapid.SampledFrom([]string{"Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"}).Draw(t, "zone") + " " +
			rapid.SampledFrom([]string{"* * * * *", "*/15 * * * *", "@hourly", "7 0-23 * * *", "@every 90m", "@every 24h", "0 * 1 1 *"}).Draw(t, "spec")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		theirs, err := cron.ParseStandard(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := parse(t, spec).Next(at), theirs.Next(at); !got.Equal(want) {
			t.Fatalf("%s after %v: %v, cron has %v", spec, at, got, want)
		}
	})
}

func ExampleSchedule_Nights() {
	s, err := Parse("CRON_TZ=Europe/Berlin 30 2 * * *")
	if err != nil {
		panic(err)
	}
	for _, night := range s.Nights(time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), 3) {
		fmt.Println(night.Format(time.RFC3339))
	}
	// Output:
	// 2026-03-28T01:30:00Z
	// 2026-03-29T01:00:00Z
	// 2026-03-30T00:30:00Z
}
