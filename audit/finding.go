package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"time"
)

// Severity says how bad a finding is.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Severities lists them, worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low} }

// Rank is the severity's place among [Severities]: 0 for the worst. One that is none ranks before all.
func (s Severity) Rank() int { return slices.Index(Severities(), s) }

// Severe says whether a severity counts where nights are judged by what they file.
func (s Severity) Severe() bool { return s == Critical || s == High }

// Confidence says how sure a finding is.
type Confidence string

// The confidences. Certain: a fact in the data.
const (
	Certain  Confidence = "certain"
	Likely   Confidence = "likely"
	Possible Confidence = "possible"
)

// Status is where a finding stands.
type Status string

// The statuses.
const (
	Open          Status = "open"
	Acknowledged  Status = "acknowledged"
	InRemediation Status = "in-remediation"
	Resolved      Status = "resolved"
	Suppressed    Status = "suppressed"
	FalsePositive Status = "false-positive"
)

// Statuses lists them.
func Statuses() []Status {
	return []Status{Open, Acknowledged, InRemediation, Resolved, Suppressed, FalsePositive}
}

// Name is the status as people say it.
func (s Status) Name() string {
	switch s {
	case InRemediation:
		return "in remediation"
	case FalsePositive:
		return "dismissed"
	}
	return string(s)
}

// A Finding says that an app breaks a rule: one per check, app and subject. Its numbers are those of the union of its contributions.
type Finding struct {
	ID         string
	Check      string
	App        string
	Subject    string
	Clause     string
	Severity   Severity
	Confidence Confidence
	Status     Status
	Reason     string // of the status, where a person or the night gave one

	AppName     string
	Vendor      string
	Title       string
	Explanation string
	Remediation string

	FirstSeen, LastSeen Instant // of what it found
	FirstRun, LastRun   string  // the run that filed it, the run that last changed it
	Occurrences         int
	Accounts            int
	Sites               int
	Latest              Latest
	Worsened            bool
	Observed            bool // it is only shown, and nobody is told: its check is not enforced yet
	Assignee            string
	Recommendation      *Recommendation
	NotifiedAt, DueAt   Instant // Never: not yet
	PolicyDigest        string  // of the policy that judged it last
	Registry            int     // version of the registry that judged it last
	Evidence            []Evidence
}

// Latest is what the last run that changed a finding added to it.
type Latest struct {
	Run         string `json:"run"`
	Occurrences int    `json:"occurrences"`
	Accounts    int    `json:"accounts"` // distinct, of those occurrences
}

// A Standing is what of a finding tells whom it belongs with, and whether somebody still has to deal with it.
type Standing struct {
	ID       string
	App      string
	Clause   string
	Status   Status
	FirstRun string // the run that filed it
}

// A Recommendation is what mailreeve proposes to do about an app; a person decides (P14).
type Recommendation struct {
	Act        string  `json:"act"` // none, warn, block-new-installs, remove-from-allow-list, delist
	ProposedBy string  `json:"proposed_by"`
	ProposedAt Instant `json:"proposed_at"`
	DecidedBy  string  `json:"decided_by,omitempty"`
	DecidedAt  Instant `json:"decided_at,omitempty"`
	Decision   string  `json:"decision,omitempty"`
}

// A FindingKey names a finding.
type FindingKey struct {
	Check, App, Subject string
}

// ID is the finding's id.
func (k FindingKey) ID() string { return FindingID(k.Check, k.App, k.Subject) }

// FindingDays names the contributions to a finding, those of some days left out.
type FindingDays struct {
	FindingKey
	Without []Day
}

// FindingID is the id of the finding of a check, app and subject: always the same.
func FindingID(check, app, subject string) string {
	h := sha256.Sum256([]byte(check + "\x00" + app + "\x00" + subject))
	return "F-" + strings.TrimRight(crockford.EncodeToString(h[:8]), "=")[:12]
}

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// An ActKind is what a person can do to a finding that lasts.
type ActKind string

// The lasting acts.
const (
	Suppress ActKind = "suppress"
	Dismiss  ActKind = "dismiss"
)

// An Act is a suppression or dismissal, with what the finding held then.
type Act struct {
	ID      int64
	App     string // of the finding
	Finding string
	Kind    ActKind
	Site    string // empty: all
	Reason  string
	By      string
	At      Instant
	Until   Instant
	Ended   Instant // Never: it runs
	Held    Holding // by the finding at that time
}

// A Holding is all that a finding is about, over its whole life.
type Holding struct {
	Accounts IDs
	Sites    IDs
	Hosts    IDs // that addresses were shown by or sent to; of findings about exposure and sharing only
}

// HoldingOf is the union of what contributions are about.
func HoldingOf(list []Contribution) Holding {
	accounts, sites, hosts := make([]IDs, len(list)), make([]IDs, len(list)), make([]IDs, len(list))
	for i := range list {
		accounts[i], sites[i], hosts[i] = list[i].Accounts, list[i].Sites, list[i].Hosts
	}
	return Holding{Accounts: Union(accounts...), Sites: Union(sites...), Hosts: Union(hosts...)}
}

// Runs says whether a is in force for a night as of t. A person acts by the clock, which may be ahead of a night's as-of: when it began does not count.
func (a *Act) Runs(t Instant) bool { return t < a.Until && t < a.Ended }

// ByNight is who does what no person does, in the trail.
const ByNight = "night"

// What opens a finding again, in the trail.
const (
	TrailReopened = "reopened"
	TrailWorsened = "worsened" // it outgrew its suppression or dismissal
)

// A TrailEntry says who did what to a finding, when and why.
type TrailEntry struct {
	At      Instant
	Who     string // cli:user@host, night, …
	What    string // filed, grew, withdrawn, reopened, worsened, resolved, …
	Finding string // empty: not about a finding
	Why     string
	Details map[string]any // what it was, in numbers; hashed with a salt of the entry's own
}

// Reopens says whether what a person did opens a finding again that was closed, or quiet.
func (e *TrailEntry) Reopens() bool {
	from, to := e.Details["from"], e.Details["to"]
	return to == string(Open) && from != string(Acknowledged) && from != string(InRemediation)
}

// Clock tells the time. Tests set it.
type Clock func() time.Time

// WorstFirst orders findings by severity, then by how many are concerned.
func WorstFirst(a, b *Finding) int {
	return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(b.Accounts, a.Accounts), cmp.Compare(b.Occurrences, a.Occurrences),
		cmp.Compare(a.App, b.App), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject))
}
