package record

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Finding is a finding in JSON, as docs/findings.md gives it.
type Finding struct {
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
	FirstSeen      Moment           `json:"first_seen"`
	LastSeen       Moment           `json:"last_seen"`
	FirstRun       string           `json:"first_run"`
	LastRun        string           `json:"last_run"`
	NotifiedAt     Moment           `json:"notified_at"`
	DueAt          Moment           `json:"due_at"`
	Occurrences    int              `json:"occurrences"`
	Accounts       int              `json:"accounts"`
	Sites          int              `json:"sites"`
	Latest         audit.Latest     `json:"latest"`
	Worsened       bool             `json:"worsened"`
	Observed       bool             `json:"observed"`
	Assignee       string           `json:"assignee"`
	Recommendation *Recommendation  `json:"recommendation"`
	Policy         string           `json:"policy"`
	Evidence       []Evidence       `json:"evidence"`
}

// A Recommendation is what somebody recommended to do about an app, and what was decided; DecidedAt null: nothing yet.
type Recommendation struct {
	Act        string `json:"act"`
	ProposedBy string `json:"proposed_by"`
	ProposedAt Moment `json:"proposed_at"`
	DecidedBy  string `json:"decided_by"`
	DecidedAt  Moment `json:"decided_at"`
	Decision   string `json:"decision"`
}

// An Evidence is a piece of evidence; Source is the line that it comes from, as file:line.
type Evidence struct {
	At      Moment `json:"ts"`
	Source  string `json:"source"`
	Site    string `json:"cloud_id"`
	Account string `json:"account_id"`
	Detail  string `json:"detail"`
}

// FindingOf is a finding. files are the paths of those that its evidence is from.
func FindingOf(f *audit.Finding, files map[uint32]string) Finding {
	r := Finding{ID: f.ID, Check: f.Check, Clause: f.Clause, Severity: f.Severity, Confidence: f.Confidence, Status: f.Status,
		AppKey: f.App, AppName: f.AppName, Vendor: f.Vendor, Subject: f.Subject, Title: f.Title, Explanation: f.Explanation, Remediation: f.Remediation,
		FirstSeen: Moment(f.FirstSeen), LastSeen: Moment(f.LastSeen), FirstRun: f.FirstRun, LastRun: f.LastRun,
		NotifiedAt: Moment(f.NotifiedAt), DueAt: Moment(f.DueAt), Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites, Latest: f.Latest,
		Worsened: f.Worsened, Observed: f.Observed, Assignee: f.Assignee, Policy: f.PolicyDigest, Evidence: make([]Evidence, len(f.Evidence))}
	if x := f.Recommendation; x != nil {
		decided := x.DecidedAt
		if x.DecidedBy == "" {
			decided = audit.Never
		}
		r.Recommendation = &Recommendation{x.Act, x.ProposedBy, Moment(x.ProposedAt), x.DecidedBy, Moment(decided), x.Decision}
	}
	for i, e := range f.Evidence {
		r.Evidence[i] = EvidenceOf(&e, files)
	}
	return r
}

// EvidenceOf is a piece of evidence. files are the paths of those that it is from.
func EvidenceOf(e *audit.Evidence, files map[uint32]string) Evidence {
	return Evidence{Moment(e.At), Place(e.Source, files), e.Site, e.Account, e.Detail}
}

// Place is a line of a source as a reader finds it: basename:line.
func Place(s audit.Source, files map[uint32]string) string {
	path, ok := files[s.File]
	if !ok {
		return ""
	}
	return filepath.Base(path) + ":" + strconv.FormatUint(s.Line, 10)
}

// A FindingDetail is a finding and all that is known around it.
type FindingDetail struct {
	Finding
	Reason   string  `json:"reason"` // of the status
	Timeline []Entry `json:"timeline"`
	Acts     []Act   `json:"acts"`
}

// An Entry is an entry of a finding's history.
type Entry struct {
	At      Moment         `json:"at"`
	Who     string         `json:"who"`
	What    string         `json:"what"`
	Why     string         `json:"why"`
	Details map[string]any `json:"details,omitempty"`
}

// An Act is a suppression or dismissal; Ended null: it runs.
type Act struct {
	Kind     audit.ActKind `json:"kind"`
	Site     string        `json:"site"`
	Reason   string        `json:"reason"`
	By       string        `json:"by"`
	At       Moment        `json:"at"`
	Until    Moment        `json:"until"`
	Ended    Moment        `json:"ended"`
	Accounts int           `json:"accounts"` // that the finding held then
	Sites    int           `json:"sites"`
}

// A Seen is a finding and all that is known around it.
type Seen struct {
	*audit.Finding
	Files map[uint32]string // the paths of those that its evidence is from, by id
	Trail []store.Entry
	Acts  []audit.Act
}

// Look gives the finding of an id, which may be cut short, and all that is known around it; [store.ErrNotFound], [store.ErrAmbiguous].
func Look(ctx context.Context, s *store.Store, id string) (*Seen, error) {
	f, err := s.Finding(ctx, id)
	if err != nil {
		return nil, err
	}
	x := &Seen{Finding: f}
	if x.Files, err = s.EvidencePaths(ctx, []audit.Finding{*f}); err != nil {
		return nil, err
	}
	if x.Trail, err = s.Trail(ctx, store.TrailFilter{Finding: f.ID}); err != nil {
		return nil, err
	}
	x.Acts, err = s.Acts(ctx, f.ID)
	return x, err
}

// Record is x for programs.
func (x *Seen) Record() FindingDetail {
	r := FindingDetail{Finding: FindingOf(x.Finding, x.Files), Reason: x.Reason, Timeline: make([]Entry, len(x.Trail)), Acts: make([]Act, len(x.Acts))}
	for i, e := range x.Trail {
		r.Timeline[i] = EntryOf(&e)
	}
	for i, a := range x.Acts {
		r.Acts[i] = Act{a.Kind, a.Site, a.Reason, a.By, Moment(a.At), Moment(a.Until), Moment(a.Ended), a.Held.Accounts.Len(), a.Held.Sites.Len()}
	}
	return r
}

// EntryOf is an entry of a history.
func EntryOf(e *store.Entry) Entry { return Entry{Moment(e.At), e.Who, e.What, e.Why, e.Details} }

// A Suppression is a suppression or dismissal that runs, and what it keeps quiet.
type Suppression struct {
	Kind     audit.ActKind  `json:"kind"`
	Finding  string         `json:"finding"`
	Check    string         `json:"check"`
	AppKey   string         `json:"app_key"`
	Severity audit.Severity `json:"severity"`
	Site     string         `json:"site"` // empty: all
	Reason   string         `json:"reason"`
	By       string         `json:"by"`
	At       Moment         `json:"at"`
	Until    Moment         `json:"until"`
	LastSeen Moment         `json:"last_seen"` // of the finding
}

// SuppressionOf is a suppression.
func SuppressionOf(x *store.Suppression) Suppression {
	return Suppression{x.Kind, x.Finding, x.Check, x.App, x.Severity, x.Site, x.Reason, x.By, Moment(x.At), Moment(x.Until), Moment(x.LastSeen)}
}

// A TrailEntry is an entry of the trail and its place in the chain.
type TrailEntry struct {
	Seq int64 `json:"seq"`
	Entry
	Finding string `json:"finding"` // empty: it is about none
	Erased  bool   `json:"erased"`  // why and details are gone
	Hash    string `json:"hash"`
}

// TrailEntryOf is an entry of the trail.
func TrailEntryOf(e *store.Entry) TrailEntry {
	return TrailEntry{e.Seq, EntryOf(e), e.Finding, e.Erased, e.Hash}
}
