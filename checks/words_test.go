package checks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// What a platform sets, texts say: no number, purpose or scope of the guideline is left in what reviewers and vendors of another platform read.
func TestTextsFollowThePolicy(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	p := audit.DefaultPolicy()
	p.Approvable, p.Prohibited, p.Scopes = []string{"review-requests", "org-sync"}, []string{"recruiting"}, []string{"user:email", "org:email"}
	p.ReportingPeriod, p.IncidentGrace, p.ClosedGrace, p.UpdatedGrace = 33*day, 9*time.Hour, 10*time.Hour, 11*time.Hour
	p.UninstallGrace, p.RetainedAfter, p.MailAfter, p.FreshRetrieval, p.ProbingCalls = 8*time.Minute, 41*day, 12*time.Hour, 9*day, 77
	p.Drift = audit.DriftBounds{Accounts: 99, Share: 0.025, Learning: 21 * day, Single: []string{"review-requests"}}
	p.Checks = map[string]audit.CheckPolicy{"access-not-app": {Severity: audit.Low}}
	p.Remedies = map[string]audit.Remedy{"access-not-app": {Text: "Use an installation token."}}
	set, err := For(p)
	if err != nil {
		t.Fatal(err)
	}
	of := func(c *audit.Check) string {
		return strings.Join([]string{c.Finds, c.Title, c.Rule, c.Remediation}, "\n")
	}
	for i := range set {
		for _, word := range append(slices.Concat(audit.DefaultPolicy().Approvable, audit.DefaultPolicy().Prohibited), "15 days", "D+15", "30 days", "24 hours", "5 minutes", " 7 days", "first 14 days", "50 accounts", " 5% ", "ACCESS_EMAIL_ADDRESSES") {
			if strings.Contains(of(&set[i]), word) {
				t.Errorf("%s still says %q:\n%s", set[i].Key(), word, of(&set[i]))
			}
		}
	}
	for id, says := range map[string]string{
		"report-overdue": "more than 33 days after R", "report-incomplete": "to the last of D+33", "access-refused-probing": "77 or more", "scope-unapproved": "asks for user:email or org:email, while",
		"access-not-app": "Use an installation token.", "mail-prohibited": "prohibits: recruiting.", "purpose-drift": "Where org-sync, or a purpose of which",
	} {
		if c, _ := set.Get(id); !strings.Contains(of(&c), says) {
			t.Errorf("%s does not say %q:\n%s", id, says, of(&c))
		}
	}
	for name, says := range map[string]string{"P3": "every 33 days", "P5": "review-requests, org-sync", "P6": "recruiting"} {
		if text := Clause(p, name); !strings.Contains(text, says) || Clause(audit.DefaultPolicy(), name) != ClauseText(name) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if c, _ := set.Get("scope-unapproved"); !p.IsEmailScope("USER:Email") || p.IsEmailScope("ACCESS_EMAIL_ADDRESSES") || c.ID == "" {
		t.Error("the scopes are not the policy's")
	}
	p.Remedies["no-such-check"] = audit.Remedy{Text: "x"}
	if _, err := For(p); err == nil || !strings.Contains(err.Error(), `there is no check "no-such-check"`) {
		t.Error(err)
	}
}
