package address

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
)

// AddressDigests is the kind under which Digests gives the digests of the address itself.
const AddressDigests = "address"

// digestSize is how much of an HMAC is kept: 128 bits meet by chance in no set of addresses.
const digestSize = 16

// KeyID names a key without telling it.
func KeyID(key [32]byte) string {
	sum := sha256.Sum256(append([]byte("mailreeve address key "), key[:]...))
	return hex.EncodeToString(sum[:6])
}

// A Digester makes keyed digests: HMAC-SHA-256 of a kind and a value, cut to 128 bits. Who has the digests but not the key learns nothing from them;
// who has the key can try addresses. It is for one goroutine at a time.
type Digester struct {
	mac hash.Hash
	buf [sha256.Size]byte
}

// NewDigester digests under key.
func NewDigester(key [32]byte) *Digester {
	return &Digester{mac: hmac.New(sha256.New, key[:])}
}

// Digest is the digest of a value of a kind: of a normalised address for AddressDigests, else of the raw sum of the hash that the kind names.
func (d *Digester) Digest(kind string, value []byte) string {
	d.mac.Reset()
	d.mac.Write([]byte(kind))
	d.mac.Write([]byte{0})
	d.mac.Write(value)
	return base64.RawURLEncoding.EncodeToString(d.mac.Sum(d.buf[:0])[:digestSize])
}

// Digests are the keyed digests of an address, by kind: what a platform whose addresses must not travel hands out instead of them. They find the
// address in every disguise, and all its hashes that Hasher.Sums gives; they do not tell which form was hashed.
func Digests(key [32]byte, email string) map[string][]string {
	d := NewDigester(key)
	out := map[string][]string{AddressDigests: {d.Digest(AddressDigests, []byte(Normalize(email)))}}
	add := func(s Sum) bool {
		kind := s.Kind.String()
		value := d.Digest(kind, s.Value)
		for _, v := range out[kind] {
			if v == value {
				return true
			}
		}
		out[kind] = append(out[kind], value)
		return true
	}
	NewHasher(1<<Kinds-1).Sums(email, add)
	return out
}
