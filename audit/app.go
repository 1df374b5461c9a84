package audit

// An App is an entry of the registry: what the vendor declares of an app, and what was approved.
type App struct {
	Key               string   `json:"key"`
	Name              string   `json:"name,omitempty"`
	Kind              string   `json:"kind,omitempty"` // connect, forge, oauth2
	Vendor            Vendor   `json:"vendor"`
	Internal          bool     `json:"internal,omitempty"`
	ListingURL        string   `json:"listing_url,omitempty"`
	PrivacyPolicyURL  string   `json:"privacy_policy_url,omitempty"`
	PrivacyPolicyText string   `json:"privacy_policy_text,omitempty"`
	TermsURL          string   `json:"terms_url,omitempty"`
	Stores            *bool    `json:"stores_personal_data"` // nil: no statement
	Features          Features `json:"features"`             // from descriptor, manifest, domains and scopes

	Approvals []Approval `json:"-"` // kept apart: they carry their own times

	Notes  []string `json:"notes,omitempty"` // what of the line could not be read, though the line is good: a manifest that is no YAML
	Source Source   `json:"-"`
}

// A Vendor is who answers for an app. Email and Contacts are the only addresses that mailreeve keeps: those of the vendor's own office.
type Vendor struct {
	ID       string   `json:"id,omitempty"`
	Name     string   `json:"name,omitempty"`
	Email    string   `json:"email,omitempty"`
	Contacts []string `json:"contacts,omitempty"`
}

// Features is what an app asks for and reaches, as feature-drift compares it. A nil list is one that is not known; the lists hold no entry twice
// and keep the order of descriptor, manifest, own fields.
type Features struct {
	Scopes  []string `json:"scopes"`  // as spelled
	Modules []string `json:"modules"` // TYPE/KEY
	Egress  []string `json:"egress"`  // hosts, lower case, perhaps *.host
	Domains []string `json:"domains"` // hosts, lower case
}

// A Drift is a feature of an app, as it is held against the snapshot of its approval.
type Drift struct {
	Part    string // scope, module, egress, domain
	Name    string // as it is spelled now; of one that is gone, as the snapshot has it
	Subject string // of the finding about it, if it is DriftAdded
	Change  DriftChange
}

// DriftChange is what became of a feature since it was approved.
type DriftChange string

// What became of it. What was accepted was added, and people took it into the approval.
const (
	DriftNone     DriftChange = "same"
	DriftAdded    DriftChange = "added"
	DriftAccepted DriftChange = "accepted"
	DriftGone     DriftChange = "gone"
)

// ApprovalStatus is where a request for the Email API stands.
type ApprovalStatus string

// The states of a request.
const (
	Approved  ApprovalStatus = "approved"
	Pending   ApprovalStatus = "pending"
	Rejected  ApprovalStatus = "rejected"
	Withdrawn ApprovalStatus = "withdrawn"
)

// An Approval is a request for the Email API and what came of it (P4).
type Approval struct {
	RequestID     string         `json:"request_id,omitempty"`
	Status        ApprovalStatus `json:"status"`
	Decided       Instant        `json:"decided"` // Never: not decided
	Revoked       Instant        `json:"revoked"` // Never: no end
	Purposes      []string       `json:"purposes,omitempty"`
	Functionality string         `json:"functionality,omitempty"`
	PolicyExcerpt string         `json:"policy_excerpt,omitempty"`
	ThirdParties  []string       `json:"third_parties,omitempty"`
	Snapshot      Features       `json:"snapshot"`          // as it was approved; nil lists were not recorded
	Dropped       Instant        `json:"dropped,omitempty"` // the registry no longer lists it from then on; 0: it does

	Accepted []string `json:"accepted,omitempty"` // subjects of feature-drift that people took into the snapshot since; ascending
}

// Waits says whether it is a request that waits for its decision.
func (a *Approval) Waits() bool { return a.Status == Pending && a.Dropped == 0 }

// Span is when the approval is in force: from included, to excluded. It is empty where from >= to.
func (a *Approval) Span() (from, to Instant) {
	if a.Status != Approved && a.Status != Withdrawn {
		return Never, Never
	}
	to = a.Revoked
	if a.Dropped != 0 && a.Dropped < to {
		to = a.Dropped
	}
	return a.Decided, to
}

// InForce says whether the approval is in force at t.
func (a *Approval) InForce(t Instant) bool {
	from, to := a.Span()
	return from <= t && t < to
}
