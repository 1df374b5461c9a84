package exposure

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Bounds of runs of letters and digits that are decoded.
const (
	minRun    = 11      // base64 of eight bytes
	minLine   = 60      // a shorter run is no line of several
	maxRun    = 8 << 20 // longer ones are read as far
	maxSmall  = 4096    // for decoders that are not linear, or rarely of use
	minBase58 = 11
	minHex    = 14
)

// runs follows runs of the letters of base64, hexadecimal and their kin, in a text that is small. To be fast it looks at every minRun-th byte only: a run that is
// long enough has one of them.
func (s *scan) runs(b []byte, c chain) {
	start := 0
	for i := minRun - 1; i < len(b); i += minRun {
		if !is(b[i], inBase64) {
			start = i + 1
			continue
		}
		from, to := i, i+1
		for from > start && is(b[from-1], inBase64) {
			from--
		}
		for to < len(b) && is(b[to], inBase64) {
			to++
		}
		if to-from >= minRun {
			s.runOrLines(b, from, to, c)
			if s.stopped != nil {
				return
			}
		}
		start = to + 1
		i = to
	}
}

// runOrLines looks at a run, or at several that are lines of one.
func (s *scan) runOrLines(b []byte, from, to int, c chain) {
	if to-from >= minLine && to < len(b) && (b[to] == '\n' || b[to] == '\r') {
		s.lines(b, from, to, c)
	}
	s.run(b, from, to, c)
}

// lines looks at base64 that is broken into lines of one length, as mail does.
func (s *scan) lines(b []byte, from, to int, c chain) {
	if from < s.read.lines {
		return // these lines were joined before
	}
	n := to - from
	joined := append([]byte(nil), b[from:to]...)
	end := to
	for len(joined) < maxRun {
		i := end
		if i < len(b) && b[i] == '\r' {
			i++
		}
		if i < len(b) && b[i] == '\n' {
			i++
		}
		j := i
		for j < len(b) && j-i < n && class[b[j]]&inBase64 != 0 {
			j++
		}
		if i == end || j == i {
			break
		}
		joined = append(joined, b[i:j]...)
		end = j
		if j-i < n {
			break
		}
	}
	if end == to {
		return
	}
	s.read.lines = end
	pinned, outer := s.pinned, s.read
	if c.n == s.base && !pinned {
		s.lead(from, end)
		s.pinned = true
	}
	s.read = readings{}
	s.run(joined, 0, len(joined), c)
	s.pinned, s.read = pinned, outer
}

// run looks at a run of the letters of base64.
func (s *scan) run(b []byte, from, to int, c chain) {
	r := b[from:to]
	if len(r) > maxRun {
		s.notes.add("more than %d MiB of base64 in one place: the rest was not decoded", maxRun>>20)
		r = r[:maxRun]
	}
	if len(r) > shortText && isDeclared(b, from) {
		if !s.deep(c) {
			s.base64(b, from, to, c, true)
		}
		return
	}
	// Most runs are words, paths, and names in camel case. What could be encoded has digits, or capitals that follow each other, and enough of them.
	t := tally{}
	whole := tally{}
	dense := false
	start, parts := 0, 0
	for i := 0; ; i++ {
		if i < len(r) && is(r[i], inWord) {
			t.add(r[i])
			continue
		}
		n := i - start
		switch {
		case n < minRun:
		case t.dense(n) || n == len(r) && t.capitals > 0 && padded(b, from, to):
			dense = true
			s.part(b, from+start, from+i, c)
		case n >= 26 && t.digits >= 2:
			s.small(b, from+start, from+i, c)
		}
		parts++
		whole.join(t)
		if i >= len(r) {
			break
		}
		start, t = i+1, tally{}
	}
	if parts > 1 {
		if len(r) == 36 && parts == 5 && r[8] == '-' && r[13] == '-' && r[18] == '-' && r[23] == '-' && s.dashed(r, from, to, c) {
			return
		}
		s.several(b, from, to, c, dense || whole.dense(len(r)) && mixed(r), whole.capitals)
	} else if dense && whole.capitals > 0 && !s.deep(c) {
		s.base64(b, from, to, c, false)
	}
}

// several looks at a run of several words, if it is dense as a whole, and else at its parts.
func (s *scan) several(b []byte, from, to int, c chain, dense bool, capitals int) {
	r := b[from:to]
	if capitals >= 2 && len(r) <= maxPath {
		s.segments(b, from, to, c)
	}
	if !dense {
		return
	}
	s.rawSum(b, from, to, c)
	if len(r) <= maxSmall && !s.deep(c) && lzFirst(r) && mixed(r) {
		if end := s.lzEnd(b, to); end > from {
			if t := lzBase64(b[from:end], s.left64()); t != nil {
				s.node(t, c, from, end, stepLZ)
			}
		}
	}
	// Without capitals, every third byte is h or later in ASCII, if it is text at all, and none is an at-sign or begins an escape: these are numbers in
	// hexadecimal, as UUIDs.
	if capitals > 0 && !s.deep(c) {
		s.base64(b, from, to, c, true)
	}
}

// maxPath is the longest run that is taken apart where slashes, hyphens and underscores may part as well as belong.
const maxPath = 1024

// segments looks for hashes, and for lz-string, in parts of a run: segments of a path, or what follows a prefix. Their letters may part segments, too.
func (s *scan) segments(b []byte, from, to int, c chain) {
	parts := func(x byte) bool { return !is(x, inWord) && x != '+' }
	tries := 8 // of lz-string, which may go on beyond the run
	for i := from; to-i >= minRun; i++ {
		if i > from && is(b[i-1], inWord) || i > from && b[i-1] == '+' {
			continue
		}
		for _, size := range sizes {
			end := i + (size*8+5)/6
			if end > to {
				break
			}
			if i == from && end == to || end < to && !parts(b[end]) { // the whole is looked at anyway
				continue
			}
			// The bits of the last letter that belong to no byte are zero.
			if v := usual64.value[b[end-1]]; size%3 == 1 && v&15 != 0 || size%3 == 2 && v&3 != 0 {
				continue
			}
			if likelySum(b[i:end]) {
				s.rawSum(b, i, end, c)
			}
		}
		if i > from && tries > 0 && !s.deep(c) && lzFirst(b[i:to]) && mixed(b[i:to]) {
			tries--
			if end := s.lzEnd(b, to); end > i {
				if t := lzBase64(b[i:end], s.left64()); t != nil {
					s.node(t, c, i, end, stepLZ)
				}
			}
		}
	}
}

// padded says whether what is at b[from:to] is filled up to fours by equals signs, and no name before a value or a comparison.
func padded(b []byte, from, to int) bool {
	end := to
	for end < len(b) && end < to+2 && b[end] == '=' {
		end++
	}
	return end > to && (end-from)%4 == 0 && (end == len(b) || !is(b[end], inWord) && b[end] != '=' && !isQuote(b[end]))
}

// isDeclared says whether what begins at b[from] is said to be base64, as pictures and fonts are in data URLs: then it is nothing else.
func isDeclared(b []byte, from int) bool { return from >= 7 && string(b[from-7:from]) == "base64," }

// likelySum says whether r has as many capitals, digits and signs as a hash in base64, and no more signs: words between hyphens have more.
func likelySum(r []byte) bool {
	marks, signs := 0, 0
	for _, x := range r {
		if x < 'a' {
			marks++
			if !is(x, inWord) {
				signs++
			}
		}
	}
	return marks*4 >= len(r) && signs <= 2+len(r)/8
}

// A tally counts what is no lower-case letter in a run.
type tally struct {
	capitals, digits int
	pairs            int // capitals that follow each other
	last             bool
}

func (t *tally) add(x byte) {
	switch {
	case x >= 'a':
		t.last = false
	case x >= 'A':
		t.capitals++
		if t.last {
			t.pairs++
		}
		t.last = true
	default:
		t.digits++
		t.last = false
	}
}

func (t *tally) join(u tally) {
	t.capitals += u.capitals
	t.digits += u.digits
	t.pairs += u.pairs
}

// dense says whether a run of n bytes does not look like words.
func (t *tally) dense(n int) bool {
	return (t.capitals+t.digits)*6 >= n && (t.digits > 0 || t.pairs > 0 || n >= 24 || t.capitals*3 >= n)
}

// part looks at a run of letters and digits that does not look like words.
func (s *scan) part(b []byte, from, to int, c chain) {
	r := b[from:to]
	other := uint8(0)
	for _, x := range r {
		other |= nibble[x]
	}
	if other < 16 {
		s.hex(b, from, to, c)
		return
	}
	if to-from > 20 && b[from] == '0' && b[from+1]|0x20 == 'x' { // 0x…
		s.part(b, from+2, to, c)
		return
	}
	if to-from <= maxSmall {
		for i := from; i < to; i++ { // within other letters
			j := i
			for j < to && isHex(b[j]) {
				j++
			}
			if j-i >= 16 {
				s.hex(b, i, j, c)
				for _, n := range sizes { // after a word that ends like a number: md5…, sha256…
					if i > from && j-i > 2*n && j-i <= 2*n+4 {
						if c.n == s.base {
							s.lead(i, j)
						}
						s.keep(ofSum, unhex(b[j-2*n:j]), c)
					}
				}
			}
			i = max(i, j)
		}
	}
	s.rawSum(b, from, to, c)
	if len(r) <= maxSmall && !s.deep(c) {
		s.small(b, from, to, c)
	}
}

// dashed says whether r, which has the hyphens of a UUID, is written like one, and looks at it: what is none by its version and variant may be a hash of 128 bits.
func (s *scan) dashed(r []byte, from, to int, c chain) bool {
	for _, x := range r {
		if x != '-' && !isHex(x) {
			return false
		}
	}
	if v, w := nibble[r[14]], nibble[r[19]]; 1 <= v && v <= 8 && w>>2 == 2 {
		return true
	}
	if c.n == s.base {
		s.lead(from, to)
	}
	s.keep(ofSum, unhex(bytes.ReplaceAll(r, []byte("-"), nil)), c)
	return true
}

// sizes are the lengths of hashes, in bytes.
var sizes = [...]int{16, 20, 28, 32, 48, 64}

// hex looks at a run of hexadecimal digits: a hash, text, compressed text, or what Cloudflare makes of an address.
func (s *scan) hex(b []byte, from, to int, c chain) {
	r := b[from:to]
	if len(r) < minHex {
		return
	}
	if c.n == s.base {
		s.lead(from, to)
	}
	for _, n := range sizes {
		if len(r) == 2*n {
			mark := s.records.mark()
			s.hexed = appendUnhex(s.hexed[:0], r)
			s.keep(ofSum, s.hexed, c)
			s.records.own(mark)
		}
	}
	if s.deep(c) {
		return
	}
	if len(r)%2 == 1 {
		s.hexed = appendUnhex(s.hexed[:0], r[1:])
		if t := s.hexed; likelyText(t) {
			s.node(bytes.Clone(t), c, from, to, stepHex)
		}
		r = r[:len(r)-1]
	}
	t := appendUnhex(s.hexed[:0], r)
	s.hexed = t
	clouded := uncloud(t)
	if likelyText(t) || compressed(t) || atWithin(t) || s.deflated(t) {
		s.node(bytes.Clone(t), c, from, to, stepHex) // which may write over t
	}
	if clouded != nil {
		s.node(clouded, c, from, to, stepCFEmail)
	}
	if x := nibble[r[len(r)-1]]<<4 | nibble[r[len(r)-2]]; !is(x, inText) && x != 0 && x < 0xFE { // neither text nor UTF-16
		return
	}
	t = s.hexed[:0]
	for i := len(r) - 1; i > 0; i -= 2 {
		t = append(t, nibble[r[i]]<<4|nibble[r[i-1]])
	}
	s.hexed = t
	if likelyText(t) {
		back := bytes.Clone(r)
		slices.Reverse(back)
		s.node(back, c, from, to, stepReversed)
	}
}

// atWithin says whether an at-sign is in what is no text, letters around it, and a full stop after.
func atWithin(t []byte) bool {
	for i := 1; i+5 <= len(t); i++ {
		n := bytes.IndexByte(t[i:], '@')
		if n < 0 {
			break
		}
		if i += n; i+5 > len(t) || !is(t[i-1], inLocal) || t[i-1] >= utf8.RuneSelf {
			continue
		}
		for j := i + 1; j < len(t) && t[j] < utf8.RuneSelf && is(t[j], inHost); j++ {
			if t[j] == '.' && j > i+1 {
				return true
			}
		}
	}
	return false
}

func unhex(r []byte) []byte { return appendUnhex(make([]byte, 0, len(r)/2), r) }

func appendUnhex(to, r []byte) []byte {
	at := len(to)
	to = slices.Grow(to, len(r)/2)[:at+len(r)/2]
	for i := range to[at:] {
		to[at+i] = nibble[r[2*i]]<<4 | nibble[r[2*i+1]]
	}
	return to
}

// uncloud undoes Cloudflare's protection of addresses: the first byte is a key, with which the others are combined.
func uncloud(t []byte) []byte {
	if len(t) < 6 || len(t) > 512 {
		return nil
	}
	if bytes.IndexByte(t[1:], t[0]^'@') < 0 {
		return nil
	}
	out := make([]byte, 0, len(t)-1)
	for _, x := range t[1:] {
		out = append(out, x^t[0])
	}
	if !likelyText(out) {
		return nil
	}
	return out
}

// rawSum takes a run of base64 for a hash, if it has the length of one, and a text of random letters' look.
func (s *scan) rawSum(b []byte, from, to int, c chain) {
	n := to - from
	for _, size := range sizes {
		full := (size*8 + 5) / 6
		if n != full || size%3 == 0 && n != size/3*4 {
			continue
		}
		if !mixed(b[from:to]) {
			return
		}
		if c.n == s.base {
			s.lead(from, to)
		}
		st := stepBase64
		if bytes.IndexByte(b[from:to], '-') >= 0 || bytes.IndexByte(b[from:to], '_') >= 0 {
			st = stepBase64URL
		}
		if s.hexed = usual64.appendDecoded(s.hexed[:0], b[from:to]); len(s.hexed) == size {
			mark := s.records.mark()
			s.keep(ofSum, s.hexed, c.with(st))
			s.records.own(mark)
		}
	}
}

// mixed says whether letters of both cases and digits follow each other as if by chance.
func mixed(r []byte) bool {
	changes := 0
	last := letterKind[r[0]]
	for _, x := range r {
		k := letterKind[x]
		if k != last {
			changes++
		}
		last = k
	}
	return changes*4 >= len(r)
}

// letterKind tells lower-case letters, capitals, and what else is in base64.
var letterKind = letterKinds()

func letterKinds() (t [256]uint8) {
	for i := range t {
		switch {
		case i >= 'a':
			t[i] = 1
		case i >= 'A':
			t[i] = 2
		default:
			t[i] = 3
		}
	}
	return t
}

// An alphabet64 is one in which base64 is written.
type alphabet64 struct {
	value [256]byte  // of each letter; 0xFF of what is none
	fits  [256]uint8 // bit n: the letter may be the n-th of two fours that are text in ASCII, the last but one at most
}

// usual64 has the letters of base64 and base64url, rot64 what ROT13 makes of them.
var (
	usual64 = newAlphabet64(base64Values())
	rot64   = newAlphabet64(rotated(base64Values()))
)

func newAlphabet64(value [256]byte) (a alphabet64) {
	a.value = value
	for x, v := range value {
		if v == 0xFF {
			continue
		}
		fits := uint8(1 << 3)
		if v&32 == 0 { // the top bit of the first byte; likewise, the next
			fits |= 1<<0 | 1<<4
		}
		if v&8 == 0 {
			fits |= 1<<1 | 1<<5
		}
		if v&2 == 0 {
			fits |= 1<<2 | 1<<6
		}
		a.fits[x] = fits
	}
	return a
}

func base64Values() (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(letters) {
		t[letters[i]] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}

func rotated(from [256]byte) (t [256]byte) {
	t = from
	for c := byte('a'); c <= 'z'; c++ {
		t[c] = from['a'+(c-'a'+13)%26]
		t[c-0x20] = from['A'+(c-'a'+13)%26]
	}
	return t
}

// decode decodes r, which is not padded.
func (a *alphabet64) decode(r []byte) []byte {
	return a.appendDecoded(make([]byte, 0, len(r)*3/4+3), r)
}

func (a *alphabet64) appendDecoded(out, r []byte) []byte {
	for ; len(r) >= 4; r = r[4:] {
		x := a.four(r)
		out = append(out, x[0], x[1], x[2])
	}
	var rest [3]byte
	return append(out, rest[:a.rest(&rest, r)]...)
}

// base64 decodes a run of base64 or base64url that may begin and end anywhere in r: each of the four ways to cut it in fours is tried as long as text
// comes out. Whole runs may also hold what is no text: compressed, or in UTF-16.
func (s *scan) base64(b []byte, from, to int, c chain, parted bool) {
	r := b[from:to]
	tell := func(text []byte, i, j int) {
		st := stepBase64
		if bytes.IndexByte(r[i:j], '-') >= 0 || bytes.IndexByte(r[i:j], '_') >= 0 {
			st = stepBase64URL
		}
		if st == stepBase64URL || bytes.IndexByte(r[i:j], '+') < 0 && bytes.IndexByte(r[i:j], '/') < 0 {
			if i == 0 && jwtPart(b, from, to, text) {
				st = stepJWT
			}
		}
		s.node(text, c, from, to, st)
	}
	// What is no text, only where a run or a part of it begins.
	starts := [4]int{0}
	n := 1
	if parted {
		for i := 1; i+minRun < len(r) && n < len(starts); i++ {
			if !is(r[i-1], inWord) && is(r[i], inWord) {
				starts[n] = i
				n++
			}
		}
	}
	for _, i := range starts[:n] {
		s.whole64(r, i, tell)
	}
	s.texts64(r, allPhases, &usual64, tell)
	if len(r) > maxRun/4 || isDeclared(b, from) && len(r) > shortText || !mixed(r) {
		return
	}
	// A text that is a good part of the run says that the whole was meant. A short one may be chance, of which there is much in pictures and fonts: it is
	// all that is looked at.
	other := func(st step, mapped func() []byte) func([]byte, int, int) {
		done := false
		return func(text []byte, _, _ int) {
			switch {
			case done:
			case len(text) > shortText || 5*len(text) >= len(r):
				done = true
				s.node(mapped(), c, from, to, st)
			default:
				if c.n == s.base {
					s.lead(from, to)
				}
				s.node(text, c.with(st), from, to, stepBase64)
			}
		}
	}
	// ROT13 and reversal of base64.
	rot := func() []byte {
		t := append([]byte(nil), r...)
		for i, x := range t {
			if 'a' <= x|0x20 && x|0x20 <= 'z' {
				t[i] = (x|0x20-'a'+13)%26 + 'a' - (0x20 &^ x)
			}
		}
		return t
	}
	var buf [36]byte
	if wideText(rot64.head(&buf, r)) {
		s.node(rot(), c, from, to, stepROT13)
	} else {
		s.texts64(r, 1, &rot64, other(stepROT13, rot))
	}
	back := bytes.Clone(r)
	slices.Reverse(back)
	s.texts64(back, allPhases, &usual64, other(stepReversed, func() []byte { return back }))
	if magic64(back) || wideText(usual64.head(&buf, back)) {
		s.node(back, c, from, to, stepReversed)
	}
}

// jwtPart says whether r is a part of a token as JWT has them: base64url of JSON, between full stops.
func jwtPart(b []byte, from, to int, text []byte) bool {
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	return from > 0 && b[from-1] == '.' || to < len(b) && b[to] == '.'
}

// minText is the shortest text that is worth looking at: a@b.co.
const minText = 6

const allPhases = 1<<4 - 1

// texts64 tells of each stretch of r that decodes to text, cut in fours from one of the phases on (bit n: from the n-th letter), and may lead to something.
func (s *scan) texts64(r []byte, phases uint8, table *alphabet64, tell func(text []byte, i, j int)) {
	var told [4]int // by phase: up to where
	state := uint8(0)
	for k, x := range r {
		if state = (state<<1 | 1) & table.fits[x]; state&(1<<6) == 0 {
			continue
		}
		begin := k - 6 // of two fours that may be text: one, and what is around it, is hardly an address
		if phases>>(begin%4)&1 == 0 || begin < told[begin%4] || begin+8 > len(r) || !table.text(r[begin:]) || !table.text(r[begin+4:]) {
			continue
		}
		i := begin + 8
		for ; i+4 <= len(r) && table.text(r[i:]); i += 4 {
		}
		told[begin%4] = i
		// Chance makes many short texts of what is no text; they come to nothing without an allocation.
		var short [shortText]byte
		text := short[:0]
		if n := (i-begin)/4*3 + 6; n > len(short) {
			text = make([]byte, 0, n)
		}
		if begin >= 4 { // the end of the four before
			for _, x := range table.four(r[begin-4:]) {
				if text = append(text, x); x >= utf8.RuneSelf || !is(x, inText) {
					text = text[:0]
				}
			}
		}
		for j := begin; j < i; j += 4 {
			x := table.four(r[j:])
			text = append(text, x[:]...)
		}
		// What is left over, or the beginning of what is no text.
		var rest [3]byte
		for _, x := range rest[:table.rest(&rest, r[i:min(len(r), i+3)])] {
			if x >= utf8.RuneSelf || !is(x, inText) {
				break
			}
			text = append(text, x)
		}
		if at := bytes.IndexByte(text, '@'); at > 0 && at < len(text)-1 {
			s.around64(r, begin, i, table, tell)
		}
		switch {
		case len(text) < minText:
		case len(text) > len(short):
			tell(text, begin, i)
		case s.strict || leads(text):
			tell(bytes.Clone(text), begin, i)
		}
	}
}

// aroundText is how many letters of base64 around a text are decoded, too.
const aroundText = 16

// around64 tells of a text with what is around it, if that is no text: a length may be there.
func (s *scan) around64(r []byte, i, j int, table *alphabet64, tell func(text []byte, i, j int)) {
	from, to := max(i%4, i-aroundText), min(len(r), j+aroundText)
	if from < i || to > j {
		if t := table.decode(r[from:to]); torn(t) {
			tell(t, from, to)
		}
	}
}

// text says whether the first four letters are three bytes of text in ASCII.
func (a *alphabet64) text(r []byte) bool {
	x := a.four(r)
	return class[x[0]]&class[x[1]]&class[x[2]]&inText != 0 && (x[0]|x[1]|x[2]) < utf8.RuneSelf
}

// four decodes the first four letters.
func (a *alphabet64) four(r []byte) [3]byte {
	_ = r[3]
	v := uint32(a.value[r[0]])<<18 | uint32(a.value[r[1]])<<12 | uint32(a.value[r[2]])<<6 | uint32(a.value[r[3]])
	return [3]byte{byte(v >> 16), byte(v >> 8), byte(v)}
}

// rest decodes what is less than four letters, and gives how many bytes that is.
func (a *alphabet64) rest(to *[3]byte, r []byte) int {
	v := uint32(0)
	for i, x := range r {
		v |= uint32(a.value[x]) << (18 - 6*i)
	}
	to[0], to[1] = byte(v>>16), byte(v>>8)
	return max(0, len(r)-1)
}

// whole64 looks whether r[i:] decodes to something that is no ASCII: compressed, UTF-16, or text of other scripts.
func (s *scan) whole64(r []byte, i int, tell func(text []byte, i, j int)) {
	r = r[i:]
	if len(r) < minRun {
		return
	}
	var buf [36]byte
	h := usual64.head(&buf, r)
	switch {
	case compressed(h):
	case utf16Looks(h):
	case wideText(h):
	case len(r) >= 16 && len(r) <= maxSmall && (beginsDeflate(h) || brotliLooks(h, len(r)*3/4)) && mixed(r) && random(r):
		t := usual64.decode(r)
		if s.deflated(t) || s.brotlied(t) {
			tell(t, i, i+len(r))
		}
		return
	default:
		return
	}
	tell(usual64.decode(r), i, i+len(r))
}

// head decodes the beginning of r, into buf.
func (a *alphabet64) head(buf *[36]byte, r []byte) []byte {
	n := min(len(r), 48)
	return a.appendDecoded(buf[:0], r[:n-n%4])
}

// random says whether r has as many capitals and digits as bytes by chance have in base64, or somewhat fewer.
func random(r []byte) bool {
	marks := 0
	for _, x := range r {
		if x < 'a' {
			marks++
		}
	}
	return marks*100 >= len(r)*35
}

// wideText says whether h begins like UTF-8 that is not ASCII only.
func wideText(h []byte) bool {
	wide := false
	for len(h) > utf8.UTFMax {
		r, n := utf8.DecodeRune(h)
		if r == utf8.RuneError || r < ' ' && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
		wide = wide || n > 1
		h = h[n:]
	}
	return wide
}

// magic64 says whether r is base64 of something compressed.
func magic64(r []byte) bool {
	if len(r) < 8 {
		return false
	}
	return compressed(usual64.decode(r[:8]))
}

// likelyText says whether t could be text, in UTF-8 or UTF-16.
func likelyText(t []byte) bool {
	if len(t) < minText {
		return false
	}
	wide := false
	for _, x := range t {
		if !is(x, inText) {
			return utf16Looks(t)
		}
		wide = wide || x >= utf8.RuneSelf
	}
	return !wide || mostUTF8(t)
}

// mostUTF8 says whether what is text in ASCII, or none, is UTF-8 as a whole, or was cut off.
func mostUTF8(t []byte) bool {
	n := tornAt(t)
	return n == len(t) || n > 0 && n > len(t)-utf8.UTFMax
}
