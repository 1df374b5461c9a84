package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/format"
	"github.com/mailreeve/mailreeve/audit/ingest"
)

// A night from the log that nginx wrote (see audit/format/testdata) to findings whose evidence is that log's lines.
func TestANightFromNginxsLog(t *testing.T) {
	t.Parallel()
	log, err := os.ReadFile(filepath.Join("format", "testdata", "nginx-gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	layout, err := format.Spec{
		Name:  "nginx",
		Line:  `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_id $host "$http_x_app_key" "$http_x_purpose"`,
		Paths: "^/rest/api/3/user/email(/bulk)?$",
		Map:   map[string][]string{"app_key": {"header:X-App-Key"}, "purpose": {"header:X-Purpose"}, "cloud_id": {`host:^([^.]+)\.`}, "auth": {"=oauth2"}},
	}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, spread := range []bool{false, true} {
		t.Run(fmt.Sprintf("spread %t", spread), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.spread = spread
			w.now = at("2026-11-28T03:00:00Z").Time()
			w.write("apps.jsonl", strings.ReplaceAll(acme, `"acme"`, `"com.acme"`))
			w.write("installs.jsonl", `{"ts":"2026-01-01T00:00:00Z","app_key":"com.acme","cloud_id":"site-1","event":"installed"}`)
			w.write("reports.jsonl", `{"ts":"2026-11-27T00:00:00Z","request_id":"rep","app_key":"com.acme","status":200,"accounts":[{"account_id":"a-1"}]}`)
			w.remove("access.jsonl")
			w.write("access.jsonl")
			w.more = []ingest.Source{{Kind: audit.KindAccess, Name: "gate-*.log", Path: filepath.Join(w.dir, "gate-*.log*"), MaxBad: 0.05, Format: layout}}
			w.write("gate-1.log", strings.TrimSuffix(string(log), "\n"))
			w.write("gate-2.log", strings.Split(string(log), "\n")[2]) // a copy, so that there is more than one file to share out

			// Of the ten lines two are of other paths, and one names an account that is an address.
			res := w.run("2026-11-28T02:30:00Z")
			s := res.Run.Summary.Sources[len(res.Run.Summary.Sources)-1]
			if !s.Looked || s.Lines != 9 || s.Facts != 7 || s.Duplicates != 1 || s.Quarantined != 1 || s.Newest != at("2026-11-27T14:17:26Z") {
				t.Errorf("%+v", s)
			}
			f, err := w.store.Finding(t.Context(), audit.FindingID(prohibited, "com.acme", "marketing"))
			if err != nil {
				t.Fatal(err)
			}
			if f.Accounts != 3 || f.Occurrences != 1 || len(f.Evidence) != 1 || f.Evidence[0].Source.Line != 3 || f.Evidence[0].Account != "a-1" {
				t.Errorf("%+v", f)
			}
			bad, err := w.store.Quarantine(t.Context())
			if err != nil || len(bad) != 1 || bad[0].Line != 6 || bad[0].Text != "" || bad[0].Reason != "account_ids entry 1 is an account id that looks like an address" {
				t.Errorf("%+v, %v", bad, err)
			}

			// Rotated and compressed it is the same log.
			w.remove("gate-1.log")
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := z.Write(log); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(w.dir, "gate-1.log.1.gz"), packed.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			res = w.run("2026-11-28T02:40:00Z")
			s = res.Run.Summary.Sources[len(res.Run.Summary.Sources)-1]
			if s.Lines != 8 || s.Facts != 0 || s.Duplicates != 7 || s.Quarantined != 1 || len(res.Changes) != 0 {
				t.Errorf("%+v, %+v", s, res.Changes)
			}

			// The queries held addresses. Nothing that is kept does.
			w.remove("gate-1.log.1.gz")
			w.nowhere("people.example", "people%2Eexample")
		})
	}
}

// nowhere looks for texts in all files of the world.
func (w *world) nowhere(texts ...string) {
	w.Helper()
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		have, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(have, []byte(text)) {
				w.Errorf("%s holds %s", path, text)
			}
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

// A registry is a feed that says whether it has changed.
type registry struct {
	text, tag string
	err       error
	asked     []string // the tags that it was told
}

func (r *registry) Fetch(_ context.Context, tag string, to io.Writer) (string, bool, error) {
	r.asked = append(r.asked, tag)
	if r.err != nil {
		_, _ = io.WriteString(to, r.text[:len(r.text)/2])
		return "", false, r.err
	}
	if tag != "" && tag == r.tag {
		return tag, true, nil
	}
	_, err := io.WriteString(to, r.text)
	return r.tag, false, err
}

func TestARegistryThatHasNotChangedIsWhatItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := strings.ReplaceAll(acme, `"acme"`, `"other"`)
	r := &registry{text: acme + "\n" + other + "\n", tag: "v1"}
	w.feed = r
	w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
	at := func(res *audit.Result) audit.SourceResult {
		for _, s := range res.Run.Summary.Sources {
			if s.Kind == audit.KindApps {
				return s
			}
		}
		t.Fatal("no apps source")
		return audit.SourceResult{}
	}
	step := func(asOf, tag string, looked bool, lines int64) *audit.Result {
		t.Helper()
		res := w.run(asOf)
		if s := at(res); s.Looked != looked || s.Lines != lines {
			t.Errorf("%s: %+v", asOf, s)
		}
		if got := r.asked[len(r.asked)-1]; got != tag {
			t.Errorf("%s: asked with tag %q, want %q", asOf, got, tag)
		}
		return res
	}
	step("2026-11-23T02:30:00Z", "", true, 2)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)

	// Unchanged, it counts, and calls are judged by what it was.
	w.write("access-2.jsonl", call("2026-11-22T12:00:00Z", "r2", "marketing", "ann"))
	step("2026-11-23T02:31:00Z", "v1", true, 0)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 2, 1)

	// Half of it is no registry: nothing of it counts, and the source was not looked at.
	r.err = errors.New("page 2: 502")
	res := step("2026-11-23T02:32:00Z", "v1", false, 0)
	if s := at(res); !strings.Contains(s.Trouble, "page 2: 502") {
		t.Errorf("%+v", s)
	}
	r.err = nil
	step("2026-11-23T02:33:00Z", "", true, 2) // after trouble it comes whole

	// One that lost too much is not taken, nor taken for unchanged the next time.
	r.text, r.tag = `{"key":"third"}`+"\n", "v2"
	step("2026-11-23T02:34:00Z", "v1", false, 0)
	step("2026-11-23T02:35:00Z", "", false, 0)
	r.text, r.tag = acme+"\n"+other+"\n", "v3"
	step("2026-11-23T02:36:00Z", "", true, 2)

	// When the registry came from elsewhere meanwhile, what the feed says of changes is no news.
	w.feed = nil
	w.write("apps.jsonl", acme, other, strings.ReplaceAll(acme, `"acme"`, `"third"`))
	w.run("2026-11-23T02:37:00Z")
	w.feed = r
	step("2026-11-23T02:38:00Z", "", true, 2)
}
