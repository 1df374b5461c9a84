package exposure

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

const (
	alice = "alice.liddell@example.com"
	gmail = "Jane.Doe+news@gmail.com"
	euro  = "jörg@bücher.example"
	han   = "用户@例子.广告"
)

// handedOut are the addresses that tests hand out.
var handedOut = map[string]string{"alice": alice, "jane": gmail, "jörg": euro, "han": han, "brien": "o'brien/x@example.org", "caps": "Bob.Builder@Example.ORG", "amp": "r&d.lead@example.org"}

// A want is a sighting in short: what, where, host, field, chain, hash.
type want struct {
	account, place, host, field, chain, hash string
}

type disguise struct {
	name string
	kind audit.CaptureKind
	doc  string
	want want
}

func look(t testing.TB, f *Finder, kind audit.CaptureKind, doc string) ([]audit.Sighting, []string, error) {
	t.Helper()
	notes, err := f.Scan(context.Background(), 7, kind, strings.NewReader(doc))
	m := f.Matcher()
	for account, email := range handedOut {
		m.Address(account, email)
	}
	return m.Sightings()[7], notes, err
}

func (w want) is(s audit.Sighting) bool {
	return s.Account == w.account && string(s.Place) == w.place && s.Host == w.host && s.Field == w.field && strings.Join(s.Chain, " > ") == w.chain && s.Hash == w.hash
}

func asText(name, doc, chain string) disguise {
	return disguise{name, audit.CaptureText, doc, want{"alice", "visible", "", "text", chain, ""}}
}

func inScript(name, doc, chain string) disguise {
	return disguise{name, audit.CaptureJS, doc, want{"alice", "payload", "", "script", chain, ""}}
}

func inHTML(name, doc, place, field, chain string) disguise {
	return disguise{name, audit.CaptureHTML, doc, want{"alice", place, "", field, chain, ""}}
}

func hashed(name, doc, chain, hash string) disguise {
	return disguise{name, audit.CaptureText, doc, want{"alice", "visible", "", "text", chain, hash}}
}

func inHAR(name string, e harEntry, place, host, field, chain string) disguise {
	return disguise{name, audit.CaptureHAR, harOf(e), want{"alice", place, host, field, chain, ""}}
}

var disguises = slices.Concat(plain, encoded, scripted, inPages, hashes, shared, combined)

var plain = []disguise{
	asText("plain", "Write to "+alice+" today", ""),
	asText("at the end of a sentence", "Write to "+alice+".", ""),
	asText("in angle brackets", "Alice <"+alice+">", ""),
	asText("in other case", "Write to ALICE.Liddell@Example.COM today", ""),
	asText("after a mailto", "mailto:"+alice+"?subject=x", ""),
	asText("as a value", "email="+alice+"&x=1", ""),
	asText("as the last of many values", "https://x.example/r?a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i="+alice, ""),
	asText("as the last of many values, before a sentence", "https://x.example/r?a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i="+alice+".Then wait", ""),
	asText("in quotes", "'"+alice+"'", ""),
	asText("between pipes", "x|"+alice+"|y", ""),
	asText("in a path", "/users/"+alice+"/profile", ""),
	asText("right after an escaped line end", `{"text":"Hi,\n`+alice+`\n"}`, ""),
	asText("before another script", "連絡先"+alice+"までどうぞ", ""),
	asText("before a sentence without space", "Ask "+alice+".Then wait", ""),
	asText("with a full stop at the end of the domain", alice+". x", ""),
	asText("in the sender of a bounce", "bounce+alice.liddell=example.com@vendor.example", "verp"),
	{"an apostrophe and a slash", audit.CaptureText, "to o'brien/x@example.org now", want{"brien", "visible", "", "text", "", ""}},
	{"handed out in capitals", audit.CaptureText, "bob.builder@example.org", want{"caps", "visible", "", "text", "", ""}},
	{"international, as handed out", audit.CaptureText, "an jörg@bücher.example bitte", want{"jörg", "visible", "", "text", "", ""}},
	{"international in capitals", audit.CaptureText, "an JÖRG@BÜCHER.example bitte", want{"jörg", "visible", "", "text", "", ""}},
	{"international domain in ASCII", audit.CaptureText, "an jörg@xn--bcher-kva.example bitte", want{"jörg", "visible", "", "text", "idn", ""}},
	{"international, decomposed", audit.CaptureText, "an jo\u0308rg@bu\u0308cher.example bitte", want{"jörg", "visible", "", "text", "", ""}},
	{"international, Chinese", audit.CaptureText, "<用户@例子.广告>", want{"han", "visible", "", "text", "", ""}},
	{"international, Chinese domain in ASCII", audit.CaptureText, "<用户@xn--fsqu00a.xn--4rr70v>", want{"han", "visible", "", "text", "idn", ""}},
	{"international with an ideographic full stop", audit.CaptureText, "<用户@例子。广告>", want{"han", "visible", "", "text", "", ""}},
}

var encoded = []disguise{
	asText("percent", "u=alice.liddell%40example.com", "percent"),
	asText("percent, as the last of many values", "https://x.example/r?a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=alice.liddell%40example.com", "percent"),
	asText("percent twice", "u=alice.liddell%2540example.com", "percent > percent"),
	asText("percent three times", "u=alice.liddell%252540example.com", "percent > percent > percent"),
	asText("percent of every byte", "u="+pct(alice), "percent"),
	asText("percent in lower case", "u="+strings.ToLower(pct(alice)), "percent"),
	asText("percent of the full stops too", "u=alice%2Eliddell%40example%2Ecom", "percent"),
	asText("percent of a JSON object", "d="+pct(`{"email":"`+alice+`"}`), "percent"),
	asText("escape() of JavaScript", "u="+each(alice, "%%u%04x"), "percent"),
	asText("entity, decimal", "alice.liddell&#64;example.com", "html entities"),
	asText("entity, hexadecimal", "alice.liddell&#x40;example.com", "html entities"),
	asText("entity, named", "alice.liddell&commat;example&period;com", "html entities"),
	asText("entity without semicolon", "alice.liddell&#64example.com", "html entities"),
	asText("entity with leading zeros", "alice.liddell&#0000064;example.com", "html entities"),
	asText("entities of every letter", each(alice, "&#%d;"), "html entities"),
	asText("entities of every letter, hexadecimal", each(alice, "&#x%X;"), "html entities"),
	asText("entities twice", "alice.liddell&amp;#64;example.com", "html entities > html entities"),
	asText("unicode escape", `{"e":"alice.liddell\u0040example.com"}`, "js escapes"),
	asText("unicode escapes of every letter", each(alice, `\u%04x`), "js escapes"),
	asText("unicode escape with braces", `"alice.liddell\u{40}example.com"`, "js escapes"),
	asText("hexadecimal escape", `"alice.liddell\x40example.com"`, "js escapes"),
	asText("hexadecimal escapes of every letter", each(alice, `\x%02x`), "js escapes"),
	asText("octal escape", `"alice.liddell\100example.com"`, "js escapes"),
	asText("JSON in JSON", `{"d":"{\"e\":\"alice.liddell\\u0040example.com\"}"}`, "js escapes > js escapes"),
	asText("css escape", `content:"alice.liddell\40 example.com"`, "css escapes"),
	asText("css escape of six digits", `content:"alice.liddell\000040example\00002ecom"`, "css escapes"),
	asText("css escape of a letter", `content:"\61 lice.liddell@example.com"`, "css escapes"),
	asText("base64", "d="+b64(alice), "base64"),
	asText("base64 without padding", "d="+b64raw(alice), "base64"),
	asText("base64 in a path", "/u/"+b64raw(alice)+"/x", "base64"),
	asText("base64 of a longer text", b64("Dear reader, this is for "+alice+" and for nobody else."), "base64"),
	asText("base64 in the middle of letters", "xyz"+b64raw("???"+alice+"???")+"q", "base64"),
	asText("base64 cut off in front", b64("some text and then " + alice)[5:], "base64"),
	asText("base64url", "d="+b64url(`{"e>>>":"`+alice+`"}??`), "base64url"),
	asText("base64 with line ends", strings.Join(chunks(b64(strings.Repeat("x ", 20)+alice+strings.Repeat(" y", 20)), 76), "\r\n"), "base64"),
	asText("data URL", "data:text/plain;base64,"+b64("mail "+alice), "base64"),
	asText("JWT", "token="+jwt(`{"sub":"1","email":"`+alice+`"}`), "jwt"),
	asText("base32", "d="+b32(alice), "base32"),
	asText("base32 in lower case, no padding", "d="+strings.ToLower(strings.TrimRight(b32(alice), "=")), "base32"),
	asText("base58", "d="+b58(alice), "base58"),
	asText("base58 of JSON", "d="+b58(`{"email":"`+alice+`","n":1}`), "base58"),
	asText("hex", "d="+hexed(alice), "hex"),
	asText("hex in capitals", "d="+strings.ToUpper(hexed(alice)), "hex"),
	asText("hex after 0x", "d=0x"+hexed(alice), "hex"),
	asText("hex with spaces", codes(alice, " ", "%02x"), "char codes"),
	asText("hex with colons", codes(alice, ":", "%02X"), "char codes"),
	asText("gzip in base64", b64(gz(`{"email":"`+alice+`"}`)), "base64 > gzip"),
	asText("zlib in base64", b64(zl(`{"email":"`+alice+`"}`)), "base64 > zlib"),
	asText("deflate in base64", b64(defl(`{"email":"`+alice+`"}`)), "base64 > deflate"),
	asText("gzip in base64url", b64url(gz(`{"email":"`+alice+`"}`)), chainOf64(gz(`{"email":"`+alice+`"}`))+" > gzip"),
	asText("gzip in hex", hexed(gz(`{"email":"`+alice+`"}`)), "hex > gzip"),
	asText("zlib in hex", hexed(zl(`{"email":"`+alice+`"}`)), "hex > zlib"),
	asText("deflate in hex", hexed(defl(`{"email":"`+alice+`"}`)), "hex > deflate"),
	asText("zlib in base32", b32(zl(alice)), "base32 > zlib"),
	asText("lz-string to base64", "d="+lz64(`{"email":"`+alice+`"}`), "lz-string"),
	asText("lz-string to a URL", "d="+lzURI(alice), "lz-string"),
	asText("lz-string to UTF-16", `"`+lz16(alice)+`"`, "lz-string"),
	asText("quoted-printable", "alice.liddell=40example.com", "quoted-printable"),
	asText("quoted-printable of every letter", each(alice, "=%02X"), "quoted-printable"),
	asText("quoted-printable, line broken in it", "x "+alice[:18]+"=\r\n"+alice[18:], "quoted-printable"),
	asText("UTF-16 in base64", b64(utf16le(alice)), "base64 > utf-16"),
	asText("UTF-16, big end first, in hex", hexed(utf16be(alice)), "hex > utf-16"),
	asText("rot13", rot13(alice), "rot13"),
	asText("rot13 in a sentence", "Jevgr gb "+rot13(alice)+" gbqnl", "rot13"),
	asText("reversed", backwards(alice), "reversed"),
	asText("reversed after a mailto", "x="+backwards(alice)+"&y=1", "reversed"),
	asText("Cloudflare's", "/cdn-cgi/l/email-protection#"+cf(alice, 0x5a), "cfemail"),
	asText("Cloudflare's in capitals", strings.ToUpper(cf(alice, 0xe1)), "cfemail"),
	asText("spelled [at] [dot]", "alice.liddell [at] example [dot] com", "spelled out"),
	asText("spelled (at) (dot)", "alice.liddell(at)example(dot)com", "spelled out"),
	asText("spelled {at} {dot}", "alice.liddell {at} example {dot} com", "spelled out"),
	asText("spelled <at> <dot>", "alice.liddell <at> example <dot> com", "spelled out"),
	asText("spelled AT DOT", "alice.liddell AT example DOT com", "spelled out"),
	asText("spelled at dot", "alice.liddell at example dot com", "spelled out"),
	asText("spelled _at_ _dot_", "alice.liddell_at_example_dot_com", "spelled out"),
	asText("spelled -at- -dot-", "alice.liddell-at-example-dot-com", "spelled out"),
	asText("spelled without parting", "alice.liddellATexampleDOTcom", "spelled out"),
	asText("spelled everywhere", "alice dot liddell at example dot com", "spelled out"),
	asText("spelled, only the sign", "alice.liddell [at] example.com", "spelled out"),
	asText("spelled, only the full stop", "alice.liddell@example [dot] com", "spelled out"),
	asText("spelled with a sign in brackets", "alice.liddell [@] example [.] com", "spelled out"),
	asText("spelled with spaces", "alice.liddell @ example . com", "spelled out"),
	asText("spelled in Spanish", "alice.liddell arroba example punto com", "spelled out"),
	asText("spelled in Portuguese", "alice.liddell (arroba) example (ponto) com", "spelled out"),
	asText("spelled in German", "alice.liddell (ät) example (punkt) com", "spelled out"),
	asText("spelled in German, other", "alice.liddell [at] example Punkt com", "spelled out"),
	asText("spelled in French", "alice.liddell arobase example point com", "spelled out"),
	asText("spelled in French, other", "alice.liddell chez example point com", "spelled out"),
	asText("spelled in Italian", "alice.liddell chiocciola example punto com", "spelled out"),
	asText("spelled in Japanese", "alice.liddellアットexampleドットcom", "spelled out"),
	asText("spelled in Japanese, spaced", "alice.liddell アットマーク example 点 com", "spelled out"),
	asText("spelled in full-width brackets", "alice.liddell（at）example（dot）com", "compatibility forms > spelled out"),
	asText("spelled in Russian", "alice.liddell собака example точка com", "spelled out"),
	asText("spelled in Polish", "alice.liddell małpa example kropka com", "spelled out"),
	asText("spelled in Czech", "alice.liddell (zavináč) example (tečka) com", "spelled out"),
	asText("spelled in Dutch", "alice.liddell apenstaartje example punt com", "spelled out"),
	asText("spelled -at- -dot- in the name, too", "alice-dot-liddell-at-example-dot-com", "spelled out"),
	asText("spelled _at_ _dot_ in the name, too", "alice_dot_liddell_at_example_dot_com", "spelled out"),
	asText("spelled -at- -dot- with spaces", "alice.liddell -at- example -dot- com", "spelled out"),
	asText("spelled /at/ /dot/ with spaces", "alice /dot/ liddell /at/ example /dot/ com", "spelled out"),
	asText("spelled, all signs in brackets", "alice[.]liddell[@]example[.]com", "spelled out"),
	asText("spelled, all signs in parentheses", "alice(.)liddell(@)example(.)com", "spelled out"),
	asText("spelled (a)", "alice.liddell(a)example.com", "spelled out"),
	asText("spelled [et] [nokta], as in Turkish", "alice.liddell [et] example [nokta] com", "spelled out"),
	asText("spelled in French, a usual mistake", "alice.liddell (arrobase) example (point) com", "spelled out"),
	asText("spelled in Danish", "alice (punktum) liddell (snabel-a) example (punktum) com", "spelled out"),
	asText("spelled in Hungarian, a kukac", "alice.liddell kukac example pont com", "spelled out"),
	asText("spelled in German, a Klammeraffe", "alice Punkt liddell Klammeraffe example Punkt com", "spelled out"),
	asText("spelled with a circled letter", "alice.liddell ⓐ example.com", "spelled out"),
	asText("an encoded word of a header", "=?UTF-8?Q?alice.liddell=40example.com?=", "quoted-printable"),
	asText("zero width", "alice.lid\u200bdell@exam\u200cple.com", "split"),
	asText("zero width beside the sign", "alice.liddell\u2060@\ufeffexample.com", "split"),
	asText("soft hyphens", "alice.lid\u00addell@exam\u00adple.com", "split"),
	asText("full width", fullWidth(alice), "compatibility forms"),
	asText("full-width sign", "alice.liddell＠example.com", "compatibility forms"),
	asText("small sign", "alice.liddell﹫example.com", "compatibility forms"),
	asText("mathematical letters", "𝐚𝐥𝐢𝐜𝐞.𝐥𝐢𝐝𝐝𝐞𝐥𝐥@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦", "compatibility forms"),
	asText("circled letters", "ⓐⓛⓘⓒⓔ.liddell@example.com", "compatibility forms"),
	asText("ideographic full stop", "alice.liddell@example。com", ""),
	asText("character codes", codes(alice, ", ", "%d"), "char codes"),
	asText("character codes, hexadecimal", codes(alice, ",", "0x%x"), "char codes"),
	asText("character codes as a buffer", `{"type":"Buffer","data":[`+codes(alice, ",", "%d")+`]}`, "char codes"),
	asText("character codes by index", `{`+indexed(alice)+`}`, "char codes"),
	asText("a tracker's own alphabet", substituted(alice), "other alphabet"),
}

func chainOf64(s string) string {
	if strings.ContainsAny(b64url(s), "-_") {
		return "base64url"
	}
	return "base64"
}

func each8(s, format string) string { // each byte by a format
	var out strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&out, format, s[i])
	}
	return out.String()
}

// escaped is what a browser makes of bytes in a query.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func chunks(s string, n int) (out []string) {
	for len(s) > n {
		out = append(out, s[:n])
		s = s[n:]
	}
	return append(out, s)
}

func indexed(s string) string {
	var out []string
	for i := range len(s) {
		out = append(out, fmt.Sprintf(`"%d":%d`, i, s[i]))
	}
	return strings.Join(out, ",")
}

func substituted(s string) string {
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune("kibp8A4EWRMKHa7gvyz1dOPt6UI5xYD3nqhVwZBXfCcFeJmrLN20lS9QGsjTuo", r); i >= 0 {
			return rune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[i])
		}
		return r
	}, s)
}

var scripted = []disguise{
	inScript("a literal", `var e="`+alice+`";`, ""),
	inScript("a literal right after a word", `case 1:return'`+alice+`';`, ""),
	inScript("a literal right after a word, reversed", `case 1:return'`+backwards(alice)+`';`, "reversed"),
	inScript("concatenated", `var e="alice."+"liddell"+"@"+"example"+".com";`, "concatenation"),
	inScript("concatenated within the name", `var e="ali"+"ce.liddell@example.com";`, "concatenation"),
	inScript("concatenated within the domain", `var e='alice.liddell@exam' + 'ple.com';`, "concatenation"),
	inScript("an array of letters", `["`+strings.Join(strings.Split(alice, ""), `","`)+`"].join("")`, "concatenation"),
	inScript("an array of parts", `[ 'alice.liddell', 'example.com' ].join('@')`, "concatenation"),
	inScript("an array, reversed", `["com",".","example","@","liddell",".","alice"].reverse().join("")`, "concatenation"),
	inScript("a text, reversed", `"`+backwards(alice)+`".split("").reverse().join("")`, "reversed"),
	inScript("fromCharCode", `String.fromCharCode(`+codes(alice, ",", "%d")+`)`, "char codes"),
	inScript("fromCharCode, hexadecimal", `String.fromCharCode(`+codes(alice, ",", "0x%x")+`)`, "char codes"),
	inScript("fromCharCode, applied", `String.fromCharCode.apply(null,[`+codes(alice, ",", "%d")+`])`, "char codes"),
	inScript("fromCharCode, one by one", each(alice, "String.fromCharCode(%d)+")+`""`, "char codes"),
	inScript("fromCharCode for the sign", `"alice.liddell"+String.fromCharCode(64)+"example.com"`, "char codes"),
	inScript("fromCharCode for the sign, hexadecimal", `"alice.liddell"+String.fromCharCode(0x40)+"example.com"`, "char codes"),
	inScript("fromCodePoint for the sign", `"alice.liddell"+String.fromCodePoint(64)+"example.com"`, "char codes"),
	inScript("an escaped sign between variables", `var u='alice.liddell',h='example.com';a.href=u+'\x40'+h;`, "concatenation"),
	inScript("an escaped sign between", `var m="alice.liddell"+"\x40"+"example.com"`, "concatenation"),
	inScript("another escaped sign between", `m='alice.liddell'+'\u0040'+'example.com'`, "concatenation"),
	inScript("escapes within the parts", `m="al\x69ce."+"lid\u0064ell"+"@"+"ex\x61mple."+"com"`, "concatenation"),
	inScript("an entity between", `m="alice.liddell"+"&#64;"+"example.com"`, "concatenation > html entities"),
	inScript("lz-string to UTF-16, with signs that part words", `x="`+lz16(`{"n":1,"mail":"`+alice+`","note":"<what else there is>"}`)+`"`, "lz-string"),
	inScript("lz-string to UTF-16, escaped", `x="`+each(lz16(`{"n":1,"mail":"`+alice+`","note":"<what else there is>"}`), `\u%04x`)+`"`, "js escapes > lz-string"),
	inScript("codes, mapped", `[`+codes(alice, ",", "%d")+`].map(c=>String.fromCharCode(c)).join("")`, "char codes"),
	inScript("codes, moved by one", `[`+moved(alice, 1)+`].map(function(c){return String.fromCharCode(c-1)}).join("")`, "char codes"),
	inScript("a template", "const u='alice.liddell', h=\"example.com\"; a.href=`mailto:${u}@${h}`;", "concatenation"),
	inScript("variables", `var user="alice.liddell",host="example.com";document.write(user+"@"+host)`, "concatenation"),
	inScript("variables, one after the other", `var s="alice.liddell"; s+="@"; s+="example.com";`, "concatenation"),
	inScript("properties", `var c={user:"alice.liddell",host:"example.com"};x=c.user+"@"+c.host;`, "concatenation"),
	inScript("concat()", `"alice.liddell".concat("@","example.com")`, "concatenation"),
	inScript("replace()", `"alice.liddell#example!com".replace("#","@").replace("!",".")`, "concatenation"),
	inScript("replace() of a word", `"alice.liddell[at]example.com".replace("[at]","@")`, "concatenation"),
	inScript("atob", `atob("`+b64(alice)+`")`, "base64"),
	inScript("atob of parts", `atob("`+b64(alice)[:12]+`"+"`+b64(alice)[12:]+`")`, "concatenation"),
	inScript("unescape", `unescape("`+pct(alice)+`")`, "percent"),
	inScript("decodeURIComponent", `decodeURIComponent("alice.liddell%40example.com")`, "percent"),
	inScript("escapes of every letter", `"`+each(alice, `\x%02x`)+`"`, "js escapes"),
	inScript("a line end that is escaped", "\"alice.liddell\\\n@example.com\"", "js escapes"),
	inScript("document.write of a link", `document.write('<a href="mai'+'lto:alice.liddell'+'@'+'example.com">');`, "concatenation"),
	inScript("JSON in a script", `window.__DATA__=JSON.parse("{\"email\":\"`+strings.ReplaceAll(alice, "@", `\u0040`)+`\"}")`, "js escapes"),
}

func moved(s string, by int) string {
	var out []string
	for i := range len(s) {
		out = append(out, fmt.Sprint(int(s[i])+by))
	}
	return strings.Join(out, ",")
}

var inPages = []disguise{
	inHTML("text", "<p>"+alice+"</p>", "visible", "text", ""),
	inHTML("title of the page", "<head><title>Profile of "+alice+"</title></head>", "visible", "title", ""),
	inHTML("mailto", `<a href="mailto:`+alice+`">Write</a>`, "payload", "attribute href", ""),
	inHTML("mailto in entities", `<a href="`+each("mailto:"+alice, "&#%d;")+`">Write</a>`, "payload", "attribute href", "html entities"),
	inHTML("title attribute", `<img src=x title="`+alice+`">`, "visible", "attribute title", ""),
	inHTML("alt", `<img src=x alt='`+alice+`'>`, "visible", "attribute alt", ""),
	inHTML("placeholder", `<input placeholder=`+alice+`>`, "visible", "attribute placeholder", ""),
	inHTML("value", `<input type=email value="`+alice+`">`, "visible", "attribute value", ""),
	inHTML("aria-label", `<button aria-label="Write to `+alice+`">W</button>`, "visible", "attribute aria-label", ""),
	inHTML("option's label", `<select><option label="`+alice+`">x</select>`, "visible", "attribute label", ""),
	inHTML("option's text", `<select><option value=1>`+alice+`</select>`, "visible", "text", ""),
	inHTML("textarea", `<textarea>`+alice+`</textarea>`, "visible", "text", ""),
	inHTML("hidden input", `<input type="hidden" value="`+alice+`">`, "payload", "attribute value", ""),
	inHTML("data attribute", `<div data-user="`+alice+`">x</div>`, "payload", "attribute data-user", ""),
	inHTML("data attribute with JSON", `<div data-props="{&quot;email&quot;:&quot;`+alice+`&quot;}">x</div>`, "payload", "attribute data-props", ""),
	inHTML("comment", `<!-- `+alice+` -->`, "payload", "comment", ""),
	inHTML("script", `<script>var e="`+alice+`"</script>`, "payload", "script", ""),
	inHTML("JSON-LD", `<script type="application/ld+json">{"email":"`+alice+`"}</script>`, "payload", "script", ""),
	inHTML("style", `<style>.a::before{content:"alice.liddell\40 example.com"}</style>`, "payload", "style", "css escapes"),
	inHTML("template", `<template><p>`+alice+`</p></template>`, "payload", "hidden text", ""),
	inHTML("noscript", `<noscript><p>`+alice+`</p></noscript>`, "payload", "hidden text", ""),
	inHTML("hidden", `<div hidden><p>`+alice+`</p></div>`, "payload", "hidden text", ""),
	inHTML("display:none", `<div style="color:red;DISPLAY : none">`+alice+`</div>`, "payload", "hidden text", ""),
	inHTML("visibility:hidden", `<div style="visibility:hidden">`+alice+`</div>`, "payload", "hidden text", ""),
	inHTML("opacity:0", `<div style="opacity:0">`+alice+`</div>`, "payload", "hidden text", ""),
	inHTML("opacity:0.5 is seen", `<div style="opacity:0.5">`+alice+`</div>`, "visible", "text", ""),
	inHTML("font-size:0", `<div style="font-size:0px">`+alice+`</div>`, "payload", "hidden text", ""),
	inHTML("hidden by class", `<style>.off, #x{display:none}</style><p class="a off">`+alice+`</p>`, "payload", "hidden text", ""),
	inHTML("hidden by id", `<style>#x{display:none}</style><p id=x>`+alice+`</p>`, "payload", "hidden text", ""),
	inHTML("hidden by tag", `<style>aside{display:none}</style><aside>`+alice+`</aside>`, "payload", "hidden text", ""),
	inHTML("not hidden, only when printed", `<style>@media print{.off{display:none}}</style><p class="off">`+alice+`</p>`, "visible", "text", ""),
	inHTML("after a hidden element", `<div hidden>x</div><p>`+alice+`</p>`, "visible", "text", ""),
	inHTML("after a hidden paragraph without end", `<p hidden>x<p>`+alice+`</p>`, "visible", "text", ""),
	inHTML("split by tags", `<p>alice.<b>lid</b>dell<i>@</i>exam<u>ple</u>.com</p>`, "visible", "text", "split"),
	inHTML("split by comments", `<p>alice.liddell<!-- no -->@<!-- spam -->example.com</p>`, "visible", "text", "split"),
	inHTML("split by comments that hold an address", `<p>alice.liddell<!-- x@y.z -->@example.com</p>`, "visible", "text", "split"),
	inHTML("split by a break that may be", `<p>alice.liddell@<wbr>example.com</p>`, "visible", "text", "split"),
	inHTML("split by a hidden element", `<p>alice.liddell<span style="display:none">nospam</span>@example.com</p>`, "visible", "text", "split"),
	inHTML("split by entities that do not show", `<p>alice.lid&shy;dell@exam&#8203;ple.com</p>`, "visible", "text", "html entities > split"),
	inHTML("spelled out and split", `<p>alice.liddell <b>[at]</b> example <i>[dot]</i> com</p>`, "visible", "text", "split > spelled out"),
	inHTML("right to left", `<span style="unicode-bidi:bidi-override;direction:rtl">`+backwards(alice)+`</span>`, "visible", "text", "reversed"),
	inHTML("right to left, by attribute", `<bdo dir="rtl">`+backwards(alice)+`</bdo>`, "visible", "text", "reversed"),
	inHTML("Cloudflare's attribute", `<a href="/cdn-cgi/l/email-protection" class="__cf_email__" data-cfemail="`+cf(alice, 0x13)+`">[email&#160;protected]</a>`, "visible", "attribute data-cfemail", "cfemail"),
	inHTML("Cloudflare's link", `<a href="/cdn-cgi/l/email-protection#`+cf(alice, 0x13)+`">write</a>`, "payload", "attribute href", "cfemail"),
	inHTML("srcdoc", `<iframe srcdoc="&lt;p&gt;`+alice+`&lt;/p&gt;"></iframe>`, "visible", "attribute srcdoc, text", ""),
	inHTML("image with the address in its URL", `<img src="https://t.example/p?e=alice.liddell%40example.com">`, "payload", "attribute src", "percent"),
	inHTML("onclick", `<a onclick="location='mai'+'lto:alice.liddell'+'@'+'example.com'">x</a>`, "payload", "attribute onclick", "concatenation"),
	inHTML("a script after other elements", `<footer>Questions?</footer><p>it's</p><br/><div id=x></div><script>var m="alice.liddell"+String.fromCharCode(64)+"example.com";</script></main>`, "payload", "script", "char codes"),
	inHTML("a script in a page, the sign escaped", `<div id=x></div><script>var m="alice.liddell"+"\x40"+"example.com";</script>`, "payload", "script", "concatenation"),
	inHTML("what may be typed in", `<input list=l><datalist id=l><option value="`+alice+`"></datalist>`, "visible", "attribute value", ""),
	{"an ampersand in the name", audit.CaptureHTML, `<p>Mail: r&amp;d.lead@example.org</p>`, want{"amp", "visible", "", "text", "html entities", ""}},
	{"an ampersand in a link", audit.CaptureHTML, `<a href="mailto:r&amp;d.lead@example.org">x</a>`, want{"amp", "payload", "", "attribute href", "html entities", ""}},
	inHTML("UTF-16", "\xff\xfe"+utf16le("<p>"+alice+"</p>"), "visible", "text", ""),
	inHTML("Latin-1 with a lie about it", "<meta charset=utf-8><p>caf\xe9 "+alice+"</p>", "visible", "text", ""),
	{"Latin-1, international", audit.CaptureHTML, "<meta charset=iso-8859-1><p>j\xf6rg@b\xfccher.example</p>", want{"jörg", "visible", "", "text", "", ""}},
	inHTML("unclosed tag at the end", `<p>`+alice+`<a href="`, "visible", "text", ""),
	inHTML("attribute without quotes", `<a href=mailto:`+alice+`>x</a>`, "payload", "attribute href", ""),
	inHTML("in SVG", `<svg><text x=1>`+alice+`</text></svg>`, "visible", "text", ""),
	inHTML("in a table", `<table><tr><td>Alice<td>`+alice+`<td>x</table>`, "visible", "text", ""),
	inHTML("meta", `<meta name=author content="`+alice+`">`, "payload", "attribute content", ""),
	inHTML("a greater-than in an attribute", `<p data-x="a > b" title="`+alice+`">x</p>`, "visible", "attribute title", ""),
	inHTML("a dialog that is closed", `<dialog>`+alice+`</dialog>`, "payload", "hidden text", ""),
	inHTML("a dialog that is open", `<dialog open>`+alice+`</dialog>`, "visible", "text", ""),
}

const nl = "\n"

var hashes = []disguise{
	hashed("md5", "h="+hexed(md5s(alice)), "", "md5"),
	hashed("sha1", "h="+hexed(sha1s(alice)), "", "sha1"),
	hashed("sha224", "h="+hexed(sha224s(alice)), "", "sha224"),
	hashed("sha256", "h="+hexed(sha256s(alice)), "", "sha256"),
	hashed("sha384", "h="+hexed(sha384s(alice)), "", "sha384"),
	hashed("sha512", "h="+hexed(sha512s(alice)), "", "sha512"),
	hashed("sha3-256", "h="+hexed(sha3s(alice)), "", "sha3-256"),
	hashed("ripemd160", "h="+hexed(ripemds(alice)), "", "ripemd160"),
	hashed("blake2b", "h="+hexed(blake512s(alice)), "", "blake2b"),
	hashed("blake2b of 256 bits", "h="+hexed(blake256s(alice)), "", "blake2b"),
	hashed("in capitals", "h="+strings.ToUpper(hexed(sha256s(alice))), "", "sha256"),
	hashed("of the address in capitals", hexed(md5s(strings.ToUpper(alice))), "upper case", "md5"),
	hashed("in base64", b64(sha256s(alice)), "base64", "sha256"),
	hashed("in base64 without padding", b64raw(md5s(alice)), "base64", "md5"),
	hashed("in base64url", "x="+b64url(sha1s(alice)), chainOf64(sha1s(alice)), "sha1"),
	hashed("sha512 in base64", b64(sha512s(alice)), "base64", "sha512"),
	hashed("sha384 in base64", b64(sha384s(alice)), "base64", "sha384"),
	hashed("sha224 in base64", b64(sha224s(alice)), "base64", "sha224"),
	hashed("hash of a hash", hexed(sha256s(hexed(md5s(alice)))), "md5", "sha256"),
	hashed("the same twice", hexed(md5s(hexed(md5s(alice)))), "md5", "md5"),
	hashed("sha1 of sha256", hexed(sha1s(hexed(sha256s(alice)))), "sha256", "sha1"),
	hashed("of base64", hexed(sha256s(b64(alice))), "base64", "sha256"),
	hashed("with a tracker's salt", hexed(sha256s(alice+"QX4QkKEU")), "salt", "sha256"),
	hashed("with the scheme, as FOAF", hexed(sha1s("mailto:"+alice)), "mailto", "sha1"),
	hashed("with a line end", hexed(md5s(alice+nl)), "line end", "md5"),
	hashed("in a path", "https://www.gravatar.com/avatar/"+hexed(md5s(alice))+"?s=80", "", "md5"),
	hashed("after a prefix", "sha256:"+hexed(sha256s(alice)), "", "sha256"),
	{"gmail without dots", audit.CaptureText, hexed(sha256s("janedoe+news@gmail.com")), want{"jane", "visible", "", "text", "without dots", "sha256"}},
	{"gmail without plus", audit.CaptureText, hexed(sha256s("jane.doe@gmail.com")), want{"jane", "visible", "", "text", "without plus", "sha256"}},
	{"gmail without dots and plus", audit.CaptureText, hexed(sha256s("janedoe@gmail.com")), want{"jane", "visible", "", "text", "without dots > without plus", "sha256"}},
	{"as given", audit.CaptureText, hexed(md5s("Bob.Builder@Example.ORG")), want{"caps", "visible", "", "text", "as given", "md5"}},
	{"of the lower case", audit.CaptureText, hexed(md5s("bob.builder@example.org")), want{"caps", "visible", "", "text", "", "md5"}},
	{"of an international address", audit.CaptureText, hexed(md5s(euro)), want{"jörg", "visible", "", "text", "", "md5"}},
	{"of an international address in ASCII", audit.CaptureText, hexed(md5s("jörg@xn--bcher-kva.example")), want{"jörg", "visible", "", "text", "idn", "md5"}},
	hashed("a hash in base64 of JSON", b64(`{"h":"`+hexed(sha256s(alice))+`"}`), "base64", "sha256"),
	hashed("after the name of the hash, as SRI", "sha256-"+b64(sha256s(alice)), "base64", "sha256"),
	hashed("sha512 after its name", "sha512-"+b64(sha512s(alice)), "base64", "sha512"),
	hashed("in base64url in a path", "/avatars/"+b64url(md5s(alice))+"/48", "base64", "md5"),
	hashed("in base64url in a path, with signs in it", "/c/"+b64url(sha256s(alice)), chainOf64(sha256s(alice)), "sha256"),
	hashed("in base64url before a file's end", "/o/v1/"+b64url(sha1s(alice))+".gif", chainOf64(sha1s(alice)), "sha1"),
	hashed("in base64url between hyphens", "a-"+b64url(sha224s(alice))+"-b", chainOf64(sha224s(alice)), "sha224"),
	asText("lz-string to a URL, in a path", "/c/"+lzURI(alice), "lz-string"),
	hashed("each byte escaped", `"`+each8(sha256s(alice), `\x%02x`)+`"`, "js escapes", "sha256"),
	hashed("each byte escaped, backslashes too", `"`+each8(md5s(alice), `\\x%02x`)+`"`, "js escapes > js escapes", "md5"),
	hashed("each byte percent-encoded", "h="+each8(sha256s(alice), "%%%02X")+"&x=1", "percent", "sha256"),
	hashed("percent-encoded where need be", "h="+escaped(sha1s(alice)), "percent", "sha1"),
	{"a hash in a page's attribute", audit.CaptureHTML, `<img src="https://www.gravatar.com/avatar/` + hexed(md5s(alice)) + `">`, want{"alice", "payload", "", "attribute src", "", "md5"}},
	{"a hash that is shown", audit.CaptureHTML, `<p>` + hexed(md5s(alice)) + `</p>`, want{"alice", "visible", "", "text", "", "md5"}},
}

var shared = []disguise{
	inHAR("query", harEntry{URL: "https://t.tracker.example/p?uid=" + pctAt(alice)}, "sent", "t.tracker.example", "query parameter uid", "percent"),
	inHAR("query, plain", harEntry{URL: "https://t.tracker.example/p?uid=" + alice}, "sent", "t.tracker.example", "query parameter uid", ""),
	inHAR("query, a port and capitals", harEntry{URL: "https://T.Tracker.example:8443/p?a=1&uid=" + b64(alice)}, "sent", "t.tracker.example", "query parameter uid", "base64"),
	inHAR("path", harEntry{URL: "https://t.tracker.example/u/" + pctAt(alice) + "/p"}, "sent", "t.tracker.example", "url path", "percent"),
	inHAR("fragment", harEntry{URL: "https://app.vendor.example/p#" + alice}, "sent", "app.vendor.example", "url fragment", ""),
	inHAR("fragment with parameters", harEntry{URL: "https://app.vendor.example/p#e=" + alice}, "sent", "app.vendor.example", "fragment parameter e", ""),
	inHAR("name of a parameter", harEntry{URL: "https://t.tracker.example/p?" + alice + "=1"}, "sent", "t.tracker.example", "query parameter …", ""),
	inHAR("URL in a URL", harEntry{URL: "https://app.vendor.example/r?u=https%3A%2F%2Ftracker.example%2F%3Fe%3Dalice.liddell%2540example.com"}, "sent", "app.vendor.example", "query parameter u", "percent > percent"),
	inHAR("queryString only", harEntry{URL: "https://t.tracker.example/p", Req: `"queryString":` + headersOf("em", alice)}, "sent", "t.tracker.example", "query parameter em", ""),
	inHAR("header", harEntry{URL: "https://t.tracker.example/p", Req: `"headers":` + headersOf("X-User", alice)}, "sent", "t.tracker.example", "header X-User", ""),
	inHAR("referer", harEntry{URL: "https://t.tracker.example/p", Req: `"headers":` + headersOf("Referer", "https://app.vendor.example/?e="+pctAt(alice))}, "sent", "t.tracker.example", "header Referer", "percent"),
	inHAR("authorization", harEntry{URL: "https://t.tracker.example/p", Req: `"headers":` + headersOf("Authorization", "Basic "+b64(alice+":secret"))}, "sent", "t.tracker.example", "header Authorization", "base64"),
	inHAR("cookie", harEntry{URL: "https://t.tracker.example/p", Req: `"cookies":` + headersOf("uid", pctAt(alice))}, "sent", "t.tracker.example", "cookie uid", "percent"),
	inHAR("cookie header", harEntry{URL: "https://t.tracker.example/p", Req: `"headers":` + headersOf("Cookie", "a=1; uid="+pctAt(alice)+"; b=2")}, "sent", "t.tracker.example", "cookie uid", "percent"),
	inHAR("form", harEntry{URL: "https://t.tracker.example/p", Req: post("application/x-www-form-urlencoded; charset=UTF-8", "a=1&email="+pctAt(alice))}, "sent", "t.tracker.example", "form field email", "percent"),
	inHAR("form, parameters", harEntry{URL: "https://t.tracker.example/p", Req: `"postData":{"mimeType":"application/x-www-form-urlencoded","params":` + headersOf("email", alice) + `}`}, "sent", "t.tracker.example", "form field email", ""),
	inHAR("JSON", harEntry{URL: "https://t.tracker.example/p", Req: post("application/json", `{"user":{"email":"`+alice+`"}}`)}, "sent", "t.tracker.example", "request body", ""),
	inHAR("beacon", harEntry{URL: "https://t.tracker.example/p", Req: post("text/plain;charset=UTF-8", b64(`{"email":"`+alice+`"}`))}, "sent", "t.tracker.example", "request body", "base64"),
	inHAR("multipart", harEntry{URL: "https://t.tracker.example/p", Req: post("multipart/form-data; boundary=XX", "--XX\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n"+alice+"\r\n--XX--\r\n")}, "sent", "t.tracker.example", "form field email", ""),
	inHAR("multipart, its boundary after letters that grow in lower case", harEntry{URL: "https://t.tracker.example/p", Req: post("multipart/"+strings.Repeat("Ⱥ", 20)+"; boundary=XX", "--XX\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n"+alice+"\r\n--XX--\r\n")}, "sent", "t.tracker.example", "form field email", ""),
	inHAR("multipart, file name", harEntry{URL: "https://t.tracker.example/p", Req: post("multipart/form-data; boundary=XX", "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\""+alice+".csv\"\r\n\r\nx\r\n--XX--\r\n")}, "sent", "t.tracker.example", "file name of form field f", ""),
	inHAR("websocket, sent", harEntry{URL: "wss://ws.tracker.example/s", Extra: `"_webSocketMessages":[{"type":"send","time":1,"opcode":1,"data":` + quoted_(`{"e":"`+alice+`"}`) + `}]`}, "sent", "ws.tracker.example", "websocket message", ""),
	inHAR("websocket, received", harEntry{URL: "wss://ws.tracker.example/s", Extra: `"_webSocketMessages":[{"type":"receive","time":1,"opcode":1,"data":` + quoted_(`{"e":"`+alice+`"}`) + `}]`}, "payload", "", "websocket message", ""),
	inHAR("websocket, binary", harEntry{URL: "wss://ws.tracker.example/s", Extra: `"_webSocketMessages":[{"type":"send","time":1,"opcode":2,"data":"` + b64(gz(`{"e":"`+alice+`"}`)) + `"}]`}, "sent", "ws.tracker.example", "websocket message", "gzip"),
	inHAR("compressed post data", harEntry{URL: "https://t.tracker.example/p", Req: `"postData":{"mimeType":"application/octet-stream","encoding":"base64","text":"` + b64(gz(`{"e":"`+alice+`"}`)) + `"}`}, "sent", "t.tracker.example", "request body", "gzip"),
	inHAR("response, JSON", harEntry{Content: bodyOf("application/json", `{"email":"`+alice+`"}`)}, "payload", "", "response body", ""),
	inHAR("response, a page", harEntry{Content: bodyOf("text/html; charset=utf-8", `<p>`+alice+`</p>`)}, "visible", "", "response body, text", ""),
	inHAR("response, a page's attribute", harEntry{Content: bodyOf("text/html", `<p data-u="`+alice+`">x</p>`)}, "payload", "", "response body, attribute data-u", ""),
	inHAR("response, base64", harEntry{Content: body64("application/json", `{"email":"`+alice+`"}`)}, "payload", "", "response body", ""),
	inHAR("response, gzip in base64", harEntry{Content: body64("application/json", gz(`{"email":"`+alice+`"}`))}, "payload", "", "response body", "gzip"),
	inHAR("response, deflate in base64", harEntry{Content: body64("application/json", defl(`{"email":"`+alice+`"}`))}, "payload", "", "response body", "deflate"),
	inHAR("response, zlib in base64", harEntry{Content: body64("application/json", zl(`{"email":"`+alice+`"}`))}, "payload", "", "response body", "zlib"),
	inHAR("response, brotli in base64", harEntry{Content: body64("application/json", br(`{"email":"`+alice+`"}`)), Res: `"headers":` + headersOf("Content-Encoding", "br")}, "payload", "", "response body", "brotli"),
	inHAR("response, brotli that nothing tells of", harEntry{Content: body64("application/json", br(`{"email":"`+alice+`"}`))}, "payload", "", "response body", "brotli"),
	inHAR("response, a page in gzip", harEntry{Content: body64("text/html", gz(`<p>`+alice+`</p>`))}, "visible", "", "response body, text", "gzip"),
	inHAR("response, script", harEntry{Content: bodyOf("application/javascript", `var e="alice.liddell"+"@"+"example.com"`)}, "payload", "", "response body", "concatenation"),
	inHAR("response, plain text as the page", harEntry{Content: bodyOf("text/plain", "Hello "+alice), Extra: `"_resourceType":"document"`}, "visible", "", "response body", ""),
	inHAR("response, plain text fetched", harEntry{Content: bodyOf("text/plain", "Hello "+alice), Extra: `"_resourceType":"fetch"`}, "payload", "", "response body", ""),
	inHAR("response header", harEntry{Res: `"headers":` + headersOf("X-User", alice)}, "payload", "", "response header X-User", ""),
	inHAR("Set-Cookie", harEntry{Res: `"headers":` + headersOf("Set-Cookie", "u="+pctAt(alice)+"; Path=/")}, "payload", "", "response header Set-Cookie", "percent"),
	inHAR("Location", harEntry{Res: `"headers":` + headersOf("Location", "/p?e="+pctAt(alice))}, "payload", "", "response header Location", "percent"),
	inHAR("redirect", harEntry{Res: `"redirectURL":"https://x.example/?e=` + pctAt(alice) + `"`}, "payload", "", "redirect", "percent"),
	inHAR("storage", harEntry{Extra: `"_localStorage":[{"name":"user","value":` + quoted_(alice) + `}]`}, "payload", "", "storage", ""),
	{"a hash in a pixel", audit.CaptureHAR, harOf(harEntry{URL: "https://www.facebook.example/tr?id=1&ud[em]=" + hexed(sha256s(alice))}), want{"alice", "sent", "www.facebook.example", "query parameter ud[em]", "", "sha256"}},
}

var combined = []disguise{
	asText("percent, base64", "d="+pct(b64(alice)), "percent > base64"),
	asText("base64, percent", b64(pct(alice)), "base64 > percent"),
	asText("base64 twice", b64(b64(alice)), "base64 > base64"),
	asText("base64 three times", b64(b64(b64(alice))), "base64 > base64 > base64"),
	asText("base64 five times", b64(b64(b64(b64(b64(alice))))), "base64 > base64 > base64 > base64 > base64"),
	asText("hex of base64", hexed(b64(alice)), "hex > base64"),
	asText("base64 of hex", b64(hexed(alice)), "base64 > hex"),
	asText("base64 of gzip of base64", b64(gz(`{"d":"`+b64(alice)+`"}`)), "base64 > gzip > base64"),
	asText("base64 of JSON with escapes", b64(`{"e":"`+strings.ReplaceAll(alice, "@", `\u0040`)+`"}`), "base64 > js escapes"),
	asText("base32 of hex", b32(hexed(alice)), "base32 > hex"),
	asText("base58 of percent", b58(pct(alice)), "base58 > percent"),
	asText("rot13 of base64", rot13(b64raw(alice)), "rot13 > base64"),
	asText("base64 of rot13", b64(rot13(alice)), "base64 > rot13"),
	asText("base64, reversed", backwards(b64(alice)), "reversed > base64"),
	asText("base64 of the reversed", b64(backwards(alice)), "base64 > reversed"),
	asText("hex, reversed", backwards(hexed(alice)), "reversed > hex"),
	asText("percent, reversed", backwards(pctAt(alice)), "reversed > percent"),
	asText("entities, reversed", backwards("alice.liddell&#64;example.com"), "reversed > html entities"),
	asText("entities of percent", each(pctAt(alice), "&#%d;"), "html entities > percent"),
	asText("lz-string of base64", lz64(b64(alice)), "lz-string > base64"),
	asText("base64 of lz-string", b64(lz64(`{"email":"`+alice+`"}`)), "base64 > lz-string"),
	asText("JWT in a query in base64", b64("https://x.example/?t="+jwt(`{"email":"`+alice+`"}`)), "base64 > jwt"),
	asText("gzip in gzip", b64(gz(gz(alice+" "+alice))), "base64 > gzip > gzip"),
	asText("spelled out in base64", b64("alice.liddell [at] example [dot] com"), "base64 > spelled out"),
	asText("base64 of quoted-printable", b64("x "+alice[:18]+"=\n"+alice[18:]), "base64 > quoted-printable"),
	asText("full width in percent", pct(fullWidth(alice)), "percent > compatibility forms"),
	asText("codes in base64", b64("["+codes(alice, ",", "%d")+"]"), "base64 > char codes"),
	inHTML("base64 in an attribute in entities", `<p data-x="`+each(b64(alice), "&#%d;")+`">x</p>`, "payload", "attribute data-x", "html entities > base64"),
	inScript("escapes of base64", `atob("`+each(b64(alice), `\x%02x`)+`")`, "js escapes > base64"),
	hashed("a hash in base64 of percent", b64(pct(`"`+hexed(md5s(alice))+`"`)), "base64 > percent", "md5"),
}

func TestDisguises(t *testing.T) {
	found, total := 0, 0
	for _, d := range disguises {
		total++
		got, notes, err := look(t, New(Limits{}), d.kind, d.doc)
		switch {
		case err != nil:
			t.Errorf("%s: %v", d.name, err)
		case len(notes) > 0:
			t.Errorf("%s: %q", d.name, notes)
		case slices.ContainsFunc(got, d.want.is):
			found++
			continue
		}
		t.Errorf("%s: want %+v, got", d.name, d.want)
		for _, s := range got {
			t.Errorf("    %s %s %q %q %q %s", s.Account, s.Place, s.Host, s.Field, strings.Join(s.Chain, " > "), s.Hash)
		}
		if len(got) == 0 {
			t.Errorf("    nothing in %.300q", d.doc)
		}
	}
	t.Logf("recall %d of %d", found, total)
}

// inLong says whether a disguise is to be found in long texts, too.
func (d disguise) inLong() bool {
	rare := []string{"apenstaartje", "chiocciola", "snabel", "kukac", "Klammeraffe", "(a)", "[et]"} // read in short texts only
	return d.kind != audit.CaptureHAR && !strings.Contains(d.name, "UTF-16") && !strings.Contains(d.name, "Latin-1") && !strings.Contains(d.name, "unclosed") &&
		!slices.ContainsFunc(rare, func(w string) bool { return strings.Contains(d.doc, w) })
}

// In a long text other ways of looking for leads are taken: nothing may depend on how long it is, or on where in it something is.
func TestDisguisesInLongDocuments(t *testing.T) {
	for i, d := range disguises {
		if !d.inLong() {
			continue
		}
		filler := strings.Repeat("Some words, and more of them, 12 in all; ", 4000)
		if d.kind == audit.CaptureJS {
			filler = strings.Repeat("f(x, 12);\n", 16000)
		}
		before := filler[:50_000+i*97] + "\n\n"
		got, _, err := look(t, New(Limits{}), d.kind, before+d.doc+"\n\n"+filler)
		if err != nil || !slices.ContainsFunc(got, d.want.is) {
			t.Errorf("%s: %v %v", d.name, got, err)
		}
	}
}

// A window may end anywhere in a disguise.
func TestDisguisesAcrossWindows(t *testing.T) {
	filler := strings.Repeat("f(x, 12);\n", window/10+1)
	for _, d := range disguises {
		if !d.inLong() || len(d.doc) > 64 {
			continue
		}
		for n := range len(d.doc) + 1 {
			got, _, err := look(t, New(Limits{}), d.kind, filler[:window-n-2]+"\n\n"+d.doc+"\n\n")
			if err != nil || !slices.ContainsFunc(got, d.want.is) {
				t.Errorf("%s, %d bytes before the next window: %v %v", d.name, n, got, err)
			}
		}
	}
}
