package demo

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kinds of apps.
const (
	connect = "connect"
	forge   = "forge"
	oauth2  = "oauth2"
)

// emailScope is the e-mail scope as an app of a kind asks for it.
func emailScope(kind string, wiki bool) string {
	switch {
	case kind == connect:
		return "ACCESS_EMAIL_ADDRESSES"
	case wiki:
		return "read:email-address:confluence"
	}
	return "read:email-address:jira"
}

// newApp adds an app with a complete listing. It has neither approval nor site yet, and asks for no e-mail scope.
func (m *Market) newApp(kind, vendorName, name string) *app {
	slug := slugOf(vendorName)
	a := &app{m: m, entry: entry{
		Key: "com." + slug + "." + slugOf(strings.TrimPrefix(name, vendorName)), Name: name, Kind: kind, slug: slug,
		Vendor:     vendor{ID: "v-" + slug, Name: vendorName, Email: "privacy@" + slug + ".example", Contacts: []string{"security@" + slug + ".example"}},
		ListingURL: "https://marketplace.example/apps/" + slug, PrivacyPolicyURL: "https://" + slug + ".example/privacy", PrivacyPolicyText: policyOf(vendorName),
		TermsURL: "https://" + slug + ".example/terms", Stores: new(true), agent: slug + "/" + "2.1",
	}}
	a.rng = m.chance(a.Key)
	switch kind {
	case connect:
		a.auth = "connect-jwt"
		a.features = features{Scopes: []string{"READ"}, Modules: []string{"jiraIssuePanels/" + slug + "-panel", "webhooks/jira:issue_updated"}, Egress: []string{}}
	case forge:
		a.auth = "forge-app"
		a.features = features{Scopes: []string{"read:jira-work"}, Modules: []string{"jira:issuePanel/" + slug + "-panel"}, Egress: []string{"api." + slug + ".example"}}
	default:
		a.auth = "oauth2"
		a.features = features{Scopes: []string{"read:jira-user"}, Modules: []string{}, Egress: []string{}}
	}
	a.features.Domains = []string{"app." + slug + ".example", slug + ".example"}
	m.apps = append(m.apps, a)
	return a
}

func slugOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == ' ' && b.Len() > 0:
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// asks adds the e-mail scope of the app's kind, spelled as given or else as usual.
func (a *app) asks(spelled ...string) {
	if len(spelled) == 0 {
		spelled = []string{emailScope(a.Kind, a.wiki)}
	}
	a.features.Scopes = append(a.features.Scopes, spelled...)
}

// spread installs the app on n sites, each with some accounts, before the tour.
func (a *app) spread(n, pool int) {
	for _, i := range a.rng.Perm(sites)[:n] {
		a.install(a.m.sites[i], a.m.at(-2, "00:00:00").Add(-time.Duration(a.rng.IntN(50*24))*hour), pool)
	}
}

// old is a moment long before the tour, when most approvals were decided.
func (a *app) old() time.Time {
	return a.m.at(-60, "09:00:00").Add(-time.Duration(a.rng.IntN(600*24*60)) * time.Minute)
}

// makeOthers fills the registry with apps that do nothing wrong.
func (m *Market) makeOthers() {
	rng := m.chance("others")
	listed := 0
	for _, a := range m.apps {
		if !a.unlisted {
			listed++
		}
	}
	houses, goods := vendorNames(), products()
	rng.Shuffle(len(houses), func(i, j int) { houses[i], houses[j] = houses[j], houses[i] })
	for i := range apps - listed {
		house := houses[i%len(houses)]
		a := m.newApp([]string{connect, forge, oauth2}[rng.IntN(3)], house, house+" "+goods[(i+i/len(houses)*5)%len(goods)])
		a.asked = true
		switch {
		case i < 16: // has nothing to do with addresses
			a.spread(1+rng.IntN(4), 1)
		case i < 22: // asks, and waits
			a.asks()
			a.request(randomPurposes(rng, 1)...)
			a.spread(1, 1)
		case i < 26: // was refused, and took the scope out again
			p := a.request(randomPurposes(rng, 1)...)
			p.Status, p.DecidedAt = "rejected", new(a.old())
			a.spread(1, 1)
		default:
			a.prosper(rng, i)
		}
	}
	m.presence()
}

// prosper makes an app that retrieves addresses and does it well.
func (a *app) prosper(rng *rand.Rand, i int) {
	m := a.m
	a.wiki = rng.IntN(4) == 0
	if a.Kind == connect && rng.IntN(3) == 0 {
		a.asks("access_email_addresses")
	} else {
		a.asks()
	}
	a.rate = min(14+rng.ExpFloat64()*82, 480)
	a.Stores = new(rng.IntN(4) > 0)
	if *a.Stores {
		a.every = 5 + rng.IntN(5)
		a.phase = rng.IntN(a.every)
	}
	a.spread(3+rng.IntN(8), 6+rng.IntN(30))
	purposes := randomPurposes(rng, 3)
	first := a.approve(a.old(), purposes[:1+rng.IntN(2)]...)
	switch {
	case i%13 == 0: // a second approval mid-month
		a.approve(m.at(4+rng.IntN(20), "10:30:00"), purposes[2])
	case i%29 == 0 && *a.Stores: // gives its approval back, and cleans up
		n := 10 + rng.IntN(8)
		a.revoke(first, m.at(n, "12:00:00"))
		a.farewell(m.at(n+1, "13:00:00"))
		a.every = 0
		for t := 2; t < n; t += 6 {
			at := m.at(t, "09:15:00")
			a.do(at, func() { a.reportAll(at) })
		}
		a.change(n, func(e *entry) { e.features.Scopes = e.features.Scopes[:1] })
	}
	switch rng.IntN(3) { // customers come and go
	case 0:
		s := m.sites[rng.IntN(sites)]
		if !slices.ContainsFunc(a.places, func(p *place) bool { return p.site == s }) {
			a.install(s, m.at(2+rng.IntN(22), "11:20:30"), 10)
		}
	case 1:
		a.uninstall(a.places[0], m.at(2+rng.IntN(26), "15:45:10"))
	}
}

// randomPurposes draws n different purposes that can be approved.
func randomPurposes(rng *rand.Rand, n int) []string {
	all := []string{"error-reports", "security-alerts", "subscribed-alerts", "user-invitations", "connect-mail-service", "user-sync"}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:n]
}

// presence logs a snapshot of what is installed where, each week.
func (m *Market) presence() {
	for n := -1; n < nights; n += 7 {
		t := m.at(n, "23:10:00")
		for _, a := range m.apps {
			for _, p := range a.places {
				if p.has(t) && !p.silent {
					m.install(&install{at: t, app: a.Key, site: p.site, event: "present"})
				}
			}
		}
	}
}
