package audit_test

import (
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

func TestHostOf(t *testing.T) {
	for s, want := range map[string]string{
		"":                                  "",
		" Acme.Example. ":                   "acme.example",
		"*.acme.example":                    "*.acme.example",
		"https://acme.example/p?q#f":        "acme.example",
		"//acme.example\\p":                 "acme.example",
		"https://ann:x@acme.example:8443/p": "acme.example",
		"acme.example:443":                  "acme.example",
		"acme.example:*":                    "acme.example",
		"192.0.2.1:8080":                    "192.0.2.1",
		"2001:DB8::1":                       "2001:db8::1",
		"::1":                               "::1",
		"[2001:db8::1]":                     "[2001:db8::1]",
		"https://[2001:db8::1]:8443/p":      "[2001:db8::1]",
		"https://caf%C3%A9.example/":        "café.example",
	} {
		if got := audit.HostOf(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
