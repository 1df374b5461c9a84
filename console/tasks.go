package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// An Outbox is what people do about messages that cannot be delivered. Retry and GiveUp say who wanted it in the trail; [store.ErrNotFound],
// [store.ErrInFlight] or [audit.ErrChanged] where it is not possible.
type Outbox interface {
	// Undelivered are the tasks that they make.
	Undelivered(ctx context.Context) ([]notices.Task, error)
	// Retry lets a message be tried again at once.
	Retry(ctx context.Context, message, by string) error
	// GiveUp lets it not be delivered any more.
	GiveUp(ctx context.Context, message, by, why string) error
}

// shownTasks is how many tasks a list shows.
const shownTasks = 100

// tasksPage is what waits for a person.
type tasksPage struct {
	frame
	What    string // all that is shown; empty: any
	Tabs    []tab
	List    []taskRow // the oldest first
	More    int       // that are not shown
	Advices []string  // what can be recommended
	MaxDays int       // of an extension
}

// A taskRow is a task in the list.
type taskRow struct{ notices.Task }

// URL is what the task is about.
func (t taskRow) URL() string {
	switch {
	case t.Finding != nil:
		return "/findings/" + t.Finding.ID
	case t.Notice != "":
		return "/notices/" + t.Notice
	case t.What == "release":
		return "/findings?status=all&run=" + t.About
	}
	return ""
}

// Name is what the task is about, for people: the finding, the vendor, or how it is called.
func (t taskRow) Name() string {
	if t.Finding != nil {
		return t.Finding.Title
	}
	return cmp.Or(t.Vendor, t.About)
}

// openTasks are what waits for a person. The list is made once for each change of the store; an hour later anew, for what is due by the clock.
func (c *Console) openTasks(ctx context.Context) ([]notices.Task, error) {
	run, _, err := c.asOf(ctx)
	if err != nil {
		return nil, err
	}
	head, err := c.Store.Head(ctx)
	if err != nil {
		return nil, err
	}
	of := tasksOf{run: run, seq: head.Seq, hour: c.Clock().Unix() / int64(time.Hour/time.Second)}
	list, err := c.waiting.get(of, func() ([]notices.Task, error) { return c.Desk.Tasks(ctx) })
	if err != nil {
		return nil, err
	}
	stuck, err := c.Outbox.Undelivered(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.Concat(list, stuck)
	slices.SortStableFunc(list, func(a, b notices.Task) int { return cmp.Compare(a.Since, b.Since) })
	return list, nil
}

// taskKinds are what tasks ask for, and what they are called.
func taskKinds() []navItem {
	return []navItem{{"release", "Release"}, {"approve", "Approve"}, {"dispute", "Disputes"}, {"extension", "More time"}, {"decide", "Decide"}, {"overdue", "Overdue"}, {"incident", "Incidents"},
		{"resolve", "Resolve"}, {"dismiss", "Dismiss"}, {"contact", "No contact"}, {"bounced", "Bounced"}, {"request", "Requests"}, {"undelivered", "Undelivered"}}
}

func (c *Console) tasks(w http.ResponseWriter, r *http.Request, u person) error {
	list, err := c.openTasks(r.Context())
	if err != nil {
		return err
	}
	p := &tasksPage{What: r.URL.Query().Get("what"), Advices: audit.RecommendedActs(), MaxDays: int(c.Policy.Ladder.ExtensionMax / (24 * time.Hour))}
	n := map[string]int{}
	for _, t := range list {
		n[t.What]++
		switch {
		case p.What != "" && t.What != p.What:
		case len(p.List) < shownTasks:
			p.List = append(p.List, taskRow{t})
		default:
			p.More++
		}
	}
	p.Tabs = []tab{{Name: "All", URL: "/tasks", N: len(list), Here: p.What == ""}}
	known := p.What == ""
	for _, k := range taskKinds() {
		known = known || k.Path == p.What
		if n[k.Path] > 0 || k.Path == p.What {
			p.Tabs = append(p.Tabs, tab{Name: k.Name, URL: "/tasks?what=" + k.Path, N: n[k.Path], Here: k.Path == p.What})
		}
	}
	if !known {
		return wrong("No task is " + clip(p.What, 40) + ".")
	}
	c.render(w, r, u, http.StatusOK, "tasks", p)
	return nil
}

// actOnMessage lets a message be tried again, or gives it up.
func (c *Console) actOnMessage(w http.ResponseWriter, r *http.Request, u person) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	message, why := clip(r.PathValue("id"), 40), address.Redact(clip(strings.TrimSpace(r.PostForm.Get("reason")), maxReason))
	var f flash
	var err error
	switch do := r.PostForm.Get("do"); {
	case do == "retry":
		f.Said = message + " is tried again at once."
		err = c.Outbox.Retry(r.Context(), message, u.Who)
	case do != "give-up":
		return wrong("Nobody can do that to a message.")
	case why == "":
		f.Refused = []string{"Say why the message is given up."}
	default:
		f.Said = message + " is given up."
		err = c.Outbox.GiveUp(r.Context(), message, u.Who, why)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrInFlight), errors.Is(err, audit.ErrChanged):
		f = flash{Refused: []string{address.Redact(err.Error())}}
	case err != nil:
		return err
	}
	c.setFlash(w, f)
	http.Redirect(w, r, backTo(r, "/tasks"), http.StatusSeeOther)
	return nil
}

// keptTasks takes longer to make than a page may: it is kept until what it is of has changed.
type keptTasks struct {
	mu   sync.Mutex
	of   tasksOf
	list []notices.Task
}

// tasksOf is what a list of tasks was made of. The zero value is of none.
type tasksOf struct {
	run  string // the latest; empty: there was none yet
	seq  int64  // of the trail's last entry
	hour int64  // since 1970
}

// get gives the list of tasks. Before the first run it is made each time.
func (k *keptTasks) get(of tasksOf, make func() ([]notices.Task, error)) ([]notices.Task, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if of.run != "" && of == k.of {
		return k.list, nil
	}
	list, err := make()
	if err == nil {
		k.of, k.list = of, list
	}
	return list, err
}
