package ingest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/mailreeve/mailreeve/internal/s3"
)

// A storage is where files lie.
type storage interface {
	// glob is the files that a pattern names, sorted. A pattern that is the very name of a file names that one. No file is no error.
	glob(ctx context.Context, pattern string) ([]string, error)
	// stat tells in which state a file is.
	stat(ctx context.Context, path string) (identity, error)
	// open opens a file for so many goroutines that read it.
	open(ctx context.Context, path string, readers int) (content, error)
	// beside opens a file that a manifest names. Nothing outside of the manifest's folder is opened. Errors do not quote the name.
	beside(ctx context.Context, manifest, name string) (content, error)
}

// A content is an open file. What is read of it is one state, or an error.
type content interface {
	io.ReaderAt
	io.Closer
	identify() (identity, error)
}

// places are the storages that paths may lead to.
type places struct {
	folder folder
	bucket bucket
	spools spools
}

func newPlaces(objects *s3.Client) *places {
	return &places{bucket: bucket{client: objects, listed: map[string]s3.Object{}}, spools: spools{}}
}

func (p *places) of(path string) storage {
	if _, ok := p.spools[path]; ok {
		return p.spools
	}
	if s3.IsURL(path) {
		return &p.bucket
	}
	return p.folder
}

// Glob is the files that a pattern names, sorted. A pattern that is the very name of a file names that one. No file is no error.
func Glob(ctx context.Context, pattern string, objects *s3.Client) ([]string, error) {
	return newPlaces(objects).of(pattern).glob(ctx, pattern)
}

// Look says, for a pattern, how many files there are and when the newest was changed, and tries to read them; of objects only the newest. No file is an
// error. It keeps nothing of what it reads.
func Look(ctx context.Context, pattern string, objects *s3.Client) (files int, changed time.Time, err error) {
	from := newPlaces(objects).of(pattern)
	list, newest, changed, err := newestOf(ctx, from, pattern)
	if err != nil {
		return 0, time.Time{}, err
	}
	for _, path := range list {
		if path != newest && s3.IsURL(path) {
			continue // a request for each
		}
		if err := try(ctx, from, path); err != nil {
			return 0, time.Time{}, err
		}
	}
	return len(list), changed, nil
}

// newestOf is the files that a pattern names, and which was changed last, and when. No file is an error.
func newestOf(ctx context.Context, from storage, pattern string) (list []string, newest string, changed time.Time, err error) {
	if list, err = from.glob(ctx, pattern); err != nil {
		return nil, "", changed, err
	}
	if len(list) == 0 {
		return nil, "", changed, fmt.Errorf("%s: %w", pattern, fs.ErrNotExist)
	}
	newest = list[0]
	for _, path := range list {
		id, err := from.stat(ctx, path)
		if err != nil {
			return nil, "", changed, err
		}
		if t := id.modified(); t.After(changed) {
			newest, changed = path, t
		}
	}
	return list, newest, changed, nil
}

// try reads a byte.
func try(ctx context.Context, from storage, path string) error {
	f, err := from.open(ctx, path, 1)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 1), 0); err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
