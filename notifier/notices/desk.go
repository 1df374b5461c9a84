package notices

import (
	"context"
	"errors"
	"log/slog"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// A Desk writes to vendors, and follows what becomes of it.
type Desk struct {
	Store   *store.Store
	Policy  *audit.Policy
	Mail    config.Notices
	FormURL string // where approval is asked for; empty: nowhere
	PageURL string // of the vendors' page; empty: there is none
	Clock   audit.Clock
	Log     *slog.Logger

	// Check gives the checks that there are. Nil: all that found anything are looked for still.
	Check func(id string) (audit.Check, bool)
	// Compose makes the messages that tell others of news. Nil: nobody is told.
	Compose notifier.Composer
	// Templates gives what mails are made with. Nil: the built-in ones.
	Templates func() (*email.Templates, error)
	// Bounces gives what came back of mails. Nil: nothing is known of that.
	Bounces func(ctx context.Context, each func(email.Bounce) error) error
}

// New is the desk that a configuration wants.
func New(s *store.Store, cfg *config.Config, clock audit.Clock, log *slog.Logger) *Desk {
	d := &Desk{Store: s, Policy: cfg.Policy, Mail: cfg.Notices, FormURL: cfg.Notices.FormURL, PageURL: cfg.Vendor.PublicURL, Clock: clock, Log: log}
	if dir := cfg.Notices.Bounces; dir != "" {
		d.Bounces = func(ctx context.Context, each func(email.Bounce) error) error {
			return email.ReadBounces(ctx, cfg.Resolve(dir), each)
		}
	}
	return d
}

// On says whether the configuration says who writes to vendors. If it does not, nothing is drafted. Without a mail server, too, nothing is sent.
func (d *Desk) On() bool { return d.Mail.From != "" }

// tries is how often something is begun again where others were in the way.
const tries = 5

func again(do func() error) (err error) {
	for range tries {
		if err = do(); !errors.Is(err, audit.ErrChanged) {
			return err
		}
	}
	return err
}

// now is the time: the clock's, or the last night's where that is ahead.
func (d *Desk) now(nights []audit.NightCount) audit.Instant {
	now := audit.At(d.Clock())
	if n := len(nights); n > 0 {
		now = max(now, nights[n-1].AsOf)
	}
	return now
}

// Night does what follows a night: it drafts what vendors are to be told, writes reminders, proposes what to do about those that did not answer, and puts
// what is approved into the outbox.
func (d *Desk) Night(ctx context.Context) error {
	if !d.On() {
		return nil
	}
	advanced := d.Advance(ctx) // what is wrong there, as with a mailbox, keeps nobody else waiting
	err := again(func() error {
		nights, err := d.nights(ctx)
		if err != nil || len(nights) == 0 {
			return err
		}
		if err := d.Store.NoteRequests(ctx, nights[len(nights)-1].AsOf); err != nil {
			return err
		}
		v, err := d.view(ctx)
		if err != nil {
			return err
		}
		if err := v.matters(ctx); err != nil {
			return err
		}
		return errors.Join(v.followUps(ctx), v.drafts(ctx))
	})
	return errors.Join(advanced, err, d.Queue(ctx))
}
