package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// accessNotInstalled enforces P10: access lasts only while the app is installed on that site.
func accessNotInstalled(p *audit.Policy) audit.Check {
	grace := period(p.UninstallGrace)
	return audit.Check{
		ID: "access-not-installed", Clause: "P10", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "addresses retrieved on a site where the app was not installed at that moment",
		Title: "Addresses retrieved on sites where the app was not installed",
		Rule: "A call under an app key that was answered with status 200 and at least one account, on a site where the app was not installed at that moment: " +
			"it had become inactive (uninstalled or disabled, with nothing but such events since) more than " + grace + " before; or no event of the app on that site is known up to the call, " +
			"the installs source is complete since a moment not after the call, and the first later event, if any, is `installed`.\n\n" +
			"Boundaries: a call exactly " + grace + " after the app left is not judged, one a nanosecond later is found. Of events at one instant installed, enabled and present win. " +
			"Where nobody can say (within the " + grace + "; before complete_since; a first event that presumes an earlier one), the call is not judged, and counted as unknown in the run.",
		Remediation: "Stop all processing for a site when its uninstalled or disabled event arrives: drop its credentials, cancel its queued and scheduled jobs. Erase the addresses that were retrieved on the sites shown, " +
			"and find out how calls could still be made for them.",

		Needs:   []audit.Kind{audit.KindAccess, audit.KindInstalls},
		Touched: []audit.Touch{audit.TouchCalls, audit.TouchInstall},
		Reads:   func(p *audit.Policy) any { return p.UninstallGrace },

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			if d.Key == "" {
				return nil
			}
			calls, err := d.Days.Calls(day)
			if err != nil {
				return err
			}
			at := make([]*audit.SiteEvents, len(calls.Sites))
			for i, site := range calls.Sites {
				at[i] = d.Site(site)
			}
			for i := range calls.Calls {
				c := &calls.Calls[i]
				if c.At > d.AsOf {
					break
				}
				if !c.Retrieval() {
					continue
				}
				switch state, left := at[c.Site].StateAt(c.At, d.AsOf, d.Rules.At(c.At)); state {
				case audit.NotInstalled:
					notInstalled(t, calls, c, left)
				case audit.UnknownInstall:
					t.Unknown++
				}
			}
			return nil
		},
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("%s of the addresses of %s on %s where the app was not installed (or had left more than %s before), %s.",
				retrievals(f.Occurrences), accounts(f.Accounts), sites(f.Sites), period(p.UninstallGrace), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The app is uninstalled from site-1 at noon and gets two addresses there 5 minutes and a nanosecond later. On site-2, where it is installed only the day after, it gets one.",
				Dossier: tell("2026-11-22T02:30:00Z").
					lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-1", audit.Uninstalled, "2026-11-20T12:00:00Z").
					lifecycle("site-2", audit.Installed, "2026-11-21T00:00:00Z").
					retrieves("2026-11-20T12:05:00.000000001Z", "site-1", "ann", "bob").
					retrieves("2026-11-20T12:00:00Z", "site-2", "ann").
					dossier,
				Finds: []audit.Found{{Occurrences: 2, Accounts: 2, Sites: 2}},
			},
			Complies: audit.Case{
				Story: "The app is uninstalled from site-1 at noon and calls exactly 5 minutes later. On site-2 uninstalled and installed fall on one instant, and it is installed. What is first known of site-3 is that the app leaves it: it must have been there.",
				Dossier: tell("2026-11-22T02:30:00Z").
					lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-1", audit.Uninstalled, "2026-11-20T12:00:00Z").
					lifecycle("site-2", audit.Installed, "2026-11-20T00:00:00Z").
					lifecycle("site-2", audit.Uninstalled, "2026-11-20T00:00:00Z").
					lifecycle("site-3", audit.Uninstalled, "2026-11-21T00:00:00Z").
					retrieves("2026-11-20T12:05:00Z", "site-1", "ann", "bob").
					retrieves("2026-11-20T12:00:00Z", "site-2", "ann").
					retrieves("2026-11-20T12:00:00Z", "site-3", "ann").
					dossier,
			},
		},
	}
}

// notInstalled counts a call on a site that the app had left, or where it had not been yet (left is Ever).
func notInstalled(t *audit.Tally, calls *audit.CallDay, c *audit.Call, left audit.Instant) {
	t.Call("", calls, c, c.Accounts, func() string {
		if left == audit.Ever {
			return how(c) + ", not installed there before"
		}
		return how(c) + ", the app left at " + moment(left)
	})
}
