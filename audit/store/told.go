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

// Alike gives the findings of the same app and clause as the one of an id, that one among them; none where it is not kept.
func (s *Store) Alike(ctx context.Context, id string) (list []audit.Finding, err error) {
	err = s.read(ctx, "read what is alike finding "+id, func(t *tx) error {
		f, _, err := t.finding(ctx, id, "")
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			list, _, err = t.findings(ctx, selectFindings()+` WHERE f.app_key = ? AND f.clause = ? ORDER BY f.id`, text(f.App), f.Clause)
		}
		return err
	})
	return list, err
}

// Standings gives where the findings of apps stand.
func (s *Store) Standings(ctx context.Context, apps []string) (list []audit.Standing, err error) {
	err = s.read(ctx, "read where findings stand", func(t *tx) error {
		return chunks(texts(apps), func(apps []text) error {
			var found []struct {
				ID       string       `db:"id"`
				App      text         `db:"app_key"`
				Clause   string       `db:"clause"`
				Status   audit.Status `db:"status"`
				FirstRun string       `db:"first_run"`
			}
			err := t.all(ctx, &found, `SELECT id, app_key, clause, status, first_run FROM findings WHERE app_key IN (?) ORDER BY app_key, id`, apps)
			for _, f := range found {
				list = append(list, audit.Standing{ID: f.ID, App: string(f.App), Clause: f.Clause, Status: f.Status, FirstRun: f.FirstRun})
			}
			return err
		})
	})
	return list, err
}

// Keyed gives the messages whose key begins with prefix, which is plain ASCII, delivered or not.
func (s *Store) Keyed(ctx context.Context, prefix string) ([]audit.Message, error) {
	return s.messages(ctx, selectMessages+` WHERE key >= ? AND key < ? ORDER BY key`, prefix, prefix+"\x7f")
}

// FinishedBetween gives the runs that finished and are as of a moment in [from, to), in the order in which they ran.
func (s *Store) FinishedBetween(ctx context.Context, from, to audit.Instant) ([]audit.Run, error) {
	return s.runs(ctx, selectRuns+` WHERE status = 'finished' AND as_of >= ? AND as_of < ? ORDER BY seq`, from, to)
}

// Finished gives the last n runs that finished, the newest first.
func (s *Store) Finished(ctx context.Context, n int) ([]audit.Run, error) {
	return s.runs(ctx, selectRuns+` WHERE status = 'finished' ORDER BY seq DESC LIMIT ?`, n)
}
