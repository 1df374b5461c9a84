package console

import (
	"cmp"
	"maps"
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

// A vendorLine is a vendor, its apps, and how it stands.
type vendorLine struct {
	Key, Name string
	Apps      []store.VendorApp // the worst first
	Open      map[audit.Severity]int
	Notices   int // that go on
	Waits     int // of these, for a person
	Due       audit.Instant
}

// Path is the address of the vendor's page.
func (v vendorLine) Path() string { return vendorPath(v.Key) }

// Of is how many open findings of a severity it has.
func (v vendorLine) Of(s audit.Severity) int { return v.Open[s] }

// Total is how many open findings it has.
func (v vendorLine) Total() (n int) {
	for _, x := range v.Open {
		n += x
	}
	return n
}

// worse orders by what is open.
func worse(a, b map[audit.Severity]int) int {
	for _, s := range audit.Severities() {
		if c := cmp.Compare(b[s], a[s]); c != 0 {
			return c
		}
	}
	return 0
}

// worseVendor orders vendors by what is open about them.
func worseVendor(a, b vendorLine) int {
	return cmp.Or(worse(a.Open, b.Open), cmp.Compare(b.Notices, a.Notices), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Key, b.Key))
}

// vendorsPage is the vendors.
type vendorsPage struct {
	frame
	Words string
	List  []vendorLine
	More  int // that are not shown
}

// vendorLines gives the vendors of apps and notices, the worst first.
func vendorLines(apps []store.VendorApp, notices []store.NoticeHead) []vendorLine {
	lines := map[string]*vendorLine{}
	line := func(key, name string) *vendorLine {
		l := lines[key]
		if l == nil {
			l = &vendorLine{Key: key, Name: name, Open: map[audit.Severity]int{}, Due: audit.Never}
			lines[key] = l
		}
		return l
	}
	for _, a := range apps {
		if a.Key == "" {
			continue // calls by no app
		}
		l := line(audit.VendorKey(a.Key, a.Vendor), cmp.Or(a.Vendor.Name, a.Vendor.ID, a.Name, a.Key))
		l.Apps = append(l.Apps, a)
		for s, n := range a.Open {
			l.Open[s] += n
		}
	}
	for i := range notices {
		n := &notices[i]
		l := line(n.Vendor, cmp.Or(n.VendorName, n.Vendor)) // also where no app is its own any more
		if n.GoesOn() {
			l.Notices++
		}
		if n.Waits() {
			l.Waits++
		}
		l.Due = min(l.Due, n.Due)
	}
	list := make([]vendorLine, 0, len(lines))
	for l := range maps.Values(lines) {
		list = append(list, *l)
	}
	slices.SortFunc(list, worseVendor)
	return list
}

func (c *Console) vendors(w http.ResponseWriter, r *http.Request, u person) error {
	p := &vendorsPage{Words: clip(strings.TrimSpace(r.URL.Query().Get("q")), 200)}
	apps, err := c.Store.VendorApps(r.Context())
	if err != nil {
		return err
	}
	heads, err := c.Store.NoticeHeads(r.Context(), "")
	if err != nil {
		return err
	}
	list := vendorLines(apps, heads)
	words := strings.Fields(strings.ToLower(p.Words))
	for _, l := range list {
		named := []string{l.Name, l.Key}
		for i := range l.Apps {
			named = append(named, l.Apps[i].Name, l.Apps[i].Key)
		}
		switch {
		case len(words) > 0 && !has(strings.ToLower(strings.Join(named, "\n")), words):
		case len(p.List) < shownVendors:
			p.List = append(p.List, l)
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
	key := r.PathValue("key")
	apps, err := c.Store.AppsOfVendor(r.Context(), key)
	if err != nil {
		return err
	}
	heads, err := c.Store.NoticeHeads(r.Context(), key)
	if err != nil {
		return err
	}
	list := vendorLines(apps, heads)
	if len(list) == 0 {
		return store.ErrNotFound
	}
	p := &vendorPage{vendorLine: list[0]}
	if p.Told, err = c.noticeStates(r, store.NoticeFilter{Vendors: []string{key}}); err != nil {
		return err
	}
	slices.SortStableFunc(p.Apps, func(a, b store.VendorApp) int {
		return cmp.Or(worse(a.Open, b.Open), cmp.Compare(a.Key, b.Key))
	})
	var keys []string
	for _, a := range p.Apps {
		if len(a.Open) > 0 {
			keys = append(keys, a.Key)
		}
	}
	if len(keys) > 0 {
		listed, err := c.Store.Browse(r.Context(), store.Page{Lean: true, Filter: store.Filter{Apps: keys, Statuses: audit.OpenStatuses(), Limit: shownOfVendor}})
		if err != nil {
			return err
		}
		p.Findings = listed.Findings
	}
	c.render(w, r, u, http.StatusOK, "vendor", p)
	return nil
}
