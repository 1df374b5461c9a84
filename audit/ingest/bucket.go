package ingest

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/mailreeve/mailreeve/internal/s3"
)

// bucket is the storage of paths that begin with s3://.
type bucket struct {
	client *s3.Client
	listed map[string]s3.Object // by path, as glob found them: a request for each would take longer than to read a few
}

func (b *bucket) glob(ctx context.Context, pattern string) ([]string, error) {
	name, key, err := s3.Split(pattern)
	if err != nil {
		return nil, err
	}
	if _, err := path.Match(key, ""); err != nil {
		return nil, fmt.Errorf("%s: %w (see the pattern's brackets and backslashes)", pattern, err)
	}
	fixed := key
	if i := strings.IndexAny(key, `*?[\`); i >= 0 {
		fixed = key[:i]
	}
	var found []string
	for o, err := range b.client.List(ctx, name, fixed) {
		if err != nil {
			return nil, err
		}
		if ok, _ := path.Match(key, o.Key); !ok && o.Key != key || strings.HasSuffix(o.Key, "/") { // a folder, as some tools make them
			continue
		}
		b.listed[o.URL()] = o
		if o.Key == key {
			return []string{o.URL()}, nil
		}
		found = append(found, o.URL())
	}
	return found, nil
}

func (b *bucket) stat(ctx context.Context, path string) (identity, error) {
	if o, ok := b.listed[path]; ok {
		return identifyObject(o), nil
	}
	o, err := b.now(ctx, path)
	return identifyObject(o), err
}

func (b *bucket) now(ctx context.Context, path string) (s3.Object, error) {
	name, key, err := s3.Split(path)
	if err != nil {
		return s3.Object{}, err
	}
	return b.client.Stat(ctx, name, key)
}

func (b *bucket) open(ctx context.Context, path string, readers int) (content, error) {
	o, err := b.now(ctx, path)
	if err != nil {
		return nil, err
	}
	return bucketObject{b.client.Open(ctx, o, readers), o}, nil
}

func (b *bucket) beside(ctx context.Context, manifest, name string) (content, error) {
	bucket, key, err := s3.Split(manifest)
	if err != nil {
		return nil, err
	}
	o, err := b.client.Stat(ctx, bucket, path.Join(path.Dir(key), name)) // names that lead out of the folder were refused with their line
	if err != nil {
		return nil, s3.WithoutURL(err)
	}
	return bucketObject{b.client.Open(ctx, o, 1), o}, nil
}

// bucketObject is a content in object storage.
type bucketObject struct {
	*s3.Reader
	state s3.Object
}

func (o bucketObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Reader.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = s3.WithoutURL(err)
	}
	return n, err
}

func (o bucketObject) identify() (identity, error) { return identifyObject(o.state), nil }

// identifyObject tells one state of an object from another. None is racy: an object that was written twice in a second has another ETag, or the same content.
func identifyObject(o s3.Object) identity {
	return identity{Size: o.Size, Modified: o.Modified.UnixNano(), Inode: xxhash.Sum64String(o.ETag)}
}
