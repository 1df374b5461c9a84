package exposure

import (
	"bytes"
	"unicode/utf8"
)

// minWide is in how many characters lz-string packs the shortest address: one of them is some eleven bits.
const minWide = 5

// lzRuns follows what may be lz-string in UTF-16: a word of characters of all scripts, at the beginning or after a sign of ASCII.
func (s *scan) lzRuns(v *view, c chain) {
	b := v.b
	for i := v.next(v.lo, maskHigh); i < v.hi; i = v.next(i+1, maskHigh) {
		if i > 0 && (b[i-1] >= utf8.RuneSelf || is(b[i-1], inWord)) {
			continue
		}
		r, _ := utf8.DecodeRune(b[i:])
		// The first ten bits are two zeros and a letter with its lowest bit first.
		first := false
		for _, v := range [...]uint32{uint32(r-32) << 1, uint32(r)} {
			if v>>14 == 0 {
				letter := byte(0)
				for k := range 8 {
					letter |= byte(v>>(13-k)&1) << k
				}
				first = first || letter >= ' ' && letter < 0x7F
			}
		}
		if !first {
			continue
		}
		if _, to := span(b, i, i+1, maxSmall, &partsQuotes); to > i {
			packed := b[i:to]
			if end := lzLiteral(b, i); end > to { // signs that part words are letters of it, too
				if to, packed = end, b[i:end]; bytes.IndexByte(packed, '\\') >= 0 {
					packed = unescapeJS(packed)
				}
			}
			if len(packed) < utf8.UTFMax*minWide && utf8.RuneCount(packed) < minWide {
				continue
			}
			if t := s.lzWide(packed); t != nil {
				s.node(t, c, i, to, stepLZ)
				i = to
			}
		}
	}
}

// lzLiteral is where the literal or the text ends that begins at b[i]; i where none does.
func lzLiteral(b []byte, i int) int {
	most := min(len(b), i+maxSmall)
	if i == 0 {
		return most
	}
	quote := b[i-1]
	if !isQuote(quote) {
		return i
	}
	for j := i; j < most; j++ {
		switch b[j] {
		case quote:
			return j
		case '\\':
			j++
		}
	}
	return i
}

// lzWide unpacks what lz-string's compressToUTF16 or compress made, which is characters of all scripts.
func (s *scan) lzWide(b []byte) []byte {
	u := utf16Units{b: b}
	if t := lzUTF16(u.next, s.left64()); t != nil {
		return t
	}
	u = utf16Units{b: b}
	return lzRaw(u.next, s.left64())
}
