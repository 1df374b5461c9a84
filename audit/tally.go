package audit

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// StateDay is the day under which the contribution of a state is kept: it holds now, on no day.
const StateDay Day = -1 << 31

// MaxEvidence is how many rows of evidence a contribution keeps.
const MaxEvidence = 5

// A Contribution is what one day adds to a finding. A finding is the union of its contributions.
type Contribution struct {
	Check       string
	App         string
	Subject     string
	Day         Day
	Occurrences []uint64 // what identifies each, ascending
	Folded      int      // occurrences that nothing here identifies: of days that were purged, or where they are counted only
	First, Last Instant
	Accounts    IDs
	Sites       IDs
	Hosts       IDs        // see Holding
	Evidence    []Evidence // the first few, by time
	Doubtful    bool       // each of its occurrences is possible only, whatever the check's confidence

	Fresh         int // how many of the occurrences were not counted before; known only where it was judged just now
	FreshAccounts IDs // and the accounts of those
}

// says says whether c says of its day what n says of it. A state is told of the present, anew in each night: only what it is counts, not when or by which
// line.
func (c *Contribution) says(n *Contribution) bool {
	if c.Doubtful != n.Doubtful || !slices.Equal(c.Occurrences, n.Occurrences) || !sameIDs(c.Accounts, n.Accounts) || !sameIDs(c.Sites, n.Sites) || !sameIDs(c.Hosts, n.Hosts) {
		return false
	}
	if c.Day == StateDay {
		return slices.EqualFunc(c.Evidence, n.Evidence, func(a, b Evidence) bool { return a.Detail == b.Detail })
	}
	return c.First == n.First && c.Last == n.Last && slices.Equal(c.Evidence, n.Evidence)
}

func sameIDs(a, b IDs) bool {
	if a.Len() != b.Len() {
		return false
	}
	n := 0
	a.Match(b, func(int, int) { n++ })
	return n == a.Len()
}

// Evidence is one row that shows a finding.
type Evidence struct {
	At      Instant `json:"at"`
	Source  Source  `json:"source"`
	Site    string  `json:"site,omitempty"`
	Account string  `json:"account,omitempty"`
	Detail  string  `json:"detail,omitempty"`
}

// A Tally collects what a check finds in one day of a dossier, or in its present state.
type Tally struct {
	check    *Check
	day      Day
	asOf     Instant
	before   map[string][]uint64 // by subject: the occurrences that were counted before, ascending
	subjects map[string]*tallied
	counts   bool // of its occurrences only the number is wanted, in no order

	Unknown int // retrievals on sites where nobody can say whether the app was installed
}

type tallied struct {
	occurrences []uint64
	before      []uint64
	first, last Instant
	accounts    picked
	sites       []string // of calls: by the day's index, empty where none is counted; of observations: one each
	named       []string // accounts that are in no table of a day
	hosts       []string
	observed    map[uint64]bool // the occurrences that are observations
	evidence    []Evidence
	doubtful    int // occurrences that are possible only

	fresh         int    // occurrences that were not counted before
	freshAccounts picked // and their accounts: where some were counted before, else all are
	freshNamed    []string
}

// picked is a part of a table, by ordinal.
type picked struct {
	tables []pickedOf
}

type pickedOf struct {
	table *IDs
	on    []bool
}

func (p *picked) of(table *IDs) []bool {
	for i := range p.tables {
		if p.tables[i].table == table {
			return p.tables[i].on
		}
	}
	p.tables = append(p.tables, pickedOf{table: table, on: make([]bool, table.Len())})
	return p.tables[len(p.tables)-1].on
}

func (p *picked) ids() IDs {
	var out IDs
	for i := range p.tables {
		t := &p.tables[i]
		out = Union(out, t.table.Select(func(i int) bool { return t.on[i] }))
	}
	return out
}

// NewTally begins an empty tally. before holds, by subject, the occurrences of the day that were counted before, ascending.
func NewTally(check *Check, day Day, asOf Instant, before map[string][]uint64) *Tally {
	return &Tally{check: check, day: day, asOf: asOf, before: before, subjects: map[string]*tallied{}}
}

func (t *Tally) subject(s string) *tallied {
	x := t.subjects[s]
	if x == nil {
		x = &tallied{first: Never, last: Ever, before: t.before[s]}
		t.subjects[s] = x
	}
	return x
}

// see counts an occurrence and says whether it is one that was not counted before.
func (x *tallied) see(id uint64, at Instant) (fresh bool) {
	x.occurrences = append(x.occurrences, id)
	x.first = min(x.first, at)
	x.last = max(x.last, at)
	if _, known := slices.BinarySearch(x.before, id); known {
		return false
	}
	x.fresh++
	return true
}

// pick marks accounts of a day's table.
func (x *tallied) pick(table *IDs, accounts []uint32, fresh bool) {
	on := x.accounts.of(table)
	for _, a := range accounts {
		on[a] = true
	}
	if fresh && len(x.before) > 0 {
		on := x.freshAccounts.of(table)
		for _, a := range accounts {
			on[a] = true
		}
	}
}

// wants says whether evidence of that instant would be kept.
func (x *tallied) wants(at Instant) bool {
	return len(x.evidence) < MaxEvidence || at <= x.evidence[len(x.evidence)-1].At // of one instant compareEvidence decides, not which came first
}

func (x *tallied) show(e Evidence) {
	i, _ := slices.BinarySearchFunc(x.evidence, e, compareEvidence)
	x.evidence = slices.Insert(x.evidence, i, e)
	if len(x.evidence) > MaxEvidence {
		x.evidence = x.evidence[:MaxEvidence]
	}
}

// compareEvidence orders by time. Of one instant the source decides last: which file is the first depends on the order in which they were read.
func compareEvidence(a, b Evidence) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Detail, b.Detail),
		cmp.Compare(a.Source.File, b.Source.File), cmp.Compare(a.Source.Line, b.Source.Line))
}

// Call counts a call, with those of its accounts that break the rule. detail is asked only where it is shown.
func (t *Tally) Call(subject string, day *CallDay, c *Call, accounts []uint32, detail func() string) {
	x := t.subject(subject)
	fresh := x.see(c.Hash, c.At)
	if !t.check.NoAccounts {
		x.pick(&day.Accounts, accounts, fresh)
	}
	if !t.check.NoSites {
		if x.sites == nil {
			x.sites = make([]string, len(day.Sites))
		}
		x.sites[c.Site] = day.Sites[c.Site]
	}
	if x.wants(c.At) {
		e := Evidence{At: c.At, Source: c.Source, Site: day.Sites[c.Site]}
		if len(accounts) > 0 {
			e.Account = day.Accounts.At(int(accounts[0]))
		}
		if detail != nil {
			e.Detail = detail()
		}
		x.show(e)
	}
}

// Together counts calls that break the rule only together, in order of time, with all their accounts: the first is shown, with detail.
func (t *Tally) Together(subject string, day *CallDay, calls []*Call, detail string) {
	x := t.subject(subject)
	if x.sites == nil {
		x.sites = make([]string, len(day.Sites))
	}
	for i, c := range calls {
		if fresh := x.see(c.Hash, c.At); c.Retrieval() { // of another call the accounts are those that it asked for
			x.pick(&day.Accounts, c.Accounts, fresh)
		}
		x.sites[c.Site] = day.Sites[c.Site]
		if i == 0 && x.wants(c.At) {
			x.show(Evidence{At: c.At, Source: c.Source, Site: day.Sites[c.Site], Detail: detail})
		}
	}
}

// Report counts a report, with those of its accounts that break the rule.
func (t *Tally) Report(subject string, day *ReportDay, r *Report, accounts []uint32, detail func() string) {
	x := t.subject(subject)
	fresh := x.see(r.Hash, r.At)
	if !t.check.NoAccounts {
		x.pick(&day.Accounts, accounts, fresh)
	}
	if x.wants(r.At) {
		e := Evidence{At: r.At, Source: r.Source}
		if len(accounts) > 0 {
			e.Account = day.Accounts.At(int(accounts[0]))
		}
		if detail != nil {
			e.Detail = detail()
		}
		x.show(e)
	}
}

// Account counts an account of the day, once, however many calls got it; c is the call to show for it.
func (t *Tally) Account(subject string, day *CallDay, account uint32, c *Call, detail func() string) {
	x := t.subject(subject)
	if x.accounts.of(&day.Accounts)[account] {
		x.last = max(x.last, c.At)
		return
	}
	id := day.Accounts.At(int(account))
	x.pick(&day.Accounts, []uint32{account}, x.see(xxhash.Sum64String(id), c.At))
	if x.wants(c.At) {
		e := Evidence{At: c.At, Source: c.Source, Site: day.Sites[c.Site], Account: id}
		if detail != nil {
			e.Detail = detail()
		}
		x.show(e)
	}
}

// An Observed is an observation that breaks a rule, as a Tally counts it.
type Observed struct {
	*Observation
	Accounts []string          // whom it is about, no two equal
	Hosts    []string          // that showed their addresses, or got them
	Details  map[string]string // by account: what evidence says of it; under "": of what is about no account
	Doubtful bool              // it is possible only
}

// Observed counts an observation. One that was counted under the subject already is not counted again.
func (t *Tally) Observed(subject string, o Observed) {
	x := t.subject(subject)
	id := o.Occurrence()
	if x.observed[id] {
		return
	}
	if x.observed == nil {
		x.observed = map[uint64]bool{}
	}
	x.observed[id] = true
	fresh := x.see(id, o.At)
	if o.Doubtful {
		x.doubtful++
	}
	if !t.check.NoAccounts {
		x.named = append(x.named, o.Accounts...)
		if fresh {
			x.freshNamed = append(x.freshNamed, o.Accounts...)
		}
	}
	if !t.check.NoSites {
		x.sites = append(x.sites, o.Site)
	}
	x.hosts = append(x.hosts, o.Hosts...)
	about := o.Accounts
	if len(about) == 0 {
		about = []string{""}
	}
	for _, account := range about {
		if x.wants(o.At) {
			x.show(Evidence{At: o.At, Source: o.Source, Site: o.Site, Account: account, Detail: o.Details[account]})
		}
	}
}

// State counts a state that holds.
func (t *Tally) State(subject string, e Evidence) {
	x := t.subject(subject)
	if len(x.occurrences) > 0 {
		return
	}
	x.see(1, t.asOf)
	if e.At == 0 {
		e.At = t.asOf
	}
	x.show(e)
}

// Contributions is what was counted, by subject.
func (t *Tally) Contributions(app string) []Contribution {
	var out []Contribution
	for subject, x := range t.subjects {
		c := Contribution{Check: t.check.ID, App: app, Subject: subject, Day: t.day,
			Occurrences: x.occurrences, First: x.first, Last: x.last, Evidence: x.evidence}
		if !t.counts {
			slices.Sort(c.Occurrences)
		}
		c.Doubtful = x.doubtful == len(x.occurrences)
		c.Accounts = Union(x.accounts.ids(), NewIDs(x.named...))
		c.Sites = NewIDs(slices.DeleteFunc(x.sites, func(s string) bool { return s == "" })...)
		c.Hosts = NewIDs(slices.DeleteFunc(x.hosts, func(s string) bool { return s == "" })...)
		c.Fresh, c.FreshAccounts = x.fresh, c.Accounts
		if len(x.before) > 0 {
			c.FreshAccounts = Union(x.freshAccounts.ids(), NewIDs(x.freshNamed...))
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Contribution) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}
