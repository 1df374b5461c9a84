package exposure

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mailreeve/mailreeve/audit"
)

// TestALongTextIsReadInPieces has an address at each place around where a piece ends, and readers that give more and less at a time.
func TestALongTextIsReadInPieces(t *testing.T) {
	const body = 8192
	readers := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
	}
	for _, size := range []int{body - 1, body, body + 1, 3 * body} {
		for from := body - 64; from <= min(body+8, size-len(alice)); from += 3 {
			text := strings.Repeat("text ", size)[:from-1] + " " + alice + " " + strings.Repeat("more ", size)
			text = text[:size]
			for name, reader := range readers {
				f := New(Limits{Body: body})
				notes, err := f.Scan(context.Background(), 1, audit.CaptureText, reader(strings.NewReader(text)))
				m := f.Matcher()
				m.Address("alice", alice)
				if err != nil || len(m.Sightings()[1]) != 1 || (len(notes) > 0) != (size > body) {
					t.Fatalf("%d bytes, the address from %d on, %s: %v, notes %q, error %v", size, from, name, m.Sightings(), notes, err)
				}
			}
		}
	}
}
