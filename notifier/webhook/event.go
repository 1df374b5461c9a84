package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Sink is the name of this sink in the outbox.
const Sink = "webhook"

// The events. Of a finding that is suppressed or dismissed only acts, and its end, are told.
const (
	Opened      = "finding.opened"    // filed
	Reopened    = "finding.reopened"  // it came back, or a person took back what closed it
	Worsened    = "finding.worsened"  // a suppressed or dismissed one grew too far
	Resolved    = "finding.resolved"  // by the night, or by a person
	Withdrawn   = "finding.withdrawn" // late facts took it away
	Acted       = "finding.acted"     // a person did something to it
	NoticeSent  = "notice.sent"       // a vendor was written to
	RunFinished = "run.finished"
	RunFailed   = "run.failed"
)

// Events lists them.
func Events() []string {
	return []string{Opened, Reopened, Worsened, Resolved, Withdrawn, Acted, NoticeSent, RunFinished, RunFailed}
}

// A Hook is one receiver.
type Hook struct {
	URL          string
	Secrets      []string // whsec_ and base64, each signs; none: what is sent is not signed
	Events       []string // those that it is told; none: all
	AllowPrivate bool     // it may be at an address that is not public
	Trouble      string   // why nothing can be sent, such as that a secret is missing; empty: it can
}

// Lane is the hook's in the outbox: a digest of its URL, which may hold a secret.
func (h *Hook) Lane() string {
	sum := sha256.Sum256([]byte(h.URL))
	return hex.EncodeToString(sum[:8])
}

// An event is what one delivery tells.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of what it tells
	Data      any       `json:"data"`

	about string // what makes it unique among those of its type
}

// Hooks are all receivers. Redact masks addresses: every text from outside passes it.
type Hooks struct {
	List   []Hook
	Redact func(string) string
}

// Tell makes the messages that tell of news. It is a notifier.Composer.
func (h *Hooks) Tell(n notifier.News) ([]audit.Message, error) {
	w := writer{h.Redact}
	var events []event
	for i := range n.Changes {
		c := &n.Changes[i]
		for _, kind := range kinds(c, n.Trail) {
			e := event{Type: kind, Timestamp: n.At.Time()}
			record := w.finding(&c.Finding)
			if n.Result == nil {
				e.about = c.Finding.ID + " " + n.At.String()
				record.Act = w.act(n.Trail)
			} else {
				e.about = c.Finding.ID + " " + n.Result.Run.ID
			}
			e.Data = record
			events = append(events, e)
		}
	}
	if n.Result != nil {
		run := *n.Result.Run
		run.Status = audit.Finished // it is, once this message is there
		events = append(events, event{RunFinished, n.At.Time(), w.run(&run), run.ID})
	}
	return h.messages(n.At, events)
}

// Failed tells of a run that failed.
func (h *Hooks) Failed(r *audit.Run) ([]audit.Message, error) {
	w := writer{h.Redact}
	return h.messages(r.FinishedAt, []event{{RunFailed, r.FinishedAt.Time(), w.run(r), r.ID}})
}

// Noticed tells of a notice that a vendor was sent: of its content, which is without the link that only the vendor's mail has. One that was queued by an
// earlier version had it.
func (h *Hooks) Noticed(n notifier.Notice, at audit.Instant) ([]audit.Message, error) {
	n.Answer.URL = ""
	return h.messages(at, []event{{NoticeSent, at.Time(), n, n.ID}})
}

// Test makes a message for each receiver that tells of nothing, whatever its events.
func (h *Hooks) Test(at audit.Instant) ([]audit.Message, error) {
	list := slices.Clone(h.List)
	for i := range list {
		list[i].Events = nil
	}
	return (&Hooks{list, h.Redact}).messages(at, []event{{"test", at.Time(), struct{}{}, at.String()}})
}

// messages gives each receiver the events that it wants.
func (h *Hooks) messages(at audit.Instant, events []event) ([]audit.Message, error) {
	var list []audit.Message
	for i := range h.List {
		hook := &h.List[i]
		for _, e := range events {
			if len(hook.Events) > 0 && !slices.Contains(hook.Events, e.Type) {
				continue
			}
			key := fmt.Sprintf("%s %s %s %s", Sink, hook.Lane(), e.Type, e.about)
			body, err := json.Marshal(e)
			if err != nil {
				return nil, fmt.Errorf("webhook message %s: %w", key, err)
			}
			list = append(list, audit.Message{Key: key, Sink: Sink, Lane: hook.Lane(), Body: body, Created: at, NextAt: at, SentAt: audit.Never})
		}
	}
	return list, nil
}

// kinds are the events that a change is. What a person does is one, and may be another that it comes to.
func kinds(c *audit.Change, trail []audit.TrailEntry) []string {
	silent := c.Finding.Status == audit.Suppressed || c.Finding.Status == audit.FalsePositive
	switch c.What {
	case audit.IsResolved:
		return []string{Resolved}
	case audit.IsWithdrawn:
		return []string{Withdrawn}
	case audit.IsActed:
		list := []string{Acted}
		for _, e := range trail {
			switch {
			case e.Details["to"] == string(audit.Resolved):
				list = append(list, Resolved)
			case e.Reopens():
				list = append(list, Reopened)
			}
		}
		return list
	}
	if silent {
		return nil
	}
	switch c.What {
	case audit.IsNew:
		return []string{Opened}
	case audit.IsReopened:
		return []string{Reopened}
	case audit.IsWorsened:
		return []string{Worsened}
	}
	return nil
}
