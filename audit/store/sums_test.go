package store_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// In whatever order a finding's days come, change and are purged, and whenever nights sum them up: what is read of the finding is the union of its days.
func TestSumsSayWhatDaysSay(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		runs, trial := s.Night(l), 0
		rapid.Check(t, func(t *rapid.T) {
			trial++
			subject := fmt.Sprint("subject ", trial)
			key := audit.FindingKey{Check: "c", App: "a", Subject: subject}
			model := map[audit.Day]audit.Contribution{}
			purged := audit.StateDay
			publish := func(u audit.AppUpdate) {
				run := byHand()
				u.Key, u.StatesAt = "a", audit.Never
				if err := runs.Begin(ctx, run); err != nil {
					t.Fatal(err)
				}
				p := finish(run, u)
				p.Purged = purged
				if err := runs.Publish(ctx, p); err != nil {
					t.Fatal(err)
				}
			}
			union := func() audit.Contribution { return audit.Fold(slices.Collect(maps.Values(model))) }
			defer func() { // the next trial keeps what this one's purge would let go
				purged = audit.StateDay
				publish(audit.AppUpdate{})
			}()
			for range rapid.IntRange(1, 12).Draw(t, "nights") {
				var u audit.AppUpdate
				var touched []audit.Day
				for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 4, rapid.ID).Draw(t, "days") {
					day := day0 + audit.Day(n)
					if day < purged {
						continue
					}
					touched = append(touched, day)
					if _, there := model[day]; there && rapid.Bool().Draw(t, "taken back") {
						delete(model, day)
						u.Delete = append(u.Delete, audit.ContributionKey{Check: "c", App: "a", Subject: subject, Day: day})
						continue
					}
					c := audit.Contribution{Check: "c", App: "a", Subject: subject, Day: day, First: day.Start(), Last: day.Start() + 1}
					for i, account := range rapid.SliceOfN(rapid.SampledFrom([]string{"ann", "bob", "cid", "dan"}), 1, 4).Draw(t, "accounts") {
						c.Occurrences = append(c.Occurrences, uint64(i))
						c.Accounts, c.Sites = audit.Union(c.Accounts, audit.NewIDs(account)), audit.NewIDs("site of "+account)
						c.Evidence = append(c.Evidence, audit.Evidence{At: day.Start() + audit.Instant(i), Account: account})
					}
					model[day] = c
					u.Put = append(u.Put, c)
				}
				rest, err := s.ContributionsOf(ctx, audit.FindingDays{FindingKey: key, Without: touched})
				if err != nil {
					t.Fatal(err)
				}
				all := append(rest, u.Put...)
				if len(all) > 0 && len(model) > 0 {
					same(t, "what a night reads and brings", audit.Fold(all), union())
				}
				if last := slices.Max(append(slices.Collect(maps.Keys(model)), audit.BaseDay)); last > audit.BaseDay && rapid.Bool().Draw(t, "summed up") {
					u.Sums = []audit.Sum{{Contribution: audit.Fold(all), To: last}}
				}
				if rapid.IntRange(0, 4).Draw(t, "purge") == 0 {
					purged = max(purged, day0+audit.Day(rapid.IntRange(0, 20).Draw(t, "purged before")))
				}
				publish(u)
				var old []audit.Contribution
				for day, c := range model {
					if day < purged {
						old = append(old, c)
						delete(model, day)
					}
				}
				if len(old) > 0 {
					model[audit.BaseDay] = audit.Fold(old)
				}
				got, err := s.ContributionsOf(ctx, audit.FindingDays{FindingKey: key})
				if err != nil {
					t.Fatal(err)
				}
				if len(model) == 0 {
					same(t, "what is left of a finding that was taken back", got, []audit.Contribution(nil))
				} else {
					same(t, "the finding", audit.Fold(got), union())
				}
			}
		})
	})
}
