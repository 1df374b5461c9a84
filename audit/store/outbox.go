package store

import (
	"context"
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

const selectMessages = `SELECT id, key, sink, lane, body, created, attempts, next_at, sent_at, error, receipt FROM outbox`

func (s *Store) messages(ctx context.Context, query string, args ...any) (list []audit.Message, err error) {
	err = s.read(ctx, "read the outbox", func(t *tx) error {
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
			Error    text          `db:"error"`
			Receipt  text          `db:"receipt"`
		}
		err := t.all(ctx, &found, query, args...)
		for _, r := range found {
			list = append(list, audit.Message{ID: r.ID, Key: string(r.Key), Sink: r.Sink, Lane: string(r.Lane), Body: r.Body, Created: r.Created, Attempts: r.Attempts,
				NextAt: r.NextAt, SentAt: r.SentAt, Error: string(r.Error), Receipt: string(r.Receipt)})
		}
		return err
	})
	return list, err
}

// Messages gives all messages of the outbox, delivered or not, in the order in which they were written.
func (s *Store) Messages(ctx context.Context) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` ORDER BY id`)
}

// Pending gives every message that is not delivered, in the order in which they were written, also those that are not to be tried yet at now: they
// may hold back later ones.
func (s *Store) Pending(ctx context.Context, _ audit.Instant) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` WHERE sent_at = ? ORDER BY id`, audit.Never)
}

// Delivered notes that a message arrived and what its receiver answered. A message is delivered once: later calls change nothing.
func (s *Store) Delivered(ctx context.Context, id int64, receipt string, at audit.Instant) error {
	return s.attempted(ctx, id, `sent_at = ?, error = '', receipt = ?`, at, text(receipt))
}

// Postponed notes that a message could not be delivered, why, and when to try again.
func (s *Store) Postponed(ctx context.Context, id int64, cause string, next audit.Instant) error {
	return s.attempted(ctx, id, `next_at = ?, error = ?`, next, text(cause))
}

func (s *Store) attempted(ctx context.Context, id int64, set string, args ...any) error {
	return s.write(ctx, fmt.Sprintf("note what came of message %d", id), func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE outbox SET attempts = attempts + 1, `+set+` WHERE id = ? AND sent_at = ?`, append(args, id, audit.Never)...)
		if err != nil || n > 0 {
			return err
		}
		var there int
		if err := t.one(ctx, &there, `SELECT count(*) FROM outbox WHERE id = ?`, id); err != nil {
			return err
		}
		if there == 0 {
			return ErrNotFound
		}
		return nil
	})
}

// enqueue writes messages; one whose key was written before is left out.
func (t *tx) enqueue(ctx context.Context, messages []audit.Message) error {
	for i := range messages {
		m := &messages[i]
		_, err := t.exec(ctx, `INSERT INTO outbox (key, sink, lane, body, created, attempts, next_at, sent_at, error, receipt)
			VALUES (?, ?, ?, ?, ?, 0, ?, ?, '', '') ON CONFLICT (key) DO NOTHING`, text(m.Key), m.Sink, text(m.Lane), blob(m.Body), m.Created, m.NextAt, audit.Never)
		if err != nil {
			return err
		}
	}
	return nil
}
