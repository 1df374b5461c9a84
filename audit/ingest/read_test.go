package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// A found line, by its number in the file.
type found struct {
	Number  uint64
	Text    string
	TooLong bool
}

// A collector is the Lines of all workers.
type collector struct {
	sync.Mutex
	at    []Pos
	lines []found
	slow  time.Duration
}

func (c *collector) open(int) Lines { return c }

func (c *collector) Line(p Pos, line []byte) {
	time.Sleep(c.slow)
	c.Lock()
	defer c.Unlock()
	c.at, c.lines = append(c.at, p), append(c.lines, found{Text: string(line)})
}

func (c *collector) TooLong(p Pos) {
	c.Lock()
	defer c.Unlock()
	c.at, c.lines = append(c.at, p), append(c.lines, found{TooLong: true})
}

// sorted is what was found, by line number.
func (c *collector) sorted(res Result) []found {
	for i, p := range c.at {
		c.lines[i].Number = res.Bases[p.Chunk] + uint64(p.Line)
	}
	slices.SortFunc(c.lines, func(a, b found) int { return int(a.Number) - int(b.Number) })
	return c.lines
}

func read(t testing.TB, path string, prior *State, opt Options) ([]found, Result) {
	t.Helper()
	var c collector
	res, err := Read(t.Context(), path, prior, opt, c.open)
	if err != nil {
		t.Fatal(err)
	}
	lines := c.sorted(res)
	if int64(len(lines)) != res.Lines {
		t.Fatalf("%d lines delivered, the result says %d", len(lines), res.Lines)
	}
	// Whoever keeps the state gets it back as it was.
	p, _ := res.State.MarshalBinary()
	var back State
	if err := back.UnmarshalBinary(p); err != nil {
		t.Fatalf("%+v: %v", res.State, err)
	}
	if q, _ := back.MarshalBinary(); !bytes.Equal(p, q) {
		t.Fatalf("the state became another")
	}
	return lines, res
}

// expect is what Read must find in content, worked out in the simplest way.
func expect(content []byte, limit int, young bool) (lines []found, waiting bool) {
	rest := content
	for number := uint64(1); len(rest) > 0; number++ {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		line = bytes.TrimSuffix(line, []byte("\r"))
		long := len(line) > limit
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		text := bytes.TrimSpace(line)
		switch {
		case !ended && young && (long || len(text) > 0 && (text[0] != '{' || !json.Valid(text))):
			return lines, true
		case long:
			lines = append(lines, found{Number: number, TooLong: true})
		case len(text) > 0:
			lines = append(lines, found{Number: number, Text: string(line)})
		}
	}
	return lines, false
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func gz(p []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(p)
	w.Close()
	return b.Bytes()
}

func zst(p []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(p, nil)
}

// contents draws what a file may hold.
func contents(t *rapid.T, name string) []byte {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n", "\r", " ", "\t", "{}", `{"a":1}`, `{"a"`, ":", "x", "}", "longer than most", "\ufeff", "é", "\x00"}), 0, 30)
	return []byte(strings.Join(parts.Draw(t, name), ""))
}

// TestReadFindsTheLines: any content, however it is cut and compressed, gives the same lines and numbers.
func TestReadFindsTheLines(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		content := contents(rt, "content")
		young := rapid.Bool().Draw(rt, "young")
		now := time.Now()
		if !young {
			now = now.Add(time.Hour)
		}
		opt := Options{Workers: rapid.IntRange(1, 3).Draw(rt, "workers"), Now: now, block: rapid.IntRange(1, 40).Draw(rt, "block"), window: rapid.IntRange(1, 20).Draw(rt, "window"), maxLine: rapid.IntRange(1, 30).Draw(rt, "limit")}
		want, waiting := expect(content, opt.maxLine, young)
		cut := rapid.IntRange(0, len(content)).Draw(rt, "cut")
		for name, bytes := range map[string][]byte{
			"a.jsonl": content, "a.jsonl.gz": gz(content), "a.jsonl.zst": zst(content), "renamed": gz(content), "renamed2": zst(content),
			"b.gz": append(gz(content[:cut]), gz(content[cut:])...), "b.zst": append(zst(content[:cut]), zst(content[cut:])...),
		} {
			path := filepath.Join(dir, name)
			write(t, path, bytes)
			got, res := read(t, path, nil, opt)
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%s: (-want +got)\n%s", name, diff)
			}
			if res.Waiting != waiting {
				rt.Fatalf("%s: waiting %v, not %v", name, res.Waiting, waiting)
			}
			if res.Bytes != int64(len(bytes)) {
				rt.Fatalf("%s: read %d of %d bytes", name, res.Bytes, len(bytes))
			}
		}
	})
}

// TestReadGoesOn: a file read as it grows gives each of its lines, under the number that it has, and again at most the last line that had no end.
func TestReadGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grows.jsonl")
	rapid.Check(t, func(rt *rapid.T) {
		os.Remove(path)
		opt := Options{Workers: 2, Now: time.Now(), block: rapid.IntRange(1, 40).Draw(rt, "block"), window: rapid.IntRange(1, 20).Draw(rt, "window"), maxLine: rapid.IntRange(1, 30).Draw(rt, "limit")}
		var content, written []byte
		var prior *State
		got := map[uint64]found{}
		for range rapid.IntRange(1, 4).Draw(rt, "times") {
			before := len(content)
			content = append(content, contents(rt, "more")...)
			if rapid.IntRange(0, 5).Draw(rt, "replaced") == 0 {
				content = append([]byte("other\n"), contents(rt, "other")...)
			}
			if !bytes.HasPrefix(content, written) {
				clear(got)
			}
			// A last line that had no end is read again, whatever it has become.
			if !bytes.Equal(content, written) {
				delete(got, uint64(bytes.Count(written, []byte("\n"))+1))
			}
			written = slices.Clone(content)
			write(t, path, content)
			lines, res := read(t, path, prior, opt)
			if prior != nil && len(content) > before && res.Skipped {
				rt.Fatal("a file that grew was skipped")
			}
			for _, l := range lines {
				got[l.Number] = l
			}
			prior = &res.State
		}
		want, _ := expect(content, opt.maxLine, true)
		all := []found{}
		for _, l := range got {
			all = append(all, l)
		}
		slices.SortFunc(all, func(a, b found) int { return int(a.Number) - int(b.Number) })
		if diff := cmp.Diff(append([]found{}, want...), all); diff != "" {
			rt.Fatalf("(-want +got)\n%s", diff)
		}
		// When the file is old, what waited is delivered.
		opt.Now = opt.Now.Add(time.Hour)
		lines, res := read(t, path, prior, opt)
		for _, l := range lines {
			got[l.Number] = l
		}
		if want, _ := expect(content, opt.maxLine, false); len(want) != len(got) || res.Waiting {
			rt.Fatalf("%d lines of an old file, not %d; waiting %v", len(got), len(want), res.Waiting)
		}
	})
}

// old makes the file one that changed long ago.
func old(t testing.TB, path string) {
	t.Helper()
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
}

// settle makes a state of a file that was changed just now one that was looked at later.
func settle(s State) *State {
	s.Racy = false
	return &s
}

func TestReadSkips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, []byte("{}\n{}\n"))
	old(t, path)
	_, res := read(t, path, nil, Options{})
	if _, again := read(t, path, settle(res.State), Options{}); !again.Skipped || again.Lines != 0 {
		t.Error("an unchanged file was not skipped")
	}
	if _, again := read(t, path, &res.State, Options{}); again.Skipped {
		t.Error("a file that was looked at right after it changed was skipped")
	}
	// Another file of the same size and time.
	write(t, path, []byte("{}\n[]\n"))
	old(t, path)
	if lines, again := read(t, path, settle(res.State), Options{}); again.Skipped || len(lines) != 2 {
		t.Errorf("a replaced file gave %v", lines)
	}
	// A compressed one.
	path += ".gz"
	write(t, path, gz([]byte("{}\n")))
	_, res = read(t, path, nil, Options{})
	if _, again := read(t, path, settle(res.State), Options{}); !again.Skipped {
		t.Error("an unchanged compressed file was not skipped")
	}
	write(t, path, gz([]byte("{}\n{}\n")))
	if lines, _ := read(t, path, settle(res.State), Options{}); len(lines) != 2 {
		t.Error("a changed compressed file was not read whole")
	}
}

func TestReadCompressedFaults(t *testing.T) {
	var text bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&text, `{"line":%d,"noise":%d}`+"\n", i, i*i*7919%1000003)
	}
	for name, whole := range map[string][]byte{"a.gz": gz(text.Bytes()), "a.zst": zst(text.Bytes())} {
		path := filepath.Join(t.TempDir(), name)
		for _, broken := range []struct {
			what    string
			content []byte
			some    bool // of the lines were read
		}{
			{"cut short", whole[:len(whole)*2/3], true},
			{"cut short", whole[:len(whole)-1], true},
			{"cut short", whole[:3], false},
			{"cut short", nil, false},
			{"damaged", append(append(slices.Clone(whole[:len(whole)*2/3]), "no such thing, no such thing, no such thing"...), whole[len(whole)*2/3+43:]...), true},
			{"damaged", append(slices.Clone(whole), "rubbish"...), true},
			{"damaged", []byte("{}\n{}\n"), false},
		} {
			write(t, path, broken.content)
			var c collector
			res, err := Read(t.Context(), path, nil, Options{Workers: 2, block: 1 << 16}, c.open)
			if err == nil || !strings.Contains(err.Error(), broken.what) && !strings.Contains(err.Error(), "cut short") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "byte ") {
				t.Errorf("%s, %d bytes: %v", name, len(broken.content), err)
			}
			if broken.what == "cut short" && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v does not wrap its cause", name, err)
			}
			lines := c.sorted(res)
			if (len(lines) > 0) != broken.some {
				t.Errorf("%s, %d bytes: %d lines", name, len(broken.content), len(lines))
			}
			for i, l := range lines {
				if broken.what == "damaged" {
					break
				}
				if l.Number != uint64(i+1) || !strings.HasPrefix(l.Text, fmt.Sprintf(`{"line":%d,`, i)) || !strings.HasSuffix(l.Text, "}") {
					t.Fatalf("%s: line %d is %q", name, i+1, l.Text)
				}
			}
			if errors.Is(err, ErrDamaged) && broken.what != "damaged" {
				t.Errorf("%s: %v", name, err)
			}
			if res.State.Size != 0 {
				t.Errorf("%s: a state after an error", name)
			}
		}
	}
}

// lengths only notes how long the lines are.
type lengths struct {
	sync.Mutex
	all     []int
	tooLong int
}

func (l *lengths) Line(_ Pos, line []byte) {
	l.Lock()
	defer l.Unlock()
	l.all = append(l.all, len(line))
}

func (l *lengths) TooLong(Pos) {
	l.Lock()
	defer l.Unlock()
	l.tooLong++
}

func TestReadLongLines(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 200 MB")
	}
	dir := t.TempDir()
	content := bytes.Repeat([]byte("x"), 10<<20)
	content = append(content, '\n')
	content = append(content, bytes.Repeat([]byte("y"), MaxLine)...)
	content = append(content, "\r\n"...)
	content = append(content, bytes.Repeat([]byte("z"), MaxLine+1)...)
	content = append(content, "\n{}\n"...)
	content = append(content, bytes.Repeat([]byte("w"), 80<<20)...)
	write(t, filepath.Join(dir, "a.jsonl"), content)
	write(t, filepath.Join(dir, "a.zst"), zst(content))
	write(t, filepath.Join(dir, "a.gz"), gz(content))
	content = nil
	for _, name := range []string{"a.jsonl", "a.zst", "a.gz"} {
		runtime.GC()
		var l lengths
		res, err := Read(t.Context(), filepath.Join(dir, name), nil, Options{Workers: 2, Now: time.Now().Add(time.Hour)}, func(int) Lines { return &l })
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(l.all)
		if diff := cmp.Diff([]int{2, 10 << 20, MaxLine}, l.all); diff != "" || l.tooLong != 2 || res.Lines != 5 {
			t.Errorf("%s: %d too long, %s", name, l.tooLong, diff)
		}
		res, err = Read(t.Context(), filepath.Join(dir, name), nil, Options{Workers: 2}, func(int) Lines { return &l })
		if err != nil || !res.Waiting || res.Lines != 4 {
			t.Errorf("%s: %v, waiting %v, %d lines", name, err, res.Waiting, res.Lines)
		}
	}
}

// A shortener cuts the file short as soon as a line of it comes.
type shortener struct {
	path string
	once sync.Once
}

func (s *shortener) Line(Pos, []byte) { s.once.Do(func() { os.Truncate(s.path, 1000) }) }
func (s *shortener) TooLong(Pos)      {}

func TestReadOfAFileThatIsCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, bytes.Repeat([]byte("{}\n"), 1<<20))
	s := &shortener{path: path}
	_, err := Read(t.Context(), path, nil, Options{Workers: 2, block: 1 << 17}, func(int) Lines { return s })
	if err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("got %v", err)
	}
}

func TestReadStops(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("{}\n"), 1<<20)
	for name, content := range map[string][]byte{"a.jsonl": content, "a.gz": gz(content)} {
		path := filepath.Join(dir, name)
		write(t, path, content)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := Read(ctx, path, nil, Options{Workers: 2}, (&collector{slow: 100 * time.Microsecond}).open)
		cancel()
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
			t.Errorf("%s: stopped after %s with %v", name, took, err)
		}
	}
	if n := runtime.NumGoroutine(); n > 20 {
		t.Errorf("%d goroutines are left", n)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none.jsonl")} {
		if _, err := Read(t.Context(), path, nil, Options{}, new(collector).open); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestReadTellsProgress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, bytes.Repeat([]byte("{}\n"), 1000))
	sum := int64(0)
	read(t, path, nil, Options{Workers: 3, block: 100, Progress: func(n int64) { sum += n }})
	if sum != 3000 {
		t.Errorf("told of %d bytes", sum)
	}
}

func TestGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.jsonl", "a.jsonl", "c[1].jsonl"} {
		write(t, filepath.Join(dir, name), nil)
	}
	os.Mkdir(filepath.Join(dir, "d.jsonl"), 0o700)
	for pattern, want := range map[string][]string{"*.jsonl": {"a.jsonl", "b.jsonl", "c[1].jsonl"}, "c[1].jsonl": {"c[1].jsonl"}, "x*": nil} {
		got, err := Glob(t.Context(), filepath.Join(dir, pattern), nil)
		for i := range got {
			got[i] = filepath.Base(got[i])
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", pattern, got, err)
		}
	}
	if _, err := Glob(t.Context(), "a[", nil); err == nil {
		t.Error("a pattern with an open bracket was taken")
	}
}

func FuzzState(f *testing.F) {
	p, _ := State{Block: 8, Offset: 3, Hashes: []uint64{7}, identity: identity{Size: 5}}.MarshalBinary()
	f.Add(p)
	f.Fuzz(func(t *testing.T, p []byte) {
		var s State
		if s.UnmarshalBinary(p) == nil {
			q, _ := s.MarshalBinary()
			var back State
			if err := back.UnmarshalBinary(q); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s, back, cmp.AllowUnexported(State{}), same); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// decodes decodes the lines.
type decodes struct {
	Decoder
	rec audit.CallRecord
	bad int
}

func (d *decodes) Line(_ Pos, line []byte) {
	if d.Call(line, &d.rec) != nil {
		d.bad++
	}
}

func (d *decodes) TooLong(Pos) { d.bad++ }

func BenchmarkRead(b *testing.B) {
	content := bytes.Repeat([]byte(callLine+"\n"), 400_000)
	for _, form := range []struct {
		name    string
		content func([]byte) []byte
	}{{"plain.jsonl", slices.Clone[[]byte]}, {"a.zst", zst}, {"a.gz", gz}} {
		b.Run(form.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), form.name)
			write(b, path, form.content(content))
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				res, err := Read(b.Context(), path, nil, Options{Workers: 2}, func(int) Lines { return new(decodes) })
				if err != nil || res.Lines != 400_000 {
					b.Fatal(res.Lines, err)
				}
			}
		})
	}
}
