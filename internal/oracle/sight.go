package oracle

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"regexp"
	"strings"
)

// place is where an address was seen.
type place int

const (
	visible place = iota // in rendered text, or an attribute that a browser shows
	payload              // it reached the browser
	sent                 // it went to a host
)

// sighting is an address, or a hash of it, at a place.
type sighting struct {
	account string
	place   place
	host    string // where it was sent
	hash    string // kind of hash; empty: the address itself
}

// address is what an address looks like: itself, as compared, and in disguise.
type address struct {
	plain, base64, base64url string
	hashes                   map[string]string // in hex, by kind
}

func newAddress(s string) address {
	b := []byte(strings.ToLower(s))
	m, s1, s2 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b)
	return address{string(b), base64.RawStdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
		map[string]string{"md5": hex.EncodeToString(m[:]), "sha1": hex.EncodeToString(s1[:]), "sha256": hex.EncodeToString(s2[:])}}
}

// look finds the known addresses in a capture.
func (a *audit) look(kind string, data []byte) ([]sighting, error) {
	switch kind {
	case "text":
		return a.find(string(data), visible, ""), nil
	case "js":
		return a.find(string(data), payload, ""), nil
	case "html":
		return a.page(string(data)), nil
	}
	return a.har(data)
}

// find looks for every known address in a text: as it stands, without its entities, without its percent signs.
func (a *audit) find(text string, where place, host string) []sighting {
	var out []sighting
	for _, t := range set([]string{text, html.UnescapeString(text), unpercent(text), unpercent(html.UnescapeString(text))}) {
		lower := strings.ToLower(t)
		for account, known := range a.addresses {
			if alone(lower, known.plain, inAddress, beyondAddress) || alone(t, known.base64, inStandard, inStandard) || alone(t, known.base64url, inForURLs, inForURLs) {
				out = append(out, sighting{account, where, host, ""})
			}
			for kind, hash := range known.hashes {
				if strings.Contains(lower, hash) {
					out = append(out, sighting{account, where, host, kind})
				}
			}
		}
	}
	return out
}

var (
	inAddress     = regexp.MustCompile(`[a-z0-9._%+-]$`)   // before an address: it is a part of a longer one
	beyondAddress = regexp.MustCompile(`^(\.?[a-z0-9]|-)`) // after it, likewise
	inStandard    = regexp.MustCompile(`^[A-Za-z0-9+/]`)   // in base64, at either end
	inForURLs     = regexp.MustCompile(`^[A-Za-z0-9_-]`)   // in base64url
)

// alone says whether the text holds s, neither before nor behind which the text goes on as these say.
func alone(text, s string, before, behind *regexp.Regexp) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], s)
		if i < 0 {
			return false
		}
		i += from
		last := ""
		if i > 0 {
			last = text[i-1 : i]
		}
		if !before.MatchString(last) && !behind.MatchString(text[i+len(s):]) {
			return true
		}
		from = i + 1
	}
}

var percent = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unpercent takes the percent signs away and leaves what is none.
func unpercent(s string) string {
	return percent.ReplaceAllStringFunc(s, func(p string) string {
		b, _ := hex.DecodeString(p[1:])
		return string(b)
	})
}

var (
	comment   = regexp.MustCompile(`(?s)<!--.*?-->`)
	unshown   = regexp.MustCompile(`(?is)<script\b.*?</script>|<style\b.*?</style>|<template\b.*?</template>`)
	hidden    = regexp.MustCompile(`(?is)<(p|div|span)\b[^>]*(\shidden\b|display:\s*none)[^>]*>.*?</(p|div|span)>`)
	tag       = regexp.MustCompile(`(?s)<([a-zA-Z!/][a-zA-Z0-9]*)([^>]*)>`)
	attribute = regexp.MustCompile(`([a-zA-Z-]+)="([^"]*)"`)
)

// page finds addresses in a page. It knows pages without nested hidden elements, with double quotes around attributes, and without > in these.
func (a *audit) page(text string) []sighting {
	var out []sighting
	for _, re := range []*regexp.Regexp{comment, unshown, hidden} {
		text = re.ReplaceAllStringFunc(text, func(s string) string {
			out = append(out, a.find(s, payload, "")...)
			return "\n"
		})
	}
	text = tag.ReplaceAllStringFunc(text, func(s string) string {
		m := tag.FindStringSubmatch(s)
		element := strings.ToLower(m[1])
		secret := strings.Contains(m[2], `type="hidden"`) || strings.Contains(m[2], `type="password"`)
		for _, at := range attribute.FindAllStringSubmatch(m[2], -1) {
			where := payload
			switch name := strings.ToLower(at[1]); {
			case in([]string{"title", "alt", "placeholder", "aria-label"}, name):
				where = visible
			case name == "value" && in([]string{"input", "button"}, element) && !secret:
				where = visible
			}
			out = append(out, a.find(at[2], where, "")...)
		}
		return "\n"
	})
	return append(out, a.find(text, visible, "")...)
}

// har finds addresses in what a browser sent and received. A HAR without any body could not be looked at.
func (a *audit) har(data []byte) ([]sighting, error) {
	var doc struct {
		Log map[string]json.RawMessage `json:"log"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, errors.New("no HAR: not JSON")
	}
	var entries []struct {
		Request  map[string]any `json:"request"`
		Response struct {
			Headers     any    `json:"headers"`
			Cookies     any    `json:"cookies"`
			RedirectURL string `json:"redirectURL"`
			Content     struct {
				MimeType string `json:"mimeType"`
				Text     string `json:"text"`
				Encoding string `json:"encoding"`
			} `json:"content"`
		} `json:"response"`
		Messages []struct{ Type, Data string } `json:"_webSocketMessages"`
	}
	if err := json.Unmarshal(doc.Log["entries"], &entries); err != nil || entries == nil {
		return nil, errors.New("no HAR: no entries")
	}
	var out []sighting
	for name, field := range doc.Log {
		var kept any
		if strings.Contains(strings.ToLower(name), "storage") && json.Unmarshal(field, &kept) == nil {
			for _, s := range texts(kept) {
				out = append(out, a.find(s, payload, "")...)
			}
		}
	}
	bodies := 0
	for _, e := range entries {
		target, _ := e.Request["url"].(string)
		h := urlHost(target)
		for _, s := range texts(e.Request) {
			out = append(out, a.find(s, sent, h)...)
		}
		for _, m := range e.Messages {
			if m.Type == "send" {
				out = append(out, a.find(m.Data, sent, h)...)
			} else {
				out = append(out, a.find(m.Data, payload, "")...)
			}
		}
		for _, s := range append(texts(e.Response.Headers), append(texts(e.Response.Cookies), e.Response.RedirectURL)...) {
			out = append(out, a.find(s, payload, "")...)
		}
		c := e.Response.Content
		if c.Text == "" {
			continue
		}
		bodies++
		body := c.Text
		if c.Encoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				continue
			}
			body = string(b)
		}
		if strings.HasPrefix(c.MimeType, "text/html") {
			out = append(out, a.page(body)...)
		} else {
			out = append(out, a.find(body, payload, "")...)
		}
	}
	if bodies == 0 && len(entries) > 0 {
		return nil, errors.New("a HAR without bodies")
	}
	return out, nil
}

// texts gives all texts inside a JSON value.
func texts(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = append(out, texts(e)...)
		}
	case map[string]any:
		for _, e := range v {
			out = append(out, texts(e)...)
		}
	}
	return out
}

// urlHost gives the host of a URL: lower case, without port; empty where there is none.
func urlHost(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
