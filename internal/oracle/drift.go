package oracle

import (
	"math"
	"sort"
	"time"
)

// What the guideline's policy says of access that no approved purpose explains.
var (
	oneAtATime = []string{"error-reports", "security-alerts", "user-invitations"} // purposes that need one account at a time
	largeSets  = []string{"subscribed-alerts", "connect-mail-service"}            // that need large sets, once a month
)

const (
	matters  = 50   // accounts, or calls in vain, that matter
	share    = 0.05 // of a site's users, likewise
	learning = 14   // days
	aMonth   = 56   // days that must be known where large sets come once a month
	reach    = 63   // days that a day is held against
)

// inVain: a call for what the site does not have.
func (c call) inVain() bool { return c.status == 404 || c.status == 200 && len(held(c.accounts)) == 0 }

// A day of an app, and what is looked at of it.
type appDay struct {
	*audit
	app   string
	day   time.Time
	days  map[time.Time][]call // all calls of the app, by day, in order of time
	past  []time.Time          // the days that it is held against
	got   map[string][]call    // retrievals that no other check finds, by site
	asked map[string][]call    // these, and calls in vain at moments with an approval in force
}

// purposeDrift: access that no approved purpose explains.
func (a *audit) purposeDrift() {
	if !a.lookedAccess || !a.lookedApps || !a.lookedInstalls {
		return
	}
	apps := map[string][]call{}
	for _, c := range a.calls {
		if c.app != "" && !a.unreadable[c.app] {
			apps[c.app] = append(apps[c.app], c)
		}
	}
	for app, calls := range apps {
		sort.SliceStable(calls, func(i, j int) bool { return calls[i].ts.Before(calls[j].ts) })
		var first time.Time
		size, days := map[time.Time]int{}, map[time.Time][]call{}
		for _, c := range calls {
			if c.retrieval() && first.IsZero() {
				first = midnight(c.ts)
			}
			day := midnight(c.ts)
			days[day] = append(days[day], c)
			size[day] += len(held(c.accounts))
			if c.inVain() {
				size[day]++
			}
		}
		for day, n := range size {
			if n < matters || first.IsZero() || day.Before(first.AddDate(0, 0, learning)) {
				continue
			}
			d := &appDay{audit: a, app: app, day: day, days: days, got: map[string][]call{}, asked: map[string][]call{}}
			for k := reach; k > 0; k-- {
				if p := day.AddDate(0, 0, -k); !p.Before(first) {
					d.past = append(d.past, p)
				}
			}
			d.sort()
			d.sweeps()
			d.surges()
			d.periodic()
			d.enumerations()
		}
	}
}

// sort picks the calls of the day that no other check of P1, P6 or P7 finds.
func (d *appDay) sort() {
	for _, c := range d.days[d.day] {
		approvals := d.apps[d.app].inForce(c.ts)
		if len(approvals) == 0 {
			continue
		}
		if c.inVain() {
			d.asked[c.site] = append(d.asked[c.site], c)
			continue
		}
		if !c.retrieval() {
			continue
		}
		if c.purposes {
			named := false
			for _, x := range approvals {
				named = named || in(x.purposes, c.purpose)
			}
			if !named || in(prohibited, c.purpose) || c.purpose == "" || c.purpose == "none" {
				continue
			}
		}
		d.got[c.site] = append(d.got[c.site], c)
		d.asked[c.site] = append(d.asked[c.site], c)
	}
}

// needs says what the purposes in force at a moment need: 1, one account at a time; 2, large sets once a month; 3, whatever.
func (d *appDay) needs(t time.Time) int {
	most := 1
	for _, x := range d.apps[d.app].inForce(t) {
		for _, p := range x.purposes {
			switch {
			case in(oneAtATime, p):
			case in(largeSets, p):
				most = max(most, 2)
			default:
				most = 3
			}
		}
	}
	return most
}

// upTo gives those of calls that were made when no purpose in force needed more than that.
func (d *appDay) upTo(need int, calls []call) []call {
	var out []call
	for _, c := range calls {
		if d.needs(c.ts) <= need {
			out = append(out, c)
		}
	}
	return out
}

// distinct gives the accounts of calls.
func distinct(calls []call) map[string]bool {
	out := map[string]bool{}
	for _, c := range calls {
		for _, id := range held(c.accounts) {
			out[id] = true
		}
	}
	return out
}

// users gives how many users a site has by the last event up to the end of a day; 0: nobody tells.
func (d *appDay) users(site string, day time.Time) float64 {
	var last time.Time
	users := 0.0
	for _, e := range d.events {
		if e.app == d.app && e.site == site && e.users != nil && e.ts.Before(day.AddDate(0, 0, 1)) && !e.ts.Before(last) {
			last, users = e.ts, float64(*e.users)
		}
	}
	return users
}

// since gives from when on the app is on a site without a break, at the start of the day; false: it is not.
func (d *appDay) since(site string) (time.Time, bool) {
	var begin, end time.Time // of the last break, and the first active event after it
	for _, e := range d.events {
		if e.app == d.app && e.site == site && !e.ts.After(d.day) && !e.active() && e.ts.After(end) {
			end = e.ts
		}
	}
	for _, e := range d.events {
		if e.app == d.app && e.site == site && !e.ts.After(d.day) && e.active() && !e.ts.Before(end) && (begin.IsZero() || e.ts.Before(begin)) {
			begin = e.ts
		}
	}
	return begin, !begin.IsZero()
}

// least is how many accounts matter on sites with so many users.
func least(users float64) int { return max(matters, int(math.Ceil(share*users-1e-9))) }

// found files calls of the day.
func (d *appDay) found(subject string, calls []call) {
	for _, c := range calls {
		d.count("purpose-drift", d.app, subject, held(c.accounts), c.site)
	}
}

// sweeps: at least half of a site's users within 6 hours, where all purposes in force need one account at a time. What counts are the retrievals from
// the first such hours to the last.
func (d *appDay) sweeps() {
	for site, all := range d.got {
		users := d.users(site, d.day)
		if users == 0 {
			continue
		}
		calls := d.upTo(1, all)
		from, to := len(calls), 0
		for i := range calls {
			j := i
			for j < len(calls) && calls[j].ts.Before(calls[i].ts.Add(6*time.Hour)) {
				j++
			}
			if n := len(distinct(calls[i:j])); n >= matters && float64(n) >= users/2 {
				from, to = min(from, i), max(to, j)
			}
		}
		if from < to {
			d.found("site-sweep", calls[from:to])
		}
	}
}

// onSite is how many accounts of a site the app retrieved on a day of the past. Below ten only that is kept: it counts as nine, or as all of the app's
// day where these are fewer.
func (d *appDay) onSite(site string, day time.Time) int {
	all := 0
	for s, calls := range bySite(d.days[day]) {
		n := len(distinct(calls))
		if s == site && n >= 10 {
			return n
		}
		all += n
	}
	return min(9, all)
}

// bySite sorts retrievals by site.
func bySite(calls []call) map[string][]call {
	out := map[string][]call{}
	for _, c := range calls {
		if c.retrieval() {
			out[c.site] = append(out[c.site], c)
		}
	}
	return out
}

// habit says how many days have to be known, and whether large sets may come by the date.
func (d *appDay) habit(calls []call) (days int, monthly bool) {
	days = learning
	for _, c := range calls {
		if d.needs(c.ts) == 2 {
			days, monthly = aMonth, true
		}
	}
	return days, monthly
}

// surges: accounts on one site, or on several together, far above the app's own past.
func (d *appDay) surges() {
	var rest []string
	for site := range d.asked {
		users := d.users(site, d.day)
		if users == 0 {
			continue
		}
		days, monthly := d.habit(d.got[site])
		calls := d.upTo(2, d.got[site])
		n := len(distinct(calls))
		since, there := d.since(site)
		if n >= least(users) && there && !since.After(d.day.AddDate(0, 0, -days)) {
			var past []counted
			for _, p := range d.past {
				if u := d.users(site, p); u > 0 && !p.Before(since) {
					k := d.onSite(site, p)
					past = append(past, counted{p, float64(k), u, k >= least(u)})
				}
			}
			if farAbove(past, counted{d.day, float64(n), users, true}, days, monthly) {
				d.found("surge", calls)
				continue
			}
		}
		rest = append(rest, site)
	}

	// Together: the sites on which the app is for as long as its past reaches, without those that are a surge on their own.
	if len(d.past) == 0 {
		return
	}
	old := func(site string) bool {
		since, there := d.since(site)
		return there && !since.After(d.past[0])
	}
	var calls []call
	total, users, days, monthly := 0, 0.0, learning, false
	together := map[string]bool{}
	for _, site := range rest {
		if !old(site) {
			continue
		}
		some := d.upTo(2, d.got[site])
		calls = append(calls, some...)
		total += len(distinct(some))
		users += d.users(site, d.day)
		n, m := d.habit(d.got[site])
		days, monthly = max(days, n), monthly || m
		together[site] = true
	}
	if total < least(users) {
		return
	}
	for _, e := range d.events { // those that are quiet today
		if _, loud := d.asked[e.site]; e.app == d.app && !loud && old(e.site) {
			together[e.site] = true
		}
	}
	of := func(day time.Time) (users float64) {
		for site := range together {
			users += d.users(site, day)
		}
		return users
	}
	var past []counted
	for _, p := range d.past {
		n := 0
		for site, calls := range bySite(d.days[p]) {
			if k := len(distinct(calls)); together[site] || k < 10 { // below ten nobody knows which site it was
				n += k
			}
		}
		if u := of(p); u > 0 {
			past = append(past, counted{p, float64(n), u, n >= least(users)})
		}
	}
	if farAbove(past, counted{d.day, float64(total), of(d.day), true}, days, monthly) {
		d.found("surge", calls)
	}
}

// periodic: the same set, two thirds of either, and enough to matter, as some weeks before, with less than half as many on each day between.
func (d *appDay) periodic() {
	for site, all := range d.got {
		users := d.users(site, d.day)
		calls := d.upTo(1, all)
		now := distinct(calls)
		if users == 0 || len(now) < least(users) {
			continue
		}
		for _, weeks := range []int{7, 14, 28, 29, 30, 31, 35} {
			before := d.day.AddDate(0, 0, -weeks)
			if len(d.past) == 0 || before.Before(d.past[0]) {
				continue
			}
			then := distinct(bySite(d.days[before])[site])
			both := 0
			for id := range then {
				if now[id] {
					both++
				}
			}
			quiet := true
			for k := 1; k < weeks; k++ {
				quiet = quiet && 2*d.onSite(site, d.day.AddDate(0, 0, -k)) < len(now)
			}
			if quiet && both >= least(users) && 3*both >= 2*max(len(now), len(then)) {
				d.found("periodic-bulk", calls)
				break
			}
		}
	}
}

// enumerations: a run of calls for what a site does not have, in which nine of ten answers are in vain, on a day with far more of them than the past has.
func (d *appDay) enumerations() {
	runs := map[string][]call{}
	today := 0.0
	for site, calls := range d.asked {
		for _, c := range calls {
			if c.inVain() {
				today++
			}
		}
		// The stretch that adds up highest if an answer in vain counts 1 and another takes off 9: the first, and no longer than it must be.
		best, from, to := 0, 0, 0
		for i := range calls {
			for j, sum := i, 0; j < len(calls) && (j == i || sum > 0); j++ {
				if calls[j].inVain() {
					sum++
				} else {
					sum -= 9
				}
				if sum > best {
					best, from, to = sum, i, j+1
				}
			}
		}
		var run []call
		for _, c := range calls[from:to] {
			if c.inVain() {
				run = append(run, c)
			}
		}
		if users := d.users(site, d.day); users > 0 && len(run) >= least(users) {
			runs[site] = run
		}
	}
	var past []counted
	for _, p := range d.past {
		n := 0
		for _, c := range d.days[p] {
			if c.inVain() {
				n++
			}
		}
		past = append(past, counted{p, float64(n), 1, n >= matters})
	}
	if len(runs) == 0 || !farAbove(past, counted{d.day, today, 1, true}, learning, false) {
		return
	}
	for _, run := range runs {
		d.found("enumeration", run)
	}
}

// counted is a count on a day, what it grows with, and whether it is enough to matter.
type counted struct {
	day    time.Time
	n      float64
	users  float64
	enough bool
}

// farAbove says whether today is far above the ordinary days before: at least five times what is expected, 1.75 times the busiest of its kind, and ten
// robust standard deviations above. A day that was itself far above those before it is not ordinary.
func farAbove(past []counted, today counted, days int, monthly bool) bool {
	var ordinary []counted
	for _, p := range past {
		if p.enough && len(ordinary) >= days && exceeds(ordinary, p, monthly) {
			continue
		}
		ordinary = append(ordinary, p)
	}
	return len(ordinary) >= days && exceeds(ordinary, today, monthly)
}

func exceeds(ordinary []counted, today counted, monthly bool) bool {
	scaled := func(c counted) float64 { return c.n * today.users / c.users }
	root := func(n float64) float64 { return math.Sqrt(n + 3.0/8) }
	square := func(y float64) float64 { return max(0, y*y-3.0/8) }
	weekend := func(t time.Time) bool { return t.Weekday() == time.Saturday || t.Weekday() == time.Sunday }
	expected := func(day time.Time) float64 {
		var weekday, kind, all []float64
		for _, c := range ordinary {
			y := root(scaled(c))
			all = append(all, y)
			if weekend(c.day) == weekend(day) {
				kind = append(kind, y)
			}
			if c.day.Weekday() == day.Weekday() {
				weekday = append(weekday, y)
			}
		}
		if len(weekday) >= 4 {
			return middle(weekday)
		}
		if len(kind) > 0 {
			return middle(kind)
		}
		return middle(all)
	}
	var off []float64
	busiest := 0.0
	for _, c := range ordinary {
		off = append(off, math.Abs(root(scaled(c))-expected(c.day)))
		if monthly || weekend(c.day) == weekend(today.day) {
			busiest = max(busiest, scaled(c))
		}
	}
	deviation := max(1.4826*middle(off), 0.5) // of square roots: that of a Poisson count is a half
	m := expected(today.day)
	return today.n >= square(m+10*deviation) && today.n >= 5*square(m) && today.n >= 1.75*busiest
}

// middle is the median.
func middle(list []float64) float64 {
	sort.Float64s(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
