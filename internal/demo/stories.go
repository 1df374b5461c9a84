package demo

import (
	"slices"
	"time"
)

// makeStories makes the apps that something is told of: what is planted, and what is nearly so.
func (m *Market) makeStories() {
	m.unapproved()
	m.probing()
	m.notInstalled()
	m.notApp()
	m.purposes()
	m.overdue()
	m.incomplete()
	m.closedAndUpdated()
	m.retained()
	m.scopes()
	m.drift()
	m.patterns()
	m.listings()
	m.storage()
	m.watched()
}

// good makes an app that is approved since long ago, reports each week, and does nothing wrong yet.
func (m *Market) good(kind, vendorName, product string, purposes ...string) *app {
	a := m.bare(kind, vendorName, product)
	a.asks()
	a.approve(a.old(), purposes...)
	a.rate, a.every, a.phase = 9+a.rng.Float64()*9, 7, a.rng.IntN(7)
	return a
}

// bare makes an app on four sites, without approval, scope and calls.
func (m *Market) bare(kind, vendorName, product string) *app {
	a := m.newApp(kind, vendorName, vendorName+" "+product)
	a.spread(4, 24)
	return a
}

// storesNothing says that the app stores no personal data; so it reports nothing.
func (a *app) storesNothing() { a.Stores, a.every = new(false), 0 }

// fetch plans a retrieval of accounts that the app stores from then on, where it stores any.
func (a *app) fetch(t time.Time, p *place, purpose string, ids ...string) {
	a.fetchBy("", t, p, purpose, ids...)
}

// fetchBy is fetch with other credentials than the app's own.
func (a *app) fetchBy(auth string, t time.Time, p *place, purpose string, ids ...string) {
	a.do(t, func() {
		a.m.call(&call{at: t, app: a, site: p.site, auth: auth, purpose: purpose, status: 200, accounts: ids})
		a.keep(t, ids)
	})
}

// take plans a retrieval that the app tells nobody of.
func (a *app) take(t time.Time, p *place, purpose string, ids ...string) {
	a.do(t, func() {
		a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: 200, accounts: ids})
	})
}

// refused plans a call that is answered without any account.
func (a *app) refused(t time.Time, p *place, purpose string, status int) {
	a.do(t, func() { a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: status}) })
}

// tell plans a report of these accounts, fetched last at updated (zero: it does not say), which the platform answers with answers.
func (a *app) tell(t time.Time, ids []string, updated time.Time, answers ...answer) {
	status := 204
	if len(answers) > 0 {
		status = 200
	}
	a.do(t, func() { a.m.report(a.reportOf(t, status, ids, updated, answers...)) })
}

// fail plans a report that does not count.
func (a *app) fail(t time.Time, status int, ids []string) {
	a.do(t, func() { a.m.report(a.reportOf(t, status, ids, time.Time{})) })
}

func (a *app) reportOf(t time.Time, status int, ids []string, updated time.Time, answers ...answer) *report {
	r := &report{at: t, app: a, status: status, answers: answers}
	for _, id := range ids {
		r.accounts = append(r.accounts, stored{id, updated})
	}
	return r
}

// reserve takes n accounts out of a place's pool, so that ordinary calls leave them alone.
func (p *place) reserve(n int) []string {
	ids := slices.Clone(p.pool[:n])
	p.pool = p.pool[n:]
	return ids
}

// spree calls do at n moments between two.
func (a *app) spree(n int, from, to time.Time, do func(t time.Time)) {
	for range n {
		do(from.Add(time.Duration(a.rng.Int64N(int64(to.Sub(from))))).Truncate(time.Millisecond))
	}
}

// wrongly plans n retrievals of a few accounts each, between two moments and over the first k sites, and counts them for p.
func (a *app) wrongly(p *plant, n, k int, from, to time.Time, purpose string) {
	i := 0
	a.spree(n, from, to, func(t time.Time) {
		at := a.places[i%k]
		i++
		ids := a.some(at, 1+a.rng.IntN(3))
		a.fetch(t, at, purpose, ids...)
		p.call(at.site, ids)
	})
}

func (m *Market) unapproved() {
	const check = "access-unapproved"

	// Refused by the reviewers, and used all the same.
	a := m.bare(oauth2, "Trumpetline", "Blast")
	a.Name = "<!channel> Trumpetline Blast"
	a.asks()
	a.storesNothing()
	r := a.request("subscribed-alerts")
	r.Status, r.DecidedAt = "rejected", new(m.at(-20, "10:00:00"))
	a.wrongly(m.plant(check, a.Key, "", "its request was rejected, and it retrieves on three sites since the tenth day"), 160, 3, m.at(9, "06:00:00"), m.at(29, "20:00:00"), "subscribed-alerts")
	m.state("scope-unapproved", a.Key, "read:email-address:jira", "it still asks for the scope that it was refused")

	// Approved mid-month, to the millisecond.
	a = m.bare(connect, "Tallyfern", "Timesheets")
	a.asks()
	decided := m.at(14, "10:00:00")
	a.approve(decided, "user-sync")
	a.rate, a.every, a.phase = 14, 7, 2
	p := m.plant(check, a.Key, "", "approved on the fifteenth day at 10:00, but retrieves from the thirteenth on, the last time a millisecond too early")
	a.wrongly(p, 47, 2, m.at(12, "09:00:00"), m.at(14, "09:30:00"), "user-sync")
	early := a.some(a.places[0], 1)
	a.fetch(m.at(14, "09:59:59.999"), a.places[0], "user-sync", early...)
	p.call(a.places[0].site, early)
	a.fetch(decided, a.places[0], "user-sync", a.places[0].pool[5])
	m.miss("scope-unapproved", a.Key, "it asked for the scope while its request was pending, and then it was approved")

	// An approval that ends.
	a = m.good(forge, "Mosswire", "Alerts", "security-alerts")
	end := m.at(28, "16:00:00")
	a.revoke(a.approvals[0], end)
	a.fetch(end.Add(-time.Millisecond), a.places[0], "security-alerts", a.places[0].pool[3])
	a.request("security-alerts", "user-invitations")
	a.wrongly(m.plant(check, a.Key, "", "its approval was withdrawn the day before, and its night jobs still run"), 38, 2, m.at(29, "00:30:00"), m.at(29, "23:30:00"), "security-alerts")
	m.miss("scope-unapproved", a.Key, "without approval since yesterday, but a new request is pending")

	// One approval ends in the moment in which the next begins.
	a = m.good(oauth2, "Ravelstone", "Intake", "connect-mail-service")
	seam := m.at(17, "12:00:00")
	a.revoke(a.approvals[0], seam)
	a.approve(seam, "connect-mail-service")
	a.fetch(seam.Add(-time.Millisecond), a.places[0], "connect-mail-service", a.places[0].pool[0])
	a.fetch(seam, a.places[0], "connect-mail-service", a.places[0].pool[1])
	m.miss(check, a.Key, "retrieves a millisecond before one approval ends, and in the moment in which that is and the next begins")
}

func (m *Market) probing() {
	const check = "access-refused-probing"
	refusals := func(a *app, p *plant, n, d int) {
		i := 0
		a.spree(n, m.at(d, "01:00:00"), m.at(d, "23:00:00"), func(t time.Time) {
			at := a.places[i%2]
			i++
			a.refused(t, at, "user-sync", 403)
			if p != nil {
				p.refusal(at.site)
			}
		})
	}

	a := m.bare(oauth2, "Knocksley", "Lead Finder")
	a.unlisted, a.Stores = true, nil
	p := m.plant(check, a.Key, "", "nobody registered it; refused 14 times on one day and 11 times on another; 9 times on a third, which does not count")
	refusals(a, p, 14, 20)
	refusals(a, p, 11, 22)
	refusals(a, nil, 9, 24)

	a = m.bare(connect, "Gridlatch", "Export")
	a.Name = "=cmd() Gridlatch Export"
	a.asks()
	a.request("user-sync")
	refusals(a, m.plant(check, a.Key, "", "waits for its approval, and tried exactly ten times on one day"), 10, 27)

	a = m.bare(connect, "Patchfinch", "Reviews")
	a.asks()
	a.request("subscribed-alerts")
	for d := range 6 {
		refusals(a, nil, 9, 15+d)
	}
	m.miss(check, a.Key, "refused nine times a day, six days in a row")
	m.miss("scope-unapproved", a.Key, "asks for the scope, and its request is pending")

	a = m.good(oauth2, "Thornbeck", "Boards", "user-sync")
	refusals(a, nil, 40, 11)
	m.miss(check, a.Key, "refused forty times on a day by a site's permissions; it is approved")
}

func (m *Market) notInstalled() {
	const check = "access-not-installed"

	// After an uninstall: five minutes are granted.
	a := m.good(connect, "Cobbleway", "Reminders", "subscribed-alerts")
	gone := a.places[0]
	a.uninstall(gone, m.at(11, "15:00:00"))
	p := m.plant(check, a.Key, "", "was uninstalled from a site, and goes on there from a millisecond after the five minutes of grace for two days")
	late := gone.to.Add(5*time.Minute + time.Millisecond)
	a.fetch(late, gone, "subscribed-alerts", gone.pool[0])
	p.call(gone.site, gone.pool[:1])
	a.wrongly(p, 23, 1, late.Add(time.Second), m.at(13, "14:00:00"), "subscribed-alerts")

	a = m.good(oauth2, "Wagonmere", "Polls", "user-invitations")
	gone = a.places[0]
	a.uninstall(gone, m.at(19, "08:00:00"))
	a.fetch(gone.to.Add(5*time.Minute), gone, "user-invitations", gone.pool[2])
	m.miss(check, a.Key, "retrieves once more exactly five minutes after it was uninstalled")

	// On a site that it never was on.
	a = m.good(oauth2, "Gannetry", "Handover", "user-sync")
	stranger := m.strangerTo(a)
	foreign := &place{site: stranger, pool: stranger.accounts[:6]}
	p = m.plant(check, a.Key, "", "retrieves accounts of a site that it was never installed on")
	for i := range 5 {
		a.fetch(m.at(25, "11:00:00").Add(time.Duration(i)*time.Minute), foreign, "user-sync", foreign.pool[i])
		p.call(stranger, foreign.pool[i:i+1])
	}

	// The uninstall is told days late.
	a = m.good(connect, "Driftpine", "Sync", "user-sync")
	gone = a.places[0]
	gone.to = m.at(21, "09:00:00")
	a.later(gone, gone.to, "uninstalled", 26)
	a.wrongly(m.plant(check, a.Key, "", "was uninstalled from a site, which the log told five days late; its calls since then are judged anew"),
		31, 1, m.at(21, "10:00:00"), m.at(25, "22:00:00"), "user-sync")

	// The install is told days late: what was found is withdrawn.
	a = m.good(forge, "Harborlight", "Digest", "subscribed-alerts")
	s := m.strangerTo(a)
	fresh := &place{site: s, from: m.at(24, "08:00:00"), pool: s.accounts[:12], silent: true}
	a.places = append(a.places, fresh)
	a.later(fresh, fresh.from, "installed", 29)
	a.spree(18, m.at(24, "08:00:01"), m.at(29, "18:00:00"), func(t time.Time) { a.fetch(t, fresh, "subscribed-alerts", a.some(fresh, 1)...) })
	m.miss(check, a.Key, "retrieves on a site that nobody told it was installed on; found on day 25, withdrawn in the last night, when the install is told after all")

	// An upgrade: uninstalled and installed in one moment.
	a = m.good(connect, "Quiverstone", "Checklists", "user-invitations")
	at, home := m.at(16, "13:30:00"), a.places[0]
	m.install(&install{at: at, app: a.Key, site: home.site, event: "uninstalled"})
	m.install(&install{at: at, app: a.Key, site: home.site, event: "installed"})
	a.fetch(at.Add(10*time.Minute), home, "user-invitations", home.pool[0])
	a.fetch(at.Add(5*hour), home, "user-invitations", home.pool[1])
	m.miss(check, a.Key, "uninstalled and installed in the same moment, as an upgrade does; it counts as installed")
}

// strangerTo is a site that the app is not installed on.
func (m *Market) strangerTo(a *app) *site {
	for i := a.rng.IntN(sites); ; i = (i + 1) % sites {
		if !slices.ContainsFunc(a.places, func(p *place) bool { return p.site == m.sites[i] }) {
			return m.sites[i]
		}
	}
}

// later logs an event in a file that arrives some nights after its day.
func (a *app) later(p *place, at time.Time, event string, night int) {
	f := a.m.late("installs", a.m.dayOf(at), night)
	f.lines = append(f.lines, line{at, &install{at: at, app: a.Key, site: p.site, event: event}})
}

func (m *Market) notApp() {
	const check = "access-not-app"

	// A person's script, with no app at all.
	script := func(p *plant, n int, s *site, from, to time.Time, auth string) {
		rng := m.chance("script " + auth)
		for range n {
			t := from.Add(time.Duration(rng.Int64N(int64(to.Sub(from))))).Truncate(time.Millisecond)
			i := rng.IntN(len(s.accounts) - 8)
			ids := s.accounts[i : i+1+rng.IntN(8)]
			m.call(&call{at: t, site: s, auth: auth, status: 200, accounts: ids})
			p.call(s, ids)
		}
	}
	p := m.plant(check, "", "basic", "a script with a person's password, on two sites, for two weeks")
	script(p, 13, m.sites[3], m.at(6, "07:00:00"), m.at(18, "07:00:00"), "basic")
	script(p, 9, m.sites[41], m.at(8, "19:00:00"), m.at(18, "23:00:00"), "basic")

	a := m.good(forge, "Lumenforge", "Standups", "user-invitations")
	p = m.plant(check, a.Key, "forge-user", "calls as the user who looks at it, not as the app")
	a.spree(9, m.at(15, "08:00:00"), m.at(16, "18:00:00"), func(t time.Time) {
		at, ids := a.places[1], a.some(a.places[1], 1)
		a.fetchBy("forge-user", t, at, "user-invitations", ids...)
		p.call(at.site, ids)
	})

	a = m.good(oauth2, "Pinionworks", "Migrator", "user-sync")
	p = m.plant(check, a.Key, "api-token", "somebody put an API token into its migration tool")
	for i, id := range a.places[2].pool[:4] {
		a.fetchBy("api-token", m.at(28, "21:10:00").Add(time.Duration(i)*700*time.Millisecond), a.places[2], "user-sync", id)
		p.call(a.places[2].site, []string{id})
	}

	a = m.good(connect, "Vellumgate", "Diagrams", "subscribed-alerts")
	for i, c := range []call{{status: 401}, {status: 403}, {status: 200}, {status: 200, accounts: []string{"unknown"}}} {
		c.at, c.app, c.site, c.auth, c.purpose = m.at(12, "09:00:00").Add(time.Duration(i)*time.Minute), a, a.places[0].site, "session", "subscribed-alerts"
		m.call(&c)
	}
	m.miss(check, a.Key, "called with a session, and got nothing: refused, empty, or an account that no longer is")
}

func (m *Market) purposes() {
	// None, and one that nobody knows.
	a := m.good(connect, "Pebblenote", "Wiki Watch", "subscribed-alerts")
	a.wrongly(m.plant("purpose-undeclared", a.Key, "none", "a release forgot to declare the purpose, for three days"), 45, 3, m.at(17, "05:00:00"), m.at(19, "21:00:00"), "")
	a = m.good(oauth2, "Wickerwork", "Helpdesk", "subscribed-alerts")
	a.wrongly(m.plant("purpose-undeclared", a.Key, "unknown", "declares customer-delight, which nobody has heard of"), 12, 2, m.at(10, "05:00:00"), m.at(14, "21:00:00"), "customer-delight")
	a = m.good(forge, "Candleford", "Ticket Digest", "ticket-digest")
	m.miss("purpose-undeclared", a.Key, "declares ticket-digest, which is in no list, but was approved for it by that name")

	// Known, and not approved.
	a = m.good(connect, "Fennelbrook", "CRM", "subscribed-alerts")
	a.wrongly(m.plant("purpose-not-approved", a.Key, "user-sync", "approved for alerts, syncs its contacts with them, more each week"), 120, 4, m.at(5, "04:00:00"), m.at(29, "22:00:00"), "user-sync")
	a = m.good(forge, "Ospreydesk", "Onboard", "user-sync")
	second := m.at(18, "09:00:00")
	a.approve(second, "user-invitations")
	p := m.plant("purpose-not-approved", a.Key, "user-invitations", "its second approval came on the nineteenth day at 09:00; it began to invite the day before")
	a.wrongly(p, 16, 2, m.at(17, "12:00:00"), m.at(18, "08:30:00"), "user-invitations")
	early := a.places[1].pool[:2]
	a.fetch(second.Add(-time.Millisecond), a.places[1], "user-invitations", early...)
	p.call(a.places[1].site, early)
	a.fetch(second, a.places[1], "user-invitations", early...)

	a = m.good(oauth2, "Saltmarsh", "Status", "error-reports")
	a.approve(m.at(22, "11:00:00"), "user-invitations").listed = 28
	m.miss("purpose-not-approved", a.Key, "uses its second approval from the first minute, but that was entered six days late; found on day 23, withdrawn on day 29")

	// Never approved.
	a = m.good(connect, "Brassbell", "Campaigns", "subscribed-alerts")
	a.wrongly(m.plant("purpose-prohibited", a.Key, "marketing", "announces its new edition to everybody, for four days"), 64, 4, m.at(20, "06:00:00"), m.at(23, "20:00:00"), "marketing")
	a = m.good(oauth2, "Copperleaf", "Renewals", "subscribed-alerts")
	a.approvals[0].Purposes = append(a.approvals[0].Purposes, "renewal-reminders")
	a.wrongly(m.plant("purpose-prohibited", a.Key, "renewal-reminders", "an approval names the purpose, but it is never approved"), 15, 2, m.at(8, "06:00:00"), m.at(9, "20:00:00"), "renewal-reminders")
	a = m.good(forge, "Thistledown", "Academy", "user-invitations")
	a.wrongly(m.plant("purpose-prohibited", a.Key, "training-onboarding", "sends its welcome series since yesterday's release"), 26, 3, m.at(29, "07:00:00"), m.at(29, "20:00:00"), "training-onboarding")
	a = m.good(connect, "Larkspurry", "News", "subscribed-alerts")
	a.refused(m.at(13, "10:00:00"), a.places[0], "marketing", 403)
	a.refused(m.at(13, "10:05:00"), a.places[0], "marketing", 200)
	m.miss("purpose-prohibited", a.Key, "asked for addresses for marketing, and got none: once refused, once empty")
}

func (m *Market) overdue() {
	const check = "report-overdue"

	// quiet makes an app that fetched 30 accounts on day d and stores them; it reports only what its story says.
	quiet := func(kind, vendor, product string, d int) (*app, []string) {
		a := m.good(kind, vendor, product, "user-sync")
		a.rate, a.every = 0, 0
		ids := slices.Concat(a.places[0].pool[:15], a.places[1].pool[:15])
		for i, id := range ids {
			a.fetch(m.at(d, "00:05:00").Add(time.Duration(i)*time.Second), a.places[i/15], "user-sync", id)
		}
		return a, ids
	}

	a, ids := quiet(connect, "Graniteroot", "Backup", 2)
	a.tell(m.at(4, "11:00:00"), ids, m.at(2, "01:00:00"))
	m.state(check, a.Key, "", "reported on the fifth day, and never again")

	a, ids = quiet(oauth2, "Pewterpost", "Signatures", 1)
	for _, t := range []time.Time{m.at(1, "08:00:00"), m.at(8, "08:00:00"), m.at(15, "02:29:59")} {
		a.tell(t, ids, m.at(1, "01:00:00"))
	}
	m.state(check, a.Key, "", "its last report is fifteen days and one second old in the last night")

	a, ids = quiet(oauth2, "Loomhurst", "Surveys", 1)
	for _, t := range []time.Time{m.at(1, "08:00:00"), m.at(8, "08:00:00"), m.at(15, "02:30:00")} {
		a.tell(t, ids, m.at(1, "01:00:00"))
	}
	m.miss(check, a.Key, "its last report is fifteen days old in the last night, to the second")

	a, ids = quiet(connect, "Emberquill", "Notes", 2)
	a.tell(m.at(6, "09:00:00"), ids, m.at(2, "01:00:00"))
	a.tell(m.at(9, "09:00:00"), nil, time.Time{})
	m.miss(check, a.Key, "erased everything and said so with an empty report on the tenth day; it has not retrieved since")

	// The platform's own outage.
	a, ids = quiet(forge, "Ferncastle", "Pages", 4)
	a.tell(m.at(5, "01:00:00"), ids, m.at(4, "01:00:00"))
	also := a.places[2].pool[:5]
	a.fetch(m.at(5, "03:00:00"), a.places[2], "user-sync", also...)
	for _, t := range []time.Time{m.at(19, "20:00:00"), m.at(20, "08:00:00")} {
		a.fail(t, 503, ids)
	}
	a.tell(m.at(21, "11:59:59"), slices.Concat(ids, also), m.at(5, "04:00:00"))
	m.miss(check, a.Key, "its report was due during an outage of the platform's; it came a second before the moved deadline")
	m.miss("report-incomplete", a.Key, "accounts that it retrieved on the sixth day are first in the report after the outage, in the moved time")

	// A report that arrives late.
	a, ids = quiet(connect, "Kestrelway", "Links", 2)
	a.tell(m.at(2, "12:00:00"), ids, m.at(2, "01:00:00"))
	fresh := a.places[2].pool[:7]
	a.fetch(m.at(2, "18:00:00"), a.places[2], "user-sync", fresh...)
	all := slices.Concat(ids, fresh)
	r := a.reportOf(m.at(17, "08:00:00"), 204, all, m.at(2, "18:00:00"))
	r.id = m.requestID()
	f := m.late("reports", 17, 21)
	f.lines = append(f.lines, line{r.at, r})
	a.tell(m.at(24, "08:00:00"), all, m.at(2, "18:00:00"))
	m.miss(check, a.Key, "its report of the eighteenth day came four days late on the platform's side; found on day 18, resolved when it came")
	m.miss("report-incomplete", a.Key, "for the same reason; found on day 18, withdrawn when the report came")
}

func (m *Market) incomplete() {
	const check = "report-incomplete"

	// Never reported at all.
	a := m.good(connect, "Nightjar", "Contacts", "user-sync")
	a.rate, a.every = 0, 0
	m.state("report-overdue", a.Key, "", "stores personal data since the third day, and has never reported")
	p := m.plant(check, a.Key, "", "never reported what it retrieved; due for what it retrieved up to the fifteenth day")
	for d := 2; d < nights; d++ {
		ids := a.some(a.places[d%4], 3+a.rng.IntN(6))
		a.take(m.at(d, "10:00:00"), a.places[d%4], "user-sync", ids...)
		a.take(m.at(d, "19:00:00"), a.places[d%4], "user-sync", ids[0]) // the same day again: one pair
		if d <= 14 {
			p.pairs(ids)
		}
	}

	// Leaves some out.
	a = m.good(oauth2, "Juniperlane", "Planner", "subscribed-alerts")
	kept := a.places[0].reserve(6)
	p = m.plant(check, a.Key, "", "reports each week, but leaves out six accounts that it retrieved on three days")
	for _, x := range []struct{ day, n int }{{3, 6}, {4, 2}, {9, 4}} {
		a.take(m.at(x.day, "15:00:00"), a.places[0], "subscribed-alerts", kept[:x.n]...)
		p.pairs(kept[:x.n])
	}
	a.take(m.at(20, "15:00:00"), a.places[0], "subscribed-alerts", kept...) // not due yet

	// Due in the last night.
	a = m.good(connect, "Sorrelpeak", "Forms", "error-reports")
	kept = a.places[1].reserve(4)
	a.take(m.at(14, "23:59:59.999"), a.places[1], "error-reports", kept...)
	m.plant(check, a.Key, "", "four accounts that it retrieved on the fifteenth day, in its last millisecond, and that no report holds since").pairs(kept)

	// In time, just so.
	a = m.good(forge, "Bramblewick", "Retro", "user-invitations")
	kept = a.places[1].reserve(5)
	a.take(m.at(6, "00:00:00"), a.places[1], "user-invitations", kept...)
	a.tell(m.at(21, "23:59:59.999"), kept, m.at(6, "00:00:00"))
	m.miss(check, a.Key, "reports accounts in the last millisecond of the fifteenth day after")

	a = m.good(oauth2, "Wharfinger", "Guests", "user-invitations")
	kept = a.places[0].reserve(3)
	a.take(m.at(2, "09:00:00"), a.places[0], "user-invitations", kept...)
	a.tell(m.at(3, "09:00:00"), kept, m.at(2, "09:00:00"), answersOf(kept, "closed")...)
	a.take(m.at(4, "08:30:00"), a.places[0], "user-invitations", kept[0])
	m.miss(check, a.Key, "retrieves an account once more hours after it was told that it is closed, and does not report it again")
}

// answersOf is one answer for each of the accounts.
func answersOf(ids []string, status string) []answer {
	out := make([]answer, len(ids))
	for i, id := range ids {
		out[i] = answer{id, status}
	}
	return out
}

func (m *Market) closedAndUpdated() {
	a := m.good(connect, "Rookwell", "Forms", "subscribed-alerts")
	ids := a.places[0].reserve(3)
	a.take(m.at(6, "10:00:00"), a.places[0], "subscribed-alerts", ids...)
	a.tell(m.at(8, "12:00:00"), ids, m.at(6, "10:00:00"), answersOf(ids, "closed")...)
	p := m.plant("report-closed-retained", a.Key, "", "three accounts were answered closed; it reports them twice more and retrieves one of them twice")
	for _, d := range []int{15, 22} {
		a.tell(m.at(d, "12:00:00"), ids, m.at(6, "10:00:00"))
		p.report(ids)
	}
	for _, clock := range []string{"09:00:00", "17:00:00"} {
		a.take(m.at(16, clock), a.places[0], "subscribed-alerts", ids[0], a.places[0].pool[0])
		p.report(ids[:1])
	}

	a = m.good(oauth2, "Wrenfield", "Boards", "user-sync")
	ids = a.places[2].reserve(2)
	a.take(m.at(18, "10:00:00"), a.places[2], "user-sync", ids...)
	a.tell(m.at(20, "09:00:00"), ids, m.at(18, "10:00:00"), answersOf(ids, "closed")...)
	p = m.plant("report-closed-retained", a.Key, "", "a week after it was told that two accounts are closed, it retrieves them again")
	for i := range 4 {
		a.take(m.at(27, "06:00:00").Add(time.Duration(i)*hour), a.places[2], "user-sync", ids[i%2])
		p.report(ids[i%2 : i%2+1])
	}

	a = m.good(forge, "Tidepool", "Wallboard", "subscribed-alerts")
	ids = a.places[1].reserve(2)
	a.take(m.at(8, "10:00:00"), a.places[1], "subscribed-alerts", ids...)
	a.tell(m.at(10, "12:00:00"), ids, m.at(8, "10:00:00"), answersOf(ids, "closed")...)
	a.tell(m.at(11, "12:00:00"), ids, m.at(8, "10:00:00"))
	a.take(m.at(11, "12:00:00"), a.places[1], "subscribed-alerts", ids...)
	m.miss("report-closed-retained", a.Key, "reports and retrieves closed accounts exactly 24 hours after it was told, and never again")

	a = m.good(connect, "Slatebridge", "Inbox", "connect-mail-service")
	ids = a.places[3].reserve(5)
	fetched := m.at(4, "10:00:00")
	a.take(fetched, a.places[3], "connect-mail-service", ids...)
	a.tell(m.at(6, "10:00:00"), ids, fetched, answersOf(ids, "updated")...)
	p = m.plant("report-updated-ignored", a.Key, "", "five accounts were answered updated; it reports them three times more as they were, and never fetched them again")
	for _, d := range []int{13, 20, 27} {
		a.tell(m.at(d, "12:00:01"), ids, fetched)
		p.report(ids)
	}

	a = m.good(oauth2, "Oakpier", "Calendar", "user-sync")
	ids = a.places[0].reserve(4)
	a.take(m.at(4, "10:00:00"), a.places[0], "user-sync", ids...)
	told := m.at(6, "10:00:00")
	a.tell(told, ids, m.at(4, "10:00:00"), answersOf(ids, "updated")...)
	a.tell(told.Add(day), ids, m.at(4, "10:00:00"))                   // exactly 24 hours after
	a.tell(m.at(9, "10:00:00"), ids[:1], told)                        // says that it is as new as the answer
	a.tell(m.at(9, "10:00:05"), ids[1:2], time.Time{})                // says nothing
	a.take(m.at(9, "10:00:10"), a.places[0], "user-sync", ids[2:]...) // fetched in the very moment
	a.tell(m.at(9, "10:00:10"), ids[2:], m.at(4, "10:00:00"))
	m.miss("report-updated-ignored", a.Key, "reports updated accounts within the day, as new as the answer, without a time, or fetched again in the same moment")
}

func (m *Market) retained() {
	const check = "retained-after-uninstall"

	// leaver makes an app that left its only site before the tour.
	leaver := func(kind, vendor, product string, left time.Time, pool int) *app {
		a := m.good(kind, vendor, product, "user-sync")
		m.dropInstalls(a)
		a.places, a.rate, a.every = nil, 0, 0
		for _, s := range m.sites {
			if len(s.accounts) >= pool {
				a.uninstall(a.install(s, m.at(-90, "10:00:00"), pool), left)
				break
			}
		}
		return a
	}

	left := m.at(-9, "06:00:00")
	a := leaver(connect, "Yarrowgate", "Archive", left, 115)
	ids, known := a.places[0].pool, m.at(-20, "10:00:00")
	for _, d := range []int{0, 7, 14} {
		a.tell(m.at(d, "06:00:00"), ids[:batch], known)
		a.tell(m.at(d, "06:00:02"), ids[batch:], known)
	}
	a.tell(left.Add(30*day), ids[:batch], known) // exactly thirty days after
	p := m.plant(check, a.Key, "", "installed nowhere since before the tour; thirty days and a second later it still reports what it stores")
	for _, x := range []struct {
		at  time.Time
		ids []string
	}{{left.Add(30*day + time.Second), ids[batch:]}, {m.at(27, "06:00:00"), ids[:batch]}, {m.at(27, "06:00:02"), ids[batch:]}} {
		a.tell(x.at, x.ids, known)
		p.report(x.ids)
	}

	a = leaver(oauth2, "Hollowreed", "Import", left, 40)
	ids = a.places[0].pool
	a.tell(m.at(8, "09:00:00"), ids, known)
	a.tell(left.Add(30*day), ids, known)
	a.tell(left.Add(30*day+hour), nil, time.Time{})
	m.miss(check, a.Key, "reports for the last time exactly thirty days after it left, erases everything, and says so with an empty report")

	a = leaver(forge, "Sandpiperly", "Roadmap", left, 30)
	ids = a.places[0].pool
	m.install(&install{at: m.at(12, "09:00:00"), app: a.Key, site: m.strangerTo(a), event: "enabled"})
	for _, d := range []int{3, 13, 25} {
		a.tell(m.at(d, "09:00:00"), ids, known)
	}
	m.miss(check, a.Key, "left a site more than thirty days ago, but was enabled on another meanwhile")
}

// dropInstalls forgets that an app was installed.
func (m *Market) dropInstalls(a *app) {
	for _, f := range m.files {
		f.lines = slices.DeleteFunc(f.lines, func(l line) bool {
			e, ok := l.what.(*install)
			return ok && e.app == a.Key
		})
	}
}

func (m *Market) scopes() {
	const check = "scope-unapproved"
	a := m.bare(connect, "Birchmail", "Lite")
	a.change(28, func(e *entry) { e.features.Scopes = append(e.features.Scopes, "access_email_addresses") })
	m.state(check, a.Key, "access_email_addresses", "its descriptor asks for addresses since two nights, in lower case; nobody requested anything")

	a = m.bare(oauth2, "Reedcutter", "Search")
	a.asks("read:user:jira")
	m.miss(check, a.Key, "asks for names of users, not for their addresses; it needs no approval")
	a.TermsURL, a.PrivacyPolicyURL, a.Stores = "", "", nil
	m.miss("listing-incomplete", a.Key, "has no policy, no terms and no statement, but never asks for addresses")
}

func (m *Market) drift() {
	const check = "feature-drift"
	a := m.good(forge, "Duskwater", "Insights", "error-reports")
	a.change(27, func(e *entry) { e.features.Egress = append(e.features.Egress, "events.pixelriver.example") })
	m.state(check, a.Key, "egress:events.pixelriver.example", "since three nights its manifest lets it send to a host that was not there when it was approved")

	a = m.good(connect, "Fallowfield", "People", "user-invitations")
	a.change(11, func(e *entry) { e.features.Modules = append(e.features.Modules, "jiraIssueGlances/people-glance") })
	m.state(check, a.Key, "module:jiraIssueGlances/people-glance", "got a module since it was approved")

	a = m.good(oauth2, "Quarrystone", "Connector", "user-sync")
	a.change(21, func(e *entry) { e.features.Scopes = append(e.features.Scopes, "read:email-address:confluence") })
	m.state(check, a.Key, "scope:read:email-address:confluence", "approved for Jira, asks for addresses in Confluence too")

	a = m.good(forge, "Siltmere", "Translate", "subscribed-alerts")
	a.features.Egress = append(a.features.Egress, "*.siltmere-cdn.example")
	a.approvals[0].Snapshot = a.features.clone()
	a.change(9, func(e *entry) {
		e.features.Egress = append(e.features.Egress[:1:1], "eu.siltmere-cdn.example")
		e.features.Scopes = []string{"read:jira-work", "READ:EMAIL_ADDRESS:JIRA"}
	})
	m.miss(check, a.Key, "reaches a new host, under a pattern that was approved, and spells its scope in capitals")

	a = m.good(connect, "Ivyturn", "Estimates", "user-invitations")
	a.change(13, func(e *entry) { e.features.Domains = append(e.features.Domains, "eu.ivyturn.example") })
	p := a.approve(m.at(29, "14:00:00"), "user-invitations")
	p.Snapshot.Domains = append(p.Snapshot.Domains, "eu.ivyturn.example")
	m.miss(check, a.Key, "runs on another domain since day 14, found then; the reviewers approved it yesterday with a new snapshot, so it resolves in the last night")
}

// patterns makes apps whose calls declare what is approved and look otherwise. Each has a site of its own for that, on which it does nothing else.
func (m *Market) patterns() {
	const check = "purpose-drift"
	quietly := func(a *app, users int, since time.Time) *place {
		a.rate = 4
		p := a.install(m.siteOf(users), since, 220)
		a.places = slices.DeleteFunc(a.places, func(x *place) bool { return x.site.id == p.site.id })
		return p
	}
	each := func(a *app, at *place, t time.Time, ids []string, purpose string) {
		for i, id := range ids {
			a.fetch(t.Add(time.Duration(i)*1500*time.Millisecond), at, purpose, id)
		}
	}

	a := m.good(connect, "Harrowgate", "Watch", "security-alerts")
	at := quietly(a, 160, m.at(20, "09:00:00"))
	p := m.plant(check, a.Key, "site-sweep", "a week after it came to a site it fetches six of ten users there within minutes, for security alerts")
	ids := at.pool[:(6*at.users+9)/10]
	each(a, at, m.at(27, "03:10:00"), ids, "security-alerts")
	for _, id := range ids {
		p.call(at.site, []string{id})
	}

	a = m.good(oauth2, "Oxbowline", "Errors", "error-reports")
	at = quietly(a, 600, m.at(-40, "09:00:00"))
	p = m.plant(check, a.Key, "surge", "on a site that it hardly ever called it fetches 190 accounts on two days in a row, on none of which it did before")
	for _, n := range []int{25, 26} {
		ids := at.pool[n : n+190]
		each(a, at, m.at(n, "10:00:00"), ids, "error-reports")
		for _, id := range ids {
			p.call(at.site, []string{id})
		}
	}

	a = m.good(forge, "Larkmeadow", "Teams", "user-invitations")
	at = quietly(a, 700, m.at(-40, "09:00:00"))
	p = m.plant(check, a.Key, "periodic-bulk", "the same 60 accounts each week, at the same time: the second time and the third")
	for _, n := range []int{12, 19, 26} {
		for i := 0; i < 60; i += 30 {
			t := m.at(n, "07:00:00").Add(time.Duration(i) * time.Second)
			a.fetch(t, at, "user-invitations", at.pool[i:i+30]...)
			if n > 12 {
				p.call(at.site, at.pool[i:i+30])
			}
		}
	}

	a = m.good(connect, "Sandpiper", "Directory", "error-reports")
	at = quietly(a, 500, m.at(-40, "09:00:00"))
	p = m.plant(check, a.Key, "enumeration", "asks for 75 accounts in a row that the site does not have, with a hit in the middle")
	for i := range 75 {
		t := m.at(24, "02:00:00").Add(time.Duration(i) * 2 * time.Second)
		a.refused(t, at, "error-reports", 404)
		p.refusal(at.site)
	}
	a.fetch(m.at(24, "02:01:20.500"), at, "error-reports", at.pool[0])

	a = m.good(oauth2, "Willowmere", "Guard", "security-alerts")
	at = quietly(a, 650, m.at(-40, "09:00:00"))
	each(a, at, m.at(12, "15:00:00"), at.pool[:120], "security-alerts")
	each(a, at, m.at(23, "15:00:00"), at.pool[:49], "security-alerts")
	m.miss(check, a.Key, "fetches 120 accounts on its thirteenth day, when nothing is known of what it usually does, and 49 on one of its later days")
}

func (m *Market) listings() {
	const check = "listing-incomplete"
	a := m.good(oauth2, "Heronsway", "Queues", "error-reports")
	terms := a.TermsURL
	a.change(12, func(e *entry) { e.TermsURL = "" })
	a.change(17, func(e *entry) { e.TermsURL = terms })
	a.change(29, func(e *entry) { e.TermsURL = "" })
	m.state(check, a.Key, "terms", "its terms of use vanished on day 13, came back on day 18, and are gone again: reopened in the last night")

	a = m.good(connect, "Amberlock", "Vault", "security-alerts")
	a.PrivacyPolicyURL, a.PrivacyPolicyText = "  ", ""
	m.state(check, a.Key, "privacy-policy", "where its privacy policy should be is white space")

	// The words that were approved.
	a = m.good(connect, "Stonecrop", "Mail Bridge", "connect-mail-service")
	a.change(15, func(e *entry) {
		e.PrivacyPolicyText = "Privacy policy. Stonecrop may use e-mail addresses to improve its services and shares them with selected partners."
	})
	m.state("policy-language-changed", a.Key, "", "its privacy policy was rewritten on day 16, and the approved words are no longer in it")

	a = m.good(forge, "Dovecote", "Digest", "subscribed-alerts")
	a.change(8, func(e *entry) {
		e.PrivacyPolicyText = "PRIVACY.  Dovecote&nbsp;uses the e\u2011mail address of a USER only\nto deliver what the customer\u2019s administrator set up, and doesn&#8217;t share it \u2013 not even with its own partners. Updated."
	})
	m.miss("policy-language-changed", a.Key, "its privacy policy was set anew, with other quotes, dashes, entities, lines and capitals; the words are the same")
}

func (m *Market) storage() {
	const check = "storage-undeclared"
	a := m.good(connect, "Foxglove", "Export", "user-sync")
	a.storesNothing()
	ids := slices.Concat(a.places[0].pool, a.places[1].pool)
	p := m.plant(check, a.Key, "reports", "says that it stores nothing, and reports stored accounts three times")
	for _, d := range []int{5, 12, 19} {
		a.tell(m.at(d, "09:00:00"), ids, m.at(0, "09:00:00"))
		p.report(ids)
	}

	a = m.good(oauth2, "Clovermead", "Rota", "subscribed-alerts")
	a.Stores, a.every = nil, 0
	m.state("listing-incomplete", a.Key, "storage-statement", "does not say whether it stores personal data")
	ids = a.places[0].pool[:8]
	p = m.plant(check, a.Key, "reports", "does not say whether it stores personal data, and reports eight accounts")
	a.tell(m.at(23, "09:00:00"), ids, time.Time{})
	p.report(ids)

	a = m.good(forge, "Teasel", "Widgets", "error-reports")
	a.storesNothing()
	a.tell(m.at(6, "09:00:00"), nil, time.Time{})
	a.fail(m.at(7, "09:00:00"), 400, a.places[0].pool[:3])
	m.miss(check, a.Key, "says that it stores nothing: it sends an empty report, and one with accounts that did not count (400)")
}
