package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// version is part of the corpus's folder: a change of what is written raises it.
const version = 2

// corpus writes about size bytes of pages and scripts to dir, the same for the same size: three bytes in five are HTML, the rest JS.
func corpus(dir string, size int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	html, js := 0, 0
	for n := uint64(0); html+js < size; n++ {
		w := writer{Rand: rand.New(rand.NewPCG(7, n))}
		name := ""
		switch {
		case html*2 < js*3:
			w.page()
			name = fmt.Sprintf("page%05d.html", n)
			html += w.Len()
		case w.IntN(5) < 3:
			w.bundle(60<<10 + w.IntN(700<<10))
			name = fmt.Sprintf("chunk%05d.min.js", n)
			js += w.Len()
		default:
			w.source(8<<10 + w.IntN(90<<10))
			name = fmt.Sprintf("module%05d.js", n)
			js += w.Len()
		}
		if err := os.WriteFile(filepath.Join(partial, name), []byte(w.String()), 0o644); err != nil {
			return err
		}
	}
	return os.Rename(partial, dir)
}

// A writer writes one file.
type writer struct {
	*rand.Rand
	strings.Builder
}

func (w *writer) f(format string, args ...any) { fmt.Fprintf(w, format, args...) }

func (w *writer) one(of []string) string { return of[w.IntN(len(of))] }

func (w *writer) odds(one int) bool { return w.IntN(one) == 0 }

var (
	words = strings.Fields(`account active add address after all amount and any app apply archive are as assign at back balance be billing block board body border button by can cancel
		card change channel check clear click close code color column comment company confirm contact content copy count create currency current customer dashboard data date
		default delete detail device disabled display document domain done draft edit email empty enable end error event export external failed field file filter first folder for
		form from function group handler has header height help hidden history home icon if image import in index info input integration invoice is issue item join key label last
		layout learn less level license limit line link list load locale login logout main manage message method mobile modal mode month more name new next no not note number of
		off on open option or order organization other owner page panel password pay pending permission phone plan please policy position post preview previous price primary
		privacy product profile project public query read ready recent record reference refresh remove render report request required reset response result return review role
		root row rule save schedule screen search section security select send server service session set settings share show sidebar sign site size sort source start state
		status step store string style submit success support switch sync table tag target task team template terms text that the theme this time title to today toggle token
		tooltip total track type unable unit unknown until update upload url usage user valid value version view visible warning was we week welcome when width will window with
		workspace year you your`)
	utilities = strings.Fields(`flex items-center justify-between px-4 py-2 text-sm text-gray-500 hover:bg-gray-50 md:px-6 rounded-lg border border-gray-200 shadow-sm font-medium w-full
		max-w-7xl mx-auto grid grid-cols-3 gap-4 lg:grid-cols-4 space-x-2 inline-flex h-5 w-5 mr-2 text-white bg-blue-600 focus:ring-2 focus:outline-none transition-colors
		duration-200 truncate sr-only relative absolute top-0 right-0 z-10 overflow-hidden whitespace-nowrap dark:bg-slate-900 dark:text-slate-100 group-hover:opacity-100`)
	hosts = strings.Fields(`cdn.vendor.example assets.app.example static.cloud.example www.googletagmanager.com fonts.gstatic.com cdn.jsdelivr.net unpkg.com js.stripe.com
		images.ctfassets.net secure.gravatar.com www.google-analytics.com connect.facebook.net o4507.ingest.sentry.io api.app.example`)
	packages = strings.Fields(`react react-dom vue lodash moment core-js @babel/runtime @sentry/browser @emotion/react @tanstack/react-query date-fns axios classnames zod three d3 chart.js`)
	foreign  = []string{"Größe ändern", "Übersicht", "Paramètres avancés", "Créé le", "Configuración", "Contraseña", "日本語", "設定を保存しました", "Настройки", "Сохранить", "“quoted”", "…", "©", "→", "été"}
	classes  = strings.Fields("css-1k9x2a MuiButton-root MuiButton-containedPrimary ant-table-cell sc-bdVaJa btn btn-primary col-md-6 nav-item active form-control Polaris-Card__Section slds-grid")
)

func (w *writer) word() string { return w.one(words) }

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (w *writer) sentence() string {
	n := 4 + w.IntN(14)
	var out strings.Builder
	out.WriteString(title(w.word()))
	for range n {
		switch {
		case w.odds(60):
			out.WriteString(" " + w.one(foreign))
		case w.odds(25):
			out.WriteString(", " + w.word())
		default:
			out.WriteString(" " + w.word())
		}
	}
	return out.String() + "."
}

// camel is a name as programs have them.
func (w *writer) camel() string {
	out := w.word()
	for range w.IntN(4) {
		out += title(w.word())
	}
	return out
}

// short is a name as minifiers make them.
func (w *writer) short() string {
	const letters = "etnrioasulcdhpfmgvybwkxSCTEAPNIMDLROkjzq_$"
	if w.odds(6) {
		return string(letters[w.IntN(26)]) + string(letters[w.IntN(len(letters))])
	}
	return string(letters[w.IntN(len(letters))])
}

func (w *writer) hex(n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = "0123456789abcdef"[w.IntN(16)]
	}
	return string(out)
}

func (w *writer) uuid() string {
	return w.hex(8) + "-" + w.hex(4) + "-4" + w.hex(3) + "-a" + w.hex(3) + "-" + w.hex(12)
}

func (w *writer) bytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(w.Uint32())
	}
	return out
}

func (w *writer) base64(n int) string { return base64.StdEncoding.EncodeToString(w.bytes(n)) }

// email is an address; a few are what merely looks like one.
func (w *writer) email() string {
	return w.word() + "." + w.word() + "@" + w.word() + w.one([]string{".example", ".com", ".co.uk", ".io"})
}

func (w *writer) time() string {
	return fmt.Sprintf("202%d-%02d-%02dT%02d:%02d:%02d.%03dZ", w.IntN(7), 1+w.IntN(12), 1+w.IntN(28), w.IntN(24), w.IntN(60), w.IntN(60), w.IntN(1000))
}

func (w *writer) url() string {
	switch w.IntN(18) {
	case 0, 1:
		return fmt.Sprintf("https://%s/%s?w=%d&h=%d&fit=crop&auto=format%%2Ccompress&dpr=2", w.one(hosts), w.hex(24), w.IntN(900), w.IntN(900))
	case 2, 3:
		return fmt.Sprintf("https://%s/_next/static/chunks/%d-%s.js", w.one(hosts), w.IntN(9000), w.hex(16))
	case 4, 5:
		return fmt.Sprintf("https://%s/%s/%s?utm_source=%s&utm_medium=%s&utm_campaign=%s_%s&ref=%s%%20%s", w.one(hosts), w.word(), w.word(), w.word(), w.word(), w.word(), w.word(), w.word(), w.word())
	case 6:
		return fmt.Sprintf("https://cdn.jsdelivr.net/npm/%s@%d.%d.%d/dist/%s.min.js", w.one(packages), w.IntN(19), w.IntN(30), w.IntN(10), w.word())
	case 7:
		return fmt.Sprintf("/assets/%s-%s@2x.png", w.word(), w.word())
	case 8, 9:
		return fmt.Sprintf("/api/v2/%s/%s/%s?next=%%2F%s%%2F%s&%s=%d", w.word(), w.uuid(), w.word(), w.word(), w.word(), w.word(), w.IntN(100))
	case 10:
		return fmt.Sprintf("https://secure.gravatar.com/avatar/%s?s=80&d=identicon", w.hex(32))
	default:
		return fmt.Sprintf("/%s/%s-%s/%d", w.word(), w.word(), w.word(), w.IntN(100000))
	}
}

func (w *writer) class() string {
	var list []string
	for range 1 + w.IntN(9) {
		if w.odds(4) {
			list = append(list, w.one(classes))
		} else {
			list = append(list, w.one(utilities))
		}
	}
	if w.odds(3) {
		list = append(list, fmt.Sprintf("%s_%s__%s", title(w.word()), w.word(), w.base64(4)[:5]))
	}
	return strings.Join(list, " ")
}

// icon is the path of an icon, the most usual thing on pages after class names.
func (w *writer) icon() string {
	var out strings.Builder
	fmt.Fprintf(&out, "M%d %d", w.IntN(24), w.IntN(24))
	for range 4 + w.IntN(16) {
		switch w.IntN(4) {
		case 0:
			fmt.Fprintf(&out, "l%.2f-%.3f", w.Float64()*9, w.Float64()*9)
		case 1:
			fmt.Fprintf(&out, "c%.2f %.2f-%.2f.%d %.1f-%d", w.Float64()*9, w.Float64()*9, w.Float64()*4, w.IntN(99), w.Float64()*9, w.IntN(9))
		case 2:
			fmt.Fprintf(&out, "h%d", w.IntN(20))
		default:
			fmt.Fprintf(&out, "v-%.1f", w.Float64()*20)
		}
	}
	return out.String() + "z"
}

// value is a value of JSON, or an object or a list of them.
func (w *writer) value(depth int) {
	switch n := w.IntN(16); {
	case n < 2 && depth > 0:
		w.f("[")
		for i := range 1 + w.IntN(6) {
			if i > 0 {
				w.f(",")
			}
			w.value(depth - 1)
		}
		w.f("]")
	case n < 6 && depth > 0:
		w.f("{")
		for i := range 2 + w.IntN(8) {
			if i > 0 {
				w.f(",")
			}
			w.f(`"%s":`, w.camel())
			w.value(depth - 1)
		}
		w.f("}")
	case n < 8:
		w.f(`"%s"`, w.word())
	case n == 8:
		w.f(`"%s"`, w.uuid())
	case n == 9:
		w.f(`"%s"`, w.url())
	case n == 10:
		w.f(`"%s"`, w.time())
	case n == 11:
		w.f("%s", w.one([]string{"true", "false", "null"}))
	case n == 12:
		w.f(`"%s"`, w.sentence())
	case n == 13 && w.odds(8):
		w.f(`"\u003cp class=\"%s\"\u003e%s \u0026amp; %s\u003c/p\u003e"`, w.word(), w.sentence(), w.word())
	case n == 13 && w.odds(40):
		w.f(`"%s"`, w.email())
	case n == 13 && w.odds(20):
		w.f(`"%s"`, w.base64(16+w.IntN(100)))
	default:
		w.f("%d", w.IntN(1_000_000))
	}
}

// style is a sheet.
func (w *writer) style(rules int) {
	for range rules {
		switch w.IntN(12) {
		case 0:
			w.f("@media (min-width:%dpx){.%s-%s{display:none}}", 320+w.IntN(1200), w.word(), w.word())
		case 1:
			w.f(".icon-%s:before{content:\"\\e%s\"}", w.word(), w.hex(3))
		case 2:
			w.f("@font-face{font-family:%s;src:url(/fonts/%s.%s.woff2) format(\"woff2\")}", title(w.word()), w.word(), w.hex(8))
		default:
			w.f(".%s__%s--%s{color:#%s;padding:%dpx %.2frem;background-color:rgba(%d,%d,%d,.%d)}", w.word(), w.word(), w.word(), w.hex(6), w.IntN(40), w.Float64()*3,
				w.IntN(256), w.IntN(256), w.IntN(256), w.IntN(9))
		}
	}
}

func (w *writer) picture() string {
	if w.odds(2) {
		return "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%23" + w.hex(6) + "' d='" + w.icon() + "'/%3E%3C/svg%3E"
	}
	return "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA" + w.base64(300+w.IntN(3000))
}

// page is a page of an app: a head, rows and cards of it, and the state from which scripts take over.
func (w *writer) page() {
	size := 15<<10 + w.IntN(200<<10)
	w.f("<!DOCTYPE html>\n<html lang=\"en\" data-theme=\"light\"><head><meta charset=\"utf-8\"><title>%s %s</title>\n", title(w.word()), title(w.word()))
	w.f("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"csrf-token\" content=\"%s\">\n", w.base64(64))
	for range 3 + w.IntN(12) {
		w.f("<link rel=\"preload\" href=\"/_next/static/chunks/%s-%s.js\" as=\"script\"><script src=\"%s\" integrity=\"sha384-%s\" crossorigin=\"anonymous\" defer></script>\n",
			w.word(), w.hex(16), w.url(), w.base64(48))
	}
	w.f("<style data-emotion=\"css\">")
	w.style(20 + w.IntN(200))
	if w.odds(8) {
		w.f("@font-face{font-family:Inter;src:url(data:font/woff2;base64,d09GMgABAAAAA%s)}", w.base64(8000+w.IntN(20000)))
	}
	w.f("</style>\n<script>window.dataLayer=window.dataLayer||[];function gtag(){dataLayer.push(arguments)}gtag('js',new Date());gtag('config','G-%s');</script></head>\n<body class=\"%s\"><div id=\"__next\">\n",
		strings.ToUpper(w.hex(10)), w.class())
	for w.Len() < size*3/5 {
		w.piece()
	}
	w.f("</div>\n<script id=\"__NEXT_DATA__\" type=\"application/json\">{\"props\":{\"pageProps\":{")
	for i := 0; w.Len() < size*9/10; i++ {
		if i > 0 {
			w.f(",")
		}
		w.f(`"%s":`, w.camel())
		w.value(6)
	}
	w.f("}},\"buildId\":\"%s\"}</script>\n<script nonce=\"%s\">", w.base64(15), w.base64(16))
	w.minified(size - w.Len())
	w.f("</script>\n</body></html>\n")
}

func (w *writer) piece() {
	amp := func(s string) string { return strings.ReplaceAll(s, "&", "&amp;") }
	switch n := w.IntN(20); {
	case n < 4:
		w.f("<div class=\"%s\"><h3 class=\"%s\">%s</h3><p>%s %s</p></div>\n", w.class(), w.class(), title(w.word()), w.sentence(), w.sentence())
	case n < 8:
		w.f("<tr class=\"%s\" data-row-key=\"%d\" data-id=\"%s\"><td class=\"%s\"><a href=\"%s\">%s %s</a></td><td>%d.%02d</td><td><time datetime=\"%s\">%d days ago</time></td></tr>\n",
			w.class(), w.IntN(100000), w.uuid(), w.class(), amp(w.url()), title(w.word()), title(w.word()), w.IntN(9999), w.IntN(100), w.time(), w.IntN(99))
	case n < 11:
		w.f("<button type=\"button\" class=\"%s\" aria-label=\"%s %s\" data-testid=\"%s-%s-button\"><svg class=\"h-5 w-5\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\" fill=\"none\"><path stroke-linecap=\"round\" d=\"%s\"/></svg><span>%s</span></button>\n",
			w.class(), title(w.word()), w.word(), w.word(), w.word(), w.icon(), title(w.word()))
	case n < 13:
		w.f("<li class=\"%s\"><a href=\"%s\" class=\"%s\" target=\"_blank\" rel=\"noopener noreferrer\">%s &amp; %s</a></li>\n", w.class(), amp(w.url()), w.class(), title(w.word()), w.word())
	case n < 15:
		w.f("<img alt=\"%s %s\" loading=\"lazy\" width=\"%d\" class=\"%s\" srcset=\"%s 1x, %s 2x\" src=\"%s\"/>\n", w.word(), w.word(), w.IntN(900), w.class(), amp(w.url()), amp(w.url()), amp(w.url()))
	case n < 17:
		w.f("<label for=\"%s\" class=\"%s\">%s</label><input id=\"%s\" name=\"%s[%s]\" type=\"text\" placeholder=\"%s\" class=\"%s\"/>\n", w.camel(), w.class(), w.sentence(), w.camel(), w.word(), w.word(), w.word(), w.class())
	case n == 17 && w.odds(6):
		w.f("<div style=\"background-image:url(&quot;%s&quot;)\"></div>\n", w.picture())
	case n == 17:
		w.f("<!-- %s --><span style=\"display:inline-block;width:%dpx;height:%d%%\">%s&nbsp;%d</span>\n", w.sentence(), w.IntN(300), w.IntN(100), w.word(), w.IntN(1000))
	case n == 18 && w.odds(60):
		w.f("<a href=\"mailto:%s\">%s</a>\n", w.email(), title(w.word()))
	case n == 18 && w.odds(20):
		w.f("<p>Follow us @%s%s on social media</p>\n", w.word(), w.word())
	default:
		w.f("<p class=\"%s\">%s %s %s</p>\n", w.class(), w.sentence(), w.sentence(), w.sentence())
	}
}

// bundle is a file as bundlers write them: a comment, and one line.
func (w *writer) bundle(size int) {
	w.f("/*! For license information please see %d.%s.js.LICENSE.txt */\n\"use strict\";(self.webpackChunkapp=self.webpackChunkapp||[]).push([[%d],{", w.IntN(999), w.hex(8), w.IntN(9999))
	for w.Len() < size {
		w.f("%d:(e,t,n)=>{n.d(t,{Z:()=>%s,%s:()=>%s});var r=n(%d),o=n(%d);", w.IntN(99999), w.short(), w.short(), w.short(), w.IntN(99999), w.IntN(99999))
		w.minified(1000 + w.IntN(8000))
		w.f("},")
	}
	w.f("}]);\n//# sourceMappingURL=%d.%s.js.map\n", w.IntN(999), w.hex(8))
}

// minified is about n bytes of statements.
func (w *writer) minified(n int) {
	for end := w.Len() + n; w.Len() < end; {
		switch k := w.IntN(40); {
		case k < 6:
			w.f("function %s(%s,%s){return %s.%s(%s)&&void 0!==%s?%s.%s:%s(%s,%d)}", w.short(), w.short(), w.short(), w.short(), w.camel(), w.short(), w.short(), w.short(), w.camel(), w.short(), w.short(), w.IntN(300))
		case k < 11:
			w.f("const %s=(0,%s.jsx)(%s.%s,{className:\"%s\",onClick:()=>%s(!%s),children:%s(\"%s.%s.%s\")});", w.short(), w.short(), w.short(), title(w.camel()), w.class(), w.short(), w.short(), w.short(), w.word(), w.camel(), w.word())
		case k < 15:
			w.f("if(\"%s\"===%s.type||%s.%s>%d){var %s=Object.assign({},%s,{%s:!0,%s:%s.%s});return %s}", w.word(), w.short(), w.short(), w.camel(), w.IntN(99), w.short(), w.short(), w.camel(), w.camel(), w.short(), w.camel(), w.short())
		case k < 18:
			w.f("%s.prototype.%s=function(%s){for(var %s=0;%s<%s.length;%s++)this.%s[%s]=%s[%s]<<%d|%s;return this};", w.short(), w.camel(), w.short(), w.short(), w.short(), w.short(), w.short(), w.camel(), w.short(), w.short(), w.short(), w.IntN(16), w.short())
		case k < 21:
			w.f("throw new Error(\"%s\"+%s+\". %s\");", w.sentence(), w.short(), w.sentence())
		case k < 24:
			w.f("%s.exports={%s:\"%s\",%s:\"%s\",%s:%d,%s:\"#%s\"};", w.short(), w.camel(), w.sentence(), w.camel(), w.word(), w.camel(), w.IntN(100000), w.camel(), w.hex(6))
		case k < 27:
			w.f("var %s=%s.createElement(\"path\",{d:\"%s\",fillRule:\"evenodd\"});", w.short(), w.short(), w.icon())
		case k < 30:
			w.f("await fetch(`${%s}/api/%s/${encodeURIComponent(%s.%s)}?%s=${%s}`,{method:\"POST\",headers:{\"Content-Type\":\"application/json\"}}).then((%s=>%s.json()));", w.short(), w.word(), w.short(), w.camel(), w.word(), w.short(), w.short(), w.short())
		case k == 30:
			w.f("var %s=/^(?:[a-z\\d]+[.-]?)*\\/%s\\?\\w{%d,}$/i,%s=%s.replace(/[\\u0300-\\u036f\\s]+/g,\"\");", w.short(), w.word(), w.IntN(9), w.short(), w.short())
		case k == 31 && w.odds(8):
			w.f("%s.src=\"%s\";", w.short(), w.picture())
		case k == 31 && w.odds(8):
			w.f("/** @license %s v%d.%d.%d, %s <%s> */", w.one(packages), w.IntN(9), w.IntN(9), w.IntN(9), title(w.word()), w.email())
		case k == 32 && w.odds(3):
			w.f("%s.map={", w.short())
			for range 10 + w.IntN(200) {
				w.f("%d:\"%s\",", w.IntN(9999), w.hex(20))
			}
			w.f("};")
		case k == 33:
			w.f("%s.t(\"%s\",\"%s %s\");", w.short(), w.camel(), w.one(foreign), w.word())
		case k == 34:
			w.f("%s.%s(\"%s\");", w.short(), w.camel(), w.url())
		case k == 35 && w.odds(4):
			w.f("var %s=[", w.short())
			for range 20 + w.IntN(200) {
				w.f("%d,", w.IntN(70000))
			}
			w.f("];")
		case k == 36 && w.odds(6):
			w.f("%s=\"", w.short())
			for range 20 + w.IntN(60) {
				w.f("\\u%s", w.hex(4))
			}
			w.f("\";")
		case k == 37:
			w.f("%s.styles=(0,%s.css)`@media (max-width:%dpx){&.%s{display:%s}}`;", w.short(), w.short(), w.IntN(1200), w.camel(), w.one([]string{"none", "flex"}))
		default:
			w.f("%s&&(%s=%s.%s(%s,%s=>{%s.%s=%s.%s(%s.%s)}));", w.short(), w.short(), w.short(), w.camel(), w.short(), w.short(), w.short(), w.camel(), w.short(), w.camel(), w.short(), w.camel())
		}
	}
}

// source is a script as people write it.
func (w *writer) source(size int) {
	for range 4 + w.IntN(12) {
		w.f("import { %s, %s } from '%s';\n", w.camel(), title(w.camel()), w.one(packages))
	}
	for w.Len() < size {
		w.f("\n/**\n * %s\n *\n * @param {string} %s - %s\n * @returns {Promise<%s>} %s\n */\nexport async function %s(%s, options = {}) {\n", w.sentence(), w.word(), w.sentence(), title(w.camel()), w.sentence(), w.camel(), w.word())
		for range 3 + w.IntN(20) {
			switch k := w.IntN(12); {
			case k < 4:
				w.f("  const %s = await this.%s.%s(%s, { %s: '%s', %s: %d });\n", w.camel(), w.camel(), w.camel(), w.word(), w.camel(), w.word(), w.camel(), w.IntN(1000))
			case k < 7:
				w.f("  if (!%s || %s.%s === '%s') {\n    throw new TypeError(`%s ${%s}`);\n  }\n", w.camel(), w.word(), w.camel(), w.word(), w.sentence(), w.word())
			case k < 9:
				w.f("  // %s\n", w.sentence())
			case k == 9 && w.odds(30):
				w.f("  // TODO(%s): %s\n", w.email(), w.sentence())
			default:
				w.f("  logger.debug('%s', %s.map((%s) => %s.%s));\n", w.sentence(), w.camel(), w.word(), w.word(), w.camel())
			}
		}
		w.f("  return %s;\n}\n", w.camel())
	}
}
