package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
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

func (inProcess) Open(ctx context.Context, dir string) (map[oracle.Key]oracle.Finding, error) {
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
	if err != nil {
		return nil, err
	}
	out := map[oracle.Key]oracle.Finding{}
	for _, f := range list {
		if f.Status != audit.Resolved {
			out[oracle.Key{Check: f.Check, App: f.App, Subject: f.Subject}] = oracle.Finding{
				Numbers:  oracle.Numbers{Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites},
				Severity: string(f.Severity), Confidence: string(f.Confidence)}
		}
	}
	return out, nil
}

// Markets of pure chance give, in one run and in nights, whatever order, pieces, names and compressions their files come in, exactly the findings
// that an independent reading of the rules gives. MAILREEVE_TEST_MARKETS says how many, MAILREEVE_TEST_SEED from which on.
func TestMarketsOfChance(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 40), number(t, "MAILREEVE_TEST_SEED", 1)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			markettest.Check(t, seed, inProcess{})
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
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if bytes.Contains(text, []byte("sqlite://mailreeve.db")) {
		text = bytes.Replace(text, []byte("sqlite://mailreeve.db"), []byte(strconv.Quote(cluster.New(p.t))), 1)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return p.inProcess.Run(ctx, dir, asOf)
}

// The same on Postgres.
func TestMarketsOnPostgres(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 4), number(t, "MAILREEVE_TEST_SEED", 900)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { markettest.Check(t, seed, onPostgres{t: t}) })
	}
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
