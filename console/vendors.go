package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// shownVendors is how many vendors the list shows, and shownOfVendor how many findings a vendor's page names.
const (
	shownVendors  = 100
	shownOfVendor = 50
)

// A vendorLine is a vendor in the list.
type vendorLine struct{ notices.Vendor }

// Path is the address of the vendor's page.
func (v vendorLine) Path() string { return pathOf("/vendors", v.Key) }

// vendorsPage is the vendors.
type vendorsPage struct {
	frame
	Words string
	List  []vendorLine
	More  int // that are not shown
}

func (c *Console) vendors(w http.ResponseWriter, r *http.Request, u person) error {
	if r.URL.Query().Has("key") {
		return c.vendor(w, r, u)
	}
	p := &vendorsPage{Words: clip(strings.TrimSpace(r.URL.Query().Get("q")), 200)}
	list, err := c.Desk.Vendors(r.Context(), "")
	if err != nil {
		return err
	}
	words := strings.Fields(strings.ToLower(p.Words))
	for _, l := range list {
		named := []string{l.Name, l.Key}
		for i := range l.Apps {
			named = append(named, l.Apps[i].Name, l.Apps[i].Key)
		}
		switch {
		case len(words) > 0 && !has(strings.ToLower(strings.Join(named, "\n")), words):
		case len(p.List) < shownVendors:
			p.List = append(p.List, vendorLine{l})
		default:
			p.More++
		}
	}
	c.render(w, r, u, http.StatusOK, "vendors", p)
	return nil
}

// vendorPage is one vendor.
type vendorPage struct {
	frame
	vendorLine
	Findings []audit.Finding // open, the worst first
	Told     []notices.State // the newest first
}

// Matters are its findings whose deadline runs or stands, the earliest first.
func (p *vendorPage) Matters() (list []audit.Matter) {
	seen := map[string]bool{}
	for i := range p.Told {
		for _, m := range p.Told[i].Matters {
			if m.ClosedAt == audit.Never && !seen[m.Finding] {
				seen[m.Finding] = true
				list = append(list, m)
			}
		}
	}
	slices.SortFunc(list, func(a, b audit.Matter) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.Finding, b.Finding))
	})
	return list
}

// HasMore says whether it has more open findings than the page names.
func (p *vendorPage) HasMore() bool { return p.Total() > len(p.Findings) }

func (c *Console) vendor(w http.ResponseWriter, r *http.Request, u person) error {
	key := keyOf(r)
	list, err := c.Desk.Vendors(r.Context(), key)
	if err != nil {
		return err
	}
	if key == "" || len(list) == 0 {
		return store.ErrNotFound
	}
	p := &vendorPage{vendorLine: vendorLine{list[0]}}
	if p.Told, err = c.noticeStates(r, store.NoticeFilter{Vendors: []string{key}}); err != nil {
		return err
	}
	slices.SortStableFunc(p.Apps, func(a, b store.VendorApp) int {
		return cmp.Or(notices.Worse(a.Open, b.Open), cmp.Compare(a.Key, b.Key))
	})
	var keys []string
	for _, a := range p.Apps {
		if len(a.Open) > 0 {
			keys = append(keys, a.Key)
		}
	}
	if len(keys) > 0 {
		listed, err := c.Store.Browse(r.Context(), store.Page{Filter: store.Filter{Lean: true, Apps: keys, Statuses: audit.OpenStatuses(), Limit: shownOfVendor}})
		if err != nil {
			return err
		}
		p.Findings = listed.Findings
	}
	c.render(w, r, u, http.StatusOK, "vendor", p)
	return nil
}
