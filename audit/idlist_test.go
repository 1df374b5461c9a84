package audit

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var packedShapes = regexp.MustCompile(`^(?:[0-9a-f]{24}|(?:[1-9][0-9]{5}:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`)

// drawID draws an id of a packed shape, or one that nearly is.
func drawID(t *rapid.T) string {
	id := rapid.OneOf(rapid.StringMatching(`[0-9a-f]{24}`), rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		rapid.StringMatching(`[0-9]{6}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), rapid.StringMatching(`[ -~]{1,45}`), rapid.Just("unknown")).Draw(t, "id")
	if rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
		at := rapid.IntRange(0, len(id)-1).Draw(t, "at")
		id = id[:at] + string([]byte{rapid.Byte().Draw(t, "byte")}) + id[at+1:]
	}
	return id
}

func TestIDListGivesBackWhatWasAdded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l, again IDList
		var want []string
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			id := drawID(t)
			want = append(want, id)
			if packed := again.AddPacked([]byte(id)); packed != packedShapes.MatchString(id) {
				t.Fatalf("%q is packed: %v", id, packed)
			} else if !packed {
				again.Add([]byte(id))
			}
			l.Add([]byte(id))
		}
		var got []string
		for id := range l.All() {
			got = append(got, string(id))
		}
		if !slices.Equal(got, want) || l.Len() != len(want) || !l.Equal(again) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// TestOnlyLowerCaseDigitsArePacked tries each byte in each place of eight digits.
func TestOnlyLowerCaseDigitsArePacked(t *testing.T) {
	t.Parallel()
	for at := range 8 {
		for c := range 256 {
			digits := []byte("09af5b1e")
			digits[at] = byte(c)
			v, bad := unhex8(binary.LittleEndian.Uint64(digits))
			if good := strings.IndexByte("0123456789abcdef", byte(c)) >= 0; good != (bad == 0) {
				t.Fatalf("%q: bad %x", digits, bad)
			} else if !good {
				continue
			}
			want := uint32(0)
			for i, d := range digits {
				want |= uint32(strings.IndexByte("0123456789abcdef", d)) << (i/2*8 + 4*(1-i%2))
			}
			if v != want {
				t.Fatalf("%q: %x, want %x", digits, v, want)
			}
		}
	}
}

// TestManyIDsAreSortedAsFewAre holds the sorting by bytes against the sorting by comparison, in one builder that is reset each time.
func TestManyIDsAreSortedAsFewAre(t *testing.T) {
	t.Parallel()
	var b IDsBuilder
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.StringMatching(`[0-9a-f]{0,20}`).Draw(t, "prefix") // ids of one time begin alike
		rest := rapid.SliceOfN(rapid.Uint64(), 100, 300).Draw(t, "rest")
		site := rapid.Bool().Draw(t, "uuids")
		var ids []string
		for _, n := range rest {
			id := (prefix + fmt.Sprintf("%032x", n*0x9E3779B97F4A7C15))[:24]
			if site {
				id = fmt.Sprintf("%06d:%s-%04x-%04x-%04x-%012x", 100000+n%3, id[:8], n%5, n>>60, n>>8&0xffff, n&0xffffff)
			}
			ids = append(ids, id)
		}
		b.Reset()
		numbers := make([]uint32, len(ids))
		for i, id := range ids {
			numbers[i] = b.Add([]byte(id))
		}
		set, ordinals := b.Set()
		want := slices.Compact(slices.Sorted(slices.Values(ids)))
		if got := set.Strings(); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i, id := range ids {
			if got := set.At(int(ordinals.Of(numbers[i]))); got != id {
				t.Fatalf("%q is %q in the set", id, got)
			}
		}
	})
}
