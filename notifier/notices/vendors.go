package notices

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Vendor is a vendor, its apps, and how it stands.
type Vendor struct {
	Key, Name string
	Apps      []store.VendorApp // by key
	Open      map[audit.Severity]int
	Notices   int           // that go on
	Waits     int           // of these, for a person
	Due       audit.Instant // the earliest deadline that runs; Never: there is none
}

// Of is how many open findings of a severity it has.
func (v Vendor) Of(s audit.Severity) int { return v.Open[s] }

// Total is how many open findings it has.
func (v Vendor) Total() (n int) {
	for _, x := range v.Open {
		n += x
	}
	return n
}

// Worse orders by what is open.
func Worse(a, b map[audit.Severity]int) int {
	for _, s := range audit.Severities() {
		if c := cmp.Compare(b[s], a[s]); c != 0 {
			return c
		}
	}
	return 0
}

// worseVendor orders vendors by what is open about them.
func worseVendor(a, b Vendor) int {
	return cmp.Or(Worse(a.Open, b.Open), cmp.Compare(b.Notices, a.Notices), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Key, b.Key))
}

// Vendors gives all vendors, the worst first; where a key is given, this one only.
func (d *Desk) Vendors(ctx context.Context, key string) ([]Vendor, error) {
	var apps []store.VendorApp
	var err error
	if key == "" {
		apps, err = d.Store.VendorApps(ctx)
	} else {
		apps, err = d.Store.AppsOfVendor(ctx, key)
	}
	if err != nil {
		return nil, err
	}
	told, err := d.Store.NoticeHeads(ctx, key)
	if err != nil {
		return nil, err
	}
	vendors := map[string]*Vendor{}
	vendor := func(key, name string) *Vendor {
		v := vendors[key]
		if v == nil {
			v = &Vendor{Key: key, Name: name, Open: map[audit.Severity]int{}, Due: audit.Never}
			vendors[key] = v
		}
		return v
	}
	for _, a := range apps {
		if a.Key == "" {
			continue // calls by no app
		}
		v := vendor(audit.VendorKey(a.Key, a.Vendor), cmp.Or(a.Vendor.Name, a.Vendor.ID, a.Name, a.Key))
		v.Apps = append(v.Apps, a)
		for s, n := range a.Open {
			v.Open[s] += n
		}
	}
	for i := range told {
		n := &told[i]
		v := vendor(n.Vendor, cmp.Or(n.VendorName, n.Vendor)) // also where no app is its own any more
		if n.GoesOn() {
			v.Notices++
		}
		if n.Waits() {
			v.Waits++
		}
		v.Due = min(v.Due, n.Due)
	}
	list := make([]Vendor, 0, len(vendors))
	for v := range maps.Values(vendors) {
		list = append(list, *v)
	}
	slices.SortFunc(list, worseVendor)
	return list, nil
}
