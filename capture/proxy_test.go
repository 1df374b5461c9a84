package capture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// through starts a proxy and gives a client that goes through it.
func through(t *testing.T, allowPrivate bool, resolve Resolver, l Limits) (*proxy, *http.Client) {
	t.Helper()
	p, err := newProxy(t.Context(), allowPrivate, resolve, nil, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	at := &url.URL{Scheme: "http", Host: p.addr().String()}
	tr := &http.Transport{Proxy: http.ProxyURL(at), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return p, &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func resolving(names map[string]string) Resolver {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, a := range strings.Fields(names[host]) {
			all = append(all, netip.MustParseAddr(a))
		}
		if len(all) == 0 {
			return nil, errors.New("no such host")
		}
		return all, nil
	}
}

func TestTheProxyRefusesWhatIsNotPublic(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
	names := map[string]string{"inside.example": "127.0.0.1", "mixed.example": "93.184.216.34 127.0.0.1", "mapped.example": "::ffff:127.0.0.1", "metadata.example": "169.254.169.254",
		"inside.example.": "127.0.0.1"}
	p, c := through(t, false, resolving(names), DefaultLimits())
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "sub.localhost", "[::1]", "[::ffff:127.0.0.1]", "inside.example", "inside.example.", "mixed.example",
		"mapped.example", "metadata.example", "169.254.169.254", "127.1", "2130706433", "0x7f000001", "nowhere.example"} {
		for _, scheme := range []string{"http", "https"} {
			res, err := c.Get(scheme + "://" + host + ":" + port + "/")
			if err == nil {
				res.Body.Close()
				if res.StatusCode != http.StatusBadGateway {
					t.Errorf("%s://%s: status %d", scheme, host, res.StatusCode)
				}
			}
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests came through", hits.Load())
	}
	if p.refusal("Inside.example") == nil || p.refusal("nowhere.example") != nil {
		t.Error("it is not told which hosts were refused")
	}
}

func TestANameIsLookedUpOnce(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
	var asked atomic.Int32
	rebinding := func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil
	}
	_, c := through(t, true, rebinding, DefaultLimits())
	for range 3 {
		res, err := c.Get("http://name.example:" + port + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "hello" {
			t.Errorf("the body is %q", body)
		}
		c.CloseIdleConnections()
	}
	if asked.Load() != 1 {
		t.Errorf("the name was looked up %d times", asked.Load())
	}
}

func TestTheProxyStopsAtItsCap(t *testing.T) {
	const whole = 1 << 20
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for n := 0; n < whole || r.URL.Path == "/endless"; n += 1 << 16 {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	defer srv.CloseClientConnections()
	host := strings.TrimPrefix(srv.URL, "http://")
	get := func(c *http.Client, path string) (int64, error) {
		res, err := c.Get(srv.URL + path)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return io.Copy(io.Discard, res.Body)
	}
	l := DefaultLimits()
	l.Bytes = 3 * whole
	p, c := through(t, true, resolveByDNS, l)
	for range 3 {
		if n, err := get(c, "/"); n != whole || err != nil {
			t.Errorf("%d bytes of a response that has room, error %v", n, err)
		}
	}
	if notes := p.notes(); len(notes) > 0 {
		t.Errorf("nothing was cut off, and it says %q", notes)
	}
	if n, err := get(c, "/"); n > 0 && err == nil {
		t.Error("more came after all was used up")
	}
	if len(p.notes()) == 0 {
		t.Error("it is not told that the network was cut off")
	}

	_, c = through(t, true, resolveByDNS, l)
	if n, err := get(c, "/endless"); err == nil || n > l.Bytes {
		t.Errorf("%d bytes of one response, error %v", n, err)
	}

	p, _ = through(t, true, resolveByDNS, l)
	conn, err := net.Dial("tcp", p.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nGET /endless HTTP/1.1\r\nHost: %s\r\n\r\n", host, host, host)
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q %v", line, err)
	}
	if n, _ := io.Copy(io.Discard, r); n > l.Bytes {
		t.Errorf("%d bytes through a tunnel", n)
	}
	if len(p.notes()) == 0 {
		t.Error("it is not told that the network was cut off")
	}
}

func TestTheProxyServesNothingElse(t *testing.T) {
	p, c := through(t, true, resolveByDNS, DefaultLimits())
	if res, err := http.Get("http://" + p.addr().String() + "/"); err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("asked directly: %v %v", res, err)
	}
	if res, err := c.Get("http://" + p.addr().String() + "/"); err == nil {
		t.Errorf("asked for itself: %v", res)
	}
}

func TestTheProxyEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	p, err := newProxy(ctx, true, resolveByDNS, nil, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nGET / HTTP/1.1\r\nHost: %s\r\n\r\n", host, host, host)
	r := bufio.NewReader(conn)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("the connection is still there: %v", err)
	}
	p.close()
}
