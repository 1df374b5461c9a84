package audit

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// A Dossier is everything that is known of one app at one as-of: what a check sees. Its answers are pure.
type Dossier struct {
	Key       string // empty: calls by no app
	AsOf      Instant
	Rules     RulesTimeline
	Versions  []AppVersion // of the registry entry, by From ascending; none: the registry never listed the app
	Approvals []Approval   // as the newest registry tells them, dropped ones included
	Blind     bool         // the registry has only bad lines for the app: nobody can say what it declares
	Incidents []Incident   // of the reporting API
	Sites     []SiteEvents // by site
	Headers   []DayHeader  // by day
	Answers   Answers
	Canaries  Canaries

	Days  Days
	Found func() ([]ContributionSpan, error) // what checks of the guideline find in the app; nil: nobody looked

	figures *Figures // once they were asked for

	// What was worked out, of days that the store has none of: a run keeps it.
	figured  map[Day]*DayFigures
	totalled map[Day]DayTotals
}

// Days reads the days of a dossier's app. A day without facts is an empty one, not an error.
type Days interface {
	Calls(day Day) (*CallDay, error)
	Reports(day Day) (*ReportDay, error)
	// Stored gives the accounts that the reports which count of the day hold.
	Stored(day Day) (IDs, error)
	// Retrieved gives the accounts that the retrievals of the day got.
	Retrieved(day Day) (IDs, error)
	// Totals gives the totals of those days from from to to of which they are kept, in no order.
	Totals(from, to Day) ([]DayTotals, error)
	// Observations gives the captures, mails and signals of the day, by time.
	Observations(day Day) ([]Observation, error)
	// Figures gives the day in numbers, with all its facts; nil where these were never counted.
	Figures(day Day) (*DayFigures, error)
}

// An AppVersion is a registry entry and since when it holds.
type AppVersion struct {
	From Instant
	App  *App // nil: the registry no longer listed the app
}

// A DayHeader is what is kept for ever of an app's UTC day. Ever stands for "none".
type DayHeader struct {
	Day                  Day     `json:"-"`
	FirstRetrieval       Instant `json:"first_retrieval"`
	LastRetrieval        Instant `json:"last_retrieval"`
	LastReport           Instant `json:"last_report"`            // the last report that counts
	Held                 bool    `json:"held"`                   // one at that instant held accounts
	RetrievalAfterReport Instant `json:"retrieval_after_report"` // the first retrieval after LastReport, on the same day
	Newest               Instant `json:"newest"`                 // of any call or report

	Observed ObservedKinds `json:"observed,omitempty"` // what observations there were

	Figures *DayFigures `json:"figures,omitempty"` // set where the header is made; read by Days.Figures only
}

// App is the registry entry that held at t; nil where the registry did not list the app.
func (d *Dossier) App(t Instant) *App {
	for i := len(d.Versions) - 1; i >= 0; i-- {
		if i == 0 || d.Versions[i].From <= t {
			return d.Versions[i].App
		}
	}
	return nil
}

// Newest is the newest registry entry; nil where the registry does not list the app.
func (d *Dossier) Newest() *App { return d.App(Never) }

// RulesNow is the rules that hold at as-of.
func (d *Dossier) RulesNow() *Rules { return d.Rules.At(d.AsOf) }

// ApprovedAt says whether any approval was in force at t.
func (d *Dossier) ApprovedAt(t Instant) bool {
	for i := range d.Approvals {
		if d.Approvals[i].InForce(t) {
			return true
		}
	}
	return false
}

// ApprovalNow is the newest approval in force at as-of: the one decided last, the later line of equals; nil where there is none.
func (d *Dossier) ApprovalNow() *Approval {
	var newest *Approval
	for i := range d.Approvals {
		if a := &d.Approvals[i]; a.InForce(d.AsOf) && (newest == nil || a.Decided >= newest.Decided) {
			newest = a
		}
	}
	return newest
}

// Entry is the newest entry of the registry, and whether it still lists the app; nil: it never did.
func (f *AppFacts) Entry() (entry *App, listed bool) {
	for i, v := range slices.Backward(f.Versions) {
		if v.App != nil {
			return v.App, i == len(f.Versions)-1
		}
	}
	return nil, false
}

// Span is when the app first and last retrieved an address, and last reported accounts; Ever: it never did.
func (f *AppFacts) Span() (first, last, report Instant) {
	first, last, report = Ever, Ever, Ever
	for _, h := range f.Headers {
		if first == Ever {
			first = h.FirstRetrieval
		}
		last, report = max(last, h.LastRetrieval), max(report, h.LastReport)
	}
	return first, last, report
}

// LearningUntil is until when an app is not judged by its pattern of access; Ever where it is, or nothing is known of it.
func (f *AppFacts) LearningUntil(p *Policy, asOf Instant) Instant {
	first, _, _ := f.Span()
	if first == Ever {
		return Ever
	}
	if until := (first.Day() + p.Drift.LearningDays()).Start(); asOf < until {
		return until
	}
	return Ever
}

// Sites gives the last event up to a moment of each site, by site.
func (f *AppFacts) Sites(at Instant) []Lifecycle {
	last := map[string]Lifecycle{}
	for _, e := range f.Events {
		before, ok := last[e.Site]
		if e.At <= at && (!ok || e.At > before.At || e.At == before.At && e.Event.Active()) {
			last[e.Site] = e.Lifecycle
		}
	}
	return slices.SortedFunc(maps.Values(last), func(a, b Lifecycle) int { return strings.Compare(a.Site, b.Site) })
}

// RequestPending says whether a request for the Email API waits for its decision.
func (d *Dossier) RequestPending() bool {
	return slices.ContainsFunc(d.Approvals, func(a Approval) bool { return a.Waits() })
}

// FirstRetrieval is when the app first retrieved an address, up to as-of; Ever where it never did.
func (d *Dossier) FirstRetrieval() (Instant, error) { return d.RetrievalAfter(Ever) }

// RetrievalAfter is the app's first retrieval after t, up to as-of; Ever where there is none.
func (d *Dossier) RetrievalAfter(t Instant) (Instant, error) {
	for i := range d.Headers {
		h := &d.Headers[i]
		if h.LastRetrieval == Ever || h.LastRetrieval <= t {
			continue
		}
		first := h.FirstRetrieval
		switch {
		case first > t:
		case t == h.LastReport:
			first = h.RetrievalAfterReport
		default:
			calls, err := d.Days.Calls(h.Day)
			if err != nil {
				return Ever, err
			}
			first = Ever
			for j := range calls.Calls {
				if c := &calls.Calls[j]; c.At > t && c.Retrieval() {
					first = c.At
					break
				}
			}
		}
		if first != Ever {
			if first > d.AsOf {
				return Ever, nil
			}
			return first, nil
		}
	}
	return Ever, nil
}

// LastReport is the last report that counts, up to as-of, and whether one at that instant held accounts; Ever where there is none.
func (d *Dossier) LastReport() (at Instant, held bool, err error) {
	for i := len(d.Headers) - 1; i >= 0; i-- {
		h := &d.Headers[i]
		switch {
		case h.LastReport == Ever || h.Day > d.AsOf.Day():
			continue
		case h.LastReport <= d.AsOf:
			return h.LastReport, h.Held, nil
		}
		reports, err := d.Days.Reports(h.Day)
		if err != nil {
			return Ever, false, err
		}
		at = Ever
		for j := range reports.Reports {
			if r := &reports.Reports[j]; r.Counts() && r.At <= d.AsOf {
				if r.At > at {
					at, held = r.At, false
				}
				held = held || len(r.Accounts) > 0
			}
		}
		if at != Ever {
			return at, held, nil
		}
	}
	return Ever, false, nil
}

// Observed gives the observations of one kind of a day, up to as-of.
func (d *Dossier) Observed(day Day, kind Kind) ([]Observation, error) {
	i, ok := slices.BinarySearchFunc(d.Headers, day, func(h DayHeader, day Day) int { return cmp.Compare(h.Day, day) })
	if !ok || d.Headers[i].Observed&ObservedKind(kind) == 0 {
		return nil, nil
	}
	all, err := d.Days.Observations(day)
	if err != nil {
		return nil, err
	}
	var out []Observation
	for _, o := range all {
		if o.Kind == kind && o.At <= d.AsOf {
			out = append(out, o)
		}
	}
	return out, nil
}

// RetrievedBetween says whether the app retrieved an account's address from one instant to another, both included.
func (d *Dossier) RetrievedBetween(account string, from, to Instant) (bool, error) {
	for day := from.Day(); day <= to.Day(); day++ {
		got, err := d.Days.Retrieved(day)
		if err != nil {
			return false, err
		}
		if !got.Has(account) {
			continue
		}
		if from <= day.Start() && day.End() <= to {
			return true, nil
		}
		calls, err := d.Days.Calls(day)
		if err != nil {
			return false, err
		}
		which, _ := calls.Accounts.Index(account)
		for i := range calls.Calls {
			if c := &calls.Calls[i]; from <= c.At && c.At <= to && c.Retrieval() && slices.Contains(c.Accounts, uint32(which)) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Canaries tells, by canary account, the first retrieval of each app that is known to have retrieved it.
type Canaries map[string]map[string]Instant

func (c Canaries) add(x Canary) {
	if x.Retrieved == Never {
		return
	}
	if c[x.Account] == nil {
		c[x.Account] = map[string]Instant{}
	}
	c[x.Account][x.App] = x.Retrieved
}

// RetrievedByAnother says whether another app than app retrieved a canary, up to t.
func (c Canaries) RetrievedByAnother(account, app string, t Instant) bool {
	for other, at := range c[account] {
		if other != app && at <= t {
			return true
		}
	}
	return false
}

// A Deadline is the first instant that is too late, and whether an incident of the platform's own moved it.
type Deadline struct {
	At    Instant
	Moved bool
}

// Kept says whether something that came at t came in time.
func (l Deadline) Kept(t Instant) bool { return t < l.At }

// Over says whether the deadline has passed at t, so that no more can come in time.
func (l Deadline) Over(t Instant) bool { return t >= l.At }

// Deadline moves an end to the grace after each incident that covers any part of the same time before it.
func (d *Dossier) Deadline(end Instant) Deadline {
	grace := d.Rules.At(end).Policy.IncidentGrace
	return MoveDeadline(end, grace, d.Incidents)
}

// MoveDeadline is Deadline for any list of incidents.
func MoveDeadline(end Instant, grace time.Duration, incidents []Incident) Deadline {
	l := Deadline{At: end}
	for moved := true; moved; {
		moved = false
		for i := range incidents {
			if n := &incidents[i]; n.From < n.To && n.From < l.At && n.To > l.At.Add(-grace) && n.To.Add(grace) > l.At {
				l = Deadline{At: n.To.Add(grace), Moved: true}
				moved = true
			}
		}
	}
	return l
}

// ReportBy is the deadline by which accounts retrieved on day must be in a report: the end of the reporting period's last day.
func (d *Dossier) ReportBy(day Day) Deadline {
	return d.Deadline((day + d.Rules.At(day.Start()).Policy.ReportingDays()).End())
}

// SiteEvents is what happened to the app on one site.
type SiteEvents struct {
	Site   string
	Events []Lifecycle // by time, at one instant active ones last
}

// SortEvents puts a site's events in their order.
func SortEvents(events []Lifecycle) {
	sort.SliceStable(events, func(i, j int) bool {
		a, b := &events[i], &events[j]
		if a.At != b.At {
			return a.At < b.At
		}
		if a.Event.Active() != b.Event.Active() {
			return b.Event.Active()
		}
		return a.Event < b.Event
	})
}

// Site is what happened to the app on a site.
func (d *Dossier) Site(site string) *SiteEvents {
	i, ok := slices.BinarySearchFunc(d.Sites, site, func(s SiteEvents, id string) int {
		switch {
		case s.Site < id:
			return -1
		case s.Site > id:
			return 1
		}
		return 0
	})
	if !ok {
		return &SiteEvents{Site: site}
	}
	return &d.Sites[i]
}

// Users is how many accounts the site has at t, by the last event up to then that tells; -1 where none does.
func (s *SiteEvents) Users(t Instant) int64 {
	users := int64(-1)
	for i := range s.Events {
		if e := &s.Events[i]; e.At > t {
			break
		} else if e.Users >= 0 {
			users = e.Users
		}
	}
	return users
}

// Since is since when the app is active on the site at t, without a break that is known; Never where it is not known to be.
func (s *SiteEvents) Since(t Instant) Instant {
	since := Never
	for i := range s.Events {
		e := &s.Events[i]
		switch {
		case e.At > t:
			return since
		case !e.Event.Active():
			since = Never
		case since == Never:
			since = e.At
		}
	}
	return since
}

// InstallState is what is known of an app on a site at a moment.
type InstallState uint8

// The states. UnknownInstall is not judged.
const (
	UnknownInstall InstallState = iota
	IsInstalled
	NotInstalled
)

// StateAt tells whether the app was installed on the site at t, from what was known at asOf. left is when it became inactive, Ever where it had
// not been installed before.
func (s *SiteEvents) StateAt(t, asOf Instant, rules *Rules) (state InstallState, left Instant) {
	after := sort.Search(len(s.Events), func(i int) bool { return s.Events[i].At > t })
	if after > 0 {
		if s.Events[after-1].Event.Active() {
			return IsInstalled, Ever
		}
		i := after - 1
		for i > 0 && !s.Events[i-1].Event.Active() {
			i--
		}
		left = s.Events[i].At
		if t > left.Add(rules.Policy.UninstallGrace) {
			return NotInstalled, left
		}
		return UnknownInstall, left // it may have been under way
	}
	if rules.CompleteSince > t {
		return UnknownInstall, Ever
	}
	if after < len(s.Events) && s.Events[after].At <= asOf && s.Events[after].Event != Installed {
		// Of several at the first instant after t, an `installed` among them says that it was not there before.
		first := s.Events[after].At
		for i := after; i < len(s.Events) && s.Events[i].At == first; i++ {
			if s.Events[i].Event == Installed {
				return NotInstalled, Ever
			}
		}
		return UnknownInstall, Ever
	}
	return NotInstalled, Ever
}

// Answers is what the platform answered for an app's accounts, over all reports that count.
type Answers struct {
	Accounts IDs
	Closed   []Instant  // by ordinal: the first `closed`; Never where there is none
	Updated  [][]Update // by ordinal: each `updated`, by time
}

// An Update is an answer `updated`, and the app's first retrieval of the account after it; Never where there is none.
type Update struct {
	At        Instant
	Retrieved Instant
}
