package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// DayFigures is an app's UTC day in numbers. Accounts are counted only: none can be told from them. They are a pure function of the day's facts and of the
// rules that held on it, and are kept as long as these are.
type DayFigures struct {
	Calls    []CallFigures `json:"calls,omitempty"`    // by site, purpose and status, in that order
	Accounts int           `json:"accounts,omitempty"` // distinct ones that were retrieved
	Reports  int           `json:"reports,omitempty"`  // that count
	Reported int           `json:"reported,omitempty"` // distinct accounts that these held
	Closed   int           `json:"closed,omitempty"`   // distinct accounts that they were answered `closed` for
	Updated  int           `json:"updated,omitempty"`  // and `updated`
}

// CallFigures counts a day's calls that agree in site, purpose and status.
type CallFigures struct {
	Site     string `json:"site"`
	Purpose  string `json:"purpose"` // after the policy's synonyms; "": none was declared; "invalid": it was no word
	Status   int    `json:"status"`
	Calls    int    `json:"calls"`
	Accounts int    `json:"accounts,omitempty"` // distinct ones whose address was got
}

// purposesADay bounds how many purposes of a day are told apart, those with most calls: apps write them as they please.
const purposesADay = 64

// otherPurpose stands for purposes that nobody knows.
const otherPurpose = "unknown"

// FiguresOf is a day in numbers, up to a moment.
func FiguresOf(calls *CallDay, reports *ReportDay, rules RulesTimeline, upTo Instant) *DayFigures {
	f := &DayFigures{}
	type kind struct {
		site, word uint32
		status     uint16
	}
	rows := map[kind]int{}
	type told struct {
		call *Call
		row  int
	}
	var list []told
	words := map[string]uint32{} // purposes after synonyms, numbered
	var ruled *Rules
	named := make([]uint32, len(calls.Purposes)) // by the day's purpose: its word by these rules, from 1 on; 0: not asked yet
	for i := range calls.Calls {
		c := &calls.Calls[i]
		if c.At > upTo {
			break
		}
		if r := rules.At(c.At); r != ruled {
			ruled = r
			clear(named)
		}
		if named[c.Purpose] == 0 {
			purpose := ruled.Policy.Purpose(calls.Purposes[c.Purpose])
			if purpose != "" {
				purpose = PurposeSubject(purpose)
			}
			if words[purpose] == 0 {
				words[purpose] = uint32(len(words)) + 1
			}
			named[c.Purpose] = words[purpose]
		}
		k := kind{c.Site, named[c.Purpose], c.Status}
		row, ok := rows[k]
		if !ok {
			row = len(rows)
			rows[k] = row
		}
		list = append(list, told{c, row})
	}
	f.Calls = make([]CallFigures, len(rows))
	texts := make([]string, len(words)+1)
	for word, n := range words {
		texts[n] = word
	}
	for k, row := range rows {
		f.Calls[row] = CallFigures{Site: calls.Sites[k.site], Purpose: texts[k.word], Status: int(k.status)}
	}
	slices.SortFunc(list, func(a, b told) int { return cmp.Compare(a.row, b.row) })
	row, got := make([]int32, calls.Accounts.Len()), make([]bool, calls.Accounts.Len()) // by account: the row that last had it, from 1 on
	for _, x := range list {
		r := &f.Calls[x.row]
		r.Calls++
		if !x.call.Retrieval() {
			continue
		}
		for _, a := range x.call.Accounts {
			if row[a] != int32(x.row)+1 {
				row[a] = int32(x.row) + 1
				r.Accounts++
			}
			if !got[a] {
				got[a] = true
				f.Accounts++
			}
		}
	}
	if len(words) > purposesADay {
		of := map[string]int{} // calls by purpose
		for i := range f.Calls {
			of[f.Calls[i].Purpose] += f.Calls[i].Calls
		}
		byCalls := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) })
		for _, few := range byCalls[purposesADay:] {
			delete(of, few)
		}
		for i := range f.Calls {
			if _, kept := of[f.Calls[i].Purpose]; !kept {
				f.Calls[i].Purpose = otherPurpose
			}
		}
	}
	f.Calls = addUp(f.Calls)

	held, closed, updated := seen{}, seen{}, seen{}
	for i := range reports.Reports {
		r := &reports.Reports[i]
		if r.At > upTo {
			break
		}
		if !r.Counts() {
			continue
		}
		f.Reports++
		for _, a := range r.Accounts {
			held.see(a.Account, reports.Accounts.Len(), &f.Reported)
		}
		for _, a := range r.Answers {
			if a.Closed {
				closed.see(a.Account, reports.Accounts.Len(), &f.Closed)
			} else {
				updated.see(a.Account, reports.Accounts.Len(), &f.Updated)
			}
		}
	}
	return f
}

// seen are the accounts of a table that were counted.
type seen struct{ on []bool }

func (s *seen) see(account uint32, of int, n *int) {
	if s.on == nil {
		s.on = make([]bool, of)
	}
	if !s.on[account] {
		s.on[account] = true
		*n++
	}
}

// addUp sorts rows, and makes one of those that agree. Their accounts are added up: one that several had counts for each.
func addUp(list []CallFigures) []CallFigures {
	slices.SortFunc(list, func(a, b CallFigures) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Status, b.Status))
	})
	out := list[:0]
	for _, x := range list {
		if n := len(out); n > 0 && out[n-1].Site == x.Site && out[n-1].Purpose == x.Purpose && out[n-1].Status == x.Status {
			out[n-1].Calls += x.Calls
			out[n-1].Accounts += x.Accounts
			continue
		}
		out = append(out, x)
	}
	return out
}

// Figures is what is known of an app at as-of, in numbers and in its own words: what rules of one's own see. There is no account and no address in it.
// Times that never were are zero.
type Figures struct {
	AsOf       time.Time         `json:"as_of"`
	App        AppFigures        `json:"app"`
	Approvals  []ApprovalFigures `json:"approvals"`
	Daily      []DayOf           `json:"daily"`    // days with calls or reports
	Calls      []CallsOf         `json:"calls"`    // by day, site, purpose and status
	Purposes   []PurposeFigures  `json:"purposes"` // by purpose
	Sites      []SiteFigures     `json:"sites"`    // by site
	Retrievals SpanFigures       `json:"retrievals"`
	Reports    SpanFigures       `json:"reports"` // that count
	Users      int64             `json:"users"`   // accounts on the sites where the app is installed, as far as these say
	Findings   []FoundFigures    `json:"findings"`

	made map[any]any
}

// Once gives what make makes of f: it is made once for each key, by the one goroutine that f belongs to.
func (f *Figures) Once(key any, make func() any) any {
	v, ok := f.made[key]
	if !ok {
		v = make()
		if f.made == nil {
			f.made = map[any]any{}
		}
		f.made[key] = v
	}
	return v
}

// AppFigures is the app's newest registry entry.
type AppFigures struct {
	Key              string   `json:"key"`
	Listed           bool     `json:"listed"` // by the newest registry
	Name             string   `json:"name"`
	Kind             string   `json:"kind"`
	Vendor           string   `json:"vendor"` // its name, or else its id
	Internal         bool     `json:"internal"`
	ListingURL       string   `json:"listing_url"`
	PrivacyPolicyURL string   `json:"privacy_policy_url"`
	TermsURL         string   `json:"terms_url"`
	Stores           string   `json:"stores"` // yes, no, unstated
	Scopes           []string `json:"scopes"`
	EmailScope       bool     `json:"email_scope"` // one of the scopes gives the Email API
	Modules          []string `json:"modules"`
	Egress           []string `json:"egress"`
	Domains          []string `json:"domains"`
}

// ApprovalFigures is a request for the Email API and what came of it.
type ApprovalFigures struct {
	Request      string    `json:"request"`
	Status       string    `json:"status"`
	Decided      time.Time `json:"decided"`
	Revoked      time.Time `json:"revoked"`
	InForce      bool      `json:"in_force"`
	Purposes     []string  `json:"purposes"`
	ThirdParties []string  `json:"third_parties"`
}

// DayOf is a UTC day of an app.
type DayOf struct {
	Day        time.Time `json:"day"`
	Age        int64     `json:"age"` // in days: 0 is the day of as-of
	Calls      int64     `json:"calls"`
	Retrievals int64     `json:"retrievals"` // calls that were answered 200
	Refused    int64     `json:"refused"`    // calls that were answered 403
	Accounts   int64     `json:"accounts"`   // distinct ones that were retrieved
	Reports    int64     `json:"reports"`    // that count
	Reported   int64     `json:"reported"`   // distinct accounts that these held
	Closed     int64     `json:"closed"`     // distinct accounts that were answered `closed`
	Updated    int64     `json:"updated"`    // and `updated`
}

// CallsOf is the calls of a day that agree in site, purpose and status.
type CallsOf struct {
	Day      time.Time `json:"day"`
	Age      int64     `json:"age"`
	Site     string    `json:"site"`
	Purpose  string    `json:"purpose"` // none, unknown, or one that policy or an approval of the app knows
	Status   int64     `json:"status"`
	Calls    int64     `json:"calls"`
	Accounts int64     `json:"accounts"`
}

// PurposeFigures is all calls for a purpose that were answered 200.
type PurposeFigures struct {
	Purpose  string    `json:"purpose"`
	Approved bool      `json:"approved"` // by an approval that is in force
	Calls    int64     `json:"calls"`
	Days     int64     `json:"days"`  // that had some
	Sites    int64     `json:"sites"` // that had some
	First    time.Time `json:"first"` // day
	Last     time.Time `json:"last"`  // day
	Age      int64     `json:"age"`   // of the last, in days
}

// SiteFigures is an app on a site.
type SiteFigures struct {
	Site      string    `json:"site"`
	Installed bool      `json:"installed"` // as far as events say
	Since     time.Time `json:"since"`     // the event that says so
	Users     int64     `json:"users"`     // accounts on the site, by the last event that told; 0: none did
	Calls     int64     `json:"calls"`     // answered 200
	Accounts  int64     `json:"accounts"`  // the most that were retrieved for one purpose on one day
	Age       int64     `json:"age"`       // of the last day with such calls; -1: there was none
}

// SpanFigures says from when to when something happened.
type SpanFigures struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// FoundFigures is what a check of the guideline finds in the app, whatever people made of that.
type FoundFigures struct {
	Check   string    `json:"check"`
	Subject string    `json:"subject"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// when is t as figures have it.
func when(t Instant) time.Time {
	if t == Ever || t == Never {
		return time.Time{}
	}
	return t.Time()
}

// Figures is d in numbers, over the days that the policy keeps. It is made once.
func (d *Dossier) Figures() (*Figures, error) {
	if d.figures == nil {
		f, err := d.figuresNow()
		if err != nil {
			return nil, err
		}
		d.figures = f
	}
	return d.figures, nil
}

// DossierOf is a dossier of which only figures are known.
func DossierOf(f *Figures) *Dossier { return &Dossier{Key: f.App.Key, AsOf: At(f.AsOf), figures: f} }

func (d *Dossier) figuresNow() (*Figures, error) {
	policy := d.RulesNow().Policy
	f := &Figures{AsOf: d.AsOf.Time(), App: appFigures(d.Key, d.Newest(), policy)}
	named := map[string]bool{} // purposes that somebody knows
	for _, p := range slices.Concat(policy.Approvable, policy.Prohibited) {
		named[p] = true
	}
	approved := map[string]bool{}
	for i := range d.Approvals {
		a := &d.Approvals[i]
		if a.Dropped != 0 && a.Dropped <= d.AsOf && a.Status != Approved && a.Status != Withdrawn {
			continue // a request that the registry no longer lists
		}
		_, to := a.Span()
		if a.Status != Approved && a.Status != Withdrawn {
			to = Never
		}
		f.Approvals = append(f.Approvals, ApprovalFigures{Request: a.RequestID, Status: string(a.Status), Decided: when(a.Decided), Revoked: when(to),
			InForce: a.InForce(d.AsOf), Purposes: a.Purposes, ThirdParties: a.ThirdParties})
		for _, p := range a.Purposes {
			named[p] = true
			approved[p] = approved[p] || a.InForce(d.AsOf)
		}
	}
	known := func(purpose string) string {
		switch {
		case purpose == "":
			return "none"
		case named[purpose] && PurposeSubject(purpose) == purpose:
			return purpose
		}
		return otherPurpose
	}
	today := d.AsOf.Day()
	for i := range d.Headers {
		h := &d.Headers[i]
		if h.Day < today-policy.RetentionDays() || h.Day > today {
			continue
		}
		day, err := d.dayFigures(h)
		if err != nil {
			return nil, err
		}
		f.add(h.Day, int64(today-h.Day), day, known)
	}
	f.byPurpose(approved)
	f.bySite(d)
	for i := range d.Headers {
		h := &d.Headers[i]
		if h.LastReport != Ever && h.LastReport <= d.AsOf && f.Reports.First.IsZero() {
			f.Reports.First = when(h.LastReport) // the last one of its day
		}
	}
	first, err := d.FirstRetrieval()
	if err != nil {
		return nil, err
	}
	last, err := d.lastRetrieval()
	if err != nil {
		return nil, err
	}
	report, _, err := d.LastReport()
	if err != nil {
		return nil, err
	}
	f.Retrievals, f.Reports.Last = SpanFigures{when(first), when(last)}, when(report)
	if d.Found != nil {
		found, err := d.Found()
		if err != nil {
			return nil, err
		}
		for _, x := range found {
			f.Findings = append(f.Findings, FoundFigures{x.Check, x.Subject, when(x.First), when(x.Last)})
		}
	}
	return f, nil
}

// dayFigures is a day in numbers, up to as-of.
func (d *Dossier) dayFigures(h *DayHeader) (*DayFigures, error) {
	kept, err := d.figured[h.Day], error(nil)
	if kept == nil {
		kept, err = d.Days.Figures(h.Day)
	}
	if err != nil || kept != nil && h.Newest <= d.AsOf {
		return kept, err
	}
	f, err := d.count(h.Day)
	if err == nil && kept == nil && h.Newest <= d.AsOf {
		d.figure(h.Day, f)
	}
	return f, err
}

// figure tells a run to keep the figures of a day, all of it.
func (d *Dossier) figure(day Day, f *DayFigures) {
	if d.figured == nil {
		d.figured = map[Day]*DayFigures{}
	}
	d.figured[day] = f
}

// count counts a day of which no figures are kept, or that goes on after as-of.
func (d *Dossier) count(day Day) (*DayFigures, error) {
	calls, err := d.Days.Calls(day)
	if err != nil {
		return nil, err
	}
	reports, err := d.Days.Reports(day)
	if err != nil {
		return nil, err
	}
	return FiguresOf(calls, reports, d.Rules, d.AsOf), nil
}

// lastRetrieval is the app's last retrieval up to as-of; Ever where there is none.
func (d *Dossier) lastRetrieval() (Instant, error) {
	for _, h := range slices.Backward(d.Headers) {
		switch {
		case h.FirstRetrieval == Ever || h.FirstRetrieval > d.AsOf:
			continue
		case h.LastRetrieval <= d.AsOf:
			return h.LastRetrieval, nil
		}
		calls, err := d.Days.Calls(h.Day)
		if err != nil {
			return Ever, err
		}
		last := h.FirstRetrieval
		for i := range calls.Calls {
			if c := &calls.Calls[i]; c.At <= d.AsOf && c.Retrieval() {
				last = c.At
			}
		}
		return last, nil
	}
	return Ever, nil
}

func appFigures(key string, a *App, p *Policy) AppFigures {
	f := AppFigures{Key: key, Stores: "unstated"}
	if a == nil {
		return f
	}
	f = AppFigures{Key: key, Listed: true, Name: a.Name, Kind: a.Kind, Vendor: cmp.Or(a.Vendor.Name, a.Vendor.ID), Internal: a.Internal, ListingURL: a.ListingURL,
		PrivacyPolicyURL: a.PrivacyPolicyURL, TermsURL: a.TermsURL, Stores: "unstated", Scopes: a.Features.Scopes,
		EmailScope: slices.ContainsFunc(a.Features.Scopes, p.IsEmailScope), Modules: a.Features.Modules, Egress: a.Features.Egress, Domains: a.Features.Domains}
	if a.Stores != nil {
		f.Stores = map[bool]string{true: "yes", false: "no"}[*a.Stores]
	}
	return f
}

// add adds a day.
func (f *Figures) add(day Day, age int64, x *DayFigures, known func(string) string) {
	if len(x.Calls) == 0 && x.Reports == 0 {
		return
	}
	o := DayOf{Day: day.Start().Time(), Age: age, Accounts: int64(x.Accounts), Reports: int64(x.Reports), Reported: int64(x.Reported), Closed: int64(x.Closed), Updated: int64(x.Updated)}
	rows := slices.Clone(x.Calls)
	for i := range rows {
		rows[i].Purpose = known(rows[i].Purpose)
	}
	for _, r := range addUp(rows) {
		o.Calls += int64(r.Calls)
		switch r.Status {
		case 200:
			o.Retrievals += int64(r.Calls)
		case 403:
			o.Refused += int64(r.Calls)
		}
		f.Calls = append(f.Calls, CallsOf{o.Day, age, r.Site, r.Purpose, int64(r.Status), int64(r.Calls), int64(r.Accounts)})
	}
	f.Daily = append(f.Daily, o)
}

// byPurpose adds up the calls of each purpose. An approved purpose that none was for is among them.
func (f *Figures) byPurpose(approved map[string]bool) {
	of := map[string]*PurposeFigures{}
	sites, days := map[[2]string]bool{}, map[string]int64{}
	for p, inForce := range approved {
		if inForce {
			of[p] = &PurposeFigures{Purpose: p, Approved: true, Age: -1}
		}
	}
	for i := range f.Calls {
		c := &f.Calls[i]
		if c.Status != 200 {
			continue
		}
		p := of[c.Purpose]
		if p == nil {
			p = &PurposeFigures{Purpose: c.Purpose, Approved: approved[c.Purpose]}
			of[c.Purpose] = p
		}
		if p.Calls == 0 {
			p.First = c.Day
		}
		p.Calls += c.Calls
		if last, ok := days[c.Purpose]; !ok || last != c.Age {
			days[c.Purpose] = c.Age
			p.Days++
		}
		if k := [2]string{c.Purpose, c.Site}; !sites[k] {
			sites[k] = true
			p.Sites++
		}
		p.Last, p.Age = c.Day, c.Age
	}
	for _, p := range slices.Sorted(maps.Keys(of)) {
		f.Purposes = append(f.Purposes, *of[p])
	}
}

// bySite adds what is known of each site.
func (f *Figures) bySite(d *Dossier) {
	of := map[string]*SiteFigures{}
	get := func(site string) *SiteFigures {
		if of[site] == nil {
			of[site] = &SiteFigures{Site: site, Age: -1}
		}
		return of[site]
	}
	for i := range d.Sites {
		s := get(d.Sites[i].Site)
		for _, e := range d.Sites[i].Events {
			if e.At > d.AsOf {
				break
			}
			if e.Event.Active() != s.Installed || s.Since.IsZero() {
				s.Since = e.At.Time()
			}
			if s.Installed = e.Event.Active(); e.Users >= 0 {
				s.Users = e.Users
			}
		}
		if s.Installed {
			f.Users += s.Users
		}
	}
	for i := range f.Calls {
		c := &f.Calls[i]
		if c.Status == 200 {
			s := get(c.Site)
			s.Calls += c.Calls
			s.Accounts, s.Age = max(s.Accounts, c.Accounts), c.Age
		}
	}
	for _, s := range slices.Sorted(maps.Keys(of)) {
		f.Sites = append(f.Sites, *of[s])
	}
}

// Complete fills in what follows from the rest, for figures that people write: days from ages and ages from days, where there are none, days and
// purposes from calls, and whether a scope is an e-mail scope of the policy.
func (f *Figures) Complete(policy *Policy) {
	today := At(f.AsOf).Day()
	date := func(day *time.Time, age *int64) {
		if day.IsZero() {
			*day = (today - Day(*age)).Start().Time()
		} else {
			*age = int64(today - At(*day).Day())
		}
	}
	for i := range f.Calls {
		c := &f.Calls[i]
		date(&c.Day, &c.Age)
		c.Status, c.Calls = cmp.Or(c.Status, 200), cmp.Or(c.Calls, 1)
		c.Purpose = cmp.Or(c.Purpose, "none")
	}
	slices.SortStableFunc(f.Calls, func(a, b CallsOf) int { return a.Day.Compare(b.Day) })
	for i := range f.Daily {
		date(&f.Daily[i].Day, &f.Daily[i].Age)
	}
	if len(f.Daily) == 0 {
		for i := range f.Calls {
			c := &f.Calls[i]
			if n := len(f.Daily); n == 0 || f.Daily[n-1].Age != c.Age {
				f.Daily = append(f.Daily, DayOf{Day: c.Day, Age: c.Age})
			}
			d := &f.Daily[len(f.Daily)-1]
			d.Calls += c.Calls
			switch c.Status {
			case 200:
				d.Retrievals, d.Accounts = d.Retrievals+c.Calls, d.Accounts+c.Accounts
			case 403:
				d.Refused += c.Calls
			}
		}
	}
	slices.SortStableFunc(f.Daily, func(a, b DayOf) int { return a.Day.Compare(b.Day) })
	approved := map[string]bool{}
	for i := range f.Approvals {
		for _, p := range f.Approvals[i].Purposes {
			approved[p] = approved[p] || f.Approvals[i].InForce
		}
	}
	if len(f.Purposes) == 0 {
		f.byPurpose(approved)
	}
	if slices.ContainsFunc(f.App.Scopes, policy.IsEmailScope) {
		f.App.EmailScope = true
	}
	f.App.Stores = cmp.Or(f.App.Stores, "unstated")
}
