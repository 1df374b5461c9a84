package notices

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
)

// A view is all that a night's steps look at, and what they have changed of it.
type view struct {
	*Desk
	nights   []audit.NightCount
	run      string // the last night's
	now      audit.Instant
	held     bool
	notices  []audit.Notice
	matter   map[string]*audit.Matter // by finding
	findings map[string]*audit.Finding
	registry map[string]store.Registrant
	due      map[string][]subject // reminders, by vendor
	second   map[string][]subject

	night     map[string]audit.NightCount // by run
	commented map[string]bool             // findings that are likely, by a person
	reopened  map[string]audit.Instant    // when nights reopened findings of late
}

func (d *Desk) view(ctx context.Context) (*view, error) {
	v, err := d.begun(ctx)
	if err != nil || len(v.nights) == 0 {
		return v, err
	}
	open, err := d.Store.Findings(ctx, store.Filter{Statuses: audit.OpenStatuses()})
	if err != nil {
		return v, err
	}
	return v, v.know(ctx, open, v.about(func(m *audit.Matter) bool { return m.ClosedAt == audit.Never }), false)
}

// taskView is a view of what tasks may be about. Of what is open and no vendor was told of, that is what a recommendation was ever made for, and what is about apps whose
// request for approval waits; of all findings it has no evidence. What a page waits for must not be every finding.
func (d *Desk) taskView(ctx context.Context) (*view, error) {
	v, err := d.begun(ctx)
	if err != nil || len(v.nights) == 0 {
		return v, err
	}
	ids := v.about(func(m *audit.Matter) bool {
		return m.DisputedAt != audit.Never || m.DisputeAccepted || m.ExtensionAsked || m.Answer == audit.Verified || m.Overdue && !m.Recommended || m.AnswerBy != 0
	})
	for i := range v.notices {
		if v.notices[i].Delivery == audit.NoticeBounced {
			ids = append(ids, v.notices[i].Findings()...)
		}
	}
	recommended, err := d.Store.EverRecommended(ctx)
	if err != nil {
		return v, err
	}
	apps, err := d.Store.Requesting(ctx)
	if err != nil {
		return v, err
	}
	var open []audit.Finding
	for part := range slices.Chunk(apps, 500) {
		more, err := d.Store.Findings(ctx, store.Filter{Apps: part, Statuses: audit.OpenStatuses(), Lean: true})
		if err != nil {
			return v, err
		}
		open = append(open, more...)
	}
	return v, v.know(ctx, open, append(ids, recommended...), true)
}

// begun is a view of nights, notices and what goes on about findings, without the findings.
func (d *Desk) begun(ctx context.Context) (v *view, err error) {
	v = &view{Desk: d, night: map[string]audit.NightCount{}, matter: map[string]*audit.Matter{}, findings: map[string]*audit.Finding{}, due: map[string][]subject{}, second: map[string][]subject{}}
	if v.nights, err = d.nights(ctx); err != nil || len(v.nights) == 0 {
		return v, err
	}
	v.run, v.now, v.held = v.nights[len(v.nights)-1].Run, d.now(v.nights), held(v.nights) != nil
	if v.notices, err = d.Store.Notices(ctx, store.NoticeFilter{}); err != nil {
		return v, err
	}
	matters, err := d.Store.Matters(ctx, false)
	for i := range matters {
		v.matter[matters[i].Finding] = &matters[i]
	}
	return v, err
}

// about are the findings of the matters that are meant, and of the notices that have not left.
func (v *view) about(meant func(*audit.Matter) bool) (ids []string) {
	for _, m := range v.matter {
		if meant(m) {
			ids = append(ids, m.Finding)
		}
	}
	for i := range v.notices {
		if n := &v.notices[i]; n.Waits() || n.Delivery == audit.NoticeApproved {
			ids = append(ids, n.Findings()...)
		}
	}
	return ids
}

// know fills in findings, those of ids among them, and what else is known of them.
func (v *view) know(ctx context.Context, open []audit.Finding, ids []string, lean bool) error {
	known, err := v.Desk.findings(ctx, ids, lean)
	if err != nil {
		return err
	}
	apps := map[string]bool{}
	for _, f := range slices.Concat(open, known) {
		v.findings[f.ID], apps[f.App] = &f, true
	}
	if v.registry, err = v.Store.Registrants(ctx, slices.Sorted(maps.Keys(apps))); err != nil {
		return err
	}
	if lean && len(open) == 0 {
		return nil // nobody asks whether a vendor is to be told
	}
	for _, n := range v.nights {
		v.night[n.Run] = n
	}
	var likely []string
	for id, f := range v.findings {
		if f.Confidence == audit.Likely {
			likely = append(likely, id)
		}
	}
	if v.commented, err = v.Store.Commented(ctx, likely); err != nil {
		return err
	}
	v.reopened, err = v.Store.Reopened(ctx, v.nights[len(v.nights)-1].AsOf.Add(-v.Policy.Ladder.After))
	return err
}

// telling says whether a finding's vendor is to be told of it: nil, or why not.
func (v *view) telling(f *audit.Finding) error {
	filed := v.night[f.FirstRun]
	last := v.nights[len(v.nights)-1].AsOf
	x := audit.Prospect{Finding: f, Matter: v.matter[f.ID], Opened: filed.AsOf, Night: last, Baseline: filed.Baseline && !filed.Released, Commented: v.commented[f.ID]}
	if at, ok := v.reopened[f.ID]; ok {
		x.Opened = max(x.Opened, at)
	}
	if r, ok := v.registry[f.App]; ok && r.Waiting != audit.Never {
		x.Waited = time.Duration(last - r.Waiting)
	}
	if v.Check != nil {
		c, there := v.Check(f.Check)
		x.Idle = !there || c.Off
	}
	return x.Telling(&v.Policy.Ladder)
}

// findings gives the findings of ids, those that there are; lean: without their evidence.
func (d *Desk) findings(ctx context.Context, ids []string, lean bool) (list []audit.Finding, err error) {
	slices.Sort(ids)
	for part := range slices.Chunk(slices.Compact(ids), 500) {
		more, err := d.Store.Findings(ctx, store.Filter{IDs: part, Lean: lean})
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// vendor is the key and the name of an app's vendor.
func (v *view) vendor(app string) (key, name string) {
	var who audit.Vendor
	if r, ok := v.registry[app]; ok {
		who = r.App.Vendor
	}
	return audit.VendorKey(app, who), cmp.Or(who.Name, who.ID, app)
}

// matters moves every matter on, and collects what vendors are to be written about.
func (v *view) matters(ctx context.Context) error {
	runs, err := v.Store.Runs(ctx, 100)
	if err != nil {
		return err
	}
	slices.Reverse(runs)
	notice := map[string]*audit.Notice{}
	for i := range v.notices {
		notice[v.notices[i].ID] = &v.notices[i]
	}
	for _, id := range slices.Sorted(maps.Keys(v.matter)) {
		m := v.matter[id]
		if m.ClosedAt != audit.Never {
			continue
		}
		f := v.findings[id]
		after, due, trail, since := *m, audit.Step(""), []audit.TrailEntry(nil), audit.Nights{}
		if f != nil && m.Answer == audit.FixClaimed {
			nature := audit.IsState // as rules of the platform's own
			if check, ok := checks.Get(f.Check); ok {
				nature = check.Nature
			}
			since = audit.NightsSince(m.ClaimedAt, f, nature, runs)
		}
		if n := notice[after.Second]; n != nil && (n.Delivery == audit.NoticeWithdrawn || !n.Has(id) || n.Delivery == audit.NoticeBounced && !slices.Equal(n.Recipients, recipients(v.registry, n.About))) {
			after.Second, after.SecondAt = "", audit.Never
		}
		for {
			var more []audit.TrailEntry
			after, due, more = after.Advance(f, since, v.now, &v.Policy.Ladder)
			trail = append(trail, more...)
			if due != audit.StepOverdue {
				break
			}
		}
		change := store.NoticesChanged{Trail: trail}
		of := store.FindingNotice{FindingRef: m.FindingRef, NotifiedAt: after.Notified, DueAt: after.Due}
		if due == audit.StepRecommend && v.held {
			due = ""
		}
		if due == audit.StepRecommend {
			after = after.Did(due, "", v.now, &v.Policy.Ladder)
			var e *audit.TrailEntry
			if of.Recommend, e = v.propose(&after, f); e != nil {
				change.Trail = append(change.Trail, *e)
				change.Open = []audit.FindingRef{m.FindingRef}
			}
		}
		if !equal(m, &after) {
			change.Matters = []audit.Matter{after}
			if f != nil {
				change.Findings = []store.FindingNotice{of}
			}
			if err := v.Store.ChangeNotices(ctx, change); err != nil {
				return err
			}
			after.Version++
			*m = after
		}
		vendor, _ := v.vendor(m.App)
		if kind := map[audit.Step]audit.NoticeKind{audit.StepRemind: audit.Reminder, audit.StepSecond: audit.SecondNotice}[due]; kind == "" || !v.follows(kind, m, f) {
			continue
		}
		switch due {
		case audit.StepRemind:
			v.due[vendor] = append(v.due[vendor], subject{*f, m})
		case audit.StepSecond:
			v.second[vendor] = append(v.second[vendor], subject{*f, m})
		}
	}
	return nil
}

// follows says whether a reminder or second notice about a matter is still true and fair: its clock runs, on the side of the deadline that it speaks of, and
// no fix is claimed since which nothing more was found.
func (v *view) follows(kind audit.NoticeKind, m *audit.Matter, f *audit.Finding) bool {
	claimed := m.Answer == audit.FixClaimed && (kind == audit.Reminder || f.LastSeen <= m.ClaimedAt)
	return !m.Over() && !m.Stands() && !claimed && (v.now >= m.Due) == (kind == audit.SecondNotice)
}

func equal(a, b *audit.Matter) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// propose is the recommendation after two notices that were not answered. What a person recommended or decided since the first stays.
func (v *view) propose(m *audit.Matter, f *audit.Finding) (*audit.Recommendation, *audit.TrailEntry) {
	if r := f.Recommendation; r != nil && (r.DecidedBy == "" || r.DecidedAt >= m.Notified) {
		return nil, nil
	}
	var all []audit.Matter
	for _, o := range v.matter {
		all = append(all, *o)
	}
	repeats := m.Repeats(all, &v.Policy.Ladder)
	act := audit.Recommend(f.Severity, repeats, f.Accounts, &v.Policy.Ladder)
	why := fmt.Sprintf("two notices were delivered, and it is still open; severity %s, notices about it before within a year: %d, accounts: %d", f.Severity, repeats, f.Accounts)
	return &audit.Recommendation{Act: act, ProposedBy: audit.ByNight, ProposedAt: v.now, DecidedAt: audit.Never},
		&audit.TrailEntry{At: v.now, Who: audit.ByNight, What: "recommended", Finding: f.ID, Why: why, Details: map[string]any{"act": act}}
}
