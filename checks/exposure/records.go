package exposure

import (
	"cmp"
	"slices"
)

// maxRecords is how many candidates of a page are kept until they are placed. Of a page with more, their spans are, and the page is looked through again there.
const maxRecords = 1 << 16

// maxKeys is how many bytes their keys may have.
const maxKeys = 64 << 20

// A record is a candidate that was found in the source of a page, and not placed yet.
type record struct {
	of       sort
	turn     uint8
	own      part
	chain    chain
	key, end int32 // where the key is among the keys of all
	from, to int
}

// A part says what has a part in a candidate.
type part uint8

const (
	anything part = iota
	nearby        // what is as far as a script is read, and nothing there had one
	nothing       // it would be found in its element alone, too, and nothing else would
)

// Records are what was found in the source of a page.
type records struct {
	list  []record
	keys  []byte
	more  bool     // the list does not have all
	spans []extent // of all, then
}

func (r *records) add(x record, key []byte) {
	if len(r.list) < maxRecords && len(r.keys)+len(key) <= maxKeys {
		x.key = int32(len(r.keys))
		r.keys = append(r.keys, key...)
		x.end = int32(len(r.keys))
		r.list = append(r.list, x)
		return
	}
	if !r.more {
		r.more = true
		for i := range r.list {
			r.cover(&r.list[i])
		}
	}
	r.cover(&x)
}

// emptied is r without its candidates, to be filled anew.
func (r records) emptied() records {
	return records{list: r.list[:0], keys: r.keys[:0], spans: r.spans[:0]}
}

// cover adds a candidate's span.
func (r *records) cover(x *record) {
	if n := len(r.spans); n > 0 && r.spans[n-1].from <= x.from && x.to <= r.spans[n-1].to {
		return
	}
	r.spans = append(r.spans, extent{from: x.from, to: x.to})
}

// mark is for own.
func (r *records) mark() int {
	if r == nil {
		return 0
	}
	return len(r.list)
}

// own says of what was found since mark that nothing around has a part in it.
func (r *records) own(mark int) {
	if r != nil {
		r.say(mark, nothing)
	}
}

// near says of what was found since mark that something as far as a script is read might have had a part in it, if nothing was put together there: since found, only what is
// spelled out.
func (r *records) near(mark, found int) {
	if r == nil {
		return
	}
	for _, x := range r.list[found:] {
		if !slices.Contains(x.chain.steps[:x.chain.n], stepSpelled) {
			return
		}
	}
	r.say(mark, nearby)
}

func (r *records) say(mark int, own part) {
	for i := mark; i < len(r.list); i++ {
		x := &r.list[i]
		x.own = own
		for _, st := range x.chain.steps[:x.chain.n] {
			switch st {
			case stepConcat, stepCodes, stepSplit, stepQP, stepCompat: // it was put together of what is around
				x.own = anything
			case stepSpelled:
				x.own = min(own, nearby)
			}
		}
	}
}

// merged sorts the list, and gives the spans: sorted, not overlapping, and own where all in them are.
func (r *records) merged(also []extent) []extent {
	slices.SortStableFunc(r.list, func(a, b record) int { return cmp.Compare(a.from, b.from) })
	spans := r.spans[:0]
	if r.more {
		spans = r.spans
	} else {
		for i := range r.list {
			spans = append(spans, extent{r.list[i].from, r.list[i].to, r.list[i].own})
		}
	}
	spans = append(spans, also...)
	if len(spans) == 0 {
		return nil
	}
	slices.SortFunc(spans, func(a, b extent) int { return a.from - b.from })
	r.spans = spans
	n := 0
	for _, x := range spans[1:] {
		if last := &spans[n]; x.from < last.to || x.from == last.from {
			last.to = max(last.to, x.to)
			last.own = min(last.own, x.own)
			continue
		}
		n++
		spans[n] = x
	}
	return spans[:n+1]
}
