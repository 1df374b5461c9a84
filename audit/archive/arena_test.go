package archive

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestArenaGivesEachPieceOnce writes to all pieces, also to those of a second round, and reads them back.
func TestArenaGivesEachPieceOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := new(arena)
		for range 2 {
			var pieces [][]byte
			for i, n := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 64<<10), rapid.IntRange(1, 3<<20)), 0, 20).Draw(t, "sizes") {
				p := a.take(n)
				if len(p) != n || cap(p) != n {
					t.Fatalf("%d bytes of %d, not %d", len(p), cap(p), n)
				}
				for j := range p {
					p[j] = byte(i + 1)
				}
				pieces = append(pieces, p)
			}
			for i, p := range pieces {
				if !bytes.Equal(p, bytes.Repeat([]byte{byte(i + 1)}, len(p))) {
					t.Fatalf("piece %d was written to by another", i)
				}
			}
			a.reset()
		}
	})
}
