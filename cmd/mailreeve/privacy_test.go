package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks/exposure"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// planted is an end user's address as it stands in every input of TestNoAddressIsKept, in several spellings.
const planted = "zebra.quagga@planted.example"

var plantedSpellings = []string{planted, "Zebra.Quagga@Planted.Example", "zebra.quagga%40planted.example", "zebra.quagga＠planted.example", `zebra.quagga\u0040planted.example`,
	"zebra.quagga (at) planted (dot) example", base64.StdEncoding.EncodeToString([]byte(planted)), hex.EncodeToString([]byte(planted))}

// encodedSpellings are the last of them.
const encodedSpellings = 2

// remainder is what of it must be nowhere. A host alone is no address.
var remainder = regexp.MustCompile(`(?i)zebra.?quagga`)

// Addresses are planted in every field of every input, good lines and bad; then every table, decoded pack, output, log and message is searched for them.
func TestNoAddressIsKept(t *testing.T) {
	t.Parallel()
	a := newAbroad(t, "text", `  - {kind: access, path: "access*.jsonl", max_bad: 1}
  - {kind: reports, path: reports.jsonl}
  - {kind: installs, path: installs.jsonl, complete_since: 2024-01-01T00:00:00Z}
  - {kind: incidents, path: incidents.jsonl}
  - {kind: apps, path: apps.jsonl}
  - {kind: addresses, path: addresses.jsonl}
  - {kind: captures, path: captures.jsonl, max_bad: 1}
  - {kind: mail, path: mail.jsonl, max_bad: 1, authserv_id: mx.platform.example}
  - {kind: signals, path: signals.jsonl, max_bad: 1}
`)
	dir := a.dir
	put := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var access, reports, installs, incidents, apps []string
	for i, a := range plantedSpellings {
		id := a // where ids are: one in base64 or hexadecimal digits is as opaque as any
		if i >= len(plantedSpellings)-encodedSpellings {
			id = planted
		}
		// Good lines: in fields that are free text, and in those that nobody reads.
		access = append(access, fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","request_id":"%s-%d","app_key":"acme","cloud_id":"site","path":"/rest/api/3/user/email?q=%s","auth":"oauth2","purpose":"for %s","status":200,"account_ids":["ann"],"user_agent":"%s","source_ip":"%s","extra":{"%s":"%s"}}`, a, i, a, a, a, a, a, a))
		// Bad ones: an id that looks like an address, a list that it is not on, a number that it is no number, no JSON at all.
		access = append(access,
			fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","request_id":"x%d","app_key":"acme","cloud_id":"site","path":"/","auth":"oauth2","status":200,"account_ids":["%s"]}`, i, id),
			fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","request_id":"x%d","app_key":"%s","cloud_id":"site","path":"/","auth":"oauth2","status":200}`, i, id),
			fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","request_id":"x%d","app_key":"acme","cloud_id":"%s","path":"/","auth":"oauth2","status":200}`, i, id),
			fmt.Sprintf(`{"ts":"%s","request_id":"x%d","app_key":"acme","cloud_id":"site","path":"/","auth":"%s","status":200}`, a, i, a),
			fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","request_id":"x%d","app_key":"acme","cloud_id":"site","path":"/","auth":"oauth2","status":"%s"}`, i, a),
			fmt.Sprintf(`{"%s":1,"ts":"2026-11-22T10:00:00Z"}`, a), "no json: "+a, strings.Repeat("x", 1990)+a+strings.Repeat("y", 5000))
		reports = append(reports,
			fmt.Sprintf(`{"ts":"2026-11-22T11:00:00Z","request_id":"%s","app_key":"acme","status":200,"accounts":[{"account_id":"bob","note":"%s"}]}`, a, a),
			fmt.Sprintf(`{"ts":"2026-11-22T11:00:00Z","request_id":"r","app_key":"acme","status":200,"accounts":[{"account_id":"%s"}]}`, id),
			fmt.Sprintf(`{"ts":"2026-11-22T11:00:00Z","request_id":"r","app_key":"acme","status":200,"accounts":[{"account_id":"bob","updated_at":"%s"}]}`, a),
			fmt.Sprintf(`{"ts":"2026-11-22T11:00:00Z","request_id":"r","app_key":"acme","status":200,"result":[{"account_id":"bob","status":"%s"}]}`, a))
		installs = append(installs,
			fmt.Sprintf(`{"ts":"2026-11-01T11:00:00Z","app_key":"acme","cloud_id":"other","event":"installed","by":"%s"}`, a),
			fmt.Sprintf(`{"ts":"2026-11-01T11:00:00Z","app_key":"acme","cloud_id":"%s","event":"installed"}`, id),
			fmt.Sprintf(`{"ts":"2026-11-01T11:00:00Z","app_key":"acme","cloud_id":"other","event":"%s"}`, a))
		incidents = append(incidents, fmt.Sprintf(`{"api":"%s","from":"2026-11-01T11:00:00Z","why":"%s"}`, a, a), fmt.Sprintf(`{"api":"reporting","from":"%s"}`, a))
		apps = append(apps, fmt.Sprintf(`{"key":"acme%d","name":"App of %s","kind":"connect","vendor":{"id":"%s","name":"Vendor %s","email":"office@vendor.example"},"privacy_policy_url":"https://v.example/%s",`+
			`"privacy_policy_text":"Write to %s.","terms_url":"https://v.example/?%s","listing_url":"%s","stores_personal_data":false,"domains":["%s"],"scopes":["read:email-address:jira","scope of %s"],`+
			`"descriptor":{"baseUrl":"https://h.example/%s","scopes":["%s"],"modules":{"webPanels":[{"key":"%s"},{"url":"/x?u=%s"}],"%s":{"key":"k"}}},"manifest":"permissions:\n  external:\n    images: ['https://h.example/%s']\n  scopes: ['%s']\nmodules:\n  macro:\n    - key: '%s'\n",`+
			`"approvals":[{"request_id":"REQ %s","status":"approved","decided_at":"2026-01-01T00:00:00Z","purposes":["for %s"],"functionality":"%s","policy_excerpt":"not %s","third_parties":["%s"],"snapshot":{"scopes":[],"modules":["%s"],"egress":[],"domains":[]}}]}`,
			i, a, a, a, a, a, a, a, a, a, a, a, a, a, a, strings.ReplaceAll(a, `\`, `\\`), strings.ReplaceAll(a, `\`, `\\`), strings.ReplaceAll(a, `\`, `\\`), a, a, a, a, a, a),
			fmt.Sprintf(`{"key":"%s"}`, id), fmt.Sprintf(`{"key":"acme","name":5,"note":"%s"}`, a))
	}
	var captures, mails, signals []string
	for i, a := range plantedSpellings {
		id := a
		if i >= len(plantedSpellings)-encodedSpellings {
			id = planted
		}
		plain, enc := strings.ReplaceAll(a, `\u0040`, "@"), strings.NewReplacer(" ", "+", "(", "%28", ")", "%29").Replace(a)
		put(fmt.Sprintf("c%d.html", i), `<title>`+plain+`</title><p title="`+plain+`">`+plain+`</p><script>x="`+a+`"</script><!-- `+plain+` -->`)
		put(fmt.Sprintf("c%d.txt", i), "it says "+plain)
		put(fmt.Sprintf("c%d.js", i), `let x = "`+a+`";`)
		put(fmt.Sprintf("c%d.har", i), `{"log":{"comment":"`+a+`","entries":[{"request":{"method":"POST","url":"https://`+hex.EncodeToString([]byte(planted))+`.tracker.example/`+enc+`?u=`+enc+`&`+enc+`=1","headers":[{"name":"`+a+`","value":"`+a+`"}],"cookies":[{"name":"`+a+
			`","value":"`+a+`"}],"postData":{"mimeType":"text/plain","text":"`+a+`"}},"response":{"status":200,"headers":[{"name":"X-`+a+`","value":"`+a+`"}],"content":{"mimeType":"text/html","text":"<p>`+a+`</p>"}}}]}}`)
		put(fmt.Sprintf("m%d.eml", i), "Return-Path: <"+plain+">", "Authentication-Results: mx.platform.example; dkim=pass header.d=planted.example header.i="+plain, "From: "+plain+" <"+planted+">", "To: "+plain, "Subject: Sale for "+plain,
			"X-Campaign-"+strings.NewReplacer("@", "-", " ", "-").Replace(plain)+": "+plain, "List-Id: "+plain, "Content-Type: text/html", "", `<h1>Sale: 50% off, `+plain+`</h1><img src="https://`+hex.EncodeToString([]byte(planted))+`.beacon.example/?u=`+enc+`">`)
		line := func(file, kind string) string {
			return fmt.Sprintf(`{"file":"%s","kind":"%s","app_key":"acme0","cloud_id":"site","viewer_account_id":"dora","captured_at":"2026-11-22T10:00:00Z","url":"https://x.example/%s?u=%s","by":"%s"}`, file, kind, a, a, a)
		}
		for _, kind := range []string{"html", "har", "js"} {
			captures = append(captures, line(fmt.Sprintf("c%d.%s", i, kind), kind))
		}
		captures = append(captures, line(fmt.Sprintf("c%d.txt", i), "text"), line("gone-"+a, "html"), line(a+".html", "html"), line("c0.html", a),
			strings.Replace(line("c0.html", "html"), `"dora"`, `"`+id+`"`, 1), strings.Replace(line("c0.html", "html"), `"acme0"`, `"`+id+`"`, 1),
			strings.Replace(line("c0.html", "html"), `"by":`, `"sightings":[{"account_id":"zq","place":"sent","host":"`+a+`","field":"`+a+`","chain":["`+a+`"],"hash":"`+a+`"}],"by":`, 1))
		mails = append(mails, fmt.Sprintf(`{"file":"m%d.eml","app_key":"acme0","cloud_id":"site","account_id":"zq","received_at":"2026-11-22T10:00:00Z","by":"%s"}`, i, a),
			fmt.Sprintf(`{"file":"m%d.eml","app_key":"acme0","cloud_id":"site","account_id":"zq","received_at":"%s"}`, i, a))
		signals = append(signals, fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","app_key":"acme0","cloud_id":"site","kind":"ui-exposure","text":"I see %s","source":"ticket of %s"}`, a, a),
			fmt.Sprintf(`{"ts":"2026-11-22T10:00:00Z","app_key":"acme0","cloud_id":"site","kind":"%s-exposure","text":7}`, a))
	}
	put("captures.jsonl", captures...)
	put("mail.jsonl", mails...)
	put("signals.jsonl", signals...)
	put("addresses.jsonl", `{"account_id":"zq","email":"`+planted+`"}`, `{"account_id":"zq","email":"zebra quagga"}`, `{"account_id":"`+planted+`","email":"`+planted+`"}`, planted)
	access = append(access, strings.ReplaceAll(access[0], `"app_key":"acme"`, `"app_key":"acme0"`), `{"ts":"2026-11-22T10:00:00Z","request_id":"basic","cloud_id":"site","path":"/`+planted+`","auth":"basic","status":200,"account_ids":["ann"]}`)
	reports = append(reports, strings.ReplaceAll(reports[0], `"app_key":"acme"`, `"app_key":"acme0"`))
	put("access-"+planted+".jsonl", access...) // refused for its name
	put("reports.jsonl", reports...)
	put("installs.jsonl", installs...)
	put("incidents.jsonl", incidents...)
	for i := range apps { // each of another vendor
		apps[i] = strings.Replace(apps[i], `"vendor":{"id":"`, fmt.Sprintf(`"vendor":{"id":"v%d of `, i), 1)
	}
	put("apps.jsonl", apps...)

	a.write("access-1.jsonl", slackCall("2026-11-21T10:00:00Z", "r0")+"\n")
	a.open()
	a.night("2026-11-22T02:30:00Z")
	put("access-1.jsonl", access...)
	a.night("2026-11-23T02:30:00Z")
	a.tell("run", "--dry-run", "--as-of", "2026-11-24T02:30:00Z")
	a.tell("notices", "release", "R-000001")
	put("access-late.jsonl", access[0])
	a.night("2026-11-24T02:30:00Z")
	a.night("2026-11-25T02:30:00Z")
	for _, id := range idPattern("N").FindAllString(a.tell("notices", "list", "--format", "csv"), -1) {
		for _, args := range [][]string{{"show", id}, {"preview", id}, {"preview", id, "--html"}, {"preview", id, "--json"}, {"approve", id, "--reason", "looked at " + planted}} {
			a.tell(append([]string{"notices"}, args...)...)
		}
	}
	// What goes wrong is told with the receiver's words.
	now := audit.At(a.time())
	if err := a.sys.store.EnqueueMessages(t.Context(), audit.Message{Key: "a message", Sink: "nobody's", Lane: "nobody", Created: now, NextAt: now, SentAt: audit.Never}); err != nil {
		t.Fatal(err)
	}
	a.sys.post.Sinks["nobody's"] = brokenSink{errors.New("550 no such user " + strings.Join(plantedSpellings, " "))}
	a.set(time.Now().Add(time.Minute))
	a.deliver()
	if err := a.sys.tellOfStuck(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.answer()
	a.press()
	for _, id := range idPattern("F").FindAllString(a.tell("findings", "list", "--format", "csv"), -1) {
		a.tell("findings", "show", id)
		a.tell("findings", "comment", id, "--reason", "wrote to "+planted)
		a.tell("findings", "suppress", id, "--reason", "asked by "+planted, "--until", "2027-01-01")
		a.tell("findings", "export", id)
		a.tell("findings", "show", id, "--format", "json")
	}
	a.deliver()
	for _, args := range [][]string{{"findings", "list", "--format", "json"}, {"findings", "export", "--format", "jsonl"}, {"findings", "export", "--status", "all", "--format", "excel"},
		{"findings", "export", "--status", "all", "--format", "ocsf"}, {"report", "--month", "2026-11"}, {"apps", "list"}, {"apps", "show", "acme0"}, {"runs", "list"}, {"runs", "show", "R-000002"},
		{"runs", "coverage"}, {"quarantine", "list", "--format", "json"}, {"quarantine", "show", "1"}, {"verify"}, {"notices", "list", "--all", "--format", "json"}, {"notices", "list", "--tasks"}, {"doctor"}} {
		a.tell(args...)
	}
	said := &a.said
	said.WriteString(pagesOf(t, dir))
	for _, f := range a.slack.forms {
		said.WriteString(f.Encode() + f.Get("text") + f.Get("blocks"))
	}
	for _, w := range a.slack.fake.Whispers() {
		said.WriteString(w.Text)
	}
	for _, check := range []string{"the file's name looks like an address", "purpose-undeclared", "ui-exposure", "ui-payload-exposure", "third-party-sharing", "beacon.example", "mail-prohibited", "user-reported-exposure"} {
		if !strings.Contains(said.String(), check) {
			t.Errorf("the inputs were not read as they should be: nothing says %s", check)
		}
	}
	if !strings.Contains(said.String(), "tracker.example") {
		t.Error("the inputs were not read as they should be")
	}
	search(t, "what was said", said.String())
	search(t, "the log", a.logs.String())
	received := map[string]string{"webhooks": a.bodies.String(), "Jira": ""}
	for _, m := range a.mail.Messages(t) {
		received["mail "+m.ID] = opened(t, a.mail.Raw(t, m.ID))
	}
	for _, i := range a.jira.Issues() {
		received["Jira"] += i.Summary + string(i.Description) + fmt.Sprint(i.Labels)
		for _, c := range i.Comments {
			received["Jira"] += string(c.Body)
		}
	}
	if len(received) < 5 {
		t.Errorf("only %d mails", len(received)-2)
	}
	for who, text := range received {
		if text == "" {
			t.Errorf("%s got nothing", who)
		}
		search(t, who, text)
	}
	searchStore(t, dir, "acts", "app_versions", "matters", "notices", "outbox", "trail")
	searchArchive(t, dir)
}

// idPattern is the ids that begin with a letter.
func idPattern(letter string) *regexp.Regexp { return regexp.MustCompile(`\b` + letter + `-\w{10,}`) }

// answer lets a vendor answer, and a mail come back, in words that hold addresses.
func (a *abroad) answer() {
	a.Helper()
	list, err := a.sys.store.Notices(a.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeSent}})
	if err != nil || len(list) < 2 {
		a.Fatalf("%d notices were sent, %v", len(list), err)
	}
	for i, kind := range []string{"viewed", "extension", "extension-granted", "fix-claimed", "dispute"} {
		args := []string{"notices", "answer", list[0].ID, "--kind", kind, "--text", "says " + plantedSpellings[i]}
		if kind == "extension-granted" {
			args = append(args, "--days", "7")
		}
		a.tell(args...)
	}
	a.write("box/new/1.host", strings.ReplaceAll(`From: MAILER-DAEMON <`+planted+`>
To: compliance@platform.example
Subject: not delivered to `+planted+`
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

`+planted+` does not exist

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.v.example

Final-Recipient: rfc822; `+list[1].Recipients[0]+`
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <`+planted+`>: `+strings.Join(plantedSpellings, " ")+`

--b
Content-Type: text/rfc822-headers

Message-ID: <`+a.messageID(list[1].ID)+`>
To: `+planted+`

--b--
`, "\n", "\r\n"))
	a.deliver()
	if list, err = a.sys.store.Notices(a.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeBounced}}); err != nil || len(list) != 1 {
		a.Errorf("%d notices bounced, %v", len(list), err)
	}
}

// messageID is that of a notice's mail.
func (a *abroad) messageID(notice string) string {
	a.Helper()
	list, err := a.sys.store.Messages(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	for _, m := range list {
		if r, err := email.ParseReceipt(m.Receipt); m.Sink == email.Sink && strings.Contains(m.Key, notice) && err == nil {
			return r.MessageID
		}
	}
	a.Fatalf("no mail of %s", notice)
	return ""
}

// press lets a reviewer whose name is an address suppress what a message in Slack is about, for a reason that holds one.
func (a *abroad) press() {
	a.Helper()
	desk := &slack.Desk{Client: a.sys.slackClient(), Deeds: a.sys, Reviewers: a.sys.cfg.Slack.Reviewers, Clock: time.Now, Log: a.sys.log}
	send := func(payload map[string]any) {
		a.Helper()
		payload["user"].(map[string]any)["name"], payload["user"].(map[string]any)["username"] = planted, planted
		r, err := slackfake.Signed(a.Context(), slack.Path, "signed-and-sealed", payload, time.Now())
		if err != nil {
			a.Fatal(err)
		}
		w := httptest.NewRecorder()
		desk.Handler("signed-and-sealed").ServeHTTP(w, r)
		if a.said.WriteString(w.Body.String()); w.Code != http.StatusOK {
			a.Errorf("a press: %d %s", w.Code, w.Body)
		}
	}
	button := regexp.MustCompile(`"action_id":"mailreeve_suppress"[^}]*?"value":"((?:[^"\\]|\\.)*)"`)
	for _, m := range a.slack.fake.Messages("") {
		found := button.FindSubmatch(m.Blocks)
		if found == nil {
			continue
		}
		var value string
		if err := json.Unmarshal([]byte(`"`+string(found[1])+`"`), &value); err != nil {
			a.Fatal(err)
		}
		send(a.slack.fake.Press("U1ANN", "mailreeve_suppress", value, m))
		await(a.T, "a modal", 10*time.Second, func() bool { return len(a.slack.fake.Views()) > 0 })
		v := a.slack.fake.Views()[0]
		send(slackfake.Submit("U1ANN", v.CallbackID, v.PrivateMetadata, map[string]map[string]any{"reason": {"reason": map[string]any{"value": "as " + planted + " said"}}, "until": {"until": map[string]any{"selected_date": "2027-01-01"}}}))
		desk.Close(10 * time.Second)
		acted, err := a.sys.store.Trail(a.Context(), store.TrailFilter{})
		if err != nil || !slices.ContainsFunc(acted, func(e store.Entry) bool { return strings.HasPrefix(e.Who, "slack:U1ANN") }) {
			a.Errorf("the press did nothing: %v", err)
		}
		return
	}
	a.Error("there is no button")
}

// opened is a mail's header, and the text of its parts.
func opened(t *testing.T, raw []byte) string {
	t.Helper()
	got, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := got.Walk(func(_ []int, e *message.Entity, err error) error {
		if err != nil {
			return err
		}
		for f := e.Header.Fields(); f.Next(); {
			text, err := f.Text()
			if err != nil {
				return err
			}
			b.WriteString(f.Key() + ": " + text + "\n")
		}
		if e.MultipartReader() != nil {
			return nil
		}
		_, err = io.Copy(&b, e.Body)
		return err
	}); err != nil {
		t.Error(err)
	}
	return b.String()
}

// pagesOf is every page that the console has of a store, read by who logged in by the link, after a comment that holds the address.
func pagesOf(t *testing.T, dir string) string {
	t.Helper()
	c := &cli{out: io.Discard, err: io.Discard, clock: time.Now, config: filepath.Join(dir, "mailreeve.yaml")}
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	site, err := consoleSite(s.cfg, s.log)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := s.console(site, nil, newRetrier(s))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages.Handler())
	defer server.Close()
	link, err := pages.Link(server.Listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	var all strings.Builder
	read := func(answer *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode >= 500 {
			t.Fatalf("%s: %s, %v", answer.Request.URL, answer.Status, err)
		}
		all.Write(text)
		return string(text)
	}
	if home := read(browser.Get(link)); !strings.Contains(home, "Tonight") {
		t.Fatalf("the link leads to %s", home)
	}
	list := read(browser.Get(server.URL + "/findings?status=all"))
	read(browser.Get(server.URL + "/findings?status=all&format=json"))
	read(browser.Get(server.URL + "/sessions"))
	for _, path := range regexp.MustCompile(`/notices/N-[0-9A-Z]+|/vendors/[^"]+`).FindAllString(read(browser.Get(server.URL+"/notices?state=all"))+read(browser.Get(server.URL+"/vendors")), -1) {
		read(browser.Get(server.URL + path))
	}
	for _, path := range []string{"/tasks", "/runs", "/runs/R-000001", "/quarantine", "/checks", "/suppressions", "/trail", "/settings"} {
		read(browser.Get(server.URL + path))
	}
	for _, app := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`"/apps[^"]*"`).FindAllString(read(browser.Get(server.URL+"/apps")), -1)))) {
		read(browser.Get(server.URL + html.UnescapeString(strings.Trim(app, `"`))))
	}
	seen := 0
	for _, id := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`F-[0-9A-Z]{12}`).FindAllString(list, -1)))) {
		seen++
		at := server.URL + "/findings/" + id
		read(browser.PostForm(at, url.Values{"do": {"comment"}, "reason": {"I wrote to " + planted}}))
		read(browser.PostForm(at, url.Values{"do": {"assign"}, "to": {planted}}))
		read(browser.Get(at))
		read(browser.Get(at + "?format=json"))
		read(browser.Get(at + "/accounts.csv"))
	}
	if seen < 5 {
		t.Errorf("the console shows %d findings", seen)
	}
	x, secret, err := api.NewToken("reader", []string{"findings:read", "findings:write", "notices:read", "notices:approve", "apps:read", "runs:read", "trail:read"}, operator(), audit.At(time.Now()), audit.At(time.Now().Add(time.Hour)))
	if err == nil {
		err = s.store.CreateToken(t.Context(), x)
	}
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+api.Prefix+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {"application/json"}}
		return read(http.DefaultClient.Do(r))
	}
	comment := `{"do":"comment","reason":"a program wrote to ` + planted + `"}`
	list = ask("GET", "/findings?status=all&limit=200", "") + ask("GET", "/notices?state=all", "")
	for _, id := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`F-[0-9A-Z]{12}|N-[0-9A-Z]{10}`).FindAllString(list, -1)))) {
		if id[0] == 'N' {
			ask("GET", "/notices/"+id, "")
			ask("GET", "/notices/"+id+"/preview", "")
			continue
		}
		ask("POST", "/findings/"+id+"/deeds", comment)
		ask("POST", "/findings/"+id+"/deeds", strings.Replace(comment, "comment", planted, 1))
		ask("GET", "/findings/"+id, "")
	}
	for _, key := range regexp.MustCompile(`"key":"([^"]*)"`).FindAllStringSubmatch(ask("GET", "/apps?limit=1000", ""), -1) {
		ask("GET", "/apps/"+url.PathEscape(key[1]), "")
	}
	for _, path := range []string{"/suppressions", "/checks", "/vendors", "/runs", "/runs/R-000001", "/coverage", "/quarantine", "/trail?limit=1000", "/findings?status=" + url.QueryEscape(planted), "/findings/" + url.PathEscape(planted), "/runs?" + url.QueryEscape(planted)} {
		ask("GET", path, "")
	}
	return all.String()
}

// search fails where anything of the address is in text, plain or in any disguise that the detector knows.
func search(t *testing.T, where, text string) {
	t.Helper()
	if at := remainder.FindStringIndex(text); at != nil {
		t.Errorf("%s: …%q…", where, text[max(0, at[0]-60):min(len(text), at[1]+60)])
		return
	}
	f := exposure.New(exposure.Limits{})
	if _, err := f.Scan(t.Context(), 0, audit.CaptureText, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	m := f.Matcher()
	m.Address("zq", planted)
	for _, s := range m.Sightings()[0] {
		t.Errorf("%s holds it: %+v", where, s)
	}
}

// searchStore searches every column of every table. Those of a name must hold something.
func searchStore(t *testing.T, dir string, full ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tables.Next() {
		var n string
		if err := tables.Scan(&n); err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if len(names) < 10 {
		t.Fatalf("only the tables %v", names)
	}
	seen := map[string]bool{} // texts that were searched
	for _, n := range names {
		rows, err := db.Query("SELECT * FROM " + n)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for ; rows.Next(); found++ {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				text := fmt.Sprint(v)
				if b, ok := v.([]byte); ok {
					text = string(b)
				}
				if !seen[text] {
					seen[text] = true
					search(t, "table "+n+", column "+columns[i], text)
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if found == 0 && slices.Contains(full, n) {
			t.Errorf("table %s is empty", n)
		}
	}
}

// searchArchive searches the segments as they are, and every pack decoded.
func searchArchive(t *testing.T, dir string) {
	t.Helper()
	ctx := context.Background()
	files, err := filepath.Glob(filepath.Join(dir, "mailreeve.archive", "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		search(t, f, string(text))
	}
	s, err := store.Open(ctx, "sqlite://"+filepath.Join(dir, "mailreeve.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := archive.Open(t.Context(), filepath.Join(dir, "mailreeve.archive"), s)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	packs, err := s.PacksBetween(ctx, audit.Ever, audit.Never)
	if err != nil || len(packs) == 0 {
		t.Fatalf("%d packs, %v", len(packs), err)
	}
	for _, p := range packs {
		if p.Kind == audit.CallPack {
			d, err := a.Calls(p.Day, []audit.Pack{p})
			if err != nil {
				t.Fatal(err)
			}
			search(t, "a decoded pack", fmt.Sprint(d.Sites, d.Paths, d.Purposes, d.Accounts.Strings()))
			continue
		}
		d, err := a.Reports(p.Day, []audit.Pack{p})
		if err != nil {
			t.Fatal(err)
		}
		search(t, "a decoded pack", fmt.Sprint(d.Accounts.Strings()))
	}
}
