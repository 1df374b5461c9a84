package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/smtptest"
)

// From the night that finds something, over the link in the mail and the answer on the page, to what the command line says of it; and then the links are taken back.
func TestAVendorAnswersOnItsPage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	server := smtptest.Start(t, smtptest.Options{})
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(24 * time.Hour)
	call := func(days int, purpose string) string {
		return fmt.Sprintf(`{"ts":"%s","request_id":"r%d","app_key":"com.acme.mailer","cloud_id":"site-a","path":"/rest/api/3/user/email","auth":"connect-jwt","purpose":"%s","status":200,"account_ids":["5b10a2844c20165700ede21f"]}`+"\n",
			now.AddDate(0, 0, -days).Add(time.Hour).Format(time.RFC3339), days, purpose)
	}
	for name, text := range map[string]string{
		"mailreeve.yaml": "sources:\n  - {kind: access, path: access.jsonl}\n  - {kind: apps, path: apps.jsonl}\n" +
			"notices: {smtp: \"smtp://" + server.SMTP + "\", from: compliance@platform.example}\nvendor: {listen: \"" + listen + "\", public_url: \"http://" + listen + "\"}\n",
		"apps.jsonl":   `{"key":"com.acme.mailer","name":"Acme Mailer","vendor":{"id":"v1","name":"Acme","email":"privacy@acme.example"},"privacy_policy_url":"https://acme.example/p","terms_url":"https://acme.example/t","stores_personal_data":true,"approvals":[{"request_id":"REQ-1","status":"approved","decided_at":"2024-01-01T00:00:00Z","purposes":["security-alerts"]}]}` + "\n",
		"access.jsonl": call(5, "security-alerts"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	say := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := mailreeve(t, dir, args...)
		if code != want {
			t.Fatalf("%s ends with %d: %s%s", args, code, out, errs)
		}
		return out + errs
	}
	asOf := func(days int) string { return now.AddDate(0, 0, -days).Format(time.RFC3339) }
	say(exitDone, "run", "--as-of", asOf(3))
	f, err := os.OpenFile(filepath.Join(dir, "access.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(call(3, "marketing"))
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	say(exitDone, "run", "--as-of", asOf(2))
	say(exitDone, "run", "--as-of", asOf(1))
	notice := regexp.MustCompile(`N-[0-9A-Z]{10}`).FindString(say(exitDone, "notices", "list"))
	say(exitDone, "notices", "approve", notice)

	c := &cli{out: io.Discard, err: io.Discard, clock: time.Now, config: filepath.Join(dir, "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	say(exitDone, "notices", "send")
	link := func() string {
		t.Helper()
		mails, err := sys.store.Messages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		body := string(mails[len(mails)-1].Body)
		return regexp.MustCompile(`http://` + regexp.QuoteMeta(listen) + `/v/[A-Za-z0-9_-]+`).FindString(body)
	}

	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- sys.serveVendors(ctx) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	post := func(url, kind, body string) (int, string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			answer, err := browser.Post(url, kind, strings.NewReader(body))
			if err != nil {
				if time.Now().After(end) {
					t.Fatal(err)
				}
				continue // it is about to listen
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, string(text)
		}
	}
	if status, text := post(link(), "", ""); status != 200 || !strings.Contains(text, "Findings about your apps") {
		t.Fatalf("the link: %d %s", status, text)
	}
	finding := audit.FindingID("purpose-prohibited", "com.acme.mailer", "marketing")
	page := "http://" + listen + "/f/" + finding
	if status, text := post(page+"/dispute", "application/x-www-form-urlencoded", "text=a+test+of+ours"); status != 200 || !strings.Contains(text, "You dispute it") {
		t.Errorf("disputed: %d %s", status, text)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "proof.txt")
	if err == nil {
		_, err = part.Write([]byte("the proof, says joe@customer.example"))
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if status, text := post(page+"/file", w.FormDataContentType(), body.String()); status != 200 || !strings.Contains(text, "proof.txt") {
		t.Errorf("attached: %d %s", status, text)
	}

	// What the team sees.
	shown := say(exitDone, "notices", "show", notice)
	attachment := regexp.MustCompile(`A-[0-9A-Z]{16}`).FindString(shown)
	if !strings.Contains(shown, "disputed since") || !strings.Contains(shown, "proof.txt") {
		t.Errorf("the notice: %s", shown)
	}
	if out := say(exitDone, "notices", "show", notice, "--attachment", attachment); out != "the proof, says [address]" {
		t.Errorf("the attachment: %q", out)
	}
	say(exitFailed, "notices", "show", notice, "--attachment", "A-NONE")
	if out := say(exitDone, "notices", "show", notice, "--format", "json"); !strings.Contains(out, `"id": "`+attachment+`"`) {
		t.Errorf("as JSON: %s", out)
	}
	if out := say(exitDone, "findings", "show", finding); !strings.Contains(out, "vendor:v1") || !strings.Contains(out, "a test of ours") {
		t.Errorf("the finding: %s", out)
	}
	if out := say(exitDone, "notices", "list", "--tasks"); !strings.Contains(out, "disputes it") {
		t.Errorf("the tasks: %s", out)
	}

	// The links are taken back, and a fresh one is sent.
	if out := say(exitUsage, "notices", "answer", notice, "--revoke-link"); !strings.Contains(out, "needs --text") {
		t.Error(out)
	}
	if out := say(exitUsage, "notices", "answer", notice, "--revoke-link", "--kind", "viewed", "--text", "x"); !strings.Contains(out, "without --kind") {
		t.Error(out)
	}
	if out := say(exitDone, "notices", "answer", notice, "--revoke-link", "--text", "a mailbox was broken into"); !strings.Contains(out, "links of Acme are taken back") {
		t.Error(out)
	}
	if status, _ := post(page+"/viewed", "", ""); status != 401 {
		t.Errorf("after the links were taken back: %d", status)
	}
	if status, text := post(link(), "", ""); status != 410 || !strings.Contains(text, "taken back") {
		t.Errorf("the link that was taken back: %d", status)
	}
	before := link()
	if out := say(exitDone, "notices", "send", "--link", notice); !strings.Contains(out, "Acme gets a fresh link, at 1 address") || link() == before {
		t.Errorf("a fresh link: %s", out)
	}
	if out := say(exitFailed, "notices", "send", "--link", notice); !strings.Contains(out, "within the last hour") {
		t.Error(out)
	}
	if status, _ := post(link(), "", ""); status != 200 {
		t.Errorf("the fresh link: %d", status)
	}
}

func TestDoctorLooksAtTheVendorsPage(t *testing.T) {
	t.Parallel()
	const mail = "notices: {smtp: \"smtp://127.0.0.1:9\", from: compliance@platform.example}\n"
	for _, tt := range []struct{ config, state, says string }{
		{mail, "", ""},
		{mail + "vendor: {listen: \"127.0.0.1:8090\"}\n", isWarning, "public_url is not"},
		{mail + "vendor: {public_url: \"https://vendors.platform.example\"}\n", isOK, "https://vendors.platform.example/, at 127.0.0.1:8090"},
		{mail + "vendor: {public_url: \"http://vendors.platform.example\"}\n", isWarning, "not https"},
		{mail + "vendor: {listen: \"0.0.0.0:8090\", public_url: \"https://vendors.platform.example\"}\n", isWarning, "others than the proxy"},
		{"vendor: {public_url: \"https://vendors.platform.example\"}\n", isWarning, "nobody gets a link"},
	} {
		w := emptyWard(t, "")
		w.must(os.WriteFile(filepath.Join(w.dir, "mailreeve.yaml"), []byte(tt.config), 0o600))
		w.say("doctor", "--format", "jsonl")
		lines := slices.DeleteFunc(strings.Split(w.output.String(), "\n"), func(l string) bool { return !strings.Contains(l, `"vendor page"`) })
		if tt.state == "" && len(lines) == 0 {
			continue
		}
		if len(lines) != 1 || !strings.Contains(lines[0], `"state":"`+tt.state+`"`) || !strings.Contains(lines[0], tt.says) {
			t.Errorf("%s: %q", tt.config, lines)
		}
	}
}
