package exposure

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

func TestWhatCouldNotBeLookedAtSaysSo(t *testing.T) {
	for _, c := range []struct {
		name string
		kind audit.CaptureKind
		doc  string
		want error
	}{
		{"nothing", audit.CaptureHAR, "", ErrNotHAR},
		{"binary", audit.CaptureHAR, "\x00\x01\x02\xff\xfe", ErrNotHAR},
		{"other JSON", audit.CaptureHAR, `{"entries":[]}`, ErrNotHAR},
		{"a page", audit.CaptureHAR, "<html>" + alice, ErrNotHAR},
		{"no bodies", audit.CaptureHAR, harOf(harEntry{Content: `"size":100,"mimeType":"text/html"`}), ErrNoBodies},
		{"cut off before the first entry", audit.CaptureHAR, `{"log":{"entries":[`, ErrCutOff},
		{"cut off within a request", audit.CaptureHAR, `{"log":{"entries":[{"request":{"url":"https://t.example/?e=` + pctAt(alice) + `"`, ErrCutOff},
		{"no JSON before the first body", audit.CaptureHAR, `{"log":{"entries":[{"request":{"url":"https://t.example/"},oops`, ErrCutOff},
		{"an unknown kind", "pdf", alice, ErrKind},
	} {
		_, err := New(Limits{}).Scan(context.Background(), 1, c.kind, strings.NewReader(c.doc))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if notes, err := New(Limits{}).Scan(context.Background(), 1, audit.CaptureHAR, strings.NewReader(`{"log":{"entries":[]}}`)); err != nil || len(notes) > 0 {
		t.Errorf("an archive of nothing: %v, %v", notes, err)
	}
}

func TestTruncatedArchiveIsReadAsFarAsItGoes(t *testing.T) {
	one := harEntry{URL: "https://t.example/?e=" + pctAt(alice), Content: bodyOf("application/json", `{"a":"`+alice+`"}`)}
	doc := harOf(one, one, one)
	for cut := len(doc) - 1; cut > 0; cut -= 7 {
		f := New(Limits{})
		got, notes, err := look(t, f, audit.CaptureHAR, doc[:cut])
		if err != nil && !errors.Is(err, ErrNotHAR) && !errors.Is(err, ErrNoBodies) && !errors.Is(err, ErrCutOff) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if cut > len(doc)-30 && len(got) < 2 {
			t.Errorf("cut at %d: %v %v", cut, got, err)
		}
		if err == nil && len(notes) == 0 {
			t.Errorf("cut at %d: nothing says so", cut)
		}
	}
}

func TestArchiveCutOffAfterABodyIsRead(t *testing.T) {
	one := harEntry{URL: "https://t.example/", Content: bodyOf("application/json", `{"a":"`+alice+`"}`)}
	whole := harOf(one)
	for name, doc := range map[string]string{
		"in the first entry, after its body": whole[:strings.Index(whole, alice)+len(alice)+6],
		"in the second entry":                whole[:strings.LastIndex(whole, "]")] + `,{"request":{"url":"https://t.exa`,
	} {
		got, notes, err := look(t, New(Limits{}), audit.CaptureHAR, doc)
		if err != nil || len(got) == 0 || len(notes) == 0 {
			t.Errorf("%s: %v, %v, %v", name, got, notes, err)
		}
	}
}

func TestDeepNestingIsNeitherSlowNorFatal(t *testing.T) {
	const deep = 100_000
	for name, doc := range map[string]string{
		"div":       strings.Repeat("<div>", deep) + alice + strings.Repeat("</div>", deep),
		"b":         strings.Repeat("<b>", deep) + alice + strings.Repeat("</i>", deep),
		"i in b":    "<i>" + strings.Repeat("<b>", deep) + alice + strings.Repeat("</i>", deep),
		"p":         strings.Repeat("<p>", deep) + alice,
		"hidden":    strings.Repeat("<p hidden>", deep) + alice,
		"table":     strings.Repeat("<table><tr><td>", deep/3) + alice,
		"comments":  strings.Repeat("<!--", deep) + alice,
		"texts":     strings.Repeat("a<b>", deep) + alice,
		"style":     strings.Repeat("<style>", deep) + alice,
		"quotes":    strings.Repeat(`<a x="`, deep) + alice,
		"equals":    "<a " + strings.Repeat("=", deep) + ">" + alice,
		"less":      strings.Repeat("<", deep) + alice,
		"slashes":   strings.Repeat("</", deep) + alice,
		"at signs":  strings.Repeat("@", deep) + alice,
		"percents":  strings.Repeat("%25", deep) + "40" + alice,
		"ampersand": strings.Repeat("&amp;", deep) + alice,
		"backslash": strings.Repeat(`\u005c`, deep) + alice,
		"back refs": strings.Repeat("#&", 3*deep) + alice,
		"back js":   strings.Repeat(`u\z`, 3*deep) + alice,
		"dots":      strings.Repeat("a.", deep) + "@" + alice,
		"at words":  strings.Repeat(" at ", deep) + alice,
		"join bomb": `<script>var a="` + strings.Repeat("x", 4000) + `";[` + strings.Repeat(`a.split("").join(a),`, 300) + "]</script>" + alice,
		"tag at":    strings.Repeat("<x at >", deep) + alice,
		"STYLE":     strings.Repeat("<STYLE></STYLE>", deep) + alice,
		"at dots":   strings.Repeat("at dot ", deep) + alice,
		"numbers":   strings.Repeat("64,", deep) + alice,
		"pluses":    strings.Repeat(`"a"+`, deep) + alice,
		"brackets":  strings.Repeat("[", deep) + strings.Repeat("'@'", 1000) + alice,
		"joins":     strings.Repeat(`["a"].join("")`, deep) + alice,
		"templates": strings.Repeat("`${`@", deep) + alice,
		"soft":      strings.Repeat("\u00ad", deep) + alice,
		"wide":      strings.Repeat("＠", deep) + alice,
		"equal hex": strings.Repeat("=40", deep) + alice,
		"css":       "<style>" + strings.Repeat("a{display:none}", deep) + strings.Repeat("/**/", deep/10) + "</style>" + alice,
		"styles":    strings.Repeat("<style>a{", deep) + alice,
	} {
		start := time.Now()
		_, _, err := look(t, New(Limits{}), audit.CaptureHTML, doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s took %v", name, d)
		} else if d > time.Second {
			t.Logf("%s took %v", name, d)
		}
	}
	for name, doc := range map[string]string{
		"arrays":  `{"log":{"x":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `,"entries":[]}}`,
		"objects": `{"log":{"_storage":` + strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep) + `,"entries":[]}}`,
	} {
		if _, _, err := look(t, New(Limits{}), audit.CaptureHAR, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestZipBombIsBounded(t *testing.T) {
	bomb := gz(strings.Repeat("\x00", 300<<20))
	doc := harOf(harEntry{Content: body64("application/json", bomb)}, harEntry{URL: "https://t.example/?e=" + b64url(gz(strings.Repeat("a", 20<<20))), Content: bodyOf("text/html", alice)})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, notes, err := look(t, New(Limits{}), audit.CaptureHAR, doc)
	runtime.ReadMemStats(&after)
	if err != nil || len(got) == 0 || len(notes) < 2 {
		t.Errorf("%v %q %v", got, notes, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 300<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
}

// endless repeats a text, without end until n bytes are read.
type endless struct {
	unit string
	n    int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 && e.at == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.unit[e.at:])
	e.at = (e.at + n) % len(e.unit)
	e.n -= n
	return n, nil
}

func TestMemoryIsBoundedOnLargeArchive(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200 MB")
	}
	entry := harOf(harEntry{Content: bodyOf("text/html", strings.Repeat("<p>Some text of a page, and more of it.</p>\n", 20_000))})
	entry = entry[strings.Index(entry, `{"startedDateTime"`):strings.LastIndex(entry, "]}}")]
	head := `{"log":{"version":"1.2","entries":[`
	last := harOf(harEntry{URL: "https://t.example/?e=" + pctAt(alice)})
	last = last[strings.Index(last, `{"startedDateTime"`):]
	doc := io.MultiReader(strings.NewReader(head), &endless{unit: entry + ",", n: 200 << 20}, strings.NewReader(last))
	runtime.GC() // of what other tests left
	done, highest := make(chan bool), make(chan uint64)
	go func() {
		var m runtime.MemStats
		peak := uint64(0)
		for {
			select {
			case <-done:
				highest <- peak
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}
	}()
	f := New(Limits{})
	_, err := f.Scan(context.Background(), 1, audit.CaptureHAR, doc)
	close(done)
	peak := <-highest
	m := f.Matcher()
	m.Address("alice", alice)
	if err != nil || len(m.Sightings()[1]) == 0 {
		t.Errorf("%v %v", m.Sightings(), err)
	}
	if peak > 150<<20 {
		t.Errorf("%d MiB of heap", peak>>20)
	}
}

func TestBodyBeyondTheLimitIsReadInPieces(t *testing.T) {
	long := strings.Repeat("word ", 100_000) + alice + strings.Repeat(" word", 100_000)
	for _, doc := range []struct {
		kind audit.CaptureKind
		text string
	}{{audit.CaptureText, long}, {audit.CaptureHTML, long}, {audit.CaptureHAR, harOf(harEntry{Content: bodyOf("text/plain", long)})}} {
		got, notes, err := look(t, New(Limits{Body: 100_000}), doc.kind, doc.text)
		if err != nil || len(got) != 1 || len(notes) != 1 {
			t.Errorf("%s: %v %q %v", doc.kind, got, notes, err)
		}
	}
}

// Texts that are read one after the other may lie in the same buffer.
func TestWhatWasReadOfOneTextIsReadOfTheNext(t *testing.T) {
	lines := func(text string) string {
		return strings.Join(chunks(b64(strings.Repeat("and so on ", 10)+text+strings.Repeat(" and so on", 10)), 76), "\n")
	}
	const body = 60_000
	for _, c := range []struct{ first, second string }{
		{`"bob."+"builder"+"@"+"exam"+"ple.com"`, `"alice."+"liddell"+"@"+"exam"+"ple.com"`},
		{"bob=2Ebuilder=40example=2Ecom and so on", "alice=2Eliddell=40example=2Ecom"},
		{lines("bob.builder@example.com"), lines(alice)},
	} {
		filler := strings.Repeat(" ", body)
		pieces := filler[:20_000] + c.first + filler[:body-overlap-len(c.first)] + c.second
		storage := harOf(harEntry{Extra: `"_localStorage":[{"name":"a","value":` + quoted_(c.first) + `},{"name":"b","value":` + quoted_(c.second) + `}]`})
		for kind, doc := range map[audit.CaptureKind]string{audit.CaptureHAR: storage, audit.CaptureText: pieces} {
			got, _, err := look(t, New(Limits{Body: body}), kind, doc)
			if err != nil || len(got) == 0 || got[0].Account != "alice" {
				t.Errorf("%s, %q: %v %v", kind, c.second, got, err)
			}
		}
	}
}

func TestDepthIsFive(t *testing.T) {
	doc := alice
	for depth := 1; depth <= 7; depth++ {
		doc = b64(doc)
		got, _, err := look(t, New(Limits{}), audit.CaptureText, doc)
		if err != nil || (len(got) > 0) != (depth <= 5) {
			t.Errorf("depth %d: %v %v", depth, got, err)
		}
	}
	if got, _, _ := look(t, New(Limits{Depth: 2}), audit.CaptureText, b64(b64(b64(alice)))); len(got) > 0 {
		t.Errorf("depth 2: %v", got)
	}
}

func TestCancelledScanEndsSoon(t *testing.T) {
	for kind, unit := range map[audit.CaptureKind]string{audit.CaptureText: "a%40b.c " + b64("x@y.z and more") + " ", audit.CaptureHTML: "<p title='a@b.c'>x@y.z</p>", audit.CaptureJS: `"a"+"@"+"b.c";`} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		f := New(Limits{})
		_, err := f.Scan(ctx, 1, kind, &endless{unit: unit, n: 1 << 40})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", kind, err)
		}
		if d := time.Since(start); d > 1500*time.Millisecond {
			t.Errorf("%s took %v", kind, d)
		}
		if !f.Empty() {
			t.Errorf("%s: candidates of a scan that failed are kept", kind)
		}
	}
}

func TestLyingCharsetAndBinary(t *testing.T) {
	for name, doc := range map[string]string{
		"says UTF-16":     "<meta charset=utf-16><p>" + alice + "</p>",
		"says UTF-8":      "<meta charset=utf-8><p>\xe9\xe8 " + alice + "</p>",
		"says nonsense":   "<meta charset=nonsense><p>\xe9\xe8 " + alice + "</p>",
		"is UTF-16":       "<meta charset=utf-8>"[:0] + utf16le("<meta charset=utf-8><p>"+alice+"</p>"),
		"mixed":           "<p>\xff\xfe\x00 für " + alice + "</p>",
		"binary around":   "\x00\x01\x02\x7f" + alice + "\x00\xff",
		"shift_jis":       "<meta charset=shift_jis><p>\x93\xfa\x96{ " + alice + "</p>",
		"zeros in a page": "<p>\x00" + alice + "\x00</p>",
	} {
		got, _, err := look(t, New(Limits{}), audit.CaptureHTML, doc)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestScansAndMatchesTogether(t *testing.T) {
	f := New(Limits{})
	done := make(chan error)
	for doc := range 8 {
		go func() {
			_, err := f.Scan(context.Background(), doc, audit.CaptureHTML, strings.NewReader("<p>"+alice+" "+hexed(md5s(euro))+"</p>"))
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	m := f.Matcher()
	for range 8 {
		go func() {
			for account, email := range handedOut {
				m.Address(account, email)
			}
			done <- nil
		}()
	}
	for range 8 {
		<-done
	}
	for doc, list := range m.Sightings() {
		if len(list) != 2 || list[0].Account != "alice" || list[1].Account != "jörg" {
			t.Errorf("%d: %v", doc, list)
		}
	}
	if len(m.Sightings()) != 8 {
		t.Errorf("%v", m.Sightings())
	}
}

func FuzzHAR(f *testing.F) { fuzz(f, audit.CaptureHAR) }

func FuzzHTML(f *testing.F) { fuzz(f, audit.CaptureHTML) }

func FuzzJS(f *testing.F) { fuzz(f, audit.CaptureJS) }

func FuzzText(f *testing.F) { fuzz(f, audit.CaptureText) }

func FuzzMail(f *testing.F) {
	f.Add([]byte(`<img src="https://a.example/?e=` + alice + `"> https://x.example/` + alice))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, html := range []bool{true, false} {
			if _, err := New(Limits{}).Mail(context.Background(), 1, html, b); err != nil {
				t.Error(err)
			}
		}
	})
}

// fuzz starts from the disguises of a kind: whatever a document is, an address after it is found (where that is not hidden by what comes before), and what is told of it holds none.
func fuzz(f *testing.F, kind audit.CaptureKind) {
	for _, d := range disguises {
		if d.kind == kind {
			f.Add([]byte(d.doc))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		f := New(Limits{Nodes: 256, NodeBytes: 1 << 18})
		notes, err := f.Scan(context.Background(), 1, kind, bytes.NewReader(b))
		if err != nil && !errors.Is(err, ErrNotHAR) && !errors.Is(err, ErrNoBodies) && !errors.Is(err, ErrCutOff) {
			t.Error(err)
		}
		m := f.Matcher()
		m.Address("alice", alice)
		for _, s := range m.Sightings()[1] {
			if strings.Contains(s.Field+s.Host, alice) {
				t.Errorf("%+v", s)
			}
		}
		if slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "alice") }) {
			t.Errorf("%q", notes)
		}
		if kind == audit.CaptureHAR {
			return
		}
		more := append(append([]byte(nil), b...), "\n \x00-->*/</script></style></title></textarea></xmp>\n\"'>\n<p>\n"+alice+"\n"...)
		f = New(Limits{Nodes: 256, NodeBytes: 1 << 18})
		if _, err := f.Scan(context.Background(), 1, kind, bytes.NewReader(more)); err != nil {
			t.Error(err)
		}
		if m = f.Matcher(); !utf16Looks(more) && !bytes.HasPrefix(more, []byte("\x1f\x8b")) && !compressed(more) {
			m.Address("alice", alice)
			if len(m.Sightings()[1]) == 0 && kind != audit.CaptureHTML {
				t.Errorf("not found after %q", b)
			}
		}
	})
}
