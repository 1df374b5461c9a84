package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
)

// TestABackupMadeWhileNightsRun: the store first, then the archive, as docs/operations.md has it, at any moment. What is restored is whole, and one run
// over the input that is still there finds what was lost since: the same findings, with the same accounts.
func TestABackupMadeWhileNightsRun(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		backups(t, func(*testing.T) string { return "sqlite://mailreeve.db" },
			func(t *testing.T, dir, _, to string) {
				db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "mailreeve.db"))
				ok(t, err)
				defer db.Close()
				_, err = db.Exec(`PRAGMA busy_timeout = 10000; VACUUM INTO ?`, filepath.Join(to, "mailreeve.db"))
				ok(t, err)
			},
			func(t *testing.T, from, dir, _ string) {
				copyFile(t, filepath.Join(from, "mailreeve.db"), filepath.Join(dir, "mailreeve.db"))
			})
	})
	t.Run("postgres", func(t *testing.T) {
		for _, program := range []string{"pg_dump", "pg_restore"} {
			if _, err := exec.LookPath(program); err != nil {
				t.Skipf("%s is missing", program) // it comes with the server that the other tests need
			}
		}
		run := func(t *testing.T, program string, args ...string) {
			t.Helper()
			if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", program, err, out)
			}
		}
		backups(t, func(t *testing.T) string { return cluster.New(t) },
			func(t *testing.T, _, url, to string) {
				run(t, "pg_dump", "--format=custom", "--file="+filepath.Join(to, "mailreeve.dump"), "--dbname="+url)
			},
			func(t *testing.T, from, _, url string) {
				run(t, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--dbname="+url, filepath.Join(from, "mailreeve.dump"))
			})
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// backups runs nights, makes backups all the time, and restores each.
func backups(t *testing.T, newStore func(*testing.T) string, save func(t *testing.T, dir, url, to string), restore func(t *testing.T, from, dir, url string)) {
	m := market.New(815)
	nights := m.Nights(rand.New(rand.NewPCG(815, 2)), 5)
	dir := marketDir(t, m)
	path := filepath.Join(dir, "mailreeve.yaml")
	named, url := "sqlite://mailreeve.db", ""
	use := func(next string) { // names another store in the configuration
		text, err := os.ReadFile(path)
		ok(t, err)
		if !bytes.Contains(text, []byte(named)) {
			t.Fatalf("the configuration does not name %s", named)
		}
		ok(t, os.WriteFile(path, bytes.Replace(text, []byte(named), []byte(next), 1), 0o600))
		named, url = next, next
	}
	use(newStore(t))
	var saved []string
	for i, n := range nights {
		apply(t, dir, n)
		done := make(chan error, 1)
		go func() { done <- inProcess{}.Run(context.Background(), dir, n.AsOf) }()
		if i == 0 { // there is nothing to save yet
			ok(t, <-done)
			continue
		}
		for running := true; running; {
			to := t.TempDir()
			save(t, dir, url, to)
			linkArchive(t, filepath.Join(dir, "mailreeve.archive"), filepath.Join(to, "mailreeve.archive"))
			saved = append(saved, to)
			select {
			case err := <-done:
				ok(t, err)
				running = false
			default:
			}
		}
	}
	want := standing(t, dir)
	const most = 6
	for len(saved) > most { // of many, some from everywhere
		for i := 1; i < len(saved) && len(saved) > most; i++ {
			saved = append(saved[:i], saved[i+1:]...)
		}
	}
	for _, from := range saved {
		for _, lost := range []string{"mailreeve.db", "mailreeve.db-wal", "mailreeve.db-shm", "mailreeve.db.heads", "mailreeve.archive"} {
			ok(t, os.RemoveAll(filepath.Join(dir, lost)))
		}
		use(newStore(t))
		restore(t, from, dir, url)
		ok(t, os.CopyFS(filepath.Join(dir, "mailreeve.archive"), os.DirFS(filepath.Join(from, "mailreeve.archive"))))
		if err := os.Remove(filepath.Join(dir, "mailreeve.archive", "mailreeve.heads")); !errors.Is(err, fs.ErrNotExist) { // it is ahead of the store
			ok(t, err)
		}
		_, said, _ := mailreeve(t, dir, "doctor")
		for _, about := range []string{"store", "archive", "trail"} {
			if !regexp.MustCompile(`(?m)^ok +` + about + ` `).MatchString(said) {
				t.Errorf("doctor does not say that the %s is ok:\n%s", about, said)
			}
		}
		if code, _, errs := mailreeve(t, dir, "verify"); code != exitDone {
			t.Errorf("verify: %s", errs)
		}
		ok(t, inProcess{}.Run(context.Background(), dir, nights[len(nights)-1].AsOf))
		if diff := cmp.Diff(want, standing(t, dir)); diff != "" {
			t.Errorf("a restored backup became another (-undisturbed +restored):\n%s", diff)
		}
	}
	t.Logf("%d backups were restored", len(saved))
}

// standing is what is not resolved, with all that it holds.
func standing(t *testing.T, dir string) map[string]any {
	t.Helper()
	list, err := inProcess{}.findings(t.Context(), dir)
	ok(t, err)
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	ok(t, err)
	s, err := store.Open(t.Context(), cfg.StoreURL())
	ok(t, err)
	defer s.Close()
	out := map[string]any{}
	for _, f := range list {
		held, err := s.Holding(t.Context(), f.ID)
		ok(t, err)
		out[f.ID] = []any{f.Occurrences, f.Severity, f.Confidence, held.Accounts.Strings(), held.Sites.Strings(), held.Hosts.Strings()}
	}
	return out
}

// linkArchive gives the archive's files another name, as cp -al does. One that is swept meanwhile is named by no store.
func linkArchive(t *testing.T, from, to string) {
	t.Helper()
	ok(t, os.Mkdir(to, 0o700))
	entries, err := os.ReadDir(from)
	ok(t, err)
	for _, e := range entries {
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
