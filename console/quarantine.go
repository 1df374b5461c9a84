package console

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Retrier reads the files again that have lines in quarantine, as the command line does.
type Retrier interface {
	// Retry lets it be done once no night runs any more, and notes who wanted it; false: somebody did before, and it is not done yet.
	Retry(who string) bool
	// Retried is the last one; nil: there was none since the start.
	Retried() *Retry
}

// A Retry is how far it is, and what came of it.
type Retry struct {
	Who    string
	At     audit.Instant
	Ended  audit.Instant // Never: not yet
	Failed bool
	Says   string
}

// UnderWay says whether it is not done yet.
func (r Retry) UnderWay() bool { return r.Ended == audit.Never }

// Retries keeps how far the last one is, for a [Retrier]. The zero value has none.
type Retries struct {
	mu   sync.Mutex
	last *Retry
}

// Begin notes that somebody wants one; false: one is under way.
func (r *Retries) Begin(who string, at audit.Instant) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil && r.last.UnderWay() {
		return false
	}
	r.last = &Retry{Who: who, At: at, Ended: audit.Never}
	return true
}

// End notes what came of the one that is under way.
func (r *Retries) End(at audit.Instant, says string, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last.Ended, r.last.Says, r.last.Failed = at, says, failed
}

// Retried is the last one; nil: there was none.
func (r *Retries) Retried() *Retry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		return nil
	}
	last := *r.last
	return &last
}

// quarantinePage is the lines in quarantine.
type quarantinePage struct {
	frame
	Kind, Path string // all that is shown; empty: any
	N          int
	Files      []store.QuarantineCount
	List       []audit.Quarantined
	Can        bool   // the console can have them read again
	Last       *Retry // nil: there was none
	pager
}

func (c *Console) quarantine(w http.ResponseWriter, r *http.Request, u person) error {
	offset, err := offsetOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p := &quarantinePage{Kind: q.Get("kind"), Path: q.Get("path")}
	if p.Files, err = c.Store.QuarantineCounts(r.Context()); err != nil {
		return err
	}
	for _, f := range p.Files {
		p.N += f.N
	}
	f := store.QuarantineFilter{Kind: audit.Kind(p.Kind), Path: p.Path, Offset: offset, Limit: pageLength + 1}
	if p.List, err = c.Store.QuarantineOf(r.Context(), f); err != nil {
		return err
	}
	more := len(p.List) > pageLength
	p.List = p.List[:min(len(p.List), pageLength)]
	p.pager = pages("/quarantine", url.Values{"kind": {p.Kind}, "path": {p.Path}}, offset, pageLength, more)
	if p.Can = c.Retrier != nil; p.Can {
		p.Last = c.Retrier.Retried()
	}
	c.render(w, r, u, http.StatusOK, "quarantine", p)
	return nil
}

// retry lets all files be read again that have lines in quarantine.
func (c *Console) retry(w http.ResponseWriter, r *http.Request, u person) error {
	f := flash{Said: "The files are read again, in an audit of their own, once no night runs. This page says what came of it."}
	switch {
	case c.Retrier == nil:
		return store.ErrNotFound
	case !c.Retrier.Retry(u.Who):
		f = flash{Refused: []string{"That is under way already."}}
	}
	c.setFlash(w, f)
	http.Redirect(w, r, "/quarantine", http.StatusSeeOther)
	return nil
}
