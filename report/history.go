package report

import (
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// moves is how many findings came into, and went out of, what is open: Start + Filed + Reopened - Resolved - Withdrawn - Quieted is how many are open at the end.
type moves struct {
	Start     int
	Filed     int
	Reopened  int // by a night, by a person, or because a suppression or dismissal ended
	Resolved  int // by a night, for what no longer holds, or by a person
	Withdrawn int // late facts took away all of it
	Quieted   int // suppressed or dismissed
}

func (m *moves) add(o moves) {
	m.Start += o.Start
	m.Filed += o.Filed
	m.Reopened += o.Reopened
	m.Resolved += o.Resolved
	m.Withdrawn += o.Withdrawn
	m.Quieted += o.Quieted
}

func (m *moves) any() bool { return *m != moves{} }

// A deadline is how the deadlines of one finding came out in a month. There may be several: each time its vendor is told anew, another runs.
type deadline struct {
	Kept    int
	Missed  int
	Due     audit.Instant // of the last that passed, or the one that runs; Never: none does
	Running bool          // at the month's end, and not passed
	Late    bool          // it has passed, and the finding was open at the month's end
}

// A life is what a finding went through.
type life struct {
	at []audit.Status // at each mark; empty: it was not filed yet
	moves
	deadline
}

// lifeOf follows a finding through its entries of the trail. marks are ends of parts of the trail, ascending; the month is the part between the last two.
func lifeOf(h *store.History, marks []int64) life {
	l := life{at: make([]audit.Status, len(marks))}
	begin, end := marks[len(marks)-2], marks[len(marks)-1]
	status := audit.Status("")
	if len(h.Entries) > 0 && h.Entries[0].What != filed { // the trail knows it under another name from before
		status = first(h)
	}
	clock := ladder{due: audit.Never}
	passed := 0 // marks
	for i := range h.Entries {
		e := &h.Entries[i]
		for ; passed < len(marks) && e.Seq > marks[passed]; passed++ {
			l.at[passed] = status
		}
		was := status
		status = statusAfter(status, e)
		in := e.Seq > begin && e.Seq <= end
		if e.Seq <= end {
			l.deadline = clock.step(e, l.deadline, in)
		}
		if !in {
			continue
		}
		switch {
		case e.What == filed:
			l.Filed++
		case !audit.IsOpen(was) && audit.IsOpen(status):
			l.Reopened++
		case !audit.IsOpen(was) || audit.IsOpen(status):
		case e.What == "withdrawn":
			l.Withdrawn++
		case status == audit.Resolved:
			l.Resolved++
		default:
			l.Quieted++
		}
	}
	for ; passed < len(marks); passed++ {
		l.at[passed] = status
	}
	if audit.IsOpen(l.at[len(marks)-2]) {
		l.Start = 1
	}
	open := audit.IsOpen(l.at[len(marks)-1])
	l.Due = clock.due
	l.Running = clock.runs && !clock.over && !clock.passed
	l.Late = clock.runs && !clock.over && clock.passed && open
	return l
}

// filed is the first entry of a finding.
const filed = "filed"

// first is the status that a finding had before its first entry.
func first(h *store.History) audit.Status {
	for i := range h.Entries {
		if from, ok := statusOf(&h.Entries[i], "from"); ok {
			return from
		}
	}
	return h.Status
}

func statusOf(e *store.Entry, key string) (audit.Status, bool) {
	s, ok := e.Details[key].(string)
	return audit.Status(s), ok && slices.Contains(audit.Statuses(), audit.Status(s))
}

// statusAfter is a finding's status after what an entry says. People's entries name it; of those whose details were erased, what they say tells.
func statusAfter(was audit.Status, e *store.Entry) audit.Status {
	if to, ok := statusOf(e, "to"); ok {
		return to
	}
	switch e.What {
	case filed, audit.TrailReopened, audit.TrailWorsened:
		return audit.Open
	case "resolved", "withdrawn", "accepted":
		return audit.Resolved
	case "dismissed", string(audit.FalsePositive):
		return audit.FalsePositive
	case "acknowledged":
		return audit.Acknowledged
	case "remediation started":
		return audit.InRemediation
	case string(audit.Suppressed): // a person's may be for one site only
		if e.Who == audit.ByNight || e.Erased {
			return audit.Suppressed
		}
	}
	return was
}

// A ladder is where the deadline of a finding stands.
type ladder struct {
	due    audit.Instant
	runs   bool // its vendor was told
	passed bool
	over   bool // it came out: mended in time, or after it
}

// step takes an entry in. counted says whether what comes of it is counted.
func (c *ladder) step(e *store.Entry, d deadline, counted bool) deadline {
	due, named := dueOf(e)
	if e.What == "deadline set" {
		*c = ladder{due: due, runs: true}
		return d
	}
	if !c.runs {
		return d
	}
	if named {
		if due > e.At {
			c.passed = false // it was moved
		}
		c.due = due
	}
	switch e.What {
	case "deadline dropped":
		*c = ladder{due: audit.Never}
	case "overdue":
		if c.passed = true; counted {
			d.Missed++
		}
	case "fix no longer verified":
		c.over = false
	case "fix verified", "notice ended":
		if !c.over && !c.passed && counted {
			d.Kept++
		}
		c.over = true
	}
	return d
}

// dueOf is the deadline that an entry names.
func dueOf(e *store.Entry) (audit.Instant, bool) {
	text, ok := e.Details["due"].(string)
	if !ok {
		return audit.Never, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return audit.Never, false
	}
	return audit.At(t), true
}
