package record

import (
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// An AppSummary is an app in a list.
type AppSummary struct {
	Key      string         `json:"key"`
	Name     string         `json:"name"`
	Vendor   string         `json:"vendor"`
	Listed   bool           `json:"listed"` // in the registry
	Approved Moment         `json:"approved_at"`
	Days     *int           `json:"days_since_approval"` // null: no approval is in force
	Open     map[string]int `json:"open"`                // findings, by severity
	Accounts int            `json:"accounts"`            // the most that one of these holds
}

// AppSummaryOf is an app as of the last run.
func AppSummaryOf(a *store.AppSummary, asOf audit.Instant) AppSummary {
	r := AppSummary{Key: a.Key, Name: a.Name, Vendor: a.Vendor, Listed: a.Listed, Approved: Moment(audit.Never), Open: openOf(a.Open), Accounts: a.Accounts}
	decided, days := a.Approved(asOf)
	r.Approved, r.Days = Moment(decided), days
	return r
}

// An App is an app in JSON.
type App struct {
	Key            string     `json:"key"`
	Listed         bool       `json:"listed"`
	Entry          *audit.App `json:"entry"` // of the registry; null: none
	Approvals      []Approval `json:"approvals"`
	FirstRetrieval Moment     `json:"first_retrieval"`
	LastRetrieval  Moment     `json:"last_retrieval"`
	LastReport     Moment     `json:"last_report"`
	Sites          []Site     `json:"sites"`
	Findings       []Finding  `json:"findings"` // that are not resolved
}

// An Approval is an approval of an app.
type Approval struct {
	RequestID string               `json:"request_id"`
	Status    audit.ApprovalStatus `json:"status"`
	Decided   Moment               `json:"decided_at"`
	Revoked   Moment               `json:"revoked_at"`
	InForce   bool                 `json:"in_force"`
	Purposes  []string             `json:"purposes"`
	Accepted  []string             `json:"accepted"` // subjects of feature-drift
}

// A Site is a site of which an app has events.
type Site struct {
	Site   string `json:"cloud_id"`
	At     Moment `json:"ts"` // of the last event
	Event  string `json:"event"`
	Active bool   `json:"active"`
}

// AppOf is an app as of the last run. found are its findings that are not resolved, files the paths of those that their evidence is from.
func AppOf(f *audit.AppFacts, asOf audit.Instant, found []audit.Finding, files map[uint32]string) App {
	r := App{Key: f.Key, Approvals: []Approval{}, Sites: []Site{}, Findings: []Finding{}}
	r.Entry, r.Listed = f.Entry()
	first, last, report := f.Span()
	r.FirstRetrieval, r.LastRetrieval, r.LastReport = Moment(first), Moment(last), Moment(report)
	for i := range f.Approvals {
		a := &f.Approvals[i]
		_, to := a.Span()
		if to == audit.Never {
			to = a.Revoked
		}
		r.Approvals = append(r.Approvals, Approval{a.RequestID, a.Status, Moment(a.Decided), Moment(to), a.InForce(asOf),
			append([]string{}, a.Purposes...), append([]string{}, a.Accepted...)})
	}
	for _, e := range f.Sites(asOf) {
		r.Sites = append(r.Sites, Site{e.Site, Moment(e.At), e.Event.String(), e.Event.Active()})
	}
	for i := range found {
		r.Findings = append(r.Findings, FindingOf(&found[i], files))
	}
	return r
}

// A Vendor is a vendor, its apps, and how it stands.
type Vendor struct {
	Key     string         `json:"key"`
	Name    string         `json:"name"`
	Apps    []string       `json:"apps"`    // their keys
	Open    map[string]int `json:"open"`    // findings, by severity
	Notices int            `json:"notices"` // that go on
	Waits   int            `json:"waits"`   // of these, for a person
	DueAt   Moment         `json:"due_at"`  // the earliest deadline that runs
}

// VendorOf is a vendor.
func VendorOf(v *notices.Vendor) Vendor {
	r := Vendor{Key: v.Key, Name: v.Name, Apps: make([]string, len(v.Apps)), Open: openOf(v.Open), Notices: v.Notices, Waits: v.Waits, DueAt: Moment(v.Due)}
	for i, a := range v.Apps {
		r.Apps[i] = a.Key
	}
	return r
}

// openOf counts by every severity, also where there is none.
func openOf(open map[audit.Severity]int) map[string]int {
	all := map[string]int{}
	for _, s := range audit.Severities() {
		all[string(s)] = open[s]
	}
	return all
}
