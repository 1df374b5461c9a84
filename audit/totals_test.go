package audit_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// TestTotals holds the quick count against one by maps, for days of any calls.
func TestTotals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := &audit.CallDay{Day: 7, Sites: []string{"b", "a", "c"}}
		var ids []string
		for i := range 30 {
			ids = append(ids, fmt.Sprintf("user-%02d", i))
		}
		day.Accounts = audit.NewIDs(ids...)
		want := audit.DayTotals{Day: 7}
		bySite := map[string]map[uint32]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "calls") {
			c := audit.Call{Site: rapid.Uint32Range(0, 2).Draw(t, "site"), Status: rapid.SampledFrom([]uint16{200, 200, 200, 403, 404}).Draw(t, "status")}
			if c.Status == 200 {
				c.Accounts = rapid.SliceOfNDistinct(rapid.Uint32Range(0, 29), 0, 12, rapid.ID).Draw(t, "accounts")
				slices.Sort(c.Accounts)
			}
			day.Calls = append(day.Calls, c)
			if c.Status == 404 || c.Status == 200 && len(c.Accounts) == 0 {
				want.InVain++
			}
			if !c.Retrieval() {
				continue
			}
			site := day.Sites[c.Site]
			if bySite[site] == nil {
				bySite[site] = map[uint32]bool{}
			}
			for _, a := range c.Accounts {
				bySite[site][a] = true
			}
		}
		for _, site := range []string{"a", "b", "c"} {
			n := len(bySite[site])
			if want.SiteAccounts += n; n >= audit.BusySite {
				want.Busy = append(want.Busy, audit.SiteTotals{Site: site, Accounts: n})
			}
		}
		got := audit.TotalsOf(day)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("totals are %+v, want %+v", got, want)
		}
		for site, accounts := range bySite {
			if n := got.OnSite(site); n < len(accounts) || len(accounts) >= audit.BusySite && n != len(accounts) {
				t.Errorf("on %s: %d, it were %d", site, n, len(accounts))
			}
		}
	})
}
