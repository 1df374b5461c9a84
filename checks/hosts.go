package checks

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/mailreeve/mailreeve/audit"
)

// registrable is the domain that somebody registered and that a host belongs to, by the public suffix list; the host itself where there is none, as
// for a suffix itself. An IP address is its own, in one spelling, which is that of URLs: IPv6 in brackets and short.
func registrable(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if ip.Is6() {
			return "[" + ip.String() + "]"
		}
		return ip.String()
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return domain
}

// hostOf is the host that a declaration names, be it a host, *.host or an URL; "" where it names none, but a company, say.
func hostOf(declared string) string {
	host := strings.TrimPrefix(audit.HostOf(declared), "*.")
	if strings.ContainsAny(host, " \t,;()") || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return ""
	}
	return host
}

// A circle is the registrable domains that may have an address: the vendor's own, the platform's, and those that an approval in force names (P9).
type circle map[string]bool

// circleAt is the circle of the dossier's app at a moment.
func circleAt(d *audit.Dossier, at audit.Instant) circle {
	c := circle{}
	rules := d.Rules.At(at)
	c.add(rules.Policy.PlatformDomains...)
	c.add(rules.Receivers...)
	if app := d.App(at); app != nil {
		c.add(app.Features.Domains...)
	}
	for i := range d.Approvals {
		if a := &d.Approvals[i]; a.InForce(at) {
			c.add(a.ThirdParties...)
		}
	}
	return c
}

func (c circle) add(declared ...string) {
	for _, s := range declared {
		if host := hostOf(s); host != "" {
			c[registrable(host)] = true
		}
	}
}

// outside is the subject under which a host that is not in the circle is filed; "" for one that is.
func (c circle) outside(host string) string {
	domain := registrable(host)
	switch {
	case domain == "" || c[domain]:
		return ""
	case len(domain) > 253 || strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != "":
		return "invalid"
	}
	return domain
}
