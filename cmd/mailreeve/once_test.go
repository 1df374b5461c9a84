package main

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
)

// scheduledDir is a folder with a market on a Postgres of its own, and a schedule. The market is as of the past, so that its nights are now.
func scheduledDir(t *testing.T, seed uint64, spec string) (dir string, db *sql.DB) {
	t.Helper()
	m := market.New(seed)
	dir = marketDir(t, m)
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	address := cluster.New(t)
	text = bytes.Replace(text, []byte("sqlite://mailreeve.db"), []byte(strconv.Quote(address)), 1)
	if err := os.WriteFile(path, append([]byte("schedule: "+strconv.Quote(spec)+"\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Whole().Apply(dir); err != nil {
		t.Fatal(err)
	}
	if db, err = sql.Open("postgres", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return dir, db
}

// finished gives the runs that finished, the first first.
func finished(t *testing.T, dir string) []audit.Run {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), cfg.StoreURL())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	runs, err := s.Runs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	runs = slices.DeleteFunc(runs, func(r audit.Run) bool { return r.Status != audit.Finished })
	slices.Reverse(runs)
	return runs
}

// await waits until something holds.
func await(t *testing.T, what string, patience time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// Two schedulers, of which the one that runs the night is killed in the middle of it: the other runs it, and every later night is run by one of them.
func TestTwoSchedulersRunANightOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for a minute to come")
	}
	binary := built(t)
	dir, db := scheduledDir(t, 12, "CRON_TZ=UTC * * * * *")
	logs := map[string]*syncBuffer{}
	serve := func(name string) *exec.Cmd {
		logs[name] = &syncBuffer{}
		cmd := exec.CommandContext(t.Context(), binary, "serve", "-c", filepath.Join(dir, "mailreeve.yaml"))
		cmd.Env = append(os.Environ(), "PGAPPNAME="+name)
		cmd.Stdout, cmd.Stderr = logs[name], logs[name]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s:\n%s", name, logs[name])
			}
		})
		return cmd
	}
	var out, errs bytes.Buffer
	if code := execute(t.Context(), []string{"run", "-c", filepath.Join(dir, "mailreeve.yaml")}, &out, &errs); code != exitDone && code != exitBlind {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	// Nobody was there for an hour: both see sixty missed nights.
	if _, err := db.Exec(`UPDATE runs SET finished_at = finished_at - $1`, int64(time.Hour)); err != nil {
		t.Fatal(err)
	}
	block, err := db.Begin() // the night stands still in its middle
	if err != nil {
		t.Fatal(err)
	}
	if _, err := block.Exec(`LOCK TABLE trail IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	schedulers := map[string]*exec.Cmd{"first": serve("first"), "second": serve("second")}
	var holder string
	await(t, "one of them is in the middle of a night", 20*time.Second, func() bool {
		err := db.QueryRow(`SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
			AND application_name IN ('first', 'second') AND EXISTS (SELECT 1 FROM runs WHERE status = 'running')`).Scan(&holder)
		return err == nil
	})
	time.Sleep(200 * time.Millisecond) // the other comes and waits
	if err := schedulers[holder].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = schedulers[holder].Wait() // it was killed
	if err := block.Rollback(); err != nil {
		t.Fatal(err)
	}
	await(t, "the other makes up what was missed", 20*time.Second, func() bool { return len(finished(t, dir)) == 2 })
	made := finished(t, dir)[1]
	if made.ScheduledAt == audit.Never || made.AsOf < made.ScheduledAt || made.ScheduledAt.Time().Second() != 0 {
		t.Errorf("made up the night of %s as of %s", made.ScheduledAt, made.AsOf)
	}
	schedulers[holder] = serve(holder)
	await(t, "the next night", 75*time.Second, func() bool { return len(finished(t, dir)) == 3 })
	night := finished(t, dir)[2]
	if gap := night.ScheduledAt.Time().Sub(made.ScheduledAt.Time()); gap <= 0 || gap%time.Minute != 0 || night.AsOf != max(night.ScheduledAt, made.AsOf) {
		t.Errorf("the night of %s as of %s, after the one of %s as of %s", night.ScheduledAt, night.AsOf, made.ScheduledAt, made.AsOf)
	}
	for _, cmd := range schedulers {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for name, cmd := range schedulers {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Both were there for the last night, one ran it: had the other, there would be a fourth.
	if n := len(finished(t, dir)); n != 3 {
		t.Errorf("%d runs finished", n)
	}
	var digests int
	for _, log := range logs {
		digests += strings.Count(log.String(), "Audit as of")
	}
	if digests != 2 {
		t.Errorf("%d digests of 2 nights", digests)
	}
}

// Machines whose clocks differ by minutes run each scheduled time once, and none keeps another from it: the night's time counts, not the clock.
func TestSchedulersWhoseClocksDiffer(t *testing.T) {
	t.Parallel()
	dir, _ := scheduledDir(t, 12, "CRON_TZ=UTC * * * * *")
	now := time.Now().UTC().Truncate(time.Minute)
	machine := func(off time.Duration) *system {
		c := &cli{out: &bytes.Buffer{}, err: &bytes.Buffer{}, clock: func() time.Time { return time.Now().Add(off) }, config: filepath.Join(dir, "mailreeve.yaml")}
		s, err := c.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.close() })
		return s
	}
	exact, ahead, behind := machine(0), machine(7*time.Minute), machine(-7*time.Minute)
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	night := func(s *system, scheduled, asOf int) {
		t.Helper()
		if err := s.scheduled(context.Background(), minute(scheduled), minute(asOf)); err != nil {
			t.Errorf("the night of %d as of %d: %v", scheduled, asOf, err)
		}
	}
	night(ahead, 0, 0)  // too early by everybody else's clock
	night(exact, 0, 0)  // has been run
	night(behind, 0, 0) // and again
	night(ahead, 2, 7)  // makes up what nobody ran, as of its now
	night(exact, 1, 1)  // that stood for this one
	night(exact, 2, 2)  // this is the one
	night(exact, 3, 3)  // not refused, though as-of 7 was before
	night(behind, 3, 3)
	night(behind, 1, 1)
	night(ahead, 8, 8)
	night(exact, 8, 8)
	var got []string
	for _, r := range finished(t, dir) {
		got = append(got, strconv.Itoa(int(r.ScheduledAt.Time().Sub(now).Minutes()))+" as of "+strconv.Itoa(int(r.AsOf.Time().Sub(now).Minutes())))
	}
	if want := []string{"0 as of 0", "2 as of 7", "3 as of 7", "8 as of 8"}; !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
	// A run as of next year is another matter: it is somebody's mistake, and no night follows it.
	if _, err := exact.audit(t.Context(), audit.Options{AsOf: audit.At(minute(9).AddDate(1, 0, 0)), ScheduledAt: audit.Never}, true, nil); err != nil {
		t.Fatal(err)
	}
	if err := exact.scheduled(t.Context(), minute(10), minute(10)); err == nil {
		t.Error("a night after a run as of next year")
	}
}
