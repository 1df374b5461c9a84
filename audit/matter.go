package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A VendorAnswer is what a vendor has said about a finding.
type VendorAnswer string

// The answers.
const (
	NoAnswer           VendorAnswer = "none"
	Viewed             VendorAnswer = "viewed"
	ExtensionRequested VendorAnswer = "extension-requested"
	Disputed           VendorAnswer = "disputed"
	FixClaimed         VendorAnswer = "fix-claimed"
	Verified           VendorAnswer = "verified"
)

// A Matter is what goes on between the platform and a vendor about one finding, from the first notice that was delivered on.
type Matter struct {
	FindingRef
	Vendor   string   `json:"vendor"`
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`

	Notice   string    `json:"notice"`   // the first that was delivered
	Approver string    `json:"approver"` // who approved it
	Notified Instant   `json:"notified"`
	Due      Instant   `json:"due"`
	Rounds   []Instant `json:"rounds,omitempty"` // when it was told of before, and then resolved

	Answer          VendorAnswer  `json:"answer"`
	AnswerBy        Instant       `json:"answer_by,omitempty"`  // of the questions of an incident; 0: none were asked, or they are answered
	Unanswered      bool          `json:"unanswered,omitempty"` // they are not, and a person was told
	ClaimedAt       Instant       `json:"claimed_at"`           // of a fix; Never: none
	ExtensionAsked  bool          `json:"extension_asked"`      // and not decided
	Extended        time.Duration `json:"extended,omitempty"`   // 0: not
	DisputedAt      Instant       `json:"disputed_at"`          // of the open dispute; Never: none is open
	StoppedAt       Instant       `json:"stopped_at"`           // up to when Due counts the time that the clock stands; Never: it runs
	Stopped         time.Duration `json:"stopped,omitempty"`    // of all disputes
	Quiet           bool          `json:"quiet,omitempty"`      // the clock stands because the finding is suppressed or dismissed, or its fix verified
	Refuted         bool          `json:"refuted,omitempty"`    // a fix was claimed that was none: another such claim holds up nothing
	DisputeAccepted bool          `json:"dispute_accepted,omitempty"`
	Seen            string        `json:"seen,omitempty"` // the run that last added to the finding when the vendor was found right

	Reminded    int     `json:"reminded"`         // reminders that are no longer due
	Overdue     bool    `json:"overdue"`          // a person was told
	Second      string  `json:"second,omitempty"` // the second notice
	SecondAt    Instant `json:"second_at"`        // when it was delivered
	Recommended bool    `json:"recommended"`

	ClosedAt Instant `json:"closed_at"` // Never: it goes on
	Version  int64   `json:"-"`
}

// Notify opens the matter of a finding, of whose notice it is now known that it was delivered, or opens it anew once it was closed. A matter that goes on
// stays as it is: the deadline runs from the first notice that was delivered.
func (c *Matter) Notify(n *Notice, f *Finding, p *Policy) (Matter, []TrailEntry) {
	var rounds []Instant
	version, earliest := int64(0), Ever
	if c != nil {
		if c.ClosedAt == Never {
			return *c, nil
		}
		rounds, version, earliest = slices.Clone(c.Rounds), c.Version, c.Due
		if c.Notified != Never && !c.DisputeAccepted {
			rounds = append(rounds, c.Notified)
		}
	}
	at := n.EndedAt
	now := Matter{FindingRef: FindingRef{f.App, f.ID}, Vendor: n.Vendor, Check: f.Check, Severity: f.Severity, Notice: n.ID, Approver: n.ApprovedBy, Notified: at,
		Due: max(at.Add(p.Deadlines[f.Severity]), earliest), Rounds: rounds, Answer: NoAnswer, ClaimedAt: Never, DisputedAt: Never, StoppedAt: Never, SecondAt: Never, ClosedAt: Never,
		Version: version}
	if IsIncident(f.Check) && p.Ladder.IncidentBy > 0 {
		now.AnswerBy = n.SentAt.Add(p.Ladder.IncidentBy) // as the mail says
	}
	return now, []TrailEntry{now.note(at, ByNight, "deadline set", "the notice was delivered")}
}

// IsIncident says whether a finding of a check is one that its vendor has to answer for at once: exposure, sharing, access without installation.
func IsIncident(check string) bool {
	switch check {
	case "ui-exposure", "ui-payload-exposure", "ui-hash-exposure", "third-party-sharing", "mail-third-party", "access-not-installed":
		return true
	}
	return false
}

// Owes says whether the questions of an incident should have been answered by now.
func (c *Matter) Owes(now Instant) bool {
	return c.AnswerBy != 0 && now >= c.AnswerBy && !c.Over() && !c.Stands()
}

func (c *Matter) note(at Instant, who, what, why string) TrailEntry {
	return TrailEntry{At: at, Who: who, What: what, Finding: c.Finding, Why: why, Details: map[string]any{"notice": c.Notice, "due": c.Due.String()}}
}

// Over says that nothing more is to be sent or proposed about the matter.
func (c *Matter) Over() bool { return c.ClosedAt != Never || c.Answer == Verified }

// Fresh says whether more was found since the vendor was found right: its fix verified, or its dispute accepted.
func (c *Matter) Fresh(f *Finding) bool { return f.Latest.Occurrences > 0 && f.Latest.Run != c.Seen }

// waits says whether the vendor awaits something that may spare it what follows the deadline: a decision about an extension, or nights that look at its fix.
func (c *Matter) waits() bool { return c.ExtensionAsked || c.fixing() }

func (c *Matter) fixing() bool { return c.Answer == FixClaimed && !c.Refuted }

// Wants says whether a reminder or second notice that waits is still to be sent.
func (c *Matter) Wants(n *Notice) bool {
	return !c.Over() && !c.Stands() && (n.Kind != SecondNotice || c.Second == n.ID && !c.waits())
}

// tick moves the deadline by the time that the clock stood up to now.
func (c *Matter) tick(now Instant, l *Ladder) {
	if c.StoppedAt == Never || now <= c.StoppedAt {
		return
	}
	stood := time.Duration(now - c.StoppedAt)
	if !c.Quiet {
		stood = min(stood, l.DisputeMax-c.Stopped)
		c.Stopped += stood
	}
	c.Due, c.StoppedAt = c.Due.Add(stood), now
	c.Overdue = c.Overdue && now >= c.Due
}

// run lets the clock stand or run from now on, up to which its time was counted.
func (c *Matter) run(now Instant, l *Ladder) {
	c.StoppedAt = Never
	if c.Quiet || c.DisputedAt != Never && c.Stopped < l.DisputeMax {
		c.StoppedAt = now
	}
}

// Stands says whether the clock stands.
func (c *Matter) Stands() bool { return c.StoppedAt != Never }

// By says whether a notice is the one that told of the matter, or reminds of it. It tells of the finding.
func (c *Matter) By(n *Notice) bool {
	return c.Notice == n.ID || c.Second == n.ID || n.Kind == Reminder
}

// Asks is what an open matter waits for a person to do; empty: nothing. The stores' lists go by whether there is anything, and keep the same rule.
func (c *Matter) Asks() string {
	switch {
	case c.DisputedAt != Never:
		return "dispute"
	case c.ExtensionAsked:
		return "extension"
	case c.Unanswered && !c.Stands() && !c.Over():
		return "incident"
	case c.Overdue && !c.Recommended:
		return "overdue"
	}
	return ""
}

// A ReplyKind is what a vendor answers, or a person decides about it.
type ReplyKind string

// The replies.
const (
	ReplyViewed    ReplyKind = "viewed"
	ReplyExtension ReplyKind = "extension" // asks for one
	ReplyDispute   ReplyKind = "dispute"
	ReplyFix       ReplyKind = "fix-claimed"
	ReplyIncident  ReplyKind = "incident" // the answers to its questions

	GrantExtension  ReplyKind = "extension-granted"
	RefuseExtension ReplyKind = "extension-refused"
	AcceptDispute   ReplyKind = "dispute-accepted"
	RejectDispute   ReplyKind = "dispute-rejected"
)

// ReplyKinds lists them.
func ReplyKinds() []ReplyKind {
	return []ReplyKind{ReplyViewed, ReplyExtension, ReplyDispute, ReplyFix, ReplyIncident, GrantExtension, RefuseExtension, AcceptDispute, RejectDispute}
}

// ByVendor says whether it is the vendor's answer; else it is a person's decision about one.
func (k ReplyKind) ByVendor() bool {
	return k == ReplyViewed || k == ReplyExtension || k == ReplyDispute || k == ReplyFix || k == ReplyIncident
}

// A Reply is an answer or a decision.
type Reply struct {
	Kind ReplyKind
	By   string // who enters or decides it
	At   Instant
	Text string        // redacted
	For  time.Duration // of an extension that is granted

	SecondBy string // who approved the finding's second notice, which a decision about a dispute is held against; empty: nobody did
}

// Reply takes an answer or decision about a finding into its matter. A [NoticeError] where it does not fit.
func (c Matter) Reply(r Reply, f *Finding, l *Ladder) (Matter, []TrailEntry, error) {
	if why := c.unfit(r, f, l); why != "" {
		return c, nil, &NoticeError{c.Notice, "take " + string(r.Kind) + " for " + c.Finding + " into", why}
	}
	c.tick(r.At, l)
	what := "vendor: " + string(r.Kind)
	if r.Kind.ByVendor() && r.Kind != ReplyViewed {
		c.AnswerBy, c.Unanswered = 0, false
	}
	switch r.Kind {
	case ReplyViewed, ReplyIncident:
		if c.Answer == NoAnswer {
			c.Answer = Viewed
		}
	case ReplyExtension:
		c.Answer, c.ExtensionAsked = ExtensionRequested, true
	case ReplyDispute:
		c.Answer, c.DisputedAt = Disputed, r.At
	case ReplyFix:
		c.Answer, c.ClaimedAt = FixClaimed, r.At
	case GrantExtension:
		if r.At >= c.Due { // what followed the old deadline has yet to follow the new one
			c.Second, c.SecondAt, c.Recommended = "", Never, false
		}
		c.ExtensionAsked, c.Extended, c.Due = false, r.For, c.Due.Add(r.For)
		c.Reminded, c.Overdue = 0, false
		what = "extension granted"
	case RefuseExtension:
		c.ExtensionAsked = false
		what = "extension refused"
	case AcceptDispute, RejectDispute:
		c.DisputedAt = Never
		what = "dispute rejected"
		if r.Kind == AcceptDispute {
			c.DisputeAccepted, c.Seen = true, f.Latest.Run
			c.close(r.At)
			what = "dispute accepted"
		}
	}
	if c.ClosedAt == Never {
		c.run(r.At, l)
	}
	if !r.Kind.ByVendor() && !c.DisputeAccepted && c.Answer != FixClaimed && c.DisputedAt == Never {
		c.Answer = Viewed
	}
	return c, []TrailEntry{c.note(r.At, r.By, what, r.Text)}, nil
}

// unfit says why a reply does not fit; "" where it does.
func (c *Matter) unfit(r Reply, f *Finding, l *Ladder) string {
	switch {
	case !slices.Contains(ReplyKinds(), r.Kind):
		return "nobody can answer that"
	case c.DisputeAccepted:
		return "its dispute was accepted"
	case f == nil || c.ClosedAt != Never:
		return "the finding is no longer open"
	case r.At < c.Notified:
		return "the notice was delivered only later"
	case c.Answer == Verified:
		return "its fix is verified"
	}
	switch r.Kind {
	case ReplyIncident:
		if c.AnswerBy == 0 {
			return "it asked no questions, or they are answered"
		}
	case ReplyExtension:
		switch {
		case c.Extended > 0:
			return "it has had its one extension"
		case c.ExtensionAsked:
			return "an extension was asked for already, and waits for a decision"
		case c.DisputedAt != Never:
			return "it is disputed: decide that first"
		}
	case ReplyDispute:
		if c.DisputedAt != Never {
			return "it is disputed already, and that waits for a decision"
		}
	case GrantExtension:
		switch {
		case !c.ExtensionAsked:
			return "nobody asked for an extension"
		case r.For <= 0 || r.For > l.ExtensionMax:
			return fmt.Sprintf("an extension is of 1 to %d days", int(l.ExtensionMax/(24*time.Hour)))
		}
	case RefuseExtension:
		if !c.ExtensionAsked {
			return "nobody asked for an extension"
		}
	case AcceptDispute, RejectDispute:
		switch {
		case c.DisputedAt == Never:
			return "it is not disputed"
		case SamePerson(r.By, c.Approver):
			return "another person than the one who approved the notice decides disputes"
		case r.SecondBy != "" && SamePerson(r.By, r.SecondBy):
			return "another person than the one who approved the second notice decides disputes"
		case !IsPerson(r.By):
			return "a person decides disputes"
		}
	}
	return ""
}

// Of whom nobody vouches that they are who the trail says.
const (
	ByCommandLine = "cli:"         // before who used the command line: the operating system says who that is
	ByLink        = "console:link" // who came to the console by the link that is printed at its start: likewise
	ByAPI         = "api:"         // before the name of the token with which a program acted
)

// madeBy stands before who made the token of a program.
const madeBy = " (made by "

// ByToken is who acts with a token, in the trail: a program, and in parentheses who made the token.
func ByToken(name, maker string) string { return ByAPI + name + madeBy + maker + ")" }

// SamePerson says whether two who acted are one person, as far as anybody can tell. What stands in parentheses is a name, which people choose for themselves, and change. Who comes by the
// console's link can be whoever uses the command line, and a program acts for who made its token. On the command line one name is one person on all machines: a container is another machine
// each time that it starts.
func SamePerson(a, b string) bool {
	a, b = person(a), person(b)
	link := func(a, b string) bool { return a == ByLink && strings.HasPrefix(b, ByCommandLine) }
	return a == b || link(a, b) || link(b, a)
}

func person(who string) string {
	if _, maker, ok := strings.Cut(who, madeBy); ok && strings.HasPrefix(who, ByAPI) {
		who = strings.TrimSuffix(maker, ")")
	}
	who, _, _ = strings.Cut(who, " (")
	if host := strings.LastIndexByte(who, '@'); host >= 0 && strings.HasPrefix(who, ByCommandLine) {
		who = who[:host]
	}
	return who
}

// IsPerson says whether who is a person: no part of mailreeve, and no program that acts through the API.
func IsPerson(who string) bool {
	return who != "" && who != ByNight && who != ApprovedByPolicy && !strings.HasPrefix(who, ByAPI)
}

// ApprovedByPolicy is who approves where the configuration says approve: auto.
const ApprovedByPolicy = "auto"

// A Step is what is due in a matter.
type Step string

// The steps of the ladder.
const (
	StepRemind    Step = "remind"
	StepOverdue   Step = "overdue" // a person is told
	StepSecond    Step = "second"
	StepRecommend Step = "recommend"
)

// close ends the matter.
func (c *Matter) close(at Instant) {
	c.ClosedAt, c.StoppedAt, c.DisputedAt, c.ExtensionAsked, c.Quiet = at, Never, Never, false, false
}

// Advance moves a matter on to now: f is its finding as it is, nights are those since the fix was claimed. due is what is to be sent or proposed next; the
// matter does not count it as done, that is for [Matter.Did]. The finding of a matter that is closed is neither written about nor escalated.
func (c Matter) Advance(f *Finding, nights Nights, now Instant, l *Ladder) (after Matter, due Step, trail []TrailEntry) {
	if c.ClosedAt != Never {
		return c, "", nil
	}
	if f == nil || f.Status == Resolved {
		why := "the finding is gone"
		if f != nil {
			why = "the finding is resolved"
			if f.Reason != "" {
				why += ": " + f.Reason
			}
		}
		c.close(now)
		return c, "", []TrailEntry{c.note(now, ByNight, "notice ended", why)}
	}
	trail = c.examine(f, nights, now, l)
	if quiet := !IsOpen(f.Status) || c.Answer == Verified; !quiet || !c.Quiet { // of a long quiet the time is counted once it ends
		c.tick(now, l)
		c.Quiet = quiet
		c.run(now, l)
	}
	if c.Stands() {
		return c, "", trail
	}
	if c.Owes(now) && !c.Unanswered {
		c.Unanswered = true
		trail = append(trail, c.note(now, ByNight, "incident unanswered", "its questions were to be answered by "+c.AnswerBy.Time().Format("2006-01-02 15:04 UTC")+": somebody should reach the vendor"))
	}
	passed := 0 // reminders whose time has come; only the last of them is worth sending
	for _, before := range l.Reminders {
		if now >= c.Due.Add(-before) {
			passed++
		}
	}
	late := now >= c.Due.Add(l.Second) && !c.waits()
	switch {
	case now < c.Due && passed > c.Reminded && !c.fixing():
		return c, StepRemind, trail
	case now >= c.Due && !c.Overdue:
		c.Overdue = true
		return c, StepOverdue, append(trail, c.note(now, ByNight, "overdue", "the deadline has passed: somebody should look"))
	case late && c.Second == "":
		return c, StepSecond, trail
	case late && c.SecondAt != Never && !c.Recommended:
		return c, StepRecommend, trail
	}
	return c, "", trail
}

// examine holds a claimed or verified fix against what nights found since.
func (c *Matter) examine(f *Finding, nights Nights, now Instant, l *Ladder) []TrailEntry {
	switch {
	case c.Answer == FixClaimed && nights.Clean >= l.CleanNights:
		c.Answer, c.Seen = Verified, f.Latest.Run
		return []TrailEntry{c.note(now, ByNight, "fix verified", fmt.Sprintf("%d nights looked, and found nothing more", nights.Clean))}
	case c.Answer == FixClaimed && nights.Looked >= l.CleanNights && nights.Clean == 0:
		c.Answer, c.ClaimedAt, c.Refuted = Viewed, Never, true
		return []TrailEntry{c.note(now, ByNight, "fix not verified", fmt.Sprintf("%d nights looked, and it still holds, or the last of them found more", nights.Looked))}
	case c.Answer == Verified && c.Fresh(f):
		c.Answer, c.ClaimedAt, c.Refuted = Viewed, Never, true
		return []TrailEntry{c.note(now, ByNight, "fix no longer verified", "more was found since")}
	}
	return nil
}

// Did counts a step as done. notice is the one that it made.
func (c Matter) Did(s Step, notice string, now Instant, l *Ladder) Matter {
	switch s {
	case StepRemind:
		for c.Reminded < len(l.Reminders) && now >= c.Due.Add(-l.Reminders[c.Reminded]) {
			c.Reminded++
		}
	case StepSecond:
		c.Second = notice
	case StepRecommend:
		c.Recommended = true
	}
	return c
}

// Undelivered takes back that the notice of an id was delivered: it bounced after all. The clock of the first notice no longer runs, and without it
// nothing follows.
func (c Matter) Undelivered(notice string, at Instant) (after Matter, changed bool, trail []TrailEntry) {
	switch {
	case c.ClosedAt != Never:
	case c.Notice == notice && c.Answer == NoAnswer:
		c.close(at)
		c.Notified = Never
		return c, true, []TrailEntry{c.note(at, ByNight, "deadline dropped", "the notice bounced after all")}
	case c.Second == notice && !c.Recommended && c.SecondAt != Never:
		c.SecondAt = Never
		return c, true, nil
	}
	return c, false, nil
}

// Recommend is what to propose about an app whose vendor answered neither notice: the worse the finding, the more often within a year, and the more
// accounts, the stronger. repeats counts the earlier notices.
func Recommend(s Severity, repeats, accounts int, l *Ladder) string {
	level := map[Severity]int{Low: 1, Medium: 1, High: 2, Critical: 3}[s] + min(repeats, 2)
	if accounts >= l.ManyAccounts {
		level++
	}
	acts := RecommendedActs()
	return acts[min(max(level, 1), len(acts)-1)]
}

// Repeats counts the notices of c's app and check in the time before c's own that make it a repeat. Those whose dispute was accepted do not count.
func (c *Matter) Repeats(of []Matter, l *Ladder) (n int) {
	for i := range of {
		o := &of[i]
		if o.App != c.App || o.Check != c.Check {
			continue
		}
		told := slices.Clone(o.Rounds)
		if o.Finding != c.Finding && !o.DisputeAccepted {
			told = append(told, o.Notified)
		}
		for _, at := range told {
			if at < c.Notified && at >= c.Notified.Add(-l.RepeatWithin) {
				n++
			}
		}
	}
	return n
}

// Nights are those since a fix was claimed that looked at the finding's check.
type Nights struct {
	Looked int
	Clean  int // how many of them, up to the last, found nothing more
}

// NightsSince counts the nights since a fix was claimed. A state that is not resolved holds, though it adds nothing: no night of it is clean. runs are in order.
func NightsSince(claimed Instant, f *Finding, nature Nature, runs []Run) (n Nights) {
	for i := range runs {
		r := &runs[i]
		if r.Status != Finished || r.AsOf <= claimed {
			continue
		}
		looked := slices.ContainsFunc(r.Summary.Checks, func(c CheckResult) bool { return c.ID == f.Check && c.Looked })
		more := f.Latest.Run == r.ID && f.Latest.Occurrences > 0
		if looked || more {
			n.Looked++
		}
		switch {
		case more || nature == IsState:
			n.Clean = 0
		case looked:
			n.Clean++
		}
	}
	return n
}
