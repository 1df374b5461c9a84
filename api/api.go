// Package api is what programs ask of mailreeve over HTTP, in JSON: the records that the command line gives with --format json, and the deeds that people
// do there and in the console. openapi.json describes it, and the tests hold the one against the other.
//
// A program is known by a token, and may do what the token's scopes say. It comes in the header Authorization and nowhere else: cookies count for nothing
// here, so no other site's page can use them, and tokens open no page of the console.
package api

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// Prefix is under where the API is served.
const Prefix = "/api/v1"

// Description is the API in OpenAPI 3.1.
//
//go:embed openapi.json
var Description []byte

// Deeds is what people and programs do to findings leads to.
type Deeds interface {
	// Do does a deed to the finding of an id, and records who did it. A *audit.RefusedError says why it is not possible now; what the deed's If says is given
	// as it is.
	Do(ctx context.Context, d audit.Deed, id string) error
}

// A Config is what an API is made of.
type Config struct {
	Store  *store.Store
	Deeds  Deeds
	Desk   *notices.Desk
	Policy *audit.Policy
	Checks [][]audit.Check // each with its parts
	Clock  func() time.Time
	Log    *slog.Logger
}

// An API answers programs. It is safe for concurrent use.
type API struct {
	Config
	turn chan struct{} // whoever acts on a finding holds it
}

// A param is a parameter of a query; many: it may be given more than once.
type param struct {
	name string
	many bool
}

// A route is something to be asked or done, and what it takes.
type route struct {
	method, path string
	scopes       []Scope // all of them
	params       []param
	handler      handler
}

// A handler gives what to answer with, or the error that [fail] makes a problem of.
type handler func(w http.ResponseWriter, r *http.Request, t *store.Token) (any, error)

func one(names ...string) (list []param) {
	for _, n := range names {
		list = append(list, param{n, false})
	}
	return list
}

func many(names ...string) (list []param) {
	for _, n := range names {
		list = append(list, param{n, true})
	}
	return list
}

// routes lists all there is, but for the description itself.
func (a *API) routes() []route {
	get, post := http.MethodGet, http.MethodPost
	paged := one("cursor", "limit")
	return []route{
		{get, "/findings", []Scope{ReadFindings}, slices.Concat(many("status", "severity", "check", "app", "vendor", "run"), one("assignee", "q", "sort"), paged), a.findings},
		{get, "/findings/{id}", []Scope{ReadFindings}, nil, a.finding},
		{post, "/findings/{id}/deeds", []Scope{ReadFindings, WriteFindings}, nil, a.act},
		{get, "/suppressions", []Scope{ReadFindings}, slices.Concat(one("quiet"), paged), a.suppressions},
		{get, "/checks", []Scope{ReadFindings}, nil, a.checks},
		{get, "/notices", []Scope{ReadNotices}, slices.Concat(one("state", "vendor"), paged), a.notices},
		{get, "/notices/{id}", []Scope{ReadNotices}, nil, a.notice},
		{get, "/notices/{id}/preview", []Scope{ReadNotices}, nil, a.preview},
		{post, "/notices/{id}/approve", []Scope{ReadNotices, ApproveNotices}, nil, a.approve},
		{get, "/apps", []Scope{ReadApps}, slices.Concat(one("sort"), paged), a.apps},
		{get, "/apps/{key...}", []Scope{ReadApps, ReadFindings}, nil, a.app},
		{get, "/app", []Scope{ReadApps, ReadFindings}, one("key"), a.appByKey},
		{get, "/vendors", []Scope{ReadApps}, paged, a.vendors},
		{get, "/runs", []Scope{ReadRuns}, paged, a.runs},
		{get, "/runs/{id}", []Scope{ReadRuns}, nil, a.run},
		{post, "/runs/{id}/release", []Scope{ApproveNotices}, nil, a.release},
		{get, "/coverage", []Scope{ReadRuns}, one("limit"), a.coverage},
		{get, "/quarantine", []Scope{ReadRuns}, slices.Concat(one("kind", "file"), paged), a.quarantine},
		{get, "/trail", []Scope{ReadTrail}, slices.Concat(one("who", "what", "finding", "after"), paged), a.trail},
	}
}

// New gives the API of a configuration.
func New(c Config) *API { return &API{c, make(chan struct{}, 1)} }

// Handler serves the API under Prefix. It is for a listener that has the defences of [web.Site.Guard].
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string]map[string]http.HandlerFunc{Prefix + "/openapi.json": {http.MethodGet: a.description}}
	for _, r := range a.routes() {
		at := Prefix + r.path
		if methods[at] == nil {
			methods[at] = map[string]http.HandlerFunc{}
		}
		methods[at][r.method] = a.only(r)
	}
	for at, of := range methods {
		mux.HandleFunc(at, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			if h, ok := of[method]; ok {
				h(w, r)
				return
			}
			var allow []string
			for m := range of {
				if allow = append(allow, m); m == http.MethodGet {
					allow = append(allow, http.MethodHead)
				}
			}
			slices.Sort(allow)
			w.Header().Set("Allow", strings.Join(allow, ", "))
			a.fail(w, r, &problem{http.StatusMethodNotAllowed, r.Method + " is for nothing here."})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, store.ErrNotFound) })
	return mux
}

func (a *API) description(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, "application/json", Description)
}

// only lets those in whose token may, and who ask as the route says.
func (a *API) only(x route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := func() (any, error) {
			t, err := a.token(w, r, x.scopes)
			if err != nil {
				return nil, err
			}
			if err := x.fits(r); err != nil {
				return nil, err
			}
			return x.handler(w, r, t)
		}()
		if err != nil {
			a.fail(w, r, err)
			return
		}
		var b bytes.Buffer
		if err := record.Write(&b, answer, ""); err != nil {
			a.fail(w, r, err)
			return
		}
		send(w, http.StatusOK, "application/json", b.Bytes())
	}
}

// fits says what is wrong with how a request asks.
func (x *route) fits(r *http.Request) error {
	if !accepts(r.Header.Values("Accept")) {
		return &problem{http.StatusNotAcceptable, "Answers are application/json."}
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return wrong("The query cannot be read: %v.", err)
	}
	for name, values := range q {
		i := slices.IndexFunc(x.params, func(p param) bool { return p.name == name })
		switch {
		case i < 0:
			return wrong("There is no parameter %q here.", name)
		case len(values) > 1 && !x.params[i].many:
			return wrong("The parameter %s is given more than once.", name)
		}
	}
	if x.method == http.MethodPost {
		kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
			return &problem{http.StatusUnsupportedMediaType, "Send application/json, and say so in Content-Type."}
		}
	}
	return nil
}

// accepts says whether who sends Accept takes JSON.
func accepts(headers []string) bool {
	best := -1.0
	specific := -1
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		at := slices.Index([]string{"*/*", "application/*", "application/json"}, kind)
		if err != nil || at < specific {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		specific, best = at, q
	}
	return len(headers) == 0 || specific >= 0 && best > 0
}

// A problem is an error that who asked is told of as it is: what RFC 9457 calls a problem.
type problem struct {
	status int
	detail string
}

func (p *problem) Error() string { return p.detail }

// wrong is a problem with what was asked for.
func wrong(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// fail answers with a problem: of what was asked for, not of what is inside.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	var large *http.MaxBytesError
	var finding *audit.RefusedError
	var notice *audit.NoticeError
	switch {
	case errors.As(err, &p):
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrAmbiguous):
		p = &problem{http.StatusNotFound, "There is nothing here. What was here may have been erased."}
	case errors.As(err, &finding), errors.As(err, &notice):
		p = &problem{http.StatusConflict, err.Error()}
	case errors.As(err, &large):
		p = &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("A body holds at most %d bytes.", maxBody)}
	case r.Context().Err() != nil:
		a.Log.WarnContext(r.Context(), "a request took too long, or nobody waits for it any more", "path", address.Redact(r.URL.Path), "error", err)
		p = &problem{http.StatusServiceUnavailable, "That took too long. Try again; if it stays so, the log says more."}
	default:
		a.Log.ErrorContext(r.Context(), "a request failed", "path", address.Redact(r.URL.Path), "error", err)
		p = &problem{http.StatusInternalServerError, "Something is wrong on our side; the log says what. Look at what was done before you try again."}
	}
	var b bytes.Buffer
	_ = record.Write(&b, struct { // to a buffer, of texts: nothing fails
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(p.status), p.status, address.Redact(p.detail)}, "") // which may repeat what was sent
	send(w, p.status, "application/problem+json", b.Bytes())
}

func send(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who went away does not need it
}

// What a body, and a text in it, may hold.
const (
	maxBody = 64 << 10 // bytes
	maxText = 5000     // characters
)

// read reads a body into a struct. What the struct does not know is refused.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("something follows the object")
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return wrong("The body cannot be meant: %s.", strings.TrimPrefix(err.Error(), "json: "))
}

// said is a text that a person may have written, addresses masked.
func said(name, text string) (string, error) {
	if utf8.RuneCountInString(text) > maxText {
		return "", wrong("%s holds at most %d characters.", name, maxText)
	}
	return address.Redact(strings.TrimSpace(text)), nil
}

// A page is how a list is cut.
type page struct {
	cursor string
	limit  int
}

// pageOf reads how a list is to be cut: in pages of usual lines unless it says otherwise, and of at most most.
func pageOf(r *http.Request, usual, most int) (page, error) {
	q := r.URL.Query()
	p := page{q.Get("cursor"), usual}
	if text := q.Get("limit"); q.Has("limit") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return p, wrong("limit: give 1 to %d.", most)
		}
		p.limit = n
	}
	return p, nil
}

// number is the cursor of a list whose places are numbers; 0: its beginning.
func (p page) number() (int64, error) {
	if p.cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.cursor, 10, 64)
	if err != nil || n < 1 || n > 1<<53 {
		return 0, errCursor
	}
	return n, nil
}

var errCursor = &problem{http.StatusBadRequest, "The cursor leads nowhere: take it from the header Link of the page before, or begin anew."}

// next leads to the page after.
func next(w http.ResponseWriter, r *http.Request, name, cursor string) {
	q := r.URL.Query()
	q.Set(name, cursor)
	w.Header().Set("Link", "<"+r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}

// cut gives the page of a list that is known whole, by what a line is known by.
func cut[T any](w http.ResponseWriter, r *http.Request, p page, list []T, key func(*T) string) ([]T, error) {
	if p.cursor != "" {
		i := slices.IndexFunc(list, func(x T) bool { return key(&x) == p.cursor })
		if i < 0 {
			return nil, errCursor
		}
		list = list[i+1:]
	}
	if len(list) > p.limit {
		list = list[:p.limit]
		next(w, r, "cursor", key(&list[p.limit-1]))
	}
	return list, nil
}

// records is what a list tells.
func records[T, R any](list []T, of func(*T) R) []R {
	out := make([]R, len(list))
	for i := range list {
		out[i] = of(&list[i])
	}
	return out
}

// asOf is what the last run was as of; where none ever finished, now.
func (a *API) asOf(ctx context.Context) (audit.Instant, error) {
	runs, err := a.Store.Finished(ctx, 1)
	if err != nil || len(runs) == 0 {
		return audit.At(a.Clock()), err
	}
	return runs[0].AsOf, nil
}
