package audit

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// IDs is a sorted set of opaque ids (account ids, sites), packed: 24 hex digits take 12 bytes, a UUID 16, digits and a UUID 20, anything
// else its length. An id's place in the set is its ordinal. The zero value is the empty set. IDs are immutable.
type IDs struct {
	fixed [nShapes][]byte // sorted, each entry of the shape's width
	other []string        // sorted
}

// The shapes of ids that are packed.
const (
	hex24   = iota // 5b10a2844c20165700ede21f
	uuid           // f58131cb-b67d-43c7-b30d-6b58d40bd077
	numUUID        // 557058:f58131cb-b67d-43c7-b30d-6b58d40bd077
	nShapes
)

var widths = [nShapes]int{12, 16, 20}

// MaxPackedID is the size of the longest packed form that PackID gives for a shape that it knows.
const MaxPackedID = 20

// PackID gives the shape of id and its packed bytes in buf; shape is -1 for an id that is none of the packed shapes.
func PackID(buf *[MaxPackedID]byte, id []byte) (shape, width int) {
	switch {
	case len(id) == 24:
		a, b, ok := unhex24(id)
		if !ok {
			return -1, 0
		}
		binary.LittleEndian.PutUint64(buf[:], a)
		binary.LittleEndian.PutUint32(buf[8:], b)
		return hex24, 12
	case len(id) == 36 && packUUID(buf[:16], id):
		return uuid, 16
	case len(id) == 43 && id[6] == ':' && id[0] != '0' && packUUID(buf[4:20], id[7:]):
		n := uint32(0)
		for _, c := range id[:6] {
			if c < '0' || c > '9' {
				return -1, 0
			}
			n = n*10 + uint32(c-'0')
		}
		binary.BigEndian.PutUint32(buf[:4], n)
		return numUUID, 20
	}
	return -1, 0
}

func packUUID(dst, id []byte) bool {
	a, b, ok := unhexUUID(id)
	binary.LittleEndian.PutUint64(dst, a)
	binary.LittleEndian.PutUint64(dst[8:], b)
	return ok
}

// UnpackID is the id that PackID packed.
func UnpackID(shape int, p []byte) string {
	switch shape {
	case hex24:
		return hex.EncodeToString(p)
	case uuid:
		return unpackUUID(p)
	default:
		return fmt.Sprintf("%d:%s", binary.BigEndian.Uint32(p), unpackUUID(p[4:]))
	}
}

func unpackUUID(p []byte) string {
	var b [36]byte
	hex.Encode(b[:8], p[:4])
	b[8] = '-'
	hex.Encode(b[9:13], p[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], p[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], p[8:10])
	b[23] = '-'
	hex.Encode(b[24:], p[10:16])
	return string(b[:])
}

// NewIDs is the set of ids, in whatever order and however often they come.
func NewIDs(ids ...string) IDs {
	var b IDsBuilder
	for _, id := range ids {
		b.Add([]byte(id))
	}
	set, _ := b.Set()
	return set
}

// Len is the number of ids.
func (s IDs) Len() int { return s.base(nShapes) + len(s.other) }

// base is the ordinal of the first id of a shape.
func (s IDs) base(shape int) int {
	n := 0
	for i := range shape {
		n += len(s.fixed[i]) / widths[i]
	}
	return n
}

// At is the id of an ordinal.
func (s IDs) At(i int) string {
	for shape, w := range widths {
		if n := len(s.fixed[shape]) / w; i < n {
			return UnpackID(shape, s.fixed[shape][i*w:(i+1)*w])
		} else {
			i -= n
		}
	}
	return s.other[i]
}

// Index is the ordinal of id.
func (s IDs) Index(id string) (int, bool) {
	var buf [MaxPackedID]byte
	shape, w := PackID(&buf, []byte(id))
	if shape < 0 {
		i := sort.SearchStrings(s.other, id)
		return s.base(nShapes) + i, i < len(s.other) && s.other[i] == id
	}
	t := s.fixed[shape]
	i := sort.Search(len(t)/w, func(i int) bool { return bytes.Compare(t[i*w:(i+1)*w], buf[:w]) >= 0 })
	return s.base(shape) + i, i*w < len(t) && bytes.Equal(t[i*w:(i+1)*w], buf[:w])
}

// Has says whether id is in the set.
func (s IDs) Has(id string) bool { _, ok := s.Index(id); return ok }

// Strings is the set spelled out.
func (s IDs) Strings() []string {
	out := make([]string, s.Len())
	for i := range out {
		out[i] = s.At(i)
	}
	return out
}

// Select is the subset whose ordinals keep says.
func (s IDs) Select(keep func(ordinal int) bool) IDs {
	var out IDs
	n := 0
	for shape, w := range widths {
		t := s.fixed[shape]
		for i := 0; i < len(t); i += w {
			if keep(n) {
				out.fixed[shape] = append(out.fixed[shape], t[i:i+w]...)
			}
			n++
		}
	}
	for _, id := range s.other {
		if keep(n) {
			out.other = append(out.other, id)
		}
		n++
	}
	return out
}

// merge walks two sets side by side; at each id it calls with its ordinals, -1 where a set lacks it.
func merge(a, b IDs, visit func(i, j int)) {
	abase, bbase := 0, 0
	for shape, w := range widths {
		ta, tb := a.fixed[shape], b.fixed[shape]
		na, nb := len(ta)/w, len(tb)/w
		i, j := 0, 0
		for i < na || j < nb {
			c := 0
			switch {
			case i == na:
				c = 1
			case j == nb:
				c = -1
			default:
				c = bytes.Compare(ta[i*w:(i+1)*w], tb[j*w:(j+1)*w])
			}
			switch {
			case c < 0:
				visit(abase+i, -1)
				i++
			case c > 0:
				visit(-1, bbase+j)
				j++
			default:
				visit(abase+i, bbase+j)
				i, j = i+1, j+1
			}
		}
		abase, bbase = abase+na, bbase+nb
	}
	i, j := 0, 0
	for i < len(a.other) || j < len(b.other) {
		switch {
		case j == len(b.other) || i < len(a.other) && a.other[i] < b.other[j]:
			visit(abase+i, -1)
			i++
		case i == len(a.other) || a.other[i] > b.other[j]:
			visit(-1, bbase+j)
			j++
		default:
			visit(abase+i, bbase+j)
			i, j = i+1, j+1
		}
	}
}

// Match calls visit with the ordinals in s and t of every id that both hold, ascending.
func (s IDs) Match(t IDs, visit func(i, j int)) {
	merge(s, t, func(i, j int) {
		if i >= 0 && j >= 0 {
			visit(i, j)
		}
	})
}

// Minus is what s holds and t does not.
func (s IDs) Minus(t IDs) IDs {
	if s.Len() == 0 || t.Len() == 0 {
		return s
	}
	out := IDs{other: s.other}
	for shape, w := range widths {
		out.fixed[shape] = minusPacked(s.fixed[shape], t.fixed[shape], w)
	}
	if len(s.other) > 0 && len(t.other) > 0 {
		out.other = slices.DeleteFunc(slices.Clone(s.other), func(id string) bool {
			_, found := slices.BinarySearch(t.other, id)
			return found
		})
	}
	return out
}

// minusPacked is what a holds and b does not, of sorted ids that are packed in w bytes. It copies stretches of ids that stay, and of a b that is much the
// larger it does not look at each.
func minusPacked(a, b []byte, w int) []byte {
	if len(a) == 0 || len(b) == 0 {
		return a
	}
	skip := 1
	for len(b) > 16*skip*len(a) {
		skip *= 2
	}
	var out []byte
	from, j := 0, 0 // what lies in a from from on is not copied yet
	for i := 0; i < len(a) && j < len(b); i += w {
		id := a[i : i+w]
		for step := skip * w; skip > 1 && j+step < len(b) && comparePacked(b[j+step:j+step+w], id) <= 0; {
			j += step
		}
		c := 1
		for ; j < len(b); j += w {
			if c = comparePacked(b[j:j+w], id); c >= 0 {
				break
			}
		}
		if c == 0 {
			if out == nil {
				out = make([]byte, 0, len(a)-w)
			}
			out = append(out, a[from:i]...)
			from, j = i+w, j+w
		}
	}
	if from == 0 {
		return a
	}
	return append(out, a[from:]...)
}

// comparePacked is bytes.Compare of packed ids of one shape, which are never shorter than 8 bytes.
func comparePacked(a, b []byte) int {
	x, y := binary.BigEndian.Uint64(a), binary.BigEndian.Uint64(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return bytes.Compare(a[8:], b[8:])
}

// Union is what any of the sets holds.
func Union(sets ...IDs) IDs {
	switch len(sets) {
	case 0:
		return IDs{}
	case 1:
		return sets[0]
	}
	half := len(sets) / 2
	a, b := Union(sets[:half]...), Union(sets[half:]...)
	if a.Len() == 0 {
		return b
	}
	if b.Len() == 0 {
		return a
	}
	var out IDs
	for shape, w := range widths {
		out.fixed[shape] = unionPacked(a.fixed[shape], b.fixed[shape], w)
	}
	out.other = slices.Concat(a.other, b.other)
	slices.Sort(out.other)
	out.other = slices.Compact(out.other)
	return out
}

// unionPacked is what a or b holds, sorted ids that are packed in w bytes. It copies stretches of ids that only one of them has.
func unionPacked(a, b []byte, w int) []byte {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	out := make([]byte, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		i := 0 // ids of a up to here come before the first of b
		c := -1
		for ; i < len(a); i += w {
			if c = comparePacked(a[i:i+w], b[:w]); c >= 0 {
				break
			}
		}
		out, a = append(out, a[:i]...), a[i:]
		if c == 0 {
			b = b[w:]
		} else {
			a, b = b, a
		}
	}
	return append(append(out, a...), b...)
}

// AppendTo appends the set's encoding to p; ReadIDs reads it back.
func (s IDs) AppendTo(p []byte) []byte {
	for shape, w := range widths {
		p = binary.AppendUvarint(p, uint64(len(s.fixed[shape])/w))
		p = append(p, s.fixed[shape]...)
	}
	p = binary.AppendUvarint(p, uint64(len(s.other)))
	for _, id := range s.other {
		p = binary.AppendUvarint(p, uint64(len(id)))
		p = append(p, id...)
	}
	return p
}

// ReadIDs reads a set from the start of p and gives what follows it. The set shares p's memory.
func ReadIDs(p []byte) (IDs, []byte, error) {
	var s IDs
	number := func() (int, bool) {
		n, w := binary.Uvarint(p)
		if w <= 0 || n > uint64(len(p)) {
			return 0, false
		}
		p = p[w:]
		return int(n), true
	}
	for shape, w := range widths {
		n, ok := number()
		if !ok || n*w > len(p) {
			return IDs{}, nil, errIDs
		}
		s.fixed[shape] = p[: n*w : n*w]
		p = p[n*w:]
	}
	n, ok := number()
	if !ok {
		return IDs{}, nil, errIDs
	}
	if n > 0 {
		s.other = make([]string, n)
	}
	for i := range s.other {
		l, ok := number()
		if !ok || l > len(p) {
			return IDs{}, nil, errIDs
		}
		s.other[i] = string(p[:l])
		p = p[l:]
	}
	return s, p, nil
}

// MarshalText is AppendTo in base64, so that a set can stand in JSON.
func (s IDs) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, s.AppendTo(nil)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *IDs) UnmarshalText(text []byte) error {
	p, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("%w: %w", errIDs, err)
	}
	set, rest, err := ReadIDs(p)
	if err == nil && len(rest) > 0 {
		err = errIDs
	}
	*s = set
	return err
}

var errIDs = fmt.Errorf("a set of ids is cut off or damaged")

// An IDsBuilder collects ids. Each distinct id gets a number, which the Ordinals of Set turn into its ordinal. The zero value is ready.
type IDsBuilder struct {
	fixed  [nShapes][]byte   // in the order of their first coming
	short  []shortID         // of hex24, as most are: open addressing, as many as a power of two
	table  [nShapes][]uint64 // of the other shapes, the same: 32 bits of the hash, and the place in fixed, from 1
	other  []string
	others map[string]uint32

	keys, spare []sortKey // memory for Set
	ordinals    Ordinals  // that Set gave
}

// Reset empties the builder, which keeps its memory. Sets that it gave stay as they are, their Ordinals do not.
func (b *IDsBuilder) Reset() {
	for shape := range b.fixed {
		b.fixed[shape], b.table[shape] = b.fixed[shape][:0], b.table[shape][:0]
	}
	b.short = b.short[:0]
	b.other = b.other[:0]
	clear(b.others)
}

// zeroed is n zeroes, in the memory of p where that suffices.
func zeroed[T any](p []T, n int) []T {
	if cap(p) < n {
		return make([]T, n)
	}
	p = p[:n]
	clear(p)
	return p
}

// A number is a place among the ids of one shape, and the shape in its lowest bits.
const shapeBits = 2

// Add gives the number of id.
func (b *IDsBuilder) Add(id []byte) uint32 {
	var buf [MaxPackedID]byte
	shape, w := PackID(&buf, id)
	if shape >= 0 {
		return b.AddPacked(shape, buf[:w])
	}
	n, ok := b.others[string(id)]
	if !ok {
		if b.others == nil {
			b.others = map[string]uint32{}
		}
		n = uint32(len(b.other))<<shapeBits | nShapes
		s := string(id)
		b.other = append(b.other, s)
		b.others[s] = n
	}
	return n
}

// AddPacked is Add for an id as PackID packed it.
func (b *IDsBuilder) AddPacked(shape int, p []byte) uint32 {
	if shape == hex24 {
		return b.addShort(p)
	}
	w := widths[shape]
	t := b.table[shape]
	if len(b.fixed[shape])*2 >= len(t)*w {
		t = b.grow(shape)
	}
	h := hashPacked(p)
	mask := uint64(len(t) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := t[i]
		if e == 0 {
			n := uint32(len(b.fixed[shape]) / w)
			b.fixed[shape] = append(b.fixed[shape], p...)
			t[i] = h&^(1<<32-1) | uint64(n+1)
			return n<<shapeBits | uint32(shape)
		}
		if e>>32 == h>>32 {
			n := uint32(e) - 1
			if at := int(n) * w; string(b.fixed[shape][at:at+w]) == string(p) {
				return n<<shapeBits | uint32(shape)
			}
		}
	}
}

// AddHex24 is AddPacked for an id of 24 digits at the start of p, as AppendID appended it; rest is what follows it. Of any other id it adds nothing.
func (b *IDsBuilder) AddHex24(p []byte) (number uint32, rest []byte, ok bool) {
	if len(p) < hex24Size || p[0] != isPacked+hex24 {
		return 0, p, false
	}
	return b.addShort(p[1:hex24Size]), p[hex24Size:], true
}

// A shortID is 12 bytes and a place, from 1, so that to find one takes one look at memory.
type shortID struct {
	a    uint64
	b, n uint32
}

func shortIDOf(p []byte, n uint32) shortID {
	return shortID{binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint32(p[8:]), n}
}

func (x *shortID) hash() uint64 {
	h := (x.a ^ uint64(x.b)*0xC2B2AE3D27D4EB4F) * 0x9E3779B97F4A7C15
	return h ^ h>>32
}

func (b *IDsBuilder) addShort(p []byte) uint32 {
	if len(b.fixed[hex24])*2 >= len(b.short)*12 {
		b.growShort()
	}
	x := shortIDOf(p, uint32(len(b.fixed[hex24])/12)+1)
	t := b.short
	for i := x.hash(); ; i++ {
		e := &t[i&uint64(len(t)-1)]
		if e.a == x.a && e.b == x.b && e.n != 0 {
			return (e.n-1)<<shapeBits + hex24
		}
		if e.n == 0 {
			*e = x
			b.fixed[hex24] = append(b.fixed[hex24], p...)
			return (x.n-1)<<shapeBits + hex24
		}
	}
}

func (b *IDsBuilder) growShort() {
	b.short = zeroed(b.short, max(64, 2*len(b.short)))
	mask := uint64(len(b.short) - 1)
	for at, n := 0, uint32(1); at < len(b.fixed[hex24]); at, n = at+12, n+1 {
		x := shortIDOf(b.fixed[hex24][at:], n)
		i := x.hash()
		for b.short[i&mask].n != 0 {
			i++
		}
		b.short[i&mask] = x
	}
}

// hashPacked spreads packed ids over a table.
func hashPacked(p []byte) uint64 {
	h := binary.LittleEndian.Uint64(p[len(p)-8:])*0x9E3779B97F4A7C15 ^ uint64(binary.LittleEndian.Uint32(p))*0xC2B2AE3D27D4EB4F
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return h ^ h>>32
}

func (b *IDsBuilder) grow(shape int) []uint64 {
	t := zeroed(b.table[shape], max(64, 2*len(b.table[shape])))
	mask := uint64(len(t) - 1)
	w := widths[shape]
	for at, n := 0, uint64(1); at < len(b.fixed[shape]); at, n = at+w, n+1 {
		h := hashPacked(b.fixed[shape][at : at+w])
		i := h & mask
		for t[i] != 0 {
			i = (i + 1) & mask
		}
		t[i] = h&^(1<<32-1) | n
	}
	b.table[shape] = t
	return t
}

// AddSet adds all of s and gives the numbers of its ordinals.
func (b *IDsBuilder) AddSet(s IDs) []uint32 {
	numbers := make([]uint32, 0, s.Len())
	for shape, w := range widths {
		t := s.fixed[shape]
		for i := 0; i < len(t); i += w {
			numbers = append(numbers, b.AddPacked(shape, t[i:i+w]))
		}
	}
	for _, id := range s.other {
		numbers = append(numbers, b.Add([]byte(id)))
	}
	return numbers
}

// Ordinals tells the ordinals of an IDsBuilder's numbers, until the builder is reset.
type Ordinals [nShapes + 1][]uint32

// Of is the ordinal of a number.
func (o *Ordinals) Of(number uint32) uint32 { return o[number&(1<<shapeBits-1)][number>>shapeBits] }

// Set is the set of what was added, and how its numbers became ordinals.
func (b *IDsBuilder) Set() (IDs, *Ordinals) {
	var s IDs
	next := uint32(0)
	for shape, w := range widths {
		t := b.fixed[shape]
		n := len(t) / w
		ordinals := slices.Grow(b.ordinals[shape][:0], n)[:n]
		b.ordinals[shape] = ordinals
		keys := slices.Grow(b.keys[:0], n)[:n]
		for i := range keys {
			keys[i] = keyOf(t[i*w:(i+1)*w], uint32(i))
		}
		keys, b.spare = sortKeys(keys, b.spare)
		b.keys = keys
		out := make([]byte, 0, len(t))
		for i := range keys {
			n := int(uint32(keys[i][2]))
			out = append(out, t[n*w:(n+1)*w]...)
			ordinals[n] = next
			next++
		}
		s.fixed[shape] = out
	}
	order := make([]uint32, len(b.other))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int { return strings.Compare(b.other[i], b.other[j]) })
	b.ordinals[nShapes] = make([]uint32, len(order))
	for _, n := range order {
		s.other = append(s.other, b.other[n])
		b.ordinals[nShapes][n] = next
		next++
	}
	return s, &b.ordinals
}

// A sortKey is a packed id's bytes, big endian, and in its lowest 32 bits the id's number: it is ordered as they are.
type sortKey [3]uint64

func keyOf(p []byte, n uint32) sortKey {
	k := sortKey{binary.BigEndian.Uint64(p), 0, uint64(n)}
	switch len(p) {
	case 12:
		k[1] = uint64(binary.BigEndian.Uint32(p[8:]))
	case 20:
		k[2] |= uint64(binary.BigEndian.Uint32(p[16:])) << 32
		fallthrough
	default:
		k[1] = binary.BigEndian.Uint64(p[8:])
	}
	return k
}

func compareKeys(x, y sortKey) int {
	for i := range x {
		if x[i] != y[i] {
			return cmp.Compare(x[i], y[i])
		}
	}
	return 0
}

// sortKeys sorts keys and gives them, in the memory of one of both, and the other memory. Many are sorted by the first of the bytes in which they differ, from
// the last of these to the first: ids are mostly random, so that few are left that have all of them in common.
func sortKeys(keys, spare []sortKey) (sorted, rest []sortKey) {
	const few = 128
	if len(keys) < few {
		slices.SortFunc(keys, compareKeys)
		return keys, spare
	}
	var differ sortKey // in which bits
	for _, k := range keys {
		for i := range k {
			differ[i] |= k[i] ^ keys[0][i]
		}
	}
	differ[2] &^= 1<<32 - 1 // the numbers
	type digit struct{ word, shift int }
	var digits []digit
	var mask sortKey // of the digits
	for i := range differ {
		for shift := 56; shift >= 0 && len(digits) <= bits.Len(uint(len(keys)))/8; shift -= 8 {
			if byte(differ[i]>>shift) != 0 {
				digits = append(digits, digit{i, shift})
				mask[i] |= 0xff << shift
			}
		}
	}
	other := slices.Grow(spare[:0], len(keys))[:len(keys)]
	for _, d := range slices.Backward(digits) {
		var place [256]int
		for j := range keys {
			place[byte(keys[j][d.word]>>d.shift)]++
		}
		next := 0
		for c, n := range place {
			place[c], next = next, next+n
		}
		for j := range keys {
			to := &place[byte(keys[j][d.word]>>d.shift)]
			other[*to] = keys[j]
			*to++
		}
		keys, other = other, keys
	}
	start := 0
	for j := 1; j <= len(keys); j++ {
		if j < len(keys) && keys[j].shares(&keys[start], &mask) {
			continue
		}
		if j > start+1 {
			slices.SortFunc(keys[start:j], compareKeys)
		}
		start = j
	}
	return keys, other
}

// shares says whether both have the same bits where mask has ones.
func (k *sortKey) shares(l, mask *sortKey) bool {
	return (k[0]^l[0])&mask[0]|(k[1]^l[1])&mask[1]|(k[2]^l[2])&mask[2] == 0
}
