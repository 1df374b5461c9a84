package exposure

import (
	"encoding/binary"
	"unicode/utf8"
)

// lzRuns follows what may be lz-string in UTF-16: a word of characters of all scripts, at the beginning or after a sign of ASCII.
func (s *scan) lzRuns(b []byte, lo, hi int, c chain) {
	for i := lo; i < hi; i++ {
		if i+8 <= hi && binary.LittleEndian.Uint64(b[i:])&highs == 0 {
			i += 7
			continue
		}
		if b[i] < utf8.RuneSelf || i > 0 && (b[i-1] >= utf8.RuneSelf || is(b[i-1], inWord)) {
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
			if t := s.lzWide(b[i:to]); t != nil {
				s.node(t, c, i, to, stepLZ)
				i = to
			}
		}
	}
}

// lzWide unpacks what lz-string's compressToUTF16 or compress made, which is characters of all scripts.
func (s *scan) lzWide(b []byte) []byte {
	units := make([]uint16, 0, len(b)/2)
	for _, r := range string(b) {
		if r > 0xFFFF {
			r -= 0x10000
			units = append(units, uint16(0xD800+r>>10), uint16(0xDC00+r&0x3FF))
			continue
		}
		units = append(units, uint16(r))
	}
	if t := lzUTF16(units, s.left64()); t != nil {
		return t
	}
	return lzRaw(units, s.left64())
}
