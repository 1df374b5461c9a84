package audit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/checks"
)

// A check that is enforced from a date on is observed before: its finding is filed, is no news, and becomes news in the first night that is enforced, or
// by what happens from then on.
func TestObservedUntilEnforced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy = "checks: {purpose-prohibited: {enforce_from: 2026-11-24}, scope-unapproved: {enforce_from: 2026-11-24}}\n"
	w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
	w.write("apps.jsonl", strings.Replace(acme, `"status":"approved"`, `"status":"approved","revoked_at":"2026-11-22T12:00:00Z"`, 1))
	res := w.run(firstNight)
	if n := counts(res); n.New != 0 || n.Open != 2 {
		t.Errorf("%+v", n)
	}
	for _, f := range []audit.Finding{w.finding(prohibited, "marketing"), w.finding("scope-unapproved", "read:email-address:jira")} {
		if x := (audit.Prospect{Finding: &f}); !f.Observed || f.Status != audit.Open || x.Telling(&audit.Ladder{}) != audit.ErrObserved {
			t.Errorf("%+v", f)
		}
	}

	// The state holds on in a night that is enforced; what happened before is only observed for ever.
	res = w.run(secondNight)
	if n := counts(res); n.New != 1 || w.finding("scope-unapproved", "read:email-address:jira").Observed || !w.finding(prohibited, "marketing").Observed {
		t.Errorf("%+v", n)
	}

	// Until it happens again.
	w.write("apps.jsonl", acme)
	w.write("access-2.jsonl", call("2026-11-24T11:00:00Z", "r2", "marketing", "ann"))
	res = w.run(thirdNight)
	if f := w.finding(prohibited, "marketing"); f.Observed || counts(res).New != 1 || f.Occurrences != 2 {
		t.Errorf("%+v: %+v", counts(res), f)
	}
}

// What the policy excepts is filed as suppressed, whatever it grows to, and is open again when the exception ends or is taken out.
func TestExceptions(t *testing.T) {
	t.Parallel()
	w := marketed(t)
	except := "suppress: {worsened_accounts: 0}\nexceptions: [{app: acme, check: purpose-prohibited, reason: they migrate, owner: team, until: 2026-11-25}]\n"
	w.policy = except
	w.run("2026-11-23T02:31:00Z")
	f := w.finding(prohibited, "marketing")
	if w.want(f, audit.Suppressed, 1, 1); f.Reason != "excepted by the policy until 2026-11-25T00:00:00Z (team): they migrate" {
		t.Error(f.Reason)
	}
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "marketing", "bob"), call("2026-11-23T11:00:01Z", "r3", "marketing", "cat"))
	res := w.run(secondNight)
	w.want(w.finding(prohibited, "marketing"), audit.Suppressed, 3, 3)
	if n := counts(res); n.Worsened+n.Reopened+n.New != 0 {
		t.Errorf("%+v", n)
	}
	res = w.run(thirdNight) // it ended at midnight
	if w.want(w.finding(prohibited, "marketing"), audit.Open, 3, 3); counts(res).Reopened != 1 {
		t.Errorf("%+v", counts(res))
	}

	w.policy = strings.Replace(except, "2026-11-25", "2027-11-25", 1)
	w.run("2026-11-26T02:30:00Z")
	w.want(w.finding(prohibited, "marketing"), audit.Suppressed, 3, 3)
	w.policy = ""
	w.run("2026-11-27T02:30:00Z")
	w.want(w.finding(prohibited, "marketing"), audit.Open, 3, 3)
}

// A check that is off looks at nothing, leaves what it found, and owes nothing.
func TestOff(t *testing.T) {
	t.Parallel()
	w := marketed(t)
	w.policy = "checks: {purpose-prohibited: {enabled: false}}\n"
	w.write("access-2.jsonl", call("2026-11-23T11:00:00Z", "r2", "marketing", "bob"))
	res := w.run(secondNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
	for _, c := range res.Run.Summary.Checks {
		if c.ID == prohibited && (c.Looked || !c.Off || c.Why != "the policy turns it off") {
			t.Errorf("%+v", c)
		}
	}
	w.policy = ""
	w.run(thirdNight)
	w.want(w.finding(prohibited, "marketing"), audit.Open, 1, 1)
}

// A severity of the policy's is that of what is found from then on.
func TestSeverityOfThePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy = "checks: {purpose-prohibited: {severity: low}}\n"
	w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann"))
	w.run(firstNight)
	if f := w.finding(prohibited, "marketing"); f.Severity != audit.Low {
		t.Error(f.Severity)
	}
}

// rule is a rule of one's own as a file has it, that finds apps.
func rule(id, when, example string) string {
	return fmt.Sprintf("  - {id: %s, clause: P7, severity: medium, title: 'Idle ({subject})', when: %q, subject: app.key, examples: {violates: [%s], complies: [{}]}}", id, when, example)
}

// rules makes these the rules of the world's policy.
func (w *world) rules(list ...string) {
	w.write("rules.yaml", append([]string{"rules:"}, list...)...)
	w.policy = "rules: [" + filepath.Join(w.dir, "rules.yaml") + "]\n"
}

// A rule of one's own is asked in every night, also of apps of which there is nothing new; its finding resolves itself. One that fails leaves what it found, and is named.
func TestOwnRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rules(
		rule("idle", "retrievals.first != timestamp(0) && as_of - retrievals.last > days(1)", "{retrievals: {first: 2026-11-01T00:00:00Z, last: 2026-11-01T00:00:00Z}}"),
		rule("found", "findings.exists(f, f.check == 'purpose-prohibited' && f.subject == 'marketing') && calls.exists(c, c.purpose == 'marketing' && c.accounts == 2 && c.site == 'site-1')",
			"{findings: [{check: purpose-prohibited, subject: marketing}], calls: [{site: site-1, purpose: marketing, accounts: 2}]}"),
		rule("fails", "size(calls) > 0 && daily[0].calls / (users - users) > 0 || app.internal", "{app: {internal: true}}"))
	w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "marketing", "ann", "bob"))
	res := w.run(firstNight)
	w.want(w.finding("found", "acme"), audit.Open, 1, 0)
	if f := w.finding("found", "acme"); f.Title != "Idle (acme)" || f.Clause != "P7" || f.Severity != audit.Medium || !strings.Contains(f.Explanation, "rule of the platform's own") {
		t.Errorf("%+v", f)
	}
	said := false
	for _, c := range res.Run.Summary.Checks {
		said = said || c.ID == "fails" && !c.Looked && strings.Contains(c.Why, "could not judge 1 of the apps, such as acme: when: division by zero")
	}
	if !said {
		t.Errorf("%+v", res.Run.Summary.Checks)
	}

	w.run(secondNight) // nothing is new but the time
	w.want(w.finding("idle", "acme"), audit.Open, 1, 0)
	w.write("access-2.jsonl", call("2026-11-24T11:00:00Z", "r2", "security-alerts", "ann"))
	w.run(thirdNight)
	w.want(w.finding("idle", "acme"), audit.Resolved, 1, 0)
	if list, err := w.store.Figures(context.Background(), "acme"); err != nil || len(list) != 2 {
		t.Errorf("%d days have figures: %v", len(list), err)
	}
}

// A replay's rules of one's own see what it finds by either policy, and purposes by the synonyms of either.
func TestReplayOfOwnRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rules(
		rule("found", "findings.exists(f, f.check == 'purpose-prohibited' && f.subject == 'marketing' && f.last > timestamp('2026-11-22T00:00:00Z'))",
			"{findings: [{check: purpose-prohibited, subject: marketing, last: 2026-11-22T12:00:00Z}]}"),
		rule("named", "calls.exists(c, c.purpose == 'marketing')", "{calls: [{purpose: marketing}]}"))
	w.write("access-1.jsonl", call("2026-11-22T11:00:00Z", "r1", "mkt", "ann", "bob"))
	w.run(firstNight)

	as := func(policy string) string {
		p, err := config.ParsePolicy("policy.yaml", []byte(policy))
		if err != nil {
			t.Fatal(err)
		}
		r := audit.Replay{Store: w.store.Night(nil), Archive: w.keep, ChecksOf: func(p *audit.Policy) ([]audit.Check, error) { return checks.For(p) },
			Kinds: []audit.Kind{audit.KindAccess, audit.KindReports, audit.KindInstalls, audit.KindApps}, From: at("2026-11-22T00:00:00Z").Day(), To: at("2026-11-22T00:00:00Z").Day(), Policy: p}
		res, err := r.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, d := range append(res.Differences, res.Same...) {
			said = append(said, fmt.Sprint(d.Kind, " ", d.Check))
		}
		slices.Sort(said)
		return strings.Join(said, ", ")
	}
	if got := as(w.policy); got != "stays purpose-undeclared" {
		t.Error(got)
	}
	if got := as(w.policy + "purposes: {synonyms: {mkt: marketing}}\n"); got != "appears found, appears named, appears purpose-prohibited, vanishes purpose-undeclared" {
		t.Error(got)
	}
}
