// Package nighttest files findings as a night does, and does what people do to them, for tests of what shows them.
package nighttest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

const day = 24 * time.Hour

// Finding is one as a night files it that is over by now.
func Finding(check, app, subject string, severity audit.Severity, now audit.Instant) audit.Finding {
	id := audit.FindingID(check, app, subject)
	return audit.Finding{ID: id, Check: check, App: app, Subject: subject, Clause: "P6", Severity: severity, Confidence: audit.Certain, Status: audit.Open,
		Title: "Addresses retrieved for a prohibited purpose (" + subject + ")", Explanation: "12 retrievals for " + subject + ", of the addresses of 9 accounts on 1 site.", Remediation: "Stop it.",
		FirstSeen: now.Add(-2 * day), LastSeen: now.Add(-day), Occurrences: 12, Accounts: 9, Sites: 1, NotifiedAt: audit.Never, DueAt: audit.Never, PolicyDigest: "sha256:00",
		Evidence: []audit.Evidence{{At: now.Add(-day), Source: audit.Source{File: 1, Line: 7}, Site: "site-a", Account: "5b10a2844c20165700ede21f", Detail: "1 account, for " + subject}}}
}

// File publishes a run that files or changes findings, and gives its id. Apps are called by their keys' last part, and are of one vendor.
func File(t testing.TB, s *store.Store, now audit.Instant, vendor audit.Vendor, list ...audit.Finding) string {
	t.Helper()
	ctx := t.Context()
	run := &audit.Run{AsOf: now.Add(-5 * time.Hour), ScheduledAt: audit.Never, StartedAt: now.Add(-time.Minute), FinishedAt: audit.Never, By: "test"}
	run.Summary = audit.RunSummary{Sources: []audit.SourceResult{{Kind: audit.KindAccess, Path: "logs/*.jsonl", Lines: 1200, Quarantined: 3, Looked: true}, {Kind: audit.KindReports, Path: "reports.jsonl", Trouble: "it is missing"}},
		Checks: []audit.CheckResult{{ID: "purpose-prohibited", Looked: true}, {ID: "report-overdue", Why: "reports could not be looked at"}}, Findings: audit.FindingCounts{New: len(list), Open: len(list)}}
	return publish(t, s, run, now, func(id string) []audit.AppUpdate {
		updates := map[string]*audit.AppUpdate{}
		for _, f := range list {
			what := "filed"
			if known, err := s.Finding(ctx, f.ID); err == nil {
				f.FirstRun, f.Status, f.Assignee, f.Recommendation, what = known.FirstRun, known.Status, known.Assignee, known.Recommendation, "grew"
			} else if f.FirstRun = id; !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			f.LastRun, f.Latest = id, audit.Latest{Run: id, Occurrences: f.Occurrences, Accounts: f.Accounts}
			u := updates[f.App]
			if u == nil {
				u = &audit.AppUpdate{Key: f.App, StatesAt: audit.Never, Version: &audit.AppVersion{From: now, App: &audit.App{Key: f.App, Name: "App " + f.App[strings.LastIndex(f.App, ".")+1:], Vendor: vendor}}}
				updates[f.App] = u
			}
			u.Findings = append(u.Findings, f)
			u.Trail = append(u.Trail, audit.TrailEntry{At: now, Who: "night", What: what, Finding: f.ID, Details: map[string]any{"added": float64(f.Occurrences)}})
			for i := range 3 {
				u.Put = append(u.Put, audit.Contribution{Check: f.Check, App: f.App, Subject: f.Subject, Day: now.Day() - audit.Day(i), Occurrences: []uint64{uint64(i), 1 << 62}, First: f.FirstSeen, Last: f.LastSeen,
					Accounts: audit.NewIDs("5b10a2844c20165700ede21f"), Sites: audit.NewIDs("site-a"), Evidence: f.Evidence})
			}
		}
		var out []audit.AppUpdate
		for _, u := range updates {
			out = append(out, *u)
		}
		slices.SortFunc(out, func(x, y audit.AppUpdate) int { return strings.Compare(x.Key, y.Key) })
		return out
	})
}

// Publish publishes a run that changes apps.
func Publish(t testing.TB, s *store.Store, run *audit.Run, now audit.Instant, updates ...audit.AppUpdate) string {
	t.Helper()
	return publish(t, s, run, now, func(string) []audit.AppUpdate { return updates })
}

func publish(t testing.TB, s *store.Store, run *audit.Run, now audit.Instant, updates func(run string) []audit.AppUpdate) string {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lease, err := s.Lock(ctx, true)
	must(err)
	n := s.Night(lease)
	must(n.Begin(ctx, run))
	run.FinishedAt = now
	p := &audit.Publication{Run: run, Purged: audit.StateDay, Apps: updates(run.ID), Files: []audit.File{{ID: 1, Kind: audit.KindAccess, Path: "logs/access-1.jsonl"}}}
	for _, u := range p.Apps {
		_, _, err := n.FindingsOf(ctx, u.Key)
		must(err)
	}
	must(n.Publish(ctx, p))
	must(lease.Release())
	return run.ID
}

// Deeds does what people want, as the command line does.
type Deeds struct {
	Store  *store.Store
	AsOf   audit.Instant
	Policy *audit.Policy // nil: the built-in one
}

// Do does a deed to the finding of an id.
func (x Deeds) Do(ctx context.Context, d audit.Deed, id string) error {
	d.Policy, d.AsOf = cmp.Or(x.Policy, audit.DefaultPolicy()), x.AsOf
	held, err := x.Store.Holding(ctx, id)
	if err != nil {
		return err
	}
	d.Sites = held.Sites
	return x.Store.Change(ctx, id, func(f *audit.Finding, acts []audit.Act) (store.Changed, error) {
		done, err := d.Do(*f, acts)
		if err != nil {
			return store.Changed{}, err
		}
		return store.Changed{Finding: done.Finding, NewActs: done.Begun, EndedActs: done.Ended, Trail: done.Trail, Approvals: done.Approvals, Judge: done.Judge}, nil
	})
}
