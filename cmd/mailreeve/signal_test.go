package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A relay passes bytes on to another address until it is cut; then nothing passes and nothing is closed, as where a cable is pulled.
type relay struct {
	net.Listener
	to   string
	mu   sync.Mutex
	down bool
	up   *sync.Cond
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to}
	r.up = sync.NewCond(&r.mu)
	t.Cleanup(func() { r.cut(false); l.Close() })
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				here.Close()
				continue
			}
			go r.pass(here, there)
			go r.pass(there, here)
		}
	}()
	return r
}

func (r *relay) cut(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
	r.up.Broadcast()
}

func (r *relay) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	p := make([]byte, 32<<10)
	for {
		n, err := from.Read(p)
		r.mu.Lock()
		for r.down {
			r.up.Wait()
		}
		r.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(p[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// A served is `mailreeve serve` as a process of its own, whose world has a webhook.
type served struct {
	*ward
	binary string
	cmd    *exec.Cmd
	errs   *syncBuffer
}

func (s *served) start() {
	s.Helper()
	s.errs = &syncBuffer{}
	s.cmd = exec.CommandContext(s.Context(), s.binary, "serve", "-c", s.path("mailreeve.yaml"))
	s.cmd.Stdout, s.cmd.Stderr = io.Discard, s.errs
	s.must(s.cmd.Start())
}

func (s *served) signal() { s.must(s.cmd.Process.Signal(syscall.SIGTERM)) }

// ended gives how the process ended, and how long that took.
func (s *served) ended() (syscall.WaitStatus, time.Duration) {
	s.Helper()
	begun := time.Now()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	status, _ := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status, time.Since(begun)
}

// Whatever serve waits for when it is told to end, it ends: at once where only a receiver does not answer; after a moment where the database does not, and at a second signal. What a receiver took and nobody
// could record is sent again under its id.
func TestASignalEndsServe(t *testing.T) {
	t.Parallel()
	binary := built(t)
	for _, c := range []struct {
		name    string
		away    bool // the database is, from the moment in which the receiver has the message; the receiver answers then
		signals int
		exit    int // -1: the signal itself ends it
		most    time.Duration
	}{
		{name: "a receiver does not answer", signals: 1, exit: exitDone, most: 5 * time.Second},
		{name: "the database does not answer", away: true, signals: 1, exit: exitFailed, most: grace + 10*time.Second},
		{name: "the database does not answer, and a second signal comes", away: true, signals: 2, exit: -1, most: 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address := cluster.New(t)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			wire := newRelay(t, u.Host)
			u.Host = wire.Addr().String()
			w := &served{ward: newWard(t, u.String()), binary: binary}
			var away atomic.Bool
			away.Store(c.away)
			got := make(chan string, 9) // the ids
			answer := make(chan struct{})
			hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				wire.cut(away.Load())
				got <- r.Header.Get("webhook-id")
				select {
				case <-answer:
				case <-r.Context().Done():
				}
			}))
			t.Cleanup(hook.Close)
			w.configure("sources:", `webhooks: [{url: "`+hook.URL+`", allow_private: true}]`+"\nsources:")
			s := w.system()
			now := audit.At(time.Now())
			w.must(s.store.EnqueueMessages(t.Context(), audit.Message{Key: "a message", Sink: "webhook", Lane: s.hooks().List[0].Lane(), Body: []byte("{}"), Created: now, NextAt: now}))
			w.start()
			var first string
			select {
			case first = <-got:
			case <-time.After(time.Minute):
				t.Fatalf("nothing is sent: %s", w.errs)
			}
			if c.away {
				close(answer)
			}
			w.signal()
			if c.signals > 1 {
				time.Sleep(time.Second)
				w.signal()
			}
			status, took := w.ended()
			if c.exit >= 0 && (!status.Exited() || status.ExitStatus() != c.exit) || c.exit < 0 && !status.Signaled() || took > c.most {
				t.Errorf("it ended after %s by %+v: %s", took, status, w.errs)
			}
			if c.exit == exitFailed && !strings.Contains(w.errs.String(), "is done again by the next start") {
				t.Errorf("it says nothing of why: %s", w.errs)
			}
			if !c.away {
				close(answer)
			}
			// The database is back, and so is the receiver.
			direct, err := store.Open(t.Context(), address)
			w.must(err)
			defer direct.Close()
			away.Store(false)
			wire.cut(false)
			w.start()
			delivered := func() bool {
				left, err := direct.Pending(t.Context())
				w.must(err)
				return len(left) == 0
			}
			await(t, "a delivery", time.Minute, delivered)
			w.signal()
			if status, _ := w.ended(); status.ExitStatus() != exitDone || !delivered() {
				t.Errorf("delivered: %t; %+v: %s", delivered(), status, w.errs)
			}
			if n := len(got) + 1; n != 2 {
				t.Fatalf("the receiver got it %d times, not 2", n)
			}
			if id := <-got; id != first {
				t.Errorf("it came as %s, and as %s", first, id)
			}
		})
	}
}
