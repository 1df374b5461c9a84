package format

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// A preset knows a format.
type preset struct {
	from   map[string][]string
	header func(name string) []string // the names under which a request's header is logged; nil: none is

	csv     bool
	haproxy bool
	proxy   bool // "-" stands for nothing, and a status of 0 or -1 for no answer

	variable *regexp.Regexp // of the layout of text lines; nil: there are none
	line     string         // their usual layout
	class    string         // what classField must be
	headers  string         // where a JSON line has a list of headers, each an object with name and value
}

const classField = "class_uid" // of OCSF

// Names are those of the formats, mailreeve's own (jsonl) left out.
func Names() []string { return slices.Sorted(maps.Keys(presets())) }

var (
	nginxVariable = regexp.MustCompile(`\$(?:\{(\w+)\}|(\w+))`)
	envoyVariable = regexp.MustCompile(`%([A-Z][A-Z0-9_]*(?:\([^)]*\))?(?::[0-9]+)?)%`)
)

// The layouts that nginx (ngx_http_log_module) and Envoy (Access logging, Default Format String) use unless told otherwise.
const (
	nginxLine = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`
	envoyLine = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ` +
		`%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"`
)

// asked is where account ids are when the log has no list: the parameter of the Email API.
const asked = "query:accountId"

func presets() map[string]*preset {
	own := map[string][]string{request: {"request"}, query: {"query"}, method: {"method"}, host: {"host"}}
	for _, field := range Fields() {
		own[field] = []string{field}
	}
	own[Accounts] = []string{Accounts, asked}
	return map[string]*preset{
		"json": {from: own},
		"csv":  {from: own, csv: true},
		"ecs": { // Elastic Common Schema 8: base, http and url fields
			from: map[string][]string{
				TS: {"@timestamp"}, RequestID: {"http.request.id"}, Status: {"http.response.status_code"}, Accounts: {asked},
				request: {"url.original", "url.full", "url.path"}, query: {"url.query"}, method: {"http.request.method"}, host: {"url.domain"},
			},
			header: func(name string) []string {
				var out []string
				for _, n := range []string{name, strings.ToLower(name), http.CanonicalHeaderKey(name)} {
					if n = "http.request.headers." + n; !slices.Contains(out, n) { // as Elastic's APM agents write them
						out = append(out, n)
					}
				}
				return out
			},
		},
		"ocsf": { // Open Cybersecurity Schema Framework 1: API Activity
			from: map[string][]string{
				TS: {"time", "time_dt"}, RequestID: {"api.request.uid", "http_request.uid"}, App: {"actor.app_uid"}, Status: {"http_response.code", "api.response.code"}, Accounts: {asked},
				request: {"http_request.url.url_string", "http_request.url.path"}, query: {"http_request.url.query_string"}, method: {"http_request.http_method"}, host: {"http_request.url.hostname"},
			},
			class: "6003", headers: "http_request.http_headers",
			header: func(name string) []string { return []string{"http_request.http_headers:" + strings.ToLower(name)} },
		},
		"nginx": {
			from: map[string][]string{
				TS: {"msec", "time_iso8601", "time_local"}, RequestID: {"request_id"}, Status: {"status"}, Accounts: {asked},
				request: {"request_uri", "request", "uri"}, query: {"args", "query_string"}, method: {"request_method"}, host: {"host", "http_host", "server_name"},
			},
			proxy: true, variable: nginxVariable, line: nginxLine,
			header: func(name string) []string {
				return []string{"http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")}
			},
		},
		"envoy": { // text, or JSON under the names of Istio and Envoy Gateway
			from: map[string][]string{
				TS: {"START_TIME", "start_time"}, RequestID: {"REQ(X-REQUEST-ID)", "request_id", "x-request-id"}, Status: {"RESPONSE_CODE", "response_code"}, Accounts: {asked},
				request: {"REQ(X-ENVOY-ORIGINAL-PATH?:PATH)", "REQ(:PATH)", "path", "x-envoy-origin-path", "x-envoy-original-path", ":path"},
				method:  {"REQ(:METHOD)", "method", ":method"}, host: {"REQ(:AUTHORITY)", "authority", ":authority"},
			},
			proxy: true, variable: envoyVariable, line: envoyLine,
			header: func(name string) []string {
				return []string{"REQ(" + strings.ToUpper(name) + ")", strings.ToLower(name), strings.ReplaceAll(strings.ToLower(name), "-", "_")}
			},
		},
		"haproxy": { // option httplog: HAProxy's Configuration Manual, HTTP log format
			from: map[string][]string{
				TS: {"accept_date"}, Status: {"status_code"}, Accounts: {asked}, request: {"http_request"},
			},
			proxy: true, haproxy: true,
		},
	}
}
