package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// asOf gives the last run that finished, and what it was as of; where none ever did, now.
func (c *Console) asOf(ctx context.Context) (run string, asOf audit.Instant, err error) {
	runs, err := c.Store.Finished(ctx, 1)
	if err != nil || len(runs) == 0 {
		return "", audit.At(c.Clock()), err
	}
	return runs[0].ID, runs[0].AsOf, nil
}

// appsPage is the list of apps.
type appsPage struct {
	frame
	Words      string
	N          int // of all that the words fit
	List       []appRow
	Severities []audit.Severity
	pager
}

// An appRow is an app in the list.
type appRow struct {
	store.AppSummary
	Decided audit.Instant
	Days    int // since the approval; -1: none is in force
}

// Of is how many open findings of a severity it has.
func (a appRow) Of(s audit.Severity) int { return a.Open[s] }

// A pager leads to the pages before and after.
type pager struct{ First, Next string }

// pages gives the pager of a list: path and what narrows it, the place of its first line, and whether there is more after n.
func pages(path string, narrow url.Values, offset, n int, more bool) (p pager) {
	at := func(offset int) string {
		v := url.Values{}
		for name, values := range narrow {
			if values[0] != "" {
				v.Set(name, values[0])
			}
		}
		if offset > 0 {
			v.Set("from", strconv.Itoa(offset))
		}
		if len(v) == 0 {
			return path
		}
		return path + "?" + v.Encode()
	}
	if offset > 0 {
		p.First = at(0)
	}
	if more {
		p.Next = at(offset + n)
	}
	return p
}

// offsetOf reads the place of a page's first line in the list.
func offsetOf(r *http.Request) (int, error) {
	from := r.URL.Query().Get("from")
	if from == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(from)
	if err != nil || n < 0 || n > 1<<30 {
		return 0, wrong("No page begins there.")
	}
	return n, nil
}

func (c *Console) apps(w http.ResponseWriter, r *http.Request, u person) error {
	if r.URL.Query().Has("key") {
		return c.app(w, r, u)
	}
	offset, err := offsetOf(r)
	if err != nil {
		return err
	}
	_, asOf, err := c.asOf(r.Context())
	if err != nil {
		return err
	}
	p := &appsPage{Words: clip(strings.TrimSpace(r.URL.Query().Get("q")), 200), Severities: audit.Severities()}
	words := strings.Fields(strings.ToLower(p.Words))
	fits := func(a *store.AppSummary) bool {
		return len(words) == 0 || has(strings.ToLower(a.Key+" "+a.Name+" "+a.Vendor), words)
	}
	list, n, err := c.Store.AppsByRisk(r.Context(), asOf, fits, offset, pageLength)
	if err != nil {
		return err
	}
	p.N = n
	for i := range list {
		row := appRow{AppSummary: list[i], Days: -1}
		if decided, days := list[i].Approved(asOf); days != nil {
			row.Decided, row.Days = decided, *days
		}
		p.List = append(p.List, row)
	}
	p.pager = pages("/apps", url.Values{"q": {p.Words}}, offset, pageLength, offset+len(p.List) < p.N)
	c.render(w, r, u, http.StatusOK, "apps", p)
	return nil
}

// has says whether a text has all words.
func has(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

const (
	historyDays = 90
	appFindings = 50 // that its page names
	appSites    = 100
)

// appPage is one app.
type appPage struct {
	frame
	Key         string
	Entry       *audit.App // of the registry; nil: none
	Listed      bool
	Blind       bool
	Name        string
	First       audit.Instant
	Last        audit.Instant
	Report      audit.Instant
	Sites       []audit.Lifecycle
	Active      int // of all sites
	AllSites    int
	Approvals   []approvalRow
	Spans       *spans
	Checks      []checkRow
	Calls       *chart
	Found       *chart
	Diff        *drift          // nil: there is nothing to hold it against
	Drift       []audit.Finding // open, that can be accepted
	Findings    []audit.Finding
	More        bool
	Run         string
	AsOf        audit.Instant
	FindingsURL string
}

// An approvalRow is a request for approval, and what came of it.
type approvalRow struct {
	audit.Approval
	Ends    audit.Instant
	InForce bool
}

// A checkRow is a check's last result for an app.
type checkRow struct {
	ID, Result, Why string // Result: green, red, blind
	Open, Quiet     int    // Quiet: suppressed or dismissed
}

// Says is the result in words.
func (r checkRow) Says() string {
	return map[string]string{"green": "nothing open", "red": "open findings", "blind": "could not look"}[r.Result]
}

// Apart are the findings of drift that the diff does not show: the registry or the approval has changed since.
func (p *appPage) Apart() []audit.Finding {
	if p.Diff == nil {
		return p.Drift
	}
	shown := map[string]bool{}
	for _, part := range p.Diff.Parts {
		for _, l := range part.Lines {
			shown[l.Finding] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(p.Drift), func(f audit.Finding) bool { return shown[f.ID] })
}

// Stores is what the registry says of whether it stores data.
func (p *appPage) Stores() string {
	switch {
	case p.Entry == nil || p.Entry.Stores == nil:
		return "no statement"
	case *p.Entry.Stores:
		return "yes"
	}
	return "no"
}

func (c *Console) app(w http.ResponseWriter, r *http.Request, u person) error {
	ctx, key := r.Context(), keyOf(r)
	facts, err := c.Store.App(ctx, key)
	if err != nil {
		return err
	}
	p := &appPage{Key: key, Blind: facts.Blind, Name: cmp.Or(key, "Calls by no app")}
	p.FindingsURL = "/findings?" + url.Values{"app": {key}}.Encode()
	p.Entry, p.Listed = facts.Entry()
	if p.Entry != nil && p.Entry.Name != "" {
		p.Name = p.Entry.Name
	}
	if p.Run, p.AsOf, err = c.asOf(ctx); err != nil {
		return err
	}
	p.First, p.Last, p.Report = facts.Span()
	p.Sites = facts.Sites(p.AsOf)
	p.AllSites = len(p.Sites)
	for _, s := range p.Sites {
		if s.Event.Active() {
			p.Active++
		}
	}
	p.Sites = p.Sites[:min(len(p.Sites), appSites)]
	for _, a := range facts.Approvals {
		_, to := a.Span()
		if to == audit.Never {
			to = a.Revoked
		}
		p.Approvals = append(p.Approvals, approvalRow{a, to, a.InForce(p.AsOf)})
	}
	p.Spans = spansOf(facts.Approvals, p.AsOf)
	if err := c.appFound(ctx, p); err != nil {
		return err
	}
	p.Diff = c.driftOf(facts, p.AsOf, p.Drift)
	if err := c.appHistory(ctx, p); err != nil {
		return err
	}
	c.render(w, r, u, http.StatusOK, "app", p)
	return nil
}

// appFound fills in what checks say of an app.
func (c *Console) appFound(ctx context.Context, p *appPage) error {
	counts, err := c.Store.CheckCounts(ctx, &p.Key)
	if err != nil {
		return err
	}
	var looked []audit.CheckResult
	if p.Run != "" {
		run, err := c.Store.Run(ctx, p.Run)
		if err != nil {
			return err
		}
		looked = run.Summary.Checks
	}
	for _, id := range c.Checks {
		row := checkRow{ID: id, Result: "blind", Why: "no run has finished"}
		if p.Run != "" {
			row.Why = "the last run did not have it"
		}
		for _, x := range looked {
			if x.ID == id {
				if row.Why = x.Why; x.Looked {
					row.Result = "green"
				}
			}
		}
		for _, n := range counts {
			switch {
			case n.Check != id:
			case audit.IsOpen(n.Status):
				row.Open += n.N
			case n.Status != audit.Resolved:
				row.Quiet += n.N
			}
		}
		if row.Open > 0 {
			row.Result = "red"
		}
		p.Checks = append(p.Checks, row)
	}
	open := audit.OpenStatuses()
	listed, err := c.Store.Browse(ctx, store.Page{Filter: store.Filter{Lean: true, Apps: []string{p.Key}, Statuses: open, Limit: appFindings}})
	if err != nil {
		return err
	}
	p.Findings, p.More = listed.Findings, listed.More
	drift, err := c.Store.Browse(ctx, store.Page{Filter: store.Filter{Lean: true, Apps: []string{p.Key}, Statuses: open, Checks: []string{audit.AcceptableCheck}, Limit: appFindings}})
	p.Drift = drift.Findings
	return err
}

// appHistory draws the last days of an app.
func (c *Console) appHistory(ctx context.Context, p *appPage) error {
	today := p.AsOf.Day()
	from := today - historyDays + 1
	packs, err := c.Store.Packs(ctx, []string{p.Key}, from, today)
	if err != nil {
		return err
	}
	calls := map[audit.Day]int{}
	for _, x := range packs {
		if x.Kind == audit.CallPack {
			calls[x.Day] += x.Records
		}
	}
	days, err := c.Store.AppDays(ctx, p.Key, from)
	if err != nil {
		return err
	}
	found := map[audit.Day]int{}
	for _, d := range days {
		found[d.Day] = d.Occurrences
	}
	p.Calls = historyChart("Calls a day", "call", "calls", "bar-new", calls, from, today)
	p.Found = historyChart("Occurrences of findings a day", "occurrence", "occurrences", "bar-critical", found, from, today)
	return nil
}

// historyChart draws the days of a history; nil where there is nothing to draw.
func historyChart(title, one, many, kind string, n map[audit.Day]int, from, to audit.Day) *chart {
	if len(n) == 0 {
		return nil
	}
	c := &chart{Title: title}
	for day := from; day <= to; day++ {
		name := day.Start().Time().Format(time.DateOnly)
		c.Bars = append(c.Bars, bar{Name: name, Said: name + ": " + count(n[day], one, many), Parts: []part{{Kind: kind, N: n[day]}}})
	}
	c.draw()
	return c
}

// spans is approvals over time, one a line, drawn by the page.
type spans struct {
	Said          string
	Width, Height int
	First, Last   string
	Bars          []span
}

type span struct {
	X, Y, Width, Height int
	Kind, Said          string
}

const (
	spanWidth  = 800
	spanPitch  = 18
	spanHeight = 12
)

// spansOf draws when approvals were in force, up to a moment; nil where none ever was.
func spansOf(list []audit.Approval, now audit.Instant) *spans {
	first := now
	var drawn []*audit.Approval
	for i := range list {
		if from, to := list[i].Span(); from < to && from < now {
			first = min(first, from)
			drawn = append(drawn, &list[i])
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	day := func(t audit.Instant) string { return t.Time().Format(time.DateOnly) }
	s := &spans{Width: spanWidth, Height: len(drawn) * spanPitch, First: day(first), Last: day(now)}
	x := func(t audit.Instant) int { return int(float64(t-first) / float64(max(1, now-first)) * spanWidth) }
	var said []string
	for i, a := range drawn {
		from, to := a.Span()
		b := span{X: x(from), Y: i*spanPitch + (spanPitch-spanHeight)/2, Height: spanHeight, Kind: "span-over", Said: a.RequestID + ": in force from " + day(from)}
		if a.InForce(now) {
			b.Kind = "span-in-force"
		}
		if to < now {
			b.Said += " to " + day(to)
		}
		b.Width = max(2, x(min(to, now))-b.X)
		s.Bars = append(s.Bars, b)
		said = append(said, b.Said)
	}
	s.Said = strings.Join(said, "; ")
	return s
}
