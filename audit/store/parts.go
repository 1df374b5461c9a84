package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// Silence is how long a holder of a part, or a crew, may be silent before it is taken for dead. It is measured by the database's clock.
const Silence = 15 * time.Second

// A PartState is how far a part of the running night is.
type PartState struct {
	Number int64  `db:"number"`
	Done   bool   `db:"done"`
	Held   bool   `db:"held"` // somebody who lives does it
	Tries  int    `db:"tries"`
	Error  string `db:"error"` // of the last try
}

// AddParts keeps parts of a run, and does what also does in the same transaction. It gives the first one's number; the others follow. [ErrFenced].
func (n *Night) AddParts(ctx context.Context, run int64, parts []audit.Part, also func(ctx context.Context, t *sql.Tx, first int64) error) (first int64, err error) {
	err = n.fenced(ctx, "keep parts of the night", n.lease, func(t *tx) error {
		if err := t.one(ctx, &first, `SELECT coalesce(max(number), 0) + 1 FROM parts WHERE run = ?`, run); err != nil {
			return err
		}
		into := table{name: "parts", columns: []string{"run", "number", "kind", "body", "holder", "seen", "tries", "error"}}
		err := t.d.insert(ctx, t, into, func(add func(...any) error) error {
			for i, p := range parts {
				if err := add(run, first+int64(i), string(p.Kind), blob(p.Body), "", 0, 0, ""); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return also(ctx, t.Tx.Tx, first)
	})
	return first, err
}

// Enqueue does f in a transaction of its own.
func (s *Store) Enqueue(ctx context.Context, f func(ctx context.Context, t *sql.Tx) error) error {
	return s.write(ctx, "enqueue a job", func(t *tx) error { return f(ctx, t.Tx.Tx) })
}

// Parts says how far the parts of a run are, in order.
func (s *Store) Parts(ctx context.Context, run int64) (list []PartState, err error) {
	err = s.read(ctx, "look after the parts of the night", func(t *tx) error {
		return t.all(ctx, &list, `SELECT number, answer IS NOT NULL AS done, holder <> '' AND seen > `+t.d.now()+` - ? AS held, tries, error
			FROM parts WHERE run = ? ORDER BY number`, Silence.Milliseconds(), run)
	})
	return list, err
}

// TakePart gives a part to holder. One whose holder died of it, perhaps, counts as a failed try. [ErrNotFound] where there is nothing to do: it is done, another does it, or its night has ended.
func (s *Store) TakePart(ctx context.Context, run, number int64, holder string) (p audit.Part, err error) {
	err = s.write(ctx, "take a part of the night", func(t *tx) error {
		var row struct {
			Kind audit.PartKind
			Body []byte
		}
		err := t.one(ctx, &row, `UPDATE parts SET holder = ?, seen = `+t.d.now()+`, tries = tries + CASE WHEN holder = '' THEN 0 ELSE 1 END WHERE run = ? AND number = ? AND answer IS NULL
			AND (holder = '' OR seen <= `+t.d.now()+` - ?) AND EXISTS (SELECT 1 FROM runs WHERE seq = ? AND status = 'running')
			RETURNING kind, body`, holder, run, number, Silence.Milliseconds(), run)
		p = audit.Part{Kind: row.Kind, Body: row.Body}
		return err
	})
	return p, err
}

// HoldPart is a holder's sign of life. Not ok: the part is no longer its own.
func (s *Store) HoldPart(ctx context.Context, run, number int64, holder string) (ok bool, err error) {
	err = s.write(ctx, "hold a part of the night", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE parts SET seen = `+t.d.now()+` WHERE run = ? AND number = ? AND holder = ? AND answer IS NULL`, run, number, holder)
		ok = n > 0
		return err
	})
	return ok, err
}

// FinishPart keeps a part's answer. Not ok: another's counts, or nobody wants it any more.
func (s *Store) FinishPart(ctx context.Context, run, number int64, holder string, answer []byte) (ok bool, err error) {
	err = s.write(ctx, "finish a part of the night", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE parts SET answer = ?, body = ? WHERE run = ? AND number = ? AND holder = ? AND answer IS NULL`,
			blob(answer), blob(nil), run, number, holder)
		ok = n > 0
		return err
	})
	return ok, err
}

// LeavePart gives a part back, undone, and says why; it counts as a try where failed.
func (s *Store) LeavePart(ctx context.Context, run, number int64, holder string, failed bool, why error) error {
	return s.write(ctx, "give a part of the night back", func(t *tx) error {
		tries := 0
		if failed {
			tries = 1
		}
		_, err := t.exec(ctx, `UPDATE parts SET holder = '', tries = tries + ?, error = ? WHERE run = ? AND number = ? AND holder = ? AND answer IS NULL`,
			tries, text(fmt.Sprint(why)), run, number, holder)
		return err
	})
}

// Answer is a part's answer.
func (s *Store) Answer(ctx context.Context, run, number int64) (answer []byte, err error) {
	err = s.read(ctx, "read what came of a part of the night", func(t *tx) error {
		return t.one(ctx, &answer, `SELECT answer FROM parts WHERE run = ? AND number = ?`, run, number)
	})
	return answer, err
}

// SignOn is a crew's sign of life: it does as many parts at a time as it has hands.
func (s *Store) SignOn(ctx context.Context, crew Crew) error {
	return s.write(ctx, "sign a crew on", func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM crews WHERE seen <= `+t.d.now()+` - ?`, (time.Hour).Milliseconds()); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO crews (id, hands, version, archive, seen) VALUES (?, ?, ?, ?, `+t.d.now()+`)
			ON CONFLICT (id) DO UPDATE SET hands = excluded.hands, seen = excluded.seen`, text(crew.ID), crew.Hands, text(crew.Version), text(crew.Archive))
		return err
	})
}

// SignOff says that a crew is gone.
func (s *Store) SignOff(ctx context.Context, crew string) error {
	return s.write(ctx, "sign a crew off", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM crews WHERE id = ?`, crew)
		return err
	})
}

// A Crew is a process that does parts of nights.
type Crew struct {
	ID      string
	Hands   int
	Version string        // of its mailreeve
	Archive string        // id of the archive that it has
	Silent  time.Duration // since its last sign of life
}

// Crews lists those that were there within the last hour, also those that are taken for dead.
func (s *Store) Crews(ctx context.Context) (list []Crew, err error) {
	err = s.read(ctx, "list the crews", func(t *tx) error {
		var rows []struct {
			ID      text
			Hands   int
			Version text
			Archive text
			Silent  int64
		}
		if err := t.all(ctx, &rows, `SELECT id, hands, version, archive, `+t.d.now()+` - seen AS silent FROM crews ORDER BY id`); err != nil {
			return err
		}
		list = nil
		for _, r := range rows {
			list = append(list, Crew{string(r.ID), r.Hands, string(r.Version), string(r.Archive), time.Duration(r.Silent) * time.Millisecond})
		}
		return nil
	})
	return list, err
}

// NightsArchive is the id of the archive that the last night published into; empty: none has.
func (s *Store) NightsArchive(ctx context.Context) (id string, err error) {
	values, err := s.meta(ctx)
	return values[metaArchive], err
}

// dropParts forgets the parts of all runs that are not running.
func (t *tx) dropParts(ctx context.Context) error {
	_, err := t.exec(ctx, `DELETE FROM parts WHERE run NOT IN (SELECT seq FROM runs WHERE status = 'running')`)
	return err
}
