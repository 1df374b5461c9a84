package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGoldenNights runs the nights of testdata/nights: each folder's steps one after the other, files of a later step beside or over those of the
// earlier ones, as of the time in as_of. want.json is all that is found in the end, whatever its status.
func TestGoldenNights(t *testing.T) {
	t.Parallel()
	nights, err := filepath.Glob("../../testdata/nights/*")
	if err != nil || len(nights) == 0 {
		t.Fatalf("no nights: %v", err)
	}
	for _, night := range nights {
		t.Run(filepath.Base(night), func(t *testing.T) {
			dir := t.TempDir()
			copyFile(t, filepath.Join(night, "mailreeve.yaml"), filepath.Join(dir, "mailreeve.yaml"))
			steps, err := filepath.Glob(filepath.Join(night, "[0-9]*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range steps {
				if err := os.CopyFS(filepath.Join(dir, "step"), os.DirFS(step)); err != nil {
					t.Fatal(err)
				}
				files, err := os.ReadDir(filepath.Join(dir, "step"))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					if err := os.Rename(filepath.Join(dir, "step", f.Name()), filepath.Join(dir, f.Name())); err != nil {
						t.Fatal(err)
					}
				}
				asOf, err := os.ReadFile(filepath.Join(dir, "as_of"))
				if err != nil {
					t.Fatal(err)
				}
				if code, _, errs := mailreeve(t, dir, "run", "--as-of", strings.TrimSpace(string(asOf))); code != exitDone && code != exitBlind {
					t.Fatalf("exit %d: %s", code, errs)
				}
			}
			if filepath.Base(night) == "codehost" {
				pageShows(t, dir)
			}
			code, got, errs := mailreeve(t, dir, "findings", "list", "--status", "all", "--format", "json")
			if code != exitDone {
				t.Fatalf("exit %d: %s", code, errs)
			}
			var indented any
			if err := json.Unmarshal([]byte(got), &indented); err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(indented, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(night, "want.json")
			if *update {
				if err := os.WriteFile(golden, append(text, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)+"\n"); diff != "" {
				t.Errorf("(-want +got; -update writes it anew)\n%s", diff)
			}
		})
	}
}

// pageShows holds docs/another-platform.md against the night that it shows: its files, and what is found.
func pageShows(t *testing.T, dir string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/another-platform.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := mailreeve(t, dir, "findings", "list")
	for _, name := range []string{"mailreeve.yaml", "policy.yaml", "rules/codehost.yaml", "gateway-2026-11-22.log", "legacy-2026-11-22.log", ""} {
		text := []byte(table)
		if name != "" {
			if text, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(string(page), "\n"+string(text)+"```") {
			t.Errorf("docs/another-platform.md does not show %s as it is:\n%s", name, text)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
