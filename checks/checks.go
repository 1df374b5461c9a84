package checks

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks/rules"
)

// A Set is some checks. The parts of a check stand one after the other.
type Set []audit.Check

// All lists the checks of the guideline, in the order of the catalogue.
func All() Set { return under(audit.DefaultPolicy()) }

// under are the checks of the guideline in the words and numbers of a policy.
func under(p *audit.Policy) Set {
	return Set{
		accessUnapproved(),
		accessRefusedProbing(p),
		accessNotInstalled(p),
		accessNotApp(),
		purposeUndeclared(),
		purposeNotApproved(),
		purposeProhibited(p),
		purposeDrift(p),
		featureDrift(p),
		scopeUnapproved(p),
		mailProhibited(p),
		mailNotApproved(),
		mailThirdParty(),
		mailAfterUninstall(p),
		reportOverdue(p),
		reportIncomplete(p),
		reportClosedRetained(p),
		reportUpdatedIgnored(p),
		retainedAfterUninstall(p),
		storageByReports(),
		storageByStaleMail(p),
		uiExposure(),
		uiPayloadExposure(),
		uiHashExposure(),
		thirdPartySharing(),
		listingIncomplete(),
		policyLanguageChanged(),
		userReportedExposure(),
	}
}

// For are the checks as a policy wants them, its own rules after the others. The error names what of the policy fits no check, and what is wrong with a rule.
func For(p *audit.Policy) (Set, error) {
	list := under(p)
	var wrong []error
	for i := range p.Own {
		r := &p.Own[i]
		switch {
		case slices.ContainsFunc(list, func(c audit.Check) bool { return c.ID == r.ID }):
			wrong = append(wrong, fmt.Errorf("%s: rule %s: a check of the guideline has that id: give the rule another", r.At, r.ID))
		case ClauseText(r.Clause) == "" && p.Clause(r.Clause) == nil:
			wrong = append(wrong, fmt.Errorf("%s: rule %s: clause: the guideline has no clause %q: name one of P1 to P14, or word it in the policy under clauses", r.At, r.ID, r.Clause))
		}
	}
	own, err := rules.Compile(p.Own)
	if err != nil {
		wrong = append(wrong, err)
	}
	list = append(list, own...)
	known := func(id string) bool { return slices.ContainsFunc(list, func(c audit.Check) bool { return c.ID == id }) }
	for _, id := range slices.Sorted(maps.Keys(p.Checks)) {
		if !known(id) && err == nil {
			wrong = append(wrong, fmt.Errorf("%s: checks: there is no check %q: mailreeve checks list shows them", p.Checks[id].At, id))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Remedies)) {
		if _, told := p.Checks[id]; !told && !known(id) && err == nil {
			wrong = append(wrong, fmt.Errorf("%s: checks: there is no check %q: mailreeve checks list shows them", p.Remedies[id].At, id))
		}
	}
	for i := range p.Exceptions {
		if x := &p.Exceptions[i]; !known(x.Check) && err == nil {
			wrong = append(wrong, fmt.Errorf("%s: exceptions: there is no check %q: mailreeve checks list shows them", x.At, x.Check))
		}
	}
	for i := range list {
		list[i] = list[i].Under(p)
	}
	return list, errors.Join(wrong...)
}

// Catalogue is All, the parts of a check together.
func Catalogue() [][]audit.Check { return All().Catalogue() }

// Catalogue is the set, the parts of a check together.
func (s Set) Catalogue() [][]audit.Check {
	var out [][]audit.Check
	for _, c := range s {
		if n := len(out); n > 0 && out[n-1][0].ID == c.ID {
			out[n-1] = append(out[n-1], c)
			continue
		}
		out = append(out, []audit.Check{c})
	}
	return out
}

// Parts is the check of an id, or its parts; none where there is no such check.
func Parts(id string) []audit.Check { return All().Parts(id) }

// Parts is the check of an id, or its parts; none where there is no such check.
func (s Set) Parts(id string) (parts []audit.Check) {
	for _, c := range s {
		if c.ID == id {
			parts = append(parts, c)
		}
	}
	return parts
}

// Get is the check of an id; of one in parts what its parts have in common holds for all.
func (s Set) Get(id string) (audit.Check, bool) {
	parts := s.Parts(id)
	if len(parts) == 0 {
		return audit.Check{}, false
	}
	return parts[0], true
}

// Get is [Set.Get] of All.
func Get(id string) (audit.Check, bool) { return All().Get(id) }
