package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// A work is what a run has to do for one app.
type work struct {
	key       string
	calls     []Day // days with facts that the run brought
	reports   []Day
	events    []Lifecycle
	observed  []Observation // new ones
	examined  []Observation // earlier ones, that were looked into just now
	seeded    bool          // who retrieved a canary of its mails may have changed
	due       []Due         // what earlier runs left
	passed    map[Touch][]Day
	registry  bool   // the registry was looked at, and has to say something of the app
	states    bool   // its states may have changed
	suspended bool   // acts of people ended, or the policy makes something else of its findings
	entryWas  string // digest of the registry line that was last read
}

// An appResult is what examining an app gave.
type appResult struct {
	AppUpdate
	name   string // of the app, for messages
	vendor string
	deltas []delta

	suspended bool // acts of people ended
}

// A delta is how the contributions to one finding changed.
type delta struct {
	check   *Check
	subject string
	put     []Contribution
	remove  []ContributionKey

	fresh         int
	freshAccounts IDs
	gone          int
	causes        []string // facts that took something away, at most three
}

// grew says whether the finding holds more than before.
func (d *delta) grew() bool { return d.fresh > 0 || d.freshAccounts.Len() > 0 }

// works lists the apps that the run has to look at.
func (r *running) works(touched []Touched) ([]*work, error) {
	all := map[string]*work{}
	of := func(key string) *work {
		w := all[key]
		if w == nil {
			w = &work{key: key, passed: map[Touch][]Day{}}
			all[key] = w
		}
		return w
	}
	for _, t := range touched {
		w := of(t.App)
		if t.Kind == CallPack {
			w.calls = append(w.calls, t.Day)
		} else {
			w.reports = append(w.reports, t.Day)
		}
	}
	for _, e := range r.reading.Lifecycle {
		w := of(e.App)
		w.events = append(w.events, e)
	}
	for _, o := range r.reading.Observations {
		w := of(o.App)
		w.observed = append(w.observed, o)
	}
	for _, o := range r.reading.Examined {
		w := of(o.App)
		w.examined = append(w.examined, o)
	}
	for app := range r.touchedByCanaries {
		of(app).seeded = true
	}
	for _, d := range r.led.Due {
		w := of(d.App)
		w.due = append(w.due, d)
	}
	passed, err := r.Store.PacksBetween(r.ctx, r.prev, r.o.AsOf)
	if err != nil {
		return nil, err
	}
	if r.prev != Ever {
		for _, t := range passed {
			touch := TouchCalls
			if t.Kind == ReportPack {
				touch = TouchReports
			}
			w := of(t.App)
			w.passed[touch] = append(w.passed[touch], t.Day)
		}
		observed, err := r.Store.ObservedBetween(r.ctx, r.prev, r.o.AsOf)
		if err != nil {
			return nil, err
		}
		for _, t := range observed {
			w := of(t.App)
			w.passed[touchOf(t.Kind)] = append(w.passed[touchOf(t.Kind)], t.Day)
		}
	}
	if err := r.deadlinesPassed(of); err != nil {
		return nil, err
	}
	known := map[string]AppIndex{}
	each := slices.ContainsFunc(r.Checks, func(c Check) bool { return c.EachNight && !c.Off })
	for _, a := range r.led.Apps {
		known[a.Key] = a
		_, listed := r.listed[a.Key]
		if a.StatesAt <= r.o.AsOf || r.newRules != nil || len(r.newIncs) > 0 || each {
			of(a.Key).states = true
		}
		if r.listed != nil && !listed && (a.Listed || a.Blind) {
			of(a.Key).registry = true
		}
	}
	for key, entry := range r.listed {
		if a := known[key]; entry != nil && a.Listed && !a.Blind && a.Entry == entryDigest(entry) {
			r.total.Copies[entry.Source.File]++
			continue
		}
		of(key).registry = true
		of(key).entryWas = known[key].Entry
	}
	ended, err := r.Store.ActsEnding(r.ctx, r.o.AsOf)
	if err != nil {
		return nil, err
	}
	for _, a := range ended {
		of(a.App).suspended = true
	}
	moved, err := r.movedByPolicy()
	if err != nil {
		return nil, err
	}
	for _, app := range moved {
		of(app).suspended = true
	}
	works := make([]*work, 0, len(all))
	for _, w := range all {
		works = append(works, w)
	}
	slices.SortFunc(works, func(a, b *work) int {
		return cmp.Or(cmp.Compare(len(b.calls)+len(b.reports), len(a.calls)+len(a.reports)), cmp.Compare(a.key, b.key))
	})
	return works, nil
}

// movedByPolicy gives the apps of whose findings the policy may make something else than it did: exceptions that began or ended, checks that are enforced now.
func (r *running) movedByPolicy() ([]string, error) {
	var apps, checks []string
	now := r.rules.At(r.o.AsOf).Policy
	ask := false
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.EnforceFrom == 0 {
			continue
		}
		checks = append(checks, c.ID)
		ask = ask || r.prev < c.EnforceFrom && c.EnforceFrom <= r.o.AsOf
	}
	policies := []*Policy{now}
	if r.newRules != nil && len(r.led.Rules) > 0 {
		was := r.led.Rules[len(r.led.Rules)-1].Policy
		policies = append(policies, was)
		ask = ask || len(checks)+len(was.Checks) > 0
	}
	for _, p := range policies {
		for i := range p.Exceptions {
			apps = append(apps, p.Exceptions[i].App)
		}
	}
	if ask {
		more, err := r.Store.AppsNotResolved(r.ctx, checks)
		if err != nil {
			return nil, err
		}
		apps = append(apps, more...)
	}
	return apps, nil
}

// deadlinesPassed touches the days whose accounts had to be reported by now, and those whose deadline an incident or a new policy moved.
func (r *running) deadlinesPassed(of func(string) *work) error {
	if r.prev == Ever {
		return nil // whatever there is, is new
	}
	first, last := Day(math.MaxInt32), StateDay
	due := map[Day]bool{}
	from := r.o.AsOf.Day() - 3660
	if r.led.Purged > from {
		from = r.led.Purged
	}
	for d := from; d <= r.o.AsOf.Day(); d++ {
		before, now := r.oldBy(d), r.newBy(d)
		if now.Over(r.o.AsOf) != before.Over(r.prev) || now != before && now.Over(r.o.AsOf) {
			due[d] = true
			first, last = min(first, d), max(last, d)
		}
	}
	if len(due) == 0 {
		return nil
	}
	apps, err := r.Store.RetrievalDays(r.ctx, first, last)
	if err != nil {
		return err
	}
	for key, days := range apps {
		for _, d := range days {
			if due[d] {
				w := of(key)
				w.passed[TouchReporting] = append(w.passed[TouchReporting], d)
			}
		}
	}
	return nil
}

// batch is how many apps are loaded from the store at once.
const batch = 16

// examine seals, learns and judges, app by app, on all cores.
func (r *running) examine(works []*work, workers int) error {
	var next, done atomic.Int64
	var wg sync.WaitGroup
	var first error
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				// The largest come first, one by one; the many small ones are taken in batches.
				at := int(next.Load())
				size := min(batch, max(1, (len(works)-at)/(8*workers)))
				at = int(next.Add(int64(size))) - size
				if at >= len(works) {
					return
				}
				mine := works[at:min(at+size, len(works))]
				err := r.examineBatch(ctx, mine)
				if err != nil {
					r.mu.Lock()
					if first == nil {
						first = err
					}
					r.mu.Unlock()
					cancel()
					return
				}
				r.progress("judging", done.Add(int64(len(mine))), int64(len(works)))
			}
		})
	}
	wg.Wait()
	slices.Sort(r.run.Summary.Notes)
	if first == nil {
		first = r.ctx.Err()
	}
	return first
}

func (r *running) examineBatch(ctx context.Context, works []*work) error {
	known, err := r.load(ctx, works)
	if err != nil {
		return err
	}
	for i, w := range works {
		if err := r.examineApp(ctx, w, &known[i]); err != nil {
			return fmt.Errorf("app %q: %w", w.key, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// loaded is what was read of an app together with others: a query for each of many small apps would cost more than judging them does.
type loaded struct {
	facts   *AppFacts
	days    span // of the packs
	packs   []Pack
	counted map[dayCheck][]Contribution // of what the run is sure to judge; a day and check that is missing was not read
}

// load reads what the run is sure to need of apps.
func (r *running) load(ctx context.Context, works []*work) ([]loaded, error) {
	out := make([]loaded, len(works))
	at := make(map[string]int, len(works))
	keys := make([]string, len(works))
	for i, w := range works {
		keys[i], at[w.key] = w.key, i
	}
	facts, err := r.Store.Apps(ctx, keys)
	if err != nil {
		return nil, err
	}
	days := none
	var want []Due
	for i, w := range works {
		if out[i].facts = facts[w.key]; out[i].facts == nil {
			out[i].facts = &AppFacts{Key: w.key, StatesAt: Never}
		}
		see := func(list []Day) {
			for _, d := range list {
				days = span{min(days.from, d), max(days.to, d)}
			}
		}
		see(w.calls)
		see(w.reports)
		for touch, list := range w.passed {
			see(list)
			if touch == TouchReporting {
				days.to = max(days.to, r.o.AsOf.Day()) // the reports after the day
			}
		}
		if r.prev != Ever {
			want = append(want, r.judged(w)...)
		}
	}
	if days.from <= days.to {
		packs, err := r.Store.Packs(ctx, keys, days.from, days.to)
		if err != nil {
			return nil, err
		}
		for _, p := range packs {
			x := &out[at[p.App]]
			x.packs = append(x.packs, p)
		}
	}
	found, err := r.Store.Contributions(ctx, want)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].days, out[i].counted = days, map[dayCheck][]Contribution{}
	}
	for _, d := range want {
		for _, c := range d.Checks {
			out[at[d.App]].counted[dayCheck{d.Day, c}] = nil
		}
	}
	for _, c := range found {
		x, k := &out[at[c.App]], dayCheck{c.Day, c.Check}
		x.counted[k] = append(x.counted[k], c)
	}
	return out, nil
}

// judged is what is sure to be judged of an app, whatever its new facts: its states, and the days whose time has come.
func (r *running) judged(w *work) []Due {
	states := Due{App: w.key, Day: StateDay}
	days := map[Day]*Due{}
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.Holds != nil {
			states.Checks = append(states.Checks, c.ID)
		}
		for touch, list := range w.passed {
			if c.Days == nil || !c.IsTouched(touch) {
				continue
			}
			for _, day := range list {
				if days[day] == nil {
					days[day] = &Due{App: w.key, Day: day}
				}
				days[day].Checks = append(days[day].Checks, c.ID)
			}
		}
	}
	out := []Due{states}
	for _, d := range days {
		out = append(out, *d)
	}
	return out
}

// counts are what became of lines, and what else is counted: of one app, or of all so far.
type counts struct {
	Copies  map[uint32]int64   `json:"copies"` // by file, as the next two
	Facts   map[uint32]int64   `json:"facts"`
	Expired map[uint32]int64   `json:"expired"` // beside those that the reading counted
	Trouble int                `json:"trouble"` // facts of more than a day after as-of
	Unknown int                `json:"unknown"` // see Tally.Unknown
	Judged  int                `json:"judged"`
	Failed  map[string]failure `json:"failed,omitempty"` // by rule of one's own
}

// A failure is a rule of one's own that could not judge apps.
type failure struct {
	N   int    `json:"n"`
	App string `json:"app"` // the first by its key
	Why string `json:"why"` // it could not judge that one
}

// fail counts failures of a rule.
func (c *counts) fail(rule string, f failure) {
	if c.Failed == nil {
		c.Failed = map[string]failure{}
	}
	was, ok := c.Failed[rule]
	if ok && was.App < f.App {
		f.App, f.Why = was.App, was.Why
	}
	f.N += was.N
	c.Failed[rule] = f
}

func newCounts() counts {
	return counts{Copies: map[uint32]int64{}, Facts: map[uint32]int64{}, Expired: map[uint32]int64{}}
}

// add adds o's.
func (c *counts) add(o *counts) {
	for _, x := range []struct{ to, from map[uint32]int64 }{{c.Copies, o.Copies}, {c.Facts, o.Facts}, {c.Expired, o.Expired}} {
		for file, n := range x.from {
			x.to[file] += n
		}
	}
	c.Trouble += o.Trouble
	c.Unknown += o.Unknown
	c.Judged += o.Judged
	for rule, f := range o.Failed {
		c.fail(rule, f)
	}
}

// examineApp does all that a run has to do for one app.
func (r *running) examineApp(ctx context.Context, w *work, known *loaded) error {
	x := &examination{running: r, work: w, before: known.facts, counted: known.counted, days: newAppDays(ctx, r.Store, r.Archive, w.key), ctx: ctx, counts: newCounts()}
	x.days.tell(known.days, known.packs)
	res, err := x.do()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.add(&x.counts)
	if x.d.Blind && x.registry {
		r.run.Summary.Notes = append(r.run.Summary.Notes, fmt.Sprintf("The registry has only bad lines for %s: checks that need its entry could not look at it.", w.key))
	}
	if res != nil {
		r.updates = append(r.updates, res)
	}
	return nil
}

// An examination is one app under examination.
type examination struct {
	*running
	*work
	ctx     context.Context
	before  *AppFacts
	counted map[dayCheck][]Contribution // see loaded
	days    *appDays
	counts  counts

	d             Dossier
	out           appResult
	freshCalls    []*CallDay
	freshReport   []*ReportDay
	newEvents     []Lifecycle // new ones, and known ones whose time has come
	newObserved   []Observation
	approvalsWere []Approval
	queue         dueDays
	changed       bool // something new was learned of the app
}

func (x *examination) do() (*appResult, error) {
	x.out.Key, x.out.suspended = x.key, x.suspended
	x.d = Dossier{Key: x.key, AsOf: x.o.AsOf, Rules: x.rules, Versions: x.before.Versions, Approvals: x.before.Approvals,
		Blind: x.before.Blind, Incidents: x.incidents, Headers: x.before.Headers, Canaries: x.canaryOf, Days: x.days}
	x.d.Found = x.found
	x.queue = dueDays{purged: x.led.Purged, touched: map[Day]map[Touch]bool{}}
	firstEntry := x.takeRegistry()
	x.takeEvents()
	if err := x.takeObservations(); err != nil {
		return nil, err
	}
	if err := x.seal(); err != nil {
		return nil, err
	}
	x.queue.headers = x.d.Headers
	answers, err := x.learnAnswers()
	if err != nil {
		return nil, err
	}
	x.touch(answers, firstEntry)
	if err := x.judgeDays(); err != nil {
		return nil, err
	}
	if err := x.judgeStates(); err != nil {
		return nil, err
	}
	x.keep()
	if err := x.setStatesAt(); err != nil {
		return nil, err
	}
	if app := x.d.Newest(); app != nil {
		x.out.name, x.out.vendor = app.Name, cmp.Or(app.Vendor.Name, app.Vendor.ID)
	}
	if x.idle() {
		return nil, nil
	}
	out := x.out // a copy: a pointer into x would keep all that was read of the app
	return &out, nil
}

// idle says whether nothing at all came of the examination.
func (x *examination) idle() bool {
	o := &x.out
	return !x.changed && (o.Entry == "" || o.Entry == x.entryWas) && len(o.deltas) == 0 && len(o.Due) == 0 && len(x.due) == 0 && !x.suspended && o.StatesAt == x.before.StatesAt
}

// takeRegistry takes the app's entry from the registry that was read. It says whether it is the app's first, which holds from ever.
func (x *examination) takeRegistry() (first bool) {
	x.approvalsWere = x.d.Approvals
	if !x.registry {
		return false
	}
	entry, listed := x.listed[x.key]
	versions := slices.Clone(x.d.Versions)
	var last *App
	if len(versions) > 0 {
		last = versions[len(versions)-1].App
	}
	add := func(app *App) {
		v := AppVersion{From: x.o.AsOf, App: app}
		if len(versions) == 0 {
			v.From = Ever
			first = true
		}
		if n := len(versions); n > 0 && versions[n-1].From == v.From {
			versions[n-1] = v
		} else {
			versions = append(versions, v)
		}
		x.out.Version = &v
		x.changed = true
	}
	approvals := x.d.Approvals
	switch {
	case listed && entry == nil: // only bad lines: what the last good one said holds on
		x.out.Entry = unlisted
		if last == nil && len(versions) > 0 {
			for _, v := range slices.Backward(versions) {
				if v.App != nil {
					add(v.App)
					break
				}
			}
		}
	case listed:
		x.out.Entry = entryDigest(entry)
		if last == nil || !sameEntry(last, entry) {
			add(entry)
			x.counts.Facts[entry.Source.File]++
		} else if sameJSON(x.d.Approvals, mergeApprovals(x.d.Approvals, entry.Approvals, x.o.AsOf)) {
			x.counts.Copies[entry.Source.File]++
		} else {
			x.counts.Facts[entry.Source.File]++
		}
		approvals = mergeApprovals(x.d.Approvals, entry.Approvals, x.o.AsOf)
	default:
		x.out.Entry = unlisted
		if last != nil {
			add(nil)
		}
		approvals = mergeApprovals(x.d.Approvals, nil, x.o.AsOf)
	}
	blind := listed && len(versions) == 0
	if !sameJSON(approvals, x.d.Approvals) {
		x.out.SetApprovals, x.out.Approvals = true, approvals
		x.changed = true
	}
	if blind != x.d.Blind {
		x.changed = true
	}
	x.d.Versions, x.d.Approvals, x.d.Blind = versions, approvals, blind
	return first
}

// takeEvents takes the new lifecycle events, and those whose time has come. One of a day that was purged still tells the state of a site of which nothing
// is known from then on; any other judges nothing.
func (x *examination) takeEvents() {
	type name struct {
		site  string
		at    Instant
		event Event
		users int64
	}
	bySite := map[string][]Lifecycle{}
	known := map[name]bool{}
	purged := Ever
	if x.led.Purged != StateDay {
		purged = x.led.Purged.Start()
	}
	last := map[string]Instant{} // by site, of days that were purged
	for i := range x.before.Events {
		e := &x.before.Events[i]
		known[name{e.Site, e.At, e.Event, e.Users}] = true
		bySite[e.Site] = append(bySite[e.Site], e.Lifecycle)
		if e.At > x.prev && e.At <= x.o.AsOf {
			x.newEvents = append(x.newEvents, e.Lifecycle)
		}
		if at, ok := last[e.Site]; e.At < purged && (!ok || e.At > at) {
			last[e.Site] = e.At
		}
	}
	for _, e := range x.events {
		k := name{e.Site, e.At, e.Event, e.Users}
		if known[k] {
			x.counts.Copies[e.Source.File]++
			continue
		}
		known[k] = true
		if at, ok := last[e.Site]; ok && e.At <= at {
			x.counts.Expired[e.Source.File]++
			continue
		}
		x.count(e.Source, e.At)
		bySite[e.Site] = append(bySite[e.Site], e)
		x.out.Events = append(x.out.Events, e)
		x.changed = true
		if e.At <= x.o.AsOf {
			x.newEvents = append(x.newEvents, e)
		}
	}
	x.d.Sites = sitesOf(bySite)
}

// sitesOf puts events in their order, by site.
func sitesOf(bySite map[string][]Lifecycle) []SiteEvents {
	out := make([]SiteEvents, 0, len(bySite))
	for site, events := range bySite {
		SortEvents(events)
		out = append(out, SiteEvents{Site: site, Events: events})
	}
	slices.SortFunc(out, func(a, b SiteEvents) int { return cmp.Compare(a.Site, b.Site) })
	return out
}

// takeObservations takes the new captures, mails and signals, and what was seen in earlier ones.
func (x *examination) takeObservations() error {
	known := map[ObservationID]*Observation{}
	asked := map[Day]bool{}
	byDay := map[Day][]Observation{}
	take := func(o Observation) {
		day := o.At.Day()
		byDay[day] = append(byDay[day], o)
		x.newObserved = append(x.newObserved, o)
		x.out.Observations = append(x.out.Observations, o)
		x.changed = true
	}
	for _, o := range x.observed {
		if day := o.At.Day(); !asked[day] {
			asked[day] = true
			list, err := x.days.Observations(day)
			if err != nil {
				return err
			}
			for i := range list {
				known[list[i].ID] = &list[i]
			}
		}
		if was := known[o.ID]; was != nil {
			x.counts.Copies[o.Source.File]++
			if was.Trouble == "" {
				continue
			}
		} else {
			x.count(o.Source, o.At)
		}
		known[o.ID] = &o
		take(o)
	}
	for _, o := range x.examined {
		take(o)
	}
	for day, list := range byDay {
		if err := x.days.bring(day, list); err != nil {
			return err
		}
	}
	return nil
}

// count counts a new fact.
func (x *examination) count(s Source, at Instant) {
	x.countAll(1, func(int) (Source, Instant) { return s, at })
}

// countAll counts n new facts. Most of an app and day are of one file.
func (x *examination) countAll(n int, fact func(i int) (Source, Instant)) {
	late := x.o.AsOf.Add(clockTrouble)
	var file uint32
	same := int64(0) // facts of that file, one after the other
	add := func() {
		if same > 0 {
			x.counts.Facts[file] += same
		}
	}
	for i := range n {
		s, at := fact(i)
		if s.File != file {
			add()
			file, same = s.File, 0
		}
		same++
		if at > late {
			x.counts.Trouble++
		}
	}
	add()
}

// drop counts lines that were copies.
func (x *examination) drop(copies map[uint32]int64) {
	for file, n := range copies {
		x.counts.Copies[file] += n
	}
}

// wrote takes a pack that was sealed just now.
func (x *examination) wrote(p *Pack) {
	x.out.Packs = append(x.out.Packs, *p)
	x.days.wrote(*p)
}

// seal packs the new calls and reports, and writes the headers of their days.
func (x *examination) seal() error {
	slices.Sort(x.calls)
	slices.Sort(x.reports)
	for _, day := range x.calls {
		packs, err := x.days.stored(CallPack, day)
		if err != nil {
			return err
		}
		fresh, pack, copies, err := x.intake.SealCalls(x.key, day, packs)
		if err != nil {
			return err
		}
		if x.drop(copies); pack == nil {
			continue
		}
		x.countAll(len(fresh.Calls), func(i int) (Source, Instant) { return fresh.Calls[i].Source, fresh.Calls[i].At })
		x.freshCalls = append(x.freshCalls, fresh)
		x.wrote(pack)
		if len(packs) == 0 {
			x.days.calls.put(day, fresh)
		}
	}
	for _, day := range x.reports {
		packs, err := x.days.stored(ReportPack, day)
		if err != nil {
			return err
		}
		fresh, pack, copies, err := x.intake.SealReports(x.key, day, packs)
		if err != nil {
			return err
		}
		if x.drop(copies); pack == nil {
			continue
		}
		x.countAll(len(fresh.Reports), func(i int) (Source, Instant) { return fresh.Reports[i].Source, fresh.Reports[i].At })
		x.freshReport = append(x.freshReport, fresh)
		x.wrote(pack)
		if len(packs) == 0 {
			x.days.reports.put(day, fresh)
		}
	}
	return x.writeHeaders()
}

// writeHeaders makes the headers of the days with new facts anew.
func (x *examination) writeHeaders() error {
	fresh := map[Day]bool{}
	for _, d := range x.freshCalls {
		fresh[d.Day] = true
	}
	for _, d := range x.freshReport {
		fresh[d.Day] = true
	}
	observed := map[Day]ObservedKinds{}
	for i := range x.newObserved {
		o := &x.newObserved[i]
		observed[o.At.Day()] |= ObservedKind(o.Kind)
		fresh[o.At.Day()] = true
	}
	if len(fresh) == 0 {
		return nil
	}
	for i := range x.d.Headers {
		observed[x.d.Headers[i].Day] |= x.d.Headers[i].Observed
	}
	x.changed = true
	headers := slices.DeleteFunc(slices.Clone(x.d.Headers), func(h DayHeader) bool { return fresh[h.Day] })
	for day := range fresh {
		calls, err := x.days.Calls(day)
		if err != nil {
			return err
		}
		reports, err := x.days.Reports(day)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(x.freshCalls, func(d *CallDay) bool { return d.Day == day }) {
			x.d.total(calls)
		}
		h := headerOf(day, calls, reports)
		h.Observed = observed[day]
		if x.reckons() {
			h.Figures = FiguresOf(calls, reports, x.rules, Never)
			x.d.figure(day, h.Figures)
		}
		headers = append(headers, h)
		x.out.Headers = append(x.out.Headers, h)
	}
	slices.SortFunc(headers, func(a, b DayHeader) int { return cmp.Compare(a.Day, b.Day) })
	slices.SortFunc(x.out.Headers, func(a, b DayHeader) int { return cmp.Compare(a.Day, b.Day) })
	x.d.Headers = headers
	return nil
}

// headerOf is the header of a day with these facts.
func headerOf(day Day, calls *CallDay, reports *ReportDay) DayHeader {
	h := DayHeader{Day: day, FirstRetrieval: Ever, LastRetrieval: Ever, LastReport: Ever, RetrievalAfterReport: Ever, Newest: Ever}
	for i := range reports.Reports {
		r := &reports.Reports[i]
		h.Newest = max(h.Newest, r.At)
		if r.Counts() {
			if r.At > h.LastReport {
				h.LastReport, h.Held = r.At, false
			}
			h.Held = h.Held || len(r.Accounts) > 0
		}
	}
	for i := range calls.Calls {
		c := &calls.Calls[i]
		h.Newest = max(h.Newest, c.At)
		if c.Retrieval() {
			if h.FirstRetrieval == Ever {
				h.FirstRetrieval = c.At
			}
			if h.RetrievalAfterReport == Ever && h.LastReport != Ever && c.At > h.LastReport {
				h.RetrievalAfterReport = c.At
			}
			h.LastRetrieval = c.At
		}
	}
	return h
}

// firstRetrieval is the first day with one; none: after all days.
func firstRetrieval(headers []DayHeader) Day {
	for i := range headers {
		if headers[i].FirstRetrieval != Ever {
			return headers[i].Day
		}
	}
	return math.MaxInt32
}

// reckons says whether there are rules that see days in numbers.
func (x *examination) reckons() bool {
	return slices.ContainsFunc(x.Checks, func(c Check) bool { return c.Own && !c.Off })
}

// keep keeps what was counted of days: of those with new facts, and of those of which the store had nothing, so that it is counted once.
func (x *examination) keep() {
	made := x.out.Headers // with their figures
	for _, h := range x.d.Headers {
		f := x.d.figured[h.Day]
		if f == nil || slices.ContainsFunc(made, func(o DayHeader) bool { return o.Day == h.Day }) {
			continue
		}
		h.Figures = f
		x.out.Headers = append(x.out.Headers, h)
		x.changed = true
	}
	if len(x.d.totalled) > 0 {
		x.out.Totals = slices.SortedFunc(maps.Values(x.d.totalled), func(a, b DayTotals) int { return cmp.Compare(a.Day, b.Day) })
		x.changed = true
	}
}

// learnAnswers takes the answers of new reports, and what new calls retrieved after answers.
func (x *examination) learnAnswers() ([]answerChange, error) {
	known, err := ReadAnswers(x.before.Answers)
	if err != nil {
		return nil, err
	}
	var callDays []Day
	for i := range x.d.Headers {
		if x.d.Headers[i].FirstRetrieval != Ever && x.d.Headers[i].Day >= x.led.Purged {
			callDays = append(callDays, x.d.Headers[i].Day)
		}
	}
	now, changes, err := known.learn(x.freshReport, x.freshCalls, callDays, x.days.Calls)
	if err != nil {
		return nil, err
	}
	x.d.Answers = now
	if len(changes) > 0 {
		x.out.SetAnswers, x.out.Answers = true, now.AppendTo(nil)
		x.changed = true
	}
	return changes, nil
}

// touch finds the days that what is new makes due.
func (x *examination) touch(answers []answerChange, firstEntry bool) {
	q := &x.queue
	for _, d := range x.freshCalls {
		q.day(d.Day, TouchCalls)
		if x.newBy(d.Day).Over(x.o.AsOf) {
			q.day(d.Day, TouchReporting)
		}
	}
	for _, d := range x.freshReport {
		q.day(d.Day, TouchReports)
		for i := range q.headers {
			h := &q.headers[i]
			if h.Day <= d.Day && h.FirstRetrieval != Ever {
				if by := x.newBy(h.Day); by.Over(x.o.AsOf) && by.Kept(d.Day.Start()) {
					q.day(h.Day, TouchReporting)
				}
			}
		}
	}
	for i := range x.newObserved {
		o := &x.newObserved[i]
		q.day(o.At.Day(), touchOf(o.Kind))
	}
	for i := range q.headers {
		if h := &q.headers[i]; h.Observed&ObservedMail != 0 {
			if x.seeded {
				q.day(h.Day, TouchMail)
			}
			if x.calledWithin(h.Day-x.longest((*Policy).FreshDays), h.Day) {
				q.day(h.Day, TouchRetrieved)
			}
		}
	}
	past := x.longest((*Policy).DriftDays)
	for i := range q.headers {
		if h := &q.headers[i]; x.calledWithin(h.Day-past, h.Day-1) {
			q.day(h.Day, TouchPast)
		}
	}
	if begun, was := firstRetrieval(x.d.Headers), firstRetrieval(x.before.Headers); begun < was {
		q.span(span{begun, math.MaxInt32}, TouchPast) // the app's past begins earlier than was known, and so does what was learned of it
	}
	for t, days := range x.passed {
		for _, d := range days {
			q.day(d, t)
			// A day whose own facts came before their time may be a late one for what was reported.
			if t == TouchCalls && x.newBy(d).Over(x.o.AsOf) {
				q.day(d, TouchReporting)
			}
		}
	}
	for _, s := range approvalSpans(x.approvalsWere, x.d.Approvals) {
		q.span(s, TouchApproval)
	}
	if firstEntry {
		q.span(always, TouchRegistry)
	}
	for i := range x.newEvents {
		e := &x.newEvents[i]
		events := x.d.Site(e.Site).Events
		q.span(installSpan(events, e), TouchInstall)
		q.span(leavingSpan(events, e), TouchLeaving)
		q.span(spanOf(e.At, Never), TouchPast)
	}
	for i := range answers {
		c := &answers[i]
		if c.closedNow != c.closedBefore {
			q.span(spanOf(c.closedNow, Never), TouchClosed)
			for j := range q.headers {
				if h := &q.headers[j]; h.FirstRetrieval != Ever {
					if by := x.newBy(h.Day); by.Over(x.o.AsOf) && by.Kept(c.closedNow) && !by.Kept(c.closedBefore) {
						q.day(h.Day, TouchReporting)
					}
				}
			}
		}
		for _, s := range c.updated {
			q.span(s, TouchUpdated)
		}
	}
}

// touchOf is the touch of observations of a kind on their own day.
func touchOf(k Kind) Touch {
	switch k {
	case KindCaptures:
		return TouchCaptures
	case KindMail:
		return TouchMail
	}
	return TouchSignals
}

// calledWithin says whether there are new calls of the days from from to to, or calls whose time has come.
func (x *examination) calledWithin(from, to Day) bool {
	return slices.ContainsFunc(x.freshCalls, func(c *CallDay) bool { return from <= c.Day && c.Day <= to }) ||
		slices.ContainsFunc(x.passed[TouchCalls], func(d Day) bool { return from <= d && d <= to })
}

// longest is the most days that any rules ever gave: a day may be judged by old ones.
func (x *examination) longest(days func(*Policy) Day) Day {
	longest := Day(0)
	for i := range x.rules {
		longest = max(longest, days(x.rules[i].Policy))
	}
	return longest
}

func (x *examination) looksBack(c *Check) Day {
	if c.LooksBack == nil {
		return 0
	}
	return x.longest(c.LooksBack)
}

// judgeDays judges the days that are due, by the checks that they are due for and that can look.
func (x *examination) judgeDays() error {
	type job struct {
		check *Check
		since int64
	}
	jobs := map[Day][]job{}
	left := map[Day]*Due{}
	later := func(day Day, check string, since int64) {
		if left[day] == nil {
			left[day] = &Due{App: x.key, Day: day, Since: since}
		}
		l := left[day]
		l.Since = min(l.Since, since)
		if !slices.Contains(l.Checks, check) {
			l.Checks = append(l.Checks, check)
		}
	}
	add := func(day Day, c *Check, since int64) {
		switch {
		case day.Start() > x.o.AsOf: // its time comes
		case x.led.Purged != StateDay && day-x.looksBack(c) < x.led.Purged: // what it would have to see is gone: what was said of the day stays
		case x.unset[c.Key()]: // what is configured holds from its first run on, so nothing is owed
		case !x.sees(c):
			later(day, c.Key(), since)
		case slices.ContainsFunc(jobs[day], func(j job) bool { return j.check.Key() == c.Key() }):
			for i := range jobs[day] {
				if j := &jobs[day][i]; j.check.Key() == c.Key() {
					j.since = min(j.since, since)
				}
			}
		default:
			jobs[day] = append(jobs[day], job{c, since})
		}
	}
	for i := range x.Checks {
		c := &x.Checks[i]
		if c.Days == nil || x.key == "" && slices.Contains(c.Needs, KindApps) {
			continue
		}
		for day, touches := range x.queue.touched {
			for t := range touches {
				if c.IsTouched(t) {
					add(day, c, x.run.Seq)
					break
				}
			}
		}
		for _, d := range x.due {
			if d.Day != StateDay && d.Day >= x.led.Purged && slices.Contains(d.Checks, c.Key()) {
				add(d.Day, c, d.Since)
			}
		}
	}
	var dueDays []Day
	var want []Due
	for day, js := range jobs {
		dueDays = append(dueDays, day)
		w := Due{App: x.key, Day: day}
		for _, j := range js {
			w.Checks = append(w.Checks, j.check.ID)
		}
		want = append(want, w)
	}
	slices.Sort(dueDays)
	before, err := x.contributions(want)
	if err != nil {
		return err
	}
	deltas := map[ContributionKey]*delta{} // under day 0
	for _, day := range dueDays {
		for _, j := range jobs[day] {
			if err := x.judge(j.check, day, j.since, before[dayCheck{day, j.check.ID}], deltas); err != nil {
				return err
			}
		}
		if err := x.ctx.Err(); err != nil {
			return err
		}
	}
	x.addDeltas(deltas)
	for _, d := range left {
		slices.Sort(d.Checks)
		x.out.Due = append(x.out.Due, *d)
	}
	return nil
}

type dayCheck struct {
	day   Day
	check string
}

// contributions loads what was counted before, by day and check.
func (x *examination) contributions(want []Due) (map[dayCheck][]Contribution, error) {
	out := map[dayCheck][]Contribution{}
	if x.prev == Ever {
		return out, nil
	}
	var more []Due
	for _, w := range want {
		ask := Due{App: x.key, Day: w.Day}
		for _, check := range w.Checks {
			if list, ok := x.counted[dayCheck{w.Day, check}]; ok {
				out[dayCheck{w.Day, check}] = list
			} else if w.Day == StateDay || x.hadFacts(w.Day) {
				ask.Checks = append(ask.Checks, check)
			}
		}
		if len(ask.Checks) > 0 {
			more = append(more, ask)
		}
	}
	if len(more) == 0 {
		return out, nil
	}
	found, err := x.Store.Contributions(x.ctx, more)
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		k := dayCheck{c.Day, c.Check}
		out[k] = append(out[k], c)
	}
	return out, nil
}

// hadFacts says whether earlier runs brought anything of a day. Of one without nothing was counted.
func (x *examination) hadFacts(day Day) bool {
	_, ok := slices.BinarySearchFunc(x.before.Headers, day, func(h DayHeader, day Day) int { return cmp.Compare(h.Day, day) })
	return ok
}

// sees says whether a check can look at the app.
func (x *examination) sees(c *Check) bool {
	return x.canLook[c.Key()] && !(x.d.Blind && slices.Contains(c.Needs, KindApps))
}

// judge judges one day, or the present state, by one check, and notes what changed.
func (x *examination) judge(c *Check, day Day, since int64, before []Contribution, deltas map[ContributionKey]*delta) error {
	x.counts.Judged++
	old := map[string]*Contribution{}
	counted := map[string][]uint64{}
	for i := range before {
		if !c.Owns(before[i].Subject) {
			continue
		}
		old[before[i].Subject] = &before[i]
		counted[before[i].Subject] = before[i].Occurrences
	}
	t := NewTally(c, day, x.o.AsOf, counted)
	var err error
	if day == StateDay {
		err = c.Holds(&x.d, t)
	} else {
		err = c.Days(&x.d, day, t)
	}
	if err != nil {
		return fmt.Errorf("check %s: %w", c.ID, err)
	}
	x.counts.Unknown += t.Unknown
	at := func(subject string) *delta {
		k := ContributionKey{Check: c.ID, App: x.key, Subject: subject}
		if deltas[k] == nil {
			deltas[k] = &delta{check: c, subject: subject}
		}
		return deltas[k]
	}
	for _, n := range t.Contributions(x.key) {
		o := old[n.Subject]
		delete(old, n.Subject)
		if o != nil && o.says(&n) {
			continue
		}
		d := at(n.Subject)
		if o != nil && day == StateDay {
			n.First = o.First
		}
		d.put = append(d.put, n)
		d.fresh += n.Fresh
		d.freshAccounts = Union(d.freshAccounts, n.FreshAccounts)
		if o != nil {
			// An occurrence that stays may come to hold more accounts: a report, by later answers.
			d.freshAccounts = Union(d.freshAccounts, n.Accounts.Minus(o.Accounts))
			if err := x.takenAway(d, c, day, since, o, n.Occurrences); err != nil {
				return err
			}
		}
	}
	for _, o := range old {
		d := at(o.Subject)
		d.remove = append(d.remove, o.Key())
		if day != StateDay {
			if err := x.takenAway(d, c, day, since, o, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *examination) addDeltas(deltas map[ContributionKey]*delta) {
	for _, d := range deltas {
		x.out.deltas = append(x.out.deltas, *d)
		x.out.Put = append(x.out.Put, d.put...)
		x.out.Delete = append(x.out.Delete, d.remove...)
	}
	slices.SortFunc(x.out.deltas, func(a, b delta) int {
		return cmp.Or(cmp.Compare(a.check.ID, b.check.ID), cmp.Compare(a.subject, b.subject))
	})
}

// judgeStates judges what holds at as-of, where anything that it depends on may have changed.
func (x *examination) judgeStates() error {
	if x.key == "" {
		return nil
	}
	var pending []string
	since := x.run.Seq
	for _, d := range x.due {
		if d.Day == StateDay {
			pending = append(pending, d.Checks...)
			since = min(since, d.Since)
		}
	}
	touched := x.changed || x.states || len(x.passed) > 0 || len(x.newEvents) > 0 || firstRun(x.led)
	left := Due{App: x.key, Day: StateDay, Since: since}
	want := Due{App: x.key, Day: StateDay}
	var look []*Check
	for i := range x.Checks {
		c := &x.Checks[i]
		if c.Holds == nil || !touched && !slices.Contains(pending, c.Key()) {
			continue
		}
		if x.unset[c.Key()] {
			continue
		}
		if !x.sees(c) {
			left.Checks = append(left.Checks, c.Key())
			continue
		}
		look = append(look, c)
		want.Checks = append(want.Checks, c.ID)
	}
	var before map[dayCheck][]Contribution
	if len(look) > 0 {
		var err error
		if before, err = x.contributions([]Due{want}); err != nil {
			return err
		}
	}
	// Rules of one's own see what the others find.
	for _, own := range []bool{false, true} {
		deltas := map[ContributionKey]*delta{}
		for _, c := range look {
			if c.Own != own {
				continue
			}
			err := x.judge(c, StateDay, since, before[dayCheck{StateDay, c.ID}], deltas)
			var failed *RuleError
			if errors.As(err, &failed) {
				x.counts.fail(c.ID, failure{1, x.key, failed.Error()})
				left.Checks = append(left.Checks, c.Key())
			} else if err != nil {
				return err
			}
			if err := x.ctx.Err(); err != nil {
				return err
			}
		}
		x.addDeltas(deltas)
	}
	if len(left.Checks) > 0 {
		x.out.Due = append(x.out.Due, left)
	}
	return nil
}

// found is what checks of the guideline find in the app, this run's findings among it, by check and subject.
func (x *examination) found() ([]ContributionSpan, error) {
	spans, err := x.Store.Spans(x.ctx, x.key)
	if err != nil {
		return nil, err
	}
	at := map[ContributionKey]ContributionSpan{}
	for _, s := range spans {
		at[s.ContributionKey] = s
	}
	for i := range x.out.deltas {
		for _, k := range x.out.deltas[i].remove {
			delete(at, k)
		}
		for j := range x.out.deltas[i].put {
			c := &x.out.deltas[i].put[j]
			at[c.Key()] = ContributionSpan{c.Key(), c.First, c.Last}
		}
	}
	own := map[string]bool{}
	for i := range x.Checks {
		own[x.Checks[i].ID] = x.Checks[i].Own
	}
	of := map[FindingKey]ContributionSpan{}
	for _, s := range at {
		if isOwn, known := own[s.Check]; isOwn || !known {
			continue
		}
		if s.Day == StateDay { // a state has no moments of its own
			s.First, s.Last = min(s.First, x.o.AsOf), x.o.AsOf
		}
		k := s.Finding()
		if was, ok := of[k]; ok {
			s.First, s.Last = min(s.First, was.First), max(s.Last, was.Last)
		}
		s.Day = 0
		of[k] = s
	}
	return slices.SortedFunc(maps.Values(of), func(a, b ContributionSpan) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject))
	}), nil
}

func firstRun(l *Ledger) bool { return l.Last == nil }

// setStatesAt finds when the passing of time alone may next change a state, or bring a lifecycle event's time.
func (x *examination) setStatesAt() error {
	next := Never
	at := func(t Instant) {
		if t > x.o.AsOf && t < next {
			next = t
		}
	}
	for i := range x.d.Approvals {
		from, to := x.d.Approvals[i].Span()
		at(from)
		at(to)
	}
	for i := range x.d.Sites {
		for j := range x.d.Sites[i].Events {
			at(x.d.Sites[i].Events[j].At)
		}
	}
	last, held, err := x.d.LastReport()
	if err != nil {
		return err
	}
	start := last
	if !held {
		if start, err = x.d.RetrievalAfter(last); err != nil {
			return err
		}
	}
	if start != Ever {
		period := x.d.RulesNow().Policy.ReportingPeriod
		at(x.d.Deadline(start.Add(period)).At.Add(1))
	}
	x.out.StatesAt, x.out.Blind = next, x.d.Blind
	return nil
}
