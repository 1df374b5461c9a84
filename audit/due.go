package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sort"
)

// What a new fact, or the passing of time, makes due. Each function here is pure: from what changed to the days that it touches. In doubt it
// gives more days, never less; tests hold what comes of it against a slow reading that judges everything anew.

// A span is a stretch of days, both included.
type span struct{ from, to Day }

// none is a span without days.
var none = span{1<<31 - 1, -1 << 31}

func spanOf(from, to Instant) span {
	s := span{-1 << 31, 1<<31 - 1}
	if from != Ever {
		s.from = from.Day()
	}
	if to != Never {
		s.to = (to - 1).Day()
	}
	return s
}

var always = span{-1 << 31, 1<<31 - 1}

// dueDays collects what is due of one app: for each day the touches.
type dueDays struct {
	headers []DayHeader // of the days that have any fact
	purged  Day
	touched map[Day]map[Touch]bool
}

func (q *dueDays) day(d Day, t Touch) {
	if d < q.purged && d != StateDay {
		return
	}
	if q.touched[d] == nil {
		q.touched[d] = map[Touch]bool{}
	}
	q.touched[d][t] = true
}

// span touches the days of s that have any fact.
func (q *dueDays) span(s span, t Touch) {
	i := sort.Search(len(q.headers), func(i int) bool { return q.headers[i].Day >= s.from })
	for ; i < len(q.headers) && q.headers[i].Day <= s.to; i++ {
		q.day(q.headers[i].Day, t)
	}
}

// approvalSpans is where the approvals in force, the third parties that they allow, or the purposes that they name, differ between two states of an app's approvals.
func approvalSpans(before, after []Approval) []span {
	named := func(list []Approval) []string {
		var out []string
		for i := range list {
			out = append(out, list[i].Purposes...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if !slices.Equal(named(before), named(after)) {
		return []span{always}
	}
	edges := []Instant{Ever}
	for _, list := range [][]Approval{before, after} {
		for i := range list {
			from, to := list[i].Span()
			if from < to {
				edges = append(edges, from, to)
			}
		}
	}
	slices.Sort(edges)
	edges = append(slices.Compact(edges), Never)
	inForce := func(list []Approval, t Instant) (bool, []string) {
		var out []string
		any := false
		for i := range list {
			if list[i].InForce(t) {
				any = true
				out = append(out, list[i].Purposes...)
				for _, p := range list[i].ThirdParties {
					out = append(out, "\x00"+p) // no purpose
				}
			}
		}
		slices.Sort(out)
		return any, slices.Compact(out)
	}
	var out []span
	for i := 0; i+1 < len(edges); i++ {
		if edges[i] == edges[i+1] {
			continue
		}
		any1, p1 := inForce(before, edges[i])
		any2, p2 := inForce(after, edges[i])
		if any1 != any2 || !slices.Equal(p1, p2) {
			out = append(out, spanOf(edges[i], edges[i+1]))
		}
	}
	return out
}

// installSpan is where the app's state on a site may differ for an event at e that was not there, or whose time had not come, before: from it to the next
// active one after it, and, where nothing came before it, all that lies before. events are the site's, in order, e's among them.
func installSpan(events []Lifecycle, e *Lifecycle) span {
	from, to := Ever, Never
	for i := range events {
		x := &events[i]
		switch {
		case x.At < e.At:
			from = e.At
		case x.At > e.At && x.Event.Active():
			return spanOf(from, x.At)
		}
	}
	return spanOf(from, to)
}

// leavingSpan is where whether the app is installed anywhere may differ for an event.
func leavingSpan(events []Lifecycle, e *Lifecycle) span {
	if events[0].At == e.At {
		return always // the site was not among the app's before
	}
	return spanOf(e.At, Never)
}

// mergeApprovals is the app's approvals once a newer registry line lists listed: the line's own, and those that it no longer lists, which end at
// asOf. An approval is known by its request id, several of one id by their order.
func mergeApprovals(before, listed []Approval, asOf Instant) []Approval {
	now := map[approvalName]bool{}
	for _, n := range approvalNames(listed) {
		now[n] = true
	}
	var out []Approval
	for i, n := range approvalNames(before) {
		if !now[n] {
			a := before[i]
			if a.Dropped == 0 {
				a.Dropped = asOf
			}
			out = append(out, a)
		}
	}
	return append(out, KeepAccepted(before, listed)...)
}

// An approvalName is what an approval is known by: its request id, and its place among those of one id.
type approvalName struct {
	request string
	place   int
}

// approvalNames names approvals. Those that were dropped come after the others of their id, so that they take no other's name.
func approvalNames(list []Approval) []approvalName {
	seen := map[string]int{}
	out := make([]approvalName, len(list))
	for _, dropped := range []bool{false, true} {
		for i := range list {
			if id := list[i].RequestID; (list[i].Dropped != 0) == dropped {
				out[i] = approvalName{id, seen[id]}
				seen[id]++
			}
		}
	}
	return out
}

// sameJSON says whether two values are stored alike.
func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// unlisted is the digest of no registry line.
const unlisted = "-"

// entryDigest tells registry lines apart by all that they say.
func entryDigest(a *App) string {
	x := *a
	x.Source = Source{}
	text, err := json.Marshal(struct {
		App       *App
		Approvals []Approval
	}{&x, a.Approvals})
	if err != nil {
		return "" // differs from any
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// sameEntry says whether two registry entries say the same, wherever their lines stand.
func sameEntry(a, b *App) bool {
	x, y := *a, *b
	x.Source, y.Source = Source{}, Source{}
	return sameJSON(x, y)
}
