package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// runsPage is the list of runs.
type runsPage struct {
	frame
	List []runRow
	pager
}

// A runRow is a run in the list.
type runRow struct {
	audit.Run
	Began, Note string
	Took        string
	Lines, Bad  int64
}

func runRowOf(r audit.Run) runRow {
	row := runRow{Run: r, Began: r.Began(), Note: r.Note()}
	if r.Status != audit.Running {
		row.Took = time.Duration(r.FinishedAt - r.StartedAt).Round(100 * time.Millisecond).String()
	}
	for _, s := range r.Summary.Sources {
		row.Lines += s.Lines
		row.Bad += s.Quarantined
	}
	return row
}

// seqOf reads the number before which a page begins; 0: none.
func seqOf(r *http.Request) (int64, error) {
	before := r.URL.Query().Get("before")
	if before == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(before, 10, 64)
	if err != nil || n < 1 {
		return 0, wrong("No page begins there.")
	}
	return n, nil
}

func (c *Console) runs(w http.ResponseWriter, r *http.Request, u person) error {
	before, err := seqOf(r)
	if err != nil {
		return err
	}
	list, err := c.Store.RunsBefore(r.Context(), before, pageLength+1)
	if err != nil {
		return err
	}
	p := &runsPage{}
	if before > 0 {
		p.First = "/runs"
	}
	if len(list) > pageLength {
		list = list[:pageLength]
		p.Next = "/runs?before=" + strconv.FormatInt(list[pageLength-1].Seq, 10)
	}
	for _, run := range list {
		p.List = append(p.List, runRowOf(run))
	}
	c.render(w, r, u, http.StatusOK, "runs", p)
	return nil
}

// runPage is one run.
type runPage struct {
	frame
	runRow
	Blind, Idle int // sources and checks that it could not look at
	Purged      string
}

func (c *Console) run(w http.ResponseWriter, r *http.Request, u person) error {
	run, err := c.Store.Run(r.Context(), strings.ToUpper(r.PathValue("id")))
	if err != nil {
		return err
	}
	p := &runPage{runRow: runRowOf(*run)}
	for _, s := range run.Summary.Sources {
		if !s.Looked {
			p.Blind++
		}
	}
	p.Idle = len(run.Summary.Idle())
	if run.Summary.Purged != nil {
		p.Purged = run.Summary.Purged.String()
	}
	c.render(w, r, u, http.StatusOK, "run", p)
	return nil
}
