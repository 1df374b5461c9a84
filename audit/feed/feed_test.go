package feed

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/outbound"
)

// serve is a server of pages, and how often it was asked.
func serve(t *testing.T, handle http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func fetch(t *testing.T, h HTTP, known string) (lines, next string, unchanged bool, err error) {
	t.Helper()
	var out bytes.Buffer
	next, unchanged, err = NewHTTP(h, true).Fetch(t.Context(), known, &out)
	return out.String(), next, unchanged, err
}

func TestPages(t *testing.T) {
	t.Parallel()
	const all = "{\"key\":\"a\"}\n{\"key\":\"b\",\"x\":[1,2]}\n{\"key\":\"c\"}\n"
	for name, tt := range map[string]struct {
		h      HTTP // its URL is relative
		handle http.HandlerFunc
	}{
		"a list": {HTTP{}, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `[{"key":"a"}, {"key":"b","x":[1, 2]},`+"\n"+`{"key":"c"}]`)
		}},
		"JSON Lines": {HTTP{}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, all) }},
		"Link": {HTTP{}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "" {
				w.Header().Set("Link", `</apps>; rel="first"; title="a, b", </apps?page=2>; rel="prefetch next"`)
				fmt.Fprint(w, `[{"key":"a"}]`)
				return
			}
			fmt.Fprint(w, `[{"key":"b","x":[1,2]},{"key":"c"}]`)
		}},
		"a cursor": {HTTP{Items: "data.apps", Next: "meta.next", Cursor: "after", URL: "?limit=2"}, func(w http.ResponseWriter, r *http.Request) {
			switch q := r.URL.Query(); {
			case q.Get("limit") != "2":
				w.WriteHeader(http.StatusBadRequest)
			case q.Get("after") == "":
				fmt.Fprint(w, `{"data":{"apps":[{"key":"a"},{"key":"b","x":[1,2]}]},"meta":{"next":"x&y="}}`)
			case q.Get("after") == "x&y=":
				fmt.Fprint(w, `{"data":{"apps":[]},"meta":{"next":17}}`)
			case q.Get("after") == "17":
				fmt.Fprint(w, `{"data":{"apps":[{"key":"c"}]},"meta":{"next":null}}`)
			}
		}},
		"a URL in the page": {HTTP{Items: "values", Next: "next"}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/apps" {
				fmt.Fprintf(w, `{"values":[{"key":"a"},{"key":"b","x":[1,2]}],"next":"http://%s/more"}`, r.Host)
				return
			}
			fmt.Fprint(w, `{"values":[{"key":"c"}]}`)
		}},
		"a redirect": {HTTP{Token: Secret{File: "token"}}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/apps" {
				http.Redirect(w, r, "/v2", http.StatusFound)
				return
			}
			if r.Header.Get("Authorization") != "Bearer hush" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, all)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, _ := serve(t, tt.handle)
			tt.h.URL = at + "/apps" + tt.h.URL
			if tt.h.Token.File != "" {
				tt.h.Token.File = filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(tt.h.Token.File, []byte("hush\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, _, _, err := fetch(t, tt.h, ""); err != nil || got != all {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}

// What did not come whole is an error, however much came before.
func TestAPartIsNoList(t *testing.T) {
	t.Parallel()
	elsewhere, strayed := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[]`) })
	for name, tt := range map[string]struct {
		h      HTTP
		second http.HandlerFunc
		want   string
	}{
		"an error":     {HTTP{}, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "page 2: http://127.0.0.1"},
		"no right":     {HTTP{}, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }, "see the token"},
		"half a page":  {HTTP{}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[{"key":"b"},`) }, "page 2: not JSON"},
		"half an item": {HTTP{}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{\"key\":\"b\"}\n{\"key\"") }, "page 2: neither"},
		"not modified": {HTTP{}, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) }, "304"},
		"no items":     {HTTP{Items: "apps"}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) }, "nothing at apps"},
		"no list":      {HTTP{Items: "apps"}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"apps":{}}`) }, "at apps is no list"},
		"a circle": {HTTP{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `</>; rel=next`)
			fmt.Fprint(w, `[]`)
		}, "round in a circle"},
		"elsewhere": {HTTP{}, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) }, "leads to another host"},
		"nowhere": {HTTP{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://[x/?after=hush")
			w.WriteHeader(http.StatusFound)
		}, "cannot be reached: it leads to what is no URL"},
		"hung up": {HTTP{}, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "cannot be reached: "},
		"next is there": {HTTP{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "<"+elsewhere+">; rel=next")
			fmt.Fprint(w, `[]`)
		}, "leads to another host"},
		"cut off": {HTTP{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `[{"key":"b"}]`)
		}, "did not come whole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/two" {
					tt.second(w, r)
					return
				}
				w.Header().Set("Link", `</two?after=hush>; rel="next"`)
				if tt.h.Items != "" {
					fmt.Fprintf(w, `{%q:[{"key":"a"}]}`, tt.h.Items)
					return
				}
				fmt.Fprint(w, `[{"key":"a"}]`)
			})
			tt.h.URL, tt.h.Token = at+"/", Secret{}
			_, next, unchanged, err := fetch(t, tt.h, "")
			if err == nil || next != "" || unchanged || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	t.Cleanup(func() {
		if n := strayed.Load(); n != 0 {
			t.Errorf("the other host was asked %d times", n)
		}
	})
}

func TestWhatHasNotChangedIsNotFetchedAgain(t *testing.T) {
	t.Parallel()
	second := atomic.Value{}
	second.Store(`"v1"`)
	var whole atomic.Int32
	var more atomic.Bool // there is a third page, and the second is what it was but for the header that leads there
	at, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/two" {
			w.Header().Set("ETag", second.Load().(string))
			if more.Load() {
				w.Header().Set("Link", `</three>; rel="next"`)
			}
		} else if r.URL.Path == "/three" {
			w.Header().Set("ETag", `"third"`)
		} else {
			w.Header().Set("Last-Modified", "Sun, 22 Nov 2026 03:00:00 GMT")
			w.Header().Set("Link", `</two>; rel="next"`)
		}
		if r.Header.Get("If-None-Match") == w.Header().Get("ETag") && r.Header.Get("If-Modified-Since") == w.Header().Get("Last-Modified") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		whole.Add(1)
		fmt.Fprint(w, `[{}]`)
	})
	h := HTTP{URL: at + "/?key=17"}
	step := func(known string, lines int, unchanged bool, requests, answers int32) string {
		t.Helper()
		asked.Store(0)
		whole.Store(0)
		got, next, same, err := fetch(t, h, known)
		if err != nil || strings.Count(got, "\n") != lines || same != unchanged || asked.Load() != requests || whole.Load() != answers || next == "" {
			t.Errorf("%q, %t, %q, %v, %d requests, %d whole", got, same, next, err, asked.Load(), whole.Load())
		}
		return next
	}
	tag := step("", 2, false, 2, 2)
	if strings.Contains(tag, "key=17") {
		t.Errorf("the tag holds the URL of the configuration: %s", tag)
	}
	tag = step(tag, 0, true, 2, 0)
	second.Store(`"v2"`)
	tag = step(tag, 2, false, 4, 3) // one page has changed: all are fetched
	tag = step(tag, 0, true, 2, 0)
	more.Store(true)
	tag = step(tag, 3, false, 5, 3)
	tag = step(tag, 0, true, 3, 0)
	more.Store(false)
	h.Items = "" // the same question
	h.URL = at + "/?key=18"
	step(tag, 2, false, 2, 2) // another one
	step("no tag", 2, false, 2, 2)
}

func TestAServerThatKeepsOneWaiting(t *testing.T) {
	t.Parallel()
	wait := make(chan struct{})
	at, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { <-wait })
	t.Cleanup(func() { close(wait) })
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the night is stopped")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, _, err := NewHTTP(HTTP{URL: at}, true).Fetch(ctx, "", &bytes.Buffer{}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if _, _, err := NewHTTP(HTTP{URL: at}, false).Fetch(t.Context(), "", &bytes.Buffer{}); !errors.Is(err, outbound.ErrPrivate) {
		t.Errorf("a private address: %v", err)
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Secret{{Env: "MAILREEVE_NO_SUCH_SECRET"}, {File: empty}, {File: empty + ".gone"}} {
		if v, err := s.Read(); err == nil || v != "" {
			t.Errorf("%+v: %q, %v", s, v, err)
		}
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	dsn := cluster.New(t)
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(`CREATE TABLE apps (key text, name text, domains text[], descriptor jsonb, decided timestamptz);
		INSERT INTO apps VALUES ('a', E'A\nB', '{x.example}', '{"scopes": ["READ"]}', '2026-01-01T00:00:00Z'), ('b', NULL, NULL, NULL, NULL)`); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dsn")
	ask := func(dsn, query string) (string, error) {
		if err := os.WriteFile(file, []byte(dsn), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		_, unchanged, err := (&Postgres{DSN: Secret{File: file}, Query: query}).Fetch(t.Context(), "", &out)
		if unchanged {
			t.Error("Postgres tells nothing of changes")
		}
		return out.String(), err
	}
	const want = `{"key":"a","name":"A\nB","domains":["x.example"],"descriptor":{"scopes": ["READ"]},"approvals":[{"decided_at" : "2026-01-01T00:00:00+00:00"}]}` + "\n" +
		`{"key":"b","name":null,"domains":null,"descriptor":null,"approvals":[{"decided_at" : null}]}` + "\n"
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("TimeZone", "UTC")
	u.RawQuery = q.Encode()
	got, err := ask(u.String(), `SELECT key, name, domains, descriptor, json_build_array(json_build_object('decided_at', decided)) AS approvals FROM apps ORDER BY key -- all`)
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := ask(dsn, "SELECT key FROM apps ORDER BY key;\n"); err != nil || got != "{\"key\":\"a\"}\n{\"key\":\"b\"}\n" {
		t.Errorf("%v\n%s", err, got)
	}
	for query, want := range map[string]string{
		"SELECT nothing FROM apps":                                     `column "nothing" does not exist`,
		"SELECT 1) x; DROP TABLE apps; --":                             "the query: ",
		"SELECT setval('s', 1) AS key":                                 "the query: ",
		"SELECT pg_sleep(0), 1/0 AS divided":                           "division by zero",
		"WITH x AS (DELETE FROM apps RETURNING key) SELECT key FROM x": "the query: ",
	} {
		if got, err := ask(dsn, query); err == nil || got != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %s", query, got, err, want)
		}
	}
	if got, err := ask(dsn, "SELECT count(*) AS n FROM apps"); err != nil || got != "{\"n\":2}\n" {
		t.Errorf("something was changed: %s, %v", got, err)
	}
	const secret = "s3cret/word"
	for _, wrong := range []string{
		"postgres://ann:" + url.PathEscape(secret) + "@127.0.0.1:1/x?sslmode=disable",
		"postgres://ann:" + url.PathEscape(secret) + "@127.0.0.1:1/x?sslmode=" + url.QueryEscape(secret),
		"postgres://ann:" + secret + "@[/x",
		"host=127.0.0.1 password=" + secret,
	} {
		if _, err := ask(wrong, "SELECT 1"); err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), url.PathEscape(secret)) {
			t.Errorf("%v", err)
		}
	}
}
