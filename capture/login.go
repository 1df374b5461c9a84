package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
)

// A Login is how the crawler shows who it is. Nothing of it is ever printed or written.
type Login struct {
	Cookies []*network.CookieParam
	Headers http.Header // sent to the page's own origin, and nowhere else
}

// maxLogin is how long a file with cookies or headers may be.
const maxLogin = 4 << 20

// ReadCookies reads cookies from a file: Netscape's cookies.txt, or the JSON that browsers' tools export. The error quotes nothing of it.
func ReadCookies(path string) ([]*network.CookieParam, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("cookies: %w", err)
	}
	cookies, err := parseCookies(text)
	if err != nil {
		return nil, fmt.Errorf("cookies: %s: %w", path, err)
	}
	return cookies, nil
}

// ReadHeaders reads headers from a file, one a line, as in "Authorization: Bearer …". The error quotes nothing of it.
func ReadHeaders(path string) (http.Header, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	headers, err := parseHeaders(text)
	if err != nil {
		return nil, fmt.Errorf("headers: %s: %w", path, err)
	}
	return headers, nil
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLogin+1))
	if err == nil && len(text) > maxLogin {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxLogin)
	}
	return text, err
}

func parseCookies(text []byte) ([]*network.CookieParam, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var cookies []*network.CookieParam
	var err error
	if begin := bytes.TrimSpace(text); len(begin) > 0 && (begin[0] == '[' || begin[0] == '{') {
		cookies, err = cookiesFromJSON(begin)
	} else {
		cookies, err = cookiesFromNetscape(text)
	}
	if err == nil && len(cookies) == 0 {
		err = errors.New("there is no cookie in it")
	}
	return cookies, err
}

// cookiesFromNetscape reads lines of domain, subdomains, path, secure, expiry, name, value, parted by tabs.
func cookiesFromNetscape(text []byte) ([]*network.CookieParam, error) {
	var cookies []*network.CookieParam
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLogin+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), "\r")
		line, httpOnly := strings.CutPrefix(line, "#HttpOnly_")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) == 6 { // no value
			f = append(f, "")
		}
		if len(f) != 7 {
			return nil, fmt.Errorf("line %d has not the seven fields of cookies.txt, parted by tabs", n)
		}
		expires, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: its fifth field is no time in seconds", n)
		}
		c := &network.CookieParam{Domain: f[0], Path: f[2], Secure: strings.EqualFold(f[3], "true"), Name: f[5], Value: f[6], HTTPOnly: httpOnly}
		if !strings.EqualFold(f[1], "true") {
			c = hostOnly(c)
		}
		if expires > 0 {
			c.Expires = cdp.TimeSinceEpoch(expires)
		}
		if err := checkCookie(c); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		cookies = append(cookies, c)
	}
	return cookies, lines.Err()
}

// hostOnly is a cookie that goes to its very host, which the browser takes by URL.
func hostOnly(c *network.CookieParam) *network.CookieParam {
	u := url.URL{Scheme: "http", Host: strings.TrimPrefix(c.Domain, "."), Path: "/"}
	if c.Secure {
		u.Scheme = "https"
	}
	c.URL, c.Domain = u.String(), ""
	return c
}

// cookiesFromJSON reads an array of cookies, or an object that has it as cookies: what extensions, Playwright and Puppeteer export.
func cookiesFromJSON(text []byte) ([]*network.CookieParam, error) {
	type exported struct {
		Name           string   `json:"name"`
		Value          string   `json:"value"`
		Domain         string   `json:"domain"`
		Path           string   `json:"path"`
		Secure         bool     `json:"secure"`
		HTTPOnly       bool     `json:"httpOnly"`
		HostOnly       bool     `json:"hostOnly"`
		SameSite       *string  `json:"sameSite"`
		Expires        *float64 `json:"expires"`
		ExpirationDate *float64 `json:"expirationDate"`
	}
	var list []exported
	var err error
	if text[0] == '{' {
		var in struct {
			Cookies []exported `json:"cookies"`
		}
		err = json.Unmarshal(text, &in)
		list = in.Cookies
	} else {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, errors.New("it is neither cookies.txt nor a list of cookies in JSON")
	}
	var cookies []*network.CookieParam
	for i, e := range list {
		c := &network.CookieParam{Name: e.Name, Value: e.Value, Domain: e.Domain, Path: e.Path, Secure: e.Secure, HTTPOnly: e.HTTPOnly}
		if e.HostOnly || !strings.HasPrefix(e.Domain, ".") {
			c = hostOnly(c)
		}
		for _, t := range []*float64{e.Expires, e.ExpirationDate} {
			if t != nil && *t > 0 {
				c.Expires = cdp.TimeSinceEpoch(*t)
			}
		}
		if e.SameSite != nil {
			switch strings.ToLower(*e.SameSite) {
			case "strict":
				c.SameSite = network.CookieSameSiteStrict
			case "lax":
				c.SameSite = network.CookieSameSiteLax
			case "none", "no_restriction":
				c.SameSite = network.CookieSameSiteNone
			}
		}
		if err := checkCookie(c); err != nil {
			return nil, fmt.Errorf("cookie %d: %w", i+1, err)
		}
		cookies = append(cookies, c)
	}
	return cookies, nil
}

func checkCookie(c *network.CookieParam) error {
	switch u, err := url.Parse(c.URL); {
	case c.Name == "":
		return errors.New("it has no name")
	case c.Domain == "" && (err != nil || u.Host == ""):
		return errors.New("it has no domain")
	case strings.ContainsAny(c.Name+c.Value, "\x00\r\n;"):
		return errors.New("its name or value holds what no cookie may")
	}
	return nil
}

func parseHeaders(text []byte) (http.Header, error) {
	headers := http.Header{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")); line == "" || line[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(line, ":")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if !ok || !token(k) || strings.ContainsAny(v, "\x00\r\n") {
			return nil, fmt.Errorf("line %d is no header as in Name: value", n)
		}
		switch http.CanonicalHeaderKey(k) {
		case "Host", "Content-Length", "Connection", "Transfer-Encoding", "Proxy-Authorization":
			return nil, fmt.Errorf("line %d: this header is the browser's own", n)
		}
		headers.Add(k, v)
	}
	if len(headers) == 0 {
		return nil, errors.New("there is no header in it")
	}
	return headers, nil
}

// token says whether s may be a header's name.
func token(s string) bool {
	for _, c := range []byte(s) {
		if !(c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return false
		}
	}
	return s != ""
}

// continued is how a request goes on: with the headers of the login where it goes to the page's own origin.
func (l *Login) continued(origin string, e *fetch.EventRequestPaused) fetch.ContinueRequestParams {
	p := fetch.ContinueRequestParams{RequestID: e.RequestID}
	if originOf(e.Request.URL) != origin || e.ResponseStatusCode != 0 || e.ResponseErrorReason != "" {
		return p
	}
	for k, v := range texts(e.Request.Headers) {
		if l.Headers.Get(k) == "" {
			p.Headers = append(p.Headers, &fetch.HeaderEntry{Name: k, Value: v})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(l.Headers)) {
		for _, v := range l.Headers[k] {
			p.Headers = append(p.Headers, &fetch.HeaderEntry{Name: k, Value: v})
		}
	}
	return p
}

// originOf is a URL's scheme, host and port; empty where it has none.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// secrets is what nothing that is written may hold: the values of the login. Short ones would be found everywhere by chance.
func (l *Login) secrets() []string {
	var all []string
	add := func(s string) {
		if len(s) >= 8 {
			all = append(all, s)
		}
	}
	for _, c := range l.Cookies {
		add(c.Value)
	}
	for _, list := range l.Headers {
		for _, v := range list {
			add(v)
			if _, credential, ok := strings.Cut(v, " "); ok { // Bearer …
				add(credential)
			}
		}
	}
	return all
}
