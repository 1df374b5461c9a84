// Package ocsf tells findings as events of the Open Cybersecurity Schema Framework, for whatever collects findings of many programs: class Compliance
// Finding (2003). docs/findings.md says which field tells what.
package ocsf

import (
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// Version is the version of the schema that events keep to.
const Version = "1.8.0"

// What every event is, by the schema.
const (
	findings          = 2 // the category
	complianceFinding = 2003
)

// Guideline is the standard that findings are held against.
const Guideline = "Email API guideline"

// A Finding is a finding and what else its event tells.
type Finding struct {
	*audit.Finding
	Created, Changed audit.Instant // when it was filed, and when anything last happened to it
	Check            string        // what its check finds, in one line
	Clause           string        // what its clause says
	Place            func(audit.Source) string
	Version          string // of mailreeve
}

// A named is one of a list that the schema numbers: its number, and the caption that goes with it.
type named struct {
	id      int
	caption string
}

// An Event is a Compliance Finding. Times are milliseconds since the Unix epoch.
type Event struct {
	ActivityID   int         `json:"activity_id"`
	ActivityName string      `json:"activity_name"`
	CategoryUID  int         `json:"category_uid"`
	CategoryName string      `json:"category_name"`
	ClassUID     int         `json:"class_uid"`
	ClassName    string      `json:"class_name"`
	TypeUID      int         `json:"type_uid"`
	TypeName     string      `json:"type_name"`
	Time         int64       `json:"time"`
	StartTime    int64       `json:"start_time,omitempty"`
	EndTime      int64       `json:"end_time,omitempty"`
	Count        int         `json:"count"`
	SeverityID   int         `json:"severity_id"`
	Severity     string      `json:"severity"`
	ConfidenceID int         `json:"confidence_id"`
	Confidence   string      `json:"confidence"`
	StatusID     int         `json:"status_id"`
	Status       string      `json:"status"`
	StatusCode   string      `json:"status_code"` // mailreeve's own status
	StatusDetail string      `json:"status_detail,omitempty"`
	Message      string      `json:"message"`
	Metadata     metadata    `json:"metadata"`
	FindingInfo  findingInfo `json:"finding_info"`
	Compliance   compliance  `json:"compliance"`
	Remediation  remediation `json:"remediation"`
	Resources    []resource  `json:"resources"`
	Evidences    []evidence  `json:"evidences,omitempty"`
	Unmapped     unmapped    `json:"unmapped"`
}

type metadata struct {
	Version   string  `json:"version"`
	Product   product `json:"product"`
	EventCode string  `json:"event_code"`
}

type product struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

type findingInfo struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Desc          string   `json:"desc"`
	Types         []string `json:"types"`
	FirstSeenTime int64    `json:"first_seen_time,omitempty"`
	LastSeenTime  int64    `json:"last_seen_time,omitempty"`
	CreatedTime   int64    `json:"created_time,omitempty"`
	ModifiedTime  int64    `json:"modified_time,omitempty"`
}

type compliance struct {
	Standards    []string `json:"standards"`
	Requirements []string `json:"requirements"`
	Control      string   `json:"control"`
	Checks       []check  `json:"checks"`
	StatusID     int      `json:"status_id"`
	Status       string   `json:"status"`
}

type check struct {
	UID       string   `json:"uid"`
	Name      string   `json:"name,omitempty"`
	Standards []string `json:"standards"`
}

type remediation struct {
	Desc string `json:"desc"`
}

type resource struct {
	UID    string `json:"uid,omitempty"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	RoleID int    `json:"role_id"`
	Role   string `json:"role"`
	Owner  *owner `json:"owner,omitempty"`
}

type owner struct {
	Name string        `json:"name"`
	Org  *organization `json:"org"`
}

type organization struct {
	Name string `json:"name"`
}

// An evidence is about an account, of which it tells the id and no more.
type evidence struct {
	Data evidenceData `json:"data"`
	User *user        `json:"user,omitempty"`
}

type evidenceData struct {
	Time   int64  `json:"time,omitempty"`
	Source string `json:"source,omitempty"`
	Site   string `json:"cloud_id,omitempty"`
	Detail string `json:"detail,omitempty"`
}

type user struct {
	UID string `json:"uid"`
}

// unmapped is what the schema has no field for, under the names of mailreeve's own JSON.
type unmapped struct {
	Subject    string `json:"subject"`
	Accounts   int    `json:"accounts"`
	Sites      int    `json:"sites"`
	Worsened   bool   `json:"worsened"`
	Observed   bool   `json:"observed"`
	Assignee   string `json:"assignee"`
	NotifiedAt int64  `json:"notified_at,omitempty"`
	DueAt      int64  `json:"due_at,omitempty"`
	FirstRun   string `json:"first_run"`
	LastRun    string `json:"last_run"`
	Policy     string `json:"policy"`
}

// EventOf is the event of a finding as it is now.
func EventOf(f Finding) Event {
	did, status, result := activity(&f), statusOf(f.Status), resultOf(f.Status)
	severity, confidence := severityOf(f.Severity), confidenceOf(f.Confidence)
	standards := []string{Guideline}
	requirement := f.Finding.Clause
	if f.Clause != "" {
		requirement += ": " + f.Clause
	}
	e := Event{
		ActivityID: did.id, ActivityName: did.caption, CategoryUID: findings, CategoryName: "Findings", ClassUID: complianceFinding, ClassName: "Compliance Finding",
		TypeUID: complianceFinding*100 + did.id, TypeName: "Compliance Finding: " + did.caption,
		Time: ms(f.Changed), StartTime: ms(f.FirstSeen), EndTime: ms(f.LastSeen), Count: f.Occurrences,
		SeverityID: severity.id, Severity: severity.caption, ConfidenceID: confidence.id, Confidence: confidence.caption,
		StatusID: status.id, Status: status.caption, StatusCode: string(f.Status), StatusDetail: f.Reason, Message: f.Title,
		Metadata: metadata{Version: Version, Product: product{"mailreeve", "mailreeve", f.Version}, EventCode: f.Finding.Check},
		FindingInfo: findingInfo{UID: f.ID, Title: f.Title, Desc: f.Explanation, Types: []string{f.Finding.Check},
			FirstSeenTime: ms(f.FirstSeen), LastSeenTime: ms(f.LastSeen), CreatedTime: ms(f.Created), ModifiedTime: ms(f.Changed)},
		Compliance: compliance{Standards: standards, Requirements: []string{requirement}, Control: f.Finding.Clause,
			Checks: []check{{f.Finding.Check, f.Check, standards}}, StatusID: result.id, Status: result.caption},
		Remediation: remediation{f.Remediation},
		Resources:   []resource{app(f.Finding)},
		Unmapped: unmapped{Subject: f.Subject, Accounts: f.Accounts, Sites: f.Sites, Worsened: f.Worsened, Observed: f.Observed, Assignee: f.Assignee,
			NotifiedAt: ms(f.NotifiedAt), DueAt: ms(f.DueAt), FirstRun: f.FirstRun, LastRun: f.LastRun, Policy: f.PolicyDigest},
	}
	for _, x := range f.Evidence {
		shown := evidence{Data: evidenceData{ms(x.At), f.Place(x.Source), x.Site, x.Detail}}
		if x.Account != "" {
			shown.User = &user{x.Account}
		}
		e.Evidences = append(e.Evidences, shown)
	}
	return e
}

// app is the resource that a finding is about. Calls by no app have no key.
func app(f *audit.Finding) resource {
	r := resource{UID: f.App, Name: f.AppName, Type: "App", RoleID: 1, Role: "Target"}
	switch {
	case f.App == "":
		r.Name, r.Type = "calls by no app", "API caller"
	case f.AppName == "":
		r.Name = f.App
	}
	if f.Vendor != "" {
		r.Owner = &owner{f.Vendor, &organization{f.Vendor}}
	}
	return r
}

// activity is what last became of a finding: it was filed, it was closed, or anything else. What is said of it, or to its vendor, does not make it another.
func activity(f *Finding) named {
	switch {
	case !audit.IsOpen(f.Status):
		return named{3, "Close"}
	case f.Status == audit.Open && f.FirstRun == f.LastRun:
		return named{1, "Create"}
	}
	return named{2, "Update"}
}

func statusOf(s audit.Status) named {
	switch s {
	case audit.Open:
		return named{1, "New"}
	case audit.Acknowledged, audit.InRemediation:
		return named{2, "In Progress"}
	case audit.Suppressed, audit.FalsePositive: // which the schema does not tell apart; status_code does
		return named{3, "Suppressed"}
	case audit.Resolved:
		return named{4, "Resolved"}
	}
	return named{0, "Unknown"}
}

// resultOf is what the check says of the app: what a person suppressed fails all the same.
func resultOf(s audit.Status) named {
	if s == audit.Resolved || s == audit.FalsePositive {
		return named{1, "Pass"}
	}
	return named{3, "Fail"}
}

func severityOf(s audit.Severity) named {
	switch s {
	case audit.Low:
		return named{2, "Low"}
	case audit.Medium:
		return named{3, "Medium"}
	case audit.High:
		return named{4, "High"}
	case audit.Critical:
		return named{5, "Critical"}
	}
	return named{0, "Unknown"}
}

func confidenceOf(c audit.Confidence) named {
	switch c {
	case audit.Possible:
		return named{1, "Low"}
	case audit.Likely:
		return named{2, "Medium"}
	case audit.Certain:
		return named{3, "High"}
	}
	return named{0, "Unknown"}
}

// ms is t for the schema; 0 where it is not set.
func ms(t audit.Instant) int64 {
	if t == audit.Ever || t == audit.Never {
		return 0
	}
	return int64(t) / int64(time.Millisecond)
}
