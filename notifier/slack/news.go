package slack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// MaxImmediate is how many messages of their own a night's new critical findings get in a channel; the digest has the others.
const MaxImmediate = 10

// ChartNights is how many nights a chart shows.
const ChartNights = 30

// memoryTime is how long what the store remembers is waited for.
const memoryTime = 30 * time.Second

// A Route sends what is about some findings to a channel. What is empty in it says nothing; case does not count for the vendor.
type Route struct {
	Severities []audit.Severity
	Check      string
	Vendor     string // its name, as findings show it
	App        string // its key
	Channel    string
}

func (r Route) fits(f *audit.Finding) bool {
	return (len(r.Severities) == 0 || slices.Contains(r.Severities, f.Severity)) && (r.Check == "" || r.Check == f.Check) &&
		(r.App == "" || r.App == f.App) && (r.Vendor == "" || strings.EqualFold(r.Vendor, f.Vendor))
}

// A Memory is what is known from before.
type Memory interface {
	Enqueuer
	// Standings gives where the findings of apps stand.
	Standings(ctx context.Context, apps []string) ([]audit.Standing, error)
	// Keyed gives the messages whose key begins with prefix, delivered or not.
	Keyed(ctx context.Context, prefix string) ([]audit.Message, error)
	// DueBy gives the findings that are open, acknowledged or in remediation and due at t or before.
	DueBy(ctx context.Context, t audit.Instant) ([]audit.Finding, error)
	// Finished gives the last n runs that finished, the newest first.
	Finished(ctx context.Context, n int) ([]audit.Run, error)
	// FinishedBetween gives the runs that finished and are as of a moment in [from, to).
	FinishedBetween(ctx context.Context, from, to audit.Instant) ([]audit.Run, error)
}

// A Teller composes what Slack is told. A night is a digest, and a chart in its thread. New critical findings get messages of their own, as far as MaxImmediate goes: the
// head of a thread, in the channel of the first route that fits the worst of an app and clause; or, where such a head is there and something under it is open, a
// reply in its thread that the channel is shown, too. A channel other than the digest's also gets a digest of what is routed there and was not told there. What changes
// later of findings under a head are replies to it, and it is updated. On a first run, and on a baseline, there is the digest only.
type Teller struct {
	Channel string // of digests, and of what no route fits
	Routes  []Route
	Look    Look
	Memory  Memory
	Zone    *time.Location // whose days are nights: what is as of one day is of one night; nil: UTC
}

// Compose is a notifier.Composer.
func (t *Teller) Compose(n notifier.News) ([]audit.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), memoryTime) // a Composer has none
	defer cancel()
	var out batch
	out.at = n.At
	var err error
	switch {
	case n.Result != nil:
		err = t.night(ctx, n.Result, &out)
	case len(n.Changes) > 0 && len(n.Trail) > 0:
		err = t.act(ctx, n, &out)
	}
	if err = errors.Join(err, out.err); err != nil {
		return nil, fmt.Errorf("what to tell Slack: %w", err)
	}
	return out.list, nil
}

// Digest is a night's, with what falls due.
func (t *Teller) Digest(ctx context.Context, r *audit.Result) (notifier.Digest, error) {
	d := notifier.Compose(r, t.Look.redact)
	due, err := t.Memory.DueBy(ctx, d.AsOf.Add(notifier.DueWithin))
	if err != nil {
		return d, err
	}
	// The night may not be filed yet: its findings are as it leaves them.
	now := map[string]*audit.Finding{}
	for i := range r.Changes {
		now[r.Changes[i].Finding.ID] = &r.Changes[i].Finding
	}
	for i := range due {
		if f := now[due[i].ID]; f != nil {
			due[i] = *f
		}
	}
	d.Due(due, t.Look.redact)
	return d, nil
}

func (t *Teller) night(ctx context.Context, r *audit.Result, out *batch) error {
	d, err := t.Digest(ctx, r)
	if err != nil {
		return err
	}
	if r.Run.ScheduledAt == audit.Never && !r.First && !d.Changed() {
		return nil
	}
	digest := "digest " + r.Run.ID
	out.add(digest, t.Channel, post(doPost, "", Render(d)))
	nights, err := t.nights(ctx, r.Run)
	if err != nil {
		return err
	}
	if len(nights) > 1 {
		out.add("slack chart "+r.Run.ID, t.Channel, body{Do: doChart, Of: digest, Nights: nights})
	}
	if r.First || r.Run.Baseline {
		return nil
	}
	n, err := t.thread(ctx, r)
	if err != nil {
		return err
	}
	told, err := t.immediate(ctx, r.Run, n, out)
	if err != nil {
		return err
	}
	t.shares(r, told, out)
	n.replies(t, r.Run.ID, out)
	return nil
}

// What a night has to tell that is not the digest.
type threads struct {
	fresh   []*fresh
	changes map[*head][]audit.Change // of what stands under a head
	again   map[*head][]string       // ids of findings that come under it from an older one
	touched map[*head]string         // heads that are to be updated, and one of their findings
	quiet   batch                    // replies that the channel is not shown
}

// What a night filed of one cause.
type fresh struct {
	cause
	list []audit.Finding // the worst first
	on   *head           // under which it comes; nil: there is none, or all under it is closed
}

// thread sorts out which of a night's changes belong under which heads.
func (t *Teller) thread(ctx context.Context, r *audit.Result) (*threads, error) {
	var apps []string
	for i := range r.Changes {
		if c := &r.Changes[i]; c.What != audit.Grew {
			apps = append(apps, c.Finding.App)
		}
	}
	slices.Sort(apps)
	standings, err := t.Memory.Standings(ctx, slices.Compact(apps))
	if err != nil {
		return nil, err
	}
	h, err := arrange(ctx, t.Memory, standings, r.Run.ID)
	if err != nil {
		return nil, err
	}
	open := map[*head]bool{} // before the night, or after it
	for _, x := range h.newest {
		open[x] = slices.ContainsFunc(x.under, func(s audit.Standing) bool { return audit.IsOpen(s.Status) })
	}
	n := &threads{changes: map[*head][]audit.Change{}, again: map[*head][]string{}, touched: map[*head]string{}}
	byCause := map[cause]*fresh{}
	for _, c := range r.Changes {
		f := &c.Finding
		k := cause{f.App, f.Clause}
		x := h.of[f.ID]
		switch {
		case c.What == audit.IsNew:
			if byCause[k] == nil {
				byCause[k] = &fresh{cause: k}
				n.fresh = append(n.fresh, byCause[k])
			}
			byCause[k].list = append(byCause[k].list, *f)
			continue
		case x == nil || c.What == audit.Grew:
			continue
		case audit.IsOpen(f.Status):
			if newest := h.newest[k]; x != newest {
				x = newest
				n.again[x] = append(n.again[x], f.ID)
			}
			open[x] = true
		}
		n.changes[x] = append(n.changes[x], c)
		n.touched[x] = f.ID
	}
	for _, a := range n.fresh {
		slices.SortFunc(a.list, func(a, b audit.Finding) int { return audit.WorstFirst(&a, &b) })
		if x := h.newest[a.cause]; x != nil && open[x] {
			a.on = x
			n.touched[x] = a.list[0].ID
		}
	}
	slices.SortFunc(n.fresh, func(a, b *fresh) int { return audit.WorstFirst(&a.list[0], &b.list[0]) })
	for x, list := range n.changes {
		slices.SortFunc(list, func(a, b audit.Change) int {
			return cmp.Or(cmp.Compare(a.What, b.What), audit.WorstFirst(&a.Finding, &b.Finding))
		})
		n.touched[x] = list[0].Finding.ID
		slices.Sort(n.again[x])
	}
	return n, nil
}

// immediate gives new critical findings messages of their own, the worst of each channel first. It returns the findings that the channel which they are routed to was told of.
func (t *Teller) immediate(ctx context.Context, run *audit.Run, n *threads, out *batch) (told map[string]bool, err error) {
	n.quiet.at = out.at
	channels := map[string][]*fresh{}
	for _, a := range n.fresh {
		switch critical := a.list[0].Severity == audit.Critical; {
		case critical && a.on != nil:
			channels[a.on.lane] = append(channels[a.on.lane], a)
		case critical:
			channel := t.channel(&a.list[0])
			channels[channel] = append(channels[channel], a)
		case a.on != nil:
			t.reply(run, a, false, "", &n.quiet)
		}
	}
	told = map[string]bool{}
	if len(channels) == 0 {
		return told, nil
	}
	used, err := t.used(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, channel := range slices.Sorted(maps.Keys(channels)) {
		list := channels[channel]
		most := min(len(list), max(0, MaxImmediate-used[channel]))
		rest := 0
		for _, a := range list[most:] {
			for i := range a.list {
				if a.list[i].Severity == audit.Critical {
					rest++
				}
			}
			if a.on != nil {
				t.reply(run, a, false, "", &n.quiet)
			}
		}
		for i, a := range list[:most] {
			note := ""
			if i == most-1 && rest > 0 {
				note = fmt.Sprintf("and %d more critical, in the digest", rest)
			}
			shown := 0
			if a.on != nil {
				shown = t.reply(run, a, true, note, out)
			} else {
				out.add(a.head(run.ID), channel, body{Do: doHead, Finding: a.list[0].ID, Text: note})
				_, shown = renderHead(a.list, t.Look, note)
			}
			for i := range a.list[:shown] {
				if f := &a.list[i]; t.channel(f) == channel {
					told[f.ID] = true
				}
			}
		}
	}
	return told, nil
}

// reply tells a thread of what a night filed that comes under its head, and says how many of them it names.
func (t *Teller) reply(run *audit.Run, a *fresh, broadcast bool, note string, out *batch) (shown int) {
	m, shown := renderNew(a.list, t.Look, note)
	b := post(doReply, a.on.key, m)
	b.Broadcast = broadcast
	out.add(newKey(run.ID, a.on.key), a.on.lane, b)
	return shown
}

// used is how many of a night's immediate messages earlier runs of it have used up, by channel.
func (t *Teller) used(ctx context.Context, run *audit.Run) (map[string]int, error) {
	at := run.AsOf.Time().In(cmp.Or(t.Zone, time.UTC))
	from := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, at.Location())
	runs, err := t.Memory.FinishedBetween(ctx, audit.At(from), audit.At(from.AddDate(0, 0, 1)))
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	for _, r := range runs {
		if order(r.ID, run.ID) >= 0 || r.Summary.Findings.New == 0 {
			continue
		}
		opened, err := t.Memory.Keyed(ctx, headKeys(r.ID))
		if err != nil {
			return nil, err
		}
		joined, err := t.Memory.Keyed(ctx, newKey(r.ID, ""))
		if err != nil {
			return nil, err
		}
		for _, m := range append(opened, joined...) {
			var b body
			if err := json.Unmarshal(m.Body, &b); err != nil {
				return nil, fmt.Errorf("message %s of the outbox cannot be read: %w", m.Key, err)
			}
			if b.Do == doHead || b.Broadcast {
				used[m.Lane]++
			}
		}
	}
	return used, nil
}

// shares gives other channels than the digest's a digest of what is routed there, but for what they were told of by messages of its own.
func (t *Teller) shares(r *audit.Result, told map[string]bool, out *batch) {
	parts := map[string][]audit.Change{}
	for _, c := range r.Changes {
		if channel := t.channel(&c.Finding); channel != t.Channel && !told[c.Finding.ID] {
			parts[channel] = append(parts[channel], c)
		}
	}
	for _, channel := range slices.Sorted(maps.Keys(parts)) {
		run := *r.Run
		run.Summary = audit.RunSummary{Trail: r.Run.Summary.Trail}
		d := notifier.Compose(&audit.Result{Run: &run, Changes: parts[channel]}, t.Look.redact)
		if d.Share = true; d.New.Total()+d.Reopened.Total()+d.Worsened.Total() > 0 {
			out.add("digest "+r.Run.ID+" "+channel, channel, post(doPost, "", Render(d)))
		}
	}
}

// replies tells threads what became of their findings, and updates their heads.
func (n *threads) replies(t *Teller, run string, out *batch) {
	out.list, out.err = append(out.list, n.quiet.list...), errors.Join(out.err, n.quiet.err)
	for _, x := range slices.SortedFunc(maps.Keys(n.touched), func(a, b *head) int { return cmp.Compare(a.key, b.key) }) {
		if list := n.changes[x]; len(list) > 0 {
			out.add("slack reply "+run+" "+x.key, x.lane, post(doReply, x.key, renderNight(list, t.Look)))
		}
		for _, id := range n.again[x] {
			out.add(againKey(id, x.key), x.lane, body{Do: doUpdate, Of: x.key, Finding: id})
		}
		out.add("slack update "+run+" "+x.key, x.lane, body{Do: doUpdate, Of: x.key, Finding: n.touched[x]})
	}
}

// act tells a thread what a person did.
func (t *Teller) act(ctx context.Context, n notifier.News, out *batch) error {
	f := &n.Changes[0].Finding
	standings, err := t.Memory.Standings(ctx, []string{f.App})
	if err != nil {
		return err
	}
	h, err := arrange(ctx, t.Memory, slices.DeleteFunc(standings, func(s audit.Standing) bool { return s.Clause != f.Clause }), "")
	if err != nil {
		return err
	}
	x := h.of[f.ID]
	if x == nil {
		return nil
	}
	trail, err := json.Marshal(n.Trail)
	if err != nil {
		return err
	}
	what := f.ID + " " + short(string(trail))
	if newest := h.newest[cause{f.App, f.Clause}]; x != newest && audit.IsOpen(f.Status) {
		x = newest
		out.add(againKey(f.ID, x.key), x.lane, body{Do: doUpdate, Of: x.key, Finding: f.ID})
	}
	out.add("slack reply "+what, x.lane, post(doReply, x.key, renderAct(f, n.Trail, t.Look)))
	out.add("slack update "+what, x.lane, body{Do: doUpdate, Of: x.key, Finding: f.ID})
	return nil
}

// channel is where a finding belongs.
func (t *Teller) channel(f *audit.Finding) string {
	for _, r := range t.Routes {
		if r.fits(f) {
			return r.Channel
		}
	}
	return t.Channel
}

// nights are what a chart shows, the last one being run, which may not be filed yet.
func (t *Teller) nights(ctx context.Context, run *audit.Run) ([]Night, error) {
	runs, err := t.Memory.Finished(ctx, ChartNights)
	if err != nil {
		return nil, err
	}
	runs = slices.DeleteFunc(runs, func(r audit.Run) bool { return r.ID == run.ID })
	slices.SortFunc(runs, func(a, b audit.Run) int { return cmp.Compare(a.AsOf, b.AsOf) })
	runs = append(runs, *run)
	var out []Night
	for _, r := range runs[max(0, len(runs)-ChartNights):] {
		n := r.Summary.Findings
		out = append(out, Night{AsOf: r.AsOf, New: n.New + n.Reopened, Closed: n.Resolved + n.Withdrawn, Open: n.Open})
	}
	return out, nil
}

func short(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}

// A batch is messages that are composed.
type batch struct {
	at   audit.Instant
	list []audit.Message
	err  error
}

func (b *batch) add(key, channel string, what body) {
	what.Channel = channel
	m, err := what.enqueue(key, b.at)
	b.list, b.err = append(b.list, m), errors.Join(b.err, err)
}
