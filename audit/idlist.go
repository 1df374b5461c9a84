package audit

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
)

// An IDList is ids in the order in which they came, one after the other in one piece of memory: what a record names. Each is packed once, where it is
// read, and passed on as it is. The zero value is empty.
type IDList struct {
	n      int
	packed []byte // see AppendID
}

// Len is the number of ids.
func (l *IDList) Len() int { return l.n }

// Reset empties the list. Copies of it share its memory.
func (l *IDList) Reset() { l.n, l.packed = 0, l.packed[:0] }

// Add appends id.
func (l *IDList) Add(id []byte) {
	l.packed = AppendID(l.packed, id)
	l.n++
}

// AddPacked appends id if it has one of the shapes that are packed, and says whether.
func (l *IDList) AddPacked(id []byte) bool {
	p, ok := appendPacked(l.packed, id)
	if ok {
		l.packed = p
		l.n++
	}
	return ok
}

// AddHex24 is AddPacked for an id of 24 characters, which most are.
func (l *IDList) AddHex24(id []byte) bool {
	a, b, ok := unhex24(id)
	if !ok {
		return false
	}
	n := len(l.packed)
	if cap(l.packed)-n < hex24Size {
		l.packed = slices.Grow(l.packed, hex24Size)
	}
	l.packed = l.packed[:n+hex24Size]
	p := l.packed[n:]
	p[0] = isPacked + hex24
	binary.LittleEndian.PutUint64(p[1:], a)
	binary.LittleEndian.PutUint32(p[9:], b)
	l.n++
	return true
}

// All gives the ids as they came, each valid until the next.
func (l *IDList) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := l.packed; len(rest) > 0; {
			var shape int
			var p []byte
			shape, p, rest = CutID(rest)
			if shape >= 0 {
				p = []byte(UnpackID(shape, p))
			}
			if !yield(p) {
				return
			}
		}
	}
}

// Packed is the ids one after the other, each as AppendID appends it. It shares the list's memory.
func (l *IDList) Packed() []byte { return l.packed }

// Equal says whether both hold the same ids in the same order.
func (l IDList) Equal(m IDList) bool { return l.n == m.n && bytes.Equal(l.packed, m.packed) }

// isPacked marks, in the first byte of an id, its shape; any other id is its length and bytes after isSpelled.
const (
	isPacked  = 0x80
	isSpelled = 0xff
)

// hex24Size is how many bytes AppendID appends for an id of 24 digits.
const hex24Size = 13

// AppendID appends id to p so that CutID cuts it off again: a byte and the packed form where there is one, half as much to hash and to keep.
func AppendID(p, id []byte) []byte {
	if p, ok := appendPacked(p, id); ok {
		return p
	}
	p = binary.AppendUvarint(append(p, isSpelled), uint64(len(id)))
	return append(p, id...)
}

// CutID cuts an id off the start of p, which AppendID wrote: packed, with its shape, or as it came, with -1.
func CutID(p []byte) (shape int, id, rest []byte) {
	c := p[0]
	if c == isSpelled {
		n, w := binary.Uvarint(p[1:])
		at := 1 + w
		return -1, p[at : at+int(n)], p[at+int(n):]
	}
	shape = int(c &^ isPacked)
	end := 1 + widths[shape]
	return shape, p[1:end:end], p[end:]
}

func appendPacked(p, id []byte) ([]byte, bool) {
	switch len(id) {
	case 24:
		if a, b, ok := unhex24(id); ok {
			p = binary.LittleEndian.AppendUint64(append(p, isPacked+hex24), a)
			return binary.LittleEndian.AppendUint32(p, b), true
		}
	case 36:
		if a, b, ok := unhexUUID(id); ok {
			p = binary.LittleEndian.AppendUint64(append(p, isPacked|uuid), a)
			return binary.LittleEndian.AppendUint64(p, b), true
		}
	case 43:
		var buf [MaxPackedID]byte
		if shape, n := PackID(&buf, id); shape >= 0 {
			return append(append(p, isPacked|byte(shape)), buf[:n]...), true
		}
	}
	return p, false
}

// unhex24 gives the 12 bytes that 24 digits spell, the first lowest.
func unhex24(id []byte) (first uint64, last uint32, ok bool) {
	le := binary.LittleEndian
	a, bad1 := unhex8(le.Uint64(id))
	b, bad2 := unhex8(le.Uint64(id[8:]))
	c, bad3 := unhex8(le.Uint64(id[16:]))
	return uint64(a) | uint64(b)<<32, c, bad1|bad2|bad3 == 0
}

// unhexUUID gives the 16 bytes that a UUID of 36 characters spells, the first lowest.
func unhexUUID(id []byte) (first, last uint64, ok bool) {
	le := binary.LittleEndian
	a, bad1 := unhex8(le.Uint64(id))
	b, bad2 := unhex8(uint64(le.Uint32(id[9:])) | uint64(le.Uint32(id[14:]))<<32)
	c, bad3 := unhex8(uint64(le.Uint32(id[19:])) | uint64(le.Uint32(id[24:]))<<32)
	d, bad4 := unhex8(le.Uint64(id[28:]))
	ok = bad1|bad2|bad3|bad4 == 0 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'
	return uint64(a) | uint64(b)<<32, uint64(c) | uint64(d)<<32, ok
}

// unhex8 decodes eight lower-case hexadecimal digits, the first lowest, into four bytes. bad is 0 where they are: an id must come back exactly as it was.
func unhex8(digits uint64) (v uint32, bad uint64) {
	const ones = 0x0101010101010101
	letter := digits >> 6 & ones               // what a letter has, and no digit
	n := digits&(0x0f*ones) + 9*letter         // its value
	bad = (n + 0x30*ones + 39*letter) ^ digits // written again, it is the same,
	bad |= ((n+6*ones)>>4 ^ letter) & ones     // a letter where it is 10 or more,
	bad |= n & (0xf0 * ones)                   // and below 16
	n = (n<<4 | n>>8) & 0x00ff00ff00ff00ff
	n = (n | n>>8) & 0x0000ffff0000ffff
	return uint32(n | n>>16), bad
}
