package exposure

import "unicode/utf8"

// Classes of bytes. A table of them costs one load a byte.
const (
	inBase64 = 1 << iota // base64 and base64url, without padding
	inHex
	inLocal // may stand in an unquoted local part
	inHost  // may stand in a domain
	inWord  // a letter, a digit, or part of a character that is not ASCII
	inSpace
	inText // printable or white space, or not ASCII
)

// class has the classes of each byte.
var class = classes()

func classes() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < utf8.RuneSelf
		digit := '0' <= c && c <= '9'
		switch {
		case letter, digit:
			t[i] |= inBase64 | inLocal | inHost | inWord
		case c >= utf8.RuneSelf:
			t[i] |= inLocal | inHost | inWord
		case c == '+', c == '/':
			t[i] |= inBase64 | inLocal
		case c == '-', c == '_':
			t[i] |= inBase64 | inLocal | inHost
		case c == '.':
			t[i] |= inLocal | inHost
		}
		for _, l := range []byte("!#$%&'*=?^`{|}~") {
			if c == l {
				t[i] |= inLocal
			}
		}
		if digit || 'a' <= c|0x20 && c|0x20 <= 'f' {
			t[i] |= inHex
		}
		if c == ' ' || '\t' <= c && c <= '\r' {
			t[i] |= inSpace | inText
		}
		if c > ' ' && c != 0x7F {
			t[i] |= inText
		}
	}
	return t
}

func is(c byte, of uint8) bool { return class[c]&of != 0 }

// nibble is the value of a hexadecimal digit; 0xFF of anything else.
var nibble = nibbles()

func nibbles() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case '0' <= c && c <= '9':
			t[i] = c - '0'
		case 'a' <= c && c <= 'f':
			t[i] = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			t[i] = c - 'A' + 10
		default:
			t[i] = 0xFF
		}
	}
	return t
}

func isHex(c byte) bool { return nibble[c] < 16 }
