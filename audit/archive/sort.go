package archive

import (
	"math/bits"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// A sorter sorts ordinals of a table. A list that is not small against the table is sorted by setting bits and reading them in order, which also tells
// which come twice. reset makes it ready for a table.
type sorter struct {
	set      []uint64         // a bit for each ordinal; empty between calls
	reports  []audit.Reported // by ordinal; made when it is first needed
	ordinals int
}

// reset makes it ready for a table of that many ordinals. It keeps its memory.
func (s *sorter) reset(ordinals int) {
	n := (ordinals + 63) / 64
	s.set = slices.Grow(s.set[:0], n)[:n]
	clear(s.set)
	s.reports, s.ordinals = s.reports[:0], ordinals
}

const fewToSort = 12 // which an insertion sort does sooner

func (s *sorter) suits(n int) bool { return n > fewToSort && n >= len(s.set)/8 }

// distinct sorts ordinals in place and gives them without repetitions.
func (s *sorter) distinct(list []uint32) []uint32 {
	if !s.suits(len(list)) {
		slices.Sort(list)
		return slices.Compact(list)
	}
	for _, x := range list {
		s.set[x/64] |= 1 << (x % 64)
	}
	out := list[:0]
	s.drain(func(x uint32) { out = append(out, x) })
	return out
}

// reported sorts reported accounts in place; false where it cannot, as they are few, or one comes twice.
func (s *sorter) reported(list []audit.Reported) bool {
	if !s.suits(len(list)) {
		return false
	}
	if len(s.reports) < s.ordinals {
		s.reports = slices.Grow(s.reports, s.ordinals)[:s.ordinals]
	}
	twice := uint64(0)
	for _, r := range list {
		w, bit := &s.set[r.Account/64], uint64(1)<<(r.Account%64)
		twice |= *w & bit
		*w |= bit
		s.reports[r.Account] = r
	}
	if twice != 0 {
		clear(s.set)
		return false
	}
	out := list[:0]
	s.drain(func(x uint32) { out = append(out, s.reports[x]) })
	return true
}

// drain visits the ordinals of the set, ascending, and empties it.
func (s *sorter) drain(visit func(uint32)) {
	for i, w := range s.set {
		if w == 0 {
			continue
		}
		for s.set[i] = 0; w != 0; w &= w - 1 {
			visit(uint32(i*64 + bits.TrailingZeros64(w)))
		}
	}
}
