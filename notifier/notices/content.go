package notices

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
)

// linkFor is how long a vendor's link holds: longer than any deadline with all that can be added to it.
const linkFor = 300 * 24 * time.Hour

// evidenceRows is how many rows of evidence a notice shows of a finding.
const evidenceRows = 10

// questions are what is asked about an incident.
func questions() []string {
	return []string{
		"Category: what kind of incident is it (a bug, a misconfiguration, an intrusion, a decision)?",
		"Scope: which apps, versions, sites and data does it touch?",
		"Since when has it been so, and is it over?",
		"How many users are affected?",
	}
}

// A subject is a finding that a notice is about.
type subject struct {
	finding audit.Finding
	matter  *audit.Matter // nil: its vendor has not been told yet
}

// line is a text from outside as a notice holds it.
func line(s string) string { return address.Redact(notifier.Line(s)) }

// content is what a notice says, as of issued. The link to its vendor's page is not in it: only the mail that is sent has one.
func (d *Desk) content(n *audit.Notice, about []subject, issued audit.Instant) notifier.Notice {
	l := &d.Policy.Ladder
	out := notifier.Notice{Schema: notifier.NoticeSchema, ID: n.ID, Kind: n.Kind, Vendor: notifier.NoticeVendor{ID: line(n.Vendor), Name: line(n.VendorName)},
		IssuedAt: issued.Time(), Asks: []string{}}
	out.Answer = notifier.NoticeAnswer{ReplyTo: cmp.Or(d.Mail.ReplyTo, d.Mail.From),
		How: "Reply to this mail, and name the finding. You can say that it is mended and since when, ask once for more time, or dispute it and say why."}
	if d.PageURL != "" {
		out.Answer.How = "Answer on your page, which also lists the accounts, or reply to this mail. The link opens the page once, in one browser; after that it offers to send you a new one. You can say that it is mended and since when, ask once for more time, or dispute it and say why."
	}
	for i := range about {
		f := &about[i].finding
		out.Findings = append(out.Findings, d.told(f, about[i].matter))
		if n.Kind == audit.FirstNotice && out.Findings[i].Incident && len(out.Asks) == 0 {
			out.Asks = questions()
			out.AnswerHours = int((l.IncidentBy + time.Hour - 1) / time.Hour)
		}
	}
	out.Next = d.next(n.Kind)
	return out
}

// hide takes an account's id out of a text, where it stands as a word of its own: a short one may be part of any other.
func hide(text, id string) string {
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, id)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		last, _ := utf8.DecodeLastRuneInString(b.String())
		next, _ := utf8.DecodeRuneInString(after)
		if len(id) < 6 && (part(last) || part(next)) {
			b.WriteString(id)
		} else {
			b.WriteString("an account")
		}
		text = after
	}
}

func (d *Desk) told(f *audit.Finding, m *audit.Matter) notifier.NoticeFinding {
	x := notifier.NoticeFinding{ID: f.ID, Check: f.Check, Clause: f.Clause, ClauseText: clauseText(d.Policy, f.Clause), Severity: string(f.Severity), AppKey: line(f.App),
		AppName: line(f.AppName), Subject: line(f.Subject), Title: line(f.Title), Seen: line(cmp.Or(f.Explanation, f.Title)), Occurrences: f.Occurrences,
		Accounts: f.Accounts, Sites: f.Sites, First: f.FirstSeen.Time(), Last: f.LastSeen.Time(), ToDo: line(f.Remediation), Incident: audit.IsIncident(f.Check), Evidence: []notifier.NoticeEvidence{}}
	for _, e := range f.Evidence {
		at := e.At
		if at == audit.Ever || at == 0 {
			at = f.FirstSeen // a state holds, and has no moment of its own
		}
		detail := e.Detail
		if e.Account != "" {
			detail = hide(detail, e.Account)
		}
		row := notifier.NoticeEvidence{At: at.Time(), Site: line(e.Site), Detail: line(detail)}
		if !slices.Contains(x.Evidence, row) { // without their accounts some say the same
			x.Evidence = append(x.Evidence, row)
		}
	}
	x.Evidence = x.Evidence[max(0, len(x.Evidence)-evidenceRows):]
	x.DueDays = int(d.Policy.Deadlines[f.Severity] / (24 * time.Hour))
	if m != nil && m.ClosedAt == audit.Never {
		due := m.Due.Time()
		x.Due = &due
	}
	if f.Check == "scope-unapproved" {
		x.FormURL = d.FormURL
	}
	return x
}

// clauseText is what a clause says, and where it stands.
func clauseText(p *audit.Policy, name string) string {
	text := checks.Clause(p, name)
	if c := p.Clause(name); c != nil && c.URL != "" {
		text += " (" + c.URL + ")"
	}
	return text
}

// next is what happens next.
func (d *Desk) next(kind audit.NoticeKind) []string {
	l := &d.Policy.Ladder
	days := func(t time.Duration) string {
		n, unit := int(t/(24*time.Hour)), "day"
		if n == 0 {
			n, unit = int(t/time.Hour), "hour"
		}
		if n != 1 {
			unit += "s"
		}
		return fmt.Sprintf("%d %s", n, unit)
	}
	decides := "If that is not answered either, people at the platform decide what follows for the app, which may be that it is no longer approved, or no longer listed."
	if kind == audit.SecondNotice {
		return []string{"If this is not answered, people at the platform decide what follows for the app, which may be that it is no longer approved, or no longer listed."}
	}
	var next []string
	if kind == audit.FirstNotice {
		next = append(next, "The time to put it right begins when this mail has reached you.")
		var before []string
		for _, r := range l.Reminders {
			before = append(before, days(r))
		}
		if len(before) > 0 {
			next = append(next, "You are reminded "+strings.Join(before, " and ")+" before the deadline of what is still open.")
		}
	}
	return append(next,
		fmt.Sprintf("A dispute stops the clock for at most %s while we look into it; more time can be asked for once, at most %s.", days(l.DisputeMax), days(l.ExtensionMax)),
		fmt.Sprintf("What you say is mended counts as mended after %d nights in which nothing more was found.", l.CleanNights),
		fmt.Sprintf("%s after the deadline a second notice follows. %s", days(l.Second), decides))
}

// worst orders what a notice is about.
func worst(a, b subject) int {
	return cmp.Or(cmp.Compare(a.finding.Severity.Rank(), b.finding.Severity.Rank()), cmp.Compare(b.finding.Accounts, a.finding.Accounts), cmp.Compare(a.finding.App, b.finding.App), cmp.Compare(a.finding.ID, b.finding.ID))
}

// keys names what a notice is about.
func keys(about []subject) []audit.FindingRef {
	out := make([]audit.FindingRef, len(about))
	for i := range about {
		out[i] = audit.FindingRef{App: about[i].finding.App, Finding: about[i].finding.ID}
	}
	return out
}

// maxRecipients is to how many a notice goes at most.
const maxRecipients = 100

// recipients are the contacts of the vendor of some apps that mail can be sent to: each once, in order.
func recipients(registry map[string]store.Registrant, about []audit.FindingRef) []string {
	list, _ := contacts(registry, about)
	return list
}

// contacts are the recipients, and how many contacts are left out because they are no addresses.
func contacts(registry map[string]store.Registrant, about []audit.FindingRef) (out []string, bad int) {
	known, wrong := map[string]string{}, map[string]bool{}
	for _, k := range about {
		r, ok := registry[k.App]
		if !ok {
			continue
		}
		for _, s := range append([]string{r.App.Vendor.Email}, r.App.Vendor.Contacts...) {
			switch a, err := email.Canonical(s); {
			case err == nil:
				known[strings.ToLower(a)] = a
			case strings.TrimSpace(s) != "":
				wrong[s] = true
			}
		}
	}
	out = []string{}
	for _, k := range slices.Sorted(maps.Keys(known)) {
		out = append(out, known[k])
	}
	return out[:min(len(out), maxRecipients)], len(wrong)
}
