package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// exposures judges captures, each by what the browser got of other people than the viewer.
func exposures(judge func(o *audit.Observation, seen []*audit.Sighting, found bySubject)) func(*audit.Dossier, audit.Day, *audit.Tally) error {
	return eachOf(func(_ *audit.Dossier, o *audit.Observation, t *audit.Tally) {
		var seen []*audit.Sighting
		for i := range o.Sightings {
			if s := &o.Sightings[i]; s.Place != audit.Sent && s.Account != o.Account {
				seen = append(seen, s)
			}
		}
		found := bySubject{}
		judge(o, seen, found)
		found.count(t, o)
	}, audit.KindCaptures)
}

const (
	whatCounts = "Only the addresses of the `addresses` source count, in whatever disguise: others, such as support contacts and placeholders, are nobody's. " +
		"The viewer's own is no exposure. A capture is looked into once, in the run that first reads it and can look at the addresses."
	whatCapturesAre = "An occurrence is a capture; the subject is its kind: `html`, `har`, `text` or `js`."
)

var exposureNeeds = []audit.Kind{audit.KindCaptures, audit.KindAddresses}

// uiExposure enforces P8: an app does not show addresses.
func uiExposure() audit.Check {
	return audit.Check{
		ID: "ui-exposure", Clause: "P8", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "an address visible in the UI",
		Title: "Addresses visible in the app's UI (%s)",
		Rule: "A capture of the app's UI shows the address of an account that is not the viewer's: in rendered text, or in an attribute that a browser shows (title, alt, placeholder, value, aria-label). " +
			whatCapturesAre + " All accounts whose address it shows count.\n\n" +
			"Boundaries: " + whatCounts + " What a browser makes readable (Cloudflare's data-cfemail, text that runs backwards) is visible; hidden elements, scripts and comments are payload, see ui-payload-exposure.",
		Remediation: "Take the address out of what the app shows: the profile hides it by default, and showing it leaks it to every user of the site. Show the display name instead. Say since when it was shown, and where else the same component is used.",

		Needs:   exposureNeeds,
		ByPlace: true,
		Touched: []audit.Touch{audit.TouchCaptures},

		Days: exposures(func(o *audit.Observation, seen []*audit.Sighting, found bySubject) {
			for _, s := range seen {
				if s.Place == audit.Shown && s.Hash == "" {
					found.add(string(o.Form), o, s)
				}
			}
		}),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s of the app's UI showed the addresses of %s%s, %s.%s", captures(f.Occurrences), accounts(f.Accounts), onSites(f), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Two pages, taken as dora, show addresses: the first ann's and bob's, the second ann's in a title attribute. A script carries carl's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHTML, "dora", shown("ann"), shown("bob")).
					captured("2026-11-21T12:00:00Z", "site-1", audit.CaptureHTML, "dora", shown("ann", "attribute title")).
					captured("2026-11-21T12:00:01Z", "site-2", audit.CaptureJS, "dora", payload("carl")).
					dossier,
				Finds: []audit.Found{{Subject: "html", Occurrences: 2, Accounts: 2, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "The page shows dora her own address, the payload carries ann's, the page shows a hash of bob's, and the browser sends carl's: other checks' matters, or none.",
				Dossier: tell("2026-11-22T02:30:00Z").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", shown("dora"), payload("ann"), hashed(shown("bob"), "md5"), sent("carl", "tracker.example")).
					dossier,
			},
		},
	}
}

// uiPayloadExposure enforces P8: what reaches the browser can be read there.
func uiPayloadExposure() audit.Check {
	return audit.Check{
		ID: "ui-payload-exposure", Clause: "P8", Nature: audit.IsEvent,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "an address sent to the browser though not shown",
		Title: "Addresses in what the app sends to the browser (%s)",
		Rule: "A capture of the app's UI holds the address of an account that is not the viewer's where the browser gets it but does not show it: hidden elements, scripts, comments, attributes, responses, headers, storage. " +
			whatCapturesAre + " All accounts whose address it holds so, and does not show, count.\n\n" +
			"Boundaries: " + whatCounts + " An address that the same capture also shows is ui-exposure only. What the browser sends (a HAR's requests and sockets) is third-party-sharing's.",
		Remediation: "Do not send addresses to the browser: every user of the page can read them in its source, whatever is shown. Resolve them on the server, and send account ids.",

		Needs:   exposureNeeds,
		ByPlace: true,
		Touched: []audit.Touch{audit.TouchCaptures},

		Days: exposures(func(o *audit.Observation, seen []*audit.Sighting, found bySubject) {
			visible := map[string]bool{} // accounts
			for _, s := range seen {
				if s.Place == audit.Shown && s.Hash == "" {
					visible[s.Account] = true
				}
			}
			for _, s := range seen {
				if s.Place == audit.Payload && s.Hash == "" && !visible[s.Account] {
					found.add(string(o.Form), o, s)
				}
			}
		}),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s of the app's UI held the addresses of %s%s without showing them, %s.%s", captures(f.Occurrences), accounts(f.Accounts), onSites(f), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "A script carries ann's address. A page shows bob's, and carries his and carl's in a comment: of that page only carl's is payload.",
				Dossier: tell("2026-11-22T02:30:00Z").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureJS, "dora", payload("ann")).
					captured("2026-11-21T12:00:00Z", "site-1", audit.CaptureHTML, "dora", shown("bob"), payload("bob"), payload("carl")).
					dossier,
				Finds: []audit.Found{{Subject: "html", Occurrences: 1, Accounts: 1, Sites: 1}, {Subject: "js", Occurrences: 1, Accounts: 1, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "The payload holds dora's own address and a hash of ann's, the page shows bob's, which it also carries, and the browser sends carl's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", payload("dora"), hashed(payload("ann"), "sha256"), shown("bob"), payload("bob"), sent("carl", "tracker.example")).
					dossier,
			},
		},
	}
}

// uiHashExposure enforces P8: a hash of an address is as good as the address to whoever has a list of addresses.
func uiHashExposure() audit.Check {
	return audit.Check{
		ID: "ui-hash-exposure", Clause: "P8", Nature: audit.IsEvent,
		Severity: audit.Medium, Confidence: audit.Certain,

		Finds: "a hash of an address in UI or payload",
		Title: "Hashes of addresses in what the app sends to the browser (%s)",
		Rule: "A capture of the app's UI holds, shown or not, a hash of the address of an account that is not the viewer's. The subject is the kind of hash: `md5`, `sha1`, `sha256`, …; of a hash of a hash, the outer one. " +
			"An occurrence is a capture, and all accounts whose hash it holds count.\n\n" +
			"Boundaries: " + whatCounts + " Hashes of the address as given, in lower and in upper case, without gmail's dots and without what follows a plus, with and without the salts that trackers are known to use, count alike.",
		Remediation: "Do not send hashes of addresses to the browser: whoever has a list of addresses can tell whose they are. Use the account id, or a random id of your own. For avatars use the platform's own.",

		Needs:   exposureNeeds,
		ByPlace: true,
		Touched: []audit.Touch{audit.TouchCaptures},

		Days: exposures(func(o *audit.Observation, seen []*audit.Sighting, found bySubject) {
			for _, s := range seen {
				if s.Hash != "" {
					found.add(s.Hash, o, s)
				}
			}
		}),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s of the app's UI held %s hashes of the addresses of %s%s, %s.%s", captures(f.Occurrences), f.Subject, accounts(f.Accounts), onSites(f), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "An avatar's URL holds the md5 of ann's address, and a script the sha256 of ann's and bob's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHTML, "dora", hashed(payload("ann"), "md5")).
					captured("2026-11-21T12:00:00Z", "site-2", audit.CaptureJS, "dora", hashed(payload("ann"), "sha256"), hashed(payload("bob"), "sha256")).
					dossier,
				Finds: []audit.Found{{Subject: "md5", Occurrences: 1, Accounts: 1, Sites: 1}, {Subject: "sha256", Occurrences: 1, Accounts: 2, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "The page holds a hash of dora's own address, and ann's plain one. The browser sends a hash of bob's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", hashed(payload("dora"), "md5"), payload("ann"), hashed(sent("bob", "tracker.example"), "md5")).
					dossier,
			},
		},
	}
}
