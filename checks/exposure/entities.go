package exposure

import "golang.org/x/net/html"

// unescapeHTML decodes character references.
func unescapeHTML(b []byte) []byte {
	return []byte(html.UnescapeString(string(b)))
}
