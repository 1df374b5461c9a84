package audit

import (
	"slices"
	"strings"
)

// DayTotals are what an app did on one UTC day, in numbers. They follow from the day's calls and from nothing else, and name no account: where the store has
// none of a day they are worked out from its packs again.
type DayTotals struct {
	Day          Day          `json:"day"`
	SiteAccounts int          `json:"site_accounts"` // that retrievals got, one on two sites twice
	InVain       int          `json:"in_vain"`       // calls that asked for what the site does not have
	Busy         []SiteTotals `json:"busy"`          // the sites with BusySite accounts or more, by site
}

// SiteTotals are what an app did on one site on one UTC day.
type SiteTotals struct {
	Site     string `json:"site"`
	Accounts int    `json:"accounts"`
}

// BusySite is how many accounts a day an app has to retrieve on a site for it to be counted on its own.
const BusySite = 10

// OnSite is how many accounts the day's retrievals got on a site, of a site that is not counted on its own at most.
func (t *DayTotals) OnSite(site string) int {
	i, ok := slices.BinarySearchFunc(t.Busy, site, func(b SiteTotals, site string) int { return strings.Compare(b.Site, site) })
	if ok {
		return t.Busy[i].Accounts
	}
	return min(t.SiteAccounts, BusySite-1)
}

// InVain says whether the call asked for accounts that the site does not have: there is none of that id, or the answer names none.
func (c *Call) InVain() bool { return c.Status == 404 || c.Status == 200 && len(c.Accounts) == 0 }

// TotalsOf counts a day.
func TotalsOf(d *CallDay) DayTotals {
	t := DayTotals{Day: d.Day}
	on := make([]int, len(d.Sites))           // accounts by site
	first := make([]uint32, d.Accounts.Len()) // the site, from 1, that an account was first seen on, where most are always
	var others []uint64                       // an account, and another site that it was seen on
	for i := range d.Calls {
		c := &d.Calls[i]
		if c.InVain() {
			t.InVain++
		}
		if !c.Retrieval() {
			continue
		}
		for _, a := range c.Accounts {
			switch first[a] {
			case c.Site + 1:
			case 0:
				first[a] = c.Site + 1
				on[c.Site]++
			default:
				others = append(others, uint64(a)<<32|uint64(c.Site))
			}
		}
	}
	slices.Sort(others)
	for _, x := range slices.Compact(others) {
		on[uint32(x)]++
	}
	for site, n := range on {
		t.SiteAccounts += n
		if n >= BusySite {
			t.Busy = append(t.Busy, SiteTotals{d.Sites[site], n})
		}
	}
	slices.SortFunc(t.Busy, func(a, b SiteTotals) int { return strings.Compare(a.Site, b.Site) })
	return t
}

// Totals gives the app's totals of the days from from to to, one for each day.
func (d *Dossier) Totals(from, to Day) ([]DayTotals, error) {
	if to < from {
		return nil, nil
	}
	known, err := d.Days.Totals(from, to)
	if err != nil {
		return nil, err
	}
	out := make([]DayTotals, to-from+1)
	have := make([]bool, len(out))
	for i := range out {
		out[i].Day = from + Day(i)
	}
	for i := range known {
		at := known[i].Day - from
		out[at], have[at] = known[i], true
	}
	for day, t := range d.totalled { // in the place of those that are kept, should the run have brought calls of the day
		if day >= from && day <= to {
			out[day-from], have[day-from] = t, true
		}
	}
	for i := range d.Headers {
		h := &d.Headers[i]
		if h.Day < from || h.Day > to || have[h.Day-from] {
			continue
		}
		calls, err := d.Days.Calls(h.Day) // the store is of before there were totals
		if err != nil {
			return nil, err
		}
		out[h.Day-from] = d.total(calls)
	}
	return out, nil
}

// total counts a day, and tells a run to keep that. A day without calls is none of the app's.
func (d *Dossier) total(calls *CallDay) DayTotals {
	t := TotalsOf(calls)
	if len(calls.Calls) > 0 {
		if d.totalled == nil {
			d.totalled = map[Day]DayTotals{}
		}
		d.totalled[calls.Day] = t
	}
	return t
}
