package exposure

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mailreeve/mailreeve/audit/address"
)

// wide follows what is not ASCII: at-signs of other widths, and characters that do not show and part what belongs together.
func (s *scan) wide(v *view, c chain) {
	b, lo, hi := v.b, v.lo, v.hi
	if v.next(lo, maskHigh) == hi && !highIn(b[hi:min(len(b), hi+longestWide)]) {
		return
	}
	here := highOf(v)
	s.wideWords(b, lo, hi, c, &here)
	for _, sign := range [...]string{"＠", "﹫"} {
		if !here.has(sign) {
			continue
		}
		for i := lo; i < hi; {
			n := bytes.Index(b[i:min(len(b), hi+2)], []byte(sign))
			if n < 0 {
				break
			}
			i += n
			from, to := span(b, i, i+len(sign), brokenReach, &partsWords)
			to = max(to, i+len(sign))
			if i > 0 && i+len(sign) < len(b) && !s.address(b, i, len(sign), c.with(stepCompat)) {
				s.node(norm.NFKC.Bytes(b[from:to]), c, from, to, stepCompat)
				s.broken(b, i, len(sign), c)
				i = to
				continue
			}
			i += len(sign)
		}
	}
	// Characters that do not show: U+200B…, U+2060…, U+FEFF, soft hyphen.
	for _, first := range [...]byte{0xE2, 0xC2, 0xEF, 0xCD} {
		if !here[first] {
			continue
		}
		done := lo
		for i := lo; i < hi; i++ {
			n := bytes.IndexByte(b[i:hi], first)
			if n < 0 {
				break
			}
			i += n
			done = s.hiddenAt(b, i, done, c)
		}
	}
	s.lzRuns(v, c)
	// Letters of other widths and styles, where they are not around a plain at-sign, which is followed anyway: encoded words, spelled signs.
	if !here[0xEF] {
		return
	}
	done := lo
	for i := lo; i < hi; i++ {
		n := bytes.IndexByte(b[i:hi], 0xEF)
		if n < 0 {
			break
		}
		i += n
		if i < done || i+2 >= len(b) || b[i+1] < 0xBC || b[i+1] > 0xBD {
			continue
		}
		if r, _ := utf8.DecodeRune(b[i:]); r < 0xFF05 || r > 0xFF5A {
			continue
		}
		from, to := span(b, i, i+3, brokenReach, &partsQuotes)
		done = to
		if to-from > 12 {
			s.node(norm.NFKC.Bytes(b[from:to]), c, from, to, stepCompat)
		}
	}
}

// hiddenAt looks at what may be a character that does not show.
func (s *scan) hiddenAt(b []byte, i, done int, c chain) int {
	if i < done {
		return done
	}
	r, size := utf8.DecodeRune(b[i:])
	if size < 2 || !address.Invisible(r) {
		return done
	}
	from, to := span(b, i, i+size, brokenReach, &partsQuotes)
	if t := visible(string(b[from:to])); len(t) >= minText {
		s.node([]byte(t), c, from, to, stepSplit)
	}
	return to
}

// longestWide is as long as the longest of the wide words, in bytes.
const longestWide = 16

// A highSet has the bytes of a text that are not ASCII.
type highSet [256]bool

// highOf is of what is in a view, and as far on as the longest of the wide words.
func highOf(v *view) (h highSet) {
	for i := v.next(v.lo, maskHigh); i < v.hi; i = v.next(i+1, maskHigh) {
		h[v.b[i]] = true
	}
	for _, x := range v.b[v.hi:min(len(v.b), v.hi+longestWide)] {
		h[x] = h[x] || x >= utf8.RuneSelf
	}
	return h
}

// has says whether all of w that is not ASCII may be in the text.
func (h *highSet) has(w string) bool {
	for i := range len(w) {
		if w[i] >= utf8.RuneSelf && !h[w[i]] {
			return false
		}
	}
	return true
}

// highIn says whether b is more than ASCII.
func highIn(b []byte) bool {
	for len(b) >= 32 {
		if (binary.LittleEndian.Uint64(b)|binary.LittleEndian.Uint64(b[8:])|binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&0x8080808080808080 != 0 {
			return true
		}
		b = b[32:]
	}
	for _, x := range b {
		if x >= utf8.RuneSelf {
			return true
		}
	}
	return false
}
