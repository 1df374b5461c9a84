package demo

import (
	"math/rand/v2"
	"slices"
	"time"
)

// app is an app: what the registry says of it, and what it does.
type app struct {
	entry
	m   *Market
	rng *rand.Rand

	places []*place
	uses   []use
	auth   string  // how it calls
	wiki   bool    // it calls Confluence, not Jira
	rate   float64 // ordinary calls on a working day
	asked  bool    // the platform answers its reports by chance; else nothing but what a story says
	every  int     // days between its reports; 0: only those of its story
	phase  int     // day of the first

	events []event
	held   []string             // the accounts that it stores, in the order of their coming
	since  map[string]time.Time // and when it fetched each last
	closed map[string]bool      // accounts that it was told are closed
	left   []*place             // uninstalled; their accounts go with the next report
}

// place is a site that an app is installed on, from one moment to another, and the accounts there that it deals with.
type place struct {
	*site
	from, to time.Time // to is zero while it stays
	pool     []string
	silent   bool // snapshots leave it out
}

// use is a purpose that an app has for addresses, and when.
type use struct {
	purpose  string
	from, to time.Time // to is zero: for good
}

// event is something that an app does.
type event struct {
	at time.Time
	do func()
}

// do plans something that the app does.
func (a *app) do(at time.Time, what func()) {
	i, _ := slices.BinarySearchFunc(a.events, at, func(e event, t time.Time) int {
		if e.at.After(t) {
			return 1
		}
		return -1 // after those of the same moment
	})
	a.events = slices.Insert(a.events, i, event{at, what})
}

// live plays the thirty days of an app.
func (a *app) live() {
	a.since, a.closed = map[string]time.Time{}, map[string]bool{}
	for _, p := range a.places {
		if !p.to.IsZero() {
			a.do(p.to, func() { a.left = append(a.left, p) })
		}
	}
	for n := range nights {
		a.plan(n)
	}
	slices.SortStableFunc(a.events, func(x, y event) int { return x.at.Compare(y.at) })
	for i := 0; i < len(a.events); i++ { // what is done may plan more
		a.events[i].do()
	}
}

// plan plans the ordinary calls and reports of a day.
func (a *app) plan(n int) {
	midnight := a.m.start.Add(time.Duration(n) * day)
	busy := a.rate * (0.7 + 0.6*a.rng.Float64())
	if w := midnight.Weekday(); w == time.Saturday || w == time.Sunday {
		busy *= 0.3
	}
	for range int(busy + a.rng.Float64()) {
		t := midnight.Add(4*hour + time.Duration(a.rng.Int64N(int64(9*hour))+a.rng.Int64N(int64(9*hour)))).Truncate(time.Millisecond)
		a.events = append(a.events, event{t, func() { a.call(t) }})
	}
	if a.every > 0 && n >= a.phase && (n-a.phase)%a.every == 0 {
		t := midnight.Add(3*hour + time.Duration(a.rng.Int64N(int64(16*hour)))).Truncate(time.Second)
		a.events = append(a.events, event{t, func() { a.reportAll(t) }})
	}
}

// purpose is one of those that the app has for addresses at t; "" where it has none.
func (a *app) purpose(t time.Time) string {
	var now []string
	for _, u := range a.uses {
		if !t.Before(u.from) && (u.to.IsZero() || t.Before(u.to)) {
			now = append(now, u.purpose)
		}
	}
	if len(now) == 0 {
		return ""
	}
	return now[a.rng.IntN(len(now))]
}

// has says whether the app is installed there at t.
func (p *place) has(t time.Time) bool {
	return t.After(p.from) && (p.to.IsZero() || t.Before(p.to))
}

// call is an ordinary call: where the app is installed, for a purpose that it was approved for, of accounts that are not closed.
func (a *app) call(t time.Time) {
	p := a.places[a.rng.IntN(len(a.places))]
	purpose := a.purpose(t)
	if !p.has(t) || purpose == "" {
		return
	}
	switch n := a.rng.IntN(200); {
	case n < 2:
		a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: 429})
		return
	case n < 3:
		a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: 404})
		return
	}
	count := 1
	if a.rng.IntN(4) == 0 {
		count = 2 + a.rng.IntN(9)
	}
	var ids []string
	for _, id := range a.some(p, count) {
		if !a.closed[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	if len(ids) > 1 && a.rng.IntN(40) == 0 {
		a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: 200, accounts: append(slices.Clone(ids), "unknown")})
	} else {
		a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: 200, accounts: ids})
	}
	a.keep(t, ids)
}

// some picks up to n accounts of a place, each once.
func (a *app) some(p *place, n int) []string {
	from := a.rng.IntN(len(p.pool))
	out := make([]string, 0, n)
	for i := range min(n, len(p.pool)) {
		out = append(out, p.pool[(from+i)%len(p.pool)])
	}
	return out
}

// keep stores accounts, where the app stores any.
func (a *app) keep(t time.Time, ids []string) {
	if a.Stores == nil || !*a.Stores {
		return
	}
	for _, id := range ids {
		if _, ok := a.since[id]; !ok {
			a.held = append(a.held, id)
		}
		a.since[id] = t
	}
}

// erase forgets accounts.
func (a *app) erase(ids ...string) {
	for _, id := range ids {
		delete(a.since, id)
	}
	a.held = slices.DeleteFunc(a.held, func(id string) bool { _, ok := a.since[id]; return !ok })
}

// batch is how many accounts one report may hold.
const batch = 90

// reportAll reports everything that the app stores, and obeys the answers.
func (a *app) reportAll(t time.Time) {
	if o, ok := a.m.outageAt(t); ok {
		a.m.report(&report{at: t, app: a, status: 503, accounts: a.stored(a.held[:min(batch, len(a.held))])})
		later := o.to.Add(time.Duration(1+a.rng.IntN(7*3600)) * time.Second)
		a.do(later, func() { a.reportAll(later) })
		return
	}
	if a.asked && a.rng.IntN(25) == 0 {
		a.m.report(&report{at: t, app: a, status: 429, accounts: a.stored(a.held[:min(batch, len(a.held))])})
		t = t.Add(40 * time.Second)
	}
	all := slices.Clone(a.held)
	if len(all) == 0 {
		a.m.report(&report{at: t, app: a, status: 204})
	}
	for len(all) > 0 {
		n := min(batch, len(all))
		r := &report{at: t, app: a, status: 204, accounts: a.stored(all[:n])}
		if a.asked {
			a.answer(r)
		}
		a.m.report(r)
		all, t = all[n:], t.Add(2*time.Second)
	}
	for _, p := range a.left {
		a.erase(p.pool...)
	}
	a.left = nil
}

// stored is accounts as a report holds them.
func (a *app) stored(ids []string) []stored {
	out := make([]stored, len(ids))
	for i, id := range ids {
		out[i] = stored{id, a.since[id]}
	}
	return out
}

// answer draws the platform's answers, and what a good app does about them: a closed account it erases, an updated one it fetches again or erases.
func (a *app) answer(r *report) {
	for _, s := range r.accounts {
		switch n := a.rng.IntN(1000); {
		case n < 3:
			r.answers = append(r.answers, answer{s.account, "closed"})
			a.closed[s.account] = true
			a.erase(s.account)
		case n < 8:
			r.answers = append(r.answers, answer{s.account, "updated"})
			t := r.at.Add(20*time.Minute + time.Duration(a.rng.Int64N(int64(2*hour)))).Truncate(time.Millisecond)
			a.do(t, func() { a.refresh(t, s.account) })
		}
	}
	if len(r.answers) > 0 {
		r.status = 200
	}
}

// refresh fetches an account again, or erases it where the app no longer may.
func (a *app) refresh(t time.Time, id string) {
	purpose := a.purpose(t)
	for _, p := range a.places {
		if purpose != "" && p.has(t) && slices.Contains(p.pool, id) {
			a.m.call(&call{at: t, app: a, site: p.site, purpose: purpose, status: 200, accounts: []string{id}})
			a.keep(t, []string{id})
			return
		}
	}
	a.erase(id)
}

// farewell plans the end of an app's access: it reports what it still stores, erases it, and says so with an empty report.
func (a *app) farewell(t time.Time) {
	a.do(t, func() {
		a.reportAll(t)
		a.erase(slices.Clone(a.held)...)
		a.m.report(&report{at: t.Add(hour), app: a, status: 204})
	})
}

// install puts the app on a site and says since when; it deals with some of the accounts there.
func (a *app) install(s *site, since time.Time, pool int) *place {
	p := &place{site: s, from: since}
	from := a.rng.IntN(len(s.accounts))
	for i := range min(pool, len(s.accounts)) {
		p.pool = append(p.pool, s.accounts[(from+i)%len(s.accounts)])
	}
	a.places = append(a.places, p)
	a.m.install(&install{at: since, app: a.Key, site: s, event: "installed"})
	return p
}

// uninstall takes the app off a site, and its ordinary calls with it.
func (a *app) uninstall(p *place, at time.Time) {
	p.to = at
	a.m.install(&install{at: at, app: a.Key, site: p.site, event: "uninstalled"})
}
