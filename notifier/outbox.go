package notifier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A Sink gives messages to their receivers.
type Sink interface {
	// Deliver gives msg to its receiver and returns what that answered. It may be called again with a message whose delivery failed, or whose
	// answer was lost: msg.Attempts is above 0 then. An error that is a *Failure tells what to do; any other is taken to pass.
	Deliver(ctx context.Context, msg audit.Message) (receipt string, err error)
}

// A Failure is a failed delivery of which it is known what to do about it.
type Failure struct {
	Err        error
	Final      bool          // it will not pass by itself
	RetryAfter time.Duration // the receiver asked to be left alone that long; 0: it did not
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// A Store keeps the outbox. Each method is a transaction of its own.
type Store interface {
	// Pending gives every message that is not sent, by ID, also those whose NextAt has not come: they hold back the later ones of their lane.
	// It may leave out those that a person gave up.
	Pending(ctx context.Context, now audit.Instant) ([]audit.Message, error)

	// Delivered records that the message was sent, so that Pending no longer gives it.
	Delivered(ctx context.Context, id int64, receipt string, at audit.Instant) error

	// Postponed records a failed attempt: one more, why, and when to try again.
	Postponed(ctx context.Context, id int64, errText string, next audit.Instant) error
}

// The times that an Outbox keeps.
const (
	Pace       = time.Second     // between two messages of a lane
	MaxBackoff = 5 * time.Minute // between two attempts, unless the receiver asks for more
	FinalPause = time.Minute     // before a failure that will not pass by itself is tried again: somebody may have mended it
	Timeout    = 30 * time.Second

	maxRetryAfter = 24 * time.Hour
)

// An Outbox delivers what waits in a store. Its fields are not changed once it is used.
type Outbox struct {
	Store Store
	Sinks map[string]Sink                                    // by audit.Message.Sink
	Clock audit.Clock                                        // nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) error   // nil: by the machine's clock
	Log   func(msg audit.Message, receipt string, err error) // nil; else called after each attempt

	mu       sync.Mutex
	accepted map[int64]acceptance // what was sent and could not be recorded yet
	failed   map[int64]bool       // what failed finally: it does not hold back its lane
	idle     map[lane]time.Time   // when a lane may be used again
}

type acceptance struct {
	receipt string
	at      audit.Instant
}

// A lane is what is delivered in order. Without a receiver it stands for the whole sink.
type lane struct{ sink, receiver string }

// Flush sends what is due, and goes on until nothing is left that could be sent within patience. What is left stays in the store for the next Flush.
// It returns how many messages that is, and an error only where the store fails or ctx is done.
//
// A failure that will pass holds back its lane, so that messages stay in order. After one that will not pass by itself, or of a message whose
// sink is not configured, the lane goes on without it. A receiver that asks to be left alone is, on all its sink's lanes.
//
// A message that was accepted is not sent again by this Outbox, even where the store could not record it. Only one Flush of an Outbox runs at a
// time; two Outboxes on one store are for the caller to keep apart.
func (o *Outbox) Flush(ctx context.Context, patience time.Duration) (left int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.accepted == nil {
		o.accepted, o.failed, o.idle = map[int64]acceptance{}, map[int64]bool{}, map[lane]time.Time{}
	}
	now := o.now()
	end := now.Add(patience)
	pending, err := o.Store.Pending(ctx, audit.At(now))
	if err != nil {
		return 0, fmt.Errorf("outbox: %w", err)
	}
	left = len(pending)
	queues := o.queues(pending)
	for tried := false; ; tried = true {
		l, at, ok := o.next(queues)
		if !ok || at.After(end) && (tried || at.After(o.now())) {
			return left, ctx.Err()
		}
		if err := o.sleep(ctx, at.Sub(o.now())); err != nil {
			return left, err
		}
		sent, next, err := o.attempt(ctx, l, &queues[l][0])
		if err != nil {
			return left, err
		}
		if sent {
			left--
		}
		if sent || next {
			queues[l] = queues[l][1:]
		}
	}
}

// queues sorts messages into lanes. Those without a sink wait in none.
func (o *Outbox) queues(pending []audit.Message) map[lane][]audit.Message {
	queues := map[lane][]audit.Message{}
	now := audit.At(o.now())
	for _, m := range pending {
		if o.failed[m.ID] && m.NextAt > now {
			continue
		}
		if o.Sinks[m.Sink] != nil {
			l := lane{m.Sink, m.Lane}
			queues[l] = append(queues[l], m)
		}
	}
	return queues
}

// next is the lane whose first message may go soonest, and when; of equals the one whose message is oldest.
func (o *Outbox) next(queues map[lane][]audit.Message) (first lane, at time.Time, ok bool) {
	now := o.now()
	for l, q := range queues {
		q = slices.DeleteFunc(q, func(m audit.Message) bool { return m.NextAt == audit.Never })
		queues[l] = q
		if len(q) == 0 {
			continue
		}
		t := now
		for _, wait := range []time.Time{o.idle[l], o.idle[lane{sink: l.sink}], q[0].NextAt.Time()} {
			if wait.After(t) {
				t = wait
			}
		}
		if !ok || t.Before(at) || t.Equal(at) && q[0].ID < queues[first][0].ID {
			first, at, ok = l, t, true
		}
	}
	return first, at, ok
}

// attempt tries to deliver m. next says to go on without it; err is the store's, or ctx's.
func (o *Outbox) attempt(ctx context.Context, l lane, m *audit.Message) (sent, next bool, err error) {
	// What a receiver was told has to be recorded, also when ctx is done by then.
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*Timeout)
	defer cancel()

	a, known := o.accepted[m.ID]
	if !known {
		try, cancel := context.WithTimeout(ctx, Timeout)
		receipt, err := o.Sinks[m.Sink].Deliver(try, *m)
		cancel()
		now := o.now()
		o.idle[l] = now.Add(Pace)
		if o.Log != nil {
			o.Log(*m, receipt, err)
		}
		if err != nil {
			wait, final := o.wait(m.Attempts, l, err)
			if final {
				o.failed[m.ID] = true
			}
			m.Attempts++
			m.Error = Shorten(Line(err.Error()), 500)
			m.NextAt = audit.At(now.Add(wait))
			if err := o.Store.Postponed(record, m.ID, m.Error, m.NextAt); err != nil {
				return false, false, fmt.Errorf("outbox: %w", err)
			}
			return false, final, ctx.Err()
		}
		a = acceptance{receipt, audit.At(now)}
		o.accepted[m.ID] = a
	}
	if err := o.Store.Delivered(record, m.ID, a.receipt, a.at); err != nil {
		return false, false, fmt.Errorf("outbox: message %d was sent, and that could not be recorded: %w", m.ID, err)
	}
	delete(o.accepted, m.ID)
	return true, false, nil
}

// wait says how long to wait after a failed attempt, and whether the failure is final.
func (o *Outbox) wait(attempts int, l lane, err error) (wait time.Duration, final bool) {
	var f *Failure
	if errors.As(err, &f) && f.Final {
		return FinalPause, true
	}
	wait = Backoff(attempts)
	if f != nil && f.RetryAfter > 0 {
		wait = max(wait, min(f.RetryAfter, maxRetryAfter))
		o.idle[lane{sink: l.sink}] = o.now().Add(wait)
	}
	return wait, false
}

// Backoff is how long to wait after an attempt that came after so many others: from 1 second doubling to MaxBackoff, less up to a half by chance.
func Backoff(attempts int) time.Duration {
	d := MaxBackoff
	if attempts < 9 {
		d = min(d, Pace<<attempts)
	}
	return d - rand.N(d/2)
}

func (o *Outbox) now() time.Time {
	if o.Clock != nil {
		return o.Clock()
	}
	return time.Now()
}

func (o *Outbox) sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	if o.Sleep != nil {
		return o.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
