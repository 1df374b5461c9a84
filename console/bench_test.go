//go:build unix

package console_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/console"
	"github.com/mailreeve/mailreeve/internal/nighttest"
	"github.com/mailreeve/mailreeve/internal/pgtest"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// What BenchmarkPages fills a store with.
const (
	benchFindings   = 100_000
	benchApps       = 5_000
	benchVendors    = 800
	benchNotices    = 3_000
	benchTrail      = 1_000_000
	benchActs       = 300
	benchQuarantine = 20_000
	benchNights     = 100
	benchEvidence   = 10_000 // of the first finding
	benchRequests   = 10
)

const (
	benchStores = "MAILREEVE_BENCH_STORES" // stores to measure on, by space, filled where they are empty, and kept; empty: a new one of each kind
	benchNight  = "MAILREEVE_BENCH_NIGHT"  // makes a process write nights into this store until it is killed
	benchOnly   = "MAILREEVE_BENCH_ONLY"   // measures only the page of this name
)

// BenchmarkPages prints how long each page of the console takes with 100,000 findings: the median and the 90th percentile of 10 requests, in ms. "at rest" nothing
// else happens, "changed" a finding is changed before each request, and "night" another process publishes one night after the other, each changing 2,000 findings. CPU is the median of what the console's process used, user and
// system: of a Postgres only what is on this side.
func BenchmarkPages(b *testing.B) {
	if url := os.Getenv(benchNight); url != "" {
		writeNights(b, url)
		return
	}
	urls := strings.Fields(os.Getenv(benchStores))
	if len(urls) == 0 {
		var cluster pgtest.Cluster
		b.Cleanup(func() { must(b, cluster.Close()) })
		urls = []string{"sqlite://" + filepath.Join(b.TempDir(), "s.db"), cluster.New(b)}
	}
	for _, url := range urls {
		kind, _, _ := strings.Cut(url, ":")
		b.Run(kind, func(b *testing.B) { measurePages(b, url) })
	}
}

func measurePages(b *testing.B, storeURL string) {
	s, err := store.Open(b.Context(), storeURL)
	must(b, err)
	defer s.Close()
	if runs, err := s.Runs(b.Context(), 1); err != nil || len(runs) == 0 {
		must(b, err)
		fillStore(b, s)
	}
	serverURL := serveBench(b, s)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(path string) time.Duration {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, serverURL+path, nil)
		must(b, err)
		r.AddCookie(&http.Cookie{Name: "mailreeve-session", Value: "bench"})
		began := time.Now()
		answer, err := client.Do(r)
		must(b, err)
		page, err := io.ReadAll(answer.Body)
		took := time.Since(began)
		must(b, err)
		must(b, answer.Body.Close())
		if answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s: %s", path, answer.Status, text(string(page)))
		}
		return took
	}
	pages := benchPages(b, s)
	if only := os.Getenv(benchOnly); only != "" {
		pages = slices.DeleteFunc(pages, func(p [2]string) bool { return p[0] != only })
	}
	changes := 0
	change := func() {
		changes++
		f := benchFinding(changes * 7919 % benchFindings)
		must(b, s.Change(b.Context(), f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
			if f.Status = audit.Acknowledged; changes%2 == 0 {
				f.Status = audit.Open
			}
			return store.Changed{Finding: *f, Trail: []audit.TrailEntry{{At: start, Who: "console:ann (ann)", What: "acknowledged", Finding: f.ID}}}, nil
		}))
	}
	series := func(before func()) map[string][3]float64 {
		out := map[string][3]float64{}
		for _, p := range pages {
			get(p[1])
			var took, used []time.Duration
			for range benchRequests {
				before()
				began := cpuTime(b)
				took = append(took, get(p[1]))
				used = append(used, cpuTime(b)-began)
			}
			ms := func(list []time.Duration, q float64) float64 {
				slices.Sort(list)
				return float64(list[int(q*float64(len(list)-1))].Microseconds()) / 1000
			}
			out[p[0]] = [3]float64{ms(took, 0.5), ms(took, 0.9), ms(used, 0.5)}
			fmt.Fprintf(os.Stderr, "%s: %.0f\n", p[0], out[p[0]])
		}
		return out
	}
	all := []map[string][3]float64{series(func() {}), series(change)}
	night := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=BenchmarkPages", "-test.benchtime=1x")
	night.Env = append(os.Environ(), benchNight+"="+storeURL)
	night.Stderr = os.Stderr
	must(b, night.Start())
	time.Sleep(2 * time.Second)
	all = append(all, series(func() {}))
	_ = night.Process.Kill()
	_ = night.Wait() // it was killed
	runs, err := s.Runs(b.Context(), 1)
	must(b, err)
	fmt.Printf("\n%s, %d CPUs, up to %s\n", storeURL, runtime.NumCPU(), runs[0].ID)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.AlignRight|tabwriter.Debug)
	fmt.Fprintln(w, "page\tat rest\tp90\tCPU\tchanged\tp90\tCPU\tnight\tp90\tCPU\t")
	worst := 0.0
	for _, p := range pages {
		fmt.Fprint(w, p[0], "\t")
		for _, m := range all {
			fmt.Fprintf(w, "%.0f\t%.0f\t%.0f\t", m[p[0]][0], m[p[0]][1], m[p[0]][2])
			worst = max(worst, m[p[0]][0])
		}
		fmt.Fprintln(w)
	}
	must(b, w.Flush())
	b.ReportMetric(worst, "ms-worst-median")
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serveBench serves a console on s, with the session "bench".
func serveBench(b *testing.B, s *store.Store) string {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	site, err := web.New(web.Config{Listen: "127.0.0.1:0", Log: log})
	must(b, err)
	clock := func() time.Time { return start.Time() }
	cfg := &config.Config{Policy: audit.DefaultPolicy(), Notices: config.Notices{From: "audit@market.example", SMTP: "smtp://127.0.0.1:1"}}
	desk := notices.New(s, cfg, clock, log)
	var ids []string
	for _, parts := range checks.Catalogue() {
		ids = append(ids, parts[0].ID)
	}
	c, err := console.New(console.Config{Site: site, Store: s, Deeds: nighttest.Deeds{Store: s, AsOf: start}, Desk: desk, Policy: audit.DefaultPolicy(), Clock: clock, Log: log,
		Check: checks.Get, Checks: ids, Clause: checks.ClauseText, Drift: checks.Drift, Fold: checks.PlainWords, Outbox: outbox{s},
		Settings: "store: bench\n", Ready: func(ctx context.Context) []string {
			_, err := s.CountStuck(ctx, start)
			must(b, err)
			return nil
		}})
	must(b, err)
	server := httptest.NewServer(c.Handler())
	b.Cleanup(server.Close)
	c.Listening(server.Listener.Addr())
	digest := sha256.Sum256([]byte("bench"))
	must(b, s.Logout(b.Context(), hex.EncodeToString(digest[:])))
	must(b, s.Login(b.Context(), store.Session{Digest: hex.EncodeToString(digest[:]), Who: "console:ann (ann)", Name: "ann", Role: string(console.Admin), Created: start, Expires: start.Add(12 * time.Hour)}))
	return server.URL
}

// benchPages are the pages by name: all of them, and what narrows and sorts them.
func benchPages(b *testing.B, s *store.Store) [][2]string {
	list, err := s.Notices(b.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDelivered}})
	must(b, err)
	run, err := s.Finished(b.Context(), 1)
	must(b, err)
	wide, f := benchFinding(0), benchFinding(77_777)
	return [][2]string{
		{"tonight", "/"},
		{"findings", "/findings"},
		{"findings, all", "/findings?status=all"},
		{"findings, page 2", "/findings?after=" + f.ID},
		{"findings, last seen", "/findings?sort=last-seen"},
		{"findings, resolved by due", "/findings?status=resolved&sort=due"},
		{"findings, check and severity", "/findings?check=report-overdue&severity=high"},
		{"findings, check by accounts", "/findings?check=ui-exposure&sort=accounts"},
		{"findings, vendor", "/findings?vendor=" + url.QueryEscape(f.Vendor)},
		{"findings, app", "/findings?app=" + f.App},
		{"findings, run", "/findings?status=all&run=" + run[0].ID},
		{"findings, nobody's", "/findings?assignee=none"},
		{"findings, somebody's", "/findings?assignee=" + url.QueryEscape("console:ann (ann)")},
		{"findings, rare words", "/findings?q=" + url.QueryEscape("kestrel 17")},
		{"findings, a common word", "/findings?q=kestrel"},
		{"findings, a word of most", "/findings?q=retrievals"},
		{"findings, JSON", "/findings?format=json"},
		{"finding", "/findings/" + f.ID},
		{"finding, 10,000 rows", "/findings/" + wide.ID},
		{"tasks", "/tasks"},
		{"notices", "/notices"},
		{"notices, all", "/notices?state=all"},
		{"notice", "/notices/" + list[0].ID},
		{"vendors", "/vendors"},
		{"vendors, words", "/vendors?q=acme"},
		{"vendor", "/vendors/" + url.PathEscape(list[0].Vendor)},
		{"apps", "/apps"},
		{"apps, words", "/apps?q=acme"},
		{"apps, last page", "/apps?from=4950"},
		{"app", "/apps/" + f.App},
		{"app, 90 days", "/apps/" + wide.App},
		{"runs", "/runs"},
		{"run", "/runs/" + run[0].ID},
		{"quarantine", "/quarantine"},
		{"checks", "/checks"},
		{"suppressions", "/suppressions"},
		{"trail", "/trail"},
		{"trail, somebody's", "/trail?who=" + url.QueryEscape("console:eve (eve)")},
		{"trail, what", "/trail?what=released"},
		{"trail, somebody's what", "/trail?who=night&what=released"},
		{"settings", "/settings"},
		{"sessions", "/sessions"},
	}
}

// benchApp is the app of a finding: the first has 2,000 of them, all others about 20.
func benchApp(i int) int {
	if i < 2000 {
		return 0
	}
	return 1 + i*31%(benchApps-1)
}

func benchVendor(app int) audit.Vendor {
	k := app % benchVendors
	words := []string{"Acme", "Birch", "Clover", "Dunnock", "Ember", "Fox", "Gannet", "Hazel", "Iris", "Juniper", "Kestrel", "Lark", "Moss", "Nettle", "Oak", "Petrel"}
	return audit.Vendor{ID: fmt.Sprintf("v-%04d", k), Name: words[k%16] + " " + words[k/16%16] + fmt.Sprint(" ", k), Contacts: []string{"security@vendor.example"}}
}

func benchKey(app int) string { return fmt.Sprintf("com.vendor%d.app%d", app%benchVendors, app) }

// benchFinding is number i, always the same.
func benchFinding(i int) audit.Finding {
	kinds := []string{"access-unapproved", "purpose-prohibited", "purpose-not-approved", "report-overdue", "ui-exposure", "third-party-sharing", "listing-incomplete", "feature-drift"}
	statuses := []audit.Status{audit.Open, audit.Open, audit.Open, audit.Open, audit.Open, audit.Acknowledged, audit.InRemediation, audit.Resolved, audit.Resolved, audit.FalsePositive}
	app, check := benchApp(i), kinds[i*5%len(kinds)]
	v := benchVendor(app)
	f := finding(check, benchKey(app), fmt.Sprintf("subject-%d", i), audit.Severities()[i*7%4])
	f.AppName, f.Vendor = fmt.Sprintf("%s %d", v.Name, app), v.Name
	f.Status = statuses[i*3%10]
	f.Title = "Addresses retrieved for a prohibited purpose (" + f.Subject + ")"
	f.Explanation = fmt.Sprintf("%d retrievals for %s, of the addresses of %d accounts on 3 sites, between 2026-11-26 07:00:57 and 2026-11-26 19:39:30 UTC. That purpose is never approved.", i%500, f.Subject, i%90)
	f.Remediation = strings.Repeat("Stop this use at once, for good: no request for it can be approved. ", 4)
	f.FirstSeen, f.LastSeen = start.Add(-time.Duration(i)*time.Minute), start.Add(-time.Duration(i*31%benchFindings)*time.Second)
	f.Occurrences, f.Accounts, f.DueAt = i%500+1, i%90+1, start.Add(time.Duration(i%1000)*time.Hour)
	if i%50 == 0 {
		f.Assignee = "console:ann (ann)"
	}
	n := 15
	if i == 0 {
		n = benchEvidence
	}
	f.Evidence = make([]audit.Evidence, n)
	for k := range f.Evidence {
		f.Evidence[k] = audit.Evidence{At: start, Source: audit.Source{File: 3, Line: uint64(k)}, Site: "f58131cb-b67d-43c7-b30d-6b58d40bd077", Account: fmt.Sprintf("%024x", k), Detail: "3 accounts, by connect-jwt, for marketing"}
	}
	return f
}

// benchPut is what a finding has on a day.
func benchPut(f *audit.Finding, day audit.Day) audit.Contribution {
	return audit.Contribution{Check: f.Check, App: f.App, Subject: f.Subject, Day: day, Occurrences: []uint64{1, 2, 3, 1 << 62}, First: f.FirstSeen, Last: f.LastSeen,
		Accounts: audit.NewIDs("5b10a2844c20165700ede21f", "5b10a2844c20165700ede220"), Sites: audit.NewIDs("site-a"), Evidence: f.Evidence[:3]}
}

// publishBench publishes a run. change makes what it publishes of apps.
func publishBench(b *testing.B, s *store.Store, apps []string, change func(run *audit.Run, known map[string]audit.Finding) []audit.AppUpdate) {
	lease, err := s.Lock(b.Context(), true)
	must(b, err)
	n := s.Night(lease)
	run := &audit.Run{AsOf: start.Add(-5 * time.Hour), ScheduledAt: audit.Never, StartedAt: start.Add(-time.Minute), FinishedAt: audit.Never, By: "bench"}
	must(b, n.Begin(b.Context(), run))
	run.FinishedAt = start
	for i := range 8 {
		run.Summary.Sources = append(run.Summary.Sources, audit.SourceResult{Kind: audit.KindAccess, Path: fmt.Sprintf("logs/%d-*.jsonl", i), Lines: 300_000, Looked: true})
	}
	for _, parts := range checks.Catalogue() {
		run.Summary.Checks = append(run.Summary.Checks, audit.CheckResult{ID: parts[0].ID, Looked: true})
	}
	found, _, err := n.FindingsOf(b.Context(), apps...)
	must(b, err)
	known := map[string]audit.Finding{}
	for _, f := range found {
		known[f.ID] = f
	}
	p := &audit.Publication{Run: run, Purged: audit.StateDay, Apps: change(run, known)}
	for _, a := range p.Apps {
		run.Summary.Findings.New += len(a.Findings)
	}
	p.Judged = []audit.NightCount{{Run: run.ID, AsOf: run.AsOf, Severe: 7, Verdict: &audit.Verdict{Limit: 100_000}}}
	must(b, n.Publish(b.Context(), p))
	must(b, lease.Release())
}

// fillStore fills a store by what fills it in earnest: nights, people, and the desk.
func fillStore(b *testing.B, s *store.Store) {
	ctx := b.Context()
	began := time.Now()
	defer func() { fmt.Fprintln(os.Stderr, "filled", s, "in", time.Since(began).Round(time.Second)) }()
	today := start.Day()
	publishBench(b, s, nil, func(run *audit.Run, _ map[string]audit.Finding) (list []audit.AppUpdate) {
		for app := range benchApps {
			v := benchVendor(app)
			u := audit.AppUpdate{Key: benchKey(app), StatesAt: audit.Never, SetApprovals: true, Version: &audit.AppVersion{From: start.Add(-100 * day), App: &audit.App{Key: benchKey(app), Name: fmt.Sprintf("%s %d", v.Name, app), Vendor: v}}}
			for k := range 2 {
				u.Approvals = append(u.Approvals, audit.Approval{RequestID: fmt.Sprintf("r-%d-%d", app, k), Status: audit.Approved, Decided: start.Add(-time.Duration(app%900+k*30) * day), Revoked: audit.Never,
					Purposes: []string{"company-events", "training-onboarding"}, Functionality: strings.Repeat("It mails people what they asked for. ", 4), ThirdParties: []string{"mail.example", "cdn.example"}})
			}
			days := 3
			if app == 0 {
				days = 90
			}
			for d := range days {
				at := today - audit.Day(d)
				u.Headers = append(u.Headers, audit.DayHeader{Day: at, FirstRetrieval: at.Start(), LastRetrieval: at.Start().Add(time.Hour), LastReport: audit.Ever, RetrievalAfterReport: audit.Ever, Newest: at.Start().Add(time.Hour)})
				for k := range 2 {
					u.Packs = append(u.Packs, audit.Pack{App: u.Key, Day: at, Kind: audit.PackKind(k + 1), Segment: fmt.Sprintf("s-%d", d), Offset: int64(app*2+k) * 100, Length: 100, Records: 60, First: at.Start(), Last: at.Start().Add(time.Hour), Run: run.Seq})
				}
			}
			if app == 0 {
				for k := range 1000 {
					u.Events = append(u.Events, audit.Lifecycle{At: start.Add(-50 * day), App: u.Key, Site: fmt.Sprintf("site-%d", k), Event: 1, Users: 10})
				}
			}
			list = append(list, u)
		}
		return list
	})
	each := benchFindings / benchNights
	for night := range benchNights {
		publishBench(b, s, nil, func(run *audit.Run, _ map[string]audit.Finding) (list []audit.AppUpdate) {
			of := map[string]*audit.AppUpdate{}
			var keys []string
			for i := night * each; i < (night+1)*each; i++ {
				f := benchFinding(i)
				f.FirstRun, f.LastRun = run.ID, run.ID
				u := of[f.App]
				if u == nil {
					u = &audit.AppUpdate{Key: f.App, StatesAt: audit.Never}
					of[f.App] = u
					keys = append(keys, f.App)
				}
				u.Findings = append(u.Findings, f)
				u.Trail = append(u.Trail, audit.TrailEntry{At: start, Who: audit.ByNight, What: "filed", Finding: f.ID})
				days := 2
				if i < 200 {
					days = 90
				}
				for d := range days {
					u.Put = append(u.Put, benchPut(&f, today-audit.Day(d*(1+i%7))))
				}
			}
			for _, key := range keys {
				list = append(list, *of[key])
			}
			return list
		})
	}
	for i := range benchActs {
		f := benchFinding(i * 301)
		must(b, s.Change(ctx, f.ID, func(f *audit.Finding, _ []audit.Act) (store.Changed, error) {
			f.Status = audit.Suppressed
			return store.Changed{Finding: *f, NewActs: []audit.Act{{Kind: audit.Suppress, Finding: f.ID, App: f.App, Reason: "pilot", By: "console:ann (ann)", At: start, Until: start.Add(100 * day), Ended: audit.Never}},
				Trail: []audit.TrailEntry{{At: start, Who: "console:ann (ann)", What: "suppressed", Finding: f.ID}}}, nil
		}))
	}
	content, err := json.Marshal(map[string]string{"body": strings.Repeat("What was found, and what is to be done about it. ", 80)})
	must(b, err)
	deliveries := []audit.Delivery{audit.NoticeDelivered, audit.NoticeDelivered, audit.NoticeDelivered, audit.NoticeDelivered, audit.NoticeDelivered, audit.NoticeDelivered, audit.NoticeDrafted, audit.NoticeWithdrawn, audit.NoticeApproved, audit.NoticeBounced}
	told := 0
	for from := 0; from < benchNotices; from += 500 {
		var c store.NoticesChanged
		for i := from; i < from+500; i++ {
			f := benchFinding(2000 + told)
			v := benchVendor(benchApp(2000 + told))
			n := audit.Notice{Vendor: audit.VendorKey(f.App, v), VendorName: v.Name, Kind: audit.FirstNotice, Run: fmt.Sprintf("R-%06d", i), Created: start.Add(-time.Duration(i) * time.Hour), Recipients: v.Contacts, Content: content,
				Delivery: deliveries[i%10], ApprovedAt: audit.Never, SentAt: audit.Never, EndedAt: audit.Never}
			n.ID = audit.NoticeID(n.Vendor, n.Run)
			for range 1 + i%4 {
				f := benchFinding(2000 + told)
				n.About = append(n.About, audit.FindingRef{App: f.App, Finding: f.ID})
				if n.Delivery == audit.NoticeDelivered {
					m := audit.Matter{FindingRef: audit.FindingRef{App: f.App, Finding: f.ID}, Vendor: n.Vendor, Check: f.Check, Severity: f.Severity, Notice: n.ID, Approver: "console:ann (ann)", Notified: n.Created, Due: start.Add(time.Duration(told%500) * time.Hour),
						Answer: audit.NoAnswer, ClaimedAt: audit.Never, DisputedAt: audit.Never, StoppedAt: audit.Never, SecondAt: audit.Never, ClosedAt: audit.Never}
					switch told % 5 {
					case 0, 1:
						m.ClosedAt = start
					case 2:
						m.ExtensionAsked = true
					}
					c.Matters = append(c.Matters, m)
				}
				told++
			}
			c.Notices = append(c.Notices, n)
		}
		must(b, s.ChangeNotices(ctx, c))
	}
	for from := 0; from < benchQuarantine; from += 5000 {
		var lines []audit.Quarantined
		for i := from; i < from+5000; i++ {
			lines = append(lines, audit.Quarantined{File: 1, Line: uint64(i + 1), Reason: "it is no JSON", Text: "{" + strings.Repeat("x", 200)})
		}
		must(b, s.StageQuarantine(ctx, 1, lines))
	}
	head, err := s.Head(ctx)
	must(b, err)
	for head.Seq < benchTrail {
		entries := make([]audit.TrailEntry, 20_000)
		for i := range entries {
			entries[i] = audit.TrailEntry{At: start, Who: audit.ByNight, What: "grew", Finding: benchFinding(int(head.Seq) % benchFindings).ID, Details: map[string]any{"added": 7.0}}
			if k := int(head.Seq) + i; k%997 == 0 {
				entries[i].Who, entries[i].What, entries[i].Why = "console:ann (ann)", "commented", "noted"
			} else if k < 150_000 && k%1009 == 0 {
				entries[i].Who, entries[i].What, entries[i].Finding = "console:eve (eve)", "released", ""
			}
		}
		must(b, s.Record(ctx, entries...))
		head.Seq += int64(len(entries))
	}
}

// writeNights writes one night after the other, each of which changes 2,000 findings of some 100 apps, as it adds to what they were.
func writeNights(b *testing.B, url string) {
	s, err := store.Open(b.Context(), url)
	must(b, err)
	defer s.Close()
	for night := range math.MaxInt {
		var apps []string
		for i := range 100 {
			apps = append(apps, benchKey(1+(night*100+i)%(benchApps-1)))
		}
		began := time.Now()
		publishBench(b, s, apps, func(run *audit.Run, known map[string]audit.Finding) (list []audit.AppUpdate) {
			of := map[string]*audit.AppUpdate{}
			for _, f := range known {
				f.LastRun, f.LastSeen, f.Latest = run.ID, f.LastSeen+1, audit.Latest{Run: run.ID, Occurrences: 3, Accounts: 2}
				f.Occurrences += 3
				f.Accounts++
				u := of[f.App]
				if u == nil {
					u = &audit.AppUpdate{Key: f.App, StatesAt: audit.Never}
					of[f.App] = u
				}
				u.Findings = append(u.Findings, f)
				u.Put = append(u.Put, benchPut(&f, start.Day()-audit.Day(night%80)))
				u.Trail = append(u.Trail, audit.TrailEntry{At: start, Who: audit.ByNight, What: "grew", Finding: f.ID, Details: map[string]any{"added": 3.0}})
			}
			for _, u := range of {
				list = append(list, *u)
			}
			slices.SortFunc(list, func(x, y audit.AppUpdate) int { return cmp.Compare(x.Key, y.Key) })
			return list
		})
		fmt.Fprintf(os.Stderr, "night %d: %v\n", night, time.Since(began).Round(time.Millisecond))
	}
}
