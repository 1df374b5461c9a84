// Package vendorpage is the page on which a vendor reads what it was told of, and answers. It has a listener of its own, which alone is made public: nothing
// of the console is reachable there.
//
// Who opens the link of a notice sees a button. Only pressing it uses the link up, once, for a session in that browser; opening links changes nothing, since
// mail scanners do it. A link that was used is worth nothing any more, but who has it may have a fresh one sent to the vendor's contacts. What a session shows
// is looked up by its vendor for each request: the findings that this vendor was told of. Anything else is not found.
package vendorpage
