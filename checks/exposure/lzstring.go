package exposure

import (
	"bytes"
	"math/bits"
	"unicode"
	"unicode/utf8"
)

// lz-string packs text with LZW over bits, least significant first, and writes the bits as letters of base64 (or of an alphabet that is safe in URLs), or
// as characters of UTF-16. Nothing marks it, so a run is unpacked until something comes out that cannot be.

// lzValue is the value of a letter in compressToBase64 and compressToEncodedURIComponent; 0xFF of what is none.
var lzValue = lzValues()

func lzValues() (t [256]byte) {
	t = usual64.value
	t['_'] = 0xFF
	t['+'], t['-'], t['/'], t['$'], t['='] = 62, 63, 63, 64, 64
	return t
}

// lzEnd is where a run goes on to beyond to with the signs of lz-string's alphabets. A run may have many parts, so the last end is kept.
func (s *scan) lzEnd(b []byte, to int) int {
	if s.read.lz[0] <= to && to <= s.read.lz[1] {
		return s.read.lz[1]
	}
	end := to
	for end < len(b) && lzValue[b[end]] != 0xFF {
		end++
	}
	s.read.lz = [2]int{to, end}
	return end
}

// lzFirst says whether the first character of what r packs is a printable one of 8 bits.
func lzFirst(r []byte) bool {
	if len(r) < 8 || usual64.value[r[0]] >= 48 {
		return false
	}
	x, y, z := lzValue[r[0]], lzValue[r[1]], lzValue[r[2]]
	if x >= 64 || y >= 64 {
		return false
	}
	// Two bits say how many the character has, 8 or 16; numbers come with their lowest bit first.
	switch v := uint32(x)<<12 | uint32(y)<<6 | uint32(z); v >> 16 {
	case 0:
		k := bits.Reverse8(uint8(v >> 8))
		return k < utf8.RuneSelf && is(k, inText)
	case 2:
		k := bits.Reverse16(uint16(v))
		return z < 64 && (k < utf8.RuneSelf && is(byte(k), inText) || unicode.IsGraphic(rune(k)))
	}
	return false
}

// lzBase64 unpacks what compressToBase64 or compressToEncodedURIComponent made; nil where r is neither.
func lzBase64(r []byte, limit int) []byte {
	// compressToEncodedURIComponent uses + and - for the last two letters, compressToBase64 + and /; both mean 62 and 63.
	return lzUnpack(lzBits{width: 6, next: func(i int) (uint32, bool) {
		if i >= len(r) {
			return 0, i < len(r)+4 // the padding may be left out
		}
		v := lzValue[r[i]]
		if v == 64 {
			return 0, true
		}
		return uint32(v), v < 64
	}}, limit)
}

// lzUTF16 unpacks what compressToUTF16 made: 15 bits a character, 32 added.
func lzUTF16(next func() (unit uint32, ok bool), limit int) []byte {
	beyond := 0
	return lzUnpack(lzBits{width: 15, next: func(int) (uint32, bool) {
		v, ok := next()
		if !ok {
			beyond++
			return 0, beyond <= 2
		}
		if v < 32 || v-32 >= 1<<15 {
			return 0, false
		}
		return v - 32, true
	}}, limit)
}

// lzRaw unpacks what compress made: 16 bits a character.
func lzRaw(next func() (unit uint32, ok bool), limit int) []byte {
	return lzUnpack(lzBits{width: 16, next: func(int) (uint32, bool) { return next() }}, limit)
}

// utf16Units gives the units that a text in UTF-8 has in UTF-16, one by one, since most texts are given up soon.
type utf16Units struct {
	b   []byte
	low uint32 // of a pair whose first half was given; 0 if none waits
}

func (u *utf16Units) next() (unit uint32, ok bool) {
	if unit = u.low; unit != 0 {
		u.low = 0
		return unit, true
	}
	if len(u.b) == 0 {
		return 0, false
	}
	r, n := utf8.DecodeRune(u.b)
	u.b = u.b[n:]
	if r > 0xFFFF {
		r -= 0x10000
		u.low = uint32(0xDC00 + r&0x3FF)
		return uint32(0xD800 + r>>10), true
	}
	return uint32(r), true
}

// lzBits reads bits, the highest of each unit first; numbers come with their lowest bit first.
type lzBits struct {
	next  func(i int) (uint32, bool)
	width int
	i     int
	unit  uint32
	have  int
}

func (b *lzBits) read(n int) (v uint32, ok bool) {
	for k := range n {
		if b.have == 0 {
			if b.unit, ok = b.next(b.i); !ok {
				return 0, false
			}
			b.i++
			b.have = b.width
		}
		b.have--
		v |= b.unit >> b.have & 1 << k
	}
	return v, true
}

// lzEntry is a text of the dictionary: that of an earlier entry and one more character.
type lzEntry struct {
	prefix int32 // -1: none
	first  rune
	last   rune
	length int32
}

// lzUnpack unpacks to UTF-8; nil where the bits are not what lz-string writes, or what comes out is no text.
func lzUnpack(bits lzBits, limit int) []byte {
	// Most of what is tried is something else, which shows soon: until then nothing is allocated.
	var firstEntries [32]lzEntry
	var firstOut [64]byte
	entries, out := firstEntries[:3], firstOut[:0]
	literal := func(n int) (rune, bool) {
		v, ok := bits.read(n)
		return rune(v), ok
	}
	printable := func(r rune) bool { return r >= ' ' && r != 0x7F || r == '\n' || r == '\t' || r == '\r' }
	width, room := 3, 4
	kind, ok := bits.read(2)
	if !ok || kind > 1 {
		return nil
	}
	r, ok := literal(8 << kind)
	if !ok || !printable(r) {
		return nil
	}
	entries = append(entries, lzEntry{-1, r, r, 1})
	out = utf8.AppendRune(out, r)
	chars := make([]rune, 0, 64)
	prev := int32(3)
	for steps := 0; ; steps++ {
		code, ok := bits.read(width)
		if !ok {
			return nil
		}
		at := int32(code)
		switch code {
		case 0, 1:
			r, ok := literal(8 << code)
			if !ok || !printable(r) {
				return nil
			}
			at = int32(len(entries))
			entries = append(entries, lzEntry{-1, r, r, 1})
			room--
		case 2:
			if len(out) < minText {
				return nil
			}
			return bytes.Clone(out)
		}
		if room == 0 {
			room = 1 << width
			width++
		}
		var e lzEntry
		switch {
		case int(at) < len(entries):
			e = entries[at]
		case int(at) == len(entries):
			e = lzEntry{prev, entries[prev].first, entries[prev].first, entries[prev].length + 1}
		default:
			return nil
		}
		chars = chars[:0]
		for x := e; ; x = entries[x.prefix] {
			chars = append(chars, x.last)
			if x.prefix < 0 {
				break
			}
		}
		for i := len(chars) - 1; i >= 0; i-- {
			out = utf8.AppendRune(out, chars[i])
		}
		entries = append(entries, lzEntry{prev, entries[prev].first, e.first, entries[prev].length + 1})
		room--
		if room == 0 {
			room = 1 << width
			width++
		}
		prev = at
		if len(out) > limit || len(entries) > 1<<20 {
			return bytes.Clone(out)
		}
	}
}
