package console

import (
	"html/template"
	"strings"
)

// DigestOf is what a token is known by.
func DigestOf(token string) string { return digestOf(token) }

// Views are the patterns of all that can be looked at.
func Views() []string {
	list := []string{"GET /login", "GET /login/{token}"}
	for _, r := range new(Console).routes() {
		if strings.HasPrefix(r.pattern, "GET ") {
			list = append(list, r.pattern)
		}
	}
	return list
}

// Pages gives the console's templates, to be checked against what they are given.
func (c *Console) Pages() map[string]any {
	return map[string]any{"tonight": &tonightPage{}, "findings": &findingsPage{}, "finding": &findingPage{},
		"tasks": &tasksPage{}, "notices": &noticesPage{}, "notice": &noticePage{}, "vendors": &vendorsPage{}, "vendor": &vendorPage{},
		"apps": &appsPage{}, "app": &appPage{}, "runs": &runsPage{}, "run": &runPage{}, "quarantine": &quarantinePage{},
		"checks": &checksPage{}, "suppressions": &suppressionsPage{}, "trail": &trailPage{}, "settings": &settingsPage{}}
}

// Template is a page's.
func (c *Console) Template(name string) *template.Template { return c.pages.Template(name) }

// A Piece is a part of a wording.
type Piece = piece

// WordingOf compares approved words with a text.
func WordingOf(approved, present string, fold func(string) string) (pieces []Piece, before, after string, ok bool) {
	w := wordingOf(approved, present, fold)
	if w == nil {
		return nil, "", "", false
	}
	return w.Pieces, w.Before, w.After, true
}
