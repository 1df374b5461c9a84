package checks

import "github.com/mailreeve/mailreeve/audit"

// All lists the checks, in the order of the catalogue.
func All() []audit.Check {
	return []audit.Check{
		accessUnapproved(),
		accessRefusedProbing(),
		accessNotInstalled(),
		accessNotApp(),
		purposeUndeclared(),
		purposeNotApproved(),
		purposeProhibited(),
		featureDrift(),
		scopeUnapproved(),
		reportOverdue(),
		reportIncomplete(),
		reportClosedRetained(),
		reportUpdatedIgnored(),
		retainedAfterUninstall(),
		storageUndeclared(),
		listingIncomplete(),
		policyLanguageChanged(),
	}
}

// Get is the check of an id.
func Get(id string) (audit.Check, bool) {
	for _, c := range All() {
		if c.ID == id {
			return c, true
		}
	}
	return audit.Check{}, false
}
