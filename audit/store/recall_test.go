package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// mailed files findings of an app, and puts a notice about them into the outbox.
func mailed(t *testing.T, s *store.Store, app string, findings int) (n audit.Notice, about []audit.Finding) {
	t.Helper()
	ctx := t.Context()
	for i := range findings {
		f := finding(app, "purpose-prohibited", fmt.Sprint("purpose-", i))
		f.Status = audit.Open
		about = append(about, f)
	}
	run := publish(t, s, false, audit.AppUpdate{Key: app, StatesAt: audit.Never, Findings: about})
	n = audit.Draft("vendor of "+app, "Acme", audit.FirstNotice, run.ID, t0)
	var keys []audit.FindingRef
	for _, f := range about {
		keys = append(keys, audit.FindingRef{App: f.App, Finding: f.ID})
	}
	n, _ = n.Revise(keys, []string{"privacy@acme.example"}, []byte(`{}`), t0)
	n, _, err := n.Approve("cli:a@b", "", "sha256:1", t0)
	must(t, err)
	n, _, ok := n.Queue(run.ID, "sha256:1", t0)
	if !ok {
		t.Fatal("it is not what was approved")
	}
	must(t, s.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{n}, Open: keys,
		Messages: []audit.Message{{Key: n.Key(), Sink: "email", Lane: app, Body: []byte(`{}`), Created: t0, NextAt: t0}}}))
	return n, about
}

func resolve(ctx context.Context, s *store.Store, id string) error {
	return s.Change(ctx, id, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
		now := *f
		now.Status = audit.Resolved
		return store.Changed{Finding: now, Trail: []audit.TrailEntry{{At: t0 + 9, Who: "cli:a@b", What: "resolved"}}}, nil
	})
}

// What takes a finding back takes the mail about it out of the outbox.
func TestMailAboutWhatIsClosedDoesNotGo(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		claim := func(app string) *audit.Claim {
			c, err := s.Take(ctx, "email", app, "test", t0, t0+1)
			must(t, err)
			return c
		}
		for name, x := range map[string]struct {
			findings int
			before   func(app string)
			delivery audit.Delivery
			why      string // of the trail
			waits    bool   // in the outbox
		}{
			"never tried":          {1, nil, audit.NoticeWithdrawn, "before anybody tried", false},
			"part of it holds":     {2, nil, audit.NoticeDrafted, "drafted anew", false},
			"being tried":          {1, func(app string) { claim(app) }, audit.NoticeWithdrawn, "it may have arrived", false},
			"being tried, in part": {2, func(app string) { claim(app) }, audit.NoticeWithdrawn, "it may have arrived", false},
			"tried in vain": {1, func(app string) {
				must(t, s.Missed(ctx, claim(app), audit.Miss{At: t0, Error: "try later", Next: t0, Lane: t0, Sink: audit.Ever}))
			}, audit.NoticeWithdrawn, "it may have arrived", false},
			"surely not sent": {1, func(app string) {
				must(t, s.Missed(ctx, claim(app), audit.Miss{Error: "connection refused", Unsent: true, Next: t0, Lane: t0, Sink: audit.Ever}))
			}, audit.NoticeWithdrawn, "no attempt (1) got so far", false},
			"surely not sent, in part": {2, func(app string) {
				must(t, s.Missed(ctx, claim(app), audit.Miss{Error: "connection refused", Unsent: true, Next: t0, Lane: t0, Sink: audit.Ever}))
			}, audit.NoticeDrafted, "drafted anew", false},
			"surely not sent, but for the first time": {1, func(app string) {
				must(t, s.Missed(ctx, claim(app), audit.Miss{At: t0, Error: "no answer", Next: t0, Lane: t0, Sink: audit.Ever}))
				must(t, s.Missed(ctx, claim(app), audit.Miss{Error: "connection refused", Unsent: true, Next: t0, Lane: t0, Sink: audit.Ever}))
			}, audit.NoticeWithdrawn, "it may have arrived", false},
			"delivered": {1, func(app string) { must(t, s.Delivered(ctx, claim(app), "ok", t0, t0)) }, audit.NoticeApproved, "", true},
		} {
			for _, by := range []string{"a person", "a night"} {
				app := name + ", by " + by
				n, about := mailed(t, s, app, x.findings)
				if x.before != nil {
					x.before(app)
				}
				if by == "a person" {
					must(t, resolve(ctx, s, about[0].ID))
				} else {
					f, err := s.Finding(ctx, about[0].ID)
					must(t, err)
					f.Status = audit.Resolved
					publish(t, s, false, audit.AppUpdate{Key: app, StatesAt: audit.Never, Findings: []audit.Finding{*f}})
				}
				got, err := s.Notice(ctx, n.ID)
				must(t, err)
				if got.Delivery != x.delivery {
					t.Errorf("%s: it is %s", app, got.Delivery)
				}
				if got.Delivery == audit.NoticeDrafted && (got.Queued() || got.ApprovedBy != "" || got.Pinned != "") {
					t.Errorf("%s: it is still approved: %+v", app, got)
				}
				trail, err := s.Trail(ctx, store.TrailFilter{Finding: about[0].ID, Who: audit.ByNight})
				must(t, err)
				if x.why != "" && (len(trail) == 0 || !strings.Contains(trail[len(trail)-1].Why, x.why)) {
					t.Errorf("%s: the trail says %+v", app, trail)
				}
				if got.Delivery == audit.NoticeWithdrawn && !strings.Contains(got.Why, x.why) {
					t.Errorf("%s: %s", app, got.Why)
				}
				list, err := s.Messages(ctx)
				must(t, err)
				waits := false
				for _, m := range list {
					waits = waits || m.Key == n.Key() && m.GivenUp == nil
				}
				if waits != x.waits {
					t.Errorf("%s: it is in the outbox: %t", app, waits)
				}
				if !x.waits {
					if c, err := s.Take(ctx, "email", app, "another", t0+100, t0+101); err != nil || c != nil {
						t.Errorf("%s: it is tried: %+v, %v", app, c, err)
					}
				}
			}
		}
	})
}

// A message that somebody takes at that very moment is one that may have arrived.
func TestRecalledWhileSomebodyTakesIt(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s, other := open(t, url), open(t, url)
		taken := 0
		for i := range 12 {
			app := fmt.Sprint("app-", i)
			n, about := mailed(t, s, app, 1)
			var c *audit.Claim
			var took, closed error
			var wg sync.WaitGroup
			wg.Go(func() { c, took = other.Take(ctx, "email", app, "test", t0, t0+1) })
			wg.Go(func() { closed = resolve(ctx, s, about[0].ID) })
			wg.Wait()
			must(t, took)
			must(t, closed)
			got, err := s.Notice(ctx, n.ID)
			must(t, err)
			if may := strings.Contains(got.Why, "it may have arrived"); got.Delivery != audit.NoticeWithdrawn || may != (c != nil) {
				t.Errorf("taken %t, %s: %s", c != nil, got.Delivery, got.Why)
			}
			if c != nil {
				taken++
				must(t, other.Delivered(ctx, c, "ok", t0+2, t0+2)) // it has arrived, and that is known
				sent, err := s.Sent(ctx, []string{n.Key()})
				must(t, err)
				if m := sent[n.Key()]; m.Receipt != "ok" || m.SentAt != t0+2 {
					t.Errorf("what arrived is kept as %+v", m)
				}
			}
		}
		t.Logf("%d of 12 were taken first", taken)
	})
}

// An abnormal night also holds up what is approved and waits to be sent; its approval holds.
func TestAnAbnormalNightHoldsTheOutbox(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		waits, _ := mailed(t, s, "a", 1)
		tried, _ := mailed(t, s, "b", 1)
		if _, err := s.Take(ctx, "email", "b", "test", t0, t0+1); err != nil {
			t.Fatal(err)
		}
		l := lock(t, s)
		p := finish(begin(t, s, l))
		p.Judged = []audit.NightCount{{Run: p.Run.ID, Severe: 9, Verdict: &audit.Verdict{Limit: 1, Abnormal: true}}}
		must(t, s.Night(l).Publish(ctx, p))
		got, err := s.Notice(ctx, waits.ID)
		must(t, err)
		if got.Delivery != audit.NoticeApproved || got.Queued() || got.Pinned != waits.Pinned {
			t.Errorf("%+v", got)
		}
		if got, err = s.Notice(ctx, tried.ID); err != nil || !got.Queued() {
			t.Errorf("%+v, %v", got, err)
		}
		list, err := s.Messages(ctx)
		must(t, err)
		if len(list) != 1 || list[0].Key != tried.Key() {
			t.Errorf("in the outbox: %+v", list)
		}
	})
}
