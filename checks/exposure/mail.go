package exposure

import (
	"bytes"
	"strings"
)

// mail looks through the URLs of a mail.
func (s *scan) mail(isHTML bool, b []byte) {
	if len(b) > s.limits.Body {
		s.notes.add("a part is larger than %d MiB: the rest was not looked at", s.limits.Body>>20)
		b = b[:s.limits.Body]
	}
	if !isHTML {
		s.plainURLs(b, "link")
		return
	}
	for i := 0; i < len(b); {
		if s.stop() {
			return
		}
		n := bytes.IndexByte(b[i:], '<')
		if n < 0 {
			s.plainURLs(b[i:], "link")
			return
		}
		s.plainURLs(b[i:i+n], "link")
		i += n
		if bytes.HasPrefix(b[i:], []byte("<!--")) {
			// Conditional comments are read by some programs: they count.
			i += 4
			continue
		}
		if i+1 >= len(b) || !isLetter(b[i+1]) {
			i++
			continue
		}
		end := tagEnd(b, i+1)
		tag := b[i:end]
		name := tagName(tag)
		for a := range attributes(tag) {
			s.mailAttribute(name, a)
		}
		i = end
		if name == "style" {
			to := rawEnd(b, i, []byte("style"))
			s.cssURLs(string(b[i:to]))
			i = to
		}
	}
}

func tagName(tag []byte) string {
	n := 1
	for n < len(tag) && !is(tag[n], inSpace) && tag[n] != '>' && tag[n] != '/' {
		n++
	}
	return strings.ToLower(string(tag[1:n]))
}

// mailAttribute looks at an attribute that holds URLs.
func (s *scan) mailAttribute(element string, a attribute) {
	value := string(a.value)
	if strings.IndexByte(value, '&') >= 0 {
		value = string(unescapeHTML(a.value))
	}
	what := "image"
	switch element {
	case "a", "area", "form", "button":
		what = "link"
	case "link":
		what = "style sheet"
	case "script", "iframe", "frame", "embed", "object":
		what = element
	}
	switch strings.ToLower(string(a.name)) {
	case "srcset", "imagesrcset":
		for part := range strings.SplitSeq(value, ",") {
			if u, _, _ := strings.Cut(strings.TrimSpace(part), " "); u != "" {
				s.mailURL(u, what)
			}
		}
		if strings.Count(value, ",") > 0 { // a URL may hold commas
			s.plainURLs([]byte(value), what)
		}
	case "style":
		s.cssURLs(value)
	case "ping":
		for u := range strings.FieldsSeq(value) {
			s.mailURL(u, what)
		}
	case "content":
		if i := indexFold([]byte(value), "url="); i >= 0 {
			s.mailURL(strings.Trim(value[i+4:], `'" `), "link")
		}
	default:
		if strings.Contains(value, "//") {
			s.mailURL(strings.TrimSpace(value), what)
		}
	}
}

// cssURLs looks at what url() and @import name.
func (s *scan) cssURLs(css string) {
	if strings.IndexByte(css, '\\') >= 0 {
		css = string(unescapeCSS([]byte(css)))
	}
	for {
		i := strings.Index(css, "//")
		if i < 0 {
			return
		}
		start := strings.LastIndexAny(css[:i], "('\" \n\t") + 1
		end := strings.IndexAny(css[i:], ")'\"\n\t ")
		if end < 0 {
			end = len(css) - i
		}
		s.mailURL(css[start:i+end], "image")
		css = css[i+end:]
	}
}

// plainURLs looks at the URLs in a text.
func (s *scan) plainURLs(b []byte, what string) {
	for i := 0; i < len(b); {
		n := bytes.Index(b[i:], []byte("://"))
		if n < 0 {
			return
		}
		i += n
		start := i
		for start > 0 && isLetter(b[start-1]) && i-start < 8 {
			start--
		}
		end := i + 3
		for end < len(b) && !is(b[end], inSpace) && b[end] != '<' && b[end] != '>' && b[end] != '"' && b[end] > ' ' {
			end++
		}
		u := string(b[start:end])
		if strings.IndexByte(u, '&') >= 0 {
			u = string(unescapeHTML([]byte(u)))
		}
		s.mailURL(strings.TrimRight(u, ".,;:!?)]}'*"), what)
		i = end
	}
}

// mailURL looks at one URL; the field tells what it is for.
func (s *scan) mailURL(raw, what string) {
	// Browsers drop line ends and tabs from URLs.
	if strings.ContainsAny(raw, "\n\r\t") {
		raw = strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(raw)
	}
	if strings.HasPrefix(raw, "//") {
		raw = "https:" + raw
	}
	scheme, _, ok := strings.Cut(raw, "://")
	if !ok || len(scheme) > 8 {
		return
	}
	to := host(raw)
	if to == "" {
		return
	}
	s.what = what + ", "
	s.url(strings.ReplaceAll(raw, `\`, "/"), to)
	s.what = ""
}
