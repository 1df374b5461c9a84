package store_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit/store"
)

func TestNumbersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Uint64()).Draw(t, "list")
		got, err := store.UnpackNumbers(store.PackNumbers(list))
		slices.Sort(list)
		if err != nil || !slices.Equal(got, list) {
			t.Fatalf("%v came back as %v, %v", list, got, err)
		}
	})
}

func TestTextsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 0x1b, 'a', 0xff, 0xc3, 0xa9}))).Draw(t, "bytes"))
		kept, err := store.Escaped(s)
		if err != nil || !utf8.ValidString(kept) || strings.IndexByte(kept, 0) >= 0 {
			t.Fatalf("%q is kept as %q, %v", s, kept, err)
		}
		if got, err := store.Unescaped(kept); err != nil || got != s {
			t.Fatalf("%q came back as %q, %v", s, got, err)
		}
	})
}

func FuzzUnpackNumbers(f *testing.F) {
	f.Add([]byte{2, 1, 1})
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, p []byte) {
		list, err := store.UnpackNumbers(p)
		if err == nil && (len(list) > len(p) || !slices.IsSorted(list)) {
			t.Fatalf("%v from %v", list, p)
		}
	})
}
