// Package unreliable stands before a server, and fails as networks and services fail: it drops, delays, resets, and answers that it is busy or broken,
// before the server is asked, and after the server has done what it was asked to. The second is the hard case: accepted, but the answer is lost.
//
// What goes wrong is chosen by a seed: the nth request, or connection, always meets the same.
package unreliable

import (
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"time"
)

// Slowest is the longest delay of an answer.
const Slowest = 20 * time.Millisecond

// Handler passes requests on to next, unless they meet a fault: the connection closes without an answer, it is reset, the answer is 429 or 500, or only
// slow. rate is the chance of each of the five, from 0 to 1, on the way to next and again on the way back. So of all requests a share of (1-rate)^4 gets to next, and of
// these the same share gets next's answer: at 0.3 every fourth, and every seventeenth of all.
//
// A 429 asks for 1 or 2 seconds (Retry-After), or says nothing. An answer that is dropped on the way back may have a beginning. What a next that is an
// httputil.ReverseProxy stands for may be another process.
func Handler(next http.Handler, seed uint64, rate float64) http.Handler {
	var requests atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := faults{rand.New(rand.NewPCG(seed, requests.Add(1))), rate}
		if f.http(w, nil) {
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if f.http(w, answer) {
			return
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // who asked may be gone
	})
}

type faults struct {
	*rand.Rand
	rate float64
}

func (f faults) hit() bool { return f.Float64() < f.rate }

func (f faults) delay() {
	if f.hit() {
		time.Sleep(time.Duration(f.Int64N(int64(Slowest))))
	}
}

// http does what goes wrong instead of an answer, if anything does. Nil: there is none yet.
func (f faults) http(w http.ResponseWriter, answer *httptest.ResponseRecorder) bool {
	f.delay()
	switch {
	case f.hit():
		if answer != nil && answer.Body.Len() > 1 && f.IntN(2) == 0 {
			maps.Copy(w.Header(), answer.Header())
			w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler) // the server closes the connection
	case f.hit():
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		reset(conn)
	case f.hit():
		if n := f.IntN(3); n > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(n))
		}
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	case f.hit():
		http.Error(w, "something is broken", http.StatusInternalServerError)
	default:
		return false
	}
	return true
}

// reset ends a connection so that its other end sees "connection reset".
func reset(conn net.Conn) {
	if t, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}
