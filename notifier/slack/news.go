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
	// Enqueued gives the lanes of those messages that are in the outbox already, by key.
	Enqueued(ctx context.Context, keys []string) (map[string]string, error)
	// DueBy gives the findings that are open, acknowledged or in remediation and due at t or before.
	DueBy(ctx context.Context, t audit.Instant) ([]audit.Finding, error)
	// Finished gives the last n runs that finished, the newest first.
	Finished(ctx context.Context, n int) ([]audit.Run, error)
}

// A Teller composes what Slack is told. A night is a digest, and a chart in its thread; each thread of new critical findings has a head of its own in the
// channel of the first route that fits the worst of them, as far as MaxImmediate goes. A channel other than the digest's also gets a digest of what is
// routed there and has no head. What changes later of findings that have a head are replies to it, and it is updated. On a first run, and on a baseline, there is the digest only.
type Teller struct {
	Channel string // of digests, and of what no route fits
	Routes  []Route
	Look    Look
	Memory  Memory
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
	headed := t.heads(r, out)
	t.shares(r, headed, out)
	return t.replies(ctx, r, out)
}

// heads gives new critical findings messages of their own. It returns the findings that have one.
func (t *Teller) heads(r *audit.Result, out *batch) map[string]bool {
	threads := map[thread][]*audit.Finding{}
	for i := range r.Changes {
		if c := &r.Changes[i]; c.What == audit.IsNew {
			threads[threadOf(&c.Finding)] = append(threads[threadOf(&c.Finding)], &c.Finding)
		}
	}
	type head struct {
		worst *audit.Finding
		list  []*audit.Finding
	}
	channels := map[string][]head{}
	for _, list := range threads {
		worst := slices.MinFunc(list, worstFirst)
		if worst.Severity == audit.Critical {
			c := t.channel(worst)
			channels[c] = append(channels[c], head{worst, list})
		}
	}
	headed := map[string]bool{}
	for _, channel := range slices.Sorted(maps.Keys(channels)) {
		heads := channels[channel]
		slices.SortFunc(heads, func(a, b head) int { return worstFirst(a.worst, b.worst) })
		rest := 0
		for _, h := range heads[min(len(heads), MaxImmediate):] {
			for _, f := range h.list {
				if f.Severity == audit.Critical {
					rest++
				}
			}
		}
		for i, h := range heads[:min(len(heads), MaxImmediate)] {
			b := body{Do: doHead, Finding: h.worst.ID}
			if i == MaxImmediate-1 && rest > 0 {
				b.Text = fmt.Sprintf("and %d more critical, in the digest", rest)
			}
			out.add(headKey(h.worst), channel, b)
			for _, f := range h.list {
				headed[f.ID] = true
			}
		}
	}
	return headed
}

// shares gives other channels than the digest's a digest of what is routed there and has no message of its own.
func (t *Teller) shares(r *audit.Result, headed map[string]bool, out *batch) {
	parts := map[string][]audit.Change{}
	for _, c := range r.Changes {
		if channel := t.channel(&c.Finding); channel != t.Channel && !headed[c.Finding.ID] {
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
func (t *Teller) replies(ctx context.Context, r *audit.Result, out *batch) error {
	changed := map[string][]audit.Change{}
	for _, c := range r.Changes {
		switch c.What {
		case audit.IsReopened, audit.IsWorsened, audit.IsResolved, audit.IsWithdrawn:
			changed[headKey(&c.Finding)] = append(changed[headKey(&c.Finding)], c)
		}
	}
	keys := slices.Sorted(maps.Keys(changed))
	lanes, err := t.Memory.Enqueued(ctx, keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if lane, ok := lanes[k]; ok {
			out.add("slack reply "+r.Run.ID+" "+k, lane, post(doReply, k, renderNight(changed[k], t.Look)))
			out.add("slack update "+r.Run.ID+" "+k, lane, body{Do: doUpdate, Of: k, Finding: changed[k][0].Finding.ID})
		}
	}
	return nil
}

// act tells a thread what a person did.
func (t *Teller) act(ctx context.Context, n notifier.News, out *batch) error {
	f := &n.Changes[0].Finding
	k := headKey(f)
	lanes, err := t.Memory.Enqueued(ctx, []string{k})
	if err != nil {
		return err
	}
	lane, ok := lanes[k]
	if !ok {
		return nil
	}
	trail, err := json.Marshal(n.Trail)
	if err != nil {
		return err
	}
	what := f.ID + " " + short(string(trail))
	out.add("slack reply "+what, lane, post(doReply, k, renderAct(f, n.Trail, t.Look)))
	out.add("slack update "+what, lane, body{Do: doUpdate, Of: k, Finding: f.ID})
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

// headKey is the key of the head under which a finding stands, if it has one.
func headKey(f *audit.Finding) string {
	th := threadOf(f)
	return "slack finding " + th.run + " " + short(th.app+"\x00"+th.clause)
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
