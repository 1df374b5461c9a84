package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
)

// syncBuffer is a buffer that a server writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serve runs the nights of its schedule, prints their digests where there is no Slack, and ends at SIGTERM without a night half done.
func TestServeRunsNightsUntilSIGTERM(t *testing.T) {
	t.Parallel()
	binary := built(t)
	m := market.New(12)
	dir := marketDir(t, m)
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("schedule: \"@every 1s\"\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Whole().Apply(dir); err != nil {
		t.Fatal(err)
	}
	var out, errs syncBuffer
	cmd := exec.CommandContext(t.Context(), binary, "serve", "-c", path)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); strings.Count(out.String(), "Audit as of") < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no two nights in a minute:\n%s\n%s", out.String(), errs.String())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("%v\n%s", err, errs.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end within 20 seconds of SIGTERM")
	}
	s, err := store.Open(context.Background(), "sqlite://"+filepath.Join(dir, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	runs, err := s.Runs(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	scheduled := map[audit.Instant]bool{}
	for _, r := range runs {
		if r.Status == audit.Running {
			t.Errorf("run %s is still running", r.ID)
		}
		if r.Status == audit.Finished && (r.ScheduledAt == audit.Never || scheduled[r.ScheduledAt] || r.AsOf != r.ScheduledAt) {
			t.Errorf("run %s was scheduled for %s, as of %s", r.ID, r.ScheduledAt, r.AsOf)
		}
		scheduled[r.ScheduledAt] = true
	}
}
