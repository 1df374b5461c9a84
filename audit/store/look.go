package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Look opens the store at url as it is, for whoever wants to know what is wrong with it: it makes none where there is none, and takes no step of the
// schema. [ErrNotFound] where there is no store yet, [ErrOlder] and [ErrNewer] where its schema is not this mailreeve's, and what [Open] gives.
func Look(ctx context.Context, url string) (_ *Store, err error) {
	d, err := dialectOf(url)
	if err != nil {
		return nil, err
	}
	if f, ok := d.(*sqliteFile); ok {
		if _, err := os.Stat(f.path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("store %s: %w", d, ErrNotFound)
		}
	}
	s, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	have, err := s.schema(ctx)
	if err != nil {
		return nil, err
	}
	if have == 0 {
		return nil, fmt.Errorf("store %s has no tables yet: %w", d, ErrNotFound)
	}
	steps, err := s.steps(have)
	if err != nil {
		return nil, err
	}
	if err := s.knows(have, steps); err != nil {
		return nil, err
	}
	if newest := steps[len(steps)-1]; !newest.Applied {
		return nil, fmt.Errorf("store %s: its schema has version %d, this mailreeve's is %d: %w", d, have, newest.Version, ErrOlder)
	}
	values, err := s.meta(ctx)
	if err != nil {
		return nil, err
	}
	return s, s.known(values)
}

// Holder tells who holds the lock of the night; nobody where it is empty.
func (s *Store) Holder(ctx context.Context) (string, error) {
	who, err := s.d.holder(ctx, s)
	return who, s.failed(ctx, "see who holds the lock of the night", err)
}

// Clock is how far the database's clock is ahead of this machine's, give or take how long it takes to ask.
func (s *Store) Clock(ctx context.Context) (ahead time.Duration, err error) {
	ahead, err = s.d.clock(ctx, s)
	return ahead, s.failed(ctx, "ask for the time", err)
}

// Segments gives the segments of the archive that the store's packs lie in, and up to which byte of them.
func (s *Store) Segments(ctx context.Context) (map[string]int64, error) {
	ends := map[string]int64{}
	err := s.read(ctx, "read the names of segments", func(t *tx) error {
		var found []struct {
			Name text  `db:"segment"`
			End  int64 `db:"until"`
		}
		err := t.all(ctx, &found, `SELECT segment, max(place + length) AS until FROM packs GROUP BY segment`)
		for _, r := range found {
			ends[string(r.Name)] = r.End
		}
		return err
	})
	return ends, err
}
