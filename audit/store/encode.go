package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// packNumbers encodes ascending numbers: how many, the first, and then the differences.
func packNumbers(list []uint64) []byte {
	if !slices.IsSorted(list) {
		list = slices.Sorted(slices.Values(list))
	}
	p := binary.AppendUvarint(make([]byte, 0, 2+9*len(list)), uint64(len(list)))
	last := uint64(0)
	for _, n := range list {
		p = binary.AppendUvarint(p, n-last)
		last = n
	}
	return p
}

// unpackNumbers reads what packNumbers wrote, to its end.
func unpackNumbers(p []byte) ([]uint64, error) {
	n, w := binary.Uvarint(p)
	if w <= 0 || n > uint64(len(p)-w) {
		return nil, fmt.Errorf("a list of numbers is cut off: %w", ErrDamaged)
	}
	p = p[w:]
	if n == 0 && len(p) == 0 {
		return nil, nil
	}
	list, last := make([]uint64, n), uint64(0)
	for i := range list {
		d, w := binary.Uvarint(p)
		if w <= 0 || last+d < last {
			return nil, fmt.Errorf("a list of numbers is cut off or overflows: %w", ErrDamaged)
		}
		last += d
		list[i], p = last, p[w:]
	}
	if len(p) > 0 {
		return nil, fmt.Errorf("a list of numbers is followed by something else: %w", ErrDamaged)
	}
	return list, nil
}

// unpackIDs reads a set of ids, to its end.
func unpackIDs(p []byte) (audit.IDs, error) {
	set, rest, err := audit.ReadIDs(p)
	if err != nil {
		return audit.IDs{}, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if len(rest) > 0 {
		return audit.IDs{}, fmt.Errorf("a set of ids is followed by something else: %w", ErrDamaged)
	}
	return set, nil
}

// packJSON is v as JSON, as text.
func packJSON(v any) (string, error) {
	p, err := json.Marshal(v)
	return string(p), err
}

func unpackJSON(s string, v any) error {
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return nil
}

// blob is p as a value that is not NULL.
func blob(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}
