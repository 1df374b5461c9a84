package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// What messages about findings are made from.
func TestWhatIsTold(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		a1, a2, other, later, closed := finding("a", "purpose-prohibited", "x"), finding("a", "mail-prohibited", "y"), finding("a", "report-overdue", ""), finding("a", "purpose-prohibited", "z"), finding("b", "c", "")
		other.Clause, later.FirstRun, closed.Status = "P3", "R-000002", audit.Resolved
		a1.DueAt, later.DueAt, other.DueAt, closed.DueAt = t0+7, t0+5, t0+8, t0
		p := finish(begin(t, s, l), audit.AppUpdate{Key: "a", Findings: []audit.Finding{a1, a2, other, later}}, audit.AppUpdate{Key: "b", Findings: []audit.Finding{closed}})
		p.Run.Status = audit.Finished
		want := map[string]string{}
		var keys []string
		for i := range 1100 {
			m := letter(fmt.Sprint("k", i), fmt.Sprint("#", i%3))
			p.Outbox = append(p.Outbox, m)
			keys = append(keys, m.Key)
			want[m.Key] = m.Lane
		}
		must(t, s.Night(l).Publish(ctx, p))
		lanes, err := s.Enqueued(ctx, append(keys, "unknown"))
		must(t, err)
		same(t, "lanes", lanes, want)

		ids := func(list []audit.Finding, err error) (ids []string) {
			must(t, err)
			for _, f := range list {
				ids = append(ids, f.ID)
			}
			return ids
		}
		same(t, "alike", ids(s.Alike(ctx, a1.ID)), sorted(a1.ID, a2.ID, later.ID))
		same(t, "alike one that is not kept", len(ids(s.Alike(ctx, "F-GONE"))), 0)
		same(t, "due", ids(s.DueBy(ctx, t0+7)), []string{later.ID, a1.ID})

		standings, err := s.Standings(ctx, []string{"b", "a", "unknown"})
		must(t, err)
		same(t, "standings", len(standings), 5)
		for _, x := range standings {
			if x.ID == later.ID {
				same(t, "standing", x, audit.Standing{ID: later.ID, App: "a", Clause: "P6", Status: audit.Open, FirstRun: "R-000002"})
			}
		}
		var keyed []string
		list, err := s.Keyed(ctx, "k109")
		must(t, err)
		for _, m := range list {
			keyed = append(keyed, m.Key)
		}
		same(t, "keyed", strings.Join(keyed, " "), "k109 k1090 k1091 k1092 k1093 k1094 k1095 k1096 k1097 k1098 k1099")
		for _, c := range []struct {
			from, to audit.Instant
			n        int
		}{{t0, t0 + 1, 1}, {t0 + 1, t0 + 2, 0}, {t0 - 1, t0, 0}} {
			runs, err := s.FinishedBetween(ctx, c.from, c.to)
			must(t, err)
			same(t, "finished between", len(runs), c.n)
		}

		must(t, s.Night(l).Begin(ctx, byHand())) // it runs, and has not finished
		runs, err := s.Finished(ctx, 30)
		must(t, err)
		if len(runs) != 1 || runs[0].ID != p.Run.ID {
			t.Errorf("finished: %v", runs)
		}
	})
}

func sorted(list ...string) []string { return slices.Sorted(slices.Values(list)) }
