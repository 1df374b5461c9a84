// Package oracle is a second, independent reading of the audit's contract: slow, naive and plain on purpose.
//
// Given the raw lines of a night's sources it says what one run on an empty store must have open, with exact numbers.
// It shares no code with the audit and reads the rules sentence by sentence: slices of facts, loops over everything,
// one function a check. Where both disagree, one of them misreads the rules.
//
// It leaves out what one run on an empty store cannot show: retention (nothing has been purged, so no line is expired),
// files refused because too many of their lines are bad, and the age of sources. Of captures and mails it reads what package market
// writes: simple pages, archives and messages, addresses in simple disguises and listed as such (no digests), and the kind of a mail
// in a header that only tests write.
package oracle

import (
	"time"
)

// Key names a finding: one check, one app, one subject.
type Key struct{ Check, App, Subject string }

// Numbers are the counts of a finding. They are exact.
type Numbers struct{ Occurrences, Accounts, Sites int }

// Finding is what is open under a key.
type Finding struct {
	Numbers
	Severity   string
	Confidence string // the highest among its occurrences
}

// File is the content of one file of a source, decompressed. The name is for messages only.
type File struct {
	Name string
	Data []byte
}

// Source is a configured source other than access. Without files it could not be looked at.
type Source struct{ Files []File }

// AccessSource is one configured access source. Where Purposes is false the gateway does not log purposes.
type AccessSource struct {
	Purposes bool
	Files    []File
}

// Manifest is a configured source whose lines name files. Beside holds these by the name that a line gives them.
type Manifest struct {
	Files  []File
	Beside map[string][]byte
}

// Mailboxes is the source of canary mail.
type Mailboxes struct {
	Manifest
	AuthservID string // whose Authentication-Results prove a sender; empty: none
}

// Input is what a run looks at. A nil source is not configured.
type Input struct {
	AsOf      time.Time
	Access    []AccessSource
	Reports   *Source
	Installs  *Source
	Incidents *Source
	Apps      *Source
	Captures  *Manifest
	Mail      *Mailboxes
	Signals   *Source
	Addresses *Source
	// CompleteSince is from when on the installs source tells every site's state; zero: never.
	CompleteSince time.Time
}

// Lines accounts for the lines of a kind: Lines = Facts + Duplicates + Quarantined + Expired.
type Lines struct{ Lines, Facts, Duplicates, Quarantined, Expired int }

// BadLine is a quarantined line and why it is bad.
type BadLine struct {
	Kind, File string
	Line       int
	Reason     string
}

// Result is what one run on an empty store must show.
type Result struct {
	Open  map[Key]Finding
	Kinds map[string]Lines
	Bad   []BadLine
	// UnknownInstalls counts the retrievals of apps for which it is unknown whether the app was installed on the site.
	UnknownInstalls int
	// ClockTrouble counts the facts that are more than 24 hours after the as-of.
	ClockTrouble int
}

// audit holds the facts up to the as-of, and which sources were looked at.
type audit struct {
	asOf          time.Time
	completeSince time.Time

	calls     []call
	reports   []report
	events    []event
	incidents []incident
	captures  []capture
	mails     []mail
	signals   []signal
	addresses map[string]address // by account
	apps      map[string]app
	// unreadable are apps whose registry lines are all bad: checks that need the registry cannot look at them.
	unreadable map[string]bool

	lookedAccess, lookedReports, lookedInstalls, lookedIncidents, lookedApps bool
	configuredAccess, configuredIncidents                                    bool
	lookedCaptures, lookedMail, lookedSignals, lookedAddresses               bool
	configuredCaptures, configuredMail                                       bool

	found           map[Key]*tally
	unknownInstalls int
}

// tally collects what a finding counts.
type tally struct {
	occurrences int
	accounts    map[string]bool
	sites       map[string]bool
	confidence  string
}

// count adds one occurrence with its accounts and sites, as sure as the table of checks says.
func (a *audit) count(check, app, subject string, accounts []string, sites ...string) {
	_, confidence := grade(check, subject)
	a.countAs(confidence, check, app, subject, accounts, sites...)
}

// countAs adds one occurrence that is as sure as confidence says. No site is the empty one.
func (a *audit) countAs(confidence, check, app, subject string, accounts []string, sites ...string) {
	k := Key{check, app, subject}
	t := a.found[k]
	if t == nil {
		t = &tally{accounts: map[string]bool{}, sites: map[string]bool{}, confidence: confidence}
		a.found[k] = t
	}
	if surer(confidence, t.confidence) {
		t.confidence = confidence
	}
	t.occurrences++
	for _, id := range accounts {
		t.accounts[id] = true
	}
	for _, s := range sites {
		if s != "" {
			t.sites[s] = true
		}
	}
}

// state notes that a state holds: one occurrence, no accounts, no sites.
func (a *audit) state(check, app, subject string) {
	_, confidence := grade(check, subject)
	a.found[Key{check, app, subject}] = &tally{occurrences: 1, confidence: confidence}
}

// Judge reads the lines and judges everything.
func Judge(in Input) Result {
	a := &audit{
		asOf:          in.AsOf,
		completeSince: in.CompleteSince,
		apps:          map[string]app{},
		addresses:     map[string]address{},
		unreadable:    map[string]bool{},
		found:         map[Key]*tally{},
	}
	res := Result{Kinds: map[string]Lines{}}
	a.readAccess(in, &res)
	a.readReports(in, &res)
	a.readInstalls(in, &res)
	a.readIncidents(in, &res)
	a.readApps(in, &res)
	a.readAddresses(in, &res)
	a.readCaptures(in, &res)
	a.readMail(in, &res)
	a.readSignals(in, &res)

	a.approvalAndPurpose()
	a.refusedProbing()
	a.purposeDrift()
	a.notInstalled()
	a.notApp()
	a.overdue()
	a.incomplete()
	a.closedRetained()
	a.updatedIgnored()
	a.retainedAfterUninstall()
	a.storageUndeclared()
	a.scopeUnapproved()
	a.featureDrift()
	a.listingIncomplete()
	a.policyLanguageChanged()
	a.exposure()
	a.sharing()
	a.mailKinds()
	a.mailThirdParty()
	a.mailAfterUninstall()
	a.staleMail()
	a.userReported()

	res.Open = map[Key]Finding{}
	for k, t := range a.found {
		severity, _ := grade(k.Check, k.Subject)
		res.Open[k] = Finding{Numbers{t.occurrences, len(t.accounts), len(t.sites)}, severity, t.confidence}
	}
	res.UnknownInstalls = a.unknownInstalls
	return res
}
