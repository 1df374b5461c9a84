package format

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A layout is how a line of text is made: literals, and variables between them.
type layout struct {
	literals []string // one before each variable, and one at the end
	names    []string
}

func newLayout(text string, variable *regexp.Regexp) (*layout, error) {
	l := &layout{}
	at := 0
	for _, m := range variable.FindAllStringSubmatchIndex(text, -1) {
		name := ""
		for g := 2; g+1 < len(m); g += 2 {
			if m[g] >= 0 {
				name = text[m[g]:m[g+1]]
			}
		}
		if strings.HasPrefix(name, "REQ(") {
			name = strings.ToUpper(name) // headers' names have no case
		}
		literal := text[at:m[0]]
		if literal == "" && len(l.names) > 0 {
			return nil, fmt.Errorf("nothing stands between %s and %s, so nobody can tell where the one ends", l.names[len(l.names)-1], name)
		}
		if slices.Contains(l.names, name) {
			return nil, fmt.Errorf("%s comes twice", name)
		}
		l.literals, l.names, at = append(l.literals, literal), append(l.names, name), m[1]
	}
	if len(l.names) == 0 {
		return nil, errors.New("it names no variable")
	}
	l.literals = append(l.literals, strings.TrimSuffix(text[at:], `\n`))
	return l, nil
}

// read takes a line apart: each value ends where the literal after it begins.
func (l *layout) read(r *Reader, line string) error {
	rest, ok := strings.CutPrefix(line, l.literals[0])
	if !ok {
		return fmt.Errorf("not of the layout: it does not begin as log_format says, before %s", l.names[0])
	}
	for i, name := range l.names {
		after, end := l.literals[i+1], len(rest)
		if i < len(l.names)-1 || after != "" {
			if end = strings.Index(rest, after); end < 0 {
				return fmt.Errorf("not of the layout: %s has no end", name)
			}
		}
		if at, ok := r.names[name]; ok {
			if v := unescape(rest[:end], `\x`); v != "-" {
				r.values[at] = value{have: true, text: v}
			}
		}
		rest = rest[end+len(after):]
	}
	if rest != "" {
		return errors.New("not of the layout: something follows where log_format ends")
	}
	return nil
}

// unescape decodes what a program writes as two hexadecimal digits after a sign: nginx after \x, HAProxy after #.
func unescape(s, sign string) string {
	i := strings.Index(s, sign)
	if i < 0 {
		return s
	}
	var out []byte
	for i >= 0 {
		out = append(out, s[:i]...)
		s = s[i:]
		n := len(sign) + 2
		if len(s) < n {
			break
		}
		if b, err := hex.DecodeString(s[len(sign):n]); err == nil {
			out = append(out, b...)
		} else {
			out = append(out, s[:n]...)
		}
		s = s[n:]
		i = strings.Index(s, sign)
	}
	return strings.ToValidUTF8(string(append(out, s...)), "\ufffd")
}

// maxCaptures is how many captured headers of a line are read.
const maxCaptures = 64

// haproxyDate is where a line of HAProxy's HTTP log has the date, after the client and, mostly, what syslog writes before.
var haproxyDate = regexp.MustCompile(` \[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}(?:\.\d+)?)\] `)

// haproxy reads a line of HAProxy's HTTP log (option httplog, or httpslog): frontend, backend/server, timers, status, bytes, two cookies, state,
// connections, queues; then, where they are captured, headers of request and answer in braces; then the request in quotes.
func (r *Reader) haproxy(line string) error {
	m := haproxyDate.FindStringSubmatchIndex(line)
	if m == nil {
		return errors.New("accept_date is missing: not a line of HAProxy's HTTP log")
	}
	r.set("accept_date", line[m[2]:m[3]])
	rest := line[m[1]:]
	var word string
	for i := range 10 {
		var ok bool
		if word, rest, ok = strings.Cut(rest, " "); !ok || word == "" {
			return errors.New("not a line of HAProxy's HTTP log: it ends before the request")
		}
		if i == 3 {
			r.set("status_code", word)
		}
	}
	for braces := 0; strings.HasPrefix(rest, "{"); braces++ {
		end := strings.Index(rest, "} ")
		if end < 0 || braces == 2 {
			return errors.New("captured headers have no end")
		}
		if braces == 0 {
			for i, h := range strings.Split(rest[1:end], "|") {
				r.set("capture:"+strconv.Itoa(i+1), unescape(h, "#"))
			}
		}
		rest = rest[end+2:]
	}
	rest, ok := strings.CutPrefix(rest, `"`)
	if !ok {
		return errors.New("http_request is missing: not a line of HAProxy's HTTP log")
	}
	asked, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return errors.New("http_request has no end: the line was cut, let HAProxy write longer ones (len, of the log statement)")
	}
	r.set("http_request", unescape(asked, "#"))
	return nil
}

func (r *Reader) set(name, text string) {
	if i, ok := r.names[name]; ok && text != "-" {
		r.values[i] = value{have: true, text: text}
	}
}

// cells reads a line of a CSV file, as RFC 4180 has it, but for cells of several lines.
func cells(line []byte) ([]string, error) {
	c := csv.NewReader(bytes.NewReader(line))
	all, err := c.Read()
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("not a line of CSV: %w near its byte %d (a cell of several lines cannot be read)", wrong.Err, wrong.Column)
	}
	return all, err
}

// header reads the names of a CSV file's columns.
func (r *Reader) header(line []byte) error {
	columns, err := cells(line)
	if err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	have := map[int]bool{}
	for k, name := range columns {
		i, ok := r.names[strings.TrimSpace(name)]
		if !ok {
			i = -1
		} else if have[i] {
			return fmt.Errorf("the header names the column %d twice", k+1)
		}
		have[i] = true
		r.columns = append(r.columns, i)
	}
	for _, field := range mappable() {
		_, mapped := r.spec.Map[field]
		if !mapped && !slices.Contains([]string{TS, App, Site, Auth, Status}, field) {
			continue
		}
		if !slices.ContainsFunc(r.Format.from[field], func(s source) bool {
			return len(s.names) == 0 || slices.ContainsFunc(s.names, func(i int) bool { return have[i] })
		}) {
			return fmt.Errorf("the header has no column %q, where %s is to be", r.Format.from[field][0].text, field)
		}
	}
	return nil
}

// csv reads the values of a line of a CSV file.
func (r *Reader) csv(line []byte) error {
	all, err := cells(line)
	if err != nil {
		return err
	}
	if len(all) != len(r.columns) {
		return fmt.Errorf("the line has %d cells, and the header %d columns", len(all), len(r.columns))
	}
	for k, i := range r.columns {
		if i >= 0 {
			r.values[i] = value{have: true, text: all[k]}
		}
	}
	return nil
}
