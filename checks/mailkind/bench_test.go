package mailkind

import (
	"strings"
	"testing"
)

func BenchmarkKind(b *testing.B) {
	paragraph := "<tr><td><p>Our engineers rebuilt the search, and the report of last week shows how your team works with it.</p></td></tr>"
	mail := head + "Content-Type: text/html\r\n\r\n<html><body><table>" + strings.Repeat(paragraph, 500) + "</table></body></html>"
	wordings()
	usages()
	b.SetBytes(int64(len(mail)))
	for b.Loop() {
		m, _, err := Read(strings.NewReader(mail))
		if err != nil {
			b.Fatal(err)
		}
		_ = m.Kind()
	}
}
