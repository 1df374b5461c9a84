package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// reportIncomplete enforces P3: what was retrieved must be among what is reported.
func reportIncomplete(p *audit.Policy) audit.Check {
	cycle, last, grace := period(p.ReportingPeriod), fmt.Sprintf("D+%d", p.ReportingDays()), period(p.IncidentGrace)
	return audit.Check{
		ID: "report-incomplete", Clause: "P3", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Likely,

		Finds: "accounts retrieved and in no report that counts within " + cycle + " after",
		Title: "Retrieved accounts are missing in the reports",
		Rule: "An account was retrieved on UTC day D and is in no report that counts (status 200 or 204) on the UTC days D to " + last + ", while the registry entry that held at the end of that time said stores_personal_data: true. " +
			"An account that was answered `closed`, at any time up to then, is not due. An occurrence is an account and a day D.\n\n" +
			"Boundaries: a report counts from the first instant of D, also before the retrieval, to the last of " + last + "; one at the midnight after comes too late, and one that comes later still undoes nothing. It is examined once that midnight has passed at as-of. " +
			"Where an incident of the reporting API covers any part of the last " + grace + " before that midnight, the deadline moves to " + grace + " after the incident's end (and again, if another covers that), and what comes before it is in time.",
		Remediation: "Report every account whose personal data the app stores, each at least every " + cycle + ", through the personal data reporting API. Compare the accounts shown with what the app holds: report those that it stores, " +
			"and if it does not store what it retrieves, correct the storage statement.",

		Needs:      []audit.Kind{audit.KindApps, audit.KindAccess, audit.KindReports},
		NeedsIfSet: []audit.Kind{audit.KindIncidents},
		NoSites:    true,
		Touched:    []audit.Touch{audit.TouchReporting, audit.TouchRegistry},
		Reads:      func(p *audit.Policy) any { return []any{p.ReportingPeriod, p.IncidentGrace} },

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			deadline := d.ReportBy(day)
			if !deadline.Over(d.AsOf) {
				return nil
			}
			if app := d.App(deadline.At); app == nil || app.Stores == nil || !*app.Stores {
				return nil
			}
			missing, err := unreported(d, day, deadline)
			if err != nil || missing.Len() == 0 {
				return err
			}
			calls, err := d.Days.Calls(day)
			if err != nil {
				return err
			}
			isMissing := make([]bool, calls.Accounts.Len())
			calls.Accounts.Match(missing, func(i, _ int) { isMissing[i] = true })
			detail := func() string { return "in no report up to " + moment(deadline.At) }
			for i := range calls.Calls {
				c := &calls.Calls[i]
				if !c.Retrieval() || c.At > d.AsOf {
					continue
				}
				for _, a := range c.Accounts {
					if isMissing[a] {
						t.Account("", calls, a, c, detail)
					}
				}
			}
			return nil
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("In no report that counts within %s after the retrieval: %s, retrieved %s (%s of an account and a day).",
				period(p.ReportingPeriod), accounts(f.Accounts), window(f), count(f.Occurrences, "pair", "pairs"))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Ann, bob and cid are retrieved on 1 November, ann and bob again on the 2nd. The report of the 16th, the last day for the 1st, has ann only; bob follows at the midnight after it, which is too late for the 1st and in time for the 2nd. Cid is never reported.",
				Dossier: tell("2026-11-18T00:00:00Z").
					retrieves("2026-11-01T00:00:00Z", "site-1", "ann", "bob", "cid").
					retrieves("2026-11-02T10:00:00Z", "site-2", "ann", "bob").
					reports("2026-11-16T23:59:59.999999999Z", "ann").
					reports("2026-11-17T00:00:00Z", "bob").
					dossier,
				Finds: []audit.Found{{Occurrences: 2, Accounts: 2}},
			},
			Complies: audit.Case{
				Story: "The same retrievals. Ann is reported on the morning of the 1st and again on the 16th, bob in the last nanosecond of the 16th; cid is answered `closed` then. What is retrieved on 3 November and never reported is not yet due.",
				Dossier: tell("2026-11-18T23:59:59.999999999Z").
					reports("2026-11-01T00:00:00Z", "ann").
					retrieves("2026-11-01T08:00:00Z", "site-1", "ann", "bob", "cid").
					retrieves("2026-11-02T10:00:00Z", "site-2", "ann", "bob").
					retrieves("2026-11-03T00:00:00Z", "site-2", "dan").
					reports("2026-11-16T12:00:00Z", "ann").
					reports("2026-11-16T23:59:59.999999999Z", "bob").closed("cid").
					dossier,
			},
		},
	}
}

// unreported is the accounts retrieved on day that neither came in a report that counts by the deadline, nor were answered `closed` by then.
func unreported(d *audit.Dossier, day audit.Day, deadline audit.Deadline) (audit.IDs, error) {
	due, err := d.Days.Retrieved(day)
	if err != nil || due.Len() == 0 {
		return audit.IDs{}, err
	}
	last := deadline.At.Day()
	for on := day; on < last && due.Len() > 0; on++ {
		stored, err := d.Days.Stored(on)
		if err != nil {
			return audit.IDs{}, err
		}
		due = due.Minus(stored)
	}
	if deadline.Moved && due.Len() > 0 {
		reports, err := d.Days.Reports(last)
		if err != nil {
			return audit.IDs{}, err
		}
		kept := make([]bool, reports.Accounts.Len())
		for i := range reports.Reports {
			if r := &reports.Reports[i]; r.Counts() && deadline.Kept(r.At) {
				for _, a := range r.Accounts {
					kept[a.Account] = true
				}
			}
		}
		due = due.Minus(reports.Accounts.Select(func(i int) bool { return kept[i] }))
	}
	closed := make([]bool, due.Len())
	eachAnswered(d, due, func(i, answer int) { closed[i] = deadline.Kept(d.Answers.Closed[answer]) })
	return due.Select(func(i int) bool { return !closed[i] }), nil
}

// eachAnswered visits the ids for which the platform ever gave the app an answer, by their ordinals in ids and among the answers.
func eachAnswered(d *audit.Dossier, ids audit.IDs, visit func(i, answer int)) {
	if ids.Len() < d.Answers.Accounts.Len()/64 {
		for i := range ids.Len() {
			if answer, ok := d.Answers.Accounts.Index(ids.At(i)); ok {
				visit(i, answer)
			}
		}
		return
	}
	ids.Match(d.Answers.Accounts, visit)
}
