package oracle

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ada    = "ada.berg@people.example" // of acc
	bo     = "bo.lund@people.example"  // of acc2
	viewer = "viewer-7"
	vera   = "vera@people.example" // the viewer's
)

// cap1 is a line about a capture of the app a on site1.
func cap1(file, kind, at string) string {
	return fmt.Sprintf(`{"file":%q,"kind":%q,"app_key":"a","cloud_id":%q,"viewer_account_id":%q,"captured_at":%q,"url":"https://app.page.example/x"}`, file, kind, site1, viewer, at)
}

// requests is a HAR that requested these URLs.
func requests(urls ...string) string {
	var b strings.Builder
	for _, u := range urls {
		fmt.Fprintf(&b, `,{"request":{"method":"GET","url":%q},"response":{"status":200,"content":{"size":2,"mimeType":"text/plain","text":"ok"}}}`, u)
	}
	return `{"log":{"entries":[` + strings.TrimPrefix(b.String(), ",") + `]}}`
}

// ml is a line about a mail from the app a to acc on site1.
func ml(file, at string) string {
	return fmt.Sprintf(`{"file":%q,"app_key":"a","cloud_id":%q,"account_id":%q,"received_at":%q}`, file, site1, acc, at)
}

// eml is a mail of a kind, from x@a.example unless more headers say otherwise.
func eml(kind, body string, more ...string) string {
	h := "X-Truth-Kind: " + kind + "\r\n" + strings.Join(more, "")
	if !strings.Contains(h, "From:") {
		h += "From: A <x@a.example>\r\n"
	}
	return h + "To: " + ada + "\r\n\r\n" + body
}

const provedHeader = "Authentication-Results: mx.test; dkim=pass header.d=a.example\r\n"

func TestExposure(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString([]byte(ada))
	md5OfAda := "dfd4ae65ecdbf0bdf358350a2b55b332"
	ten := "2025-03-01T10:00:00Z"
	own := reg(stores + `,"domains":["www.a.example"],"descriptor":{"baseUrl":"https://app.b.example:8443/x"}`)
	withApproval := func(more string) string {
		return reg(stores + `,"domains":["a.example"],"approvals":[{"status":"approved","decided_at":"2025-03-01T10:00:00Z","revoked_at":"2025-03-02T10:00:00Z"` + more + `}]`)
	}
	crit := func(n Numbers) Finding { return Finding{n, "critical", "certain"} }
	med := func(n Numbers) Finding { return Finding{n, "medium", "certain"} }
	one := Numbers{1, 1, 1}
	tests := []struct {
		name                                      string
		captures, mails, signals, access, install []string
		files                                     map[string]string
		apps                                      []string
		authserv                                  string
		noAddresses                               bool
		asOf                                      string
		only                                      string
		want                                      map[string]Finding // "check" or "check|subject", of the app a
	}{
		{name: "where a page shows an address, and where it only carries it", only: "ui-",
			captures: []string{cap1("a.html", "html", ten), cap1("b.html", "html", ten), cap1("c.txt", "text", ten), cap1("d.js", "js", ten)},
			files: map[string]string{"a.html": `<p title="` + strings.ToUpper(ada) + `">x</p><!-- ` + bo + ` -->`, "b.html": `<div hidden>ada.berg&#64;people.example</div><script>x="` + bo + `"</script>`,
				"c.txt": "ada.berg%40people.example", "d.js": `atob("` + b64 + `")`},
			want: map[string]Finding{"ui-exposure|html": crit(one), "ui-payload-exposure|html": med(Numbers{2, 2, 1}), "ui-exposure|text": crit(one), "ui-payload-exposure|js": med(one)}},
		{name: "the viewer's own is no exposure, and does not hide that of others", only: "ui-",
			captures: []string{cap1("a.html", "html", ten), cap1("b.html", "html", ten)},
			files:    map[string]string{"a.html": "<p>" + vera + "</p><input type=\"hidden\" value=\"" + ada + "\">", "b.html": "<p>" + vera + "</p>"},
			want:     map[string]Finding{"ui-payload-exposure|html": med(one)}},
		{name: "a hash beside an address that is shown", only: "ui-", captures: []string{cap1("a.html", "html", ten)},
			files: map[string]string{"a.html": "<p>" + ada + " " + md5OfAda + "</p>"}, want: map[string]Finding{"ui-exposure|html": crit(one), "ui-hash-exposure|md5": med(one)}},
		{name: "strangers, longer addresses, other hashes", only: "", captures: []string{cap1("a.html", "html", ten)}, apps: []string{own},
			files: map[string]string{"a.html": "<p>x" + ada + " a." + ada + " " + ada + ".org " + ada + "s who@people.example logo@2x.png bb7fd07900764b3fbe7bfdb3d118620c " + base64.StdEncoding.EncodeToString([]byte("x"+ada)) + "</p>"},
			want:  map[string]Finding{}},
		{name: "no addresses to compare with", only: "ui-", noAddresses: true, captures: []string{cap1("a.html", "html", ten)}, files: map[string]string{"a.html": ada}, want: map[string]Finding{}},
		{name: "a capture after the as-of", only: "ui-", asOf: ten, captures: []string{cap1("a.html", "html", ten), cap1("a.html", "html", "2025-03-01T10:00:00.000000001Z")},
			files: map[string]string{"a.html": ada}, want: map[string]Finding{"ui-exposure|html": crit(one)}},
		{name: "one fact said twice, and another of the same file", only: "ui-",
			captures: []string{cap1("a.html", "html", ten), strings.Replace(cap1("a.html", "html", "2025-03-01T12:00:00+02:00"), "{", `{"extra":1,`, 1), cap1("a.html", "text", ten)},
			files:    map[string]string{"a.html": ada}, want: map[string]Finding{"ui-exposure|html": crit(one), "ui-exposure|text": crit(one)}},
		{name: "what a browser received", only: "ui-", captures: []string{cap1("a.har", "har", ten), cap1("b.har", "har", ten)},
			files: map[string]string{"a.har": `{"log":{"entries":[{"request":{"url":"https://a.example/"},"response":{"headers":[{"name":"X","value":"` + bo + `"}],"content":{"mimeType":"text/html","encoding":"base64","text":"` +
				base64.StdEncoding.EncodeToString([]byte("<p>"+ada+"</p>")) + `"}}}]}}`,
				"b.har": `{"log":{"entries":[{"request":{"url":"https://a.example/?e=` + ada + `"},"response":{"content":{"mimeType":"application/json","text":"{}"}},"_webSocketMessages":[{"type":"receive","data":"` + bo + `"},{"type":"send","data":"` + ada + `"}]}]}}`},
			want: map[string]Finding{"ui-exposure|har": crit(one), "ui-payload-exposure|har": med(Numbers{2, 1, 1})}},
		{name: "hosts of one's own, of the platform, of the page, and others", only: "third-", apps: []string{own}, captures: []string{cap1("a.har", "har", ten)},
			files: map[string]string{"a.har": requests("https://x.a.example/?e="+ada, "https://b.example/"+ada, "https://acme.atlassian.net/?e="+ada, "https://cdn.page.example/?e="+ada,
				"https://notatlassian.net/?e="+ada, "https://X.Tracker.co.uk:8443/?e="+md5OfAda, "https://y.tracker.co.uk/?v=vera%40people.example", "https://one.github.io/?e="+b64, "https://none.example/?e=x"+ada)},
			want: map[string]Finding{"third-party-sharing|notatlassian.net": crit(one), "third-party-sharing|tracker.co.uk": crit(Numbers{1, 2, 1}), "third-party-sharing|one.github.io": crit(one)}},
		{name: "third parties that an approval in force declares", only: "third-", apps: []string{withApproval(`,"third_parties":["API.relay.example"]`)},
			captures: []string{cap1("a.har", "har", "2025-03-01T09:59:59.999999999Z"), cap1("b.har", "har", ten), cap1("a.har", "har", "2025-03-02T09:59:59.999999999Z"), cap1("a.har", "har", "2025-03-02T10:00:00Z")},
			files:    map[string]string{"a.har": requests("https://relay.example/?e=" + ada), "b.har": requests("https://in.relay.example/?e="+ada, "https://relay.example.org/?e="+ada)},
			want:     map[string]Finding{"third-party-sharing|relay.example": crit(Numbers{2, 1, 1}), "third-party-sharing|example.org": crit(one)}},
		{name: "an app that is not in the registry, and a site that is not told", only: "third-", apps: []string{`{"key":"z"}`},
			captures: []string{`{"file":"a.har","kind":"har","app_key":"a","captured_at":"2025-03-01T10:00:00Z"}`}, files: map[string]string{"a.har": requests("https://a.example/?e=" + vera)},
			want: map[string]Finding{"third-party-sharing|a.example": crit(Numbers{1, 1, 0})}},
		{name: "an app whose registry line is bad", only: "", apps: []string{`{"key":"z"}`, `{"key":"a","kind":"plugin"}`}, captures: []string{cap1("a.har", "har", ten)}, mails: []string{ml("1.eml", ten)},
			files: map[string]string{"a.har": requests("https://t.example/?e=" + ada), "1.eml": eml("marketing", "", provedHeader)}, want: map[string]Finding{}},
		{name: "what a mail loads and links to", only: "third-", apps: []string{own}, mails: []string{ml("1.eml", ten), ml("2.eml", ten)},
			files: map[string]string{"1.eml": eml("marketing", "<a href=\"mailto:"+ada+"\">"+ada+"</a><img src=\"https://o.t.example/?n=1&amp;e="+md5OfAda+"\">", "Content-Type: text/html\r\n"),
				"2.eml": eml("marketing", "Open https://t.example/"+b64+" or https://a.example/?e="+ada)},
			want: map[string]Finding{"third-party-sharing|t.example": crit(Numbers{2, 1, 1})}},
		{name: "kinds of mail", only: "mail-", authserv: "mx.test", apps: []string{withApproval(`,"purposes":["user-sync","marketing"]`)},
			mails: []string{ml("1.eml", ten), ml("2.eml", ten), ml("3.eml", ten), ml("4.eml", ten), ml("4.eml", "2025-03-01T09:59:59.999999999Z"), ml("4.eml", "2025-03-02T10:00:00Z")},
			files: map[string]string{"1.eml": eml("marketing", "", provedHeader), "2.eml": eml("security-alerts", "", provedHeader), "3.eml": eml("other", "", provedHeader), "4.eml": eml("user-sync", "", provedHeader)},
			want: map[string]Finding{"mail-prohibited|marketing": {one, "critical", "likely"}, "mail-not-approved|security-alerts": {one, "high", "likely"}, "mail-not-approved|other": {one, "low", "possible"},
				"mail-not-approved|user-sync": {Numbers{2, 1, 1}, "high", "likely"}}},
		{name: "the highest confidence of several", only: "mail-p", authserv: "mx.test", apps: []string{own}, mails: []string{ml("1.eml", ten), ml("2.eml", ten)},
			files: map[string]string{"1.eml": eml("marketing", "", provedHeader), "2.eml": eml("marketing", "")}, want: map[string]Finding{"mail-prohibited|marketing": {Numbers{2, 1, 1}, "critical", "likely"}}},
		{name: "a sender that is not proved", only: "mail-p", authserv: "mx.test", apps: []string{own}, mails: []string{ml("1.eml", ten), ml("2.eml", ten), ml("3.eml", ten), ml("4.eml", ten)},
			files: map[string]string{"1.eml": eml("marketing", "", "Authentication-Results: mx.other; dkim=pass header.d=a.example\r\n"), "2.eml": eml("marketing", "", "Authentication-Results: mx.test; dkim=pass header.d=b.example; spf=fail smtp.mailfrom=a.example\r\n"),
				"3.eml": eml("marketing", "", "Authentication-Results: mx.test; none\r\n"), "4.eml": eml("marketing", "")},
			want: map[string]Finding{"mail-prohibited|marketing": {Numbers{4, 1, 1}, "critical", "possible"}}},
		{name: "nobody's verdict counts", only: "mail-p", apps: []string{own}, mails: []string{ml("1.eml", ten)}, files: map[string]string{"1.eml": eml("marketing", "", provedHeader)},
			want: map[string]Finding{"mail-prohibited|marketing": {one, "critical", "possible"}}},
		{name: "senders proved otherwise", only: "mail-a", authserv: "mx.test", install: []string{ev("2025-01-01T00:00:00Z", site1, "uninstalled")}, mails: []string{ml("1.eml", ten)},
			files: map[string]string{"1.eml": eml("marketing", "", "Authentication-Results: MX.test 1;\r\n\tdkim=fail (bad) header.d=a.example;\r\n\tspf=pass (ok; fine) smtp.mailfrom=b@news.A.example\r\n")},
			want:  map[string]Finding{"mail-after-uninstall": crit(one)}},
		{name: "another app knows the canary", only: "mail-p", authserv: "mx.test", asOf: "2025-03-10T00:00:00Z", apps: []string{own}, mails: []string{ml("1.eml", ten)}, files: map[string]string{"1.eml": eml("marketing", "", provedHeader)},
			access: []string{c("2025-03-10T00:00:00Z", "x", site2, 200, "", "oauth2", acc)}, want: map[string]Finding{"mail-prohibited|marketing": {one, "critical", "possible"}}},
		{name: "nobody else knows the canary", only: "mail-p", authserv: "mx.test", asOf: "2025-03-10T00:00:00Z", apps: []string{own}, mails: []string{ml("1.eml", ten)}, files: map[string]string{"1.eml": eml("marketing", "", provedHeader)},
			access: []string{c("2025-03-10T00:00:00.000000001Z", "x", site2, 200, "", "oauth2", acc), c(ten, "x", site2, 403, "", "oauth2", acc), c(ten, "", site2, 200, "", "basic", acc), get(ten), c(ten, "x", site2, 200, "", "oauth2", acc2)},
			want:   map[string]Finding{"mail-prohibited|marketing": {one, "critical", "likely"}}},
		{name: "senders that are not the vendor", only: "mail-t", authserv: "mx.test", apps: []string{withApproval(`,"third_parties":["relay.example"]`)}, mails: []string{ml("1.eml", ten), ml("2.eml", ten), ml("1.eml", "2025-03-02T10:00:00Z")},
			files: map[string]string{"1.eml": eml("other", "", provedHeader, "Return-Path: <b@in.relay.example>\r\n", "Return-Path: <b@below.example>\r\n", "DKIM-Signature: v=1; d=Mail.S.example; bh=d=\r\n", "DKIM-Signature: v=1; d=s.example\r\n"),
				"2.eml": eml("other", "", "Return-Path: <>\r\n", "From: \"x@spoof.example\" <x@f.s.example>\r\n", "DKIM-Signature: d=api.atlassian.com\r\n")},
			want: map[string]Finding{"mail-third-party|s.example": {Numbers{3, 1, 1}, "high", "certain"}, "mail-third-party|relay.example": {one, "high", "certain"}}},
		{name: "24 hours after the app left", only: "mail-a", authserv: "mx.test",
			install: []string{ev(ten, site1, "uninstalled"), ev("2025-03-01T12:00:00Z", site1, "disabled"), ev("2025-03-02T10:00:00.000000002Z", site1, "enabled"), ev("2025-03-03T00:00:00Z", site2, "present")},
			mails:   []string{ml("1.eml", "2025-03-02T10:00:00Z"), ml("1.eml", "2025-03-02T10:00:00.000000001Z"), ml("1.eml", "2025-03-02T10:00:00.000000002Z"), ml("1.eml", "2025-03-20T10:00:00Z")}, asOf: "2025-04-01T00:00:00Z",
			files: map[string]string{"1.eml": eml("other", "", provedHeader)}, want: map[string]Finding{"mail-after-uninstall": crit(one)}},
		{name: "no event on the site", only: "mail-a", install: []string{ev(ten, site2, "uninstalled")}, mails: []string{ml("1.eml", "2025-03-04T10:00:00Z")}, files: map[string]string{"1.eml": eml("other", "")}, want: map[string]Finding{}},
		{name: "stale mail", only: "storage", apps: []string{reg("")}, asOf: "2025-04-01T00:00:00Z",
			access: []string{get("2025-03-01T10:00:00Z"), c("2025-03-10T10:00:00Z", "x", site1, 200, "", "oauth2", acc), c("2025-03-10T10:00:00Z", "a", site1, 403, "", "oauth2", acc), c("2025-03-10T10:00:00Z", "a", site1, 200, "", "oauth2", acc2)},
			mails:  []string{ml("1.eml", "2025-03-01T09:59:59.999999999Z"), ml("1.eml", ten), ml("1.eml", "2025-03-08T10:00:00Z"), ml("1.eml", "2025-03-08T10:00:00.000000001Z"), ml("1.eml", "2025-03-11T10:00:00Z")},
			files:  map[string]string{"1.eml": eml("other", "")}, want: map[string]Finding{"storage-undeclared|stale-mail": {Numbers{3, 1, 0}, "high", "possible"}}},
		{name: "an app that says that it stores", only: "storage", apps: []string{reg(stores)}, mails: []string{ml("1.eml", ten)}, files: map[string]string{"1.eml": eml("other", "")}, want: map[string]Finding{}},
		{name: "an app that says that it does not", only: "storage", apps: []string{reg(`,"stores_personal_data":false`)}, mails: []string{ml("1.eml", ten)}, files: map[string]string{"1.eml": eml("other", "")},
			want: map[string]Finding{"storage-undeclared|stale-mail": {Numbers{1, 1, 0}, "high", "possible"}}},
		{name: "signals", only: "", signals: []string{
			`{"ts":"2025-03-01T10:00:00Z","app_key":"a","cloud_id":"` + site1 + `","kind":"ui-exposure","text":"x","source":"y"}`, `{"source":"y","ts":"2025-03-01T11:00:00+01:00","app_key":"a","cloud_id":"` + site1 + `","kind":"ui-exposure","text":"x"}`,
			`{"ts":"2025-03-01T10:00:00Z","app_key":"a","kind":"mail-exposure"}`, `{"ts":"2025-03-01T10:00:00Z","app_key":"a","cloud_id":"` + site2 + `","kind":"slowness"}`, `{"ts":"2025-03-06T10:00:00Z","app_key":"a","cloud_id":"` + site2 + `","kind":"ui-exposure"}`},
			want: map[string]Finding{"user-reported-exposure": {Numbers{2, 0, 1}, "low", "possible"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.asOf == "" {
				tt.asOf = "2025-03-05T00:00:00Z"
			}
			if tt.apps == nil {
				tt.apps = []string{`{"key":"z"}`}
			}
			join := func(l []string) []File { return []File{{Name: "f", Data: []byte(strings.Join(l, "\n"))}} }
			beside := map[string][]byte{}
			for name, text := range tt.files {
				beside[name] = []byte(text)
			}
			in := Input{AsOf: when(tt.asOf), Access: []AccessSource{{true, join(tt.access)}}, Installs: &Source{join(tt.install)}, Apps: &Source{join(tt.apps)}, Signals: &Source{join(tt.signals)},
				Captures: &Manifest{join(tt.captures), beside}, Mail: &Mailboxes{Manifest{join(tt.mails), beside}, tt.authserv}}
			if !tt.noAddresses {
				in.Addresses = &Source{join([]string{fmt.Sprintf(`{"account_id":%q,"email":%q}`, acc, "Ada.Berg@people.example"), fmt.Sprintf(`{"account_id":%q,"email":%q}`, acc2, bo), fmt.Sprintf(`{"account_id":%q,"email":%q}`, viewer, vera)})}
			}
			res := Judge(in)
			got := map[string]Finding{}
			for k, n := range res.Open {
				if k.App == "a" && strings.HasPrefix(k.Check, tt.only) && (tt.only != "" || !strings.HasPrefix(k.Check, "access-")) {
					s := k.Check
					if k.Subject != "" {
						s += "|" + k.Subject
					}
					got[s] = n
				}
			}
			if len(res.Bad) > 0 && tt.apps[0] == own {
				t.Error(res.Bad)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s\n%v", d, res.Bad)
			}
		})
	}
}

// Which lines of the newer sources are bad.
func TestManifests(t *testing.T) {
	good := `{"file":"a.html","kind":"html","app_key":"a","captured_at":"2025-03-01T10:00:00Z"}`
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	captures := []string{
		good, with(`"a"`, `"a","cloud_id":null,"viewer_account_id":"","url":null`), with(`a.html`, `gone.html`), with(`a.html`, `x/../a.html`), with(`a.html`, `../a.html`), with(`a.html`, `/a.html`), with(`a.html`, `jo@x.html`),
		with(`"html"`, `"har"`), with(`"html"`, `"HTML"`), with(`"html"`, `""`), with(`"a"`, `""`), with(`"a"`, `"j@o"`), with(`"captured_at"`, `"at"`), with(`"a"`, `"a","viewer_account_id":"jo@x"`), with(`"a"`, `"a","cloud_id":5`),
		with(`"a"`, `"a","url":5`), with(`"a"`, `"a","url":"","url":""`),
		with(`a.html","kind":"html`, `1.har","kind":"har`), with(`a.html","kind":"html`, `2.har","kind":"har`), with(`a.html","kind":"html`, `3.har","kind":"har`), with(`a.html","kind":"html`, `4.har","kind":"har`),
	}
	mails := []string{ml("m", "2025-03-01T10:00:00Z"), ml("m", "2025-03-01T10:00:00.0Z"), ml("n", "2025-03-01T10:00:00Z"), ml("", "2025-03-01T10:00:00Z"), ml("m", ""), ml("gone", "2025-03-01T10:00:00Z"),
		`{"file":"m","app_key":"a","cloud_id":"","account_id":"x","received_at":"2025-03-01T10:00:00Z"}`, `{"file":"m","app_key":"a","cloud_id":"s","account_id":"","received_at":"2025-03-01T10:00:00Z"}`}
	signals := []string{`{"ts":"2025-03-01T10:00:00Z","app_key":"a","kind":"x"}`, `{"ts":"2025-03-01T10:00:00Z","app_key":"a","kind":""}`, `{"ts":"2025-03-01T10:00:00Z","app_key":"","kind":"x"}`, `{"app_key":"a","kind":"x"}`,
		`{"ts":"2025-03-01T10:00:00Z","app_key":"a","kind":"x","text":5}`}
	addresses := []string{`{"account_id":"x","email":"a@b.example"}`, `{"account_id":"x","email":""}`, `{"account_id":"","email":"a@b.example"}`, `{"account_id":"a@b.example","email":"a@b.example"}`, `{"account_id":"x","email":"a@b.example","email":"a@b.example"}`}
	join := func(l []string) []File { return []File{{Name: "f", Data: []byte(strings.Join(l, "\n"))}} }
	beside := map[string][]byte{"a.html": nil, "1.har": []byte(`{"log":{"entries":[{"response":{"status":200,"content":{"size":9}}}]}}`), "2.har": []byte(`{"log":`), "3.har": []byte(`{"log":{}}`), "4.har": []byte(requests("https://a.example/")),
		"m": []byte(eml("other", "")), "n": {}}
	res := Judge(Input{AsOf: when("2025-03-05T00:00:00Z"), Captures: &Manifest{join(captures), beside}, Mail: &Mailboxes{Manifest{join(mails), beside}, ""}, Signals: &Source{join(signals)}, Addresses: &Source{join(addresses)}})
	want := map[string]Lines{"access": {}, "reports": {}, "installs": {}, "incidents": {}, "apps": {}, "captures": {Lines: 21, Facts: 2, Duplicates: 1, Quarantined: 18}, "mail": {Lines: 8, Facts: 1, Duplicates: 1, Quarantined: 6},
		"signals": {Lines: 5, Facts: 1, Quarantined: 4}, "addresses": {Lines: 5, Facts: 1, Quarantined: 4}}
	if d := cmp.Diff(want, res.Kinds); d != "" {
		t.Errorf("(-want +got)\n%s\n%v", d, res.Bad)
	}
}
