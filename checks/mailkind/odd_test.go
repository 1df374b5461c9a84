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
					pieces := piecesOf(strings.Trim(one, "^"))
					switch {
					case tongue.name == "ja":
						if p := newPhrase(c, tongue.name, one); len(p.wide[0]) < 2 {
							t.Errorf("ja: %q begins with less than two characters", s)
						}
					case len(pieces) == 0 || pieces[0].gap || pieces[len(pieces)-1].gap:
						t.Errorf("%s: %q (of %q) begins or ends with a gap, or is empty", tongue.name, one, s)
					case len(pieces) == 1 && len(pieces[0].word) < 3:
						t.Errorf("%s: %q (of %q) is too short", tongue.name, one, s)
					}
				}
			}
		}
	}
	t.Logf("%d wordings", count)
}
