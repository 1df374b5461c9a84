package audit

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// AppendTo appends the encoding of a to p; ReadAnswers reads it back.
func (a *Answers) AppendTo(p []byte) []byte {
	p = a.Accounts.AppendTo(p)
	for i, closed := range a.Closed {
		p = binary.AppendVarint(p, int64(closed))
		p = binary.AppendUvarint(p, uint64(len(a.Updated[i])))
		for _, u := range a.Updated[i] {
			p = binary.AppendVarint(p, int64(u.At))
			p = binary.AppendVarint(p, int64(u.Retrieved))
		}
	}
	return p
}

// ReadAnswers reads answers as AppendTo wrote them. No bytes are no answers.
func ReadAnswers(p []byte) (Answers, error) {
	var a Answers
	if len(p) == 0 {
		return a, nil
	}
	ids, p, err := ReadIDs(p)
	if err != nil {
		return a, fmt.Errorf("the answers: %w", err)
	}
	bad := false
	number := func() Instant {
		n, w := binary.Varint(p)
		if w <= 0 {
			bad, p = true, nil
			return 0
		}
		p = p[w:]
		return Instant(n)
	}
	a.Accounts = ids
	a.Closed = make([]Instant, ids.Len())
	a.Updated = make([][]Update, ids.Len())
	for i := range a.Closed {
		a.Closed[i] = number()
		n, w := binary.Uvarint(p)
		if w <= 0 || n > uint64(len(p)) {
			bad = true
			break
		}
		p = p[w:]
		for range n {
			a.Updated[i] = append(a.Updated[i], Update{number(), number()})
		}
	}
	if bad || len(p) > 0 {
		return Answers{}, fmt.Errorf("the answers: cut off or damaged")
	}
	return a, nil
}

// answerChange is what new facts did to an account's answers.
type answerChange struct {
	account string
	// closed: the first `closed` moved from one instant to an earlier one.
	closedBefore, closedNow Instant
	// updated: reports after from, up to to, may be judged otherwise.
	updated []span
}

// learn is the answers with those of fresh reports and the retrievals of fresh calls, both new facts; what changed by them. It changes
// nothing in a. callDays are the days that have any calls, and calls reads one.
func (a *Answers) learn(reports []*ReportDay, fresh []*CallDay, callDays []Day, calls func(Day) (*CallDay, error)) (Answers, []answerChange, error) {
	type entry struct {
		closed  Instant
		updates []Update
	}
	changed := map[string]*entry{}
	get := func(id string) *entry {
		if e := changed[id]; e != nil {
			return e
		}
		e := &entry{closed: Never}
		if i, ok := a.Accounts.Index(id); ok {
			e.closed = a.Closed[i]
			e.updates = slices.Clone(a.Updated[i])
		}
		changed[id] = e
		return e
	}
	// New answers.
	unretrieved := map[string][]Instant{} // new `updated` whose first retrieval has to be found
	first := Day(1<<31 - 1)
	for _, d := range reports {
		for i := range d.Reports {
			r := &d.Reports[i]
			if !r.Counts() {
				continue
			}
			for _, x := range r.Answers {
				e := get(d.Accounts.At(int(x.Account)))
				if x.Closed {
					e.closed = min(e.closed, r.At)
					continue
				}
				at, known := slices.BinarySearchFunc(e.updates, r.At, func(u Update, t Instant) int { return compareInstants(u.At, t) })
				if !known {
					e.updates = slices.Insert(e.updates, at, Update{At: r.At, Retrieved: Never})
					id := d.Accounts.At(int(x.Account))
					unretrieved[id] = append(unretrieved[id], r.At)
					first = min(first, r.At.Day())
				}
			}
		}
	}
	// Retrievals: those among fresh calls for the answers known before, those of all days for new answers.
	see := func(d *CallDay, wanted func(id string) *entry) {
		var entries []*entry
		var ordinals = map[uint32]int{}
		d.Accounts.Match(a.Accounts, func(i, _ int) {
			if e := wanted(d.Accounts.At(i)); e != nil {
				ordinals[uint32(i)] = len(entries)
				entries = append(entries, e)
			}
		})
		for id := range unretrieved {
			if i, ok := d.Accounts.Index(id); ok {
				if _, done := ordinals[uint32(i)]; !done {
					ordinals[uint32(i)] = len(entries)
					entries = append(entries, get(id))
				}
			}
		}
		if len(entries) == 0 {
			return
		}
		for i := range d.Calls {
			c := &d.Calls[i]
			if c.Status != 200 {
				continue
			}
			for _, x := range c.Accounts {
				if n, ok := ordinals[x]; ok {
					for k := range entries[n].updates {
						if u := &entries[n].updates[k]; u.At < c.At && c.At < u.Retrieved {
							u.Retrieved = c.At
						}
					}
				}
			}
		}
	}
	for _, d := range fresh {
		see(d, func(id string) *entry {
			if i, ok := a.Accounts.Index(id); ok && len(a.Updated[i]) > 0 {
				return get(id)
			}
			return nil
		})
	}
	if len(unretrieved) > 0 {
		for _, day := range callDays {
			if day < first {
				continue
			}
			d, err := calls(day)
			if err != nil {
				return Answers{}, nil, err
			}
			see(d, func(id string) *entry {
				if _, ok := unretrieved[id]; ok {
					return get(id)
				}
				return nil
			})
		}
	}

	var changes []answerChange
	for id, e := range changed {
		c := answerChange{account: id, closedBefore: Never, closedNow: e.closed}
		var before []Update
		if i, ok := a.Accounts.Index(id); ok {
			c.closedBefore = a.Closed[i]
			before = a.Updated[i]
		}
		c.updated = updateSpans(before, e.updates)
		if c.closedNow != c.closedBefore || len(c.updated) > 0 || !slices.Equal(before, e.updates) {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return *a, nil, nil
	}
	slices.SortFunc(changes, func(x, y answerChange) int { return compareStrings(x.account, y.account) })
	ids := make([]string, len(changes))
	for i := range changes {
		ids[i] = changes[i].account
	}
	out := Answers{Accounts: Union(a.Accounts, NewIDs(ids...))}
	out.Closed = make([]Instant, out.Accounts.Len())
	out.Updated = make([][]Update, out.Accounts.Len())
	out.Accounts.Match(a.Accounts, func(i, j int) { out.Closed[i], out.Updated[i] = a.Closed[j], a.Updated[j] })
	for _, id := range ids {
		i, _ := out.Accounts.Index(id)
		out.Closed[i], out.Updated[i] = changed[id].closed, changed[id].updates
	}
	return out, changes, nil
}

// updateSpans is the days whose reports may be judged otherwise: from the first answer or retrieval that differs on.
func updateSpans(before, after []Update) []span {
	from := Never
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && before[i].At < after[j].At:
			from = min(from, before[i].At)
			i++
		case i == len(before) || after[j].At < before[i].At:
			from = min(from, after[j].At)
			j++
		default:
			if before[i].Retrieved != after[j].Retrieved {
				from = min(from, before[i].Retrieved, after[j].Retrieved)
			}
			i, j = i+1, j+1
		}
	}
	if from == Never {
		return nil
	}
	return []span{spanOf(from, Never)}
}

func compareInstants(a, b Instant) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
