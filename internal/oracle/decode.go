package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// member is one name and value of an object, as it stands in the line.
type member struct {
	name  string
	value any
}

// object is a JSON object that remembers order and doubled names.
type object []member

// readObject reads a line that must be one JSON object in valid UTF-8 and nothing else.
func readObject(line []byte) (object, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("not valid UTF-8")
	}
	if !json.Valid(line) {
		return nil, errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	v, err := readValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	o, ok := v.(object)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// readValue reads one value: nil, bool, string, json.Number, []any or object.
func readValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		o := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := readValue(dec)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name.(string), v})
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		l := []any{}
		for dec.More() {
			v, err := readValue(dec)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err := dec.Token()
		return l, err
	}
	return tok, nil
}

// get gives the value of a field that the audit reads; such a field twice in one object is bad. Names compare exactly.
func (o object) get(name string) (any, error) {
	var v any
	n := 0
	for _, m := range o {
		if m.name == name {
			v = m.value
			n++
		}
	}
	if n > 1 {
		return nil, fmt.Errorf("%s twice", name)
	}
	return v, nil
}

// text reads a string; absent and null are the empty string.
func (o object) text(name string) (string, error) {
	v, err := o.get(name)
	if err != nil {
		return "", err
	}
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s is no string", name)
	}
	return s, nil
}

// need reads a required string, which may not be empty.
func (o object) need(name string) (string, error) {
	s, err := o.text(name)
	if err == nil && s == "" {
		err = fmt.Errorf("%s is missing", name)
	}
	return s, err
}

// oneOf reads a required string from a list.
func (o object) oneOf(name string, allowed ...string) (string, error) {
	s, err := o.need(name)
	if err != nil {
		return "", err
	}
	for _, a := range allowed {
		if s == a {
			return s, nil
		}
	}
	return "", fmt.Errorf("%s is outside its list", name)
}

// instant reads a time; absent, null and empty give nil.
func (o object) instant(name string) (*time.Time, error) {
	s, err := o.text(name)
	if err != nil || s == "" {
		return nil, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil, fmt.Errorf("%s is no time", name)
	}
	t = t.UTC()
	return &t, nil
}

// needInstant reads a required time.
func (o object) needInstant(name string) (time.Time, error) {
	t, err := o.instant(name)
	if err != nil {
		return time.Time{}, err
	}
	if t == nil {
		return time.Time{}, fmt.Errorf("%s is missing", name)
	}
	return *t, nil
}

// integer reads an integer; absent and null give nil.
func (o object) integer(name string) (*int64, error) {
	v, err := o.get(name)
	if err != nil || v == nil {
		return nil, err
	}
	n, ok := v.(json.Number)
	if !ok {
		return nil, fmt.Errorf("%s is no number", name)
	}
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s is no integer", name)
	}
	return &i, nil
}

// status reads the required status of an answer, 100 to 599.
func (o object) status() (int, error) {
	n, err := o.integer("status")
	if err != nil {
		return 0, err
	}
	if n == nil {
		return 0, errors.New("status is missing")
	}
	if *n < 100 || *n > 599 {
		return 0, errors.New("status is outside 100 to 599")
	}
	return int(*n), nil
}

// list reads an array; absent and null are the empty one.
func (o object) list(name string) ([]any, error) {
	v, err := o.get(name)
	if err != nil || v == nil {
		return nil, err
	}
	l, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is no array", name)
	}
	return l, nil
}

// texts reads an array of strings; given says whether it was there at all (null is not).
func (o object) texts(name string) (texts []string, given bool, err error) {
	v, err := o.get(name)
	if err != nil || v == nil {
		return nil, false, err
	}
	l, ok := v.([]any)
	if !ok {
		return nil, false, fmt.Errorf("%s is no array", name)
	}
	for _, e := range l {
		s, ok := e.(string)
		if !ok {
			return nil, false, fmt.Errorf("%s holds something that is no string", name)
		}
		texts = append(texts, s)
	}
	return texts, true, nil
}

// child reads an object; absent and null give nil.
func (o object) child(name string) (object, error) {
	v, err := o.get(name)
	if err != nil || v == nil {
		return nil, err
	}
	c, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%s is no object", name)
	}
	return c, nil
}

var addressShaped = regexp.MustCompile(`[^\s@]@[^\s@]`)

// accountID checks an account id: 1 to 128 characters that do not look like an address.
func accountID(s string) error {
	if n := utf8.RuneCountInString(s); n < 1 || n > 128 {
		return errors.New("an account id that is not 1 to 128 characters")
	}
	if addressShaped.MatchString(s) {
		return errors.New("an account id that looks like an address")
	}
	return nil
}

// notAddress checks an app key or a cloud id.
func notAddress(field, s string) error {
	if addressShaped.MatchString(s) {
		return fmt.Errorf("%s looks like an address", field)
	}
	return nil
}

// lines cuts files into lines: no blank ones, no byte order mark at a file's start, a last line may lack its end.
func lines(files []File, each func(file File, number int, line []byte)) {
	for _, f := range files {
		data := bytes.TrimPrefix(f.Data, []byte("\xef\xbb\xbf"))
		for i, line := range bytes.Split(data, []byte("\n")) {
			if strings.Trim(string(line), " \t\r") == "" {
				continue
			}
			each(f, i+1, line)
		}
	}
}

// kind counts the lines of one kind and tells facts from copies of them.
type kind struct {
	name string
	seen map[string]bool
	n    Lines
	res  *Result
}

func newKind(name string, res *Result) *kind {
	return &kind{name: name, seen: map[string]bool{}, res: res}
}

// fact says whether the identity (every field that the audit reads) is new.
func (k *kind) fact(identity string) bool {
	if k.seen[identity] {
		k.n.Duplicates++
		return false
	}
	k.seen[identity] = true
	k.n.Facts++
	return true
}

func (k *kind) bad(f File, number int, err error) {
	k.n.Quarantined++
	k.res.Bad = append(k.res.Bad, BadLine{k.name, f.Name, number, err.Error()})
}

func (k *kind) done() { k.res.Kinds[k.name] = k.n }

// clock counts a fact that is more than 24 hours after the as-of, and says whether its time has come.
func (a *audit) clock(res *Result, t time.Time) bool {
	if t.Sub(a.asOf) > 24*time.Hour {
		res.ClockTrouble++
	}
	return !t.After(a.asOf)
}
