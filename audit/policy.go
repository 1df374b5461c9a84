package audit

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// A Policy is the guideline as data: what is approved, how long things may take, how bad a violation is.
type Policy struct {
	Digest string // sha256:… of the policy as it is in force, defaults included

	Approvable []string          // purposes that may be approved (P5)
	Prohibited []string          // purposes that never are (P6)
	Synonyms   map[string]string // purpose as declared on a call → purpose of the policy

	ReportingPeriod time.Duration // whole days; how often stored accounts are reported (P3)
	IncidentGrace   time.Duration // a deadline moves to this long after an incident's end, where the incident covers a part of as long before it
	UninstallGrace  time.Duration // calls this soon after an uninstall are still fine (P10)
	ClosedGrace     time.Duration // how long after `closed` an account may still be reported or retrieved (P13)
	UpdatedGrace    time.Duration // how long after `updated` an account may still be reported as it was (P13)
	RetainedAfter   time.Duration // how long after the last uninstall stored accounts may still be reported (P10)
	ProbingCalls    int           // refused calls a UTC day that are probing (P1)
	MailAfter       time.Duration // how long after an uninstall a canary may still be mailed (P10)
	FreshRetrieval  time.Duration // how long before a mail its address must have been retrieved by an app that says it stores none (P2)

	Drift DriftBounds // what access counts as one that no approved purpose explains (P7)

	Scopes          []string `json:",omitempty"` // that give the Email API; nil: those of the guideline
	PlatformDomains []string // registrable domains of the platform's own: what goes there is shared with nobody (P9)

	SuppressMax      time.Duration // the longest that a finding can be suppressed
	DismissFor       time.Duration // how long a false positive stays dismissed
	WorsenedAccounts int           // new accounts that break a suppression off, at least

	Deadlines map[Severity]time.Duration // from a delivered notice to when it must be mended

	RetentionCalls time.Duration // whole days; how long calls and reports are kept

	Checks     map[string]CheckPolicy `json:",omitempty"` // by id: what differs from the check's own
	Exceptions []Exception            `json:",omitempty"`
	Own        []OwnRule              `json:",omitempty"` // rules of the platform's own, in order

	// No judgment depends on these: they are the present configuration's, and no part of the digest.
	RetentionFindings time.Duration     `json:"-"` // how long resolved findings are kept, to which nothing happens
	RetentionTrail    time.Duration     `json:"-"` // how long why and details of what was done are kept, and runs
	FourEyes          []string          `json:"-"` // recommended acts that take two people to decide
	Ladder            Ladder            `json:"-"` // what vendors are told when
	Clauses           []Clause          `json:"-"` // in the platform's own words, and further ones
	Remedies          map[string]Remedy `json:"-"` // by check: what a vendor has to do, in the platform's own words
}

// A CheckPolicy is what a platform wants of a check.
type CheckPolicy struct {
	Severity    Severity `json:",omitempty"` // of all its findings; "": as the check has it
	Off         bool     `json:",omitempty"`
	EnforceFrom Instant  `json:",omitempty"` // until then it is observed: see Finding.Observed

	At Position `json:"-"`
}

// A Remedy is what a vendor has to do about a check's findings, in a platform's own words.
type Remedy struct {
	Text string
	At   Position
}

// An Exception lets an app be in some respect until a moment: what is found is filed as suppressed meanwhile.
type Exception struct {
	App     string
	Check   string
	Subject *string `json:",omitempty"` // nil: whatever it is
	Reason  string
	Owner   string // who answers for it
	Until   Instant

	At Position `json:"-"`
}

// exceptedBy begins the reason of what an exception suppresses.
const exceptedBy = "excepted by the policy until "

func (e *Exception) String() string {
	return fmt.Sprintf("%s%s (%s): %s", exceptedBy, e.Until, e.Owner, e.Reason)
}

// Fits says whether e is about the findings of a check, an app and a subject, whenever.
func (e *Exception) Fits(app, check, subject string) bool {
	return e.App == app && e.Check == check && (e.Subject == nil || *e.Subject == subject)
}

// A Clause is one of the guideline in a platform's own words, or one that the platform adds.
type Clause struct {
	Name string
	Text string
	URL  string // where it stands; empty: nowhere
}

// An OwnRule is a rule of a platform's own, as written: package checks/rules makes a check of it.
type OwnRule struct {
	ID          string
	Clause      string
	Severity    Severity
	Confidence  Confidence
	Finds       string // in one line
	When        string // CEL: whether the app breaks it
	Subject     string `json:",omitempty"` // CEL: a string, or a list of strings, each a finding; empty: one without a subject
	Title       string // {subject} stands for the subject
	Remediation string

	Violates, Complies []Example `json:"-"`

	At, WhenAt, SubjectAt, TitleAt Position `json:"-"`
}

// An Example is an app in figures, and what a rule of one's own finds in it.
type Example struct {
	Story    string
	Figures  *Figures
	Subjects []string // nil: it is not said which
	At       Position
}

// A Position is a place in a file that people write. The zero one is nowhere.
type Position struct {
	File         string
	Line, Column int // from 1
}

func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Excepts is the exception that lets a finding be at t; nil where there is none.
func (p *Policy) Excepts(app, check, subject string, t Instant) *Exception {
	for i := range p.Exceptions {
		if e := &p.Exceptions[i]; t < e.Until && e.Fits(app, check, subject) {
			return e
		}
	}
	return nil
}

// HasRule says whether a rule of the platform's own has an id.
func (p *Policy) HasRule(id string) bool {
	return slices.ContainsFunc(p.Own, func(r OwnRule) bool { return r.ID == id })
}

// Clause is a clause as the platform words it; nil where it does not.
func (p *Policy) Clause(name string) *Clause {
	for i := range p.Clauses {
		if p.Clauses[i].Name == name {
			return &p.Clauses[i]
		}
	}
	return nil
}

// DefaultPolicy is the guideline as published.
func DefaultPolicy() *Policy {
	const day = 24 * time.Hour
	return &Policy{
		Approvable: []string{"error-reports", "security-alerts", "subscribed-alerts", "user-invitations", "connect-mail-service", "user-sync"},
		Prohibited: []string{"company-events", "marketing", "training-onboarding", "renewal-reminders"},

		ReportingPeriod: 15 * day,
		IncidentGrace:   day,
		UninstallGrace:  5 * time.Minute,
		ClosedGrace:     day,
		UpdatedGrace:    day,
		RetainedAfter:   30 * day,
		ProbingCalls:    10,
		MailAfter:       day,
		FreshRetrieval:  7 * day,

		Drift: DriftBounds{Accounts: 50, Share: 0.05, Learning: 14 * day, Single: []string{"error-reports", "security-alerts", "user-invitations"},
			Chosen: []string{"subscribed-alerts", "connect-mail-service"}},

		PlatformDomains: []string{"atlassian.com", "atlassian.net", "atl-paas.net", "jira.com", "bitbucket.org", "trello.com", "statuspage.io"},

		SuppressMax:      365 * day,
		DismissFor:       180 * day,
		WorsenedAccounts: 100,

		Deadlines: map[Severity]time.Duration{Critical: 28 * day, High: 42 * day, Medium: 56 * day, Low: 175 * day},

		RetentionCalls:    90 * day,
		RetentionFindings: 730 * day,
		RetentionTrail:    1825 * day,
		Ladder:            DefaultLadder(),
	}
}

// DriftDays is how many days before a day it is held against: two months, or as much of them as retention leaves to judge late facts by.
func (p *Policy) DriftDays() Day { return max(0, min(63, p.RetentionDays()-14)) }

// DriftBounds is by what access counts as one that no approved purpose explains; see check purpose-drift. The zero value judges nothing, as policies did that
// are older than it.
type DriftBounds struct {
	Accounts int           // at least so many on a site,
	Share    float64       // and at least this share of the site's users
	Learning time.Duration // since an app's first retrieval; only then is it judged
	Single   []string      // purposes that need one account at a time
	Chosen   []string      // purposes that need many accounts at once, and again, but chosen ones: who subscribed, who linked a mailbox
}

// LearningDays is Learning in days.
func (d *DriftBounds) LearningDays() Day { return Day(d.Learning / (24 * time.Hour)) }

// Purpose is the purpose that was declared, after the policy's synonyms; "" where none was.
func (p *Policy) Purpose(declared string) string {
	if s, ok := p.Synonyms[declared]; ok {
		declared = s
	}
	if declared == "none" {
		return ""
	}
	return declared
}

// IsProhibited says whether a purpose is never approved (P6).
func (p *Policy) IsProhibited(purpose string) bool { return slices.Contains(p.Prohibited, purpose) }

// IsApprovable says whether a purpose can be approved without a review of its own (P5).
func (p *Policy) IsApprovable(purpose string) bool { return slices.Contains(p.Approvable, purpose) }

// ReportingDays is the reporting period in days.
func (p *Policy) ReportingDays() Day { return Day(p.ReportingPeriod / (24 * time.Hour)) }

// RetentionDays is how many days calls and reports are kept.
func (p *Policy) RetentionDays() Day { return Day(p.RetentionCalls / (24 * time.Hour)) }

// FreshDays is within how many days before a mail its address must have been retrieved, rounded up.
func (p *Policy) FreshDays() Day {
	const day = 24 * time.Hour
	return Day((p.FreshRetrieval + day - 1) / day)
}

// PurposeSubject is purpose as a finding's subject.
func PurposeSubject(purpose string) string {
	if purposePattern.MatchString(purpose) {
		return purpose
	}
	return "invalid"
}

var purposePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Rules is what a run judges by beside facts and registry: the policy and what the configuration says of its sources.
type Rules struct {
	Policy        *Policy
	CompleteSince Instant // from when on the installs source tells every site's state; Never: it does not
	Purposes      bool    // the access sources log what purpose a call declared

	Receivers []string // the platform's own mail servers, that canary mailboxes are on
}

// Equal says whether two rules judge alike.
func (r *Rules) Equal(o *Rules) bool {
	return r.Policy.Digest == o.Policy.Digest && r.CompleteSince == o.CompleteSince && r.Purposes == o.Purposes && slices.Equal(r.Receivers, o.Receivers)
}

// RulesFrom is Rules and since when they hold.
type RulesFrom struct {
	From Instant
	Rules
}

// A RulesTimeline says which rules held when, by From ascending; the first holds from ever.
type RulesTimeline []RulesFrom

// At is the rules that held at t.
func (l RulesTimeline) At(t Instant) *Rules {
	i := len(l) - 1
	for i > 0 && l[i].From > t {
		i--
	}
	return &l[i].Rules
}
