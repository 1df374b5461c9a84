package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// Exec does behind the store's back what its methods would not.
func (s *Store) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.writer.ExecContext(ctx, s.writer.Rebind(query), args...)
	return err
}

// PlanOfPending is how the database means to find the observations that wait.
func (s *Store) PlanOfPending(ctx context.Context) (string, error) { return s.plan(ctx, selectPending) }

// PlanOfFinding is how the database means to find a finding by how its id begins.
func (s *Store) PlanOfFinding(ctx context.Context, prefix string) (string, error) {
	if !s.IsSQLite() {
		if err := s.Exec(ctx, `ANALYZE findings`); err != nil {
			return "", err
		}
	}
	return s.plan(ctx, selectByPrefix(), text(prefix), text(prefix+"~"))
}

func (s *Store) plan(ctx context.Context, query string, args ...any) (string, error) {
	explain := "EXPLAIN "
	if s.IsSQLite() {
		explain += "QUERY PLAN "
	}
	var plan strings.Builder
	err := s.read(ctx, "explain", func(t *tx) error {
		rows, err := t.rows(ctx, explain+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			line, err := rows.SliceScan()
			if err != nil {
				return err
			}
			fmt.Fprintln(&plan, line[len(line)-1])
		}
		return rows.Err()
	})
	return plan.String(), err
}

// SetPatience sets for how long writes are tried again.
func (s *Store) SetPatience(d time.Duration) { s.patience = d }

// IsSQLite says which store it is.
func (s *Store) IsSQLite() bool { _, ok := s.d.(*sqliteFile); return ok }

// OpenImpatient opens a SQLite store that waits for others no longer than busy.
func OpenImpatient(ctx context.Context, path string, busy time.Duration) (*Store, error) {
	d, err := newSQLite(path)
	if err != nil {
		return nil, err
	}
	d.busy = busy
	s := &Store{d: d, patience: busy}
	if s.writer, s.reader, err = d.open(ctx); err != nil {
		return nil, s.failed(ctx, "open", err)
	}
	if _, err = s.migrate(ctx); err == nil {
		err = s.identify(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// PackNumbers and UnpackNumbers are the encoding of occurrences.
var (
	PackNumbers   = packNumbers
	UnpackNumbers = unpackNumbers
)

// ReadTotals is the short way of reading totals.
var ReadTotals = readTotals

// Escaped and Unescaped are the way of a text into the database and back.
func Escaped(s string) (string, error) {
	v, err := text(s).Value()
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

func Unescaped(s string) (string, error) {
	var t text
	err := t.Scan(s)
	return string(t), err
}

// Age lets all signs of life be older by d.
func Age(s *Store, d time.Duration) {
	for _, table := range []string{"parts", "crews"} {
		err := s.write(context.Background(), "age "+table, func(t *tx) error {
			_, err := t.exec(context.Background(), `UPDATE `+table+` SET seen = seen - ?`, d.Milliseconds())
			return err
		})
		if err != nil {
			panic(err)
		}
	}
}

// Fill puts findings and the names of apps and vendors into the store, as nights would have.
func (s *Store) Fill(ctx context.Context, list []audit.Finding) error {
	return s.write(ctx, "fill", func(t *tx) error {
		named := map[string]bool{}
		err := t.d.insert(ctx, t, table{name: "apps", key: []string{"app_key"}, columns: []string{"name", "vendor_id", "vendor_name", "listed", "blind", "states_at"}}, func(add func(...any) error) error {
			for i := range list {
				if f := &list[i]; !named[f.App] {
					named[f.App] = true
					if err := add(text(f.App), text(f.AppName), text("id-"+f.Vendor), text(f.Vendor), true, false, audit.Never); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return t.d.insert(ctx, t, findings(), func(add func(...any) error) error {
			for i := range list {
				values, err := findingValues(&list[i], 1)
				if err != nil {
					return err
				}
				if err := add(values...); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Analyze lets the database count what it holds, as it does by itself after a while.
func (s *Store) Analyze(ctx context.Context) error {
	if s.IsSQLite() {
		return nil
	}
	return s.Exec(ctx, `VACUUM ANALYZE`)
}
