//go:build linux

package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
	"github.com/mailreeve/mailreeve/internal/slackfake"
)

// A setting is where an estate's parts are.
type setting struct {
	store   string   // empty: SQLite, in the folder
	reached string   // the same store, as the harness reaches it; empty: in the same way
	archive string   // empty: in the folder
	slackAt string   // the address on which Slack listens; empty: this machine's own
	night   []string // what the command line of a night begins with, such as ip netns exec
	workers [][]string
}

// An estate is a configuration, its files, its store and archive, its Slack, and the workers that are kept alive.
type estate struct {
	setting
	lab     *lab
	dir     string
	slack   *slack
	workers []*worker
}

func (l *lab) newEstate(m *market.Market, s setting) (*estate, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, err
	}
	e := &estate{setting: s, lab: l, dir: dir}
	if e.store == "" {
		e.store = "sqlite://" + filepath.Join(dir, "mailreeve.db")
	}
	if e.reached == "" {
		e.reached = e.store
	}
	if e.archive == "" {
		e.archive = filepath.Join(dir, "mailreeve.archive")
	}
	if e.slack, err = newSlack(s.slackAt); err != nil {
		return nil, err
	}
	if err := e.setKey(); err != nil {
		return nil, err
	}
	config := strings.NewReplacer("sqlite://mailreeve.db", strconv.Quote(e.store), "archive: mailreeve.archive", "archive: "+strconv.Quote(e.archive)).Replace(m.Config())
	config += fmt.Sprintf("slack: {channel: \"#audit\", token_env: MAILREEVE_FAULTS_TOKEN, api_url: %q}\nworkers: 2\nlog: {level: debug}\n", e.slack.url)
	if err := os.WriteFile(e.config(), []byte(config), 0o600); err != nil {
		return nil, err
	}
	for _, prefix := range s.workers {
		e.workers = append(e.workers, e.keep(prefix))
	}
	return e, nil
}

// setKey creates the store and gives it the key that all have here: of facts of one instant it decides which come first, and so which are shown as evidence.
func (e *estate) setKey() error {
	s, err := store.Open(context.Background(), e.reached)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	driver, name := "postgres", e.reached
	if path, ok := strings.CutPrefix(e.reached, "sqlite://"); ok {
		driver, name = "sqlite", path
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return err
	}
	_, err = db.Exec(`UPDATE meta SET value = '` + strings.Repeat("a1", 32) + `' WHERE name = 'archive_key'`)
	return errors.Join(err, db.Close())
}

func (e *estate) config() string { return filepath.Join(e.dir, "mailreeve.yaml") }

// close ends what the estate runs. Its folder stays until the lab's goes.
func (e *estate) close() {
	for _, w := range e.workers {
		w.stop()
	}
	e.slack.close()
}

// apply brings a night's files, and waits until they are older than just changed: of such a file a night says that it may be another the next time, and
// reads it again then, which counts its lines once more as duplicates.
func (e *estate) apply(n market.Night) error {
	defer time.Sleep(100 * time.Millisecond)
	return n.Files.Apply(e.dir)
}

// A process is a running mailreeve.
type process struct {
	cmd   *exec.Cmd
	began time.Time
	ended chan struct{}
	over  time.Time // when it ended
	code  int       // once it has ended; -1: by a signal

	mu   sync.Mutex
	text bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// last is the last line that it said: its error, where it failed.
func (p *process) last() string {
	lines := strings.Split(strings.TrimSpace(p.said()), "\n")
	return lines[len(lines)-1]
}

// start starts mailreeve, behind a prefix.
func (e *estate) start(prefix []string, args ...string) (*process, error) {
	line := append(append([]string{}, prefix...), e.lab.binary)
	line = append(line, args...)
	line = append(line, "-c", e.config())
	p := &process{cmd: exec.Command(line[0], line[1:]...), began: time.Now(), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "MAILREEVE_FAULTS_TOKEN="+slackfake.BotToken)
	p.cmd.Stderr = p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the state tells
		p.code, p.over = p.cmd.ProcessState.ExitCode(), time.Now()
		close(p.ended)
	}()
	return p, nil
}

// run starts a night.
func (e *estate) run(asOf time.Time) (*process, error) {
	return e.start(e.night, "run", "--as-of", asOf.UTC().Format(time.RFC3339Nano))
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// wait waits until it has ended.
func (p *process) wait(ctx context.Context, patience time.Duration) error {
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("a run did not end within %s; it said:\n%s", patience, p.said())
	}
}

// done says that the night finished, perhaps without all of its sources.
func (p *process) done() bool { return p.code == 0 || p.code == 3 }

func (p *process) took() time.Duration { return p.over.Sub(p.began) }

// The stages of a run.
const (
	starting   = "start"
	reading    = "read"
	judging    = "judge"
	keeping    = "archive"
	publishing = "publish"
	delivering = "deliver"
)

// stages is the stages in order.
var stages = []string{starting, reading, judging, keeping, publishing, delivering}

// stage is how far the run is, by what it logs.
func (p *process) stage() string {
	said, n := p.said(), 0
	for i, begins := range []string{"", `msg="run begun"`, "step=read", "step=judge", `step="make the archive durable"`, "step=publish"} {
		if strings.Contains(said, begins) {
			n = i
		}
	}
	return stages[n]
}

// reaches waits until the run has come to a stage, or has ended.
func (p *process) reaches(stage string) {
	for slices.Index(stages, p.stage()) < slices.Index(stages, stage) {
		select {
		case <-p.ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// finish runs a night again and again until it has finished, as an operator or a supervisor does.
func (e *estate) finish(ctx context.Context, asOf time.Time) (runs int, said []string, err error) {
	for end := time.Now().Add(patience); ; {
		p, err := e.run(asOf)
		if err != nil {
			return runs, said, err
		}
		runs++
		if err := p.wait(ctx, patience); err != nil {
			return runs, said, err
		}
		if p.done() {
			return runs, said, nil
		}
		said = append(said, p.last())
		if p.code != 1 || time.Now().After(end) {
			return runs, said, fmt.Errorf("the night as of %s does not finish: exit %d: %s", asOf, p.code, p.said())
		}
		select {
		case <-ctx.Done():
			return runs, said, ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// A worker is a worker process that is started again whenever it ends.
type worker struct {
	mu   sync.Mutex
	now  *process
	quit chan struct{}
	over chan struct{}
	err  error
}

func (e *estate) keep(prefix []string) *worker {
	w := &worker{quit: make(chan struct{}), over: make(chan struct{})}
	go func() {
		defer close(w.over)
		for {
			p, err := e.start(prefix, "worker")
			if err != nil {
				w.err = err
				return
			}
			w.mu.Lock()
			w.now = p
			w.mu.Unlock()
			select {
			case <-p.ended:
			case <-w.quit:
				p.kill()
				return
			}
			select {
			case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
			case <-w.quit:
				return
			}
		}
	}()
	return w
}

func (w *worker) stop() {
	close(w.quit)
	<-w.over
}

// process is the one that runs now, or ran last.
func (w *worker) process() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// ready waits until all workers have signed on.
func (e *estate) ready(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		n, err := e.crews(ctx)
		if err == nil && n >= len(e.workers) {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("%d of %d workers are there", n, len(e.workers)), err)
		}
	}
}

func (e *estate) crews(ctx context.Context) (n int, err error) {
	s, err := store.Open(ctx, e.reached)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	list, err := s.Crews(ctx)
	for _, c := range list {
		if c.Silent < store.Silence {
			n++
		}
	}
	return n, err
}
