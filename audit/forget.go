package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/dchest/siphash"
)

// To forget an account is to call it otherwise: everywhere its id gives way to a pseudonym, a keyed hash of it, which is also the tombstone that is kept. So
// every set keeps its seat and every fact its copies, no judgment comes out otherwise, and whoever reads the same files again meets the pseudonym.

// Forgotten knows the accounts that were forgotten, by their tombstones. Nil knows none.
type Forgotten struct {
	key    []byte
	k0, k1 uint64
	bits   []uint64 // a filter: most accounts are told apart by it alone
	names  map[string]bool
}

// A Tombstone is what is kept of an account that was forgotten.
type Tombstone struct {
	Pseudonym string
	Filter    uint32 // some bits of another hash
}

const filterBits = 22

// NewForgotten knows of no account yet. key is the store's own.
func NewForgotten(key []byte) *Forgotten {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("accounts that were forgotten"))
	derived := mac.Sum(nil)
	number := func(p []byte) (n uint64) {
		for i := range 8 {
			n |= uint64(p[i]) << (8 * i)
		}
		return n
	}
	return &Forgotten{key: derived[:16], k0: number(derived[16:]), k1: number(derived[24:]), bits: make([]uint64, 1<<filterBits/64), names: map[string]bool{}}
}

// Tombstone is that of an account.
func (f *Forgotten) Tombstone(id string) Tombstone {
	return Tombstone{pseudonyms + hex.EncodeToString(f.hash("account", []byte(id))), uint32(f.short([]byte(id)))}
}

func (f *Forgotten) hash(what string, p []byte) []byte {
	mac := hmac.New(sha256.New, f.key)
	mac.Write([]byte(what + "\x00"))
	mac.Write(p)
	return mac.Sum(nil)[:16]
}

func (f *Forgotten) short(id []byte) uint64 { return siphash.Hash(f.k0, f.k1, id) >> (64 - filterBits) }

// Add makes t known.
func (f *Forgotten) Add(t Tombstone) {
	f.names[t.Pseudonym] = true
	f.bits[t.Filter>>6&(1<<filterBits/64-1)] |= 1 << (t.Filter & 63)
}

// Account is the name that an account is kept under: its pseudonym, where it was forgotten.
func (f *Forgotten) Account(id []byte) []byte {
	if f == nil || len(f.names) == 0 {
		return id
	}
	if n := f.short(id); f.bits[n>>6]&(1<<(n&63)) == 0 {
		return id
	}
	if t := f.Tombstone(string(id)); f.names[t.Pseudonym] {
		return []byte(t.Pseudonym)
	}
	return id
}

func (f *Forgotten) name(id string) string { return string(f.Account([]byte(id))) }

var (
	textQuoted = regexp.MustCompile(`"(?:[^"\\]|\\.){6,800}"`)
	textRuns   = regexp.MustCompile(`(?:[\p{L}\p{M}\p{N}_:%.+-]|&#?[A-Za-z0-9]{1,7};){6,}`)
	textColon  = regexp.MustCompile(`(?i)[0-9]{6}(?:%(?:25)+3a|&#0{0,3}58;|&#x0{0,3}3a;|&colon;)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	textShapes = regexp.MustCompile(`(?i:[0-9]{6}(?::|%3a))?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{24}`)
	textEscape = regexp.MustCompile(`%(?:25)*([0-9a-fA-F]{2})|&#?[A-Za-z0-9]{1,7};`) // once or more often
	inWords    = regexp.MustCompile(`(?i)^(?:3a|[89a-f].)$`)                         // what a word may have escaped: a colon, as ids do, and letters beyond ASCII
	textWords  = regexp.MustCompile(`(?:[\p{L}\p{M}\p{N}-]|%(?:25)*[89a-fA-F][0-9a-fA-F]){6,}`)
)

// Text is s with the accounts that were forgotten under their pseudonyms, where they are all of it, or stand in it as words of six signs or more or as
// JSON strings. Shorter ones nobody could tell from other words, nor where one with blanks ends.
func (f *Forgotten) Text(s string) string {
	if f == nil || len(f.names) == 0 || len(s) < 6 {
		return s
	}
	known := func(word string) string {
		if now := f.name(word); now != word {
			return now
		}
		for plain := word; strings.ContainsAny(plain, "%+&"); { // what was escaped more than once becomes shorter each time
			next, err := url.QueryUnescape(html.UnescapeString(plain))
			if err != nil || next == plain {
				break
			}
			if now := f.name(next); now != next {
				return now
			}
			plain = next
		}
		return word
	}
	if now := f.name(s); now != s {
		return now
	}
	s = textQuoted.ReplaceAllStringFunc(s, func(quoted string) string {
		var id string
		if json.Unmarshal([]byte(quoted), &id) == nil {
			if now := f.name(id); now != id {
				return `"` + now + `"`
			}
		}
		return quoted
	})
	return textRuns.ReplaceAllStringFunc(s, func(run string) string {
		if now := known(run); now != run {
			return now
		}
		run = textColon.ReplaceAllStringFunc(run, known)
		// An escape ends a word: its digits are none of an id's.
		var out strings.Builder
		at := 0
		for _, escape := range textEscape.FindAllStringSubmatchIndex(run, -1) {
			if escape[2] >= 0 && inWords.MatchString(run[escape[2]:escape[3]]) {
				continue
			}
			out.WriteString(words(run[at:escape[0]], known))
			out.WriteString(run[escape[0]:escape[1]])
			at = escape[1]
		}
		out.WriteString(words(run[at:], known))
		return out.String()
	})
}

// words is a run of letters, digits and marks with the accounts in it under the names that known gives them.
func words(run string, known func(word string) string) string {
	if now := known(run); now != run {
		return now
	}
	if word := strings.Trim(run, ":%.+-_"); word != run {
		if now := known(word); now != word {
			return strings.Replace(run, word, now, 1)
		}
	}
	run = textShapes.ReplaceAllStringFunc(run, func(id string) string {
		if now := known(id); now != id || len(id) <= 36 {
			return now
		}
		return id[:len(id)-36] + known(id[len(id)-36:])
	})
	return textWords.ReplaceAllStringFunc(run, known)
}

// pseudonyms is how they begin.
const pseudonyms = "forgotten-"

// IsRenamed says whether a text names accounts that were forgotten, under their pseudonyms. A text that was renamed when they were forgotten, and whose
// accounts could be told from other words because they were known then, is another than the same text that comes again.
func IsRenamed(s string) bool { return strings.Contains(s, pseudonyms) }

// Observation renames what o says, and says whether its line named an account that was forgotten: then o is known by another id, which a digest of a
// guess does not give. It may be called again once more was seen in its file.
func (f *Forgotten) Observation(o *Observation) (changed bool) {
	if f == nil || len(f.names) == 0 {
		return false
	}
	return o.rename(f.name, f.Text, func(id ObservationID) (out ObservationID) {
		copy(out[:], f.hash("observation", id[:]))
		return out
	})
}

func (o *Observation) rename(name, text func(string) string, mask func(ObservationID) ObservationID) (changed bool) {
	set := func(to *string, by func(string) string) (is bool) {
		now := by(*to)
		is = now != *to
		changed = changed || is
		*to = now
		return is
	}
	named := set(&o.Account, name)
	for _, s := range []*string{&o.URL, &o.Topic, &o.Text, &o.Reporter} {
		named = set(s, text) || named
	}
	set(&o.Trouble, text)
	if m := o.Mail; m != nil {
		mail := *m
		mail.Signs, mail.Signed = slices.Clone(m.Signs), slices.Clone(m.Signed)
		o.Mail = &mail
		for _, list := range [][]string{mail.Signs, mail.Signed} {
			for i := range list {
				set(&list[i], text)
			}
		}
		set(&mail.From, text)
		set(&mail.Envelope, text)
	}
	o.Sightings = slices.Clone(o.Sightings)
	for i := range o.Sightings {
		s := &o.Sightings[i]
		seen := set(&s.Account, name)
		seen = set(&s.Host, text) || seen
		seen = set(&s.Field, text) || seen
		s.Chain = slices.Clone(s.Chain)
		for j := range s.Chain {
			seen = set(&s.Chain[j], text) || seen
		}
		named = named || seen && o.Mark == nil // the line itself said what was seen: its file was not looked into
	}
	if named && !o.Masked {
		o.ID, o.Masked = mask(o.ID), true
	}
	return changed
}

// Renames are accounts that are being forgotten, and by what names they are called from now on.
type Renames struct {
	forgotten *Forgotten
	ids       map[string]string
	spelled   []spelling
}

// A spelling is how an id may be written where it is part of a text.
type spelling struct {
	id      string
	plain   []string       // as it is, and in JSON
	escaped *regexp.Regexp // in a URL or HTML, once or more often
}

// Forget makes the tombstones of accounts known and gives what is to be renamed.
func (f *Forgotten) Forget(ids []string) *Renames {
	r := &Renames{forgotten: f, ids: map[string]string{}}
	for _, id := range ids {
		t := f.Tombstone(id)
		f.Add(t)
		r.ids[id] = t.Pseudonym
		r.spelled = append(r.spelled, spellingOf(id))
	}
	return r
}

func spellingOf(id string) spelling {
	quoted, err := json.Marshal(id)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	s := spelling{id: id, plain: []string{id}}
	if in := string(quoted[1 : len(quoted)-1]); in != id {
		s.plain = append(s.plain, in)
	}
	if url.QueryEscape(id) != id {
		var b strings.Builder
		for _, c := range id {
			b.WriteString(escapes(c))
		}
		s.escaped = regexp.MustCompile(b.String())
	}
	return s
}

// named are the marks that HTML has names for, of those that may stand in an id.
func named() map[rune]string {
	return map[rune]string{':': "colon", '&': "amp", '<': "lt", '>': "gt", '"': "quot", '\'': "apos", '/': "sol", '+': "plus", '@': "commat"}
}

// escapes matches a sign as it is, in a URL, be it escaped there once or more often, and in HTML. An escape's digits may be of either case (RFC 3986, 2.1).
func escapes(c rune) string {
	as := regexp.QuoteMeta(string(c))
	if url.QueryEscape(string(c)) == string(c) {
		return as
	}
	percent := ""
	for _, b := range []byte(string(c)) {
		percent += fmt.Sprintf("%%(?:25)*(?i:%02x)", b)
	}
	as += "|" + percent + fmt.Sprintf("|&#0*%d;|&#[xX]0*(?i:%x);", c, c)
	if name := named()[c]; name != "" {
		as += "|&" + name + ";"
	}
	if c == ' ' {
		as += `|\+`
	}
	return "(?:" + as + ")"
}

// in says whether text spells the id.
func (s *spelling) in(text string) bool {
	return slices.ContainsFunc(s.plain, func(id string) bool { return strings.Contains(text, id) }) ||
		s.escaped != nil && strings.ContainsAny(text, "%&+") && s.escaped.MatchString(text)
}

// replace puts now where text spells the id.
func (s *spelling) replace(text, now string) string {
	for _, id := range s.plain {
		text = strings.ReplaceAll(text, id, now)
	}
	if s.escaped != nil {
		text = s.escaped.ReplaceAllLiteralString(text, now)
	}
	return text
}

// Each visits the tombstones.
func (r *Renames) Each(visit func(Tombstone) error) error {
	for id := range r.ids {
		if err := visit(r.forgotten.Tombstone(id)); err != nil {
			return err
		}
	}
	return nil
}

// Mentions says whether s may name one of the accounts, also where it is JSON.
func (r *Renames) Mentions(s string) bool {
	for i := range r.spelled {
		if r.spelled[i].in(s) {
			return true
		}
	}
	return false
}

// long is from which length on an id is recognised in the middle of a word.
const long = 12

// Text is s without the accounts.
func (r *Renames) Text(s string) string {
	if !r.Mentions(s) {
		return s
	}
	s = r.forgotten.Text(s)
	for i := range r.spelled {
		if id := &r.spelled[i]; len(id.id) >= long {
			s = id.replace(s, r.ids[id.id])
		}
	}
	return s
}

// JSON is a JSON text without the accounts, be they names or values in it. What is no JSON is a text.
func (r *Renames) JSON(s string) string {
	if !r.Mentions(s) && !strings.Contains(s, `\u`) { // of an escape nobody knows what it spells before it is decoded
		return s
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return r.Text(s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(r.value(v)) != nil {
		return r.Text(s)
	}
	now := strings.TrimSuffix(b.String(), "\n")
	if sameJSON(v, json.RawMessage(now)) {
		return s
	}
	return now
}

func (r *Renames) value(v any) any {
	switch v := v.(type) {
	case string:
		if now, ok := r.ids[v]; ok {
			return now
		}
		return r.Text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.value(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[r.value(k).(string)] = r.value(x)
		}
		return out
	}
	return v
}

// IDs is a set of accounts without them.
func (r *Renames) IDs(s IDs) (IDs, bool) {
	var gone, now []string
	for id, name := range r.ids {
		if s.Has(id) {
			gone, now = append(gone, id), append(now, name)
		}
	}
	if len(gone) == 0 {
		return s, false
	}
	return Union(s.Minus(NewIDs(gone...)), NewIDs(now...)), true
}

// Numbers gives the ordinals that those of a set of accounts have in the set that IDs gives.
func (r *Renames) Numbers(was, now IDs) []uint32 {
	out := make([]uint32, was.Len())
	was.Match(now, func(i, j int) { out[i] = uint32(j) })
	for id, name := range r.ids {
		if i, ok := was.Index(id); ok {
			j, _ := now.Index(name)
			out[i] = uint32(j)
		}
	}
	return out
}

// Answers is a without the accounts.
func (r *Renames) Answers(a Answers) (Answers, bool) {
	set, changed := r.IDs(a.Accounts)
	if !changed {
		return a, false
	}
	out := Answers{Accounts: set, Closed: make([]Instant, set.Len()), Updated: make([][]Update, set.Len())}
	for i, j := range r.Numbers(a.Accounts, set) {
		out.Closed[j], out.Updated[j] = a.Closed[i], a.Updated[i]
	}
	return out, true
}

// Evidence is rows of evidence without the accounts.
func (r *Renames) Evidence(list []Evidence) (out []Evidence, changed bool) {
	out = slices.Clone(list)
	for i := range out {
		e := &out[i]
		if now, ok := r.ids[e.Account]; ok {
			e.Account = now
		}
		e.Detail = r.Text(e.Detail)
		changed = changed || *e != list[i]
	}
	if changed {
		slices.SortStableFunc(out, compareEvidence)
	}
	return out, changed
}

// Observation renames what o says; see Forgotten.Observation.
func (r *Renames) Observation(o *Observation) (changed bool) {
	return o.rename(func(id string) string {
		if now, ok := r.ids[id]; ok {
			return now
		}
		return id
	}, r.Text, func(id ObservationID) (out ObservationID) {
		copy(out[:], r.forgotten.hash("observation", id[:]))
		return out
	})
}

// Contribution is c without the accounts. occurrences are those of the app's observations that are known by another id now.
func (r *Renames) Contribution(c *Contribution, occurrences map[uint64]uint64) (changed bool) {
	note := func(is bool) { changed = changed || is }
	also := map[uint64]uint64{}
	for id, now := range r.ids {
		if c.Accounts.Has(id) { // an account of a day is counted by its hash
			also[xxhash.Sum64String(id)] = xxhash.Sum64String(now)
		}
	}
	out := slices.Clone(c.Occurrences)
	for i, id := range out {
		now, ok := also[id]
		if !ok {
			now, ok = occurrences[id]
		}
		if ok {
			out[i] = now
			note(true)
		}
	}
	slices.Sort(out)
	c.Occurrences = out
	var is bool
	c.Accounts, is = r.IDs(c.Accounts)
	note(is)
	if hosts := c.Hosts.Strings(); slices.ContainsFunc(hosts, r.Mentions) {
		for i := range hosts {
			hosts[i] = r.Text(hosts[i])
		}
		c.Hosts = NewIDs(hosts...)
		note(true)
	}
	c.Evidence, is = r.Evidence(c.Evidence)
	note(is)
	subject := r.Text(c.Subject)
	note(subject != c.Subject)
	c.Subject = subject
	return changed
}

// An Erased counts what named accounts that were forgotten, and no longer does.
type Erased struct {
	Packs, Contributions, Findings, Observations, Answers, Canaries, Acts, Quarantined, Details, Messages, Runs, Registry, Attachments int
}

// Parts is e in words, in order.
func (e *Erased) Parts() []ErasedPart {
	return []ErasedPart{{"packs of calls and reports", e.Packs}, {"contributions", e.Contributions}, {"findings", e.Findings}, {"captures, mails and signals", e.Observations},
		{"answers of the platform, by app", e.Answers}, {"canaries", e.Canaries}, {"suppressions and dismissals", e.Acts}, {"lines in quarantine", e.Quarantined},
		{"details of the trail", e.Details}, {"messages", e.Messages}, {"runs", e.Runs}, {"registry entries", e.Registry},
		{"attachments", e.Attachments}}
}

// An ErasedPart is one number of an Erased.
type ErasedPart struct {
	What string
	N    int
}

// Total is how many there were.
func (e *Erased) Total() (n int) {
	for _, p := range e.Parts() {
		n += p.N
	}
	return n
}

// Moved is a pack, and where it lies now.
type Moved struct{ From, To Pack }
