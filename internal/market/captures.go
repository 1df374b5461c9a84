package market

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// known is an account whose address the platform handed out.
type known struct{ id, address string }

// people draws the addresses of most accounts. Silent: one address of two accounts, two addresses of one account, an address of the
// account unknown, addresses that are one another's form without plus or dots.
func (g *generator) people() {
	for _, id := range g.accounts {
		if id != "unknown" && g.chance(80) {
			g.address(id)
		}
	}
}

// address gives an account an address and lists it.
func (g *generator) address(id string) known {
	for _, k := range g.known {
		if k.id == id {
			return k
		}
	}
	k := known{id, g.freshAddress("people.example", "staff.corp.example", "mail.folk.co.uk")}
	g.known = append(g.known, k)
	if g.Addresses {
		listed := k.address
		if g.chance(20) {
			listed = strings.ToUpper(listed[:1]) + listed[1:len(listed)-7] + strings.ToUpper(listed[len(listed)-7:])
		}
		g.line("addresses", g.Start, obj{{"account_id", id}, {"email", listed}})
	}
	return k
}

// freshAddress is one that nobody has.
func (g *generator) freshAddress(domains ...string) string {
	g.serial++
	return fmt.Sprintf("%s.%s%d@%s", pick(g, "ada", "bo", "cleo", "dag", "eva"), pick(g, "berg", "lund", "strand", "holm"), g.serial, pick(g, domains...))
}

// spot is where an address is written, which says how it can be.
type spot int

const (
	inMarkup spot = iota // rendered text and attributes: entities are read
	inText               // scripts, comments, JSON, plain text
	inURL
)

// disguised writes an address, or its hash, in one of the simple ways.
func (g *generator) disguised(address string, where spot) string {
	if g.chance(30) {
		m, s1, s2 := md5.Sum([]byte(address)), sha1.Sum([]byte(address)), sha256.Sum256([]byte(address))
		h := pick(g, fmt.Sprintf("%x", m), fmt.Sprintf("%x", s1), fmt.Sprintf("%x", s2), fmt.Sprintf("%x", s2))
		return pick(g, h, h, strings.ToUpper(h))
	}
	every := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(address) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	at := func(s string) string { return strings.Replace(address, "@", s, 1) }
	switch where {
	case inMarkup:
		return pick(g, address, address, strings.ToUpper(address), at("&#64;"), at("&#x40;"), at("&commat;"), every("&#%d;"), every("&#x%x;"), at("%40"),
			base64.StdEncoding.EncodeToString([]byte(address)))
	case inText:
		return pick(g, address, address, strings.ToUpper(address[:3])+address[3:], at("%40"), base64.StdEncoding.EncodeToString([]byte(address)), base64.RawStdEncoding.EncodeToString([]byte(address)))
	}
	return pick(g, at("%40"), at("%40"), at("%40"), every("%%%02x"), every("%%%02X"), address, base64.RawURLEncoding.EncodeToString([]byte(address)))
}

// decoy looks like an address, or like one in disguise, and is none that was handed out.
func (g *generator) decoy(where spot) string {
	stranger := g.freshAddress("strangers.example", "people.example")
	if len(g.known) > 0 && g.chance(50) { // a longer one that holds one that was
		k := pick(g, g.known...).address
		stranger = pick(g, "x"+k, k+".org", k+"s", "not-"+k, "a."+k)
	}
	if where != inURL && g.chance(20) {
		return pick(g, "logo@2x.png", "pkg@1.2.3", "git@code.example:team/repo", "help@vendor.example")
	}
	return g.disguised(stranger, where)
}

// cast says whose addresses a capture holds.
type cast struct {
	g      *generator
	viewer string
	mode   int
}

func (g *generator) cast(viewer string) cast { return cast{g, viewer, g.rng.IntN(100)} }

// one writes somebody's address: another's, the viewer's own, or nobody's.
func (c cast) one(where spot) string {
	others, own := 60, 25
	switch {
	case c.mode < 20:
		others, own = 0, 50
	case c.mode < 30:
		others, own = 0, 0
	}
	n := c.g.rng.IntN(100)
	switch {
	case n < others && len(c.g.known) > 0:
		return c.g.disguised(pick(c.g, c.g.known...).address, where)
	case n < others+own:
		for _, k := range c.g.known {
			if k.id == c.viewer {
				return c.g.disguised(k.address, where)
			}
		}
	}
	return c.g.decoy(where)
}

// shown and carried are parts of a page in which a browser shows an address, and in which it does not.
func (c cast) shown() string {
	return fmt.Sprintf(pick(c.g, "<p>Write to %s today</p>", "<td>%s</td>", `<span title="%s">Who</span>`, `<img alt="%s" src="/face.png">`, `<input type="text" placeholder="%s">`,
		`<button aria-label="%s">Mail</button>`, `<input type="text" value="%s">`, "<li>Owner: <b>%s</b></li>"), c.one(inMarkup))
}

func (c cast) carried() string {
	if c.g.chance(40) {
		return fmt.Sprintf(pick(c.g, `<div data-user="%s">Who</div>`, `<p hidden>%s</p>`, `<p style="display:none">%s</p>`, `<input type="hidden" value="%s">`, `<meta name="author" content="%s">`,
			`<template><p>%s</p></template>`, `<a href="mailto:%s">Mail</a>`), c.one(inMarkup))
	}
	return fmt.Sprintf(pick(c.g, `<script>var u = {"email": "%s"};</script>`, `<!-- %s -->`, `<style>/* %s */ p { color: red }</style>`), c.one(inText))
}

// page is a web page; some only carry, some show, too.
func (c cast) page() string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><title>Team</title></head><body>\n")
	shows := c.g.chance(50)
	for range 1 + c.g.rng.IntN(6) {
		if shows && c.g.chance(50) {
			b.WriteString(c.shown())
		} else {
			b.WriteString(c.carried())
		}
		b.WriteString("\n")
	}
	b.WriteString("<p>That is all.</p></body></html>\n")
	return b.String()
}

func (c cast) script() string {
	var b strings.Builder
	for range 1 + c.g.rng.IntN(4) {
		fmt.Fprintf(&b, pick(c.g, "var user = {email: %q};\n", "load(%q); // the owner\n", "const list = [\"\", %q];\n"), c.one(inText))
	}
	return b.String()
}

func (c cast) text() string {
	var b strings.Builder
	b.WriteString("Team\n")
	for range 1 + c.g.rng.IntN(4) {
		fmt.Fprintf(&b, pick(c.g, "Owner: %s\n", "%s\n", "Ask %s for help.\n"), c.one(inText))
	}
	return b.String()
}

// own are hosts of the app's vendor.
func (g *generator) own(key string) []string {
	var out []string
	for _, a := range g.Apps {
		if a.Key != key || a.raw != "" {
			continue
		}
		l, _ := field(a.fields, "domains").([]any)
		for _, d := range l {
			out = append(out, d.(string))
		}
		if d, ok := field(a.fields, "descriptor").(obj); ok {
			h := strings.TrimPrefix(strings.ToLower(field(d, "baseUrl").(string)), "https://")
			h, _, _ = strings.Cut(h, "/")
			h, _, _ = strings.Cut(h, ":")
			out = append(out, h)
		}
	}
	return out
}

// host draws a host: the vendor's, the platform's, one that approvals may declare, a third party's, one that only looks like the others.
// Silent: hosts without a registrable domain.
func (g *generator) host(key string) string {
	if own := g.own(key); len(own) > 0 && g.chance(20) {
		return pick(g, "", "cdn.", "App.") + pick(g, own...)
	}
	switch g.rng.IntN(8) {
	case 0:
		return pick(g, "acme.atlassian.net", "api.atlassian.com", "atlassian.com", "x.prod.atl-paas.net", "trello.com", "c.bitbucket.org", "s.statuspage.io", "acme.jira.com")
	case 1:
		return pick(g, "notatlassian.net", "atlassian.net.beacon.example", "lantern.example.co.uk", "heron.example.org", "xrelay.example")
	case 2, 3, 4:
		return pick(g, "relay.example", "api.relay.example", "courier.co.uk", "in.courier.co.uk", "heron.github.io")
	case 5:
		return pick(g, "lantern.example", "cdn.heron.example", "lantern.github.io")
	}
	return pick(g, "t.tracker.example", "tracker.example", "Ads.Beacon.co.uk", "one.github.io", "two.github.io", "pages.embed.example")
}

// fields are those of a JSON object whose spelling does not matter.
type fields = map[string]any

// har is what a browser sent and received.
func (c cast) har(key string) string {
	g := c.g
	var entries []any
	n := 1 + g.rng.IntN(4)
	for i := range n {
		h := g.host(key)
		target := "https://" + h + pick(g, "", "", ":8443") + "/collect"
		headers := []any{fields{"name": "Accept", "value": "*/*"}}
		request := fields{"method": "GET", "httpVersion": "HTTP/1.1", "cookies": []any{}, "queryString": []any{}, "headersSize": -1, "bodySize": -1}
		if g.chance(55) {
			switch g.rng.IntN(10) {
			case 0, 1, 2:
				v := c.one(inURL)
				target += "?v=1&uid=" + v
				request["queryString"] = []any{fields{"name": "v", "value": "1"}, fields{"name": "uid", "value": v}}
			case 3:
				target += pick(g, "/", "/open#u=") + c.one(inURL)
			case 4:
				headers = append(headers, fields{"name": "Referer", "value": "https://app.lantern.example/x?user=" + c.one(inURL)})
			case 5:
				headers = append(headers, fields{"name": "X-User", "value": c.one(inText)})
			case 6:
				request["method"] = "POST"
				request["postData"] = fields{"mimeType": "application/json", "text": fmt.Sprintf(`{"traits":{"email":%q}}`, c.one(inText))}
			case 7:
				request["method"] = "POST"
				request["postData"] = fields{"mimeType": "application/x-www-form-urlencoded", "text": "a=1&mail=" + c.one(inURL)}
			case 8:
				request["method"] = "POST"
				request["postData"] = fields{"mimeType": "multipart/form-data; boundary=edge", "text": "--edge\r\nContent-Disposition: form-data; name=\"mail\"\r\n\r\n" + c.one(inText) + "\r\n--edge--\r\n"}
			case 9:
				request["cookies"] = []any{fields{"name": "uid", "value": c.one(inURL)}}
			}
		}
		request["url"], request["headers"] = target, headers
		content := fields{"size": 0, "mimeType": "text/plain"}
		response := fields{"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": []any{}, "redirectURL": "", "headersSize": -1, "bodySize": -1}
		answers := []any{fields{"name": "Server", "value": "x"}}
		if g.chance(10) {
			answers = append(answers, fields{"name": pick(g, "X-User", "Set-Cookie"), "value": "u=" + c.one(inText) + "; Path=/"})
		}
		response["headers"] = answers
		if i == n-1 || g.chance(50) {
			body, kind := `{"ok":true}`, "application/json"
			switch g.rng.IntN(5) {
			case 0, 1:
				body, kind = c.page(), "text/html; charset=utf-8"
			case 2:
				body = fmt.Sprintf(`{"users":[{"id":7,"email":%q},{"id":8,"email":%q}]}`, c.one(inText), c.one(inText))
			case 3:
				body, kind = c.script(), "application/javascript"
			}
			content = fields{"size": len(body), "mimeType": kind, "text": body}
			if g.chance(25) {
				content["text"], content["encoding"] = base64.StdEncoding.EncodeToString([]byte(body)), "base64"
			}
		}
		response["content"] = content
		entry := fields{"startedDateTime": "2025-03-01T10:00:00Z", "time": 5, "request": request, "response": response, "cache": fields{}, "timings": fields{"send": 1, "wait": 2, "receive": 2}}
		if g.chance(8) {
			entry["_webSocketMessages"] = []any{fields{"type": pick(g, "send", "receive"), "time": 1, "opcode": 1, "data": fmt.Sprintf(`{"who":%q}`, c.one(inText))}}
		}
		entries = append(entries, entry)
	}
	log := fields{"entries": entries}
	if g.chance(10) { // what pages keep in the browser
		log[pick(g, "_localStorage", "_sessionStorage", "_storage")] = []any{fields{"origin": "https://app.lantern.example", "items": []any{fields{"name": "user", "value": c.one(inText)}}}}
	}
	return archive(log)
}

// archive is a HAR with this log.
func archive(log fields) string {
	log["version"], log["creator"] = "1.2", fields{"name": "crawler", "version": "1"}
	data, _ := json.Marshal(fields{"log": log})
	return string(data)
}

func harOf(entries []any) string { return archive(fields{"entries": entries}) }

// turns are the moments at which the app's approvals begin and end.
func (g *generator) turns(key string) []time.Time {
	var out []time.Time
	for _, a := range g.Apps {
		if a.Key != key {
			continue
		}
		for _, p := range a.approvals {
			for _, name := range []string{"decided_at", "revoked_at"} {
				if o, ok := field(p.final, name).(opt); ok {
					if t, ok := o.v.(time.Time); ok && t.After(g.Start) && t.Before(g.AsOf.Add(day)) {
						out = append(out, t)
					}
				}
			}
		}
	}
	return out
}

// around is a moment at which an approval of the app may just have begun or ended.
func (g *generator) around(key string) time.Time {
	if turns := g.turns(key); len(turns) > 0 && g.chance(45) {
		return pick(g, turns...).Add(pick[time.Duration](g, 0, 0, -1, 1))
	}
	return g.moment()
}

// captures: what a crawler saw of the apps.
func (g *generator) captures() {
	keys := g.keys()
	for range 3 + g.rng.IntN(16) {
		key := pick(g, keys...)
		viewer := pick(g, g.accounts...)
		if g.chance(15) || viewer == "unknown" {
			viewer = ""
		}
		c := g.cast(viewer)
		kind := pick(g, "har", "har", "har", "html", "html", "text", "js")
		var content string
		switch kind {
		case "har":
			content = c.har(key)
		case "html":
			content = c.page()
		case "text":
			content = c.text()
		case "js":
			content = c.script()
		}
		file := g.fileName(kind)
		t := g.around(key)
		g.line("captures", t, captureObject(g, file, kind, key, viewer, t), Beside{file, content})
		if g.chance(12) { // the same file once more, as something else
			t, viewer = g.around(key), pick(g, g.accounts...)
			if viewer == "unknown" {
				viewer = ""
			}
			if kind != "har" && g.chance(50) {
				kind = pick(g, "html", "text", "js")
			}
			g.line("captures", t, captureObject(g, file, kind, pick(g, keys...), viewer, t), Beside{file, content})
		}
	}
}

func captureObject(g *generator, file, kind, key, viewer string, t time.Time) obj {
	return obj{{"file", file}, {"kind", kind}, {"app_key", key}, {"cloud_id", opt{pick(g, append([]string{""}, g.sites...)...)}}, {"viewer_account_id", opt{viewer}}, {"captured_at", t},
		{"url", opt{pick(g, "", "https://app.lantern.example/view?id=5", "https://pages.embed.example/view", "https://acme.atlassian.net/plugins/x", "https://one.github.io/view", "https://T.Tracker.example:444/")}}}
}

// fileName is a new name beside a manifest, some of them in a folder.
func (g *generator) fileName(ext string) string {
	g.serial++
	return pick(g, "", "", "more/", "größe/") + fmt.Sprintf("f%d.%s", g.serial, ext)
}

// signals: what people report.
func (g *generator) signals() {
	keys := g.keys()
	for range 1 + g.rng.IntN(10) {
		t := g.moment()
		// Silent: the kind `exposure`; two signals of one instant whose texts differ in nothing but an address.
		g.line("signals", t, obj{{"ts", t}, {"app_key", pick(g, keys...)}, {"cloud_id", opt{pick(g, append([]string{""}, g.sites...)...)}},
			{"kind", pick(g, "ui-exposure", "ui-exposure", "ui-exposure", "mail-exposure", "-exposure", "exposures", "overexposure", "ui-exposure ", "UI-Exposure", "praise", "ui-exposures")},
			{"text", opt{pick(g, "", "I can see everybody's address", "<b>=1+1</b> @channel", fmt.Sprintf("%s is on page %d", g.freshAddress("people.example"), g.serial), "odd \"ünd\" \\ text")}},
			{"source", opt{pick(g, "", "support-ticket", "review", "=review")}}})
	}
}
