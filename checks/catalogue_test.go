package checks

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// find runs a check over all days of a dossier, or over its present state.
func find(t testing.TB, c *audit.Check, d *audit.Dossier) []audit.Contribution {
	t.Helper()
	var out []audit.Contribution
	if c.Nature == audit.IsState {
		tally := audit.NewTally(c, audit.StateDay, d.AsOf, nil)
		if err := c.Holds(d, tally); err != nil {
			t.Fatal(err)
		}
		return tally.Contributions(d.Key)
	}
	for _, h := range d.Headers {
		tally := audit.NewTally(c, h.Day, d.AsOf, nil)
		if err := c.Days(d, h.Day, tally); err != nil {
			t.Fatal(err)
		}
		out = append(out, tally.Contributions(d.Key)...)
	}
	return out
}

// findings is the findings that contributions make, by subject.
func findings(c *audit.Check, of []audit.Contribution) []audit.Finding {
	var out []audit.Finding
	accounts, sites := map[string][]audit.IDs{}, map[string][]audit.IDs{}
	for _, x := range of {
		i := slices.IndexFunc(out, func(f audit.Finding) bool { return f.Subject == x.Subject })
		if i < 0 {
			i = len(out)
			f := audit.Finding{Check: c.ID, App: x.App, Subject: x.Subject, Title: c.Title, FirstSeen: x.First, LastSeen: x.Last, Evidence: x.Evidence}
			if strings.Contains(c.Title, "%s") {
				f.Title = fmt.Sprintf(c.Title, x.Subject)
			}
			out = append(out, f)
		}
		f := &out[i]
		f.Occurrences += len(x.Occurrences)
		f.FirstSeen, f.LastSeen = min(f.FirstSeen, x.First), max(f.LastSeen, x.Last)
		accounts[x.Subject] = append(accounts[x.Subject], x.Accounts)
		sites[x.Subject] = append(sites[x.Subject], x.Sites)
		f.Accounts, f.Sites = audit.Union(accounts[x.Subject]...).Len(), audit.Union(sites[x.Subject]...).Len()
	}
	slices.SortFunc(out, func(a, b audit.Finding) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}

func founds(list []audit.Finding) []audit.Found {
	var out []audit.Found
	for _, f := range list {
		out = append(out, audit.Found{Subject: f.Subject, Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites})
	}
	return out
}

// expect tells what a check must find in a story.
func expect(t *testing.T, id string, s *story, want ...audit.Found) {
	t.Helper()
	parts := Parts(id)
	if len(parts) == 0 {
		t.Fatalf("no check %s", id)
	}
	var got []audit.Found
	for i := range parts {
		got = append(got, founds(findings(&parts[i], find(t, &parts[i], s.dossier())))...)
		readsWhatItSays(t, &parts[i], s.dossier)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s found %+v, want %+v", id, got, want)
	}
}

// readsWhatItSays changes a policy, field by field: where a check says that it reads nothing of it, what it finds stays.
func readsWhatItSays(t *testing.T, c *audit.Check, dossier func() *audit.Dossier) {
	t.Helper()
	if c.Reads == nil {
		return
	}
	d := dossier()
	by := func(p *audit.Policy) string {
		for i := range d.Rules {
			d.Rules[i].Policy = p
		}
		return fmt.Sprint(find(t, c, d))
	}
	policy := audit.DefaultPolicy()
	found := by(policy)
	for i := range reflect.TypeFor[audit.Policy]().NumField() {
		field := reflect.TypeFor[audit.Policy]().Field(i)
		for _, other := range otherValues(field.Type) {
			p := audit.DefaultPolicy()
			reflect.ValueOf(p).Elem().Field(i).Set(reflect.ValueOf(other))
			if !reflect.DeepEqual(c.Reads(p), c.Reads(policy)) {
				continue
			}
			if got := by(p); got != found {
				t.Errorf("%s says that it does not read %s, and by %v it finds\n%s\nnot\n%s", c.Key(), field.Name, other, got, found)
			}
		}
	}
}

// otherValues gives some values of a type.
func otherValues(of reflect.Type) []any {
	switch of {
	case reflect.TypeFor[time.Duration]():
		return []any{time.Duration(0), 24*time.Hour + 1, 400 * 24 * time.Hour}
	case reflect.TypeFor[int]():
		return []any{0, 1, 1000}
	case reflect.TypeFor[[]string]():
		return []any{[]string(nil), []string{"security-alerts", "marketing", "user-sync", "seat-planning", "atlassian.net"}}
	case reflect.TypeFor[map[string]string]():
		return []any{map[string]string{"security-alerts": "marketing", "user-sync": "none", "marketing": "user-sync"}}
	case reflect.TypeFor[audit.DriftBounds]():
		return []any{audit.DriftBounds{}, audit.DriftBounds{Accounts: 1, Share: 0.0001}}
	}
	return []any{reflect.Zero(of).Interface()}
}

// TestProofs proves every check by its proof.
func TestProofs(t *testing.T) {
	policy := audit.DefaultPolicy()
	for _, c := range All() {
		t.Run(c.Key(), func(t *testing.T) {
			for _, part := range []struct{ name, text string }{
				{"finds", c.Finds}, {"title", c.Title}, {"rule", c.Rule}, {"remediation", c.Remediation},
				{"story", c.Proof.Violates.Story}, {"story", c.Proof.Complies.Story},
			} {
				if strings.TrimSpace(part.text) == "" {
					t.Errorf("no %s", part.name)
				}
				if address.Redact(part.text) != part.text {
					t.Errorf("the %s holds an address: %s", part.name, part.text)
				}
			}
			if (c.Days != nil) != (c.Nature == audit.IsEvent) || (c.Holds != nil) != (c.Nature == audit.IsState) {
				t.Error("an event has Days, a state Holds, and neither the other")
			}
			if (len(c.Touched) > 0) != (c.Nature == audit.IsEvent) {
				t.Error("an event is touched by something, a state by nothing")
			}
			if !strings.Contains(c.Rule, "\n\nBoundaries: ") {
				t.Error("the rule tells no boundaries")
			}
			if len(c.Proof.Violates.Finds) == 0 || len(c.Proof.Complies.Finds) > 0 {
				t.Error("the violating case finds something, the compliant one nothing")
			}
			for _, x := range []audit.Case{c.Proof.Violates, c.Proof.Complies} {
				got := findings(&c, find(t, &c, x.Dossier()))
				if !slices.Equal(founds(got), x.Finds) {
					t.Errorf("%s\nfound %+v, want %+v", x.Story, founds(got), x.Finds)
				}
				readsWhatItSays(t, &c, x.Dossier)
				for i := range got {
					f := &got[i]
					text := c.Explain(f, policy)
					if strings.TrimSpace(text) == "" || strings.Contains(text, "%!") || strings.Contains(f.Title, "%") {
						t.Errorf("explanation %q, title %q", text, f.Title)
					}
					if len(f.Evidence) == 0 || len(f.Evidence) > audit.MaxEvidence {
						t.Errorf("%d rows of evidence", len(f.Evidence))
					}
					for _, s := range append([]string{text, f.Title}, details(f.Evidence)...) {
						if address.Redact(s) != s {
							t.Errorf("holds an address: %s", s)
						}
					}
					if severity, confidence := c.GradeOf(f.Subject); severity == "" || confidence == "" {
						t.Errorf("%q has no grade", f.Subject)
					}
					t.Logf("%s\n\t%s", f.Title, text)
				}
			}
		})
	}
}

func details(of []audit.Evidence) []string {
	var out []string
	for _, e := range of {
		out = append(out, e.Detail)
	}
	return out
}

// TestTable holds the checks against the table of the rules.
func TestTable(t *testing.T) {
	const table = `
access-unapproved P1 event critical certain access,apps
access-refused-probing P1 event low certain access,apps
access-not-installed P10 event critical certain access,installs
access-not-app P11 event high certain access
purpose-undeclared P7 event medium certain access,apps
purpose-not-approved P7 event high certain access,apps
purpose-prohibited P6 event critical certain access,apps
purpose-drift P7 event medium likely access,apps
feature-drift P7 state medium likely apps
scope-unapproved P1 state medium certain apps
mail-prohibited P6 event critical likely mail,apps access
mail-not-approved P7 event high likely mail,apps access
mail-third-party P9 event high certain mail,apps access
mail-after-uninstall P10 event critical certain mail,installs access
report-overdue P3 state high certain apps,access,reports incidents
report-incomplete P3 event high likely apps,access,reports incidents
report-closed-retained P13 event critical certain reports access
report-updated-ignored P13 event medium certain reports,access
retained-after-uninstall P10 event high likely reports,installs
storage-undeclared:reports P2 event high likely apps,reports
storage-undeclared:stale-mail P2 event high likely apps,access,mail
ui-exposure P8 event critical certain captures,addresses
ui-payload-exposure P8 event medium certain captures,addresses
ui-hash-exposure P8 event medium certain captures,addresses
third-party-sharing P9 event critical certain addresses,apps captures|mail
listing-incomplete P2 state medium certain apps
policy-language-changed P4 state medium certain apps
user-reported-exposure P8 event low possible signals
`
	var got strings.Builder
	join := func(kinds []audit.Kind, by string) string {
		var s []string
		for _, k := range kinds {
			s = append(s, string(k))
		}
		return strings.Join(s, by)
	}
	got.WriteByte('\n')
	for _, c := range All() {
		fmt.Fprintln(&got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s %s", c.Key(), c.Clause, c.Nature, c.Severity, c.Confidence, join(c.Needs, ","),
			join(c.NeedsIfSet, ",")+join(c.NeedsOneOf, "|"))))
		if c.Purposes != strings.HasPrefix(c.ID, "purpose-") {
			t.Errorf("%s: purposes %v", c.ID, c.Purposes)
		}
		wantNoSites := c.Nature == audit.IsState || strings.HasPrefix(c.ID, "report-") || c.ID == "retained-after-uninstall" || c.ID == "storage-undeclared"
		if c.NoSites != wantNoSites {
			t.Errorf("%s: no sites %v", c.ID, c.NoSites)
		}
		if c.NoAccounts != (c.Nature == audit.IsState || c.ID == "access-refused-probing" || c.ID == "user-reported-exposure") {
			t.Errorf("%s: no accounts %v", c.ID, c.NoAccounts)
		}
	}
	if got.String() != table {
		t.Errorf("the checks are\n%s\nthe rules say\n%s", got.String(), table)
	}
}

var update = flag.Bool("update", false, "write docs/checks.md anew")

// TestDoc fails where docs/checks.md is not what the checks say; -update writes it.
func TestDoc(t *testing.T) {
	const path = "../docs/checks.md"
	var want bytes.Buffer
	if err := Doc(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is stale: go test ./checks -run TestDoc -update", path)
	}
}
