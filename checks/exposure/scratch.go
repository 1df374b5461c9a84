package exposure

import "sync"

// A Scratch is memory that scans leave to those after them: a scan of a page needs more to work in than its candidates take. Its zero value is ready, and it may
// serve several Finders at once. What it holds of a document is written over by the next, or freed.
type Scratch struct{ pool sync.Pool }

// scratch is what one scan works in.
type scratch struct {
	body    []byte   // what is read
	spare   []*masks // that no view has now
	toks    []token  // of the script that was read last, to be written over
	inflate inflaters
	buf     []byte
	hexed   []byte  // likewise, for hex
	rooms   []byte  // likewise, see room
	found   records // of the page that was looked through last
}

func (s *Scratch) get() *scratch {
	if t, ok := s.pool.Get().(*scratch); ok {
		return t
	}
	return new(scratch)
}

func (s *Scratch) put(t *scratch) { s.pool.Put(t) }
