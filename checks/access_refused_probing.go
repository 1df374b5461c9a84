package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// accessRefusedProbing enforces P1 on those who try: an app without approval that keeps calling although it is refused.
func accessRefusedProbing(p *audit.Policy) audit.Check {
	return audit.Check{
		ID: "access-refused-probing", Clause: "P1", Nature: audit.IsEvent,
		Severity: audit.Low, Confidence: audit.Certain,

		Finds: "an app without approval that keeps calling and is refused (403)",
		Title: "Keeps calling the Email API without an approval, and is refused",
		Rule: fmt.Sprintf("On one UTC day, %[1]d or more calls under an app key that were answered 403 at moments when no approval of the app was in force. "+
			"Each of those answers is an occurrence; days with fewer count nothing.\n\n"+
			"Boundaries: %[2]d such answers are none, %[1]d are %[1]d. Answers at moments with an approval in force, and calls refused otherwise than by 403, do not count.", p.ProbingCalls, p.ProbingCalls-1),
		Remediation: "Remove the calls, or the e-mail scope that causes them, from the app until it is approved; if the app needs addresses, request approval for the functionality that does.",

		Needs:      []audit.Kind{audit.KindAccess, audit.KindApps},
		NoAccounts: true,
		Touched:    []audit.Touch{audit.TouchCalls, audit.TouchApproval},
		Reads:      func(p *audit.Policy) any { return p.ProbingCalls },

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			if d.Key == "" {
				return nil
			}
			var calls *audit.CallDay
			var refused []*audit.Call
			err := eachCall(d, day, unapproved, func(of *audit.CallDay, c *audit.Call, _ *stretch) {
				if c.Status == 403 {
					calls = of
					refused = append(refused, c)
				}
			})
			if err != nil || len(refused) == 0 || len(refused) < d.Rules.At(refused[len(refused)-1].At).Policy.ProbingCalls {
				return err
			}
			for _, c := range refused {
				t.Call("", calls, c, nil, func() string { return "refused (403), by " + c.Auth.String() })
			}
			return nil
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("%s (403) on %s, %s, on UTC days with %d or more of them, while no approval of the app was in force.",
				count(f.Occurrences, "refused call", "refused calls"), sites(f.Sites), window(f), p.ProbingCalls)
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Ten calls on two sites are refused on 20 November, the last a nanosecond before midnight; a request for approval is still pending.",
				Dossier: tell("2026-11-22T02:30:00Z").
					pending("security-alerts").
					refusedTimes(9, "2026-11-20T00:00:00Z", "site-1").
					refused("2026-11-20T23:59:59.999999999Z", "site-2").
					dossier,
				Finds: []audit.Found{{Occurrences: 10, Sites: 2}},
			},
			Complies: audit.Case{
				Story: "Nine calls are refused on 20 November, a tenth at midnight, which is the 21st; and ten on the 19th at moments when an approval was in force.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z", "security-alerts").
					refusedTimes(10, "2026-11-19T00:00:00Z", "site-1").
					refusedTimes(9, "2026-11-20T00:00:00Z", "site-1").
					refused("2026-11-21T00:00:00Z", "site-2").
					dossier,
			},
		},
	}
}
