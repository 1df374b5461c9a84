// Package market writes the synthetic marketplace that mailreeve's speed is measured on.
//
// The same options give the same bytes. A day depends on the seed and its date only, so one day can be written without the others.
package market

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Version changes when the same options give other bytes.
const Version = 1

// CompleteSince is from when on the lifecycle events tell every site's state.
const CompleteSince = "2024-01-01T00:00:00Z"

// Odds of what the market does wrong, and of copies.
const (
	copyEvery      = 200 // calls: one of these is logged twice
	bulkPercent    = 8   // calls for several accounts
	maxAccounts    = 90  // accounts of a bulk call, or of a report
	marketingApps  = 50  // apps: one of these declares marketing ...
	marketingCalls = 20  // ... on one of these calls
	lateApps       = 100 // apps: the second approval of one of these comes at 06:00 of the first day
	leftSites      = 400 // sites: one of these is uninstalled at 18:00 of the first day
)

var purposes = [...]string{"error-reports", "security-alerts", "subscribed-alerts", "user-invitations", "connect-mail-service", "user-sync"}

var agents = [...]string{"axios/1.7.9", "okhttp/4.12.0", "node/22.11", "Java/21.0.5"}

// Options say how large the market is and where it goes.
type Options struct {
	Dir      string    // the folder to write into
	Lines    int       // calls a day, copies not counted
	Reports  int       // reports a day; 0: 27 for every 1,000 calls
	Days     int       // consecutive days, the last one included in Skip and after
	Skip     int       // leaves out the logs of this many first days
	Start    time.Time // the first day
	Apps     int
	Sites    int // sites of an app
	Accounts int // accounts of a site
	Seed     uint64
	Zstd     bool // compress the logs; the registry stays plain
	Workers  int  // what mailreeve.yaml says
}

// Defaults is the night of 3 million calls.
func Defaults() Options {
	return Options{
		Lines: 3_000_000, Days: 1, Start: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		Apps: 500, Sites: 40, Accounts: 100, Seed: 1, Workers: 2,
	}
}

func (o Options) check() error {
	switch {
	case o.Lines < 1 || o.Reports < 0 || o.Days < 1 || o.Skip < 0 || o.Workers < 1:
		return errors.New("market: lines, days and workers must be positive")
	case o.Apps < 1 || o.Sites < 1 || o.Accounts < 1:
		return errors.New("market: apps, sites and accounts must be positive")
	case o.Start != o.Start.UTC().Truncate(24*time.Hour):
		return errors.New("market: start must be a day in UTC")
	}
	return nil
}

// AsOf is the as-of of the run that audits the last day: 02:30 of the next.
func (o Options) AsOf() time.Time {
	return o.Start.AddDate(0, 0, o.Days).Add(150 * time.Minute)
}

// Copies is how many calls of a day are logged twice.
func (o Options) Copies() int { return o.Lines / copyEvery }

// ext is how a log's name ends.
func (o Options) ext() string {
	if o.Zstd {
		return ".jsonl.zst"
	}
	return ".jsonl"
}

// Glob is where the logs of a kind are: access, reports or installs.
func (o Options) Glob(kind string) string {
	if kind == "installs" {
		return filepath.Join(o.Dir, "installs"+o.ext())
	}
	return filepath.Join(o.Dir, kind+"-*"+o.ext())
}

// Registry is where the apps are.
func (o Options) Registry() string { return filepath.Join(o.Dir, "apps.jsonl") }

// Config is a mailreeve.yaml for the market, with paths below dir ("" for those beside the file).
func (o Options) Config(dir string) []byte {
	at := func(p string) string { return strconv.Quote(filepath.Join(dir, filepath.Base(p))) }
	return fmt.Appendf(nil, `store: sqlite://mailreeve.db
archive: mailreeve.archive
sources:
  - {kind: access,   path: %s}
  - {kind: reports,  path: %s}
  - {kind: installs, path: %s, complete_since: %s}
  - {kind: apps,     path: %s}
workers: %d
`, at(o.Glob("access")), at(o.Glob("reports")), at(o.Glob("installs")), CompleteSince, at(o.Registry()), o.Workers)
}

// Write writes the logs of each day, the lifecycle events, the registry and mailreeve.yaml.
func Write(o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.Reports == 0 {
		o.Reports = int(int64(o.Lines) * 27 / 1000)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return err
	}
	m := newMarket(o)
	for d := o.Skip; d < o.Days; d++ {
		name := o.Start.AddDate(0, 0, d).Format(time.DateOnly) + o.ext()
		if err := m.file("access-"+name, func(w io.Writer) error { return m.access(w, d) }); err != nil {
			return err
		}
		if err := m.file("reports-"+name, func(w io.Writer) error { return m.reports(w, d) }); err != nil {
			return err
		}
	}
	if err := m.file("installs"+o.ext(), m.installs); err != nil {
		return err
	}
	if err := m.file("apps.jsonl", m.registry); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.Dir, "mailreeve.yaml"), o.Config(""), 0o644)
}

// market is what holds on all days.
type market struct {
	o    Options
	apps []app
}

type app struct {
	key, domain string
	purposes    [2]string
	marketing   bool
	late        bool
	sites       [][]byte // cloud ids
}

func newMarket(o Options) *market {
	m := &market{o: o, apps: make([]app, o.Apps)}
	for i := range m.apps {
		h := m.mix(1, uint64(i))
		domain := fmt.Sprintf("vendor%03d.example", h%1000)
		p := int(h >> 10 % uint64(len(purposes)))
		q := (p + 1 + int(h>>20%uint64(len(purposes)-1))) % len(purposes)
		a := app{
			key: fmt.Sprintf("example.vendor%03d.app%03d", h%1000, i), domain: domain,
			purposes: [2]string{purposes[p], purposes[q]},
			// Odd places, so that small markets and the large apps have some of each.
			marketing: i%marketingApps == 7%marketingApps,
			late:      i%lateApps == 5%lateApps,
		}
		for s := range o.Sites {
			n := uint64(i*o.Sites + s)
			a.sites = append(a.sites, uuid(nil, m.mix(2, n), m.mix(3, n)))
		}
		m.apps[i] = a
	}
	return m
}

// mix is a number that depends on the seed, the kind and n only.
func (m *market) mix(kind, n uint64) uint64 {
	z := splitmix(m.o.Seed + kind<<56 + n)
	return splitmix(z ^ kind)
}

func splitmix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// account appends the id of an app's account, in quotes.
func (m *market) account(b []byte, app, n int) []byte {
	h := m.mix(4, uint64(app*m.o.Sites*m.o.Accounts+n))
	b = append(b, '"')
	b = hex(b, h, 16)
	b = hex(b, splitmix(h), 8)
	return append(b, '"')
}

// left says whether a site's app was uninstalled at 18:00 of the first day.
func (m *market) left(app, site int) bool {
	return (app*m.o.Sites+site)%leftSites == 123%min(leftSites, m.o.Apps*m.o.Sites)
}

// random numbers of one file.
func (m *market) random(kind uint64, day int) (*rand.Rand, *rand.Zipf) {
	date := uint64(m.o.Start.AddDate(0, 0, day).Unix() / 86400)
	r := rand.New(rand.NewPCG(m.o.Seed, kind<<32|date))
	return r, rand.NewZipf(r, 1.2, 4, uint64(m.o.Apps-1))
}

// access writes a day's calls, in order of time. A copy comes up to 40 lines after its original.
func (m *market) access(w io.Writer, day int) error {
	r, zipf := m.random(1, day)
	date := m.o.Start.AddDate(0, 0, day).Format(time.DateOnly)
	var copies [64][]byte
	line := make([]byte, 0, 4096)
	for k := range m.o.Lines {
		i := int(zipf.Uint64())
		a := &m.apps[i]
		s := r.IntN(len(a.sites))
		bulk := r.IntN(100) < bulkPercent
		purpose := a.purposes[r.IntN(2)]
		if a.marketing && r.IntN(marketingCalls) == 0 {
			purpose = "marketing"
		}

		line = append(line[:0], `{"ts":"`...)
		line = moment(line, date, instant(r, k, m.o.Lines))
		line = append(line, `","request_id":"`...)
		line = hex(line, r.Uint64(), 16)
		line = hex(line, r.Uint64(), 16)
		line = append(line, `","app_key":"`...)
		line = append(line, a.key...)
		line = append(line, `","cloud_id":"`...)
		line = append(line, a.sites[s]...)
		line = append(line, `","method":"GET","path":"/rest/api/3/user/email`...)
		if bulk {
			line = append(line, `/bulk`...)
		}
		line = append(line, `","auth":"connect-jwt","purpose":"`...)
		line = append(line, purpose...)
		line = append(line, `","status":200,"account_ids":[`...)
		n := 1
		if bulk {
			n = min(1+r.IntN(maxAccounts), m.o.Accounts)
		}
		at, step := r.IntN(m.o.Accounts), stride(r, m.o.Accounts)
		for j := range n {
			if j > 0 {
				line = append(line, ',')
			}
			line = m.account(line, i, s*m.o.Accounts+at)
			at = (at + step) % m.o.Accounts
		}
		line = append(line, `],"source_ip":"198.18.`...)
		line = strconv.AppendInt(line, int64(i%256), 10)
		line = append(line, '.')
		line = strconv.AppendInt(line, int64(s%256), 10)
		line = append(line, `","user_agent":"`...)
		line = append(line, agents[i%len(agents)]...)
		line = append(line, "\"}\n"...)

		if k%copyEvery == copyEvery-1 {
			due := (k + r.IntN(40)) % len(copies)
			copies[due] = append(copies[due][:0], line...)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if c := copies[k%len(copies)]; len(c) > 0 {
			if _, err := w.Write(c); err != nil {
				return err
			}
			copies[k%len(copies)] = c[:0]
		}
	}
	for j := range copies {
		if _, err := w.Write(copies[(m.o.Lines+j)%len(copies)]); err != nil {
			return err
		}
	}
	return nil
}

// reports writes a day's reports, in order of time.
func (m *market) reports(w io.Writer, day int) error {
	r, zipf := m.random(2, day)
	start := m.o.Start.AddDate(0, 0, day)
	date := start.Format(time.DateOnly)
	var before [30]string // the days before
	for i := range before {
		before[i] = start.AddDate(0, 0, -1-i).Format(time.DateOnly)
	}
	pool := m.o.Sites * m.o.Accounts
	line := make([]byte, 0, 16384)
	for k := range m.o.Reports {
		i := int(zipf.Uint64())
		line = append(line[:0], `{"ts":"`...)
		line = moment(line, date, instant(r, k, m.o.Reports))
		line = append(line, `","request_id":"`...)
		line = hex(line, r.Uint64(), 16)
		line = hex(line, r.Uint64(), 16)
		line = append(line, `","app_key":"`...)
		line = append(line, m.apps[i].key...)
		line = append(line, `","status":200,"accounts":[`...)
		at, step := r.IntN(pool), stride(r, pool)
		for j := range min(1+r.IntN(maxAccounts), pool) {
			if j > 0 {
				line = append(line, ',')
			}
			line = append(line, `{"account_id":`...)
			line = m.account(line, i, at)
			line = append(line, `,"updated_at":"`...)
			line = moment(line, before[r.IntN(len(before))], r.IntN(86_400_000))
			line = append(line, `"}`...)
			at = (at + step) % pool
		}
		line = append(line, "],\"result\":[]}\n"...)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// installs writes the lifecycle events, in order of time.
func (m *market) installs(w io.Writer) error {
	type event struct {
		at        time.Time
		app, site int
		name      string
	}
	var events []event
	for i := range m.apps {
		for s := range m.o.Sites {
			back := 60*86_400_000 + m.mix(5, uint64(i*m.o.Sites+s))%(300*86_400_000) // 60 to 360 days
			events = append(events, event{m.o.Start.Add(-time.Duration(back) * time.Millisecond), i, s, "installed"})
			if m.left(i, s) {
				events = append(events, event{m.o.Start.Add(18 * time.Hour), i, s, "uninstalled"})
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.app, b.app), cmp.Compare(a.site, b.site))
	})
	for _, e := range events {
		a := &m.apps[e.app]
		if _, err := fmt.Fprintf(w, `{"ts":"%s","app_key":"%s","cloud_id":"%s","event":"%s","users":%d}`+"\n",
			e.at.Format("2006-01-02T15:04:05.000Z"), a.key, a.sites[e.site], e.name, m.o.Accounts); err != nil {
			return err
		}
	}
	return nil
}

// registry writes the apps. Nothing in an entry is amiss.
func (m *market) registry(w io.Writer) error {
	for i, a := range m.apps {
		first := m.o.Start.AddDate(0, -8, -i%28)
		second := first.AddDate(0, 1, 0)
		if a.late {
			second = m.o.Start.Add(6 * time.Hour)
		}
		if _, err := fmt.Fprintf(w, `{"key":"%[1]s","name":"App %[2]d","kind":"connect",`+
			`"vendor":{"id":"v%[2]d","name":"Vendor %[2]d","email":"privacy@%[3]s","contacts":[]},"internal":false,`+
			`"listing_url":"https://marketplace.example/%[2]d","privacy_policy_url":"https://%[3]s/privacy","privacy_policy_text":"%[4]s",`+
			`"terms_url":"https://%[3]s/terms","stores_personal_data":true,"domains":["%[3]s"],"scopes":[],`+
			`"descriptor":{"key":"%[1]s","name":"App %[2]d","baseUrl":"https://%[3]s","authentication":{"type":"jwt"},"scopes":["READ","ACCESS_EMAIL_ADDRESSES"],"modules":{}},`+
			`"approvals":[`, a.key, i, a.domain, excerpt); err != nil {
			return err
		}
		for n, at := range []time.Time{first, second} {
			sep, end := ",", ""
			if n == 1 {
				sep, end = "", "]}\n"
			}
			if _, err := fmt.Fprintf(w, `{"request_id":"REQ-%d-%d","status":"approved","decided_at":"%s","revoked_at":null,"purposes":["%s"],`+
				`"functionality":"mail","policy_excerpt":"%s","third_parties":[],`+
				`"snapshot":{"scopes":["READ","ACCESS_EMAIL_ADDRESSES"],"modules":[],"egress":[],"domains":["%s"]}}%s%s`,
				i, n, at.Format(time.RFC3339), a.purposes[n], excerpt, a.domain, sep, end); err != nil {
				return err
			}
		}
	}
	return nil
}

const excerpt = "We use e-mail addresses only for what the platform has approved."

// file writes one file, whole or not at all.
func (m *market) file(name string, write func(io.Writer) error) (err error) {
	path := filepath.Join(m.o.Dir, name)
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	var w io.Writer = f
	var z *zstd.Encoder
	if m.o.Zstd && filepath.Ext(name) == ".zst" {
		if z, err = zstd.NewWriter(f); err != nil {
			return err
		}
		w = z
	}
	b := bufio.NewWriterSize(w, 1<<20)
	if err = write(b); err != nil {
		return err
	}
	if err = b.Flush(); err != nil {
		return err
	}
	if z != nil {
		if err = z.Close(); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// instant is the k-th of n moments of a day, in milliseconds; later ones are never earlier.
func instant(r *rand.Rand, k, n int) int {
	from, to := int64(k)*86_400_000/int64(n), int64(k+1)*86_400_000/int64(n)
	if to <= from {
		return int(from)
	}
	return int(from + r.Int64N(to-from))
}

// stride is a step that walks through n places without meeting one twice.
func stride(r *rand.Rand, n int) int {
	for {
		s := 1 + r.IntN(n)
		a, b := s, n
		for b > 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return s
		}
	}
}

// moment appends a time of a day as RFC 3339.
func moment(b []byte, date string, ms int) []byte {
	h, mi, s, f := ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000
	b = append(b, date...)
	return append(b, 'T', byte('0'+h/10), byte('0'+h%10), ':', byte('0'+mi/10), byte('0'+mi%10), ':',
		byte('0'+s/10), byte('0'+s%10), '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10), 'Z')
}

// hex appends the n high digits of v.
func hex(b []byte, v uint64, n int) []byte {
	const digits = "0123456789abcdef"
	for range n {
		b = append(b, digits[v>>60])
		v <<= 4
	}
	return b
}

// uuid appends a random (version 4) UUID.
func uuid(b []byte, hi, lo uint64) []byte {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 1<<63
	b = append(hex(b, hi, 8), '-')
	b = append(hex(b, hi<<32, 4), '-')
	b = append(hex(b, hi<<48, 4), '-')
	b = append(hex(b, lo, 4), '-')
	return hex(b, lo<<16, 12)
}
