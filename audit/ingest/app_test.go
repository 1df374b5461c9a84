package ingest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

const appLine = `{"key":"com.acme.mailer","name":"Acme Mailer","kind":"connect","vendor":{"id":"v1","name":"Acme ceo@acme.example","email":"privacy@acme.example","contacts":["dpo@acme.example"]},` +
	`"internal":false,"listing_url":"https://market.example/acme","privacy_policy_url":"https://acme.example/privacy","privacy_policy_text":"Write to privacy@acme.example.","terms_url":"https://acme.example/terms",` +
	`"stores_personal_data":true,"domains":["ACME.example","mail.acme.example"],"scopes":["read:me","READ"],` +
	`"approvals":[{"request_id":"REQ-1","status":"approved","decided_at":"2026-01-02T03:04:05Z","revoked_at":null,"purposes":["security-alerts"],"functionality":"alerts","policy_excerpt":"we mail","third_parties":["sendgrid.net"],` +
	`"snapshot":{"scopes":["read"],"modules":[],"egress":null,"domains":["Acme.Example"]}}]}`

var update = flag.Bool("update", false, "write the golden files")

func TestApp(t *testing.T) {
	app, err := App([]byte(appLine))
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := &audit.App{
		Key: "com.acme.mailer", Name: "Acme Mailer", Kind: "connect",
		Vendor:     audit.Vendor{ID: "v1", Name: "Acme [address]", Email: "privacy@acme.example", Contacts: []string{"dpo@acme.example"}},
		ListingURL: "https://market.example/acme", PrivacyPolicyURL: "https://acme.example/privacy", PrivacyPolicyText: "Write to [address].",
		TermsURL: "https://acme.example/terms", Stores: &yes,
		Features: audit.Features{Scopes: []string{"read:me", "READ"}, Modules: []string{}, Egress: []string{}, Domains: []string{"acme.example", "mail.acme.example"}},
		Approvals: []audit.Approval{{
			RequestID: "REQ-1", Status: audit.Approved, Decided: audit.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), Revoked: audit.Never,
			Purposes: []string{"security-alerts"}, Functionality: "alerts", PolicyExcerpt: "we mail", ThirdParties: []string{"sendgrid.net"},
			Snapshot: audit.Features{Scopes: []string{"read"}, Modules: []string{}, Domains: []string{"acme.example"}},
		}},
	}
	if diff := cmp.Diff(want, app); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestALongNameIsCut(t *testing.T) {
	app, err := App([]byte(`{"key":"a","vendor":{"name":"` + strings.Repeat("ü", 600) + `"}}`))
	if err != nil || app.Vendor.Name != strings.Repeat("ü", 500) {
		t.Errorf("%v, %v", app, err)
	}
}

func TestAppRefuses(t *testing.T) {
	for _, c := range []struct{ old, with, refused string }{
		{`"com.acme.mailer"`, `""`, "key is missing"},
		{`"com.acme.mailer"`, `7`, "key is a number"},
		{`"com.acme.mailer"`, `"jane@acme.example"`, "key looks like an address"},
		{`"com.acme.mailer"`, `"` + strings.Repeat("ü", 501) + `"`, "key is longer than 1000 bytes"},
		{`"id":"v1"`, `"id":"` + strings.Repeat("v", 1001) + `"`, "vendor.id is longer than 1000 bytes"},
		{`"kind":"connect"`, `"kind":"Connect"`, "kind is none"},
		{`"internal":false`, `"internal":"no"`, "internal is a string"},
		{`"stores_personal_data":true`, `"stores_personal_data":""`, "stores_personal_data is a string"},
		{`"domains":[`, `"domains":"acme.example","x":[`, "domains is a string"},
		{`"scopes":["read:me",`, `"scopes":[null,`, "scopes entry 1 is null"},
		{`"internal":false`, `"internal":false,"key":"b"`, "key comes twice"},
		{`"id":"v1"`, `"id":"v1","id":"v2"`, "vendor is bad: its id comes twice"},
		{`{"id":"v1"`, `["x"],"y":{"id":"v1"`, "vendor is a list"},
		{`"status":"approved"`, `"status":"Approved"`, "approvals entry 1 has a status"},
		{`"status":"approved",`, ``, "approvals entry 1 has a status"},
		{`"status":"approved","decided_at":"2026-01-02T03:04:05Z"`, `"status":"approved","decided_at":null`, "approvals entry 1 is approved, but decided_at is missing"},
		{`"status":"approved"`, `"status":"withdrawn"`, "approvals entry 1 is withdrawn, but revoked_at is missing"},
		{`"2026-01-02T03:04:05Z"`, `"January"`, "decided_at is no time"},
		{`"revoked_at":null`, `"revoked_at":{}`, "revoked_at is an object"},
		{`"snapshot":{`, `"snapshot":{"scopes":[],`, "scopes comes twice"},
		{`"snapshot":{`, `"snapshot":[],"y":{`, "snapshot is a list"},
		{`"approvals":[`, `"approvals":[null,`, "approvals entry 1 is null"},
		{`"internal":false`, `"descriptor":"{}"`, "descriptor is a string"},
		{`"internal":false`, `"descriptor":{"scopes":"READ"}`, "its scopes is a string"},
		{`"internal":false`, `"descriptor":{"scopes":[],"scopes":["x"]}`, "scopes comes twice"},
		{`"internal":false`, `"descriptor":{"modules":"x"}`, "its modules is a string"},
		{`"internal":false`, `"descriptor":{"modules":{"a":{},"a":{}}}`, "twice"},
		{`"internal":false`, `"descriptor":{"baseUrl":1}`, "its baseUrl is a number"},
		{`"internal":false`, `"manifest":{"app":1}`, "manifest is an object"},
	} {
		_, err := App([]byte(swap(appLine, c.old, c.with)))
		if err == nil || !strings.Contains(err.Error(), c.refused) || address.LooksLike([]byte(err.Error())) {
			t.Errorf("%s: %v", c.with, err)
		}
	}
	for _, good := range []struct{ old, with string }{
		{`"status":"approved","decided_at":"2026-01-02T03:04:05Z"`, `"status":"pending","decided_at":""`},
		{`"status":"approved","decided_at":"2026-01-02T03:04:05Z","revoked_at":null`, `"status":"withdrawn","revoked_at":"2026-01-02T03:04:05Z"`},
		{`"stores_personal_data":true`, `"stores_personal_data":null`},
		{`"internal":false`, `"descriptor":null,"manifest":null`},
		{`"snapshot":{`, `"snapshot":null,"y":{`},
		{`"approvals":[`, `"approvals":null,"y":[`},
	} {
		if _, err := App([]byte(swap(appLine, good.old, good.with))); err != nil {
			t.Errorf("%s: %v", good.with, err)
		}
	}
}

// TestFeatures reads look-alikes of what vendors publish, with what they hold in .json beside them.
func TestFeatures(t *testing.T) {
	files, err := filepath.Glob("testdata/apps/*.in")
	if err != nil || len(files) == 0 {
		t.Fatal("no look-alikes", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			line := map[string]any{"key": "k"}
			switch {
			case strings.Contains(path, ".connect."):
				line["descriptor"] = json.RawMessage(text)
			default:
				line["manifest"] = string(text)
			}
			p, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			app, err := App(p)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(struct {
				audit.Features
				Notes []string `json:"notes"`
			}{app.Features, app.Notes}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(path, ".in") + ".json"
			if *update {
				write(t, golden, append(got, '\n'))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFeaturesInOrder(t *testing.T) {
	manifest, _ := json.Marshal("permissions:\n  scopes: [b, a]\nmodules:\n  m: [{key: k}]\n")
	app, err := App([]byte(`{"scopes":["c","a"],"manifest":` + string(manifest) + `,"domains":["z.example","a.example"],` +
		`"key":"k","descriptor":{"modules":{"x":{"key":"y"}},"scopes":["a","a","A"],"baseUrl":"https://A.example:8080/x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Features{Scopes: []string{"a", "A", "b", "c"}, Modules: []string{"x/y", "m/k"}, Egress: []string{}, Domains: []string{"a.example", "z.example"}}
	if diff := cmp.Diff(want, app.Features); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestManifestThatIsNone(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [{key: x}]\n")
	for i := range 30 {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	bomb.WriteString("modules: {m: *a30}\n")
	var wide strings.Builder
	wide.WriteString("x: &x\n" + strings.Repeat("  - {key: a}\n", 3000) + "modules:\n")
	for i := range 3000 {
		fmt.Fprintf(&wide, "  m%d: *x\n", i)
	}
	for name, c := range map[string]struct {
		text, note string
	}{
		"no YAML":        {"modules: [", "not YAML"},
		"a tab":          {"modules:\n\t- x", "not YAML"},
		"text":           {"just words", "not a YAML mapping"},
		"a list":         {"- a\n- b", "not a YAML mapping"},
		"a key twice":    {"permissions:\n  scopes: [a]\n  scopes: [b]\n", "line 3"},
		"endless":        {"a: &a\n  permissions: *a\npermissions: *a\nmodules: {m: *a}", ""},
		"merges itself":  {"modules: &m\n  <<: *m\n  x: [{key: a}]\n", ""},
		"alias bomb":     {bomb.String(), ""},
		"too wide":       {wide.String(), "more than"},
		"deep":           {strings.Repeat("[", 20_000), "not YAML"},
		"deep in blocks": {strings.Repeat("- ", 20_000), "not YAML"},
	} {
		start := time.Now()
		p, _ := json.Marshal(map[string]any{"key": "k", "manifest": c.text, "scopes": []string{"own"}})
		app, err := App(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		notes := strings.Join(app.Notes, "\n")
		if !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
			t.Errorf("%s: notes %q", name, notes)
		}
		if c.note != "" && (app.Features.Modules != nil || app.Features.Egress != nil || len(app.Features.Scopes) != 1) {
			t.Errorf("%s: %+v", name, app.Features)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{
		"https://API.Acme.example:8443/v1?x#y": "api.acme.example", "*.Acme.example": "*.acme.example", "https://*.acme.example/*": "*.acme.example",
		"acme.example.": "acme.example", "//cdn.example/x": "cdn.example", "https://user:pass@acme.example/": "acme.example", "acme.example:*": "acme.example",
		"https://[2001:db8::1]:443/": "[2001:db8::1]", "*": "*", " ": "", "wss://s.example": "s.example", "https://": "",
	} {
		if got := host(in); got != want {
			t.Errorf("host(%q) = %q, not %q", in, got, want)
		}
		if again := host(host(in)); again != want {
			t.Errorf("host(host(%q)) = %q", in, again)
		}
	}
}

func TestAppKey(t *testing.T) {
	for line, want := range map[string]string{
		`{"key":"a","kind":"nonsense","vendor":7}`: "a", `{"k":1,"key":"a"}`: "a", `{"key":7}`: "", `{"key":"a","key":"a"}`: "", `{"key":""}`: "", `{"x":{"key":"a"}}`: "",
		`{"key":"a"`: "", `["key"]`: "", `{"key":null}`: "", "{\"key\":\"a\",\"x\":\"\xff\"}": "", `{"key":"a"} x`: "", `{"key":"a@b"}`: "",
	} {
		if got, ok := AppKey([]byte(line)); got != want && ok || ok != (want != "") {
			t.Errorf("%s: %q, %v", line, got, ok)
		}
	}
}

func FuzzApp(f *testing.F) {
	f.Add([]byte(appLine))
	for _, extra := range []string{`"descriptor":{"scopes":["a"],"baseUrl":"x","modules":{"m":[{"key":"k"},{"event":"e"},{"url":"u"},{},null,7],"n":{"key":1}}}`,
		`"manifest":"permissions:\n  scopes: [a, {b: c}]\n  external: {fetch: {backend: [x, {address: y}, {remote: z}]}}\nremotes: [{key: z, baseUrl: q}]"`} {
		f.Add([]byte(swap(appLine, `"internal":false`, extra)))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		app, err := App(line)
		if err != nil {
			if address.LooksLike([]byte(err.Error())) {
				t.Errorf("the refusal holds an address: %v", err)
			}
			return
		}
		if key, ok := AppKey(line); !ok || key != app.Key {
			t.Errorf("the key is %q, or %q", app.Key, key)
		}
		app.Vendor.Email, app.Vendor.Contacts = "", nil
		for _, part := range []any{app, app.Approvals} {
			p, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			var tree any
			if err := json.Unmarshal(p, &tree); err != nil {
				t.Fatal(err)
			}
			if s := withAddress(tree); s != "" {
				t.Errorf("an address remains: %q", s)
			}
		}
	})
}

// withAddress is a string in tree that looks like an address.
func withAddress(tree any) string {
	switch v := tree.(type) {
	case string:
		if address.LooksLike([]byte(v)) {
			return v
		}
	case []any:
		for _, x := range v {
			if s := withAddress(x); s != "" {
				return s
			}
		}
	case map[string]any:
		for _, x := range v {
			if s := withAddress(x); s != "" {
				return s
			}
		}
	}
	return ""
}

func FuzzManifest(f *testing.F) {
	files, _ := filepath.Glob("testdata/apps/*.forge.in")
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a: &a {b: *a}\n<<: [*a, *a]\nmodules: *a")
	f.Fuzz(func(t *testing.T, text string) {
		found, notes := readManifest(text)
		if found == nil && len(notes) == 0 {
			t.Error("a manifest was lost")
		}
		var doc yaml.Node
		if found != nil && yaml.Unmarshal([]byte(text), &doc) != nil {
			t.Error("read what is no YAML")
		}
	})
}
