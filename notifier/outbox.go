package notifier

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"os"
	"slices"
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

// A Paced Sink wants a pause between two messages to one receiver, from all processes together: its receivers allow no more, or nobody could read them. Others get theirs as fast as they take them.
type Paced interface {
	Sink
	Pace() time.Duration
}

// A Failure is a failed delivery of which it is known what to do about it.
type Failure struct {
	Err        error
	Final      bool          // it will not pass by itself
	RetryAfter time.Duration // the receiver asked to be left alone that long; 0: it did not
	Everyone   bool          // it asked that for all the sink's receivers, as where they are of one account
}

// Unsent marks the failure of an attempt that surely did not arrive: nothing was given to the receiver, or that refused it.
func Unsent(err error) error { return unsent{err} }

type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// Unreached says whether err is that no connection was made, over which anything could have arrived.
func Unreached(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// Final is a failure that will not pass by itself.
func Final(err error) error { return &Failure{Err: err, Final: true} }

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
	FirstBackoff = time.Second     // before the second attempt; it doubles. A lane rests as long after any attempt that failed
	MaxBackoff   = 5 * time.Minute // between two attempts, unless the receiver asks for more
	FinalPause   = time.Minute     // before a failure that will not pass by itself is tried again: somebody may have mended it; it doubles
	MaxPause     = time.Hour       // up to this
	Timeout      = 30 * time.Second
	Lease        = 15 * time.Second       // after which a lane is another's, if its holder gives no sign of life
	LastWords    = 500 * time.Millisecond // for what is to be noted, in a process that is told to end

	maxRetryAfter = 24 * time.Hour
	recording     = 10 * time.Second // for what is to be noted
	fresh         = time.Second      // how long a list of what is due is gone through
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
	list     []audit.Lane         // that are due, and that nobody has gone to yet
	listed   time.Time
}

type acceptance struct {
	claim   *audit.Claim
	receipt string
	at      audit.Instant
}

// Flush sends what is due, and goes on until nothing is left that could be sent within patience. What is left stays in the store for whoever flushes next.
// The error is the store's, or ctx's.
//
// A failure that will pass holds back its lane, so that messages stay in order. After one that will not pass by itself, or of a message whose
// sink is not configured, the lane goes on without it. A receiver that asks to be left alone is, on all its sink's lanes.
//
// Any number of Flushes may run at one time, of this Outbox and of others on the same store, in any number of processes: each sends other lanes. A process that dies, or stands still, loses its lane
// after the Lease. A message that was accepted is not sent again by this Outbox, even where the store could not record it.
func (o *Outbox) Flush(ctx context.Context, patience time.Duration) error {
	end := audit.At(o.now().Add(patience))
	for ctx.Err() == nil {
		if err := o.settle(ctx); err != nil {
			return err
		}
		l, at, err := o.next(ctx)
		if err != nil || at > end {
			return err
		}
		if wait := at.Time().Sub(o.now()); wait > 0 {
			held := l.Until == at
			if held { // its holder may be done sooner
				wait = min(wait, fresh)
			}
			if err := o.sleep(ctx, wait); err != nil {
				return err
			}
			if held {
				continue
			}
		}
		c, until, err := o.take(ctx, l)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		if c == nil { // another was faster
			continue
		}
		if err := o.attempt(ctx, c, until); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// next is the lane to go to next, and when; Never: there is none. Each that is due is given to one caller.
func (o *Outbox) next(ctx context.Context) (l audit.Lane, at audit.Instant, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if len(o.list) == 0 || now.Sub(o.listed) >= fresh {
		o.list = nil
		lanes, err := o.Store.Lanes(ctx)
		if err != nil {
			return l, at, fmt.Errorf("outbox: %w", err)
		}
		lanes = slices.DeleteFunc(lanes, func(l audit.Lane) bool { return o.Sinks[l.Sink] == nil })
		slices.SortStableFunc(lanes, func(a, b audit.Lane) int { return cmp.Compare(a.Due(), b.Due()) })
		due, _ := slices.BinarySearchFunc(lanes, audit.At(now)+1, func(l audit.Lane, t audit.Instant) int { return cmp.Compare(l.Due(), t) })
		if due == 0 && len(lanes) > 0 {
			return lanes[0], lanes[0].Due(), nil
		}
		o.list, o.listed = byTurns(lanes[:due]), now
	}
	if len(o.list) == 0 {
		return l, audit.Never, nil
	}
	l, o.list = o.list[0], o.list[1:]
	return l, l.Due(), nil
}

// byTurns orders lanes so that one of each sink comes first, then the second of each: many lanes of one do not keep the others waiting.
func byTurns(lanes []audit.Lane) []audit.Lane {
	turns := map[string]int{}
	turn := make(map[audit.Lane]int, len(lanes))
	for _, l := range lanes {
		turn[l] = turns[l.Sink]
		turns[l.Sink]++
	}
	slices.SortStableFunc(lanes, func(a, b audit.Lane) int { return cmp.Compare(turn[a], turn[b]) })
	return lanes
}

// take claims the next message of a lane, and the lane until then; nil where another has it. A store that let it wait may have used up the lease: then it is
// renewed first, or left to whoever has the lane by now.
func (o *Outbox) take(ctx context.Context, l audit.Lane) (c *audit.Claim, until time.Time, err error) {
	now := o.now()
	until = now.Add(Lease)
	if c, err = o.Store.Take(ctx, l.Sink, l.Name, holder(), max(audit.At(now), l.Due()), audit.At(until)); err != nil || c == nil {
		return nil, until, err
	}
	if o.used(until) {
		until = o.now().Add(Lease)
		held, err := o.Store.Hold(ctx, c, audit.At(until))
		if err != nil || !held || o.used(until) {
			return nil, until, err
		}
	}
	return c, until, nil
}

// used says whether most of a lease that ends at until is over.
func (o *Outbox) used(until time.Time) bool { return until.Sub(o.now()) < Lease/2 }

// holder is a name that nobody else has, and by which an operator finds the process.
func holder() string {
	host, _ := os.Hostname() // without it the rest will do
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text())
}

// pace is the pause that a sink wants.
func (o *Outbox) pace(sink string) time.Duration {
	if p, ok := o.Sinks[sink].(Paced); ok {
		return p.Pace()
	}
	return 0
}

// attempt tries to deliver c, whose lane is held until then. The error is the store's, or ctx's.
func (o *Outbox) attempt(ctx context.Context, c *audit.Claim, until time.Time) error {
	receipt, failure := o.deliver(ctx, c, until)
	// What a receiver was told has to be recorded, also when ctx is done by then; but who is told to end waits for no store that does not answer: what it
	// does not hear of is looked up, or sent again under its id.
	record, cancel := Linger(ctx, recording)
	defer cancel()
	now := audit.At(o.now())
	var err error
	switch {
	case failure == nil:
		return o.record(record, acceptance{c, receipt, now})
	case ctx.Err() != nil: // the receiver was not waited for
		err = o.Store.Free(record, c, now.Add(o.pace(c.Sink)))
	default:
		err = o.Store.Missed(record, c, miss(c.Attempts, now, o.pace(c.Sink), failure))
	}
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// Linger is a context for what is to be noted: for most at most, also when ctx ends, but from then on for LastWords only.
func Linger(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	on, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(LastWords, cancel) })
	return on, func() { stop(); cancel() }
}

// deliver gives c to its sink, and keeps the lane meanwhile. It ends when the lane is lost.
func (o *Outbox) deliver(ctx context.Context, c *audit.Claim, until time.Time) (receipt string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	lost := time.AfterFunc(until.Sub(o.now()), cancel)
	defer lost.Stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		beat := time.NewTicker(Lease / 3)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
			}
			until := o.now().Add(Lease)
			held, err := o.Store.Hold(ctx, c, audit.At(until))
			switch {
			case err != nil: // it may pass before the lease ends
			case held:
				lost.Reset(until.Sub(o.now()))
			default:
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

// record notes that a message arrived, or remembers it until that can be noted.
func (o *Outbox) record(ctx context.Context, a acceptance) error {
	err := o.Store.Delivered(ctx, a.claim, a.receipt, a.at, a.at.Add(o.pace(a.claim.Sink)))
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		if o.accepted == nil {
			o.accepted = map[int64]acceptance{}
		}
		o.accepted[a.claim.ID] = a
		return fmt.Errorf("outbox: message %d was sent, and that could not be recorded: %w", a.claim.ID, err)
	}
	delete(o.accepted, a.claim.ID)
	return nil
}

// settle records what was accepted and is not recorded yet.
func (o *Outbox) settle(ctx context.Context) error {
	o.mu.Lock()
	waiting := slices.Collect(maps.Values(o.accepted))
	o.mu.Unlock()
	for _, a := range waiting {
		if err := o.record(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// miss says what to do after an attempt that failed at a time, after so many others.
func miss(attempts int, now audit.Instant, pace time.Duration, err error) audit.Miss {
	m := audit.Miss{At: now, Error: Shorten(Line(address.Redact(err.Error())), 500), Unsent: errors.As(err, new(unsent)), Next: now.Add(Backoff(attempts)), Lane: now.Add(max(pace, FirstBackoff)), Sink: audit.Ever}
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

// Backoff is how long to wait after an attempt that came after so many others: from FirstBackoff doubling to MaxBackoff, less up to a half by chance.
func Backoff(attempts int) time.Duration {
	d := MaxBackoff
	if attempts < 9 {
		d = min(d, FirstBackoff<<attempts)
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
