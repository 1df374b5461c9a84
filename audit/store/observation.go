package store

import (
	"context"
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// observationRow is an observation as the database holds it.
type observationRow struct {
	App      text          `db:"app_key"`
	Kind     audit.Kind    `db:"kind"`
	ID       []byte        `db:"id"`
	At       audit.Instant `db:"at"`
	Examined bool          `db:"examined"`
	Body     string        `db:"body"`
	source
}

const selectObservations = `SELECT app_key, kind, id, at, examined, body, file_id, line FROM observations`

func (t *tx) observations(ctx context.Context, query string, args ...any) ([]audit.Observation, error) {
	var found []observationRow
	if err := t.all(ctx, &found, query, args...); err != nil {
		return nil, err
	}
	var list []audit.Observation
	for i := range found {
		r := &found[i]
		o := audit.Observation{Kind: r.Kind, At: r.At, App: string(r.App), Source: r.source.of(), Examined: r.Examined}
		if len(r.ID) != len(o.ID) {
			return nil, fmt.Errorf("an observation of app %q at %s has an id of %d bytes: %w", r.App, r.At, len(r.ID), ErrDamaged)
		}
		copy(o.ID[:], r.ID)
		if err := unpackJSON(r.Body, &o); err != nil {
			return nil, fmt.Errorf("an observation of app %q at %s: %w", r.App, r.At, err)
		}
		list = append(list, o)
	}
	return list, nil
}

// Observations gives an app's captures, mails and signals of the days from from to to, by time.
func (s *Store) Observations(ctx context.Context, app string, from, to audit.Day) (list []audit.Observation, err error) {
	err = s.read(ctx, "read the observations of an app", func(t *tx) error {
		list, err = t.observations(ctx, selectObservations+` WHERE app_key = ? AND day BETWEEN ? AND ? ORDER BY at, id`, text(app), from, to)
		return err
	})
	return list, err
}

// ObservedBetween gives the days that have observations after after and up to upTo: those whose time has come since a run at after.
func (s *Store) ObservedBetween(ctx context.Context, after, upTo audit.Instant) (days []audit.ObservedDay, err error) {
	err = s.read(ctx, "read the days of observations", func(t *tx) error {
		var found []struct {
			App  text       `db:"app_key"`
			Kind audit.Kind `db:"kind"`
			Day  audit.Day  `db:"day"`
		}
		err := t.all(ctx, &found, `SELECT DISTINCT app_key, kind, day FROM observations WHERE at > ? AND at <= ? ORDER BY app_key, kind, day`, after, upTo)
		for _, r := range found {
			days = append(days, audit.ObservedDay{App: string(r.App), Kind: r.Kind, Day: r.Day})
		}
		return err
	})
	return days, err
}

// KnownObservations gives those of ids that are kept, and whose files could be looked into as far as was tried.
func (s *Store) KnownObservations(ctx context.Context, ids []audit.ObservationID) (map[audit.ObservationID]bool, error) {
	known := map[audit.ObservationID]bool{}
	list := make([][]byte, len(ids))
	for i := range ids {
		list[i] = ids[i][:]
	}
	err := s.read(ctx, "look for observations", func(t *tx) error {
		return chunks(list, func(list [][]byte) error {
			var found [][]byte
			if err := t.all(ctx, &found, `SELECT id FROM observations WHERE id IN (?) AND NOT trouble`, list); err != nil {
				return err
			}
			for _, p := range found {
				var id audit.ObservationID
				copy(id[:], p)
				known[id] = true
			}
			return nil
		})
	})
	return known, err
}

// selectPending asks for the observations that wait to be looked into, few among all, in condition and order as the index observations_pending has them.
const selectPending = selectObservations + ` WHERE NOT examined ORDER BY app_key, day, kind, id`

func (t *tx) pending(ctx context.Context, l *audit.Ledger) (err error) {
	l.Pending, err = t.observations(ctx, selectPending)
	return err
}

func (t *tx) canaries(ctx context.Context, l *audit.Ledger) error {
	var found []struct {
		Account   text          `db:"account_id"`
		App       text          `db:"app_key"`
		Mailed    bool          `db:"mailed"`
		Retrieved audit.Instant `db:"retrieved_at"`
	}
	if err := t.all(ctx, &found, `SELECT account_id, app_key, mailed, retrieved_at FROM canaries ORDER BY account_id, app_key`); err != nil {
		return err
	}
	for _, r := range found {
		l.Canaries = append(l.Canaries, audit.Canary{Account: string(r.Account), App: string(r.App), Mailed: r.Mailed, Retrieved: r.Retrieved})
	}
	return nil
}

func (w *publishing) observations(ctx context.Context) error {
	into := table{name: "observations", key: []string{"app_key", "day", "kind", "id"}, columns: []string{"at", "examined", "trouble", "body", "file_id", "line", "run"}}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Observations {
				o := &w.p.Apps[i].Observations[j]
				body, err := packJSON(o)
				if err != nil {
					return err
				}
				if err := add(text(w.p.Apps[i].Key), o.At.Day(), o.Kind, o.ID[:], o.At, o.Examined, o.Trouble != "", body,
					o.Source.File, int64(o.Source.Line), w.p.Run.Seq); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) canaries(ctx context.Context) error {
	into := table{name: "canaries", key: []string{"account_id", "app_key"}, columns: []string{"mailed", "retrieved_at"}}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Canaries {
			c := &w.p.Canaries[i]
			if err := add(text(c.Account), text(c.App), c.Mailed, c.Retrieved); err != nil {
				return err
			}
		}
		return nil
	})
}
