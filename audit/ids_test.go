package audit_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// A set without another, and both together, are what a slow look at each id says, also where one of the two is much the larger; and neither of them changes.
func TestMinusAndUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Custom(func(t *rapid.T) string {
			n := rapid.IntRange(0, rapid.SampledFrom([]int{20, 2000}).Draw(t, "range")).Draw(t, "n")
			switch rapid.IntRange(0, 3).Draw(t, "shape") {
			case 0:
				return fmt.Sprintf("%024x", n)
			case 1:
				return fmt.Sprintf("00000000-0000-0000-0000-%012x", n)
			case 2:
				return fmt.Sprintf("557058:00000000-0000-0000-0000-%012x", n)
			}
			return fmt.Sprint("account-", n)
		})
		list := func(name string) []string {
			ids := rapid.SliceOfN(id, 0, 30).Draw(t, name)
			if rapid.Bool().Draw(t, name+" is large") {
				for i := range 2000 {
					ids = append(ids, fmt.Sprintf("%024x", 3*i))
				}
			}
			return ids
		}
		a, b := list("a"), list("b")
		want := slices.DeleteFunc(slices.Clone(a), func(id string) bool { return slices.Contains(b, id) })
		s, o := audit.NewIDs(a...), audit.NewIDs(b...)
		got := s.Minus(o)
		if wanted := audit.NewIDs(want...); !slices.Equal(got.Strings(), wanted.Strings()) {
			t.Fatalf("%v without %v is %v, not %v", a, b, got.Strings(), wanted.Strings())
		}
		if got, wanted := audit.Union(s, o), audit.NewIDs(slices.Concat(a, b)...); !slices.Equal(got.Strings(), wanted.Strings()) {
			t.Fatalf("%v and %v are %v, not %v", a, b, got.Strings(), wanted.Strings())
		}
		if !slices.Equal(s.Strings(), audit.NewIDs(a...).Strings()) || !slices.Equal(o.Strings(), audit.NewIDs(b...).Strings()) {
			t.Fatal("a set has changed")
		}
	})
}

// Many ids are sorted by some of their bytes first, so what they have in common there must not matter.
func TestSetOfManyIDsIsSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]string{"%024x", "%06x000000000000000000", "%012x%[1]012x", "00000000-0000-0000-0000-%012x", "557058:00000000-0000-0000-%04x-000000000000"}).Draw(t, "format")
		step := rapid.SampledFrom([]int{1, 16, 257, 4099}).Draw(t, "step")
		want := map[string]bool{}
		for i := range rapid.IntRange(100, 600).Draw(t, "n") {
			want[fmt.Sprintf(format, i*7919%601*step%65521)] = true
		}
		ids := audit.NewIDs(slices.Collect(maps.Keys(want))...)
		got := ids.Strings()
		if !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("the set of %d ids is not sorted: %d, %q", len(want), len(got), got)
		}
		for i, id := range got {
			if n, ok := ids.Index(id); !ok || n != i {
				t.Fatalf("%s is at %d, not at %d", id, n, i)
			}
		}
	})
}
