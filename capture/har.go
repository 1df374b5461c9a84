package capture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A har is a recording in the format HAR 1.2. Fields that begin with an underscore are custom, as the format has it: _webSocketMessages as Chrome's own
// export names them, _storage for what the page kept in the browser.
type har struct {
	Log harLog `json:"log"`
}

type harLog struct {
	Version string       `json:"version"`
	Creator harCreator   `json:"creator"`
	Pages   []harPage    `json:"pages"`
	Entries []*harEntry  `json:"entries"`
	Storage []harStorage `json:"_storage,omitempty"`
	Comment string       `json:"comment,omitempty"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harPage struct {
	Started string   `json:"startedDateTime"`
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Timings struct{} `json:"pageTimings"`
}

type harEntry struct {
	Page     string             `json:"pageref"`
	Started  string             `json:"startedDateTime"`
	Time     float64            `json:"time"`
	Request  harRequest         `json:"request"`
	Response harResponse        `json:"response"`
	Cache    struct{}           `json:"cache"`
	Timings  harTimings         `json:"timings"`
	Type     string             `json:"_resourceType,omitempty"`
	Messages []harSocketMessage `json:"_webSocketMessages,omitempty"`
	Comment  string             `json:"comment,omitempty"`
}

type harRequest struct {
	Method      string       `json:"method"`
	URL         string       `json:"url"`
	HTTPVersion string       `json:"httpVersion"`
	Cookies     []harPair    `json:"cookies"`
	Headers     []harPair    `json:"headers"`
	Query       []harPair    `json:"queryString"`
	Post        *harPostData `json:"postData,omitempty"`
	HeadersSize int          `json:"headersSize"`
	BodySize    int          `json:"bodySize"`
}

type harPostData struct {
	MimeType string    `json:"mimeType"`
	Params   []harPair `json:"params,omitempty"`
	Text     string    `json:"text"`
	Encoding string    `json:"_encoding,omitempty"`
	Comment  string    `json:"comment,omitempty"`
}

type harResponse struct {
	Status      int64      `json:"status"`
	StatusText  string     `json:"statusText"`
	HTTPVersion string     `json:"httpVersion"`
	Cookies     []harPair  `json:"cookies"`
	Headers     []harPair  `json:"headers"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
	Error       string     `json:"_error,omitempty"`
}

type harContent struct {
	Size     int    `json:"size"`
	MimeType string `json:"mimeType"`
	Text     string `json:"text"` // also where it is empty: a HAR without any text is taken for an export without content, and not looked at
	Encoding string `json:"encoding,omitempty"`
	Comment  string `json:"comment,omitempty"`
}

type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harSocketMessage struct {
	Type   string  `json:"type"` // send, receive
	Time   float64 `json:"time"`
	Opcode int     `json:"opcode"`
	Data   string  `json:"data"` // base64 where opcode is 2
}

type harStorage struct {
	Origin  string    `json:"origin"`
	Local   []harPair `json:"localStorage"`
	Session []harPair `json:"sessionStorage"`
}

// encoded is a body as HAR holds it: text, or base64 of what is no text.
func encoded(body []byte) (text, encoding string) {
	if utf8.Valid(body) {
		return string(body), ""
	}
	return base64.StdEncoding.EncodeToString(body), "base64"
}

// queryOf is a URL's query, a pair a parameter.
func queryOf(raw string) []harPair {
	pairs := []harPair{}
	u, err := url.Parse(raw)
	if err != nil {
		return pairs
	}
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		pairs = append(pairs, harPair{unescaped(k), unescaped(v)})
	}
	return pairs
}

func unescaped(s string) string {
	if t, err := url.QueryUnescape(s); err == nil {
		return t
	}
	return s
}

// paramsOf is the parameters of a posted form.
func paramsOf(mimeType, text string) []harPair {
	if kind, _, err := mime.ParseMediaType(mimeType); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil
	}
	return queryOf("/?" + text)
}

// bytes is the recording as it is written: pages in it can be read as they are.
func (h *har) bytes() ([]byte, error) {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	to.SetIndent("", " ")
	err := to.Encode(h)
	return b.Bytes(), err
}

// textual says whether a body of this type is text, and so can be searched and masked as such.
func textual(mimeType string) bool {
	kind, _, err := mime.ParseMediaType(mimeType)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(mimeType), ";")
	}
	switch {
	case strings.HasPrefix(kind, "text/"), strings.HasSuffix(kind, "+xml"), strings.HasSuffix(kind, "+json"):
		return true
	}
	switch kind {
	case "application/json", "application/javascript", "application/x-javascript", "application/ecmascript", "application/xml", "application/x-www-form-urlencoded",
		"application/manifest+json", "application/x-ndjson", "application/graphql", "multipart/form-data":
		return true
	}
	return false
}

// pictorial says whether a body of this type is for eyes and ears, and is not kept at all.
func pictorial(mimeType string) bool {
	for _, p := range []string{"image/", "font/", "audio/", "video/", "application/font", "application/x-font", "application/vnd.ms-fontobject"} {
		if strings.HasPrefix(mimeType, p) && !strings.HasPrefix(mimeType, "image/svg") {
			return true
		}
	}
	return false
}

// minCookie is the length from which on a cookie's value is taken for a secret; shorter ones would be found everywhere by chance.
const minCookie = 12

// maxCookies is how many of them are looked for: a page may set any number.
const maxCookies = 100

// cookies are the values of all cookies that were sent or set.
func (h *har) cookies() []string {
	var all []string
	for _, e := range h.Log.Entries {
		for _, c := range slices.Concat(e.Request.Cookies, e.Response.Cookies) {
			if len(c.Value) >= minCookie && len(all) < maxCookies && !slices.Contains(all, c.Value) {
				all = append(all, c.Value)
			}
		}
	}
	return all
}

// leftOut is the recording where nothing of it may be written.
func (h *har) leftOut() *har {
	return &har{harLog{Version: h.Log.Version, Creator: h.Log.Creator, Pages: h.Log.Pages, Entries: []*harEntry{}, Comment: "left out: it could not be masked"}}
}
