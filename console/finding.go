package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/internal/web"
)

// visit is for how long somebody looks at a finding: what comes within it belongs to one visit.
const visit = 30 * time.Minute

// patience is how long a page waits to note that somebody looks: a night that publishes may be in the way, and the page is not worth less for it.
const patience = 30 * time.Millisecond

const (
	shownEvidence = 200 // rows that the page shows
	shownSteps    = 200 // entries of the timeline
)

// findingPage is one finding.
type findingPage struct {
	frame
	*audit.Finding
	Check    audit.Check
	Clause   string // in words
	Evidence []evidenceRow
	Hidden   int    // rows of evidence that are not shown
	Timeline []step // the newest first
	Earlier  bool   // there are more entries before
	Comments []store.Entry
	Acts     []audit.Act
	Told     store.Told
	Before   *store.Sight // what whoever looks saw at the visit before; nil: it is the first
	News     news
	Chart    *chart
	Diff     *drift          // what it is about, of a finding of drift; nil: it is about none
	Advices  []string        // what can be recommended
	FourEyes bool            // what is recommended takes a second person to decide
	Others   []audit.Finding // open ones of the same app, the worst first
	More     bool            // there are more of them
	Soonest  string          // day that a suppression may end
	Farthest string
	JSON     string
}

// An evidenceRow is a piece of evidence and the line that it comes from.
type evidenceRow struct {
	audit.Evidence
	Source string
}

// A step is an entry of the timeline.
type step struct {
	store.Entry
	Facts []string // that took something away
	Said  string   // its numbers, in words
	New   bool     // since the visit before
	Role  string   // for its mark: night, person, or away for what was withdrawn
}

// news is what is new since the visit before.
type news struct {
	Occurrences, Accounts, Sites int
	Steps                        int
}

// Any says whether anything is.
func (n news) Any() bool { return n != news{} }

func (c *Console) finding(w http.ResponseWriter, r *http.Request, u person) error {
	f, err := c.Store.Finding(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		files, err := c.Store.EvidencePaths(r.Context(), []audit.Finding{*f})
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, record.FindingOf(f, files))
		return nil
	}
	if f.ID != r.PathValue("id") {
		http.Redirect(w, r, "/findings/"+f.ID, http.StatusSeeOther)
		return nil
	}
	p, err := c.look(r, u, f)
	if err != nil {
		return err
	}
	c.render(w, r, u, http.StatusOK, "finding", p)
	return nil
}

// look is all that is known around a finding.
func (c *Console) look(r *http.Request, u person, f *audit.Finding) (*findingPage, error) {
	ctx := r.Context()
	p := &findingPage{Finding: f, Clause: c.Clause(f.Clause), Advices: audit.RecommendedActs(), JSON: "/findings/" + f.ID + "?format=json"}
	p.Check, _ = c.Check(f.Check)
	shown := *f
	shown.Evidence = f.Evidence[:min(len(f.Evidence), shownEvidence)]
	p.Hidden = len(f.Evidence) - len(shown.Evidence)
	files, err := c.Store.EvidencePaths(r.Context(), []audit.Finding{shown})
	if err != nil {
		return nil, err
	}
	for _, e := range shown.Evidence {
		p.Evidence = append(p.Evidence, evidenceRow{e, record.Place(e.Source, files)})
	}
	trail, err := c.Store.Trail(ctx, store.TrailFilter{Finding: f.ID, Newest: true, Limit: shownSteps + 1})
	if err != nil {
		return nil, err
	}
	if p.Earlier = len(trail) > shownSteps; p.Earlier {
		trail = trail[:shownSteps]
	}
	if p.Comments, err = c.Store.Trail(ctx, store.TrailFilter{Finding: f.ID, What: "commented"}); err != nil {
		return nil, err
	}
	if p.Acts, err = c.Store.Acts(ctx, f.ID); err != nil {
		return nil, err
	}
	if p.Told, err = c.Store.Told(ctx, f); err != nil {
		return nil, err
	}
	days, err := c.Store.DayCounts(ctx, f)
	if err != nil {
		return nil, err
	}
	p.Chart = daysChart(days, f)
	if p.Diff, err = c.driftAbout(ctx, f); err != nil {
		return nil, err
	}
	if err := c.others(ctx, p); err != nil {
		return nil, err
	}
	now := audit.At(c.Clock())
	sight := store.Sight{At: now, Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites}
	if len(trail) > 0 {
		sight.Seq = trail[0].Seq
	}
	noting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.Before, err = c.Store.Look(noting, f.App, f.ID, u.Who, sight, visit); err != nil {
		if noting.Err() == nil || ctx.Err() != nil {
			return nil, err
		}
		c.Log.DebugContext(ctx, "that somebody looked at a finding was not noted", "error", err)
	}
	for _, e := range trail {
		if e.What == "commented" {
			continue
		}
		s := stepOf(e)
		if p.Before != nil && e.Seq > p.Before.Seq && e.Who != u.Who {
			s.New = true
			p.News.Steps++
		}
		p.Timeline = append(p.Timeline, s)
	}
	if b := p.Before; b != nil {
		p.News.Occurrences, p.News.Accounts, p.News.Sites = f.Occurrences-b.Occurrences, f.Accounts-b.Accounts, f.Sites-b.Sites
	}
	if rec := f.Recommendation; rec != nil {
		p.FourEyes = slices.Contains(c.Policy.FourEyes, rec.Act)
	}
	day := c.Clock().UTC()
	p.Soonest, p.Farthest = day.AddDate(0, 0, 1).Format(time.DateOnly), day.Add(c.Policy.SuppressMax).Format(time.DateOnly)
	return p, nil
}

// shownOthers is how many other findings of its app a finding's page names.
const shownOthers = 5

// others fills in what else is open about a finding's app.
func (c *Console) others(ctx context.Context, p *findingPage) error {
	if p.App == "" {
		return nil
	}
	listed, err := c.Store.Browse(ctx, store.Page{Filter: store.Filter{Lean: true, Apps: []string{p.App}, Statuses: audit.OpenStatuses(), Limit: shownOthers + 1}})
	if err != nil {
		return err
	}
	p.Others = slices.DeleteFunc(listed.Findings, func(f audit.Finding) bool { return f.ID == p.ID })
	p.More = listed.More || len(p.Others) > shownOthers
	p.Others = p.Others[:min(len(p.Others), shownOthers)]
	return nil
}

func stepOf(e store.Entry) step {
	s := step{Entry: e, Role: "person"}
	if e.Who == audit.ByNight {
		s.Role = "night"
	}
	if e.What == "withdrawn" || e.What == "shrank" {
		s.Role = "away"
	}
	if list, ok := e.Details["facts"].([]any); ok {
		for _, x := range list {
			if text, ok := x.(string); ok {
				s.Facts = append(s.Facts, text)
			}
		}
	}
	var said []string
	for _, d := range []struct{ key, before, after string }{
		{"added", "", " new"}, {"taken_away", "", " taken away"}, {"to", "now ", ""}, {"assignee", "to ", ""}, {"until", "until ", ""}, {"site", "on site ", ""},
		{"subject", "", ""}, {"act", "", ""}, {"notice", "notice ", ""}, {"due", "due ", ""},
	} {
		switch v := e.Details[d.key].(type) {
		case string:
			if v != "" {
				if d.key == "assignee" {
					v = nameOf(v)
				} else if t, err := time.Parse(time.RFC3339Nano, v); err == nil { // until when, by the minute
					v = t.UTC().Format("2006-01-02 15:04 UTC")
				}
				said = append(said, d.before+v+d.after)
			}
		case float64:
			if v != 0 {
				said = append(said, d.before+number(int64(v))+d.after)
			}
		}
	}
	s.Said = strings.Join(said, ", ")
	if len(s.Facts) > 0 { // they are listed
		s.Why = ""
	}
	return s
}

// Could says whether a person could do something to the finding as it is. Whether the deed itself agrees, it says when it is done.
func (p *findingPage) Could(kind audit.DeedKind) bool {
	status, open := p.Status, audit.IsOpen(p.Status)
	switch kind {
	case audit.DoAcknowledge:
		return status == audit.Open
	case audit.DoAssign:
		return open
	case audit.DoRemediate:
		return open && status != audit.InRemediation
	case audit.DoResolve:
		return status != audit.Resolved
	case audit.DoReopen:
		return !open && p.Occurrences > 0
	case audit.DoSuppress:
		return open || status == audit.Suppressed
	case audit.DoDismiss:
		return status != audit.FalsePositive && status != audit.Resolved
	case audit.DoAccept:
		return p.Finding.Check == audit.AcceptableCheck && status != audit.Resolved
	case audit.DoRecommend:
		return status != audit.FalsePositive
	case audit.DoDecide:
		return status != audit.FalsePositive && p.Recommendation != nil && p.Recommendation.DecidedBy == ""
	}
	return true
}

// Runs says whether a suppression goes on.
func (p *findingPage) Runs(a audit.Act) bool { return a.Ended == audit.Never }

// actOnFinding does a deed to one finding.
func (c *Console) actOnFinding(w http.ResponseWriter, r *http.Request, u person) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	f, err := c.Store.Finding(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	said, err := c.do(r, u, []string{f.ID})
	if err != nil {
		return err
	}
	c.setFlash(w, said)
	http.Redirect(w, r, "/findings/"+f.ID, http.StatusSeeOther)
	return nil
}

// accounts is the export: all account ids of a finding.
func (c *Console) accounts(w http.ResponseWriter, r *http.Request, _ person) error {
	f, err := c.Store.Finding(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	set, err := c.Store.Accounts(r.Context(), f.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+f.ID+`-accounts.csv"`)
	return c.Export(web.Stream(w), f, set)
}
