package notices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// Advance takes note of what the outbox delivered, of what bounced, and of what is delivered by now: deadlines begin.
func (d *Desk) Advance(ctx context.Context) error {
	if !d.On() {
		return nil
	}
	if err := again(func() error { return d.sent(ctx) }); err != nil {
		return err
	}
	if d.Bounces != nil {
		if err := d.Bounces(ctx, func(b email.Bounce) error {
			return again(func() error { return d.bounced(ctx, b) })
		}); err != nil {
			return fmt.Errorf("bounces: %w", err)
		}
	}
	return again(func() error { return d.settled(ctx) })
}

func (d *Desk) sent(ctx context.Context) error {
	list, err := d.Store.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeApproved}})
	if err != nil {
		return err
	}
	var keys []string
	for i := range list {
		if list[i].Queued() {
			keys = append(keys, Key(&list[i]))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	done, err := d.Store.Sent(ctx, keys)
	if err != nil {
		return err
	}
	for i := range list {
		m, ok := done[Key(&list[i])]
		if !ok {
			continue
		}
		n, change := list[i], store.NoticesChanged{}
		receipt, err := email.ParseReceipt(m.Receipt)
		if err != nil {
			return fmt.Errorf("notice %s: %w", n.ID, err)
		}
		if len(receipt.Refused) < max(len(n.Recipients), 1) { // it was sent to somebody
			var trail []audit.TrailEntry
			n, trail = n.Sent(m.SentAt)
			change = store.NoticesChanged{Notices: []audit.Notice{n}, Trail: trail}
			if d.Compose != nil {
				if change.Messages, err = d.Compose(notifier.News{At: audit.At(d.Clock()), Notices: []audit.Notice{n}, Trail: trail}); err != nil {
					return err
				}
			}
		}
		if len(receipt.Refused) > 0 { // for these it is a bounce that came at once
			r := receipt.Refused[0]
			if change, err = d.returned(ctx, n, strings.TrimSpace(r.Status+" "+r.Says), change); err != nil {
				return err
			}
		}
		if err := d.Store.ChangeNotices(ctx, change); err != nil {
			return err
		}
	}
	return nil
}

// bounced takes note of one report. One of a mail that is not ours, or that says only that delivery takes its time, changes nothing.
func (d *Desk) bounced(ctx context.Context, b email.Bounce) error {
	list, err := d.Store.Notices(ctx, store.NoticeFilter{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(n audit.Notice) bool {
		id, err := email.MessageID(Key(&n), d.Mail.From)
		return err == nil && n.Queued() && id == strings.Trim(b.MessageID, "<>")
	})
	if i < 0 {
		return nil
	}
	now, was := audit.At(d.Clock()), list[i]
	change := store.NoticesChanged{}
	if b.Complaint {
		for _, k := range was.About {
			change.Trail = append(change.Trail, audit.TrailEntry{At: now, Who: "night", What: "notice complained of", Finding: k.Finding,
				Why: "a recipient called it unwanted: somebody should talk to the vendor", Details: map[string]any{"notice": was.ID}})
		}
		return d.Store.ChangeNotices(ctx, change)
	}
	if !b.Final {
		return nil
	}
	why := strings.TrimSpace(b.Status + " " + b.Says)
	if !sentTo(&was, b.Recipient) {
		for _, k := range was.About {
			change.Trail = append(change.Trail, audit.TrailEntry{At: now, Who: "night", What: "notice did not reach another", Finding: k.Finding,
				Why: "a report about somebody to whom it was not sent, as where a contact forwards its mail: " + address.Redact(notifier.Line(why)), Details: map[string]any{"notice": was.ID}})
		}
		return d.Store.ChangeNotices(ctx, change)
	}
	if was.Delivery == audit.NoticeDelivered && len(was.Recipients) > 1 {
		n, trail := was.Missed(address.Redact(notifier.Line(why)), now)
		if len(trail) == 0 {
			return nil
		}
		return d.Store.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{n}, Trail: trail})
	}
	change, err = d.returned(ctx, was, why, change)
	if err != nil || len(change.Notices) == 0 {
		return err
	}
	return d.Store.ChangeNotices(ctx, change)
}

// sentTo says whether a notice was sent to the recipient that a report names, if it names one.
func sentTo(n *audit.Notice, named string) bool {
	if named == "" {
		return true
	}
	if a, err := email.Canonical(named); err == nil {
		named = a
	}
	return slices.ContainsFunc(n.Recipients, func(r string) bool { return strings.EqualFold(r, named) })
}

// returned adds to a change that a notice did not arrive at a recipient, and why.
func (d *Desk) returned(ctx context.Context, was audit.Notice, why string, change store.NoticesChanged) (store.NoticesChanged, error) {
	now := audit.At(d.Clock())
	n, trail := was.Bounced(address.Redact(notifier.Line(why)), now)
	if n.Delivery == was.Delivery {
		return change, nil
	}
	change.Notices, change.Trail = []audit.Notice{n}, append(change.Trail, trail...)
	matters, err := d.Store.Matters(ctx, true)
	if err != nil {
		return change, err
	}
	for _, m := range matters {
		after, changed, trail := m.Undelivered(n.ID, now)
		if !changed {
			continue
		}
		change.Matters, change.Trail = append(change.Matters, after), append(change.Trail, trail...)
		if after.ClosedAt != audit.Never {
			change.Findings = append(change.Findings, store.FindingNotice{FindingRef: m.FindingRef, NotifiedAt: audit.Never, DueAt: audit.Never})
		}
	}
	return change, nil
}

func (d *Desk) settled(ctx context.Context) error {
	list, err := d.Store.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeSent}})
	if err != nil || len(list) == 0 {
		return err
	}
	nights, err := d.nights(ctx)
	if err != nil {
		return err
	}
	now := d.now(nights)
	for _, was := range list {
		n, trail := was.Settled(now, &d.Policy.Ladder)
		if n.Delivery == was.Delivery {
			continue
		}
		change := store.NoticesChanged{Notices: []audit.Notice{n}, Trail: trail}
		if err := d.arrived(ctx, &n, &change); err != nil {
			return err
		}
		if err := d.Store.ChangeNotices(ctx, change); err != nil {
			return err
		}
	}
	return nil
}

// arrived adds to a change what follows from a notice's delivery.
func (d *Desk) arrived(ctx context.Context, n *audit.Notice, change *store.NoticesChanged) error {
	var ids []string
	for _, k := range n.About {
		ids = append(ids, k.Finding)
	}
	found, err := d.findings(ctx, ids)
	if err != nil {
		return err
	}
	all, err := d.Store.Matters(ctx, false)
	if err != nil {
		return err
	}
	for i := range found {
		f := &found[i]
		j := slices.IndexFunc(all, func(m audit.Matter) bool { return m.Finding == f.ID })
		var m *audit.Matter
		if j >= 0 {
			m = &all[j]
		}
		switch {
		case n.Kind == audit.FirstNotice:
			if !audit.IsOpen(f.Status) {
				continue // closed while the notice was on its way: should it come back, its vendor is told anew
			}
			after, trail := m.Notify(n, f, d.Policy)
			if len(trail) == 0 {
				continue
			}
			change.Matters, change.Trail = append(change.Matters, after), append(change.Trail, trail...)
			change.Findings = append(change.Findings, store.FindingNotice{FindingRef: after.FindingRef, NotifiedAt: after.Notified, DueAt: after.Due})
		case m != nil && m.Second == n.ID && m.SecondAt == audit.Never:
			m.SecondAt = n.EndedAt
			change.Matters = append(change.Matters, *m)
		}
	}
	return nil
}

// Reply takes what a vendor answered to a notice, or what a person decides about it, for all findings of the notice, or for one. Where it fits some only,
// done are these, and the error says why it does not fit the others.
func (d *Desk) Reply(ctx context.Context, id, finding string, r audit.Reply) (done []audit.Matter, err error) {
	var refused []error
	err = again(func() error {
		done, refused = nil, nil
		n, err := d.Store.Notice(ctx, id)
		if err != nil {
			return err
		}
		if finding != "" && !n.Has(finding) {
			return &audit.NoticeError{ID: n.ID, What: "answer", Why: "it is not about " + finding}
		}
		nights, err := d.nights(ctx)
		if err != nil {
			return err
		}
		r.At = d.now(nights)
		r.Text = address.Redact(r.Text)
		change := store.NoticesChanged{}
		after := *n
		if r.Kind.ByVendor() {
			var trail []audit.TrailEntry
			if after, trail, err = n.Answered(r.At); err != nil {
				return err
			}
			change.Notices, change.Trail = []audit.Notice{after}, trail
			if n.Delivery != audit.NoticeDelivered {
				if err := d.arrived(ctx, &after, &change); err != nil {
					return err
				}
			}
		}
		all, err := d.Store.Matters(ctx, false)
		if err != nil {
			return err
		}
		var ids []string
		for _, k := range n.About {
			ids = append(ids, k.Finding)
		}
		found, err := d.findings(ctx, ids)
		if err != nil {
			return err
		}
		for _, k := range n.About {
			if finding != "" && k.Finding != finding {
				continue
			}
			of := func(m audit.Matter) bool { return m.Finding == k.Finding }
			i := slices.IndexFunc(change.Matters, of)
			if i < 0 {
				j := slices.IndexFunc(all, of)
				if j < 0 {
					refused = append(refused, &audit.NoticeError{ID: n.ID, What: "take " + string(r.Kind) + " for " + k.Finding + " into", Why: "it was not delivered, or the finding was no longer open then"})
					continue
				}
				change.Matters, i = append(change.Matters, all[j]), len(change.Matters)
			}
			var f *audit.Finding
			if j := slices.IndexFunc(found, func(f audit.Finding) bool { return f.ID == k.Finding }); j >= 0 {
				f = &found[j]
			}
			m, trail, err := change.Matters[i].Reply(r, f, &d.Policy.Ladder)
			if err != nil {
				refused = append(refused, err)
				continue
			}
			change.Matters[i], change.Trail = m, append(change.Trail, trail...)
			if ByPage(r.By) && r.Text != "" {
				change.Trail = append(change.Trail, audit.TrailEntry{At: r.At, Who: r.By, What: "commented", Finding: k.Finding, Why: r.Text})
			}
			j := slices.IndexFunc(change.Findings, func(f store.FindingNotice) bool { return f.Finding == k.Finding })
			if j < 0 {
				change.Findings, j = append(change.Findings, store.FindingNotice{FindingRef: k, NotifiedAt: m.Notified}), len(change.Findings)
			}
			change.Findings[j].DueAt = m.Due
			if m.ClosedAt != audit.Never {
				change.Findings[j].DueAt = audit.Never
			}
			done = append(done, m)
		}
		if len(done) == 0 {
			return nil
		}
		return d.Store.ChangeNotices(ctx, change)
	})
	if err != nil {
		return nil, err
	}
	return done, errors.Join(refused...)
}

// A Task is something that waits for a person.
type Task struct {
	What    string        `json:"task"` // release, approve, contact, bounced, overdue, dispute, dismiss, extension, decide, resolve, request
	About   string        `json:"about"`
	Vendor  string        `json:"vendor"`
	Since   audit.Instant `json:"-"`
	Says    string        `json:"says"`
	Command string        `json:"command,omitempty"`
}

// Tasks are what waits for a person, the oldest first.
func (d *Desk) Tasks(ctx context.Context) ([]Task, error) {
	v, err := d.view(ctx)
	if err != nil || len(v.nights) == 0 {
		return nil, err
	}
	var list []Task
	add := func(t Task) { list = append(list, t) }
	for _, n := range v.nights {
		switch {
		case n.Released:
		case n.Abnormal:
			add(Task{What: "release", About: n.Run, Since: n.AsOf, Command: "mailreeve notices release " + n.Run,
				Says: fmt.Sprintf("an abnormal night: %d new critical and high findings, more than %d. Every notice waits until somebody has looked and releases it", n.Severe, n.Limit)})
		case n.Baseline:
			waiting := 0
			for _, f := range v.findings {
				if f.FirstRun == n.Run && audit.IsOpen(f.Status) && f.App != "" && f.Confidence != audit.Possible && v.matter[f.ID] == nil {
					waiting++
				}
			}
			if waiting > 0 {
				add(Task{What: "release", About: n.Run, Since: n.AsOf, Command: "mailreeve notices release " + n.Run,
					Says: fmt.Sprintf("a first run: vendors are told of none of its %d open findings until somebody releases it", waiting)})
			}
		}
	}
	for i := range v.notices {
		n := &v.notices[i]
		t := Task{About: n.ID, Vendor: n.VendorName, Since: n.Created}
		if _, bad := contacts(v.registry, n.About); bad > 0 && n.Waits() && n.Delivery != audit.NoticeNoContact {
			add(Task{What: "contact", About: n.ID, Vendor: n.VendorName, Since: n.Created,
				Says: fmt.Sprintf("of the contacts that the registry names, %d are no mail addresses, and are left out: have them corrected there", bad)})
		}
		switch n.Delivery {
		case audit.NoticeDrafted:
			t.What, t.Says, t.Command = "approve", "it waits for approval", "mailreeve notices approve "+n.ID
		case audit.NoticeNoContact:
			t.What, t.Says = "contact", "the registry names nobody whom mail can be sent to: have the vendor's contact entered there, or corrected"
		case audit.NoticeBounced:
			if !v.unanswered(n) {
				continue
			}
			t.What, t.Since, t.Says = "bounced", n.EndedAt, "it did not arrive ("+n.Why+"): have the vendor's contact corrected in the registry, or reach it otherwise and enter the answer"
		case audit.NoticeDelivered:
			goesOn := func(k audit.FindingRef) bool { m := v.matter[k.Finding]; return m != nil && m.ClosedAt == audit.Never }
			if !n.MissedSome() || !slices.ContainsFunc(n.About, goesOn) {
				continue
			}
			t.What, t.Since, t.Says = "bounced", n.EndedAt, "the deadline runs, but it did not arrive at one of its recipients ("+n.Why+"): make sure that the vendor knows of it, and have the contact corrected in the registry"
		default:
			continue
		}
		add(t)
	}
	for _, m := range v.matter {
		f := v.findings[m.Finding]
		disputed := m.DisputeAccepted && f != nil && !m.Fresh(f)
		if f == nil || !audit.IsOpen(f.Status) || m.ClosedAt != audit.Never && !disputed {
			continue
		}
		_, name := v.vendor(m.App)
		t := Task{About: m.Finding, Vendor: name, Since: m.Due}
		switch r := f.Recommendation; {
		case m.DisputedAt != audit.Never:
			t.What, t.Since, t.Says = "dispute", m.DisputedAt, "the vendor disputes it; another person than "+m.Approver+" decides"
			t.Command = "mailreeve notices answer " + m.Notice + " --finding " + m.Finding + " --kind dispute-accepted|dispute-rejected --text …"
		case disputed:
			t.What, t.Says, t.Command = "dismiss", "the dispute was accepted", "mailreeve findings dismiss "+m.Finding+" --reason …"
		case m.ExtensionAsked:
			t.What, t.Says = "extension", "the vendor asks for more time"
			t.Command = "mailreeve notices answer " + m.Notice + " --finding " + m.Finding + " --kind extension-granted --days N|extension-refused --text …"
		case m.Answer == audit.Verified:
			t.What, t.Says, t.Command = "resolve", "the vendor mended it, and nothing more was found since", "mailreeve findings resolve "+m.Finding
		case r != nil && r.DecidedBy == "":
			t.What, t.Since, t.Says, t.Command = "decide", r.ProposedAt, "recommended: "+r.Act, "mailreeve findings decide "+m.Finding
		case m.Overdue && !m.Recommended:
			t.What, t.Says = "overdue", "its deadline has passed"
		default:
			continue
		}
		add(t)
	}
	for _, f := range v.findings {
		if r := v.registry[f.App]; audit.IsOpen(f.Status) && errors.Is(v.telling(f), audit.ErrOwnQueue) {
			_, name := v.vendor(f.App)
			add(Task{What: "request", About: f.ID, Vendor: name, Since: r.Waiting, Says: "the app's request for approval waits for the platform's own decision: its vendor is not told before"})
		}
	}
	slices.SortFunc(list, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.What, b.What), cmp.Compare(a.About, b.About))
	})
	return list, nil
}

// unanswered says whether anything that a notice was to tell is still to be told.
func (v *view) unanswered(n *audit.Notice) bool {
	return slices.ContainsFunc(n.About, func(k audit.FindingRef) bool {
		f, m := v.findings[k.Finding], v.matter[k.Finding]
		return f != nil && audit.IsOpen(f.Status) && (n.Kind != audit.FirstNotice || m == nil || m.ClosedAt != audit.Never)
	})
}

// Release lets go what a run holds up: every notice, where it was abnormal; those about what it filed, where it was a first run. Without a run it is all of
// them that hold anything up. It gives the runs.
func (d *Desk) Release(ctx context.Context, run, by, reason string) (released []string, err error) {
	nights, err := d.nights(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range nights {
		holds := !n.Released && (n.Abnormal || n.Baseline && run != "")
		if run != "" && n.Run != run || !holds {
			continue
		}
		e := audit.TrailEntry{At: audit.At(d.Clock()), Who: by, What: "notices released", Why: reason, Details: map[string]any{"run": n.Run, "severe": float64(n.Severe)}}
		if err := d.Store.Release(ctx, n.Run, e); err != nil {
			return released, err
		}
		released = append(released, n.Run)
	}
	if run != "" && len(released) == 0 {
		if !slices.ContainsFunc(nights, func(n audit.NightCount) bool { return n.Run == run }) {
			return nil, fmt.Errorf("run %q: %w: `mailreeve runs list` shows what there is", run, store.ErrNotFound)
		}
		return nil, fmt.Errorf("run %s holds up no notices", run)
	}
	return released, nil
}

// Held is the abnormal night that holds up every notice; nil where none does.
func (d *Desk) Held(ctx context.Context) (*audit.NightCount, error) {
	nights, err := d.nights(ctx)
	return held(nights), err
}
