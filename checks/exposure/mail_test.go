package exposure

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

func TestMail(t *testing.T) {
	type mail struct {
		name string
		html bool
		body string
		want want // none: nothing may be found
	}
	for _, m := range []mail{
		{"image", true, `<img src="https://px.tracker.example/o.gif?e=alice.liddell%40example.com" width=1>`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "percent", ""}},
		{"image, entities in the URL", true, `<img src="https://px.tracker.example/o.gif?a=1&amp;e=alice.liddell&#64;example.com">`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "", ""}},
		{"hash in an image", true, `<img src='https://px.tracker.example/o/` + hexed(md5s(alice)) + `.gif'>`, want{"alice", "sent", "px.tracker.example", "image, url path", "", "md5"}},
		{"srcset", true, `<img srcset="https://a.example/1.png 1x, https://px.tracker.example/2.png?e=` + b64url(alice) + ` 2x">`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "base64", ""}},
		{"background", true, `<td background="//px.tracker.example/b.png?e=` + alice + `">`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "", ""}},
		{"url() in a style", true, `<div style="background:url('https://px.tracker.example/b.png?e=` + alice + `')">`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "", ""}},
		{"url() in a style sheet", true, `<style>@import url(https://px.tracker.example/c.css?e=` + alice + `);</style>`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "", ""}},
		{"style sheet", true, `<link rel=stylesheet href=https://px.tracker.example/c.css?e=` + alice + `>`, want{"alice", "sent", "px.tracker.example", "style sheet, query parameter e", "", ""}},
		{"script", true, `<script src="https://px.tracker.example/c.js?e=` + alice + `"></script>`, want{"alice", "sent", "px.tracker.example", "script, query parameter e", "", ""}},
		{"link", true, `<a href="https://click.tracker.example/c?u=` + b64url(`{"e":"`+alice+`"}`) + `">x</a>`, want{"alice", "sent", "click.tracker.example", "link, query parameter u", "base64", ""}},
		{"link in the path", true, `<a href="https://click.tracker.example/` + hexed(alice) + `/x">x</a>`, want{"alice", "sent", "click.tracker.example", "link, url path", "hex", ""}},
		{"URL in a URL", true, `<a href="https://vendor.example/r?u=https%3A%2F%2Ftracker.example%2F%3Fe%3D` + pct(pctAt(alice)) + `">x</a>`, want{"alice", "sent", "vendor.example", "link, query parameter u", "percent > percent", ""}},
		{"URL in the text", true, `<p>https://click.tracker.example/?e=` + alice + `</p>`, want{"alice", "sent", "click.tracker.example", "link, query parameter e", "", ""}},
		{"plain text", false, "See https://click.tracker.example/?e=" + pctAt(alice) + ".", want{"alice", "sent", "click.tracker.example", "link, query parameter e", "percent", ""}},
		{"plain text in angle brackets", false, "See <https://click.tracker.example/?h=" + hexed(sha256s(alice)) + ">", want{"alice", "sent", "click.tracker.example", "link, query parameter h", "", "sha256"}},
		{"in a comment for one program", true, `<!--[if mso]><img src="https://px.tracker.example/?e=` + alice + `"><![endif]-->`, want{"alice", "sent", "px.tracker.example", "image, query parameter e", "", ""}},
		{"meta refresh", true, `<meta http-equiv=refresh content="0; url=https://px.tracker.example/?e=` + alice + `">`, want{"alice", "sent", "px.tracker.example", "link, query parameter e", "", ""}},
		{"meta refresh in capitals", true, `<meta http-equiv=REFRESH content="0; URL='https://px.tracker.example/?e=` + alice + `'">`, want{"alice", "sent", "px.tracker.example", "link, query parameter e", "", ""}},
		{"meta refresh after letters that grow in lower case", true, `<meta content="` + strings.Repeat("Ⱥ", 20) + `url=">`, want{}},
		{"form", true, `<form action="https://px.tracker.example/?e=` + alice + `">`, want{"alice", "sent", "px.tracker.example", "link, query parameter e", "", ""}},
		{"the text of a mail", true, `<p>Dear ` + alice + `</p>`, want{}},
		{"a mailto", true, `<a href="mailto:` + alice + `">x</a>`, want{}},
		{"the plain text of a mail", false, "Dear " + alice + ", see https://vendor.example/", want{}},
	} {
		f := New(Limits{})
		if _, err := f.Mail(context.Background(), 3, m.html, []byte(m.body)); err != nil {
			t.Fatal(err)
		}
		matcher := f.Matcher()
		matcher.Address("alice", alice)
		got := matcher.Sightings()[3]
		switch {
		case m.want == want{} && len(got) == 0:
		case m.want != want{} && slices.ContainsFunc(got, m.want.is):
		default:
			t.Errorf("%s: want %+v, got %+v", m.name, m.want, got)
		}
	}
}

func TestFieldsHoldNoAddress(t *testing.T) {
	doc := harOf(harEntry{URL: "https://" + hexed(md5s(alice)) + ".px." + hexed(alice) + ".tracker.example/?e=" + alice}, harEntry{URL: "https://" + alice + ":x@t.example/?" + pctAt(alice) + "=" + alice + "&" + hexed(md5s(alice)) + "=" + alice + "&" + b64(alice) + "=" + alice + "&" + hexed(alice) + "=" + alice,
		Req: `"headers":` + headersOf(alice, alice, "Cookie", b64url(alice)+"="+alice)})
	got, _, err := look(t, New(Limits{}), audit.CaptureHAR, doc)
	if err != nil || len(got) < 5 {
		t.Fatal(err, got)
	}
	if !slices.ContainsFunc(got, func(s audit.Sighting) bool { return s.Host == "….px.….tracker.example" }) {
		t.Errorf("no host is told, or all of it is: %+v", got)
	}
	for _, s := range got {
		for _, secret := range []string{alice, pctAt(alice), b64(alice), b64raw(alice), hexed(alice), hexed(md5s(alice))} {
			if strings.Contains(s.Field+s.Host+strings.Join(s.Chain, ""), secret) {
				t.Errorf("%+v", s)
			}
		}
	}
}
