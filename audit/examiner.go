package audit

import (
	"context"
	"io"
)

// An Examiner looks into the files that manifests name.
type Examiner interface {
	// Examine begins a look into files that are then held against the addresses together.
	Examine() Look
}

// A Look is one of an examiner's. What may be an address is held in memory only, until the addresses have passed.
type Look interface {
	// Capture looks into the capture with number n. Notes say what of it could not be read, the error why it could not be looked into at all; neither
	// quotes anything of it.
	Capture(ctx context.Context, n int, kind CaptureKind, r io.Reader) (notes []string, err error)
	// Mail does the same for a mail; authserv is the name of the server whose Authentication-Results are believed. Of one that comes where the look is full
	// only kind and sender are read.
	Mail(ctx context.Context, n int, r io.Reader, authserv string) (m *MailReading, notes []string, err error)
	// Full says whether so much was found that what is in the next files should wait for another look.
	Full() bool
	// Empty says whether nothing in the files may be an address or a hash.
	Empty() bool
	// Against begins to hold what was found against addresses. Nothing can be looked into any more.
	Against() Matching
}

// A Matching is told all addresses, by several goroutines at once, and then what was seen.
type Matching interface {
	Address(account, email string)
	// Digests is Address for an address that is known by digests only. The error says why these cannot be compared, as for another key.
	Digests(account, key string, digests map[string][]string) error
	// Sightings is what was seen, by number of the file.
	Sightings() map[int][]Sighting
}
