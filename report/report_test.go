package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/nighttest"
	"github.com/mailreeve/mailreeve/report"
)

// hostile is a text from outside that must stay one.
const hostile = "<script>alert(1)</script>\" onload=\"x\u202egro.\u0007</style>{{.Month}}\r.\t\x1b[2J"

// A bench is a store with nights of October and November.
type bench struct {
	*testing.T
	s      *store.Store
	clock  audit.Instant
	nights int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &bench{T: t, s: s}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func at(month time.Month, d int) audit.Instant {
	return audit.At(time.Date(2026, month, d, 2, 30, 0, 0, time.UTC))
}

// filed is a finding as a night files it.
func filed(check, clause, app, subject string, severity audit.Severity) audit.Finding {
	return audit.Finding{ID: audit.FindingID(check, app, subject), Check: check, Clause: clause, App: app, Subject: subject, Severity: severity, Confidence: audit.Certain, Status: audit.Open, Title: check,
		FirstSeen: 1, LastSeen: 2, Occurrences: 1, NotifiedAt: audit.Never, DueAt: audit.Never}
}

// night is a finished run: what it files, and what it and the desk write of findings.
func (b *bench) night(asOf audit.Instant, blind string, files []audit.Finding, entries ...audit.TrailEntry) {
	b.Helper()
	b.clock = max(b.clock, asOf) + 1
	b.nights++
	id := fmt.Sprintf("R-%06d", b.nights)
	run := &audit.Run{AsOf: asOf, ScheduledAt: asOf, StartedAt: b.clock, FinishedAt: audit.Never, By: "schedule"}
	run.Summary = audit.RunSummary{Sources: []audit.SourceResult{{Kind: audit.KindAccess, Path: "logs/" + hostile, Looked: blind == "", Trouble: blind}, {Kind: audit.KindApps, Path: "apps.jsonl", Looked: true}},
		Checks:   []audit.CheckResult{{ID: "ui-exposure", Why: "the policy turns it off", Off: true}, {ID: "purpose-prohibited", Looked: blind == "", Why: blind}, {ID: "access-unapproved", Looked: blind == "", Why: blind}, {ID: "listing-incomplete", Looked: true}},
		Findings: audit.FindingCounts{New: len(files)}}
	byApp := map[string]*audit.AppUpdate{}
	update := func(app string) *audit.AppUpdate {
		if byApp[app] == nil {
			byApp[app] = &audit.AppUpdate{Key: app, StatesAt: audit.Never}
			if app != "" {
				byApp[app].Version = &audit.AppVersion{From: audit.Ever, App: &audit.App{Key: app, Name: app + hostile, Vendor: audit.Vendor{ID: "v-" + app, Name: "Vendor of " + app + hostile}}}
			}
		}
		return byApp[app]
	}
	for _, f := range files {
		f.FirstRun, f.LastRun = id, id
		u := update(f.App)
		u.Findings = append(u.Findings, f)
		u.Trail = append(u.Trail, audit.TrailEntry{At: b.clock, Who: audit.ByNight, What: "filed", Finding: f.ID, Why: f.Title})
	}
	night := update("com.acme.none") // whose trail the rest is written with
	for _, e := range entries {
		e.At, e.Who = b.clock, audit.ByNight
		night.Trail = append(night.Trail, e)
	}
	night.Trail = append(night.Trail, audit.TrailEntry{At: b.clock, Who: audit.ByNight, What: "run", Why: id})
	var updates []audit.AppUpdate
	for _, app := range slices.Sorted(maps.Keys(byApp)) {
		updates = append(updates, *byApp[app])
	}
	nighttest.Publish(b.T, b.s, run, b.clock, updates...)
}

// does lets a person act on a finding.
func (b *bench) does(id string, d audit.Deed) {
	b.Helper()
	d.By = "cli:ann@host"
	b.clock++
	d.At = b.clock
	b.must(nighttest.Deeds{Store: b.s, AsOf: b.clock}.Do(b.Context(), d, id))
}

func (b *bench) report(month string, now audit.Instant) string {
	b.Helper()
	var w bytes.Buffer
	b.must(b.write(&w, month, now))
	return w.String()
}

func (b *bench) write(w *bytes.Buffer, month string, now audit.Instant) error {
	b.Helper()
	m, err := report.ParseMonth(month)
	b.must(err)
	r := &report.Reporter{Store: b.s, Clock: func() time.Time { return now.Time() }, Clause: func(c string) string { return "What " + c + " says." },
		Exceptions: []audit.Exception{{App: "acme", Check: "report-overdue", Subject: new(hostile), Reason: "they migrate", Owner: "the platform team", Until: at(11, 15)}, {App: "gone", Check: "report-overdue", Reason: "of September", Until: at(9, 1)}}}
	return r.Write(b.Context(), w, m)
}

// market is two months of nights, and what people did about what they found.
func market(t *testing.T) *bench {
	b := newBench(t)
	mail := filed("purpose-prohibited", "P6", "acme", hostile, audit.Critical)
	open := filed("access-unapproved", "P1", "birch", "", audit.Critical)
	old := filed("listing-incomplete", "P2", "acme", "terms", audit.Medium)
	none := filed("access-not-app", "P11", "", "basic", audit.High)
	drift := filed("feature-drift", "P7", "clover", "scope:x"+hostile, audit.Low)
	named := func(what, id string, details map[string]any) audit.TrailEntry {
		return audit.TrailEntry{What: what, Finding: id, Details: details}
	}
	due := func(at audit.Instant) map[string]any { return map[string]any{"due": at.String(), "notice": "N-1"} }
	b.night(at(10, 1), "", []audit.Finding{old})
	b.night(at(10, 31), "", []audit.Finding{open}, named("deadline set", open.ID, due(at(11, 20))), named("deadline set", old.ID, due(at(11, 25))))
	b.night(at(11, 1), "", []audit.Finding{mail, none})
	b.night(at(11, 2), "the file is cut short "+hostile, nil)
	watched := filed("retained-after-uninstall", "P10", "acme", "", audit.High)
	watched.Observed = true
	b.night(at(11, 3), "", []audit.Finding{drift, watched})
	b.does(mail.ID, audit.Deed{Kind: audit.DoSuppress, Reason: "agreed " + hostile, Until: at(12, 24)})
	b.does(none.ID, audit.Deed{Kind: audit.DoDismiss, Reason: "the gateway's own probe"})
	b.does(drift.ID, audit.Deed{Kind: audit.DoRecommend, Act: "warn"})
	b.does(drift.ID, audit.Deed{Kind: audit.DoDecide, Reason: "third time " + hostile})
	b.must(b.s.Record(t.Context(), audit.TrailEntry{At: b.clock, Who: "cli:ann@host", What: "accepted", Finding: drift.ID, Why: "as asked " + hostile, Details: map[string]any{"subject": drift.Subject, "from": "open", "to": "resolved"}}))
	b.night(at(11, 20), "", nil, named("overdue", open.ID, due(at(11, 20))))
	b.night(at(11, 24), "", nil, named("resolved", old.ID, nil), named("notice ended", old.ID, due(at(11, 25))))
	return b
}

// The numbers of a report are those of what happened, and stay so whatever happens later.
func TestReport(t *testing.T) {
	t.Parallel()
	b := market(t)
	got := b.report("2026-11", at(12, 3))
	if again := b.report("2026-11", at(12, 9)); again != got {
		t.Error("the same store and month give other bytes")
	}
	text := textOf(t, got)
	for _, want := range []string{
		"Audit of the Email API, November 2026", "Not counted here and below: 1 finding of checks that are observed only",
		"The last night is as of 2026-11-24. No night looked at what happened after it, up to the month's last day, 2026-11-30.",
		"1 open at the end 2 at the beginning", "3 filed 0 reopened", "2 resolved 0 withdrawn, 2 suppressed or dismissed", "1 deadline missed 1 kept, 0 still running", "5 of 30 days with a night",
		"P1 What P1 says.", "P2 1 1 0", "P6 0 1 1 0", "P11 0 1 1 0", "all 2 3 2 2 1 1", // at the beginning, filed, resolved, quieted, open at the end, critical
		"Vendor of birch", "calls by no app 1 0 1 1 0",
		"Oct 2026 2 0 2 1 0 1 0", "Nov 2026 3 4 1 1 0 0 0",
		"8 to 30 days ago 1 1 0 0 0",
		"1 was kept in this month", "1 was missed", "1 finding is open past its deadline", "P1 access-unapproved 2026-11-20 open",
		"suppressed cli:ann@host 2026-11-03 to 2026-12-24", "the gateway's own probe", "warn was recommended 2026-11-03 cli:ann@host third time",
		"2026-11-02 02:30 R-000004", "purpose-prohibited, access-unapproved the file is cut short", "2026-11-03 02:30 R-000005", "could not look at 1 source", "2026-11-15 the platform team they migrate",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, absent := range []string{"ui-exposure", "retained-after-uninstall", "still running.", "of September", "<script>", "\u202e", "\u0007", "\r", "\t", "\x1b"} {
		if strings.Contains(got, absent) {
			t.Errorf("it holds %q", absent)
		}
	}
	if n := strings.Count(text, "<script>alert(1)</script>\" onload=\"x\\u202egro.\\u0007</style>{{.Month}}\\u000d.\\u0009\\u001b[2J"); n < 10 {
		t.Errorf("hostile text is shown as text %d times", n)
	}
	// Its head is one of the trail, and what it proves is the month's.
	head := regexp.MustCompile(`mailreeve verify --head ([0-9a-f]{64})`).FindStringSubmatch(text)
	if head == nil {
		t.Fatal("no head")
	}
	seq, err := b.s.FindHead(t.Context(), head[1])
	if want := fmt.Sprintf("the head is entry %d,", seq); err != nil || !strings.Contains(text, want) {
		t.Errorf("%q, %v", want, err)
	}

	october := b.report("2026-10", at(12, 3))
	b.clock = at(12, 1)
	b.night(at(12, 1), "", []audit.Finding{filed("ui-exposure", "P8", "acme", "html", audit.Critical)})
	id := audit.FindingID("purpose-prohibited", "acme", hostile)
	b.does(id, audit.Deed{Kind: audit.DoReopen, Reason: "not any more"})
	if later := b.report("2026-11", at(12, 9)); later != got {
		t.Error("what happened in December changes November's report")
	}
	if later := b.report("2026-10", at(12, 9)); later != october {
		t.Error("what happened in December changes October's report")
	}
	if december := textOf(t, b.report("2026-12", at(12, 9))); !strings.Contains(december, "This month is still running.") || !strings.Contains(december, "all 1 1 1 3 3") || !strings.Contains(december, "ended 2026-12-01") {
		t.Errorf("December: %s", december)
	}
}

func TestMonthsWithoutNights(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	refused := func(month string, want report.NoNightsError, says string) {
		t.Helper()
		var w bytes.Buffer
		err := b.write(&w, month, at(12, 3))
		var none *report.NoNightsError
		if !errors.As(err, &none) || none.Began != want.Began || none.Last != want.Last || !strings.Contains(err.Error(), says) || w.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", month, err, w.Len())
		}
	}
	refused("2026-11", report.NoNightsError{Last: audit.Never}, "no night ever finished")
	b.night(at(11, 1), "", nil)
	refused("2026-10", report.NoNightsError{Last: at(11, 1)}, "no night is as of that month, and the last of all is as of 2026-11-01")
	b.clock = at(12, 1)
	lease, err := b.s.Lock(t.Context(), true)
	b.must(err)
	run := &audit.Run{AsOf: at(12, 1), ScheduledAt: audit.Never, StartedAt: b.clock}
	b.must(b.s.Night(lease).Begin(t.Context(), run))
	b.must(b.s.Fail(t.Context(), run, errors.New("the disk is full")))
	b.must(lease.Release())
	refused("2026-12", report.NoNightsError{Began: 1, Last: at(11, 1)}, "no night of December 2026 finished, of 1 that began")
	if quiet := textOf(t, b.report("2026-11", at(12, 3))); !strings.Contains(quiet, "Nothing was open, and nothing was filed.") || !strings.Contains(quiet, "None ran, and none came out") {
		t.Error(quiet)
	}
}

func TestMonths(t *testing.T) {
	t.Parallel()
	for s, name := range map[string]string{"2026-11": "November 2026", "2024-02": "February 2024", "2026-13": "", "2026-1": "", "November": "", "": "", "2026-11-01": "", "9999-01": "", "0001-01": ""} {
		m, err := report.ParseMonth(s)
		if (err == nil) != (name != "") || err == nil && (m.Name() != name || m.String() != s) {
			t.Errorf("%q: %v, %v", s, m, err)
		}
	}
}

// A report needs nothing else to be read: it loads nothing, and leads nowhere but into itself.
func TestAReportStandsAlone(t *testing.T) {
	t.Parallel()
	page := market(t).report("2026-11", at(12, 3))
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, pictures := map[string]bool{}, 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "link", "img", "iframe", "object", "embed", "form", "base":
			t.Errorf("it has a <%s>", n.Data)
		case "svg":
			pictures++
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("two of id %q", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case strings.HasPrefix(a.Key, "on"), a.Key == "src", a.Key == "href" && !strings.HasPrefix(a.Val, "#"), strings.Contains(a.Val, "url("):
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	if pictures != 5 {
		t.Errorf("%d charts", pictures)
	}
	if keep := os.Getenv("MAILREEVE_TEST_KEEP"); keep != "" {
		if err := os.WriteFile(filepath.Join(keep, "report.html"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// textOf is what of a page is read: words, one space between.
func textOf(t *testing.T, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			words = append(words, strings.Fields(strings.ReplaceAll(n.Data, "\u00ad", ""))...)
		}
	}
	return strings.Join(words, " ")
}
