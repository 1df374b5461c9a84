package verdict

import "testing"

func TestDiff(t *testing.T) {
	a := []Finding{{Check: "purpose-prohibited", App: "x", Subject: "marketing", Occurrences: 2, Accounts: 1, Sites: 1}, {Check: "listing-incomplete", App: "x"}}
	if d := Diff("a", a, "b", a[:1]); d != "" {
		t.Error(d)
	}
	b := []Finding{{Check: "purpose-prohibited", App: "x", Subject: "marketing", Occurrences: 2, Accounts: 2, Sites: 1}}
	if d := Diff("a", a, "b", b); d != `purpose-prohibited x "marketing": a 2 calls 1 accounts 1 sites, b 2 calls 2 accounts 1 sites` {
		t.Error(d)
	}
	if Diff("a", a, "b", nil) == "" || Diff("a", nil, "b", b) == "" {
		t.Error("a finding that one lacks is a difference")
	}
	if got := Totals(append(a, b...)); len(got) != 1 || got[0] != (Total{"purpose-prohibited", 2, 4, 3, 2}) {
		t.Error(got)
	}
}
