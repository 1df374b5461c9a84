package checks

import (
	"html"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/mailreeve/mailreeve/audit"
)

// policyLanguageChanged enforces P4: what was approved rests on words of the privacy policy, which must still be there.
func policyLanguageChanged() audit.Check {
	return audit.Check{
		ID: "policy-language-changed", Clause: "P4", Nature: audit.IsState,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "the approved excerpt is no longer in the privacy policy",
		Title: "The approved words are no longer in the privacy policy",
		Rule: "The policy_excerpt of the newest approval in force at as-of is not contained in the privacy_policy_text of the newest registry entry.\n\n" +
			"Boundaries: both are compared after NFKC, with HTML entities decoded, typographic quotes and dashes as plain ones, white space folded (what has no width is left out) and without case; any other difference counts. " +
			"Where excerpt or text is missing or blank, this cannot be looked at. The newest approval is the one decided last, of equals the last line.",
		Remediation: "Restore the approved wording in the privacy policy, or send an updated request with the new words that say how addresses are processed.",

		Needs:      []audit.Kind{audit.KindApps},
		NoAccounts: true,
		NoSites:    true,

		Holds: func(d *audit.Dossier, t *audit.Tally) error {
			app, approval := d.Newest(), d.ApprovalNow()
			if app == nil || approval == nil {
				return nil
			}
			excerpt, text := PlainWords(approval.PolicyExcerpt), PlainWords(app.PrivacyPolicyText)
			if excerpt == "" || text == "" || strings.Contains(text, excerpt) {
				return nil
			}
			t.State("", audit.Evidence{Source: app.Source, Detail: "the excerpt of " + request(approval) + ", is not in the text"})
			return nil
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return "The privacy policy no longer holds the words that the approval rests on." + first(f)
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The approved words were \u201cWe never sell addresses\u201d; the policy now says \u201cWe rarely sell addresses\u201d.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").excerpt("We never sell addresses").
					entry(policyText("Acme and you. We rarely sell addresses. Write to us.")).
					dossier,
				Finds: []audit.Found{{Occurrences: 1}},
			},
			Complies: audit.Case{
				Story: "The policy holds the approved words in capitals, with entities, typographic quotes and dashes, a ligature, and over several lines.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").excerpt(`We don't "sell" addresses - final & official`).
					entry(policyText("Acme and you.\r\n  WE DON&rsquo;T\n\u201csell\u201d&nbsp;addresses \u2014 \ufb01nal &amp;\tof\ufb01cial. Write to us.")).
					dossier,
			},
		},
	}
}

// PlainWords is text as the words of privacy policies are compared. Entities may bring what NFKC takes away, so it is applied once more.
func PlainWords(s string) string {
	s = norm.NFKC.String(html.UnescapeString(norm.NFKC.String(s)))
	s = strings.Map(plainRune, s)
	return strings.Join(strings.Fields(cases.Fold().String(s)), " ")
}

// plainRune is r with typographic quotes and dashes as plain ones; -1 for what has no width.
func plainRune(r rune) rune {
	switch r {
	case '\u2018', '\u2019', '\u201a', '\u201b', '\u2032', '\u2039', '\u203a':
		return '\''
	case '\u201c', '\u201d', '\u201e', '\u201f', '\u00ab', '\u00bb':
		return '"'
	case '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2015', '\u2043', '\u2212':
		return '-'
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return -1
	}
	return r
}
