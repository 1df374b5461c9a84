package rules_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/checks/rules"
)

// read reads rules as from a file.
func read(t testing.TB, text string) ([]audit.OwnRule, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.ReadRules(path, audit.DefaultPolicy())
}

func compile(t testing.TB, text string) ([]audit.Check, error) {
	t.Helper()
	list, err := read(t, text)
	if err != nil {
		return nil, err
	}
	return rules.Compile(list)
}

// one is a rule with a condition and examples.
func one(when, more string) string {
	return "rules:\n  - id: mine\n    clause: P7\n    severity: low\n    title: It holds\n    when: " + when + "\n" + more +
		"    examples:\n      violates:\n        - app: {internal: true}\n      complies:\n        - app: {internal: false}\n"
}

var block = regexp.MustCompile("(?s)```yaml\n(?:# rules/[^\n]*\n)?(rules:\n.*?)```")

// recipes are the rules of docs/rules.md, a file each.
func recipes(t testing.TB) (texts []string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range block.FindAllStringSubmatch(string(doc), -1) {
		texts = append(texts, m[1])
	}
	return texts
}

// Each recipe of the manual does what its examples say, and has at least one that violates and one that complies.
func TestRecipes(t *testing.T) {
	t.Parallel()
	texts := recipes(t)
	if len(texts) < 11 {
		t.Fatalf("%d rules in docs/rules.md", len(texts))
	}
	for _, text := range texts {
		list, err := compile(t, text)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		for _, c := range list {
			if c.Remediation == "" || c.Nature != audit.IsState || !c.EachNight || len(c.Needs) == 0 && c.ID != "disclosure-contradicted" {
				t.Errorf("%+v", c)
			}
		}
	}
}

// The manual has every field that a rule sees.
func TestTheManualHasEveryField(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## What a rule sees")
	table, _, _ = strings.Cut(table, "Beside CEL's own")
	var each func(of reflect.Type)
	each = func(of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			if !f.IsExported() {
				continue
			}
			if name := f.Tag.Get("json"); !strings.Contains(table, "`"+name+"`") {
				t.Errorf("%s.%s: the manual does not tell of %q", of.Name(), f.Name, name)
			}
			inner := f.Type
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
				each(inner)
			}
		}
	}
	each(reflect.TypeFor[audit.Figures]())
}

// A mistake has its place in the file: the character of the expression that is wrong, however the expression is written.
func TestMistakesHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		one("app.internl", ""):                                   "rules.yaml:6:14: rule mine: when: undefined field 'internl'",
		one("'app.internal && sites > 3'", ""):                   "rules.yaml:6:34: rule mine: when: found no matching overload",
		one("|\n      app.internal &&\n        now()", ""):       "rules.yaml:8:12: rule mine: when: undeclared reference to 'now'",
		one("app.internal &&", ""):                               "rules.yaml:6:26: rule mine: when: Syntax error",
		one("app.key", ""):                                       "rules.yaml:6:11: rule mine: when: it gives string, and has to give bool",
		one("app.internal", "    subject: size(sites)\n"):        "rules.yaml:7:14: rule mine: subject: it gives int, and has to give string or list(string)",
		one("app.internal && 1 / 0 == 1", ""):                    "division by zero",
		one("'!app.internal'", ""):                               "this example has to violate the rule, and it finds nothing",
		one("true", ""):                                          "this example has to comply with the rule, and it finds",
		one("duration('90d') > duration('1h')", ""):              "invalid duration argument",
		one("accounts.exists(a, true)", ""):                      "undeclared reference to 'accounts'",
		strings.Replace(one("app.internal", ""), "It", "50%", 1): "write per cent",
	} {
		_, err := compile(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s… of\n%s", err, want, text)
		}
	}
	for text, want := range map[string]string{
		"rules:\n  - id: mine\n    claus: P7\n": `line 3: unknown key "claus"`,
		"rules: []\n":                           "there is no rule in it",
		"rules:\n  - id: Mine\n":                `line 2: id: "Mine" is no name`,
		"rules:\n  - {id: mine, clause: P7, severity: bad, title: T, when: 'true'}\n": `severity: "bad" is none of`,
		strings.Replace(one("true", ""), "internal: true", "internl: true", 1):        `line 9: examples: unknown field "internl"`,
		strings.Replace(one("true", ""), "complies", "complys", 1):                    `unknown key "complys"`,
	} {
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s… of\n%s", err, want, text)
		}
	}
}

// A rule that does too much for an app, or fails, is a mistake of the rule's, and says so.
func TestARuleThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]string{
		"app.internal || calls.exists(a, calls.exists(b, calls.exists(c, a.calls + b.calls + c.calls < 0)))": "more than a rule may for one app",
		"app.internal || 1 / size(calls) == 2 || calls[5000].calls == 1":                                     "index out of bounds",
	} {
		text := one("\""+when+"\"", "")
		text = strings.Replace(text, "- app: {internal: false}", "- {app: {internal: false}, calls: [{site: s}]}", 1)
		list, err := compile(t, text)
		if strings.Contains(when, "5000") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", when, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f := &audit.Figures{AsOf: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)}
		for i := range 400 {
			f.Calls = append(f.Calls, audit.CallsOf{Age: int64(i), Calls: 1})
		}
		_, err = rules.Finds(&list[0], &audit.Example{Figures: f})
		var failed *audit.RuleError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", when, err)
		}
	}
}

// What people write into the registry can hold an address: a subject does not.
func TestASubjectHoldsNoAddress(t *testing.T) {
	t.Parallel()
	list, err := compile(t, one("app.internal", "    subject: \"[app.name, app.name, 'b' + app.key]\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := &audit.Figures{App: audit.AppFigures{Internal: true, Name: "for ann@acme.example only", Key: strings.Repeat("k", 300)}}
	got, err := rules.Finds(&list[0], &audit.Example{Figures: f})
	if err != nil || len(got) != 2 || strings.Contains(strings.Join(got, ""), "ann@") || len([]rune(got[0])) != 200 {
		t.Errorf("%q, %v", got, err)
	}
}

// 200 rules over 5,000 apps take less than ten seconds: one op is all of them. Half of the apps are small, some have 2,000 rows of calls; each has 90 days,
// reports on a third of them, and some findings.
const benchmarked = 5000 // apps

func BenchmarkRules(b *testing.B) {
	var text strings.Builder
	text.WriteString("rules:\n")
	all := recipes(b)[1:]
	for i := range 200 {
		r := strings.TrimPrefix(all[i%len(all)], "rules:\n")
		text.WriteString(regexp.MustCompile(`id: (.*)`).ReplaceAllString(r, fmt.Sprintf("id: $1-%d", i)))
	}
	list, err := compile(b, text.String())
	if err != nil {
		b.Fatal(err)
	}
	var apps []*audit.Figures
	asOf := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	for i := range benchmarked {
		f := &audit.Figures{AsOf: asOf, App: audit.AppFigures{Key: fmt.Sprint("app-", i), Listed: true, Internal: i%50 == 0, Scopes: []string{"read:email-address:jira"}, Egress: []string{"a.example"}, Stores: "no"},
			Approvals:  []audit.ApprovalFigures{{Request: "REQ-1", Status: "approved", InForce: true, Decided: asOf.AddDate(0, -3, 0), Purposes: []string{"security-alerts", "user-sync"}}},
			Retrievals: audit.SpanFigures{First: asOf.AddDate(-1, 0, 0), Last: asOf.AddDate(0, 0, -1)}, Users: 100}
		sites := []int{1, 1, 1, 1, 1, 2, 3, 5, 10, 22}[i%10]
		for day := range int64(90) {
			d := audit.DayOf{Age: 89 - day, Calls: int64(10 * sites), Retrievals: int64(10 * sites), Accounts: int64(8 * sites)}
			for s := range sites {
				c := audit.CallsOf{Age: d.Age, Site: fmt.Sprint("site-", s), Purpose: "security-alerts", Calls: 10, Accounts: 8}
				switch (int(day) + s + i) % 12 {
				case 0:
					c.Purpose = "user-sync"
				case 1:
					c.Status, c.Accounts = 403, 0
				}
				f.Calls = append(f.Calls, c)
			}
			if day%3 == 0 {
				d.Reports, d.Reported, d.Closed = 4, int64(700+i%100), 2
			}
			f.Daily = append(f.Daily, d)
		}
		for j := range i % 4 {
			f.Findings = append(f.Findings, audit.FoundFigures{Check: []string{"purpose-not-approved", "third-party-sharing", "report-incomplete"}[j], Subject: "user-sync", First: asOf.AddDate(0, 0, -3), Last: asOf})
		}
		for s := range sites {
			f.Sites = append(f.Sites, audit.SiteFigures{Site: fmt.Sprint("site-", s), Installed: true, Users: 100, Accounts: 8})
		}
		f.Complete(audit.DefaultPolicy())
		apps = append(apps, f)
	}
	b.ResetTimer()
	for b.Loop() {
		var found atomic.Int64
		var wg sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			wg.Go(func() {
				for a := w; a < len(apps); a += workers {
					d := audit.DossierOf(apps[a])
					for i := range list {
						t := audit.NewTally(&list[i], audit.StateDay, d.AsOf, nil)
						if err := list[i].Holds(d, t); err != nil {
							b.Error(err)
							return
						}
						found.Add(int64(len(t.Contributions(d.Key))))
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(found.Load()), "findings")
	}
}
