package notices

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

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

// Preview is a notice as it is sent, but for the token of its link, which is for nobody but its vendor.
func (d *Desk) Preview(n *audit.Notice) (email.Mail, error) { return d.mail(n, d.PageURL) }

// mail is a notice as it is sent, with url as the address of its vendor's page.
func (d *Desk) mail(n *audit.Notice, url string) (email.Mail, error) {
	content, err := contentOf(n)
	if err != nil {
		return email.Mail{}, err
	}
	content.Answer.URL = url
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
	content.IssuedAt, content.Answer.URL = n.Created.Time(), d.PageURL
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
		now, err := d.Now(ctx)
		if err != nil {
			return err
		}
		if closed, err := d.closed(ctx, n); err != nil {
			return err
		} else if closed != "" && n.Waits() {
			return &audit.NoticeError{ID: n.ID, What: "approve", Why: closed + ", of which it tells, is no longer open; the next night writes it anew"}
		}
		v := &view{Desk: d, now: now}
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
	found, err := d.findings(ctx, n.Findings(), false)
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
		mailed, err := v.mail(&n, link(v.PageURL, v.Store.LinkKey(), n.Vendor, v.now.Add(linkFor)))
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
