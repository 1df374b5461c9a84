package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// thirdPartySharing enforces P9: an address is not shared with third parties that the approval does not name.
func thirdPartySharing() audit.Check {
	return audit.Check{
		ID: "third-party-sharing", Clause: "P9", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "an address, or its hash, sent to a host neither the vendor's nor declared",
		Title: "Addresses sent to a third party (%s)",
		Rule: "In a capture the browser sends the address of an account, or a hash of it, to a host (URL, headers, cookies, body, socket), or a canary mail holds a URL that carries one (image, link, style sheet), and " +
			"the host's registrable domain is neither one of the app's `domains`, nor that of its descriptor's `baseUrl`, nor one of the platform's or of the captured page itself, nor among the `third_parties` of an approval in force at that moment. " +
			"The subject is the host's registrable domain. An occurrence is a capture or a mail, and all accounts whose address it sends there count.\n\n" +
			"Boundaries: the viewer's own address counts, and so does the canary's. Only the addresses of the `addresses` source count, in whatever disguise. Registrable domains are those of the public suffix list; an IP address is its own. " +
			"Registry entry and approvals are those that held when the capture was taken or the mail received.",
		Remediation: "Stop sending addresses and hashes of them to this host: take them out of URLs, analytics and error reports, and set a referrer policy. If the service cannot be provided without it, name it in a new or updated request as a sub-processor first. " +
			"Have the third party erase what it got, and say when it did.",

		Needs:      []audit.Kind{audit.KindAddresses, audit.KindApps},
		NeedsOneOf: []audit.Kind{audit.KindCaptures, audit.KindMail},
		ByPlace:    true,
		Touched:    []audit.Touch{audit.TouchCaptures, audit.TouchMail, audit.TouchApproval, audit.TouchRegistry},

		Days: eachOf(sharing, audit.KindCaptures, audit.KindMail),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("The addresses of %s%s, or hashes of them, go to %s: seen in %s, %s. No approval in force named it.%s",
				accounts(f.Accounts), onSites(f), f.Subject, count(f.Occurrences, "capture or mail", "captures and mails"), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "dora's browser sends her own address and ann's to two hosts of tracker.example, and bob's to sendgrid.net, which an approval names only from the day after. A link of a canary mail carries a hash of the address to beacon.example.",
				Dossier: tell("2026-11-22T02:30:00Z").
					entry(domains("acme.example")).
					approval("2026-11-21T00:00:00Z", "", "security-alerts").thirdParties("sendgrid.net").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", sent("dora", "a.tracker.example"), sent("ann", "b.tracker.example"), sent("bob", "api.sendgrid.net")).
					mailed("2026-11-20T13:00:00Z", "site-2", "canary", mail("security-alerts", "acme.example"), hashed(sent("canary", "beacon.example"), "md5")).
					dossier,
				Finds: []audit.Found{{Subject: "beacon.example", Occurrences: 1, Accounts: 1, Sites: 1}, {Subject: "sendgrid.net", Occurrences: 1, Accounts: 1, Sites: 1},
					{Subject: "tracker.example", Occurrences: 1, Accounts: 2, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "The browser sends addresses to a host of the vendor's, to the platform, to the page's own host, and to sendgrid.net while an approval names it; and it gets one from elsewhere.",
				Dossier: tell("2026-11-22T02:30:00Z").
					entry(domains("acme.example")).
					approval("2026-11-20T12:00:00Z", "", "security-alerts").thirdParties("https://api.sendgrid.net/v3").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", sent("dora", "api.acme.example"), sent("ann", "x.atlassian.net"), sent("ann", "cdn.pages.example"),
						sent("bob", "mail.sendgrid.net"), payload("carl")).
					dossier,
			},
		},
	}
}

// sharing counts what one capture or mail sends outside the circle.
func sharing(d *audit.Dossier, o *audit.Observation, t *audit.Tally) {
	var may circle
	found := bySubject{}
	for i := range o.Sightings {
		s := &o.Sightings[i]
		if s.Place != audit.Sent {
			continue
		}
		if may == nil {
			may = circleAt(d, o.At)
			may.add(o.URL)
		}
		if subject := may.outside(s.Host); subject != "" {
			found.add(subject, o, s)
		}
	}
	found.count(t, o)
}
