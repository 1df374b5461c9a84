package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

func TestOpenSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o644))
		return path
	}
	for _, c := range []struct {
		name, url, says string
		kind            error
	}{
		{"missing folder", "sqlite://" + filepath.Join(dir, "no", "such", "x.db"), "create it", nil},
		{"a folder", "sqlite://" + dir, "name a file", nil},
		{"no path", "sqlite://", "path of the file is missing", nil},
		{"another database", "mysql://x", "write sqlite://PATH", nil},
		{"no database", "sqlite://" + write("text.db", strings.Repeat("this is no database\n", 1000)), "restore the file", store.ErrDamaged},
		{"cut off", "sqlite://" + write("cut.db", "SQLite format 3\x00\x10\x00\x02\x02\x00\x40\x20\x20\x00\x00\x00\x09"), "restore the file", store.ErrDamaged},
		{"no server", "postgres://u:secret@127.0.0.1:1/db?sslmode=disable", "postgres://u@127.0.0.1:1/db", nil},
		{"no address", "postgres://u:secret@ho st/db", "cannot be read", nil},
		{"unknown setting", "postgres://u:secret@127.0.0.1/db?sslmode=maybe", "sslmode", nil},
	} {
		_, err := store.Open(t.Context(), c.url)
		if err == nil || !strings.Contains(err.Error(), c.says) || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", c.name, err)
		}
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	open(t, "sqlite://x.db")
	if _, err := os.Stat("x.db"); err != nil {
		t.Error(err)
	}
}

func TestLinksLeadToOneLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "sqlite://"+filepath.Join(dir, "x.db"))
	must(t, os.Symlink("x.db", filepath.Join(dir, "y.db")))
	lock(t, s)
	_, err := open(t, "sqlite://"+filepath.Join(dir, "y.db")).Lock(t.Context(), false)
	is(t, err, store.ErrLocked)
}

// TestReadOnly opens stores as a user who may not write them.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	s, err := store.Open(t.Context(), "sqlite://"+path)
	must(t, err)
	must(t, s.Close())
	for _, c := range []struct {
		file, dir os.FileMode
	}{{0o444, 0o755}, {0o644, 0o555}, {0o000, 0o755}, {0o444, 0o777}} {
		must(t, os.Chmod(path, c.file))
		must(t, os.Chmod(dir, c.dir))
		out, err := openAsNobody(t, "sqlite://"+path)
		must(t, os.Chmod(dir, 0o755))
		if err == nil || !strings.Contains(out, store.ErrReadOnly.Error()) {
			t.Errorf("file %v in folder %v: %v, %s", c.file, c.dir, err, out)
		}
	}
}

// openAsNobody opens a store in a process without rights.
func openAsNobody(t *testing.T, url string) (string, error) {
	t.Helper()
	binary := os.Args[0]
	cmd := exec.Command(binary)
	if os.Geteuid() == 0 {
		dir, err := os.MkdirTemp("", "store-test-")
		must(t, err)
		defer os.RemoveAll(dir)
		must(t, os.Chmod(dir, 0o755))
		from, err := os.Open(binary)
		must(t, err)
		defer from.Close()
		binary = filepath.Join(dir, "store.test")
		to, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
		must(t, err)
		_, err = io.Copy(to, from)
		must(t, errors.Join(err, to.Close()))
		must(t, os.Chmod(binary, 0o755))
		cmd = exec.Command(binary)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Dir = os.TempDir()
	cmd.Env = []string{"STORE_TEST_CHILD=open", "STORE_TEST_URL=" + url, "TMPDIR=" + os.TempDir()}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestLockedByAnother(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	other := open(t, "sqlite://"+path)
	s, err := store.OpenImpatient(ctx, path, 100*time.Millisecond)
	must(t, err)
	defer s.Close()
	must(t, other.Exec(ctx, `BEGIN IMMEDIATE`))
	is(t, s.Record(ctx, entry("x", "")), store.ErrBusy)
	if _, err := s.Ledger(ctx); err != nil {
		t.Errorf("reading while another writes: %v", err)
	}
	start := time.Now()
	open(t, "sqlite://"+path)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("opening waited %v for a writer", took)
	}
	must(t, other.Exec(ctx, `ROLLBACK`))
	must(t, s.Record(ctx, entry("x", "")))

	// A program that keeps the whole file to itself.
	alone := filepath.Join(t.TempDir(), "y.db")
	greedy, err := sql.Open("sqlite", alone)
	must(t, err)
	greedy.SetMaxOpenConns(1)
	for _, q := range []string{`PRAGMA locking_mode = EXCLUSIVE`, `CREATE TABLE z (a)`} {
		_, err := greedy.ExecContext(ctx, q)
		must(t, err)
	}
	_, err = store.OpenImpatient(ctx, alone, 100*time.Millisecond)
	is(t, err, store.ErrBusy)
	must(t, greedy.Close())
	open(t, "sqlite://"+alone)
}

func TestDamagedPages(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := store.Open(ctx, "sqlite://"+path)
	must(t, err)
	l, err := s.Lock(ctx, false)
	must(t, err)
	must(t, s.Night(l).Publish(ctx, large(begin(t, s, l), 50, 50)))
	must(t, errors.Join(l.Release(), s.Close()))
	content, err := os.ReadFile(path)
	must(t, err)
	for i := 60 * 4096; i < len(content); i++ {
		content[i] = byte(i * 7)
	}
	must(t, os.WriteFile(path, content, 0o644))
	s, err = store.Open(ctx, "sqlite://"+path)
	if err == nil {
		defer s.Close()
		for a := range 50 {
			if _, err = s.ContributionsOf(ctx, audit.FindingDays{FindingKey: audit.FindingKey{Check: "purpose-prohibited", App: fmt.Sprintf("com.app.%05d", a), Subject: "s-0"}}); err != nil {
				break
			}
		}
	}
	is(t, err, store.ErrDamaged)
}

func TestDiskFull(t *testing.T) {
	ctx := t.Context()
	s := open(t, "sqlite://"+filepath.Join(t.TempDir(), "x.db"))
	l := lock(t, s)
	run := begin(t, s, l)
	must(t, s.Exec(ctx, `PRAGMA max_page_count = 200`))
	err := s.Night(l).Publish(ctx, large(run, 100, 100))
	if err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("publishing on a full disk: %v", err)
	}
	led, err := s.Ledger(ctx)
	must(t, err)
	if led.Last != nil || len(led.Apps) > 0 {
		t.Error("a part of the night shows")
	}
	must(t, s.Exec(ctx, `PRAGMA max_page_count = 1000000`))
	must(t, s.Night(l).Publish(ctx, large(run, 100, 100)))
}

// TestOldNightKeepsMigrationsOut: the tables do not change under a night that runs.
func TestOldNightKeepsMigrationsOut(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, "sqlite://"+path)
	l := lock(t, s)
	must(t, s.Exec(ctx, `DELETE FROM goose_db_version WHERE version_id > 0`))
	_, err := store.OpenImpatient(ctx, path, 200*time.Millisecond)
	is(t, err, store.ErrLocked)
	must(t, s.Exec(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1)`))
	must(t, s.Night(l).Publish(ctx, finish(begin(t, s, l), audit.AppUpdate{Key: "a", StatesAt: audit.Never})))
}
