package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
)

// kill -9 at any moment, followed by run, gives the undisturbed result: the same findings, evidence, accounts, trail, lines and messages, and no
// leftover in the archive.
func TestKilledNightsGiveTheUndisturbedResult(t *testing.T) {
	if testing.Short() {
		t.Skip("kills 20 nights")
	}
	const kills = 20
	binary := filepath.Join(t.TempDir(), "mailreeve")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := market.New(4711)
	rng := rand.New(rand.NewPCG(4711, 1))
	nights := m.Nights(rand.New(rand.NewPCG(4711, 2)), 5)

	undisturbed := marketDir(t, m)
	var took time.Duration
	for _, n := range nights {
		apply(t, undisturbed, n)
		began := time.Now()
		night(t, binary, undisturbed, n.AsOf, 0)
		took = max(took, time.Since(began))
	}

	killed := marketDir(t, m)
	hits := 0
	for i, n := range nights {
		apply(t, killed, n)
		for hits < kills*(i+1)/len(nights) {
			// Half of the kills anywhere in the time that a night takes, half in its last part, where it publishes.
			after := time.Duration(rng.Int64N(int64(took)))
			if hits%2 == 0 {
				after = took/2 + after/2
			}
			if !night(t, binary, killed, n.AsOf, max(after, time.Millisecond)) {
				hits++
				continue
			}
			took = took * 9 / 10 // it had finished before: it is faster than thought
			if took < 10*time.Millisecond {
				t.Fatal("no night can be killed")
			}
		}
		night(t, binary, killed, n.AsOf, 0)
	}
	if diff := cmp.Diff(remains(t, undisturbed), remains(t, killed)); diff != "" {
		t.Fatalf("after %d kills (-undisturbed +killed):\n%s", hits, diff)
	}
}

func marketDir(t *testing.T, m *market.Market) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(m.Config()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

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

// remains is what a store and its archive hold in the end, without what may differ: times of the clock, and numbers of runs.
func remains(t *testing.T, dir string) map[string]any {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, "sqlite://"+filepath.Join(dir, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := map[string]any{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	findings, err := s.Findings(ctx, store.Filter{})
	must(err)
	for _, f := range findings {
		f.FirstRun, f.LastRun, f.Latest.Run = "", "", ""
		held, err := s.Holding(ctx, f.ID)
		must(err)
		out[f.ID] = f
		out[f.ID+" accounts"] = slices.Concat(held.Accounts.Strings(), held.Sites.Strings(), held.Hosts.Strings())
	}
	runs, err := s.Runs(ctx, 0)
	must(err)
	// A night that was killed after it had published is run again: together its runs did what one does.
	sums := map[string][]int64{}
	for _, r := range runs {
		if r.Status != audit.Finished {
			continue
		}
		sum := sums[r.AsOf.String()]
		if sum == nil {
			sum = make([]int64, 6)
			sums[r.AsOf.String()] = sum
		}
		n := r.Summary.Findings
		for i, x := range []int{n.New, n.Reopened, n.Worsened, n.Resolved, n.Withdrawn} {
			sum[i] += int64(x)
		}
		for _, x := range r.Summary.Sources {
			sum[5] += x.Facts
		}
	}
	out["new, reopened, worsened, resolved, withdrawn, facts"] = sums
	_, _, err = s.Verify(ctx)
	must(err)
	trail, err := s.Trail(ctx, store.TrailFilter{})
	must(err)
	var entries []string
	for _, e := range trail {
		if e.What != "run" {
			entries = append(entries, fmt.Sprint(e.What, e.Finding, e.Why, e.Details))
		}
	}
	out["trail"] = entries
	bad, err := s.Quarantine(ctx)
	must(err)
	var lines []string
	for _, q := range bad {
		lines = append(lines, fmt.Sprint(filepath.Base(q.Path), q.Line, q.Reason, q.Text))
	}
	sort.Strings(lines)
	out["quarantine"] = lines
	inUse, err := s.SegmentsInUse(ctx)
	must(err)
	a, err := archive.Open(filepath.Join(dir, "mailreeve.archive"), s.ID(), s.ArchiveKey())
	must(err)
	defer a.Close()
	files, err := filepath.Glob(filepath.Join(dir, "mailreeve.archive", "*.s*"))
	must(err)
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(inUse)
	if diff := cmp.Diff(inUse, files); diff != "" {
		t.Errorf("%s: segments (-named +there):\n%s", dir, diff)
	}
	return out
}
