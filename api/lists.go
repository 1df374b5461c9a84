package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func (a *API) apps(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 200, 1000)
	if err != nil {
		return nil, err
	}
	sort, err := among("sort", r.URL.Query()["sort"], []string{"key", "risk"})
	if err != nil {
		return nil, err
	}
	asOf, err := a.asOf(r.Context())
	if err != nil {
		return nil, err
	}
	var after *string
	if p.cursor != "" {
		key, ok := strings.CutPrefix(p.cursor, ".") // the key of calls by no app is empty, and no cursor is
		if !ok {
			return nil, errCursor
		}
		after = &key
	}
	var list []store.AppSummary
	if slices.Contains(sort, "risk") {
		list, err = a.Store.RiskiestAfter(r.Context(), asOf, after, p.limit+1)
	} else {
		list, err = a.Store.AppsAfter(r.Context(), after, p.limit+1)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errCursor
	case err != nil:
		return nil, err
	case len(list) > p.limit:
		list = list[:p.limit]
		next(w, r, "cursor", "."+list[p.limit-1].Key)
	}
	return records(list, func(x *store.AppSummary) record.AppSummary { return record.AppSummaryOf(x, asOf) }), nil
}

func (a *API) app(_ http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	return a.appOf(r.Context(), r.PathValue("key"))
}

// appByKey is for keys that clients and proxies would fold in a path, as "..".
func (a *API) appByKey(_ http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	q := r.URL.Query()
	if !q.Has("key") {
		return nil, wrong("key: give the key of an app.")
	}
	return a.appOf(r.Context(), q.Get("key"))
}

func (a *API) appOf(ctx context.Context, key string) (any, error) {
	facts, err := a.Store.App(ctx, key)
	if err != nil {
		return nil, err
	}
	asOf, err := a.asOf(ctx)
	if err != nil {
		return nil, err
	}
	found, err := a.Store.Findings(ctx, store.Filter{Apps: []string{key}, Statuses: audit.UnresolvedStatuses()})
	if err != nil {
		return nil, err
	}
	files, err := a.Store.EvidencePaths(ctx, found)
	return record.AppOf(facts, a.Policy, asOf, found, files), err
}

func (a *API) vendors(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 200, 1000)
	if err != nil {
		return nil, err
	}
	list, err := a.Desk.Vendors(r.Context(), "")
	if err != nil {
		return nil, err
	}
	if list, err = cut(w, r, p, list, func(v *notices.Vendor) string { return v.Key }); err != nil {
		return nil, err
	}
	return records(list, record.VendorOf), nil
}

func (a *API) runs(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 50, 200)
	if err != nil {
		return nil, err
	}
	before, err := p.number()
	if err != nil {
		return nil, err
	}
	list, err := a.Store.RunsBefore(r.Context(), before, p.limit+1)
	if err != nil {
		return nil, err
	}
	if len(list) > p.limit {
		list = list[:p.limit]
		next(w, r, "cursor", decimal(list[p.limit-1].Seq))
	}
	return records(list, record.RunOf), nil
}

func (a *API) run(_ http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	run, err := a.Store.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return record.RunOf(run), nil
}

// coverage reads all runs: through which day something was looked at may have been said long ago.
func (a *API) coverage(_ http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 30, 400)
	if err != nil {
		return nil, err
	}
	runs, err := a.Store.Finished(r.Context(), math.MaxInt32)
	if err != nil {
		return nil, err
	}
	nights := record.CoverageOf(runs)
	return append([]record.Coverage{}, slices.Concat(nights[:min(len(nights), p.limit)]...)...), nil
}

func (a *API) quarantine(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 50, 200)
	if err != nil {
		return nil, err
	}
	offset, err := p.number()
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	list, err := a.Store.QuarantineOf(r.Context(), store.QuarantineFilter{Kind: audit.Kind(q.Get("kind")), Path: q.Get("file"), Offset: int(offset), Limit: p.limit + 1})
	if err != nil {
		return nil, err
	}
	return records(further(w, r, p, offset, list), record.QuarantinedOf), nil
}

// trail gives the newest entries first; those after an entry, for who follows the trail, the oldest first.
func (a *API) trail(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 50, 1000)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	f := store.TrailFilter{Who: q.Get("who"), What: q.Get("what"), Finding: strings.ToUpper(q.Get("finding")), Limit: p.limit + 1}
	if q.Has("after") {
		if f.After, err = strconv.ParseInt(q.Get("after"), 10, 64); err != nil || f.After < 0 || p.cursor != "" {
			return nil, wrong("after: give the number of an entry, 0 or more, and no cursor.")
		}
	} else if f.Before, err = p.number(); err != nil {
		return nil, err
	} else {
		f.Newest = true
	}
	list, err := a.Store.Trail(r.Context(), f)
	if err != nil {
		return nil, err
	}
	if len(list) > p.limit {
		list = list[:p.limit]
		name := "cursor"
		if !f.Newest {
			name = "after"
		}
		next(w, r, name, decimal(list[p.limit-1].Seq))
	}
	return records(list, record.TrailEntryOf), nil
}
