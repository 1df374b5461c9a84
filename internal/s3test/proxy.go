//go:build unix

package s3test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Fault is what a Proxy does to a request; the zero value is nothing.
type Fault struct {
	Status int           // answered instead of the server's
	Code   string        // with this S3 error code
	Delay  time.Duration // before the request goes on
	Cut    int64         // the connection breaks after so many bytes of the answer's body; 0: it does not
	Drop   bool          // the connection breaks at once
}

// A Proxy stands before a Server. It counts what passes.
type Proxy struct {
	Address string

	mu     sync.Mutex
	faults func(*http.Request) Fault
	asked  []string // method and path of each request
	bytes  int64    // of answers' bodies
}

// Proxy starts a proxy, which ends with t.
func (s *Server) Proxy(t testing.TB) *Proxy {
	p := &Proxy{}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", s.Address, r.In.Host // the Host stays: it is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		ModifyResponse: func(r *http.Response) error {
			f, _ := r.Request.Context().Value(faultKey{}).(Fault)
			r.Body = &counted{ReadCloser: r.Body, proxy: p, cut: f.Cut}
			return nil
		},
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // no server, no answer
		FlushInterval: -1,                                                                              // what was cut has a beginning
		ErrorLog:      quiet(),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.URL.Path)
		var f Fault
		if p.faults != nil {
			f = p.faults(r)
		}
		p.mu.Unlock()
		time.Sleep(f.Delay)
		switch {
		case f.Drop:
			panic(http.ErrAbortHandler)
		case f.Status != 0:
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(f.Status)
			fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>the key %s was seen</Message></Error>`, f.Code, AccessKey)
			return
		}
		pass.ServeHTTP(w, r.WithContext(withFault(r.Context(), f)))
	}))
	server.Config.ErrorLog = quiet()
	server.Start()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.Address = u.Host
	return p
}

// Break sets what becomes of requests; nil: they pass. It is called for one request at a time.
func (p *Proxy) Break(faults func(*http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = faults
}

// Asked gives the requests, and the bytes answered, since it was last called.
func (p *Proxy) Asked() (requests []string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests, bytes = p.asked, p.bytes
	p.asked, p.bytes = nil, 0
	return requests, bytes
}

// Reads counts those of requests that read objects.
func Reads(requests []string) (n int) {
	for _, r := range requests {
		if path, ok := strings.CutPrefix(r, "GET /"); ok && strings.Contains(strings.TrimSuffix(path, "/"), "/") {
			n++
		}
	}
	return n
}

type counted struct {
	io.ReadCloser
	proxy *Proxy
	cut   int64
	n     int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.cut > 0 {
		if c.n >= c.cut {
			return 0, io.ErrUnexpectedEOF
		}
		p = p[:min(int64(len(p)), c.cut-c.n)]
	}
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	c.proxy.mu.Lock()
	c.proxy.bytes += int64(n)
	c.proxy.mu.Unlock()
	return n, err
}

type faultKey struct{}

func withFault(ctx context.Context, f Fault) context.Context {
	return context.WithValue(ctx, faultKey{}, f)
}

// quiet is a log of what tests break on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
