package main

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/jirafake"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/internal/smtptest"
	"github.com/mailreeve/mailreeve/internal/unreliable"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/heartbeat"
	"github.com/mailreeve/mailreeve/notifier/jira"
	"github.com/mailreeve/mailreeve/notifier/slack"
	"github.com/mailreeve/mailreeve/notifier/webhook"
)

// A fire is how bad things are for a message.
type fire struct {
	kills   int
	rate    float64 // of each fault, before and after a receiver takes what it is sent
	apps    int     // with a finding each, of a vendor each
	mails   int     // to operators, besides
	pause   time.Duration
	horizon time.Duration // after which Jira's search finds what was made; it is 5 minutes in earnest
	bury    bool          // nobody waits until the lease of a process that was killed lapses
}

// Nights, vendors' notices and people's acts through every real sink at once: Slack, mail, webhooks, Jira, the heartbeat; each behind a door that drops, delays, resets, answers 429 and
// 500, before and after the receiver has taken what it is sent. `mailreeve serve` delivers, three times, and is killed over and over. Every message is delivered, none after it was confirmed.
// MAILREEVE_TEST_KILLS=50 makes that 50 kills, and each fault as frequent as 30%; it takes twenty minutes or more.
func TestEveryMessageArrivesOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	f := fire{kills: 3, rate: 0.05, apps: 1, mails: 1, pause: 1500 * time.Millisecond, horizon: 8 * time.Second, bury: true}
	if n := os.Getenv("MAILREEVE_TEST_KILLS"); n != "" {
		kills, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		f = fire{kills: kills, rate: 0.3, apps: 2, mails: 4, pause: 5 * time.Second, horizon: 4 * time.Second}
	}
	binary := impatient(t, f.horizon)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f.through(t, binary, "sqlite://mailreeve.db", 5)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f.through(t, binary, cluster.New(t), 6)
	})
}

// impatient builds the program with one constant changed: how long it doubts whether Jira's search would find an issue.
func impatient(t *testing.T, horizon time.Duration) (binary string) {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs(filepath.Join("..", "..", "notifier", "jira", "client.go"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const was = "\nconst Horizon = 5 * time.Minute\n"
	if !bytes.Contains(text, []byte(was)) {
		t.Fatalf("%s has no%s", source, was)
	}
	text = bytes.Replace(text, []byte(was), []byte(fmt.Sprintf("\nconst Horizon = time.Duration(%d)\n", horizon)), 1)
	changed, overlay := filepath.Join(dir, "client.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{changed: text, overlay: list} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(dir, "mailreeve")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// The receivers are those of every sink, and what they took.
type receivers struct {
	*testing.T
	slack *slackfake.Server
	mail  *smtptest.Server
	jira  *jirafake.Server

	mu      sync.Mutex
	hooks   map[string][]time.Time // when a message came, by its webhook-id
	order   []string               // of the ids, as they first came
	bodies  map[string]string
	beats   int
	lookups int // that Jira was asked for
}

// newReceivers writes a configuration that tells them all, through doors that fail, and gives the environment that it needs.
func newReceivers(t *testing.T, f fire, dir, store string, seed uint64) (r *receivers, env []string) {
	r = &receivers{T: t, slack: slackfake.New("#audit", "#urgent"), mail: smtptest.Start(t, smtptest.Options{}), jira: &jirafake.Server{Clock: time.Now, Lag: f.horizon / 2}, hooks: map[string][]time.Time{}, bodies: map[string]string{}}
	verify, err := standard.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return // the process that sent it was killed
		}
		if err := verify.Verify(body, q.Header); err != nil {
			t.Error(err)
		}
		id := q.Header.Get(standard.HeaderWebhookID)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.hooks[id] == nil {
			r.order, r.bodies[id] = append(r.order, id), string(body)
		}
		if r.bodies[id] != string(body) {
			t.Errorf("%s is not what it was:\n%s\n%s", id, body, r.bodies[id])
		}
		r.hooks[id] = append(r.hooks[id], time.Now())
	})
	mux.HandleFunc("GET /beat", func(http.ResponseWriter, *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.beats++
	})
	issues := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/search/jql") || q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, "/comment") {
			r.mu.Lock()
			r.lookups++
			r.mu.Unlock()
		}
		r.jira.ServeHTTP(w, q)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go unreliable.Forward(unreliable.Listener(l, seed, f.rate), r.mail.SMTP)
	others := newDoor(t, mux, seed+1, f.rate)
	text := fmt.Sprintf(`store: %q
archive: mailreeve.archive
schedule: "CRON_TZ=UTC 0 0 29 2 *"
sources:
  - {kind: access, path: "access-*.jsonl"}
  - {kind: apps, path: apps.jsonl}
slack: {channel: %s, token_env: FIRE_SLACK, api_url: %q, routes: [{severity: [critical], channel: %s}]}
notices: {smtp: "smtp://%s", from: compliance@platform.example, approve: auto}
alerts: {mail: [ops@platform.example]}
webhooks: [{url: %q, secret_env: FIRE_HOOK, allow_private: true}]
jira: {url: %q, user_env: FIRE_JIRA_USER, token_env: FIRE_JIRA_TOKEN, project: %s, allow_private: true}
heartbeat: {url: %q, allow_private: true}
`, store, r.slack.ID("#audit"), newDoor(t, r.slack, seed+2, f.rate)+"/api/", r.slack.ID("#urgent"), l.Addr(), others+"/hook", newDoor(t, issues, seed+3, f.rate), jirafake.Project, others+"/beat")
	if err := os.WriteFile(filepath.Join(dir, "mailreeve.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r, append(os.Environ(), "FIRE_SLACK="+slackfake.BotToken, "FIRE_HOOK="+hookSecret, "FIRE_JIRA_USER="+jirafake.User, "FIRE_JIRA_TOKEN="+jirafake.Token)
}

// through sends nights, notices and acts through the fire.
func (f fire) through(t *testing.T, binary, address string, seed uint64) {
	ctx, dir := t.Context(), t.TempDir()
	r, env := newReceivers(t, f, dir, address, seed)
	path := filepath.Join(dir, "mailreeve.yaml")
	var log syncBuffer
	sys, err := (&cli{out: io.Discard, err: &log, clock: time.Now, config: path}).open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	sys.slack = true // the token is only in the environment of those who deliver

	// One step a turn: a night that finds nothing, one that finds something critical, one after which vendors are written to; then what people do.
	night := func(n int, lines ...string) func() {
		return func() {
			put := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var apps strings.Builder
			for i := range f.apps {
				fmt.Fprintf(&apps, `{"key":"app%d","name":"App %[1]d","vendor":{"id":"v%[1]d","name":"Vendor %[1]d","email":"privacy@v%[1]d.example"},"privacy_policy_url":"https://v.example","terms_url":"https://v.example","stores_personal_data":false,"approvals":[]}`+"\n", i)
			}
			put("apps.jsonl", apps.String())
			put(fmt.Sprintf("access-%d.jsonl", n), strings.Join(lines, "\n")+"\n")
			asOf := time.Now().Add(time.Duration(n-5) * 24 * time.Hour)
			if _, err := sys.audit(ctx, audit.Options{AsOf: audit.At(asOf), ScheduledAt: audit.Never, By: "test"}, false, nil); err != nil {
				t.Fatalf("%v\n%s", err, &log)
			}
		}
	}
	call := func(n, app, status int) string {
		line := slackCall(time.Now().Add(time.Duration(n-5)*24*time.Hour-time.Hour).UTC().Format(time.RFC3339), fmt.Sprint(n, " ", app))
		return strings.NewReplacer(`"acme"`, fmt.Sprintf(`"app%d"`, app), `"status":200`, fmt.Sprint(`"status":`, status)).Replace(line)
	}
	var found []string
	for app := range f.apps {
		found = append(found, call(2, app, 200))
	}
	steps := []func(){
		night(1, call(1, 0, 404)),
		night(2, found...),
		night(3, call(3, 0, 404)),
		func() {
			deed := audit.Deed{Kind: audit.DoComment, By: "ann", At: audit.At(time.Now()), Reason: "we look into it"}
			if err := sys.Do(ctx, deed, audit.FindingID("access-unapproved", "app0", "")); err != nil {
				t.Fatal(err)
			}
		},
		func() {
			for i := range f.mails {
				m, err := email.Enqueue(fmt.Sprint("to operators ", i), email.Envelope{From: "compliance@platform.example", To: []string{fmt.Sprintf("ops%d@platform.example", i)}}, email.Mail{Subject: "A test", Text: "It is one.\n"}, audit.At(time.Now()))
				if err == nil {
					err = sys.store.EnqueueMessages(ctx, m)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	g := &siege{T: t, store: sys.store, kills: f.kills, survivors: 1, pause: f.pause, patience: 40 * time.Minute, rng: rand.New(rand.NewPCG(seed, uint64(f.kills)))}
	g.start = func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, binary, "serve", "-c", path)
		cmd.Env = env
		return cmd
	}
	g.more = func() bool {
		if len(steps) > 0 {
			steps[0]()
			steps = steps[1:]
		}
		if err := sys.betweenNights(ctx); err != nil {
			t.Error(err)
		}
		notices, err := sys.store.Notices(ctx, store.NoticeFilter{})
		if err != nil {
			t.Fatal(err)
		}
		waits := slices.ContainsFunc(notices, func(n audit.Notice) bool { return n.SentAt == audit.Never })
		return len(steps) > 0 || waits || len(notices) < f.apps
	}
	if f.bury {
		db, err := open(sys.cfg.StoreURL())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		g.buried = func(pid int) {
			if _, err := db.Exec(`UPDATE outbox_lanes SET holder = '', until = ` + fmt.Sprint(int64(audit.Ever)) + ` WHERE holder LIKE '%/` + strconv.Itoa(pid) + `/%'`); err != nil {
				t.Error(err)
			}
		}
	}
	g.run()
	all, err := sys.store.Messages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	wrong := r.check(all, &table)
	t.Logf("each fault %.0f%%, %d kills\n%s", 100*f.rate, g.killed, &table)
	if len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
		t.Logf("%s", &g.said)
	}
}

// open opens a store's database as it is.
func open(url string) (*sql.DB, error) {
	if file, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return sql.Open("sqlite", file+"?_pragma=busy_timeout(10000)")
	}
	return sql.Open("postgres", url)
}

// A row is what became of the messages of a kind.
type row struct {
	kind                                                           string
	messages, attempts, accepted, copies, lookups, confirmed, lost int
}

// check holds what the receivers have against what was written, writes a table of it, and says what is wrong. A copy is what a receiver took of a message beyond the first.
func (r *receivers) check(all []audit.Message, table io.Writer) (wrong []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var rows []*row
	of := map[string]*row{}
	for _, kind := range []string{"slack, messages", "slack, updates", "slack, charts", "mail", "webhook", "jira, issues", "jira, comments", "heartbeat"} {
		rows = append(rows, &row{kind: kind})
		of[kind] = rows[len(rows)-1]
	}
	// took notes how often a receiver has a message. At most once where it can be asked before it is sent anew.
	took := func(x *row, m audit.Message, times int, asked bool) {
		x.accepted += times
		x.copies += max(0, times-1)
		if times == 0 {
			x.lost++
			wrong = append(wrong, fmt.Sprintf("%s: lost: %s", m.Key, m.Error))
		}
		if times > 1 && asked {
			wrong = append(wrong, fmt.Sprintf("%s is there %d times", m.Key, times))
		}
	}
	// sent is a mail without the fields that its server puts before it.
	sent := func(m smtptest.Message) []byte {
		raw := r.mail.Raw(r.T, m.ID)
		return raw[max(0, bytes.Index(raw, []byte("From: "))):]
	}
	posts, files, updates := map[string]int{}, map[string]int{}, 0
	for _, m := range r.slack.Messages("") {
		if m.Key != "" {
			posts[m.Key]++
			updates += m.Edits
		}
		for _, f := range m.Files {
			files[f.Name]++
		}
	}
	mails := map[string][]smtptest.Message{}
	for _, m := range r.mail.Messages(r.T) {
		mails[m.MessageID] = append(mails[m.MessageID], m)
	}
	issues, comments := map[string]int{}, map[any]int{}
	for _, i := range r.jira.Issues() {
		issues[i.Labels[0]]++
		for _, c := range i.Comments {
			comments[c.Properties[0].Value]++
		}
	}
	hooks, made := map[string]bool{}, map[string]string{}
	var order []string
	for _, m := range all {
		var b struct {
			Do        string
			Make      bool
			MessageID string `json:"message_id"`
			News      string
		}
		if err := json.Unmarshal(m.Body, &b); err != nil {
			r.Fatal(err)
		}
		var x *row
		// What a receiver took after the message was confirmed was sent for nothing, unless it was on its way when its sender was killed.
		const onItsWay = 2 * time.Second
		late := func(at time.Time) {
			if at.After(m.SentAt.Time().Add(onItsWay)) {
				wrong = append(wrong, fmt.Sprintf("%s came at %s, and was confirmed at %s", m.Key, at, m.SentAt))
			}
		}
		switch m.Sink {
		case slack.Sink:
			switch b.Do {
			case "chart":
				x = of["slack, charts"]
				name := strings.ReplaceAll(strings.TrimPrefix(m.Key, "slack "), " ", "-") + ".png"
				x.accepted += files[name]
				x.copies += max(0, files[name]-1) // after some attempts the digest stands without: it is no loss
				if files[name] > 1 {
					wrong = append(wrong, fmt.Sprintf("%s is there %d times", m.Key, files[name]))
				}
			case "update":
				x = of["slack, updates"]
				x.accepted = updates
			default:
				x = of["slack, messages"]
				took(x, m, posts[m.Key], true)
			}
		case email.Sink:
			x = of["mail"]
			list := mails[b.MessageID]
			took(x, m, len(list), false)
			for _, c := range list {
				if !bytes.Equal(sent(c), sent(list[0])) {
					wrong = append(wrong, m.Key+" is not what it was")
				}
				late(c.Created)
			}
			delete(mails, b.MessageID)
		case webhook.Sink:
			x = of["webhook"]
			id := webhook.ID(m.Key)
			hooks[id] = true
			order = append(order, id)
			took(x, m, len(r.hooks[id]), false)
			for _, at := range r.hooks[id] {
				late(at)
			}
		case jira.Sink:
			if b.Make {
				x = of["jira, issues"]
				made[m.Key] = m.Receipt
				took(x, m, issues[strings.Replace(m.Key, "jira ", "mailreeve-", 1)], true)
				break
			}
			x = of["jira, comments"]
			sum := sha256.Sum256([]byte(m.Key + "|"))
			if n := comments[hex.EncodeToString(sum[:8])]; n > 0 || !strings.HasSuffix(made[strings.TrimSuffix(m.Key, " "+b.News)], " "+b.News) { // else the issue was made of this news
				took(x, m, n, true)
			}
		case heartbeat.Sink:
			x = of["heartbeat"]
			x.accepted = r.beats // one that is late is dropped
		default:
			r.Fatalf("an unknown sink: %s", m.Sink)
		}
		x.messages++
		x.attempts += m.Attempts
		if m.SentAt == audit.Never || m.Receipt == "" {
			wrong = append(wrong, fmt.Sprintf("%s is not delivered: %s", m.Key, m.Error))
		} else {
			x.confirmed++
		}
	}
	if len(mails) > 0 || len(hooks) != len(r.hooks) {
		wrong = append(wrong, fmt.Sprintf("somebody wrote what is in no outbox: %v, %d webhooks instead of %d", mails, len(r.hooks), len(hooks)))
	}
	if !slices.Equal(order, r.order) {
		wrong = append(wrong, fmt.Sprintf("webhooks came as %s, not as %s", r.order, order))
	}
	calls := r.slack.Calls()
	of["slack, messages"].lookups = calls["conversations.history"] + calls["conversations.replies"]
	of["jira, issues"].lookups = r.lookups
	w := tabwriter.NewWriter(table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "sink\tmessages\tattempts\taccepted\tcopies\tlookups\tconfirmed\tlost\t")
	for _, x := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", x.kind, x.messages, x.attempts, x.accepted, x.copies, x.lookups, x.confirmed, x.lost)
		if x.messages == 0 {
			wrong = append(wrong, "no message of the kind "+x.kind)
		}
	}
	_ = w.Flush() // into memory
	return wrong
}
