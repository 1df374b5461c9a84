package mailkind

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

// decode undoes the transfer encoding of a part, as far as it goes. A multipart must have none, but some say that they do: those are read as they are.
func (p *parser) decode(h textproto.Header, body []byte, multipart bool) []byte {
	name, _, _ := strings.Cut(h.Get("Content-Transfer-Encoding"), ";")
	switch strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`)) {
	case "base64":
		if multipart && bytes.Contains(body, []byte("\n--")) {
			return body
		}
		out, whole := fromBase64(body)
		if !whole {
			p.note("a part in base64 holds what is no base64: that was left out")
		}
		return out
	case "quoted-printable":
		if multipart {
			return body
		}
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
		if err != nil {
			p.note("a part in quoted-printable is malformed: its odd places were read as they are")
			return loosePrintable(body)
		}
		return out
	case "", "7bit", "8bit", "binary":
		return body
	default:
		p.note("a part has an unknown transfer encoding: read as it is")
		return body
	}
}

// fromBase64 decodes what of b is base64, of either alphabet, and says whether that was all of it.
func fromBase64(b []byte) (out []byte, whole bool) {
	whole = true
	out = make([]byte, 0, base64.RawStdEncoding.DecodedLen(len(b)))
	clean := make([]byte, 0, len(b))
	piece := func() {
		if len(clean)%4 == 1 {
			clean, whole = clean[:len(clean)-1], false
		}
		out, _ = base64.RawStdEncoding.AppendDecode(out, clean)
		clean = clean[:0]
	}
	for _, c := range b {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		case c == '-':
			clean = append(clean, '+')
		case c == '_':
			clean = append(clean, '/')
		case c == '=':
			piece() // there may be several, each with its own padding, one behind the other
		case c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			whole = false
		}
	}
	piece()
	return out, whole
}

// loosePrintable decodes quoted-printable, leaving what is malformed as it is.
func loosePrintable(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '=' {
			out = append(out, b[i])
			continue
		}
		rest := b[i+1:]
		if len(rest) >= 2 && digit(rest[0]) >= 0 && digit(rest[1]) >= 0 {
			out = append(out, byte(digit(rest[0])<<4|digit(rest[1])))
			i += 2
			continue
		}
		blank := 0
		for blank < len(rest) && (rest[blank] == ' ' || rest[blank] == '\t' || rest[blank] == '\r') {
			blank++
		}
		if blank < len(rest) && rest[blank] == '\n' {
			i += blank + 1
			continue
		}
		out = append(out, '=')
	}
	return out
}

// digit is the value of a hexadecimal digit; -1 where c is none.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// toUTF8 decodes a text from the charset that it names, or from what it looks like where it names none, or names one that it cannot be in.
func toUTF8(b []byte, name string, html bool) (text []byte, lied bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		b = b[3:]
		if utf8.Valid(b) {
			return b, false
		}
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return decoded(b, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)), false
	}
	valid, plain := utf8.Valid(b), ascii(b)
	enc := find(name)
	switch {
	case enc != nil:
	case html && name == "":
		if plain || valid {
			return looks(b), false
		}
		enc, _, _ = charset.DetermineEncoding(b[:min(len(b), 1024)], "text/html")
	default:
		return looks(b), name != "" && !plain
	}
	canonical, _ := htmlindex.Name(enc)
	wide := strings.HasPrefix(canonical, "utf-16") || canonical == "" && isUTF16(name)
	switch {
	case canonical == "utf-8":
		if valid {
			return looks(b), false
		}
		return looks(b), true
	case wide && !bytes.Contains(b, []byte{0}) && valid && len(b) > 0:
		return b, true
	case !wide && valid && !plain: // text of another charset is hardly ever valid UTF-8 by chance
		return looks(b), true
	}
	out := decoded(b, enc)
	if bad := bytes.Count(out, []byte("\uFFFD")); bad > 2 && bad*20 > utf8.RuneCount(out) {
		return looks(b), true
	}
	return out, false
}

// isUTF16 says whether name is UTF-16 of no given order of bytes.
func isUTF16(name string) bool {
	name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`))
	return name == "utf-16" || name == "utf16" || name == "unicode" || name == "ucs-2"
}

// find is the charset of that name; nil where there is none that can be decoded.
func find(name string) encoding.Encoding {
	name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`))
	if name == "" || len(name) > 60 {
		return nil
	}
	if isUTF16(name) {
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	enc, err := htmlindex.Get(name)
	if err != nil || enc == nil {
		if enc, err = ianaindex.MIME.Encoding(name); err != nil || enc == nil {
			return nil
		}
	}
	if enc == encoding.Replacement {
		return nil
	}
	return enc
}

// looks decodes a text by its looks alone.
func looks(b []byte) []byte {
	switch {
	case bytes.Contains(b, []byte("\x1b$")) && ascii(b):
		return decoded(b, japanese.ISO2022JP)
	case utf8.Valid(b):
		return bytes.ReplaceAll(b, []byte{0}, nil)
	}
	// A text of letters of one byte each, with an UTF-8 sequence cut or broken here and there, stays UTF-8.
	broken := bytes.ToValidUTF8(b, []byte("\uFFFD"))
	good := 0
	for _, r := range string(broken) {
		if r >= 0x80 && r != utf8.RuneError {
			good++
		}
	}
	if bad := bytes.Count(broken, []byte("\uFFFD")); good > 4*bad {
		return broken
	}
	return decoded(b, charmap.Windows1252)
}

func decoded(b []byte, enc encoding.Encoding) []byte {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return bytes.ToValidUTF8(bytes.ReplaceAll(out, []byte{0}, nil), []byte("\uFFFD"))
}

func ascii[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// headerText is the text of a header with its encoded words decoded.
func headerText(value string) string {
	value = value[:min(len(value), 64<<10)]
	d := mime.WordDecoder{CharsetReader: func(name string, r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		text, _ := toUTF8(b, name, false)
		return bytes.NewReader(text), err
	}}
	if out, err := d.DecodeHeader(value); err == nil {
		value = out
	}
	return string(looks([]byte(value)))
}
