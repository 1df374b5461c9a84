// Package feed fetches what a platform does not write into files: pages of an HTTP API, rows of a database. Each item becomes a line, to be read like one of
// a file.
package feed

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/internal/outbound"
)

// The bounds of what is fetched.
const (
	maxPage  = 64 << 20 // bytes of a page
	maxTotal = 1 << 30  // bytes of all
	maxPages = 10_000
	maxTag   = 64 // pages that are asked for conditionally: of more, all are fetched

	pageTimeout = 2 * time.Minute // for one page, its body included
)

// A Secret is where a secret is: in an environment variable, or in a file. The zero value is none.
type Secret struct{ Env, File string }

// Read gives the secret. Its error says where it was looked for.
func (s Secret) Read() (string, error) {
	switch {
	case s.Env != "":
		if v := strings.TrimSpace(os.Getenv(s.Env)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is empty: put the secret there, where the nights run", s.Env)
	case s.File != "":
		text, err := os.ReadFile(s.File)
		if err != nil {
			return "", err
		}
		if v := strings.TrimSpace(string(text)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("%s is empty: put the secret there", s.File)
	}
	return "", nil
}

// HTTP is a list that an API gives, page by page.
type HTTP struct {
	URL    string
	Token  Secret // sent as a bearer token
	Items  string // where in a page its list is, names with full stops between; "": the page is the list, or JSON Lines
	Next   string // where in a page the next page's cursor or URL is; "": Link: <…>; rel="next" (RFC 8288) tells
	Cursor string // the parameter that takes the cursor; "": Next is a URL
	Client *http.Client
}

// NewHTTP has h ask public addresses only, unless private ones are allowed.
func NewHTTP(h HTTP, allowPrivate bool) *HTTP {
	h.Client = outbound.Client(allowPrivate)
	h.Client.Timeout = pageTimeout
	return &h
}

// A tag is what servers said of the pages when they were fetched last.
type tag struct {
	Of    string    `json:"of"` // a digest of what was asked for
	Pages []pageTag `json:"pages"`
}

type pageTag struct {
	URL      string `json:"url,omitempty"` // but for the first
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

func (p pageTag) usable() bool { return p.ETag != "" || p.Modified != "" }

// Fetch writes the items of all pages, one a line. What a page lacks is no smaller list: unless all pages came whole, there is an error. If known is what
// Fetch gave before, the pages are asked for on condition that they have changed (RFC 9110, 13); if none has, nothing is written.
func (h *HTTP) Fetch(ctx context.Context, known string, to io.Writer) (next string, unchanged bool, err error) {
	token, err := h.Token.Read()
	if err != nil {
		return "", false, err
	}
	var before tag
	if json.Unmarshal([]byte(known), &before) == nil && before.Of == h.digest() && len(before.Pages) > 0 {
		if unchanged, err = h.unchanged(ctx, token, before.Pages); unchanged || err != nil {
			return known, unchanged, err
		}
	}
	at, seen, left := h.URL, map[string]bool{}, int64(maxTotal)
	now := tag{Of: h.digest()}
	for n := 1; at != ""; n++ {
		switch {
		case seen[at]:
			return "", false, fmt.Errorf("page %d is one that came before: the pages lead round in a circle", n)
		case n > maxPages:
			return "", false, fmt.Errorf("there are more than %d pages", maxPages)
		}
		seen[at] = true
		p, err := h.page(ctx, at, token, pageTag{})
		if err != nil {
			return "", false, fmt.Errorf("page %d: %w", n, err)
		}
		following, err := h.take(p, at, to)
		if err != nil {
			return "", false, fmt.Errorf("page %d: %w", n, err)
		}
		if left -= int64(len(p.body)); left < 0 {
			return "", false, fmt.Errorf("the pages are more than %d MiB", maxTotal>>20)
		}
		if n > 1 {
			p.tag.URL = at
		}
		now.Pages = append(now.Pages, p.tag)
		at = following
	}
	if len(now.Pages) > maxTag {
		return "", false, nil
	}
	for _, p := range now.Pages {
		if !p.usable() {
			return "", false, nil
		}
	}
	text, err := json.Marshal(now)
	return string(text), false, err
}

// digest tells one question from another.
func (h *HTTP) digest() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{h.URL, h.Items, h.Next, h.Cursor}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// unchanged says whether all pages are what they were.
func (h *HTTP) unchanged(ctx context.Context, token string, pages []pageTag) (bool, error) {
	for i, known := range pages {
		at := known.URL
		if i == 0 {
			at = h.URL
		}
		p, err := h.page(ctx, at, token, known)
		if err != nil {
			return false, fmt.Errorf("page %d: %w", i+1, err)
		}
		if !p.same {
			return false, nil
		}
		if h.Next != "" || p.link == "" { // a 304 need not repeat it (RFC 9110, 15.4.5)
			continue
		}
		following, err := h.after(p, at)
		switch {
		case err != nil:
			return false, fmt.Errorf("page %d: %w", i+1, err)
		case i == len(pages)-1 || following != pages[i+1].URL:
			return false, nil
		}
	}
	return true, nil
}

// A page is an answer.
type page struct {
	body []byte
	same bool   // it is what it was when it was known: there is no body
	link string // of the next page, as the header tells; "": none
	tag  pageTag
}

var errElsewhere = errors.New("it leads to another host, where the token is not to go: configure the URL that holds the list")

// page asks for a page.
func (h *HTTP) page(ctx context.Context, at, token string, known pageTag) (*page, error) {
	if err := h.here(at); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be asked for")
	}
	req.Header.Set("Accept", "application/json, application/x-ndjson")
	req.Header.Set("User-Agent", "mailreeve")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if known.ETag != "" {
		req.Header.Set("If-None-Match", known.ETag)
	}
	if known.Modified != "" {
		req.Header.Set("If-Modified-Since", known.Modified)
	}
	client := *h.Client
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return errors.New("more than 5 redirects")
		}
		return h.here(r.URL.String())
	}
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s cannot be reached: %w", outbound.Place(h.URL), outbound.Cause(err))
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && known.usable():
		return &page{same: true, link: nextLink(res.Header.Values("Link"))}, nil
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%s answered %s: see the token, and what it may read", outbound.Place(h.URL), status(res.StatusCode))
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %s", outbound.Place(h.URL), status(res.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage+1))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("the answer did not come whole: %w", err)
	case len(body) > maxPage:
		return nil, fmt.Errorf("the answer is more than %d MiB: ask for smaller pages", maxPage>>20)
	}
	return &page{body: body, link: nextLink(res.Header.Values("Link")), tag: pageTag{ETag: res.Header.Get("ETag"), Modified: res.Header.Get("Last-Modified")}}, nil
}

// here says whether a URL is of the host that was configured, and no less safe.
func (h *HTTP) here(at string) error {
	mine, err := url.Parse(h.URL)
	if err != nil {
		return errors.New("the URL cannot be read")
	}
	u, err := url.Parse(at)
	if err != nil {
		return errors.New("the next page's URL cannot be read")
	}
	if u.Scheme != mine.Scheme || u.Host != mine.Host {
		return errElsewhere
	}
	return nil
}

// take writes a page's items, and gives the URL of the next page; "": it was the last.
func (h *HTTP) take(p *page, at string, to io.Writer) (next string, err error) {
	w := bufio.NewWriter(to)
	var line bytes.Buffer
	put := func(item json.RawMessage) error {
		line.Reset()
		if err := json.Compact(&line, item); err != nil {
			return err
		}
		line.WriteByte('\n')
		_, err := w.Write(line.Bytes())
		return err
	}
	list := json.RawMessage(p.body)
	if h.Items != "" {
		if list, err = within(p.body, h.Items); err != nil {
			return "", err
		}
		if list == nil {
			return "", fmt.Errorf("it has nothing at %s, where its items are to be", h.Items)
		}
	}
	var items []json.RawMessage
	switch list = bytes.TrimSpace(list); {
	case len(list) > 0 && list[0] == '[':
		if err := json.Unmarshal(list, &items); err != nil {
			return "", fmt.Errorf("not JSON: %w", err)
		}
	case h.Items != "":
		return "", fmt.Errorf("what it has at %s is no list", h.Items)
	default:
		for d := json.NewDecoder(bytes.NewReader(list)); ; {
			var item json.RawMessage
			if err := d.Decode(&item); err == io.EOF {
				break
			} else if err != nil {
				return "", fmt.Errorf("neither a JSON list nor JSON Lines: %w", err)
			}
			items = append(items, item)
		}
	}
	for _, item := range items {
		if err := put(item); err != nil {
			return "", err
		}
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return h.after(p, at)
}

// after is the URL of the page after p, which was found at.
func (h *HTTP) after(p *page, at string) (string, error) {
	base, err := url.Parse(at)
	if err != nil {
		return "", errors.New("the URL cannot be read")
	}
	ref := p.link
	if h.Next != "" {
		raw, err := within(p.body, h.Next)
		if err != nil {
			return "", err
		}
		ref = ""
		if raw != nil && string(raw) != "null" && string(raw) != "false" {
			if json.Unmarshal(raw, &ref) != nil {
				ref = string(raw) // a number
			}
		}
		if h.Cursor != "" && ref != "" {
			q := base.Query()
			q.Set(h.Cursor, ref)
			base.RawQuery = q.Encode()
			return base.String(), nil
		}
	}
	if ref == "" {
		return "", nil
	}
	u, err := base.Parse(ref)
	if err != nil {
		return "", errors.New("the next page's URL cannot be read")
	}
	u.Fragment = ""
	return u.String(), nil
}

// within is the value under a path of names; nil: there is none.
func within(body json.RawMessage, path string) (json.RawMessage, error) {
	at := body
	for name := range strings.SplitSeq(path, ".") {
		var o map[string]json.RawMessage
		if err := json.Unmarshal(at, &o); err != nil {
			return nil, fmt.Errorf("not a JSON object, where %s is to be: %w", path, err)
		}
		if at = o[name]; at == nil {
			return nil, nil
		}
	}
	return at, nil
}

// nextLink is the target of the link with rel="next" (RFC 8288).
func nextLink(headers []string) string {
	for _, header := range headers {
		for header != "" {
			_, rest, ok := strings.Cut(header, "<")
			if !ok {
				break
			}
			target, params, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			params, header = cutLink(params)
			for p := range strings.SplitSeq(params, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
				if !strings.EqualFold(strings.TrimSpace(name), "rel") {
					continue
				}
				for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
					if strings.EqualFold(rel, "next") {
						return target
					}
				}
			}
		}
	}
	return ""
}

// cutLink cuts a link's parameters from the links that follow.
func cutLink(s string) (params, rest string) {
	quoted := false
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// status names a status in our words: a server's own may quote anything.
func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}
