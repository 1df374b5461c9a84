package address

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"nothing here", "nothing here"},
		{"jane@acme.example", "[address]"},
		{"a@b", "[address]"},
		{"mail jane.doe+x@mail.acme.example.", "mail [address]."},
		{"<jane@acme.example>, <bob@acme.example>", "<[address]>, <[address]>"},
		{"mailto:jane@acme.example?subject=x", "mailto:[address]?subject=x"},
		{"jane＠acme.example", "[address]"},
		{"jane﹫acme.example", "[address]"},
		{"email jane%40acme.example&x", "email [address]&x"},
		{"email jane%2540acme.example", "email [address]"},
		{"jane%EF%BC%A0acme.example", "[address]"},
		{"jane&#64;acme.example", "[address]"},
		{"jane&#x40;acme&#46;example", "[address]"},
		{"jane&commat;acme.example", "[address]"},
		{`"jane\u0040acme.example"`, `"[address]"`},
		{`"jane\\u0040acme.example"`, `"[address]"`},
		{`"jane\u002540acme.example"`, `"[address]"`},
		{`"jane@acme\u002eexample"`, `"[address]"`},
		{`"j\u0061ne@acme.example"`, `"[address]"`},
		{`x "jane doe"@acme.example y`, "x [address] y"},
		{`x "jane \" doe"@acme.example y`, "x [address] y"},
		{`a."b c"@acme.example`, "[address]"},
		{"o'brien/x=y@acme.example", "[address]"},
		{"用户@例子.广告", "[address]"},
		{"jörg@bücher.example", "[address]"},
		{"jane@[192.0.2.1]", "[address]"},
		{"jane@[IPv6:2001:db8::1] x", "[address] x"},
		{"a@b@c.example x", "[address] x"},
		{"jane\u200b@acme.example", "[address]"},
		{"jane\x00@acme.example", "[address]"},
		{"write to jane.doe (at) acme (dot) example now", "write to [address] now"},
		{"jane[at]acme.example", "[address]"},
		{"jane {at} acme {dot} co {dot} example", "[address]"},
		{"jane at acme dot example", "[address]"},
		{"jane @ acme.example", "[address]"},
		{"jane (@) acme.example.", "[address]."},
		{"jane=40acme.example", "[address]"},
		{"ja\u200bne\u00ad@\u2060acme.example", "[address]"},
		{"look at docs.acme.example", "look at docs.acme.example"},
		{"width=40px; a=40.5; b=401.2", "width=40px; a=40.5; b=401.2"},
		{"arrived (at) noon", "arrived (at) noon"},
		{"5 @ 3.99", "5 @ 3.99"},
		{"712020:jane@acme.example", "712020:[address]"},
		{"@media and a @ b, @name", "@media and a @ b, @name"},
		{"https://host.example/@name/policy", "https://host.example/@name/policy"},
		{`{"pkg":"@acme/kit"}`, `{"pkg":"@acme/kit"}`},
		{"100%4 and 50%", "100%4 and 50%"},
		{"[address]", "[address]"},
	} {
		if got := Redact(c.in); got != c.want {
			t.Errorf("Redact(%q) = %q, want %q", c.in, got, c.want)
		}
		if got, want := LooksLike([]byte(c.in)), c.in != c.want; got != want {
			t.Errorf("LooksLike(%q) = %v", c.in, got)
		}
	}
}

// Tokens of URLs and cookies hold addresses that nobody sees.
func TestRedactLooksIntoTokens(t *testing.T) {
	const jane = "jane.doe@acme.example"
	b64, raw, u64 := base64.StdEncoding.EncodeToString([]byte(jane)), base64.RawStdEncoding.EncodeToString([]byte(jane)), base64.RawURLEncoding.EncodeToString([]byte("?>"+jane))
	for _, c := range []struct{ in, want string }{
		{b64, Mask},
		{"u=" + raw + "&v=1", "u=" + Mask + "&v=1"},
		{"/t/" + b64 + "/x", "[address]"}, // slashes are digits, too
		{"a " + u64 + ".", "a " + Mask + "."},
		{"x_" + raw, Mask},
		{"id-" + hex.EncodeToString([]byte(jane)) + "?", Mask + "?"},
		{hex.EncodeToString([]byte(jane)), Mask},
		{strings.ToUpper(hex.EncodeToString([]byte(jane))), Mask},
		{base64.StdEncoding.EncodeToString([]byte(`{"user":{"mail":"` + jane + `","id":7}}`)), Mask},
		{base64.StdEncoding.EncodeToString([]byte("to=jane.doe%40acme.example&x")), Mask},
		{"5b10a2844c20165700ede21f 712020:f58131cb-b67d-43c7-b30d-6b58d40bd077", "5b10a2844c20165700ede21f 712020:f58131cb-b67d-43c7-b30d-6b58d40bd077"},
		{"notifications/internationalization_of-everything", "notifications/internationalization_of-everything"},
		{base64.StdEncoding.EncodeToString([]byte("no address in here")), base64.StdEncoding.EncodeToString([]byte("no address in here"))},
	} {
		if got := Redact(c.in); got != c.want {
			t.Errorf("Redact(%q) = %q, want %q", c.in, got, c.want)
		}
		if again := Redact(Redact(c.in)); again != Redact(c.in) {
			t.Errorf("Redact(%q) twice is %q", c.in, again)
		}
	}
}

// Ids and hashes are no addresses, however many there are.
func TestTokensOfChanceStay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		raw := make([]byte, 12+rng.IntN(20))
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		for _, s := range []string{hex.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)} {
			if Redact(s) != s {
				t.Errorf("%s is masked", s)
			}
		}
	}
}

func TestRedactIsLinear(t *testing.T) {
	for _, unit := range []string{`"@a.b `, `\"@a.b `, `"`, "@", "%25", "a@", `"a@b`, "&#64", ".", "é@", `x@/`, "&", "&#", "&#;@a", "a (at) ", "(at)", "a at b dot ", " at ", "x=40", "=40a.", "a @ ", "a.b @ c.", "( at )", "YUBiLmNk", "YUBi", "6140622e6364", "QEBA"} {
		s := strings.Repeat(unit, 1<<20/len(unit))
		if out := Redact(s); LooksLike([]byte(out)) {
			t.Errorf("of %q something remains", unit)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{
		"jane@acme.example", `"a@b"@c.d`, `"a@b "@c.d`, `\"a\"@c.d`, "a@b.@c", "a@b@", "x@/y@z.w", `x@"q r"@z.w`, "a%40b%26c%40d", "[address]@b.c",
		`"[address]"@c.d`, "é＠b。c", "a@[1.2.3.4]@b", "&#64;a&#64;b;@c", `\u0040\u0040a`, "a@b%2E%40c", "\xff@\xff", "a@b\n\"@c.d",
		"a (at) b (dot) cd", "a at b dot cd at e.fg", "a=40b.cd=40e.fg", "a @ b.cd @ e.fg", "é (at) é.éé", "[address] (at) b.cd", "a(at)[address]", "\xffat\xff (at) \xff.\xff\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Redact(s)
		if LooksLike([]byte(out)) {
			t.Errorf("Redact(%q) = %q, which still looks like an address", s, out)
		}
		if again := Redact(out); again != out {
			t.Errorf("Redact(%q) = %q, and then %q", s, out, again)
		}
		if LooksLike([]byte(s)) && out == s {
			t.Errorf("Redact(%q) = %q, LooksLike says %v", s, out, LooksLike([]byte(s)))
		}
		if utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Errorf("Redact(%q) = %q is no UTF-8", s, out)
		}
		// An address in any text goes, and nothing of it remains.
		if in := s + "jane.doe@acme.example" + s; strings.Contains(Redact(in), "jane.doe") && !strings.Contains(s, "jane.doe") {
			t.Errorf("Redact(%q) = %q", in, Redact(in))
		}
	})
}

func BenchmarkLooksLike(b *testing.B) {
	id := []byte("712020:f58131cb-b67d-43c7-b30d-6b58d40bd077")
	b.SetBytes(int64(len(id)))
	for b.Loop() {
		if LooksLike(id) {
			b.Fatal("an id is no address")
		}
	}
}
