package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// Ledger reads what a night needs to know before it starts.
func (s *Store) Ledger(ctx context.Context) (*audit.Ledger, error) {
	l, _, err := s.ledger(ctx)
	return l, err
}

// ledger also gives, by app, the rows of what is due.
func (s *Store) ledger(ctx context.Context) (l *audit.Ledger, due map[string][]int64, err error) {
	l = &audit.Ledger{Purged: audit.StateDay}
	err = s.read(ctx, "read the ledger", func(t *tx) (err error) {
		for _, part := range []func(context.Context, *audit.Ledger) error{t.last, t.numbers, t.rules, t.files, t.newest, t.incidents, t.index, t.canaries, t.pending} {
			if err := part(ctx, l); err != nil {
				return err
			}
		}
		if l.Forgotten, err = t.forgotten(ctx, s.archiveKey); err != nil {
			return err
		}
		due, err = t.due(ctx, l)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return l, due, nil
}

func (t *tx) last(ctx context.Context, l *audit.Ledger) error {
	list, err := t.runs(ctx, selectRuns+` WHERE status = 'finished' ORDER BY seq DESC LIMIT 1`)
	if len(list) > 0 {
		l.Last = &list[0]
	}
	return err
}

func (t *tx) numbers(ctx context.Context, l *audit.Ledger) error {
	values, err := t.meta(ctx)
	if err != nil {
		return err
	}
	purged := int(audit.StateDay)
	for name, n := range map[string]*int{metaPurged: &purged, metaRegistry: &l.Registry} {
		if v, ok := values[name]; ok {
			if *n, err = strconv.Atoi(v); err != nil {
				return fmt.Errorf("meta %s: %w: %w", name, err, ErrDamaged)
			}
		}
	}
	l.Purged = audit.Day(purged)
	return nil
}

func (t *tx) rules(ctx context.Context, l *audit.Ledger) error {
	var found []struct {
		From  audit.Instant `db:"from_at"`
		Rules string        `db:"rules"`
	}
	if err := t.all(ctx, &found, `SELECT from_at, rules FROM rules ORDER BY from_at, run`); err != nil {
		return err
	}
	for _, r := range found {
		// What a policy of an older version did not know yet is as published.
		rules := audit.RulesFrom{From: r.From, Rules: audit.Rules{Policy: audit.DefaultPolicy()}}
		if err := unpackJSON(r.Rules, &rules.Rules); err != nil {
			return fmt.Errorf("the rules from %s: %w", r.From, err)
		}
		l.Rules = append(l.Rules, rules)
	}
	return nil
}

// fileRow is a file as the database holds it.
type fileRow struct {
	ID     uint32     `db:"id"`
	Kind   audit.Kind `db:"kind"`
	Path   text       `db:"path"`
	State  []byte     `db:"state"`
	Broken bool       `db:"broken"`
}

func (t *tx) files(ctx context.Context, l *audit.Ledger) error {
	var found []fileRow
	if err := t.all(ctx, &found, `SELECT id, kind, path, state, broken FROM files ORDER BY id`); err != nil {
		return err
	}
	for _, f := range found {
		l.Files = append(l.Files, audit.File{ID: f.ID, Kind: f.Kind, Path: string(f.Path), State: f.State, Broken: f.Broken})
	}
	return nil
}

func (t *tx) newest(ctx context.Context, l *audit.Ledger) error {
	var found []struct {
		Kind   audit.Kind    `db:"kind"`
		Path   text          `db:"path"`
		At     audit.Instant `db:"at"`
		Future string        `db:"future"`
	}
	if err := t.all(ctx, &found, `SELECT kind, path, at, future FROM newest ORDER BY kind, path`); err != nil {
		return err
	}
	for _, r := range found {
		n := audit.Newest{Kind: r.Kind, Path: string(r.Path), At: r.At}
		if err := unpackJSON(r.Future, &n.Future); err != nil {
			return fmt.Errorf("the newest records of %s %s: %w", n.Kind, n.Path, err)
		}
		l.Newest = append(l.Newest, n)
	}
	return nil
}

func (t *tx) incidents(ctx context.Context, l *audit.Ledger) error {
	var found []struct {
		API  text          `db:"api"`
		From audit.Instant `db:"from_at"`
		To   audit.Instant `db:"to_at"`
		source
	}
	if err := t.all(ctx, &found, `SELECT api, from_at, to_at, file_id, line FROM incidents ORDER BY from_at, to_at, api`); err != nil {
		return err
	}
	for _, r := range found {
		l.Incidents = append(l.Incidents, audit.Incident{API: string(r.API), From: r.From, To: r.To, Source: r.source.of()})
	}
	return nil
}

// source is where a fact was read from, as the database holds it.
type source struct {
	File uint32 `db:"file_id"`
	Line int64  `db:"line"`
}

func (s source) of() audit.Source { return audit.Source{File: s.File, Line: uint64(s.Line)} }

func (t *tx) index(ctx context.Context, l *audit.Ledger) error {
	var found []struct {
		Key      text          `db:"app_key"`
		Listed   bool          `db:"listed"`
		Entry    string        `db:"entry"`
		Blind    bool          `db:"blind"`
		StatesAt audit.Instant `db:"states_at"`
	}
	if err := t.all(ctx, &found, `SELECT app_key, coalesce(listed, false) AS listed, coalesce(entry, '') AS entry, blind, states_at FROM apps ORDER BY app_key`); err != nil {
		return err
	}
	for _, r := range found {
		l.Apps = append(l.Apps, audit.AppIndex{Key: string(r.Key), Listed: r.Listed, Blind: r.Blind, StatesAt: r.StatesAt, Entry: r.Entry})
	}
	return nil
}

func (t *tx) due(ctx context.Context, l *audit.Ledger) (map[string][]int64, error) {
	var found []struct {
		ID     int64     `db:"id"`
		App    text      `db:"app_key"`
		Day    audit.Day `db:"day"`
		Checks string    `db:"checks"`
		Since  int64     `db:"since"`
	}
	if err := t.all(ctx, &found, `SELECT id, app_key, day, checks, since FROM due ORDER BY app_key, day, since, checks`); err != nil {
		return nil, err
	}
	rows := map[string][]int64{}
	for _, r := range found {
		rows[string(r.App)] = append(rows[string(r.App)], r.ID)
		l.Due = append(l.Due, audit.Due{App: string(r.App), Day: r.Day, Checks: strings.Split(r.Checks, ","), Since: r.Since})
	}
	return rows, nil
}

// Paths gives the paths of files, for showing where evidence comes from. A number that no file has is left out.
func (s *Store) Paths(ctx context.Context, ids []uint32) (map[uint32]string, error) {
	paths := map[uint32]string{}
	err := s.read(ctx, "read the names of files", func(t *tx) error {
		return chunks(ids, func(ids []uint32) error {
			var found []fileRow
			if err := t.all(ctx, &found, `SELECT id, path FROM files WHERE id IN (?)`, ids); err != nil {
				return err
			}
			for _, f := range found {
				paths[f.ID] = string(f.Path)
			}
			return nil
		})
	})
	return paths, err
}

// EvidencePaths gives the paths of the files that the evidence of findings comes from.
func (s *Store) EvidencePaths(ctx context.Context, list []audit.Finding) (map[uint32]string, error) {
	ids := map[uint32]bool{}
	for i := range list {
		for _, e := range list[i].Evidence {
			ids[e.Source.File] = true
		}
	}
	return s.Paths(ctx, slices.Collect(maps.Keys(ids)))
}
