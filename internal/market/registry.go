package market

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// registry draws the apps. All but the approvals is the same in every version of the registry.
func (g *generator) registry() {
	keys := []string{"com.lantern.mail", "com.lantern.mail.eu", "Heron_Sync", "ari:cloud:ecosystem::app/" + g.uuid(), "<!channel>", "=odd key ü"}
	g.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, key := range keys[:3+g.rng.IntN(4)] {
		g.Apps = append(g.Apps, g.app(key))
	}
	if g.chance(25) { // an app whose only line is bad: nobody can look at it
		key := "com.broken.line"
		g.Apps = append(g.Apps, App{ID: g.id(), Key: key, raw: pick(g,
			`{"key":"com.broken.line","stores_personal_data":"yes"}`,
			`{"key":"com.broken.line","kind":"plugin","stores_personal_data":true}`,
			`{"key":"com.broken.line","scopes":["ACCESS_EMAIL_ADDRESSES"],"scopes":[]}`,
			`{"key":"com.broken.line","stores_personal_data":true,"approvals":[{"request_id":"1","status":"withdrawn","decided_at":"2020-01-01T00:00:00Z"}]}`)})
	}
	for range g.rng.IntN(3) { // bad lines that name nobody
		g.Apps = append(g.Apps, App{ID: g.id(), raw: pick(g, `{"key":""}`, `[]`, `{"name":"nobody"}`, `{"key":5,"scopes":["ACCESS_EMAIL_ADDRESSES"]}`, `{"key":"com.lantern.mail","key":"Heron_Sync"}`, `{"key":`, `null`)})
	}
	g.rng.Shuffle(len(g.Apps), func(i, j int) { g.Apps[i], g.Apps[j] = g.Apps[j], g.Apps[i] })
	var named []App
	for _, a := range g.Apps {
		if a.Key != "" {
			named = append(named, a)
		}
	}
	var rest []App
	for _, a := range g.Apps {
		if a.Key == "" {
			rest = append(rest, a)
		}
	}
	g.Apps = append(named, rest...)
}

func (g *generator) subset(percent int, l ...string) []string {
	out := []string{}
	for _, s := range l {
		if g.chance(percent) {
			out = append(out, s)
		}
	}
	return out
}

func (g *generator) app(key string) App {
	a := App{ID: g.id(), Key: key, style: g.rng.Uint64()}
	kind := pick(g, "connect", "connect", "forge", "forge", "oauth2", "hybrid")
	name := pick(g, "Lantern Mail", "<!channel> & Söhne", "=SUM(A1)")
	var scopes, modules, egress, domains []string // as they are now
	mailScopes := []string{}
	if g.chance(70) {
		mailScopes = append(mailScopes, pick(g, "ACCESS_EMAIL_ADDRESSES", "access_email_addresses", "Access_Email_Addresses", "read:email-address:jira", "READ:EMAIL-ADDRESS:CONFLUENCE"))
	}
	a.fields = obj{{"key", key}, {"name", name}, {"vendor", obj{{"id", "v" + g.hex(2)}, {"name", "Vendor"}, {"email", "privacy@vendor.example"}, {"contacts", []any{"help@vendor.example"}}}},
		{"internal", g.chance(20)}, {"listing_url", "https://market.example/" + g.hex(4)},
		{"privacy_policy_url", pick[any](g, "https://v.example/p", "https://v.example/p", "https://v.example/p", "", nil, " \t")},
		{"terms_url", pick[any](g, "https://v.example/t", "https://v.example/t", "https://v.example/t", "", nil, "\n ")},
		{"stores_personal_data", pick[any](g, true, true, true, true, false, nil)}}
	if g.chance(80) {
		a.fields = append(a.fields, kv{"kind", map[string]string{"connect": "connect", "forge": "forge", "oauth2": "oauth2", "hybrid": "forge"}[kind]})
	}
	own := g.subset(50, "lantern.example", "heron.example", "mail.lantern.example", "Lantern.github.io")
	for _, d := range own {
		domains = append(domains, strings.ToLower(d))
	}
	a.fields = append(a.fields, kv{"domains", list(own)})
	if kind == "connect" || kind == "hybrid" {
		base := pick(g, "https://app.lantern.example", "https://App.Heron.example:8443/x/", "https://lantern.example")
		domains = append(domains, strings.Split(strings.TrimPrefix(strings.ToLower(base), "https://"), ":")[0])
		s := append(g.subset(50, "READ", "write", "ACT_AS_USER"), mailScopes...)
		scopes = append(scopes, s...)
		types := obj{}
		if g.chance(60) {
			types = append(types, kv{"webhooks", []any{obj{{"event", "jira:issue_created"}, {"url", "/hook"}}, obj{{"event", "comment_created"}, {"url", "/hook"}}}})
			modules = append(modules, "webhooks/jira:issue_created", "webhooks/comment_created")
		}
		if g.chance(60) {
			types = append(types, kv{"configurePage", obj{{"key", "config"}, {"url", "/config"}}})
			modules = append(modules, "configurePage/config")
		}
		if g.chance(40) {
			types = append(types, kv{"webItems", []any{obj{{"url", "/item"}}, obj{{"name", obj{{"value", "x"}}}}, obj{{"key", "k1"}}}})
			modules = append(modules, "webItems//item", "webItems/-", "webItems/k1")
		}
		d := obj{{"key", key}, {"name", name}, {"baseUrl", base}, {"authentication", obj{{"type", pick(g, "jwt", "none")}}}, {"modules", types}}
		if len(s) > 0 || g.chance(50) {
			d = append(d, kv{"scopes", list(s)})
		}
		a.fields = append(a.fields, kv{"descriptor", d})
	}
	if kind == "forge" || kind == "hybrid" {
		var b strings.Builder
		fmt.Fprintf(&b, "app:\n  id: ari:cloud:ecosystem::app/%s\nremotes:\n  - key: back\n    baseUrl: https://Remote.lantern.example:444/api\n", g.hex(6))
		b.WriteString("modules:\n  function:\n    - key: fn\n      handler: index.run\n")
		if g.chance(60) {
			b.WriteString("  macro:\n    - key: macro-one\n      resource: main\n    - key: macro-two\n")
			modules = append(modules, "macro/macro-one", "macro/macro-two")
		}
		if g.chance(50) {
			b.WriteString("  jira:issuePanel:\n    key: panel\n    title: Panel\n")
			modules = append(modules, "jira:issuePanel/panel")
		}
		if kind == "hybrid" {
			b.WriteString("connectModules:\n  jira:webPanels:\n    - key: web-panel\n      url: /p\n")
			modules = append(modules, "jira:webPanels/web-panel")
		}
		s := g.subset(50, "read:jira-work", "storage:app")
		for _, m := range mailScopes {
			s = append(s, pick(g, m, "access-email-addresses:connect-jira", "ACCESS-EMAIL-ADDRESSES:connect-confluence", "read:email-address:confluence"))
		}
		b.WriteString("permissions:\n")
		if len(s) > 0 {
			b.WriteString("  scopes:\n")
			for _, x := range s {
				fmt.Fprintf(&b, "    - %s\n", pick(g, x, "'"+x+"'", fmt.Sprintf("%q: {allowImpersonation: true}", x)))
			}
		}
		scopes = append(scopes, s...)
		b.WriteString("  external:\n    fetch:\n      backend:\n        - remote: back\n")
		egress = append(egress, "remote.lantern.example")
		for _, e := range g.subset(50, "https://API.lantern.example/v1", "*.heron.example", "cdn.heron.example:8443", "lantern.example") {
			fmt.Fprintf(&b, pick(g, "        - '%s'\n", "        - address: '%s'\n          category: analytics\n"), e)
			h := strings.TrimPrefix(strings.ToLower(e), "https://")
			egress = append(egress, strings.TrimSuffix(strings.TrimSuffix(h, "/v1"), ":8443"))
		}
		if g.chance(40) {
			b.WriteString("      client: [fonts.example]\n")
			egress = append(egress, "fonts.example")
		}
		if g.chance(50) {
			b.WriteString("    images:\n      - img.example\n    frames: [\"https://frame.example/x/y\"]\n")
			egress = append(egress, "img.example", "frame.example")
		}
		a.fields = append(a.fields, kv{"manifest", b.String()})
	}
	if kind == "oauth2" || g.chance(15) {
		s := append(g.subset(50, "read:me", "offline_access"), mailScopes...)
		if g.chance(30) {
			s = append(s, "access-email-addresses")
		}
		scopes = append(scopes, s...)
		a.fields = append(a.fields, kv{"scopes", list(s)})
	}
	a.fields = append(a.fields, kv{"privacy_policy_text", pick[any](g,
		"We use addresses to send “security alerts” — and nothing else. We don’t sell them.",
		"<p>We&nbsp;use addresses to send &ldquo;Security Alerts&rdquo; &mdash; and nothing\n else.</p>",
		"We use addresses as we like.", "", nil)})
	g.approvalsOf(&a, scopes, modules, egress, domains)
	if g.chance(15) { // an earlier line for the same key loses
		a.Before = append(a.Before, string(spelling{rng: g.rng}.write(obj{{"key", key}, {"stores_personal_data", true}, {"scopes", []any{"ACCESS_EMAIL_ADDRESSES"}}})))
	}
	if g.chance(8) { // a later line is bad: the last good one holds
		a.After = append(a.After, string(spelling{rng: g.rng}.write(obj{{"key", key}, {"stores_personal_data", "no"}})))
	}
	return a
}

// approvalsOf draws the requests of an app, of every status, with snapshots near what the app has now.
func (g *generator) approvalsOf(a *App, scopes, modules, egress, domains []string) {
	shape := g.rng.IntN(100)
	n := g.rng.IntN(4)
	if shape < 45 {
		n++
	}
	for i := range n {
		status := pick(g, "approved", "approved", "approved", "withdrawn", "withdrawn", "pending", "rejected")
		decided, revoked := g.moment(), time.Time{}
		if shape < 45 && i == 0 {
			status, decided = "approved", g.Start.Add(-100*day)
		}
		if g.chance(10) {
			decided = pick(g, g.AsOf, g.AsOf.Add(1), g.AsOf.Add(day))
		}
		if i > 0 && g.chance(15) { // equals: the last line of them is the newest
			if p, ok := field(a.approvals[i-1].final, "decided_at").(opt).v.(time.Time); ok {
				decided = p
			}
		}
		if status == "withdrawn" || status == "approved" && !(shape < 45 && i == 0) && g.chance(25) {
			revoked = pick(g, g.moment(), decided.Add(5*day), decided, g.AsOf, g.AsOf.Add(-1), g.AsOf.Add(1))
		}
		g.anchor(decided)
		if !revoked.IsZero() {
			g.anchor(revoked)
		}
		purposes := g.subset(35, "error-reports", "security-alerts", "user-sync", "crm-link", "Odd Purpose", "marketing", strings.Repeat("p", 64),
			"subscribed-alerts", "user-invitations", "connect-mail-service")
		if g.chance(3) {
			purposes = append(purposes, "none") // Silent: an approval that names the kind of mail other
		}
		base := obj{{"request_id", fmt.Sprintf("REQ-%d-%s", i, g.hex(3))}, {"purposes", list(purposes)}, {"functionality", "sends alerts"},
			{"policy_excerpt", pick[any](g, `we use addresses to send "security alerts" - and nothing else`, "We use addresses to send “Security  Alerts” – and nothing else.", "We never use addresses", "", nil)},
			{"third_parties", opt{list(g.subset(45, "relay.example", "Out.Courier.co.uk", "tracker.example", "heron.github.io"))}}}
		if g.chance(85) {
			s := obj{}
			part := func(name string, now []string, other ...string) {
				switch g.rng.IntN(8) {
				case 0:
				case 1:
					s = append(s, kv{name, nil})
				case 2:
					s = append(s, kv{name, []any{}})
				default:
					s = append(s, kv{name, list(append(g.subset(80, now...), g.subset(30, other...)...))})
				}
			}
			part("scopes", scopes, "read", "ACCESS_EMAIL_ADDRESSES")
			part("modules", modules, "webPanels/old")
			part("egress", egress, "*.lantern.example", "*.example")
			part("domains", domains, "old.example")
			base = append(base, kv{"snapshot", s})
		}
		form := func(status string, decided, revoked any) obj {
			o := append(obj{}, base...)
			return append(o, kv{"status", status}, kv{"decided_at", opt{decided}}, kv{"revoked_at", opt{revoked}})
		}
		orNil := func(t time.Time) any {
			if t.IsZero() {
				return nil
			}
			return t
		}
		p := approval{id: g.id(), known: pick(g, g.Start, g.Start, g.moment()), changed: g.moment()}
		switch status {
		case "pending":
			p.final = form("pending", nil, nil)
		case "rejected":
			p.final = form("rejected", pick[any](g, nil, decided), nil)
			p.earlier = form("pending", nil, nil)
		case "approved":
			p.final = form("approved", decided, orNil(revoked))
			p.earlier = pick(g, form("pending", nil, nil), form("approved", decided, nil), form("approved", decided.Add(3*day), nil), form("rejected", nil, nil))
		case "withdrawn":
			at := pick[any](g, decided, decided, decided, nil)
			p.final = form("withdrawn", at, revoked)
			p.earlier = pick(g, form("pending", nil, nil), form("approved", decided, nil), form("approved", decided, revoked.Add(day)))
		}
		switch n := g.rng.IntN(10); {
		case n < 4:
			p.earlier = nil
		case n < 7 && p.earlier != nil: // purposes and third parties were others, too
			p.earlier = with(p.earlier, "purposes", list(g.subset(40, "error-reports", "user-sync", "subscribed-alerts", "security-alerts")))
			p.earlier = with(p.earlier, "third_parties", opt{list(g.subset(40, "relay.example", "courier.co.uk", "two.github.io"))})
		}
		a.approvals = append(a.approvals, p)
	}
}

// with is the object with another value in a field that it has.
func with(o obj, name string, v any) obj {
	out := append(obj{}, o...)
	for i := range out {
		if out[i].name == name {
			out[i].value = v
		}
	}
	return out
}

func field(o obj, name string) any {
	for _, f := range o {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// purposesOf are the purposes that any approval of the app names.
func (g *generator) purposesOf(key string) []string {
	out := []string{"security-alerts"}
	for _, a := range g.Apps {
		if a.Key != key {
			continue
		}
		for _, p := range a.approvals {
			l, _ := field(p.final, "purposes").([]any)
			for _, x := range l {
				out = append(out, x.(string))
			}
		}
	}
	return out
}

// lines writes the app's lines of the registry, with the approvals as keep says: final, earlier, or not yet there.
func (a App) lines(form func(approval) obj) []string {
	if a.raw != "" {
		return []string{a.raw}
	}
	l := []any{}
	for _, p := range a.approvals {
		if o := form(p); o != nil {
			l = append(l, o)
		}
	}
	s := spelling{rng: rand.New(rand.NewPCG(a.style, 1)), wild: a.style%3 == 0}
	o := append(append(obj{}, a.fields...), kv{"approvals", l})
	return append(append(append([]string{}, a.Before...), string(s.write(o))), a.After...)
}
