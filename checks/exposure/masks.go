package exposure

import (
	"bytes"
	"math/bits"
)

// Masks are the classes of 64 bytes: bit i is about byte i. To find leads with a few operations on them is what makes a scan fast.
type masks struct {
	base64   uint64 // letters, digits, + - / _
	capitals uint64 // capitals and digits
	alnum    uint64 // letters and digits, of ASCII
	a        uint64 // the letter a, in either case; likewise the next three
	t        uint64
	o        uint64
	b        uint64
	high     uint64 // not ASCII
}

// classifyGeneric fills out with the masks of b, whose length is a multiple of 64.
func classifyGeneric(b []byte, out []masks) {
	for k := range len(b) / 64 {
		block := b[64*k : 64*k+64]
		var m masks
		for i, x := range block {
			bit := uint64(1) << i
			c := class[x]
			if c&inBase64 != 0 {
				m.base64 |= bit
			}
			if x >= 0x80 {
				m.high |= bit
			} else if c&inWord != 0 {
				m.alnum |= bit
				if x < 'a' {
					m.capitals |= bit
				}
			}
			switch x | 0x20 {
			case 'a':
				m.a |= bit
			case 't':
				m.t |= bit
			case 'o':
				m.o |= bit
			case 'b':
				m.b |= bit
			}
		}
		out[k] = m
	}
}

// masked follows the leads in b[lo:hi] that masks show: runs of base64's letters, and words for the at-sign. It says whether there is anything that
// is not ASCII.
func (s *scan) masked(b []byte, lo, hi int, c chain) (high bool) {
	// A run that begins in the window may go on after it, so the masks do, too.
	end := min(len(b), hi+64)
	full := (end - lo) / 64
	if s.masks == nil {
		s.masks = make([]masks, window/64+3)
	}
	m := s.masks[:full+2]
	if s.masksBusy { // a text within a text
		m = make([]masks, full+2)
	} else {
		s.masksBusy = true
		defer func() { s.masksBusy = false }()
	}
	classify(b[lo:lo+64*full], m)
	var tail [64]byte
	copy(tail[:], b[lo+64*full:end])
	classify(tail[:], m[full:])
	m[full+1] = masks{}

	follow := !s.deep(c)
	skip := lo > 0 && class[b[lo-1]]&inBase64 != 0 // the first run began before
	var one, two, four, eight, eleven, before uint64
	for k := range full + 1 {
		x, next := &m[k], &m[k+1]
		high = high || x.high != 0

		// Ends of 2, 4, 8 and 11 letters in a row.
		w := x.base64
		w2 := w & (w<<1 | one>>63)
		w4 := w2 & (w2<<2 | two>>62)
		w8 := w4 & (w4<<4 | four>>60)
		w11 := w8 & (w8<<3 | eight>>61)
		for starts := w11 &^ (w11<<1 | eleven>>63); starts != 0; starts &= starts - 1 {
			i := 64*k + bits.TrailingZeros64(starts)
			from, to, marks := i-(minRun-1), 0, 0
			if lo+from >= hi {
				break
			}
			to, marks = runEnd(m, from, i)
			if lo+to >= end { // beyond the masks
				for lo+to < len(b) && class[b[lo+to]]&inBase64 != 0 {
					to++
				}
				marks = minRun
			}
			if marks < 3 && to-from < 26 || skip && from == 0 {
				continue
			}
			s.runOrLines(b, lo+from, lo+to, c)
		}
		one, two, four, eight, eleven = w, w2, w4, w8, w11

		if !follow {
			continue
		}
		at := x.a & (x.t>>1 | next.t<<63)
		left, right := x.alnum<<1|before>>63, x.alnum>>2|next.alnum<<62
		before = x.alnum
		hits := at &^ left &^ right                                                  // a word of its own
		hits |= at & x.capitals & (x.capitals>>1 | next.capitals<<63) & left & right // nameAThost
		hits |= at & (x.o>>2 | next.o<<62) & (x.b>>3 | next.b<<61)                   // atob
		hits |= x.o & (x.b>>1 | next.b<<63) & left                                   // arroba, arobase
		for ; hits != 0; hits &= hits - 1 {
			if i := lo + 64*k + bits.TrailingZeros64(hits); i < hi && i+1 < len(b) {
				s.wordAt(b, i, c)
			}
		}
	}
	if follow {
		for _, letter := range [...]byte{'j', 'z'} { // join, chez
			for i := lo; i < hi; i++ {
				n := bytes.IndexByte(b[i:hi], letter)
				if n < 0 {
					break
				}
				i += n
				if letter == 'j' && i+1 < len(b) && b[i+1] == 'o' {
					s.wordAt(b, i, c)
				} else if letter == 'z' && i >= 3 && b[i-1] == 'e' && b[i-2] == 'h' {
					s.wordAt(b, i-3, c)
				}
			}
		}
	}
	return high
}

// runEnd is where the run ends that covers [from,i], and how many capitals and digits it has.
func runEnd(m []masks, from, i int) (to, marks int) {
	k := i / 64
	rest := ^m[k].base64 >> (i % 64)
	to = i
	if rest != 0 {
		to = i + bits.TrailingZeros64(rest)
	} else {
		for k++; k < len(m); k++ {
			if m[k].base64 != ^uint64(0) {
				break
			}
		}
		to = 64 * k
		if k < len(m) {
			to += bits.TrailingZeros64(^m[k].base64)
		}
	}
	for k := from / 64; k <= (to-1)/64 && k < len(m); k++ {
		w := m[k].capitals
		if k == from/64 {
			w &= ^uint64(0) << (from % 64)
		}
		if k == (to-1)/64 && to%64 != 0 {
			w &= 1<<(to%64) - 1
		}
		marks += bits.OnesCount64(w)
	}
	return to, marks
}
