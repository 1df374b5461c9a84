package archive

import (
	"container/list"
	"io"
	"os"
	"sync"
)

// A cache keeps blocks of files that are far away in a local one. A pack costs the blocks that it lies in; where files are read on from where they were read
// before, as by a night that goes from app to app, ever more blocks come with one request.
type cache struct {
	fetch func(name string, p []byte, off int64) (int, error) // as io.ReaderAt
	local *os.File

	mu     sync.Mutex
	blocks map[blockKey]*block
	used   *list.List // of *block: the one used last is in front
	slots  int64      // of local that were ever used
	free   []int64
	next   map[string]span
}

const (
	blockSize = 256 << 10
	maxRun    = 16   // blocks that come with one request
	maxBlocks = 4096 // 1 GiB
)

type blockKey struct {
	name   string
	number int64
}

type block struct {
	key   blockKey
	slot  int64
	size  int // less than blockSize at the end of the file
	err   error
	ready chan struct{}
	users int
	place *list.Element
}

// A span is where a file was last read up to, and how many blocks came.
type span struct {
	end int64
	n   int64
}

func newCache(local *os.File, fetch func(name string, p []byte, off int64) (int, error)) *cache {
	return &cache{fetch: fetch, local: local, blocks: map[blockKey]*block{}, used: list.New(), next: map[string]span{}}
}

func (c *cache) close() error { return c.local.Close() }

// drop forgets a file.
func (c *cache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.next, name)
	for key, b := range c.blocks {
		if key.name == name {
			c.forget(b)
		}
	}
}

// readAt is io.ReaderAt for the file of that name.
func (c *cache) readAt(name string, p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	blocks := c.take(name, off/blockSize, (off+int64(len(p))-1)/blockSize)
	defer c.release(blocks)
	for _, b := range blocks {
		<-b.ready
		if b.err != nil {
			return n, b.err
		}
		from := off + int64(n) - b.key.number*blockSize
		want := p[n:min(len(p), n+int(blockSize-from))]
		if have := int64(b.size) - from; have < int64(len(want)) {
			want = want[:max(have, 0)]
			err = io.EOF
		}
		m, rerr := c.local.ReadAt(want, b.slot*blockSize+from)
		n += m
		if m < len(want) {
			return n, rerr
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// take gives the blocks from first to last, those that are missing being fetched: one after the other in one request.
func (c *cache) take(name string, first, last int64) []*block {
	c.mu.Lock()
	defer c.mu.Unlock()
	blocks := make([]*block, 0, last-first+1)
	for i := first; i <= last; i++ {
		b := c.blocks[blockKey{name, i}]
		if b == nil {
			c.load(name, i, last)
			b = c.blocks[blockKey{name, i}]
		}
		b.users++
		c.used.MoveToFront(b.place)
		blocks = append(blocks, b)
	}
	return blocks
}

// load begins to fetch the missing blocks from first on: up to last, and beyond where the file is being read on.
func (c *cache) load(name string, first, last int64) {
	n := last - first + 1
	if before, ok := c.next[name]; ok && first >= before.end && first <= before.end+before.n {
		n = max(n, min(2*before.n, maxRun))
	}
	var run []*block
	for i := first; i < first+n && c.blocks[blockKey{name, i}] == nil; i++ {
		b := &block{key: blockKey{name, i}, slot: c.slot(), ready: make(chan struct{})}
		b.users++ // until it is there
		b.place = c.used.PushFront(b)
		c.blocks[b.key] = b
		run = append(run, b)
	}
	c.next[name] = span{end: first + int64(len(run)), n: int64(len(run))}
	go c.get(run)
}

// slot finds room in the local file for a block.
func (c *cache) slot() int64 {
	for e := c.used.Back(); e != nil && len(c.free) == 0 && c.slots >= maxBlocks; e = e.Prev() {
		if b := e.Value.(*block); b.users == 0 {
			c.forget(b)
			break
		}
	}
	if n := len(c.free); n > 0 {
		slot := c.free[n-1]
		c.free = c.free[:n-1]
		return slot
	}
	c.slots++ // where all are in use, the file grows
	return c.slots - 1
}

// forget takes a block out. One in use keeps its place in the local file until it is released.
func (c *cache) forget(b *block) {
	if c.blocks[b.key] != b {
		return
	}
	delete(c.blocks, b.key)
	c.used.Remove(b.place)
	if b.users == 0 {
		c.free = append(c.free, b.slot)
	}
}

func (c *cache) release(blocks []*block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range blocks {
		if b.users--; b.users == 0 && c.blocks[b.key] != b {
			c.free = append(c.free, b.slot)
		}
	}
}

// get fetches neighbouring blocks.
func (c *cache) get(run []*block) {
	p := make([]byte, int64(len(run))*blockSize)
	n, err := c.fetch(run[0].key.name, p, run[0].key.number*blockSize)
	if err == io.EOF {
		err = nil
	}
	for i, b := range run {
		q := p[i*blockSize : (i+1)*blockSize]
		b.size = min(max(n-i*blockSize, 0), blockSize)
		if b.err = err; err == nil && b.size > 0 {
			_, b.err = c.local.WriteAt(q[:b.size], b.slot*blockSize)
		}
		if b.err != nil { // whoever asks next, asks anew
			c.mu.Lock()
			c.forget(b)
			c.mu.Unlock()
		}
		close(b.ready)
	}
	c.release(run)
}
