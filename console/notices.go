package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// shownNotices is how many notices a list shows: those that wait the longest, or the newest.
const shownNotices = 100

// noticesPage is what vendors are told.
type noticesPage struct {
	frame
	Off   bool // the configuration does not say who writes to vendors
	Dumb  bool // nor through which mail server
	Held  []audit.NightCount
	First []audit.NightCount // first runs, about whose findings vendors are not told
	State string
	Tabs  []tab
	Waits []notices.State // for a person, the oldest first
	List  []notices.State // the others, the newest first
	More  int             // that are not shown

	NWaits, NList int // how many there are
}

// noticeLists are what the list can be cut down to, and what they are called there.
func noticeLists() []navItem {
	return []navItem{{"", "Going on"}, {"waits", "Waiting for a person"}, {"approved", "Approved"}, {"sent", "Sent"}, {"delivered", "Delivered"}, {"bounced", "Bounced"}, {"withdrawn", "Withdrawn"}, {"all", "All"}}
}

func (c *Console) notices(w http.ResponseWriter, r *http.Request, u person) error {
	p := &noticesPage{Off: !c.Desk.On(), Dumb: c.Desk.Mail.SMTP == "", State: r.URL.Query().Get("state")}
	if !slices.ContainsFunc(noticeLists(), func(x navItem) bool { return x.Path == p.State }) {
		return wrong("No notice is " + p.State + ".")
	}
	nights, err := c.Desk.Unreleased(r.Context())
	if err != nil {
		return err
	}
	for _, n := range nights {
		if n.Abnormal() {
			p.Held = append(p.Held, n)
		} else {
			p.First = append(p.First, n)
		}
	}
	all, err := c.Store.NoticeHeads(r.Context(), "")
	if err != nil {
		return err
	}
	for _, x := range noticeLists() {
		t := tab{Name: x.Name, URL: "/notices", Here: x.Path == p.State}
		if x.Path != "" {
			t.URL += "?state=" + x.Path
		}
		for i := range all {
			if all[i].In(x.Path) {
				t.N++
			}
		}
		p.Tabs = append(p.Tabs, t)
	}
	var waiting []store.NoticeHead
	var waits, others []string
	for i := range all {
		switch n := &all[i]; {
		case !n.In(p.State):
		case n.Waits():
			waiting = append(waiting, *n)
		default:
			others = append(others, n.ID)
		}
	}
	slices.SortStableFunc(waiting, func(a, b store.NoticeHead) int { return cmp.Compare(a.Created, b.Created) }) // as tasks are
	for i := range waiting {
		waits = append(waits, waiting[i].ID)
	}
	p.NWaits, p.NList = len(waits), len(others)
	waits, others = waits[:min(len(waits), shownNotices)], others[:min(len(others), shownNotices)]
	p.More = p.NWaits + p.NList - len(waits) - len(others)
	if ids := slices.Concat(waits, others); len(ids) > 0 {
		states, err := c.noticeStates(r, store.NoticeFilter{IDs: ids})
		if err != nil {
			return err
		}
		at := map[string]notices.State{}
		for _, s := range states {
			at[s.ID] = s
		}
		for _, x := range []struct {
			to  *[]notices.State
			ids []string
		}{{&p.Waits, waits}, {&p.List, others}} {
			for _, id := range x.ids {
				if s, ok := at[id]; ok {
					*x.to = append(*x.to, s)
				}
			}
		}
	}
	c.render(w, r, u, http.StatusOK, "notices", p)
	return nil
}

// noticeStates gives notices and what became of them.
func (c *Console) noticeStates(r *http.Request, f store.NoticeFilter) ([]notices.State, error) {
	list, err := c.Store.Notices(r.Context(), f)
	if err != nil {
		return nil, err
	}
	return c.Desk.States(r.Context(), list)
}

// release lets go what a night holds up.
func (c *Console) release(w http.ResponseWriter, r *http.Request, u person) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	run := r.PostForm.Get("run")
	err := error(store.ErrNotFound) // without a run's name, all that hold up anything would be released
	if run != "" {
		_, err = c.Desk.Release(r.Context(), run, u.Who, address.Redact(clip(r.PostForm.Get("reason"), maxReason)))
	}
	switch {
	case errors.Is(err, notices.ErrHoldsNothing) || errors.Is(err, store.ErrNotFound):
		c.setFlash(w, flash{Refused: []string{clip(run, 40) + " holds up nothing, or no longer."}})
	case err != nil:
		return err
	default:
		if err := c.Desk.Night(r.Context()); err != nil {
			return err
		}
		c.setFlash(w, flash{Said: run + " is released. What its findings give vendors to be told is drafted, once a night has confirmed them."})
	}
	http.Redirect(w, r, backTo(r, "/notices"), http.StatusSeeOther)
	return nil
}

// noticePage is one notice.
type noticePage struct {
	frame
	notices.State
	Mail     email.Mail
	Digest   string // of what the page shows: nothing else is approved by it
	Broken   string // why it cannot be rendered
	About    []noticeFinding
	Files    []store.Attachment
	Held     *audit.NightCount
	Page     bool // there is a vendors' page
	Approver bool // who looks approved it
	MaxDays  int  // of an extension
	Said     []store.Entry
	Next     *store.NoticeHead // that waits to be approved; nil: no other does
}

// A noticeFinding is a finding that a notice tells of, and how far that is.
type noticeFinding struct {
	ID      string
	Finding *audit.Finding // nil: it was purged
	Matter  *audit.Matter  // nil: nothing was delivered
}

// Disputed says whether a dispute waits for a decision.
func (f noticeFinding) Disputed() bool {
	return f.Matter != nil && f.Matter.ClosedAt == audit.Never && f.Matter.DisputedAt != audit.Never
}

// WantsTime says whether an extension waits for a decision.
func (f noticeFinding) WantsTime() bool {
	return f.Matter != nil && f.Matter.ClosedAt == audit.Never && f.Matter.ExtensionAsked
}

// Answers are what a vendor can have answered otherwise than on its page.
func (*noticePage) Answers() []audit.ReplyKind {
	return slices.DeleteFunc(audit.ReplyKinds(), func(k audit.ReplyKind) bool { return !k.ByVendor() })
}

// Went says whether the notice left, so that it can have been answered.
func (p *noticePage) Went() bool { return p.Queued() && p.Delivery != audit.NoticeWithdrawn }

func (c *Console) notice(w http.ResponseWriter, r *http.Request, u person) error {
	n, err := c.Store.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if n.ID != r.PathValue("id") {
		http.Redirect(w, r, "/notices/"+n.ID, http.StatusSeeOther)
		return nil
	}
	p, err := c.lookAtNotice(r, u, n)
	if err != nil {
		return err
	}
	// The mail is framed from a path of its own, which may do nothing: see [Console.mail].
	w.Header().Set("Content-Security-Policy", w.Header().Get("Content-Security-Policy")+"; frame-src 'self'")
	c.render(w, r, u, http.StatusOK, "notice", p)
	return nil
}

func (c *Console) lookAtNotice(r *http.Request, u person, n *audit.Notice) (*noticePage, error) {
	ctx := r.Context()
	states, err := c.Desk.States(ctx, []audit.Notice{*n})
	if err != nil {
		return nil, err
	}
	p := &noticePage{State: states[0], Page: c.Desk.PageURL != "" && c.Desk.Mail.SMTP != "", Approver: audit.SamePerson(n.ApprovedBy, u.Who), MaxDays: int(c.Policy.Ladder.ExtensionMax / (24 * time.Hour))}
	if p.Mail, err = c.Desk.Preview(n); err == nil {
		p.Digest, err = c.Desk.Digest(n)
	}
	if err != nil {
		p.Broken = address.Redact(err.Error())
	}
	if p.Held, err = c.Desk.Held(ctx); err != nil {
		return nil, err
	}
	found, err := c.Store.Findings(ctx, store.Filter{IDs: n.Findings()})
	if err != nil {
		return nil, err
	}
	for _, id := range n.Findings() {
		x := noticeFinding{ID: id}
		if i := slices.IndexFunc(found, func(f audit.Finding) bool { return f.ID == id }); i >= 0 {
			x.Finding = &found[i]
		}
		if i := slices.IndexFunc(p.Matters, func(m audit.Matter) bool { return m.Finding == id }); i >= 0 {
			x.Matter = &p.Matters[i]
		}
		p.About = append(p.About, x)
	}
	if p.Said, err = c.Store.TrailOfNotice(ctx, n.ID, n.Findings()); err != nil {
		return nil, err
	}
	slices.SortFunc(p.Said, func(a, b store.Entry) int { return cmp.Compare(b.Seq, a.Seq) })
	switch next, err := c.Store.NextDraft(ctx, n); {
	case err == nil:
		p.Next = &next
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	p.Files, err = c.Store.Attachments(ctx, n.Findings())
	p.Files = slices.DeleteFunc(p.Files, func(a store.Attachment) bool { return a.Vendor != n.Vendor })
	return p, err
}

// mail is the HTML of a notice's mail, for the frame of its page. It runs nothing, loads nothing and sends nothing.
func (c *Console) mail(w http.ResponseWriter, r *http.Request, _ person) error {
	n, err := c.Store.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	m, err := c.Desk.Preview(n)
	if err != nil {
		return err
	}
	if digest, err := c.Desk.Digest(n); err != nil {
		return err
	} else if shown := r.URL.Query().Get("digest"); shown != digest {
		return &problem{http.StatusConflict, "It has changed", "What the page shows is no longer what the notice says: load it again."}
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(m.HTML)) // who went away does not need it
	return nil
}

// attachment is a file that a vendor attached, which is never shown: only downloaded.
func (c *Console) attachment(w http.ResponseWriter, r *http.Request, _ person) error {
	n, err := c.Store.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	a, err := c.Store.Attachment(r.Context(), r.PathValue("file"))
	if err != nil {
		return err
	}
	if !n.Has(a.Finding) || a.Vendor != n.Vendor {
		return store.ErrNotFound
	}
	return web.Download(w, a.Name, a.Content)
}

// actOnNotice approves a notice, takes an answer or a decision, or deals with links.
func (c *Console) actOnNotice(w http.ResponseWriter, r *http.Request, u person) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	n, err := c.Store.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	said, err := c.doToNotice(r, u, n, r.PostForm)
	var refused *audit.NoticeError
	switch {
	case errors.As(err, &refused):
		said.Refused = strings.Split(address.Redact(err.Error()), "\n")
	case errors.Is(err, notices.ErrNoPage), errors.Is(err, notices.ErrNoContact), errors.Is(err, notices.ErrLinkSent):
		said.Refused = []string{err.Error()}
	case err != nil:
		return err
	}
	c.setFlash(w, said)
	http.Redirect(w, r, backTo(r, "/notices/"+url.PathEscape(n.ID)), http.StatusSeeOther)
	return nil
}

func (c *Console) doToNotice(r *http.Request, u person, n *audit.Notice, form url.Values) (flash, error) {
	ctx, text := r.Context(), address.Redact(clip(strings.TrimSpace(form.Get("text")), maxReason))
	refuse := func(why string) (flash, error) { return flash{Refused: []string{why}}, nil }
	switch form.Get("do") {
	case "approve":
		if form.Get("digest") == "" {
			return flash{}, wrong("What is approved has to be named by its digest.")
		}
		if now, err := c.Desk.Digest(n); err != nil {
			return flash{}, err
		} else if n.Delivery == audit.NoticeDrafted && now != form.Get("digest") {
			return refuse("Not approved: what it says, or to whom, has changed since the page showed it. This is what it says now.")
		}
		after, err := c.Desk.Approve(ctx, n.ID, notices.Approval{By: u.Who, Reason: text, Digest: form.Get("digest")})
		if err != nil {
			return flash{}, err
		}
		said := n.ID + " is approved, for " + count(len(after.Recipients), "recipient", "recipients") + "."
		switch held, err := c.Desk.Held(ctx); {
		case err != nil:
			return flash{}, err
		case c.Desk.Mail.SMTP == "":
			said += " Without a mail server (notices.smtp) nothing is sent."
		case held != nil:
			said += " It goes out once " + held.Run + ", an abnormal night, is released."
		default:
			said += " It goes out by itself."
		}
		return flash{Said: said}, nil
	case "answer":
		reply := audit.Reply{Kind: audit.ReplyKind(form.Get("kind")), By: u.Who, Text: text}
		if !slices.Contains(audit.ReplyKinds(), reply.Kind) {
			return flash{}, wrong("There is no answer " + clip(form.Get("kind"), 40) + ".")
		}
		if reply.Kind != audit.ReplyViewed && text == "" {
			return refuse("Say what was answered, or why it is decided so.")
		}
		if reply.Kind == audit.GrantExtension {
			days, err := strconv.Atoi(form.Get("days"))
			if err != nil || days < 1 || days > 1000 {
				return refuse("Say for how many days: 1 or more.")
			}
			reply.For = time.Duration(days) * 24 * time.Hour
		}
		finding := form.Get("finding")
		if finding != "" && !n.Has(finding) {
			return flash{}, wrong("The notice is not about " + clip(finding, 40) + ".")
		}
		done, err := c.Desk.Reply(ctx, n.ID, finding, reply)
		var said []string
		for _, m := range done {
			said = append(said, m.Finding)
		}
		if len(said) == 0 {
			return flash{}, err
		}
		return flash{Said: string(reply.Kind) + ": " + strings.Join(said, ", ") + "."}, err
	case "link":
		recipients, err := c.Desk.SendLink(ctx, n.Vendor, u.Who)
		return flash{Said: ifNo(err, "A fresh link goes to "+count(recipients, "address", "addresses")+".")}, err
	case "revoke":
		if text == "" {
			return refuse("Say why the links are taken back.")
		}
		_, err := c.Desk.RevokeLinks(ctx, n.ID, u.Who, text)
		return flash{Said: ifNo(err, "The links that its vendor was sent are taken back, and its page is closed.")}, err
	}
	return flash{}, wrong("Nobody can do that to a notice.")
}

// ifNo is text where nothing went wrong.
func ifNo(err error, text string) string {
	if err != nil {
		return ""
	}
	return text
}
