package checks

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// usual is an app that retrieves one account a day on site-1 for a purpose, from the 1st of November on, with as many users there.
func usual(users int64, purposes ...string) *story {
	s := tell("2026-11-22T02:30:00Z").approval("2026-01-01T00:00:00Z", "", purposes...).installed("site-1", "2026-01-01T00:00:00Z", users)
	for day := range 20 {
		s.retrievesFor(purposes[0], fmt.Sprintf("2026-11-%02dT06:00:00Z", day+1), "site-1", "ann")
	}
	return s
}

// as declares another purpose on all calls.
func as(purpose string) func(*story) {
	return func(s *story) {
		for i := range s.calls {
			s.calls[i].purpose = purpose
		}
	}
}

func TestPurposeDrift(t *testing.T) {
	const id, friday = "purpose-drift", "2026-11-20T12:00:00Z"
	// Half of the site's users, and one less; ann, six hours before, makes one more of a surge.
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, friday, "site-1"), one(siteSweep, 60, 60, 1), one(surge, 61, 61, 1))
	expect(t, id, usual(121, "security-alerts").retrievesEach(60, friday, "site-1"), one(surge, 61, 61, 1))
	// Six hours are too short for what takes them.
	slowly := usual(120, "security-alerts").retrievesEach(59, friday, "site-1").retrieves("2026-11-20T18:00:00Z", "site-1", "zoe")
	expect(t, id, slowly, one(surge, 61, 61, 1))
	// A twentieth of the users, and one less.
	expect(t, id, usual(1220, "security-alerts").retrievesEach(60, friday, "site-1"), one(surge, 61, 61, 1))
	expect(t, id, usual(1221, "security-alerts").retrievesEach(60, friday, "site-1"))
	// Nobody tells how many users there are.
	expect(t, id, usual(-1, "security-alerts").retrievesEach(60, friday, "site-1"))
	// The first two weeks: the fourteenth day, and the fifteenth.
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, "2026-11-14T12:00:00Z", "site-1"))
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, "2026-11-15T12:00:00Z", "site-1"), one(siteSweep, 60, 60, 1), one(surge, 61, 61, 1))
	// On a site since less than two weeks there is no surge, but a sweep.
	expect(t, id, usual(120, "security-alerts").installed("site-2", "2026-11-06T00:00:00.000000001Z", 120).retrievesEach(60, friday, "site-2"), one(siteSweep, 60, 60, 1))
	expect(t, id, usual(120, "security-alerts").installed("site-2", "2026-11-06T00:00:00Z", 120).retrievesEach(60, friday, "site-2"), one(siteSweep, 60, 60, 1), one(surge, 60, 60, 1))
	// What purposes explain: all of a site by a sync; a large set, until 56 days are known, by alerts; nothing does ids that are not there.
	expect(t, id, usual(120, "user-sync").retrievesEach(60, friday, "site-1").with(as("user-sync")))
	expect(t, id, usual(120, "security-alerts", "subscribed-alerts").retrievesEach(60, friday, "site-1"))
	expect(t, id, usual(120, "user-sync").asksInVain(50, friday, "site-1"), one(enumeration, 50, 0, 1))
	expect(t, id, usual(120, "user-sync").asksInVain(49, friday, "site-1"))
	// Calls that another check finds.
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, friday, "site-1").with(as("marketing")))
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, friday, "site-1").with(as("")))
	expect(t, id, usual(120, "security-alerts").with(func(s *story) { s.approvals[0].Revoked = instant("2026-11-20T00:00:00Z") }).retrievesEach(60, friday, "site-1"))
	// Where the gateway logs no purposes.
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, friday, "site-1").with(as("")).with(func(s *story) { s.rules.Purposes = false }))
	// No app, and rules that are older than the check.
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, friday, "site-1").with(func(s *story) { s.key = "" }))
	expect(t, id, usual(120, "security-alerts").retrievesEach(60, friday, "site-1").with(func(s *story) { s.policy.Drift = audit.DriftBounds{} }))
	// The same set after six days, and after seven; so few days between that they are no rhythm.
	again := func(day string) *story {
		return usual(1000, "security-alerts").retrievesEach(60, "2026-11-"+day+"T12:00:00Z", "site-1").retrievesEach(60, friday, "site-1")
	}
	expect(t, id, again("14"), one(surge, 61, 61, 1)) // a Saturday says nothing of Fridays
	expect(t, id, again("13"), one(periodicBulk, 61, 61, 1))
	expect(t, id, again("13").retrievesEach(40, "2026-11-17T12:00:00Z", "site-1"))
}

// unkept is days of which no totals are kept.
type unkept struct{ audit.Days }

func (unkept) Totals(audit.Day, audit.Day) ([]audit.DayTotals, error) { return nil, nil }

// TestTotalsThatAreNotKept says that a store of before there were totals gives the same findings, told in the same words.
func TestTotalsThatAreNotKept(t *testing.T) {
	c, _ := Get("purpose-drift")
	// A day on which the app asked in vain, and for nothing else, is a day of its past, too.
	inVain := usual(120, "security-alerts").with(func(s *story) {
		s.calls = slices.DeleteFunc(s.calls, func(c toldCall) bool { return c.at.Day() == instant("2026-11-18T00:00:00Z").Day() })
	}).asksInVain(40, "2026-11-18T12:00:00Z", "site-1").asksInVain(100, "2026-11-20T12:00:00Z", "site-1")
	for name, d := range map[string]*audit.Dossier{"proof": c.Proof.Violates.Dossier(), "a day in vain": inVain.dossier()} {
		want := find(t, &c, d)
		d.Days = unkept{d.Days}
		if got := find(t, &c, d); len(want) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: without totals %+v, with them %+v", name, got, want)
		}
	}
}
