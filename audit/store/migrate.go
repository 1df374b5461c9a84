package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
)

// A Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied bool
}

// Migrate brings the schema of the store at url up to date and gives the names of the steps that it took.
func Migrate(ctx context.Context, url string) ([]string, error) {
	s, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	applied, err := s.migrate(ctx)
	return applied, errors.Join(err, s.Close())
}

// MigrationStatus lists the steps of the schema and whether the store at url has taken them. It changes nothing. [ErrNewer] where the store has taken
// steps that are not known here.
func MigrationStatus(ctx context.Context, url string) ([]Migration, error) {
	d, err := dialectOf(url)
	if err != nil {
		return nil, err
	}
	if f, ok := d.(*sqliteFile); ok {
		if _, err := os.Stat(f.path); errors.Is(err, os.ErrNotExist) {
			s := &Store{d: d}
			return s.steps(0)
		}
	}
	s, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	have, err := s.schema(ctx)
	if err != nil {
		return nil, err
	}
	steps, err := s.steps(have)
	if err == nil {
		err = s.knows(have, steps)
	}
	return steps, err
}

// provider is goose on the store's own migrations.
func (s *Store) provider() (*goose.Provider, error) {
	dialect, files, options, err := s.d.goose()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, s.writer.DB, files, append(options, goose.WithDisableGlobalRegistry(true))...)
}

// steps lists the known steps; those up to have are applied.
func (s *Store) steps(have int64) ([]Migration, error) {
	_, files, _, err := s.d.goose()
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var steps []Migration
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, Migration{Version: version, Name: name, Applied: version <= have})
	}
	return steps, nil
}

// schema is the version of the store's schema; 0 where it has none.
func (s *Store) schema(ctx context.Context) (version int64, err error) {
	err = s.read(ctx, "read the version of the schema", func(t *tx) error {
		ok, err := s.d.hasTable(ctx, t, goose.DefaultTablename)
		if err != nil || !ok {
			return err
		}
		return t.one(ctx, &version, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`)
	})
	return version, err
}

// Schema is the version of the store's schema, which another program may have changed since it was opened, and the one that is known here.
func (s *Store) Schema(ctx context.Context) (have, known int64, err error) {
	steps, err := s.steps(0)
	if err != nil {
		return 0, 0, err
	}
	have, err = s.schema(ctx)
	return have, steps[len(steps)-1].Version, err
}

func (s *Store) knows(have int64, steps []Migration) error {
	if newest := steps[len(steps)-1].Version; have > newest {
		return fmt.Errorf("store %s: its schema has version %d, this mailreeve knows up to %d: install the mailreeve that wrote it, or a newer one: %w",
			s.d, have, newest, ErrNewer)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) (applied []string, err error) {
	steps, err := s.steps(0)
	if err != nil {
		return nil, err
	}
	pending := func() (bool, error) {
		have, err := s.schema(ctx)
		if err != nil {
			return false, err
		}
		if err := s.knows(have, steps); err != nil || have < steps[len(steps)-1].Version {
			return err == nil, err
		}
		return s.queueIsOld(ctx)
	}
	if still, err := pending(); err != nil || !still {
		return nil, err
	}
	err = s.d.migrating(ctx, s, pending, func() error {
		p, err := s.provider()
		if err != nil {
			return err
		}
		results, err := p.Up(ctx)
		for _, r := range results {
			applied = append(applied, filepath.Base(r.Source.Path))
		}
		if err != nil {
			return err
		}
		return s.migrateQueue(ctx)
	})
	return applied, s.failed(ctx, "bring the schema up to date", err)
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
