package notifier

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes text from outside fit to show on one line: white space of any kind becomes one space, and what would not be seen or would
// change what is around it (control characters, bytes that are no UTF-8, overrides of direction, zero-width spaces) is shown by its code. Joiners, which names need,
// stay.
func Line(s string) string {
	var b strings.Builder
	space := false
	for i, r := range s {
		if unicode.IsSpace(r) {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16))
		case r == '\u200c' || r == '\u200d' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// Cell is a text in CSV that no spreadsheet takes for a formula. show makes what is from outside fit to be shown, as Line does.
func Cell(s string, show func(string) string) string {
	text := show(s)
	if strings.IndexAny(s, "=+-@\t\r") == 0 || strings.IndexAny(text, "=+-@") == 0 {
		return "'" + text
	}
	return text
}

// Shorten cuts s to n characters, the last of them …, where it is longer.
func Shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n--; n == 0 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}
