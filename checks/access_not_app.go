package checks

import (
	"fmt"

	"github.com/mailreeve/mailreeve/audit"
)

// accessNotApp enforces P11: only apps may call the API, as themselves.
func accessNotApp() audit.Check {
	return audit.Check{
		ID: "access-not-app", Clause: "P11", Nature: audit.IsEvent,
		Severity: audit.High, Confidence: audit.Certain,

		Finds: "retrieval with `api-token`, `basic`, `session`, `forge-user`, or no app at all",
		Title: "Addresses retrieved otherwise than as an app (%s)",
		Rule: "A call that was answered with status 200 and at least one account, and that was authenticated by api-token, basic, session or forge-user; or, however it was authenticated, one without an app key. " +
			"The subject is the kind of authentication.\n\n" +
			"Boundaries: connect-jwt, oauth2 and forge-app under an app key are an app's own. Calls without an app key are filed under the empty key, and no other check judges them.",
		Remediation: "Call the Email API as the app only: Connect by its JWT, OAuth 2.0 by the app's own grant, Forge by asApp() and never asUser(). Remove personal API tokens, basic authentication and scripts, " +
			"revoke the tokens that were used, and erase what they retrieved.",

		Needs:   []audit.Kind{audit.KindAccess},
		Touched: []audit.Touch{audit.TouchCalls},
		Reads:   nothing,

		Days: func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
			calls, err := d.Days.Calls(day)
			if err != nil {
				return err
			}
			for i := range calls.Calls {
				c := &calls.Calls[i]
				if c.At > d.AsOf {
					break
				}
				if c.Retrieval() && (d.Key == "" || !c.Auth.IsApp()) {
					t.Call(c.Auth.String(), calls, c, c.Accounts, func() string { return how(c) })
				}
			}
			return nil
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			by := f.Subject
			if x := otherwise(f.Subject); x != "" {
				by += " (" + x + ")"
			}
			who := "under the app's key"
			if f.App == "" {
				who = "without any app key"
			}
			return fmt.Sprintf("%s by %s, %s, of the addresses of %s on %s, %s.",
				retrievals(f.Occurrences), by, who, accounts(f.Accounts), sites(f.Sites), window(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "A script uses the app's key with a personal API token, twice; the Forge app calls once as the user.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					retrievesBy(audit.APIToken, "2026-11-20T12:00:00Z", "site-1", "ann").
					retrievesBy(audit.APIToken, "2026-11-20T12:00:01Z", "site-1", "bob").
					retrievesBy(audit.ForgeUser, "2026-11-21T12:00:00Z", "site-2", "ann").
					dossier,
				Finds: []audit.Found{
					{Subject: "api-token", Occurrences: 2, Accounts: 2, Sites: 1},
					{Subject: "forge-user", Occurrences: 1, Accounts: 1, Sites: 1},
				},
			},
			Complies: audit.Case{
				Story: "The app calls by connect-jwt, oauth2 and forge-app. A call with a session was refused, another found no account.",
				Dossier: tell("2026-11-22T02:30:00Z").
					approval("2026-01-01T00:00:00Z", "", "security-alerts").
					retrievesBy(audit.ConnectJWT, "2026-11-20T12:00:00Z", "site-1", "ann").
					retrievesBy(audit.OAuth2, "2026-11-20T12:00:01Z", "site-1", "ann").
					retrievesBy(audit.ForgeApp, "2026-11-20T12:00:02Z", "site-1", "ann").
					refusedBy(audit.Session, "2026-11-20T12:00:03Z", "site-1").
					retrievesBy(audit.Session, "2026-11-20T12:00:04Z", "site-1").
					dossier,
			},
		},
	}
}

// otherwise says in plain words how a call was made otherwise than as an app: platforms have words of their own. "" where it was made as one.
func otherwise(auth string) string {
	return map[string]string{
		audit.ForgeUser.String(): "the app acting as a user",
		audit.APIToken.String():  "a token that a person made",
		audit.Basic.String():     "a password or key",
		audit.Session.String():   "a browser's session",
	}[auth]
}
