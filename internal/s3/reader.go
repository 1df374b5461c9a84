package s3

import (
	"context"
	"io"
	"slices"
	"sync"
)

// A Reader reads one state of an object as if it were a file, by several goroutines at once. It is made for reading from the start to the end, all by one or
// in turns: pieces of 8 MiB are fetched ahead, each once, and no more of them are held than a few beyond one for each goroutine.
type Reader struct {
	client *Client
	object Object
	ctx    context.Context // as io.ReaderAt takes none; Close ends it
	cancel context.CancelFunc
	limit  int // pieces held

	mu     sync.Mutex
	pieces []*piece // the one used last is the last
	free   [][]byte
}

const (
	pieceSize = 8 << 20
	ahead     = 2 // pieces
)

// A piece is a part of the object, or will be once it is fetched.
type piece struct {
	number int64
	data   []byte
	err    error
	done   chan struct{}
	users  int
}

// Open gives a Reader for an object that readers goroutines read at once. Reading ends with ctx. An object that is not o any more, by its ETag, is not read:
// the error is ErrReplaced.
func (c *Client) Open(ctx context.Context, o Object, readers int) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	return &Reader{client: c, object: o, ctx: ctx, cancel: cancel, limit: readers + ahead + 1}
}

// Close ends what is being fetched.
func (r *Reader) Close() error {
	r.cancel()
	return nil
}

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= r.object.Size {
			return n, io.EOF
		}
		x := r.take(at / pieceSize)
		select {
		case <-x.done:
		case <-r.ctx.Done():
			return n, context.Cause(r.ctx)
		}
		if x.err != nil {
			return n, x.err
		}
		n += copy(p[n:], x.data[at-x.number*pieceSize:])
		r.mu.Lock()
		x.users--
		r.mu.Unlock()
	}
	return n, nil
}

// take gives a piece to be used, and has it and those that follow fetched.
func (r *Reader) take(number int64) *piece {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.piece(number)
	x.users++
	for i := range r.pieces {
		if r.pieces[i] == x {
			r.pieces = append(slices.Delete(r.pieces, i, i+1), x)
			break
		}
	}
	for next := number + 1; next <= number+ahead && next*pieceSize < r.object.Size; next++ {
		if r.held(next) == nil && r.room() {
			r.fetch(next)
		}
	}
	return x
}

// piece finds a piece, or begins to fetch it.
func (r *Reader) piece(number int64) *piece {
	if x := r.held(number); x != nil {
		return x
	}
	r.room() // where there is none, those at work need what is held: it is one more for a moment
	return r.fetch(number)
}

func (r *Reader) held(number int64) *piece {
	for _, x := range r.pieces {
		if x.number == number {
			return x
		}
	}
	return nil
}

func (r *Reader) fetch(number int64) *piece {
	size := min(pieceSize, r.object.Size-number*pieceSize)
	x := &piece{number: number, done: make(chan struct{})}
	if n := len(r.free); n > 0 && int64(cap(r.free[n-1])) >= size {
		x.data, r.free = r.free[n-1][:size], r.free[:n-1]
	} else {
		x.data = make([]byte, size)
	}
	r.pieces = append(r.pieces, x)
	go func() {
		defer close(x.done)
		if _, x.err = r.client.ReadAt(r.ctx, r.object, x.data, number*pieceSize); x.err == io.EOF {
			x.err = &Error{r.object.URL(), "the object is shorter than the storage says; the next run reads it", io.ErrUnexpectedEOF}
		}
	}()
	return x
}

// room says whether another piece may be held, and drops the one that was used longest ago for it.
func (r *Reader) room() bool {
	if len(r.pieces) < r.limit {
		return true
	}
	for i, x := range r.pieces {
		if x.users > 0 {
			continue
		}
		select {
		case <-x.done:
			r.free = append(r.free, x.data)
			r.pieces = slices.Delete(r.pieces, i, i+1)
			return true
		default:
		}
	}
	return false
}
