// Package s3 reads and writes objects of S3-compatible storage: AWS, MinIO, R2, Ceph. Where it is and who may use it comes from the environment only,
// and no error tells it.
package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"
)

// Scheme begins the URLs of objects.
const Scheme = "s3://"

// IsURL says whether a path is one of an object, not of a file.
func IsURL(path string) bool { return strings.HasPrefix(path, Scheme) }

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$`)

// Split gives the bucket and the key of s3://bucket/key. The key may be a pattern, or empty.
func Split(path string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(path, Scheme)
	if !ok {
		return "", "", fmt.Errorf("%q does not begin with %s", path, Scheme)
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if !bucketName.MatchString(bucket) {
		// It is not quoted: whoever writes credentials into an URL finds them in no log.
		return "", "", errors.New("s3:// is not followed by the name of a bucket: write s3://bucket/prefix, and give credentials and endpoint in the environment")
	}
	return bucket, key, nil
}

// An Object is one state of an object, as the storage tells it.
type Object struct {
	Bucket, Key string
	Size        int64
	ETag        string
	Modified    time.Time // in whole seconds: not all requests tell more
}

// URL is the object's name.
func (o Object) URL() string { return Scheme + o.Bucket + "/" + o.Key }

// A Client talks to one storage. Requests that fail for reasons that pass are tried again, for some seconds.
type Client struct {
	api   minio.Core
	creds *credentials.Credentials
	aws   bool
	err   error // why the environment does not do
}

// tries is how often a request is tried, with pauses of up to a second between.
const tries = 15

// stall is how long nothing may come of an answer before the request is made anew.
const stall = 30 * time.Second

// FromEnvironment makes a client as the usual variables say: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL (unset: AWS itself), AWS_REGION or AWS_DEFAULT_REGION;
// credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else the shared credentials file, else a web identity, the container's or
// the instance's role. It makes no request; what is wrong is the error of every use.
func FromEnvironment() *Client {
	c := &Client{}
	c.err = c.configure()
	return c
}

func (c *Client) configure() error {
	region := first("AWS_REGION", "AWS_DEFAULT_REGION")
	host, secure := "s3.amazonaws.com", true
	lookup := minio.BucketLookupAuto
	if text := first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"); text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("object storage: AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL) is no endpoint: write it like https://s3.example.com:9000, without bucket, path and credentials")
		}
		host, secure = u.Host, u.Scheme == "https"
		lookup = minio.BucketLookupPath // names of buckets are seldom in the DNS of one's own servers
		if region == "" {
			region = "us-east-1" // what servers that have no regions take
		}
	}
	c.aws = lookup == minio.BucketLookupAuto
	if region == "" {
		return errors.New("object storage: AWS_REGION is not set: say in which region the bucket is (for another storage than AWS set AWS_ENDPOINT_URL_S3)")
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return fmt.Errorf("object storage: %w", err)
	}
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = stall
	providers := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if os.Getenv("AWS_EC2_METADATA_DISABLED") != "true" || first("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI") != "" {
		// A machine outside of a cloud has nobody to ask for a role: that must not take long to learn.
		providers = append(providers, &credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}, Region: region})
	}
	c.creds = credentials.NewChainCredentials(providers)
	api, err := minio.NewCore(host, &minio.Options{Creds: c.creds, Secure: secure, Region: region, BucketLookup: lookup, Transport: transport, MaxRetries: tries})
	if err != nil {
		return fmt.Errorf("object storage: %w", err)
	}
	c.api = *api
	return nil
}

func first(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// ready says why no request can be made.
func (c *Client) ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c == nil:
		return errors.New("object storage: nothing was set up to reach it")
	case c.err != nil:
		return c.err
	}
	// Nobody means to audit what everybody can read: without credentials a request would only be refused, and less clearly.
	if v, err := c.credentials(); err != nil || v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return errors.New("object storage: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role")
	}
	return nil
}

func (c *Client) credentials() (credentials.Value, error) {
	return c.creds.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
}

// List gives the objects whose keys begin with prefix, in the order of their keys.
func (c *Client) List(ctx context.Context, bucket, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := c.ready(ctx); err != nil {
			yield(Object{}, err)
			return
		}
		for x := range c.api.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			if x.Err != nil {
				yield(Object{}, c.explain(ctx, bucket, prefix, "s3:ListBucket", x.Err))
				return
			}
			if !yield(objectOf(bucket, x), nil) {
				return
			}
		}
	}
}

// Stat gives the present state of an object.
func (c *Client) Stat(ctx context.Context, bucket, key string) (Object, error) {
	if err := c.ready(ctx); err != nil {
		return Object{}, err
	}
	x, err := c.api.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return Object{}, c.explain(ctx, bucket, key, "s3:GetObject", err)
	}
	x.Key = key
	return objectOf(bucket, x), nil
}

func objectOf(bucket string, x minio.ObjectInfo) Object {
	return Object{Bucket: bucket, Key: x.Key, Size: x.Size, ETag: x.ETag, Modified: x.LastModified.UTC().Truncate(time.Second)}
}

// Get gives all of a small object.
func (c *Client) Get(ctx context.Context, bucket, key string, limit int64) ([]byte, error) {
	o, err := c.Stat(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	if o.Size > limit {
		return nil, &Error{o.URL(), fmt.Sprintf("it is larger than %d bytes", limit), nil}
	}
	p := make([]byte, o.Size)
	_, err = c.ReadAt(ctx, o, p, 0)
	return p, err
}

// fruitless is how many answers in a row may break off before a byte of them came.
const fruitless = 5

// ReadAt reads from an object like an io.ReaderAt. Where an answer breaks off, the rest is asked for again. If o has an ETag, another state than that one is
// not read: the error is ErrReplaced.
func (c *Client) ReadAt(ctx context.Context, o Object, p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.ready(ctx); err != nil {
		return 0, err
	}
	for try := 0; ; try++ {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		m, err := c.part(ctx, o, p[n:], off+int64(n))
		n += m
		switch {
		case n == len(p):
			return n, nil
		case err == io.EOF:
			return n, io.EOF
		case !errors.Is(err, errBroken):
			return n, err
		case m > 0:
			try = 0
		case try >= fruitless:
			return n, &Error{o.URL(), "the answer broke off again and again: see the storage and the network between; run again", fmt.Errorf("%w: %w", ErrUnreachable, err)}
		}
		pause(ctx, try)
	}
}

// errBroken is wrapped by the error of an answer that broke off.
var errBroken = errors.New("the answer broke off")

// part reads what one answer gives.
func (c *Client) part(ctx context.Context, o Object, p []byte, off int64) (n int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var opt minio.GetObjectOptions
	if o.ETag != "" {
		if err := opt.SetMatchETag(o.ETag); err != nil {
			return 0, err
		}
	}
	if err := opt.SetRange(off, off+int64(len(p))-1); err != nil {
		return 0, err
	}
	body, _, header, err := c.api.GetObject(ctx, o.Bucket, o.Key, opt)
	if err != nil {
		if minio.ToErrorResponse(err).Code == minio.InvalidRange {
			return 0, io.EOF
		}
		return 0, c.explain(ctx, o.Bucket, o.Key, "s3:GetObject", err)
	}
	defer body.Close()
	total, err := rangeOf(header, off)
	if err != nil {
		return 0, &Error{o.URL(), err.Error(), nil}
	}
	want := min(int64(len(p)), total-off)
	idle := time.AfterFunc(stall, func() { cancel(fmt.Errorf("%w: nothing came for %s", errBroken, stall)) })
	defer idle.Stop()
	for int64(n) < want {
		m, err := body.Read(p[n:want])
		n += m
		idle.Reset(stall)
		if err != nil && int64(n) < want {
			if cause := context.Cause(ctx); cause != nil {
				return n, cause
			}
			return n, fmt.Errorf("%w (%w)", errBroken, err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// rangeOf checks that an answer begins at off, and gives the object's whole size.
func rangeOf(h http.Header, off int64) (total int64, err error) {
	span := h.Get("Content-Range")
	if span == "" && off == 0 { // all of it
		return strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	}
	var from, to int64
	if _, err := fmt.Sscanf(span, "bytes %d-%d/%d", &from, &to, &total); err != nil || from != off {
		return 0, errors.New("the storage does not answer requests for a part of an object as S3 does: see what AWS_ENDPOINT_URL_S3 names")
	}
	return total, nil
}

// Put writes an object, a large one in parts. It appears whole or not at all. With ifAbsent one that is there already stays, and the error is fs.ErrExist;
// a storage that cannot tell refuses with ErrUnsupported, or overwrites. Only small objects can be ifAbsent.
func (c *Client) Put(ctx context.Context, bucket, key string, content io.ReaderAt, size int64, ifAbsent bool) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	opt := minio.PutObjectOptions{ContentType: "application/octet-stream"}
	if ifAbsent {
		opt.SetMatchETagExcept("*")
	}
	if size > partSize {
		return c.explain(ctx, bucket, key, "s3:PutObject", c.putParts(ctx, bucket, key, content, size, opt))
	}
	return c.explain(ctx, bucket, key, "s3:PutObject", upload(ctx, io.NewSectionReader(content, 0, size), func(r io.Reader, md5 string) error {
		_, err := c.api.PutObject(ctx, bucket, key, r, size, md5, "", opt)
		return err
	}))
}

const (
	partSize  = 16 << 20
	maxParts  = 10_000
	partsOnce = 4 // under way at once
)

func (c *Client) putParts(ctx context.Context, bucket, key string, content io.ReaderAt, size int64, opt minio.PutObjectOptions) (err error) {
	id, err := c.api.NewMultipartUpload(ctx, bucket, key, opt)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // also where ctx has ended; what stays all the same, AbortUploads drops
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = c.api.AbortMultipartUpload(ctx, bucket, key, id)
		}
	}()
	step := max(partSize, (size+maxParts-1)/maxParts)
	parts := make([]minio.CompletePart, (size+step-1)/step)
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(partsOnce)
	for i := range parts {
		group.Go(func() error {
			length := min(step, size-int64(i)*step)
			return upload(all, io.NewSectionReader(content, int64(i)*step, length), func(r io.Reader, md5 string) error {
				p, err := c.api.PutObjectPart(all, bucket, key, id, i+1, r, length, minio.PutObjectPartOptions{Md5Base64: md5})
				parts[i] = minio.CompletePart{PartNumber: i + 1, ETag: p.ETag}
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	_, err = c.api.CompleteMultipartUpload(ctx, bucket, key, id, parts, minio.PutObjectOptions{})
	if minio.ToErrorResponse(err).Code == "NoSuchUpload" { // it was completed, and the answer lost?
		if o, serr := c.api.StatObject(ctx, bucket, key, minio.StatObjectOptions{}); serr == nil && o.Size == size {
			return nil
		}
	}
	return err
}

// upload has content sent until it arrives as it is, for some seconds. The client's own tries would not do: where an answer comes before all was sent, it
// reads what it sends next from the reader that its connection may still be reading from.
func upload(ctx context.Context, content *io.SectionReader, send func(r io.Reader, md5 string) error) error {
	sum := md5.New() // what every storage checks
	if _, err := io.Copy(sum, content); err != nil {
		return err
	}
	for try := 1; ; try++ {
		own := struct{ io.Reader }{io.NewSectionReader(content, 0, content.Size())} // no Seeker: the client sends it once
		err := send(own, base64.StdEncoding.EncodeToString(sum.Sum(nil)))
		if err == nil || try == tries || !passes(err) || ctx.Err() != nil {
			return err
		}
		pause(ctx, try)
	}
}

// pause waits before the next try.
func pause(ctx context.Context, try int) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(min(100*time.Millisecond<<try, time.Second))):
	}
}

// PutBytes is Put of a small object.
func (c *Client) PutBytes(ctx context.Context, bucket, key string, p []byte, ifAbsent bool) error {
	return c.Put(ctx, bucket, key, bytes.NewReader(p), int64(len(p)), ifAbsent)
}

// PutOnce makes an object unless it is there; a storage that cannot make sure of that writes it again.
func (c *Client) PutOnce(ctx context.Context, bucket, key string, body []byte) error {
	err := c.PutBytes(ctx, bucket, key, body, true)
	if errors.Is(err, ErrUnsupported) {
		err = c.PutBytes(ctx, bucket, key, body, false)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Claim writes a small object, whose content it asks for, unless it is there; and gives what is there then: of two that claim one object, both get what one
// of them wrote. A storage that cannot tell overwrites: then whoever writes last wins, and reads what it wrote.
func (c *Client) Claim(ctx context.Context, bucket, key string, limit int64, fresh func() ([]byte, error)) ([]byte, error) {
	var mine []byte
	for try := 0; ; try++ {
		there, err := c.Get(ctx, bucket, key, limit)
		if !errors.Is(err, fs.ErrNotExist) {
			return there, err
		}
		// Whoever comes second may be refused a moment before the object can be read: not all storages are as strict as AWS.
		if try == fruitless {
			return nil, err
		}
		if try > 0 {
			pause(ctx, try)
		}
		if mine == nil {
			if mine, err = fresh(); err != nil {
				return nil, err
			}
		}
		if err := c.PutOnce(ctx, bucket, key, mine); err != nil {
			return nil, err
		}
	}
}

// Remove removes an object. One that is not there is no error.
func (c *Client) Remove(ctx context.Context, bucket, key string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	if err := c.api.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}); err != nil {
		if err = c.explain(ctx, bucket, key, "s3:DeleteObject", err); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// AllowsUploads says whether the uploads under a prefix that were not finished may be listed, as AbortUploads does.
func (c *Client) AllowsUploads(ctx context.Context, bucket, prefix string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	_, err := c.api.ListMultipartUploads(ctx, bucket, prefix, "", "", "", 1)
	return c.explain(ctx, bucket, prefix, "s3:ListBucketMultipartUploads", err)
}

// AbortUploads drops the parts of those uploads under a prefix that were not finished and are mine, by their key. They are seen nowhere, but take space.
func (c *Client) AbortUploads(ctx context.Context, bucket, prefix string, mine func(key string) bool) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	for key, upload := "", ""; ; {
		list, err := c.api.ListMultipartUploads(ctx, bucket, prefix, key, upload, "", 1000)
		if err != nil {
			return c.explain(ctx, bucket, prefix, "s3:ListBucketMultipartUploads", err)
		}
		for _, u := range list.Uploads {
			if !mine(u.Key) {
				continue
			}
			if err := c.api.AbortMultipartUpload(ctx, bucket, u.Key, u.UploadID); err != nil {
				if err = c.explain(ctx, bucket, u.Key, "s3:AbortMultipartUpload", err); !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		if !list.IsTruncated || list.NextKeyMarker == key && list.NextUploadIDMarker == upload {
			return nil
		}
		key, upload = list.NextKeyMarker, list.NextUploadIDMarker
	}
}
