package address

import (
	"strings"
	"unicode/utf8"
)

// Bounds of what is read around a loose at-sign, in bytes, so that it takes no time to speak of.
const (
	maxSpace = 8
	maxLoose = 128
)

// loose is where the address begins and ends whose at-sign is at s[i] in a form that is only one where a domain with a full stop follows: with
// spaces around it (n is then its length), in quoted-printable, or spelled out. end is 0 where there is none.
func loose[T string | []byte](s T, from, i, n int) (start, end int) {
	if n == 0 {
		if n = looseSign(s, i); n == 0 {
			return 0, 0
		}
	}
	bare := isSpaced(s, i)
	if bare {
		i++ // the space before it is no part of the sign
	}
	end = looseDomain(s, i+n, bare)
	if end == 0 {
		return 0, 0
	}
	j := i
	for j > from && i-j < maxSpace && s[j-1] == ' ' {
		j--
	}
	start = j
	for start > from && j-start < maxLoose {
		c := s[start-1]
		if c < utf8.RuneSelf && !letter(c) && strings.IndexByte(".+-_", c) < 0 {
			break
		}
		start--
	}
	for start < j && !utf8.RuneStart(s[start]) { // not within a character
		start++
	}
	if start == j || !hasLetter(s, start, j) {
		return 0, 0
	}
	return start, end
}

// isSpaced says whether the sign at s[i] is the word at between spaces.
func isSpaced[T string | []byte](s T, i int) bool { return s[i] == ' ' }

// looseSign is the length of a spelled-out at-sign at s[i], or of one in quoted-printable; 0 where there is none.
func looseSign[T string | []byte](s T, i int) int {
	switch s[i] {
	case '=':
		if has(s, i, "=40") {
			return 3
		}
	case '(', '[', '{', '<':
		j := i + 1
		for j < len(s) && j < i+3 && s[j] == ' ' {
			j++
		}
		if !has(s, j, "at") && !has(s, j, "@") {
			return 0
		}
		if s[j] == '@' {
			j++
		} else {
			j += 2
		}
		for k := 0; k < 2 && j < len(s) && s[j] == ' '; k++ {
			j++
		}
		if j < len(s) && (s[j] == ')' || s[j] == ']' || s[j] == '}' || s[j] == '>') {
			return j + 1 - i
		}
	case ' ':
		if has(s, i, " at ") {
			return 2
		}
	}
	return 0
}

// looseDomain is the end of a domain with a full stop, perhaps spelled out, after spaces at s[i]; 0 where there is none. If spelled, a spelled-out one
// is asked for.
func looseDomain[T string | []byte](s T, i int, spelled bool) int {
	end, labels, dots := 0, 0, 0
	for k := 0; k < maxSpace && i < len(s) && s[i] == ' '; k++ {
		i++
	}
	word := i
	for labels < 10 {
		word = i
		for i < len(s) && i-word < 64 && (letter(s[i]) || s[i] == '-' || s[i] >= utf8.RuneSelf) {
			i++
		}
		for i < len(s) && i-word >= 64 && !utf8.RuneStart(s[i]) {
			i++
		}
		if i == word {
			break
		}
		labels++
		end = i
		next, said := looseDot(s, i)
		if next == 0 {
			break
		}
		if said {
			dots++
		}
		i = next
	}
	if labels < 2 || spelled && dots == 0 || end-word < 2 && i == end {
		return 0
	}
	// The last label is no number, so that name=40 and 1.5 are not taken for one.
	last := end
	for last > 0 && (letter(s[last-1]) || s[last-1] >= utf8.RuneSelf) {
		last--
	}
	for j := last; j < end; j++ {
		if '0' <= s[j] && s[j] <= '9' {
			return 0
		}
	}
	if end-last < 2 {
		return 0
	}
	return end
}

// looseDot is the end of a full stop at s[i], as it is or spelled out; 0 where there is none.
func looseDot[T string | []byte](s T, i int) (end int, said bool) {
	if i < len(s) && s[i] == '.' {
		return i + 1, false
	}
	j := i
	for j < len(s) && j-i < maxSpace && (s[j] == ' ' || s[j] == '(' || s[j] == '[' || s[j] == '{' || s[j] == '<') {
		j++
	}
	if j == i {
		return 0, false
	}
	switch {
	case has(s, j, "dot"):
		j += 3
	case has(s, j, "punkt"), has(s, j, "punto"), has(s, j, "point"), has(s, j, "ponto"):
		j += 5
	case has(s, j, ".") && s[j-1] != ' ':
		j++
	default:
		return 0, false
	}
	k := j
	for j < len(s) && j-k < maxSpace && (s[j] == ' ' || s[j] == ')' || s[j] == ']' || s[j] == '}' || s[j] == '>') {
		j++
	}
	if j == k {
		return 0, false
	}
	return j, true
}

func hasLetter[T string | []byte](s T, from, to int) bool {
	for i := from; i < to; i++ {
		if letter(s[i]) || s[i] >= utf8.RuneSelf {
			return true
		}
	}
	return false
}
