package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// publish is a night that publishes apps.
func publish(t *testing.T, s *store.Store, baseline bool, apps ...audit.AppUpdate) *audit.Run {
	t.Helper()
	l, err := s.Lock(t.Context(), true)
	must(t, err)
	defer func() { must(t, l.Release()) }()
	n := s.Night(l)
	run := byHand()
	must(t, n.Begin(t.Context(), run))
	run.Baseline = baseline
	for i := range apps {
		if _, _, err := n.FindingsOf(t.Context(), apps[i].Key); err != nil {
			t.Fatal(err)
		}
		for j := range apps[i].Findings {
			if f := &apps[i].Findings[j]; f.FirstRun == "" {
				f.FirstRun = run.ID
			}
		}
	}
	must(t, n.Publish(t.Context(), finish(run, apps...)))
	return run
}

func TestNoticesAreKept(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		f := finding("a"+hostileJSON(), "purpose-prohibited", "marketing")
		publish(t, s, false, audit.AppUpdate{Key: f.App, StatesAt: audit.Never, Findings: []audit.Finding{f}})
		key := audit.FindingRef{App: f.App, Finding: f.ID}

		n := audit.Draft("v"+hostileJSON(), hostileJSON(), audit.FirstNotice, "R-000001", t0)
		n, trail := n.Revise([]audit.FindingRef{key}, []string{"privacy@acme.example"}, []byte(`{"id":"x"}`), t0)
		m := audit.Matter{FindingRef: key, Vendor: n.Vendor, Notice: n.ID, Notified: t0, Due: t0 + 9, Answer: audit.NoAnswer, ClaimedAt: audit.Never,
			DisputedAt: audit.Never, StoppedAt: audit.Never, SecondAt: audit.Never, ClosedAt: audit.Never, Rounds: []audit.Instant{1, 2}, Stopped: time.Hour}
		change := store.NoticesChanged{Notices: []audit.Notice{n}, Matters: []audit.Matter{m}, Trail: trail, Open: n.About,
			Findings: []store.FindingNotice{{FindingRef: key, NotifiedAt: t0, DueAt: t0 + 9, Recommend: &audit.Recommendation{Act: "warn", ProposedBy: "night", ProposedAt: t0}}},
			Messages: []audit.Message{{Key: "notice " + n.ID, Sink: "email", Lane: "l", Body: []byte(`{}`), Created: t0, NextAt: t0}}}
		must(t, s.ChangeNotices(ctx, change))
		n.Version, m.Version = 1, 1
		got, err := s.Notice(ctx, n.ID[2:8])
		must(t, err)
		same(t, "notice", *got, n)
		matters, err := s.Matters(ctx, true)
		must(t, err)
		same(t, "matters", matters, []audit.Matter{m})
		now, err := s.Finding(ctx, f.ID)
		must(t, err)
		if now.NotifiedAt != t0 || now.DueAt != t0+9 || now.Recommendation.Act != "warn" {
			t.Errorf("%+v", now)
		}
		_, err = s.Notice(ctx, "zz")
		is(t, err, store.ErrNotFound)

		// All or nothing, and only on what was read.
		change.Trail = []audit.TrailEntry{entry("late", f.ID)}
		change.Messages[0].Key = "late"
		for name, c := range map[string]store.NoticesChanged{
			"new, and there already": {Notices: []audit.Notice{n0(n)}, Trail: change.Trail, Messages: change.Messages},
			"changed meanwhile":      {Messages: change.Messages, Trail: change.Trail, Notices: []audit.Notice{n}, Matters: []audit.Matter{{FindingRef: key, Version: 9}}},
			"a finding that is gone": {Messages: change.Messages, Trail: change.Trail, Open: []audit.FindingRef{{App: f.App, Finding: "F-GONE"}}},
		} {
			if err := s.ChangeNotices(ctx, c); !errors.Is(err, audit.ErrChanged) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, s.Change(ctx, f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
			f.Status = audit.Resolved
			return store.Changed{Finding: *f}, nil
		}))
		is(t, s.ChangeNotices(ctx, store.NoticesChanged{Open: n.About, Trail: change.Trail, Messages: change.Messages}), audit.ErrChanged)
		if late, err := s.Trail(ctx, store.TrailFilter{What: "late"}); err != nil || len(late) != 0 {
			t.Errorf("%v, %v", late, err)
		}

		list, err := s.Messages(ctx)
		must(t, err)
		if len(list) != 1 {
			t.Fatalf("%d messages", len(list))
		}
		sent, err := s.Sent(ctx, []string{"notice " + n.ID, "other"})
		must(t, err)
		same(t, "what is not sent yet", len(sent), 0)
		claim, err := s.Take(ctx, "email", "l", "test", t0, t0+1)
		must(t, err)
		must(t, s.Delivered(ctx, claim, "ok", t0+5, t0+5))
		if sent, err = s.Sent(ctx, []string{"notice " + n.ID}); err != nil || sent["notice "+n.ID].SentAt != t0+5 {
			t.Errorf("%v, %v", sent, err)
		}
		m.ClosedAt = t0
		n.Delivery = audit.NoticeWithdrawn
		must(t, s.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{n}, Matters: []audit.Matter{m}}))
		if matters, err := s.Matters(ctx, true); err != nil || len(matters) != 0 {
			t.Errorf("%v, %v", matters, err)
		}
		waiting, err := s.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}, Vendors: []string{n.Vendor}})
		must(t, err)
		gone, err := s.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeWithdrawn}, Vendors: []string{n.Vendor}})
		must(t, err)
		if len(waiting) != 0 || len(gone) != 1 {
			t.Errorf("%d drafted, %d withdrawn", len(waiting), len(gone))
		}
		if n, _, err := s.Verify(ctx); err != nil || n != len(trail) {
			t.Errorf("%d entries, %v", n, err)
		}
	})
}

func n0(n audit.Notice) audit.Notice {
	n.Version = 0
	return n
}

func TestWhatNightsFiledIsCounted(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		of := func(app string, severity audit.Severity) audit.AppUpdate {
			f := finding(app, "purpose-prohibited", "marketing")
			f.FirstRun, f.Severity = "", severity
			return audit.AppUpdate{Key: app, StatesAt: audit.Never, Findings: []audit.Finding{f}}
		}
		first := publish(t, s, true, of("a", audit.Critical), of("b", audit.High), of("c", audit.Medium))
		second := publish(t, s, false, of("d", audit.High))
		e := audit.TrailEntry{At: t0, Who: "cli:a@b", What: "notices released", Why: "looked"}
		must(t, s.Release(ctx, second.ID, e))
		must(t, s.Release(ctx, second.ID, e)) // changes nothing
		got, err := s.NightCounts(ctx)
		must(t, err)
		same(t, "nights", got, []audit.NightCount{{Run: first.ID, AsOf: first.AsOf, Baseline: true, Severe: 2}, {Run: second.ID, AsOf: second.AsOf, Severe: 1, Released: true}})

		// Once they are judged, neither what is kept nor another verdict changes that.
		judged := []audit.NightCount{{Run: first.ID, AsOf: first.AsOf, Baseline: true, Severe: 2, Verdict: &audit.Verdict{}},
			{Run: second.ID, AsOf: second.AsOf, Severe: 1, Released: true, Verdict: &audit.Verdict{Limit: 7, Abnormal: true}}}
		for _, also := range []audit.NightCount{{Run: second.ID, Severe: 9, Verdict: &audit.Verdict{Limit: 1}}, {Run: first.ID, Severe: 9, Verdict: &audit.Verdict{Abnormal: true}}} {
			l := lock(t, s)
			p := finish(begin(t, s, l))
			p.Judged = append(slices.Clone(judged), also, audit.NightCount{Run: p.Run.ID, Severe: 3, Verdict: &audit.Verdict{Limit: 4}})
			must(t, s.Night(l).Publish(ctx, p))
			must(t, l.Release())
			if got, err = s.NightCounts(ctx); err != nil {
				t.Fatal(err)
			}
			same(t, "judged", got[:2], judged)
			same(t, "the run's own", got[len(got)-1], audit.NightCount{Run: p.Run.ID, AsOf: p.Run.AsOf, Severe: 3, Verdict: &audit.Verdict{Limit: 4}})
		}
		if list, err := s.Trail(ctx, store.TrailFilter{What: "notices released"}); err != nil || len(list) != 1 {
			t.Errorf("%d entries, %v", len(list), err)
		}
	})
}

// Only what nights opened again counts, and as of the night that did.
func TestWhatNightsReopened(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		const day = audit.Instant(24 * time.Hour)
		night := func(asOf audit.Instant, entries ...audit.TrailEntry) {
			l := lock(t, s)
			p := finish(begin(t, s, l), audit.AppUpdate{Key: "a", StatesAt: audit.Never, Trail: entries})
			p.Run.AsOf = asOf
			must(t, s.Night(l).Publish(ctx, p))
			must(t, l.Release())
		}
		by := func(who, what, finding string) audit.TrailEntry {
			return audit.TrailEntry{At: t0, Who: who, What: what, Finding: finding}
		}
		night(t0, by(audit.ByNight, audit.TrailReopened, "F-OLD"), by(audit.ByNight, audit.TrailReopened, "F-TWICE"))
		night(t0+day, by(audit.ByNight, audit.TrailReopened, "F-1"), by(audit.ByNight, "filed", "F-NEW"), by(audit.ByNight, audit.TrailReopened, "F-TWICE"))
		must(t, s.Record(ctx, by("cli:a@b", audit.TrailReopened, "F-PERSON")))
		night(t0+2*day, by(audit.ByNight, audit.TrailWorsened, "F-2"), by(audit.ByNight, audit.TrailReopened, "F-TWICE"))
		for since, want := range map[audit.Instant]map[string]audit.Instant{
			t0 - 1:       {"F-OLD": t0, "F-1": t0 + day, "F-2": t0 + 2*day, "F-TWICE": t0 + 2*day},
			t0:           {"F-1": t0 + day, "F-2": t0 + 2*day, "F-TWICE": t0 + 2*day},
			t0 + day:     {"F-2": t0 + 2*day, "F-TWICE": t0 + 2*day},
			t0 + 2*day:   {},
			t0 + day - 1: {"F-1": t0 + day, "F-2": t0 + 2*day, "F-TWICE": t0 + 2*day},
		} {
			got, err := s.Reopened(ctx, since)
			must(t, err)
			same(t, "reopened since "+since.String(), got, want)
		}
	})
}

func TestSinceWhenARequestWaits(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		pending := audit.Approval{RequestID: "REQ-1" + hostileJSON(), Status: audit.Pending, Decided: audit.Never, Revoked: audit.Never}
		app := &audit.App{Key: "a", Vendor: audit.Vendor{ID: "v", Email: "privacy@acme.example"}}
		update := audit.AppUpdate{Key: "a", StatesAt: audit.Never, Version: &audit.AppVersion{From: audit.Ever, App: app}, SetApprovals: true, Approvals: []audit.Approval{pending}}
		publish(t, s, true, update)
		must(t, s.NoteRequests(ctx, t0))
		must(t, s.NoteRequests(ctx, t0+5))
		got, err := s.Registrants(ctx, []string{"a", "nobody"})
		must(t, err)
		same(t, "registry", got, map[string]store.Registrant{"a": {App: app, Waiting: t0}})
		pending.Status, pending.Decided = audit.Rejected, t0
		update.Approvals, update.Version = []audit.Approval{pending}, nil
		publish(t, s, false, update)
		if got, err = s.Registrants(ctx, []string{"a"}); err != nil || got["a"].Waiting != audit.Never {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestWhoCommented(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		by := func(who, what, finding string) audit.TrailEntry {
			return audit.TrailEntry{At: t0, Who: who, What: what, Finding: finding, Why: "x"}
		}
		must(t, s.Record(t.Context(), by("cli:a@b", "commented", "F-1"), by("night", "commented", "F-2"), by("cli:a@b", "acknowledged", "F-3")))
		got, err := s.Commented(t.Context(), []string{"F-1", "F-2", "F-3"})
		must(t, err)
		same(t, "commented", got, map[string]bool{"F-1": true})
	})
}

// From one notice that waits to be approved to the next, the one that waits the longest first, and round.
func TestTheNextDraft(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		var drafts []audit.Notice
		for i, vendor := range []string{"c", "a", "b"} {
			n := audit.Draft(vendor, "Vendor "+vendor, audit.FirstNotice, "R-000001", t0+audit.Instant(i))
			n, _ = n.Revise([]audit.FindingRef{{App: "app", Finding: "F-" + vendor}}, []string{"privacy@acme.example"}, []byte(`{}`), n.Created)
			drafts = append(drafts, n)
		}
		sent := audit.Draft("d", "Vendor d", audit.FirstNotice, "R-000001", t0)
		sent, _ = sent.Revise([]audit.FindingRef{{App: "app", Finding: "F-d"}}, []string{"privacy@acme.example"}, []byte(`{}`), t0)
		sent.Delivery = audit.NoticeApproved
		must(t, s.ChangeNotices(t.Context(), store.NoticesChanged{Notices: append(drafts, sent)}))
		for i := range drafts {
			next, err := s.NextDraft(t.Context(), &drafts[i])
			must(t, err)
			if want := drafts[(i+1)%3]; next.ID != want.ID || next.Vendor != want.Vendor || next.VendorName != want.VendorName {
				t.Errorf("after %s comes %+v", drafts[i].VendorName, next)
			}
		}
		if next, err := s.NextDraft(t.Context(), &sent); err != nil || !strings.HasPrefix(next.VendorName, "Vendor ") {
			t.Errorf("after one that is approved comes %+v, %v", next, err)
		}
	})
}

// What is counted and looked up for tasks.
func TestWhatTasksAreAbout(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		told, untold, possible := finding("com.a", "purpose-prohibited", "marketing"), finding("com.b", "purpose-prohibited", "marketing"), finding("com.c", "purpose-prohibited", "marketing")
		possible.Confidence = audit.Possible
		var apps []audit.AppUpdate
		for _, f := range []audit.Finding{told, untold, possible} {
			apps = append(apps, audit.AppUpdate{Key: f.App, StatesAt: audit.Never, Findings: []audit.Finding{f}})
		}
		run := publish(t, s, true, apps...)
		m := audit.Matter{FindingRef: audit.FindingRef{App: told.App, Finding: told.ID}, Vendor: "v", Notice: "N-1", Notified: t0, Due: t0, Answer: audit.NoAnswer, ClaimedAt: audit.Never,
			DisputedAt: audit.Never, StoppedAt: audit.Never, SecondAt: audit.Never, ClosedAt: audit.Never}
		must(t, s.ChangeNotices(t.Context(), store.NoticesChanged{Matters: []audit.Matter{m}}))
		n, err := s.CountUntold(t.Context(), run.ID)
		must(t, err)
		same(t, "findings that nobody was told of", n, 1)
		must(t, s.Record(t.Context(), entry("recommended", told.ID), entry("recommended", told.ID), entry("renamed", untold.ID), entry("commented", possible.ID)))
		ids, err := s.EverRecommended(t.Context())
		must(t, err)
		slices.Sort(ids)
		want := []string{told.ID, untold.ID}
		slices.Sort(want)
		same(t, "findings that something was recommended for", ids, want)
		keys, err := s.Requesting(t.Context())
		must(t, err)
		same(t, "apps whose requests wait", len(keys), 0)
	})
}
