package exposure

import (
	"encoding/base64"
	"testing"
	"unicode/utf16"
)

// What lz-string itself made of some texts.
func TestLZStringUnpacksWhatTheLibraryPacked(t *testing.T) {
	const object = `{"email":"alice@example.com","name":"Alice Liddell","id":42,"role":"admin","role2":"administrator"}`
	for _, c := range []struct{ want, got string }{
		{"alice@example.com", string(lzBase64([]byte("IYGwlgxgpgAlAewC2AHEUB0ED2Sg"), 1000))},
		{object, string(lzBase64([]byte("N4IgpgtghglgNiAXCKcYGMwAEwA8oQAOcYAdOgPYQgA0IAdgWEiAIJqYAEAMjACZ8wcBHX5IALACY6AJwokWUPhBj1aIOSUmLlqmAGcALjKiGKMkAF8gA==="), 1000))},
		{object, string(lzBase64([]byte("N4IgpgtghglgNiAXCKcYGMwAEwA8oQAOcYAdOgPYQgA0IAdgWEiAIJqYAEAMjACZ8wcBHX5IALACY6AJwokWUPhBj1aIOSUmLlqmAGcALjKiGKMkAF8gA"), 1000))},
		{"alice@example.com", string(lzUTF16(oneByOne([]uint16{0x10e0, 0x6c45, 0x41ac, 0x0a80, 0x0148, 0x07d0, 0x05d0, 0x01e4, 0x282e, 0x4123, 0x6cb4, 0x20, 0x20}), 1000))},
		{"alice@example.com", string(lzRaw(oneByOne([]uint16{0x2181, 0xb096, 0x0c60, 0xa600, 0x2501, 0xec02, 0xd801, 0xc450, 0x1d04, 0x0f64, 0xa000}), 1000))},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	for _, s := range []string{"alice@example.com", object, "用户@例子.广告 用户@例子.广告", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if got := string(lzBase64([]byte(lz64(s)), 1000)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if got := string(lzUTF16(oneByOne(utf16.Encode([]rune(lz16(s)))), 1000)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
}

func FuzzLZString(f *testing.F) {
	f.Add([]byte("IYGwlgxgpgAlAewC2AHEUB0ED2Sg"))
	f.Add([]byte("N4IgpgtghglgNiAXCKcYGMwAEwA8oQAOcYAdOgPYQgA0IAdgWEiA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		for _, out := range [][]byte{lzBase64(b, limit), lzBase64([]byte(base64.StdEncoding.EncodeToString(b)), limit), lzRaw(oneByOne(utf16.Encode([]rune(string(b)))), limit)} {
			if len(out) > 2*limit+len(b) {
				t.Errorf("%d bytes out of %d", len(out), len(b))
			}
		}
	})
}

// oneByOne gives units one by one.
func oneByOne(units []uint16) func() (uint32, bool) {
	return func() (uint32, bool) {
		if len(units) == 0 {
			return 0, false
		}
		unit := units[0]
		units = units[1:]
		return uint32(unit), true
	}
}
