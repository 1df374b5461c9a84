package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// composers are those who tell of what happens to findings.
func (s *system) composers() []notifier.Composer {
	var list []notifier.Composer
	if s.slack {
		list = append(list, s.teller().Compose)
	}
	list = append(list, s.abnormal)
	list = append(list, s.hookComposers()...)
	return list
}

// sinks are those who deliver messages, by audit.Message.Sink.
func (s *system) sinks() map[string]notifier.Sink {
	sinks := map[string]notifier.Sink{}
	if s.slack {
		sinks[slack.Sink] = s.slackClient()
	}
	if s.cfg.Notices.SMTP != "" {
		sinks[email.Sink] = mailSink(s.cfg)
	}
	maps.Copy(sinks, s.hookSinks())
	return sinks
}

// compose is what all who tell of news have to say.
func (s *system) compose(n notifier.News) (list []audit.Message, err error) {
	for _, c := range s.composers() {
		more, err := c(n)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// messages is what to send about a run.
func (s *system) messages(r *audit.Result) ([]audit.Message, error) {
	return s.compose(notifier.News{At: audit.At(s.clock()), Result: r, Changes: r.Changes})
}

// The outbox's own times.
const (
	flushFor  = 5 * time.Second // how long it is worked on before a run looks what has become of its messages
	lookEvery = 2 * time.Second // how often who serves looks for messages
	resting   = 15 * time.Second
	hands     = 4 // lanes that a process sends in at one time
)

// A post delivers what waits in the outbox, by the database's clock: machines' may differ by minutes.
type post struct {
	*notifier.Outbox
	store *store.Store
	ahead atomic.Int64 // nanoseconds that the database's clock is ahead of this machine's
}

// newPost makes a post. There is one in a process.
func (s *system) newPost(ctx context.Context, sinks map[string]notifier.Sink) (*post, error) {
	p := &post{store: s.store}
	p.Outbox = &notifier.Outbox{Store: s.store, Sinks: sinks, Log: s.attempted, Clock: func() time.Time { return s.clock().Add(time.Duration(p.ahead.Load())) }}
	return p, p.setClock(ctx)
}

func (p *post) setClock(ctx context.Context) error {
	ahead, err := p.store.Clock(ctx)
	if err == nil {
		p.ahead.Store(int64(ahead))
	}
	return err
}

// poster is this process's post.
func (s *system) poster(ctx context.Context) (*post, error) {
	s.posting.Lock()
	defer s.posting.Unlock()
	if s.post != nil {
		return s.post, nil
	}
	p, err := s.newPost(ctx, s.sinks())
	if err == nil {
		s.post = p
	}
	return p, err
}

// deliver sends what waits in the outbox until all that was written since then is delivered, by whomever, or patience is over. So is what another process tried to deliver and was killed
// over: whoever runs again after a kill waits until its lease has lapsed.
func (s *system) deliver(ctx context.Context, since audit.Instant, patience time.Duration) error {
	return s.deliverAll(ctx, patience, func(ctx context.Context, sinks []string) (store.Owed, error) { return s.store.Owed(ctx, since, sinks) })
}

// deliverAll sends what waits in the outbox until nothing is owed, or patience is over.
func (s *system) deliverAll(ctx context.Context, patience time.Duration, owed func(ctx context.Context, sinks []string) (store.Owed, error)) error {
	p, err := s.poster(ctx)
	if err != nil || len(p.Sinks) == 0 {
		return err
	}
	for end := time.Now().Add(patience); ; {
		if err := p.Flush(ctx, flushFor); err != nil {
			return err
		}
		own, err := owed(ctx, slices.Collect(maps.Keys(p.Sinks)))
		if err != nil {
			return err
		}
		what := count(own.Messages, "message", "messages")
		switch {
		case own.Messages == 0:
			return nil
		case own.Failed == own.Messages:
			return fmt.Errorf("%s could not be delivered; what is left is kept, and sent by serve or the next run once this is mended: %s", what, own.Error)
		case time.Now().After(end):
			return fmt.Errorf("%s could not be delivered yet; what is left is kept, and sent by serve or the next run: %s", what, cmp.Or(own.Error, "others wait before it"))
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// keepDelivering sends what comes into the outbox until ctx is done.
func (s *system) keepDelivering(ctx context.Context) {
	p, err := s.poster(ctx)
	for ; err != nil && ctx.Err() == nil; p, err = s.poster(ctx) {
		s.log.Warn("no message is delivered; it is tried again", "error", err)
		_ = pause(ctx, resting)
	}
	if err != nil || len(p.Sinks) == 0 {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for range hands {
		wg.Go(func() {
			for ctx.Err() == nil {
				err := p.Flush(ctx, lookEvery)
				rest := lookEvery
				if err != nil && ctx.Err() == nil {
					s.log.Warn("messages wait in the outbox", "error", err)
					rest = resting
				}
				_ = pause(ctx, rest)
			}
		})
	}
	for pause(ctx, time.Minute) == nil {
		if err := s.tellOfStuck(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot tell of messages that are stuck", "error", err)
		}
		if err := p.setClock(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the database's clock is not known; messages go by the last that was", "error", err)
		}
	}
}

// tellOfStuck writes to operators where something is stuck that is not mail itself.
func (s *system) tellOfStuck(ctx context.Context) error {
	if len(s.cfg.Alerts.Mail) == 0 {
		return nil
	}
	now := audit.At(s.clock())
	stuck, err := s.store.Stuck(ctx, now)
	if err != nil {
		return err
	}
	stuck = slices.DeleteFunc(stuck, func(m audit.Message) bool { return m.Sink == email.Sink })
	if len(stuck) == 0 {
		return nil
	}
	told, err := s.store.LastWritten(ctx, email.Sink, stuckKey)
	if err != nil || !email.TellOfStuck(stuck, told, now) {
		return err
	}
	// Whoever else is about to tell has the same key.
	m, err := s.toOperators(fmt.Sprint(stuckKey, int64(told)), email.Stuck(stuck, address.Redact), now)
	if err != nil {
		return err
	}
	return s.store.EnqueueMessages(ctx, m)
}

// toOperators makes a mail to those in alerts.mail.
func (s *system) toOperators(key string, mail email.Mail, at audit.Instant) (audit.Message, error) {
	return email.Enqueue(key, email.Envelope{From: s.cfg.Notices.From, ReplyTo: s.cfg.Notices.ReplyTo, To: s.cfg.Alerts.Mail}, mail, at)
}

const stuckKey = "stuck after "

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (s *system) attempted(m audit.Message, receipt string, err error) {
	if err == nil && m.Sink == email.Sink {
		if r, err := email.ParseReceipt(receipt); err == nil && len(r.Refused) > 0 {
			s.log.Warn("the mail server refused recipients of a mail", "key", m.Key, "refused", len(r.Refused), "first", r.Refused[0].Says)
		}
	}
	if err != nil {
		s.log.Warn("a message could not be delivered", "key", m.Key, "sink", m.Sink, "attempt", m.Attempts+1, "error", address.Redact(notifier.Line(err.Error())))
	}
}
