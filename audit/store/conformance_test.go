package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// hostile is text that databases do not like.
const hostile = "a\x00b\x1bc\xffd\t'\"\\N\n\\. é \U0001F4E7 %s $1 ?"

// observation is an observation of an app's with a file of its own.
func observation(app string, kind audit.Kind, at audit.Instant) audit.Observation {
	o := audit.Observation{Kind: kind, App: app, At: at, Site: "site", Account: "x", File: fmt.Sprintf("%d.har", at), Source: audit.Source{File: 1, Line: 1 << 33}}
	o.Identify()
	return o
}

func TestWhatIsPublishedIsRead(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		led, err := s.Ledger(ctx)
		must(t, err)
		same(t, "ledger of a new store", led, &audit.Ledger{Purged: audit.StateDay})

		l := lock(t, s)
		run := byHand()
		run.ScheduledAt, run.Baseline = t0, true
		must(t, s.Night(l).Begin(ctx, run))
		if run.Seq != 1 || run.ID != "R-000001" || run.Status != audit.Running {
			t.Fatalf("began %+v", run)
		}
		yes := true
		app := &audit.App{Key: "k" + hostileJSON(), Name: "Acme " + hostileJSON(), Kind: "forge",
			Vendor: audit.Vendor{ID: "v1", Name: "Acme", Email: "privacy@acme.example"}, Stores: &yes,
			Features: audit.Features{Scopes: []string{"READ"}, Modules: nil, Egress: []string{}}, Source: audit.Source{File: 2, Line: 9}}
		f := finding(app.Key, "purpose-prohibited", "marketing")
		f.AppName, f.Vendor = app.Name, "Acme"
		f.Title, f.Explanation, f.Assignee, f.Reason = hostile, hostile, hostile, hostile
		f.Recommendation = &audit.Recommendation{Act: "delist", ProposedBy: "night", ProposedAt: t0}
		f.Latest = audit.Latest{Run: "R-000001", Occurrences: 4, Accounts: 2}
		f.PolicyDigest, f.Registry, f.Worsened = "sha256:x", 7, true
		c := audit.Contribution{Check: f.Check, App: f.App, Subject: f.Subject, Day: day0, Occurrences: []uint64{0, 3, 3, 1 << 63, 1<<64 - 1}, First: t0, Last: t0 + 9,
			Accounts: audit.NewIDs("5b10a2844c20165700ede21f", "x"), Sites: audit.NewIDs("f58131cb-b67d-43c7-b30d-6b58d40bd077"),
			Evidence: []audit.Evidence{{At: t0, Source: audit.Source{File: 1, Line: 1 << 40}, Site: "s", Account: "x", Detail: "d"}}}
		f.Evidence = c.Evidence
		c.Doubtful, c.Hosts = true, audit.NewIDs("t.example", "u.example")
		state := c
		state.Doubtful = false
		state.Check, state.Subject, state.Day, state.Occurrences = "scope-unapproved", strings.Repeat("s", 9000)+hostile, audit.StateDay, []uint64{1}
		header := audit.DayHeader{Day: day0, FirstRetrieval: t0, LastRetrieval: t0 + 2, LastReport: t0 + 1, Held: true, RetrievalAfterReport: t0 + 2, Newest: t0 + 2}
		header.Observed = audit.ObservedMail | audit.ObservedCapture
		quiet := audit.DayHeader{Day: day0 + 1, FirstRetrieval: audit.Ever, LastRetrieval: audit.Ever, LastReport: t0 + 1, RetrievalAfterReport: audit.Ever, Newest: t0 + 2}
		totals := audit.DayTotals{Day: day0, SiteAccounts: 13, InVain: 1, Busy: []audit.SiteTotals{{Site: "site " + hostileJSON(), Accounts: 12}}}
		pack := audit.Pack{App: app.Key, Day: day0, Kind: audit.CallPack, Segment: "000001-a.pack", Offset: 1 << 40, Length: 77, Records: 3, First: t0, Last: t0 + 2, Run: 1}
		later := audit.Pack{App: app.Key, Day: day0 + 2, Kind: audit.ReportPack, Segment: "000001-b.pack", Length: 7, Records: 1, First: t0 + 50, Last: t0 + 60, Run: 1}
		event := audit.Lifecycle{At: t0, App: app.Key, Site: "site", Event: audit.Present, Users: -1, Source: audit.Source{File: 3, Line: 1}}
		mail := observation(app.Key, audit.KindMail, t0)
		mail.Mail = &audit.MailReading{Kind: "marketing", Signs: []string{hostileJSON()}, From: "acme.example", Signed: []string{"a.example", "b.example"}, Proved: true}
		mail.Sightings, mail.Examined = []audit.Sighting{{Account: "x", Place: audit.Sent, Host: "t.example", Field: "query", Chain: []string{"hex"}, Hash: "md5"}}, true
		capture := observation(app.Key, audit.KindCaptures, t0+50)
		capture.URL = hostileJSON()
		gone := observation(app.Key, audit.KindCaptures, t0+60)
		gone.Examined, gone.Trouble = true, "no such file"
		canaries := []audit.Canary{{Account: "x" + hostileJSON(), App: app.Key, Mailed: true, Retrieved: audit.Never}, {Account: "y", App: "other", Retrieved: t0}}
		approval := audit.Approval{RequestID: "REQ-1", Status: audit.Approved, Decided: t0, Revoked: audit.Never, Purposes: []string{"user-sync"},
			Snapshot: audit.Features{Scopes: []string{}}}
		rules := audit.Rules{Policy: audit.DefaultPolicy(), CompleteSince: t0, Purposes: true}
		rules.Policy.Digest, rules.Policy.Synonyms = "sha256:x", map[string]string{"mkt": "marketing"}
		run.FinishedAt = t0 + 100
		run.Summary = audit.RunSummary{Sources: []audit.SourceResult{{Kind: audit.KindAccess, Path: "a/*.jsonl", Lines: 3, Facts: 3, Newest: t0, Looked: true}},
			Checks: []audit.CheckResult{{ID: "x", Looked: true}}, Findings: audit.FindingCounts{New: 1, Open: 1}, Notes: []string{hostileJSON()}}
		p := &audit.Publication{Run: run, Rules: &audit.RulesFrom{From: audit.Ever, Rules: rules}, Purged: day0 - 90, Registry: 7,
			Files: []audit.File{{ID: 1, Kind: audit.KindAccess, Path: "logs/" + hostile, State: []byte{0, 1, 255}},
				{ID: 2, Kind: audit.KindApps, Path: strings.Repeat("long/", 800), Broken: true}},
			Newest:    []audit.Newest{{Kind: audit.KindAccess, Path: "a/*.jsonl", At: t0, Future: []audit.Instant{t0 + 1, audit.Never}}, {Kind: audit.KindApps, Path: "b", At: audit.Ever}},
			Incidents: []audit.Incident{{API: strings.Repeat("reporting", 900), From: t0, To: audit.Never, Source: audit.Source{File: 1, Line: 4}}},
			Apps: []audit.AppUpdate{
				{Key: "", StatesAt: audit.Never, Due: []audit.Due{{App: "", Day: day0, Checks: []string{"a", "b"}, Since: 1}}},
				{Key: app.Key, Version: &audit.AppVersion{From: audit.Ever, App: app}, SetApprovals: true, Approvals: []audit.Approval{approval}, StatesAt: t0 + 7,
					SetAnswers: true, Answers: []byte("answers"), Events: []audit.Lifecycle{event}, Observations: []audit.Observation{mail, capture, gone}, Headers: []audit.DayHeader{header, quiet}, Totals: []audit.DayTotals{totals},
					Packs: []audit.Pack{pack, later}, Put: []audit.Contribution{c, state}, Findings: []audit.Finding{f},
					Due:   []audit.Due{{App: app.Key, Day: audit.StateDay, Checks: []string{"c"}, Since: 1}, {App: app.Key, Day: day0, Checks: []string{"a"}, Since: 1}},
					Trail: []audit.TrailEntry{entry("filed", f.ID), entry("grew", f.ID)}}},
			Canaries: canaries,
			Trail:    []audit.TrailEntry{entry("run", "")},
			Outbox:   []audit.Message{{Key: "digest:1", Sink: "slack", Body: []byte(`{"a":1}`), Created: t0, NextAt: t0}}}
		must(t, s.Night(l).Publish(ctx, p))
		if run.Status != audit.Finished {
			t.Errorf("published run is %s", run.Status)
		}

		led, err = s.Ledger(ctx)
		must(t, err)
		same(t, "ledger", led, &audit.Ledger{Last: run, Rules: audit.RulesTimeline{*p.Rules}, Purged: p.Purged, Registry: 7,
			Files: p.Files, Newest: p.Newest, Incidents: p.Incidents,
			Apps:     []audit.AppIndex{{Key: "", StatesAt: audit.Never}, {Key: app.Key, Listed: true, StatesAt: t0 + 7}},
			Due:      []audit.Due{{App: "", Day: day0, Checks: []string{"a", "b"}, Since: 1}, p.Apps[1].Due[0], p.Apps[1].Due[1]},
			Canaries: canaries, Pending: []audit.Observation{capture}})
		days0, err := s.Totals(ctx, app.Key, day0-1, day0+1)
		must(t, err)
		same(t, "totals", days0, []audit.DayTotals{totals})
		observed, err := s.Observations(ctx, app.Key, day0, day0)
		must(t, err)
		same(t, "observations", observed, []audit.Observation{mail, capture, gone})
		observed, err = s.Observations(ctx, app.Key, day0+1, day0+9)
		must(t, err)
		same(t, "observations of other days", observed, []audit.Observation(nil))
		days1, err := s.ObservedBetween(ctx, t0, t0+50)
		must(t, err)
		same(t, "observations whose time has come", days1, []audit.ObservedDay{{App: app.Key, Kind: audit.KindCaptures, Day: day0}})
		known, err := s.KnownObservations(ctx, []audit.ObservationID{mail.ID, capture.ID, gone.ID, {1}})
		must(t, err)
		same(t, "known observations", known, map[audit.ObservationID]bool{mail.ID: true, capture.ID: true})

		apps, err := s.Apps(ctx, []string{app.Key, "nobody"})
		must(t, err)
		facts := &audit.AppFacts{Key: app.Key, Versions: []audit.AppVersion{{From: audit.Ever, App: app}},
			Approvals: []audit.Approval{approval}, StatesAt: t0 + 7, Events: []audit.Arrival{{Lifecycle: event, Run: 1}}, Headers: []audit.DayHeader{header, quiet}, Answers: []byte("answers")}
		same(t, "apps", apps, map[string]*audit.AppFacts{"nobody": {Key: "nobody", StatesAt: audit.Never}, app.Key: facts})
		if v := apps[app.Key].Versions[0].App.Features; v.Modules != nil || v.Egress == nil {
			t.Error("what is not known and what is empty are no longer told apart")
		}
		one, err := s.App(ctx, app.Key)
		must(t, err)
		same(t, "app", one, facts)
		_, err = s.App(ctx, "nobody")
		is(t, err, store.ErrNotFound)
		list, err := s.AppsList(ctx)
		must(t, err)
		same(t, "apps list", list, []store.AppSummary{{Open: map[audit.Severity]int{}}, {Key: app.Key, Name: app.Name, Vendor: "Acme", Listed: true,
			Approvals: []audit.Approval{approval}, Open: map[audit.Severity]int{audit.Critical: 1}, Accounts: 2}})

		packs, err := s.Packs(ctx, []string{"nobody", app.Key}, day0, day0+5)
		must(t, err)
		same(t, "packs", packs, []audit.Pack{pack, later})
		packs, err = s.PacksBetween(ctx, t0+2, t0+50)
		must(t, err)
		same(t, "packs whose time has come", packs, []audit.Pack{later})
		packs, err = s.PacksBetween(ctx, t0+1, t0+49)
		must(t, err)
		same(t, "packs whose time has come, earlier", packs, []audit.Pack{pack})
		segments, err := s.SegmentsInUse(ctx)
		must(t, err)
		same(t, "segments", segments, []string{pack.Segment, later.Segment})
		days, err := s.RetrievalDays(ctx, day0-1, day0+9)
		must(t, err)
		same(t, "days of retrievals", days, map[string][]audit.Day{app.Key: {day0}})

		got, err := s.Contributions(ctx, []audit.Due{{App: app.Key, Day: day0, Checks: []string{"other", c.Check}}, {App: app.Key, Day: audit.StateDay, Checks: []string{state.Check}},
			{App: app.Key, Day: audit.StateDay, Checks: []string{state.Check, c.Check}}, {App: app.Key, Day: day0 + 1, Checks: []string{c.Check}},
			{App: "nobody", Day: day0, Checks: []string{c.Check}}})
		must(t, err)
		same(t, "contributions", got, []audit.Contribution{c, state})
		got, err = s.ContributionsOf(ctx, audit.FindingDays{FindingKey: audit.FindingKey{Check: state.Check, App: app.Key, Subject: state.Subject}})
		must(t, err)
		same(t, "contributions of one finding", got, []audit.Contribution{counted(state)})

		night := s.Night(l)
		findings, acts, err := night.FindingsOf(ctx, app.Key)
		must(t, err)
		same(t, "findings of the app", findings, []audit.Finding{f})
		same(t, "acts on them", acts, []audit.Act(nil))
		_, err = night.Ledger(ctx)
		must(t, err)
		for _, name := range []string{f.ID, strings.ToLower(f.ID[2:8])} {
			one, err := s.Finding(ctx, name)
			must(t, err)
			same(t, "finding "+name, one, &f)
		}
		accounts, err := s.Accounts(ctx, f.ID)
		must(t, err)
		same(t, "accounts", accounts, c.Accounts)
		runs, err := s.Runs(ctx, 5)
		must(t, err)
		same(t, "runs", runs, []audit.Run{*run})
		r, err := s.Run(ctx, "R-000001")
		must(t, err)
		same(t, "run", r, run)
		_, err = s.Run(ctx, "R-2")
		is(t, err, store.ErrNotFound)
		paths, err := s.Paths(ctx, []uint32{1, 99})
		must(t, err)
		same(t, "paths", paths, map[uint32]string{1: p.Files[0].Path})
		trail, err := s.Trail(ctx, store.TrailFilter{})
		must(t, err)
		var whats []string
		for _, e := range trail {
			whats = append(whats, e.What)
			same(t, "details", e.Details, map[string]any{"accounts": 3.0})
		}
		same(t, "trail", whats, []string{"filed", "grew", "run"})
		n, head, err := s.Verify(ctx)
		must(t, err)
		if n != 3 || head != trail[2].Hash {
			t.Errorf("verified %d, %s", n, head)
		}

		// The next night: what is published again replaces, deletes and keeps.
		run2 := begin(t, s, l)
		if run2.ID != "R-000002" {
			t.Errorf("the second run is %s", run2.ID)
		}
		c2 := c
		c2.Occurrences, c2.Accounts = []uint64{5}, audit.NewIDs("y")
		header.Held, header.Newest = false, t0+3
		f.Occurrences = 1
		p2 := finish(run2, audit.AppUpdate{Key: app.Key, Blind: true, StatesAt: audit.Never, Version: &audit.AppVersion{From: t0}, Headers: []audit.DayHeader{header},
			Put: []audit.Contribution{c2}, Delete: []audit.ContributionKey{state.Key()}, Findings: []audit.Finding{f}})
		p2.Purged, p2.Registry, p2.Files = day0+1, 8, []audit.File{{ID: 1, Kind: audit.KindAccess, Path: p.Files[0].Path, State: []byte("now")}}
		must(t, night.Publish(ctx, p2))
		apps, err = s.Apps(ctx, []string{app.Key})
		must(t, err)
		facts.Blind, facts.StatesAt, facts.Headers[0], facts.Versions = true, audit.Never, header, append(facts.Versions, audit.AppVersion{From: t0})
		same(t, "app after the second night", apps[app.Key], facts)
		got, err = s.Contributions(ctx, []audit.Due{{App: app.Key, Day: audit.BaseDay, Checks: []string{c.Check}}, {App: app.Key, Day: day0, Checks: []string{c.Check}},
			{App: app.Key, Day: audit.StateDay, Checks: []string{state.Check}}})
		must(t, err)
		same(t, "contributions after the second night, of which the day was purged", got, []audit.Contribution{audit.Fold([]audit.Contribution{c2})})
		led, err = s.Ledger(ctx)
		must(t, err)
		same(t, "due after the second night", led.Due, []audit.Due{{App: "", Day: day0, Checks: []string{"a", "b"}, Since: 1}})
		same(t, "apps after the second night", led.Apps, []audit.AppIndex{{Key: "", StatesAt: audit.Never}, {Key: app.Key, Blind: true, StatesAt: audit.Never}})
		segments, err = s.SegmentsInUse(ctx)
		must(t, err)
		same(t, "segments after the purge", segments, []string{later.Segment})
		again, err := s.Finding(ctx, f.ID)
		must(t, err)
		if again.AppName != app.Name || again.Occurrences != 1 {
			t.Errorf("after the app left the registry its finding is %+v", again)
		}
	})
}

func hostileJSON() string { return strings.ToValidUTF8(hostile, "?") }

func TestFindingsAreFiltered(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		var ups []audit.AppUpdate
		for i, key := range []string{"", "a.b", "c.d"} {
			u := audit.AppUpdate{Key: key, StatesAt: audit.Never}
			if key != "" {
				u.Version = &audit.AppVersion{From: audit.Ever, App: &audit.App{Key: key, Vendor: audit.Vendor{ID: "V" + key}}}
			}
			for j, sev := range []audit.Severity{audit.Low, audit.Critical} {
				f := finding(key, "check-"+string(sev), "")
				f.Severity, f.LastSeen, f.FirstRun = sev, t0+audit.Instant(i), fmt.Sprintf("R-%06d", i)
				if j == 0 {
					f.Status = audit.Resolved
				}
				u.Findings = append(u.Findings, f)
			}
			ups = append(ups, u)
		}
		must(t, s.Night(l).Publish(ctx, finish(begin(t, s, l), ups...)))
		names := func(f store.Filter) string {
			list, err := s.Findings(ctx, f)
			must(t, err)
			var out []string
			for _, f := range list {
				out = append(out, fmt.Sprintf("%s/%c", f.App, f.Severity[0]))
			}
			return strings.Join(out, " ")
		}
		for _, c := range []struct {
			filter store.Filter
			want   string
		}{
			{store.Filter{}, "c.d/c a.b/c /c c.d/l a.b/l /l"},
			{store.Filter{Limit: 2, Offset: 1}, "a.b/c /c"},
			{store.Filter{Offset: 5}, "/l"},
			{store.Filter{Apps: []string{""}}, "/c /l"},
			{store.Filter{Vendors: []string{"va.B"}}, "a.b/c a.b/l"},
			{store.Filter{Statuses: []audit.Status{audit.Open}, Apps: []string{"a.b", "c.d"}}, "c.d/c a.b/c"},
			{store.Filter{Severities: []audit.Severity{audit.Low}, Runs: []string{"R-000002"}}, "c.d/l"},
			{store.Filter{Runs: []string{"R-000001"}}, "c.d/c a.b/c /c c.d/l a.b/l /l"}, // LastRun of all
			{store.Filter{Checks: []string{"check-low"}, IDs: []string{audit.FindingID("check-low", "a.b", "")}}, "a.b/l"},
			{store.Filter{Checks: []string{"' OR 1=1 --"}}, ""},
		} {
			if got := names(c.filter); got != c.want {
				t.Errorf("%+v: %s, want %s", c.filter, got, c.want)
			}
		}
		_, err := s.Finding(ctx, "F-")
		is(t, err, store.ErrAmbiguous)
		_, err = s.Finding(ctx, "F-UUUU")
		is(t, err, store.ErrNotFound)
		_, err = s.Finding(ctx, "%")
		is(t, err, store.ErrNotFound)
		open, err := s.OpenFindings(ctx)
		must(t, err)
		same(t, "open", open, map[audit.Severity]int{audit.Critical: 3})
	})
}

func TestOneNightAtATime(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s, other := open(t, url), open(t, url)
		if s.ID() != other.ID() || !bytes.Equal(s.ArchiveKey(), other.ArchiveKey()) || len(s.ArchiveKey()) != 32 {
			t.Error("two openings of one store have different ids or keys")
		}
		first := lock(t, s)
		_, err := other.Lock(ctx, false)
		is(t, err, store.ErrLocked)
		_, err = s.Lock(ctx, false)
		is(t, err, store.ErrLocked)
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, err = other.Lock(short, true)
		is(t, err, context.DeadlineExceeded)

		old := begin(t, s, first)
		must(t, s.StageQuarantine(ctx, old.Seq, []audit.Quarantined{{File: 1, Line: 3, Reason: "bad"}}))
		got := make(chan *store.Lease)
		go func() {
			l, err := other.Lock(ctx, true)
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		time.Sleep(100 * time.Millisecond)
		must(t, first.Release())
		must(t, first.Release())
		second := <-got
		defer second.Release()
		if second.Fence <= first.Fence {
			t.Errorf("fence %d after %d", second.Fence, first.Fence)
		}
		if s.IsSQLite() {
			is(t, s.Night(first).Publish(ctx, finish(old)), store.ErrFenced)
		}
		is(t, s.Night(first).Begin(ctx, byHand()), store.ErrFenced)
		run := begin(t, other, second)
		is(t, s.Night(first).Publish(ctx, finish(old)), store.ErrFenced)
		is(t, other.Night(second).Publish(ctx, finish(old)), store.ErrFenced)
		must(t, other.Night(second).Publish(ctx, finish(run)))
		is(t, other.Night(second).Publish(ctx, finish(run)), store.ErrFenced) // once is enough
		runs, err := s.Runs(ctx, 0)
		must(t, err)
		if len(runs) != 2 || runs[0].Status != audit.Finished || runs[1].Status != audit.Failed || !strings.Contains(runs[1].Error, "killed") {
			t.Errorf("runs %+v", runs)
		}
	})
}

func TestLockDiesWithItsHolder(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		cmd := startChild(t, "hold", url)
		_, err := s.Lock(ctx, false)
		is(t, err, store.ErrLocked)
		must(t, cmd.Process.Kill())
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		l, err := s.Lock(short, true)
		must(t, err)
		defer l.Release()
		run := begin(t, s, l)
		must(t, s.Night(l).Publish(ctx, finish(run)))
		bad, err := s.Quarantine(ctx)
		must(t, err)
		same(t, "quarantine of the killed run", bad, []audit.Quarantined(nil))
	})
}

func TestKilledWhilePublishing(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		for i := range 6 {
			cmd := startChild(t, "publish", url)
			time.Sleep(time.Duration(i*37) * time.Millisecond)
			must(t, cmd.Process.Kill())
			_ = cmd.Wait() // it was killed
			l, err := s.Lock(ctx, true)
			must(t, err)
			must(t, l.Release())
			list, err := s.Findings(ctx, store.Filter{})
			must(t, err)
			led, err := s.Ledger(ctx)
			must(t, err)
			switch {
			case len(list) == 0 && led.Last == nil:
			case len(list) == 400 && led.Last != nil && len(led.Apps) == 400:
				return // it was faster than the kill
			default:
				t.Fatalf("a part of a night: %d findings, last run %v, %d apps", len(list), led.Last, len(led.Apps))
			}
		}
	})
}

func TestNightIsVisibleWholeOrNotAtAll(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		run := begin(t, s, l)
		must(t, s.StageQuarantine(ctx, run.Seq, []audit.Quarantined{{File: 1, Line: 3}}))
		p := large(run, 200, 100)
		p.Outbox = []audit.Message{{Key: "digest", Sink: "slack", Created: t0, NextAt: t0}}
		empty := func() {
			t.Helper()
			led, err := s.Ledger(ctx)
			must(t, err)
			same(t, "ledger", led, &audit.Ledger{Purged: audit.StateDay})
			list, err := s.Findings(ctx, store.Filter{})
			must(t, err)
			bad, err := s.Quarantine(ctx)
			must(t, err)
			messages, err := s.Messages(ctx)
			must(t, err)
			n, _, err := s.Verify(ctx)
			must(t, err)
			if len(list)+len(bad)+len(messages)+n > 0 {
				t.Fatalf("something of a night that was not published shows: %d findings, %d lines, %d messages, %d entries", len(list), len(bad), len(messages), n)
			}
		}
		for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
			short, cancel := context.WithTimeout(ctx, after)
			err := s.Night(l).Publish(short, p)
			cancel()
			if err == nil {
				t.Skip("this machine publishes faster than the test cancels")
			}
			is(t, err, context.DeadlineExceeded)
			empty()
		}
		// A mistake in the last app takes back all the others.
		broken := *p
		broken.Apps = append(slices.Clone(p.Apps), audit.AppUpdate{Key: "z", Events: []audit.Lifecycle{{At: 1, Site: "s", Event: 1}, {At: 1, Site: "s", Event: 1}}})
		if err := s.Night(l).Publish(ctx, &broken); err == nil {
			t.Fatal("the same event twice was published")
		}
		empty()

		// Readers see the store before or after, and are never kept waiting.
		done := make(chan struct{})
		var reads atomic.Int64
		var slowest atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					start := time.Now()
					led, err := s.Ledger(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					findings, err := s.Findings(ctx, store.Filter{Apps: []string{"com.app.00199"}})
					if err != nil {
						t.Error(err)
						return
					}
					if n := len(led.Apps); n != 0 && n != 200 || led.Last == nil && n > 0 {
						t.Errorf("a reader sees %d apps, last run %v", n, led.Last)
						return
					}
					if led.Last != nil && len(findings) != 1 {
						t.Error("a reader sees the run, but not its findings")
					}
					reads.Add(1)
					slowest.Store(max(slowest.Load(), int64(time.Since(start))))
				}
			})
		}
		must(t, s.Night(l).Publish(ctx, p))
		close(done)
		wg.Wait()
		t.Logf("%d reads meanwhile, the slowest %v", reads.Load(), time.Duration(slowest.Load()))
		bad, err := s.Quarantine(ctx)
		must(t, err)
		if len(bad) != 1 {
			t.Errorf("%d lines in quarantine after the night", len(bad))
		}
	})
}

func TestScheduledNightRunsOnce(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		scheduled := func() *audit.Run { r := byHand(); r.ScheduledAt = t0; return r }
		first := scheduled()
		must(t, s.Night(l).Begin(ctx, first))
		must(t, s.StageQuarantine(ctx, first.Seq, []audit.Quarantined{{File: 1, Line: 1}}))
		gone, cancel := context.WithCancel(ctx)
		cancel()
		must(t, s.Fail(gone, first, errors.New("disk full "+hostile)))
		if first.Status != audit.Failed || first.FinishedAt == audit.Never {
			t.Errorf("failed run %+v", first)
		}
		second := scheduled() // a failed one's time is free
		must(t, s.Night(l).Begin(ctx, second))
		must(t, s.Night(l).Publish(ctx, finish(second)))
		must(t, s.Fail(ctx, second, errors.New("too late")))
		is(t, s.Night(l).Begin(ctx, scheduled()), store.ErrAlreadyRun)
		earlier := scheduled() // of a scheduler whose clock is behind: what made up the later one stands for it
		earlier.ScheduledAt--
		is(t, s.Night(l).Begin(ctx, earlier), store.ErrAlreadyRun)
		must(t, s.Night(l).Begin(ctx, byHand()))
		must(t, s.Night(l).Begin(ctx, byHand()))
		runs, err := s.Runs(ctx, 0)
		must(t, err)
		var got []string
		for _, r := range runs {
			got = append(got, fmt.Sprint(r.ID, " ", r.Status, " ", r.Error, " ", r.ScheduledAt == t0))
		}
		same(t, "runs", got, []string{"R-000004 running  false", "R-000003 failed was killed or lost its lock false", "R-000002 finished  true",
			"R-000001 failed disk full " + hostile + " true"})
	})
}

func TestLastNight(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		last := func(what string, want time.Time) {
			t.Helper()
			got, err := s.LastNight(ctx)
			must(t, err)
			if !got.Equal(want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		last("a new store", time.Time{})
		begin(t, s, l)
		last("a run that did not finish", time.Time{})
		run := begin(t, s, l)
		must(t, s.Night(l).Publish(ctx, finish(run)))
		last("one by hand", run.FinishedAt.Time())
		run = byHand()
		run.ScheduledAt = t0 - 5
		must(t, s.Night(l).Begin(ctx, run))
		last("a scheduled one that runs", (t0 + 1).Time())
		must(t, s.Night(l).Publish(ctx, finish(run)))
		last("a scheduled one that took a later as-of", run.AsOf.Time())
		run = begin(t, s, l)
		run.AsOf += 7
		p := finish(run)
		p.Run.FinishedAt = run.AsOf + 3
		must(t, s.Night(l).Publish(ctx, p))
		last("one by hand after it, which stands for what was missed", run.AsOf.Time())
		run = begin(t, s, l)
		run.AsOf += 1000
		p = finish(run)
		p.Run.FinishedAt = t0 + 20
		must(t, s.Night(l).Publish(ctx, p))
		last("one as of the future", (t0 + 20).Time())
	})
}

func TestQuarantineFollowsItsFile(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		lines := func() (out []string) {
			list, err := s.Quarantine(ctx)
			must(t, err)
			for _, q := range list {
				out = append(out, fmt.Sprintf("%s:%d %s %s", q.Path, q.Line, q.Kind, q.Reason))
			}
			return out
		}
		night := func(staged []audit.Quarantined, read ...audit.ReadFrom) {
			t.Helper()
			run := begin(t, s, l)
			must(t, s.StageQuarantine(ctx, run.Seq, staged))
			p := finish(run)
			p.Files = []audit.File{{ID: 1, Kind: audit.KindAccess, Path: "a"}, {ID: 2, Kind: audit.KindReports, Path: "b"}}
			p.Read = read
			must(t, s.Night(l).Publish(ctx, p))
		}
		night([]audit.Quarantined{{File: 1, Line: 5, Reason: "one"}, {File: 1, Line: 10, Reason: "one"}, {File: 2, Line: 1, Reason: "one"}},
			audit.ReadFrom{File: 1, FromLine: 1}, audit.ReadFrom{File: 2, FromLine: 1})
		same(t, "after the first night", lines(), []string{"a:5 access one", "a:10 access one", "b:1 reports one"})
		night([]audit.Quarantined{{File: 1, Line: 10, Reason: "two"}}, audit.ReadFrom{File: 1, FromLine: 6})
		same(t, "read on from line 6", lines(), []string{"a:5 access one", "a:10 access two", "b:1 reports one"})
		run := begin(t, s, l)
		must(t, s.StageQuarantine(ctx, run.Seq, []audit.Quarantined{{File: 1, Line: 6, Reason: "three"}}))
		same(t, "while a night runs", lines(), []string{"a:5 access one", "a:10 access two", "b:1 reports one"})
		night(nil, audit.ReadFrom{File: 1, FromLine: 1})
		same(t, "mended", lines(), []string{"b:1 reports one"})
	})
}

// TestWhatWaitsIsFoundWithoutReadingWhatDoesNot: every night asks for it, among all observations of the retention.
func TestWhatWaitsIsFoundWithoutReadingWhatDoesNot(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		lease := lock(t, s)
		p := finish(begin(t, s, lease), audit.AppUpdate{Key: "a"})
		for i := range 5000 {
			o := observation("a", audit.KindCaptures, t0.Add(time.Duration(i)))
			o.Examined = i > 0
			p.Apps[0].Observations = append(p.Apps[0].Observations, o)
		}
		must(t, s.Night(lease).Publish(t.Context(), p))
		must(t, s.Exec(t.Context(), "ANALYZE"))
		plan, err := s.PlanOfPending(t.Context())
		must(t, err)
		if !strings.Contains(plan, "observations_pending") {
			t.Errorf("its index is not used:\n%s", plan)
		}
	})
}

func TestPeopleChangeFindings(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		f := finding("a", "c", "")
		put := audit.Contribution{Check: "c", App: "a", Day: day0, Occurrences: []uint64{1}, Accounts: audit.NewIDs("p", "q"), Sites: audit.NewIDs("s")}
		must(t, s.Night(l).Publish(ctx, finish(begin(t, s, l), audit.AppUpdate{Key: "a", Findings: []audit.Finding{f}, Put: []audit.Contribution{put}})))

		is(t, s.Change(ctx, "F-NONE", nil), store.ErrNotFound)
		no := errors.New("not allowed")
		err := s.Change(ctx, f.ID, func(*audit.Finding, []audit.Act) (store.Changed, error) { return store.Changed{}, no })
		if err != no {
			t.Errorf("refused change: %v", err)
		}
		suppress := func(f *audit.Finding, acts []audit.Act) (store.Changed, error) {
			f.Status = audit.Suppressed
			return store.Changed{Finding: *f, NewActs: []audit.Act{{Kind: audit.Suppress, Reason: hostile, By: "me", At: t0, Until: t0 + 100}},
				Trail: []audit.TrailEntry{{At: t0, Who: "cli:me@here", What: "suppress", Why: hostileJSON()}}}, nil
		}
		night := s.Night(l)
		run := begin(t, s, l)
		findings, acts, err := night.FindingsOf(ctx, "a")
		must(t, err)
		if len(acts) > 0 {
			t.Errorf("acts %v", acts)
		}
		must(t, s.Change(ctx, f.ID, suppress)) // while the night runs

		findings[0].Occurrences = 50
		p := finish(run, audit.AppUpdate{Key: "a", Findings: findings}, audit.AppUpdate{Key: "b", Findings: []audit.Finding{finding("b", "c", "")}})
		err = night.Publish(ctx, p)
		var changed *store.ChangedError
		if !errors.As(err, &changed) || len(changed.IDs) != 1 || changed.IDs[0] != f.ID || !errors.Is(err, audit.ErrChanged) {
			t.Fatalf("publish over a person's change: %v", err)
		}
		findings, acts, err = night.FindingsOf(ctx, "a")
		must(t, err)
		want := audit.Act{ID: acts[0].ID, App: "a", Finding: f.ID, Kind: audit.Suppress, Reason: hostile, By: "me", At: t0, Until: t0 + 100, Ended: audit.Never,
			Held: audit.Holding{Accounts: put.Accounts, Sites: put.Sites, Hosts: put.Hosts}}
		same(t, "acts", acts, []audit.Act{want})
		ending, err := s.ActsEnding(ctx, t0+100)
		must(t, err)
		same(t, "acts that end", ending, []audit.Act{want})
		if ending, err = s.ActsEnding(ctx, t0+99); err != nil || len(ending) > 0 {
			t.Errorf("acts that end too early: %v, %v", ending, err)
		}
		if findings[0].Status != audit.Suppressed {
			t.Errorf("the person's change is lost: %s", findings[0].Status)
		}
		findings[0].Occurrences = 50
		acts[0].Ended = t0 + 50
		p.Apps[0].Findings, p.Apps[0].Ended = findings, acts
		must(t, night.Publish(ctx, p))
		after, err := s.Finding(ctx, f.ID)
		must(t, err)
		if after.Status != audit.Suppressed || after.Occurrences != 50 {
			t.Errorf("after the night: %+v", after)
		}
		all, err := s.Acts(ctx, f.ID)
		must(t, err)
		if len(all) != 1 || all[0].Ended != t0+50 {
			t.Errorf("ended acts: %+v", all)
		}

		// A finding that another filed meanwhile is not overwritten as if it were new.
		err = s.Night(l).Publish(ctx, finish(begin(t, s, l), audit.AppUpdate{Key: "a", Findings: []audit.Finding{f}}))
		is(t, err, audit.ErrChanged)

		// Many people at once: nothing is lost, and the trail holds.
		var wg sync.WaitGroup
		other := open(t, url)
		for i := range 20 {
			wg.Go(func() {
				st := []*store.Store{s, other}[i%2]
				if err := st.Change(ctx, f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
					f.Registry++
					return store.Changed{Finding: *f, Trail: []audit.TrailEntry{{At: t0, Who: fmt.Sprint("p", i), What: "ack"}}}, nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		after, err = s.Finding(ctx, f.ID)
		must(t, err)
		if after.Registry != 20 {
			t.Errorf("of 20 changes %d are left", after.Registry)
		}
		n, _, err := s.Verify(ctx)
		must(t, err)
		mine, err := s.Trail(ctx, store.TrailFilter{Finding: f.ID, After: 1, What: "ack"})
		must(t, err)
		if n != 21 || len(mine) != 20 {
			t.Errorf("%d entries, %d of the finding", n, len(mine))
		}
	})
}

func TestAcceptedWhileANightRuns(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		f := finding("a", audit.AcceptableCheck, "scope:READ")
		state := audit.Contribution{Check: f.Check, App: "a", Subject: f.Subject, Day: audit.StateDay, Occurrences: []uint64{1}}
		approval := audit.Approval{RequestID: "REQ-1", Status: audit.Approved, Decided: t0, Revoked: audit.Never}
		update := func() audit.AppUpdate {
			return audit.AppUpdate{Key: "a", StatesAt: audit.Never, SetApprovals: true, Approvals: []audit.Approval{approval}}
		}
		first := update()
		first.Findings, first.Put = []audit.Finding{f}, []audit.Contribution{state}
		must(t, s.Night(l).Publish(ctx, finish(begin(t, s, l), first)))

		night := s.Night(l)
		_, err := night.Ledger(ctx)
		must(t, err)
		run := begin(t, s, l)
		no := errors.New("no approval in force")
		accept := func(refuse error) error {
			return s.Change(ctx, f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
				f.Status = audit.Resolved
				return store.Changed{Finding: *f, Judge: true, Approvals: func(list []audit.Approval) ([]audit.Approval, error) {
					list[0].Accepted = []string{"scope:READ"}
					return list, refuse
				}}, nil
			})
		}
		if err := accept(no); err != no {
			t.Errorf("a refused acceptance: %v", err)
		}
		if f, err := s.Finding(ctx, f.ID); err != nil || f.Status != audit.Open {
			t.Errorf("after a refused acceptance: %v, %v", f, err)
		}
		must(t, accept(nil))
		must(t, night.Publish(ctx, finish(run, update())))

		app, err := s.App(ctx, "a")
		must(t, err)
		approval.Accepted = []string{"scope:READ"}
		same(t, "approvals", app.Approvals, []audit.Approval{approval})
		led, err := s.Ledger(ctx)
		must(t, err)
		same(t, "due", led.Due, []audit.Due{{App: "a", Day: audit.StateDay, Checks: []string{f.Check}, Since: run.Seq}})
		list, err := s.ContributionsOf(ctx, audit.FindingDays{FindingKey: audit.FindingKey{Check: f.Check, App: "a", Subject: f.Subject}})
		must(t, err)
		if len(list) != 1 || list[0].Folded != 0 {
			t.Errorf("what was counted of an accepted finding: %+v", list)
		}
		next := s.Night(l)
		_, err = next.Ledger(ctx)
		must(t, err)
		must(t, next.Publish(ctx, finish(begin(t, s, l), audit.AppUpdate{Key: "a", StatesAt: audit.Never})))
		led, err = s.Ledger(ctx)
		must(t, err)
		same(t, "due after the next night", led.Due, []audit.Due(nil))
	})
}

func TestChangeDuringABigPublish(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s, person := open(t, url), open(t, url)
		l := lock(t, s)
		f := finding("person", "c", "")
		must(t, s.Night(l).Publish(ctx, finish(begin(t, s, l), audit.AppUpdate{Key: "person", Findings: []audit.Finding{f}})))
		done := make(chan error)
		go func() { done <- s.Night(l).Publish(ctx, large(begin(t, s, l), 300, 100)) }()
		for n := 0; ; n++ {
			must(t, person.Change(ctx, f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
				f.Occurrences++
				return store.Changed{Finding: *f, Trail: []audit.TrailEntry{entry("comment", "")}}, nil
			}))
			select {
			case err := <-done:
				must(t, err)
				_, _, err = s.Verify(ctx)
				must(t, err)
				t.Logf("%d changes meanwhile", n+1)
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
}

func TestTamperingWithTheTrailIsFound(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		n, head, err := s.Verify(ctx)
		must(t, err)
		if seq, err := s.FindHead(ctx, head); n != 0 || seq != 0 || err != nil {
			t.Errorf("empty trail: %d entries, its head is entry %d, %v", n, seq, err)
		}
		for i := range 6 {
			must(t, s.Record(ctx, audit.TrailEntry{At: t0 + audit.Instant(i), Who: "me", What: "did", Finding: "F-1", Why: "why", Details: map[string]any{"n": i}}))
		}
		_, head, err = s.Verify(ctx)
		must(t, err)
		for _, q := range []string{`DELETE FROM trail WHERE seq = 6`, `UPDATE trail SET who = 'you' WHERE seq = 2`, `UPDATE trail SET body = '{}' WHERE seq = 2`,
			`UPDATE trail SET body = NULL WHERE seq = 2`, `UPDATE trail SET body = NULL, salt = NULL, what = 'x' WHERE seq = 2`} {
			if err := s.Exec(ctx, q); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", q, err)
			}
		}
		if s.IsSQLite() {
			if err := s.Exec(ctx, `REPLACE INTO trail SELECT * FROM trail WHERE seq = 2`); err == nil {
				t.Error("an entry could be replaced")
			}
		} else if err := s.Exec(ctx, `TRUNCATE trail`); err == nil {
			t.Error("the trail could be truncated")
		}
		must(t, s.Exec(ctx, `UPDATE trail SET body = NULL, salt = NULL WHERE seq = 5`)) // forget
		n, again, err := s.Verify(ctx)
		must(t, err)
		if n != 6 || again != head {
			t.Errorf("after an erasure: %d, %s", n, again)
		}
		list, err := s.Trail(ctx, store.TrailFilter{After: 4, Limit: 1})
		must(t, err)
		if len(list) != 1 || !list[0].Erased || list[0].Details != nil || list[0].Hash == "" {
			t.Errorf("erased entry %+v", list)
		}
		if seq, err := s.FindHead(ctx, head); seq == 0 || err != nil {
			t.Errorf("head %d, %v", seq, err)
		}

		// Whoever removes the triggers is found by the chain.
		if s.IsSQLite() {
			for _, name := range []string{"trail_keeps_entries", "trail_keeps_words", "trail_appends"} {
				must(t, s.Exec(ctx, `DROP TRIGGER `+name))
			}
		} else {
			must(t, s.Exec(ctx, `ALTER TABLE trail DISABLE TRIGGER USER`))
		}
		must(t, s.Exec(ctx, `CREATE TABLE kept AS SELECT * FROM trail`))
		for _, c := range []struct {
			query string
			seq   int64
		}{
			{`UPDATE trail SET who = 'you' WHERE seq = 3`, 3},
			{`UPDATE trail SET what = 'x' WHERE seq = 3`, 3},
			{`UPDATE trail SET finding_id = 'F-2' WHERE seq = 3`, 3},
			{`UPDATE trail SET at = at + 1 WHERE seq = 4`, 4},
			{`UPDATE trail SET body = '{"why":"another"}' WHERE seq = 2`, 2},
			{`UPDATE trail SET body = NULL WHERE seq = 2`, 2},
			{`UPDATE trail SET digest = prev WHERE seq = 5`, 5},
			{`UPDATE trail SET hash = prev WHERE seq = 6`, 6},
			{`UPDATE trail SET prev = hash WHERE seq = 1`, 1},
			{`DELETE FROM trail WHERE seq = 4`, 4},
			{`DELETE FROM trail WHERE seq = 1`, 1},
			{`UPDATE trail SET seq = 9 WHERE seq = 6`, 6},
			{`INSERT INTO trail SELECT 7, at, who, what, finding_id, body, salt, digest, prev, hash FROM trail WHERE seq = 6`, 7},
		} {
			must(t, s.Exec(ctx, c.query))
			_, _, err := s.Verify(ctx)
			var broken *store.BrokenTrailError
			if !errors.As(err, &broken) || broken.Seq != c.seq {
				t.Errorf("%s: %v", c.query, err)
			}
			must(t, s.Exec(ctx, `DELETE FROM trail`))
			must(t, s.Exec(ctx, `INSERT INTO trail SELECT * FROM kept ORDER BY seq`))
		}
		_, _, err = s.Verify(ctx)
		must(t, err)
		kept := store.HeadFile(filepath.Join(t.TempDir(), "heads"))
		if n, err := s.Agrees(ctx, kept); n != 0 || err != nil {
			t.Errorf("no heads: %d, %v", n, err)
		}
		for _, h := range list {
			must(t, kept.Append(ctx, audit.TrailHead{Seq: h.Seq, Hash: h.Hash}, "an old one"))
		}
		at, err := s.Head(ctx)
		must(t, err)
		must(t, os.WriteFile(string(kept), []byte(fmt.Sprintf("%d %s why\n7 abc", list[0].Seq, list[0].Hash)), 0o600)) // a power cut
		must(t, kept.Append(ctx, at, "run R-000001"))
		if n, err := s.Agrees(ctx, kept); n != 2 || err != nil || at.Hash != head {
			t.Errorf("the kept heads: %d, %v", n, err)
		}
		must(t, s.Exec(ctx, `DELETE FROM trail WHERE seq = 6`)) // cut off at the end: only who kept the head can tell
		var lost *store.LostHeadError
		if _, err := s.Agrees(ctx, kept); !errors.As(err, &lost) || lost.Head != at || lost.Last != 5 {
			t.Errorf("a trail that was cut off agrees with the kept head: %v", err)
		}
		if _, err := s.FindHead(ctx, head); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a trail that was cut off has its old head: %v", err)
		}
		if _, err := s.FindHead(ctx, "xyz"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Error("xyz is a head")
		}
	})
}

// Of a finding's contributions a night reads those that it does not replace, and of their evidence what a finding shows.
func TestContributionsToFindings(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		add := func(app, subject string, on audit.Day, rows int) audit.Contribution {
			c := audit.Contribution{Check: "c", App: app, Subject: subject, Day: on, Occurrences: []uint64{1}, First: on.Start(), Last: on.Start(), Accounts: audit.NewIDs(on.String())}
			for i := range rows {
				c.Evidence = append(c.Evidence, audit.Evidence{At: on.Start() + audit.Instant(i), Account: "x"})
			}
			return c
		}
		var put []audit.Contribution
		for day := range audit.Day(9) {
			put = append(put, add("a", "many", day0+day, 3))
		}
		few, other := add("a", "few", day0, 5), add("b", "few", day0, 1)
		must(t, s.Night(l).Publish(ctx, finish(begin(t, s, l), audit.AppUpdate{Key: "a", Put: append(put, few)}, audit.AppUpdate{Key: "b", Put: []audit.Contribution{other}})))

		of := func(app, subject string, without ...audit.Day) audit.FindingDays {
			return audit.FindingDays{FindingKey: audit.FindingKey{Check: "c", App: app, Subject: subject}, Without: without}
		}
		got, err := s.ContributionsOf(ctx, of("b", "few"), of("a", "many", day0, day0+7), of("a", "nothing"))
		must(t, err)
		want := slices.Concat(put[1:7], put[8:], []audit.Contribution{other})
		for i := range want {
			want[i] = counted(want[i])
		}
		want[3].Evidence = nil // the three before it have the nine earliest rows, the three after it the nine latest
		same(t, "contributions to two findings", got, want)
		got, err = s.ContributionsOf(ctx)
		must(t, err)
		same(t, "contributions to none", got, []audit.Contribution(nil))
	})
}

// counted is c as a night reads it to add it up.
func counted(c audit.Contribution) audit.Contribution {
	c.Occurrences, c.Folded = nil, c.Folded+len(c.Occurrences)
	return c
}

func TestDamagedRowsAreErrors(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		p := large(begin(t, s, l), 1, 1)
		app := p.Apps[0].Key
		p.Apps[0].Version = &audit.AppVersion{From: audit.Ever, App: &audit.App{Key: app}}
		p.Rules = &audit.RulesFrom{From: audit.Ever, Rules: audit.Rules{Policy: audit.DefaultPolicy()}}
		must(t, s.Night(l).Publish(ctx, p))
		id := p.Apps[0].Findings[0].ID
		sets := func() error {
			_, err := s.ContributionsOf(ctx, audit.FindingDays{FindingKey: audit.FindingKey{Check: "purpose-prohibited", App: app, Subject: "s-0"}})
			return err
		}
		ids := func() error {
			_, err := s.Contributions(ctx, []audit.Due{{App: app, Day: p.Apps[0].Put[0].Day, Checks: []string{"purpose-prohibited"}}})
			return err
		}
		for _, c := range []struct {
			table, column string
			values        []any
			read          func() error
		}{
			{"contributions", "accounts", []any{[]byte{}, []byte{1}, []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, []byte{0, 0, 0, 0, 9}}, sets},
			{"contributions", "sites", []any{[]byte{0, 0, 0, 200}, []byte{200, 1, 0, 0, 0}}, sets},
			{"contributions", "ids", []any{[]byte{}, []byte{3, 1}, []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, []byte{2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1},
				[]byte{1, 1, 1}, []byte{1, 1}}, ids},
			{"contributions", "evidence", []any{"", "{", `{"at":1}`}, sets},
			{"contributions", "subject", []any{"s\x1b", "s\x1bzz"}, sets},
			{"findings", "evidence", []any{"nonsense"}, func() error { _, err := s.Finding(ctx, id); return err }},
			{"findings", "recommendation", []any{"nonsense"}, func() error { _, _, err := s.Night(l).FindingsOf(ctx, app); return err }},
			{"apps", "approvals", []any{"nonsense"}, func() error { _, err := s.Apps(ctx, []string{app}); return err }},
			{"app_versions", "app", []any{"nonsense"}, func() error { _, err := s.Apps(ctx, []string{app}); return err }},
			{"runs", "summary", []any{"nonsense"}, func() error { _, err := s.Runs(ctx, 0); return err }},
			{"rules", "rules", []any{"nonsense"}, func() error { _, err := s.Ledger(ctx); return err }},
		} {
			for _, v := range c.values {
				must(t, c.read())
				must(t, s.Exec(ctx, fmt.Sprintf(`CREATE TABLE kept AS SELECT * FROM %s`, c.table)))
				must(t, s.Exec(ctx, fmt.Sprintf(`UPDATE %s SET %s = ?`, c.table, c.column), v))
				if err := c.read(); !errors.Is(err, store.ErrDamaged) {
					t.Errorf("%s.%s = %q: %v", c.table, c.column, v, err)
				}
				must(t, s.Exec(ctx, fmt.Sprintf(`UPDATE %s SET %s = (SELECT %s FROM kept LIMIT 1)`, c.table, c.column, c.column)))
				must(t, s.Exec(ctx, `DROP TABLE kept`))
			}
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		steps, err := store.MigrationStatus(ctx, url)
		must(t, err)
		if len(steps) == 0 || steps[0].Applied {
			t.Errorf("before: %+v", steps)
		}
		applied, err := store.Migrate(ctx, url)
		must(t, err)
		again, err := store.Migrate(ctx, url)
		must(t, err)
		if len(applied) != len(steps) || len(again) != 0 {
			t.Errorf("applied %v, then %v", applied, again)
		}
		steps, err = store.MigrationStatus(ctx, url)
		must(t, err)
		if !steps[0].Applied {
			t.Errorf("after: %+v", steps)
		}
		s := open(t, url)
		must(t, s.Exec(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`))
		_, err = store.Open(ctx, url)
		is(t, err, store.ErrNewer)
		if !strings.Contains(err.Error(), "99999") {
			t.Errorf("the error says %v", err)
		}
		_, err = store.Migrate(ctx, url)
		is(t, err, store.ErrNewer)
		_, err = store.MigrationStatus(ctx, url)
		is(t, err, store.ErrNewer)
	})
}

func TestManyOpenANewStoreAtOnce(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		ids := make([]string, 5)
		for i := range ids {
			wg.Go(func() {
				s, err := store.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = s.ID()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if slices.Sort(ids); ids[0] == "" || ids[0] != ids[4] {
			t.Errorf("ids %v", ids)
		}
	})
}

// What messages about findings are made from.
func TestWhatIsTold(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		l := lock(t, s)
		a1, a2, other, later, closed := finding("a", "purpose-prohibited", "x"), finding("a", "mail-prohibited", "y"), finding("a", "report-overdue", ""), finding("a", "purpose-prohibited", "z"), finding("b", "c", "")
		other.Clause, later.FirstRun, closed.Status = "P3", "R-000002", audit.Resolved
		a1.DueAt, later.DueAt, other.DueAt, closed.DueAt = t0+7, t0+5, t0+8, t0
		p := finish(begin(t, s, l), audit.AppUpdate{Key: "a", Findings: []audit.Finding{a1, a2, other, later}}, audit.AppUpdate{Key: "b", Findings: []audit.Finding{closed}})
		p.Run.Status = audit.Finished
		want := map[string]string{}
		var keys []string
		for i := range 1100 {
			m := letter(fmt.Sprint("k", i), fmt.Sprint("#", i%3))
			p.Outbox = append(p.Outbox, m)
			keys = append(keys, m.Key)
			want[m.Key] = m.Lane
		}
		must(t, s.Night(l).Publish(ctx, p))
		lanes, err := s.Enqueued(ctx, append(keys, "unknown"))
		must(t, err)
		same(t, "lanes", lanes, want)

		ids := func(list []audit.Finding, err error) (ids []string) {
			must(t, err)
			for _, f := range list {
				ids = append(ids, f.ID)
			}
			return ids
		}
		same(t, "alike", ids(s.Alike(ctx, a1.ID)), sorted(a1.ID, a2.ID, later.ID))
		same(t, "alike one that is not kept", len(ids(s.Alike(ctx, "F-GONE"))), 0)
		same(t, "due", ids(s.DueBy(ctx, t0+7)), []string{later.ID, a1.ID})

		standings, err := s.Standings(ctx, []string{"b", "a", "unknown"})
		must(t, err)
		same(t, "standings", len(standings), 5)
		for _, x := range standings {
			if x.ID == later.ID {
				same(t, "standing", x, audit.Standing{ID: later.ID, App: "a", Clause: "P6", Status: audit.Open, FirstRun: "R-000002"})
			}
		}
		var keyed []string
		list, err := s.Keyed(ctx, "k109")
		must(t, err)
		for _, m := range list {
			keyed = append(keyed, m.Key)
		}
		same(t, "keyed", strings.Join(keyed, " "), "k109 k1090 k1091 k1092 k1093 k1094 k1095 k1096 k1097 k1098 k1099")
		for _, c := range []struct {
			from, to audit.Instant
			n        int
		}{{t0, t0 + 1, 1}, {t0 + 1, t0 + 2, 0}, {t0 - 1, t0, 0}} {
			runs, err := s.FinishedBetween(ctx, c.from, c.to)
			must(t, err)
			same(t, "finished between", len(runs), c.n)
		}

		must(t, s.Night(l).Begin(ctx, byHand())) // it runs, and has not finished
		runs, err := s.Finished(ctx, 30)
		must(t, err)
		if len(runs) != 1 || runs[0].ID != p.Run.ID {
			t.Errorf("finished: %v", runs)
		}
	})
}

func sorted(list ...string) []string { return slices.Sorted(slices.Values(list)) }

// BenchmarkPublish publishes a night of 100,000 contributions of 1,000 apps: into an empty store, and over those that are there.
func BenchmarkPublish(b *testing.B) {
	for name, url := range map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite://" + filepath.Join(b.TempDir(), "store.db") },
		"postgres": func(b *testing.B) string { return cluster.New(b) },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, url(b))
			l := lock(b, s)
			for b.Loop() {
				b.StopTimer()
				p := large(begin(b, s, l), 1000, 100)
				night := s.Night(l)
				for i := range p.Apps {
					_, _, err := night.FindingsOf(b.Context(), p.Apps[i].Key)
					must(b, err)
				}
				b.StartTimer()
				must(b, night.Publish(b.Context(), p))
			}
		})
	}
}
