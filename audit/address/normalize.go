package address

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Normalize is the form in which two spellings of one address are the same text: white space around it, characters that do not show, letter case
// and compatibility forms (as full-width letters) do not count, and an international domain is in its ASCII form. Dots and what follows a plus do
// count: they are other addresses for most mail servers. A text that is no address is normalised likewise.
func Normalize(email string) string {
	plain := true
	for i := range len(email) {
		if c := email[i]; c >= utf8.RuneSelf || c <= ' ' || c == 0x7F || 'A' <= c && c <= 'Z' {
			plain = false
			break
		}
	}
	if !plain {
		email = strings.ToLower(norm.NFKC.String(strings.Map(shown, strings.TrimSpace(email))))
		// Lower case can bring back what NFKC composes otherwise (İ), and NFKC letters that have a lower case (㎏).
		email = strings.ToLower(norm.NFKC.String(strings.Map(shown, email)))
	}
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return email
	}
	if ascii := asciiDomain(email[at+1:]); ascii != email[at+1:] {
		return email[:at+1] + ascii
	}
	return email
}

// shown drops characters that do not show.
func shown(r rune) rune {
	if Invisible(r) {
		return -1
	}
	return r
}

// Invisible says whether r takes no place where text is shown: zero-width and control characters, soft hyphens, marks of direction.
func Invisible(r rune) bool {
	switch {
	case r < ' ' && (r < '\t' || r > '\r'), r == 0x7F, r == 0xAD, r == 0x34F, r == 0x61C, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5, r == 0x3164, r == 0xFEFF, r == 0xFFA0:
		return true
	case 0x200B <= r && r <= 0x200F, 0x202A <= r && r <= 0x202E, 0x2060 <= r && r <= 0x206F, 0x180B <= r && r <= 0x180F,
		0xFE00 <= r && r <= 0xFE0F, 0xE0000 <= r && r <= 0xE0FFF:
		return true
	case r < utf8.RuneSelf:
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

// profile is the mapping that browsers use, without their demands on what a name may hold.
func profile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.CheckJoiners(false))
}

// asciiDomain is a domain in lower case with international labels in ASCII (xn--…); without a full stop at its end.
func asciiDomain(d string) string {
	d = strings.TrimSuffix(d, ".")
	for i := range len(d) {
		if d[i] >= utf8.RuneSelf {
			if ascii, err := profile().ToASCII(d); err == nil {
				return ascii
			}
			return d
		}
	}
	return d
}

// unicodeDomain is a domain with its xn-- labels as the letters they stand for.
func unicodeDomain(d string) string {
	if !strings.Contains(d, "xn--") {
		return d
	}
	if u, err := profile().ToUnicode(d); err == nil {
		return u
	}
	return d
}
