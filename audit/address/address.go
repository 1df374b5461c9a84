// Package address knows what an e-mail address looks like. It is the one place that does: whatever refuses, masks or finds an address asks here.
//
// An address is anything of the shape something@something, also with the at-sign in full width (＠ ﹫) or encoded (%40, &#64;, \u0040), with
// letters of any script, a quoted local part or a domain literal; and what people write for one, as name (at) host (dot) tld, name @ host.tld, and
// name=40host.tld in quoted-printable, where it has a domain with a full stop. Whether such an address exists is not asked.
package address

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mask is what Redact leaves in the place of an address. It does not look like one.
const Mask = "[address]"

// LooksLike says whether s is, or holds, something that has the shape of an address.
func LooksLike(s []byte) bool {
	_, _, found := find(s, 0)
	return found
}

// Redact is s with Mask in the place of everything that has the shape of an address, known or not, and of every token that holds one in base64 or
// hexadecimal digits. In doubt it masks more than the address: all that may belong to it by the mail standards goes (so also name= in
// name=jane@acme.example). Of s without addresses nothing changes, and Redact(Redact(s)) is Redact(s). It takes time in proportion to the length of s.
func Redact(s string) string { return tokens(shapes(s)) }

// shapes masks what has the shape of an address as it stands.
func shapes(s string) string {
	start, end, found := find(s, 0)
	if !found {
		return s
	}
	var out strings.Builder
	from := 0
	for found {
		out.WriteString(s[from:start])
		out.WriteString(Mask)
		from = end
		start, end, found = find(s, from)
	}
	out.WriteString(s[from:])
	return out.String()
}

// Spans is where in s everything begins and ends that has the shape of an address as it stands.
func Spans(s string) [][2]int {
	var all [][2]int
	for from := 0; ; {
		start, end, found := find(s, from)
		if !found {
			return all
		}
		all = append(all, [2]int{start, end})
		from = end
	}
}

// maxQuoted is how far back the opening quote of a quoted local part is looked for, in bytes. The mail standards allow 64.
const maxQuoted = 1024

// find gives the first address in s[from:]; from is where the previous one ended, or 0.
func find[T string | []byte](s T, from int) (start, end int, found bool) {
	for i := from; i < len(s); i++ {
		n := at(s, i)
		if n > 0 {
			if end, dotted := domain(s, i+n); end > 0 {
				if start := local(s, from, i, dotted); start < i {
					return start, extend(s, end), true
				}
			}
		}
		if start, end := loose(s, from, i, n); end > 0 {
			return start, end, true
		}
	}
	return 0, 0, false
}

// at is the length of the at-sign that begins at s[i], in whatever form; 0 where there is none.
func at[T string | []byte](s T, i int) int {
	switch s[i] {
	case '@':
		return 1
	case 0xEF:
		if has(s, i, "＠") || has(s, i, "﹫") {
			return 3
		}
	case '%':
		j := i + 1
		for has(s, j, "25") { // encoded more than once
			j += 2
		}
		if has(s, j, "40") {
			return j + 2 - i
		}
		if has(s, j, "ef%bc%a0") || has(s, j, "ef%b9%ab") {
			return j + 8 - i
		}
	case '&':
		if has(s, i, "&commat;") {
			return 8
		}
		switch r, n := reference(s, i); r {
		case '@', '＠', '﹫':
			return n
		}
	case '\\':
		j := i + 1
		for has(s, j, `\`) { // JSON in JSON
			j++
		}
		if has(s, j, `u0040`) || has(s, j, `uff20`) || has(s, j, `ufe6b`) {
			return j + 5 - i
		}
		if has(s, j, `u002540`) {
			return j + 7 - i
		}
		if has(s, j, `x40`) {
			return j + 3 - i
		}
	}
	return 0
}

// has says whether s has the text p, given in lower case, at i. ASCII letters compare without case.
func has[T string | []byte](s T, i int, p string) bool {
	if len(s)-i < len(p) {
		return false
	}
	for j := range len(p) {
		c := s[i+j]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != p[j] {
			return false
		}
	}
	return true
}

// reference reads the numeric character reference of HTML at s[i], as &#64; or &#x40; (the semicolon may lack, as browsers allow); n is its length,
// 0 where there is none.
func reference[T string | []byte](s T, i int) (r rune, n int) {
	if !has(s, i, "&#") {
		return 0, 0
	}
	base, j := rune(10), i+2
	if has(s, j, "x") {
		base, j = 16, j+1
	}
	digits := j
	for ; j < len(s); j++ {
		d := hexDigit(s[j])
		if d < 0 || rune(d) >= base {
			break
		}
		if r < unicode.MaxRune {
			r = r*base + rune(d)
		}
	}
	if j == digits {
		return 0, 0
	}
	if j < len(s) && s[j] == ';' {
		j++
	}
	return r, j - i
}

// hexDigit is the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// domain is the end of the domain that begins at s[i]; 0 where there is none. It is dotted if it has more than one label, or may have.
func domain[T string | []byte](s T, i int) (end int, dotted bool) {
	if end := literal(s, i); end > 0 {
		return end, true
	}
	named := false
	for i < len(s) && at(s, i) == 0 {
		n := label(s, i)
		if n == 0 {
			break
		}
		switch c := s[i]; {
		case n > 1:
			named, dotted = true, true
		case c == '.':
			dotted = dotted || named
		case c != '-':
			named = true
		}
		i += n
	}
	if !named {
		return 0, false
	}
	return i, dotted
}

// literal is the end of a domain literal, as [192.0.2.1], at s[i]; 0 where there is none.
func literal[T string | []byte](s T, i int) int {
	if i >= len(s) || s[i] != '[' {
		return 0
	}
	number := false
	for j := i + 1; j < len(s) && j < i+64; j++ {
		switch c := s[j]; {
		case c == ']' && number:
			return j + 1
		case c == '.' || c == ':':
			number = true
		case hexDigit(c) < 0 && !letter(c):
			return 0
		}
	}
	return 0
}

// label is the length of the character of a domain that begins at s[i], perhaps encoded; 0 where what is there cannot belong to a domain.
func label[T string | []byte](s T, i int) int {
	switch c := s[i]; {
	case inDomain(rune(c)) && c < utf8.RuneSelf:
		return 1
	case c >= utf8.RuneSelf:
		r, n := decode(s, i)
		if unicode.IsSpace(r) {
			return 0
		}
		return n
	case c == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
		if r := rune(hexDigit(s[i+1])<<4 | hexDigit(s[i+2])); inDomain(r) || r == '%' {
			return 3
		}
	case c == '\\' && i+5 < len(s) && s[i+1] == 'u':
		r := rune(0)
		for _, d := range []byte(s[i+2 : i+6]) {
			if hexDigit(d) < 0 {
				return 0
			}
			r = r<<4 | rune(hexDigit(d))
		}
		if inDomain(r) {
			return 6
		}
	case c == '&':
		if r, n := reference(s, i); n > 0 && inDomain(r) {
			return n
		}
	}
	return 0
}

// inDomain says whether r may stand in a domain. Control characters may: they do not show, so what they part still reads as an address.
func inDomain(r rune) bool {
	if r >= utf8.RuneSelf {
		return !unicode.IsSpace(r)
	}
	return letter(byte(r)) || r == '-' || r == '.' || r == '_' || hidden(byte(r))
}

func letter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// hidden says whether c is a control character that is no white space.
func hidden(c byte) bool { return c < ' ' && (c < '\t' || c > '\r') || c == 0x7F }

// decode is the character at s[i] and its length; a byte that is no UTF-8 is a character too.
func decode[T string | []byte](s T, i int) (rune, int) {
	return utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
}

// local is where the local part that ends at s[end] begins, not before s[from]; end where there is none.
func local[T string | []byte](s T, from, end int, dotted bool) int {
	if end == from {
		return end
	}
	i := end
	switch s[end-1] {
	case '/':
		if !dotted { // a path, as in https://host/@name
			return end
		}
	case '"':
		if !dotted { // a text that begins with an at-sign, as in "@name"
			return end
		}
		q := quote(s, from, end-1)
		if q < 0 {
			q = end - 1
			if p := atoms(s, from, q); p < q {
				return p
			}
			return end
		}
		i = q
	}
	return atoms(s, from, i)
}

// quote is where the quoted local part begins whose closing quote is s[end]: at the nearest quote before it that is not escaped, else at the
// nearest that is, else right after the previous address; -1 where the line has none of them.
func quote[T string | []byte](s T, from, end int) int {
	escaped := -1
	i := end - 1
	for ; i >= from; i-- {
		if s[i] == '\n' || s[i] == '\r' || end-i > maxQuoted {
			return escaped
		}
		if s[i] != '"' {
			continue
		}
		if i == from || s[i-1] != '\\' {
			return i
		}
		if escaped < 0 {
			escaped = i
		}
	}
	if escaped < 0 && from > 0 {
		return from
	}
	return escaped
}

// atoms is where the run of characters that may stand in an unquoted local part, and ends at s[end], begins.
func atoms[T string | []byte](s T, from, end int) int {
	i := end
	for i > from {
		c := s[i-1]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeLastRuneInString(string(s[max(from, i-utf8.UTFMax):i]))
			if unicode.IsSpace(r) {
				return i
			}
			i -= n
			continue
		case letter(c) || hidden(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0:
		case c == '\\' && i < end && (s[i] == 'u' || s[i] == 'x'): // an escaped character
		case c == ';' && entity(s, from, i-1): // likewise
		default:
			return i
		}
		i--
	}
	return i
}

// entity says whether the semicolon at s[i] ends a character reference of HTML.
func entity[T string | []byte](s T, from, i int) bool {
	for j := i - 1; j >= from && j >= i-10; j-- {
		if s[j] == '&' {
			return j < i-1
		}
		if !letter(s[j]) && s[j] != '#' {
			return false
		}
	}
	return false
}

// extend is the end of an address whose domain ends at s[end]: further domains, as in a@b@c, belong to it, full stops and hyphens at its end do not.
func extend[T string | []byte](s T, end int) int {
	for end < len(s) {
		i := end
		if s[i] == '"' && i+1 < len(s) {
			i++ // "a@b"@c
		}
		n := at(s, i)
		if n == 0 {
			break
		}
		next, dotted := domain(s, i+n)
		if next == 0 || i > end && !dotted {
			break
		}
		end = next
	}
	for s[end-1] == '.' || s[end-1] == '-' {
		end--
	}
	return end
}
