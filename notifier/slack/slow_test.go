package slack

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
)

// TestSlowReads: an app that may read 15 messages a minute finds a message whose answer was lost behind what others wrote since, and holds up no other channel meanwhile.
func TestSlowReads(t *testing.T) {
	t.Parallel()
	lost, url := false, ""
	d := newDesk(t, func(s *slackfake.Server) string {
		s.Reads, s.Page = 1, 15
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/chat.postMessage") && !lost {
				lost = true
				s.ServeHTTP(httptest.NewRecorder(), r)
				reset(w)
				return
			}
			s.ServeHTTP(w, r)
		}))
		t.Cleanup(front.Close)
		url = front.URL
		return url
	}, "#urgent")
	d.fake.Paced = false
	begin := audit.At(d.clock.Now())
	for i, channel := range []string{"#audit", "#urgent", "#urgent"} {
		m, err := Enqueue(fmt.Sprint("k", i), channel, Message{Text: fmt.Sprint("message ", i)}, begin)
		if err != nil {
			t.Fatal(err)
		}
		m.ID = int64(i + 1)
		d.store.Put(m)
	}
	if err := d.outbox.Flush(t.Context(), 0); err != nil { // it is accepted, and the answer lost
		t.Fatal(err)
	}
	other := New(slackfake.BotToken, url, nil)
	for i := range 50 {
		m, err := Enqueue(fmt.Sprint("other ", i), "#audit", Message{Text: "chatter"}, begin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	d.flush()
	got := map[string]int{}
	for _, m := range d.fake.Messages("") {
		got[m.Key]++
	}
	for _, m := range d.store.Rows {
		took := m.SentAt.Time().Sub(begin.Time())
		if slow := took > 2*time.Minute; got[m.Key] != 1 || slow != (m.Lane == "#audit") || took > 10*time.Minute {
			t.Errorf("%s is there %d times, after %s", m.Key, got[m.Key], took)
		}
	}
}
