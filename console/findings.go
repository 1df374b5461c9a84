package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
)

// pageLength is how many findings a page shows.
const pageLength = 50

// A listFilter is the list's address: what it shows, as one reads and writes it in the URL.
type listFilter struct {
	Words      string // q
	Status     string // empty: what somebody has to deal with; a status; all
	Severities []string
	Check      string
	App        string
	Vendor     string
	Assignee   string // me, none, or who
	Run        string
	Order      string
	After      string
}

// filterOf reads a list's address.
func filterOf(v url.Values) (f listFilter, err error) {
	f = listFilter{Words: clip(strings.TrimSpace(v.Get("q")), 200), Status: v.Get("status"), Severities: v["severity"], Check: v.Get("check"), App: strings.TrimSpace(v.Get("app")),
		Vendor: strings.TrimSpace(v.Get("vendor")), Assignee: strings.TrimSpace(v.Get("assignee")), Run: strings.ToUpper(strings.TrimSpace(v.Get("run"))), Order: v.Get("sort"), After: v.Get("after")}
	f.Severities = slices.DeleteFunc(slices.Clone(f.Severities), func(s string) bool { return s == "" })
	if f.Status != "" && f.Status != "all" && !slices.Contains(audit.Statuses(), audit.Status(f.Status)) {
		return f, wrong("There is no status " + f.Status + ".")
	}
	for _, s := range f.Severities {
		if !slices.Contains(audit.Severities(), audit.Severity(s)) {
			return f, wrong("There is no severity " + s + ".")
		}
	}
	if f.Order != "" && !slices.Contains(store.Orders(), store.Order(f.Order)) {
		return f, wrong("Nothing is sorted by " + f.Order + ".")
	}
	return f, nil
}

// values is the list's address.
func (f listFilter) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("q", f.Words)
	set("status", f.Status)
	for _, s := range f.Severities {
		v.Add("severity", s)
	}
	set("check", f.Check)
	set("app", f.App)
	set("vendor", f.Vendor)
	set("assignee", f.Assignee)
	set("run", f.Run)
	set("sort", f.Order)
	set("after", f.After)
	return v
}

// URL is where a list is.
func (f listFilter) URL() string {
	if v := f.values().Encode(); v != "" {
		return "/findings?" + v
	}
	return "/findings"
}

// page is what the store is asked for.
func (f listFilter) page(u person) store.Page {
	p := store.Page{Words: f.Words, Order: store.Order(f.Order), After: f.After}
	p.Limit = pageLength
	switch f.Status {
	case "":
		p.Statuses = audit.OpenStatuses()
	case "all":
	default:
		p.Statuses = []audit.Status{audit.Status(f.Status)}
	}
	for _, s := range f.Severities {
		p.Severities = append(p.Severities, audit.Severity(s))
	}
	add := func(to *[]string, value string) {
		if value != "" {
			*to = append(*to, value)
		}
	}
	add(&p.Checks, f.Check)
	add(&p.Apps, f.App)
	add(&p.Vendors, f.Vendor)
	add(&p.Runs, f.Run)
	switch f.Assignee {
	case "":
	case "me":
		p.Assignees = []string{u.Who}
	case "none":
		p.Assignees = []string{""}
	default:
		p.Assignees = []string{f.Assignee}
	}
	return p
}

// A tab is one status of a list.
type tab struct {
	Name, URL string
	N         int // -1: it was not counted
	Here      bool
}

// tabs are the statuses of a list, with how many findings each has.
func (f listFilter) tabs(counts map[audit.Status]int) []tab {
	here := f.Status
	f.After = ""
	at := func(name, status string, n int) tab {
		g := f
		g.Status = status
		if counts == nil {
			n = -1
		}
		return tab{name, g.URL(), n, here == status}
	}
	all, unsettled := 0, 0
	for s, n := range counts {
		all += n
		if audit.IsOpen(s) {
			unsettled += n
		}
	}
	list := []tab{at("To do", "", unsettled)}
	for _, s := range []audit.Status{audit.Open, audit.Acknowledged, audit.InRemediation, audit.Suppressed, audit.FalsePositive, audit.Resolved} {
		list = append(list, at(strings.ToUpper(s.Name()[:1])+s.Name()[1:], string(s), counts[s]))
	}
	return append(list, at("All", "all", all))
}

// findingsPage is the list of findings.
type findingsPage struct {
	frame
	Filter     listFilter
	Tabs       []tab
	List       []findingRow
	Next       string // page; empty: this is the last
	First      string // page; empty: this is it
	JSON       string
	Clear      string // the list without what narrows it; empty: nothing does
	Severities []audit.Severity
	Orders     []choice
	Checks     []string
	LastRun    string
	Soonest    string // day that a suppression may end
	Farthest   string
}

// A findingRow is a finding in the list.
type findingRow struct {
	audit.Finding
	Spark *spark // its last days; nil: there were none
}

// A choice is one of a menu.
type choice struct{ Value, Name string }

func orders() []choice {
	return []choice{{"", "Worst first"}, {string(store.ByLastSeen), "Last seen"}, {string(store.ByFirstSeen), "First seen"}, {string(store.ByAccounts), "Most accounts"},
		{string(store.ByOccurrences), "Most occurrences"}, {string(store.ByDue), "Due first"}}
}

// Has says whether the list shows a severity alone or among others.
func (f listFilter) Has(s audit.Severity) bool { return slices.Contains(f.Severities, string(s)) }

func (c *Console) findings(w http.ResponseWriter, r *http.Request, u person) error {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	page := f.page(u)
	page.Lean = !wantsJSON(r)
	listed, err := c.Store.Browse(r.Context(), page)
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		files, err := c.Store.EvidencePaths(r.Context(), listed.Findings)
		if err != nil {
			return err
		}
		records := make([]any, len(listed.Findings))
		for i := range listed.Findings {
			records[i] = record.FindingOf(&listed.Findings[i], files)
		}
		if listed.More {
			f.After = listed.Findings[len(listed.Findings)-1].ID
			w.Header().Set("Link", "<"+f.URL()+`&format=json>; rel="next"`)
		}
		writeJSON(w, http.StatusOK, records)
		return nil
	}
	p := &findingsPage{Filter: f, Tabs: f.tabs(listed.Statuses), Severities: audit.Severities(), Orders: orders(), Checks: c.Checks}
	if p.LastRun, _, err = c.asOf(r.Context()); err != nil {
		return err
	}
	now := c.Clock().UTC()
	today := audit.At(now).Day()
	days, err := c.Store.DayCountsOf(r.Context(), listed.Findings, today-chartDays+1)
	if err != nil {
		return err
	}
	for _, f := range listed.Findings {
		p.List = append(p.List, findingRow{f, sparkOf(days[f.ID], today)})
	}
	p.Soonest, p.Farthest = now.AddDate(0, 0, 1).Format(time.DateOnly), now.Add(c.Policy.SuppressMax).Format(time.DateOnly)
	v := f.values()
	v.Set("format", "json")
	p.JSON = "/findings?" + v.Encode()
	first := f
	first.After = ""
	if f.After != "" {
		p.First = first.URL()
	}
	if listed.More {
		next := f
		next.After = listed.Findings[len(listed.Findings)-1].ID
		p.Next = next.URL()
	}
	if narrow := (listFilter{Status: f.Status, Order: f.Order}); narrow.URL() != first.URL() {
		p.Clear = narrow.URL()
	}
	c.render(w, r, u, http.StatusOK, "findings", p)
	return nil
}

// deed is what a form wants done.
func (c *Console) deed(r *http.Request, u person) (audit.Deed, error) {
	d := audit.Deed{Kind: audit.DeedKind(r.PostFormValue("do")), By: u.Who, At: audit.At(c.Clock()), Reason: address.Redact(clip(strings.TrimSpace(r.PostFormValue("reason")), maxReason)),
		Site: strings.TrimSpace(r.PostFormValue("site")), Act: r.PostFormValue("act")}
	if !slices.Contains(audit.DeedKinds(), d.Kind) {
		return d, wrong("Nobody can do that to a finding.")
	}
	if d.Kind != audit.DoSuppress && d.Kind != audit.DoReopen {
		d.Site = ""
	}
	switch d.Kind {
	case audit.DoAssign:
		switch to := strings.TrimSpace(r.PostFormValue("to")); to {
		case "me":
			d.Assignee = u.Who
		case "none":
		default:
			d.Assignee = address.Redact(clip(to, 200))
		}
	case audit.DoSuppress:
		day, err := time.Parse(time.DateOnly, strings.TrimSpace(r.PostFormValue("until")))
		if err != nil {
			return d, &mistake{"To suppress a finding takes a reason, and a day until when, as 2027-01-31."}
		}
		d.Until = audit.At(day)
	case audit.DoRecommend, audit.DoDecide:
		if d.Act != "" && !slices.Contains(audit.RecommendedActs(), d.Act) {
			return d, wrong("Nobody can recommend " + d.Act + ".")
		}
	}
	return d, nil
}

const maxReason = 5000 // bytes, of a reason or a comment

// A mistake is what somebody forgot in a form: the page that they come back to says so.
type mistake struct{ what string }

func (m *mistake) Error() string { return m.what }

// actOnFindings does a deed to all findings that are ticked. Where one refuses, the others are done all the same.
func (c *Console) actOnFindings(w http.ResponseWriter, r *http.Request, u person) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	ids := r.PostForm["id"]
	if len(ids) > 4*pageLength {
		return wrong("That is more than one page shows.")
	}
	back := inside(r.PostFormValue("back"))
	if len(ids) == 0 {
		c.setFlash(w, flash{Refused: []string{"Nothing was ticked, so nothing was done."}})
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	f, err := c.do(r, u, ids)
	if err != nil {
		return err
	}
	c.setFlash(w, f)
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// do does to findings what a form wants, and gives what to say of it, and how to take it back.
func (c *Console) do(r *http.Request, u person, ids []string) (f flash, err error) {
	d, err := c.deed(r, u)
	var m *mistake
	if errors.As(err, &m) {
		return flash{Refused: []string{m.what}}, nil
	}
	if err != nil {
		return f, err
	}
	var before []audit.Finding
	if d.Kind == audit.DoAssign {
		if before, err = c.Store.Findings(r.Context(), store.Filter{IDs: ids}); err != nil {
			return f, err
		}
	}
	var done []string
	for _, id := range ids {
		err := c.Deeds.Do(r.Context(), d, id)
		var refused *audit.RefusedError
		switch {
		case errors.As(err, &refused):
			f.Refused = append(f.Refused, refused.Finding+": "+refused.Why)
		case errors.Is(err, store.ErrNotFound):
			f.Refused = append(f.Refused, clip(id, 40)+": there is no such finding")
		case err != nil:
			return f, err
		default:
			done = append(done, id)
		}
	}
	if len(done) > 0 {
		f.Said = outcome(&d, done)
		f.Undo = takesBack(&d, before, done)
	}
	return f, nil
}

// takesBack is the deeds that take a deed back: what it closed is reopened, and what it assigned is assigned to whom it was before. Other deeds have none: what was
// acknowledged, for one, has been seen.
func takesBack(d *audit.Deed, before []audit.Finding, done []string) (list []undo) {
	switch d.Kind {
	case audit.DoResolve, audit.DoAccept, audit.DoDismiss, audit.DoSuppress:
		if d.Site != "" { // suppressed on one site only, it is taken back for that alone
			return []undo{{Do: string(audit.DoReopen), Site: d.Site, IDs: done, Name: "Undo: end it on this site"}}
		}
		return []undo{{Do: string(audit.DoReopen), IDs: done, Name: "Undo: reopen"}}
	case audit.DoAssign:
		had := map[string][]string{} // findings, by assignee
		for _, f := range before {
			if slices.Contains(done, f.ID) {
				had[f.Assignee] = append(had[f.Assignee], f.ID)
			}
		}
		for _, who := range slices.Sorted(maps.Keys(had)) {
			to, name := who, "Undo: back to "+nameOf(who)
			if who == "" {
				to, name = "none", "Undo: back to nobody"
			}
			list = append(list, undo{Do: string(audit.DoAssign), To: to, IDs: had[who], Name: name})
		}
	}
	return list
}

// outcome says what was done.
func outcome(d *audit.Deed, ids []string) string {
	what := count(len(ids), "finding", "findings")
	if len(ids) == 1 {
		what = ids[0]
	}
	said := map[audit.DeedKind]string{
		audit.DoAcknowledge: "acknowledged", audit.DoComment: "commented on", audit.DoRemediate: "in remediation", audit.DoResolve: "resolved",
		audit.DoReopen: "reopened", audit.DoDismiss: "dismissed as a false positive", audit.DoAccept: "accepted into the approval", audit.DoRecommend: "recommendation: " + d.Act,
		audit.DoDecide: "decided",
	}[d.Kind]
	switch d.Kind {
	case audit.DoReopen:
		if d.Site != "" {
			said = "no longer suppressed on site " + d.Site
		}
	case audit.DoAssign:
		said = "assigned to nobody"
		if d.Assignee != "" {
			said = "assigned to " + nameOf(d.Assignee)
		}
	case audit.DoSuppress:
		said = "suppressed until " + d.Until.Time().Format(time.DateOnly)
		if d.Site != "" {
			said += " on site " + d.Site
		}
	}
	return what + ": " + said + "."
}
