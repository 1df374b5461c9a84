package exposure

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mailreeve/mailreeve/audit/address"
)

// Bounds of what is taken for an address. The mail standards allow 64 and 255; disguises by compatibility forms are longer in bytes.
const (
	maxLocal = 192
	maxHost  = 512
	maxCuts  = 16
)

// maxRotations is of how many addresses of a document all 25 rotations of the alphabet are candidates, too.
const maxRotations = 2048

// signs follows at-signs.
func (s *scan) signs(v *view, c chain) {
	b := v.b
	for i := v.next(v.lo, maskAt); i < v.hi; i = v.next(i+1, maskAt) {
		if s.stop() {
			return
		}
		s.sign(b, i, 1, c)
	}
}

// sign looks at an at-sign of n bytes at b[i].
func (s *scan) sign(b []byte, i, n int, c chain) {
	if i > 0 && (b[i-1] == '}' || b[i-1] == '{' || b[i-1] == ';') && isRule(b[i+n:]) { // of a style sheet, not of a domain
		j := i + n
		for j < len(b) && (is(b[j], inWord) || b[j] == '-') {
			j++
		}
		if j < len(b) && (b[j] == ' ' || b[j] == '{' || b[j] == '(') {
			return
		}
	}
	before, after := i > 0 && (is(b[i-1], inLocal) || b[i-1] == '"'), i+n < len(b) && is(b[i+n], inHost)
	mark := s.records.mark()
	if before && after && s.address(b, i, n, c) {
		s.records.own(mark)
		return
	}
	if i == 0 && i+n == len(b) || s.deep(c) {
		return
	}
	found := s.records.mark()
	s.broken(b, i, n, c)
	s.records.near(mark, found)
}

// address takes the address around the at-sign at b[i] for a candidate. It says whether it looks whole.
func (s *scan) address(b []byte, i, n int, c chain) bool {
	from := i
	if b[i-1] == '"' {
		from = quoted(b, i-1)
	} else {
		for from > 0 && from > i-maxLocal && is(b[from-1], inLocal) {
			from--
		}
		if from == i-maxLocal {
			for from < i && !utf8.RuneStart(b[from]) {
				from++
			}
		}
		// An escape of a script in front, as \n or \t of JSON.
		if from > 0 && b[from-1] == '\\' && from+1 < i && (b[from] == 'n' || b[from] == 't' || b[from] == 'r') {
			s.candidate(b[from+1:i], b[i+n:hostEnd(b, i+n)], c, from+1, i+n)
		}
	}
	to := hostEnd(b, i+n)
	if from == i || to == i+n {
		return false
	}
	local, host := b[from:i], b[i+n:to]
	if c.n == s.base {
		s.lead(from, to)
	}
	s.candidate(local, host, c, from, to)
	s.framed(b, from, i, n, to, c)
	// What else may have been meant, where a character may part as well as belong.
	s.cuts(local, host, c, from, to, maxCuts)
	left := maxCuts
	for j := 1; j < len(host) && left > 0; {
		r, size := utf8.DecodeRune(host[j:])
		if cutsHost(r, host, j) {
			s.candidate(local, host[:j], c, from, to)
			left = s.cuts(local, host[:j], c, from, to, left-1)
		}
		j += size
	}
	unquoted := local
	if q := bytes.IndexByte(local, '\''); q > 0 && q+1 < len(local) && bytes.LastIndexByte(local, '\'') == q && to < len(b) && b[to] == '\'' {
		unquoted = local[q+1:] // a literal right after a word: return'jane@acme.example'
		s.candidate(unquoted, host, c, from, to)
	}
	if verpLocal, verpHost, ok := verp(local); ok {
		s.candidate(verpLocal, verpHost, c.with(stepVERP), from, to)
	}
	if bytes.IndexByte(host, '.') < 0 && bytes.IndexByte(local, '.') < 0 || s.deep(c) {
		return bytes.IndexByte(host, '.') >= 0
	}
	s.substituted(unquoted, host, c, from, to)
	// Quoted-printable breaks lines and encodes within what else is plain.
	if bytes.IndexByte(local, '=') >= 0 || to < len(b) && b[to] == '=' || from > 1 && b[from-1] == '\n' && b[from-2] != '\n' {
		s.quotedPrintable(b, from, to, c)
	}
	for _, x := range b[from:to] {
		if x == '%' || x == '&' || x >= utf8.RuneSelf { // an escape or something wide within: other leads follow it
			return false
		}
	}
	return bytes.IndexByte(host, '.') >= 0 && !literalPart(b, from, to) && (to >= len(b) || b[to] != '\\' && b[to] != '<' && b[to] != '&' && b[to] != '%')
}

// cuts keeps the addresses that begin within local, those first that are nearest to the at-sign: most of a long URL is before what it carries. It gives how many
// more than these may be kept.
func (s *scan) cuts(local, host []byte, c chain, from, to, most int) (left int) {
	for j := len(local); j > 0 && most > 0; {
		r, size := utf8.DecodeLastRune(local[:j])
		if j < len(local) && cutsLocal(r, local[:j-size]) {
			s.candidate(local[j:], host, c, from, to)
			most--
		}
		j -= size
	}
	return most
}

// literalPart says whether b[from:to] touches the quote of a literal that is one of several in an expression or a list of a script.
func literalPart(b []byte, from, to int) bool {
	if from > 0 && (b[from-1] == '"' || b[from-1] == '\'' || b[from-1] == '`') {
		i := from - 2
		for i > 0 && is(b[i], inSpace) {
			i--
		}
		if i >= 0 && (b[i] == '+' || b[i] == ',' || b[i] == '[') {
			return true
		}
	}
	if to < len(b) && (b[to] == '"' || b[to] == '\'' || b[to] == '`') {
		i := to + 1
		for i < len(b) && is(b[i], inSpace) {
			i++
		}
		return i < len(b) && (b[i] == '+' || b[i] == ',' || b[i] == '.' || b[i] == ']')
	}
	return false
}

// quoted is where the local part begins whose closing quote is b[end].
func quoted(b []byte, end int) int {
	for i := end - 1; i > 0 && i > end-maxLocal; i-- {
		if b[i] == '"' && b[i-1] != '\\' || b[i] == '\n' {
			if b[i] == '\n' {
				return end + 1
			}
			return i
		}
	}
	if end > 0 && end < maxLocal && b[0] == '"' {
		return 0
	}
	return end + 1
}

func hostEnd(b []byte, i int) int {
	to := i
	for to < len(b) && to < i+maxHost && is(b[to], inHost) {
		to++
	}
	for to > i && (b[to-1] == '.' || b[to-1] == '-' || b[to-1] == '_') {
		to--
	}
	return to
}

// cutsLocal says whether an address may begin after r, which may belong to a local part, too. Full stops, hyphens, underscores and plus signs are parts
// of names, so what follows one is another address.
func cutsLocal(r rune, before []byte) bool {
	switch r {
	case '=', '&', '/', '?', '#', '|', '`', '{', '}', '~', '^', '!', '*', '$', '%':
		return true
	case '\'':
		return len(before) == 0 || !is(before[len(before)-1], inWord)
	}
	return r >= utf8.RuneSelf && r != utf8.RuneError && !unicode.Is(unicode.Latin, r) && !unicode.Is(unicode.Greek, r) && !unicode.Is(unicode.Cyrillic, r) && !address.Invisible(r) &&
		!unicode.IsMark(r) && norm.NFKC.String(string(r)) == string(r)
}

// cutsHost says whether an address may end before r at host[j:]: where another script begins, where a sentence does, before an underscore.
func cutsHost(r rune, host []byte, j int) bool {
	switch {
	case r == '_':
		return true
	case r == '.':
		if fileTypes[string(bytes.ToLower(host[j+1:]))] && bytes.IndexByte(host[:j], '.') > 0 {
			return true
		}
		return j+1 < len(host) && 'A' <= host[j+1] && host[j+1] <= 'Z' && 'a' <= host[j-1] && host[j-1] <= 'z'
	case r >= utf8.RuneSelf:
		last := host[j-1]
		return last < utf8.RuneSelf && last != '.' && last != '-' && bytes.IndexByte(host[:j], '.') > 0
	}
	return false
}

// fileTypes are what may follow an address that is the name of a file. None of them is a domain.
var fileTypes = map[string]bool{"csv": true, "pdf": true, "txt": true, "json": true, "png": true, "jpg": true, "jpeg": true, "gif": true, "svg": true, "xml": true, "html": true, "htm": true, "eml": true,
	"vcf": true, "ics": true, "doc": true, "docx": true, "xls": true, "xlsx": true, "log": true, "js": true, "css": true, "php": true, "aspx": true, "webp": true, "gz": true, "har": true, "bak": true}

// verp reads the address of the recipient out of a sender's, as bounce+jane=acme.example@vendor.example.
func verp(local []byte) (name, host []byte, ok bool) {
	eq := bytes.LastIndexByte(local, '=')
	if eq <= 0 || bytes.IndexByte(local[eq:], '.') < 0 {
		return nil, nil, false
	}
	name, host = local[:eq], local[eq+1:]
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '+' || name[i] == '-' && bytes.IndexByte(name[:i], '+') < 0 || name[i] == '=' || name[i] == '/' {
			return name[i+1:], host, i+1 < len(name)
		}
	}
	return name, host, true
}

// candidate keeps local@host, normalised, for the matcher.
func (s *scan) candidate(local, host []byte, c chain, from, to int) {
	if len(local) == 0 || len(host) == 0 {
		return
	}
	buf := append(append(append(s.buf[:0], local...), '@'), host...)
	s.buf = buf
	ascii := true
	for i, x := range buf {
		if 'A' <= x && x <= 'Z' {
			buf[i] = x | 0x20
		}
		ascii = ascii && x < utf8.RuneSelf && x > ' '
	}
	if c.n == s.base && !s.pinned {
		s.top = [2]int{from, to}
	}
	if ascii {
		if hasXN(host) {
			c = c.with(stepIDN)
		}
		s.keep(ofAddress, buf, c)
		return
	}
	text := string(append(append(append([]byte(nil), local...), '@'), host...))
	if folded := visible(text); folded != text {
		c = c.with(stepSplit)
		text = folded
	}
	if hasXN(host) {
		c = c.with(stepIDN)
	}
	folded := norm.NFKC.String(text)
	if longLabel(folded[strings.LastIndexByte(folded, '@')+1:]) { // there is no such domain, and to write it in ASCII takes time in proportion to the square of it
		return
	}
	if folded != text && folded != norm.NFC.String(text) {
		c = c.with(stepCompat)
	}
	if text = address.Normalize(text); len(text) > 2 && text[0] != '@' {
		s.keep(ofAddress, []byte(text), c)
	}
}

// longLabel says whether a domain has a label of more letters than are allowed.
func longLabel(host string) bool {
	n := 0
	for _, r := range host {
		if n++; n > 63 {
			return true
		}
		if r == '.' || r == '。' {
			n = 0
		}
	}
	return false
}

// hasXN says whether a domain has an international label in ASCII.
func hasXN(host []byte) bool {
	for i := 0; i+4 < len(host); i++ {
		if host[i]|0x20 == 'x' && hasFold(host, i, "xn--") && (i == 0 || host[i-1] == '.') {
			return true
		}
	}
	return false
}

// visible is s without characters that do not show.
func visible(s string) string {
	var out []rune
	changed := false
	for _, r := range s {
		if address.Invisible(r) {
			changed = true
			continue
		}
		out = append(out, r)
	}
	if !changed {
		return s
	}
	return string(out)
}

// other is the alphabet of a tracker that changes each letter and digit for another (Leaky Forms found it), as written by it for usual.
const (
	usual = "kibp8A4EWRMKHa7gvyz1dOPt6UI5xYD3nqhVwZBXfCcFeJmrLN20lS9QGsjTuo"
	other = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

var (
	fromOther   = alphabet(other, usual)
	inLowerCase = alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
)

func alphabet(from, to string) (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	for i := range len(from) {
		t[from[i]] = to[i]
	}
	return t
}

// substituted keeps what an address becomes that is read backwards or whose letters stand for others: ROT13 and the other rotations, the reversed
// alphabet, and one tracker's own.
func (s *scan) substituted(local, host []byte, c chain, from, to int) {
	s.rooms = s.rooms[:0]
	backHost, backLocal := s.reversed(local), s.reversed(host)
	rc := c.with(stepReversed)
	s.substitute(trimDots(backLocal), trimDots(backHost), rc, from, to)
	for j := len(local) - 1; j > 0; j-- { // mailto=moc.elpmaxe@ecila and such
		if cutsLocal(rune(local[j]), local[:j]) && local[j] < utf8.RuneSelf {
			s.substitute(trimDots(backLocal), trimDots(s.reversed(local[j+1:])), rc, from, to)
			break
		}
	}
	if s.probe != nil || s.turned >= maxRotations {
		return
	}
	if s.records == nil {
		s.turned++
	}
	start := 0
	for j := range local {
		if cutsLocal(rune(local[j]), local[:j]) && local[j] < utf8.RuneSelf {
			start = j + 1
		}
	}
	local = local[start:]
	s.rotations(local, host, c, from, to)
	for _, table := range [...]*[256]byte{&fromOther, &atbash} {
		s.substitute(s.mapped(local, table), s.mapped(host, table), c.with(stepAlphabet), from, to)
	}
}

// substitute keeps local@host, what an address becomes by such a step, if its host may be one: most are not.
func (s *scan) substitute(local, host []byte, c chain, from, to int) {
	if dotted(host) {
		s.candidate(local, host, c, from, to)
	}
}

// dotted says whether host is a domain of several labels, the last no number.
func dotted(host []byte) bool {
	label := -1
	for i, x := range host {
		if !is(x, inHost) {
			return false
		}
		if x == '.' {
			label = i
		}
	}
	if label < 1 {
		return false
	}
	for _, x := range host[label+1:] {
		if x > '9' {
			return true
		}
	}
	return false
}

// rotations keeps what an address becomes by the 25 rotations of the alphabet; by the usual one, also read backwards.
func (s *scan) rotations(local, host []byte, c chain, from, to int) {
	l, h := s.mapped(local, &inLowerCase), s.mapped(host, &inLowerCase)
	if len(l) > 0 && graphic(l) && graphic(h) { // all at once
		whole := append(append(append(s.room(len(l) + 1 + len(h))[:0], l...), '@'), h...)
		if turn, ok := turned(whole); ok {
			s.keepTurned(ofRotation, whole, turn, c)
		}
		turnBy(l, 13)
		turnBy(h, 13)
		s.substitute(trimDots(s.reversed(h)), trimDots(s.reversed(l)), c.with(stepReversed).with(stepROT13), from, to)
		return
	}
	for shift := 1; shift < 26; shift++ {
		turnBy(l, 1)
		turnBy(h, 1)
		if shift == 13 {
			s.substitute(trimDots(reverse(h)), trimDots(reverse(l)), c.with(stepReversed).with(stepROT13), from, to)
		}
		s.candidate(l, h, c.with(rotation(shift)), from, to)
	}
}

// room gives n bytes, good until the next address is substituted: what comes of them is copied where it is kept.
func (s *scan) room(n int) []byte {
	at := len(s.rooms)
	if cap(s.rooms)-at < n {
		s.rooms, at = make([]byte, 0, max(1024, n)), 0
	}
	s.rooms = s.rooms[:at+n]
	return s.rooms[at : at+n : at+n]
}

// reversed is reverse in room.
func (s *scan) reversed(b []byte) []byte {
	if !graphic(b) {
		return reverse(b)
	}
	out := s.room(len(b))
	for i, x := range b {
		out[len(b)-1-i] = x
	}
	return out
}

// mapped has for each byte what a table has for it, in room.
func (s *scan) mapped(b []byte, table *[256]byte) []byte {
	out := s.room(len(b))
	for i, x := range b {
		out[i] = table[x]
	}
	return out
}

// graphic says whether all of b shows, in ASCII.
func graphic(b []byte) bool {
	for _, x := range b {
		if x <= ' ' || x >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// rotation is the step that turns the alphabet by so much.
func rotation(shift int) step {
	if shift == 13 {
		return stepROT13
	}
	return stepROT
}

// turned turns a text in lower case so that its first letter is an a, which makes all rotations of it the same, and gives how far it was from there. It is not
// ok where there is no letter.
func turned(text []byte) (turn uint8, ok bool) {
	for _, x := range text {
		if 'a' <= x && x <= 'z' {
			if turn = x - 'a'; turn > 0 {
				turnBy(text, 26-turn)
			}
			return turn, true
		}
	}
	return 0, false
}

// turnBy moves each letter so much further in the alphabet, less than once around.
func turnBy(text []byte, by uint8) {
	for i, x := range text {
		if letter := x | 0x20; 'a' <= letter && letter <= 'z' {
			if letter+by > 'z' {
				x -= 26
			}
			text[i] = x + by
		}
	}
}

var atbash = alphabet("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA")

func trimDots(b []byte) []byte { return bytes.Trim(b, ".-_=&?/:;,") }

// brokenReach is how far around an at-sign the rest of an address is looked for that something splits.
const brokenReach = 320

// broken looks at an at-sign that has no whole address around it: what is around may be split by tags, comments, line ends, or be parts of a script's
// expression.
func (s *scan) broken(b []byte, i, n int, c chain) {
	// Most at-signs are a style sheet's or a decorator's: white space or an opening before, a word without a full stop after.
	if i == 0 || is(b[i-1], inSpace) || b[i-1] == '{' || b[i-1] == '}' || b[i-1] == ';' || b[i-1] == '/' {
		j := i + n
		for j < len(b) && is(b[j], inWord) {
			j++
		}
		if j > i+n && (j >= len(b) || b[j] != '.' && b[j] != '<' && b[j] != '&' && b[j] != '\\' && b[j] != '=' && b[j] != '%') {
			return
		}
	}
	if i > 0 && isQuote(b[i-1]) { // the name of a package: '@babel/core'
		j := i + n
		for j < len(b) && (is(b[j], inWord) || b[j] == '-') {
			j++
		}
		if j > i+n && j < len(b) && b[j] == '/' {
			return
		}
	}
	if isRule(b[i+n:]) && (i == 0 || !is(b[i-1], inWord)) {
		return
	}
	if i > 0 && b[i-1] == '@' || i+n < len(b) && b[i+n] == '@' {
		return
	}
	from, to := max(0, i-brokenReach), min(len(b), i+n+brokenReach)
	w := b[from:to]
	if bytes.IndexByte(w, '<') >= 0 && (bytes.IndexByte(w, '>') >= 0) {
		if t := stripTags(w, i-from); len(t) < len(w) {
			s.node(t, c, i, i+n, stepSplit)
		}
	}
	if touchesQuote(b, i, n) {
		s.script(b, i, i+n, c)
	}
	s.quotedPrintable(b, i, i+n, c)
	s.spelledAround(b, i, i+n, c)
}

// touchesQuote says whether the word around b[i:i+n] ends or begins at a quote of a script, or at an expression in a template.
func touchesQuote(b []byte, i, n int) bool {
	j, k := i-1, i+n
	for j >= 0 && j > i-maxLocal && is(b[j], inLocal) && b[j] != '`' && b[j] != '}' && b[j] != '\'' {
		j--
	}
	for k < len(b) && k < i+maxLocal && is(b[k], inHost) {
		k++
	}
	return j >= 0 && (isQuote(b[j]) || b[j] == '}') || k < len(b) && (isQuote(b[k]) || b[k] == '$')
}

// isRule says whether w begins with the name of a rule of CSS.
func isRule(w []byte) bool {
	for _, rule := range [...]string{"media", "import", "font-face", "keyframes", "-webkit-", "-moz-", "charset", "supports", "layer", "page", "namespace", "container", "property", "include", "param", "return", "license", "type", "see", "babel", "types"} {
		if hasFold(w, 0, rule) {
			return true
		}
	}
	return false
}

// stripTags removes tags and comments from a stretch of HTML that may begin and end anywhere; at is a byte of it that is text, or inside a tag.
func stripTags(b []byte, at int) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '<' {
			if b[i] == '>' && i < at { // the end of a tag that began before
				out = out[:0]
				i++
				continue
			}
			out = append(out, b[i])
			i++
			continue
		}
		end := "\x3e"
		if bytes.HasPrefix(b[i:], []byte("<!--")) {
			end = "-->"
		}
		n := bytes.Index(b[i+1:], []byte(end))
		if n < 0 {
			if i > at {
				break
			}
			i++
			continue
		}
		if i < at && at < i+1+n && hasFold(b, i+1, "img") { // a picture of the sign
			out = append(out, b[at])
			i += 1 + n + len(end)
			continue
		}
		if i < at && at < i+1+n && b[i+1] != '!' { // it was no tag
			out = append(out, b[i])
			i++
			continue
		}
		i += 1 + n + len(end)
	}
	return out
}

// quotedPrintable decodes a window around [from,to) from quoted-printable, if it holds some.
func (s *scan) quotedPrintable(b []byte, from, to int, c chain) {
	if s.read.quoted[0] <= from && to <= s.read.quoted[1] {
		return // this stretch was decoded for an earlier lead
	}
	low, high := from, to
	for low > 0 && from-low < brokenReach && qpByte(b, low-1) {
		low--
	}
	for high < len(b) && high-to < 3*brokenReach && qpByte(b, high) {
		high++
	}
	w := b[low:high]
	s.read.quoted = [2]int{low, max(to, high-brokenReach)}
	if !hasQP(w) {
		return
	}
	text := decodeQP(w)
	if i := bytes.IndexByte(w, '?'); i >= 0 && (bytes.Contains(w, []byte("?Q?")) || bytes.Contains(w, []byte("?q?"))) { // a header: underscores are spaces
		if spaced := bytes.ReplaceAll(text, []byte("_"), []byte(" ")); len(w) < maxSmall {
			s.node(spaced, c, from, to, stepQP) // and as it stands, since not all who write them know
		}
	}
	s.node(text, c, from, to, stepQP)
}

// qpByte says whether b[i] may be part of an address in quoted-printable: also a line end after an equals sign.
func qpByte(b []byte, i int) bool {
	switch x := b[i]; {
	case x == '\n':
		return i > 0 && (b[i-1] == '=' || b[i-1] == '\r' && i > 1 && b[i-2] == '=')
	case x == '\r':
		return i > 0 && b[i-1] == '='
	default:
		return is(x, inLocal|inHost) || x == '@'
	}
}

func hasQP(b []byte) bool {
	for i := 0; i+1 < len(b); i++ {
		n := bytes.IndexByte(b[i:], '=')
		if n < 0 {
			return false
		}
		i += n
		if i+1 < len(b) && (b[i+1] == '\n' || b[i+1] == '\r') || i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]) {
			return true
		}
	}
	return false
}

func decodeQP(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '=' {
			if i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]) {
				out = append(out, nibble[b[i+1]]<<4|nibble[b[i+2]])
				i += 2
				continue
			}
			j := i + 1
			for j < len(b) && (b[j] == ' ' || b[j] == '\t') {
				j++
			}
			if j < len(b) && b[j] == '\n' {
				i = j
				continue
			}
			if j+1 < len(b) && b[j] == '\r' && b[j+1] == '\n' {
				i = j + 1
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}
