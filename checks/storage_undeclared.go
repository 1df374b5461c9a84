package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// storageUndeclared enforces P2: an app says whether it stores personal data, and what it says is true. The signs need different sources, so each is a part
// of the check.
func storageUndeclared(part string) audit.Check {
	return audit.Check{
		ID: "storage-undeclared", Part: part, Clause: "P2", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Likely,

		Finds:       "says it stores nothing (or says nothing), and behaves as if it did",
		Title:       "Stores personal data without saying so (%s)",
		Remediation: "Correct the storage statement of the listing (or of the request, for an unlisted app) to say that personal data is collected and stored, or stop storing it and send one empty report.",
		NoSites:     true,
	}
}

// storageByReports finds apps that report stored accounts.
func storageByReports() audit.Check {
	c := storageUndeclared("reports")
	c.Rule = "A report that counts (status 200 or 204) and holds accounts, from an app whose registry entry that held at that moment said stores_personal_data: false, or made no statement (null). " +
		"The subject is the sign: `reports`. An occurrence is such a report, and all its accounts count.\n\n" +
		"Boundaries: an empty report says that nothing is stored, and is fine. An app that the registry did not list is not judged. The first entry of an app holds from ever, a later one from the as-of of the run that first read it."
	c.Needs = []audit.Kind{audit.KindApps, audit.KindReports}
	c.Touched = []audit.Touch{audit.TouchReports, audit.TouchRegistry}
	c.Reads = nothing
	c.Days = func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
		if !maySayNothing(d) {
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
			app := d.App(r.At)
			if app == nil || app.Stores != nil && *app.Stores {
				continue
			}
			held := make([]uint32, len(r.Accounts))
			for j := range r.Accounts {
				held[j] = r.Accounts[j].Account
			}
			t.Report("reports", reports, r, held, func() string {
				if app.Stores == nil {
					return accounts(len(held)) + ", no storage statement"
				}
				return accounts(len(held)) + ", said to store nothing"
			})
		}
		return nil
	}
	c.Explain = func(f *audit.Finding, _ *audit.Policy) string {
		return fmt.Sprintf("%s of stored data held %s, %s, while the registry did not say that the app stores personal data.",
			reports(f.Occurrences), accounts(f.Accounts), window(f))
	}
	c.Proof = audit.Proof{
		Violates: audit.Case{
			Story: "An app makes no storage statement and reports two stored accounts; from 15 November on it says that it stores nothing, and reports one.",
			Dossier: tell("2026-11-22T02:30:00Z").
				entry(stores(nil)).
				entryFrom("2026-11-15T00:00:00Z", stores(new(false))).
				reports("2026-11-10T12:00:00Z", "ann", "bob").
				reports("2026-11-20T12:00:00Z", "ann").
				dossier,
			Finds: []audit.Found{{Subject: "reports", Occurrences: 2, Accounts: 2}},
		},
		Complies: audit.Case{
			Story: "An app says that it stores nothing and reports no accounts. From 15 November on it says that it does, and at that moment reports one.",
			Dossier: tell("2026-11-22T02:30:00Z").
				entry(stores(new(false))).
				entryFrom("2026-11-15T00:00:00Z").
				reports("2026-11-10T12:00:00Z").
				reportsRefused(500, "2026-11-10T12:00:01Z", "ann").
				reports("2026-11-15T00:00:00Z", "ann").
				dossier,
		},
	}
	return c
}

// storageByStaleMail finds apps that mail people whose address they cannot have but from a store of their own.
func storageByStaleMail(p *audit.Policy) audit.Check {
	fresh := period(p.FreshRetrieval)
	c := storageUndeclared("stale-mail")
	c.Rule = whatCanariesAre + "The app had not retrieved the canary's address in the " + fresh + " before it was received, and its registry entry that held at that moment said stores_personal_data: false, or made no statement (null). " +
		"The subject is the sign: `stale-mail`. An occurrence is a mail.\n\n" +
		"Boundaries: a retrieval exactly " + fresh + " before, or at the very moment, is recent enough. An app that the registry did not list is not judged." + whoSentIt
	c.Needs = []audit.Kind{audit.KindApps, audit.KindAccess, audit.KindMail}
	c.Touched = []audit.Touch{audit.TouchMail, audit.TouchRetrieved, audit.TouchRegistry}
	c.LooksBack = (*audit.Policy).FreshDays
	c.Days = func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
		if !maySayNothing(d) {
			return nil
		}
		mails, err := d.Observed(day, audit.KindMail)
		if err != nil {
			return err
		}
		for i := range mails {
			o := &mails[i]
			app := d.App(o.At)
			if app == nil || app.Stores != nil && *app.Stores {
				continue
			}
			fresh, err := d.RetrievedBetween(o.Account, o.At.Add(-d.Rules.At(o.At).Policy.FreshRetrieval), o.At)
			if err != nil {
				return err
			}
			if !fresh {
				mailCount(d, t, "stale-mail", o, "no retrieval of it in the "+period(d.Rules.At(o.At).Policy.FreshRetrieval)+" before")
			}
		}
		return nil
	}
	c.Explain = func(f *audit.Finding, p *audit.Policy) string {
		return fmt.Sprintf("%s reached %s without a retrieval of the address in the %s before, %s, while the registry did not say that the app stores personal data.",
			mails(f.Occurrences), canaries(f.Accounts), period(p.FreshRetrieval), window(f))
	}
	c.Proof = audit.Proof{
		Violates: audit.Case{
			Story: "An app that makes no storage statement retrieves a canary's address, and mails it 7 days and a nanosecond later.",
			Dossier: tell("2026-11-22T02:30:00Z").
				entry(stores(nil)).
				retrieves("2026-11-10T12:00:00Z", "site-1", "canary").
				mailed("2026-11-17T12:00:00.000000001Z", "site-1", "canary", mail("security-alerts", "acme.example")).
				dossier,
			Finds: []audit.Found{{Subject: "stale-mail", Occurrences: 1, Accounts: 1}},
		},
		Complies: audit.Case{
			Story: "An app that says it stores nothing mails exactly 7 days after it retrieved the address, and once again at the moment of another retrieval.",
			Dossier: tell("2026-11-22T02:30:00Z").
				entry(stores(new(false))).
				retrieves("2026-11-10T12:00:00Z", "site-1", "canary").
				retrieves("2026-11-20T12:00:00Z", "site-1", "canary").
				mailed("2026-11-17T12:00:00Z", "site-1", "canary", mail("security-alerts", "acme.example")).
				mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail("security-alerts", "acme.example")).
				dossier,
		},
	}
	return c
}

// maySayNothing says whether any registry entry of the app does not say that it stores personal data.
func maySayNothing(d *audit.Dossier) bool {
	for i := range d.Versions {
		if app := d.Versions[i].App; app != nil && (app.Stores == nil || !*app.Stores) {
			return true
		}
	}
	return false
}
