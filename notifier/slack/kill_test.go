package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/internal/unreliable"
	"github.com/mailreeve/mailreeve/notifier"
)

// TestKills: Slack drops, delays, resets, answers 429 and 500, each to 30% of requests, before it took a message and after; and those who deliver are killed, over and over. Every message stands in Slack
// once, where it belongs, and is confirmed once. MAILREEVE_TEST_KILLS=50 makes that 50 kills and many more messages.
func TestKills(t *testing.T) {
	t.Parallel()
	kills, nights := 6, 1
	if n := os.Getenv("MAILREEVE_TEST_KILLS"); n != "" {
		var err error
		if kills, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
		nights = 8
	}
	f := newFire(t, 5, 0.3)
	a, b := critical("a", "purpose-prohibited", "x"), critical("b", "purpose-prohibited", "x")
	f.file(true)
	f.file(false, change(audit.IsNew, a), change(audit.IsNew, b))
	for n := range nights {
		var changes []audit.Change
		for _, id := range []string{a.ID, b.ID}[:min(2, nights)] {
			g, what := f.findings[id], audit.IsResolved
			if g.Status = audit.Resolved; n%2 == 1 {
				g.Status, what = audit.Open, audit.IsReopened
			}
			changes = append(changes, change(what, g))
		}
		f.file(false, append(changes, change(audit.IsNew, critical("a", "purpose-prohibited", fmt.Sprint(n))))...)
	}
	f.deliver(kills)
}

// A fire is a desk whose messages go through a door at which things go wrong, and whose processes die.
type fire struct {
	*desk
	url       string
	rng       *rand.Rand
	confirmed map[string]int // by key
}

func newFire(t *testing.T, seed uint64, rate float64) *fire {
	f := &fire{rng: rand.New(rand.NewPCG(seed, 1)), confirmed: map[string]int{}}
	f.desk = newDesk(t, func(s *slackfake.Server) string {
		s.Paced = false // the answers that are lost are 429s, too
		front := httptest.NewUnstartedServer(unreliable.Handler(s, seed, rate))
		front.Config.ErrorLog = log.New(io.Discard, "", 0)
		front.Start()
		t.Cleanup(front.Close)
		f.url = front.URL
		return front.URL
	}, "#urgent")
	f.teller.Channel = f.fake.ID("#audit")
	f.teller.Routes = []Route{{App: "b", Channel: f.fake.ID("#urgent")}}
	return f
}

// A life is a process's. It ends before a request is sent, or once Slack has done with it; then nothing of it reaches the store any more.
type life struct {
	notifier.Store
	f     *fire
	die   context.CancelFunc
	left  int // requests until it ends; negative: it does not
	after bool
	dead  bool
}

var errDead = errors.New("killed")

// RoundTrip is http.RoundTripper's.
func (l *life) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.left--; l.left == 0 && !l.after {
		l.kill()
		return nil, errDead
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if l.left == 0 {
		l.kill()
		if err == nil {
			a.Body.Close()
		}
		return nil, errDead
	}
	return a, err
}

func (l *life) kill() { l.dead = true; l.die() }

func (l *life) Lanes(ctx context.Context) ([]audit.Lane, error) {
	if l.dead {
		return nil, errDead
	}
	return l.Store.Lanes(ctx)
}

func (l *life) Delivered(ctx context.Context, c *audit.Claim, receipt string, at, next audit.Instant) error {
	if l.dead {
		return errDead
	}
	l.f.confirmed[c.Key]++
	return l.Store.Delivered(ctx, c, receipt, at, next)
}

func (l *life) Missed(ctx context.Context, c *audit.Claim, m audit.Miss) error {
	if l.dead {
		return errDead
	}
	return l.Store.Missed(ctx, c, m)
}

func (l *life) Free(ctx context.Context, c *audit.Claim, next audit.Instant) error {
	if l.dead {
		return errDead
	}
	return l.Store.Free(ctx, c, next)
}

// live delivers until nothing is left or the process, which does so many requests, is killed.
func (f *fire) live(requests int) (dead bool, left int) {
	ctx, die := context.WithCancel(f.t.Context())
	defer die()
	l := &life{Store: f.store, f: f, die: die, left: requests, after: f.rng.IntN(3) > 0}
	c := New(slackfake.BotToken, f.url, &http.Client{Transport: l})
	c.Findings, c.Receipts, c.Look = f.desk, f.desk, f.teller.Look
	o := &notifier.Outbox{Store: l, Sinks: map[string]notifier.Sink{Sink: c}, Clock: f.clock.Now, Sleep: f.clock.Sleep}
	if err := o.Flush(ctx, time.Hour); err != nil && !l.dead {
		f.t.Fatal(err)
	}
	return l.dead, f.store.Waiting()
}

// deliver delivers all, in a life that is killed so many times, and looks what stands in Slack then.
func (f *fire) deliver(kills int) {
	f.t.Helper()
	killed := 0
	for range 10000 {
		requests := -1
		if killed < kills {
			requests = 1 + f.rng.IntN(40)
		}
		dead, left := f.live(requests)
		if dead {
			killed++
		} else if left == 0 {
			break
		}
		_ = f.clock.Sleep(f.t.Context(), time.Minute)
	}
	if killed != kills {
		f.t.Errorf("killed %d times, not %d", killed, kills)
	}
	stands := map[string][]string{}
	for _, m := range f.fake.Messages("") {
		if len(m.Files) > 0 {
			stands[m.Files[0].Name] = append(stands[m.Files[0].Name], m.TS)
			continue
		}
		stands[m.Key] = append(stands[m.Key], f.fake.ID(m.Channel)+"/"+m.TS)
	}
	for _, m := range f.store.Rows {
		if m.SentAt == audit.Never || f.confirmed[m.Key] != 1 {
			f.t.Errorf("%s was confirmed %d times; %s", m.Key, f.confirmed[m.Key], m.Error)
		}
		var b body
		if err := json.Unmarshal(m.Body, &b); err != nil {
			f.t.Fatal(err)
		}
		if b.Do != doUpdate && b.Do != doChart && !slices.Equal(stands[m.Key], []string{m.Receipt}) {
			f.t.Errorf("%s stands at %v, its receipt is %s", m.Key, stands[m.Key], m.Receipt)
		}
		delete(stands, m.Key)
	}
	for name, at := range stands { // charts, which are not tried for ever
		if len(at) > 1 {
			f.t.Errorf("%s is there %d times", name, len(at))
		}
	}
	if refused := f.fake.Refused(); len(refused) > 0 {
		f.t.Errorf("refused: %v", refused)
	}
	f.t.Logf("%d messages, %d kills, %v calls that got to Slack", len(f.store.Rows), killed, f.fake.Calls())
}
