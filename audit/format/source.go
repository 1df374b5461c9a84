package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A source is where a field's value is.
type source struct {
	text    string // as the map has it
	names   []int  // of values, the first that is there counts
	param   string // of the query; "": none
	of      string // path or host, where it is read off one
	pattern *regexp.Regexp
	always  string
}

// source reads an entry of a map: the name of a field, or query:NAME, header:NAME, capture:N, path:REGEXP, host:REGEXP, =VALUE.
func (f *Format) source(text string) (source, error) {
	s := source{text: text}
	if value, ok := strings.CutPrefix(text, "="); ok {
		s.always = value
		if value == "" {
			return s, errors.New("nothing follows the =")
		}
		return s, nil
	}
	kind, arg, told := strings.Cut(text, ":")
	if told && arg == "" && slices.Contains([]string{"query", "header", "capture", Path, host}, kind) {
		return s, fmt.Errorf("nothing follows %q", text)
	}
	switch {
	case text == "":
		return s, errors.New("an empty name")
	case kind == "query" && arg != "":
		s.param = arg
	case kind == "header" && arg != "":
		if f.preset.header == nil {
			return s, fmt.Errorf("%s logs no header by name: give the name of the field that has it%s", f.spec.Name, hint(f.preset.haproxy))
		}
		for _, n := range f.preset.header(arg) {
			s.names = append(s.names, f.name(n))
		}
	case kind == "capture" && arg != "":
		if n, err := strconv.Atoi(arg); err != nil || n < 1 || n > maxCaptures || !f.preset.haproxy {
			return s, fmt.Errorf("%q is none: captures are of haproxy, counted from 1", text)
		}
		s.names = []int{f.name(text)}
	case (kind == Path || kind == host) && arg != "":
		p, err := regexp.Compile(arg)
		if err != nil {
			return s, err
		}
		if p.NumSubexp() != 1 {
			return s, fmt.Errorf("%q has %d groups, not the one in parentheses that is the value", arg, p.NumSubexp())
		}
		s.of, s.pattern = kind, p
	default:
		s.names = []int{f.name(text)}
	}
	return s, nil
}

func hint(haproxy bool) string {
	if haproxy {
		return ", as capture:1"
	}
	return ""
}

// A target is what a call asked for.
type target struct {
	method, host, path, query string
}

// aim finds out what the line's call asked for.
func (r *Reader) aim() error {
	r.target = target{}
	t := &r.target
	line, err := r.one(request)
	if err == nil && line == "" {
		line, err = r.one(Path)
	}
	if err != nil {
		return err
	}
	t.method, t.host, t.path, t.query = splitRequest(line)
	for _, x := range []struct {
		field    string
		to       *string
		override bool
	}{{query, &t.query, false}, {method, &t.method, true}, {host, &t.host, true}} {
		v, err := r.one(x.field)
		if err != nil {
			return err
		}
		if v != "" && (x.override || *x.to == "") {
			*x.to = v
		}
	}
	t.query = strings.TrimPrefix(t.query, "?")
	t.host = strings.ToLower(t.host)
	return nil
}

// splitRequest takes apart a request line, a path with a query, or a URL. What is none of them has no path.
func splitRequest(s string) (method, host, path, query string) {
	if first, rest, ok := strings.Cut(s, " "); ok {
		i := strings.LastIndexByte(rest, ' ')
		if i >= 0 && !strings.HasPrefix(rest[i+1:], "HTTP/") {
			return "", "", "", ""
		}
		method, s = first, rest
		if i >= 0 {
			s = rest[:i]
		}
	}
	s, _, _ = strings.Cut(s, "#")
	s, query, _ = strings.Cut(s, "?")
	if _, rest, ok := strings.Cut(s, "://"); ok && !strings.HasPrefix(s, "/") {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			i = len(rest)
		}
		host, s = rest[:i], rest[i:]
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			host = host[at+1:]
		}
		if s == "" {
			s = "/"
		}
	}
	if !strings.HasPrefix(s, "/") {
		return method, host, "", query
	}
	return method, host, decodePath(s), query
}

// pathOf is a path without query.
func pathOf(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	return decodePath(s)
}

func decodePath(s string) string {
	if p, err := url.PathUnescape(s); err == nil {
		return strings.ToValidUTF8(p, "\ufffd")
	}
	return s
}

// clean is a path as a server resolves it, so that no detour leads past a pattern.
func clean(p string) string {
	if p == "" {
		return ""
	}
	return path.Clean(p)
}

// params are the values of a parameter of the query, in order.
func (r *Reader) params(name string) ([]string, error) {
	var out []string
	for rest := r.target.query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(key); err != nil || k != name {
			continue
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, errors.New("is in a query whose percent-encoding is broken")
		}
		out = append(out, strings.ToValidUTF8(v, "\ufffd"))
	}
	return out, nil
}

// values are what one source has.
func (r *Reader) from(s *source) ([]string, error) {
	switch {
	case s.always != "":
		return []string{s.always}, nil
	case s.param != "":
		return r.params(s.param)
	case s.pattern != nil:
		text := r.target.host
		if s.of == Path {
			text = clean(r.target.path)
		}
		if m := s.pattern.FindStringSubmatch(text); m != nil && m[1] != "" {
			return m[1:2], nil
		}
		return nil, nil
	}
	for _, i := range s.names {
		if all := r.values[i].all(); len(all) > 0 {
			return all, nil
		}
	}
	return nil, nil
}

// one is the value of a field that has one; "" where the line tells none.
func (r *Reader) one(field string) (string, error) {
	for i := range r.Format.from[field] {
		all, err := r.from(&r.Format.from[field][i])
		switch {
		case err != nil:
			return "", fmt.Errorf("%s %w", field, err)
		case len(all) > 1:
			return "", fmt.Errorf("%s comes %d times", field, len(all))
		case len(all) == 1 && all[0] != "":
			return all[0], nil
		}
	}
	return "", nil
}

// accounts are the accounts of the call. Those of a query are none where the answer has no body.
func (r *Reader) accounts() ([]string, error) {
	for i := range r.Format.from[Accounts] {
		s := &r.Format.from[Accounts][i]
		if s.param != "" && (strings.EqualFold(r.target.method, "HEAD") || strings.EqualFold(r.target.method, "OPTIONS")) {
			continue
		}
		all, err := r.from(s)
		if err != nil {
			return nil, fmt.Errorf("%s %w", Accounts, err)
		}
		if len(s.names) > 0 && r.isList(s) {
			if len(all) > 0 {
				return all, nil
			}
			continue
		}
		var out []string
		for _, text := range all {
			ids, err := split(text)
			if err != nil {
				return nil, fmt.Errorf("%s %w", Accounts, err)
			}
			out = append(out, ids...)
		}
		if len(out) > 0 {
			return out, nil
		}
	}
	return nil, nil
}

func (r *Reader) isList(s *source) bool {
	for _, i := range s.names {
		if r.values[i].list != nil {
			return true
		}
	}
	return false
}

// split is a list of ids in one text: with commas, or as JSON.
func split(text string) ([]string, error) {
	if strings.HasPrefix(text, "[") {
		var out []string
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			return nil, errors.New("is no list of strings")
		}
		return out, nil
	}
	var out []string
	for id := range strings.SplitSeq(text, ",") {
		if id = strings.TrimSpace(id); id != "" {
			out = append(out, id)
		}
	}
	return out, nil
}
