package exposure

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// Texts that look like addresses, or like hashes of them, and are none of those that were handed out.
func decoys() (out []disguise) {
	add := func(kind audit.CaptureKind, docs ...string) {
		for _, d := range docs {
			out = append(out, disguise{name: fmt.Sprintf("%s %.60q", kind, d), kind: kind, doc: d})
		}
	}
	add(audit.CaptureText,
		"logo@2x.png", "icon@3x.webp", "pkg@1.2.3", "react@18.2.0", "@scope/name@1.0.0", "npm:lodash@4.17.21", "git@host.example:org/repo.git", "git@github.com:a/b.git",
		"https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.example/1", "user@example.com", "you@example.com", "name@example.com", "email@domain.com", "john.doe@example.com", "test@test.com",
		"support@vendor.example", "privacy@vendor.example", "noreply@platform.example", "postmaster@example.com", "alice@example.com", "liddell@example.com",
		"xalice.liddell@example.com", "malice.liddell@example.com", "bob.alice.liddell@example.com", "bob-alice.liddell@example.com", "bob+alice.liddell@example.com", "bob_alice.liddell@example.com",
		"alice.liddell@example.com.au", "alice.liddell@example.community", "alice.liddell@example.co", "alice.liddell@sub.example.com", "alice.liddell@example-com", "alice.liddell+x@example.com", "aliceliddell@example.com",
		"alice.liddell@exampleXcom", "alice_liddell@example.com", "alice.liddell@example.org", "alice.liddel@example.com", "aalice.liddell@example.com",
		"janedoe@gmail.com", "jane.doe@gmail.com", "janedoe+news@gmail.com", "j.a.n.e.doe+news@gmail.com", "jane.doe+news@googlemail.com", "jane.doe+offers@gmail.com",
		"jorg@bücher.example", "jörg@bucher.example", "joerg@buecher.example", "örg@bücher.example", "xjörg@bücher.example", "jörg@bücher.example.org", "户@例子.广告", "用户@例子.公司",
		"bob.builder@example.com", "builder@example.org", "o'brien@example.org", "brien/x@example.org.uk",
		"look at example dot com", "alice at example dot com", "liddell at example dot com", "meet at example.com", "alice.liddell at example dot org", "alice.liddell at sub dot example dot com",
		"alice.liddell [at] example [dot] com [dot] au", "mister alice.liddell2 at example dot com", "alice.liddell said that example.com is down", "alice.liddell, example.com",
		"bob-dot-alice-dot-liddell-at-example-dot-com", "xalice[.]liddell[@]example[.]com", "alice[.]liddell[@]example[.]com[.]au", "bob[.]alice[.]liddell[@]example[.]com", "alice(a)example.com", "f(a)example.com", "x = alice.liddell(a).example.com",
		"alice et example point com", "alice.liddell et example.com", "Il et elle [et] example [nokta] com", "/alice.liddell/at/example.com", "alice.liddell / example.com", "alice.liddell - example.com", "alice.liddell -- example.com",
		"r&amp;x.lead@example.org", "q=r&amp;dd.lead@example.org", `\xc7\x4d\x99\x15`, "%C7%4D%99%15%E8", each8(sha256s("x"+alice), "%%%02X"), each8(sha256s(alice), "%%%02X")+"%00", `"`+each8(md5s(alice), `\x%02x`)+`\x00"`,
		"alice.liddell%40example.org", "alice.liddell&#64;example.org", `alice.liddell\u0040example.org`, "=61lice@example.com",
		b64("alice@example.com"), b64("support@vendor.example"), b64("hello world, this is no address"), hexed("alice@example.com"), b32("support@vendor.example"), b58("support@vendor.example"),
		rot13("support@vendor.example"), backwards("support@vendor.example"), lz64("support@vendor.example"), b64(gz("support@vendor.example")), cf("support@vendor.example", 7),
		hexed(md5s("alice@example.com")), hexed(sha256s("support@vendor.example")), hexed(md5s("")), hexed(sha1s("")), hexed(sha256s("")), hexed(md5s("test")), hexed(md5s("liddell")),
		hexed(md5s(alice))[:31], hexed(md5s(alice))+"0", "0"+hexed(md5s(alice)), hexed(sha256s(alice))[:32], hexed(sha1s(alice))[:32], hexed(sha512s(alice))[:64],
		hexed(md5s(alice+"x")), hexed(sha256s("salt"+alice)), hexed(md5s("alice.liddell@example.org")), hexed(sha256s("janedoe@googlemail.com")),
		"d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "5b10ac8d82e05b22cc7d4ef5", "712020:f58131cb-b67d-43c7-b30d-6b58d40bd077",
		"commit 3e3028eaf71d8b46482e9081d089a3a29c368d27", "sha512-"+b64(sha512s("lib")), "sha384-"+b64(sha384s("lib")), "sha256-"+b64(sha256s("lib")), "W/\"0123456789abcdef0123456789abcdef\"",
		"sha256-"+b64(sha256s("salt"+alice)), "/c/"+b64url(sha256s("x"+alice)), "/c/x"+b64url(md5s(alice)), "/c/"+b64url(sha1s(alice))+"x", "/c/"+b64url(sha256s(alice))[1:], "/avatars/"+b64url(md5s(alice))[:21]+"/48",
		"550e8400-e29b-41d4-a716-446655440000", "0x"+strings.Repeat("ab", 20), strings.Repeat("A", 43)+"=", strings.Repeat("deadbeef", 8),
		"@media (max-width: 600px)", "@import url(x.css)", "a @ b", "me @ work", "5 @ 3.99", "foo@bar", "root@localhost", "x@y", "@", "@@", "a@", "@a", "user@[192.0.2.1]", "ssh user@10.0.0.1",
		"97, 108, 105, 99, 101", "64, 64, 64, 64, 64, 64, 64", "61 6c 69 63 65 40", "1,2,3,40,64,5,6,7,8,9", "%40", "&#64;", "&commat;", `\u0040`, "=40", "[at]", "(at) (dot)", " at dot ", "at.dot",
		"https://maps.example/@52.52,13.40,14z", "https://medium.example/@alice.liddell/post", "https://social.example/@alice", "@alice.liddell@social.example", "acct:alice.liddell@social.example",
		"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "postgres://user:pw@db.example/x", "redis://:pw@cache.example:6379/0", "ftp://anonymous@ftp.example/",
		"Message-ID: <20261122.1234@mail.example>", "urn:uuid:alice", "alice.liddell@", "@example.com", "alice.liddell @ , example.com", "alice.liddell\n@\nexample.org",
		"ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "al\u200bice@example.com", "support\u00ad@vendor.example", "ALICE@EXAMPLE.COM", "ecila@moc.elpmaxe", "moc.elpmaxe@ecila", "bounce+alice=example.com@vendor.example",
		"alice.liddell%40example%2Ecom%2Eau", "alice.liddell@example.com-fake.example", "x@alice.liddell@example.net",
	)
	add(audit.CaptureHTML,
		`<a href="mailto:support@vendor.example">support@vendor.example</a>`, `<img src="logo@2x.png" srcset="logo@2x.png 2x, logo@3x.png 3x">`, `<style>@media print{a{b:c}} @font-face{x:y}</style>`,
		`<td>alice.</td><td>liddell@example.com</td>`, `<p>alice.</p><p>liddell@example.com</p>`, `<p>alice<p>.liddell@example.com`, `<li>bob, alice.liddell</li><li>@example.com</li>`, `<b>bob.</b>alice.liddell@example.com`, `alice.liddell@example.com<b>.au</b>`, `alice.liddell<b>x</b>@example.com`,
		`<p>alice<br>.liddell@example.com</p>`, `<!-- support@vendor.example -->`, `<input placeholder="you@example.com">`, `<script src="https://cdn.example/npm/vue@3.2.1/dist/vue.js" integrity="sha384-`+b64(sha384s("vue"))+`"></script>`,
		`<a data-cfemail="`+cf("support@vendor.example", 0x42)+`">x</a>`, `<img src="https://www.gravatar.com/avatar/`+hexed(md5s("support@vendor.example"))+`">`, `<meta property="twitter:site" content="@vendor">`,
		`<link rel=stylesheet href="/a.`+hexed(md5s("css"))+`.css">`, `<script>Sentry.init({dsn:"https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.example/1"})</script>`,
		`<span style="direction:rtl">`+backwards("support@vendor.example")+`</span>`, `<p>alice.liddell<span>2</span>@example.com</p>`,
	)
	add(audit.CaptureJS,
		`import x from "pkg@1.2.3";`, `class A { @observable x = 1; @action.bound y() {} }`, `var re=/[^@]+@[^@]+\.[a-z]+/;`, `var e="support"+"@"+"vendor.example";`, `["a","b"].join("@")`,
		`String.fromCharCode(64)`, `String.fromCharCode(`+codes("support@vendor.example", ",", "%d")+`)`, `"alice"+"@"+"example.com"`, `var u="alice.liddell",d="example.org";u+"@"+d`, `x.split("").reverse().join("")`,
		`atob("aGVsbG8gd29ybGQ=")`, `"alice.liddell"+x+"@example.com"`, "`${u}@${h}`", `throw new Error("expected name@host")`, `/* @license MIT */ /** @param {string} a */`,
		`h="`+hexed(md5s("bundle"))+`";`, `m="xalice.liddell"+"\x40"+"example.com"`, `m="bob."+"alice.liddell"+String.fromCharCode(64)+"example.com"`, `x="`+lz16("xalice.liddell@example.com")+`"`, `x="`+each(lz16("xalice.liddell@example.com"), `\u%04x`)+`"`, `var s="alice.liddell";var t="example.com";`, `e("@babel/runtime@7.0.0")`, `{"version":3,"sources":["webpack:///./a@b.js"],"mappings":"AAAA,SAASA,EAAMC"}`,
	)
	for i := range 40 { // strangers, and their hashes
		a := fmt.Sprintf("person%d.stranger@company%d.example", i, i%7)
		switch i % 8 {
		case 0:
			add(audit.CaptureText, a)
		case 1:
			add(audit.CaptureText, hexed(md5s(a)))
		case 2:
			add(audit.CaptureText, hexed(sha256s(a)))
		case 3:
			add(audit.CaptureText, b64(a))
		case 4:
			add(audit.CaptureHTML, `<p title="`+a+`">`+a+`</p>`)
		case 5:
			add(audit.CaptureHAR, harOf(harEntry{URL: "https://t.example/?e=" + pctAt(a) + "&h=" + hexed(sha1s(a)), Content: bodyOf("text/html", "<p>"+a+"</p>")}))
		case 6:
			add(audit.CaptureText, rot13(a))
		case 7:
			add(audit.CaptureText, strings.NewReplacer("@", " [at] ", ".", " [dot] ").Replace(a))
		}
	}
	return out
}

func TestDecoys(t *testing.T) {
	list := decoys()
	for _, d := range list {
		got, _, err := look(t, New(Limits{}), d.kind, d.doc)
		if err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		for _, s := range got {
			t.Errorf("%s: %+v", d.name, s)
		}
	}
	t.Logf("%d decoys", len(list))
}
