package notices

import (
	"context"
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
	list, err := d.Store.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeApproved, audit.NoticeWithdrawn}}) // what was taken back too late, too
	if err != nil {
		return err
	}
	var keys []string
	for i := range list {
		if list[i].Queued() && list[i].SentAt == audit.Never {
			keys = append(keys, list[i].Key())
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
		m, ok := done[list[i].Key()]
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
		if len(change.Notices) == 0 { // it was taken back, and refused
			continue
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
		id, err := email.MessageID(n.Key(), d.Mail.From)
		return err == nil && n.Queued() && id == strings.Trim(b.MessageID, "<>")
	})
	if i < 0 {
		return nil
	}
	now, was := audit.At(d.Clock()), list[i]
	change := store.NoticesChanged{}
	if b.Complaint {
		change.Trail = was.Note(now, audit.ByNight, "notice complained of", "a recipient called it unwanted: somebody should talk to the vendor")
		return d.Store.ChangeNotices(ctx, change)
	}
	if !b.Final {
		return nil
	}
	why := strings.TrimSpace(b.Status + " " + b.Says)
	if !sentTo(&was, b.Recipient) {
		change.Trail = was.Note(now, audit.ByNight, "notice did not reach another",
			"a report about somebody to whom it was not sent, as where a contact forwards its mail: "+address.Redact(notifier.Line(why)))
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
	now, err := d.Now(ctx)
	if err != nil {
		return err
	}
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
	found, err := d.findings(ctx, n.Findings(), false)
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
