package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/mailreeve/mailreeve/internal/s3"
)

// bucket is a storage in object storage: each file an object under a prefix.
type bucket struct {
	ctx    context.Context // of all requests, as the methods of an archive take none: when it ends, so do they
	client *s3.Client
	name   string
	prefix string // empty, or ends with a slash
	cache  *cache
}

func openBucket(ctx context.Context, client *s3.Client, url string) (*bucket, error) {
	name, prefix, err := splitBucket(url)
	if err != nil {
		return nil, err
	}
	b := &bucket{ctx: ctx, client: client, name: name, prefix: prefix}
	file, err := temporary()
	if err != nil {
		return nil, err
	}
	b.cache = newCache(file, func(name string, p []byte, off int64) (int, error) {
		return client.ReadAt(b.ctx, s3.Object{Bucket: b.name, Key: b.key(name)}, p, off)
	})
	return b, nil
}

// temporary is a file without a name: however this process ends, its space is free again.
func temporary() (*os.File, error) {
	f, err := nameless(os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("%w (set TMPDIR to a folder that can be written and has room for what a night adds to the archive)", err)
	}
	return f, nil
}

// unlinked is a file in dir whose name is removed at once.
func unlinked(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "mailreeve-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (b *bucket) String() string { return strings.TrimSuffix(s3.Scheme+b.name+"/"+b.prefix, "/") }

func (b *bucket) key(name string) string { return b.prefix + name }

func (b *bucket) create(name string) (newFile, error) {
	f, err := temporary()
	if err != nil {
		return nil, err
	}
	b.cache.drop(name)
	return &bucketFile{bucket: b, name: name, local: f}, nil
}

func (b *bucket) open(name string) (file, error) { return object{b, name}, nil }

func (b *bucket) list() ([]string, error) {
	var names []string
	for o, err := range b.client.List(b.ctx, b.name, b.prefix) {
		if err != nil {
			return nil, err
		}
		if name := strings.TrimPrefix(o.Key, b.prefix); !strings.Contains(name, "/") { // what lies deeper is not the archive's
			names = append(names, name)
		}
	}
	return names, nil
}

func (b *bucket) size(name string) (int64, error) {
	o, err := b.client.Stat(b.ctx, b.name, b.key(name))
	return o.Size, err
}

func (b *bucket) remove(name string) error {
	b.cache.drop(name)
	return b.client.Remove(b.ctx, b.name, b.key(name))
}

// maxClaim is how large a file may be that claim reads.
const maxClaim = 1 << 20

func (b *bucket) claim(name string, fresh func() ([]byte, error)) ([]byte, error) {
	return b.client.Claim(b.ctx, b.name, b.key(name), maxClaim, fresh)
}

func (b *bucket) clean() error {
	err := b.client.AbortUploads(b.ctx, b.name, b.prefix, func(key string) bool { return isSegment(strings.TrimPrefix(key, b.prefix)) })
	if errors.Is(err, s3.ErrUnsupported) {
		return nil
	}
	return err
}

func (b *bucket) close() error { return b.cache.close() }

// object is a published file.
type object struct {
	bucket *bucket
	name   string
}

func (o object) ReadAt(p []byte, off int64) (int, error) {
	return o.bucket.cache.readAt(o.name, p, off)
}

func (object) Close() error { return nil }

// bucketFile is a file under way: in a local one until it is published, and an object from then on.
type bucketFile struct {
	bucket *bucket
	name   string

	mu    sync.RWMutex
	local *os.File // nil: it is published, or closed
	size  int64
}

func (p *bucketFile) WriteAt(b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.local == nil {
		return 0, fs.ErrClosed
	}
	n, err := p.local.WriteAt(b, off)
	p.size = max(p.size, off+int64(n))
	return n, err
}

func (p *bucketFile) ReadAt(b []byte, off int64) (int, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.local == nil {
		return object{p.bucket, p.name}.ReadAt(b, off)
	}
	return p.local.ReadAt(b, off)
}

// settle has nothing to begin with: an object comes whole.
func (p *bucketFile) settle(int64) {}

func (p *bucketFile) publish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.local == nil {
		return fs.ErrClosed
	}
	b := p.bucket
	if err := b.client.Put(b.ctx, b.name, b.key(p.name), p.local, p.size, false); err != nil {
		return err
	}
	return p.drop()
}

// drop frees the local file.
func (p *bucketFile) drop() error {
	if p.local == nil {
		return nil
	}
	err := p.local.Close()
	p.local = nil
	return err
}

func (p *bucketFile) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drop()
}

func (p *bucketFile) published() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.local == nil
}

func (p *bucketFile) remove() {
	if !p.published() {
		_ = p.Close() // it has no name
	} else {
		_ = p.bucket.remove(p.name) // what is left, the next Sweep removes
	}
}

// LookInBucket says what is wrong with the archive at s3://bucket/prefix, for the store of that id, which names segments and up to which byte of each its
// packs lie; and whether it can be written, for which it writes and removes one small object. An archive that is not there yet is in order while the store
// names no segment; one that is there while the store is not (its id is empty) is not.
func LookInBucket(ctx context.Context, client *s3.Client, url, store string, segments map[string]int64) error {
	name, prefix, err := splitBucket(url)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	sizes := map[string]int64{}
	for o, err := range client.List(ctx, name, prefix) {
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		sizes[strings.TrimPrefix(o.Key, prefix)] = o.Size
	}
	var id []byte
	if _, ok := sizes[idFile]; ok {
		if id, err = client.Get(ctx, name, prefix+idFile, maxClaim); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	if err := look(url, id, store, sizes, segments); err != nil {
		return err
	}
	const probe = "mailreeve.probe"
	if err = client.PutBytes(ctx, name, prefix+probe, nil, false); err == nil {
		err = client.Remove(ctx, name, prefix+probe)
	}
	if err == nil {
		if err = client.AllowsUploads(ctx, name, prefix); errors.Is(err, s3.ErrUnsupported) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

func splitBucket(url string) (name, prefix string, err error) {
	name, prefix, err = s3.Split(url)
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return name, prefix, err
}
