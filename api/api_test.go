package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/internal/nighttest"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

const day = 24 * time.Hour

// start is when a bench's clock starts.
const start = audit.Instant(20000)*audit.Instant(day) + audit.Instant(8*time.Hour)

const maker = "cli:ann@host"

// A bench is an API on a store of its own, with nights that the test makes and a clock that it sets. What is asked of it is held against the description.
type bench struct {
	t      *testing.T
	store  *store.Store
	desk   *notices.Desk
	url    string
	log    *strings.Builder
	held   *contract
	vendor audit.Vendor

	mu  sync.Mutex
	now audit.Instant
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.Time()
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	b := &bench{t: t, store: s, now: start, log: &strings.Builder{}, held: newContract(t), vendor: audit.Vendor{ID: "v-1", Name: "Acme", Contacts: []string{"security@acme.example"}}}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	site, err := web.New(web.Config{Listen: "127.0.0.1:0", Log: log})
	must(t, err)
	cfg := &config.Config{Policy: audit.DefaultPolicy(), Notices: config.Notices{From: "audit@market.example", SMTP: "smtp://127.0.0.1:1"}, Vendor: config.Vendor{PublicURL: "https://vendors.example"}}
	b.desk = notices.New(s, cfg, b.clock, log)
	x := api.New(api.Config{Policy: audit.DefaultPolicy(), Store: s, Deeds: b.deeds(), Desk: b.desk, Checks: checks.Catalogue(), Clock: b.clock, Log: log})
	server := httptest.NewServer(site.Guard(x.Handler()))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// deeds does what people want, by a policy in which it takes two to delist.
func (b *bench) deeds() nighttest.Deeds {
	p := audit.DefaultPolicy()
	p.FourEyes = []string{"delist"}
	return nighttest.Deeds{Store: b.store, AsOf: start, Policy: p}
}

func (b *bench) night(list ...audit.Finding) string {
	b.t.Helper()
	return nighttest.File(b.t, b.store, audit.At(b.clock()), b.vendor, list...)
}

func finding(app string) audit.Finding {
	return nighttest.Finding("purpose-prohibited", app, "marketing", audit.Critical, start)
}

// drafted lets two days pass and a night run, after which notices wait for approval, and gives their ids.
func (b *bench) drafted() (ids []string) {
	b.t.Helper()
	b.wait(2 * day)
	b.night()
	must(b.t, b.desk.Night(b.t.Context()))
	list, err := b.store.Notices(b.t.Context(), store.NoticeFilter{})
	must(b.t, err)
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	if len(ids) == 0 {
		b.t.Fatal("the nights drafted no notice")
	}
	return ids
}

// token makes a token, and gives its secret.
func (b *bench) token(name string, scopes ...api.Scope) string {
	b.t.Helper()
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	now := audit.At(b.clock())
	t, secret, err := api.NewToken(name, names, maker, now, now.Add(100*day))
	must(b.t, err)
	must(b.t, b.store.CreateToken(b.t.Context(), t))
	return secret
}

// An ask is something to be asked, and how it is answered.
type ask struct {
	method, path string // GET, where there is a body POST; under the prefix
	token        string
	body         string
	meaning      bool // what is wrong with the body no schema says
	header       http.Header
	status       int
}

// ask asks, and holds what is asked and answered against the description.
func (b *bench) ask(x ask) (string, http.Header) {
	b.t.Helper()
	if x.method == "" {
		if x.method = http.MethodGet; x.body != "" {
			x.method = http.MethodPost
		}
	}
	r, err := http.NewRequestWithContext(b.t.Context(), x.method, b.url+api.Prefix+x.path, strings.NewReader(x.body))
	must(b.t, err)
	if x.token != "" {
		r.Header.Set("Authorization", "Bearer "+x.token)
	}
	if x.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range x.header {
		r.Header[name] = values
	}
	w, err := http.DefaultTransport.RoundTrip(r) // which follows nothing
	must(b.t, err)
	defer w.Body.Close()
	got, err := io.ReadAll(w.Body)
	must(b.t, err)
	if w.StatusCode != x.status {
		b.t.Errorf("%s %s %s: %s, want %d: %s", x.method, x.path, x.body, w.Status, x.status, got)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if w.Header.Get(name) != want {
			b.t.Errorf("%s %s: %s is %q", x.method, x.path, name, w.Header.Get(name))
		}
	}
	if x.method == http.MethodGet || x.method == http.MethodPost {
		b.held.hold(b.t, r, []byte(x.body), x.meaning, w, got)
	}
	return string(got), w.Header
}

func all() []api.Scope { return api.Scopes() }

// TestTheDescriptionHolds asks everything that there is, in every way that the description names, and finds no other way.
func TestTheDescriptionHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var list []audit.Finding
	for i := range audit.DefaultPolicy().Ladder.Abnormal + 1 {
		list = append(list, finding(fmt.Sprintf("com.acme.app%02d", i)))
	}
	run := b.night(list...)
	must(t, b.store.StageQuarantine(t.Context(), 1, []audit.Quarantined{{File: 1, Line: 1, Reason: "it is no JSON", Text: "x"}, {File: 1, Line: 2, Reason: "it is no JSON", Text: "y"}}))
	b.vendor = audit.Vendor{ID: "v-2", Name: "Zeta", Contacts: []string{"security@zeta.example"}}
	b.night(finding("com.zeta.app"))
	drafts := b.drafted()
	notice := drafts[0]
	token := b.token("all", all()...)
	get := func(path string, status int) (string, http.Header) {
		t.Helper()
		return b.ask(ask{path: path, token: token, status: status})
	}
	f, other := "/findings/"+list[0].ID, "/findings/"+list[1].ID
	do := func(path, body string, status int) string {
		t.Helper()
		said, _ := b.ask(ask{path: path, token: token, body: body, status: status})
		return said
	}

	b.ask(ask{path: "/openapi.json", status: 200})
	for _, path := range []string{"/findings?limit=2", "/findings?status=all&severity=critical&severity=high&check=purpose-prohibited&app=com.acme.app00&app=com.acme.app01&vendor=acme&run=" + run + "&assignee=none&q=marketing&sort=last-seen&limit=1",
		"/findings?status=open&status=acknowledged&cursor=" + list[0].ID, f, "/suppressions", "/checks", "/notices", "/notices?state=waits&vendor=v-2&limit=1", "/notices?state=all&cursor=" + notice, "/notices/" + notice, "/notices/" + notice + "/preview",
		"/apps?sort=risk&limit=2", "/apps?cursor=.com.acme.app00", "/apps/com.acme.app00", "/app?key=com.acme.app00", "/vendors", "/vendors?limit=1", "/vendors?cursor=v-1", "/runs?limit=1", "/runs?cursor=2", "/runs/" + run, "/coverage?limit=1", "/quarantine?kind=access&limit=1", "/quarantine?cursor=1", "/quarantine?file=none",
		"/trail?limit=3", "/trail?who=night&what=filed&finding=" + list[0].ID, "/trail?after=2&limit=2", "/trail?cursor=3"} {
		get(path, 200)
	}
	for _, path := range []string{"/findings/F-0", "/findings/" + list[0].ID[:8], "/notices/N-0", "/notices/N-0/preview", "/apps/com.nobody", "/app?key=com.nobody", "/apps/", "/runs/R-9"} {
		get(path, 404)
	}
	for _, path := range []string{"/findings?status=closed", "/findings?status=all&status=open", "/findings?severity=worst", "/findings?check=none", "/findings?sort=name", "/findings?limit=0", "/findings?limit=201", "/findings?limit=many", "/findings?cursor=F-0", "/findings?q=" + strings.Repeat("x", 201),
		"/findings?sort=risk&sort=due", "/findings?q=%zz", "/findings?q=a;b", "/suppressions?quiet=perhaps", "/suppressions?cursor=-1", "/notices?state=gone", "/notices?cursor=N-0", "/apps?sort=name", "/apps?cursor=x", "/apps?sort=risk&cursor=.com.nobody", "/app", "/app?key=a&key=b", "/vendors?cursor=x", "/runs?cursor=x", "/coverage?limit=401",
		"/quarantine?cursor=0", "/trail?after=-1", "/trail?after=1&cursor=2", "/trail?after=x", "/trail?cursor=99999999999999999999"} {
		get(path, 400)
	}

	for _, body := range []string{`{"do":"acknowledge"}`, `{"do":"assign","assignee":"bob"}`, `{"do":"comment","reason":"hm"}`, `{"do":"remediate","reason":"their release is on Friday"}`, `{"do":"suppress","reason":"a pilot","until":"` + b.clock().AddDate(0, 1, 0).Format(time.DateOnly) + `"}`,
		`{"do":"reopen"}`, `{"do":"dismiss","reason":"no harm"}`, `{"do":"reopen"}`, `{"do":"recommend","act":"warn"}`, `{"do":"resolve"}`} {
		do(f+"/deeds", body, 200)
	}
	do(other+"/deeds", `{"do":"suppress","reason":"one site","site":"site-a","until":"`+b.clock().AddDate(0, 1, 0).Format(time.RFC3339)+`"}`, 200)
	do(other+"/deeds", `{"do":"reopen","site":"site-a"}`, 200)
	if said := do(other+"/deeds", `{"do":"reopen","site":"site-a"}`, 409); !strings.Contains(said, "it is not suppressed on site") {
		t.Errorf("a site that is suppressed no more: %s", said)
	}
	do(other+"/deeds", `{"do":"suppress","reason":"one site","site":"site-a","until":"`+b.clock().AddDate(0, 1, 0).Format(time.RFC3339)+`"}`, 200)
	get("/suppressions?quiet=false&limit=1", 200)
	b.wait(100 * day)
	token = b.token("later", all()...)
	get("/suppressions?quiet=true&cursor=1", 200)
	for _, body := range []string{`{}`, `{"do":"erase"}`, `{"do":"comment"}`, `{"do":"dismiss"}`, `{"do":"suppress","reason":"x"}`, `{"do":"suppress","until":"2030-01-01"}`, `{"do":"assign"}`, `{"do":"recommend"}`, `{"do":"decide"}`, `{"do":"decide","act":"none"}`, `{"do":"recommend","act":"sue"}`, `{"do":"acknowledge","until":"2030-01-01"}`,
		`{"do":"resolve","act":"none"}`, `{"do":"comment","reason":"x","site":"site-a"}`, `{"do":"acknowledge","assignee":"bob"}`, `{"do":"acknowledge","why":"x"}`, `{"do":7}`, `[]`, `null`, `"acknowledge"`, `{"do":"acknowledge"} {"do":"resolve"}`, `{"do":"acknow`, `{"do":"comment","reason":"` + strings.Repeat("x", 5001) + `"}`,
		`{"do":"assign","assignee":"` + strings.Repeat("x", 201) + `"}`} {
		do(f+"/deeds", body, 400)
	}
	b.ask(ask{path: f + "/deeds", token: token, body: `{"do":"suppress","reason":"x","until":"tomorrow"}`, meaning: true, status: 400})
	b.ask(ask{path: f + "/deeds", token: token, body: `{"do":"comment","reason":" "}`, meaning: true, status: 400})
	if said := do(f+"/deeds", `{"do":"acknowledge"}`, 409); !strings.Contains(said, "it is resolved; reopen it first") {
		t.Errorf("a refusal says %s", said)
	}
	do(f+"/deeds", `{"do":"suppress","reason":"x","until":"2001-01-01"}`, 409)
	do(f+"/deeds", `{"do":"accept"}`, 409)
	do("/findings/F-0/deeds", `{"do":"acknowledge"}`, 404)
	b.ask(ask{path: f + "/deeds", token: token, body: `{"do":"reopen"}`, header: http.Header{"If-Match": {`"0000"`}}, status: 412})

	digest := func(path string) string {
		t.Helper()
		said, _ := get(path, 200)
		var x struct {
			Digest string `json:"digest"`
		}
		must(t, json.Unmarshal([]byte(said), &x))
		return x.Digest
	}
	at := "/notices/" + notice
	if digest(at) != digest(at+"/preview") {
		t.Error("the notice's digest is not the preview's")
	}
	do(at+"/approve", `{}`, 400)
	do(at+"/approve", `{"digest":"sha256:00"}`, 400)
	do(at+"/approve", `{"digest":"sha256:`+strings.Repeat("0", 64)+`"}`, 409)
	do("/notices/N-0/approve", `{"digest":"sha256:`+strings.Repeat("0", 64)+`"}`, 404)
	do("/runs/R-9/release", `{}`, 404)
	do("/runs/"+run+"/release", `{"run":"all"}`, 400)
	if said := do("/runs/"+run+"/release", `{"reason":"a new check"}`, 200); said != `{"released":["`+run+`"]}`+"\n" {
		t.Errorf("what was released: %s", said)
	}
	do("/runs/"+run+"/release", `{}`, 409)
	b.wait(2 * day)
	b.night()
	must(t, b.desk.Night(t.Context()))
	said, _ := get("/notices?state=waits&vendor=v-1", 200)
	waits := regexp.MustCompile(`N-[0-9A-Z]{6,}`).FindString(said)
	do("/notices/"+waits+"/approve", `{"digest":"`+digest("/notices/"+waits)+`","reason":"as agreed"}`, 200)

	anywhere := strings.NewReplacer("{id}", "F-0", "{key}", "com.acme.app00")
	b.held.operations(func(method, path string, op map[string]any) {
		if path == "/openapi.json" {
			return
		}
		at := anywhere.Replace(path)
		body := map[string]string{"/findings/{id}/deeds": `{"do":"acknowledge"}`, "/notices/{id}/approve": `{"digest":"sha256:` + strings.Repeat("0", 64) + `"}`, "/runs/{id}/release": `{}`}[path]
		takes := scopesOf(op)
		b.ask(ask{path: at, body: body, status: 401})
		for i, scope := range takes {
			rest := slices.DeleteFunc(all(), func(s api.Scope) bool {
				return string(s) == scope || s == api.WriteFindings && scope == string(api.ReadFindings) || s == api.ApproveNotices && scope == string(api.ReadNotices)
			})
			said, h := b.ask(ask{path: at, token: b.token(strings.ToLower(fmt.Sprintf("lacks-%s-%d", op["operationId"], i)), rest...), body: body, status: 403})
			if want := `scope="` + strings.Join(takes, " ") + `"`; !strings.Contains(h.Get("WWW-Authenticate"), want) || !strings.Contains(said, scope) {
				t.Errorf("%s %s without %s: %s, %s", method, path, scope, h.Get("WWW-Authenticate"), said)
			}
		}
		b.ask(ask{path: at, token: token, body: body, header: http.Header{"Accept": {"text/html, application/json;q=0"}}, status: 406})
		b.ask(ask{path: at + "?nothing=1", token: token, body: body, meaning: true, status: 400})
		if method == http.MethodPost {
			b.ask(ask{path: at, token: token, body: body, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, status: 415})
			b.ask(ask{path: at, token: token, body: `{"reason":"` + strings.Repeat("x", 70<<10) + `"}`, status: 413})
		}
	})

	// All of the description came to pass.
	b.held.operations(func(method, path string, op map[string]any) {
		for status := range op["responses"].(map[string]any) {
			if what := method + " " + path + " " + status; status != "default" && !b.held.seen[what] {
				t.Errorf("%s is described, and did not come to pass", what)
			}
		}
		list, _ := op["parameters"].([]any)
		for i := range list {
			p, _ := b.held.element(list, nil, i)
			if what := fmt.Sprintf("%s %s ?%s", method, path, p["name"]); p["in"] == "query" && !b.held.seen[what] {
				t.Errorf("%s is described, and was never asked", what)
			}
		}
	})
	if strings.Contains(b.log.String(), "ERROR") || strings.Contains(b.log.String(), "mrv_") {
		t.Errorf("the log: %s", b.log)
	}
}

// Keys are of others' making. Whatever one is, its app is found by it, and no other; nothing between leads elsewhere.
func TestAppsOfAnyKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	keys := []string{"..", ".", "a//b", "../../trail", "a/b", "a b", "a?b#c", "%2e%2e", "a%2Fb", "ключ", `a\b`, "a+b", "/", "a\x00b"}
	var list []audit.Finding
	for _, key := range keys {
		list = append(list, finding(key))
	}
	b.night(list...)
	token := b.token("t", all()...)
	for _, key := range keys {
		escaped := ""
		for _, c := range []byte(key) {
			escaped += fmt.Sprintf("%%%02X", c)
		}
		for _, path := range []string{"/apps/" + escaped, "/app?key=" + url.QueryEscape(key)} {
			said, _ := b.ask(ask{path: path, token: token, status: 200})
			var got struct {
				Key      string `json:"key"`
				Findings []any  `json:"findings"`
			}
			must(t, json.Unmarshal([]byte(said), &got))
			if got.Key != key || len(got.Findings) != 1 {
				t.Errorf("%s: %q with %d findings, want %q", path, got.Key, len(got.Findings), key)
			}
		}
	}
}

// TestTheDescriptionNamesWhatIsServed: each route, its parameters and its scopes, and nothing else.
func TestTheDescriptionNamesWhatIsServed(t *testing.T) {
	t.Parallel()
	served := map[string]any{}
	for _, r := range api.Routes() {
		var scopes []string
		for _, s := range r.Scopes {
			scopes = append(scopes, string(s))
		}
		served[r.Method+" "+strings.ReplaceAll(r.Path, "...", "")] = map[string]any{"scopes": scopes, "params": r.Params}
	}
	described := map[string]any{}
	c := newContract(t)
	used := map[string]bool{}
	c.operations(func(method, path string, op map[string]any) {
		if path == "/openapi.json" {
			return
		}
		params := map[string]bool{}
		list, _ := op["parameters"].([]any)
		for i := range list {
			if p, _ := c.element(list, nil, i); p["in"] == "query" {
				params[p["name"].(string)] = p["schema"].(map[string]any)["type"] == "array"
			}
		}
		for _, s := range scopesOf(op) {
			used[s] = true
		}
		described[method+" "+path] = map[string]any{"scopes": scopesOf(op), "params": params}
	})
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("what is served (-), what is described (+):\n%s", diff)
	}
	scheme, _ := c.at("components", "securitySchemes", "token")
	for _, s := range api.Scopes() {
		if !used[string(s)] || !strings.Contains(scheme["description"].(string), string(s)) {
			t.Errorf("the scope %s is for nothing, or not described", s)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.night(finding("com.acme.mailer"))
	token := b.token("t", api.ReadFindings)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"DELETE", "/findings", 405, "GET, HEAD"},
		{"OPTIONS", "/findings", 405, "GET, HEAD"},
		{"PUT", "/findings/F-0/deeds", 405, "POST"},
		{"HEAD", "/findings/F-0/deeds", 405, "POST"},
		{"PATCH", "/nothing", 404, ""},
		{"HEAD", "/findings", 200, ""},
		{"HEAD", "/nothing", 404, ""},
		{"HEAD", "", 404, ""},
	} {
		said, h := b.ask(ask{method: tt.method, path: tt.path, token: token, status: tt.status})
		if h.Get("Allow") != tt.allow {
			t.Errorf("%s %s allows %q, want %q", tt.method, tt.path, h.Get("Allow"), tt.allow)
		}
		if tt.status != 200 && h.Get("Content-Type") != "application/problem+json" || tt.method == "HEAD" && said != "" {
			t.Errorf("%s %s is answered %q as %s", tt.method, tt.path, said, h.Get("Content-Type"))
		}
	}
	whole, of := b.ask(ask{path: "/findings", token: token, status: 200})
	if _, h := b.ask(ask{method: "HEAD", path: "/findings", token: token, status: 200}); h.Get("Content-Length") != fmt.Sprint(len(whole)) || h.Get("Content-Type") != of.Get("Content-Type") {
		t.Errorf("HEAD says %v of %d bytes", h, len(whole))
	}
	for accept, status := range map[string]int{"*/*": 200, "application/*;q=0.1": 200, "text/html": 406, "text/html, */*;q=0.1": 200, "application/json; charset=utf-8": 200, "*/*, application/json;q=0": 406, "": 406} {
		b.ask(ask{path: "/findings", token: token, header: http.Header{"Accept": {accept}}, status: status})
	}
}

// follow reads a list page by page, by what the header Link leads to.
func (b *bench) follow(token, path string) (items []map[string]any, pages int) {
	b.t.Helper()
	for path != "" {
		said, h := b.ask(ask{path: path, token: token, status: 200})
		var list []map[string]any
		must(b.t, json.Unmarshal([]byte(said), &list))
		items, pages = append(items, list...), pages+1
		if path = ""; h.Get("Link") != "" {
			link := regexp.MustCompile(`^</api/v1(/.*)>; rel="next"$`).FindStringSubmatch(h.Get("Link"))
			if link == nil || pages > 100 {
				b.t.Fatalf("page %d leads to %s", pages, h.Get("Link"))
			}
			path = link[1]
		}
	}
	return items, pages
}

// TestPagesHoldEachLineOnce, in every order.
func TestPagesHoldEachLineOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var list []audit.Finding
	for i := range 7 {
		f := finding(fmt.Sprintf("com.acme.app%d", i))
		f.Accounts, f.LastSeen = i%3, f.LastSeen.Add(time.Duration(i%2)*time.Hour)
		list = append(list, f)
		b.vendor = audit.Vendor{ID: fmt.Sprintf("v-%d", i), Name: fmt.Sprintf("Vendor %d", i)}
		b.night(f)
	}
	must(t, b.store.StageQuarantine(t.Context(), 1, []audit.Quarantined{{File: 1, Line: 1}, {File: 1, Line: 2}, {File: 1, Line: 3}}))
	token := b.token("t", all()...)
	paths := map[string]int{"/apps?limit=2": 7, "/apps?sort=risk&limit=3": 7, "/vendors?limit=2": 7, "/runs?limit=2": 7, "/quarantine?limit=2": 3, "/trail?limit=3": 8, "/trail?after=0&limit=3": 8, "/trail?after=2&limit=3": 6}
	for _, order := range store.Orders() {
		paths["/findings?limit=2&vendor=Vendor+0&vendor=Vendor+1&vendor=Vendor+2&vendor=Vendor+3&sort="+url.QueryEscape(string(order))] = 4
		paths["/findings?limit=3&sort="+url.QueryEscape(string(order))] = 7
	}
	for path, n := range paths {
		items, pages := b.follow(token, path)
		seen := map[string]bool{}
		for _, x := range items {
			text, err := json.Marshal(x)
			must(t, err)
			seen[string(text)] = true
		}
		if len(items) != n || len(seen) != n || pages < 2 {
			t.Errorf("%s: %d lines, %d of them different, on %d pages; want %d", path, len(items), len(seen), pages, n)
		}
	}
	for _, f := range list {
		must(t, b.deeds().Do(t.Context(), audit.Deed{Kind: audit.DoSuppress, By: "console:9 (bob)", At: start, Reason: "pilot", Until: start.Add(30 * day)}, f.ID))
	}
	if items, pages := b.follow(token, "/suppressions?limit=3"); len(items) != 7 || pages != 3 {
		t.Errorf("%d suppressions on %d pages", len(items), pages)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token := b.token("t", api.ReadFindings)
	if !regexp.MustCompile("^" + api.TokenPattern + "$").MatchString(token) {
		t.Errorf("the token %s is not as its pattern says", token)
	}
	for name, h := range map[string]http.Header{
		"none":             {},
		"a cookie":         {"Cookie": {"mailreeve-session=" + token}},
		"another scheme":   {"Authorization": {"Basic " + token}},
		"no scheme":        {"Authorization": {token}},
		"another":          {"Authorization": {"Bearer " + token[:8] + map[bool]string{true: "3", false: "2"}[token[8] == '2'] + token[9:]}},
		"its digest":       {"Authorization": {"Bearer " + strings.Repeat("0", 64)}},
		"two":              {"Authorization": {"Bearer " + token, "Bearer " + token}},
		"more behind it":   {"Authorization": {"Bearer " + token + " x"}},
		"nothing behind":   {"Authorization": {"Bearer "}},
		"in other letters": {"Authorization": {"Bearer " + strings.ToLower(token)}},
	} {
		if said, _ := b.ask(ask{path: "/findings", header: h, status: 401}); strings.Contains(said, token) {
			t.Errorf("%s: the answer tells it: %s", name, said)
		}
	}
	b.ask(ask{path: "/findings?access_token=" + token, status: 401})
	b.ask(ask{path: "/findings", header: http.Header{"Authorization": {"bearer " + token}}, status: 200})
	used := func() audit.Instant {
		list, err := b.store.Tokens(t.Context())
		must(t, err)
		return list[0].Used
	}
	first := used()
	if first != start {
		t.Errorf("it was last used at %s", first)
	}
	b.wait(59 * time.Minute)
	b.ask(ask{path: "/findings", token: token, status: 200})
	if used() != first {
		t.Error("each use is kept")
	}
	b.wait(time.Minute)
	b.ask(ask{path: "/findings", token: token, status: 200})
	if used() != start.Add(time.Hour) {
		t.Errorf("an hour later it was last used at %s", used())
	}
	b.wait(100*day - time.Hour - 1)
	b.ask(ask{path: "/findings", token: token, status: 200})
	b.wait(1)
	b.ask(ask{path: "/findings", token: token, status: 401})

	revoked := b.token("u", api.ReadFindings)
	b.ask(ask{path: "/findings", token: revoked, status: 200})
	if _, err := b.store.RevokeToken(t.Context(), "u", "cli:bob@host", audit.At(b.clock())); err != nil {
		t.Fatal(err)
	}
	b.ask(ask{path: "/findings", token: revoked, status: 401})
	if strings.Contains(b.log.String(), "mrv_") {
		t.Error("the log holds a token")
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	t.Parallel()
	good := []string{"findings:read"}
	for _, tt := range []struct {
		name    string
		scopes  []string
		expires audit.Instant
		says    string
	}{
		{"siem", good, start.Add(day), ""},
		{"", good, start.Add(day), "name"},
		{"Siem", good, start.Add(day), "name"},
		{"a b", good, start.Add(day), "name"},
		{"x@example.com", good, start.Add(day), "name"},
		{strings.Repeat("a", 64), good, start.Add(day), "name"},
		{"siem", nil, start.Add(day), "scope"},
		{"siem", []string{"findings:erase"}, start.Add(day), `"findings:erase" is none of`},
		{"siem", []string{"findings:write"}, start.Add(day), "takes findings:read too"},
		{"siem", []string{"notices:approve"}, start.Add(day), "takes notices:read too"},
		{"siem", good, start, "is over"},
		{"siem", good, start.Add(366*day + 1), "at most 366 days"},
	} {
		_, _, err := api.NewToken(tt.name, tt.scopes, maker, start, tt.expires)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q %v until %s: %v", tt.name, tt.scopes, tt.expires, err)
		}
	}
}

// TestDeedsOfPrograms are those of api:NAME in the trail, and no second person's.
func TestDeedsOfPrograms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := finding("com.acme.mailer")
	b.night(f)
	token := b.token("bot", api.ReadFindings, api.WriteFindings)
	at := "/findings/" + f.ID
	deed := func(body string, status int) string {
		t.Helper()
		said, _ := b.ask(ask{path: at + "/deeds", token: token, body: body, status: status})
		return said
	}
	deed(`{"do":"comment","reason":"seen by jane.doe@customer.example"}`, 200)
	trail, err := b.store.Trail(t.Context(), store.TrailFilter{Finding: f.ID, What: "commented"})
	must(t, err)
	if len(trail) != 1 || trail[0].Who != "api:bot (made by cli:ann@host)" || strings.Contains(trail[0].Why, "customer") {
		t.Errorf("the trail has %+v", trail)
	}

	person := b.deeds()
	recommended := func(by string) {
		t.Helper()
		must(t, person.Do(t.Context(), audit.Deed{Kind: audit.DoRecommend, Act: "delist", By: by, At: start}, f.ID))
	}
	decision := func() *audit.Recommendation {
		t.Helper()
		f, err := b.store.Finding(t.Context(), f.ID)
		must(t, err)
		return f.Recommendation
	}
	recommended("console:1 (ann)")
	if said := deed(`{"do":"decide"}`, 400); !strings.Contains(said, "A person decides.") {
		t.Errorf("a program decides: %s", said)
	}
	deed(`{"do":"recommend","act":"delist"}`, 200)
	for _, by := range []string{"console:1 (ann)", "console:2 (bob)"} {
		if d := decision(); d.DecidedBy != "" {
			t.Errorf("%s decided, with a program as the first of two", d.DecidedBy)
		}
		must(t, person.Do(t.Context(), audit.Deed{Kind: audit.DoDecide, By: by, At: start}, f.ID))
	}
	if d := decision(); d.DecidedBy != "console:2 (bob)" || d.ProposedBy != "console:1 (ann)" {
		t.Errorf("of two people %+v", d)
	}
}

// TestWhoSawAnotherFindingDoesNothing, however many try at once.
func TestWhoSawAnotherFindingDoesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := finding("com.acme.mailer")
	b.night(f)
	token := b.token("bot", api.ReadFindings, api.WriteFindings)
	at := "/findings/" + f.ID
	_, h := b.ask(ask{path: at, token: token, status: 200})
	tag := h.Get("ETag")
	var wg sync.WaitGroup
	var mu sync.Mutex
	by := map[int]int{}
	for range 8 {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+api.Prefix+at+"/deeds", strings.NewReader(`{"do":"comment","reason":"me first"}`))
			if err == nil {
				r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "If-Match": {`"other", ` + tag}}
				var w *http.Response
				if w, err = http.DefaultClient.Do(r); err == nil {
					w.Body.Close()
					mu.Lock()
					by[w.StatusCode]++
					mu.Unlock()
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[int]int{200: 1, 412: 7}, by); diff != "" {
		t.Errorf("how many were answered how:\n%s", diff)
	}
	_, h = b.ask(ask{path: at, token: token, status: 200})
	_, after := b.ask(ask{path: at + "/deeds", token: token, body: `{"do":"acknowledge"}`, header: http.Header{"If-Match": {h.Get("ETag")}}, status: 200})
	if _, now := b.ask(ask{path: at, token: token, status: 200}); now.Get("ETag") != after.Get("ETag") || now.Get("ETag") == tag {
		t.Errorf("tags %s, %s, %s", tag, after.Get("ETag"), now.Get("ETag"))
	}
	b.ask(ask{path: at + "/deeds", token: token, body: `{"do":"comment","reason":"x"}`, header: http.Header{"If-Match": {"*"}}, status: 200})
}

// TestHostileNamesStayText: JSON says exactly what was said, in characters that show.
func TestHostileNamesStayText(t *testing.T) {
	t.Parallel()
	const hostile = "<script>alert(1)</script>\" onload='x' \u202e{{.}}\x1b[2J\u2028"
	b := newBench(t)
	f := nighttest.Finding("purpose-prohibited", "com.acme/"+hostile, hostile, audit.Critical, start)
	f.Title, f.Explanation, f.Remediation, f.Evidence[0].Detail, f.Evidence[0].Site = hostile, hostile, hostile, hostile, hostile
	b.vendor = audit.Vendor{ID: hostile, Name: hostile, Contacts: []string{"security@acme.example", hostile}}
	run := b.night(f)
	must(t, b.store.StageQuarantine(t.Context(), 1, []audit.Quarantined{{File: 1, Line: 1, Reason: hostile, Text: hostile}}))
	n := b.drafted()[0]
	token := b.token("t", all()...)
	reason, err := json.Marshal(map[string]string{"do": "comment", "reason": hostile})
	must(t, err)
	b.ask(ask{path: "/findings/" + f.ID + "/deeds", token: token, body: string(reason), status: 200})
	for _, path := range []string{"/findings", "/findings/" + f.ID, "/suppressions", "/notices", "/notices/" + n, "/notices/" + n + "/preview", "/apps", "/apps/" + url.PathEscape(f.App), "/vendors", "/runs/" + run, "/coverage", "/quarantine", "/trail",
		"/findings?app=" + url.QueryEscape(f.App), "/findings?vendor=" + url.QueryEscape(hostile), "/findings?q=" + url.QueryEscape(hostile), "/trail?who=" + url.QueryEscape(hostile), "/findings?limit=1&q=script&assignee=" + url.QueryEscape(hostile)} {
		said, _ := b.ask(ask{path: path, token: token, status: 200})
		if i := strings.IndexFunc(said, func(r rune) bool { return r == '\u202e' || r == '\u2028' || r < ' ' && r != '\n' }); i >= 0 {
			t.Errorf("%s holds what does not show: %q", path, said[i:])
		}
	}
	for _, path := range []string{"/findings?status=" + url.QueryEscape(hostile), "/findings?" + url.QueryEscape(hostile) + "=1", "/notices?state=" + url.QueryEscape(hostile)} {
		said, h := b.ask(ask{path: path, token: token, status: 400})
		if strings.ContainsRune(said, '\u202e') || h.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", path, said)
		}
	}
	said, _ := b.ask(ask{path: "/findings/" + f.ID, token: token, status: 200})
	var x struct {
		AppKey, Subject string
		Key             string `json:"app_key"`
	}
	must(t, json.NewDecoder(bytes.NewReader([]byte(said))).Decode(&x))
	if x.Key != f.App || x.Subject != hostile {
		t.Errorf("it says %q, %q", x.Key, x.Subject)
	}
}
