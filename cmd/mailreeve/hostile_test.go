package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message"
	"golang.org/x/net/html"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/internal/smtptest"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/webhook"
)

// An abroad is a small world with every sink, in which an hour passes in no time.
type abroad struct {
	*others
	slack *slackServer
	mail  *smtptest.Server
	sys   *system
	said  strings.Builder // what commands printed
	logs  syncBuffer

	clock sync.Mutex // of now
	now   time.Time
}

// newAbroad configures every sink. sources are in YAML, one a line. What is about apps goes to channels of their own, that of each tenth to the next.
func newAbroad(t *testing.T, format, sources string, apps ...string) *abroad {
	t.Helper()
	a := &abroad{slack: newSlack(t), mail: smtptest.Start(t, smtptest.Options{})}
	var routes []string
	channels := []string{"#audit"}
	for i, key := range apps {
		if i%10 == 0 {
			channels = append(channels, fmt.Sprint("#channel-", i))
		}
		routes = append(routes, fmt.Sprintf("{app: %s, channel: %q}", strconv.QuoteToASCII(key), channels[len(channels)-1]))
	}
	a.slack.fake = slackfake.New(channels...)
	a.others = newOthers(t, a.slack)
	text := a.read("mailreeve.yaml")
	from, to := strings.Index(text, "sources:\n"), strings.Index(text, "slack:")
	text = text[:from] + "sources:\n" + sources + text[to:]
	text = strings.Replace(text, a.slack.url+`"}`, a.slack.url+`", signing_secret_env: MAILREEVE_TEST_SLACK_SECRET, reviewers: [U1ANN], routes: [`+strings.Join(routes, ",\n  ")+`]}`, 1)
	a.write("mailreeve.yaml", text+fmt.Sprintf(`notices: {smtp: "smtp://%s", from: "Email API compliance <compliance@platform.example>", reply_to: answers@platform.example, bounces: box}
alerts: {mail: [ops@platform.example]}
log: {format: %s}
`, a.mail.SMTP, format))
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(a.dir, "box", sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// open begins to serve.
func (a *abroad) open() {
	a.Helper()
	c := &cli{out: io.Discard, err: &a.logs, clock: a.time, config: filepath.Join(a.dir, "mailreeve.yaml")}
	var err error
	if a.sys, err = c.open(a.Context()); err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = a.sys.close() }) // it may be closed
	sinks := a.sys.sinks()
	sinks[webhook.Sink] = webhook.NewSender(a.sys.hooks().List, time.Now) // whoever verifies what it signs goes by a clock of his own
	if a.sys.post, err = a.sys.newPost(a.Context(), sinks); err != nil {
		a.Fatal(err)
	}
	a.sys.post.Sleep = func(ctx context.Context, d time.Duration) error {
		a.clock.Lock()
		defer a.clock.Unlock()
		a.now = a.now.Add(d)
		return ctx.Err()
	}
}

func (a *abroad) time() time.Time {
	a.clock.Lock()
	defer a.clock.Unlock()
	return a.now
}

func (a *abroad) set(now time.Time) {
	a.clock.Lock()
	defer a.clock.Unlock()
	a.now = now
}

// night runs one, and delivers what it has to say.
func (a *abroad) night(when string) {
	a.Helper()
	a.set(at(when).Time().Add(time.Minute))
	if _, err := a.sys.audit(a.Context(), audit.Options{AsOf: at(when), ScheduledAt: at(when), By: "schedule"}, true, nil); err != nil {
		a.Fatalf("%v\n%s", err, &a.logs)
	}
	a.deliver()
}

// deliver sends what waits, and takes note of what arrived.
func (a *abroad) deliver() {
	a.Helper()
	for range 2 { // what arrived may be news
		if err := a.sys.betweenNights(a.Context()); err != nil {
			a.Error(err)
		}
		if err := a.sys.post.Flush(a.Context(), time.Hour); err != nil {
			a.Fatal(err)
		}
	}
	waiting, err := a.sys.store.Pending(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	for _, m := range waiting {
		if m.Sink != "nobody's" {
			a.Errorf("%s %s is not delivered: %s", m.Sink, m.Key, m.Error)
		}
	}
}

// tell runs a command, and keeps what it prints.
func (a *abroad) tell(args ...string) string {
	a.Helper()
	code, out, errs := mailreeve(a.T, a.dir, args...)
	if code == exitUsage {
		a.Fatalf("%q: %s", args, errs)
	}
	a.said.WriteString(out)
	a.said.WriteString(errs)
	return out
}

// hostileTexts mean ill, each to another receiver. The marks in them tell whether they got there.
func hostileTexts() []string {
	texts := []string{
		"<!channel> <!here|here> <@U1ANN> <#C1> @channel @everyone", "*bold* _it_ ~x~ `code` ```block``` :rotating_light:", "<https://evil.example|Click here> & &lt;!channel&gt;",
		"> quoted\n# heading\n* item\n---", "<script>alert(1)</script><img src=x onerror=alert(1)>", `"><a href="javascript:alert(1)">x</a>`, "</td></tr></table></body><iframe src=https://evil.example>",
		"<style>*{display:none}</style><!-- <title>", "x\r\nBcc: everybody@evil.invalid\r\n\r\n<b>body", "=?utf-8?q?=0D=0ABcc:_x?= =?utf-8?b?PHNjcmlwdD4=?=", "\r\n.\r\nMAIL FROM:<x>\r\n--boundary--\r\n",
		`{code}{panel:title=x} [~accountid:5b10] !https://evil.example/x.png! h1. x`, `{"type":"mention","attrs":{"id":"5b10"}}`, `","severity":"low","x":"`, `{{.ID}} {{template "x"}} {{printf "%s" .}} ${jndi:ldap://evil.example/x} <%= 7*7 %>`,
		`=HYPERLINK("https://evil.example","x")`, "+1+cmd|'/c calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\u202egnp.exe\u202c \u2066x\u2069 \u200fx", "zero\u200bwidth\ufeff\u2060 \U000e0041\u00ad", "nul\x00 esc\x1b[2J\x1b]0;x\x07 \u009b31m bell\x07 del\x7f",
		"line\u2028sep\u2029 vt\v ff\f nel\u0085", "lone SURROGATE end", "emoji 👩‍💻 é̸̢̛ " + strings.Repeat("\u0301", 300), strings.Repeat("L&<\"", 2600), strings.Repeat("👩‍💻", 900), `\n\r\t\u003cscript\u003e \x3c '; DROP TABLE findings; -- %s%n %0d%0aBcc:x`, "../../etc/passwd%00 file:///etc/passwd",
		"access=1 level=ERROR msg=\"x\" run=R-000009", "mailto:x tel:1 https://evil.example/?a=b&c=d javascript:alert(1)",
	}
	for i := range texts {
		texts[i] += fmt.Sprintf(" mark%02dx", i)
		if len(texts[i]) > 300 { // it is cut
			texts[i] = fmt.Sprintf("mark%02dx ", i) + texts[i]
		}
	}
	return texts
}

// disguises are an end user's address as it may stand in a text.
func disguises() []string {
	list := append(slices.Clone(plantedSpellings), "zebra.quagga&#64;planted.example", "zebra.quagga&commat;planted.example", "zebra.quagga%2540planted.example", "zebra.quagga=40planted.example", "zebra.quagga [at] planted [dot] example",
		"zebra.quagga﹫planted.example", `"zebra quagga"@planted.example`, "zebra.quagga@[192.0.2.1]", "mailto:zebra.quagga@planted.example?subject=x", "<zebra.quagga@planted.example>", "zebra.quagga\u200b@planted.example",
		"zebra.quagga+tag@planted.example", "zebra.quagga @ planted.example", "ZEBRA.QUAGGA@PLANTED.EXAMPLE", base64.URLEncoding.EncodeToString([]byte("to "+planted+" now")), strings.ToUpper(hex.EncodeToString([]byte(planted))))
	for i := range list {
		list[i] = "write to " + list[i] + " now"
	}
	return list
}

var markPattern = regexp.MustCompile(`mark\d\dx`)

// One registry full of hostile names, and logs and comments that are no better, through every sink: what each receiver gets is what it was meant to get, and the text in it is text.
func TestHostileNamesThroughEverySink(t *testing.T) {
	t.Parallel()
	marks := hostileTexts()
	texts := append(slices.Clone(marks), disguises()...)
	keys := make([]string, len(texts))
	for i, s := range texts {
		if keys[i] = s; i >= len(marks) || address.LooksLike([]byte(s)) {
			keys[i] = fmt.Sprint("disguise ", i)
		}
		if r := []rune(keys[i]); len(r) > 100 {
			keys[i] = string(r[:100])
		}
	}
	a := newAbroad(t, "json", `  - {kind: access, path: "access-*.jsonl", max_bad: 1}
  - {kind: apps, path: apps.jsonl}
  - {kind: signals, path: "signals.jsonl"}
`, keys...)
	quote := func(s string) string {
		p, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(p), "SURROGATE", `\ud800`)
	}
	var apps, calls, signals, night3 []string
	for i, s := range texts {
		key := keys[i]
		k, q, low := quote(key), quote(s), quote(strings.ToLower(s))
		approvals := `[]`
		if i%3 != 0 {
			approvals = fmt.Sprintf(`[{"request_id":%s,"status":"approved","decided_at":"2026-01-01T00:00:00Z","purposes":[%s],"functionality":%[2]s,"policy_excerpt":%[2]s,"third_parties":[%[2]s],"snapshot":{"scopes":[],"modules":[],"egress":[],"domains":[]}}]`, q, q)
		}
		// Contacts are the platform's own to write to; their names are not.
		apps = append(apps, fmt.Sprintf(`{"key":%s,"name":%s,"kind":"connect","vendor":{"id":%s,"name":%[2]s,"email":"office@v%[4]d.example","contacts":[%[5]s,%[7]s]},"privacy_policy_url":%[2]s,"privacy_policy_text":%[2]s,"terms_url":%[2]s,"listing_url":%[2]s,"stores_personal_data":false,`+
			`"domains":[%[2]s],"descriptor":{"baseUrl":"https://h.example","scopes":[%[2]s],"modules":{"webPanels":[{"key":%[2]s},{"url":%[2]s}],%[2]s:{"key":%[2]s}}},"approvals":%[6]s}`, k, q, quote(fmt.Sprint("v", i, " ", key)), i, quote(fmt.Sprintf("%s <second@v%d.example>", marks[i%len(marks)], i)), approvals, quote(marks[i%len(marks)])))
		call := func(n int, purpose string) string {
			return fmt.Sprintf(`{"ts":"2026-11-23T1%d:00:00Z","request_id":%s,"app_key":%s,"cloud_id":%s,"path":%s,"auth":"oauth2","purpose":%s,"status":200,"account_ids":["ann"],"user_agent":%[5]s}`,
				n, quote(fmt.Sprint(i, n, s)), k, quote("site "+key), quote("/rest/api/3/user/email?q="+s), purpose)
		}
		calls = append(calls, call(0, q), call(1, `"marketing"`), call(2, low))
		signals = append(signals, fmt.Sprintf(`{"ts":"2026-11-23T10:00:00Z","app_key":%s,"cloud_id":"site","kind":"ui-exposure","text":%s,"source":%[2]s}`, k, q))
		night3 = append(night3, strings.Replace(call(3, q), "2026-11-23", "2026-11-24", 1))
	}
	calls = append(calls, "no json "+strings.Join(texts, " "), "{\"ts\":\"\xff\xfe mark00x\"}", `{"app_key":"`+"\xed\xa0\x80"+`"}`)
	apps = append(apps, `{"key":"tame","name":"Tame","vendor":{"id":"t","name":"Tame","email":"office@tame.example"},"approvals":[]}`, "{\"key\":\"bad\xff\"}")
	a.write("apps.jsonl", apps[len(apps)-2]+"\n")
	a.write("access-1.jsonl", strings.Replace(slackCall("2026-11-22T10:00:00Z", "r1"), `"acme"`, `"tame"`, 1)+"\n")
	a.write("signals.jsonl", "")
	a.open()
	a.night("2026-11-23T02:30:00Z")
	a.write("apps.jsonl", strings.Join(apps, "\n")+"\n")
	a.write("access-2 <!channel> \x1b[31m*mark05x*.jsonl", strings.Join(calls, "\n")+"\n")
	a.write("signals.jsonl", strings.Join(signals, "\n")+"\n")
	a.night("2026-11-24T02:30:00Z")
	if code, _, errs := mailreeve(t, a.dir, "notices", "release"); code != exitDone {
		t.Fatal(errs)
	}
	a.write("access-3.jsonl", strings.Join(night3, "\n")+"\n")
	a.night("2026-11-25T02:31:00Z")

	var notices []struct{ ID string }
	if err := json.Unmarshal([]byte(a.tell("notices", "list", "--format", "json")), &notices); err != nil {
		t.Fatal(err)
	}
	var previews []string
	approve := []string{"notices", "approve", "--reason", strings.Join(texts, " ")}
	for i, n := range notices {
		if i%8 == 0 {
			a.tell("notices", "show", n.ID)
			a.tell("notices", "preview", n.ID)
			a.tell("notices", "preview", n.ID, "--json")
			previews = append(previews, a.tell("notices", "preview", n.ID, "--html"))
		}
		approve = append(approve, n.ID)
	}
	a.tell(approve...)
	a.set(time.Now().Add(time.Minute))
	a.deliver()
	// What people write is from outside, too.
	var findings []struct {
		ID, Check string
		AppName   string `json:"app_name"`
	}
	if err := json.Unmarshal([]byte(a.tell("findings", "list", "--format", "json")), &findings); err != nil {
		t.Fatal(err)
	}
	for i, f := range findings {
		s := texts[i%len(texts)]
		who := strings.ReplaceAll(marks[i%len(marks)], "\x00", "") // a reviewer may be named by an address
		args := [][]string{{"comment", f.ID, "--reason", s}, {"suppress", f.ID, "--reason", s, "--until", "2027-01-01"}, {"assign", f.ID, "--to", who}, {"dismiss", f.ID, "--reason", s}, {"resolve", f.ID, "--reason", s}}[i%5]
		if i < len(texts) {
			a.tell(append([]string{"findings"}, args...)...)
		}
	}
	// A message whose receiver says hostile things: operators are told.
	const key = "a message"
	now := audit.At(a.time())
	if err := a.sys.store.EnqueueMessages(t.Context(), audit.Message{Key: key, Sink: "nobody's", Lane: key, Created: now, NextAt: now, SentAt: audit.Never}); err != nil {
		t.Fatal(err)
	}
	a.sys.post.Sinks["nobody's"] = brokenSink{errors.New(marks[4] + marks[23] + strings.Join(disguises(), " "))}
	a.set(time.Now().Add(time.Minute))
	a.deliver()
	if err := a.sys.tellOfStuck(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.tell("notices", "list", "--tasks")
	a.tell("doctor")
	a.tell("notices", "list", "--format", "csv")
	a.deliver()
	for _, n := range notices[:2] {
		a.tell("notices", "answer", n.ID, "--kind", "dispute", "--text", strings.Join(texts[:8], " "))
	}
	a.deliver()

	a.checkSlack(marks)
	a.checkMail(marks, len(notices), previews)
	a.checkWebhooks(marks)
	a.checkJira(marks)
	a.checkTerminal(marks, findings[0].ID)
	if a.beats != 3 {
		t.Errorf("%d beats", a.beats)
	}
	searchStore(t, a.dir)
}

// all fails where a receiver did not get every hostile text: then nothing was tested.
func (a *abroad) all(where string, marks []string, text string) {
	a.Helper()
	got := map[string]bool{}
	for _, m := range markPattern.FindAllString(text, -1) {
		got[m] = true
	}
	for _, s := range marks {
		if m := markPattern.FindString(s); !got[m] {
			a.Errorf("%s: no %s of %.80q", where, m, s)
		}
	}
	search(a.T, where, text)
}

// plain fails where a text holds what hides, turns around or controls what is around it.
func (a *abroad) plain(where, text string) {
	a.Helper()
	if !utf8.ValidString(text) {
		a.Errorf("%s is no UTF-8", where)
	}
	for i, r := range text {
		if record.Hides(r) && r != '\n' && r != '\u200c' && r != '\u200d' {
			a.Errorf("%s: %U in …%q…", where, r, text[max(0, i-40):min(len(text), i+40)])
			return
		}
	}
}

var entityPattern = regexp.MustCompile(`&(amp|lt|gt);`)

func (a *abroad) checkSlack(marks []string) {
	a.Helper()
	if refused := a.slack.fake.Refused(); len(refused) > 0 {
		a.Errorf("Slack refused %q", refused)
	}
	var shown strings.Builder
	objects := 0
	var see func(any)
	see = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				see(x)
			}
		case map[string]any:
			switch kind := v["type"]; kind {
			case "plain_text", "mrkdwn":
				objects++
				s := v["text"].(string)
				shown.WriteString(s + "\n")
				a.plain("Slack", s)
				if strings.ContainsAny(s, "<>") || strings.Contains(entityPattern.ReplaceAllString(s, ""), "&") {
					a.Errorf("Slack: not escaped: %q", s)
				}
				if kind == "mrkdwn" && (markPattern.MatchString(s) || v["verbatim"] != true) {
					a.Errorf("Slack formats %q", s)
				}
				if v["emoji"] == true {
					a.Errorf("Slack draws emoji in %q", s)
				}
			case "button", "header", "section", "context", "actions", "divider":
				for _, x := range v {
					see(x)
				}
			default:
				a.Errorf("Slack: an element %v from outside", v)
			}
		}
	}
	for _, f := range a.slack.forms {
		if s := f.Get("text"); strings.ContainsAny(s, "<>") || markPattern.MatchString(s) {
			a.Errorf("Slack formats the text %q", s)
		}
		if f.Get("parse") != "none" && f.Get("parse") != "" || f.Get("link_names") == "1" || f.Get("link_names") == "true" {
			a.Errorf("Slack looks for names and links: parse %q, link_names %q", f.Get("parse"), f.Get("link_names"))
		}
	}
	for _, m := range a.slack.fake.Messages("") {
		if m.Blocks == nil {
			continue
		}
		var blocks any
		if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
			a.Error(err)
		}
		see(blocks)
	}
	if objects < 100 {
		a.Errorf("only %d texts in Slack", objects)
	}
	a.all("Slack", marks, shown.String())
}

// skeleton lists each element of a page with its attributes, and gives its text.
func skeleton(t *testing.T, page string) (elements map[string]bool, text string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	elements = map[string]bool{}
	var b strings.Builder
	for n := range doc.Descendants() {
		switch n.Type {
		case html.ElementNode:
			attrs := []string{n.Data}
			for _, x := range n.Attr {
				attrs = append(attrs, x.Key+"="+x.Val)
			}
			elements[strings.Join(attrs, " ")] = true
		case html.TextNode:
			if n.Parent.Data == "style" || n.Parent.Data == "script" {
				elements[n.Parent.Data+": "+n.Data] = true
				continue
			}
			b.WriteString(n.Data)
		case html.CommentNode:
			elements["<!--"+n.Data] = true
		}
	}
	return elements, b.String()
}

func (a *abroad) checkMail(marks []string, notices int, previews []string) {
	a.Helper()
	// What the templates are made of, seen in mails about tame names.
	known := map[string]bool{}
	for _, n := range email.Samples() {
		m, err := email.Render(n, nil)
		if err != nil {
			a.Fatal(err)
		}
		elements, _ := skeleton(a.T, m.HTML)
		maps.Copy(known, elements)
	}
	stuck, _ := skeleton(a.T, email.Stuck([]audit.Message{{}}, strings.ToUpper).HTML)
	maps.Copy(known, stuck)
	page := func(where, text string) string {
		elements, shown := skeleton(a.T, text)
		for e := range elements {
			if !known[e] {
				a.Errorf("%s: an element from outside: %.200q", where, e)
			}
		}
		a.plain(where, shown)
		return shown
	}
	for _, p := range previews {
		page("a preview", p)
	}
	fields := []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Reply-To", "Subject", "To"}
	list := a.mail.Messages(a.T)
	if len(list) != notices+1 {
		a.Errorf("%d mails, not %d", len(list), notices+1)
	}
	var seen strings.Builder
	for _, m := range list {
		raw := a.mail.Raw(a.T, m.ID)
		got, err := message.Read(bytes.NewReader(raw))
		if err != nil {
			a.Fatal(err)
		}
		var names []string
		for f := got.Header.Fields(); f.Next(); {
			if n := f.Key(); n != "Received" && n != "Return-Path" { // the server's own
				names = append(names, n)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, fields) {
			a.Errorf("the header's fields are %q", names)
		}
		subject, err := got.Header.Text("Subject")
		if err != nil {
			a.Error(err)
		}
		a.plain("a subject", subject)
		seen.WriteString(subject + "\n")
		to, err := netmail.ParseAddressList(got.Header.Get("To"))
		if err != nil {
			a.Error(err)
		}
		for _, x := range to {
			if !regexp.MustCompile(`^(office|second)@v\d+\.example$|^ops@platform\.example$`).MatchString(x.Address) {
				a.Errorf("a mail goes to %q", x)
			}
			seen.WriteString(x.Name + "\n")
			a.plain("a recipient's name", x.Name)
		}
		var parts []string
		if err := got.Walk(func(_ []int, e *message.Entity, err error) error {
			if err != nil {
				return err
			}
			kind, _, err := e.Header.ContentType()
			parts = append(parts, kind)
			if err != nil || strings.HasPrefix(kind, "multipart/") {
				return err
			}
			body, err := io.ReadAll(e.Body)
			text := strings.ReplaceAll(string(body), "\r\n", "\n")
			switch kind {
			case "text/plain":
				a.plain("a mail's text", text)
				seen.WriteString(text)
			case "text/html":
				seen.WriteString(page("a mail", text))
			case "application/json":
				var v map[string]any
				if err := json.Unmarshal(body, &v); err != nil {
					return err
				}
				if len(v) != 10 {
					a.Errorf("a notice with other fields: %q", slices.Collect(maps.Keys(v)))
				}
				seen.Write(body)
			}
			return err
		}); err != nil {
			a.Errorf("a mail of %d bytes: %v", len(raw), err)
		}
		if want := []string{"multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/json"}; !slices.Equal(parts, want) && !slices.Equal(parts, want[:4]) {
			a.Errorf("the parts are %q", parts)
		}
	}
	a.all("mail", marks, seen.String())
}

func (a *abroad) checkWebhooks(marks []string) {
	a.Helper()
	// What is told of a finding is what is exported of it, on one line.
	exported := map[string]map[string]any{}
	for line := range strings.Lines(a.tell("findings", "export", "--format", "jsonl", "--status", "all")) {
		var f map[string]any
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			a.Fatal(err)
		}
		exported[f["id"].(string)] = f
	}
	var seen strings.Builder
	told := 0
	for d := json.NewDecoder(bytes.NewReader(a.bodies.Bytes())); ; {
		var e struct {
			Type string
			Data map[string]any
		}
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			a.Fatal(err)
		}
		f := exported[fmt.Sprint(e.Data["id"])]
		if !strings.HasPrefix(e.Type, "finding.") {
			continue
		}
		for _, name := range []string{"check", "severity", "app_key", "app_name", "vendor", "subject", "title"} {
			told++
			if want := notifier.Line(fmt.Sprint(f[name])); want != notifier.Line(fmt.Sprint(e.Data[name])) {
				a.Errorf("a webhook says that %s is %q, findings export says %q", name, e.Data[name], want)
			}
		}
		for _, v := range e.Data {
			if s, ok := v.(string); ok {
				seen.WriteString(s + "\n")
			}
		}
	}
	if told < 500 {
		a.Errorf("only %d values were told", told)
	}
	a.all("webhooks", marks, seen.String())
}

func (a *abroad) checkJira(marks []string) {
	a.Helper()
	var seen strings.Builder
	var see func(v map[string]any)
	see = func(v map[string]any) {
		switch v["type"] {
		case "doc", "paragraph", "heading":
			for name := range v {
				if !slices.Contains([]string{"type", "version", "content", "attrs"}, name) {
					a.Errorf("Jira: a node with %q", name)
				}
			}
			if x, ok := v["attrs"].(map[string]any); ok && (len(x) != 1 || x["level"] == nil) {
				a.Errorf("Jira: attributes %v", x)
			}
			content, _ := v["content"].([]any)
			for _, x := range content {
				see(x.(map[string]any))
			}
		case "text":
			if len(v) != 2 {
				a.Errorf("Jira: text with marks: %v", v)
			}
			a.plain("Jira", v["text"].(string))
			seen.WriteString(v["text"].(string) + "\n")
		default:
			a.Errorf("Jira: a node from outside: %v", v)
		}
	}
	for _, i := range a.jira.Issues() {
		a.plain("a summary", i.Summary)
		seen.WriteString(i.Summary + "\n")
		docs := []json.RawMessage{i.Description}
		for _, c := range i.Comments {
			docs = append(docs, c.Body)
		}
		for _, d := range docs {
			var v map[string]any
			if err := json.Unmarshal(d, &v); err != nil {
				a.Fatal(err)
			}
			see(v)
		}
	}
	a.all("Jira", marks, seen.String())
}

func (a *abroad) checkTerminal(marks []string, finding string) {
	a.Helper()
	for _, args := range [][]string{{"findings", "show", finding}, {"findings", "list", "--status", "all"}, {"apps", "list"}, {"runs", "list"}, {"runs", "show", "R-000002"}, {"runs", "coverage"}, {"quarantine", "list"}, {"quarantine", "show", "1"}, {"verify"},
		{"run", "--dry-run", "--as-of", "2026-11-26T02:30:00Z"}, {"runs", "show", "R-000002", "--format", "json"}, {"quarantine", "list", "--format", "json"},
		{"findings", "export", "--status", "all", "--format", "ocsf"}, {"report", "--month", "2026-11"}} {
		a.tell(args...)
	}
	for _, s := range marks[:8] {
		a.tell("apps", "show", s)
	}
	a.plain("the terminal", a.said.String())
	a.all("the terminal", marks, a.said.String())
	for _, what := range [][]string{{"findings", "list", "--status", "all"}, {"findings", "export", "--status", "all"}, {"apps", "list"}, {"notices", "list", "--all"}, {"quarantine", "list"}} {
		rows, err := csv.NewReader(strings.NewReader(a.tell(append(what, "--format", "csv")...))).ReadAll()
		if err != nil || len(rows) < 2 {
			a.Errorf("%q: %d rows, %v", what, len(rows), err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					a.Errorf("%q: a formula: %.100q", what, cell)
				}
			}
		}
		out := a.tell(append(what, "--format", "json")...)
		var list []map[string]any
		if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != len(rows)-1 {
			a.Errorf("%q: %d objects and %d rows, %v", what, len(list), len(rows)-1, err)
		}
	}
	// Logs are one object a line.
	lines := 0
	for scan := bufio.NewScanner(strings.NewReader(a.logs.String())); scan.Scan(); lines++ {
		var v map[string]any
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil || v["level"] == nil {
			a.Errorf("a line of the log is %q: %v", scan.Text(), err)
		}
	}
	if lines == 0 {
		a.Error("nothing was logged")
	}
	a.plain("the log", a.logs.String())
	search(a.T, "the log", a.logs.String())
	handler, err := a.sys.metricsHandler(func(_, _ time.Time) bool { return false })
	if err != nil {
		a.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	metric := regexp.MustCompile(`^(# (HELP|TYPE) .*|[a-z0-9_]+(\{([a-z]+="[^"\\]*",?)*\})? [0-9.e+-]+)$`)
	for line := range strings.Lines(w.Body.String()) {
		if line = strings.TrimSuffix(line, "\n"); !metric.MatchString(line) || markPattern.MatchString(line) {
			a.Errorf("metrics: %q", line)
		}
	}
}
