//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/lib/pq" // the harness looks into the workers' parts

	"github.com/mailreeve/mailreeve/internal/pgtest"
)

// onSQLite is a night in one process.
func onSQLite(*lab) (setting, error) { return setting{}, nil }

// onPostgres is a night that is spread over two workers, in a database of its own.
func onPostgres(server *pgtest.Server) func(l *lab) (setting, error) {
	return func(l *lab) (setting, error) {
		name := fmt.Sprintf("faults_%d", l.number())
		return setting{store: server.URL("127.0.0.1", name), workers: [][]string{nil, nil}}, server.Create(name)
	}
}

func killNight(x *striking) error {
	if err := x.run.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil // it has just ended
}

// killWorker kills one of the workers: half of them while it holds a part, which is rarely met by chance.
func killWorker(x *striking) error {
	db, err := sql.Open("postgres", x.reached)
	if err != nil {
		return err
	}
	defer db.Close()
	p := x.workers[x.rng.IntN(len(x.workers))].process()
	if x.rng.IntN(2) == 0 {
		for held := false; !held; {
			select {
			case <-x.run.ended:
				held = true // no longer
				continue
			case <-time.After(time.Millisecond):
			}
			for _, w := range x.workers {
				if held, err = holding(db, w.process()); err != nil {
					return err
				}
				if held {
					p = w.process()
					x.note("the worker held a part")
					break
				}
			}
		}
	}
	_ = p.cmd.Process.Kill() // it may just be on its way
	<-p.ended
	return nil
}

// holding says whether a worker holds a part; if so, it stands still.
func holding(db *sql.DB, p *process) (bool, error) {
	holds := func() (n int, err error) {
		err = db.QueryRow(`SELECT count(*) FROM parts WHERE answer IS NULL AND holder LIKE $1`, fmt.Sprintf("%%/%d/%%", p.cmd.Process.Pid)).Scan(&n)
		return n, err
	}
	if n, err := holds(); err != nil || n == 0 {
		return false, err
	}
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // so that it cannot finish it just now
	n, err := holds()
	if err != nil || n == 0 {
		return false, errors.Join(err, p.cmd.Process.Signal(syscall.SIGCONT))
	}
	return true, nil
}

// overtake stops a night where it is, takes its lock away, and has another run of the same night finish. Then the first one goes on, and must not publish.
func overtake(x *striking) error {
	if err := x.run.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return nil // it has just ended
	}
	defer func() { _ = x.run.cmd.Process.Signal(syscall.SIGCONT) }() // unless it was over
	db, err := sql.Open("postgres", x.reached)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database
		WHERE locktype = 'advisory' AND granted AND datname = current_database()`)
	if err != nil {
		return err
	}
	first := x.run
	runs, _, err := x.finish(context.Background(), x.asOf)
	if runs > 1 {
		x.note("the other had to try again")
	}
	x.run = first
	return err
}

func killPostgres(server *pgtest.Server) func(x *striking) error {
	return func(x *striking) error {
		if err := server.Kill(); err != nil {
			return err
		}
		time.Sleep(time.Duration(x.rng.IntN(1000)) * time.Millisecond)
		return server.Start()
	}
}

func restartPostgres(server *pgtest.Server) func(x *striking) error {
	return func(*striking) error { return errors.Join(server.Stop(), server.Start()) }
}

func pausePostgres(server *pgtest.Server, pause time.Duration) func(x *striking) error {
	return func(*striking) error {
		if err := server.Pause(); err != nil {
			return err
		}
		time.Sleep(pause)
		return server.Resume()
	}
}

// A disk is a small file system of its own.
type disk struct{ path string }

func newDisk(path string, size int) (*disk, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		return nil, fmt.Errorf("mount a small disk at %s: %w", path, err)
	}
	return &disk{path}, nil
}

func (d *disk) close() error { return syscall.Unmount(d.path, syscall.MNT_DETACH) }

// fill leaves no room.
func (d *disk) fill() error {
	f, err := os.Create(filepath.Join(d.path, "filler"))
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// room makes room again.
func (d *disk) room() error { return os.Remove(filepath.Join(d.path, "filler")) }

func (d *disk) full(x *striking) error {
	x.undo = d.room
	return d.fill()
}

// names checks that a run that failed names the disk that is full, and says that it needs room.
func names(where func(e *estate) string) func(e *estate, said string) string {
	return func(e *estate, said string) string {
		if strings.Contains(said, where(e)) && strings.Contains(said, "room") {
			return ""
		}
		return "a full disk, and the run does not say that " + where(e) + " needs room"
	}
}

// replaceFile replaces a log while the run reads, and brings it back afterwards.
func replaceFile(x *striking) error {
	var logs []string
	for _, kind := range []string{"access", "reports", "installs"} {
		found, err := filepath.Glob(filepath.Join(x.dir, "logs", kind+"-*.jsonl*"))
		if err != nil {
			return err
		}
		logs = append(logs, found...)
	}
	if len(logs) == 0 {
		return nil
	}
	path := logs[x.rng.IntN(len(logs))]
	right, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	x.undo = func() error {
		if x.run != nil && x.run.done() && x.run.code != 0 {
			x.note("the run could not look at it")
		}
		if x.rng.IntN(2) == 0 {
			return os.WriteFile(path, right, 0o644)
		}
		return replace(path, right)
	}
	switch x.rng.IntN(4) {
	case 0:
		x.note("another by rename")
		return replace(path, other(x.rng, path, right))
	case 1:
		x.note("cut short in place")
		return os.Truncate(path, int64(x.rng.IntN(len(right)+1)))
	case 2:
		x.note("overwritten in place")
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(make([]byte, len(right)/3), int64(len(right)/3))
		return errors.Join(err, f.Close())
	default:
		x.note("removed")
		return os.Remove(path)
	}
}

func replace(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// other is half of a log's lines, in another order; of a compressed one half of its bytes.
func other(rng *rand.Rand, path string, text []byte) []byte {
	if filepath.Ext(path) != ".jsonl" {
		return text[:len(text)/2]
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines[len(lines)-1] += "\n"
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return []byte(strings.Join(lines[:(len(lines)+1)/2], ""))
}
