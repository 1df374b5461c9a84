package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// What triggers and indexes keep for the console is what counting from scratch gives, whatever nights, people, the desk and purges did, in whatever order.
func TestWhatIsKeptIsWhatIsThere(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		rapid.Check(t, func(r *rapid.T) {
			for _, table := range []string{"findings", "notices", "matters"} {
				must(t, s.Exec(t.Context(), `DELETE FROM `+table))
			}
			for range rapid.IntRange(1, 4).Draw(r, "deeds") {
				rapid.SampledFrom([]func(*testing.T, *rapid.T, *store.Store){aNight, aDeed, anErasure, aNewID, aNotice, anAnswer, aPurge}).Draw(r, "deed")(t, r, s)
			}
			keptIsRight(t, r, s)
		})
	})
}

func drawnFinding(r *rapid.T) audit.Finding {
	f := finding(fmt.Sprint("com.app.", rapid.IntRange(0, 3).Draw(r, "app")), rapid.SampledFrom([]string{"purpose-prohibited", "report-overdue"}).Draw(r, "check"), fmt.Sprint("s", rapid.IntRange(0, 4).Draw(r, "subject")))
	drawn(r, &f)
	return f
}

// drawn gives a finding what changes of it.
func drawn(r *rapid.T, f *audit.Finding) {
	f.Severity = rapid.SampledFrom(audit.Severities()).Draw(r, "severity")
	f.Status = rapid.SampledFrom(audit.Statuses()).Draw(r, "status")
	f.Accounts = rapid.IntRange(0, 5).Draw(r, "accounts")
}

func aNight(t *testing.T, r *rapid.T, s *store.Store) {
	l, err := s.Lock(t.Context(), true)
	must(t, err)
	n, run := s.Night(l), byHand()
	must(t, n.Begin(t.Context(), run))
	of := map[string]map[string]audit.Finding{}
	for range rapid.IntRange(0, 6).Draw(r, "findings") {
		f := drawnFinding(r)
		if of[f.App] == nil {
			of[f.App] = map[string]audit.Finding{}
		}
		of[f.App][f.ID] = f
	}
	var apps []audit.AppUpdate
	for _, key := range slices.Sorted(maps.Keys(of)) {
		apps = append(apps, audit.AppUpdate{Key: key, StatesAt: audit.Never, Findings: slices.Collect(maps.Values(of[key]))})
	}
	_, _, err = n.FindingsOf(t.Context(), slices.Collect(maps.Keys(of))...)
	must(t, err)
	must(t, n.Publish(t.Context(), finish(run, apps...)))
	must(t, l.Release())
}

// some is a finding that is there, or nothing.
func some(t *testing.T, r *rapid.T, s *store.Store) *audit.Finding {
	list, err := s.Findings(t.Context(), store.Filter{})
	must(t, err)
	if len(list) == 0 {
		return nil
	}
	return &list[rapid.IntRange(0, len(list)-1).Draw(r, "finding")]
}

func aDeed(t *testing.T, r *rapid.T, s *store.Store) {
	if f := some(t, r, s); f != nil {
		must(t, s.Change(t.Context(), f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
			drawn(r, f)
			return store.Changed{Finding: *f}, nil
		}))
	}
}

func anErasure(t *testing.T, r *rapid.T, s *store.Store) {
	if f := some(t, r, s); f != nil {
		must(t, s.Exec(t.Context(), `DELETE FROM findings WHERE id = ?`, f.ID))
	}
}

// aNewID is what a finding gets whose subject named an account that is forgotten.
func aNewID(t *testing.T, r *rapid.T, s *store.Store) {
	if f := some(t, r, s); f != nil {
		must(t, s.Exec(t.Context(), `UPDATE findings SET id = id || 'X' WHERE id = ?`, f.ID))
		must(t, s.Exec(t.Context(), `DELETE FROM findings WHERE length(id) > 40`))
	}
}

func aNotice(t *testing.T, r *rapid.T, s *store.Store) {
	list, err := s.Notices(t.Context(), store.NoticeFilter{})
	must(t, err)
	n := audit.Notice{ID: fmt.Sprint("N-", len(list)), Vendor: "v\x00\x1b", VendorName: "V\x00", Created: t0 + audit.Instant(len(list)), ApprovedAt: audit.Never, SentAt: audit.Never, EndedAt: audit.Never, Content: []byte(`{}`)}
	if len(list) > 0 && rapid.Bool().Draw(r, "known") {
		n = list[rapid.IntRange(0, len(list)-1).Draw(r, "notice")]
	}
	n.Kind = rapid.SampledFrom([]audit.NoticeKind{audit.FirstNotice, audit.Reminder, audit.SecondNotice}).Draw(r, "kind")
	n.Delivery = rapid.SampledFrom([]audit.Delivery{audit.NoticeDrafted, audit.NoticeApproved, audit.NoticeDelivered, audit.NoticeBounced, audit.NoticeWithdrawn}).Draw(r, "delivery")
	n.About = nil
	for range rapid.IntRange(0, 4).Draw(r, "about") {
		n.About = append(n.About, drawnRef(r))
	}
	must(t, s.ChangeNotices(t.Context(), store.NoticesChanged{Notices: []audit.Notice{n}}))
}

func drawnRef(r *rapid.T) audit.FindingRef {
	k := rapid.IntRange(0, 5).Draw(r, "ref")
	return audit.FindingRef{App: fmt.Sprint("com.\x00\x1bapp.", k%2), Finding: fmt.Sprint("F-", k)}
}

func anAnswer(t *testing.T, r *rapid.T, s *store.Store) {
	list, err := s.Notices(t.Context(), store.NoticeFilter{})
	must(t, err)
	if len(list) == 0 {
		return
	}
	matters, err := s.Matters(t.Context(), false)
	must(t, err)
	m := audit.Matter{FindingRef: drawnRef(r), Answer: audit.NoAnswer}
	if i := slices.IndexFunc(matters, func(x audit.Matter) bool { return x.FindingRef == m.FindingRef }); i >= 0 {
		m = matters[i]
	}
	when := func(name string) audit.Instant {
		return rapid.SampledFrom([]audit.Instant{t0, t0 + 1, audit.Never}).Draw(r, name)
	}
	id := func(name string) string { return list[rapid.IntRange(0, len(list)-1).Draw(r, name)].ID }
	m.Vendor, m.Notice, m.Second, m.Due = list[0].Vendor, id("notice"), rapid.SampledFrom([]string{"", id("second")}).Draw(r, "again"), when("due")
	m.ClosedAt, m.DisputedAt, m.StoppedAt = when("closed"), when("disputed"), when("stopped")
	m.ExtensionAsked, m.Unanswered, m.Overdue, m.Recommended = rapid.Bool().Draw(r, "extension"), rapid.Bool().Draw(r, "unanswered"), rapid.Bool().Draw(r, "overdue"), rapid.Bool().Draw(r, "recommended")
	m.Answer = rapid.SampledFrom([]audit.VendorAnswer{audit.NoAnswer, audit.Verified, audit.Viewed}).Draw(r, "answer")
	must(t, s.ChangeNotices(t.Context(), store.NoticesChanged{Matters: []audit.Matter{m}}))
}

func aPurge(t *testing.T, r *rapid.T, s *store.Store) {
	list, err := s.Notices(t.Context(), store.NoticeFilter{})
	must(t, err)
	if len(list) > 0 {
		must(t, s.Exec(t.Context(), `DELETE FROM notices WHERE id = ?`, list[len(list)-1].ID))
	}
}

// keptIsRight compares what is kept with a count from scratch.
func keptIsRight(t *testing.T, r *rapid.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	list, err := s.Findings(ctx, store.Filter{})
	must(t, err)
	apps, statuses, checks := map[string]*store.RiskyApp{}, map[audit.Status]int{}, map[store.CheckCount]int{}
	var ids []string
	for i := range list {
		f := &list[i]
		ids = append(ids, f.ID)
		statuses[f.Status]++
		checks[store.CheckCount{Check: f.Check, Status: f.Status}]++
		if !audit.IsOpen(f.Status) {
			continue
		}
		a := apps[f.App]
		if a == nil {
			a = &store.RiskyApp{Key: f.App, Open: map[audit.Severity]int{}}
			apps[f.App] = a
		}
		a.Open[f.Severity]++
		a.Accounts = max(a.Accounts, f.Accounts)
	}
	var want []store.AppSummary
	for _, a := range apps {
		want = append(want, store.AppSummary{Key: a.Key, Open: a.Open, Accounts: a.Accounts})
	}
	store.SortByRisk(want, t0)
	risky, err := s.RiskyApps(ctx, 100)
	must(t, err)
	var got []store.AppSummary
	for _, a := range risky {
		got = append(got, store.AppSummary{Key: a.Key, Open: a.Open, Accounts: a.Accounts})
	}
	same(r, "open findings of apps", got, want)
	for _, order := range []store.Order{store.ByRisk, rapid.SampledFrom(store.Orders()).Draw(r, "order")} {
		p := store.Page{Order: order}
		p.Limit = 1000
		l, err := s.Browse(ctx, p)
		must(t, err)
		same(r, "statuses", l.Statuses, statuses)
		var listed []string
		for i := range l.Findings {
			listed = append(listed, l.Findings[i].ID)
		}
		if order == store.ByRisk {
			same(r, "what is listed", listed, ids)
		} else if len(listed) != len(ids) {
			r.Errorf("%d are listed by %s, and there are %d", len(listed), order, len(ids))
		}
	}
	counts, err := s.CheckCounts(ctx, nil)
	must(t, err)
	counted := map[store.CheckCount]int{}
	for _, c := range counts {
		counted[store.CheckCount{Check: c.Check, Status: c.Status}] = c.N
	}
	same(r, "findings of checks", counted, checks)

	notices, err := s.Notices(ctx, store.NoticeFilter{})
	must(t, err)
	matters, err := s.Matters(ctx, false)
	must(t, err)
	var heads []store.NoticeHead
	told := map[string][]string{}
	for i := range notices {
		n := &notices[i]
		h := store.NoticeHead{ID: n.ID, Vendor: n.Vendor, VendorName: n.VendorName, Created: n.Created, Delivery: n.Delivery, Due: audit.Never}
		for _, m := range matters {
			if n.Has(m.Finding) && m.By(n) && m.ClosedAt == audit.Never {
				h.Open, h.Asks, h.Due = h.Open+1, h.Asks || m.Asks() != "", min(h.Due, m.Due)
			}
		}
		heads = append(heads, h)
		for _, k := range slices.Compact(slices.Sorted(slices.Values(n.Findings()))) {
			told[k] = append(told[k], n.ID)
		}
	}
	all, err := s.NoticeHeads(ctx, "")
	must(t, err)
	same(r, "notices", all, heads)
	if len(notices) > 0 {
		of, err := s.NoticeHeads(ctx, notices[0].Vendor)
		must(t, err)
		same(r, "notices of a vendor", of, heads)
	}
	for k := range 6 {
		ref := audit.FindingRef{App: fmt.Sprint("com.\x00\x1bapp.", k%2), Finding: fmt.Sprint("F-", k)}
		x, err := s.Told(ctx, &audit.Finding{ID: ref.Finding, App: ref.App})
		must(t, err)
		var of []string
		for i := range x.Notices {
			of = append(of, x.Notices[i].ID)
		}
		same(r, "notices about "+ref.Finding, of, told[ref.Finding])
	}
}

// A page is cut where the one before ended, also where that is in the middle of equals.
func TestPagesOfApps(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		var list []audit.Finding
		for i := range 40 {
			f := finding(fmt.Sprintf("com.app.%02d", i), "purpose-prohibited", "s")
			f.Accounts = i % 3
			if i%5 == 0 {
				f.Severity = audit.Low
			}
			if i%4 == 0 {
				f.Status = audit.Resolved
			}
			list = append(list, f)
		}
		must(t, s.Fill(t.Context(), list))
		for i := range 40 {
			must(t, s.Exec(t.Context(), `UPDATE apps SET approvals = ? WHERE app_key = ?`, fmt.Sprintf(`[{"status":"approved","decided":%d,"revoked":%d}]`, t0.Add(-time.Duration(i*7%40)*24*time.Hour), audit.Never), list[i].App))
		}
		whole, err := s.AppsList(t.Context())
		must(t, err)
		store.SortByRisk(whole, t0)
		var paged []store.AppSummary
		for from := 0; from < 40; from += 7 {
			page, total, err := s.AppsByRisk(t.Context(), t0, func(*store.AppSummary) bool { return true }, from, 7)
			must(t, err)
			if total != 40 {
				t.Errorf("%d apps", total)
			}
			paged = append(paged, page...)
		}
		same(t, "apps by risk", paged, whole)
		for n := range 12 {
			var byKey, byRisk []store.AppSummary
			for from, keys := (*string)(nil), true; keys; {
				page, err := s.AppsAfter(t.Context(), from, n+1)
				must(t, err)
				if keys = len(page) == n+1; len(page) > 0 {
					from = &page[len(page)-1].Key
				}
				byKey = append(byKey, page...)
			}
			for from, more := (*string)(nil), true; more; {
				page, err := s.RiskiestAfter(t.Context(), t0, from, n+1)
				must(t, err)
				if more = len(page) == n+1; len(page) > 0 {
					from = &page[len(page)-1].Key
				}
				byRisk = append(byRisk, page...)
			}
			same(t, fmt.Sprintf("apps by risk, %d at a time", n+1), byRisk, whole)
			store.SortByRisk(byKey, t0)
			same(t, fmt.Sprintf("apps, %d at a time", n+1), byKey, whole)
		}
		nobody := "com.nobody"
		if list, err := s.RiskiestAfter(t.Context(), t0, &nobody, 3); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after an app that there is not: %v, %v", list, err)
		}
		one, total, err := s.AppsByRisk(t.Context(), t0, func(a *store.AppSummary) bool { return a.Key == "com.app.07" }, 0, 7)
		must(t, err)
		if total != 1 || len(one) != 1 || len(one[0].Approvals) != 1 {
			t.Errorf("%d fit: %+v", total, one)
		}
		if past, _, err := s.AppsByRisk(t.Context(), t0, func(*store.AppSummary) bool { return true }, 70, 7); err != nil || len(past) != 0 {
			t.Errorf("behind the last there are %v, %v", past, err)
		}
	})
}

// What somebody saw before is known also while another writes, and nothing can be noted.
func TestLookWhileAnotherWrites(t *testing.T) {
	t.Parallel()
	url := "sqlite://" + t.TempDir() + "/s.db"
	s, other := open(t, url), open(t, url)
	f := finding("com.app", "purpose-prohibited", "s")
	must(t, s.Fill(t.Context(), []audit.Finding{f}))
	_, err := s.Look(t.Context(), f.App, f.ID, "console:17 (ann)", store.Sight{At: t0, Occurrences: 3}, time.Hour)
	must(t, err)
	must(t, other.Change(t.Context(), f.ID, func(now *audit.Finding, _ []audit.Act) (store.Changed, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		before, err := s.Look(ctx, f.App, f.ID, "console:17 (ann)", store.Sight{At: t0.Add(2 * time.Hour), Occurrences: 4}, time.Hour)
		if err == nil || before == nil || before.Occurrences != 3 {
			t.Errorf("while another writes: %+v, %v", before, err)
		}
		return store.Changed{Finding: *now}, nil
	}))
}
