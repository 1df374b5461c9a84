package checks

import (
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// Clause is what a clause says: in the platform's own words where it has some, else in those of the guideline, with the policy's period and purposes.
func Clause(p *audit.Policy, name string) string {
	if c := p.Clause(name); c != nil && c.Text != "" {
		return c.Text
	}
	guideline := audit.DefaultPolicy()
	switch {
	case name == "P3":
		return "An app that stores personal data reports the accounts that it stores through the personal data reporting API every " + period(p.ReportingPeriod) + "."
	case name == "P5" && !slices.Equal(p.Approvable, guideline.Approvable):
		return "Addresses may be used for purposes that were approved. These may be: " + listed(p.Approvable) + "."
	case name == "P6" && !slices.Equal(p.Prohibited, guideline.Prohibited):
		return "Addresses from the Email API are never to be used for these purposes: " + listed(p.Prohibited) + "."
	}
	return ClauseText(name)
}

// ClauseText is what a clause of the guideline says, in plain words for those who have to keep it; "" where there is none of that name.
func ClauseText(clause string) string {
	return map[string]string{
		"P1":  "Only an app that was approved may retrieve addresses through the Email API. That holds for internal apps, too.",
		"P2":  "An app that uses the Email API needs a privacy policy, terms of use, and a statement whether it stores personal data; what it states has to be so.",
		"P3":  "An app that stores personal data reports the accounts that it stores through the personal data reporting API every 15 days.",
		"P4":  "What was approved is what the request says, with the words of the privacy policy that it quotes: they have to stay there.",
		"P5":  "Addresses may be used for the purposes that the guideline names: error reports, security alerts, alerts that the user subscribed to, invitations to collaborate, connecting a mail service, and syncing users.",
		"P6":  "Addresses from the Email API are never to be used for company events, newsletters and marketing, training and onboarding material, or reminders of subscriptions and renewals.",
		"P7":  "Addresses may be used only for the functionality that the approved request describes. Anything new needs a new or updated request first.",
		"P8":  "An app may not show addresses, nor send them to browsers: it would tell them to other users of the site.",
		"P9":  "Addresses may not be passed to third parties, unless they were declared because the service cannot be provided without them.",
		"P10": "Access lasts only while the app is installed on the site. Once it is uninstalled, personal data is to be erased.",
		"P11": "Only apps may call the Email API: no personal tokens, passwords or scripts, and a Forge app calls it as the app, not as a user.",
		"P12": "End users may be mailed only where they are technical or billing contacts, where law requires it, or where they consented or asked.",
		"P13": "When the platform answers that an account is closed, its data is to be erased; when it was updated, it is to be erased or retrieved anew.",
		"P14": "The platform may audit at any time, remove the app from the list of approved apps, and delist it. People decide that.",
	}[clause]
}
