package demo

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * hour

	nights = 30  // of the tour
	apps   = 200 // in the registry
	sites  = 60

	nightly = 2*hour + 30*time.Minute // of the day after; its time and as-of
)

// A Market is a marketplace and thirty days of its logs.
type Market struct {
	seed  uint64
	start time.Time // midnight before the first day
	ids   uint64    // request ids so far

	sites    []*site
	apps     []*app // in the registry's order; one is not in it
	outages  []outage
	files    []*file // of logs
	logs     map[logName]*file
	arrivals []arrival
	beside   []arrival // files that manifests name
	canaries []string  // accounts

	planted []*plant
	misses  []NearMiss
}

// New makes the market of a seed: thirty days up to the last 02:30 UTC that is not after end.
func New(seed uint64, end time.Time) *Market {
	last := end.UTC().Add(-nightly).Truncate(day)
	m := &Market{seed: seed, start: last.Add(-nights * day), logs: map[logName]*file{}}
	m.outages = []outage{{from: m.at(19, "18:00:00"), to: m.at(20, "12:00:00")}}
	m.makeSites()
	m.makeStories()
	m.makeOthers()
	for _, a := range m.apps {
		a.live()
	}
	m.spoil()
	m.deliver()
	return m
}

// Nights is when the market is audited: 02:30 UTC after each day.
func (m *Market) Nights() []time.Time {
	out := make([]time.Time, nights)
	for i := range out {
		out[i] = m.start.Add(time.Duration(i+1)*day + nightly)
	}
	return out
}

// Planted is a finding that must be open at the end, with its numbers.
type Planted struct {
	Check, App, Subject          string
	Occurrences, Accounts, Sites int
	Story                        string
}

// NearMiss is what comes close to a finding, and must not be one at the end.
type NearMiss struct{ Check, App, Story string }

// Planted is what must be open after the last night, by check and app; nothing else may be.
func (m *Market) Planted() []Planted {
	out := make([]Planted, len(m.planted))
	for i, p := range m.planted {
		out[i] = p.Planted
		out[i].Accounts, out[i].Sites = len(p.accounts), len(p.sites)
	}
	slices.SortFunc(out, func(a, b Planted) int { return strings.Compare(keyOf(a), keyOf(b)) })
	return out
}

func keyOf(p Planted) string { return p.Check + "\x00" + p.App + "\x00" + p.Subject }

// NearMisses is what comes close to a finding and must have none after the last night. Some had one on the way, which late facts or the vendor took
// away; their stories say so.
func (m *Market) NearMisses() []NearMiss { return slices.Clone(m.misses) }

// plant is a violation being planted.
type plant struct {
	Planted
	accounts, sites map[string]bool
}

// plant begins a violation by events; each is counted with hit or those below.
func (m *Market) plant(check, app, subject, story string) *plant {
	p := &plant{Planted: Planted{Check: check, App: app, Subject: subject, Story: story}, accounts: map[string]bool{}, sites: map[string]bool{}}
	m.planted = append(m.planted, p)
	return p
}

// state plants a state that holds at the end.
func (m *Market) state(check, app, subject, story string) {
	m.plant(check, app, subject, story).Occurrences = 1
}

// miss notes a near miss.
func (m *Market) miss(check, app, story string) {
	m.misses = append(m.misses, NearMiss{check, app, story})
}

// call counts a retrieval with its accounts and site.
func (p *plant) call(s *site, accounts []string) {
	p.Occurrences++
	p.sites[s.id] = true
	p.hold(accounts)
}

// refusal counts a refused call: it has no accounts.
func (p *plant) refusal(s *site) {
	p.Occurrences++
	p.sites[s.id] = true
}

// report counts a report, or a call where sites do not matter, with the accounts of it that should not be there.
func (p *plant) report(accounts []string) {
	p.Occurrences++
	p.hold(accounts)
}

// pairs counts each account on its own, as retrieved on one day and not reported.
func (p *plant) pairs(accounts []string) {
	p.Occurrences += len(accounts)
	p.hold(accounts)
}

func (p *plant) hold(accounts []string) {
	for _, id := range accounts {
		p.accounts[id] = true
	}
}

// at is a moment of the nth day (from 0; before the tour it is negative), as in 15:04:05.000.
func (m *Market) at(n int, clock string) time.Time {
	t, err := time.Parse("15:04:05", clock)
	if err != nil {
		panic(err) // a slip in a story
	}
	h, min, sec := t.Clock()
	return m.start.Add(time.Duration(n)*day + time.Duration(h)*hour + time.Duration(min)*time.Minute + time.Duration(sec)*time.Second + time.Duration(t.Nanosecond()))
}

// dayOf is the number of the day that t falls on; -1 before the tour.
func (m *Market) dayOf(t time.Time) int {
	if t.Before(m.start) {
		return -1
	}
	return int(t.Sub(m.start) / day)
}

// date is the nth day as file names have it.
func (m *Market) date(n int) string { return m.start.Add(time.Duration(n) * day).Format("2006-01-02") }

// chance is a source of chance of its own for whatever name stands for, so that one thing's chances do not hang on another's.
func (m *Market) chance(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(m.seed, h.Sum64()))
}

// requestID is the next request's id: it looks random, and never comes twice.
func (m *Market) requestID() uint64 {
	m.ids++
	x := m.ids + m.seed*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// outage is an incident of the reporting API: it takes no reports in [from, to).
type outage struct{ from, to time.Time }

// outageAt is the outage under way at t.
func (m *Market) outageAt(t time.Time) (outage, bool) {
	for _, o := range m.outages {
		if !t.Before(o.from) && t.Before(o.to) {
			return o, true
		}
	}
	return outage{}, false
}

// site is a customer's site with the accounts on it that apps come across.
type site struct {
	id       string
	users    int
	accounts []string
}

func (m *Market) makeSites() {
	rng := m.chance("sites")
	for range sites {
		s := &site{id: uuid(rng), users: 40 + int(rng.ExpFloat64()*400)}
		for range min(s.users, 220) {
			s.accounts = append(s.accounts, accountID(rng))
		}
		m.sites = append(m.sites, s)
	}
}

// siteOf is the site whose number of users is nearest to users.
func (m *Market) siteOf(users int) *site {
	return slices.MinFunc(m.sites, func(a, b *site) int {
		return cmp.Compare(max(a.users-users, users-a.users), max(b.users-users, users-b.users))
	})
}

// uuid is a random UUID.
func uuid(rng *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], rng.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// accountID is an opaque account id, of one of the shapes that exist.
func accountID(rng *rand.Rand) string {
	switch n := rng.IntN(10); {
	case n < 2:
		return "712020:" + uuid(rng)
	case n < 3:
		return "557058:" + uuid(rng)
	}
	return fmt.Sprintf("%08x%016x", 0x5a000000+rng.Uint32N(0x09000000), rng.Uint64())
}
