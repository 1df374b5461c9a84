package vendorpage

import (
	"fmt"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// A state is where a finding stands, in words for its vendor.
type state struct {
	Text   string
	Due    *time.Time // nil: there is no deadline, or none yet
	Left   string     // of the time until then
	Answer *time.Time // by when the questions of an incident are to be answered; nil: there are none, or they are
	Urgent bool       // there is little left, or none, and it is the vendor who has to act
}

// standing is where a finding stands now.
func standing(t *notices.Told, now audit.Instant) state {
	m := t.Matter
	switch {
	case !t.Open && m != nil && m.DisputeAccepted:
		return state{Text: "Closed: your dispute was accepted."}
	case !t.Open:
		return state{Text: "Closed. You need not do anything more about it."}
	case m == nil:
		return state{Text: "Waits for your answer.", Left: fmt.Sprintf("%s from when the mail has reached you", days(time.Duration(t.DueDays)*24*time.Hour))}
	}
	s := state{Text: words(m, t.Status)}
	due := m.Due.Time()
	s.Due = &due
	if m.AnswerBy != 0 && t.Takes(audit.ReplyIncident) {
		by := m.AnswerBy.Time()
		s.Answer = &by
	}
	switch left := time.Duration(m.Due - now); {
	case m.Stands():
		s.Left = "the clock stands still"
	case left < 0:
		s.Left, s.Urgent = "passed "+ago(-left)+" ago", true
	default:
		s.Left, s.Urgent = ago(left)+" left", left < 7*24*time.Hour
	}
	if m.Answer == audit.FixClaimed || m.ExtensionAsked {
		s.Urgent = false
	}
	return s
}

func words(m *audit.Matter, status audit.Status) string {
	switch {
	case status == audit.Suppressed || status == audit.FalsePositive:
		return "We are looking into it. You need not do anything for now."
	case m.DisputedAt != audit.Never:
		return "You dispute it, and we are looking into it."
	case m.ExtensionAsked:
		return "You asked for more time, and we have yet to decide."
	}
	switch m.Answer {
	case audit.FixClaimed:
		return "You said that it is fixed. It counts as fixed once some nights have found nothing more."
	case audit.Verified:
		return "Your fix was verified. You need not do anything more; it is about to be closed."
	case audit.NoAnswer:
		return "Waits for your answer."
	}
	return "Acknowledged. Waits for you to fix it, or to answer."
}

// ago is a span of time in words, rounded down.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= day:
		return "1 day"
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return "less than 2 hours"
}
