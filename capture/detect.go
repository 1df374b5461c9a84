package capture

import (
	"context"
	"io"
	"regexp"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// Stand-in until the detector is there.

type finder struct {
	texts map[int]string
	found map[int][]audit.Sighting
}

func newFinder() *finder { return &finder{texts: map[int]string{}, found: map[int][]audit.Sighting{}} }

func (f *finder) scan(_ context.Context, doc int, _ audit.CaptureKind, r io.Reader) ([]string, error) {
	b, err := io.ReadAll(r)
	f.texts[doc] = strings.ToLower(string(b))
	return nil, err
}

func (f *finder) address(account, email string) {
	for doc, text := range f.texts {
		if strings.Contains(text, strings.ToLower(email)) {
			f.found[doc] = append(f.found[doc], audit.Sighting{Account: account, Place: audit.Shown})
		}
	}
}

func (f *finder) sightings() map[int][]audit.Sighting { return f.found }

func mask(_ audit.CaptureKind, text string) string { return address.Redact(text) }

var shape = regexp.MustCompile(`[\w.+%-]+@[\w.-]+\.\w+`)

func spans(text string) [][2]int {
	var out [][2]int
	for _, m := range shape.FindAllStringIndex(text, -1) {
		out = append(out, [2]int{m[0], m[1]})
	}
	return out
}

// shapes is where in a text that somebody reads is what must not be shown: whatever has the shape of an address, in whatever disguise, and secrets.
func shapes(text string, secrets []string) [][2]int {
	all := append(spans(text), address.Spans(text)...)
	for _, s := range secrets {
		for from := 0; ; {
			i := strings.Index(text[from:], s)
			if i < 0 {
				break
			}
			all = append(all, [2]int{from + i, from + i + len(s)})
			from += i + len(s)
		}
	}
	return all
}
