package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"strings"
	"unicode"
)

// Pages are templates: layout.html, which calls "title" and "main"; parts/*.html, which all may call; and pages/NAME.html, each of which defines "title"
// and "main".
type Pages struct {
	log   *slog.Logger
	pages map[string]*template.Template
}

// NewPages reads the templates of fsys. They call "asset" for the path of an asset.
func NewPages(fsys fs.FS, assets *Assets, funcs template.FuncMap, log *slog.Logger) (*Pages, error) {
	all := template.FuncMap{"asset": assets.Path}
	maps.Copy(all, funcs)
	base, err := template.New("layout.html").Funcs(all).Option("missingkey=error").ParseFS(fsys, "layout.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	parts, err := fs.Glob(fsys, "parts/*.html")
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		if base, err = base.ParseFS(fsys, parts...); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
	}
	files, err := fs.Glob(fsys, "pages/*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{log: log, pages: map[string]*template.Template{}}
	for _, file := range files {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(fsys, file)
		}
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		p.pages[strings.TrimSuffix(path.Base(file), ".html")] = t
	}
	return p, nil
}

// Template is the template of a page, whole, for a test that checks it against what it is given; nil where there is no such page.
func (p *Pages) Template(name string) *template.Template { return p.pages[name] }

// Render answers with a page. Where the template fails, it answers with an error that says nothing of why, which is in the log.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	t, ok := p.pages[name]
	err := fmt.Errorf("there is no page %s", name)
	if ok {
		err = t.Execute(&b, data)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err != nil {
		p.log.ErrorContext(r.Context(), "a page could not be made", "page", name, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, broken)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(plainly(b.Bytes())) // who went away does not need it
}

const broken = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>This page could not be made</title></head>
<body><main><h1>This page could not be made</h1><p>Something is wrong on our side; the log says what. Nothing was changed. Try again later.</p></main></body></html>
`

// plainly writes out what in a page would not show, or would move what is around it: control and format characters, as those that turn the direction of a
// text. None of them is in a template, so all come from what a page tells.
func plainly(page []byte) []byte {
	if !bytes.ContainsFunc(page, hides) {
		return page
	}
	var b bytes.Buffer
	for _, r := range string(page) {
		if hides(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

func hides(r rune) bool {
	return r != '\n' && r != '\t' && r != '\r' && r != '\u00a0' && !unicode.IsPrint(r) && !unicode.Is(unicode.Co, r)
}

// Plainly writes to w as pages are written: what would not show is written out. So are tabs and carriage returns, since a file may come to a terminal. Each Write has to hold whole characters, as
// those of templates do.
func Plainly(w io.Writer) io.Writer { return plainWriter{w} }

type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) {
	b, n := plainly(b), len(b)
	for hidden, shown := range map[string]string{"\t": `\u0009`, "\r": `\u000d`} {
		b = bytes.ReplaceAll(b, []byte(hidden), []byte(shown))
	}
	if _, err := p.w.Write(b); err != nil {
		return 0, err
	}
	return n, nil
}
