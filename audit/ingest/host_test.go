package ingest

import "testing"

// What is left of an address where a host was to be is masked; a host that follows a user's name stays.
func TestHostsHoldNoHalfOfAnAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://Acme.example/x":                     "acme.example",
		"https://user@acme.example/":                 "acme.example",
		"*.acme.example":                             "*.acme.example",
		`write to jane.doe\u0040acme.example`:        "write to [address]",
		"jane.doe&#64;acme.example":                  "[address]",
		"jane.doe (at) acme (dot) example/a?b":       "[address]",
		"https://acme.example/jane.doe@acme.example": "acme.example",
		"": "",
	} {
		if got := host(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}
