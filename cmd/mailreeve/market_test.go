package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/internal/market"
	"github.com/mailreeve/mailreeve/internal/market/markettest"
	"github.com/mailreeve/mailreeve/internal/oracle"
)

// inProcess runs the command line without a process of its own.
type inProcess struct{}

func (inProcess) Run(ctx context.Context, dir string, asOf time.Time) error {
	var out, errs bytes.Buffer
	switch code := execute(ctx, []string{"run", "-c", filepath.Join(dir, "mailreeve.yaml"), "--as-of", asOf.UTC().Format(time.RFC3339Nano)}, &out, &errs); code {
	case exitDone:
		return nil
	case exitBlind:
		return fmt.Errorf("%w: %s", markettest.ErrPartial, errs.String())
	default:
		return fmt.Errorf("exit %d: %s", code, errs.String())
	}
}

// findings gives those that are not resolved.
func (inProcess) findings(ctx context.Context, dir string) ([]audit.Finding, error) {
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, cfg.StoreURL())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	list, err := s.Findings(ctx, store.Filter{})
	return slices.DeleteFunc(list, func(f audit.Finding) bool { return f.Status == audit.Resolved }), err
}

func (p inProcess) Open(ctx context.Context, dir string) (map[oracle.Key]oracle.Finding, error) {
	list, err := p.findings(ctx, dir)
	if err != nil {
		return nil, err
	}
	out := map[oracle.Key]oracle.Finding{}
	for _, f := range list {
		out[oracle.Key{Check: f.Check, App: f.App, Subject: f.Subject}] = oracle.Finding{
			Numbers:  oracle.Numbers{Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites},
			Severity: string(f.Severity), Confidence: string(f.Confidence)}
	}
	return out, nil
}

// replaying also holds what the archive gives, judged again by the rules that held, against what is open.
type replaying struct{ inProcess }

func (p replaying) Open(ctx context.Context, dir string) (map[oracle.Key]oracle.Finding, error) {
	open, err := p.inProcess.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return open, p.replayed(ctx, dir, open)
}

func (replaying) replayed(ctx context.Context, dir string, open map[oracle.Key]oracle.Finding) error {
	s, err := (&cli{config: filepath.Join(dir, "mailreeve.yaml"), out: io.Discard, err: io.Discard, clock: time.Now}).open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	r := s.replay(audit.Replay{To: audit.Never.Day()})
	res, err := r.Run(ctx)
	if errors.Is(err, audit.ErrNotReplayed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	again := map[oracle.Key]oracle.Finding{}
	for _, d := range res.Same {
		again[oracle.Key{Check: d.Check, App: d.App, Subject: d.Subject}] = oracle.Finding{
			Numbers:  oracle.Numbers{Occurrences: d.Was.Occurrences, Accounts: d.Was.Accounts, Sites: d.Was.Sites},
			Severity: string(d.Was.Severity), Confidence: string(d.Was.Confidence)}
	}
	if diff := cmp.Diff(open, again); diff != "" || len(res.Differences) > 0 {
		return fmt.Errorf("judged again, days give other findings (-open +again), and %d differences:\n%s", len(res.Differences), diff)
	}

	// By other policies: what depends on nothing in which they differ is judged once, and is what it is when each is judged on its own.
	checksOf := r.ChecksOf
	for _, change := range []func(*audit.Policy){
		func(p *audit.Policy) { p.Prohibited = append(p.Prohibited, "error-reports") },
		func(p *audit.Policy) {
			p.ReportingPeriod, p.ClosedGrace, p.UpdatedGrace, p.UninstallGrace, p.ProbingCalls = 7*24*time.Hour, 0, 0, time.Hour, 3
		},
	} {
		r.Policy = audit.DefaultPolicy()
		change(r.Policy)
		var both [2]*audit.Replayed
		for i := range both {
			r.ChecksOf = func(p *audit.Policy) ([]audit.Check, error) {
				list, err := checksOf(p)
				for k := range list {
					if i == 1 {
						list[k].Reads = nil
					}
				}
				return list, err
			}
			if both[i], err = r.Run(ctx); err != nil {
				return fmt.Errorf("replay: %w", err)
			}
		}
		if diff := cmp.Diff(both[1], both[0]); diff != "" {
			return fmt.Errorf("replay by another policy, of what it would judge alike (-twice +once):\n%s", diff)
		}
	}
	return nil
}

// marketDir is a folder with a market's configuration.
func marketDir(t *testing.T, m *market.Market) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(m.Config()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Markets of pure chance give, in one run and in nights, whatever order, pieces, names and compressions their files come in, exactly the findings
// that an independent reading of the rules gives. MAILREEVE_TEST_MARKETS says how many, MAILREEVE_TEST_SEED from which on.
func TestMarketsOfChance(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 40), number(t, "MAILREEVE_TEST_SEED", 1)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if seed%4 == 0 { // each fourth: to judge all days again takes as long as to judge them
				markettest.Check(t, seed, replaying{})
			} else {
				markettest.Check(t, seed, inProcess{})
			}
		})
	}
}

// A saying is what a finding says beside its numbers: all but where the files are, which have other names and numbers in each order.
type saying struct {
	FirstSeen, LastSeen, Explanation string
	Evidence                         []string
}

// tell runs nights in a folder of their own and gives what their open findings say.
func tell(t *testing.T, m *market.Market, nights []market.Night) map[oracle.Key]saying {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(m.Config()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range nights {
		if err := n.Files.Apply(dir); err != nil {
			t.Fatal(err)
		}
		if err := (inProcess{}).Run(t.Context(), dir, n.AsOf); err != nil && !errors.Is(err, markettest.ErrPartial) {
			t.Fatal(err)
		}
	}
	list, err := inProcess{}.findings(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[oracle.Key]saying{}
	for _, f := range list {
		isState := slices.ContainsFunc(checks.All(), func(c audit.Check) bool { return c.ID == f.Check && c.Nature == audit.IsState })
		var x saying
		if !isState { // a state is seen first in the night that looked first
			x.FirstSeen, x.LastSeen, x.Explanation = f.FirstSeen.String(), f.LastSeen.String(), f.Explanation
		}
		for _, e := range f.Evidence {
			row := fmt.Sprintf("%q %q %s", e.Site, e.Account, e.Detail)
			if !isState {
				row = fmt.Sprintf("%s %s", e.At, row)
			}
			x.Evidence = append(x.Evidence, row)
		}
		out[oracle.Key{Check: f.Check, App: f.App, Subject: f.Subject}] = x
	}
	return out
}

// A finding is the union of its days also in what it tells: when, and by which evidence.
func TestWhatFindingsTellDoesNotDependOnTheOrderOfNights(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 12), number(t, "MAILREEVE_TEST_SEED", 1300)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := market.New(seed)
			rng := rand.New(rand.NewPCG(seed, 5))
			if d := cmp.Diff(tell(t, m, []market.Night{{AsOf: m.AsOf, Files: m.Whole()}}), tell(t, m, m.Nights(rng, 2+rng.IntN(7)))); d != "" {
				t.Errorf("-one run +nights\n%s", d)
			}
		})
	}
}

func number(t *testing.T, name string, unset uint64) uint64 {
	v := os.Getenv(name)
	if v == "" {
		return unset
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// onPostgres gives each folder a database of its own.
type onPostgres struct {
	inProcess
	t *testing.T
}

func (p onPostgres) Run(ctx context.Context, dir string, asOf time.Time) error {
	if err := p.database(dir); err != nil {
		return err
	}
	return p.inProcess.Run(ctx, dir, asOf)
}

// database has the folder's configuration name a database of its own.
func (p onPostgres) database(dir string) error {
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte("sqlite://mailreeve.db")) {
		return err
	}
	text = bytes.Replace(text, []byte("sqlite://mailreeve.db"), []byte(strconv.Quote(cluster.New(p.t))), 1)
	return os.WriteFile(path, text, 0o600)
}

// The same on Postgres.
func TestMarketsOnPostgres(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 4), number(t, "MAILREEVE_TEST_SEED", 900)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			markettest.Check(t, seed, onPostgres{t: t})
		})
	}
}

// withCrews has two workers beside the night, which read its files and judge its apps.
type withCrews struct {
	onPostgres
	crews map[string]bool // folders that have theirs
}

func (p withCrews) Run(ctx context.Context, dir string, asOf time.Time) error {
	if !p.crews[dir] {
		p.crews[dir] = true
		if err := p.database(dir); err != nil {
			return err
		}
		for range 2 {
			crew, stop := context.WithCancel(context.Background())
			ended := make(chan string, 1)
			go func() {
				var out, errs bytes.Buffer
				if code := execute(crew, []string{"worker", "-c", filepath.Join(dir, "mailreeve.yaml")}, &out, &errs); code != exitDone {
					ended <- fmt.Sprintf("exit %d: %s", code, errs.String())
				}
				close(ended)
			}()
			p.t.Cleanup(func() {
				stop()
				if what, bad := <-ended; bad {
					p.t.Errorf("a worker ended with %s", what)
				}
			})
		}
		if err := p.wait(ctx, dir, 2); err != nil {
			return err
		}
	}
	return p.inProcess.Run(ctx, dir, asOf)
}

// wait waits until crews are there.
func (p withCrews) wait(ctx context.Context, dir string, n int) error {
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, cfg.StoreURL())
	if err != nil {
		return err
	}
	defer s.Close()
	for end := time.Now().Add(20 * time.Second); ; {
		list, err := s.Crews(ctx)
		if err != nil || len(list) >= n {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d workers are there", len(list), n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// The same where the night is spread over workers.
func TestMarketsWithWorkers(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 3), number(t, "MAILREEVE_TEST_SEED", 1700)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := withCrews{onPostgres{t: t}, map[string]bool{}}
			markettest.Check(t, seed, r)
			spread := 0
			for dir := range r.crews {
				spread += jobs(t, dir)
			}
			if spread == 0 {
				t.Error("nothing was spread")
			}
		})
	}
}

// jobs counts the parts that went through the queue.
func jobs(t *testing.T, dir string) (n int) {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("postgres", cfg.StoreURL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM river_job WHERE kind IN ('segment', 'examine')`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A blinking runner looks at every night twice: first with some of its sources gone, then with all of them.
type blinking struct {
	inProcess
	rng *rand.Rand
}

func (b blinking) Run(ctx context.Context, dir string, asOf time.Time) error {
	for _, sub := range []string{"logs", "status", "registry", "captures", "canary", "signals", "accounts"} {
		if b.rng.IntN(2) == 0 {
			continue
		}
		from, to := filepath.Join(dir, sub), filepath.Join(dir, sub+".gone")
		if os.Rename(from, to) != nil {
			continue
		}
		err := b.inProcess.Run(ctx, dir, asOf)
		if rerr := os.Rename(to, from); rerr != nil {
			return rerr
		}
		if !errors.Is(err, markettest.ErrPartial) {
			return fmt.Errorf("without %s: want a source that could not be looked at, got %w", sub, err)
		}
	}
	return b.inProcess.Run(ctx, dir, asOf)
}

// What could not be looked at is left as it is, and examined later: nights on which sources are gone change nothing in the end.
func TestMarketsWithBlindNights(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 15), number(t, "MAILREEVE_TEST_SEED", 500)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			markettest.Check(t, seed, blinking{rng: rand.New(rand.NewPCG(seed, 3))})
		})
	}
}

func at(s string) audit.Instant {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return audit.At(t)
}
