package oracle

import (
	"html"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

const day = 24 * time.Hour

var approvable = []string{"error-reports", "security-alerts", "subscribed-alerts", "user-invitations", "connect-mail-service", "user-sync"}
var prohibited = []string{"company-events", "marketing", "training-onboarding", "renewal-reminders"}

var plainPurpose = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

func in(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// purposeSubject is the purpose as a subject, or invalid where it does not look like one.
func purposeSubject(p string) string {
	if plainPurpose.MatchString(p) && !strings.HasSuffix(p, "\n") {
		return p
	}
	return "invalid"
}

// approvalAndPurpose gives a retrieval with an app key at most one of access-unapproved and the purpose checks. An app that is not
// in the registry has no approval.
func (a *audit) approvalAndPurpose() {
	if !a.lookedAccess || !a.lookedApps {
		return
	}
	for _, c := range a.calls {
		if !c.retrieval() || c.app == "" || a.unreadable[c.app] {
			continue
		}
		p := a.apps[c.app]
		accounts := held(c.accounts)
		approvals := p.inForce(c.ts)
		if len(approvals) == 0 {
			a.count("access-unapproved", c.app, "", accounts, c.site)
			continue
		}
		if !c.purposes {
			continue
		}
		if c.purpose == "" || c.purpose == "none" {
			a.count("purpose-undeclared", c.app, "none", accounts, c.site)
			continue
		}
		if in(prohibited, c.purpose) {
			a.count("purpose-prohibited", c.app, purposeSubject(c.purpose), accounts, c.site)
			continue
		}
		inForce := false
		for _, x := range approvals {
			if in(x.purposes, c.purpose) {
				inForce = true
			}
		}
		if inForce {
			continue
		}
		named := false
		for _, x := range p.approvals {
			if in(x.purposes, c.purpose) {
				named = true
			}
		}
		if in(approvable, c.purpose) || named {
			a.count("purpose-not-approved", c.app, purposeSubject(c.purpose), accounts, c.site)
			continue
		}
		a.count("purpose-undeclared", c.app, "unknown", accounts, c.site)
	}
}

// refusedProbing: on a UTC day, 10 or more 403 answers at moments with no approval in force. Those answers of such days are the
// occurrences; accounts is 0.
func (a *audit) refusedProbing() {
	if !a.lookedAccess || !a.lookedApps {
		return
	}
	refused := func(c call) bool {
		return c.status == 403 && c.app != "" && !a.unreadable[c.app] && len(a.apps[c.app].inForce(c.ts)) == 0
	}
	for _, c := range a.calls {
		if !refused(c) {
			continue
		}
		n := 0
		for _, d := range a.calls {
			if refused(d) && d.app == c.app && midnight(d.ts).Equal(midnight(c.ts)) {
				n++
			}
		}
		if n >= 10 {
			a.count("access-refused-probing", c.app, "", nil, c.site)
		}
	}
}

// midnight is the start of the UTC day.
func midnight(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// presence is what is known of an app on a site at a moment.
type presence int

const (
	unknown presence = iota
	installed
	notInstalled
)

// lastActive is the last moment up to t at which an event said that the app is there.
func (a *audit) lastActive(app, site string, t time.Time) (time.Time, bool) {
	var last time.Time
	found := false
	for _, e := range a.events {
		if e.app == app && e.site == site && !e.ts.After(t) && e.active() && (!found || e.ts.After(last)) {
			last, found = e.ts, true
		}
	}
	return last, found
}

// left is when the app became inactive on the site, as seen at t: the first uninstalled or disabled after which no active event
// came. Of events at one instant the active ones win.
func (a *audit) left(app, site string, t time.Time) (time.Time, bool) {
	active, ever := a.lastActive(app, site, t)
	var first time.Time
	found := false
	for _, e := range a.events {
		if e.app != app || e.site != site || e.ts.After(t) || e.active() {
			continue
		}
		if ever && !e.ts.After(active) {
			continue
		}
		if !found || e.ts.Before(first) {
			first, found = e.ts, true
		}
	}
	return first, found
}

// at says whether the app was installed on the site at t.
func (a *audit) at(app, site string, t time.Time) presence {
	if left, ok := a.left(app, site, t); ok {
		if t.Sub(left) > 5*time.Minute {
			return notInstalled
		}
		return unknown
	}
	if _, ok := a.lastActive(app, site, t); ok {
		return installed
	}
	// No event at or before t.
	if a.completeSince.IsZero() || a.completeSince.After(t) {
		return unknown
	}
	var first time.Time
	some, isInstalled := false, false
	for _, e := range a.events {
		if e.app != app || e.site != site {
			continue
		}
		switch {
		case !some || e.ts.Before(first):
			first, some, isInstalled = e.ts, true, e.what == "installed"
		case e.ts.Equal(first) && e.what == "installed":
			isInstalled = true
		}
	}
	if !some || isInstalled {
		return notInstalled
	}
	return unknown
}

// notInstalled: addresses retrieved on a site where the app was not installed at that moment.
func (a *audit) notInstalled() {
	if !a.lookedAccess || !a.lookedInstalls {
		return
	}
	for _, c := range a.calls {
		if !c.retrieval() || c.app == "" {
			continue
		}
		switch a.at(c.app, c.site, c.ts) {
		case notInstalled:
			a.count("access-not-installed", c.app, "", held(c.accounts), c.site)
		case unknown:
			a.unknownInstalls++
		}
	}
}

// notApp: retrieval with a person's or a script's credentials, or with no app at all (under the empty key).
func (a *audit) notApp() {
	if !a.lookedAccess {
		return
	}
	for _, c := range a.calls {
		if !c.retrieval() {
			continue
		}
		if c.app == "" || in([]string{"api-token", "basic", "session", "forge-user"}, c.auth) {
			a.count("access-not-app", c.app, c.auth, held(c.accounts), c.site)
		}
	}
}

// deadline moves a deadline to 24 hours after the end of an incident of the reporting API that covers any part of the last 24
// hours before it, and again if another covers that. false: an incident still runs, so the deadline is not there yet.
func (a *audit) deadline(t time.Time) (time.Time, bool) {
	for {
		moved := t
		for _, i := range a.incidents {
			if i.api != "reporting" {
				continue
			}
			// [from, to) and [t-24h, t) have a moment in common.
			if !i.from.Before(t) {
				continue
			}
			if i.to == nil {
				return time.Time{}, false
			}
			if !i.to.After(i.from) || !i.to.After(t.Add(-day)) {
				continue
			}
			if m := i.to.Add(day); m.After(moved) {
				moved = m
			}
		}
		if moved.Equal(t) {
			return t, true
		}
		t = moved
	}
}

func (a *audit) lookedForReporting() bool {
	return a.lookedApps && a.lookedAccess && a.lookedReports && (!a.configuredIncidents || a.lookedIncidents)
}

// overdue: an app that stores personal data and whose last report that counts is too long ago, or whose first retrieval after an
// empty one (or ever) is.
func (a *audit) overdue() {
	if !a.lookedForReporting() {
		return
	}
	for key, p := range a.apps {
		if p.stores == nil || !*p.stores {
			continue
		}
		var last time.Time
		ever, heldAccounts := false, false
		for _, r := range a.reports {
			if r.app != key {
				continue
			}
			switch {
			case !ever || r.ts.After(last):
				last, ever, heldAccounts = r.ts, true, len(r.held()) > 0
			case r.ts.Equal(last) && len(r.held()) > 0:
				heldAccounts = true
			}
		}
		var start time.Time
		if ever && heldAccounts {
			start = last
		} else {
			found := false
			for _, c := range a.calls {
				if c.app != key || !c.retrieval() || ever && !c.ts.After(last) {
					continue
				}
				if !found || c.ts.Before(start) {
					start, found = c.ts, true
				}
			}
			if !found {
				continue
			}
		}
		if due, ok := a.deadline(start.Add(15 * day)); ok && a.asOf.After(due) {
			a.state("report-overdue", key, "")
		}
	}
}

// incomplete: an account retrieved on a UTC day D and in no report on the days D to D+15, examined once D+15 is over. Not due: an
// account answered closed at any time before that. A moved deadline lets reports and answers count up to it.
func (a *audit) incomplete() {
	if !a.lookedForReporting() {
		return
	}
	for key, p := range a.apps {
		if p.stores == nil || !*p.stores {
			continue
		}
		examined := map[string]bool{}
		for _, c := range a.calls {
			if c.app != key || !c.retrieval() {
				continue
			}
			first := midnight(c.ts)
			due, ok := a.deadline(first.AddDate(0, 0, 16))
			if !ok || a.asOf.Before(due) {
				continue
			}
			for _, id := range held(c.accounts) {
				pair := first.Format(time.RFC3339) + " " + id
				if examined[pair] {
					continue
				}
				examined[pair] = true
				excused := false
				for _, r := range a.reports {
					if r.app != key || !r.ts.Before(due) {
						continue
					}
					if !r.ts.Before(first) && r.holds(id) {
						excused = true
					}
					if r.answered(id, "closed") {
						excused = true
					}
				}
				if !excused {
					a.count("report-incomplete", key, "", []string{id})
				}
			}
		}
	}
}

// firstClosed is the first answer closed for the account to the app.
func (a *audit) firstClosed(app, account string) (time.Time, bool) {
	var first time.Time
	found := false
	for _, r := range a.reports {
		if r.app == app && r.answered(account, "closed") && (!found || r.ts.Before(first)) {
			first, found = r.ts, true
		}
	}
	return first, found
}

// closedRetained: reports that hold, and retrievals of, an account more than 24 hours after it was first answered closed.
func (a *audit) closedRetained() {
	if !a.lookedReports || a.configuredAccess && !a.lookedAccess {
		return
	}
	late := func(app string, ids []string, t time.Time) []string {
		var out []string
		for _, id := range ids {
			if c, ok := a.firstClosed(app, id); ok && t.Sub(c) > day {
				out = append(out, id)
			}
		}
		return out
	}
	for _, r := range a.reports {
		if ids := late(r.app, r.held(), r.ts); len(ids) > 0 {
			a.count("report-closed-retained", r.app, "", ids)
		}
	}
	for _, c := range a.calls {
		if c.app == "" || !c.retrieval() {
			continue
		}
		if ids := late(c.app, held(c.accounts), c.ts); len(ids) > 0 {
			a.count("report-closed-retained", c.app, "", ids)
		}
	}
}

// updatedIgnored: in a report at R, an account with an updated_at older than U, the latest answer updated for it more than 24
// hours before R, and no retrieval of it in (U, R].
func (a *audit) updatedIgnored() {
	if !a.lookedReports || !a.lookedAccess {
		return
	}
	for _, r := range a.reports {
		var ids []string
		for _, x := range r.accounts {
			if x.account == "unknown" || x.updatedAt == nil {
				continue
			}
			var u time.Time
			exists := false
			for _, q := range a.reports {
				if q.app == r.app && q.answered(x.account, "updated") && r.ts.Sub(q.ts) > day && (!exists || q.ts.After(u)) {
					u, exists = q.ts, true
				}
			}
			if !exists || !x.updatedAt.Before(u) {
				continue
			}
			fetched := false
			for _, c := range a.calls {
				if c.app == r.app && c.retrieval() && c.holds(x.account) && c.ts.After(u) && !c.ts.After(r.ts) {
					fetched = true
				}
			}
			if !fetched {
				ids = append(ids, x.account)
			}
		}
		if len(ids) > 0 {
			a.count("report-updated-ignored", r.app, "", ids)
		}
	}
}

// retainedAfterUninstall: a report at R that holds accounts, where every site that has events of the app has been not installed
// for more than 30 days at R; complete_since is set and not after the moment of the last leaving. A site whose first event comes
// after R was not installed at R where the rule of absent events says so, else it is unknown and there is no finding.
func (a *audit) retainedAfterUninstall() {
	if !a.lookedReports || !a.lookedInstalls {
		return
	}
	for _, r := range a.reports {
		if len(r.held()) == 0 {
			continue
		}
		var lastLeaving time.Time
		someLeft, all := false, true
		for _, e := range a.events {
			if e.app != r.app {
				continue
			}
			if a.at(e.app, e.site, r.ts) != notInstalled {
				all = false
				continue
			}
			left, ok := a.left(e.app, e.site, r.ts)
			if !ok {
				continue
			}
			if r.ts.Sub(left) <= 30*day {
				all = false
			}
			if !someLeft || left.After(lastLeaving) {
				lastLeaving, someLeft = left, true
			}
		}
		if !all || !someLeft || a.completeSince.IsZero() || a.completeSince.After(lastLeaving) {
			continue
		}
		a.count("retained-after-uninstall", r.app, "", r.held())
	}
}

// storageUndeclared: an app of the registry that does not say that it stores personal data, and reports that hold accounts.
func (a *audit) storageUndeclared() {
	if !a.lookedApps || !a.lookedReports {
		return
	}
	for _, r := range a.reports {
		p, ok := a.apps[r.app]
		if ok && (p.stores == nil || !*p.stores) && len(r.held()) > 0 {
			a.count("storage-undeclared", r.app, "reports", r.held())
		}
	}
}

// audited gives the apps that the registry checks look at: an approval pending or in force at as-of, an e-mail scope asked for, or
// ever retrieved.
func (a *audit) audited() []app {
	if !a.lookedApps {
		return nil
	}
	var out []app
	for _, p := range a.apps {
		retrieved := false
		for _, c := range a.calls {
			if c.app == p.key && c.retrieval() {
				retrieved = true
			}
		}
		if p.pending() || len(p.inForce(a.asOf)) > 0 || p.asks() || retrieved {
			out = append(out, p)
		}
	}
	return out
}

// scopeUnapproved: the app asks for an e-mail scope, has no approval in force and no request pending. The subject is the scope as
// spelled.
func (a *audit) scopeUnapproved() {
	for _, p := range a.audited() {
		if len(p.inForce(a.asOf)) > 0 || p.pending() {
			continue
		}
		for _, s := range p.allScopes() {
			if emailScope(s) {
				a.state("scope-unapproved", p.key, s)
			}
		}
	}
}

// featureDrift: what the app has now and the snapshot of its newest approval in force lacks; a part that the snapshot lacks cannot
// be looked at.
func (a *audit) featureDrift() {
	for _, p := range a.audited() {
		newest, ok := p.newest(a.asOf)
		if !ok {
			continue
		}
		s := newest.snapshot
		if s.scopes != nil {
			for _, now := range p.allScopes() {
				had := false
				for _, then := range *s.scopes {
					had = had || sameScope(then) == sameScope(now)
				}
				if !had {
					a.state("feature-drift", p.key, "scope:"+now)
				}
			}
		}
		if s.modules != nil {
			for _, now := range p.modules() {
				if !in(*s.modules, now) {
					a.state("feature-drift", p.key, "module:"+now)
				}
			}
		}
		if s.egress != nil {
			for _, now := range p.egress() {
				had := false
				for _, then := range *s.egress {
					then = host(then)
					if then == now || strings.HasPrefix(then, "*.") && strings.HasSuffix(now, then[1:]) {
						had = true
					}
				}
				if !had {
					a.state("feature-drift", p.key, "egress:"+now)
				}
			}
		}
		if s.domains != nil {
			for _, now := range p.hosts() {
				had := false
				for _, then := range *s.domains {
					had = had || host(then) == now
				}
				if !had {
					a.state("feature-drift", p.key, "domain:"+now)
				}
			}
		}
	}
}

// listingIncomplete: no or a blank privacy policy, likewise terms, no storage statement.
func (a *audit) listingIncomplete() {
	for _, p := range a.audited() {
		if strings.TrimSpace(p.privacyURL) == "" {
			a.state("listing-incomplete", p.key, "privacy-policy")
		}
		if strings.TrimSpace(p.termsURL) == "" {
			a.state("listing-incomplete", p.key, "terms")
		}
		if p.stores == nil {
			a.state("listing-incomplete", p.key, "storage-statement")
		}
	}
}

var typography = strings.NewReplacer(
	"‘", "'", "’", "'", "‚", "'", "‛", "'", "′", "'", "‹", "'", "›", "'",
	"“", `"`, "”", `"`, "„", `"`, "‟", `"`, "″", `"`, "«", `"`, "»", `"`,
	"‐", "-", "‑", "-", "‒", "-", "–", "-", "—", "-", "―", "-", "−", "-")

// folded is a text as policies are compared: HTML entities decoded, NFKC, plain quotes and dashes, white space folded, no case.
func folded(s string) string {
	s = norm.NFKC.String(html.UnescapeString(s))
	s = norm.NFKC.String(strings.ToLower(typography.Replace(s)))
	return strings.Join(strings.Fields(s), " ")
}

// policyLanguageChanged: the excerpt of the newest approval in force is no longer in the privacy policy. It needs excerpt and text.
func (a *audit) policyLanguageChanged() {
	for _, p := range a.audited() {
		newest, ok := p.newest(a.asOf)
		if !ok {
			continue
		}
		excerpt, text := folded(newest.excerpt), folded(p.privacyText)
		if excerpt != "" && text != "" && !strings.Contains(text, excerpt) {
			a.state("policy-language-changed", p.key, "")
		}
	}
}
