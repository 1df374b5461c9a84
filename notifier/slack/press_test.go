package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier"
)

// Do does a deed as the store does, without acts.
func (d *desk) Do(_ context.Context, deed audit.Deed, id string) error {
	deed.Policy = &audit.Policy{SuppressMax: 365 * 24 * time.Hour}
	f := d.findings[id]
	done, err := deed.Do(f, nil)
	if err != nil {
		return err
	}
	d.tell(notifier.News{At: deed.At, Changes: []audit.Change{change(audit.IsActed, done.Finding)}, Trail: done.Trail})
	return nil
}

const secret = "8f742231b10e8888abcd99yyyzzz85a5"

// A pressed is a desk with two findings under one head, and who hears what is pressed there.
type pressed struct {
	*desk
	ears *Desk
	head slackfake.Message
	id   string
}

func newPressed(t *testing.T) *pressed {
	d := newDesk(t, nil)
	d.fake.Clock = nil // triggers are timed
	d.fake.Paced = false
	d.client.Look.Buttons, d.client.Look.Pages = true, "https://console.example/"
	d.teller.Look = d.client.Look
	d.file(true)
	a := critical("acme", "purpose-prohibited", "marketing")
	d.file(false, change(audit.IsNew, a), change(audit.IsNew, critical("acme", "purpose-prohibited", "training")))
	d.flush()
	p := &pressed{desk: d, id: a.ID}
	p.ears = &Desk{Client: d.client, Deeds: d, Reviewers: []string{"U1ANN"}, Clock: d.clock.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, m := range d.fake.Messages("#audit") {
		if strings.HasPrefix(m.Text, "Critical") {
			p.head = m
		}
	}
	return p
}

// http presses over HTTP, and gives the status and what was answered.
func (p *pressed) http(payload any, at time.Time, secret string) (int, string) {
	p.t.Helper()
	server := httptest.NewServer(p.ears.Handler("8f742231b10e8888abcd99yyyzzz85a5"))
	defer server.Close()
	r, err := slackfake.Signed(p.t.Context(), server.URL+Path, secret, payload, at)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.ears.wg.Wait()
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func (p *pressed) statuses() map[audit.Status]int {
	m := map[audit.Status]int{}
	for _, f := range p.findings {
		m[f.Status]++
	}
	return m
}

func (p *pressed) whispers() (list []string) {
	for _, w := range p.fake.Whispers() {
		list = append(list, w.User+": "+w.Text)
	}
	return list
}

func TestButtons(t *testing.T) {
	t.Parallel()
	p := newPressed(t)
	if b := string(p.head.Blocks); !strings.Contains(b, "Acknowledge") || !strings.Contains(b, `"url":"https://console.example/findings/F-`) {
		t.Fatalf("no buttons: %s", b)
	}
	for range 2 { // Slack sends it again where the answer was late, and people press twice
		if status, text := p.http(p.fake.Press("U1ANN", actAcknowledge, p.id, p.head), time.Now(), secret); status != 200 || text != "" {
			t.Fatalf("%d %s", status, text)
		}
	}
	if d := cmp.Diff(map[audit.Status]int{audit.Acknowledged: 2}, p.statuses()); d != "" {
		t.Error(d)
	}
	p.http(p.fake.Press("U1ANN", actAssign, p.id, p.head), time.Now(), secret)
	if a := p.findings[p.id].Assignee; a != "slack:U1ANN (name-of-U1ANN)" {
		t.Errorf("assigned to %q", a)
	}
	p.http(p.fake.Press("U1ANN", actOpen, "", p.head), time.Now(), secret)
	p.http(p.fake.Press("U1ANN", "mailreeve_unknown", p.id, p.head), time.Now(), secret)
	p.http(p.fake.Press("U1ANN", actAcknowledge, "F-GONE", p.head), time.Now(), secret)
	p.http(p.fake.Press("U2BOB", actAssign, p.id, p.head), time.Now(), secret)
	p.flush()
	if a := p.findings[p.id].Assignee; a != "slack:U1ANN (name-of-U1ANN)" {
		t.Errorf("assigned to %q by somebody without a role", a)
	}
	said := p.whispers()
	if len(said) != 4 || !strings.Contains(said[0], "Done for 0 of 2 findings; not for "+p.id+": it is acknowledged already") && !strings.Contains(said[0], "acknowledged already") ||
		!strings.Contains(said[3], "U2BOB: You may not act on findings here") {
		t.Errorf("%q", said)
	}
	replies := 0
	for _, m := range p.fake.Messages("#audit") {
		if m.Thread == p.head.TS && strings.Contains(string(m.Blocks), "by slack:U1ANN (name-of-U1ANN)") {
			replies++
		}
		if m.TS == p.head.TS && (m.Edits == 0 || strings.Contains(string(m.Blocks), `"Acknowledge"`)) {
			t.Errorf("the head was not updated: %s", m.Blocks)
		}
	}
	if replies != 4 {
		t.Errorf("%d replies\n%s", replies, p.seen("#audit"))
	}
}

// TestSuppress asks for reason and end.
func TestSuppress(t *testing.T) {
	t.Parallel()
	p := newPressed(t)
	p.http(p.fake.Press("U1ANN", actSuppress, p.id, p.head), time.Now(), secret)
	views := p.fake.Views()
	if len(views) != 1 || views[0].CallbackID != modalSuppress {
		t.Fatalf("%+v", views)
	}
	submit := func(user, reason, until string) string {
		_, text := p.http(slackfake.Submit(user, modalSuppress, views[0].PrivateMetadata, map[string]map[string]any{
			inputReason: {inputReason: map[string]any{"type": "plain_text_input", "value": reason}},
			inputUntil:  {inputUntil: map[string]any{"type": "datepicker", "selected_date": until}}}), time.Now(), secret)
		return text
	}
	if text := submit("U1ANN", "  ", "2020-01-01"); !strings.Contains(text, `"response_action":"errors"`) || !strings.Contains(text, "Please say why") || !strings.Contains(text, "a day to come") {
		t.Errorf("%s", text)
	}
	submit("U2BOB", "I do not like it", "2027-01-01")
	submit("U1ANN", "too far", "2099-01-01")
	if d := cmp.Diff(map[audit.Status]int{audit.Open: 2}, p.statuses()); d != "" {
		t.Error(d)
	}
	if said := p.whispers(); len(said) != 2 || !strings.Contains(said[0], "You may not") || !strings.Contains(said[1], "at most 365 days") {
		t.Errorf("%q", said)
	}
	submit("U1ANN", "the vendor wrote from joe@example.com", "2027-01-01")
	if d := cmp.Diff(map[audit.Status]int{audit.Suppressed: 2}, p.statuses()); d != "" {
		t.Error(d)
	}
	if r := p.findings[p.id].Reason; r != "the vendor wrote from [address]" {
		t.Errorf("reason %q", r)
	}
}

// TestForgedPresses: what Slack did not sign, or not lately, does nothing.
func TestForgedPresses(t *testing.T) {
	t.Parallel()
	p := newPressed(t)
	press := p.fake.Press("U1ANN", actAcknowledge, p.id, p.head)
	for name, c := range map[string]struct {
		at     time.Time
		secret string
	}{
		"another secret":  {time.Now(), "another"},
		"a replay":        {time.Now().Add(-6 * time.Minute), secret},
		"from the future": {time.Now().Add(6 * time.Minute), secret},
	} {
		if status, _ := p.http(press, c.at, c.secret); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	h := p.ears.Handler(secret)
	for name, c := range map[string]struct {
		r    *http.Request
		want int
	}{
		"no signature": {httptest.NewRequest(http.MethodPost, Path, strings.NewReader("payload={}")), http.StatusUnauthorized},
		"GET":          {httptest.NewRequest(http.MethodGet, Path, nil), http.StatusMethodNotAllowed},
		"too large":    {httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(make([]byte, maxRequest+1))), http.StatusRequestEntityTooLarge},
	} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, c.r); w.Code != c.want {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if status, _ := p.http("no callback", time.Now(), secret); status != http.StatusBadRequest {
		t.Errorf("no callback: %d", status)
	}
	if d := cmp.Diff(map[audit.Status]int{audit.Open: 2}, p.statuses()); d != "" {
		t.Error(d)
	}
}

// TestSocketMode: the same without a public address.
func TestSocketMode(t *testing.T) {
	t.Parallel()
	p := newPressed(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.ears.Listen(ctx, slackfake.AppToken, p.fake.Start(t)) }()
	if _, err := p.fake.PressSocket(ctx, p.fake.Press("U1ANN", actAcknowledge, p.id, p.head)); err != nil {
		t.Fatal(err)
	}
	answer, err := p.fake.PressSocket(ctx, slackfake.Submit("U1ANN", modalSuppress, `{"finding":"`+p.id+`"}`, nil))
	var errs struct {
		Action string `json:"response_action"`
	}
	if err != nil || json.Unmarshal(answer, &errs) != nil || errs.Action != "errors" {
		t.Errorf("%s, %v", answer, err)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on after its end")
	}
	p.ears.Close(time.Minute)
	if d := cmp.Diff(map[audit.Status]int{audit.Acknowledged: 2}, p.statuses()); d != "" {
		t.Error(d)
	}
}

// TestAPressStandsForWhatWasShown: what comes under a head after it was drawn is not acted upon by who has not seen it; nor is what is closed.
func TestAPressStandsForWhatWasShown(t *testing.T) {
	t.Parallel()
	p := newPressed(t)
	a := p.findings[p.id]
	b, c := critical("acme", "purpose-prohibited", "later"), critical("acme", "purpose-prohibited", "never seen")
	p.file(false, change(audit.IsNew, b), change(audit.IsResolved, now(audit.Resolved, a)))
	p.flush()
	value := func() string {
		for _, m := range p.fake.Messages("#audit") {
			if m.TS == p.head.TS {
				_, v, _ := strings.Cut(string(m.Blocks), `"value":"`)
				v, _, _ = strings.Cut(v, `"`)
				return v
			}
		}
		return ""
	}()
	p.file(false, change(audit.IsNew, c))
	p.flush()
	p.http(p.fake.Press("U1ANN", actAcknowledge, value, p.head), time.Now(), secret)
	got := map[string]audit.Status{}
	for _, f := range p.findings {
		got[f.Subject] = f.Status
	}
	if d := cmp.Diff(map[string]audit.Status{"marketing": audit.Resolved, "training": audit.Acknowledged, "later": audit.Acknowledged, "never seen": audit.Open}, got); d != "" {
		t.Errorf("%s pressed: %s", value, d)
	}
	// A modal that was opened before is submitted after.
	p.http(p.fake.Press("U1ANN", actSuppress, value, p.head), time.Now(), secret)
	views := p.fake.Views()
	p.http(slackfake.Submit("U1ANN", modalSuppress, views[0].PrivateMetadata, map[string]map[string]any{
		inputReason: {inputReason: map[string]any{"value": "agreed"}}, inputUntil: {inputUntil: map[string]any{"selected_date": "2027-01-01"}}}), time.Now(), secret)
	if s := p.findings[c.ID].Status; s != audit.Open || p.findings[b.ID].Status != audit.Suppressed {
		t.Errorf("what nobody saw is %s", s)
	}
	p.http(p.fake.Press("U1ANN", actAcknowledge, value, p.head), time.Now(), secret)
	if said := p.whispers(); len(said) != 1 || !strings.Contains(said[0], "nothing of what this message showed is open") {
		t.Errorf("%q", said)
	}
}

// A stuck store does nothing until it is no longer waited for.
type stuck struct{ begun chan struct{} }

func (s stuck) Do(ctx context.Context, _ audit.Deed, _ string) error {
	close(s.begun)
	<-ctx.Done()
	return ctx.Err()
}

// TestClose: a press that is under way does not hold up the end, and none is taken after it.
func TestClose(t *testing.T) {
	t.Parallel()
	p := newPressed(t)
	deeds := stuck{make(chan struct{})}
	p.ears.Deeds = deeds
	var log bytes.Buffer
	p.ears.Log = slog.New(slog.NewTextHandler(&log, nil))
	press := func() int {
		r, err := slackfake.Signed(t.Context(), Path, secret, p.fake.Press("U1ANN", actAcknowledge, p.id, p.head), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		p.ears.Handler(secret).ServeHTTP(w, r)
		return w.Code
	}
	if code := press(); code != http.StatusOK {
		t.Fatal(code)
	}
	<-deeds.begun
	closed := make(chan struct{})
	go func() { defer close(closed); p.ears.Close(10 * time.Millisecond) }()
	select {
	case <-closed:
	case <-time.After(pressTime / 2):
		t.Fatal("it waits for the press")
	}
	if !strings.Contains(log.String(), "could not be done") {
		t.Errorf("the log does not say that it was not done: %s", log.String())
	}
	if code := press(); code != http.StatusServiceUnavailable {
		t.Errorf("a press after the end: %d", code)
	}
	if d := cmp.Diff(map[audit.Status]int{audit.Open: 2}, p.statuses()); d != "" {
		t.Error(d)
	}
}
