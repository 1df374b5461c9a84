package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// What nights could not look at stands once for as long as the reason is the same, with the night that looked again.
func TestWhatCouldNotBeLookedAt(t *testing.T) {
	t.Parallel()
	m, err := ParseMonth("2026-11")
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{month: m}
	whys := []string{"", "late", "late", "cut", "", "late", "late"} // of the access log, night by night; none on the fourth of the month
	for i, why := range whys {
		at := start + audit.Instant(i)*day
		if i >= 3 {
			at += day
		}
		checks := []audit.CheckResult{{ID: "a", Looked: why == "", Why: why}, {ID: "never", Why: "not configured"}, {ID: "b", Looked: why == "", Why: why}}
		b.Runs = append(b.Runs, audit.Run{ID: fmt.Sprint("R-", i+1), AsOf: at, Summary: audit.RunSummary{Checks: checks,
			Sources: []audit.SourceResult{{Kind: audit.KindAccess, Path: "access.jsonl", Looked: why == "", Trouble: why}}}})
	}
	b.coverage()
	var got []string
	for _, r := range b.Blind {
		again := "-"
		if r.Again != nil {
			again = r.Again.ID
		}
		got = append(got, fmt.Sprintf("%s-%s %d %s %s: %s, then %s", r.From.ID, r.To.ID, r.Nights, r.What, strings.Join(r.Names, "+"), r.Why, again))
	}
	want := []string{
		"R-1-R-7 7 check never: not configured, then -",
		"R-2-R-3 2 source access: late, then R-5", "R-2-R-3 2 check a+b: late, then R-5",
		"R-4-R-4 1 source access: cut, then R-5", "R-4-R-4 1 check a+b: cut, then R-5",
		"R-6-R-7 2 source access: late, then -", "R-6-R-7 2 check a+b: late, then -",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if row := b.Matrix[0]; row.Name != "access" || strings.Join(row.Days[:10], ",") != "yes,no,no,,no,yes,no,no,," || row.share != (share{2, 7}) {
		t.Errorf("%+v", row)
	}
	if b.Looked != (share{4, 21}) || b.Looked.Percent() != "19%" {
		t.Errorf("%+v", b.Looked)
	}
}

// However many deadlines pass, the worst are named and the others counted.
func TestTheWorstMissedDeadlinesAreNamed(t *testing.T) {
	t.Parallel()
	b := &builder{}
	const n = 5*missedShown + 7
	for i := range n {
		b.missed(missedRow{Finding: fmt.Sprintf("F-%05d", i), Severity: audit.Severities()[3-i%4], Due: start + audit.Instant(i)})
		if len(b.Missed) > 2*missedShown {
			t.Fatalf("%d are held", len(b.Missed))
		}
	}
	b.worst()
	if len(b.Missed) != missedShown || b.Unlisted != n-missedShown || !slices.IsSortedFunc(b.Missed, compareMissed) {
		t.Errorf("%d named, %d not", len(b.Missed), b.Unlisted)
	}
	for i, r := range b.Missed {
		if want := fmt.Sprintf("F-%05d", 4*i+3); r.Finding != want {
			t.Fatalf("the one of place %d is %s, not %s", i, r.Finding, want)
		}
	}
}
