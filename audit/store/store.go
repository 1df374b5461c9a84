// Package store keeps what mailreeve knows beside the packed facts: runs, registry, headers, contributions, findings, the trail, the outbox.
// It is a SQLite file or a Postgres database behind one set of methods.
//
// # Who writes when
//
// Whoever runs a night takes the [Lease] that [Store.Lock] gives, and sees the store as a [Night]: it begins a run with [Night.Begin], stages
// quarantined lines while it reads, and makes all that it found visible in the one transaction of [Night.Publish], or gives up with [Store.Fail].
// People change single findings with [Store.Change] at any time, also while a night runs; Publish refuses with a [ChangedError] to overwrite what a
// person changed meanwhile. Readers see whole nights only, and each method reads one moment of the store.
//
// # Errors
//
// Every error says what was tried and what can be done; [errors.Is] tells the kinds listed here apart.
package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// The kinds of trouble that a caller may want to treat on its own.
var (
	ErrLocked     = errors.New("another night is running")
	ErrFenced     = errors.New("this run lost its lock and may no longer publish")
	ErrAlreadyRun = errors.New("the night of that time, or a later one, has been run")
	ErrNotFound   = errors.New("not found")
	ErrAmbiguous  = errors.New("more than one finding begins so")
	ErrNewer      = errors.New("the store has a newer schema than this mailreeve knows")
	ErrOlder      = errors.New("the store has an older schema than this mailreeve's")
	ErrReadOnly   = errors.New("the store cannot be written")
	ErrBusy       = errors.New("the store is locked by another program")
	ErrDamaged    = errors.New("the store is damaged")
)

// A Store is an open store. Its methods may be called from several goroutines at once.
type Store struct {
	d          dialect
	writer     *sqlx.DB
	reader     *sqlx.DB
	id         string
	archiveKey []byte
	patience   time.Duration // for how long a write is tried again while others keep the database from it
}

// Open opens the store at url, creates it where there is none, and brings its schema up to date. url is sqlite://PATH, with a relative or absolute
// path, or a postgres:// URL as libpq reads it, with the password from PGPASSWORD or the password file. Errors: [ErrNewer], [ErrReadOnly], [ErrBusy],
// [ErrDamaged].
func Open(ctx context.Context, url string) (*Store, error) {
	s, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	if _, err = s.migrate(ctx); err == nil {
		err = s.identify(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func connect(ctx context.Context, url string) (*Store, error) {
	d, err := dialectOf(url)
	if err != nil {
		return nil, err
	}
	s := &Store{d: d, patience: 30 * time.Second}
	if s.writer, s.reader, err = d.open(ctx); err != nil {
		return nil, fmt.Errorf("open the store %s: %w", d, d.explain(err))
	}
	return s, nil
}

func dialectOf(url string) (dialect, error) {
	switch {
	case strings.HasPrefix(url, "sqlite://"):
		return newSQLite(strings.TrimPrefix(url, "sqlite://"))
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return newPostgres(url)
	}
	return nil, fmt.Errorf("store %q: write sqlite://PATH or postgres://USER@HOST/DATABASE", url)
}

// Close closes the store's connections. A lease that is still held is lost.
func (s *Store) Close() error {
	err := s.writer.Close()
	if s.reader != s.writer {
		err = errors.Join(err, s.reader.Close())
	}
	return err
}

// ID is the store's own random id, by which an archive knows to which store it belongs.
func (s *Store) ID() string { return s.id }

// ArchiveKey is the store's random key of 32 bytes, for the hashes of facts. It is never to be printed.
func (s *Store) ArchiveKey() []byte { return s.archiveKey }

// String names the store without its secrets.
func (s *Store) String() string { return s.d.String() }

// identify reads the store's id and key, and makes them in a new store.
func (s *Store) identify(ctx context.Context) error {
	values, err := s.meta(ctx)
	if err != nil {
		return err
	}
	if values[metaTrail] == "" { // the last that is written
		err := s.write(ctx, "name the new store", func(t *tx) error {
			for _, m := range [][2]string{{metaID, hex.EncodeToString(random(16))}, {metaKey, hex.EncodeToString(random(32))}, {metaFence, "0"}, {metaTrail, "lock"}} {
				if _, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, m[0], m[1]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if values, err = s.meta(ctx); err != nil {
			return err
		}
	}
	return s.known(values)
}

// known takes the store's id and key from its description.
func (s *Store) known(values map[string]string) (err error) {
	s.id = values[metaID]
	if s.archiveKey, err = hex.DecodeString(values[metaKey]); err != nil || len(s.archiveKey) != 32 || s.id == "" {
		return fmt.Errorf("the store %s has lost its id or key (table meta): restore it from a backup: %w", s, ErrDamaged)
	}
	return nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// The rows of meta.
const (
	metaID       = "store_id"
	metaKey      = "archive_key"
	metaFence    = "fence"
	metaTrail    = "trail" // the row that is locked while entries are appended
	metaPurged   = "purged"
	metaRegistry = "registry"
	metaArchive  = "archive" // id of the one that the last night published into
)

func (s *Store) meta(ctx context.Context) (map[string]string, error) {
	var values map[string]string
	err := s.read(ctx, "read the store's description", func(t *tx) (err error) {
		values, err = t.meta(ctx)
		return err
	})
	return values, err
}

func (t *tx) meta(ctx context.Context) (map[string]string, error) {
	var rows []struct{ Name, Value string }
	if err := t.all(ctx, &rows, `SELECT name, value FROM meta`); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, r := range rows {
		values[r.Name] = r.Value
	}
	return values, nil
}
