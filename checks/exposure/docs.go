package exposure

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/mailreeve/mailreeve/audit"
)

// pieces looks through a page, a text or a script. One that is longer than the limit is read in pieces that overlap.
func (s *scan) pieces(r io.Reader, kind audit.CaptureKind) error {
	size := 64 << 10
	if known, ok := r.(interface{ Len() int }); ok {
		size = known.Len() + 1
	} else if file, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := file.Stat(); err == nil {
			size = int(min(info.Size(), int64(s.limits.Body))) + 1
		}
	}
	full := s.limits.Body
	buf := s.body[:0]
	if size = min(size, full+1); cap(buf) < size {
		buf = make([]byte, 0, size)
	}
	defer func() { s.body = buf }()
	for more := true; more; {
		for len(buf) <= full { // one byte more than is looked at tells that there is more
			if err := s.err(); err != nil {
				return err
			}
			if len(buf) == cap(buf) {
				buf = slices.Grow(buf, min(max(len(buf), 512), full+1-len(buf)))
			}
			n, err := r.Read(buf[len(buf):min(cap(buf), full+1)])
			buf = buf[:len(buf)+n]
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		if more = len(buf) > full; !more {
			s.piece(buf, kind)
			break
		}
		s.notes.add("it is larger than %d MiB: it was read in pieces", full>>20)
		s.piece(buf[:full], kind)
		buf = append(buf[:0], buf[max(full/2, full-overlap):]...)
	}
	return nil
}

func (s *scan) piece(b []byte, kind audit.CaptureKind) {
	b, c := s.unwrap(b, "")
	b = s.charset(b, "")
	switch kind {
	case audit.CaptureHTML:
		s.html(b, "", c)
		return
	case audit.CaptureText:
		s.in(audit.Shown, "", "text")
	default:
		s.in(audit.Payload, "", "script")
	}
	s.exploreFrom(b, c)
}

// declared finds the character set that a page names.
var declared = regexp.MustCompile(`(?i)charset\s*=\s*["']?\s*([a-z0-9_:.-]{2,40})`)

// charset is b in UTF-8. What is UTF-8 is taken for that, whatever it says it is.
func (s *scan) charset(b []byte, mime string) []byte {
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")):
		return b[3:]
	case utf16Looks(b):
		return fromUTF16(b)
	case !highIn(b):
		if !bytes.Contains(b[:min(len(b), 1<<16)], []byte("\x1b$")) && bytes.IndexByte(b, '~') < 0 && !bytes.Contains(b, []byte("+AEA-")) {
			return b
		}
	case utf8.Valid(b):
		return b
	}
	label := "windows-1252"
	if m := declared.FindStringSubmatch(mime); m != nil {
		label = m[1]
	} else if binaryBody(mime) {
		return b
	} else if m := declared.FindSubmatch(b[:min(len(b), 2048)]); m != nil {
		label = string(m[1])
	}
	if strings.EqualFold(label, "utf-7") || bytes.Contains(b, []byte("+AEA-")) {
		return bytes.ReplaceAll(b, []byte("+AEA-"), []byte("@"))
	}
	if !highIn(b) && strings.HasPrefix(strings.ToLower(label), "windows-") {
		return b
	}
	enc, err := htmlindex.Get(label)
	if err != nil || strings.EqualFold(label, "utf-8") {
		if enc, err = htmlindex.Get("windows-1252"); err != nil {
			return b
		}
		// Mostly UTF-8 with something else in between: only what is not is taken for that.
		if bytes.Count(b, []byte("\xEF\xBF\xBD")) == 0 && mostlyUTF8(b) {
			return b
		}
	}
	if name, err := htmlindex.Name(enc); err == nil && strings.HasPrefix(name, "utf-16") {
		return b // it says UTF-16 and is not
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return out
}

// mostlyUTF8 says whether most of what is not ASCII in b is UTF-8.
func mostlyUTF8(b []byte) bool {
	good, bad := 0, 0
	for i := 0; i < len(b) && good+bad < 1000; {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		} else {
			good++
		}
		i += n
	}
	return good > bad
}
