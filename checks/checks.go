package checks

import (
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// All lists the checks, in the order of the catalogue. The parts of a check stand one after the other.
func All() []audit.Check {
	return []audit.Check{
		accessUnapproved(),
		accessRefusedProbing(),
		accessNotInstalled(),
		accessNotApp(),
		purposeUndeclared(),
		purposeNotApproved(),
		purposeProhibited(),
		purposeDrift(),
		featureDrift(),
		scopeUnapproved(),
		mailProhibited(),
		mailNotApproved(),
		mailThirdParty(),
		mailAfterUninstall(),
		reportOverdue(),
		reportIncomplete(),
		reportClosedRetained(),
		reportUpdatedIgnored(),
		retainedAfterUninstall(),
		storageByReports(),
		storageByStaleMail(),
		uiExposure(),
		uiPayloadExposure(),
		uiHashExposure(),
		thirdPartySharing(),
		listingIncomplete(),
		policyLanguageChanged(),
		userReportedExposure(),
	}
}

// Catalogue is All, the parts of a check together.
func Catalogue() [][]audit.Check {
	var out [][]audit.Check
	for _, c := range All() {
		if n := len(out); n > 0 && out[n-1][0].ID == c.ID {
			out[n-1] = append(out[n-1], c)
			continue
		}
		out = append(out, []audit.Check{c})
	}
	return out
}

// Parts is the check of an id, or its parts; none where there is no such check.
func Parts(id string) []audit.Check {
	return slices.DeleteFunc(All(), func(c audit.Check) bool { return c.ID != id })
}

// Get is the check of an id; of one in parts what its parts have in common holds for all.
func Get(id string) (audit.Check, bool) {
	parts := Parts(id)
	if len(parts) == 0 {
		return audit.Check{}, false
	}
	return parts[0], true
}
