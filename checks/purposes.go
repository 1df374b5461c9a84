package checks

import (
	"cmp"
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// A ruling is what is to be said of a retrieval for its purpose, under an approval. Exactly one holds.
type ruling uint8

const (
	unruled ruling = iota // not asked yet
	inOrder
	undeclared
	notApproved
	prohibited
)

// A verdict is a ruling and the subject that it is filed under.
type verdict struct {
	ruling  ruling
	subject string
}

// ruleOn judges a purpose, as it was declared on a call at a moment with an approval in force, by the policy that held then.
func ruleOn(d *audit.Dossier, p *audit.Policy, declared string, at audit.Instant) verdict {
	purpose := p.Purpose(declared)
	switch {
	case purpose == "":
		return verdict{undeclared, "none"}
	case p.IsProhibited(purpose):
		return verdict{prohibited, audit.PurposeSubject(purpose)}
	}
	named := false
	for i := range d.Approvals {
		a := &d.Approvals[i]
		for _, q := range a.Purposes {
			if p.Purpose(q) == purpose {
				if a.InForce(at) {
					return verdict{ruling: inOrder}
				}
				named = true
			}
		}
	}
	if named || p.IsApprovable(purpose) {
		return verdict{notApproved, audit.PurposeSubject(purpose)}
	}
	return verdict{undeclared, "unknown"}
}

// purposesOf is what a policy says of purposes.
func purposesOf(p *audit.Policy) any { return []any{p.Approvable, p.Prohibited, p.Synonyms} }

// judgePurposes finds the retrievals of a day on which the ruling is want. A call without approval is access-unapproved's, not judged here. Purposes are few:
// they are ruled on first, and where none is wanted no call is looked at.
func judgePurposes(want ruling) func(*audit.Dossier, audit.Day, *audit.Tally) error {
	return func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
		if d.Key == "" {
			return nil
		}
		var failed error
		wanted := func(s *stretch) bool {
			if !s.approved || !s.rules.Purposes || failed != nil {
				return false
			}
			calls, err := d.Days.Calls(day)
			if err != nil {
				failed = err
				return false
			}
			some := false
			s.verdicts = make([]verdict, len(calls.Purposes))
			for i, purpose := range calls.Purposes {
				s.verdicts[i] = ruleOn(d, s.rules.Policy, purpose, s.from)
				some = some || s.verdicts[i].ruling == want
			}
			return some
		}
		err := eachCall(d, day, wanted, func(calls *audit.CallDay, c *audit.Call, s *stretch) {
			if v := &s.verdicts[c.Purpose]; v.ruling == want && c.Retrieval() {
				t.Call(v.subject, calls, c, c.Accounts, func() string {
					return how(c) + ", " + declared(s.rules.Policy, calls.Purposes[c.Purpose])
				})
			}
		})
		return cmp.Or(failed, err)
	}
}

// declared tells what purpose a call gave. Only plain words are repeated: what a caller writes there may be anything.
func declared(p *audit.Policy, purpose string) string {
	switch {
	case p.Purpose(purpose) == "":
		return "no purpose"
	case audit.PurposeSubject(purpose) != purpose:
		return "a purpose that is no plain word"
	}
	return "for " + purpose
}

const whatIsJudged = "A call under an app key that was answered with status 200 and at least one account, at a moment when an approval of the app was in force, "

// purposeUndeclared enforces P7: what an address is for has to be said, in words that the guideline or the app's requests know.
func purposeUndeclared() audit.Check {
	return audit.Check{
		ID: "purpose-undeclared", Clause: "P7", Nature: audit.IsEvent,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "retrieval that declares no purpose, or one that nobody knows",
		Title: "Addresses retrieved without a known purpose (%s)",
		Rule: whatIsJudged + "that declares no purpose (absent, empty or `none`; subject `none`), " +
			"or one that is neither prohibited nor approvable by the policy nor named in any request of the app (subject `unknown`).\n\n" +
			"Boundaries: purposes compare exactly, after the policy's synonyms; letters' case and blanks differ. A purpose that a pending, rejected or ended request names is known. " +
			"Where the gateway does not log purposes (`purposes: false`), this is not looked at.",
		Remediation: "Declare the purpose on every call of the Email API, by the word that the approval uses for it. For a purpose that no request names, request approval first.",

		Needs:    []audit.Kind{audit.KindAccess, audit.KindApps},
		Purposes: true,
		Touched:  []audit.Touch{audit.TouchCalls, audit.TouchApproval},
		Reads:    purposesOf,

		Days: judgePurposes(undeclared),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			what := "declared no purpose"
			if f.Subject == "unknown" {
				what = "declared a purpose that neither the policy nor any request of the app knows"
			}
			return fmt.Sprintf("%s of the addresses of %s on %s, %s, %s.", retrievals(f.Occurrences), accounts(f.Accounts), sites(f.Sites), window(f), what)
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Under an approval for security-alerts the app retrieves once without a purpose, once for `none`, and once for `Security-Alerts`, which nobody knows in this spelling.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					retrievesFor("", "2026-11-20T12:00:00Z", "site-1", "ann").
					retrievesFor("none", "2026-11-20T12:00:01Z", "site-1", "ann", "bob").
					retrievesFor("Security-Alerts", "2026-11-20T12:00:02Z", "site-2", "ann").
					dossier,
				Finds: []audit.Found{
					{Subject: "none", Occurrences: 2, Accounts: 2, Sites: 1},
					{Subject: "unknown", Occurrences: 1, Accounts: 1, Sites: 1},
				},
			},
			Complies: audit.Case{
				Story: "The app retrieves for what is approved, and for `seat-planning`, a purpose of its own that a rejected request names: known, if not approved. A call without purpose comes the moment that the approval ends, and is access-unapproved's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "2026-11-21T00:00:00Z", "security-alerts").
					rejected("2026-02-01T00:00:00Z", "seat-planning").
					retrievesFor("security-alerts", "2026-11-20T12:00:00Z", "site-1", "ann").
					retrievesFor("seat-planning", "2026-11-20T12:00:01Z", "site-1", "ann").
					retrievesFor("", "2026-11-21T00:00:00Z", "site-1", "ann").
					dossier,
			},
		},
	}
}

// purposeNotApproved enforces P7: an address may be used only for the functionality that the approved request describes.
func purposeNotApproved() audit.Check {
	return audit.Check{
		ID: "purpose-not-approved", Clause: "P7", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Certain,

		Finds: "a known purpose that is not among those in force",
		Title: "Addresses retrieved for a purpose that is not approved (%s)",
		Rule: whatIsJudged + "that declares a purpose which is not prohibited and not among the purposes in force at that moment, " +
			"but is approvable by the policy or named in any request of the app. The subject is the purpose.\n\n" +
			"Boundaries: the purposes in force are those of all approvals in force together, each from its decided_at (included) to its revoked_at (excluded). Purposes compare exactly, after the policy's synonyms; " +
			"one that is no plain word of small letters, digits and hyphens, up to 64, is filed as `invalid`. Where the gateway does not log purposes, this is not looked at.",
		Remediation: "Stop using addresses for this purpose until a new or updated request that describes it is approved, and erase what was retrieved for it.",

		Needs:    []audit.Kind{audit.KindAccess, audit.KindApps},
		Purposes: true,
		Touched:  []audit.Touch{audit.TouchCalls, audit.TouchApproval},
		Reads:    purposesOf,

		Days: judgePurposes(notApproved),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s for %s, of the addresses of %s on %s, %s. The approvals in force did not name that purpose.",
				retrievals(f.Occurrences), f.Subject, accounts(f.Accounts), sites(f.Sites), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Security-alerts are approved; user-sync too, from noon. The app retrieves for user-sync a nanosecond before noon, and for seat-planning, which only a pending request names.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					approval("2026-11-20T12:00:00Z", "", "user-sync").
					pending("seat-planning").
					retrievesFor("user-sync", "2026-11-20T11:59:59.999999999Z", "site-1", "ann", "bob").
					retrievesFor("seat-planning", "2026-11-21T12:00:00Z", "site-1", "ann").
					dossier,
				Finds: []audit.Found{
					{Subject: "seat-planning", Occurrences: 1, Accounts: 1, Sites: 1},
					{Subject: "user-sync", Occurrences: 1, Accounts: 2, Sites: 1},
				},
			},
			Complies: audit.Case{
				Story: "The same approvals; the app retrieves for user-sync at noon, and for security-alerts, which the older approval still covers. A call for a purpose that nobody knows is purpose-undeclared's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					approval("2026-11-20T12:00:00Z", "", "user-sync").
					retrievesFor("user-sync", "2026-11-20T12:00:00Z", "site-1", "ann", "bob").
					retrievesFor("security-alerts", "2026-11-20T12:00:00Z", "site-1", "ann").
					retrievesFor("seat-planning", "2026-11-21T12:00:00Z", "site-1", "ann").
					dossier,
			},
		},
	}
}

// purposeProhibited enforces P6: some purposes are never approved, whatever an approval says.
func purposeProhibited(p *audit.Policy) audit.Check {
	return audit.Check{
		ID: "purpose-prohibited", Clause: "P6", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "a purpose that is never approved",
		Title: "Addresses retrieved for a prohibited purpose (%s)",
		Rule: whatIsJudged + "that declares a purpose which the policy prohibits: " + listed(p.Prohibited) + ". The subject is the purpose.\n\n" +
			"Boundaries: it is found even where an approval in force names it. Purposes compare exactly, after the policy's synonyms; " +
			"one that is no plain word of small letters, digits and hyphens, up to 64, is filed as `invalid`. Where the gateway does not log purposes, this is not looked at.",
		Remediation: "Stop this use at once, for good: no request for it can be approved. Erase the addresses that were retrieved for it, and say which mail was sent with them, to how many people, and when.",

		Needs:    []audit.Kind{audit.KindAccess, audit.KindApps},
		Purposes: true,
		Touched:  []audit.Touch{audit.TouchCalls, audit.TouchApproval},
		Reads:    purposesOf,

		Days: judgePurposes(prohibited),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s for %s, of the addresses of %s on %s, %s. That purpose is never approved.",
				retrievals(f.Occurrences), f.Subject, accounts(f.Accounts), sites(f.Sites), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The app retrieves for marketing, on two sites; by mistake, its approval even names it.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts", "marketing").
					retrievesFor("marketing", "2026-11-20T12:00:00Z", "site-1", "ann", "bob").
					retrievesFor("marketing", "2026-11-21T12:00:00Z", "site-2", "ann").
					dossier,
				Finds: []audit.Found{{Subject: "marketing", Occurrences: 2, Accounts: 2, Sites: 2}},
			},
			Complies: audit.Case{
				Story: "The app retrieves for subscribed-alerts, which is approved, and for `Marketing`, which is not the policy's word and so purpose-undeclared's. A call for marketing was refused.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "subscribed-alerts").
					retrievesFor("subscribed-alerts", "2026-11-20T12:00:00Z", "site-1", "ann").
					retrievesFor("Marketing", "2026-11-20T12:00:00Z", "site-1", "ann").
					refusedFor("marketing", "2026-11-20T12:00:00Z", "site-1").
					dossier,
			},
		},
	}
}
