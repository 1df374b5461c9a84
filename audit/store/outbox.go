package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

const selectMessages = `SELECT id, key, sink, lane, body, created, attempts, doubt, next_at, sent_at, failed, error, receipt, given_up_by, given_up_why FROM outbox`

func (t *tx) messages(ctx context.Context, query string, args ...any) (list []audit.Message, err error) {
	var found []struct {
		ID       int64         `db:"id"`
		Key      text          `db:"key"`
		Sink     string        `db:"sink"`
		Lane     text          `db:"lane"`
		Body     []byte        `db:"body"`
		Created  audit.Instant `db:"created"`
		Attempts int           `db:"attempts"`
		Doubt    audit.Instant `db:"doubt"`
		NextAt   audit.Instant `db:"next_at"`
		SentAt   audit.Instant `db:"sent_at"`
		Failed   int           `db:"failed"`
		Error    text          `db:"error"`
		Receipt  text          `db:"receipt"`
		By       text          `db:"given_up_by"`
		Why      text          `db:"given_up_why"`
	}
	err = t.all(ctx, &found, query, args...)
	for _, r := range found {
		m := audit.Message{ID: r.ID, Key: string(r.Key), Sink: r.Sink, Lane: string(r.Lane), Body: r.Body, Created: r.Created, Attempts: r.Attempts, Doubt: r.Doubt,
			NextAt: r.NextAt, SentAt: r.SentAt, Failed: r.Failed != 0, Error: string(r.Error), Receipt: string(r.Receipt)}
		if r.By != "" {
			m.SentAt, m.GivenUp = audit.Never, &audit.GivenUp{At: r.SentAt, By: string(r.By), Why: string(r.Why)}
		}
		list = append(list, m)
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

// Message gives one; [ErrNotFound].
func (s *Store) Message(ctx context.Context, id int64) (*audit.Message, error) {
	list, err := s.messages(ctx, selectMessages+` WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// GivenUp gives the messages that people gave up and that are kept, in the order in which they did.
func (s *Store) GivenUp(ctx context.Context) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` WHERE given_up_by <> '' ORDER BY sent_at, id`)
}

// Pending gives every message that is neither delivered nor given up, in the order in which they were written.
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

// Owed is what is not delivered of some messages.
type Owed struct {
	Messages int    `db:"messages"`
	Failed   int    `db:"failed"` // of these, for good
	Error    string // of the first
}

// Owed counts what is not delivered for sinks of what was written since then, or was tried by somebody who was killed over it.
func (s *Store) Owed(ctx context.Context, since audit.Instant, sinks []string) (Owed, error) {
	return s.owed(ctx, `sink IN (?) AND (created >= ? OR attempts > 0 AND error = '')`, sinks, since)
}

// OwedOf counts what is not delivered for sinks of the messages of ids, of which there is one at least.
func (s *Store) OwedOf(ctx context.Context, ids []int64, sinks []string) (Owed, error) {
	return s.owed(ctx, `sink IN (?) AND id IN (?)`, sinks, ids)
}

func (s *Store) owed(ctx context.Context, condition string, args ...any) (o Owed, err error) {
	which := ` FROM outbox WHERE sent_at = ? AND ` + condition
	args = append([]any{audit.Never}, args...)
	err = s.read(ctx, "count what is not delivered", func(t *tx) error {
		err := t.one(ctx, &o, `SELECT count(*) AS messages, coalesce(sum(failed), 0) AS failed`+which, args...)
		if err != nil || o.Messages == 0 {
			return err
		}
		var first text
		err = t.one(ctx, &first, `SELECT error`+which+` ORDER BY id LIMIT 1`, args...)
		o.Error = string(first)
		return err
	})
	return o, err
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
func (s *Store) Retry(ctx context.Context, id int64, noted ...audit.TrailEntry) error {
	return s.write(ctx, fmt.Sprintf("let message %d be tried again", id), func(t *tx) error {
		found, err := t.messages(ctx, selectMessages+` WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return ErrNotFound
		}
		m := found[0]
		if m.SentAt != audit.Never || m.GivenUp != nil {
			return nil // another process has just delivered it
		}
		if _, err := t.exec(ctx, `UPDATE outbox_lanes SET next_at = ? WHERE sink = ? AND lane = ?`, audit.Ever, m.Sink, text(m.Lane)); err != nil {
			return err
		}
		if _, err = t.exec(ctx, `UPDATE outbox SET next_at = ? WHERE id = ?`, audit.Ever, id); err != nil {
			return err
		}
		return t.appendTrail(ctx, noted)
	})
}

// ErrInFlight says that a message is just being sent, so that nobody knows whether it arrives.
var ErrInFlight = errors.New("its receiver is just being sent something: try again in a minute")

// GiveUp is a message that somebody gives up.
type GiveUp struct {
	ID int64
	audit.GivenUp
}

// GiveUp lets messages not be delivered any more, and enters that in the trail. They are purged as if they had been delivered. All or nothing: [ErrNotFound] where one is not there,
// [audit.ErrChanged] where one is delivered or given up, [ErrInFlight].
func (s *Store) GiveUp(ctx context.Context, list ...GiveUp) error {
	return s.write(ctx, "give up messages", func(t *tx) error { return t.giveUp(ctx, list) })
}

func (t *tx) giveUp(ctx context.Context, list []GiveUp) error {
	var trail []audit.TrailEntry
	for _, g := range list {
		found, err := t.messages(ctx, selectMessages+` WHERE id = ?`, g.ID)
		if err == nil && len(found) == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", g.ID, err)
		}
		m := &found[0]
		held, err := t.held(ctx, m, g.At)
		if err != nil {
			return err
		}
		if held {
			return fmt.Errorf("message %d: %w", g.ID, ErrInFlight)
		}
		n, err := t.exec(ctx, `UPDATE outbox SET sent_at = ?, failed = 0, given_up_by = ?, given_up_why = ? WHERE id = ? AND sent_at = ?`, g.At, text(g.By), text(g.Why), g.ID, audit.Never)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("message %d: %w: it is delivered, or given up", g.ID, audit.ErrChanged)
		}
		trail = append(trail, audit.TrailEntry{At: g.At, Who: g.By, What: "message given up", Why: g.Why,
			Details: map[string]any{"message": m.Key, "sink": m.Sink, "written": m.Created.String(), "attempts": float64(m.Attempts)}})
	}
	return t.appendTrail(ctx, trail)
}

// held says whether somebody has a message's lane at now, and keeps it as it is until the transaction ends.
func (t *tx) held(ctx context.Context, m *audit.Message, now audit.Instant) (bool, error) {
	if err := t.lane(ctx, m.Sink, m.Lane); err != nil {
		return false, err
	}
	var until audit.Instant
	err := t.one(ctx, &until, `SELECT until FROM outbox_lanes WHERE sink = ? AND lane = ?`+t.d.forUpdate(), m.Sink, text(m.Lane))
	return until > now, err
}

// lane makes a lane's row where there is none.
func (t *tx) lane(ctx context.Context, sink, lane string) error {
	_, err := t.exec(ctx, `INSERT INTO outbox_lanes (sink, lane, holder, until, next_at) VALUES (?, ?, '', ?, ?) ON CONFLICT DO NOTHING`, sink, text(lane), audit.Ever, audit.Ever)
	return err
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
	GivenUp   int           `db:"given_up"`  // likewise
	Oldest    audit.Instant `db:"oldest"`    // when the oldest that waits or failed was written; Never: there is none
}

// OutboxNumbers counts the messages of each sink. What is done with is counted in an index alone: there may be years of it.
func (s *Store) OutboxNumbers(ctx context.Context) (list []OutboxNumbers, err error) {
	err = s.read(ctx, "count the outbox", func(t *tx) error {
		return t.all(ctx, &list, `SELECT d.sink, d.waiting, d.failed, d.ended - coalesce(g.n, 0) AS delivered, coalesce(g.n, 0) AS given_up, coalesce(o.oldest, ?) AS oldest
			FROM (SELECT sink, sum(CASE WHEN sent_at = ? AND failed = 0 THEN 1 ELSE 0 END) AS waiting, sum(CASE WHEN sent_at = ? AND failed = 1 THEN 1 ELSE 0 END) AS failed,
				sum(CASE WHEN sent_at <> ? THEN 1 ELSE 0 END) AS ended FROM outbox GROUP BY sink) d
			LEFT JOIN (SELECT sink, count(*) AS n FROM outbox WHERE given_up_by <> '' GROUP BY sink) g ON g.sink = d.sink
			LEFT JOIN (SELECT sink, min(created) AS oldest FROM outbox WHERE sent_at = ? GROUP BY sink) o ON o.sink = d.sink
			ORDER BY d.sink`, audit.Never, audit.Never, audit.Never, audit.Never, audit.Never)
	})
	return list, err
}

// Lanes gives the receivers for whom something waits. The next of a lane is its oldest message, unless that failed for good: such a one is due by itself. It costs as much as there are lanes, however
// many messages wait in them.
func (s *Store) Lanes(ctx context.Context) (list []audit.Lane, err error) {
	err = s.read(ctx, "see what waits in the outbox", func(t *tx) error {
		var found []struct {
			Sink   string        `db:"sink"`
			Lane   text          `db:"lane"`
			Head   audit.Instant `db:"head"`
			Again  audit.Instant `db:"again"`
			LaneAt audit.Instant `db:"lane_at"`
			SinkAt audit.Instant `db:"sink_at"`
			Until  audit.Instant `db:"until"`
		}
		// From one message of each lane to the first of the next lane: each is one step in the index.
		err := t.all(ctx, &found, `WITH RECURSIVE firsts (id) AS (
				SELECT (SELECT id FROM outbox WHERE sent_at = ? ORDER BY sink, lane LIMIT 1)
				UNION ALL
				SELECT coalesce((SELECT n.id FROM outbox n WHERE n.sent_at = ? AND n.sink = o.sink AND n.lane > o.lane ORDER BY n.lane LIMIT 1),
					(SELECT n.id FROM outbox n WHERE n.sent_at = ? AND n.sink > o.sink ORDER BY n.sink, n.lane LIMIT 1))
				FROM firsts JOIN outbox o ON o.id = firsts.id
			), lanes AS (
				SELECT o.sink, o.lane,
					(SELECT m.id FROM outbox m WHERE m.sent_at = ? AND m.sink = o.sink AND m.lane = o.lane AND m.failed = 0 ORDER BY m.id LIMIT 1) AS head_id,
					(SELECT min(m.next_at) FROM outbox m WHERE m.sent_at = ? AND m.sink = o.sink AND m.lane = o.lane AND m.failed = 1) AS again
				FROM firsts JOIN outbox o ON o.id = firsts.id
			)
			SELECT w.sink, w.lane, coalesce(w.again, ?) AS again, coalesce(CASE WHEN h.next_at <= h.created THEN ? ELSE h.next_at END, ?) AS head,
				coalesce(l.next_at, ?) AS lane_at, coalesce(s.next_at, ?) AS sink_at, coalesce(l.until, ?) AS until
			FROM lanes w
			LEFT JOIN outbox h ON h.id = w.head_id
			LEFT JOIN outbox_lanes l ON l.sink = w.sink AND l.lane = w.lane
			LEFT JOIN outbox_sinks s ON s.sink = w.sink
			ORDER BY w.sink, w.lane`, audit.Never, audit.Never, audit.Never, audit.Never, audit.Never, audit.Never, audit.Ever, audit.Never, audit.Ever, audit.Ever, audit.Ever)
		for _, r := range found {
			list = append(list, audit.Lane{Sink: r.Sink, Name: string(r.Lane), Next: max(min(r.Head, r.Again), r.LaneAt, r.SinkAt), Until: r.Until})
		}
		return err
	})
	return list, err
}

// Take claims the next message of a lane for holder, who is nobody else's name, and the lane until then; and notes the attempt before it is made. The message's Attempts and its
// Doubt are those before. Nil where no message may be tried at now, or the lane is another's.
func (s *Store) Take(ctx context.Context, sink, lane, holder string, now, until audit.Instant) (claim *audit.Claim, err error) {
	nothing := errors.New("nothing to take")
	err = s.write(ctx, "take a message from the outbox", func(t *tx) error {
		if err := t.lane(ctx, sink, lane); err != nil {
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
		const waits = ` WHERE sent_at = ? AND sink = ? AND lane = ?`
		found, err := t.messages(ctx, selectMessages+waits+` AND failed = 0 ORDER BY id LIMIT 1`, audit.Never, sink, text(lane))
		if err == nil && (len(found) == 0 || found[0].NextAt > max(now, found[0].Created)) {
			found, err = t.messages(ctx, selectMessages+waits+` AND failed = 1 AND next_at <= ? ORDER BY next_at, id LIMIT 1`, audit.Never, sink, text(lane), now)
		}
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return nothing
		}
		claim = &audit.Claim{Message: found[0], Holder: holder}
		claim.Began = now
		_, err = t.exec(ctx, `UPDATE outbox SET attempts = attempts + 1, doubt = ? WHERE id = ?`, until, claim.ID)
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
		if held = n > 0; !held || err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE outbox SET doubt = ? WHERE id = ? AND sent_at = ?`, until, c.ID, audit.Never)
		return err
	})
	return held, err
}

// Delivered notes that a claim's message arrived and what its receiver answered, also where another holds the lane by now, or somebody has given it up: it has arrived. A message is
// delivered once: later calls change nothing. The holder gives the lane back, for nobody to send before next.
func (s *Store) Delivered(ctx context.Context, c *audit.Claim, receipt string, at, next audit.Instant) error {
	return s.write(ctx, fmt.Sprintf("note that message %d was delivered", c.ID), func(t *tx) error {
		if _, err := t.free(ctx, c, next); err != nil { // the lane first, as everybody does
			return err
		}
		_, err := t.exec(ctx, `UPDATE outbox SET sent_at = ?, failed = 0, error = '', receipt = ?, given_up_by = '', given_up_why = '' WHERE id = ? AND (sent_at = ? OR given_up_by <> '')`,
			at, text(receipt), c.ID, audit.Never)
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
		doubt := max(m.At, c.Began)
		if m.Unsent {
			doubt = c.Doubt
		}
		_, err := t.exec(ctx, `UPDATE outbox SET next_at = ?, failed = ?, error = ?, doubt = ? WHERE id = ? AND sent_at = ?`, m.Next, failed, text(m.Error), doubt, c.ID, audit.Never)
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

// enqueue writes messages; one whose key was written before is left out. Until the transaction ends nobody else writes into their lanes: who commits later would have older ids, and
// what is older may be gone by then. It comes last in a transaction, after the trail, so that no two wait for each other.
func (t *tx) enqueue(ctx context.Context, messages []audit.Message) error {
	var lanes []string
	for i := range messages {
		lanes = append(lanes, messages[i].Sink+"\x00"+messages[i].Lane)
	}
	slices.Sort(lanes)
	if err := t.d.lockLanes(ctx, t, slices.Compact(lanes)); err != nil {
		return err
	}
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

// Keyed gives the messages whose key begins with prefix, which is plain ASCII, delivered or not.
func (s *Store) Keyed(ctx context.Context, prefix string) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` WHERE key >= ? AND key < ? ORDER BY key`, prefix, prefix+"\x7f")
}

// Sent gives those messages of keys that were delivered, with when and with the receipt.
func (s *Store) Sent(ctx context.Context, keys []string) (map[string]audit.Message, error) {
	out := map[string]audit.Message{}
	err := chunks(texts(keys), func(keys []text) error {
		list, err := s.messages(ctx, selectMessages+` WHERE key IN (?) AND sent_at <> ? AND given_up_by = ''`, keys, audit.Never)
		for _, m := range list {
			out[m.Key] = m
		}
		return err
	})
	return out, err
}
