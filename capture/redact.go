package capture

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/checks/exposure"
)

// A redactor takes out of what is written all that must not be in it.
type redactor struct {
	ctx     context.Context
	masker  *exposure.Masker
	secrets []string
	without *strings.Replacer // takes secrets out
	left    int               // parts that were left out because they could not be masked
}

// newRedactor takes secrets out, as they are and as they stand in URLs and pages.
func newRedactor(ctx context.Context, m *exposure.Masker, secrets []string) *redactor {
	var all []string
	for _, x := range secrets {
		for _, e := range []string{x, url.QueryEscape(x), html.EscapeString(x)} {
			if !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // the longest first: one may hold another
	var list []string
	for _, x := range all {
		list = append(list, x, secretMask)
	}
	return &redactor{ctx: ctx, masker: m, secrets: all, without: strings.NewReplacer(list...)}
}

const (
	secretMask = "[secret]"
	leftOut    = exposure.MarkLeftOut
)

// RedactURL is a URL as it may be shown.
func RedactURL(ctx context.Context, raw string) string {
	r := newRedactor(ctx, exposure.NewMasker(exposure.Limits{}), nil)
	return r.url(raw)
}

// text is s without addresses and secrets; what cannot be masked is left out whole.
func (r *redactor) text(kind audit.CaptureKind, s string) string {
	if s == "" {
		return s
	}
	s = string(r.masker.Mask(r.ctx, kind, []byte(r.without.Replace(s))))
	if s == exposure.MarkLeftOut || r.dirty(s) {
		r.left++
		return leftOut
	}
	return s
}

// error is err without addresses and secrets.
func (r *redactor) error(err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	clean := r.text(audit.CaptureText, err.Error())
	if clean == err.Error() {
		return err
	}
	return errors.New(clean)
}

// dirty says whether s still holds something that must not be written.
func (r *redactor) dirty(s string) bool {
	return address.LooksLike([]byte(s)) || slices.ContainsFunc(r.secrets, func(x string) bool { return strings.Contains(s, x) })
}

// credentials are parameters of a URL that let their holder in.
var credentials = []string{"jwt", "token", "access_token", "id_token", "refresh_token", "auth", "password", "passwd", "secret", "client_secret", "api_key", "apikey", "key",
	"session", "sessionid", "sid", "code", "signature", "sig"}

// url is a URL without addresses and secrets, those of its query included. Its parts are masked one by one, so that the others can be read.
func (r *redactor) url(raw string) string {
	if scheme, rest, ok := strings.Cut(raw, "://"); ok {
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		if user := strings.LastIndexByte(rest[:end], '@'); user >= 0 { // name and password
			raw = scheme + "://" + rest[user+1:]
		}
	}
	var out strings.Builder
	rest, name := raw, ""
	for rest != "" {
		ends := "/?&=#;,"
		if slices.Contains(credentials, name) {
			ends = "&#" // all of the value: it may hold the others
		}
		n := strings.IndexAny(rest, ends)
		if n < 0 {
			n = len(rest)
		}
		part := rest[:n]
		if part != "" && slices.Contains(credentials, name) {
			part = secretMask
		}
		out.WriteString(r.text(audit.CaptureText, part))
		name = ""
		if n < len(rest) {
			if out.WriteByte(rest[n]); rest[n] == '=' {
				name = strings.ToLower(unescaped(part))
			}
			n++
		}
		rest = rest[n:]
	}
	return r.text(audit.CaptureText, out.String())
}

// dropped are headers that are never written.
var dropped = []string{"cookie", "set-cookie", "set-cookie2", "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "x-csrf-token", "x-xsrf-token", "x-auth-token", "x-api-key"}

// har is the recording as it may be written.
func (r *redactor) har(h *har) *har {
	out := &har{Log: h.Log}
	out.Log.Entries = make([]*harEntry, len(h.Log.Entries))
	for i, e := range h.Log.Entries {
		x := *e
		r.entry(&x)
		out.Log.Entries[i] = &x
	}
	out.Log.Storage = make([]harStorage, len(h.Log.Storage))
	for i, s := range h.Log.Storage {
		out.Log.Storage[i] = harStorage{Origin: r.url(s.Origin), Local: r.pairs(s.Local), Session: r.pairs(s.Session)}
	}
	note := "cookies, authorization, addresses and binary bodies were taken out"
	if r.left > 0 {
		note += fmt.Sprintf("; %d parts could not be masked and are left out", r.left)
	}
	out.Log.Comment = strings.TrimPrefix(out.Log.Comment+"; "+note, "; ")
	return out
}

func (r *redactor) entry(e *harEntry) {
	e.Request.Method = r.text(audit.CaptureText, e.Request.Method)
	e.Request.URL = r.url(e.Request.URL)
	e.Request.Cookies, e.Request.Headers, e.Request.Query = []harPair{}, r.headers(e.Request.Headers), r.parameters(e.Request.Query)
	e.Type = r.text(audit.CaptureText, e.Type)
	if p := e.Request.Post; p != nil {
		x := *p
		x.MimeType, x.Params = r.text(audit.CaptureText, x.MimeType), r.parameters(x.Params)
		switch {
		case x.Encoding != "":
			x.Text, x.Encoding, x.Comment = "", "", "left out: no text"
		case len(x.Params) > 0: // the same, as it was sent
			x.Text = strings.TrimPrefix(r.url("?"+x.Text), "?")
		default:
			x.Text = r.text(kindOf(x.MimeType), x.Text)
		}
		e.Request.Post = &x
	}
	s := &e.Response
	s.StatusText, s.HTTPVersion, e.Request.HTTPVersion = r.text(audit.CaptureText, s.StatusText), r.text(audit.CaptureText, s.HTTPVersion), r.text(audit.CaptureText, e.Request.HTTPVersion)
	s.Error, s.RedirectURL = r.text(audit.CaptureText, s.Error), r.url(s.RedirectURL)
	s.Cookies, s.Headers = []harPair{}, r.headers(s.Headers)
	c := &s.Content
	if c.Text != "" && (c.Encoding != "" || !textual(c.MimeType)) {
		c.Text, c.Encoding, c.Comment = "", "", "left out: no text"
	}
	c.Text = r.text(kindOf(c.MimeType), c.Text)
	c.MimeType = r.text(audit.CaptureText, c.MimeType)
	messages := make([]harSocketMessage, len(e.Messages))
	for i, m := range e.Messages {
		if m.Opcode != 1 {
			m.Data = "[left out: no text]"
		}
		m.Data = r.text(audit.CaptureText, m.Data)
		messages[i] = m
	}
	if e.Messages = messages; len(messages) == 0 {
		e.Messages = nil
	}
}

// kindOf is how a body of this type is read.
func kindOf(mimeType string) audit.CaptureKind {
	switch {
	case strings.Contains(mimeType, "html"):
		return audit.CaptureHTML
	case strings.Contains(mimeType, "javascript"), strings.Contains(mimeType, "ecmascript"):
		return audit.CaptureJS
	}
	return audit.CaptureText
}

func (r *redactor) headers(list []harPair) []harPair {
	out := []harPair{}
	for _, p := range list {
		if !slices.Contains(dropped, strings.ToLower(p.Name)) {
			out = append(out, harPair{r.text(audit.CaptureText, p.Name), r.value(p)})
		}
	}
	return out
}

// value is a header's value; some are URLs.
func (r *redactor) value(p harPair) string {
	switch strings.ToLower(p.Name) {
	case "referer", "location", "origin", "content-location", ":path", "link", "sourcemap":
		return r.url(p.Value)
	}
	return r.text(audit.CaptureText, p.Value)
}

// parameters are pairs, without what lets their holder in.
func (r *redactor) parameters(list []harPair) []harPair {
	out := r.pairs(list)
	for i, p := range list {
		if p.Value != "" && slices.Contains(credentials, strings.ToLower(p.Name)) {
			out[i].Value = secretMask
		}
	}
	return out
}

func (r *redactor) pairs(list []harPair) []harPair {
	out := []harPair{}
	for _, p := range list {
		out = append(out, harPair{r.text(audit.CaptureText, p.Name), r.text(audit.CaptureText, p.Value)})
	}
	return out
}
