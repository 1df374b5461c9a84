package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// shownOfEach is how many findings of a kind the first page names.
const shownOfEach = 8

// shownApps is how many apps it names.
const shownApps = 12

// tonightPage is the last night.
type tonightPage struct {
	frame
	Run    *audit.Run // the last that finished; nil: none ever did
	Failed *audit.Run // a later one that failed or still runs; nil: none
	Took   string
	Lines  int64
	Bad    int64
	Blind  []audit.SourceResult // that could not be looked at
	Mend   []audit.SourceResult // that were, but have something to mend
	Idle   []audit.CheckResult  // that did not look
	Kinds  []changed
	Chart  *chart
	Risky  []store.RiskyApp
	Ready  []string // what is wrong with the system
	Drafts int      // notices to vendors that wait for approval
}

// A changed is what happened to findings that night.
type changed struct {
	What string
	N    int
	List []audit.Finding
	URL  string // of all of them; empty: there is no such list
}

func (c *Console) tonight(w http.ResponseWriter, r *http.Request, u person) error {
	ctx := r.Context()
	p := &tonightPage{Ready: c.Ready(ctx)}
	runs, err := c.Store.Finished(ctx, chartDays+1)
	if err != nil {
		return err
	}
	if p.Drafts, err = c.Store.CountNotices(ctx, audit.NoticeDrafted); err != nil {
		return err
	}
	newest, err := c.Store.Runs(ctx, 1)
	if err != nil {
		return err
	}
	if len(newest) > 0 && newest[0].Status != audit.Finished {
		p.Failed = &newest[0]
	}
	if len(runs) > 0 {
		p.Run = &runs[0]
		if err := c.night(r, p, runs); err != nil {
			return err
		}
	}
	if p.Risky, err = c.Store.RiskyApps(ctx, shownApps); err != nil {
		return err
	}
	c.render(w, r, u, http.StatusOK, "tonight", p)
	return nil
}

// night fills in what is known of the last night.
func (c *Console) night(r *http.Request, p *tonightPage, runs []audit.Run) error {
	run := p.Run
	p.Took = time.Duration(run.FinishedAt - run.StartedAt).Round(100 * time.Millisecond).String()
	for _, s := range run.Summary.Sources {
		p.Lines += s.Lines
		p.Bad += s.Quarantined
		switch {
		case !s.Looked:
			p.Blind = append(p.Blind, s)
		case s.Trouble != "":
			p.Mend = append(p.Mend, s)
		}
	}
	p.Idle = run.Summary.Idle()
	filter := store.TrailFilter{Who: audit.ByNight, Limit: 2000}
	if len(runs) > 1 && runs[1].Summary.Trail != nil {
		filter.After = runs[1].Summary.Trail.Seq
	}
	entries, err := c.Store.Trail(r.Context(), filter)
	if err != nil {
		return err
	}
	n := run.Summary.Findings
	list := "/findings?sort=last-seen&status=all&run=" + run.ID
	kinds := []changed{{What: "new", N: n.New, URL: list}, {What: "reopened", N: n.Reopened, URL: list}, {What: "worsened", N: n.Worsened, URL: list}, {What: "resolved", N: n.Resolved, URL: "/findings?status=resolved&run=" + run.ID},
		{What: "withdrawn", N: n.Withdrawn, URL: "/findings?status=resolved&run=" + run.ID}}
	for i := range kinds {
		k := &kinds[i]
		what := k.What
		if what == "new" {
			what = "filed"
		}
		var ids []string
		seen := map[string]bool{}
		for _, e := range entries {
			if e.What == what && e.Finding != "" && (run.Summary.Trail == nil || e.Seq <= run.Summary.Trail.Seq) && !seen[e.Finding] {
				seen[e.Finding] = true
				ids = append(ids, e.Finding)
			}
		}
		if len(ids) == 0 {
			continue
		}
		if len(ids) > 400 { // the worst of a flood are found by its list
			ids = ids[:400]
		}
		listed, err := c.Store.Browse(r.Context(), store.Page{Filter: store.Filter{Lean: true, IDs: ids, Limit: shownOfEach}})
		if err != nil {
			return err
		}
		k.List = listed.Findings
	}
	p.Kinds = kinds
	p.Chart = nightsChart(runs)
	return nil
}

// nightsChart is the last nights, the oldest first: what was new and what came back.
func nightsChart(runs []audit.Run) *chart {
	c := &chart{Title: "New, reopened and worsened findings of the last nights"}
	for _, run := range slices.Backward(runs[:min(len(runs), chartDays)]) {
		n := run.Summary.Findings
		name := run.AsOf.Time().Format(time.DateOnly)
		said := []string{name + ":", count(n.New, "new", "new") + ",", count(n.Reopened, "reopened", "reopened") + ",", count(n.Worsened, "worsened", "worsened") + ",", count(n.Open, "open", "open")}
		if slices.ContainsFunc(run.Summary.Sources, func(s audit.SourceResult) bool { return !s.Looked }) {
			said = append(said, "(could not look at everything)")
		}
		c.Bars = append(c.Bars, bar{Name: name, Said: strings.Join(said, " "), Parts: []part{{Kind: "bar-new", N: n.New}, {Kind: "bar-reopened", N: n.Reopened}, {Kind: "bar-worsened", N: n.Worsened}}})
	}
	c.draw()
	return c
}
