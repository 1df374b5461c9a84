package notices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// A Task is something that waits for a person.
type Task struct {
	What    string        `json:"task"` // release, approve, contact, bounced, overdue, incident, dispute, dismiss, extension, decide, resolve, request, undelivered
	About   string        `json:"about"`
	Vendor  string        `json:"vendor"`
	Since   audit.Instant `json:"-"`
	Says    string        `json:"says"`
	Command string        `json:"command,omitempty"`

	Notice  string         `json:"-"` // that it is about, or that told of its finding; empty: none
	Finding *audit.Finding `json:"-"` // that it is about; nil: none
	Tells   int            `json:"-"` // how many findings the notice tells of that it is about
	Worst   audit.Severity `json:"-"` // of these
}

// Tasks are what waits for a person, the oldest first.
func (d *Desk) Tasks(ctx context.Context) ([]Task, error) {
	v, err := d.taskView(ctx)
	if err != nil || len(v.nights) == 0 {
		return nil, err
	}
	return v.tasks(ctx)
}

func (v *view) tasks(ctx context.Context) ([]Task, error) {
	var list []Task
	add := func(t Task) { list = append(list, t) }
	for _, n := range v.nights {
		switch {
		case n.Released:
		case n.Abnormal():
			add(Task{What: "release", About: n.Run, Since: n.AsOf, Command: "mailreeve notices release " + n.Run, Says: n.Alarm()})
		case n.Baseline:
			waiting, err := v.Store.CountUntold(ctx, n.Run)
			if err != nil {
				return nil, err
			}
			if waiting > 0 {
				add(Task{What: "release", About: n.Run, Since: n.AsOf, Command: "mailreeve notices release " + n.Run,
					Says: fmt.Sprintf("a first run: vendors are told of none of its %d open findings until somebody releases it", waiting)})
			}
		}
	}
	for i := range v.notices {
		n := &v.notices[i]
		t := Task{About: n.ID, Notice: n.ID, Vendor: n.VendorName, Since: n.Created}
		if _, bad := contacts(v.registry, n.About); bad > 0 && n.Waits() && n.Delivery != audit.NoticeNoContact {
			add(Task{What: "contact", About: n.ID, Notice: n.ID, Vendor: n.VendorName, Since: n.Created,
				Says: fmt.Sprintf("of the contacts that the registry names, %d are no mail addresses, and are left out: have them corrected there", bad)})
		}
		switch n.Delivery {
		case audit.NoticeDrafted:
			t.What, t.Says, t.Command = "approve", "it waits for approval", "mailreeve notices approve "+n.ID
			t.Tells, t.Worst = v.tells(n)
		case audit.NoticeNoContact:
			t.What, t.Says = "contact", "the registry names nobody whom mail can be sent to: have the vendor's contact entered there, or corrected"
		case audit.NoticeBounced:
			if !v.unanswered(n) {
				continue
			}
			t.What, t.Since, t.Says = "bounced", n.EndedAt, "it did not arrive ("+n.Why+"): have the vendor's contact corrected in the registry, or reach it otherwise and enter the answer"
		case audit.NoticeDelivered:
			goesOn := func(k audit.FindingRef) bool { m := v.matter[k.Finding]; return m != nil && m.ClosedAt == audit.Never }
			if !n.MissedSome() || !slices.ContainsFunc(n.About, goesOn) {
				continue
			}
			t.What, t.Since, t.Says = "bounced", n.EndedAt, "the deadline runs, but it did not arrive at one of its recipients ("+n.Why+"): make sure that the vendor knows of it, and have the contact corrected in the registry"
		default:
			continue
		}
		add(t)
	}
	owes := map[string]audit.Instant{} // the answer to an incident's questions, by notice
	for _, m := range v.matter {
		if f := v.findings[m.Finding]; f != nil && audit.IsOpen(f.Status) && m.Owes(v.now) {
			if since, ok := owes[m.Notice]; !ok || m.AnswerBy < since {
				owes[m.Notice] = m.AnswerBy
			}
		}
		f := v.findings[m.Finding]
		disputed := m.DisputeAccepted && f != nil && !m.Fresh(f)
		if f == nil || !audit.IsOpen(f.Status) || m.ClosedAt != audit.Never && !disputed {
			continue
		}
		_, name := v.vendor(m.App)
		t := Task{About: m.Finding, Vendor: name, Since: m.Due, Notice: m.Notice, Finding: f}
		switch r := f.Recommendation; {
		case m.DisputedAt != audit.Never:
			t.What, t.Since, t.Says = "dispute", m.DisputedAt, "the vendor disputes it; another person than "+m.Approver+" decides"
			t.Command = "mailreeve notices answer " + m.Notice + " --finding " + m.Finding + " --kind dispute-accepted|dispute-rejected --text …"
		case disputed:
			t.What, t.Says, t.Command = "dismiss", "the dispute was accepted", "mailreeve findings dismiss "+m.Finding+" --reason …"
		case m.ExtensionAsked:
			t.What, t.Says = "extension", "the vendor asks for more time"
			t.Command = "mailreeve notices answer " + m.Notice + " --finding " + m.Finding + " --kind extension-granted --days N|extension-refused --text …"
		case m.Answer == audit.Verified:
			t.What, t.Says, t.Command = "resolve", "the vendor mended it, and nothing more was found since", "mailreeve findings resolve "+m.Finding
		case r != nil && r.DecidedBy == "":
			t.What, t.Since, t.Says, t.Command = "decide", r.ProposedAt, "recommended: "+r.Act, "mailreeve findings decide "+m.Finding
		case m.Overdue && !m.Recommended:
			t.What, t.Says = "overdue", "its deadline has passed"
		default:
			continue
		}
		add(t)
	}
	about := map[string]bool{}
	for _, t := range list {
		about[t.About] = true
	}
	for _, f := range v.findings { // of whose vendor nobody waits for anything
		if r := f.Recommendation; r != nil && r.DecidedBy == "" && audit.IsOpen(f.Status) && !about[f.ID] {
			_, name := v.vendor(f.App)
			add(Task{What: "decide", About: f.ID, Vendor: name, Finding: f, Since: r.ProposedAt, Says: "recommended: " + r.Act, Command: "mailreeve findings decide " + f.ID})
		}
	}
	for i := range v.notices {
		if n := &v.notices[i]; owes[n.ID] != 0 {
			add(Task{What: "incident", About: n.ID, Notice: n.ID, Vendor: n.VendorName, Since: owes[n.ID],
				Says:    "it asked what kind of incident this is, to be answered by " + notifier.Stamp(owes[n.ID]) + ", and nobody answered: reach the vendor otherwise",
				Command: "mailreeve notices answer " + n.ID + " --kind incident --text …"})
		}
	}
	for _, f := range v.findings {
		if r := v.registry[f.App]; audit.IsOpen(f.Status) && errors.Is(v.telling(f), audit.ErrOwnQueue) {
			_, name := v.vendor(f.App)
			add(Task{What: "request", About: f.ID, Vendor: name, Finding: f, Since: r.Waiting, Says: "the app's request for approval waits for the platform's own decision: its vendor is not told before"})
		}
	}
	slices.SortFunc(list, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.What, b.What), cmp.Compare(a.About, b.About))
	})
	return list, nil
}

// tells is of how many findings a notice tells, and the severity of the worst; empty where none is kept any more.
func (v *view) tells(n *audit.Notice) (count int, worst audit.Severity) {
	rank := len(audit.Severities())
	for _, k := range n.About {
		if f := v.findings[k.Finding]; f != nil {
			rank = min(rank, slices.Index(audit.Severities(), f.Severity))
		}
	}
	if rank >= 0 && rank < len(audit.Severities()) {
		worst = audit.Severities()[rank]
	}
	return len(n.About), worst
}

// unanswered says whether anything that a notice was to tell is still to be told.
func (v *view) unanswered(n *audit.Notice) bool {
	return slices.ContainsFunc(n.About, func(k audit.FindingRef) bool {
		f, m := v.findings[k.Finding], v.matter[k.Finding]
		return f != nil && audit.IsOpen(f.Status) && (n.Kind != audit.FirstNotice || m == nil || m.ClosedAt != audit.Never)
	})
}
