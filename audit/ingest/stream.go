package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window of a .zst file that is read, in bytes: what the zstd tool takes without being told otherwise.
const maxWindow = 128 << 20

// smallWindow is the largest window, in bytes, of a file's first frame for which twice its memory is taken.
const smallWindow = 16 << 20

// pieceSize is how much of a decompressed file a worker takes at a time, in bytes.
const pieceSize = 512 << 10

// ErrDamaged is wrapped by the error of a compressed file whose content is not what was compressed. As the damage shows only at the next checksum, what
// was delivered may hold text that nobody wrote: do not keep it. (Of a file that is cut short, what was delivered is good.)
var ErrDamaged = errors.New("the compressed file is damaged")

// A piece is a chunk of a decompressed file, cut at line ends.
type piece struct {
	number uint32
	text   []byte
	long   bool          // it is one line that is too long, and text is empty
	open   bool          // and that has no end
	done   chan struct{} // closed when it was delivered, where somebody waits for that
}

// stream reads a compressed file: one goroutine decompresses, the workers take the pieces.
func (r *run) stream(kind compression) (Result, error) {
	var (
		group sync.WaitGroup
		lock  sync.Mutex
		res   Result
		lines []int64 // of each piece
	)
	workers := r.opt.Workers
	pieces := make(chan piece)
	free := make(chan []byte, workers+1)
	sinks := make([]Lines, workers)
	for i := range sinks {
		sinks[i] = r.open(i)
	}
	for _, sink := range sinks {
		group.Go(func() {
			for p := range pieces {
				d := delivery{sink: sink, pos: Pos{Chunk: p.number}, limit: r.opt.maxLine, header: r.opt.Header != nil}
				waiting := r.piece(&d, p)
				lock.Lock()
				for len(lines) <= int(p.number) {
					lines = append(lines, 0)
				}
				lines[p.number] = int64(d.pos.Line)
				res.Lines += d.delivered
				res.Waiting = res.Waiting || waiting
				lock.Unlock()
				if p.done != nil {
					free <- nil
					close(p.done)
				} else {
					free <- p.text[:0]
				}
			}
		})
	}
	for range cap(free) {
		free <- nil
	}
	err := r.decompress(kind, pieces, free)
	close(pieces)
	group.Wait()
	next := uint64(1)
	for _, n := range lines {
		res.Bases = append(res.Bases, next)
		next += uint64(n)
	}
	return res, err
}

// piece delivers the lines of p.
func (r *run) piece(d *delivery, p piece) (waiting bool) {
	switch {
	case p.long && p.open:
		return d.lastTooLong(r.young)
	case p.long:
		d.tooLong()
	}
	first := p.number == 0
	for text := p.text; len(text) > 0; first = false {
		n := bytes.IndexByte(text, '\n')
		if n < 0 {
			return d.last(text, first, r.young)
		}
		d.line(text[:n], first)
		text = text[n+1:]
		if d.pos.Line%checkEvery == 0 && r.stop.Load() {
			return false
		}
	}
	return false
}

// A meter reads the file, counts, and stops when all is to stop. What grows meanwhile is for the next time.
type meter struct {
	run *run
	at  int64
	err error // why no more could be read
}

func (m *meter) Read(p []byte) (int, error) {
	if m.run.stop.Load() {
		return 0, errStopped
	}
	if p = p[:min(int64(len(p)), m.run.id.Size-m.at)]; len(p) == 0 {
		return 0, io.EOF
	}
	if m.err = m.run.readFull(p, m.at); m.err != nil {
		return 0, m.err
	}
	m.at += int64(len(p))
	m.run.advance(int64(len(p)))
	return len(p), nil
}

// text is the file's text, decompressed: of a compressed file without a byte, none.
func (r *run) text(kind compression) (io.ReadCloser, error) {
	in := bufio.NewReader(io.NewSectionReader(r.file, 0, r.id.Size))
	if kind == plain {
		return io.NopCloser(in), nil
	}
	text, err := expand(kind, in)
	if errors.Is(err, io.EOF) {
		return io.NopCloser(in), nil
	}
	return text, err
}

// expand gives the text that a compressed file holds: all members and frames of it.
func expand(kind compression, in *bufio.Reader) (io.ReadCloser, error) {
	if _, err := in.Peek(1); err != nil {
		return nil, err
	}
	if kind == gzipped {
		return gzip.NewReader(in)
	}
	// Twice a window's memory spares most of the moving of it.
	var header zstd.Header
	start, _ := in.Peek(zstd.HeaderMaxSize) // less of a small file
	small := header.Decode(start) == nil && header.WindowSize <= smallWindow
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(!small), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// decompress cuts the decompressed file into pieces, each in a buffer that is free.
func (r *run) decompress(kind compression, pieces chan<- piece, free <-chan []byte) error {
	file := &meter{run: r}
	in := bufio.NewReaderSize(file, 256<<10)
	total := int64(0)
	fail := func(err error) error {
		switch {
		case errors.Is(err, errStopped):
			return errStopped
		case file.err != nil: // nothing of the content
			return file.err
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			err = fmt.Errorf("the compressed file is cut short (%w); copy it again", io.ErrUnexpectedEOF)
		case errors.Is(err, zstd.ErrWindowSizeExceeded):
			err = fmt.Errorf("%w: a window of more than %d MiB is not read, compress with --long=27 or less", err, maxWindow>>20)
		default:
			err = fmt.Errorf("%w (%w); copy it again", ErrDamaged, err)
		}
		return fmt.Errorf("near byte %d, after %d bytes of text: %w", file.at-int64(in.Buffered()), total, err)
	}
	text, err := expand(kind, in)
	if err != nil {
		return fail(err)
	}
	defer text.Close()

	size := min(r.opt.block, pieceSize)
	number := uint32(0)
	send := func(p piece) error {
		if r.stop.Load() {
			return errStopped
		}
		p.number = number
		number++
		if cap(p.text) > 2*size {
			p.done = make(chan struct{}) // one long line at a time: that bounds the memory
		}
		pieces <- p
		if p.done != nil {
			<-p.done
		}
		return nil
	}
	more := func(buf []byte) ([]byte, error) {
		n, err := text.Read(buf[len(buf):cap(buf)])
		total += int64(n)
		return buf[:len(buf)+n], err
	}
	var rest []byte // of the text that was read: the beginning of a line
	for {
		buf := append(slices.Grow(<-free, max(size, len(rest)+1)), rest...)
		rest = rest[:0]
		var err error
		for err == nil && len(buf) < size {
			buf, err = more(buf)
		}
		cut := bytes.LastIndexByte(buf, '\n') + 1
		for err == nil && cut == 0 && len(buf) <= r.opt.maxLine+1 { // one more for a \r
			have := len(buf)
			buf, err = more(slices.Grow(buf, min(max(have, windowSize), r.opt.maxLine+2-have)))
			if i := bytes.LastIndexByte(buf[have:], '\n'); i >= 0 {
				cut = have + i + 1
			}
		}
		switch {
		case err == io.EOF:
			return send(piece{text: buf})
		case err != nil:
			if e := send(piece{text: buf[:cut]}); e != nil {
				return e
			}
			return fail(err)
		case cut > 0:
			rest = append(rest, buf[cut:]...)
			if err := send(piece{text: buf[:cut]}); err != nil {
				return err
			}
		default:
			for err == nil && cut == 0 {
				buf, err = more(buf[:0])
				cut = bytes.IndexByte(buf, '\n') + 1
			}
			if cut == 0 && err != io.EOF {
				return fail(err)
			}
			if cut > 0 {
				rest = append(rest, buf[cut:]...)
			}
			if e := send(piece{text: buf[:0], long: true, open: cut == 0}); e != nil { // err comes again at the next reading
				return e
			}
		}
	}
}
