// Package markettest tries an implementation of the audit on markets of chance and compares what it has open with what an
// independent reading of the rules says: once for one run over everything, once for nights.
package markettest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/internal/market"
	"github.com/mailreeve/mailreeve/internal/oracle"
)

// Runner is what is tried. Both methods work in a folder that holds mailreeve.yaml and the sources it names.
type Runner interface {
	// Run is one audit as of asOf. Where a configured source could not be looked at the error wraps ErrPartial.
	Run(ctx context.Context, dir string, asOf time.Time) error
	// Open gives the findings that are not resolved.
	Open(ctx context.Context, dir string) (map[oracle.Key]oracle.Finding, error)
}

// ErrPartial says that a run ended well, but a configured source could not be looked at.
var ErrPartial = errors.New("a source could not be looked at")

// ShrinkFor bounds how long a failing market is made smaller; zero: not at all.
var ShrinkFor = 90 * time.Second

// Check tries the market of a seed: in one run, again (which must change nothing), and in nights. On failure it drops lines as long
// as it still fails and shows what is left.
func Check(t testing.TB, seed uint64, r Runner) {
	t.Helper()
	m := market.New(seed)
	ctx := context.Background()
	for _, way := range ways(seed) {
		problem := try(ctx, t.TempDir(), m, way, r)
		if problem == "" {
			continue
		}
		small, smallProblem := shrink(ctx, m, way, r, problem)
		t.Errorf("market of seed %d, %s: %s\n\nsmallest market that still fails (%d of %d units):\n%s\n%s", seed, way.name, problem,
			len(small.Units()), len(m.Units()), show(small, way), smallProblem)
	}
}

// way is how a market is laid out.
type way struct {
	name   string
	nights int // 0: whole
	seed   uint64
}

func ways(seed uint64) []way {
	rng := rand.New(rand.NewPCG(seed, 0x77617973))
	n := 2 + rng.IntN(7)
	return []way{{"whole", 0, 0}, {fmt.Sprintf("%d nights", n), n, rng.Uint64()}}
}

func (w way) layOut(m *market.Market) []market.Night {
	if w.nights == 0 {
		return []market.Night{{AsOf: m.AsOf, Files: m.Whole()}}
	}
	return m.Nights(rand.New(rand.NewPCG(w.seed, 2)), w.nights)
}

// Input is what the oracle must know of a market.
func Input(m *market.Market) oracle.Input {
	file := func(kind string) []oracle.File {
		return []oracle.File{{Name: kind, Data: []byte(strings.Join(m.Logs(kind), "\n"))}}
	}
	in := oracle.Input{
		AsOf: m.AsOf, CompleteSince: m.CompleteSince,
		Access:  []oracle.AccessSource{{Purposes: m.Purposes, Files: file("access")}},
		Reports: &oracle.Source{Files: file("reports")}, Installs: &oracle.Source{Files: file("installs")}, Apps: &oracle.Source{Files: file("apps")},
	}
	if m.Incidents {
		in.Incidents = &oracle.Source{Files: file("incidents")}
	}
	manifest := func(kind string) oracle.Manifest {
		beside := map[string][]byte{}
		for name, text := range m.Beside(kind) {
			beside[name] = []byte(text)
		}
		return oracle.Manifest{Files: file(kind), Beside: beside}
	}
	if m.Captures {
		c := manifest("captures")
		in.Captures = &c
	}
	if m.Mail {
		in.Mail = &oracle.Mailboxes{Manifest: manifest("mail"), AuthservID: m.AuthservID}
	}
	if m.Signals {
		in.Signals = &oracle.Source{Files: file("signals")}
	}
	if m.Addresses {
		in.Addresses = &oracle.Source{Files: file("addresses")}
	}
	return in
}

// try runs a market in a new folder and says what is wrong, or nothing.
func try(ctx context.Context, dir string, m *market.Market, w way, r Runner) string {
	if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(m.Config()), 0o644); err != nil {
		return err.Error()
	}
	nights := w.layOut(m)
	for i, n := range nights {
		if err := n.Files.Apply(dir); err != nil {
			return "the harness: " + err.Error()
		}
		err := r.Run(ctx, dir, n.AsOf)
		if err != nil && !(errors.Is(err, ErrPartial) && i < len(nights)-1) && !(errors.Is(err, ErrPartial) && len(m.Apps) == 0) {
			return fmt.Sprintf("run %d of %d as of %s: %v", i+1, len(nights), n.AsOf.Format(time.RFC3339Nano), err)
		}
	}
	want := oracle.Judge(Input(m)).Open
	if p := compare(ctx, dir, want, r); p != "" {
		return p
	}
	if w.nights == 0 {
		if err := r.Run(ctx, dir, m.AsOf); err != nil && !(errors.Is(err, ErrPartial) && len(m.Apps) == 0) {
			return "the same again: " + err.Error()
		}
		if p := compare(ctx, dir, want, r); p != "" {
			return "after the same again: " + p
		}
	}
	return ""
}

func compare(ctx context.Context, dir string, want map[oracle.Key]oracle.Finding, r Runner) string {
	got, err := r.Open(ctx, dir)
	if err != nil {
		return "open findings: " + err.Error()
	}
	if d := cmp.Diff(want, got); d == "" {
		return ""
	}
	var keys []oracle.Key
	for k := range want {
		keys = append(keys, k)
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return fmt.Sprintf("%q", keys[i]) < fmt.Sprintf("%q", keys[j]) })
	var b strings.Builder
	b.WriteString("open findings differ (-contract +got):\n")
	same := 0
	for _, k := range keys {
		x, inWant := want[k]
		y, inGot := got[k]
		if inWant && inGot && cmp.Equal(x, y) {
			same++
			continue
		}
		if inWant {
			fmt.Fprintf(&b, "  - %-26s app %-34q subject %-26q %+v\n", k.Check, k.App, k.Subject, x)
		}
		if inGot {
			fmt.Fprintf(&b, "  + %-26s app %-34q subject %-26q %+v\n", k.Check, k.App, k.Subject, y)
		}
	}
	fmt.Fprintf(&b, "  (%d findings agree)", same)
	return b.String()
}

// shrink drops units as long as the market fails in the same way.
func shrink(ctx context.Context, m *market.Market, w way, r Runner, problem string) (*market.Market, string) {
	want := checksOf(problem)
	stop := time.Now().Add(ShrinkFor)
	fails := func(c *market.Market) string {
		dir, err := os.MkdirTemp("", "market")
		if err != nil {
			return ""
		}
		defer os.RemoveAll(dir)
		p := try(ctx, dir, c, w, r)
		for check := range checksOf(p) {
			if want[check] {
				return p
			}
		}
		return ""
	}
	units := m.Units()
	for size := max(len(units)/2, 1); time.Now().Before(stop); {
		dropped := false
		for from := 0; from < len(units) && time.Now().Before(stop); {
			to := min(from+size, len(units))
			rest := append(append([]int{}, units[:from]...), units[to:]...)
			keep := map[int]bool{}
			for _, u := range rest {
				keep[u] = true
			}
			if p := fails(m.Keep(keep)); p != "" {
				units, problem, dropped = rest, p, true
			} else {
				from = to
			}
		}
		if size == 1 && !dropped {
			break
		}
		size = max(size/2, 1)
	}
	keep := map[int]bool{}
	for _, u := range units {
		keep[u] = true
	}
	return m.Keep(keep), problem
}

// checksOf gives the checks that a problem is about, or its first words where it is about none.
func checksOf(problem string) map[string]bool {
	out := map[string]bool{}
	if problem == "" {
		return out
	}
	for _, l := range strings.Split(problem, "\n") {
		if f := strings.Fields(l); len(f) > 2 && (f[0] == "-" || f[0] == "+") {
			out[f[1]] = true
		}
	}
	if len(out) == 0 {
		first, _, _ := strings.Cut(problem, " ")
		out[first] = true
	}
	return out
}

func show(m *market.Market, w way) string {
	var b strings.Builder
	b.WriteString(m.Config())
	for i, n := range w.layOut(m) {
		fmt.Fprintf(&b, "run %d %s", i+1, n)
	}
	return b.String()
}
