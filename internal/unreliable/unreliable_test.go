package unreliable_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailreeve/mailreeve/internal/unreliable"
)

// ask asks a server of a seed n times, and gives what came of each, as its client sees it, and which requests got to the server.
func ask(t *testing.T, seed uint64, rate float64, n int) (outcomes []string, taken int) {
	var got atomic.Int64
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
		_, _ = io.WriteString(w, "accepted")
	})
	s := httptest.NewUnstartedServer(unreliable.Handler(next, seed, rate))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // else net/http itself would ask again
	for range n {
		before := got.Load()
		outcome := func() string {
			a, err := client.Post(s.URL, "text/plain", strings.NewReader("message"))
			if err != nil {
				return "no answer"
			}
			defer a.Body.Close()
			body, err := io.ReadAll(a.Body)
			switch {
			case err != nil:
				return "half an answer"
			case a.StatusCode == http.StatusTooManyRequests:
				return "429 after " + a.Header.Get("Retry-After")
			}
			return fmt.Sprint(a.StatusCode, " ", strings.TrimSpace(string(body)))
		}()
		outcomes = append(outcomes, fmt.Sprintf("%s, taken %t", outcome, got.Load() > before))
	}
	return outcomes, int(got.Load())
}

func TestHandlerFailsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	outcomes, taken := ask(t, 1, 0.3, 400)
	count := map[string]int{}
	for _, o := range outcomes {
		count[o]++
	}
	for _, what := range []string{"no answer", "429 after ", "429 after 1", "429 after 2", "500 something is broken"} {
		for _, when := range []string{", taken false", ", taken true"} {
			if count[what+when] == 0 {
				t.Errorf("never %s%s", what, when)
			}
		}
	}
	if count["half an answer, taken true"] == 0 || count["200 accepted, taken true"] == 0 {
		t.Error("never half an answer, or never one")
	}
	if taken < 60 || taken > 140 {
		t.Errorf("%d of 400 were taken, not about 96", taken)
	}
	again, _ := ask(t, 1, 0.3, 400)
	if fmt.Sprint(again) != fmt.Sprint(outcomes) {
		t.Error("the same seed gives other faults")
	}
	if other, _ := ask(t, 2, 0.3, 400); fmt.Sprint(other) == fmt.Sprint(outcomes) {
		t.Error("another seed gives the same faults")
	}
	if _, taken := ask(t, 1, 0, 20); taken != 20 {
		t.Errorf("at rate 0 only %d of 20 are taken", taken)
	}
}

// A mailbox is an SMTP server that takes what it is given.
type mailbox struct {
	mu   sync.Mutex
	took []string
}

func (m *mailbox) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go m.talk(c)
	}
}

func (m *mailbox) talk(c net.Conn) {
	defer c.Close()
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 here")
	lines := bufio.NewScanner(c)
	var message []string
	for in := false; lines.Scan(); {
		line := lines.Text()
		switch {
		case in && line == ".":
			m.mu.Lock()
			m.took = append(m.took, strings.Join(message, "\n"))
			m.mu.Unlock()
			in, message = false, nil
			say("250 taken")
		case in:
			message = append(message, line)
		case line == "DATA":
			in = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (m *mailbox) has(s string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.took {
		if strings.Contains(x, s) {
			return true
		}
	}
	return false
}

func TestListenerFailsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	for name, start := range map[string]func(m *mailbox) string{
		"its own": func(m *mailbox) string {
			l := listen()
			go m.serve(unreliable.Listener(l, 7, 0.3))
			return l.Addr().String()
		},
		"of another process": func(m *mailbox) string {
			l, behind := listen(), listen()
			go m.serve(behind)
			go unreliable.Forward(unreliable.Listener(l, 7, 0.3), behind.Addr().String())
			return l.Addr().String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &mailbox{}
			addr := start(m)
			count := map[string]int{}
			for i := range 200 {
				body := fmt.Sprintf("message %d.", i)
				err := smtp.SendMail(addr, nil, "a@sender.example", []string{"b@receiver.example"}, []byte("Subject: x\r\n\r\n"+body+"\r\n"))
				outcome := "accepted"
				switch {
				case err != nil && strings.HasPrefix(err.Error(), "421"), err != nil && strings.HasPrefix(err.Error(), "451"):
					outcome = err.Error()[:3]
				case err != nil:
					outcome = "cut"
				}
				count[fmt.Sprintf("%s, taken %t", outcome, m.has(body))]++
			}
			for _, o := range []string{"accepted, taken true", "cut, taken false", "cut, taken true", "421, taken false", "451, taken true"} {
				if count[o] == 0 {
					t.Errorf("never %s", o)
				}
			}
			if len(count) != 5 {
				t.Error(count)
			}
		})
	}
}
