package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
)

// byItself is a Spread whose parts are all done by this process, as another one would.
type byItself struct {
	night *audit.Night
	seen  func(p audit.Part)
}

func (byItself) Hands(context.Context) (int, error) { return 2, nil }

func (b byItself) Do(ctx context.Context, run int64, parts []audit.Part, done func(i int), _ func(context.Context, audit.Part) ([]byte, error)) ([][]byte, error) {
	answers := make([][]byte, len(parts))
	for i, p := range parts {
		b.seen(p)
		var err error
		if answers[i], err = b.night.Do(ctx, run, p); err != nil {
			return nil, err
		}
		done(i)
	}
	return answers, nil
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
