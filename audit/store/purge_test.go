package store_test

import (
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A night lets go what was kept for its time, says what, and enters it in the trail. What is younger, open, suppressed or still to be judged stays.
func TestWhatWasKeptForItsTimeIsPurged(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		const day = audit.Instant(24 * time.Hour)
		resolved := func(subject string) audit.Finding {
			f := finding("a", "c", subject)
			f.Status, f.Reason = audit.Resolved, "no longer holds"
			return f
		}
		gone, younger, suppressed, judged, opened := resolved("gone"), resolved("younger"), resolved("suppressed"), resolved("judged"), finding("a", "c", "open")
		add := func(subject string, on audit.Day, occurrences ...uint64) audit.Contribution {
			return audit.Contribution{Check: "c", App: "a", Subject: subject, Day: on, Occurrences: occurrences, First: on.Start(), Last: on.Start() + 1,
				Accounts: audit.NewIDs("x", on.String()), Sites: audit.NewIDs("s"), Evidence: []audit.Evidence{{At: on.Start(), Account: "x"}}}
		}
		entry := func(finding string, at audit.Instant) audit.TrailEntry {
			return audit.TrailEntry{At: at, Who: "night", What: "filed", Finding: finding, Why: "because"}
		}
		event := func(at audit.Instant, what audit.Event) audit.Lifecycle {
			return audit.Lifecycle{At: at, App: "a", Site: "s", Event: what, Users: -1}
		}
		pack := func(on audit.Day, offset int64) audit.Pack {
			return audit.Pack{App: "a", Kind: audit.CallPack, Day: on, Segment: "1.seg", Offset: offset, Length: 10, Records: 3, First: on.Start(), Last: on.Start() + 1}
		}
		run := begin(t, s, l)
		must(t, s.StageQuarantine(ctx, run.Seq, []audit.Quarantined{{File: 1, Line: 1, Reason: "bad"}}))
		p := finish(run, audit.AppUpdate{Key: "a", StatesAt: audit.Never, Version: &audit.AppVersion{From: audit.Ever, App: &audit.App{Key: "a", Name: "old"}},
			Findings: []audit.Finding{gone, younger, suppressed, judged, opened},
			Put:      []audit.Contribution{add("gone", day0, 1), add("judged", day0+100, 1), add("open", day0, 1, 2), add("open", day0+1, 1), add("open", day0+100, 1)},
			Events:   []audit.Lifecycle{event(t0, audit.Installed), event(t0+day, audit.Uninstalled), event(t0+2*day, audit.Disabled), event(t0+100*day, audit.Installed)},
			Packs:    []audit.Pack{pack(day0, 0), pack(day0+1, 10), pack(day0+100, 20)},
			Trail: []audit.TrailEntry{entry(gone.ID, t0), entry(younger.ID, t0), entry(younger.ID, t0+50*day), entry(suppressed.ID, t0), entry(judged.ID, t0),
				entry(opened.ID, t0)}})
		must(t, s.Night(l).Publish(ctx, p))
		version := begin(t, s, l)
		must(t, s.Night(l).Publish(ctx, finish(version, audit.AppUpdate{Key: "a", StatesAt: audit.Never, Version: &audit.AppVersion{From: t0 + day, App: &audit.App{Key: "a", Name: "new"}}})))
		must(t, s.Exec(ctx, `INSERT INTO acts (app_key, finding_id, kind, site, reason, done_by, at, until, ended, accounts, sites) SELECT 'a', id, 'suppress', '', '', 'me', 0, 9000000000000000000, 9223372036854775807, accounts, sites
			FROM (SELECT '`+suppressed.ID+`' AS id, contributions.accounts, contributions.sites FROM contributions WHERE day = 20000 LIMIT 1) AS x`))

		run = byHand()
		run.AsOf = t0 + 101*day
		must(t, s.Night(l).Begin(ctx, run))
		p = finish(run)
		run.FinishedAt = run.AsOf
		p.Purged, p.Retention = day0+50, audit.Retention{Findings: t0 + 40*day, Trail: t0 + 45*day}
		must(t, s.Night(l).Publish(ctx, p))
		same(t, "purged", run.Summary.Purged, &audit.Purged{Before: (day0 + 50).String(), Days: 2, Packs: 2, Records: 6, Bytes: 20, Folded: 3, Events: 1, Versions: 1,
			Findings: 1, Details: 5, Quarantined: 1, Runs: 2})

		found, err := s.Findings(ctx, store.Filter{})
		must(t, err)
		left := map[string]bool{}
		for _, f := range found {
			left[f.Subject] = true
		}
		same(t, "findings", left, map[string]bool{"younger": true, "suppressed": true, "judged": true, "open": true})
		list, err := s.ContributionsOf(ctx, audit.FindingDays{FindingKey: audit.FindingKey{Check: "c", App: "a", Subject: "open"}})
		must(t, err)
		same(t, "contributions", list, []audit.Contribution{audit.Fold([]audit.Contribution{add("open", day0, 1, 2), add("open", day0+1, 1)}), counted(add("open", day0+100, 1))})
		app, err := s.App(ctx, "a")
		must(t, err)
		if len(app.Events) != 3 || len(app.Versions) != 1 || app.Versions[0].App.Name != "new" {
			t.Errorf("the app: %+v", app)
		}
		if _, _, err := s.Verify(ctx); err != nil {
			t.Error(err)
		}
		trail, err := s.Trail(ctx, store.TrailFilter{})
		must(t, err)
		var said []string
		for _, e := range trail {
			if !e.Erased {
				said = append(said, e.What+" "+e.Finding)
			}
		}
		same(t, "what the trail still tells", said, []string{"filed " + younger.ID, "purged " + gone.ID, "purged "})

		// The next night has nothing more to purge.
		run = byHand()
		run.AsOf = t0 + 101*day
		must(t, s.Night(l).Begin(ctx, run))
		p = finish(run)
		run.FinishedAt = run.AsOf
		p.Purged, p.Retention = day0+50, audit.Retention{Findings: t0 + 40*day, Trail: t0 + 45*day}
		must(t, s.Night(l).Publish(ctx, p))
		if run.Summary.Purged != nil {
			t.Errorf("purged again: %s", run.Summary.Purged)
		}

		// Of sites whose events of purged days only come now, what tells their state stays, too.
		late := func(site string, at audit.Instant, what audit.Event) audit.Lifecycle {
			return audit.Lifecycle{At: at, App: "a", Site: site, Event: what, Users: -1}
		}
		run = byHand()
		run.AsOf = t0 + 101*day
		must(t, s.Night(l).Begin(ctx, run))
		p = finish(run, audit.AppUpdate{Key: "a", StatesAt: audit.Never, Events: []audit.Lifecycle{late("late", t0, audit.Installed), late("late", t0+day, audit.Uninstalled),
			late("later", t0, audit.Installed), late("latest", t0+60*day, audit.Installed)}})
		p.Purged = day0 + 50
		must(t, s.Night(l).Publish(ctx, p))
		if run.Summary.Purged == nil || run.Summary.Purged.Events != 1 {
			t.Errorf("late events: %v", run.Summary.Purged)
		}
		app, err = s.App(ctx, "a")
		must(t, err)
		if len(app.Events) != 3+3 {
			t.Errorf("after late events: %+v", app.Events)
		}
	})
}

// However short the history is kept: what a vendor was told of a matter that goes on stays.
func TestNoticesOfOpenMattersAreKept(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		f, g := finding("a", "c", "goes on"), finding("a", "c", "closed")
		publish(t, s, false, audit.AppUpdate{Key: "a", StatesAt: audit.Never, Findings: []audit.Finding{f, g}})
		var change store.NoticesChanged
		for i, x := range []struct {
			about  audit.Finding
			closed audit.Instant
		}{{f, audit.Never}, {g, t0 + 1}} {
			key := audit.FindingRef{App: "a", Finding: x.about.ID}
			n := audit.Draft("v", "Acme", audit.FirstNotice, []string{"R-1", "R-2"}[i], t0)
			n.About, n.Delivery = []audit.FindingRef{key}, audit.NoticeDelivered
			change.Notices = append(change.Notices, n)
			change.Matters = append(change.Matters, audit.Matter{FindingRef: key, Vendor: "v", Notice: n.ID, Answer: audit.NoAnswer, ClaimedAt: audit.Never,
				DisputedAt: audit.Never, StoppedAt: audit.Never, SecondAt: audit.Never, ClosedAt: x.closed})
		}
		must(t, s.ChangeNotices(ctx, change))
		l := lock(t, s)
		run := byHand()
		run.AsOf = t0 + audit.Instant(100*24*time.Hour)
		must(t, s.Night(l).Begin(ctx, run))
		p := finish(run)
		p.Retention = audit.Retention{Findings: t0, Trail: run.AsOf}
		must(t, s.Night(l).Publish(ctx, p))
		left, err := s.Notices(ctx, store.NoticeFilter{})
		must(t, err)
		if len(left) != 1 || left[0].ID != change.Notices[0].ID {
			t.Errorf("left: %+v", left)
		}
	})
}
