package config

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/docs"
)

// The schema knows each key that the reader knows, and no other.
func TestSchemaAndReaderKnowTheSameKeys(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(docs.PolicySchema(), &schema); err != nil {
		t.Fatal(err)
	}
	var same func(at string, of reflect.Type, s map[string]any)
	same = func(at string, of reflect.Type, s map[string]any) {
		switch of.Kind() {
		case reflect.Pointer:
			same(at, of.Elem(), s)
			return
		case reflect.Map:
			s, _ = s["additionalProperties"].(map[string]any)
			same(at+"*", of.Elem(), s)
			return
		case reflect.Slice:
			s, _ = s["items"].(map[string]any)
			same(at+"[]", of.Elem(), s)
			return
		case reflect.Struct:
		default:
			return
		}
		var keys []string
		props, _ := s["properties"].(map[string]any)
		for i := range of.NumField() {
			f := of.Field(i)
			key := f.Tag.Get("yaml")
			keys = append(keys, key)
			inner, _ := props[key].(map[string]any)
			same(at+"."+key, f.Type, inner)
		}
		slices.Sort(keys)
		if known := slices.Sorted(maps.Keys(props)); !slices.Equal(keys, known) || s["additionalProperties"] != false {
			t.Errorf("%s: the reader knows %v, the schema %v (others: %v)", at, keys, known, s["additionalProperties"])
		}
	}
	same("", reflect.TypeFor[policyFile](), schema)
}

// What the schema refuses the reader refuses, and tells of the same line; what the reader takes the schema takes.
func TestSchemaAndReaderAgree(t *testing.T) {
	for text, line := range map[string]string{
		"": "", "purposes:\n": "", "reporting: {period: 30d, closed_grace: 1d12h}\n": "", "deadlines: {critical: 14d}\n": "", "four_eyes: [delist]\n": "",
		"checks:\n  feature-drift: {severity: low, enabled: false, enforce_from: 2027-01-31}\n  purpose-undeclared:\n":      "",
		"exceptions:\n  - {app: a, check: report-overdue, subject: '', reason: r, owner: o, until: 2027-06-30T12:00:00Z}\n": "",
		"clauses:\n  P6: {url: 'https://p.example/#6'}\n  X1: {text: Ours.}\n":                                              "",
		"notices: {reminders: [14d, 3d], abnormal: {findings: 0}}\n":                                                        "",

		"\npurpose: {}\n":                                                     "line 2",
		"reporting:\n  period: soon\n":                                        "line 2",
		"reporting:\n  periods: 15d\n":                                        "line 2",
		"deadlines:\n  high: 14d\n  urgent: 1d\n":                             "line 3",
		"four_eyes:\n  - fire\n":                                              "line 2",
		"probing:\n  calls: 0\n":                                              "line 2",
		"checks:\n  feature-drift:\n    severity: bad\n":                      "line 3",
		"checks:\n  feature-drift:\n    enforce: 2027-01-31\n":                "line 3",
		"checks:\n  feature-drift:\n    enforce_from: next year\n":            "line 3",
		"exceptions:\n  - {app: a, check: c, reason: r, until: 2027-06-30}\n": "line 2",
		"exceptions:\n  - {app: a, check: c, reason: r, owner: o}\n":          "line 2",
		"clauses:\n  P6:\n    url: ftp://x\n":                                 "line 3",
		"purposes:\n  synonyms:\n    mktg: Big Marketing\n":                   "line 3",
		"suppress:\n  worsened_accounts: -1\n":                                "line 2",
	} {
		_, err := ParsePolicy("policy.yaml", []byte(text))
		found := misfits("policy.yaml", []byte(text))
		if (err != nil) != (line != "") || (len(found) > 0) != (line != "") {
			t.Errorf("%q: the reader says %v, the schema %v", text, err, found)
			continue
		}
		if line != "" && (!strings.Contains(err.Error(), line) || !strings.Contains(found[0].Error(), "policy.yaml: "+line+": ")) {
			t.Errorf("%q: want %s: the reader says %v, the schema %v", text, line, err, found)
		}
	}
}

// Checks, exceptions, clauses and rules are read, and the digest covers what judgments depend on.
func TestAPolicyOfChecksAndRules(t *testing.T) {
	dir := t.TempDir()
	rule := "rules:\n  - id: mine\n    clause: X1\n    severity: low\n    title: T\n    when: |\n      app.internal &&\n        true\n" +
		"    examples: {violates: [{app: {internal: true}}], complies: [{}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := func(text string) (*audit.Policy, error) {
		return ParsePolicy(filepath.Join(dir, "policy.yaml"), []byte(text))
	}
	p, err := parse("rules: ['*.yaml']\nclauses: {X1: {text: Ours., url: 'https://p.example/'}}\nchecks: {feature-drift: {enabled: false}}\n" +
		"exceptions: [{app: acme, check: report-overdue, reason: ask ann@acme.example, owner: team, until: 2027-06-30}]\n")
	if err != nil {
		t.Fatal(err)
	}
	r := p.Own[0]
	if r.ID != "mine" || r.WhenAt.Line != 7 || r.WhenAt.Column != 7 || len(r.Violates) != 1 || !p.Checks["feature-drift"].Off || p.Clause("X1").Text != "Ours." {
		t.Errorf("%+v", p)
	}
	e := p.Excepts("acme", "report-overdue", "", at(t, "2027-06-29T23:59:59Z"))
	if e == nil || strings.Contains(e.String(), "ann@") || p.Excepts("acme", "report-overdue", "", at(t, "2027-06-30T00:00:00Z")) != nil || p.Excepts("other", "report-overdue", "", 0) != nil {
		t.Errorf("%v", e)
	}
	base, _ := parse("")
	plain, _ := parse("clauses: {P6: {text: No.}}")
	off, _ := parse("checks: {feature-drift: {enabled: false}}")
	mine, _ := parse("rules: [mine.yaml]")
	if plain.Digest != base.Digest || off.Digest == base.Digest || mine.Digest == base.Digest || mine.Digest == off.Digest {
		t.Error("the digest covers what judgments depend on, and nothing else")
	}
	if _, err := parse("rules: [none.yaml]"); err == nil || !strings.Contains(err.Error(), "line 1: rules: no file matches") {
		t.Error(err)
	}
}

func at(t *testing.T, s string) audit.Instant {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return audit.At(x)
}
