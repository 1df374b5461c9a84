package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
)

// An actFlags is what the commands that act on findings are told.
type actFlags struct {
	reason, until, site, to, act string
}

func (c *cli) actCommands() []*cobra.Command {
	command := func(kind audit.DeedKind, name, short, long, example string, add func(*cobra.Command, *actFlags)) *cobra.Command {
		var f actFlags
		cmd := &cobra.Command{
			Use: name + " ID…", Short: short, Long: long, Example: "  mailreeve findings " + name + " " + example,
			Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, ids []string) error {
				d, err := c.deed(cmd, kind, &f)
				if err != nil {
					return err
				}
				return c.act(cmd.Context(), d, ids)
			},
		}
		cmd.Flags().StringVar(&f.reason, "reason", "", "why; it is kept in the trail, addresses masked")
		if add != nil {
			add(cmd, &f)
		}
		if cmd.Flags().Lookup("act") != nil {
			completes(cmd, "act", audit.RecommendedActs())
		}
		return cmd
	}
	acts := strings.Join(audit.RecommendedActs(), ", ")
	return []*cobra.Command{
		command(audit.DoAcknowledge, "ack", "Say that somebody has seen them", "", "F-Z47QJX F-NQ3S5N", nil),
		command(audit.DoAssign, "assign", "Say who deals with them", "", "F-Z47QJX --to ann", func(cmd *cobra.Command, f *actFlags) {
			cmd.Flags().StringVar(&f.to, "to", "", `who; "" for nobody (needed)`)
		}),
		command(audit.DoComment, "comment", "Write a comment into their history", "", "F-Z47QJX --text 'asked the vendor by phone'", func(cmd *cobra.Command, f *actFlags) {
			cmd.Flags().StringVar(&f.reason, "text", "", "the comment (needed); --reason is the same")
		}),
		command(audit.DoRemediate, "remediate", "Say that the vendor is mending it", "", "F-Z47QJX --reason 'fixed in 2.4, out on Monday'", nil),
		command(audit.DoResolve, "resolve", "Say that they are over",
			"resolve closes findings. One about what happened reopens when it happens again; whether one about what holds is mended, the next night sees.", "F-Z47QJX --reason 'the vendor erased the addresses'", nil),
		command(audit.DoReopen, "reopen", "Take back that they were resolved, suppressed or dismissed",
			`reopen opens findings again, and ends what suppresses or dismisses them. One that was accepted is no longer part of the approval. With --site only the
suppression of that site ends: a finding that was suppressed site by site is open again, any other stays as it is.`,
			"F-Z47QJX", func(cmd *cobra.Command, f *actFlags) {
				cmd.Flags().StringVar(&f.site, "site", "", "only what suppresses this site (cloud_id)")
			}),
		command(audit.DoSuppress, "suppress", "Accept them for a time: they grow in silence",
			`suppress keeps findings out of the way until a time, at most as long as the policy allows (365 days), or until they grow too far beyond what they
are now. With --site only that site is covered: a finding stays open while another one has some.`,
			"F-Z47QJX --until 2027-01-31 --reason 'they move to another service'",
			func(cmd *cobra.Command, f *actFlags) {
				cmd.Flags().StringVar(&f.until, "until", "", "until when: RFC 3339, or a day, at whose beginning (UTC) it ends (needed, as is --reason)")
				cmd.Flags().StringVar(&f.site, "site", "", "only on this site (cloud_id)")
			}),
		command(audit.DoDismiss, "dismiss", "Say that they are false positives (needs --reason)",
			"dismiss says that findings are false positives. It lasts as long as the policy says (180 days), or until they grow too far beyond what they are now.", "F-Z47QJX --reason 'a test of our own'", nil),
		command(audit.DoAccept, "accept", "Take what feature-drift found into the approval",
			"accept takes the scope, module, host or domain that a feature-drift finding is about into the newest approval in force, as if it had been in its snapshot.", "F-M1GB3V --reason 'told us in March'", nil),
		command(audit.DoRecommend, "recommend", "Recommend what to do about the app", "", "F-Z47QJX --act warn --reason 'the third time'", func(cmd *cobra.Command, f *actFlags) {
			cmd.Flags().StringVar(&f.act, "act", "", "one of "+acts+" (needed)")
		}),
		command(audit.DoDecide, "decide", "Decide on what is recommended", "", "F-Z47QJX --reason 'agreed with legal'", func(cmd *cobra.Command, f *actFlags) {
			cmd.Flags().StringVar(&f.act, "act", "", "one of "+acts+" (default: what is recommended)")
		}),
	}
}

// deed is what the command line wants done; wrong or missing options are usage errors.
func (c *cli) deed(cmd *cobra.Command, kind audit.DeedKind, f *actFlags) (*audit.Deed, error) {
	d := &audit.Deed{Kind: kind, By: operator(), At: audit.At(c.clock()), Reason: address.Redact(strings.TrimSpace(f.reason)), Site: f.site,
		Assignee: strings.TrimSpace(f.to), Act: f.act}
	need := func(has bool, option string) error {
		if !has {
			return usagef("%s needs %s", cmd.CommandPath(), option)
		}
		return nil
	}
	var err error
	switch kind {
	case audit.DoAssign:
		err = need(cmd.Flags().Changed("to"), "--to")
	case audit.DoComment:
		err = need(d.Reason != "", "--text")
	case audit.DoDismiss:
		err = need(d.Reason != "", "--reason")
	case audit.DoRecommend:
		err = need(d.Act != "", "--act")
	case audit.DoSuppress:
		if err = need(d.Reason != "" && f.until != "", "--reason and --until"); err == nil {
			d.Until, err = until("--until", f.until)
		}
	}
	if err == nil && d.Act != "" && !slices.Contains(audit.RecommendedActs(), d.Act) {
		err = usagef("--act: %q is none of %s", d.Act, strings.Join(audit.RecommendedActs(), ", "))
	}
	return d, err
}

// until is an option that says until when.
func until(option, s string) (audit.Instant, error) {
	t, ok := audit.ParseEnd(s)
	if !ok {
		return 0, usagef("%s: %q is no time as in 2027-01-31T00:00:00Z and no day as in 2027-01-31", option, s)
	}
	return t, nil
}

// act does a deed to the findings that are named. Where one refuses, the others are done all the same.
func (c *cli) act(ctx context.Context, d *audit.Deed, ids []string) error {
	s, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	list, err := s.named(ctx, ids)
	if err != nil {
		return err
	}
	d.Policy = s.cfg.Policy
	if d.AsOf, err = s.lastAsOf(ctx); err != nil {
		return err
	}
	var refused []error
	for _, f := range list {
		now, err := s.do(ctx, *d, f)
		if err != nil {
			refused = append(refused, err)
			continue
		}
		fmt.Fprintln(c.out, outcome(d, now))
	}
	return errors.Join(refused...)
}

// do does a deed to one finding.
func (s *system) do(ctx context.Context, d audit.Deed, f *audit.Finding) (now *audit.Finding, err error) {
	if check, ok := s.checks.Get(f.Check); ok {
		d.Nature = check.Nature
	}
	if d.Site != "" {
		held, err := s.store.Holding(ctx, f.ID)
		if err != nil {
			return nil, err
		}
		d.Sites = held.Sites
	}
	err = s.store.Change(ctx, f.ID, func(f *audit.Finding, running []audit.Act) (store.Changed, error) {
		done, err := d.Do(*f, running)
		if err != nil {
			return store.Changed{}, err
		}
		for i := range done.Trail {
			redact(done.Trail[i].Details)
		}
		now = &done.Finding
		messages, err := s.compose(notifier.News{At: d.At, Changes: []audit.Change{{Finding: done.Finding, What: audit.IsActed}}, Trail: done.Trail})
		if err != nil {
			return store.Changed{}, err
		}
		return store.Changed{Messages: messages, Finding: done.Finding, NewActs: done.Begun, EndedActs: done.Ended, Trail: done.Trail, Approvals: done.Approvals, Judge: done.Judge}, nil
	})
	return now, err
}

// redact masks addresses in the details of an entry of the trail: no column of it is made for them.
func redact(details map[string]any) {
	for k, v := range details {
		if s, ok := v.(string); ok {
			details[k] = address.Redact(s)
		}
	}
}

// lastAsOf is the as-of of the last finished run; now where there is none.
func (s *system) lastAsOf(ctx context.Context) (audit.Instant, error) {
	runs, err := s.store.Runs(ctx, 0)
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		if r.Status == audit.Finished {
			return r.AsOf, nil
		}
	}
	return audit.At(s.clock()), nil
}

// outcome says what became of a finding.
func outcome(d *audit.Deed, f *audit.Finding) string {
	said := "is " + string(f.Status)
	switch d.Kind {
	case audit.DoAssign:
		said = "is assigned to nobody"
		if f.Assignee != "" {
			said = "is assigned to " + f.Assignee
		}
	case audit.DoComment:
		said = "has a new comment"
	case audit.DoReopen:
		if d.Site != "" {
			said = "is no longer suppressed on site " + d.Site + ", and is " + string(f.Status)
		}
	case audit.DoSuppress:
		said += ", until " + d.Until.String()
		if d.Site != "" {
			said = "is suppressed on site " + d.Site + " until " + d.Until.String()
			if f.Status != audit.Suppressed {
				said += ", and stays " + string(f.Status) + ": it is about other sites too"
			}
		}
	case audit.DoAccept:
		said = "is resolved: what it is about is part of the approval now"
	case audit.DoRecommend:
		said = "has the recommendation " + f.Recommendation.Act
	case audit.DoDecide:
		said = "waits for another person to decide for " + f.Recommendation.Act
		if f.Recommendation.DecidedBy != "" {
			said = "has the decision " + f.Recommendation.Decision
		}
	}
	return shown(f.ID + " " + said)
}
