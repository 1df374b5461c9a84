package store_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
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

// TestTotalsComeBack holds the short way of reading totals against the library's: it takes what it can, takes it right, and takes nothing that was cut off.
func TestTotalsComeBack(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`^[0-9a-f-]+$`)
	rapid.Check(t, func(t *rapid.T) {
		site := rapid.OneOf(rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}`), rapid.String())
		number := rapid.IntRange(0, 1<<40)
		want := audit.DayTotals{Day: audit.Day(rapid.Int32().Draw(t, "day")), SiteAccounts: number.Draw(t, "accounts"), InVain: number.Draw(t, "in vain")}
		plain := true
		for range rapid.IntRange(0, 5).Draw(t, "sites") {
			s := audit.SiteTotals{Site: site.Draw(t, "site"), Accounts: number.Draw(t, "on it")}
			plain = plain && word.MatchString(s.Site)
			want.Busy = append(want.Busy, s)
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got, known audit.DayTotals
		if err := json.Unmarshal(text, &known); err != nil {
			t.Fatal(err)
		}
		read := store.ReadTotals(string(text), &got)
		if plain && !read || read && !reflect.DeepEqual(got, known) {
			t.Fatalf("%s was read as %+v, %v", text, got, read)
		}
		if cut := text[:rapid.IntRange(0, len(text)-1).Draw(t, "cut")]; store.ReadTotals(string(cut), &got) {
			t.Fatalf("%s was read", cut)
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
