package email

import (
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Samples are invented notices, of every kind, to look at and to try templates with.
func Samples() []notifier.Notice {
	at := time.Date(2026, 11, 27, 2, 30, 0, 0, time.UTC)
	due := time.Date(2026, 12, 26, 2, 41, 0, 0, time.UTC)
	answer := notifier.NoticeAnswer{
		URL:     "https://reviews.platform.example/v/N-1042?sig=4f1c9a",
		ReplyTo: "email-api-compliance@platform.example",
		How:     "Open the page below, or reply to this message and keep the notice's number in the subject. You can say what you changed, ask once for more time, or dispute a finding. Nothing is decided while a dispute is open.",
	}
	marketing := notifier.NoticeFinding{
		ID: "F-7QK2M4", Check: "purpose-prohibited", Clause: "P6",
		ClauseText: "Addresses from the Email API are never approved for newsletters, campaigns and other marketing.",
		Severity:   "critical", AppKey: "com.acme.mailer", AppName: "Acme Mailer", Subject: "marketing",
		Title:       "Addresses retrieved for a purpose that is never approved: marketing",
		Seen:        "In 412 calls from 20 to 26 November the app declared the purpose “marketing” and received the addresses of 97 accounts on 3 sites. One such call is enough for this finding.",
		Occurrences: 412, Accounts: 97, Sites: 3,
		First: time.Date(2026, 11, 20, 3, 14, 15, 0, time.UTC), Last: time.Date(2026, 11, 26, 22, 58, 1, 0, time.UTC),
		ToDo:    "Stop retrieving addresses for marketing, and erase those that were retrieved for it. Then tell us since when the release without it is out.",
		DueDays: 28,
	}
	for i := range 10 {
		marketing.Evidence = append(marketing.Evidence, notifier.NoticeEvidence{
			At:     time.Date(2026, 11, 26, 22-2*i, 58-i, 1, 0, time.UTC),
			Site:   []string{"7d5a1c5e-0b1f-4a53-9b0e-2f6c2d8d1a01", "c0ffee00-1111-4222-8333-444455556666", "0f1e2d3c-4b5a-4697-8877-665544332211"}[i%3],
			Detail: "GET /rest/api/3/user/email/bulk, purpose marketing, 12 accounts",
		})
	}
	scope := notifier.NoticeFinding{
		ID: "F-3XN8ZD", Check: "scope-unapproved", Clause: "P1",
		ClauseText: "Only apps that were approved may retrieve addresses through the Email API.",
		Severity:   "medium", AppKey: "com.acme.forms", AppName: "Acme Forms", Subject: "read:email-address:jira",
		Title:       "The app asks for an e-mail scope, and has no approval",
		Seen:        "The app's manifest asks for read:email-address:jira. No approval is in force for it, and no request is pending.",
		Occurrences: 1, First: at, Last: at,
		ToDo:    "Ask for approval with the form below, or release a version without the scope.",
		DueDays: 56, FormURL: "https://reviews.platform.example/request?app=com.acme.forms",
	}
	exposure := notifier.NoticeFinding{
		ID: "F-9B1TRW", Check: "ui-exposure", Clause: "P8",
		ClauseText: "An address may not be shown in the app's pages: it is hidden by default, and showing it tells it to other users of the site.",
		Severity:   "critical", AppKey: "com.acme.mailer", AppName: "Acme Mailer", Subject: "html",
		Title:       "Addresses are visible in the app's pages",
		Seen:        "A page of the app that we opened on 26 November showed the addresses of 3 accounts to another user of the site. One is enough for this finding.",
		Occurrences: 2, Accounts: 3, Sites: 1,
		First: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), Last: time.Date(2026, 11, 26, 9, 5, 0, 0, time.UTC),
		Evidence: []notifier.NoticeEvidence{{At: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), Site: "7d5a1c5e-0b1f-4a53-9b0e-2f6c2d8d1a01", Detail: "table.recipients, third column"}},
		ToDo:     "Show display names instead, and see that no response or script carries addresses.",
		Incident: true,
		DueDays:  28,
	}
	next := []string{
		"You are reminded 14 and 3 days before the deadline of what is not answered yet.",
		"Seven days after it, a second notice follows.",
		"After that a reviewer decides whether the app may stay on the allow-list of the Email API. A person decides this, not a program.",
	}
	kind := func(k audit.NoticeKind, findings ...notifier.NoticeFinding) notifier.Notice {
		return notifier.Notice{Schema: notifier.NoticeSchema, ID: "N-1042", Kind: k, Vendor: notifier.NoticeVendor{ID: "v1", Name: "Acme"},
			IssuedAt: at, Findings: findings, Answer: answer, Next: next}
	}
	first := kind(audit.FirstNotice, marketing, scope)
	marketing.Due = &due
	reminder := kind(audit.Reminder, marketing)
	reminder.IssuedAt = due.Add(-14 * 24 * time.Hour)
	second := kind(audit.SecondNotice, marketing)
	second.IssuedAt = due.Add(7 * 24 * time.Hour)
	second.Next = next[2:]
	incident := kind(audit.FirstNotice, exposure)
	incident.AnswerHours = 24
	incident.Asks = []string{
		"What kind of data was visible, and to whom?",
		"On how many sites and in which versions of the app?",
		"Since when?",
		"How many users are affected?",
	}
	bare := kind(audit.FirstNotice, scope)
	bare.Vendor.Name, bare.Answer.URL, bare.Next = "", "", nil
	return []notifier.Notice{first, reminder, second, incident, bare}
}
