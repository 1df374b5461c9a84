package vendorpage

import (
	"hash/maphash"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A limiter lets so much through for each key: burst at once, and then one each every. Its memory is fixed: keys share slots, by a hash that nobody outside
// knows. Whoever would fill the slots of others needs tens of thousands of addresses, and holds them up for moments.
type limiter struct {
	every time.Duration
	burst int

	seed  maphash.Seed
	mu    sync.Mutex
	slots [slots]time.Time // when all that was let through would have been, one each every
}

const slots = 1 << 14

func newLimiter(every time.Duration, burst int) *limiter {
	return &limiter{every: every, burst: burst, seed: maphash.MakeSeed()}
}

// take lets one more of key through now, or says how long to wait.
func (l *limiter) take(key string, now time.Time) (wait time.Duration) {
	slot := &l.slots[maphash.String(l.seed, key)%slots]
	l.mu.Lock()
	defer l.mu.Unlock()
	full := now.Add(time.Duration(l.burst) * l.every)
	at := *slot
	if at.Before(now) || at.After(full) { // idle, or the clock was set back
		at = now
	}
	at = at.Add(l.every)
	if at.After(full) {
		return at.Sub(full)
	}
	*slot = at
	return 0
}

// A share is how many things of one key may be under way at a time.
type share struct {
	most int

	mu sync.Mutex
	of map[string]int // only of what is under way
}

func newShare(most int) *share { return &share{most: most, of: map[string]int{}} }

// take begins one more of key, until done is called; ok is false where there are as many as may be.
func (s *share) take(key string) (done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[key] >= s.most {
		return nil, false
	}
	s.of[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.of[key]--; s.of[key] == 0 {
			delete(s.of, key)
		}
	}, true
}

// client is the address that a request is counted under: of IPv6 the network, since who has one address has them all. Behind a proxy on this machine or in its own network it
// is the one that the proxy saw.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if addr = addr.Unmap(); addr.IsLoopback() || addr.IsPrivate() {
		list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if seen, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			addr = seen.Unmap()
		}
	}
	if addr.Is6() {
		if network, err := addr.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
