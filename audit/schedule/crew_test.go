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
func spreader(t *testing.T) (spreader *Spreader, run int64) {
	t.Helper()
	s, err := store.Open(t.Context(), cluster.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	lease, err := s.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	r := &audit.Run{AsOf: 1, ScheduledAt: audit.Never, StartedAt: 1}
	if err := s.Night(lease).Begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	crew := &Crew{Store: s, Hands: 2, Night: &audit.Night{}, Log: slog.New(slog.DiscardHandler)}
	return &Spreader{Crew: crew, Night: s.Night(lease)}, r.Seq
}

var parts = []audit.Part{{Kind: "unknown here", Body: []byte("{}")}}

// A part that nobody can do fails the night, once the night has tried it itself, and with its own error.
func TestAPartThatNobodyCanDoFailsTheNight(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, run := spreader(t)
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
	s, run := spreader(t)
	began := time.Now()
	answers, err := s.Do(t.Context(), run, parts, nil, func(context.Context, audit.Part) ([]byte, error) { return []byte("done"), nil })
	if err != nil || len(answers) != 1 || string(answers[0]) != "done" {
		t.Errorf("%q, %v", answers, err)
	}
	if took := time.Since(began); took < patience {
		t.Errorf("after %s already", took)
	}
}
