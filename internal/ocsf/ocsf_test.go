package ocsf

import (
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("testdata/compliance_finding-" + Version + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid gives an event as a program reads it, held against the published schema.
func valid(t rapid.TB, s *jsonschema.Schema, e Event) map[string]any {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Fatal(err)
	}
	return v
}

func noPlace(audit.Source) string { return "" }

// Whatever a finding is, its event keeps to the schema.
func TestEventsKeepToTheSchema(t *testing.T) {
	t.Parallel()
	s := validator(t)
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) audit.Instant {
			return rapid.OneOf(rapid.Just(audit.Never), rapid.Just(audit.Ever), rapid.Just(audit.Instant(1_795_000_000_123_456_789))).Draw(t, name)
		}
		str := rapid.String()
		f := &audit.Finding{ID: "F-1", Check: str.Draw(t, "check"), App: str.Draw(t, "app"), AppName: str.Draw(t, "name"), Vendor: str.Draw(t, "vendor"), Clause: "P6",
			Severity: rapid.SampledFrom(append(audit.Severities(), "")).Draw(t, "severity"), Status: rapid.SampledFrom(audit.Statuses()).Draw(t, "status"),
			Confidence: rapid.SampledFrom([]audit.Confidence{audit.Certain, audit.Likely, audit.Possible}).Draw(t, "confidence"),
			FirstSeen:  at("first"), LastSeen: at("last"), NotifiedAt: at("notified"), DueAt: at("due"), Reason: str.Draw(t, "reason"),
			Evidence: []audit.Evidence{{At: at("evidence"), Account: rapid.SampledFrom([]string{"", "5b10"}).Draw(t, "account"), Detail: str.Draw(t, "detail")}}}
		e := EventOf(Finding{Finding: f, Created: at("created"), Changed: at("changed"), Place: noPlace})
		if e.TypeUID != 200300+e.ActivityID {
			t.Fatalf("type %d of activity %d", e.TypeUID, e.ActivityID)
		}
		valid(t, s, e)
	})
}

// What the schema refuses is refused: it would be no proof otherwise.
func TestTheSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := validator(t)
	good := func() map[string]any {
		return valid(t, s, EventOf(Finding{Finding: &audit.Finding{ID: "F-1", App: "com.acme.mailer", Severity: audit.High}, Place: noPlace}))
	}
	for name, spoil := range map[string]func(e map[string]any){
		"no severity":              func(e map[string]any) { delete(e, "severity_id") },
		"a severity of none":       func(e map[string]any) { e["severity_id"] = 7 },
		"another activity's type":  func(e map[string]any) { e["type_uid"] = 200301 },
		"another version":          func(e map[string]any) { e["metadata"].(map[string]any)["version"] = "1.1.0" },
		"time as text":             func(e map[string]any) { e["time"] = "2026-11-22T10:00:00Z" },
		"a field of no class":      func(e map[string]any) { e["vendor"] = "Acme" },
		"a deprecated field":       func(e map[string]any) { e["resource"] = map[string]any{"name": "x"} },
		"a resource without names": func(e map[string]any) { e["resources"] = []any{map[string]any{"type": "App"}} },
		"no finding's id":          func(e map[string]any) { delete(e["finding_info"].(map[string]any), "uid") },
	} {
		e := good()
		if spoil(e); s.Validate(e) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	filed := audit.Instant(1_795_000_000_000_000_000)
	later := filed + 1_000_000_000
	for _, c := range []struct {
		name     string
		status   audit.Status
		lastRun  string
		changed  audit.Instant
		activity string
		tells    string
		result   string
	}{
		{"filed, and nothing since", audit.Open, "R-1", filed, "Create", "New", "Fail"},
		{"it grew", audit.Open, "R-2", later, "Update", "New", "Fail"},
		{"somebody commented on it", audit.Open, "R-1", later, "Create", "New", "Fail"},
		{"acknowledged", audit.Acknowledged, "R-1", later, "Update", "In Progress", "Fail"},
		{"in remediation", audit.InRemediation, "R-1", later, "Update", "In Progress", "Fail"},
		{"suppressed", audit.Suppressed, "R-1", later, "Close", "Suppressed", "Fail"},
		{"dismissed", audit.FalsePositive, "R-1", later, "Close", "Suppressed", "Pass"},
		{"resolved", audit.Resolved, "R-2", later, "Close", "Resolved", "Pass"},
	} {
		f := &audit.Finding{ID: "F-1", Check: "purpose-prohibited", Clause: "P6", Status: c.status, FirstRun: "R-1", LastRun: c.lastRun}
		e := EventOf(Finding{Finding: f, Created: filed, Changed: c.changed, Clause: "Never for marketing.", Place: noPlace})
		if e.ActivityName != c.activity || e.Status != c.tells || e.Compliance.Status != c.result || e.StatusCode != string(c.status) {
			t.Errorf("%s: %s, %s, %s, %s", c.name, e.ActivityName, e.Status, e.Compliance.Status, e.StatusCode)
		}
		if e.Compliance.Control != "P6" || e.Compliance.Requirements[0] != "P6: Never for marketing." || e.Time != int64(c.changed)/1e6 {
			t.Errorf("%s: %+v at %d", c.name, e.Compliance, e.Time)
		}
	}
}

func TestTheApp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, name, vendor, uid, shown string }{
		{"com.acme.mailer", "Acme Mailer", "Acme", "com.acme.mailer", "Acme Mailer"},
		{"com.acme.mailer", "", "", "com.acme.mailer", "com.acme.mailer"},
		{"", "", "", "", "calls by no app"},
	} {
		r := app(&audit.Finding{App: c.key, AppName: c.name, Vendor: c.vendor})
		if r.UID != c.uid || r.Name != c.shown || (r.Owner != nil) != (c.vendor != "") {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}
