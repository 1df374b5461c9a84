package checks

import (
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

func TestExposuresOfOthers(t *testing.T) {
	page := func(seen ...audit.Sighting) *story {
		return tell(noon).captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHTML, "dora", seen...)
	}
	expect(t, "ui-exposure", page(shown("ann")), one("html", 1, 1, 1))
	expect(t, "ui-exposure", page(shown("dora")))
	expect(t, "ui-exposure", page(hashed(shown("ann"), "md5")))
	expect(t, "ui-exposure", page(payload("ann"), sent("ann", "t.example")))
	expect(t, "ui-payload-exposure", page(shown("ann"), payload("ann")))
	expect(t, "ui-payload-exposure", page(shown("ann"), payload("ann"), payload("bob")), one("html", 1, 1, 1))
	expect(t, "ui-payload-exposure", page(hashed(shown("ann"), "md5"), payload("ann")), one("html", 1, 1, 1)) // a hash does not show it
	expect(t, "ui-payload-exposure", page(payload("dora")))
	expect(t, "ui-hash-exposure", page(hashed(shown("ann"), "md5"), hashed(payload("ann"), "sha1"), shown("ann")), one("md5", 1, 1, 1), one("sha1", 1, 1, 1))
	expect(t, "ui-hash-exposure", page(hashed(sent("ann", "t.example"), "md5")))
	// Nobody's eyes: everybody else's address counts.
	expect(t, "ui-exposure", tell(noon).captured("2026-11-20T12:00:00Z", "", audit.CaptureText, "", shown("dora")), one("text", 1, 1, 0))
	// Its time comes.
	expect(t, "ui-exposure", tell("2026-11-20T11:59:59.999999999Z").captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHTML, "dora", shown("ann")))
	expect(t, "ui-exposure", tell("2026-11-20T12:00:00Z").captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHTML, "dora", shown("ann")), one("html", 1, 1, 1))
}

func TestWhoMayHaveAnAddress(t *testing.T) {
	for _, x := range []struct{ host, subject string }{
		{"acme.example", ""}, {"a.b.acme.example", ""}, {"ACME.example", ""},
		{"notacme.example", "notacme.example"}, {"acme.example.org", "example.org"},
		{"acme.example.evil.example", "evil.example"},
		{"x.atlassian.net", ""}, {"atlassian.net.evil.example", "evil.example"},
		{"mx.platform.example", ""}, {"other.platform.example", ""}, // where the canary mailboxes are
		{"api.sendgrid.net", ""}, {"a.github.io", "a.github.io"}, {"b.github.io", ""},
		{"t.tracker.co.uk", "tracker.co.uk"}, {"192.0.2.7", "192.0.2.7"}, {"2001:db8::1", "[2001:db8::1]"}, {"[2001:db8:0::1]", "[2001:db8::1]"}, {"[2001:db8:0::2]", ""}, {"localhost", "localhost"},
		{"cdn.pages.example", ""},                        // the captured page's own
		{"[address].tracker.example", "tracker.example"}, // masked at the door
		{"exam ple", "invalid"},
	} {
		s := tell(noon).entry(domains("acme.example")).
			approval("2026-01-01T00:00:00Z", "2026-11-20T12:00:00.000000001Z", "security-alerts").thirdParties("https://sendgrid.net:443/v3/mail", "*.b.github.io", "2001:db8::2", "Mail Senders, Inc.").
			captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", sent("dora", x.host))
		s.rules.Receivers = []string{"mx.platform.example"}
		if x.subject == "" {
			expect(t, "third-party-sharing", s)
			continue
		}
		expect(t, "third-party-sharing", s, one(x.subject, 1, 1, 1))
	}
	// A moment later the approval has ended.
	s := tell(noon).entry(domains("acme.example")).approval("2026-01-01T00:00:00Z", "2026-11-20T12:00:00Z", "security-alerts").thirdParties("sendgrid.net").
		captured("2026-11-20T12:00:00Z", "site-1", audit.CaptureHAR, "dora", sent("dora", "api.sendgrid.net"))
	expect(t, "third-party-sharing", s, one("sendgrid.net", 1, 1, 1))
	// Domains are those of the entry that held then.
	s = tell(noon).entry(domains("acme.example")).entryFrom("2026-11-20T12:00:00Z", domains("acme.example", "acme-cdn.example")).
		captured("2026-11-20T11:59:59Z", "site-1", audit.CaptureHAR, "dora", sent("dora", "acme-cdn.example")).
		captured("2026-11-20T12:00:00Z", "site-2", audit.CaptureHAR, "dora", sent("dora", "acme-cdn.example"))
	expect(t, "third-party-sharing", s, one("acme-cdn.example", 1, 1, 1))
}

func TestAMailIsAsSureAsItsSender(t *testing.T) {
	const id = "mail-prohibited"
	doubtful := func(s *story, want bool) {
		t.Helper()
		c, _ := Get(id)
		got := find(t, &c, s.dossier())
		if len(got) != 1 || got[0].Doubtful != want {
			t.Errorf("%+v, want one contribution, doubtful: %v", got, want)
		}
	}
	letter := func(m *audit.MailReading) *story {
		return tell(noon).mailed("2026-11-20T12:00:00Z", "site-1", "canary", m)
	}
	doubtful(letter(mail("marketing", "acme.example")), false)
	doubtful(letter(unproved(mail("marketing", "acme.example"))), true)
	doubtful(letter(mail("marketing", "acme.example")).alsoRetrieved("2026-11-01T00:00:00Z", "other", "canary"), true)
	doubtful(letter(mail("marketing", "acme.example")).alsoRetrieved("2026-11-20T20:00:00Z", "other", "canary"), true) // after the mail
	doubtful(letter(mail("marketing", "acme.example")).alsoRetrieved(noon, "other", "canary"), true)
	doubtful(letter(mail("marketing", "acme.example")).alsoRetrieved("2027-01-01T00:00:00Z", "other", "canary"), false) // its time has not come
	doubtful(letter(mail("marketing", "acme.example")).alsoRetrieved("2026-11-01T00:00:00Z", "com.acme.mailer", "canary"), false)
	doubtful(letter(mail("marketing", "acme.example")).alsoRetrieved("2026-11-01T00:00:00Z", "other", "canary-2"), false)
	// The surest of a day counts.
	doubtful(letter(unproved(mail("marketing", "acme.example"))).mailed("2026-11-20T12:00:01Z", "site-1", "canary", mail("marketing", "acme.example")), false)
}

func TestKindsOfMail(t *testing.T) {
	letter := func(kind string) *story {
		return tell(noon).approval("2026-01-01T00:00:00Z", "", "security-alerts", "marketing", "own-words", "other").mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail(kind, "acme.example"))
	}
	expect(t, "mail-prohibited", letter("marketing"), one("marketing", 1, 1, 1))
	expect(t, "mail-not-approved", letter("marketing"))
	expect(t, "mail-not-approved", letter("security-alerts"))
	expect(t, "mail-not-approved", letter("user-sync"), one("user-sync", 1, 1, 1))
	expect(t, "mail-not-approved", letter("other"), one("other", 1, 1, 1)) // even where an approval calls something so
	expect(t, "mail-not-approved", tell(noon).mailed("2026-11-20T12:00:00Z", "site-1", "canary", mail("security-alerts", "acme.example")), one("security-alerts", 1, 1, 1))
	c, _ := Get("mail-not-approved")
	if severity, confidence := c.GradeOf("other"); severity != audit.Low || confidence != audit.Possible {
		t.Errorf("other is %s, %s", severity, confidence)
	}
}

func TestSignalsOfExposure(t *testing.T) {
	signal := func(kind string) *story {
		return tell(noon).signalled("2026-11-20T12:00:00Z", "site-1", kind, "", "")
	}
	for _, kind := range []string{"ui-exposure", "payload-exposure", "exposure"} {
		expect(t, "user-reported-exposure", signal(kind), one("", 1, 0, 1))
	}
	for _, kind := range []string{"slow", "exposures of all kinds", "marketing-mail"} {
		expect(t, "user-reported-exposure", signal(kind))
	}
}
