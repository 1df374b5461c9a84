package slack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier"
)

// as is a finding in another severity, or status.
func as(s audit.Severity, f audit.Finding) audit.Finding { f.Severity = s; return f }

func now(s audit.Status, f audit.Finding) audit.Finding { f.Status = s; return f }

// tomorrow is the next night.
func (d *desk) tomorrow(changes ...audit.Change) {
	d.t.Helper()
	_ = d.clock.Sleep(d.t.Context(), 24*time.Hour)
	d.file(false, changes...)
	d.flush()
}

// threads is what stands in a channel beside digests and charts.
func (d *desk) threads(channel string) string {
	var b strings.Builder
	for line := range strings.Lines(d.seen(channel)) {
		if !strings.HasPrefix(line, "Email API audit") && !strings.Contains(line, "chart-") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestOneHeadForOneCause: what later nights file of an app and clause comes under its head as long as anything there is open; then a new head is opened, under which also comes what opens again.
func TestOneHeadForOneCause(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.file(true)
	a, b, c := critical("acme", "purpose-prohibited", "a"), as(audit.High, critical("acme", "purpose-prohibited", "b")), critical("acme", "mail-prohibited", "c")
	d.tomorrow(change(audit.IsNew, a))
	d.tomorrow(change(audit.IsNew, b)) // not critical: the thread is told
	a = d.findings[a.ID]
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, a)), change(audit.IsNew, c)) // critical: the channel, too
	want := `Critical finding: purpose-prohibited ` + a.ID + `, 3 findings [2 edits]
  High finding: purpose-prohibited ` + b.ID + `
  Critical finding: mail-prohibited ` + c.ID + ` (shown)
  Resolved: purpose-prohibited ` + a.ID + "\n"
	want = strings.Replace(want, "purpose-prohibited "+a.ID+", 3", "mail-prohibited "+c.ID+", 3", 1) // the worst that is open
	if diff := cmp.Diff(want, d.threads("#audit")); diff != "" {
		t.Error(diff)
	}

	// Acknowledged is not closed.
	b, c = d.findings[b.ID], d.findings[c.ID]
	e := critical("acme", "purpose-prohibited", "e")
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, b)))
	d.tell(notifier.News{At: 7, Changes: []audit.Change{change(audit.IsActed, now(audit.Acknowledged, c))}, Trail: []audit.TrailEntry{{At: 7, What: "acknowledged", Finding: c.ID}}})
	d.tomorrow(change(audit.IsNew, e))
	if n := strings.Count(d.threads("#audit"), "(shown)"); n != 2 {
		t.Errorf("%d\n%s", n, d.threads("#audit"))
	}
	c, e = d.findings[c.ID], d.findings[e.ID]
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, c)), change(audit.IsWithdrawn, now(audit.Resolved, e)))

	// All is closed: what is not critical is in the digest only, and what is critical has a head of its own.
	before := d.threads("#audit")
	f, g := as(audit.High, critical("acme", "purpose-prohibited", "f")), critical("acme", "purpose-prohibited", "g")
	d.tomorrow(change(audit.IsNew, f))
	if diff := cmp.Diff(before, d.threads("#audit")); diff != "" {
		t.Error(diff)
	}
	d.tomorrow(change(audit.IsNew, g))
	d.tomorrow(change(audit.IsReopened, now(audit.Open, c)), change(audit.IsReopened, now(audit.Open, e)))
	g = d.findings[g.ID]
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, g)))
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, c)))
	f = d.findings[f.ID]
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, f))) // it has no head
	want = before + `Critical finding: purpose-prohibited ` + e.ID + `, 3 findings [5 edits]
  2 findings changed
  Resolved: purpose-prohibited ` + g.ID + `
  Resolved: mail-prohibited ` + c.ID + "\n"
	if diff := cmp.Diff(want, d.threads("#audit")); diff != "" {
		t.Error(diff)
	}
	if refused := d.fake.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

// A person who opens a finding again that stands under an older head brings it under the newest.
func TestAPersonOpensAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	a, b := critical("acme", "purpose-prohibited", "a"), critical("acme", "purpose-prohibited", "b")
	d.tomorrow(change(audit.IsNew, a))
	a = d.findings[a.ID]
	d.tomorrow(change(audit.IsResolved, now(audit.Resolved, a)))
	d.tomorrow(change(audit.IsNew, b))
	for range 2 { // composed twice, told once
		d.tell(notifier.News{At: 7, Changes: []audit.Change{change(audit.IsActed, now(audit.Open, a))}, Trail: []audit.TrailEntry{{At: 7, Who: "ann", What: "reopened", Finding: a.ID}}})
	}
	d.flush()
	b = d.findings[b.ID]
	d.tomorrow(change(audit.IsWorsened, b))
	got := d.threads("#audit")
	i := strings.LastIndex(got, "Critical finding: ")
	if strings.Count(got[i:], "\n  ") != 2 || !strings.Contains(got[i:], ", 2 findings") || !strings.Contains(got[i:], "A person acted on purpose-prohibited "+a.ID) {
		t.Error(got)
	}
}

// TestNightsShareTheirTen: runs that are as of one day, in the schedule's zone, are one night.
func TestNightsShareTheirTen(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil) // it is midnight in UTC
	d.teller.Zone = time.FixedZone("east", 3600)
	d.file(true)
	n := 0
	file := func(many int) {
		var changes []audit.Change
		for range many {
			n++
			changes = append(changes, change(audit.IsNew, critical(fmt.Sprint("app-", n), "purpose-prohibited", "")))
		}
		d.file(false, changes...)
	}
	heads := func() int {
		n := 0
		for _, m := range d.store.Rows {
			if strings.HasPrefix(m.Key, "slack finding ") {
				n++
			}
		}
		return n
	}
	for i, c := range []struct {
		wait       time.Duration
		many, want int
	}{{0, 4, 4}, {time.Hour, 3, 7}, {time.Hour, 5, 10}, {20 * time.Hour, 2, 10}, {time.Hour, 12, 20}, {23 * time.Hour, 1, 20}, {time.Hour, 1, 21}} {
		_ = d.clock.Sleep(t.Context(), c.wait)
		if file(c.many); heads() != c.want {
			t.Errorf("%d: %d heads, want %d", i, heads(), c.want)
		}
	}
	// What is shown to the channel from a thread counts, too.
	d = newDesk(t, nil)
	var first, second []audit.Change
	for i := range 8 {
		app := fmt.Sprint("app-", i)
		first, second = append(first, change(audit.IsNew, critical(app, "purpose-prohibited", "a"))), append(second, change(audit.IsNew, critical(app, "purpose-prohibited", "b")))
	}
	d.file(false, first...)
	d.file(false, second...)
	d.flush()
	got := d.threads("#audit")
	if shown := strings.Count(got, "(shown)"); shown != 2 || strings.Count(got, "\n  Critical") != 8 {
		t.Errorf("%d shown\n%s", shown, got)
	}
	if all := fmt.Sprint(d.blocks("#audit")); !strings.Contains(all, "and 6 more critical, in the digest") {
		t.Error("it is not said that there are more")
	}
}

// blocks are those of a channel's messages.
func (d *desk) blocks(channel string) (list []string) {
	for _, m := range d.fake.Messages(channel) {
		list = append(list, string(m.Blocks))
	}
	return list
}

// TestARoutedDigestHasTheRest: a head takes from another channel's digest only what that channel is told of.
func TestARoutedDigestHasTheRest(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil, "#urgent", "#reports")
	d.teller.Routes = []Route{{Severities: []audit.Severity{audit.Critical}, Channel: "#urgent"}, {Check: "report-overdue", Channel: "#reports"}}
	d.file(true)
	a, b := critical("acme", "purpose-prohibited", ""), as(audit.High, critical("acme", "report-overdue", ""))
	changes := []audit.Change{change(audit.IsNew, a), change(audit.IsNew, b)}
	for i := range 60 { // more than a head has place for
		changes = append(changes, change(audit.IsNew, critical("acme", "purpose-prohibited", fmt.Sprint(i))))
	}
	d.file(false, changes...)
	d.flush()
	if n := len(d.fake.Messages("#urgent")); n != 2 {
		t.Fatalf("%d messages\n%s", n, d.seen("#urgent"))
	}
	head, rest := d.fake.Messages("#urgent")[0], d.fake.Messages("#urgent")[1]
	if strings.HasPrefix(rest.Text, "Critical") {
		head, rest = rest, head
	}
	named := strings.Count(string(head.Blocks), "Now: open")
	if named >= 61 || !strings.Contains(rest.Text, fmt.Sprintf("%d new (%d critical)", 61-named, 61-named)) {
		t.Errorf("the head names %d, the digest says %s", named, rest.Text)
	}
	if !strings.Contains(d.seen("#reports"), "1 new (1 high)") {
		t.Errorf("#reports: %s", d.seen("#reports"))
	}
}

// TestARemovedHead: somebody removes the head; what the channel is to be told is told without it, and nothing waits for it.
func TestARemovedHead(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	a, b, c := critical("acme", "purpose-prohibited", "a"), critical("acme", "purpose-prohibited", "b"), as(audit.High, critical("acme", "purpose-prohibited", "c"))
	d.tomorrow(change(audit.IsNew, a))
	for _, m := range d.fake.Messages("#audit") {
		if strings.HasPrefix(m.Text, "Critical") {
			d.fake.Remove("#audit", m.TS)
		}
	}
	d.tomorrow(change(audit.IsNew, b))
	d.tomorrow(change(audit.IsNew, c))
	if diff := cmp.Diff("Critical finding: purpose-prohibited "+b.ID+"\n", d.threads("#audit")); diff != "" {
		t.Error(diff)
	}
}

// TestThreadsHold: whatever nights and people do, a cause has one open head at most, every finding stands under one head at most, a new critical one is under one unless the night's ten are used up, and
// who is asked again, before or after it came true, says the same.
func TestThreadsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t, func(*slackfake.Server) string { return "http://127.0.0.1:1" }, "#urgent")
		d.teller.Routes = []Route{{Check: "urgent", Channel: "#urgent"}}
		apps := rapid.SampledFrom([]int{1, 3, 14}).Draw(rt, "apps")
		told := func(n notifier.News) {
			first, err := d.teller.Compose(n)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(keys(first), keys(d.tell(n))); diff != "" {
				rt.Fatalf("composed again: %s", diff)
			}
			late, err := d.teller.Compose(n)
			if err != nil {
				rt.Fatal(err)
			}
			for _, k := range keys(late) {
				if !slices.Contains(keys(first), k) {
					rt.Fatalf("composed once it came true, it also says %s", k)
				}
			}
		}
		for range rapid.IntRange(1, 8).Draw(rt, "nights") {
			_ = d.clock.Sleep(t.Context(), rapid.SampledFrom([]time.Duration{time.Hour, 24 * time.Hour}).Draw(rt, "wait"))
			if rapid.IntRange(0, 2).Draw(rt, "person") == 0 && len(d.findings) > 0 {
				f := d.findings[rapid.SampledFrom(slices.Sorted(maps.Keys(d.findings))).Draw(rt, "finding")]
				f.Status = rapid.SampledFrom(audit.Statuses()).Draw(rt, "status")
				told(notifier.News{At: 1, Changes: []audit.Change{change(audit.IsActed, f)}, Trail: []audit.TrailEntry{{At: audit.At(d.clock.Now()), What: "acted", Finding: f.ID}}})
				continue
			}
			changes := map[string]audit.Change{}
			for range rapid.IntRange(1, 10).Draw(rt, "changes") {
				f := critical(fmt.Sprint("app-", rapid.IntRange(1, apps).Draw(rt, "app")), rapid.SampledFrom([]string{"check", "urgent"}).Draw(rt, "check"), rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "subject"))
				f.Severity = rapid.SampledFrom([]audit.Severity{audit.Critical, audit.High}).Draw(rt, "severity")
				what := audit.IsNew
				if known, ok := d.findings[f.ID]; ok {
					f = known
					what = rapid.SampledFrom([]audit.ChangeKind{audit.IsResolved, audit.IsWithdrawn, audit.IsWorsened, audit.Grew}).Draw(rt, "what")
					if f.Status == audit.Resolved {
						what = audit.IsReopened
					}
				}
				switch what {
				case audit.IsResolved, audit.IsWithdrawn:
					f.Status = audit.Resolved
				case audit.IsReopened, audit.IsWorsened:
					f.Status = audit.Open
				}
				changes[f.ID] = change(what, f)
			}
			n := d.night(false, slices.Collect(maps.Values(changes))...)
			told(n)
			d.runs = append(d.runs, *n.Result.Run)
			d.holds(rt, n)
		}
	})
}

func keys(list []audit.Message) (keys []string) {
	for _, m := range list {
		keys = append(keys, m.Key)
	}
	slices.Sort(keys)
	if n := len(keys); len(slices.Compact(slices.Clone(keys))) != n {
		panic(fmt.Sprintf("a key twice: %v", keys))
	}
	return keys
}

// holds asserts what is said of threads after a night.
func (d *desk) holds(t *rapid.T, n notifier.News) {
	var all []audit.Standing
	for _, f := range d.findings {
		all = append(all, standing(&f))
	}
	h, err := arrange(t.Context(), d, all, "")
	if err != nil {
		t.Fatal(err)
	}
	open := map[cause]map[string]bool{}
	for _, s := range all {
		if x := h.of[s.ID]; x != nil && audit.IsOpen(s.Status) {
			c := cause{s.App, s.Clause}
			if open[c] == nil {
				open[c] = map[string]bool{}
			}
			if open[c][x.key] = true; len(open[c]) > 1 {
				t.Fatalf("%v has open heads %v", c, open[c])
			}
		}
	}
	used := map[string]int{}
	day := func(i audit.Instant) string { return i.Time().Format(time.DateOnly) }
	for _, r := range d.runs {
		if day(r.AsOf) != day(n.Result.Run.AsOf) {
			continue
		}
		for _, m := range d.store.Rows {
			if strings.HasPrefix(m.Key, headKeys(r.ID)) || strings.HasPrefix(m.Key, newKey(r.ID, "")) && strings.Contains(string(m.Body), `"broadcast":true`) {
				if used[m.Lane]++; used[m.Lane] > MaxImmediate {
					t.Fatalf("%d messages in %s on one day", used[m.Lane], m.Lane)
				}
			}
		}
	}
	for _, c := range n.Changes {
		f := &c.Finding
		if c.What == audit.IsNew && f.Severity == audit.Critical && h.of[f.ID] == nil && max(used["#audit"], used["#urgent"]) < MaxImmediate {
			t.Fatalf("%s is told nowhere", f.ID)
		}
	}
}
