package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/market"
	"github.com/mailreeve/mailreeve/internal/market/markettest"
)

// keptFor runs nights of a market with a retention of calls, and gives what all findings say in the end, by id, and what the runs summed up.
func keptFor(t *testing.T, m *market.Market, nights []market.Night, retention string) (string, map[string]audit.Finding, []audit.Run) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"mailreeve.yaml": m.Config() + "policy: policy.yaml\n",
		"policy.yaml":    "reporting: {period: 3d}\nmail: {fresh_retrieval: 2d}\nretention: {calls: " + retention + ", findings: 4000d, trail: 4000d}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nights {
		if err := n.Files.Apply(dir); err != nil {
			t.Fatal(err)
		}
		if err := (inProcess{}).Run(t.Context(), dir, n.AsOf); err != nil && !errors.Is(err, markettest.ErrPartial) {
			t.Fatal(err)
		}
	}
	s := openStore(t, dir)
	list, err := s.Findings(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]audit.Finding{}
	for _, f := range list {
		f.PolicyDigest = ""
		for i := range f.Evidence {
			f.Evidence[i].Source = audit.Source{} // of two reports at one instant the store's own key decides
		}
		out[f.ID] = f
	}
	runs, err := s.Runs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return dir, out, runs
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(dir, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Nights that purge find what nights find that keep everything, and count and show the same, where nothing comes late. What may differ are the rules by
// which a later fact judges earlier days anew: an event of lifecycle all days before it, an incident the deadlines that it moves, a mail who retrieved its
// canary before. Days that were purged it does not judge, and who retrieved what on them it does not see.
func TestPurgingChangesNoNumbers(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 8), number(t, "MAILREEVE_TEST_SEED", 2100)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := market.New(seed)
			nights := m.InOrder(12)
			_, whole, _ := keptFor(t, m, nights, "4000d")
			_, purged, runs := keptFor(t, m, nights, "8d")
			var gone audit.Purged
			expired := int64(0)
			for _, r := range runs {
				for _, s := range r.Summary.Sources {
					expired += s.Expired
				}
				if p := r.Summary.Purged; p != nil {
					gone.Packs += p.Packs
					gone.Folded += p.Folded
					gone.Events += p.Events
				}
			}
			if gone.Packs == 0 {
				t.Errorf("nothing was purged: %+v", gone)
			}
			t.Logf("%d findings; expired lines %d; purged %+v", len(whole), expired, gone)
			for _, all := range []map[string]audit.Finding{whole, purged} {
				for id, f := range all {
					if strings.HasPrefix(f.Check, "mail-") || slices.Contains([]string{"access-not-installed", "retained-after-uninstall", "report-incomplete"}, f.Check) || f.Subject == "stale-mail" {
						delete(all, id)
					}
				}
			}
			if d := cmp.Diff(whole, purged); d != "" {
				t.Errorf("-kept +purged\n%s", d)
			}
		})
	}
}

// Accounts that are forgotten between nights, whatever comes in which order, change no finding's numbers, status or times; and none of them comes back.
func TestForgettingBetweenNightsChangesNoNumbers(t *testing.T) {
	n, from := number(t, "MAILREEVE_TEST_MARKETS", 8), number(t, "MAILREEVE_TEST_SEED", 2300)
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := market.New(seed)
			rng := rand.New(rand.NewPCG(seed, 9))
			nights := m.Nights(rng, 3+rng.IntN(4))
			forgotten := map[string]bool{}
			run := func(forget bool) map[string]string {
				dir := marketDir(t, m)
				for _, n := range nights {
					if err := n.Files.Apply(dir); err != nil {
						t.Fatal(err)
					}
					if err := (inProcess{}).Run(t.Context(), dir, n.AsOf); err != nil && !errors.Is(err, markettest.ErrPartial) {
						t.Fatal(err)
					}
					if forget {
						if ids := someAccounts(t, dir, rng, 3); len(ids) > 0 {
							if code, _, errs := mailreeve(t, dir, append([]string{"forget"}, ids...)...); code != exitDone {
								t.Fatal(errs)
							}
							for _, id := range ids {
								forgotten[id] = true
							}
						}
					}
				}
				if code, _, errs := mailreeve(t, dir, "verify"); code != exitDone {
					t.Error(errs)
				}
				if forget {
					for _, id := range someAccounts(t, dir, rng, 1000) {
						if forgotten[id] {
							t.Errorf("%q came back", id)
						}
					}
				}
				numbers := numbersOf(t, dir)
				for id, said := range numbers {
					// Of several accounts of a call evidence shows the first, which a pseudonym need not be: judged again, such a finding says it otherwise.
					numbers[id], _, _ = strings.Cut(said, lastRun)
				}
				return numbers
			}
			kept, gone := run(false), run(true)
			if t.Logf("%d accounts were forgotten", len(forgotten)); len(forgotten) == 0 {
				t.Error("nobody was forgotten")
			}
			if d := cmp.Diff(kept, gone); d != "" {
				t.Errorf("-kept +forgotten\n%s", d)
			}
		})
	}
}

// someAccounts draws accounts that the packs of a store hold.
func someAccounts(t *testing.T, dir string, rng *rand.Rand, most int) []string {
	t.Helper()
	s := openStore(t, dir)
	a, err := archive.Open(t.Context(), filepath.Join(dir, "mailreeve.archive"), s)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	packs, err := s.AllPacks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all audit.IDs
	for i := range packs {
		if packs[i].Kind == audit.CallPack {
			d, err := a.Calls(packs[i].Day, packs[i:i+1])
			if err != nil {
				t.Fatal(err)
			}
			all = audit.Union(all, d.Accounts)
		} else {
			d, err := a.Reports(packs[i].Day, packs[i:i+1])
			if err != nil {
				t.Fatal(err)
			}
			all = audit.Union(all, d.Accounts)
		}
	}
	ids := slices.DeleteFunc(all.Strings(), func(id string) bool { return strings.HasPrefix(id, "forgotten-") })
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(len(ids), most)]
}
