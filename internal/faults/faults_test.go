//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A little of everything, in less than a minute: what is left of it is what undisturbed nights leave. For more, go run ./internal/faults.
func TestFaultsLeaveNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("kills nights for most of a minute")
	}
	short := plan{alone: 20, nights: 4, workers: 3, restarts: 1, pauses: 1, disks: 1, cuts: 1, files: 2, pause: 17 * time.Second, away: 17 * time.Second, lanes: 6, nightsEach: 2}
	results, err := short.run(t.Context(), t.TempDir(), 1, "", t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if err := table(t.Output(), results); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Run(r.name, func(t *testing.T) {
			if r.skipped != "" {
				t.Skip(r.skipped)
			}
			if r.hit == 0 {
				t.Error("no run was hit")
			}
			for _, d := range r.differs {
				t.Error(d)
			}
		})
	}
}

// The comparison sees what it is there to see.
func TestStatesThatDiffer(t *testing.T) {
	l, err := newLab(t.TempDir(), 1, 2, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	want, err := l.undisturbed(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if d := everything(want, want); len(d) > 0 {
		t.Errorf("the same differs: %q", d)
	}
	if len(want.findings) == 0 || len(want.trail) == 0 || len(want.messages) == 0 || len(want.outbox) != len(want.messages) || len(want.litter) > 0 || want.twice > 0 {
		t.Errorf("%d findings, %d entries of the trail, %d messages, %d of the outbox, left over %q, %d twice", len(want.findings), len(want.trail), len(want.messages),
			len(want.outbox), want.litter, want.twice)
	}
	for what, change := range map[string]func(s *state){
		"a message is missing": func(s *state) { s.messages = s.messages[1:] },
		"a message too many":   func(s *state) { s.messages = append(slices.Clone(s.messages), s.messages[0]) },
		"an entry twice":       func(s *state) { s.trail = append(slices.Clone(s.trail), s.trail[0]) },
		"a part left over":     func(s *state) { s.litter = []string{"1 parts of R-000001"} },
	} {
		other := *want
		change(&other)
		if len(everything(want, &other)) != 1 {
			t.Errorf("%s: not seen", what)
		}
	}
}

func TestAFullDiskIsFull(t *testing.T) {
	d, err := small(filepath.Join(t.TempDir(), "disk"), 1)
	if err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer d.close()
	if err := d.fill(); err != nil {
		t.Fatal(err)
	}
	if os.WriteFile(filepath.Join(d.path, "x"), []byte("x"), 0o600) == nil {
		t.Error("there is room")
	}
	if err := d.room(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.path, "x"), []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}
