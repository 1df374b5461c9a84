package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

const (
	callLine   = `{"ts":"2026-11-22T03:14:15.123Z","request_id":"9f86d081884c7d65","app_key":"com.acme.mailer","cloud_id":"f58131cb-b67d-43c7-b30d-6b58d40bd077","method":"GET","path":"/rest/api/3/user/email/bulk","auth":"connect-jwt","purpose":"security-alerts","status":200,"account_ids":["5b10a2844c20165700ede21f","5b10a2844c20165700ede220","5b10a2844c20165700ede221","5b10a2844c20165700ede222"],"source_ip":"203.0.113.7","user_agent":"acme-mailer/2.1"}`
	reportLine = `{"ts":"2026-11-22T03:14:15Z","request_id":"9f86d081","app_key":"com.acme.mailer","status":200,"accounts":[{"account_id":"5b10a2844c20165700ede21f","updated_at":"2026-11-01T00:00:00Z"},{"account_id":"712020:f58131cb-b67d-43c7-b30d-6b58d40bd077"}],"result":[{"account_id":"5b10a2844c20165700ede21f","status":"closed"},{"account_id":"unknown","status":"updated"}]}`
)

// same compares records whose empty lists and views may be nil or not.
var same = cmpopts.EquateEmpty()

// sameCall checks that the fast reader, where it takes a line, reads what the strict one does.
func sameCall(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *Decoder, line []byte) (fast bool, err error) {
	t.Helper()
	var got audit.CallRecord
	fast = d.fastCall(line, &got)
	want, err := strictCall(line)
	switch {
	case fast && err != nil:
		t.Fatalf("the fast reader took what the strict one refuses: %v\n%q", err, line)
	case fast:
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("strict and fast differ (-strict +fast):\n%s\n%q", diff, line)
		}
	case err != nil && address.LooksLike([]byte(err.Error())):
		t.Fatalf("the refusal quotes an address: %v", err)
	}
	return fast, err
}

func sameReport(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *Decoder, line []byte) (fast bool, err error) {
	t.Helper()
	var got audit.ReportRecord
	fast = d.fastReport(line, &got)
	want, err := strictReport(line)
	switch {
	case fast && err != nil:
		t.Fatalf("the fast reader took what the strict one refuses: %v\n%q", err, line)
	case fast:
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("strict and fast differ (-strict +fast):\n%s\n%q", diff, line)
		}
	}
	return fast, err
}

// swap is line with one text of it replaced.
func swap(line, old, with string) string {
	if !strings.Contains(line, old) {
		panic("the line does not hold " + old)
	}
	return strings.Replace(line, old, with, 1)
}

// callCases are lines of an access log and the field that refuses each; "" where it is good, "fast" where the fast reader must take it.
var callCases = []struct{ line, refused string }{
	{callLine, "fast"},
	{strings.NewReplacer(`":`, `": `, `,"`, `, "`).Replace(callLine), "fast"},
	{" " + callLine + " \r", "fast"},
	{strings.NewReplacer(`":`, "\" \t:\r\n ", `,"`, " ,\n\"").Replace(callLine), "fast"},
	{swap(callLine, `"purpose":"security-alerts",`, ``), "fast"},
	{swap(callLine, `"security-alerts"`, `null`), "fast"},
	{swap(callLine, `"security-alerts"`, `""`), "fast"},
	{swap(callLine, `"com.acme.mailer"`, `null`), "fast"},
	{swap(callLine, `"com.acme.mailer"`, `""`), "fast"},
	{swap(callLine, `"com.acme.mailer"`, `"köln-app"`), "fast"},
	{swap(callLine, `["5b10a2844c20165700ede21f","5b10a2844c20165700ede220","5b10a2844c20165700ede221","5b10a2844c20165700ede222"]`, `[]`), "fast"},
	{swap(callLine, `["5b10a2844c20165700ede21f","5b10a2844c20165700ede220","5b10a2844c20165700ede221","5b10a2844c20165700ede222"]`, `null`), "fast"},
	{swap(callLine, `"method":"GET"`, `"method":{"a":[1,-2.5e+7,true,null,"\u00e9\n\/"],"ts":{}}`), "fast"},
	{swap(callLine, `"method":"GET"`, `"method":"GET","method":"PUT"`), "fast"},
	{swap(callLine, "15.123Z", "15.123456789+02:00"), "fast"},
	{swap(callLine, "15.123Z", "15-23:59"), "fast"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"`+strings.Repeat("x", 128)+`"`), "fast"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"`+strings.Repeat("ü", 128)+`"`), "fast"},
	{swap(callLine, `email/bulk`, `email/bulk?accountId=1&accountId=2`), "fast"},
	{swap(callLine, `"ts"`, `"t\u0073"`), ""},
	{swap(callLine, `mailer"`, `mailer\u002e"`), "fast"},
	{swap(callLine, `/rest/api/3/user/email/bulk`, `\/rest\/api\"\\\b\f\n\r\t\u00e9\u20AC`), "fast"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"\u0075nknown"`), "fast"},
	{swap(callLine, `mailer"`, `mailer\q"`), "JSON"},
	{swap(callLine, `mailer"`, `mailer\u00"`), "JSON"},
	{swap(callLine, "15.123Z", "15.1234567891Z"), ""},
	{swap(callLine, "15.123Z", "15,123Z"), ""},
	{swap(callLine, "T03:", "T3:"), ""},
	{swap(callLine, "2026-11-22", "2024-02-29"), "fast"},
	{swap(callLine, "2026-11-22", "0000-01-01"), "fast"},
	{swap(callLine, "2026-11-22", "9999-12-31"), "fast"},
	{swap(callLine, "2026-11-22", "2026-02-29"), "ts"},
	{swap(callLine, "2026-11-22", "1900-02-29"), "ts"},
	{swap(callLine, "2026-11-22", "2026-13-01"), "ts"},
	{swap(callLine, "2026-11-22", "2026-11-31"), "ts"},
	{swap(callLine, "15.123Z", "60.123Z"), "ts"},
	{swap(callLine, "15.123Z", "15."), "ts"},
	{swap(callLine, "15.123Z", "15.Z"), "ts"},
	{swap(callLine, "15.123Z", "15"), "ts"},
	{swap(callLine, "T03", "T24"), "ts"},
	{swap(callLine, "T03", " 03"), "ts"},
	{swap(callLine, `"2026-11-22T03:14:15.123Z"`, `1763781255`), "ts"},
	{swap(callLine, `"2026-11-22T03:14:15.123Z"`, `null`), "ts"},
	{swap(callLine, `"2026-11-22T03:14:15.123Z"`, `"jane@acme.example"`), "ts"},
	{swap(callLine, `"ts"`, `"TS"`), "ts"},
	{swap(callLine, `"9f86d081884c7d65"`, `""`), "request_id"},
	{swap(callLine, `"9f86d081884c7d65"`, `7`), "request_id"},
	{swap(callLine, `"9f86d081884c7d65"`, `[]`), "request_id"},
	{swap(callLine, `"com.acme.mailer"`, `"mailer@acme"`), "app_key"},
	{swap(callLine, `"com.acme.mailer"`, `[]`), "app_key"},
	{swap(callLine, `"com.acme.mailer"`, `"`+strings.Repeat("k", 1001)+`"`), "app_key is longer than 1000 bytes"},
	{swap(callLine, `"com.acme.mailer"`, `"`+strings.Repeat(`\u0041`, 1001)+`"`), "app_key"},
	{swap(callLine, `"f58131cb-b67d-43c7-b30d-6b58d40bd077"`, `"`+strings.Repeat("ü", 501)+`"`), "cloud_id"},
	{swap(callLine, `"f58131cb-b67d-43c7-b30d-6b58d40bd077"`, `""`), "cloud_id"},
	{swap(callLine, `"f58131cb-b67d-43c7-b30d-6b58d40bd077"`, `"x%40y"`), "cloud_id"},
	{swap(callLine, `"cloud_id"`, `"cloud"`), "cloud_id"},
	{swap(callLine, `"/rest/api/3/user/email/bulk"`, `""`), "path"},
	{swap(callLine, `"connect-jwt"`, `"Connect-JWT"`), "auth"},
	{swap(callLine, `"connect-jwt"`, `"jane@acme.example"`), "auth"},
	{swap(callLine, `"connect-jwt"`, `""`), "auth"},
	{swap(callLine, `:200`, `:"200"`), "status"},
	{swap(callLine, `:200`, `:200.0`), "status"},
	{swap(callLine, `:200`, `:2e2`), "status"},
	{swap(callLine, `:200`, `:99`), "status"},
	{swap(callLine, `:200`, `:600`), "status"},
	{swap(callLine, `:200`, `:-200`), "status"},
	{swap(callLine, `:200`, `:null`), "status"},
	{swap(callLine, `:200`, `:0200`), "JSON"},
	{swap(callLine, `:200`, `:99999999999999999999`), "status"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `""`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `null`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `5`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `["5b10a2844c20165700ede21f"]`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"`+strings.Repeat("x", 129)+`"`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"`+strings.Repeat("ü", 129)+`"`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"jane@acme.example"`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"jane＠acme.example"`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"jane%40acme.example"`), "account_ids"},
	{swap(callLine, `"5b10a2844c20165700ede21f"`, `"jane\u0040acme.example"`), "account_ids"},
	{swap(callLine, `"status":200`, `"status":200,"status":200`), "status"},
	{swap(callLine, `"status":200`, `"status":200,"t\u0073":null`), "ts"},
	{swap(callLine, `"account_ids":[`, `"account_ids":"",  "x":[`), "account_ids"},
	{swap(callLine, `"method":"GET"`, `"method":`+strings.Repeat("[", 9999)+strings.Repeat("]", 9999)), "fast"},
	{swap(callLine, `"method":"GET"`, `"method":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)), "deeper"},
	{swap(callLine, `"method":"GET"`, `"method":`+strings.Repeat(`{"a":`, 9999)+"1"+strings.Repeat("}", 9999)), "fast"},
	{swap(callLine, `"GET"`, `"G\xT"`), "JSON"},
	{swap(callLine, `"GET"`, "\"G\tT\""), "JSON"},
	{swap(callLine, `"GET"`, "\"G\xffT\""), "UTF-8"},
	{swap(callLine, `"GET"`, `"\ud800"`), "fast"},
	{swap(callLine, `"com.acme.mailer"`, `"\ud800"`), ""},
	{swap(callLine, `"GET"`, `nul`), "JSON"},
	{swap(callLine, `"GET"`, `01`), "JSON"},
	{swap(callLine, `"GET"`, `1.`), "JSON"},
	{swap(callLine, `"GET"`, `-`), "JSON"},
	{swap(callLine, `"GET"`, `[1,]`), "JSON"},
	{swap(callLine, `"GET"`, `{"a":1,}`), "JSON"},
	{swap(callLine, `"GET"`, `{"a" 1}`), "JSON"},
	{swap(callLine, `"GET"`, `[1 2]`), "JSON"},
	{swap(callLine, `,"method"`, `"method"`), "JSON"},
	{swap(callLine, `,"method"`, `,,"method"`), "JSON"},
	{strings.TrimSuffix(callLine, "}") + ",}", "JSON"},
	{strings.TrimSuffix(callLine, "}"), "JSON"},
	{callLine + "x", "JSON"},
	{callLine + callLine, "JSON"},
	{"\ufeff" + callLine, "JSON"},
	{"[" + callLine + "]", "JSON"},
	{"null", "JSON"}, {"", "JSON"}, {"{", "JSON"}, {"{}", "ts"}, {`"`, "JSON"}, {"\xff", "UTF-8"}, {`{"`, "JSON"}, {`{"ts"`, "JSON"}, {`{"ts":`, "JSON"},
}

func TestCall(t *testing.T) {
	var warm Decoder // which has read all that came before
	for _, c := range callCases {
		for _, d := range []*Decoder{{}, &warm} {
			fast, err := sameCall(t, d, []byte(c.line))
			short := c.line[:min(len(c.line), 600)]
			switch c.refused {
			case "":
				if err != nil || fast {
					t.Errorf("fast %v, %v: %s", fast, err, short)
				}
			case "fast":
				if err != nil || !fast {
					t.Errorf("fast %v, %v: %s", fast, err, short)
				}
			default:
				if err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "jane") {
					t.Errorf("refused with %v, not for %s: %s", err, c.refused, short)
				}
			}
		}
	}
}

func TestCallReads(t *testing.T) {
	var rec audit.CallRecord
	if err := new(Decoder).Call([]byte(callLine), &rec); err != nil {
		t.Fatal(err)
	}
	if got := audit.AtUnix(rec.Sec, rec.Nsec).String(); got != "2026-11-22T03:14:15.123Z" {
		t.Errorf("ts %s", got)
	}
	var accounts []string
	for id := range rec.Accounts.All() {
		accounts = append(accounts, string(id))
	}
	got := fmt.Sprintf("%s %s %s %s %s %s %d %s", rec.RequestID, rec.App, slices.Collect(rec.Site.All())[0], rec.Path, rec.Auth, rec.Purpose, rec.Status, strings.Join(accounts, " "))
	want := "9f86d081884c7d65 com.acme.mailer f58131cb-b67d-43c7-b30d-6b58d40bd077 /rest/api/3/user/email/bulk connect-jwt security-alerts 200 " +
		"5b10a2844c20165700ede21f 5b10a2844c20165700ede220 5b10a2844c20165700ede221 5b10a2844c20165700ede222"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestDecoderDoesNotAllocate holds the fast path to its promise.
func TestDecoderDoesNotAllocate(t *testing.T) {
	var d Decoder
	var call audit.CallRecord
	var report audit.ReportRecord
	line, other := []byte(callLine), []byte(reportLine)
	if n := testing.AllocsPerRun(100, func() {
		if d.Call(line, &call) != nil || d.Report(other, &report) != nil {
			t.Fatal("refused")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

var reportCases = []struct{ line, refused string }{
	{reportLine, "fast"},
	{strings.NewReplacer(`":`, `": `, `,"`, `, "`, `},`, `} ,`, `[`, `[ `, `]`, ` ]`).Replace(reportLine), "fast"},
	{swap(reportLine, `,"updated_at":"2026-11-01T00:00:00Z"`, `,"updated_at":null,"x":[{}]`), "fast"},
	{swap(reportLine, `"2026-11-01T00:00:00Z"`, `""`), ""},
	{swap(reportLine, `"2026-11-01T00:00:00Z"`, `"2026-11-01"`), "updated_at"},
	{swap(reportLine, `"2026-11-01T00:00:00Z"`, `7`), "updated_at"},
	{swap(reportLine, `"2026-11-01T00:00:00Z"`, `"2026-11-01T00:00:00Z","updated_at":null`), "twice"},
	{swap(reportLine, `"account_id":"5b10a2844c20165700ede21f",`, ``), "accounts entry 1"},
	{swap(reportLine, `"account_id":"5b10a2844c20165700ede21f",`, `"account_id":"x","account_id":"x",`), "account_id comes twice"},
	{swap(reportLine, `"5b10a2844c20165700ede21f"`, `"jane@acme.example"`), "accounts entry 1"},
	{swap(reportLine, `"unknown"`, `"jane@acme.example"`), "result entry 2"},
	{swap(reportLine, `"status":"closed"`, `"status":"Closed"`), "result entry 1"},
	{swap(reportLine, `"status":"closed"`, `"status":null`), "result entry 1"},
	{swap(reportLine, `,"status":"closed"`, ``), "result entry 1"},
	{swap(reportLine, `"status":"closed"`, `"status":"closed","status":"closed"`), "twice"},
	{swap(reportLine, `{"account_id":"5b10a2844c20165700ede21f","status":"closed"}`, `null`), "result entry 1"},
	{swap(reportLine, `"accounts":[`, `"accounts":null,"x":[`), "fast"},
	{swap(reportLine, `"accounts":[`, `"accounts":[],"x":[`), "fast"},
	{swap(reportLine, `"accounts":[`, `"accounts":{},"x":[`), "accounts"},
	{swap(reportLine, `"result"`, `"accounts"`), "twice"},
	{swap(reportLine, `"com.acme.mailer"`, `null`), "app_key"},
	{swap(reportLine, `"com.acme.mailer"`, `"a@b"`), "app_key"},
	{swap(reportLine, `:200`, `:0`), "status"},
	{swap(reportLine, `"9f86d081"`, `null`), "request_id"},
	{swap(reportLine, `,"result"`, `,"cloud_id":5,"path":{},"result"`), "fast"},
	{swap(reportLine, `"account_id":"unknown"`, `"deep":`+strings.Repeat("[", 9997)+strings.Repeat("]", 9997)+`,"account_id":"x"`), "fast"},
	{swap(reportLine, `"account_id":"unknown"`, `"deep":`+strings.Repeat("[", 9998)+strings.Repeat("]", 9998)+`,"account_id":"x"`), "deeper"},
	{strings.TrimSuffix(reportLine, "]}"), "JSON"},
	{`{"ts":"2026-11-22T03:14:15Z","request_id":"1","app_key":"a","status":204}`, "fast"},
}

func TestReport(t *testing.T) {
	var warm Decoder
	for _, c := range reportCases {
		for _, d := range []*Decoder{{}, &warm} {
			fast, err := sameReport(t, d, []byte(c.line))
			short := c.line[:min(len(c.line), 600)]
			switch c.refused {
			case "", "fast":
				if err != nil || fast != (c.refused == "fast") {
					t.Errorf("fast %v, %v: %s", fast, err, short)
				}
			default:
				if err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "jane") {
					t.Errorf("refused with %v, not for %s: %s", err, c.refused, short)
				}
			}
		}
	}
}

const lifecycleLine = `{"ts":"2026-11-22T03:14:15Z","app_key":"com.acme.mailer","cloud_id":"f58131cb-b67d-43c7-b30d-6b58d40bd077","event":"installed","users":1200}`

var lifecycleCases = []struct{ line, refused string }{
	{lifecycleLine, "fast"},
	{swap(lifecycleLine, `"users":1200`, `"users":null`), "fast"},
	{swap(lifecycleLine, `,"users":1200`, ``), "fast"},
	{swap(lifecycleLine, `1200`, `0`), "fast"},
	{swap(lifecycleLine, `1200`, `1234567890123456789`), ""},
	{swap(lifecycleLine, `1200`, `00`), "JSON"},
	{swap(lifecycleLine, `1200`, `12345678901234567890`), "users"},
	{swap(lifecycleLine, `1200`, `-1`), "users"},
	{swap(lifecycleLine, `1200`, `1200.0`), "users"},
	{swap(lifecycleLine, `1200`, `""`), "users"},
	{swap(lifecycleLine, `installed`, `present`), "fast"},
	{swap(lifecycleLine, `installed`, `Installed`), "event"},
	{swap(lifecycleLine, `"installed"`, `null`), "event"},
	{swap(lifecycleLine, `com.acme.mailer`, `jane@acme.example`), "app_key"},
	{swap(lifecycleLine, `com.acme.mailer`, ``), "app_key"},
	{swap(lifecycleLine, `f58131cb-b67d-43c7-b30d-6b58d40bd077`, `a＠b`), "cloud_id"},
	{swap(lifecycleLine, `"ts"`, `"event":"enabled","ts"`), "event comes twice"},
	{swap(lifecycleLine, `2026`, `26`), "ts"},
	{`[]`, "JSON"},
}

func sameLifecycle(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *Decoder, line []byte) (fast bool, err error) {
	t.Helper()
	got, fast := d.fastLifecycle(line)
	want, err := Lifecycle(line)
	if fast && (err != nil || got != want) {
		t.Fatalf("fast %+v, strict %+v, %v: %q", got, want, err, line)
	}
	return fast, err
}

func TestLifecycle(t *testing.T) {
	var warm Decoder
	for _, c := range lifecycleCases {
		for _, d := range []*Decoder{{}, &warm} {
			fast, err := sameLifecycle(t, d, []byte(c.line))
			switch c.refused {
			case "", "fast":
				if err != nil || fast != (c.refused == "fast") {
					t.Errorf("fast %v, %v: %s", fast, err, c.line)
				}
			default:
				if err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "jane") {
					t.Errorf("refused with %v, not for %s: %s", err, c.refused, c.line)
				}
			}
		}
	}
	l, err := new(Decoder).Lifecycle([]byte(lifecycleLine))
	if err != nil || l.At.String() != "2026-11-22T03:14:15Z" || l.App != "com.acme.mailer" || l.Event != audit.Installed || l.Users != 1200 {
		t.Errorf("%+v, %v", l, err)
	}
}

// FuzzLifecycle is FuzzCall for lifecycle events.
func FuzzLifecycle(f *testing.F) {
	for _, c := range lifecycleCases {
		f.Add([]byte(c.line))
	}
	warm := Decoder{}
	warm.fastLifecycle([]byte(lifecycleLine))
	f.Fuzz(func(t *testing.T, line []byte) {
		d := warm
		d.plain, d.stack = nil, nil
		cold, _ := sameLifecycle(t, new(Decoder), line)
		if hot, _ := sameLifecycle(t, &d, line); hot != cold {
			t.Fatalf("the fast reader takes it %v after nothing, %v after another line: %q", cold, hot, line)
		}
	})
}

func TestIncident(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"api":"reporting","from":"2026-11-22T03:00:00Z","to":"2026-11-22T04:00:00+01:00"}`, "reporting 2026-11-22T03:00:00Z 2026-11-22T03:00:00Z"},
		{`{"api":"reporting","from":"2026-11-22T03:00:00Z"}`, "reporting 2026-11-22T03:00:00Z never"},
		{`{"api":"reporting","from":"2026-11-22T03:00:00Z","to":null,"x":1}`, "reporting 2026-11-22T03:00:00Z never"},
		{`{"api":"call jane@acme.example","from":"2026-11-22T03:00:00Z","to":""}`, "call [address] 2026-11-22T03:00:00Z never"},
		{`{"api":"","from":"2026-11-22T03:00:00Z"}`, "api is missing or empty"},
		{`{"api":"reporting"}`, "from is missing or empty"},
		{`{"api":"reporting","from":"yesterday"}`, "from is no time"},
		{`{"api":"reporting","from":"2026-11-22T03:00:00Z","to":"soon"}`, "to is no time"},
		{`{"api":"reporting","from":"2026-11-22T03:00:00Z","to":5}`, "to is a number, not a string"},
		{`{"api":"a","api":"b","from":"2026-11-22T03:00:00Z"}`, "api comes twice"},
	} {
		i, err := Incident([]byte(c.line))
		got := fmt.Sprint(i.API, " ", i.From, " ", i.To)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", c.line, got)
		}
	}
}

func FuzzIncident(f *testing.F) {
	f.Add([]byte(`{"api":"reporting","from":"2026-11-22T03:00:00Z","to":"2026-11-22T04:00:00+01:00"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if i, err := Incident(line); err == nil && (i.API == "" || !json.Valid(line)) {
			t.Errorf("%q gave %+v", line, i)
		}
	})
}

// FuzzCall proves the fast reader by the strict one, cold and after another line.
func FuzzCall(f *testing.F) {
	for _, c := range callCases {
		f.Add([]byte(c.line))
	}
	warm := Decoder{}
	warm.fastCall([]byte(callLine), new(audit.CallRecord))
	f.Fuzz(func(t *testing.T, line []byte) {
		d := warm
		d.site, d.accounts, d.plain, d.stack = audit.IDList{}, audit.IDList{}, nil, nil
		cold, _ := sameCall(t, new(Decoder), line)
		if hot, _ := sameCall(t, &d, line); hot != cold {
			t.Fatalf("the fast reader takes it %v after nothing, %v after another line: %q", cold, hot, line)
		}
	})
}

// FuzzReport is FuzzCall for reports.
func FuzzReport(f *testing.F) {
	for _, c := range reportCases {
		f.Add([]byte(c.line))
	}
	warm := Decoder{}
	warm.fastReport([]byte(reportLine), new(audit.ReportRecord))
	f.Fuzz(func(t *testing.T, line []byte) {
		d := warm
		d.reported, d.answers, d.plain, d.stack = nil, nil, nil, nil
		cold, _ := sameReport(t, new(Decoder), line)
		if hot, _ := sameReport(t, &d, line); hot != cold {
			t.Fatalf("the fast reader takes it %v after nothing, %v after another line: %q", cold, hot, line)
		}
	})
}

// nearly draws the text of a JSON object that is nearly a good line: fields in any order, some lacking, twice, or with values that are out of place.
func nearly(t *rapid.T, good map[string][]string) []byte {
	odd := rapid.SampledFrom([]string{`null`, `""`, `[]`, `{}`, `0`, `-1.5e3`, `true`, `"a@b"`, `"x"`, `"\u0061"`, `"\/\n"`, `"a\u0040b"`, `"é"`, `[null]`, `["x","y"]`, `[{"account_id":"x"}]`,
		`"2026-02-30T00:00:00Z"`, `nul`, `01`, `"`, `[1,]`, "\"\xff\"", `"\q"`, `599`, `600`, `1e2`})
	names := make([]string, 0, len(good))
	for name := range good {
		names = append(names, name)
	}
	slices.Sort(names)
	if rapid.IntRange(0, 3).Draw(t, "shuffle") == 0 {
		names = rapid.Permutation(names).Draw(t, "names")
	}
	gap := rapid.SampledFrom([]string{"", "", "", " ", "\t\r\n"})
	var b bytes.Buffer
	b.WriteString(gap.Draw(t, "gap") + "{")
	n := 0
	for _, name := range names {
		for range rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2}).Draw(t, "times") {
			value := rapid.SampledFrom(good[name]).Draw(t, "value")
			if rapid.IntRange(0, 15).Draw(t, "odd") == 0 {
				value = odd.Draw(t, "odd value")
			}
			if n++; n > 1 {
				b.WriteString("," + gap.Draw(t, "gap"))
			}
			fmt.Fprintf(&b, "%q:%s%s%s", name, gap.Draw(t, "gap"), value, gap.Draw(t, "gap"))
		}
	}
	b.WriteString("}" + gap.Draw(t, "gap"))
	out := b.Bytes()
	if rapid.IntRange(0, 9).Draw(t, "hurt") == 0 { // one byte is another
		out[rapid.IntRange(0, len(out)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	}
	return out
}

var times = []string{`"2026-11-22T03:14:15.123Z"`, `"2024-02-29T23:59:59Z"`, `"2026-01-31T00:00:00+05:30"`, `"1969-12-31T23:59:59.999999999-01:00"`, `"2026-11-22T03:14:15,5Z"`}

func TestNearlyGoodCalls(t *testing.T) {
	var d Decoder
	rapid.Check(t, func(t *rapid.T) {
		sameCall(t, &d, nearly(t, map[string][]string{
			"ts": times, "request_id": {`"9f"`, `"9f86d081884c7d65"`, `"ü"`}, "app_key": {`"com.acme.mailer"`, `""`, `null`},
			"cloud_id": {`"f58131cb-b67d-43c7-b30d-6b58d40bd077"`, `"s"`}, "path": {`"/rest/api/3/user/email?a=1&b=%20"`}, "auth": {`"basic"`, `"forge-app"`},
			"purpose": {`"marketing"`, `null`}, "status": {`200`, `403`}, "account_ids": {`[]`, `["5b10a2844c20165700ede21f"]`, `["a","b@","ü","a%b"]`},
			"user_agent": {`"a \" b"`, `{"ts":[1,{"a":null}]}`, `-0.5`}, "method": {`"GET"`},
		}))
	})
}

func TestNearlyGoodReports(t *testing.T) {
	var d Decoder
	rapid.Check(t, func(t *rapid.T) {
		entries := func(fields map[string][]string) []string {
			all := []string{}
			for range rapid.IntRange(0, 3).Draw(t, "entries") {
				all = append(all, string(nearly(t, fields)))
			}
			return []string{"[" + strings.Join(all, ",") + "]"}
		}
		id := []string{`"5b10a2844c20165700ede21f"`, `"712020:f58131cb-b67d-43c7-b30d-6b58d40bd077"`, `"unknown"`}
		sameReport(t, &d, nearly(t, map[string][]string{
			"ts": times, "request_id": {`"9f"`}, "app_key": {`"com.acme.mailer"`}, "status": {`200`, `204`, `503`},
			"accounts": entries(map[string][]string{"account_id": id, "updated_at": append([]string{`null`}, times...), "more": {`1`}}),
			"result":   entries(map[string][]string{"account_id": id, "status": {`"closed"`, `"updated"`}}),
		}))
	})
}

func BenchmarkCall(b *testing.B) {
	line := []byte(callLine)
	var d Decoder
	var rec audit.CallRecord
	b.SetBytes(int64(len(line) + 1))
	for b.Loop() {
		if err := d.Call(line, &rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(`{"ts":"2026-11-22T03:14:15Z","request_id":"9f86d081884c7d65","app_key":"com.acme.mailer","status":200,"accounts":[`)
	for i := range 45 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"account_id":"5b10a2844c20165700ede%03x","updated_at":"2026-%02d-%02dT03:14:15Z"}`, i, 1+i%12, 1+i%28)
	}
	text.WriteString(`]}`)
	line := text.Bytes()
	var d Decoder
	var rec audit.ReportRecord
	b.SetBytes(int64(len(line) + 1))
	for b.Loop() {
		if err := d.Report(line, &rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStrictCall(b *testing.B) {
	line := []byte(callLine)
	b.SetBytes(int64(len(line) + 1))
	for b.Loop() {
		if _, err := strictCall(line); err != nil {
			b.Fatal(err)
		}
	}
}
