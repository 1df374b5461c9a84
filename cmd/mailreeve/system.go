package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/feed"
	"github.com/mailreeve/mailreeve/audit/ingest"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// A system is all that a configuration names, opened and wired.
type system struct {
	cfg     *config.Config
	store   *store.Store
	archive *archive.Archive
	log     *slog.Logger
	checks  checks.Set
	clock   func() time.Time
	key     *[32]byte // of the addresses' digests; nil: none is configured
	objects *s3.Client
	slack   bool // there is a token
	posting sync.Mutex
	post    *post // once something was to be delivered
	out     io.Writer
	err     io.Writer
	crew    *schedule.Crew // of this process, while it serves
	watched watched
}

// load reads the configuration.
func (c *cli) load() (*config.Config, error) {
	path := c.config
	if path == "" {
		var err error
		if path, err = config.Find(); err != nil {
			return nil, err
		}
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	if _, err := schedule.Parse(cfg.Schedule); err != nil {
		return nil, fmt.Errorf("%s: %w", path, cfg.Located(fmt.Errorf("schedule: %w", err)))
	}
	if cfg.Capture.Every != "" {
		if _, err := schedule.Parse(cfg.Capture.Every); err != nil {
			return nil, fmt.Errorf("%s: %w", path, cfg.Located(fmt.Errorf("capture.every: %w", err)))
		}
	}
	if err := checkHooks(cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", path, cfg.Located(err))
	}
	if c.checks, err = checks.For(cfg.Policy); err != nil {
		return nil, err
	}
	return cfg, nil
}

// openStore opens what reading findings needs.
func (c *cli) openStore(ctx context.Context) (*system, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	s := &system{cfg: cfg, checks: c.checks, log: logger(c, cfg.Log), clock: c.clock, out: c.out, err: c.err, objects: s3.FromEnvironment()}
	if s.store, err = store.Open(ctx, cfg.StoreURL()); err != nil {
		return nil, err
	}
	s.slack = os.Getenv(cfg.Slack.TokenEnv) != ""
	return s, nil
}

// open opens everything.
func (c *cli) open(ctx context.Context) (*system, error) {
	s, err := c.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if s.cfg.AddressKeyFile != "" {
		if s.key, err = readKey(s.cfg.Resolve(s.cfg.AddressKeyFile)); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	if s3.IsURL(s.cfg.Archive) {
		s.archive, err = archive.OpenBucket(ctx, s.objects, s.cfg.Archive, s.store)
	} else {
		s.archive, err = archive.Open(ctx, s.cfg.Resolve(s.cfg.Archive), s.store)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *system) close() error {
	var errs []error
	if s.archive != nil {
		errs = append(errs, s.archive.Close())
	}
	return errors.Join(append(errs, s.store.Close())...)
}

func logger(c *cli, l config.Log) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(l.Level)) // was checked when it was read; empty is info
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(c.err, o))
	}
	return slog.New(slog.NewTextHandler(c.err, o))
}

// night is the audit as the configuration wants it.
func (s *system) night(st audit.Store, progress func(stage string, done, total int64)) *audit.Night {
	src := &ingest.Sources{Now: s.clock, Examiner: checks.Examiner{Key: s.key}, Objects: s.objects}
	for i := range s.cfg.Sources {
		src.List = append(src.List, sourceOf(s.cfg, &s.cfg.Sources[i]))
	}
	version, _ := build()
	return &audit.Night{Version: version, Store: st, Archive: s.archive, Sources: src, Checks: s.checks, ChecksOf: checksOf, Rules: s.cfg.Rules(), Clock: s.clock,
		Workers: s.cfg.Workers, Log: s.log, Messages: s.messages, Progress: progress}
}

// checksOf are the checks as a policy wants them.
func checksOf(p *audit.Policy) ([]audit.Check, error) {
	q := *p
	for _, r := range p.Own { // a policy that was kept has the words of no clause, which judge nothing
		if checks.ClauseText(r.Clause) == "" && !slices.ContainsFunc(q.Clauses, func(c audit.Clause) bool { return c.Name == r.Clause }) {
			q.Clauses = append(slices.Clip(q.Clauses), audit.Clause{Name: r.Clause})
		}
	}
	return checks.For(&q)
}

// sourceOf is a source as the configuration has it.
func sourceOf(cfg *config.Config, x *config.Source) ingest.Source {
	one := ingest.Source{Kind: audit.Kind(x.Kind), Name: x.Name(), Path: cfg.Resolve(x.Name()), MaxAge: time.Duration(x.MaxAge), Authserv: x.AuthservID,
		MaxBad: ingest.DefaultMaxBad, MaxLoss: 1}
	if x.MaxBad != nil {
		one.MaxBad = *x.MaxBad
	}
	if x.MaxLoss != nil {
		one.MaxLoss = *x.MaxLoss
	}
	one.Format, _ = x.Lines() // was checked when it was read
	if f := feedOf(cfg, x); f != nil {
		one.Feed, one.Path = f, x.Name()
	}
	return one
}

// feedOf is where the lines of a source come from that is no file; nil: it is one.
func feedOf(cfg *config.Config, x *config.Source) ingest.Feed {
	secret := func(env, file string) feed.Secret {
		if file != "" {
			file = cfg.Resolve(file)
		}
		return feed.Secret{Env: env, File: file}
	}
	switch {
	case x.HTTP != nil:
		return feed.NewHTTP(feed.HTTP{URL: x.HTTP.URL, Token: secret(x.HTTP.TokenEnv, x.HTTP.TokenFile), Items: x.HTTP.Items, Next: x.HTTP.Next, Cursor: x.HTTP.Cursor}, x.HTTP.AllowPrivate)
	case x.Postgres != nil:
		return &feed.Postgres{DSN: secret(x.Postgres.DSNEnv, x.Postgres.DSNFile), Query: x.Postgres.Query}
	}
	return nil
}

// operator is who acts on the command line.
func operator() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return audit.ByCommandLine + name + "@" + host
}
