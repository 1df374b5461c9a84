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

// A part that nobody can do fails the night, once the night has tried it itself, and with its own error.
func TestAPartThatNobodyCanDoFailsTheNight(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := store.Open(ctx, cluster.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lease, err := s.Lock(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	run := &audit.Run{AsOf: 1, ScheduledAt: audit.Never, StartedAt: 1}
	if err := s.Night(lease).Begin(ctx, run); err != nil {
		t.Fatal(err)
	}
	crew := &Crew{Store: s, Hands: 2, Night: &audit.Night{}, Log: slog.New(slog.DiscardHandler)}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- crew.Serve(serving) }()
	full := errors.New("the disk is full")
	here := 0
	spreader := &Spreader{Crew: crew, Night: s.Night(lease)}
	_, err = spreader.Do(ctx, run.Seq, []audit.Part{{Kind: "unknown here", Body: []byte("{}")}}, nil, func(context.Context, audit.Part) ([]byte, error) {
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
