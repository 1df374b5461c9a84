package notices

import (
	"context"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// A State is a notice and what became of its findings.
type State struct {
	audit.Notice
	Matters []audit.Matter // of those of its findings that it was the one, or the second one, to tell of
}

// Answer is the notice's answer in one word: the weightiest of its findings.
func (s *State) Answer() audit.VendorAnswer {
	best := audit.NoAnswer
	order := []audit.VendorAnswer{audit.NoAnswer, audit.Viewed, audit.Verified, audit.FixClaimed, audit.ExtensionRequested, audit.Disputed}
	for _, m := range s.Matters {
		if slices.Index(order, m.Answer) > slices.Index(order, best) {
			best = m.Answer
		}
	}
	return best
}

// Due is the earliest deadline of what goes on; Never: there is none.
func (s *State) Due() audit.Instant {
	due := audit.Never
	for _, m := range s.Matters {
		if m.ClosedAt == audit.Never {
			due = min(due, m.Due)
		}
	}
	return due
}

// GoesOn says whether anything is still to come of the notice.
func (s *State) GoesOn() bool {
	if s.Delivery != audit.NoticeDelivered {
		return s.Delivery != audit.NoticeWithdrawn
	}
	return slices.ContainsFunc(s.Matters, func(m audit.Matter) bool { return m.ClosedAt == audit.Never })
}

// Lists are what a list of notices can be cut down to: those of which something is still to come (empty), that wait for a person (waits), of a delivery, or all.
func Lists() []string {
	return []string{"", "waits", string(audit.NoticeApproved), string(audit.NoticeSent), string(audit.NoticeDelivered), string(audit.NoticeBounced), string(audit.NoticeWithdrawn), "all"}
}

// In says whether the notice belongs to one of the [Lists].
func (s *State) In(list string) bool {
	switch list {
	case "":
		return s.GoesOn()
	case "waits":
		return s.Asks() != ""
	case "all":
		return true
	}
	return string(s.Delivery) == list
}

// Asks is what the notice waits for a person to do, as [Desk.Tasks] calls it; empty: nothing. Unlike those it goes by the notice and its answers alone.
func (s *State) Asks() string {
	switch s.Delivery {
	case audit.NoticeDrafted:
		return "approve"
	case audit.NoticeNoContact:
		return "contact"
	case audit.NoticeBounced:
		return "bounced"
	}
	asks := ""
	for _, m := range s.Matters {
		switch {
		case m.ClosedAt != audit.Never:
		case m.DisputedAt != audit.Never:
			return "dispute"
		case m.ExtensionAsked:
			asks = "extension"
		case m.Unanswered && !m.Stands() && !m.Over():
			asks = "incident"
		case m.Overdue && !m.Recommended && asks == "":
			asks = "overdue"
		}
	}
	return asks
}

// States gives what became of notices, in their order.
func (d *Desk) States(ctx context.Context, list []audit.Notice) ([]State, error) {
	matters, err := d.Store.Matters(ctx, false)
	if err != nil {
		return nil, err
	}
	of := map[string]audit.Matter{}
	for _, m := range matters {
		of[m.Finding] = m
	}
	out := make([]State, len(list))
	for i, n := range list {
		out[i].Notice = n
		for _, k := range n.About {
			if m, ok := of[k.Finding]; ok && (m.Notice == n.ID || m.Second == n.ID || n.Kind == audit.Reminder) {
				out[i].Matters = append(out[i].Matters, m)
			}
		}
	}
	return out, nil
}

// Unreleased are the nights that hold something up until a person releases them: abnormal ones every notice, first runs what they filed.
func (d *Desk) Unreleased(ctx context.Context) ([]audit.NightCount, error) {
	nights, err := d.nights(ctx)
	return slices.DeleteFunc(nights, func(n audit.NightCount) bool { return n.Released || !n.Baseline && !n.Abnormal() }), err
}

// Shown is the digest of a notice as people see it: of what was approved, or else of what it says now and to whom; empty where it cannot be rendered, and [Desk.Preview] says why.
func (d *Desk) Shown(s *State) string {
	if s.Pinned != "" {
		return s.Pinned
	}
	digest, err := d.Digest(&s.Notice)
	if err != nil {
		return ""
	}
	return digest
}
