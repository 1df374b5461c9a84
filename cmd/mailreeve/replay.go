package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) replayCommand() *cobra.Command {
	var from, to, policy, format string
	var approve []string
	cmd := &cobra.Command{
		Use:   "replay --from DAY --to DAY --policy FILE",
		Short: "Tell what other rules would have found on past days",
		Long: `replay judges the UTC days from --from to --to again, from the archive and by another policy, and prints how that differs from the policies that
held: findings that would appear, that would vanish, and that would have other numbers, with up to five rows of evidence that make the difference. It
files nothing and tells nobody.

Both are judged as one night would have judged these days that ran at the end of the last of them (or, where that is later, as the last run did) and knew
the facts that are known today: so what differs is due to the rules alone. Days that the archive no longer holds are named on stderr.

--approve KEY=PURPOSE asks what an approval would change: the app is judged as if it had been approved for the purpose from --from on. Give it more than
once for more purposes or apps, and without --policy to keep the policies that held.`,
		Example: "  mailreeve replay --from 2026-11-01 --to 2026-11-22 --policy stricter.yaml\n" +
			"  mailreeve replay --from 2026-11-01 --to 2026-11-22 --approve com.fennelbrook.crm=user-sync --format jsonl",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r audit.Replay
			var err error
			if r.From, err = dayFlag("--from", from); err != nil {
				return err
			}
			if r.To, err = dayFlag("--to", to); err != nil {
				return err
			}
			switch {
			case r.To < r.From:
				return usagef("--to %s comes before --from %s", to, from)
			case policy == "" && len(approve) == 0:
				return usagef("give --policy FILE or --approve KEY=PURPOSE: with neither, nothing would differ")
			}
			if r.Approve, err = approvals(approve); err != nil {
				return err
			}
			if policy != "" {
				text, err := os.ReadFile(policy)
				if err != nil {
					return fmt.Errorf("--policy: %w", err)
				}
				if r.Policy, err = config.ParsePolicy(policy, text); err != nil {
					return err
				}
			}
			s, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			c.tellDoubts(cmp.Or(r.Policy, s.cfg.Policy), r.Approve)
			bar := newBar(c.err)
			r = s.replay(r)
			r.Progress = bar.show
			res, err := r.Run(cmd.Context())
			bar.done()
			if err != nil {
				return err
			}
			files, err := s.store.EvidencePaths(cmd.Context(), examples(res))
			if err != nil {
				return err
			}
			if err := differenceListing(files).print(c, format, slices.Values(res.Differences)); err != nil {
				return err
			}
			c.tellReplayed(res)
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first UTC day, as in 2026-11-01")
	cmd.Flags().StringVar(&to, "to", "", "the last UTC day, included")
	cmd.Flags().StringVar(&policy, "policy", "", "the policy file to judge by")
	cmd.Flags().StringArrayVar(&approve, "approve", nil, "KEY=PURPOSE: as if the app were approved for it; may be repeated")
	formatFlag(cmd, &format)
	return cmd
}

// replay is r in this system.
func (s *system) replay(r audit.Replay) audit.Replay {
	night := s.night(s.store.Night(nil), nil)
	r.Store, r.Archive, r.ChecksOf, r.Workers = night.Store, night.Archive, night.ChecksOf, night.Hands()
	for _, x := range s.cfg.Sources {
		r.Kinds = append(r.Kinds, audit.Kind(x.Kind))
	}
	return r
}

func dayFlag(name, text string) (audit.Day, error) {
	if text == "" {
		return 0, usagef("%s is missing: a UTC day, as in 2026-11-01", name)
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, usagef("%s: %q is no day as in 2026-11-01", name, text)
	}
	return audit.At(t).Day(), nil
}

// approvals reads KEY=PURPOSE, some times.
func approvals(list []string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, x := range list {
		key, purpose, ok := strings.Cut(x, "=")
		if !ok || key == "" || purpose == "" {
			return nil, usagef("--approve: %q is not KEY=PURPOSE, as in com.example.app=user-sync", x)
		}
		out[key] = append(out[key], purpose)
	}
	return out, nil
}

// tellDoubts says which of the purposes that are asked about would not be approved as they are written.
func (c *cli) tellDoubts(p *audit.Policy, approve map[string][]string) {
	for _, key := range slices.Sorted(maps.Keys(approve)) {
		for _, purpose := range approve[key] {
			switch {
			case p.IsProhibited(p.Purpose(purpose)):
				fmt.Fprintf(c.err, "--approve %s=%s: that purpose is never approved; calls for it are found all the same\n", key, purpose)
			case !p.IsApprovable(p.Purpose(purpose)):
				fmt.Fprintf(c.err, "--approve %s=%s: that is none of the purposes that the policy lists (%s): see that it is spelled as apps declare it\n", key, purpose, strings.Join(p.Approvable, ", "))
			}
		}
	}
}

// examples is what differs as findings with their evidence, for their files.
func examples(r *audit.Replayed) []audit.Finding {
	out := make([]audit.Finding, len(r.Differences))
	for i := range r.Differences {
		out[i].Evidence = r.Differences[i].Examples
	}
	return out
}

// tellReplayed says on stderr what was judged, and what could not be.
func (c *cli) tellReplayed(r *audit.Replayed) {
	n := map[audit.DifferenceKind]int{}
	for i := range r.Differences {
		n[r.Differences[i].Kind]++
	}
	fmt.Fprintf(c.err, "%s of %s, judged as of %s: %s would appear, %d would vanish, %d would change, %d would stay as they are. Nothing was filed.\n",
		count(r.Days, "day", "days"), count(r.Apps, "app", "apps"), when(r.AsOf), count(n[audit.Appears], "finding", "findings"), n[audit.Vanishes], n[audit.Differs], len(r.Same))
	if r.Gone > 0 {
		fmt.Fprintf(c.err, "Not judged: %s, which the archive no longer holds.\n", dayRange(r.First-audit.Day(r.Gone), r.First-1))
	}
	for _, rule := range slices.Sorted(maps.Keys(r.Failed)) {
		fmt.Fprintf(c.err, "Not judged by %s, of some apps: %s\n", rule, address.Redact(r.Failed[rule].Error()))
	}
	for _, check := range slices.Sorted(maps.Keys(r.Blind)) {
		days := r.Blind[check]
		fmt.Fprintf(c.err, "Not judged by %s: %s, because the archive no longer holds the days before that it has to see.\n", check, dayRange(days[0], days[len(days)-1]))
	}
}

func dayRange(from, to audit.Day) string {
	if from == to {
		return from.String()
	}
	return from.String() + " to " + to.String()
}

// A differenceRecord is a difference in JSON.
type differenceRecord struct {
	Change   audit.DifferenceKind `json:"change"`
	App      string               `json:"app_key"`
	Name     string               `json:"app_name"`
	Check    string               `json:"check"`
	Clause   string               `json:"clause"`
	Subject  string               `json:"subject"`
	Title    string               `json:"title"`
	Was      *judgedRecord        `json:"was"`   // null: no finding
	Would    *judgedRecord        `json:"would"` // null: no finding
	Examples []record.Evidence    `json:"examples"`
}

type judgedRecord struct {
	Severity    audit.Severity   `json:"severity"`
	Confidence  audit.Confidence `json:"confidence"`
	Occurrences int              `json:"occurrences"`
	Accounts    int              `json:"accounts"`
	Sites       int              `json:"sites"`
	First       record.Moment    `json:"first_seen"`
	Last        record.Moment    `json:"last_seen"`
}

func judgedRecordOf(j *audit.Judged) *judgedRecord {
	if j == nil {
		return nil
	}
	return &judgedRecord{j.Severity, j.Confidence, j.Occurrences, j.Accounts, j.Sites, record.Moment(j.First), record.Moment(j.Last)}
}

func differenceListing(files map[uint32]string) listing[audit.Difference] {
	type D = audit.Difference
	number := func(j *audit.Judged, of func(*audit.Judged) int) string {
		if j == nil {
			return ""
		}
		return strconv.Itoa(of(j))
	}
	l := listing[D]{
		none: "these rules would have found the same",
		record: func(d D) any {
			r := differenceRecord{d.Kind, d.App, d.Name, d.Check, d.Clause, d.Subject, d.Title, judgedRecordOf(d.Was), judgedRecordOf(d.Would),
				make([]record.Evidence, len(d.Examples))}
			for i, e := range d.Examples {
				r.Examples[i] = record.EvidenceOf(&e, files)
			}
			return r
		},
		columns: []column[D]{
			{name: "change", of: func(d D) string { return string(d.Kind) }},
			{name: "severity", of: func(d D) string {
				if d.Was != nil && d.Would != nil && d.Was.Severity != d.Would.Severity {
					return string(d.Was.Severity + " to " + d.Would.Severity)
				}
				return string(d.Graded().Severity)
			}},
			{name: "check", of: func(d D) string { return d.Check }},
			{name: "app", of: func(d D) string { return d.App }},
			{name: "subject", of: func(d D) string { return d.Subject }},
		},
	}
	for _, n := range []struct {
		name string
		of   func(*audit.Judged) int
	}{
		{"occurrences", func(j *audit.Judged) int { return j.Occurrences }},
		{"accounts", func(j *audit.Judged) int { return j.Accounts }},
		{"sites", func(j *audit.Judged) int { return j.Sites }},
	} {
		l.columns = append(l.columns,
			column[D]{name: "was_" + n.name, of: func(d D) string { return number(d.Was, n.of) }},
			column[D]{name: "would_" + n.name, of: func(d D) string { return number(d.Would, n.of) }})
	}
	l.columns = append(l.columns, column[D]{name: "example", of: func(d D) string {
		if len(d.Examples) == 0 {
			return ""
		}
		return record.Place(d.Examples[0].Source, files)
	}})
	return l
}
