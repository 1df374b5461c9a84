package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	site1 = "11111111-aaaa-4bbb-8ccc-000000000001"
	site2 = "11111111-aaaa-4bbb-8ccc-000000000002"
	acc   = "5b10ac8d82e05b22cc7d4ef5"
	acc2  = "557058:0b1c2d3e-0000-4000-8000-000000000001"
)

var serial int

// c is an access line: time, app, site, status, purpose, auth and accounts.
func c(ts, app, site string, status int, purpose, auth string, ids ...string) string {
	serial++
	q := []string{}
	for _, id := range ids {
		q = append(q, fmt.Sprintf("%q", id))
	}
	return fmt.Sprintf(`{"ts":%q,"request_id":"r%d","app_key":%q,"cloud_id":%q,"method":"GET","path":"/rest/api/3/user/email","auth":%q,"purpose":%q,"status":%d,"account_ids":[%s]}`,
		ts, serial, app, site, auth, purpose, status, strings.Join(q, ","))
}

// get is a plain retrieval of acc on site1 by the app a.
func get(ts string) string { return c(ts, "a", site1, 200, "user-sync", "oauth2", acc) }

// rep is a report of the app a: "id" or "id=updated_at" in accounts, "id:status" in result (split at the last colon).
func rep(ts string, status int, accounts, result []string) string {
	serial++
	var as, rs []string
	for _, x := range accounts {
		id, at, ok := strings.Cut(x, "=")
		if ok {
			as = append(as, fmt.Sprintf(`{"account_id":%q,"updated_at":%q}`, id, at))
		} else {
			as = append(as, fmt.Sprintf(`{"account_id":%q}`, id))
		}
	}
	for _, x := range result {
		i := strings.LastIndex(x, ":")
		rs = append(rs, fmt.Sprintf(`{"account_id":%q,"status":%q}`, x[:i], x[i+1:]))
	}
	return fmt.Sprintf(`{"ts":%q,"request_id":"p%d","app_key":"a","status":%d,"accounts":[%s],"result":[%s]}`, ts, serial, status, strings.Join(as, ","), strings.Join(rs, ","))
}

func ev(ts, site, what string) string {
	return fmt.Sprintf(`{"ts":%q,"app_key":"a","cloud_id":%q,"event":%q}`, ts, site, what)
}

// reg is a registry line of the app a that no registry check complains of, with more fields.
func reg(more string) string {
	return `{"key":"a","privacy_policy_url":"https://a.example/p","terms_url":"https://a.example/t"` + more + `}`
}

const stores = `,"stores_personal_data":true`
const approved = `,"approvals":[{"request_id":"1","status":"approved","decided_at":"2020-01-01T00:00:00Z","purposes":["user-sync"]}]`

func repeat(n int, f func(int) string) []string {
	var out []string
	for i := range n {
		out = append(out, f(i))
	}
	return out
}

type nums = map[string]Numbers

func TestBoundaries(t *testing.T) {
	one := Numbers{1, 1, 1}
	rep1 := Numbers{1, 1, 0}
	state := Numbers{1, 0, 0}
	tests := []struct {
		name                                       string
		asOf                                       string
		since                                      string
		noPurposes                                 bool
		access, reports, installs, incidents, apps []string
		// want holds "check" or "check|subject", of the app a unless "check|subject|app".
		want nums
		// only keeps the findings of this check family in the comparison.
		only string
	}{
		{name: "approval starts at decided_at", only: "access-unapproved",
			access: []string{get("2025-03-01T09:59:59.999999999Z"), get("2025-03-01T10:00:00Z")},
			apps:   []string{reg(stores + `,"approvals":[{"request_id":"1","status":"approved","decided_at":"2025-03-01T12:00:00+02:00","purposes":["user-sync"]}]`)},
			want:   nums{"access-unapproved": one}},
		{name: "withdrawn approval holds until revoked_at", only: "access-unapproved",
			access: []string{get("2025-03-01T09:59:59.999999999Z"), get("2025-03-01T10:00:00Z")},
			apps:   []string{reg(stores + `,"approvals":[{"status":"withdrawn","decided_at":"2025-01-01T00:00:00Z","revoked_at":"2025-03-01T10:00:00Z","purposes":["user-sync"]}]`)},
			want:   nums{"access-unapproved": one}},
		{name: "withdrawn without revoked_at is a bad line, the app cannot be looked at", only: "access-unapproved",
			access: []string{get("2025-03-01T09:00:00Z")},
			apps:   []string{`{"key":"z"}`, reg(`,"approvals":[{"status":"withdrawn","decided_at":"2025-01-01T00:00:00Z"}]`)},
			want:   nums{}},
		{name: "a bad newest line: the last good one", only: "access-unapproved",
			access: []string{get("2025-03-01T09:00:00Z")},
			apps:   []string{reg(""), reg(`,"kind":"plugin"` + approved)},
			want:   nums{"access-unapproved": one}},
		{name: "the last line for a key wins", only: "access-unapproved",
			access: []string{get("2025-03-01T09:00:00Z")}, apps: []string{reg(""), reg(approved)}, want: nums{}},
		{name: "an app that is not in the registry has no approval", only: "access-",
			access: []string{c("2025-03-01T09:00:00Z", "x", site1, 200, "", "oauth2", acc)}, apps: []string{reg("")},
			want: nums{"access-unapproved||x": one}},
		{name: "unknown stands for no account", only: "access-",
			access: []string{c("2025-03-01T09:00:00Z", "a", site1, 200, "", "oauth2", "unknown"), c("2025-03-01T09:00:00Z", "a", site2, 200, "", "oauth2", "unknown", acc, acc)},
			apps:   []string{reg("")}, want: nums{"access-unapproved": one}},
		{name: "purposes", only: "purpose-",
			access: []string{
				c("2025-03-01T09:00:00Z", "a", site1, 200, "", "oauth2", acc), c("2025-03-01T09:00:00Z", "a", site1, 200, "none", "oauth2", acc),
				c("2025-03-01T09:00:00Z", "a", site1, 200, "marketing", "oauth2", acc), c("2025-03-01T09:00:00Z", "a", site1, 200, "user-sync", "oauth2", acc),
				c("2025-03-01T09:00:00Z", "a", site1, 200, "error-reports", "oauth2", acc), c("2025-03-01T09:00:00Z", "a", site1, 200, "crm-link", "oauth2", acc),
				c("2025-03-01T09:00:00Z", "a", site1, 200, "Odd One", "oauth2", acc), c("2025-03-01T09:00:00Z", "a", site1, 200, "User-Sync", "oauth2", acc, acc2),
			},
			apps: []string{reg(`,"approvals":[{"status":"approved","decided_at":"2020-01-01T00:00:00Z","purposes":["user-sync","marketing"]},{"status":"rejected","purposes":["crm-link","Odd One"]}]`)},
			want: nums{"purpose-undeclared|none": {2, 1, 1}, "purpose-prohibited|marketing": one, "purpose-not-approved|error-reports": one,
				"purpose-not-approved|crm-link": one, "purpose-not-approved|invalid": one, "purpose-undeclared|unknown": {1, 2, 1}}},
		{name: "the gateway does not log purposes", only: "purpose-", noPurposes: true,
			access: []string{c("2025-03-01T09:00:00Z", "a", site1, 200, "marketing", "oauth2", acc)}, apps: []string{reg(approved)}, want: nums{}},
		{name: "nine refusals", only: "access-",
			access: repeat(9, func(i int) string { return c(fmt.Sprintf("2025-03-01T23:59:59.%dZ", i), "a", site1, 403, "", "oauth2") }), apps: []string{reg("")}, want: nums{}},
		{name: "ten refusals, and one on the next day", only: "access-",
			access: append(repeat(10, func(i int) string {
				return c("2025-03-01T23:59:59Z", "a", []string{site1, site2}[i%2], 403, "", "oauth2")
			}), c("2025-03-02T00:00:00Z", "a", site1, 403, "", "oauth2")),
			apps: []string{reg("")}, want: nums{"access-refused-probing": {10, 0, 2}}},
		{name: "no app at all", only: "",
			access: []string{c("2025-03-01T09:00:00Z", "", site1, 200, "marketing", "connect-jwt", acc), c("2025-03-01T09:00:00Z", "", site1, 403, "", "basic")},
			apps:   []string{`{"key":"z"}`}, want: nums{"access-not-app|connect-jwt|": one}},
		{name: "auth kinds", only: "access-not-app",
			access: []string{c("2025-03-01T09:00:00Z", "a", site1, 200, "", "forge-user", acc), c("2025-03-01T09:00:00Z", "a", site1, 200, "", "forge-app", acc), c("2025-03-01T09:00:00Z", "a", site1, 404, "", "basic", acc)},
			apps:   []string{reg("")}, want: nums{"access-not-app|forge-user": one}},
		{name: "exactly 5 minutes after the uninstall", only: "access-not-installed",
			installs: []string{ev("2025-03-01T00:00:00Z", site1, "installed"), ev("2025-03-01T10:00:00Z", site1, "uninstalled"), ev("2025-03-01T10:04:00Z", site1, "disabled")},
			access:   []string{get("2025-03-01T10:05:00Z"), get("2025-03-01T10:05:00.000000001Z")}, apps: []string{reg("")}, want: nums{"access-not-installed": one}},
		{name: "at one instant the active ones win", only: "access-not-installed",
			installs: []string{ev("2025-03-01T10:00:00Z", site1, "installed"), ev("2025-03-01T10:00:00Z", site1, "uninstalled")},
			access:   []string{get("2025-03-01T11:00:00Z")}, apps: []string{reg("")}, want: nums{}},
		{name: "before the first event", only: "access-not-installed", since: "2025-03-01T08:00:00Z",
			installs: []string{ev("2025-03-01T10:00:00Z", site1, "installed"), ev("2025-03-01T10:00:00Z", site2, "present")},
			access: []string{get("2025-03-01T07:59:59Z"), get("2025-03-01T08:00:00Z"), c("2025-03-01T09:00:00Z", "a", site2, 200, "", "oauth2", acc),
				c("2025-03-01T09:00:00Z", "x", site2, 200, "", "oauth2", acc)},
			apps: []string{reg("")}, want: nums{"access-not-installed": one, "access-not-installed||x": one}},
		{name: "the first event is after as-of", only: "access-not-installed", since: "2025-03-01T08:00:00Z", asOf: "2025-03-01T12:00:00Z",
			installs: []string{ev("2025-03-01T12:00:00.000000001Z", site1, "present")},
			access:   []string{get("2025-03-01T09:00:00Z"), get("2025-03-01T12:00:00.000000001Z")}, apps: []string{reg("")}, want: nums{"access-not-installed": one}},
		{name: "exactly 15 days since the last report", only: "report-overdue", asOf: "2025-03-16T10:00:00Z",
			reports: []string{rep("2025-03-01T10:00:00Z", 200, []string{acc}, nil)}, apps: []string{reg(stores)}, want: nums{}},
		{name: "more than 15 days since the last report", only: "report-overdue", asOf: "2025-03-16T10:00:00.000000001Z",
			reports: []string{rep("2025-03-01T10:00:00Z", 200, []string{acc}, nil), rep("2025-03-10T10:00:00Z", 429, []string{acc}, nil)}, apps: []string{reg(stores)},
			want: nums{"report-overdue": state}},
		{name: "the last report was empty", only: "report-overdue", asOf: "2025-03-26T10:00:00Z",
			access:  []string{get("2025-03-01T10:00:00Z")},
			reports: []string{rep("2025-03-01T10:00:00Z", 204, []string{"unknown"}, nil)}, apps: []string{reg(stores)}, want: nums{}},
		{name: "an empty and a full report at one instant", only: "report-overdue", asOf: "2025-03-26T10:00:00Z",
			reports: []string{rep("2025-03-01T10:00:00Z", 204, []string{acc}, nil), rep("2025-03-01T10:00:00Z", 204, nil, nil)}, apps: []string{reg(stores)}, want: nums{"report-overdue": state}},
		{name: "never a report", only: "report-overdue", asOf: "2025-03-16T10:00:01Z",
			access: []string{get("2025-03-01T10:00:00Z")}, apps: []string{reg(stores)}, want: nums{"report-overdue": state}},
		{name: "an incident moves the deadline, and another moves it again", only: "report-overdue", asOf: "2025-03-19T00:00:00Z",
			access: []string{get("2025-03-01T10:00:00Z")},
			incidents: []string{`{"api":"reporting","from":"2025-03-16T09:59:59.999999999Z","to":"2025-03-17T00:00:00Z"}`, `{"api":"reporting","from":"2025-03-17T23:00:00Z"}`,
				`{"api":"reporting","from":"2025-03-17T23:00:00Z","to":"2025-03-18T00:00:00Z"}`},
			apps: []string{reg(stores)}, want: nums{}},
		{name: "the moved deadline is over", only: "report-overdue", asOf: "2025-03-18T00:00:00.000000001Z",
			access: []string{get("2025-03-01T10:00:00Z")}, incidents: []string{`{"api":"reporting","from":"2025-03-16T09:00:00Z","to":"2025-03-17T00:00:00Z"}`, `{"api":"email","from":"2025-03-16T09:00:00Z"}`},
			apps: []string{reg(stores)}, want: nums{"report-overdue": state}},
		{name: "an incident that ended 24 hours before, and one that begins at the deadline", only: "report-overdue", asOf: "2025-03-16T10:00:00.000000001Z",
			access: []string{get("2025-03-01T10:00:00Z")}, incidents: []string{`{"api":"reporting","from":"2025-03-15T09:00:00Z","to":"2025-03-15T10:00:00Z"}`, `{"api":"reporting","from":"2025-03-16T10:00:00Z"}`},
			apps: []string{reg(stores)}, want: nums{"report-overdue": state}},
		{name: "an incident still runs", only: "report-overdue", asOf: "2025-03-26T10:00:00Z",
			access: []string{get("2025-03-01T10:00:00Z")}, incidents: []string{`{"api":"reporting","from":"2025-03-15T09:00:00Z"}`}, apps: []string{reg(stores)}, want: nums{}},
		{name: "reported on day D+15", only: "report-incomplete", asOf: "2025-03-17T00:00:00Z",
			access:  []string{get("2025-03-01T10:00:00Z"), c("2025-03-01T00:00:00Z", "a", site2, 200, "", "oauth2", acc, acc2)},
			reports: []string{rep("2025-03-16T23:59:59.999999999Z", 200, []string{acc}, nil), rep("2025-03-17T00:00:00Z", 200, []string{acc2}, nil)},
			apps:    []string{reg(stores)}, want: nums{"report-incomplete": rep1}},
		{name: "D+15 is not over", only: "report-incomplete", asOf: "2025-03-16T23:59:59.999999999Z",
			access: []string{get("2025-03-01T10:00:00Z")}, apps: []string{reg(stores)}, want: nums{}},
		{name: "reported earlier on day D, and the day before", only: "report-incomplete", asOf: "2025-03-20T00:00:00Z",
			access:  []string{c("2025-03-01T10:00:00Z", "a", site2, 200, "", "oauth2", acc, acc2)},
			reports: []string{rep("2025-03-01T00:00:00Z", 200, []string{acc}, nil), rep("2025-02-28T23:59:59Z", 200, []string{acc2}, nil)},
			apps:    []string{reg(stores)}, want: nums{"report-incomplete": rep1}},
		{name: "answered closed long before", only: "report-incomplete", asOf: "2025-03-20T00:00:00Z",
			access: []string{get("2025-03-01T10:00:00Z")}, reports: []string{rep("2025-01-01T00:00:00Z", 200, nil, []string{acc + ":closed"})}, apps: []string{reg(stores)}, want: nums{}},
		{name: "two days are two pairs", only: "report-incomplete", asOf: "2025-03-20T00:00:00Z",
			access: []string{get("2025-03-01T10:00:00Z"), get("2025-03-02T10:00:00Z"), get("2025-03-02T11:00:00Z")}, apps: []string{reg(stores)}, want: nums{"report-incomplete": {2, 1, 0}}},
		{name: "a moved deadline lets a report count", only: "report-incomplete", asOf: "2025-03-20T00:00:00Z",
			access:    []string{get("2025-03-01T10:00:00Z")},
			reports:   []string{rep("2025-03-17T11:59:59Z", 200, []string{acc}, nil)},
			incidents: []string{`{"api":"reporting","from":"2025-03-16T09:00:00Z","to":"2025-03-16T12:00:00Z"}`}, apps: []string{reg(stores)}, want: nums{}},
		{name: "closed, exactly 24 hours and more", only: "report-closed-retained",
			reports: []string{rep("2025-03-01T10:00:00Z", 200, nil, []string{acc + ":closed"}), rep("2025-03-02T10:00:00Z", 200, []string{acc}, nil),
				rep("2025-03-02T10:00:00.000000001Z", 200, []string{acc, acc2}, []string{acc + ":closed"}), rep("2025-03-03T10:00:00Z", 503, []string{acc}, nil)},
			access: []string{get("2025-03-02T10:00:00Z"), get("2025-03-02T10:00:01Z"), c("2025-03-03T10:00:00Z", "x", site1, 200, "", "oauth2", acc)},
			apps:   []string{reg(stores)}, want: nums{"report-closed-retained": {2, 1, 0}}},
		{name: "updated ignored", only: "report-updated",
			reports: []string{rep("2025-03-01T10:00:00Z", 200, nil, []string{acc + ":updated", acc2 + ":updated"}),
				rep("2025-03-02T10:00:00Z", 200, []string{acc + "=2025-01-01T00:00:00Z"}, nil), // exactly 24 h
				rep("2025-03-02T10:00:01Z", 200, []string{acc + "=2025-01-01T00:00:00Z", acc2 + "=2025-03-01T10:00:00Z"}, nil),
				rep("2025-03-02T10:00:01Z", 200, []string{acc, acc2}, nil),
				rep("2025-03-04T10:00:00Z", 200, []string{acc + "=2025-03-01T09:59:59Z"}, nil)},
			access: []string{get("2025-03-01T10:00:00Z"), get("2025-03-04T10:00:00Z")}, apps: []string{reg(stores)}, want: nums{"report-updated-ignored": rep1}},
		{name: "the latest updated more than 24 hours before", only: "report-updated",
			reports: []string{rep("2025-03-01T10:00:00Z", 200, nil, []string{acc + ":updated"}), rep("2025-03-03T10:00:00Z", 200, nil, []string{acc + ":updated"}),
				rep("2025-03-04T10:00:00Z", 200, []string{acc + "=2025-03-02T00:00:00Z"}, nil), rep("2025-03-04T10:00:00.1Z", 200, []string{acc + "=2025-03-02T00:00:00Z"}, nil)},
			apps: []string{reg(stores)}, want: nums{"report-updated-ignored": rep1}},
		{name: "30 days after the last leaving", only: "retained", since: "2025-01-01T10:00:00Z",
			installs: []string{ev("2025-01-01T00:00:00Z", site1, "uninstalled"), ev("2025-01-01T10:00:00Z", site2, "disabled")},
			reports:  []string{rep("2025-01-31T10:00:00Z", 200, []string{acc}, nil), rep("2025-01-31T10:00:00.000000001Z", 200, []string{acc2}, nil), rep("2025-02-02T00:00:00Z", 200, nil, nil)},
			apps:     []string{reg(stores)}, want: nums{"retained-after-uninstall": rep1}},
		{name: "complete since after the last leaving", only: "retained", since: "2025-01-01T10:00:00.000000001Z",
			installs: []string{ev("2025-01-01T10:00:00Z", site2, "disabled")}, reports: []string{rep("2025-02-28T10:00:00Z", 200, []string{acc}, nil)}, apps: []string{reg(stores)}, want: nums{}},
		{name: "still installed somewhere", only: "retained", since: "2025-01-01T00:00:00Z",
			installs: []string{ev("2025-01-01T10:00:00Z", site2, "disabled"), ev("2024-01-01T10:00:00Z", site1, "present")},
			reports:  []string{rep("2025-02-28T10:00:00Z", 200, []string{acc}, nil)}, apps: []string{reg(stores)}, want: nums{}},
		{name: "storage undeclared", only: "storage",
			reports: []string{rep("2025-02-28T10:00:00Z", 204, []string{acc, "unknown"}, nil), rep("2025-02-28T10:00:00Z", 400, []string{acc2}, nil)},
			apps:    []string{reg("")}, want: nums{"storage-undeclared|reports": rep1}},
		{name: "scopes in any case, the first spelling", only: "scope-",
			apps: []string{reg(stores + `,"descriptor":{"scopes":["read","access_email_addresses"]},"scopes":["ACCESS_EMAIL_ADDRESSES"],"manifest":"permissions:\n  scopes:\n    - access-email-addresses:connect-jira\n    - read:email-address:jira: {x: 1}\n"`)},
			want: nums{"scope-unapproved|access_email_addresses": state, "scope-unapproved|read:email-address:jira": state}},
		{name: "a pending request", only: "scope-", apps: []string{reg(`,"scopes":["ACCESS_EMAIL_ADDRESSES"],"approvals":[{"status":"pending"}]`)}, want: nums{}},
		{name: "registry checks look only at apps that matter", only: "", apps: []string{`{"key":"a"}`}, want: nums{}},
		{name: "listing", only: "listing", apps: []string{`{"key":"a","terms_url":" \t","approvals":[{"status":"pending"}]}`},
			want: nums{"listing-incomplete|privacy-policy": state, "listing-incomplete|terms": state, "listing-incomplete|storage-statement": state}},
		{name: "drift", only: "feature-drift",
			apps: []string{reg(`,"domains":["a.example"],"descriptor":{"baseUrl":"https://App.a.example:8443/x","scopes":["READ","act_as_user"],"modules":{"webhooks":[{"event":"e1","url":"/e"},{"event":"e2"}],"configurePage":{"url":"/c"},"dialogs":{"name":{}}}},` +
				`"manifest":"modules:\n  function: [{key: f, handler: x}]\n  macro: [{key: m}]\nremotes: [{key: r, baseUrl: 'https://r.b.example/x'}]\npermissions:\n  external:\n    fetch:\n      backend: [{remote: r}, 'https://API.b.example:1/x', {address: '*.c.example'}, b.example]\n"` +
				`,"approvals":[{"status":"approved","decided_at":"2020-01-01T00:00:00Z","snapshot":{"scopes":[],"modules":[],"egress":[],"domains":[]}},` +
				`{"status":"approved","decided_at":"2020-01-01T00:00:00Z","snapshot":{"scopes":["read"],"modules":["webhooks/e1"],"egress":["*.b.example"],"domains":["a.example"]}}]`)},
			want: nums{"feature-drift|scope:act_as_user": state, "feature-drift|module:webhooks/e2": state, "feature-drift|module:configurePage//c": state, "feature-drift|module:dialogs/-": state,
				"feature-drift|module:macro/m": state, "feature-drift|egress:*.c.example": state, "feature-drift|egress:b.example": state, "feature-drift|domain:app.a.example": state}},
		{name: "a snapshot without parts", only: "feature-drift",
			apps: []string{reg(`,"domains":["a.example"],"scopes":["x"],"approvals":[{"status":"approved","decided_at":"2020-01-01T00:00:00Z","snapshot":{"scopes":null}}]`)}, want: nums{}},
		{name: "policy language", only: "policy-",
			apps: []string{reg(`,"privacy_policy_text":"We won’t  SHARE\n&ldquo;addresses&rdquo; &mdash; ever, ﬁnally.","approvals":[{"status":"approved","decided_at":"2020-01-01T00:00:00Z","policy_excerpt":"won't share \"addresses\" - ever, finally"}]`)}, want: nums{}},
		{name: "policy language changed", only: "policy-",
			apps: []string{reg(`,"privacy_policy_text":"We do.","approvals":[{"status":"approved","decided_at":"2020-01-01T00:00:00Z","policy_excerpt":"We do not"}]`)}, want: nums{"policy-language-changed": state}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asOf := tt.asOf
			if asOf == "" {
				asOf = "2025-03-05T00:00:00Z"
			}
			join := func(l []string) []File { return []File{{Name: "f", Data: []byte(strings.Join(l, "\n"))}} }
			in := Input{AsOf: when(asOf), Access: []AccessSource{{!tt.noPurposes, join(tt.access)}}, Reports: &Source{join(tt.reports)}, Installs: &Source{join(tt.installs)},
				Incidents: &Source{join(tt.incidents)}, Apps: &Source{join(tt.apps)}}
			if tt.since != "" {
				in.CompleteSince = when(tt.since)
			}
			got := nums{}
			for k, n := range Judge(in).Open {
				if !strings.HasPrefix(k.Check, tt.only) {
					continue
				}
				s := k.Check
				if k.Subject != "" || k.App != "a" {
					s += "|" + k.Subject
				}
				if k.App != "a" {
					s += "|" + k.App
				}
				got[s] = n.Numbers
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func when(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestLines(t *testing.T) {
	good := `{"ts":"2025-03-01T10:00:00Z","request_id":"r","app_key":"","cloud_id":"s","path":"/p","auth":"basic","status":200,"account_ids":["x"]}`
	data := "\xef\xbb\xbf" + strings.Join([]string{
		good,
		`{"account_ids":["x"],"status":200,"auth":"basic","path":"\/p","cloud_id":"\u0073","app_key":null,"purpose":"","request_id":"r","ts":"2025-03-01T12:00:00.000+02:00","extra":{"ts":1},"method":1,"method":2}` + "\r",
		" \t\r", "",
		`[]`, `{`, good + good, "{\"a\":\"\xff\"}",
		strings.Replace(good, `"path":"/p"`, `"path":""`, 1),
		strings.Replace(good, `"path":"/p"`, `"Path":"/p"`, 1),
		strings.Replace(good, `"path":"/p"`, `"path":"/p","\u0070ath":"/p"`, 1),
		strings.Replace(good, `"path":"/p"`, `"path":"/p","purpose":null,"purpose":""`, 1),
		strings.Replace(good, `200`, `200.0`, 1), strings.Replace(good, `200`, `600`, 1), strings.Replace(good, `200`, `"200"`, 1), strings.Replace(good, `200`, `99`, 1),
		strings.Replace(good, `["x"]`, `["x",""]`, 1), strings.Replace(good, `["x"]`, `["jo@mail.example"]`, 1), strings.Replace(good, `["x"]`, `"x"`, 1), strings.Replace(good, `["x"]`, `[null]`, 1),
		strings.Replace(good, `["x"]`, `["`+strings.Repeat("x", 129)+`"]`, 1),
		strings.Replace(good, `"app_key":""`, `"app_key":"a@b.example"`, 1), strings.Replace(good, `"s"`, `"s@b.example"`, 1),
		strings.Replace(good, `basic`, `Basic`, 1), strings.Replace(good, `T10`, ` 10`, 1),
		strings.Replace(good, `["x"]`, `["`+strings.Repeat("é", 128)+`"]`, 1),
		strings.Replace(good, `"r"`, `"r2"`, 1),
	}, "\n")
	res := Judge(Input{AsOf: when("2025-03-02T00:00:00Z"), Access: []AccessSource{{true, []File{{"f", []byte(data)}}}}})
	want := map[string]Lines{"access": {Lines: 25, Facts: 3, Duplicates: 1, Quarantined: 21}, "reports": {}, "installs": {}, "incidents": {}, "apps": {}, "addresses": {}, "captures": {}, "mail": {}, "signals": {}}
	if d := cmp.Diff(want, res.Kinds); d != "" {
		t.Errorf("(-want +got)\n%s\n%v", d, res.Bad)
	}
	if d := cmp.Diff(map[Key]Finding{{"access-not-app", "", "basic"}: {Numbers{3, 2, 1}, "high", "certain"}}, res.Open); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
