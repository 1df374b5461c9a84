package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// scopeUnapproved enforces P1 before the first call: who asks for the scope asks for approval.
func scopeUnapproved(p *audit.Policy) audit.Check {
	return audit.Check{
		ID: "scope-unapproved", Clause: "P1", Nature: audit.IsState,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "the app asks for an e-mail scope, has no approval in force and no request pending",
		Title: "Asks for an e-mail scope without an approval (%s)",
		Rule: "The newest registry entry asks for " + either(p.EmailScopes()) + ", while at as-of no approval of the app is in force and none of its requests is pending. " +
			"The subject is the scope as spelled.\n\n" +
			"Boundaries: " + howScopesCompare(p) + "; of two spellings of one scope the first is the subject, " +
			"in the order of descriptor, manifest and scopes. A pending request, or an approval decided at as-of, is enough; one revoked at as-of is not.",
		Remediation: "Remove the scope from the descriptor or manifest, or request approval for the functionality that needs addresses.",

		Needs:      []audit.Kind{audit.KindApps},
		NoAccounts: true,
		NoSites:    true,

		Holds: func(d *audit.Dossier, t *audit.Tally) error {
			app := d.Newest()
			if app == nil || d.ApprovalNow() != nil || d.RequestPending() {
				return nil
			}
			for _, scope := range emailScopes(d.RulesNow().Policy, app.Features.Scopes) {
				t.State(scope, audit.Evidence{Source: app.Source, Detail: "no approval in force, no request pending"})
			}
			return nil
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("The app asks for %s, and has no approval in force and no request pending.", f.Subject)
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The descriptor asks for access_email_addresses, and again in another spelling; the approval was revoked at the very moment of as-of.",
				Dossier: tell("2026-11-22T02:30:00Z").
					entry(scopes("read", "access_email_addresses", "ACCESS_EMAIL_ADDRESSES", "access-email-addresses:connect-jira", "read:email-address:confluence")).
					approval("2026-01-01T00:00:00Z", "2026-11-22T02:30:00Z", "security-alerts").
					rejected("2026-11-01T00:00:00Z", "security-alerts").
					dossier,
				Finds: []audit.Found{{Subject: "access_email_addresses", Occurrences: 1}, {Subject: "read:email-address:confluence", Occurrences: 1}},
			},
			Complies: audit.Case{
				Story: "The descriptor asks for the same scope; the approval is revoked a nanosecond after as-of.",
				Dossier: tell("2026-11-22T02:30:00Z").
					entry(scopes("read", "access_email_addresses")).
					approval("2026-01-01T00:00:00Z", "2026-11-22T02:30:00.000000001Z", "security-alerts").
					dossier,
			},
		},
	}
}

// howScopesCompare says so, for the rules' texts.
func howScopesCompare(p *audit.Policy) string {
	if p.Scopes != nil {
		return "scopes compare without case, with `_` as `-`"
	}
	return "scopes compare without case, with `_` as `-`, and without a granted scope's :connect-jira or :connect-confluence"
}

// emailScopes is the first spelling of each e-mail scope among scopes.
func emailScopes(p *audit.Policy, scopes []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range scopes {
		if fold := audit.FoldScope(s); p.IsEmailScope(s) && !seen[fold] {
			seen[fold] = true
			out = append(out, s)
		}
	}
	return out
}
