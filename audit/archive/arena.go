package archive

import "runtime"

// An arena is memory that is given out piece by piece and taken back all at once. A night's rows are most of what it holds in memory, and hold no
// pointers: beside the garbage collector's heap they neither make that twice as large nor, in large pages, cost a fault for each 4 KiB. The memory goes
// when nobody can reach the arena any more: who holds pieces of it holds it as well. It is for one goroutine.
type arena struct {
	regions [][]byte
	used    int    // how many of the regions were begun
	rest    []byte // of the last of these
}

const (
	firstRegion = 1 << 20
	largeRegion = 32 << 20
)

// take gives n bytes, which hold anything.
func (a *arena) take(n int) []byte {
	for len(a.rest) < n {
		if a.used == len(a.regions) {
			size := firstRegion
			if a.used > 0 {
				size = min(2*len(a.regions[a.used-1]), largeRegion)
			}
			a.grow(max(size, n))
		}
		a.rest = a.regions[a.used]
		a.used++
	}
	p := a.rest[:n:n]
	a.rest = a.rest[n:]
	return p
}

func (a *arena) grow(size int) {
	region, free := mapped(size)
	if region == nil {
		region = make([]byte, size)
	} else {
		runtime.AddCleanup(a, func(p []byte) { free(p) }, region)
	}
	a.regions = append(a.regions, region)
}

// reset takes all back that was given out.
func (a *arena) reset() { a.used, a.rest = 0, nil }
