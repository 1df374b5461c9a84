package checks

import (
	"fmt"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// doubt tells why a canary mail shows only that the app may have sent it; "" where it shows that it did.
func doubt(d *audit.Dossier, o *audit.Observation) string {
	switch {
	case d.Canaries.RetrievedByAnother(o.Account, d.Key, d.AsOf):
		return "another app retrieved this canary too"
	case !o.Mail.Proved:
		return "the sender is not proved"
	}
	return ""
}

// mailCount counts a canary mail, with what a reviewer needs to know of it.
func mailCount(d *audit.Dossier, t *audit.Tally, subject string, o *audit.Observation, what string) {
	detail := what + ", " + from(o.Mail)
	why := doubt(d, o)
	if why != "" {
		detail += "; " + why
	}
	t.Observed(subject, audit.Observed{Observation: o, Accounts: []string{o.Account}, Details: map[string]string{o.Account: detail + in(o)}, Doubtful: why != ""})
}

// from tells who sent a mail.
func from(m *audit.MailReading) string {
	switch senders := m.Senders(); {
	case len(senders) == 0:
		return "from nobody"
	case m.From != "" && len(senders) == 1:
		return "from " + m.From
	case m.From != "":
		return "from " + m.From + " (of " + strings.Join(senders, ", ") + ")"
	default:
		return "by " + strings.Join(senders, ", ")
	}
}

// kindDetail tells a mail's kind and the signs that show it.
func kindDetail(m *audit.MailReading) string {
	const most = 4
	signs := m.Signs
	more := ""
	if len(signs) > most {
		signs, more = signs[:most], ", …"
	}
	if len(signs) == 0 {
		return "mail of kind " + m.Kind
	}
	return "mail of kind " + m.Kind + " (" + strings.Join(signs, ", ") + more + ")"
}

// judgeMail finds the canary mails of a day whose kind has a ruling.
func judgeMail(want func(ruling) bool) func(*audit.Dossier, audit.Day, *audit.Tally) error {
	return eachOf(func(d *audit.Dossier, o *audit.Observation, t *audit.Tally) {
		subject, is := audit.OtherMail, notApproved
		if o.Mail.Kind != audit.OtherMail {
			is = ruleOn(d, d.Rules.At(o.At).Policy, o.Mail.Kind, o.At).ruling
			subject = audit.PurposeSubject(o.Mail.Kind)
		}
		if want(is) {
			mailCount(d, t, subject, o, kindDetail(o.Mail))
		}
	}, audit.KindMail)
}

const whatCanariesAre = "A mail was caught in a canary mailbox: an account that the platform seeded on a site where only this app could have fetched its address. "

const whoSentIt = " Who sent it counts as proved where an Authentication-Results header of the configured server passes a DKIM or SPF that is aligned with From; else, or where another app retrieved that canary too, " +
	"the occurrence is possible only, and a finding is as sure as its surest occurrence."

var (
	mailNeeds      = []audit.Kind{audit.KindMail, audit.KindApps}
	mailNeedsIfSet = []audit.Kind{audit.KindAccess}
)

// mailProhibited enforces P6: some mail is never approved.
func mailProhibited(p *audit.Policy) audit.Check {
	return audit.Check{
		ID: "mail-prohibited", Clause: "P6", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Likely,

		Finds: "canary mail of a prohibited kind",
		Title: "Mail of a prohibited kind (%s)",
		Rule: whatCanariesAre + "Its kind, by its headers, wording and structure, is one that the policy prohibits: " + listed(p.Prohibited) + ". The subject is the kind. An occurrence is a mail.\n\n" +
			"Boundaries: it is found even where an approval in force names the kind." + whoSentIt,
		Remediation: "Stop this mail at once, for good: no request for it can be approved. Take the addresses that came from the Email API out of the lists that it is sent to, erase them where they are kept for it only, and say how many people were mailed, and when.",

		Needs: mailNeeds, NeedsIfSet: mailNeedsIfSet,
		Touched: []audit.Touch{audit.TouchMail},

		Days: judgeMail(func(r ruling) bool { return r == prohibited }),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s of kind %s reached %s%s, %s. Mail of that kind is never approved.%s",
				mails(f.Occurrences), f.Subject, canaries(f.Accounts), onSites(f), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "A newsletter reaches two canaries on two sites. By mistake, the approval even names marketing.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts", "marketing").
					mailed("2026-11-20T12:00:00Z", "site-1", "canary-1", mail("marketing", "acme.example")).
					mailed("2026-11-21T12:00:00Z", "site-2", "canary-2", mail("marketing", "acme.example")).
					dossier,
				Finds: []audit.Found{{Subject: "marketing", Occurrences: 2, Accounts: 2, Sites: 2}},
			},
			Complies: audit.Case{
				Story: "A security alert, which is approved, an invitation, which is not, and a receipt reach a canary: at most mail-not-approved's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail("security-alerts", "acme.example")).
					mailed("2026-11-20T12:00:01Z", "site-1", "canary", mail("user-invitations", "acme.example")).
					mailed("2026-11-20T12:00:02Z", "site-1", "canary", mail("other", "acme.example")).
					dossier,
			},
		},
	}
}

// mailNotApproved enforces P7: an app mails for what was approved.
func mailNotApproved() audit.Check {
	return audit.Check{
		ID: "mail-not-approved", Clause: "P7", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Likely,
		Grade: func(subject string) (audit.Severity, audit.Confidence) {
			if subject == audit.OtherMail {
				return audit.Low, audit.Possible
			}
			return audit.High, audit.Likely
		},

		Finds: "canary mail of a kind not approved for this app",
		Title: "Mail of a kind that is not approved (%s)",
		Rule: whatCanariesAre + "Its kind, by its headers, wording and structure, is not prohibited, and not among the purposes in force when it was received. The subject is the kind. An occurrence is a mail.\n\n" +
			"Boundaries: mail that is of none of the policy's kinds is filed as `other`: low, and possible only. Without an approval in force no kind is approved." + whoSentIt,
		Remediation: "Stop this mail until a new or updated request that describes it is approved. If an approved functionality sends it, say which, so that the reviewer can tell.",

		Needs: mailNeeds, NeedsIfSet: mailNeedsIfSet,
		Touched: []audit.Touch{audit.TouchMail, audit.TouchApproval},

		Days: judgeMail(func(r ruling) bool { return r == notApproved || r == undeclared }),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			what := "of kind " + f.Subject
			if f.Subject == audit.OtherMail {
				what = "of no approved kind"
			}
			return fmt.Sprintf("%s %s reached %s%s, %s. The approvals in force did not name it.%s",
				mails(f.Occurrences), what, canaries(f.Accounts), onSites(f), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Security-alerts are approved, invitations from noon. An invitation comes a nanosecond before noon, and later a receipt.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					approval("2026-11-20T12:00:00Z", "", "user-invitations").
					mailed("2026-11-20T11:59:59.999999999Z", "site-1", "canary", mail("user-invitations", "acme.example")).
					mailed("2026-11-21T12:00:00Z", "site-1", "canary", mail("other", "acme.example")).
					dossier,
				Finds: []audit.Found{{Subject: "other", Occurrences: 1, Accounts: 1, Sites: 1}, {Subject: "user-invitations", Occurrences: 1, Accounts: 1, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "The invitation comes at noon. A newsletter is mail-prohibited's.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					approval("2026-11-20T12:00:00Z", "", "user-invitations").
					mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail("user-invitations", "acme.example")).
					mailed("2026-11-21T12:00:00Z", "site-1", "canary", mail("marketing", "acme.example")).
					dossier,
			},
		},
	}
}

// mailThirdParty enforces P9: who mails on behalf of an app has the address.
func mailThirdParty() audit.Check {
	return audit.Check{
		ID: "mail-third-party", Clause: "P9", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Certain,

		Finds: "canary mail from a sender that is neither the vendor nor declared",
		Title: "Mail from a third party (%s)",
		Rule: whatCanariesAre + "The registrable domain of its From, its envelope's sender or a DKIM signature is neither one of the app's `domains`, nor that of its descriptor's `baseUrl`, nor the platform's, " +
			"nor among the `third_parties` of an approval in force when it was received. The subject is that domain. An occurrence is a mail.\n\n" +
			"Boundaries: a mail service that the approval names is no third party. Registry entry and approvals are those that held when the mail was received." + whoSentIt,
		Remediation: "Say how this sender got the address. Stop passing addresses to it, and have it erase them; or, if the mail cannot be sent without it, name it in a new or updated request as a sub-processor first.",

		Needs: mailNeeds, NeedsIfSet: mailNeedsIfSet,
		Touched: []audit.Touch{audit.TouchMail, audit.TouchApproval, audit.TouchRegistry},

		Days: eachOf(func(d *audit.Dossier, o *audit.Observation, t *audit.Tally) {
			may := circleAt(d, o.At)
			for _, host := range o.Mail.Senders() {
				if subject := may.outside(host); subject != "" {
					mailCount(d, t, subject, o, "mail of kind "+o.Mail.Kind)
				}
			}
		}, audit.KindMail),
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			return fmt.Sprintf("%s from %s reached %s%s, %s. It is not the vendor's, and no approval in force named it.%s",
				mails(f.Occurrences), f.Subject, canaries(f.Accounts), onSites(f), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "A mail comes from leads.example, another from the vendor by way of sendgrid.net, which an approval names only from the day after.",
				Dossier: tell("2026-11-22T02:30:00Z").
					entry(domains("acme.example")).
					approval("2026-11-21T00:00:00Z", "", "security-alerts").thirdParties("sendgrid.net").
					mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail("marketing", "news.leads.example")).
					mailed("2026-11-20T13:00:00Z", "site-1", "canary", mail("security-alerts", "acme.example", "em1.sendgrid.net")).
					dossier,
				Finds: []audit.Found{{Subject: "leads.example", Occurrences: 1, Accounts: 1, Sites: 1}, {Subject: "sendgrid.net", Occurrences: 1, Accounts: 1, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "The vendor mails from a host of its own, by way of sendgrid.net, which the approval in force names.",
				Dossier: tell("2026-11-22T02:30:00Z").
					entry(domains("acme.example")).
					approval("2026-01-01T00:00:00Z", "", "security-alerts").thirdParties("sendgrid.net").
					mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail("security-alerts", "mail.acme.example", "em1.sendgrid.net")).
					dossier,
			},
		},
	}
}

// mailAfterUninstall enforces P10: after the app has left a site, nobody there is mailed.
func mailAfterUninstall(p *audit.Policy) audit.Check {
	grace := period(p.MailAfter)
	return audit.Check{
		ID: "mail-after-uninstall", Clause: "P10", Nature: audit.IsEvent,
		Severity: audit.Critical, Confidence: audit.Certain,

		Finds: "canary mail sent after the app left the site",
		Title: "Mail to people of sites that the app has left",
		Rule: whatCanariesAre + "It was received more than " + grace + " after the app became inactive on the canary's site (uninstalled or disabled, with nothing but such events since). An occurrence is a mail.\n\n" +
			"Boundaries: a mail exactly " + grace + " after is fine, one a nanosecond later is found. Of events at one instant installed, enabled and present win. A site that the app is not known to have left is not judged." + whoSentIt,
		Remediation: "Stop all mail to people of a site when its uninstalled or disabled event arrives, and erase their addresses. Erase those of the sites shown now, and find out from which list they were mailed.",

		Needs: []audit.Kind{audit.KindMail, audit.KindInstalls}, NeedsIfSet: mailNeedsIfSet,
		Touched: []audit.Touch{audit.TouchMail, audit.TouchInstall},

		Days: eachOf(func(d *audit.Dossier, o *audit.Observation, t *audit.Tally) {
			rules := d.Rules.At(o.At)
			if _, left := d.Site(o.Site).StateAt(o.At, d.AsOf, rules); left != audit.Ever && o.At > left.Add(rules.Policy.MailAfter) {
				mailCount(d, t, "", o, "mail of kind "+o.Mail.Kind+", the app left at "+moment(left))
			}
		}, audit.KindMail),
		Explain: func(f *audit.Finding, p *audit.Policy) string {
			return fmt.Sprintf("%s reached %s%s more than %s after the app had left, %s.%s",
				mails(f.Occurrences), canaries(f.Accounts), onSites(f), period(p.MailAfter), window(f), first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "The app is uninstalled from site-1 at noon, and a canary there is mailed 24 hours and a nanosecond later.",
				Dossier: tell("2026-11-22T02:30:00Z").
					lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-1", audit.Uninstalled, "2026-11-20T12:00:00Z").
					mailed("2026-11-21T12:00:00.000000001Z", "site-1", "canary", mail("security-alerts", "acme.example")).
					dossier,
				Finds: []audit.Found{{Occurrences: 1, Accounts: 1, Sites: 1}},
			},
			Complies: audit.Case{
				Story: "A canary on site-1 is mailed exactly 24 hours after the uninstall. site-2 has the app again when its canary is mailed; of site-3 nothing is known.",
				Dossier: tell("2026-11-22T02:30:00Z").
					lifecycle("site-1", audit.Installed, "2026-01-01T00:00:00Z").
					lifecycle("site-1", audit.Uninstalled, "2026-11-20T12:00:00Z").
					lifecycle("site-2", audit.Uninstalled, "2026-11-18T12:00:00Z").
					lifecycle("site-2", audit.Installed, "2026-11-21T12:00:00Z").
					mailed("2026-11-21T12:00:00Z", "site-1", "canary-1", mail("security-alerts", "acme.example")).
					mailed("2026-11-21T12:00:00Z", "site-2", "canary-2", mail("security-alerts", "acme.example")).
					mailed("2026-11-21T12:00:00Z", "site-3", "canary-3", mail("security-alerts", "acme.example")).
					dossier,
			},
		},
	}
}
