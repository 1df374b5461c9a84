package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// maxDepth is how deep the values of a line may be nested, its own object being the first level: what encoding/json allows.
const maxDepth = 10_000

// A strict reads one line by encoding/json's tokens, to the letter of docs/formats.md: it is slow, and the judge of what Decoder reads fast. Its errors
// name the field and what is wrong with it, and quote nothing of the line.
type strict struct {
	dec    *json.Decoder
	depth  int
	broken error // the line is no JSON: what no field is to blame for
}

// A reader reads the value of a field.
type reader func(s *strict) error

// fields are what is read of an object, by name. A field that was read is nil.
type fields map[string]reader

// object reads a line that holds one JSON object in valid UTF-8 and nothing else.
func object(line []byte, f fields) error {
	if !utf8.Valid(line) {
		return errors.New("not valid UTF-8")
	}
	s := &strict{dec: json.NewDecoder(bytes.NewReader(line))}
	s.dec.UseNumber()
	t, err := s.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("not a JSON object but %s", kind(t))
	}
	if err := s.members(f); err != nil {
		return err
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

func (s *strict) token() (json.Token, error) {
	t, err := s.dec.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.broken = errors.New("not a JSON object: the line ends too early")
	case err != nil:
		s.broken = fmt.Errorf("not a JSON object: %w (near byte %d)", err, s.dec.InputOffset()+1)
	case t == json.Delim('{'), t == json.Delim('['):
		if s.depth++; s.depth > maxDepth {
			s.broken = fmt.Errorf("nested deeper than %d levels", maxDepth)
		}
	case t == json.Delim('}'), t == json.Delim(']'):
		s.depth--
	}
	return t, s.broken
}

// members reads an object whose brace was read.
func (s *strict) members(f fields) error {
	for {
		t, err := s.token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return nil // the closing brace
		}
		read, known := f[name]
		switch {
		case !known:
			read = (*strict).skip
		case read == nil:
			return fmt.Errorf("%s comes twice", name)
		default:
			f[name] = nil
		}
		if err := read(s); err != nil {
			if s.broken != nil {
				return s.broken
			}
			return fmt.Errorf("%s %w", name, err)
		}
	}
}

// skip reads any value.
func (s *strict) skip() error {
	t, err := s.token()
	if err != nil {
		return err
	}
	return s.rest(t)
}

// rest reads what remains of a value whose first token is t.
func (s *strict) rest(t json.Token) error {
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	for until := s.depth - 1; s.depth > until; {
		if _, err := s.token(); err != nil {
			return err
		}
	}
	return nil
}

func kind(t json.Token) string {
	switch t {
	case nil:
		return "null"
	case json.Delim('{'):
		return "an object"
	case json.Delim('['):
		return "a list"
	}
	switch t.(type) {
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	}
	return "a string"
}

func wrong(t json.Token, want string) error { return fmt.Errorf("is %s, not %s", kind(t), want) }

// text reads a string; null is the empty one.
func text(to *string) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil || t == nil {
			return err
		}
		v, ok := t.(string)
		if !ok {
			return wrong(t, "a string")
		}
		*to = v
		return nil
	}
}

// truth reads true or false; null leaves nil.
func truth(to **bool) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil || t == nil {
			return err
		}
		v, ok := t.(bool)
		if !ok {
			return wrong(t, "true or false")
		}
		*to = &v
		return nil
	}
}

// integer reads a whole number written as one (so neither 2e2 nor 200.0); null leaves nil.
func integer(to **int64) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil || t == nil {
			return err
		}
		v, ok := t.(json.Number)
		if !ok {
			return wrong(t, "an integer")
		}
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return errors.New("is not an integer of 64 bits, written without point and exponent")
		}
		*to = &n
		return nil
	}
}

// moment reads a time; null and the empty string leave nil.
func moment(to **time.Time) reader {
	return func(s *strict) error {
		var v string
		if err := text(&v)(s); err != nil || v == "" {
			return err
		}
		t, err := parseTime(v)
		if err != nil {
			return err
		}
		*to = &t
		return nil
	}
}

func parseTime(v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return t, errors.New("is no time as RFC 3339 writes it, like 2026-11-22T03:14:15Z")
	}
	return t, nil
}

// list reads a list, each entry with read; null is the empty one. start is called for a list that is there.
func list(start func(), read func(s *strict, i int) error) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil || t == nil {
			return err
		}
		if t != json.Delim('[') {
			return wrong(t, "a list")
		}
		if start != nil {
			start()
		}
		for i := 0; s.dec.More(); i++ {
			if err := read(s, i); err != nil {
				return fmt.Errorf("entry %d %w", i+1, err)
			}
		}
		_, err = s.token()
		return err
	}
}

// texts reads a list of strings; null leaves nil, an empty list does not.
func texts(to *[]string) reader {
	return list(func() { *to = []string{} }, func(s *strict, _ int) error {
		t, err := s.token()
		if err != nil {
			return err
		}
		v, ok := t.(string)
		if !ok {
			return wrong(t, "a string")
		}
		*to = append(*to, v)
		return nil
	})
}

// objects reads a list of objects: fields gives what to read of the next one, done is called when it was read.
func objects(next func() fields, done func() error) reader { return list(nil, entries(next, done)) }

// entries reads the entries of a list of objects, as objects does.
func entries(next func() fields, done func() error) func(*strict, int) error {
	return func(s *strict, _ int) error {
		t, err := s.token()
		if err != nil {
			return err
		}
		if t != json.Delim('{') {
			return wrong(t, "an object")
		}
		if err := s.members(next()); err != nil {
			return fmt.Errorf("is bad: its %w", err)
		}
		return done()
	}
}

// required says which of the fields, given as name and value in turn, is the first that is empty.
func required(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return fmt.Errorf("%s is missing or empty", pairs[i])
		}
	}
	return nil
}

// maxAccount is the length of the longest account id, in characters.
const maxAccount = 128

func checkAccount(id string) error {
	switch n := utf8.RuneCountInString(id); {
	case n < 1 || n > maxAccount:
		return fmt.Errorf("is an account id of %d characters, not of 1 to %d", n, maxAccount)
	case address.LooksLike([]byte(id)):
		return errors.New("is an account id that looks like an address")
	}
	return nil
}

// maxKey is how many bytes an app's key, a site's id and a vendor's id may have: rows are led by them, and an entry of an index of Postgres holds
// two of them in its 2,704 bytes.
const maxKey = 1000

// bounded says which of the fields, given as name and value in turn, is the first that is too long to be a key.
func bounded(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if len(pairs[i+1]) > maxKey {
			return fmt.Errorf("%s is longer than %d bytes", pairs[i], maxKey)
		}
	}
	return nil
}

// keys says which of the fields, given as name and value in turn, is the first that is no key: too long, or what looks like an address.
func keys(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if address.LooksLike([]byte(pairs[i+1])) {
			return fmt.Errorf("%s looks like an address", pairs[i])
		}
	}
	return bounded(pairs...)
}

const (
	minStatus = 100
	maxStatus = 599
)

func checkStatus(n *int64) error {
	switch {
	case n == nil:
		return errors.New("status is missing")
	case *n < minStatus || *n > maxStatus:
		return fmt.Errorf("status is %d, not %d to %d", *n, minStatus, maxStatus)
	}
	return nil
}

// strictCall reads a line of an access log.
func strictCall(line []byte) (audit.CallRecord, error) {
	var (
		none                                   audit.CallRecord
		ts, id, app, site, path, auth, purpose string
		status                                 *int64
		accounts                               []string
	)
	err := object(line, fields{
		"ts": text(&ts), "request_id": text(&id), "app_key": text(&app), "cloud_id": text(&site), "path": text(&path), "auth": text(&auth),
		"purpose": text(&purpose), "status": integer(&status), "account_ids": texts(&accounts),
	})
	if err != nil {
		return none, err
	}
	if err := required("ts", ts, "request_id", id, "cloud_id", site, "path", path, "auth", auth); err != nil {
		return none, err
	}
	at, err := parseTime(ts)
	if err != nil {
		return none, fmt.Errorf("ts %w", err)
	}
	return callRecord(at, id, app, site, path, auth, purpose, status, accounts)
}

// callRecord is the call that has these fields, of which none that must be there is empty.
func callRecord(at time.Time, id, app, site, path, auth, purpose string, status *int64, accounts []string) (none audit.CallRecord, err error) {
	if err := checkStatus(status); err != nil {
		return none, err
	}
	kind := audit.ParseAuth([]byte(auth))
	if kind == 0 {
		return none, errors.New("auth is none of " + audit.AuthNames())
	}
	if err := keys("app_key", app, "cloud_id", site); err != nil {
		return none, err
	}
	rec := audit.CallRecord{Sec: at.Unix(), Nsec: int64(at.Nanosecond()), RequestID: []byte(id), App: []byte(app),
		Path: []byte(path), Purpose: []byte(purpose), Auth: kind, Status: int(*status)}
	rec.Site.Add([]byte(site))
	for i, a := range accounts {
		if err := checkAccount(a); err != nil {
			return none, fmt.Errorf("account_ids entry %d %w", i+1, err)
		}
		rec.Accounts.Add([]byte(a))
	}
	return rec, nil
}

// strictReport reads a line of the reporting API's log.
func strictReport(line []byte) (audit.ReportRecord, error) {
	var (
		rec         audit.ReportRecord
		ts, id, app string
		status      *int64
		account     string
		updated     *time.Time
		answer      string
		accounts    []audit.ReportedRecord
		results     []audit.AnswerRecord
	)
	err := object(line, fields{
		"ts": text(&ts), "request_id": text(&id), "app_key": text(&app), "status": integer(&status),
		"accounts": objects(func() fields {
			account, updated = "", nil
			return fields{"account_id": text(&account), "updated_at": moment(&updated)}
		}, func() error {
			r := audit.ReportedRecord{ID: []byte(account)}
			if updated != nil {
				r.HasUpdated, r.Sec, r.Nsec = true, updated.Unix(), int64(updated.Nanosecond())
			}
			accounts = append(accounts, r)
			return checkAccount(account)
		}),
		"result": objects(func() fields {
			account, answer = "", ""
			return fields{"account_id": text(&account), "status": text(&answer)}
		}, func() error {
			results = append(results, audit.AnswerRecord{ID: []byte(account), Closed: answer == "closed"})
			if answer != "closed" && answer != "updated" {
				return errors.New("has a status that is neither closed nor updated")
			}
			return checkAccount(account)
		}),
	})
	if err != nil {
		return rec, err
	}
	if err := required("ts", ts, "request_id", id, "app_key", app); err != nil {
		return rec, err
	}
	at, err := parseTime(ts)
	if err != nil {
		return rec, fmt.Errorf("ts %w", err)
	}
	if err := checkStatus(status); err != nil {
		return rec, err
	}
	if err := keys("app_key", app); err != nil {
		return rec, err
	}
	rec = audit.ReportRecord{Sec: at.Unix(), Nsec: int64(at.Nanosecond()), RequestID: []byte(id), App: []byte(app), Status: int(*status),
		Accounts: accounts, Results: results}
	return rec, nil
}

// Lifecycle reads a line of the installs source. Its error says which field is wrong and how, and quotes nothing of the line.
func Lifecycle(line []byte) (audit.Lifecycle, error) {
	var (
		ts, app, site, event string
		users                *int64
		none                 audit.Lifecycle
	)
	err := object(line, fields{"ts": text(&ts), "app_key": text(&app), "cloud_id": text(&site), "event": text(&event), "users": integer(&users)})
	if err != nil {
		return none, err
	}
	if err := required("ts", ts, "app_key", app, "cloud_id", site, "event", event); err != nil {
		return none, err
	}
	at, err := parseTime(ts)
	if err != nil {
		return none, fmt.Errorf("ts %w", err)
	}
	kind := audit.ParseEvent([]byte(event))
	if kind == 0 {
		return none, errors.New("event is none of " + audit.EventNames())
	}
	if err := keys("app_key", app, "cloud_id", site); err != nil {
		return none, err
	}
	l := audit.Lifecycle{At: audit.At(at), App: app, Site: site, Event: kind, Users: -1}
	if users != nil {
		if l.Users = *users; l.Users < 0 {
			return none, errors.New("users is negative")
		}
	}
	return l, nil
}

// Incident reads a line of the incidents source. Its error says which field is wrong and how, and quotes nothing of the line.
func Incident(line []byte) (audit.Incident, error) {
	var (
		api, from string
		to        *time.Time
		none      audit.Incident
	)
	if err := object(line, fields{"api": text(&api), "from": text(&from), "to": moment(&to)}); err != nil {
		return none, err
	}
	if err := required("api", api, "from", from); err != nil {
		return none, err
	}
	start, err := parseTime(from)
	if err != nil {
		return none, fmt.Errorf("from %w", err)
	}
	i := audit.Incident{API: address.Redact(api), From: audit.At(start), To: audit.Never}
	if to != nil {
		i.To = audit.At(*to)
	}
	return i, nil
}
