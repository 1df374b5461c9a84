package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
)

// An Observation is a fact that somebody brought from outside the platform's own logs: a capture that a crawler took of an app's page, a mail that was
// caught in a canary mailbox, a signal from people. Its line says what it is; what is seen in the file that the line names is found once, when that
// is first looked into, and kept as Mail and Sightings. No text of the file is kept.
type Observation struct {
	Kind    Kind          `json:"-"` // captures, mail, signals
	ID      ObservationID `json:"-"`
	At      Instant       `json:"-"` // captured_at, received_at, ts
	App     string        `json:"-"`
	Source  Source        `json:"-"`
	Site    string        `json:"site,omitempty"`
	Account string        `json:"account,omitempty"` // of a capture: the viewer; of a mail: the canary
	File    string        `json:"file,omitempty"`    // as the line names it, relative to its manifest

	Form CaptureKind `json:"form,omitempty"` // captures: what the file is
	URL  string      `json:"url,omitempty"`  // captures: of the page, redacted

	Topic    string `json:"topic,omitempty"`    // signals: their kind
	Text     string `json:"text,omitempty"`     // signals: what was said, redacted
	Reporter string `json:"reporter,omitempty"` // signals: where it comes from, redacted

	Mail      *MailReading `json:"mail,omitempty"`      // mail: what kind it is, and who sent it
	Sightings []Sighting   `json:"sightings,omitempty"` // captures and mail, once Examined
	Examined  bool         `json:"-"`                   // it was held against the addresses; signals: always
	Trouble   string       `json:"trouble,omitempty"`   // why its file could not be looked into after all
	Masked    bool         `json:"masked,omitempty"`    // its line named an account that was forgotten: ID is a keyed digest
	Mark      *FileMark    `json:"mark,omitempty"`      // of the file as it was first looked into
}

// A FileMark tells whether a file is still the one that it was.
type FileMark struct {
	Size    int64   `json:"size"`
	Changed Instant `json:"changed"`
}

// An ObservationID is what an observation is known by: a digest of all that its line says.
type ObservationID [16]byte

// Identify gives o the id of what its line says.
func (o *Observation) Identify() {
	h := sha256.New()
	field := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	for _, s := range []string{string(o.Kind), o.At.String(), o.App, o.Site, o.Account, o.File, string(o.Form), o.URL, o.Topic, o.Text, o.Reporter} {
		field(s)
	}
	if o.Examined && o.Kind == KindCaptures { // the line itself says what was seen
		said, err := json.Marshal(o.Sightings)
		if err != nil {
			panic(err) // strings can always be encoded
		}
		h.Write(said)
	}
	copy(o.ID[:], h.Sum(nil))
}

// Occurrence is what the observation is counted by.
func (o *Observation) Occurrence() uint64 { return binary.LittleEndian.Uint64(o.ID[:]) }

// A MailReading is what kind a mail is, and who sent it. No text of the mail is in it.
type MailReading struct {
	Kind     string   `json:"kind"`               // a purpose of the policy, or `other`
	Signs    []string `json:"signs,omitempty"`    // what tells the kind, in words for reviewers
	From     string   `json:"from,omitempty"`     // hosts, in lower case
	Envelope string   `json:"envelope,omitempty"` // of the return path
	Signed   []string `json:"signed,omitempty"`   // that signed it (DKIM)
	Proved   bool     `json:"proved,omitempty"`   // the receiving server says that it is from From's domain
}

// OtherMail is the kind of a mail that is neither for a purpose that may be approved nor for one that never is.
const OtherMail = "other"

// Senders are the hosts that had a part in sending the mail, no two equal.
func (m *MailReading) Senders() []string {
	list := append([]string{m.From, m.Envelope}, m.Signed...)
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
}

// ObservedKinds are the kinds of observations of a day, as a set of bits.
type ObservedKinds uint8

// The bits.
const (
	ObservedCapture ObservedKinds = 1 << iota
	ObservedMail
	ObservedSignal
)

// ObservedKind is the bit of a kind of source; 0 where it brings no observations.
func ObservedKind(k Kind) ObservedKinds {
	switch k {
	case KindCaptures:
		return ObservedCapture
	case KindMail:
		return ObservedMail
	case KindSignals:
		return ObservedSignal
	}
	return 0
}

// A Canary is what is known of an account that the platform seeded to see who mails it, and one app. It is kept for ever: whether another app could
// have passed the address on is asked of every later mail.
type Canary struct {
	Account   string
	App       string
	Mailed    bool    // a mail to it was caught for the app
	Retrieved Instant // the app's first retrieval of it; Never: none is known
}
