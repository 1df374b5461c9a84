package mailkind

import (
	"slices"
	"strings"
	"testing"
)

func TestSender(t *testing.T) {
	const pass = "Authentication-Results: mx.site.example; dkim=pass header.d=acme.example\n"
	cases := []struct {
		name    string
		headers string
		want    Sender
	}{
		{"aligned signature", pass + "DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=k; bh=x=; b=y=\nFrom: Acme <no-reply@acme.example>\n",
			Sender{From: "acme.example", Signed: []string{"acme.example"}, Proved: true, How: byDKIM}},
		{"aligned by organizational domain", "Authentication-Results: mx.site.example; dkim=pass header.d=mail.acme.co.uk\nFrom: a@news.acme.co.uk\n",
			Sender{From: "news.acme.co.uk", Proved: true, How: byDKIM}},
		{"two customers of one public suffix", "Authentication-Results: mx.site.example; dkim=pass header.d=evil.co.uk\nFrom: a@acme.co.uk\n",
			Sender{From: "acme.co.uk", How: notAligned}},
		{"a public suffix itself signs", "Authentication-Results: mx.site.example; dkim=pass header.d=co.uk\nFrom: a@acme.co.uk\n",
			Sender{From: "acme.co.uk", How: notAligned}},
		{"unaligned signature", "Authentication-Results: mx.site.example; dkim=pass header.d=sendgrid.net\nDKIM-Signature: d=sendgrid.net;\n s=x\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Signed: []string{"sendgrid.net"}, How: notAligned}},
		{"aligned by header.i", "Authentication-Results: mx.site.example; dkim=pass header.i=@mail.acme.example header.b=abc\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"failed signature", "Authentication-Results: mx.site.example; dkim=fail header.d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: notAligned}},
		{"a false signature in somebody's name", pass + "Authentication-Results: mx.site.example; dkim=fail header.d=innocent.example\nDKIM-Signature: d=innocent.example\nDKIM-Signature: d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Signed: []string{"acme.example"}, Proved: true, How: byDKIM}},
		{"one that fails and one that passes", pass + "Authentication-Results: mx.site.example; dkim=fail header.d=esp.example; dkim=pass header.d=esp.example\nDKIM-Signature: d=esp.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Signed: []string{"esp.example"}, Proved: true, How: byDKIM}},
		{"several domains in one signature", "DKIM-Signature: d=esp.example; d=another.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Signed: []string{"esp.example"}, How: noResults}},
		{"found false by who is not asked", "Authentication-Results: mx.other.example; dkim=fail header.d=esp.example\nDKIM-Signature: d=esp.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Signed: []string{"esp.example"}, How: noResults}},
		{"spf aligned", "Authentication-Results: mx.site.example; spf=pass smtp.mailfrom=bounce@mail.acme.example; dkim=none\nReturn-Path: <bounce@mail.acme.example>\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Envelope: "mail.acme.example", Proved: true, How: bySPF}},
		{"spf of a domain alone", "Authentication-Results: mx.site.example; spf=pass smtp.mailfrom=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Proved: true, How: bySPF}},
		{"spf of the greeting only", "Authentication-Results: mx.site.example; spf=pass smtp.helo=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: notAligned}},
		{"spf unaligned", "Authentication-Results: mx.site.example; spf=pass smtp.mailfrom=b@bounces.mailer.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: notAligned}},
		{"spf softfail", "Authentication-Results: mx.site.example; spf=softfail smtp.mailfrom=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: notAligned}},
		{"another server's word", "Authentication-Results: mx.evil.example; dkim=pass header.d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: noResults}},
		{"a server whose name only begins alike", "Authentication-Results: mx.site.example.evil.example; dkim=pass header.d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: noResults}},
		{"the id in a comment", "Authentication-Results: (mx.site.example) evil.example; dkim=pass header.d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: noResults}},
		{"the pass in a comment", "Authentication-Results: mx.site.example; dkim=fail (dkim=pass header.d=acme.example) header.d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: notAligned}},
		{"the pass in a reason", "Authentication-Results: mx.site.example; dkim=fail reason=\"; dkim=pass header.d=acme.example\"\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: notAligned}},
		{"other case, version, spaces", "authentication-results: MX.Site.Example 1; DKIM = Pass (good) header.d = Acme.EXAMPLE\nFrom: a@ACME.example\n",
			Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"the id quoted", "Authentication-Results: \"mx.site.example\"; dkim/1=pass header.d=\"acme.example\"\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"several results, folded", "Authentication-Results: mx.site.example;\n\tdkim=pass header.d=mailer.example header.s=a;\n\tdkim=pass\n\t header.d=acme.example;\n\tspf=none\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"several headers", "Authentication-Results: mx.evil.example; dkim=pass header.d=acme.example\nAuthentication-Results: mx.site.example; none\nAuthentication-Results: mx.site.example; spf=pass smtp.mailfrom=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Proved: true, How: bySPF}},
		{"what a relay sealed does not count", "ARC-Authentication-Results: i=1; mx.site.example; dkim=pass header.d=acme.example\nFrom: a@acme.example\n",
			Sender{From: "acme.example", How: noResults}},
		{"null envelope", "Return-Path: <>\nFrom: a@acme.example\n", Sender{From: "acme.example", How: noResults}},
		{"topmost envelope", "Return-Path: <a@one.example>\nReturn-Path: <a@two.example>\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Envelope: "one.example", How: noResults}},
		{"international domain", "Authentication-Results: mx.site.example; dkim=pass header.d=xn--bcher-kva.example\nFrom: =?utf-8?q?B=C3=BCcher?= <info@Bücher.example>\n",
			Sender{From: "xn--bcher-kva.example", Proved: true, How: byDKIM}},
		{"several addresses, one domain", pass + "From: a@acme.example, b@mail.acme.example\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"several addresses, several domains", pass + "From: a@acme.example, b@other.example\n", Sender{From: "acme.example", How: severalFroms}},
		{"two From headers", pass + "From: a@acme.example\nFrom: b@other.example\n", Sender{From: "acme.example", How: severalFroms}},
		{"a name that holds another address", pass + "From: \"ceo@bank.example\" <x@acme.example>\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"the same, not quoted", pass + "From: ceo@bank.example <x@acme.example>\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"the same, encoded", pass + "From: =?utf-8?q?=3Cceo=40bank=2Eexample=3E?= <x@acme.example>\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"a comment that holds another address", pass + "From: x@acme.example (ceo@bank.example)\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"a group", pass + "From: The team: a@acme.example, b@acme.example;\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"an empty group", pass + "From: undisclosed:;\n", Sender{How: noFrom}},
		{"no From", pass, Sender{How: noFrom}},
		{"an address literal", "From: a@[192.0.2.1]\nReturn-Path: <a@[IPv6:2001:DB8::1]>\n", Sender{From: "192.0.2.1", Envelope: "2001:db8::1", How: noResults}},
		{"a final dot", pass + "From: a@acme.example.\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"a quoted local part", pass + "From: \"a@b\"@acme.example\n", Sender{From: "acme.example", Proved: true, How: byDKIM}},
		{"several signatures", "DKIM-Signature: v=1; d=mailer.example; b=x\nDKIM-Signature: v=1; D=no.example; d = Acme.Example ; b=y\nFrom: a@acme.example\n",
			Sender{From: "acme.example", Signed: []string{"mailer.example", "acme.example"}, How: noResults}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, _, err := Read(strings.NewReader(c.headers + "Subject: x\n\nx\n"))
			if err != nil {
				t.Fatal(err)
			}
			got := m.Sender("mx.site.example")
			if got.From != c.want.From || got.Envelope != c.want.Envelope || got.Proved != c.want.Proved || got.How != c.want.How || !slices.Equal(got.Signed, c.want.Signed) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("no server configured", func(t *testing.T) {
		m, _, _ := Read(strings.NewReader("Authentication-Results: ; dkim=pass header.d=acme.example\nFrom: a@acme.example\n\nx"))
		if got := m.Sender(""); got.Proved || got.How != noServer {
			t.Errorf("%+v", got)
		}
	})
}
