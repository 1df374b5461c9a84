package notifier

import (
	"context"

	"github.com/mailreeve/mailreeve/audit"
)

// News is what one transaction changes: a night, or what a person does to a finding.
type News struct {
	At      audit.Instant
	Result  *audit.Result      // of the night; nil: a person acted
	Changes []audit.Change     // the findings as they are afterwards
	Trail   []audit.TrailEntry // what a person's act writes into the trail; of a night nil
	Notices []audit.Notice     // that were sent to vendors just now
}

// A Composer makes the messages that tell of news. It is a pure function of them and of what it was made with, for it may be asked more than once
// before the news come true. Each message has a key of its own that is always the same, so that none is enqueued twice.
//
// Texts from outside pass redact before they get into a message: a message holds no end user's address.
type Composer func(News) ([]audit.Message, error)

// Receipts knows what receivers answered to messages before: a reply needs its thread, an update what it updates.
type Receipts interface {
	// Receipt is what the receiver of the message of a key answered; "" where there is no such message, or it is not delivered.
	Receipt(ctx context.Context, key string) (string, error)
}
