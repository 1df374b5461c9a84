package exposure

import (
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// host is the host of a URL, in lower case and without a port; "" where it has none.
func host(raw string) string {
	_, rest, ok := strings.Cut(raw, "//")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	if strings.HasPrefix(rest, "[") {
		if i := strings.IndexByte(rest, ']'); i > 0 {
			return strings.ToLower(rest[:i+1])
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		rest = rest[:i]
	}
	if decoded, err := url.PathUnescape(rest); err == nil {
		rest = decoded
	}
	rest = strings.ToLower(strings.TrimSuffix(rest, "."))
	if address.LooksLike([]byte(rest)) || len(rest) > 253 {
		return ""
	}
	return rest
}

// name is a name of a field as it may be told: not one that is an address, or a hash, or holds one in some disguise.
func (s *scan) name(of string) string {
	if len(of) > 64 || of == "" {
		return "…"
	}
	if told, ok := s.names[of]; ok {
		return told
	}
	told := of
	for i := range len(of) {
		if c := of[i]; c < ' ' || c == 0x7F || c == '@' {
			told = "…"
		}
	}
	if len(of) >= minText && told == of {
		inner := newScan(s.ctx, s.f, 0)
		inner.probe = func(sort, []byte, int, int) { told = "…" }
		inner.text([]byte(of))
		inner.end()
	}
	if len(s.names) < 10_000 {
		s.names[of] = told
	}
	return told
}

// hostName is a host as it may be told: below its registrable domain as the names of fields are.
func (s *scan) hostName(host string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil || org == host {
		return host
	}
	labels := strings.Split(strings.TrimSuffix(host, "."+org), ".")
	for i, l := range labels {
		labels[i] = s.name(l)
	}
	return strings.Join(labels, ".") + "." + org
}

// field looks at the value of a named field, and at the name.
func (s *scan) field(place audit.Place, to, what, of, value string) {
	s.in(place, to, what+s.name(of))
	if value != "" {
		s.value(value)
	}
	if len(of) >= minText && s.name(of) == "…" {
		s.in(place, to, what+"…")
		s.value(of)
	}
}

// value looks at a value of a query, form or header: as it stands, and with plus signs as the spaces they may mean.
func (s *scan) value(v string) {
	s.text([]byte(v))
	if strings.IndexByte(v, '+') >= 0 && strings.ContainsAny(v, "%@") {
		s.text([]byte(strings.ReplaceAll(v, "+", " ")))
	}
}

// form looks at name=value&…
func (s *scan) form(q, to, what string) {
	for len(q) > 0 {
		if s.stop() {
			return
		}
		part := q
		if i := strings.IndexAny(q, "&;"); i >= 0 {
			part, q = q[:i], q[i+1:]
		} else {
			q = ""
		}
		of, value, ok := strings.Cut(part, "=")
		if !ok {
			of, value = "", part
		}
		if decoded, err := url.QueryUnescape(of); err == nil && !strings.ContainsAny(decoded, "@") {
			of = decoded
		}
		s.field(audit.Sent, to, what, of, value)
	}
}

// url looks at a URL that is asked for at a host.
func (s *scan) url(raw, to string) {
	rest := raw
	if i := strings.Index(rest, "//"); i >= 0 {
		rest = rest[i+2:]
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	s.in(audit.Sent, to, "url path")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		if user, _, ok := strings.Cut(rest[:i], "@"); ok {
			s.in(audit.Sent, to, "url user")
			s.text([]byte(user))
			s.in(audit.Sent, to, "url path")
		}
		s.text([]byte(rest[i:]))
		s.in(audit.Sent, to, "host name")
		s.text([]byte(rest[:i]))
	} else {
		s.in(audit.Sent, to, "host name")
		s.text([]byte(rest))
	}
	s.form(query, to, "query parameter ")
	if fragment == "" {
		return
	}
	if strings.ContainsAny(fragment, "=") {
		if _, q, ok := strings.Cut(fragment, "?"); ok {
			fragment = q
		}
		s.form(fragment, to, "fragment parameter ")
		return
	}
	s.in(audit.Sent, to, "url fragment")
	s.value(fragment)
}
