package store_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	_ "github.com/lib/pq"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/migrations"
)

// spread are the tables that grow with apps and days: every unique key of theirs leads with app_key, so that a database of many machines can keep the
// rows of one app together.
func spread() []string {
	return []string{"acts", "app_versions", "apps", "attachments", "contributions", "due", "findings", "headers", "lifecycle", "listed", "looks", "matters", "observations", "packs", "requests", "sums", "tallies"}
}

// whole are the tables that one machine keeps, and why that is enough.
func whole() map[string]string {
	return map[string]string{
		"canaries":             "as many as a platform seeds, read whole by each night",
		"crews":                "a row for each process that does parts of nights",
		"files":                "a row for each file",
		"forgotten":            "read whole by each night",
		"goose_db_version":     "goose's own",
		"incidents":            "a row for each outage",
		"listed_words":         "SQLite's own, as are those that begin so",
		"listed_words_config":  "SQLite's own",
		"listed_words_data":    "SQLite's own",
		"listed_words_docsize": "SQLite's own",
		"listed_words_idx":     "SQLite's own",
		"meta":                 "a handful",
		"newest":               "a row for each source",
		"notices":              "led by its vendor, whose it is; a row for each mail to one",
		"releases":             "a row for each night that a person released",
		"outbox":               "a row for each message",
		"outbox_lanes":         "a row for each receiver",
		"outbox_sinks":         "a handful",
		"parts":                "a row for each file that is read and each share of apps, while a night runs",
		"quarantine":           "of a bad line no app can be believed: it goes by file, with which its key leads",
		"rules":                "a row for each change of the policy",
		"runs":                 "a row for each night",
		"sessions":             "a row for each browser that is logged in",
		"tokens":               "a row for each program that asks the API",
		"sqlite_sequence":      "SQLite's own",
		"told":                 "led by its vendor, as its notice is; a row for each finding that one tells of",
		"trail":                "one chain, each entry hashed with the one before: it has one end",

		"vendor_links":       "led by its vendor; a row for each link that was used",
		"vendor_revocations": "a row for each vendor whose links were taken back",
		"vendor_sessions":    "a row for each browser that a vendor's page is open in",
	}
}

// TestLargeTablesLeadWithTheApp reads it from the databases' own catalogues.
func TestLargeTablesLeadWithTheApp(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		driver, dsn := "postgres", url
		tables := `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY 1`
		// Each unique index of a table with its first column, and whether app_key is in it.
		keys := `SELECT c.relname, (SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[0])
			FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique AND i.indrelid = to_regclass($1)`
		if s.IsSQLite() {
			driver, dsn = "sqlite", fileDSN(strings.TrimPrefix(url, "sqlite://"))
			tables = `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1`
			keys = `SELECT l.name, i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i WHERE l."unique" AND i.seqno = 0`
		}
		db, err := sql.Open(driver, dsn)
		must(t, err)
		defer db.Close()
		var all []string
		rows, err := db.Query(tables)
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var name string
			must(t, rows.Scan(&name))
			all = append(all, name)
		}
		must(t, rows.Err())
		for _, name := range all {
			if strings.HasPrefix(name, "river_") { // the job queue's own
				continue
			}
			if !slices.Contains(spread(), name) && whole()[name] == "" {
				t.Errorf("table %s: say whether it is spread by app_key, or why it need not be", name)
			}
		}
		for _, name := range spread() {
			leads, others := 0, []string(nil)
			rows, err := db.Query(keys, name)
			must(t, err)
			for rows.Next() {
				var index, first string
				must(t, rows.Scan(&index, &first))
				if first == "app_key" {
					leads++
				} else {
					others = append(others, index)
				}
			}
			must(t, rows.Err())
			rows.Close()
			// A row's number in SQLite is no key of the table's own, and nothing is spread there; a key of another column beside it is harmless.
			if s.IsSQLite() {
				others = nil
				if name == "acts" { // found by (app_key, finding_id)
					continue
				}
			}
			if leads == 0 || len(others) > 0 {
				t.Errorf("table %s: %d unique keys lead with app_key, %q do not", name, leads, others)
			}
		}
		if s.IsSQLite() {
			return
		}
		var foreign int
		must(t, db.QueryRow(`SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`).Scan(&foreign))
		if foreign > 0 {
			t.Errorf("%d foreign keys: between tables that are spread they have to hold app_key, too", foreign)
		}
	})
}

// TestAFindingIsFoundByItsID: by an index, though the table leads with the app.
func TestAFindingIsFoundByItsID(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		p := large(begin(t, s, l), 2000, 1)
		must(t, s.Night(l).Publish(ctx, p))
		plan, err := s.PlanOfFinding(ctx, p.Apps[7].Findings[0].ID[:8])
		must(t, err)
		if !strings.Contains(plan, "findings_id") && !strings.Contains(plan, "sqlite_autoindex_findings_1") {
			t.Errorf("it goes through all findings:\n%s", plan)
		}
	})
}

// TestActsOfAnOlderStoreGetTheirApp: what was suppressed before the upgrade stays suppressed after it.
func TestActsOfAnOlderStoreGetTheirApp(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db := older(t, url, 2)
		id := audit.FindingID("purpose-prohibited", "com.acme", "marketing")
		_, err := db.Exec(`INSERT INTO findings (id, app_key, check_id, subject, clause, severity, confidence, status, reason, title, explanation, remediation,
			first_seen, last_seen, first_run, last_run, occurrences, accounts, sites, latest_run, latest_occurrences, latest_accounts, worsened, assignee,
			notified_at, due_at, policy, registry, evidence, version)
			VALUES ($1, 'com.acme', 'purpose-prohibited', 'marketing', 'P6', 'critical', 'certain', 'suppressed', '', '', '', '', 0, 0, '', '', 1, 1, 1, '', 0, 0, $2, '',
			0, 0, '', 0, '[]', 1)`, id, false)
		must(t, err)
		_, err = db.Exec(`INSERT INTO acts (finding_id, kind, site, reason, done_by, at, until, ended, accounts, sites)
			VALUES ($1, 'suppress', '', 'agreed', 'me', 0, 1, $2, $3, $3)`, id, audit.Never, audit.IDs{}.AppendTo([]byte{}))
		must(t, err)
		must(t, db.Close())

		acts, err := open(t, url).ActsEnding(ctx, t0)
		must(t, err)
		if len(acts) != 1 || acts[0].App != "com.acme" || acts[0].Finding != id || acts[0].Reason != "agreed" {
			t.Errorf("acts after the upgrade: %+v", acts)
		}
	})
}

// older is a database whose schema has an older version.
func older(t *testing.T, url string, version int64) *sql.DB {
	t.Helper()
	driver, dsn, dialect, schema := "postgres", url, goose.DialectPostgres, migrations.Postgres
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, dsn, dialect, schema = "sqlite", fileDSN(path), goose.DialectSQLite3, migrations.SQLite
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	files, err := schema()
	must(t, err)
	p, err := goose.NewProvider(dialect, db, files)
	must(t, err)
	_, err = p.UpTo(t.Context(), version)
	must(t, err)
	return db
}

// fileDSN is a SQLite file's path as its driver takes it.
func fileDSN(path string) string {
	return "file:" + strings.NewReplacer("%", "%25", "#", "%23", "?", "%3f").Replace(path)
}
