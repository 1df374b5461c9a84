package email

import (
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	text "text/template"
	"time"

	"github.com/jba/templatecheck"

	"github.com/mailreeve/mailreeve/notifier"
)

// The names of the templates' files.
const (
	SubjectFile = "subject.txt"
	TextFile    = "mail.txt"
	HTMLFile    = "mail.html"
)

//go:embed templates
var embedded embed.FS

// Templates are what mails are made with: text/template for subject and text, html/template for HTML. What they are given is a notifier.Notice of
// which every text is one line, and the functions of docs/mail.md.
type Templates struct {
	subject, text, html part
}

// A part renders one part of a mail.
type part struct{ execute func(io.Writer, any) error }

func (p part) render(n notifier.Notice) (string, error) {
	var b strings.Builder
	if err := p.execute(&b, n); err != nil {
		return "", err
	}
	return b.String(), nil
}

// ReadTemplates reads the templates of a folder; those that it does not have are the built-in ones, as all are where dir is "". Every template is
// checked whole, also where no sample of a notice leads: one that names a field that does not exist is an error that says file and line, and so is a
// file of templates under a name that is none of theirs.
func ReadTemplates(dir string) (*Templates, error) {
	own, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return parse(func(name string) (string, string, error) {
			src, err := fs.ReadFile(own, name)
			return name, string(src), err
		})
	}
	if err := misnamed(dir); err != nil {
		return nil, err
	}
	return parse(func(name string) (string, string, error) {
		path := filepath.Join(dir, name)
		src, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			path = name
			src, err = fs.ReadFile(own, name)
		}
		return path, string(src), err
	})
}

// misnamed tells of templates in dir that would not be used.
func misnamed(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("notices.templates: %w", err)
	}
	for _, f := range files {
		names := []string{SubjectFile, TextFile, HTMLFile}
		ext := filepath.Ext(f.Name())
		if !f.IsDir() && slices.Contains([]string{".txt", ".html", ".tmpl", ".gotmpl"}, ext) && !slices.Contains(names, f.Name()) {
			return fmt.Errorf("notices.templates: %s is none of %s, and would not be used: rename it, or move it away", filepath.Join(dir, f.Name()), strings.Join(names, ", "))
		}
	}
	return nil
}

// builtin are the built-in templates. That they are good is for this package's tests to show.
func builtin() *Templates {
	t, err := ReadTemplates("")
	if err != nil {
		panic(err) // they are part of the program
	}
	return t
}

// parse makes templates of their sources, and renders samples with them.
func parse(source func(name string) (path, src string, err error)) (*Templates, error) {
	t := &Templates{}
	for _, p := range []struct {
		name string
		into *part
	}{{SubjectFile, &t.subject}, {TextFile, &t.text}, {HTMLFile, &t.html}} {
		path, src, err := source(p.name)
		if err != nil {
			return nil, fmt.Errorf("notices.templates: %w", err)
		}
		if p.name == HTMLFile {
			*p.into, err = parseHTML(path, src)
		} else {
			*p.into, err = parseText(path, src)
		}
		if err != nil {
			return nil, fmt.Errorf("notices.templates: %w", err)
		}
	}
	for _, n := range Samples() {
		m, err := Render(n, t)
		if err != nil {
			return nil, fmt.Errorf("notices.templates: a sample: %w", err)
		}
		if m.Subject == "" || strings.TrimSpace(m.Text) == "" || strings.TrimSpace(m.HTML) == "" {
			return nil, fmt.Errorf("notices.templates: of a %s, subject, text or HTML is empty", n.Kind)
		}
	}
	return t, nil
}

func parseText(path, src string) (part, error) {
	t, err := text.New(path).Funcs(functions()).Option("missingkey=error").Parse(src)
	if err == nil {
		err = templatecheck.CheckTextStrict(t, notifier.Notice{})
	}
	return part{func(w io.Writer, n any) error { return t.Execute(w, n) }}, err
}

func parseHTML(path, src string) (part, error) {
	t, err := html.New(path).Funcs(functions()).Option("missingkey=error").Parse(src)
	if err == nil {
		err = templatecheck.CheckHTMLStrict(t, notifier.Notice{})
	}
	return part{func(w io.Writer, n any) error { return t.Execute(w, n) }}, err
}

// functions are what templates may call beside Go's own.
func functions() map[string]any {
	return map[string]any{
		"day":   func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
		"count": func(n int, what string) string {
			if n == 1 {
				return "1 " + what
			}
			return fmt.Sprint(n, " ", what, "s")
		},
		"add":       func(a, b int) int { return a + b },
		"wrap":      wrap,
		"app":       app,
		"apps":      apps,
		"incidents": incidents,
		"evidence":  evidence,
		"join":      func(list []string) string { return strings.Join(list, ", ") },
		"due":       due,
	}
}

// wrap breaks s into lines of at most 76 characters, of which the first begins with lead and the others with as much space.
func wrap(lead, s string) string {
	indent := strings.Repeat(" ", len(lead))
	var b strings.Builder
	width := 0
	for word := range strings.FieldsSeq(s) {
		n := len([]rune(word))
		switch {
		case width == 0:
			b.WriteString(lead)
			width = len(indent)
		case width+1+n > 76:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
	}
	return b.String()
}

// app is a finding's app, as in "Acme Mailer (com.acme.mailer)".
func app(f notifier.NoticeFinding) string {
	switch {
	case f.AppName != "" && f.AppKey != "":
		return f.AppName + " (" + f.AppKey + ")"
	case f.AppKey != "":
		return f.AppKey
	}
	return f.AppName
}

// apps names what the findings are about, in a few words.
func apps(n notifier.Notice) string {
	names := map[string]string{}
	for _, f := range n.Findings {
		names[f.AppKey] = f.AppName
		if f.AppName == "" {
			names[f.AppKey] = f.AppKey
		}
	}
	if len(names) == 1 {
		for _, name := range names {
			if name != "" {
				return name
			}
		}
	}
	return "your apps"
}

// incidents names the findings that a notice's questions are about.
func incidents(n notifier.Notice) []string {
	ids := []string{}
	for _, f := range n.Findings {
		if f.Incident {
			ids = append(ids, f.ID)
		}
	}
	if more := len(ids) - maxList; more > 0 {
		return append(ids[:maxList], fmt.Sprintf("and %d more", more))
	}
	return ids
}

// evidence is what a mail shows of a finding's evidence: of many findings less each, as some readers cut off a mail of more than 100 kB, with how to
// answer it.
func evidence(n notifier.Notice, f notifier.NoticeFinding) []notifier.NoticeEvidence {
	rows := maxEvidence
	if len(n.Findings) > manyFindings {
		rows = fewEvidence
	}
	return f.Evidence[:min(len(f.Evidence), rows)]
}

// due says until when a finding is to be put right.
func due(f notifier.NoticeFinding) string {
	switch {
	case f.Due != nil:
		return f.Due.UTC().Format("2 January 2006, 15:04 UTC")
	case f.DueDays > 0:
		return fmt.Sprintf("%d days after this message reached you", f.DueDays)
	}
	return "as soon as you can"
}
