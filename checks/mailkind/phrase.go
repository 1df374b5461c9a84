package mailkind

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A wording is a phrase as data:
//
//	your trial ends            these words, one after the other, whatever their case and accents
//	(free|test) trial          one of these words
//	your (free |)trial         "free " or nothing
//	#% off                     # is any word that begins with a digit
//	invit~ you                 words that begin with invit
//	^welcome                   at the beginning of a sentence or a block, or behind a colon
//	^new^                      also at the end of one, or before a colon
//	invited you * project      up to six words in between, within a sentence
//
// In Japanese there are no words: a phrase is looked for in the text without its spaces, and * is up to 20 characters within a sentence.

const (
	maxGap     = 6
	maxGapWide = 20
)

// token is a word of a text, folded.
type token struct {
	word  string
	digit bool
	stop  bool // a sentence ends behind it
	line  bool // a block ends behind it
}

// text is a text made ready for looking for wordings.
type text struct {
	tokens []token
	wide   []rune // without spaces, a line feed where a block ends
}

// foldWide is how Japanese is compared.
func foldWide(s string) string { return cases.Fold().String(norm.NFKC.String(s)) }

// fold prepares s: NFKC, case folding, and words without accents.
func fold(s string) text {
	plain := ascii(s)
	if plain {
		s = strings.ToLower(s)
	} else {
		s = foldWide(s)
	}
	var t text
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			w := word.String()
			t.tokens = append(t.tokens, token{word: w, digit: w[0] >= '0' && w[0] <= '9'})
			word.Reset()
		}
	}
	mark := func(stop bool) {
		flush()
		if n := len(t.tokens); n > 0 {
			t.tokens[n-1].stop = t.tokens[n-1].stop || stop
			t.tokens[n-1].line = true
		}
	}
	wide := false
	for _, r := range s {
		if r >= 0x3000 {
			wide = true
			break
		}
	}
	if wide {
		for _, r := range s {
			switch {
			case r == '\n' || !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r):
				t.wide = append(t.wide, r)
			}
		}
	}
	if !plain {
		s = norm.NFD.String(s)
	}
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case 'a' <= r && r <= 'z':
			word.WriteByte(byte(r))
		case r >= utf8.RuneSelf && (unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r)):
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			word.WriteRune(r)
		case r == '\n' || r == ':':
			mark(false)
		case (r == '.' || r == ',') && i > 0 && i+1 < len(runes) && unicode.IsDigit(runes[i-1]) && unicode.IsDigit(runes[i+1]):
			word.WriteRune(r)
		case r == '.' || r == '!' || r == '?' || r == '。' || r == '¡' || r == '¿' || r == '…':
			mark(true)
		case r == '%' || r == '$' || r == '€' || r == '£' || r == '¥':
			flush()
			t.tokens = append(t.tokens, token{word: string(r)})
		default:
			flush()
		}
	}
	flush()
	return t
}

// How much of a long text is looked at, in words: a mail is what it opens with, and its footer is at its end.
const (
	headWords = 1500
	tailWords = 200
)

// shorten leaves out what is between the beginning and the end of a long text.
func (t text) shorten() text {
	if n := len(t.tokens); n > headWords+tailWords {
		t.tokens = slices.Concat(t.tokens[:headWords], t.tokens[n-tailWords:])
	}
	if n := len(t.wide); n > 4*(headWords+tailWords) {
		t.wide = slices.Concat(t.wide[:4*headWords], t.wide[n-4*tailWords:])
	}
	return t
}

// piece is one word of a phrase, or a gap.
type piece struct {
	word   string
	prefix bool
	number bool
	gap    bool
}

func (p piece) is(t token) bool {
	switch {
	case p.number:
		return t.digit
	case p.prefix:
		return strings.HasPrefix(t.word, p.word)
	}
	return t.word == p.word
}

// phrase is a wording made ready: fields, of each of which one alternative has to be there, one after the other.
type phrase struct {
	cue    cue
	lang   string
	fields [][][]piece
	starts bool     // it stands at the beginning of a sentence or a block
	ends   bool     // it stands at the end of one
	wide   [][]rune // of Japanese: the pieces between gaps
}

// expand gives all that a phrase with alternatives stands for; they may be nested.
func expand(s string) []string {
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return []string{s}
	}
	var alternatives []string
	depth, from, end := 0, open+1, len(s)
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 1 {
				alternatives = append(alternatives, s[from:i])
				from = i + 1
			}
		}
		if depth == 0 {
			end = i
			break
		}
	}
	alternatives = append(alternatives, s[min(from, end):end])
	rest := expand(s[min(end+1, len(s)):])
	var out []string
	for _, alt := range alternatives {
		for _, one := range expand(alt) {
			for _, tail := range rest {
				out = append(out, s[:open]+one+tail)
			}
		}
	}
	return out
}

// newPhrase makes a phrase ready. In Japanese it must have no alternatives: expand gives them.
func newPhrase(c cue, lang, s string) *phrase {
	p := &phrase{cue: c, lang: lang}
	if lang == "ja" {
		for piece := range strings.SplitSeq(foldWide(s), "*") {
			p.wide = append(p.wide, []rune(strings.ReplaceAll(piece, " ", "")))
		}
		return p
	}
	s, p.starts = strings.CutPrefix(s, "^")
	s, p.ends = strings.CutSuffix(s, "^")
	for _, f := range fieldsOf(s) {
		var field [][]piece
		for _, one := range expand(f) {
			field = append(field, piecesOf(one))
		}
		p.fields = append(p.fields, field)
	}
	return p
}

// fieldsOf splits a phrase at its spaces, but for those in parentheses.
func fieldsOf(s string) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ' ':
			if depth == 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return slices.DeleteFunc(append(out, s[from:]), func(f string) bool { return f == "" })
}

// piecesOf gives the pieces of words without alternatives.
func piecesOf(s string) []piece {
	var out []piece
	for f := range strings.FieldsSeq(s) {
		switch {
		case f == "*":
			out = append(out, piece{gap: true})
			continue
		case f == "#":
			out = append(out, piece{number: true})
			continue
		case strings.HasPrefix(f, "#"):
			out = append(out, piece{number: true})
			f = f[1:]
		}
		f, prefix := strings.CutSuffix(f, "~")
		words := fold(f).tokens
		for i, w := range words {
			out = append(out, piece{word: w.word, prefix: prefix && i == len(words)-1})
		}
	}
	return out
}

// opening is one way in which a phrase begins.
type opening struct {
	p    *phrase
	rest []piece // the alternative of a field, and what is before it empty
	next int     // the field behind it
}

// openings gives all ways in which p begins. None begins with a gap.
func (p *phrase) openings() []opening {
	var out []opening
	for f, field := range p.fields {
		optional := false
		for _, alt := range field {
			if len(alt) == 0 {
				optional = true
			} else if !alt[0].gap {
				out = append(out, opening{p, alt, f + 1})
			}
		}
		if !optional {
			break
		}
	}
	return out
}

// at says whether the phrase begins so at tokens[i].
func (o opening) at(tokens []token, i int) bool {
	if o.p.starts && i > 0 && !tokens[i-1].stop && !tokens[i-1].line {
		return false
	}
	return o.p.match(o.rest, o.next, tokens, i, false)
}

// match says whether rest, and then the fields from next on, are at tokens[i]; begun says that something of the phrase is before it.
func (p *phrase) match(rest []piece, next int, tokens []token, i int, begun bool) bool {
	for len(rest) > 0 {
		if begun && tokens[i-1].stop {
			return false
		}
		if rest[0].gap {
			for skip := 0; skip <= maxGap && i+skip < len(tokens); skip++ {
				if p.match(rest[1:], next, tokens, i+skip, begun) {
					return true
				}
				if tokens[i+skip].stop {
					break
				}
			}
			return false
		}
		if i >= len(tokens) || !rest[0].is(tokens[i]) {
			return false
		}
		rest, i, begun = rest[1:], i+1, true
	}
	if next == len(p.fields) {
		return !p.ends || i >= len(tokens) || tokens[i-1].stop || tokens[i-1].line
	}
	for _, alt := range p.fields[next] {
		if p.match(alt, next+1, tokens, i, begun) {
			return true
		}
	}
	return false
}

// lexicon holds all wordings, by what they begin with.
type lexicon struct {
	words    map[string][]opening // by their first word
	prefixes map[string][]opening // that begin with the beginning of a word: by its first prefixBytes
	numbers  []opening            // that begin with a number
	wide     map[rune][]*phrase   // Japanese
}

const prefixBytes = 3

// wordings is the lexicon of all languages, made at its first use.
var wordings = sync.OnceValue(func() lexicon {
	l := lexicon{words: map[string][]opening{}, prefixes: map[string][]opening{}, wide: map[rune][]*phrase{}}
	for _, tongue := range tongues() {
		for c := jobFailed; c <= appointment; c++ { // in a fixed order, so that the same mail has the same signs
			for _, s := range tongue.words[c] {
				l.add(c, tongue.name, s)
			}
		}
	}
	return l
})

func (l *lexicon) add(c cue, lang, s string) {
	if lang == "ja" {
		for _, one := range expand(s) {
			if p := newPhrase(c, lang, one); len(p.wide[0]) > 0 {
				l.wide[p.wide[0][0]] = append(l.wide[p.wide[0][0]], p)
			}
		}
		return
	}
	for _, o := range newPhrase(c, lang, s).openings() {
		switch first := o.rest[0]; {
		case first.number:
			l.numbers = append(l.numbers, o)
		case first.prefix:
			start := first.word[:min(prefixBytes, len(first.word))]
			l.prefixes[start] = append(l.prefixes[start], o)
		default:
			l.words[first.word] = append(l.words[first.word], o)
		}
	}
}

// hit is a wording that was found; at counts from the beginning, in words.
type hit struct {
	cue  cue
	lang string
	at   int
}

// maxHits bounds what is found in one text.
const maxHits = 5000

// find looks for all wordings in t.
func (l lexicon) find(t text) []hit {
	var hits []hit
	for i := range t.tokens {
		if len(hits) > maxHits {
			return hits
		}
		word := t.tokens[i].word
		lists := [3][]opening{l.words[word], l.prefixes[word[:min(prefixBytes, len(word))]]}
		if t.tokens[i].digit {
			lists[2] = l.numbers
		}
		for _, list := range lists {
			for _, o := range list {
				if o.at(t.tokens, i) {
					hits = append(hits, hit{o.p.cue, o.p.lang, i})
				}
			}
		}
	}
	for i := range t.wide {
		if len(hits) > maxHits {
			return hits
		}
		for _, p := range l.wide[t.wide[i]] {
			if wideAt(p.wide, t.wide, i) {
				hits = append(hits, hit{p.cue, p.lang, i / 2})
			}
		}
	}
	return hits
}

func wideAt(pieces [][]rune, s []rune, i int) bool {
	if !hasRunes(s, i, pieces[0]) {
		return false
	}
	if len(pieces) == 1 {
		return true
	}
	i += len(pieces[0])
	for skip := 0; skip <= maxGapWide && i+skip < len(s); skip++ {
		if wideAt(pieces[1:], s, i+skip) {
			return true
		}
		if c := s[i+skip]; c == '。' || c == '!' || c == '?' || c == '\n' {
			return false
		}
	}
	return false
}

func hasRunes(s []rune, i int, p []rune) bool {
	if len(s)-i < len(p) {
		return false
	}
	for j, r := range p {
		if s[i+j] != r {
			return false
		}
	}
	return true
}
