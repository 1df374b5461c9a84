package unreliable

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// Listener accepts connections for an SMTP server, of which some meet a fault. Before a message is taken: the connection closes at once or after the server has said
// 421, it is reset, or cut off when the message has come but for the last of its final dot. After the server was given the whole message: its answer is replaced by
// 451, or never comes, as the connection closes or is reset. Answers may be slow. rate is the chance of each, from 0 to 1; at 0.3 every fourth message
// gets to the server, and the answer to every third of these comes.
//
// It has to see what is said: what comes after STARTTLS meets no fault.
func Listener(l net.Listener, seed uint64, rate float64) net.Listener {
	return &listener{Listener: l, seed: seed, rate: rate}
}

type listener struct {
	net.Listener
	seed  uint64
	rate  float64
	conns atomic.Uint64
}

// Accept is net.Listener's.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		f := faults{rand.New(rand.NewPCG(l.seed, l.conns.Add(1))), l.rate}
		f.delay()
		switch {
		case f.hit():
			_ = c.Close()
		case f.hit():
			reset(c)
		case f.hit():
			_, _ = io.WriteString(c, "421 4.3.2 too busy, come again later\r\n")
			_ = c.Close()
		default:
			return &conn{Conn: c, faults: f}, nil
		}
	}
}

var errCut = errors.New("unreliable: the connection was cut")

// A conn is an SMTP connection as its server sees it. The server reads, then writes; SMTP takes turns.
type conn struct {
	net.Conn
	faults

	mu     sync.Mutex // of what follows, and of chance: a Forward reads and writes at one time
	data   bool   // a message is coming
	last   []byte // that was read of it, at most so many bytes as end it
	taken  bool   // the server has the whole message, and has not answered
	broken bool
}

var end = []byte("\r\n.\r\n")

// Read gives the server what its client says.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, errCut
	}
	for i := 0; i < n && c.data; i++ {
		c.last = append(c.last[max(0, len(c.last)-len(end)+1):], p[i])
		if !bytes.Equal(c.last, end) {
			continue
		}
		c.data = false
		if c.hit() {
			c.broken = true
			reset(c.Conn)
			return i, nil // without the end of the end
		}
		c.taken = true
	}
	return n, err
}

// Write gives the client what its server answers.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, errCut
	}
	if bytes.HasPrefix(p, []byte("354")) {
		c.data, c.last = true, append(c.last[:0], "\r\n"...) // a message of nothing is a dot alone
	}
	if !c.taken {
		return c.Conn.Write(p)
	}
	c.taken = false
	c.delay()
	switch {
	case c.hit():
		c.broken = true
		return 0, errors.Join(errCut, c.Conn.Close())
	case c.hit():
		c.broken = true
		reset(c.Conn)
		return 0, errCut
	case c.hit():
		_, err := io.WriteString(c.Conn, "451 4.3.0 something is broken, come again later\r\n")
		return len(p), err
	}
	return c.Conn.Write(p)
}

// Forward passes the connections that l accepts on to the server at addr, until l is closed: Forward(Listener(l, seed, rate), addr) stands before an SMTP server
// of another process.
func Forward(l net.Listener, addr string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer server.Close()
			go func() {
				_, _ = io.Copy(server, client)
				if t, ok := server.(*net.TCPConn); ok {
					_ = t.CloseWrite()
				}
			}()
			_, _ = io.Copy(client, server) // ends as the server closes, or the connection is cut
		}()
	}
}
