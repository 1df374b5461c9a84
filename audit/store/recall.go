package store

import (
	"context"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// Recall takes a notice back whose mail is in the outbox, where something of it no longer holds, and gives the notice as it is then; still says whether anything of it
// holds. What was delivered meanwhile stays so. [audit.ErrChanged] where the notice is no longer of the version that was read.
func (s *Store) Recall(ctx context.Context, n audit.Notice, still bool, why string, at audit.Instant) (after audit.Notice, err error) {
	err = s.write(ctx, "recall notice "+n.ID, func(t *tx) error {
		after = n
		trail, err := t.recall(ctx, &after, still, why, at)
		if err != nil {
			return err
		}
		return t.appendTrail(ctx, trail)
	})
	return after, err
}

// recallClosed takes the notices back whose mail is in the outbox, and that are about any of the findings of ids, which this transaction has closed.
func (t *tx) recallClosed(ctx context.Context, ids map[string]bool, at audit.Instant) (trail []audit.TrailEntry, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := t.onTheirWay(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		n := &list[i]
		about := n.Findings()
		if !slices.ContainsFunc(about, func(id string) bool { return ids[id] }) {
			continue
		}
		var open int
		if err := t.one(ctx, &open, `SELECT count(*) FROM findings WHERE id IN (?) AND status IN (?)`, texts(about), audit.OpenStatuses()); err != nil {
			return nil, err
		}
		why := "all that it tells was taken back or closed"
		if open > 0 {
			why = "something that it tells was taken back or closed"
		}
		more, err := t.recall(ctx, n, open > 0, why, at)
		if err != nil {
			return nil, err
		}
		trail = append(trail, more...)
	}
	return trail, nil
}

func (t *tx) recall(ctx context.Context, n *audit.Notice, still bool, why string, at audit.Instant) ([]audit.TrailEntry, error) {
	m, err := t.takeBack(ctx, n.Key(), why, at)
	if err != nil || m == nil {
		return nil, err
	}
	var trail []audit.TrailEntry
	*n, trail = n.Recall(*m, still, audit.ByNight, why, max(at, n.Created))
	if err := t.notice(ctx, n); err != nil {
		return nil, err
	}
	n.Version++
	return trail, nil
}

// holdAll takes every mail to a vendor out of the outbox that surely has not arrived yet, its notice approved as it is.
func (t *tx) holdAll(ctx context.Context, at audit.Instant) (trail []audit.TrailEntry, err error) {
	list, err := t.onTheirWay(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		m, err := t.takeBack(ctx, list[i].Key(), "", at)
		if err != nil {
			return nil, err
		}
		if m == nil {
			continue
		}
		n, more := list[i].Hold(at)
		if err := t.notice(ctx, &n); err != nil {
			return nil, err
		}
		trail = append(trail, more...)
	}
	return trail, nil
}

// onTheirWay gives the notices whose mail is in the outbox, or that are not known to be sent yet, and keeps them from changing.
func (t *tx) onTheirWay(ctx context.Context) ([]audit.Notice, error) {
	list, err := t.notices(ctx, ` WHERE delivery = ? ORDER BY vendor, id`+t.d.forUpdate(), string(audit.NoticeApproved))
	return slices.DeleteFunc(list, func(n audit.Notice) bool { return !n.Queued() }), err
}

// takeBack takes the message of a key out of the outbox, and gives it as it was; nil where it is there no more, or is delivered. One that may have arrived is not tried again, for why, and stays
// as given up: whoever tries it at this moment goes on, and notes its receipt there. Without a why it is left alone instead.
func (t *tx) takeBack(ctx context.Context, key, why string, at audit.Instant) (*audit.Message, error) {
	const waits = ` WHERE key = ? AND sent_at = ?`
	found, err := t.messages(ctx, selectMessages+waits, text(key), audit.Never)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	// Who takes a message has its lane first: as long as this transaction has it, nobody begins to send.
	if _, err := t.held(ctx, &found[0], at); err != nil {
		return nil, err
	}
	found, err = t.messages(ctx, selectMessages+waits+t.d.forUpdate(), text(key), audit.Never)
	if err != nil || len(found) == 0 || found[0].Doubt != 0 && why == "" {
		return nil, err
	}
	if found[0].Doubt == 0 {
		_, err = t.exec(ctx, `DELETE FROM outbox WHERE id = ?`, found[0].ID)
	} else {
		_, err = t.exec(ctx, `UPDATE outbox SET sent_at = ?, failed = 0, given_up_by = ?, given_up_why = ? WHERE id = ?`, at, text(audit.ByNight), text(why), found[0].ID)
	}
	return &found[0], err
}
