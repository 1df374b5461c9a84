package store

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
)

// Queue is the database in which the job queue has its tables; nil where a store has none: on SQLite one process does everything.
func (s *Store) Queue() *sql.DB {
	if _, ok := s.d.(*postgres); ok {
		return s.writer.DB
	}
	return nil
}

// queue is the job queue's own migrations.
func (s *Store) queue() (*rivermigrate.Migrator[*sql.Tx], error) {
	return rivermigrate.New(riverdatabasesql.New(s.writer.DB), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
}

// queueIsOld says whether the job queue's tables are not there, or of an older version.
func (s *Store) queueIsOld(ctx context.Context) (bool, error) {
	if s.Queue() == nil {
		return false, nil
	}
	m, err := s.queue()
	if err != nil {
		return false, err
	}
	have, err := m.ExistingVersions(ctx)
	return len(have) < len(m.AllVersions()), err
}

// migrateQueue brings the job queue's tables up to date. It runs under the lock of the store's own migrations, in one transaction.
func (s *Store) migrateQueue(ctx context.Context) error {
	old, err := s.queueIsOld(ctx)
	if err != nil || !old {
		return err
	}
	m, err := s.queue()
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}
