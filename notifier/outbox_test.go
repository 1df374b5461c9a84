package notifier_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

// pace is what the tests' sink wants.
const pace = time.Second

// A sink whose receivers do what a script says, in the time of a clock that only sleeping moves.
type sink struct {
	clock  *nights.Clock
	script func(msg audit.Message) error
	took   []string
}

func (s *sink) Deliver(_ context.Context, m audit.Message) (string, error) {
	var err error
	if s.script != nil {
		err = s.script(m)
	}
	s.took = append(s.took, fmt.Sprintf("%s %s %v", s.clock.Since(), m.Key, err))
	return "ts-" + m.Key, err
}

func (s *sink) Pace() time.Duration { return pace }

func outbox(script func(audit.Message) error) (*notifier.Outbox, *nights.Store, *sink) {
	clock := &nights.Clock{}
	store := &nights.Store{}
	s := &sink{clock: clock, script: script}
	return &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{"x": s}, Clock: clock.Now, Sleep: clock.Sleep}, store, s
}

func message(id int64, lane string) audit.Message {
	return audit.Message{ID: id, Key: fmt.Sprint("m", id), Sink: "x", Lane: lane, SentAt: audit.Never}
}

func flush(t *testing.T, o *notifier.Outbox, patience time.Duration, left int) {
	t.Helper()
	err := o.Flush(t.Context(), patience)
	if n := o.Store.(interface{ Waiting() int }).Waiting(); err != nil || n != left {
		t.Errorf("%d left, not %d; %v", n, left, err)
	}
}

func TestOutboxKeepsOrderAndPace(t *testing.T) {
	o, store, s := outbox(nil)
	store.Put(message(1, "a"), message(2, "a"), message(3, "b"), message(4, "a"))
	flush(t, o, time.Minute, 0)
	want := []string{"0s m1 <nil>", "0s m3 <nil>", "1s m2 <nil>", "2s m4 <nil>"}
	if d := cmp.Diff(want, s.took); d != "" {
		t.Error(d)
	}
	if m := store.Rows[3]; m.Receipt != "ts-m4" || m.SentAt == audit.Never {
		t.Errorf("recorded: %+v", m)
	}
	flush(t, o, time.Minute, 0)
	if len(s.took) != 4 {
		t.Error("sent again:", s.took)
	}
	store.Put(message(5, "a"))
	flush(t, o, time.Minute, 0)
	if got := s.took[4]; got != "3s m5 <nil>" {
		t.Error("no pause between two flushes:", got)
	}
}

func TestOutboxObeysRetryAfter(t *testing.T) {
	tries := 0
	o, store, s := outbox(func(m audit.Message) error {
		if tries++; tries == 1 {
			return &notifier.Failure{Err: errors.New("429"), RetryAfter: 40 * time.Second, Everyone: true}
		}
		return nil
	})
	store.Put(message(1, "a"), message(2, "b"))
	flush(t, o, time.Minute, 0)
	want := []string{"0s m1 429", "40s m1 <nil>", "40s m2 <nil>"} // the other channel, too, is left alone
	if d := cmp.Diff(want, s.took); d != "" {
		t.Error(d)
	}
	if store.Rows[0].Attempts != 2 {
		t.Errorf("%d attempts recorded", store.Rows[0].Attempts)
	}
}

func TestOutboxPatience(t *testing.T) {
	down := true
	o, store, s := outbox(func(audit.Message) error {
		if down {
			return &notifier.Failure{Err: errors.New("429"), RetryAfter: time.Hour}
		}
		return nil
	})
	store.Put(message(1, "a"), message(2, "a"))
	flush(t, o, 0, 2)
	flush(t, o, time.Minute, 2) // not due
	if len(s.took) != 1 || s.clock.Since() > time.Minute {
		t.Error(s.took, s.clock.Since())
	}
	if m := store.Rows[0]; m.Error != "429" || m.NextAt != audit.At(s.clock.Now().Add(time.Hour)) {
		t.Errorf("%+v", m)
	}
	down = false
	_ = s.clock.Sleep(t.Context(), 2*time.Hour)
	another := &notifier.Outbox{Store: store, Sinks: o.Sinks, Clock: o.Clock, Sleep: o.Sleep}
	flush(t, another, time.Minute, 0)
	if d := cmp.Diff([]string{"2h0m0s m1 <nil>", "2h0m1s m2 <nil>"}, s.took[1:]); d != "" {
		t.Error(d)
	}
}

// TestOutboxWaitsInOrder: what came later does not overtake what waits, in another process either.
func TestOutboxWaitsInOrder(t *testing.T) {
	o, store, s := outbox(nil)
	first := message(1, "a")
	first.NextAt = audit.At(s.clock.Now().Add(2 * time.Minute))
	store.Put(first, message(2, "a"))
	flush(t, o, time.Minute, 2)
	flush(t, o, 5*time.Minute, 0)
	if d := cmp.Diff([]string{"2m0s m1 <nil>", "2m1s m2 <nil>"}, s.took); d != "" {
		t.Error(d)
	}
}

func TestOutboxGoesOnWithoutWhatIsFinal(t *testing.T) {
	o, store, s := outbox(func(m audit.Message) error {
		if m.ID == 1 {
			return &notifier.Failure{Err: errors.New("invalid_blocks"), Final: true}
		}
		return nil
	})
	lost := message(3, "a")
	lost.Sink = "unconfigured"
	store.Put(message(1, "a"), message(2, "a"), lost)
	flush(t, o, 10*time.Second, 2)
	store.Put(message(4, "a"))
	flush(t, o, 10*time.Second, 2)
	_ = s.clock.Sleep(t.Context(), notifier.FinalPause)
	flush(t, o, 10*time.Second, 2)
	flush(t, o, 3*time.Minute, 2)
	want := []string{"0s m1 invalid_blocks", "1s m2 <nil>", "2s m4 <nil>", "1m2s m1 invalid_blocks", "3m2s m1 invalid_blocks"}
	if d := cmp.Diff(want, s.took); d != "" {
		t.Error(d)
	}
}

// TestOutboxNeverSendsWhatWasAccepted: the store fails after a message was accepted.
func TestOutboxNeverSendsWhatWasAccepted(t *testing.T) {
	o, store, s := outbox(nil)
	store.Put(message(1, "a"), message(2, "a"))
	store.Fail = errors.New("the disk is full")
	for range 3 {
		if err := o.Flush(t.Context(), time.Minute); !errors.Is(err, store.Fail) {
			t.Error(err)
		}
	}
	store.Fail = nil
	flush(t, o, time.Minute, 0)
	if d := cmp.Diff([]string{"0s m1 <nil>", "1s m2 <nil>"}, s.took); d != "" {
		t.Error(d)
	}
}

// TestOutboxStops: what was accepted when ctx ended is recorded; the rest stays.
func TestOutboxStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o, store, s := outbox(func(audit.Message) error { cancel(); return nil })
	store.Put(message(1, "a"), message(2, "a"))
	if err := o.Flush(ctx, time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(s.took) != 1 || store.Rows[0].SentAt == audit.Never || store.Rows[1].SentAt != audit.Never {
		t.Error(s.took, store.Rows)
	}
}

// TestOutboxStopsInTheMiddle: what the receiver had not answered when ctx ended is nobody's failure, and tried by the next, who is told that it was.
func TestOutboxStopsInTheMiddle(t *testing.T) {
	store := &nights.Store{}
	store.Put(message(1, "a"))
	ctx, cancel := context.WithCancel(t.Context())
	hangs := deliverer(func(ctx context.Context, _ audit.Message) (string, error) {
		cancel()
		<-ctx.Done()
		return "", ctx.Err()
	})
	o := &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{"x": hangs}}
	if err := o.Flush(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	told := 0
	o.Sinks["x"] = deliverer(func(_ context.Context, m audit.Message) (string, error) { told = m.Attempts; return "", nil })
	if m := store.Rows[0]; m.Error != "" || m.Failed {
		t.Errorf("it failed: %+v", m)
	}
	flush(t, o, time.Minute, 0)
	if told != 1 {
		t.Errorf("the sink is told of %d attempts", told)
	}
}

// TestOutboxWaitsForNoStore: a process that is told to end while the store is away waits a moment for what was accepted to be recorded, and no longer; nor does it wait for that of a
// failure.
func TestOutboxWaitsForNoStore(t *testing.T) {
	for name, answer := range map[string]error{"accepted": nil, "refused": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &nights.Store{}
				store.Put(message(1, "a"))
				ctx, cancel := context.WithCancel(t.Context())
				var told time.Time
				sink := deliverer(func(context.Context, audit.Message) (string, error) { return "", answer })
				o := &notifier.Outbox{Store: away{store, func() { told = time.Now(); cancel() }}, Sinks: map[string]notifier.Sink{"x": sink}}
				if err := o.Flush(ctx, time.Hour); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if took := time.Since(told); took != notifier.LastWords {
					t.Errorf("it ended %s after it was told to", took)
				}
			})
		})
	}
}

// away is a store that answers nothing that is to be recorded.
type away struct {
	*nights.Store
	asked func()
}

func (a away) Delivered(ctx context.Context, _ *audit.Claim, _ string, _, _ audit.Instant) error {
	return a.wait(ctx)
}

func (a away) Missed(ctx context.Context, _ *audit.Claim, _ audit.Miss) error { return a.wait(ctx) }

func (a away) wait(ctx context.Context) error {
	a.asked()
	<-ctx.Done()
	return ctx.Err()
}

type deliverer func(context.Context, audit.Message) (string, error)

func (f deliverer) Deliver(ctx context.Context, m audit.Message) (string, error) { return f(ctx, m) }

// TestOutboxKeepsItsLane: a receiver may take longer than a lease lasts; nobody else sends to it meanwhile.
func TestOutboxKeepsItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &nights.Store{}
		var took []string
		begun := time.Now()
		slow := deliverer(func(ctx context.Context, m audit.Message) (string, error) {
			took = append(took, fmt.Sprintf("%s %s", time.Since(begun), m.Key))
			time.Sleep(notifier.Timeout - time.Second)
			return "", ctx.Err()
		})
		store.Put(message(1, "a"), message(2, "a"))
		var wg sync.WaitGroup
		for range 3 {
			o := &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{"x": slow}}
			wg.Go(func() { flush(t, o, time.Hour, 0) })
		}
		wg.Wait()
		if d := cmp.Diff([]string{"0s m1", "29s m2"}, took); d != "" {
			t.Error(d)
		}
	})
}

// TestOutboxLosesItsLane: an attempt ends when its lane is another's, and when the store is away for longer than the lease.
func TestOutboxLosesItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			hold func() (bool, error)
			ends time.Duration
		}{
			"it is another's":   {func() (bool, error) { return false, nil }, notifier.Lease / 3},
			"the store is away": {func() (bool, error) { return false, errors.New("away") }, notifier.Lease},
		} {
			store := &nights.Store{}
			store.Put(message(1, "a"))
			begun, took := time.Now(), time.Duration(0)
			hangs := deliverer(func(ctx context.Context, _ audit.Message) (string, error) {
				<-ctx.Done()
				took = time.Since(begun)
				return "", ctx.Err()
			})
			o := &notifier.Outbox{Store: losing{store, c.hold}, Sinks: map[string]notifier.Sink{"x": hangs}}
			flush(t, o, 0, 1)
			if took != c.ends {
				t.Errorf("%s: the attempt ended after %s, not %s", name, took, c.ends)
			}
		}
	})
}

type losing struct {
	*nights.Store
	hold func() (bool, error)
}

func (l losing) Hold(context.Context, *audit.Claim, audit.Instant) (bool, error) { return l.hold() }

// TestOutboxUsesNoOldLease: a store that lets a claim wait uses up its lease. It is renewed before anything is sent, or left.
func TestOutboxUsesNoOldLease(t *testing.T) {
	for name, c := range map[string]struct {
		take, hold time.Duration
		want       int
	}{
		"in time":                       {time.Second, 0, 1},
		"late, and renewed":             {20 * time.Second, time.Second, 1},
		"late, and the renewal as well": {20 * time.Second, 20 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rows := &nights.Store{}
				rows.Put(message(1, "a"))
				slow := &slowStore{Store: rows, take: c.take, hold: c.hold}
				sent := 0
				sink := deliverer(func(context.Context, audit.Message) (string, error) {
					if time.Now().After(slow.until.Add(-notifier.Lease / 2)) {
						t.Errorf("it is sent %s before the lease ends", time.Until(slow.until))
					}
					sent++
					return "", nil
				})
				o := &notifier.Outbox{Store: slow, Sinks: map[string]notifier.Sink{"x": sink}}
				if err := o.Flush(t.Context(), 0); err != nil || sent != c.want {
					t.Errorf("sent %d times, %v", sent, err)
				}
			})
		})
	}
}

// A slowStore takes its time for claims and renewals.
type slowStore struct {
	*nights.Store
	take, hold time.Duration
	until      time.Time
}

func (s *slowStore) Take(ctx context.Context, sink, lane, holder string, now, until audit.Instant) (*audit.Claim, error) {
	time.Sleep(s.take)
	s.until = until.Time()
	return s.Store.Take(ctx, sink, lane, holder, now, until)
}

func (s *slowStore) Hold(ctx context.Context, c *audit.Claim, until audit.Instant) (bool, error) {
	time.Sleep(s.hold)
	s.until = until.Time()
	return s.Store.Hold(ctx, c, until)
}

// TestOutboxHasNoPaceOfItsOwn: where a sink wants none, a lane goes as fast as its receiver; after a failure it rests.
func TestOutboxHasNoPaceOfItsOwn(t *testing.T) {
	clock, store := &nights.Clock{}, &nights.Store{}
	var took []string
	sink := deliverer(func(_ context.Context, m audit.Message) (string, error) {
		took = append(took, fmt.Sprintf("%s %s", clock.Since(), m.Key))
		if m.ID == 2 {
			return "", notifier.Final(errors.New("no"))
		}
		return "", nil
	})
	store.Put(message(1, "a"), message(2, "a"), message(3, "a"), message(4, "a"))
	flush(t, &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{"x": sink}, Clock: clock.Now, Sleep: clock.Sleep}, 10*time.Second, 1)
	if d := cmp.Diff([]string{"0s m1", "0s m2", "1s m3", "1s m4"}, took); d != "" {
		t.Error(d)
	}
}

// TestOutboxTakesSinksByTurns: one sink's many lanes do not keep the others waiting.
func TestOutboxTakesSinksByTurns(t *testing.T) {
	clock, store := &nights.Clock{}, &nights.Store{}
	var took []string
	sink := deliverer(func(_ context.Context, m audit.Message) (string, error) {
		took = append(took, m.Key)
		return "", nil
	})
	for i := range int64(5) {
		store.Put(message(i+1, fmt.Sprint("lane ", i)))
	}
	last := message(6, "a")
	last.Sink = "y"
	store.Put(last)
	flush(t, &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{"x": sink, "y": sink}, Clock: clock.Now, Sleep: clock.Sleep}, time.Second, 0)
	if d := cmp.Diff([]string{"m1", "m6", "m2", "m3", "m4", "m5"}, took); d != "" {
		t.Error(d)
	}
}

// What surely did not arrive leaves no doubt; an earlier doubt stays.
func TestOutboxKnowsWhatMayHaveArrived(t *testing.T) {
	t.Parallel()
	lost, refused := errors.New("no answer"), &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	if !notifier.Unreached(fmt.Errorf("x: %w", refused)) || !notifier.Unreached(&net.DNSError{}) || notifier.Unreached(&net.OpError{Op: "read", Err: lost}) || notifier.Unreached(lost) {
		t.Error("a connection that was never made is not told from one that was")
	}
	clock, store := &nights.Clock{}, &nights.Store{}
	store.Put(message(1, "a"))
	answers := []error{notifier.Unsent(notifier.Final(refused)), notifier.Unsent(refused), lost, notifier.Unsent(refused)}
	o := &notifier.Outbox{Store: store, Clock: clock.Now, Sleep: clock.Sleep}
	o.Sinks = map[string]notifier.Sink{"x": deliverer(func(_ context.Context, m audit.Message) (string, error) { return "", answers[m.Attempts] })}
	var doubted audit.Instant
	for i, doubt := range []bool{false, false, true, true} {
		now := audit.At(clock.Now())
		if err := o.Flush(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if doubt && doubted == 0 {
			doubted = now
		}
		if m := store.Rows[0]; m.Attempts != i+1 || m.Doubt != doubted || !m.Failed {
			t.Errorf("after %d attempts: %+v", i+1, m)
		}
		_ = clock.Sleep(t.Context(), time.Hour)
	}
}

func TestBackoff(t *testing.T) {
	for n := range 100 {
		most := notifier.MaxBackoff
		if n < 9 {
			most = min(most, time.Second<<n)
		}
		var seen []time.Duration
		for range 20 {
			d := notifier.Backoff(n)
			if d > most || d < most/2 {
				t.Errorf("after %d: %s", n, d)
			}
			seen = append(seen, d)
		}
		if slices.Max(seen) == slices.Min(seen) {
			t.Errorf("after %d always %s", n, seen[0])
		}
	}
}

// TestOutboxUnderFaults: whatever fails by chance, all is delivered, in order for each receiver, and nothing again after it was recorded.
func TestOutboxUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		accepted := map[int64]bool{}
		o, store, s := outbox(func(m audit.Message) error {
			if accepted[m.ID] {
				rt.Fatalf("%s is sent again", m.Key)
			}
			switch rapid.IntRange(0, 5).Draw(rt, "fate") {
			case 0:
				return errors.New("reset")
			case 1:
				return &notifier.Failure{Err: errors.New("429"), RetryAfter: time.Duration(rapid.IntRange(0, 900).Draw(rt, "s")) * time.Second}
			}
			accepted[m.ID] = true
			return nil
		})
		store.Hiccup = func() bool { return rapid.IntRange(0, 5).Draw(rt, "store") == 0 }
		n := rapid.IntRange(1, 12).Draw(rt, "n")
		for i := range n {
			store.Put(message(int64(i+1), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "lane")))
		}
		for range 500 {
			if err := o.Flush(context.Background(), time.Duration(rapid.IntRange(0, 60).Draw(rt, "patience"))*time.Second); err == nil && store.Waiting() == 0 {
				break
			}
			_ = s.clock.Sleep(context.Background(), time.Minute)
		}
		last := map[string]audit.Instant{}
		for _, m := range store.Rows {
			if m.SentAt == audit.Never {
				rt.Fatalf("%s is not delivered: %+v", m.Key, m)
			}
			if gap := time.Duration(m.SentAt - last[m.Lane]); last[m.Lane] != 0 && gap < pace {
				rt.Fatalf("%s came %s after the one before", m.Key, gap)
			}
			last[m.Lane] = m.SentAt
		}
	})
}
