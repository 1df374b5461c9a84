package email

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/net/html"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

var update = flag.Bool("update", false, "write the golden mails")

// hostile is a notice in which every text is from somebody who means ill.
func hostile() notifier.Notice {
	n := Samples()[0]
	bad := "<script>alert(1)</script></td> {{.ID}} {{template \"x\"}} \u202egnp.exe\r\nBcc: all@customer.example\r\n\r\n=cmd|'/c calc' \x1b[31m\x00\xff\u200b &amp; <a href=\"javascript:x\">" + strings.Repeat("very long ", 300)
	n.Vendor = notifier.NoticeVendor{ID: bad, Name: bad}
	n.Asks, n.Next = []string{bad}, []string{bad}
	n.Answer = notifier.NoticeAnswer{URL: "javascript:alert(1)", ReplyTo: bad, How: bad}
	n.Findings = n.Findings[:1]
	f := &n.Findings[0]
	for _, s := range []*string{&f.ID, &f.Check, &f.Clause, &f.ClauseText, &f.Severity, &f.AppKey, &f.AppName, &f.Subject, &f.Title, &f.Seen, &f.ToDo} {
		*s = bad
	}
	f.FormURL = "https://form.example/\"><script>"
	f.Evidence = []notifier.NoticeEvidence{{At: n.IssuedAt, Site: bad, Detail: bad}}
	return n
}

func TestMailsAreAsTheyWere(t *testing.T) {
	t.Parallel()
	names := []string{"notice", "reminder", "second-notice", "incident", "bare"}
	notices := Samples()
	for i, n := range append(notices, hostile()) {
		name := "hostile"
		if i < len(notices) {
			name = names[i]
		}
		m := mustRender(t, n)
		var j bytes.Buffer
		if err := json.Indent(&j, m.JSON, "", "  "); err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string]string{".txt": "Subject: " + m.Subject + "\n\n" + m.Text, ".html": m.HTML, ".json": j.String() + "\n"} {
			path := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("%s (go test -update writes it anew): %s", path, d)
			}
		}
	}
}

// TestHostileText: what somebody else wrote is text wherever it goes.
func TestHostileText(t *testing.T) {
	t.Parallel()
	m := mustRender(t, hostile())
	for name, s := range map[string]string{"subject": m.Subject, "text": m.Text, "html": m.HTML} {
		if strings.ContainsAny(s, "\x1b\x00\u202e\u200b\r") || strings.Contains(s, "javascript:alert") {
			t.Errorf("%s: %q", name, s)
		}
		if !strings.Contains(s, "{{.ID}}") {
			t.Errorf("%s: a template in a name is no longer text", name)
		}
		if len(s) > 40000 {
			t.Errorf("%s: %d bytes", name, len(s))
		}
	}
	if strings.Contains(m.Subject, "\n") || len([]rune(m.Subject)) > maxSubject {
		t.Errorf("subject %q", m.Subject)
	}
	for _, n := range append(Samples(), hostile()) {
		harmless(t, mustRender(t, n).HTML)
	}
	msg, err := Enqueue("hostile", Envelope{From: envelope.From, To: []string{`"evil\", <script> =?utf-8?q?=0D=0ABcc:x?=" <a@acme.example>`}}, m, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _, raw, err := bodyOf(t, msg).compose()
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	known := []string{"From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "Mime-Version", "Content-Type"}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, _, _ := bytes.Cut(line, []byte(":")); len(line) > 998 || line[0] != ' ' && !slices.Contains(known, string(name)) {
			t.Errorf("header %q", line)
		}
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") || slices.ContainsFunc(line, func(b byte) bool { return b > 126 || b < 32 && b != '\t' }) {
			t.Errorf("line %q", line)
		}
	}
}

// harmless says whether HTML runs, loads and hides nothing, and links only to the web.
func harmless(t *testing.T, s string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"script", "img", "link", "iframe", "object", "embed", "form", "base", "svg", "video", "audio"}, n.Data) {
			t.Errorf("<%s>", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "https://") || a.Key == "style" && strings.Contains(a.Val, "url(") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(noticeSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("notice", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("notice")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJSONIsBySchema(t *testing.T) {
	t.Parallel()
	s := schema(t)
	odd := hostile()
	odd.Findings[0].Severity = "low"
	for i, n := range append(Samples(), odd, notifier.Notice{Kind: audit.Reminder}) {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(mustRender(t, n).JSON))
		if err == nil {
			err = s.Validate(doc)
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := s.Validate(map[string]any{"schema": notifier.NoticeSchema}); err == nil {
		t.Error("the schema takes anything")
	}
	// And it names each field that there is, and no other.
	var doc map[string]any
	if err := json.Unmarshal(noticeSchema(t), &doc); err != nil {
		t.Fatal(err)
	}
	same(t, "notice", reflect.TypeFor[notifier.Notice](), doc)
}

func same(t *testing.T, where string, typ reflect.Type, schema map[string]any) {
	t.Helper()
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
		if typ.Kind() == reflect.Slice {
			schema, _ = schema["items"].(map[string]any)
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	var fields, required []string
	for f := range typ.Fields() {
		name := f.Tag.Get("json")
		fields = append(fields, name)
		p, _ := properties[name].(map[string]any)
		same(t, where+"."+name, f.Type, p)
	}
	for _, name := range schema["required"].([]any) {
		required = append(required, name.(string))
	}
	slices.Sort(fields)
	slices.Sort(required)
	if d := cmp.Diff(fields, slices.Sorted(maps.Keys(properties))); d != "" {
		t.Errorf("%s: properties: %s", where, d)
	}
	if d := cmp.Diff(fields, required); d != "" {
		t.Errorf("%s: required: %s", where, d)
	}
}

func TestManyFindings(t *testing.T) {
	t.Parallel()
	n := Samples()[0]
	f := n.Findings[0]
	n.Findings = nil
	for i := range 300 {
		f.ID = fmt.Sprintf("F-%03d", i)
		n.Findings = append(n.Findings, f)
	}
	m := mustRender(t, n)
	for name, s := range map[string]string{"text": m.Text, "html": m.HTML, "json": string(m.JSON)} {
		if strings.Count(s, "F-299") != 1 {
			t.Errorf("%s: the last is not named once", name)
		}
	}
	if !regexp.MustCompile(`^Email API audit: 300 findings about Acme Mailer`).MatchString(m.Subject) {
		t.Error(m.Subject)
	}
	if _, err := Enqueue("many", envelope, m, audit.At(n.IssuedAt)); err != nil {
		t.Error(err)
	}
}

func TestOwnTemplates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, text string
		fails            string // "": it is taken
	}{
		{"a subject", SubjectFile, "{{.ID}}, please read", ""},
		{"a text", TextFile, "{{range .Findings}}{{.ID}} {{due .}}{{end}}", ""},
		{"HTML", HTMLFile, `<p title="{{.ID}}">{{range .Findings}}{{with .Due}}{{stamp .}}{{end}}{{end}}</p>`, ""},
		{"a field that is none", TextFile, "Hello\n{{.Vendor.Nmae}}", "mail.txt:2"},
		{"a field that is none where no sample leads", TextFile, "x\n\n{{if eq .ID \"never\"}}{{.Nothing}}{{end}}", "mail.txt:3"},
		{"the same in HTML", HTMLFile, "<p>x</p>\n{{range .Findings}}{{if eq .Check \"never\"}}{{range .Evidence}}{{.Who}}{{end}}{{end}}{{end}}", "mail.html:2"},
		{"a field of another thing", SubjectFile, "{{.ID.Name}}", "subject.txt:1"},
		{"a function that is none", SubjectFile, "{{shout .ID}}", "subject.txt:1"},
		{"a function of another thing", TextFile, "{{stamp .ID}}", "mail.txt:1"},
		{"no end", HTMLFile, "{{if .Asks}}", "mail.html:1"},
		{"HTML that cannot be made safe", HTMLFile, "<p\n{{if .Asks}}title={{end}} {{.ID}}>", "mail.html"},
		{"nothing", TextFile, "", "empty"},
		{"nothing for some", SubjectFile, `{{if eq .Kind "notice"}}x{{end}}`, "empty"},
		{"a name that is none", "mial.txt", "x", "mial.txt is none of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			own, err := ReadTemplates(dir)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || !strings.Contains(err.Error(), "notices.templates") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := Render(Samples()[3], own)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.text, "please read") != (m.Subject == "N-1042, please read") {
				t.Errorf("subject %q", m.Subject)
			}
		})
	}
	if _, err := ReadTemplates(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is none")
	}
}

func noticeSchema(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/notice.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Some readers cut a mail off after 102 kB: how to answer must not fall victim to that, however much there is to tell.
func TestAMailWithManyFindings(t *testing.T) {
	t.Parallel()
	n := Samples()[0]
	f := n.Findings[0]
	n.Findings = nil
	for i := range 100 {
		f.ID, f.Incident = fmt.Sprintf("F-%012d", i), true
		n.Findings = append(n.Findings, f)
	}
	n.Asks = []string{"Since when?"}
	m, err := Render(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.HTML) > 102_000 {
		t.Errorf("%d bytes", len(m.HTML))
	}
	for name, body := range map[string]string{"text": m.Text, "HTML": m.HTML} {
		for _, want := range []string{"Examples, 3 of 412", "F-000000000099", "and 80 more"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
	var full notifier.Notice
	if err := json.Unmarshal(m.JSON, &full); err != nil || len(full.Findings) != 100 || len(full.Findings[99].Evidence) != 10 {
		t.Errorf("the JSON is not whole: %d findings, %v", len(full.Findings), err)
	}
}
