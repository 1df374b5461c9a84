package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// reportUpdatedIgnored enforces P13: data of an account that the platform answered `updated` is erased or fetched again.
func reportUpdatedIgnored(p *audit.Policy) audit.Check {
	grace := period(p.UpdatedGrace)
	return audit.Check{
		ID: "report-updated-ignored", Clause: "P13", Nature: audit.IsEvent,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "accounts answered `updated`, still reported with an older `updated_at`, never fetched again",
		Title: "Updated accounts are reported as they were",
		Rule: "In a report that counts (status 200 or 204), at R: an account with updated_at given; the latest answer `updated` for it more than " + grace + " before R, at U, exists; updated_at is before U; " +
			"and the app did not retrieve the account after U and up to R. An occurrence is such a report.\n\n" +
			"Boundaries: an answer exactly " + grace + " before R is not yet held against it; an updated_at equal to U is fine; a retrieval at U does not count, one at R does. An account without updated_at is not judged.",
		Remediation: "For each account answered `updated`, erase its data or retrieve it again within " + grace + ", and report it with the time of that retrieval as updated_at.",

		Needs:   []audit.Kind{audit.KindReports, audit.KindAccess},
		NoSites: true,
		Touched: []audit.Touch{audit.TouchReports, audit.TouchUpdated},
		Reads:   func(p *audit.Policy) any { return p.UpdatedGrace },

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			if d.Answers.Accounts.Len() == 0 {
				return nil
			}
			reports, err := d.Days.Reports(day)
			if err != nil || len(reports.Reports) == 0 {
				return err
			}
			var updates [][]audit.Update // by ordinal
			eachAnswered(d, reports.Accounts, func(i, answer int) {
				if u := d.Answers.Updated[answer]; len(u) > 0 {
					if updates == nil {
						updates = make([][]audit.Update, reports.Accounts.Len())
					}
					updates[i] = u
				}
			})
			if updates == nil {
				return nil
			}
			for i := range reports.Reports {
				r := &reports.Reports[i]
				if r.At > d.AsOf {
					break
				}
				if !r.Counts() {
					continue
				}
				grace := d.Rules.At(r.At).Policy.UpdatedGrace
				var ignored []uint32
				for j := range r.Accounts {
					if a := &r.Accounts[j]; ignores(a, latestUpdate(updates[a.Account], r.At.Add(-grace)), r.At) {
						ignored = append(ignored, a.Account)
					}
				}
				if ignored != nil {
					t.Report("", reports, r, ignored, func() string {
						return "updated at " + moment(latestUpdate(updates[ignored[0]], r.At.Add(-grace)).At) + ", not retrieved since"
					})
				}
			}
			return nil
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("%s held %s with an updated_at from before the answer `updated`, more than %s after that answer and without another retrieval, %s.",
				reports(f.Occurrences), accounts(f.Accounts), period(p.UpdatedGrace), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Ann and bob are answered `updated` on 10 November at noon. 24 hours and a nanosecond later both are reported as of a nanosecond before that; only bob's address was retrieved again.",
				Dossier: tell("2026-11-22T02:30:00Z").
					reports("2026-11-10T12:00:00Z", "ann", "bob").updated("ann", "bob").
					retrieves("2026-11-10T12:00:00Z", "site-1", "ann").
					retrieves("2026-11-11T12:00:00.000000001Z", "site-1", "bob").
					reportsAsOf("2026-11-10T11:59:59.999999999Z", "2026-11-11T12:00:00.000000001Z", "ann", "bob").
					dossier,
				Finds: []audit.Found{{Occurrences: 1, Accounts: 1}},
			},
			Complies: audit.Case{
				Story: "The same answers. The report exactly 24 hours later may still hold both as they were; the next day ann is reported as of the very moment of the answer, and bob without any.",
				Dossier: tell("2026-11-22T02:30:00Z").
					reports("2026-11-10T12:00:00Z", "ann", "bob").updated("ann", "bob").
					reportsAsOf("2026-11-10T11:59:59.999999999Z", "2026-11-11T12:00:00Z", "ann", "bob").
					reportsAsOf("2026-11-10T12:00:00Z", "2026-11-12T12:00:00Z", "ann").
					reports("2026-11-12T12:00:00Z", "bob").
					dossier,
			},
		},
	}
}

// latestUpdate is the last of updates before t; nil where there is none.
func latestUpdate(updates []audit.Update, t audit.Instant) *audit.Update {
	for i := len(updates) - 1; i >= 0; i-- {
		if updates[i].At < t {
			return &updates[i]
		}
	}
	return nil
}

// ignores says whether an account, as it was reported at r, shows that nothing was done about u.
func ignores(a *audit.Reported, u *audit.Update, r audit.Instant) bool {
	return u != nil && a.Updated != audit.Ever && a.Updated < u.At && u.Retrieved > r
}
