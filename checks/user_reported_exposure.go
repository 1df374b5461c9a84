package checks

import (
	"fmt"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// userReportedExposure keeps what people say of P8 where a reviewer sees it.
func userReportedExposure() audit.Check {
	return audit.Check{
		ID: "user-reported-exposure", Clause: "P8", Nature: audit.IsEvent,
		Severity: audit.Low, Confidence: audit.Possible,

		Finds: "people's signals",
		Title: "People report that the app exposes addresses",
		Rule: "A signal says that people saw the app expose addresses: its kind is `exposure` or ends in `-exposure`, as `ui-exposure`. An occurrence is a signal.\n\n" +
			"Boundaries: signals of other kinds are kept, and are no finding. Whatever address a signal's text holds is masked when it is read.",
		Remediation: "Look at the pages that the signals name. If they show or send addresses, take these out, and say since when they were there.",

		Needs:      []audit.Kind{audit.KindSignals},
		NoAccounts: true,
		Touched:    []audit.Touch{audit.TouchSignals},

		Days: eachOf(func(_ *audit.Dossier, o *audit.Observation, t *audit.Tally) {
			if o.Topic == "exposure" || strings.HasSuffix(o.Topic, "-exposure") {
				t.Observed("", audit.Observed{Observation: o, Details: map[string]string{"": signal(o)}})
			}
		}, audit.KindSignals),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s, %s, say that the app exposes addresses. Nothing of it is proved.", count(f.Occurrences, "signal", "signals"), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "A support ticket from site-1 and a review say that the app shows addresses.",
				Dossier: tell("2026-11-22T02:30:00Z").
					signalled("2026-11-20T12:00:00Z", "site-1", "ui-exposure", "I can see everybody's mail in the sidebar", "support-ticket").
					signalled("2026-11-21T12:00:00Z", "", "ui-exposure", "Shows addresses!", "review").
					dossier,
				Finds: []audit.Found{{Occurrences: 2, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "A support ticket says that the app is slow.",
				Dossier: tell("2026-11-22T02:30:00Z").
					signalled("2026-11-20T12:00:00Z", "site-1", "slow", "It takes ages", "support-ticket").
					dossier,
			},
		},
	}
}

// signal is what a signal says, cut to what a row of evidence holds.
func signal(o *audit.Observation) string {
	const most = 300
	text := []rune(o.Text)
	if len(text) > most {
		text = append(text[:most], '…')
	}
	said := o.Topic
	if o.Reporter != "" {
		said += " by " + o.Reporter
	}
	if len(text) > 0 {
		said += ": " + string(text)
	}
	return said
}
