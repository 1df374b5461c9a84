package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/s3"
	"github.com/mailreeve/mailreeve/internal/s3test"
)

func noise(n int) []byte {
	p := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{7})
	_, _ = rng.Read(p) // never fails
	return p
}

// clean fails where an error holds a secret.
func clean(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, secret := range []string{s3test.AccessKey, s3test.SecretKey} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}

func TestObjects(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	c, ctx, bucket := s3.FromEnvironment(), t.Context(), server.Bucket(t)

	large := noise(40<<20 + 123) // goes up in parts
	if err := c.Put(ctx, bucket, "a/large", bytes.NewReader(large), int64(len(large)), false); err != nil {
		t.Fatal(err)
	}
	if err := c.PutBytes(ctx, bucket, "a/once", []byte("one"), true); err != nil {
		t.Fatal(err)
	}
	if err := c.PutBytes(ctx, bucket, "a/once", []byte("two"), true); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("put again: %v", err)
	}
	if p, err := c.Get(ctx, bucket, "a/once", 100); err != nil || string(p) != "one" {
		t.Fatalf("%q %v", p, err)
	}
	if err := c.PutBytes(ctx, bucket, "a/empty", nil, false); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for o, err := range c.List(ctx, bucket, "a/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
		if now, err := c.Stat(ctx, bucket, o.Key); err != nil || now != o {
			t.Errorf("a list says %+v, a request for it %+v (%v)", o, now, err)
		}
	}
	if want := []string{"a/empty", "a/large", "a/once"}; !slices.Equal(keys, want) {
		t.Fatalf("%v", keys)
	}
	if p, err := c.Get(ctx, bucket, "a/empty", 100); err != nil || len(p) != 0 {
		t.Fatalf("%q %v", p, err)
	}

	o, err := c.Stat(ctx, bucket, "a/large")
	if err != nil {
		t.Fatal(err)
	}
	r := c.Open(ctx, o, 3)
	defer r.Close()
	var group sync.WaitGroup
	for w := range 3 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range 200 {
				off := rng.IntN(len(large))
				p := make([]byte, rng.IntN(3<<20))
				n, err := r.ReadAt(p, int64(off))
				if want := large[off:min(off+len(p), len(large))]; !bytes.Equal(p[:n], want) || (n < len(p)) != (err == io.EOF) {
					t.Errorf("%d bytes at %d: got %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	group.Wait()

	if err := c.Remove(ctx, bucket, "a/once"); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(ctx, bucket, "a/once"); err != nil {
		t.Fatalf("what is gone: %v", err)
	}
	if err := c.AbortUploads(ctx, bucket, "a/", func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
}

// What goes wrong on the way and passes is not noticed; an object is downloaded once, not anew after each break.
func TestFaultsThatPass(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	c, ctx, bucket := s3.FromEnvironment(), t.Context(), server.Bucket(t)
	content := noise(20 << 20)

	var n atomic.Int64
	proxy.Break(func(r *http.Request) s3test.Fault {
		switch n.Add(1) % 5 {
		case 1:
			return s3test.Fault{Status: 503, Code: "SlowDown"}
		case 2:
			return s3test.Fault{Status: 500, Code: "InternalError"}
		case 3:
			return s3test.Fault{Drop: true}
		case 4:
			return s3test.Fault{Cut: 3<<20 + 17}
		}
		return s3test.Fault{}
	})
	if err := c.Put(ctx, bucket, "x", bytes.NewReader(content), int64(len(content)), false); err != nil {
		t.Fatal(err)
	}
	if got := server.Get(t, bucket, "x"); !bytes.Equal(got, content) {
		t.Fatal("what was written is not what is there")
	}
	o, err := c.Stat(ctx, bucket, "x")
	if err != nil {
		t.Fatal(err)
	}
	proxy.Asked()
	r := c.Open(ctx, o, 1)
	defer r.Close()
	got := make([]byte, len(content))
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("read back: %v", err)
	}
	if _, bytes := proxy.Asked(); bytes > int64(len(content))+4<<20 { // a few KB of errors, and what was in a socket when it broke
		t.Errorf("%d bytes came for an object of %d", bytes, len(content))
	}
}

// What does not pass is told, with what to do and without secrets.
func TestFaultsThatStay(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	c, ctx, bucket := s3.FromEnvironment(), t.Context(), server.Bucket(t)
	server.Put(t, bucket, "x", noise(1<<20))
	o, err := c.Stat(ctx, bucket, "x")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, o.Size)
	list := func(c *s3.Client, bucket string) error {
		for _, err := range c.List(ctx, bucket, "") {
			return err
		}
		return nil
	}
	check := func(name string, err error, want ...string) {
		t.Helper()
		clean(t, err)
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q is not in: %v", name, w, err)
			}
		}
	}
	check("no bucket", list(c, "not-there"), "s3://not-there/", "no such bucket")
	_, err = c.Stat(ctx, bucket, "y")
	check("no object", err, "s3://"+bucket+"/y", "no such object")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for _, f := range []struct {
		status     int
		code, says string
	}{{403, "AccessDenied", "allow s3:GetObject"}, {503, "SlowDown", "fewer requests"}, {403, "RequestTimeTooSkewed", "clock"}} {
		proxy.Break(func(*http.Request) s3test.Fault { return s3test.Fault{Status: f.status, Code: f.code} })
		_, err := c.ReadAt(ctx, o, p, 0)
		check(f.code, err, f.says, f.code, o.URL())
	}
	proxy.Break(func(r *http.Request) s3test.Fault { return s3test.Fault{Cut: 1} })
	if _, err := c.ReadAt(ctx, o, p[:3], 0); err != nil {
		t.Errorf("a byte at a time: %v", err)
	}
	proxy.Break(nil)

	server.Put(t, bucket, "x", noise(2<<20))
	_, err = c.ReadAt(ctx, o, p, 0)
	check("replaced", err, "was replaced")
	if !errors.Is(err, s3.ErrReplaced) {
		t.Errorf("%v", err)
	}

	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	check("another secret", list(s3.FromEnvironment(), bucket), "not accepted", "AWS_SECRET_ACCESS_KEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	check("no secret", list(s3.FromEnvironment(), bucket), "no credentials")
	s3test.Use(t, server.Address)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://"+s3test.AccessKey+":"+s3test.SecretKey+"@"+server.Address)
	check("credentials in the endpoint", list(s3.FromEnvironment(), bucket), "no endpoint")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_REGION", "")
	check("no region", list(s3.FromEnvironment(), bucket), "AWS_REGION")
	s3test.Use(t, server.Address)
	server.Kill()
	began := time.Now()
	check("nobody there", list(s3.FromEnvironment(), bucket), "cannot be reached", "AWS_ENDPOINT_URL_S3")
	t.Logf("that nobody is there was clear after %s", time.Since(began))
}

// Whatever it is doing, a client stops at once when it shall.
func TestStopsAtOnce(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	c, bucket := s3.FromEnvironment(), server.Bucket(t)
	server.Put(t, bucket, "x", noise(1<<20))
	o, err := c.Stat(t.Context(), bucket, "x")
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]func(context.Context) error{
		"read": func(ctx context.Context) error { _, err := c.ReadAt(ctx, o, make([]byte, 100), 0); return err },
		"open": func(ctx context.Context) error { _, err := c.Open(ctx, o, 1).ReadAt(make([]byte, 100), 0); return err },
		"list": func(ctx context.Context) error {
			for _, err := range c.List(ctx, bucket, "") {
				return err
			}
			return nil
		},
		"put": func(ctx context.Context) error {
			p := noise(1 << 20)
			return c.Put(ctx, bucket, "y", bytes.NewReader(p), int64(len(p)), false)
		},
	}
	for name, f := range map[string]s3test.Fault{"a silent server": {Delay: 3 * time.Second}, "a failing server": {Status: 503, Code: "SlowDown"}} {
		for use, do := range uses {
			t.Run(use+" at "+name, func(t *testing.T) {
				proxy.Break(func(*http.Request) s3test.Fault { return f })
				defer proxy.Break(nil)
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				began := time.Now()
				if err := do(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

func TestSplit(t *testing.T) {
	if bucket, key, err := s3.Split("s3://my-bucket/a/b*.zst"); err != nil || bucket != "my-bucket" || key != "a/b*.zst" {
		t.Errorf("%q %q %v", bucket, key, err)
	}
	for _, bad := range []string{"s3://", "s3:///x", "s3://KEY:SECRET@bucket/x", "s3://UPPER/x", "s3://a*/x", "x"} {
		if _, _, err := s3.Split(bad); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A storage may refuse whoever comes second before the first one's object can be read, and where that first one fails, there never is one (a conflict, as AWS
// calls it). Whoever claims it tries on until there is an object: its own or the other's.
func TestClaims(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	c, ctx, bucket := s3.FromEnvironment(), t.Context(), server.Bucket(t)
	mine := func() ([]byte, error) { return []byte("mine"), nil }
	for _, x := range []struct {
		name    string
		refused s3test.Fault
		theirs  bool // the other's object appears once ours was refused twice
		want    string
	}{
		{"nobody else's", s3test.Fault{}, false, "mine"},
		{"another's, which shows late", s3test.Fault{Status: 412, Code: "PreconditionFailed"}, true, "theirs"},
		{"another's, which never shows", s3test.Fault{Status: 412, Code: "PreconditionFailed"}, false, "mine"},
		{"one in conflict", s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"}, false, "mine"},
		{"one in conflict, which the other wins", s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"}, true, "theirs"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var puts atomic.Int64
			proxy.Break(func(r *http.Request) s3test.Fault {
				if r.Method != http.MethodPut {
					return s3test.Fault{}
				}
				switch n := puts.Add(1); {
				case n == 1 || x.theirs && n == 2:
					return x.refused
				case x.theirs && n == 3:
					server.Put(t, bucket, x.name, []byte("theirs"))
				}
				return s3test.Fault{}
			})
			defer proxy.Break(nil)
			if got, err := c.Claim(ctx, bucket, x.name, 100, mine); err != nil || string(got) != x.want {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}
