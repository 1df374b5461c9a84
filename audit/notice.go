package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

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

// Key is the key of the notice's mail in the outbox.
func (n *Notice) Key() string { return noticeKey + n.ID + " " + string(n.Kind) }

const noticeKey = "notice "

// IsNoticeKey says whether a message's key is that of a notice.
func IsNoticeKey(key string) bool { return strings.HasPrefix(key, noticeKey) }

// Waits says whether the notice is still to be sent.
func (n *Notice) Waits() bool {
	return !n.Queued() && (n.Delivery == NoticeDrafted || n.Delivery == NoticeNoContact || n.Delivery == NoticeApproved)
}

// Findings are the ids of what the notice is about.
func (n *Notice) Findings() []string {
	ids := make([]string, len(n.About))
	for i, k := range n.About {
		ids[i] = k.Finding
	}
	return ids
}

// Has says whether the notice is about a finding.
func (n *Notice) Has(finding string) bool {
	return slices.ContainsFunc(n.About, func(k FindingRef) bool { return k.Finding == finding })
}

// Note is an entry of the trail for each finding of the notice.
func (n *Notice) Note(at Instant, who, what, why string) []TrailEntry {
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
		return n, was.Note(now, ByNight, "notice withdrawn", n.Why)
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
		return n, n.Note(now, ByNight, "notice to be approved anew", "its recipients or its content changed after it was approved")
	}
	if was.Version > 0 && was.Delivery == n.Delivery && slices.Equal(was.About, about) {
		return n, nil // in other words
	}
	return n, n.Note(now, ByNight, "notice drafted", why)
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
	trail := n.Note(now, by, "notice approved", reason)
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
		return n, n.Note(now, ByNight, "notice to be approved anew", "what would be sent is no longer what was approved"), false
	}
	n.QueuedRun = run
	return n, nil, true
}

// Recall takes back a notice that is in the outbox, where something of it no longer holds, and its mail, m, is out of the outbox by now. If that surely did not arrive,
// what still holds of it waits to be written anew, and approved anew. Else it is withdrawn, which says so, and what still holds is told by another notice; see Sent. who took it back,
// in the trail.
func (n Notice) Recall(m Message, still bool, who, why string, now Instant) (Notice, []TrailEntry) {
	if n.Delivery != NoticeApproved || !n.Queued() {
		return n, nil
	}
	if m.Doubt == 0 {
		n = n.unapproved()
		n.QueuedRun = ""
		why += "; its mail was taken out of the outbox before anybody tried to send it"
		if m.Attempts > 0 {
			why += fmt.Sprintf(" with success: no attempt (%d) got so far that it could have arrived", m.Attempts)
		}
	}
	if m.Doubt == 0 && still {
		n.Delivery = NoticeDrafted
		return n, n.Note(now, who, "notice recalled", why+", and it is drafted anew")
	}
	if m.Doubt != 0 {
		why += fmt.Sprintf("; its mail was taken out of the outbox, but had been tried (%d): it may have arrived", m.Attempts)
		if m.Error != "" {
			why += ", though an attempt ended with: " + m.Error
		}
	}
	n.Delivery, n.EndedAt, n.Why = NoticeWithdrawn, now, why
	return n, n.Note(now, who, "notice withdrawn", why)
}

// Hold takes a notice that is in the outbox back to before it was put there, as an abnormal night does with what nobody has tried to send yet. Its approval holds.
func (n Notice) Hold(now Instant) (Notice, []TrailEntry) {
	if n.Delivery != NoticeApproved || !n.Queued() {
		return n, nil
	}
	n.QueuedRun = ""
	return n, n.Note(now, ByNight, "notice held", "an abnormal night holds up every notice; this one had surely not arrived")
}

// Sent says that a mail server accepted the notice, also where that came too late for a recall.
func (n Notice) Sent(at Instant) (Notice, []TrailEntry) {
	why := ""
	switch {
	case !n.Queued():
		return n, nil
	case n.Delivery == NoticeWithdrawn:
		why = "it was taken back too late: the mail server accepted it"
		n.EndedAt, n.Why = Never, n.Why+"; the mail server accepted it: it was sent"
	case n.Delivery != NoticeApproved:
		return n, nil
	}
	n.Delivery, n.SentAt = NoticeSent, at
	return n, n.Note(at, ByNight, "notice sent", why)
}

// Settled is the notice as time makes it: what did not bounce is delivered.
func (n Notice) Settled(now Instant, l *Ladder) (Notice, []TrailEntry) {
	if n.Delivery != NoticeSent || now < n.SentAt.Add(l.Settle) {
		return n, nil
	}
	n.Delivery, n.EndedAt = NoticeDelivered, n.SentAt.Add(l.Settle)
	return n, n.Note(now, ByNight, "notice delivered", "accepted, and no bounce since")
}

// Bounced says that a recipient's server gave the notice back. why holds no address. A notice that was answered did arrive.
func (n Notice) Bounced(why string, at Instant) (Notice, []TrailEntry) {
	switch {
	case !n.Queued() || n.Delivery == NoticeBounced || n.Delivery == NoticeWithdrawn:
		return n, nil
	case n.Delivery == NoticeDelivered && n.Why == answered:
		return n, nil
	}
	n.Delivery, n.EndedAt, n.Why = NoticeBounced, at, why
	return n, n.Note(at, ByNight, "notice bounced", why)
}

const missed = "not at one recipient: "

// Missed says that a notice that was delivered came back from one of its recipients after all. What follows from that is for a person to decide: the
// others have it. why holds no address.
func (n Notice) Missed(why string, at Instant) (Notice, []TrailEntry) {
	if n.Delivery != NoticeDelivered || n.Why == answered || n.MissedSome() {
		return n, nil
	}
	n.Why = missed + why
	return n, n.Note(at, ByNight, "notice missed a recipient", why)
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
	return n, n.Note(at, ByNight, "notice delivered", answered), nil
}
