package report

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

const day = audit.Instant(24 * time.Hour)

var start = audit.At(time.Date(2026, 11, 1, 2, 30, 0, 0, time.UTC))

// Whatever people and nights do to a finding, its history tells the status that it has, and what came in and went out of what is open adds up, for every month that
// one may cut out of it.
func TestHistoriesTellWhatFindingsAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := audit.Finding{ID: "F-1", Check: audit.AcceptableCheck, Subject: "scope:x", Status: audit.Open, Occurrences: 1}
		h := store.History{ID: f.ID, Severity: audit.High}
		var statuses []audit.Status // after each entry
		var acts []audit.Act
		note := func(e audit.TrailEntry) {
			h.Entries = append(h.Entries, store.Entry{TrailEntry: e, Seq: int64(len(h.Entries) + 1)})
			statuses = append(statuses, f.Status)
		}
		night := func(what string) { note(audit.TrailEntry{Who: audit.ByNight, What: what}) }
		night(filed)
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			if what := rapid.SampledFrom([]string{"", "", "", "resolved", "withdrawn", audit.TrailReopened, audit.TrailWorsened, "suppressed", "false-positive", "grew"}).Draw(t, "night"); what != "" {
				switch what {
				case "resolved", "withdrawn":
					f.Status = audit.Resolved
				case audit.TrailReopened, audit.TrailWorsened:
					f.Status = audit.Open
				case "suppressed", "false-positive":
					f.Status = audit.Status(what)
				}
				night(what)
				continue
			}
			d := audit.Deed{Kind: rapid.SampledFrom(audit.DeedKinds()).Draw(t, "deed"), By: "cli:a@b", At: start, Reason: "x", Until: start + day, Act: "warn", Assignee: "ann",
				Site: rapid.SampledFrom([]string{"", "site-a"}).Draw(t, "site"), Policy: audit.DefaultPolicy(), Sites: audit.NewIDs("site-a", "site-b")}
			done, err := d.Do(f, acts)
			if err != nil {
				continue // refused: nothing happened
			}
			f = done.Finding
			acts = append(acts, done.Begun...)
			for _, e := range done.Trail {
				note(e)
			}
		}
		n := int64(len(h.Entries))
		begin := rapid.Int64Range(0, n).Draw(t, "begin")
		end := rapid.Int64Range(begin, n).Draw(t, "end")
		l := lifeOf(&h, []int64{begin, end})
		at := func(seq int64) audit.Status {
			if seq == 0 {
				return ""
			}
			return statuses[seq-1]
		}
		if l.at[0] != at(begin) || l.at[1] != at(end) {
			t.Fatalf("it was %q and %q, not %q and %q", at(begin), at(end), l.at[0], l.at[1])
		}
		sum, open := l.Start+l.Filed+l.Reopened-l.Resolved-l.Withdrawn-l.Quieted, 0
		if audit.IsOpen(at(end)) {
			open = 1
		}
		if sum != open {
			t.Fatalf("%d come to be open, of %d: %+v", sum, open, l.moves)
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	due := start + 10*day
	type entry = audit.TrailEntry
	told := func(at audit.Instant, what string, due audit.Instant) entry {
		return entry{At: at, Who: audit.ByNight, What: what, Details: map[string]any{"due": due.String()}}
	}
	set := told(start, "deadline set", due)
	over := entry{At: due - day, Who: audit.ByNight, What: "resolved"}
	for _, c := range []struct {
		name string
		list []entry
		want deadline
	}{
		{"nobody was told", []entry{over}, deadline{Due: audit.Never}},
		{"it runs", []entry{set}, deadline{Due: due, Running: true}},
		{"mended in time", []entry{set, over, told(due-day, "notice ended", due)}, deadline{Kept: 1, Due: due}},
		{"verified in time", []entry{set, told(due-day, "fix verified", due)}, deadline{Kept: 1, Due: due}},
		{"verified and then resolved counts once", []entry{set, told(due-day, "fix verified", due), over, told(due, "notice ended", due)}, deadline{Kept: 1, Due: due}},
		{"missed, and open", []entry{set, told(due, "overdue", due)}, deadline{Missed: 1, Due: due, Late: true}},
		{"missed, and mended later", []entry{set, told(due, "overdue", due), over, told(due+day, "notice ended", due)}, deadline{Missed: 1, Due: due}},
		{"extended after it passed", []entry{set, told(due, "overdue", due), told(due+1, "vendor: extension-granted", due+5*day)}, deadline{Missed: 1, Due: due + 5*day, Running: true}},
		{"the notice bounced", []entry{set, told(start+1, "deadline dropped", due)}, deadline{Due: audit.Never}},
		{"a second round", []entry{set, over, told(due-day, "notice ended", due), {Who: audit.ByNight, What: audit.TrailReopened}, told(due, "deadline set", due+10*day)}, deadline{Kept: 1, Due: due + 10*day, Running: true}},
	} {
		h := store.History{Entries: []store.Entry{{Seq: 1, TrailEntry: entry{Who: audit.ByNight, What: filed}}}}
		for i, e := range c.list {
			h.Entries = append(h.Entries, store.Entry{Seq: int64(i + 2), TrailEntry: e})
		}
		if l := lifeOf(&h, []int64{0, 99}); l.deadline != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, l.deadline, c.want)
		}
		if l := lifeOf(&h, []int64{98, 99}); l.Kept+l.Missed != 0 || l.Due != c.want.Due || l.Running != c.want.Running || l.Late != c.want.Late {
			t.Errorf("%s, a month later: %+v", c.name, l.deadline)
		}
	}
}

// Of entries whose details were erased what they say tells, and of a finding that the trail knew under another name what it is.
func TestHistoriesWithoutDetails(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]audit.Status{"suppressed": audit.Suppressed, "dismissed": audit.FalsePositive, "accepted": audit.Resolved, "resolved": audit.Resolved, "acknowledged": audit.Acknowledged,
		"remediation started": audit.InRemediation, audit.TrailReopened: audit.Open, "commented": audit.Open} {
		h := store.History{Entries: []store.Entry{{Seq: 1, TrailEntry: audit.TrailEntry{What: filed}}, {Seq: 2, Erased: true, TrailEntry: audit.TrailEntry{Who: "cli:a@b", What: what}}}}
		if l := lifeOf(&h, []int64{0, 2}); l.at[1] != want {
			t.Errorf("%s: %s, not %s", what, l.at[1], want)
		}
	}
	renamed := store.History{Status: audit.Suppressed, Entries: []store.Entry{{Seq: 5, TrailEntry: audit.TrailEntry{What: "renamed"}}}}
	if l := lifeOf(&renamed, []int64{4, 6}); l.at[1] != audit.Suppressed || l.moves.any() {
		t.Errorf("renamed: %+v", l)
	}
	renamed.Entries = append(renamed.Entries, store.Entry{Seq: 6, TrailEntry: audit.TrailEntry{What: "acknowledged", Details: map[string]any{"from": "open", "to": "acknowledged"}}})
	if l := lifeOf(&renamed, []int64{4, 6}); l.at[0] != audit.Open || l.at[1] != audit.Acknowledged || l.Start != 1 {
		t.Errorf("renamed, then acknowledged: %+v", l)
	}
}
