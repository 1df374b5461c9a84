package exposure

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The classes of bytes of which a view has masks. To find leads with a few operations on 64 bytes at once is what makes a scan fast.
const (
	maskBase64   = iota // letters, digits, + - / _
	maskCapitals        // capitals and digits
	maskAlnum           // letters and digits, of ASCII
	maskHigh            // not ASCII
	maskAt
	maskPercent
	maskAmpersand
	maskBackslash
	maskPlus
	maskFour // beside a six or before a zero: the code of an at-sign
	maskZero
	maskSix
	maskA // of letters, both cases
	maskB
	maskI
	maskJ
	maskO
	maskR
	maskT
	maskZ
	maskCount
)

// maskedBytes are those of the classes that are one byte; with maskA, in either case.
const maskedBytes = "\x00\x00\x00\x00@%&\\+406abijortz"

// masks are the classes of the bytes of a window, and of 64 more, where a run that begins in it may end: bit i of [class][k] is about byte 64*k+i.
type masks [maskCount][maskBlocks]uint64

const maskBlocks = window/64 + 3

// classifyGeneric sets the masks of b, whose length is a multiple of 64, from block k on.
func (m *masks) classifyGeneric(b []byte, k int) {
	for ; len(b) >= 64; b, k = b[64:], k+1 {
		for class := range m {
			m[class][k] = 0
		}
		for i, x := range b[:64] {
			bit := uint64(1) << i
			c := class[x]
			if c&inBase64 != 0 {
				m[maskBase64][k] |= bit
			}
			if x >= utf8.RuneSelf {
				m[maskHigh][k] |= bit
				continue
			} else if c&inWord != 0 {
				m[maskAlnum][k] |= bit
				if x < 'a' {
					m[maskCapitals][k] |= bit
				}
			}
			if class := maskOf[x]; class != 0 {
				m[class][k] |= bit
			}
		}
	}
}

// maskOf is the class of each byte that has one of its own, 0 of others.
var maskOf = func() (t [256]uint8) {
	for class := maskAt; class < maskCount; class++ {
		x := maskedBytes[class]
		t[x] = uint8(class)
		if class >= maskA {
			t[x&^0x20] = uint8(class)
		}
	}
	return t
}()

// A view is the part of a text that is searched for leads next.
type view struct {
	b      []byte
	lo, hi int
	m      *masks // from lo on; nil of a text that is small
}

// view makes the view of b[lo:hi], whose masks unview takes back.
func (s *scan) view(b []byte, lo, hi int) view {
	v := view{b: b, lo: lo, hi: hi}
	if len(b) <= maxSmall {
		return v
	}
	if n := len(s.spare); n > 0 {
		v.m, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		v.m = new(masks)
	}
	// A run that begins in the window may go on after it, so the masks do, too.
	end := min(len(b), hi+64)
	full := (end - lo) / 64
	v.m.classify(b[lo:lo+64*full], 0)
	var tail [64]byte
	copy(tail[:], b[lo+64*full:end])
	v.m.classify(tail[:], full)
	for class := range v.m {
		v.m[class][full+1] = 0
	}
	six := uint64(0)
	for k := range full + 1 {
		after := (v.m[maskZero][k]|v.m[maskSix][k])>>1 | (v.m[maskZero][k+1]|v.m[maskSix][k+1])<<63
		v.m[maskFour][k] &= after | v.m[maskSix][k]<<1 | six>>63
		six = v.m[maskSix][k]
	}
	if lo > 0 && b[lo-1] == '6' && b[lo] == '4' {
		v.m[maskFour][0] |= 1
	}
	return v
}

func (s *scan) unview(v view) {
	if v.m != nil {
		s.spare = append(s.spare, v.m)
	}
}

// next is where the first byte of a class is from b[i] on; hi where there is none.
func (v *view) next(i, class int) int {
	if i >= v.hi {
		return v.hi
	}
	if v.m == nil {
		return v.nextByte(i, class)
	}
	m, at := &v.m[class], uint(i-v.lo)
	if w := m[at/64] >> (at % 64); w != 0 {
		return min(v.hi, i+bits.TrailingZeros64(w))
	}
	for k, w := range m[at/64+1 : (v.hi-v.lo+63)/64] {
		if w != 0 {
			return min(v.hi, i-int(at%64)+64*(k+1)+bits.TrailingZeros64(w))
		}
	}
	return v.hi
}

func (v *view) nextByte(i, class int) int {
	if class == maskHigh {
		return v.nextHigh(i)
	}
	if n := bytes.IndexByte(v.b[i:v.hi], maskedBytes[class]); n >= 0 {
		return i + n
	}
	return v.hi
}

func (v *view) nextHigh(i int) int {
	for i+8 <= v.hi && binary.LittleEndian.Uint64(v.b[i:])&highs == 0 {
		i += 8
	}
	for i < v.hi && v.b[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// masked follows the leads that take more than one mask: runs of base64's letters, and words for the at-sign.
func (s *scan) masked(v *view, c chain) {
	b, lo, hi, m := v.b, v.lo, v.hi, v.m
	end := min(len(b), hi+64)
	follow := !s.deep(c)
	skip := lo > 0 && class[b[lo-1]]&inBase64 != 0 // the first run began before
	var one, two, four, eight, eleven, before uint64
	if lo > 0 && b[lo-1] < utf8.RuneSelf && is(b[lo-1], inWord) {
		before = 1 << 63
	}
	page := s.records != nil && c.n == s.base
	for k := range (end-lo)/64 + 1 {
		// Ends of 2, 4, 8 and 11 letters in a row.
		w := m[maskBase64][k]
		w2 := w & (w<<1 | one>>63)
		w4 := w2 & (w2<<2 | two>>62)
		w8 := w4 & (w4<<4 | four>>60)
		w11 := w8 & (w8<<3 | eight>>61)
		for starts := w11 &^ (w11<<1 | eleven>>63); starts != 0; starts &= starts - 1 {
			i := 64*k + bits.TrailingZeros64(starts)
			from := i - (minRun - 1)
			if lo+from >= hi {
				break
			}
			to := m.runEnd(i)
			if lo+to >= end { // beyond the masks
				for lo+to < len(b) && class[b[lo+to]]&inBase64 != 0 {
					to++
				}
			}
			switch n := to - from; {
			case skip && from == 0:
			case n >= minLine || lo+to >= end:
				s.runOrLines(b, lo+from, lo+to, c)
			default:
				s.short(m, b, lo+from, from, n, c)
			}
		}
		one, two, four, eight, eleven = w, w2, w4, w8, w11

		if !follow {
			continue
		}
		t, o := m[maskT][k]>>1|m[maskT][k+1]<<63, m[maskO][k]
		at, ob := m[maskA][k]&t, o&(m[maskB][k]>>1|m[maskB][k+1]<<63)
		if page {
			for hits := m[maskR][k]&t | m[maskB][k]&(m[maskI][k]>>1|m[maskI][k+1]<<63); hits != 0; hits &= hits - 1 { // rtl, bidi-override
				if i := lo + 64*k + bits.TrailingZeros64(hits); i < hi {
					s.turnsAt(b, i)
				}
			}
		}
		jo := m[maskJ][k] & (o>>1 | m[maskO][k+1]<<63)
		alnum := m[maskAlnum][k]
		if at|ob|jo|m[maskZ][k] != 0 {
			left, right := alnum<<1|before>>63, alnum>>2|m[maskAlnum][k+1]<<62
			capitals := m[maskCapitals][k]
			hits := at &^ left &^ right                                                     // a word of its own
			hits |= at & capitals & (capitals>>1 | m[maskCapitals][k+1]<<63) & left & right // nameAThost
			hits |= at & (o>>2 | m[maskO][k+1]<<62) & (m[maskB][k]>>3 | m[maskB][k+1]<<61)  // atob
			hits |= ob & left                                                               // arroba, arobase
			hits |= jo                                                                      // join
			for ; hits != 0; hits &= hits - 1 {
				if i := lo + 64*k + bits.TrailingZeros64(hits); i < hi && i+1 < len(b) {
					s.wordAt(b, i, c)
				}
			}
			for z := m[maskZ][k]; z != 0; z &= z - 1 { // chez
				if i := lo + 64*k + bits.TrailingZeros64(z); i < hi && i >= 3 && b[i-1]|0x20 == 'e' && b[i-2]|0x20 == 'h' {
					s.wordAt(b, i-3, c)
				}
			}
		}
		before = alnum
	}
}

// runEnd is where the run ends that covers i.
func (m *masks) runEnd(i int) int {
	k := i / 64
	if rest := ^m[maskBase64][k] >> (i % 64); rest != 0 {
		return i + bits.TrailingZeros64(rest)
	}
	for k++; m[maskBase64][k] == ^uint64(0); k++ { // the last mask is zero
	}
	return 64*k + bits.TrailingZeros64(^m[maskBase64][k])
}

// short is run for a run of n bytes at b[at], fewer than minLine, whose masks begin at from. Most are words, names and paths, of no use to run: it asks what run
// asks, in the masks.
func (s *scan) short(m *masks, b []byte, at, from, n int, c chain) {
	k, shift := from/64, from%64
	all := uint64(1)<<n - 1
	marks := (m[maskCapitals][k]>>shift | m[maskCapitals][k+1]<<(64-shift)) & all
	if n < 26 && bits.OnesCount64(marks) < 3 {
		return
	}
	words := (m[maskAlnum][k]>>shift | m[maskAlnum][k+1]<<(64-shift)) & all
	r := b[at : at+n]
	if words != all {
		s.shortParts(b, at, n, marks, words, c)
		return
	}
	switch dense := dense(r, marks, n); {
	case dense || at+n < len(b) && b[at+n] == '=' && capitalsIn(r, marks) > 0 && padded(b, at, at+n):
		s.part(b, at, at+n, c)
		if !s.deep(c) && capitalsIn(r, marks) > 0 {
			s.base64(b, at, at+n, c, false)
		}
	case n >= 26 && bits.OnesCount64(marks)-capitalsIn(r, marks) >= 2:
		s.small(b, at, at+n, c)
	}
}

// uuidWords are the words of 8, 4, 4, 4 and 12 digits of a UUID.
const uuidWords = 0xFFF<<24 | 0xF<<19 | 0xF<<14 | 0xF<<9 | 0xFF

// shortParts is short for a run of several words.
func (s *scan) shortParts(b []byte, at, n int, marks, words uint64, c chain) {
	r := b[at : at+n]
	if n == 36 && words == uuidWords && s.dashed(r, at, at+n, c) {
		return
	}
	found := false
	long := words & (words >> 1)
	long &= long >> 2
	long &= long >> 4
	long &= long >> (minRun - 8) // where words of that length begin, and what follows if they are longer
	for long != 0 {
		start := bits.TrailingZeros64(long)
		length := bits.TrailingZeros64(^(words >> start))
		own := marks >> start & (1<<length - 1)
		switch part := r[start : start+length]; {
		case dense(part, own, length):
			found = true
			s.part(b, at+start, at+start+length, c)
		case length >= 26 && bits.OnesCount64(own)-capitalsIn(part, own) >= 2:
			s.small(b, at+start, at+start+length, c)
		}
		long &^= (1<<length - 1) << start
	}
	if !found && dense(r, marks, n) {
		lower, all := words&^marks, uint64(1)<<n-1
		changes := bits.OnesCount64((lower^lower>>1)&(all>>1)) + bits.OnesCount64(^lower&(^lower>>1)&(all>>1)) // at most
		found = changes*4 >= n && mixed(r)
	}
	if capitals := capitalsIn(r, marks); found || capitals >= 2 {
		s.several(b, at, at+n, c, found, capitals)
	}
}

// capitalsIn counts the capitals among marks.
func capitalsIn(r []byte, marks uint64) (n int) {
	for ; marks != 0; marks &= marks - 1 {
		if r[bits.TrailingZeros64(marks)] >= 'A' {
			n++
		}
	}
	return n
}

// dense says of a run of n bytes, of which marks are capitals and digits, whether it does not look like words: see tally.dense.
func dense(b []byte, marks uint64, n int) bool {
	count := bits.OnesCount64(marks)
	if count*6 < n {
		return false
	}
	if marks&(marks>>1) != 0 || n >= 24 || count*3 >= n {
		return true
	}
	for ; marks != 0; marks &= marks - 1 {
		if b[bits.TrailingZeros64(marks)] <= '9' {
			return true
		}
	}
	return false
}
