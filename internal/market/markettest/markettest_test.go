package markettest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/mailreeve/mailreeve/internal/market"
	"github.com/mailreeve/mailreeve/internal/oracle"
)

// reference is a runner that remembers every line it has seen and judges everything anew with the oracle: it proves that nights
// bring every line, and only these.
type reference struct {
	state map[string]*memory
	// fault, if set, spoils the input.
	fault func(in *oracle.Input)
}

type memory struct {
	seen  map[string]map[string]bool
	lines map[string][]string
	whole map[string][]byte
	asOf  time.Time
}

func (r *reference) Run(_ context.Context, dir string, asOf time.Time) error {
	m := r.state[dir]
	if m == nil {
		m = &memory{seen: map[string]map[string]bool{}, lines: map[string][]string{}, whole: map[string][]byte{}}
		r.state[dir] = m
	}
	if asOf.Before(m.asOf) {
		return fmt.Errorf("as-of before the last one")
	}
	m.asOf = asOf
	partial := false
	for _, kind := range market.Kinds {
		paths, err := filepath.Glob(filepath.Join(dir, market.Glob(kind)))
		if err != nil {
			return err
		}
		config, _ := os.ReadFile(filepath.Join(dir, "mailreeve.yaml"))
		if len(paths) == 0 && strings.Contains(string(config), "kind: "+kind) {
			partial = true
		}
		for _, p := range paths {
			data, err := read(p)
			if err != nil {
				partial = true
				continue
			}
			if kind == "apps" || kind == "addresses" {
				m.whole[kind] = data
				continue
			}
			// A line without an end waits unless it is whole.
			for _, l := range strings.SplitAfter(strings.TrimPrefix(string(data), "\xef\xbb\xbf"), "\n") {
				t := strings.TrimRight(l, "\r\n")
				if !strings.HasSuffix(l, "\n") && oracle.Judge(oracle.Input{Reports: &oracle.Source{Files: []oracle.File{{Data: []byte(t)}}}}).Kinds["reports"].Quarantined > 0 && !strings.HasSuffix(t, "}") {
					continue
				}
				if m.seen[kind] == nil {
					m.seen[kind] = map[string]bool{}
				}
				if !m.seen[kind][t] {
					m.seen[kind][t] = true
					m.lines[kind] = append(m.lines[kind], t)
				}
			}
		}
	}
	if partial {
		return ErrPartial
	}
	return nil
}

func (r *reference) Open(_ context.Context, dir string) (map[oracle.Key]oracle.Finding, error) {
	m := r.state[dir]
	config, err := os.ReadFile(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		return nil, err
	}
	file := func(kind string) []oracle.File {
		return []oracle.File{{Name: kind, Data: []byte(strings.Join(m.lines[kind], "\n"))}}
	}
	in := oracle.Input{AsOf: m.asOf, Access: []oracle.AccessSource{{Purposes: strings.Contains(string(config), "purposes: true"), Files: file("access")}},
		Reports: &oracle.Source{Files: file("reports")}, Installs: &oracle.Source{Files: file("installs")}, Apps: &oracle.Source{Files: []oracle.File{{Data: m.whole["apps"]}}}}
	if strings.Contains(string(config), "kind: incidents") {
		in.Incidents = &oracle.Source{Files: file("incidents")}
	}
	manifest := func(kind string) (out oracle.Manifest, err error) {
		root := filepath.Dir(filepath.Join(dir, market.Glob(kind)))
		out = oracle.Manifest{Files: file(kind), Beside: map[string][]byte{}}
		err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err == nil {
				out.Beside[filepath.ToSlash(name)], err = os.ReadFile(path)
			}
			return err
		})
		return out, err
	}
	if strings.Contains(string(config), "kind: captures") {
		c, err := manifest("captures")
		if err != nil {
			return nil, err
		}
		in.Captures = &c
	}
	if strings.Contains(string(config), "kind: mail") {
		c, err := manifest("mail")
		if err != nil {
			return nil, err
		}
		in.Mail = &oracle.Mailboxes{Manifest: c}
		if strings.Contains(string(config), "authserv_id: ") {
			in.Mail.AuthservID = "mx.platform.example"
		}
	}
	if strings.Contains(string(config), "kind: signals") {
		in.Signals = &oracle.Source{Files: file("signals")}
	}
	if strings.Contains(string(config), "kind: addresses") {
		in.Addresses = &oracle.Source{Files: []oracle.File{{Data: m.whole["addresses"]}}}
	}
	if _, s, ok := strings.Cut(string(config), "complete_since: "); ok {
		s, _, _ = strings.Cut(s, "}")
		if in.CompleteSince, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return nil, err
		}
	}
	if r.fault != nil {
		r.fault(&in)
	}
	return oracle.Judge(in).Open, nil
}

func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(path) {
	case ".gz":
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	case ".zst":
		z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	}
	return data, nil
}

func seeds(t *testing.T, n uint64) uint64 {
	if testing.Short() {
		return n / 10
	}
	return n
}

// TestNightsAreWhole: the layouts of a market hold its lines, whatever happens to the files.
func TestNightsAreWhole(t *testing.T) {
	for seed := range seeds(t, 60) {
		Check(t, seed, &reference{state: map[string]*memory{}})
	}
}

// TestMarkets: good lines are good, bad ones bad, copies copies; and the markets together violate every check.
func TestMarkets(t *testing.T) {
	found, markets := map[string]int{}, map[string]int{}
	n := seeds(t, 200)
	lines := 0
	for seed := range n {
		m := market.New(seed)
		res := oracle.Judge(Input(m))
		bad, copies := map[string]int{}, map[string]int{}
		for _, l := range m.Lines {
			lines++
			if l.Bad {
				bad[l.Kind]++
			}
			if l.Copy {
				copies[l.Kind]++
			}
		}
		for _, kind := range market.Kinds {
			if kind == "apps" {
				continue
			}
			k := res.Kinds[kind]
			if k.Quarantined != bad[kind] || k.Duplicates < copies[kind] || k.Lines != k.Facts+k.Duplicates+k.Quarantined {
				t.Errorf("seed %d: %s: %+v, of which %d made bad and %d copies\n%v", seed, kind, k, bad[kind], copies[kind], res.Bad)
			}
			if k.Lines >= 1000 {
				t.Errorf("seed %d: %d lines of %s: more than max_bad allows for", seed, k.Lines, kind)
			}
		}
		here := map[string]bool{}
		for k, f := range res.Open {
			found[k.Check]++
			here[k.Check] = true
			for _, special := range []string{"storage-undeclared stale-mail", "mail-not-approved other", "mail-third-party certain", "mail-third-party possible", "mail-after-uninstall possible", "mail-prohibited likely"} {
				if special == k.Check+" "+k.Subject || special == k.Check+" "+f.Confidence {
					found[special]++
					here[special] = true
				}
			}
		}
		for c := range here {
			markets[c]++
		}
		if seed < 3 {
			if d := cmp.Diff(fmt.Sprint(m.Whole()), fmt.Sprint(market.New(seed).Whole())); d != "" {
				t.Errorf("seed %d: not a function of its seed", seed)
			}
		}
	}
	t.Logf("%d markets, %d lines", n, lines)
	for _, c := range []string{"access-unapproved", "access-refused-probing", "access-not-installed", "access-not-app", "purpose-undeclared", "purpose-not-approved", "purpose-prohibited",
		"report-overdue", "report-incomplete", "report-closed-retained", "report-updated-ignored", "retained-after-uninstall", "storage-undeclared", "scope-unapproved", "feature-drift",
		"listing-incomplete", "policy-language-changed", "ui-exposure", "ui-payload-exposure", "ui-hash-exposure", "third-party-sharing", "mail-prohibited", "mail-not-approved",
		"mail-third-party", "mail-after-uninstall", "user-reported-exposure", "storage-undeclared stale-mail", "mail-not-approved other", "mail-third-party certain",
		"mail-third-party possible", "mail-after-uninstall possible", "mail-prohibited likely"} {
		t.Logf("%-29s in %3d markets, %4d findings", c, markets[c], found[c])
		if markets[c]*20 < int(n) {
			t.Errorf("%s: only in %d of %d markets", c, markets[c], n)
		}
		delete(found, c)
	}
	if len(found) > 0 {
		t.Errorf("unexpected checks %v", found)
	}
}

// TestBinary tries a binary: MARKET_BINARY=/path/to/mailreeve, MARKET_SEEDS=0-49.
func TestBinary(t *testing.T) {
	path := os.Getenv("MARKET_BINARY")
	if path == "" {
		t.Skip("MARKET_BINARY is not set")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	from, to := uint64(0), uint64(20)
	if s := os.Getenv("MARKET_SEEDS"); s != "" {
		a, b, _ := strings.Cut(s, "-")
		if from, err = strconv.ParseUint(a, 10, 64); err != nil {
			t.Fatal(err)
		}
		if to = from; b != "" {
			if to, err = strconv.ParseUint(b, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		to++
	}
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { Check(t, seed, CLI{Binary: path}) })
	}
}

// TestShrink: a fault is found, and what is left of the market is small and shows it.
func TestShrink(t *testing.T) {
	r := &reference{state: map[string]*memory{}, fault: func(in *oracle.Input) { in.CompleteSince = time.Time{} }}
	for seed := range uint64(10) {
		m := market.New(seed)
		for _, w := range ways(seed) {
			problem := try(context.Background(), t.TempDir(), m, w, r)
			if !strings.Contains(problem, "access-not-installed") {
				continue
			}
			small, left := shrink(context.Background(), m, w, r, problem)
			if n := len(small.Units()); n > 6 || left == "" {
				t.Errorf("seed %d, %s: %d units left\n%s\n%s", seed, w.name, n, show(small, w), left)
			} else {
				t.Logf("seed %d, %s: %d of %d units left\n%s%s", seed, w.name, n, len(m.Units()), show(small, w), left)
			}
			if w.nights > 0 {
				return
			}
		}
	}
	t.Error("no market shows the fault")
}
