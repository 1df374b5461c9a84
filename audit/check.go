package audit

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is the kind of a source.
type Kind string

// The kinds of sources.
const (
	KindAccess    Kind = "access"
	KindReports   Kind = "reports"
	KindInstalls  Kind = "installs"
	KindIncidents Kind = "incidents"
	KindApps      Kind = "apps"
	KindAddresses Kind = "addresses"
	KindCaptures  Kind = "captures"
	KindMail      Kind = "mail"
	KindSignals   Kind = "signals"
)

// Nature tells what a check finds.
type Nature string

// An event happened and stays; a state holds until it no longer does.
const (
	IsEvent Nature = "event"
	IsState Nature = "state"
)

// A Check is one rule of the guideline, as a value: what it says, and pure functions that find what breaks it.
type Check struct {
	ID         string
	Part       string // its only subject, where several values share an ID because each needs other sources; else empty
	Clause     string // of the guideline, P1 to P14
	Nature     Nature
	Severity   Severity
	Confidence Confidence

	Finds       string // what it finds, in one line
	Title       string // of a finding; %s is the subject, where there is one
	Rule        string // the exact rule, for docs and reviewers
	Remediation string // what the vendor has to do

	Needs      []Kind // the sources that it needs
	NeedsIfSet []Kind // the sources that it needs where they are configured
	NeedsOneOf []Kind // sources of which at least one has to be configured; it needs those that are
	Purposes   bool   // it needs access logs that carry purposes

	// LooksBack tells how many days before a day c has to see to judge it: none of them may have been purged. Nil: none.
	LooksBack func(p *Policy) Day

	// Reads gives what of a policy its judgments depend on: by policies of which that is deeply equal it finds the same, whatever else they say. Nil: on
	// any of it.
	Reads func(p *Policy) any

	NoAccounts bool // its findings count no accounts
	NoSites    bool // its findings count no sites
	ByPlace    bool // a site or host that is new to a suppressed finding of it breaks the suppression off

	// Grade tells severity and confidence by subject, where they are not the check's own.
	Grade func(subject string) (Severity, Confidence)

	// Days finds what happened on one UTC day, up to the dossier's as-of. Set for events.
	Days func(d *Dossier, day Day, t *Tally) error

	// Holds finds what holds at the dossier's as-of. Set for states.
	Holds func(d *Dossier, t *Tally) error

	// Touched tells which days a change of the app's facts makes due; see Touch.
	Touched []Touch

	// Explain says in one sentence or two why f is a finding, with the numbers that a reviewer needs.
	Explain func(f *Finding, p *Policy) string

	Proof Proof

	Own       bool // it is a rule of the platform's own
	EachNight bool // the passing of time alone may change what it finds, in ways that only it knows

	// What the policy wants of it; see [Check.Under].
	Off         bool
	EnforceFrom Instant
}

// Under is c as a policy wants it.
func (c Check) Under(p *Policy) Check {
	if own := p.Remedies[c.ID].Text; own != "" {
		c.Remediation = own
	}
	x, ok := p.Checks[c.ID]
	if !ok {
		return c
	}
	c.Off, c.EnforceFrom = x.Off, x.EnforceFrom
	if x.Severity != "" {
		grade := c.Grade
		c.Severity = x.Severity
		if grade != nil {
			c.Grade = func(subject string) (Severity, Confidence) {
				_, confidence := grade(subject)
				return x.Severity, confidence
			}
		}
	}
	return c
}

// A RuleError says why a rule of the platform's own cannot judge an app. It is the rule's: what it found before stays, others go on, and the run says so.
type RuleError struct{ Err error }

func (e *RuleError) Error() string { return e.Err.Error() }

func (e *RuleError) Unwrap() error { return e.Err }

// Standing says what a policy made of c, in a few words; "" where nothing.
func (c *Check) Standing(now Instant) string {
	switch {
	case c.Off:
		return "off"
	case c.EnforceFrom > now:
		return "observed until " + c.EnforceFrom.String()
	}
	return ""
}

// observes says whether a finding of c is only shown: all that it is about lies before c is enforced. now is the night's.
func (c *Check) observes(f *Finding, now Instant) bool {
	last := f.LastSeen
	if c.Nature == IsState {
		last = now
	}
	return last < c.EnforceFrom && f.NotifiedAt == Never
}

// Graded is the check's severity in words: some grade by subject.
func (c *Check) Graded() string {
	if c.Grade != nil {
		return string(c.Severity) + " or less"
	}
	return string(c.Severity)
}

// Key names c among all checks: its ID, and its Part where it is one.
func (c *Check) Key() string {
	if c.Part == "" {
		return c.ID
	}
	return c.ID + ":" + c.Part
}

// Owns says whether findings of a subject are c's: of a Part only its own are.
func (c *Check) Owns(subject string) bool { return c.Part == "" || c.Part == subject }

// title is that of a finding of c.
func (c *Check) title(subject string) string {
	if strings.Contains(c.Title, "%s") {
		return fmt.Sprintf(c.Title, subject)
	}
	return c.Title
}

// GradeOf is the severity and confidence of a finding of c.
func (c *Check) GradeOf(subject string) (Severity, Confidence) {
	if c.Grade != nil {
		return c.Grade(subject)
	}
	return c.Severity, c.Confidence
}

// A Touch is a kind of change, as seen by a check: what is new, and so which days have to be judged again.
type Touch string

// The touches. New facts touch the days that they fall on unless the text says otherwise.
const (
	TouchCalls     Touch = "calls"     // a call of the day
	TouchReports   Touch = "reports"   // a report of the day
	TouchApproval  Touch = "approval"  // the approvals in force, or named, changed for calls of the day
	TouchInstall   Touch = "install"   // the app's state on a site changed for calls of the day
	TouchLeaving   Touch = "leaving"   // whether the app was installed anywhere changed for reports of the day
	TouchClosed    Touch = "closed"    // the first `closed` of an account came, or moved, to the day or before
	TouchUpdated   Touch = "updated"   // an `updated`, or the first retrieval after it, that the day's reports are held against changed
	TouchReporting Touch = "reporting" // for accounts retrieved on the day: a report or an answer within the deadline, the deadline, or its passing
	TouchRegistry  Touch = "registry"  // the app's first registry entry came, which holds from ever
	TouchCaptures  Touch = "captures"  // a capture of the day, or what was seen in it
	TouchMail      Touch = "mail"      // a mail of the day, what was seen in it, or who else retrieved its canary
	TouchSignals   Touch = "signals"   // a signal of the day
	TouchPast      Touch = "past"      // calls of the days before, or what happened to the app on a site then: what the day is held against
	TouchRetrieved Touch = "retrieved" // for mails of the day: a retrieval in the days before
)

// IsTouched says whether c lists t.
func (c *Check) IsTouched(t Touch) bool { return slices.Contains(c.Touched, t) }

// A Proof shows a check at work: a dossier that breaks its rule, and one that nearly does.
type Proof struct {
	Violates Case
	Complies Case
}

// A Case is a dossier and what a check finds in it.
type Case struct {
	Story   string // what happened, in words
	Dossier func() *Dossier
	Finds   []Found
}

// Found is one finding of a Case.
type Found struct {
	Subject                      string
	Occurrences, Accounts, Sites int
}
