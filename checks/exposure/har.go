package exposure

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// maxHeader is how much of a URL, header, cookie or field is looked at.
const maxHeader = 1 << 20

// maxPairs is how many headers, cookies, parameters, fields or messages of one entry are held at a time.
const maxPairs = 10_000

// har looks through an HTTP archive, one entry at a time.
func (s *scan) har(r io.Reader) error {
	h := harReader{scan: s, json: newReader(r)}
	err := h.json.object(func(key string) error {
		if key != "log" {
			return h.other("", key)
		}
		return h.json.object(func(key string) error {
			switch {
			case key == "entries":
				h.found = true
				return h.json.array(h.entry)
			case key == "pages":
				return h.json.array(func() error {
					return h.json.object(func(key string) error { return h.other("page ", key) })
				})
			}
			return h.other("", key)
		})
	})
	switch {
	case s.err() != nil:
		return s.stopped
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errJSON):
		return err
	case !h.found:
		return ErrNotHAR
	case err != nil && h.entries == 0 && !h.bodies:
		return ErrCutOff
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.notes.add("the file ends in the middle, after %d whole entries: it was read as far as it goes", h.entries)
	case err != nil:
		s.notes.add("the file is no JSON from some place on, after %d whole entries: it was read as far as it goes", h.entries)
	}
	if !h.bodies && h.answered {
		return ErrNoBodies
	}
	return nil
}

type harReader struct {
	*scan
	json     *reader
	found    bool // an array of entries
	entries  int  // read whole
	bodies   bool // at least one entry holds a body
	answered bool // at least one entry says that there was one
}

type pair2 struct{ name, value string }

// An entry is one request and its response.
type entry struct {
	method, url, resource       string
	reqHeaders, reqCookies      []pair2
	query, params               []pair2
	files                       []pair2
	postMime, postText, postEnc string
	status                      int
	resHeaders, resCookies      []pair2
	redirect                    string
	mime, encoding              string
	body                        []byte
	hasBody                     bool
	size                        int
	messages                    []message
	held                        int // bytes of params and messages
}

type message struct {
	sent   bool
	binary bool
	data   string
}

// other looks at a field that HAR does not know: where a capture keeps what the browser stored. Anything else of that kind is skipped.
func (h *harReader) other(of, key string) error {
	lower := strings.ToLower(key)
	switch {
	case strings.Contains(lower, "storage") || strings.Contains(lower, "cookie") || strings.Contains(lower, "indexeddb"):
		h.in(audit.Payload, "", "storage")
	case of != "" && (key == "title" || strings.Contains(lower, "url")):
		h.in(audit.Payload, "", of+h.name(key))
	case strings.Contains(lower, "console") || strings.Contains(lower, "dom") || strings.Contains(lower, "initiator"):
		h.in(audit.Payload, "", "field "+h.name(key))
	default:
		return h.json.skip()
	}
	return h.json.each(h.limits.Body, h.text)
}

func (h *harReader) pairs(list *[]pair2) error {
	return h.json.array(func() error {
		var p pair2
		err := h.json.object(func(key string) (err error) {
			switch key {
			case "name":
				p.name, err = h.json.text(maxHeader)
			case "value":
				p.value, err = h.json.text(maxHeader)
			default:
				err = h.json.skip()
			}
			return err
		})
		if len(*list) < maxPairs {
			*list = append(*list, p)
		}
		return err
	})
}

// entry reads and looks at one entry; of one that is cut off, at what there is of it.
func (h *harReader) entry() error {
	if h.stop() {
		return h.stopped
	}
	var e entry
	err := h.json.object(func(key string) (err error) {
		switch {
		case key == "request":
			return h.json.object(func(key string) error { return h.request(&e, key) })
		case key == "response":
			return h.json.object(func(key string) error { return h.response(&e, key) })
		case key == "_resourceType":
			e.resource, err = h.json.text(64)
			return err
		case key == "_webSocketMessages" || key == "_eventSourceMessages" || key == "webSocketMessages":
			return h.json.array(func() error {
				m := message{sent: false}
				opcode := 1
				err := h.json.object(func(key string) (err error) {
					switch key {
					case "type":
						var t string
						t, err = h.json.text(32)
						m.sent = strings.HasPrefix(strings.ToLower(t), "sen") || strings.EqualFold(t, "request") || strings.EqualFold(t, "outgoing")
					case "opcode":
						opcode, err = h.json.number()
					case "data", "payload", "text":
						m.data, err = h.json.text(h.limits.Body)
					default:
						err = h.json.skip()
					}
					return err
				})
				m.binary = opcode == 2
				if e.held += len(m.data); e.held > h.limits.Body || len(e.messages) >= maxPairs {
					h.message(m, host(e.url)) // at once: the host stands before, or it is too much to wait for it
				} else {
					e.messages = append(e.messages, m)
				}
				return err
			})
		case strings.HasPrefix(key, "_requestBody") || strings.HasPrefix(key, "_postData"):
			h.in(audit.Sent, host(e.url), "request body")
			return h.json.each(h.limits.Body, h.text)
		}
		return h.other("", key)
	})
	if err == nil {
		h.entries++
	}
	h.look(&e)
	return err
}

func (h *harReader) request(e *entry, key string) (err error) {
	switch {
	case key == "method":
		e.method, err = h.json.text(32)
	case key == "url":
		e.url, err = h.json.text(maxHeader)
	case key == "headers":
		err = h.pairs(&e.reqHeaders)
	case key == "cookies":
		err = h.pairs(&e.reqCookies)
	case key == "queryString":
		err = h.pairs(&e.query)
	case key == "postData":
		err = h.json.object(func(key string) (err error) {
			switch key {
			case "mimeType":
				e.postMime, err = h.json.text(1024)
			case "encoding", "_encoding":
				e.postEnc, err = h.json.text(64)
			case "text":
				var c byte
				if c, err = h.json.peek(); err != nil || c != '"' {
					return h.json.skip()
				}
				var t []byte
				t, err = h.json.string(h.limits.Body, func(piece []byte) {
					h.in(audit.Sent, host(e.url), "request body")
					h.text(piece)
				})
				e.postText = string(t)
			case "params":
				err = h.json.array(func() error {
					var p, f pair2
					err := h.json.object(func(key string) (err error) {
						switch key {
						case "name":
							p.name, err = h.json.text(maxHeader)
						case "value":
							p.value, err = h.json.text(h.limits.Body)
						case "fileName":
							f.value, err = h.json.text(maxHeader)
						default:
							err = h.json.skip()
						}
						return err
					})
					if f.name = p.name; e.held+len(p.value) > h.limits.Body || len(e.params) >= maxPairs {
						h.formField(p, f, host(e.url))
						return err
					}
					e.held += len(p.value)
					e.params, e.files = append(e.params, p), append(e.files, f)
					return err
				})
			default:
				err = h.json.skip()
			}
			return err
		})
	case strings.HasPrefix(key, "_"):
		h.in(audit.Sent, host(e.url), "request body")
		err = h.json.each(h.limits.Body, h.text)
	default:
		err = h.json.skip()
	}
	return err
}

func (h *harReader) response(e *entry, key string) (err error) {
	switch key {
	case "status":
		e.status, err = h.json.number()
	case "headers":
		err = h.pairs(&e.resHeaders)
	case "cookies":
		err = h.pairs(&e.resCookies)
	case "redirectURL":
		e.redirect, err = h.json.text(maxHeader)
	case "content":
		err = h.json.object(func(key string) (err error) {
			switch key {
			case "size":
				e.size, err = h.json.number()
			case "mimeType":
				e.mime, err = h.json.text(1024)
			case "encoding":
				e.encoding, err = h.json.text(64)
			case "text":
				c, err := h.json.peek()
				if err != nil {
					return err
				}
				if c != '"' {
					return h.json.skip()
				}
				e.hasBody = true
				t, err := h.json.string(h.limits.Body, func(piece []byte) {
					h.notes.add("a body is larger than %d MiB: it was read in pieces", h.limits.Body>>20)
					h.in(audit.Payload, "", "response body")
					h.text(piece)
				})
				e.body = append([]byte(nil), t...)
				return err
			default:
				err = h.json.skip()
			}
			return err
		})
	default:
		err = h.json.skip()
	}
	return err
}

// look looks at all parts of an entry.
func (h *harReader) look(e *entry) {
	to := host(e.url)
	h.url(e.url, to)
	for _, p := range e.query {
		h.field(audit.Sent, to, "query parameter ", p.name, p.value)
	}
	for _, p := range e.reqHeaders {
		h.header(p, to)
	}
	for _, p := range e.reqCookies {
		h.field(audit.Sent, to, "cookie ", p.name, p.value)
	}
	h.postData(e, to)
	for _, p := range e.resHeaders {
		h.field(audit.Payload, "", "response header ", p.name, p.value)
	}
	for _, p := range e.resCookies {
		h.field(audit.Payload, "", "response cookie ", p.name, p.value)
	}
	if e.redirect != "" {
		h.in(audit.Payload, "", "redirect")
		h.text([]byte(e.redirect))
	}
	for _, m := range e.messages {
		h.message(m, to)
	}
	if e.size > 0 || e.status == 200 {
		h.answered = true
	}
	if e.hasBody {
		h.bodies = true
		h.body(e)
	}
}

func (h *harReader) message(m message, to string) {
	if m.sent {
		h.in(audit.Sent, to, "websocket message")
	} else {
		h.in(audit.Payload, "", "websocket message")
	}
	h.payload([]byte(m.data), m.binary)
}

// payload looks at data that may be in base64, and compressed.
func (h *harReader) payload(b []byte, encoded bool) {
	if encoded {
		if t, err := decodeBase64(b); err == nil {
			h.unpacked(t, "")
			return
		}
	}
	h.text(b)
}

func decodeBase64(b []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	if err != nil {
		if t := usual64.decode(bytes.TrimRight(bytes.Map(func(r rune) rune {
			if r == '\n' || r == '\r' || r == ' ' {
				return -1
			}
			return r
		}, b), "=")); n == 0 && len(t) > 0 && !bytes.Contains(b, []byte{'{'}) {
			return t, nil
		}
		return out[:n], err
	}
	return out[:n], nil
}

// unpacked looks at bytes that may be compressed, by their beginning or as a header says.
func (h *harReader) unpacked(b []byte, encoding string) {
	t, c := h.unwrap(b, encoding)
	h.exploreFrom(t, c)
}

// unwrap takes off up to two compressions that surround a whole body.
func (s *scan) unwrap(b []byte, encoding string) ([]byte, chain) {
	var c chain
	limit := s.limits.Body
	for range 2 {
		var out []byte
		var st step
		var cut, guessed bool
		switch {
		case compressed(b):
			out, st, cut = s.inflated(b, limit)
			if st == stepZlib && mostlyText(b) { // two letters may look like its header
				out = nil
			}
		case strings.Contains(encoding, "br") && !textual(b):
			out, cut = s.unbrotli(b, limit)
			st = stepBrotli
		case strings.Contains(encoding, "deflate") && !textual(b):
			out, cut = s.rawInflate(b, limit)
			st = stepDeflate
		case !textual(b) && !mostlyText(b) && s.deflated(b):
			out, cut = s.rawInflate(b, limit)
			st, guessed = stepDeflate, true
		case !textual(b) && s.brotlied(b):
			out, cut = s.unbrotli(b, limit)
			st, guessed = stepBrotli, true
		}
		if guessed && !cut && !fills(out, b) {
			break
		}
		if cut {
			s.notes.add("a body is larger than %d MiB when it is decompressed: it was read in part", limit>>20)
		}
		if len(out) == 0 {
			break
		}
		if s.total += int64(len(out)); s.total > s.limits.Bytes {
			s.notes.add("more than %d MiB came out of decoding: the rest was read as it stands", s.limits.Bytes>>20)
			break
		}
		b, c = out, c.with(st)
	}
	return b, c
}

// textual says whether b begins like text.
func textual(b []byte) bool {
	head := b[:min(len(b), 128)]
	for _, x := range head {
		if !is(x, inText) {
			return false
		}
	}
	return mostUTF8(head)
}

// body looks at the body of a response.
func (h *harReader) body(e *entry) {
	b := e.body
	if strings.EqualFold(e.encoding, "base64") {
		t, err := decodeBase64(b)
		if err != nil {
			h.notes.add("a body says it is base64 and is not, or not to its end: it was read as far as it goes")
		}
		if len(t) == 0 {
			t = b
		}
		b = t
	}
	encoding := ""
	for _, p := range e.resHeaders {
		if strings.EqualFold(p.name, "content-encoding") {
			encoding = strings.ToLower(p.value)
		}
	}
	b, c := h.unwrap(b, encoding)
	mime := strings.ToLower(e.mime)
	if mime == "" {
		for _, p := range e.resHeaders {
			if strings.EqualFold(p.name, "content-type") {
				mime = strings.ToLower(p.value)
			}
		}
	}
	b = h.charset(b, mime)
	switch {
	case strings.Contains(mime, "html") || !strings.Contains(mime, "json") && !strings.Contains(mime, "script") && looksHTML(b):
		h.html(b, "response body, ", c)
	case strings.HasPrefix(mime, "text/plain") && (e.resource == "document" || e.resource == "" && h.entries <= 1 && !looksJSON(b)):
		h.in(audit.Shown, "", "response body")
		h.exploreFrom(b, c)
	default:
		h.in(audit.Payload, "", "response body")
		h.exploreFrom(b, c)
	}
}

func looksHTML(b []byte) bool {
	b = bytes.TrimLeft(b[:min(len(b), 1024)], " \t\r\n\xef\xbb\xbf")
	return hasFold(b, 0, "<!doctype html") || hasFold(b, 0, "<html")
}

func looksJSON(b []byte) bool {
	b = bytes.TrimLeft(b[:min(len(b), 1024)], " \t\r\n\xef\xbb\xbf")
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}

// header looks at a header of a request.
func (h *harReader) header(p pair2, to string) {
	if strings.EqualFold(p.name, "cookie") {
		for part := range strings.SplitSeq(p.value, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			h.field(audit.Sent, to, "cookie ", name, value)
		}
		return
	}
	if strings.HasPrefix(p.name, ":") { // HTTP/2's, all of which are in the URL
		return
	}
	h.field(audit.Sent, to, "header ", p.name, p.value)
}

// postData looks at what a request sent.
func (h *harReader) postData(e *entry, to string) {
	for i, p := range e.params {
		h.formField(p, e.files[i], to)
	}
	if e.postText == "" {
		return
	}
	mime := strings.ToLower(e.postMime)
	b := []byte(e.postText)
	h.in(audit.Sent, to, "request body")
	if strings.EqualFold(e.postEnc, "base64") {
		if t, err := decodeBase64(b); err == nil {
			b = t
		}
	}
	b, c := h.unwrap(b, "")
	switch {
	case strings.Contains(mime, "multipart/"):
		h.multipart(b, e.postMime, to)
	case strings.Contains(mime, "urlencoded") || mime == "" && formLike(b):
		h.form(string(b), to, "form field ")
	default:
		h.exploreFrom(b, c)
	}
}

// formField looks at a field of a form, and at the name of its file, if it has one.
func (h *harReader) formField(p, file pair2, to string) {
	h.field(audit.Sent, to, "form field ", p.name, p.value)
	if file.value != "" {
		h.field(audit.Sent, to, "file name of form field ", file.name, file.value)
	}
}

// formLike says whether b is name=value&…
func formLike(b []byte) bool {
	eq := bytes.IndexByte(b, '=')
	return eq > 0 && eq < 64 && !bytes.ContainsAny(b[:eq], "{[\"< ")
}

// multipart looks at the parts of a form with files.
func (h *harReader) multipart(b []byte, mime, to string) {
	boundary := ""
	if i := indexFold([]byte(mime), "boundary="); i >= 0 {
		boundary, _, _ = strings.Cut(mime[i+len("boundary="):], ";")
		boundary = strings.Trim(boundary, `" `)
	}
	if boundary == "" && bytes.HasPrefix(b, []byte("--")) {
		line, _, _ := bytes.Cut(b, []byte("\n"))
		boundary = strings.TrimSpace(string(line[2:]))
	}
	if boundary == "" {
		h.in(audit.Sent, to, "request body")
		h.text(b)
		return
	}
	for part := range bytes.SplitSeq(b, []byte("--"+boundary)) {
		head, body, ok := bytes.Cut(part, []byte("\r\n\r\n"))
		if !ok {
			if head, body, ok = bytes.Cut(part, []byte("\n\n")); !ok {
				h.in(audit.Sent, to, "request body")
				h.text(part)
				continue
			}
		}
		field := dispositionName(head)
		h.in(audit.Sent, to, "form field "+h.name(field))
		h.exploreFrom(h.unwrap(bytes.TrimRight(body, "\r\n"), ""))
		h.in(audit.Sent, to, "file name of form field "+h.name(field))
		h.text(head)
	}
}

// dispositionName is the name of a form's field in the head of its part.
func dispositionName(head []byte) string {
	i := bytes.Index(head, []byte(` name="`))
	if i < 0 {
		return ""
	}
	rest := head[i+7:]
	if j := bytes.IndexByte(rest, '"'); j >= 0 {
		return string(rest[:j])
	}
	return ""
}
