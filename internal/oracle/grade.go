package oracle

import "strings"

// grade gives severity and confidence as the table of checks says.
func grade(check, subject string) (severity, confidence string) {
	switch check {
	case "access-unapproved", "access-not-installed", "purpose-prohibited", "mail-after-uninstall", "report-closed-retained", "ui-exposure", "third-party-sharing":
		return "critical", "certain"
	case "mail-prohibited":
		return "critical", "likely"
	case "access-not-app", "purpose-not-approved", "mail-third-party", "report-overdue":
		return "high", "certain"
	case "report-incomplete", "retained-after-uninstall", "storage-undeclared":
		return "high", "likely"
	case "mail-not-approved":
		if subject == "other" {
			return "low", "possible"
		}
		return "high", "likely"
	case "purpose-undeclared", "scope-unapproved", "report-updated-ignored", "ui-payload-exposure", "ui-hash-exposure", "listing-incomplete", "policy-language-changed":
		return "medium", "certain"
	case "feature-drift":
		kind, name, _ := strings.Cut(subject, ":")
		if kind == "egress" || kind == "scope" && emailScope(name) {
			return "medium", "likely"
		}
		return "low", "possible"
	case "purpose-drift":
		return "medium", "likely"
	case "user-reported-exposure":
		return "low", "possible"
	case "access-refused-probing":
		return "low", "certain"
	}
	panic("oracle: no grade for " + check)
}

// surer says whether confidence a is higher than b.
func surer(a, b string) bool {
	rank := map[string]int{"possible": 1, "likely": 2, "certain": 3}
	return rank[a] > rank[b]
}
