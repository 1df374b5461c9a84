package slack

import (
	"cmp"
	"context"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// A cause is what findings have in common that stand under one head: their app and clause.
type cause struct{ app, clause string }

// head is the key of the head that a run opened for a cause.
func (c cause) head(run string) string { return headKeys(run) + short(c.app+"\x00"+c.clause) }

// headKeys is what the keys of the heads that a run opened begin with.
func headKeys(run string) string { return "slack finding " + run + " " }

// newKey is the key of the reply by which what a run filed came under a head, againKey that of the update by which a finding of an older head did.
func newKey(run, head string) string       { return "slack new " + run + " " + head }
func againKey(finding, head string) string { return "slack again " + finding + " " + head }

// A head is one that is in the outbox, delivered or not.
type head struct {
	key, lane string
	run       string // that opened it
	under     []audit.Standing
}

// Heads are those of some causes. A cause may have had several, one after another: the newest is the one that counts. What stands under an older one is closed,
// for what is opened again comes under the newest.
type heads struct {
	newest map[cause]*head
	of     map[string]*head // by a finding's id
}

// An Enqueuer knows what was enqueued.
type Enqueuer interface {
	// Enqueued gives the lanes of those messages that are in the outbox already, delivered or not, by key.
	Enqueued(ctx context.Context, keys []string) (map[string]string, error)
}

// arrange finds out which findings stand under which heads, given all of their causes. What stands there is in the outbox, by keys of which each is written
// once: the head, for what the same run filed; a reply, for what a later run filed; an update, for what an older head had. Heads of the run besides are left out.
func arrange(ctx context.Context, e Enqueuer, list []audit.Standing, besides string) (*heads, error) {
	causes := map[cause]map[string]bool{} // the runs that filed something
	var keys []string
	for _, s := range list {
		c := cause{s.App, s.Clause}
		if causes[c] == nil {
			causes[c] = map[string]bool{}
		}
		if !causes[c][s.FirstRun] && s.FirstRun != besides {
			causes[c][s.FirstRun] = true
			keys = append(keys, c.head(s.FirstRun))
		}
	}
	lanes, err := e.Enqueued(ctx, keys)
	if err != nil {
		return nil, err
	}
	all := map[cause][]*head{} // the newest first
	h := &heads{newest: map[cause]*head{}, of: map[string]*head{}}
	for c, runs := range causes {
		for run := range runs {
			if lane, ok := lanes[c.head(run)]; ok {
				all[c] = append(all[c], &head{key: c.head(run), lane: lane, run: run})
			}
		}
		if len(all[c]) > 0 {
			slices.SortFunc(all[c], func(a, b *head) int { return order(b.run, a.run) })
			h.newest[c] = all[c][0]
		}
	}
	keys = nil
	for _, s := range list {
		for _, x := range all[cause{s.App, s.Clause}] {
			keys = append(keys, x.has(s))
		}
	}
	slices.Sort(keys)
	if lanes, err = e.Enqueued(ctx, slices.Compact(keys)); err != nil {
		return nil, err
	}
	for _, s := range list {
		for _, x := range all[cause{s.App, s.Clause}] {
			if _, ok := lanes[x.has(s)]; ok {
				h.of[s.ID], x.under = x, append(x.under, s)
				break
			}
		}
	}
	return h, nil
}

// has is the key of the message that is there if a finding has come under the head.
func (h *head) has(s audit.Standing) string {
	switch order(s.FirstRun, h.run) {
	case 0:
		return h.key
	case 1:
		return newKey(s.FirstRun, h.key)
	}
	return againKey(s.ID, h.key)
}

// order tells which of two runs came first.
func order(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

func standing(f *audit.Finding) audit.Standing {
	return audit.Standing{ID: f.ID, App: f.App, Clause: f.Clause, Status: f.Status, FirstRun: f.FirstRun}
}

// Findings is where heads come from.
type Findings interface {
	Enqueuer
	// Alike gives the findings of the same app and clause as the one of an id, that one among them. None: it is kept no longer.
	Alike(ctx context.Context, id string) ([]audit.Finding, error)
}

// under gives the findings that stand under the head of a key, which is about the one of an id; where no key is given, those that stand under the same head as that one. Where that has no
// head (any more), it is those that the same run filed.
func under(ctx context.Context, from Findings, key, id string) ([]audit.Finding, error) {
	list, err := from.Alike(ctx, id)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	standings := make([]audit.Standing, len(list))
	for i := range list {
		standings[i] = standing(&list[i])
	}
	h, err := arrange(ctx, from, standings, "")
	if err != nil {
		return nil, err
	}
	run := ""
	if i := slices.IndexFunc(list, func(f audit.Finding) bool { return f.ID == id }); key == "" && i >= 0 {
		if of := h.of[id]; of != nil {
			key = of.key
		} else {
			run = list[i].FirstRun
		}
	}
	return slices.DeleteFunc(list, func(f audit.Finding) bool {
		of := h.of[f.ID]
		return of == nil && f.FirstRun != run || of != nil && of.key != key
	}), nil
}
