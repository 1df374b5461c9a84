package exposure

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// scriptReach is how much of a script around a lead is read as its expression.
const scriptReach = 4096

// script reads the expression of a script around b[i:j]: literals that are concatenated, arrays that are joined, variables that were set nearby.
func (s *scan) script(b []byte, i, j int, c chain) {
	if s.deep(c) {
		return
	}
	from, to := max(0, i-scriptReach), min(len(b), j+scriptReach)
	if s.read.script[0] <= i && j <= s.read.script[1] {
		return // this stretch was read for an earlier lead
	}
	s.read.script = [2]int{max(from, i-scriptReach/2), min(to, i+scriptReach/2)}
	if !assembles(b[from:to]) {
		return
	}
	if s.toks == nil {
		s.toks = make([]token, 0, 1024)
	}
	e := evaluator{scan: s, toks: s.toks, src: string(b[from:to]), offset: from, chain: c, known: map[string]string{}}
	// A window may begin inside a literal: the lexer is started after the last line end or at the start of a statement where there is one near.
	start := 0
	if from > 0 {
		if n := strings.IndexAny(e.src[:min(len(e.src), 512)], ";\n{"); n >= 0 {
			start = n + 1
		}
	}
	if n := strings.LastIndex(e.src[:i-from], "<script"); n >= start { // of a page; what is before is no script
		if end := strings.IndexByte(e.src[n:i-from], '>'); end > 0 {
			start = n + end + 1
		}
	}
	s.toks = nil // what is found is looked through in turn
	e.lex(start)
	e.evaluate()
	s.toks = e.toks[:0]
}

// assembles says whether a script may put a text together: by adding, calling, in a template, or of literals side by side. JSON does none of that.
func assembles(b []byte) bool {
	if bytes.IndexByte(b, '`') >= 0 || bytes.Contains(b, []byte("*/")) {
		return true
	}
	for i := 0; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '+')
		if n < 0 {
			break
		}
		from, to := i+n, i+n+1
		for from > 0 && is(b[from-1], inBase64) {
			from--
		}
		marks, digits := 0, 0
		for ; to < len(b) && is(b[to], inBase64); to++ {
		}
		for _, x := range b[from:to] {
			if x < 'a' {
				marks++
			}
			if x <= '9' {
				digits++
			}
		}
		inside := b[from] != '+' && b[to-1] != '+' // not at an end, as of an operand
		literal := from > 0 && isQuote(b[from-1]) && to < len(b) && (isQuote(b[to]) || b[to] == '=')
		if run := to - from; !(inside && (digits == run || literal) || run >= 40 && 5*marks >= run) { // neither numbers nor base64
			return true
		}
		i = to
	}
	for i := 0; ; i++ { // what has a name that is called so, or is in brackets
		n := bytes.IndexByte(b[i:], '(')
		if n < 0 {
			break
		}
		i += n
		from := i
		for from > 0 && i-from < 24 && is(b[from-1], inWord) {
			from--
		}
		switch name := string(b[from:i]); name {
		case "": // a function that is called where it stands
			if from > 0 && (b[from-1] == ')' || b[from-1] == '}') {
				return true
			}
		case "fromCharCode", "fromCodePoint", "apply", "String", "unescape", "decodeURIComponent", "decodeURI", "atob", "escape", "encodeURIComponent":
			return true
		default:
			if isMethod(name) {
				return true
			}
		}
	}
	return sideBySide(b)
}

// sideBySide says whether a quote follows another, with white space between them or nothing.
func sideBySide(b []byte) bool {
	follows := func(i int) bool {
		if b[i] != '"' && b[i] != '\'' {
			return false
		}
		for i++; i < len(b) && is(b[i], inSpace); i++ {
		}
		return i < len(b) && isQuote(b[i])
	}
	i := 0
	for ; i+9 <= len(b); i += 8 {
		x, y := binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(b[i+1:])
		quotes := zeros(x^'"'*lows) | zeros(x^'\''*lows)
		if quotes == 0 {
			continue
		}
		for hits := quotes & (zeros(y^'"'*lows) | zeros(y^'\''*lows) | zeros(y^'`'*lows) | zeros(y^' '*lows) | zeros(y&(0xF0*lows))); hits != 0; hits &= hits - 1 {
			if follows(i + bits.TrailingZeros64(hits)/8) {
				return true
			}
		}
	}
	for ; i < len(b); i++ {
		if follows(i) {
			return true
		}
	}
	return false
}

// zeros marks the zero bytes of x, and perhaps some ones after them.
func zeros(x uint64) uint64 { return (x - lows) &^ x & highs }

// pluses follows literals that are concatenated.
func (s *scan) pluses(v *view, c chain) {
	b := v.b
	for i := v.next(v.lo, maskPlus); i < v.hi; i = v.next(i+1, maskPlus) {
		j, k := i-1, i+1
		for j > 0 && is(b[j], inSpace) {
			j--
		}
		for k < len(b) && is(b[k], inSpace) {
			k++
		}
		if j >= 0 && k < len(b) && isQuote(b[j]) && isQuote(b[k]) && (j == 0 || b[j-1] != b[j]) && (k+1 >= len(b) || b[k+1] != b[k]) {
			s.script(b, i, i+1, c)
		}
	}
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

type tokenKind uint8

const (
	tokString tokenKind = iota
	tokTemplate
	tokNumber
	tokName
	tokRegexp
	tokSign
)

// A token is small, since a stretch has thousands, and few are asked for their text.
type token struct {
	kind     tokenKind
	sign     byte // 0 of others
	from, to int32
}

// An evaluator works out the strings of a stretch of JavaScript that can be worked out.
type evaluator struct {
	*scan
	src    string // tokens are parts of it
	offset int
	chain  chain
	toks   []token
	known  map[string]string // variables and properties that were set to a string
	missed uint64            // names that were asked for and not known: a bit for several of them
	again  bool              // one of them was set later
	steps  int
}

const maxTokens = 8192

func (e *evaluator) lex(i int) {
	b := e.src
	for i < len(b) && len(e.toks) < maxTokens {
		x := b[i]
		switch {
		case is(x, inSpace):
			i++
		case x == '/' && i+1 < len(b) && b[i+1] == '/':
			n := strings.IndexByte(b[i:], '\n')
			if n < 0 {
				return
			}
			i += n
		case x == '/' && i+1 < len(b) && b[i+1] == '*':
			n := strings.Index(b[i+2:], "*/")
			if n < 0 {
				return
			}
			i += n + 4
		case x == '"' || x == '\'' || x == '`':
			end := i + 1
			for end < len(b) && b[end] != x {
				if b[end] == '\\' {
					end++
				} else if b[end] == '\n' && x != '`' {
					break
				}
				end++
			}
			if end >= len(b) || b[end] != x {
				i++
				continue
			}
			kind := tokString
			if x == '`' {
				kind = tokTemplate
			}
			e.add(kind, 0, i, end+1)
			i = end + 1
		case '0' <= x && x <= '9':
			end := i + 1
			for end < len(b) && (is(b[end], inWord) || b[end] == '.') {
				end++
			}
			e.add(tokNumber, 0, i, end)
			i = end
		case isLetter(x) || x == '_' || x == '$' || x >= utf8.RuneSelf:
			end := i + 1
			for end < len(b) && (is(b[end], inWord) || b[end] == '_' || b[end] == '$') {
				end++
			}
			e.add(tokName, 0, i, end)
			i = end
		case x == '/' && e.regexpMay():
			end := i + 1
			class := false
			for end < len(b) && (b[end] != '/' || class) && b[end] != '\n' {
				switch b[end] {
				case '\\':
					end++
				case '[':
					class = true
				case ']':
					class = false
				}
				end++
			}
			if end >= len(b) || b[end] != '/' {
				e.add(tokSign, '/', i, i+1)
				i++
				continue
			}
			end++
			for end < len(b) && isLetter(b[end]) {
				end++
			}
			e.add(tokRegexp, 0, i, end)
			i = end
		default:
			e.add(tokSign, x, i, i+1)
			i++
		}
	}
}

func (e *evaluator) add(kind tokenKind, sign byte, from, to int) {
	e.toks = append(e.toks, token{kind, sign, int32(from), int32(to)})
}

// raw is what a literal has between its quotes, as it stands.
func (e *evaluator) raw(t *token) string { return e.src[t.from+1 : t.to-1] }

// text is a name or a number, the value of a literal, or a regular expression without its flags.
func (e *evaluator) text(t *token) string {
	switch t.kind {
	case tokString, tokTemplate:
		raw := e.raw(t)
		if strings.IndexByte(raw, '\\') >= 0 {
			raw = string(unescapeJS([]byte(raw)))
		}
		return raw
	case tokRegexp:
		return e.src[t.from+1 : int(t.from)+strings.LastIndexByte(e.src[t.from:t.to], '/')]
	case tokSign:
		return ""
	}
	return e.src[t.from:t.to]
}

// regexpMay says whether a slash that comes now begins a regular expression.
func (e *evaluator) regexpMay() bool {
	if len(e.toks) == 0 {
		return true
	}
	switch t := &e.toks[len(e.toks)-1]; t.kind {
	case tokSign:
		return t.sign != ')' && t.sign != ']' && t.sign != '}' && t.sign != '<' // the last begins a tag
	case tokName:
		return e.text(t) == "return"
	}
	return false
}

// A val is what an expression comes to: a text, or a list of texts. parts counts the literals that it is made of.
type val struct {
	text  string
	list  []string
	isArr bool
	parts int
	codes bool // made of character codes
	back  bool // read backwards
}

// noToken is what is beyond the tokens.
var noToken = token{kind: tokSign}

func (e *evaluator) at(i int) *token {
	if i < 0 || i >= len(e.toks) {
		return &noToken
	}
	return &e.toks[i]
}

func (e *evaluator) sign(i int, sign byte) bool {
	return uint(i) < uint(len(e.toks)) && e.toks[i].sign == sign
}

func (e *evaluator) name(i int, text string) bool {
	t := e.at(i)
	return t.kind == tokName && e.text(t) == text
}

// get is what a name was set to.
func (e *evaluator) get(name string) (text string, ok bool) {
	if text, ok = e.known[name]; !ok {
		e.missed |= bitOf(name)
	}
	return text, ok
}

func (e *evaluator) set(name, text string) {
	e.again = e.again || e.missed&bitOf(name) != 0
	e.known[name] = text
}

// bitOf is the bit that stands for a name.
func bitOf(name string) uint64 {
	h := uint(len(name))
	if h > 0 {
		h += 7*uint(name[0]) + 31*uint(name[len(name)-1])
	}
	return 1 << (h & 63)
}

// evaluate goes through the tokens, and once more where names are used before they are set: they are known the second time.
func (e *evaluator) evaluate() {
	e.bind()
	for pass := 0; pass == 0 || pass == 1 && e.again; pass++ {
		for i := 0; i < len(e.toks); {
			if e.steps++; e.steps > 4*maxTokens || e.stop() {
				return
			}
			// name = …, name: …, "name": …, += is more of the same
			if t := e.at(i); (t.kind == tokName || t.kind == tokString) && (e.sign(i+1, '=') && !e.sign(i+2, '=') && !e.sign(i+2, '>') || e.sign(i+1, ':') || e.sign(i+1, '+') && e.sign(i+2, '=')) {
				start := i + 2
				if e.sign(i+1, '+') {
					start++
				}
				if v, next := e.sum(start, 0); next > start {
					e.tell(v, start, next)
					if name := e.text(t); !v.isArr {
						if e.sign(i+1, '+') {
							if before, ok := e.get(name); ok && len(before) < maxSmall {
								v.text = before + v.text
								v.parts = 2
								e.tell(v, i, next)
							}
						}
						if len(v.text) < maxSmall {
							e.set(name, v.text)
						}
					}
					i = next
					continue
				}
			}
			v, next := e.sum(i, 0)
			if next > i {
				e.tell(v, i, next)
				i = next
				continue
			}
			i++
		}
	}
}

// bind sets the parameters of functions that are called where they stand, as (function(a,b){…})("x","y").
func (e *evaluator) bind() {
	for i := range e.toks {
		if !e.name(i, "function") {
			continue
		}
		j := i + 1
		if e.at(j).kind == tokName {
			j++
		}
		if !e.sign(j, '(') {
			continue
		}
		var params []string
		for j++; e.at(j).kind == tokName || e.sign(j, ','); j++ {
			if e.at(j).kind == tokName {
				params = append(params, e.text(e.at(j)))
			}
		}
		if !e.sign(j, ')') || !e.sign(j+1, '{') || len(params) == 0 {
			continue
		}
		depth := 0
		for j++; j < len(e.toks); j++ {
			if e.steps++; e.steps > 2*maxTokens {
				return
			}
			if e.sign(j, '{') {
				depth++
			} else if e.sign(j, '}') {
				if depth--; depth == 0 {
					break
				}
			}
		}
		j++
		if e.sign(j, ')') {
			j++
		}
		if !e.sign(j, '(') {
			continue
		}
		j++
		for _, p := range params {
			v, next := e.sum(j, 0)
			if next == j {
				next = j + 1
			} else if !v.isArr && len(v.text) < maxSmall {
				e.set(p, v.text)
			}
			if j = next; !e.sign(j, ',') {
				break
			}
			j++
		}
	}
}

// tell makes a node of a text that was put together.
func (e *evaluator) tell(v val, i, next int) {
	if v.isArr || v.parts < 2 && !v.codes && !v.back || len(v.text) < minText || next == i {
		return
	}
	st := stepConcat
	if v.codes {
		st = stepCodes
	}
	from, to := e.offset+int(e.at(i).from), e.offset+int(e.at(next-1).to)
	c := e.chain
	if v.back {
		if c.n == e.base {
			e.lead(from, to)
		}
		e.node([]byte(v.text), c, from, to, stepReversed)
		return
	}
	e.node([]byte(v.text), c, from, to, st)
}

const (
	maxNesting = 24
	maxValue   = 1 << 16 // bytes of a text that is put together
)

// sum reads term + term + …
func (e *evaluator) sum(i, depth int) (v val, next int) {
	v, next = e.term(i, depth)
	if next == i {
		return v, i
	}
	// Literals side by side are a list of CSS's content.
	if e.at(i).kind == tokString && next == i+1 && e.at(next).kind == tokString {
		v.text = string(unescapeCSS([]byte(e.raw(e.at(i)))))
		for ; e.at(next).kind == tokString && len(v.text) < maxSmall; next++ {
			v.text += string(unescapeCSS([]byte(e.raw(e.at(next)))))
			v.parts++
		}
		return v, next
	}
	for e.sign(next, '+') && !v.isArr && !e.sign(next+1, '+') && !e.sign(next+1, '=') {
		w, after := e.term(next+1, depth)
		if after == next+1 {
			return v, next
		}
		if w.isArr {
			return v, next
		}
		if len(v.text)+len(w.text) > maxValue {
			return v, next
		}
		v.text += w.text
		v.parts += w.parts
		v.codes = v.codes || w.codes
		v.back = v.back || w.back
		next = after
	}
	return v, next
}

// term reads a literal, a known name, an array, a call that is known, and the methods called on it.
func (e *evaluator) term(i, depth int) (v val, next int) {
	if depth > maxNesting {
		return v, i
	}
	if e.steps++; e.steps > 8*maxTokens {
		return v, i
	}
	t := e.at(i)
	next = i
	switch {
	case t.kind == tokString:
		v, next = val{text: e.text(t), parts: 1}, i+1
	case t.kind == tokTemplate:
		text, parts := e.template(e.raw(t))
		v, next = val{text: text, parts: parts}, i+1
	case e.sign(i, '('):
		w, after := e.sum(i+1, depth+1)
		if after == i+1 || !e.sign(after, ')') {
			return v, i
		}
		v, next = w, after+1
	case e.sign(i, '['):
		v, next = e.array(i, depth)
	case t.kind == tokName:
		v, next = e.named(i, depth)
	}
	if next == i {
		return v, i
	}
	return e.methods(v, next, depth)
}

func (e *evaluator) template(raw string) (text string, parts int) {
	var out strings.Builder
	parts = 1
	for {
		n := strings.Index(raw, "${")
		if n < 0 || out.Len() > maxValue {
			break
		}
		out.WriteString(raw[:n])
		raw = raw[n+2:]
		end := strings.IndexByte(raw, '}')
		if end < 0 {
			break
		}
		inner := evaluator{scan: e.scan, src: raw[:end], known: e.known}
		inner.lex(0)
		if v, next := inner.sum(0, 0); next == len(inner.toks) && !v.isArr {
			out.WriteString(v.text)
		} else {
			out.WriteByte(' ')
		}
		e.missed |= inner.missed
		parts++
		raw = raw[end+1:]
	}
	out.WriteString(raw)
	text = out.String()
	if strings.IndexByte(text, '\\') >= 0 {
		text = string(unescapeJS([]byte(text)))
	}
	return text, parts
}

// array reads a list of texts and numbers.
func (e *evaluator) array(i, depth int) (v val, next int) {
	v.isArr = true
	for j := i + 1; len(v.list) < maxTokens; {
		if e.sign(j, ']') {
			if len(v.list) == 0 {
				return v, i
			}
			return v, j + 1
		}
		if e.sign(j, ',') {
			j++
			continue
		}
		if t := e.at(j); t.kind == tokNumber {
			v.list = append(v.list, e.text(t))
			v.parts++
			j++
			continue
		}
		w, after := e.sum(j, depth+1)
		if after == j || w.isArr {
			return v, i
		}
		v.list = append(v.list, w.text)
		v.parts++
		j = after
	}
	return v, i
}

// named reads what begins with a name: a known variable, or a call of a function that decodes.
func (e *evaluator) named(i, depth int) (v val, next int) {
	// The last name of a.b.c counts, for properties as well as functions.
	j := i
	for e.sign(j+1, '.') && e.at(j+2).kind == tokName {
		if text, ok := e.get(e.text(e.at(j))); ok && isMethod(e.text(e.at(j+2))) {
			return val{text: text, parts: 1}, j + 1
		}
		j += 2
	}
	last := e.text(e.at(j))
	if last == "apply" && j >= 2 && (e.name(j-2, "fromCharCode") || e.name(j-2, "fromCodePoint")) {
		last = "fromCharCode"
	}
	if e.sign(j+1, '(') {
		switch last {
		case "fromCharCode", "fromCodePoint":
			return e.fromCodes(j+1, i, depth)
		case "String", "unescape", "decodeURIComponent", "decodeURI", "atob", "escape", "encodeURIComponent", "btoa", "Symbol":
			w, after := e.sum(j+2, depth+1)
			if after == j+2 || !e.sign(after, ')') || w.isArr {
				return v, i
			}
			switch last {
			case "unescape", "decodeURIComponent", "decodeURI":
				w.text = string(percentDecode([]byte(w.text)))
				w.parts++
			case "atob":
				w.text = string(usual64.decode(bytes.TrimRight([]byte(w.text), "=")))
				w.parts++
			case "btoa", "Symbol":
				return v, i
			}
			return w, after + 1
		case "concat":
			return v, i
		}
		return v, i
	}
	if e.sign(j+1, '[') || last == "return" || last == "typeof" {
		if last == "return" {
			w, after := e.sum(j+1, depth+1)
			if after > j+1 {
				return w, after
			}
		}
		return v, i
	}
	if text, ok := e.get(last); ok {
		return val{text: text, parts: 1}, j + 1
	}
	return v, i
}

func isMethod(name string) bool {
	switch name {
	case "split", "reverse", "join", "concat", "replace", "replaceAll", "toLowerCase", "toUpperCase", "trim", "toString", "map", "slice", "substring", "substr", "at", "charAt", "normalize":
		return true
	}
	return false
}

// fromCodes reads the arguments of String.fromCharCode: numbers, sums of numbers, a spread or applied list.
func (e *evaluator) fromCodes(open, i, depth int) (v val, next int) {
	v.codes = true
	var codes []rune
	j := open + 1
	for ; j < len(e.toks) && !e.sign(j, ')') && len(codes) < maxTokens; j++ {
		t := e.at(j)
		if t.kind != tokNumber {
			continue
		}
		n, ok := number(e.text(t))
		for ok && (e.sign(j+1, '+') || e.sign(j+1, '-') || e.sign(j+1, '^')) && e.at(j+2).kind == tokNumber {
			m, _ := number(e.text(e.at(j + 2)))
			switch e.at(j + 1).sign {
			case '+':
				n += m
			case '-':
				n -= m
			case '^':
				n ^= m
			}
			j += 2
		}
		if ok && n >= 0 && n <= utf8.MaxRune {
			codes = append(codes, n)
		}
	}
	if len(codes) == 0 || !e.sign(j, ')') {
		return v, i
	}
	v.text = string(codes)
	v.parts = len(codes)
	return v, j + 1
}

func number(s string) (rune, bool) {
	base := rune(10)
	digits := s
	switch {
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x':
		base, digits = 16, s[2:]
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'b':
		base, digits = 2, s[2:]
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'o':
		base, digits = 8, s[2:]
	}
	n := rune(0)
	for i := range len(digits) {
		if digits[i] == '_' {
			continue
		}
		d := rune(nibble[digits[i]])
		if d >= base || n > utf8.MaxRune {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}

// methods applies the methods that are called on a value, as far as they are known.
func (e *evaluator) methods(v val, i, depth int) (val, int) {
	for depth < maxNesting && e.sign(i, '.') && e.at(i+1).kind == tokName && e.sign(i+2, '(') {
		method := e.text(e.at(i + 1))
		var args []val
		j := i + 3
		for !e.sign(j, ')') && j < len(e.toks) && len(args) < 16 {
			if e.sign(j, ',') {
				j++
				continue
			}
			t := e.at(j)
			if t.kind == tokRegexp {
				args = append(args, val{text: "/" + e.text(t)})
				j++
				continue
			}
			if t.kind == tokNumber {
				args = append(args, val{text: e.text(t)})
				j++
				continue
			}
			w, after := e.sum(j, depth+1)
			if after == j {
				break
			}
			args = append(args, w)
			j = after
		}
		if method == "map" {
			w, after, ok := e.mapped(v, i+3)
			if !ok {
				return v, i
			}
			v, i = w, after
			continue
		}
		if !e.sign(j, ')') {
			return v, i
		}
		arg := ""
		if len(args) > 0 {
			arg = args[0].text
		}
		switch method {
		case "join":
			if !v.isArr {
				return v, i
			}
			if len(args) == 0 {
				arg = ","
			}
			size := len(arg) * len(v.list)
			for _, x := range v.list {
				size += len(x)
			}
			if size > maxValue {
				return v, i
			}
			v.text, v.isArr, v.list = strings.Join(v.list, arg), false, nil
		case "reverse":
			if !v.isArr {
				return v, i
			}
			list := make([]string, len(v.list))
			for k, x := range v.list {
				list[len(list)-1-k] = x
			}
			v.list = list
			v.parts++
		case "split":
			if v.isArr {
				return v, i
			}
			if len(v.text) > maxSmall {
				return v, i
			}
			v.list, v.isArr = strings.Split(v.text, arg), true
			v.parts++
		case "concat":
			for _, a := range args {
				if v.isArr {
					if a.isArr {
						v.list = append(append([]string(nil), v.list...), a.list...)
					} else {
						v.list = append(append([]string(nil), v.list...), a.text)
					}
				} else if len(v.text)+len(a.text) <= maxValue {
					v.text += a.text
				}
				v.parts++
			}
		case "replace", "replaceAll":
			if v.isArr || len(args) != 2 {
				return v, i
			}
			from := arg
			if strings.HasPrefix(arg, "/") {
				from = strings.NewReplacer(`\.`, ".", `\[`, "[", `\]`, "]", `\(`, "(", `\)`, ")", `\/`, "/", `\s*`, "", `\s+`, " ", `\s`, " ", `\{`, "{", `\}`, "}", `\*`, "*", `\+`, "+", `\|`, "|", `\$`, "$", `\^`, "^").Replace(arg[1:])
			}
			if from == "" || len(v.text) > maxSmall || len(args[1].text) > 64 {
				return v, i
			}
			if len(v.text)+strings.Count(v.text, from)*len(args[1].text) > maxValue {
				return v, i
			}
			v.text = strings.ReplaceAll(v.text, from, args[1].text)
			v.parts++
		case "toLowerCase", "toUpperCase", "toString", "trim", "normalize", "flat":
		default:
			return v, i
		}
		i = j + 1
		if len(v.list) > maxTokens {
			return v, i
		}
	}
	return v, i
}

// mapped applies a function that makes characters of codes: .map(c => String.fromCharCode(c)), perhaps with a sum in it. i is after the parenthesis.
func (e *evaluator) mapped(v val, i int) (val, int, bool) {
	if !v.isArr {
		return v, i, false
	}
	depth, made := 1, false
	op, by := byte(0), rune(0)
	j := i
	for ; j < len(e.toks) && j < i+64; j++ {
		switch {
		case e.sign(j, '('):
			depth++
		case e.sign(j, ')'):
			depth--
		case e.name(j, "fromCharCode"), e.name(j, "fromCodePoint"):
			made = true
		case made && e.at(j).kind == tokNumber && e.at(j-1).kind == tokSign:
			switch op1 := e.at(j - 1).sign; op1 {
			case '+', '-', '^':
				op = op1
				by, _ = number(e.text(e.at(j)))
			}
		}
		if depth == 0 {
			break
		}
	}
	if depth != 0 || !made {
		return v, i, false
	}
	list := make([]string, 0, len(v.list))
	for _, x := range v.list {
		n, ok := number(x)
		if !ok {
			return v, i, false
		}
		switch op {
		case '+':
			n += by
		case '-':
			n -= by
		case '^':
			n ^= by
		}
		list = append(list, string(n))
	}
	v.list = list
	v.codes = true
	return v, j + 1, true
}
