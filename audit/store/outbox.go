package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

const selectMessages = `SELECT id, key, sink, lane, body, created, attempts, next_at, sent_at, failed, error, receipt FROM outbox`

func (t *tx) messages(ctx context.Context, query string, args ...any) (list []audit.Message, err error) {
	var found []struct {
		ID       int64         `db:"id"`
		Key      text          `db:"key"`
		Sink     string        `db:"sink"`
		Lane     text          `db:"lane"`
		Body     []byte        `db:"body"`
		Created  audit.Instant `db:"created"`
		Attempts int           `db:"attempts"`
		NextAt   audit.Instant `db:"next_at"`
		SentAt   audit.Instant `db:"sent_at"`
		Failed   int           `db:"failed"`
		Error    text          `db:"error"`
		Receipt  text          `db:"receipt"`
	}
	err = t.all(ctx, &found, query, args...)
	for _, r := range found {
		list = append(list, audit.Message{ID: r.ID, Key: string(r.Key), Sink: r.Sink, Lane: string(r.Lane), Body: r.Body, Created: r.Created, Attempts: r.Attempts,
			NextAt: r.NextAt, SentAt: r.SentAt, Failed: r.Failed != 0, Error: string(r.Error), Receipt: string(r.Receipt)})
	}
	return list, err
}

func (s *Store) messages(ctx context.Context, query string, args ...any) (list []audit.Message, err error) {
	err = s.read(ctx, "read the outbox", func(t *tx) error {
		list, err = t.messages(ctx, query, args...)
		return err
	})
	return list, err
}

// Messages gives all messages of the outbox, delivered or not, in the order in which they were written.
func (s *Store) Messages(ctx context.Context) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` ORDER BY id`)
}

// Pending gives every message that is not delivered, in the order in which they were written.
func (s *Store) Pending(ctx context.Context) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` WHERE sent_at = ? ORDER BY id`, audit.Never)
}

const stuck = ` WHERE sent_at = ? AND (failed = 1 OR created < ? AND (attempts > 0 OR next_at < ?))`

func stuckArgs(now audit.Instant) []any {
	late := now.Add(-audit.StuckAfter)
	return []any{audit.Never, late, late}
}

// Stuck gives the messages of which people have to know at now that they are not delivered, in the order in which they were written: see [audit.Message.Stuck].
func (s *Store) Stuck(ctx context.Context, now audit.Instant) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+stuck+` ORDER BY id`, stuckArgs(now)...)
}

// CountStuck is how many messages Stuck gives.
func (s *Store) CountStuck(ctx context.Context, now audit.Instant) (n int, err error) {
	err = s.read(ctx, "count what is stuck in the outbox", func(t *tx) error {
		return t.one(ctx, &n, `SELECT count(*) FROM outbox`+stuck, stuckArgs(now)...)
	})
	return n, err
}

// Receipt is what the receiver of the message of a key answered; "" where there is no such message, or it is not delivered.
func (s *Store) Receipt(ctx context.Context, key string) (string, error) {
	sent, err := s.Sent(ctx, []string{key})
	return sent[key].Receipt, err
}

// LastWritten is when the newest message of a sink whose key begins with prefix was written; Ever where there is none.
func (s *Store) LastWritten(ctx context.Context, sink, prefix string) (at audit.Instant, err error) {
	err = s.read(ctx, "look for a message", func(t *tx) error {
		return t.one(ctx, &at, `SELECT coalesce(max(created), ?) FROM outbox WHERE sink = ? AND substr(key, 1, ?) = ?`, audit.Ever, sink, len([]rune(prefix)), prefix)
	})
	return at, err
}

// EnqueueMessages writes messages that belong to no other transaction; one whose key was written before is left out.
func (s *Store) EnqueueMessages(ctx context.Context, messages ...audit.Message) error {
	return s.write(ctx, "write into the outbox", func(t *tx) error { return t.enqueue(ctx, messages) })
}

// Retry lets a message be tried now. One that failed for good holds nothing back, also if it fails again; one that is delivered by now stays so. [ErrNotFound] where there is no such message.
func (s *Store) Retry(ctx context.Context, id int64) error {
	return s.write(ctx, fmt.Sprintf("let message %d be tried again", id), func(t *tx) error {
		found, err := t.messages(ctx, selectMessages+` WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return ErrNotFound
		}
		m := found[0]
		if m.SentAt != audit.Never {
			return nil // another process has just delivered it
		}
		if _, err := t.exec(ctx, `UPDATE outbox SET next_at = ? WHERE id = ?`, audit.Ever, id); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE outbox_lanes SET next_at = ? WHERE sink = ? AND lane = ?`, audit.Ever, m.Sink, text(m.Lane))
		return err
	})
}

// RetryFailed lets all messages that failed for good be tried now.
func (s *Store) RetryFailed(ctx context.Context) error {
	return s.write(ctx, "let messages be tried again", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE outbox SET next_at = ? WHERE sent_at = ? AND failed = 1`, audit.Ever, audit.Never)
		return err
	})
}

// OutboxNumbers is what is in the outbox, by sink.
type OutboxNumbers struct {
	Sink      string        `db:"sink"`
	Waiting   int           `db:"waiting"` // not delivered, and not failed for good
	Failed    int           `db:"failed"`
	Delivered int           `db:"delivered"` // and not purged yet
	Oldest    audit.Instant `db:"oldest"`    // when the oldest that is not delivered was written; Never: all are
}

// OutboxNumbers counts the messages of each sink.
func (s *Store) OutboxNumbers(ctx context.Context) (list []OutboxNumbers, err error) {
	err = s.read(ctx, "count the outbox", func(t *tx) error {
		return t.all(ctx, &list, `SELECT sink, sum(CASE WHEN sent_at = ? AND failed = 0 THEN 1 ELSE 0 END) AS waiting, sum(CASE WHEN sent_at = ? AND failed = 1 THEN 1 ELSE 0 END) AS failed,
			sum(CASE WHEN sent_at <> ? THEN 1 ELSE 0 END) AS delivered, min(CASE WHEN sent_at = ? THEN created ELSE ? END) AS oldest FROM outbox GROUP BY sink ORDER BY sink`,
			audit.Never, audit.Never, audit.Never, audit.Never, audit.Never)
	})
	return list, err
}

// Lanes gives what waits, by receiver. The next of a lane is its oldest message, unless that failed for good: such a one is due by itself.
func (s *Store) Lanes(ctx context.Context) (list []audit.Lane, err error) {
	err = s.read(ctx, "see what waits in the outbox", func(t *tx) error {
		var found []struct {
			Sink    string        `db:"sink"`
			Lane    text          `db:"lane"`
			Waiting int           `db:"waiting"`
			Head    audit.Instant `db:"head"`
			Again   audit.Instant `db:"again"`
			LaneAt  audit.Instant `db:"lane_at"`
			SinkAt  audit.Instant `db:"sink_at"`
			Until   audit.Instant `db:"until"`
		}
		err := t.all(ctx, &found, `SELECT w.sink, w.lane, w.waiting, w.again, coalesce(CASE WHEN h.next_at <= h.created THEN ? ELSE h.next_at END, ?) AS head,
				coalesce(l.next_at, ?) AS lane_at, coalesce(s.next_at, ?) AS sink_at, coalesce(l.until, ?) AS until
			FROM (SELECT sink, lane, count(*) AS waiting, min(CASE WHEN failed = 0 THEN id END) AS head_id, min(CASE WHEN failed = 1 THEN next_at ELSE ? END) AS again
				FROM outbox WHERE sent_at = ? GROUP BY sink, lane) w
			LEFT JOIN outbox h ON h.id = w.head_id
			LEFT JOIN outbox_lanes l ON l.sink = w.sink AND l.lane = w.lane
			LEFT JOIN outbox_sinks s ON s.sink = w.sink
			ORDER BY w.sink, w.lane`, audit.Ever, audit.Never, audit.Ever, audit.Ever, audit.Ever, audit.Never, audit.Never)
		for _, r := range found {
			list = append(list, audit.Lane{Sink: r.Sink, Name: string(r.Lane), Waiting: r.Waiting, Next: max(min(r.Head, r.Again), r.LaneAt, r.SinkAt), Until: r.Until})
		}
		return err
	})
	return list, err
}

// Take claims the next message of a lane for holder, who is nobody else's name, and the lane until then; and notes the attempt before it is made. The message's Attempts are those
// before. Nil where no message may be tried at now, or the lane is another's.
func (s *Store) Take(ctx context.Context, sink, lane, holder string, now, until audit.Instant) (claim *audit.Claim, err error) {
	nothing := errors.New("nothing to take")
	err = s.write(ctx, "take a message from the outbox", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO outbox_lanes (sink, lane, holder, until, next_at) VALUES (?, ?, '', ?, ?) ON CONFLICT DO NOTHING`, sink, text(lane), audit.Ever, audit.Ever)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE outbox_lanes SET holder = ?, until = ? WHERE sink = ? AND lane = ? AND until <= ? AND next_at <= ?
			AND NOT EXISTS (SELECT 1 FROM outbox_sinks s WHERE s.sink = outbox_lanes.sink AND s.next_at > ?)`, holder, until, sink, text(lane), now, now, now)
		if err != nil {
			return err
		}
		if n == 0 {
			return nothing
		}
		found, err := t.messages(ctx, selectMessages+` WHERE sent_at = ? AND sink = ? AND lane = ? AND (failed = 1 AND next_at <= ? OR failed = 0 AND (next_at <= ? OR next_at <= created)
			AND id = (SELECT min(id) FROM outbox WHERE sent_at = ? AND sink = ? AND lane = ? AND failed = 0)) ORDER BY failed, id LIMIT 1`,
			audit.Never, sink, text(lane), now, now, audit.Never, sink, text(lane))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return nothing
		}
		claim = &audit.Claim{Message: found[0], Holder: holder}
		_, err = t.exec(ctx, `UPDATE outbox SET attempts = attempts + 1 WHERE id = ?`, claim.ID)
		return err
	})
	if errors.Is(err, nothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return claim, nil
}

// Hold lets a claim's holder have its lane for longer; false where he has it no more.
func (s *Store) Hold(ctx context.Context, c *audit.Claim, until audit.Instant) (held bool, err error) {
	err = s.write(ctx, "keep a lane of the outbox", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE outbox_lanes SET until = ? WHERE sink = ? AND lane = ? AND holder = ?`, until, c.Sink, text(c.Lane), c.Holder)
		held = n > 0
		return err
	})
	return held, err
}

// Delivered notes that a claim's message arrived and what its receiver answered, also where another holds the lane by now: it has arrived. A message is delivered once: later
// calls change nothing. The holder gives the lane back, for nobody to send before next.
func (s *Store) Delivered(ctx context.Context, c *audit.Claim, receipt string, at, next audit.Instant) error {
	return s.write(ctx, fmt.Sprintf("note that message %d was delivered", c.ID), func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE outbox SET sent_at = ?, failed = 0, error = '', receipt = ? WHERE id = ? AND sent_at = ?`, at, text(receipt), c.ID, audit.Never)
		if err != nil {
			return err
		}
		_, err = t.free(ctx, c, next)
		return err
	})
}

// Missed notes that an attempt failed, and gives the lane back: until m.Next, unless the message failed for good, now or before. Where the lane is another's by now, the failure is of no interest any more: nothing changes.
func (s *Store) Missed(ctx context.Context, c *audit.Claim, m audit.Miss) error {
	return s.write(ctx, fmt.Sprintf("note that message %d was not delivered", c.ID), func(t *tx) error {
		next, failed := m.Lane, 0
		if m.Final || c.Failed {
			failed = 1
		} else {
			next = max(next, m.Next)
		}
		if held, err := t.free(ctx, c, next); err != nil || !held {
			return err
		}
		_, err := t.exec(ctx, `UPDATE outbox SET next_at = ?, failed = ?, error = ? WHERE id = ? AND sent_at = ?`, m.Next, failed, text(m.Error), c.ID, audit.Never)
		if err != nil || m.Sink == audit.Ever {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO outbox_sinks (sink, next_at) VALUES (?, ?)
			ON CONFLICT (sink) DO UPDATE SET next_at = CASE WHEN excluded.next_at > outbox_sinks.next_at THEN excluded.next_at ELSE outbox_sinks.next_at END`, c.Sink, m.Sink)
		return err
	})
}

// Free gives a lane back of whose message nobody knows what became, for nobody to send before next.
func (s *Store) Free(ctx context.Context, c *audit.Claim, next audit.Instant) error {
	return s.write(ctx, "give back a lane of the outbox", func(t *tx) error {
		_, err := t.free(ctx, c, next)
		return err
	})
}

func (t *tx) free(ctx context.Context, c *audit.Claim, next audit.Instant) (held bool, err error) {
	n, err := t.exec(ctx, `UPDATE outbox_lanes SET holder = '', until = ?, next_at = ? WHERE sink = ? AND lane = ? AND holder = ?`, audit.Ever, next, c.Sink, text(c.Lane), c.Holder)
	return n > 0, err
}

// enqueue writes messages; one whose key was written before is left out.
func (t *tx) enqueue(ctx context.Context, messages []audit.Message) error {
	for i := range messages {
		m := &messages[i]
		_, err := t.exec(ctx, `INSERT INTO outbox (key, sink, lane, body, created, attempts, next_at, sent_at, failed, error, receipt)
			VALUES (?, ?, ?, ?, ?, 0, ?, ?, 0, '', '') ON CONFLICT (key) DO NOTHING`, text(m.Key), m.Sink, text(m.Lane), blob(m.Body), m.Created, m.NextAt, audit.Never)
		if err != nil {
			return err
		}
	}
	return nil
}

// Enqueued gives the lanes of those messages that are in the outbox, delivered or not, by key.
func (s *Store) Enqueued(ctx context.Context, keys []string) (map[string]string, error) {
	lanes := map[string]string{}
	err := s.read(ctx, "look for messages", func(t *tx) error {
		return chunks(texts(keys), func(keys []text) error {
			var found []struct {
				Key  text `db:"key"`
				Lane text `db:"lane"`
			}
			err := t.all(ctx, &found, `SELECT key, lane FROM outbox WHERE key IN (?)`, keys)
			for _, f := range found {
				lanes[string(f.Key)] = string(f.Lane)
			}
			return err
		})
	})
	return lanes, err
}

// Sent gives those messages of keys that were delivered, with when and with the receipt.
func (s *Store) Sent(ctx context.Context, keys []string) (map[string]audit.Message, error) {
	out := map[string]audit.Message{}
	err := chunks(texts(keys), func(keys []text) error {
		list, err := s.messages(ctx, selectMessages+` WHERE key IN (?) AND sent_at <> ?`, keys, audit.Never)
		for _, m := range list {
			out[m.Key] = m
		}
		return err
	})
	return out, err
}
