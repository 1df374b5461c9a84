package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// A pack is
//
//	header   "mrp1", kind, unit of time, 2 bytes free; lengths of tables and columns (4 bytes each, little endian);
//	         their xxHash64s (8 bytes each)
//	tables   the ids of the accounts, which of them count (a bit each), sites, texts, files, and the shapes: what many records share
//	columns  one record after the other: difference of time to the one before, hash, shape, line, accounts as ordinals
//
// The tables alone tell which accounts a day stored or retrieved, so the reporting duty is judged without opening the columns.
const (
	magic      = "mrp1"
	headerSize = 4 + 4 + 8 + 16
)

var errDamaged = errors.New("the pack is damaged")

// units are the spans that times are counted in: the largest that leaves no remainder is taken.
var units = [...]audit.Instant{1e9, 1e6, 1e3, 1}

func unitOf(instants func(yield func(audit.Instant) bool)) byte {
	u := 0
	for at := range instants {
		for at%units[u] != 0 {
			u++
		}
		if u == len(units)-1 {
			break
		}
	}
	return byte(u)
}

type writer struct{ b []byte }

// appendNum is what num writes.
func appendNum(b []byte, n uint64) []byte {
	if n < 0x80 { // mostly
		return append(b, byte(n))
	}
	return binary.AppendUvarint(b, n)
}

func (w *writer) num(n uint64)    { w.b = appendNum(w.b, n) }
func (w *writer) ids(s audit.IDs) { w.b = s.AppendTo(w.b) }
func (w *writer) texts(s []string) {
	w.num(uint64(len(s)))
	for _, t := range s {
		w.num(uint64(len(t)))
		w.b = append(w.b, t...)
	}
}

func (w *writer) bits(n int, on func(int) bool) {
	at := len(w.b)
	w.b = append(w.b, make([]byte, (n+7)/8)...)
	for i := range n {
		if on(i) {
			w.b[at+i/8] |= 1 << (i % 8)
		}
	}
}

// reader reads what writer wrote. After the first fault it gives zeroes, and bad tells.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) num() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 { // mostly
		n := uint64(r.b[0])
		r.b = r.b[1:]
		return n
	}
	return r.long()
}

func (r *reader) long() uint64 {
	n, p := longAt(r.b, 0)
	if p > len(r.b) {
		r.fail()
		return 0
	}
	r.b = r.b[p:]
	return n
}

func (r *reader) signed() int64 {
	n, w := binary.Varint(r.b)
	if w <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	n := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

// count reads a number of things that each take at least size bytes of what is left.
func (r *reader) count(size int) int {
	n := r.num()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// below reads an index into n things.
func (r *reader) below(n int) uint32 {
	i := r.num()
	if i >= uint64(n) {
		r.fail()
		return 0
	}
	return uint32(i)
}

func (r *reader) ids() audit.IDs {
	s, rest, err := audit.ReadIDs(r.b)
	if err != nil {
		r.fail()
		return audit.IDs{}
	}
	r.b = rest
	return s
}

func (r *reader) texts() []string {
	out := make([]string, r.count(1))
	for i := range out {
		n := r.count(1)
		out[i] = string(r.b[:n])
		r.b = r.b[n:]
	}
	return out
}

func (r *reader) bits(n int) []byte {
	n = (n + 7) / 8
	if n > len(r.b) {
		r.fail()
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) fail() { r.bad, r.b = true, nil }

func allOn(bits []byte, n int) bool {
	for i := 0; i+8 <= n; i += 8 {
		if bits[i/8] != 0xff {
			return false
		}
	}
	return n%8 == 0 || bits[n/8] == 1<<(n%8)-1
}

func isOn(bits []byte, i int) bool { return bits[i/8]&(1<<(i%8)) != 0 }

// begin is an empty pack in the memory of p.
func begin(p []byte) writer { return writer{append(p[:0], make([]byte, headerSize)...)} }

// seal completes the header of a pack whose columns begin at a place.
func seal(p []byte, kind audit.PackKind, unit byte, columns int) []byte {
	copy(p, magic)
	p[4], p[5] = byte(kind), unit
	binary.LittleEndian.PutUint32(p[8:], uint32(columns-headerSize))
	binary.LittleEndian.PutUint32(p[12:], uint32(len(p)-columns))
	binary.LittleEndian.PutUint64(p[16:], xxhash.Sum64(p[headerSize:columns]))
	binary.LittleEndian.PutUint64(p[24:], xxhash.Sum64(p[columns:]))
	return p
}

// open splits a pack, or its start that holds the tables, and checks what is there.
func open(kind audit.PackKind, p []byte) (unit audit.Instant, tables, columns []byte, err error) {
	if len(p) < headerSize || string(p[:4]) != magic || p[4] != byte(kind) || int(p[5]) >= len(units) {
		return 0, nil, nil, errDamaged
	}
	nt, nc := int(binary.LittleEndian.Uint32(p[8:])), int(binary.LittleEndian.Uint32(p[12:]))
	if len(p) < headerSize+nt {
		return 0, nil, nil, errDamaged
	}
	tables = p[headerSize : headerSize+nt]
	if xxhash.Sum64(tables) != binary.LittleEndian.Uint64(p[16:]) {
		return 0, nil, nil, errDamaged
	}
	if len(p) == headerSize+nt+nc {
		columns = p[headerSize+nt:]
		if xxhash.Sum64(columns) != binary.LittleEndian.Uint64(p[24:]) {
			return 0, nil, nil, errDamaged
		}
	}
	return units[p[5]], tables, columns, nil
}

// tablesSize is how much of a pack, from its start, its tables take.
func tablesSize(header []byte) int {
	return headerSize + int(binary.LittleEndian.Uint32(header[8:]))
}

// A shape is what many calls share.
type shape struct {
	path, purpose uint32
	auth          audit.Auth
	status        uint16
	file          uint32
}

// encodeCalls packs a day's calls, in the memory of p where that suffices. They are in order of time; the tables hold nothing that no call uses.
func encodeCalls(p []byte, d *audit.CallDay) []byte {
	counts := make([]bool, d.Accounts.Len())
	shapes := map[shape]uint32{}
	var order []shape
	of := make([]uint32, len(d.Calls))
	for i := range d.Calls {
		c := &d.Calls[i]
		if c.Retrieval() {
			for _, a := range c.Accounts {
				counts[a] = true
			}
		}
		s := shape{c.Path, c.Purpose, c.Auth, c.Status, c.Source.File}
		n := slices.Index(order[:min(len(order), 8)], s) // mostly it is one of a few
		if n < 0 {
			m, ok := shapes[s]
			if !ok {
				m = uint32(len(order))
				shapes[s] = m
				order = append(order, s)
			}
			n = int(m)
		}
		of[i] = uint32(n)
	}
	w := begin(p)
	w.ids(d.Accounts)
	w.bits(len(counts), func(i int) bool { return counts[i] })
	w.texts(d.Sites)
	w.texts(d.Paths)
	w.texts(d.Purposes)
	w.num(uint64(len(order)))
	for _, s := range order {
		w.num(uint64(s.path))
		w.num(uint64(s.purpose))
		w.num(uint64(s.auth))
		w.num(uint64(s.status))
		w.num(uint64(s.file))
	}
	start := d.Day.Start()
	unit := unitOf(func(yield func(audit.Instant) bool) {
		for i := range d.Calls {
			if !yield(d.Calls[i].At - start) {
				return
			}
		}
	})
	columns := len(w.b)
	b := appendNum(slices.Grow(w.b, 32*len(d.Calls)), uint64(len(d.Calls)))
	before, line := start, int64(0)
	for i := range d.Calls {
		c := &d.Calls[i]
		b = appendNum(b, uint64((c.At-before)/units[unit]))
		before = c.At
		b = binary.LittleEndian.AppendUint64(b, c.Hash)
		b = appendNum(b, uint64(of[i]))
		b = appendNum(b, uint64(c.Site))
		b = binary.AppendVarint(b, int64(c.Source.Line)-line)
		line = int64(c.Source.Line)
		b = appendNum(b, uint64(len(c.Accounts)))
		last := uint32(0)
		for _, a := range c.Accounts {
			b = appendNum(b, uint64(a-last))
			last = a
		}
	}
	return seal(b, audit.CallPack, unit, columns)
}

// decodeCalls reads a pack of a day's calls, into memory that holds anything.
func decodeCalls(day audit.Day, p []byte, m *memory) (*audit.CallDay, error) {
	unit, tables, columns, err := open(audit.CallPack, p)
	if err != nil {
		return nil, err
	}
	d := &audit.CallDay{Day: day}
	t := reader{b: tables}
	d.Accounts = t.ids()
	t.bits(d.Accounts.Len())
	d.Sites, d.Paths, d.Purposes = t.texts(), t.texts(), t.texts()
	shapes := make([]shape, t.count(5))
	for i := range shapes {
		shapes[i] = shape{t.below(len(d.Paths)), t.below(len(d.Purposes)), audit.Auth(t.num()), uint16(t.num()), uint32(t.num())}
	}
	c := reader{b: columns}
	d.Calls = room(m.calls, c.count(13))
	accounts := room(m.accounts, len(columns)/4)[:0]
	n := uint64(d.Accounts.Len())
	at, line := day.Start(), int64(0)
	// Here the numbers are read in place: a day has millions. One that is cut off ends behind the columns, as does all that follows it.
	col, next := c.b, 0
	for i := range d.Calls {
		x := &d.Calls[i]
		var wait, s, site, k, v uint64
		wait, next = numberAt(col, next)
		if len(col)-next < 8 {
			c.fail()
			break
		}
		at += audit.Instant(wait) * unit
		x.At, x.Hash = at, binary.LittleEndian.Uint64(col[next:])
		s, next = numberAt(col, next+8)
		site, next = numberAt(col, next)
		v, next = numberAt(col, next)
		line += int64(v>>1) ^ -int64(v&1)
		k, next = numberAt(col, next)
		if next > len(col) || s >= uint64(len(shapes)) || site >= uint64(len(d.Sites)) || k > uint64(len(col)-next) {
			c.fail()
			break
		}
		shape := &shapes[s]
		x.Path, x.Purpose, x.Auth, x.Status, x.Site = shape.path, shape.purpose, shape.auth, shape.status, uint32(site)
		x.Source = audit.Source{File: shape.file, Line: uint64(line)}
		from, last := len(accounts), uint64(0)
		for range k {
			if next < len(col) && col[next] < 0x80 {
				v, next = uint64(col[next]), next+1
			} else {
				v, next = longAt(col, next)
			}
			last += v
			accounts = append(accounts, uint32(last))
		}
		if k == 0 {
			x.Accounts = nil
			continue
		}
		if next > len(col) || last >= n {
			c.fail()
			break
		}
		x.Accounts = accounts[from:len(accounts):len(accounts)]
	}
	if t.bad || c.bad || len(t.b) > 0 || next != len(col) {
		return nil, errDamaged
	}
	m.calls, m.accounts = d.Calls, accounts
	return d, nil
}

// numberAt is the number at a place, and the place behind it: behind all of b, where the number is cut off.
func numberAt(b []byte, at int) (uint64, int) {
	if at < len(b) && b[at] < 0x80 { // mostly
		return uint64(b[at]), at + 1
	}
	return longAt(b, at)
}

func longAt(b []byte, at int) (uint64, int) {
	if at+2 < len(b) {
		switch {
		case b[at+1] < 0x80:
			return uint64(b[at]&0x7f) | uint64(b[at+1])<<7, at + 2
		case b[at+2] < 0x80:
			return uint64(b[at]&0x7f) | uint64(b[at+1]&0x7f)<<7 | uint64(b[at+2])<<14, at + 3
		}
	}
	if at < len(b) {
		if n, w := binary.Uvarint(b[at:]); w > 0 {
			return n, at + w
		}
	}
	return 0, len(b) + 1
}

// counting reads from a pack's tables the accounts that count: those retrieved, or held by reports that count.
func counting(kind audit.PackKind, p []byte) (audit.IDs, error) {
	_, tables, _, err := open(kind, p)
	if err != nil {
		return audit.IDs{}, err
	}
	t := reader{b: tables}
	ids := t.ids()
	on := t.bits(ids.Len())
	if t.bad {
		return audit.IDs{}, errDamaged
	}
	if allOn(on, ids.Len()) {
		return ids, nil
	}
	return ids.Select(func(i int) bool { return isOn(on, i) }), nil
}

// encodeReports is encodeCalls for reports.
func encodeReports(p []byte, d *audit.ReportDay) []byte {
	counts := make([]bool, d.Accounts.Len())
	var files []uint32
	place := map[uint32]int{}
	for i := range d.Reports {
		r := &d.Reports[i]
		if r.Counts() {
			for _, a := range r.Accounts {
				counts[a.Account] = true
			}
		}
		if _, ok := place[r.Source.File]; !ok {
			place[r.Source.File] = len(files)
			files = append(files, r.Source.File)
		}
	}
	w := begin(p)
	w.ids(d.Accounts)
	w.bits(len(counts), func(i int) bool { return counts[i] })
	w.num(uint64(len(files)))
	for _, f := range files {
		w.num(uint64(f))
	}
	start := d.Day.Start()
	unit := unitOf(func(yield func(audit.Instant) bool) {
		for i := range d.Reports {
			if !yield(d.Reports[i].At - start) {
				return
			}
			for _, a := range d.Reports[i].Accounts {
				if a.Updated != audit.Ever && !yield(a.Updated) {
					return
				}
			}
		}
	})
	columns := len(w.b)
	b := appendNum(w.b, uint64(len(d.Reports)))
	before, line := start, int64(0)
	for i := range d.Reports {
		r := &d.Reports[i]
		b = appendNum(b, uint64((r.At-before)/units[unit]))
		before = r.At
		b = binary.LittleEndian.AppendUint64(b, r.Hash)
		b = appendNum(b, uint64(r.Status))
		b = appendNum(b, uint64(place[r.Source.File]))
		b = binary.AppendVarint(b, int64(r.Source.Line)-line)
		line = int64(r.Source.Line)
		b = appendNum(b, uint64(len(r.Accounts)))
		last := uint32(0)
		for _, a := range r.Accounts {
			given := uint64(0)
			if a.Updated != audit.Ever {
				given = 1
			}
			b = appendNum(b, uint64(a.Account-last)<<1|given)
			last = a.Account
			if given == 1 {
				b = binary.AppendVarint(b, int64(start/units[unit]-a.Updated/units[unit]))
			}
		}
		b = appendNum(b, uint64(len(r.Answers)))
		last = 0
		for _, a := range r.Answers {
			closed := uint64(0)
			if a.Closed {
				closed = 1
			}
			b = appendNum(b, uint64(a.Account-last)<<1|closed)
			last = a.Account
		}
	}
	return seal(b, audit.ReportPack, unit, columns)
}

// decodeReports reads a pack of a day's reports.
func decodeReports(day audit.Day, p []byte) (*audit.ReportDay, error) {
	unit, tables, columns, err := open(audit.ReportPack, p)
	if err != nil {
		return nil, err
	}
	d := &audit.ReportDay{Day: day}
	t := reader{b: tables}
	d.Accounts = t.ids()
	n := d.Accounts.Len()
	t.bits(n)
	files := make([]uint32, t.count(1))
	for i := range files {
		files[i] = uint32(t.num())
	}
	c := reader{b: columns}
	d.Reports = make([]audit.Report, c.count(14))
	start := day.Start()
	at, line := start, int64(0)
	for i := range d.Reports {
		r := &d.Reports[i]
		at += audit.Instant(c.num()) * unit
		r.At, r.Hash, r.Status = at, c.fixed(), uint16(c.num())
		file := c.below(len(files))
		line += c.signed()
		if c.bad {
			break
		}
		r.Source = audit.Source{File: files[file], Line: uint64(line)}
		r.Accounts = make([]audit.Reported, c.count(1))
		last := uint64(0)
		for j := range r.Accounts {
			v := c.num()
			last += v >> 1
			r.Accounts[j] = audit.Reported{Account: uint32(last), Updated: audit.Ever}
			if v&1 == 1 {
				r.Accounts[j].Updated = (start/unit - audit.Instant(c.signed())) * unit
			}
		}
		if len(r.Accounts) > 0 && last >= uint64(n) {
			c.fail()
			break
		}
		r.Answers = make([]audit.Answer, c.count(1))
		last = 0
		for j := range r.Answers {
			v := c.num()
			last += v >> 1
			r.Answers[j] = audit.Answer{Account: uint32(last), Closed: v&1 == 1}
		}
		if len(r.Answers) > 0 && last >= uint64(n) {
			c.fail()
			break
		}
	}
	if t.bad || c.bad || len(t.b) > 0 || len(c.b) > 0 {
		return nil, errDamaged
	}
	return d, nil
}

// texts numbers strings in the order of their first coming.
type texts struct {
	all   []string
	place map[string]uint32
}

func newTexts() *texts { return &texts{place: map[string]uint32{}} }

func (t *texts) add(s string) uint32 {
	if n, ok := t.place[s]; ok {
		return n
	}
	n := uint32(len(t.all))
	t.all = append(t.all, s)
	t.place[s] = n
	return n
}

func (t *texts) addAll(s []string) []uint32 {
	out := make([]uint32, len(s))
	for i, x := range s {
		out[i] = t.add(x)
	}
	return out
}

// damaged says which pack could not be read.
func damaged(p *audit.Pack, err error) error {
	if errors.Is(err, s3.ErrUnreachable) || errors.Is(err, fs.ErrPermission) || errors.Is(err, context.Canceled) { // nobody knows whether it is
		return fmt.Errorf("archive: pack of %q on %s in %s: %w", p.App, p.Day, p.Segment, err)
	}
	return fmt.Errorf("archive: pack of %q on %s in %s at byte %d: %w (restore the segment from a backup of the archive)",
		p.App, p.Day, p.Segment, p.Offset, err)
}
