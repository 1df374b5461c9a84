package checks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// TestAgainstReference judges dossiers of pure chance by the quick way of the checks and by the slow one of the rules' words, call by call.
func TestAgainstReference(t *testing.T) {
	start := instant("2026-11-20T00:00:00Z")
	purposes := []string{"", "none", "security-alerts", "user-sync", "marketing", "own", "strange", "sync"}
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		when := func() audit.Instant { return start.Add(time.Duration(rnd.IntN(40)) * 2 * time.Hour) }
		s := tell("2026-11-22T20:00:00Z")
		for range rnd.IntN(4) {
			a := audit.Approval{Status: []audit.ApprovalStatus{audit.Approved, audit.Approved, audit.Withdrawn, audit.Pending, audit.Rejected}[rnd.IntN(5)],
				Decided: when(), Revoked: []audit.Instant{audit.Never, when()}[rnd.IntN(2)]}
			for range rnd.IntN(3) {
				a.Purposes = append(a.Purposes, purposes[rnd.IntN(len(purposes))])
			}
			if rnd.IntN(4) == 0 {
				a.Dropped = when()
			}
			s.approvals = append(s.approvals, a)
		}
		for range rnd.IntN(60) {
			c := toldCall{at: when().Add(time.Duration(rnd.IntN(3) - 1)), site: "s", purpose: purposes[rnd.IntN(len(purposes))], auth: audit.OAuth2, status: 200}
			if rnd.IntN(3) == 0 {
				c.status = 403
			} else {
				c.accounts = []string{fmt.Sprint(rnd.IntN(5))}
			}
			s.calls = append(s.calls, c)
		}
		s.policy.ProbingCalls = 3
		s.policy.Synonyms = map[string]string{"sync": "user-sync"}
		d := s.dossier()
		if rnd.IntN(2) == 0 {
			newer := *s.policy
			newer.Prohibited = []string{"user-sync"}
			newer.ProbingCalls = 2
			d.Rules = append(d.Rules, audit.RulesFrom{From: when(), Rules: audit.Rules{Policy: &newer, Purposes: rnd.IntN(2) == 0}})
		}
		want := slowly(d)
		for _, id := range []string{"access-unapproved", "access-refused-probing", "purpose-undeclared", "purpose-not-approved", "purpose-prohibited"} {
			c, _ := Get(id)
			for _, f := range findings(&c, find(t, &c, d)) {
				k := id + " " + f.Subject
				if want[k] != f.Occurrences {
					t.Fatalf("seed %d: %s has %d occurrences, want %d", seed, k, f.Occurrences, want[k])
				}
				delete(want, k)
			}
		}
		if len(want) > 0 {
			t.Fatalf("seed %d: not found: %v", seed, want)
		}
	}
}

func slowly(d *audit.Dossier) map[string]int {
	out := map[string]int{}
	for _, h := range d.Headers {
		day, _ := d.Days.Calls(h.Day)
		refused, threshold := 0, 0
		for i := range day.Calls {
			c := &day.Calls[i]
			rules := d.Rules.At(c.At)
			if c.At > d.AsOf {
				continue
			}
			approved := d.ApprovedAt(c.At)
			if c.Status == 403 && !approved {
				refused++
				threshold = rules.Policy.ProbingCalls
			}
			if !c.Retrieval() {
				continue
			}
			if !approved {
				out["access-unapproved "]++
				continue
			}
			if !rules.Purposes {
				continue
			}
			same := func(p string) bool { return rules.Policy.Purpose(p) == rules.Policy.Purpose(day.Purposes[c.Purpose]) }
			inForce := slices.ContainsFunc(d.Approvals, func(a audit.Approval) bool { return a.InForce(c.At) && slices.ContainsFunc(a.Purposes, same) })
			named := slices.ContainsFunc(d.Approvals, func(a audit.Approval) bool { return slices.ContainsFunc(a.Purposes, same) })
			switch p := rules.Policy.Purpose(day.Purposes[c.Purpose]); {
			case p == "":
				out["purpose-undeclared none"]++
			case rules.Policy.IsProhibited(p):
				out["purpose-prohibited "+p]++
			case inForce:
			case rules.Policy.IsApprovable(p) || named:
				out["purpose-not-approved "+p]++
			default:
				out["purpose-undeclared unknown"]++
			}
		}
		if refused > 0 && refused >= threshold {
			out["access-refused-probing "] += refused
		}
	}
	return out
}

// TestMayBeGone holds the quick look at a day against the slow one at each of its moments.
func TestMayBeGone(t *testing.T) {
	start := instant("2026-11-20T00:00:00Z")
	kinds := []audit.Event{audit.Installed, audit.Uninstalled, audit.Enabled, audit.Disabled, audit.Present}
	gone := 0
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		s := tell("2026-11-24T00:00:00Z")
		s.policy.RetainedAfter = []time.Duration{time.Hour, 24 * time.Hour, 48 * time.Hour}[rnd.IntN(3)]
		for i := range rnd.IntN(3) {
			site := fmt.Sprint("site-", i)
			for range rnd.IntN(3) {
				e := audit.Lifecycle{At: start.Add(time.Duration(rnd.IntN(120)-20) * time.Hour), Site: site, Event: kinds[rnd.IntN(5)]}
				s.events[site] = append(s.events[site], e)
			}
		}
		d := s.dossier()
		if rnd.IntN(2) == 0 {
			newer := *s.policy
			newer.RetainedAfter = time.Hour
			d.Rules = append(d.Rules, audit.RulesFrom{From: start.Add(time.Duration(rnd.IntN(100)) * time.Hour), Rules: audit.Rules{Policy: &newer, CompleteSince: s.rules.CompleteSince}})
		}
		for h := range 96 {
			for _, ns := range []time.Duration{0, 1, -1} {
				at := start.Add(time.Duration(h)*time.Hour + ns)
				if at <= d.AsOf && isGone(d, at) {
					gone++
					if !mayBeGone(d, at.Day()) {
						t.Fatalf("seed %d: gone at %s, and not on its day", seed, at)
					}
				}
			}
		}
	}
	if gone == 0 {
		t.Error("none was ever gone")
	}
}

// BenchmarkCalls judges a day of a million calls, all in order, by the checks that look at calls.
func BenchmarkCalls(b *testing.B) {
	s := tell("2026-11-22T02:30:00Z").approval("2026-01-01T00:00:00Z", "", "security-alerts").
		lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
		retrieves("2026-11-20T00:00:00Z", "site-1", "ann", "bob", "cid", "dan")
	d := s.dossier()
	day := instant("2026-11-20T00:00:00Z").Day()
	calls, _ := d.Days.Calls(day)
	one := calls.Calls[0]
	calls.Calls = make([]audit.Call, 1_000_000)
	for i := range calls.Calls {
		calls.Calls[i] = one
		calls.Calls[i].At = one.At.Add(time.Duration(i) * time.Millisecond)
	}
	for _, id := range []string{"access-unapproved", "access-not-installed", "access-not-app", "purpose-prohibited", "report-closed-retained"} {
		c, _ := Get(id)
		b.Run(id, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Days(d, day, audit.NewTally(&c, day, d.AsOf, nil)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
