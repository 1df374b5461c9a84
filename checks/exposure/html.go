package exposure

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// html looks through a page. First it looks through the source as a text, to learn which spans of it hold candidates at all; most pages hold none, and
// are done. Then it goes through the tags, keeping the open elements, and looks through those texts and attributes that meet such a span, each in its
// place. (The tokenizer of x/net/html decodes and copies every text and attribute, which costs several times what is spent here, on pages that mostly
// hold nothing.)
func (s *scan) html(b []byte, prefix string, c chain) {
	found := s.found.emptied()
	s.found = records{}
	s.records, s.turnings = &found, nil
	base := s.base
	s.base = c.n
	s.explore(b, c)
	s.base = base
	s.records = nil
	// Where text runs from right to left, look at all of it, backwards.
	turned := s.turns(b)
	if spans := found.merged(turned); len(spans) > 0 && !s.stop() {
		w := walk{scan: s, b: b, prefix: prefix, chain: c, spans: spans, found: found.list, keys: string(found.keys), top: -1, used: -1, places: map[attributePlace]uint32{}, turns: len(turned) > 0}
		w.styles = hidingRules(b)
		s.expect(found.list)
		w.walk()
	}
	s.found = found
}

// turns are the stretches of a page after what makes text run from right to left.
func (s *scan) turns(b []byte) []extent {
	if len(b) > maxSmall { // masked found them
		return s.turnings
	}
	s.turnings = nil
	for i := range b {
		s.turnsAt(b, i)
	}
	return s.turnings
}

// turnsAt keeps the stretch after what makes text run from right to left, if that is at b[i].
func (s *scan) turnsAt(b []byte, i int) {
	for _, mark := range [...]string{"rtl", "bidi-override"} {
		if hasFold(b, i, mark) && len(s.turnings) < 10_000 && (i == 0 || !is(b[i-1], inWord)) {
			if i += len(mark); i < len(b) && is(b[i], inWord) { // part of a word, or of base64
				continue
			}
			s.turnings = append(s.turnings, extent{from: i, to: min(len(b), i+2048)})
		}
	}
}

type extent struct {
	from, to int
	own      part // of a span: the least of what is in it
}

// within says whether a span is in [from,to), with all that has a part in it. What is before a script has none in it: it is not read that far.
func (x extent) within(from, to int, script bool) bool {
	switch {
	case x.own == nothing, x.own == nearby && script:
		return from <= x.from && x.to <= to
	case x.own == nearby:
		return from <= x.from-nearReach && x.to+nearReach <= to
	}
	return false
}

// A walk goes through a page's tags.
type walk struct {
	*scan
	b      []byte
	prefix string
	chain  chain
	spans  []extent // where candidates are, in order
	found  []record // the candidates
	keys   string   // theirs
	styles styles
	known  []element // the open elements, and others that texts since the last boundary are in
	top    int32     // of known, the element that was opened last; -1 where none is open
	used   int32     // of known, the last that one of the texts is in
	path   []int32   // see hidden
	places map[attributePlace]uint32
	counts [elements]int // of open elements, by what they are
	run    []text        // since the last boundary
	turns  bool          // whether anything on the page runs from right to left
	turned bool          // whether one of them runs from right to left
	at     int           // of the spans, where first looked last
	script bool          // whether what is looked at is a script
}

// A text is a stretch between tags.
type text struct {
	from, to int
	in       int32 // the element
	veiled   bool  // whether that is hidden, once flush has asked
}

// An element is one that is open, or was.
type element struct {
	what     kind
	from, to int32 // its tag
	parent   int32
	name     uint8 // length of its name
	state    uint8 // whether it is hidden: unknown, no, yes
}

const (
	unknown = iota
	shown
	hidden
)

// kind is what an element is to a walk.
type kind uint8

const (
	inline kind = iota // and all that is not known
	block
	void
	paragraph
	item
	cell
	row
	option
	raw       // its text is no HTML
	escapable // its text is text
	unseen    // never shown
	elements
)

// first is the first span that ends after from. The walk asks of places near each other, so the answer is near the last one.
func (w *walk) first(from int) int {
	for w.at > 0 && w.spans[w.at-1].to > from {
		w.at--
	}
	for w.at < len(w.spans) && w.spans[w.at].to <= from {
		w.at++
	}
	return w.at
}

// meets says whether a span meets [from,to).
func (w *walk) meets(from, to int) bool {
	i := w.first(from)
	return i < len(w.spans) && w.spans[i].from < to
}

// look keeps what is in [from,to) of the page, which stands for itself. Where all that was found there is of its own it is known already; or else it is looked through
// again, as what is around may have had a part. before and after say that candidates do not count which touch the beginning or the end.
func (w *walk) look(from, to int, before, after bool) {
	own := true
	for i := w.first(from); own && i < len(w.spans) && w.spans[i].from < to; i++ {
		own = w.spans[i].within(from, to, w.script)
	}
	switch {
	case !own && to-from < 4*nearReach:
		if before || after {
			w.accept = func(low, high int) bool { return !(low == 0 && before || high == to-from && after) }
		}
		w.exploreFrom(w.b[from:to], w.chain)
		w.accept = nil
		return
	case !own:
		w.near(from, to)
	}
	base := w.base
	w.base = w.chain.n
	i, _ := slices.BinarySearchFunc(w.found, from, func(x record, from int) int { return cmp.Compare(x.from, from) })
	for ; i < len(w.found) && w.found[i].from < to; i++ {
		x := &w.found[i]
		if !(extent{x.from, x.to, x.own}).within(from, to, w.script) || before && x.from == from || after && x.to == to {
			continue
		}
		w.keepAgain(x, w.keys[x.key:x.end])
	}
	w.base = base
}

// nearReach is how far around a span a long text is looked through again.
const nearReach = scriptReach + 512

// near looks through a long text around those spans that are not of their own.
func (w *walk) near(from, to int) {
	low, high := -1, -1
	explore := func() {
		if low < 0 {
			return
		}
		w.accept = func(x, y int) bool { return !(x == 0 && low > from || y == high-low && high < to) } // cut off
		w.exploreFrom(w.b[low:high], w.chain)
		w.accept = nil
	}
	for i := w.first(from); i < len(w.spans) && w.spans[i].from < to; i++ {
		x := w.spans[i]
		if x.within(from, to, w.script) {
			continue
		}
		if x.from-nearReach > high {
			explore()
			low = max(from, x.from-nearReach)
		}
		high = max(high, min(to, x.to+nearReach))
	}
	explore()
}

func (w *walk) walk() {
	b := w.b
	for i := 0; i < len(b); {
		if w.stop() {
			return
		}
		n := bytes.IndexByte(b[i:], '<')
		if n < 0 {
			w.addText(i, len(b))
			break
		}
		lt := i + n
		next := w.tag(lt)
		if next == lt { // no tag
			w.addText(i, lt+1)
			i = lt + 1
			continue
		}
		if lt > i {
			w.addText(i, lt)
		}
		i = w.apply(lt, next)
	}
	w.flush()
}

// tag is the end of the tag or comment that begins at b[i]; i where there is none.
func (w *walk) tag(i int) int {
	b := w.b
	if i+1 >= len(b) {
		return i
	}
	switch x := b[i+1]; {
	case x == '!' || x == '?':
		if bytes.HasPrefix(b[i:], []byte("<!--")) {
			if bytes.HasPrefix(b[i+4:], []byte(">")) {
				return i + 5
			}
			if bytes.HasPrefix(b[i+4:], []byte("->")) {
				return i + 6
			}
			end := bytes.Index(b[i+4:], []byte("-->"))
			if bang := bytes.Index(b[i+4:min(len(b), i+4+max(end, 0))], []byte("--!>")); bang >= 0 {
				return i + 4 + bang + 4
			}
			if end < 0 {
				return len(b)
			}
			return i + 4 + end + 3
		}
		if bytes.HasPrefix(b[i:], []byte("<![CDATA[")) && w.counts[unseen] >= 0 && w.foreign() {
			if end := bytes.Index(b[i:], []byte("]]>")); end >= 0 {
				return i + end + 3
			}
			return len(b)
		}
		if end := bytes.IndexByte(b[i:], '>'); end >= 0 {
			return i + end + 1
		}
		return len(b)
	case x == '/':
		if i+2 >= len(b) {
			return i
		}
		if !isLetter(b[i+2]) {
			if end := bytes.IndexByte(b[i:], '>'); end >= 0 {
				return i + end + 1
			}
			return len(b)
		}
	case !isLetter(x):
		return i
	}
	return tagEnd(b, i+1)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// tagEnd is the end of a tag: the first > that is in no quoted value.
func tagEnd(b []byte, i int) int {
	for {
		gt := bytes.IndexByte(b[i:], '>')
		if gt < 0 {
			return len(b)
		}
		// A quote counts only where a value begins.
		q := bytes.IndexByte(b[i:i+gt], '=')
		for q >= 0 {
			j := i + q + 1
			for j < len(b) && is(b[j], inSpace) {
				j++
			}
			if j < len(b) && (b[j] == '"' || b[j] == '\'') {
				end := bytes.IndexByte(b[j+1:], b[j])
				if end < 0 {
					return len(b)
				}
				end += j + 2
				if end > i+gt { // the > was in the value
					i = end
					break
				}
				q = bytes.IndexByte(b[end:i+gt], '=')
				if q >= 0 {
					q += end - i
				}
				continue
			}
			if n := bytes.IndexByte(b[i+q+1:i+gt], '='); n >= 0 {
				q += n + 1
			} else {
				q = -1
			}
		}
		if q < 0 {
			return i + gt + 1
		}
	}
}

// runReach is how far from a candidate it counts which way a text runs.
const runReach = 8 << 10

// addText adds [from,to) to the texts since the last boundary.
func (w *walk) addText(from, to int) {
	if from >= to {
		return
	}
	w.run = append(w.run, text{from: from, to: to, in: w.top})
	w.used = max(w.used, w.top)
	w.turned = w.turned || w.turns && w.meets(from-runReach, to+runReach) && w.rightToLeft()
	if len(w.run) > 4096 {
		w.flush()
	}
}

// flush looks through the texts since the last boundary, if a span meets them: each by itself, and what is shown joined, and what is hidden joined.
func (w *walk) flush() {
	if len(w.run) == 0 {
		return
	}
	from, to := w.run[0].from, w.run[len(w.run)-1].to
	if w.meets(from, to) {
		place, field := audit.Shown, "text"
		if w.counts[escapable] > 0 && w.counts[unseen] == 0 && w.top >= 0 && w.is(w.known[w.top], "title") {
			field = "title"
		}
		for i := range w.run {
			x := &w.run[i]
			x.veiled = w.hidden(x.in)
		}
		for _, veiled := range [...]bool{false, true} {
			if veiled {
				place, field = audit.Payload, "hidden text"
			}
			w.in(place, "", w.prefix+field)
			var joined []byte
			var seams []int
			for i, x := range w.run {
				if x.veiled != veiled {
					continue
				}
				if len(joined) > 0 {
					seams = append(seams, len(joined))
				}
				joined = append(joined, w.b[x.from:x.to]...)
				if w.meets(x.from, x.to) {
					w.alone(i, veiled)
				}
			}
			if len(joined) > 0 && len(joined) <= maxSmall && w.turned {
				w.exploreFrom(reverse(joined), w.chain.with(stepReversed))
			}
			if len(seams) > 0 {
				w.accept = func(from, to int) bool {
					i, found := slices.BinarySearch(seams, from)
					if found {
						i++
					}
					return i < len(seams) && seams[i] < to
				}
				w.exploreFrom(joined, w.chain.with(stepSplit))
				w.accept = nil
			}
		}
	}
	w.run, w.turned, w.used = w.run[:0], false, -1
}

// alone looks through one of the texts by itself: words of neighbouring elements may be set apart. But what begins or ends with a sign that goes on is
// not by itself.
func (w *walk) alone(i int, veiled bool) {
	x := w.run[i]
	before, after := byte(' '), byte(' ')
	for j := i - 1; j >= 0 && before == ' '; j-- {
		if w.run[j].veiled == veiled {
			before = w.b[w.run[j].to-1]
			break
		}
	}
	for j := i + 1; j < len(w.run); j++ {
		if w.run[j].veiled == veiled {
			after = w.b[w.run[j].from]
			break
		}
	}
	goesOn := func(c byte) bool { return c == '.' || c == '-' || c == '_' || c == '+' }
	w.look(x.from, x.to, goesOn(before), goesOn(after))
}

// is says whether an element has a name, given in lower case.
func (w *walk) is(e element, name string) bool {
	return int(e.name) == len(name) && hasFold(w.b, int(e.from)+1, name)
}

// apply does what the tag or comment at b[from:to] says, and gives where to go on.
func (w *walk) apply(from, to int) int {
	b := w.b
	switch {
	case b[from+1] == '!' || b[from+1] == '?':
		if w.meets(from, to) {
			if bytes.HasPrefix(b[from:], []byte("<![CDATA[")) && w.foreign() {
				w.addText(from+9, to-3)
				return to
			}
			w.in(audit.Payload, "", w.prefix+"comment")
			w.look(from, to, false, false)
		}
		return to
	case b[from+1] == '/':
		n := from + 2
		for n < to && n < from+34 && !is(b[n], inSpace) && b[n] != '>' && b[n] != '/' {
			n++
		}
		w.close(b[from+2 : n])
		return to
	}
	n := from + 1
	for n < to && n < from+33 && !is(b[n], inSpace) && b[n] != '>' && b[n] != '/' {
		n++
	}
	name := b[from+1 : n]
	what := kindOf(name)
	switch what {
	case inline, void:
		if what == void && hasFold(name, 0, "br") || hasFold(name, 0, "hr") {
			w.flush()
		}
	case paragraph, block, raw, escapable, unseen:
		if !(what == raw && hasFold(name, 0, "script")) {
			w.flush()
		}
		if what == paragraph || what == block {
			w.closeOpen(paragraph, block)
		}
	case item, option:
		w.flush()
		w.closeOpen(what, block)
	case cell:
		w.flush()
		w.closeOpen(cell, row)
	case row:
		w.flush()
		w.closeOpen(row, block)
	}
	e := element{what: what, from: int32(from), to: int32(to), parent: w.top, name: uint8(n - from - 1)}
	if w.meets(from, to) {
		w.attributes(e)
	}
	selfClosed := to-2 > from && b[to-2] == '/'
	if what == void && hasFold(name, 0, "img") {
		for a := range attributes(b[from:to]) { // a picture of a sign
			if a.is("alt") && len(a.value) == 1 {
				w.addText(from+a.from, from+a.to)
			}
		}
	}
	if what == void || selfClosed && w.foreign() {
		return to
	}
	if len(w.known) < 1<<20 {
		w.top = int32(len(w.known))
		w.known = append(w.known, e)
		w.counts[what]++
	}
	if what != raw && what != escapable {
		return to
	}
	// Up to the end tag nothing is a tag.
	end := rawEnd(b, to, name)
	if end > to {
		if what == raw {
			if w.meets(to, end) {
				field := strings.ToLower(string(name))
				w.in(audit.Payload, "", w.prefix+field)
				w.script = field == "script"
				w.look(to, end, false, false)
				w.script = false
			}
		} else {
			w.addText(to, end)
			w.flush()
		}
	}
	return end
}

// rawEnd is where the text of an element ends that holds no HTML: at its end tag.
func rawEnd(b []byte, i int, name []byte) int {
	for {
		n := bytes.Index(b[i:], []byte("</"))
		if n < 0 {
			return len(b)
		}
		i += n
		if j := i + 2 + len(name); j <= len(b) && bytes.EqualFold(b[i+2:j], name) && (j == len(b) || is(b[j], inSpace) || b[j] == '>' || b[j] == '/') {
			return i
		}
		i += 2
	}
}

// close closes the element of that name that is open last, and what is open in it. An end tag of an inline element does not reach beyond a block.
func (w *walk) close(name []byte) {
	what := kindOf(name)
	if what != inline {
		w.flush()
	}
	if w.counts[what] == 0 {
		return
	}
	for i, tries := w.top, 0; i >= 0 && tries < 128; i, tries = w.known[i].parent, tries+1 {
		e := &w.known[i]
		if int(e.name) == len(name) && bytes.EqualFold(w.b[e.from+1:int(e.from)+1+len(name)], name) {
			w.pop(i)
			return
		}
		if what == inline && e.what != inline && e.what != paragraph {
			return
		}
	}
}

// closeOpen closes the open element of a kind, as its end tag may be left out; not beyond one of the other kind.
func (w *walk) closeOpen(what, beyond kind) {
	if w.counts[what] == 0 {
		return
	}
	for i, tries := w.top, 0; i >= 0 && tries < 64; i, tries = w.known[i].parent, tries+1 {
		switch w.known[i].what {
		case what:
			w.pop(i)
			return
		case beyond:
			return
		}
	}
}

// pop closes the open elements from the last to one of them.
func (w *walk) pop(to int32) {
	for w.top >= to {
		e := &w.known[w.top]
		w.counts[e.what]--
		w.top = e.parent
	}
	w.known = w.known[:max(w.top, w.used)+1]
}

// rightToLeft says whether an open element turns the direction of text.
func (w *walk) rightToLeft() bool {
	for i, tries := w.top, 0; i >= 0 && tries < 8; i, tries = w.known[i].parent, tries+1 {
		tag := w.b[w.known[i].from:w.known[i].to]
		if bytes.Contains(tag, []byte("rtl")) || bytes.Contains(tag, []byte("RTL")) || indexFold(tag, "bidi") >= 0 {
			return true
		}
	}
	return false
}

// foreign says whether the open element is part of an SVG or MathML.
func (w *walk) foreign() bool {
	for i, tries := w.top, 0; i >= 0 && tries < 64; i, tries = w.known[i].parent, tries+1 {
		if e := w.known[i]; w.is(e, "svg") || w.is(e, "math") {
			return true
		}
	}
	return false
}

// hidden says whether what is in an element, that one of known, is not shown by a browser.
func (w *walk) hidden(in int32) bool {
	// Up to the nearest element of which it is known, and then down again.
	w.path = w.path[:0]
	for ; in >= 0 && w.known[in].state == unknown; in = w.known[in].parent {
		w.path = append(w.path, in)
	}
	state := uint8(shown)
	if in >= 0 {
		state = w.known[in].state
	}
	for _, i := range slices.Backward(w.path) {
		e := &w.known[i]
		if state != hidden && w.hides(*e) {
			state = hidden
		}
		e.state = state
	}
	return state == hidden
}

// hides says whether an element is one that hides what is in it.
func (w *walk) hides(e element) bool {
	if e.what == unseen {
		return true
	}
	tag := w.b[e.from:e.to]
	name := strings.ToLower(string(tag[1 : 1+e.name]))
	if w.styles.hide[name] {
		return true
	}
	if len(tag) <= len(name)+3 {
		return name == "dialog"
	}
	opened := false
	for a := range attributes(tag) {
		switch {
		case a.is("hidden"):
			return true
		case a.is("open"):
			opened = true
		case a.is("style"):
			if hidingStyle(a.value) {
				return true
			}
		case w.styles.classes && a.is("class"):
			for class := range strings.FieldsSeq(string(a.value)) {
				if w.styles.hide["."+class] || w.styles.hide[name+"."+class] {
					return true
				}
			}
		case w.styles.ids && a.is("id"):
			if id := "#" + string(a.value); w.styles.hide[id] || w.styles.hide[name+id] {
				return true
			}
		}
	}
	return name == "dialog" && !opened
}

// An attribute is a name and a value, as they stand: character references are not decoded.
type attribute struct {
	name, value []byte
	from, to    int // of the value, in the tag
}

// is says whether an attribute has a name, given in lower case.
func (a attribute) is(name string) bool { return len(a.name) == len(name) && hasFold(a.name, 0, name) }

// attributes gives the attributes of a start tag.
func attributes(tag []byte) func(yield func(attribute) bool) {
	return func(yield func(attribute) bool) {
		i := 1
		for i < len(tag) && !is(tag[i], inSpace) && tag[i] != '/' && tag[i] != '>' {
			i++
		}
		for i < len(tag) {
			for i < len(tag) && (is(tag[i], inSpace) || tag[i] == '/') {
				i++
			}
			if i >= len(tag) || tag[i] == '>' {
				return
			}
			start := i
			i++
			for i < len(tag) && !is(tag[i], inSpace) && tag[i] != '=' && tag[i] != '>' && tag[i] != '/' {
				i++
			}
			a := attribute{name: tag[start:i], from: i, to: i}
			for i < len(tag) && is(tag[i], inSpace) {
				i++
			}
			if i < len(tag) && tag[i] == '=' {
				i++
				for i < len(tag) && is(tag[i], inSpace) {
					i++
				}
				if i < len(tag) && (tag[i] == '"' || tag[i] == '\'') {
					end := bytes.IndexByte(tag[i+1:], tag[i])
					if end < 0 {
						end = len(tag) - i - 1
					}
					a.from, a.to = i+1, i+1+end
					i += end + 2
				} else {
					a.from = i
					for i < len(tag) && !is(tag[i], inSpace) && tag[i] != '>' {
						i++
					}
					a.to = i
				}
				a.value = tag[a.from:min(a.to, len(tag))]
			}
			if !yield(a) {
				return
			}
		}
	}
}

// attributes looks through those attributes of a start tag that a span meets.
func (w *walk) attributes(e element) {
	tag := w.b[e.from:e.to]
	name := strings.ToLower(string(tag[1 : 1+e.name]))
	inputType := ""
	if name == "input" {
		for a := range attributes(tag) {
			if a.is("type") {
				inputType = strings.ToLower(string(a.value))
			}
		}
	}
	veiled := w.hidden(w.top) || w.hides(e)
	for a := range attributes(tag) {
		if !w.meets(int(e.from)+a.from, int(e.from)+a.to) {
			if w.meets(int(e.from)+a.from-len(a.name)-2, int(e.from)+a.from) && len(a.name) >= minText { // a name that holds something
				w.in(audit.Payload, "", w.prefix+"attribute name")
				w.exploreFrom(bytes.ToLower(a.name), w.chain)
			}
			continue
		}
		if a.is("srcdoc") && name == "iframe" && w.nestHTML < 3 {
			w.srcdoc(a.value, veiled)
			continue
		}
		place, named := audit.Payload, strings.ToLower(string(a.name))
		if !veiled && (shownAttribute(name, named, inputType) || name == "option" && named == "value" && w.suggests()) {
			place = audit.Shown
		}
		w.inAttribute(place, named)
		w.look(int(e.from)+a.from, min(int(e.from)+a.to, int(e.to)), false, false)
	}
}

// inAttribute is in for an attribute. A page has few names of them, and many of each.
func (w *walk) inAttribute(place audit.Place, named string) {
	key := attributePlace{place, named}
	at, ok := w.places[key]
	if !ok {
		w.in(place, "", w.prefix+"attribute "+w.name(named))
		at = w.scan.at
		w.places[key] = at
	}
	w.scan.at = at
}

type attributePlace struct {
	place audit.Place
	name  string
}

// suggests says whether the open elements are of a list of what may be typed in: browsers show the values.
func (w *walk) suggests() bool {
	for i, tries := w.top, 0; i >= 0 && tries < 8; i, tries = w.known[i].parent, tries+1 {
		if w.is(w.known[i], "datalist") {
			return true
		}
	}
	return false
}

// srcdoc looks through the page in an attribute.
func (w *walk) srcdoc(value []byte, veiled bool) {
	inner := unescapeHTML(value)
	if veiled {
		w.in(audit.Payload, "", w.prefix+"attribute srcdoc")
		w.exploreFrom(inner, w.chain)
		return
	}
	s := w.scan
	s.nestHTML++
	s.html(inner, w.prefix+"attribute srcdoc, ", w.chain)
	s.nestHTML--
}

// shownAttribute says whether browsers show the value of an attribute, or read it out.
func shownAttribute(element, attribute, inputType string) bool {
	switch attribute {
	case "title", "placeholder", "aria-label", "aria-placeholder", "aria-description", "aria-valuetext", "aria-roledescription", "data-cfemail":
		return !(element == "input" && inputType == "hidden")
	case "alt":
		return element == "img" || element == "area" || element == "input"
	case "label":
		return element == "option" || element == "optgroup" || element == "track"
	case "value":
		switch element {
		case "input":
			switch inputType {
			case "hidden", "password", "checkbox", "radio", "file", "color", "range", "image":
				return false
			}
			return true
		case "button":
			return false
		}
	}
	return false
}

// kindOf is what an element of that name is to a walk.
func kindOf(name []byte) kind {
	var buf [12]byte
	if len(name) > len(buf) {
		return inline
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	switch string(buf[:len(name)]) {
	case "p":
		return paragraph
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "frame", "keygen":
		return void
	case "li", "dt", "dd":
		return item
	case "td", "th":
		return cell
	case "tr":
		return row
	case "option", "optgroup":
		return option
	case "script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext":
		return raw
	case "title", "textarea":
		return escapable
	case "template", "noscript", "defs", "object", "audio", "video", "canvas", "applet":
		return unseen
	case "address", "article", "aside", "blockquote", "body", "button", "caption", "center", "colgroup", "datalist", "details", "dialog", "dir", "div", "dl", "fieldset",
		"figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "html", "legend", "main", "menu", "nav", "ol", "pre",
		"search", "section", "select", "summary", "table", "tbody", "tfoot", "thead", "ul", "svg", "math", "text", "label":
		return block
	}
	return inline
}
