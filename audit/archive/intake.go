package archive

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dchest/siphash"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// An Intake takes in the calls and reports of one run. Workers add records, each to its own Worker and in any order; then, app by app and from any
// number of goroutines, Seal drops the copies and writes what is new as packs; Commit makes the segment durable, Abort removes it.
type Intake struct {
	archive *Archive
	run     int64
	purged  audit.Day
	workers []*Worker

	forgotten *audit.Forgotten
	segment   *segmentWriter

	limit int64 // bytes that the workers may hold together
	held  atomic.Int64

	mu      sync.Mutex
	spool   *segmentWriter
	spills  map[dayKey][]spill
	rows    map[dayKey][]*rows
	resolve func(place uint64) (source audit.Source, ok bool)
}

// A dayKey names the facts of one kind, app and day.
type dayKey struct {
	app  string
	kind audit.PackKind
	day  audit.Day
}

type spill struct{ offset, length int64 }

// NewIntake begins the intake of a run. Facts of days before purged are not taken but counted. limit bounds the memory in bytes that unsealed
// facts take; beyond it they wait on disk. Accounts that were forgotten are kept under their pseudonyms.
func (a *Archive) NewIntake(run int64, purged audit.Day, workers int, limit int64, forgotten *audit.Forgotten) (audit.Intake, error) {
	w, err := a.create(fmt.Sprintf("run-%06d%s", run, segmentSuffix))
	if err != nil {
		return nil, err
	}
	in := &Intake{archive: a, run: run, purged: purged, forgotten: forgotten, segment: w, limit: limit, spills: map[dayKey][]spill{}}
	for range workers {
		in.workers = append(in.workers, &Worker{in: in, apps: map[string]*appRows{}, texts: *newTexts(), expired: map[uint32]int64{}})
	}
	a.mu.Lock()
	a.open[w.name] = w.f
	a.mu.Unlock()
	return in, nil
}

// Worker is the i-th worker's own part of the intake.
func (in *Intake) Worker(i int) audit.IntakeWorker { return in.workers[i] }

// A Worker takes records from one goroutine.
type Worker struct {
	in      *Intake
	apps    map[string]*appRows
	texts   texts  // paths and purposes, as they came
	content []byte // of one record, to be hashed
	row     []byte // the same, to be kept
	packed  [audit.MaxPackedID]byte
	counted int64
	err     error
	expired map[uint32]int64 // by file: records of days that were purged
}

type appRows struct{ calls, reports []*rows }

// rows are the facts of one app and day that were not sealed yet, one after the other as bytes. Tables are made when they are sealed, one app at a time:
// looking ids up as they come would miss the caches at every one.
type rows struct {
	kind   audit.PackKind
	day    audit.Day
	n      int
	blocks [][]byte
	texts  *texts // of the worker
}

const (
	firstBlock = 1 << 10
	largeBlock = 64 << 10
)

// add keeps a row.
func (r *rows) add(row []byte) {
	r.n++
	last := len(r.blocks) - 1
	if last < 0 || cap(r.blocks[last])-len(r.blocks[last]) < len(row) {
		size := firstBlock
		if last >= 0 {
			size = min(2*cap(r.blocks[last]), largeBlock)
		}
		r.blocks = append(r.blocks, make([]byte, 0, max(size, len(row))))
		last++
	}
	r.blocks[last] = append(r.blocks[last], row...)
}

// weight is the memory that the rows take, in bytes.
func (r *rows) weight() int64 {
	n := int64(0)
	for _, b := range r.blocks {
		n += int64(len(b))
	}
	return n
}

// of finds the rows of a day.
func (w *Worker) of(list *[]*rows, kind audit.PackKind, day audit.Day) *rows {
	for _, r := range slices.Backward(*list) {
		if r.day == day {
			return r
		}
	}
	r := &rows{kind: kind, day: day, texts: &w.texts}
	*list = append(*list, r)
	return r
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

// isPacked marks, in the first byte of an id, its shape; any other id is its length and bytes after isSpelled.
const (
	isPacked  = 0x80
	isSpelled = 0xff
)

// putID puts a packed id where there is one: half as much to hash.
func (w *Worker) putID(id []byte) {
	if shape, n := audit.PackID(&w.packed, id); shape >= 0 {
		w.content = append(append(w.content, isPacked|byte(shape)), w.packed[:n]...)
		return
	}
	w.content = append(w.content, isSpelled)
	w.put(id)
}

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
	w.row = binary.AppendUvarint(w.row, uint64(n)+1)
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
	site := len(w.content)
	w.putID(c.Site)
	siteEnd := len(w.content)
	w.putTime(c.Sec, c.Nsec)
	w.put(c.RequestID)
	w.put(c.Path)
	w.put(c.Purpose)
	w.content = append(w.content, byte(c.Auth), byte(c.Status), byte(c.Status>>8))
	w.put(c.App)
	ids := len(w.content)
	w.putAccounts(c, nil)
	w.begin(at, place, c.Status)
	if w.in.forgotten != nil { // what is hashed is the line; what is kept does not name them
		w.content = w.content[:ids]
		w.putAccounts(c, w.in.forgotten)
	}
	w.row = append(w.row, byte(c.Auth))
	w.keepText(c.Path)
	w.keepText(c.Purpose)
	w.row = append(w.row, w.content[site:siteEnd]...)
	w.row = append(w.row, w.content[ids:]...)
	w.of(&w.app(c.App).calls, audit.CallPack, day).add(w.row)
	return w.weigh(int64(len(w.row)))
}

func (w *Worker) putAccounts(c *audit.CallRecord, forgotten *audit.Forgotten) {
	w.content = binary.AppendUvarint(w.content, uint64(len(c.Accounts)))
	for _, id := range c.Accounts {
		w.putID(forgotten.Account(id))
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
	w.row = append(w.row, w.content[ids:]...)
	w.of(&w.app(c.App).reports, audit.ReportPack, day).add(w.row)
	return w.weigh(int64(len(w.row)))
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

const weighEvery = 1 << 20

func (w *Worker) weigh(bytes int64) error {
	if w.counted += bytes; w.counted < weighEvery {
		return w.err
	}
	held := w.in.held.Add(w.counted)
	w.counted = 0
	if held > w.in.limit && w.err == nil {
		w.err = w.spill()
	}
	return w.err
}

// each visits the worker's rows, and forgets them.
func (w *Worker) each(visit func(dayKey, *rows) error) error {
	for key, a := range w.apps {
		for _, r := range slices.Concat(a.calls, a.reports) {
			if err := visit(dayKey{key, r.kind, r.day}, r); err != nil {
				return err
			}
		}
	}
	w.apps = map[string]*appRows{}
	return nil
}

// spill packs what the worker holds and lets it wait on disk.
func (w *Worker) spill() error {
	return w.each(func(key dayKey, r *rows) error {
		var p []byte
		if r.kind == audit.CallPack {
			p = encodeCalls(foldCalls(r))
		} else {
			p = encodeReports(foldReports(r))
		}
		in := w.in
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.spool == nil {
			var err error
			if in.spool, err = in.archive.create(fmt.Sprintf("run-%06d%s", in.run, spoolSuffix)); err != nil {
				return err
			}
		}
		at, err := in.spool.append(p)
		if err != nil {
			return err
		}
		in.spills[key] = append(in.spills[key], spill{at, int64(len(p))})
		in.held.Add(-r.weight())
		return nil
	})
}

// place and its parts: the chunk of input, and the line within it.
func sourceOfPlace(place uint64) audit.Source {
	return audit.Source{File: uint32(place >> 32), Line: place & 0xffffffff}
}

func placeOfSource(s audit.Source) uint64 { return uint64(s.File)<<32 | s.Line }

// row reads a row's bytes, which this package wrote just before.
type row struct{ reader }

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
	c := r.byte()
	n := 0
	if c == isSpelled {
		shape, n = -1, int(r.num())
	} else {
		shape = int(c &^ isPacked)
		n = audit.PackedWidth(shape)
	}
	p = r.b[:n]
	r.b = r.b[n:]
	return shape, p
}

// A textTable numbers the texts of a day, without looking at those that the worker had numbered already.
type textTable struct {
	*texts
	of []uint32 // by the worker's number: the day's, from 1
}

func (r *row) text(from *texts, to *textTable) uint32 {
	if n := r.num(); n > 0 {
		if to.of[n-1] == 0 {
			to.of[n-1] = to.add(from.all[n-1]) + 1
		}
		return to.of[n-1] - 1
	}
	n := r.num()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return to.add(s)
}

// account adds an account to a table, unless it is the one that stands for none.
func (r *row) account(to *audit.IDsBuilder) (number uint32, ok bool) {
	shape, p := r.id()
	if shape >= 0 {
		return to.AddPacked(shape, p), true
	}
	if string(p) == audit.UnknownAccount {
		return 0, false
	}
	return to.Add(p), true
}

// foldCalls is the rows of one day as that day in order, with places for sources.
func foldCalls(list ...*rows) *audit.CallDay {
	d := &audit.CallDay{Day: list[0].day}
	var ids audit.IDsBuilder
	var accounts []uint32
	var ends []int
	sites, paths, purposes := newTexts(), &textTable{texts: newTexts()}, &textTable{texts: newTexts()}
	places := map[string]uint32{} // of sites, by their bytes
	lists := make([][]audit.Call, len(list))
	for i, r := range list {
		calls := make([]audit.Call, 0, r.n)
		paths.of, purposes.of = make([]uint32, len(r.texts.all)), make([]uint32, len(r.texts.all))
		for _, b := range r.blocks {
			x := row{reader{b: b}}
			for len(x.b) > 0 {
				c := audit.Call{At: audit.Instant(x.fixed()), Hash: x.fixed(), Source: sourceOfPlace(x.fixed()), Status: x.short(), Auth: audit.Auth(x.byte())}
				c.Path, c.Purpose = x.text(r.texts, paths), x.text(r.texts, purposes)
				from := x.b
				shape, p := x.id()
				raw := from[:len(from)-len(x.b)]
				site, ok := places[string(raw)]
				if !ok {
					name := string(p)
					if shape >= 0 {
						name = audit.UnpackID(shape, p)
					}
					site = sites.add(name)
					places[string(raw)] = site
				}
				c.Site = site
				for range x.num() {
					if n, ok := x.account(&ids); ok {
						accounts = append(accounts, n)
					}
				}
				ends = append(ends, len(accounts))
				calls = append(calls, c)
			}
		}
		r.blocks = nil
		lists[i] = calls
	}
	d.Sites, d.Paths, d.Purposes = sites.all, paths.all, purposes.all
	var ordinals *audit.Ordinals
	d.Accounts, ordinals = ids.Set()
	for i, n := range accounts {
		accounts[i] = ordinals.Of(n)
	}
	from, n := 0, 0
	for _, calls := range lists {
		for i := range calls {
			mine := accounts[from:ends[n]:ends[n]]
			slices.Sort(mine)
			calls[i].Accounts = slices.Compact(mine)
			from, n = ends[n], n+1
		}
		sortFacts(calls, callOrder)
	}
	d.Calls = mergeSorted(lists, callOrder)
	return d
}

// foldReports is foldCalls for reports.
func foldReports(list ...*rows) *audit.ReportDay {
	d := &audit.ReportDay{Day: list[0].day}
	var ids audit.IDsBuilder
	for _, b := range blocksOf(list) {
		x := row{reader{b: b}}
		for len(x.b) > 0 {
			c := audit.Report{At: audit.Instant(x.fixed()), Hash: x.fixed(), Source: sourceOfPlace(x.fixed()), Status: x.short()}
			sec := x.signed()
			n := x.num()
			c.Accounts = make([]audit.Reported, 0, n)
			for range n {
				a, ok := x.account(&ids)
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
				a, ok := x.account(&ids)
				closed := x.byte() == 1
				if ok {
					c.Answers = append(c.Answers, audit.Answer{Account: a, Closed: closed})
				}
			}
			d.Reports = append(d.Reports, c)
		}
	}
	for _, r := range list {
		r.blocks = nil
	}
	var ordinals *audit.Ordinals
	d.Accounts, ordinals = ids.Set()
	for i := range d.Reports {
		c := &d.Reports[i]
		for k := range c.Accounts {
			c.Accounts[k].Account = ordinals.Of(c.Accounts[k].Account)
		}
		for k := range c.Answers {
			c.Answers[k].Account = ordinals.Of(c.Answers[k].Account)
		}
		slices.SortFunc(c.Accounts, compareReported)
		slices.SortFunc(c.Answers, compareAnswers)
	}
	sortFacts(d.Reports, reportOrder)
	return d
}

func compareReported(a, b audit.Reported) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Updated, b.Updated))
}

func compareAnswers(a, b audit.Answer) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(bit(a.Closed), bit(b.Closed)))
}

// blocksOf is the blocks of all rows.
func blocksOf(list []*rows) [][]byte {
	var out [][]byte
	for _, r := range list {
		out = append(out, r.blocks...)
	}
	return out
}

// Close ends the taking in. resolve tells the file and line of a place that a record came with; not ok where the record's file turned out not to be
// readable, so that nothing of it counts. It gives what there is to seal, in no order.
func (in *Intake) Close(resolve func(place uint64) (audit.Source, bool)) ([]audit.Touched, error) {
	in.resolve = resolve
	in.rows = map[dayKey][]*rows{}
	for _, w := range in.workers {
		if w.err != nil {
			return nil, w.err
		}
		w.each(func(key dayKey, r *rows) error {
			in.rows[key] = append(in.rows[key], r)
			return nil
		})
	}
	var out []audit.Touched
	for key := range in.rows {
		out = append(out, audit.Touched{App: key.app, Kind: key.kind, Day: key.day})
	}
	for key := range in.spills {
		if _, ok := in.rows[key]; !ok {
			out = append(out, audit.Touched{App: key.app, Kind: key.kind, Day: key.day})
		}
	}
	return out, nil
}

// take gives the unsealed rows and spilled packs of an (app, day), once.
func (in *Intake) take(key dayKey) (waiting []*rows, spilled [][]byte, err error) {
	in.mu.Lock()
	waiting = in.rows[key]
	delete(in.rows, key)
	spills := in.spills[key]
	delete(in.spills, key)
	in.mu.Unlock()
	for _, s := range spills {
		p := make([]byte, s.length)
		if _, err := in.spool.f.ReadAt(p, s.offset); err != nil {
			return nil, nil, fmt.Errorf("archive: %w", err)
		}
		spilled = append(spilled, p)
	}
	return waiting, spilled, nil
}

// SealCalls drops the copies among the calls that the run brought for an app and day, also of those in packs, and writes what is new as a pack.
// copies counts what was dropped by file. fresh and pack are nil where nothing is new.
func (in *Intake) SealCalls(app string, day audit.Day, packs []audit.Pack) (fresh *audit.CallDay, pack *audit.Pack, copies map[uint32]int64, err error) {
	rows, spilled, err := in.take(dayKey{app, audit.CallPack, day})
	if err != nil {
		return nil, nil, nil, err
	}
	var parts []*audit.CallDay
	for _, p := range spilled {
		d, err := decodeCalls(day, p)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("archive: the run's own spool: %w", err)
		}
		parts = append(parts, d)
	}
	if len(rows) > 0 {
		parts = append(parts, foldCalls(rows...))
	}
	discarded := false
	for _, p := range parts {
		n := len(p.Calls)
		p.Calls = slices.DeleteFunc(p.Calls, func(c audit.Call) bool { _, ok := in.resolve(placeOfSource(c.Source)); return !ok })
		for i := range p.Calls {
			p.Calls[i].Source, _ = in.resolve(placeOfSource(p.Calls[i].Source))
		}
		discarded = discarded || len(p.Calls) < n
		sortFacts(p.Calls, callOrder) // the line decides among copies, and is known only now
	}
	d := mergeCalls(day, parts)
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
			return d.Sites[a.Site] == known.Sites[k.Site] && d.Paths[a.Path] == known.Paths[k.Path] && d.Purposes[a.Purpose] == known.Purposes[k.Purpose] &&
				a.Auth == k.Auth && a.Status == k.Status && slices.EqualFunc(a.Accounts, k.Accounts, func(x, y uint32) bool {
				return d.Accounts.At(int(x)) == known.Accounts.At(int(y))
			})
		})
	if len(kept) == 0 {
		return nil, nil, copies, nil
	}
	if discarded || len(kept) < len(d.Calls) {
		d.Calls = kept
		d = compactCalls(d)
	}
	p := encodeCalls(d)
	pack, err = in.write(dayKey{app, audit.CallPack, day}, p, len(d.Calls), d.Calls[0].At, d.Calls[len(d.Calls)-1].At)
	return d, pack, copies, err
}

// SealReports is SealCalls for reports.
func (in *Intake) SealReports(app string, day audit.Day, packs []audit.Pack) (fresh *audit.ReportDay, pack *audit.Pack, copies map[uint32]int64, err error) {
	rows, spilled, err := in.take(dayKey{app, audit.ReportPack, day})
	if err != nil {
		return nil, nil, nil, err
	}
	var parts []*audit.ReportDay
	for _, p := range spilled {
		d, err := decodeReports(day, p)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("archive: the run's own spool: %w", err)
		}
		parts = append(parts, d)
	}
	if len(rows) > 0 {
		parts = append(parts, foldReports(rows...))
	}
	discarded := false
	for _, p := range parts {
		n := len(p.Reports)
		p.Reports = slices.DeleteFunc(p.Reports, func(r audit.Report) bool { _, ok := in.resolve(placeOfSource(r.Source)); return !ok })
		for i := range p.Reports {
			p.Reports[i].Source, _ = in.resolve(placeOfSource(p.Reports[i].Source))
		}
		discarded = discarded || len(p.Reports) < n
		sortFacts(p.Reports, reportOrder)
	}
	d := mergeReports(day, parts)
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
	if discarded || len(kept) < len(d.Reports) {
		d.Reports = kept
		d = compactReports(d)
	}
	p := encodeReports(d)
	pack, err = in.write(dayKey{app, audit.ReportPack, day}, p, len(d.Reports), d.Reports[0].At, d.Reports[len(d.Reports)-1].At)
	return d, pack, copies, err
}

func (in *Intake) write(key dayKey, p []byte, records int, first, last audit.Instant) (*audit.Pack, error) {
	at, err := in.segment.append(p)
	if err != nil {
		return nil, err
	}
	return &audit.Pack{App: key.app, Day: key.day, Kind: key.kind, Segment: in.segment.name, Offset: at, Length: int64(len(p)),
		Records: records, First: first, Last: last, Run: in.run}, nil
}

// Commit makes the packs durable: the store may name them now.
func (in *Intake) Commit() error {
	in.dropSpool()
	if in.segment.at == 0 {
		return in.Abort()
	}
	return in.segment.sync()
}

// Abort removes the run's segment. It may be called after Commit, as long as the store does not name it.
func (in *Intake) Abort() error {
	in.dropSpool()
	in.archive.mu.Lock()
	delete(in.archive.open, in.segment.name)
	in.archive.mu.Unlock()
	in.segment.remove()
	return nil
}

func (in *Intake) dropSpool() {
	if in.spool != nil {
		in.spool.remove()
		in.spool = nil
	}
}
