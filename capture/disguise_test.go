package capture

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks/exposure"
)

// disguises are ways to show an address that people can read, or that a program can.
func disguises() map[string]string {
	entities := ""
	for _, c := range jane {
		entities += fmt.Sprintf("&#%d;", c)
	}
	letters := ""
	for _, c := range jane {
		letters += "<b>" + string(c) + "</b>"
	}
	placed := ""
	for i, c := range jane {
		placed = fmt.Sprintf(`<i style="position:absolute;left:%dpx;font-style:normal">%c</i>`, 20+i*12, c) + placed // the last comes first
	}
	backwards := []rune(jane)
	for i, j := 0, len(backwards)-1; i < j; i, j = i+1, j-1 {
		backwards[i], backwards[j] = backwards[j], backwards[i]
	}
	cf := []byte{0x5a}
	for _, c := range []byte(jane) {
		cf = append(cf, c^0x5a)
	}
	name, host, _ := strings.Cut(jane, "@")
	return map[string]string{
		"plain":       jane,
		"entities":    entities,
		"letters":     letters,
		"placed":      `<div style="position:relative;height:30px;font-family:monospace">` + placed + `</div>`,
		"backwards":   `<bdo dir=rtl>` + string(backwards) + `</bdo>`,
		"spelled":     name + " [at] " + strings.ReplaceAll(host, ".", " [dot] "),
		"zero width":  strings.ReplaceAll(jane, ".", ".\u200b"),
		"full width":  strings.ReplaceAll(jane, "@", "＠"),
		"comment":     strings.Replace(jane, "@", "<!-- no -->@<!-- spam -->", 1),
		"decoy":       name + `<span style="display:none">nospam</span>@` + host,
		"base64":      base64.StdEncoding.EncodeToString([]byte(jane)),
		"hex":         hex.EncodeToString([]byte(jane)),
		"md5":         fmt.Sprintf("%x", md5.Sum([]byte(jane))),
		"cloudflare":  `<a href="/cdn-cgi/l/email-protection" data-cfemail="` + hex.EncodeToString(cf) + `">[email protected]</a>`,
		"upper":       `<span style="text-transform:uppercase">` + jane + `</span>`,
		"table":       `<table style="border-collapse:collapse"><tr><td style="padding:0">` + name + `<td style="padding:0">@<td style="padding:0">` + host + `</table>`,
		"flex":        `<div style="display:flex"><div>` + name + `</div><div>@</div><div>` + host + `</div></div>`,
		"before":      `<style>.b::before{content:"` + name + `"}.b::after{content:"` + host + `"}</style><span class=b>@</span>`,
		"counter":     `<style>#c{counter-reset:x}#c::before{content:"` + name + `\0040 ` + host + `"}</style><span id=c></span>`,
		"important":   `<style>#imp::before{content:"` + jane + `"!important}</style><span id=imp></span>`,
		"data image":  `<img src="data:image/svg+xml,` + strings.ReplaceAll(drawn(jane), `"`, `'`) + `">`,
		"background":  `<div style="width:420px;height:30px;background-image:url(&quot;data:image/svg+xml,` + strings.ReplaceAll(strings.ReplaceAll(drawn(jane), `"`, `'`), "<", "%3C") + `&quot;)"></div>`,
		"object":      `<object type="image/svg+xml" data="/picture.svg" width=420 height=30></object>`,
		"embed":       `<embed src="/picture.svg" width=420 height=30>`,
		"video":       `<video poster="/picture.svg" width=420 height=30></video>`,
		"button":      `<input type=image src="/picture.svg" alt="` + jane + `">`,
		"content url": `<style>.u::before{content:url(/picture.svg)}</style><span class=u></span>`,
		"content":     `<style>.v{content:url(/picture.svg)}</style><span class=v>x</span>`,
		"list":        `<ul style="list-style-image:url(/picture.svg)"><li>x</ul>`,
		"border":      `<div style="width:420px;height:10px;border:20px solid;border-image:url(/picture.svg) 1"></div>`,
		"editable":    `<p contenteditable>` + jane + `</p>`,
		"nested":      `<iframe width=600 height=60 srcdoc="&lt;iframe width=560 height=40 srcdoc='` + jane + `'>"></iframe>`,
		"sandboxed":   `<iframe width=600 height=60 sandbox srcdoc="` + jane + `"></iframe>`,
		"scrolled":    `<div style="height:30px;width:600px;overflow:auto"><p>x<p>x<p>` + jane + `</div>`,
		"details":     `<details open><summary>` + jane + `</summary>` + jane + `</details>`,
		"dialog":      `<dialog open style="position:static">` + jane + `</dialog>`,
		"option":      `<select size=2 style="width:500px"><option>` + jane + `<option label="` + jane + `"></option></select>`,
		"progress":    `<label>` + name + `</label><label>@` + host + `</label>`,
		"long word":   strings.Repeat("x", 300) + " " + jane,
		"two lines":   `<div style="width:200px;overflow-wrap:anywhere">` + jane + `</div>`,
	}
}

// TestNoDisguiseIsWritten plants an address in one disguise a page, and looks for it in all that is written: with eyes, with a decoder, and by what
// people know it by.
func TestNoDisguiseIsWritten(t *testing.T) {
	c, s := capturer(t), newSite(t)
	c.Limits.Rest = c.Limits.Rest / 4
	s.mux.HandleFunc("/picture.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, drawn(jane))
	})
	s.mux.HandleFunc("/favicon.ico", http.NotFound)
	all := disguises()
	var keys []string
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var whole strings.Builder
	for _, k := range keys {
		whole.WriteString("<section>" + k + ": " + all[k] + "</section>\n")
	}
	style := `<!doctype html><meta charset=utf-8><title>Disguises</title><style>body{font:20px monospace;margin:20px}section{margin:6px 0;min-height:24px}</style><h1>Disguised here</h1>`
	s.page("/", style+whole.String())
	c.Limits.Height = 5000
	for _, k := range append([]string{""}, keys...) {
		path := "/" + strings.ReplaceAll(k, " ", "-")
		if k != "" {
			if testing.Short() || os.Getenv("MAILREEVE_TEST_EACH") == "" && !slices.Contains([]string{"placed", "important", "backwards", "md5", "before"}, k) {
				continue
			}
			s.page(path, style+"<section>"+all[k]+"</section>")
		}
		t.Run(k, func(t *testing.T) {
			res, recording, dom, shot := capture(t, c, s.at("app.example", path))
			t.Log(res.NoScreenshot, res.Notes)
			if k == "" && res.NoScreenshot != "" {
				t.Errorf("there is no screenshot: %s", res.NoScreenshot)
			}
			if k == "" && len(res.DOM) == 0 {
				t.Error("nothing was seen")
			}
			f := exposure.New(exposure.Limits{})
			for doc, x := range []struct {
				kind audit.CaptureKind
				text string
			}{{audit.CaptureHAR, recording}, {audit.CaptureHTML, dom}, {audit.CaptureText, recording}, {audit.CaptureText, dom}} {
				if _, err := f.Scan(t.Context(), doc, x.kind, strings.NewReader(x.text)); err != nil && !errors.Is(err, exposure.ErrNoBodies) {
					t.Error(err)
				}
				if m := names.FindString(x.text); m != "" && (k == "plain" || k == "letters" || k == "entities") {
					t.Errorf("the %s holds %q", x.kind, m)
				}
			}
			m := f.Matcher()
			m.Address("jane", jane)
			for doc, list := range m.Sightings() {
				t.Errorf("document %d holds it still: %v", doc, list)
			}
			if len(shot) > 0 {
				if text := read(t, shot); names.MatchString(text) || strings.Contains(text, "nospam") {
					t.Errorf("the screenshot shows it:\n%s", text)
				}
			}
		})
	}
	manifest, err := os.ReadFile(c.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if names.Match(manifest) {
		t.Error("the manifest holds it")
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(c.Manifest), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
}
