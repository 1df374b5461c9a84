package store

import (
	"context"
	"time"
)

// Exec does behind the store's back what its methods would not.
func (s *Store) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.writer.ExecContext(ctx, s.writer.Rebind(query), args...)
	return err
}

// SetPatience sets for how long writes are tried again.
func (s *Store) SetPatience(d time.Duration) { s.patience = d }

// IsSQLite says which store it is.
func (s *Store) IsSQLite() bool { _, ok := s.d.(*sqliteFile); return ok }
