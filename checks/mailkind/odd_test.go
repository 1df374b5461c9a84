package mailkind

import (
	"strings"
	"testing"
)

// TestWordings: a slip in a list of wordings would make a kind of nearly every mail.
func TestWordings(t *testing.T) {
	count := 0
	for _, tongue := range tongues() {
		for c, list := range tongue.words {
			for _, s := range list {
				if strings.Count(s, "(") != strings.Count(s, ")") || strings.ContainsAny(s, "[]{}+?") {
					t.Errorf("%s: %q is no wording", tongue.name, s)
				}
				for _, one := range expand(s) {
					count++
					p := newPhrase(c, tongue.name, one)
					switch {
					case tongue.name == "ja":
						if len(p.wide[0]) < 2 {
							t.Errorf("ja: %q begins with less than two characters", s)
						}
					case len(p.pieces) == 0 || p.pieces[0].gap || p.pieces[len(p.pieces)-1].gap:
						t.Errorf("%s: %q (of %q) begins or ends with a gap, or is empty", tongue.name, one, s)
					case len(p.pieces) == 1 && len(p.pieces[0].word) < 3:
						t.Errorf("%s: %q (of %q) is too short", tongue.name, one, s)
					}
				}
			}
		}
	}
	t.Logf("%d wordings", count)
}
