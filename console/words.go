package console

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// funcs is what templates call.
func (c *Console) funcs() template.FuncMap {
	return template.FuncMap{
		"moment": func(t audit.Instant) moment { return momentOf(t, audit.At(c.Clock())) },
		"count":  count,
		"number": func(n any) string {
			if x, ok := n.(int64); ok {
				return number(x)
			}
			x, _ := n.(int)
			return number(x)
		},
		"name":   nameOf,
		"status": audit.Status.Name,
		"check": func(id string) string {
			if x, ok := c.Check(id); ok {
				return x.Finds
			}
			return ""
		},
		"clause": c.Clause,
		"vendor": func(key string) string { return pathOf("/vendors", key) },
		"appURL": func(key string) string { return pathOf("/apps", key) },
		"pair":   func(first, second any) pair { return pair{first, second} },
	}
}

// A pair is what a template is called with that needs two things.
type pair struct{ First, Second any }

// A moment is an instant as a page tells it: how long ago, and exactly where one points at it.
type moment struct {
	Set              bool
	ISO, Exact, Text string
	Second           string // in UTC, which a table's head says
}

func momentOf(t, now audit.Instant) moment {
	if t == audit.Ever || t == audit.Never || t == 0 {
		return moment{}
	}
	return moment{true, t.String(), t.Time().Format("2006-01-02 15:04:05 UTC"), away(time.Duration(now - t)), t.Time().Format(time.DateTime)}
}

// away is how far something is in the past, or, where d is negative, in the future, in the largest unit that tells it.
func away(d time.Duration) string {
	const day = 24 * time.Hour
	past := d >= 0
	d = d.Abs()
	var text string
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		text = fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		text = fmt.Sprintf("%d h", d/time.Hour)
	case d < 90*day:
		text = fmt.Sprintf("%d d", d/day)
	default:
		text = fmt.Sprintf("%d months", d/(30*day))
	}
	if past {
		return text + " ago"
	}
	return "in " + text
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// number is n with its thousands apart.
func number[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// nameOf is who somebody of the trail is, as short as people call them.
func nameOf(who string) string {
	if strings.HasPrefix(who, audit.ByAPI) { // in parentheses is who made the token, and did not act
		name, _, _ := strings.Cut(who, " (")
		return name
	}
	if i := strings.LastIndex(who, " ("); i > 0 && strings.HasSuffix(who, ")") {
		return who[i+2 : len(who)-1]
	}
	if kind, rest, ok := strings.Cut(who, ":"); ok && (kind == "console" || kind == "cli") {
		return rest
	}
	return who
}

func wantsJSON(r *http.Request) bool {
	return r.URL.Query().Get("format") == "json" || strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"something is wrong on our side"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who went away does not need it
}

// A flash is what the next page says of what was just done.
type flash struct {
	Said    string   `json:"said,omitempty"`
	Refused []string `json:"refused,omitempty"`
	Undo    []undo   `json:"undo,omitempty"`
}

// An undo is a further deed, which takes one back.
type undo struct {
	Do   string   `json:"do"`
	To   string   `json:"to,omitempty"`
	Site string   `json:"site,omitempty"`
	IDs  []string `json:"ids"`
	Name string   `json:"name"` // what the button says
}

const flashCookie = "mailreeve-flash"

// setFlash lets the next page say f. What does not fit into a cookie is left out, the undo first of all.
func (c *Console) setFlash(w http.ResponseWriter, f flash) {
	const most = 3000
	for {
		text, err := json.Marshal(f)
		if err != nil {
			return
		}
		if len(text) <= most {
			c.Site.SetCookie(w, flashCookie, base64.RawURLEncoding.EncodeToString(text), 60)
			return
		}
		switch {
		case f.Undo != nil:
			f.Undo = nil
		case len(f.Refused) > 1:
			f.Refused = append(f.Refused[:len(f.Refused)/2], "and more")
		default:
			f.Said, f.Refused = clip(f.Said, 500), nil
		}
	}
}

// takeFlash is what this page has to say, once.
func (c *Console) takeFlash(w http.ResponseWriter, r *http.Request) *flash {
	value := c.Site.Cookie(r, flashCookie)
	if value == "" {
		return nil
	}
	c.Site.SetCookie(w, flashCookie, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(value)
	var f flash
	if err != nil || json.Unmarshal(text, &f) != nil {
		return nil
	}
	return &f
}

// pathOf is the address of a page about something with a key of others' making. Where a path would not come through browsers, proxies and routers as it is,
// the key is in the query.
func pathOf(list, key string) string {
	if strings.Trim(key, ".") == "" || strings.ContainsAny(key, `/\`) {
		return list + "?" + url.Values{"key": {key}}.Encode()
	}
	return list + "/" + url.PathEscape(key)
}

// keyOf is the key of what a page is about.
func keyOf(r *http.Request) string {
	if q := r.URL.Query(); q.Has("key") {
		return q.Get("key")
	}
	return r.PathValue("key")
}
