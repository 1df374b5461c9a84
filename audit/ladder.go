package audit

import (
	"errors"
	"time"
)

// A Ladder is what a vendor is told when, and what follows. No judgment of facts depends on it.
type Ladder struct {
	After        time.Duration   // how long ago, in the time of nights, a finding was filed or last reopened before its vendor is told: late facts may take it back
	Settle       time.Duration   // what was accepted and has not bounced for so long is delivered
	Reminders    []time.Duration // before the deadline, the longest first
	Second       time.Duration   // after the deadline
	ExtensionMax time.Duration
	DisputeMax   time.Duration // how long a dispute stops the clock, at most; of all disputes of one finding together
	CleanNights  int           // that make a claimed fix a verified one
	RequestWait  time.Duration // a request for approval that waited longer is the platform's own to decide first
	IncidentBy   time.Duration // in which the questions of an incident are to be answered
	RepeatWithin time.Duration // notices of one app and check in so long are repeats
	ManyAccounts int           // from which on a recommendation is a step stronger

	Abnormal       int // new critical and high findings of a night that are abnormal, at least
	AbnormalTimes  int // times the median of the nights before
	AbnormalNights int // how many nights that median is of
}

// DefaultLadder is the ladder as the guideline's deadlines ask for it.
func DefaultLadder() Ladder {
	const day = 24 * time.Hour
	return Ladder{After: day, Settle: day, Reminders: []time.Duration{14 * day, 3 * day}, Second: 7 * day, ExtensionMax: 28 * day, DisputeMax: 14 * day,
		CleanNights: 3, RequestWait: 30 * day, IncidentBy: day, RepeatWithin: 365 * day, ManyAccounts: 1000,
		Abnormal: 50, AbnormalTimes: 5, AbnormalNights: 30}
}

// A Prospect is what decides whether a vendor is told of a finding.
type Prospect struct {
	Finding   *Finding
	Matter    *Matter       // nil: its vendor was never told
	Opened    Instant       // as-of of the night that filed it, or last reopened it
	Night     Instant       // as-of of the last run
	Baseline  bool          // it was filed by a baseline that no person released
	Commented bool          // by a person
	Idle      bool          // nothing looks for it any more: its check is off, or gone
	Waited    time.Duration // how long the app's request for approval has waited; 0: there is none
}

// Reasons why a vendor is not told of a finding. They are for people to read.
var (
	ErrNotOpen   = errors.New("it is not open")
	ErrObserved  = errors.New("its check is not enforced yet: it is only observed")
	ErrIdle      = errors.New("its check is off, or there is none by its name any more: nothing would see that it is mended")
	ErrNoApp     = errors.New("it is about no app")
	ErrTold      = errors.New("its vendor was told")
	ErrDisputed  = errors.New("its vendor's dispute was accepted, and nothing was found since")
	ErrPossible  = errors.New("it is only possible")
	ErrNoComment = errors.New("it is likely, and no reviewer has commented on it")
	ErrBaseline  = errors.New("a first run filed it, and nobody has released that")
	ErrFresh     = errors.New("it is too new: late facts may take it back")
	ErrOwnQueue  = errors.New("the app's request for approval waits for the platform's own decision")
)

// Telling says whether a vendor is to be told of a finding: nil, or why not.
func (x *Prospect) Telling(l *Ladder) error {
	f := x.Finding
	switch {
	case !IsOpen(f.Status):
		return ErrNotOpen
	case f.Observed:
		return ErrObserved
	case x.Idle:
		return ErrIdle
	case f.App == "":
		return ErrNoApp
	case x.Matter != nil && x.Matter.ClosedAt == Never:
		return ErrTold
	case x.Matter != nil && x.Matter.DisputeAccepted && !x.Matter.Fresh(f):
		return ErrDisputed
	case f.Confidence == Possible:
		return ErrPossible
	case f.Confidence == Likely && !x.Commented:
		return ErrNoComment
	case x.Baseline:
		return ErrBaseline
	case x.Night < x.Opened.Add(l.After):
		return ErrFresh
	case f.Check == "access-unapproved" && x.Waited > l.RequestWait:
		return ErrOwnQueue
	}
	return nil
}
