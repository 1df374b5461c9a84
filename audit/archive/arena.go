package archive

import "runtime"

// An arena is memory that is given out piece by piece and taken back all at once. A night's rows are most of what it holds in memory, and hold no
// pointers: beside the garbage collector's heap they do not make that larger than it must be, nor do they cost a fault for each page. The memory goes
// when nobody can reach the arena any more: who holds pieces of it holds it as well. It is for one goroutine.
type arena struct {
	regions [][]byte
	begun   int // how many of the regions were
	used    int // bytes of the last of these that were given out
	ready   int // and bytes that the system has backed with memory
}

const (
	firstRegion = 1 << 20
	largeRegion = 32 << 20
	readyAtOnce = 1 << 20
)

// take gives n bytes, which hold anything.
func (a *arena) take(n int) []byte {
	for a.begun == 0 || len(a.regions[a.begun-1])-a.used < n {
		if a.begun == len(a.regions) {
			size := firstRegion
			if a.begun > 0 {
				size = min(2*len(a.regions[a.begun-1]), largeRegion)
			}
			a.grow(max(size, n))
		}
		a.begun, a.used, a.ready = a.begun+1, 0, 0
	}
	region := a.regions[a.begun-1]
	p := region[a.used : a.used+n : a.used+n]
	for a.used += n; a.ready < a.used; {
		next := min(a.ready+readyAtOnce, len(region))
		populate(region[a.ready:next])
		a.ready = next
	}
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
func (a *arena) reset() { a.begun, a.used, a.ready = 0, 0, 0 }
