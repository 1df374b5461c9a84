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

// A Store keeps an outbox in memory. Message n is row n-1. What it does is what audit/store does; there it is tested.
type Store struct {
	Rows   []audit.Message
	Fail   error       // what recording answers
	Hiccup func() bool // whether recording fails this time

	mu         sync.Mutex
	holder     map[lane]string
	held, next map[lane]audit.Instant // what a sink's receiver asked for is under the sink's name after a slash
}

type lane struct{ sink, name string }

// Put adds messages.
func (s *Store) Put(ms ...audit.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Rows = append(s.Rows, ms...)
}

// Lanes is notifier.Store's.
func (s *Store) Lanes(context.Context) (list []audit.Lane, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[lane]bool{}
	for _, m := range s.Rows {
		if l := (lane{m.Sink, m.Lane}); m.SentAt == audit.Never && !seen[l] {
			seen[l] = true
			list = append(list, audit.Lane{Sink: m.Sink, Name: m.Lane, Next: audit.Never, Until: s.held[l]})
		}
	}
	for i := range list {
		l := &list[i]
		for _, m := range s.due(l.Sink, l.Name) {
			l.Next = min(l.Next, dueAt(m))
		}
		l.Next = max(l.Next, s.next[lane{l.Sink, l.Name}], s.next[lane{sink: "/" + l.Sink}])
	}
	return list, nil
}

// Waiting is how many messages are not delivered.
func (s *Store) Waiting() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.Rows {
		if m.SentAt == audit.Never {
			n++
		}
	}
	return n
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

// dueAt is when m may be tried. What was not written to be sent later may be at once, whatever the writer's clock says.
func dueAt(m *audit.Message) audit.Instant {
	if !m.Failed && m.NextAt <= m.Created {
		return audit.Ever
	}
	return m.NextAt
}

// Take is notifier.Store's.
func (s *Store) Take(_ context.Context, sink, name, holder string, now, until audit.Instant) (*audit.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := lane{sink, name}
	if max(s.held[l], s.next[l], s.next[lane{sink: "/" + sink}]) > now {
		return nil, nil
	}
	for _, m := range s.due(sink, name) {
		if dueAt(m) > now {
			continue
		}
		if s.held == nil {
			s.holder, s.held, s.next = map[lane]string{}, map[lane]audit.Instant{}, map[lane]audit.Instant{}
		}
		s.holder[l], s.held[l] = holder, until
		c := &audit.Claim{Message: *m, Holder: holder}
		c.Began = now
		m.Attempts, m.Doubt = m.Attempts+1, until
		return c, nil
	}
	return nil, nil
}

// Hold is notifier.Store's.
func (s *Store) Hold(_ context.Context, c *audit.Claim, until audit.Instant) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := lane{c.Sink, c.Lane}
	if s.holder[l] != c.Holder {
		return false, nil
	}
	s.held[l] = until
	return true, nil
}

func (s *Store) fails() error {
	if s.Hiccup != nil && s.Hiccup() {
		return errors.New("hiccup")
	}
	return s.Fail
}

// Delivered is notifier.Store's.
func (s *Store) Delivered(_ context.Context, c *audit.Claim, receipt string, at, next audit.Instant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fails(); err != nil {
		return err
	}
	if m := &s.Rows[c.ID-1]; m.SentAt == audit.Never {
		m.SentAt, m.Receipt, m.Error, m.Failed = at, receipt, "", false
	}
	s.free(c, next)
	return nil
}

// Missed is notifier.Store's.
func (s *Store) Missed(_ context.Context, c *audit.Claim, x audit.Miss) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fails(); err != nil {
		return err
	}
	m, next := &s.Rows[c.ID-1], x.Lane
	if !m.Failed && !x.Final {
		next = max(next, x.Next)
	}
	if !s.free(c, next) {
		return nil
	}
	m.NextAt, m.Error, m.Failed = x.Next, x.Error, m.Failed || x.Final
	if m.Doubt = max(x.At, c.Began); x.Unsent {
		m.Doubt = c.Doubt
	}
	whole := lane{sink: "/" + c.Sink}
	s.next[whole] = max(s.next[whole], x.Sink)
	return nil
}

// Free is notifier.Store's.
func (s *Store) Free(_ context.Context, c *audit.Claim, next audit.Instant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(c, next)
	return nil
}

func (s *Store) free(c *audit.Claim, next audit.Instant) (held bool) {
	l := lane{c.Sink, c.Lane}
	if held = s.holder[l] == c.Holder; held {
		s.holder[l], s.held[l], s.next[l] = "", 0, next
	}
	return held
}
