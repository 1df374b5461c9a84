package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	if err := cluster.Close(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// spreader is a crew on a store of its own, and the night that is under way.
func spreader(t *testing.T) (spreader *Spreader, lease *store.Lease, run int64) {
	t.Helper()
	s, err := store.Open(t.Context(), cluster.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if lease, err = s.Lock(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	r := &audit.Run{AsOf: 1, ScheduledAt: audit.Never, StartedAt: 1}
	if err := s.Night(lease).Begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	crew := &Crew{Store: s, Hands: 2, Night: &audit.Night{}, Log: slog.New(slog.DiscardHandler)}
	return &Spreader{Crew: crew, Night: s.Night(lease)}, lease, r.Seq
}

var parts = []audit.Part{{Kind: "unknown here", Body: []byte("{}")}}

// A part that nobody can do fails the night, once the night has tried it itself, and with its own error; so does one that makes crews panic.
func TestAPartThatNobodyCanDoFailsTheNight(t *testing.T) {
	for what, parts := range map[string][]audit.Part{"unknown": parts, "panics": {{Kind: audit.Segment, Body: []byte("{}")}}} { // the crew's night has no store
		t.Run(what, func(t *testing.T) { nobodyCanDo(t, parts) })
	}
}

func nobodyCanDo(t *testing.T, parts []audit.Part) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, _, run := spreader(t)
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- s.Crew.Serve(serving) }()
	full := errors.New("the disk is full")
	here := 0
	_, err := s.Do(ctx, run, parts, nil, func(context.Context, audit.Part) ([]byte, error) {
		here++
		return nil, full
	})
	if !errors.Is(err, full) || here != 1 {
		t.Errorf("tried %d times here, then: %v", here, err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// What nobody takes up, though crews seem to be there, the night does itself after a while.
func TestPartsThatNobodyTakesUpAreDoneHere(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for half a minute")
	}
	t.Parallel()
	s, _, run := spreader(t)
	began := time.Now()
	answers, err := s.Do(t.Context(), run, parts, nil, func(context.Context, audit.Part) ([]byte, error) { return []byte("done"), nil })
	if err != nil || len(answers) != 1 || string(answers[0]) != "done" {
		t.Errorf("%q, %v", answers, err)
	}
	if took := time.Since(began); took < patience {
		t.Errorf("after %s already", took)
	}
}

// A night that lost its lock, and whose successor has dropped its parts, does not wait for them for ever.
func TestAFencedOutNightDoesNotWaitForItsParts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, lease, run := spreader(t)
	ended := make(chan error, 1)
	go func() {
		_, err := s.Do(ctx, run, parts, nil, nil)
		ended <- err
	}()
	st := s.Crew.Store
	for list := []store.PartState(nil); len(list) == 0; {
		var err error
		if list, err = st.Parts(ctx, run); err != nil {
			t.Fatal(err)
		}
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	next, err := st.Lock(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Release()
	if err := st.Night(next).Begin(ctx, &audit.Run{AsOf: 1, ScheduledAt: audit.Never, StartedAt: 1}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, store.ErrFenced) {
		t.Errorf("got %v", err)
	}
}
