package email

import (
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

func TestTellOfStuck(t *testing.T) {
	t0 := audit.At(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	h := func(n float64) audit.Instant { return t0.Add(time.Duration(n * float64(time.Hour))) }
	waits := func(created float64) audit.Message {
		return audit.Message{Created: h(created), NextAt: h(created), SentAt: audit.Never}
	}
	failed := func(created float64) audit.Message { m := waits(created); m.Failed = true; return m }
	for name, c := range map[string]struct {
		stuck     []audit.Message
		told, now audit.Instant
		want      bool
	}{
		"nothing is":                     {nil, audit.Ever, h(7), false},
		"the first":                      {[]audit.Message{waits(0)}, audit.Ever, h(6.1), true},
		"a minute later":                 {[]audit.Message{waits(0)}, h(6.1), h(6.2), false},
		"days later":                     {[]audit.Message{waits(0)}, h(6.1), h(100), false},
		"more, an hour later":            {[]audit.Message{waits(0), waits(1)}, h(6.1), h(7.1), false},
		"more, a day later":              {[]audit.Message{waits(0), waits(1)}, h(6.1), h(30.1), true},
		"another, the first was sent":    {[]audit.Message{waits(10)}, h(6.1), h(16.1), true},
		"one that failed":                {[]audit.Message{failed(0)}, audit.Ever, h(0.1), true},
		"one that failed, a while later": {[]audit.Message{failed(0)}, h(0.1), h(50), false},
		"another failed, then it":        {[]audit.Message{failed(1)}, h(0.1), h(1.1), true},
	} {
		if got := TellOfStuck(c.stuck, c.told, c.now); got != c.want {
			t.Errorf("%s: told %t", name, got)
		}
	}
}

func TestStuck(t *testing.T) {
	var stuck []audit.Message
	for i := range 25 {
		stuck = append(stuck, audit.Message{ID: int64(i), Key: "digest <R>", Sink: "slack", Attempts: 3, Failed: true, Error: "no\r\nBcc: " + nights.Address + " <script>"})
	}
	m := Stuck(stuck, nights.Redact)
	if m.Subject != "mailreeve: 25 messages are not delivered" || !strings.Contains(m.Text, "20. digest <R>, to slack, since 1970-01-01 00:00 UTC, tried 3 times: no Bcc: [address] <script>\n… and 5 more.") {
		t.Errorf("%s\n%s", m.Subject, m.Text)
	}
	if strings.Contains(m.HTML, "<script>") || strings.Contains(m.Text+m.HTML, nights.Address) || len(m.JSON) > 0 {
		t.Error(m.HTML, string(m.JSON))
	}
}
