package exposure

import (
	"bytes"
	"math"
	"slices"
)

// small looks at a run of letters and digits for what is less usual: base32, base58, lz-string.
func (s *scan) small(b []byte, from, to int, c chain) {
	r := b[from:to]
	if len(r) > maxSmall || s.deep(c) {
		return
	}
	if t := s.decode32(r, &base32Value); likelyText(t) || compressed(t) {
		s.node(bytes.Clone(t), c, from, to, stepBase32)
	} else if t := s.decode32(r, &base32HexValue); likelyText(t) {
		s.node(bytes.Clone(t), c, from, to, stepBase32)
	}
	if t := decode58(r); t != nil {
		s.node(t, c, from, to, stepBase58)
	}
	// lz-string's alphabets hold + / - $ and =, too, so it is read on beyond the run.
	if lzFirst(r) {
		end := s.lzEnd(b, to)
		if t := lzBase64(b[from:end], s.left64()); t != nil {
			s.node(t, c, from, end, stepLZ)
		}
	}
	s.buf = append(s.buf[:0], r...)
	slices.Reverse(s.buf)
	if t := s.decode32(s.buf, &base32Value); likelyText(t) || mixed(r) && decode58(s.buf) != nil {
		s.node(bytes.Clone(s.buf), c, from, to, stepReversed)
	}
}

// left64 is how long a text may be that is unpacked in one go.
func (s *scan) left64() int { return min(s.limits.NodeBytes, 1<<20) }

var (
	base32Value    = base32Values("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
	base32HexValue = base32Values("0123456789ABCDEFGHIJKLMNOPQRSTUV")
)

func base32Values(letters string) (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	for i := range len(letters) {
		t[letters[i]] = byte(i)
		t[bytes.ToLower([]byte{letters[i]})[0]] = byte(i)
	}
	return t
}

// decode32 decodes base32 in either case; nil where r is none. What it gives is written over by the next.
func (s *scan) decode32(r []byte, table *[256]byte) []byte {
	switch len(r) % 8 {
	case 1, 3, 6:
		return nil
	}
	if len(r) < 10 {
		return nil
	}
	for _, x := range r {
		if table[x] == 0xFF {
			return nil
		}
	}
	out := s.hexed[:0]
	acc, bits := uint32(0), 0
	for _, x := range r {
		acc = acc<<5 | uint32(table[x])
		if bits += 5; bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
		}
	}
	s.hexed = out
	return out
}

// base58Value is the value of each letter of Bitcoin's base58.
var base58Value = base58Values()

func base58Values() (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	const letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	for i := range len(letters) {
		t[letters[i]] = byte(i)
	}
	return t
}

// maxBase58 is the longest text that is read as base58, which takes time in proportion to the square of it.
const maxBase58 = 2048

// decode58 decodes base58; nil where r is none, or no text. The first bytes are worked out in floating point, to give up early.
func decode58(r []byte) []byte {
	if len(r) < minBase58 || len(r) > maxBase58 {
		return nil
	}
	head := 0.0
	scale := 1.0
	for _, x := range r[:minBase58] {
		v := base58Value[x]
		if v == 0xFF {
			return nil
		}
		scale /= 58
		head += float64(v) * scale
	}
	if head == 0 {
		return nil
	}
	// r is head × 58^len: its first base-256 digits, where its length in bytes is as it comes out.
	bits := math.Log2(head) + float64(len(r))*math.Log2(58)
	size := math.Floor(bits/8) + 1
	top := math.Exp2(bits - 8*(size-1)) // the first byte and a fraction
	for i := range 3 {
		d := math.Floor(top)
		if i == 0 && d == 0x1F { // gzip
			break
		}
		if sure := top-d > 1e-4 && top-d < 1-1e-4; sure && !is(byte(d), inText) {
			return nil
		}
		top = (top - d) * 256
	}
	out := make([]uint32, 0, len(r)*3/4+8) // base 2^32, least first
	for _, x := range r {
		carry := uint64(base58Value[x])
		if carry == 0xFF {
			return nil
		}
		for i, d := range out {
			carry += uint64(d) * 58
			out[i] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			out = append(out, uint32(carry))
		}
	}
	text := make([]byte, 0, 4*len(out))
	for i := len(out) - 1; i >= 0; i-- {
		text = append(text, byte(out[i]>>24), byte(out[i]>>16), byte(out[i]>>8), byte(out[i]))
	}
	text = bytes.TrimLeft(text, "\x00")
	if !likelyText(text) && !compressed(text) {
		return nil
	}
	return text
}
