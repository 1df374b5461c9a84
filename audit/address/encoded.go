package address

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Text from outside can hold an address that nobody sees: in base64 or hexadecimal digits, as trackers and parameters of URLs carry it. Redact masks
// such a token whole. LooksLike does not look into tokens: ids are opaque, and among millions of them some decode to anything.

// minToken is the length of the shortest token that is looked into: base64 of a@b.io.
const minToken = 8

// tokens masks, in s, the tokens that hold an address.
func tokens(s string) string {
	var out strings.Builder
	from := 0
	for i := 0; i < len(s); {
		if !inToken(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && inToken(s[end]) {
			end++
		}
		token := s[i:end]
		for end < len(s) && s[end] == '=' {
			end++
		}
		if len(token) >= minToken && holdsAddress(token) {
			out.WriteString(s[from:i])
			out.WriteString(Mask)
			from = end
		}
		i = end
	}
	if from == 0 {
		return s
	}
	out.WriteString(s[from:])
	return out.String()
}

func inToken(c byte) bool { return letter(c) || c == '+' || c == '/' || c == '-' || c == '_' }

// holdsAddress says whether a token, decoded from any of its first characters on, holds an address.
func holdsAddress(token string) bool {
	for _, digits := range strings.FieldsFunc(token, func(r rune) bool { return hexDigit(byte(r)) < 0 }) {
		for skip := range min(2, len(digits)) {
			raw, err := hex.DecodeString(digits[skip : len(digits)-(len(digits)-skip)%2])
			if err == nil && plainly(raw) {
				return true
			}
		}
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(token)
	for skip := range 4 {
		digits := standard[skip:]
		if len(digits)%4 == 1 {
			digits = digits[:len(digits)-1]
		}
		raw, err := base64.RawStdEncoding.DecodeString(digits)
		if err == nil && plainly(raw) {
			return true
		}
	}
	return false
}

// plainly says whether printable text in raw holds an address with a domain that ends in letters. Bytes of anything else do not, but by a chance of
// one in many millions.
func plainly(raw []byte) bool {
	for i := 0; i < len(raw); {
		if raw[i] < ' ' || raw[i] > '~' {
			i++
			continue
		}
		end := i
		for end < len(raw) && ' ' <= raw[end] && raw[end] <= '~' {
			end++
		}
		text := raw[i:end]
		for from := 0; from < len(text); {
			start, stop, found := find(text, from)
			if !found {
				break
			}
			if endsInLetters(text[start:stop]) {
				return true
			}
			from = stop
		}
		i = end
	}
	return false
}

// endsInLetters says whether a text ends in a full stop and two letters or more.
func endsInLetters(s []byte) bool {
	n := 0
	for n < len(s) && 'a' <= s[len(s)-1-n]|0x20 && s[len(s)-1-n]|0x20 <= 'z' {
		n++
	}
	return n >= 2 && n < len(s) && s[len(s)-1-n] == '.'
}
