package notices

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// What is wrong with a link: it is not one of ours, or was changed; it has run out, which is an ErrLink, too.
var (
	ErrLink     = errors.New("the link is not valid, or no longer")
	ErrLinkOver = fmt.Errorf("%w: it has run out", ErrLink)
)

// Token is what makes a vendor's page the vendor's own, until expires: whoever has it first may read the vendor's findings. It is used up then, see the package
// vendorpage.
func Token(key []byte, vendor string, expires audit.Instant) string {
	signed := append(binary.BigEndian.AppendUint64(nil, uint64(expires)), vendor...)
	return base64.RawURLEncoding.EncodeToString(append(sign(key, signed), signed...))
}

func sign(key, p []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(p)
	return m.Sum(nil)
}

// OpenToken is the vendor of a token, and until when it holds. [ErrLink]; [ErrLinkOver] where it is ours, and has run out: then vendor is whose it was.
func OpenToken(key []byte, token string, now audit.Instant) (vendor string, expires audit.Instant, err error) {
	p, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(p) < sha256.Size+8 {
		return "", 0, ErrLink
	}
	signed := p[sha256.Size:]
	if !hmac.Equal(p[:sha256.Size], sign(key, signed)) {
		return "", 0, ErrLink
	}
	vendor, expires = string(signed[8:]), audit.Instant(binary.BigEndian.Uint64(signed))
	if now >= expires {
		err = ErrLinkOver
	}
	return vendor, expires, err
}

// link is the address of a vendor's page.
func link(base string, key []byte, vendor string, expires audit.Instant) string {
	if base == "" {
		return ""
	}
	return strings.TrimRight(base, "/") + "/v/" + Token(key, vendor, expires)
}
