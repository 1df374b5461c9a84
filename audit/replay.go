package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// A Replay judges days again, from the archive, by other rules than those that held, and files nothing. Both are judged as one night would that ran at the
// end of its last day, or when the last one did, and knew the facts that are known today.
type Replay struct {
	Store    Store
	Archive  Archive
	ChecksOf func(*Policy) ([]Check, error)
	Kinds    []Kind // of the sources that are configured
	Workers  int
	Progress func(stage string, done, total int64)

	From, To Day
	Policy   *Policy             // to judge by; nil: the policies that held
	Approve  map[string][]string // purposes, by app: as if it were approved for them, too, from the first day on
}

// Replayed is what came of a Replay.
type Replayed struct {
	AsOf        Instant
	Apps, Days  int // that were judged; Days are those of the calendar
	Differences []Difference
	Same        []Difference // findings that both rules have alike

	Gone  int              // days of the calendar that the archive no longer holds
	First Day              // the first that it holds
	Blind map[string][]Day // by check: days of which it would have to see earlier ones that are gone

	Failed map[string]error // by rule of one's own: it could not be worked out for an app
}

// DifferenceKind says what other rules do to a finding.
type DifferenceKind string

// The kinds of differences.
const (
	Appears  DifferenceKind = "appears"
	Vanishes DifferenceKind = "vanishes"
	Differs  DifferenceKind = "changes"
	Stays    DifferenceKind = "stays"
)

// A Difference is a finding that other rules would not have, would have too, or would have otherwise.
type Difference struct {
	Kind                     DifferenceKind
	App, Name, Check, Clause string
	Subject, Title           string
	Was, Would               *Judged // nil: it is none
	Examples                 []Evidence
}

// Judged is a finding in numbers, over the days of a Replay.
type Judged struct {
	Severity                     Severity
	Confidence                   Confidence
	Occurrences, Accounts, Sites int
	First, Last                  Instant
}

// ErrNotReplayed is Run's where there is nothing to judge.
var ErrNotReplayed = errors.New("nothing to replay")

// Run judges. It changes nothing.
func (r *Replay) Run(ctx context.Context) (*Replayed, error) {
	led, err := r.Store.Ledger(ctx)
	switch {
	case err != nil:
		return nil, err
	case led.Last == nil:
		return nil, fmt.Errorf("%w: no run has finished yet", ErrNotReplayed)
	case r.From > led.Last.AsOf.Day():
		return nil, fmt.Errorf("%w: the last run, %s, was as of %s, before %s", ErrNotReplayed, led.Last.ID, led.Last.AsOf, r.From)
	case led.Purged != StateDay && r.To < led.Purged:
		return nil, fmt.Errorf("%w: the archive holds nothing before %s any more", ErrNotReplayed, led.Purged)
	}
	for _, app := range slices.Sorted(maps.Keys(r.Approve)) {
		if !slices.ContainsFunc(led.Apps, func(a AppIndex) bool { return a.Key == app }) {
			return nil, fmt.Errorf("%w: no app %q is known", ErrNotReplayed, app)
		}
	}
	x := &replaying{Replay: r, ctx: ctx, led: led, blind: map[string]map[Day]bool{}, failed: map[string]error{}, canaries: Canaries{}, incidents: mergeIncidents(led.Incidents)}
	x.to = min(r.To, led.Last.AsOf.Day())
	x.asOf = min(led.Last.AsOf, x.to.End()-1)
	x.from = r.From
	if led.Purged != StateDay {
		x.from = max(r.From, led.Purged)
	}
	for _, c := range led.Canaries {
		x.canaries.add(c)
	}
	x.was.rules = led.Rules
	x.would.rules = slices.Clone(led.Rules)
	for i := range x.would.rules {
		if r.Policy != nil {
			x.would.rules[i].Policy = r.Policy
		}
	}
	set := map[Kind]bool{}
	for _, k := range r.Kinds {
		set[k] = true
	}
	for _, v := range []*verdicts{&x.was, &x.would} {
		rules := v.rules.At(x.asOf)
		all, err := r.ChecksOf(rules.Policy)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if res, _ := all[i].look(set, set, rules.Purposes); res.Looked && !all[i].Off {
				v.checks = append(v.checks, &all[i])
			}
		}
	}
	x.findAlike()
	if err := x.judgeAll(); err != nil {
		return nil, err
	}
	out := x.compare()
	out.AsOf, out.First, out.Gone = x.asOf, x.from, int(x.from-r.From)
	out.Days = int(x.to - x.from + 1)
	return out, nil
}

// replaying is a Replay under way.
type replaying struct {
	*Replay
	ctx       context.Context
	led       *Ledger
	asOf      Instant
	from, to  Day
	canaries  Canaries
	incidents []Incident

	mu         sync.Mutex
	apps       int
	names      map[string]string
	blind      map[string]map[Day]bool
	failed     map[string]error
	was, would verdicts
	alike      map[string]*Check // by key: those of would's that find what was's do
	named      bool              // both have the same names for purposes
}

// verdicts are what some rules find.
type verdicts struct {
	rules  RulesTimeline
	checks []*Check
	found  map[ContributionKey]*verdict
}

// A verdict is a finding of a Replay: the union of its days.
type verdict struct {
	check           *Check
	occurrences     int
	certain         bool
	accounts, sites IDs
	first, last     Instant
	evidence        []Evidence
}

// findAlike finds what both rules give the same to judge by: what they find is found once.
func (r *replaying) findAlike() {
	r.named = true
	for i := range r.was.rules {
		r.named = r.named && maps.Equal(r.was.rules[i].Policy.Synonyms, r.would.rules[i].Policy.Synonyms)
	}
	r.alike = map[string]*Check{}
	for _, c := range r.would.checks {
		if c.Reads == nil || !slices.ContainsFunc(r.was.checks, func(o *Check) bool { return o.Key() == c.Key() }) {
			continue
		}
		same := true
		for i := range r.was.rules {
			same = same && reflect.DeepEqual(c.Reads(r.was.rules[i].Policy), c.Reads(r.would.rules[i].Policy))
		}
		if same {
			r.alike[c.Key()] = c
		}
	}
}

func (r *replaying) judgeAll() error {
	var keys []string
	for _, a := range r.led.Apps {
		keys = append(keys, a.Key)
	}
	var next, done atomic.Int64
	var wg sync.WaitGroup
	var first error
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	workers := max(1, r.Workers)
	size := min(4*batch, max(1, len(keys)/(8*workers)))
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				at := int(next.Add(int64(size))) - size
				if at >= len(keys) {
					return
				}
				mine := keys[at:min(at+size, len(keys))]
				if err := r.judgeApps(ctx, mine); err != nil {
					r.mu.Lock()
					first = cmp.Or(first, err)
					r.mu.Unlock()
					cancel()
					return
				}
				if n := done.Add(int64(len(mine))); r.Progress != nil {
					r.Progress("judging", n, int64(len(keys)))
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(first, r.ctx.Err())
}

func (r *replaying) judgeApps(ctx context.Context, keys []string) error {
	facts, err := r.Store.Apps(ctx, keys)
	if err != nil {
		return err
	}
	packs, err := r.Store.Packs(ctx, keys, r.from, r.to)
	if err != nil {
		return err
	}
	of := map[string][]Pack{}
	for _, p := range packs {
		of[p.App] = append(of[p.App], p)
	}
	for _, key := range keys {
		if facts[key] == nil {
			continue
		}
		days := newAppDays(ctx, r.Store, r.Archive, key)
		days.tell(span{r.from, r.to}, of[key])
		if err := r.judgeApp(ctx, facts[key], days); err != nil {
			return fmt.Errorf("app %q: %w", key, err)
		}
		days.free()
	}
	return nil
}

// judgeApp judges an app's days, and what holds at as-of, by both rules.
func (r *replaying) judgeApp(ctx context.Context, facts *AppFacts, days *appDays) error {
	was, err := r.dossier(facts, days)
	if err != nil {
		return err
	}
	was.totalled = map[Day]DayTotals{} // both have the same calls
	if r.named {
		was.figured = map[Day]*DayFigures{}
	}
	would := was
	was.Rules, would.Rules = r.was.rules, r.would.rules
	if !r.named {
		would.Days = uncounted{days}
	}
	purposes := r.Approve[facts.Key]
	if len(purposes) > 0 {
		var a Approval
		if now := was.ApprovalNow(); now != nil {
			a = *now // what else was approved is as it was
		}
		a.Status, a.Decided, a.Revoked, a.Dropped, a.Purposes = Approved, r.from.Start(), Never, 0, purposes
		would.Approvals = append(slices.Clone(was.Approvals), a)
	}
	mine := [2]map[ContributionKey]*verdict{{}, {}}
	blind, failed := map[string][]Day{}, map[string]error{}
	sides := [2]struct {
		*Dossier
		*verdicts
	}{{&was, &r.was}, {&would, &r.would}}
	judged := len(sides)
	if r.Policy == nil && len(purposes) == 0 {
		judged = 1 // nothing differs
	}
	alike := r.alike
	if len(purposes) > 0 {
		alike = nil
	}
	for side := range judged {
		sides[side].Found = func() ([]ContributionSpan, error) { return r.foundIn(mine[side]), nil }
	}
	judge := func(side int, c *Check, day Day) error {
		t := NewTally(c, day, r.asOf, nil)
		t.counts = true
		var err error
		if day == StateDay {
			err = c.Holds(sides[side].Dossier, t)
		} else {
			err = c.Days(sides[side].Dossier, day, t)
		}
		if rule := (*RuleError)(nil); errors.As(err, &rule) {
			failed[c.ID] = err // as in a night, the others go on
			return nil
		}
		if err != nil {
			return fmt.Errorf("check %s: %w", c.ID, err)
		}
		for _, n := range t.Contributions(facts.Key) {
			k := ContributionKey{Check: n.Check, App: n.App, Subject: n.Subject}
			if mine[side][k] == nil {
				mine[side][k] = &verdict{check: c, first: Never, last: Ever}
			}
			mine[side][k].add(&n)
		}
		return nil
	}
	for i := range was.Headers {
		day := was.Headers[i].Day
		if day < r.from || day > r.to {
			continue
		}
		for side := range judged {
			for _, c := range sides[side].checks {
				switch {
				case side == 1 && alike[c.Key()] != nil:
				case c.Days == nil || (was.Blind || was.Key == "") && slices.Contains(c.Needs, KindApps):
				case r.led.Purged != StateDay && day-r.looksBack(c) < r.led.Purged:
					blind[c.ID] = append(blind[c.ID], day)
				default:
					if err := judge(side, c, day); err != nil {
						return err
					}
				}
			}
		}
		days.free()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	// As in a night, rules of one's own see what the others find.
	for _, own := range []bool{false, true} {
		for side := range judged {
			for _, c := range sides[side].checks {
				if side == 1 && alike[c.Key()] != nil {
					continue
				}
				if c.Own == own && c.Holds != nil && was.Key != "" && (!was.Blind || !slices.Contains(c.Needs, KindApps)) {
					if err := judge(side, c, StateDay); err != nil {
						return err
					}
				}
			}
		}
		if !own && judged == 2 {
			for k, v := range mine[0] {
				if c := alike[v.check.Key()]; c != nil {
					too := *v
					too.check = c // it may be graded otherwise
					mine[1][k] = &too
				}
			}
		}
	}
	if judged == 1 {
		mine[1] = mine[0]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps++
	maps.Copy(r.failed, failed)
	for check, list := range blind {
		if r.blind[check] == nil {
			r.blind[check] = map[Day]bool{}
		}
		for _, day := range list {
			r.blind[check][day] = true
		}
	}
	for i, to := range []*verdicts{&r.was, &r.would} {
		if to.found == nil {
			to.found = map[ContributionKey]*verdict{}
		}
		maps.Copy(to.found, mine[i])
	}
	if app := was.Newest(); app != nil {
		if r.names == nil {
			r.names = map[string]string{}
		}
		r.names[facts.Key] = app.Name
	}
	return nil
}

// foundIn is what checks of the guideline found in an app, by check and subject. It is of the days of the Replay only.
func (r *replaying) foundIn(found map[ContributionKey]*verdict) []ContributionSpan {
	var out []ContributionSpan
	for k, v := range found {
		if v.check.Own {
			continue
		}
		s := ContributionSpan{k, v.first, v.last}
		if v.check.Nature == IsState { // a state has no moments of its own
			s.First, s.Last = min(s.First, r.asOf), r.asOf
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b ContributionSpan) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

// uncounted are days of which no figures are kept: those that are hold a purpose by the synonyms of the policy that held.
type uncounted struct{ Days }

func (uncounted) Figures(Day) (*DayFigures, error) { return nil, nil }

// dossier is what was known of an app at as-of, had today's facts been.
func (r *replaying) dossier(facts *AppFacts, days *appDays) (Dossier, error) {
	d := Dossier{Key: facts.Key, AsOf: r.asOf, Approvals: facts.Approvals, Blind: facts.Blind, Incidents: r.incidents, Headers: facts.Headers,
		Canaries: r.canaries, Days: days}
	for i, v := range facts.Versions {
		if i == 0 || v.From <= r.asOf {
			d.Versions = append(d.Versions, v)
		}
	}
	bySite := map[string][]Lifecycle{}
	for i := range facts.Events {
		e := &facts.Events[i]
		bySite[e.Site] = append(bySite[e.Site], e.Lifecycle)
	}
	d.Sites = sitesOf(bySite)
	var err error
	d.Answers, err = ReadAnswers(facts.Answers)
	return d, err
}

// looksBack is how many days before a day a check has to see, by any of the rules.
func (r *replaying) looksBack(c *Check) Day {
	n := Day(0)
	if c.LooksBack != nil {
		for _, list := range []RulesTimeline{r.was.rules, r.would.rules} {
			for i := range list {
				n = max(n, c.LooksBack(list[i].Policy))
			}
		}
	}
	return n
}

func (v *verdict) add(n *Contribution) {
	v.occurrences += len(n.Occurrences)
	v.certain = v.certain || !n.Doubtful
	v.accounts, v.sites = Union(v.accounts, n.Accounts), Union(v.sites, n.Sites)
	v.first, v.last = min(v.first, n.First), max(v.last, n.Last)
	for _, e := range n.Evidence {
		if len(v.evidence) < MaxEvidence {
			v.evidence = append(v.evidence, e)
		}
	}
}

func (v *verdict) judged(subject string) *Judged {
	if v == nil {
		return nil
	}
	j := &Judged{Occurrences: v.occurrences, Accounts: v.accounts.Len(), Sites: v.sites.Len(), First: v.first, Last: v.last}
	if v.check.Nature == IsState {
		j.Occurrences = 1
	}
	if j.Severity, j.Confidence = v.check.GradeOf(subject); !v.certain {
		j.Confidence = Possible
	}
	return j
}

// compare finds what the rules differ in.
func (r *replaying) compare() *Replayed {
	out := &Replayed{Apps: r.apps, Failed: r.failed, Blind: map[string][]Day{}}
	for check, days := range r.blind {
		out.Blind[check] = slices.Sorted(maps.Keys(days))
	}
	all := map[ContributionKey]bool{}
	for k := range r.was.found {
		all[k] = true
	}
	for k := range r.would.found {
		all[k] = true
	}
	for k := range all {
		was, would := r.was.found[k], r.would.found[k]
		d := Difference{Kind: Differs, App: k.App, Name: r.names[k.App], Check: k.Check, Subject: k.Subject, Was: was.judged(k.Subject), Would: would.judged(k.Subject)}
		shown := would
		switch {
		case was == nil:
			d.Kind = Appears
		case would == nil:
			d.Kind, shown = Vanishes, was
		case *d.Was == *d.Would:
			d.Kind = Stays
		}
		d.Clause, d.Title, d.Examples = shown.check.Clause, shown.check.title(k.Subject), shown.evidence
		if d.Kind == Differs {
			d.Examples = onlyIn(would.evidence, was.evidence)
			if len(d.Examples) == 0 {
				d.Examples = onlyIn(was.evidence, would.evidence)
			}
		}
		if d.Kind == Stays {
			out.Same = append(out.Same, d)
		} else {
			out.Differences = append(out.Differences, d)
		}
	}
	for _, list := range [][]Difference{out.Differences, out.Same} {
		slices.SortFunc(list, func(a, b Difference) int {
			return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.Graded().Severity.Rank(), b.Graded().Severity.Rank()),
				cmp.Compare(a.App, b.App), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject))
		})
	}
	return out
}

// onlyIn gives the rows of a that are not in b.
func onlyIn(a, b []Evidence) []Evidence {
	return slices.DeleteFunc(slices.Clone(a), func(e Evidence) bool { return slices.Contains(b, e) })
}

func (d *Difference) place() int {
	return slices.Index([]DifferenceKind{Appears, Vanishes, Differs, Stays}, d.Kind)
}

// Graded is the finding as the other rules have it, or as it was where they have none.
func (d *Difference) Graded() *Judged { return cmp.Or(d.Would, d.Was) }
