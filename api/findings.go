package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
)

// among reads the values of a parameter that are to be some of those that there are.
func among[S ~string](name string, values []string, all []S) ([]S, error) {
	var list []S
	for _, v := range values {
		if !slices.Contains(all, S(v)) {
			return nil, wrong("%s: %q is none of those that there are.", name, v)
		}
		list = append(list, S(v))
	}
	return list, nil
}

// asked is the page of findings that a request asks for.
func (a *API) asked(r *http.Request) (p store.Page, err error) {
	q := r.URL.Query()
	cut, err := pageOf(r, 50, 200)
	if err != nil {
		return p, err
	}
	p = store.Page{Words: strings.TrimSpace(q.Get("q")), After: cut.cursor, Uncounted: true}
	p.Limit, p.Apps, p.Vendors, p.Statuses = cut.limit, q["app"], q["vendor"], audit.UnresolvedStatuses()
	if utf8.RuneCountInString(p.Words) > 200 {
		return p, wrong("q: it is longer than anything that is found by its words.")
	}
	switch statuses := q["status"]; {
	case len(statuses) == 1 && statuses[0] == "all":
		p.Statuses = nil
	case len(statuses) > 0:
		if p.Statuses, err = among("status", statuses, audit.Statuses()); err != nil {
			return p, err
		}
	}
	if p.Severities, err = among("severity", q["severity"], audit.Severities()); err != nil {
		return p, err
	}
	ids := make([]string, len(a.Checks))
	for i, parts := range a.Checks {
		ids[i] = parts[0].ID
	}
	if p.Checks, err = among("check", q["check"], ids); err != nil {
		return p, err
	}
	for _, id := range q["run"] {
		p.Runs = append(p.Runs, strings.ToUpper(id))
	}
	if q.Has("assignee") {
		if p.Assignees = []string{q.Get("assignee")}; p.Assignees[0] == "none" {
			p.Assignees[0] = ""
		}
	}
	if q.Has("sort") {
		order, err := among("sort", q["sort"], store.Orders())
		if err != nil {
			return p, err
		}
		p.Order = order[0]
	}
	return p, nil
}

func (a *API) findings(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	if p.After != "" { // the store begins anew where it is gone, and who follows the pages would never end
		if f, err := a.Store.Finding(r.Context(), p.After); errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrAmbiguous) || err == nil && f.ID != p.After {
			return nil, errCursor
		} else if err != nil {
			return nil, err
		}
	}
	listed, err := a.Store.Browse(r.Context(), p)
	if err != nil {
		return nil, err
	}
	files, err := a.Store.EvidencePaths(r.Context(), listed.Findings)
	if err != nil {
		return nil, err
	}
	if listed.More {
		next(w, r, "cursor", listed.Findings[len(listed.Findings)-1].ID)
	}
	return records(listed.Findings, func(f *audit.Finding) record.Finding { return record.FindingOf(f, files) }), nil
}

// look gives a finding and all that is known around it, and the tag of that.
func (a *API) look(r *http.Request, id string) (record.FindingDetail, string, error) {
	x, err := record.Look(r.Context(), a.Store, id)
	if err == nil && x.ID != id { // ids are not cut short here: a program need not, and would act on another one day
		err = store.ErrNotFound
	}
	if err != nil {
		return record.FindingDetail{}, "", err
	}
	found := x.Record()
	var b bytes.Buffer
	if err := record.Write(&b, found, ""); err != nil {
		return found, "", err
	}
	sum := sha256.Sum256(b.Bytes())
	return found, `"` + hex.EncodeToString(sum[:16]) + `"`, nil
}

// finding answers with a finding, and its tag in the header.
func (a *API) finding(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	found, tag, err := a.look(r, r.PathValue("id"))
	if err == nil {
		w.Header().Set("ETag", tag)
	}
	return found, err
}

// A deed is what a program wants done to a finding.
type deed struct {
	Do       audit.DeedKind `json:"do"`
	Reason   string         `json:"reason"`
	Assignee *string        `json:"assignee"`
	Until    string         `json:"until"`
	Site     string         `json:"site"`
	Act      string         `json:"act"`
}

// of is the deed as whoever has a token does it.
func (x *deed) of(t *store.Token, at audit.Instant) (d audit.Deed, err error) {
	d = audit.Deed{Kind: x.Do, By: t.Who(), At: at, Site: x.Site, Act: x.Act}
	if d.Reason, err = said("reason", x.Reason); err != nil {
		return d, err
	}
	switch {
	case x.Do == audit.DoDecide:
		return d, wrong("A person decides. A program may recommend.")
	case !slices.Contains(audit.DeedKinds(), x.Do):
		return d, wrong("do: %q is nothing that is done to a finding.", x.Do)
	}
	for _, field := range []struct {
		name   string
		given  bool
		takes  []audit.DeedKind
		needed []audit.DeedKind
	}{
		{"reason", d.Reason != "", audit.DeedKinds(), []audit.DeedKind{audit.DoComment, audit.DoSuppress, audit.DoDismiss}},
		{"assignee", x.Assignee != nil, []audit.DeedKind{audit.DoAssign}, []audit.DeedKind{audit.DoAssign}},
		{"until", x.Until != "", []audit.DeedKind{audit.DoSuppress}, []audit.DeedKind{audit.DoSuppress}},
		{"site", x.Site != "", []audit.DeedKind{audit.DoSuppress, audit.DoReopen}, nil},
		{"act", x.Act != "", []audit.DeedKind{audit.DoRecommend}, []audit.DeedKind{audit.DoRecommend}},
	} {
		switch {
		case field.given && !slices.Contains(field.takes, x.Do):
			return d, wrong("%s takes no %s.", x.Do, field.name)
		case !field.given && slices.Contains(field.needed, x.Do):
			return d, wrong("%s needs %s.", x.Do, field.name)
		}
	}
	if x.Act != "" && !slices.Contains(audit.RecommendedActs(), x.Act) {
		return d, wrong("act: %q is none of %s.", x.Act, strings.Join(audit.RecommendedActs(), ", "))
	}
	if x.Assignee != nil {
		d.Assignee = address.Redact(strings.TrimSpace(*x.Assignee))
		if utf8.RuneCountInString(d.Assignee) > 200 {
			return d, wrong("assignee: it is no name that long.")
		}
	}
	if x.Until != "" {
		var ok bool
		if d.Until, ok = audit.ParseEnd(x.Until); !ok {
			return d, wrong("until: %q is no time as in 2027-01-31T00:00:00Z and no day as in 2027-01-31.", x.Until)
		}
	}
	return d, nil
}

// act does a deed to a finding: with If-Match only to the finding that was seen.
func (a *API) act(w http.ResponseWriter, r *http.Request, t *store.Token) (any, error) {
	var x deed
	if err := read(w, r, &x); err != nil {
		return nil, err
	}
	d, err := x.of(t, audit.At(a.Clock()))
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if _, _, err := a.look(r, id); err != nil {
		return nil, err
	}
	if seen := r.Header.Values("If-Match"); len(seen) > 0 {
		d.If = func() error {
			_, tag, err := a.look(r, id)
			if err == nil && !matches(seen, tag) {
				return &problem{http.StatusPreconditionFailed, "The finding is no longer the one that was seen: look at it again."}
			}
			return err
		}
	}
	// One deed is done after the other: with If-Match it asks the store from within its transaction, and a connection has to be left for that.
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
		err = a.Deeds.Do(r.Context(), d, id)
	case <-r.Context().Done():
		err = r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return a.finding(w, r, t)
}

// matches says whether one of the tags of If-Match is tag.
func matches(headers []string, tag string) bool {
	for _, seen := range strings.Split(strings.Join(headers, ","), ",") {
		if seen = strings.TrimSpace(seen); seen == tag || seen == "*" {
			return true
		}
	}
	return false
}

func (a *API) suppressions(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 50, 200)
	if err != nil {
		return nil, err
	}
	offset, err := p.number()
	if err != nil {
		return nil, err
	}
	now := audit.At(a.Clock())
	quiet := audit.Instant(0)
	switch q := r.URL.Query(); q.Get("quiet") {
	case "true":
		quiet = now.Add(-store.QuietFor)
	case "false":
	default:
		if q.Has("quiet") {
			return nil, wrong("quiet: give true or false.")
		}
	}
	list, err := a.Store.Suppressions(r.Context(), now, quiet, int(offset), p.limit+1)
	if err != nil {
		return nil, err
	}
	return records(further(w, r, p, offset, list), record.SuppressionOf), nil
}

// further cuts a list that was read from an offset on, with one line more than the page holds where there is one.
func further[T any](w http.ResponseWriter, r *http.Request, p page, offset int64, list []T) []T {
	if len(list) <= p.limit {
		return list
	}
	next(w, r, "cursor", decimal(offset+int64(p.limit)))
	return list[:p.limit]
}

func (a *API) checks(http.ResponseWriter, *http.Request, *store.Token) (any, error) {
	return records(a.Checks, func(parts *[]audit.Check) record.Check { return record.CheckOf(*parts) }), nil
}
