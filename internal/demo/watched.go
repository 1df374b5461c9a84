package demo

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What crawlers, canary mailboxes and people brought: manifests by day, as logs are, with the files that they name beside them.

// authserv is the name of the platform's receiving server.
const authserv = "mx.marketplace.example"

// addressOf is the address that the platform handed out of an account. Every account has one; nothing of mailreeve's ever holds it.
func addressOf(account string) string {
	sum := sha256.Sum256([]byte(account))
	first := []string{"ada", "bo", "chidi", "dag", "eluned", "farah", "goran", "hana", "imre", "joana"}[sum[0]%10]
	last := []string{"abara", "berg", "castro", "dvorak", "eriksen", "fekete", "gallo", "haas"}[sum[1]%8]
	return fmt.Sprintf("%s.%s%d@customer-%d.example", first, last, int(sum[2])<<8|int(sum[3]), sum[4]%60)
}

// addresses is the platform's list of them.
func (m *Market) addresses() []byte {
	var b []byte
	add := func(account string) {
		b = append(b, `{"account_id":`...)
		b = appendString(b, account)
		b = appendField(b, "email", addressOf(account))
		b = append(b, "}\n"...)
	}
	for _, s := range m.sites {
		for _, account := range s.accounts {
			add(account)
		}
	}
	for _, account := range m.canaries {
		add(account)
	}
	return b
}

// observation is a line of a manifest, or a signal.
type observation []byte

func (o observation) appendTo(b []byte) []byte { return append(append(b, o...), '\n') }

// observe puts a line into the manifest of its day, and the file that it names beside it.
func (m *Market) observe(kind string, at time.Time, o map[string]any, file string, data []byte) {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // plain values always can be written
	}
	f := m.log(kind, m.dayOf(at))
	f.lines = append(f.lines, line{at, observation(text)})
	if data != nil {
		m.beside = append(m.beside, arrival{m.dayOf(at), folderOf(kind) + "/" + file, func() ([]byte, error) { return data, nil }})
	}
}

// folderOf is where the files of a kind come.
func folderOf(kind string) string {
	switch kind {
	case "captures", "signals":
		return kind
	case "mail":
		return "canary"
	}
	return "logs"
}

// capture is a capture of an app's page on a site, taken with a viewer's eyes.
func (a *app) capture(at time.Time, p *place, kind, viewer string, data []byte) {
	file := fmt.Sprintf("%s-%s-%d.%s", a.m.date(a.m.dayOf(at)), a.slug, len(a.m.beside), kind)
	a.m.observe("captures", at, map[string]any{"file": file, "kind": kind, "app_key": a.Key, "cloud_id": p.id, "viewer_account_id": viewer,
		"captured_at": at.Format(time.RFC3339), "url": "https://" + a.features.Domains[0] + "/people"}, file, data)
}

// see counts a capture for a plant, with the accounts that it shows.
func (p *plant) see(s *site, accounts ...string) {
	p.Occurrences++
	p.sites[s.id] = true
	p.hold(accounts)
}

// page is a page of an app: what is in its body.
func page(body string) []byte {
	return []byte("<!doctype html>\n<html><head><title>People</title><style>.name { font-weight: bold }</style></head>\n<body>\n<h1>People on this site</h1>\n" + body + "\n</body></html>\n")
}

// entry of a HAR: what was asked, and the answer's body. The names of the members are the format's.
type harEntry struct {
	method, url string
	post        string
	mime, body  string
}

func har(entries ...harEntry) []byte {
	type pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var list []any
	for _, e := range entries {
		request := map[string]any{"method": e.method, "url": e.url, "httpVersion": "HTTP/2", "headers": []pair{{"User-Agent", "crawler/1"}}, "queryString": []pair{}, "cookies": []pair{}, "headersSize": -1, "bodySize": len(e.post)}
		if e.post != "" {
			request["postData"] = map[string]any{"mimeType": "application/json", "text": e.post}
		}
		list = append(list, map[string]any{"startedDateTime": "2026-01-01T00:00:00Z", "time": 12, "cache": map[string]any{}, "timings": map[string]any{"send": 1, "wait": 10, "receive": 1},
			"request": request, "response": map[string]any{"status": 200, "statusText": "OK", "httpVersion": "HTTP/2", "headers": []pair{{"Content-Type", e.mime}}, "cookies": []pair{},
				"content": map[string]any{"size": len(e.body), "mimeType": e.mime, "text": e.body}, "redirectURL": "", "headersSize": -1, "bodySize": len(e.body)}})
	}
	text, err := json.MarshalIndent(map[string]any{"log": map[string]any{"version": "1.2", "creator": map[string]string{"name": "crawler", "version": "1"}, "entries": list}}, "", " ")
	if err != nil {
		panic(err) // plain values always can be written
	}
	return text
}

// canary seeds an account on a site, which only the app comes across.
func (a *app) canary(p *place) string {
	id := accountID(a.rng)
	a.m.canaries = append(a.m.canaries, id)
	return id
}

// letter is a mail as the platform's server keeps it. The zero value comes from the vendor, proved.
type letter struct {
	kind     string // what it is, which is told to tests by a header that nothing else reads
	from     string // host of From; empty: the vendor's
	envelope string // host of the envelope; empty: From's
	subject  string
	headers  string // further ones
	html     bool
	body     string
}

// mail is a letter that reached a canary.
func (a *app) mail(at time.Time, p *place, canary string, l letter) {
	from := l.from
	if from == "" {
		from = a.slug + ".example"
	}
	envelope := l.envelope
	if envelope == "" {
		envelope = from
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <bounces@%s>\r\n", envelope)
	fmt.Fprintf(&b, "Authentication-Results: %s; dkim=pass header.d=%s; spf=pass smtp.mailfrom=%s\r\n", authserv, from, envelope)
	kind := "text/plain"
	if l.html {
		kind = "text/html"
	}
	fmt.Fprintf(&b, "From: %s <hello@%s>\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d@%s>\r\nX-Truth-Kind: %s\r\n%sMIME-Version: 1.0\r\nContent-Type: %s; charset=utf-8\r\n\r\n%s\r\n",
		a.Vendor.Name, from, addressOf(canary), l.subject, at.Format(time.RFC1123Z), len(a.m.beside), from, l.kind, l.headers, kind, l.body)
	file := fmt.Sprintf("%s-%s-%d.eml", a.m.date(a.m.dayOf(at)), a.slug, len(a.m.beside))
	a.m.observe("mail", at, map[string]any{"file": file, "app_key": a.Key, "cloud_id": p.id, "account_id": canary, "received_at": at.Format(time.RFC3339Nano)}, file, b.Bytes())
}

// signal is what people say of an app.
func (a *app) signal(at time.Time, p *place, kind, text, source string) {
	a.m.observe("signals", at, map[string]any{"ts": at.Format(time.RFC3339), "app_key": a.Key, "cloud_id": p.id, "kind": kind, "text": text, "source": source}, "", nil)
}

// The letters of the tour.
var (
	newsletter = letter{kind: "marketing", subject: "Spring sale: 40% off every plan, this week only", html: true,
		headers: "List-Unsubscribe: <https://news.example/leave>\r\nPrecedence: bulk\r\nFeedback-ID: 42:spring:campaign\r\n",
		body:    "<h1>Our biggest sale of the year</h1><p>Save 40% on every plan with the promo code SPRING40. This limited-time offer ends on Sunday: upgrade now and get more done.</p><p><a href=\"https://news.example/sale\">See the offer</a></p><p>You receive this marketing mail because you are on our mailing list. Unsubscribe at any time.</p>"}
	renewal = letter{kind: "renewal-reminders", subject: "Ihr Abonnement läuft in 7 Tagen ab",
		body: "Ihr Abonnement endet in 7 Tagen. Verlängern Sie jetzt, damit Ihr Zugang nicht gesperrt wird.\r\nDie Verlängerung Ihrer Lizenz ist am 1. Juni fällig."}
	summit = letter{kind: "company-events", subject: "Join us at the Hazelmoor Summit", headers: "List-Unsubscribe: <https://hazelmoor.example/leave>\r\n",
		body: "Join us at the Hazelmoor Summit, our annual user conference, on 12 May in Berlin.\r\nKeynotes, speakers, networking and workshops. Register now and save your seat: early bird tickets are limited."}
	digestMail = letter{kind: "subscribed-alerts", subject: "[OPS-17] An issue that you watch was updated", headers: "Auto-Submitted: auto-generated\r\n",
		body: "You are receiving this notification because you are watching the issue OPS-17 and subscribed to its updates.\r\nKim changed the status from Open to In Progress.\r\nManage your notification settings or stop watching this issue."}
	invitation = letter{kind: "user-invitations", subject: "Robin invited you to collaborate on the board Harbour",
		body: "Robin has invited you to collaborate on the board Harbour.\r\nAccept the invitation to join the team.\r\nThis invitation was sent by Robin and expires in 7 days. If you don't know Robin, ignore this invitation."}
	warning = letter{kind: "security-alerts", subject: "Security alert: new sign-in to your account from a new device", headers: "Auto-Submitted: auto-generated\r\n",
		body: "Security alert: we noticed a new sign-in to your account from an unrecognised device.\r\nDevice: Linux. Location: Oslo.\r\nIf this wasn't you, secure your account now and change your password immediately."}
)

// watched makes what captures, canary mail and people show.
func (m *Market) watched() {
	for _, kind := range []string{"captures", "mail", "signals"} {
		m.log(kind, 0) // the sources are there from the first night on, with nothing to tell yet
	}
	m.exposures()
	m.sharing()
	m.mails()
	m.signals()
}

func (m *Market) exposures() {
	// Shown to everybody.
	a := m.good(connect, "Larkspur", "Directory", "user-sync")
	p := m.plant("ui-exposure", a.Key, "html", "its page lists people with their addresses, one in a title, one behind entities; captured in three nights")
	for i, d := range []int{8, 15, 22} {
		at, viewer := a.places[0], a.places[0].pool[0]
		one, two := at.pool[1+i], at.pool[5+i]
		a.capture(m.at(d, "03:00:00"), at, "html", viewer, page(fmt.Sprintf("<p>You are %s</p><ul><li title=\"%s\">A colleague</li><li>%s</li></ul><p>Questions? support@larkspur.example</p>",
			addressOf(viewer), addressOf(one), strings.Replace(addressOf(two), "@", "&#64;", 1))))
		p.see(at.site, one, two)
	}
	a = m.good(oauth2, "Meadowlark", "Profiles", "user-sync")
	at := a.places[1]
	a.capture(m.at(19, "03:00:00"), at, "html", at.pool[0], page(fmt.Sprintf("<p>Signed in as %s</p><input placeholder=\"name@company.example\"><img src=\"logo@2x.png\" alt=\"\"><p>Contact help@meadowlark.example</p>", addressOf(at.pool[0]))))
	m.miss("ui-exposure", a.Key, "shows the viewer's own address, a placeholder, its support's address, and a file that is called logo@2x.png")

	// Carried, not shown.
	a = m.good(forge, "Nettlebrook", "Mentions", "subscribed-alerts")
	at = a.places[0]
	hidden := at.pool[3:6]
	state, _ := json.Marshal(map[string]any{"users": []string{addressOf(hidden[0]), addressOf(hidden[1])}})
	a.capture(m.at(24, "03:00:00"), at, "js", at.pool[0], fmt.Appendf(nil, "window.__STATE__ = JSON.parse(atob(%q));\n", base64.StdEncoding.EncodeToString([]byte(addressOf(hidden[2])))))
	m.plant("ui-payload-exposure", a.Key, "js", "a script carries somebody's address in base64").see(at.site, hidden[2])
	a.capture(m.at(24, "03:00:05"), at, "har", at.pool[0], har(harEntry{method: "GET", url: "https://" + a.features.Domains[0] + "/api/users", mime: "application/json", body: string(state)}))
	m.plant("ui-payload-exposure", a.Key, "har", "the answer of its API holds two addresses that no page shows").see(at.site, hidden[:2]...)
	a = m.good(connect, "Osprey", "Mentions", "subscribed-alerts")
	at = a.places[0]
	a.capture(m.at(25, "03:00:00"), at, "har", at.pool[0], har(harEntry{method: "GET", url: "https://" + a.features.Domains[0] + "/api/users", mime: "application/json",
		body: fmt.Sprintf(`{"users":[{"account_id":%q,"name":"A colleague"}],"me":%q,"version":"pkg@1.2.3"}`, at.pool[4], addressOf(at.pool[0]))}))
	m.miss("ui-payload-exposure", a.Key, "the answer of its API holds account ids, and the viewer's own address")

	// Hashed.
	a = m.good(oauth2, "Petrelway", "Avatars", "user-sync")
	at = a.places[2]
	gravatar := func(address string) string {
		sum := md5.Sum([]byte(address))
		return "https://avatars.petrelway.example/avatar/" + hex.EncodeToString(sum[:]) + "?s=48"
	}
	p = m.plant("ui-hash-exposure", a.Key, "md5", "its avatars are named by the md5 of the people's addresses")
	faces := at.pool[1:5]
	var list strings.Builder
	for _, id := range faces {
		fmt.Fprintf(&list, "<img src=\"%s\" alt=\"\">", gravatar(addressOf(id)))
	}
	a.capture(m.at(21, "03:00:00"), at, "html", at.pool[0], page(list.String()))
	p.see(at.site, faces...)
	a = m.good(connect, "Quailridge", "Avatars", "user-sync")
	at = a.places[0]
	a.capture(m.at(21, "03:10:00"), at, "html", at.pool[0], page(fmt.Sprintf("<img src=\"%s\" alt=\"\"><img src=\"%s\" alt=\"\">", gravatar("nobody@strangers.example"), gravatar(addressOf(at.pool[0])))))
	m.miss("ui-hash-exposure", a.Key, "shows avatars by the md5 of a stranger's address, and of the viewer's own")
	broken := har(harEntry{method: "GET", url: "https://" + a.features.Domains[0] + "/people", mime: "text/html", body: "<p>…</p>"})
	a.capture(m.at(23, "03:10:00"), at, "har", at.pool[0], broken[:len(broken)/3]) // the crawler was cut off
}

func (m *Market) sharing() {
	const check = "third-party-sharing"
	a := m.good(connect, "Rushlight", "Metrics", "error-reports")
	at := a.places[0]
	viewer := at.pool[0]
	p := m.plant(check, a.Key, "pixelharbor.example", "its page sends the viewer's own address to a tracker, plain and as a sha256; captured twice")
	sum := sha256.Sum256([]byte(addressOf(viewer)))
	for i, d := range []int{20, 27} {
		request := harEntry{method: "GET", url: "https://t.pixelharbor.example/p?em=" + url.QueryEscape(addressOf(viewer)), mime: "image/gif", body: "GIF89a"}
		if i == 1 {
			request = harEntry{method: "POST", url: "https://t.pixelharbor.example/collect", post: `{"user":{"em":"` + hex.EncodeToString(sum[:]) + `"}}`, mime: "application/json", body: `{"ok":true}`}
		}
		a.capture(m.at(d, "03:00:00"), at, "har", viewer, har(harEntry{method: "GET", url: "https://" + a.features.Domains[0] + "/people", mime: "text/html", body: string(page("<p>Hello</p>"))}, request))
		p.see(at.site, viewer)
	}

	a = m.good(oauth2, "Saltmarsh", "Mailer", "subscribed-alerts")
	at = a.places[1]
	canary := a.canary(at)
	a.fetch(m.at(17, "09:00:00"), at, "subscribed-alerts", canary)
	l := digestMail
	l.html, l.body = true, "<p>"+strings.ReplaceAll(l.body, "\r\n", "</p><p>")+`</p><img src="https://o.openwire.example/o.gif?u=`+base64.RawURLEncoding.EncodeToString([]byte(addressOf(canary)))+`" width="1" height="1">`
	a.mail(m.at(17, "09:05:00"), at, canary, l)
	m.plant(check, a.Key, "openwire.example", "an image in its mail tells a tracker, in base64, who opened it").see(at.site, canary)

	a = m.good(connect, "Thistlecove", "Metrics", "error-reports")
	a.approvals[0].ThirdParties = []string{"sentinel.example"}
	at = a.places[0]
	viewer = at.pool[0]
	a.capture(m.at(26, "03:00:00"), at, "har", viewer, har(
		harEntry{method: "GET", url: "https://api.thistlecove.example/me?email=" + url.QueryEscape(addressOf(viewer)), mime: "application/json", body: `{"ok":true}`},
		harEntry{method: "POST", url: "https://in.sentinel.example/envelope", post: `{"user":{"email":"` + addressOf(viewer) + `"}}`, mime: "application/json", body: `{}`},
		harEntry{method: "GET", url: "https://t.pixelharbor.example/p?page=people", mime: "image/gif", body: "GIF89a"}))
	m.miss(check, a.Key, "sends the viewer's address to a host of its own and to a sub-processor that its approval names, and nothing of it to a tracker")
}

func (m *Market) mails() {
	// A newsletter, and a reminder in German.
	a := m.good(connect, "Umberfield", "Surveys", "user-invitations")
	at := a.places[0]
	canary := a.canary(at)
	a.fetch(m.at(9, "09:00:00"), at, "user-invitations", canary)
	p := m.plant("mail-prohibited", a.Key, "marketing", "a canary, whose address it retrieved to invite somebody, gets its newsletter twice")
	for _, d := range []int{12, 19} {
		a.mail(m.at(d, "08:00:00"), at, canary, newsletter)
		p.see(at.site, canary)
	}
	a.mail(m.at(28, "08:00:00"), at, canary, renewal)
	m.plant("mail-prohibited", a.Key, "renewal-reminders", "and a reminder, in German, that its subscription ends").see(at.site, canary)
	a = m.good(forge, "Vesperhall", "Watcher", "subscribed-alerts")
	at = a.places[2]
	canary = a.canary(at)
	a.fetch(m.at(9, "09:00:00"), at, "subscribed-alerts", canary)
	a.mail(m.at(10, "08:00:00"), at, canary, digestMail)
	m.miss("mail-prohibited", a.Key, "mails its canary what it subscribed to, which is approved")

	// Not what was approved, and a canary that another app knows, as a late log tells.
	a = m.good(oauth2, "Wickerdale", "Invites", "security-alerts")
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(13, "09:00:00"), at, "security-alerts", canary)
	a.mail(m.at(14, "08:00:00"), at, canary, invitation)
	m.plant("mail-not-approved", a.Key, "user-invitations", "approved for security alerts, it invites its canary to a board").see(at.site, canary)
	a = m.good(connect, "Yewtree", "Invites", "user-invitations")
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(13, "10:00:00"), at, "user-invitations", canary)
	a.mail(m.at(14, "10:00:00"), at, canary, invitation)
	m.miss("mail-not-approved", a.Key, "the same invitation, from an app that is approved for it")

	// Perhaps: another app had the canary's address too, as a log says that comes a week late.
	a = m.good(forge, "Hazelmoor", "Events", "security-alerts")
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(11, "09:00:00"), at, "security-alerts", canary)
	a.mail(m.at(12, "08:00:00"), at, canary, summit)
	m.plant("mail-prohibited", a.Key, "company-events", "invites its canary to a conference; likely, until a late log shows that another app retrieved the canary too: since then possible").see(at.site, canary)
	b := m.good(oauth2, "Ibisford", "Sync", "user-sync")
	c := &call{at: m.at(11, "17:00:00"), app: b, site: b.places[0].site, purpose: "user-sync", status: 200, accounts: []string{canary}, id: m.requestID()}
	f := m.late("access", 11, 18)
	f.lines = append(f.lines, line{c.at, c})
	b.tell(m.at(19, "09:00:00"), []string{canary}, c.at)

	// From somebody else.
	a = m.good(oauth2, "Zephyrine", "Leads", "security-alerts")
	at = a.places[1]
	canary = a.canary(at)
	a.fetch(m.at(22, "09:00:00"), at, "security-alerts", canary)
	l := warning
	l.from = "leadbarn.example"
	a.mail(m.at(23, "08:00:00"), at, canary, l)
	m.plant("mail-third-party", a.Key, "leadbarn.example", "a company that nobody declared mails its canary").see(at.site, canary)
	a = m.good(forge, "Aspenholt", "Alerts", "security-alerts")
	a.approvals[0].ThirdParties = []string{"postwing.example"}
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(22, "09:00:00"), at, "security-alerts", canary)
	l = warning
	l.envelope = "em7.postwing.example"
	a.mail(m.at(23, "09:00:00"), at, canary, l)
	m.miss("mail-third-party", a.Key, "mails by way of a mail service that its approval names")

	// After it left.
	a = m.good(connect, "Barleymow", "Pulse", "subscribed-alerts")
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(15, "09:00:00"), at, "subscribed-alerts", canary)
	a.uninstall(at, m.at(18, "12:00:00"))
	p = m.plant("mail-after-uninstall", a.Key, "", "was uninstalled from a site, and mails a canary there a second more than 24 hours later, and again a week later")
	for _, t := range []time.Time{m.at(19, "12:00:01"), m.at(26, "12:00:00")} {
		a.mail(t, at, canary, digestMail)
		p.see(at.site, canary)
	}
	a = m.good(oauth2, "Cressbrook", "Pulse", "subscribed-alerts")
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(15, "09:00:00"), at, "subscribed-alerts", canary)
	a.uninstall(at, m.at(18, "12:00:00"))
	a.mail(m.at(19, "12:00:00"), at, canary, digestMail)
	m.miss("mail-after-uninstall", a.Key, "mails a canary exactly 24 hours after it was uninstalled")

	// From a store that it says it does not have.
	a = m.good(connect, "Dunnockway", "Reminders", "subscribed-alerts")
	a.storesNothing()
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(10, "09:00:00"), at, "subscribed-alerts", canary)
	p = m.plant("storage-undeclared", a.Key, "stale-mail", "says that it stores nothing, and mails a canary eight and fifteen days after it retrieved the address")
	for _, d := range []int{18, 25} {
		a.mail(m.at(d, "09:00:00"), at, canary, digestMail)
		p.report([]string{canary})
	}
	a = m.good(forge, "Elderflow", "Reminders", "subscribed-alerts")
	a.storesNothing()
	at = a.places[0]
	canary = a.canary(at)
	a.fetch(m.at(10, "09:00:00"), at, "subscribed-alerts", canary)
	a.mail(m.at(17, "09:00:00"), at, canary, digestMail)
	m.miss("storage-undeclared", a.Key, "says that it stores nothing, and mails a canary exactly seven days after it retrieved the address")
}

func (m *Market) signals() {
	a := m.good(oauth2, "Finchwold", "Sidebar", "user-sync")
	p := m.plant("user-reported-exposure", a.Key, "", "two people report that it shows everybody's address")
	a.signal(m.at(11, "14:00:00"), a.places[0], "ui-exposure", "I can read "+addressOf(a.places[0].pool[2])+" in the sidebar, and I am not even an administrator", "support-ticket")
	p.refusal(a.places[0].site)
	a.signal(m.at(20, "14:00:00"), a.places[1], "ui-exposure", "Why does it show my address to all?", "review")
	p.refusal(a.places[1].site)
	a = m.good(connect, "Gorsefell", "Sidebar", "user-sync")
	a.signal(m.at(20, "15:00:00"), a.places[0], "slow", "It takes ages to load", "support-ticket")
	m.miss("user-reported-exposure", a.Key, "people report that it is slow")
}
