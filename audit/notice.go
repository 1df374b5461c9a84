package audit

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// byNight is who does what no person does, in the trail.
const byNight = "night"

// A Ladder is what a vendor is told when, and what follows. No judgment of facts depends on it.
type Ladder struct {
	After        time.Duration   // how old a finding is, in the time of nights, before its vendor is told: late facts may take it back
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

// A NoticeKind is why a vendor is written to.
type NoticeKind string

// The kinds of notices.
const (
	FirstNotice  NoticeKind = "notice"
	Reminder     NoticeKind = "reminder"
	SecondNotice NoticeKind = "second-notice"
)

// A Delivery is how far a notice is on its way.
type Delivery string

// The deliveries.
const (
	NoticeDrafted   Delivery = "drafted"    // waits for approval
	NoticeNoContact Delivery = "no-contact" // drafted, and the registry names nobody to send it to
	NoticeApproved  Delivery = "approved"   // its recipients and its content are pinned
	NoticeSent      Delivery = "sent"       // a mail server accepted it
	NoticeDelivered Delivery = "delivered"  // and it did not bounce, or the vendor answered
	NoticeBounced   Delivery = "bounced"
	NoticeWithdrawn Delivery = "withdrawn" // nothing was left to tell before it was sent
)

// A Notice is one mail to a vendor.
type Notice struct {
	ID         string          `json:"id"`
	Vendor     string          `json:"vendor"` // VendorKey
	VendorName string          `json:"vendor_name"`
	Kind       NoticeKind      `json:"kind"`
	Run        string          `json:"run"` // the night after which it was drafted
	Created    Instant         `json:"created"`
	About      []FindingRef    `json:"about"`
	Recipients []string        `json:"-"`
	Content    json.RawMessage `json:"content"`

	Delivery   Delivery `json:"delivery"`
	ApprovedBy string   `json:"approved_by,omitempty"`
	ApprovedAt Instant  `json:"approved_at"`          // Never: it is not, as are the next
	Pinned     string   `json:"pinned,omitempty"`     // digest of what was approved: recipients, and the mail as it is sent
	QueuedRun  string   `json:"queued_run,omitempty"` // the last night when it went into the outbox; empty: it did not
	SentAt     Instant  `json:"sent_at"`
	EndedAt    Instant  `json:"ended_at"` // delivered, bounced or withdrawn
	Why        string   `json:"why,omitempty"`

	Version int64 `json:"-"` // counts changes; 0: it is new
}

// A FindingRef names a finding by its ID, and its app.
type FindingRef struct {
	App     string `json:"app"`
	Finding string `json:"finding"`
}

// NoticeID is the id of a vendor's notice of a night: there is one at most.
func NoticeID(vendor, run string) string {
	h := sha256.Sum256([]byte("notice\x00" + vendor + "\x00" + run))
	return "N-" + crockford.EncodeToString(h[:8])[:10]
}

// VendorKey is what the vendor of an app is known by: its id, else its name; an app whose vendor nobody named stands for its own. No two of these are the
// same: what is no id bears a prefix, and so does an id that looks as if it did.
func VendorKey(app string, v Vendor) string {
	const id, name, own = "id:", "name:", "app:"
	switch {
	case strings.HasPrefix(v.ID, id), strings.HasPrefix(v.ID, name), strings.HasPrefix(v.ID, own):
		return id + v.ID
	case v.ID != "":
		return v.ID
	case v.Name != "":
		return name + strings.ToLower(v.Name)
	}
	return own + app
}

// Draft is a notice of a night that nobody has approved yet.
func Draft(vendor, name string, kind NoticeKind, run string, now Instant) Notice {
	return Notice{ID: NoticeID(vendor, run), Vendor: vendor, VendorName: name, Kind: kind, Run: run, Created: now, Delivery: NoticeDrafted,
		ApprovedAt: Never, SentAt: Never, EndedAt: Never}
}

// A NoticeError says why something cannot be done to a notice.
type NoticeError struct {
	ID   string
	What string // approve, …
	Why  string
}

func (e *NoticeError) Error() string {
	return fmt.Sprintf("notice %s: cannot %s it: %s", e.ID, e.What, e.Why)
}

// Queued says whether the notice is in the outbox, or has left it: from then on neither it nor whom it goes to changes.
func (n *Notice) Queued() bool { return n.QueuedRun != "" }

// Waits says whether the notice is still to be sent.
func (n *Notice) Waits() bool {
	return !n.Queued() && (n.Delivery == NoticeDrafted || n.Delivery == NoticeNoContact || n.Delivery == NoticeApproved)
}

// Has says whether the notice is about a finding.
func (n *Notice) Has(finding string) bool {
	return slices.ContainsFunc(n.About, func(k FindingRef) bool { return k.Finding == finding })
}

// note is an entry of the trail for each finding of the notice.
func (n *Notice) note(at Instant, who, what, why string) []TrailEntry {
	entries := make([]TrailEntry, len(n.About))
	for i, k := range n.About {
		entries[i] = TrailEntry{At: at, Who: who, What: what, Finding: k.Finding, Why: why,
			Details: map[string]any{"notice": n.ID, "kind": string(n.Kind), "recipients": float64(len(n.Recipients))}}
	}
	return entries
}

// Revise gives a notice that waits what it is to say now and to whom. Where that is other than before, an approval no longer holds. Nothing left to say
// withdraws it.
func (n Notice) Revise(about []FindingRef, recipients []string, content []byte, now Instant) (Notice, []TrailEntry) {
	if !n.Waits() {
		return n, nil
	}
	was := n
	if len(about) == 0 {
		n.Delivery, n.EndedAt, n.Why = NoticeWithdrawn, now, "nothing is left to tell"
		return n, was.note(now, byNight, "notice withdrawn", n.Why)
	}
	n.About, n.Recipients, n.Content = about, recipients, content
	switch {
	case slices.Equal(was.About, about) && slices.Equal(was.Recipients, recipients) && string(was.Content) == string(content) && was.Version > 0:
		return was, nil
	case len(recipients) == 0:
		n.Delivery = NoticeNoContact
	default:
		n.Delivery = NoticeDrafted
	}
	why := ""
	if n.Delivery == NoticeNoContact {
		why = "the registry names nobody to send it to"
	}
	if was.Delivery == NoticeApproved {
		n = n.unapproved()
		return n, n.note(now, byNight, "notice to be approved anew", "its recipients or its content changed after it was approved")
	}
	if was.Version > 0 && was.Delivery == n.Delivery && slices.Equal(was.About, about) {
		return n, nil // in other words
	}
	return n, n.note(now, byNight, "notice drafted", why)
}

func (n Notice) unapproved() Notice {
	n.ApprovedBy, n.ApprovedAt, n.Pinned = "", Never, ""
	return n
}

// Approve pins what is sent and to whom. pinned is the digest of both.
func (n Notice) Approve(by, reason, pinned string, now Instant) (Notice, []TrailEntry, error) {
	refuse := func(why string) (Notice, []TrailEntry, error) { return n, nil, &NoticeError{n.ID, "approve", why} }
	switch {
	case n.Delivery == NoticeNoContact:
		return refuse("the registry names nobody to send it to; have a contact entered there")
	case n.Delivery == NoticeApproved:
		return refuse("it is approved already, by " + n.ApprovedBy)
	case n.Delivery != NoticeDrafted:
		return refuse("it is " + string(n.Delivery))
	}
	n.Delivery, n.ApprovedBy, n.ApprovedAt, n.Pinned = NoticeApproved, by, now, pinned
	trail := n.note(now, by, "notice approved", reason)
	for i := range trail {
		trail[i].Details["content"] = pinned
	}
	return n, trail, nil
}

// Queue says that the notice goes into the outbox. Where what would be sent is not what was approved, it has to be approved anew instead, and ok is
// false.
func (n Notice) Queue(run, pinned string, now Instant) (after Notice, trail []TrailEntry, ok bool) {
	if n.Delivery != NoticeApproved || n.Queued() {
		return n, nil, false
	}
	if n.Pinned != pinned {
		n = n.unapproved()
		n.Delivery = NoticeDrafted
		return n, n.note(now, byNight, "notice to be approved anew", "what would be sent is no longer what was approved"), false
	}
	n.QueuedRun = run
	return n, nil, true
}

// Sent says that a mail server accepted the notice.
func (n Notice) Sent(at Instant) (Notice, []TrailEntry) {
	if n.Delivery != NoticeApproved || !n.Queued() {
		return n, nil
	}
	n.Delivery, n.SentAt = NoticeSent, at
	return n, n.note(at, byNight, "notice sent", "")
}

// Settled is the notice as time makes it: what did not bounce is delivered.
func (n Notice) Settled(now Instant, l *Ladder) (Notice, []TrailEntry) {
	if n.Delivery != NoticeSent || now < n.SentAt.Add(l.Settle) {
		return n, nil
	}
	n.Delivery, n.EndedAt = NoticeDelivered, n.SentAt.Add(l.Settle)
	return n, n.note(now, byNight, "notice delivered", "accepted, and no bounce since")
}

// Bounced says that a recipient's server gave the notice back. why holds no address. A notice that was answered did arrive.
func (n Notice) Bounced(why string, at Instant) (Notice, []TrailEntry) {
	switch {
	case !n.Queued() || n.Delivery == NoticeBounced:
		return n, nil
	case n.Delivery == NoticeDelivered && n.Why == answered:
		return n, nil
	}
	n.Delivery, n.EndedAt, n.Why = NoticeBounced, at, why
	return n, n.note(at, byNight, "notice bounced", why)
}

const missed = "not at one recipient: "

// Missed says that a notice that was delivered came back from one of its recipients after all. What follows from that is for a person to decide: the
// others have it. why holds no address.
func (n Notice) Missed(why string, at Instant) (Notice, []TrailEntry) {
	if n.Delivery != NoticeDelivered || n.Why == answered || n.MissedSome() {
		return n, nil
	}
	n.Why = missed + why
	return n, n.note(at, byNight, "notice missed a recipient", why)
}

// MissedSome says whether the notice came back from one of its recipients after it was delivered, and nobody has answered it.
func (n *Notice) MissedSome() bool { return strings.HasPrefix(n.Why, missed) }

const answered = "the vendor answered"

// Answered says that the vendor answered, so that the notice did arrive. A [NoticeError] where it was never sent.
func (n Notice) Answered(at Instant) (Notice, []TrailEntry, error) {
	if !n.Queued() {
		return n, nil, &NoticeError{n.ID, "answer", "it is " + string(n.Delivery) + ", and was not sent"}
	}
	was := n.Delivery
	n.Why = answered
	if was == NoticeDelivered {
		return n, nil, nil
	}
	if n.SentAt == Never {
		n.SentAt = at
	}
	n.Delivery, n.EndedAt = NoticeDelivered, at
	return n, n.note(at, byNight, "notice delivered", answered), nil
}

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
	ClaimedAt       Instant       `json:"claimed_at"`         // of a fix; Never: none
	ExtensionAsked  bool          `json:"extension_asked"`    // and not decided
	Extended        time.Duration `json:"extended,omitempty"` // 0: not
	DisputedAt      Instant       `json:"disputed_at"`        // of the open dispute; Never: none is open
	StoppedAt       Instant       `json:"stopped_at"`         // up to when Due counts the time that the clock stands; Never: it runs
	Stopped         time.Duration `json:"stopped,omitempty"`  // of all disputes
	Quiet           bool          `json:"quiet,omitempty"`    // the clock stands because the finding is suppressed or dismissed, or its fix verified
	Refuted         bool          `json:"refuted,omitempty"`  // a fix was claimed that was none: another such claim holds up nothing
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
	return now, []TrailEntry{now.note(at, byNight, "deadline set", "the notice was delivered")}
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

// A ReplyKind is what a vendor answers, or a person decides about it.
type ReplyKind string

// The replies.
const (
	ReplyViewed    ReplyKind = "viewed"
	ReplyExtension ReplyKind = "extension" // asks for one
	ReplyDispute   ReplyKind = "dispute"
	ReplyFix       ReplyKind = "fix-claimed"

	GrantExtension  ReplyKind = "extension-granted"
	RefuseExtension ReplyKind = "extension-refused"
	AcceptDispute   ReplyKind = "dispute-accepted"
	RejectDispute   ReplyKind = "dispute-rejected"
)

// ReplyKinds lists them.
func ReplyKinds() []ReplyKind {
	return []ReplyKind{ReplyViewed, ReplyExtension, ReplyDispute, ReplyFix, GrantExtension, RefuseExtension, AcceptDispute, RejectDispute}
}

// ByVendor says whether it is the vendor's answer; else it is a person's decision about one.
func (k ReplyKind) ByVendor() bool {
	return k == ReplyViewed || k == ReplyExtension || k == ReplyDispute || k == ReplyFix
}

// A Reply is an answer or a decision.
type Reply struct {
	Kind ReplyKind
	By   string // who enters or decides it
	At   Instant
	Text string        // redacted
	For  time.Duration // of an extension that is granted
}

// Reply takes an answer or decision about a finding into its matter. A [NoticeError] where it does not fit.
func (c Matter) Reply(r Reply, f *Finding, l *Ladder) (Matter, []TrailEntry, error) {
	if why := c.unfit(r, f, l); why != "" {
		return c, nil, &NoticeError{c.Notice, "take " + string(r.Kind) + " for " + c.Finding + " into", why}
	}
	c.tick(r.At, l)
	what := "vendor: " + string(r.Kind)
	switch r.Kind {
	case ReplyViewed:
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
	switch r.Kind {
	case ReplyViewed, ReplyExtension, ReplyDispute, ReplyFix, GrantExtension, RefuseExtension, AcceptDispute, RejectDispute:
	default:
		return "nobody can answer that"
	}
	switch {
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
		case r.By == c.Approver:
			return "another person than the one who approved the notice decides disputes"
		case !IsPerson(r.By):
			return "a person decides disputes"
		}
	}
	return ""
}

// IsPerson says whether who is a person, and no part of mailreeve.
func IsPerson(who string) bool { return who != "" && who != byNight && who != ApprovedByPolicy }

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
		return c, "", []TrailEntry{c.note(now, byNight, "notice ended", why)}
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
		return c, StepOverdue, append(trail, c.note(now, byNight, "overdue", "the deadline has passed: somebody should look"))
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
		return []TrailEntry{c.note(now, byNight, "fix verified", fmt.Sprintf("%d nights looked, and found nothing more", nights.Clean))}
	case c.Answer == FixClaimed && nights.Looked >= l.CleanNights && nights.Clean == 0:
		c.Answer, c.ClaimedAt, c.Refuted = Viewed, Never, true
		return []TrailEntry{c.note(now, byNight, "fix not verified", fmt.Sprintf("%d nights looked, and it still holds, or the last of them found more", nights.Looked))}
	case c.Answer == Verified && c.Fresh(f):
		c.Answer, c.ClaimedAt, c.Refuted = Viewed, Never, true
		return []TrailEntry{c.note(now, byNight, "fix no longer verified", "more was found since")}
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
		return c, true, []TrailEntry{c.note(at, byNight, "deadline dropped", "the notice bounced after all")}
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

// A NightCount is how many critical and high findings a finished run filed.
type NightCount struct {
	Run      string
	AsOf     Instant
	Baseline bool
	Severe   int
	Released bool // by a person
	Limit    int  // beyond which it is abnormal
	Abnormal bool
}

// MarkAbnormal marks the nights that filed more than the larger of a number and a multiple of the median of the nights before. nights are in order.
func (l *Ladder) MarkAbnormal(nights []NightCount) {
	var before []int
	for i := range nights {
		n := &nights[i]
		if n.Baseline { // all that it found is new
			continue
		}
		n.Limit = max(l.Abnormal, l.AbnormalTimes*median(before[max(0, len(before)-l.AbnormalNights):]))
		n.Abnormal = n.Severe > n.Limit
		before = append(before, n.Severe)
	}
}

// median is the lower one of an even number.
func median(list []int) int {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return s[(len(s)-1)/2]
}

// A Prospect is what decides whether a vendor is told of a finding.
type Prospect struct {
	Finding   *Finding
	Matter    *Matter       // nil: its vendor was never told
	Filed     Instant       // as-of of the run that filed it
	Night     Instant       // as-of of the last run
	Baseline  bool          // it was filed by a baseline that no person released
	Commented bool          // by a person
	Waited    time.Duration // how long the app's request for approval has waited; 0: there is none
}

// Reasons why a vendor is not told of a finding. They are for people to read.
var (
	ErrNotOpen   = errors.New("it is not open")
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
	case x.Night < x.Filed.Add(l.After):
		return ErrFresh
	case f.Check == "access-unapproved" && x.Waited > l.RequestWait:
		return ErrOwnQueue
	}
	return nil
}
