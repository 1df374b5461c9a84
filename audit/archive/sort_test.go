package archive

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// TestSorter holds the sorting by bits against the sorting by comparison, list after list.
func TestSorter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s sorter
		s.reset(rapid.IntRange(1, 2000).Draw(t, "ordinals before"))
		s.reported(make([]audit.Reported, 1))
		n := rapid.IntRange(1, 2000).Draw(t, "ordinals")
		s.reset(n)
		for range rapid.IntRange(1, 4).Draw(t, "lists") {
			list := rapid.SliceOfN(rapid.Uint32Range(0, uint32(n-1)), 0, 90).Draw(t, "list")
			reported := make([]audit.Reported, len(list))
			for i, a := range list {
				reported[i] = audit.Reported{Account: a, Updated: audit.Instant(i)}
			}
			want := slices.Compact(slices.Sorted(slices.Values(list)))
			wantReported := slices.SortedFunc(slices.Values(reported), func(a, b audit.Reported) int { return compareReported(a, b) })
			if s.reported(reported) {
				if !slices.Equal(reported, wantReported) {
					t.Fatalf("got %v, want %v", reported, wantReported)
				}
			} else if s.suits(len(list)) && len(want) == len(list) {
				t.Fatalf("%v was not sorted by bits", list)
			}
			if got := s.distinct(list); !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}
