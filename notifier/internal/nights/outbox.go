package nights

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A Clock stands still but for Sleep.
type Clock struct {
	mu  sync.Mutex
	now time.Duration
}

// Now is the time: 2026-11-22 at first.
func (c *Clock) Now() time.Time {
	return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).Add(c.Since())
}

// Since is how far the clock went.
func (c *Clock) Since() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep sets the clock forward.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
	return ctx.Err()
}

// A Store keeps an outbox in memory. Message n is row n-1.
type Store struct {
	Rows   []audit.Message
	Fail   error       // what recording answers
	Hiccup func() bool // whether recording fails this time
}

// Put adds messages.
func (s *Store) Put(ms ...audit.Message) { s.Rows = append(s.Rows, ms...) }

// Pending is notifier.Store's.
func (s *Store) Pending(context.Context, audit.Instant) ([]audit.Message, error) {
	var out []audit.Message
	for _, m := range s.Rows {
		if m.SentAt == audit.Never {
			out = append(out, m)
		}
	}
	return out, nil
}

func (s *Store) fails() error {
	if s.Hiccup != nil && s.Hiccup() {
		return errors.New("hiccup")
	}
	return s.Fail
}

// Delivered is notifier.Store's.
func (s *Store) Delivered(_ context.Context, id int64, receipt string, at audit.Instant) error {
	if err := s.fails(); err != nil {
		return err
	}
	m := &s.Rows[id-1]
	m.SentAt, m.Receipt, m.Error = at, receipt, ""
	return nil
}

// Postponed is notifier.Store's.
func (s *Store) Postponed(_ context.Context, id int64, errText string, next audit.Instant) error {
	if err := s.fails(); err != nil {
		return err
	}
	m := &s.Rows[id-1]
	m.Attempts++
	m.Error, m.NextAt = errText, next
	return nil
}
