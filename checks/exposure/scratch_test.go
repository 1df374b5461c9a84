package exposure

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

func TestScratchKeepsNothingOfADocument(t *testing.T) {
	shared := new(Scratch)
	for _, d := range disguises {
		want, _, _ := look(t, New(Limits{}), d.kind, d.doc)
		if got, _, _ := look(t, NewIn(shared, Limits{}), d.kind, d.doc); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", d.name, got, want)
		}
		for _, kind := range []audit.CaptureKind{audit.CaptureHTML, audit.CaptureJS} {
			if got, _, _ := look(t, NewIn(shared, Limits{}), kind, "<p>nobody</p>"); len(got) > 0 {
				t.Errorf("after %s, in what holds nothing: %v", d.name, got)
			}
		}
	}
}

func TestEightAtATime(t *testing.T) {
	quotes := regexp.MustCompile("[\"'][ \\t\\n\\v\\f\\r]*[\"'`]")
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(rapid.StringOfN(rapid.SampledFrom([]rune("\"'` \n\x1fab,:=#")), 0, 40, -1).Draw(t, "b"))
		if got, want := sideBySide(b), quotes.Match(b); got != want {
			t.Fatalf("sideBySide(%q) is %v", b, got)
		}
	})
	for _, word := range []string{"none", "Visibility", "OPACITY", "font-size"} {
		for before := range 20 {
			for after := range 20 {
				css := []byte(strings.Repeat("x", before) + word + strings.Repeat("x", after))
				if !mayHide(css) {
					t.Errorf("mayHide(%q) is false", css)
				}
				if css[before] = 'x'; mayHide(css) {
					t.Errorf("mayHide(%q) is true", css)
				}
			}
		}
	}
}

func TestFirstOfLZ(t *testing.T) {
	bit := func(r []byte, i int) int { return int(lzValue[r[i/6]]>>(5-i%6)) & 1 }
	number := func(r []byte, from, n int) (v int, ok bool) {
		for i := range n {
			if lzValue[r[(from+i)/6]] >= 64 {
				return 0, false
			}
			v |= bit(r, from+i) << i
		}
		return v, true
	}
	rapid.Check(t, func(t *rapid.T) {
		r := []byte(rapid.StringOfN(rapid.SampledFrom([]rune("ABCDIQYZagixyz0189+/-_$=")), 8, 8, -1).Draw(t, "r"))
		want := false
		if kind, ok := number(r, 0, 2); ok && kind < 2 && usual64.value[r[0]] < 48 {
			k, ok := number(r, 2, 8<<kind)
			want = ok && (k < utf8.RuneSelf && is(byte(k), inText) || kind == 1 && unicode.IsGraphic(rune(k)))
		}
		if got := lzFirst(r); got != want {
			t.Fatalf("lzFirst(%q) is %v", r, got)
		}
	})
}
