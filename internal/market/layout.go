package market

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Op is what happens to a file.
type Op string

// What can happen to a file.
const (
	Write  Op = "write"  // created or replaced
	Append Op = "append" // grows
	Rename Op = "rename" // From becomes Path
	Remove Op = "remove" // only where its lines are in other files
)

// File is one thing that happens to one file. Data is what is written or appended, compressed as the name says; Text is the same
// to be read by people.
type File struct {
	Op         Op
	Path, From string // with slashes, relative
	Data       []byte
	Text       string
	Note       string
}

// Files happen in order.
type Files []File

// Night is a run: first the files happen, then it runs as of AsOf.
type Night struct {
	AsOf  time.Time
	Files Files
}

// Glob gives the path of a kind's source as a config writes it.
func Glob(kind string) string {
	switch kind {
	case "incidents":
		return "status/incidents-*.jsonl*"
	case "apps":
		return "registry/apps.jsonl"
	case "addresses":
		return "accounts/addresses.jsonl"
	case "captures":
		return "captures/manifest-*.jsonl*"
	case "mail":
		return "canary/manifest-*.jsonl*"
	case "signals":
		return "signals/signals-*.jsonl*"
	}
	return "logs/" + kind + "-*.jsonl*"
}

func name(kind string, n int, ext string) string {
	return strings.Replace(Glob(kind), "*.jsonl*", fmt.Sprintf("%03d.jsonl", n), 1) + ext
}

// Apply makes the files happen below dir.
func (fs Files) Apply(dir string) error {
	for _, f := range fs {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var err error
		switch f.Op {
		case Write:
			err = os.WriteFile(path, f.Data, 0o644)
		case Append:
			var w *os.File
			if w, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
				_, err = w.Write(f.Data)
				if e := w.Close(); err == nil {
					err = e
				}
			}
		case Rename:
			err = os.Rename(filepath.Join(dir, filepath.FromSlash(f.From)), path)
		case Remove:
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))

// pack compresses as the extension says; each call makes a member or frame of its own.
func pack(ext, text string) []byte {
	switch ext {
	case ".gz":
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return b.Bytes()
	case ".zst":
		return encoder.EncodeAll([]byte(text), nil)
	}
	return []byte(text)
}

// configured says whether the market has a source of this kind.
func (m *Market) configured(kind string) bool {
	switch kind {
	case "incidents":
		return m.Incidents
	case "captures":
		return m.Captures
	case "mail":
		return m.Mail
	case "signals":
		return m.Signals
	case "addresses":
		return m.Addresses
	}
	return true
}

// arriving says whether the lines of a kind come night by night; others are there whole in every night.
func arriving(kind string) bool { return kind != "apps" && kind != "addresses" }

// Beside gives the files that the manifests of a kind name, by these names.
func (m *Market) Beside(kind string) map[string]string {
	out := map[string]string{}
	for _, l := range m.Lines {
		for _, b := range l.Beside {
			if l.Kind == kind {
				out[b.Name] = b.Text
			}
		}
	}
	return out
}

// besides writes the files that come with lines.
func besides(lines []Line) Files {
	var fs Files
	done := map[string]bool{}
	for _, l := range lines {
		for _, b := range l.Beside {
			path := path.Dir(Glob(l.Kind)) + "/" + b.Name
			if !done[path] {
				done[path] = true
				fs = append(fs, write(path, "", b.Text))
			}
		}
	}
	return fs
}

// Logs gives the lines of a kind in their order, the registry's in its last version.
func (m *Market) Logs(kind string) []string {
	var out []string
	if kind == "apps" {
		return m.registryAt(m.AsOf, true)
	}
	for _, l := range m.Lines {
		if l.Kind == kind {
			out = append(out, l.Text)
		}
	}
	return out
}

// registryAt is the registry as known at t; last: as it is in the end.
func (m *Market) registryAt(t time.Time, last bool) []string {
	var out []string
	for _, a := range m.Apps {
		out = append(out, a.lines(func(p approval) obj {
			switch {
			case last:
				return p.final
			case p.known.After(t):
				return nil
			case p.changed.After(t) && p.earlier != nil:
				return p.earlier
			}
			return p.final
		})...)
	}
	return out
}

// text joins lines as a careless writer would: some blank lines, some carriage returns.
func text(rng *rand.Rand, lines []string) string {
	var b strings.Builder
	crlf := rng.IntN(10) == 0
	for _, l := range lines {
		if rng.IntN(25) == 0 {
			b.WriteString([]string{"\n", " \n", "\r\n", "\t \n"}[rng.IntN(4)])
		}
		b.WriteString(l)
		if crlf {
			b.WriteString("\r")
		}
		b.WriteString("\n")
	}
	return b.String()
}

const mark = "\xef\xbb\xbf"

func extension(rng *rand.Rand) string {
	return []string{"", "", ".gz", ".zst"}[rng.IntN(4)]
}

// Whole lays the market out as one set of files, for one run as of m.AsOf.
func (m *Market) Whole() Files {
	rng := rand.New(rand.NewPCG(m.Seed, 0x77686f6c65))
	fs := besides(m.Lines)
	for _, kind := range Kinds {
		if !m.configured(kind) {
			continue
		}
		lines := m.Logs(kind)
		if !arriving(kind) {
			fs = append(fs, write(Glob(kind), "", text(rng, lines)))
			continue
		}
		if rng.IntN(2) == 0 {
			lines = append([]string{}, lines...)
			rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		}
		parts := 1 + rng.IntN(3)
		for i := range parts {
			t := text(rng, lines[i*len(lines)/parts:(i+1)*len(lines)/parts])
			if rng.IntN(4) == 0 {
				t = mark + t
			}
			if rng.IntN(4) == 0 {
				t = strings.TrimSuffix(t, "\n")
				t = strings.TrimSuffix(t, "\r")
			}
			fs = append(fs, write(name(kind, i, ""), extension(rng), t))
		}
	}
	return fs
}

// InOrder cuts the market's lines into n nights so that none comes late: each comes in the first night as of its time, and the registry is there from the
// first night as it is in the end.
func (m *Market) InOrder(n int) []Night {
	rng := rand.New(rand.NewPCG(m.Seed, 0x6f72646572))
	var nights []Night
	for i := range n {
		night := Night{AsOf: m.Start.Add(m.AsOf.Sub(m.Start) * time.Duration(i+1) / time.Duration(n))}
		var mine []Line
		for _, l := range m.Lines {
			if due := !l.At.After(night.AsOf) || i == n-1; due && (i == 0 || l.At.After(nights[i-1].AsOf)) {
				mine = append(mine, l)
			}
		}
		night.Files = besides(mine)
		for _, kind := range Kinds {
			switch {
			case !m.configured(kind):
			case !arriving(kind):
				night.Files = append(night.Files, write(Glob(kind), "", text(rng, m.Logs(kind))))
			default:
				var lines []string
				for _, l := range mine {
					if l.Kind == kind {
						lines = append(lines, l.Text)
					}
				}
				night.Files = append(night.Files, write(name(kind, i, ""), extension(rng), text(rng, lines)))
			}
		}
		nights = append(nights, night)
	}
	return nights
}

func write(path, ext, t string) File {
	return File{Op: Write, Path: path + ext, Data: pack(ext, t), Text: t}
}

// virtual is a file as the nights have left it.
type virtual struct {
	kind, path, ext string
	text            string // all of it, decompressed
	tail            string // the rest of its last line, which comes with the next append
	broken          bool   // cut off in the middle of its compressed bytes; whole again in the next night
}

// Nights cuts the market's lines into n nights. A line comes in the night of its time, in a later or in an earlier one; the last
// night is as of m.AsOf, and by then every line has come and every file can be read. When a line comes depends on rng and on the
// line only, not on the other lines.
func (m *Market) Nights(rng *rand.Rand, n int) []Night {
	base := rng.Uint64()
	span := m.AsOf.Sub(m.Start)
	nights := make([]Night, n)
	for i := range nights {
		t := m.Start.Add(time.Duration(rng.Int64N(int64(span))))
		switch rng.IntN(4) {
		case 0:
			t = midnight(t)
		case 1:
			t = midnight(t).Add([]time.Duration{-1, 1, 150 * time.Minute}[rng.IntN(3)])
		}
		if t.After(m.AsOf) {
			t = m.AsOf.Add(-1)
		}
		nights[i].AsOf = t
	}
	nights[n-1].AsOf = m.AsOf
	if n > 2 && rng.IntN(8) == 0 {
		nights[n-2].AsOf = m.AsOf // the same as-of twice
	}
	sort.SliceStable(nights, func(i, j int) bool { return nights[i].AsOf.Before(nights[j].AsOf) })

	arrivals := make([][]Line, n)
	for _, l := range m.Lines {
		own := rand.New(rand.NewPCG(base, uint64(l.ID)))
		i := 0
		for i < n-1 && nights[i].AsOf.Before(l.At) {
			i++
		}
		switch k := own.IntN(100); {
		case k < 70:
		case k < 88: // late
			i += own.IntN(n - i)
		default: // early
			i = own.IntN(i + 1)
		}
		arrivals[i] = append(arrivals[i], l)
	}

	var files []*virtual
	serial := 0
	for i := range nights {
		w := &writer{rng: rng, files: &files, serial: &serial, last: i == n-1}
		w.mend()
		if i > 0 {
			w.upset()
		}
		w.out = append(w.out, besides(arrivals[i])...)
		for _, kind := range Kinds {
			if arriving(kind) && m.configured(kind) {
				w.arrive(kind, arrivals[i])
			}
		}
		if w.last {
			w.finish(m)
		}
		w.out = append(w.out, write(Glob("apps"), "", text(rng, m.registryAt(nights[i].AsOf, w.last))))
		if m.Addresses {
			w.out = append(w.out, write(Glob("addresses"), "", text(rng, m.Logs("addresses"))))
		}
		nights[i].Files = w.out
	}
	return nights
}

// writer makes one night's files.
type writer struct {
	rng    *rand.Rand
	files  *[]*virtual
	serial *int
	last   bool
	out    Files
}

func (w *writer) create(kind, ext, t string) *virtual {
	v := &virtual{kind: kind, path: name(kind, *w.serial, ext), ext: ext, text: t}
	*w.serial++
	*w.files = append(*w.files, v)
	w.out = append(w.out, File{Op: Write, Path: v.path, Data: pack(ext, t), Text: t})
	return v
}

func (w *writer) append(v *virtual, t string) {
	v.text += t
	w.out = append(w.out, File{Op: Append, Path: v.path, Data: pack(v.ext, t), Text: t})
}

// mend writes files whole that the night before left cut off.
func (w *writer) mend() {
	for _, v := range *w.files {
		if v.broken {
			v.broken = false
			w.out = append(w.out, File{Op: Write, Path: v.path, Data: pack(v.ext, v.text), Text: v.text, Note: "whole now"})
		}
	}
}

// upset does to files what changes nothing about what they say.
func (w *writer) upset() {
	for _, v := range append([]*virtual{}, *w.files...) {
		if v.tail != "" {
			continue
		}
		switch w.rng.IntN(24) {
		case 0: // renamed
			to := name(v.kind, *w.serial, v.ext)
			*w.serial++
			w.out = append(w.out, File{Op: Rename, Path: to, From: v.path})
			v.path = to
		case 1: // repeated in part
			lines := strings.SplitAfter(strings.TrimPrefix(v.text, mark), "\n")
			from := w.rng.IntN(len(lines))
			w.create(v.kind, extension(w.rng), strings.Join(lines[from:from+w.rng.IntN(len(lines)-from+1)], ""))
		case 2: // cut in two
			lines := strings.SplitAfter(v.text, "\n")
			at := w.rng.IntN(len(lines) + 1)
			w.create(v.kind, extension(w.rng), strings.Join(lines[at:], ""))
			v.text = strings.Join(lines[:at], "")
			w.out = append(w.out, File{Op: Write, Path: v.path, Data: pack(v.ext, v.text), Text: v.text, Note: "cut in two"})
		case 3, 4: // compressed otherwise
			ext := extension(w.rng)
			if ext == v.ext {
				continue
			}
			to := strings.TrimSuffix(v.path, v.ext) + ext
			w.out = append(w.out, File{Op: Write, Path: to, Data: pack(ext, v.text), Text: v.text, Note: "was " + v.path}, File{Op: Remove, Path: v.path})
			v.path, v.ext = to, ext
		case 5: // the same bytes again
			w.out = append(w.out, File{Op: Write, Path: v.path, Data: pack(v.ext, v.text), Text: v.text, Note: "the same again"})
		}
	}
}

// arrive writes the lines of a kind that come in this night.
func (w *writer) arrive(kind string, all []Line) {
	var lines []string
	for _, l := range all {
		if l.Kind == kind {
			lines = append(lines, l.Text)
		}
	}
	if len(lines) == 0 {
		return
	}
	if w.rng.IntN(3) == 0 {
		w.rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	}
	parts := 1 + w.rng.IntN(3)
	for i := range parts {
		group := lines[i*len(lines)/parts : (i+1)*len(lines)/parts]
		if len(group) == 0 {
			continue
		}
		t := text(w.rng, group)
		var mine []*virtual
		for _, v := range *w.files {
			if v.kind == kind && !v.broken {
				mine = append(mine, v)
			}
		}
		tail := ""
		switch {
		case !w.last && w.rng.IntN(5) == 0: // cut in the middle of the last line
			start := strings.LastIndex(strings.TrimRight(t, "\r\n"), "\n") + 1
			at := start + 1 + w.rng.IntN(len(t)-start-1)
			// A bad line may begin with a whole object: not there, for that would be taken.
			if !json.Valid([]byte(t[start:at])) || strings.TrimSpace(t[at:]) == "" {
				t, tail = t[:at], t[at:]
			}
		case w.rng.IntN(6) == 0: // the last line has no end
			t = strings.TrimRight(t, "\r\n")
		}
		if len(mine) > 0 && w.rng.IntN(2) == 0 {
			v := mine[w.rng.IntN(len(mine))]
			glue := v.tail
			v.tail = ""
			if s := v.text + glue; s != "" && !strings.HasSuffix(s, "\n") {
				glue += "\n"
			}
			w.append(v, glue+t)
			v.tail = tail
			continue
		}
		if w.rng.IntN(12) == 0 {
			t = mark + t
		}
		v := w.create(kind, extension(w.rng), t)
		v.tail = tail
		if !w.last && tail == "" && v.ext != "" && w.rng.IntN(15) == 0 {
			f := &w.out[len(w.out)-1]
			f.Data, f.Note = f.Data[:len(f.Data)*2/3], "cut off"
			v.broken = true
		}
	}
}

// finish brings the rest of every line that was cut, and an empty file where a source would have none.
func (w *writer) finish(m *Market) {
	for _, v := range *w.files {
		if v.tail != "" {
			t := v.tail
			v.tail = ""
			w.append(v, t)
		}
	}
	for _, kind := range Kinds {
		some := !m.configured(kind) || !arriving(kind)
		for _, v := range *w.files {
			some = some || v.kind == kind
		}
		if !some {
			w.create(kind, "", "")
		}
	}
}

// Units gives the ids of everything that can be left out of the market: lines, apps and approvals.
func (m *Market) Units() []int {
	var ids []int
	for _, a := range m.Apps {
		ids = append(ids, a.ID)
		for _, p := range a.approvals {
			ids = append(ids, p.id)
		}
	}
	for _, l := range m.Lines {
		ids = append(ids, l.ID)
	}
	return ids
}

// Keep gives the market with only these units.
func (m *Market) Keep(units map[int]bool) *Market {
	c := *m
	c.Lines, c.Apps = nil, nil
	for _, l := range m.Lines {
		if units[l.ID] {
			c.Lines = append(c.Lines, l)
		}
	}
	for _, a := range m.Apps {
		if !units[a.ID] {
			continue
		}
		b := a
		b.approvals = nil
		for _, p := range a.approvals {
			if units[p.id] {
				b.approvals = append(b.approvals, p)
			}
		}
		c.Apps = append(c.Apps, b)
	}
	return &c
}

// Config is the market's mailreeve.yaml.
func (m *Market) Config() string {
	var b strings.Builder
	b.WriteString("store: sqlite://mailreeve.db\narchive: mailreeve.archive\nsources:\n")
	for _, kind := range Kinds {
		if !m.configured(kind) {
			continue
		}
		fmt.Fprintf(&b, "  - {kind: %s, path: %q", kind, Glob(kind))
		if kind == "access" {
			fmt.Fprintf(&b, ", purposes: %t", m.Purposes)
		}
		if kind == "mail" && m.AuthservID != "" {
			fmt.Fprintf(&b, ", authserv_id: %s", m.AuthservID)
		}
		if kind == "installs" && !m.CompleteSince.IsZero() {
			fmt.Fprintf(&b, ", complete_since: %s", m.CompleteSince.UTC().Format(time.RFC3339Nano))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// String shows a night for people.
func (n Night) String() string {
	return fmt.Sprintf("as of %s\n%s", n.AsOf.Format(time.RFC3339Nano), n.Files)
}

// String shows files for people.
func (fs Files) String() string {
	var b strings.Builder
	for _, f := range fs {
		fmt.Fprintf(&b, "  %s %s", f.Op, f.Path)
		if f.From != "" {
			fmt.Fprintf(&b, " from %s", f.From)
		}
		if f.Note != "" {
			fmt.Fprintf(&b, " (%s)", f.Note)
		}
		b.WriteString("\n")
		for _, l := range strings.Split(f.Text, "\n") {
			if l = strings.TrimRight(l, "\r"); l != "" {
				fmt.Fprintf(&b, "      %s\n", l)
			}
		}
	}
	return b.String()
}
