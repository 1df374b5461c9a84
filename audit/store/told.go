package store

import (
	"context"
	"errors"

	"github.com/mailreeve/mailreeve/audit"
)

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

// DueBy gives the findings that are open, acknowledged or in remediation and due at until or before, the soonest first.
func (s *Store) DueBy(ctx context.Context, until audit.Instant) (list []audit.Finding, err error) {
	err = s.read(ctx, "read what falls due", func(t *tx) (err error) {
		list, _, err = t.findings(ctx, selectFindings()+` WHERE f.due_at <= ? AND f.status IN (?) ORDER BY f.due_at, f.id`, until,
			openStatuses())
		return err
	})
	return list, err
}

// FiledWith gives the findings of the same app and clause that the same run filed as the one of an id, that one among them; none where it is not kept.
func (s *Store) FiledWith(ctx context.Context, id string) (list []audit.Finding, err error) {
	err = s.read(ctx, "read what was filed with finding "+id, func(t *tx) error {
		f, _, err := t.finding(ctx, id, "")
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			list, _, err = t.findings(ctx, selectFindings()+` WHERE f.app_key = ? AND f.clause = ? AND f.first_run = ? ORDER BY f.id`, text(f.App), f.Clause, f.FirstRun)
		}
		return err
	})
	return list, err
}

// Finished gives the last n runs that finished, the newest first.
func (s *Store) Finished(ctx context.Context, n int) ([]audit.Run, error) {
	return s.runs(ctx, selectRuns+` WHERE status = 'finished' ORDER BY seq DESC LIMIT ?`, n)
}
