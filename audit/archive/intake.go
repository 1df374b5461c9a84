package archive

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/dchest/siphash"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// An Intake takes in the calls and reports of one run. Workers add records, each to its own Worker and in any order; then, app by app and from any
// number of goroutines, Seal drops the copies and writes what is new as packs; Commit makes the segment durable, Abort removes it.
type Intake struct {
	archive *Archive
	run     int64
	name    string // of its files, without their suffix
	purged  audit.Day
	workers []*Worker

	forgotten *audit.Forgotten
	segment   *segmentWriter

	share int64 // bytes that each worker may hold

	buffers sync.Pool // of *[]byte, that packs are encoded in
	folds   sync.Pool // of *folding

	mu    sync.Mutex
	spool *segmentWriter
	rows  map[dayKey][]*rows // to be sealed
}

// A resolver tells the file and line of the place that a record came with; not ok where the record's file turned out not to be readable, so that nothing
// of it counts.
type resolver func(place uint64) (source audit.Source, ok bool)

// A dayKey names the facts of one kind, app and day.
type dayKey struct {
	app  string
	kind audit.PackKind
	day  audit.Day
}

// NewIntake begins the intake of a run. Facts of days before purged are not taken but counted. limit bounds the memory in bytes that unsealed
// facts take; beyond it they wait on disk. Accounts that were forgotten are kept under their pseudonyms.
func (a *Archive) NewIntake(run int64, purged audit.Day, workers int, limit int64, forgotten *audit.Forgotten) (audit.Intake, error) {
	in := a.newIntake(run, fmt.Sprintf("run-%06d", run), workers)
	in.purged, in.forgotten = purged, forgotten
	in.share = max(limit/int64(workers), largeBlock)
	_, err := in.out() // an archive that cannot be written is better known before all is read
	return in, err
}

// newIntake begins an intake whose files have a name of their own.
func (a *Archive) newIntake(run int64, name string, workers int) *Intake {
	in := &Intake{archive: a, run: run, name: name, purged: audit.StateDay, rows: map[dayKey][]*rows{}}
	for range workers {
		in.workers = append(in.workers, &Worker{in: in, apps: map[string]*appRows{}, texts: *newTexts(), expired: map[uint32]int64{}})
	}
	return in
}

// Worker is the i-th worker's own part of the intake.
func (in *Intake) Worker(i int) audit.IntakeWorker { return in.workers[i] }

// A Worker takes records from one goroutine.
type Worker struct {
	in      *Intake
	apps    map[string]*appRows
	texts   texts       // paths and purposes, as they came
	recent  recentTexts // among them
	content []byte      // of one record, to be hashed
	row     []byte      // the same, to be kept
	held    int64       // bytes of blocks
	err     error
	expired map[uint32]int64 // by file: records of days that were purged
	arena   arena            // of the rows' blocks
}

type appRows struct{ calls, reports dayRows }

// dayRows are the rows of several days, and those that came last.
type dayRows struct {
	last *rows
	all  []*rows
}

// rows are the facts of one app and day that were not sealed yet, one after the other as bytes. Tables are made when they are sealed, one app at a time:
// looking ids up as they come would miss the caches at every one.
type rows struct {
	kind    audit.PackKind
	day     audit.Day
	n       int
	spilled []audit.Extent // those that wait in a spool; they come before the blocks
	blocks  [][]byte
	tail    []byte                             // the block that is being filled
	spool   func(p []byte, offset int64) error // reads
	texts   func() ([]string, error)           // those that the worker numbered
	resolve resolver
}

const (
	firstBlock  = 1 << 10
	largeBlock  = 16 << 10 // the last of each app and day is half empty
	largeExtent = 256 << 10
)

// add keeps a row, which comes in two parts.
func (w *Worker) add(r *rows, head, tail []byte) {
	r.n++
	if size := len(head) + len(tail); cap(r.tail)-len(r.tail) < size {
		next := max(min(2*cap(r.tail), largeBlock), firstBlock, size)
		r.end()
		r.tail = w.arena.take(next)[:0]
		w.held += int64(next)
	}
	r.tail = append(append(r.tail, head...), tail...)
}

// end ends the block that is being filled.
func (r *rows) end() {
	if len(r.tail) > 0 {
		r.blocks, r.tail = append(r.blocks, r.tail), nil
	}
}

// size is how many bytes the rows are, wherever they lie.
func (r *rows) size() int64 {
	n := int64(len(r.tail))
	for _, b := range r.blocks {
		n += int64(len(b))
	}
	for _, e := range r.spilled {
		n += e.Length
	}
	return n
}

// A rowReader reads rows in the order in which they came, and forgets them.
type rowReader struct {
	rows *rows
	row  // what is left of the piece that was taken last
	buf  []byte
}

// more says whether there is another row, which row holds then.
func (r *rowReader) more() (bool, error) {
	for len(r.b) == 0 {
		switch {
		case len(r.rows.spilled) > 0:
			e := r.rows.spilled[0]
			r.buf = slices.Grow(r.buf[:0], int(e.Length))[:e.Length]
			if err := readExtent(r.rows.spool, r.buf, e); err != nil {
				return false, err
			}
			r.rows.spilled, r.b = r.rows.spilled[1:], r.buf
		case len(r.rows.blocks) > 0:
			r.b = r.rows.blocks[0]
			r.rows.blocks[0] = nil
			r.rows.blocks = r.rows.blocks[1:]
		default:
			return false, nil
		}
	}
	return true, nil
}

// merged gives the rows of all lists to read, each with its list's number, from the list whose next is the earliest: lists that are nearly in order make one that is.
func merged(list []*rows, read func(i int, x *row)) error {
	readers := make([]rowReader, 0, len(list))
	for _, r := range list {
		readers = append(readers, rowReader{rows: r})
	}
	for {
		var first *rowReader
		number := 0
		until := uint64(math.MaxUint64) // the earliest of the others
		for i := range readers {
			r := &readers[i]
			if more, err := r.more(); err != nil {
				return err
			} else if !more {
				continue
			}
			switch at := r.at(); {
			case first == nil:
				first, number = r, i
			case at < first.at():
				first, number, until = r, i, first.at()
			default:
				until = min(until, at)
			}
		}
		if first == nil {
			return nil
		}
		for more := true; more && first.at() <= until; {
			read(number, &first.row)
			var err error
			if more, err = first.more(); err != nil {
				return err
			}
		}
	}
}

// numbered is the texts that the worker has numbered.
func (w *Worker) numbered() ([]string, error) { return w.texts.all, nil }

// of finds the rows of a day.
func (w *Worker) of(d *dayRows, kind audit.PackKind, day audit.Day) *rows {
	if d.last != nil && d.last.day == day {
		return d.last
	}
	for _, r := range d.all {
		if r.day == day {
			d.last = r
			return r
		}
	}
	d.last = &rows{kind: kind, day: day, texts: w.numbered}
	d.all = append(d.all, d.last)
	return d.last
}

func (w *Worker) app(key []byte) *appRows {
	a := w.apps[string(key)]
	if a == nil {
		a = &appRows{}
		w.apps[string(key)] = a
	}
	return a
}

func (w *Worker) put(field []byte) {
	w.content = binary.AppendUvarint(w.content, uint64(len(field)))
	w.content = append(w.content, field...)
}

// putID puts an id, packed where it can be.
func (w *Worker) putID(id []byte) { w.content = audit.AppendID(w.content, id) }

func (w *Worker) putTime(sec, nsec int64) {
	w.content = binary.LittleEndian.AppendUint64(w.content, uint64(sec))
	w.content = binary.LittleEndian.AppendUint32(w.content, uint32(nsec))
}

// begin starts the row of the record whose content is complete.
func (w *Worker) begin(at audit.Instant, place uint64, status int) {
	w.row = binary.LittleEndian.AppendUint64(w.row[:0], uint64(at))
	w.row = binary.LittleEndian.AppendUint64(w.row, siphash.Hash(w.in.archive.k0, w.in.archive.k1, w.content))
	w.row = binary.LittleEndian.AppendUint64(w.row, place)
	w.row = binary.LittleEndian.AppendUint16(w.row, uint16(status))
}

// maxTexts bounds the texts that a worker numbers; more are kept in their rows.
const maxTexts = 1 << 12

// keepText puts a text that nothing checked into the row: what looks like an address in it is masked, once per text.
func (w *Worker) keepText(text []byte) {
	at := w.recent.slot(text)
	number := at.number
	if number == 0 || at.text != string(text) {
		n, ok := w.texts.place[string(text)]
		if !ok {
			clean := w.in.forgotten.Text(address.Redact(string(text)))
			if len(w.texts.all) >= maxTexts {
				w.row = append(w.row, 0)
				w.row = binary.AppendUvarint(w.row, uint64(len(clean)))
				w.row = append(w.row, clean...)
				return
			}
			n = w.texts.add(clean)
			w.texts.place[string(text)] = n
		}
		number = uint64(n) + 1
		if at.number == 0 { // who came first stays: two that change places would be copied at each line
			at.text, at.number = string(text), number
		}
	}
	w.row = binary.AppendUvarint(w.row, number)
}

// recentTexts are the first texts that came, with their numbers from 1. Mostly a few come again and again, and are found sooner than in a map.
type recentTexts [64]recentText

type recentText struct {
	text   string
	number uint64
}

func (r *recentTexts) slot(text []byte) *recentText {
	n := len(text)
	if n < 8 {
		return &r[n]
	}
	h := (binary.LittleEndian.Uint64(text) ^ binary.LittleEndian.Uint64(text[n-8:]) + uint64(n)) * 0x9E3779B97F4A7C15
	return &r[h>>58]
}

// Expired counts, by file, the records of days that were purged.
func (w *Worker) Expired() map[uint32]int64 { return w.expired }

// Call takes a call. It reports the first error that spilling to disk met, which ends the intake.
func (w *Worker) Call(c *audit.CallRecord, file uint32, place uint64) error {
	at := audit.AtUnix(c.Sec, c.Nsec)
	day := at.Day()
	if day < w.in.purged {
		w.expired[file]++
		return w.err
	}
	w.content = w.content[:0]
	w.putTime(c.Sec, c.Nsec)
	w.put(c.RequestID)
	w.put(c.Path)
	w.put(c.Purpose)
	w.content = append(w.content, byte(c.Auth), byte(c.Status), byte(c.Status>>8))
	w.put(c.App)
	kept := len(w.content)
	w.content = append(w.content, c.Site.Packed()...)
	ids := len(w.content)
	w.putAccounts(&c.Accounts)
	w.begin(at, place, c.Status)
	if w.in.forgotten != nil { // what is hashed is the line; what is kept does not name them
		w.content = w.content[:ids]
		w.putKnown(&c.Accounts)
	}
	w.row = append(w.row, byte(c.Auth))
	w.keepText(c.Path)
	w.keepText(c.Purpose)
	w.add(w.of(&w.app(c.App).calls, audit.CallPack, day), w.row, w.content[kept:])
	return w.weigh()
}

func (w *Worker) putAccounts(l *audit.IDList) {
	w.content = binary.AppendUvarint(w.content, uint64(l.Len()))
	w.content = append(w.content, l.Packed()...)
}

// putKnown is putAccounts by the names that they are kept under.
func (w *Worker) putKnown(l *audit.IDList) {
	w.content = binary.AppendUvarint(w.content, uint64(l.Len()))
	for id := range l.All() {
		w.putID(w.in.forgotten.Account(id))
	}
}

// Report takes a report.
func (w *Worker) Report(c *audit.ReportRecord, file uint32, place uint64) error {
	at := audit.AtUnix(c.Sec, c.Nsec)
	day := at.Day()
	if day < w.in.purged {
		w.expired[file]++
		return w.err
	}
	w.content = w.content[:0]
	w.putTime(c.Sec, c.Nsec)
	w.put(c.RequestID)
	w.content = append(w.content, byte(c.Status), byte(c.Status>>8))
	w.put(c.App)
	ids := len(w.content)
	w.putReported(c, nil)
	w.begin(at, place, c.Status)
	if w.in.forgotten != nil {
		w.content = w.content[:ids]
		w.putReported(c, w.in.forgotten)
	}
	w.row = binary.AppendVarint(w.row, c.Sec)
	w.add(w.of(&w.app(c.App).reports, audit.ReportPack, day), w.row, w.content[ids:])
	return w.weigh()
}

func (w *Worker) putReported(c *audit.ReportRecord, forgotten *audit.Forgotten) {
	w.content = binary.AppendUvarint(w.content, uint64(len(c.Accounts)))
	for i := range c.Accounts {
		x := &c.Accounts[i]
		w.putID(forgotten.Account(x.ID))
		if x.HasUpdated {
			w.content = append(w.content, 1)
			w.content = binary.AppendVarint(w.content, c.Sec-x.Sec)
			w.content = binary.AppendUvarint(w.content, uint64(x.Nsec))
		} else {
			w.content = append(w.content, 0)
		}
	}
	w.content = binary.AppendUvarint(w.content, uint64(len(c.Results)))
	for i := range c.Results {
		w.putID(forgotten.Account(c.Results[i].ID))
		w.content = append(w.content, bit(c.Results[i].Closed))
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// weigh spills what the worker holds once that is more than its share: each worker's arena keeps what it ever took.
func (w *Worker) weigh() error {
	if w.held > w.in.share && w.err == nil {
		w.err = w.spill()
	}
	return w.err
}

// each visits the worker's rows.
func (w *Worker) each(visit func(app string, r *rows) error) error {
	for app, a := range w.apps {
		for _, list := range [][]*rows{a.calls.all, a.reports.all} {
			for _, r := range list {
				if err := visit(app, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// spill lets what the worker holds wait on disk, as it is.
func (w *Worker) spill() error {
	out, err := w.in.ownSpool()
	if err != nil {
		return err
	}
	buf := make([]byte, 0, largeExtent)
	err = w.each(func(_ string, r *rows) error {
		flush := func() error {
			if len(buf) == 0 {
				return nil
			}
			e, err := out.extent(buf)
			r.spilled = append(r.spilled, e)
			buf = buf[:0]
			return err
		}
		r.spool = out.readAt
		r.end()
		for _, b := range r.blocks {
			if len(buf)+len(b) > largeExtent {
				if err := flush(); err != nil {
					return err
				}
			}
			buf = append(buf, b...)
		}
		r.blocks = nil
		return flush()
	})
	w.arena.reset()
	w.held = 0
	return err
}

// extent appends an extent of a spool.
func (w *segmentWriter) extent(p []byte) (audit.Extent, error) {
	at, err := w.append(p)
	return audit.Extent{Offset: at, Length: int64(len(p)), Sum: xxhash.Sum64(p)}, err
}

// readExtent reads into p, which has its length, an extent of a spool.
func readExtent(spool func(p []byte, offset int64) error, p []byte, e audit.Extent) error {
	if err := spool(p, e.Offset); err != nil {
		return fmt.Errorf("archive: the run's own spool: %w", err)
	}
	if xxhash.Sum64(p) != e.Sum {
		return fmt.Errorf("archive: the run's own spool is damaged at byte %d: run again", e.Offset)
	}
	return nil
}

// ownSpool is the intake's spool, which the first to spill makes.
func (in *Intake) ownSpool() (*segmentWriter, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.spool == nil {
		w, err := in.archive.create(in.name + spoolSuffix)
		if err != nil {
			return nil, err
		}
		in.spool = w
	}
	return in.spool, nil
}

// row reads a row's bytes, which this package wrote in the same run.
type row struct{ reader }

// at is when the record was that the row begins, such that later ones are larger.
func (r *row) at() uint64 { return binary.LittleEndian.Uint64(r.b) ^ 1<<63 }

func (r *row) short() uint16 {
	n := uint16(r.b[0]) | uint16(r.b[1])<<8
	r.b = r.b[2:]
	return n
}

func (r *row) byte() byte {
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// id gives an id's bytes as it came: packed, with its shape, or spelled, with -1.
func (r *row) id() (shape int, p []byte) {
	shape, p, r.b = audit.CutID(r.b)
	return shape, p
}

// A textTable numbers the texts of a day, without looking at those that a worker had numbered already.
type textTable struct {
	*texts
	of [][]uint32 // by list of rows, and the number that its worker gave: the day's, from 1
}

func newTextTable(numbered [][]string) *textTable {
	t := &textTable{texts: newTexts()}
	for _, texts := range numbered {
		t.of = append(t.of, make([]uint32, len(texts)))
	}
	return t
}

// numberedIn is, for each list of rows, the texts that its worker numbered.
func numberedIn(list []*rows) (numbered [][]string, err error) {
	numbered = make([][]string, len(list))
	for i, r := range list {
		if numbered[i], err = r.texts(); err != nil {
			return nil, err
		}
	}
	return numbered, nil
}

// text reads a text of the i-th list of rows, whose worker numbered texts as from says.
func (r *row) text(i int, from []string, to *textTable) uint32 {
	if n := r.num(); n > 0 {
		known := &to.of[i][n-1]
		if *known == 0 {
			*known = to.add(from[n-1]) + 1
		}
		return *known - 1
	}
	n := r.num()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return to.add(s)
}

// account adds an account to a table, unless it is the one that stands for none.
func (r *row) account(to *audit.IDsBuilder) (number uint32, ok bool) {
	if number, rest, ok := to.AddHex24(r.b); ok { // as most are
		r.b = rest
		return number, true
	}
	shape, p := r.id()
	if shape >= 0 {
		return to.AddPacked(shape, p), true
	}
	if string(p) == audit.UnknownAccount {
		return 0, false
	}
	return to.Add(p), true
}

// skipText passes over a text.
func (r *row) skipText() {
	if r.num() == 0 {
		n := r.num()
		r.b = r.b[n:]
	}
}

// skipIDs passes over a list of ids.
func (r *row) skipIDs() {
	for range r.num() {
		r.id()
	}
}

// A folding is the memory that making a day of rows takes for its accounts and sites. It serves one day after the other: fresh memory costs a fault for each
// page, and a table is read before it is written. What grows with the calls is not kept: the largest app's would stay for all others.
type folding struct {
	ids, sites audit.IDsBuilder
	sorter     sorter
}

// folding gives memory that is to be put back into folds.
func (in *Intake) folding() *folding {
	f, _ := in.folds.Get().(*folding)
	if f == nil {
		return new(folding)
	}
	f.ids.Reset()
	f.sites.Reset()
	return f
}

// calls is the rows of one day as that day in order.
func (f *folding) calls(day audit.Day, list []*rows) (*audit.CallDay, error) {
	d := &audit.CallDay{Day: day}
	n, size := 0, 0
	for _, r := range list {
		n, size = n+r.n, size+int(r.size())
	}
	d.Calls = make([]audit.Call, 0, n)
	accounts := make([]uint32, 0, (size-32*n)/13+1) // of ids as most are, with what else a row takes at least
	ends := make([]uint32, 0, n)                    // of each call's among them
	numbered, err := numberedIn(list)
	if err != nil {
		return nil, err
	}
	paths, purposes := newTextTable(numbered), newTextTable(numbered)
	err = merged(list, func(i int, at *row) {
		x := *at // cutting off a variable needs no write barriers
		defer func() { *at = x }()
		c := audit.Call{At: audit.Instant(x.fixed()), Hash: x.fixed()}
		var counts bool
		c.Source, counts = list[i].resolve(x.fixed())
		c.Status, c.Auth = x.short(), audit.Auth(x.byte())
		if !counts {
			x.skipText() // path
			x.skipText() // purpose
			x.id()
			x.skipIDs()
			return
		}
		c.Path, c.Purpose = x.text(i, numbered[i], paths), x.text(i, numbered[i], purposes)
		if shape, p := x.id(); shape >= 0 {
			c.Site = f.sites.AddPacked(shape, p)
		} else {
			c.Site = f.sites.Add(p)
		}
		for range x.num() {
			if n, ok := x.account(&f.ids); ok {
				accounts = append(accounts, n)
			}
		}
		ends = append(ends, uint32(len(accounts)))
		d.Calls = append(d.Calls, c)
	})
	if err != nil {
		return nil, err
	}
	d.Paths, d.Purposes = paths.all, purposes.all
	set, ordinals := f.sites.Set()
	d.Sites = set.Strings()
	for i := range d.Calls {
		d.Calls[i].Site = ordinals.Of(d.Calls[i].Site)
	}
	d.Accounts, ordinals = f.ids.Set()
	f.sorter.reset(d.Accounts.Len())
	start := uint32(0)
	for i, end := range ends {
		mine := accounts[start:end:end]
		for k, n := range mine {
			mine[k] = ordinals.Of(n)
		}
		d.Calls[i].Accounts = f.sorter.distinct(mine)
		start = end
	}
	sortFacts(d.Calls, callOrder)
	return d, nil
}

// reports is calls for reports.
func (f *folding) reports(day audit.Day, list []*rows) (*audit.ReportDay, error) {
	d := &audit.ReportDay{Day: day}
	err := merged(list, func(i int, at *row) {
		x := *at
		defer func() { *at = x }()
		c := audit.Report{At: audit.Instant(x.fixed()), Hash: x.fixed()}
		var counts bool
		c.Source, counts = list[i].resolve(x.fixed())
		c.Status = x.short()
		sec := x.signed()
		n := x.num()
		if !counts {
			for range n {
				x.id()
				if x.byte() == 1 {
					x.signed()
					x.num()
				}
			}
			for range x.num() {
				x.id()
				x.byte()
			}
			return
		}
		c.Accounts = make([]audit.Reported, 0, n)
		for range n {
			a, ok := x.account(&f.ids)
			updated := audit.Ever
			if x.byte() == 1 {
				before := x.signed()
				updated = audit.AtUnix(sec-before, int64(x.num()))
			}
			if ok {
				c.Accounts = append(c.Accounts, audit.Reported{Account: a, Updated: updated})
			}
		}
		n = x.num()
		c.Answers = make([]audit.Answer, 0, n)
		for range n {
			a, ok := x.account(&f.ids)
			closed := x.byte() == 1
			if ok {
				c.Answers = append(c.Answers, audit.Answer{Account: a, Closed: closed})
			}
		}
		d.Reports = append(d.Reports, c)
	})
	if err != nil {
		return nil, err
	}
	var ordinals *audit.Ordinals
	d.Accounts, ordinals = f.ids.Set()
	f.sorter.reset(d.Accounts.Len())
	for i := range d.Reports {
		c := &d.Reports[i]
		for k := range c.Accounts {
			c.Accounts[k].Account = ordinals.Of(c.Accounts[k].Account)
		}
		for k := range c.Answers {
			c.Answers[k].Account = ordinals.Of(c.Answers[k].Account)
		}
		if !f.sorter.reported(c.Accounts) {
			slices.SortFunc(c.Accounts, compareReported)
		}
		slices.SortFunc(c.Answers, compareAnswers)
	}
	sortFacts(d.Reports, reportOrder)
	return d, nil
}

func compareReported(a, b audit.Reported) int {
	if a.Account != b.Account {
		return cmp.Compare(a.Account, b.Account)
	}
	return cmp.Compare(a.Updated, b.Updated)
}

func compareAnswers(a, b audit.Answer) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(bit(a.Closed), bit(b.Closed)))
}

// Close ends the taking in. resolve tells the file and line of a place that a record came with; not ok where the record's file turned out not to be
// readable, so that nothing of it counts. It gives what there is to seal, in no order.
func (in *Intake) Close(resolve func(place uint64) (audit.Source, bool)) ([]audit.Touched, error) {
	for _, w := range in.workers {
		if w.err != nil {
			return nil, w.err
		}
		_ = w.each(func(app string, r *rows) error { // visiting fails where the visitor does
			r.end()
			r.resolve = resolve
			key := dayKey{app, r.kind, r.day}
			in.rows[key] = append(in.rows[key], r)
			return nil
		})
		w.apps = nil
	}
	var out []audit.Touched
	for key, list := range in.rows {
		t := audit.Touched{App: key.app, Kind: key.kind, Day: key.day}
		for _, r := range list {
			t.Records += r.n
		}
		out = append(out, t)
	}
	return out, nil
}

// take gives the unsealed rows of an (app, day), once.
func (in *Intake) take(key dayKey) []*rows {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := in.rows[key]
	delete(in.rows, key)
	return list
}

// SealCalls drops the copies among the calls that the run brought for an app and day, also of those in packs, and writes what is new as a pack.
// copies counts what was dropped by file. fresh and pack are nil where nothing is new.
func (in *Intake) SealCalls(app string, day audit.Day, packs []audit.Pack) (fresh *audit.CallDay, pack *audit.Pack, copies map[uint32]int64, err error) {
	f := in.folding()
	defer in.folds.Put(f)
	d, err := f.calls(day, in.take(dayKey{app, audit.CallPack, day}))
	if err != nil {
		return nil, nil, nil, err
	}
	known := &audit.CallDay{}
	if len(packs) > 0 {
		if known, err = in.archive.Calls(day, packs); err != nil {
			return nil, nil, nil, err
		}
	}
	kept, copies := dropCopies(d.Calls, known.Calls, callOrder,
		func(a, b *audit.Call) bool {
			return a.Site == b.Site && a.Path == b.Path && a.Purpose == b.Purpose && a.Auth == b.Auth && a.Status == b.Status && slices.Equal(a.Accounts, b.Accounts)
		},
		func(a, k *audit.Call) bool {
			return d.Sites[a.Site] == known.Sites[k.Site] && sameText(d.Paths[a.Path], known.Paths[k.Path]) && sameText(d.Purposes[a.Purpose], known.Purposes[k.Purpose]) &&
				a.Auth == k.Auth && a.Status == k.Status && slices.EqualFunc(a.Accounts, k.Accounts, func(x, y uint32) bool {
				return d.Accounts.At(int(x)) == known.Accounts.At(int(y))
			})
		})
	if len(kept) == 0 {
		return nil, nil, copies, nil
	}
	left := len(d.Calls) - len(kept)
	d.Calls = kept
	if left > 0 && len(known.Calls) > 0 { // what a copy of a new fact names, that fact names as well
		d = compactCalls(d)
	}
	pack, err = in.write(dayKey{app, audit.CallPack, day}, func(p []byte) []byte { return encodeCalls(p, d) }, len(d.Calls), d.Calls[0].At, d.Calls[len(d.Calls)-1].At)
	return d, pack, copies, err
}

// sameText says whether two facts of one hash say the same in a text, of which the known one may name accounts that were forgotten meanwhile.
func sameText(fresh, known string) bool { return fresh == known || audit.IsRenamed(known) }

// SealReports is SealCalls for reports.
func (in *Intake) SealReports(app string, day audit.Day, packs []audit.Pack) (fresh *audit.ReportDay, pack *audit.Pack, copies map[uint32]int64, err error) {
	f := in.folding()
	defer in.folds.Put(f)
	d, err := f.reports(day, in.take(dayKey{app, audit.ReportPack, day}))
	if err != nil {
		return nil, nil, nil, err
	}
	known := &audit.ReportDay{}
	if len(packs) > 0 {
		if known, err = in.archive.Reports(day, packs); err != nil {
			return nil, nil, nil, err
		}
	}
	kept, copies := dropCopies(d.Reports, known.Reports, reportOrder,
		func(a, b *audit.Report) bool {
			return a.Status == b.Status && slices.Equal(a.Accounts, b.Accounts) && slices.Equal(a.Answers, b.Answers)
		},
		func(a, k *audit.Report) bool {
			return a.Status == k.Status &&
				slices.EqualFunc(a.Accounts, k.Accounts, func(x, y audit.Reported) bool {
					return x.Updated == y.Updated && d.Accounts.At(int(x.Account)) == known.Accounts.At(int(y.Account))
				}) &&
				slices.EqualFunc(a.Answers, k.Answers, func(x, y audit.Answer) bool {
					return x.Closed == y.Closed && d.Accounts.At(int(x.Account)) == known.Accounts.At(int(y.Account))
				})
		})
	if len(kept) == 0 {
		return nil, nil, copies, nil
	}
	left := len(d.Reports) - len(kept)
	d.Reports = kept
	if left > 0 && len(known.Reports) > 0 { // what a copy of a new fact names, that fact names as well
		d = compactReports(d)
	}
	pack, err = in.write(dayKey{app, audit.ReportPack, day}, func(p []byte) []byte { return encodeReports(p, d) }, len(d.Reports), d.Reports[0].At, d.Reports[len(d.Reports)-1].At)
	return d, pack, copies, err
}

func (in *Intake) write(key dayKey, encode func([]byte) []byte, records int, first, last audit.Instant) (*audit.Pack, error) {
	w, err := in.out()
	if err != nil {
		return nil, err
	}
	buf, _ := in.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer in.buffers.Put(buf)
	p := encode((*buf)[:0])
	*buf = p
	at, err := w.append(p)
	if err != nil {
		return nil, err
	}
	w.settle()
	return &audit.Pack{App: key.app, Day: key.day, Kind: key.kind, Segment: w.name, Offset: at, Length: int64(len(p)),
		Records: records, First: first, Last: last, Run: in.run}, nil
}

// out is the intake's segment, which the first pack makes.
func (in *Intake) out() (*segmentWriter, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.segment == nil {
		w, err := in.archive.create(in.name + segmentSuffix)
		if err != nil {
			return nil, err
		}
		in.archive.mu.Lock()
		in.archive.open[w.name] = w.f // it is read before it is whole
		in.archive.mu.Unlock()
		in.segment = w
	}
	return in.segment, nil
}

// Commit makes the packs durable: the store may name them now.
func (in *Intake) Commit() error {
	in.dropSpool()
	if in.segment == nil || in.segment.at == 0 {
		return in.Abort()
	}
	return in.segment.sync()
}

// Abort removes the run's segment. It may be called after Commit, as long as the store does not name it.
func (in *Intake) Abort() error {
	in.dropSpool()
	if in.segment != nil {
		in.archive.mu.Lock()
		delete(in.archive.open, in.segment.name)
		in.archive.mu.Unlock()
		in.segment.remove()
	}
	return nil
}

func (in *Intake) dropSpool() {
	if in.spool != nil {
		in.spool.remove()
		in.spool = nil
	}
}
