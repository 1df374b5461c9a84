package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// A Feed is where lines come from that are in no file.
type Feed interface {
	// Fetch writes all that there is, a line each, or says that nothing has changed and writes nothing. tag is what it gave when its lines were taken the
	// last time; "": they never were, or are to come again. After an error nothing counts that was written.
	Fetch(ctx context.Context, tag string, to io.Writer) (next string, unchanged bool, err error)
}

// feed reads a feed, by way of a file without a name.
func (r *reading) feed(ctx context.Context, t *task) error {
	out, err := newSpool()
	if err != nil {
		return fmt.Errorf("%s: %w", t.file.Path, err)
	}
	r.places.spools[t.file.Path] = out
	next, unchanged, err := t.src.Feed.Fetch(ctx, r.tag(t), out)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return r.finish(ctx, t, fileRead{err: fmt.Errorf("%s: %s", t.file.Path, address.Redact(err.Error()))})
	case unchanged:
		r.unchanged = r.unchanged || t.src.Kind == audit.KindApps
		return nil
	}
	if err := out.flush(); err != nil {
		return fmt.Errorf("%s: %w", t.file.Path, err)
	}
	r.total += out.size
	read := r.read(ctx, t)
	if t.src.Kind != audit.KindApps || r.registries == 1 {
		read.res.State.Tag = next
	}
	for _, l := range read.lines {
		if l != nil && len(l.bad) > 0 {
			read.res.State.Tag = "" // a bad line is told of, and judged around, each run that it is there
		}
	}
	return r.finish(ctx, t, read)
}

// tag is what to tell a feed.
func (r *reading) tag(t *task) string {
	switch {
	case t.prior != nil:
		return t.prior.Tag
	case t.src.Kind != audit.KindApps || r.registries > 1 || r.req.Reread[t.file.ID] || !r.reached[fileKey(t.src.Kind, t.src.Name)]:
		// Two sources make one registry, so both come whole; and what the last run took of another source is no news of this one.
		return ""
	}
	var s State
	if s.UnmarshalBinary(t.file.State) != nil {
		return ""
	}
	return s.Tag
}

// untag forgets what feeds gave that are no source of the registry any more: should one be again, nothing that it says of changes is of the registry as it
// is then.
func (r *reading) untag() {
	first := slices.IndexFunc(r.out.Sources, func(s audit.SourceReading) bool { return s.Kind == audit.KindApps })
	for _, f := range r.req.Known {
		var s State
		if _, read := r.seen[f.ID]; read || f.Kind != audit.KindApps || s.UnmarshalBinary(f.State) != nil || s.Tag == "" {
			continue
		}
		f.State = nil
		r.out.Files = append(r.out.Files, audit.FileReading{File: f, Source: first, FromLine: 1})
	}
}

// spools are the storage of what feeds gave, by the feed's path; nil: nothing so far.
type spools map[string]*spool

// A spool is a file that is gone when it is closed.
type spool struct {
	file *os.File
	w    *bufio.Writer
	size int64
	sum  *xxhash.Digest
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "mailreeve-feed-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // where that cannot be while it is open, close does it
	return &spool{file: f, w: bufio.NewWriterSize(f, windowSize), sum: xxhash.New()}, nil
}

func (s *spool) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	_, _ = s.sum.Write(p[:n])
	s.size += int64(n)
	return n, err
}

func (s *spool) flush() error { return s.w.Flush() }

func (s spools) close() {
	for _, x := range s {
		if x != nil {
			_ = x.file.Close()
			_ = os.Remove(x.file.Name())
		}
	}
}

func (s spools) glob(_ context.Context, path string) ([]string, error) { return []string{path}, nil }

func (s spools) stat(_ context.Context, path string) (identity, error) {
	if s[path] == nil {
		return identity{}, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return s[path].identify()
}

func (s spools) open(_ context.Context, path string, _ int) (content, error) {
	if s[path] == nil {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return spooled{s[path]}, nil
}

func (s spools) beside(context.Context, string, string) (content, error) {
	return nil, errors.New("nothing lies beside a feed")
}

// identify tells one content from another: what was fetched has no times.
func (s *spool) identify() (identity, error) {
	return identity{Size: s.size, Inode: s.sum.Sum64()}, nil
}

// spooled is a spool that is read; it stays open.
type spooled struct{ *spool }

func (s spooled) ReadAt(p []byte, at int64) (int, error) { return s.file.ReadAt(p, at) }

func (s spooled) Close() error { return nil }
