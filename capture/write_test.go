package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/checks/exposure"
)

func TestTheManifestIsNeverHalfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manifest.jsonl")
	if err := os.WriteFile(path, []byte(`{"file":"by hand"}`), 0o600); err != nil { // without an end
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for range 20 {
				if err := appendLines(path, []line{{File: fmt.Sprint(i), URL: strings.Repeat("x", 5000)}, {File: fmt.Sprint(i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for l := range bytes.Lines(text) {
		var x map[string]any
		if len(bytes.TrimSpace(l)) == 0 { // two that saw the line without an end
			continue
		}
		if err := json.Unmarshal(l, &x); err != nil {
			t.Fatalf("%v: %.100s", err, l)
		}
		if _, ok := x["sightings"].([]any); !ok && x["file"] != "by hand" {
			t.Fatalf("no list of sightings: %s", l)
		}
		n++
	}
	if n != 801 {
		t.Errorf("%d lines", n)
	}
}

func TestAFileIsThereWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, "a"), []byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "no", "b"), []byte("text")); err == nil {
		t.Error("it was written into a folder that is not there")
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if name := nameAt(time.Date(2026, 11, 23, 1, 2, 3, 0, time.FixedZone("", 3600))); !strings.HasPrefix(name, "20261123T000203Z-") || len(name) != len("20261123T000203Z-00000000") {
		t.Errorf("the name is %s", name)
	}
}

func redacts(t *testing.T, secrets ...string) *redactor {
	return newRedactor(t.Context(), exposure.NewMasker(exposure.Limits{}), secrets)
}

func TestURLsCanBeReadAfterRedaction(t *testing.T) {
	r := redacts(t, "the-crawlers-cookie")
	for raw, want := range map[string]string{
		"https://app.example/a/b?x=1&y=2#z":                                         "https://app.example/a/b?x=1&y=2#z",
		"https://app.example/u/jane@acme.example/edit?mail=jane%40acme.example&x=1": "https://app.example/u/[address]/edit?mail=[address]&x=1",
		"https://app.example/?jwt=abc.def.ghi&x=1":                                  "https://app.example/?jwt=[secret]&x=1",
		"https://app.example/?X=1&access_token=abc#id_token=def":                    "https://app.example/?X=1&access_token=[secret]#id_token=[secret]",
		"https://app.example/?code=4/0AbC=;d&x=1#sig=a,b":                           "https://app.example/?code=[secret]&x=1#sig=[secret]",
		"https://app.example/the-crawlers-cookie/x":                                 "https://app.example/[secret]/x",
		"https://jane:pass@app.example/x@y":                                         "https://app.example/[address]",
		"":                                                                          "",
	} {
		if got := r.url(raw); got != want {
			t.Errorf("%s\n becomes %s\n    want %s", raw, got, want)
		}
	}
	if got := r.url("https://jane@acme.example:80/x"); address.LooksLike([]byte(got)) {
		t.Errorf("it holds an address: %s", got)
	}
}

func TestSecretsInOneAnotherAndInPages(t *testing.T) {
	r := redacts(t, "a-token-of-csrf", "a-token-of-csrf.signature", `quoted"&secret`)
	got := r.text(audit.CaptureText, `a-token-of-csrf.signature a-token-of-csrf quoted"&secret quoted&#34;&amp;secret quoted%22%26secret`)
	if want := strings.TrimSpace(strings.Repeat("[secret] ", 5)); got != want {
		t.Errorf("%q", got)
	}
}

func TestWhatIsTakenOutOfARecording(t *testing.T) {
	const mail = "jane.quartermaine@customer.example"
	pair := func(k, v string) harPair { return harPair{k, v} }
	h := &har{Log: harLog{Version: "1.2", Comment: "before", Storage: []harStorage{{Origin: "https://a.example", Local: []harPair{pair(mail, "x"), pair("k", "mailto:"+mail)}}}, Entries: []*harEntry{{
		Request: harRequest{Method: "POST", URL: "https://a.example/?m=" + mail, Cookies: []harPair{pair("sid", "cookie-of-the-session")},
			Headers: []harPair{pair("Cookie", "sid=cookie-of-the-session"), pair("AUTHORIZATION", "Bearer x"), pair("proxy-authorization", "y"), pair("Referer", "https://a.example/?token=abc&m="+mail), pair("X-Me", mail), pair("Accept", "text/html")},
			Query:   []harPair{pair("m", mail), pair("password", "hunter2")}, Post: &harPostData{MimeType: "application/json", Text: `{"m":"` + mail + `","sid":"cookie-of-the-session"}`}},
		Response: harResponse{StatusText: mail, Cookies: []harPair{pair("a", "b")}, Headers: []harPair{pair("set-cookie", "a=b"), pair("Location", "/x?m="+mail), pair("ETag", "1")}, RedirectURL: "/x?m=" + mail,
			Content: harContent{MimeType: "text/html", Text: "<p>Hello " + mail + "<p>Bye"}},
		Messages: []harSocketMessage{{Type: "send", Opcode: 1, Data: "hi " + mail}, {Type: "receive", Opcode: 2, Data: "AAAA"}},
	}, {Request: harRequest{Post: &harPostData{MimeType: "application/x-www-form-urlencoded", Params: []harPair{pair("password", "correct/horse"), pair("m", "1")}, Text: "password=correct/horse&m=1"}},
		Response: harResponse{Content: harContent{MimeType: "application/wasm", Text: "AAAA", Encoding: "base64", Size: 3}}}, {Response: harResponse{Content: harContent{MimeType: "text/plain", Text: "/w==", Encoding: "base64"}}}}}}
	before, err := h.bytes()
	if err != nil {
		t.Fatal(err)
	}
	r := redacts(t, h.cookies()...)
	out := r.har(h)
	text, err := out.bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []string{"quartermaine", "cookie-of", "Bearer", "hunter2", "correct", "horse", "token=abc", `"y"`, "AAAA", "/w==", "Set-Cookie", "set-cookie", "AUTHORIZATION"} {
		if bytes.Contains(text, []byte(x)) {
			t.Errorf("it holds %s", x)
		}
	}
	for _, x := range []string{"Accept", "text/html", "ETag", "<p>Hello [address]<p>Bye", "hi [address]", "before; cookies,", "https://a.example/?m=[address]"} {
		if !bytes.Contains(text, []byte(x)) {
			t.Errorf("it lacks %s:\n%s", x, text)
		}
	}
	if e := out.Log.Entries[0]; len(e.Request.Cookies)+len(e.Response.Cookies) != 0 {
		t.Error("cookies are left")
	}
	if after, _ := h.bytes(); !slices.Equal(before, after) {
		t.Error("the recording itself was changed")
	}
	d := newDetector()
	if _, _, err := d.scan(t.Context(), audit.CaptureHAR, text); err != nil {
		t.Error(err)
	}
	m := d.finder.Matcher()
	m.Address("jane", mail)
	if len(m.Sightings()) != 0 {
		t.Errorf("it is still seen: %v", m.Sightings())
	}
}

func TestReadingsJoinWhatStandsTogether(t *testing.T) {
	d := &document{}
	add := func(parent int, kind int64, name, value, display string, x, y, w, h float64) int {
		i := len(d.nodes)
		n := node{parent: parent, kind: kind, name: name, value: value, first: len(d.laid), block: i}
		if kind == 3 || display == "inline" {
			n.block = d.nodes[parent].block
		}
		d.nodes = append(d.nodes, n)
		d.laid = append(d.laid, laid{i, value, x, y, w, h})
		return i
	}
	body := add(-1, 1, "BODY", "", "block", 0, 0, 1000, 1000)
	p := add(body, 1, "P", "", "block", 0, 0, 1000, 20)
	add(p, 3, "#text", "one", "", 0, 0, 30, 20)
	b := add(p, 1, "B", "", "inline", 30, 0, 30, 20)
	add(b, 3, "#text", "two", "", 30, 0, 30, 20)
	far := add(body, 1, "DIV", "", "block", 500, 0, 30, 20)
	add(far, 3, "#text", "far", "", 500, 0, 30, 20)
	left := add(body, 1, "DIV", "", "block", 60, 0, 30, 20)
	add(left, 3, "#text", "three", "", 60, 0, 30, 20)
	below := add(body, 1, "DIV", "", "block", 0, 20, 30, 20)
	add(below, 3, "#text", "below", "", 0, 20, 30, 20)
	rs := d.readings()
	if got := rs[0].text; got != "onetwo\nfar\nthree\nbelow" {
		t.Errorf("as written: %q", got)
	}
	if got := rs[1].text; got != "\nonetwothree far\nbelow" {
		t.Errorf("as laid out: %q", got)
	}
	at := strings.Index(rs[1].text, "othr")
	parts := rs[1].parts(at, at+4)
	if len(parts) != 2 || parts[0].piece.text[parts[0].from:parts[0].to] != "o" || parts[1].piece.text[parts[1].from:parts[1].to] != "thr" {
		t.Errorf("parts: %+v", parts)
	}
	two := parts[0].piece
	ms := markings([]*find{{parts: []part{{two, 0, 2}}}, {parts: []part{{two, 1, 3}}, known: true}})
	if len(ms) != 1 || !slices.Equal(ms[0].ranges, [][2]int{{0, 3}}) || !ms[0].known[0] {
		t.Errorf("markings: %+v", ms[0])
	}
}

func TestUnitsAreThoseOfJavaScript(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "😀a": 3, "\xff": 1} {
		if got := units(s); got != want {
			t.Errorf("%q: %d", s, got)
		}
	}
}

func TestABrowserThatSaysTooMuchIsLeft(t *testing.T) {
	r := newBounded(readCloser{strings.NewReader("short\x00" + strings.Repeat("x", 100) + "\x00" + strings.Repeat("y", 1000))}, 500)
	b := make([]byte, 64)
	var err error
	for err == nil {
		_, err = r.Read(b)
	}
	if err != errMessageTooLong {
		t.Errorf("it ends with %v", err)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// matched gives what is seen in a recording of one exchange, beside a page that could not be read.
func matched(t *testing.T, l exposure.Limits, e *harEntry) *seen {
	t.Helper()
	d := &detector{finder: exposure.New(l), masker: exposure.NewMasker(exposure.Limits{})}
	out := &seen{}
	if _, err := (&Capturer{Addresses: handedOut}).match(t.Context(), out, d, &har{harLog{Entries: []*harEntry{e}}}, &snapshot{}, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheRecordingIsToldOfBeforeThePage(t *testing.T) {
	e := &harEntry{Response: harResponse{Status: 200, Content: harContent{MimeType: "text/plain", Text: "{}", Encoding: "base64"}}}
	for range 20 {
		notes := matched(t, exposure.Limits{Body: 20}, e).notes
		if len(notes) != 2 || !strings.HasPrefix(notes[0], "the recording: ") || !strings.HasPrefix(notes[1], "the page: ") {
			t.Fatalf("notes: %q", notes)
		}
	}
}

func TestWhatWasSentIsSeenWhereNoBodyCame(t *testing.T) {
	e := &harEntry{Request: harRequest{URL: "https://tracker.example/?e=" + jane}, Response: harResponse{Status: 200, Content: harContent{MimeType: "text/html", Comment: "left out: it had no end"}}}
	out := matched(t, exposure.Limits{}, e)
	if len(out.inHAR) != 1 || out.inHAR[0].Place != audit.Sent || out.inHAR[0].Host != "tracker.example" {
		t.Errorf("seen: %+v", out.inHAR)
	}
	if len(out.notes) > 0 || !bytes.Contains(out.har, []byte("https://tracker.example/?e=[address]")) {
		t.Errorf("notes %q of the recording %s", out.notes, out.har)
	}
}
