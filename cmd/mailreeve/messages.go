package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/heartbeat"
	"github.com/mailreeve/mailreeve/notifier/jira"
	"github.com/mailreeve/mailreeve/notifier/notices"
	"github.com/mailreeve/mailreeve/notifier/slack"
	"github.com/mailreeve/mailreeve/notifier/webhook"
)

// What people see of the outbox, and do about what cannot be delivered.

// messageID is what a message of the outbox is called on the command line.
func messageID(m *audit.Message) string { return fmt.Sprintf("M-%d", m.ID) }

// isMessage says whether a text is what messageID gives, in whatever case, and of which message.
func isMessage(text string) (id int64, ok bool) {
	n, ok := strings.CutPrefix(strings.ToUpper(text), "M-")
	id, err := strconv.ParseInt(n, 10, 64)
	return id, ok && err == nil
}

// unconfigured says how a sink that messages wait for, and that is not there, would be there again; "" where it is.
func (s *system) unconfigured(sink string) string {
	if _, ok := s.sinks()[sink]; ok {
		return ""
	}
	keys := map[string]string{slack.Sink: "there is no token in " + s.cfg.Slack.TokenEnv, webhook.Sink: "there are no webhooks", jira.Sink: "jira.url is missing",
		heartbeat.Sink: "heartbeat.url is missing", email.Sink: "notices.smtp is missing"}
	return cmp.Or(keys[sink], "this version does not know it")
}

// undelivered are the tasks that messages make which are stuck.
func (s *system) undelivered(ctx context.Context) (list []notices.Task, err error) {
	stuck, err := s.store.Stuck(ctx, audit.At(s.clock()))
	why := map[string]string{}
	for i := range stuck {
		m := &stuck[i]
		if _, ok := why[m.Sink]; !ok {
			why[m.Sink] = s.unconfigured(m.Sink)
		}
		t := notices.Task{What: "undelivered", About: messageID(m), Since: m.Created, Command: "mailreeve notices send --retry"}
		t.Says = fmt.Sprintf("%s, to %s, tried %s: %s", m.Key, m.Sink, count(m.Attempts, "time", "times"), cmp.Or(m.Error, "nobody has tried to send it"))
		if why[m.Sink] != "" {
			t.Says = fmt.Sprintf("%s, to %s, which is not configured (%s): configure it, or give the message up", m.Key, m.Sink, why[m.Sink])
			t.Command = "mailreeve notices send --give-up " + messageID(m) + " --reason …"
		}
		list = append(list, t)
	}
	return list, err
}

// givenUp is what people gave up, as tasks that are over.
func (s *system) givenUp(ctx context.Context) (list []notices.Task, err error) {
	gone, err := s.store.GivenUp(ctx)
	for i := range gone {
		m := &gone[i]
		list = append(list, notices.Task{What: "given-up", About: messageID(m), Since: m.GivenUp.At,
			Says: fmt.Sprintf("%s, to %s, was given up by %s: %s", m.Key, m.Sink, m.GivenUp.By, m.GivenUp.Why)})
	}
	return list, err
}

// namedMessages are the messages that arguments name: M-17 is one, the name of a sink all that are for it and not delivered.
func (s *system) namedMessages(ctx context.Context, args []string) (list []audit.Message, err error) {
	pending, err := s.store.Pending(ctx)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		id, ok := isMessage(arg)
		n := len(list)
		for i := range pending {
			if ok && pending[i].ID == id || pending[i].Sink == arg {
				list = append(list, pending[i])
			}
		}
		switch {
		case len(list) > n:
		case ok:
			m, err := s.store.Message(ctx, id)
			if err != nil {
				return nil, fmt.Errorf("message %s: %w: mailreeve notices list --tasks shows those that cannot be delivered", arg, err)
			}
			return nil, fmt.Errorf("message %s: %s", arg, messageState(m))
		default:
			return nil, fmt.Errorf("%q: nothing waits for a receiver of that name; give messages, as M-17, or one of %s", arg, strings.Join(sinksOf(pending), ", "))
		}
	}
	slices.SortFunc(list, func(a, b audit.Message) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b audit.Message) bool { return a.ID == b.ID }), nil
}

func sinksOf(list []audit.Message) []string {
	seen := map[string]bool{}
	for _, m := range list {
		seen[m.Sink] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// messageState says in one line what became of a message.
func messageState(m *audit.Message) string {
	switch {
	case m.GivenUp != nil:
		return fmt.Sprintf("given up at %s by %s: %s", when(m.GivenUp.At), m.GivenUp.By, m.GivenUp.Why)
	case m.SentAt != audit.Never:
		return "delivered at " + when(m.SentAt)
	case m.Failed:
		return "failed, tried again at " + when(m.NextAt)
	}
	return "waits"
}

// giveUp gives up the messages that args name, and says what follows.
func (c *cli) giveUp(ctx context.Context, s *system, args []string, reason string) error {
	list, err := s.namedMessages(ctx, args)
	if err != nil {
		return err
	}
	desk := s.desk()
	var failed []error
	for i := range list {
		m := &list[i]
		if err := desk.GiveUp(ctx, m, operator(), reason); err != nil {
			failed = append(failed, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		said := fmt.Sprintf("%s is given up: %s, to %s", messageID(m), m.Key, m.Sink)
		if audit.IsNoticeKey(m.Key) {
			said += "; its vendor counts as not told, and the next night drafts anew what there is to tell"
		}
		if m.Doubt != 0 {
			said += fmt.Sprintf("; it was tried %s, and may have arrived though no answer said so", count(m.Attempts, "time", "times"))
		}
		fmt.Fprintln(c.out, shown(said))
	}
	return errors.Join(failed...)
}

// retry lets a message be tried again at once, and notes who wanted it.
func (s *system) retry(ctx context.Context, m *audit.Message, by string) error {
	noted := audit.TrailEntry{At: audit.At(s.clock()), Who: by, What: "message retried", Details: map[string]any{"message": m.Key, "sink": m.Sink}}
	if err := s.store.Retry(ctx, m.ID, noted); err != nil {
		return fmt.Errorf("message %s: %w", messageID(m), err)
	}
	return nil
}

// An outbox is what the console does about messages that are stuck.
type outbox struct{ *system }

// Undelivered are the tasks that they make.
func (o outbox) Undelivered(ctx context.Context) ([]notices.Task, error) { return o.undelivered(ctx) }

// Retry lets a message be tried again at once, and notes who wanted it.
func (o outbox) Retry(ctx context.Context, message, by string) error {
	m, err := o.waiting(ctx, message)
	if err != nil {
		return err
	}
	return o.retry(ctx, m, by)
}

// GiveUp gives a message up.
func (o outbox) GiveUp(ctx context.Context, message, by, why string) error {
	m, err := o.waiting(ctx, message)
	if err != nil {
		return err
	}
	return o.desk().GiveUp(ctx, m, by, why)
}

// waiting is a message that is not delivered, by what it is called: [store.ErrNotFound], and [audit.ErrChanged] where it is delivered or given up.
func (o outbox) waiting(ctx context.Context, message string) (*audit.Message, error) {
	id, ok := isMessage(message)
	if !ok {
		return nil, fmt.Errorf("message %q: %w", message, store.ErrNotFound)
	}
	m, err := o.store.Message(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", message, err)
	}
	if m.SentAt != audit.Never {
		return nil, fmt.Errorf("message %s: %w: %s", messageID(m), audit.ErrChanged, messageState(m))
	}
	return m, nil
}

// A messageRecord is a message in JSON.
type messageRecord struct {
	ID        string        `json:"id"`
	Key       string        `json:"key"`
	Sink      string        `json:"sink"`
	WrittenAt record.Moment `json:"written_at"`
	Attempts  int           `json:"attempts"`
	NextAt    record.Moment `json:"next_at"`
	SentAt    record.Moment `json:"sent_at"`
	Failed    bool          `json:"failed"`
	Error     string        `json:"error"`
	GivenUpAt record.Moment `json:"given_up_at"`
	GivenUpBy string        `json:"given_up_by"`
	Reason    string        `json:"given_up_reason"`
}

// printMessage shows one message of the outbox.
func (c *cli) printMessage(ctx context.Context, s *system, id int64, format string) error {
	m, err := s.store.Message(ctx, id)
	if err != nil {
		return fmt.Errorf("message M-%d: %w: mailreeve notices list --tasks shows those that cannot be delivered", id, err)
	}
	if format == asJSON {
		r := messageRecord{ID: messageID(m), Key: m.Key, Sink: m.Sink, WrittenAt: record.Moment(m.Created), Attempts: m.Attempts, NextAt: record.Moment(m.NextAt), SentAt: record.Moment(m.SentAt), Failed: m.Failed, Error: m.Error,
			GivenUpAt: record.Moment(audit.Never)}
		if g := m.GivenUp; g != nil {
			r.GivenUpAt, r.GivenUpBy, r.Reason = record.Moment(g.At), g.By, g.Why
		}
		return record.Write(c.out, r, "  ")
	}
	t := newTable(c.out)
	t.row("message", messageID(m)+", "+m.Key)
	t.row("to", m.Sink)
	t.row("written", when(m.Created))
	t.row("state", messageState(m))
	t.row("tried", count(m.Attempts, "time", "times"))
	if m.Error != "" {
		t.row("says", m.Error)
	}
	return t.flush()
}
