package exposure

import (
	"bytes"
	"context"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// Marks are what a Masker leaves. None of them looks like an address.
const (
	MarkAddress = address.Mask
	MarkHash    = "[hash]"
	MarkLeftOut = "[left out: it could not be masked]"
)

// A Masker takes out of texts everything address-shaped, known or not, in every disguise that a Finder reads, and the hashes of addresses that it
// knows. Know and KnowHashes come first; then it may be used by many goroutines at once.
type Masker struct {
	f    *Finder
	sums map[string]bool // raw hashes of known addresses
}

// NewMasker knows no address.
func NewMasker(l Limits) *Masker { return &Masker{New(l), map[string]bool{}} }

// Know adds the hashes of an address.
func (m *Masker) Know(email string) {
	address.NewHasher(1<<address.Kinds-1).Sums(email, func(s address.Sum) bool {
		m.sums[string(s.Value)] = true
		return true
	})
}

// KnowHashes adds raw hashes of addresses, as a matcher's Hashes gives them.
func (m *Masker) KnowHashes(raw []string) {
	for _, sum := range raw {
		m.sums[sum] = true
	}
}

// A Span is a stretch of a text, in bytes, that is an address or a known hash, or becomes one when it is decoded.
type Span struct {
	From, To int
	Hash     bool // a known hash and no address
}

// Spans are the stretches of b that a masked text must not hold, in order, not overlapping: for boxes and bars over a screenshot. Of an encoded word it is the word.
// sure says that all of b could be read within the limits.
func (m *Masker) Spans(ctx context.Context, b []byte) (spans []Span, sure bool) {
	s := newScan(ctx, m.f, 0)
	defer s.end()
	s.strict = true
	s.probe = func(of sort, key []byte, from, to int) {
		hash := of == ofSum
		if hash && !m.sums[string(key)] {
			return
		}
		if n := len(spans); n > 0 && spans[n-1].From == from && spans[n-1].To == to {
			spans[n-1].Hash = spans[n-1].Hash && hash
			return
		}
		spans = append(spans, Span{from, to, hash})
	}
	s.text(b)
	return merge(spans), s.err() == nil && len(s.notes.list) == 0
}

func merge(spans []Span) []Span {
	if len(spans) == 0 {
		return nil
	}
	slices.SortFunc(spans, func(a, b Span) int { return a.From - b.From })
	out := spans[:1]
	for _, x := range spans[1:] {
		if last := &out[len(out)-1]; x.From < last.To {
			last.To = max(last.To, x.To)
			last.Hash = last.Hash && x.Hash
			continue
		}
		out = append(out, x)
	}
	return out
}

// maskRounds is how often a text is masked before it is given up: taking out one thing can make another appear.
const maskRounds = 6

// Mask is b with marks in the place of Spans, so that neither a Finder nor address.LooksLike finds anything address-shaped in it, whatever is decoded;
// MarkLeftOut where that could not be reached.
func (m *Masker) Mask(ctx context.Context, kind audit.CaptureKind, b []byte) []byte {
	for round := range maskRounds {
		spans, sure := m.Spans(ctx, b)
		if !sure {
			return []byte(MarkLeftOut)
		}
		if len(spans) == 0 && !address.LooksLike(b) {
			if kind == audit.CaptureHTML && m.shows(ctx, b) {
				break
			}
			return b
		}
		out := make([]byte, 0, len(b))
		from := 0
		for _, x := range spans {
			out = append(out, b[from:x.From]...)
			out = append(out, m.masked(ctx, b[x.From:x.To], x, round)...)
			from = x.To
		}
		b = []byte(address.Redact(string(append(out, b[from:]...))))
	}
	return []byte(MarkLeftOut)
}

// masked is the mark for a span, or, at first, the span with marks in those of its parts that are enough.
func (m *Masker) masked(ctx context.Context, b []byte, x Span, round int) []byte {
	mark := MarkAddress
	if x.Hash {
		mark = MarkHash
	}
	if round > 1 || len(b) < 16 {
		return []byte(mark)
	}
	var out []byte
	found := false
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && !partsValues[b[j]] {
			j++
		}
		part := b[i:j]
		if len(part) >= minText && len(part) < len(b) {
			if spans, sure := m.Spans(ctx, part); len(spans) > 0 || !sure {
				found = true
				part = []byte(mark)
			}
		}
		out = append(out, part...)
		if j < len(b) {
			out = append(out, b[j])
		}
		i = j + 1
	}
	if !found {
		return []byte(mark)
	}
	return out
}

// partsValues are what parts the values of URLs and lists.
var partsValues = set("&?;,#=:{}[]()|/", nil)

// shows says whether a page has anything address-shaped when it is read as a page.
func (m *Masker) shows(ctx context.Context, b []byte) bool {
	f := New(m.f.limits)
	if notes, err := f.Scan(ctx, 0, audit.CaptureHTML, bytes.NewReader(b)); err != nil || len(notes) > 0 {
		return true
	}
	if len(f.addrs) > 0 {
		return true
	}
	for sum := range f.sums {
		if m.sums[sum] {
			return true
		}
	}
	return false
}
