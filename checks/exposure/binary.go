package exposure

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// inflaters are kept for the next text, since each holds some 40 KiB.
type inflaters struct {
	flate  io.ReadCloser
	brotli *brotli.Reader
}

// compressed says whether t begins like gzip, zlib or zstd.
func compressed(t []byte) bool {
	if len(t) < 3 {
		return false
	}
	return t[0] == 0x1F && t[1] == 0x8B && t[2] == 8 || isZlib(t) || len(t) >= 4 && t[0] == 0x28 && t[1] == 0xB5 && t[2] == 0x2F && t[3] == 0xFD
}

// isZlib checks the header of zlib, which has a check of its own.
func isZlib(t []byte) bool {
	return t[0]&0x8F == 8 && t[1]&0x20 == 0 && (uint(t[0])<<8|uint(t[1]))%31 == 0 && (t[2]&7 == 5 || t[2]&7 == 3 || t[2]&7 == 4 || t[2]&7 == 2 || t[2]&7 < 2)
}

// unpack decompresses up to limit bytes. What came before an error counts; cut says that there was more than the limit.
func unpack(r io.Reader, limit int) (out []byte, cut bool) {
	var buf bytes.Buffer
	n, _ := io.Copy(&buf, io.LimitReader(r, int64(limit)+1))
	if n > int64(limit) {
		buf.Truncate(limit)
		return buf.Bytes(), true
	}
	return buf.Bytes(), false
}

// inflated decompresses by what t begins with.
func (s *scan) inflated(t []byte, limit int) (out []byte, st step, cut bool) {
	switch {
	case len(t) < 4:
	case t[0] == 0x1F && t[1] == 0x8B:
		if r, err := gzip.NewReader(bytes.NewReader(t)); err == nil {
			out, cut = unpack(r, limit)
			return out, stepGzip, cut
		}
	case t[0] == 0x28 && t[1] == 0xB5:
		if r, err := zstd.NewReader(bytes.NewReader(t), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20), zstd.WithDecoderMaxWindow(8<<20)); err == nil {
			out, cut = unpack(r, limit)
			r.Close()
			return out, stepZstd, cut
		}
	case isZlib(t):
		if r, err := zlib.NewReader(bytes.NewReader(t)); err == nil {
			out, cut = unpack(r, limit)
			return out, stepZlib, cut
		}
	}
	return nil, 0, false
}

// inflate decompresses raw deflate.
func (s *scan) rawInflate(t []byte, limit int) ([]byte, bool) {
	if s.inflate.flate == nil {
		s.inflate.flate = flate.NewReader(bytes.NewReader(t))
	} else if err := s.inflate.flate.(flate.Resetter).Reset(bytes.NewReader(t), nil); err != nil {
		return nil, false
	}
	return unpack(s.inflate.flate, limit)
}

func (s *scan) unbrotli(t []byte, limit int) ([]byte, bool) {
	if s.inflate.brotli == nil {
		s.inflate.brotli = brotli.NewReader(bytes.NewReader(t))
	} else if err := s.inflate.brotli.Reset(bytes.NewReader(t)); err != nil {
		return nil, false
	}
	return unpack(s.inflate.brotli, limit)
}

// minDynamic is the shortest deflate stream with codes of its own that may hold an address: five letters and an end, in codes for them and for the lengths of those.
const minDynamic = 16

// deflated says whether t is raw deflate of text. There is no mark of it, so what comes out has to be text from the start.
func (s *scan) deflated(t []byte) bool {
	if len(t) < 8 || t[0]>>1&3 == 2 && len(t) < minDynamic {
		return false
	}
	if looks, whole := deflateLooks(t); !looks || !whole && t[0]>>1&3 == 2 || s.stop() { // without all of its codes nothing can be read
		return false
	}
	out, _ := s.rawInflate(t, 256)
	return len(out) >= minText && likelyText(out)
}

// deflateLooks checks the head of a deflate stream: that the first letters in the fixed code are text, or that the lengths of a dynamic code fit.
// whole says that all of what is checked was there.
func deflateLooks(t []byte) (looks, whole bool) {
	r := bitReader{t: t}
	switch head := r.read(3); head >> 1 {
	case 1:
		looks = r.fixedLooks()
	case 2:
		looks = r.dynamicLooks()
	}
	return looks, !r.over
}

// beginsDeflate is deflateLooks for no more than a beginning.
func beginsDeflate(t []byte) bool {
	looks, _ := deflateLooks(t)
	return looks
}

// lengthOrder is in which order the lengths of the codes for lengths come.
var lengthOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicLooks checks the head of a block with codes of its own: that all its codes are complete (RFC 1951, 3.2.7). Chance hardly gets there.
func (r *bitReader) dynamicLooks() bool {
	literals, distances, n := r.read(5)+257, r.read(5)+1, r.read(4)+4
	if literals > 286 || distances > 30 {
		return false
	}
	var of [19]uint8 // the length of each code for lengths
	for _, x := range lengthOrder[:n] {
		of[x] = uint8(r.read(3))
	}
	if r.over || !complete(of[:]) {
		return r.over
	}
	// By the next seven bits: the length, or how to repeat one, and how many bits of them say so.
	var symbols, sizes [128]uint8
	code := uint(0)
	for size := uint8(1); size <= 7; size++ {
		for x, have := range of {
			if have != size {
				continue
			}
			for i := uint(bits.Reverse8(uint8(code << (8 - size)))); i < 128; i += 1 << size {
				symbols[i], sizes[i] = uint8(x), size
			}
			code++
		}
		code <<= 1
	}
	var lengths [286 + 30]uint8
	for i := uint(0); i < literals+distances; {
		next := r.peek(7)
		repeat, length := uint(1), symbols[next]
		r.read(int(sizes[next]))
		switch length {
		case 16:
			if i == 0 {
				return false
			}
			length, repeat = lengths[i-1], 3+r.read(2)
		case 17:
			length, repeat = 0, 3+r.read(3)
		case 18:
			length, repeat = 0, 11+r.read(7)
		}
		if r.over || i+repeat > literals+distances {
			return r.over
		}
		for ; repeat > 0; repeat-- {
			lengths[i] = length
			i++
		}
	}
	return lengths[256] > 0 && complete(lengths[:literals]) && (complete(lengths[literals:literals+distances]) || few(lengths[literals:literals+distances]))
}

// complete says whether codes of these lengths use all that there are.
func complete(lengths []uint8) bool {
	sum := 0
	for _, n := range lengths {
		if n > 0 {
			sum += 1 << (15 - n)
		}
	}
	return sum == 1<<15
}

// few says whether there is one code at most, which need not be complete.
func few(lengths []uint8) bool {
	n := 0
	for _, x := range lengths {
		if x > 0 {
			n++
		}
	}
	return n < 2
}

// A bitReader reads from the lowest bit of each byte on.
type bitReader struct {
	t    []byte
	v    uint64
	have int
	over bool // there was not enough
}

// fill has n bits ready, if there are so many.
func (r *bitReader) fill(n int) {
	for ; r.have < n && len(r.t) > 0; r.t = r.t[1:] {
		r.v |= uint64(r.t[0]) << r.have
		r.have += 8
	}
}

// peek is the next n bits, with zeros after the end.
func (r *bitReader) peek(n int) uint {
	r.fill(n)
	return uint(r.v & (1<<n - 1))
}

func (r *bitReader) read(n int) uint {
	if r.fill(n); r.have < n {
		r.over = true
		return 0
	}
	v := uint(r.v & (1<<n - 1))
	r.v >>= n
	r.have -= n
	return v
}

// code reads a code of n bits, which has its highest bit first.
func (r *bitReader) code(n int) uint { return uint(bits.Reverse16(uint16(r.read(n)))) >> (16 - n) }

// fixedSymbols is how many symbols in the fixed code of deflate are checked.
const fixedSymbols = 24

// fixedLooks checks the first symbols in the fixed code: they are text, and go back to what there is.
func (r *bitReader) fixedLooks() bool {
	more, size := uint(0), uint(0) // bytes that a character wants yet; bytes there are
	within := false                // what was repeated may end within a character
	for i := 0; i < fixedSymbols; i++ {
		code := r.code(7)
		if r.over {
			break
		}
		if code < 0x18 { // the end, or a length
			if code == 0 {
				return size >= minText
			}
			extra := 0
			if code > 8 {
				extra = int(code-5) / 4
			}
			length := r.read(extra) + lengthOf[code]
			distance := r.code(5)
			if distance > 3 { // with bits of its own
				half := int(distance)/2 - 1
				distance = (2+distance&1)<<half + r.read(half)
			}
			if r.over {
				break
			}
			if distance >= size {
				return false
			}
			size += length
			more, within = 0, true
			continue
		}
		code = code<<1 | r.read(1)
		var x byte
		switch {
		case code < 0xC0:
			x = byte(code - 0x30)
		case code < 0xC8: // a long length
			return size > 0
		default: // nine bits
			x = byte(code<<1 | r.read(1))
		}
		if r.over {
			break
		}
		switch {
		case within && 0x80 <= x && x < 0xC0:
			size++
			continue
		case more > 0 && 0x80 <= x && x < 0xC0:
			more--
		case more > 0 || x < utf8.RuneSelf && !is(x, inText) || 0x80 <= x && x < 0xC2 || x >= 0xF5:
			return false
		case x >= 0xC2:
			more = 1 + uint(x>>5&1) + uint(x>>4&x>>5&1)
		}
		within = false
		size++
	}
	return true
}

// lengthOf is the least length of the codes of seven bits.
var lengthOf = [24]uint{1: 3, 2: 4, 3: 5, 4: 6, 5: 7, 6: 8, 7: 9, 8: 10, 9: 11, 10: 13, 11: 15, 12: 17, 13: 19, 14: 23, 15: 27, 16: 31, 17: 35, 18: 43, 19: 51, 20: 59, 21: 67, 22: 83, 23: 99}

// brotlied says whether t is brotli of text.
func (s *scan) brotlied(t []byte) bool {
	if len(t) < 8 || !brotliLooks(t, len(t)) || s.stop() {
		return false
	}
	out, _ := s.unbrotli(t, 256)
	return len(out) >= 8 && likelyText(out)
}

// mostBrotli is how many times its size a text in brotli may have. A header by chance says any length, and the decoder allocates as much.
const mostBrotli = 256

// brotliLooks checks the header of a brotli stream of n bytes, and of its first block: the window, and a length that fits.
func brotliLooks(t []byte, n int) bool {
	if t[0]&3 != 3 { // windows of 2^18 to 2^24
		return false
	}
	v := binary.LittleEndian.Uint64(t) >> 4
	last := v&1 == 1
	v >>= 1
	if last {
		if v&1 == 1 { // and empty
			return false
		}
		v >>= 1
	}
	nibbles := v&3 + 4
	if v >>= 2; nibbles == 7 { // no text but metadata
		return false
	}
	size := v&(1<<(4*nibbles)-1) + 1
	if v >>= 4 * nibbles; nibbles > 4 && size <= 1<<(4*nibbles-4) || size < minText || size > mostBrotli*uint64(n) {
		return false
	}
	if !last && v&1 == 1 { // stored: the text begins at the next byte
		bits := 4 + 1 + 2 + 4*nibbles + 1
		return (bits%8 == 0 || t[bits/8]>>(bits%8) == 0) && is(t[(bits+7)/8], inText)
	}
	return true
}

// mostlyText says whether b begins with text in ASCII but for a byte in eight, as no deflate does.
func mostlyText(b []byte) bool {
	head := b[:min(len(b), 128)]
	text := 0
	for _, x := range head {
		if x < utf8.RuneSelf && is(x, inText) {
			text++
		}
	}
	return text*8 >= len(head)*7
}

// fills says whether out may be all of b decompressed. What begins like something compressed by chance ends soon; what is, is hardly longer than its text.
func fills(out, b []byte) bool { return len(out)+16 >= len(b) }

// binary looks at what is decoded and no text in UTF-8: compressed, or in UTF-16. It says whether b was that, and nothing else is to be done.
func (s *scan) binary(b []byte, c chain) bool {
	if len(b) < 4 {
		return false
	}
	if compressed(b) {
		if out, st, cut := s.inflated(b, min(s.left, s.left64())); len(out) > 0 && !(st == stepZlib && mostlyText(b)) { // two letters may look like zlib
			if cut {
				s.notes.add("something compressed is larger than %d KiB: it was read in part", s.left64()>>10)
			}
			s.nested(out, c, st)
			return true
		}
	}
	if t := fromUTF16(b); t != nil {
		s.nested(t, c, stepUTF16)
		return true
	}
	if !likelyText(b[:min(len(b), 64)]) {
		if !mostlyText(b) && s.deflated(b) {
			if out, cut := s.rawInflate(b, min(s.left, s.left64())); cut || fills(out, b) {
				s.nested(out, c, stepDeflate)
				return true
			}
		}
		if s.brotlied(b) {
			if out, cut := s.unbrotli(b, min(s.left, s.left64())); cut || fills(out, b) {
				s.nested(out, c, stepBrotli)
				return true
			}
		}
	}
	return false
}

// nested is node for what came out of a whole text.
func (s *scan) nested(b []byte, c chain, st step) { s.node(b, c, s.top[0], s.top[1], st) }

// utf16Looks says whether every other byte is zero, as in UTF-16 of Latin text, or a mark of UTF-16 comes first.
func utf16Looks(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	if b[0] == 0xFF && b[1] == 0xFE || b[0] == 0xFE && b[1] == 0xFF {
		return true
	}
	n := min(len(b)&^1, 512)
	even, odd, text := 0, 0, 0
	for i := 0; i < n; i += 2 {
		if 4*(i/2-max(even, odd)) > n/2 { // too many without
			return false
		}
		switch {
		case b[i] == 0 && b[i+1] != 0:
			even++
			if is(b[i+1], inText) {
				text++
			}
		case b[i+1] == 0 && b[i] != 0:
			odd++
			if is(b[i], inText) {
				text++
			}
		}
	}
	return max(even, odd)*4 >= n/2*3 && text*4 >= n/2*3
}

// fromUTF16 is UTF-16 as UTF-8; nil where b does not look like it.
func fromUTF16(b []byte) []byte {
	if !utf16Looks(b) {
		return nil
	}
	big := b[0] == 0xFE && b[1] == 0xFF || b[0] == 0 && b[1] != 0
	return decodeUTF16(b, big)
}

func decodeUTF16(b []byte, big bool) []byte {
	out := make([]byte, 0, len(b)/2)
	unit := func(i int) rune {
		if big {
			return rune(b[i])<<8 | rune(b[i+1])
		}
		return rune(b[i+1])<<8 | rune(b[i])
	}
	for i := 0; i+1 < len(b); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) && i+3 < len(b) {
			if two := utf16.DecodeRune(r, unit(i+2)); two != utf8.RuneError {
				r = two
				i += 2
			}
		}
		if r != 0xFEFF {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}
