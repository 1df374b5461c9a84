package store

import (
	"context"

	"github.com/mailreeve/mailreeve/audit"
)

// StageQuarantine keeps lines that a run could not take, in a short transaction. They show once the run is published.
func (s *Store) StageQuarantine(ctx context.Context, run int64, lines []audit.Quarantined) error {
	into := table{name: "quarantine", key: []string{"file_id", "line", "run"}, columns: []string{"reason", "text"}}
	return s.write(ctx, "keep lines in quarantine", func(t *tx) error {
		return s.d.upsert(ctx, t, into, func(add func(...any) error) error {
			for i := range lines {
				q := &lines[i]
				if err := add(q.File, int64(q.Line), run, text(q.Reason), text(q.Text)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Quarantine gives the lines in quarantine, by file and line.
func (s *Store) Quarantine(ctx context.Context) (list []audit.Quarantined, err error) {
	err = s.read(ctx, "read the quarantine", func(t *tx) error {
		var found []struct {
			Path   text       `db:"path"`
			Kind   audit.Kind `db:"kind"`
			Reason text       `db:"reason"`
			Text   text       `db:"text"`
			source
		}
		err := t.all(ctx, &found, `SELECT q.file_id, q.line, q.reason, q.text, coalesce(f.path, '') AS path, coalesce(f.kind, '') AS kind
			FROM quarantine q JOIN runs r ON r.seq = q.run LEFT JOIN files f ON f.id = q.file_id WHERE r.status = 'finished' ORDER BY f.path, q.file_id, q.line`)
		list = make([]audit.Quarantined, len(found))
		for i, r := range found {
			list[i] = audit.Quarantined{File: r.File, Path: string(r.Path), Line: uint64(r.Line), Kind: r.Kind, Reason: string(r.Reason), Text: string(r.Text)}
		}
		return err
	})
	return list, err
}
