package checks

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks/drift"
)

// The subjects of purpose-drift.
const (
	siteSweep    = "site-sweep"
	surge        = "surge"
	periodicBulk = "periodic-bulk"
	enumeration  = "enumeration"
)

const (
	sweepWithin = 6 * time.Hour // a short time
	sweepShare  = 0.5           // most of a site
	sameSet     = 2.0 / 3       // two sets are the same whose common accounts are this share of either
	tryingHit   = 9             // answers in vain that one with an account makes up for
	chosenDays  = 56            // of learning, where sets may come once a month: two of them, should one fall on a holiday
	chartDays   = 28
)

// rhythms are those of newsletters, in days: a week, two, four, a month of any length, and from the first Monday of one to that of the next.
func rhythms() []audit.Day { return []audit.Day{7, 14, 28, 29, 30, 31, 35} }

// purposeDrift enforces P7 on what a call does not say: what access is like, whatever purpose it declares.
func purposeDrift(p *audit.Policy) audit.Check {
	learning, share := period(p.Drift.Learning), percent(p.Drift.Share)
	return audit.Check{
		ID: "purpose-drift", Clause: "P7", Nature: audit.IsEvent,
		Severity: audit.Medium, Confidence: audit.Likely,

		Finds: "access that no approved purpose explains: harvesting a site, a sudden change against the app's own past",
		Title: "Access that no approved purpose explains (%s)",
		Rule: "On one UTC day, on a site whose number of users is known (`users` of the `installs` source), the app's calls follow a pattern that its approved purposes do not explain. " +
			"Only calls that no other check of P1, P6 or P7 finds are looked at: at a moment with an approval in force, and for a purpose in force. At least " + accounts(p.Drift.Accounts) + " and " + share + " of the site's users must be concerned. The patterns are the subjects:\n\n" +
			"- `site-sweep`: at least half of the site's users within 6 hours, where all purposes in force need one account at a time (" + listed(own(p, p.Drift.Single)) + "). Occurrences are the retrievals from the first such hours to the last.\n" +
			"- `surge`: accounts on one site, or on several together, far above the app's own past: at least five times what is expected, 1.75 times the busiest ordinary day of its kind (working days or weekends), and ten robust standard deviations " +
			"(median and median absolute deviation of square roots, per weekday) above it. The past is up to " + count(int(p.DriftDays()), "day", "days") + ", scaled with the number of users; a site counts once the app is on it for " + learning + ", and a day that was itself far above is not ordinary. " +
			largeSets(p) +
			"Together are held those sites that are no surge on their own and on which the app is for as long as its past reaches, the quiet ones among them. Occurrences are the day's retrievals there.\n" +
			"- `periodic-bulk`: two thirds of the accounts are the same, and enough to matter, as 7, 14, 28 to 31 or 35 days before, with less than half as many on each day between, where all purposes in force need one account at a time. Occurrences are the later day's retrievals on the site.\n" +
			"- `enumeration`: a run of calls for what the site does not have (404, or 200 without an account) in which nine out of ten answers are in vain, at least " + thousands(p.Drift.Accounts) + " and as many as " + share + " of its users, on a day with far more such answers than the app's past has. " +
			"Occurrences are the calls in vain; it has no accounts.\n\n" +
			"Boundaries: in an app's first " + learning + ", from the day of its first retrieval on, nothing is judged, and `apps show` says so. Sites whose number of users nobody tells are not looked at. A pattern is looked for within a UTC day. " +
			"Of a site with fewer than 10 accounts a day only that is kept: it counts as 9, or as all accounts of the app's day where these are fewer. The day is judged by the facts alone, whatever people did to findings: an app that stays on a new level is found until its past consists of it. " +
			"A reviewer judges what it means: there is no notice without a comment.",
		Remediation: "Say what the retrievals were for, and stop those that no approved purpose needs. Fetch an address when it is needed, for the accounts that it is needed for. A new feature that needs more addresses needs a new or updated request first.",

		Needs:    []audit.Kind{audit.KindAccess, audit.KindApps},
		Purposes: true,
		LooksBack: func(p *audit.Policy) audit.Day {
			return p.DriftDays()
		},
		Touched: []audit.Touch{audit.TouchCalls, audit.TouchApproval, audit.TouchInstall, audit.TouchPast},
		Reads: func(p *audit.Policy) any {
			return []any{p.Drift, p.DriftDays(), purposesOf(p)}
		},

		Days: judgeDrift,
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			what := fmt.Sprintf("%s of the addresses of %s%s, %s: ", retrievals(f.Occurrences), accounts(f.Accounts), onSites(f), window(f))
			switch f.Subject {
			case siteSweep:
				what += "most of a site's accounts in a short time, by an app whose approved purposes need one at a time."
			case surge:
				what += "far above the app's own past."
			case periodicBulk:
				what += "the same large set again, on a newsletter's rhythm."
			default:
				what = fmt.Sprintf("%s%s for accounts that are not there, %s: ids were tried in a row.", count(f.Occurrences, "call", "calls"), onSites(f), window(f))
			}
			return what + first(f)
		},

		Proof: driftProof(),
	}
}

// largeSets says which purposes explain large sets, for the rule's text.
func largeSets(p *audit.Policy) string {
	rest := slices.DeleteFunc(slices.Clone(p.Approvable), func(x string) bool { return slices.Contains(p.Drift.Single, x) || slices.Contains(p.Drift.Chosen, x) })
	other := "a purpose of which the policy does not say what it needs"
	if len(rest) > 0 {
		other = strings.Join(rest, ", ") + ", or " + other + ","
	}
	other += " is in force, nothing is a surge. "
	if chosen := own(p, p.Drift.Chosen); len(chosen) > 0 {
		return "Where " + either(chosen) + " is in force, whose large sets may come once a month, " + count(chosenDays, "day", "days") +
			" have to be known, and the busiest day is that of any weekday; where " + other
	}
	return "Where " + other
}

// own is those of purposes that are the platform's: the guideline's are not, where the policy replaces them.
func own(p *audit.Policy, purposes []string) []string {
	guideline := audit.DefaultPolicy()
	return slices.DeleteFunc(slices.Clone(purposes), func(x string) bool { return guideline.IsApprovable(x) && !p.IsApprovable(x) })
}

// A drifting is one app's day, as purpose-drift looks at it.
type drifting struct {
	d     *audit.Dossier
	day   audit.Day
	rules *audit.DriftBounds
	begun audit.Day // first retrieval of the app
	calls *audit.CallDay
	sites []driftSite
	past  []audit.DayTotals // up to the day before
	mark  []uint32          // by account: the mark of the last count that met it
	marks uint32
}

// driftSite is the calls of a day on a site that may be a drift, in order of time.
type driftSite struct {
	name   string
	events *audit.SiteEvents
	users  float64 // 0: nobody knows
	got    []*audit.Call
	may    []may // of each of got
	asked  []*audit.Call
	n      int // accounts of got
}

// may is which patterns the purposes in force do not explain.
type may uint8

const (
	maySweep may = 1 << iota // and be periodic
	maySurge
	mayMonthly // surge, once a month is known
)

// judgeDrift finds the patterns of a day.
func judgeDrift(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
	rules := &d.Rules.At(day.Start()).Policy.Drift
	if d.Key == "" || rules.Accounts <= 0 {
		return nil
	}
	first, err := d.FirstRetrieval()
	if err != nil || first == audit.Ever || day < first.Day()+rules.LearningDays() {
		return err
	}
	j := &drifting{d: d, day: day, rules: rules, begun: first.Day()}
	if err := j.read(); err != nil || len(j.sites) == 0 {
		return err
	}
	for _, judge := range []func(*audit.Tally) error{j.sweeps, j.surges, j.periodic, j.enumerated} {
		if err := judge(t); err != nil {
			return err
		}
	}
	return nil
}

// read sorts the day's calls by site. Where they are too few to matter, it leaves no sites.
func (j *drifting) read() error {
	if few, err := j.few(); few || err != nil {
		return err
	}
	at := map[uint32]int{}
	total, inVain := 0, 0
	mays := map[*stretch]may{}
	err := eachCall(j.d, j.day, func(s *stretch) bool { return s.approved && s.rules.Purposes }, func(calls *audit.CallDay, c *audit.Call, s *stretch) {
		if j.calls == nil {
			j.calls = calls
		}
		got := c.Retrieval()
		if !got && !c.InVain() {
			return
		}
		if got {
			if s.verdicts == nil {
				s.verdicts = make([]verdict, len(calls.Purposes))
			}
			v := &s.verdicts[c.Purpose]
			if v.ruling == unruled {
				*v = ruleOn(j.d, s.rules.Policy, calls.Purposes[c.Purpose], s.from)
			}
			if v.ruling != inOrder {
				return // another check's
			}
		}
		i, known := at[c.Site]
		if !known {
			i = len(j.sites)
			at[c.Site] = i
			j.sites = append(j.sites, driftSite{name: calls.Sites[c.Site]})
		}
		site := &j.sites[i]
		site.asked = append(site.asked, c)
		if !got {
			inVain++
			return
		}
		m, known := mays[s]
		if !known {
			m = j.unexplained(s)
			mays[s] = m
		}
		site.got, site.may = append(site.got, c), append(site.may, m)
		total += len(c.Accounts)
	})
	if err != nil || total < j.rules.Accounts && inVain < j.rules.Accounts {
		j.sites = nil
		return err
	}
	slices.SortFunc(j.sites, func(a, b driftSite) int { return cmp.Compare(a.name, b.name) })
	j.mark = make([]uint32, j.calls.Accounts.Len())
	end := min(j.day.End()-1, j.d.AsOf)
	for i := range j.sites {
		s := &j.sites[i]
		s.events = j.d.Site(s.name)
		s.users = float64(max(0, s.events.Users(end)))
		s.n = j.distinct(s.got)
	}
	return nil
}

// few says whether the day's calls are too few to matter, whatever they are.
func (j *drifting) few() (bool, error) {
	calls, err := j.d.Days.Calls(j.day)
	if err != nil {
		return false, err
	}
	total, inVain := 0, 0
	for i := range calls.Calls {
		total += len(calls.Calls[i].Accounts)
		if calls.Calls[i].InVain() {
			inVain++
		}
	}
	return total < j.rules.Accounts && inVain < j.rules.Accounts, nil
}

// unexplained says which patterns the purposes that are in force over a stretch do not explain.
func (j *drifting) unexplained(s *stretch) may {
	m := maySweep | maySurge | mayMonthly
	for i := range j.d.Approvals {
		a := &j.d.Approvals[i]
		if !a.InForce(s.from) {
			continue
		}
		for _, purpose := range a.Purposes {
			purpose = s.rules.Policy.Purpose(purpose)
			switch {
			case slices.Contains(j.rules.Single, purpose):
			case slices.Contains(j.rules.Chosen, purpose):
				m &^= maySweep | maySurge
			default:
				m = 0
			}
		}
	}
	return m
}

// distinct counts the accounts of calls.
func (j *drifting) distinct(calls []*audit.Call) (n int) {
	j.marks++
	for _, c := range calls {
		for _, a := range c.Accounts {
			if j.mark[a] != j.marks {
				j.mark[a] = j.marks
				n++
			}
		}
	}
	return n
}

// that is the retrievals on s which may follow a pattern, and their accounts.
func (j *drifting) that(s *driftSite, m may) ([]*audit.Call, int) {
	all := true
	for _, x := range s.may {
		all = all && x&m != 0
	}
	if all {
		return s.got, s.n
	}
	var calls []*audit.Call
	for i, c := range s.got {
		if s.may[i]&m != 0 {
			calls = append(calls, c)
		}
	}
	return calls, j.distinct(calls)
}

// least is how many accounts on a site matter.
func (j *drifting) least(users float64) int {
	return max(j.rules.Accounts, int(math.Ceil(j.rules.Share*users-1e-9)))
}

// before gives the totals of the days before, once.
func (j *drifting) before() ([]audit.DayTotals, error) {
	if j.past == nil {
		from := max(j.begun, j.day-j.d.Rules.At(j.day.Start()).Policy.DriftDays())
		var err error
		if j.past, err = j.d.Totals(from, j.day-1); err != nil {
			return nil, err
		}
	}
	return j.past, nil
}

// sweeps finds hours in which most of a site was retrieved.
func (j *drifting) sweeps(t *audit.Tally) error {
	for i := range j.sites {
		s := &j.sites[i]
		if s.users == 0 || s.n < j.rules.Accounts || float64(s.n) < sweepShare*s.users {
			continue
		}
		calls, n := j.that(s, maySweep)
		threshold := max(j.rules.Accounts, int(math.Ceil(sweepShare*s.users)))
		if n < threshold {
			continue
		}
		from, to, most := sweep(calls, j.calls.Accounts.Len(), threshold)
		if most < threshold {
			continue
		}
		past, err := j.before()
		if err != nil {
			return err
		}
		hours := fmt.Sprintf("from %s to %s", clock(calls[from].At), clock(calls[to-1].At))
		t.Together(siteSweep, j.calls, calls[from:to], fmt.Sprintf("observed %s of a site's %s within %s, %s; expected one at a time, threshold %s %s",
			accounts(most), count(int(s.users), "user", "users"), period(sweepWithin), hours, thousands(threshold), chartOf(past, n, onSite(s.name))))
	}
	return nil
}

// sweep finds, among retrievals in order of time, the hours that got threshold accounts or more: from the first such to the last, and the most accounts of
// any.
func sweep(calls []*audit.Call, table, threshold int) (from, to, most int) {
	held := make([]int32, table)
	n, left := 0, 0
	from = -1
	for right, c := range calls {
		for _, a := range c.Accounts {
			if held[a]++; held[a] == 1 {
				n++
			}
		}
		for ; calls[left].At.Add(sweepWithin) <= c.At; left++ {
			for _, a := range calls[left].Accounts {
				if held[a]--; held[a] == 0 {
					n--
				}
			}
		}
		if most = max(most, n); n >= threshold {
			if from < 0 {
				from = left
			}
			to = right + 1
		}
	}
	return from, to, most
}

// surges finds sites, or several together, on which the app retrieved far more than it used to.
func (j *drifting) surges(t *audit.Tally) error {
	var rest []*driftSite // those that are no surge on their own
	total := 0
	for i := range j.sites {
		s := &j.sites[i]
		if s.users == 0 {
			continue
		}
		if s.n >= j.least(s.users) {
			surges, err := j.surge(t, s)
			if err != nil {
				return err
			}
			if surges {
				continue
			}
		}
		rest, total = append(rest, s), total+s.n
	}
	if total < j.rules.Accounts {
		return nil
	}
	return j.surgeTogether(t, rest)
}

// sudden is the retrievals on s that may be a surge, their accounts, and how they may come about.
func (j *drifting) sudden(s *driftSite) (calls []*audit.Call, n int, habit drift.Habit) {
	calls, n = j.that(s, mayMonthly)
	habit.Learning = int(j.rules.LearningDays())
	for _, m := range s.may {
		if m&mayMonthly != 0 && m&maySurge == 0 {
			// Of what retention leaves of the past, the last week can be told from the rest.
			kept := int(j.d.Rules.At(j.day.Start()).Policy.DriftDays()) - 7
			habit = drift.Habit{Learning: max(habit.Learning, min(chosenDays, kept)), Monthly: true}
		}
	}
	return calls, n, habit
}

// surge looks at one site.
func (j *drifting) surge(t *audit.Tally, s *driftSite) (bool, error) {
	calls, n, habit := j.sudden(s)
	since := s.events.Since(j.day.Start())
	if n < j.least(s.users) || since > (j.day-audit.Day(habit.Learning)).Start() {
		return false, nil
	}
	past, err := j.before()
	if err != nil {
		return false, err
	}
	days := make([]drift.Day, len(past))
	for k := range past {
		was := &past[k]
		got, users := was.OnSite(s.name), 0.0
		if was.Day.Start() >= since {
			users = float64(max(0, s.events.Users(was.Day.End()-1)))
		}
		days[k] = drift.Day{Weekday: weekday(was.Day), Count: float64(got), Scale: users, Enough: got >= j.least(users)}
	}
	l, above := drift.Above(days, drift.Day{Weekday: weekday(j.day), Count: float64(n), Scale: s.users}, habit)
	if !above {
		return false, nil
	}
	t.Together(surge, j.calls, calls, fmt.Sprintf("observed %s of a site's %s; %s %s", accounts(n), count(int(s.users), "user", "users"),
		heldAgainst(l, j.least(s.users)), chartOf(past, n, onSite(s.name))))
	return true, nil
}

// surgeTogether looks at those of the sites on which the app is for as long as its past reaches: the same ones are held against themselves.
func (j *drifting) surgeTogether(t *audit.Tally, sites []*driftSite) error {
	past, err := j.before()
	if err != nil || len(past) == 0 {
		return err
	}
	whole := past[0].Day.Start()
	var calls []*audit.Call
	total, users := 0, 0.0
	var habit drift.Habit
	in := map[string]bool{}
	for _, s := range sites {
		if s.events.Since(j.day.Start()) > whole {
			continue
		}
		some, n, h := j.sudden(s)
		calls, total, users = append(calls, some...), total+n, users+s.users
		habit = drift.Habit{Learning: max(habit.Learning, h.Learning), Monthly: habit.Monthly || h.Monthly}
		in[s.name] = true
	}
	least := j.least(users)
	if total < least {
		return nil
	}
	// The sites of the past that are quiet today count as well.
	base := make([]float64, len(past))
	today := 0.0
	for i := range j.d.Sites {
		s := &j.d.Sites[i]
		if s.Since(j.day.Start()) > whole || j.loud(s.Site) && !in[s.Site] {
			continue
		}
		in[s.Site] = true
		today += float64(max(0, s.Users(min(j.day.End()-1, j.d.AsOf))))
		for next, n, k := 0, 0.0, 0; k < len(past); k++ {
			for ; next < len(s.Events) && s.Events[next].At < past[k].Day.End(); next++ {
				if e := &s.Events[next]; e.Users >= 0 {
					n = float64(e.Users)
				}
			}
			base[k] += n
		}
	}
	days := make([]drift.Day, len(past))
	of := func(t *audit.DayTotals) int {
		n := t.SiteAccounts
		for i := range t.Busy {
			if !in[t.Busy[i].Site] {
				n -= t.Busy[i].Accounts
			}
		}
		return n
	}
	for k := range past {
		n := of(&past[k])
		days[k] = drift.Day{Weekday: weekday(past[k].Day), Count: float64(n), Scale: base[k], Enough: n >= least}
	}
	l, above := drift.Above(days, drift.Day{Weekday: weekday(j.day), Count: float64(total), Scale: today}, habit)
	if !above {
		return nil
	}
	slices.SortStableFunc(calls, func(a, b *audit.Call) int { return cmp.Compare(a.At, b.At) })
	t.Together(surge, j.calls, calls, fmt.Sprintf("observed %s on several sites together; %s %s", accounts(total), heldAgainst(l, least), chartOf(past, total, of)))
	return nil
}

// loud says whether the app called a site on the day.
func (j *drifting) loud(site string) bool {
	_, ok := slices.BinarySearchFunc(j.sites, site, func(s driftSite, name string) int { return cmp.Compare(s.name, name) })
	return ok
}

// periodic finds sites on which the app retrieved the same large set as some weeks before.
func (j *drifting) periodic(t *audit.Tally) error {
	for i := range j.sites {
		s := &j.sites[i]
		if s.users == 0 || s.n < j.least(s.users) {
			continue
		}
		calls, n := j.that(s, maySweep)
		if n < j.least(s.users) {
			continue
		}
		past, err := j.before()
		if err != nil {
			return err
		}
		rhythm, common, err := j.rhythm(s.name, calls, n, j.least(s.users), past)
		if err != nil {
			return err
		}
		if rhythm > 0 {
			t.Together(periodicBulk, j.calls, calls, fmt.Sprintf("observed %s of a site's %s, %.0f%% of them the same as on %s, %d days before; expected less than half as many, as on each day between, threshold %.0f%% %s",
				accounts(n), count(int(s.users), "user", "users"), common*100, j.day-rhythm, rhythm, sameSet*100, chartOf(past, n, onSite(s.name))))
		}
	}
	return nil
}

// rhythm is after how many days the same set came again, and how much of both is common; 0 where it did not.
func (j *drifting) rhythm(site string, calls []*audit.Call, n, least int, past []audit.DayTotals) (audit.Day, float64, error) {
	var now audit.IDs
	for _, r := range rhythms() {
		i := len(past) - int(r)
		if i < 0 {
			break
		}
		was := past[i].OnSite(site)
		if float64(was) < sameSet*float64(n) || float64(n) < sameSet*float64(was) {
			continue
		}
		if slices.ContainsFunc(past[i+1:], func(t audit.DayTotals) bool { return 2*t.OnSite(site) >= n }) {
			continue
		}
		if now.Len() == 0 {
			now = accountsOf(j.calls, calls)
		}
		earlier, err := j.d.Days.Calls(j.day - r)
		if err != nil {
			return 0, 0, err
		}
		var there []*audit.Call
		for k := range earlier.Calls {
			if c := &earlier.Calls[k]; c.Retrieval() && earlier.Sites[c.Site] == site {
				there = append(there, c)
			}
		}
		then, both := accountsOf(earlier, there), 0
		now.Match(then, func(int, int) { both++ })
		if common := float64(both) / float64(max(now.Len(), then.Len())); both >= least && common >= sameSet {
			return r, common, nil
		}
	}
	return 0, 0, nil
}

// accountsOf is the accounts of calls of a day.
func accountsOf(day *audit.CallDay, calls []*audit.Call) audit.IDs {
	on := make([]bool, day.Accounts.Len())
	for _, c := range calls {
		for _, a := range c.Accounts {
			on[a] = true
		}
	}
	return day.Accounts.Select(func(i int) bool { return on[i] })
}

// enumerated finds sites on which ids were tried in a row.
func (j *drifting) enumerated(t *audit.Tally) error {
	type run struct {
		site  *driftSite
		calls []*audit.Call
	}
	var runs []run
	inVain := 0
	for i := range j.sites {
		s := &j.sites[i]
		vain := make([]bool, len(s.asked))
		n := 0
		for k, c := range s.asked {
			if vain[k] = c.InVain(); vain[k] {
				n++
			}
		}
		inVain += n
		if s.users == 0 || n < j.least(s.users) {
			continue
		}
		from, to := drift.Run(vain, tryingHit)
		r := run{site: s}
		for k := from; k < to; k++ {
			if vain[k] {
				r.calls = append(r.calls, s.asked[k])
			}
		}
		if len(r.calls) >= j.least(s.users) {
			runs = append(runs, r)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	past, err := j.before()
	if err != nil {
		return err
	}
	days := make([]drift.Day, len(past))
	for k := range past {
		days[k] = drift.Day{Weekday: weekday(past[k].Day), Count: float64(past[k].InVain), Scale: 1, Enough: past[k].InVain >= j.rules.Accounts}
	}
	l, above := drift.Above(days, drift.Day{Weekday: weekday(j.day), Count: float64(inVain), Scale: 1}, drift.Habit{Learning: int(j.rules.LearningDays())})
	if !above {
		return nil
	}
	for _, r := range runs {
		t.Together(enumeration, j.calls, r.calls, fmt.Sprintf("observed %s for what a site with %s does not have, in a row; that day %s such calls, %s %s", count(len(r.calls), "call", "calls"),
			count(int(r.site.users), "user", "users"), thousands(inVain), heldAgainst(l, j.least(r.site.users)), chartOf(past, inVain, func(t *audit.DayTotals) int { return t.InVain })))
	}
	return nil
}

func onSite(name string) func(*audit.DayTotals) int {
	return func(t *audit.DayTotals) int { return t.OnSite(name) }
}

// heldAgainst tells a level.
func heldAgainst(l drift.Level, least int) string {
	return fmt.Sprintf("expected %s by %s, threshold %s", thousands(int(math.Round(l.Expected))), count(l.Days, "ordinary day", "ordinary days"), thousands(max(int(l.Threshold), least)))
}

// chartOf draws the days up to today.
func chartOf(past []audit.DayTotals, today int, of func(*audit.DayTotals) int) string {
	past = past[max(0, len(past)-chartDays+1):]
	counts := make([]float64, 0, chartDays)
	for i := range past {
		counts = append(counts, float64(of(&past[i])))
	}
	counts = append(counts, float64(today))
	return fmt.Sprintf("%s (%s up to this one)", drift.Chart(counts), count(len(counts), "day", "days"))
}

func weekday(d audit.Day) time.Weekday { return d.Start().Time().Weekday() }

func clock(t audit.Instant) string { return t.Time().Format(time.TimeOnly) }

func driftProof() audit.Proof {
	// quiet is an app that retrieves one account a day on each of four sites since 1 November.
	quiet := func() *story {
		s := tell("2026-11-22T02:30:00Z").approval("2026-01-01T00:00:00Z", "", "security-alerts")
		for site, users := range map[string]int64{"site-1": 100, "site-2": 1000, "site-3": 1000, "site-4": 200} {
			s.installed(site, "2026-01-01T00:00:00Z", users)
			for day := range 20 {
				s.retrieves(fmt.Sprintf("2026-11-%02dT06:00:00Z", day+1), site, "ann")
			}
		}
		return s
	}
	return audit.Proof{
		Violates: audit.Case{
			Story: "After nineteen days of one account a day on each of four sites: 60 of the 100 users of site-1 within a minute; 80 accounts on site-2; on site-3 the same 55 as a week before; and on site-4 60 ids that it does not have, in a row.",
			Dossier: func() *audit.Dossier {
				return quiet().retrievesEach(60, "2026-11-20T12:00:00Z", "site-1").
					retrievesEach(80, "2026-11-20T13:00:00Z", "site-2").
					retrievesEach(55, "2026-11-13T14:00:00Z", "site-3").retrievesEach(55, "2026-11-20T14:00:00Z", "site-3").
					asksInVain(60, "2026-11-20T15:00:00Z", "site-4").
					dossier()
			},
			Finds: []audit.Found{
				{Subject: enumeration, Occurrences: 60, Sites: 1},
				{Subject: periodicBulk, Occurrences: 56, Accounts: 56, Sites: 1},
				{Subject: siteSweep, Occurrences: 60, Accounts: 60, Sites: 1},
				{Subject: surge, Occurrences: 142, Accounts: 81, Sites: 2},
			},
		},
		Complies: audit.Case{
			Story: "From the fifteenth day on, each on a day of its own: 49 accounts on site-1, 49 on site-2, 49 ids in vain on site-4; on site-3, a week after its 55, 44 of the same, too few to matter; and on site-5, where the app is new, 90 of 1,000 users.",
			Dossier: func() *audit.Dossier {
				return quiet().retrievesEach(48, "2026-11-16T12:00:00Z", "site-1").
					retrievesEach(48, "2026-11-17T13:00:00Z", "site-2").
					asksInVain(49, "2026-11-18T15:00:00Z", "site-4").
					retrievesEach(55, "2026-11-12T14:00:00Z", "site-3").retrievesEach(43, "2026-11-19T14:00:00Z", "site-3").
					installed("site-5", "2026-11-18T00:00:00Z", 1000).retrievesEach(90, "2026-11-20T16:00:00Z", "site-5").
					dossier()
			},
		},
	}
}
