package console_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/console"
)

func TestPagesOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	x := b.loggedIn("vera", console.Viewer)
	for path, want := range map[string]string{"/apps": "No apps yet", "/runs": "No runs yet", "/quarantine": "Nothing is in quarantine", "/checks": "purpose-prohibited",
		"/suppressions": "Nothing is suppressed", "/suppressions?quiet=yes": "Each matched something", "/trail": "Nothing was done yet", "/settings": "store: sqlite:s.db"} {
		x.says(path, want)
	}
	for _, path := range []string{"/runs/R-000009", "/apps/com.nobody"} {
		if status, _, _ := x.get(path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, path := range []string{"/runs?before=x", "/trail?before=0", "/quarantine?from=-2"} {
		if status, _, _ := x.get(path); status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	b.night(finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical))
	x := b.loggedIn("vera", console.Viewer)
	x.says("/runs", "R-000001", "finished", "by hand", "1m0s", "1,200", "could not look at 1 source")
	x.says("/runs/r-000001", "logs/*.jsonl", "1,200", "could not look it is missing", "report-overdue could not look reports could not be looked at", "1 source, 1 check")
	for range 50 {
		b.night()
	}
	if page := x.says("/runs", "R-000051", "Next page"); strings.Contains(page, "R-000001") {
		t.Error("the first page shows the oldest run")
	}
	x.says("/runs?before=2", "R-000001", "First page")
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	run := b.night()
	var lines []audit.Quarantined
	for i := range 60 {
		lines = append(lines, audit.Quarantined{File: 1, Line: uint64(i + 1), Reason: "it is no JSON", Text: fmt.Sprintf("%s %d", hostile, i)})
	}
	if run != "R-000001" {
		t.Fatal(run)
	}
	must(t, b.store.StageQuarantine(t.Context(), 1, lines))
	x := b.loggedIn("vera", console.Viewer)
	page := x.says("/quarantine", "60 lines", ":1", "it is no JSON", "Next page", "mailreeve quarantine retry")
	if strings.Contains(page, "<script>alert") {
		t.Error("a line is not escaped")
	}
	if page := x.says("/quarantine?from=50", ":60", "First page"); strings.Contains(page, "Next page") {
		t.Error("there is a page after the last")
	}
	x.says("/quarantine?kind=reports", "None of these")
	if strings.Contains(page, `id="retry"`) {
		t.Error("a viewer is offered to have it read again")
	}
	rita := b.loggedIn("rita", console.Reviewer)
	rita.says("/quarantine", "Read the file again")
	if _, page, _ := rita.post("/quarantine", nil); !strings.Contains(text(page), "The files are read again") || !strings.Contains(text(page), "being read again, since") || strings.Contains(page, `id="retry"`) {
		t.Errorf("to have it read again says %s", text(page))
	}
	if _, page, _ := rita.post("/quarantine", nil); !strings.Contains(text(page), "That is under way already.") {
		t.Errorf("to want it twice says %s", text(page))
	}
	b.retrier.End(start, "R-000002: 9 of 60 lines in 1 file are good now; 51 remain in quarantine.", false)
	rita.says("/quarantine", "R-000002: 9 of 60 lines", "by rita", "Read the file again")
	rita.post("/quarantine", nil)
	b.retrier.End(start, "the disk is full", true)
	rita.says("/quarantine", "They were not read again", "the disk is full")
}

func TestChecksSayHowPreciseTheyAre(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	var list []audit.Finding
	for i := range 5 {
		list = append(list, finding("purpose-prohibited", fmt.Sprintf("com.vendor%d.app", i), "marketing", audit.High))
	}
	b.night(list...)
	x := b.loggedIn("vera", console.Viewer)
	x.says("/checks", "5 5 0 0 –")
	b.post(list[0].ID, audit.DoDismiss, "no harm")
	for _, f := range list[1:4] {
		b.post(f.ID, audit.DoAcknowledge, "")
	}
	x.says("/checks", "4 5 4 1 75 %")
}

func TestSuppressionsThatMatchNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	old, fresh := finding("purpose-prohibited", "com.old.app", "marketing", audit.High), finding("purpose-prohibited", "com.fresh.app", "marketing", audit.High)
	b.night(old, fresh)
	until := audit.At(b.clock()).Add(200 * day)
	for _, id := range []string{old.ID, fresh.ID} {
		must(t, b.deeds().Do(t.Context(), audit.Deed{Kind: audit.DoSuppress, By: "console:9 (bob)", At: audit.At(b.clock()), Reason: "pilot", Until: until}, id))
	}
	x := b.loggedIn("vera", console.Viewer)
	if page := x.says("/suppressions", old.ID, fresh.ID, "pilot", "bob", "in 6 months"); strings.Contains(page, `class="tag"`) {
		t.Error("a new suppression counts as one that matched nothing")
	}
	b.wait(100 * day)
	fresh.LastSeen = audit.At(b.clock()).Add(-day)
	b.night(fresh)
	x = b.loggedIn("vera2", console.Viewer)
	if page := x.says("/suppressions?quiet=yes", old.ID, "nothing for 90 days"); strings.Contains(page, fresh.ID) {
		t.Error("one that matched yesterday counts as quiet")
	}
	b.wait(101 * day)
	x = b.loggedIn("vera3", console.Viewer)
	x.says("/suppressions", "Nothing is suppressed")
}

// What is suppressed on one site is ended there alone: at once, from the list, and from the finding.
func TestASuppressionOfASiteEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.High)
	b.night(f)
	rita, vera := b.loggedIn("rita", console.Reviewer), b.loggedIn("vera", console.Viewer)
	until := b.clock().AddDate(0, 1, 0).Format(time.DateOnly)
	suppress := func() string {
		t.Helper()
		_, page, _ := rita.post("/findings/"+f.ID, url.Values{"do": {"suppress"}, "site": {"site-a"}, "reason": {"pilot"}, "until": {until}})
		return page
	}
	end := url.Values{"do": {"reopen"}, "site": {"site-a"}, "id": {f.ID}, "back": {"/suppressions"}}
	if page := suppress(); !strings.Contains(text(page), "Undo: end it on this site") || !strings.Contains(page, `<input type="hidden" name="site" value="site-a">`) {
		t.Errorf("it cannot be undone: %s", text(page))
	}
	if page := rita.says("/suppressions", "only on site site-a", "End it there"); !strings.Contains(page, `aria-label="End it there: `+f.ID+` on site site-a"`) {
		t.Errorf("the button does not say what it ends: %s", page)
	}
	for _, path := range []string{"/suppressions", "/findings/" + f.ID} {
		if page := vera.says(path, "site-a"); strings.Contains(page, "End it there") {
			t.Errorf("%s: a viewer is offered to end it", path)
		}
	}
	if _, page, at := rita.post("/findings", end); at != "/suppressions" || !strings.Contains(text(page), f.ID+": no longer suppressed on site site-a.") || !strings.Contains(page, "Nothing is suppressed") {
		t.Errorf("to end it leads to %s: %s", at, text(page))
	}
	if _, page, _ := rita.post("/findings", end); !strings.Contains(text(page), "it is not suppressed on site") {
		t.Errorf("to end it twice says %s", text(page))
	}
	suppress()
	rita.says("/findings/"+f.ID, "End it there")
	if _, page, _ := rita.post("/findings/"+f.ID, end); strings.Contains(page, "End it there") || !strings.Contains(text(page), "ended now") {
		t.Errorf("the finding's page: %s", text(page))
	}
}

func TestTheTrail(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	var list []audit.Finding
	for i := range 60 {
		list = append(list, finding("purpose-prohibited", fmt.Sprintf("com.vendor%d.app", i), "marketing", audit.High))
	}
	b.night(list...)
	b.wait(time.Hour)
	b.post(list[7].ID, audit.DoAcknowledge, "seen")
	x := b.loggedIn("vera", console.Viewer)
	page := x.says("/trail", "61", "bob", "acknowledged", "seen", "Next page")
	if last, first := strings.Index(page, "acknowledged</a>"), strings.Index(page, "filed</a>"); last < 0 || last > first {
		t.Error("the newest is not the first")
	}
	if page := x.says("/trail?who="+url.QueryEscape("console:9 (bob)"), "acknowledged"); strings.Contains(page, "filed</a>") {
		t.Error("bob's entries have the night's among them")
	}
	if page := x.says("/trail?what=filed&before=20", "First page"); strings.Contains(page, "acknowledged</a>") || strings.Contains(page, "Next page") {
		t.Error("what was filed first has more among it")
	}
	x.says("/trail?finding="+list[7].ID, "acknowledged", "filed")
	x.says("/trail?who=nobody", "No entry is so")
}
