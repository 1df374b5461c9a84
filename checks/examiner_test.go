package checks

import (
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks/exposure"
)

// TestAMailThatComesLateIsReadForKindAndSenderOnly: what may be addresses in it would be held beyond the bound.
func TestAMailThatComesLateIsReadForKindAndSenderOnly(t *testing.T) {
	const text = "From: news@acme.example\nContent-Type: text/plain\n\nhttps://t.tracker.example/?to=canary@people.example\n"
	for _, x := range []struct {
		before string // a capture that was looked into before
		want   int
	}{{"nothing", 1}, {"ann@people.example", 0}} {
		l := &look{finder: exposure.New(exposure.Limits{Total: 1})}
		if _, err := l.Capture(t.Context(), 0, audit.CaptureText, strings.NewReader(x.before)); err != nil {
			t.Fatal(err)
		}
		m, _, err := l.Mail(t.Context(), 1, strings.NewReader(text), "mx.platform.example")
		if err != nil || m.From != "acme.example" {
			t.Errorf("after %q: %+v, %v", x.before, m, err)
		}
		match := l.Against()
		match.Address("canary", "canary@people.example")
		if got := match.Sightings()[1]; len(got) != x.want {
			t.Errorf("after %q: %+v", x.before, got)
		}
	}
}
