package exposure

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// More ways in which pages, frameworks and trackers carry addresses, thought up apart from the table of disguises. Only the account and the place are asked
// for. Not read, of what was thought up: ROT47, binary digits, two hashes in one run of digits, and content: attr(…) of CSS.
func TestInTheWild(t *testing.T) {
	em := hexed(sha256s(alice))
	type wild struct {
		name  string
		kind  audit.CaptureKind
		doc   string
		place string
	}
	list := []wild{
		{"react props in a data attribute", "html", `<div id="root" data-props='{"user":{"name":"Alice","email":"` + alice + `"}}'></div>`, "payload"},
		{"react props in entities", "html", `<div data-react-props="{&quot;user&quot;:{&quot;email&quot;:&quot;` + strings.Replace(alice, "@", "&#x40;", 1) + `&quot;}}"></div>`, "payload"},
		{"Next.js data", "html", `<script id="__NEXT_DATA__" type="application/json">{"props":{"pageProps":{"viewer":{"email":"` + alice + `"}}}}</script>`, "payload"},
		{"Next.js stream", "html", `<script>self.__next_f.push([1,"5:{\"email\":\"` + alice + `\"}\n"])</script>`, "payload"},
		{"Nuxt state", "html", `<script>window.__NUXT__=(function(a,b){return {data:[{e:a+"@"+b}]}}("alice.liddell","example.com"));</script>`, ""},
		{"Redux state with escapes", "html", `<script>window.__STATE__ = "%7B%22email%22%3A%22alice.liddell%40example.com%22%7D"</script>`, "payload"},
		{"GraphQL", "har", harOf(harEntry{Content: bodyOf("application/json", `{"data":{"issue":{"assignee":{"accountId":"x","emailAddress":"`+alice+`"}}}}`)}), "payload"},
		{"JSON in unicode escapes", "har", harOf(harEntry{Content: bodyOf("application/json", `{"e":"alice.liddell\u0040example\u002ecom"}`)}), "payload"},
		{"JSONP", "har", harOf(harEntry{Content: bodyOf("application/javascript", `/**/cb123({"email":"`+alice+`"});`)}), "payload"},
		{"gravatar", "html", `<img class="avatar" src="//secure.gravatar.com/avatar/` + hexed(md5s(alice)) + `?d=mm&amp;s=48">`, "payload"},
		{"gravatar with sha256", "html", `<img src="https://gravatar.com/avatar/` + em + `.jpg">`, "payload"},
		{"srcset of gravatars", "html", `<img srcset="https://g.example/avatar/` + hexed(md5s(alice)) + `?s=96 2x, https://g.example/x 1x">`, "payload"},
		{"Segment identify", "har", harOf(harEntry{URL: "https://api.segment.example/v1/i", Req: post("text/plain", `{"userId":"1","traits":{"email":"`+alice+`"},"type":"identify"}`)}), "sent"},
		{"Google user data", "har", harOf(harEntry{URL: "https://www.google.example/ccm/form-data/1?em=tv.1~em." + b64url(sha256s(alice))}), "sent"},
		{"Google enhanced conversions", "har", harOf(harEntry{URL: "https://g.example/pagead/1?ec_mode=c&em=e0~" + b64url(sha256s(alice)) + "~x"}), "sent"},
		{"Facebook pixel", "har", harOf(harEntry{URL: "https://f.example/tr/?id=1&ev=PageView&ud%5Bem%5D=" + em}), "sent"},
		{"Facebook's advanced matching in a body", "har", harOf(harEntry{URL: "https://f.example/tr/", Req: post("application/x-www-form-urlencoded", "id=1&udff%5Bem%5D="+em)}), "sent"},
		{"Snapchat u_hem", "har", harOf(harEntry{URL: "https://tr.s.example/p", Req: post("application/json", `{"u_hem":"`+em+`"}`)}), "sent"},
		{"TikTok context", "har", harOf(harEntry{URL: "https://a.t.example/api/v2/pixel", Req: post("application/json", `{"context":{"user":{"email":"`+strings.ToUpper(em)+`"}}}`)}), "sent"},
		{"Criteo sha256 of md5", "har", harOf(harEntry{URL: "https://c.example/event?p0=e%3Dce%26m%3D%255B" + hexed(sha256s(hexed(md5s(alice)))) + "%255D"}), "sent"},
		{"Intercom settings", "html", `<script>window.intercomSettings={app_id:"x",email:"` + alice + `",user_hash:"` + hexed(sha256s("secret")) + `"};</script>`, "payload"},
		{"Sentry user", "har", harOf(harEntry{URL: "https://o1.sentry.example/api/1/envelope/", Req: post("text/plain", `{"sent_at":"x"}`+"\n"+`{"type":"event"}`+"\n"+`{"user":{"email":"`+alice+`"},"breadcrumbs":[]}`)}), "sent"},
		{"Mixpanel in base64", "har", harOf(harEntry{URL: "https://api.m.example/track/?data=" + pct(b64(`{"event":"x","properties":{"$email":"`+alice+`"}}`)) + "&ip=1"}), "sent"},
		{"Amplitude form", "har", harOf(harEntry{URL: "https://api.a.example/", Req: post("application/x-www-form-urlencoded", "client=1&e="+strings.ReplaceAll(pctAt(`[{"user_id":"`+alice+`","event":"a b"}]`), " ", "+"))}), "sent"},
		{"HubSpot", "har", harOf(harEntry{URL: "https://track.h.example/__ptq.gif?k=1&i=" + strings.ReplaceAll(pctAt("email="+alice+"&id=1"), "&", "%26")}), "sent"},
		{"Klaviyo cookie", "har", harOf(harEntry{Req: `"headers":` + headersOf("cookie", "__kla_id="+b64(`{"$email":"`+alice+`","$referrer":{}}`))}), "sent"},
		{"Hotjar websocket", "har", harOf(harEntry{URL: "wss://ws.h.example/", Extra: `"_webSocketMessages":[{"type":"send","opcode":2,"data":"` + b64(zl(`["identify","`+alice+`"]`)) + `"}]`}), "sent"},
		{"FullStory gzip body", "har", harOf(harEntry{URL: "https://rs.f.example/rec", Req: post("application/octet-stream", b64(gz(`{"uid":"`+alice+`"}`)))}), "sent"},
		{"LogRocket lz-string", "har", harOf(harEntry{URL: "https://r.l.example/i?d=" + lzURI(`{"email":"`+alice+`"}`)}), "sent"},
		{"matrix parameter", "har", harOf(harEntry{URL: "https://t.example/p;email=" + pctAt(alice) + ";x=1"}), "sent"},
		{"ETag", "har", harOf(harEntry{Res: `"headers":` + headersOf("ETag", `W/"`+hexed(md5s(alice))+`"`)}), "payload"},
		{"Link header", "har", harOf(harEntry{Res: `"headers":` + headersOf("Link", "</u/"+pctAt(alice)+">; rel=self")}), "payload"},
		{"Content-Disposition", "har", harOf(harEntry{Res: `"headers":` + headersOf("Content-Disposition", "attachment; filename*=UTF-8''"+pctAt(alice)+".csv")}), "payload"},
		{"SSE", "har", harOf(harEntry{Content: bodyOf("text/event-stream", "event: user\ndata: {\"e\":\""+alice+"\"}\n\n")}), "payload"},
		{"CSV", "har", harOf(harEntry{Content: bodyOf("text/csv", "id;email\n1;"+alice+"\n")}), "payload"},
		{"XML with CDATA", "har", harOf(harEntry{Content: bodyOf("application/xml", "<u><e><![CDATA["+alice+"]]></e></u>")}), "payload"},
		{"vCard", "text", "BEGIN:VCARD\nEMAIL;TYPE=work:" + alice + "\nEND:VCARD", "visible"},
		{"vCard in base64 in a QR's link", "html", `<a href="data:text/vcard;base64,` + b64("BEGIN:VCARD\nEMAIL:"+alice+"\nEND:VCARD") + `">x</a>`, "payload"},
		{"SVG text", "html", `<svg viewBox="0 0 1 1"><text>` + alice[:5] + `<tspan>` + alice[5:] + `</tspan></text></svg>`, "visible"},
		{"SVG as a data URL", "html", `<img src="data:image/svg+xml,%3Csvg%3E%3Ctext%3E` + pctAt(alice) + `%3C/text%3E%3C/svg%3E">`, "payload"},
		{"SVG as base64", "html", `<img src="data:image/svg+xml;base64,` + b64("<svg><text>"+alice+"</text></svg>") + `">`, "payload"},
		{"CSS content", "html", `<style>.m::after{content:"alice.liddell" "\000040" "example.com"}</style>`, "payload"},
		{"meta refresh", "html", `<meta http-equiv="refresh" content="0;url=/welcome?e=` + pctAt(alice) + `">`, "payload"},
		{"form action", "html", `<form action="/x?e=` + b64url(alice) + `" method=post></form>`, "payload"},
		{"window.name", "js", `window.name='{"e":"` + pctAt(alice) + `"}'`, "payload"},
		{"postMessage", "js", `parent.postMessage({type:'id',e:btoa('` + alice + `')},'*')`, "payload"},
		{"localStorage.setItem", "js", `localStorage.setItem("u", "` + b64(`{"mail":"`+alice+`"}`) + `")`, "payload"},
		{"document.write of pieces", "js", `document.write("<a href='mai"+"lto:"+"alice"+"."+"liddell"+"&#64;"+"example"+"."+"com'>");`, "payload"},
		{"noSpam with a replaced part", "js", `var m="alice.liddell(nospam)example.com".replace("(nospam)","@");`, "payload"},
		{"split and join", "js", `"alice.liddell~example.com".split("~").join("@")`, "payload"},
		{"hidden decoy inside", "html", `alice.liddell@<span style='display: none;'>remove-this.</span>example.com`, "visible"},
		{"bold sign", "html", `<p>Mail: alice.liddell<strong>&#x40;</strong>example<em>.</em>com</p>`, "visible"},
		{"image for the sign", "html", `<p>alice.liddell<img src="at.png" alt="@">example.com</p>`, ""},
		{"zero-width no-break", "html", `<p>alice&#8288;.liddell&#65279;@example.com</p>`, "visible"},
		{"word joiners in an attribute", "html", `<p title="alice&zwnj;.liddell@example.com">x</p>`, "visible"},
		{"bidi marks", "html", "<p>\u202ealice.liddell@example.com\u202c</p>", "visible"},
		{"rtl with the at spelled", "html", `<span dir=rtl>` + backwards("alice.liddell [at] example [dot] com") + `</span>`, ""},
		{"double base64 in a hash route", "har", harOf(harEntry{URL: "https://app.vendor.example/#/u/" + b64url(b64url(alice))}), "sent"},
		{"double encoded referer", "har", harOf(harEntry{Req: `"headers":` + headersOf("Referer", "https://x.example/?r=https%253A%252F%252Fy.example%252F%253Fe%253D"+pct(pctAt(alice)))}), "sent"},
		{"RFC 2047", "text", "Subject: =?utf-8?B?" + b64("Hi "+alice) + "?=", "visible"},
		{"RFC 2047, Q", "text", "Subject: =?utf-8?Q?Hi_alice.liddell=40example.com?=", "visible"},
		{"UTF-7", "html", "<p>alice.liddell+AEA-example.com</p>", "visible"},
		{"hash with dashes", "text", dashed(hexed(md5s(alice))), ""},
		{"hash after letters", "text", "email_sha256_" + em, "visible"},
		{"hash right after letters", "text", "md5" + hexed(md5s(alice)), ""},
		{"PHP serialised", "text", `a:1:{s:5:"email";s:25:"` + alice + `";}`, "visible"},
		{"msgpack in base64", "text", b64("\x81\xa5email\xb9" + alice), "visible"},
		{"protobuf in base64", "text", b64url("\x0a\x19" + alice + "\x10\x01"), "visible"},
		{"octal codes", "js", `"` + codes(alice, "", `\%03o`) + `"`, "payload"},
		{"template with a function", "js", "const at='@'; el.textContent = `${'alice.liddell'}${at}${'example.com'}`", "payload"},
		{"array from entries", "js", `["example.com","alice.liddell"].reverse().join("@")`, "payload"},
		{"constants in an object", "js", `const C={A:"alice.liddell",B:"@",C:"example.com"};x(C.A+C.B+C.C)`, "payload"},
	}
	missed := 0
	for _, w := range list {
		got, _, err := look(t, New(Limits{}), w.kind, w.doc)
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		if !slices.ContainsFunc(got, func(s audit.Sighting) bool {
			return s.Account == "alice" && (w.place == "" || string(s.Place) == w.place)
		}) {
			missed++
			t.Errorf("%s: %v in %.200s", w.name, got, w.doc)
		}
	}
	t.Logf("%d of %d", len(list)-missed, len(list))
}

func dashed(s string) string {
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
