package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
	"github.com/mailreeve/mailreeve/internal/market/markettest"
	"github.com/mailreeve/mailreeve/internal/s3test"
)

// inBucket keeps what a folder holds in a bucket, too, under the folder's name, and has its configuration read it from there.
type inBucket struct {
	t      *testing.T
	server *s3test.Server
	bucket string
	there  map[string][]byte
}

func newInBucket(t *testing.T, server *s3test.Server) *inBucket {
	return &inBucket{t, server, server.Bucket(t), map[string][]byte{}}
}

// sync makes the bucket hold what the folder does. What did not change is not written again.
func (b *inBucket) sync(dir string) {
	b.t.Helper()
	path := filepath.Join(dir, "mailreeve.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	prefix := filepath.ToSlash(strings.TrimPrefix(dir, "/"))
	if !bytes.Contains(text, []byte("s3://")) {
		text = bytes.ReplaceAll(text, []byte(`path: "`), fmt.Appendf(nil, `path: "s3://%s/%s/`, b.bucket, prefix))
		text = bytes.Replace(text, []byte("archive: mailreeve.archive"), fmt.Appendf(nil, "archive: s3://%s/archives/%s", b.bucket, prefix), 1)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == dir {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(strings.TrimPrefix(path, "/"))
		seen[key] = true
		if old, ok := b.there[key]; !ok || !bytes.Equal(old, text) {
			b.server.Put(b.t, b.bucket, key, text)
			b.there[key] = text
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for key := range b.there {
		if strings.HasPrefix(key, prefix+"/") && !seen[key] {
			b.server.Remove(b.t, b.bucket, key)
			delete(b.there, key)
		}
	}
}

// onObjectStorage runs nights whose sources and archive are in a bucket.
type onObjectStorage struct {
	inProcess
	*inBucket
}

func (o onObjectStorage) Run(ctx context.Context, dir string, asOf time.Time) error {
	o.sync(dir)
	return o.inProcess.Run(ctx, dir, asOf)
}

// Markets of chance give in object storage what an independent reading of the rules gives.
func TestMarketsOnObjectStorage(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 4), number(t, "MAILREEVE_TEST_SEED", 1700)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { markettest.Check(t, seed, onObjectStorage{inBucket: newInBucket(t, server)}) })
	}
}

// held is all that is told of the findings of a folder's store, but times of the clock.
func held(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(dir, "mailreeve.db"))
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
		f.FirstRun, f.LastRun, f.Latest.Run = "", "", ""
		h, err := s.Holding(t.Context(), f.ID)
		if err != nil {
			t.Fatal(err)
		}
		out[f.ID] = fmt.Sprintf("%+v %v %v %v", f, h.Accounts.Strings(), h.Sites.Strings(), h.Hosts.Strings())
	}
	return out
}

// Nights that are killed anywhere, with all in object storage, give what undisturbed ones on local files give, to the letter, and leave nothing behind.
func TestKilledNightsOnObjectStorage(t *testing.T) {
	if testing.Short() {
		t.Skip("kills nights")
	}
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	b := newInBucket(t, server)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	binary := built(t)
	m := market.New(4712)
	rng := rand.New(rand.NewPCG(4712, 1))
	nights := m.Nights(rand.New(rand.NewPCG(4712, 2)), 4)
	local, far := marketDir(t, m), marketDir(t, m)
	hits, took := 0, 220*time.Millisecond
	for i, n := range nights {
		apply(t, local, n)
		night(t, binary, local, n.AsOf, 0)
		apply(t, far, n)
		b.sync(far)
		for hits < 3*(i+1) {
			if !night(t, binary, far, n.AsOf, time.Millisecond+time.Duration(rng.Int64N(int64(took)))) {
				hits++
				continue
			}
			if took = took * 9 / 10; took < 5*time.Millisecond { // it had finished before: it is faster than thought
				t.Fatal("no night can be killed")
			}
		}
		night(t, binary, far, n.AsOf, 0)
	}
	if diff := cmp.Diff(held(t, local), held(t, far)); diff != "" {
		t.Errorf("findings (-local +far):\n%s", diff)
	}
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(far, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	named, err := s.SegmentsInUse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, key := range server.Keys(t, b.bucket) {
		if strings.HasPrefix(key, "archives/") && strings.HasSuffix(key, ".seg") {
			there = append(there, key[strings.LastIndexByte(key, '/')+1:])
		}
	}
	slices.Sort(named)
	if diff := cmp.Diff(named, there); diff != "" {
		t.Errorf("segments (-named +there):\n%s", diff)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in TMPDIR: %v %v", left, err)
	}
}

// What does not change is listed, not read again.
func TestUnchangedObjectsAreNotReadAgain(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	b := newInBucket(t, server)
	m := market.New(1)
	dir := marketDir(t, m)
	apply(t, dir, market.Night{AsOf: m.AsOf, Files: m.Whole()})
	run := onObjectStorage{inBucket: b}
	if err := run.Run(t.Context(), dir, m.AsOf); err != nil {
		t.Fatal(err)
	}
	first, _ := proxy.Asked()
	if err := run.Run(t.Context(), dir, m.AsOf); err != nil {
		t.Fatal(err)
	}
	again, _ := proxy.Asked()
	for _, r := range again {
		// The registry is read whole each run, as a local one is; archive.json says whose the archive is.
		if strings.HasPrefix(r, "GET") && strings.Count(r, "/") > 2 && !strings.Contains(r, "/registry/") && !strings.HasSuffix(r, "/archive.json") {
			t.Errorf("read again: %s", r)
		}
	}
	t.Logf("%d requests, then %d", len(first), len(again))
}

// A source that cannot be looked at in object storage is told, with what to do and no secret; the run goes on and ends with 3.
func TestBlindInObjectStorage(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	bucket := server.Bucket(t)
	at := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
	line := `{"ts":"` + at + `","request_id":"r","app_key":"com.acme","cloud_id":"c","path":"/p","auth":"forge-app","status":200,"account_ids":["5b10a2844c20165700ede21f"]}` + "\n"
	server.Put(t, bucket, "logs/access-1.jsonl", []byte(line))
	server.Put(t, bucket, "logs/reports-1.jsonl", []byte(`{"ts":"`+at+`","request_id":"r","app_key":"com.acme","status":200,"accounts":[]}`+"\n"))
	good := "s3://" + bucket + "/logs/reports-*.jsonl"
	for name, c := range map[string]struct {
		path, says string
		fault      func(*http.Request) s3test.Fault
		before     func(t *testing.T)
	}{
		"missing bucket": {path: "s3://not-there/logs/*", says: "there is no such bucket"},
		"no match":       {path: "s3://" + bucket + "/logs/none-*", says: "no such file"},
		"forbidden": {path: "s3://" + bucket + "/logs/access-*", says: "access is denied: allow s3:GetObject", fault: func(r *http.Request) s3test.Fault {
			if strings.Contains(r.URL.Path, "access-1") {
				return s3test.Fault{Status: 403, Code: "AccessDenied"}
			}
			return s3test.Fault{}
		}},
		"forbidden list": {path: "s3://" + bucket + "/logs/access-*", says: "access is denied: allow s3:ListBucket", fault: func(r *http.Request) s3test.Fault {
			if strings.HasPrefix(r.URL.Query().Get("prefix"), "logs/access") {
				return s3test.Fault{Status: 403, Code: "AccessDenied"}
			}
			return s3test.Fault{}
		}},
		"slow down": {path: "s3://" + bucket + "/logs/access-*", says: "asks for fewer requests", fault: func(r *http.Request) s3test.Fault {
			if strings.Contains(r.URL.Path, "access-1") {
				return s3test.Fault{Status: 503, Code: "SlowDown"}
			}
			return s3test.Fault{}
		}},
		"wrong key": {path: "s3://" + bucket + "/logs/access-*", says: "the credentials are not accepted", before: func(t *testing.T) { t.Setenv("AWS_SECRET_ACCESS_KEY", "other") }},
		"nobody there": {path: "s3://" + bucket + "/logs/access-*", says: "the storage cannot be reached", before: func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.before != nil {
				c.before(t)
			}
			proxy.Break(c.fault)
			defer proxy.Break(nil)
			dir := t.TempDir()
			config := fmt.Sprintf("log: {level: debug}\nsources:\n  - {kind: access, path: %q}\n  - {kind: reports, path: %q}\n", c.path, good)
			if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			if code := execute(t.Context(), []string{"run", "-c", filepath.Join(dir, "mailreeve.yaml")}, &out, &errs); code != exitBlind {
				t.Errorf("exit %d", code)
			}
			said := out.String() + errs.String()
			if !strings.Contains(errs.String(), "could not look at access "+c.path) || !strings.Contains(said, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, said)
			}
			for _, secret := range []string{s3test.AccessKey, s3test.SecretKey} {
				if strings.Contains(said, secret) {
					t.Errorf("a secret is in the output")
				}
				for _, file := range []string{"mailreeve.db", "mailreeve.db-wal"} {
					if text, err := os.ReadFile(filepath.Join(dir, file)); err == nil && bytes.Contains(text, []byte(secret)) {
						t.Errorf("a secret is in %s", file)
					}
				}
			}
			proxy.Break(nil)
			if c.before == nil && strings.HasSuffix(c.path, "access-*") { // once it is mended, what was missed is taken
				if code := execute(t.Context(), []string{"run", "-c", filepath.Join(dir, "mailreeve.yaml")}, &out, &errs); code != exitDone {
					t.Errorf("mended: exit %d\n%s", code, errs.String())
				}
			}
		})
	}
}
