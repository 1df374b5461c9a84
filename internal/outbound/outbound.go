// Package outbound is what requests to addresses that people configure, or pages name, have in common: they reach public addresses only, follow no
// redirect unless the caller says which, and their errors show no secret that a URL may hold.
package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Timeout is for a whole request, its answer included.
const Timeout = 15 * time.Second

// ErrPrivate is why an address is not dialed.
var ErrPrivate = errors.New("not a public address")

// notPublic are the networks that are reached from where mailreeve runs, or from nowhere: IANA's registries of special-purpose addresses.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

// nat64 is where IPv6 networks show IPv4 addresses.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// Public says whether a is an address of the public network.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Client is for requests to an address that a person configured. It takes no proxy from the environment and follows no redirect, unless
// the caller sets CheckRedirect. Unless private
// addresses are allowed it reaches public ones only: what counts is the address that is dialed, whatever a name resolved to before.
func Client(allowPrivate bool) *http.Client {
	d := &net.Dialer{Timeout: 10 * time.Second}
	if !allowPrivate {
		d.Control = refusePrivate
	}
	return &http.Client{
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second},
	}
}

func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !Public(at.Addr()) {
		return ErrPrivate
	}
	return nil
}

// Check says what is wrong with a URL of the configuration.
func Check(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text would show the URL
		return errors.New("this is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("give a URL that begins with https:// and a host")
	case u.User != nil:
		return errors.New("a URL here holds no user and no password: secrets come from the environment")
	}
	return nil
}

// Place is what may be shown of a URL: its scheme and host. The rest may hold a secret.
func Place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "a URL that cannot be read"
	}
	return u.Scheme + "://" + u.Host
}

// Cause is an error of an http.Client without the URL.
func Cause(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	if errors.Is(u.Err, ErrPrivate) {
		return fmt.Errorf("it leads to what is %w: allow_private lets it", ErrPrivate)
	}
	if u.Timeout() {
		return errors.New("no answer in time")
	}
	if strings.HasPrefix(u.Err.Error(), "failed to parse Location header") { // net/http quotes it, and it may repeat what was asked for
		return errors.New("it leads to what is no URL")
	}
	return u.Err
}

// RetryAfter is how long an answer asks to be left alone (RFC 9110, 10.2.3); 0 where it does not.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(n, 0), 7*24*3600)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
