package audit_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// What is kept of the lifecycle of days that are over tells, from then on, the same state as all of it, and since when.
func TestLastEventsTellTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const over = 40
		rules := &audit.Rules{Policy: audit.DefaultPolicy(), CompleteSince: audit.Instant(rapid.Int64Range(0, 80).Draw(t, "complete since"))}
		rules.Policy.UninstallGrace = 2
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) audit.Lifecycle {
			return audit.Lifecycle{At: audit.Instant(rapid.Int64Range(0, 80).Draw(t, "at")), Users: rapid.Int64Range(-1, 3).Draw(t, "users"),
				Event: rapid.SampledFrom([]audit.Event{audit.Installed, audit.Uninstalled, audit.Enabled, audit.Disabled, audit.Present}).Draw(t, "event")}
		}), 0, 12).Draw(t, "events")
		var old, kept []audit.Lifecycle
		for _, e := range events {
			if e.At < over {
				old = append(old, e)
			} else {
				kept = append(kept, e)
			}
		}
		last := audit.LastEvents(old)
		if len(last) > 3 {
			t.Fatalf("%d events are kept of %d", len(last), len(old))
		}
		all := audit.SiteEvents{Events: events}
		audit.SortEvents(all.Events)
		few := audit.SiteEvents{Events: append(kept, last...)}
		audit.SortEvents(few.Events)
		for at := audit.Instant(over); at < 90; at++ {
			state, left := all.StateAt(at, 85, rules)
			now, since := few.StateAt(at, 85, rules)
			if state != now || left != since {
				t.Fatalf("at %d: %v since %d, but from what is kept %v since %d", at, state, left, now, since)
			}
		}
	})
}
