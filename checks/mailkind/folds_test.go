package mailkind

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestFolds measures how well mails are told that are no examples: of the later files, a fifth at a time is left out of the examples and told by the rest;
// then all mails of an author at a time; then all of them. The wordings were made with these mails in view, so it flatters.
func TestFolds(t *testing.T) {
	if os.Getenv("MAILREEVE_TEST_FOLDS") == "" {
		t.Skip("MAILREEVE_TEST_FOLDS is not set")
	}
	f := newFolds(t)
	total, byFile := f.measure(func(e example, got Verdict) {
		m, _, _ := Read(strings.NewReader(e.mail))
		t.Logf("%s, not %s: %s %s", got.Kind, e.kind, m.subject, strings.Join(got.Signs, "; "))
	})
	t.Logf("all folds: %v %v", total, byFile)
	total, byFile = f.byAuthor().measure(nil)
	t.Logf("by author: %v %v", total, byFile)
	g := f.byAuthor() // told by the older examples alone
	for i := range g.mails {
		g.mails[i].fold = min(g.mails[i].fold, 0)
	}
	total, byFile = g.measure(nil)
	t.Logf("by none of them: %v %v", total, byFile)
}

// foldedMail is a mail whose kind is known, with what is needed to tell it by any examples.
type foldedMail struct {
	example
	file     string
	fold     int // -1: always an example
	stems    stemmed
	has      bool
	evidence evidence
}

type folds struct {
	wordings []stemmed
	mails    []foldedMail
}

const foldCount = 5

func newFolds(t *testing.T) *folds {
	f := &folds{wordings: stemsOfWordings()}
	files, _ := exampleFiles.ReadDir("examples")
	add := func(file string, list []example, folded bool) {
		for i, e := range list {
			m, _, err := Read(strings.NewReader(e.mail))
			if err != nil {
				t.Fatal(err)
			}
			one := foldedMail{example: e, file: file, fold: -1}
			if folded {
				one.fold, one.evidence = i%foldCount, m.evidence()
			}
			one.stems, one.has = stemsOfExample(e)
			f.mails = append(f.mails, one)
		}
	}
	for _, file := range files {
		add(file.Name(), examples(file.Name()), slices.Contains([]string{"ninth.txt", "eleventh.txt", "twelfth.txt", "thirteenth.txt", "fourteenth.txt", "fifteenth.txt"}, file.Name()))
	}
	return f
}

// byAuthor leaves out all mails of an author, not a fifth of them.
func (f *folds) byAuthor() *folds {
	g := *f
	g.mails = slices.Clone(f.mails)
	for i := range g.mails {
		switch {
		case g.mails[i].fold < 0:
		case g.mails[i].file == "ninth.txt":
			g.mails[i].fold = 0
		case g.mails[i].file == "eleventh.txt":
			g.mails[i].fold = 1
		default:
			g.mails[i].fold = 2
		}
	}
	return &g
}

func (f *folds) measure(wrong func(example, Verdict)) (total score, byFile map[string]score) {
	byFile = map[string]score{}
	for fold := range foldCount {
		var others []stemmed
		for _, m := range f.mails {
			if m.has && m.fold != fold {
				others = append(others, m.stems)
			}
		}
		used := learn(f.wordings, others)
		for _, m := range f.mails {
			if m.fold != fold {
				continue
			}
			got := m.evidence.judge(used)
			s := byFile[m.file]
			s.add(m.kind, got.Kind)
			byFile[m.file] = s
			total.add(m.kind, got.Kind)
			if wrong != nil && got.Kind != m.kind {
				wrong(m.example, got)
			}
		}
	}
	return total, byFile
}
