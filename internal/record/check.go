package record

import (
	"cmp"

	"github.com/mailreeve/mailreeve/audit"
)

// A Check is a check in JSON.
type Check struct {
	ID         string           `json:"id"`
	Clause     string           `json:"clause"`
	Finds      string           `json:"finds"`
	Nature     audit.Nature     `json:"is"`
	Severity   audit.Severity   `json:"severity"`
	Confidence audit.Confidence `json:"confidence"`
	BySubject  bool             `json:"graded_by_subject"`
	Part
	Purposes    bool   `json:"needs_purposes"`
	Own         bool   `json:"own"`
	Enabled     bool   `json:"enabled"`
	EnforceFrom Moment `json:"enforce_from"`
	Remediation string `json:"remediation"`
	Parts       []Part `json:"parts,omitempty"` // where subjects need different sources
}

// A Part is what differs between the parts of a check.
type Part struct {
	Subject    string       `json:"subject,omitempty"`
	Needs      []audit.Kind `json:"needs"`
	NeedsIfSet []audit.Kind `json:"needs_if_configured"`
	NeedsOneOf []audit.Kind `json:"needs_one_of,omitempty"`
	Rule       string       `json:"rule"`
}

// CheckOf is a check of its parts.
func CheckOf(parts []audit.Check) Check {
	c := &parts[0]
	part := func(c *audit.Check) Part {
		return Part{Subject: c.Part, Needs: append([]audit.Kind{}, c.Needs...), NeedsIfSet: append([]audit.Kind{}, c.NeedsIfSet...), NeedsOneOf: c.NeedsOneOf, Rule: c.Rule}
	}
	r := Check{ID: c.ID, Clause: c.Clause, Finds: c.Finds, Nature: c.Nature, Severity: c.Severity, Confidence: c.Confidence, BySubject: c.Grade != nil,
		Part: part(c), Purposes: c.Purposes, Remediation: c.Remediation,
		Own: c.Own, Enabled: !c.Off, EnforceFrom: Moment(cmp.Or(c.EnforceFrom, audit.Never))}
	if len(parts) > 1 {
		r.Subject = ""
		for i := range parts {
			r.Parts = append(r.Parts, part(&parts[i]))
		}
	}
	return r
}
