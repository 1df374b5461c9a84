package exposure

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"mime/quotedprintable"
	"strings"
	"unicode/utf16"

	"github.com/andybalholm/brotli"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/ripemd160" //nolint:staticcheck // as in audit/address
)

// Encoders for tests, written apart from the decoders.

func b64(s string) string     { return base64.StdEncoding.EncodeToString([]byte(s)) }
func b64raw(s string) string  { return base64.RawStdEncoding.EncodeToString([]byte(s)) }
func b64url(s string) string  { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
func b64urlp(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }
func b32(s string) string     { return base32.StdEncoding.EncodeToString([]byte(s)) }
func hexed(s string) string   { return hex.EncodeToString([]byte(s)) }

func b58(s string) string {
	const letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	n := new(big.Int).SetBytes([]byte(s))
	var out []byte
	for n.Sign() > 0 {
		var rest big.Int
		n.DivMod(n, big.NewInt(58), &rest)
		out = append([]byte{letters[rest.Int64()]}, out...)
	}
	return string(out)
}

func pct(s string) string { // all of it
	var out strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&out, "%%%02X", s[i])
	}
	return out.String()
}

func pctAt(s string) string { return strings.ReplaceAll(s, "@", "%40") }

func rot13(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return 'a' + (r-'a'+13)%26
		case 'A' <= r && r <= 'Z':
			return 'A' + (r-'A'+13)%26
		}
		return r
	}, s)
}

func backwards(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

func each(s, format string) string { // each character by a format
	var out strings.Builder
	for _, r := range s {
		fmt.Fprintf(&out, format, r)
	}
	return out.String()
}

func codes(s, sep, format string) string {
	var out []string
	for _, r := range s {
		out = append(out, fmt.Sprintf(format, r))
	}
	return strings.Join(out, sep)
}

func packed(s string, to func(io.Writer) io.WriteCloser) string {
	var b bytes.Buffer
	w := to(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func gz(s string) string {
	return packed(s, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}
func zl(s string) string {
	return packed(s, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
}
func defl(s string) string {
	return packed(s, func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 6); return f })
}
func br(s string) string {
	return packed(s, func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) })
}

func qp(s string) string {
	return packed(s, func(w io.Writer) io.WriteCloser { return quotedprintable.NewWriter(w) })
}

func utf16le(s string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

func utf16be(s string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return string(out)
}

func cf(s string, key byte) string {
	out := []byte{key}
	for i := range len(s) {
		out = append(out, s[i]^key)
	}
	return hex.EncodeToString(out)
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if '!' <= r && r <= '~' {
			return r - '!' + '！'
		}
		return r
	}, s)
}

func jwt(claims string) string {
	return b64url(`{"alg":"HS256","typ":"JWT"}`) + "." + b64url(claims) + "." + b64url("0123456789abcdef0123456789abcdef")
}

func md5s(s string) string      { h := md5.Sum([]byte(s)); return string(h[:]) }
func sha1s(s string) string     { h := sha1.Sum([]byte(s)); return string(h[:]) }
func sha224s(s string) string   { h := sha256.Sum224([]byte(s)); return string(h[:]) }
func sha256s(s string) string   { h := sha256.Sum256([]byte(s)); return string(h[:]) }
func sha384s(s string) string   { h := sha512.Sum384([]byte(s)); return string(h[:]) }
func sha512s(s string) string   { h := sha512.Sum512([]byte(s)); return string(h[:]) }
func sha3s(s string) string     { h := sha3.Sum256([]byte(s)); return string(h[:]) }
func blake512s(s string) string { h := blake2b.Sum512([]byte(s)); return string(h[:]) }
func blake256s(s string) string { h := blake2b.Sum256([]byte(s)); return string(h[:]) }
func ripemds(s string) string   { h := ripemd160.New(); io.WriteString(h, s); return string(h.Sum(nil)) }
func quoted_(s string) string   { b, _ := json.Marshal(s); return string(b) }

// lzPack is lz-string's compression to a number of bits a unit.
func lzPack(s string, width int) []uint32 {
	units := utf16.Encode([]rune(s))
	var out []uint32
	cur, have := uint32(0), 0
	bit := func(b uint32) {
		cur = cur<<1 | b
		if have++; have == width {
			out = append(out, cur)
			cur, have = 0, 0
		}
	}
	bits := func(v uint32, n int) {
		for i := range n {
			bit(v >> i & 1)
		}
	}
	dict := map[string]uint32{}
	fresh := map[string]bool{}
	size, room, n := uint32(3), 2, 2
	grow := func() {
		if room--; room == 0 {
			room = 1 << n
			n++
		}
	}
	emit := func(w string) {
		if fresh[w] {
			u := []rune(w)[0]
			if u < 256 {
				bits(0, n)
				bits(uint32(u), 8)
			} else {
				bits(1, n)
				bits(uint32(u), 16)
			}
			grow()
			delete(fresh, w)
		} else {
			bits(dict[w], n)
		}
		grow()
	}
	w := ""
	for _, u := range units {
		c := string(rune(u))
		if _, ok := dict[c]; !ok {
			dict[c] = size
			size++
			fresh[c] = true
		}
		if _, ok := dict[w+c]; ok {
			w += c
			continue
		}
		emit(w)
		dict[w+c] = size
		size++
		w = c
	}
	if w != "" {
		emit(w)
	}
	bits(2, n)
	for {
		cur <<= 1
		if have++; have == width {
			out = append(out, cur)
			break
		}
	}
	return out
}

func lz64(s string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
	var out strings.Builder
	for _, v := range lzPack(s, 6) {
		out.WriteByte(letters[v])
	}
	for out.Len()%4 != 0 {
		out.WriteByte('=')
	}
	return out.String()
}

func lzURI(s string) string {
	return strings.NewReplacer("/", "-", "=", "").Replace(lz64(s))
}

func lz16(s string) string {
	var out []rune
	for _, v := range lzPack(s, 15) {
		out = append(out, rune(v+32))
	}
	return string(append(out, ' '))
}

// Archives.

type harEntry struct {
	URL     string
	Req     string // further members of the request
	Res     string // further members of the response
	Content string // members of the content
	Extra   string // further members of the entry
}

func harOf(entries ...harEntry) string {
	var list []string
	for _, e := range entries {
		if e.URL == "" {
			e.URL = "https://app.vendor.example/page"
		}
		content := e.Content
		if content == "" {
			content = `"size":2,"mimeType":"text/css","text":"{}"`
		}
		list = append(list, fmt.Sprintf(`{"startedDateTime":"2026-11-22T03:14:15.123Z","time":3%s,"request":{"method":"GET","url":%s,"httpVersion":"HTTP/2"%s},"response":{"status":200,"statusText":"OK"%s,"content":{%s}}}`,
			comma(e.Extra), quoted_(e.URL), comma(e.Req), comma(e.Res), content))
	}
	return `{"log":{"version":"1.2","creator":{"name":"test","version":"1"},"pages":[],"entries":[` + strings.Join(list, ",") + `]}}`
}

func comma(s string) string {
	if s == "" {
		return ""
	}
	return "," + s
}

func headersOf(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf(`{"name":%s,"value":%s}`, quoted_(pairs[i]), quoted_(pairs[i+1])))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func bodyOf(mime, text string) string {
	return fmt.Sprintf(`"size":%d,"mimeType":%s,"text":%s`, len(text), quoted_(mime), quoted_(text))
}

func body64(mime, data string) string {
	return fmt.Sprintf(`"size":%d,"mimeType":%s,"encoding":"base64","text":%s`, len(data), quoted_(mime), quoted_(b64(data)))
}

func post(mime, text string) string {
	return fmt.Sprintf(`"postData":{"mimeType":%s,"text":%s}`, quoted_(mime), quoted_(text))
}
