package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/bench/internal/market"
	"github.com/mailreeve/mailreeve/bench/internal/verdict"
)

// A night small enough to judge by hand, with every boundary that the comparison rests on.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	id := 0
	call := func(ts, app, site, purpose, status, accounts string) string {
		id++
		return `{"ts":"2026-11-22T` + ts + `Z","request_id":"r` + string(rune('a'+id)) + `","app_key":"` + app + `","cloud_id":"` + site +
			`","path":"/p","auth":"oauth2","purpose":` + purpose + `,"status":` + status + `,"account_ids":[` + accounts + `]}`
	}
	event := func(ts, app, site, event string) string {
		return `{"ts":"` + ts + `Z","app_key":"` + app + `","cloud_id":"` + site + `","event":"` + event + `"}`
	}
	twice := call("01:00:00", "a", "s1", `"marketing"`, "200", `"x","y"`)
	o := options{
		sql: "tuned", completeSince: "2026-01-01T00:00:00Z", asOf: "2026-11-23T02:30:00Z", threads: 1, db: filepath.Join(dir, "n.duckdb"),
		access: write("access.jsonl", twice,
			call("01:00:01", "a", "s2", `"marketing"`, "200", `"x"`),
			twice,
			call("01:00:02", "a", "s1", `"marketing"`, "403", ``),          // no retrieval
			call("01:00:03", "a", "s1", `"security-alerts"`, "200", `"x"`), // approved
			call("05:59:59.999", "a", "s1", `"own"`, "200", `"x"`),         // named, not yet in force
			call("06:00:00", "a", "s1", `"own"`, "200", `"x"`),             // in force
			call("06:00:01", "a", "s1", `"user-sync"`, "200", `"z"`),       // approvable
			call("06:00:02", "a", "s1", `null`, "200", `"z"`),
			call("06:00:03", "a", "s1", `"nonsense"`, "200", `"z"`),
			call("09:00:00", "b", "s1", `"marketing"`, "200", `"x"`), // the approval has been revoked
			call("18:05:00", "a", "s2", `"own"`, "200", `"q"`),       // five minutes after it left
			call("18:05:00.001", "a", "s2", `"own"`, "200", `"q"`),
			call("20:00:00", "a", "s2", `"own"`, "200", `"q"`), // back
			call("10:00:00", "a", "s3", `"own"`, "200", `"m"`), // installed later
			call("10:00:00", "a", "s4", `"own"`, "200", `"m"`), // no events at all
			call("10:00:00", "a", "s5", `"own"`, "200", `"m"`), // unknown: its first event says no more than that it was there
			call("10:00:00", "", "s9", `"own"`, "200", `"m"`),  // no app
		),
		reports: write("reports.jsonl",
			`{"ts":"2026-11-22T00:00:00Z","request_id":"1","app_key":"a","status":200,"accounts":[{"account_id":"x","updated_at":"2026-11-01T00:00:00Z"}]}`,
			`{"ts":"2026-11-22T00:00:00Z","request_id":"2","app_key":"a","status":500,"accounts":[{"account_id":"y","updated_at":null}]}`),
		installs: write("installs.jsonl",
			event("2026-02-01T00:00:00", "a", "s1", "installed"), event("2026-02-01T00:00:00", "b", "s1", "installed"),
			event("2026-02-01T00:00:00", "a", "s2", "installed"),
			event("2026-11-22T17:00:00", "a", "s2", "disabled"), event("2026-11-22T17:00:00", "a", "s2", "enabled"), // of one instant: active
			event("2026-11-22T18:00:00", "a", "s2", "uninstalled"), event("2026-11-22T18:04:00", "a", "s2", "disabled"),
			event("2026-11-22T19:00:00", "a", "s2", "present"),
			event("2026-11-22T12:00:00", "a", "s3", "installed"), event("2026-11-22T12:00:00", "a", "s5", "enabled")),
		apps: write("apps.jsonl",
			`{"key":"a","approvals":[{"status":"approved","decided_at":"2026-01-01T00:00:00Z","revoked_at":null,"purposes":["security-alerts"]},`+
				`{"status":"approved","decided_at":"2026-11-22T06:00:00Z","revoked_at":null,"purposes":["own"]},`+
				`{"status":"pending","decided_at":null,"revoked_at":null,"purposes":["user-sync"]}]}`,
			`{"key":"b","approvals":[{"status":"withdrawn","decided_at":"2026-01-01T00:00:00Z","revoked_at":"2026-11-22T09:00:00Z","purposes":["marketing"]}]}`),
	}
	got, err := run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []verdict.Finding{
		{Check: "access-not-installed", App: "a", Occurrences: 3, Accounts: 2, Sites: 3},
		{Check: "access-unapproved", App: "b", Occurrences: 1, Accounts: 1, Sites: 1},
		{Check: "purpose-not-approved", App: "a", Subject: "own", Occurrences: 1, Accounts: 1, Sites: 1},
		{Check: "purpose-not-approved", App: "a", Subject: "user-sync", Occurrences: 1, Accounts: 1, Sites: 1},
		{Check: "purpose-prohibited", App: "a", Subject: "marketing", Occurrences: 2, Accounts: 2, Sites: 2},
		{Check: "purpose-undeclared", App: "a", Subject: "none", Occurrences: 1, Accounts: 1, Sites: 1},
		{Check: "purpose-undeclared", App: "a", Subject: "unknown", Occurrences: 1, Accounts: 1, Sites: 1},
	}
	if !slices.Equal(got.Findings, want) {
		t.Errorf("got  %v\nwant %v", got.Findings, want)
	}
	// Retrieved: a: x, y, z, q, m; b: x; no app: m.
	if got.Calls != 17 || got.Retrieved != 7 || got.Reported != 1 || got.Missing != 6 {
		t.Errorf("%+v", got)
	}
	if _, err := run(context.Background(), o); err == nil {
		t.Error("wrote into a database that was there")
	}
}

// TestPlainFindsWhatTunedFinds runs both on one synthetic night.
func TestPlainFindsWhatTunedFinds(t *testing.T) {
	m := market.Defaults()
	m.Dir, m.Lines, m.Apps, m.Sites, m.Workers = t.TempDir(), 20_000, 120, 20, 1
	if err := market.Write(m); err != nil {
		t.Fatal(err)
	}
	found := map[string][]verdict.Finding{}
	for _, sql := range []string{"tuned", "plain"} {
		got, err := run(context.Background(), options{
			sql: sql, completeSince: market.CompleteSince, asOf: m.AsOf().Format(time.RFC3339), threads: 1, db: filepath.Join(m.Dir, sql+".duckdb"),
			access: m.Glob("access"), reports: m.Glob("reports"), installs: m.Glob("installs"), apps: m.Registry(),
		})
		if err != nil {
			t.Fatal(err)
		}
		found[sql] = got.Findings
	}
	if len(verdict.Totals(found["tuned"])) < 3 {
		t.Fatalf("a night without %v says little", verdict.Totals(found["tuned"]))
	}
	if diff := verdict.Diff("tuned", found["tuned"], "plain", found["plain"]); diff != "" {
		t.Error(diff)
	}
}
