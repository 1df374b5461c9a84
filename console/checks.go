package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// checksPage is what is checked.
type checksPage struct {
	frame
	List []checkCard
}

// A checkCard is a check, and what reviewers made of what it found.
type checkCard struct {
	audit.Check
	Graded, Standing    string
	Open, All           int
	Judged, Dismissed   int // that reviewers acknowledged, have in remediation, suppressed or dismissed; and of these, dismissed
	Precision           int // per cent; of Judged, not dismissed
	BoundaryFree, Bound string
}

func (c *Console) checks(w http.ResponseWriter, r *http.Request, u person) error {
	counts, err := c.Store.CheckCounts(r.Context(), nil)
	if err != nil {
		return err
	}
	p := &checksPage{}
	for _, id := range c.Checks {
		check, ok := c.Check(id)
		if !ok {
			continue
		}
		x := checkCard{Check: check, Graded: check.Graded(), Standing: check.Standing(audit.At(c.Clock()))}
		x.BoundaryFree, x.Bound, _ = strings.Cut(check.Rule, "\n\nBoundaries: ")
		for _, n := range counts {
			if n.Check != id {
				continue
			}
			x.All += n.N
			if audit.IsOpen(n.Status) {
				x.Open += n.N
			}
			switch n.Status {
			case audit.FalsePositive:
				x.Dismissed += n.N
				x.Judged += n.N
			case audit.Acknowledged, audit.InRemediation, audit.Suppressed:
				x.Judged += n.N
			}
		}
		if x.Judged > 0 {
			x.Precision = (x.Judged - x.Dismissed) * 100 / x.Judged
		}
		p.List = append(p.List, x)
	}
	c.render(w, r, u, http.StatusOK, "checks", p)
	return nil
}

// suppressionsPage is what is suppressed or dismissed.
type suppressionsPage struct {
	frame
	Quiet bool // only what matched nothing for store.QuietFor
	List  []suppressionRow
	pager
}

// A suppressionRow is an act that runs.
type suppressionRow struct {
	store.Suppression
	Quiet bool
}

func (c *Console) suppressions(w http.ResponseWriter, r *http.Request, u person) error {
	offset, err := offsetOf(r)
	if err != nil {
		return err
	}
	now := audit.At(c.Clock())
	since := now.Add(-store.QuietFor)
	p := &suppressionsPage{Quiet: r.URL.Query().Get("quiet") == "yes"}
	quiet, narrow := audit.Instant(0), url.Values{}
	if p.Quiet {
		quiet = since
		narrow.Set("quiet", "yes")
	}
	list, err := c.Store.Suppressions(r.Context(), now, quiet, offset, pageLength+1)
	if err != nil {
		return err
	}
	for _, x := range list[:min(len(list), pageLength)] {
		p.List = append(p.List, suppressionRow{x, x.At < since && x.LastSeen < since})
	}
	p.pager = pages("/suppressions", narrow, offset, pageLength, len(list) > pageLength)
	c.render(w, r, u, http.StatusOK, "suppressions", p)
	return nil
}
