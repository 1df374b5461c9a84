package audit

// CaptureKind tells what a capture holds.
type CaptureKind string

// The kinds of captures.
const (
	CaptureHAR  CaptureKind = "har"  // what a browser sent and received, as HAR 1.2
	CaptureHTML CaptureKind = "html" // a page
	CaptureText CaptureKind = "text" // what a page shows, as text
	CaptureJS   CaptureKind = "js"   // a script
)

// Known says whether k is one of the kinds.
func (k CaptureKind) Known() bool {
	return k == CaptureHAR || k == CaptureHTML || k == CaptureText || k == CaptureJS
}

// Place tells where in a capture or a mail an address was.
type Place string

// The places.
const (
	Shown   Place = "visible" // in rendered text, or in an attribute that a browser shows
	Payload Place = "payload" // it reached the browser, but is not shown
	Sent    Place = "sent"    // it went to a host, or goes there when a mail is opened or its link followed
)

// A Sighting is a fact: the address of an account, or a hash of it, at one place of a capture or a mail. The address itself is in none of its fields.
type Sighting struct {
	Account string   `json:"account_id"`
	Place   Place    `json:"place"`
	Host    string   `json:"host,omitempty"`  // where it was sent: a host in lower case, without port; empty where it was not
	Field   string   `json:"field,omitempty"` // in which part, in words: `query parameter uid`, `header Referer`, `response body`, `attribute title`
	Chain   []string `json:"chain,omitempty"` // how it was disguised, from the outside in; empty: not at all
	Hash    string   `json:"hash,omitempty"`  // kind of the hash, as `sha256`; empty: the address itself
}
