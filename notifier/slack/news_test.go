package slack

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// TestThreads is the life of a thread: one head, whose changes are replies; what only grew, and findings without a head, say nothing of their own.
func TestThreads(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	old := critical("old", "access-unapproved", "")
	d.file(true, change(audit.IsNew, old)) // a first run: the digest only
	d.flush()
	if got := d.fake.Messages("#audit"); len(got) != 1 || !strings.Contains(got[0].Text, "baseline") {
		t.Fatal(d.seen("#audit"))
	}

	a, b := critical("acme", "purpose-prohibited", "marketing"), critical("acme", "purpose-prohibited", "training")
	high := critical("mild", "report-overdue", "")
	high.Severity = audit.High
	d.file(false, change(audit.IsNew, a), change(audit.IsNew, b), change(audit.IsNew, high))
	d.flush()
	a, b, high, old = d.findings[a.ID], d.findings[b.ID], d.findings[high.ID], d.findings[old.ID]

	d.file(false, change(audit.Grew, a), change(audit.IsResolved, high)) // nothing for the thread
	a.Status, b.Worsened = audit.Resolved, true
	d.file(false, change(audit.IsResolved, a), change(audit.IsWorsened, b), change(audit.IsReopened, old))
	b.Status = audit.Acknowledged
	for range 2 { // composed twice, told once
		d.tell(notifier.News{At: 7, Changes: []audit.Change{change(audit.IsActed, b)}, Trail: []audit.TrailEntry{{At: 7, Who: "slack:U1", What: "acknowledged", Finding: b.ID, Why: "I see"}}})
	}
	old.Status = audit.Acknowledged
	d.tell(notifier.News{At: 8, Changes: []audit.Change{change(audit.IsActed, old)}, Trail: []audit.TrailEntry{{At: 8, Who: "slack:U1", What: "acknowledged", Finding: old.ID}}})
	d.flush()
	want := `Email API audit, baseline, 2026-11-22 00:00 UTC: 1 new (1 critical)
Email API audit, 2026-11-22 00:00 UTC: 3 new (2 critical, 1 high)
  chart-R-000002.png
Critical finding: purpose-prohibited ` + a.ID + `, 2 findings [2 edits]
Email API audit, 2026-11-22 00:00 UTC: nothing new
  chart-R-000003.png
Email API audit, 2026-11-22 00:00 UTC: 1 reopened, 1 worsened
  chart-R-000004.png
  2 findings changed
  A person acted on purpose-prohibited ` + b.ID + "\n"
	got := d.seen("#audit")
	for _, id := range []string{a.ID, b.ID} { // which of two equals comes first does not matter here
		got = strings.ReplaceAll(got, "purpose-prohibited "+id+", 2", "purpose-prohibited "+a.ID+", 2")
	}
	got = stamps.ReplaceAllString(got, "2026-11-22 00:00 UTC")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, m := range d.fake.Messages("#audit") {
		if m.Edits > 0 && (!strings.Contains(string(m.Blocks), "Now: acknowledged") || !strings.Contains(string(m.Blocks), "Now: resolved") || strings.Contains(string(m.Blocks), "557058")) {
			t.Errorf("the head does not show what is now, or shows accounts: %s", m.Blocks)
		}
	}
}

// TestTenThousand is a night with 10,000 new findings, each of an app of its own, most of them critical.
func TestTenThousand(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil, "#urgent", "#vendor-7")
	d.teller.Routes = []Route{
		{Vendor: "vendor of app-7", Channel: "#vendor-7"},
		{Severities: []audit.Severity{audit.High}, Check: "purpose-prohibited", Channel: "#urgent"},
	}
	d.file(true)
	var changes []audit.Change
	for i := range 10000 {
		f := critical(fmt.Sprint("app-", i), "purpose-prohibited", "marketing")
		if i%4 == 0 {
			f.Severity = audit.High
		}
		f.Accounts = 10000 - i
		changes = append(changes, change(audit.IsNew, f))
	}
	start := time.Now()
	d.file(false, changes...)
	t.Logf("composed in %s", time.Since(start))
	begin := d.clock.Since()
	d.flush()
	count := map[string]int{}
	for _, c := range []string{"#audit", "#urgent", "#vendor-7"} {
		count[c] = len(d.fake.Messages(c))
	}
	// #audit: two digests, a chart, 10 heads; #urgent: a digest of what is routed there; #vendor-7: a head.
	if diff := cmp.Diff(map[string]int{"#audit": 2 + 1 + MaxImmediate, "#urgent": 1, "#vendor-7": 1}, count); diff != "" {
		t.Error(diff)
	}
	if refused := d.fake.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
	if took := d.clock.Since() - begin; took < MaxImmediate*time.Second || took > time.Minute {
		t.Errorf("delivered in %s", took)
	}
	all := d.fake.Messages("#audit")
	if last := all[len(all)-1]; !strings.Contains(string(last.Blocks), "and 7489 more critical, in the digest") {
		t.Errorf("%s", last.Blocks)
	}
	if digest := all[1]; !strings.Contains(digest.Text, "10000 new (7500 critical, 2500 high)") || !strings.Contains(string(digest.Blocks), "more new critical and high") {
		t.Errorf("%s %s", digest.Text, digest.Blocks)
	}
	if share := d.fake.Messages("#urgent")[0]; !strings.Contains(share.Text, "2500 new (2500 high)") || strings.Contains(string(share.Blocks), "still open") {
		t.Errorf("%s %s", share.Text, share.Blocks)
	}

	// The next night files 3,000 more, a thousand of them under open heads: the worst ten of all are told to the channel, each head that is concerned gets a reply.
	headed := map[string]bool{}
	for _, m := range d.store.Rows {
		var b body
		if err := json.Unmarshal(m.Body, &b); err == nil && b.Do == doHead && m.Lane == "#audit" {
			headed[d.findings[b.Finding].App] = true
		}
	}
	apps := slices.Sorted(maps.Keys(headed))
	changes = nil
	for i := range 3000 {
		f := critical(fmt.Sprint("app-", i), "purpose-prohibited", "again")
		if i < 1000 {
			f = critical(apps[i%len(apps)], "purpose-prohibited", fmt.Sprint("again ", i))
		}
		f.Accounts = i
		changes = append(changes, change(audit.IsNew, f))
	}
	d.tomorrow(changes...)
	shown, heads, replies := 0, 0, 0
	for _, m := range d.fake.Messages("#audit")[len(all):] {
		switch {
		case m.Shown:
			shown++
		case m.Thread != "" && len(m.Files) == 0:
			replies++
		case strings.HasPrefix(m.Text, "Critical"):
			heads++
		}
	}
	if shown+heads != MaxImmediate || replies+shown != len(apps) {
		t.Errorf("%d shown, %d heads, %d replies", shown, heads, replies)
	}
	if refused := d.fake.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

// TestDue: the digest tells once more of what falls due within 7 days, as the night leaves it, and counts what is overdue.
func TestDue(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	now := audit.At(d.clock.Now())
	due := func(app string, in time.Duration) audit.Finding {
		f := critical(app, "report-overdue", "")
		f.DueAt, f.FirstRun = now.Add(in), "R-000000"
		d.findings[f.ID] = f
		return f
	}
	due("late", -time.Hour)
	due("soon", 24*time.Hour)
	due("week", 7*24*time.Hour)
	due("later", 7*24*time.Hour+1)
	mended := due("mended", time.Hour)
	mended.Status = audit.Resolved
	d.file(false, change(audit.IsResolved, mended))
	d.flush()
	blocks := string(d.fake.Messages("#audit")[0].Blocks)
	for what, is := range map[string]bool{"(late)": false, "(soon)": true, "(week)": true, "(later)": false, "(mended)": false, "deadline has passed: 1": true, "*Due within 7 days* (2)": true,
		"due 2026-11-23 00:00 UTC": true} {
		if strings.Contains(blocks, what) != is {
			t.Errorf("%s: %t\n%s", what, !is, blocks)
		}
	}
}

// TestRoutes: the first that fits.
func TestRoutes(t *testing.T) {
	t.Parallel()
	f := critical("acme", "purpose-prohibited", "x")
	for _, c := range []struct {
		routes []Route
		want   string
	}{
		{nil, "#audit"},
		{[]Route{{Channel: "#all"}}, "#all"},
		{[]Route{{Severities: []audit.Severity{audit.High, audit.Low}, Channel: "#1"}, {Severities: []audit.Severity{audit.Critical}, Channel: "#2"}, {Channel: "#3"}}, "#2"},
		{[]Route{{App: "other", Channel: "#1"}, {Vendor: "VENDOR of acme", Channel: "#2"}}, "#2"},
		{[]Route{{App: "acme", Check: "report-overdue", Channel: "#1"}, {App: "acme", Check: "purpose-prohibited", Vendor: "Vendor of acme", Channel: "#2"}}, "#2"},
	} {
		if got := (&Teller{Channel: "#audit", Routes: c.routes}).channel(&f); got != c.want {
			t.Errorf("%v: %s, want %s", c.routes, got, c.want)
		}
	}
}

// TestNothingNewSaysNothing: a run by hand that changed nothing, and a person's act on what has no head.
func TestNothingNewSaysNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	run := audit.Run{ID: "R-000009", ScheduledAt: audit.Never, AsOf: audit.At(d.clock.Now())}
	f := critical("acme", "purpose-prohibited", "")
	for _, n := range []notifier.News{
		{Result: &audit.Result{Run: &run}},
		{Changes: []audit.Change{change(audit.IsActed, f)}, Trail: []audit.TrailEntry{{What: "acknowledged"}}},
	} {
		if list := d.tell(n); len(list) > 0 {
			t.Errorf("%v", list)
		}
	}
}

// TestComposeIsPure: composed again, or with the changes in another order, the same messages come out.
func TestComposeIsPure(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.file(true)
	var changes []audit.Change
	for i := range 40 {
		f := critical(fmt.Sprint("app-", i%15), "purpose-prohibited", fmt.Sprint("s", i))
		f.Accounts = 100 + i
		changes = append(changes, change(audit.IsNew, f))
	}
	bodies := func(list []audit.Message) map[string]string {
		m := map[string]string{}
		for _, x := range list {
			m[x.Key] = x.Lane + string(x.Body)
		}
		return m
	}
	news := func() notifier.News {
		run := audit.Run{ID: "R-000002", AsOf: 5, ScheduledAt: 5}
		for i := range changes {
			changes[i].Finding.FirstRun = run.ID
		}
		return notifier.News{At: 5, Result: &audit.Result{Run: &run, Changes: changes}, Changes: changes}
	}
	first := bodies(d.tell(news()))
	slices.Reverse(changes)
	if diff := cmp.Diff(first, bodies(d.tell(news()))); diff != "" {
		t.Error(diff)
	}
	if n := len(slices.Collect(maps.Keys(first))); n != 2+MaxImmediate {
		t.Errorf("%d messages", n)
	}
}

var stamps = regexp.MustCompile(`2026-\d\d-\d\d \d\d:\d\d UTC`)
