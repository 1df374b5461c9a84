package oracle

import (
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// registrable reduces a host to its registrable domain; a host that has none stays as it is.
func registrable(h string) string {
	h = strings.TrimSuffix(strings.ToLower(h), ".")
	if d, err := publicsuffix.EffectiveTLDPlusOne(h); err == nil {
		return d
	}
	return h
}

var platform = []string{"atlassian.com", "atlassian.net", "atl-paas.net", "jira.com", "bitbucket.org", "trello.com", "statuspage.io"}

// known says whether a host is the platform's, the vendor's, or declared in an approval in force at t.
func (p app) known(h string, t time.Time) bool {
	for _, d := range platform {
		if h == d || strings.HasSuffix(h, "."+d) {
			return true
		}
	}
	for _, own := range p.hosts() {
		if registrable(own) == registrable(h) {
			return true
		}
	}
	for _, x := range p.inForce(t) {
		for _, declared := range x.thirdParties {
			if registrable(host(declared)) == registrable(h) {
				return true
			}
		}
	}
	return false
}

// set is a list in which everything stands once.
func set(list []string) []string {
	var out []string
	for _, s := range list {
		if !in(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// exposure judges what reached the browser. The viewer's own address is no exposure. An address that a capture shows is ui-exposure only,
// also where the capture carries it as payload; hashes are judged beside that.
func (a *audit) exposure() {
	if !a.lookedCaptures || !a.lookedAddresses {
		return
	}
	for _, c := range a.captures {
		var shown, carried []string
		hashed := map[string][]string{}
		for _, s := range c.sightings {
			switch {
			case s.account == c.viewer || s.place == sent:
			case s.hash != "":
				hashed[s.hash] = append(hashed[s.hash], s.account)
			case s.place == visible:
				shown = append(shown, s.account)
			default:
				carried = append(carried, s.account)
			}
		}
		var hidden []string
		for _, account := range carried {
			if !in(shown, account) {
				hidden = append(hidden, account)
			}
		}
		if len(shown) > 0 {
			a.count("ui-exposure", c.app, c.kind, set(shown), c.site)
		}
		if len(hidden) > 0 {
			a.count("ui-payload-exposure", c.app, c.kind, set(hidden), c.site)
		}
		for kind, accounts := range hashed {
			a.count("ui-hash-exposure", c.app, kind, set(accounts), c.site)
		}
	}
}

// sharing: an address, or its hash, sent to a host that is neither the vendor's, nor the platform's, nor the captured page's, nor
// declared.
func (a *audit) sharing() {
	if !a.lookedApps || !a.lookedAddresses || a.configuredCaptures && !a.lookedCaptures || a.configuredMail && !a.lookedMail {
		return
	}
	judge := func(app, site, page string, t time.Time, sightings []sighting) {
		if a.unreadable[app] {
			return
		}
		to := map[string][]string{}
		for _, s := range sightings {
			if s.place != sent || s.host == "" || a.apps[app].known(s.host, t) || page != "" && registrable(page) == registrable(s.host) {
				continue
			}
			d := registrable(s.host)
			to[d] = append(to[d], s.account)
		}
		for domain, accounts := range to {
			a.count("third-party-sharing", app, domain, set(accounts), site)
		}
	}
	for _, c := range a.captures {
		judge(c.app, c.site, urlHost(c.url), c.at, c.sightings)
	}
	for _, m := range a.mails {
		judge(m.app, m.site, "", m.at, m.sightings)
	}
}

// sure is how sure a finding about a mail is: as sure as the check, but only possible where the sender is not proved, or where another
// app ever retrieved the canary.
func (a *audit) sure(m mail, check, subject string) string {
	_, confidence := grade(check, subject)
	if !m.proved {
		return "possible"
	}
	for _, c := range a.calls {
		if c.retrieval() && c.app != "" && c.app != m.app && c.holds(m.account) {
			return "possible"
		}
	}
	return confidence
}

func (a *audit) lookedForMail() bool {
	return a.lookedMail && (!a.configuredAccess || a.lookedAccess)
}

// mailKinds: mail of a prohibited kind, even where an approval names it; else of a kind that is in no approval in force.
func (a *audit) mailKinds() {
	if !a.lookedForMail() || !a.lookedApps {
		return
	}
	for _, m := range a.mails {
		if a.unreadable[m.app] {
			continue
		}
		check := "mail-not-approved"
		if in(prohibited, m.kind) {
			check = "mail-prohibited"
		} else {
			approved := false
			for _, x := range a.apps[m.app].inForce(m.at) {
				approved = approved || m.kind != "other" && in(x.purposes, m.kind) // a mail of no kind is for no purpose, even one called so
			}
			if approved {
				continue
			}
		}
		a.countAs(a.sure(m, check, m.kind), check, m.app, m.kind, []string{m.account}, m.site)
	}
}

// mailThirdParty: each sender's domain that is neither the vendor's, nor declared, nor the platform's.
func (a *audit) mailThirdParty() {
	if !a.lookedForMail() || !a.lookedApps {
		return
	}
	for _, m := range a.mails {
		if a.unreadable[m.app] {
			continue
		}
		var domains []string
		for _, h := range m.senders {
			if !a.apps[m.app].known(h, m.at) {
				domains = append(domains, registrable(h))
			}
		}
		for _, d := range set(domains) {
			a.countAs(a.sure(m, "mail-third-party", d), "mail-third-party", m.app, d, []string{m.account}, m.site)
		}
	}
}

// mailAfterUninstall: received more than 24 hours after the app became inactive on the site, to which it has not come back by then.
func (a *audit) mailAfterUninstall() {
	if !a.lookedForMail() || !a.lookedInstalls {
		return
	}
	for _, m := range a.mails {
		if left, ok := a.left(m.app, m.site, m.at); ok && m.at.Sub(left) > day {
			a.countAs(a.sure(m, "mail-after-uninstall", ""), "mail-after-uninstall", m.app, "", []string{m.account}, m.site)
		}
	}
}

// staleMail: mail without a retrieval of that account by that app in the 7 days before it, from an app of the registry that does not
// say that it stores personal data.
func (a *audit) staleMail() {
	if !a.lookedApps || !a.lookedAccess || !a.lookedMail {
		return
	}
	for _, m := range a.mails {
		p, ok := a.apps[m.app]
		if !ok || p.stores != nil && *p.stores {
			continue
		}
		fresh := false
		for _, c := range a.calls {
			if c.app == m.app && c.retrieval() && c.holds(m.account) && !c.ts.After(m.at) && m.at.Sub(c.ts) <= 7*day {
				fresh = true
			}
		}
		if !fresh {
			a.countAs(a.sure(m, "storage-undeclared", "stale-mail"), "storage-undeclared", m.app, "stale-mail", []string{m.account})
		}
	}
}

// userReported: signals of exposures.
func (a *audit) userReported() {
	if !a.lookedSignals {
		return
	}
	for _, s := range a.signals {
		if s.kind == "exposure" || strings.HasSuffix(s.kind, "-exposure") {
			a.count("user-reported-exposure", s.app, "", nil, s.site)
		}
	}
}
