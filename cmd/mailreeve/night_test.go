package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/market"
)

func apply(t *testing.T, dir string, n market.Night) {
	t.Helper()
	if err := n.Files.Apply(dir); err != nil {
		t.Fatal(err)
	}
}

// night runs one night and kills it after a while, unless that is 0. It says whether the night finished by itself.
func night(t *testing.T, binary, dir string, asOf time.Time, after time.Duration) bool {
	t.Helper()
	var errs strings.Builder
	cmd := exec.Command(binary, "run", "-c", filepath.Join(dir, "mailreeve.yaml"), "--as-of", asOf.UTC().Format(time.RFC3339Nano))
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		stop := time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		defer stop.Stop()
	}
	_ = cmd.Wait()
	switch code := cmd.ProcessState.ExitCode(); code {
	case exitDone, exitBlind:
		return true
	case -1:
		return false
	default:
		t.Fatalf("exit %d: %s", code, errs.String())
		return false
	}
}
