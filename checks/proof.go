package checks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A story tells a small dossier of one app, fact by fact and in any order, as a check's proof needs it. It begins with a listed app that stores
// personal data and has nothing amiss, under the guideline as published, with logs that tell everything. Times are RFC 3339; a bad one panics.
type story struct {
	asOf      audit.Instant
	key       string
	policy    *audit.Policy
	rules     audit.Rules
	versions  []audit.AppVersion
	approvals []audit.Approval
	incidents []audit.Incident
	events    map[string][]audit.Lifecycle
	calls     []toldCall
	reported  []toldReport
	observed  []audit.Observation
	canaries  audit.Canaries
}

type toldCall struct {
	at       audit.Instant
	site     string
	purpose  string
	auth     audit.Auth
	status   uint16
	accounts []string
}

type toldReport struct {
	at       audit.Instant
	status   uint16
	accounts []string
	asOf     audit.Instant // of all accounts; Ever: not given
	answers  []toldAnswer
}

type toldAnswer struct {
	account string
	closed  bool
}

func instant(s string) audit.Instant {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return audit.At(t)
}

// tell begins a story that is looked at as of a moment.
func tell(asOf string) *story {
	policy := audit.DefaultPolicy()
	s := &story{asOf: instant(asOf), key: "com.acme.mailer", policy: policy, events: map[string][]audit.Lifecycle{}}
	s.rules = audit.Rules{Policy: policy, CompleteSince: instant("2024-01-01T00:00:00Z"), Purposes: true}
	return s.entry()
}

// entry is the registry entry of the app, from ever, with what changes say.
func (s *story) entry(changes ...func(*audit.App)) *story {
	s.versions = nil
	return s.version(audit.Ever, changes)
}

// entryFrom is a newer registry entry.
func (s *story) entryFrom(from string, changes ...func(*audit.App)) *story {
	return s.version(instant(from), changes)
}

func (s *story) version(from audit.Instant, changes []func(*audit.App)) *story {
	app := &audit.App{Key: s.key, Name: "Acme Mailer", Kind: "connect", Vendor: audit.Vendor{ID: "v1", Name: "Acme"},
		PrivacyPolicyURL: "https://acme.example/privacy", TermsURL: "https://acme.example/terms", Stores: new(true)}
	for _, change := range changes {
		change(app)
	}
	s.versions = append(s.versions, audit.AppVersion{From: from, App: app})
	return s
}

func stores(statement *bool) func(*audit.App) { return func(a *audit.App) { a.Stores = statement } }

func scopes(scopes ...string) func(*audit.App) {
	return func(a *audit.App) { a.Features.Scopes = scopes }
}

func features(f audit.Features) func(*audit.App) { return func(a *audit.App) { a.Features = f } }

func policyText(text string) func(*audit.App) {
	return func(a *audit.App) { a.PrivacyPolicyText = text }
}

// approval is in force from decided to revoked; an empty revoked is no end.
func (s *story) approval(decided, revoked string, purposes ...string) *story {
	a := audit.Approval{RequestID: "REQ-1", Status: audit.Approved, Decided: instant(decided), Revoked: audit.Never, Purposes: purposes}
	if revoked != "" {
		a.Revoked = instant(revoked)
	}
	s.approvals = append(s.approvals, a)
	return s
}

// excerpt is the approved words of the privacy policy, of the latest approval.
func (s *story) excerpt(text string) *story {
	s.approvals[len(s.approvals)-1].PolicyExcerpt = text
	return s
}

// snapshot is an approval and what the app was then.
func (s *story) snapshot(decided string, f audit.Features) *story {
	s.approval(decided, "", "security-alerts")
	s.approvals[len(s.approvals)-1].Snapshot = f
	return s
}

func (s *story) pending(purposes ...string) *story {
	s.approvals = append(s.approvals, audit.Approval{RequestID: "REQ-2", Status: audit.Pending, Decided: audit.Never, Revoked: audit.Never, Purposes: purposes})
	return s
}

func (s *story) rejected(decided string, purposes ...string) *story {
	s.approvals = append(s.approvals, audit.Approval{RequestID: "REQ-3", Status: audit.Rejected, Decided: instant(decided), Revoked: audit.Never, Purposes: purposes})
	return s
}

// incident is an outage of the reporting API.
func (s *story) incident(from, to string) *story {
	s.incidents = append(s.incidents, audit.Incident{API: audit.ReportingAPI, From: instant(from), To: instant(to)})
	return s
}

func (s *story) lifecycle(site string, event audit.Event, at string) *story {
	s.events[site] = append(s.events[site], audit.Lifecycle{At: instant(at), App: s.key, Site: site, Event: event, Users: -1})
	return s
}

// installed is an installation that tells how many users the site has.
func (s *story) installed(site, at string, users int64) *story {
	s.lifecycle(site, audit.Installed, at)
	s.events[site][len(s.events[site])-1].Users = users
	return s
}

// retrievesEach is n retrievals of an account each, a second apart, no two the same.
func (s *story) retrievesEach(n int, at, site string) *story {
	return s.inARow(n, at, site, 200)
}

// asksInVain is n calls for accounts that the site does not have, a second apart.
func (s *story) asksInVain(n int, at, site string) *story {
	return s.inARow(n, at, site, 404)
}

// inARow is n calls, a second apart; of those that are answered 200 each gets an account of its own.
func (s *story) inARow(n int, at, site string, status uint16) *story {
	for i := range n {
		c := toldCall{at: instant(at).Add(time.Duration(i) * time.Second), site: site, purpose: "security-alerts", auth: audit.ConnectJWT, status: status}
		if status == 200 {
			c.accounts = []string{fmt.Sprintf("user-%d", i)}
		}
		s.calls = append(s.calls, c)
	}
	return s
}

func (s *story) call(at, site, purpose string, auth audit.Auth, status uint16, accounts []string) *story {
	s.calls = append(s.calls, toldCall{instant(at), site, purpose, auth, status, accounts})
	return s
}

// retrieves is a call for security-alerts, as the app, that gets the addresses of accounts.
func (s *story) retrieves(at, site string, accounts ...string) *story {
	return s.call(at, site, "security-alerts", audit.ConnectJWT, 200, accounts)
}

func (s *story) retrievesFor(purpose, at, site string, accounts ...string) *story {
	return s.call(at, site, purpose, audit.ConnectJWT, 200, accounts)
}

func (s *story) retrievesBy(auth audit.Auth, at, site string, accounts ...string) *story {
	return s.call(at, site, "security-alerts", auth, 200, accounts)
}

// refused is a call that is answered 403.
func (s *story) refused(at, site string) *story {
	return s.refusedFor("security-alerts", at, site)
}

// refusedTimes is n refused calls, a second apart.
func (s *story) refusedTimes(n int, at, site string) *story {
	return s.inARow(n, at, site, 403)
}

func (s *story) refusedFor(purpose, at, site string) *story {
	return s.call(at, site, purpose, audit.ConnectJWT, 403, nil)
}

func (s *story) refusedBy(auth audit.Auth, at, site string) *story {
	return s.call(at, site, "security-alerts", auth, 403, nil)
}

// reports is a report that counts and holds accounts.
func (s *story) reports(at string, accounts ...string) *story {
	s.reported = append(s.reported, toldReport{at: instant(at), status: 200, accounts: accounts, asOf: audit.Ever})
	return s
}

// reportsAsOf is such a report, with updated_at of all its accounts.
func (s *story) reportsAsOf(updatedAt, at string, accounts ...string) *story {
	s.reports(at, accounts...)
	s.reported[len(s.reported)-1].asOf = instant(updatedAt)
	return s
}

// reportsRefused is a report that the platform did not take.
func (s *story) reportsRefused(status uint16, at string, accounts ...string) *story {
	s.reports(at, accounts...)
	s.reported[len(s.reported)-1].status = status
	return s
}

// closed is the platform's answer to the latest report.
func (s *story) closed(accounts ...string) *story { return s.answer(true, accounts) }

// updated is the platform's answer to the latest report.
func (s *story) updated(accounts ...string) *story { return s.answer(false, accounts) }

func (s *story) answer(closed bool, accounts []string) *story {
	r := &s.reported[len(s.reported)-1]
	for _, a := range accounts {
		r.answers = append(r.answers, toldAnswer{a, closed})
	}
	return s
}

func domains(hosts ...string) func(*audit.App) {
	return func(a *audit.App) { a.Features.Domains = hosts }
}

// thirdParties is who the latest approval names.
func (s *story) thirdParties(declared ...string) *story {
	s.approvals[len(s.approvals)-1].ThirdParties = declared
	return s
}

// captured is a capture of the app's page, taken as viewer, and what was seen in it.
func (s *story) captured(at, site string, form audit.CaptureKind, viewer string, seen ...audit.Sighting) *story {
	return s.observe(audit.Observation{Kind: audit.KindCaptures, At: instant(at), Site: site, Form: form, Account: viewer, File: "page." + string(form),
		URL: "https://app.pages.example/people", Examined: true, Sightings: seen})
}

// mailed is a mail that was caught in a canary mailbox, and what its URLs carry.
func (s *story) mailed(at, site, canary string, m *audit.MailReading, seen ...audit.Sighting) *story {
	return s.observe(audit.Observation{Kind: audit.KindMail, At: instant(at), Site: site, Account: canary, File: "mail.eml", Mail: m, Examined: true, Sightings: seen})
}

// signalled is what people say.
func (s *story) signalled(at, site, kind, text, by string) *story {
	return s.observe(audit.Observation{Kind: audit.KindSignals, At: instant(at), Site: site, Topic: kind, Text: text, Reporter: by, Examined: true})
}

func (s *story) observe(o audit.Observation) *story {
	o.App = s.key
	o.Identify()
	o.Source = audit.Source{File: 2, Line: uint64(len(s.observed) + 1)}
	s.observed = append(s.observed, o)
	return s
}

// alsoRetrieved is a retrieval of a canary by another app.
func (s *story) alsoRetrieved(at, app, canary string) *story {
	if s.canaries == nil {
		s.canaries = audit.Canaries{}
	}
	s.canaries[canary] = map[string]audit.Instant{app: instant(at)}
	return s
}

// mail is a mail of a kind from proved hosts: From's, and the envelope's where it is another.
func mail(kind, from string, envelope ...string) *audit.MailReading {
	m := &audit.MailReading{Kind: kind, From: from, Proved: true}
	if len(envelope) > 0 {
		m.Envelope = envelope[0]
	}
	return m
}

func unproved(m *audit.MailReading) *audit.MailReading {
	m.Proved = false
	return m
}

func shown(account string, field ...string) audit.Sighting {
	return audit.Sighting{Account: account, Place: audit.Shown, Field: append(field, "text")[0]}
}

func payload(account string) audit.Sighting {
	return audit.Sighting{Account: account, Place: audit.Payload, Field: "script"}
}

func sent(account, host string) audit.Sighting {
	return audit.Sighting{Account: account, Place: audit.Sent, Host: host, Field: "query parameter uid"}
}

func hashed(s audit.Sighting, kind string) audit.Sighting {
	s.Hash = kind
	return s
}

// dossier is what the story amounts to.
func (s *story) dossier() *audit.Dossier {
	days := inMemory{calls: map[audit.Day]*audit.CallDay{}, reports: map[audit.Day]*audit.ReportDay{},
		observed: byDay(s.observed, func(o audit.Observation) audit.Day { return o.At.Day() })}
	hash := uint64(0)
	next := func() (uint64, audit.Source) {
		hash++
		return hash, audit.Source{File: 1, Line: hash}
	}

	slices.SortStableFunc(s.calls, func(a, b toldCall) int { return cmp.Compare(a.at, b.at) })
	for day, told := range byDay(s.calls, func(c toldCall) audit.Day { return c.at.Day() }) {
		d := &audit.CallDay{Day: day, Paths: []string{"/rest/api/3/user/email/bulk"}}
		var ids []string
		for _, c := range told {
			ids = append(ids, c.accounts...)
		}
		d.Accounts = audit.NewIDs(ids...)
		for _, c := range told {
			call := audit.Call{At: c.at, Site: indexOf(&d.Sites, c.site), Purpose: indexOf(&d.Purposes, c.purpose), Status: c.status, Auth: c.auth}
			call.Hash, call.Source = next()
			for _, id := range c.accounts {
				call.Accounts = append(call.Accounts, ordinal(d.Accounts, id))
			}
			slices.Sort(call.Accounts)
			d.Calls = append(d.Calls, call)
		}
		days.calls[day] = d
	}

	slices.SortStableFunc(s.reported, func(a, b toldReport) int { return cmp.Compare(a.at, b.at) })
	for day, told := range byDay(s.reported, func(r toldReport) audit.Day { return r.at.Day() }) {
		d := &audit.ReportDay{Day: day}
		var ids []string
		for _, r := range told {
			ids = append(ids, r.accounts...)
			for _, a := range r.answers {
				ids = append(ids, a.account)
			}
		}
		d.Accounts = audit.NewIDs(ids...)
		for _, r := range told {
			report := audit.Report{At: r.at, Status: r.status}
			report.Hash, report.Source = next()
			for _, id := range r.accounts {
				report.Accounts = append(report.Accounts, audit.Reported{Account: ordinal(d.Accounts, id), Updated: r.asOf})
			}
			for _, a := range r.answers {
				report.Answers = append(report.Answers, audit.Answer{Account: ordinal(d.Accounts, a.account), Closed: a.closed})
			}
			d.Reports = append(d.Reports, report)
		}
		days.reports[day] = d
	}

	d := &audit.Dossier{Key: s.key, AsOf: s.asOf, Rules: audit.RulesTimeline{{From: audit.Ever, Rules: s.rules}},
		Versions: s.versions, Approvals: s.approvals, Incidents: s.incidents, Days: days, Headers: days.headers(), Answers: s.answers(), Canaries: s.canaries}
	for _, site := range slices.Sorted(maps.Keys(s.events)) {
		events := slices.Clone(s.events[site])
		audit.SortEvents(events)
		d.Sites = append(d.Sites, audit.SiteEvents{Site: site, Events: events})
	}
	return d
}

// answers is what the platform answered in the story.
func (s *story) answers() audit.Answers {
	var ids []string
	for _, r := range s.reported {
		for _, a := range r.answers {
			ids = append(ids, a.account)
		}
	}
	out := audit.Answers{Accounts: audit.NewIDs(ids...)}
	for i := range out.Accounts.Len() {
		id, closed := out.Accounts.At(i), audit.Never
		var updates []audit.Update
		for _, r := range s.reported {
			if r.status != 200 && r.status != 204 {
				continue
			}
			if slices.Contains(r.answers, toldAnswer{id, true}) {
				closed = min(closed, r.at)
			}
			if slices.Contains(r.answers, toldAnswer{id, false}) {
				u := audit.Update{At: r.at, Retrieved: audit.Never}
				for _, c := range s.calls {
					if c.at > r.at && c.status == 200 && slices.Contains(c.accounts, id) {
						u.Retrieved = min(u.Retrieved, c.at)
					}
				}
				updates = append(updates, u)
			}
		}
		out.Closed = append(out.Closed, closed)
		out.Updated = append(out.Updated, updates)
	}
	return out
}

func byDay[T any](list []T, day func(T) audit.Day) map[audit.Day][]T {
	out := map[audit.Day][]T{}
	for _, x := range list {
		out[day(x)] = append(out[day(x)], x)
	}
	return out
}

func indexOf(table *[]string, s string) uint32 {
	i := slices.Index(*table, s)
	if i < 0 {
		i = len(*table)
		*table = append(*table, s)
	}
	return uint32(i)
}

func ordinal(ids audit.IDs, id string) uint32 {
	i, _ := ids.Index(id)
	return uint32(i)
}

// inMemory is the days of a story.
type inMemory struct {
	calls   map[audit.Day]*audit.CallDay
	reports map[audit.Day]*audit.ReportDay

	observed map[audit.Day][]audit.Observation
}

func (m inMemory) Observations(day audit.Day) ([]audit.Observation, error) {
	return m.observed[day], nil
}

func (m inMemory) Figures(audit.Day) (*audit.DayFigures, error) { return nil, nil }

func (m inMemory) Calls(day audit.Day) (*audit.CallDay, error) {
	if d := m.calls[day]; d != nil {
		return d, nil
	}
	return &audit.CallDay{Day: day}, nil
}

func (m inMemory) Reports(day audit.Day) (*audit.ReportDay, error) {
	if d := m.reports[day]; d != nil {
		return d, nil
	}
	return &audit.ReportDay{Day: day}, nil
}

func (m inMemory) Stored(day audit.Day) (audit.IDs, error) {
	d, _ := m.Reports(day)
	held := map[uint32]bool{}
	for i := range d.Reports {
		if r := &d.Reports[i]; r.Counts() {
			for _, a := range r.Accounts {
				held[a.Account] = true
			}
		}
	}
	return d.Accounts.Select(func(i int) bool { return held[uint32(i)] }), nil
}

func (m inMemory) Retrieved(day audit.Day) (audit.IDs, error) {
	d, _ := m.Calls(day)
	got := map[uint32]bool{}
	for i := range d.Calls {
		if c := &d.Calls[i]; c.Retrieval() {
			for _, a := range c.Accounts {
				got[a] = true
			}
		}
	}
	return d.Accounts.Select(func(i int) bool { return got[uint32(i)] }), nil
}

func (m inMemory) Totals(from, to audit.Day) ([]audit.DayTotals, error) {
	var out []audit.DayTotals
	for day, d := range m.calls {
		if day >= from && day <= to {
			out = append(out, audit.TotalsOf(d))
		}
	}
	return out, nil
}

// headers is what is kept for ever of each day.
func (m inMemory) headers() []audit.DayHeader {
	of := map[audit.Day]*audit.DayHeader{}
	get := func(day audit.Day) *audit.DayHeader {
		if of[day] == nil {
			of[day] = &audit.DayHeader{Day: day, FirstRetrieval: audit.Ever, LastRetrieval: audit.Ever, LastReport: audit.Ever,
				RetrievalAfterReport: audit.Ever, Newest: audit.Ever}
		}
		return of[day]
	}
	for day, d := range m.reports {
		h := get(day)
		for i := range d.Reports {
			r := &d.Reports[i]
			h.Newest = max(h.Newest, r.At)
			if r.Counts() {
				h.Held = len(r.Accounts) > 0 || h.Held && h.LastReport == r.At
				h.LastReport = r.At
			}
		}
	}
	for day, d := range m.calls {
		h := get(day)
		for i := range d.Calls {
			c := &d.Calls[i]
			h.Newest = max(h.Newest, c.At)
			if !c.Retrieval() {
				continue
			}
			if h.FirstRetrieval == audit.Ever {
				h.FirstRetrieval = c.At
			}
			h.LastRetrieval = c.At
			if c.At > h.LastReport && h.LastReport != audit.Ever && h.RetrievalAfterReport == audit.Ever {
				h.RetrievalAfterReport = c.At
			}
		}
	}
	for day, list := range m.observed {
		for i := range list {
			get(day).Observed |= audit.ObservedKind(list[i].Kind)
		}
	}
	var out []audit.DayHeader
	for _, day := range slices.Sorted(maps.Keys(of)) {
		out = append(out, *of[day])
	}
	return out
}
