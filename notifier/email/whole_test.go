package email

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emersion/go-message"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/notifier"
)

// A mail is whole, to its last boundary, and its subject reads as it was written, whatever it looks like.
func TestMailsAreWhole(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"=?utf-8?q?=0D=0ABcc:_x?=", "=?utf-8?b?PHNjcmlwdD4=?= =?x", "é =?utf-8?q?a?=", strings.Repeat("=?漢", 60), strings.Repeat("long ", 60)}))
	rapid.Check(t, func(t *rapid.T) {
		subject := notifier.Shorten(strings.ToValidUTF8(text.Draw(t, "subject"), "?"), maxSubject)
		b := body{Envelope: Envelope{From: "compliance@platform.example", To: []string{"privacy@acme.example"}, MessageID: "x@platform.example"}, Mail: Mail{Subject: subject, Text: "Hello.\n", HTML: "<p>Hello.", JSON: []byte(`{}`)}}
		_, _, raw, err := b.compose()
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(raw) {
			if len(line) > 998+2 {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
		m, err := message.Read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Header.Text("Subject")
		if want := strings.TrimSpace(notifier.Line(subject)); err != nil || got != want || !utf8.ValidString(got) {
			t.Fatalf("%q, not %q, %v", got, want, err)
		}
		parts := 0
		if err := m.Walk(func(_ []int, e *message.Entity, err error) error {
			if parts++; err != nil || e.MultipartReader() != nil {
				return err
			}
			_, err = io.Copy(io.Discard, e.Body)
			return err
		}); err != nil || parts != 5 {
			t.Fatalf("%d parts, %v", parts, err)
		}
	})
}
