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

// A Store keeps an outbox in memory, for one outbox to use. Message n is row n-1. What it does is what audit/store does; there it is tested.
type Store struct {
	Rows   []audit.Message
	Fail   error       // what recording answers
	Hiccup func() bool // whether recording fails this time

	held, next map[lane]audit.Instant // a sink's own under a lane without a name
}

type lane struct{ sink, name string }

// Put adds messages.
func (s *Store) Put(ms ...audit.Message) { s.Rows = append(s.Rows, ms...) }

// Lanes is notifier.Store's.
func (s *Store) Lanes(context.Context) (list []audit.Lane, err error) {
	at := map[lane]int{}
	for _, m := range s.Rows {
		if m.SentAt != audit.Never {
			continue
		}
		l := lane{m.Sink, m.Lane}
		i, ok := at[l]
		if !ok {
			i = len(list)
			at[l] = i
			list = append(list, audit.Lane{Sink: m.Sink, Name: m.Lane, Next: audit.Never, Until: s.held[l]})
		}
		list[i].Waiting++
	}
	for i := range list {
		l := &list[i]
		for _, m := range s.due(l.Sink, l.Name) {
			l.Next = min(l.Next, m.NextAt)
		}
		l.Next = max(l.Next, s.next[lane{l.Sink, l.Name}], s.next[lane{sink: "/" + l.Sink}])
	}
	return list, nil
}

// due are the first message of a lane that did not fail, and those that did.
func (s *Store) due(sink, name string) (list []*audit.Message) {
	first := true
	for i := range s.Rows {
		m := &s.Rows[i]
		if m.SentAt != audit.Never || m.Sink != sink || m.Lane != name || !m.Failed && !first {
			continue
		}
		first = first && m.Failed
		list = append(list, m)
	}
	return list
}

// Take is notifier.Store's.
func (s *Store) Take(_ context.Context, sink, name, holder string, now, until audit.Instant) (*audit.Claim, error) {
	l := lane{sink, name}
	if max(s.held[l], s.next[l], s.next[lane{sink: "/" + sink}]) > now {
		return nil, nil
	}
	for _, m := range s.due(sink, name) {
		if m.NextAt > now {
			continue
		}
		if s.held == nil {
			s.held, s.next = map[lane]audit.Instant{}, map[lane]audit.Instant{}
		}
		s.held[l] = until
		c := &audit.Claim{Message: *m, Holder: holder}
		m.Attempts++
		return c, nil
	}
	return nil, nil
}

// Hold is notifier.Store's.
func (s *Store) Hold(context.Context, *audit.Claim, audit.Instant) (bool, error) { return true, nil }

func (s *Store) fails() error {
	if s.Hiccup != nil && s.Hiccup() {
		return errors.New("hiccup")
	}
	return s.Fail
}

// Delivered is notifier.Store's.
func (s *Store) Delivered(ctx context.Context, c *audit.Claim, receipt string, at, next audit.Instant) error {
	if err := s.fails(); err != nil {
		return err
	}
	m := &s.Rows[c.ID-1]
	m.SentAt, m.Receipt, m.Error, m.Failed = at, receipt, "", false
	return s.Free(ctx, c, next)
}

// Missed is notifier.Store's.
func (s *Store) Missed(ctx context.Context, c *audit.Claim, x audit.Miss) error {
	if err := s.fails(); err != nil {
		return err
	}
	m := &s.Rows[c.ID-1]
	m.NextAt, m.Error = x.Next, x.Error
	m.Failed = m.Failed || x.Final
	next := x.Lane
	if !m.Failed {
		next = max(next, x.Next)
	}
	whole := lane{sink: "/" + c.Sink}
	s.next[whole] = max(s.next[whole], x.Sink)
	return s.Free(ctx, c, next)
}

// Free is notifier.Store's.
func (s *Store) Free(_ context.Context, c *audit.Claim, next audit.Instant) error {
	l := lane{c.Sink, c.Lane}
	s.held[l], s.next[l] = 0, next
	return nil
}
