package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
)

// byItself is a Spread whose parts are all done by this process, as another one would.
type byItself struct {
	night *audit.Night
	did   func(p audit.Part)
}

func (byItself) Hands(context.Context) (int, error) { return 2, nil }

func (b byItself) Do(ctx context.Context, run int64, parts []audit.Part, done func(i int), _ func(context.Context, audit.Part) ([]byte, error)) ([][]byte, error) {
	answers := make([][]byte, len(parts))
	for i, p := range parts {
		var err error
		if answers[i], err = b.night.Do(ctx, run, p); err != nil {
			return nil, err
		}
		b.did(p)
		done(i)
	}
	return answers, nil
}

// A process whose archive is not the night's does no part: nobody would find what it wrote.
func TestAnotherArchiveRefusesParts(t *testing.T) {
	w := newWorld(t)
	w.spread = true
	w.write("access-2.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
	w.run(firstNight)
	other, err := archive.Open(t.Context(), filepath.Join(w.dir, "other"), newWorld(t).store)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if len(w.parts) == 0 {
		t.Fatal("nothing was spread")
	}
	n := &audit.Night{Archive: other}
	for _, p := range w.parts {
		if _, err := n.Do(t.Context(), 1, p); !errors.Is(err, audit.ErrAnotherArchive) {
			t.Errorf("a part of kind %s: %v", p.Kind, err)
		}
	}
}

// A night does not name a segment that its archive lacks, whoever says to have written it.
func TestANightNamesOnlyWhatItsArchiveHas(t *testing.T) {
	for what, spoil := range map[string]func(path string) error{"lacks": os.Remove, "has only": func(path string) error { return os.Truncate(path, 10) }} {
		w := newWorld(t)
		w.spread = true
		w.write("access-2.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
		w.after = func(p audit.Part) {
			segments, err := filepath.Glob(filepath.Join(w.dir, "archive", "*.seg"))
			if p.Kind == audit.Examine && (err != nil || len(segments) != 1 || spoil(segments[0]) != nil) {
				t.Errorf("%v, %v", segments, err)
			}
		}
		if _, err := w.try(t.Context(), firstNight); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "the segment run-000001-") {
			t.Errorf("%s: %v", what, err)
		}
		w.after = nil
		if n := counts(w.run(firstNight)).New; n != 1 {
			t.Errorf("%s: %d new findings in the next night", what, n)
		}
	}
}

// What a spool holds is not sent: the texts of a file's calls would be in the part of each share of apps.
func TestAShardDoesNotBringTheTextsOfItsSpools(t *testing.T) {
	w := newWorld(t)
	w.spread = true
	w.write("access-2.jsonl", call("2026-11-22T11:00:00Z", "r1", "a-purpose-of-its-own", "ann"))
	w.run(firstNight)
	kinds := map[audit.PartKind]int{}
	for _, p := range w.parts {
		kinds[p.Kind]++
		if bytes.Contains(p.Body, []byte("a-purpose-of-its-own")) {
			t.Errorf("a part of kind %s brings it: %s", p.Kind, p.Body)
		}
	}
	if kinds[audit.Examine] == 0 {
		t.Errorf("nothing was spread: %v", kinds)
	}
}

// Bytes that are no UTF-8, in lines and in files' names, are the same whoever read them.
func TestBytesThatAreNoTextComeThroughAnotherProcess(t *testing.T) {
	night := func(spread bool) (lines []string) {
		w := newWorld(t)
		w.spread = spread
		w.write("access-\xff.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"), "{\"x\":\"\xc3(\"}")
		res := w.run(firstNight)
		if n := counts(res).New; n != 1 {
			t.Errorf("spread %t: %d new findings", spread, n)
		}
		list, err := w.store.Quarantine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range list {
			lines = append(lines, fmt.Sprintf("%q:%d %s %q", filepath.Base(q.Path), q.Line, q.Reason, q.Text))
		}
		return lines
	}
	if d := cmp.Diff(night(false), night(true)); d != "" {
		t.Errorf("-here +elsewhere\n%s", d)
	}
}
