package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/internal/outbound"
)

// A Resolver gives the addresses of a name.
type Resolver func(ctx context.Context, host string) ([]netip.Addr, error)

// A dialer connects with an address.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// resolveByDNS asks the machine's resolver.
func resolveByDNS(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// A proxy is the only way out of the browser: a forward proxy for HTTP and, by CONNECT, for all else. It asks for the addresses of a name once, refuses
// names and addresses that are not public, and dials the very addresses that it judged, so that a name which changes its mind gains nothing.
type proxy struct {
	allowPrivate bool
	resolve      Resolver
	dial         dialer
	limits       Limits

	ctx       context.Context
	listener  net.Listener
	server    *http.Server
	transport *http.Transport
	busy      chan struct{} // one token a connection or request under way
	bytes     atomic.Int64  // that came from servers and went to them

	mu      sync.Mutex
	names   map[string]*name
	refused map[string]error // by host: what was not dialed, and why
	full    bool             // the page's bytes are used up
}

// A name is a host and where it leads; it is looked up once.
type name struct {
	once  sync.Once
	addrs []netip.Addr
	err   error
}

// errFull ends a connection when the page has used up its bytes.
var errFull = errors.New("the page has used up its bytes")

// dialTimeout is for each address of a host.
const dialTimeout = 10 * time.Second

// newProxy listens until ctx is done or it is closed.
func newProxy(ctx context.Context, allowPrivate bool, resolve Resolver, dial dialer, limits Limits) (*proxy, error) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	p := &proxy{allowPrivate: allowPrivate, resolve: resolve, dial: dial, limits: limits, ctx: ctx, busy: make(chan struct{}, limits.Connections),
		names: map[string]*name{}, refused: map[string]error{}}
	p.transport = &http.Transport{DialContext: p.dialContext, DisableCompression: true, ResponseHeaderTimeout: limits.Page,
		MaxIdleConnsPerHost: 6, IdleConnTimeout: 30 * time.Second}
	var err error
	if p.listener, err = listenSomewhere(ctx); err != nil {
		return nil, fmt.Errorf("the proxy between browser and network: %w", err)
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: log.New(io.Discard, "", 0)} // what browsers do to a connection is no news
	go func() { _ = p.server.Serve(p.listener) }() // ends when it is closed
	return p, nil
}

// listenSomewhere listens at a loopback address that a page cannot guess; where a system has but one, at that.
func listenSomewhere(ctx context.Context) (net.Listener, error) {
	var c net.ListenConfig
	n := rand.Uint32()
	somewhere := netip.AddrFrom4([4]byte{127, byte(n>>16) | 1, byte(n >> 8), byte(n)%253 + 1})
	if l, err := c.Listen(ctx, "tcp", netip.AddrPortFrom(somewhere, 0).String()); err == nil {
		return l, nil
	}
	return c.Listen(ctx, "tcp", "127.0.0.1:0")
}

// addr is where the proxy listens.
func (p *proxy) addr() netip.AddrPort { return p.listener.Addr().(*net.TCPAddr).AddrPort() }

// close ends every connection.
func (p *proxy) close() {
	_ = p.server.Close() // whatever it says, nobody listens any more
	p.transport.CloseIdleConnections()
}

// refusal is why a host was refused; nil where it was not.
func (p *proxy) refusal(host string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[strings.ToLower(host)]
}

// refusedAny says whether any host was refused.
func (p *proxy) refusedAny() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.refused) > 0
}

// notes says what was kept from the page, without anything that the page could choose.
func (p *proxy) notes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var notes []string
	if n := len(p.refused); n > 0 {
		notes = append(notes, fmt.Sprintf("hosts refused that are not public: %d", n))
	}
	if p.full {
		notes = append(notes, fmt.Sprintf("the network was cut off after %d bytes", p.limits.Bytes))
	}
	return notes
}

// ServeHTTP serves the browser.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	default:
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	switch {
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	case r.URL.Scheme == "http" && r.URL.Host != "":
		p.forward(w, r)
	default:
		http.Error(w, "this is a proxy", http.StatusBadRequest)
	}
}

// hopByHop are the headers that are between two ends of a connection.
var hopByHop = [...]string{"Connection", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func dropHopByHop(h http.Header) {
	for _, list := range h.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// forward sends a plain HTTP request on.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	dropHopByHop(out.Header)
	if r.Body != nil {
		out.Body = struct {
			io.Reader
			io.Closer
		}{counted{r.Body, p}, r.Body}
	}
	res, err := p.transport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // a page that says so would be taken for the one that was asked for
	}
	defer res.Body.Close()
	dropHopByHop(res.Header)
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	flush := http.NewResponseController(w)
	body := counted{res.Body, p}
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			if err := flush.Flush(); err != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the browser shall see that the response is not whole
		}
	}
}

// tunnel connects the browser with a server.
func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	server, err := p.dialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, "this host cannot be reached", http.StatusBadGateway)
		return
	}
	defer server.Close()
	browser, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer browser.Close()
	defer context.AfterFunc(p.ctx, func() { server.Close(); browser.Close() })()
	if _, err := io.WriteString(browser, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var wg sync.WaitGroup
	pipe := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, counted{from, p}) // either end may go at any time
		server.Close()
		browser.Close()
	}
	wg.Go(func() { pipe(server, buffered) })
	pipe(browser, server)
	wg.Wait()
}

// counted reads until the page's bytes are used up.
type counted struct {
	r     io.Reader
	proxy *proxy
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.proxy.bytes.Add(int64(n)) > c.proxy.limits.Bytes {
		c.proxy.mu.Lock()
		c.proxy.full = true
		c.proxy.mu.Unlock()
		return 0, errFull
	}
	return n, err
}

// dialContext dials a host's address that may be dialed.
func (p *proxy) dialContext(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	addrs, err := p.lookUp(ctx, host)
	if err != nil {
		if errors.Is(err, outbound.ErrPrivate) {
			p.mu.Lock()
			if len(p.refused) < 10_000 { // a page may try any number
				p.refused[strings.ToLower(host)] = err
			}
			p.mu.Unlock()
		}
		return nil, err
	}
	if p.bytes.Load() > p.limits.Bytes {
		return nil, errFull
	}
	err = errors.New("it has no address")
	for _, a := range addrs {
		at := net.JoinHostPort(a.String(), port)
		if at == p.addr().String() {
			return nil, outbound.ErrPrivate // itself
		}
		var c net.Conn
		if c, err = p.dial(ctx, network, at); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", address.Redact(host), err)
}

// lookUp gives the addresses of a host, all of which may be dialed.
func (p *proxy) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !p.allowPrivate && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
		return nil, outbound.ErrPrivate
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if !p.allowPrivate && !outbound.Public(a) {
			return nil, outbound.ErrPrivate
		}
		return []netip.Addr{a}, nil
	}
	p.mu.Lock()
	n := p.names[host]
	if n == nil {
		n = &name{}
		p.names[host] = n
	}
	p.mu.Unlock()
	n.once.Do(func() {
		ctx, cancel := context.WithTimeout(p.ctx, dialTimeout) // not the first request's: others wait for it
		defer cancel()
		if n.addrs, n.err = p.resolve(ctx, host); n.err != nil || p.allowPrivate {
			return
		}
		for _, a := range n.addrs {
			if !outbound.Public(a) {
				n.err = outbound.ErrPrivate
			}
		}
	})
	return n.addrs, n.err
}
