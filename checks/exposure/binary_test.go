package exposure

import (
	"bytes"
	"compress/flate"
	"testing"

	"pgregory.net/rapid"
)

// TestDeflateLooksLikeIt holds what is told of a deflate stream by its head against what a compressor writes.
func TestDeflateLooksLikeIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-z]{1,9}[ .@"=&0-9éß日ａｂｃ．＠]){1,90}`).Draw(t, "text")
		level := rapid.SampledFrom([]int{flate.HuffmanOnly, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression}).Draw(t, "level")
		if len(text) < minText {
			return
		}
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, level)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		b := out.Bytes()
		if b[0]>>1&3 == 0 { // stored: the text is there as it stands
			return
		}
		if looks, whole := deflateLooks(b); !looks || !whole {
			t.Fatalf("%q at level %d does not look like deflate: %x", text, level, b)
		}
		n := rapid.IntRange(1, len(b)).Draw(t, "n")
		if !beginsDeflate(b[:n]) {
			t.Fatalf("%d of %d bytes of %q at level %d do not look like deflate: %x", n, len(b), text, level, b)
		}
	})
}
