package checks

import (
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// Here is each boundary that the proofs leave open: exactly equal, and a nanosecond to either side.

const noon = "2026-11-22T12:00:00Z"

// with changes what the builder has no words for.
func (s *story) with(change func(*story)) *story {
	change(s)
	return s
}

func one(subject string, occurrences, accounts, sites int) audit.Found {
	return audit.Found{Subject: subject, Occurrences: occurrences, Accounts: accounts, Sites: sites}
}

var holds = audit.Found{Occurrences: 1}

func TestAccessUnapproved(t *testing.T) {
	const id = "access-unapproved"
	call := func() *story { return tell(noon).retrieves("2026-11-20T12:00:00Z", "site-1", "ann") }
	expect(t, id, call(), one("", 1, 1, 1))
	expect(t, id, call().pending("security-alerts").rejected("2026-01-01T00:00:00Z", "security-alerts"), one("", 1, 1, 1))
	expect(t, id, call().with(func(s *story) { s.versions = nil }), one("", 1, 1, 1))
	// Withdrawn: in force until it was revoked.
	withdrawn := func(s *story) { s.approvals[0].Status = audit.Withdrawn }
	expect(t, id, call().approval("2026-01-01T00:00:00Z", "2026-11-20T12:00:00.000000001Z").with(withdrawn))
	expect(t, id, call().approval("2026-01-01T00:00:00Z", "2026-11-20T12:00:00Z").with(withdrawn), one("", 1, 1, 1))
	// Dropped by the registry: it ends there.
	dropped := func(at string) func(*story) { return func(s *story) { s.approvals[0].Dropped = instant(at) } }
	expect(t, id, call().approval("2026-01-01T00:00:00Z", "").with(dropped("2026-11-20T12:00:00.000000001Z")))
	expect(t, id, call().approval("2026-01-01T00:00:00Z", "").with(dropped("2026-11-20T12:00:00Z")), one("", 1, 1, 1))
	// One that ends where another begins leaves no gap.
	expect(t, id, call().approval("2026-01-01T00:00:00Z", "2026-11-20T12:00:00Z").approval("2026-11-20T12:00:00Z", ""))
	// Revoked before it was decided: never in force.
	expect(t, id, call().approval("2026-11-20T12:00:00Z", "2026-11-20T11:00:00Z"), one("", 1, 1, 1))
	// No app, no account, not 200, not yet.
	expect(t, id, call().with(func(s *story) { s.key = "" }))
	expect(t, id, tell(noon).retrieves("2026-11-20T12:00:00Z", "site-1"))
	expect(t, id, tell(noon).call("2026-11-20T12:00:00Z", "site-1", "", audit.OAuth2, 206, []string{"ann"}))
	expect(t, id, tell(noon).retrieves(noon, "site-1", "ann").retrieves("2026-11-22T12:00:00.000000001Z", "site-2", "bob"), one("", 1, 1, 1))
}

func TestAccessRefusedProbing(t *testing.T) {
	const id = "access-refused-probing"
	expect(t, id, tell(noon).refusedTimes(10, "2026-11-20T12:00:00Z", "site-1"), one("", 10, 0, 1))
	expect(t, id, tell(noon).refusedTimes(9, "2026-11-20T12:00:00Z", "site-1"))
	expect(t, id, tell(noon).refusedTimes(10, "2026-11-20T12:00:00Z", "site-1").with(func(s *story) { s.key = "" }))
	// Two such days, and one with nine.
	expect(t, id, tell(noon).refusedTimes(10, "2026-11-18T00:00:00Z", "site-1").refusedTimes(9, "2026-11-19T00:00:00Z", "site-2").refusedTimes(12, "2026-11-20T00:00:00Z", "site-3"),
		one("", 22, 0, 2))
	// Those after as-of are not there yet: the tenth is.
	expect(t, id, tell("2026-11-20T12:00:09Z").refusedTimes(20, "2026-11-20T12:00:00Z", "site-1"), one("", 10, 0, 1))
	expect(t, id, tell("2026-11-20T12:00:08.999999999Z").refusedTimes(20, "2026-11-20T12:00:00Z", "site-1"))
	// An approval in force for the last of them.
	expect(t, id, tell(noon).refusedTimes(10, "2026-11-20T12:00:00Z", "site-1").approval("2026-11-20T12:00:09Z", ""))
	expect(t, id, tell(noon).refusedTimes(10, "2026-11-20T12:00:00Z", "site-1").approval("2026-11-20T12:00:09.000000001Z", ""), one("", 10, 0, 1))
}

func TestAccessNotInstalled(t *testing.T) {
	const id = "access-not-installed"
	call := func() *story { return tell(noon).retrieves("2026-11-20T12:00:00Z", "site-1", "ann") }
	unknown := func(s *story, want int) {
		t.Helper()
		c, _ := Get(id)
		d := s.dossier()
		n := 0
		for _, h := range d.Headers {
			tally := audit.NewTally(&c, h.Day, d.AsOf, nil)
			if err := c.Days(d, h.Day, tally); err != nil {
				t.Fatal(err)
			}
			n += tally.Unknown
		}
		if n != want {
			t.Errorf("%d unknown, want %d", n, want)
		}
	}
	since := func(at string) func(*story) { return func(s *story) { s.rules.CompleteSince = instant(at) } }
	// Nothing known of the site: only the source's completeness says that it was not installed.
	expect(t, id, call(), one("", 1, 1, 1))
	expect(t, id, call().with(since("2026-11-20T12:00:00Z")), one("", 1, 1, 1))
	expect(t, id, call().with(since("2026-11-20T12:00:00.000000001Z")))
	unknown(call().with(since("2026-11-20T12:00:00.000000001Z")), 1)
	unknown(call().with(func(s *story) { s.rules.CompleteSince = audit.Never }), 1)
	// The first event after it.
	expect(t, id, call().lifecycle("site-1", audit.Installed, "2026-11-21T00:00:00Z"), one("", 1, 1, 1))
	for _, e := range []audit.Event{audit.Uninstalled, audit.Enabled, audit.Disabled, audit.Present} {
		expect(t, id, call().lifecycle("site-1", e, "2026-11-21T00:00:00Z"))
		unknown(call().lifecycle("site-1", e, "2026-11-21T00:00:00Z"), 1)
		// Not known yet at as-of.
		expect(t, id, call().lifecycle("site-1", e, "2026-11-22T12:00:00.000000001Z"), one("", 1, 1, 1))
		expect(t, id, call().lifecycle("site-1", e, noon))
	}
	// An event at the moment of the call.
	expect(t, id, call().lifecycle("site-1", audit.Installed, "2026-11-20T12:00:00Z"))
	expect(t, id, call().lifecycle("site-1", audit.Installed, "2026-11-20T12:00:00.000000001Z"), one("", 1, 1, 1))
	// Left five minutes before, and told so twice: the first counts.
	expect(t, id, call().lifecycle("site-1", audit.Disabled, "2026-11-20T11:55:00Z").lifecycle("site-1", audit.Uninstalled, "2026-11-20T11:59:00Z"))
	unknown(call().lifecycle("site-1", audit.Disabled, "2026-11-20T11:55:00Z"), 1)
	expect(t, id, call().lifecycle("site-1", audit.Disabled, "2026-11-20T11:54:59.999999999Z").lifecycle("site-1", audit.Uninstalled, "2026-11-20T11:59:00Z"), one("", 1, 1, 1))
	// Back in between.
	expect(t, id, call().lifecycle("site-1", audit.Disabled, "2026-11-20T10:00:00Z").lifecycle("site-1", audit.Enabled, "2026-11-20T11:00:00Z").
		lifecycle("site-1", audit.Uninstalled, "2026-11-20T11:55:00Z"))
	expect(t, id, call().lifecycle("site-1", audit.Uninstalled, "2026-11-20T11:00:00Z").with(func(s *story) { s.key = "" }))
	// Unknown counts retrievals up to as-of only.
	unknown(tell(noon).with(since(noon)).refused("2026-11-20T12:00:00Z", "site-1").retrieves("2026-11-22T11:59:59.999999999Z", "site-1", "ann").
		retrieves("2026-11-22T12:00:00.000000001Z", "site-1", "ann"), 1)
}

func TestAccessNotApp(t *testing.T) {
	const id = "access-not-app"
	noApp := func(s *story) { s.key = "" }
	for _, a := range []audit.Auth{audit.ConnectJWT, audit.OAuth2, audit.ForgeApp, audit.ForgeUser, audit.APIToken, audit.Basic, audit.Session} {
		expect(t, id, tell(noon).retrievesBy(a, "2026-11-20T12:00:00Z", "site-1", "ann").with(noApp), one(a.String(), 1, 1, 1))
		if a.IsApp() {
			expect(t, id, tell(noon).retrievesBy(a, "2026-11-20T12:00:00Z", "site-1", "ann"))
		} else {
			expect(t, id, tell(noon).retrievesBy(a, "2026-11-20T12:00:00Z", "site-1", "ann"), one(a.String(), 1, 1, 1))
		}
	}
	expect(t, id, tell(noon).retrievesBy(audit.Basic, noon, "site-1", "ann"), one("basic", 1, 1, 1))
	expect(t, id, tell(noon).retrievesBy(audit.Basic, "2026-11-22T12:00:00.000000001Z", "site-1", "ann").with(noApp))
}

func TestPurposes(t *testing.T) {
	const isUndeclared, isNotApproved, isProhibited = "purpose-undeclared", "purpose-not-approved", "purpose-prohibited"
	of := func(purpose string) *story {
		return tell(noon).approval("2026-01-01T00:00:00Z", "2026-11-21T00:00:00Z", "security-alerts", "seat-planning").retrievesFor(purpose, "2026-11-20T12:00:00Z", "site-1", "ann")
	}
	for _, x := range []struct{ purpose, id, subject string }{
		{"", isUndeclared, "none"},
		{"none", isUndeclared, "none"},
		{"None", isUndeclared, "unknown"},
		{" ", isUndeclared, "unknown"},
		{"security-alerts ", isUndeclared, "unknown"},
		{"other", isUndeclared, "unknown"},
		{"security-alerts", "", ""},
		{"seat-planning", "", ""},
		{"user-sync", isNotApproved, "user-sync"},
		{"marketing", isProhibited, "marketing"},
		{"company-events", isProhibited, "company-events"},
		{"training-onboarding", isProhibited, "training-onboarding"},
		{"renewal-reminders", isProhibited, "renewal-reminders"},
	} {
		for _, id := range []string{isUndeclared, isNotApproved, isProhibited, "access-unapproved"} {
			var want []audit.Found
			if id == x.id {
				want = append(want, one(x.subject, 1, 1, 1))
			}
			expect(t, id, of(x.purpose), want...)
		}
	}
	// The gateway does not log purposes.
	expect(t, isProhibited, of("marketing").with(func(s *story) { s.rules.Purposes = false }))
	// A purpose that is named in a request of any state is known, and under a name that is no plain word it is invalid.
	expect(t, isNotApproved, of("Seat Planning").pending("Seat Planning"), one("invalid", 1, 1, 1))
	expect(t, isNotApproved, of("user-sync").with(func(s *story) { s.key = "" }))
	// Synonyms of the policy, on calls and in requests.
	synonyms := func(s *story) {
		s.policy.Synonyms = map[string]string{"alerts": "security-alerts", "promo": "marketing", "n/a": "none", "sync": "user-sync"}
	}
	expect(t, isNotApproved, of("alerts").with(synonyms))
	expect(t, isUndeclared, of("alerts").with(synonyms))
	expect(t, isProhibited, of("promo").with(synonyms), one("marketing", 1, 1, 1))
	expect(t, isUndeclared, of("n/a").with(synonyms), one("none", 1, 1, 1))
	expect(t, isNotApproved, of("sync").with(synonyms), one("user-sync", 1, 1, 1))
	expect(t, isNotApproved, of("sync").approval("2026-01-01T00:00:00Z", "", "sync").with(synonyms))
	// Up to as-of.
	expect(t, isProhibited, tell(noon).approval("2026-01-01T00:00:00Z", "").retrievesFor("marketing", noon, "site-1", "ann").
		retrievesFor("marketing", "2026-11-22T12:00:00.000000001Z", "site-1", "bob"), one("marketing", 1, 1, 1))
}

func TestRulesOfTheMoment(t *testing.T) {
	// From noon on, a new policy prohibits user-sync and takes 12 refused calls for probing. The dossier says so, a story cannot.
	s := tell(noon).approval("2026-01-01T00:00:00Z", "", "user-sync").
		retrievesFor("user-sync", "2026-11-20T11:59:59.999999999Z", "site-1", "ann").
		retrievesFor("user-sync", "2026-11-20T12:00:00Z", "site-1", "bob")
	d := s.dossier()
	newer := audit.DefaultPolicy()
	newer.Prohibited = append(newer.Prohibited, "user-sync")
	newer.ProbingCalls = 12
	d.Rules = append(d.Rules, audit.RulesFrom{From: instant("2026-11-20T12:00:00Z"), Rules: audit.Rules{Policy: newer, Purposes: true}})
	c, _ := Get("purpose-prohibited")
	got := findings(&c, find(t, &c, d))
	if len(got) != 1 || got[0].Occurrences != 1 || got[0].FirstSeen != instant("2026-11-20T12:00:00Z") {
		t.Errorf("found %+v", got)
	}

	probing, _ := Get("access-refused-probing")
	for at, want := range map[string]int{"2026-11-20T11:59:50.999999999Z": 10, "2026-11-20T11:59:51Z": 0} {
		p := tell(noon).refusedTimes(10, at, "site-1").dossier()
		p.Rules = d.Rules
		if got := findings(&probing, find(t, &probing, p)); want == 0 && len(got) > 0 || want > 0 && (len(got) != 1 || got[0].Occurrences != want) {
			t.Errorf("from %s: found %+v", at, got)
		}
	}
}

func TestReportOverdue(t *testing.T) {
	const id = "report-overdue"
	at := func(asOf string) *story { return tell(asOf) }
	// The first retrieval ever; then one since an empty report.
	never := func(asOf string) *story {
		return at(asOf).retrieves("2026-11-01T12:00:00Z", "site-1", "ann").retrieves("2026-11-10T12:00:00Z", "site-1", "ann")
	}
	expect(t, id, never("2026-11-16T12:00:00Z"))
	expect(t, id, never("2026-11-16T12:00:00.000000001Z"), holds)
	empty := func(asOf string) *story { return never(asOf).reports("2026-11-02T12:00:00Z") }
	expect(t, id, empty("2026-11-25T12:00:00Z"))
	expect(t, id, empty("2026-11-25T12:00:00.000000001Z"), holds)
	// An empty report after the last retrieval, for good; at the moment of it, too.
	expect(t, id, never("2027-11-25T12:00:00Z").reports("2026-11-10T12:00:00Z"))
	expect(t, id, never("2027-11-25T12:00:00Z").reports("2026-11-10T11:59:59.999999999Z"), holds)
	expect(t, id, never("2027-11-25T12:00:00Z").reports("2026-11-10T12:00:00Z", "ann"), holds)
	expect(t, id, at(noon))
	// Of several at one instant, one that held accounts.
	expect(t, id, at("2026-11-17T12:00:00.000000001Z").reports("2026-11-02T12:00:00Z", "ann").reports("2026-11-02T12:00:00Z"), holds)
	expect(t, id, at("2026-11-17T12:00:00Z").reports("2026-11-02T12:00:00Z").reports("2026-11-02T12:00:00Z", "ann"))
	// What comes after as-of does not count, nor does what was refused.
	expect(t, id, at("2026-11-17T12:00:00.000000001Z").reports("2026-11-02T12:00:00Z", "ann").reports("2026-11-17T12:00:00.000000002Z", "ann"), holds)
	expect(t, id, at("2026-11-17T12:00:00.000000001Z").reports("2026-11-02T12:00:00Z", "ann").reportsRefused(429, "2026-11-17T12:00:00Z", "ann"), holds)
	expect(t, id, at("2026-11-17T12:00:00.000000001Z").reports("2026-11-02T12:00:00Z", "ann").reports("2026-11-17T12:00:00.000000001Z", "ann"))
	// Only who stores, as the newest entry says.
	late := func() *story { return at(noon).reports("2026-11-02T12:00:00Z", "ann") }
	expect(t, id, late(), holds)
	expect(t, id, late().entry(stores(new(false))))
	expect(t, id, late().entry(stores(nil)))
	expect(t, id, late().entry(stores(nil)).entryFrom(noon), holds)
	expect(t, id, late().with(func(s *story) { s.versions = nil }))
	expect(t, id, late().with(func(s *story) { s.versions = append(s.versions, audit.AppVersion{From: instant(noon)}) }))

	// The deadline is the 17th at noon. An incident covers [from, to).
	incident := func(from, to, asOf string) *story {
		return at(asOf).reports("2026-11-02T12:00:00Z", "ann").incident(from, to)
	}
	const soon = "2026-11-17T12:00:00.000000001Z"
	expect(t, id, incident("2026-11-16T11:00:00Z", "2026-11-16T12:00:00Z", soon), holds)
	expect(t, id, incident("2026-11-16T11:00:00Z", "2026-11-16T12:00:00.000000001Z", "2026-11-17T12:00:00.000000001Z"))
	expect(t, id, incident("2026-11-16T11:00:00Z", "2026-11-16T12:00:00.000000001Z", "2026-11-17T12:00:00.000000002Z"), holds)
	expect(t, id, incident("2026-11-17T12:00:00Z", "2026-11-17T14:00:00Z", soon), holds)
	expect(t, id, incident("2026-11-17T11:59:59.999999999Z", "2026-11-17T14:00:00Z", "2026-11-18T14:00:00Z"))
	expect(t, id, incident("2026-11-17T11:59:59.999999999Z", "2026-11-17T14:00:00Z", "2026-11-18T14:00:00.000000001Z"), holds)
	// Another covers what the first moved it to, in whatever order they are known.
	again := func(asOf string) *story {
		return at(asOf).reports("2026-11-02T12:00:00Z", "ann").incident("2026-11-18T00:00:00Z", "2026-11-18T06:00:00Z").incident("2026-11-17T00:00:00Z", "2026-11-17T06:00:00Z")
	}
	expect(t, id, again("2026-11-19T06:00:00Z"))
	expect(t, id, again("2026-11-19T06:00:00.000000001Z"), holds)
	running := func(s *story) { s.incidents[0].To = audit.Never }
	expect(t, id, incident("2026-11-17T00:00:00Z", soon, "2027-11-17T12:00:00Z").with(running))
}

func TestReportIncomplete(t *testing.T) {
	const id = "report-incomplete"
	// Ann is retrieved on the 1st, and must be reported before the 17th begins.
	at := func(asOf string) *story { return tell(asOf).retrieves("2026-11-01T12:00:00Z", "site-1", "ann") }
	const over = "2026-11-17T00:00:00Z"
	found := one("", 1, 1, 0)
	expect(t, id, at("2026-11-16T23:59:59.999999999Z"))
	expect(t, id, at(over), found)
	expect(t, id, at(over).reports("2026-10-31T23:59:59.999999999Z", "ann"), found)
	expect(t, id, at(over).reports("2026-11-01T00:00:00Z", "ann"))
	expect(t, id, at(over).reports("2026-11-16T23:59:59.999999999Z", "ann"))
	expect(t, id, at(over).reports("2026-11-17T00:00:00Z", "ann"), found)
	expect(t, id, at(over).reportsRefused(500, "2026-11-10T00:00:00Z", "ann"), found)
	expect(t, id, at(over).reports("2026-11-10T00:00:00Z", "bob"), found)
	// Closed by then, long ago or in an answer to a report of another account.
	expect(t, id, at(over).reports("2026-10-01T00:00:00Z", "ann").closed("ann"))
	expect(t, id, at(over).reports("2026-11-16T23:59:59.999999999Z", "bob").closed("ann"))
	expect(t, id, at(over).reports("2026-11-17T00:00:00Z", "bob").closed("ann"), found)
	expect(t, id, at(over).reports("2026-11-16T12:00:00Z", "bob").updated("ann"), found)
	expect(t, id, at(over).reportsRefused(400, "2026-11-16T12:00:00Z", "bob").closed("ann"), found)
	// Once for an account and a day, however many calls got it; again for another day.
	expect(t, id, at("2026-11-18T00:00:00Z").retrieves("2026-11-01T13:00:00Z", "site-2", "ann").retrieves("2026-11-02T13:00:00Z", "site-2", "ann"), one("", 2, 1, 0))
	// Only who stored at the deadline.
	expect(t, id, at(over).entry(stores(nil)))
	expect(t, id, at(over).entry(stores(nil)).entryFrom(over), found)
	expect(t, id, at("2026-11-18T00:00:00Z").entry(stores(nil)).entryFrom("2026-11-17T00:00:00.000000001Z"))
	expect(t, id, at("2026-11-18T00:00:00Z").entryFrom("2026-11-17T00:00:00.000000001Z", stores(nil)), found)
	expect(t, id, at(over).with(func(s *story) { s.versions = nil }))

	// An incident in the last 24 hours moves the deadline to the 18th at 06:30.
	moved := func(asOf string) *story { return at(asOf).incident("2026-11-16T23:00:00Z", "2026-11-17T06:30:00Z") }
	expect(t, id, moved(over))
	expect(t, id, moved("2026-11-18T06:29:59.999999999Z"))
	const movedOver = "2026-11-18T06:30:00Z"
	expect(t, id, moved(movedOver), found)
	expect(t, id, moved(movedOver).reports("2026-11-17T12:00:00Z", "ann"))
	expect(t, id, moved(movedOver).reports("2026-11-18T06:29:59.999999999Z", "ann"))
	expect(t, id, moved(movedOver).reports("2026-11-18T06:30:00Z", "ann"), found)
	expect(t, id, moved(movedOver).reportsRefused(503, "2026-11-18T06:00:00Z", "ann"), found)
	expect(t, id, moved(movedOver).reports("2026-11-18T06:29:59.999999999Z", "bob").closed("ann"))
	expect(t, id, moved(movedOver).reports("2026-11-18T06:30:00Z", "bob").closed("ann"), found)
	// To a midnight: what comes then is too late.
	midnight := func(asOf string) *story { return at(asOf).incident("2026-11-16T23:00:00Z", "2026-11-17T00:00:00Z") }
	expect(t, id, midnight("2026-11-17T23:59:59.999999999Z"))
	expect(t, id, midnight("2026-11-18T00:00:00Z"), found)
	expect(t, id, midnight("2026-11-19T00:00:00Z").reports("2026-11-17T23:59:59.999999999Z", "ann"))
	expect(t, id, midnight("2026-11-19T00:00:00Z").reports("2026-11-18T00:00:00Z", "ann"), found)
	// One that ends 24 hours before the deadline covers no part of them.
	expect(t, id, at(over).incident("2026-11-15T23:00:00Z", "2026-11-16T00:00:00Z"), found)
	expect(t, id, at(over).incident("2026-11-15T23:00:00Z", "2026-11-16T00:00:00.000000001Z"))

	// Evidence: the first call that got each account.
	c, _ := Get(id)
	for _, x := range find(t, &c, at(over).retrieves("2026-11-01T11:00:00Z", "site-2", "ann", "bob").dossier()) {
		if len(x.Evidence) != 2 || x.Evidence[0].Site != "site-2" || x.Evidence[1].Site != "site-2" || x.Last != instant("2026-11-01T12:00:00Z") {
			t.Errorf("evidence %+v", x.Evidence)
		}
	}
}

func TestReportClosedRetained(t *testing.T) {
	const id = "report-closed-retained"
	// Ann is closed on the 10th at noon, then again.
	closed := func() *story {
		return tell(noon).reports("2026-11-10T12:00:00Z", "bob").closed("ann").reports("2026-11-11T00:00:00Z", "bob").closed("ann")
	}
	for at, want := range map[string]int{"2026-11-11T11:59:59.999999999Z": 0, "2026-11-11T12:00:00Z": 0, "2026-11-11T12:00:00.000000001Z": 1, "2026-11-22T12:00:00Z": 1, "2026-11-22T12:00:00.000000001Z": 0} {
		var found []audit.Found
		if want > 0 {
			found = []audit.Found{one("", want, want, 0)}
		}
		expect(t, id, closed().reports(at, "ann", "bob"), found...)
		expect(t, id, closed().retrieves(at, "site-1", "ann", "bob"), found...)
	}
	expect(t, id, closed().reports("2026-11-20T12:00:00Z", "ann").retrieves("2026-11-20T12:00:00Z", "site-1", "ann"), one("", 2, 1, 0))
	expect(t, id, closed().reports("2026-11-20T12:00:00Z", "bob").closed("ann"))
	expect(t, id, closed().reports("2026-11-20T12:00:00Z", "bob").updated("ann").reports("2026-11-21T12:00:00Z", "ann"), one("", 1, 1, 0))
	expect(t, id, tell(noon).reportsRefused(500, "2026-11-10T12:00:00Z", "ann").closed("ann").reports("2026-11-20T12:00:00Z", "ann"))
}

func TestReportUpdatedIgnored(t *testing.T) {
	const id = "report-updated-ignored"
	found := one("", 1, 1, 0)
	const u, r = "2026-11-10T12:00:00Z", "2026-11-20T12:00:00Z"
	updated := func() *story { return tell(noon).reports(u, "bob").updated("ann") }
	expect(t, id, updated().reportsAsOf("2026-11-01T00:00:00Z", r, "ann"), found)
	expect(t, id, updated().reportsAsOf("2026-11-10T11:59:59.999999999Z", r, "ann"), found)
	expect(t, id, updated().reportsAsOf(u, r, "ann"))
	expect(t, id, updated().reportsAsOf("2026-11-10T12:00:00.000000001Z", r, "ann"))
	expect(t, id, updated().reports(r, "ann"))
	expect(t, id, updated().reportsRefused(429, r, "ann").with(func(s *story) { s.reported[1].asOf = instant("2026-11-01T00:00:00Z") }))
	// 24 hours.
	for at, want := range map[string]bool{"2026-11-11T11:59:59.999999999Z": false, "2026-11-11T12:00:00Z": false, "2026-11-11T12:00:00.000000001Z": true,
		noon: true, "2026-11-22T12:00:00.000000001Z": false} {
		var list []audit.Found
		if want {
			list = append(list, found)
		}
		expect(t, id, updated().reportsAsOf("2026-11-01T00:00:00Z", at, "ann"), list...)
	}
	// Retrieved in (U, R].
	old := func() *story { return updated().reportsAsOf("2026-11-01T00:00:00Z", r, "ann") }
	expect(t, id, old().retrieves(u, "site-1", "ann"), found)
	expect(t, id, old().retrieves("2026-11-10T12:00:00.000000001Z", "site-1", "ann"))
	expect(t, id, old().retrieves(r, "site-1", "ann"))
	expect(t, id, old().retrieves("2026-11-20T12:00:00.000000001Z", "site-1", "ann"), found)
	expect(t, id, old().retrieves("2026-11-15T00:00:00Z", "site-1", "bob").refused("2026-11-15T00:00:00Z", "site-1"), found)
	// The latest answer more than 24 hours before decides, not an earlier or a later one.
	expect(t, id, old().reports("2026-11-19T12:00:00Z", "bob").updated("ann").retrieves("2026-11-12T00:00:00Z", "site-1", "ann"))
	expect(t, id, old().reports("2026-11-19T11:59:59.999999999Z", "bob").updated("ann").retrieves("2026-11-12T00:00:00Z", "site-1", "ann"), found)
	expect(t, id, updated().reports("2026-11-15T12:00:00Z", "bob").updated("ann").reportsAsOf("2026-11-12T00:00:00Z", r, "ann"), found)
	expect(t, id, tell(noon).reports(u, "bob").closed("ann").reportsAsOf("2026-11-01T00:00:00Z", r, "ann"))
}

func TestRetainedAfterUninstall(t *testing.T) {
	const id = "retained-after-uninstall"
	found := one("", 1, 1, 0)
	const r = "2026-11-20T12:00:00Z" // 30 days before: 21 October at noon
	left := func(at string) *story {
		return tell(noon).reports(r, "ann").lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").lifecycle("site-1", audit.Uninstalled, at)
	}
	expect(t, id, left("2026-10-21T12:00:00.000000001Z"))
	expect(t, id, left("2026-10-21T12:00:00Z"))
	expect(t, id, left("2026-10-21T11:59:59.999999999Z"), found)
	const long = "2026-10-01T00:00:00Z"
	expect(t, id, left(long), found)
	// Nothing is known of any site; nothing up to as-of.
	expect(t, id, tell(noon).reports(r, "ann"))
	expect(t, id, tell(noon).reports(r, "ann").lifecycle("site-1", audit.Uninstalled, "2026-12-01T00:00:00Z"))
	expect(t, id, tell(noon).reports(r, "ann").lifecycle("site-1", audit.Installed, "2026-11-21T00:00:00Z"))
	// Complete since the last leaving.
	since := func(at string) func(*story) { return func(s *story) { s.rules.CompleteSince = instant(at) } }
	expect(t, id, left(long).with(since(long)), found)
	expect(t, id, left(long).with(since("2026-10-01T00:00:00.000000001Z")))
	expect(t, id, left(long).with(func(s *story) { s.rules.CompleteSince = audit.Never }))
	// Another site.
	expect(t, id, left(long).lifecycle("site-2", audit.Installed, "2026-01-01T00:00:00Z"))
	expect(t, id, left(long).lifecycle("site-2", audit.Installed, r))
	expect(t, id, left(long).lifecycle("site-2", audit.Installed, "2026-11-20T12:00:00.000000001Z"), found)
	expect(t, id, left(long).lifecycle("site-2", audit.Uninstalled, "2026-10-21T11:59:59.999999999Z"), found)
	expect(t, id, left(long).lifecycle("site-2", audit.Uninstalled, "2026-10-21T12:00:00Z"))
	expect(t, id, left(long).lifecycle("site-2", audit.Present, "2026-11-21T00:00:00Z"))
	expect(t, id, left(long).lifecycle("site-2", audit.Present, "2026-11-22T12:00:00.000000001Z"), found)
	expect(t, id, left(long).lifecycle("site-2", audit.Disabled, "2026-11-21T00:00:00Z"))
	// Left and told so again later: the first counts. Back for a moment: the last.
	expect(t, id, left(long).lifecycle("site-1", audit.Uninstalled, "2026-11-19T00:00:00Z"), found)
	expect(t, id, left(long).lifecycle("site-1", audit.Enabled, "2026-10-25T00:00:00Z").lifecycle("site-1", audit.Disabled, "2026-10-25T00:00:01Z"))
	expect(t, id, left(long).lifecycle("site-1", audit.Installed, "2026-11-20T12:00:00.000000001Z"), found)
	expect(t, id, left(long).lifecycle("site-1", audit.Installed, r))
	// Empty, refused, too early to know.
	expect(t, id, tell(noon).reports(r).lifecycle("site-1", audit.Uninstalled, long))
	expect(t, id, tell(noon).reportsRefused(500, r, "ann").lifecycle("site-1", audit.Uninstalled, long))
	expect(t, id, tell(noon).reports("2026-11-22T12:00:00.000000001Z", "ann").lifecycle("site-1", audit.Uninstalled, long))
	// A policy that waits less than a day.
	short := func(s *story) { s.policy.RetainedAfter = time.Hour }
	expect(t, id, left("2026-11-20T11:00:00Z").with(short))
	expect(t, id, left("2026-11-20T10:59:59.999999999Z").with(short).with(since("2026-11-01T00:00:00Z")), found)
}

func TestStorageUndeclared(t *testing.T) {
	const id = "storage-undeclared"
	report := func() *story { return tell(noon).reports("2026-11-20T12:00:00Z", "ann") }
	found := one("reports", 1, 1, 0)
	expect(t, id, report())
	expect(t, id, report().entry(stores(nil)), found)
	expect(t, id, report().entry(stores(new(false))), found)
	expect(t, id, report().entry(stores(nil)).entryFrom("2026-11-20T12:00:00.000000001Z"), found)
	expect(t, id, report().entry(stores(nil)).entryFrom("2026-11-20T12:00:00Z"))
	expect(t, id, report().entryFrom("2026-11-20T12:00:00Z", stores(nil)), found)
	expect(t, id, report().entryFrom("2026-11-20T12:00:00.000000001Z", stores(nil)))
	expect(t, id, report().with(func(s *story) { s.versions = nil }))
	expect(t, id, report().entry(stores(nil)).with(func(s *story) {
		s.versions = append(s.versions, audit.AppVersion{From: instant("2026-11-20T12:00:00Z")})
	}))
	expect(t, id, tell(noon).entry(stores(nil)).reports("2026-11-20T12:00:00Z"))
	expect(t, id, tell(noon).entry(stores(nil)).reports("2026-11-22T12:00:00.000000001Z", "ann"))
}

func TestListingIncomplete(t *testing.T) {
	const id = "listing-incomplete"
	bare := func(more ...func(*audit.App)) *story {
		return tell(noon).entry(append(more, func(a *audit.App) { a.TermsURL = "\u00a0" })...)
	}
	found := one("terms", 1, 0, 0)
	// Whom it asks.
	expect(t, id, bare())
	expect(t, id, bare().pending("user-sync"), found)
	expect(t, id, bare().pending("user-sync").with(func(s *story) { s.approvals[0].Dropped = instant(noon) }))
	expect(t, id, bare().rejected("2026-01-01T00:00:00Z"))
	expect(t, id, bare().approval(noon, ""), found)
	expect(t, id, bare().approval("2026-11-22T12:00:00.000000001Z", ""))
	expect(t, id, bare().approval("2026-01-01T00:00:00Z", noon))
	expect(t, id, bare().approval("2026-01-01T00:00:00Z", "2026-11-22T12:00:00.000000001Z"), found)
	expect(t, id, bare(scopes("READ:EMAIL_ADDRESS:jira")), found)
	expect(t, id, bare(scopes("read")))
	expect(t, id, bare().retrieves(noon, "site-1", "ann"), found)
	expect(t, id, bare().retrieves("2026-11-22T12:00:00.000000001Z", "site-1", "ann"))
	expect(t, id, bare().refused("2026-11-20T12:00:00Z", "site-1"))
	expect(t, id, bare(func(a *audit.App) { a.Internal = true }).pending("user-sync"), found)
	expect(t, id, bare().pending("user-sync").with(func(s *story) { s.versions = nil }))
}

func TestScopeUnapproved(t *testing.T) {
	const id = "scope-unapproved"
	asks := func() *story { return tell(noon).entry(scopes("access-email-addresses:connect-confluence")) }
	found := one("access-email-addresses:connect-confluence", 1, 0, 0)
	expect(t, id, asks(), found)
	expect(t, id, asks().pending("user-sync"))
	expect(t, id, asks().rejected("2026-01-01T00:00:00Z"), found)
	expect(t, id, asks().approval(noon, ""))
	expect(t, id, asks().approval("2026-11-22T12:00:00.000000001Z", ""), found)
	expect(t, id, tell(noon).entry(scopes("read:email-address:bitbucket", "email")))
	expect(t, id, tell(noon).entry(scopes("read:email-address:jira", "READ:EMAIL_ADDRESS:JIRA", "access_email_addresses")), one("access_email_addresses", 1, 0, 0), one("read:email-address:jira", 1, 0, 0))
}

func TestFeatureDrift(t *testing.T) {
	const id = "feature-drift"
	drift := func(then, now audit.Features) *story {
		return tell(noon).snapshot("2026-01-01T00:00:00Z", then).entry(features(now))
	}
	all := audit.Features{Scopes: []string{"write"}, Modules: []string{"a/b"}, Egress: []string{"x.example"}, Domains: []string{"x.example"}}
	// A part that the snapshot lacks cannot be looked at, an empty one can.
	expect(t, id, drift(audit.Features{}, all))
	expect(t, id, drift(audit.Features{Scopes: []string{}, Modules: []string{}, Egress: []string{}, Domains: []string{}}, all),
		one("domain:x.example", 1, 0, 0), one("egress:x.example", 1, 0, 0), one("module:a/b", 1, 0, 0), one("scope:write", 1, 0, 0))
	expect(t, id, drift(all, all))
	expect(t, id, drift(all, audit.Features{}))
	// Of two spellings the first.
	expect(t, id, drift(audit.Features{Scopes: []string{}}, audit.Features{Scopes: []string{"ACCESS_EMAIL_ADDRESSES", "access-email-addresses:connect-jira"}}),
		one("scope:ACCESS_EMAIL_ADDRESSES", 1, 0, 0))
	// Modules compare as they are, domains as hosts.
	expect(t, id, drift(audit.Features{Modules: []string{"a/B"}}, all), one("module:a/b", 1, 0, 0))
	expect(t, id, drift(audit.Features{Domains: []string{"https://X.example/app", "*.example"}}, all))
	expect(t, id, drift(audit.Features{Domains: []string{"*.example"}}, all), one("domain:x.example", 1, 0, 0))
	for pattern, hosts := range map[string]map[string]bool{
		"*":                     {"x.example": true, "*": true, "*.x.example": true},
		"*.x.example":           {"x.example": false, "a.x.example": true, "a.b.x.example": true, "*.x.example": true, "*.a.x.example": true, "ax.example": false, "*": false, "*.example": false},
		"*x.example":            {"ax.example": false, "a.x.example": false},
		"x.example":             {"x.example": true, "a.x.example": false, "*.x.example": false},
		"HTTPS://*.X.example/a": {"a.x.example": true},
		"https://x.example:443": {"x.example": true},
	} {
		for host, fine := range hosts {
			var want []audit.Found
			if !fine {
				want = append(want, one("egress:"+host, 1, 0, 0))
			}
			expect(t, id, drift(audit.Features{Egress: []string{pattern}}, audit.Features{Egress: []string{host}}), want...)
		}
	}
	// The newest approval in force: decided last, the last line of equals.
	two := func(first, second string) *story {
		return tell(noon).entry(features(all)).snapshot(first, audit.Features{Scopes: []string{}}).snapshot(second, all)
	}
	expect(t, id, two("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
	expect(t, id, two("2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00Z"), one("scope:write", 1, 0, 0))
	expect(t, id, two("2026-01-01T00:00:00Z", noon))
	expect(t, id, two("2026-01-01T00:00:00Z", "2026-11-22T12:00:00.000000001Z"), one("scope:write", 1, 0, 0))

	c, _ := Get(id)
	for subject, want := range map[string]audit.Severity{"scope:read:email-address:jira": audit.Medium, "scope:Access_Email_Addresses": audit.Medium, "egress:x.example": audit.Medium,
		"scope:write": audit.Low, "module:egress:/x": audit.Low, "domain:x.example": audit.Low} {
		severity, confidence := c.GradeOf(subject)
		if severity != want || (confidence == audit.Likely) != (want == audit.Medium) {
			t.Errorf("%s is %s, %s", subject, severity, confidence)
		}
	}
	// No address gets into a subject.
	expect(t, id, drift(audit.Features{Scopes: []string{}}, audit.Features{Scopes: []string{"write:ann@x.example"}}), one("scope:write:[address]", 1, 0, 0))
}

func TestPolicyLanguageChanged(t *testing.T) {
	const id = "policy-language-changed"
	words := func(excerpt, text string) *story {
		return tell(noon).approval("2026-01-01T00:00:00Z", "").excerpt(excerpt).entry(policyText(text))
	}
	for _, x := range []struct {
		excerpt, text string
		holds         bool
	}{
		{"we erase it", "When asked, we erase it.", false},
		{"we erase it", "When asked, we do not erase it.", true},
		{"we erase it", "We\u00a0ERASE\u2003\r\n it", false},
		{"  we\nerase it ", "we erase it", false},
		{"we erase it", "we erase\u200b it", false},
		{"we erase-it", "we erase&ndash;it", false},
		{"stra\u00dfe", "STRASSE", false},
		{"\u2018a\u2019 \u201cb\u201d \u2013", `'a' "b" -`, false},
		{"a&amp;b", "a & b", true},
		{"a&amp;b", "a\uff06b", false},
		{"a&b", "a\uff06amp;b", false},
		{"caf\u00e9", "cafe\u0301", false},
		{"cafe", "caf\u00e9", true},
		{"", "anything", false},
		{" &nbsp;", "anything", false},
		{"we erase it", "", false},
		{"we erase it", " \n", false},
	} {
		var want []audit.Found
		if x.holds {
			want = append(want, holds)
		}
		expect(t, id, words(x.excerpt, x.text), want...)
	}
	expect(t, id, words("we erase it", "we keep it").with(func(s *story) { s.approvals[0].Revoked = instant(noon) }))
	expect(t, id, words("we erase it", "we keep it").approval("2026-02-01T00:00:00Z", "").excerpt("we keep it"))
	expect(t, id, words("we erase it", "we keep it").with(func(s *story) { s.versions = nil }))
}
