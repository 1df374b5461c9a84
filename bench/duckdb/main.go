// Command duckdb does a night's work in DuckDB, into a new database file, and prints what it found as JSON.
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/mailreeve/mailreeve/bench/internal/verdict"
)

// The same work twice: in an order and with types that were tried until it was fast, and as one would write it at first.
var (
	//go:embed night.sql
	tuned string
	//go:embed plain.sql
	plain string
)

var stepName = regexp.MustCompile(`(?m)^-- step: (.*)$`)

func main() {
	var o options
	flag.StringVar(&o.access, "access", "access-*.jsonl", "calls: a file or glob, .jsonl or .jsonl.zst")
	flag.StringVar(&o.reports, "reports", "reports-*.jsonl", "reports")
	flag.StringVar(&o.installs, "installs", "installs.jsonl", "lifecycle events")
	flag.StringVar(&o.apps, "apps", "apps.jsonl", "registry")
	flag.StringVar(&o.completeSince, "complete-since", "2024-01-01T00:00:00Z", "from when on installs are complete")
	flag.StringVar(&o.asOf, "as-of", "", "as-of, RFC 3339 (default: now)")
	flag.StringVar(&o.db, "db", "night.duckdb", "database file to write; must not exist")
	flag.IntVar(&o.threads, "threads", 2, "threads")
	flag.StringVar(&o.memory, "memory", "", "memory limit, such as 4GB (default: DuckDB's own)")
	flag.StringVar(&o.sql, "sql", "tuned", "whose statements: tuned or plain")
	flag.BoolVar(&o.verbose, "v", false, "print each step's seconds to stderr")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	result, err := run(context.Background(), o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "duckdb:", err)
		os.Exit(1)
	}
}

type options struct {
	access, reports, installs, apps string
	completeSince, asOf, db, memory string
	sql                             string
	threads                         int
	verbose                         bool
}

func run(ctx context.Context, o options) (r verdict.Night, err error) {
	night, ok := map[string]string{"tuned": tuned, "plain": plain}[o.sql]
	if !ok {
		return r, fmt.Errorf("-sql is %q, neither tuned nor plain", o.sql)
	}
	if _, err := os.Stat(o.db); !errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%s is there already", o.db)
	}
	asOf, since := time.Now(), time.Time{}
	if o.asOf != "" {
		if asOf, err = time.Parse(time.RFC3339, o.asOf); err != nil {
			return r, err
		}
	}
	if since, err = time.Parse(time.RFC3339, o.completeSince); err != nil {
		return r, err
	}
	db, err := sql.Open("duckdb", fmt.Sprintf("%s?threads=%d", o.db, o.threads))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx) // temporary tables belong to one connection
	if err != nil {
		return r, err
	}
	defer conn.Close()
	if o.memory != "" {
		if _, err := conn.ExecContext(ctx, "SET memory_limit = "+quote(o.memory)); err != nil {
			return r, err
		}
	}
	fill := strings.NewReplacer(
		"{access}", quote(o.access), "{reports}", quote(o.reports), "{installs}", quote(o.installs), "{apps}", quote(o.apps),
		"{complete_since}", timestamp(since), "{as_of}", timestamp(asOf),
		"{approvable}", "('error-reports', 'security-alerts', 'subscribed-alerts', 'user-invitations', 'connect-mail-service', 'user-sync')",
		"{prohibited}", "('company-events', 'marketing', 'training-onboarding', 'renewal-reminders')")
	names := stepName.FindAllStringSubmatch(night, -1)
	for i, statement := range stepName.Split(night, -1)[1:] {
		start := time.Now()
		if _, err := conn.ExecContext(ctx, fill.Replace(statement)); err != nil {
			return r, fmt.Errorf("%s: %w", names[i][1], err)
		}
		if o.verbose {
			fmt.Fprintf(os.Stderr, "%6.2f s  %s\n", time.Since(start).Seconds(), names[i][1])
		}
	}
	if err := conn.QueryRowContext(ctx, `SELECT version(), (SELECT sum(calls) FROM tally)::BIGINT, (SELECT count(*) FROM ledger),
		(SELECT count(*) FROM reported), (SELECT coalesce(sum(accounts), 0) FROM missing)::BIGINT`).
		Scan(&r.Version, &r.Calls, &r.Retrieved, &r.Reported, &r.Missing); err != nil {
		return r, err
	}
	rows, err := conn.QueryContext(ctx, "SELECT check_id, app_key, subject, occurrences, accounts, sites FROM findings ORDER BY ALL")
	if err != nil {
		return r, err
	}
	defer rows.Close()
	for rows.Next() {
		var f verdict.Finding
		if err := rows.Scan(&f.Check, &f.App, &f.Subject, &f.Occurrences, &f.Accounts, &f.Sites); err != nil {
			return r, err
		}
		r.Findings = append(r.Findings, f)
	}
	return r, rows.Err()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func timestamp(t time.Time) string {
	return "TIMESTAMP '" + t.UTC().Format("2006-01-02 15:04:05.000000") + "'"
}
