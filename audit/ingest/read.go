package ingest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/mailreeve/mailreeve/internal/s3"
)

// MaxLine is the length of the longest line that is read, in bytes, without its end.
const MaxLine = 64 << 20

// Patience is how long a file's last line, where it has no end and is no whole object, waits for the rest, counted from the file's last change.
const Patience = 10 * time.Minute

const (
	blockSize  = 8 << 20   // what a worker takes at a time
	windowSize = 256 << 10 // and reads at once
	checkEvery = 256       // lines between two looks at whether to stop
)

// A Pos is the place of a line in what was read: the number of its chunk, and of the line within it, both counted from 0. The number of the line in the
// file is Result.Bases[Chunk] + Line.
type Pos struct{ Chunk, Line uint32 }

// Lines takes the lines that one worker finds, those of a chunk in their order. A line is without its end (\n or \r\n) and valid until Line returns.
type Lines interface {
	Line(p Pos, line []byte)
	TooLong(p Pos) // a line of more than MaxLine bytes
}

// Options say how to read. The zero value is one worker, and now.
type Options struct {
	Workers  int               // how many lines are taken at once; at least 1
	Now      time.Time         // what a file's age is counted to; the zero value is the time of the call
	Progress func(bytes int64) // told how many bytes of the file more were read; calls do not overlap
	Objects  *s3.Client        // for paths that begin with s3://

	// Header, where there is one, is told the file's first line before any worker is opened. That line is no line then, and is delivered to nobody. Its
	// error ends the reading.
	Header func(line []byte) error

	places *places // those of a run, which know what was listed; nil: made of Objects

	block           int // what a worker takes at a time; 0: blockSize
	window, maxLine int // for tests; 0: windowSize, MaxLine
}

func (o Options) complete() Options {
	o.Workers = max(o.Workers, 1)
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.places == nil {
		o.places = newPlaces(o.Objects)
	}
	if o.block == 0 {
		o.block = blockSize
	}
	if o.window == 0 {
		o.window = windowSize
	}
	if o.maxLine == 0 {
		o.maxLine = MaxLine
	}
	return o
}

// A Result tells what was read.
type Result struct {
	State   State    // for the next Read of the same path
	Lines   int64    // lines delivered, the too long ones too: all that are not blank
	Bases   []uint64 // the number in the file, counted from 1, of each chunk's first line
	Skipped bool     // nothing about the file has changed, so it was not read
	Waiting bool     // the last line has no end yet, and waits
	Bytes   int64    // of the file, that were read
}

// Read finds the lines of the file at path and gives them to workers. Blank lines (white space only) count as lines but are not delivered, a byte order
// mark at the start is skipped. A file whose name ends in .gz or .zst, or that begins as such files do, is decompressed.
//
// A path that begins with s3:// names an object, which is read like a file; what is said of files holds of it.
//
// With the state that the last Read of the path gave, a file that has not changed is skipped, and a plain one that has only grown is read on from where
// its last whole line ended; anything else is read whole. A last line without an end is delivered if it is a whole JSON object or the file has not
// changed for Patience, else it waits; either way it is read again when the file has grown.
//
// open is called for each worker before anything is delivered; what it gives is used by that worker only. The workers share the chunks as they come.
// Read returns when all workers have.
//
// An error says which file, where in it and why; what lay before it may have been delivered, and the result has no State, so the next Read begins
// anew. When ctx ends, Read returns its error within a second or so. Memory: two blocks of 8 MiB a worker, one line of MaxLine, and a .zst file's
// window, which may be 128 MiB, or twice that where its first frame has one of at most 16 MiB.
func Read(ctx context.Context, path string, prior *State, opt Options, open func(worker int) Lines) (Result, error) {
	opt = opt.complete()
	from := opt.places.of(path)
	id, err := from.stat(ctx, path)
	if err != nil {
		return Result{}, err
	}
	if prior != nil && prior.unchanged(id) && !prior.Waiting {
		return Result{State: *prior, Skipped: true}, nil
	}
	f, err := from.open(ctx, path, opt.Workers)
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	if id, err = f.identify(); err != nil {
		return Result{}, err
	}
	r := &run{file: f, path: path, opt: opt, open: open, id: id, young: isYoung(id, opt.Now)}
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%s: %w", path, context.Cause(ctx))
	}
	defer context.AfterFunc(ctx, func() { r.stop.Store(true) })()
	res, err := r.read(prior)
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%s: %w", path, context.Cause(ctx))
	}
	if err != nil {
		res.State = State{}
		return res, fmt.Errorf("%s: %w", path, err)
	}
	return res, nil
}

// A run is one call of Read.
type run struct {
	file  content
	path  string
	opt   Options
	open  func(worker int) Lines
	id    identity
	young bool
	stop  atomic.Bool // the context has ended, or a worker failed

	progress sync.Mutex
	long     sync.Mutex // held by who holds a line that is longer than a block
	bytes    atomic.Int64
}

var errStopped = errors.New("stopped")

func (r *run) read(prior *State) (Result, error) {
	kind, err := r.compression()
	if err != nil {
		return Result{}, err
	}
	var res Result
	if r.opt.Header != nil {
		line, whole, err := r.firstLine(kind)
		if err != nil {
			return Result{}, err
		}
		if !whole && r.young { // of a file that was just begun
			return Result{State: State{identity: r.id, Waiting: true}, Waiting: true}, nil
		}
		if len(line) > 0 {
			if err := r.opt.Header(line); err != nil {
				return Result{}, err
			}
		}
	}
	if kind != plain {
		res, err = r.stream(kind)
	} else {
		res, err = r.blocks(prior)
	}
	res.State.identity = r.id
	res.State.Waiting = res.Waiting
	res.Bytes = r.bytes.Load()
	return res, err
}

func (r *run) advance(n int64) {
	r.bytes.Add(n)
	if r.opt.Progress != nil && n > 0 {
		r.progress.Lock()
		defer r.progress.Unlock()
		r.opt.Progress(n)
	}
}

// blocks reads a plain file: the workers take its blocks in turn, and each the lines that start in its own.
func (r *run) blocks(prior *State) (Result, error) {
	var from, lines int64 // where to read on, and how many lines lie before
	var known []uint64    // the hashes of the blocks before
	size, block := r.id.Size, int64(r.opt.block)
	if prior != nil && prior.Block == block && prior.Size <= size {
		same, err := r.same(prior)
		if err != nil {
			return Result{}, err
		}
		if same {
			from, lines = prior.Offset, prior.Before
			known = prior.Hashes[:from/block]
		}
	}
	first := from / block
	count := int((size+block-1)/block - first)
	state := State{Block: block, Hashes: append(slices.Clone(known), make([]uint64, count)...)}
	counts := make([]blockCount, count)
	err := r.parallel(count, func(worker int) func(int) error {
		sink, buf := r.open(worker), []byte(nil)
		return func(i int) (err error) {
			at := first + int64(i)
			counts[i], buf, err = r.block(sink, uint32(i), at, from, buf)
			state.Hashes[at] = counts[i].hash
			return err
		}
	})
	res := Result{State: state, Bases: make([]uint64, count)}
	next := uint64(lines) + 1
	res.State.Offset = size
	for i, c := range counts {
		res.Bases[i] = next
		next += uint64(c.lines)
		res.Lines += c.delivered
		if c.open >= 0 {
			res.State.Offset = c.open
			next--
		}
		res.Waiting = res.Waiting || c.waiting
	}
	res.State.Before = int64(next - 1)
	return res, err
}

// parallel has work done on 0 to count-1 by the workers, each of whom begins with what begin gives.
func (r *run) parallel(count int, begin func(worker int) func(i int) error) error {
	var (
		next  atomic.Int64
		group sync.WaitGroup
		once  sync.Once
		first error
	)
	works := make([]func(int) error, min(r.opt.Workers, count))
	for worker := range works {
		works[worker] = begin(worker)
	}
	for _, work := range works {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count || r.stop.Load() {
					return
				}
				if err := work(i); err != nil {
					once.Do(func() { first = err })
					r.stop.Store(true)
					return
				}
			}
		})
	}
	group.Wait()
	if first == nil && r.stop.Load() {
		return errStopped
	}
	return first
}

// same says whether the file begins with all that prior has seen.
func (r *run) same(prior *State) (bool, error) {
	var differs atomic.Bool
	err := r.parallel(len(prior.Hashes), func(int) func(int) error {
		return func(i int) error {
			if differs.Load() {
				return nil
			}
			var hash xxhash.Digest
			hash.Reset()
			start := int64(i) * prior.Block
			err := r.hash(&hash, start, min(start+prior.Block, prior.Size))
			if hash.Sum64() != prior.Hashes[i] {
				differs.Store(true)
			}
			return err
		}
	})
	return !differs.Load(), err
}

func (r *run) readFull(p []byte, at int64) error {
	n, err := r.file.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return fmt.Errorf("at byte %d: the file was cut short while it was read; run again when it is whole", at+int64(n))
	}
	return fmt.Errorf("at byte %d: %w", at+int64(n), err)
}

// A blockCount is what a worker found in a block.
type blockCount struct {
	lines     int64 // that start in it
	delivered int64
	hash      uint64
	open      int64 // where the file's last line starts if it has no end and starts here; else -1
	waiting   bool
}

// What is to be done with the text up to the next line end.
const (
	aLine   = iota // it is a line
	foreign        // it belongs to a line that starts before
	tooLong        // it belongs to a line that is too long to be kept
)

// block delivers the lines that start in block number at, from byte from on. It reads in windows, which stay in the processor's cache.
func (r *run) block(sink Lines, chunk uint32, at, from int64, buf []byte) (c blockCount, _ []byte, err error) {
	c.open = -1
	size, block := r.id.Size, int64(r.opt.block)
	start := at * block
	end := min(start+block, size)
	defer r.advance(end - max(start, from))
	d := delivery{sink: sink, pos: Pos{Chunk: chunk}, limit: r.opt.maxLine, header: r.opt.Header != nil}
	defer func() { c.lines, c.delivered = int64(d.pos.Line), d.delivered }()
	var hash xxhash.Digest
	hash.Reset()

	what := aLine
	pos := start // where to read
	switch {
	case from > start: // what lies before is hashed only
		pos = from
		if err := r.hash(&hash, start, from); err != nil {
			return c, buf, err
		}
	case start > 0: // the byte before tells whether a line starts at the first
		pos, what = start-1, foreign
	}
	buf = buf[:0]
	long := false
	defer func() {
		if long {
			r.long.Unlock()
		}
	}()
	for {
		// buf is the text before pos, from where a line starts; none of it is a line end.
		if len(buf) > r.opt.maxLine+1 { // one more for a \r
			what, c.open, buf = tooLong, pos-int64(len(buf)), buf[:0]
		}
		if pos >= size {
			break
		}
		if r.stop.Load() {
			return c, buf, errStopped
		}
		n := int(min(int64(r.opt.window), size-pos))
		if pos < end {
			n = int(min(int64(n), end-pos))
		}
		if !long && len(buf) > r.opt.block {
			r.long.Lock() // one long line at a time: that bounds the memory
			long = true
		}
		have := len(buf)
		buf = slices.Grow(buf, n)[:have+n]
		if err := r.readFull(buf[have:], pos); err != nil {
			return c, buf, err
		}
		if pos < end {
			hash.Write(buf[have+int(max(start-pos, 0)):])
		}
		pos += int64(n)
		line := 0
		for {
			j := bytes.IndexByte(buf[have:], '\n')
			if j < 0 {
				break
			}
			switch what {
			case aLine:
				d.line(buf[line:have+j], pos == int64(len(buf)-line))
			case tooLong:
				d.tooLong()
				c.open = -1
			}
			what = aLine
			have += j + 1
			line = have
			if pos-int64(len(buf)-line) >= end {
				c.hash = hash.Sum64()
				return c, buf, nil
			}
			if d.pos.Line%checkEvery == 0 && r.stop.Load() {
				return c, buf, errStopped
			}
		}
		switch {
		case what != aLine:
			buf = buf[:0]
		case line > 0 && long:
			buf = slices.Clone(buf[line:])
			long = false
			r.long.Unlock()
		case line > 0:
			buf = buf[:copy(buf, buf[line:])]
		}
		if what == foreign && pos >= end {
			break
		}
	}
	c.hash = hash.Sum64()
	switch {
	case what == tooLong:
		c.waiting = d.lastTooLong(r.young)
	case what == aLine && len(buf) > 0:
		c.open = pos - int64(len(buf))
		c.waiting = d.last(buf, c.open == 0, r.young)
	}
	return c, buf, nil
}

// hash hashes the file's bytes from start to end.
func (r *run) hash(h *xxhash.Digest, start, end int64) error {
	buf := make([]byte, min(int64(r.opt.window), end-start))
	for start < end {
		buf = buf[:min(int64(len(buf)), end-start)]
		if err := r.readFull(buf, start); err != nil {
			return err
		}
		h.Write(buf)
		start += int64(len(buf))
	}
	return nil
}

// A delivery counts and delivers the lines of a chunk.
type delivery struct {
	sink      Lines
	pos       Pos // of the next line
	delivered int64
	limit     int  // of a line's length
	header    bool // the file's first line is none
}

const byteOrderMark = "\ufeff"

// line delivers a line, perhaps with the \r of its end; first is the file's first.
func (d *delivery) line(p []byte, first bool) {
	if first && d.header {
		d.pos.Line++
		return
	}
	if n := len(p); n > 0 && p[n-1] == '\r' {
		p = p[:n-1]
	}
	if len(p) > d.limit {
		d.tooLong()
		return
	}
	if first {
		p = bytes.TrimPrefix(p, []byte(byteOrderMark))
	}
	if len(p) > 0 && (p[0] == '{' || len(bytes.TrimSpace(p)) > 0) {
		d.sink.Line(d.pos, p)
		d.delivered++
	}
	d.pos.Line++
}

func (d *delivery) tooLong() {
	d.sink.TooLong(d.pos)
	d.delivered++
	d.pos.Line++
}

// last is line for the file's last one, which has no end: of a young file it waits, if it is neither blank nor a whole object.
func (d *delivery) last(p []byte, first, young bool) (waiting bool) {
	if len(bytes.TrimSuffix(p, []byte{'\r'})) > d.limit {
		return d.lastTooLong(young)
	}
	text := p
	if first {
		text = bytes.TrimPrefix(p, []byte(byteOrderMark))
	}
	text = bytes.TrimSpace(text)
	if young && len(text) > 0 && (text[0] != '{' || !json.Valid(text)) {
		d.pos.Line++
		return true
	}
	d.line(p, first)
	return false
}

func (d *delivery) lastTooLong(young bool) (waiting bool) {
	if young {
		d.pos.Line++
		return true
	}
	d.tooLong()
	return false
}

// maxHeader is the length of the longest header, in bytes.
const maxHeader = 1 << 20

// isYoung says whether a file may still be written to: its last line waits.
func isYoung(id identity, now time.Time) bool { return id.modified().After(now.Add(-Patience)) }

// firstLine is the file's first line, without its end, and whether it has one.
func (r *run) firstLine(kind compression) (line []byte, whole bool, err error) {
	text, err := r.text(kind)
	if err != nil {
		return nil, false, err
	}
	defer text.Close()
	line, err = bufio.NewReader(io.LimitReader(text, maxHeader)).ReadBytes('\n')
	switch {
	case err == io.EOF && len(line) == maxHeader:
		return nil, false, fmt.Errorf("the header is longer than %d bytes", maxHeader)
	case err != nil && err != io.EOF:
		return nil, false, err
	}
	whole = err == nil
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	return bytes.TrimPrefix(line, []byte(byteOrderMark)), whole, nil
}

// The forms that a file may have.
type compression int

const (
	plain compression = iota
	gzipped
	zstandard
)

// compression tells the file's form by its name or, as files get renamed, by its first bytes, which no JSON begins with.
func (r *run) compression() (compression, error) {
	switch strings.ToLower(filepath.Ext(r.path)) {
	case ".gz":
		return gzipped, nil
	case ".zst":
		return zstandard, nil
	}
	var magic [4]byte
	n, err := r.file.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return plain, err
	}
	switch {
	case bytes.HasPrefix(magic[:n], []byte{0x1F, 0x8B}):
		return gzipped, nil
	case n == 4 && magic == [4]byte{0x28, 0xB5, 0x2F, 0xFD}:
		return zstandard, nil
	}
	return plain, nil
}
