package console_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/console"
)

// says fails where a page does not answer, or lacks one of the texts.
func (x *browser) says(path string, want ...string) string {
	x.t.Helper()
	status, page, _ := x.get(path)
	if status != 200 {
		x.t.Errorf("%s: %d", path, status)
	}
	said := text(page)
	for _, w := range want {
		if !strings.Contains(said, w) {
			x.t.Errorf("%s does not say %q: %s", path, w, said)
		}
	}
	return page
}

func TestAppsAreRanked(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	x := b.loggedIn("vera", console.Viewer)
	x.says("/apps", "No apps yet")
	b.night(finding("purpose-prohibited", "com.low.app", "marketing", audit.Low), finding("purpose-prohibited", "com.worst.app", "marketing", audit.Critical))
	page := x.says("/apps", "2 apps", "App app", "not approved")
	if worst, low := strings.Index(page, "/apps/com.worst.app"), strings.Index(page, "/apps/com.low.app"); worst < 0 || worst > low {
		t.Errorf("the worst is at %d, the other at %d", worst, low)
	}
	if page := x.says("/apps?q=acme+LOW", "1 app"); strings.Contains(page, "com.worst.app") {
		t.Error("the search for low shows worst")
	}
	x.says("/apps?q=nowhere", "No app has these words")
	// What a person does changes the ranking, although no run came.
	b.post(audit.FindingID("purpose-prohibited", "com.worst.app", "marketing"), audit.DoDismiss, "no harm")
	page = x.says("/apps")
	if worst, low := strings.Index(page, "/apps/com.worst.app"), strings.Index(page, "/apps/com.low.app"); worst < low {
		t.Errorf("a dismissed finding still counts: worst at %d, low at %d", worst, low)
	}
	if status, _, _ := x.get("/apps?from=-1"); status != 400 {
		t.Errorf("a page from -1: %d", status)
	}
}

func TestAnApp(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	drift := finding(audit.AcceptableCheck, "com.acme.mailer", "scope:read:email", audit.Medium)
	drift.Title = "A scope is new"
	b.night(f, drift)
	viewer := b.loggedIn("vera", console.Viewer)
	page := viewer.says("/apps/com.acme.mailer", "App mailer", "+ scope:read:email", "purpose-prohibited", "open findings", "Occurrences of findings a day", "No calls are kept", "Nobody ever asked for one")
	if strings.Contains(page, `value="accept"`) {
		t.Error("a viewer is offered to accept")
	}
	reviewer := b.loggedIn("rita", console.Reviewer)
	if page := reviewer.says("/apps/com.acme.mailer"); !strings.Contains(page, `value="accept"`) {
		t.Error("a reviewer is not offered to accept")
	}
	if _, page, at := reviewer.post("/findings", url.Values{"id": {drift.ID}, "do": {"accept"}, "back": {"/apps/com.acme.mailer"}}); at != "/apps/com.acme.mailer" || !strings.Contains(text(page), drift.ID) {
		t.Errorf("to accept leads to %s: %s", at, text(page))
	}
	if status, _, _ := viewer.get("/apps/com.nobody"); status != 404 {
		t.Errorf("an app that is not there: %d", status)
	}
}

// What the registry approves is drawn over time, as is what the archive holds of calls.
func TestAnAppsApprovalsAndCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	const key = "com.acme.mailer"
	drift := finding(audit.AcceptableCheck, key, "scope:read:email", audit.Medium)
	b.night(drift)
	b.wait(day)
	today := audit.At(b.clock()).Day()
	b.publish(audit.AppUpdate{Key: key, StatesAt: audit.Never, SetApprovals: true, Approvals: []audit.Approval{
		{RequestID: "REQ-1", Status: audit.Withdrawn, Decided: start.Add(-400 * day), Revoked: start.Add(-100 * day)},
		{RequestID: "REQ-2", Status: audit.Approved, Decided: start.Add(-50 * day), Revoked: audit.Never, Purposes: []string{"user-sync"}},
		{RequestID: "REQ-3", Status: audit.Pending, Decided: audit.Never, Revoked: audit.Never}},
		Packs: []audit.Pack{{App: key, Day: today - 3, Kind: audit.CallPack, Segment: "s", Length: 1, Records: 1234}}})
	x := b.loggedIn("rita", console.Reviewer)
	page := x.says("/apps/"+key, "REQ-1", "REQ-2", "user-sync", "Calls a day", "1,234 calls")
	if strings.Count(page, `class="span-over"`) != 1 || strings.Count(page, `class="span-in-force"`) != 1 {
		t.Errorf("two approvals, of which one is over, are drawn as %s", page)
	}
	x.says("/apps", "51 d ago")
	if _, page, _ := x.post("/findings", url.Values{"id": {drift.ID}, "do": {"accept"}, "back": {"/apps/" + key}}); !strings.Contains(text(page), "accepted into the approval") {
		t.Errorf("to accept says %s", text(page))
	}
	if page := x.says("/apps/"+key, "scope:read:email"); strings.Contains(page, "<ins>") {
		t.Error("what was accepted still counts as drift")
	}
}
