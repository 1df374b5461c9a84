package exposure

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Words for the at-sign and for what else is spelled out in addresses, in languages where people do that. In brackets of any kind, and bare.
var (
	atWords = []string{"at", "arroba", "arrobase", "arobase", "arobas", "chez", "chiocciola", "apenstaartje", "klammeraffe", "affenschwanz", "kukac", "snabel-a", "snabela", "zavinac",
		"zavináč", "malpa", "małpa", "ät", "aet", "æt", "et", "a", "(at)", "at-sign", "atsign", "sobaka", "собака", "собачка", "アットマーク", "アット", "あっと", "골뱅이", "앳", "艾特", "kuyruklu", "ⓐ", "@"}
	dotWords = []string{"dot", "d0t", "punkt", "punktum", "punto", "point", "ponto", "punt", "pont", "punct", "prikk", "prick", "prik", "piste", "tecka", "tečka", "kropka", "nokta",
		"stip", "bod", "bodka", "period", "fullstop", "full-stop", "точка", "ドット", "どっと", "点", "點", "점", "닷", "."}
	otherWords = map[string]byte{"plus": '+', "dash": '-', "hyphen": '-', "minus": '-', "underscore": '_', "bindestrich": '-', "guion": '-', "tiret": '-', "unterstrich": '_'}
	// Bare words of these are too usual to begin an address without brackets.
	bracketsOnly = map[string]bool{"a": true, "et": true, "chez": false, "pont": false, "bod": true, "stip": true}
	wideWords    = [...]string{"ät", "æt", "собак", "собачк", "アット", "あっと", "골뱅이", "앳", "艾特", "małpa", "zavináč", "ⓐ", "［", "（", "【"}
)

var rareWords = [...]string{"apenstaartje", "klammeraffe", "affenschwanz", "kukac", "snabel", "zavinac", "malpa", "sobaka", "kuyruklu"}

// rarePairs has the pairs of letters with which they begin, as leadPairs.
var rarePairs = pairsOfLetters("ap", "kl", "af", "ku", "sn", "za", "ma", "so")

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
	cases = 0x2020202020202020
)

// pair gives a word that has a zero byte wherever a and b, lower-case letters, follow each other in x; y is x one byte on.
func pair(x, y uint64, a, b byte) uint64 {
	return zeros(x ^ uint64(a)*lows | y ^ uint64(b)*lows)
}

// words follows spelled-out at-signs in a text that is small.
func (s *scan) words(b []byte, c chain) {
	i := 0
	for ; i+9 <= len(b); i += 8 {
		x, y := binary.LittleEndian.Uint64(b[i:])|cases, binary.LittleEndian.Uint64(b[i+1:])|cases
		hits := pair(x, y, 'a', 't') | pair(x, y, 'o', 'b') | pair(x, y, 'c', 'h') | pair(x, y, 'a', ']'|0x20) | pair(x, y, 'a', ')') | pair(x, y, '['|0x20, 'e') | pair(x, y, 'j', 'o')
		for ; hits != 0; hits &= hits - 1 {
			j := i + bits.TrailingZeros64(hits)/8
			if b[j+1]|0x20 == 't' && j > 0 && is(b[j-1], inWord) && b[j] >= 'a' { // within a word
				continue
			}
			s.wordAt(b, j, c)
		}
	}
	for ; i < len(b)-1; i++ {
		s.wordAt(b, i, c)
	}
	for i := range len(b) - 1 { // the rarer words only where that costs nothing
		if rarePairs[b[i]&31]>>(b[i+1]&31)&1 == 0 {
			continue
		}
		for _, w := range rareWords {
			if hasFold(b, i, w) {
				s.spelledAt(b, i, c)
			}
		}
	}
}

// wideWords follows at-signs that are spelled out in other scripts.
func (s *scan) wideWords(b []byte, lo, hi int, c chain, here *highSet) {
	for _, w := range wideWords {
		if !here.has(w) {
			continue
		}
		for i := lo; i < hi; {
			n := bytes.Index(b[i:min(len(b), hi+len(w))], []byte(w))
			if n < 0 {
				break
			}
			i += n
			if w[0] == 0xEF && w[1] == 0xBC || w == "【" { // full-width brackets
				i += len(w)
				s.spelledAt(b, i, c)
				continue
			}
			s.spelledAt(b, i, c)
			i += len(w)
		}
	}
}

// wordAt looks whether a word for the at-sign begins at b[i], or at a place that its letters there tell.
func (s *scan) wordAt(b []byte, i int, c chain) {
	switch b[i] | 0x20 {
	case 'a':
		switch b[i+1] | 0x20 {
		case 't':
			if hasFold(b, i+2, "ob(") {
				s.script(b, i, i+5, c)
				return
			}
			before, after := i > 0 && is(b[i-1], inWord), i+2 < len(b) && is(b[i+2], inWord)
			if before || after {
				if !(b[i] == 'A' && b[i+1] == 'T' && before && after && b[i-1] >= 'a' && b[i+2] >= 'a') {
					return
				}
			}
			s.spelledAt(b, i, c)
		case ']', ')':
			if i > 0 && (b[i-1] == '[' || b[i-1] == '(') && (i < 2 || b[i-2] != '.') && i > 1 && (is(b[i-2], inSpace) || is(b[i-2], inWord)) {
				s.spelledAt(b, i, c)
			}
		}
	case '[' | 0x20:
		if hasFold(b, i+1, "et") && i+3 < len(b) && (b[i+3] == ']' || b[i+3] == '}') {
			s.spelledAt(b, i+1, c)
		}
	case 'o':
		if b[i+1]|0x20 == 'b' && i >= 2 && b[i-1]|0x20 == 'r' {
			j := i - 2
			for j > 0 && is(b[j-1], inWord) && i-j < 8 {
				j--
			}
			s.spelledAt(b, j, c)
		}
	case 'j':
		if i > 1 && b[i-1] == '.' && (b[i-2] == ']' || b[i-2] == ')') && hasFold(b, i, "join(") {
			s.script(b, i, i+5, c)
		}
	case 'c':
		if b[i] == 'C' && i > 4 && b[i-1] == 'm' && hasFold(b, i-4, "fromcharcode") {
			s.script(b, i, i+8, c)
			return
		}
		if b[i+1]|0x20 == 'h' && i+4 < len(b) && (i == 0 || !is(b[i-1], inWord)) && (b[i+2]|0x20 == 'e' && b[i+3]|0x20 == 'z' || b[i+2]|0x20 == 'i' && b[i+3]|0x20 == 'o') {
			s.spelledAt(b, i, c)
		}
	}
}

// spelledAt looks whether a word for the at-sign begins at b[i], and an address around it.
func (s *scan) spelledAt(b []byte, i int, c chain) {
	n := 0
	var word string
	for _, w := range atWords {
		if len(w) > n && hasFold(b, i, w) && !(is(w[len(w)-1], inWord) && i+len(w) < len(b) && isLetterAfter(b, i+len(w), w)) {
			n, word = len(w), w
		}
	}
	if n == 0 || bracketsOnly[word] && !(i > 0 && isBracket(b[i-1]) && i+n < len(b) && isBracket(b[i+n])) {
		return
	}
	s.spelledAround(b, i, i+n, c)
}

func isLetterAfter(b []byte, i int, w string) bool {
	if w[len(w)-1] >= utf8.RuneSelf || b[i] >= utf8.RuneSelf {
		return false
	}
	if w == "at" && i >= 2 && b[i-2] == 'A' && b[i-1] == 'T' {
		return false
	}
	return is(b[i], inWord)
}

func isBracket(c byte) bool {
	switch c {
	case '[', ']', '(', ')', '{', '}', '<', '>', '|', '*', '_', '-', '/', '~', '"', '\'':
		return true
	}
	return c >= utf8.RuneSelf
}

// hasFold says whether b has w, given in lower case, at i. ASCII letters compare without case.
func hasFold(b []byte, i int, w string) bool {
	if len(b)-i < len(w) {
		return false
	}
	for j := range len(w) {
		x := b[i+j]
		if 'A' <= x && x <= 'Z' {
			x |= 0x20
		}
		if x != w[j] {
			return false
		}
	}
	return true
}

// Bounds of a spelled-out address.
const (
	maxGlue   = 48   // bytes between two of its parts
	maxMarkup = 1024 // the same with the tags there
	maxTags   = 16
	maxLabels = 10
)

// spelledAround reads an address around a sign or a word for it at b[i:j].
func (s *scan) spelledAround(b []byte, i, j int, c chain) {
	host, end := spelledHost(b, j)
	if host == nil {
		return
	}
	name, begin := spelledName(b, i)
	if name == nil {
		return
	}
	if b[i] == '@' && bytes.Equal(b[begin:i], name) && bytes.Equal(b[j:end], host) { // nothing is spelled out
		return
	}
	if c.n == s.base {
		s.lead(begin, end)
	}
	c = c.with(stepSpelled)
	s.candidate(name, host, c, begin, end)
	s.substituted(name, host, c, begin, end)
	if dotted := undash(name); len(dotted) < len(name) {
		s.candidate(dotted, host, c, begin, end)
	}
}

// undash writes jane-dot-doe and jane_dot_doe with a full stop.
func undash(name []byte) []byte {
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if x := name[i]; i > 0 && (x == '-' || x == '_') {
			n := 0
			for _, w := range dotWords {
				if end := i + 1 + len(w); len(w) > 2 && hasFold(name, i+1, w) && end < len(name)-1 && name[end] == x {
					n = len(w)
				}
			}
			if n > 0 {
				out = append(out, '.')
				i += n + 1
				continue
			}
		}
		out = append(out, name[i])
	}
	return out
}

// glue skips what stands between the parts of a spelled-out address: white space, brackets, tags; forwards from b[i].
func glue(b []byte, i int) int {
	end, most, tags := min(len(b), i+maxGlue), min(len(b), i+maxMarkup), 0
	for i < end {
		switch x := b[i]; {
		case is(x, inSpace), x == '[', x == ']', x == '(', x == ')', x == '{', x == '}', x == '|', x == '*', x == '_', x == '"', x == '\'', x == '~', x == '\\', x == '+':
			i++
		case x == '-' && i+1 < len(b) && !is(b[i+1], inWord) || x == '-' && i > 0 && is(b[i-1], inWord|inSpace):
			i++
		case x == '/' && i > 0 && i+1 < len(b) && (is(b[i-1], inSpace) || is(b[i+1], inSpace)):
			i++
		case x == '<' || x == '>' || x == '/' && i > 0 && b[i-1] == '<':
			if x == '<' {
				if n := bytes.IndexByte(b[i:min(len(b), i+256)], '>'); n > 0 && (n > 6 || !spelledTag(b[i+1:i+n])) {
					if tags++; tags > maxTags {
						return i
					}
					i += n + 1
					end = min(most, max(end, i+16))
					continue
				}
			}
			i++
		case x == '&':
			if n := bytes.IndexByte(b[i:min(len(b), i+10)], ';'); n > 0 {
				i += n + 1
				continue
			}
			return i
		case x == 0xC2 && i+1 < len(b) && b[i+1] == 0xA0:
			i += 2
		case x == 0xE3 && i+2 < len(b) && b[i+1] == 0x80 && (b[i+2] == 0x80 || b[i+2] >= 0x88 && b[i+2] <= 0x91):
			i += 3
		case x == 0xEF && i+2 < len(b) && b[i+1] == 0xBC && (b[i+2] == 0x88 || b[i+2] == 0x89 || b[i+2] == 0xBB || b[i+2] == 0xBD), x == 0xEF && i+2 < len(b) && b[i+1] == 0xBD && (b[i+2] == 0x9B || b[i+2] == 0x9D):
			i += 3
		default:
			return i
		}
	}
	return i
}

// spelledTag says whether what is between angle brackets is a word for a sign, as <at>, and no tag.
func spelledTag(t []byte) bool {
	for _, words := range [...][]string{atWords, dotWords} {
		for _, w := range words {
			if len(w) == len(t) && len(w) > 1 && hasFold(t, 0, w) {
				return true
			}
		}
	}
	return false
}

// glueBack is glue, backwards: what ends at b[i].
func glueBack(b []byte, i int) int {
	end, most, tags := max(0, i-maxGlue), max(0, i-maxMarkup), 0
	for i > end {
		switch x := b[i-1]; {
		case is(x, inSpace), x == '[', x == ']', x == '(', x == ')', x == '{', x == '}', x == '|', x == '*', x == '_', x == '-', x == '"', x == '\'', x == '~', x == '\\', x == '<', x == '+':
			i--
		case x == '/' && i > 1 && i < len(b) && (is(b[i-2], inSpace) || is(b[i], inSpace)):
			i--
		case x == '>':
			n := bytes.LastIndexByte(b[max(0, i-256):i-1], '<')
			if n < 0 {
				i--
				continue
			}
			if tags++; tags > maxTags {
				return i
			}
			i = max(0, i-256) + n
			end = max(most, min(end, i-16))
		case x == ';':
			n := bytes.LastIndexByte(b[max(0, i-10):i], '&')
			if n < 0 {
				return i
			}
			i = max(0, i-10) + n
		case x == 0xA0 && i > 1 && b[i-2] == 0xC2:
			i -= 2
		case i > 2 && b[i-3] == 0xE3 && b[i-2] == 0x80 && (x == 0x80 || x >= 0x88 && x <= 0x91):
			i -= 3
		case i > 2 && b[i-3] == 0xEF && b[i-2] == 0xBC && (x == 0x88 || x == 0x89 || x == 0xBB || x == 0xBD):
			i -= 3
		default:
			return i
		}
	}
	return i
}

// spelledHost reads a domain of two labels or more from b[i] on, with full stops as they are or spelled out.
func spelledHost(b []byte, i int) (host []byte, end int) {
	i = glue(b, i)
	labels := 0
	for labels < maxLabels {
		j := i
		for j < len(b) && j-i < 64 && (is(b[j], inWord) || b[j] == '-' && j > i && j+1 < len(b) && is(b[j+1], inWord)) {
			j++
		}
		// example-dot-com, exampleDOTcom
		cut := -1
		for k := i + 1; k+3 < j && cut < 0; k++ {
			if b[k] == '-' {
				for _, w := range dotWords {
					if len(w) > 2 && hasFold(b, k+1, w) && k+1+len(w) < j && b[k+1+len(w)] == '-' {
						cut = k
					}
				}
			} else if b[k] >= utf8.RuneSelf {
				for _, w := range dotWords {
					if w[0] >= utf8.RuneSelf && hasFold(b, k, w) {
						cut = k
					}
				}
			} else if b[k] == 'D' && b[k+1] == 'O' && b[k+2] == 'T' && b[k-1] >= 'a' && k+3 < j && b[k+3] >= 'a' {
				cut = k
			}
		}
		if cut > 0 {
			j = cut
		}
		if j == i {
			break
		}
		host = append(host, b[i:j]...)
		labels++
		end = j
		k, ok := spelledDot(b, j)
		if !ok {
			if op, k := spelledOther(b, j); op != 0 && labels > 0 {
				host = append(host, op)
				labels--
				i = k
				continue
			}
			break
		}
		host = append(host, '.')
		i = k
	}
	host = bytes.TrimRight(host, ".-_+")
	if labels < 2 {
		return nil, 0
	}
	return host, end
}

// spelledDot reads a full stop at b[i], as it is or spelled out, and gives where it ends.
func spelledDot(b []byte, i int) (int, bool) {
	if i >= len(b) {
		return i, false
	}
	if b[i] == '.' {
		return i + 1, i+1 < len(b) && is(b[i+1], inWord)
	}
	j := glue(b, i)
	n := 0
	for _, w := range dotWords {
		if len(w) <= n || !hasFold(b, j, w) {
			continue
		}
		if w == "." && (j == i) {
			continue
		}
		if is(w[len(w)-1], inWord) && w[0] < utf8.RuneSelf {
			if j+len(w) < len(b) && is(b[j+len(w)], inWord) && !(b[j] == 'D' && b[j+1] == 'O' && b[j+2] == 'T') {
				continue
			}
			if j == i && !(b[j] == 'D' && b[j+1] == 'O') {
				continue
			}
		}
		n = len(w)
	}
	if n == 0 {
		return i, false
	}
	return glue(b, j+n), true
}

// spelledOther reads another sign that is spelled out, as dash or underscore.
func spelledOther(b []byte, i int) (byte, int) {
	j := glue(b, i)
	if j == i {
		return 0, i
	}
	for w, op := range otherWords {
		if hasFold(b, j, w) && j+len(w) < len(b) && !is(b[j+len(w)], inWord) {
			return op, glue(b, j+len(w))
		}
	}
	return 0, i
}

// spelledName reads a local part that ends before b[i], with the glue between.
func spelledName(b []byte, i int) (name []byte, begin int) {
	j := glueBack(b, i)
	var parts [][]byte
	for len(parts) < 2*maxLabels {
		k := j
		for k > 0 && j-k < 64 && (is(b[k-1], inWord) || k < j && (b[k-1] == '.' || b[k-1] == '-' || b[k-1] == '_' || b[k-1] == '+')) {
			k--
		}
		word := bytes.TrimLeft(b[k:j], ".-+_")
		if len(word) == 0 {
			break
		}
		parts = append(parts, word)
		begin = k
		// A sign that is spelled out before it?
		e := glueBack(b, k)
		if e == k || e == 0 {
			break
		}
		w := e
		for w > 0 && e-w < 12 && is(b[w-1], inWord) {
			w--
		}
		op := byte(0)
		for _, d := range dotWords {
			if len(d) == e-w && len(d) > 2 && hasFold(b, w, d) {
				op = '.'
			}
		}
		if op == 0 {
			op = otherWords[string(bytes.ToLower(b[w:e]))]
		}
		if op == 0 && w == e && e > 0 && b[e-1] == '.' && e >= 2 && (is(b[e-2], inSpace) || isBracket(b[e-2]) && isBracket(b[e])) { // jane . doe, jane[.]doe
			op, w = '.', e-1
		}
		if op == 0 {
			break
		}
		parts = append(parts, []byte{op})
		j = glueBack(b, w)
	}
	if len(parts) > 0 && len(parts)%2 == 0 {
		parts = parts[:len(parts)-1]
	}
	for k := len(parts) - 1; k >= 0; k-- {
		name = append(name, parts[k]...)
	}
	return name, begin
}
