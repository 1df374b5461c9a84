package checks

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/oracle"
)

// TestDriftAgainstOracle holds purpose-drift against a second reading of its rules, on stories of chance with patterns of every kind in them.
// MAILREEVE_TEST_STORIES says how many.
func TestDriftAgainstOracle(t *testing.T) {
	t.Parallel()
	c, _ := Get("purpose-drift")
	stories, found := uint64(24), map[string]int{}
	if more, err := strconv.ParseUint(os.Getenv("MAILREEVE_TEST_STORIES"), 10, 64); err == nil {
		stories = more
	}
	for seed := range stories {
		s := drifts(rand.New(rand.NewPCG(seed, 4)))
		want := map[audit.Found]bool{}
		for k, f := range oracle.Judge(s.input()).Open {
			if k.Check == c.ID {
				want[audit.Found{Subject: k.Subject, Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites}] = true
				found[k.Subject]++
			}
		}
		got := map[audit.Found]bool{}
		for _, f := range founds(findings(&c, find(t, &c, s.dossier()))) {
			got[f] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("story %d: found %v, the rules say %v", seed, got, want)
		}
	}
	for _, subject := range []string{siteSweep, surge, periodicBulk, enumeration} {
		if n := found[subject]; uint64(n) < stories/12 || uint64(n) > stories*9/10 {
			t.Errorf("%s is found in %d of %d stories: they try too little", subject, n, stories)
		}
	}
}

// drifts is a story of some weeks: sites of different sizes, a few retrievals a day, and on some days many, by one pattern or another.
func drifts(rnd *rand.Rand) *story {
	const day = 24 * time.Hour
	s := tell("2026-11-22T02:30:00Z")
	if rnd.IntN(4) == 0 {
		s.asOf = s.asOf.Add(time.Duration(rnd.Int64N(int64(day)))) // in the middle of a day of calls
	}
	purposes := [][]string{{"security-alerts"}, {"security-alerts"}, {"error-reports", "user-invitations"}, {"subscribed-alerts"}, {"security-alerts", "connect-mail-service"}, {"user-sync"}, {"seat-planning", "security-alerts"}}[rnd.IntN(7)]
	s.approval("2026-01-01T00:00:00Z", "", purposes...)
	if rnd.IntN(4) == 0 { // for some of the time something else is approved, too
		more := []string{"user-sync", "subscribed-alerts", "error-reports"}[rnd.IntN(3)]
		from := s.asOf.Add(-time.Duration(rnd.Int64N(int64(40 * day))))
		s.approvals = append(s.approvals, audit.Approval{Status: audit.Approved, Decided: from, Revoked: from.Add(time.Duration(rnd.Int64N(int64(20 * day)))), Purposes: []string{more}})
	}
	if rnd.IntN(8) == 0 {
		s.rules.Purposes = false
	}

	long := 18 + rnd.IntN(70) // days
	begin := (s.asOf.Day() - audit.Day(long)).Start()
	type place struct {
		name  string
		users int64
	}
	var places []place
	for i := range 2 + rnd.IntN(4) {
		p := place{fmt.Sprint("site-", i), []int64{-1, 40, 100, 101, 300, 1000, 1001, 3000}[rnd.IntN(8)]}
		at := begin.Add(-40 * day)
		if rnd.IntN(3) == 0 {
			at = begin.Add(time.Duration(rnd.IntN(long)) * day).Add(time.Duration(rnd.IntN(3)-1) * time.Hour)
		}
		event := func(at audit.Instant, what audit.Event, users int64) {
			s.events[p.name] = append(s.events[p.name], audit.Lifecycle{At: at, App: s.key, Site: p.name, Event: what, Users: users})
		}
		event(at, audit.Installed, p.users)
		if rnd.IntN(4) == 0 && p.users > 0 { // it grows
			event(begin.Add(time.Duration(rnd.IntN(long))*day), audit.Present, p.users*2)
		}
		if rnd.IntN(8) == 0 {
			gone := at.Add(time.Duration(rnd.IntN(60)) * day)
			event(gone, audit.Uninstalled, -1)
			event(gone.Add(day/2), audit.Installed, -1)
		}
		places = append(places, p)
	}

	serial := time.Duration(0) // no two calls at one moment
	call := func(at audit.Instant, site string, status uint16, accounts ...string) {
		serial++
		purpose := purposes[0]
		switch rnd.IntN(60) {
		case 0:
			purpose = "marketing"
		case 1:
			purpose = ""
		}
		s.calls = append(s.calls, toldCall{at: at.Add(serial), site: site, purpose: purpose, auth: audit.OAuth2, status: status, accounts: accounts})
	}
	// many are n calls from a moment on, within a span.
	many := func(at audit.Instant, within time.Duration, n, from int, site string, status uint16) {
		for i := range n {
			t := at.Add(within * time.Duration(i) / time.Duration(n))
			switch {
			case status != 200:
				call(t, site, status)
			case rnd.IntN(3) == 0:
				call(t, site, 200, fmt.Sprint("u", from+i), fmt.Sprint("u", from+i+1))
			default:
				call(t, site, 200, fmt.Sprint("u", from+i))
			}
		}
	}
	busy := rnd.IntN(3)
	for d := range long + 1 {
		morning := begin.Add(time.Duration(d)*day + 5*time.Hour)
		for _, p := range places {
			many(morning, 10*time.Hour, rnd.IntN([]int{3, 8, 16}[busy]), rnd.IntN(40), p.name, 200)
		}
		many(morning, 3*time.Hour, rnd.IntN(4), 0, places[0].name, 404)
		if rnd.IntN(10) == 0 { // an ordinary busy day
			many(morning, 8*time.Hour, 60, 0, places[rnd.IntN(len(places))].name, 200)
		}
	}
	for range 1 + rnd.IntN(4) {
		at := begin.Add(time.Duration(rnd.IntN(long+1))*day + time.Duration(rnd.IntN(14))*time.Hour)
		p := places[rnd.IntN(len(places))]
		n := 45 + rnd.IntN(120)
		switch rnd.IntN(8) {
		case 0: // most of a site
			many(at, time.Duration(1+rnd.IntN(9))*time.Hour, n, 0, p.name, 200)
		case 1: // far more than usual
			many(at, 9*time.Hour, 2*n, 1000, p.name, 200)
		case 2: // the same again
			for _, k := range []int{0, 7, 14, 28, 30}[:2+rnd.IntN(4)] {
				many(at.Add(-time.Duration(k)*day), 2*time.Hour, n-rnd.IntN(20), 2000, p.name, 200)
			}
		case 3: // ids in a row, some of which are there
			for k := range n {
				many(at.Add(time.Duration(k)*time.Second), time.Second, 1, 3000+k, p.name, []uint16{404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 200}[rnd.IntN(12)])
			}
		case 4:
			many(at, time.Hour, n, 0, p.name, 404)
		default: // a little more than usual on every site
			for _, p := range places {
				many(at, 8*time.Hour, 25+rnd.IntN(25), 4000, p.name, 200)
			}
		}
	}
	return s
}

// input is the story in lines, as the oracle reads them.
func (s *story) input() oracle.Input {
	lines := func(list []any) *oracle.Source {
		var b strings.Builder
		for _, x := range list {
			line, err := json.Marshal(x)
			if err != nil {
				panic(err)
			}
			b.Write(line)
			b.WriteByte('\n')
		}
		return &oracle.Source{Files: []oracle.File{{Name: "story", Data: []byte(b.String())}}}
	}
	type object = map[string]any
	stamp := func(t audit.Instant) string { return t.Time().Format(time.RFC3339Nano) }
	var calls, events, approvals []any
	for i, c := range s.calls {
		calls = append(calls, object{"ts": stamp(c.at), "request_id": fmt.Sprint(i), "app_key": s.key, "cloud_id": c.site, "path": "/email", "auth": c.auth.String(), "purpose": c.purpose, "status": c.status, "account_ids": c.accounts})
	}
	for _, site := range slices.Sorted(maps.Keys(s.events)) {
		for _, e := range s.events[site] {
			o := object{"ts": stamp(e.At), "app_key": s.key, "cloud_id": site, "event": e.Event.String()}
			if e.Users >= 0 {
				o["users"] = e.Users
			}
			events = append(events, o)
		}
	}
	for _, a := range s.approvals {
		o := object{"status": string(a.Status), "decided_at": stamp(a.Decided), "purposes": a.Purposes}
		if a.Revoked != audit.Never {
			o["revoked_at"] = stamp(a.Revoked)
		}
		approvals = append(approvals, o)
	}
	return oracle.Input{AsOf: s.asOf.Time(), Access: []oracle.AccessSource{{Purposes: s.rules.Purposes, Files: lines(calls).Files}}, Installs: lines(events),
		Apps: lines([]any{object{"key": s.key, "approvals": approvals}})}
}
