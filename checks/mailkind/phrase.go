package mailkind

import (
	"slices"
	"strings"
	"sync"
	"unicode"

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
	s = cases.Fold().String(norm.NFKC.String(s))
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
	runes := []rune(norm.NFD.String(s))
	for i, r := range runes {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r):
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

// phrase is a wording made ready.
type phrase struct {
	cue    cue
	lang   string
	pieces []piece
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

func newPhrase(c cue, lang, s string) phrase {
	p := phrase{cue: c, lang: lang}
	if lang == "ja" {
		for piece := range strings.SplitSeq(cases.Fold().String(norm.NFKC.String(s)), "*") {
			p.wide = append(p.wide, []rune(strings.ReplaceAll(piece, " ", "")))
		}
		return p
	}
	s, p.starts = strings.CutPrefix(s, "^")
	s, p.ends = strings.CutSuffix(s, "^")
	for f := range strings.FieldsSeq(s) {
		switch {
		case f == "*":
			p.pieces = append(p.pieces, piece{gap: true})
			continue
		case f == "#":
			p.pieces = append(p.pieces, piece{number: true})
			continue
		case strings.HasPrefix(f, "#"):
			p.pieces = append(p.pieces, piece{number: true})
			f = f[1:]
		}
		f, prefix := strings.CutSuffix(f, "~")
		words := fold(f).tokens
		for i, w := range words {
			p.pieces = append(p.pieces, piece{word: w.word, prefix: prefix && i == len(words)-1})
		}
	}
	return p
}

// at says whether the phrase is at tokens[i], and where it ends.
func (p phrase) at(tokens []token, i int) (end int, found bool) {
	if p.starts && i > 0 && !tokens[i-1].stop && !tokens[i-1].line {
		return 0, false
	}
	end, found = match(p.pieces, tokens, i)
	if found && p.ends && end < len(tokens) && !tokens[end-1].stop && !tokens[end-1].line {
		return 0, false
	}
	return end, found
}

func match(pieces []piece, tokens []token, i int) (int, bool) {
	for k := 0; k < len(pieces); k++ {
		if pieces[k].gap {
			for skip := 0; skip <= maxGap && i+skip < len(tokens); skip++ {
				if end, found := match(pieces[k+1:], tokens, i+skip); found {
					return end, true
				}
				if tokens[i+skip].stop {
					break
				}
			}
			return 0, false
		}
		if i >= len(tokens) || !pieces[k].is(tokens[i]) {
			return 0, false
		}
		i++
		if k+1 < len(pieces) && tokens[i-1].stop {
			return 0, false
		}
	}
	return i, true
}

// lexicon holds all wordings, by what they begin with.
type lexicon struct {
	words    map[string][]phrase // by their first word
	prefixes map[string][]phrase // that begin with the beginning of a word: by its first prefixBytes
	numbers  []phrase            // that begin with a number
	wide     map[rune][]phrase   // Japanese
}

const prefixBytes = 3

// wordings is the lexicon of all languages, made at its first use.
var wordings = sync.OnceValue(func() lexicon {
	l := lexicon{words: map[string][]phrase{}, prefixes: map[string][]phrase{}, wide: map[rune][]phrase{}}
	for _, tongue := range tongues() {
		for c := jobFailed; c <= appointment; c++ { // in a fixed order, so that the same mail has the same signs
			for _, s := range tongue.words[c] {
				for _, one := range expand(s) {
					p := newPhrase(c, tongue.name, one)
					switch {
					case tongue.name == "ja":
						if len(p.wide[0]) > 0 {
							l.wide[p.wide[0][0]] = append(l.wide[p.wide[0][0]], p)
						}
					case len(p.pieces) == 0 || p.pieces[0].gap:
					case p.pieces[0].number:
						l.numbers = append(l.numbers, p)
					case p.pieces[0].prefix:
						start := p.pieces[0].word[:min(prefixBytes, len(p.pieces[0].word))]
						l.prefixes[start] = append(l.prefixes[start], p)
					default:
						l.words[p.pieces[0].word] = append(l.words[p.pieces[0].word], p)
					}
				}
			}
		}
	}
	return l
})

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
		lists := [3][]phrase{l.words[word], l.prefixes[word[:min(prefixBytes, len(word))]]}
		if t.tokens[i].digit {
			lists[2] = l.numbers
		}
		for _, list := range lists {
			for _, p := range list {
				if _, found := p.at(t.tokens, i); found {
					hits = append(hits, hit{p.cue, p.lang, i})
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
