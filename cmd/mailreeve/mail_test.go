package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/smtptest"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// TestDoctorLooksAtMail: what doctor says of the way to vendors, well and ill.
func TestDoctorLooksAtMail(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{Auth: true, STARTTLS: true})
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	good := `smtp: "smtp://` + server.SMTP + `", username_env: MAILREEVE_TEST_SMTP_USER, password_env: MAILREEVE_TEST_SMTP_PASSWORD, from: compliance@platform.example`
	for _, c := range []struct {
		name, notices string
		says          []string // each is in a line
		wrong         bool
	}{
		{"nothing", "", []string{"not configured: vendors are not written to"}, false},
		{"all is well", good + ", bounces: box, templates: own", []string{"takes our mail", "0 reports wait in", "are good"}, false},
		{"a wrong password", strings.Replace(good, "MAILREEVE_TEST_SMTP_PASSWORD", "MAILREEVE_TEST_SMTP_WRONG", 1), []string{"535", "notices.password_env"}, true},
		{"no password", strings.Replace(good, "MAILREEVE_TEST_SMTP_PASSWORD", "MAILREEVE_TEST_NOTHING", 1), []string{"set both or none"}, true},
		{"nobody listens", `smtp: "smtp://` + nobody.Addr().String() + `", from: compliance@platform.example`, []string{"connection refused"}, true},
		{"no sender", `smtp: "smtp://` + server.SMTP + `"`, []string{"notices.from is no address"}, true},
		{"a sender only", "from: compliance@platform.example", []string{"notices.smtp is missing"}, true},
		{"no server", `smtp: "mail.platform.example"`, []string{"write smtp://host:port"}, true},
		{"a template of a field that is none", "templates: bad", []string{filepath.Join("bad", "mail.txt") + ":2"}, true},
		{"no Maildir", "bounces: own", []string{"no Maildir"}, true},
		{"mail that nobody reads", "bounces: mailbox", []string{"1 other mail that no program reads"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := emptyWard(t, "")
			for name, text := range map[string]string{
				"box/new/.keep": "", "box/cur/.keep": "", "own/subject.txt": "{{.ID}}", "bad/mail.txt": "Hello\n{{.Nobody}}",
				"mailbox/new/1.host": "Subject: hello\r\n\r\nWhen?\r\n", "mailbox/cur/.keep": "",
			} {
				path := filepath.Join(w.dir, filepath.FromSlash(name))
				w.must(os.MkdirAll(filepath.Dir(path), 0o755))
				w.must(os.WriteFile(path, []byte(text), 0o600))
			}
			w.must(os.WriteFile(filepath.Join(w.dir, "mailreeve.yaml"), []byte("notices: {"+c.notices+"}\n"), 0o600))
			code := w.say("doctor")
			var lines []string
			for line := range strings.SplitSeq(w.output.String(), "\n") {
				if f := strings.Fields(line); len(f) > 1 && f[1] == "mail" {
					lines = append(lines, line)
				}
			}
			for _, want := range c.says {
				if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
					t.Errorf("nothing says %q: %s", want, lines)
				}
			}
			wrong := slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, isWrong) })
			if wrong != c.wrong || c.wrong && code != exitFailed {
				t.Errorf("exit %d: %s", code, lines)
			}
			if out := w.output.String(); strings.Contains(out, "hunter2") || strings.Contains(out, smtptest.Password) {
				t.Errorf("a secret: %s", out)
			}
		})
	}
}

// TestMailSinkSaysWhatIsWrong: mail waits, and its error says why, where the configuration is wrong.
func TestMailSinkSaysWhatIsWrong(t *testing.T) {
	s := newWard(t, "")
	s.must(os.WriteFile(filepath.Join(s.dir, "own.yaml"), []byte(`notices: {smtp: "http://x", from: a@platform.example}`+"\n"), 0o600))
	cfg, err := (&cli{config: filepath.Join(s.dir, "own.yaml")}).load()
	if err != nil {
		t.Fatal(err)
	}
	sink := (&system{cfg: cfg}).sinks()[email.Sink]
	if sink == nil {
		t.Fatal("no sink")
	}
	m, err := email.Enqueue("k", email.Envelope{From: cfg.Notices.From, To: []string{"privacy@acme.example"}}, email.Mail{Subject: "s", Text: "t"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Deliver(t.Context(), m); err == nil || !strings.Contains(err.Error(), "notices.smtp") {
		t.Error(err)
	}
}

// TestRunSaysAbnormal: without Slack what run prints says it; without notices there is nothing to hold up.
func TestRunSaysAbnormal(t *testing.T) {
	t.Parallel()
	for _, notices := range []bool{true, false} {
		w := emptyWard(t, "")
		w.put("policy.yaml", "notices: {abnormal: {findings: 0, times: 0}}\n")
		w.configure("archive:", "policy: policy.yaml\narchive:")
		if notices {
			w.configure("archive:", "notices: {from: compliance@platform.example}\narchive:")
		}
		w.say("run")
		call := strings.ReplaceAll(slackCall(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "r2"), `"acme"`, `"basil"`)
		w.put("access-2.jsonl", call+"\n")
		w.output.Reset()
		w.say("run")
		if got := strings.Contains(w.output.String(), "was abnormal"); got != notices {
			t.Errorf("with notices %t: %s", notices, w.output.String())
		}
	}
}
