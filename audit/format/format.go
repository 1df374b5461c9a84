// Package format reads access logs that mailreeve did not ask for: those of proxies, gateways and log pipelines, each line a call. A preset knows where a
// format has what; a field map says the rest.
package format

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Spec is what the configuration says of a source's format.
type Spec struct {
	Name  string                       `json:"name"`            // of the preset
	Map   map[string][]string          `json:"map,omitempty"`   // field: where its value is, the first that has one counts
	Line  string                       `json:"line,omitempty"`  // log_format: how the lines of nginx or envoy are laid out; "": as these programs do unless told otherwise
	Zone  string                       `json:"zone,omitempty"`  // of times without an offset; "": UTC
	Words map[string]map[string]string `json:"words,omitempty"` // by field, auth or status: what the log's own words mean
	Paths string                       `json:"paths,omitempty"` // a regular expression: calls of other paths are no calls of the Email API
}

// A SpecError says which key of a source is wrong, and why.
type SpecError struct {
	Key   string // format, map, words, log_format, time_zone, paths
	Field string // of map and words
	Err   error
}

func (e *SpecError) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s: %s: %s", e.Key, e.Field, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Key, e.Err)
}

func (e *SpecError) Unwrap() error { return e.Err }

// The fields that a map may name.
const (
	TS        = "ts"
	RequestID = "request_id"
	App       = "app_key"
	Site      = "cloud_id"
	Path      = "path"
	Auth      = "auth"
	Purpose   = "purpose"
	Status    = "status"
	Accounts  = "account_ids"

	request = "request" // what was asked for: a request line, a path with a query, or a URL
	query   = "query"   // the query, where request does not hold it
	method  = "method"
	host    = "host"
)

// Fields are those of a call, in the order in which people read them.
func Fields() []string {
	return []string{TS, RequestID, App, Site, Path, Auth, Purpose, Status, Accounts}
}

func mappable() []string { return append(Fields(), request, query, method, host) }

// A Record is a call as a line tells it. What a call must have, and what its values may be, is for whoever takes it.
type Record struct {
	At        time.Time // zero: the line has none
	RequestID string
	App       string
	Site      string
	Path      string // without the query, decoded once
	Auth      string
	Purpose   string
	Status    int // 0: the line has none
	Accounts  []string
}

// ErrOther is why a line is no call of the Email API: it is of another path, or an event of another class.
var ErrOther = errors.New("a call of another path, or none")

// A Format is ready to read lines.
type Format struct {
	spec   Spec
	preset *preset
	from   map[string][]source
	names  map[string]int // of the values that are read off a line
	zone   *time.Location
	paths  *regexp.Regexp
	layout *layout
}

// Spec is what f was made of.
func (f *Format) Spec() Spec { return f.spec }

// Compile checks a spec. The error is a *SpecError.
func (s Spec) Compile() (*Format, error) {
	p := presets()[s.Name]
	if p == nil {
		return nil, &SpecError{Key: "format", Err: fmt.Errorf("%q is none of %s", s.Name, strings.Join(Names(), ", "))}
	}
	f := &Format{spec: s, preset: p, from: map[string][]source{}, names: map[string]int{}, zone: time.UTC}
	where := maps.Clone(p.from)
	for field, from := range s.Map {
		switch {
		case !slices.Contains(mappable(), field):
			return nil, &SpecError{"map", field, fmt.Errorf("no such field: a map has %s", strings.Join(mappable(), ", "))}
		case len(from) == 0:
			return nil, &SpecError{"map", field, errors.New("say where it is")}
		}
		where[field] = from
	}
	for _, field := range slices.Sorted(maps.Keys(where)) {
		for _, text := range where[field] {
			src, err := f.source(text)
			if err != nil {
				return nil, &SpecError{"map", field, err}
			}
			f.from[field] = append(f.from[field], src)
		}
	}
	for _, field := range []string{TS, App, Site, Auth, Status} {
		if len(f.from[field]) == 0 {
			return nil, &SpecError{"map", field, fmt.Errorf("%s does not tell it: say where it is, as header:X-Name, query:name, path:REGEXP, host:REGEXP or the name of a field; =VALUE where it is always the same", s.Name)}
		}
	}
	if p.class != "" {
		f.name(classField)
	}
	if err := s.checkWords(); err != nil {
		return nil, err
	}
	var err error
	if s.Zone != "" {
		if f.zone, err = time.LoadLocation(s.Zone); err != nil {
			return nil, &SpecError{Key: "time_zone", Err: fmt.Errorf("%q is no time zone, as Europe/Berlin", s.Zone)}
		}
	}
	if s.Paths != "" {
		if f.paths, err = regexp.Compile(s.Paths); err != nil {
			return nil, &SpecError{Key: "paths", Err: err}
		}
	}
	if s.Line != "" && p.variable == nil {
		return nil, &SpecError{Key: "log_format", Err: fmt.Errorf("%s has a form of its own: only nginx and envoy take one", s.Name)}
	}
	if p.variable != nil {
		line := s.Line
		if line == "" {
			line = p.line
		}
		if f.layout, err = newLayout(line, p.variable); err != nil {
			return nil, &SpecError{Key: "log_format", Err: err}
		}
	}
	if known := f.known(); known != nil {
		for field := range s.Map {
			for _, src := range f.from[field] {
				if len(src.names) > 0 && !slices.ContainsFunc(src.names, func(i int) bool { return slices.Contains(known, f.nameOf(i)) }) {
					return nil, &SpecError{"map", field, fmt.Errorf("lines have no %q: they have %s", src.text, strings.Join(known, ", "))}
				}
			}
		}
	}
	return f, nil
}

// checkWords says which of the log's own words is given a meaning that there is not. What auth may say, others know.
func (s *Spec) checkWords() error {
	for _, field := range slices.Sorted(maps.Keys(s.Words)) {
		for _, word := range slices.Sorted(maps.Keys(s.Words[field])) {
			means := s.Words[field][word]
			switch n, err := strconv.Atoi(means); {
			case field == Status && (err != nil || n < 100 || n > 599):
				return &SpecError{"words", field, fmt.Errorf("%q means %q, which is no number from 100 to 599", word, means)}
			case field != Auth && field != Status:
				return &SpecError{"words", field, errors.New("only words of auth and status have a meaning that is not the platform's own; those of purposes are the policy's synonyms")}
			}
		}
	}
	return nil
}

// known is what lines have, where that is known before any is read; nil: it is not.
func (f *Format) known() []string {
	switch {
	case f.preset.haproxy:
		names := []string{"accept_date", "status_code", "http_request"}
		for name := range f.names {
			if strings.HasPrefix(name, "capture:") { // their numbers were looked at
				names = append(names, name)
			}
		}
		slices.Sort(names[3:])
		return names
	case f.spec.Line != "":
		return f.layout.names
	}
	return nil
}

func (f *Format) nameOf(i int) string {
	for name, n := range f.names {
		if n == i {
			return name
		}
	}
	return ""
}

// Has says whether anything tells a field.
func (f *Format) Has(field string) bool { return len(f.from[field]) > 0 }

// Header says whether the first line of a file names its columns.
func (f *Format) Header() bool { return f.preset.csv }

// name is the number of a value that is read off lines.
func (f *Format) name(n string) int {
	i, ok := f.names[n]
	if !ok {
		i = len(f.names)
		f.names[n] = i
	}
	return i
}

// A Reader reads the lines of one file, for one goroutine.
type Reader struct {
	*Format
	values   []value
	prefixes map[string]bool // of dotted names
	columns  []int           // of a CSV file: which value each is; -1: none
	target   target
}

// Reader gives one. header is the file's first line, where it names the columns.
func (f *Format) Reader(header []byte) (*Reader, error) {
	r := &Reader{Format: f, values: make([]value, len(f.names)), prefixes: map[string]bool{}}
	for n := range f.names {
		for i, c := range n {
			if c == '.' {
				r.prefixes[n[:i]] = true
			}
		}
	}
	if f.Header() {
		return r, r.header(header)
	}
	return r, nil
}

// A value is what a line has under one name.
type value struct {
	have bool
	text string
	list []string // where it is one; not nil
}

func (v *value) all() []string {
	switch {
	case v.list != nil:
		return v.list
	case v.text != "":
		return []string{v.text}
	}
	return nil
}

// Read reads a line. The error says which field is wrong and how, and quotes nothing of the line; ErrOther: the line is none that is asked for.
func (r *Reader) Read(line []byte) (rec Record, err error) {
	if !utf8.Valid(line) {
		return rec, errors.New("not valid UTF-8")
	}
	clear(r.values)
	switch {
	case r.preset.csv:
		err = r.csv(line)
	case r.preset.haproxy:
		err = r.haproxy(string(line))
	case r.layout != nil && (len(line) == 0 || line[0] != '{'):
		err = r.layout.read(r, string(line))
	default:
		err = r.json(line)
	}
	if err != nil {
		return rec, err
	}
	if r.preset.class != "" {
		switch r.values[r.names[classField]].text {
		case "":
			return rec, fmt.Errorf("%s is missing", classField)
		case r.preset.class:
		default:
			return rec, ErrOther
		}
	}
	return r.record()
}

// record is the call that the values tell.
func (r *Reader) record() (rec Record, err error) {
	if err = r.aim(); err != nil {
		return rec, err
	}
	if rec.Path, err = r.one(Path); err != nil {
		return rec, err
	}
	if rec.Path != "" {
		rec.Path = pathOf(rec.Path)
	} else {
		rec.Path = r.target.path
	}
	if r.paths != nil && !r.paths.MatchString(clean(rec.Path)) {
		return rec, ErrOther
	}
	for _, t := range []struct {
		field string
		to    *string
	}{{RequestID, &rec.RequestID}, {App, &rec.App}, {Site, &rec.Site}, {Auth, &rec.Auth}, {Purpose, &rec.Purpose}} {
		if *t.to, err = r.one(t.field); err != nil {
			return rec, err
		}
	}
	if means, ok := r.spec.Words[Auth][rec.Auth]; ok {
		rec.Auth = means
	}
	at, err := r.one(TS)
	if err != nil {
		return rec, err
	}
	if at != "" {
		if rec.At, err = parseTime(at, r.zone); err != nil {
			return rec, fmt.Errorf("ts %w", err)
		}
	}
	status, err := r.one(Status)
	if err != nil {
		return rec, err
	}
	if rec.Status, err = r.status(status); err != nil {
		return rec, err
	}
	rec.Accounts, err = r.accounts()
	return rec, err
}

// unanswered is the status of a call whose caller left before it was answered, as nginx writes it.
const unanswered = 499

func (r *Reader) status(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	if means, ok := r.spec.Words[Status][text]; ok {
		text = means
	}
	if r.preset.proxy {
		switch text {
		case "0", "000", "-1":
			return unanswered, nil
		}
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 999 {
			return 0, errors.New("status is no number of three digits, nor a word that words has")
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}
