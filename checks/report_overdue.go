package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// reportOverdue enforces P3: an app that stores personal data reports what it stores every 15 days.
func reportOverdue(p *audit.Policy) audit.Check {
	cycle, grace := period(p.ReportingPeriod), period(p.IncidentGrace)
	return audit.Check{
		ID: "report-overdue", Clause: "P3", Nature: audit.IsState,
		Severity: audit.High, Confidence: audit.Certain,

		Finds: "stores personal data, and no report that counts for more than " + cycle,
		Title: "Stored accounts are not reported",
		Rule: "The newest registry entry says stores_personal_data: true. Let R be the last report that counts (status 200 or 204), up to as-of. If R held accounts: as-of is more than " + cycle + " after R. " +
			"If R held none, or there is no report: as-of is more than " + cycle + " after the first retrieval that came after R (or ever), and there is one.\n\n" +
			"Boundaries: exactly " + cycle + " is in time, a nanosecond more is not. Of several reports at one instant, one that held accounts is R. An app that has erased everything says so by an empty report and is not overdue. " +
			"Where an incident of the reporting API covers any part of the last " + grace + " before the deadline, the deadline moves to " + grace + " after the incident's end (and again, if another covers that).",
		Remediation: "Send the ids of all accounts that the app stores through the personal data reporting API now, at most 90 a request, and act on every `closed` and `updated` of the answers. " +
			"Schedule it so that no more than " + cycle + " pass, and repeat what is not answered by 200 or 204. If nothing is stored any more, send one empty report.",

		Needs:      []audit.Kind{audit.KindApps, audit.KindAccess, audit.KindReports},
		NeedsIfSet: []audit.Kind{audit.KindIncidents},
		NoAccounts: true,
		NoSites:    true,

		Holds: func(d *audit.Dossier, t *audit.Tally) error {
			if app := d.Newest(); app == nil || app.Stores == nil || !*app.Stores {
				return nil
			}
			since, held, err := d.LastReport()
			if err != nil {
				return err
			}
			what := "last report"
			if !held {
				what = "first retrieval since an empty report"
				if since == audit.Ever {
					what = "no report, first retrieval"
				}
				if since, err = d.RetrievalAfter(since); err != nil || since == audit.Ever {
					return err
				}
			}
			deadline := d.Deadline(since.Add(d.RulesNow().Policy.ReportingPeriod))
			if d.AsOf <= deadline.At {
				return nil
			}
			source, err := sourceAt(d, since)
			if err != nil {
				return err
			}
			t.State("", audit.Evidence{At: since, Source: source, Detail: fmt.Sprintf("%s at %s, a report was due by %s", what, moment(since), moment(deadline.At))})
			return nil
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("The app stores personal data, and no report of it has counted for more than %s.%s", period(p.ReportingPeriod), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The last report with accounts that counted came 15 days and a nanosecond before as-of; one that followed was answered 503 and does not count.",
				Dossier: tell("2026-11-22T02:30:00.000000001Z").
					reports("2026-11-07T02:30:00Z", "ann", "bob").
					reportsRefused(503, "2026-11-14T02:30:00Z", "ann", "bob").
					dossier,
				Finds: []audit.Found{{Occurrences: 1}},
			},
			Complies: audit.Case{
				Story: "The last report with accounts that counted came exactly 15 days before as-of.",
				Dossier: tell("2026-11-22T02:30:00Z").
					reports("2026-11-07T02:30:00Z", "ann", "bob").
					dossier,
			},
		},
	}
}

// sourceAt is the line of the report that counts, or else of the retrieval, that came at t; none where its day is no longer kept.
func sourceAt(d *audit.Dossier, t audit.Instant) (audit.Source, error) {
	reports, err := d.Days.Reports(t.Day())
	if err != nil {
		return audit.Source{}, err
	}
	for i := range reports.Reports {
		if r := &reports.Reports[i]; r.At == t && r.Counts() {
			return r.Source, nil
		}
	}
	calls, err := d.Days.Calls(t.Day())
	if err != nil {
		return audit.Source{}, err
	}
	for i := range calls.Calls {
		if c := &calls.Calls[i]; c.At == t && c.Retrieval() {
			return c.Source, nil
		}
	}
	return audit.Source{}, nil
}
