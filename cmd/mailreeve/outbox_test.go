package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/slack"
	"github.com/mailreeve/mailreeve/notifier/webhook"
)

// A receiver takes messages, and can be asked whether it has one.
type receiver struct {
	mu   sync.Mutex
	took map[string][]string // the keys, by lane, in the order in which they came
	has  map[string]string   // the receipt, by key
}

func newReceiver() *receiver { return &receiver{took: map[string][]string{}, has: map[string]string{}} }

func (r *receiver) take(m audit.Message) (receipt string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took[m.Lane] = append(r.took[m.Lane], m.Key)
	r.has[m.Key] = fmt.Sprint("receipt ", len(r.has), " of ", m.Key)
	return r.has[m.Key]
}

func (r *receiver) find(key string) (receipt string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	receipt, ok = r.has[key]
	return receipt, ok
}

// check compares what came with what was written: each once, in order, and the receipts that were recorded are those that were given.
func (r *receiver) check(written []audit.Message) (wrong []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	want := map[string][]string{}
	for _, m := range written {
		want[m.Lane] = append(want[m.Lane], m.Key)
		if m.SentAt == audit.Never || m.Receipt != r.has[m.Key] {
			wrong = append(wrong, fmt.Sprintf("%s: sent at %s, receipt %q, not %q; %s", m.Key, m.SentAt, m.Receipt, r.has[m.Key], m.Error))
		}
	}
	for lane, keys := range want {
		if !slices.Equal(r.took[lane], keys) {
			wrong = append(wrong, fmt.Sprintf("%s took %q, not %q", lane, r.took[lane], keys))
		}
	}
	return wrong
}

// A world is a receiver and the processes that deliver to it; what befalls their attempts is decided before. It is a sink.
type world struct {
	*receiver
	stands chan chan struct{} // a process stands still; what it gives lets it go on

	clock   sync.Mutex // of what follows: a process looks at the clock while another stands still
	fates   []string
	now     time.Time
	strange []string
}

func (w *world) time() time.Time {
	w.clock.Lock()
	defer w.clock.Unlock()
	return w.now
}

func (w *world) later(d time.Duration) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) wonder(what string) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.strange = append(w.strange, what)
}

// fate is what befalls the next attempt.
func (w *world) fate() string {
	w.clock.Lock()
	defer w.clock.Unlock()
	if len(w.fates) == 0 {
		return "arrives"
	}
	next := w.fates[0]
	w.fates = w.fates[1:]
	return next
}

// What may befall an attempt. A process that stands still for too long loses its lane.
func fates() []string {
	return []string{"arrives", "arrives", "arrives", "is lost", "is told to wait", "arrives, and the answer is lost", "is killed before", "is killed after", "stands still after"}
}

func (w *world) Deliver(_ context.Context, m audit.Message) (string, error) {
	if receipt, ok := w.find(m.Key); ok {
		if m.Attempts == 0 {
			w.wonder(m.Key + " arrived, and its sink is not told that it was tried")
		}
		return receipt, nil
	}
	switch w.fate() {
	case "is lost":
		return "", errors.New("reset")
	case "is told to wait":
		return "", &notifier.Failure{Err: errors.New("429"), RetryAfter: 40 * time.Second}
	case "arrives, and the answer is lost":
		w.take(m)
		return "", errors.New("reset")
	case "is killed before":
		runtime.Goexit()
	case "is killed after":
		w.take(m)
		runtime.Goexit()
	case "stands still after":
		receipt := w.take(m)
		on := make(chan struct{})
		w.stands <- on
		<-on
		return receipt, nil
	}
	return w.take(m), nil
}

// Several processes deliver from one store. Whatever befalls them, each message arrives once, in order for each receiver, and is recorded with the receipt that was given.
func TestOutboxesShareAStore(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	worlds := 0
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		worlds++
		sink := fmt.Sprint("world ", worlds)
		w := &world{receiver: newReceiver(), now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), stands: make(chan chan struct{}),
			fates: rapid.SliceOfN(rapid.SampledFrom(fates()), 0, 12).Draw(rt, "fates")}
		for i := range rapid.IntRange(1, 6).Draw(rt, "messages") {
			lane := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "lane")
			if err := s.EnqueueMessages(ctx, audit.Message{Key: fmt.Sprint(sink, " ", i), Sink: sink, Lane: lane, Created: audit.At(w.now), NextAt: audit.At(w.now)}); err != nil {
				rt.Fatal(err)
			}
		}
		type process struct {
			*notifier.Outbox
			ended chan struct{}
			on    chan struct{} // nil: it does not stand still
		}
		start := func() *process {
			return &process{Outbox: &notifier.Outbox{Store: s, Sinks: map[string]notifier.Sink{sink: w}, Clock: w.time,
				Sleep: func(_ context.Context, d time.Duration) error { w.later(d); return nil }}}
		}
		processes := []*process{start(), start(), start()}
		var finished atomic.Bool
		step := func(i int, patience time.Duration) {
			p := processes[i]
			if p.on == nil {
				p.ended = make(chan struct{})
				finished.Store(false)
				go func() {
					defer close(p.ended)
					if err := p.Flush(ctx, patience); err != nil {
						w.wonder(err.Error())
					}
					finished.Store(true)
				}()
			} else {
				finished.Store(false)
				close(p.on)
				p.on = nil
			}
			select {
			case p.on = <-w.stands:
			case <-p.ended:
				if !finished.Load() { // it was killed
					processes[i] = start()
				}
			}
		}
		mine := func() []audit.Message {
			all, err := s.Messages(ctx)
			if err != nil {
				rt.Fatal(err)
			}
			return slices.DeleteFunc(all, func(m audit.Message) bool { return m.Sink != sink })
		}
		for range 200 {
			step(rapid.IntRange(0, 2).Draw(rt, "process"), time.Duration(rapid.IntRange(0, 60).Draw(rt, "patience"))*time.Second)
			w.later(time.Duration(rapid.IntRange(0, 20).Draw(rt, "later")) * time.Second)
			if !slices.ContainsFunc(mine(), func(m audit.Message) bool { return m.SentAt == audit.Never }) {
				break
			}
		}
		for i, p := range processes { // those that still stand go on when all is over
			for processes[i] == p && p.on != nil {
				step(i, 0)
			}
		}
		if wrong := append(w.strange, w.check(mine())...); len(wrong) > 0 {
			rt.Fatalf("%q", wrong)
		}
	})
}

// The environment of a process that delivers from a store to a receiver.
const (
	outboxChild    = "MAILREEVE_TEST_OUTBOX"
	outboxReceiver = "MAILREEVE_TEST_RECEIVER"
)

// deliverAsChild is what serve and worker do with the outbox, with other sinks.
func deliverAsChild(address, receiver string) error {
	ctx := context.Background()
	st, err := store.Open(ctx, address)
	if err != nil {
		return err
	}
	s := &system{cfg: &config.Config{}, store: st, clock: time.Now, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	client := &postman{url: receiver, client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	sinks := map[string]notifier.Sink{}
	for i := range outboxSinks {
		sinks[fmt.Sprint("sink ", i)] = client
	}
	if s.post, err = s.newPost(ctx, sinks); err != nil {
		return err
	}
	s.keepDelivering(ctx)
	return nil
}

// A postman gives messages to a receiver over HTTP, and asks first whether it has one that was tried before.
type postman struct {
	url    string
	client *http.Client
}

func (p *postman) Deliver(ctx context.Context, m audit.Message) (string, error) {
	if m.Attempts > 0 {
		if receipt, err := p.ask(ctx, http.MethodGet, m); receipt != "" || err != nil {
			return receipt, err
		}
	}
	return p.ask(ctx, http.MethodPost, m)
}

func (p *postman) ask(ctx context.Context, method string, m audit.Message) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.url+"?"+url.Values{"key": {m.Key}, "lane": {m.Lane}}.Encode(), nil)
	if err != nil {
		return "", err
	}
	a, err := p.client.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	switch {
	case err != nil:
		return "", err
	case a.StatusCode == http.StatusOK:
		return string(text), nil
	case a.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return "", nil
	}
	wait, _ := strconv.Atoi(a.Header.Get("Retry-After")) // it need not be there
	return "", &notifier.Failure{Err: errors.New(a.Status), RetryAfter: time.Duration(wait) * time.Second}
}

// ServeHTTP is the postman's other end.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	m := audit.Message{Key: q.FormValue("key"), Lane: q.FormValue("lane")}
	receipt, ok := "", true
	if q.Method == http.MethodPost {
		receipt = r.take(m)
	} else if receipt, ok = r.find(m.Key); !ok {
		http.NotFound(w, q)
		return
	}
	_, _ = io.WriteString(w, receipt)
}

const outboxSinks = 8 // so that one's Retry-After holds few others back

// Processes that deliver are killed, over and over, while the network and the receiver fail before and after the receiver takes a message: each arrives once, in order, and is recorded once. MAILREEVE_TEST_KILLS=50
// makes that 50 kills, and each fault as frequent as 30%; it takes ten minutes or more.
func TestKilledProcessesDeliverOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills processes for most of a minute")
	}
	kills, lanes, each, rate := 4, 4, 3, 0.1
	if n := os.Getenv("MAILREEVE_TEST_KILLS"); n != "" {
		var err error
		if kills, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
		lanes, each, rate = 8, 2, 0.3 // a message takes some eighty attempts
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		deliverUnderFire(t, "sqlite://"+filepath.Join(t.TempDir(), "store.db"), kills, lanes, each, rate)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		deliverUnderFire(t, cluster.New(t), kills, lanes, each, rate)
	})
}

func deliverUnderFire(t *testing.T, address string, kills, lanes, each int, rate float64) {
	ctx := t.Context()
	s, err := store.Open(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := newReceiver()
	door := newDoor(t, r, 11, rate)
	n := 0
	g := &siege{T: t, store: s, kills: kills, survivors: 3, pause: 1500 * time.Millisecond, patience: 20 * time.Minute, rng: rand.New(rand.NewPCG(11, uint64(kills)))}
	g.start = func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), outboxChild+"="+address, outboxReceiver+"="+door)
		return cmd
	}
	g.more = func() bool {
		if n == each {
			return false
		}
		for l := range lanes {
			now := audit.At(time.Now())
			m := audit.Message{Key: fmt.Sprintf("lane %02d message %02d", l, n), Sink: fmt.Sprint("sink ", l%outboxSinks), Lane: fmt.Sprintf("lane %02d", l), Created: now, NextAt: now}
			if err := s.EnqueueMessages(ctx, m); err != nil {
				t.Error(err)
			}
		}
		n++
		return n < each
	}
	g.run()
	all, err := s.Messages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != lanes*each {
		t.Errorf("%d messages were written, not %d", len(all), lanes*each)
	}
	attempts := 0
	for _, m := range all {
		attempts += m.Attempts
	}
	t.Logf("%d messages, %d attempts, %d kills", len(all), attempts, g.killed)
	if wrong := r.check(all); len(wrong) > 0 {
		t.Errorf("%q\n%s", wrong, &g.said)
	}
}

// A night of many findings reaches a webhook as fast as that takes them, in order. MAILREEVE_TEST_MESSAGES=10000 makes it that many, and -v says how long it takes.
func TestManyMessagesForOneReceiver(t *testing.T) {
	t.Parallel()
	n := number(t, "MAILREEVE_TEST_MESSAGES", 200)
	for name, address := range map[string]string{"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "store.db"), "postgres": cluster.New(t)} {
		t.Run(name, func(t *testing.T) {
			st, err := store.Open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			var mu sync.Mutex
			var got []string
			door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got = append(got, string(body[:5]))
			}))
			defer door.Close()
			hook := webhook.Hook{URL: door.URL, Secrets: []string{hookSecret}, AllowPrivate: true}
			now := audit.At(time.Now())
			var want []string
			var list []audit.Message
			for i := range n {
				body := fmt.Sprintf("%05d", i)
				want = append(want, body)
				list = append(list, audit.Message{Key: "m " + body, Sink: webhook.Sink, Lane: hook.Lane(), Body: []byte(body + strings.Repeat(" ", 1500)), Created: now, NextAt: now})
			}
			begun := time.Now()
			if err := st.EnqueueMessages(t.Context(), list...); err != nil {
				t.Fatal(err)
			}
			written := time.Since(begun)
			s := &system{cfg: &config.Config{}, store: st, clock: time.Now, log: slog.New(slog.DiscardHandler)}
			if s.post, err = s.newPost(t.Context(), map[string]notifier.Sink{webhook.Sink: webhook.NewSender([]webhook.Hook{hook}, time.Now)}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { s.keepDelivering(ctx) })
			await(t, "all is delivered", 10*time.Minute, func() bool {
				left, err := st.Pending(t.Context())
				return err == nil && len(left) == 0
			})
			t.Logf("%d messages were written in %s, and delivered in %s", n, written.Round(time.Millisecond), (time.Since(begun) - written).Round(time.Millisecond))
			cancel()
			wg.Wait()
			if !slices.Equal(got, want) {
				t.Errorf("%d came, not each once and in order", len(got))
			}
		})
	}
}

// What is stuck is told of by mail once, however often it is looked at, and by how many.
func TestOperatorsAreToldOnceOfWhatIsStuck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "alerts: {mail: [\"Ops <ops@platform.example>\"]}\nnotices: {smtp: \"smtp://localhost:1025\", from: compliance@platform.example}\n"
	if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	now := at("2026-11-22T00:00:00Z")
	c := &cli{out: io.Discard, err: io.Discard, clock: func() time.Time { return now.Time() }, config: filepath.Join(dir, "mailreeve.yaml")}
	s, err := c.openStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	write := func(key, sink string) {
		if err := s.store.EnqueueMessages(t.Context(), audit.Message{Key: key, Sink: sink, Created: now, NextAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	told := func(want int) {
		t.Helper()
		for range 3 {
			if err := s.tellOfStuck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.store.Pending(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = slices.DeleteFunc(all, func(m audit.Message) bool { return m.Sink != "email" || m.Key == "a notice" })
		if len(all) != want {
			t.Fatalf("%d mails at %s, not %d", len(all), now, want)
		}
	}
	write("a notice", "email") // of mail that does not go out nobody can be told by mail
	now = now.Add(7 * time.Hour)
	told(0)
	write("a digest", "slack")
	now = now.Add(audit.StuckAfter)
	told(0)
	now = now.Add(time.Minute)
	told(1)
	write("another digest", "slack")
	now = now.Add(7 * time.Hour)
	told(1)
	now = now.Add(24 * time.Hour)
	told(2)
}

// What waits for too long is tried at once when somebody says so, also where no vendor is written to.
func TestRetryingWhatIsStuck(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	dir := slackDir(t, s)
	c := &cli{out: io.Discard, err: io.Discard, clock: time.Now, config: filepath.Join(dir, "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := audit.At(time.Now())
	m, err := slack.Enqueue("late", "#audit", slack.Message{Text: "late"}, now.Add(-7*time.Hour))
	if err == nil {
		err = sys.store.EnqueueMessages(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := slack.Enqueue("fresh", "#other", slack.Message{Text: "nobody is asked to try it"}, now)
	if err == nil {
		err = sys.store.EnqueueMessages(t.Context(), fresh)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, lane := range []string{m.Lane, fresh.Lane} {
		claim, err := sys.store.Take(t.Context(), slack.Sink, lane, "me", now, now+1)
		if err == nil {
			err = sys.store.Missed(t.Context(), claim, audit.Miss{Error: "503", Next: now.Add(24 * time.Hour), Lane: now.Add(24 * time.Hour), Sink: audit.Ever})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(err, sys.close()); err != nil {
		t.Fatal(err)
	}
	// It waits for what it tries, and for nothing else.
	if code, _, errs := mailreeve(t, dir, "notices", "send", "--retry"); code != exitDone || s.posted() != 1 {
		t.Errorf("exit %d, %d posted: %s", code, s.posted(), errs)
	}
	// What failed and is tried again by itself is nothing wrong.
	if _, out, _ := mailreeve(t, dir, "doctor"); !strings.Contains(out, "1 message waiting; fresh since") || !strings.Contains(out, "tried 1 time: 503") {
		t.Errorf("doctor says:\n%s", out)
	}
}
