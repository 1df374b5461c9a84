package exposure

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

func scanAll(t testing.TB, kind audit.CaptureKind, doc string, emails ...string) []audit.Sighting {
	t.Helper()
	f := New(Limits{})
	_, err := f.Scan(context.Background(), 1, kind, strings.NewReader(doc))
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	m := f.Matcher()
	for i, e := range emails {
		m.Address(string(rune('a'+i)), e)
	}
	return m.Sightings()[1]
}

var _ = bytes.MinRead

func TestQuick(t *testing.T) {
	for _, c := range []struct {
		kind audit.CaptureKind
		doc  string
	}{
		{"text", "hello alice@example.com bye"},
		{"html", "<p>hello <b>alice@example.com</b> bye"},
		{"html", `<a href="mailto:alice@example.com">x</a>`},
		{"html", `<p title="alice&#64;example.com">x</p>`},
		{"html", `<p>alice&#64;example&period;com</p>`},
		{"html", `<p>&#97;&#108;&#105;&#x63;&#101;&commat;example&#46;com</p>`},
		{"html", `<p>alice<b>@</b>exa<!-- x -->mple.com</p>`},
		{"html", `<p hidden>alice@example.com</p>`},
		{"html", `<style>.x{display:none}</style><p class=x>alice@example.com</p>`},
		{"html", `<p>alice<span style="display:none">NOSPAM</span>@example.com</p>`},
		{"html", `<a class=__cf_email__ data-cfemail="137f7a70765376` + `6b727e637f763d707c7e">[email protected]</a>`},
		{"text", "x?e=alice%40example.com"},
		{"text", "x?e=alice%2540example.com"},
		{"text", "x?e=%61%6c%69%63%65%40%65%78%61%6d%70%6c%65%2e%63%6f%6d"},
		{"js", `var x="\u0061lice\u0040example.com"`},
		{"js", `var x="\x61lice\x40example.com"`},
		{"js", `var x="alice\u{40}example.com"`},
		{"text", `YWxpY2VAZXhhbXBsZS5jb20=`},
		{"text", `YWxpY2VAZXhhbXBsZS5jb20`},
		{"text", `path/user/YWxpY2VAZXhhbXBsZS5jb20/x`},
		{"text", `xx616c696365406578616d706c652e636f6d`},
		{"text", `616C696365406578616D706C652E636F6D`},
		{"text", `MFWGSY3FIBSXQYLNOBWGKLTDN5WQ====`},
		{"text", `nyvpr@rknzcyr.pbz`},
		{"text", `moc.elpmaxe@ecila`},
		{"text", `alice [at] example [dot] com`},
		{"text", `alice (at) example.com`},
		{"text", `alice arroba example punto com`},
		{"text", `alice AT example DOT com`},
		{"text", "a\u200blice@exam\u00adple.com"},
		{"text", "ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"},
		{"js", `String.fromCharCode(97,108,105,99,101,64,101,120,97,109,112,108,101,46,99,111,109)`},
		{"js", `["a","l","i","c","e","@","example",".com"].join("")`},
		{"js", `"ali"+"ce@"+"example"+".com"`},
		{"js", "var u='alice',d='example.com';x=u+'@'+d"},
		{"js", "var u='alice',d='example.com';x=`${u}@${d}`"},
		{"js", `"moc.elpmaxe@ecila".split("").reverse().join("")`},
		{"js", `atob("YWxpY2VA"+"ZXhhbXBsZS5jb20=")`},
		{"text", `c160f8cc69a4f0bf2b0362752353d060`},
		{"text", `ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976`},
	} {
		got := scanAll(t, c.kind, c.doc, "alice@example.com")
		if len(got) == 0 {
			t.Errorf("MISS %s %s", c.kind, c.doc)
		}
		for _, g := range got {
			t.Logf("%-60.60s %s %s %q %v %s", c.doc, g.Place, g.Host, g.Field, g.Chain, g.Hash)
		}
	}
}
