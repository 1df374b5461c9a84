package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// totals is what a finding holds: the union of its contributions.
type totals struct {
	occurrences int
	first, last Instant
	Holding
	evidence []Evidence
	doubtful bool // all of it is possible only
}

// EvidenceShown is how many rows of evidence a finding shows of its earliest contributions, and of its latest.
const EvidenceShown = 8

// totalsOf is the union of contributions. It puts them in order of their days.
func totalsOf(list []Contribution) totals {
	t := totals{first: Never, last: Ever, doubtful: len(list) > 0}
	slices.SortFunc(list, func(a, b Contribution) int { return cmp.Compare(a.Day, b.Day) })
	for i := range list {
		c := &list[i]
		t.occurrences += len(c.Occurrences) + c.Folded
		t.first, t.last = min(t.first, c.First), max(t.last, c.Last)
		t.evidence = append(t.evidence, c.Evidence...)
		t.doubtful = t.doubtful && c.Doubtful
	}
	t.Holding = HoldingOf(list)
	slices.SortStableFunc(t.evidence, compareEvidence)
	if len(t.evidence) > 2*EvidenceShown {
		t.evidence = append(t.evidence[:EvidenceShown:EvidenceShown], t.evidence[len(t.evidence)-EvidenceShown:]...)
	}
	return t
}

// folded is all of t as one contribution, like the one of which it gives the finding.
func (t *totals) folded(of *Contribution) Contribution {
	return Contribution{Check: of.Check, App: of.App, Subject: of.Subject, Day: BaseDay, Folded: t.occurrences, First: t.first, Last: t.last,
		Accounts: t.Accounts, Sites: t.Sites, Hosts: t.Hosts, Evidence: t.evidence, Doubtful: t.doubtful}
}

// sumAfter is after how many days a finding's sum is made anew. To write it takes as long as to read it, and it grows to be far more than a day.
const sumAfter = 5

// sumOf is the sum of a finding's contributions, which are in order of their days and whose totals t is. There is none where so few days came since the
// last that another is not worth its writing. Findings that grow each night do not all come to that in the same one.
func sumOf(id string, list []Contribution, t *totals) (Sum, bool) {
	days := 0
	for i := range list {
		switch {
		case list[i].Day == StateDay:
			return Sum{}, false
		case list[i].Day > BaseDay:
			days++
		}
	}
	if days <= sumAfter+int(id[len(id)-1])%sumAfter {
		return Sum{}, false
	}
	last := &list[len(list)-1]
	return Sum{t.folded(last), last.Day}, true
}

// A lifeStep is what one run brings to a finding.
type lifeStep struct {
	app    string
	delta  *delta // nil: only acts of people ended
	totals totals
	before *Finding // nil: it is new
	acts   []Act    // of the finding
}

// live moves a finding on. It is pure: the finding after the step, what to tell of it ("": nothing), the acts that end, the entries of the trail. A nil
// finding: nothing happened.
func (r *running) live(s lifeStep) (f *Finding, what ChangeKind, ended []Act, trail []TrailEntry) {
	asOf := r.o.AsOf
	note := func(what, why string, details map[string]any) {
		trail = append(trail, TrailEntry{At: At(r.Clock()), Who: ByNight, What: what, Finding: f.ID, Why: why, Details: details})
	}
	f = &Finding{}
	if s.before != nil {
		*f = *s.before
	} else {
		*f = Finding{ID: FindingID(s.delta.check.ID, s.app, s.delta.subject), Check: s.delta.check.ID, App: s.app, Subject: s.delta.subject,
			Status: Open, FirstRun: r.run.ID, NotifiedAt: Never, DueAt: Never}
	}
	status := func(to Status, reason string) { f.Status, f.Reason = to, reason }

	if d := s.delta; d != nil {
		if s.before == nil && s.totals.occurrences == 0 {
			return nil, "", nil, nil
		}
		r.measure(f, d, s.totals)
		count := map[string]any{"occurrences": f.Occurrences, "accounts": f.Accounts, "sites": f.Sites}
		numbers := map[string]any{"added": d.fresh, "taken_away": d.gone, "now": count}
		if len(d.causes) > 0 {
			numbers["facts"] = d.causes
		}
		isState := d.check.Nature == IsState
		switch {
		case s.before == nil:
			what = IsNew
			note("filed", f.Title, numbers)
		case s.totals.occurrences == 0 && f.Status == Resolved:
			return nil, "", nil, nil
		case s.totals.occurrences == 0 && isState:
			what = IsResolved
			status(Resolved, "no longer holds")
			note("resolved", "it no longer holds", numbers)
		case s.totals.occurrences == 0:
			what = IsWithdrawn
			status(Resolved, "withdrawn")
			note("withdrawn", "late facts took away all of it: "+strings.Join(d.causes, "; "), numbers)
		default:
			if d.gone > 0 && !isState {
				note("shrank", "late facts took some of it away: "+strings.Join(d.causes, "; "), numbers)
			}
			if d.fresh > 0 && f.Status == Resolved {
				what = IsReopened
				status(Open, "")
				note(TrailReopened, "", numbers)
				break
			}
			switch {
			case d.grew():
				what = Grew
				note("grew", "", numbers)
			case d.gone > 0:
				what = Grew
			default: // it holds what it held: what is said of it is another
				f.Latest = s.before.Latest
			}
			if s.before.Confidence != f.Confidence {
				if what == "" {
					what = IsGraded
				}
				note("graded", fmt.Sprintf("its confidence is %s, and was %s", f.Confidence, s.before.Confidence), nil)
			}
		}
	}

	// What a person suppressed or dismissed stays so, until it ends or breaks off; what the policy excepts, until it does so no more.
	if f.Status != Resolved {
		running := slices.DeleteFunc(slices.Clone(s.acts), func(a Act) bool { return !a.Runs(asOf) })
		quiet, by := quieted(f, s.totals.Sites, running)
		excepted := r.rules.At(asOf).Policy.Excepts(f.App, f.Check, f.Subject, asOf)
		if excepted != nil {
			quiet, by = Suppressed, &Act{Kind: Suppress, Reason: excepted.String(), Until: excepted.Until}
		}
		was := f.Status == Suppressed || f.Status == FalsePositive
		grew := s.delta != nil && s.delta.grew()
		switch {
		case quiet != "" && grew && excepted == nil && r.breaksOff(by, s):
			status(Open, "")
			f.Worsened = true
			what = IsWorsened
			for _, a := range running {
				a.Ended = asOf
				ended = append(ended, a)
			}
			note(TrailWorsened, fmt.Sprintf("it outgrew what it was when it was %s", pastOf(by.Kind)),
				map[string]any{"accounts_then": by.Held.Accounts.Len(), "accounts": f.Accounts, "sites_then": by.Held.Sites.Len(), "sites": f.Sites})
		case quiet != "":
			if f.Status != quiet || f.Reason != by.Reason {
				note(string(quiet), fmt.Sprintf("it is %s for all that it holds: %s", pastOf(by.Kind), by.Reason), nil)
				what = GrewSilent
			}
			status(quiet, by.Reason)
			if what == Grew || what == IsGraded || what == IsReopened || what == IsNew {
				what = GrewSilent
			}
		case was:
			status(Open, "")
			what = IsReopened
			why := "what suppressed it ended"
			if len(running) > 0 {
				why = "it is on other sites than those that it is suppressed for"
			}
			note(TrailReopened, why, nil)
		}
	}
	for _, a := range s.acts {
		if a.Ended == Never && a.Until <= asOf {
			a.Ended = a.Until
			ended = append(ended, a)
		}
	}
	if c := r.check(f.Check); c != nil && f.Status != Resolved {
		was := s.before != nil && s.before.Observed
		f.Observed = c.observes(f, asOf)
		switch {
		case was && !f.Observed:
			note("enforced", "its check is enforced from "+c.EnforceFrom.String(), nil)
			if what = GrewSilent; IsOpen(f.Status) {
				what = IsNew // to those who are told of findings
			}
		case f.Observed && !was:
			note("observed", "its check is not enforced before "+c.EnforceFrom.String(), nil)
			what = GrewSilent
		}
	}
	if f.Observed && what != "" {
		what = GrewSilent
	}
	if s.delta == nil && what == "" {
		return nil, "", ended, nil
	}
	f.LastRun = r.run.ID
	return f, what, ended, trail
}

// check is the check of an id, or its first part; nil where there is none any more.
func (r *running) check(id string) *Check {
	for i := range r.Checks {
		if r.Checks[i].ID == id {
			return &r.Checks[i]
		}
	}
	return nil
}

// moves says whether what people and policy make of a finding is another than it was, though no fact of it changed.
func (r *running) moves(f *Finding, acts []Act) bool {
	if f.Status == Resolved {
		return false
	}
	excepted := r.rules.At(r.o.AsOf).Policy.Excepts(f.App, f.Check, f.Subject, r.o.AsOf)
	runs := false
	for i := range acts {
		if acts[i].Ended == Never && acts[i].Until <= r.o.AsOf {
			return true
		}
		runs = runs || acts[i].Runs(r.o.AsOf)
	}
	if c := r.check(f.Check); c != nil && f.Observed != c.observes(f, r.o.AsOf) {
		return true
	}
	if excepted != nil {
		return f.Status != Suppressed || f.Reason != excepted.String()
	}
	return !runs && (f.Status == Suppressed || f.Status == FalsePositive) || f.Status == Suppressed && strings.HasPrefix(f.Reason, exceptedBy)
}

func pastOf(k ActKind) string {
	if k == Dismiss {
		return "dismissed"
	}
	return "suppressed"
}

// quieted is the status that running acts keep a finding in, and the act that decides; "" where none does. Acts for single sites quiet it only together,
// while it has no other site.
func quieted(f *Finding, sites IDs, running []Act) (Status, *Act) {
	covered := map[string]bool{}
	var site *Act
	for i := range running {
		a := &running[i]
		switch {
		case a.Kind == Dismiss:
			return FalsePositive, a
		case a.Site == "":
			return Suppressed, a
		default:
			covered[a.Site] = true
			site = a
		}
	}
	if site == nil || sites.Len() == 0 {
		return "", nil
	}
	for _, s := range sites.Strings() {
		if !covered[s] {
			return "", nil
		}
	}
	return Suppressed, site
}

// breaksOff says whether a finding outgrew what it was when a person quieted it.
func (r *running) breaksOff(by *Act, s lifeStep) bool {
	now, then := &s.totals.Holding, &by.Held
	if s.delta.check.ByPlace && (now.Sites.Minus(then.Sites).Len() > 0 || now.Hosts.Minus(then.Hosts).Len() > 0) {
		return true
	}
	added := now.Accounts.Minus(then.Accounts).Len()
	return added > max(r.rules.At(r.o.AsOf).Policy.WorsenedAccounts, then.Accounts.Len())
}

// measure writes what a finding holds and what it says.
func (r *running) measure(f *Finding, d *delta, t totals) {
	c := d.check
	rules := r.rules.At(r.o.AsOf)
	f.Clause = c.Clause
	f.Severity, f.Confidence = c.GradeOf(f.Subject)
	if t.doubtful {
		f.Confidence = Possible
	}
	f.Remediation = c.Remediation
	if c.Nature == IsEvent {
		f.Occurrences = t.occurrences
	} else {
		f.Occurrences = 1 // also of one that no longer holds
	}
	f.Accounts, f.Sites = t.Accounts.Len(), t.Sites.Len()
	if t.occurrences > 0 {
		f.FirstSeen, f.LastSeen, f.Evidence = t.first, t.last, t.evidence
		if c.Nature == IsState {
			f.LastSeen = r.o.AsOf
		}
	}
	f.Latest = Latest{Run: r.run.ID, Occurrences: d.fresh, Accounts: d.freshAccounts.Len()}
	f.PolicyDigest, f.Registry = rules.Policy.Digest, r.version
	f.Title = c.title(f.Subject)
	if c.Explain != nil && t.occurrences > 0 {
		f.Explanation = c.Explain(f, rules.Policy)
	}
}

// written names the segments that packs of this run lie in, whoever wrote them, and up to which byte of each.
func (r *running) written() map[string]int64 {
	out := map[string]int64{}
	for _, u := range r.updates {
		for _, p := range u.Packs {
			out[p.Segment] = max(out[p.Segment], p.Offset+p.Length)
		}
	}
	return out
}

// publish works out what becomes of the findings, and makes all of the run visible at once, after durable has waited for the archive.
func (r *running) publish(newest []Newest, durable func() error) (*Result, error) {
	slices.SortFunc(r.updates, func(a, b *appResult) int { return cmp.Compare(a.Key, b.Key) })
	if slices.ContainsFunc(r.updates, func(u *appResult) bool { return u.Version != nil || u.SetApprovals }) {
		r.version++
	}
	for try := 0; ; try++ {
		res, p, err := r.compose(newest)
		if err != nil {
			return nil, err
		}
		if r.o.DryRun {
			r.intake.Abort()
			return res, nil
		}
		if err := durable(); err != nil {
			return nil, err
		}
		switch err := r.Store.Publish(r.ctx, p); {
		case err == nil:
			r.reclaim(res.Run)
			return res, nil
		case try < 20 && isChanged(err):
			// A person acted on a finding meanwhile: what becomes of it is worked out again from what it is now.
		default:
			return nil, err
		}
	}
}

// reclaim removes the segments of which nothing is in use any more, once packs were purged. If it cannot, the next run does.
func (r *running) reclaim(run *Run) {
	if p := run.Summary.Purged; p == nil || p.Packs == 0 {
		return
	}
	inUse, err := r.Store.SegmentsInUse(r.ctx)
	if err == nil {
		err = r.Archive.Sweep(inUse)
	}
	if err != nil {
		r.Log.Warn("segments that nothing is in use of could not be removed; the next run does it", "run", run.ID, "error", err)
	}
}

// compose works out the publication from findings as they are now.
func (r *running) compose(newest []Newest) (*Result, *Publication, error) {
	run := *r.run
	run.Status, run.FinishedAt = Finished, At(r.Clock())
	policy := r.Rules.Policy
	p := &Publication{Run: &run, Archive: r.Archive.ID(), Rules: r.newRules, Purged: r.purgedBefore(), Registry: r.version,
		Retention: Retention{Findings: run.AsOf.Add(-policy.RetentionFindings), Trail: run.AsOf.Add(-policy.RetentionTrail)},
		Newest:    newest, Incidents: r.newIncs, Canaries: r.canaries}
	for i := range r.reading.Files {
		f := &r.reading.Files[i]
		p.Files = append(p.Files, f.File)
		if !f.Discarded {
			p.Read = append(p.Read, ReadFrom{f.ID, f.FromLine})
		}
	}
	res := &Result{Run: &run, First: r.led.Last == nil, DryRun: r.o.DryRun}
	for list := range slices.Chunk(r.updates, batch) {
		known, err := r.findingsOf(list)
		if err != nil {
			return nil, nil, err
		}
		for i, u := range list {
			update, changes, err := r.liveApp(u, &known[i])
			if err != nil {
				return nil, nil, err
			}
			p.Apps = append(p.Apps, *update)
			res.Changes = append(res.Changes, changes...)
		}
	}
	open, err := r.Store.OpenFindings(r.ctx)
	if err != nil {
		return nil, nil, err
	}
	counts := &run.Summary.Findings
	for _, c := range res.Changes {
		switch c.What {
		case IsNew:
			counts.New++
		case IsReopened:
			counts.Reopened++
		case IsWorsened:
			counts.Worsened++
		case IsResolved:
			counts.Resolved++
		case IsWithdrawn:
			counts.Withdrawn++
		}
		if c.wasOpen {
			open[c.was]--
		}
		if IsOpen(c.Finding.Status) {
			open[c.Finding.Severity]++
		}
	}
	res.Open = open
	for _, n := range open {
		counts.Open += n
	}
	before, err := r.Store.NightCounts(r.ctx)
	if err != nil {
		return nil, nil, err
	}
	res.Night, p.Judged = policy.Ladder.JudgeRun(before, &run, res.Changes)
	p.Trail = append(p.Trail, TrailEntry{At: At(r.Clock()), Who: ByNight, What: "run", Why: run.ID, Details: map[string]any{
		"as_of": run.AsOf.String(), "new": counts.New, "reopened": counts.Reopened, "worsened": counts.Worsened,
		"resolved": counts.Resolved, "withdrawn": counts.Withdrawn, "by": run.By}})
	if r.Messages != nil {
		p.Messages = func() ([]Message, error) { return r.Messages(res) }
	}
	return res, p, nil
}

// purgedBefore is the day before which facts are no longer kept once the run is published.
func (r *running) purgedBefore() Day {
	before := r.o.AsOf.Day() - r.Rules.Policy.RetentionDays()
	return max(before, r.led.Purged)
}

// filed is what is filed of an app.
type filed struct {
	findings map[string]*Finding       // by id
	acts     map[string][]Act          // those that have not ended, by finding
	sets     map[string][]Contribution // that stay as they are
}

// setsAtOnce bounds the occurrences and accounts that are read together.
const setsAtOnce = 1 << 20

// findingsOf reads what is filed of the apps whose findings the run touches, and the contributions to those of the findings, as far as these are small: a query
// for each of many would cost more than all else that becomes of them.
func (r *running) findingsOf(updates []*appResult) ([]filed, error) {
	out := make([]filed, len(updates))
	of := map[string]*filed{}
	var keys []string
	for i, u := range updates {
		if len(u.deltas) > 0 || u.suspended {
			out[i] = filed{map[string]*Finding{}, map[string][]Act{}, map[string][]Contribution{}}
			of[u.Key] = &out[i]
			keys = append(keys, u.Key)
		}
	}
	findings, acts, err := r.Store.FindingsOf(r.ctx, keys...)
	if err != nil {
		return nil, err
	}
	for i := range findings {
		of[findings[i].App].findings[findings[i].ID] = &findings[i]
	}
	for _, a := range acts {
		x := of[a.App]
		x.acts[a.Finding] = append(x.acts[a.Finding], a)
	}
	var want []FindingDays
	weight := 0
	for _, u := range updates {
		for i := range u.deltas {
			k := u.deltas[i].untouched(u.Key)
			f := of[u.Key].findings[k.ID()]
			if f == nil {
				continue
			}
			if n := f.Occurrences + f.Accounts; weight+n <= setsAtOnce {
				weight += n
				want = append(want, k)
				of[u.Key].sets[f.ID] = nil
			}
		}
	}
	sets, err := r.Store.ContributionsOf(r.ctx, want...)
	if err != nil {
		return nil, err
	}
	for _, c := range sets {
		x, id := of[c.App], FindingID(c.Check, c.App, c.Subject)
		x.sets[id] = append(x.sets[id], c)
	}
	return out, nil
}

// contributionsOf is contributions to a finding that is filed.
func (r *running) contributionsOf(known *filed, k FindingDays) ([]Contribution, error) {
	if list, ok := known.sets[k.ID()]; ok {
		return list, nil
	}
	return r.Store.ContributionsOf(r.ctx, k)
}

// liveApp works out what becomes of one app's findings.
func (r *running) liveApp(u *appResult, known *filed) (*AppUpdate, []Change, error) {
	out := u.AppUpdate
	var changes []Change
	step := func(s lifeStep) {
		f, what, ended, trail := r.live(s)
		out.Ended = append(out.Ended, ended...)
		if f == nil {
			return
		}
		f.AppName, f.Vendor = u.name, u.vendor
		out.Findings = append(out.Findings, *f)
		out.Trail = append(out.Trail, trail...)
		if what == "" {
			return
		}
		changes = append(changes, Change{Finding: *f, What: what, wasOpen: s.before != nil && IsOpen(s.before.Status), was: severityOf(s.before)})
	}
	seen := map[string]bool{}
	for i := range u.deltas {
		d := &u.deltas[i]
		k := d.untouched(u.Key)
		id := k.ID()
		seen[id] = true
		all := slices.Clone(d.put)
		if known.findings[id] != nil {
			rest, err := r.contributionsOf(known, k)
			if err != nil {
				return nil, nil, err
			}
			all = append(all, rest...)
		}
		t := totalsOf(all)
		if sum, ok := sumOf(id, all, &t); ok {
			out.Sums = append(out.Sums, sum)
		}
		step(lifeStep{app: u.Key, delta: d, totals: t, before: known.findings[id], acts: known.acts[id]})
	}
	if u.suspended {
		for _, id := range slices.Sorted(maps.Keys(known.findings)) {
			f, list := known.findings[id], known.acts[id]
			if seen[id] || !r.moves(f, list) {
				continue
			}
			rest, err := r.contributionsOf(known, FindingDays{FindingKey: FindingKey{f.Check, u.Key, f.Subject}})
			if err != nil {
				return nil, nil, err
			}
			step(lifeStep{app: u.Key, totals: totalsOf(rest), before: f, acts: list})
		}
	}
	return &out, changes, nil
}

// untouched names the contributions to the delta's finding that stay as they are.
func (d *delta) untouched(app string) FindingDays {
	k := FindingDays{FindingKey: FindingKey{d.check.ID, app, d.subject}}
	for i := range d.put {
		k.Without = append(k.Without, d.put[i].Day)
	}
	for _, c := range d.remove {
		k.Without = append(k.Without, c.Day)
	}
	return k
}

// OpenStatuses are those of findings that somebody still has to deal with.
func OpenStatuses() []Status { return []Status{Open, Acknowledged, InRemediation} }

// UnresolvedStatuses are those of findings that are not over: open, or kept out of the way.
func UnresolvedStatuses() []Status {
	return slices.DeleteFunc(Statuses(), func(s Status) bool { return s == Resolved })
}

// IsOpen says whether somebody still has to deal with a finding of a status.
func IsOpen(s Status) bool { return slices.Contains(OpenStatuses(), s) }

func severityOf(f *Finding) Severity {
	if f == nil {
		return ""
	}
	return f.Severity
}
