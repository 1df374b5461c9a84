// Command spread measures what it costs to share a night: the same night on SQLite, on Postgres in one process, with one worker and with two.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lib/pq"

	"github.com/mailreeve/mailreeve/bench/internal/market"
	"github.com/mailreeve/mailreeve/bench/internal/verdict"
)

func main() {
	o := options{market: market.Defaults()}
	flag.StringVar(&o.mailreeve, "mailreeve", "", "the mailreeve to measure")
	flag.StringVar(&o.postgres, "postgres", "", "a server, as postgres://user@host/database; the user must be able to create databases")
	flag.StringVar(&o.dir, "dir", filepath.Join(os.TempDir(), "mailreeve-spread"), "folder for the night, which is kept")
	flag.IntVar(&o.files, "files", 8, "files that the calls are in")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each is measured")
	flag.IntVar(&o.market.Lines, "lines", o.market.Lines, "calls")
	flag.Parse()
	if flag.NArg() > 0 || o.mailreeve == "" || o.postgres == "" {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "spread:", err)
		os.Exit(1)
	}
}

type options struct {
	mailreeve, postgres, dir string
	files, rounds            int
	market                   market.Options
}

// A way is how a night is run.
type way struct {
	name     string
	postgres bool
	workers  int // processes beside the night's, each with one hand, as the night's own
	hands    int // of the night's own process
}

var ways = []way{{"SQLite", false, 0, 2}, {"Postgres", true, 0, 2}, {"one worker", true, 1, 1}, {"two workers", true, 2, 1}}

type result struct{ wall, cpu float64 }

func bench(ctx context.Context, o options) error {
	var err error
	if o.mailreeve, err = filepath.Abs(o.mailreeve); err != nil {
		return err
	}
	if err := write(&o); err != nil {
		return err
	}
	results := make([][]result, len(ways))
	var first []verdict.Finding
	for range o.rounds {
		for i, w := range ways {
			r, found, err := measure(ctx, o, w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if first == nil {
				first = found
			}
			if d := verdict.Diff(w.name, found, ways[0].name, first); d != "" {
				return fmt.Errorf("the findings differ:\n%s", d)
			}
			results[i] = append(results[i], r)
			fmt.Fprintf(os.Stderr, "%s: %.2f s, %.2f CPU seconds\n", w.name, r.wall, r.cpu)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "night\twall s\tCPU s\tcalls per CPU s\tCPU of SQLite's, round by round\t")
	for i, w := range ways {
		var ratios []string
		for k := range results[i] {
			ratios = append(ratios, fmt.Sprintf("%.2f", results[i][k].cpu/results[0][k].cpu))
		}
		wall, cpu := median(results[i], func(r result) float64 { return r.wall }), median(results[i], func(r result) float64 { return r.cpu })
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.0f\t%s\t\n", w.name, wall, cpu, float64(o.market.Lines)/cpu, strings.Join(ratios, " "))
	}
	return t.Flush()
}

func median(list []result, of func(result) float64) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b result) int { return cmp.Compare(of(a), of(b)) })
	return of(list[len(list)/2])
}

// write writes the night, with the calls dealt out over the files in order.
func write(o *options) error {
	o.market.Dir = filepath.Join(o.dir, fmt.Sprintf("night-%d-%d", o.market.Lines, o.files))
	if _, err := os.Stat(filepath.Join(o.market.Dir, "done")); err == nil {
		return nil
	}
	if err := os.MkdirAll(o.market.Dir, 0o755); err != nil {
		return err
	}
	if err := market.Write(o.market); err != nil {
		return err
	}
	logs, err := filepath.Glob(o.market.Glob("access"))
	if err != nil || len(logs) != 1 {
		return errors.Join(err, fmt.Errorf("%s names %d files, not one", o.market.Glob("access"), len(logs)))
	}
	in, err := os.Open(logs[0])
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewReaderSize(in, 1<<20)
	each := (o.market.Lines + o.market.Lines/100) / o.files
	for i := 0; ; i++ {
		line, err := lines.Peek(1)
		if len(line) == 0 {
			break
		}
		out, err := os.Create(fmt.Sprintf("%s-part%d.jsonl", strings.TrimSuffix(logs[0], ".jsonl"), i))
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(out, 1<<20)
		for range each + 1 {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				break
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		if err := errors.Join(w.Flush(), out.Close()); err != nil {
			return err
		}
	}
	if err := os.Remove(logs[0]); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.market.Dir, "done"), nil, 0o644)
}

// measure runs the night once, in an empty folder and database.
func measure(ctx context.Context, o options, w way) (r result, found []verdict.Finding, err error) {
	dir, err := os.MkdirTemp(o.dir, "run-")
	if err != nil {
		return r, nil, err
	}
	defer os.RemoveAll(dir)
	o.market.Workers = w.hands
	config := o.market.Config(o.market.Dir)
	var address string
	if w.postgres {
		drop := func() error { return nil }
		if address, drop, err = database(ctx, o.postgres, filepath.Base(dir)); err != nil {
			return r, nil, err
		}
		defer func() { err = errors.Join(err, drop()) }()
		config = bytes.Replace(config, []byte("sqlite://mailreeve.db"), []byte(`"`+address+`"`), 1)
	}
	path := filepath.Join(dir, "mailreeve.yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return r, nil, err
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, o.mailreeve, append(args, "-c", path)...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		return cmd
	}
	var workers []*exec.Cmd
	for range w.workers {
		cmd := command("worker")
		cmd.Stderr = nil
		if err := cmd.Start(); err != nil {
			return r, nil, err
		}
		workers = append(workers, cmd)
	}
	if err := crews(ctx, address, len(workers)); err != nil {
		return r, nil, err
	}
	syscall.Sync()
	began := time.Now()
	night := command("run", "--as-of", o.market.AsOf().Format(time.RFC3339))
	if err := night.Run(); err != nil {
		return r, nil, err
	}
	r.wall = time.Since(began).Seconds()
	used := func(c *exec.Cmd) float64 { return (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds() }
	r.cpu = used(night)
	for _, c := range workers {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			return r, nil, err
		}
		if err := c.Wait(); err != nil {
			return r, nil, err
		}
		r.cpu += used(c)
	}
	list := command("findings", "list", "--status", "all", "--format", "json")
	text, err := list.Output()
	if err != nil {
		return r, nil, err
	}
	return r, found, errors.Join(json.Unmarshal(text, &found), err)
}

// database creates an empty one and gives its address.
func database(ctx context.Context, server, name string) (address string, drop func() error, err error) {
	admin, err := sql.Open("postgres", server)
	if err != nil {
		return "", nil, err
	}
	name = "mailreeve_" + strings.ReplaceAll(name, "-", "_")
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(name)); err != nil {
		return "", nil, errors.Join(err, admin.Close())
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() error {
		_, err := admin.Exec("DROP DATABASE " + pq.QuoteIdentifier(name) + " WITH (FORCE)")
		return errors.Join(err, admin.Close())
	}, nil
}

// crews waits until as many workers have signed on.
func crews(ctx context.Context, address string, n int) error {
	if n == 0 {
		return nil
	}
	db, err := sql.Open("postgres", address)
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		have := 0
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM crews`).Scan(&have)
		if e := pq.As(err); err != nil && (e == nil || e.Code != "42P01") { // no such table, yet
			return err
		}
		if have >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
