//go:build unix

package email

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/smtptest"
	"github.com/mailreeve/mailreeve/internal/unreliable"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

var envelope = Envelope{From: "Email API compliance <compliance@platform.example>", ReplyTo: "answers@platform.example",
	To: []string{`"Privacy, Acme" <privacy@acme.example>`, "security@acme.example"}}

func enqueue(t testing.TB, id int64, key string, e Envelope) audit.Message {
	t.Helper()
	m, err := Render(Samples()[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := Enqueue(key, e, m, audit.At(Samples()[0].IssuedAt))
	if err != nil {
		t.Fatal(err)
	}
	msg.ID = id
	return msg
}

// client is one of a server, to which it goes by the name in the server's certificate where remote.
func client(t testing.TB, s *smtptest.Server, url string, remote bool, user, password string) *Client {
	t.Helper()
	c, err := New(Config{URL: url, Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if remote {
		c.roots = s.Roots
		c.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.SMTP)
		}
	}
	return c
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	s := smtptest.Start(t, smtptest.Options{})
	c := client(t, s, "smtp://"+s.SMTP, false, "", "")
	msg := enqueue(t, 1, "email notice N-1042 1", envelope)
	receipt, err := c.Deliver(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReceipt(receipt)
	if err != nil || len(r.Refused) != 0 || !strings.HasSuffix(r.MessageID, "@platform.example") {
		t.Errorf("%+v, %v", r, err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	list := s.Messages(t)
	if len(list) != 1 || list[0].MessageID != r.MessageID {
		t.Fatalf("%+v", list)
	}
	got, err := mail.ReadMessage(bytes.NewReader(s.Raw(t, list[0].ID)))
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{
		"From":           `"Email API compliance" <compliance@platform.example>`,
		"Reply-To":       `<answers@platform.example>`,
		"To":             `"Privacy, Acme" <privacy@acme.example>, <security@acme.example>`,
		"Date":           "Fri, 27 Nov 2026 02:30:00 +0000",
		"Auto-Submitted": "auto-generated",
		"Mime-Version":   "1.0",
	} {
		if h := got.Header.Get(k); h != want {
			t.Errorf("%s: %q, want %q", k, h, want)
		}
	}
	again, err := Enqueue(msg.Key, envelope, mustRender(t, Samples()[0]), msg.Created)
	if err != nil || !bytes.Equal(again.Body, msg.Body) {
		t.Error("the same mail is not the same message")
	}
	_, _, one, _ := bodyOf(t, msg).compose()
	_, _, two, _ := bodyOf(t, again).compose()
	if !bytes.Equal(one, two) {
		t.Error("the same message is not the same bytes")
	}
	if strings.Contains(msg.Lane, "@") || msg.Lane == enqueue(t, 2, "k", Envelope{From: envelope.From, To: []string{"a@b.example"}}).Lane {
		t.Errorf("lane %q", msg.Lane)
	}
}

func mustRender(t testing.TB, n notifier.Notice) Mail {
	t.Helper()
	m, err := Render(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func bodyOf(t testing.TB, m audit.Message) body {
	t.Helper()
	var b body
	if err := json.Unmarshal(m.Body, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSecure: credentials go to another machine by TLS only, whose certificate is valid; on this machine by any way.
func TestSecure(t *testing.T) {
	t.Parallel()
	starttls := smtptest.Start(t, smtptest.Options{Auth: true, STARTTLS: true})
	implicit := smtptest.Start(t, smtptest.Options{Auth: true, TLS: true})
	clear := smtptest.Start(t, smtptest.Options{Auth: true})
	for _, c := range []struct {
		name   string
		server *smtptest.Server
		url    string
		remote bool
		user   string
		pass   string
		roots  bool
		fails  string // "": it is delivered
	}{
		{"STARTTLS", starttls, "smtp://" + smtptest.Host, true, smtptest.Username, smtptest.Password, true, ""},
		{"TLS", implicit, "smtps://" + smtptest.Host, true, smtptest.Username, smtptest.Password, true, ""},
		{"STARTTLS here", starttls, "smtp://" + starttls.SMTP, false, smtptest.Username, smtptest.Password, false, ""},
		{"TLS here", implicit, "smtps://" + implicit.SMTP, false, smtptest.Username, smtptest.Password, false, ""},
		{"in clear here", clear, "smtp://" + clear.SMTP, false, smtptest.Username, smtptest.Password, false, ""},
		{"in clear to another machine", clear, "smtp://" + smtptest.Host, true, smtptest.Username, smtptest.Password, true, "does not support STARTTLS (credentials"},
		{"another name", starttls, "smtp://other.platform.example", true, smtptest.Username, smtptest.Password, true, "certificate"},
		{"an authority that nobody knows", starttls, "smtp://" + smtptest.Host, true, smtptest.Username, smtptest.Password, false, "SSL_CERT_FILE"},
		{"no credentials", starttls, "smtp://" + smtptest.Host, true, "", "", true, "530"},
		{"a wrong password", starttls, "smtp://" + smtptest.Host, true, smtptest.Username, "SECRET-but-wrong", true, "password_env"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := client(t, c.server, c.url, c.remote, c.user, c.pass)
			if !c.roots {
				sink.roots = nil
			}
			key := "email " + c.name
			_, err := sink.Deliver(t.Context(), enqueue(t, 1, key, envelope))
			if c.fails == "" {
				if err != nil {
					t.Fatal(err)
				}
				id, _ := MessageID(key, envelope.From)
				if !slices.ContainsFunc(c.server.Messages(t), func(m smtptest.Message) bool { return m.MessageID == id }) {
					t.Error("the server does not have it")
				}
				return
			}
			var f *notifier.Failure
			if !errors.As(err, &f) || !f.Final || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v", err)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)); strings.Contains(text, "SECRET") || strings.Contains(text, smtptest.Password) || strings.Contains(text, smtptest.Username) {
				t.Errorf("credentials are in the error: %s", text)
			}
		})
	}
}

// What is wrong with us is no matter of the recipient, in whatever answer it comes.
func TestWhoseRefusal(t *testing.T) {
	t.Parallel()
	for answer, want := range map[textproto.Error]bool{
		{Code: 550, Msg: "5.1.1 no such user"}:            true,
		{Code: 553, Msg: "no such mailbox"}:               true,
		{Code: 552, Msg: "5.2.2 mailbox full"}:            true,
		{Code: 554, Msg: "5.7.1 relay access denied"}:     false,
		{Code: 550, Msg: "5.7.1 we do not relay"}:         false,
		{Code: 530, Msg: "5.7.0 authentication required"}: false,
		{Code: 503, Msg: "5.5.1 MAIL first"}:              false,
	} {
		if got := recipients(&answer); got != want {
			t.Errorf("%d %s: %t", answer.Code, answer.Msg, got)
		}
	}
}

func TestRefusedRecipients(t *testing.T) {
	t.Parallel()
	s := smtptest.Start(t, smtptest.Options{Only: `^(a|c)@acme\.example$`})
	c := client(t, s, "smtp://"+s.SMTP, false, "", "")
	receipt, err := c.Deliver(t.Context(), enqueue(t, 1, "some", Envelope{From: envelope.From, To: []string{"a@acme.example", "b@acme.example", "c@acme.example"}}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReceipt(receipt)
	if err != nil || len(r.Refused) != 1 || r.Refused[0].To != 1 || strings.Contains(receipt, "acme") {
		t.Errorf("%s, %v", receipt, err)
	}
	if n := len(s.Messages(t)); n != 1 {
		t.Errorf("%d mails", n)
	}
	receipt, err = c.Deliver(t.Context(), enqueue(t, 2, "none", Envelope{From: envelope.From, To: []string{"b@acme.example", "d@acme.example"}}))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := ParseReceipt(receipt); err != nil || len(r.Refused) != 2 || strings.Contains(receipt, "acme") {
		t.Errorf("all refused: %s, %v", receipt, err)
	}
	if n := len(s.Messages(t)); n != 1 {
		t.Errorf("all refused: %d mails", n)
	}
}

// script is a server that answers what a test wants.
func script(t *testing.T, answer func(command string) string) *Client {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for say := answer(""); ; {
					if say == "" {
						return
					}
					if say != "wait" {
						if _, err := io.WriteString(c, say+"\r\n"); err != nil {
							return
						}
					}
					var line []byte
					one := make([]byte, 1)
					for !bytes.HasSuffix(line, []byte("\r\n")) || strings.HasPrefix(say, "354") && !bytes.HasSuffix(line, []byte("\r\n.\r\n")) {
						if _, err := c.Read(one); err != nil {
							return
						}
						line = append(line, one[0])
					}
					if strings.HasPrefix(say, "354") {
						line = []byte(".\r\n")
					}
					say = answer(strings.TrimSpace(string(line)))
				}
			}()
		}
	}()
	c, err := New(Config{URL: "smtp://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatServersSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		at, say string
		attempt int
		final   bool
		says    string // "": delivered
		refused int
	}{
		{"accepted", "QUIT", "221 bye", 0, false, "", 0},
		{"gone before it said goodbye", "QUIT", "", 0, false, "", 0},
		{"no service", "", "554 5.3.2 no mail here", 0, true, "554", 0},
		{"busy", "", "421 4.3.2 come again", 0, false, "421", 0},
		{"nothing", "", "", 0, false, "connection", 0},
		{"no SMTP", "", "HTTP/1.1 400 Bad Request", 0, false, "", -1},
		{"sender refused", "MAIL", "550 5.7.1 you may not", 0, true, "sender: 550", 0},
		{"a recipient later", "RCPT TO:<privacy", "450 4.2.0 privacy@acme.example is greylisted", 0, false, "recipient 1: 450", 0},
		{"a recipient later, for an hour", "RCPT TO:<privacy", "450 4.2.0 privacy@acme.example is greylisted", patience, false, "", 1},
		{"all later, for an hour", "RCPT", "450 4.2.0 greylisted", patience, false, "recipient 1: 450", 0},
		{"a recipient unknown", "RCPT TO:<privacy", "550 5.1.1 <privacy@acme.example>: no such user", 0, false, "", 1},
		{"all unknown", "RCPT", "550 5.1.1 no such user", 0, false, "", 2},
		{"no forwarding", "RCPT", "554 5.7.1 relay access denied", 0, true, "recipient 1: 554", 0},
		{"data refused", "DATA", "554 5.5.1 no", 0, true, "message: 554", 0},
		{"the message refused", ".", "550 5.7.1 looks like spam to privacy@acme.example", 0, true, "message: 550", 0},
		{"the message later", ".", "452 4.3.1 disk full", 0, false, "message: 452", 0},
		{"the answer lost", ".", "", 0, false, "message", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sink := script(t, func(command string) string {
				if command == c.at || c.at != "" && c.at != "." && strings.HasPrefix(command, c.at) {
					return c.say
				}
				switch {
				case command == "":
					return "220 mail.acme.example"
				case command == "DATA":
					return "354 go on"
				}
				return "250 2.0.0 fine"
			})
			msg := enqueue(t, 1, "k", envelope)
			msg.Attempts = c.attempt
			store, clock := &nights.Store{}, &nights.Clock{}
			msg.SentAt = audit.Never
			store.Put(msg)
			var receipt string
			var err error
			o := &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{Sink: sink}, Clock: clock.Now, Log: func(_ audit.Message, r string, e error) { receipt, err = r, e }}
			if err := o.Flush(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if doubt := store.Rows[0].Doubt != 0; err != nil && doubt != (c.at == "." && c.say == "") {
				t.Errorf("it may have arrived: %t: %v", doubt, err)
			}
			var f *notifier.Failure
			if errors.As(err, &f) && f.Final != c.final || f == nil && c.final {
				t.Errorf("final %t: %v", f != nil, err)
			}
			if strings.Contains(fmt.Sprint(err, receipt), "privacy") {
				t.Errorf("an address: %v %s", err, receipt)
			}
			if c.says != "" || c.refused < 0 {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
				return
			}
			r, perr := ParseReceipt(receipt)
			if err != nil || perr != nil || len(r.Refused) != c.refused {
				t.Errorf("%s, %v", receipt, err)
			}
		})
	}
}

func TestCancelledDeliveryEnds(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	sink := script(t, func(command string) string {
		switch {
		case command == "":
			return "220 mail.acme.example"
		case strings.HasPrefix(command, "MAIL"):
			asked <- struct{}{}
			return "wait"
		}
		return "250 2.0.0 fine"
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	msg := enqueue(t, 1, "k", envelope)
	go func() {
		_, err := sink.Deliver(ctx, msg)
		done <- err
	}()
	select {
	case <-asked:
	case err := <-done:
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
}

// TestUnreliableServer: mails to a server that fails before and after it takes them. All arrive; those whose answer was lost may be there more than once,
// under one Message-ID: SMTP has no way to ask whether a message was taken.
func TestUnreliableServer(t *testing.T) {
	t.Parallel()
	const mails = 12
	s := smtptest.Start(t, smtptest.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go unreliable.Forward(unreliable.Listener(l, 7, 0.3), s.SMTP)
	c := client(t, s, "smtp://"+l.Addr().String(), false, "", "")

	clock, store := &nights.Clock{}, &nights.Store{}
	want := map[string]bool{}
	for i := range int64(mails) {
		key := fmt.Sprintf("email notice N-%d 1", i)
		m := enqueue(t, i+1, key, Envelope{From: envelope.From, To: []string{fmt.Sprintf("v%d@acme.example", i%3)}})
		m.NextAt = 0
		store.Put(m)
		id, _ := MessageID(key, envelope.From)
		want[id] = true
	}
	confirmed := map[string]bool{}
	o := &notifier.Outbox{Store: store, Sinks: map[string]notifier.Sink{Sink: c}, Clock: clock.Now, Sleep: clock.Sleep,
		Log: func(m audit.Message, _ string, err error) {
			if confirmed[m.Key] {
				t.Errorf("%s was sent again", m.Key)
			}
			confirmed[m.Key] = err == nil
		}}
	for range 200 {
		if err = o.Flush(t.Context(), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		if store.Waiting() == 0 {
			break
		}
		_ = clock.Sleep(t.Context(), time.Minute)
	}
	if left := store.Waiting(); left != 0 {
		t.Fatalf("%d left", left)
	}
	list := s.Messages(t)
	got := map[string]bool{}
	for _, m := range list {
		got[m.MessageID] = true
		if !want[m.MessageID] {
			t.Errorf("%s is nobody's", m.MessageID)
		}
	}
	if len(got) != mails {
		t.Errorf("%d of %d arrived", len(got), mails)
	}
	if len(list) == mails {
		t.Error("no answer was lost: this shows nothing")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config Config
		server string // "": refused
	}{
		{Config{URL: "smtp://localhost:1025"}, "localhost:1025"},
		{Config{URL: "smtp://mail.platform.example"}, "mail.platform.example:587"},
		{Config{URL: "smtps://mail.platform.example", Username: "u", Password: "p"}, "mail.platform.example:465"},
		{Config{URL: "smtp://[::1]:25"}, "[::1]:25"},
		{Config{URL: "smtp://user:SECRET@mail.platform.example"}, ""},
		{Config{URL: "smtp://mail.platform.example:99999"}, ""},
		{Config{URL: "http://mail.platform.example"}, ""},
		{Config{URL: "mail.platform.example:25"}, ""},
		{Config{URL: "smtp://mail.platform.example", Username: "u"}, ""},
		{Config{URL: "smtp://mail.platform.example", Password: "SECRET"}, ""},
	} {
		client, err := New(c.config)
		switch {
		case err == nil && c.server != client.server():
			t.Errorf("%+v: %s", c.config, client.server())
		case err != nil && (c.server != "" || strings.Contains(err.Error(), "SECRET")):
			t.Errorf("%s: %v", c.config.URL, err)
		}
	}
}

func TestEnqueueRefuses(t *testing.T) {
	t.Parallel()
	m := mustRender(t, Samples()[0])
	for name, e := range map[string]Envelope{
		"nobody":               {From: envelope.From},
		"no address":           {From: envelope.From, To: []string{"nobody"}},
		"two in one":           {From: envelope.From, To: []string{"a@acme.example, b@acme.example"}},
		"another header":       {From: envelope.From, To: []string{"a@acme.example\r\nBcc: b@acme.example"}},
		"a command":            {From: envelope.From, To: []string{"<a@acme.example>\r\nRCPT TO:<b@acme.example>"}},
		"no sender":            {To: envelope.To},
		"a header in reply_to": {From: envelope.From, To: envelope.To, ReplyTo: "a@acme.example\nX: y"},
		"a broken Message-ID":  {From: envelope.From, To: envelope.To, MessageID: "a@b>\r\nX: y"},
		"too many":             {From: envelope.From, To: slices.Repeat([]string{"a@acme.example"}, MaxRecipients+1)},
	} {
		if _, err := Enqueue("k", e, m, 0); err == nil {
			t.Errorf("%s: enqueued", name)
		} else if strings.Contains(err.Error(), "acme.example") {
			t.Errorf("%s: an address: %v", name, err)
		}
	}
	a := enqueue(t, 1, "k", Envelope{From: envelope.From, To: []string{"Über <info@über.example>"}})
	_, to, raw, err := bodyOf(t, a).compose()
	if err != nil || to[0] != "info@xn--ber-goa.example" || !bytes.Contains(raw, []byte("To: =?utf-8?q?=C3=9Cber?= <info@xn--ber-goa.example>\r\n")) {
		t.Errorf("%q, %v", to, err)
	}
}
