package main

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/internal/jirafake"
	"github.com/mailreeve/mailreeve/internal/pgtest"
	"github.com/mailreeve/mailreeve/internal/smtptest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(outboxChild); url != "" {
		if err := deliverAsChild(url, os.Getenv(outboxReceiver)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	for name, value := range environment() {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	testscript.Main(withCluster{m}, map[string]func(){"mailreeve": main})
}

// environment is what configurations of tests name. It is the same for all, for no test that sets it for itself can run beside others. MAILREEVE_TEST_NOTHING is never set.
func environment() map[string]string {
	return map[string]string{
		"MAILREEVE_TEST_SLACK_TOKEN":   slackToken,
		"MAILREEVE_TEST_SLACK_SECRET":  "signed-and-sealed",
		"MAILREEVE_TEST_HOOK_SECRET":   hookSecret,
		"MAILREEVE_TEST_JIRA_USER":     jirafake.User,
		"MAILREEVE_TEST_JIRA_TOKEN":    jirafake.Token,
		"MAILREEVE_TEST_SMTP_USER":     smtptest.Username,
		"MAILREEVE_TEST_SMTP_PASSWORD": smtptest.Password,
		"MAILREEVE_TEST_SMTP_WRONG":    "hunter2-another",
		"PGPASSWORD":                   "hunter2-very-secret", // the tests' Postgres asks for none
	}
}

// cluster is the Postgres of all tests here; it starts with the first that asks for a database.
var cluster pgtest.Cluster

// programDir is where program is; empty: no test wanted it.
var programDir string

// program is mailreeve itself, for tests that end or kill it; any user may run it.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mailreeve-program-")
	if err != nil {
		return "", err
	}
	programDir = dir
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "mailreeve")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

func built(t *testing.T) string {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

type withCluster struct{ *testing.M }

func (m withCluster) Run() int {
	code := m.M.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	if err := cluster.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// TestScripts drives the command as people do. In the scripts' files DAY-n stands for the day n days ago, in times too. POLICY is the digest of the
// built-in policy.
func TestScripts(t *testing.T) {
	policy, err := config.ParsePolicy("", nil)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("POLICY", policy.Digest)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, ".config"))
			now := time.Now().UTC()
			for _, n := range []int{-400, -300, -30} { // to suppress until
				e.Setenv("IN"+strconv.Itoa(-n), now.AddDate(0, 0, -n).Format(time.DateOnly))
			}
			for n := 1; n <= 3; n++ { // nights to run
				e.Setenv("AGO"+strconv.Itoa(n), now.AddDate(0, 0, -n).Format(time.RFC3339))
			}
			return filepath.WalkDir(e.WorkDir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				return os.WriteFile(path, dated(text, now), 0o600)
			})
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" { // whom no mode of a file keeps out
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit":      exit,
			"change":    change,
			"padded":    padded,
			"gzipped":   gzipped,
			"truncated": truncated,
			"newer":     newer,
		},
	})
}

var day = regexp.MustCompile(`DAY-(\d+)`)

// dated is a text with days for DAY-n.
func dated(text []byte, now time.Time) []byte {
	return day.ReplaceAllFunc(text, func(name []byte) []byte {
		n, _ := strconv.Atoi(string(name[len("DAY-"):]))
		return []byte(now.AddDate(0, 0, -n).Format(time.DateOnly))
	})
}

// exit CODE COMMAND… runs a command that must end with this code.
func exit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND…")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit %d", code)
	}
}

// change FILE OLD NEW replaces the first OLD in a file; OLD may be empty: NEW is appended. \n and \xNN stand for what they do in Go.
func change(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: change FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	unquoted, err := strconv.Unquote(`"` + strings.ReplaceAll(args[2], `"`, `\"`) + `"`)
	ts.Check(err)
	to := dated([]byte(unquoted), time.Now().UTC())
	switch {
	case args[1] == "":
		text = append(text, to...)
	case !bytes.Contains(text, []byte(args[1])):
		ts.Fatalf("%s has no %q", args[0], args[1])
	default:
		text = bytes.Replace(text, []byte(args[1]), to, 1)
	}
	ts.Check(os.WriteFile(path, text, 0o600))
}

// padded FILE WORD N puts N letters in the place of a word.
func padded(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	change(ts, neg, []string{args[0], args[1], strings.Repeat("x", n)})
}

// gzipped FILE compresses a file to FILE.gz, of which truncated FILE.gz keeps a half.
func gzipped(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[0])+".gz", b.Bytes(), 0o600))
	ts.Check(os.Remove(ts.MkAbs(args[0])))
}

func truncated(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()/2))
}

// newer DATABASE gives a database a schema from the future.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	ts.Check(errors.Join(err, db.Close()))
}
