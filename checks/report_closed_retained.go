package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// reportClosedRetained enforces P13: an account that the platform answered `closed` is erased, and never reported, retrieved or used again.
func reportClosedRetained(p *audit.Policy) audit.Check {
	grace := period(p.ClosedGrace)
	return audit.Check{
		ID: "report-closed-retained", Clause: "P13", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "accounts answered `closed`, later reported or retrieved again",
		Title: "Closed accounts are still reported or retrieved",
		Rule: "Let C be the first answer `closed` for an account to this app, in the result of a report that counts (status 200 or 204). " +
			"A report that counts and holds the account, or a retrieval of it, at more than " + grace + " after C. An occurrence is such a report or call.\n\n" +
			"Boundaries: exactly " + grace + " after C is still fine, a nanosecond later is not. A later answer, whatever it says, does not move C.",
		Remediation: "Erase the accounts shown, in every copy and cache, and take them out of what is reported and of every job that retrieves addresses. Process each `closed` within " + grace + " of the answer.",

		Needs:      []audit.Kind{audit.KindReports},
		NeedsIfSet: []audit.Kind{audit.KindAccess},
		NoSites:    true,
		Touched:    []audit.Touch{audit.TouchCalls, audit.TouchReports, audit.TouchClosed},
		Reads:      func(p *audit.Policy) any { return p.ClosedGrace },

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			if d.Answers.Accounts.Len() == 0 {
				return nil
			}
			if err := closedRetrieved(d, day, t); err != nil {
				return err
			}
			return closedReported(d, day, t)
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("%s held or got %s more than %s after the platform had answered `closed` for them, %s.",
				count(f.Occurrences, "report or call", "reports and calls"), accounts(f.Accounts), period(p.ClosedGrace), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Ann is answered `closed` on 10 November at noon. The app retrieves her address 24 hours and a nanosecond later, and still reports her, with bob, on the 20th.",
				Dossier: tell("2026-11-22T02:30:00Z").
					reports("2026-11-10T12:00:00Z", "ann", "bob").closed("ann").
					retrieves("2026-11-11T12:00:00.000000001Z", "site-1", "ann", "bob").
					reports("2026-11-20T12:00:00Z", "ann", "bob").closed("ann").
					dossier,
				Finds: []audit.Found{{Occurrences: 2, Accounts: 1}},
			},
			Complies: audit.Case{
				Story: "The same answer. The app retrieves and reports ann exactly 24 hours later; a report on the 20th that holds her was refused (400), and so does not count.",
				Dossier: tell("2026-11-22T02:30:00Z").
					reports("2026-11-10T12:00:00Z", "ann", "bob").closed("ann").
					retrieves("2026-11-11T12:00:00Z", "site-1", "ann", "bob").
					reports("2026-11-11T12:00:00Z", "ann", "bob").
					reportsRefused(400, "2026-11-20T12:00:00Z", "ann", "bob").
					reports("2026-11-20T12:00:01Z", "bob").
					dossier,
			},
		},
	}
}

// A closing is when the accounts of a day's table were first answered `closed`.
type closing struct {
	at    []audit.Instant // by ordinal; Never: they were not
	first audit.Instant   // of all
}

func closings(d *audit.Dossier, ids audit.IDs) closing {
	c := closing{first: audit.Never}
	eachAnswered(d, ids, func(i, answer int) {
		at := d.Answers.Closed[answer]
		if at == audit.Never {
			return
		}
		if c.at == nil {
			c.at = make([]audit.Instant, ids.Len())
			for j := range c.at {
				c.at[j] = audit.Never
			}
		}
		c.at[i] = at
		c.first = min(c.first, at)
	})
	return c
}

// over says whether an account had been answered `closed` more than the grace before t.
func (c *closing) over(account uint32, t audit.Instant, p *audit.Policy) bool {
	return t > c.at[account].Add(p.ClosedGrace)
}

// detail tells when the first of accounts was answered `closed`.
func (c *closing) detail(what string, accounts []uint32) func() string {
	return func() string { return what + ", answered closed by " + moment(c.at[accounts[0]]) }
}

func closedRetrieved(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
	calls, err := d.Days.Calls(day)
	if err != nil || len(calls.Calls) == 0 {
		return err
	}
	closed := closings(d, calls.Accounts)
	if closed.at == nil {
		return nil
	}
	for i := range calls.Calls {
		c := &calls.Calls[i]
		if c.At > d.AsOf {
			break
		}
		if c.At <= closed.first || !c.Retrieval() {
			continue
		}
		rules := d.Rules.At(c.At)
		var over []uint32
		for _, a := range c.Accounts {
			if closed.over(a, c.At, rules.Policy) {
				over = append(over, a)
			}
		}
		if over != nil {
			t.Call("", calls, c, over, closed.detail("retrieved", over))
		}
	}
	return nil
}

func closedReported(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
	reports, err := d.Days.Reports(day)
	if err != nil || len(reports.Reports) == 0 {
		return err
	}
	closed := closings(d, reports.Accounts)
	if closed.at == nil {
		return nil
	}
	for i := range reports.Reports {
		r := &reports.Reports[i]
		if r.At > d.AsOf {
			break
		}
		if r.At <= closed.first || !r.Counts() {
			continue
		}
		rules := d.Rules.At(r.At)
		var over []uint32
		for _, a := range r.Accounts {
			if closed.over(a.Account, r.At, rules.Policy) {
				over = append(over, a.Account)
			}
		}
		if over != nil {
			t.Report("", reports, r, over, closed.detail("reported", over))
		}
	}
	return nil
}
