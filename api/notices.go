package api

import (
	"errors"
	"net/http"
	"regexp"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

func (a *API) notices(w http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	p, err := pageOf(r, 50, 200)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	if _, err := among("state", q["state"], store.NoticeLists()); err != nil {
		return nil, err
	}
	heads, err := a.Store.NoticeHeads(r.Context(), q.Get("vendor"))
	if err != nil {
		return nil, err
	}
	if p.cursor != "" { // it is looked for among all: what was done to a notice meanwhile may have taken it out of the list
		i := slices.IndexFunc(heads, func(n store.NoticeHead) bool { return n.ID == p.cursor })
		if i < 0 {
			return nil, errCursor
		}
		heads, p.cursor = heads[i+1:], ""
	}
	heads = slices.DeleteFunc(heads, func(n store.NoticeHead) bool { return !n.In(q.Get("state")) })
	if heads, err = cut(w, r, p, heads, func(n *store.NoticeHead) string { return n.ID }); err != nil {
		return nil, err
	}
	var states []notices.State
	if len(heads) > 0 {
		var f store.NoticeFilter
		for i := range heads {
			f.IDs = append(f.IDs, heads[i].ID)
		}
		list, err := a.Store.Notices(r.Context(), f)
		if err != nil {
			return nil, err
		}
		if states, err = a.Desk.States(r.Context(), list); err != nil {
			return nil, err
		}
	}
	return records(states, func(s *notices.State) record.Notice { return record.NoticeOf(s, a.Desk.Shown(s)) }), nil
}

// named gives the notice of a request.
func (a *API) named(r *http.Request) (*audit.Notice, error) {
	n, err := a.Store.Notice(r.Context(), r.PathValue("id"))
	if err == nil && n.ID != r.PathValue("id") {
		err = store.ErrNotFound
	}
	return n, err
}

func (a *API) notice(_ http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	n, err := a.named(r)
	if err != nil {
		return nil, err
	}
	states, err := a.Desk.States(r.Context(), []audit.Notice{*n})
	if err != nil {
		return nil, err
	}
	files, err := a.Store.Attachments(r.Context(), n.Findings())
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(x store.Attachment) bool { return x.Vendor != n.Vendor })
	s := &states[0]
	return record.NoticeDetail{Notice: record.NoticeOf(s, a.Desk.Shown(s)), Matters: record.MattersOf(s.Matters), Attachments: record.AttachmentsOf(files)}, nil
}

// A preview is a notice as it is sent, but for the token of its link.
type preview struct {
	ID         string   `json:"id"`
	Digest     string   `json:"digest"`
	Recipients []string `json:"recipients"`
	Subject    string   `json:"subject"`
	Text       string   `json:"text"`
}

func (a *API) preview(_ http.ResponseWriter, r *http.Request, _ *store.Token) (any, error) {
	n, err := a.named(r)
	if err != nil {
		return nil, err
	}
	m, err := a.Desk.Preview(n)
	if err != nil {
		return nil, err
	}
	digest, err := a.Desk.Digest(n)
	return preview{n.ID, digest, append([]string{}, n.Recipients...), m.Subject, m.Text}, err
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// approve approves a notice as it was seen: whatever changed since is refused.
func (a *API) approve(w http.ResponseWriter, r *http.Request, t *store.Token) (any, error) {
	var x struct {
		Digest string `json:"digest"`
		Reason string `json:"reason"`
	}
	if err := read(w, r, &x); err != nil {
		return nil, err
	}
	reason, err := said("reason", x.Reason)
	if err != nil {
		return nil, err
	}
	if !digestPattern.MatchString(x.Digest) {
		return nil, wrong("digest: give that of what was seen, as the notice and its preview have it: sha256: and 64 hexadecimal digits.")
	}
	n, err := a.named(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.Desk.Approve(r.Context(), n.ID, notices.Approval{By: t.Who(), Reason: reason, Digest: x.Digest}); err != nil {
		return nil, err
	}
	return a.notice(w, r, t)
}

// release lets go the notices that a run holds up.
func (a *API) release(w http.ResponseWriter, r *http.Request, t *store.Token) (any, error) {
	var x struct {
		Reason string `json:"reason"`
	}
	if err := read(w, r, &x); err != nil {
		return nil, err
	}
	reason, err := said("reason", x.Reason)
	if err != nil {
		return nil, err
	}
	run, err := a.Store.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	released, err := a.Desk.Release(r.Context(), run.ID, t.Who(), reason)
	if errors.Is(err, notices.ErrHoldsNothing) {
		return nil, &problem{http.StatusConflict, run.ID + " holds up nothing, or no longer."}
	}
	if err != nil {
		return nil, err
	}
	return struct {
		Released []string `json:"released"`
	}{released}, a.Desk.Night(r.Context())
}
