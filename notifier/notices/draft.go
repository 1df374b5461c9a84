package notices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
)

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
	} else if n, trail, err = v.byPolicy(n, trail); err != nil {
		return err
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

// byPolicy approves a draft where nobody has to, unless an abnormal night holds up notices.
func (v *view) byPolicy(n audit.Notice, trail []audit.TrailEntry) (audit.Notice, []audit.TrailEntry, error) {
	if v.Mail.Approve != "auto" || v.held || n.Delivery != audit.NoticeDrafted {
		return n, trail, nil
	}
	n, more, err := v.approved(n, audit.ApprovedByPolicy, audit.ApprovedByPolicy, "")
	return n, append(trail, more...), err
}

// put writes a notice that waits into the store.
func (v *view) put(ctx context.Context, n audit.Notice, about []subject) error {
	slices.SortFunc(about, worst)
	was := n
	n, trail, err := v.written(n, about)
	if err != nil {
		return err
	}
	if n, trail, err = v.byPolicy(n, trail); err != nil {
		return err
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
