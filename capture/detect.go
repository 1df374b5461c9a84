package capture

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/checks/exposure"
)

// An Address is one that was handed out: in the clear, or as address.Digests gives it.
type Address struct {
	Account string
	Email   string
	Digests map[string][]string
}

// A detector looks for addresses in what is whole, and knows afterwards what must not be written.
type detector struct {
	finder *exposure.Finder
	masker *exposure.Masker
	next   int // number of the next document
}

func newDetector() *detector {
	return &detector{finder: exposure.New(exposure.Limits{}), masker: exposure.NewMasker(exposure.Limits{})}
}

// scan looks through a document and gives its number.
func (d *detector) scan(ctx context.Context, kind audit.CaptureKind, text []byte) (doc int, notes []string, err error) {
	doc = d.next
	d.next++
	notes, err = d.finder.Scan(ctx, doc, kind, bytes.NewReader(text))
	return doc, notes, err
}

// match holds what was found against the addresses; from then on the hashes of those that were found are masked, too.
func (d *detector) match(ctx context.Context, c *Capturer) (map[int][]audit.Sighting, error) {
	if d.finder.Empty() {
		return nil, ctx.Err()
	}
	plain := d.finder.Matcher()
	var digested *exposure.DigestMatcher
	if c.Key != nil {
		digested = d.finder.DigestMatcher(*c.Key)
	}
	err := c.Addresses(ctx, func(a Address) error {
		switch {
		case a.Digests == nil:
			plain.Address(a.Account, a.Email)
		case digested != nil:
			digested.Digests(a.Account, a.Digests)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the addresses: %w", err)
	}
	d.masker.KnowHashes(plain.Hashes())
	found := plain.Sightings()
	if digested != nil {
		d.masker.KnowHashes(digested.Hashes())
		for doc, list := range digested.Sightings() {
			found[doc] = append(found[doc], list...)
		}
	}
	return found, ctx.Err()
}

// shapes is where in a text that somebody reads is what must not be shown: whatever has the shape of an address, in whatever disguise, hashes of addresses
// that were found, and secrets. The stretches come in no order. sure says that all of the text could be read.
func (d *detector) shapes(ctx context.Context, text string, secrets []string) (all []exposure.Span, sure bool) {
	all, sure = d.masker.Spans(ctx, []byte(text))
	all = slices.Clone(all)
	for _, x := range address.Spans(text) {
		all = append(all, exposure.Span{From: x[0], To: x[1]})
	}
	for _, s := range secrets {
		for from := 0; ; {
			i := strings.Index(text[from:], s)
			if i < 0 {
				break
			}
			from += i + len(s)
			all = append(all, exposure.Span{From: from - len(s), To: from})
		}
	}
	return all, sure
}
