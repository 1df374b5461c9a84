package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// retainedAfterUninstall enforces P10: after the uninstall, personal data is erased.
func retainedAfterUninstall(p *audit.Policy) audit.Check {
	after := period(p.RetainedAfter)
	return audit.Check{
		ID: "retained-after-uninstall", Clause: "P10", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Likely,

		Finds: "installed nowhere for more than " + after + ", and still reports stored accounts",
		Title: "Still stores accounts although it is installed nowhere",
		Rule: "A report that counts (status 200 or 204) and holds accounts, at R, when every site that has events of the app up to as-of had been not installed for more than " + after + ": " +
			"at least one site was left, each of those more than " + after + " before R, and those whose events all come after R begin with `installed`. " +
			"The installs source must be complete since a moment not after the last leaving, so that no other site can be meant. All accounts of the report count.\n\n" +
			"Boundaries: a report exactly " + after + " after the last leaving is fine, a nanosecond later is not. A site is left at the first uninstalled or disabled after which only such events came. An empty report is what is wanted. " +
			"Where a site's state is unknown, nothing is found.",
		Remediation: "Erase the personal data of all accounts that came from sites which have uninstalled the app, then send one empty report. Erase within " + after + " of each uninstall from now on.",

		Needs:   []audit.Kind{audit.KindReports, audit.KindInstalls},
		NoSites: true,
		Touched: []audit.Touch{audit.TouchReports, audit.TouchLeaving},
		Reads:   func(p *audit.Policy) any { return []any{p.RetainedAfter, p.UninstallGrace} },

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			if !mayBeGone(d, day) {
				return nil
			}
			reports, err := d.Days.Reports(day)
			if err != nil {
				return err
			}
			for i := range reports.Reports {
				r := &reports.Reports[i]
				if r.At > d.AsOf {
					break
				}
				if !r.Counts() || len(r.Accounts) == 0 {
					continue
				}
				if !isGone(d, r.At) {
					continue
				}
				held := make([]uint32, len(r.Accounts))
				for j := range r.Accounts {
					held[j] = r.Accounts[j].Account
				}
				t.Report("", reports, r, held, func() string { return accounts(len(held)) + ", installed nowhere" })
			}
			return nil
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("%s still held %s, %s, when the app had been installed nowhere for more than %s.",
				reports(f.Occurrences), accounts(f.Accounts), window(f), period(p.RetainedAfter))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The app leaves its two sites, the last on 1 October at noon. 30 days and a nanosecond later it still reports two accounts. Another site installs it afterwards.",
				Dossier: tell("2026-11-22T02:30:00Z").
					lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-1", audit.Uninstalled, "2026-09-01T00:00:00Z").
					lifecycle("site-2", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-2", audit.Disabled, "2026-10-01T12:00:00Z").
					lifecycle("site-2", audit.Uninstalled, "2026-10-05T00:00:00Z").
					lifecycle("site-3", audit.Installed, "2026-11-01T00:00:00Z").
					reports("2026-10-31T12:00:00.000000001Z", "ann", "bob").
					dossier,
				Finds: []audit.Found{{Occurrences: 1, Accounts: 2}},
			},
			Complies: audit.Case{
				Story: "The same leavings. The app reports two accounts exactly " + after + " after the last; on 20 November it reports that it stores none.",
				Dossier: tell("2026-11-22T02:30:00Z").
					lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-1", audit.Uninstalled, "2026-09-01T00:00:00Z").
					lifecycle("site-2", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-2", audit.Disabled, "2026-10-01T12:00:00Z").
					reports("2026-10-31T12:00:00Z", "ann", "bob").
					reports("2026-11-20T12:00:00Z").
					dossier,
			},
		},
	}
}

// mayBeGone says whether isGone may hold at any moment of day. It is quick, and says no for every app that is in use somewhere.
func mayBeGone(d *audit.Dossier, day audit.Day) bool {
	start, end := day.Start(), day.End()
	wait := d.Rules.At(start).Policy.RetainedAfter
	for i := range d.Rules {
		if d.Rules[i].From > start && d.Rules[i].From < end {
			wait = min(wait, d.Rules[i].Policy.RetainedAfter)
		}
	}
	for i := range d.Sites {
		events := d.Sites[i].Events
		n := 0
		for n < len(events) && events[n].At < start && events[n].At <= d.AsOf {
			n++
		}
		if n == 0 {
			continue
		}
		left := start // at the earliest, where it was still in use
		if !events[n-1].Event.Active() {
			for n--; n > 0 && !events[n-1].Event.Active(); {
				n--
			}
			left = events[n].At
		}
		if end <= left.Add(wait) {
			return false
		}
	}
	return len(d.Sites) > 0
}

// isGone says whether the app had been installed nowhere for long at t.
func isGone(d *audit.Dossier, t audit.Instant) bool {
	rules := d.Rules.At(t)
	last := audit.Ever // when it left its last site
	for i := range d.Sites {
		site := &d.Sites[i]
		if len(site.Events) == 0 || site.Events[0].At > d.AsOf {
			continue
		}
		state, left := site.StateAt(t, d.AsOf, rules)
		if state != audit.NotInstalled {
			return false
		}
		if left != audit.Ever {
			if t <= left.Add(rules.Policy.RetainedAfter) {
				return false
			}
			last = max(last, left)
		}
	}
	return last != audit.Ever && rules.CompleteSince <= last
}
