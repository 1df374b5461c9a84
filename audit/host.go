package audit

import (
	"net/netip"
	"net/url"
	"strings"
)

// HostOf is the host of an URL, or of what is a host already (perhaps *.host): in lower case, without scheme, user, port and path.
func HostOf(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s = strings.TrimPrefix(s, "//")
	if i := strings.IndexAny(s, "/?#\\"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return s // what follows the last colon of a bare IPv6 address is no port
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.IndexByte(s[i:], ']') < 0 && strings.Trim(s[i+1:], "0123456789*") == "" {
		s = s[:i]
	}
	if decoded, err := url.PathUnescape(s); err == nil && !strings.ContainsAny(decoded, "/?#@") {
		s = decoded
	}
	return strings.TrimSuffix(s, ".")
}
