package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// listingIncomplete enforces P2: privacy policy, customer terms and a storage statement, listed or not.
func listingIncomplete() audit.Check {
	return audit.Check{
		ID: "listing-incomplete", Clause: "P2", Nature: audit.IsState,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "no privacy policy, no terms, or no storage statement",
		Title: "The listing is incomplete (%s)",
		Rule: whoIsAsked + ", and that has no privacy_policy_url (subject `privacy-policy`), no terms_url (`terms`), or no statement whether it stores personal data (`storage-statement`).\n\n" +
			"Boundaries: a URL of white space only is none. stores_personal_data: false is a statement, null is none. Internal and unlisted apps are asked too.",
		Remediation: "Publish what is missing and add it to the listing (or to the request, for an unlisted app): a privacy policy, customer terms of use, a statement whether the app collects and stores personal data.",

		Needs:      []audit.Kind{audit.KindApps},
		NoAccounts: true,
		NoSites:    true,

		Holds: func(d *audit.Dossier, t *audit.Tally) error {
			app, err := registered(d)
			if err != nil || app == nil {
				return err
			}
			if blank(app.PrivacyPolicyURL) {
				t.State("privacy-policy", audit.Evidence{Source: app.Source, Detail: "no privacy_policy_url"})
			}
			if blank(app.TermsURL) {
				t.State("terms", audit.Evidence{Source: app.Source, Detail: "no terms_url"})
			}
			if app.Stores == nil {
				t.State("storage-statement", audit.Evidence{Source: app.Source, Detail: "stores_personal_data is null"})
			}
			return nil
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			what := map[string]string{"privacy-policy": "privacy policy", "terms": "customer terms of use", "storage-statement": "statement whether it stores personal data"}[f.Subject]
			return fmt.Sprintf("The app asks for, has or used access to addresses, and its registry entry has no %s.", what)
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "An app with a pending request has a blank privacy policy URL, no terms, and makes no storage statement.",
				Dossier: tell("2026-11-22T02:30:00Z").
					pending("security-alerts").
					entry(func(a *audit.App) { a.PrivacyPolicyURL, a.TermsURL, a.Stores = " \t", "", nil }).
					dossier,
				Finds: []audit.Found{{Subject: "privacy-policy", Occurrences: 1}, {Subject: "storage-statement", Occurrences: 1}, {Subject: "terms", Occurrences: 1}},
			},
			Complies: audit.Case{
				Story: "An app with a pending request has both URLs, and says that it stores nothing: that is a statement, too.",
				Dossier: tell("2026-11-22T02:30:00Z").
					pending("security-alerts").
					entry(stores(new(false))).
					dossier,
			},
		},
	}
}
