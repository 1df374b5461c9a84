package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/notices"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// desk is who writes to vendors.
func (s *system) desk() *notices.Desk {
	d := notices.New(s.store, s.cfg, s.clock, s.log)
	d.Compose, d.Check = s.compose, s.checks.Get
	d.Templates = sync.OnceValues(func() (*email.Templates, error) { return mailTemplates(s.cfg) })
	return d
}

// afterNight writes to vendors what a night gave cause for. The night is filed all the same where that fails, and the next does it.
func (s *system) afterNight(ctx context.Context, run string) {
	if err := s.desk().Night(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("not all notices to vendors could be written; the next night does it", "run", run, "error", err)
	}
}

// betweenNights sends to vendors what was approved, and takes note of what arrived.
func (s *system) betweenNights(ctx context.Context) error {
	d := s.desk()
	return errors.Join(d.Advance(ctx), d.Queue(ctx))
}

// writeEvery is how often who serves looks what became of notices.
const writeEvery = time.Minute

// keepWriting does what there is to do about notices between nights, until ctx is done.
func (s *system) keepWriting(ctx context.Context) {
	for pause(ctx, writeEvery) == nil {
		if err := s.betweenNights(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("notices to vendors wait", "error", err)
		}
	}
}

// abnormal tells, once, of a night that files so much that somebody should look before vendors are told of anything.
func (s *system) abnormal(n notifier.News) ([]audit.Message, error) {
	text := s.desk().Alarm(n.Result)
	if text == "" {
		return nil, nil
	}
	m, err := s.alert("abnormal "+n.Result.Run.ID, slack.Message{Text: text}, "an abnormal night", text+".", n.At)
	if err != nil || m == nil {
		return nil, err
	}
	return []audit.Message{*m}, nil
}

func (c *cli) noticesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notices",
		Short: "What vendors are told, and what they answer: list, look, approve, send",
		Long: `A notice tells a vendor of what was found about its apps, what to do, and until when. Nights draft them; a person approves them, unless the configuration
says notices.approve: auto; serve, or notices send, sends them. An ID may be cut short as long as it is the only one that begins so.
docs/notices.md tells of all of it.`,
	}
	cmd.AddCommand(c.noticesListCommand(), c.noticesShowCommand(), c.noticesPreviewCommand(), c.noticesApproveCommand(), c.noticesReleaseCommand(),
		c.noticesSendCommand(), c.noticesAnswerCommand())
	return cmd
}

// A noticeView is a notice as the command line shows it.
type noticeView struct {
	notices.State
	digest string // as [notices.Desk.Shown] gives it
}

func (s *system) noticeViews(ctx context.Context, list []audit.Notice) ([]noticeView, error) {
	d := s.desk()
	states, err := d.States(ctx, list)
	if err != nil {
		return nil, err
	}
	out := make([]noticeView, len(states))
	for i, x := range states {
		out[i].State = x
		out[i].digest = d.Shown(&x)
	}
	return out, nil
}

func noticeListing() listing[noticeView] {
	type V = noticeView
	return listing[V]{
		none:   "no notices",
		record: func(v V) any { return record.NoticeOf(&v.State, v.digest) },
		columns: []column[V]{
			{name: "id", of: func(v V) string { return v.ID }},
			{name: "kind", of: func(v V) string { return string(v.Kind) }},
			{name: "vendor", of: func(v V) string { return cmp.Or(v.VendorName, v.Vendor) }},
			{name: "findings", of: func(v V) string { return strconv.Itoa(len(v.About)) }},
			{name: "delivery", of: func(v V) string { return string(v.Delivery) }},
			{name: "answer", of: func(v V) string { return string(v.Answer()) }},
			{name: "due at", at: func(v V) audit.Instant { return v.Due() }},
			{name: "recipients", of: func(v V) string { return strings.Join(v.Recipients, " ") }, wide: true},
			{name: "created at", at: func(v V) audit.Instant { return v.Created }, wide: true},
			{name: "approved by", of: func(v V) string { return v.ApprovedBy }, wide: true},
			{name: "sent at", at: func(v V) audit.Instant { return v.SentAt }, wide: true},
			{name: "why", of: func(v V) string { return v.Why }, wide: true},
		},
	}
}

// A taskRecord is a task in JSON.
type taskRecord struct {
	notices.Task
	Since record.Moment `json:"since"`
}

func taskListing() listing[notices.Task] {
	type T = notices.Task
	return listing[T]{
		none:   "nothing waits for a person",
		record: func(t T) any { return taskRecord{t, record.Moment(t.Since)} },
		columns: []column[T]{
			{name: "task", of: func(t T) string { return t.What }},
			{name: "about", of: func(t T) string { return t.About }},
			{name: "vendor", of: func(t T) string { return t.Vendor }},
			{name: "since", at: func(t T) audit.Instant { return t.Since }},
			{name: "says", of: func(t T) string { return t.Says }},
			{name: "command", of: func(t T) string { return t.Command }, wide: true},
		},
	}
}

func (c *cli) noticesListCommand() *cobra.Command {
	var format string
	var all, tasks bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List notices of which something is still to come, and what waits for a person",
		Example: "  mailreeve notices list\n  mailreeve notices list --all --format json\n  mailreeve notices list --tasks --format csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			d := s.desk()
			waits, err := d.Tasks(cmd.Context())
			if err != nil {
				return err
			}
			stuck, err := s.undelivered(cmd.Context())
			if err != nil {
				return err
			}
			waits = append(waits, stuck...)
			if all {
				over, err := s.givenUp(cmd.Context())
				if err != nil {
					return err
				}
				waits = append(waits, over...)
			}
			if tasks {
				return taskListing().print(c, format, slices.Values(waits))
			}
			if err := c.sayHeld(cmd.Context(), d); err != nil {
				return err
			}
			if !d.On() {
				fmt.Fprintln(c.err, "notices.from is not configured: no notices are drafted")
			}
			list, err := s.store.Notices(cmd.Context(), store.NoticeFilter{})
			if err != nil {
				return err
			}
			views, err := s.noticeViews(cmd.Context(), list)
			if err != nil {
				return err
			}
			if !all {
				views = slices.DeleteFunc(views, func(v noticeView) bool { return !v.GoesOn() })
			}
			if err := noticeListing().print(c, format, slices.Values(views)); err != nil || format != asTable || len(waits) == 0 {
				return err
			}
			fmt.Fprintf(c.out, "\nWaiting for a person (mailreeve notices list --tasks)\n")
			return taskListing().print(c, format, slices.Values(waits))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are over, and messages that were given up")
	cmd.Flags().BoolVar(&tasks, "tasks", false, "only what waits for a person")
	formatFlag(cmd, &format)
	return cmd
}

// sayHeld says on stderr where an abnormal night holds up notices.
func (c *cli) sayHeld(ctx context.Context, d *notices.Desk) error { return printHeld(ctx, c.err, d) }

// printHeld says where an abnormal night holds up notices, if there are any.
func printHeld(ctx context.Context, w io.Writer, d *notices.Desk) error {
	n, err := d.Held(ctx)
	if n != nil && d.On() {
		fmt.Fprintln(w, n.Alarm())
	}
	return err
}

func (c *cli) noticesShowCommand() *cobra.Command {
	var format, attachment string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a notice: to whom, about what, how far it is, what was answered; or a message, as M-17: what became of it",
		Long: `show shows a notice, what its vendor answered, and what it attached. --attachment writes an attached file to standard output instead, as the vendor sent it:
treat it as you treat any file of a stranger.`,
		Example: "  mailreeve notices show N-3K9Q\n  mailreeve notices show N-3K9Q --attachment A-7LQX2MB4RT5WZ3CE > file.pdf",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			if id, ok := isMessage(args[0]); ok {
				return c.printMessage(cmd.Context(), s, id, format)
			}
			n, err := s.store.Notice(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if attachment != "" {
				return s.writeAttachment(cmd.Context(), c.out, n.Findings(), attachment)
			}
			views, err := s.noticeViews(cmd.Context(), []audit.Notice{*n})
			if err != nil {
				return err
			}
			files, err := s.store.Attachments(cmd.Context(), n.Findings())
			if err != nil {
				return err
			}
			if format == asJSON {
				return record.Write(c.out, record.NoticeDetail{Notice: record.NoticeOf(&views[0].State, views[0].digest), Matters: record.MattersOf(views[0].Matters), Attachments: record.AttachmentsOf(files)}, "  ")
			}
			return c.printNotice(&views[0], files)
		},
	}
	cmd.Flags().StringVar(&attachment, "attachment", "", "write this attached file to standard output")
	formatFlag(cmd, &format, asTable, asJSON)
	return cmd
}

func (c *cli) printNotice(v *noticeView, files []store.Attachment) error {
	t := newTable(c.out)
	t.row("notice", v.ID+", "+string(v.Kind))
	t.row("vendor", cmp.Or(v.VendorName, v.Vendor))
	t.row("to", strings.Join(v.Recipients, ", "))
	t.row("findings", strings.Join(v.Notice.Findings(), ", "))
	t.row("drafted", when(v.Created)+", after "+v.Run)
	state := string(v.Delivery)
	if v.Why != "" {
		state += ": " + v.Why
	}
	t.row("delivery", state)
	t.row("digest", v.digest)
	if v.ApprovedBy != "" {
		t.row("approved", when(v.ApprovedAt)+" by "+v.ApprovedBy)
	}
	if record.IsSet(v.SentAt) {
		t.row("sent", when(v.SentAt))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := c.printMatters(v.Matters); err != nil || len(files) == 0 {
		return err
	}
	fmt.Fprintln(c.out)
	t = newTable(c.out)
	t.row("ATTACHED", "FINDING", "AT", "BYTES", "TYPE", "NAME")
	for _, a := range files {
		t.row(a.ID, a.Finding, when(a.At), strconv.FormatInt(a.Size, 10), a.Kind, a.Name)
	}
	return t.flush()
}

func (c *cli) printMatters(matters []audit.Matter) error {
	if len(matters) == 0 {
		return nil
	}
	fmt.Fprintln(c.out)
	t := newTable(c.out)
	t.row("FINDING", "ANSWER", "TOLD", "DUE", "SAYS")
	for _, m := range matters {
		var says []string
		if m.AnswerBy != 0 {
			says = append(says, "its questions are to be answered by "+when(m.AnswerBy))
		}
		if m.Extended > 0 {
			says = append(says, fmt.Sprintf("extended by %d days", int(m.Extended/(24*time.Hour))))
		}
		if m.ExtensionAsked {
			says = append(says, "more time was asked for")
		}
		if m.DisputedAt != audit.Never {
			says = append(says, "disputed since "+when(m.DisputedAt))
		}
		if m.Stands() {
			says = append(says, "the clock stands")
		}
		if m.ClosedAt != audit.Never {
			says = append(says, "over since "+when(m.ClosedAt))
		}
		t.row(m.Finding, string(m.Answer), when(m.Notified), when(m.Due), strings.Join(says, ", "))
	}
	return t.flush()
}

func (c *cli) noticesPreviewCommand() *cobra.Command {
	var asHTML, asNotice bool
	cmd := &cobra.Command{
		Use:     "preview ID",
		Short:   "Print a notice as it is sent",
		Example: "  mailreeve notices preview N-3K9Q\n  mailreeve notices preview N-3K9Q --html > notice.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asHTML && asNotice {
				return usagef("--html and --json: give one of them")
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			n, err := s.store.Notice(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			m, err := s.desk().Preview(n)
			if err != nil {
				return err
			}
			switch {
			case asHTML:
				_, err = fmt.Fprintln(c.out, m.HTML)
			case asNotice:
				err = record.Write(c.out, m.JSON, "  ")
			default:
				to := make([]string, len(n.Recipients))
				for i, r := range n.Recipients {
					to[i] = shown(r)
				}
				if _, err = fmt.Fprintf(c.out, "To: %s\nSubject: %s\n\n%s\n", strings.Join(to, ", "), m.Subject, strings.TrimRight(m.Text, "\n")); err == nil && n.Delivery == audit.NoticeDrafted {
					err = c.sayHowToApprove(s.desk(), n)
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asHTML, "html", false, "the HTML part")
	cmd.Flags().BoolVar(&asNotice, "json", false, "the part for programs")
	return cmd
}

// sayHowToApprove says on stderr how to approve what was just shown of a notice, and nothing else.
func (c *cli) sayHowToApprove(d *notices.Desk, n *audit.Notice) error {
	digest, err := d.Digest(n)
	if err == nil {
		fmt.Fprintf(c.err, "approve this, and nothing else: mailreeve notices approve %s --digest %s\n", n.ID, digest)
	}
	return err
}

func (c *cli) noticesApproveCommand() *cobra.Command {
	var reason, digest string
	cmd := &cobra.Command{
		Use:   "approve ID…",
		Short: "Approve notices as they are: what is sent, and to whom",
		Long: `approve pins a notice's recipients and content. Where either changes before it is sent, it has to be approved anew. With --digest, as preview and
show print it, it is approved only if it still is what you saw.
It goes out with serve, or with mailreeve notices send; of one vendor at most one notice a night.`,
		Example: "  mailreeve notices approve N-3K9Q N-7TQ2\n  mailreeve notices approve N-3K9Q --digest sha256:…",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			switch {
			case digest != "" && len(ids) > 1:
				return usagef("--digest is of one notice: give one ID with it")
			case digest != "" && !digestPattern.MatchString(digest):
				return usagef("--digest: %q is none as preview and show print it: sha256: and 64 hexadecimal digits", digest)
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			d := s.desk()
			var refused []error
			for _, id := range ids {
				n, err := d.Approve(cmd.Context(), id, notices.Approval{By: operator(), Reason: address.Redact(reason), Digest: digest})
				if err != nil {
					refused = append(refused, err)
					continue
				}
				fmt.Fprintln(c.out, shown(fmt.Sprintf("%s is approved, for %s: %s", n.ID, count(len(n.Recipients), "recipient", "recipients"), n.Pinned)))
			}
			return errors.Join(append(refused, c.sayHeld(cmd.Context(), d))...)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the trail, addresses masked")
	cmd.Flags().StringVar(&digest, "digest", "", "approve only what has this digest")
	return cmd
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (c *cli) noticesReleaseCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "release [RUN]",
		Example: "  mailreeve notices release\n  mailreeve notices release R-000001",
		Short:   "Let the notices go that an abnormal night, or a first run, holds up",
		Long: `A night that files far more critical and high findings than others is abnormal: no notice is sent until somebody has looked and releases it.
What a first run finds is told to vendors only once that run is released, by its id; without one, release is for all abnormal nights.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			run := ""
			if len(args) > 0 {
				run = strings.ToUpper(args[0])
			}
			d := s.desk()
			released, err := d.Release(cmd.Context(), run, operator(), address.Redact(reason))
			for _, r := range released {
				fmt.Fprintf(c.out, "%s is released\n", r)
			}
			if err != nil {
				return err
			}
			if len(released) == 0 {
				fmt.Fprintln(c.err, "no abnormal night holds up notices")
				return nil
			}
			return d.Night(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the trail, addresses masked")
	return cmd
}

func (c *cli) noticesSendCommand() *cobra.Command {
	var retry, giveUp bool
	var reason, link string
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Send the notices that are approved, or a fresh link to a vendor's page",
		Long: `send gives what is approved to the mail server, and says what is on its way. serve does so by itself. --retry also tries again at once what failed or
waits for more than 6 hours, for whomever it is.

--give-up is for what is not to be delivered any more, for whomever it is: messages, as notices list shows them, or the name of a receiver that is no longer configured (slack, email,
webhook, jira, heartbeat), for all that waits for it. Who, when and why stay in the trail. A vendor's notice that is given up counts as not sent: the next night drafts it anew.

--link sends a fresh link to its page to the vendor of a notice, at most once an hour: to those who got one of its notices and are its contacts still.`,
		Example: "  mailreeve notices send --retry\n  mailreeve notices send --give-up M-17 --reason 'the channel was closed'\n  mailreeve notices send --give-up webhook --reason 'the receiver is gone'\n  mailreeve notices send --link N-3K9Q",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case giveUp && len(args) == 0:
				return errors.New("--give-up needs the messages, as M-17, or the name of a receiver")
			case !giveUp && len(args) > 0:
				return fmt.Errorf("%q: only --give-up takes arguments", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case giveUp && retry, link != "" && (giveUp || retry):
				return usagef("--give-up, --retry, --link: give one of them")
			case giveUp != cmd.Flags().Changed("reason") || giveUp && strings.TrimSpace(reason) == "":
				return usagef("%s --give-up needs --reason, and nothing else does", cmd.CommandPath())
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			if giveUp {
				return c.giveUp(cmd.Context(), s, args, address.Redact(reason))
			}
			if link != "" {
				return c.sendLink(cmd.Context(), s, link)
			}
			var retried error
			if retry {
				if retried = s.retryStuck(cmd.Context()); !s.writesToVendors() {
					return retried
				}
			}
			return errors.Join(retried, c.sendNotices(cmd.Context(), s))
		},
	}
	cmd.Flags().BoolVar(&retry, "retry", false, "also try again what could not be delivered")
	cmd.Flags().BoolVar(&giveUp, "give-up", false, "give up messages that are not delivered")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the trail, addresses masked")
	cmd.Flags().StringVar(&link, "link", "", "send a fresh link to the vendor of this notice, and nothing else")
	return cmd
}

func (c *cli) sendLink(ctx context.Context, s *system, notice string) error {
	n, err := s.store.Notice(ctx, notice)
	if err != nil {
		return err
	}
	since := audit.At(s.clock())
	recipients, err := s.desk().SendLink(ctx, n.Vendor, operator())
	if err != nil {
		return fmt.Errorf("a fresh link for the vendor of %s: %w", n.ID, err)
	}
	fmt.Fprintln(c.out, shown(fmt.Sprintf("%s gets a fresh link, at %s", cmp.Or(n.VendorName, n.Vendor), count(recipients, "address", "addresses"))))
	return s.deliver(ctx, since, patience)
}

func (s *system) writesToVendors() bool { return s.desk().On() && s.cfg.Notices.SMTP != "" }

// retryStuck tries again at once what failed for good or waits for too long, to whomever it goes: also where no vendor may be written to now.
func (s *system) retryStuck(ctx context.Context) error {
	stuck, err := s.store.Stuck(ctx, audit.At(s.clock()))
	if err != nil {
		return err
	}
	var ids []int64
	for _, m := range stuck {
		if err := s.retry(ctx, &m, operator()); err != nil {
			return err
		}
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	return s.deliverAll(ctx, patience, func(ctx context.Context, sinks []string) (store.Owed, error) { return s.store.OwedOf(ctx, ids, sinks) })
}

func (c *cli) sendNotices(ctx context.Context, s *system) error {
	d := s.desk()
	if !s.writesToVendors() {
		return fmt.Errorf("%s: notices: say how vendors are written to, with smtp and from", s.cfg.Path)
	}
	if n, err := d.Held(ctx); err != nil {
		return err
	} else if n != nil {
		return errors.New(n.Alarm())
	}
	since := audit.At(s.clock())
	if err := s.betweenNights(ctx); err != nil {
		return err
	}
	delivery := s.deliver(ctx, since, patience)
	if err := d.Advance(ctx); err != nil {
		return errors.Join(delivery, err)
	}
	list, err := s.store.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeApproved, audit.NoticeSent}})
	if err != nil {
		return errors.Join(delivery, err)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "nothing is approved, or on its way")
	}
	for _, n := range list {
		state := string(n.Delivery)
		if n.Delivery == audit.NoticeApproved {
			state = "waits for the next night: its vendor has had a notice of this one"
			if n.Queued() {
				state = "waits in the outbox"
			}
		}
		fmt.Fprintln(c.out, shown(n.ID+" "+state))
	}
	return delivery
}

func (c *cli) noticesAnswerCommand() *cobra.Command {
	var r audit.Reply
	var kind, finding string
	var days int
	var revoke bool
	kinds := joined(audit.ReplyKinds())
	cmd := &cobra.Command{
		Use:   "answer ID",
		Short: "Enter what a vendor answered to a notice, or decide about it",
		Long: `answer enters what came back by mail or otherwise, for all findings of the notice, or with --finding for one:
viewed; extension: it asks for more time (once, at most 28 days); dispute: it says that the finding is wrong, which stops the clock for at most 14 days;
fix-claimed: it says that it is mended, which counts as verified after 3 nights that find nothing more;
incident: it answers the questions of an incident; the three before do so, too.
With extension-granted --days, extension-refused, dispute-accepted and dispute-rejected a person decides; a dispute, another one than who approved the notice.
--revoke-link instead takes back all links to the vendor's page that its contacts were sent so far, so that nobody answers by them any more, and closes the page where it is open;
what is sent later opens it again. Where the vendor was never written to, there is nothing to take back, and it is refused.`,
		Example: "  mailreeve notices answer N-3K9Q --kind dispute --text 'these calls were a test'\n  mailreeve notices answer N-3K9Q --kind extension-granted --days 14 --text 'release on the 12th'\n  mailreeve notices answer N-3K9Q --revoke-link --text 'a mailbox was broken into'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if revoke {
				return c.revokeLinks(cmd, args[0], r.Text)
			}
			r.Kind, r.By, r.For = audit.ReplyKind(kind), operator(), time.Duration(days)*24*time.Hour
			switch {
			case kind == "":
				return usagef("%s needs --kind: one of %s", cmd.CommandPath(), kinds)
			case !slices.Contains(audit.ReplyKinds(), r.Kind):
				return usagef("--kind: %q is none of %s", kind, kinds)
			case r.Kind != audit.ReplyViewed && strings.TrimSpace(r.Text) == "":
				return usagef("%s --kind %s needs --text", cmd.CommandPath(), kind)
			case (r.Kind == audit.GrantExtension) != cmd.Flags().Changed("days") || cmd.Flags().Changed("days") && days < 1:
				return usagef("--days: give days, 1 or more, with --kind %s, and only there", audit.GrantExtension)
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			if finding != "" {
				f, err := s.store.Finding(cmd.Context(), finding)
				if err != nil {
					return err
				}
				finding = f.ID
			}
			done, err := s.desk().Reply(cmd.Context(), args[0], finding, r)
			for _, m := range done {
				fmt.Fprintln(c.out, shown(fmt.Sprintf("%s: %s, due %s", m.Finding, m.Answer, when(m.Due))))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&revoke, "revoke-link", false, "take back the links to the vendor's page, and close it")
	cmd.Flags().StringVar(&kind, "kind", "", "one of "+kinds+" (needed, unless --revoke-link)")
	cmd.Flags().StringVar(&finding, "finding", "", "only for this finding of the notice (default: all)")
	cmd.Flags().StringVar(&r.Text, "text", "", "what was said; it is kept in the trail, addresses masked")
	cmd.Flags().IntVar(&days, "days", 0, "how long the extension is")
	return cmd
}

func (c *cli) revokeLinks(cmd *cobra.Command, notice, reason string) error {
	for _, other := range []string{"kind", "finding", "days"} {
		if cmd.Flags().Changed(other) {
			return usagef("--revoke-link is for all that the vendor was told of: without --%s", other)
		}
	}
	if strings.TrimSpace(reason) == "" {
		return usagef("%s --revoke-link needs --text: why", cmd.CommandPath())
	}
	s, err := c.openStore(cmd.Context())
	if err != nil {
		return err
	}
	defer s.close()
	n, err := s.desk().RevokeLinks(cmd.Context(), notice, operator(), address.Redact(reason))
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, shown("The links of "+cmp.Or(n.VendorName, n.Vendor)+" are taken back, and its page is closed. Have its contacts in the registry looked at; then mailreeve notices send --link "+n.ID))
	return nil
}
