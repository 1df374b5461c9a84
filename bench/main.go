//go:build unix

// Command bench audits a synthetic night with mailreeve and does the same work in DuckDB, in turns, and compares time, memory and findings.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mailreeve/mailreeve/bench/internal/market"
	"github.com/mailreeve/mailreeve/bench/internal/verdict"
)

type options struct {
	market    market.Options
	from      string
	only      string
	sql       string
	pairs     int
	threads   int
	dir       string
	root      string
	mailreeve string
	memory    string
	keep      bool
	verbose   bool
}

func main() {
	o := options{market: market.Defaults()}
	flag.IntVar(&o.market.Lines, "lines", o.market.Lines, "calls in the night; 0.5% more are copies")
	flag.IntVar(&o.market.Apps, "apps", o.market.Apps, "apps")
	flag.IntVar(&o.market.Sites, "sites", o.market.Sites, "sites of an app")
	flag.IntVar(&o.market.Accounts, "accounts", o.market.Accounts, "accounts of a site")
	flag.Uint64Var(&o.market.Seed, "seed", o.market.Seed, "seed of the night")
	flag.StringVar(&o.from, "from", "jsonl", "how the logs come: jsonl or zst")
	flag.StringVar(&o.only, "only", "", "measure only this one: mailreeve or duckdb")
	flag.StringVar(&o.sql, "sql", "tuned", "DuckDB's statements: tuned, plain, or both in turns")
	flag.IntVar(&o.pairs, "pairs", 3, "pairs of runs")
	flag.IntVar(&o.threads, "threads", 2, "workers of mailreeve, threads of DuckDB")
	flag.StringVar(&o.dir, "dir", "", "folder for nights, programs and runs (default: in the user's cache folder)")
	flag.StringVar(&o.root, "root", "..", "mailreeve's source")
	flag.StringVar(&o.mailreeve, "mailreeve", "", "a mailreeve to measure instead of building one")
	flag.StringVar(&o.memory, "memory", "", "DuckDB's memory limit, such as 4GB (default: its own)")
	flag.BoolVar(&o.keep, "keep", false, "keep what the runs wrote")
	flag.BoolVar(&o.verbose, "v", false, "print the seconds of DuckDB's steps")
	flag.Parse()
	if flag.NArg() > 0 || !slices.Contains([]string{"jsonl", "zst"}, o.from) ||
		!slices.Contains([]string{"", "mailreeve", "duckdb"}, o.only) || !slices.Contains([]string{"tuned", "plain", "both"}, o.sql) || o.pairs < 1 || o.threads < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options) error {
	if o.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		o.dir = filepath.Join(cache, "mailreeve-bench")
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	o.market.Workers = o.threads
	o.market.Zstd = o.from == "zst"
	o.market.Dir = filepath.Join(o.dir, fmt.Sprintf("night%d-%d-%dx%dx%d-seed%d-%s", market.Version,
		o.market.Lines, o.market.Apps, o.market.Sites, o.market.Accounts, o.market.Seed, o.from))

	engines, err := build(ctx, &o)
	if err != nil {
		return err
	}
	if err := generate(o.market); err != nil {
		return err
	}
	fmt.Printf("%d calls and %d copies, from %s, %d threads, %d CPUs, %s\n\n",
		o.market.Lines, o.market.Copies(), o.from, o.threads, runtime.NumCPU(), runtime.Version())
	if err := floors(o.market); err != nil {
		return err
	}

	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nrun\tengine\twall s\tuser s\tsys s\tpeak MiB\tanonymous MiB\twritten MiB\t")
	all := make([][]result, len(engines))
	for pair := range o.pairs {
		for i, e := range engines {
			r, err := e.measure(ctx, o)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			all[i] = append(all[i], r)
			r.row(w, strconv.Itoa(pair+1), e.name)
			fmt.Fprintf(os.Stderr, "pair %d of %d: %s took %.2f s, %.2f of CPU\n", pair+1, o.pairs, e.name, r.wall, r.user+r.sys)
		}
	}
	for i, e := range engines {
		middle(all[i]).row(w, "median", e.name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := 1; i < len(engines) && engines[0].name == "mailreeve"; i++ {
		for _, of := range []struct {
			what    string
			seconds func(result) float64
		}{{"seconds", func(r result) float64 { return r.wall }}, {"CPU seconds", func(r result) float64 { return r.user + r.sys }}} {
			ratios := make([]float64, o.pairs)
			fmt.Printf("\n%s's %s for one of mailreeve's, pair by pair:", engines[i].name, of.what)
			for pair := range ratios {
				ratios[pair] = of.seconds(all[i][pair]) / of.seconds(all[0][pair])
				fmt.Printf(" %.2f", ratios[pair])
			}
			fmt.Printf("; median %.2f", median(ratios))
		}
		fmt.Println()
	}
	return compare(engines, all)
}

// compare prints what was found, and fails if the runs do not agree.
func compare(engines []engine, all [][]result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nengine\tcheck\tfindings\toccurrences\taccounts\tsites")
	for i, e := range engines {
		for _, t := range verdict.Totals(all[i][0].found.Findings) {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\n", e.name, t.Check, t.Findings, t.Occurrences, t.Accounts, t.Sites)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, e := range engines {
		if n := all[i][0].found; n.Calls > 0 {
			fmt.Printf("%s %s: %d calls, %d accounts retrieved, %d reported, %d retrieved and not reported\n",
				e.name, n.Version, n.Calls, n.Retrieved, n.Reported, n.Missing)
		}
	}
	first, name := all[len(all)-1][0], engines[len(engines)-1].name
	for i, e := range engines {
		for pair, r := range all[i] {
			if d := verdict.Diff(fmt.Sprintf("%s (run %d)", e.name, pair+1), r.found.Findings, name+" (run 1)", first.found.Findings); d != "" {
				return fmt.Errorf("the findings differ:\n%s", d)
			}
		}
	}
	switch {
	case len(engines) > 1:
		fmt.Println("All agree on every finding, in every run.")
	case len(all[0]) > 1:
		fmt.Println("All runs agree on every finding.")
	}
	return nil
}

// engine is one of those that are compared.
type engine struct {
	name string
	// run gives the command to measure, in an empty folder.
	run func(ctx context.Context, dir string) (*exec.Cmd, error)
	// found gives what it found; out is the command's stdout.
	found func(ctx context.Context, dir string, out []byte) (verdict.Night, error)
}

// build compiles what is to be measured.
func build(ctx context.Context, o *options) ([]engine, error) {
	bin := filepath.Join(o.dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	compile := func(dir, pkg, name string, env ...string) (string, error) {
		to := filepath.Join(bin, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", to, pkg)
		cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("cannot build %s: %w", name, err)
		}
		return to, nil
	}
	var engines []engine
	if o.only != "duckdb" {
		path := o.mailreeve
		var err error
		if path == "" {
			path, err = compile(o.root, "./cmd/mailreeve", "mailreeve", "CGO_ENABLED=0")
		} else {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return nil, err
		}
		engines = append(engines, mailreeve(path, o))
	}
	if o.only != "mailreeve" {
		path, err := compile(".", "./duckdb", "duckdb", "CGO_ENABLED=1")
		if err != nil {
			return nil, err
		}
		for _, sql := range []string{"tuned", "plain"} {
			if o.sql == sql || o.sql == "both" {
				engines = append(engines, duckdb(path, sql, o))
			}
		}
	}
	return engines, nil
}

func mailreeve(path string, o *options) engine {
	command := func(ctx context.Context, dir string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(o.threads))
		return cmd
	}
	return engine{
		name: "mailreeve",
		run: func(ctx context.Context, dir string) (*exec.Cmd, error) {
			err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), o.market.Config(o.market.Dir), 0o644)
			return command(ctx, dir, "run", "-c", "mailreeve.yaml", "--as-of", o.market.AsOf().Format(time.RFC3339)), err
		},
		found: func(ctx context.Context, dir string, _ []byte) (n verdict.Night, err error) {
			cmd := command(ctx, dir, "findings", "list", "-c", "mailreeve.yaml", "--status", "all", "--format", "json")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				return n, fmt.Errorf("findings list: %w\n%s", err, tail(stderr.Bytes()))
			}
			if err := json.Unmarshal(out, &n.Findings); err != nil {
				return n, fmt.Errorf("findings list: %w", err)
			}
			return n, nil
		},
	}
}

func duckdb(path, sql string, o *options) engine {
	return engine{
		name: "duckdb-" + sql,
		run: func(ctx context.Context, dir string) (*exec.Cmd, error) {
			cmd := exec.CommandContext(ctx, path, "-access", o.market.Glob("access"), "-reports", o.market.Glob("reports"),
				"-installs", o.market.Glob("installs"), "-apps", o.market.Registry(), "-complete-since", market.CompleteSince,
				"-as-of", o.market.AsOf().Format(time.RFC3339), "-db", "night.duckdb", "-threads", strconv.Itoa(o.threads),
				"-memory", o.memory, "-sql", sql, "-v="+strconv.FormatBool(o.verbose))
			cmd.Dir = dir
			if o.verbose {
				cmd.Stderr = os.Stderr
			}
			return cmd, nil
		},
		found: func(_ context.Context, _ string, out []byte) (n verdict.Night, err error) {
			return n, json.Unmarshal(out, &n)
		},
	}
}

// result is one run. Memory and what was written are in MiB.
type result struct {
	wall, user, sys        float64
	peak, anonymous, wrote float64
	found                  verdict.Night
}

func (r result) row(w io.Writer, run, engine string) {
	anonymous := "-"
	if r.anonymous > 0 {
		anonymous = fmt.Sprintf("%.0f", r.anonymous)
	}
	fmt.Fprintf(w, "%s\t%s\t%.2f\t%.2f\t%.2f\t%.0f\t%s\t%.0f\t\n", run, engine, r.wall, r.user, r.sys, r.peak, anonymous, r.wrote)
}

// middle takes the median of each number.
func middle(rs []result) result {
	of := func(f func(result) float64) float64 {
		v := make([]float64, len(rs))
		for i, r := range rs {
			v[i] = f(r)
		}
		return median(v)
	}
	return result{
		wall: of(func(r result) float64 { return r.wall }), user: of(func(r result) float64 { return r.user }),
		sys: of(func(r result) float64 { return r.sys }), peak: of(func(r result) float64 { return r.peak }),
		anonymous: of(func(r result) float64 { return r.anonymous }), wrote: of(func(r result) float64 { return r.wrote }),
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// measure runs an engine once, in a folder of its own, as a process of its own.
func (e engine) measure(ctx context.Context, o options) (r result, err error) {
	dir, err := os.MkdirTemp(o.dir, "run-"+e.name+"-")
	if err != nil {
		return r, err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	cmd, err := e.run(ctx, dir)
	if err != nil {
		return r, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	syscall.Sync() // so that no run pays for what the one before wrote
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return r, err
	}
	stop, peak := make(chan struct{}), make(chan float64)
	go func() { peak <- watch(cmd.Process.Pid, stop) }()
	err = cmd.Wait()
	r.wall = time.Since(start).Seconds()
	close(stop)
	r.anonymous = <-peak
	if err != nil {
		return r, fmt.Errorf("%w\n%s", err, tail(stderr.Bytes()))
	}
	r.user, r.sys = cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds()
	r.peak = float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	if runtime.GOOS == "darwin" {
		r.peak /= 1024
	}
	if r.wrote, err = size(dir); err != nil {
		return r, err
	}
	r.found, err = e.found(ctx, dir, stdout.Bytes())
	return r, err
}

// watch gives the most anonymous memory that a process was seen to hold, in MiB: mapped files are not in it. Linux only, else 0.
func watch(pid int, stop <-chan struct{}) (most float64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return most
		case <-tick.C:
		}
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			continue
		}
		if _, after, ok := strings.Cut(string(status), "RssAnon:"); ok {
			if kb, err := strconv.Atoi(strings.Fields(after)[0]); err == nil {
				most = max(most, float64(kb)/1024)
			}
		}
	}
}

// generate writes the night, unless it is there. The config is written last and says that all of it is.
func generate(o market.Options) error {
	_, err := os.Stat(filepath.Join(o.Dir, "mailreeve.yaml"))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Fprintf(os.Stderr, "writing the night into %s\n", o.Dir)
	defer debug.FreeOSMemory() // a child's peak starts at its parent's size
	return market.Write(o)
}

// floors prints how long it takes to read the access log and count its lines, which also brings all logs into the page cache.
func floors(o market.Options) error {
	for _, kind := range []string{"access", "reports"} {
		paths, err := filepath.Glob(o.Glob(kind))
		if err != nil {
			return err
		}
		what := "read and count lines"
		if o.Zstd {
			what = "decompress and count lines (one thread)"
		}
		for _, path := range paths {
			var best time.Duration
			var lines, bytes int64
			for i := range 3 { // the first brings it into the page cache
				start := time.Now()
				if lines, bytes, err = count(path); err != nil {
					return err
				}
				if d := time.Since(start); i == 0 || d < best {
					best = d
				}
			}
			fmt.Printf("floor: %s of %s: %.2f s (%d lines, %.0f MB)\n", what, filepath.Base(path), best.Seconds(), lines, float64(bytes)/1e6)
		}
	}
	return nil
}

// count reads a file once.
func count(path string) (lines, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var r io.Reader = f
	if filepath.Ext(path) == ".zst" {
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return 0, 0, err
		}
		defer z.Close()
		r = z
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		size += int64(n)
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return lines, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// size adds up a folder's files, in MiB.
func size(dir string) (mib float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			mib += float64(info.Size()) / (1 << 20)
		}
		return err
	})
	return mib, err
}

// tail is the end of what a program printed.
func tail(b []byte) []byte {
	return bytes.TrimSpace(b[max(0, len(b)-2000):])
}
