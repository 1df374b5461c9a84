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

// A QuarantineFilter says which lines. What is empty does not matter.
type QuarantineFilter struct {
	Kind   audit.Kind
	Path   string // as the lines' file has it
	Offset int
	Limit  int
}

// Quarantine gives the lines in quarantine, by file and line.
func (s *Store) Quarantine(ctx context.Context) ([]audit.Quarantined, error) {
	return s.QuarantineOf(ctx, QuarantineFilter{})
}

// A QuarantineCount is how many lines of a file are in quarantine.
type QuarantineCount struct {
	Kind audit.Kind
	Path string
	N    int
}

// QuarantineCounts counts the lines in quarantine by file.
func (s *Store) QuarantineCounts(ctx context.Context) (list []QuarantineCount, err error) {
	err = s.read(ctx, "count the quarantine", func(t *tx) error {
		var found []struct {
			Kind audit.Kind `db:"kind"`
			Path text       `db:"path"`
			N    int        `db:"n"`
		}
		err := t.all(ctx, &found, `SELECT coalesce(f.kind, '') AS kind, coalesce(f.path, '') AS path, count(*) AS n
			FROM quarantine q JOIN runs r ON r.seq = q.run LEFT JOIN files f ON f.id = q.file_id WHERE r.status = 'finished' GROUP BY f.kind, f.path ORDER BY n DESC, f.path`)
		list = make([]QuarantineCount, len(found))
		for i, r := range found {
			list[i] = QuarantineCount{r.Kind, string(r.Path), r.N}
		}
		return err
	})
	return list, err
}

// QuarantineOf gives the lines in quarantine that f asks for, by file and line.
func (s *Store) QuarantineOf(ctx context.Context, f QuarantineFilter) (list []audit.Quarantined, err error) {
	where, args := ` WHERE r.status = 'finished'`, []any(nil)
	if f.Kind != "" {
		where, args = and(where, args, `f.kind = ?`, text(f.Kind))
	}
	if f.Path != "" {
		where, args = and(where, args, `f.path = ?`, text(f.Path))
	}
	page := ""
	if f.Limit > 0 {
		page, args = ` LIMIT ? OFFSET ?`, append(args, f.Limit, f.Offset)
	}
	err = s.read(ctx, "read the quarantine", func(t *tx) error {
		var found []struct {
			Path   text       `db:"path"`
			Kind   audit.Kind `db:"kind"`
			Reason text       `db:"reason"`
			Text   text       `db:"text"`
			source
		}
		err := t.all(ctx, &found, `SELECT q.file_id, q.line, q.reason, q.text, coalesce(f.path, '') AS path, coalesce(f.kind, '') AS kind
			FROM quarantine q JOIN runs r ON r.seq = q.run LEFT JOIN files f ON f.id = q.file_id`+where+` ORDER BY f.path, q.file_id, q.line`+page, args...)
		list = make([]audit.Quarantined, len(found))
		for i, r := range found {
			list[i] = audit.Quarantined{File: r.File, Path: string(r.Path), Line: uint64(r.Line), Kind: r.Kind, Reason: string(r.Reason), Text: string(r.Text)}
		}
		return err
	})
	return list, err
}
