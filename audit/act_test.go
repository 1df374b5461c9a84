package audit

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const actDay = Instant(24 * time.Hour)

// aDeed is a deed that lacks nothing.
func aDeed(kind DeedKind) Deed {
	at := 20000 * actDay
	return Deed{Kind: kind, By: "cli:dana@host", At: at, Reason: "because", Until: at + 30*actDay, Assignee: "dana", Act: "warn",
		Policy: DefaultPolicy(), AsOf: at - actDay, Nature: IsState}
}

// aFinding is a drift in a status, with a recommendation.
func aFinding(s Status) Finding {
	return Finding{ID: "F-1", Check: AcceptableCheck, App: "com.acme", Subject: "scope:WRITE", Status: s, Reason: "was so", Worsened: true,
		Occurrences: 1, Recommendation: &Recommendation{Act: "delist", ProposedBy: "night", DecidedAt: Never}}
}

// runningOn is the act that keeps a finding in its status.
func runningOn(s Status) []Act {
	a := Act{ID: 1, App: "com.acme", Finding: "F-1", At: 19990 * actDay, Until: 20010 * actDay, Ended: Never}
	switch s {
	case Suppressed:
		a.Kind = Suppress
	case FalsePositive:
		a.Kind = Dismiss
	default:
		return nil
	}
	return []Act{a}
}

// What each act makes of a finding in each status; empty where it is refused.
func TestEveryActInEveryStatus(t *testing.T) {
	now := func(open, acknowledged, inRemediation, resolved, suppressed, falsePositive Status) map[Status]Status {
		return map[Status]Status{Open: open, Acknowledged: acknowledged, InRemediation: inRemediation, Resolved: resolved, Suppressed: suppressed,
			FalsePositive: falsePositive}
	}
	const no = Status("")
	become := map[DeedKind]map[Status]Status{
		DoAcknowledge: now(Acknowledged, no, no, no, no, no),
		DoAssign:      now(Open, Acknowledged, InRemediation, no, no, no),
		DoComment:     now(Open, Acknowledged, InRemediation, Resolved, Suppressed, FalsePositive),
		DoRemediate:   now(InRemediation, InRemediation, no, no, no, no),
		DoResolve:     now(Resolved, Resolved, Resolved, no, Resolved, Resolved),
		DoReopen:      now(no, no, no, Open, Open, Open),
		DoSuppress:    now(Suppressed, Suppressed, Suppressed, no, Suppressed, no),
		DoDismiss:     now(FalsePositive, FalsePositive, FalsePositive, no, FalsePositive, no),
		DoAccept:      now(Resolved, Resolved, Resolved, no, Resolved, Resolved),
		DoRecommend:   now(Open, Acknowledged, InRemediation, Resolved, Suppressed, no),
		DoDecide:      now(Open, Acknowledged, InRemediation, Resolved, Suppressed, no),
	}
	ends := map[DeedKind]bool{DoReopen: true, DoSuppress: true, DoDismiss: true, DoAccept: true}
	for _, kind := range DeedKinds() {
		for _, status := range Statuses() {
			t.Run(string(kind)+" "+string(status), func(t *testing.T) {
				before, running := aFinding(status), runningOn(status)
				d := aDeed(kind)
				done, err := d.Do(before, running)
				want := become[kind][status]
				if want == no {
					var refused *RefusedError
					if !errors.As(err, &refused) || done != nil || refused.Why == "" {
						t.Fatalf("got %+v, %v; want it refused", done, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				f := done.Finding
				if f.Status != want || f.Worsened {
					t.Errorf("it is %s (worsened: %v), want %s, not worsened", f.Status, f.Worsened, want)
				}
				if len(done.Trail) != 1 {
					t.Fatalf("%d entries in the trail", len(done.Trail))
				}
				e := done.Trail[0]
				if e.Who != d.By || e.At != d.At || e.Finding != "F-1" || e.What == "" || e.Why != "because" {
					t.Errorf("the trail says %+v", e)
				}
				if status != want && (e.Details["from"] != string(status) || e.Details["to"] != string(want)) {
					t.Errorf("the trail says %v of the status", e.Details)
				}
				if ended := len(done.Ended) > 0; ended != (ends[kind] && len(running) > 0) {
					t.Errorf("ended acts: %+v", done.Ended)
				}
				for _, a := range done.Ended {
					if a.Ended != d.At || a.ID != 1 {
						t.Errorf("ended %+v", a)
					}
				}
				for i := range running {
					if running[i].Ended != Never {
						t.Error("an act that it was given was changed")
					}
				}
				if diff := cmp.Diff(aFinding(status), before); diff != "" {
					t.Errorf("the finding that it was given was changed:\n%s", diff)
				}
			})
		}
	}
}

func TestDeedsThatLackSomething(t *testing.T) {
	with := func(kind DeedKind, change func(*Deed)) Deed {
		d := aDeed(kind)
		d.Sites = NewIDs("a", "b")
		change(&d)
		return d
	}
	noRecommendation, decided, other, gone := aFinding(Open), aFinding(Open), aFinding(Open), aFinding(Resolved)
	noRecommendation.Recommendation = nil
	decided.Recommendation = &Recommendation{Act: "warn", DecidedBy: "dana", Decision: "none"}
	other.Check = "purpose-prohibited"
	gone.Occurrences = 0
	for _, c := range []struct {
		deed Deed
		f    Finding
		why  string
	}{
		{with(DoSuppress, func(d *Deed) { d.Reason = " " }), aFinding(Open), "needs a reason"},
		{with(DoSuppress, func(d *Deed) { d.Until = d.At }), aFinding(Open), "time to come"},
		{with(DoSuppress, func(d *Deed) { d.Until = d.At + 365*actDay + 1 }), aFinding(Open), "at most 365 days"},
		{with(DoSuppress, func(d *Deed) { d.Site = "c" }), aFinding(Open), `about no site "c"`},
		{with(DoSuppress, func(d *Deed) { d.Site = "a" }), aFinding(Suppressed), "for all sites"},
		{with(DoDismiss, func(d *Deed) { d.Reason = "" }), aFinding(Open), "needs a reason"},
		{with(DoComment, func(d *Deed) { d.Reason = "\n" }), aFinding(Open), "empty"},
		{with(DoAssign, func(d *Deed) { d.Assignee = "" }), aFinding(Open), "nobody already"},
		{with(DoAssign, func(d *Deed) { d.Assignee = strings.Repeat("ü", 201) }), aFinding(Open), "at most 200"},
		{with(DoRecommend, func(d *Deed) { d.Act = "sue" }), aFinding(Open), `"sue" is none of none, warn,`},
		{with(DoDecide, func(d *Deed) { d.Act = "sue" }), aFinding(Open), `"sue" is none of`},
		{with(DoDecide, func(*Deed) {}), noRecommendation, "nothing is recommended"},
		{with(DoDecide, func(*Deed) {}), decided, "decided it already"},
		{with(DoAccept, func(*Deed) {}), other, "only what feature-drift finds"},
		{with(DoReopen, func(*Deed) {}), gone, "nothing is left of it"},
		{with("delete", func(*Deed) {}), aFinding(Open), `nobody can "delete"`},
	} {
		if _, err := c.deed.Do(c.f, runningOn(c.f.Status)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: got %v, want one that says %q", c.deed.Kind, err, c.why)
		}
	}
	d := with(DoSuppress, func(d *Deed) { d.Until = d.At + 365*actDay })
	if _, err := d.Do(aFinding(Open), nil); err != nil {
		t.Errorf("365 days are refused: %v", err)
	}
}

func TestSuppressingSiteBySite(t *testing.T) {
	d := aDeed(DoSuppress)
	d.Sites = NewIDs("a", "b")
	d.Site = "a"
	first, err := d.Do(aFinding(Acknowledged), nil)
	if err != nil || first.Finding.Status != Acknowledged || len(first.Begun) != 1 || first.Begun[0].Site != "a" {
		t.Fatalf("the first site: %+v, %v", first, err)
	}
	d.Site = "b"
	second, err := d.Do(first.Finding, first.Begun)
	if err != nil || second.Finding.Status != Suppressed || len(second.Ended) != 0 {
		t.Fatalf("the second site: %+v, %v", second, err)
	}
	running := append(first.Begun, second.Begun...)
	again, err := d.Do(second.Finding, running)
	if err != nil || len(again.Ended) != 1 || again.Ended[0].Site != "b" {
		t.Fatalf("the second site again: %+v, %v", again, err)
	}
	taken := aDeed(DoReopen)
	taken.Sites, taken.Site = d.Sites, "a"
	if early, err := taken.Do(first.Finding, first.Begun); err != nil || early.Finding.Status != Acknowledged || len(early.Ended) != 1 || early.Trail[0].What != TrailSiteReopened || early.Trail[0].Details["site"] != "a" {
		t.Fatalf("the first site alone is taken back: %+v, %v", early, err)
	}
	early, err := taken.Do(second.Finding, running)
	if err != nil || early.Finding.Status != Open || len(early.Ended) != 1 || early.Ended[0].Site != "a" || early.Trail[0].What != TrailReopened || !early.Trail[0].Reopens() {
		t.Fatalf("one of both sites is taken back: %+v, %v", early, err)
	}
	taken.Site = "c"
	if _, err := taken.Do(second.Finding, running); err == nil || !strings.Contains(err.Error(), `not suppressed on site "c"`) {
		t.Errorf("a site that nobody suppressed: %v", err)
	}
	gone := taken
	gone.Site, gone.Sites = "b", NewIDs("a")
	if left, err := gone.Do(second.Finding, running); err != nil || left.Finding.Status != Suppressed {
		t.Errorf("a site that late facts took away: %+v, %v", left, err)
	}
	d.Site = ""
	all, err := d.Do(second.Finding, running)
	if err != nil || all.Finding.Status != Suppressed || len(all.Ended) != 2 {
		t.Fatalf("all sites: %+v, %v", all, err)
	}
	taken.Site = "a"
	if _, err := taken.Do(all.Finding, all.Begun); err == nil || !strings.Contains(err.Error(), "for all sites") {
		t.Errorf("one site of a suppression of all: %v", err)
	}
}

func TestDeciding(t *testing.T) {
	d := aDeed(DoDecide)
	d.Act = ""
	done, err := d.Do(aFinding(Open), nil)
	want := &Recommendation{Act: "delist", ProposedBy: "night", DecidedBy: d.By, DecidedAt: d.At, Decision: "delist"}
	if diff := cmp.Diff(want, done.Finding.Recommendation); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestAccepting(t *testing.T) {
	approvals := []Approval{
		{RequestID: "REQ-1", Status: Approved, Decided: 10 * actDay, Revoked: Never, Snapshot: Features{Scopes: []string{"READ"}}},
		{RequestID: "REQ-2", Status: Approved, Decided: 20 * actDay, Revoked: Never, Snapshot: Features{Scopes: []string{"READ"}}},
		{RequestID: "REQ-3", Status: Approved, Decided: 20000 * actDay, Revoked: Never}, // not yet in force at as-of
	}
	done, err := aDeed(DoAccept).Do(aFinding(Open), nil)
	if err != nil || !done.Judge {
		t.Fatalf("%+v, %v", done, err)
	}
	after, err := done.Approvals(approvals)
	if err != nil || after[0].Accepted != nil || len(after[1].Accepted) != 1 || after[2].Accepted != nil || approvals[1].Accepted != nil {
		t.Fatalf("%+v, %v", after, err)
	}
	want := Features{Scopes: []string{"READ", "WRITE"}}
	if diff := cmp.Diff(want, after[1].Known()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Features{Scopes: []string{"READ"}}, after[1].Snapshot); diff != "" {
		t.Error(diff)
	}

	// A newer line of the registry knows nothing of it; an approval that it drops takes it along.
	merged := mergeApprovals(after, approvals, 20001*actDay)
	if len(merged) != 3 || len(merged[1].Accepted) != 1 {
		t.Errorf("after a newer line: %+v", merged)
	}
	merged = mergeApprovals(after, approvals[:1], 20001*actDay)
	if len(merged) != 3 || merged[0].RequestID != "REQ-2" || len(merged[0].Accepted) != 1 || merged[0].Dropped == 0 {
		t.Errorf("after a line that drops it: %+v", merged)
	}

	reopened, err := aDeed(DoReopen).Do(aFinding(Resolved), nil)
	if err != nil || !reopened.Judge {
		t.Fatalf("%+v, %v", reopened, err)
	}
	back, err := reopened.Approvals(after)
	if diff := cmp.Diff(approvals, back); err != nil || diff != "" {
		t.Errorf("taken back: %v\n%s", err, diff)
	}

	var refused *RefusedError
	if _, err := done.Approvals(approvals[2:]); !errors.As(err, &refused) {
		t.Errorf("without an approval in force: %v", err)
	}
}

// Approvals of one request id, or of none, keep their names when the registry drops one of them: the same line again changes nothing.
func TestDroppedApprovalsTakeNoNames(t *testing.T) {
	two := []Approval{{Status: Approved, Decided: 1, Revoked: Never}, {Status: Approved, Decided: 2, Revoked: Never}}
	one := mergeApprovals(two, two[:1], 100)
	if again := mergeApprovals(one, two[:1], 200); !sameJSON(one, again) {
		t.Errorf("the same line again makes %+v of %+v", again, one)
	}
}
