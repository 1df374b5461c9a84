package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

// A desk is a store in memory, a workspace, and what is between them.
type desk struct {
	t        *testing.T
	clock    *nights.Clock
	store    *nights.Store
	fake     *slackfake.Server
	findings map[string]audit.Finding
	runs     []audit.Run
	teller   *Teller
	client   *Client
	outbox   *notifier.Outbox
}

func newDesk(t *testing.T, url func(*slackfake.Server) string, channels ...string) *desk {
	d := &desk{t: t, clock: &nights.Clock{}, store: &nights.Store{}, fake: slackfake.New(append([]string{"#audit"}, channels...)...), findings: map[string]audit.Finding{}}
	d.fake.Paced, d.fake.Clock = true, d.clock.Now
	if url == nil {
		url = func(s *slackfake.Server) string { return s.Start(t) }
	}
	look := Look{Redact: nights.Redact}
	d.client = New(slackfake.BotToken, url(d.fake), nil)
	d.client.Findings, d.client.Receipts, d.client.Look = d, d, look
	d.teller = &Teller{Channel: "#audit", Look: look, Memory: d}
	d.outbox = &notifier.Outbox{Store: d.store, Sinks: map[string]notifier.Sink{Sink: d.client}, Clock: d.clock.Now, Sleep: d.clock.Sleep}
	return d
}

func (d *desk) Receipt(_ context.Context, key string) (string, error) {
	for _, m := range d.store.Rows {
		if m.Key == key {
			return m.Receipt, nil
		}
	}
	return "", nil
}

func (d *desk) Enqueued(_ context.Context, keys []string) (map[string]string, error) {
	all, lanes := map[string]string{}, map[string]string{}
	for _, m := range d.store.Rows {
		all[m.Key] = m.Lane
	}
	for _, k := range keys {
		if lane, ok := all[k]; ok {
			lanes[k] = lane
		}
	}
	return lanes, nil
}

func (d *desk) DueBy(_ context.Context, t audit.Instant) (list []audit.Finding, err error) {
	for _, f := range d.findings {
		if f.DueAt <= t && f.Status == audit.Open {
			list = append(list, f)
		}
	}
	return list, nil
}

func (d *desk) Finished(_ context.Context, n int) ([]audit.Run, error) {
	list := slices.Clone(d.runs)
	slices.Reverse(list)
	return list[:min(n, len(list))], nil
}

func (d *desk) FinishedBetween(_ context.Context, from, to audit.Instant) (list []audit.Run, err error) {
	for _, r := range d.runs {
		if from <= r.AsOf && r.AsOf < to {
			list = append(list, r)
		}
	}
	return list, nil
}

func (d *desk) Keyed(_ context.Context, prefix string) (list []audit.Message, err error) {
	for _, m := range d.store.Rows {
		if strings.HasPrefix(m.Key, prefix) {
			list = append(list, m)
		}
	}
	return list, nil
}

func (d *desk) Standings(_ context.Context, apps []string) (list []audit.Standing, err error) {
	of := map[string]bool{}
	for _, a := range apps {
		of[a] = true
	}
	for _, f := range d.findings {
		if of[f.App] {
			list = append(list, standing(&f))
		}
	}
	return list, nil
}

func (d *desk) Alike(_ context.Context, id string) (list []audit.Finding, err error) {
	f, ok := d.findings[id]
	if !ok {
		return nil, nil
	}
	for _, g := range d.findings {
		if g.App == f.App && g.Clause == f.Clause {
			list = append(list, g)
		}
	}
	return list, nil
}

// file files a night's changes, composes what to tell of them and puts it into the outbox. It returns the messages.
func (d *desk) file(first bool, changes ...audit.Change) []audit.Message {
	d.t.Helper()
	n := d.night(first, changes...)
	list := d.tell(n)
	d.runs = append(d.runs, *n.Result.Run)
	return list
}

// night is the news of one.
func (d *desk) night(first bool, changes ...audit.Change) notifier.News {
	run := audit.Run{ID: fmt.Sprintf("R-%06d", len(d.runs)+1), AsOf: audit.At(d.clock.Now()), ScheduledAt: audit.At(d.clock.Now()), Status: audit.Finished, Baseline: first}
	for i := range changes {
		f := &changes[i].Finding
		if changes[i].What == audit.IsNew {
			f.FirstRun = run.ID
			run.Summary.Findings.New++
		}
		f.LastRun = run.ID
		if f.DueAt == 0 {
			f.DueAt = audit.Never
		}
	}
	return notifier.News{At: audit.At(d.clock.Now()), Result: &audit.Result{Run: &run, Changes: changes, First: first}, Changes: changes}
}

func (d *desk) tell(n notifier.News) []audit.Message {
	d.t.Helper()
	list, err := d.teller.Compose(n)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, c := range n.Changes {
		d.findings[c.Finding.ID] = c.Finding
	}
	for _, m := range list {
		if !slices.ContainsFunc(d.store.Rows, func(r audit.Message) bool { return r.Key == m.Key }) {
			m.ID = int64(len(d.store.Rows) + 1)
			d.store.Put(m)
		}
	}
	return list
}

func (d *desk) flush() {
	d.t.Helper()
	for range 400 {
		if err := d.outbox.Flush(d.t.Context(), 10*time.Minute); err != nil {
			d.t.Fatal(err)
		}
		if d.store.Waiting() == 0 {
			break
		}
		_ = d.clock.Sleep(d.t.Context(), time.Minute)
	}
	if left := d.store.Waiting(); left > 0 {
		for _, m := range d.store.Rows {
			if m.SentAt == audit.Never {
				d.t.Errorf("%s: %s", m.Key, m.Error)
			}
		}
		d.t.Fatalf("%d messages are left", left)
	}
}

// seen is what stands in a channel: a message a line, replies indented.
func (d *desk) seen(channel string) string {
	var b strings.Builder
	for _, m := range d.fake.Messages(channel) {
		what := m.Text
		for _, f := range m.Files {
			what = f.Name
		}
		if m.Thread != "" {
			what = "  " + what
		}
		if m.Shown {
			what += " (shown)"
		}
		if m.Edits > 0 {
			what += fmt.Sprintf(" [%d edits]", m.Edits)
		}
		b.WriteString(what + "\n")
	}
	return b.String()
}

func critical(app, check, subject string) audit.Finding {
	return audit.Finding{ID: audit.FindingID(check, app, subject), Check: check, App: app, AppName: "App " + app, Vendor: "Vendor of " + app, Subject: subject, Clause: "P6",
		Severity: audit.Critical, Confidence: audit.Certain, Status: audit.Open, Title: "a title", Occurrences: 4, Accounts: 3, Sites: 1, DueAt: audit.Never,
		Evidence: []audit.Evidence{{Account: "557058:account-of-somebody"}}}
}

func change(what audit.ChangeKind, f audit.Finding) audit.Change {
	return audit.Change{Finding: f, What: what}
}
