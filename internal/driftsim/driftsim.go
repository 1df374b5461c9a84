// Package driftsim simulates apps of every purpose over ninety days, most of them with nothing amiss and some with a drift planted, and tells what the check
// purpose-drift finds of it: how often it is wrong, and how many drifts it finds within two nights.
//
// What is ordinary here: weekdays and weekends, holidays and the days after them, outages, busy days of up to three times the usual, habits by the week and the month,
// growth of sites and of apps, new sites with their first rush, sites that are left, retries of ids that are gone. What is not: a legitimate event that
// concerns more than a twentieth of a site at once and has no precedent, such as an alert to everybody. The check finds that, and a reviewer has to tell.
package driftsim

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks"
)

const (
	days     = 90
	learning = 14
)

// Purposes are those of the simulated apps; "own" is one that the policy does not know.
func Purposes() []string {
	return []string{"error-reports", "security-alerts", "user-invitations", "subscribed-alerts", "connect-mail-service", "user-sync", "own"}
}

// Patterns are the drifts that are planted.
func Patterns() []string { return []string{"site-sweep", "surge", "periodic-bulk", "enumeration"} }

// A Row is what became of the apps of one purpose, or of the drifts of one pattern.
type Row struct {
	Name    string
	Apps    int
	Nights  int // judged, of apps and days with nothing amiss
	False   int // findings that are wrong
	Planted int
	Found   int // within two nights, as what they are
	Any     int // within two nights, as whatever pattern
}

// A Result is what a simulation gave.
type Result struct {
	Purposes []Row
	Patterns []Row
	Wrong    []string // what was found wrongly
}

// Total is the sum of the purposes' rows.
func (r *Result) Total() Row {
	t := Row{Name: "all"}
	for _, x := range r.Purposes {
		t.Apps, t.Nights, t.False = t.Apps+x.Apps, t.Nights+x.Nights, t.False+x.False
		t.Planted, t.Found, t.Any = t.Planted+x.Planted, t.Found+x.Found, t.Any+x.Any
	}
	return t
}

// Write prints the result as a table.
func (r *Result) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "purpose\tapps\tquiet app-nights\tfalse findings\tdrifts\twithin two nights\tas any pattern\t")
	for _, x := range append(slices.Clone(r.Purposes), r.Total()) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t\n", x.Name, x.Apps, x.Nights, x.False, x.Planted, share(x.Found, x.Planted), share(x.Any, x.Planted))
	}
	fmt.Fprintln(t, "\t\t\t\t\t\t\t")
	fmt.Fprintln(t, "pattern\t\t\t\tdrifts\twithin two nights\tas any pattern\t")
	for _, x := range r.Patterns {
		fmt.Fprintf(t, "%s\t\t\t\t%d\t%s\t%s\t\n", x.Name, x.Planted, share(x.Found, x.Planted), share(x.Any, x.Planted))
	}
	return t.Flush()
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%.3f)", n, float64(n)/float64(of))
}

// Run simulates quiet apps of each purpose that have nothing amiss, and as many with a drift as planted says for each purpose and pattern that fits it.
func Run(seed uint64, quiet, planted int) (*Result, error) {
	check, ok := checks.Get("purpose-drift")
	if !ok {
		return nil, fmt.Errorf("there is no check purpose-drift")
	}
	type job struct{ purpose, pattern, n int } // pattern -1: nothing amiss
	var jobs []job
	for p, purpose := range Purposes() {
		for n := range quiet {
			jobs = append(jobs, job{p, -1, n})
		}
		for k, pattern := range Patterns() {
			for n := range planted {
				if fits(purpose, pattern) {
					jobs = append(jobs, job{p, k, n})
				}
			}
		}
	}
	r := &Result{}
	for _, p := range Purposes() {
		r.Purposes = append(r.Purposes, Row{Name: p})
	}
	for _, p := range Patterns() {
		r.Patterns = append(r.Patterns, Row{Name: p})
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	work := make(chan job)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for x := range work {
				pattern := ""
				if x.pattern >= 0 {
					pattern = Patterns()[x.pattern]
				}
				a := newApp(rand.New(rand.NewPCG(seed, uint64(x.purpose)<<40|uint64(x.pattern+1)<<32|uint64(x.n))), Purposes()[x.purpose], pattern)
				o, err := a.judge(&check)
				mu.Lock()
				if err != nil {
					failed = err
				}
				row := &r.Purposes[x.purpose]
				row.Apps, row.Nights, row.False = row.Apps+1, row.Nights+o.nights, row.False+len(o.wrong)
				for _, w := range o.wrong {
					r.Wrong = append(r.Wrong, fmt.Sprintf("%s %d: %s", Purposes()[x.purpose], x.n, w))
				}
				if x.pattern >= 0 {
					for _, row := range []*Row{row, &r.Patterns[x.pattern]} {
						row.Planted, row.Found, row.Any = row.Planted+1, row.Found+o.found, row.Any+o.any
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, x := range jobs {
		work <- x
	}
	close(work)
	wg.Wait()
	slices.Sort(r.Wrong)
	return r, failed
}

// fits says whether a pattern is a drift for apps of a purpose: what the purpose explains is none.
func fits(purpose, pattern string) bool {
	switch pattern {
	case "enumeration":
		return true
	case "surge":
		return purpose != "user-sync" && purpose != "own"
	}
	return purpose == "error-reports" || purpose == "security-alerts" || purpose == "user-invitations"
}

// outcome is what the check found of an app.
type outcome struct {
	nights     int
	wrong      []string
	found, any int
}

// judge has every day judged, in order.
func (a *app) judge(check *audit.Check) (o outcome, err error) {
	d := a.dossier()
	from := days // the first day that is no longer quiet
	if a.drift >= 0 {
		from = a.drift
	}
	wrong := map[string]bool{}
	for n := learning; n < days; n++ {
		day := first + audit.Day(n)
		tally := audit.NewTally(check, day, d.AsOf, nil)
		if err := check.Days(d, day, tally); err != nil {
			return o, err
		}
		if n < from {
			o.nights++
		}
		for _, c := range tally.Contributions(d.Key) {
			detail := ""
			if len(c.Evidence) > 0 {
				detail = c.Evidence[0].Detail
			}
			switch {
			case n < from && !a.aware(n):
				if !wrong[c.Subject] {
					wrong[c.Subject] = true
					o.wrong = append(o.wrong, fmt.Sprintf("%s on day %d: %s", c.Subject, n, detail))
				}
			case n >= a.complete && n < a.complete+2:
				o.any = 1
				if c.Subject == a.pattern {
					o.found = 1
				}
			}
		}
	}
	return o, nil
}

var first = audit.At(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)).Day()

// app is a simulated app.
type app struct {
	rnd      *rand.Rand
	purpose  string
	pattern  string // "": nothing amiss
	drift    int    // the day on which the drift begins; -1: none
	every    int    // days of a periodic drift
	complete int    // the day on which all that makes it the pattern has happened

	sites  []*site
	days   map[audit.Day]*audit.CallDay
	totals map[audit.Day]audit.DayTotals
	hashes uint64

	weekend float64 // of a working day
	quiet   map[int]bool
	noise   float64
	growth  float64 // a day
	shift   int     // the day of a lasting change, by shifted
	shifted float64
	stale   int // ids that are gone and asked for each day
}

// site is a site of a simulated app.
type site struct {
	name     string
	from, to int // installed; to: days where it stays
	users    float64
	grows    float64 // a day
	accounts []string
	share    float64 // of the users that a usual working day concerns
	chosen   float64 // of the users that subscribed or linked
	every    int     // days between digests or refreshes to all chosen; 0: none
	phase    int
	busy     float64 // chance of a busy day
}

func (a *app) between(from, to float64) float64 { return from + (to-from)*a.rnd.Float64() }

// log is like between, on a logarithmic scale.
func (a *app) log(from, to float64) float64 { return math.Exp(a.between(math.Log(from), math.Log(to))) }

func newApp(rnd *rand.Rand, purpose, pattern string) *app {
	a := &app{rnd: rnd, purpose: purpose, pattern: pattern, drift: -1, days: map[audit.Day]*audit.CallDay{}, totals: map[audit.Day]audit.DayTotals{}, quiet: map[int]bool{}, shift: -1}
	a.weekend, a.noise = a.between(0.05, 0.6), a.between(0.1, 0.5)
	a.growth = a.between(-0.002, 0.008)
	for range rnd.IntN(4) { // holidays and outages
		a.quiet[rnd.IntN(days)] = true
	}
	if rnd.IntN(5) == 0 {
		a.shift, a.shifted = rnd.IntN(days), a.between(0.5, 2)
	}
	if rnd.IntN(3) == 0 {
		a.stale = 1 + rnd.IntN(30)
	}
	for i := range 1 + int(a.log(1, 9)) {
		s := &site{name: fmt.Sprintf("site-%d", i), from: -100, to: days, users: math.Floor(a.log(30, 3000)), grows: a.between(0, 0.003), busy: a.between(0, 0.03)}
		if i > 0 && rnd.IntN(3) == 0 {
			s.from = rnd.IntN(days)
		}
		if i > 0 && rnd.IntN(10) == 0 {
			s.to = s.from + 30 + rnd.IntN(60)
		}
		s.share, s.chosen = a.log(0.001, 0.04), a.log(0.02, 0.6)
		if rnd.IntN(3) > 0 {
			s.every, s.phase = []int{1, 7, 7, 14, 28, 30}[rnd.IntN(6)], rnd.IntN(30)
		}
		for k := range int(s.users * 1.4) {
			s.accounts = append(s.accounts, fmt.Sprintf("%08x%016x", k, uint64(i)<<32|rnd.Uint64()>>40))
		}
		a.sites = append(a.sites, s)
	}
	if pattern != "" {
		a.plant()
	}
	for n := range days {
		a.live(n)
	}
	return a
}

// plant decides when the drift begins, on the first site, which is there throughout.
func (a *app) plant() {
	s := a.sites[0]
	if s.users < 100 {
		s.users = math.Floor(a.log(100, 3000))
		for k := len(s.accounts); k < int(s.users*1.4); k++ {
			s.accounts = append(s.accounts, fmt.Sprintf("%08x%016x", k, a.rnd.Uint64()>>40))
		}
	}
	earliest := 20
	if a.purpose == "subscribed-alerts" || a.purpose == "connect-mail-service" {
		earliest = 58
	}
	again := 0
	if a.pattern == "periodic-bulk" {
		a.every = []int{7, 14, 28, 30}[a.rnd.IntN(4)]
		again = a.every
	}
	a.drift = earliest + a.rnd.IntN(days-2-earliest-again)
	a.complete = a.drift + again
}

// aware says whether the app's quiet days are over by day n.
func (a *app) aware(n int) bool { return a.drift >= 0 && n >= a.drift }

// at is how many users a site has on day n.
func (s *site) at(n int) float64 {
	return min(math.Floor(s.users*math.Pow(1+s.grows, float64(n))), float64(len(s.accounts)))
}

// factor is how busy a day is, of a usual working day.
func (a *app) factor(n int) float64 {
	f := math.Exp(a.noise*a.rnd.NormFloat64()-a.noise*a.noise/2) * math.Pow(1+a.growth, float64(n))
	switch w := (first + audit.Day(n)).Start().Time().Weekday(); {
	case w == time.Saturday || w == time.Sunday:
		f *= a.weekend
	case a.quiet[n]:
		f *= a.between(0, 0.2)
	case a.quiet[n-1]:
		f *= a.between(1, 1.8)
	}
	if a.shift >= 0 && n >= a.shift {
		f *= a.shifted
	}
	return min(f, 3)
}

// live makes the calls of day n.
func (a *app) live(n int) {
	day := &building{a: a, n: n}
	f := a.factor(n)
	for i, s := range a.sites {
		if n < s.from || n >= s.to {
			continue
		}
		users := s.at(n)
		g := f
		if n < s.from+7 {
			g *= a.between(2, 6) // the first rush
		} else if a.rnd.Float64() < s.busy {
			g = min(g*a.between(1.5, 3), 4)
		}
		usual := a.poisson(g * s.share * users)
		chosen := int(s.chosen * users)
		digest := s.every > 0 && (n+s.phase)%s.every == 0 && !a.quiet[n]
		switch a.purpose {
		case "subscribed-alerts":
			day.some(s, chosen, usual, 50)
			if digest {
				day.firstOf(s, chosen, a.between(0.95, 1))
			}
		case "connect-mail-service":
			day.some(s, chosen, usual, 1)
			if digest {
				day.firstOf(s, chosen, a.between(0.98, 1))
			}
		case "user-sync", "own":
			day.some(s, int(users), usual, 50)
			if digest {
				day.firstOf(s, int(users), 1)
			}
		default:
			day.some(s, int(users), usual, 1+a.rnd.IntN(3))
		}
		if i == 0 && a.stale > 0 {
			day.inVain(s, a.poisson(float64(a.stale)), 0)
		}
		if a.drift >= 0 && i == 0 {
			a.strike(day, s, n)
		}
	}
	day.finish()
}

// strike makes the drift's calls of day n.
func (a *app) strike(day *building, s *site, n int) {
	users := s.at(n)
	since := n - a.drift
	floor := max(50, 0.05*users)
	switch a.pattern {
	case "site-sweep":
		if since == 0 {
			day.sweep(s, int(users*a.between(0.6, 1)), time.Duration(a.log(2, 300)*float64(time.Minute)))
		}
	case "surge": // five to twenty times a busy usual day, for up to five days
		if since < 1+int(s.users)%5 && since >= 0 {
			usual := s.share * users * (1 + a.growth*float64(n))
			if a.purpose == "subscribed-alerts" || a.purpose == "connect-mail-service" {
				usual = max(usual, s.chosen*users*b2f(s.every > 0))
			}
			day.some(s, int(users), int(min(max(usual*a.log(5, 20), floor*a.between(1.5, 3)), users)), 1+a.rnd.IntN(50))
		}
	case "periodic-bulk":
		if since >= 0 && since%a.every == 0 {
			day.firstOf(s, int(max(users*(0.08+0.5*s.chosen), floor*1.2)), a.between(0.93, 1))
		}
	case "enumeration":
		if since == 0 {
			day.inVain(s, int(max(floor*1.3, a.log(100, 2000))), 0.05)
		}
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// poisson draws a count.
func (a *app) poisson(mean float64) int {
	if mean > 50 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*a.rnd.NormFloat64())))
	}
	n, p := -1, 1.0
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= a.rnd.Float64()
	}
	return n
}

// building is the calls of a day.
type building struct {
	a     *app
	n     int
	calls []made
}

type made struct {
	at       audit.Instant
	site     *site
	status   uint16
	accounts []string
}

func (b *building) start() audit.Instant { return (first + audit.Day(b.n)).Start() }

// some retrieves n accounts of the first of, over the day, up to each in a call.
func (b *building) some(s *site, of, n, each int) {
	n = min(n, of)
	for n > 0 {
		k := min(n, each)
		c := made{at: b.start().Add(6*time.Hour + time.Duration(b.a.rnd.Int64N(int64(14*time.Hour)))), site: s, status: 200}
		from := b.a.rnd.IntN(of)
		for i := range k {
			c.accounts = append(c.accounts, s.accounts[(from+i)%of])
		}
		b.calls = append(b.calls, c)
		n -= k
	}
}

// firstOf retrieves a share of the first n accounts at one time of the day.
func (b *building) firstOf(s *site, n int, share float64) {
	at := b.start().Add(8 * time.Hour)
	for i := 0; i < n; i += 50 {
		c := made{at: at.Add(time.Duration(i) * time.Millisecond), site: s, status: 200}
		for k := i; k < min(n, i+50); k++ {
			if b.a.rnd.Float64() < share {
				c.accounts = append(c.accounts, s.accounts[k])
			}
		}
		if len(c.accounts) > 0 {
			b.calls = append(b.calls, c)
		}
	}
}

// sweep retrieves the first n accounts, one by one.
func (b *building) sweep(s *site, n int, within time.Duration) {
	at := b.start().Add(time.Duration(b.a.rnd.Int64N(int64(18 * time.Hour))))
	for i := range n {
		b.calls = append(b.calls, made{at.Add(within * time.Duration(i) / time.Duration(n)), s, 200, s.accounts[i : i+1]})
	}
}

// inVain asks for n ids that the site does not have, a second apart, with some luck between.
func (b *building) inVain(s *site, n int, luck float64) {
	at := b.start().Add(time.Duration(b.a.rnd.Int64N(int64(20 * time.Hour))))
	for i := range n {
		c := made{at: at.Add(time.Duration(i) * time.Second), site: s, status: 404}
		if b.a.rnd.Float64() < luck {
			c.status, c.accounts = 200, s.accounts[:1]
		}
		b.calls = append(b.calls, c)
	}
}

// finish puts the calls together as a day of the app.
func (b *building) finish() {
	if len(b.calls) == 0 {
		return
	}
	slices.SortStableFunc(b.calls, func(x, y made) int { return cmp.Compare(x.at, y.at) })
	d := &audit.CallDay{Day: first + audit.Day(b.n), Purposes: []string{b.a.purpose}, Paths: []string{""}}
	var ids []string
	at := map[*site]uint32{}
	for _, c := range b.calls {
		ids = append(ids, c.accounts...)
		if _, ok := at[c.site]; !ok {
			at[c.site] = uint32(len(d.Sites))
			d.Sites = append(d.Sites, c.site.name)
		}
	}
	d.Accounts = audit.NewIDs(ids...)
	for _, c := range b.calls {
		b.a.hashes++
		call := audit.Call{At: c.at, Hash: b.a.hashes, Site: at[c.site], Status: c.status, Auth: audit.ConnectJWT}
		for _, id := range c.accounts {
			i, _ := d.Accounts.Index(id)
			call.Accounts = append(call.Accounts, uint32(i))
		}
		slices.Sort(call.Accounts)
		d.Calls = append(d.Calls, call)
	}
	b.a.days[d.Day] = d
	b.a.totals[d.Day] = audit.TotalsOf(d)
}

// dossier is what is known of the app after its ninety days.
func (a *app) dossier() *audit.Dossier {
	d := &audit.Dossier{Key: "com.acme.app", AsOf: (first + days).Start().Add(2 * time.Hour), Days: a,
		Rules:     audit.RulesTimeline{{From: audit.Ever, Rules: audit.Rules{Policy: audit.DefaultPolicy(), CompleteSince: audit.Ever, Purposes: true}}},
		Approvals: []audit.Approval{{RequestID: "REQ-1", Status: audit.Approved, Decided: (first - 200).Start(), Revoked: audit.Never, Purposes: []string{a.purpose}}}}
	for n := range audit.Day(days) {
		if a.totals[first+n].SiteAccounts > 0 {
			d.Headers = append(d.Headers, audit.DayHeader{Day: first + n, FirstRetrieval: (first + n).Start()})
		}
	}
	for _, s := range a.sites {
		e := audit.SiteEvents{Site: s.name}
		tell := func(n int, what audit.Event) {
			e.Events = append(e.Events, audit.Lifecycle{At: (first + audit.Day(n)).Start(), Site: s.name, Event: what, Users: int64(s.at(n))})
		}
		tell(s.from, audit.Installed)
		for n := max(s.from+7, 0); n < min(s.to, days); n += 7 {
			tell(n, audit.Present)
		}
		if s.to < days {
			tell(s.to, audit.Uninstalled)
		}
		d.Sites = append(d.Sites, e)
	}
	slices.SortFunc(d.Sites, func(x, y audit.SiteEvents) int { return strings.Compare(x.Site, y.Site) })
	return d
}

// Calls implements [audit.Days].
func (a *app) Calls(day audit.Day) (*audit.CallDay, error) {
	if d := a.days[day]; d != nil {
		return d, nil
	}
	return &audit.CallDay{Day: day}, nil
}

// Figures implements [audit.Days].
func (a *app) Figures(audit.Day) (*audit.DayFigures, error) { return nil, nil }

// Totals implements [audit.Days].
func (a *app) Totals(from, to audit.Day) ([]audit.DayTotals, error) {
	var out []audit.DayTotals
	for day := from; day <= to; day++ {
		if t, ok := a.totals[day]; ok {
			out = append(out, t)
		}
	}
	return out, nil
}

// Reports implements [audit.Days].
func (a *app) Reports(day audit.Day) (*audit.ReportDay, error) {
	return &audit.ReportDay{Day: day}, nil
}

// Stored implements [audit.Days].
func (a *app) Stored(audit.Day) (audit.IDs, error) { return audit.IDs{}, nil }

// Retrieved implements [audit.Days].
func (a *app) Retrieved(audit.Day) (audit.IDs, error) { return audit.IDs{}, nil }

// Observations implements [audit.Days].
func (a *app) Observations(audit.Day) ([]audit.Observation, error) { return nil, nil }
