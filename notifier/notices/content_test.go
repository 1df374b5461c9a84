package notices

import (
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

func TestHide(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ text, id, want string }{
		{"a call of a was made", "a", "an account call of an account was made"},
		{"12 calls by 1, at 11:10", "1", "12 calls by an account, at 11:10"},
		{"x5b10a2844y", "5b10a2844", "xan accounty"},
		{"nothing", "b", "nothing"},
	} {
		if got := hide(x.text, x.id); got != x.want {
			t.Errorf("%q without %s: %q", x.text, x.id, got)
		}
	}
}

func TestNextSaysHours(t *testing.T) {
	t.Parallel()
	d := &Desk{Policy: audit.DefaultPolicy()}
	d.Policy.Ladder.Reminders = []time.Duration{24 * time.Hour, 12 * time.Hour}
	if text := strings.Join(d.next(audit.FirstNotice), " "); !strings.Contains(text, "reminded 1 day and 12 hours before") {
		t.Error(text)
	}
}

func TestIncident(t *testing.T) {
	t.Parallel()
	if !audit.IsIncident("mail-third-party") || audit.IsIncident("purpose-prohibited") {
		t.Error("sharing by mail is an incident, a purpose is none")
	}
}
