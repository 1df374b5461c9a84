package notices

import (
	"context"
	"errors"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
)

// approver is who approved a notice; empty where nobody did, or it was purged.
func (d *Desk) approver(ctx context.Context, notice string) (string, error) {
	if notice == "" {
		return "", nil
	}
	n, err := d.Store.Notice(ctx, notice)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return n.ApprovedBy, nil
}

// Reply takes what a vendor answered to a notice, or what a person decides about it, for all findings of the notice, or for one. Where it fits some only,
// done are these, and the error says why it does not fit the others.
func (d *Desk) Reply(ctx context.Context, id, finding string, r audit.Reply) (done []audit.Matter, err error) {
	if finding == "" {
		return d.replyAbout(ctx, id, nil, r)
	}
	return d.replyAbout(ctx, id, []string{finding}, r)
}

// replyAbout is Reply for some findings of the notice; nil: for all.
func (d *Desk) replyAbout(ctx context.Context, id string, findings []string, r audit.Reply) (done []audit.Matter, err error) {
	var refused []error
	err = again(func() error {
		done, refused = nil, nil
		n, err := d.Store.Notice(ctx, id)
		if err != nil {
			return err
		}
		for _, f := range findings {
			if !n.Has(f) {
				return &audit.NoticeError{ID: n.ID, What: "answer", Why: "it is not about " + f}
			}
		}
		if r.At, err = d.Now(ctx); err != nil {
			return err
		}
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
		found, err := d.findings(ctx, n.Findings(), false)
		if err != nil {
			return err
		}
		for _, k := range n.About {
			if findings != nil && !slices.Contains(findings, k.Finding) {
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
			if r.Kind == audit.AcceptDispute || r.Kind == audit.RejectDispute {
				if r.SecondBy, err = d.approver(ctx, change.Matters[i].Second); err != nil {
					return err
				}
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
