package format

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const api = "^/rest/api/[23]/user/email(/bulk)?$"

// from is a map of a platform whose gateway passes on app, purpose and site.
func from(pairs ...string) map[string][]string {
	m := map[string][]string{Auth: {"=oauth2"}}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = []string{pairs[i+1]}
	}
	return m
}

func reader(t testing.TB, s Spec, header string) *Reader {
	t.Helper()
	f, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Reader([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gateway is the log_format that testdata/record.sh gives nginx.
const gateway = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_id $host "$http_x_app_key" "$http_x_purpose"`

// The logs were written by nginx and HAProxy, for the same requests: see testdata/record.sh.
func TestLogsThatTheProgramsWrote(t *testing.T) {
	// Time and request id differ in each log; whether there are any is told by ts and id.
	const say = `say "hi" {x|y} #1`
	call := func(app, purpose, path string, status int, accounts string) string {
		return strings.Join([]string{app, purpose, path, fmt.Sprint(status), accounts}, " ")
	}
	all := []string{
		call("com.acme", "security-alerts", "/rest/api/3/user/email", 200, "5b10a2844c20165700ede21f"),
		call("com.acme", "security-alerts", "/rest/api/3/user/email/bulk", 200, "a-1,a-2,712020:f58131cb"),
		call("com.acme", "marketing", "/rest/api/3/user/email/bulk", 200, "a-1,a-2,a-3"),
		call("com.evil", "", "/rest/api/3/user/email", 403, "a-1"),
		call("com.acme", "security-alerts", "/rest/api/3/user/email", 200, "a-4"),
		call("com.acme", "security-alerts", "/rest/api/3/user/email", 200, "cleo@people.example"), // for whoever takes it to refuse
		call("com.acme", "security-alerts", "/rest/api/3/user/../user/email", 200, ""),            // HEAD
		call("com.acme", say, "/rest/api/3/user/email", 200, `a"6`),
	}
	var bare []string // where app and purpose are not logged
	for _, s := range all {
		_, rest, _ := strings.Cut(s, " /")
		bare = append(bare, "app  /"+rest)
	}
	for _, tt := range []struct {
		log  string
		spec Spec
		id   bool // it has request ids
		want []string
	}{
		{"nginx-combined.log", Spec{Name: "nginx", Paths: api, Map: from(App, "=app", Site, "=site-1")}, false, bare},
		{"nginx-gateway.log", Spec{Name: "nginx", Paths: api, Line: gateway, Map: from(App, "header:X-App-Key", Purpose, "header:X-Purpose", Site, `host:^([^.]+)\.`)}, true, all},
		{"nginx-json.log", Spec{Name: "nginx", Paths: api, Map: from(App, "header:X-App-Key", Purpose, "header:X-Purpose", Site, `host:^([^.]+)\.`)}, true, all},
		{"haproxy-plain.log", Spec{Name: "haproxy", Paths: api, Map: from(App, "=app", Site, "=site-1")}, false, bare},
		{"haproxy-captures.log", Spec{Name: "haproxy", Paths: api, Map: from(RequestID, "capture:1", App, "capture:2", Purpose, "capture:3", host, "capture:4", Site, `host:^([^.]+)\.`)}, true, all},
	} {
		t.Run(tt.log, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("testdata", tt.log))
			if err != nil {
				t.Fatal(err)
			}
			r := reader(t, tt.spec, "")
			var got []string
			for line := range strings.Lines(string(text)) {
				c, err := r.Read([]byte(strings.TrimSuffix(line, "\n")))
				if errors.Is(err, ErrOther) {
					continue
				}
				if err != nil {
					t.Fatalf("%v\n%s", err, line)
				}
				if day := c.At.UTC().Format(time.DateOnly); day != "2026-11-27" || (c.RequestID != "") != tt.id || c.Site != "site-1" || c.Auth != "oauth2" {
					t.Errorf("%+v", c)
				}
				got = append(got, call(c.App, c.Purpose, c.Path, c.Status, strings.Join(c.Accounts, ",")))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// The lines of envoy are those of its documentation (Access logging, Default Format String; the JSON names are Istio's and Envoy Gateway's), that of ecs is of
// Elastic's nginx integration (sample_event.json), that of ocsf of OCSF's examples (EKS audit logs, v1.2.0), each cut to what says something here, those of
// haproxy and nginx of HAProxy's Configuration Manual (8.2.3) and NCSA's Common Log Format.
func TestPublishedExamples(t *testing.T) {
	for name, tt := range map[string]struct {
		spec Spec
		line string
		want Record
	}{
		"envoy": {
			Spec{Name: "envoy", Map: from(App, "=app", Site, "host:(.+)")},
			`[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"`,
			Record{At: utc("2016-04-15T20:17:00.310Z"), RequestID: "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2", App: "app", Site: "locations", Path: "/api/v1/locations", Auth: "oauth2", Status: 204},
		},
		"envoy, JSON of Istio": {
			Spec{Name: "envoy", Map: from(App, "header:X-App-Key", Site, "host:(.+)")},
			`{"start_time":"2020-11-25T21:26:18.409Z","method":"GET","path":"/status/418?accountId=a-1","protocol":"HTTP/1.1","response_code":418,"response_flags":"-","x_app_key":"com.acme","request_id":"84961386-6d84-929d-98bd-c5aee93b5c88","authority":"httpbin:8000"}`,
			Record{At: utc("2020-11-25T21:26:18.409Z"), RequestID: "84961386-6d84-929d-98bd-c5aee93b5c88", App: "com.acme", Site: "httpbin:8000", Path: "/status/418", Auth: "oauth2", Status: 418, Accounts: []string{"a-1"}},
		},
		"envoy, JSON of Envoy Gateway": {
			Spec{Name: "envoy", Map: from(App, "=app", Site, "=s")},
			`{"start_time":"2025-01-02T03:04:05.678Z","method":"GET","x-envoy-origin-path":"/get","response_code":0,"x-request-id":"f1",":authority":"www.example.com"}`,
			Record{At: utc("2025-01-02T03:04:05.678Z"), RequestID: "f1", App: "app", Site: "s", Path: "/get", Auth: "oauth2", Status: 499},
		},
		"ecs": {
			Spec{Name: "ecs", Map: from(App, "user_agent.name", Site, "host.name")},
			`{"@timestamp":"2022-12-09T10:39:23.000Z","event":{"category":["web"],"outcome":"success"},"host":{"name":"docker-fleet-agent","ip":["172.18.0.7"]},"http":{"request":{"method":"GET"},"response":{"body":{"bytes":97},"status_code":200},"version":"1.1"},"url":{"original":"/server-status","path":"/server-status"},"user_agent":{"device":{"name":"Other"},"name":"curl"}}`,
			Record{At: utc("2022-12-09T10:39:23Z"), App: "curl", Site: "docker-fleet-agent", Path: "/server-status", Auth: "oauth2", Status: 200},
		},
		"ecs, names with dots": {
			Spec{Name: "ecs", Map: from(App, "header:X-App", Site, "labels.site")},
			`{"@timestamp":"2022-12-09T10:39:23.000Z","labels.site":"s","http.request":{"id":"r","headers":{"X-App":["acme"]}},"http.response.status_code":200,"url.path":"/e","url":{"query":"accountId=a&x=1"}}`,
			Record{At: utc("2022-12-09T10:39:23Z"), RequestID: "r", App: "acme", Site: "s", Path: "/e", Auth: "oauth2", Status: 200, Accounts: []string{"a"}},
		},
		"ocsf": {
			Spec{Name: "ocsf", Map: from(App, "actor.session.uid", Site, "cloud.provider")},
			`{"activity_id":1,"actor":{"session":{"uid":"i-12345678901"},"user":{"groups":[{"name":"system:nodes"}]}},"api":{"operation":"create","request":{"uid":"f47c68f2-d3ac-4f96-b2f4-5d497bf79b64"},"response":{"code":201}},"class_uid":6003,"cloud":{"provider":"AWS"},"http_request":{"url":{"path":"/api/v1/nodes"}},"time":1631047050642854,"time_dt":"2021-09-07T20:37:30.642854Z"}`,
			Record{At: utc("2021-09-07T20:37:30.642854Z"), RequestID: "f47c68f2-d3ac-4f96-b2f4-5d497bf79b64", App: "i-12345678901", Site: "AWS", Path: "/api/v1/nodes", Auth: "oauth2", Status: 201},
		},
		"ocsf, headers": {
			Spec{Name: "ocsf", Map: from(Site, "header:X-Site", Purpose, "header:x-purpose")},
			`{"class_uid":6003,"time":1631047050642,"actor":{"app_uid":"com.acme"},"http_response":{"code":200},"http_request":{"http_headers":[{"name":"x-site","value":"s"},{"name":"X-Purpose","value":"marketing"}],"url":{"path":"/e","query_string":"accountId=a"}}}`,
			Record{At: utc("2021-09-07T20:37:30.642Z"), App: "com.acme", Site: "s", Path: "/e", Auth: "oauth2", Purpose: "marketing", Status: 200, Accounts: []string{"a"}},
		},
		"haproxy": {
			Spec{Name: "haproxy", Zone: "Europe/Paris", Map: from(App, "capture:1", Site, "=s")},
			`Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"`,
			Record{At: utc("2009-02-06T11:14:14.655Z"), App: "1wt.eu", Site: "s", Path: "/index.html", Auth: "oauth2", Status: 200},
		},
		"common log": {
			Spec{Name: "nginx", Line: `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent`, Map: from(App, "remote_user", Site, "=s")},
			`127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326`,
			Record{At: utc("2000-10-10T20:55:36Z"), App: "frank", Site: "s", Path: "/apache_pb.gif", Auth: "oauth2", Status: 200},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := reader(t, tt.spec, "").Read([]byte(tt.line))
			if err != nil {
				t.Fatal(err)
			}
			got.At = got.At.UTC()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFieldMap(t *testing.T) {
	const line = `{"@timestamp":"2026-11-22T03:14:15Z","url":"https://site-9.api.example/ex/cloud-7/rest/user?%s","code":"200","who":["a","b"],"none":[],"app":"com.acme"%s}`
	spec := Spec{Name: "json", Map: map[string][]string{TS: {"@timestamp"}, Status: {"code"}, request: {"url"}, App: {"app"}, Site: {"path:^/ex/([^/]+)/", `host:^([^.]+)\.`},
		Auth: {"auth", "=oauth2"}, Purpose: {"query:purpose"}, Accounts: {"ids", "query:accountId", "query:accountId[]"}}}
	for name, tt := range map[string]struct{ query, more, want string }{ // want: accounts, or the error
		"one":                      {"accountId=a", "", "a"},
		"repeated":                 {"accountId=a&x=1&accountId=b", "", "a b"},
		"commas":                   {"accountId=a,b,,%20c", "", "a b c"},
		"encoded commas":           {"accountId=a%2Cb", "", "a b"},
		"an encoded name":          {"account%49d=a", "", "a"},
		"another spelling":         {"accountId%5B%5D=a&accountId[]=b", "", "a b"},
		"a list goes first":        {"accountId=a", `,"ids":["x","y"]`, "x y"},
		"an empty list does not":   {"accountId=a", `,"ids":[]`, "a"},
		"null does not":            {"accountId=a", `,"ids":null`, "a"},
		"a list in text":           {"", `,"ids":"[\"x\",\"y,z\"]"`, "x y,z"},
		"numbers":                  {"", `,"ids":[17,"18"]`, "17 18"},
		"none":                     {"q=1", "", ""},
		"broken elsewhere":         {"q=%zz&accountId=a", "", "a"},
		"broken":                   {"accountId=%zz", "", "account_ids is in a query whose percent-encoding is broken"},
		"a purpose twice":          {"purpose=a&purpose=b", "", "purpose comes 2 times"},
		"an id that is an object":  {"", `,"ids":[{}]`, "ids entry 1 is neither a string nor a number"},
		"a list that is an object": {"", `,"ids":{}`, "ids is an object"},
		"a field twice":            {"", `,"app":"com.other"`, "app comes twice"},
		"two apps":                 {"", `,"auth":["a","b"]`, "auth comes 2 times"},
		"more than a line":         {"", `}{"a":1`, "something follows the JSON object"},
		"cut":                      {"", `,"b":"`, "not a JSON object: the line ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := fmt.Sprintf(line, tt.query, tt.more)
			if name == "cut" {
				text = strings.TrimSuffix(text, `}`)
			}
			c, err := reader(t, spec, "").Read([]byte(text))
			got := strings.Join(c.Accounts, " ")
			if err != nil {
				got = err.Error()
			} else if c.Site != "cloud-7" || c.Path != "/ex/cloud-7/rest/user" || c.Auth != "oauth2" || c.App != "com.acme" || c.Status != 200 {
				t.Errorf("%+v", c)
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2026-11-22T03:14:15.123Z":        "2026-11-22T03:14:15.123Z",
		"2026-11-22T03:14:15.123456789Z":  "2026-11-22T03:14:15.123456789Z",
		"2026-11-22T03:14:15+0100":        "2026-11-22T02:14:15Z",
		"2026-11-22 03:14:15+01:00":       "2026-11-22T02:14:15Z",
		"2026-11-22 03:14:15.5":           "2026-11-22T02:14:15.5Z",
		"2026-07-22T03:14:15":             "2026-07-22T01:14:15Z",
		"[10/Oct/2000:13:55:36 -0700]":    "2000-10-10T20:55:36Z",
		"10/Oct/2000:13:55:36.250 -0700":  "2000-10-10T20:55:36.25Z",
		"06/Feb/2009:12:14:14.655":        "2009-02-06T11:14:14.655Z",
		"1763781255":                      "2025-11-22T03:14:15Z",
		"1763781255.123":                  "2025-11-22T03:14:15.123Z",
		"1763781255123":                   "2025-11-22T03:14:15.123Z",
		"1763781255123.5":                 "2025-11-22T03:14:15.1235Z",
		"1763781255123456":                "2025-11-22T03:14:15.123456Z",
		"1763781255123456789":             "2025-11-22T03:14:15.123456789Z",
		"":                                "",
		"[]":                              "",
		"yesterday":                       "",
		"-5":                              "",
		"1.2.3":                           "",
		"1763781255.":                     "",
		"99999999999999999999999":         "",
		"2026-13-22T03:14:15Z":            "",
		"31/Feb/2009:12:14:14":            "",
		"ann@people.example 10/Oct/2000:": "",
	} {
		got, err := parseTime(text, berlin)
		if want == "" {
			if !errors.Is(err, errTime) {
				t.Errorf("%q: %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || !got.Equal(utc(want)) {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
}

func TestCSV(t *testing.T) {
	const header = `ts,request_id,app_key,cloud_id,path,auth,purpose,status,account_ids,comment`
	r := reader(t, Spec{Name: "csv"}, header)
	got, err := r.Read([]byte(`2026-11-22T03:14:15Z,r,com.acme,s,/e,oauth2,"security-alerts",200,"a-1,a-2","say ""hi"", twice"`))
	want := Record{At: utc("2026-11-22T03:14:15Z"), RequestID: "r", App: "com.acme", Site: "s", Path: "/e", Auth: "oauth2", Purpose: "security-alerts", Status: 200, Accounts: []string{"a-1", "a-2"}}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	got, err = r.Read([]byte(`2026-11-22T03:14:15Z,r,com.acme,s,/e?accountId=a-1&q=x,oauth2,security-alerts,200,,`))
	if err != nil || got.Path != "/e" || !cmp.Equal(got.Accounts, []string{"a-1"}) { // a path may bring its query
		t.Errorf("%v, %+v", err, got)
	}
	for line, want := range map[string]string{
		`2026-11-22T03:14:15Z,r,com.acme,s,/e,oauth2,x,200,a,"one`: "a cell of several lines cannot be read",
		`and two"`: "a cell of several lines cannot be read",
		`2026-11-22T03:14:15Z,r,com.acme,s,/e,oauth2,x,200,a`: "the line has 9 cells, and the header 10 columns",
		"\xff,,,,,,,,,":                                         "not valid UTF-8",
		`soon,r,com.acme,s,/e,oauth2,x,200,a,`:                  "ts is no time that is known",
		`2026-11-22T03:14:15Z,r,com.acme,s,/e,oauth2,x,2e2,a,`:  "status is no number",
		`2026-11-22T03:14:15Z,r,com.acme,s,/e,oauth2,x,200,[a,`: "account_ids is no list of strings",
	} {
		if _, err := r.Read([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	f, err := Spec{Name: "csv", Map: map[string][]string{App: {"Client"}}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		header:                            `no column "Client", where app_key is to be`,
		"ts,Client,auth,status,auth":      `names the column 5 twice`,
		"ts,Client,auth,status":           `no column "cloud_id"`,
		`ts,"Client`:                      "not a line of CSV",
		"":                                "the header",
		"ts,Client,cloud_id,auth, status": "",
	} {
		if _, err := f.Reader([]byte(text)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// What somebody else writes into a field, as a user agent, moves no other field: such a line is refused.
func TestLinesThatDoNotFit(t *testing.T) {
	for _, tt := range []struct{ preset, line, want string }{
		{"envoy", `[2016-04-15T20:17:00.310Z] "GET /e HTTP/2" 200 - 0 0 1 1 "-" "x" "forged-id" "other-site" "y" "real-id" "site" "-"`, "something follows"},
		{"nginx", `127.0.0.1 - x [forged [10/Oct/2000:13:55:36 -0700] "GET /e HTTP/1.1" 200 2 "-" "-"`, "ts is no time"},
		{"nginx", `127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /e HTTP/1.1" 200 2 "-" "-" "more"`, "something follows"},
		{"nginx", `127.0.0.1 - - [10/Oct/2000:13:55:36 -0700`, "time_local has no end"},
		{"nginx", `{"msec":1763781255.123,"request_uri":"/e"`, "ends too early"},
		{"nginx", `["msec"]`, "not of the layout"},
		{"haproxy", `127.0.0.1:1 [27/Nov/2026:14:17:26.702] api nginx/one 0/0/0/0/0 200 124 - - ---- 1/1/0/0/0 0/0 "GET /e?accountId=a`, "http_request has no end"},
		{"haproxy", `127.0.0.1:1 [27/Nov/2026:14:17:26.702] api nginx/one 0/0/0/0/0 200`, "ends before the request"},
		{"haproxy", `127.0.0.1:1 [27/Nov/2026:14:17:26.702] api nginx/one 0/0/0/0/0 200 124 - - ---- 1/1/0/0/0 0/0 {x "GET /e HTTP/1.1"`, "captured headers have no end"},
		{"haproxy", `Proxy api started.`, "accept_date is missing"},
		{"ocsf", `{"class_uid":4002,"time":1631047050642}`, ErrOther.Error()},
		{"ocsf", `{"time":1631047050642}`, "class_uid is missing"},
		{"ecs", `[]`, "not a JSON object"},
	} {
		_, err := reader(t, Spec{Name: tt.preset, Map: from(App, "=app", Site, "=s")}, "").Read([]byte(tt.line))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s: %v, want %s", tt.preset, tt.line, err, tt.want)
		}
	}
}

// No detour leads past the paths that are asked for.
func TestPaths(t *testing.T) {
	r := reader(t, Spec{Name: "json", Paths: api}, "")
	for target, is := range map[string]bool{
		"/rest/api/3/user/email?accountId=a":            true,
		"GET /rest/api/3/user/email?accountId=a HTTP/2": true,
		"https://x.example/rest/api/3/user/email":       true,
		"/rest/api/3/user/%65mail":                      true,
		"/rest//api/3/user/./x/../email/":               true,
		"/rest/api/3/user":                              false,
		"/?x=/rest/api/3/user/email":                    false,
		"<BADREQ>":                                      false,
		"nonsense":                                      false,
		"a b c":                                         false,
		"":                                              false,
	} {
		_, err := r.Read(fmt.Appendf(nil, `{"ts":"2026-11-22T03:14:15Z","status":200,"request":%q}`, target))
		if errors.Is(err, ErrOther) == is {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestSpecsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		spec Spec
		want string
	}{
		{Spec{Name: "iis"}, `format: "iis" is none of csv, ecs, envoy`},
		{Spec{Name: "nginx", Map: from(Site, "=s")}, "map: app_key: nginx does not tell it: say where it is"},
		{Spec{Name: "json", Map: from("app", "x")}, "map: app: no such field: a map has ts, request_id"},
		{Spec{Name: "json", Map: map[string][]string{App: {}}}, "map: app_key: say where it is"},
		{Spec{Name: "json", Map: from(App, "")}, "an empty name"},
		{Spec{Name: "json", Map: from(App, "=")}, "nothing follows the ="},
		{Spec{Name: "json", Map: from(App, "query:")}, `nothing follows "query:"`},
		{Spec{Name: "json", Map: from(App, "header:X-App")}, "json logs no header by name"},
		{Spec{Name: "haproxy", Map: from(App, "header:X-App", Site, "=s")}, "as capture:1"},
		{Spec{Name: "haproxy", Map: from(App, "capture:0", Site, "=s")}, "counted from 1"},
		{Spec{Name: "nginx", Map: from(App, "capture:1", Site, "=s")}, "captures are of haproxy"},
		{Spec{Name: "json", Map: from(App, "path:^/x/[^/]+")}, "has 0 groups"},
		{Spec{Name: "json", Map: from(App, "path:(")}, "missing closing )"},
		{Spec{Name: "json", Words: map[string]map[string]string{Status: {"ok": "fine"}}}, `words: status: "ok" means "fine", which is no number from 100 to 599`},
		{Spec{Name: "json", Words: map[string]map[string]string{Purpose: {"ads": "marketing"}}}, "words: purpose: only words of auth and status"},
		{Spec{Name: "json", Paths: "("}, "paths: "},
		{Spec{Name: "json", Zone: "Mars/Olympus"}, "time_zone: "},
		{Spec{Name: "json", Line: "$x"}, "log_format: json has a form of its own"},
		{Spec{Name: "nginx", Line: "$a$b", Map: from(App, "=a", Site, "=s")}, "log_format: nothing stands between a and b"},
		{Spec{Name: "nginx", Line: "$a $a", Map: from(App, "=a", Site, "=s")}, "log_format: a comes twice"},
		{Spec{Name: "nginx", Line: "$status $host", Map: from(App, "header:X-App", Site, "host")}, `map: app_key: lines have no "header:X-App": they have status, host`},
		{Spec{Name: "haproxy", Map: from(App, "app", Site, "=s")}, `map: app_key: lines have no "app": they have accept_date`},
		{Spec{Name: "nginx", Line: "x", Map: from(App, "=a", Site, "=s")}, "log_format: it names no variable"},
	} {
		_, err := tt.spec.Compile()
		var wrong *SpecError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.spec, err, tt.want)
		}
	}
}

// A log's own words for how a call was authenticated and answered are translated; others stand as they are.
func TestWords(t *testing.T) {
	spec := Spec{Name: "json", Words: map[string]map[string]string{Auth: {"installation": "oauth2", "oauth2": "forge-user"}, Status: {"ok": "200", "0": "403"}}}
	for words, want := range map[[2]string]Record{
		{"installation", `"ok"`}: {Auth: "oauth2", Status: 200},
		{"oauth2", "0"}:          {Auth: "forge-user", Status: 403},
		{"basic", "204"}:         {Auth: "basic", Status: 204},
		{"smartcard", `"200"`}:   {Auth: "smartcard", Status: 200},
	} {
		got, err := reader(t, spec, "").Read(fmt.Appendf(nil, `{"ts":"2026-11-22T03:14:15Z","app_key":"a","cloud_id":"s","path":"/e","auth":%q,"status":%s}`, words[0], words[1]))
		if err != nil || got.Auth != want.Auth || got.Status != want.Status {
			t.Errorf("%v: %+v, %v", words, got, err)
		}
	}
	if _, err := reader(t, spec, "").Read([]byte(`{"ts":"2026-11-22T03:14:15Z","app_key":"a","cloud_id":"s","path":"/e","auth":"basic","status":"fine"}`)); err == nil || !strings.Contains(err.Error(), "nor a word that words has") {
		t.Error(err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, bb := range []struct {
		log  string
		spec Spec
	}{
		{"nginx-gateway.log", Spec{Name: "nginx", Paths: api, Line: gateway, Map: from(App, "header:X-App-Key", Purpose, "header:X-Purpose", Site, `host:^([^.]+)\.`)}},
		{"nginx-json.log", Spec{Name: "nginx", Paths: api, Map: from(App, "header:X-App-Key", Purpose, "header:X-Purpose", Site, `host:^([^.]+)\.`)}},
		{"haproxy-captures.log", Spec{Name: "haproxy", Paths: api, Map: from(App, "capture:2", Purpose, "capture:3", Site, "=site-1")}},
	} {
		b.Run(bb.log, func(b *testing.B) {
			text, err := os.ReadFile(filepath.Join("testdata", bb.log))
			if err != nil {
				b.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			r := reader(b, bb.spec, "")
			b.SetBytes(int64(len(text) / len(lines)))
			for i := 0; b.Loop(); i++ {
				if _, err := r.Read([]byte(lines[i%len(lines)])); err != nil && !errors.Is(err, ErrOther) {
					b.Fatal(err)
				}
			}
		})
	}
}

// fuzz reads lines of a format: nothing may panic, and a refusal quotes nothing of the line.
func fuzz(f *testing.F, s Spec, header string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	if logs, err := filepath.Glob(filepath.Join("testdata", s.Name+"-*.log")); err == nil {
		for _, log := range logs {
			text, err := os.ReadFile(log)
			if err != nil {
				f.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				f.Add([]byte(strings.TrimSpace(line)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r := reader(t, s, header)
		first, err := r.Read(line)
		if err != nil && strings.Contains(err.Error(), "@") {
			t.Errorf("the refusal quotes: %v", err)
		}
		second, again := r.Read(line)
		if (err == nil) != (again == nil) || !cmp.Equal(first, second) {
			t.Errorf("read twice, it is another: %v, %v\n%s", err, again, cmp.Diff(first, second))
		}
	})
}

func FuzzNginx(f *testing.F) {
	fuzz(f, Spec{Name: "nginx", Map: from(App, "header:X-App-Key", Site, "host:(.*)", Purpose, "query:p")}, "")
}

func FuzzHAProxy(f *testing.F) {
	fuzz(f, Spec{Name: "haproxy", Map: from(App, "capture:2", Site, "path:/(.*)")}, "")
}

func FuzzEnvoy(f *testing.F) {
	fuzz(f, Spec{Name: "envoy", Map: from(App, "header:X-App", Site, "host:(.*)")}, "",
		`[2016-04-15T20:17:00.310Z] "POST /api?accountId=a HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21" "locations" "tcp://10.0.2.1:80"`)
}

func FuzzJSON(f *testing.F) {
	fuzz(f, Spec{Name: "ocsf", Map: from(Site, "header:X-Site", Purpose, "unmapped.x.purpose", Accounts, "unmapped.ids")}, "",
		`{"class_uid":6003,"time":1631047050642,"actor":{"app_uid":"a"},"http_response":{"code":200},"http_request":{"http_headers":[{"name":"x-site","value":"s"}],"url":{"path":"/e"}},"unmapped":{"ids":["a",1],"x":{"purpose":"y"}}}`)
}

func FuzzCSV(f *testing.F) {
	fuzz(f, Spec{Name: "csv"}, "ts,app_key,cloud_id,auth,status,request", `2026-11-22T03:14:15Z,"a","s ""x""",oauth2,200,/e?accountId=a`)
}
