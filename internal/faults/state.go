//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A state is what an estate holds in the end, without what may differ: times of the clock, and the numbers of runs.
type state struct {
	findings map[string]audit.Finding
	held     map[string][]string // accounts, sites and hosts of each
	sums     map[string][]int64  // by as-of: what its runs did, together
	trail    []string
	bad      []string // lines in quarantine
	messages []string // as Slack got them
	outbox   []string
	litter   []string // segments that are too many or too few, parts of nights that have ended
	twice    int
}

var (
	runID = regexp.MustCompile(`R-\d{6,}`)
	head  = regexp.MustCompile(`entry \d+, head [0-9a-f]{64}`) // hashes a salt, and entries of every run
)

func (e *estate) state(ctx context.Context) (*state, error) {
	s, err := store.Open(ctx, e.reached)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out := &state{findings: map[string]audit.Finding{}, held: map[string][]string{}, sums: map[string][]int64{}}
	for _, f := range []func(context.Context, *store.Store) error{out.readFindings, out.readRuns, out.readTrail, out.readQuarantine, out.readOutbox} {
		if err := f(ctx, s); err != nil {
			return nil, err
		}
	}
	out.messages, out.twice = e.slack.messages()
	for _, list := range [][]string{out.trail, out.bad, out.messages, out.outbox} {
		for i := range list {
			list[i] = strings.ReplaceAll(head.ReplaceAllString(runID.ReplaceAllString(list[i], "R"), "head"), e.dir, "DIR")
		}
	}
	return out, e.litter(ctx, s, out)
}

func (o *state) readFindings(ctx context.Context, s *store.Store) error {
	list, err := s.Findings(ctx, store.Filter{})
	if err != nil {
		return err
	}
	for _, f := range list {
		f.FirstRun, f.LastRun, f.Latest.Run = "", "", ""
		o.findings[f.ID] = f
		h, err := s.Holding(ctx, f.ID)
		if err != nil {
			return err
		}
		o.held[f.ID] = slices.Concat(h.Accounts.Strings(), h.Sites.Strings(), h.Hosts.Strings())
	}
	return nil
}

// readRuns sums up what the runs of each as-of did: a night that was killed after it had published is run again, and both together did what one does.
func (o *state) readRuns(ctx context.Context, s *store.Store) error {
	runs, err := s.Runs(ctx, 0)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Status == audit.Running {
			o.litter = append(o.litter, r.ID+" is still running")
		}
		if r.Status != audit.Finished {
			continue
		}
		sum := o.sums[r.AsOf.String()]
		if sum == nil {
			sum = make([]int64, 6)
			o.sums[r.AsOf.String()] = sum
		}
		n := r.Summary.Findings
		for i, x := range []int{n.New, n.Reopened, n.Worsened, n.Resolved, n.Withdrawn} {
			sum[i] += int64(x)
		}
		for _, x := range r.Summary.Sources {
			sum[5] += x.Facts
		}
	}
	return nil
}

func (o *state) readTrail(ctx context.Context, s *store.Store) error {
	if _, _, err := s.Verify(ctx); err != nil {
		return err
	}
	list, err := s.Trail(ctx, store.TrailFilter{})
	for _, e := range list {
		if e.What != "run" {
			o.trail = append(o.trail, fmt.Sprint(e.What, " ", e.Finding, " ", e.Why, " ", e.Details))
		}
	}
	return err
}

func (o *state) readQuarantine(ctx context.Context, s *store.Store) error {
	list, err := s.Quarantine(ctx)
	for _, q := range list {
		o.bad = append(o.bad, fmt.Sprintf("%s:%d %s %q", filepath.Base(q.Path), q.Line, q.Reason, q.Text))
	}
	slices.Sort(o.bad)
	return err
}

func (o *state) readOutbox(ctx context.Context, s *store.Store) error {
	list, err := s.Messages(ctx)
	for _, m := range list {
		if strings.HasPrefix(m.Key, "ops ") { // an alert about a fault, which the other estate does not have
			continue
		}
		if strings.HasPrefix(m.Key, "slack chart ") || strings.HasPrefix(m.Key, "slack update ") { // no messages of their own; the one is left out by slack.messages, the other shows there
			continue
		}
		o.outbox = append(o.outbox, fmt.Sprintf("%s %s sent %t %s", m.Sink, m.Key, m.SentAt != audit.Never, m.Body))
	}
	return err
}

// litter finds what nothing names any more, and what is named and not there.
func (e *estate) litter(ctx context.Context, s *store.Store, o *state) error {
	named, err := s.SegmentsInUse(ctx)
	if err != nil {
		return err
	}
	there, err := filepath.Glob(filepath.Join(e.archive, "*.s*"))
	if err != nil {
		return err
	}
	for i := range there {
		there[i] = filepath.Base(there[i])
	}
	slices.Sort(named)
	if d := cmp.Diff(named, there); d != "" {
		o.litter = append(o.litter, "segments (-named +there):\n"+d)
	}
	runs, err := s.Runs(ctx, 0)
	if err != nil {
		return err
	}
	for _, r := range runs {
		parts, err := s.Parts(ctx, r.Seq)
		if err != nil {
			return err
		}
		if len(parts) > 0 {
			o.litter = append(o.litter, fmt.Sprintf("%d parts of %s", len(parts), r.ID))
		}
	}
	a, err := archive.Open(ctx, e.archive, s) // it is still this store's
	if err != nil {
		return err
	}
	return a.Close()
}

// everything compares all of two states.
func everything(want, got *state) (differs []string) {
	for _, x := range []struct {
		what      string
		want, got any
	}{
		{"findings", want.findings, got.findings}, {"accounts, sites and hosts", want.held, got.held},
		{"new, reopened, worsened, resolved, withdrawn, facts", want.sums, got.sums}, {"trail", want.trail, got.trail},
		{"quarantine", want.bad, got.bad}, {"messages", want.messages, got.messages}, {"outbox", want.outbox, got.outbox}, {"left over", want.litter, got.litter},
	} {
		if d := cmp.Diff(x.want, x.got); d != "" {
			differs = append(differs, fmt.Sprintf("%s (-undisturbed +disturbed):\n%s", x.what, d))
		}
	}
	return differs
}

// An open finding's numbers: what the contract says does not depend on the order in which facts come.
type numbers struct {
	Occurrences, Accounts, Sites int
	Severity                     audit.Severity
	Confidence                   audit.Confidence
	Held                         []string
}

// inTheEnd compares what must be the same also where nights in between saw other files: open findings, their numbers, and lines in quarantine.
func inTheEnd(want, got *state) (differs []string) {
	open := func(s *state) map[string]numbers {
		out := map[string]numbers{}
		for _, id := range slices.Collect(maps.Keys(s.findings)) {
			if f := s.findings[id]; f.Status != audit.Resolved {
				out[strings.Join([]string{f.Check, f.App, f.Subject}, " ")] = numbers{f.Occurrences, f.Accounts, f.Sites, f.Severity, f.Confidence, s.held[id]}
			}
		}
		return out
	}
	if d := cmp.Diff(open(want), open(got)); d != "" {
		differs = append(differs, "open findings (-undisturbed +disturbed):\n"+d)
	}
	if d := cmp.Diff(want.bad, got.bad); d != "" {
		differs = append(differs, "quarantine (-undisturbed +disturbed):\n"+d)
	}
	if d := cmp.Diff(want.litter, got.litter); d != "" {
		differs = append(differs, "left over:\n"+d)
	}
	return differs
}
