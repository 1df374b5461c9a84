package notices

import (
	"cmp"
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
	for i := range s.Matters {
		m := &s.Matters[i]
		if m.ClosedAt != audit.Never {
			continue
		}
		switch is := m.Asks(); is {
		case "dispute":
			return is
		case "":
		case "overdue":
			asks = cmp.Or(asks, is)
		default:
			asks = is
		}
	}
	return asks
}

// States gives what became of notices, in their order.
func (d *Desk) States(ctx context.Context, list []audit.Notice) ([]State, error) {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	matters, err := d.Store.MattersOfNotices(ctx, ids)
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
			if m, ok := of[k.Finding]; ok && m.By(&n) {
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
