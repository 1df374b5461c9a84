package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// A hold is the night's lock as the database gives it.
type hold interface {
	alive(ctx context.Context) error
	release() error
}

// A Lease is the lock of the night. It ends with Release, with its holder's process and, on Postgres, with the connection that holds it.
type Lease struct {
	// Fence grows with every lease. What an older one would still publish is refused.
	Fence int64

	hold hold
	once sync.Once
	gone error
}

// Lock takes the lock of the night. Where another holds it, it waits, if it is patient, or gives [ErrLocked].
func (s *Store) Lock(ctx context.Context, patient bool) (*Lease, error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) { // to ask costs Postgres a session
		h, err := s.d.tryLock(ctx, s)
		if err != nil {
			return nil, s.failed(ctx, "take the lock of the night", err)
		}
		if h != nil {
			l := &Lease{hold: h}
			if l.Fence, err = s.nextFence(ctx); err != nil {
				return nil, errors.Join(err, l.Release())
			}
			return l, nil
		}
		if !patient {
			return nil, s.failed(ctx, "take the lock of the night", ErrLocked)
		}
		if err := pause(ctx, wait); err != nil {
			return nil, s.failed(ctx, "wait for the lock of the night", err)
		}
	}
}

// Release gives the lock back. It may be called more than once.
func (l *Lease) Release() error {
	l.once.Do(func() { l.gone = l.hold.release() })
	return l.gone
}

func (s *Store) nextFence(ctx context.Context) (fence int64, err error) {
	err = s.write(ctx, "take the next fencing number", func(t *tx) error {
		var value string
		err := t.one(ctx, &value, `UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = ? RETURNING value`, metaFence)
		if err != nil {
			return err
		}
		fence, err = strconv.ParseInt(value, 10, 64)
		return err
	})
	return fence, err
}

// fenced runs f in a transaction in which no newer lease than l can begin.
func (s *Store) fenced(ctx context.Context, what string, l *Lease, f func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return s.failed(ctx, what, err)
	}
	if err := l.hold.alive(ctx); err != nil {
		return s.failed(ctx, what, fmt.Errorf("%w: the connection that held it is gone (%w): run again", ErrFenced, err))
	}
	return s.write(ctx, what, func(t *tx) error {
		var value string
		if err := t.one(ctx, &value, `SELECT value FROM meta WHERE name = ?`+t.d.forUpdate(), metaFence); err != nil {
			return err
		}
		if value != strconv.FormatInt(l.Fence, 10) {
			return fmt.Errorf("%w: it held number %d, and %s was given out since: run again", ErrFenced, l.Fence, value)
		}
		return f(t)
	})
}
