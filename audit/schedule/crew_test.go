package schedule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
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
	a, err := archive.Open(t.Context(), t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	crew := &Crew{Store: s, Hands: 2, Night: &audit.Night{Archive: a}, Log: slog.New(slog.DiscardHandler)}
	return &Spreader{Crew: crew, Night: s.Night(lease)}, lease, r.Seq
}

var parts = []audit.Part{{Kind: "unknown here", Body: []byte("{}")}}

// A part that nobody can do fails the night, once the night has tried it itself, and with its own error; so does one that makes crews panic.
func TestAPartThatNobodyCanDoFailsTheNight(t *testing.T) {
	for what, kind := range map[string]audit.PartKind{"unknown": "unknown here", "panics": audit.Segment} { // the crew's night has no store
		t.Run(what, func(t *testing.T) { nobodyCanDo(t, kind) })
	}
}

func nobodyCanDo(t *testing.T, kind audit.PartKind) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, _, run := spreader(t)
	parts := []audit.Part{{Kind: kind, Body: fmt.Appendf(nil, `{"archive": %q}`, s.Crew.Night.Archive.ID())}}
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

// A worker whose archive is another folder than the night's is none of its hands and gets no parts of it: it would write what the night does not find.
func TestAWorkerWithAnotherArchiveGetsNoParts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, lease, run := spreader(t)
	st := s.Crew.Store
	other, err := archive.Open(ctx, t.TempDir(), st)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	said := make(lines, 100)
	crew := &Crew{Store: st, Hands: 4, Night: &audit.Night{Archive: other}, Log: slog.New(slog.NewTextHandler(said, nil))}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- crew.Serve(serving) }()
	for list := []store.Crew(nil); len(list) == 0; {
		if list, err = st.Crews(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Hands(ctx); err != nil || n != 0 {
		t.Errorf("%d hands, %v", n, err)
	}
	if queueOf(crew.Night) == queueOf(s.Crew.Night) {
		t.Error("both look into one queue")
	}
	// Once a night has published into its own archive, the worker says so.
	p := &audit.Publication{Run: &audit.Run{Seq: run, Status: audit.Finished, ScheduledAt: audit.Never}, Archive: s.Crew.Night.Archive.ID()}
	if err := st.Night(lease).Publish(ctx, p); err != nil {
		t.Fatal(err)
	}
	for found := false; !found; {
		select {
		case line := <-said:
			found = strings.Contains(line, "this worker's archive is another folder than the night's")
		case <-ctx.Done():
			t.Fatal("it says nothing")
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// lines is what was logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// The spool of a part goes, once done, when nobody takes the answer: another's counts, or the night has ended meanwhile.
func TestASpoolThatNobodyTakesGoes(t *testing.T) {
	t.Parallel()
	s, _, run := spreader(t)
	st := s.Crew.Store
	dir := t.TempDir()
	a, err := archive.Open(t.Context(), dir, st)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s.Crew.Night.Archive = a
	part := audit.Part{Kind: audit.Segment, Body: []byte("{}")}
	if _, err := s.Night.AddParts(t.Context(), run, []audit.Part{part}, func(context.Context, *sql.Tx, int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := st.TakePart(t.Context(), run, 1, "who took it over"); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		holder string
		kept   bool
	}{{"who was thought dead", false}, {"who took it over", true}} {
		path := filepath.Join(dir, "run-000001.spool")
		err := s.Crew.hold(t.Context(), job{Run: run, Number: 1}, x.holder, part, func(context.Context) ([]byte, error) {
			return []byte(`{"spool": {"name": "run-000001.spool"}}`), os.WriteFile(path, nil, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err == nil) != x.kept {
			t.Errorf("%s: %v", x.holder, err)
		}
	}
}
