// Package ingest reads the sources: it finds the lines of files, plain or compressed, whole or grown, and decodes and validates what they say.
package ingest

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// A Decoder reads lines of access logs and of the reporting API's log. It reads what gateways write in one pass, without allocating, and leaves
// whatever is unusual, and every refusal, to the strict reader (see object): both read the same records and refuse the same lines. The zero value is
// ready; it is for one goroutine.
type Decoder struct {
	call, report, account, answer, lifecycle, address shape

	app string // of the lifecycle event read last

	site     audit.IDList
	accounts audit.IDList
	reported []audit.ReportedRecord
	answers  []audit.AnswerRecord

	plain []byte // strings that had escapes
	stack []byte // of open objects and lists in a value that is not read
	high  uint64 // has the high bit of a byte set where a string held more than ASCII

	days [64]dated // those that were read last
}

// A dated is a day that was read, as its bytes, and its start in seconds since the Unix epoch.
type dated struct {
	date1, date2 uint64
	midnight     int64
}

// Call reads a line of an access log into rec, whose bytes are views valid until the next call. They are as the line has them: path, purpose and
// request id may hold addresses, which whoever keeps them masks. An error says which field is wrong and how, and quotes nothing of the line.
func (d *Decoder) Call(line []byte, rec *audit.CallRecord) error {
	if d.fastCall(line, rec) {
		return nil
	}
	var err error
	*rec, err = strictCall(line)
	return err
}

// Report reads a line of the reporting API's log into rec, as Call does for an access log.
func (d *Decoder) Report(line []byte, rec *audit.ReportRecord) error {
	if d.fastReport(line, rec) {
		return nil
	}
	var err error
	*rec, err = strictReport(line)
	return err
}

// Lifecycle reads a line of the installs source, as the function Lifecycle does.
func (d *Decoder) Lifecycle(line []byte) (audit.Lifecycle, error) {
	if l, ok := d.fastLifecycle(line); ok {
		return l, nil
	}
	return Lifecycle(line)
}

// The fields that are read, as a set of bits.
type field uint16

const (
	fTS field = 1 << iota
	fRequestID
	fApp
	fSite
	fPath
	fAuth
	fPurpose
	fStatus
	fAccounts
	fResult
	fAccountID
	fUpdatedAt
	fEvent
	fUsers
	fEmail

	fNone field = 0 // a field that is not read
)

func callField(name []byte) field {
	switch string(name) {
	case "ts":
		return fTS
	case "request_id":
		return fRequestID
	case "app_key":
		return fApp
	case "cloud_id":
		return fSite
	case "path":
		return fPath
	case "auth":
		return fAuth
	case "purpose":
		return fPurpose
	case "status":
		return fStatus
	case "account_ids":
		return fAccounts
	}
	return fNone
}

func reportField(name []byte) field {
	switch string(name) {
	case "ts":
		return fTS
	case "request_id":
		return fRequestID
	case "app_key":
		return fApp
	case "status":
		return fStatus
	case "accounts":
		return fAccounts
	case "result":
		return fResult
	}
	return fNone
}

func lifecycleField(name []byte) field {
	switch string(name) {
	case "ts":
		return fTS
	case "app_key":
		return fApp
	case "cloud_id":
		return fSite
	case "event":
		return fEvent
	case "users":
		return fUsers
	}
	return fNone
}

func addressField(name []byte) field {
	switch string(name) {
	case "account_id":
		return fAccountID
	case "email":
		return fEmail
	case "key_id", "digests":
		return fResult // the strict reader's
	}
	return fNone
}

func accountField(name []byte) field {
	switch string(name) {
	case "account_id":
		return fAccountID
	case "updated_at":
		return fUpdatedAt
	}
	return fNone
}

func answerField(name []byte) field {
	switch string(name) {
	case "account_id":
		return fAccountID
	case "status":
		return fStatus
	}
	return fNone
}

// fastCall reads a line of the usual form; false says nothing but that the strict reader must.
func (d *Decoder) fastCall(b []byte, rec *audit.CallRecord) bool {
	*rec = audit.CallRecord{}
	d.high, d.plain = 0, d.plain[:0]
	i := space(b, 0)
	if i == len(b) || b[i] != '{' {
		return false
	}
	i++
	seen := fNone
	for k := 0; ; {
		var f field
		f, i = d.call.next(b, i, &k, callField)
		if i < 0 || seen&f != 0 {
			return false
		}
		seen |= f
		switch f {
		case fTS:
			rec.Sec, rec.Nsec, i = d.moment(b, i)
		case fRequestID:
			rec.RequestID, i = d.text(b, i)
		case fApp:
			rec.App, i = d.key(b, i)
		case fSite:
			rec.Site, i = d.siteID(b, i)
		case fPath:
			rec.Path, i = d.text(b, i)
		case fAuth:
			var v []byte
			v, i = d.text(b, i)
			if rec.Auth = audit.ParseAuth(v); rec.Auth == 0 {
				return false
			}
		case fPurpose:
			rec.Purpose, i = d.text(b, i)
		case fStatus:
			rec.Status, i = status(b, i)
		case fAccounts:
			rec.Accounts, i = d.ids(b, i)
		default:
			i = d.skip(b, i, 1)
		}
		if i < 0 {
			return false
		}
		if i < len(b) && b[i] == ',' {
			i++
			continue
		}
		if i = space(b, i); i == len(b) {
			return false
		}
		if b[i] == '}' {
			break
		}
		if b[i] != ',' {
			return false
		}
		i++
	}
	if space(b, i+1) != len(b) {
		return false
	}
	const need = fTS | fRequestID | fSite | fPath | fAuth | fStatus
	return seen&need == need && len(rec.RequestID) > 0 && rec.Site.Len() > 0 && len(rec.Path) > 0 && d.utf8(b)
}

// fastReport is fastCall for a line of the reporting API's log.
func (d *Decoder) fastReport(b []byte, rec *audit.ReportRecord) bool {
	*rec = audit.ReportRecord{}
	d.high, d.plain = 0, d.plain[:0]
	i := space(b, 0)
	if i == len(b) || b[i] != '{' {
		return false
	}
	i++
	seen := fNone
	for k := 0; ; {
		var f field
		f, i = d.report.next(b, i, &k, reportField)
		if i < 0 || seen&f != 0 {
			return false
		}
		seen |= f
		switch f {
		case fTS:
			rec.Sec, rec.Nsec, i = d.moment(b, i)
		case fRequestID:
			rec.RequestID, i = d.text(b, i)
		case fApp:
			rec.App, i = d.key(b, i)
		case fStatus:
			rec.Status, i = status(b, i)
		case fAccounts:
			rec.Accounts, i = d.reportedList(b, i)
		case fResult:
			rec.Results, i = d.answerList(b, i)
		default:
			i = d.skip(b, i, 1)
		}
		if i < 0 {
			return false
		}
		if i = space(b, i); i == len(b) {
			return false
		}
		if b[i] == '}' {
			break
		}
		if b[i] != ',' {
			return false
		}
		i++
	}
	if space(b, i+1) != len(b) {
		return false
	}
	const need = fTS | fRequestID | fApp | fStatus
	return seen&need == need && len(rec.RequestID) > 0 && len(rec.App) > 0 && d.utf8(b)
}

// fastLifecycle is fastCall for a line of the installs source.
func (d *Decoder) fastLifecycle(b []byte) (audit.Lifecycle, bool) {
	d.high, d.plain = 0, d.plain[:0]
	var sec, nsec int64
	var app, site []byte
	l := audit.Lifecycle{Users: -1}
	seen := fNone
	end := d.lifecycle.members(b, space(b, 0), lifecycleField, func(f field, i int) int {
		seen |= f
		switch f {
		case fTS:
			sec, nsec, i = d.moment(b, i)
		case fApp:
			app, i = d.key(b, i)
		case fSite:
			site, i = d.key(b, i)
		case fEvent:
			var v []byte
			v, i = d.text(b, i)
			l.Event = audit.ParseEvent(v)
		case fUsers:
			if null(b, i) {
				return i + 4
			}
			l.Users, i = count(b, i)
		default:
			i = d.skip(b, i, 1)
		}
		return i
	})
	const need = fTS | fApp | fSite | fEvent
	if end < 0 || space(b, end) != len(b) || seen&need != need || len(app) == 0 || len(site) == 0 || l.Event == 0 || !d.utf8(b) {
		return audit.Lifecycle{}, false
	}
	if d.app != string(app) { // one app's events often come together
		d.app = string(app)
	}
	l.At, l.App, l.Site = audit.AtUnix(sec, nsec), d.app, string(site)
	return l, true
}

// Address reads a line of the addresses source, as the function Address does.
func (d *Decoder) Address(line []byte) (AddressRecord, error) {
	if r, ok := d.fastAddress(line); ok {
		return r, nil
	}
	return Address(line)
}

// fastAddress is fastCall for a line of the addresses source with a plain address.
func (d *Decoder) fastAddress(b []byte) (AddressRecord, bool) {
	d.high, d.plain = 0, d.plain[:0]
	var account, email []byte
	seen := fNone
	end := d.address.members(b, space(b, 0), addressField, func(f field, i int) int {
		seen |= f
		switch f {
		case fAccountID:
			account, i = d.id(b, i)
		case fEmail:
			email, i = d.text(b, i)
		case fResult:
			return -1
		default:
			i = d.skip(b, i, 1)
		}
		return i
	})
	const need = fAccountID | fEmail
	if end < 0 || space(b, end) != len(b) || seen&need != need || !address.LooksLike(email) || !d.utf8(b) {
		return AddressRecord{}, false
	}
	return AddressRecord{Account: string(account), Email: string(email)}, true
}

// utf8 says whether the line is valid UTF-8, now that all its strings were seen: what is outside of them is ASCII.
func (d *Decoder) utf8(b []byte) bool { return d.high&high == 0 || utf8.Valid(b) }

// A shape is the order of the fields in the objects that were read before, as the bytes from after a comma (or the opening brace) up to the value,
// white space and all. Most lines of a log have one shape, so the next field is mostly found by one comparison.
type shape struct {
	n     int
	slots [24]slot
}

type slot struct {
	n     int
	field field
	words [2]uint64 // the first 16 bytes
	masks [2]uint64 // those of them that count
	text  [48]byte
}

// at says whether b has the slot's text at i.
func (t *slot) at(b []byte, i int) bool {
	return i+t.n <= len(b) && string(b[i:i+t.n]) == string(t.text[:t.n])
}

// next reads a field's name at b[i], after a brace or comma, and gives the field and where its value begins; -1 where the form is not usual. k counts
// the slots of the shape that were passed.
func (s *shape) next(b []byte, i int, k *int, classify func([]byte) field) (field, int) {
	whole := i+16 <= len(b)
	var first, second uint64
	if whole {
		first, second = load(b, i), load(b, i+8)
	}
	for j := *k; j < s.n && j < *k+3; j++ {
		t := &s.slots[j]
		if whole && t.n <= 16 {
			if (first^t.words[0])&t.masks[0]|(second^t.words[1])&t.masks[1] != 0 {
				continue
			}
		} else if !t.at(b, i) {
			continue
		}
		end := i + t.n
		*k = j + 1
		if end < len(b) && b[end] <= ' ' {
			end = space(b, end)
		}
		return t.field, end
	}
	start := i
	if i = space(b, i); i == len(b) || b[i] != '"' {
		return fNone, -1
	}
	name := i + 1
	for i++; i < len(b) && b[i] != '"'; i++ {
		if c := b[i]; c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			return fNone, -1
		}
	}
	if i == len(b) {
		return fNone, -1
	}
	f := classify(b[name:i])
	if i = space(b, i+1); i == len(b) || b[i] != ':' {
		return fNone, -1
	}
	i = space(b, i+1)
	s.learn(b[start:i], f, k)
	return f, i
}

// learn puts a field before the slot at k. A shape that is full is forgotten: either the log's form has changed, or there is none.
func (s *shape) learn(text []byte, f field, k *int) {
	if len(text) > len(s.slots[0].text) {
		return
	}
	if s.n == len(s.slots) {
		s.n, *k = 0, 0
		return
	}
	copy(s.slots[*k+1:s.n+1], s.slots[*k:s.n])
	t := &s.slots[*k]
	*t = slot{field: f}
	t.n = copy(t.text[:], text)
	for i := range t.words {
		t.words[i] = load(t.text[:], 8*i)
		t.masks[i] = uint64(1)<<(8*max(0, min(t.n-8*i, 8))) - 1
	}
	s.n++
	*k++
}

// space is the first place at or after i that holds no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// Eight bytes are tested at once, as a word w: (w - lows*n) &^ w & high has the high bit of each byte below n, for n up to 128. Above the first such
// byte a borrow may set bits that mean nothing, so only the lowest is looked at. A byte is c where w ^ lows*c has one below 1.
const (
	lows = 0x0101010101010101
	high = 0x8080808080808080
)

func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// scan is the first place at or after i, inside a string, that holds a quote, a backslash or a control character; len(b) where there is none.
func (d *Decoder) scan(b []byte, i int) int {
	all := uint64(0)
	for ; i+8 <= len(b); i += 8 {
		w := load(b, i)
		all |= w
		quote, slash := w^lows*'"', w^lows*'\\'
		if m := ((quote-lows)&^quote | (slash-lows)&^slash | (w-lows*' ')&^w) & high; m != 0 {
			d.high |= all
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		c := b[i]
		all |= uint64(c)
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	d.high |= all
	return i
}

// scanPlain is the first place at or after i that holds what is rare in an id: all that scan looks for, all but ASCII, and what an at-sign of any form
// begins with.
func scanPlain(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := load(b, i)
		at, slash := w^lows*'@', w^lows*'\\'
		if m := ((at-lows)&^at | (slash-lows)&^slash | (w - lows*'(') | w) & high; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < '(' || c == '@' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// null says whether b has null at i.
func null(b []byte, i int) bool { return len(b)-i >= 4 && string(b[i:i+4]) == "null" }

// text reads a string, or null, and gives where it ends; -1 for anything else.
func (d *Decoder) text(b []byte, i int) ([]byte, int) {
	if i >= len(b) || b[i] != '"' {
		if null(b, i) {
			return nil, i + 4
		}
		return nil, -1
	}
	end := d.scan(b, i+1)
	if end == len(b) {
		return nil, -1
	}
	switch b[end] {
	case '"':
		return b[i+1 : end : end], end + 1
	case '\\':
		return d.unescape(b, i+1, end)
	}
	return nil, -1
}

// unescape is text for a string that begins at b[i] and holds a backslash at b[end], the first. Surrogates are left to the strict reader.
func (d *Decoder) unescape(b []byte, i, end int) ([]byte, int) {
	start := len(d.plain)
	for {
		d.plain = append(d.plain, b[i:end]...)
		if end+1 >= len(b) {
			if end+1 == len(b) && b[end] == '"' {
				return d.plain[start:len(d.plain):len(d.plain)], end + 1
			}
			return nil, -1
		}
		switch b[end] {
		case '"':
			return d.plain[start:len(d.plain):len(d.plain)], end + 1
		case '\\':
		default:
			return nil, -1
		}
		i = end + 2
		switch c := b[end+1]; c {
		case '"', '\\', '/':
			d.plain = append(d.plain, c)
		case 'b':
			d.plain = append(d.plain, '\b')
		case 'f':
			d.plain = append(d.plain, '\f')
		case 'n':
			d.plain = append(d.plain, '\n')
		case 'r':
			d.plain = append(d.plain, '\r')
		case 't':
			d.plain = append(d.plain, '\t')
		case 'u':
			i += 4
			if i > len(b) {
				return nil, -1
			}
			r, ok := rune(0), true
			for _, c := range b[i-4 : i] {
				h := unhex(c)
				r, ok = r<<4|rune(h), ok && h < 16
			}
			if !ok || utf16.IsSurrogate(r) {
				return nil, -1
			}
			d.plain = utf8.AppendRune(d.plain, r)
		default:
			return nil, -1
		}
		end = d.scan(b, i)
	}
}

// unhex is the value of a hexadecimal digit; 16 of anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}

// key is text for what must not look like an address.
func (d *Decoder) key(b []byte, i int) ([]byte, int) {
	if i < len(b) && b[i] == '"' {
		if end := scanPlain(b, i+1); end < len(b) && b[end] == '"' && end-i-1 <= maxKey {
			return b[i+1 : end : end], end + 1
		}
	}
	v, end := d.text(b, i)
	if len(v) > maxKey || address.LooksLike(v) {
		return nil, -1
	}
	return v, end
}

// id reads an account id.
func (d *Decoder) id(b []byte, i int) ([]byte, int) {
	if i >= len(b) || b[i] != '"' {
		return nil, -1
	}
	if end := scanPlain(b, i+1); end < len(b) && b[end] == '"' && end-i-2 < maxAccount && end > i+1 {
		return b[i+1 : end : end], end + 1
	}
	v, end := d.text(b, i)
	if end < 0 || checkAccount(string(v)) != nil {
		return nil, -1
	}
	return v, end
}

// siteID is key for a site's id, which is mostly a UUID.
func (d *Decoder) siteID(b []byte, i int) (audit.IDList, int) {
	d.site.Reset()
	if end := i + 37; end < len(b) && b[i] == '"' && b[end] == '"' && d.site.AddPacked(b[i+1:end]) {
		return d.site, end + 1
	}
	v, end := d.key(b, i)
	if len(v) > 0 {
		d.site.Add(v)
	}
	return d.site, end
}

// ids reads a list of account ids, or null.
func (d *Decoder) ids(b []byte, i int) (audit.IDList, int) {
	d.accounts.Reset()
	end := elements(b, i, func(i int) int {
		for end := i + 25; end+1 < len(b) && b[i] == '"' && b[end] == '"' && d.accounts.AddHex24(b[i+1:end]); end += 27 { // mostly they are this
			if b[end+1] != ',' {
				return end + 1
			}
			i = end + 2
		}
		if i = space(b, i); i == len(b) {
			return -1
		}
		v, end := d.id(b, i)
		if end >= 0 {
			d.accounts.Add(v)
		}
		return end
	})
	return d.accounts, end
}

// elements reads a list, or null, each entry by read, and gives where it ends; -1 where the form is not usual.
func elements(b []byte, i int, read func(i int) int) int {
	if i >= len(b) || b[i] != '[' {
		if null(b, i) {
			return i + 4
		}
		return -1
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = read(i); i < 0 {
			return -1
		}
		if i = space(b, i); i == len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// members reads an object, each field's value by read, and gives where it ends; -1 where the form is not usual.
func (s *shape) members(b []byte, i int, classify func([]byte) field, read func(f field, i int) int) int {
	if i >= len(b) || b[i] != '{' {
		return -1
	}
	i++
	seen := fNone
	for k := 0; ; {
		var f field
		f, i = s.next(b, i, &k, classify)
		if i < 0 || seen&f != 0 {
			return -1
		}
		seen |= f
		if i = read(f, i); i < 0 {
			return -1
		}
		if i = space(b, i); i == len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

func (d *Decoder) reportedList(b []byte, i int) ([]audit.ReportedRecord, int) {
	all := d.reported[:0]
	end := elements(b, i, func(i int) int {
		var r audit.ReportedRecord
		if end := d.usual(b, i, &r); end >= 0 {
			all = append(all, r)
			return end
		}
		r = audit.ReportedRecord{}
		end := d.account.members(b, i, accountField, func(f field, i int) int {
			switch f {
			case fAccountID:
				r.ID, i = d.id(b, i)
			case fUpdatedAt:
				if null(b, i) {
					return i + 4
				}
				r.HasUpdated = true
				r.Sec, r.Nsec, i = d.moment(b, i)
			default:
				i = d.skip(b, i, 3)
			}
			return i
		})
		if len(r.ID) == 0 {
			return -1
		}
		all = append(all, r)
		return end
	})
	d.reported = all
	return all, end
}

// usual reads a reported account of the form that those before it had, which is nearly always its id and when it was updated; -1: this one is another.
func (d *Decoder) usual(b []byte, i int, r *audit.ReportedRecord) int {
	id, updated := &d.account.slots[0], &d.account.slots[1]
	if d.account.n < 2 || id.field != fAccountID || updated.field != fUpdatedAt || i >= len(b) || b[i] != '{' || !id.at(b, i+1) {
		return -1
	}
	if r.ID, i = d.id(b, i+1+id.n); i < 0 || i == len(b) || b[i] != ',' || !updated.at(b, i+1) {
		return -1
	}
	r.HasUpdated = true
	if r.Sec, r.Nsec, i = d.moment(b, i+1+updated.n); i < 0 || i == len(b) || b[i] != '}' {
		return -1
	}
	return i + 1
}

func (d *Decoder) answerList(b []byte, i int) ([]audit.AnswerRecord, int) {
	all := d.answers[:0]
	end := elements(b, i, func(i int) int {
		var r audit.AnswerRecord
		known := false
		end := d.answer.members(b, i, answerField, func(f field, i int) int {
			switch f {
			case fAccountID:
				r.ID, i = d.id(b, i)
			case fStatus:
				var v []byte
				v, i = d.text(b, i)
				r.Closed = string(v) == "closed"
				known = r.Closed || string(v) == "updated"
			default:
				i = d.skip(b, i, 3)
			}
			return i
		})
		if len(r.ID) == 0 || !known {
			return -1
		}
		all = append(all, r)
		return end
	})
	d.answers = all
	return all, end
}

// status reads a whole number of three digits, 100 to 599.
func status(b []byte, i int) (int, int) {
	if i+3 >= len(b) {
		return 0, -1
	}
	x, y, z := b[i]-'0', b[i+1]-'0', b[i+2]-'0'
	if x < 1 || x > 5 || y > 9 || z > 9 {
		return 0, -1
	}
	switch b[i+3] {
	case ',', '}', ' ', '\t', '\n', '\r':
		return int(x)*100 + int(y)*10 + int(z), i + 3
	}
	return 0, -1
}

// count reads a whole number of up to 18 digits, without a sign.
func count(b []byte, i int) (int64, int) {
	start, n := i, int64(0)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if i-start == 18 {
			return 0, -1
		}
		n = n*10 + int64(b[i]-'0')
	}
	if i == start || i == len(b) || b[start] == '0' && i > start+1 {
		return 0, -1
	}
	switch b[i] {
	case ',', '}', ' ', '\t', '\n', '\r':
		return n, i
	}
	return 0, -1
}

// moment reads a time as 2026-11-22T03:14:15Z, with up to nine digits of a second's fraction and Z or an offset.
func (d *Decoder) moment(b []byte, i int) (sec, nsec int64, end int) {
	if i+22 > len(b) || b[i] != '"' {
		return 0, 0, -1
	}
	i++
	t := b[i : i+20 : i+20]
	date1, date2 := binary.LittleEndian.Uint64(t), uint64(t[8])|uint64(t[9])<<8|1<<16
	day := &d.days[t[8]&3<<4|t[9]&15]
	if date1 != day.date1 || date2 != day.date2 {
		start, ok := midnight(t[:10])
		if !ok {
			return 0, 0, -1
		}
		*day = dated{date1, date2, start}
	}
	clock := load(t, 11) ^ (lows*'0' ^ colons*('0'^':')) // 03:14:15 is digits, and 0 where a colon is
	if ((clock+lows*(0x7f-9)+colons*9)|clock)&high != 0 || t[10] != 'T' {
		return 0, 0, -1
	}
	clock = clock*10 + clock>>8 // pairs of digits are numbers now
	hour, minute, second := int64(byte(clock)), int64(byte(clock>>24)), int64(byte(clock>>48))
	if hour > 23 || minute > 59 || second > 59 {
		return 0, 0, -1
	}
	sec = day.midnight + hour*3600 + minute*60 + second
	i += 19
	if b[i] == '.' {
		start := i + 1
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			nsec = nsec*10 + int64(b[i]-'0')
			if i-start == 9 {
				return 0, 0, -1
			}
		}
		if i == start {
			return 0, 0, -1
		}
		nsec *= powers[9-(i-start)]
	}
	switch {
	case i+1 < len(b) && b[i] == 'Z':
		i++
	case i+6 < len(b) && (b[i] == '+' || b[i] == '-') && b[i+3] == ':':
		h, ok1 := two(b[i+1], b[i+2])
		m, ok2 := two(b[i+4], b[i+5])
		if !ok1 || !ok2 || h > 23 || m > 59 {
			return 0, 0, -1
		}
		if b[i] == '+' {
			sec -= h*3600 + m*60
		} else {
			sec += h*3600 + m*60
		}
		i += 6
	default:
		return 0, 0, -1
	}
	if b[i] != '"' {
		return 0, 0, -1
	}
	return sec, nsec, i + 1
}

// colons has a one where a time of day has its colons.
const colons = 1<<16 | 1<<40

// powers of ten, by exponent.
var powers = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

func two(x, y byte) (int64, bool) {
	x, y = x-'0', y-'0'
	return int64(x)*10 + int64(y), x <= 9 && y <= 9
}

// midnight is the start of a day, given as 2026-11-22, in seconds since the Unix epoch.
func midnight(t []byte) (int64, bool) {
	century, ok1 := two(t[0], t[1])
	year, ok2 := two(t[2], t[3])
	month, ok3 := two(t[5], t[6])
	day, ok4 := two(t[8], t[9])
	if !ok1 || !ok2 || !ok3 || !ok4 || t[4] != '-' || t[7] != '-' || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	year += century * 100
	length := int64(30) + (month+month>>3)&1
	if month == 2 {
		length = 28
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			length = 29
		}
	}
	if day > length {
		return 0, false
	}
	// Years that begin in March have their odd day at the end; counted from 0000-03-01.
	if month < 3 {
		year, month = year-1, month+12
	}
	era := (year + 400) / 400 // year may be -1
	year += 400 - era*400
	days := (era-1)*146097 + year*365 + year/4 - year/100 + (153*(month-3)+2)/5 + day - 1
	const epoch = 719468 // days from 0000-03-01 to 1970-01-01
	return (days - epoch) * 86400, true
}

// skip reads any value, depth levels deep in the line, and gives where it ends; -1 where it is no JSON.
func (d *Decoder) skip(b []byte, i, depth int) int {
	if i < len(b) && b[i] == '"' { // as most are
		return d.skipString(b, i+1)
	}
	d.stack = d.stack[:0]
value:
	if i = space(b, i); i == len(b) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		if i = d.skipString(b, i+1); i < 0 {
			return -1
		}
	case '{', '[':
		if depth+len(d.stack) >= maxDepth {
			return -1
		}
		d.stack = append(d.stack, c+2) // what closes it
		if i = space(b, i+1); i < len(b) && b[i] == c+2 {
			break // closed below
		}
		if c == '{' {
			goto name
		}
		goto value
	case 't':
		i = literally(b, i, "true")
	case 'f':
		i = literally(b, i, "false")
	case 'n':
		i = literally(b, i, "null")
	default:
		i = number(b, i)
	}
	if i < 0 {
		return -1
	}
	for {
		if len(d.stack) == 0 {
			return i
		}
		if i = space(b, i); i == len(b) {
			return -1
		}
		closing := d.stack[len(d.stack)-1]
		switch b[i] {
		case closing:
			d.stack = d.stack[:len(d.stack)-1]
			i++
			continue
		case ',':
			i++
			if closing == '}' {
				goto name
			}
			goto value
		}
		return -1
	}
name:
	if i = space(b, i); i == len(b) || b[i] != '"' {
		return -1
	}
	if i = d.skipString(b, i+1); i < 0 {
		return -1
	}
	if i = space(b, i); i == len(b) || b[i] != ':' {
		return -1
	}
	i++
	goto value
}

// skipString gives where the string ends whose first character is at i; -1 where it is no string.
func (d *Decoder) skipString(b []byte, i int) int {
	for {
		i = d.scan(b, i)
		if i+1 >= len(b) {
			if i+1 == len(b) && b[i] == '"' {
				return i + 1
			}
			return -1
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
		default:
			return -1
		}
		switch b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if len(b)-i < 6 {
				return -1
			}
			for _, c := range b[i+2 : i+6] {
				if unhex(c) > 15 {
					return -1
				}
			}
			i += 6
		default:
			return -1
		}
	}
}

func literally(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// number gives where the number at i ends; -1 where there is none as JSON writes it.
func number(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch start := i; {
	case i < len(b) && b[i] == '0':
		i++
	default:
		if i = digits(b, i); i == start {
			return -1
		}
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		if i = digits(b, start); i == start {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = digits(b, i); i == start {
			return -1
		}
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}
