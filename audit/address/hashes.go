package address

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"

	"golang.org/x/crypto/blake2b"
	//lint:ignore SA1019 trackers do not ask whether it is still good
	"golang.org/x/crypto/ripemd160"
)

// A Kind is a hash function that trackers and apps are known to put addresses through.
type Kind uint8

// The kinds. BLAKE2b has two lengths and one name.
const (
	MD5 Kind = iota
	SHA1
	SHA224
	SHA256
	SHA384
	SHA512
	SHA3256
	RIPEMD160
	BLAKE2b512
	BLAKE2b256
	Kinds // how many there are
)

// String is the name of the kind, as it stands in findings.
func (k Kind) String() string {
	return [...]string{"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "ripemd160", "blake2b", "blake2b"}[k]
}

// Size is the length of a sum of the kind, in bytes.
func (k Kind) Size() int { return [...]int{16, 20, 28, 32, 48, 64, 32, 20, 64, 32}[k] }

// KindsOf are the kinds whose sums have size bytes.
func KindsOf(size int) KindSet {
	var set KindSet
	for k := range Kinds {
		if k.Size() == size {
			set |= 1 << k
		}
	}
	return set
}

// A KindSet is a set of kinds: bit k for kind k.
type KindSet uint16

// Has says whether the set holds k.
func (s KindSet) Has(k Kind) bool { return s>>k&1 != 0 }

// A Form is one way to write an address before it is hashed.
type Form struct {
	Text  string
	Steps []string // how it differs from the usual form, lower case; empty: it is that
}

// Forms are the ways in which an address is written before it is hashed: in lower case, as given, in upper case, for Gmail without dots, without
// what follows a plus, and an international domain in both its forms. The first is the usual one.
func Forms(email string) []Form {
	return appendForms(make([]Form, 0, 4), email)
}

func appendForms(forms []Form, email string) []Form {
	given := strings.TrimSpace(email)
	lower := strings.ToLower(given)
	add := func(text string, steps ...string) {
		for _, f := range forms {
			if f.Text == text {
				return
			}
		}
		forms = append(forms, Form{text, steps})
	}
	add(lower)
	if given != lower {
		add(given, "as given")
	}
	add(strings.ToUpper(given), "upper case")
	at := strings.LastIndexByte(lower, '@')
	if at <= 0 {
		return forms
	}
	name, host := lower[:at], lower[at+1:]
	if ascii := asciiDomain(host); ascii != host {
		add(name+"@"+ascii, "idn")
	}
	if letters := unicodeDomain(host); letters != host {
		add(name+"@"+letters, "idn")
	}
	bare := name
	if plus := strings.IndexByte(name, '+'); plus > 0 {
		bare = name[:plus]
		add(bare+"@"+host, "without plus")
	}
	if host == "gmail.com" || host == "googlemail.com" {
		if strings.IndexByte(name, '.') >= 0 {
			dotless := strings.ReplaceAll(name, ".", "")
			add(dotless+"@"+host, "without dots")
			if bare != name {
				add(strings.ReplaceAll(bare, ".", "")+"@"+host, "without dots", "without plus")
			}
		}
	}
	return forms
}

// common are the kinds that trackers use day by day. Only these are tried with salts and of all the other hashes: each address of millions is hashed with
// all that is tried.
const common = 1<<MD5 | 1<<SHA1 | 1<<SHA256 | 1<<SHA512

// The salts that trackers are known to use: a suffix seen with SHA-256 (Englehardt, Han and Narayanan, "I never signed up for this!", PETS 2018;
// Senol et al., "Leaky Forms", USENIX Security 2022), the scheme that FOAF puts before the address, and the line end of who hashes a line.
var salts = [...]struct{ before, after, step string }{
	{"", "QX4QkKEU", "salt"},
	{"mailto:", "", "mailto"},
	{"", "\n", "line end"},
}

// inner are the kinds whose sums, in hexadecimal digits, are known to be hashed once more; the last one only by who uses it anyway.
var inner = [...]Kind{MD5, SHA1, SHA256, SHA512}

// A Sum is a hash of an address.
type Sum struct {
	Kind  Kind     // of the outermost hash
	Steps []string // what was hashed, from the outside in, where it is not just the address in lower case
	Value []byte   // valid until the next
}

// A Hasher hashes addresses. It is for one goroutine at a time.
type Hasher struct {
	want    KindSet
	hashes  [Kinds]hash.Hash
	buf     []byte
	sums    [Kinds][64]byte    // the last of each kind
	inner   [len(inner)][]byte // in hexadecimal digits
	forms   []Form
	scratch [64]byte
}

// NewHasher hashes with the kinds of want.
func NewHasher(want KindSet) *Hasher { return &Hasher{want: want} }

// sum is the sum of p with k.
func (h *Hasher) sum(k Kind, p []byte) []byte {
	out := h.sums[k][:0]
	switch k {
	case MD5:
		s := md5.Sum(p)
		return append(out, s[:]...)
	case SHA1:
		s := sha1.Sum(p)
		return append(out, s[:]...)
	case SHA224:
		s := sha256.Sum224(p)
		return append(out, s[:]...)
	case SHA256:
		s := sha256.Sum256(p)
		return append(out, s[:]...)
	case SHA384:
		s := sha512.Sum384(p)
		return append(out, s[:]...)
	case SHA512:
		s := sha512.Sum512(p)
		return append(out, s[:]...)
	case SHA3256:
		s := sha3.Sum256(p)
		return append(out, s[:]...)
	case BLAKE2b512:
		s := blake2b.Sum512(p)
		return append(out, s[:]...)
	case BLAKE2b256:
		s := blake2b.Sum256(p)
		return append(out, s[:]...)
	case RIPEMD160:
		if h.hashes[k] == nil {
			h.hashes[k] = ripemd160.New()
		}
		h.hashes[k].Reset()
		h.hashes[k].Write(p)
		return h.hashes[k].Sum(out)
	}
	return out
}

// Sums calls yield with the sums of an address: of its forms, and, for the usual one, of its base64 and of its hash in hexadecimal digits (of its MD5 for
// kinds that are not common), and, by the common kinds, also salted. It stops when yield says false.
func (h *Hasher) Sums(email string, yield func(Sum) bool) {
	h.forms = appendForms(h.forms[:0], email)
	for i := range h.forms {
		h.buf = append(h.buf[:0], h.forms[i].Text...)
		if !h.each(h.buf, h.want, h.forms[i].Steps, yield) {
			return
		}
		if i == 0 && !h.further(h.forms[0].Text, yield) {
			return
		}
	}
}

// further gives the unusual sums of an address in lower case, whose own sums were just given.
func (h *Hasher) further(lower string, yield func(Sum) bool) bool {
	want := h.want & common
	kinds := inner[:]
	switch {
	case want == 0:
		kinds = inner[:1]
	case !want.Has(SHA512):
		kinds = inner[:len(inner)-1]
	}
	for i, k := range kinds {
		sum := h.sums[k][:k.Size()]
		if !h.want.Has(k) {
			sum = h.sum(k, h.buf)
		}
		h.inner[i] = hex.AppendEncode(h.inner[i][:0], sum)
	}
	for i, k := range kinds {
		of := want
		if k == MD5 {
			of = h.want
		}
		if !h.each(h.inner[i], of, innerSteps[i][:], yield) {
			return false
		}
	}
	for i := range salts {
		if want == 0 {
			break
		}
		s := &salts[i]
		h.buf = append(append(append(h.buf[:0], s.before...), lower...), s.after...)
		if !h.each(h.buf, want, saltSteps[i][:], yield) {
			return false
		}
	}
	h.buf = base64.StdEncoding.AppendEncode(h.buf[:0], append(h.scratch[:0], lower...))
	return h.each(h.buf, h.want, base64Step[:], yield)
}

var (
	saltSteps  = [len(salts)][1]string{{salts[0].step}, {salts[1].step}, {salts[2].step}}
	base64Step = [1]string{"base64"}
	innerSteps = [len(inner)][1]string{{inner[0].String()}, {inner[1].String()}, {inner[2].String()}, {inner[3].String()}}
)

func (h *Hasher) each(p []byte, want KindSet, steps []string, yield func(Sum) bool) bool {
	for k := range Kinds {
		if want.Has(k) && !yield(Sum{k, steps, h.sum(k, p)}) {
			return false
		}
	}
	return true
}
