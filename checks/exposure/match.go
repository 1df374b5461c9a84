package exposure

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// A Matcher compares addresses with the candidates of a Finder. Its methods may be called from many goroutines at once.
type Matcher struct {
	f     *Finder
	addrs sieve
	sums  sieve
	rots  sieve
	pool  sync.Pool // of *matching
	found found
}

// matching is what one goroutine needs.
type matching struct {
	hasher *address.Hasher
	lower  []byte
}

// Matcher is for when all documents are scanned.
func (f *Finder) Matcher() *Matcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &Matcher{f: f, addrs: newSieve(f.seed, f.addrs), sums: newSieve(f.seed, f.sums), rots: newSieve(f.seed, f.rots)}
	kinds := f.kinds
	m.pool.New = func() any { return &matching{hasher: address.NewHasher(kinds)} }
	m.found.sightings = map[int]map[string]audit.Sighting{}
	return m
}

// A sieve says of most texts that they are not in a set, in a few nanoseconds.
type sieve struct {
	seed  maphash.Seed
	bits  []uint64
	shift uint
}

func newSieve(seed maphash.Seed, texts map[string][]seen) sieve {
	bits := uint(10)
	for 1<<bits < 16*len(texts) && bits < 28 {
		bits++
	}
	s := sieve{seed, make([]uint64, 1<<(bits-6)), 64 - bits}
	for text := range texts {
		h := maphash.String(seed, text) >> s.shift
		s.bits[h>>6] |= 1 << (h & 63)
	}
	return s
}

func (s *sieve) may(text []byte) bool {
	h := maphash.Bytes(s.seed, text) >> s.shift
	return s.bits[h>>6]&(1<<(h&63)) != 0
}

// Address compares the address of an account with the candidates: in itself, and in its hashes of those kinds whose shape was seen.
func (m *Matcher) Address(account, email string) {
	w := m.pool.Get().(*matching)
	defer m.pool.Put(w)
	if len(m.f.addrs) > 0 {
		w.lower = appendLower(w.lower[:0], email)
		if w.lower == nil {
			w.lower = append(w.lower[:0], address.Normalize(email)...)
		}
		if m.addrs.may(w.lower) {
			for _, at := range m.f.addrs[string(w.lower)] {
				m.found.add(m.f, account, at, at.chain.asIDN(strings.Contains(email, "xn--"), bytes.Contains(w.lower, []byte("xn--"))).words(), "")
			}
		}
	}
	if len(m.f.rots) > 0 {
		xn := bytes.Contains(w.lower, []byte("xn--"))
		if turn, ok := turned(w.lower); ok && m.rots.may(w.lower) {
			for _, at := range m.f.rots[string(w.lower)] {
				if shift := (int(turn) - int(at.turn) + 26) % 26; shift > 0 {
					c := at.chain.with(rotation(shift))
					if xn {
						c = c.with(stepIDN)
					}
					m.found.add(m.f, account, at, c.asIDN(strings.Contains(email, "xn--"), xn).words(), "")
				}
			}
		}
	}
	if m.f.kinds == 0 {
		return
	}
	w.hasher.Sums(email, func(s address.Sum) bool {
		if m.sums.may(s.Value) {
			for _, at := range m.f.sums[string(s.Value)] {
				m.found.add(m.f, account, at, append(at.chain.words(), s.Steps...), s.Kind.String())
				m.found.hash(string(s.Value))
			}
		}
		return true
	})
}

// Hashes are the raw hashes among the candidates that turned out so far to be an address's.
func (m *Matcher) Hashes() []string { return m.found.hashes() }

// appendLower is the fast way to normalise what is ASCII; nil where it is not, or has to be trimmed.
func appendLower(to []byte, email string) []byte {
	to = append(to, email...)
	for i, c := range to {
		switch {
		case c <= ' ' || c >= 0x7F:
			return nil
		case 'A' <= c && c <= 'Z':
			to[i] = c | 0x20
		}
	}
	if n := len(to); n == 0 || to[n-1] == '.' {
		return nil
	}
	return to
}

// Sightings are what was found so far, by document: sorted, no two of them equal.
func (m *Matcher) Sightings() map[int][]audit.Sighting { return m.found.sorted() }

// found collects sightings.
type found struct {
	mu        sync.Mutex
	sightings map[int]map[string]audit.Sighting
	sums      map[string]bool // raw hashes that are an address's
}

func (f *found) hash(raw string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sums == nil {
		f.sums = map[string]bool{}
	}
	f.sums[raw] = true
}

func (f *found) hashes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.sums))
}

func (f *found) add(finder *Finder, account string, at seen, chain []string, hash string) {
	w := finder.places[at.place]
	s := audit.Sighting{Account: account, Place: w.place, Host: w.host, Field: w.field, Chain: chain, Hash: hash}
	key := strings.Join(append([]string{account, string(w.place), w.host, w.field, hash}, chain...), "\x00")
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.sightings[w.doc]
	if of == nil {
		of = map[string]audit.Sighting{}
		f.sightings[w.doc] = of
	}
	of[key] = s
}

func (f *found) sorted() map[int][]audit.Sighting {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[int][]audit.Sighting, len(f.sightings))
	for doc, of := range f.sightings {
		list := make([]audit.Sighting, 0, len(of))
		for _, s := range of {
			list = append(list, s)
		}
		slices.SortFunc(list, func(a, b audit.Sighting) int {
			return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Field, b.Field),
				cmp.Compare(a.Hash, b.Hash), slices.Compare(a.Chain, b.Chain))
		})
		out[doc] = list
	}
	return out
}

// A DigestMatcher compares keyed digests of addresses with those of the candidates. Its methods may be called from many goroutines at once.
type DigestMatcher struct {
	f     *Finder
	by    map[string]map[string]*digested // by kind, then by digest
	found found
}

// digested is a candidate whose digest is known.
type digested struct {
	text string // the address or the raw hash
	seen []seen
}

// DigestMatcher digests the candidates with key, which is the one that the addresses were digested with; it is for when all documents are scanned.
func (f *Finder) DigestMatcher(key [32]byte) *DigestMatcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &DigestMatcher{f: f, by: map[string]map[string]*digested{}}
	m.found.sightings = map[int]map[string]audit.Sighting{}
	d := address.NewDigester(key)
	keep := func(kind string, value string, list []seen) {
		of := m.by[kind]
		if of == nil {
			of = map[string]*digested{}
			m.by[kind] = of
		}
		digest := d.Digest(kind, []byte(value))
		if of[digest] == nil {
			of[digest] = &digested{text: value}
		}
		of[digest].seen = append(of[digest].seen, list...)
	}
	for text, list := range f.addrs {
		keep(address.AddressDigests, text, list)
	}
	for text, list := range f.rots {
		one := make([]seen, 1)
		for _, at := range list {
			for shift := 1; shift < 26; shift++ {
				turned := []byte(text)
				turnBy(turned, uint8(int(at.turn)+shift)%26)
				one[0] = at
				one[0].chain = at.chain.with(rotation(shift))
				if bytes.Contains(turned, []byte("xn--")) {
					one[0].chain = one[0].chain.with(stepIDN)
				}
				keep(address.AddressDigests, string(turned), one)
			}
		}
	}
	for sum, list := range f.sums {
		kinds := address.KindsOf(len(sum))
		for k := range address.Kinds {
			if kinds.Has(k) {
				keep(k.String(), sum, list)
			}
		}
	}
	return m
}

// Digests compares the digests of an account's address, as address.Digests gives them.
func (m *DigestMatcher) Digests(account string, digests map[string][]string) {
	for kind, values := range digests {
		of := m.by[kind]
		if of == nil {
			continue
		}
		hash := kind
		if kind == address.AddressDigests {
			hash = ""
		}
		for _, v := range values {
			x := of[v]
			if x == nil {
				continue
			}
			if hash != "" {
				m.found.hash(x.text)
			}
			for _, at := range x.seen {
				m.found.add(m.f, account, at, at.chain.words(), hash)
			}
		}
	}
}

// Sightings are what was found so far, by document: sorted, no two of them equal.
func (m *DigestMatcher) Sightings() map[int][]audit.Sighting { return m.found.sorted() }

// Hashes are the raw hashes among the candidates that turned out so far to be an address's.
func (m *DigestMatcher) Hashes() []string { return m.found.hashes() }
