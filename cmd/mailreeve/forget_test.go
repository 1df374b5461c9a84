package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/lib/pq"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
)

// The accounts that are planted and forgotten, and one that stays.
const (
	plantedHex  = "5b10a2844c20165700ede21f"
	plantedUUID = "712020:f58131cb-b67d-43c7-b30d-6b58d40bd077"
	plantedOdd  = `odd "id" \ ünd so weiter`
	bystander   = "5b10a2844c20165700ede000"
)

var plantedIDs = []string{plantedHex, plantedUUID, plantedOdd}

// spelled is how the planted ids may lie in files.
func spelled() map[string][]byte {
	out := map[string][]byte{}
	for _, id := range plantedIDs {
		quoted := strings.ReplaceAll(strings.ReplaceAll(id, `\`, `\\`), `"`, `\"`)
		out[id], out["quoted "+id], out["escaped "+id] = []byte(id), []byte(quoted), []byte(url.QueryEscape(id))
		var packed [audit.MaxPackedID]byte
		if shape, n := audit.PackID(&packed, []byte(id)); shape >= 0 {
			out["packed "+id] = slices.Clone(packed[:n])
			out["packed in hex "+id] = []byte(hex.EncodeToString(packed[:n]))
		}
	}
	out["the UUID"] = []byte(plantedUUID[7:])
	return out
}

func lookFor(t *testing.T, where string, p []byte) (found bool) {
	t.Helper()
	for what, b := range spelled() {
		if bytes.Contains(p, b) {
			t.Errorf("%s holds %s", where, what)
			found = true
		}
	}
	return found
}

// plantAccounts writes sources that name the accounts wherever an account may be named, and where nobody expects one.
func plantAccounts(t *testing.T, dir, storeURL, extra string) {
	t.Helper()
	put := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("mailreeve.yaml", "store: "+storeURL, `archive: mailreeve.archive
sources:
  - {kind: access, path: "access*.jsonl", max_bad: 1}
  - {kind: reports, path: "reports*.jsonl", max_bad: 1}
  - {kind: installs, path: installs.jsonl, complete_since: 2024-01-01T00:00:00Z}
  - {kind: apps, path: apps.jsonl}
  - {kind: addresses, path: addresses.jsonl}
  - {kind: captures, path: "captures*.jsonl", max_bad: 1}
  - {kind: mail, path: "mail*.jsonl", max_bad: 1}
  - {kind: signals, path: "signals*.jsonl", max_bad: 1}
`+extra)
	q := func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) }
	var access, reports, captures, mails, signals, addresses []string
	for i, id := range plantedIDs {
		id, word := q(id), id
		if word == plantedOdd { // in the middle of a text nobody knows where such an id ends
			word = plantedHex
		}
		for day := 1; day <= 20; day += 3 {
			access = append(access,
				fmt.Sprintf(`{"ts":"2026-10-%02dT10:00:0%dZ","request_id":"a%d-%d","app_key":"acme","cloud_id":"site-%d","path":"/rest/api/3/user/email?accountId=%s","auth":"oauth2","purpose":"marketing","status":200,"account_ids":["%s","%s"]}`, day, i, i, day, day%4, url.QueryEscape(plantedIDs[i]), id, bystander),
				fmt.Sprintf(`{"ts":"2026-10-%02dT11:00:0%dZ","request_id":"b%d-%d","app_key":"other","cloud_id":"site","path":"/","auth":"basic","purpose":"%s","status":200,"account_ids":["%s","x%d"]}`, day, i, i, day, id, id, day))
			reports = append(reports, fmt.Sprintf(`{"ts":"2026-10-%02dT12:00:0%dZ","request_id":"r%d-%d","app_key":"acme","status":200,"accounts":[{"account_id":"%s","updated_at":"2026-09-01T00:00:00Z"},{"account_id":"%s"}],"result":[{"account_id":"%s","status":"%s"},{"account_id":"%s","status":"updated"}]}`,
				day+1, i, i, day, id, bystander, id, []string{"updated", "closed"}[day%2], bystander))
		}
		access = append(access, fmt.Sprintf(`{"ts":"never","request_id":"bad","why":"%s"}`, id))
		access = append(access, "no json: "+word+", 712020%3A"+plantedUUID[7:])
		captures = append(captures,
			fmt.Sprintf(`{"file":"c.html","kind":"html","app_key":"acme","cloud_id":"site-1","viewer_account_id":"%s","captured_at":"2026-10-1%dT10:00:00Z","url":"https://x.example/users/%s?u=%s"}`, id, i, id, id),
			fmt.Sprintf(`{"file":"d%d.har","kind":"har","app_key":"acme","cloud_id":"site-1","viewer_account_id":"%s","captured_at":"2026-10-1%dT11:00:00Z","sightings":[{"account_id":"%s","place":"sent","host":"t%d.tracker.example","field":"query parameter %s","chain":["%s"]},{"account_id":"%s","place":"visible"}]}`, i, bystander, i, id, i, word, id, id),
			fmt.Sprintf(`{"file":"gone","kind":"html","app_key":"acme","viewer_account_id":"%s","captured_at":"2026-10-1%dT10:00:00Z"}`, id, i))
		mails = append(mails, fmt.Sprintf(`{"file":"m.eml","app_key":"acme","cloud_id":"site-1","account_id":"%s","received_at":"2026-10-1%dT10:00:00Z"}`, id, i))
		signals = append(signals, fmt.Sprintf(`{"ts":"2026-10-1%dT10:00:00Z","app_key":"acme","cloud_id":"site-1","kind":"ui-exposure","text":"I see %s, they say","source":"ticket of %s"}`, i, word, word))
		addresses = append(addresses, fmt.Sprintf(`{"account_id":"%s","email":"user%d@planted.example"}`, id, i))
	}
	put("access-1.jsonl", access...)
	put("reports-1.jsonl", reports...)
	put("installs.jsonl", `{"ts":"2026-09-01T00:00:00Z","app_key":"acme","cloud_id":"site-1","event":"installed"}`, `{"ts":"2026-10-12T00:00:00Z","app_key":"acme","cloud_id":"site-1","event":"uninstalled"}`)
	put("apps.jsonl", fmt.Sprintf(`{"key":"acme","name":"App of %s","kind":"connect","vendor":{"id":"v","name":"%s"},"stores_personal_data":true,"privacy_policy_text":"Ask %s.","scopes":["read:email-address:jira"],"approvals":[{"request_id":"REQ-1","status":"approved","decided_at":"2026-01-01T00:00:00Z","purposes":["security-alerts","%s"],"functionality":"for %s","policy_excerpt":"%s"}]}`,
		plantedHex, plantedUUID, plantedHex, plantedHex, plantedUUID, plantedHex), `{"key":"other","name":"Other","kind":"oauth2","stores_personal_data":false}`)
	put("captures-1.jsonl", captures...)
	put("mail-1.jsonl", mails...)
	put("signals-1.jsonl", signals...)
	put("addresses.jsonl", addresses...)
	put("c.html", "<p>user0@planted.example, user1@planted.example</p>")
	put("m.eml", "From: Acme <a@acme.example>", "Subject: 50% off, sale", "Content-Type: text/plain", "", "Sale! Buy now. Unsubscribe here. https://t.example/?u=user0@planted.example")
}

// searchAccounts looks for the accounts in every column of every table, every decoded set, every file of store and archive, and every decoded pack.
func searchAccounts(t *testing.T, dir, storeURL string) (found bool) {
	t.Helper()
	driver, dsn := "postgres", storeURL
	if path, ok := strings.CutPrefix(storeURL, "sqlite://"); ok {
		driver, dsn = "sqlite", filepath.Join(dir, path)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	if driver == "postgres" {
		list = `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`
	}
	rows, err := db.Query(list)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if len(names) < 10 {
		t.Fatalf("only the tables %v", names)
	}
	for _, name := range names {
		rows, err := db.Query("SELECT * FROM " + name)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				text, ok := v.([]byte)
				if !ok {
					text = []byte(fmt.Sprint(v))
				}
				found = lookFor(t, "table "+name+", column "+columns[i], text) || found
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if base := filepath.Base(path); err == nil && !d.IsDir() && (strings.HasPrefix(base, "mailreeve.db") || strings.HasSuffix(base, ".seg") || strings.HasSuffix(base, ".heads")) {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found = lookFor(t, path, text) || found
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), cfg.StoreURL())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := archive.Open(t.Context(), filepath.Join(dir, "mailreeve.archive"), s)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	packs, err := s.AllPacks(t.Context())
	if err != nil || len(packs) < 10 {
		t.Fatalf("%d packs, %v", len(packs), err)
	}
	for _, p := range packs {
		var all []string
		if p.Kind == audit.CallPack {
			d, err := a.Calls(p.Day, []audit.Pack{p})
			if err != nil {
				t.Fatal(err)
			}
			all = slices.Concat(d.Sites, d.Paths, d.Purposes, d.Accounts.Strings())
		} else {
			d, err := a.Reports(p.Day, []audit.Pack{p})
			if err != nil {
				t.Fatal(err)
			}
			all = d.Accounts.Strings()
		}
		found = lookFor(t, "a pack of "+p.Day.String(), []byte(strings.Join(all, "\n"))) || found
	}
	return found
}

const lastRun = " last changed by "

// numbersOf is what findings count, and where they stand.
func numbersOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), cfg.StoreURL())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.Findings(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range list {
		held, err := s.Holding(t.Context(), f.ID)
		if err != nil {
			t.Fatal(err)
		}
		out[f.ID] = fmt.Sprint(f.Check, f.App, f.Status, f.Severity, f.Confidence, f.Occurrences, f.Accounts, f.Sites, f.FirstSeen, f.LastSeen, f.Latest, len(f.Evidence),
			held.Accounts.Len(), held.Sites.Len(), held.Hosts.Len(), lastRun+f.LastRun)
	}
	return out
}

// An account is named everywhere, forgotten, and then nowhere: in no column, no set, no pack, no byte of a file. Every number stays, the trail holds, the
// same files again bring nothing back and change nothing, and who comes again keeps the seat.
func TestForgottenAccountsAreNowhere(t *testing.T) {
	t.Parallel()
	for name, storeURL := range map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "sqlite://mailreeve.db" },
		"postgres": func(t *testing.T) string { return cluster.New(t) },
	} {
		t.Run(name, func(t *testing.T) { forgetEverywhere(t, storeURL(t)) })
	}
}

func forgetEverywhere(t *testing.T, storeURL string) {
	slack := newSlack(t)
	dir := t.TempDir()
	plantAccounts(t, dir, fmt.Sprintf("%q", storeURL), `slack: {channel: "#audit", token_env: MAILREEVE_TEST_SLACK_TOKEN, api_url: "`+slack.url+`"}`)
	tell := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := mailreeve(t, dir, args...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errs)
		}
		return out
	}
	tell(exitDone, "run", "--as-of", "2026-10-25T02:30:00Z")
	ids := strings.Fields(tell(exitDone, "findings", "list", "--format", "csv"))
	acted := 0
	for _, word := range ids {
		if id, _, _ := strings.Cut(word, ","); strings.HasPrefix(id, "F-") {
			tell(exitDone, "findings", "comment", id, "--reason", "wrote to "+plantedHex+" and to "+plantedOdd)
			if acted++; acted%3 == 0 {
				tell(exitDone, "findings", "suppress", id, "--reason", "asked by "+plantedUUID, "--until", "2027-01-01")
			}
			if acted%3 == 1 {
				tell(exitDone, "findings", "assign", id, "--to", "of:"+plantedHex)
			}
		}
	}
	if acted < 12 {
		t.Errorf("only %d findings:\n%s", acted, tell(exitDone, "findings", "list"))
	}
	tell(exitDone, "run", "--as-of", "2026-10-26T02:30:00Z")
	before := numbersOf(t, dir)
	sent := len(slack.forms)

	said := tell(exitDone, append([]string{"forget"}, plantedIDs...)...)
	t.Log(said)
	for _, what := range []string{"packs", "contributions", "findings", "captures", "answers", "canaries", "suppressions", "quarantine", "details", "registry"} {
		if !strings.Contains(said, what) {
			t.Errorf("nothing was erased from %s", what)
		}
	}
	lookFor(t, "what forget says", []byte(said))
	if searchAccounts(t, dir, storeURL) {
		t.Fatal("after forgetting")
	}
	tell(exitDone, "verify")
	same := func(when string) {
		t.Helper()
		if d := cmp.Diff(before, numbersOf(t, dir)); d != "" {
			t.Errorf("%s: -before +now\n%s", when, d)
		}
		if len(slack.forms) != sent {
			t.Errorf("%s: %d messages were sent", when, len(slack.forms)-sent)
		}
	}
	same("forgotten")
	if said := tell(exitDone, append([]string{"forget"}, plantedIDs...)...); !strings.Contains(said, "Nothing was known") {
		t.Errorf("forgotten again: %s", said)
	}
	tell(exitDone, "run", "--as-of", "2026-10-27T02:30:00Z")
	same("the next night")

	// The same files under other names.
	for _, kind := range []string{"access", "reports", "captures", "mail", "signals"} {
		copyFile(t, filepath.Join(dir, kind+"-1.jsonl"), filepath.Join(dir, kind+"-2.jsonl"))
	}
	out := tell(exitDone, "run", "--as-of", "2026-10-28T02:30:00Z")
	if !strings.Contains(out, "nothing new") {
		t.Errorf("the same files again: %s", out)
	}
	same("the same files again")
	if searchAccounts(t, dir, storeURL) {
		t.Error("after the same files were read again")
	}

	// Somebody retrieves the forgotten again: more calls, but nobody new.
	accounts := func() int {
		cfg, err := config.Load(filepath.Join(dir, "mailreeve.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), cfg.StoreURL())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		list, err := s.Findings(t.Context(), store.Filter{Checks: []string{"purpose-prohibited"}, Apps: []string{"acme"}})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0].Accounts*1000 + list[0].Occurrences
	}
	was := accounts()
	if err := os.WriteFile(filepath.Join(dir, "access-3.jsonl"), []byte(fmt.Sprintf(`{"ts":"2026-10-27T10:00:00Z","request_id":"new","app_key":"acme","cloud_id":"site-1","path":"/","auth":"oauth2","purpose":"marketing","status":200,"account_ids":["%s","%s"]}`+"\n", plantedHex, plantedUUID)), 0o600); err != nil {
		t.Fatal(err)
	}
	tell(exitDone, "run", "--as-of", "2026-10-29T02:30:00Z")
	if now := accounts(); now != was+1 {
		t.Errorf("accounts*1000+occurrences: %d, then %d", was, now)
	}
	if searchAccounts(t, dir, storeURL) {
		t.Error("after they were retrieved again")
	}
	tell(exitDone, "verify")
}

// kill -9 at any moment of forget, and forget again: the accounts are nowhere, and every number is what it was.
func TestKilledForgetting(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills")
	}
	const kills = 15
	binary := built(t)
	origin := t.TempDir()
	plantAccounts(t, origin, "sqlite://mailreeve.db", "")
	if code, out, errs := mailreeve(t, origin, "run", "--as-of", "2026-10-25T02:30:00Z"); code != exitDone {
		t.Fatal(out, errs)
	}
	want := numbersOf(t, origin)
	forget := func(dir string, after time.Duration) bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary, append([]string{"forget", "-c", filepath.Join(dir, "mailreeve.yaml")}, plantedIDs...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if after > 0 {
			stop := time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
			defer stop.Stop()
		}
		return cmd.Wait() == nil
	}
	fresh := func() string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	began := time.Now()
	if !forget(fresh(), 0) {
		t.Fatal("forget failed")
	}
	took := time.Since(began)
	hits := 0
	for i := range kills {
		dir := fresh()
		if !forget(dir, max(took*time.Duration(i+1)/kills, time.Millisecond)) {
			hits++
		} else {
			took = took * 9 / 10 // it is faster than thought
		}
		if !forget(dir, 0) {
			t.Fatalf("forget after a kill at %d/%d failed", i+1, kills)
		}
		if searchAccounts(t, dir, "sqlite://mailreeve.db") {
			t.Fatalf("after a kill at %d/%d", i+1, kills)
		}
		if d := cmp.Diff(want, numbersOf(t, dir)); d != "" {
			t.Fatalf("after a kill at %d/%d:\n%s", i+1, kills, d)
		}
		if code, out, errs := mailreeve(t, dir, "verify"); code != exitDone {
			t.Fatal(out, errs)
		}
		segments, err := filepath.Glob(filepath.Join(dir, "mailreeve.archive", "*.seg"))
		if err != nil || len(segments) != 1 {
			t.Fatalf("segments %v, %v", segments, err)
		}
	}
	if t.Logf("%d of %d were killed before they had finished", hits, kills); hits == 0 {
		t.Error("none was killed")
	}
}
