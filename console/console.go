// Package console is the reviewers' web console: what a night found, reviewed in a browser. Pages are made by the server and need no script to be read or
// to act; the script adds the keyboard. Nothing is changed here but by [Deeds] and a [notices.Desk], as the command line and Slack change it.
package console

import (
	"context"
	"embed"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

//go:embed assets
var assetFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// Deeds is what people do to findings leads to.
type Deeds interface {
	// Do does a deed to the finding of an id, and records who did it. A *audit.RefusedError says why it is not possible now.
	Do(ctx context.Context, d audit.Deed, id string) error
}

// A Config is what a console is made of.
type Config struct {
	Site   *web.Site
	Store  *store.Store
	Deeds  Deeds
	Desk   *notices.Desk
	Policy *audit.Policy
	Clock  func() time.Time
	Log    *slog.Logger
	OIDC   OIDC

	// Check gives the check of an id, Checks all ids in their order; Clause gives the words of a clause.
	Check  func(id string) (audit.Check, bool)
	Checks []string
	Clause func(clause string) string

	// Export writes all accounts of a finding as the command line does in CSV.
	Export func(w io.Writer, f *audit.Finding, accounts audit.IDs) error

	// Drift holds an app against the snapshot of an approval; Fold makes words the same that a privacy policy may write either way.
	Drift func(app *audit.App, approval *audit.Approval) []audit.Drift
	Fold  func(word string) string

	// Retrier reads again what is in quarantine; nil: only the command line does. Outbox is what waits to be delivered.
	Retrier Retrier
	Outbox  Outbox
	// API answers programs under /api/; nil: there is none.
	API http.Handler

	// Settings is the configuration in force, as YAML without secrets.
	Settings string

	// Ready says what is wrong with the system, in plain words; empty: nothing is.
	Ready func(ctx context.Context) []string
}

// A Console is the console's pages. It is safe for concurrent use.
type Console struct {
	Config
	assets *web.Assets
	pages  *web.Pages
	link   link
	idp    provider

	waiting keptTasks
}

// New gives the console of a configuration.
func New(c Config) (*Console, error) {
	x := &Console{Config: c}
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, err
	}
	if x.assets, err = web.NewAssets(assets); err != nil {
		return nil, err
	}
	templates, err := fs.Sub(templateFiles, "templates")
	if err != nil {
		return nil, err
	}
	x.pages, err = web.NewPages(templates, x.assets, x.funcs(), c.Log)
	return x, err
}

// A handler answers with a page, or gives the error that [Console.fail] answers with.
type handler func(w http.ResponseWriter, r *http.Request, u person) error

// A route is a page, and who may see or do it.
type route struct {
	pattern string
	least   Role
	handler handler
}

// routes lists all that only who is logged in may see or do. A new page is a line here, a template among templates/pages, and a line in nav.
func (c *Console) routes() []route {
	return []route{
		{"GET /{$}", Viewer, c.tonight},
		{"GET /findings", Viewer, c.findings},
		{"POST /findings", Reviewer, c.actOnFindings},
		{"GET /findings/{id}", Viewer, c.finding},
		{"POST /findings/{id}", Reviewer, c.actOnFinding},
		{"GET /findings/{id}/accounts.csv", Viewer, c.accounts},
		{"GET /tasks", Viewer, c.tasks},
		{"POST /messages/{id}", Reviewer, c.actOnMessage},
		{"GET /notices", Viewer, c.notices},
		{"POST /notices", Reviewer, c.release},
		{"GET /notices/{id}", Viewer, c.notice},
		{"GET /notices/{id}/mail", Viewer, c.mail},
		{"GET /notices/{id}/attachments/{file}", Viewer, c.attachment},
		{"POST /notices/{id}", Reviewer, c.actOnNotice},
		{"GET /vendors", Viewer, c.vendors},
		{"GET /vendors/{key...}", Viewer, c.vendor},
		{"GET /apps", Viewer, c.apps},
		{"GET /apps/{key...}", Viewer, c.app},
		{"GET /runs", Viewer, c.runs},
		{"GET /runs/{id}", Viewer, c.run},
		{"GET /quarantine", Viewer, c.quarantine},
		{"POST /quarantine", Reviewer, c.retry},
		{"GET /checks", Viewer, c.checks},
		{"GET /suppressions", Viewer, c.suppressions},
		{"GET /trail", Viewer, c.trail},
		{"GET /settings", Viewer, c.settings},
		{"GET /sessions", Viewer, c.sessions},
		{"POST /sessions/end", Viewer, c.endSession},
	}
}

// nav is what the head of every page leads to.
func nav() []navItem {
	return []navItem{
		{"/", "Tonight"},
		{"/findings", "Findings"},
		{"/tasks", "Tasks"},
		{"/notices", "Notices"},
		{"/vendors", "Vendors"},
		{"/apps", "Apps"},
		{"/runs", "Runs"},
		{"/checks", "Checks"},
		{"/suppressions", "Suppressions"},
		{"/trail", "Trail"},
		{"/settings", "Settings"},
	}
}

type navItem struct{ Path, Name string }

// Handler serves the console.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+web.AssetsPath, c.assets)
	mux.HandleFunc("GET /healthz", Health)
	mux.HandleFunc("GET /readyz", Readiness(c.Ready))
	mux.HandleFunc("GET /login", c.login)
	mux.HandleFunc("GET /login/{token}", c.loginByLink)
	mux.HandleFunc("GET /oidc/start", c.oidcStart)
	mux.HandleFunc("GET "+CallbackPath, c.oidcCallback)
	mux.HandleFunc("POST /logout", c.logout)
	if c.API != nil {
		mux.Handle("/api/", c.API)
	}
	for _, r := range c.routes() {
		mux.HandleFunc(r.pattern, c.only(r.least, r.handler))
	}
	mux.HandleFunc("/", c.only(Viewer, func(http.ResponseWriter, *http.Request, person) error { return store.ErrNotFound }))
	return c.Site.Guard(mux)
}

// only lets those in who are logged in, and have the role that it takes.
func (c *Console) only(least Role, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, ok, err := c.who(r)
		switch {
		case err != nil:
			c.fail(w, r, u, err)
		case !ok && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case !ok:
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		case !u.Role.May(least):
			c.fail(w, r, u, &problem{http.StatusForbidden, "You may not do that", "It takes the role " + string(least) + ", and yours is " + string(u.Role) + "."})
		default:
			if err := h(w, r, u); err != nil {
				c.fail(w, r, u, err)
			}
		}
	}
}

// A problem is an error that a page tells of as it is.
type problem struct {
	status     int
	title, why string
}

func (p *problem) Error() string { return p.title + ": " + p.why }

// wrong is a problem with what was asked for.
func wrong(why string) error { return &problem{http.StatusBadRequest, "That cannot be meant", why} }

// fail answers with a page that says what went wrong: what was asked for, not what is inside.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, u person, err error) {
	var p *problem
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
	case errors.Is(err, store.ErrNotFound):
		p = &problem{http.StatusNotFound, "There is no such page", "Nothing is here. What was here may have been erased."}
	case errors.Is(err, store.ErrAmbiguous):
		p = &problem{http.StatusNotFound, "More than one begins so", "Give more of the id."}
	case errors.As(err, &large):
		p = &problem{http.StatusRequestEntityTooLarge, "That is too much", "What was sent is larger than anything that can be meant."}
	case r.Context().Err() != nil:
		c.Log.WarnContext(r.Context(), "a page took too long, or nobody waits for it any more", "path", address.Redact(r.URL.Path), "error", err)
		p = &problem{http.StatusServiceUnavailable, "That took too long", "Try again; if it stays so, the log says more."}
	default:
		c.Log.ErrorContext(r.Context(), "a page failed", "path", address.Redact(r.URL.Path), "error", err)
		p = &problem{http.StatusInternalServerError, "Something is wrong on our side", "The log says what. Look at what was done before you try again."}
	}
	if wantsJSON(r) {
		writeJSON(w, p.status, map[string]string{"error": p.title + ". " + p.why})
		return
	}
	c.render(w, r, u, p.status, "error", &struct {
		frame
		Heading, Why string
	}{Heading: p.title, Why: p.why})
}

// A frame is what the layout of every page needs. Pages embed it; render fills it in.
type frame struct {
	User   person
	Nav    []navItem
	Here   string // the item of Nav that the page belongs to
	Flash  *flash // what was just done
	Back   string // the page itself, for forms that lead back to it
	LogOut bool
}

func (f *frame) framed() *frame { return f }

// render answers with a page. data is a pointer to what the page tells, with a frame embedded.
func (c *Console) render(w http.ResponseWriter, r *http.Request, u person, status int, page string, data interface{ framed() *frame }) {
	f := data.framed()
	f.User, f.Nav, f.Back, f.LogOut = u, nav(), r.URL.RequestURI(), u.Role != ""
	for _, item := range f.Nav {
		if r.URL.Path == item.Path || item.Path != "/" && strings.HasPrefix(r.URL.Path, item.Path+"/") {
			f.Here = item.Path
		}
	}
	if u.Role != "" {
		f.Flash = c.takeFlash(w, r)
	}
	c.pages.Render(w, r, status, page, data)
}

// Health says that the process answers.
func Health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Readiness says whether the system does what it is for: 200, or 503 and what is wrong, which amiss tells.
func Readiness(amiss func(context.Context) []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if wrong := amiss(r.Context()); len(wrong) > 0 {
			writeJSON(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "wrong": wrong})
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}
}
