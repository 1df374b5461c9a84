package exposure

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit/address"
)

// window is how much of a text is searched for leads of every kind before the next: what fits a processor's cache.
const window = 8 << 10

// explore looks through a text for addresses, hashes, and what can be decoded.
func (s *scan) explore(b []byte, c chain) {
	if s.strict && c.n > s.base && address.LooksLike(b) {
		s.probe(ofAddress, nil, s.top[0], s.top[1])
	}
	if s.binary(b, c) {
		return
	}
	outer := s.read
	s.read = readings{}
	defer func() { s.read = outer }()
	for lo := 0; lo < len(b) && !s.stop(); lo += window {
		s.window(b, lo, min(lo+window, len(b)), c)
	}
}

// window follows the leads in b[lo:hi].
func (s *scan) window(b []byte, lo, hi int, c chain) {
	v := s.view(b, lo, hi)
	defer s.unview(v)
	s.signs(&v, c)
	if v.m != nil {
		s.masked(&v, c)
	} else {
		s.runs(b, c)
	}
	if s.deep(c) {
		return
	}
	s.percents(&v, c)
	s.ampersands(&v, c)
	s.backslashes(&v, c)
	s.fours(&v, c)
	if v.m == nil {
		s.words(b, c)
	}
	s.pluses(&v, c)
	s.wide(&v, c)
}

// span is the stretch around [from,to) without bytes that part words, at most max bytes to each side.
func span(b []byte, from, to, most int, parts *[256]bool) (int, int) {
	low, high := max(0, from-most), min(len(b), to+most)
	for from > low && !parts[b[from-1]] {
		from--
	}
	for to < high && !parts[b[to]] {
		to++
	}
	return from, to
}

func set(bytes string, also func(byte) bool) (t [256]bool) {
	for i := range len(bytes) {
		t[bytes[i]] = true
	}
	for i := range t {
		if also != nil && also(byte(i)) {
			t[i] = true
		}
	}
	return t
}

// What parts words: white space, quotes, angle brackets.
var (
	partsWords  = set("\"'<>`", func(c byte) bool { return is(c, inSpace) || c < ' ' })
	partsQuotes = set("\"'<>`\n\r", nil)
)

// reach is how far around a lead its word is looked for, in bytes.
const reach = 32 << 10

// percents follows percent-encoding.
func (s *scan) percents(v *view, c chain) {
	b := v.b
	for i := v.next(v.lo, maskPercent); i < v.hi; i = v.next(i+1, maskPercent) {
		forward := i+2 < len(b) && (isHex(b[i+1]) && isHex(b[i+2]) || b[i+1] == 'u' && isHex(b[i+2]))
		backward := i >= 2 && isHex(b[i-1]) && isHex(b[i-2])
		if !forward && !backward {
			continue
		}
		from, to := span(b, i, i+1, reach, &partsWords)
		word := b[from:to]
		if forward {
			s.escapedSum(word, '%', c, from, to, stepPercent)
		}
		if forward && c.n == s.base && partsOnly(word) {
			i = to - 1
			continue
		}
		if forward {
			s.node(percentDecode(word), c, from, to, stepPercent)
		}
		if backward && reversedPercent(word) {
			s.node(reverse(word), c, from, to, stepReversed)
		}
		i = to - 1
	}
}

// escapedSum takes a word for a hash of which each byte is escaped, as \xC7 or %C7, if it ends with as many.
func (s *scan) escapedSum(w []byte, mark byte, c chain, from, to int, st step) {
	end := len(w)
	if mark == '%' { // what follows the value
		if i := bytes.IndexByte(w, '&'); i > 0 {
			end = i
		}
	}
	if most := w[max(0, end-4*sizes[len(sizes)-1]):end]; len(most) < 2*sizes[0] || bytes.IndexByte(most[len(most)-12:], mark) < 0 || bytes.Count(most, []byte{mark}) < sizes[0]/2 {
		return
	}
	var back []byte
	for i := end; i > 0 && len(back) <= sizes[len(sizes)-1]; {
		if i < 3 || !isHex(w[i-1]) || !isHex(w[i-2]) || w[i-3] != mark {
			if x := w[i-1]; mark == '%' && x < utf8.RuneSelf && is(x, inHost) { // letters are not escaped by all
				back = append(back, x)
				i--
				continue
			}
			break
		}
		back = append(back, nibble[w[i-2]]<<4|nibble[w[i-1]])
		if i -= 3; mark == 'x' && i > 0 && w[i-1] == '\\' {
			i--
		}
	}
	for _, size := range sizes {
		if len(back) == size {
			slices.Reverse(back)
			if !likelyText(back) {
				if c.n == s.base {
					s.lead(from, to)
				}
				s.keep(ofSum, back, c.with(st))
			}
			return
		}
	}
}

// partsOnly says whether what is encoded in a word only parts what is not, and that is too short, or no address, as it stands.
func partsOnly(w []byte) bool {
	run := 0
	for i := 0; i < len(w); i++ {
		switch x := w[i]; {
		case x == '@' || x == '&' && i+1 < len(w) && w[i+1] == '#' || x == '\\' || x >= utf8.RuneSelf:
			return false
		case x == '%':
			if i+2 >= len(w) {
				return true
			}
			switch w[i+1] {
			case '2':
				switch w[i+2] | 0x20 {
				case '5', '6', 'e', 'd', 'b':
					return false
				case 'f': // a letter of base64
					t := tally{}
					from := i
					for ; from > 0 && is(w[from-1], inBase64); from-- {
						t.add(w[from-1])
					}
					if i-from >= minRun && t.dense(i-from) {
						return false
					}
				}
			case '3':
				if w[i+2]|0x20 == 'd' || w[i+2] <= '9' {
					return false
				}
			case '5', '7':
				if d := w[i+2] | 0x20; d != 'b' && d != 'd' {
					return false
				}
			case '0':
			default:
				return false
			}
			i += 2
			run = 1
			if i+2 < len(w) && atWordBegins(w[i+1:]) {
				return false
			}
		case is(x, inBase64): // the run after what is encoded; others stand as they are
			if run > 0 {
				if run++; run > minRun {
					t := tally{}
					from := i - minRun + 1
					for ; i+1 < len(w) && is(w[i+1], inBase64); i++ {
					}
					for _, x := range w[from : i+1] {
						t.add(x)
					}
					if t.dense(i + 1 - from) {
						return false
					}
					run = 0
				}
			}
		default:
			run = 0
		}
	}
	return true
}

// atWordBegins says whether w begins like a word for the at-sign, in brackets or without, in letters of any case.
func atWordBegins(w []byte) bool {
	if len(w) > 2 && isBracket(w[0]) {
		w = w[1:]
	}
	if len(w) < 2 || w[0]|0x20 == 'a' && isBracket(w[1]) {
		return len(w) >= 2
	}
	return isLetter(w[0]) && isLetter(w[1]) && (leadPairs[w[0]&31]>>(w[1]&31)&1 != 0 || w[0]|0x20 == 'a' && w[1]|0x20 == 'r')
}

// percentDecode decodes percent-encoding, and the %uXXXX of JavaScript's escape.
func percentDecode(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			if isHex(b[i+1]) && isHex(b[i+2]) {
				out = append(out, nibble[b[i+1]]<<4|nibble[b[i+2]])
				i += 2
				continue
			}
			if b[i+1] == 'u' && i+5 < len(b) {
				if r, ok := hexRune(b[i+2 : i+6]); ok {
					out = utf8.AppendRune(out, r)
					i += 5
					continue
				}
			}
		}
		out = append(out, b[i])
	}
	return out
}

// hexRune is the number that b spells in hexadecimal.
func hexRune(b []byte) (rune, bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	r := rune(0)
	for _, d := range b {
		if !isHex(d) || r > 0xFFFFFF {
			return 0, false
		}
		r = r<<4 | rune(nibble[d])
	}
	return r, true
}

// reversedPercent says whether a word read backwards holds an encoded at-sign or something likely to.
func reversedPercent(w []byte) bool {
	return bytes.Contains(w, []byte("04%")) || bytes.Contains(w, []byte("0452%")) || bytes.Contains(w, []byte("E2%")) || bytes.Contains(w, []byte("e2%")) || bytes.IndexByte(w, '@') >= 0
}

// reverse is b backwards, by characters.
func reverse(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		_, n := utf8.DecodeLastRune(b)
		out = append(out, b[len(b)-n:]...)
		b = b[:len(b)-n]
	}
	return out
}

// ampersands follows character references of HTML.
func (s *scan) ampersands(v *view, c chain) {
	b := v.b
	turned := 0 // up to where words were looked at backwards
	for i := v.next(v.lo, maskAmpersand); i < v.hi; i = v.next(i+1, maskAmpersand) {
		if i > 0 && b[i-1] == '#' && i >= turned {
			from, to := span(b, i, i+1, reach, &partsWords)
			if turned = to; bytes.Contains(b[from:to], []byte("46#&")) || bytes.Contains(b[from:to], []byte("04x#&")) {
				s.node(reverse(b[from:to]), c, from, to, stepReversed)
			}
		}
		if !reference(b[i+1:]) {
			continue
		}
		from, to := span(b, i, i+1, reach, &partsWords)
		decoded := unescapeHTML(b[from:to])
		s.node(decoded, c, from, to, stepEntities)
		if at := bytes.IndexByte(decoded, '@'); at >= 0 && (at == 0 || at == len(decoded)-1) { // tags around it
			low, high := max(0, i-brokenReach), min(len(b), to+brokenReach)
			if t := stripTags(b[low:high], i-low); len(t) < high-low {
				s.node(t, c, from, to, stepSplit)
			}
		}
		i = to - 1
	}
}

// reference says whether what follows an ampersand is a character reference that may be part of an address, or hide one.
func reference(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	if b[0] == '#' {
		return b[1]|0x20 == 'x' || '0' <= b[1] && b[1] <= '9'
	}
	if !isLetter(b[0]) { // as in a && b
		return false
	}
	var names []string
	switch b[0] {
	case 'a':
		if len(b) > 4 && b[1] == 'm' && b[2] == 'p' && b[3] == ';' {
			return reference(b[4:]) || joinsLocal(b[4:])
		}
		return false
	case 'n', 'q', 'g': // nbsp, quot, gt: the most usual
		if b[1] != 'u' {
			return false
		}
		names = hiding[:]
	case 'l':
		if b[1] == 't' {
			return false
		}
		names = hiding[:]
	default:
		names = hiding[:]
	}
	for _, name := range names {
		if b[0] == name[0] && len(b) >= len(name) && string(b[:len(name)]) == name {
			return true
		}
	}
	return false
}

// joinsLocal says whether b goes on like a local part up to its at-sign, so that an ampersand before it may be part of it.
func joinsLocal(b []byte) bool {
	for i, x := range b[:min(len(b), 65)] {
		if x == '@' {
			return i > 0
		}
		if !is(x, inWord) && x != '.' && x != '-' && x != '_' && x != '+' && x != '\'' {
			return false
		}
	}
	return false
}

// hiding are the named references that are worth decoding. Those of quotes, angle brackets and spaces part words anyway.
var hiding = [...]string{"commat", "period", "shy", "zwnj", "zwj", "ZeroWidthSpace", "NoBreak", "lowbar", "UnderBar", "plus;", "hyphen", "dash;",
	"num;", "lpar", "rpar", "lsqb", "lbrack", "rsqb", "rbrack", "lcub", "lbrace", "equals", "percnt", "sol;", "bsol", "excl;", "Tab;", "NewLine", "InvisibleComma", "ic;", "it;", "af;",
	"lrm", "rlm", "colon;"}

// backslashes follows the escapes of JavaScript, JSON and CSS.
func (s *scan) backslashes(v *view, c chain) {
	b := v.b
	turned := 0 // up to where words were looked at backwards
	for i := v.next(v.lo, maskBackslash); i < v.hi; i = v.next(i+1, maskBackslash) {
		if i > 0 && (b[i-1] == 'u' || b[i-1] == 'x') && i >= turned {
			from, to := span(b, i, i+1, reach, &partsWords)
			if turned = to; bytes.Contains(b[from:to], []byte(`0400u\`)) || bytes.Contains(b[from:to], []byte(`04x\`)) {
				s.node(reverse(b[from:to]), c, from, to, stepReversed)
			}
		}
		if i+1 >= len(b) {
			return
		}
		js, css := false, false
		switch d := b[i+1]; {
		case d == 'u' || d == 'x' || d == 'U':
			js = true
		case isHex(d):
			js, css = '0' <= d && d < '8', cssVisible(b[i+1:])
		case d == '@' || d == '.' || d == '\n' || d == '\r':
			js = true
		}
		if !js && !css {
			i++ // also over a second backslash
			if i+1 < len(b) && b[i] == '\\' && (b[i+1] == 'u' || b[i+1] == 'x') {
				i--
				js = true
			} else {
				continue
			}
		}
		end := 0
		if js {
			parts := &partsWords
			if b[i+1] == '\n' || b[i+1] == '\r' {
				parts = &partsEscaped
			}
			from, to := span(b, i, i+1, reach, parts)
			if b[i+1] == 'x' {
				s.escapedSum(b[from:to], 'x', c, from, to, stepJS)
			}
			if from == i && b[i+1] == 'u' { // lz-string, whose letters all signs are
				to = max(to, lzLiteral(b, i))
			}
			decoded := unescapeJS(b[from:to])
			s.node(decoded, c, from, to, stepJS)
			if len(decoded) < minText && bytes.IndexByte(decoded, '@') >= 0 { // of an expression
				s.script(b, i, to, c)
			}
			end = to
		}
		if css {
			from, to := span(b, i, i+1, 512, &partsQuotes)
			decoded := unescapeCSS(b[from:to])
			s.node(decoded, c, from, to, stepCSS)
			if len(decoded) < minText && bytes.IndexByte(decoded, '@') >= 0 {
				s.script(b, i, to, c)
			}
			end = max(end, to)
		}
		i = max(i, end-1)
	}
}

// cssVisible says whether the digits at the beginning of b are a character that shows: \d and \b of a regular expression are none.
func cssVisible(b []byte) bool {
	r := 0
	for _, x := range b[:min(len(b), 6)] {
		if !isHex(x) {
			break
		}
		r = r<<4 | int(nibble[x])
	}
	return r >= ' '
}

// partsEscaped lets a line end with a backslash before it be part of a word.
var partsEscaped = set("\"'<>` \t", nil)

// unescapeJS decodes the escapes of JavaScript and JSON.
func unescapeJS(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 >= len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		switch d := b[i]; d {
		case 'u', 'U':
			if i+1 < len(b) && b[i+1] == '{' {
				if n := bytes.IndexByte(b[i:min(len(b), i+12)], '}'); n > 2 {
					if r, ok := hexRune(b[i+2 : i+n]); ok {
						out = utf8.AppendRune(out, r)
						i += n
						continue
					}
				}
			}
			digits := 4
			if d == 'U' {
				digits = 8
			}
			if i+digits < len(b) {
				if r, ok := hexRune(b[i+1 : i+1+digits]); ok {
					i += digits
					if 0xD800 <= r && r < 0xDC00 && i+6 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
						if low, ok := hexRune(b[i+3 : i+7]); ok && 0xDC00 <= low && low < 0xE000 {
							r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
							i += 6
						}
					}
					out = utf8.AppendRune(out, r)
					continue
				}
			}
			out = append(out, d)
		case 'x':
			if i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]) {
				out = utf8.AppendRune(out, rune(nibble[b[i+1]])<<4|rune(nibble[b[i+2]]))
				i += 2
				continue
			}
			out = append(out, d)
		case 'n', 'r':
			out = append(out, '\n')
		case 't', 'b', 'f', 'v':
			out = append(out, '\t')
		case '\r':
			if i+1 < len(b) && b[i+1] == '\n' {
				i++
			}
		case '\n':
		case '0', '1', '2', '3', '4', '5', '6', '7':
			r := rune(0)
			j := i
			for ; j < len(b) && j < i+3 && '0' <= b[j] && b[j] <= '7' && r<<3|rune(b[j]-'0') < 256; j++ {
				r = r<<3 | rune(b[j]-'0')
			}
			out = utf8.AppendRune(out, r)
			i = j - 1
		default:
			out = append(out, d)
		}
	}
	return out
}

// unescapeCSS decodes the escapes of CSS: up to six hexadecimal digits, and one white space that ends them.
func unescapeCSS(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 >= len(b) {
			out = append(out, b[i])
			continue
		}
		j := i + 1
		r := rune(0)
		for ; j < len(b) && j < i+7 && isHex(b[j]); j++ {
			r = r<<4 | rune(nibble[b[j]])
		}
		if j == i+1 {
			out = append(out, b[j])
			i = j
			continue
		}
		out = utf8.AppendRune(out, r)
		if j < len(b) && is(b[j], inSpace) {
			j++
		}
		i = j - 1
	}
	return out
}
