// Package market makes small, hostile markets by chance: apps, sites, accounts and some weeks of logs, in which everything that
// the checks read is violated or nearly violated, and everything that files can do to a reader is done. A market is a pure
// function of its seed. Ids and texts are invented.
//
// A market can be laid out whole, as one set of files, or cut into nights: the same lines, each arriving in a night of its own,
// in files that grow, change their names, come twice or in pieces. The contract says that both must give the same open findings.
//
// Where the rules leave a reading open, a market stays away from it: see the comments that begin with "Silent".
package market

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Kinds are the kinds of sources that a market has, in the order of the config.
var Kinds = []string{"access", "reports", "installs", "incidents", "apps", "captures", "mail", "signals", "addresses"}

// Beside is a file that a line of a manifest names, by the name that it gives.
type Beside struct{ Name, Text string }

// Line is one line of a log.
type Line struct {
	ID   int
	Kind string
	At   time.Time // when a gateway would have written it
	Text string    // without an end of line
	Bad  bool      // must be quarantined
	Copy bool      // says the same as an earlier line

	Beside []Beside // files that come with it
}

// App is an app of the registry: its line but for the approvals, and these.
type App struct {
	ID  int
	Key string
	// Before are lines that stand before the app's own and lose against it; After are bad ones behind it.
	Before, After []string
	fields        obj
	approvals     []approval
	style         uint64
	raw           string // a whole line instead: bad, or of an app that nobody can look at
}

// approval has a final form and maybe an earlier one.
type approval struct {
	id             int
	final, earlier obj
	known, changed time.Time // when the registry first lists it, and lists it in its final form
}

// Market is a market. AsOf is when it is audited.
type Market struct {
	Seed          uint64
	Start, AsOf   time.Time
	CompleteSince time.Time // zero: not configured
	Purposes      bool      // the gateway logs purposes
	Incidents     bool      // a source of incidents is configured, and so on
	Captures      bool
	Mail          bool
	Signals       bool
	Addresses     bool
	AuthservID    string // whose verdicts on senders count; empty: nobody's
	Lines         []Line
	Apps          []App
}

// generator holds what is drawn on while a market is made.
type generator struct {
	*Market
	rng      *rand.Rand
	ids      int
	anchors  []time.Time
	sites    []string
	accounts []string
	known    []known            // accounts with an address
	ends     map[time.Time]bool // incidents' ends + 24 h: Silent on reports at exactly a moved deadline
	active   map[string]string  // app, site, instant: the active event there
	taken    map[string]bool    // incidents' froms
	serial   int
	due      []time.Time // moments from which 15 days end next to an incident, shortly before the as-of
	left     []leaving
}

// leaving is an app's leaving of a site; everywhere: it was the last.
type leaving struct {
	key, site  string
	at         time.Time
	everywhere bool
}

// New makes the market of a seed.
func New(seed uint64) *Market {
	g := &generator{
		Market: &Market{Seed: seed},
		rng:    rand.New(rand.NewPCG(seed, 0x6d61726b6574)),
		ends:   map[time.Time]bool{}, active: map[string]string{}, taken: map[string]bool{},
	}
	g.frame()
	g.incidents()
	g.registry()
	g.lifecycle()
	g.traffic()
	g.people()
	if g.Mail {
		g.mail()
	}
	if g.Captures {
		g.captures()
	}
	if g.Signals {
		g.signals()
	}
	g.noise()
	return g.Market
}

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

func pick[T any](g *generator, l ...T) T { return l[g.rng.IntN(len(l))] }

func (g *generator) id() int {
	g.ids++
	return g.ids
}

func (g *generator) hex(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789abcdef"[g.rng.IntN(16)])
	}
	return b.String()
}

func (g *generator) uuid() string {
	return g.hex(8) + "-" + g.hex(4) + "-4" + g.hex(3) + "-a" + g.hex(3) + "-" + g.hex(12)
}

// frame draws days, sites and accounts.
func (g *generator) frame() {
	g.Start = time.Date(2025, 2, 1+g.rng.IntN(60), 0, 0, 0, 0, time.UTC)
	g.AsOf = g.Start.Add(time.Duration(20+g.rng.IntN(31)) * day).Add(pick(g, 0, 150*time.Minute, 150*time.Minute, -1, 1, time.Duration(g.rng.Int64N(int64(day)))))
	switch n := g.rng.IntN(100); {
	case n < 12:
	case n < 60:
		g.CompleteSince = g.Start.Add(-10 * day)
	default:
		g.CompleteSince = g.Start.Add(time.Duration(g.rng.IntN(int(g.AsOf.Sub(g.Start)/time.Hour))) * time.Hour)
	}
	g.Purposes = !g.chance(10)
	g.Incidents = !g.chance(15)
	g.Captures, g.Mail, g.Signals = g.chance(60), g.chance(60), g.chance(40)
	g.Addresses = g.chance(90) && (g.Captures || g.Mail) || g.chance(10)
	if g.chance(85) {
		g.AuthservID = "mx.platform.example"
	}
	for range 2 + g.rng.IntN(3) {
		g.sites = append(g.sites, g.uuid())
	}
	h := g.hex(23) + "c"
	g.accounts = []string{h, strings.ToUpper(h), g.hex(24), g.hex(24), g.hex(24), "557058:" + g.uuid(), "557058:" + g.uuid(), "712020:" + g.uuid(),
		strings.ToUpper("557058:" + g.uuid()), "qm:" + g.uuid() + ":" + g.uuid(), "unknown", "Unknown", `odd "id" \ ünd`, strings.Repeat("z", 128), "7", g.hex(25)}
	g.rng.Shuffle(len(g.accounts), func(i, j int) { g.accounts[i], g.accounts[j] = g.accounts[j], g.accounts[i] })
	g.accounts = append(g.accounts[:11], "unknown")
	g.anchor(g.AsOf, g.AsOf.Add(-15*day), g.AsOf.Add(-30*day), g.AsOf.Add(-5*time.Minute), midnight(g.AsOf.Add(-15*day)), midnight(g.AsOf.Add(-16*day)), midnight(g.AsOf))
	if !g.CompleteSince.IsZero() {
		g.anchor(g.CompleteSince)
	}
	for range 4 {
		g.anchor(g.Start.Add(time.Duration(g.rng.IntN(40)) * day))
	}
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(day) }

// anchor remembers moments around which something may turn.
func (g *generator) anchor(ts ...time.Time) { g.anchors = append(g.anchors, ts...) }

func (g *generator) jitter() time.Duration {
	return pick(g, 0, 0, 1, -1, time.Second, -time.Second, time.Millisecond, -time.Minute)
}

// moment draws a moment from the start to the as-of, often on or next to an anchor or at a telling distance from one.
func (g *generator) moment() time.Time {
	for range 20 {
		var t time.Time
		if g.chance(55) {
			t = pick(g, g.anchors...).Add(g.jitter())
			if g.chance(40) {
				t = t.Add(pick(g, 5*time.Minute, day, -day, 15*day, -15*day, 30*day, 16*day))
			}
		} else {
			t = g.Start.Add(time.Duration(g.rng.Int64N(int64(g.AsOf.Sub(g.Start)))))
			t = t.Truncate(pick(g, time.Millisecond, time.Microsecond, time.Second, time.Hour))
		}
		if !t.Before(g.Start) && !t.After(g.AsOf) {
			return t
		}
	}
	return g.Start.Add(g.AsOf.Sub(g.Start) / 2)
}

// line adds a line, spelled by chance, and the files that it names.
func (g *generator) line(kind string, at time.Time, o obj, beside ...Beside) {
	g.Lines = append(g.Lines, Line{ID: g.id(), Kind: kind, At: at, Text: g.spell(kind, o), Beside: beside})
	if g.chance(7) { // a copy: the same bytes, or the same said otherwise
		l := g.Lines[len(g.Lines)-1]
		l.ID, l.Copy = g.id(), true
		if g.chance(70) {
			l.Text = g.spell(kind, o)
		}
		g.Lines = append(g.Lines, l)
	}
}

func (g *generator) spell(kind string, o obj) string {
	s := spelling{rng: g.rng, wild: g.chance(50), fields: func(rng *rand.Rand) obj { return extra(kind, rng) }}
	return string(s.write(o))
}

// extra are fields that no audit reads, some of them twice.
func extra(kind string, rng *rand.Rand) obj {
	var o obj
	if kind == "access" && rng.IntN(2) == 0 {
		o = append(o, kv{"method", "GET"}, kv{"source_ip", fmt.Sprintf("192.0.2.%d", rng.IntN(250))}, kv{"user_agent", "robot/1 (ü)"})
	}
	if rng.IntN(10) == 0 {
		o = append(o, kv{"x", raw(`{"ts":"no time","ts":[1,{"status":9e9}],"s":"}"}`)})
	}
	if rng.IntN(12) == 0 {
		o = append(o, kv{"TS", 5}, kv{"Status", "x"}, kv{"trace", 1}, kv{"trace", nil})
	}
	return o
}

// incidents: outages near the deadlines of others, open ones that a later line closes, other interfaces' ones.
func (g *generator) incidents() {
	if !g.Incidents {
		return
	}
	for range g.rng.IntN(4) {
		from := g.moment()
		// Silent: two ends for one incident, an incident whose end is before its beginning.
		if g.taken[from.String()] {
			continue
		}
		g.taken[from.String()] = true
		to := from.Add(pick(g, time.Hour, 5*time.Hour, day, 2*day, 1, 40*time.Minute))
		if g.chance(60) { // next to a deadline shortly before the as-of, or to the end of a day D+15
			deadline := g.AsOf.Add(-pick(g, 1, time.Second, time.Hour, 20*time.Hour, 40*time.Hour))
			if g.chance(40) {
				deadline = midnight(deadline)
			}
			g.due = append(g.due, deadline.Add(-15*day))
			switch g.rng.IntN(3) {
			case 0:
				to = deadline.Add(-day).Add(pick[time.Duration](g, 0, 0, 1, -1))
				from = to.Add(-5 * time.Hour)
			case 1:
				from = deadline.Add(pick[time.Duration](g, 0, 0, 1, -1))
				to = from.Add(pick(g, 10*time.Minute, time.Hour))
			case 2: // two in a row: the first moves the deadline into the reach of the second
				from = deadline.Add(-30 * time.Hour)
				to = deadline.Add(-20 * time.Hour)
				second := deadline.Add(pick(g, time.Minute, 3*time.Hour, 4*time.Hour-1, 4*time.Hour))
				if k := second.String(); !g.taken[k] {
					g.taken[k] = true
					end := second.Add(2 * time.Hour)
					g.line("incidents", end, obj{{"api", "reporting"}, {"from", second}, {"to", end}})
					g.ends[end.Add(day).UTC()] = true
				}
			}
			if g.taken[from.String()] && !from.IsZero() {
				continue
			}
			g.taken[from.String()] = true
		}
		if to.Add(day).Equal(g.AsOf) { // Silent: an audit at exactly a moved deadline.
			to = to.Add(1)
		}
		api := pick(g, "reporting", "reporting", "reporting", "email")
		open := obj{{"api", api}, {"from", from}, {"to", opt{}}}
		closed := obj{{"api", api}, {"from", from}, {"to", to}}
		switch n := g.rng.IntN(10); {
		case n < 1:
			g.line("incidents", from, open)
		case n < 5:
			g.line("incidents", from, open)
			g.line("incidents", to, closed)
		default:
			g.line("incidents", to, closed)
		}
		if api == "reporting" {
			g.ends[to.Add(day).UTC()] = true
		}
		for _, t := range []time.Time{from, to, to.Add(day), from.Add(day)} {
			g.anchor(t, t.Add(-15*day), t.Add(-16*day), midnight(t.Add(-15*day)))
		}
	}
}

// reportTime keeps a report away from exactly a moved deadline, where the rules are silent.
func (g *generator) reportTime(t time.Time) time.Time {
	for g.ends[t.UTC()] {
		t = t.Add(1)
	}
	return t
}

// lifecycle: installations of every app on every site, often in short steps around what matters.
func (g *generator) lifecycle() {
	for _, key := range g.keys() {
		sites := g.sites
		if g.AsOf.Sub(g.Start) > 33*day && g.chance(40) { // left everywhere, more than 30 days before the end
			var last time.Time
			for _, s := range sites {
				if !g.chance(80) {
					continue
				}
				in := g.Start.Add(time.Duration(g.rng.IntN(3600)) * time.Second)
				out := in.Add(time.Duration(g.rng.IntN(int(2*day/time.Second))) * time.Second)
				g.event(in, key, s, pick(g, "installed", "present", "enabled"))
				g.event(out, key, s, pick(g, "uninstalled", "disabled"))
				if out.After(last) {
					last = out
				}
				g.left = append(g.left, leaving{key, s, out, false})
				g.anchor(out.Add(5*time.Minute), out.Add(30*day), out.Add(30*day))
			}
			if g.chance(20) && !last.IsZero() {
				g.CompleteSince = last.Add(g.jitter())
			}
			if !last.IsZero() {
				g.left = append(g.left, leaving{key, "", last, true})
			}
			if g.chance(70) {
				continue
			}
		}
		for _, s := range sites {
			if g.chance(15) {
				continue // no event at all
			}
			t := g.Start.Add(time.Duration(g.rng.IntN(int(4*day/time.Second))) * time.Second)
			for range g.rng.IntN(5) {
				what := pick(g, "installed", "installed", "uninstalled", "present", "enabled", "disabled")
				g.event(t, key, s, what)
				if g.chance(15) { // another at the same instant
					g.event(t, key, s, pick(g, "installed", "uninstalled", "disabled"))
				}
				g.anchor(t, t.Add(5*time.Minute))
				if what == "uninstalled" || what == "disabled" {
					g.left = append(g.left, leaving{key, s, t, false})
				}
				switch g.rng.IntN(4) {
				case 0:
					t = t.Add(5*time.Minute + g.jitter())
				case 1:
					t = g.moment()
				default:
					t = t.Add(time.Duration(g.rng.Int64N(int64(12 * day))))
				}
				if t.After(g.AsOf) {
					break
				}
			}
		}
	}
}

// event adds a lifecycle event. Silent: two active events of different names at one instant (which of them is the first?).
func (g *generator) event(t time.Time, key, site, what string) {
	if what == "installed" || what == "enabled" || what == "present" {
		k := key + " " + site + " " + t.UTC().String()
		if w := g.active[k]; w != "" && w != what {
			return
		}
		g.active[k] = what
	}
	var users any
	if g.chance(50) {
		users = g.rng.IntN(5000)
	}
	g.line("installs", t, obj{{"ts", t}, {"app_key", key}, {"cloud_id", site}, {"event", what}, {"users", opt{users}}})
}

// keys are the apps that the logs may name.
func (g *generator) keys() []string {
	var keys []string
	for _, a := range g.Apps {
		if a.Key != "" {
			keys = append(keys, a.Key)
		}
	}
	return append(keys, "com.stranger.app")
}

func (g *generator) someAccounts(max int) []string {
	var ids []string
	for range g.rng.IntN(max + 1) {
		ids = append(ids, pick(g, g.accounts...))
	}
	return ids
}

func list[T any](l []T) []any {
	out := []any{}
	for _, e := range l {
		out = append(out, e)
	}
	return out
}

func (g *generator) call(t time.Time, key, site, auth, purpose string, status int, ids []string) {
	g.line("access", t, g.callObject(t, key, site, auth, purpose, status, ids))
}

func (g *generator) callObject(t time.Time, key, site, auth, purpose string, status int, ids []string) obj {
	g.serial++
	request := fmt.Sprintf("q%d", g.serial)
	if g.chance(2) {
		request = "same" // another call with the same request id is another fact
	}
	return obj{{"ts", t}, {"request_id", request}, {"app_key", opt{key}}, {"cloud_id", site},
		{"path", pick(g, "/rest/api/3/user/email", "/rest/api/3/user/email/bulk", "/wiki/rest/api/user/email", "/rest/api/2/user/email")},
		{"auth", auth}, {"purpose", opt{purpose}}, {"status", status}, {"account_ids", opt{list(ids)}}}
}

func (g *generator) report(t time.Time, key string, status int, accounts, result []any) {
	t = g.reportTime(t)
	g.serial++
	g.line("reports", t, obj{{"ts", t}, {"request_id", fmt.Sprintf("p%d", g.serial)}, {"app_key", key}, {"status", status}, {"accounts", opt{accounts}}, {"result", opt{result}}})
}

func reported(id string, updatedAt any) obj {
	return obj{{"account_id", id}, {"updated_at", opt{updatedAt}}}
}

func answered(id, status string) obj { return obj{{"account_id", id}, {"status", status}} }

// traffic: calls and reports.
func (g *generator) traffic() {
	for _, l := range g.left {
		if l.everywhere {
			for range g.rng.IntN(3) {
				g.report(l.at.Add(30*day).Add(g.jitter()), l.key, 200, []any{reported(pick(g, g.accounts...), nil)}, nil)
			}
		} else if g.chance(40) {
			g.call(l.at.Add(5*time.Minute).Add(g.jitter()), l.key, l.site, "oauth2", "", 200, g.someAccounts(3))
		}
	}
	for _, key := range g.keys() {
		if g.chance(15) {
			g.quiet(key)
			continue
		}
		auth := pick(g, "connect-jwt", "oauth2", "forge-app")
		purposes := g.purposesOf(key)
		purpose := func() string {
			if g.chance(55) {
				return pick(g, purposes...)
			}
			return pick(g, "", "none", "error-reports", "security-alerts", "user-sync", "marketing", "renewal-reminders", "crm-link", "Odd Purpose", "Security-Alerts",
				"tea-time", strings.Repeat("p", 64), strings.Repeat("p", 65), "ünd", "invalid")
		}
		status := func() int { return pick(g, 200, 200, 200, 200, 200, 200, 200, 404, 403, 429, 500, 201, 204) }
		counts := func() int { return pick(g, 200, 200, 200, 200, 204, 400, 403, 429, 500, 503, 201) }
		someAuth := func() string {
			if g.chance(10) {
				return pick(g, "api-token", "basic", "session", "forge-user", "oauth2")
			}
			return auth
		}
		ids := g.someAccounts
		if g.chance(30) { // an app that keeps to few accounts
			few := []string{pick(g, g.accounts...), pick(g, g.accounts...), pick(g, g.accounts...)}
			ids = func(max int) []string {
				var out []string
				for range g.rng.IntN(max + 1) {
					out = append(out, pick(g, few...))
				}
				return out
			}
		}
		if !g.CompleteSince.IsZero() && !g.CompleteSince.Before(g.Start) && g.chance(50) {
			g.call(g.CompleteSince.Add(g.jitter()), key, pick(g, g.sites...), auth, purpose(), 200, g.someAccounts(3))
		}
		for range g.rng.IntN(25) {
			g.call(g.moment(), key, pick(g, g.sites...), someAuth(), purpose(), status(), ids(4))
		}
		for range g.rng.IntN(3) { // refusals: nine, ten or eleven on a day, one of them maybe beyond it
			t := midnight(g.moment())
			for i := range 9 + g.rng.IntN(3) {
				at := t.Add(time.Duration(i) * 2 * time.Hour)
				if i == 0 {
					at = t.Add(pick(g, 0, -1, 1, day, day-1))
				}
				if g.chance(10) {
					at = t.Add(time.Duration(g.rng.Int64N(int64(day))))
				}
				if !at.Before(g.Start) && !at.After(g.AsOf) {
					g.call(at, key, pick(g, g.sites...), someAuth(), purpose(), 403, nil)
				}
			}
		}
		// Reports: a diligent app, a sloppy one, one that has erased everything, one that never reports.
		all := func() []any {
			var l []any
			for _, id := range g.accounts {
				if g.chance(92) {
					l = append(l, reported(id, nil))
				}
			}
			return l
		}
		switch n := g.rng.IntN(100); {
		case n < 45:
			t := g.Start.Add(time.Duration(g.rng.Int64N(int64(10 * day))))
			for t.Before(g.AsOf) {
				g.report(t, key, pick(g, 200, 200, 204, 429), all(), nil)
				g.anchor(t.Add(15 * day))
				t = t.Add(pick(g, 7*day, 15*day, 14*day, 15*day+1)).Add(g.jitter())
			}
		case n < 60:
			g.report(g.moment(), key, counts(), all(), nil)
		case n < 75:
			t := g.moment()
			g.report(t, key, pick(g, 200, 204), all(), nil)
			g.report(t.Add(pick(g, 0, 1, day)), key, 204, pick(g, nil, []any{reported("unknown", nil)}), nil)
			g.call(t.Add(pick(g, 0, 1, day)), key, pick(g, g.sites...), auth, purpose(), 200, g.someAccounts(3))
		case n < 85:
			continue
		}
		if g.chance(50) { // the last report is about 15 days ago
			g.report(g.AsOf.Add(-15*day).Add(g.jitter()), key, pick(g, 200, 204, 503), all(), nil)
		}
		for range g.rng.IntN(8) {
			g.randomReport(key, counts(), ids)
		}
		for range g.rng.IntN(4) {
			g.closed(key, someAuth(), purpose, counts)
		}
		for range g.rng.IntN(4) {
			g.updated(key, someAuth(), purpose, counts)
		}
		for range g.rng.IntN(3) { // a retrieval, and its accounts reported around the end of day D+15
			t := g.moment()
			got := g.someAccounts(3)
			g.call(t, key, pick(g, g.sites...), auth, purpose(), 200, got)
			end := midnight(t).Add(16 * day)
			at := pick(g, end.Add(-1), end, end.Add(1), midnight(t), midnight(t).Add(-1), end.Add(20*time.Hour))
			var l, res []any
			for _, id := range got {
				if g.chance(70) {
					l = append(l, reported(id, nil))
				}
				if g.chance(20) {
					res = append(res, answered(id, pick(g, "closed", "updated")))
				}
			}
			if !at.Before(g.Start) {
				g.report(at, key, pick(g, 200, 200, 204, 503), l, res)
			}
		}
	}
	for range g.rng.IntN(8) { // no app at all
		g.call(g.moment(), "", pick(g, g.sites...), pick(g, "api-token", "basic", "session", "connect-jwt", "oauth2"), pick(g, "", "marketing"), pick(g, 200, 200, 403), g.someAccounts(3))
	}
}

// quiet is the traffic of an app that has a single obligation to report, about 15 days before the as-of.
func (g *generator) quiet(key string) {
	t := pick(g, append([]time.Time{g.AsOf.Add(-15 * day).Add(g.jitter())}, g.due...)...)
	if len(g.due) > 0 && g.chance(60) {
		t = pick(g, g.due...)
	}
	full := []any{reported(pick(g, g.accounts...), nil)}
	get := func(at time.Time) {
		g.call(at, key, pick(g, g.sites...), "oauth2", "user-sync", 200, []string{pick(g, g.accounts...), pick(g, g.accounts...)})
	}
	switch g.rng.IntN(5) {
	case 0:
		g.report(t, key, 200, full, nil)
	case 1: // several at one instant
		t = g.reportTime(t.Add(-pick[time.Duration](g, 0, day)))
		g.report(t, key, 204, nil, nil)
		g.report(t, key, 200, full, nil)
		if g.chance(50) {
			g.report(t, key, 204, nil, nil)
		}
	case 2: // erased, and fetched at that very moment or later
		r := g.reportTime(t.Add(-pick[time.Duration](g, 0, 0, 1, day)))
		get(r.Add(-2 * day))
		g.report(r, key, 204, nil, nil)
		get(r)
		if g.chance(40) {
			get(t)
		}
	case 3:
		get(t)
	case 4:
		get(t)
		g.report(t.Add(g.jitter()), key, pick(g, 204, 503, 200), full, nil)
	}
}

// randomReport holds each account once. Silent: one account twice in a report with different updated_at.
func (g *generator) randomReport(key string, status int, ids func(int) []string) {
	t := g.moment()
	var l, res []any
	seen := map[string]bool{}
	for _, id := range ids(5) {
		if seen[id] {
			continue
		}
		seen[id] = true
		var at any
		if g.chance(60) {
			at = t.Add(-time.Duration(g.rng.Int64N(int64(20 * day))))
		}
		l = append(l, reported(id, at))
		if g.chance(5) {
			l = append(l, reported(id, at))
		}
		if g.chance(15) {
			res = append(res, answered(id, pick(g, "closed", "updated", "updated")))
		}
	}
	if g.chance(10) {
		res = append(res, answered(pick(g, g.accounts...), pick(g, "closed", "updated")))
	}
	g.report(t, key, status, l, res)
}

// closed: an account is answered closed, and seen again about 24 hours later.
func (g *generator) closed(key, auth string, purpose func() string, counts func() int) {
	t, id := g.reportTime(g.moment()), pick(g, g.accounts...)
	g.report(t, key, counts(), []any{reported(id, nil)}, []any{answered(id, "closed")})
	if g.chance(30) { // answered again, or once before
		g.report(t.Add(pick(g, day, -day, time.Hour)), key, counts(), nil, []any{answered(id, "closed")})
	}
	for range 1 + g.rng.IntN(3) {
		at := t.Add(day).Add(g.jitter())
		if at.After(g.AsOf) {
			continue
		}
		if g.chance(50) {
			g.report(at, key, counts(), []any{reported(id, nil), reported(pick(g, g.accounts...), nil)}, nil)
		} else {
			g.call(at, key, pick(g, g.sites...), auth, purpose(), pick(g, 200, 200, 403), []string{id, pick(g, g.accounts...)})
		}
	}
}

// updated: an account is answered updated, and reported again with an updated_at about as old, maybe fetched in between.
func (g *generator) updated(key, auth string, purpose func() string, counts func() int) {
	u, id := g.reportTime(g.moment()), pick(g, g.accounts...)
	g.report(u, key, counts(), nil, []any{answered(id, "updated")})
	if g.chance(30) {
		g.report(u.Add(pick(g, time.Hour, day, 2*day)).Add(g.jitter()), key, counts(), nil, []any{answered(id, "updated")})
	}
	r := u.Add(pick(g, day, day, 2*day, 5*day)).Add(g.jitter())
	if r.After(g.AsOf) {
		return
	}
	r = g.reportTime(r)
	updatedAt := pick[any](g, u.Add(-1), u, u.Add(1), u.Add(-10*day), nil)
	g.report(r, key, counts(), []any{reported(id, updatedAt)}, nil)
	if g.chance(40) {
		at := pick(g, u, u.Add(1), r, r.Add(1), u.Add(time.Hour))
		g.call(at, key, pick(g, g.sites...), auth, purpose(), pick(g, 200, 200, 403), []string{id})
	}
}

// noise: records of the future, bad lines.
func (g *generator) noise() {
	keys := g.keys()
	for range 2 + g.rng.IntN(8) {
		t := g.AsOf.Add(pick(g, 1, time.Second, day, day+1, time.Duration(g.rng.Int64N(int64(3*day)))))
		key := pick(g, keys...)
		if len(g.known) == 0 {
			g.address(g.hex(24))
		}
		who := pick(g, g.known...)
		switch g.rng.IntN(6) {
		case 3:
			if g.Captures {
				file := g.fileName("html")
				g.line("captures", t, captureObject(g, file, "html", key, "", t), Beside{file, "<p>" + who.address + "</p>"})
			}
		case 4:
			if g.Mail {
				file := g.fileName("eml")
				g.line("mail", t, mailObject(file, key, pick(g, g.sites...), who.id, t), Beside{file, g.message(&canary{known: who, key: key})})
			}
		case 5:
			if g.Signals {
				g.line("signals", t, obj{{"ts", t}, {"app_key", key}, {"kind", "ui-exposure"}})
			}
		case 0:
			g.call(t, key, pick(g, g.sites...), "oauth2", "marketing", 200, g.someAccounts(4))
		case 1:
			g.report(t, key, 200, []any{reported(pick(g, g.accounts...), nil)}, []any{answered(pick(g, g.accounts...), "closed")})
		case 2:
			g.event(t, key, pick(g, g.sites...), pick(g, "installed", "uninstalled", "present"))
		}
	}
	for _, kind := range Kinds {
		if kind == "apps" || !g.configured(kind) {
			continue
		}
		for range g.rng.IntN(6) {
			t := g.moment()
			if (kind == "captures" || kind == "mail") && g.chance(40) {
				g.unreadable(kind, t, pick(g, keys...))
				continue
			}
			l := Line{ID: g.id(), Kind: kind, At: t, Bad: true}
			l.Text, l.Beside = g.bad(kind, t, pick(g, keys...))
			g.Lines = append(g.Lines, l)
		}
	}
	sort.SliceStable(g.Lines, func(i, j int) bool { return g.Lines[i].At.Before(g.Lines[j].At) })
}

// bad makes a line that must go to quarantine and would change the numbers if it were taken.
func (g *generator) bad(kind string, t time.Time, key string) (string, []Beside) {
	var beside []Beside
	site, id := pick(g, g.sites...), pick(g, g.accounts...)
	var o obj
	var required, read []string
	wrong := map[string][]any{}
	g.serial++
	request := fmt.Sprintf("b%d", g.serial)
	switch kind {
	case "access":
		o = obj{{"ts", t}, {"request_id", request}, {"app_key", key}, {"cloud_id", site}, {"path", "/rest/api/3/user/email"}, {"auth", "basic"}, {"purpose", "marketing"}, {"status", 200}, {"account_ids", []any{id}}}
		required = []string{"ts", "request_id", "cloud_id", "path", "auth", "status"}
		read = append([]string{"app_key", "purpose", "account_ids"}, required...)
		wrong = map[string][]any{"ts": badTimes, "request_id": {5, true}, "app_key": {5, "jo@mail.example", obj{}}, "cloud_id": {1, "s@mail.example"}, "path": {[]any{}}, "auth": {"Basic", "password", 1},
			"purpose": {5, []any{"marketing"}}, "status": badStatus, "account_ids": {id, obj{}, 5, []any{id, 5}, []any{id, ""}, []any{nil}, []any{"jo.doe@mail.example"}, []any{strings.Repeat("x", 129)}}}
	case "reports":
		o = obj{{"ts", t}, {"request_id", request}, {"app_key", key}, {"status", 200}, {"accounts", []any{reported(id, nil)}}, {"result", []any{answered(id, "closed")}}}
		required = []string{"ts", "request_id", "app_key", "status"}
		read = append([]string{"accounts", "result"}, required...)
		wrong = map[string][]any{"ts": badTimes, "request_id": {5}, "app_key": {5, "jo@mail.example"}, "status": badStatus,
			"accounts": {"x", obj{}, []any{id}, []any{obj{}}, []any{obj{{"account_id", ""}}}, []any{obj{{"account_id", id}, {"updated_at", "yesterday"}}}, []any{obj{{"account_id", id}, {"updated_at", 5}}},
				[]any{obj{{"account_id", "jo@mail.example"}}}, []any{raw(`{"account_id":"x","account_id":"x"}`)}},
			"result": {[]any{answered(id, "open")}, []any{obj{{"account_id", id}}}, []any{obj{{"status", "closed"}}}, []any{answered(id, "Closed")}, 7}}
	case "installs":
		o = obj{{"ts", t}, {"app_key", key}, {"cloud_id", site}, {"event", pick(g, "uninstalled", "installed")}, {"users", 5}}
		required = []string{"ts", "app_key", "cloud_id", "event"}
		read = required
		wrong = map[string][]any{"ts": badTimes, "app_key": {5, "jo@mail.example"}, "cloud_id": {nil, "s@mail.example"}, "event": {"removed", "Installed", 5}, "users": {"5"}}
	case "incidents":
		o = obj{{"api", "reporting"}, {"from", t}, {"to", t.Add(2 * day)}}
		required = []string{"api", "from"}
		read = []string{"api", "from", "to"}
		wrong = map[string][]any{"api": {5}, "from": badTimes, "to": {"later", 5}}
	case "captures":
		who, file := pick(g, g.known...), g.fileName("html")
		beside = []Beside{{file, "<p>" + who.address + "</p>"}}
		for _, f := range captureObject(g, file, "html", key, "", t) {
			if v, ok := f.value.(opt); ok {
				f.value = v.v
			}
			o = append(o, f)
		}
		required = []string{"file", "kind", "app_key", "captured_at"}
		read = []string{"file", "kind", "app_key", "cloud_id", "viewer_account_id", "captured_at", "url"}
		wrong = map[string][]any{"file": {5, "gone.html", "more/gone/" + file, "../captures/" + file, "more/../../captures/" + file, "/captures/" + file, []any{file}}, "kind": {"HTML", "pdf", "eml", 5}, "app_key": {5, "jo@mail.example"},
			"cloud_id": {5, "s@mail.example"}, "viewer_account_id": {5, "jo.doe@mail.example", strings.Repeat("x", 129), []any{id}}, "captured_at": badTimes, "url": {5, obj{}}}
	case "mail":
		who, file := pick(g, g.known...), g.fileName("eml")
		beside = []Beside{{file, g.message(&canary{known: who, key: key})}}
		o = mailObject(file, key, site, who.id, t)
		required = []string{"file", "app_key", "cloud_id", "account_id", "received_at"}
		read = required
		wrong = map[string][]any{"file": {5, "gone.eml", "../canary/" + file, "/canary/" + file, "jo@mail.example/" + file}, "app_key": {5, "jo@mail.example"}, "cloud_id": {5, "s@mail.example"},
			"account_id": {5, "jo.doe@mail.example", strings.Repeat("x", 129), []any{id}}, "received_at": badTimes}
	case "signals":
		o = obj{{"ts", t}, {"app_key", key}, {"cloud_id", site}, {"kind", "ui-exposure"}, {"text", "shown to all"}, {"source", "support-ticket"}}
		required = []string{"ts", "app_key", "kind"}
		read = []string{"ts", "app_key", "cloud_id", "kind", "text", "source"}
		wrong = map[string][]any{"ts": badTimes, "app_key": {5, "jo@mail.example"}, "cloud_id": {5, "s@mail.example"}, "kind": {5, []any{"ui-exposure"}}, "text": {5, []any{}}, "source": {5, true}}
	case "addresses":
		o = obj{{"account_id", g.hex(24)}, {"email", g.freshAddress("people.example")}}
		required = []string{"account_id", "email"}
		read = required
		wrong = map[string][]any{"account_id": {5, "jo.doe@mail.example", strings.Repeat("x", 129)}, "email": {5, true, obj{}}}
	}
	set := func(name string, v any) {
		for i := range o {
			if o[i].name == name {
				o[i].value = v
			}
		}
	}
	s := spelling{rng: g.rng, wild: g.chance(30)}
	switch g.rng.IntN(10) {
	case 0, 1:
		set(pick(g, required...), pick[any](g, nil, ""))
	case 2:
		name := pick(g, required...)
		for i := range o {
			if o[i].name == name {
				o[i].name = pick(g, strings.ToUpper(name), "x_"+name)
			}
		}
	case 3, 4, 5:
		names := make([]string, 0, len(wrong))
		for n := range wrong {
			names = append(names, n)
		}
		sort.Strings(names)
		name := pick(g, names...)
		set(name, pick(g, wrong[name]...))
	case 6, 7:
		name := pick(g, read...)
		for _, f := range o {
			if f.name == name {
				o = append(o, kv{name, pick(g, f.value, nil)})
				break
			}
		}
	case 8:
		text := string(s.write(o))
		return pick(g, text[:len(text)/2], "["+text+"]", text+text, text+"x", text[:len(text)-1]+",}", "null", `"text"`, "5", strings.Replace(text, "{", "{\"z\":\"\xff\",", 1), "\xc3\x28", strings.Replace(text, "{", "{'z':1,", 1)), beside
	default:
		if kind == "addresses" {
			set("email", nil)
		}
		set("from", "2025-02-30T00:00:00Z")
		set("ts", pick(g, badTimes...))
		set("captured_at", pick(g, badTimes...))
		set("received_at", pick(g, badTimes...))
	}
	return string(s.write(o)), beside
}

// unreadable adds a line, in itself good, whose file cannot be read.
func (g *generator) unreadable(kind string, t time.Time, key string) {
	l := Line{ID: g.id(), Kind: kind, At: t, Bad: true}
	if kind == "mail" {
		file := g.fileName("eml")
		l.Text = g.spell(kind, mailObject(file, key, pick(g, g.sites...), pick(g, g.known...).id, t))
		if g.chance(70) {
			l.Beside = []Beside{{file, pick(g, "", "\x00\x01\x02\xff\xfe\x00", "\r\n \r\n")}}
		}
		g.Lines = append(g.Lines, l)
		return
	}
	file, what := g.fileName("har"), g.cast("")
	l.Text = g.spell(kind, captureObject(g, file, "har", key, "", t))
	if g.chance(80) {
		bodiless := harOf([]any{fields{"request": fields{"method": "GET", "url": "https://tracker.example/?e=" + what.one(inURL), "headers": []any{}},
			"response": fields{"status": 200, "headers": []any{}, "content": fields{"size": 500, "mimeType": "text/html"}}}})
		l.Beside = []Beside{{file, pick(g, what.page(), "{}", `{"log":{}}`, `{"log":`, "", "null", bodiless, bodiless, bodiless)}}
	}
	g.Lines = append(g.Lines, l)
}

var badTimes = []any{"2025-03-01 10:00:00Z", "2025-03-01T10:00:00", "2025-03-01T25:00:00Z", "2025-02-29T10:00:00Z", "2025-03-01T10:00:00z", "2025-03-01", 1740823200, true, "now"}
var badStatus = []any{"200", 99, 600, raw("200.5"), 0, -200, true, nil}
