package market

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// canary is an account that only one app should know.
type canary struct {
	known
	key, site string
	fetched   []time.Time
}

// mail: canaries, who retrieves them, and what is sent to them. Silent: canaries of the account unknown.
func (g *generator) mail() {
	keys := g.keys()
	for _, key := range keys {
		if g.chance(20) {
			continue
		}
		for range 1 + g.rng.IntN(2) {
			c := g.canary(key, keys)
			for range 1 + g.rng.IntN(6) {
				g.send(c)
			}
		}
	}
}

// canary makes one and has it retrieved by its app, and by others: up to the as-of, which counts, and otherwise.
func (g *generator) canary(key string, keys []string) *canary {
	id := pick(g, g.hex(24), "712020:"+g.uuid())
	c := &canary{known: known{id: id}, key: key, site: pick(g, g.sites...)}
	if g.chance(90) {
		c.known = g.address(id)
	} else {
		c.address = g.freshAddress("people.example")
	}
	for range g.rng.IntN(4) {
		t := g.moment()
		c.fetched = append(c.fetched, t)
		g.call(t, key, c.site, "oauth2", pick(g, g.purposesOf(key)...), 200, append(g.someAccounts(1), id))
	}
	other := pick(g, keys...)
	for n := 0; other == key && n < 20; n++ {
		other = pick(g, keys...)
	}
	switch g.rng.IntN(14) {
	case 0:
		g.call(g.moment(), other, pick(g, g.sites...), "oauth2", "user-sync", 200, []string{id})
	case 1:
		g.call(g.AsOf.Add(-pick[time.Duration](g, 0, 1, day)), other, pick(g, g.sites...), "oauth2", "user-sync", 200, append(g.someAccounts(2), id))
	case 2:
		g.call(g.AsOf.Add(pick[time.Duration](g, 1, day)), other, c.site, "oauth2", "user-sync", 200, []string{id})
	case 3:
		g.call(g.moment(), "", c.site, "basic", "", 200, []string{id})
	case 4:
		g.call(g.moment(), other, c.site, "oauth2", "user-sync", pick(g, 403, 204, 201), []string{id})
	}
	return c
}

// send has a mail arrive at a telling moment: 7 days after a retrieval, 24 hours after the app left the site, at an approval's turn.
func (g *generator) send(c *canary) {
	site, t := c.site, g.around(c.key)
	switch n := g.rng.IntN(100); {
	case n < 35 && len(c.fetched) > 0:
		t = pick(g, c.fetched...).Add(pick(g, 0, 7*day, 7*day, 7*day, 3*day)).Add(g.jitter())
	case n < 70:
		var mine []leaving
		for _, l := range g.left {
			if l.key == c.key && !l.everywhere {
				mine = append(mine, l)
			}
		}
		if len(mine) > 0 {
			l := pick(g, mine...)
			site, t = l.site, l.at.Add(pick(g, day, day, day, 0, 9*day)).Add(g.jitter())
		}
	}
	file := g.fileName("eml")
	text := g.message(c)
	g.line("mail", t, mailObject(file, c.key, site, c.id, t), Beside{file, text})
	if g.chance(8) { // the same message once more, at another moment
		t = t.Add(pick(g, 1, day))
		g.line("mail", t, mailObject(file, c.key, site, c.id, t), Beside{file, text})
	}
}

func mailObject(file, key, site, account string, t time.Time) obj {
	return obj{{"file", file}, {"app_key", key}, {"cloud_id", site}, {"account_id", account}, {"received_at", t}}
}

// wording is how a kind of mail reads, unmistakably.
type wording struct {
	kind, subject, headers, text string
}

func wordings() []wording {
	campaign := "List-Unsubscribe: <https://lantern.example/leave>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nList-Id: Lantern news <news.lantern.example>\nPrecedence: bulk\nFeedback-ID: 42:campaign:lantern\nX-Campaign-Id: spring\n"
	return []wording{
		{"marketing", "Spring sale: 40% off every plan, this week only", campaign,
			"Don't miss our biggest sale of the year! Save 40% on every plan with the promo code SPRING40.\nThis limited-time offer ends Sunday. Upgrade now and get more.\n\nYou receive this marketing email because you are on our mailing list. Unsubscribe at any time."},
		{"marketing", "Our monthly newsletter: what's new at Lantern", campaign,
			"Welcome to our monthly newsletter. In this issue: new product features, customer stories and special offers.\nRead more on our blog, follow us on social media, and save 20% with this exclusive discount.\n\nUnsubscribe from this newsletter."},
		{"company-events", "You're invited: join us at Lantern Summit, our annual user conference", campaign,
			"Join us at Lantern Summit, our annual user conference, on 12 May in Berlin.\nKeynotes, speakers, networking and workshops. Register now and save your seat: early bird tickets are limited.\nCan't make it? Register for the webinar.\n\nUnsubscribe from event invitations."},
		{"training-onboarding", "Getting started: your first steps with Lantern", campaign,
			"Welcome to Lantern! Here are five tips and tricks to help you get started.\nStep 1: watch the getting started tutorial. Step 2: take our free training course.\nTomorrow in this onboarding series: lesson 2, how to set up your first board.\n\nUnsubscribe from these tips."},
		{"renewal-reminders", "Reminder: your subscription expires in 7 days. Renew now", "",
			"Your subscription to Lantern expires in 7 days. Renew your subscription now to avoid losing access.\nYour licence renewal is due on 1 June. Renew today."},
		{"error-reports", "Error: synchronisation failed in project OPS", "Auto-Submitted: auto-generated\n",
			"An error occurred: the synchronisation of project OPS failed.\nError code: 500. Exception: TimeoutException: connection timed out after 30 seconds.\nStack trace:\n  at sync.Run (sync.java:112)\nThe job failed 3 times and will be retried."},
		{"security-alerts", "Security alert: new sign-in to your account from a new device", "Auto-Submitted: auto-generated\n",
			"Security alert: we noticed a new sign-in to your account from an unrecognised device.\nDevice: Linux. IP address: 192.0.2.7. Location: Oslo.\nIf this wasn't you, secure your account now and change your password immediately. Suspicious activity was detected."},
		{"subscribed-alerts", "[OPS-17] An issue that you watch was updated", "Auto-Submitted: auto-generated\n",
			"You are receiving this notification because you are watching the issue OPS-17 and subscribed to its updates.\nKim changed the status from Open to In Progress.\nManage your notification settings or stop watching this issue."},
		{"user-invitations", "Robin invited you to collaborate on the board Harbour", "",
			"Robin has invited you to collaborate on the board Harbour.\nAccept the invitation to join the team: Robin is waiting for you.\nThis invitation was sent by Robin and expires in 7 days. If you don't know Robin, ignore this invitation."},
		{"connect-mail-service", "Your mailbox is now connected: verify the mail account", "Auto-Submitted: auto-generated\n",
			"Your mailbox is now connected to Lantern. Inbound mail to this mailbox will create issues, and outbound mail is sent through your SMTP server.\nConfirm your email address to finish connecting your mail account (IMAP and SMTP)."},
		{"user-sync", "User sync completed: your account was linked with the directory", "Auto-Submitted: auto-generated\n",
			"The user synchronisation with your directory is complete. Your user account was synced and linked with the external system.\n14 users synced, 0 users failed. Directory sync (SCIM, LDAP) runs every night."},
		{"other", "Your export is ready", "",
			"The file that you asked for is ready. You can download the spreadsheet until Friday.\nRows: 120. Size: 14 kB."},
	}
}

// message writes a mail as a server keeps it.
func (g *generator) message(c *canary) string {
	w := pick(g, wordings()...)
	if purpose := pick(g, g.purposesOf(c.key)...); g.chance(40) { // a kind that an approval may name
		for _, x := range wordings() {
			if x.kind == purpose {
				w = x
			}
		}
	}
	own := g.own(c.key)
	domain := func() string {
		if len(own) > 0 && g.chance(60) {
			return pick(g, "", "", "mail.") + pick(g, own...)
		}
		return pick(g, "lantern.example", "relay.example", "out.relay.example", "courier.co.uk", "acme.atlassian.net", "spam.example", "x.beacon.co.uk", "notlantern.example", "lantern.github.io", "one.github.io")
	}
	from := domain()
	var b strings.Builder
	switch g.rng.IntN(10) {
	case 0:
	case 1:
		b.WriteString("Return-Path: <>\n")
	case 2, 3, 4: // the topmost counts
		fmt.Fprintf(&b, "Return-Path: <bounce+7@%s>\nReturn-Path: <old@unseen.example>\n", domain())
	default:
		fmt.Fprintf(&b, "Return-Path: <bounce+7@%s>\n", from)
	}
	b.WriteString(g.verdict(from))
	for range g.rng.IntN(3) {
		d := from
		if g.chance(25) {
			d = domain()
		}
		fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s;\n\ts=s1; h=from:to:subject; bh=abcd; b=efgh\n", pick(g, d, d, strings.ToUpper(d)))
	}
	name := pick(g, "", "Lantern ", `"spoof@unseen.example" `, `"Lantern, Inc." `)
	fmt.Fprintf(&b, "From: %s<no-reply@%s>\nTo: %s\nSubject: %s\nDate: Sat, 01 Mar 2025 10:00:00 +0000\nMessage-ID: <%s@unseen.example>\n%sX-Truth-Kind: %s\nMIME-Version: 1.0\n", name, from, c.address, w.subject, g.hex(8), w.headers, w.kind)
	links := []string{"https://app.lantern.example/open?id=5"}
	for range g.rng.IntN(3) {
		h := g.host(c.key)
		if g.chance(50) {
			links = append(links, "https://"+h+"/page")
			continue
		}
		who := c.known
		if g.chance(10) && len(g.known) > 0 {
			who = pick(g, g.known...)
		}
		v := g.disguised(who.address, inURL)
		if g.chance(20) {
			v = g.decoy(inURL)
		}
		links = append(links, "https://"+h+pick(g, "/o.gif?n=1&e=", "/c/x?uid=", "/u/")+v)
	}
	plain := w.text + "\n\n" + strings.Join(links, "\n") + "\n\nSent to " + c.address + "\n"
	var page strings.Builder
	page.WriteString("<html><body>\n")
	for _, p := range strings.Split(w.text, "\n") {
		fmt.Fprintf(&page, "<p>%s</p>\n", p)
	}
	for _, l := range links {
		fmt.Fprintf(&page, pick(g, "<p><a href=\"%s\">Open</a></p>\n", "<img src=\"%s\" width=\"1\" height=\"1\" alt=\"\">\n", "<p><a href=\"%s\">Open</a></p>\n"), strings.ReplaceAll(l, "&", "&amp;"))
	}
	fmt.Fprintf(&page, "<p>Sent to <a href=\"mailto:%s\">%s</a></p>\n</body></html>\n", c.address, c.address)
	switch g.rng.IntN(5) {
	case 0:
		b.WriteString("Content-Type: text/plain; charset=utf-8\n\n" + plain)
	case 1:
		b.WriteString("Content-Type: text/html; charset=utf-8\n\n" + page.String())
	case 2:
		b.WriteString("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + wrapped(base64.StdEncoding.EncodeToString([]byte(page.String()))))
	case 3:
		b.WriteString("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + strings.ReplaceAll(page.String(), "=", "=3D"))
	default:
		fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=\"edge\"\n\n--edge\nContent-Type: text/plain; charset=utf-8\n\n%s\n--edge\nContent-Type: text/html; charset=utf-8\n\n%s\n--edge--\n", plain, page.String())
	}
	if g.chance(50) {
		return strings.ReplaceAll(b.String(), "\n", "\r\n")
	}
	return b.String()
}

func wrapped(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s + "\n"
}

// verdict is what servers say of the sender. Silent: two headers of the trusted server that disagree.
func (g *generator) verdict(from string) string {
	line := func(server, results string) string {
		return fmt.Sprintf("Authentication-Results: %s;%s%s\n", server, pick(g, " ", "\n\t"), results)
	}
	pass := func() string {
		return pick(g, "dkim=pass header.d="+from+" header.s=s1; spf=fail smtp.mailfrom=x@unseen.example", "dkim=pass (2048-bit key; unprotected) header.d="+strings.ToUpper(from)+" header.i=@"+from,
			"spf=pass smtp.mailfrom=bounce@news."+from, "spf=pass smtp.mailfrom="+from, "dkim=fail header.d="+from+"; spf=pass (sender allowed) smtp.mailfrom=bounce@"+from, "dkim=pass header.i=@mail."+from)
	}
	trusted := pick(g, "mx.platform.example", "mx.platform.example", "MX.Platform.example", "mx.platform.example 1")
	switch g.rng.IntN(10) {
	case 0:
		return ""
	case 1:
		return line(pick(g, "mx.other.example", "platform.example", "mx.platform.example.evil.example"), pass())
	case 2:
		return line(trusted, pick(g, "none", "dkim=fail header.d="+from, "dkim=pass header.d=unseen.example", "spf=softfail smtp.mailfrom="+from, "spf=pass smtp.mailfrom=bounce@unseen.example",
			"spf=pass smtp.helo="+from, "dkim=pass", "arc=pass header.d="+from, "dmarc=fail header.from="+from, "dkim=neutral header.d="+from))
	case 3:
		return line(trusted, "dkim=fail header.d="+from) + line("mx.other.example", pass())
	case 4:
		return line("mx.other.example", "none") + line(trusted, pass())
	}
	return line(trusted, pass())
}
