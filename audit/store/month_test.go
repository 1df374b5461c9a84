package store_test

import (
	"cmp"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// Moments part the trail without a gap: nights go by what they are as of, whatever the clock was, and people by the clock. Histories and acts come as they were.
func TestAMonthOfTheTrail(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		const day = audit.Instant(24 * time.Hour)
		mail, quiet := finding("acme", "purpose-prohibited", "marketing"), finding("birch", "access-unapproved", "")
		night := func(asOf, clock audit.Instant, status audit.RunStatus, entries ...audit.TrailEntry) int64 {
			t.Helper()
			l := lock(t, s)
			run := byHand()
			run.AsOf, run.StartedAt = asOf, clock
			must(t, s.Night(l).Begin(ctx, run))
			if status == audit.Failed {
				must(t, s.Fail(ctx, run, errors.New("the disk is full")))
				must(t, l.Release())
				return 0
			}
			for i := range entries {
				entries[i].At = clock
			}
			var apps []audit.AppUpdate
			if run.Seq == 1 {
				apps = []audit.AppUpdate{
					{Key: "acme", StatesAt: audit.Never, Findings: []audit.Finding{mail}, Trail: entries,
						Version: &audit.AppVersion{From: audit.Ever, App: &audit.App{Key: "acme", Name: "Acme", Vendor: audit.Vendor{ID: "v1", Name: "Acmé"}}}},
					{Key: "birch", StatesAt: audit.Never, Findings: []audit.Finding{quiet}}}
			} else {
				apps = []audit.AppUpdate{{Key: "acme", StatesAt: audit.Never, Trail: entries}}
			}
			must(t, s.Night(l).Publish(ctx, finish(run, apps...)))
			must(t, l.Release())
			return run.Summary.Trail.Seq
		}
		person := func(at audit.Instant, what string) {
			must(t, s.Record(ctx, audit.TrailEntry{At: at, Who: "cli:a@b", What: what, Finding: mail.ID}))
		}

		late := t0 + 100*day // nights of the first days are made up long after
		before, err := s.TrailBefore(ctx, late)
		must(t, err)
		same(t, "an empty trail", before, store.Entry{})
		one := night(t0, late, audit.Finished, entry("filed", mail.ID), entry("grew", mail.ID))
		person(late, "acknowledged") // long after the third day, before a night that is as of then
		two := night(t0+day, late+1, audit.Finished, entry("resolved", mail.ID))
		night(t0+2*day, late+2, audit.Failed)
		last := night(late+day, late+day, audit.Finished, entry("reopened", mail.ID))
		person(late+day+1, "commented")
		for moment, want := range map[audit.Instant]int64{t0: 0, t0 + 1: one, t0 + day: one, t0 + day + 1: two, late: two, late + day: two, late + day + 1: last, late + 2*day: last + 1} {
			e, err := s.TrailBefore(ctx, moment)
			if must(t, err); e.Seq != want {
				t.Errorf("before %s: entry %d, not %d", moment, e.Seq, want)
			}
			if seq, err := s.FindHead(ctx, cmp.Or(e.Hash, strings.Repeat("0", 64))); want > 0 && (err != nil || seq != want) {
				t.Errorf("before %s: head %q is entry %d, %v", moment, e.Hash, seq, err)
			}
		}
		runs, err := s.RunsAsOf(ctx, t0, t0+3*day)
		must(t, err)
		var got []string
		for _, r := range runs {
			got = append(got, r.ID+" "+string(r.Status))
		}
		same(t, "runs", got, []string{"R-000001 finished", "R-000002 finished", "R-000003 failed"})

		var told []string
		must(t, s.Histories(ctx, two, []string{"grew"}, func(h *store.History) error {
			told = append(told, h.ID+" of "+h.AppName+" of "+h.Vendor.Name)
			for _, e := range h.Entries {
				told = append(told, e.What+" "+e.Why)
			}
			if h.Filed != t0 || h.Severity != audit.Critical || h.Subject != "marketing" {
				t.Errorf("%+v", h)
			}
			return nil
		}))
		same(t, "histories", told, []string{mail.ID + " of Acme of Acmé", "filed because", "acknowledged ", "resolved because"})
		if err := s.Histories(ctx, two, []string{"grew"}, func(*store.History) error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("an error of the caller's: %v", err)
		}

		for i, a := range []audit.Act{{At: t0, Until: t0 + day, Ended: audit.Never}, {At: t0 + 1, Until: t0 + 9*day, Ended: t0 + 2*day}, {At: t0 + 5*day, Until: t0 + 9*day, Ended: audit.Never}} {
			a.Kind, a.Reason, a.By = audit.Suppress, "reason "+string(rune('a'+i))+hostileJSON(), "cli:a@b"
			must(t, s.Change(ctx, mail.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
				return store.Changed{Finding: *f, NewActs: []audit.Act{a}}, nil
			}))
		}
		during := func(from, to audit.Instant) string {
			var out []string
			for after := int64(0); ; {
				list, err := s.ActsDuring(ctx, from, to, after, 1)
				if must(t, err); len(list) == 0 {
					return strings.Join(out, "")
				}
				after = list[0].ID
				if !strings.HasSuffix(list[0].Reason, hostileJSON()) || list[0].Vendor != "Acmé" || list[0].Clause != "P6" || list[0].Finding != mail.ID {
					t.Errorf("%+v", list[0])
				}
				out = append(out, list[0].Reason[len("reason "):][:1])
			}
		}
		for _, c := range []struct {
			from, to audit.Instant
			want     string
		}{{t0, t0, "a"}, {t0, t0 + 1, "ab"}, {t0 + day, t0 + day, "ab"}, {t0 + day + 1, t0 + 4*day, "b"}, {t0 + 2*day + 1, t0 + 5*day, "c"}, {t0, t0 + 9*day, "abc"}, {t0 + 10*day, t0 + 20*day, ""}} {
			if got := during(c.from, c.to); got != c.want {
				t.Errorf("acts from %s to %s: %q, not %q", c.from, c.to, got, c.want)
			}
		}
		spans, err := s.TrailSpans(ctx, []string{mail.ID, quiet.ID})
		must(t, err)
		same(t, "spans", spans, map[string]store.Span{mail.ID: {First: late, Last: late + day + 1}})
	})
}
