package ingest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// uncounted is an intake of one worker that takes everything, and keeps nothing.
type uncounted struct{ audit.Intake }

func (u uncounted) Worker(int) audit.IntakeWorker { return u }

func (uncounted) Call(*audit.CallRecord, uint32, uint64) error { return nil }

func (uncounted) Report(*audit.ReportRecord, uint32, uint64) error { return nil }

func (uncounted) Expired() map[uint32]int64 { return nil }

// do has s do an errand; here: in the process of the night.
func (e errand) do(ctx context.Context, s *Sources, here bool) (a answer, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return a, err
	}
	out, _, err := s.Errand(ctx, text, uncounted{}, nil, here)
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	return a, err
}

// What keeps a worker from reading may be the worker's own: its disk, rights or credentials. So it is no answer; in the night's own process it is one.
func TestOnlyTheNightSaysThatItCouldNotLook(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "damaged.jsonl.zst"), []byte("(\xb5/\xfd and then something else"))
	write(t, filepath.Join(dir, "forbidden.jsonl"), []byte("{}\n"))
	if err := os.Chmod(filepath.Join(dir, "forbidden.jsonl"), 0); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"no credentials": "s3://logs/access.jsonl", "no file": filepath.Join(dir, "none.jsonl"), "damaged": filepath.Join(dir, "damaged.jsonl.zst")}
	if os.Getuid() != 0 { // whom no mode keeps out
		paths["no right"] = filepath.Join(dir, "forbidden.jsonl")
	}
	s := &Sources{} // no object storage is set up
	for name, path := range paths {
		e := errand{Kind: audit.KindAccess, Path: []byte(path), Now: time.Now()}
		if a, err := e.do(t.Context(), s, false); err == nil {
			t.Errorf("%s: a worker answers %q", name, a.Trouble)
		}
		if a, err := e.do(t.Context(), s, true); err != nil || len(a.Trouble) == 0 {
			t.Errorf("%s: the night answers %q, %v", name, a.Trouble, err)
		}
	}
}

// Whether an unfinished last line is waited for is told by the night's clock, whatever the worker's says.
func TestAWorkersClockDoesNotMatter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.jsonl")
	write(t, path, []byte(`{"ts":"2026-11-22T`))
	now := time.Now()
	for name, skew := range map[string]time.Duration{"right": 0, "ahead": 24 * time.Hour, "behind": -24 * time.Hour} {
		s := &Sources{Now: func() time.Time { return now.Add(skew) }}
		for _, x := range []struct {
			now   time.Time
			lines int64
		}{{now, 0}, {now.Add(Patience + time.Minute), 1}} {
			a, err := errand{Kind: audit.KindAccess, Path: []byte(path), Now: x.now}.do(t.Context(), s, false)
			if err != nil || a.Lines != x.lines {
				t.Errorf("a worker whose clock is %s reads %d lines at %s, %v: want %d", name, a.Lines, x.now, err, x.lines)
			}
		}
	}
}
