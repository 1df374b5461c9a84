package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// A client speaks with a browser. chromedp's own Browser drops what comes from targets that it did not attach to itself; a recorder must see frames
// and workers from their first request on, so sessions are routed here, over chromedp's transport.
type client struct {
	pipe chromedp.Transport
	on   func(s *session, event any) // is called for one event after the other; it must neither wait nor call

	mu      sync.Mutex
	last    int64
	waiting map[int64]chan *cdproto.Message
	lost    chan struct{} // closed when the browser is gone
	err     error         // why
}

// A session is the browser's end of one target: a page, a frame in a process of its own, a worker; the empty id is the browser itself.
type session struct {
	client *client
	id     target.SessionID
	kind   string // as the browser names it: page, iframe, worker…
	target target.ID
}

// errLost is what calls end with when the browser is gone.
var errLost = errors.New("the browser ended")

func newClient(pipe chromedp.Transport) *client {
	return &client{pipe: pipe, waiting: map[int64]chan *cdproto.Message{}, lost: make(chan struct{})}
}

// root is the browser.
func (c *client) root() *session { return &session{client: c, kind: "browser"} }

// run reads what the browser says, until it is gone.
func (c *client) run(ctx context.Context) {
	sessions := map[target.SessionID]*session{"": c.root()}
	for {
		var m cdproto.Message
		if err := c.pipe.Read(ctx, &m); err != nil {
			c.err = errLost
			if errors.Is(err, errMessageTooLong) {
				c.err = fmt.Errorf("%w: %w", errLost, err)
			}
			close(c.lost)
			return
		}
		if m.ID != 0 {
			c.mu.Lock()
			reply := c.waiting[m.ID]
			delete(c.waiting, m.ID)
			c.mu.Unlock()
			if reply != nil {
				reply <- &m
			}
			continue
		}
		s := sessions[m.SessionID]
		if s == nil {
			continue
		}
		event, err := cdproto.UnmarshalMessage(&m, chromedp.DefaultUnmarshalOptions)
		if err != nil {
			continue // an event that this version of the protocol does not know
		}
		switch e := event.(type) {
		case *target.EventAttachedToTarget:
			s = &session{client: c, id: e.SessionID, kind: e.TargetInfo.Type, target: e.TargetInfo.TargetID}
			sessions[e.SessionID] = s
		case *target.EventDetachedFromTarget:
			if s = sessions[e.SessionID]; s == nil {
				continue
			}
			delete(sessions, e.SessionID)
		}
		c.on(s, event)
	}
}

// write sends a command; reply is nil where nobody waits for what comes of it.
func (s *session) write(ctx context.Context, method string, params any, reply chan *cdproto.Message) (id int64, err error) {
	var text []byte
	if params != nil {
		if text, err = jsonv2.Marshal(params, chromedp.DefaultMarshalOptions); err != nil {
			return 0, err
		}
	}
	c := s.client
	c.mu.Lock()
	c.last++
	id = c.last
	if reply != nil {
		c.waiting[id] = reply
	}
	c.mu.Unlock()
	m := &cdproto.Message{ID: id, SessionID: s.id, Method: cdproto.MethodType(method), Params: text}
	if err := c.pipe.Write(ctx, m); err != nil {
		return id, errLost
	}
	return id, nil
}

// post sends a command and waits for nothing.
func (s *session) post(ctx context.Context, method string, params any) {
	_, _ = s.write(ctx, method, params, nil) // a browser that is gone is seen by whoever waits
}

// Call sends a command and waits for its result; it makes session a cdp.Session.
func (s *session) Call(ctx context.Context, method string, params, result any) error {
	reply := make(chan *cdproto.Message, 1)
	id, err := s.write(ctx, method, params, reply)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		s.client.mu.Lock()
		delete(s.client.waiting, id)
		s.client.mu.Unlock()
		return ctx.Err()
	case <-s.client.lost:
		return s.client.err
	case m := <-reply:
		switch {
		case m.Error != nil:
			return fmt.Errorf("%s: %w", method, m.Error)
		case result != nil:
			return jsonv2.Unmarshal(m.Result, result, chromedp.DefaultUnmarshalOptions)
		}
		return nil
	}
}

// Subscribe is there for cdp.Session; events come to client.on.
func (s *session) Subscribe(string) (<-chan jsonv2.Value, func()) {
	none := make(chan jsonv2.Value)
	close(none)
	return none, func() {}
}

// errMessageTooLong ends a browser that says more at once than is kept.
var errMessageTooLong = errors.New("it said too much at once")

// bounded ends when between two zero bytes, which end the browser's messages, comes more than max.
type bounded struct {
	r        *bufio.Reader
	c        io.Closer
	max, now int
}

func newBounded(r io.ReadCloser, limit int) *bounded {
	return &bounded{r: bufio.NewReaderSize(r, 1<<16), c: r, max: limit}
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if end := bytes.LastIndexByte(p[:n], 0); end >= 0 {
		b.now = -end - 1
	}
	if b.now += n; b.now > b.max {
		return 0, errMessageTooLong
	}
	return n, err
}

func (b *bounded) Close() error { return b.c.Close() }
