package notices

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

const byPage = "vendor:"

// Who is a vendor that answers on its page, in the trail.
func Who(vendor string) string { return byPage + line(vendor) }

// ByPage says whether who is a vendor that answers on its page.
func ByPage(who string) bool { return strings.HasPrefix(who, byPage) }

// Now is the desk's time: the clock's, or the last night's where that is ahead.
func (d *Desk) Now(ctx context.Context) (audit.Instant, error) {
	now := audit.At(d.Clock())
	last, err := d.Store.Finished(ctx, 1)
	if err == nil && len(last) > 0 {
		now = max(now, last[0].AsOf)
	}
	return now, err
}

// Told is a finding as its vendor's page shows it.
type Told struct {
	notifier.NoticeFinding
	App     string          // key
	Notice  string          // the one that an answer is to
	Matter  *audit.Matter   // nil: nobody knows yet that a notice about it arrived
	Status  audit.Status    // of the finding
	Open    bool            // there is something to answer; else it is over, and its evidence no longer shown
	Shown   []ShownEvidence // of what is open
	Notices []string        // about it, to this vendor

	Can []audit.ReplyKind // how it can be answered now
}

// Takes says whether it can be answered so now.
func (t *Told) Takes(k audit.ReplyKind) bool { return slices.Contains(t.Can, k) }

// Unseen says whether nobody of the vendor has said anything about it.
func (t *Told) Unseen() bool {
	return t.Takes(audit.ReplyViewed) && (t.Matter == nil || t.Matter.Answer == audit.NoAnswer)
}

// ShownEvidence is a row of evidence of a vendor's own app.
type ShownEvidence struct {
	At      time.Time
	Site    string
	Account string // empty: it is about none, or about one that was erased
	Detail  string
}

// Told gives what a vendor of a key was told of, the worst first, as far as it is still about an app of its own; and the vendor's name. Of what the vendor
// was not told, or of what is another's, there is nothing.
func (d *Desk) Told(ctx context.Context, vendor string) (name string, list []Told, err error) {
	written, err := d.mailed(ctx, vendor)
	if err != nil {
		return "", nil, err
	}
	about, apps := map[string][]*audit.Notice{}, map[string]bool{} // notices by finding, the newest first
	for i := range written {
		n := &written[i]
		name = cmp.Or(name, line(n.VendorName))
		for _, k := range n.About {
			about[k.Finding], apps[k.App] = append(about[k.Finding], n), true
		}
	}
	found, err := d.findings(ctx, slices.Collect(maps.Keys(about)), false)
	if err != nil {
		return "", nil, err
	}
	registry, err := d.Store.Registrants(ctx, slices.Sorted(maps.Keys(apps)))
	if err != nil {
		return "", nil, err
	}
	matters, err := d.Store.MattersOf(ctx, vendor)
	if err != nil {
		return "", nil, err
	}
	now, err := d.Now(ctx)
	if err != nil {
		return "", nil, err
	}
	v := &view{Desk: d, registry: registry}
	var subjects []subject
	for _, f := range found {
		if key, _ := v.vendor(f.App); key != vendor {
			continue // the app is another's by now
		}
		s := subject{finding: f}
		if i := slices.IndexFunc(matters, func(m audit.Matter) bool { return m.Finding == f.ID }); i >= 0 {
			s.matter = &matters[i]
		}
		subjects = append(subjects, s)
	}
	slices.SortFunc(subjects, worst)
	for i := range subjects {
		f, m := &subjects[i].finding, subjects[i].matter
		newest := about[f.ID][0]
		if m != nil && m.ClosedAt != audit.Never && audit.IsOpen(f.Status) && newest.Kind == audit.FirstNotice && newest.Created > m.ClosedAt {
			m = nil // it is told anew, and that has yet to arrive
		}
		t := Told{NoticeFinding: d.told(f, m), App: f.App, Matter: m, Status: f.Status, Notice: newest.ID}
		for _, n := range about[f.ID] {
			t.Notices = append(t.Notices, n.ID)
		}
		if m != nil && slices.Contains(t.Notices, m.Notice) {
			t.Notice = m.Notice
		}
		t.Open = f.Status != audit.Resolved && (m == nil || m.ClosedAt == audit.Never)
		t.Evidence = nil
		if t.Open {
			t.Shown, t.Can = shownEvidence(f), d.takes(m, f, now)
		}
		list = append(list, t)
	}
	slices.SortStableFunc(list, func(a, b Told) int { return cmp.Compare(number(!a.Open), number(!b.Open)) })
	return cmp.Or(name, line(vendor)), list, nil
}

// mailed are a vendor's notices that a mail server has taken, whether anybody has taken note of that or not, the newest first. What still waits is not
// among them: it may yet be held up, or taken back.
func (d *Desk) mailed(ctx context.Context, vendor string) ([]audit.Notice, error) {
	list, err := d.Store.Notices(ctx, store.NoticeFilter{Vendors: []string{vendor}})
	if err != nil {
		return nil, err
	}
	var keys []string
	onItsWay := func(n *audit.Notice) bool { return n.Delivery == audit.NoticeApproved && n.Queued() }
	for i := range list {
		if onItsWay(&list[i]) {
			keys = append(keys, list[i].Key())
		}
	}
	taken, err := d.Store.Sent(ctx, keys)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(n audit.Notice) bool {
		_, sent := taken[n.Key()]
		return n.SentAt == audit.Never && !(onItsWay(&n) && sent)
	}), nil
}

// takes is how a vendor can answer now.
func (d *Desk) takes(m *audit.Matter, f *audit.Finding, now audit.Instant) (out []audit.ReplyKind) {
	for _, k := range audit.ReplyKinds() {
		if !k.ByVendor() {
			continue
		}
		if m == nil && k == audit.ReplyIncident && !audit.IsIncident(f.Check) {
			continue
		}
		if m != nil {
			if _, _, err := m.Reply(audit.Reply{Kind: k, At: now}, f, &d.Policy.Ladder); err != nil {
				continue
			}
		}
		out = append(out, k)
	}
	return out
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func shownEvidence(f *audit.Finding) []ShownEvidence {
	out := make([]ShownEvidence, len(f.Evidence))
	for i, e := range f.Evidence {
		at, detail := e.At, e.Detail
		if at == audit.Ever || at == 0 {
			at = f.FirstSeen // a state holds, and has no moment of its own
		}
		if e.Account != "" {
			detail = hide(detail, e.Account)
		}
		out[i] = ShownEvidence{At: at.Time(), Site: line(e.Site), Detail: line(detail)}
		if !audit.IsRenamed(e.Account) {
			out[i].Account = line(e.Account)
		}
	}
	return out
}

// Said is something that was said or decided about a finding, for its vendor's eyes.
type Said struct {
	At   time.Time
	What string
	Text string // the vendor's own words
}

// Said is what was said about a finding that a vendor was told of, the oldest first. What reviewers say among themselves, and what another vendor said that
// had the app before, is not in it.
func (d *Desk) Said(ctx context.Context, vendor string, t *Told) (list []Said, err error) {
	entries, err := d.Store.Trail(ctx, store.TrailFilter{Finding: t.ID})
	if err != nil {
		return nil, err
	}
	public := map[string]string{
		"notice delivered": "A notice reached you", "vendor: viewed": "You acknowledged it", "vendor: extension": "You asked for more time",
		"vendor: dispute": "You disputed it", "vendor: fix-claimed": "You said that it is fixed", "vendor: attached": "You attached a file",
		"vendor: incident": "You answered the questions about the incident", "incident unanswered": "The questions about the incident were not answered in time",
		"extension granted": "More time was granted", "extension refused": "More time was not granted", "dispute accepted": "Your dispute was accepted",
		"dispute rejected": "Your dispute was not accepted", "fix verified": "Your fix was verified", "fix not verified": "Your fix could not be verified",
		"fix no longer verified": "More was found after your fix had been verified", "notice ended": "Closed",
	}
	for _, e := range entries {
		what := public[e.What]
		notice, _ := e.Details["notice"].(string)
		switch {
		case what == "":
			continue
		case ByPage(e.Who) && e.Who != Who(vendor), !slices.Contains(t.Notices, notice):
			continue
		}
		s := Said{At: e.At.Time(), What: what}
		if strings.HasPrefix(e.What, "vendor: ") {
			s.Text = e.Why
		}
		list = append(list, s)
	}
	return list, nil
}

// VendorReplies takes what a vendor answers on its page about one finding. [store.ErrNotFound] where it was not told of it; an [audit.NoticeError] where the
// answer does not fit.
func (d *Desk) VendorReplies(ctx context.Context, vendor, finding string, r audit.Reply) (*audit.Matter, error) {
	if !r.Kind.ByVendor() {
		return nil, fmt.Errorf("a vendor cannot answer %s", r.Kind)
	}
	t, err := d.ToldOf(ctx, vendor, finding)
	if err != nil {
		return nil, err
	}
	r.By = Who(vendor)
	done, err := d.Reply(ctx, t.Notice, t.ID, r)
	if err != nil {
		return nil, err
	}
	return &done[0], nil
}

// VendorSaw acknowledges all that a vendor has not said anything about.
func (d *Desk) VendorSaw(ctx context.Context, vendor string) error {
	_, list, err := d.Told(ctx, vendor)
	if err != nil {
		return err
	}
	unseen := map[string][]string{} // findings by notice
	for i := range list {
		if t := &list[i]; t.Unseen() {
			unseen[t.Notice] = append(unseen[t.Notice], t.ID)
		}
	}
	for _, notice := range slices.Sorted(maps.Keys(unseen)) {
		_, err := d.replyAbout(ctx, notice, unseen[notice], audit.Reply{Kind: audit.ReplyViewed, By: Who(vendor)})
		var no *audit.NoticeError // one was closed meanwhile
		if err != nil && !errors.As(err, &no) {
			return err
		}
	}
	return nil
}

// ToldOf is one of what [Desk.Told] gives, by the finding's id; [store.ErrNotFound].
func (d *Desk) ToldOf(ctx context.Context, vendor, finding string) (*Told, error) {
	_, list, err := d.Told(ctx, vendor)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(t Told) bool { return t.ID == finding })
	if i < 0 {
		return nil, fmt.Errorf("finding %q: %w", finding, store.ErrNotFound)
	}
	return &list[i], nil
}

// RevokeLinks takes back all links that the vendor of a notice has been sent up to now, and ends what began with them. An [audit.NoticeError] where it was never sent any.
func (d *Desk) RevokeLinks(ctx context.Context, id, by, reason string) (*audit.Notice, error) {
	n, err := d.Store.Notice(ctx, id)
	if err != nil {
		return nil, err
	}
	now, err := d.Now(ctx)
	if err != nil {
		return nil, err
	}
	of, err := d.Store.Notices(ctx, store.NoticeFilter{Vendors: []string{n.Vendor}})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(of, func(n audit.Notice) bool { return n.Queued() }) {
		return nil, &audit.NoticeError{ID: n.ID, What: "take back the links of", Why: "its vendor was never written to, and has none"}
	}
	return n, d.Store.RevokeLinks(ctx, n.Vendor, now.Add(linkFor), n.Note(now, by, "vendor's links taken back", reason))
}

// Why no fresh link goes to a vendor.
var (
	ErrNoPage    = errors.New("there is no vendors' page, or no mail server: see vendor.public_url and notices.smtp")
	ErrNoContact = errors.New("nobody who got a notice is a contact of the vendor still")
	ErrLinkSent  = errors.New("a fresh link was sent within the last hour")
)

// SendLink writes to a vendor's contacts with a fresh link to their page, at most once an hour: to those who got a notice that a person approved for them, and
// are contacts in the registry still. [ErrNoPage], [ErrNoContact], [ErrLinkSent].
func (d *Desk) SendLink(ctx context.Context, vendor, by string) (recipients int, err error) {
	if d.PageURL == "" || !d.On() || d.Mail.SMTP == "" {
		return 0, ErrNoPage
	}
	now, err := d.Now(ctx)
	if err != nil {
		return 0, err
	}
	to, name, about, err := d.reached(ctx, vendor)
	if err != nil {
		return 0, err
	}
	if len(to) == 0 {
		return 0, ErrNoContact
	}
	sum := sha256.Sum256([]byte(vendor))
	prefix, written := fmt.Sprintf("vendor link %s ", hex.EncodeToString(sum[:8])), audit.At(d.Clock())
	if last, err := d.Store.LastWritten(ctx, email.Sink, prefix); err != nil {
		return 0, err
	} else if last != audit.Ever && written < last.Add(time.Hour) {
		return 0, ErrLinkSent
	}
	key := prefix + written.Time().Format("2006-01-02T15:04") // of two who ask at one moment, one is answered
	m, err := email.Enqueue(key, email.Envelope{From: d.Mail.From, ReplyTo: d.Mail.ReplyTo, To: to}, linkMail(name, link(d.PageURL, d.Store.LinkKey(), vendor, now.Add(linkFor))), written)
	if err != nil {
		return 0, err
	}
	change := store.NoticesChanged{Messages: []audit.Message{m}}
	for _, k := range about {
		change.Trail = append(change.Trail, audit.TrailEntry{At: now, Who: by, What: "fresh link sent to vendor", Finding: k.Finding, Details: map[string]any{"recipients": float64(len(to))}})
	}
	return len(to), d.Store.ChangeNotices(ctx, change)
}

// reached are the vendor's contacts now who were recipients of a notice, and the findings that its newest notice is about.
func (d *Desk) reached(ctx context.Context, vendor string) (to []string, name string, about []audit.FindingRef, err error) {
	written, err := d.mailed(ctx, vendor)
	if err != nil {
		return nil, "", nil, err
	}
	got, all, apps := map[string]bool{}, []audit.FindingRef(nil), map[string]bool{}
	for i := range written {
		n := &written[i]
		for _, r := range n.Recipients {
			got[strings.ToLower(r)] = true
		}
		for _, k := range n.About {
			all, apps[k.App] = append(all, k), true
		}
		if about == nil {
			name, about = line(n.VendorName), n.About
		}
	}
	registry, err := d.Store.Registrants(ctx, slices.Sorted(maps.Keys(apps)))
	if err != nil {
		return nil, "", nil, err
	}
	v := &view{Desk: d, registry: registry}
	all = slices.DeleteFunc(all, func(k audit.FindingRef) bool { key, _ := v.vendor(k.App); return key != vendor })
	to = slices.DeleteFunc(recipients(registry, all), func(r string) bool { return !got[strings.ToLower(r)] })
	return to, name, about, nil
}

// linkMail is a mail with a fresh link.
func linkMail(name, url string) email.Mail {
	text := fmt.Sprintf("This is the new link to the page of %s, as somebody asked for on that page:\n\n%s\n\nIt opens once, in one browser; there the page stays open for %d days. "+
		"If you did not ask for it, nothing was opened, and you need not do anything.\n", name, url, int(SessionFor/(24*time.Hour)))
	return email.Mail{Subject: "A new link to your page", Text: text,
		HTML: "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>A new link to your page</title>\n<body><p>" +
			strings.ReplaceAll(strings.ReplaceAll(html.EscapeString(strings.TrimSpace(text)), html.EscapeString(url), `<a href="`+html.EscapeString(url)+`">`+html.EscapeString(url)+`</a>`), "\n\n", "</p>\n<p>") +
			"</p></body></html>\n"}
}

// SessionFor is how long a vendor's page stays open in a browser.
const SessionFor = 14 * 24 * time.Hour
