package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	if what := os.Getenv("STORE_TEST_CHILD"); what != "" {
		if err := child(what, os.Getenv("STORE_TEST_URL")); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if err := cluster.Close(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// child is what another process does to a store.
func child(what, url string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	switch what {
	case "open":
		return s.Close()
	case "hold": // a night that is killed in the middle
		l, err := s.Lock(ctx, false)
		if err != nil {
			return err
		}
		run := byHand()
		if err := s.Night(l).Begin(ctx, run); err != nil {
			return err
		}
		if err := s.StageQuarantine(ctx, run.Seq, []audit.Quarantined{{File: 1, Line: 7, Reason: "bad", Text: "x"}}); err != nil {
			return err
		}
		fmt.Println("holding")
		time.Sleep(time.Minute)
		return nil
	case "publish": // a night that is killed while it publishes
		l, err := s.Lock(ctx, true)
		if err != nil {
			return err
		}
		run := byHand()
		if err := s.Night(l).Begin(ctx, run); err != nil {
			return err
		}
		p := large(run, 400, 100)
		fmt.Println("holding")
		err = s.Night(l).Publish(ctx, p)
		fmt.Println("published", err)
		time.Sleep(time.Minute)
		return err
	}
	return errors.New("what?")
}

// startChild starts another process on the store and waits until it says "holding".
func startChild(t *testing.T, what, url string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+what, "STORE_TEST_URL="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // it may be gone already
	buf := make([]byte, 200)
	n, err := out.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "holding") {
		t.Fatalf("the child said %q, %v", buf[:n], err)
	}
	return cmd
}

// on runs a test on a new store of either kind.
func on(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite://"+filepath.Join(t.TempDir(), "store #1 %41.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, cluster.New(t))
	})
}

func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func lock(t testing.TB, s *store.Store) *store.Lease {
	t.Helper()
	l, err := s.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, l.Release()) })
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails unless err is of kind want and says something to the operator.
func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func same(t interface {
	Helper()
	Errorf(format string, args ...any)
}, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b audit.IDs) bool { return cmp.Equal(a.Strings(), b.Strings()) }), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s: -want +got\n%s", what, d)
	}
}

const (
	day0 = audit.Day(20000)
	t0   = audit.Instant(20000) * audit.Instant(24*time.Hour)
)

func byHand() *audit.Run {
	return &audit.Run{AsOf: t0, ScheduledAt: audit.Never, StartedAt: t0, FinishedAt: audit.Never, By: "cli:test@host"}
}

// begin begins a run by hand.
func begin(t testing.TB, s *store.Store, l *store.Lease) *audit.Run {
	t.Helper()
	run := byHand()
	must(t, s.Night(l).Begin(t.Context(), run))
	return run
}

// finish is a publication of run with nothing but apps.
func finish(run *audit.Run, apps ...audit.AppUpdate) *audit.Publication {
	run.FinishedAt = run.StartedAt + 1
	return &audit.Publication{Run: run, Purged: audit.StateDay, Apps: apps}
}

func finding(app, check, subject string) audit.Finding {
	return audit.Finding{ID: audit.FindingID(check, app, subject), Check: check, App: app, Subject: subject, Clause: "P6", Severity: audit.Critical,
		Confidence: audit.Certain, Status: audit.Open, Title: "a title", FirstSeen: t0, LastSeen: t0, FirstRun: "R-000001", LastRun: "R-000001",
		Occurrences: 1, Accounts: 2, Sites: 1, NotifiedAt: audit.Never, DueAt: audit.Never}
}

func entry(what, finding string) audit.TrailEntry {
	return audit.TrailEntry{At: t0, Who: "night", What: what, Finding: finding, Why: "because", Details: map[string]any{"accounts": 3.0}}
}

// large is a publication of many contributions.
func large(run *audit.Run, apps, each int) *audit.Publication {
	p := finish(run)
	sites := audit.NewIDs("f58131cb-b67d-43c7-b30d-6b58d40bd077")
	for a := range apps {
		u := audit.AppUpdate{Key: fmt.Sprintf("com.app.%05d", a), StatesAt: audit.Never}
		for i := range each {
			var ids []string
			for k := range 5 {
				ids = append(ids, fmt.Sprintf("%024x", a*1000000+i*10+k))
			}
			u.Put = append(u.Put, audit.Contribution{Check: "purpose-prohibited", App: u.Key, Subject: fmt.Sprintf("s-%d", i%10), Day: day0 + audit.Day(i),
				Occurrences: []uint64{uint64(i) << 40, uint64(i)<<40 + 77, 1 << 62}, First: t0, Last: t0 + 5, Accounts: audit.NewIDs(ids...), Sites: sites,
				Evidence: []audit.Evidence{{At: t0, Source: audit.Source{File: 3, Line: 12345}, Site: sites.At(0), Account: ids[0], Detail: "declared marketing"}}})
		}
		f := finding(u.Key, "purpose-prohibited", "s-0")
		u.Findings = append(u.Findings, f)
		u.Trail = append(u.Trail, entry("filed", f.ID))
		u.Headers = append(u.Headers, audit.DayHeader{Day: day0, FirstRetrieval: t0, LastRetrieval: t0, LastReport: audit.Ever,
			RetrievalAfterReport: audit.Ever, Newest: t0})
		p.Apps = append(p.Apps, u)
	}
	return p
}
