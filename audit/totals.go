package audit

import (
	"slices"
	"strings"
)

// DayTotals are what an app did on one UTC day, in numbers. They follow from the day's calls and from nothing else, and name no account: where the store has
// none of a day they are worked out from its packs again.
type DayTotals struct {
	Day          Day            `json:"day"`
	Calls        int            `json:"calls"`
	Retrievals   int            `json:"retrievals"`
	Accounts     int            `json:"accounts"`      // that retrievals got
	SiteAccounts int            `json:"site_accounts"` // as Accounts, one on two sites twice
	InVain       int            `json:"in_vain"`       // calls that asked for what the site does not have
	Statuses     map[uint16]int `json:"statuses"`      // calls
	Purposes     map[string]int `json:"purposes"`      // retrievals, by declared purpose; as a finding's subject would have it, "" where none was declared
	Sites        int            `json:"sites"`         // with retrievals
	Busy         []SiteTotals   `json:"busy"`          // the sites with BusySite accounts or more, by site
}

// SiteTotals are what an app did on one site on one UTC day.
type SiteTotals struct {
	Site     string `json:"site"`
	Accounts int    `json:"accounts"`
}

// BusySite is how many accounts a day an app has to retrieve on a site for it to be counted on its own.
const BusySite = 10

// OnSite is how many accounts the day's retrievals got on a site, of a site that is not counted on its own at most.
func (f *DayTotals) OnSite(site string) int {
	for i := range f.Busy {
		if f.Busy[i].Site == site {
			return f.Busy[i].Accounts
		}
	}
	return min(f.SiteAccounts, BusySite-1)
}

// InVain says whether the call asked for accounts that the site does not have: there is none of that id, or the answer names none.
func (c *Call) InVain() bool { return c.Status == 404 || c.Status == 200 && len(c.Accounts) == 0 }

// TotalsOf counts a day.
func TotalsOf(d *CallDay) DayTotals {
	f := DayTotals{Day: d.Day, Calls: len(d.Calls), Statuses: map[uint16]int{}, Purposes: map[string]int{}}
	purposes := make([]int, len(d.Purposes))
	got := make([]bool, d.Accounts.Len())
	bySite := make([][]*Call, len(d.Sites))
	for i := range d.Calls {
		c := &d.Calls[i]
		f.Statuses[c.Status]++
		if c.InVain() {
			f.InVain++
		}
		if !c.Retrieval() {
			continue
		}
		f.Retrievals++
		purposes[c.Purpose]++
		bySite[c.Site] = append(bySite[c.Site], c)
		for _, a := range c.Accounts {
			if !got[a] {
				got[a] = true
				f.Accounts++
			}
		}
	}
	for i, n := range purposes {
		if purpose := d.Purposes[i]; n > 0 && purpose != "" {
			f.Purposes[PurposeSubject(purpose)] += n
		} else if n > 0 {
			f.Purposes[""] += n
		}
	}
	on := make([]uint32, d.Accounts.Len()) // the site, from 1, that an account was last seen on
	for site, calls := range bySite {
		if len(calls) == 0 {
			continue
		}
		f.Sites++
		n := 0
		for _, c := range calls {
			for _, a := range c.Accounts {
				if on[a] != uint32(site)+1 {
					on[a] = uint32(site) + 1
					n++
				}
			}
		}
		f.SiteAccounts += n
		if n >= BusySite {
			f.Busy = append(f.Busy, SiteTotals{d.Sites[site], n})
		}
	}
	slices.SortFunc(f.Busy, func(a, b SiteTotals) int { return strings.Compare(a.Site, b.Site) })
	return f
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
	for i := range d.Headers {
		h := &d.Headers[i]
		if h.Day < from || h.Day > to || h.FirstRetrieval == Ever || have[h.Day-from] {
			continue
		}
		calls, err := d.Days.Calls(h.Day) // the store is of before there were totals
		if err != nil {
			return nil, err
		}
		out[h.Day-from] = TotalsOf(calls)
	}
	return out, nil
}
