package exposure

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// An encoder is one disguise. Some want to be used on the address itself, because what they make of other texts is no longer theirs.
type encoder struct {
	name  string
	first bool
	to    func(string) string
}

var encoders = []encoder{
	{"base64", false, b64}, {"base64 raw", false, b64raw}, {"base64url", false, b64url},
	{"percent", false, pct}, {"percent of what must be", false, func(s string) string {
		return strings.NewReplacer("%", "%25", "@", "%40", "+", "%2B", "/", "%2F", "=", "%3D", " ", "%20", `"`, "%22").Replace(s)
	}},
	{"hex", false, hexed}, {"base32", false, b32}, {"base58", false, b58},
	{"gzip, base64", false, func(s string) string { return b64(gz(s)) }}, {"zlib, base64url", false, func(s string) string { return b64url(zl(s)) }},
	{"deflate, hex", false, func(s string) string { return hexed(defl(s)) }},
	{"entities", false, func(s string) string { return each(s, "&#%d;") }}, {"entities, hexadecimal", false, func(s string) string { return each(s, "&#x%x;") }},
	{"js escapes", false, func(s string) string { return each(s, `\u%04x`) }}, {"hexadecimal escapes", false, func(s string) string {
		return strings.NewReplacer(`\u00`, `\x`).Replace(each(s, `\u%04x`))
	}},
	{"rot13", true, rot13}, {"reversed", true, backwards}, {"UTF-16, base64", true, func(s string) string { return b64(utf16le(s)) }},
	{"lz-string", false, lz64}, {"cfemail", true, func(s string) string { return cf(s, 0x2a) }}, {"codes", true, func(s string) string { return codes(s, ",", "%d") }},
	{"spelled", true, func(s string) string { return strings.NewReplacer("@", " [at] ", ".", " [dot] ").Replace(s) }},
	{"JSON", false, func(s string) string { return `{"k":` + quoted_(s) + `}` }}, {"full width", true, fullWidth},
	{"quoted-printable", true, func(s string) string { return each(s, "=%02X") }}, {"JWT", true, func(s string) string { return jwt(`{"e":` + quoted_(s) + `}`) }},
}

var anyAddress = rapid.Custom(func(t *rapid.T) string {
	name := rapid.StringMatching(`[a-z]{2,8}[a-z0-9]{0,4}([._-][a-z0-9]{2,8})?`).Draw(t, "name")
	domain := rapid.StringMatching(`[a-z]{3,10}(-[a-z0-9]{2,5})?\.(com|org|example|co\.uk|io)`).Draw(t, "domain")
	return name + "@" + domain
})

func TestAddressBehindAnyChainIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		email := anyAddress.Draw(t, "email")
		text := email
		var chain []string
		depth := rapid.IntRange(0, 4).Draw(t, "depth")
		for i := range depth {
			e := rapid.SampledFrom(encoders).Filter(func(e encoder) bool { return i == 0 || !e.first }).Draw(t, "encoder")
			if n := len(chain); n > 0 && e.name == "JSON" && chain[n-1] == "JSON" {
				continue
			}
			to := e.to(text)
			if e.name == "base58" && len(to) > maxBase58 || (e.name == "base32" || e.name == "lz-string") && len(to) > maxSmall { // more than is read of it
				continue
			}
			text = to
			chain = append(chain, e.name)
			if len(text) > 4000 {
				break
			}
		}
		before := rapid.StringMatching(`([a-z ]{0,20}[ ="(>:])?`).Draw(t, "before")
		after := rapid.StringMatching(`([ "'<,;)][a-z ]{0,20})?`).Draw(t, "after")
		f := New(Limits{})
		notes, err := f.Scan(context.Background(), 1, audit.CaptureText, strings.NewReader(before+text+after))
		if err != nil || len(notes) > 0 {
			t.Fatal(err, notes)
		}
		m := f.Matcher()
		m.Address("a", email)
		got := m.Sightings()[1]
		if len(got) == 0 {
			t.Fatalf("%s behind %q is not found in %q", email, chain, before+text+after)
		}
		for _, s := range got {
			if told := fmt.Sprint(s); strings.Contains(told, email) {
				t.Fatalf("%s is told: %s", email, told)
			}
		}
	})
}

// What chains of chance came upon.
func TestAddressInRareShapesOfAnEncodingIsFound(t *testing.T) {
	for _, c := range []struct{ name, email, doc string }{
		{"base64 without digits", "bg@hga.com", "YmdAaGdhLmNvbQ=="},
		{"spelled out, with encoded spaces", "aa@aaa.com", "aa%20[at]%20aaa%20[dot]%20com"},
		{"lz-string with an encoded slash", "ijuc5@abjdtd.io", "FoVQDgbAygzGAiBjAogVgPICMA2wBSAasgIwDuUADAC4E54YASAJgJICKA1gGIBCbBATgBm6BgDkK%2FJgCUgA"},
		{"deflate of full width", "aa@aaa.com", "7abfb71184f62c803240ecbef77b9bdfefed7fbfb717100000ffff"},
	} {
		f := New(Limits{})
		if _, err := f.Scan(context.Background(), 1, audit.CaptureText, strings.NewReader(c.doc)); err != nil {
			t.Fatal(err)
		}
		m := f.Matcher()
		m.Address("a", c.email)
		if len(m.Sightings()[1]) == 0 {
			t.Errorf("%s: nothing in %q", c.name, c.doc)
		}
	}
}

func TestRotationsAreTheSameForDigests(t *testing.T) {
	key := [32]byte{4}
	for shift := 1; shift < 26; shift++ {
		doc := []byte(alice)
		turnBy(doc, uint8(shift))
		f := New(Limits{})
		if _, err := f.Scan(context.Background(), 1, audit.CaptureText, bytes.NewReader(doc)); err != nil {
			t.Fatal(err)
		}
		d, m := f.DigestMatcher(key), f.Matcher()
		d.Digests("a", address.Digests(key, alice))
		m.Address("a", alice)
		if a, b := fmt.Sprint(m.Sightings()[1]), fmt.Sprint(d.Sightings()[1]); a != b || len(m.Sightings()[1]) != 1 {
			t.Errorf("turned by %d: %s, by digests %s", shift, a, b)
		}
	}
}

func TestMaskedTextHoldsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMasker(Limits{})
		known := anyAddress.Draw(t, "known")
		m.Know(known)
		var doc strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			text := rapid.SampledFrom([]string{known, anyAddress.Draw(t, "email")}).Draw(t, "which")
			if rapid.Bool().Draw(t, "hash") {
				text = rapid.SampledFrom([]string{hexed(md5s(known)), hexed(sha256s(known)), b64(sha256s(known))}).Draw(t, "sum")
			}
			for i := range rapid.IntRange(0, 3).Draw(t, "depth") {
				e := rapid.SampledFrom(encoders).Filter(func(e encoder) bool { return i == 0 || !e.first }).Draw(t, "encoder")
				text = e.to(text)
			}
			doc.WriteString(rapid.StringMatching(`[a-z<>=&"'+@/. ]{0,20}`).Draw(t, "between"))
			doc.WriteString(text)
		}
		out := m.Mask(context.Background(), audit.CaptureHTML, []byte(doc.String()))
		if address.LooksLike(out) {
			t.Fatalf("%q became %q, which looks like an address", doc.String(), out)
		}
		for _, kind := range []audit.CaptureKind{audit.CaptureText, audit.CaptureHTML} {
			f := New(Limits{})
			if _, err := f.Scan(context.Background(), 1, kind, bytes.NewReader(out)); err != nil {
				t.Fatal(err)
			}
			matcher := f.Matcher()
			matcher.Address("a", known)
			if got := matcher.Sightings(); len(got) > 0 {
				t.Fatalf("%q became %q, in which is %v", doc.String(), out, got)
			}
		}
		if again := m.Mask(context.Background(), audit.CaptureHTML, out); !bytes.Equal(again, out) {
			t.Fatalf("%q became %q, and then %q", doc.String(), out, again)
		}
	})
}

func TestDisguisesAreMasked(t *testing.T) {
	m := NewMasker(Limits{})
	for _, email := range handedOut {
		m.Know(email)
	}
	for _, d := range disguises {
		if d.kind == audit.CaptureHAR || strings.Contains(d.name, "UTF-16") && d.kind == audit.CaptureHTML {
			continue
		}
		out := m.Mask(context.Background(), d.kind, []byte(d.doc))
		got, _, err := look(t, New(Limits{}), d.kind, string(out))
		if err != nil || len(got) > 0 || address.LooksLike(out) {
			t.Errorf("%s: %q became %q: %v", d.name, d.doc, out, got)
		}
		if string(out) == MarkLeftOut {
			t.Errorf("%s: %q was left out", d.name, d.doc)
		}
	}
	for _, keep := range []string{"nothing here", "<p class='a'>Hello</p>", `{"a":[1,2,3]}`, "https://x.example/?a=b&c=%20d", hexed(md5s("x"))} {
		if out := m.Mask(context.Background(), audit.CaptureHTML, []byte(keep)); string(out) != keep {
			t.Errorf("%q became %q", keep, out)
		}
	}
}

func TestDigestsFindWhatAddressesFind(t *testing.T) {
	key := [32]byte{1, 2, 3}
	for _, d := range disguises {
		f := New(Limits{})
		if _, err := f.Scan(context.Background(), 7, d.kind, strings.NewReader(d.doc)); err != nil {
			t.Fatal(err)
		}
		m := f.DigestMatcher(key)
		for account, email := range handedOut {
			m.Digests(account, address.Digests(key, email))
		}
		w := d.want
		if !slices.ContainsFunc(m.Sightings()[7], func(s audit.Sighting) bool {
			return s.Account == w.account && string(s.Place) == w.place && s.Host == w.host && s.Field == w.field && s.Hash == w.hash
		}) {
			t.Errorf("%s: %v", d.name, m.Sightings())
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, d := range disguises {
		f.Add([]byte(d.doc))
	}
	m := NewMasker(Limits{Nodes: 256, NodeBytes: 1 << 18})
	m.Know(alice)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<14 {
			return
		}
		out := m.Mask(context.Background(), audit.CaptureHTML, b)
		if address.LooksLike(out) {
			t.Errorf("%q became %q", b, out)
		}
		if spans, sure := m.Spans(context.Background(), out); len(spans) > 0 || !sure {
			t.Errorf("%q became %q: %v", b, out, spans)
		}
	})
}
