package mailkind

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestDebug(t *testing.T) {
	if os.Getenv("DBG") == "" {
		t.Skip()
	}
	show := func(where, s string) {
		l := wordings()
		tx := fold(s)
		for i := range tx.tokens {
			w := tx.tokens[i].word
			for _, list := range [][]phrase{l.words[w], l.prefixes[w[:min(3, len(w))]]} {
				for _, p := range list {
					if _, ok := p.at(tx.tokens, i); ok {
						x := []string{}
						for _, q := range p.pieces {
							x = append(x, q.word)
						}
						fmt.Println("   ", where, i, p.lang, meaningOf(p.cue).kind, "|", meaningOf(p.cue).says, "|", strings.Join(x, " "))
					}
				}
			}
		}
		for i := range tx.wide {
			for _, p := range l.wide[tx.wide[i]] {
				if wideAt(p.wide, tx.wide, i) {
					x := ""
					for _, q := range p.wide {
						x += string(q) + "*"
					}
					fmt.Println("   ", where, i, p.lang, meaningOf(p.cue).kind, "|", meaningOf(p.cue).says, "|", x)
				}
			}
		}
	}
	for _, f := range strings.Split(os.Getenv("DBG"), ",") {
		mails, kinds := ownMails(t, f)
		for i, mail := range mails {
			m, _, _ := Read(strings.NewReader(mail))
			v := m.Kind()
			if v.Kind == kinds[i] {
				continue
			}
			fmt.Println("##", m.subject, "want", kinds[i], "got", v.Kind, v.Score)
			show("S", m.subject)
			show("B", m.look().text)
		}
	}
}
