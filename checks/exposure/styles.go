package exposure

import (
	"bytes"
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
		s.read(string(b[i:end]))
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

func (s *styles) read(css string) {
	css = uncommented(css)
	for {
		open := strings.IndexByte(css, '{')
		if open < 0 {
			return
		}
		selectors := css[:open]
		if i := max(strings.LastIndexByte(selectors, ';'), strings.LastIndexByte(selectors, '}')); i >= 0 {
			selectors = selectors[i+1:]
		}
		css = css[open+1:]
		if strings.HasPrefix(strings.TrimLeft(selectors, " \t\r\n\f"), "@") {
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
		end := strings.IndexByte(css, '}')
		if end < 0 {
			end = len(css)
		}
		if hidingStyle(css[:end]) {
			for selector := range strings.SplitSeq(selectors, ",") {
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
func uncommented(css string) string {
	if !strings.Contains(css, "/*") {
		return css
	}
	var out strings.Builder
	for open := true; open; {
		var before, rest string
		before, rest, open = strings.Cut(css, "/*")
		out.WriteString(before)
		_, css, _ = strings.Cut(rest, "*/")
	}
	return out.String()
}

var (
	simple = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9-]*)?(?:[.#][A-Za-z0-9_-]+)?$`)
	hides  = regexp.MustCompile(`(?i)(?:^|[;{\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*(?:\.0*)?%?\s*(?:;|!|$)|font-size\s*:\s*0*(?:\.0*)?(?:[a-z]+|%)?\s*(?:;|!|$))`)
)

// hidingStyle says whether declarations of a style hide an element.
func hidingStyle(css string) bool {
	if len(css) < 9 {
		return false
	}
	if strings.IndexByte(css, '&') >= 0 || strings.IndexByte(css, '\\') >= 0 {
		css = string(unescapeCSS(unescapeHTML([]byte(css))))
	}
	return mayHide(css) && hides.MatchString(css)
}

// mayHide says whether declarations hold a word without which none hides.
func mayHide(css string) bool {
	for i := 0; i+4 <= len(css); i++ {
		word := ""
		switch [2]byte{css[i] | 0x20, css[i+1] | 0x20} {
		case [2]byte{'n', 'o'}:
			word = "none"
		case [2]byte{'v', 'i'}:
			word = "visibility"
		case [2]byte{'o', 'p'}:
			word = "opacity"
		case [2]byte{'f', 'o'}:
			word = "font-size"
		default:
			continue
		}
		if len(css)-i >= len(word) && strings.EqualFold(css[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
