package mailkind

import (
	"slices"
	"strings"
	"testing"
)

func kindOf(t *testing.T, mail string) Verdict {
	t.Helper()
	m, _, err := Read(strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	return m.Kind()
}

func TestHeadersOfMailingServicesAloneMakeNoMarketing(t *testing.T) {
	const bulk = "List-Unsubscribe: <https://u.example/1>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\nFeedback-ID: 1:2:3\nX-SG-EID: x\nX-Mailgun-Sid: y\n"
	for want, mail := range map[string]string{
		SubscribedAlerts: "Subject: [TEAM-7] Kim commented\n\nKim commented on an issue that you watch. Unsubscribe",
		SecurityAlerts:   "Subject: Your password was changed\n\nIf this was not you, contact support. Unsubscribe",
		ErrorReports:     "Subject: Nightly backup failed\n\nThe backup failed with exit code 1. Unsubscribe",
		Other:            "Subject: Your invoice for May\n\nAmount due: $20.00. Unsubscribe",
		UserInvitations:  "Subject: Kim invited you to the board\n\nKim has invited you to join the board. Unsubscribe",
	} {
		if got := kindOf(t, bulk+mail); got.Kind != want {
			t.Errorf("%s, not %s: %q", got.Kind, want, got.Signs)
		}
	}
}

func TestACampaignHeaderTipsTheScales(t *testing.T) {
	const mail = "Subject: Spring\n\nThe garden is open, and so are we."
	if got := kindOf(t, mail); got.Kind != Other || got.Sure {
		t.Errorf("without: %+v", got)
	}
	got := kindOf(t, "X-Campaign-Id: 7\nList-Unsubscribe: <https://u.example>\nPrecedence: bulk\n"+mail)
	if got.Kind != Marketing || got.Sure || !slices.Contains(got.Signs, "header X-Campaign-Id") {
		t.Errorf("with: %+v", got)
	}
}

func TestAMailIsWhatItOpensWith(t *testing.T) {
	for want, mail := range map[string]string{
		SecurityAlerts:   "Subject: New sign-in to your account\n\nWe noticed a new sign-in from Oslo. If this was not you, change your password.\n\nUpgrade to Pro and save 20%! Shop now. Read our newsletter. Unsubscribe",
		UserInvitations:  "Subject: Kim invited you to join Acme\n\nKim has invited you to join the team. Sign up now and get 50% off with the discount code JOIN.",
		Other:            "Subject: Your order has shipped\n\nTrack your order below. You may also like: 20% off our new arrivals, this week only. Shop now.",
		RenewalReminders: "Subject: Your trial ends in 3 days\n\nUpgrade to Pro today and get 10% off, unlimited projects and premium support.",
		CompanyEvents:    "Subject: You're invited to our webinar\n\nJoin us to learn tips and tricks and to see what's new. Register now.",
	} {
		if got := kindOf(t, mail); got.Kind != want {
			t.Errorf("%s, not %s: %q", got.Kind, want, got.Signs)
		}
	}
}

func TestTheVerdictIsAFunctionOfTheMail(t *testing.T) {
	mails, _ := ownMails(t, "second.txt")
	for _, mail := range mails {
		first := kindOf(t, mail)
		for range 3 {
			if again := kindOf(t, mail); again.Kind != first.Kind || again.Sure != first.Sure || !slices.Equal(again.Signs, first.Signs) {
				t.Fatalf("%+v, then %+v", first, again)
			}
		}
	}
}

func TestWhatABrowserDoesNotShowTellsNothing(t *testing.T) {
	got := kindOf(t, "Content-Type: text/html\n\n<html><head><title>Sale</title><style>.sale{}</style></head><body><!-- 50% off -->"+
		"<div style=\"display: none\">50% off, shop now, <div>discount</div> code</div><p>Your password was changed. If this was not you, tell us.</p></body></html>")
	if got.Kind != SecurityAlerts {
		t.Errorf("%+v", got)
	}
	for _, s := range got.Signs {
		if strings.Contains(s, "offer") {
			t.Errorf("%q", s)
		}
	}
}
