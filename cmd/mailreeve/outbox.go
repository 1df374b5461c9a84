package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// composers are those who tell of what happens to findings.
func (s *system) composers() []notifier.Composer {
	var list []notifier.Composer
	if s.slack {
		list = append(list, s.teller().Compose)
	}
	return list
}

// sinks are those who deliver messages, by audit.Message.Sink.
func (s *system) sinks() map[string]notifier.Sink {
	sinks := map[string]notifier.Sink{}
	if s.slack {
		sinks[slack.Sink] = s.slackClient()
	}
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

// flushFor is how long the outbox is worked on before others may.
const flushFor = 5 * time.Second

// deliver sends what waits in the outbox, and goes on trying until patience is over. The night's lock keeps two processes from sending one message.
func (s *system) deliver(ctx context.Context, patience time.Duration) error {
	if !s.slack {
		return nil
	}
	s.delivering.Lock()
	defer s.delivering.Unlock()
	if s.outbox == nil {
		s.outbox = &notifier.Outbox{Store: s.store, Sinks: s.sinks(), Clock: s.clock, Log: s.attempted}
	}
	s.refused = nil
	for end := time.Now().Add(patience); ; {
		left, err := s.flush(ctx)
		switch {
		case err != nil:
			return err
		case left == 0:
			return nil
		case s.refused != nil:
			return fmt.Errorf("%d messages could not be delivered; they are kept, and sent with the next run once this is mended: %w", left, s.refused)
		case time.Now().After(end):
			return fmt.Errorf("%d messages could not be delivered yet; they are kept, and sent with the next run", left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (s *system) flush(ctx context.Context) (left int, err error) {
	lease, err := s.store.Lock(ctx, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	return s.outbox.Flush(ctx, flushFor)
}

func (s *system) attempted(m audit.Message, _ string, err error) {
	if err != nil {
		s.log.Warn("a message could not be delivered", "key", m.Key, "sink", m.Sink, "attempt", m.Attempts+1, "error", err)
		var f *notifier.Failure
		if errors.As(err, &f) && f.Final {
			s.refused = err
		}
	}
}
