package demo

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// file is a log of one kind and day.
type file struct {
	logName
	lines []line
}

type logName struct {
	kind string
	day  int
	late int // the night it comes, where that is not the night after its day; 0: it is
}

type line struct {
	at   time.Time
	what written
}

// arrival is a file that appears, or changes, or goes, in a night.
type arrival struct {
	night int
	name  string
	data  func() ([]byte, error) // nil: it goes
}

// log is the file of a kind and day; nil where the day is none that the tour sees. Of installs, what came before the tour is in the first.
func (m *Market) log(kind string, n int) *file {
	if n >= nights || n < 0 && kind != "installs" {
		return nil
	}
	return m.find(kind, n, 0)
}

// late is a file of a kind and day that arrives some nights later.
func (m *Market) late(kind string, n, night int) *file { return m.find(kind, n, night) }

func (m *Market) find(kind string, n, late int) *file {
	name := logName{kind, n, late}
	f := m.logs[name]
	if f == nil {
		f = &file{logName: name}
		m.logs[name] = f
		m.files = append(m.files, f)
	}
	return f
}

// text is the file's lines, by time.
func (f *file) text() []byte {
	slices.SortStableFunc(f.lines, func(a, b line) int { return a.at.Compare(b.at) })
	b := make([]byte, 0, 400*len(f.lines))
	for _, l := range f.lines {
		b = l.what.appendTo(b)
	}
	return b
}

// ending is how a day's log of calls comes: most compressed by zstd, some by gzip, a few plain.
func ending(n int) string {
	switch {
	case n == truncated || n%6 == 4:
		return ".jsonl.gz"
	case n%9 == 5:
		return ".jsonl"
	}
	return ".jsonl.zst"
}

// The days whose logs of calls meet with an accident.
const (
	truncated = 10 // cut off on its way, and whole the next night
	renamed   = 12 // taken away and brought back under another name, four nights later
	resent    = 15 // sent a second time, under another name and unpacked
)

// spoil adds what is no record.
func (m *Market) spoil() {
	bad := func(kind string, n int, clock, text string) {
		f := m.log(kind, n)
		f.lines = append(f.lines, line{m.at(n, clock), raw(text)})
	}
	ts := m.at(7, "10:00:00").Format(time.RFC3339)
	bad("access", 7, "10:00:00", `{"ts":"`+ts+`","request_id":"`)
	bad("access", 7, "10:00:01", `{"ts":"`+ts+`","request_id":"7e7e","app_key":"com.alderstone.x","cloud_id":"c","path":"/rest/api/3/user/email","auth":"carrier-pigeon","status":200}`)
	bad("access", 13, "12:30:00", `{"ts":"yesterday","request_id":"7e7f","cloud_id":"c","path":"/rest/api/3/user/email","auth":"basic","status":200}`)
	bad("access", 21, "08:00:00", "{\"ts\":\"\xff\xfe\"}")
	bad("access", 24, "16:00:00", `{"ts":"`+m.at(24, "16:00:00").Format(time.RFC3339)+`","request_id":"7e80","cloud_id":"c","path":"/rest/api/3/user/email","auth":"session","status":200,"account_ids":["postmaster@customer.example"]}`)
	bad("reports", 16, "11:00:00", `{"ts":"`+m.at(16, "11:00:00").Format(time.RFC3339)+`","request_id":"7e81","app_key":"","status":204}`)
	bad("installs", 9, "05:00:00", `[1, 2, 3]`)
	bad("access", 18, "05:00:00", "   ") // a blank line is no line
}

// deliver decides which file arrives in which night.
func (m *Market) deliver() {
	bring := func(night int, name string, data func() ([]byte, error)) {
		m.arrivals = append(m.arrivals, arrival{night, name, data})
	}
	for _, f := range m.files {
		name := folderOf(f.kind) + "/" + f.kind + "-" + m.date(f.day)
		plain := func() ([]byte, error) { return f.text(), nil }
		switch {
		case f.late > 0:
			bring(f.late, name+"-late.jsonl", plain)
		case f.kind == "access":
			end := ending(f.day)
			packed := func() ([]byte, error) { return pack(f.text(), end) }
			if f.day == truncated {
				bring(f.day, name+end, func() ([]byte, error) {
					b, err := packed()
					return b[:len(b)*3/5], err
				})
				bring(f.day+1, name+end, packed)
				break
			}
			bring(f.day, name+end, packed)
			switch f.day {
			case renamed:
				bring(f.day+4, name+end, nil)
				bring(f.day+4, name+"-b"+end, packed)
			case resent:
				bring(f.day+3, name+"-again.jsonl", plain)
			}
		case f.kind == "reports" && f.day%2 == 1:
			bring(f.day, name+".jsonl.gz", func() ([]byte, error) { return pack(f.text(), ".gz") })
		default:
			bring(max(f.day, 0), name+".jsonl", plain)
		}
	}

	// The platform's own outages are known while they run, and later when they ended.
	known := ""
	status := func(night int, add string) {
		known += add
		text := known
		bring(night, "status/incidents.jsonl", func() ([]byte, error) { return []byte(text), nil })
	}
	status(0, fmt.Sprintf(`{"api":"webhooks","from":%q,"to":%q}`+"\n", stamp(m.at(-4, "10:00:00")), stamp(m.at(-4, "11:30:00"))))
	for _, o := range m.outages {
		status(m.dayOf(o.from), fmt.Sprintf(`{"api":"reporting","from":%q}`+"\n", stamp(o.from)))
		status(m.dayOf(o.to), fmt.Sprintf(`{"api":"reporting","from":%q,"to":%q}`+"\n", stamp(o.from), stamp(o.to)))
	}

	m.arrivals = append(m.arrivals, m.beside...)
	bring(0, "registry/addresses.jsonl", func() ([]byte, error) { return m.addresses(), nil })
	for _, night := range m.registryNights() {
		bring(night, "registry/apps.jsonl", func() ([]byte, error) { return m.registry(night), nil })
	}
}

func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// registryNights is the nights in which the registry says something new.
func (m *Market) registryNights() []int {
	out := []int{0}
	for _, a := range m.apps {
		for _, e := range a.edits {
			out = append(out, e.night)
		}
		for _, p := range a.approvals {
			out = append(out, p.listed, p.revoked)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Write puts into dir what has arrived by a night (from 0): files that are new or changed that night, and earlier ones that are missing. Written night
// after night, a folder is what a platform's would have been.
func (m *Market) Write(dir string, night int) error {
	newest := map[string]int{}
	var order []string
	for i, a := range m.arrivals {
		if a.night > night {
			continue
		}
		if before, ok := newest[a.name]; !ok {
			order = append(order, a.name)
		} else if m.arrivals[before].night > a.night {
			continue
		}
		newest[a.name] = i
	}
	for _, name := range order {
		a, path := m.arrivals[newest[name]], filepath.Join(dir, filepath.FromSlash(name))
		if a.data == nil {
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if _, err := os.Stat(path); err == nil && a.night < night {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		data, err := a.data()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pack compresses text as a name's ending says.
func pack(text []byte, ending string) ([]byte, error) {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch {
	case strings.HasSuffix(ending, ".gz"):
		w, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	case strings.HasSuffix(ending, ".zst"):
		w, err = zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	default:
		return text, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Config is the mailreeve.yaml of the folder that Write fills.
func (m *Market) Config() []byte {
	return fmt.Appendf(nil, `# The configuration of the demo. Paths are relative to this file.

# Findings, runs and their history are in one SQLite file; the facts, packed, in a folder.
store: sqlite://mailreeve.db
archive: mailreeve.archive

# Every night at 02:30 UTC (mailreeve serve). Without policy: the built-in one, which is the published guideline.
schedule: "CRON_TZ=UTC 30 2 * * *"

sources:
  # What the gateway logged of the Email API. Older than 36 hours, it counts as missing: then its checks do not look, and the run says so.
  - {kind: access,    path: "logs/access-*.jsonl*", max_age: 36h, max_bad: 0.05, purposes: true}

  # Calls of the personal data reporting API.
  - {kind: reports,   path: "logs/reports-*.jsonl*", max_age: 36h}

  # Where apps are installed. From complete_since on, these logs tell every site's state: no event means not installed.
  - {kind: installs,  path: "logs/installs-*.jsonl*", complete_since: %s}

  # The platform's own outages, which move deadlines.
  - {kind: incidents, path: "status/incidents.jsonl"}

  # The registry, read whole each night. If more than a tenth of its apps vanish, it counts as unreadable.
  - {kind: apps,      path: "registry/apps.jsonl", max_loss: 0.1}

  # Whose address is which: held against what captures and mail hold, in memory, and kept nowhere.
  - {kind: addresses, path: "registry/addresses.jsonl"}

  # What a crawler saw of the apps' pages, as one account of the site; what canary mailboxes caught; what people report.
  - {kind: captures,  path: "captures/captures-*.jsonl"}
  - {kind: mail,      path: "canary/mail-*.jsonl", authserv_id: %s}
  - {kind: signals,   path: "signals/signals-*.jsonl"}

# Vendors are written to about what is found, once a person has approved it. Without smtp nothing is sent.
notices: {from: "Marketplace audit <audit@marketplace.example>"}
`, stamp(m.completeSince()), authserv)
}

// completeSince is from when on the logs of installs tell every site's state.
func (m *Market) completeSince() time.Time { return m.at(-120, "00:00:00") }
