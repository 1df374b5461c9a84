package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/ingest"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
)

// A world is a folder of sources with a store and an archive of its own.
type world struct {
	*testing.T
	dir    string
	store  *store.Store
	keep   *archive.Archive
	policy string
	maxAge time.Duration
	again  string       // a file that a second access source names
	silent bool         // the gateway logs no purposes
	kinds  []audit.Kind // further sources
	more   []ingest.Source
	feed   ingest.Feed // of the registry, in place of its file
	now    time.Time
	spread bool               // over another process
	parts  []audit.Part       // that it did
	after  func(p audit.Part) // one of these is done
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{T: t, dir: t.TempDir(), now: at("2026-11-23T03:00:00Z").Time()}
	var err error
	if w.store, err = store.Open(ctx, "sqlite://"+filepath.Join(w.dir, "mailreeve.db")); err != nil {
		t.Fatal(err)
	}
	if w.keep, err = archive.Open(ctx, filepath.Join(w.dir, "archive"), w.store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.keep.Close(); w.store.Close() })
	w.write("apps.jsonl", acme)
	w.write("installs.jsonl", `{"ts":"2026-01-01T00:00:00Z","app_key":"acme","cloud_id":"site-1","event":"installed"}`)
	w.write("reports.jsonl", `{"ts":"2026-11-22T00:00:00Z","request_id":"rep","app_key":"acme","status":200,"accounts":[{"account_id":"ann"},{"account_id":"bob"}]}`)
	w.write("access.jsonl", call("2026-11-22T10:00:00Z", "r0", "security-alerts", "ann"))
	return w
}

// acme is a registry line with nothing to find.
const acme = `{"key":"acme","name":"Acme","kind":"oauth2","vendor":{"id":"v1","name":"Acme Inc","email":"privacy@acme.example"},"privacy_policy_url":"https://acme.example/p",` +
	`"terms_url":"https://acme.example/t","stores_personal_data":true,"scopes":["read:email-address:jira"],` +
	`"approvals":[{"request_id":"REQ-1","status":"approved","decided_at":"2026-01-01T00:00:00Z","purposes":["security-alerts"],"snapshot":{"scopes":["read:email-address:jira"]}}]}`

func at(s string) audit.Instant {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return audit.At(t)
}

func call(ts, request, purpose string, accounts ...string) string {
	return fmt.Sprintf(`{"ts":%q,"request_id":%q,"app_key":"acme","cloud_id":"site-1","path":"/rest/api/3/user/email","auth":"oauth2","purpose":%q,"status":200,"account_ids":["%s"]}`,
		ts, request, purpose, strings.Join(accounts, `","`))
}

func (w *world) write(name string, lines ...string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.Fatal(err)
	}
}

// try runs a night.
func (w *world) try(ctx context.Context, asOf string) (*audit.Result, error) {
	w.Helper()
	policy, err := config.ParsePolicy("policy.yaml", []byte(w.policy))
	if err != nil {
		w.Fatal(err)
	}
	lease, err := w.store.Lock(context.Background(), false)
	if err != nil {
		w.Fatal(err)
	}
	defer lease.Release()
	src := &ingest.Sources{Now: func() time.Time { return w.now }, Examiner: plainly{}}
	for _, k := range append([]audit.Kind{audit.KindAccess, audit.KindReports, audit.KindInstalls, audit.KindApps}, w.kinds...) {
		s := ingest.Source{Kind: k, Name: string(k) + "*.jsonl", Path: filepath.Join(w.dir, string(k)+"*.jsonl"), MaxBad: 0.05, MaxLoss: 0.5}
		if k == audit.KindAccess {
			s.MaxAge = w.maxAge
		}
		if k == audit.KindApps && w.feed != nil {
			s.Name, s.Path, s.Feed = "https://registry.example/apps#apps", "https://registry.example/apps#apps", w.feed
		}
		src.List = append(src.List, s)
	}
	if w.again != "" {
		src.List = append(src.List, ingest.Source{Kind: audit.KindAccess, Name: w.again, Path: filepath.Join(w.dir, w.again), MaxBad: 0.05})
	}
	src.List = append(src.List, w.more...)
	set, err := checks.For(policy)
	if err != nil {
		w.Fatal(err)
	}
	n := &audit.Night{Store: w.store.Night(lease), Archive: w.keep, Sources: src, Checks: set, Clock: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Rules: audit.Rules{Policy: policy, CompleteSince: at("2024-01-01T00:00:00Z"), Purposes: !w.silent}}
	if w.spread {
		n.Spread = byItself{n, func(p audit.Part) {
			w.parts = append(w.parts, p)
			if w.after != nil {
				w.after(p)
			}
		}}
	}
	return n.Run(ctx, audit.Options{AsOf: at(asOf), ScheduledAt: audit.Never, By: "test"})
}

func (w *world) run(asOf string) *audit.Result {
	w.Helper()
	res, err := w.try(context.Background(), asOf)
	if err != nil {
		w.Fatal(err)
	}
	return res
}

// finding is the finding of a check on acme.
func (w *world) finding(check, subject string) audit.Finding {
	w.Helper()
	f, err := w.store.Finding(context.Background(), audit.FindingID(check, "acme", subject))
	if err != nil {
		w.Fatal(err)
	}
	return *f
}

// act sets a finding's status as a person would.
func (w *world) act(f audit.Finding, status audit.Status, acts ...audit.Act) {
	w.Helper()
	err := w.store.Change(context.Background(), f.ID, func(now *audit.Finding, _ []audit.Act) (store.Changed, error) {
		c := store.Changed{Finding: *now, NewActs: acts, Trail: []audit.TrailEntry{{At: audit.At(w.now), Who: "test", What: string(status), Finding: f.ID}}}
		c.Finding.Status = status
		return c, nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(f audit.Finding, status audit.Status, occurrences, accounts int) {
	w.Helper()
	if f.Status != status || f.Occurrences != occurrences || f.Accounts != accounts {
		w.Errorf("%s is %s with %d occurrences, %d accounts; want %s, %d, %d", f.Check, f.Status, f.Occurrences, f.Accounts, status, occurrences, accounts)
	}
}

func counts(r *audit.Result) audit.FindingCounts { return r.Run.Summary.Findings }

const (
	firstNight  = "2026-11-23T02:30:00Z"
	secondNight = "2026-11-24T02:30:00Z"
	thirdNight  = "2026-11-25T02:30:00Z"
	prohibited  = "purpose-prohibited"
)

// marketed is a world with one call for marketing, judged on the first night.
func marketed(t *testing.T) *world {
	w := newWorld(t)
	w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
	w.run(firstNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
	return w
}

// DefectDojo 8100, 14910: importing the same again closed or reopened findings.
func TestTheSameInputAgainChangesNothing(t *testing.T) {
	w := marketed(t)
	for _, status := range []audit.Status{audit.Open, audit.Acknowledged, audit.InRemediation, audit.Resolved} {
		w.act(w.finding(prohibited, "marketing"), status)
		before := w.finding(prohibited, "marketing")
		w.remove("access-1.jsonl")
		w.write("access-again.jsonl", call("2026-11-22T11:00:00.000Z", "r1", "marketing", "ann"), call("2026-11-22T11:00:00+00:00", "r1", "marketing", "ann"))
		res := w.run(secondNight)
		w.remove("access-again.jsonl")
		w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
		if n := counts(res); len(res.Changes) != 0 || n.New+n.Reopened+n.Resolved+n.Withdrawn != 0 {
			t.Errorf("as %s: %+v", status, res.Changes)
		}
		if after := w.finding(prohibited, "marketing"); after.Status != before.Status || after.LastRun != before.LastRun {
			t.Errorf("as %s: it became %s by %s", status, after.Status, after.LastRun)
		}
	}
}

// An occurrence that was not counted before reopens a resolved finding; `latest` says what is new.
func TestSomethingNewReopens(t *testing.T) {
	w := marketed(t)
	w.act(w.finding(prohibited, "marketing"), audit.Resolved)
	w.write("access-2.jsonl", call("2026-11-22T11:00:00Z", "r2", "marketing", "ann", "bob"), call("2026-11-23T11:00:00Z", "r3", "marketing", "bob"))
	res := w.run(secondNight)
	f := w.finding(prohibited, "marketing")
	w.want(f, audit.Open, 3, 2)
	if counts(res).Reopened != 1 || f.Latest.Occurrences != 2 || f.Latest.Accounts != 2 || f.Latest.Run != res.Run.ID {
		t.Errorf("%+v, latest %+v", counts(res), f.Latest)
	}
}

// DefectDojo 10769: an accepted finding that is fixed never closed.
func TestAnAcknowledgedStateThatIsMendedResolvesItself(t *testing.T) {
	w := newWorld(t)
	w.write("apps.jsonl", strings.Replace(acme, "https://acme.example/t", " ", 1))
	w.run(firstNight)
	w.want(w.finding("listing-incomplete", "terms"), audit.Open, 1, 0)
	w.act(w.finding("listing-incomplete", "terms"), audit.Acknowledged)
	w.write("apps.jsonl", acme)
	if res := w.run(secondNight); counts(res).Resolved != 1 {
		t.Errorf("%+v", counts(res))
	}
	w.want(w.finding("listing-incomplete", "terms"), audit.Resolved, 1, 0)
	w.write("apps.jsonl", strings.Replace(acme, "https://acme.example/t", "", 1))
	if res := w.run(thirdNight); counts(res).Reopened != 1 {
		t.Errorf("%+v", counts(res))
	}
	w.want(w.finding("listing-incomplete", "terms"), audit.Open, 1, 0)
}

// A state that holds again while its suppression still runs comes back suppressed.
func TestAStateReopensIntoItsSuppression(t *testing.T) {
	w := newWorld(t)
	bad := strings.Replace(acme, "https://acme.example/t", "", 1)
	w.write("apps.jsonl", bad)
	w.run(firstNight)
	w.act(w.finding("listing-incomplete", "terms"), audit.Suppressed, audit.Act{Kind: audit.Suppress, Reason: "known", By: "test", At: at(firstNight), Until: at("2026-11-25T00:00:00Z"), Ended: audit.Never})
	w.write("apps.jsonl", acme)
	w.run("2026-11-23T12:00:00Z")
	w.want(w.finding("listing-incomplete", "terms"), audit.Resolved, 1, 0)
	w.write("apps.jsonl", bad)
	w.run(secondNight)
	w.want(w.finding("listing-incomplete", "terms"), audit.Suppressed, 1, 0)
	// And it is open again once the suppression has ended, though nothing else changed.
	if res := w.run(thirdNight); counts(res).Reopened != 1 {
		t.Errorf("%+v", counts(res))
	}
	w.want(w.finding("listing-incomplete", "terms"), audit.Open, 1, 0)
}

// A suppressed finding grows in silence, until it outgrows what it was.
func TestASuppressionBreaksOff(t *testing.T) {
	w := marketed(t)
	w.act(w.finding(prohibited, "marketing"), audit.Suppressed, audit.Act{Kind: audit.Suppress, Reason: "known", By: "test", At: at(firstNight), Until: at("2027-01-01T00:00:00Z"), Ended: audit.Never})
	grow := func(name string, from, n int) {
		var lines []string
		for i := range n {
			lines = append(lines, call("2026-11-23T11:00:00Z", fmt.Sprint(name, i), "marketing", fmt.Sprint("account-", from+i)))
		}
		w.write("access-"+name+".jsonl", lines...)
	}
	grow("a", 0, 100) // exactly the larger of 100 and as many as it held
	if n := counts(w.run(secondNight)); n.Worsened+n.Reopened+n.New != 0 {
		t.Errorf("%+v", n)
	}
	w.want(w.finding(prohibited, "marketing"), audit.Suppressed, 101, 101)
	grow("b", 100, 1)
	if n := counts(w.run(thirdNight)); n.Worsened != 1 {
		t.Errorf("%+v", n)
	}
	f := w.finding(prohibited, "marketing")
	w.want(f, audit.Open, 102, 102)
	if !f.Worsened {
		t.Error("it is not marked as worsened")
	}
}

// A person acts by the clock, which may be ahead of a night's as-of.
func TestASuppressionHoldsForANightAsOfBefore(t *testing.T) {
	w := marketed(t)
	w.act(w.finding(prohibited, "marketing"), audit.Suppressed, audit.Act{Kind: audit.Suppress, Reason: "known", By: "test", At: at("2026-12-24T00:00:00Z"), Until: at("2027-01-01T00:00:00Z"), Ended: audit.Never})
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "marketing", "bob"))
	w.run(secondNight)
	w.want(w.finding(prohibited, "marketing"), audit.Suppressed, 2, 2)
}

// A suppression for one site holds while the finding has no other site.
func TestASuppressionForASiteEndsAtTheNextSite(t *testing.T) {
	w := marketed(t)
	w.act(w.finding(prohibited, "marketing"), audit.Suppressed, audit.Act{Kind: audit.Suppress, Site: "site-1", Reason: "known", By: "test", At: at(firstNight), Until: at("2027-01-01T00:00:00Z"), Ended: audit.Never})
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "marketing", "bob"))
	w.run(secondNight)
	w.want(w.finding(prohibited, "marketing"), audit.Suppressed, 2, 2)
	w.write("access-3.jsonl", strings.Replace(call("2026-11-24T11:00:00Z", "r3", "marketing", "bob"), "site-1", "site-2", 1))
	w.run(thirdNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 3, 2)
}

// A source that is gone, or stale, closes nothing; what came due meanwhile is judged once it is back.
func TestAPartialSourceClosesNothing(t *testing.T) {
	w := newWorld(t)
	w.write("apps.jsonl", strings.Replace(acme, "https://acme.example/t", "", 1))
	w.run(firstNight)
	w.remove("apps.jsonl")
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "marketing", "bob"))
	res := w.run(secondNight)
	if res.Looked() || counts(res).Resolved+counts(res).New != 0 {
		t.Errorf("looked %v, %+v", res.Looked(), counts(res))
	}
	w.want(w.finding("listing-incomplete", "terms"), audit.Open, 1, 0)
	w.write("apps.jsonl", acme)
	if n := counts(w.run(thirdNight)); n.New != 1 || n.Resolved != 1 {
		t.Errorf("%+v", n)
	}
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
}

// A registry that lost too many apps is not believed.
func TestAShrunkenRegistryIsNotLookedAt(t *testing.T) {
	w := newWorld(t)
	other := func(key string) string { return strings.Replace(acme, `"key":"acme"`, `"key":"`+key+`"`, 1) }
	w.write("apps.jsonl", acme, other("b"), other("c"))
	w.run(firstNight)
	w.write("apps.jsonl", other("b"))
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "security-alerts", "ann"))
	if res := w.run(secondNight); res.Looked() || counts(res).New != 0 {
		t.Errorf("looked %v, %+v", res.Looked(), counts(res))
	}
	// One of three is within max_loss 0.5: acme's approval ends with this run, and what it retrieves from then on is unapproved.
	w.write("apps.jsonl", other("b"), other("c"))
	w.write("access-3.jsonl", call("2026-11-25T11:00:00Z", "r3", "security-alerts", "ann"))
	w.run(thirdNight)
	w.run("2026-11-26T02:30:00Z")
	w.want(w.finding("access-unapproved", ""), audit.Open, 1, 1)
}

// A night that fails leaves everything as it was, and the next one makes it up.
func TestAFailedNightLeavesNothing(t *testing.T) {
	w := marketed(t)
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "marketing", "bob"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.try(ctx, secondNight); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
	w.run(secondNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 2, 2)
}

// A late file takes away what it shows to be none, and the history names it.
func TestALateFileWithdraws(t *testing.T) {
	w := newWorld(t)
	w.write("access-2.jsonl", strings.Replace(call("2026-11-22T11:00:00Z", "r2", "security-alerts", "ann"), "site-1", "site-9", 1))
	w.run(firstNight)
	w.want(w.finding("access-not-installed", ""), audit.Open, 1, 1)
	w.write("installs-late.jsonl", `{"ts":"2026-11-01T00:00:00Z","app_key":"acme","cloud_id":"site-9","event":"installed"}`)
	if n := counts(w.run(secondNight)); n.Withdrawn != 1 || n.Resolved != 0 {
		t.Errorf("%+v", n)
	}
	f := w.finding("access-not-installed", "")
	w.want(f, audit.Resolved, 0, 0)
	if f.Reason != "withdrawn" {
		t.Errorf("reason %q", f.Reason)
	}
	trail, err := w.store.Trail(context.Background(), store.TrailFilter{Finding: f.ID})
	if err != nil {
		t.Fatal(err)
	}
	last := trail[len(trail)-1]
	if last.What != "withdrawn" || !strings.Contains(last.Why, "installed on site site-9 at 2026-11-01T00:00:00Z (installs-late.jsonl:1)") {
		t.Errorf("the history says %q: %s", last.What, last.Why)
	}
}

// A late approval, and a late report, are named too.
func TestTheHistoryNamesApprovalsAndReports(t *testing.T) {
	w := newWorld(t)
	w.write("apps.jsonl", strings.Replace(acme, "2026-01-01T00:00:00Z", "2026-11-22T12:00:00Z", 1))
	w.write("access-2.jsonl", call("2026-11-01T11:00:00Z", "r2", "security-alerts", "cid"))
	w.run(firstNight)
	w.want(w.finding("access-unapproved", ""), audit.Open, 2, 2)
	w.want(w.finding("report-incomplete", ""), audit.Open, 1, 1)
	w.write("apps.jsonl", acme)
	w.write("reports-late.jsonl", `{"ts":"2026-11-09T00:00:00Z","request_id":"late","app_key":"acme","status":200,"accounts":[{"account_id":"cid"}]}`)
	if n := counts(w.run(secondNight)); n.Withdrawn != 2 {
		t.Errorf("%+v", n)
	}
	for check, fact := range map[string]string{"access-unapproved": "approval REQ-1", "report-incomplete": "a report of 2026-11-09T00:00:00Z holds them (reports-late.jsonl:1)"} {
		trail, err := w.store.Trail(context.Background(), store.TrailFilter{Finding: audit.FindingID(check, "acme", "")})
		if err != nil {
			t.Fatal(err)
		}
		if last := trail[len(trail)-1]; !strings.Contains(last.Why, fact) {
			t.Errorf("%s: the history says %s", check, last.Why)
		}
	}
}

// A renamed app keeps its findings.
func TestARenamedAppKeepsItsFindings(t *testing.T) {
	w := marketed(t)
	w.act(w.finding(prohibited, "marketing"), audit.Acknowledged)
	w.write("apps.jsonl", strings.Replace(acme, `"name":"Acme"`, `"name":"Acme Reloaded"`, 1))
	if res := w.run(secondNight); len(res.Changes) != 0 {
		t.Errorf("%+v", res.Changes)
	}
	f := w.finding(prohibited, "marketing")
	w.want(f, audit.Acknowledged, 1, 1)
	if f.AppName != "Acme Reloaded" {
		t.Errorf("its name is %q", f.AppName)
	}
}

// A changed policy judges what happens from then on, not the past again.
func TestAChangedPolicyDoesNotJudgeThePast(t *testing.T) {
	w := marketed(t)
	w.policy = "purposes: {prohibited: [company-events]}"
	w.write("access-2.jsonl", call("2026-11-24T11:00:00Z", "r2", "marketing", "bob"))
	w.run(secondNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
	// A late call of the time of the old policy is judged by it; one after the change by the new one.
	w.write("access-3.jsonl", call("2026-11-22T23:00:00Z", "r3", "marketing", "cid"))
	w.run(thirdNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 2, 2)
	w.want(w.finding("purpose-undeclared", "unknown"), audit.Open, 1, 1)
}

// A file that the patterns of two sources name is read once.
func TestAFileOfTwoSourcesIsReadOnce(t *testing.T) {
	w := newWorld(t)
	w.again = "access.jsonl"
	res := w.run(firstNight)
	if s := res.Run.Summary.Sources; s[0].Lines != 1 || s[len(s)-1].Lines != 0 || !res.Looked() {
		t.Errorf("%+v", s)
	}
}

// What accounts a counted report holds against the rules may grow by later answers: that counts as growth.
func TestMoreAccountsOfOneOccurrenceAreGrowth(t *testing.T) {
	w := newWorld(t)
	report := func(name, ts, accounts, result string) {
		w.write("reports-"+name+".jsonl", fmt.Sprintf(`{"ts":%q,"request_id":%q,"app_key":"acme","status":200,"accounts":[%s],"result":[%s]}`, ts, name, accounts, result))
	}
	var held, closed []string
	for i := range 150 {
		held = append(held, fmt.Sprintf(`{"account_id":"a%d"}`, i))
		closed = append(closed, fmt.Sprintf(`{"account_id":"a%d","status":"closed"}`, i))
	}
	report("one", "2026-11-10T00:00:00Z", "", closed[0])
	report("two", "2026-11-20T00:00:00Z", strings.Join(held, ","), "")
	w.run(firstNight)
	f := w.finding("report-closed-retained", "")
	w.want(f, audit.Open, 1, 1)
	w.act(f, audit.Suppressed, audit.Act{Kind: audit.Suppress, Reason: "known", By: "test", At: at(firstNight), Until: at("2027-01-01T00:00:00Z"), Ended: audit.Never})
	report("late", "2026-11-11T00:00:00Z", "", strings.Join(closed, ","))
	if n := counts(w.run(secondNight)); n.Worsened != 1 {
		t.Errorf("%+v", n)
	}
	f = w.finding("report-closed-retained", "")
	w.want(f, audit.Open, 1, 150)
	if f.Latest.Occurrences != 0 || f.Latest.Accounts != 149 {
		t.Errorf("latest %+v", f.Latest)
	}
}

// A late answer reaches as far as the longest grace that ever held.
func TestAShortenedGraceDoesNotForgetThePast(t *testing.T) {
	w := newWorld(t)
	w.policy = "reporting: {closed_grace: 10d}"
	w.write("reports-one.jsonl", `{"ts":"2026-11-10T00:00:00Z","request_id":"one","app_key":"acme","status":200,"result":[{"account_id":"ann","status":"closed"}]}`)
	w.write("access-2.jsonl", call("2026-11-19T10:00:00Z", "r2", "security-alerts", "ann"))
	w.run(firstNight)
	w.policy = ""
	w.run(secondNight)
	w.write("reports-late.jsonl", `{"ts":"2026-11-05T00:00:00Z","request_id":"late","app_key":"acme","status":200,"result":[{"account_id":"ann","status":"closed"}]}`)
	w.run(thirdNight)
	// The retrieval of the 19th, and acme's report and retrieval of the 22nd that newWorld wrote.
	w.want(w.finding("report-closed-retained", ""), audit.Open, 3, 1)
}

// What the configuration lets nobody look at is not owed: nothing waits for it.
func TestNothingWaitsForWhatIsNotConfigured(t *testing.T) {
	w := newWorld(t)
	w.silent = true
	for _, asOf := range []string{firstNight, secondNight} {
		w.run(asOf)
	}
	led, err := w.store.Ledger(context.Background())
	if err != nil || len(led.Due) != 0 {
		t.Errorf("%d waiting, %v", len(led.Due), err)
	}
}

// A store that names facts which the archive has lost says so, before it does anything.
func TestALostArchiveIsSaid(t *testing.T) {
	w := marketed(t)
	segments, err := filepath.Glob(filepath.Join(w.dir, "archive", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v, %v", segments, err)
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.try(context.Background(), secondNight); err == nil || !strings.Contains(err.Error(), "restore the archive from a backup") {
		t.Errorf("got %v", err)
	}
}

// An app of which the registry has only bad lines is named; a line with two keys names nobody.
func TestAnAppWithOnlyBadLinesIsNamed(t *testing.T) {
	w := newWorld(t)
	w.write("apps.jsonl", acme, `{"key":"blind","kind":"zzz"}`, `{"key":"acme","key":"acme","name":5}`)
	w.write("access-2.jsonl", strings.Replace(call("2026-11-22T11:00:00Z", "r2", "marketing", "ann"), `"app_key":"acme"`, `"app_key":"blind"`, 1))
	res := w.run(firstNight)
	if notes := strings.Join(res.Run.Summary.Notes, "; "); !strings.Contains(notes, "only bad lines for blind") || strings.Contains(notes, "acme") {
		t.Errorf("notes %q", notes)
	}
	if counts(res).New != 1 { // access-not-installed: it needs no registry
		t.Errorf("%+v", res.Changes)
	}
	w.write("apps.jsonl", acme, strings.Replace(acme, `"key":"acme"`, `"key":"blind"`, 1))
	if n := counts(w.run(secondNight)); n.New != 1 { // and now the purpose
		t.Errorf("%+v", n)
	}
}

// A run as of a time before the last one's is refused.
func TestThePastIsRefused(t *testing.T) {
	w := marketed(t)
	if _, err := w.try(context.Background(), "2026-11-23T02:29:59Z"); !errors.Is(err, audit.ErrPast) {
		t.Errorf("got %v", err)
	}
}

// Lines of days that were purged are counted as expired, and judge nothing; numbers stay.
func TestPurgedDaysExpire(t *testing.T) {
	w := marketed(t)
	w.run("2027-03-01T02:30:00Z")
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
	w.write("access-2.jsonl", call("2026-11-22T12:00:00Z", "r9", "marketing", "bob"))
	res := w.run("2027-03-02T02:30:00Z")
	s := res.Run.Summary.Sources[0]
	if s.Lines != 1 || s.Expired != 1 || s.Facts != 0 {
		t.Errorf("%+v", s)
	}
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
}

// A finding that was quiet for longer than findings are kept, and is resolved tonight, is kept from tonight on.
func TestWhatIsResolvedTonightIsNotPurged(t *testing.T) {
	w := newWorld(t)
	w.policy = "retention: {findings: 90d, trail: 90d}"
	w.write("apps.jsonl", strings.Replace(acme, `"terms_url":"https://acme.example/t",`, "", 1))
	w.run(firstNight)
	w.write("apps.jsonl", acme)
	if n := counts(w.run("2027-06-01T02:30:00Z")); n.Resolved != 1 {
		t.Fatalf("%+v", n)
	}
	w.want(w.finding("listing-incomplete", "terms"), audit.Resolved, 1, 0)
}

// An event of a purged day that tells nothing new of its site is counted as expired, also where another process examines the app.
func TestPurgedEventsExpire(t *testing.T) {
	for _, spread := range []bool{false, true} {
		t.Run(map[bool]string{false: "here", true: "elsewhere"}[spread], func(t *testing.T) {
			w := marketed(t)
			w.spread = spread
			w.run("2027-03-01T02:30:00Z")
			w.write("installs-2.jsonl", `{"ts":"2025-12-01T00:00:00Z","app_key":"acme","cloud_id":"site-1","event":"enabled"}`)
			w.write("access-2.jsonl", call("2027-03-01T12:00:00Z", "r9", "security-alerts", "ann"))
			w.write("access-3.jsonl", call("2027-03-01T13:00:00Z", "r10", "security-alerts", "ann"))
			res := w.run("2027-03-02T02:30:00Z")
			if s := res.Run.Summary.Sources[2]; s.Kind != audit.KindInstalls || s.Lines != 1 || s.Expired != 1 || s.Facts != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A source whose newest record is older than max_age was not looked at.
func TestAStaleSourceIsNotLookedAt(t *testing.T) {
	w := newWorld(t)
	w.maxAge = 16*time.Hour + 30*time.Minute
	if res := w.run(firstNight); !res.Looked() {
		t.Errorf("exactly as old as allowed: %+v", res.Run.Summary.Sources)
	}
	if res := w.run("2026-11-23T02:30:00.000000001Z"); res.Looked() {
		t.Error("one nanosecond older than allowed, and looked at")
	}
}

// Of 1,000 or more lines too many bad ones: none is taken or counted, and the next run tries again.
func TestAFileOfBadLinesIsNotTaken(t *testing.T) {
	w := newWorld(t)
	var lines []string
	for i := range 1000 {
		lines = append(lines, call("2026-11-22T11:00:00Z", fmt.Sprint("x", i), "marketing", fmt.Sprint("account-", i)))
	}
	for i := range 51 {
		lines[i] = "no json"
	}
	w.write("access-2.jsonl", lines...)
	res := w.run(firstNight)
	if s := res.Run.Summary.Sources[0]; s.Looked || s.Lines != 1 || s.Quarantined != 0 {
		t.Errorf("%+v", s)
	}
	bad, err := w.store.Quarantine(context.Background())
	if err != nil || len(bad) != 0 {
		t.Errorf("%d lines in quarantine, %v", len(bad), err)
	}
	lines[50] = call("2026-11-22T11:00:00Z", "x50", "marketing", "account-50") // now 50: 5%, not over it
	w.write("access-2.jsonl", lines...)
	res = w.run(secondNight)
	if s := res.Run.Summary.Sources[0]; !s.Looked || s.Facts != 950 || s.Quarantined != 50 {
		t.Errorf("%+v", s)
	}
	w.want(w.finding(prohibited, "marketing"), audit.Open, 950, 950)
}

// steady is a world in which acme fetches one address a day on site-1, which has 200 users, from 1 to 21 November.
func steady(t *testing.T) (w *world, byDay map[int][]string) {
	w = newWorld(t)
	w.write("installs.jsonl", `{"ts":"2026-01-01T00:00:00Z","app_key":"acme","cloud_id":"site-1","event":"installed","users":200}`)
	byDay = map[int][]string{}
	for d := 1; d <= 21; d++ {
		byDay[d] = append(byDay[d], call(fmt.Sprintf("2026-11-%02dT08:00:00Z", d), fmt.Sprint("usual", d), "security-alerts", "ann"))
	}
	return w, byDay
}

// many is a retrieval of n accounts, one by one.
func many(day, n int) (lines []string) {
	for i := range n {
		lines = append(lines, call(fmt.Sprintf("2026-11-%02dT12:%02d:%02dZ", day, i/60, i%60), fmt.Sprintf("many-%d-%d", day, i), "security-alerts", fmt.Sprintf("user-%d", i)))
	}
	return lines
}

// A past that becomes known later makes a day ordinary that was not.
func TestALatePastWithdraws(t *testing.T) {
	w, byDay := steady(t)
	byDay[20] = append(byDay[20], many(20, 80)...) // a Friday
	for d, lines := range byDay {
		w.write(fmt.Sprintf("access-%02d.jsonl", d), lines...)
	}
	w.run(firstNight)
	w.want(w.finding("purpose-drift", "surge"), audit.Open, 81, 81)
	w.write("access-late.jsonl", many(11, 60)...) // a Wednesday, within its first two weeks
	if n := counts(w.run(secondNight)); n.Withdrawn == 0 {
		t.Errorf("%+v", n)
	}
	f := w.finding("purpose-drift", "surge")
	w.want(f, audit.Resolved, 0, 0)
	trail, err := w.store.Trail(context.Background(), store.TrailFilter{Finding: f.ID})
	if err != nil {
		t.Fatal(err)
	}
	if last := trail[len(trail)-1]; !strings.Contains(last.Why, "60 more calls of 2026-11-11, which the day is held against (access-late.jsonl:1)") {
		t.Errorf("the history says %s", last.Why)
	}
}

// Totals that are missing, as after an account was forgotten, are worked out once and kept, those of a day of calls in vain among them.
func TestTotalsThatWereWorkedOutAreKept(t *testing.T) {
	t.Parallel()
	w, byDay := steady(t)
	byDay[18] = []string{strings.Replace(call("2026-11-18T08:00:00Z", "in-vain", "security-alerts", "ann"), `"status":200,"account_ids":["ann"]`, `"status":404,"account_ids":[]`, 1)}
	byDay[20] = append(byDay[20], many(20, 80)...)
	for d, lines := range byDay {
		w.write(fmt.Sprintf("access-%02d.jsonl", d), lines...)
	}
	w.run(firstNight)
	past := func() []audit.DayTotals {
		list, err := w.store.Totals(context.Background(), "acme", at("2026-11-01T00:00:00Z").Day(), at("2026-11-21T00:00:00Z").Day())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	want := past()
	if len(want) != 21 || want[17].InVain != 1 || want[17].SiteAccounts != 0 {
		t.Fatalf("%+v", want)
	}
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`DELETE FROM totals`); err != nil {
		t.Fatal(err)
	}
	w.write("access-23.jsonl", many(23, 80)...) // a day to hold against them
	w.run(secondNight)
	if got := past(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v were worked out, of %+v", got, want)
	}
}

// Files in any order, over several nights, end with the drifts of one night over all.
func TestDriftsDoNotDependOnTheOrderOfNights(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 9))
			var all []string
			one, byDay := steady(t)
			several, _ := steady(t)
			for _, d := range []int{12, 16, 17 + rnd.IntN(2), 19, 20, 21} {
				byDay[d] = append(byDay[d], many(d, 30+rnd.IntN(90))...)
			}
			installs := `{"ts":"2026-11-%02dT00:00:00Z","app_key":"acme","cloud_id":"site-1","event":"present","users":%d}`
			for d, lines := range byDay {
				all = append(all, lines...)
				one.write(fmt.Sprintf("access-%02d.jsonl", d), lines...)
			}
			more := fmt.Sprintf(installs, 10, 100+rnd.IntN(900))
			one.write("installs-2.jsonl", more)
			one.run(firstNight)

			slices.Sort(all)
			rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			const nights = 4
			for n := range nights {
				several.write(fmt.Sprintf("access-part-%d.jsonl", n), all[n*len(all)/nights:(n+1)*len(all)/nights]...)
				if n == 2 {
					several.write("installs-2.jsonl", more)
				}
				several.run(firstNight)
			}
			for _, subject := range []string{"site-sweep", "surge", "periodic-bulk", "enumeration"} {
				a, errA := one.store.Finding(context.Background(), audit.FindingID("purpose-drift", "acme", subject))
				b, errB := several.store.Finding(context.Background(), audit.FindingID("purpose-drift", "acme", subject))
				open := func(f *audit.Finding, err error) string {
					if err != nil || f.Status == audit.Resolved {
						return "none"
					}
					return fmt.Sprintf("%d occurrences, %d accounts, %s", f.Occurrences, f.Accounts, f.Evidence[0].Detail)
				}
				if x, y := open(a, errA), open(b, errB); x != y {
					t.Errorf("%s: in one night %s, over several %s", subject, x, y)
				}
			}
		})
	}
}
