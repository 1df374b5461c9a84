package notices

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// ErrLink says that a link is not one of ours, was changed, or has run out.
var ErrLink = errors.New("the link is not valid, or no longer")

// Token is what makes a vendor's page the vendor's own, until expires: whoever has it may read the vendor's findings.
func Token(key []byte, vendor string, expires audit.Instant) string {
	signed := append(binary.BigEndian.AppendUint64(nil, uint64(expires)), vendor...)
	return base64.RawURLEncoding.EncodeToString(append(sign(key, signed), signed...))
}

func sign(key, p []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(p)
	return m.Sum(nil)
}

// OpenToken is the vendor of a token; [ErrLink].
func OpenToken(key []byte, token string, now audit.Instant) (vendor string, err error) {
	p, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(p) < sha256.Size+8 {
		return "", ErrLink
	}
	signed := p[sha256.Size:]
	if !hmac.Equal(p[:sha256.Size], sign(key, signed)) || now >= audit.Instant(binary.BigEndian.Uint64(signed)) {
		return "", ErrLink
	}
	return string(signed[8:]), nil
}

// link is the address of a vendor's page.
func link(base string, key []byte, vendor string, expires audit.Instant) string {
	if base == "" {
		return ""
	}
	return strings.TrimRight(base, "/") + "/v/" + Token(key, vendor, expires)
}
