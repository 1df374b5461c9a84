package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// accessUnapproved enforces P1: only an app that was approved may retrieve addresses. Whether it was is asked for the moment of each call.
func accessUnapproved() audit.Check {
	return audit.Check{
		ID: "access-unapproved", Clause: "P1", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "addresses retrieved with no approval in force at that moment",
		Title: "Addresses retrieved without an approval",
		Rule: "A call under an app key that was answered with status 200 and at least one account, at a moment when no approval of the app was in force. " +
			"An approval is in force where its status is approved or withdrawn, from decided_at (included) to revoked_at (excluded); without revoked_at it has no end. " +
			"Pending and rejected requests are never in force, and an app that is not in the registry has none.\n\n" +
			"Boundaries: a call at decided_at is approved, one a nanosecond earlier is not; a call at revoked_at is not approved, one a nanosecond earlier is. " +
			"A call that this check finds is not judged by its purpose as well. An approval that the registry no longer lists ends at the as-of of the run that saw it gone.",
		Remediation: "Stop calling the Email API until the app is approved. Request approval for the functionality that needs the address (company, app key, listing, purposes, the words of the privacy policy), " +
			"erase every address that was retrieved without approval, and tell the reviewer when both are done.",

		Needs:   []audit.Kind{audit.KindAccess, audit.KindApps},
		Touched: []audit.Touch{audit.TouchCalls, audit.TouchApproval},
		Reads:   nothing,

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			if d.Key == "" {
				return nil
			}
			return eachCall(d, day, unapproved, func(calls *audit.CallDay, c *audit.Call, _ *stretch) {
				if c.Retrieval() {
					t.Call("", calls, c, c.Accounts, func() string { return how(c) })
				}
			})
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s of the addresses of %s on %s, %s, while no approval of the app was in force.",
				retrievals(f.Occurrences), accounts(f.Accounts), sites(f.Sites), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The approval is decided at noon on 10 November. One call gets two addresses a nanosecond before that; when the approval is revoked on 20 November, another gets one at that very moment.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-11-10T12:00:00Z", "2026-11-20T12:00:00Z", "security-alerts").
					retrieves("2026-11-10T11:59:59.999999999Z", "site-1", "ann", "bob").
					retrieves("2026-11-20T12:00:00Z", "site-2", "ann").
					dossier,
				Finds: []audit.Found{{Occurrences: 2, Accounts: 2, Sites: 2}},
			},
			Complies: audit.Case{
				Story: "The same approval, and calls at the moment of the decision and a nanosecond before the revocation. A call before the approval got no address: it was refused.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-11-10T12:00:00Z", "2026-11-20T12:00:00Z", "security-alerts").
					refused("2026-11-10T11:59:59.999999999Z", "site-1").
					retrieves("2026-11-10T12:00:00Z", "site-1", "ann", "bob").
					retrieves("2026-11-20T11:59:59.999999999Z", "site-2", "ann").
					dossier,
			},
		},
	}
}
