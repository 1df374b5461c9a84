package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/jirafake"
	"github.com/mailreeve/mailreeve/internal/pgtest"
	"github.com/mailreeve/mailreeve/internal/s3test"
	"github.com/mailreeve/mailreeve/internal/smtptest"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/jira"
	"github.com/mailreeve/mailreeve/notifier/webhook"
)

// A ward is a small world in which something goes wrong.
type ward struct {
	*testing.T
	dir    string
	url    string // of its store
	clock  func() time.Time
	output strings.Builder // what the commands said
}

// newWard is a world whose store is at url, or in SQLite where that is empty, after one good night.
func newWard(t *testing.T, url string) *ward {
	w := emptyWard(t, url)
	if code := w.say("run"); code != exitDone {
		t.Fatalf("the first night: exit %d: %s", code, w.output.String())
	}
	w.output.Reset()
	return w
}

// emptyWard is a world before its first night.
func emptyWard(t *testing.T, url string) *ward {
	dir, err := os.MkdirTemp("", "mailreeve-ward-") // other users must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	w := &ward{T: t, dir: dir, url: url, clock: time.Now}
	w.must(os.Chmod(dir, 0o755))
	if url == "" {
		w.url = "sqlite://" + filepath.Join(dir, "mailreeve.db")
	}
	w.put("mailreeve.yaml", `store: `+w.url+`
archive: mailreeve.archive
schedule: "CRON_TZ=UTC 30 2 * * *"
sources:
  - {kind: access, path: "access-*.jsonl", max_age: 36h}
  - {kind: apps, path: apps.jsonl, max_loss: 0.1}
`)
	w.put("apps.jsonl", `{"key":"acme","name":"Acme","vendor":{"id":"v1"},"approvals":[]}`+"\n"+`{"key":"basil","vendor":{"id":"v1"},"approvals":[]}`+"\n")
	w.put("access-1.jsonl", slackCall(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "r1")+"\n")
	return w
}

func (w *ward) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *ward) path(name string) string { return filepath.Join(w.dir, name) }

func (w *ward) put(name, text string) {
	w.Helper()
	w.must(os.WriteFile(w.path(name), []byte(text), 0o644))
}

// configure replaces a text of the configuration.
func (w *ward) configure(old, with string) {
	w.Helper()
	text, err := os.ReadFile(w.path("mailreeve.yaml"))
	w.must(err)
	if !bytes.Contains(text, []byte(old)) {
		w.Fatalf("the configuration has no %q", old)
	}
	w.put("mailreeve.yaml", strings.Replace(string(text), old, with, 1))
}

// say runs the command and keeps what it says.
func (w *ward) say(args ...string) int {
	var b bytes.Buffer
	code := (&cli{out: &b, err: &b, clock: w.clock}).execute(context.Background(), append(args, "-c", w.path("mailreeve.yaml")))
	w.heard(args[0], b.String())
	return code
}

func (w *ward) heard(command, said string) {
	fmt.Fprintf(&w.output, "$ mailreeve %s\n%s", command, strings.ReplaceAll(said, w.dir, "DIR"))
}

// sql does to the store what mailreeve would not.
func (w *ward) sql(statements ...string) {
	w.Helper()
	db := w.database()
	defer db.Close()
	for _, q := range statements {
		_, err := db.Exec(q)
		w.must(err)
	}
}

func (w *ward) database() *sql.DB {
	w.Helper()
	driver, dsn := "postgres", w.url
	if path, ok := strings.CutPrefix(w.url, "sqlite://"); ok {
		driver, dsn = "sqlite", "file:"+path
	}
	db, err := sql.Open(driver, dsn)
	w.must(err)
	return db
}

// patient runs binary with args as another process; as nobody, where this one is root, whom no mode of a file keeps out.
func (w *ward) patient(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, append(args, "-c", w.path("mailreeve.yaml"))...)
	if os.Getuid() == 0 {
		u, err := user.Lookup("nobody")
		w.must(err)
		uid, err := strconv.Atoi(u.Uid)
		w.must(err)
		gid, err := strconv.Atoi(u.Gid)
		w.must(err)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	return cmd
}

// A mistake is one that docs/runbook.md has an entry for, by its heading.
type mistake struct {
	entry string
	// make makes the mistake and gives what doctor is asked as: nil, the command in this process.
	make  func(t *testing.T, binary string) (*ward, func() int)
	fine  bool // doctor warns only: nothing is broken yet
	alone bool // it needs the environment for itself
}

func here(w *ward) (*ward, func() int) { return w, func() int { return w.say("doctor") } }

// mistakes are all of the runbook, each made for real.
func mistakes() []mistake {
	return []mistake{
		{entry: "The night is late", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "") // and then serve was down for two days
			w.clock = func() time.Time { return time.Now().Add(48 * time.Hour) }
			return here(w)
		}},
		{entry: "The night was killed", make: func(t *testing.T, binary string) (*ward, func() int) {
			w := newWard(t, "")
			w.kill(binary)
			return here(w)
		}},
		{entry: "The night failed", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.call("r2")
			w.spoil() // nothing may be written to the table: as a bug, or a hand in the store, would have it
			w.say("run")
			return here(w)
		}},
		{entry: "Another program holds the SQLite file", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			db := w.database()
			db.SetMaxOpenConns(1)
			t.Cleanup(func() { db.Close() })
			_, err := db.Exec(`PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE`)
			w.must(err)
			return here(w) // it waits for 20 seconds, as a run does
		}},
		{entry: "A night holds the lock, and does not end", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			s, err := store.Open(t.Context(), w.url)
			w.must(err)
			l, err := s.Lock(t.Context(), false)
			w.must(err)
			t.Cleanup(func() { w.must(l.Release()); w.must(s.Close()) })
			w.say("run")
			return here(w)
		}, fine: true},
		{entry: "A night on Postgres holds the lock, and does not end", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			s, err := store.Open(t.Context(), w.url)
			w.must(err)
			l, err := s.Lock(t.Context(), false)
			w.must(err)
			t.Cleanup(func() { w.must(l.Release()); w.must(s.Close()) })
			w.say("run")
			return here(w)
		}, fine: true},
		{entry: "A source is missing", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.must(os.Remove(w.path("apps.jsonl")))
			w.say("run")
			return here(w)
		}},
		{entry: "A source stands still", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := emptyWard(t, "")
			old := time.Now().Add(-72 * time.Hour)
			w.put("access-1.jsonl", slackCall(old.UTC().Format(time.RFC3339), "r1")+"\n")
			w.must(os.Chtimes(w.path("access-1.jsonl"), old, old))
			w.say("run")
			return here(w)
		}},
		{entry: "A file is full of bad lines", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.put("access-2.jsonl", strings.Repeat("GET /rest/api/3/user/email HTTP/1.1\n", 1500))
			w.say("run")
			return here(w)
		}},
		{entry: "The registry has shrunk", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.put("apps.jsonl", `{"key":"acme","vendor":{"id":"v1"},"approvals":[]}`+"\n")
			w.say("run")
			return here(w)
		}},
		{entry: "The quarantine grows", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.put("access-2.jsonl", "GET /rest/api/3/user/email HTTP/1.1\n"+slackCall(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "r2")+"\n")
			w.say("run")
			return here(w)
		}, fine: true},
		{entry: "Nobody may read a source", make: func(t *testing.T, binary string) (*ward, func() int) {
			w := emptyWard(t, "")
			w.must(os.Chmod(w.dir, 0o777))
			w.must(os.Chmod(w.path("access-1.jsonl"), 0))
			return w, w.elsewhere(binary, "run", "doctor")
		}},
		{entry: "The store may not be written", make: func(t *testing.T, binary string) (*ward, func() int) {
			w := newWard(t, "")
			w.must(os.Chmod(w.path("mailreeve.db"), 0o444))
			w.must(os.Chmod(w.dir, 0o555))
			t.Cleanup(func() { w.must(os.Chmod(w.dir, 0o755)) })
			return w, w.elsewhere(binary, "run", "doctor")
		}},
		{entry: "The archive may not be written", make: func(t *testing.T, binary string) (*ward, func() int) {
			w := newWard(t, "")
			w.call("r2")
			w.must(os.Chmod(w.dir, 0o777))
			w.must(os.Chmod(w.path("mailreeve.db"), 0o666))
			w.must(os.Chmod(w.path("mailreeve.db.lock"), 0o666))
			w.must(filepath.Walk(w.path("mailreeve.archive"), func(path string, i os.FileInfo, err error) error {
				mode := os.FileMode(0o555)
				if err == nil && !i.IsDir() {
					mode = 0o444
				}
				return os.Chmod(path, mode)
			}))
			t.Cleanup(func() { w.must(os.Chmod(w.path("mailreeve.archive"), 0o755)) })
			return w, w.elsewhere(binary, "run", "doctor")
		}},
		{entry: "The disk is full", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.fill()
			w.call("r2")
			w.say("run")
			return here(w)
		}},
		{entry: "The store is damaged", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.put("mailreeve.db", strings.Repeat("not a database ", 1000))
			w.say("run")
			return here(w)
		}},
		{entry: "The trail was cut off", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.sql(`DROP TRIGGER trail_keeps_entries`, `DELETE FROM trail WHERE seq > 2`)
			w.say("verify")
			return here(w)
		}},
		{entry: "The trail is broken", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.sql(`DROP TRIGGER trail_keeps_words`, `UPDATE trail SET who = 'somebody' WHERE seq = 1`)
			w.say("verify")
			return here(w)
		}},
		{entry: "The store is newer than the program", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.sql(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
			w.say("run")
			return here(w)
		}},
		{entry: "The store is older than the program", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.sql(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
			return here(w)
		}, fine: true},
		{entry: "The store is gone", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.must(os.Remove(w.path("mailreeve.db")))
			return here(w)
		}},
		{entry: "The database is down", make: func(t *testing.T, _ string) (*ward, func() int) {
			own := ownCluster(t)
			w := newWard(t, own.New(t))
			w.must(own.Stop())
			t.Cleanup(func() { w.must(own.Start(false)) })
			w.say("run")
			return here(w)
		}},
		{entry: "The database is a standby", make: func(t *testing.T, _ string) (*ward, func() int) {
			own := ownCluster(t)
			w := newWard(t, own.New(t))
			w.must(own.Stop())
			w.must(own.Start(true))
			t.Cleanup(func() { w.must(own.Stop()); w.must(own.Start(false)) })
			w.say("run")
			return here(w)
		}},
		{entry: "A worker is dead", make: func(t *testing.T, binary string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			cmd := exec.Command(binary, "worker", "-c", w.path("mailreeve.yaml"))
			w.must(cmd.Start())
			w.await(`SELECT count(*) FROM crews`, "1")
			w.must(cmd.Process.Kill())
			_ = cmd.Wait() // killed
			time.Sleep(store.Silence + time.Second)
			return here(w)
		}, fine: true},
		{entry: "A worker has another archive", make: func(t *testing.T, binary string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			good, err := os.ReadFile(w.path("mailreeve.yaml"))
			w.must(err)
			// It began before the first night, which would keep it from making an archive; and what it has is not the nights'.
			packs := `CREATE TABLE kept AS SELECT * FROM packs`
			w.sql(packs, `DELETE FROM packs`)
			w.put("worker.yaml", strings.Replace(string(good), "archive: mailreeve.archive", "archive: elsewhere", 1))
			cmd := exec.Command(binary, "worker", "-c", w.path("worker.yaml"))
			var said bytes.Buffer
			cmd.Stderr = &said
			w.must(cmd.Start())
			w.await(`SELECT count(*) FROM crews`, "1")
			w.sql(`INSERT INTO packs SELECT * FROM kept`, `DROP TABLE kept`)
			w.call("r2")
			w.put("access-3.jsonl", slackCall(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "r3")+"\n")
			if code := w.say("run"); code != exitDone {
				t.Errorf("a night beside it: exit %d", code)
			}
			code := w.say("doctor")
			w.must(cmd.Process.Signal(syscall.SIGTERM))
			w.must(cmd.Wait())
			w.heard("worker", said.String())
			if segments, err := filepath.Glob(w.path("elsewhere/*.s*")); err != nil || len(segments) > 0 {
				t.Errorf("it wrote %v, %v", segments, err)
			}
			return w, func() int { return code }
		}, fine: true},
		{entry: "The database was restarted during the night", make: func(t *testing.T, _ string) (*ward, func() int) {
			own := ownCluster(t)
			w := newWard(t, own.New(t))
			w.call("r2")
			db := w.database()
			defer db.Close()
			held, err := db.Begin() // keeps the night from getting to its end
			w.must(err)
			_, err = held.Exec(`LOCK TABLE packs IN ACCESS EXCLUSIVE MODE`)
			w.must(err)
			ended := make(chan struct{})
			go func() { defer close(ended); w.say("run") }()
			w.await(`SELECT status FROM runs ORDER BY seq DESC LIMIT 1`, "running")
			w.must(own.Stop())
			<-ended
			_ = held.Rollback() // its connection is gone
			w.must(own.Start(false))
			return here(w)
		}},
		{entry: "The database lets nothing be written", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			w.sql(`DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET default_transaction_read_only = on'; END $$`)
			w.say("run")
			return here(w)
		}},
		{entry: "The database is not there", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			w.configure("/mailreeve_test_", "/no_such_database_")
			w.say("run")
			return here(w)
		}},
		{entry: "The database's user may not write", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			w.sql(`DROP ROLE IF EXISTS stranger`, `CREATE ROLE stranger LOGIN`)
			w.configure("mailreeve@", "stranger@")
			w.say("run")
			t.Cleanup(func() { w.sql(`DROP ROLE stranger`) })
			return here(w)
		}},
		{entry: "A clock is wrong", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.clock = func() time.Time { return time.Now().Add(240 * time.Hour) }
			w.say("run")
			w.clock = time.Now // somebody has set it right
			w.say("run")
			return here(w)
		}},
		{entry: "This machine's clock is not the database's", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, cluster.New(t))
			// One clock cannot be two: the database's is made another by a function that is found before its own.
			w.sql(`CREATE SCHEMA wrong`, `CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '10 minutes' $$`)
			w.configure("?sslmode=disable", "?sslmode=disable&search_path=wrong,pg_catalog,public")
			return here(w)
		}},
		{entry: "Records come from the future", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.put("access-2.jsonl", slackCall(time.Now().Add(72*time.Hour).UTC().Format(time.RFC3339), "r2")+"\n")
			w.say("run")
			return here(w)
		}, fine: true},
		{entry: "The archive lacks a segment", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			segments, err := filepath.Glob(w.path("mailreeve.archive/*.seg"))
			w.must(err)
			w.must(os.Remove(segments[0]))
			w.say("run")
			return here(w)
		}},
		{entry: "The object storage does not answer", alone: true, make: func(t *testing.T, _ string) (*ward, func() int) {
			server := s3test.Start(t)
			s3test.Use(t, server.Address)
			bucket := server.Bucket(t)
			w := emptyWard(t, "")
			w.configure("path: \"access-*.jsonl\"", "path: \"s3://"+bucket+"/logs/access-*.jsonl\"")
			w.configure("archive: mailreeve.archive", "archive: s3://"+bucket+"/archive")
			text, err := os.ReadFile(w.path("access-1.jsonl"))
			w.must(err)
			server.Put(t, bucket, "logs/access-1.jsonl", text)
			if code := w.say("run"); code != exitDone {
				t.Fatalf("the first night: exit %d: %s", code, w.output.String())
			}
			w.output.Reset()
			server.Kill()
			w.say("run")
			return here(w)
		}},
		{entry: "A segment of the archive is cut short", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			segments, err := filepath.Glob(w.path("mailreeve.archive/*.seg"))
			w.must(err)
			w.must(os.Truncate(segments[0], 10))
			return here(w)
		}},
		{entry: "The archive belongs to another store", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("mailreeve.db", "other.db")
			w.say("run")
			return here(w)
		}},
		{entry: "Messages wait for 6 hours", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "") // and then there was no serve, and no run
			w.configure("sources:", `webhooks: [{url: "https://hooks.example/path"}]`+"\nsources:")
			w.message("webhook finding.opened F-1", webhook.Sink, 7*time.Hour)
			return here(w)
		}},
		{entry: "Messages wait for nobody", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.message("jira 0b1c2d3e4f506172 R-000002", jira.Sink, time.Hour)
			return here(w)
		}},
		{entry: "Mail is refused", make: func(t *testing.T, _ string) (*ward, func() int) {
			server := smtptest.Start(t, smtptest.Options{Auth: true, STARTTLS: true})
			w := newWard(t, "")
			w.configure("sources:", `alerts: {mail: [ops@platform.example]}
notices: {smtp: "smtp://`+server.SMTP+`", username_env: MAILREEVE_TEST_SMTP_USER, password_env: MAILREEVE_TEST_SMTP_WRONG, from: compliance@platform.example}
sources:`)
			s := w.system()
			m, err := s.toOperators("stuck after 0", email.Plain("late", "late\n"), audit.At(time.Now()))
			w.must(err)
			w.must(s.store.EnqueueMessages(t.Context(), m))
			w.say("run")
			return here(w)
		}},
		{entry: "An abnormal night", make: func(t *testing.T, _ string) (*ward, func() int) {
			server := smtptest.Start(t, smtptest.Options{})
			w := emptyWard(t, "")
			w.put("policy.yaml", "notices: {abnormal: {findings: 0, times: 0}}\n")
			w.configure("archive:", `policy: policy.yaml
notices: {from: compliance@platform.example, smtp: "smtp://`+server.SMTP+`"}
archive:`)
			w.say("run")
			w.put("access-2.jsonl", strings.ReplaceAll(slackCall(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "r2"), `"acme"`, `"basil"`)+"\n")
			w.say("run")
			w.say("notices", "list", "--tasks")
			return here(w)
		}, fine: true},
		{entry: "The digest does not reach Slack", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := slackWard(t, `{"ok":false,"error":"invalid_auth"}`)
			w.say("run")
			return here(w)
		}},
		{entry: "Slack cannot be reached", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := slackWard(t, "")
			return here(w)
		}},
		{entry: "The Slack app is not in the channel", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := slackWard(t, `{"ok":false,"error":"not_in_channel"}`)
			return w, func() int { return w.say("doctor", "--send") }
		}},
		{entry: "There is no Slack token", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", `slack: {channel: "#audit", token_env: MAILREEVE_TEST_NO_TOKEN}`+"\nsources:")
			return here(w)
		}, fine: true},
		{entry: "The secret of a webhook is missing", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", `webhooks: [{url: "https://hooks.example/path", secret_env: MAILREEVE_TEST_NO_SECRET}]`+"\nsources:")
			return here(w)
		}},
		{entry: "A webhook is not signed", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", `webhooks: [{url: "https://hooks.example/path"}]`+"\nsources:")
			return here(w)
		}, fine: true},
		{entry: "A webhook is refused", make: func(t *testing.T, _ string) (*ward, func() int) {
			return hookWard(t, http.StatusNotFound, `webhooks: [{url: "URL/path", secret_env: MAILREEVE_TEST_HOOK_SECRET, allow_private: true}]`)
		}},
		{entry: "A webhook's address is not public", make: func(t *testing.T, _ string) (*ward, func() int) {
			return hookWard(t, http.StatusOK, `webhooks: [{url: "URL/path", secret_env: MAILREEVE_TEST_HOOK_SECRET}]`)
		}},
		{entry: "There is no Jira token", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", `jira: {url: "https://jira.example", user_env: HOME, token_env: MAILREEVE_TEST_NO_TOKEN, project: AUDIT}`+"\nsources:")
			return here(w)
		}},
		{entry: "Jira does not know the account", make: func(t *testing.T, _ string) (*ward, func() int) {
			return hookWard(t, http.StatusUnauthorized, `jira: {url: URL, user_env: MAILREEVE_TEST_HOOK_SECRET, token_env: MAILREEVE_TEST_HOOK_SECRET, project: AUDIT, allow_private: true}`)
		}},
		{entry: "The Jira project is not there", make: func(t *testing.T, _ string) (*ward, func() int) {
			server := httptest.NewServer(&jirafake.Server{Clock: time.Now})
			t.Cleanup(server.Close)
			w := newWard(t, "")
			w.configure("sources:", `jira: {url: "`+server.URL+`", user_env: MAILREEVE_TEST_JIRA_USER, token_env: MAILREEVE_TEST_JIRA_TOKEN, project: AUDITS, allow_private: true}`+"\nsources:")
			return here(w)
		}},
		{entry: "The heartbeat cannot be reached", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", `heartbeat: {url: "http://127.0.0.1:1/ping", allow_private: true}`+"\nsources:")
			return w, func() int { return w.say("doctor", "--send") }
		}},
		{entry: "The night comes at the wrong hour", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("CRON_TZ=UTC ", "")
			return here(w)
		}, fine: true},
		{entry: "The configuration cannot be read", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("archive:", "archvie:")
			w.say("run")
			return here(w)
		}},
		{entry: "The time zone is unknown", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("CRON_TZ=UTC", "CRON_TZ=Europe/Berln")
			w.say("run")
			return here(w)
		}},
		{entry: "The key of the digests is missing", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", "address_key_file: address-key\nsources:")
			w.say("run")
			return here(w)
		}},
		{entry: "The browser is missing", make: func(t *testing.T, _ string) (*ward, func() int) {
			w := newWard(t, "")
			w.configure("sources:", "capture: {every: \"@daily\", chromium: /usr/bin/no-such-browser}\nsources:")
			return here(w)
		}},
	}
}

// call adds a call to the log.
func (w *ward) call(request string) {
	w.put("access-"+request+".jsonl", slackCall(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), request)+"\n")
}

// spoil makes publishing fail.
func (w *ward) spoil() {
	w.sql(`CREATE TRIGGER spoiled BEFORE INSERT ON packs BEGIN SELECT RAISE(ABORT, 'a trigger that is none of mailreeve''s'); END`)
}

// message writes one into the outbox, as of long ago.
func (w *ward) message(key, sink string, ago time.Duration) {
	w.Helper()
	at := audit.At(time.Now().Add(-ago))
	w.must(w.system().store.EnqueueMessages(w.Context(), audit.Message{Key: key, Sink: sink, Lane: "lane", Body: []byte("{}"), Created: at, NextAt: at}))
}

// kill kills a night that has begun.
func (w *ward) kill(binary string) {
	w.put("access-2.jsonl", "")
	log, err := os.Create(w.path("access-2.jsonl"))
	w.must(err)
	for i := range 200_000 { // enough to be caught at it
		_, err := fmt.Fprintln(log, slackCall("2026-01-02T03:04:05Z", fmt.Sprint("k", i)))
		w.must(err)
	}
	w.must(log.Close())
	cmd := exec.Command(binary, "run", "-c", w.path("mailreeve.yaml"))
	w.must(cmd.Start())
	w.await(`SELECT status FROM runs ORDER BY seq DESC LIMIT 1`, "running")
	w.must(cmd.Process.Kill())
	_ = cmd.Wait() // killed
}

// await waits until a query gives what is wanted.
func (w *ward) await(query, want string) {
	w.Helper()
	db := w.database()
	defer db.Close()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		var got string
		if err := db.QueryRow(query).Scan(&got); err == nil && got == want {
			return
		}
		if time.Now().After(end) {
			w.Fatalf("%s is never %s", query, want)
		}
	}
}

// elsewhere lets other processes of another user say what they say.
func (w *ward) elsewhere(binary string, commands ...string) func() int {
	return func() (code int) {
		for _, command := range commands {
			cmd := w.patient(binary, command)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				w.Fatal(err)
			}
			code = cmd.ProcessState.ExitCode()
			w.heard(command, string(out))
		}
		return code
	}
}

// fill gives the world a disk of its own and fills it.
func (w *ward) fill() {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		w.Skip("only root can make a small disk")
	}
	small := w.path("disk")
	w.must(os.Mkdir(small, 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small).CombinedOutput(); err != nil {
		w.Skipf("a small disk cannot be made here: %v: %s", err, out)
	}
	w.Cleanup(func() { w.must(exec.Command("umount", small).Run()) })
	for _, name := range []string{"mailreeve.db", "mailreeve.db.lock", "mailreeve.archive"} {
		w.must(exec.Command("cp", "-a", w.path(name), small).Run())
	}
	w.configure(w.url, "sqlite://disk/mailreeve.db")
	w.configure("mailreeve.archive", "disk/mailreeve.archive")
	_ = os.WriteFile(filepath.Join(small, "other-things"), make([]byte, 9<<20), 0o644) // as much as there is room for
}

// ownCluster is a Postgres that a test may stop.
func ownCluster(t *testing.T) *pgtest.Cluster {
	t.Helper()
	own := new(pgtest.Cluster)
	own.Own(t)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	return own
}

// slackWard is a world that posts to a Slack that gives one answer to posts; where it is empty, to nobody.
func slackWard(t *testing.T, answer string) *ward {
	w := newWard(t, "")
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "auth.test") && strings.Contains(answer, "channel") {
			fmt.Fprint(rw, `{"ok":true,"team":"Platform"}`)
			return
		}
		fmt.Fprint(rw, answer)
	}))
	t.Cleanup(server.Close)
	if answer == "" {
		server.Close()
	}
	w.configure("sources:", `slack: {channel: "#audit", token_env: MAILREEVE_TEST_SLACK_TOKEN, api_url: "`+server.URL+`/"}`+"\nsources:")
	w.call("r2")
	return w
}

// hookWard is a world that tells a server that gives one answer, at URL of its configuration.
func hookWard(t *testing.T, status int, configuration string) (*ward, func() int) {
	w := newWard(t, "")
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
	t.Cleanup(server.Close)
	w.configure("sources:", strings.ReplaceAll(configuration, "URL", server.URL)+"\nsources:")
	return w, func() int { return w.say("doctor", "--send") }
}

// TestDoctorFindsEachMistakeOfTheRunbook makes each mistake for real, and holds what is said of it against the runbook: what it quotes is what one sees.
func TestDoctorFindsEachMistakeOfTheRunbook(t *testing.T) {
	binary := built(t)
	book := runbook(t)
	var entries []string
	for _, m := range mistakes() {
		entries = append(entries, m.entry)
		t.Run(m.entry, func(t *testing.T) {
			if !m.alone {
				t.Parallel() // most of it is waiting
			}
			w, doctor := m.make(t, binary)
			code := doctor()
			said := w.output.String()
			t.Log("\n" + said)
			if want := map[bool]int{false: exitFailed, true: exitDone}[m.fine]; code != want {
				t.Errorf("doctor ends with %d, not %d", code, want)
			}
			for _, secret := range []string{slackToken, "hunter2", hookSecret, jirafake.Token, "/path"} {
				if strings.Contains(said, secret) {
					t.Errorf("it shows the secret %s", secret)
				}
			}
			for _, line := range book[m.entry] {
				if !shows(line).MatchString(said) {
					t.Errorf("the runbook shows a line that nobody sees: %s", line)
				}
			}
			symptoms := regexp.MustCompile(`(?m)^(wrong|warning) `).FindAllString(said, -1)
			if len(symptoms) == 0 {
				t.Error("doctor finds nothing")
			}
			if !slices.ContainsFunc(book[m.entry], func(line string) bool { return strings.HasPrefix(line, "wrong") || strings.HasPrefix(line, "warning") }) {
				t.Error("the runbook does not show what doctor says of it")
			}
		})
	}
	for entry := range book {
		if !slices.Contains(entries, entry) {
			t.Errorf("the runbook has the entry %q, and no test makes that mistake", entry)
		}
	}
}

// shows is a line of the runbook as a pattern: … stands for whatever it is on that day, and white space for any.
func shows(line string) *regexp.Regexp {
	var parts []string
	for part := range strings.SplitSeq(line, "…") {
		var words []string
		for word := range strings.FieldsSeq(part) {
			words = append(words, regexp.QuoteMeta(word))
		}
		p := strings.Join(words, `\s+`)
		if strings.HasPrefix(part, " ") {
			p = `\s+` + p
		}
		if strings.HasSuffix(part, " ") && len(words) > 0 {
			p += `\s+`
		}
		parts = append(parts, p)
	}
	return regexp.MustCompile(`(?m)^` + strings.Join(parts, `.*`) + `\s*$`)
}

// runbook gives, for each entry of the runbook, the lines that it says one sees.
func runbook(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	book := map[string][]string{}
	entry, quoting := "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch heading, ok := strings.CutPrefix(line, "### "); {
		case ok && !quoting:
			entry = heading
			book[entry] = nil
		case strings.HasPrefix(line, "## "):
			entry = ""
		case strings.HasPrefix(line, "```"):
			quoting = !quoting
		case quoting && entry != "" && !strings.HasPrefix(line, "$ ") && strings.TrimSpace(line) != "" && strings.TrimSpace(line) != "…":
			book[entry] = append(book[entry], line)
		}
	}
	return book
}

// What doctor advises where scheduled nights are missing, a run by hand, is the end of it.
func TestARunByHandEndsALateNight(t *testing.T) {
	t.Parallel()
	w := newWard(t, "")
	w.say("run")
	w.sql("UPDATE runs SET scheduled_at = as_of")
	w.clock = func() time.Time { return time.Now().Add(48 * time.Hour) }
	w.put("access-1.jsonl", slackCall(w.clock().Add(-time.Hour).UTC().Format(time.RFC3339), "r2")+"\n")
	w.must(os.Chtimes(w.path("access-1.jsonl"), w.clock(), w.clock()))
	for _, x := range []struct {
		command string
		code    int
	}{{"doctor", exitFailed}, {"run", exitDone}, {"doctor", exitDone}} {
		if code := w.say(x.command); code != x.code {
			t.Fatalf("%s ended with %d, not %d:\n%s", x.command, code, x.code, w.output.String())
		}
	}
}

// What is to be done about a source says neither that the next run mends what it cannot, nor that a person is to mend what is not theirs.
func TestCure(t *testing.T) {
	t.Parallel()
	for trouble, want := range map[string]string{
		"page 1: https://a.example cannot be reached: connection refused":                                                                            "the next run catches up",
		"page 1: https://a.example cannot be reached: it leads to what is not a public address: allow_private lets it":                               "then the next run catches up",
		"page 1: https://a.example cannot be reached: it leads to another host, where the token is not to go: configure the URL that holds the list": "then the next run catches up",
		"page 2: https://a.example answered 503 Service Unavailable":                                                                                 "the next run asks again; where it stays so, ask who runs that server",
		"page 1: https://a.example answered 404 Not Found":                                                                                           "mend it",
	} {
		if got := cure(trouble); got != want {
			t.Errorf("%s: %s, want %s", trouble, got, want)
		}
	}
}
