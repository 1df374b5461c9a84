package store_test

import (
	"fmt"
	"slices"
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
		together := ids(s.FiledWith(ctx, a1.ID))
		slices.Sort(together)
		both := []string{a1.ID, a2.ID}
		slices.Sort(both)
		same(t, "filed with", together, both)
		same(t, "filed with one that is not kept", len(ids(s.FiledWith(ctx, "F-GONE"))), 0)
		same(t, "due", ids(s.DueBy(ctx, t0+7)), []string{later.ID, a1.ID})

		must(t, s.Night(l).Begin(ctx, byHand())) // it runs, and has not finished
		runs, err := s.Finished(ctx, 30)
		must(t, err)
		if len(runs) != 1 || runs[0].ID != p.Run.ID {
			t.Errorf("finished: %v", runs)
		}
	})
}
