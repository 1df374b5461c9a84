package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/internal/s3"
	"github.com/mailreeve/mailreeve/internal/s3test"
)

// TestObjectsReadAsFilesDo: an object gives what a file of the same history gives: lines, numbers, what waits and what is read again as it grows.
func TestObjectsReadAsFilesDo(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	objects, bucket, dir := s3.FromEnvironment(), server.Bucket(t), t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 40 { // a request takes milliseconds
			return
		}
		name := fmt.Sprint(n, rapid.SampledFrom([]string{".jsonl", ".jsonl.gz", ".jsonl.zst", "-renamed"}).Draw(rt, "name"))
		opt := Options{Workers: 2, Now: time.Now(), Objects: objects, block: rapid.IntRange(1, 40).Draw(rt, "block"), window: rapid.IntRange(1, 20).Draw(rt, "window"), maxLine: rapid.IntRange(1, 30).Draw(rt, "limit")}
		if rapid.Bool().Draw(rt, "old") {
			opt.Now = opt.Now.Add(time.Hour)
		}
		paths := []string{filepath.Join(dir, name), "s3://" + bucket + "/logs/" + name}
		priors := make([]*State, 2)
		var content []byte
		for range rapid.IntRange(1, 4).Draw(rt, "times") {
			changed := true
			switch rapid.IntRange(0, 5).Draw(rt, "change") {
			case 0:
				content = contents(rt, "other")
			case 1:
				changed = priors[0] == nil
			default:
				content = append(slices.Clone(content), contents(rt, "more")...)
			}
			if changed {
				packed := content
				switch filepath.Ext(name) {
				case ".gz":
					packed = gz(content)
				case ".zst":
					packed = zst(content)
				}
				write(t, paths[0], packed)
				server.Put(t, bucket, "logs/"+name, packed)
			}
			var lines [2][]found
			var results [2]Result
			for i, path := range paths {
				lines[i], results[i] = read(t, path, priors[i], opt)
				state := results[i].State
				priors[i] = &state
			}
			if results[1].Skipped || results[0].Skipped {
				if !results[1].Skipped {
					rt.Fatalf("a file was skipped: %v, an object: %v", results[0].Skipped, results[1].Skipped)
				}
				continue
			}
			if diff := cmp.Diff(lines[0], lines[1]); diff != "" {
				rt.Fatalf("lines (-file +object)\n%s", diff)
			}
			for i := range results {
				results[i].State.identity = identity{}
				results[i].Bases = nil // where compressed text is cut depends on which buffer is free; the lines have their numbers
			}
			if diff := cmp.Diff(results[0], results[1], cmp.AllowUnexported(State{})); diff != "" {
				rt.Fatalf("result (-file +object)\n%s", diff)
			}
		}
	})
}

// lined is some MB of lines.
func lined(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"n":%d,"text":%q}`+"\n", i, strings.Repeat("x", 200))
	}
	return b.Bytes()
}

// TestDownloadsGoOn: whatever breaks on the way and mends, all lines come, once, and what had come before is not asked for again.
func TestDownloadsGoOn(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	bucket := server.Bucket(t)
	const count = 120_000
	content := lined(count)
	for name, packed := range map[string][]byte{"a.jsonl": content, "a.jsonl.zst": zst(content), "a.jsonl.gz": gz(content)} {
		server.Put(t, bucket, name, packed)
		var n atomic.Int64
		proxy.Break(func(r *http.Request) s3test.Fault {
			if r.Method != http.MethodGet {
				return s3test.Fault{}
			}
			switch n.Add(1) {
			case 1:
				return s3test.Fault{Status: 503, Code: "SlowDown"}
			case 2, 3, 5:
				return s3test.Fault{Cut: int64(len(packed))/5 + 1}
			case 4:
				return s3test.Fault{Drop: true}
			}
			return s3test.Fault{}
		})
		proxy.Asked()
		lines, _ := read(t, "s3://"+bucket+"/"+name, nil, Options{Workers: 2, Objects: s3.FromEnvironment()})
		if len(lines) != count || lines[count-1].Text != string(bytes.TrimSpace(content[bytes.LastIndexByte(content[:len(content)-1], '\n')+1:])) {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		if _, came := proxy.Asked(); came > int64(len(packed))+256<<10 {
			t.Errorf("%s: %d bytes came for %d", name, came, len(packed))
		}
	}
}

// TestServerKilledWhileReading: a server that comes back in time is not noticed.
func TestServerKilledWhileReading(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	bucket := server.Bucket(t)
	const count = 200_000
	server.Put(t, bucket, "a.jsonl", lined(count))
	c := &collector{}
	killed := false
	down := make(chan struct{})
	res, err := Read(t.Context(), "s3://"+bucket+"/a.jsonl", nil, Options{Workers: 1, Objects: s3.FromEnvironment()}, func(int) Lines {
		return hooked{c, func() {
			if !killed && len(c.lines) > 1000 {
				killed = true
				server.Kill()
				go func() {
					time.Sleep(time.Second)
					server.Restart(t)
					close(down)
				}()
			}
		}}
	})
	<-down
	if err != nil || len(c.lines) != count || res.Lines != count {
		t.Fatalf("%d lines, %v", len(c.lines), err)
	}
}

type hooked struct {
	Lines
	before func()
}

func (h hooked) Line(p Pos, line []byte) {
	h.before()
	h.Lines.Line(p, line)
}

// TestObjectReplacedWhileRead: nothing of it counts, and the error says what happened.
func TestObjectReplacedWhileRead(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	bucket := server.Bucket(t)
	content := lined(250_000) // more than is fetched ahead
	for _, name := range []string{"a.jsonl", "a.jsonl.zst"} {
		path := "s3://" + bucket + "/" + name
		packed := content
		if name != "a.jsonl" {
			packed = bytes.Repeat(zst(content[:1<<20]), 200) // frames
			packed = append(packed, noisy(40<<20)...)
		}
		server.Put(t, bucket, name, packed)
		c, replaced := &collector{}, false
		res, err := Read(t.Context(), path, nil, Options{Workers: 1, Objects: s3.FromEnvironment()}, func(int) Lines {
			return hooked{c, func() {
				if !replaced {
					replaced = true
					server.Put(t, bucket, name, append(slices.Clone(packed), "\n"...))
				}
			}}
		})
		if !errors.Is(err, s3.ErrReplaced) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "was replaced while it was read") ||
			strings.Contains(err.Error(), "damaged") || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if !cmp.Equal(res.State, State{}, cmp.AllowUnexported(State{})) {
			t.Errorf("%s: there is a state", name)
		}
	}
}

// noisy is a frame that does not compress.
func noisy(n int) []byte {
	p := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range p {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		p[i] = byte(x >> 32)
	}
	return zst(p)
}

// TestReadingAnObjectStops: at once, also where the storage is silent or fails.
func TestReadingAnObjectStops(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	bucket := server.Bucket(t)
	server.Put(t, bucket, "a.jsonl", lined(100_000))
	for name, f := range map[string]s3test.Fault{"silent": {Delay: 3 * time.Second}, "failing": {Status: 500, Code: "InternalError"}, "well": {}} {
		t.Run(name, func(t *testing.T) {
			proxy.Break(func(r *http.Request) s3test.Fault {
				if r.Method == http.MethodGet {
					return f
				}
				return s3test.Fault{}
			})
			defer proxy.Break(nil)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			c := &collector{slow: 100 * time.Microsecond}
			_, err := Read(ctx, "s3://"+bucket+"/a.jsonl", nil, Options{Workers: 2, Objects: s3.FromEnvironment()}, c.open)
			end, _ := ctx.Deadline()
			if took := time.Since(end); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
				t.Errorf("%s after the end: %v", took, err)
			}
		})
	}
}

// TestObjectsMemory: a large object takes no more memory than a few pieces.
func TestObjectsMemory(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	bucket := server.Bucket(t)
	server.Put(t, bucket, "a.jsonl", lined(300_000)) // 66 MB
	runtime.GC()
	var before, peak runtime.MemStats
	runtime.ReadMemStats(&before)
	var most, n uint64
	sink := hooked{nothing{}, func() {
		if n++; n%20_000 == 0 {
			runtime.ReadMemStats(&peak)
			most = max(most, peak.HeapInuse)
		}
	}}
	res, err := Read(t.Context(), "s3://"+bucket+"/a.jsonl", nil, Options{Workers: 1, Objects: s3.FromEnvironment()}, func(int) Lines { return sink })
	if err != nil || res.Lines != 300_000 {
		t.Fatal(res.Lines, err)
	}
	if most > before.HeapInuse+48<<20 {
		t.Errorf("%d MiB more than before", (most-before.HeapInuse)>>20)
	}
}

type nothing struct{}

func (nothing) Line(Pos, []byte) {}

func (nothing) TooLong(Pos) {}

func TestGlobInABucket(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	objects, bucket := s3.FromEnvironment(), server.Bucket(t)
	for _, key := range []string{"logs/access-1.jsonl", "logs/access-2.jsonl.zst", "logs/deep/access-3.jsonl", "logs/access[4].jsonl", "logs/", "other.jsonl"} {
		content := "{}"
		if strings.HasSuffix(key, "/") { // a folder, as some tools make them
			content = ""
		}
		server.Put(t, bucket, key, []byte(content))
	}
	for pattern, want := range map[string][]string{
		"logs/access-*": {"logs/access-1.jsonl", "logs/access-2.jsonl.zst"}, "logs/*": {"logs/access-1.jsonl", "logs/access-2.jsonl.zst", "logs/access[4].jsonl"},
		"*/*/*.jsonl": {"logs/deep/access-3.jsonl"}, "logs/access[4].jsonl": {"logs/access[4].jsonl"}, "other.jsonl": {"other.jsonl"}, "none-*": nil,
	} {
		got, err := Glob(t.Context(), "s3://"+bucket+"/"+pattern, objects)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "s3://"+bucket+"/")
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", pattern, got, err)
		}
	}
}

func TestLook(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	objects, bucket, dir := s3.FromEnvironment(), server.Bucket(t), t.TempDir()
	for _, name := range []string{"a.jsonl", "b.jsonl"} {
		write(t, filepath.Join(dir, name), []byte("{}"))
		server.Put(t, bucket, name, []byte("{}"))
	}
	for _, base := range []string{dir, "s3://" + bucket} {
		n, changed, err := Look(t.Context(), base+"/*.jsonl", objects)
		if n != 2 || err != nil || time.Since(changed) > time.Minute {
			t.Errorf("%s: %d %s %v", base, n, changed, err)
		}
		if _, _, err := Look(t.Context(), base+"/c*", objects); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", base, err)
		}
	}
	if _, _, err := Look(t.Context(), "s3://not-there/*", objects); err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("%v", err)
	}
}
