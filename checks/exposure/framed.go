package exposure

import (
	"strings"
	"unicode/utf8"
)

// framed takes for a candidate what is around the at-sign at b[i:i+n] and as long as the byte before it says, as MessagePack, protobuf and CBOR have it:
// the length, or what follows the address, may be a letter, so that b[from:to] looks longer than it is. Only next to bytes that are no text: elsewhere
// such a letter belongs to the address.
func (s *scan) framed(b []byte, from, i, n, to int, c chain) {
	whole := from <= 2 && to == len(b) && b[0] == '\n' // a message that has but this
	if !whole && !torn(b[max(0, from-12):min(len(b), to+4)]) {
		return
	}
	first, last := from, i+n+tornAt(b[i+n:to])
	for {
		k := first + tornAt(b[first:i])
		if k == i {
			break
		}
		first = k + 1
	}
	for p := max(1, first); p < i; p++ {
		x := b[p-1]
		lengths := [2]int{int(x)}
		if x&0xE0 == 0xA0 || x&0xE0 == 0x60 && x < 0x78 { // fixstr of MessagePack, a short text of CBOR
			lengths[1] = int(x & 0x1F)
		}
		for _, length := range lengths {
			end := p + length
			if end <= i+n || end > last || end < last && (end+1 >= len(b) || !torn(b[end+1:end+2])) { // only the next tag may look like a letter
				continue
			}
			if torn(b[max(0, p-12):p]) || torn(b[end:min(len(b), end+4)]) || whole && p == 2 {
				if p > from || end < to {
					s.candidate(b[p:i], b[i+n:end], c, p, end)
				}
				return // a length within is a letter
			}
		}
	}
}

// torn says whether b holds what is no text.
func torn(b []byte) bool { return tornAt(b) < len(b) }

// tornAt is where in b the first byte is that is no text, or its length.
func tornAt(b []byte) int {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if !is(b[i], inText) {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// binaryBody says whether the type of a body tells that it is no text in any character set.
func binaryBody(mime string) bool {
	for _, part := range [...]string{"msgpack", "messagepack", "protobuf", "grpc", "cbor", "bson", "thrift", "avro", "octet-stream"} {
		if strings.Contains(mime, part) {
			return true
		}
	}
	return false
}
