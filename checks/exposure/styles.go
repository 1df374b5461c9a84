package exposure

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"regexp"
	"strings"
)

// styles are the simple selectors of a page's own style sheets under which nothing is shown: tag, .class, #id, tag.class, tag#id.
type styles struct {
	hide    map[string]bool
	classes bool // some of them are of classes
	ids     bool // likewise
}

// maxStyle is how much of a page's style sheets is read.
const maxStyle = 4 << 20

// hidingRules reads the rules of a page's style elements that hide. Rules inside of @media and other blocks hold under conditions, and are left out.
func hidingRules(b []byte) styles {
	s := styles{hide: map[string]bool{}}
	left := maxStyle
	for i := 0; ; {
		n := indexFold(b[i:], "<style")
		if n < 0 {
			return s
		}
		i += n
		i = tagEnd(b, i+1)
		end := rawEnd(b, i, []byte("style"))
		if left -= end - i; left < 0 {
			return s
		}
		s.read(b[i:end])
		i = end
	}
}

// indexFold is where the first text begins that is like, given in lower case.
func indexFold(b []byte, like string) int {
	for i := 0; i < len(b); i++ {
		if like[0] < 'a' { // no letter, so of one case
			n := bytes.IndexByte(b[i:], like[0])
			if n < 0 {
				return -1
			}
			i += n
		}
		if hasFold(b, i, like) {
			return i
		}
	}
	return -1
}

func (s *styles) read(css []byte) {
	css = uncommented(css)
	for {
		open := bytes.IndexByte(css, '{')
		if open < 0 {
			return
		}
		selectors := css[:open]
		for i := len(selectors); i > 0; i-- {
			if x := selectors[i-1]; x == ';' || x == '}' {
				selectors = selectors[i:]
				break
			}
		}
		css = css[open+1:]
		if bytes.HasPrefix(bytes.TrimLeft(selectors, " \t\r\n\f"), []byte("@")) {
			// Over the whole block.
			depth := 1
			i := 0
			for ; i < len(css) && depth > 0; i++ {
				switch css[i] {
				case '{':
					depth++
				case '}':
					depth--
				}
			}
			css = css[i:]
			continue
		}
		end := bytes.IndexByte(css, '}')
		if end < 0 {
			end = len(css)
		}
		if hidingStyle(css[:end]) {
			for selector := range strings.SplitSeq(string(selectors), ",") {
				if selector = strings.TrimSpace(selector); simple.MatchString(selector) && len(s.hide) < 10_000 {
					if i := strings.IndexAny(selector, ".#"); i != 0 {
						if i < 0 {
							i = len(selector)
						}
						selector = strings.ToLower(selector[:i]) + selector[i:]
					}
					s.hide[selector] = true
					s.classes = s.classes || strings.IndexByte(selector, '.') >= 0
					s.ids = s.ids || strings.IndexByte(selector, '#') >= 0
				}
			}
		}
		css = css[min(end+1, len(css)):]
	}
}

// uncommented is css without its comments.
func uncommented(css []byte) []byte {
	if !bytes.Contains(css, []byte("/*")) {
		return css
	}
	var out []byte
	for open := true; open; {
		var before, rest []byte
		before, rest, open = bytes.Cut(css, []byte("/*"))
		out = append(out, before...)
		_, css, _ = bytes.Cut(rest, []byte("*/"))
	}
	return out
}

var (
	simple = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9-]*)?(?:[.#][A-Za-z0-9_-]+)?$`)
	hides  = regexp.MustCompile(`(?i)(?:^|[;{\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*(?:\.0*)?%?\s*(?:;|!|$)|font-size\s*:\s*0*(?:\.0*)?(?:[a-z]+|%)?\s*(?:;|!|$))`)
)

// hidingStyle says whether declarations of a style hide an element.
func hidingStyle(css []byte) bool {
	if len(css) < 9 {
		return false
	}
	if bytes.IndexByte(css, '&') >= 0 || bytes.IndexByte(css, '\\') >= 0 {
		css = unescapeCSS(unescapeHTML(css))
	}
	return mayHide(css) && hides.Match(css)
}

// mayHide says whether declarations hold a word without which none hides.
func mayHide(css []byte) bool {
	i := 0
	for ; i+1 < len(css) && len(css) >= 9; i += 8 {
		i = min(i, len(css)-9) // the last eight again
		x, y := binary.LittleEndian.Uint64(css[i:])|cases, binary.LittleEndian.Uint64(css[i+1:])|cases
		for hits := pair(x, y, 'n', 'o') | pair(x, y, 'v', 'i') | pair(x, y, 'o', 'p') | pair(x, y, 'f', 'o'); hits != 0; hits &= hits - 1 {
			if hidingWord(css, i+bits.TrailingZeros64(hits)/8) {
				return true
			}
		}
	}
	for ; i < len(css); i++ {
		if hidingWord(css, i) {
			return true
		}
	}
	return false
}

func hidingWord(css []byte, i int) bool {
	for _, word := range [...]string{"none", "visibility", "opacity", "font-size"} {
		if hasFold(css, i, word) {
			return true
		}
	}
	return false
}
