// Package verdict is what two engines are compared by: what they found in one night.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is one check's result for one app and subject.
type Finding struct {
	Check       string `json:"check"`
	App         string `json:"app_key"`
	Subject     string `json:"subject"`
	Occurrences int64  `json:"occurrences"`
	Accounts    int64  `json:"accounts"`
	Sites       int64  `json:"sites"`
}

// Night is the result of one run.
type Night struct {
	Version   string    `json:"version"`
	Calls     int64     `json:"calls"`     // without copies
	Retrieved int64     `json:"retrieved"` // pairs of app and account in calls
	Reported  int64     `json:"reported"`  // pairs of app and account in reports
	Missing   int64     `json:"missing"`   // pairs retrieved and not reported
	Findings  []Finding `json:"findings"`
}

// Compared says whether both engines judge this check.
func Compared(check string) bool {
	switch check {
	case "access-unapproved", "access-not-installed", "purpose-undeclared", "purpose-not-approved", "purpose-prohibited":
		return true
	}
	return false
}

// Total adds up the findings of one check.
type Total struct {
	Check                                  string
	Findings, Occurrences, Accounts, Sites int64
}

// Totals adds up the compared findings by check. Accounts and sites are sums over findings.
func Totals(findings []Finding) []Total {
	var all []Total
	for _, f := range findings {
		if !Compared(f.Check) {
			continue
		}
		i := slices.IndexFunc(all, func(t Total) bool { return t.Check == f.Check })
		if i < 0 {
			i = len(all)
			all = append(all, Total{Check: f.Check})
		}
		all[i].Findings++
		all[i].Occurrences += f.Occurrences
		all[i].Accounts += f.Accounts
		all[i].Sites += f.Sites
	}
	slices.SortFunc(all, func(a, b Total) int { return cmp.Compare(a.Check, b.Check) })
	return all
}

// Diff lists where two results differ, "" where they agree.
func Diff(nameA string, a []Finding, nameB string, b []Finding) string {
	type key struct{ check, app, subject string }
	index := func(fs []Finding) map[key]Finding {
		m := make(map[key]Finding)
		for _, f := range fs {
			if Compared(f.Check) {
				m[key{f.Check, f.App, f.Subject}] = f
			}
		}
		return m
	}
	inA, inB := index(a), index(b)
	var out []string
	line := func(k key) {
		if inA[k] != inB[k] {
			out = append(out, fmt.Sprintf("%s %s %q: %s %s, %s %s", k.check, k.app, k.subject, nameA, inA[k], nameB, inB[k]))
		}
	}
	for k := range inA {
		line(k)
	}
	for k := range inB {
		if _, ok := inA[k]; !ok {
			line(k)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func (f Finding) String() string {
	return fmt.Sprintf("%d calls %d accounts %d sites", f.Occurrences, f.Accounts, f.Sites)
}
