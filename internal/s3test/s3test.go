//go:build unix

// Package s3test gives tests an S3 server of their own: versitygw over a temporary folder, built once from its module, in the version that
// versitygw/go.mod names. A Proxy before it makes the faults that a network and a busy storage have.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/mailreeve/mailreeve/internal/child"
	"github.com/mailreeve/mailreeve/internal/tool"
)

// The credentials of every server here. No output may hold them.
const (
	AccessKey = "AKIATESTKEYOFNOBODY0"
	SecretKey = "the/secret+of/nobody/at+all/0123456789ab"
)

// A Server is an S3 server for tests.
type Server struct {
	Address string // host:port
	dir     string
	binary  string
	process *exec.Cmd
	buckets atomic.Int64
}

// Start starts a server, which ends with t. Where it cannot be built, t is skipped, but fails when CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	binary, err := tool.Build("internal/s3test/versitygw", "github.com/versity/versitygw", "cmd/versitygw")
	if err != nil {
		if os.Getenv("CI") != "true" {
			t.Skipf("no S3 server to test with: versitygw cannot be built: %v", err)
		}
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that nobody listens on
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: l.Addr().String(), dir: t.TempDir(), binary: binary}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	t.Cleanup(s.Kill)
	return s
}

// Restart starts the server anew, with what it held.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	data, meta := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "meta")
	for _, dir := range []string{data, meta} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.process = exec.Command(s.binary, "--port", s.Address, "--quiet", "posix", "--sidecar", meta, data)
	s.process.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	s.process.SysProcAttr = &syscall.SysProcAttr{}
	child.DieWithParent(s.process.SysProcAttr, syscall.SIGKILL)
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if res, err := http.Get("http://" + s.Address); err == nil {
			_ = res.Body.Close() // it answers: that is all
			return
		}
		if time.Now().After(end) {
			t.Fatal("the S3 server does not answer")
		}
	}
}

// Kill ends the server at once, whatever it is doing.
func (s *Server) Kill() {
	_ = s.process.Process.Kill() // it may be dead already
	_ = s.process.Wait()
}

// Use points the environment of t at the server, or at a proxy before it.
func Use(t testing.TB, address string) {
	t.Helper()
	for name, value := range Environment(address) {
		t.Setenv(name, value)
	}
}

// Environment is what Use sets.
func Environment(address string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL_S3": "http://" + address, "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"AWS_REGION": "", "AWS_SESSION_TOKEN": "", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
}

func (s *Server) client(t testing.TB) *minio.Client {
	t.Helper()
	c, err := minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Bucket makes a bucket and gives its name.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", s.buckets.Add(1))
	if err := s.client(t).MakeBucket(context.Background(), name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return name
}

// Put writes an object, past all proxies.
func (s *Server) Put(t testing.TB, bucket, key string, content []byte) {
	t.Helper()
	if _, err := s.client(t).PutObject(context.Background(), bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

// PutFolder writes the files of a folder under a prefix.
func (s *Server) PutFolder(t testing.TB, bucket, prefix, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			s.Put(t, bucket, prefix+filepath.ToSlash(strings.TrimPrefix(path, dir)), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Get reads an object.
func (s *Server) Get(t testing.TB, bucket, key string) []byte {
	t.Helper()
	o, err := s.client(t).GetObject(context.Background(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	p, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Keys lists the objects of a bucket.
func (s *Server) Keys(t testing.TB, bucket string) []string {
	t.Helper()
	var keys []string
	for o := range s.client(t).ListObjectsIter(context.Background(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// Remove removes an object.
func (s *Server) Remove(t testing.TB, bucket, key string) {
	t.Helper()
	if err := s.client(t).RemoveObject(context.Background(), bucket, key, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}
