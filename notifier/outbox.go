package notifier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// A Sink gives messages to their receivers. It is called for several messages at a time, those of one lane one after another.
type Sink interface {
	// Deliver gives msg to its receiver and returns what that answered. An error that is a *Failure tells what to do; any other is taken to pass.
	//
	// It may be called again with a message that was given already: the answer was lost, the process was killed before it could note it, or the store was away. msg.Attempts is above 0
	// then, for it counts every attempt that was ever begun. A Sink whose receiver can be asked looks up the message's key there first, and returns the receipt of what it finds
	// instead of sending again; one whose receiver can tell copies apart sends it under the same id. Both need the key to go with the message.
	Deliver(ctx context.Context, msg audit.Message) (receipt string, err error)
}

// A Failure is a failed delivery of which it is known what to do about it.
type Failure struct {
	Err        error
	Final      bool          // it will not pass by itself
	RetryAfter time.Duration // the receiver asked to be left alone that long; 0: it did not
	Everyone   bool          // it asked that for all the sink's receivers, as where they are of one account
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// A Store keeps the outbox. Each method is a transaction of its own. What its implementation promises is told there: audit/store.
type Store interface {
	Lanes(ctx context.Context) ([]audit.Lane, error)
	Take(ctx context.Context, sink, lane, holder string, now, until audit.Instant) (*audit.Claim, error)
	Hold(ctx context.Context, c *audit.Claim, until audit.Instant) (held bool, err error)
	Delivered(ctx context.Context, c *audit.Claim, receipt string, at, next audit.Instant) error
	Missed(ctx context.Context, c *audit.Claim, m audit.Miss) error
	Free(ctx context.Context, c *audit.Claim, next audit.Instant) error
}

// The times that an Outbox keeps.
const (
	Pace       = time.Second     // between two messages of a lane
	MaxBackoff = 5 * time.Minute // between two attempts, unless the receiver asks for more
	FinalPause = time.Minute     // before a failure that will not pass by itself is tried again: somebody may have mended it; it doubles
	MaxPause   = time.Hour       // up to this
	Timeout    = 30 * time.Second
	Lease      = 15 * time.Second // after which a lane is another's, if its holder gives no sign of life

	maxRetryAfter = 24 * time.Hour
	recording     = 10 * time.Second // for what is to be noted, also by a process that is told to end
)

// An Outbox delivers what waits in a store. Its fields are not changed once it is used.
type Outbox struct {
	Store Store
	Sinks map[string]Sink                                    // by audit.Message.Sink
	Clock audit.Clock                                        // the same, within seconds, for all who deliver from the store; nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) error   // nil: by the machine's clock
	Log   func(msg audit.Message, receipt string, err error) // nil; else called after each attempt

	mu       sync.Mutex
	accepted map[int64]acceptance // what was sent and could not be recorded yet
}

type acceptance struct {
	claim   *audit.Claim
	receipt string
	at      audit.Instant
}

// Flush sends what is due, and goes on until nothing is left that could be sent within patience. What is left stays in the store for whoever flushes next.
// It returns how many messages that is, and an error only where the store fails or ctx is done.
//
// A failure that will pass holds back its lane, so that messages stay in order. After one that will not pass by itself, or of a message whose
// sink is not configured, the lane goes on without it. A receiver that asks to be left alone is, on all its sink's lanes.
//
// Any number of Flushes may run at one time, of this Outbox and of others on the same store, in any number of processes: each sends other lanes. A process that dies, or stands still, loses its lane
// after the Lease. A message that was accepted is not sent again by this Outbox, even where the store could not record it.
func (o *Outbox) Flush(ctx context.Context, patience time.Duration) (left int, err error) {
	end := audit.At(o.now().Add(patience))
	for {
		lanes, err := o.Store.Lanes(ctx)
		if err != nil {
			return left, fmt.Errorf("outbox: %w", err)
		}
		left = 0
		for _, l := range lanes {
			left += l.Waiting
		}
		if settled, err := o.settle(ctx); err != nil || settled > 0 {
			if err != nil {
				return left, err
			}
			continue
		}
		l, at := o.soonest(lanes)
		if l == nil || at > end || ctx.Err() != nil {
			return left, ctx.Err()
		}
		if wait := at.Time().Sub(o.now()); wait > 0 {
			held := l.Until == at
			if held { // its holder may be done sooner
				wait = min(wait, Pace)
			}
			if err := o.sleep(ctx, wait); err != nil {
				return left, err
			}
			if held {
				continue
			}
		}
		now := max(audit.At(o.now()), at)
		c, err := o.Store.Take(ctx, l.Sink, l.Name, holder(), now, now.Add(Lease))
		if err != nil {
			return left, fmt.Errorf("outbox: %w", err)
		}
		if c == nil { // another was faster
			continue
		}
		sent, err := o.attempt(ctx, c)
		if sent {
			left--
		}
		if err != nil {
			return left, err
		}
	}
}

// holder is a name that nobody else has, and by which an operator finds the process.
func holder() string {
	host, _ := os.Hostname() // without it the rest will do
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text())
}

// soonest is the lane that may be used next, and when.
func (o *Outbox) soonest(lanes []audit.Lane) (first *audit.Lane, at audit.Instant) {
	at = audit.Never
	for i, l := range lanes {
		if t := max(l.Next, l.Until); t < at && o.Sinks[l.Sink] != nil {
			first, at = &lanes[i], t
		}
	}
	return first, at
}

// attempt tries to deliver c. The error is the store's, or ctx's.
func (o *Outbox) attempt(ctx context.Context, c *audit.Claim) (sent bool, err error) {
	receipt, failure := o.deliver(ctx, c)
	// What a receiver was told has to be recorded, also when ctx is done by then.
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	now := audit.At(o.now())
	switch {
	case failure == nil:
		o.accept(c, receipt, now)
		if _, err := o.settle(record); err != nil {
			return false, err
		}
		return true, ctx.Err()
	case ctx.Err() != nil: // the receiver was not waited for
		err = o.Store.Free(record, c, now.Add(Pace))
	default:
		err = o.Store.Missed(record, c, miss(c.Attempts, now, failure))
	}
	if err != nil {
		return false, fmt.Errorf("outbox: %w", err)
	}
	return false, ctx.Err()
}

// deliver gives c to its sink, and keeps the lane meanwhile. It ends when the lane is lost.
func (o *Outbox) deliver(ctx context.Context, c *audit.Claim) (receipt string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		beat := time.NewTicker(Lease / 3)
		defer beat.Stop()
		for until := o.now().Add(Lease); ; {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
			}
			next := o.now().Add(Lease)
			held, err := o.Store.Hold(ctx, c, audit.At(next))
			switch {
			case err == nil && held:
				until = next
			case err == nil || !o.now().Before(until):
				cancel()
			}
		}
	})
	receipt, err = o.Sinks[c.Sink].Deliver(ctx, c.Message)
	cancel()
	wg.Wait()
	if o.Log != nil {
		o.Log(c.Message, receipt, err)
	}
	return receipt, err
}

// accept remembers that a message arrived until that is recorded.
func (o *Outbox) accept(c *audit.Claim, receipt string, at audit.Instant) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.accepted == nil {
		o.accepted = map[int64]acceptance{}
	}
	o.accepted[c.ID] = acceptance{c, receipt, at}
}

// settle records what was accepted and is not recorded yet.
func (o *Outbox) settle(ctx context.Context) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, a := range o.accepted {
		if err := o.Store.Delivered(ctx, a.claim, a.receipt, a.at, a.at.Add(Pace)); err != nil {
			return n, fmt.Errorf("outbox: message %d was sent, and that could not be recorded: %w", id, err)
		}
		delete(o.accepted, id)
		n++
	}
	return n, nil
}

// miss says what to do after an attempt that failed at a time, after so many others.
func miss(attempts int, now audit.Instant, err error) audit.Miss {
	m := audit.Miss{Error: Shorten(Line(address.Redact(err.Error())), 500), Next: now.Add(Backoff(attempts)), Lane: now.Add(Pace), Sink: audit.Ever}
	var f *Failure
	if !errors.As(err, &f) {
		return m
	}
	if m.Final = f.Final; m.Final {
		m.Next = now.Add(min(FinalPause<<min(attempts, 10), MaxPause))
	}
	if f.RetryAfter > 0 {
		until := now.Add(min(f.RetryAfter, maxRetryAfter))
		m.Next, m.Lane = max(m.Next, until), max(m.Lane, until)
		if f.Everyone {
			m.Sink = until
		}
	}
	return m
}

// Backoff is how long to wait after an attempt that came after so many others: from 1 second doubling to MaxBackoff, less up to a half by chance.
func Backoff(attempts int) time.Duration {
	d := MaxBackoff
	if attempts < 9 {
		d = min(d, Pace<<attempts)
	}
	return d - mathrand.N(d/2)
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
