package webhook

import (
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// A finding is a finding in JSON, as `findings export` gives it, but without account ids and lines of files. It has a form of its own, so that what leaves the
// house is named here, field by field: one that records come to have is not sent before somebody has thought of it.
type finding struct {
	ID             string           `json:"id"`
	Check          string           `json:"check"`
	Clause         string           `json:"clause"`
	Severity       audit.Severity   `json:"severity"`
	Confidence     audit.Confidence `json:"confidence"`
	Status         audit.Status     `json:"status"`
	AppKey         string           `json:"app_key"`
	AppName        string           `json:"app_name"`
	Vendor         string           `json:"vendor"`
	Subject        string           `json:"subject"`
	Title          string           `json:"title"`
	Explanation    string           `json:"explanation"`
	Remediation    string           `json:"remediation"`
	FirstSeen      *time.Time       `json:"first_seen"`
	LastSeen       *time.Time       `json:"last_seen"`
	FirstRun       string           `json:"first_run"`
	LastRun        string           `json:"last_run"`
	NotifiedAt     *time.Time       `json:"notified_at"`
	DueAt          *time.Time       `json:"due_at"`
	Occurrences    int              `json:"occurrences"`
	Accounts       int              `json:"accounts"`
	Sites          int              `json:"sites"`
	Latest         audit.Latest     `json:"latest"`
	Worsened       bool             `json:"worsened"`
	Observed       bool             `json:"observed"`
	Assignee       string           `json:"assignee"`
	Recommendation *recommendation  `json:"recommendation"`
	Policy         string           `json:"policy"`
	Evidence       []evidence       `json:"evidence"`
	Act            *act             `json:"act,omitempty"` // what a person did, where one did
}

type recommendation struct {
	Act        string     `json:"act"`
	ProposedBy string     `json:"proposed_by"`
	ProposedAt *time.Time `json:"proposed_at"`
	DecidedBy  string     `json:"decided_by"`
	DecidedAt  *time.Time `json:"decided_at"`
	Decision   string     `json:"decision"`
}

type evidence struct {
	At     *time.Time `json:"ts"`
	Site   string     `json:"cloud_id"`
	Detail string     `json:"detail"`
}

type act struct {
	What string `json:"what"`
	Who  string `json:"who"`
	Why  string `json:"why"`
}

// A run is a run in JSON, as `runs show` gives it.
type run struct {
	ID              string              `json:"id"`
	AsOf            *time.Time          `json:"as_of"`
	ScheduledAt     *time.Time          `json:"scheduled_at"`
	Status          audit.RunStatus     `json:"status"`
	Sources         []source            `json:"sources"`
	Checks          []check             `json:"checks"`
	UnknownInstalls int                 `json:"unknown_installs"`
	ClockTrouble    int                 `json:"clock_trouble"`
	Findings        audit.FindingCounts `json:"findings"`
	Error           string              `json:"error,omitempty"` // of one that failed
}

type source struct {
	Kind        audit.Kind `json:"kind"`
	Path        string     `json:"path"`
	Lines       int64      `json:"lines"`
	Facts       int64      `json:"facts"`
	Duplicates  int64      `json:"duplicates"`
	Quarantined int64      `json:"quarantined"`
	Expired     int64      `json:"expired"`
	Newest      *time.Time `json:"newest"`
	Looked      bool       `json:"looked"`
}

type check struct {
	ID     string `json:"id"`
	Looked bool   `json:"looked"`
}

// A writer makes records. Texts in them are redacted, and one line each but for what names things: that is exact.
type writer struct{ redact func(string) string }

func (w writer) line(s string) string { return w.redact(notifier.Line(s)) }

func (w writer) finding(f *audit.Finding) finding {
	r := finding{ID: f.ID, Check: f.Check, Clause: f.Clause, Severity: f.Severity, Confidence: f.Confidence, Status: f.Status,
		AppKey: w.redact(f.App), AppName: w.line(f.AppName), Vendor: w.line(f.Vendor), Subject: w.redact(f.Subject),
		Title: w.line(f.Title), Explanation: w.line(f.Explanation), Remediation: w.line(f.Remediation),
		FirstSeen: moment(f.FirstSeen), LastSeen: moment(f.LastSeen), FirstRun: f.FirstRun, LastRun: f.LastRun,
		NotifiedAt: moment(f.NotifiedAt), DueAt: moment(f.DueAt), Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites, Latest: f.Latest,
		Worsened: f.Worsened, Observed: f.Observed, Assignee: w.line(f.Assignee), Policy: f.PolicyDigest, Evidence: []evidence{}}
	if x := f.Recommendation; x != nil {
		r.Recommendation = &recommendation{x.Act, w.line(x.ProposedBy), moment(x.ProposedAt), w.line(x.DecidedBy), nil, x.Decision}
		if x.DecidedBy != "" {
			r.Recommendation.DecidedAt = moment(x.DecidedAt)
		}
	}
	for _, e := range f.Evidence {
		r.Evidence = append(r.Evidence, evidence{moment(e.At), w.redact(e.Site), w.line(e.Detail)})
	}
	return r
}

func (w writer) act(trail []audit.TrailEntry) *act {
	if len(trail) == 0 {
		return nil
	}
	return &act{trail[0].What, w.line(trail[0].Who), w.line(trail[0].Why)}
}

func (w writer) run(r *audit.Run) run {
	out := run{ID: r.ID, AsOf: moment(r.AsOf), ScheduledAt: moment(r.ScheduledAt), Status: r.Status, UnknownInstalls: r.Summary.UnknownInstalls,
		ClockTrouble: r.Summary.ClockTrouble, Findings: r.Summary.Findings, Error: w.line(r.Error), Sources: []source{}, Checks: []check{}}
	for _, s := range r.Summary.Sources {
		out.Sources = append(out.Sources, source{s.Kind, w.line(s.Path), s.Lines, s.Facts, s.Duplicates, s.Quarantined, s.Expired, moment(s.Newest), s.Looked})
	}
	for _, c := range r.Summary.Checks {
		out.Checks = append(out.Checks, check{c.ID, c.Looked})
	}
	return out
}

// moment is an instant; nil where it is not set.
func moment(i audit.Instant) *time.Time {
	if i == audit.Ever || i == audit.Never {
		return nil
	}
	t := i.Time()
	return &t
}
