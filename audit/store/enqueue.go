package store

import (
	"context"
	"errors"

	"github.com/mailreeve/mailreeve/audit"
)

// Receipt is what the receiver of the message of a key answered; "" where there is no such message, or it is not delivered.
func (s *Store) Receipt(ctx context.Context, key string) (receipt string, err error) {
	err = s.read(ctx, "read a receipt", func(t *tx) error {
		var found text
		err := t.one(ctx, &found, `SELECT receipt FROM outbox WHERE key = ? AND sent_at <> ?`, text(key), audit.Never)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		receipt = string(found)
		return err
	})
	return receipt, err
}

// EnqueueMessages writes messages that belong to no other transaction; one whose key was written before is left out.
func (s *Store) EnqueueMessages(ctx context.Context, messages ...audit.Message) error {
	return s.write(ctx, "write into the outbox", func(t *tx) error { return t.enqueue(ctx, messages) })
}
