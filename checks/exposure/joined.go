package exposure

import "bytes"

// joined looks at a decoded text as a whole for what only shows there: text of HTML that tags split, and lz-string in UTF-16.
func (s *scan) joined(b []byte, c chain) {
	if s.deep(c) {
		return
	}
	if len(b) <= maxSmall && highIn(b) {
		if t := s.lzWide(b); t != nil {
			s.nested(t, c, stepLZ)
		}
	}
	_ = bytes.MinRead
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
