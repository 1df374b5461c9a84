package main

import (
	"cmp"
	"context"
	"os"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/internal/outbound"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// mailClient is the mail server of a configuration, and who mailreeve is there.
func mailClient(cfg *config.Config) (*email.Client, error) {
	n := cfg.Notices
	return email.New(email.Config{URL: n.SMTP, Username: os.Getenv(n.UsernameEnv), Password: os.Getenv(n.PasswordEnv)})
}

// mailTemplates are what mails to vendors are made with.
func mailTemplates(cfg *config.Config) (*email.Templates, error) {
	dir := cfg.Notices.Templates
	if dir != "" {
		dir = cfg.Resolve(dir)
	}
	return email.ReadTemplates(dir)
}

// mailSink delivers mail. Where the configuration is wrong, it tells of that with each message, which waits.
func mailSink(cfg *config.Config) notifier.Sink {
	c, err := mailClient(cfg)
	if err != nil {
		return brokenSink{err}
	}
	return c
}

// A brokenSink delivers nothing until the configuration is mended.
type brokenSink struct{ err error }

func (s brokenSink) Deliver(context.Context, audit.Message) (string, error) {
	return "", notifier.Final(s.err)
}

// mail says whether vendors can be written to.
func (d *doctor) mail(ctx context.Context) {
	n := d.cfg.Notices
	if n.Templates != "" {
		if _, err := mailTemplates(d.cfg); err != nil {
			d.wrong("mail", "%w: name a folder with mail.txt, mail.html or subject.txt, or leave notices.templates out", err)
		} else {
			d.ok("mail", "the templates in %s are good", d.cfg.Resolve(n.Templates))
		}
	}
	if n.Bounces != "" {
		t, err := email.CountBounces(ctx, d.cfg.Resolve(n.Bounces))
		switch {
		case err != nil:
			d.wrong("mail", "%w: let notices.bounces name the Maildir of notices.from, which this user may read and change", err)
		case t.Others > 0:
			d.warn("mail", "%s in %s, and %s: read them, and move them away", count(t.Reports, "report waits", "reports wait"), d.cfg.Resolve(n.Bounces),
				count(t.Others, "other mail that no program reads", "other mails that no program reads"))
		default:
			d.ok("mail", "%s in %s", count(t.Reports, "report waits", "reports wait"), d.cfg.Resolve(n.Bounces))
		}
	}
	if n.SMTP == "" && n.From != "" {
		d.wrong("mail", "notices.smtp is missing: notices are drafted, and none is sent: name the mail server, or take notices.from away")
		return
	}
	if n.SMTP == "" {
		d.ok("mail", "not configured: vendors are not written to")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bedside)
	defer cancel()
	c, err := mailClient(d.cfg)
	if err == nil {
		_, err = email.MessageID("doctor", n.From)
	}
	if err == nil {
		err = c.Check(ctx)
	}
	if err != nil {
		d.wrong("mail", "%w: mend that; what waits in the outbox is sent then", err)
		return
	}
	d.ok("mail", "%s takes our mail", n.SMTP)
}

// sendMail sends a test mail to the operators: alerts.mail, else notices.reply_to, else notices.from. No vendor is written to.
func (d *doctor) sendMail(ctx context.Context) {
	n := d.cfg.Notices
	if n.SMTP == "" {
		return
	}
	to := d.cfg.Alerts.Mail
	if len(to) == 0 {
		to = []string{cmp.Or(n.ReplyTo, n.From)}
	}
	ctx, cancel := context.WithTimeout(ctx, bedside)
	defer cancel()
	client, err := mailClient(d.cfg)
	if err == nil {
		const text = "mailreeve doctor: a test message"
		var m audit.Message
		if m, err = email.Enqueue("doctor "+audit.At(d.now).String(), email.Envelope{From: n.From, ReplyTo: n.ReplyTo, To: to}, email.Plain(text, text+"\n"), audit.At(d.now)); err == nil {
			_, err = client.Deliver(ctx, m)
		}
	}
	if err != nil {
		d.wrong("mail", "%w: mend that; what waits in the outbox is sent then", err)
		return
	}
	d.ok("mail", "%s took the test message, to %s; see that it arrives", outbound.Place(n.SMTP), count(len(to), "operator", "operators"))
}
