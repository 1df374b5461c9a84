// Package nights holds digests for the tests of everything that renders one.
package nights

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Address is an address that no rendering may hold.
const Address = "joe.doe@customer.example"

// Redact masks the tests' addresses.
func Redact(s string) string {
	return strings.NewReplacer(Address, "[address]", "joe@example.com", "[address]").Replace(s)
}

// All is one digest of each sort, by name.
func All() map[string]notifier.Digest {
	return map[string]notifier.Digest{"quiet": Quiet(), "busy": Busy(), "baseline": Baseline(), "blind": Blind(), "hostile": HostileNames(), "dry": Dry()}
}

func at(s string) audit.Instant {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return audit.At(t)
}

func run() *audit.Run {
	return &audit.Run{ID: "R-000042", AsOf: at("2026-11-22T02:30:00Z"), ScheduledAt: at("2026-11-22T02:30:00Z"), Summary: audit.RunSummary{
		Sources: []audit.SourceResult{
			source(audit.KindAccess, "logs/access-*.jsonl*", 98214, "2026-11-22T02:29:58Z"),
			source(audit.KindReports, "logs/reports-*.jsonl*", 1207, "2026-11-22T02:11:03Z"),
			source(audit.KindInstalls, "logs/installs-*.jsonl*", 31, "2026-11-21T23:40:12Z"),
			source(audit.KindIncidents, "status/incidents.jsonl", 2, "2026-11-03T10:00:00Z"),
			source(audit.KindApps, "registry/apps.jsonl", 200, ""),
		},
		Checks: []audit.CheckResult{{ID: "access-unapproved", Looked: true}},
	}}
}

func source(kind audit.Kind, path string, lines int64, newest string) audit.SourceResult {
	s := audit.SourceResult{Kind: kind, Path: path, Lines: lines, Facts: lines, Newest: audit.Ever, Looked: true}
	if newest != "" {
		s.Newest = at(newest)
	}
	return s
}

var checks = []struct {
	id, clause, subject string
	severity            audit.Severity
	confidence          audit.Confidence
}{
	{"purpose-prohibited", "P6", "marketing", audit.Critical, audit.Certain},
	{"report-overdue", "P3", "", audit.High, audit.Certain},
	{"access-unapproved", "P1", "", audit.Critical, audit.Certain},
	{"report-incomplete", "P3", "", audit.High, audit.Likely},
	{"feature-drift", "P7", "egress:tracker.example", audit.Medium, audit.Likely},
	{"access-refused-probing", "P1", "", audit.Low, audit.Certain},
}

// Finding is the nth of many findings.
func Finding(n int) audit.Finding {
	c := checks[n%len(checks)]
	key := fmt.Sprintf("com.vendor%d.app%d", n/7, n)
	return audit.Finding{
		ID: audit.FindingID(c.id, key, c.subject), Check: c.id, Clause: c.clause, Subject: c.subject, Severity: c.severity, Confidence: c.confidence, Status: audit.Open,
		App: key, AppName: fmt.Sprintf("App %d for Jira", n), Vendor: fmt.Sprintf("Vendor %d", n/7),
		Explanation: fmt.Sprintf("%d calls between 1 and 21 November got addresses of %d accounts.", 40+n, 10+n),
		Occurrences: 40 + n, Accounts: 10 + n, Sites: 1 + n%3, Latest: audit.Latest{Run: "R-000042", Occurrences: 12, Accounts: 9},
	}
}

func open(n int) map[audit.Severity]int {
	counts := map[audit.Severity]int{}
	for i := range n {
		counts[Finding(i).Severity]++
	}
	return counts
}

// Quiet is a night on which nothing changed.
func Quiet() notifier.Digest {
	return notifier.Compose(&audit.Result{Run: run(), Changes: nil, Open: open(14)}, Redact)
}

// Busy is a night with some of everything.
func Busy() notifier.Digest {
	r := run()
	r.Summary.UnknownInstalls, r.Summary.ClockTrouble = 3, 1
	r.Summary.Sources[0].Facts, r.Summary.Sources[0].Duplicates, r.Summary.Sources[0].Quarantined, r.Summary.Sources[0].Expired = 98000, 200, 13, 1
	r.Summary.Notes = []string{"The registry's line for com.acme.mailer is bad: judged by its last good one."}
	silent := Finding(40)
	silent.Status = audit.Suppressed
	return notifier.Compose(&audit.Result{Run: r, Changes: []audit.Change{
		{Finding: Finding(0), What: audit.IsNew}, {Finding: Finding(1), What: audit.IsNew}, {Finding: Finding(4), What: audit.IsNew},
		{Finding: Finding(2), What: audit.IsReopened}, {Finding: Finding(3), What: audit.IsWorsened}, {Finding: Finding(8), What: audit.Grew},
		{Finding: Finding(9), What: audit.IsResolved}, {Finding: Finding(10), What: audit.IsWithdrawn}, {Finding: silent, What: audit.Grew},
	}, Open: open(14)}, Redact)
}

// Baseline is a first run with thousands of findings.
func Baseline() notifier.Digest {
	r := run()
	r.Baseline, r.ScheduledAt = true, audit.Never
	var changes []audit.Change
	for i := range 4000 {
		changes = append(changes, audit.Change{Finding: Finding(i), What: audit.IsNew})
	}
	return notifier.Compose(&audit.Result{Run: r, Changes: changes, Open: open(4000)}, Redact)
}

// Blind is a night with sources that could not be looked at.
func Blind() notifier.Digest {
	r := run()
	s := r.Summary.Sources
	s[0] = audit.SourceResult{Kind: audit.KindAccess, Path: s[0].Path, Newest: audit.Ever, Trouble: "no file matches"}
	s[2].Looked, s[2].Trouble = false, "the newest record is of 2026-11-19, older than max_age 36h"
	r.Summary.Checks = nil
	for _, id := range []string{"access-unapproved", "access-not-installed", "purpose-prohibited", "report-incomplete"} {
		r.Summary.Checks = append(r.Summary.Checks, audit.CheckResult{ID: id, Why: "needs access"})
	}
	return notifier.Compose(&audit.Result{Run: r, Changes: []audit.Change{{Finding: Finding(1), What: audit.IsNew}}, Open: open(14)}, Redact)
}

// HostileNames is a night whose names try to format, to notify, to break out and to hide others.
func HostileNames() notifier.Digest {
	names := []string{"<!channel>", "<!here|here> @here @channel @everyone", "*bold* _it_ ~x~ `code` ```block```", "<https://evil.example|Click> & </b>", "&lt;!channel&gt;",
		"> quoted\n# heading\n* item", ":rotating_light: :smile:", strings.Repeat("A&", 2000), strings.Repeat("👩‍💻", 1300), "\u202eevil\u202c \x1b[31mred\x00", "mail " + Address + " now", " \t\n"}
	var changes []audit.Change
	for i, n := range names {
		f := Finding(i * 6)
		f.AppName, f.Vendor, f.Subject, f.Explanation = n, n, n, "It says: "+n
		f.Accounts = 1000 - i
		changes = append(changes, audit.Change{Finding: f, What: audit.IsNew})
	}
	r := run()
	r.Summary.Sources[0].Path = "logs/<!channel>-*.jsonl"
	r.Summary.Sources[0].Looked, r.Summary.Sources[0].Trouble = false, "open logs/"+strings.Repeat("&", 400)+": no such file"
	r.Summary.Notes = []string{"<!everyone> *said* " + Address}
	return notifier.Compose(&audit.Result{Run: r, Changes: changes, Open: nil}, Redact)
}

// Dry is a run by hand that filed nothing.
func Dry() notifier.Digest {
	r := run()
	r.ScheduledAt = audit.Never
	d := notifier.Compose(&audit.Result{Run: r, Changes: []audit.Change{{Finding: Finding(5), What: audit.IsNew}}, Open: open(2)}, Redact)
	d.Dry = true
	return d
}

// Hostile generates text that tries what it can.
func Hostile() *rapid.Generator[string] {
	part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<!channel>", "<@U1>", "<#C1>", "&", "<", ">", "&amp;", "*", "_", "~", "`", "```", "@here", "\n", "\x00", "\x1b[2J", "\u202e",
		"\u200b", "\xff", "\xe2\x82", "👩‍💻", "漢字", "\"", "\\", Address, ":smile:", "https://evil.example", strings.Repeat("&", 700), strings.Repeat("漢", 1000), strings.Repeat("👍", 1500),
		strings.Repeat("\"", 900), strings.Repeat("x", 4000), strings.Repeat("\u0301", 500)}))
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "parts"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
	})
}

// Any draws a digest of any size, with hostile text wherever text may come from outside.
func Any(t *rapid.T) notifier.Digest {
	text := Hostile()
	pool := rapid.SliceOfN(text, 1, 8).Draw(t, "texts")
	pick := func() string { return rapid.SampledFrom(pool).Draw(t, "text") }
	r := run()
	r.Baseline = rapid.Bool().Draw(t, "baseline")
	r.Summary.UnknownInstalls = rapid.IntRange(0, 1e9).Draw(t, "unknown")
	for range rapid.IntRange(0, 40).Draw(t, "sources") {
		s := source(audit.KindAccess, pick(), rapid.Int64Range(0, 1e12).Draw(t, "lines"), "")
		s.Looked, s.Trouble = rapid.Bool().Draw(t, "looked"), pick()
		r.Summary.Sources = append(r.Summary.Sources, s)
	}
	for range rapid.IntRange(0, 30).Draw(t, "checks") {
		r.Summary.Checks = append(r.Summary.Checks, audit.CheckResult{ID: "access-unapproved", Why: pick()})
	}
	for range rapid.IntRange(0, 30).Draw(t, "notes") {
		r.Summary.Notes = append(r.Summary.Notes, pick())
	}
	var changes []audit.Change
	what := rapid.SampledFrom([]audit.ChangeKind{audit.IsNew, audit.IsReopened, audit.IsWorsened, audit.Grew, audit.IsResolved})
	tame := rapid.IntRange(0, 9).Draw(t, "tame")
	for i := range rapid.SampledFrom([]int{0, 1, 5, 60, 300}).Draw(t, "findings") {
		f := Finding(i)
		if i%10 >= tame {
			f.App, f.AppName, f.Vendor, f.Subject, f.Explanation = pick(), pick(), pick(), pick(), pick()
		}
		changes = append(changes, audit.Change{Finding: f, What: what.Draw(t, "what")})
	}
	slices.Reverse(changes)
	d := notifier.Compose(&audit.Result{Run: r, Changes: changes, Open: open(3)}, Redact)
	d.Dry = rapid.Bool().Draw(t, "dry")
	return d
}
