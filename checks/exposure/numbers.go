package exposure

import (
	"bytes"
	"unicode/utf8"
)

// minCodes is the fewest numbers that are taken for the codes of an address.
const minCodes = 6

// fours follows the code of the at-sign, which is 64, or 40 in hexadecimal and in quoted-printable, and looks for a list of codes around it.
func (s *scan) fours(v *view, c chain) {
	b := v.b
	var done [2]int // up to where lists of decimal and of hexadecimal codes were read
	list := func(i, from, to, base int) {
		if d := &done[base/16]; i >= *d {
			*d = max(*d, s.codes(b, from, to, base, c))
		}
	}
	for i := v.next(v.lo, maskFour); i < v.hi; i = v.next(i+1, maskFour) {
		switch {
		case i > 0 && b[i-1] == '6':
			if aloneIn(b, i-1, i+1) {
				s.codeOfSign(b, i-1, i+1, c)
				list(i, i-1, i+1, 10)
			}
		case i+1 >= len(b):
		case b[i+1] == '0':
			switch {
			case i > 0 && b[i-1] == '=':
				if dotBeside(b, i-1, i+2) {
					s.quotedPrintable(b, i-1, i+2, c)
				}
			case i > 1 && b[i-1]|0x20 == 'x' && b[i-2] == '0' && (i+2 >= len(b) || !is(b[i+2], inWord)):
				s.codeOfSign(b, i-2, i+2, c)
				list(i, i-2, i+2, 16)
			case aloneIn(b, i, i+2):
				list(i, i, i+2, 16)
			}
		case b[i+1] == '6' && aloneIn(b, i, i+2): // 64 backwards
			list(i, i, i+2, 10)
		}
	}
}

// codeOfSign reads the script around a number at b[from:to] that is made a character.
func (s *scan) codeOfSign(b []byte, from, to int, c chain) {
	for _, name := range [...]string{"fromcharcode(", "fromcodepoint("} {
		if from >= len(name) && hasFold(b, from-len(name), name) {
			s.script(b, from, to, c)
		}
	}
}

// dotBeside says whether the words on either side of b[from:to] have a full stop, or go on in quoted-printable: no value of a URL, as in h=40&w=400.
func dotBeside(b []byte, from, to int) bool {
	for i := from - 1; i >= 0 && i > from-maxLocal && is(b[i], inHost); i-- {
		if b[i] == '.' || i > 0 && b[i-1] == '=' && isHex(b[i]) { // may end what is encoded
			return true
		}
	}
	for i := to; i < len(b) && i < to+maxHost && (is(b[i], inHost) || b[i] == '='); i++ {
		if b[i] == '.' || b[i] == '=' {
			return true
		}
	}
	return false
}

// aloneIn says whether b[from:to] is a number of its own.
func aloneIn(b []byte, from, to int) bool {
	return (from == 0 || !is(b[from-1], inWord) && b[from-1] != '.' && b[from-1] != '#' && b[from-1] != '%') && (to >= len(b) || !is(b[to], inWord) && b[to] != '%')
}

func isSeparator(c byte) bool {
	switch c {
	case ',', ';', ' ', '\n', '\r', '\t', ':', '-', '_', '|', '.', '/', '"', '\'', '+', '[', ']', '(', ')', '*', '~', '!', '{', '}', '&', '#':
		return true
	}
	return false
}

// digitsAround is the stretch of digits of a base and separators around [from,to).
func digitsAround(b []byte, from, to, base int) (int, int, bool) {
	digit := func(i int) bool {
		return int(nibble[b[i]]) < base || base == 16 && b[i]|0x20 == 'x' && i > 0 && b[i-1] == '0'
	}
	start := from
	for from > 0 && from > start-reach && (digit(from-1) || isSeparator(b[from-1])) {
		from--
	}
	for to < len(b) && to < start+reach && (digit(to) || isSeparator(b[to])) {
		to++
	}
	// Not the parts of words at the ends.
	if from > 0 && is(b[from-1], inWord) {
		for from < start && is(b[from], inWord) {
			from++
		}
	}
	if to < len(b) && is(b[to], inWord) {
		for to > start && is(b[to-1], inWord) {
			to--
		}
	}
	return from, to, to-from >= 2*minCodes
}

// codes reads a list of character codes around a number at b[from:to]: decimal, forwards or backwards, or hexadecimal. It gives the end of what needs not be
// looked at again.
func (s *scan) codes(b []byte, from, to, base int, c chain) int {
	from, to, ok := digitsAround(b, from, to, base)
	if !ok {
		return 0
	}
	list := b[from:to]
	if text, ok := readCodes(list, base); ok {
		s.node(text, c, from, to, stepCodes)
	} else if base == 10 {
		back := reverse(list)
		if _, ok := readCodes(back, base); ok {
			s.node(back, c, from, to, stepReversed)
		}
	}
	return to
}

// dots are what may stand for the full stop of a domain, or be the beginning of it.
const dots = ".。．｡%&=\\([{ "

// readCodes reads numbers between separators as characters. Of keyed lists, as {"0":97,"1":108}, the keys are left out. It is ok if they are enough, almost all of
// them numbers, and an at-sign and a full stop among them.
func readCodes(b []byte, base int) (text []byte, ok bool) {
	n, bad := 0, 0
	keyed := bytes.Count(b, []byte{':'}) >= minCodes && bytes.Count(b, []byte{','}) >= minCodes-1
	for i := 0; i < len(b); {
		if isSeparator(b[i]) {
			i++
			continue
		}
		j := i
		r := rune(0)
		good := true
		digits := base
		if j+2 < len(b) && b[j] == '0' && b[j+1]|0x20 == 'x' {
			j += 2
			digits = 16
		}
		for ; j < len(b) && !isSeparator(b[j]); j++ {
			d := rune(nibble[b[j]])
			if d >= rune(digits) || r > utf8.MaxRune {
				good = false
				continue
			}
			r = r*rune(digits) + d
		}
		if keyed && j < len(b) && (b[j] == ':' || b[j] == '"' && j+1 < len(b) && b[j+1] == ':') {
			i = j
			continue
		}
		if good && r >= ' ' && r <= utf8.MaxRune && r != 0x7F {
			text = utf8.AppendRune(text, r)
			n++
		} else if n > 0 {
			text = append(text, ' ')
			bad++
		}
		i = j
	}
	return text, n >= minCodes && bad <= 2+n/16 && bytes.IndexByte(text, '@') >= 0 && bytes.ContainsAny(text, dots)
}
