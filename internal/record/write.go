// Package record is what mailreeve tells programs, in JSON: the command line with --format json, and the API. Each kind of thing has one shape, whoever tells it.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"

	"github.com/mailreeve/mailreeve/audit"
)

// Hides says whether a character does not show, or moves others: control and format characters, line and paragraph separators, unusual spaces.
func Hides(r rune) bool { return !unicode.IsPrint(r) && r != '\u00a0' }

// Write writes v and a line's end. It is exact, and holds no control characters: those that encoding/json leaves are escaped.
func Write(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	line := b.Bytes()
	if bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x7f && Hides(r) }) {
		var out bytes.Buffer
		for _, r := range string(line) {
			switch {
			case r < 0x7f || !Hides(r):
				out.WriteRune(r)
			case r > 0xffff:
				r -= 0x10000
				fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			default:
				fmt.Fprintf(&out, `\u%04x`, r)
			}
		}
		line = out.Bytes()
	}
	_, err := w.Write(line)
	return err
}

// A Moment is an instant in JSON: RFC 3339, or null where it is not set.
type Moment audit.Instant

// MarshalJSON writes m.
func (m Moment) MarshalJSON() ([]byte, error) {
	if !IsSet(audit.Instant(m)) {
		return []byte("null"), nil
	}
	return json.Marshal(audit.Instant(m).String())
}

// IsSet says whether an instant is one.
func IsSet(t audit.Instant) bool { return t != audit.Ever && t != audit.Never }
