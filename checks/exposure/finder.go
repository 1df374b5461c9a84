package exposure

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// Limits bound what a document may cost. Zero values mean the defaults.
type Limits struct {
	Depth      int   // steps of decoding, one inside the other; 5
	Nodes      int   // texts decoded out of one place of a document; 4096
	NodeBytes  int   // bytes decoded out of one place, inflated ones included; 4 MiB
	Bytes      int64 // bytes decoded out of one document; 1 GiB
	Body       int   // a body that is held whole, also when inflated; a longer one is read in pieces that overlap; 32 MiB
	Candidates int   // texts of the shape of an address or a hash, of one document; 250,000
	Total      int   // of all documents, from which on a Finder is full; 1,000,000
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Depth, 5)
	l.Depth = min(l.Depth, maxChain-4)
	def(&l.Nodes, 4096)
	def(&l.NodeBytes, 4<<20)
	def(&l.Body, 32<<20)
	def(&l.Candidates, 250_000)
	def(&l.Total, 1_000_000)
	if l.Bytes <= 0 {
		l.Bytes = 1 << 30
	}
	return l
}

// A Finder collects candidates from documents. Several documents may be scanned at once; Matcher is for when all are.
type Finder struct {
	limits  Limits
	seed    maphash.Seed
	scratch *Scratch

	mu     sync.Mutex
	places []where
	index  map[where]uint32
	addrs  map[string][]seen // by the normalised text
	sums   map[string][]seen // by the raw hash
	rots   map[string][]seen // by what all rotations of the alphabet share: see turned
	kinds  address.KindSet   // whose shape was seen
	count  int               // of candidates
}

// where is a place of a document.
type where struct {
	doc   int
	place audit.Place
	host  string
	field string
}

// seen is where a candidate was, and behind which disguise.
type seen struct {
	place    uint32 // index of a where
	chain    chain
	turn     uint8 // of a candidate by its rotations: how far it was turned
	from, to int   // in the top text: where the same place gave it by another chain, the shorter one counts
}

// New is a Finder without candidates.
func New(l Limits) *Finder { return NewIn(new(Scratch), l) }

// NewIn is New, for a Finder whose scans work in a memory that others have before or after it.
func NewIn(t *Scratch, l Limits) *Finder {
	return &Finder{scratch: t, limits: l.withDefaults(), seed: maphash.MakeSeed(), index: map[where]uint32{}, addrs: map[string][]seen{}, sums: map[string][]seen{}, rots: map[string][]seen{}}
}

// Empty says whether nothing that was scanned held anything of the shape of an address or a hash: there is nothing to compare with.
func (f *Finder) Empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.addrs) == 0 && len(f.sums) == 0
}

// Full says whether so many candidates wait that no further document should be scanned: it still can be.
func (f *Finder) Full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count >= f.limits.Total
}

// Errors of Scan, beside those of the reader and the context.
var (
	// ErrNotHAR: the document is no HTTP archive.
	ErrNotHAR = errors.New("this is no HAR: no object with log.entries")
	// ErrNoBodies: an HTTP archive that holds no bodies shows nothing of what the pages held.
	ErrNoBodies = errors.New("this HAR holds no bodies, so it could not be looked at: export it with content")
	// ErrCutOff: an HTTP archive that ends, or stops being JSON, within its first entry and before a body.
	ErrCutOff = errors.New("this HAR is cut off before its first body, so it could not be looked at: export it anew, and copy all of it")
	// ErrKind: a kind of capture that nobody knows.
	ErrKind = errors.New("unknown kind of capture")
)

// Scan looks through a capture; doc is the caller's number for it. The notes say what could not be read to its end, and why; they and the error quote
// nothing of the document. With an error the document could not be looked at, and none of its candidates are kept.
func (f *Finder) Scan(ctx context.Context, doc int, kind audit.CaptureKind, r io.Reader) (notes []string, err error) {
	s := newScan(ctx, f, doc)
	defer s.end()
	switch kind {
	case audit.CaptureHAR:
		err = s.har(r)
	case audit.CaptureHTML, audit.CaptureText, audit.CaptureJS:
		err = s.pieces(r, kind)
	default:
		err = ErrKind
	}
	if err == nil {
		err = s.err()
	}
	if err != nil {
		return s.notes.list, err
	}
	f.take(s)
	return s.notes.list, nil
}

// Mail looks through one decoded text part of a mail for URLs that carry something: where opening the mail, or following its links, would send it.
// The notes are those of Scan.
func (f *Finder) Mail(ctx context.Context, doc int, html bool, body []byte) (notes []string, err error) {
	s := newScan(ctx, f, doc)
	defer s.end()
	s.mail(html, body)
	if err := s.err(); err != nil {
		return s.notes.list, err
	}
	f.take(s)
	return s.notes.list, nil
}

// take moves the candidates of a scan to the finder's.
func (f *Finder) take(s *scan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to := make([]uint32, len(s.places))
	for i, w := range s.places {
		n, ok := f.index[w]
		if !ok {
			n = uint32(len(f.places))
			f.places = append(f.places, w)
			f.index[w] = n
		}
		to[i] = n
	}
	move := func(into *map[string][]seen, from map[string][]seen) {
		for _, list := range from {
			for i := range list {
				list[i].place = to[list[i].place]
			}
		}
		if len(*into) == 0 {
			*into = from
			return
		}
		for text, list := range from {
			(*into)[text] = append((*into)[text], list...)
		}
	}
	f.count += s.count
	move(&f.addrs, s.addrs)
	move(&f.sums, s.sums)
	move(&f.rots, s.rots)
	for sum := range s.sums {
		f.kinds |= address.KindsOf(len(sum))
	}
}

// notes are remarks on a document, each once.
type notes struct{ list []string }

func (n *notes) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, have := range n.list {
		if have == text {
			return
		}
	}
	if len(n.list) < 32 {
		n.list = append(n.list, text)
	}
}

// A scan is one document on its way through the finder.
type scan struct {
	*scratch
	ctx    context.Context
	f      *Finder
	limits Limits
	doc    int
	notes  notes

	places []where
	index  map[where]uint32
	addrs  map[string][]seen
	sums   map[string][]seen
	rots   map[string][]seen
	count  int // of candidates

	at       uint32 // the place of what is looked at
	base     uint8  // how long the chain is at the top
	nodes    int    // what is left of the limits, for the lead that is followed
	left     int
	total    int64                                   // bytes decoded of the document
	memo     map[uint64]uint8                        // texts decoded out of this lead, and how deep
	ticks    int                                     // until the context is asked again
	stopped  error                                   // what the context said
	turned   int                                     // addresses whose rotations are candidates, too
	records  *records                                // where set, candidates go there, and none are kept
	turnings []extent                                // of the page whose candidates those are
	probe    func(of sort, key []byte, from, to int) // where set, it is told the spans of the top text that hold candidates, and none are kept
	accept   func(from, to int) bool                 // where set, it says of which spans of the top text candidates are kept
	top      [2]int                                  // the span of the top text that the lead covers
	read     readings                                // what was read of the text that is explored
	pinned   bool                                    // top stays as it is: what is looked at was put together from it
	names    map[string]string                       // names of fields, as they may be told
	nestHTML int                                     // of pages in srcdoc
	strict   bool                                    // tell probe of what looks like an address in whatever way
	what     string                                  // before the name of a field, where one kind of URL is to be told from another
	once     []seen                                  // lists of one
}

// readings are the stretches of a text that were read for one lead, and need not be read again for the next ones there.
type readings struct {
	script, quoted [2]int // as a script; from quoted-printable
	lz             [2]int // in lz-string's letters
	lines          int    // up to where, in lines of base64
}

func newScan(ctx context.Context, f *Finder, doc int) *scan {
	return &scan{scratch: f.scratch.get(), ctx: ctx, f: f, limits: f.limits, doc: doc, index: map[where]uint32{}, addrs: map[string][]seen{}, sums: map[string][]seen{},
		rots: map[string][]seen{}, memo: map[uint64]uint8{}, names: map[string]string{}}
}

// end leaves the memory that the scan worked in to the next one.
func (s *scan) end() {
	s.f.scratch.put(s.scratch)
	s.scratch = nil
}

// err is why the scan has to end, if it has.
func (s *scan) err() error {
	if s.stopped == nil {
		s.stopped = s.ctx.Err()
	}
	return s.stopped
}

// stop says whether the scan has to end. It is cheap.
func (s *scan) stop() bool {
	if s.stopped != nil {
		return true
	}
	if s.ticks--; s.ticks < 0 {
		s.ticks = 64
		return s.err() != nil
	}
	return false
}

// in sets the place of what is looked at next.
func (s *scan) in(place audit.Place, host, field string) {
	w := where{s.doc, place, host, s.what + field}
	n, ok := s.index[w]
	if !ok {
		n = uint32(len(s.places))
		s.index[w] = n
		w.host = s.hostName(host)
		s.places = append(s.places, w)
	}
	s.at = n
}

// maxSeen is how many places of one candidate are kept. Sightings are merged by place, host, field and chain, so this is generous.
const maxSeen = 64

// sort is what a candidate is.
type sort uint8

const (
	ofAddress sort = iota
	ofSum
	ofRotation
)

func (s *scan) keep(of sort, key []byte, c chain) { s.keepTurned(of, key, 0, c) }

func (s *scan) keepTurned(of sort, key []byte, turn uint8, c chain) {
	switch {
	case s.records != nil:
		s.records.add(record{of: of, turn: turn, chain: c, from: s.top[0], to: s.top[1]}, key)
		return
	case s.probe != nil:
		s.probe(of, key, s.top[0], s.top[1])
		return
	case s.accept != nil && !s.accept(s.top[0], s.top[1]):
		return
	}
	into := s.of(of)
	if list, more := s.saw(into[string(key)], turn, c); more {
		into[string(key)] = list
	}
}

// keepAgain keeps a candidate that was found before, by its key, and placed now.
func (s *scan) keepAgain(x *record, key string) {
	s.top = [2]int{x.from, x.to}
	into := s.of(x.of)
	if list, more := s.saw(into[key], x.turn, x.chain); more {
		into[key] = list
	}
}

// expect makes room for candidates, where there are none yet.
func (s *scan) expect(list []record) {
	var n [ofRotation + 1]int
	for i := range list {
		n[list[i].of]++
	}
	for of, into := range [...]*map[string][]seen{&s.addrs, &s.sums, &s.rots} {
		if len(*into) == 0 && n[of] > 8 {
			*into = make(map[string][]seen, n[of])
		}
	}
}

// of has the candidates of a sort.
func (s *scan) of(of sort) map[string][]seen {
	switch of {
	case ofSum:
		return s.sums
	case ofRotation:
		return s.rots
	}
	return s.addrs
}

// saw adds the place that is looked at to those of a candidate, if it adds anything.
func (s *scan) saw(list []seen, turn uint8, c chain) (added []seen, more bool) {
	if list == nil {
		if s.count >= s.limits.Candidates {
			s.notes.add("more than %d texts look like addresses or hashes: the rest was not looked at", s.limits.Candidates)
			return nil, false
		}
		s.count++
	}
	here := seen{s.at, c, turn, s.top[0], s.top[1]}
	for i := range list {
		have := &list[i]
		if have.place != here.place || have.turn != turn {
			continue
		}
		if have.chain == c {
			return nil, false
		}
		if have.from < here.to && here.from < have.to {
			if have.chain.within(c) {
				return nil, false
			}
			if c.within(have.chain) {
				*have = here
				return nil, false
			}
		}
	}
	if list == nil { // most candidates are seen once: their lists lie side by side
		if len(s.once) == cap(s.once) {
			s.once = make([]seen, 0, 64)
		}
		n := len(s.once)
		s.once = append(s.once, here)
		return s.once[n : n+1 : n+1], true
	}
	return append(list, here), len(list) < maxSeen
}

// text looks through a text of any size, as it stands in the document.
func (s *scan) text(b []byte) { s.exploreFrom(b, chain{}) }

// exploreFrom is text for what was decoded as a whole.
func (s *scan) exploreFrom(b []byte, c chain) {
	base := s.base
	s.base = c.n
	s.lead(0, len(b))
	s.explore(b, c)
	s.base = base
}

// deep says whether a chain is as long as the limit allows. What is compressed or in UTF-16 and then written in letters counts as one.
func (s *scan) deep(c chain) bool {
	if c.n >= maxChain-2 {
		return true
	}
	depth := 0
	for i := s.base; i < c.n; i++ {
		if i == s.base || !c.steps[i].binary() || !c.steps[i-1].letters() {
			depth++
		}
	}
	return depth >= s.limits.Depth
}

// lead begins to follow a lead at the top: the limits are whole again.
func (s *scan) lead(from, to int) {
	if s.pinned {
		return
	}
	s.top = [2]int{from, to}
	s.nodes = s.limits.Nodes
	s.left = s.limits.NodeBytes
	if len(s.memo) > 0 {
		clear(s.memo)
	}
}

// node takes a decoded text, from [from,to) of what holds it, and looks through it, if it was not seen before and the limits allow.
func (s *scan) node(b []byte, parent chain, from, to int, st step) {
	if len(b) < minText || s.stop() {
		return
	}
	if parent.n == s.base {
		s.lead(from, to)
	}
	if s.deep(parent) {
		return
	}
	if len(b) <= shortText && !s.strict && !leads(b) {
		return
	}
	key := maphash.Bytes(s.f.seed, b)
	depth := parent.n + 1
	if d, ok := s.memo[key]; ok && d <= depth {
		return
	}
	if s.nodes <= 0 || s.left < len(b) {
		s.notes.add("too much is encoded in one place: it was read in part")
		return
	}
	if s.total += int64(len(b)); s.total > s.limits.Bytes {
		s.notes.add("more than %d MiB came out of decoding: the rest was read as it stands", s.limits.Bytes>>20)
		return
	}
	s.memo[key] = depth
	s.nodes--
	s.left -= len(b)
	s.explore(b, parent.with(st))
}
