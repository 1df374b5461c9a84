package notifier

import (
	"cmp"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A Digest is what people are told of a night. It is data only, and holds no addresses and no account ids.
type Digest struct {
	Run       string
	AsOf      audit.Instant
	Scheduled audit.Instant // Never: run by hand
	Baseline  bool          // the first run: all that it found is new
	Dry       bool          // nothing was filed

	New, Reopened, Worsened, Resolved, Withdrawn Counts
	Grew                                         Counts // open ones that only grew
	Open                                         Counts // all that are not resolved, suppressed or dismissed, after the night
	Silent                                       int    // suppressed or dismissed ones that grew
	Observed                                     Counts // new or changed ones whose check is not enforced yet

	Named         []Item // the new ones that are critical or high, worst first
	NamedReopened []Item // all of them, worst first
	NamedWorsened []Item // all of them, worst first
	NamedDue      []Item // what falls due within DueWithin, the soonest first
	Overdue       int    // what was due before
	Share         bool   // only a part of the night: what is told in one place

	Sources         []audit.SourceResult
	Checks          []audit.CheckResult // only those that could not look
	UnknownInstalls int                 // retrievals on sites of which nobody can say whether the app was installed
	ClockTrouble    int                 // records from more than a day after as-of
	Notes           []string
	Purged          *audit.Purged    // nil: nothing was
	Trail           *audit.TrailHead // nil: nothing was filed
}

// An Item is a finding as a digest names it.
type Item struct {
	ID         string
	Check      string
	Clause     string
	Severity   audit.Severity
	Confidence audit.Confidence
	App        string // its key; empty: calls by no app
	AppName    string
	Vendor     string
	Subject    string
	Why        string // one line

	Occurrences, Accounts, Sites int
	Latest                       audit.Latest // what the night added
	DueAt                        audit.Instant
}

// Counts counts findings by severity.
type Counts struct{ Critical, High, Medium, Low int }

// Add counts one more finding.
func (c *Counts) Add(s audit.Severity) { c.add(s, 1) }

func (c *Counts) add(s audit.Severity, n int) {
	switch s {
	case audit.Critical:
		c.Critical += n
	case audit.High:
		c.High += n
	case audit.Medium:
		c.Medium += n
	default:
		c.Low += n
	}
}

// Total is how many there are.
func (c Counts) Total() int { return c.Critical + c.High + c.Medium + c.Low }

// Observed says of a finding that it is only shown: see [audit.Finding].
const Observed = "observed: its check is not enforced yet, and nobody is told"

// Changed says whether the night changed any finding, other than what grew in silence. A run by hand that changed nothing posts nothing.
func (d Digest) Changed() bool {
	return d.New.Total()+d.Reopened.Total()+d.Worsened.Total()+d.Grew.Total()+d.Resolved.Total()+d.Withdrawn.Total() > 0
}

// Blind says whether anything could not be looked at.
func (d Digest) Blind() bool {
	return len(d.Checks) > 0 || slices.ContainsFunc(d.Sources, func(s audit.SourceResult) bool { return !s.Looked })
}

// Compose makes the digest of a run. redact masks addresses: every text that is not mailreeve's own passes it.
func Compose(r *audit.Result, redact func(string) string) Digest {
	run := r.Run
	line := func(s string) string { return redact(Line(s)) }
	d := Digest{
		Run:             line(run.ID),
		AsOf:            run.AsOf,
		Scheduled:       run.ScheduledAt,
		Baseline:        run.Baseline,
		Dry:             r.DryRun,
		UnknownInstalls: run.Summary.UnknownInstalls,
		ClockTrouble:    run.Summary.ClockTrouble,
		Purged:          run.Summary.Purged,
		Trail:           run.Summary.Trail,
	}
	var named, reopened, worsened []*audit.Finding
	for i := range r.Changes {
		c := &r.Changes[i]
		f := &c.Finding
		switch {
		case f.Observed:
			d.Observed.Add(f.Severity)
		case c.What == audit.IsResolved:
			d.Resolved.Add(f.Severity)
		case c.What == audit.IsWithdrawn:
			d.Withdrawn.Add(f.Severity)
		case f.Status == audit.Suppressed || f.Status == audit.FalsePositive:
			d.Silent++
		case c.What == audit.IsNew:
			d.New.Add(f.Severity)
			if f.Severity.Severe() {
				named = append(named, f)
			}
		case c.What == audit.IsReopened:
			d.Reopened.Add(f.Severity)
			reopened = append(reopened, f)
		case c.What == audit.IsWorsened:
			d.Worsened.Add(f.Severity)
			worsened = append(worsened, f)
		case c.What == audit.Grew:
			d.Grew.Add(f.Severity)
		}
	}
	d.Named, d.NamedReopened, d.NamedWorsened = items(named, audit.WorstFirst, redact), items(reopened, audit.WorstFirst, redact), items(worsened, audit.WorstFirst, redact)
	for severity, n := range r.Open {
		d.Open.add(severity, n)
	}
	for _, s := range run.Summary.Sources {
		s.Path, s.Trouble = line(s.Path), line(s.Trouble)
		d.Sources = append(d.Sources, s)
	}
	for _, c := range run.Summary.Idle() {
		c.Why = line(c.Why)
		d.Checks = append(d.Checks, c)
	}
	for _, n := range run.Summary.Notes {
		if n = line(n); n != "" {
			d.Notes = append(d.Notes, n)
		}
	}
	return d
}

// items are findings as a digest names them, in order.
func items(list []*audit.Finding, order func(a, b *audit.Finding) int, redact func(string) string) (out []Item) {
	slices.SortFunc(list, order)
	for _, f := range list {
		out = append(out, NewItem(f, redact))
	}
	return out
}

// NewItem is a finding as a digest names it, redacted.
func NewItem(f *audit.Finding, redact func(string) string) Item {
	line := func(s string) string { return redact(Line(s)) }
	return Item{
		ID: line(f.ID), Check: line(f.Check), Clause: line(f.Clause), Severity: f.Severity, Confidence: f.Confidence,
		App: line(f.App), AppName: line(f.AppName), Vendor: line(f.Vendor), Subject: line(f.Subject), Why: line(cmp.Or(f.Explanation, f.Title)),
		Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites, Latest: f.Latest, DueAt: f.DueAt,
	}
}

// DueWithin is how far ahead a digest tells of deadlines.
const DueWithin = 7 * 24 * time.Hour

// Due adds the deadlines of findings that are not closed. Those that were missed before are only counted, for they were told of.
func (d *Digest) Due(findings []audit.Finding, redact func(string) string) {
	var due []*audit.Finding
	for i := range findings {
		f := &findings[i]
		switch {
		case f.DueAt == audit.Never || f.DueAt > d.AsOf.Add(DueWithin) || !audit.IsOpen(f.Status):
		case f.DueAt < d.AsOf:
			d.Overdue++
		default:
			due = append(due, f)
		}
	}
	d.NamedDue = items(due, func(a, b *audit.Finding) int { return cmp.Or(cmp.Compare(a.DueAt, b.DueAt), audit.WorstFirst(a, b)) }, redact)
}
