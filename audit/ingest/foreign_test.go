package ingest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/format"
)

// collected is what workers were given, by line number once the bases are known.
type collected struct {
	reader *format.Reader
	at     map[Pos]string
}

func (c *collected) Line(p Pos, line []byte) {
	rec, err := foreignCall(c.reader, line)
	if err != nil {
		c.at[p] = err.Error()
		return
	}
	c.at[p] = string(rec.RequestID)
}

func (c *collected) TooLong(p Pos) { c.at[p] = "too long" }

// readCSV reads a file of calls and gives request ids, or why there are none, by line number.
func readCSV(t *testing.T, path string, prior *State, now time.Time) (map[uint64]string, Result, error) {
	t.Helper()
	f, err := format.Spec{Name: "csv"}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Workers: 3, Now: now, block: 200, window: 64}
	open := foreignOf(f, &opt)
	var all []*collected
	res, err := Read(t.Context(), path, prior, opt, func(int) Lines {
		all = append(all, &collected{reader: open(), at: map[Pos]string{}})
		return all[len(all)-1]
	})
	out := map[uint64]string{}
	for _, c := range all {
		for p, id := range c.at {
			out[res.Bases[p.Chunk]+uint64(p.Line)] = id
		}
	}
	return out, res, err
}

// The header is read once for all workers, however the file is cut, packed or grown, and is no line.
func TestCSVWithItsHeader(t *testing.T) {
	t.Parallel()
	const header = "ts,request_id,app_key,cloud_id,path,auth,purpose,status,account_ids\n"
	row := func(i int) string {
		return fmt.Sprintf("2026-11-22T03:14:15Z,r%d,com.acme,s,/e,oauth2,\"security-alerts\",200,\"a-%d,a-1\"\n", i, i)
	}
	text, want := "\ufeff"+header, map[uint64]string{}
	for i := range 40 {
		text += row(i)
		want[uint64(i+2)] = fmt.Sprintf("r%d", i)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(time.Hour)
	for name, text := range map[string]string{"a.csv": text, "a.csv.gz": zipped.String(), "a.csv.zst": string(enc.EncodeAll([]byte(text), nil))} {
		got, res, err := readCSV(t, write(name, text), nil, old)
		if err != nil || !maps.Equal(got, want) || res.Lines != 40 {
			t.Errorf("%s: %v, %d lines, %v", name, err, res.Lines, got)
		}
	}

	// A file that has grown is read on, with the header of its start.
	path := write("grown.csv", text)
	_, res, err := readCSV(t, path, nil, old)
	if err != nil {
		t.Fatal(err)
	}
	write("grown.csv", text+row(40)+"soon,r41,a,s,/e,oauth2,,200,\n")
	got, res, err := readCSV(t, path, &res.State, old)
	if want := map[uint64]string{42: "r40"}; err != nil || res.Lines != 2 || got[42] != want[42] || !strings.HasPrefix(got[43], "ts is no time") {
		t.Errorf("%v, %d lines, %v", err, res.Lines, got)
	}

	// A header that is still being written waits; one that lacks a column is the file's trouble.
	path = write("young.csv", "ts,request")
	if got, res, err := readCSV(t, path, nil, time.Now()); err != nil || !res.Waiting || len(got) != 0 {
		t.Errorf("%v, %+v, %v", err, res, got)
	}
	if _, _, err := readCSV(t, path, nil, old); err == nil || !strings.Contains(err.Error(), `no column`) {
		t.Errorf("an old file with half a header: %v", err)
	}
	if got, res, err := readCSV(t, write("empty.csv", ""), nil, old); err != nil || res.Lines != 0 || len(got) != 0 {
		t.Errorf("an empty file: %v, %+v, %v", err, res, got)
	}
	if got, _, err := readCSV(t, write("cells.csv", header+"2026-11-22T03:14:15Z,\"r\n1\",a,s,/e,oauth2,,200,\n"+row(1)), nil, old); err != nil ||
		!strings.Contains(got[2], "several lines") || got[3] == "" || got[4] != "r1" {
		t.Errorf("a cell of two lines: %v, %v", err, got)
	}
}

// What doctor says of a log rests on a sample of its newest file.
func TestASampleTellsWhatWasFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "format", "testdata", "nginx-json.log")
	f, err := format.Spec{Name: "nginx", Paths: "^/rest/", Map: map[string][]string{"app_key": {"header:X-App-Key"}, "cloud_id": {"host"}, "auth": {"=oauth2"}}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	s, err := LookAt(t.Context(), path, audit.KindAccess, f, nil, time.Now().Add(time.Hour))
	if err != nil || s.Lines != 10 || s.Others != 2 || s.Bad != 1 || s.Good != 7 || !strings.Contains(s.Why, "looks like an address") {
		t.Errorf("%+v, %v", s, err)
	}
	if got := slices.Sorted(maps.Keys(s.Found)); !slices.Equal(got, []string{"account_ids", "app_key", "auth", "cloud_id", "path", "request_id", "status", "ts"}) || s.Found["account_ids"] != 6 {
		t.Errorf("%+v", s.Found)
	}
}

// A line that its program has not ended yet, or that the sample's bound cuts, says nothing of the format.
func TestASampleLeavesACutLineOut(t *testing.T) {
	t.Parallel()
	f, err := format.Spec{Name: "csv"}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	const header = "ts,request_id,app_key,cloud_id,path,auth,purpose,status,account_ids\n"
	row := func(padding int) string {
		return "2026-11-22T03:14:15Z,r1,com.acme,s,/" + strings.Repeat("e", padding) + ",oauth2,security-alerts,200,a-1\n"
	}
	const long = sampleBytes / 3
	soon, late := time.Now(), time.Now().Add(time.Hour)
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		text      string
		now       time.Time
		good, bad int
	}{
		"begun":          {header + row(1) + "2026-11-22T03", soon, 1, 0},
		"never-ended":    {header + row(1) + "2026-11-22T03", late, 1, 1},
		"header-begun":   {"ts,request", soon, 0, 0},
		"whole":          {header + row(1) + row(2), soon, 2, 0},
		"without-an-end": {header + row(1) + strings.TrimSuffix(row(2), "\n"), late, 2, 0},
		"bound":          {header + strings.Repeat(row(long), 4), late, 2, 0},
		"empty":          {"", late, 0, 0},
	} {
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		if _, err := z.Write([]byte(tt.text)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{name + ".csv": tt.text, name + ".csv.gz": zipped.String()} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := LookAt(t.Context(), path, audit.KindAccess, f, nil, tt.now)
			if err != nil || s.Good != tt.good || s.Bad != tt.bad || s.Lines != tt.good+tt.bad {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		}
	}
}

func TestAStateKeepsItsTag(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"", "v1", strings.Repeat("x", 70_000)} {
		s := State{identity: identity{Size: 17}, Block: 8, Offset: 17, Before: 3, Hashes: []uint64{1, 2, 3}, Tag: tag}
		p, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got State
		if err := got.UnmarshalBinary(p); err != nil || got.Tag != tag || !slices.Equal(got.Hashes, s.Hashes) || got.Size != 17 {
			t.Errorf("%+v, %v", got, err)
		}
		for n := range min(len(p), 20) {
			if err := got.UnmarshalBinary(p[:n]); err == nil && n > 0 && tag != "" {
				t.Errorf("%d of %d bytes were taken", n, len(p))
			}
		}
	}
}
