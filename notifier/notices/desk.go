package notices

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// A Desk writes to vendors, and follows what becomes of it.
type Desk struct {
	Store   *store.Store
	Policy  *audit.Policy
	Mail    config.Notices
	FormURL string // where approval is asked for; empty: nowhere
	PageURL string // of the vendors' page; empty: there is none
	Clock   audit.Clock
	Log     *slog.Logger

	// Compose makes the messages that tell others of news. Nil: nobody is told.
	Compose notifier.Composer
	// Templates gives what mails are made with. Nil: the built-in ones.
	Templates func() (*email.Templates, error)
	// Bounces gives what came back of mails. Nil: nothing is known of that.
	Bounces func(ctx context.Context, each func(email.Bounce) error) error
}

// New is the desk that a configuration wants.
func New(s *store.Store, cfg *config.Config, clock audit.Clock, log *slog.Logger) *Desk {
	d := &Desk{Store: s, Policy: cfg.Policy, Mail: cfg.Notices, FormURL: cfg.Notices.FormURL, PageURL: cfg.Vendor.PublicURL, Clock: clock, Log: log}
	if dir := cfg.Notices.Bounces; dir != "" {
		d.Bounces = func(ctx context.Context, each func(email.Bounce) error) error {
			return email.ReadBounces(ctx, cfg.Resolve(dir), each)
		}
	}
	return d
}

// On says whether the configuration says who writes to vendors. If it does not, nothing is drafted. Without a mail server, too, nothing is sent.
func (d *Desk) On() bool { return d.Mail.From != "" }

// tries is how often something is begun again where others were in the way.
const tries = 5

func again(do func() error) (err error) {
	for range tries {
		if err = do(); !errors.Is(err, audit.ErrChanged) {
			return err
		}
	}
	return err
}

// now is the time: the clock's, or the last night's where that is ahead.
func (d *Desk) now(nights []audit.NightCount) audit.Instant {
	now := audit.At(d.Clock())
	if n := len(nights); n > 0 {
		now = max(now, nights[n-1].AsOf)
	}
	return now
}

// Night does what follows a night: it drafts what vendors are to be told, writes reminders, proposes what to do about those that did not answer, and puts
// what is approved into the outbox.
func (d *Desk) Night(ctx context.Context) error {
	if !d.On() {
		return nil
	}
	advanced := d.Advance(ctx) // what is wrong there, as with a mailbox, keeps nobody else waiting
	err := again(func() error {
		nights, err := d.nights(ctx)
		if err != nil || len(nights) == 0 {
			return err
		}
		if err := d.Store.NoteRequests(ctx, nights[len(nights)-1].AsOf); err != nil {
			return err
		}
		v, err := d.view(ctx)
		if err != nil {
			return err
		}
		if err := v.matters(ctx); err != nil {
			return err
		}
		return errors.Join(v.followUps(ctx), v.drafts(ctx))
	})
	return errors.Join(advanced, err, d.Queue(ctx))
}

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
	v := &view{Desk: d, night: map[string]audit.NightCount{}, matter: map[string]*audit.Matter{}, findings: map[string]*audit.Finding{}, due: map[string][]subject{}, second: map[string][]subject{}}
	var err error
	if v.nights, err = d.nights(ctx); err != nil || len(v.nights) == 0 {
		return v, err
	}
	v.run, v.now, v.held = v.nights[len(v.nights)-1].Run, d.now(v.nights), held(v.nights) != nil
	if v.notices, err = d.Store.Notices(ctx, store.NoticeFilter{}); err != nil {
		return v, err
	}
	matters, err := d.Store.Matters(ctx, false)
	if err != nil {
		return v, err
	}
	var ids []string
	for i := range matters {
		v.matter[matters[i].Finding] = &matters[i]
		if matters[i].ClosedAt == audit.Never {
			ids = append(ids, matters[i].Finding)
		}
	}
	for i := range v.notices {
		if n := &v.notices[i]; n.Waits() || n.Delivery == audit.NoticeApproved {
			for _, k := range n.About {
				ids = append(ids, k.Finding)
			}
		}
	}
	open, err := d.Store.Findings(ctx, store.Filter{Statuses: []audit.Status{audit.Open, audit.Acknowledged, audit.InRemediation}})
	if err != nil {
		return v, err
	}
	known, err := d.findings(ctx, ids)
	if err != nil {
		return v, err
	}
	apps := map[string]bool{}
	for _, f := range slices.Concat(open, known) {
		v.findings[f.ID], apps[f.App] = &f, true
	}
	if v.registry, err = d.Store.Registrants(ctx, slices.Sorted(maps.Keys(apps))); err != nil {
		return v, err
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
	if v.commented, err = d.Store.Commented(ctx, likely); err != nil {
		return v, err
	}
	v.reopened, err = d.Store.Reopened(ctx, v.nights[len(v.nights)-1].AsOf.Add(-d.Policy.Ladder.After))
	return v, err
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
	return x.Telling(&v.Policy.Ladder)
}

// findings gives the findings of ids, those that there are.
func (d *Desk) findings(ctx context.Context, ids []string) (list []audit.Finding, err error) {
	slices.Sort(ids)
	for part := range slices.Chunk(slices.Compact(ids), 500) {
		more, err := d.Store.Findings(ctx, store.Filter{IDs: part})
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
			check, _ := checks.Get(f.Check)
			since = audit.NightsSince(m.ClaimedAt, f, check.Nature, runs)
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

// wrote says whether the vendor has a notice of this night, so that it gets no other.
func (v *view) wrote(vendor string) bool {
	return slices.ContainsFunc(v.notices, func(n audit.Notice) bool {
		return n.Vendor == vendor && (n.ID == audit.NoticeID(vendor, v.run) || n.QueuedRun == v.run)
	})
}

// followUps writes second notices and reminders; one that fails does not stop the others. While an abnormal night holds up notices, they wait.
func (v *view) followUps(ctx context.Context) error {
	if v.held {
		return nil
	}
	vendors := slices.Concat(slices.Collect(maps.Keys(v.second)), slices.Collect(maps.Keys(v.due)))
	slices.Sort(vendors)
	var failed []error
	for _, vendor := range slices.Compact(vendors) {
		if !v.wrote(vendor) {
			failed = append(failed, v.followUp(ctx, vendor))
		}
	}
	return errors.Join(failed...)
}

// followUp writes a vendor's second notice, or else its reminder.
func (v *view) followUp(ctx context.Context, vendor string) error {
	kind, step, about := audit.SecondNotice, audit.StepSecond, v.second[vendor]
	if len(about) == 0 {
		kind, step, about = audit.Reminder, audit.StepRemind, v.due[vendor]
	}
	slices.SortFunc(about, worst)
	_, name := v.vendor(about[0].finding.App)
	n := audit.Draft(vendor, name, kind, v.run, v.now)
	n, trail, err := v.written(n, about)
	if err != nil {
		return err
	}
	if kind == audit.Reminder && v.covered(&n, about) {
		if n, trail, err = v.approved(n, about[0].matter.Approver, audit.ByNight, "covered by the approval of what it reminds of"); err != nil {
			return err
		}
	} else if v.Mail.Approve == "auto" && n.Delivery == audit.NoticeDrafted {
		var more []audit.TrailEntry
		if n, more, err = v.approved(n, audit.ApprovedByPolicy, audit.ApprovedByPolicy, ""); err != nil {
			return err
		}
		trail = append(trail, more...)
	}
	change := store.NoticesChanged{Notices: []audit.Notice{n}, Trail: trail, Open: n.About}
	for i := range about {
		change.Matters = append(change.Matters, about[i].matter.Did(step, n.ID, v.now, &v.Policy.Ladder))
	}
	if err := v.Store.ChangeNotices(ctx, change); err != nil {
		return err
	}
	for i := range about {
		*about[i].matter = change.Matters[i]
		about[i].matter.Version++
	}
	n.Version++
	v.notices = append(v.notices, n)
	return nil
}

// covered says whether all that a reminder goes to were approved as recipients of what it reminds of.
func (v *view) covered(n *audit.Notice, about []subject) bool {
	if n.Delivery != audit.NoticeDrafted {
		return false
	}
	for i := range about {
		j := slices.IndexFunc(v.notices, func(x audit.Notice) bool { return x.ID == about[i].matter.Notice })
		if j < 0 {
			return false
		}
		for _, r := range n.Recipients {
			if !slices.Contains(v.notices[j].Recipients, r) {
				return false
			}
		}
	}
	return true
}

// written is a notice that waits with what it is to say now.
func (v *view) written(n audit.Notice, about []subject) (audit.Notice, []audit.TrailEntry, error) {
	issued := n.Created
	var was notifier.Notice
	if len(n.Content) > 0 && json.Unmarshal(n.Content, &was) == nil && !was.IssuedAt.IsZero() {
		issued = audit.At(was.IssuedAt)
	}
	content, err := json.Marshal(v.content(&n, about, issued))
	if err != nil {
		return n, nil, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	ks := keys(about)
	n, trail := n.Revise(ks, recipients(v.registry, ks), content, v.now)
	return n, trail, nil
}

// approved is a notice with an approval; who is in the trail for it.
func (v *view) approved(n audit.Notice, by, who, why string) (audit.Notice, []audit.TrailEntry, error) {
	pinned, err := v.Digest(&n)
	if err != nil {
		return n, nil, err
	}
	n, trail, err := n.Approve(by, why, pinned, v.now)
	for i := range trail {
		trail[i].Who = who
	}
	return n, trail, err
}

// drafts writes what vendors are to be told first, or writes anew what nobody has approved yet.
func (v *view) drafts(ctx context.Context) error {
	about := v.news()
	var failed []error
	for i := range v.notices {
		n := &v.notices[i]
		if err := v.recall(ctx, n); err != nil {
			failed = append(failed, err)
		} else if n.Waits() {
			failed = append(failed, v.revise(ctx, n, about))
		}
	}
	for _, vendor := range slices.Sorted(maps.Keys(about)) {
		waits := slices.ContainsFunc(v.notices, func(n audit.Notice) bool { return n.Vendor == vendor && n.Waits() && n.Kind == audit.FirstNotice })
		if waits || v.wrote(vendor) {
			continue
		}
		_, name := v.vendor(about[vendor][0].finding.App)
		n := audit.Draft(vendor, name, audit.FirstNotice, v.run, v.now)
		failed = append(failed, v.put(ctx, n, about[vendor]))
	}
	return errors.Join(failed...)
}

// recall takes a notice back whose mail waits in the outbox, where something of it no longer holds. What a night or a person closes recalls it at that
// moment already; this is for all else.
func (v *view) recall(ctx context.Context, n *audit.Notice) error {
	if n.Delivery != audit.NoticeApproved || !n.Queued() {
		return nil
	}
	about := v.holds(n)
	if len(about) == len(n.About) {
		return nil
	}
	after, err := v.Store.Recall(ctx, *n, len(about) > 0, "it no longer holds as it was approved", v.now)
	if err == nil {
		*n = after
	}
	return err
}

// holds is what of a notice is still to be told.
func (v *view) holds(n *audit.Notice) (about []subject) {
	for _, k := range n.About {
		f, m := v.findings[k.Finding], v.matter[k.Finding]
		if f == nil || !audit.IsOpen(f.Status) {
			continue
		}
		goesOn := m != nil && m.ClosedAt == audit.Never
		switch {
		case n.Kind == audit.FirstNotice && (goesOn || v.telling(f) != nil):
			continue // told meanwhile, or nothing to be told any more
		case n.Kind != audit.FirstNotice && (!goesOn || !v.follows(n.Kind, m, f) || !m.Wants(n)):
			continue // nothing is to be followed up any more
		}
		about = append(about, subject{*f, m})
	}
	return about
}

// revise writes a notice that waits anew, and takes into a draft what is new of its vendor. What was approved stays as it is, unless something of it is no
// longer to be told, or the vendor's contacts changed.
func (v *view) revise(ctx context.Context, n *audit.Notice, news map[string][]subject) error {
	about := v.holds(n)
	if n.Delivery == audit.NoticeApproved && len(about) == len(n.About) && slices.Equal(n.Recipients, recipients(v.registry, n.About)) {
		return nil
	}
	if n.Kind == audit.FirstNotice && n.Delivery != audit.NoticeApproved {
		about = append(about, news[n.Vendor]...)
		delete(news, n.Vendor)
	}
	return v.put(ctx, *n, about)
}

// put writes a notice that waits into the store.
func (v *view) put(ctx context.Context, n audit.Notice, about []subject) error {
	slices.SortFunc(about, worst)
	was := n
	n, trail, err := v.written(n, about)
	if err != nil {
		return err
	}
	if v.Mail.Approve == "auto" && !v.held && n.Delivery == audit.NoticeDrafted {
		var more []audit.TrailEntry
		if n, more, err = v.approved(n, audit.ApprovedByPolicy, audit.ApprovedByPolicy, ""); err != nil {
			return err
		}
		trail = append(trail, more...)
	}
	if was.Version > 0 && len(trail) == 0 && slices.Equal(was.Recipients, n.Recipients) && string(was.Content) == string(n.Content) {
		return nil
	}
	if err := v.Store.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{n}, Trail: trail, Open: keys(about)}); err != nil {
		return err
	}
	n.Version++
	if i := slices.IndexFunc(v.notices, func(x audit.Notice) bool { return x.ID == n.ID }); i >= 0 {
		v.notices[i] = n
	} else {
		v.notices = append(v.notices, n)
	}
	return nil
}

// news are the findings that vendors are to be told of, and are not yet, by vendor.
func (v *view) news() map[string][]subject {
	written := map[string]bool{} // in a notice that waits or is on its way, or came back from those who would get the next, too
	for i := range v.notices {
		n := &v.notices[i]
		onItsWay := n.Waits() || n.Delivery == audit.NoticeApproved || n.Delivery == audit.NoticeSent ||
			n.Delivery == audit.NoticeBounced && slices.Equal(n.Recipients, recipients(v.registry, n.About))
		if n.Kind == audit.FirstNotice && onItsWay {
			for _, k := range n.About {
				written[k.Finding] = true
			}
		}
	}
	about := map[string][]subject{}
	for _, id := range slices.Sorted(maps.Keys(v.findings)) {
		f := v.findings[id]
		if written[id] || v.telling(f) != nil {
			continue
		}
		vendor, _ := v.vendor(f.App)
		about[vendor] = append(about[vendor], subject{*f, v.matter[id]})
	}
	for _, list := range about {
		slices.SortFunc(list, worst)
	}
	return about
}

// Mailed is a notice as it is sent.
func (d *Desk) Mailed(n *audit.Notice) (email.Mail, error) {
	content, err := contentOf(n)
	if err != nil {
		return email.Mail{}, err
	}
	return d.render(content)
}

func contentOf(n *audit.Notice) (content notifier.Notice, err error) {
	if err := json.Unmarshal(n.Content, &content); err != nil {
		return content, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	return content, nil
}

func (d *Desk) render(content notifier.Notice) (email.Mail, error) {
	var t *email.Templates
	if d.Templates != nil {
		var err error
		if t, err = d.Templates(); err != nil {
			return email.Mail{}, err
		}
	}
	return email.Render(content, t)
}

// Digest is the digest of what a notice says, and to whom, that a person approves. What mailreeve itself fills in at that moment, the date of the mail
// and the token of the link, is no part of it: it is the same before and after.
func (d *Desk) Digest(n *audit.Notice) (string, error) {
	content, err := contentOf(n)
	if err != nil {
		return "", err
	}
	content.IssuedAt = n.Created.Time()
	if content.Answer.URL != "" {
		content.Answer.URL = d.PageURL
	}
	m, err := d.render(content)
	if err != nil {
		return "", err
	}
	p, err := json.Marshal(struct {
		To   []string
		Mail email.Mail
	}{n.Recipients, m})
	if err != nil {
		return "", fmt.Errorf("notice %s: %w", n.ID, err)
	}
	sum := sha256.Sum256(p)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// An Approval is a person's word that a notice may go out.
type Approval struct {
	By     string
	Reason string
	Digest string // of what the person saw: nothing else is approved; "": the notice as it is now
}

// Approve lets a person approve the notice of an id: it is dated now, and what is sent and to whom is pinned.
func (d *Desk) Approve(ctx context.Context, id string, a Approval) (*audit.Notice, error) {
	var out audit.Notice
	err := again(func() error {
		n, err := d.Store.Notice(ctx, id)
		if err != nil {
			return err
		}
		nights, err := d.nights(ctx)
		if err != nil {
			return err
		}
		if closed, err := d.closed(ctx, n); err != nil {
			return err
		} else if closed != "" && n.Waits() {
			return &audit.NoticeError{ID: n.ID, What: "approve", Why: closed + ", of which it tells, is no longer open; the next night writes it anew"}
		}
		v := &view{Desk: d, now: d.now(nights)}
		after := *n
		if after.Delivery == audit.NoticeDrafted {
			if after.Content, err = v.dated(n); err != nil {
				return err
			}
		}
		after, trail, err := v.approved(after, a.By, a.By, a.Reason)
		if err != nil {
			return err
		}
		if a.Digest != "" && a.Digest != after.Pinned {
			return &audit.NoticeError{ID: n.ID, What: "approve", Why: "what it says, or to whom, is no longer " + a.Digest + " but " + after.Pinned + ": look at it again, with mailreeve notices preview " + n.ID}
		}
		out = after
		return d.Store.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{after}, Trail: trail, Open: after.About})
	})
	return &out, err
}

// closed names a finding of a notice that is no longer open; "" where all are.
func (d *Desk) closed(ctx context.Context, n *audit.Notice) (string, error) {
	ids := make([]string, len(n.About))
	for i, k := range n.About {
		ids[i] = k.Finding
	}
	found, err := d.findings(ctx, ids)
	if err != nil {
		return "", err
	}
	for _, k := range n.About {
		if !slices.ContainsFunc(found, func(f audit.Finding) bool { return f.ID == k.Finding && audit.IsOpen(f.Status) }) {
			return k.Finding, nil
		}
	}
	return "", nil
}

// dated is a notice's content as of now.
func (v *view) dated(n *audit.Notice) ([]byte, error) {
	content, err := contentOf(n)
	if err != nil {
		return nil, err
	}
	content.IssuedAt = v.now.Time()
	if content.Answer.URL != "" {
		content.Answer.URL = link(v.PageURL, v.Store.LinkKey(), n.Vendor, v.now.Add(linkFor))
	}
	p, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("notice %s: %w", n.ID, err)
	}
	return p, nil
}

// Queue puts what is approved into the outbox, where there is a mail server, at most one notice a vendor and night, unless an abnormal night holds up notices. What would be sent otherwise
// than it was approved has to be approved anew. One that fails does not stop the others.
func (d *Desk) Queue(ctx context.Context) error {
	if !d.On() || d.Mail.SMTP == "" {
		return nil
	}
	return again(func() error {
		waiting, err := d.Store.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeApproved}})
		if err != nil {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(n audit.Notice) bool { return n.Queued() })
		if len(waiting) == 0 {
			return nil
		}
		if holds, err := d.Held(ctx); err != nil || holds != nil {
			return err
		}
		v, err := d.view(ctx)
		if err != nil || len(v.nights) == 0 {
			return err
		}
		slices.SortFunc(waiting, func(a, b audit.Notice) int { return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID)) })
		queued := map[string]bool{}
		for i := range v.notices {
			if n := &v.notices[i]; n.QueuedRun == v.run {
				queued[n.Vendor] = true
			}
		}
		var failed []error
		for i := range waiting {
			n := &waiting[i]
			if queued[n.Vendor] {
				continue
			}
			if err := v.revise(ctx, n, nil); err != nil {
				failed = append(failed, err)
				continue
			}
			j := slices.IndexFunc(v.notices, func(x audit.Notice) bool { return x.ID == n.ID })
			if j < 0 || v.notices[j].Delivery != audit.NoticeApproved {
				continue
			}
			if err := v.enqueue(ctx, v.notices[j]); err != nil {
				failed = append(failed, fmt.Errorf("notice %s: %w", n.ID, err))
				continue
			}
			queued[n.Vendor] = true
		}
		return errors.Join(failed...)
	})
}

func (v *view) enqueue(ctx context.Context, n audit.Notice) error {
	pinned, err := v.Digest(&n)
	if err != nil {
		return err
	}
	n, trail, ok := n.Queue(v.run, pinned, v.now)
	change := store.NoticesChanged{Notices: []audit.Notice{n}, Trail: trail, Open: n.About}
	if ok {
		mailed, err := v.Mailed(&n)
		if err != nil {
			return err
		}
		m, err := email.Enqueue(n.Key(), email.Envelope{From: v.Mail.From, ReplyTo: v.Mail.ReplyTo, To: n.Recipients}, mailed, audit.At(v.Clock()))
		if err != nil {
			return err
		}
		change.Messages = []audit.Message{m}
	}
	return v.Store.ChangeNotices(ctx, change)
}
