package store_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// many is n findings of n/5 apps, as different as those of a large market are.
func many(n int) []audit.Finding {
	checks := []string{"access-unapproved", "purpose-prohibited", "purpose-not-approved", "report-overdue", "ui-exposure", "third-party-sharing", "listing-incomplete", "feature-drift"}
	subjects := []string{"", "marketing", "training-onboarding", "webhook", "privacy-policy", "tracker.example", "html", "company-events"}
	words := []string{"Acme", "Birch", "Clover", "Dunnock", "Ember", "Fox", "Gannet", "Hazel", "Iris", "Juniper", "Kestrel", "Lark", "Moss", "Nettle", "Oak", "Petrel"}
	evidence := make([]audit.Evidence, 15)
	for i := range evidence {
		evidence[i] = audit.Evidence{At: t0, Source: audit.Source{File: 3, Line: 12345}, Site: "f58131cb-b67d-43c7-b30d-6b58d40bd077", Account: fmt.Sprintf("%024x", i), Detail: "3 accounts, by connect-jwt, for marketing"}
	}
	list := make([]audit.Finding, n)
	for i := range list {
		a := i / 5
		name := words[a%16] + " " + words[a/16%16] + " " + fmt.Sprint(a)
		k := i % len(checks)
		app := strings.ToLower("com." + strings.ReplaceAll(name, " ", "."))
		f := finding(app, checks[k], fmt.Sprint(subjects[k], i%5))
		f.AppName, f.Vendor = name, words[a%16]+" "+fmt.Sprint(a/7)
		f.Severity = audit.Severities()[(i*7)%4]
		f.Status = []audit.Status{audit.Open, audit.Open, audit.Open, audit.Open, audit.Open, audit.Acknowledged, audit.InRemediation, audit.Suppressed, audit.Resolved, audit.Resolved}[i*3%10]
		f.Title = "Addresses retrieved for a prohibited purpose (" + f.Subject + ")"
		f.Explanation = fmt.Sprintf("%d retrievals for %s, of the addresses of %d accounts on 3 sites, between 2026-11-26 07:00:57 and 2026-11-26 19:39:30 UTC. That purpose is never approved.", i%500, f.Subject, i%90)
		f.Remediation = strings.Repeat("Stop this use at once, for good: no request for it can be approved. ", 4)
		f.FirstSeen, f.LastSeen = t0.Add(time.Duration(i)*time.Second), t0.Add(time.Duration(i*31%n)*time.Minute)
		f.FirstRun, f.LastRun = fmt.Sprintf("R-%06d", 1+i%400), fmt.Sprintf("R-%06d", 1+i%401)
		f.Occurrences, f.Accounts = i%500, i%90
		if i%50 == 0 {
			f.Assignee = "console:17 (ann)"
		}
		f.Evidence = evidence
		list[i] = f
	}
	return list
}

// What is listed follows the findings, whoever writes them; every order pages through all of them once; words find what they begin.
func TestBrowse(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		s := open(t, url)
		list := many(120)
		for i := range 5 { // one app
			list[5+i].AppName, list[5+i].Vendor = "Überflieger Kalender", "Müller & Söhne"
		}
		for i := range 5 {
			list[10+i].Vendor = "Ärzte GmbH"
		}
		list[7].Assignee = "console:17 (ann)"
		must(t, s.Fill(t.Context(), list))
		ids := func(p store.Page) (ids []string) {
			t.Helper()
			p.Limit = 1000
			l, err := s.Browse(t.Context(), p)
			must(t, err)
			n := 0
			for _, k := range l.Statuses {
				n += k
			}
			if len(p.Statuses) == 0 && n != len(l.Findings) {
				t.Errorf("%+v: counted %d, and shows %d", p, n, len(l.Findings))
			}
			for _, f := range l.Findings {
				ids = append(ids, f.ID)
			}
			return ids
		}
		for _, order := range append(store.Orders(), "") {
			whole, paged := ids(store.Page{Order: order}), []string(nil)
			p := store.Page{Order: order}
			p.Limit = 7
			for {
				l, err := s.Browse(t.Context(), p)
				must(t, err)
				for _, f := range l.Findings {
					paged = append(paged, f.ID)
				}
				if !l.More {
					break
				}
				p.After = paged[len(paged)-1]
			}
			if len(whole) != len(list) || !slices.Equal(whole, paged) {
				t.Errorf("order %q: %d in one page, %d in pages of 7, or in another order", order, len(whole), len(paged))
			}
		}
		if n := len(ids(store.Page{Filter: store.Filter{Vendors: []string{"Ärzte GmbH"}}})); n != 5 {
			t.Errorf("%d findings of a vendor whose name begins with Ä", n)
		}
		for _, f := range []store.Filter{{Checks: []string{"\x00"}}, {Runs: []string{"R-\xff"}}} { // as somebody types them into an address
			if n := len(ids(store.Page{Filter: f})); n != 0 {
				t.Errorf("%+v: %d findings", f, n)
			}
		}
		if lines, err := s.QuarantineOf(t.Context(), store.QuarantineFilter{Kind: "\x00"}); err != nil || len(lines) != 0 {
			t.Errorf("quarantine of no kind: %v, %v", lines, err)
		}
		apps, err := s.RiskyApps(t.Context(), 3)
		must(t, err)
		summaries, err := s.AppsList(t.Context())
		must(t, err)
		if len(apps) != 3 || apps[0].Open[audit.Critical] < apps[1].Open[audit.Critical] {
			t.Errorf("the riskiest apps: %+v", apps)
		}
		for _, a := range apps {
			i := slices.IndexFunc(summaries, func(x store.AppSummary) bool { return x.Key == a.Key })
			if x := summaries[i]; x.Name != a.Name || x.Accounts != a.Accounts || x.Open[audit.Critical] != a.Open[audit.Critical] || x.Open[audit.Low] != a.Open[audit.Low] {
				t.Errorf("%+v is listed as %+v", a, x)
			}
		}
		vendors, err := s.VendorApps(t.Context())
		must(t, err)
		if len(vendors) != len(summaries) {
			t.Errorf("%d apps have vendors, and there are %d", len(vendors), len(summaries))
		}
		for i, a := range vendors {
			if x := summaries[i]; x.Key != a.Key || x.Name != a.Name || x.Vendor != cmp.Or(a.Vendor.Name, a.Vendor.ID) || x.Listed != a.Listed || x.Accounts != a.Accounts || !maps.Equal(x.Open, a.Open) {
				t.Errorf("%+v is a vendor's as %+v", x, a)
			}
		}
		all, err := s.Findings(t.Context(), store.Filter{})
		must(t, err)
		for i, id := range ids(store.Page{}) {
			if all[i].ID != id {
				t.Fatalf("the worst first: %s comes as number %d, and Findings has %s there", id, i, all[i].ID)
			}
		}
		one := list[7]
		for _, tt := range []struct {
			page store.Page
			want int
		}{
			{store.Page{Words: one.ID}, 1},
			{store.Page{Words: strings.ToLower(one.ID[:9])}, 1},
			{store.Page{Words: "überfl"}, 5},
			{store.Page{Words: "Überflieger kalend söhne"}, 5},
			{store.Page{Words: one.App}, 10},  // com.birch.acme.10, too
			{store.Page{Words: "flieger"}, 0}, // begins no word
			{store.Page{Words: "!?"}, 0},      // no word
			{store.Page{Words: `' OR 1=1 --`}, 0},
			{store.Page{Words: `"kestrel* NEAR(`}, 0},
			{store.Page{Words: "%"}, 0},
			{store.Page{Assignees: []string{"console:17 (ann)"}, Words: "kalender"}, 1},
			{store.Page{Filter: store.Filter{Apps: []string{one.App}}}, 5},
			{store.Page{Filter: store.Filter{Apps: []string{one.App}, Checks: []string{one.Check}}}, 1},
		} {
			if got := ids(tt.page); len(got) != tt.want {
				t.Errorf("%+v shows %d, want %d", tt.page, len(got), tt.want)
			}
		}
		must(t, s.Change(t.Context(), one.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
			f.Status, f.Assignee, f.Explanation = audit.Suppressed, "console:18 (bob)", "Zugvogel."
			return store.Changed{Finding: *f}, nil
		}))
		if got := ids(store.Page{Words: "zugv", Assignees: []string{"console:18 (bob)"}, Filter: store.Filter{Statuses: []audit.Status{audit.Suppressed}}}); !slices.Equal(got, []string{one.ID}) {
			t.Errorf("a changed finding is listed as it was: %v", got)
		}
		must(t, s.Exec(t.Context(), `UPDATE apps SET name = 'Wanderer' WHERE app_key = ?`, one.App))
		if got := ids(store.Page{Words: "wander"}); len(got) != 5 {
			t.Errorf("an app with another name is found %d times", len(got))
		}
		look := func(at audit.Instant, occurrences int) *store.Sight {
			t.Helper()
			before, err := s.Look(t.Context(), one.App, one.ID, "console:17 (ann)", store.Sight{At: at, Occurrences: occurrences}, time.Hour)
			must(t, err)
			return before
		}
		if b := look(t0, 1); b != nil {
			t.Errorf("at the first look there was one before: %+v", b)
		}
		if b := look(t0.Add(30*time.Minute), 2); b != nil {
			t.Errorf("within the visit it looks like another: %+v", b)
		}
		if b := look(t0.Add(2*time.Hour), 3); b == nil || b.Occurrences != 2 {
			t.Errorf("at the second visit the first is %+v", b)
		}
		must(t, s.Exec(t.Context(), `DELETE FROM findings WHERE id = ?`, one.ID))
		if b := look(t0.Add(4*time.Hour), 4); b != nil {
			t.Errorf("who looked at a finding that is gone is still known: %+v", b)
		}
		if got := ids(store.Page{Words: "zugv"}); len(got) != 0 || len(ids(store.Page{})) != len(list)-1 {
			t.Errorf("a finding that is gone is listed: %v", got)
		}
	})
}

// A word that very many findings have finds them, too.
func TestBrowseManyMatches(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite://"+t.TempDir()+"/s.db")
	list := many(6000)
	for i := range list {
		list[i].Evidence = nil
	}
	must(t, s.Fill(t.Context(), list))
	p := store.Page{Words: "prohibited retrievals"}
	p.Limit = 50
	l, err := s.Browse(t.Context(), p)
	must(t, err)
	if len(l.Findings) != 50 || !l.More || l.Statuses != nil {
		t.Errorf("%d findings, more %v, counts %v", len(l.Findings), l.More, l.Statuses)
	}
}

// BenchmarkBrowse gives what a page of the console asks for, of 100,000 findings.
func BenchmarkBrowse(b *testing.B) {
	list := many(100000)
	last := list[77777]
	pages := map[string]store.Page{
		"todo":       {Filter: store.Filter{Statuses: []audit.Status{audit.Open, audit.Acknowledged, audit.InRemediation}}},
		"all":        {},
		"accounts":   {Order: store.ByAccounts},
		"after":      {Order: store.ByLastSeen, After: last.ID},
		"check":      {Filter: store.Filter{Checks: []string{"report-overdue"}, Severities: []audit.Severity{audit.High}}},
		"app":        {Filter: store.Filter{Apps: []string{last.App}}},
		"vendor":     {Filter: store.Filter{Vendors: []string{last.Vendor}}},
		"run":        {Filter: store.Filter{Runs: []string{"R-000400"}}},
		"mine":       {Assignees: []string{"console:17 (ann)"}},
		"word-rare":  {Words: "kestrel 4711"},
		"word-mid":   {Words: "kestrel"},
		"word-all":   {Words: "prohibited"},
		"word-two":   {Words: "marketing moss"},
		"word-id":    {Words: last.ID},
		"word-none":  {Words: "nowhere"},
		"word-start": {Words: "kes"},
	}
	each := func(b *testing.B, s *store.Store) {
		must(b, s.Fill(b.Context(), list))
		must(b, s.Analyze(b.Context()))
		b.Run("apps", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.RiskyApps(b.Context(), 12); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("ranking", func(b *testing.B) {
			for b.Loop() {
				apps, err := s.AppsList(b.Context())
				must(b, err)
				store.SortByRisk(apps, t0)
			}
		})
		b.Run("checks", func(b *testing.B) {
			for b.Loop() {
				_, err := s.CheckCounts(b.Context(), nil)
				must(b, err)
			}
		})
		b.Run("suppressions", func(b *testing.B) {
			for b.Loop() {
				_, err := s.Suppressions(b.Context(), t0, 0, 0, 51)
				must(b, err)
			}
		})
		for name, p := range pages {
			p.Limit = 50
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Browse(b.Context(), p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("sqlite", func(b *testing.B) { each(b, open(b, "sqlite://"+b.TempDir()+"/s.db")) })
	b.Run("postgres", func(b *testing.B) { each(b, open(b, cluster.New(b))) })
}
