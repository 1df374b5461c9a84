package oracle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strings"
)

// message is what the rules need of a mail.
type message struct {
	kind    string   // from its header X-Truth-Kind; empty: other
	senders []string // hosts of From, the topmost Return-Path, and DKIM d=
	proved  bool
	urls    []string
}

// readMessage reads a mail. What kind of mail it is stands in a header that only tests write.
func readMessage(data []byte, authservID string) (m message, err error) {
	msg, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil || msg.Header.Get("From") == "" {
		return m, errors.New("not a mail")
	}
	if m.kind = msg.Header.Get("X-Truth-Kind"); m.kind == "" {
		m.kind = "other"
	}
	from := ""
	if a, err := netmail.ParseAddress(msg.Header.Get("From")); err == nil {
		from = domainOf(a.Address)
		m.senders = append(m.senders, from)
	}
	if l := msg.Header["Return-Path"]; len(l) > 0 {
		if d := domainOf(strings.Trim(strings.TrimSpace(l[0]), "<>")); d != "" {
			m.senders = append(m.senders, d)
		}
	}
	for _, h := range msg.Header["Dkim-Signature"] {
		for _, p := range strings.Split(h, ";") {
			if name, value, ok := strings.Cut(p, "="); ok && strings.TrimSpace(name) == "d" {
				// A signature that the trusted server found false is nobody's.
				if d := strings.ToLower(strings.TrimSpace(value)); !failsAt(msg.Header["Authentication-Results"], authservID, d) {
					m.senders = append(m.senders, d)
				}
			}
		}
	}
	for _, h := range msg.Header["Authentication-Results"] {
		if authservID != "" && from != "" && passes(h, authservID, from) {
			m.proved = true
		}
	}
	m.urls = urlsOf(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
	return m, nil
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndex(address, "@")+1:])
}

// failsAt says whether the trusted server says of a domain's signature that it fails, and of none that it passes.
func failsAt(headers []string, authservID, domain string) bool {
	failed, passed := false, false
	for _, h := range headers {
		parts := strings.Split(bracketed.ReplaceAllString(h, " "), ";")
		id := strings.Fields(parts[0])
		if len(id) == 0 || authservID == "" || !strings.EqualFold(id[0], authservID) {
			continue
		}
		for _, p := range parts[1:] {
			f := strings.Fields(p)
			if len(f) == 0 || !in(f, "header.d="+domain) {
				continue
			}
			failed = failed || f[0] == "dkim=fail"
			passed = passed || f[0] == "dkim=pass"
		}
	}
	return failed && !passed
}

var bracketed = regexp.MustCompile(`\([^)]*\)`)

// passes says whether the header is the trusted server's and passes DKIM or SPF of a domain that is aligned with From's.
func passes(header, authservID, from string) bool {
	parts := strings.Split(bracketed.ReplaceAllString(header, " "), ";")
	id := strings.Fields(parts[0])
	if len(id) == 0 || !strings.EqualFold(id[0], authservID) {
		return false
	}
	for _, p := range parts[1:] {
		result, properties := "", map[string]string{}
		for i, f := range strings.Fields(p) {
			name, value, _ := strings.Cut(f, "=")
			if i == 0 {
				result = strings.ToLower(f)
				continue
			}
			properties[strings.ToLower(name)] = domainOf(strings.Trim(value, `"`))
		}
		aligned := func(name string) bool {
			d := properties[name]
			return d != "" && registrable(d) == registrable(from)
		}
		if result == "dkim=pass" && (aligned("header.d") || aligned("header.i")) || result == "spf=pass" && aligned("smtp.mailfrom") {
			return true
		}
	}
	return false
}

var webAddress = regexp.MustCompile(`https?://[^\s"'<>()]+`)

// urlsOf gives the URLs in a mail's body.
func urlsOf(contentType, encoding string, body io.Reader) []string {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = "text/plain"
	}
	if strings.HasPrefix(media, "multipart/") {
		var out []string
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err != nil {
				return out
			}
			out = append(out, urlsOf(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)...)
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	data, _ := io.ReadAll(body)
	text := string(data)
	if media == "text/html" {
		text = html.UnescapeString(text)
	}
	return webAddress.FindAllString(text, -1)
}

// lookAtMail finds the known addresses in the URLs of a mail: each goes to the URL's host when the mail is opened or the link followed.
func (a *audit) lookAtMail(m message) []sighting {
	var out []sighting
	for _, u := range m.urls {
		out = append(out, a.find(u, sent, urlHost(u))...)
	}
	return out
}
