package mailkind

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/mailreeve/mailreeve/audit/address"
)

const head = "From: a@vendor.example\r\nTo: c@site.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n"

// crlf writes a mail with line ends as they come.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestReadsMailAsItComes(t *testing.T) {
	nested := head + crlf(`Content-Type: multipart/mixed; boundary="out"

This is for old programs.
--out
Content-Type: multipart/alternative; boundary=in

--in
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Caf=C3=A9 https://a.example/?q=3D1 is a long line that goes=
 on
--in
Content-Type: multipart/related; boundary="in2"

--in2
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: base64

`+base64.StdEncoding.EncodeToString([]byte("<p>Gr\xfc\xdfe</p>"))+`
--in2
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--in2--
--in--
--out
Content-Type: text/plain
Content-Disposition: attachment; filename=notes.txt

attached
--out--
trailing
`)
	cases := []struct {
		name  string
		mail  string
		parts []string // "html " or "" or "attached ", and the text
		notes []string
	}{
		{"nested parts", nested, []string{"Café https://a.example/?q=1 is a long line that goes on", "html <p>Grüße</p>", "attached attached"}, nil},
		{"the same with bare line feeds", strings.ReplaceAll(nested, "\r\n", "\n"),
			[]string{"Café https://a.example/?q=1 is a long line that goes on", "html <p>Grüße</p>", "attached attached"}, nil},
		{"a mail in a mail", head + crlf("Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: text/plain\n\ninside\n"), []string{"inside\r\n"}, nil},
		{"no content type", head + "\r\nplain\r\n", []string{"plain\r\n"}, nil},
		{"no content type, but a page", head + "\r\n<html><p>x</p>", []string{"html <html><p>x</p>"}, nil},
		{"boundary not named", head + crlf("Content-Type: multipart/mixed\n\n--b17\nContent-Type: text/plain\n\none\n--b17\nContent-Type: text/html\n\n<b>two</b>\n--b17--\n"),
			[]string{"one", "html <b>two</b>"}, []string{"a multipart that does not name its boundary: the boundary was guessed"}},
		{"wrong boundary", head + crlf("Content-Type: multipart/mixed; boundary=x\n\n--b17\nContent-Type: text/plain\n\none\n--b17--\n"),
			[]string{"one"}, []string{"a multipart that does not name its boundary: the boundary was guessed"}},
		{"no boundary anywhere", head + crlf("Content-Type: multipart/mixed; boundary=x\n\nhello\n"), []string{"hello\r\n"},
			[]string{"a multipart without its boundary: read as text"}},
		{"truncated in a part", head + crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\none\n--b\nContent-Type: text/plain\n\ntw"),
			[]string{"one", "tw"}, []string{"a multipart ends before its last boundary"}},
		{"truncated in a part's header", head + crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/pl"), []string{""},
			[]string{"a multipart ends before its last boundary"}},
		{"a part without the empty line", head + crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nhello there\n--b--\n"), []string{"hello there"}, nil},
		{"a header line that is none", "From: a@vendor.example\r\nthis is no header\r\nSubject: x\r\n", []string{"this is no header\r\nSubject: x\r\n"},
			[]string{"a header ends without an empty line: the rest was read as its body"}},
		{"no headers at all", "Just a text.\n\nWith paragraphs.\n", []string{"Just a text.\n\nWith paragraphs.\n"}, []string{"no header of a mail: read as text"}},
		{"as a mailbox keeps it", "From a@vendor.example Thu Jan  1 00:00:00 2026\n" + head + "\r\nx", []string{"x"}, nil},
		{"base64 with rubbish in it", head + "Content-Transfer-Encoding: base64\r\n\r\naGV*sbG8=\r\n", []string{"hello"},
			[]string{"a part in base64 holds what is no base64: that was left out"}},
		{"base64, cut", head + "Content-Transfer-Encoding: BASE64\r\n\r\naGVsbG8gd29ybG", []string{"hello worl"}, nil},
		{"base64 in pieces", head + "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\nIHdvcmxk\r\n", []string{"hello world"}, nil},
		{"quoted-printable, malformed", head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n100 =% of =C3=A9", []string{"100 =% of é"}, nil},
		{"quoted-printable with what it must not hold", head + "Content-Transfer-Encoding: quoted-printable\r\n\r\na\x01b =%1 =C3=A9 go= \r\nes on", []string{"a\x01b =%1 é goes on"},
			[]string{"a part in quoted-printable is malformed: its odd places were read as they are"}},
		{"unknown transfer encoding", head + "Content-Transfer-Encoding: x-own\r\n\r\nhello", []string{"hello"}, []string{"a part has an unknown transfer encoding: read as it is"}},
		{"unknown charset", head + "Content-Type: text/plain; charset=x-own\r\n\r\nGr\xfc\xdfe", []string{"Grüße"},
			[]string{"a part is not in the charset that it names: read as what it looks like"}},
		{"says Latin-1, is UTF-8", head + "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGrüße", []string{"Grüße"},
			[]string{"a part is not in the charset that it names: read as what it looks like"}},
		{"says UTF-8, is Latin-1", head + "Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xfc\xdfe", []string{"Grüße"},
			[]string{"a part is not in the charset that it names: read as what it looks like"}},
		{"says UTF-16, is ASCII", head + "Content-Type: text/plain; charset=utf-16\r\n\r\nplain", []string{"plain"},
			[]string{"a part is not in the charset that it names: read as what it looks like"}},
		{"a page that names its charset itself", head + "Content-Type: text/html\r\n\r\n<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>",
			[]string{"html <meta charset=windows-1251><p>Привет</p>"}, nil},
		{"a content type that breaks the rules", head + "Content-Type: text/html charset=utf-8\r\n\r\n<p>x</p>", []string{"html <p>x</p>"}, nil},
		{"UTF-16 in base64 that ends in a letter", head + "Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\naABpAA==\r\n", []string{"hi"}, nil},
		{"base64 in pieces, one of them broken", head + "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd=IHdvcmxk\r\n", []string{"hello  world"},
			[]string{"a part in base64 holds what is no base64: that was left out"}},
		{"a long line before the first part", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("x", 10_000) + "\r\n--b\r\n\r\none\r\n--b--\r\n", []string{"one"}, nil},
		{"a boundary of 10,000 bytes", head + "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 10_000) + "\r\n\r\n--" + strings.Repeat("b", 10_000) + "\r\n\r\none\r\n", []string{"--" + strings.Repeat("b", 10_000) + "\r\n\r\none\r\n"},
			[]string{"a multipart without its boundary: read as text"}},
		{"nothing but an image", head + "Content-Type: image/png\r\n\r\n\x89PNG", nil, []string{"no part of it holds text"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, notes, err := Read(strings.NewReader(c.mail))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range m.Parts {
				s := string(p.Body)
				if p.HTML {
					s = "html " + s
				}
				if p.Attached {
					s = "attached " + s
				}
				got = append(got, s)
			}
			if !slices.Equal(trimmed(got), trimmed(c.parts)) {
				t.Errorf("parts %q, want %q", got, c.parts)
			}
			for _, n := range c.notes {
				if !slices.Contains(notes, n) {
					t.Errorf("notes %q, want %q", notes, n)
				}
			}
			if c.notes == nil && len(notes) > 0 {
				t.Errorf("notes %q, want none", notes)
			}
		})
	}
}

func trimmed(list []string) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

func TestCharsets(t *testing.T) {
	for _, c := range []struct {
		name string
		enc  encoding.Encoding
		text string
	}{
		{"iso-8859-1", charmap.ISO8859_1, "Grüße aus Köln, déjà vu"},
		{"ISO-8859-15", charmap.ISO8859_15, "Das kostet 5 €, né à Œuf"},
		{"windows-1252", charmap.Windows1252, "“Quoted” – 5 €"},
		{"windows-1251", charmap.Windows1251, "Ваша подписка"},
		{"koi8-r", charmap.KOI8R, "Ваша подписка"},
		{"utf-8", unicode.UTF8, "日本語 é"},
		{"utf-16", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "Grüße 日本"},
		{"utf-16be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "Grüße 日本"},
		{"UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "Grüße 日本"},
		{"iso-2022-jp", japanese.ISO2022JP, "ご登録ありがとうございます"},
		{"shift_jis", japanese.ShiftJIS, "無料トライアルは終了します"},
		{"euc-jp", japanese.EUCJP, "請求書のご案内"},
		{"gb18030", simplifiedchinese.GB18030, "您的订阅即将到期"},
		{"gb2312", simplifiedchinese.GBK, "您的订阅"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := c.enc.NewEncoder().Bytes([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			mail := head + "Content-Type: text/plain; charset=" + c.name + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(b)
			m, notes, err := Read(strings.NewReader(mail))
			if err != nil || len(notes) > 0 || len(m.Parts) != 1 || string(m.Parts[0].Body) != c.text {
				t.Errorf("%v %q %v", m, notes, err)
			}
		})
	}
}

func TestEncodedSubjectTellsTheKind(t *testing.T) {
	for _, subject := range []string{
		"=?utf-8?q?Passwort_zur=C3=BCcksetzen?=",
		"=?iso-8859-1?Q?Passwort_zur=FCcksetzen?=",
		"Passwort zurücksetzen",
		"Passwort zur\xfccksetzen",
		"=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte("パスワードの再設定")) + "?=",
		"=?iso-2022-jp?B?" + base64.StdEncoding.EncodeToString([]byte("\x1b$B%Q%9%o!<%I$N:F@_Dj\x1b(B")) + "?=",
	} {
		m, _, err := Read(strings.NewReader("Subject: " + subject + "\r\n\r\n."))
		if err != nil {
			t.Fatal(err)
		}
		if v := m.Kind(); v.Kind != Other || len(v.Signs) == 0 || !strings.Contains(v.Signs[0], "password reset") {
			t.Errorf("%q: %v", subject, v)
		}
	}
}

func TestWhatIsNoMailIsRefusedWithAReason(t *testing.T) {
	random := make([]byte, 4096)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(random)
	for name, c := range map[string]struct {
		in   io.Reader
		want string
	}{
		"empty":           {strings.NewReader(""), "no mail: it is empty"},
		"blank":           {strings.NewReader(" \r\n\t\n"), "no mail: it is empty"},
		"a program":       {strings.NewReader("\x7fELF\x02\x01\x01\x00\x00\x00\x00"), "no mail: it is binary, without any header of a mail"},
		"random":          {bytes.NewReader(random), "no mail: it is binary, without any header of a mail"},
		"an image":        {strings.NewReader("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "no mail: it is binary, without any header of a mail"},
		"a broken reader": {iotest.ErrReader(errors.New("secret@site.example")), "the mail cannot be read: reading it failed before its first byte"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, err := Read(c.in)
			if err == nil || err.Error() != c.want || m != nil {
				t.Errorf("%v, %v", m, err)
			}
		})
	}
}

func TestHostileMailIsReadInBounds(t *testing.T) {
	deep := func(n int) string {
		var b strings.Builder
		b.WriteString("From: a@vendor.example\r\n")
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		b.WriteString("Content-Type: text/plain\r\n\r\ninside\r\n")
		return b.String()
	}
	for name, mail := range map[string]string{
		"10,000 nested parts":           deep(10_000),
		"10,000 mails in mails":         head + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 10_000),
		"100,000 parts":                 head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100_000),
		"200,000 header fields":         strings.Repeat("X-A: b\r\n", 200_000) + "Subject: x\r\n\r\nx",
		"a header of 4 MB":              "Subject: " + strings.Repeat("a", 4<<20) + "\r\n\r\nx",
		"a folded header of 4 MB":       "Subject: a\r\n" + strings.Repeat(" a\r\n", 1<<20) + "\r\nx",
		"headers of parts, 4 MB":        head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: " + strings.Repeat("a", 4<<20) + "\r\n\r\nx\r\n--b--",
		"a page 100,000 deep":           head + "Content-Type: text/html\r\n\r\n" + strings.Repeat("<div>", 100_000) + "sale",
		"one tag of 2 MB":               head + "Content-Type: text/html\r\n\r\n<a title=\"" + strings.Repeat("x", 2<<20),
		"a lot of one word":             head + "\r\n" + strings.Repeat("invited you ", 200_000),
		"a lot of Japanese":             head + "\r\n" + strings.Repeat("招待", 400_000),
		"a lot of combining marks":      head + "\r\n" + strings.Repeat("\u0301", 1_000_000),
		"a lot of results":              "From: a@b.example\r\nAuthentication-Results: mx" + strings.Repeat("; dkim=pass (((", 100_000) + "\r\n\r\nx",
		"a signature of 70,000 domains": "Authentication-Results: mx; dkim=pass header.d=a.example\r\nDKIM-Signature: v=1" + domainTags(70_000) + "\r\n\r\nx",
		"200,000 addresses":             "From: " + strings.Repeat("a@b.example, ", 200_000) + "\r\n\r\nx",
		"200,000 encoded words":         "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 200_000) + "\r\n\r\nx",
		"a boundary that is longer":     head + "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 100_000) + "\r\n\r\n--b\r\n\r\nx",
		"ligatures that grow":           head + "\r\n" + strings.Repeat("\uFDFA", 600_000),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			m, notes, err := Read(strings.NewReader(mail))
			if err != nil {
				t.Fatal(err)
			}
			_ = m.Kind()
			_ = m.Sender("mx")
			if len(notes) > maxNotes || len(m.Parts) > maxParts {
				t.Errorf("%d notes, %d parts", len(notes), len(m.Parts))
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Log(took)
			}
		})
	}
}

// domainTags are many d= tags, no two of them the same.
func domainTags(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "; d=a%d.example", i)
	}
	return b.String()
}

// says is all that is said about a mail in words.
func says(m *Mail, notes []string) []string {
	v := m.Kind()
	return slices.Concat(notes, v.Signs, []string{v.Kind, m.Sender("mx.site.example").How})
}

func TestNothingThatIsSaidHoldsAnAddress(t *testing.T) {
	const planted = "jane.doe@site.example"
	files, err := filepath.Glob("examples/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	source := rand.New(rand.NewPCG(1, 2))
	for _, file := range files {
		mails, _ := ownMails(t, filepath.Base(file))
		for _, mail := range mails {
			for range 2 {
				b := []byte("X-Campaign: " + planted + "\nList-Id: <" + planted + ">\nFrom: " + planted + "\nContent-Type: " + planted + "\n" + mail)
				for range 2 {
					at := source.IntN(len(b))
					b = slices.Insert(b, at, []byte(" "+planted+" ")...)
				}
				m, notes, err := Read(bytes.NewReader(b[:source.IntN(len(b))+1]))
				if err != nil {
					if address.LooksLike([]byte(err.Error())) {
						t.Fatalf("error %q", err)
					}
					continue
				}
				for _, s := range says(m, notes) {
					if address.LooksLike([]byte(s)) || strings.Contains(s, "jane") {
						t.Fatalf("%q", s)
					}
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range []string{"first.txt", "second.txt"} {
		mails, _ := ownMails(f, file)
		for i := 0; i < len(mails); i += 10 {
			f.Add([]byte(mails[i]))
		}
	}
	f.Add([]byte(head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=shift_jis\r\nContent-Transfer-Encoding: base64\r\n\r\ngqA=\r\n--b--"))
	f.Add([]byte("Authentication-Results: mx; dkim=pass (a(b)\\)) header.d=\"x.example\"; spf=pass smtp.mailfrom=a@b.example\r\nFrom: g: a@x.example, \"b@c\" <d@e.example>;\r\n\r\n."))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, notes, err := Read(bytes.NewReader(b))
		if err != nil {
			if m != nil || address.LooksLike([]byte(err.Error())) {
				t.Fatalf("error %q", err)
			}
			return
		}
		size := 0
		for _, p := range m.Parts {
			size += len(p.Body)
		}
		if size > 8*len(b)+1024 || len(m.Parts) > maxParts {
			t.Fatalf("%d parts with %d bytes of %d", len(m.Parts), size, len(b))
		}
		for _, s := range says(m, notes) {
			if address.LooksLike([]byte(s)) {
				t.Fatalf("%q", s)
			}
		}
		if v := m.Kind(); !slices.Contains(Kinds(), v.Kind) || len(v.Signs) == 0 || len(v.Signs) > maxSigns {
			t.Fatalf("%+v", v)
		}
		s := m.Sender("mx")
		for _, h := range append([]string{s.From, s.Envelope}, s.Signed...) {
			if strings.ContainsAny(h, "@ \t\r\n<>\"") || h != strings.ToLower(h) {
				t.Fatalf("host %q", h)
			}
		}
	})
}
