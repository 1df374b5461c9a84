package mailkind

import (
	"cmp"
	"embed"
	"math"
	"path"
	"strings"
	"sync"
)

//go:embed examples/*.txt
var exampleFiles embed.FS

// example is a mail whose kind is known.
type example struct{ kind, mail string }

// examples gives the mails of a file in the folder examples: each begins with a line of "=== " and its kind.
func examples(file string) []example {
	b, err := exampleFiles.ReadFile(path.Join("examples", file))
	if err != nil {
		return nil
	}
	var out []example
	for _, block := range strings.Split("\n"+string(b), "\n=== ")[1:] {
		kind, mail, _ := strings.Cut(block, "\n")
		out = append(out, example{strings.TrimSpace(kind), mail})
	}
	return out
}

const (
	stemRunes    = 6   // words are compared by their beginnings: languages inflect at the end
	stemmedWords = 150 // how many words of a mail are looked at
)

// How the words that kinds use count, and how much evidence a mail needs: what told most kinds right of mails that were no examples. See TestFolds.
const (
	smoothing  = 0.15 // what is taken for seen of a stem that a kind never uses
	ofWordings = 2.5  // what the wordings count where it is learned how kinds use stems; an example counts 1
	inTitle    = 2.5  // what a stem in the subject counts
	perStem    = 4.2  // what stems count against wordings
	fewStems   = 40   // a short mail says less than its few stems seem to
	manyStems  = 8    // a long mail's stems do not count more than this times perStem
	wordsAlone = 0.3  // what the words that a kind uses count towards the threshold
	threshold  = 2.9  // what a kind needs at least; else the mail is other
	fromSender = 2.4  // what a sender's name counts
	fromTrace  = 3    // what a program's trace counts
)

// usage says of a stem how much more each kind uses it than all kinds do, as a logarithm.
type usage map[string]*[11]float64

// stemmed is something that a kind says, in a language: the stems of it.
type stemmed struct {
	lang, kind string
	stems      map[string]bool
}

// usages tells by language how kinds use stems: in their wordings, in their vocabularies, and in the examples. It is made at its first use.
var usages = sync.OnceValue(func() map[string]usage {
	var all []stemmed
	files, _ := exampleFiles.ReadDir("examples")
	for _, f := range files {
		for _, e := range examples(f.Name()) {
			if one, ok := stemsOfExample(e); ok {
				all = append(all, one)
			}
		}
	}
	return learn(stemsOfWordings(), all)
})

func stemsOfWordings() []stemmed {
	var out []stemmed
	for _, tongue := range tongues() {
		for c := jobFailed; c <= appointment; c++ {
			for _, s := range tongue.words[c] {
				out = append(out, stemmed{tongue.name, meaningOf(c).kind, stemsOfPhrase(tongue.name, s)})
			}
		}
		for kind, words := range vocabulary()[tongue.name] {
			for w := range strings.FieldsSeq(words) {
				out = append(out, stemmed{tongue.name, kind, stemsOfPhrase(tongue.name, w)})
			}
		}
	}
	return out
}

func stemsOfExample(e example) (s stemmed, ok bool) {
	m, _, err := Read(strings.NewReader(e.mail))
	if err != nil {
		return stemmed{}, false
	}
	subject, body, lang := m.folded(m.look())
	title, rest := stemsOf(lang, subject, body)
	for s := range title {
		rest[s] = true
	}
	return stemmed{lang, e.kind, rest}, lang != ""
}

func learn(wordings, examples []stemmed) map[string]usage {
	index := map[string]int{}
	for i, k := range Kinds() {
		index[k] = i
	}
	out := map[string]usage{}
	count := func(lang, kind string, stems map[string]bool, weight float64) {
		u := out[lang]
		if u == nil {
			u = usage{}
			out[lang] = u
		}
		for s := range stems {
			if u[s] == nil {
				u[s] = new([11]float64)
			}
			u[s][index[kind]] += weight
		}
	}
	for _, w := range wordings {
		count(w.lang, w.kind, w.stems, ofWordings)
	}
	for _, e := range examples {
		count(e.lang, e.kind, e.stems, 1)
	}
	for _, u := range out {
		var totals [11]float64
		for _, n := range u {
			for k := range n {
				totals[k] += n[k]
			}
		}
		for _, n := range u {
			mean := 0.0
			for k := range n {
				n[k] = (n[k] + smoothing) / (totals[k] + smoothing*float64(len(u)))
				mean += n[k] / float64(len(n))
			}
			for k := range n {
				n[k] = math.Log(n[k] / mean)
			}
		}
	}
	return out
}

// stemsOfPhrase gives the stems of all words of a phrase, whatever its alternatives.
func stemsOfPhrase(lang, phrase string) map[string]bool {
	out := map[string]bool{}
	phrase = strings.NewReplacer("*", "\n", "|", " ", "(", " ", ")", " ", "^", " ", "~", " ").Replace(phrase)
	if lang == "ja" {
		addPairs(out, []rune(strings.ReplaceAll(foldWide(phrase), " ", "")))
		return out
	}
	addStems(out, fold(phrase).tokens)
	return out
}

// stemsOf gives the stems in the subject, and in the beginning of the text.
func stemsOf(lang string, subject, body text) (title, rest map[string]bool) {
	title, rest = map[string]bool{}, map[string]bool{}
	if lang == "ja" {
		addPairs(title, subject.wide)
		addPairs(rest, body.wide[:min(len(body.wide), 4*stemmedWords)])
		return title, rest
	}
	addStems(title, subject.tokens)
	addStems(rest, body.tokens[:min(len(body.tokens), stemmedWords)])
	return title, rest
}

func addStems(to map[string]bool, tokens []token) {
	for _, t := range tokens {
		if t.digit {
			to["#"] = true
			continue
		}
		n := 0
		for i := range t.word {
			if n == stemRunes {
				t.word = t.word[:i]
				break
			}
			n++
		}
		to[t.word] = true
	}
}

// addPairs adds what stands for stems in Japanese: two characters, one after the other.
func addPairs(to map[string]bool, s []rune) {
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\n' && s[i+1] != '\n' {
			to[string(s[i:i+2])] = true
		}
	}
}

// leanings says how much the words of a mail speak for each kind, in the order of Kinds, or against it.
func leanings(e evidence, used map[string]usage) [11]float64 {
	var sum [11]float64
	u := used[cmp.Or(e.lang, "en")]
	title, rest := e.title, e.rest
	n := 0.0
	add := func(s string, weight float64) {
		if of := u[s]; of != nil {
			n += weight
			for k := range of {
				sum[k] += weight * of[k]
			}
		}
	}
	for s := range rest {
		if !title[s] {
			add(s, 1)
		}
	}
	for s := range title {
		add(s, inTitle)
	}
	mean := 0.0 // a stem that few kinds use speaks against most
	for k := range sum {
		mean += sum[k] / float64(len(sum))
	}
	for k := range sum {
		sum[k] = (sum[k] - mean) * perStem / max(math.Sqrt(n+fewStems), n/manyStems)
		sum[k] = math.Round(sum[k]*1e6) / 1e6 // in whatever order they were added
	}
	return sum
}
