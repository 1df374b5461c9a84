package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// trailPage is what was done, the newest first.
type trailPage struct {
	frame
	Who, What, Finding string
	List               []step
	Clear              bool
	pager
}

func (c *Console) trail(w http.ResponseWriter, r *http.Request, u person) error {
	before, err := seqOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p := &trailPage{Who: clip(strings.TrimSpace(q.Get("who")), 300), What: clip(strings.TrimSpace(q.Get("what")), 100), Finding: clip(strings.ToUpper(strings.TrimSpace(q.Get("finding"))), 100)}
	p.Clear = p.Who != "" || p.What != "" || p.Finding != ""
	list, err := c.Store.Trail(r.Context(), store.TrailFilter{Who: p.Who, What: p.What, Finding: p.Finding, Before: before, Newest: true, Limit: pageLength + 1})
	if err != nil {
		return err
	}
	v := url.Values{}
	for name, value := range map[string]string{"who": p.Who, "what": p.What, "finding": p.Finding} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if before > 0 {
		p.First = "/trail?" + v.Encode()
	}
	if len(list) > pageLength {
		list = list[:pageLength]
		v.Set("before", strconv.FormatInt(list[pageLength-1].Seq, 10))
		p.Next = "/trail?" + v.Encode()
	}
	for _, e := range list {
		p.List = append(p.List, stepOf(e))
	}
	c.render(w, r, u, http.StatusOK, "trail", p)
	return nil
}

// settingsPage is how mailreeve is set up.
type settingsPage struct {
	frame
	Policy *audit.Policy
	YAML   string
	Store  string
	Tokens []tokenRow // of the API
}

// A tokenRow is a token of the API, and whether it works.
type tokenRow struct {
	store.Token
	State string
}

func (c *Console) settings(w http.ResponseWriter, r *http.Request, u person) error {
	p := &settingsPage{Policy: c.Policy, YAML: c.Config.Settings, Store: c.Store.ID()}
	tokens, err := c.Store.Tokens(r.Context())
	if err != nil {
		return err
	}
	for i := range tokens {
		p.Tokens = append(p.Tokens, tokenRow{tokens[i], tokens[i].State(audit.At(c.Clock()))})
	}
	c.render(w, r, u, http.StatusOK, "settings", p)
	return nil
}
