// Package mailkind reads a mail that was caught in a canary mailbox: what kind of mail it is, by rules that explain themselves, who sent it, and its
// texts, decoded.
//
// The mails in the folder examples are part of the program: it learns from them, at its first use, which words each kind uses more than others. They were
// written for that and are nobody's mail.
//
// What it says about a mail (signs, notes, errors) is in fixed words of its own and names of headers: nothing of the mail is quoted, so none of it can
// hold an address.
package mailkind

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"
)

// What Read takes at most. What is beyond is left out, and a note says so.
const (
	maxBytes       = 64 << 20 // of the message as it came
	maxText        = 32 << 20 // of all decoded parts together
	maxParts       = 1000
	maxDepth       = 30
	maxWork        = 512 << 20 // bytes looked at in all levels of nesting together
	maxHeaderBytes = 512 << 10 // of one part's header
	maxFields      = 2000      // of one part's header
	maxNotes       = 20
)

// A Part is a part of a mail that holds text.
type Part struct {
	HTML     bool
	Attached bool   // it is an attachment, not what a reader sees at once
	Body     []byte // decoded, UTF-8

	calendar bool
}

// Mail is a message as far as it could be read.
type Mail struct {
	Parts []Part // in the order of the message

	header  textproto.Header
	subject string
	invited bool // it carries a calendar's request
}

// Read reads a message as far as it goes. The notes say, in fixed words, what could not be read. An error says why this is no mail at all.
func Read(r io.Reader) (m *Mail, notes []string, err error) {
	all, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	p := parser{mail: &Mail{}}
	if err != nil {
		if len(all) == 0 {
			return nil, nil, errors.New("the mail cannot be read: reading it failed before its first byte")
		}
		p.note("reading ended early: the rest is missing")
	}
	if len(all) > maxBytes {
		all = all[:maxBytes]
		p.note(fmt.Sprintf("longer than %d MiB: the rest was left out", maxBytes>>20))
	}
	all = bytes.TrimPrefix(all, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(all, []byte("From ")) { // as mailboxes keep it
		_, all, _ = bytes.Cut(all, []byte("\n"))
	}
	if len(bytes.TrimSpace(all)) == 0 {
		return nil, nil, errors.New("no mail: it is empty")
	}
	h, body := p.header(all)
	if !known(h) {
		if binary(all) {
			return nil, nil, errors.New("no mail: it is binary, without any header of a mail")
		}
		p.note("no header of a mail: read as text")
		h, body = textproto.Header{}, all
	}
	p.mail.header = h
	p.mail.subject = headerText(h.Get("Subject"))
	p.part(h, body, 0, "text/plain")
	if len(p.mail.Parts) == 0 {
		p.note("no part of it holds text")
	}
	return p.mail, p.notes, nil
}

type parser struct {
	mail  *Mail
	notes []string
	parts int
	text  int
	work  int
}

// note keeps what could not be read, once.
func (p *parser) note(s string) {
	if len(p.notes) < maxNotes && !slices.Contains(p.notes, s) {
		p.notes = append(p.notes, s)
	}
}

// header reads the header at the beginning of b, leaving out lines that belong to none. The body begins at the first line that can be no header.
func (p *parser) header(b []byte) (textproto.Header, []byte) {
	var clean bytes.Buffer
	rest, size, fields, skip := b, 0, 0, true
	for len(rest) > 0 {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			rest = after
			break
		}
		if fold := line[0] == ' ' || line[0] == '\t'; !fold {
			if !isField(line) {
				if fields == 0 && clean.Len() == 0 && bytes.HasPrefix(line, []byte(">From ")) {
					rest = after
					continue
				}
				p.note("a header ends without an empty line: the rest was read as its body")
				break
			}
			fields++
			skip = fields > maxFields || size+len(line) > maxHeaderBytes
			if skip {
				p.note("a header is too long: the rest of it was left out")
			}
		} else if size+len(line) > maxHeaderBytes {
			skip = true
			p.note("a header is too long: the rest of it was left out")
		}
		if !skip {
			size += len(line)
			clean.Write(bytes.ReplaceAll(line, []byte("\r"), nil))
			clean.WriteString("\r\n")
		}
		rest = after
	}
	clean.WriteString("\r\n")
	h, err := textproto.ReadHeader(bufio.NewReader(&clean))
	if err != nil && err != io.EOF {
		p.note("a header is malformed: the rest of it was left out")
	}
	return h, rest
}

// isField says whether a line begins a header field.
func isField(line []byte) bool {
	name, _, found := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !found || len(name) == 0 || len(name) > 100 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// known says whether h has a field that makes it the header of a mail.
func known(h textproto.Header) bool {
	for _, name := range []string{
		"From", "To", "Subject", "Date", "Received", "Message-Id", "Mime-Version", "Content-Type", "Return-Path", "Reply-To", "Delivered-To",
	} {
		if h.Has(name) {
			return true
		}
	}
	return false
}

// binary says whether b is no text in any way that a mail without headers can have.
func binary(b []byte) bool {
	b = b[:min(len(b), 8<<10)]
	odd := 0
	for _, c := range b {
		if c == 0 {
			return true
		}
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b {
			odd++
		}
	}
	if utf8.Valid(b[:max(0, len(b)-utf8.UTFMax)]) {
		return odd*20 > len(b)
	}
	high := 0
	for _, c := range b {
		if c >= 0x80 {
			high++
		}
	}
	return odd*50 > len(b) || high*2 > len(b)
}

// part reads one part and all that is in it. fallback is the type that it has where it names none.
func (p *parser) part(h textproto.Header, body []byte, depth int, fallback string) {
	if p.parts++; p.parts > maxParts {
		p.note(fmt.Sprintf("more than %d parts: the rest was left out", maxParts))
		return
	}
	if p.work += len(body); p.work > maxWork {
		p.note("nested too often for its size: the rest was left out")
		return
	}
	kind, params := contentType(h.Get("Content-Type"))
	if kind == "" {
		kind = fallback
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		if depth >= maxDepth {
			p.note(fmt.Sprintf("nested more than %d deep: what is deeper was left out", maxDepth))
			return
		}
		p.multipart(kind, params["boundary"], p.decode(h, body, true), depth)
	case kind == "message/rfc822" || kind == "message/global":
		if depth >= maxDepth {
			p.note(fmt.Sprintf("nested more than %d deep: what is deeper was left out", maxDepth))
			return
		}
		inner, rest := p.header(p.decode(h, body, false))
		p.part(inner, rest, depth+1, "text/plain")
	case strings.HasPrefix(kind, "text/"), kind == "application/xhtml+xml", kind == "application/ics":
		p.leaf(kind, params, h, body)
	}
}

func (p *parser) leaf(kind string, params map[string]string, h textproto.Header, body []byte) {
	room := maxText - p.text
	if room <= 0 {
		p.note(fmt.Sprintf("more than %d MiB of text: the rest was left out", maxText>>20))
		return
	}
	raw := p.decode(h, body, false)
	html := kind == "text/html" || kind == "text/x-amp-html" || kind == "application/xhtml+xml"
	text, lied := toUTF8(raw, params["charset"], html)
	if lied {
		p.note("a part is not in the charset that it names: read as what it looks like")
	}
	if len(text) > room {
		text = bytes.ToValidUTF8(text[:room], nil)
		p.note(fmt.Sprintf("more than %d MiB of text: the rest was left out", maxText>>20))
	}
	p.text += len(text)
	if !html && looksHTML(text) {
		html = true
	}
	disposition, _ := contentType(h.Get("Content-Disposition"))
	part := Part{HTML: html, Attached: disposition == "attachment", Body: text, calendar: kind == "text/calendar" || kind == "application/ics"}
	if part.calendar && (strings.EqualFold(params["method"], "request") || bytes.Contains(text, []byte("METHOD:REQUEST"))) {
		p.mail.invited = true
	}
	p.mail.Parts = append(p.mail.Parts, part)
}

// looksHTML says whether text that is called plain, or nothing, is a page.
func looksHTML(text []byte) bool {
	head := bytes.ToLower(bytes.TrimSpace(text[:min(len(text), 512)]))
	for _, start := range []string{"<!doctype html", "<html", "<head", "<body", "<table", "<div", "<style", "<title", "<meta", "<center", "<p>", "<h1"} {
		if bytes.HasPrefix(head, []byte(start)) {
			return true
		}
	}
	return false
}

func (p *parser) multipart(kind, boundary string, body []byte, depth int) {
	if boundary == "" || len(boundary) > 1000 || !bytes.Contains(body, []byte("--"+boundary)) {
		guessed := guessBoundary(body)
		if guessed == "" {
			p.note("a multipart without its boundary: read as text")
			p.leaf("text/plain", nil, textproto.Header{}, body)
			return
		}
		p.note("a multipart that does not name its boundary: the boundary was guessed")
		boundary = guessed
	}
	fallback := "text/plain"
	if kind == "multipart/digest" {
		fallback = "message/rfc822"
	}
	parts := textproto.NewMultipartReader(bytes.NewReader(mend(body, boundary)), boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return
		}
		if err != nil {
			p.note("a multipart ends before its last boundary")
			return
		}
		inner, err := io.ReadAll(part)
		if err != nil {
			p.note("a multipart ends before its last boundary")
		}
		p.part(part.Header, inner, depth+1, fallback)
		if p.parts > maxParts || p.work > maxWork {
			return
		}
	}
}

// mend gives the body of a multipart in the form that the library insists on: lines that end with LF, parts whose headers are headers, followed by an
// empty line, and nothing before the first boundary (of which it takes no line longer than 4 KB) or behind the last.
func mend(body []byte, boundary string) []byte {
	var out bytes.Buffer
	out.Grow(len(body) + len(body)/64)
	dash := []byte("--" + boundary)
	started, inHeader, fields, size := false, false, 0, 0
	for len(body) > 0 {
		line, rest, found := bytes.Cut(body, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		body = rest
		if tail, ok := bytes.CutPrefix(line, dash); ok {
			tail = bytes.TrimRight(tail, " \t")
			if string(tail) == "--" {
				out.Write(dash)
				out.WriteString("--\n")
				return out.Bytes()
			}
			if len(tail) == 0 {
				if inHeader { // a part that is nothing but a header
					out.WriteString("\n\n")
				}
				out.Write(dash)
				out.WriteByte('\n')
				started, inHeader, fields, size = true, true, 0, 0
				continue
			}
		}
		if !started {
			continue
		}
		if inHeader {
			switch fold := len(line) > 0 && (line[0] == ' ' || line[0] == '\t'); {
			case len(line) == 0:
				inHeader = false
			case fold && fields == 0, !fold && !isField(line):
				out.WriteByte('\n')
				inHeader = false
			default:
				fields++
				if size += len(line); fields > maxFields || size > maxHeaderBytes {
					continue
				}
			}
		}
		out.Write(line)
		if found {
			out.WriteByte('\n')
		}
	}
	if inHeader {
		out.WriteString("\n\n")
	}
	return out.Bytes()
}

// guessBoundary is the first line that begins with two dashes and comes at least twice, or a second time with two more at its end.
func guessBoundary(body []byte) string {
	seen := map[string]bool{}
	for line := range bytes.Lines(body[:min(len(body), 1<<20)]) {
		line = bytes.TrimRight(line, " \t\r\n")
		name, ok := bytes.CutPrefix(line, []byte("--"))
		if !ok || len(name) < 3 || len(name) > 100 || bytes.ContainsAny(name, " \t") || len(seen) > 100 {
			continue
		}
		s := string(bytes.TrimSuffix(name, []byte("--")))
		if s != "" && seen[s] {
			return s
		}
		seen[s] = true
	}
	return ""
}

// contentType reads a field like Content-Type, also where it breaks the rules. The type is in lower case, empty where there is none.
func contentType(value string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(value)
	if err == nil {
		return kind, params
	}
	params = map[string]string{}
	fields := strings.Split(value, ";")
	kind = strings.ToLower(strings.TrimSpace(fields[0]))
	for _, f := range fields[1:min(len(fields), 50)] {
		name, v, _ := strings.Cut(f, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := params[name]; !twice {
			params[name] = strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	if strings.ContainsAny(kind, " \t") {
		kind, _, _ = strings.Cut(strings.ReplaceAll(kind, "\t", " "), " ")
	}
	return kind, params
}
