package exposure

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// TestMask shows what is left of a text: as much as can be told without the address.
func TestMask(t *testing.T) {
	m := NewMasker(Limits{})
	m.Know("alice@example.com")
	for text, want := range map[string]string{
		"hello alice@example.com bye":                                `hello [address] bye`,
		"https://t.example/p?x=1&e=alice%40example.com&y=2":          `https://t.example/p?x=1&e=[address]&y=2`,
		"https://t.example/p?x=1&e=YWxpY2VAZXhhbXBsZS5jb20%3D&y=2":   `https://t.example/p?x=1&e=[address]&y=2`,
		`<p>alice<b>@</b>example.com</p>`:                            `<p>[address]</p>`,
		`<p>alice [at] example [dot] com</p>`:                        `<p>[address]</p>`,
		`x=c160f8cc69a4f0bf2b0362752353d060`:                         `x=[hash]`,
		`x=c160f8cc69a4f0bf2b0362752353d061`:                         `x=c160f8cc69a4f0bf2b0362752353d061`, // a stranger's
		"String.fromCharCode(97,108,105,99,101,64,101,120,97,46,99)": `[address]`,
		`{"u":"alice\u0040example.com","v":"a@2x.png"}`:              `{"u":"[address]","v":"[address]"}`, // address-shaped is enough
		`var u='alice',d='example.com';x=u+'@'+d`:                    `var u='alice',d='example.com';x=[address]`,
	} {
		if got := m.Mask(context.Background(), audit.CaptureHTML, []byte(text)); string(got) != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestHashesThatWereFoundAreMasked finds a hash by the address and by its digests; each must tell the masker.
func TestHashesThatWereFoundAreMasked(t *testing.T) {
	key := [32]byte{1, 2, 3}
	text := "a=" + hexed(sha256s(alice)) + "&b=" + hexed(sha256s("stranger@example.org"))
	want := "a=" + MarkHash + "&b=" + hexed(sha256s("stranger@example.org"))
	f := New(Limits{})
	if _, err := f.Scan(context.Background(), 1, audit.CaptureText, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	plain, keyed := f.Matcher(), f.DigestMatcher(key)
	plain.Address("alice", alice)
	keyed.Digests("alice", address.Digests(key, alice))
	for name, hashes := range map[string][]string{"address": plain.Hashes(), "digests": keyed.Hashes()} {
		m := NewMasker(Limits{})
		m.KnowHashes(hashes)
		if got := m.Mask(context.Background(), audit.CaptureText, []byte(text)); !bytes.Equal(got, []byte(want)) {
			t.Errorf("by %s: %q, want %q", name, got, want)
		}
	}
}
