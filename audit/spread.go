package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A night is done in parts that any process can do which sees the store, the archive and the files: errands, which read a file each, and shards, which
// examine some apps each. A part is words in, words out, and may be done twice; the process that holds the night's lock takes one answer for each and
// goes on as if it had done all of it.

// A Spread has parts of a night done by whoever is there to do them.
type Spread interface {
	// Hands is how many parts can be done at one time, on all machines. Fewer than two: there is nothing to spread over.
	Hands(ctx context.Context) (int, error)
	// Do has parts done and gives their answers in order; done is told which one was. What nobody else can do is done by here.
	Do(ctx context.Context, run int64, parts []Part, done func(i int), here func(ctx context.Context, p Part) ([]byte, error)) ([][]byte, error)
}

// A Part of a night.
type Part struct {
	Kind PartKind
	Body []byte // JSON
}

// PartKind tells what is to be done.
type PartKind string

// The kinds of parts.
const (
	Segment PartKind = "segment" // read a file of calls or reports into a spool
	Examine PartKind = "examine" // seal and judge a shard of apps
)

// shardsPerHand is how many shards there are for each hand: more of them even out what one takes longer for, each is a segment file of the archive.
const shardsPerHand = 3

// ErrAnotherArchive is Do's where what it wrote would be in an archive that the night does not have.
var ErrAnotherArchive = errors.New("this worker's archive is another folder than the night's: see that what archive: names is mounted here, and the same everywhere")

// Do does a part of the run that has the number, for another process.
func (n *Night) Do(ctx context.Context, run int64, p Part) ([]byte, error) {
	var by struct {
		Version string `json:"version"`
		Archive string `json:"archive"`
	}
	if err := json.Unmarshal(p.Body, &by); err != nil {
		return nil, err
	}
	if by.Version != n.Version {
		return nil, fmt.Errorf("the night is run by mailreeve %s, and this is %s: have all machines run the same version", by.Version, n.Version)
	}
	if by.Archive != n.Archive.ID() {
		return nil, ErrAnotherArchive
	}
	return n.part(ctx, run, p, false)
}

// Undo removes what doing a part has left for others, when nobody takes its answer. What is left of it, the next night's sweep removes.
func (n *Night) Undo(p Part, answer []byte) {
	var d errandDone
	if p.Kind == Segment && json.Unmarshal(answer, &d) == nil {
		n.Archive.Drop([]Spool{d.Spool})
	}
}

// part does a part; here: in the process that runs the night.
func (n *Night) part(ctx context.Context, run int64, p Part, here bool) ([]byte, error) {
	switch p.Kind {
	case Segment:
		return n.segment(ctx, run, p.Body, here)
	case Examine:
		return n.shard(ctx, run, p.Body)
	}
	return nil, fmt.Errorf("a part of kind %q is not known here", p.Kind)
}

// errand is the body of a Segment.
type errand struct {
	Version string          `json:"version"`
	Archive string          `json:"archive"`
	Purged  Day             `json:"purged"`
	Errand  json.RawMessage `json:"errand"` // the sources' own
}

type errandDone struct {
	Answer json.RawMessage `json:"answer"`
	Spool  Spool           `json:"spool"`
}

// segment reads a file.
func (n *Night) segment(ctx context.Context, run int64, body []byte, here bool) ([]byte, error) {
	var e errand
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	forgotten, err := n.Store.Forgotten(ctx) // nobody is while a night runs
	if err != nil {
		return nil, err
	}
	in, err := n.Archive.NewErrand(run, e.Purged, intakeLimit/int64(n.Hands()), forgotten)
	if err != nil {
		return nil, err
	}
	var out errandDone
	out.Answer, out.Spool.Chunks, err = n.Sources.Errand(ctx, e.Errand, in, forgotten, here)
	if err == nil && len(out.Spool.Chunks) > 0 {
		out.Spool, err = in.Spool(out.Spool.Chunks)
	} else {
		err = cmp.Or(err, in.Abort())
	}
	if err != nil {
		in.Abort()
		return nil, err
	}
	return json.Marshal(out)
}

// elsewhere has errands done, and keeps their spools.
func (r *running) elsewhere(ctx context.Context, errands [][]byte, done func(i int)) ([][]byte, error) {
	parts := make([]Part, len(errands))
	for i, e := range errands {
		body, err := json.Marshal(errand{r.Version, r.Archive.ID(), r.led.Purged, e})
		if err != nil {
			return nil, err
		}
		parts[i] = Part{Segment, body}
	}
	results, err := r.Spread.Do(ctx, r.run.Seq, parts, done, r.here)
	if err != nil {
		return nil, err
	}
	answers := make([][]byte, len(results))
	for i, text := range results {
		var d errandDone
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, err
		}
		answers[i] = d.Answer
		r.spools = append(r.spools, d.Spool)
	}
	return answers, nil
}

func (r *running) here(ctx context.Context, p Part) ([]byte, error) {
	return r.part(ctx, r.run.Seq, p, true)
}

// shard is the body of an Examine: the apps, and what the examinations of all apps share.
type shard struct {
	Version  string            `json:"version"`
	Archive  string            `json:"archive"`
	AsOf     Instant           `json:"as_of"`
	Prev     Instant           `json:"prev"`
	First    bool              `json:"first"`
	Purged   Day               `json:"purged"`
	Rules    RulesTimeline     `json:"rules"`
	All      []Incident        `json:"incidents"`
	New      []Incident        `json:"new_incidents"`
	CanLook  map[string]bool   `json:"can_look"`
	Unset    map[string]bool   `json:"unset"`
	Canaries Canaries          `json:"canaries"`
	Files    map[uint32][]byte `json:"files"` // their names, which may be no UTF-8

	Works  []sentWork `json:"works"`
	Spools []Spool    `json:"spools"`
}

// sentWork is a work as it is sent.
type sentWork struct {
	Key       string          `json:"key"`
	Calls     []Day           `json:"calls,omitempty"`
	Reports   []Day           `json:"reports,omitempty"`
	Events    []Lifecycle     `json:"events,omitempty"`
	Observed  []sentObserved  `json:"observed,omitempty"`
	Examined  []sentObserved  `json:"examined,omitempty"`
	Seeded    bool            `json:"seeded,omitempty"`
	Due       []Due           `json:"due,omitempty"`
	Passed    map[Touch][]Day `json:"passed,omitempty"`
	Registry  bool            `json:"registry,omitempty"`
	States    bool            `json:"states,omitempty"`
	Suspended bool            `json:"suspended,omitempty"`
	EntryWas  string          `json:"entry_was,omitempty"`
	Listed    bool            `json:"listed,omitempty"`
	Entry     *sentApp        `json:"entry,omitempty"`
}

// sentObserved is an observation with what it keeps out of its JSON.
type sentObserved struct {
	Observation
	Kind     Kind
	ID       ObservationID
	At       Instant
	App      string
	Source   Source
	Examined bool
}

func sendObserved(list []Observation) []sentObserved {
	out := make([]sentObserved, len(list))
	for i, o := range list {
		out[i] = sentObserved{o, o.Kind, o.ID, o.At, o.App, o.Source, o.Examined}
	}
	return out
}

func receiveObserved(list []sentObserved) []Observation {
	var out []Observation
	for _, s := range list {
		o := s.Observation
		o.Kind, o.ID, o.At, o.App, o.Source, o.Examined = s.Kind, s.ID, s.At, s.App, s.Source, s.Examined
		out = append(out, o)
	}
	return out
}

// sentApp is a registry entry with what it keeps out of its JSON.
type sentApp struct {
	App
	Approvals []Approval
	Source    Source
}

func sendApp(a *App) *sentApp {
	if a == nil {
		return nil
	}
	return &sentApp{*a, a.Approvals, a.Source}
}

func (s *sentApp) receive() *App {
	if s == nil {
		return nil
	}
	a := s.App
	a.Approvals, a.Source = s.Approvals, s.Source
	return &a
}

// shardDone is what examining a shard gave.
type shardDone struct {
	Counts counts       `json:"counts"`
	Notes  []string     `json:"notes"`
	Apps   []sentResult `json:"apps"`
}

// sentResult is an appResult as it is sent.
type sentResult struct {
	AppUpdate
	Observations []sentObserved // in place of the update's
	Headers      []sentHeader
	Version      *sentVersion

	Name      string      `json:"name"`
	Vendor    string      `json:"vendor"`
	Suspended bool        `json:"suspended"`
	Deltas    []sentDelta `json:"deltas"`
}

type sentHeader struct {
	DayHeader
	Day Day
}

type sentVersion struct {
	From Instant  `json:"from"`
	App  *sentApp `json:"app"`
}

type sentDelta struct {
	Check         string            `json:"check"` // its key
	Subject       string            `json:"subject"`
	Put           []Contribution    `json:"put"`
	Remove        []ContributionKey `json:"remove"`
	Fresh         int               `json:"fresh"`
	FreshAccounts IDs               `json:"fresh_accounts"`
	Gone          int               `json:"gone"`
	Causes        []string          `json:"causes"`
}

// spreadOut has the apps examined in shards.
func (r *running) spreadOut(works []*work, records map[string]int, hands int) error {
	shards := r.shards(works, records, hands*shardsPerHand)
	parts := make([]Part, len(shards))
	for i := range shards {
		body, err := json.Marshal(&shards[i])
		if err != nil {
			return err
		}
		parts[i] = Part{Examine, body}
	}
	finished := 0
	results, err := r.Spread.Do(r.ctx, r.run.Seq, parts, func(i int) {
		finished += len(shards[i].Works)
		r.progress("judging", int64(finished), int64(len(works)))
	}, r.here)
	if err != nil {
		return err
	}
	for _, text := range results {
		if err := r.receive(text); err != nil {
			return err
		}
	}
	slices.Sort(r.run.Summary.Notes)
	return nil
}

// shards deals the works out: the largest first, each to the shard that has the fewest records so far.
func (r *running) shards(works []*work, records map[string]int, n int) []shard {
	n = min(n, len(works))
	shared := shard{Version: r.Version, Archive: r.Archive.ID(), AsOf: r.o.AsOf, Prev: r.prev, First: firstRun(r.led), Purged: r.led.Purged, Rules: r.rules, All: r.incidents, New: r.newIncs,
		CanLook: r.canLook, Unset: r.unset, Canaries: r.canaryOf, Files: map[uint32][]byte{}}
	for id, name := range r.fileNames() {
		shared.Files[id] = []byte(name)
	}
	type load struct {
		works   []*work
		records int
	}
	loads := make([]load, n)
	const each = 50 // what an app costs beside its records
	works = slices.SortedFunc(slices.Values(works), func(a, b *work) int {
		return cmp.Or(cmp.Compare(records[b.key], records[a.key]), cmp.Compare(a.key, b.key))
	})
	for _, w := range works {
		least := 0
		for i := range loads {
			if loads[i].records < loads[least].records {
				least = i
			}
		}
		loads[least].works = append(loads[least].works, w)
		loads[least].records += records[w.key] + each
	}
	out := make([]shard, n)
	for i, l := range loads {
		s := shared
		mine := map[string]bool{}
		for _, w := range l.works {
			entry, listed := r.listed[w.key]
			mine[w.key] = true
			s.Works = append(s.Works, sentWork{Key: w.key, Calls: w.calls, Reports: w.reports, Events: w.events, Observed: sendObserved(w.observed),
				Examined: sendObserved(w.examined), Seeded: w.seeded, Due: w.due, Passed: w.passed, Registry: w.registry, States: w.states,
				Suspended: w.suspended, EntryWas: w.entryWas, Listed: listed, Entry: sendApp(entry)})
		}
		for _, spool := range r.spools {
			spool.Rows = slices.DeleteFunc(slices.Clone(spool.Rows), func(x Spooled) bool { return !mine[x.App] })
			if len(spool.Rows) > 0 {
				s.Spools = append(s.Spools, spool)
			}
		}
		out[i] = s
	}
	return out
}

// shard examines a shard of apps: the same as a night that has no other apps.
func (n *Night) shard(ctx context.Context, run int64, body []byte) ([]byte, error) {
	var s shard
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, err
	}
	if p := s.Rules.At(s.AsOf).Policy; n.ChecksOf != nil && p.Digest != n.Rules.Policy.Digest {
		other := *n
		var err error
		if other.Checks, err = n.ChecksOf(p); err != nil {
			return nil, err
		}
		n = &other
	}
	defer n.Archive.CloseFiles() // others remove files that are open here
	in, err := n.Archive.Gather(run, s.Spools)
	if err != nil {
		return nil, err
	}
	if _, err := in.Close(nil); err != nil {
		return nil, err
	}
	r := &running{Night: n, ctx: ctx, led: &Ledger{Purged: s.Purged}, run: &Run{Seq: run}, o: Options{AsOf: s.AsOf}, prev: s.Prev, intake: in,
		rules: s.Rules, incidents: s.All, newIncs: s.New, canLook: s.CanLook, unset: s.Unset, canaryOf: s.Canaries, listed: map[string]*App{},
		total: newCounts(), nameOf: map[uint32]string{}}
	for id, name := range s.Files {
		r.nameOf[id] = string(name)
	}
	r.names.Do(func() {})
	if !s.First {
		r.led.Last = &Run{}
	}
	r.newBy = deadlines(s.Rules, s.All)
	works := make([]*work, len(s.Works))
	for i, w := range s.Works {
		works[i] = &work{key: w.Key, calls: w.Calls, reports: w.Reports, events: w.Events, observed: receiveObserved(w.Observed),
			examined: receiveObserved(w.Examined), seeded: w.Seeded, due: w.Due, passed: w.Passed, registry: w.Registry, states: w.States,
			suspended: w.Suspended, entryWas: w.EntryWas}
		if w.Listed {
			r.listed[w.Key] = w.Entry.receive()
		}
	}
	for list := range slices.Chunk(works, batch) {
		if err := r.examineBatch(ctx, list); err != nil {
			in.Abort()
			return nil, err
		}
	}
	if err := in.Commit(); err != nil { // before anybody may name what is in it
		in.Abort()
		return nil, err
	}
	done := shardDone{Counts: r.total, Notes: r.run.Summary.Notes}
	for _, u := range r.updates {
		done.Apps = append(done.Apps, sendResult(u))
	}
	return json.Marshal(&done)
}

func sendResult(u *appResult) sentResult {
	s := sentResult{AppUpdate: u.AppUpdate, Observations: sendObserved(u.Observations), Name: u.name, Vendor: u.vendor, Suspended: u.suspended}
	s.Put, s.Delete = nil, nil // they are in the deltas
	for _, h := range u.Headers {
		s.Headers = append(s.Headers, sentHeader{h, h.Day})
	}
	if v := u.Version; v != nil {
		s.Version = &sentVersion{v.From, sendApp(v.App)}
	}
	for i := range u.deltas {
		d := &u.deltas[i]
		s.Deltas = append(s.Deltas, sentDelta{d.check.Key(), d.subject, d.put, d.remove, d.fresh, d.freshAccounts, d.gone, d.causes})
	}
	return s
}

// receive takes what examining a shard gave.
func (r *running) receive(text []byte) error {
	var d shardDone
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	checks := map[string]*Check{}
	for i := range r.Checks {
		checks[r.Checks[i].Key()] = &r.Checks[i]
	}
	r.total.add(&d.Counts)
	r.run.Summary.Notes = append(r.run.Summary.Notes, d.Notes...)
	for _, s := range d.Apps {
		u := &appResult{AppUpdate: s.AppUpdate, name: s.Name, vendor: s.Vendor, suspended: s.Suspended}
		u.Observations = receiveObserved(s.Observations)
		for _, h := range s.Headers {
			header := h.DayHeader
			header.Day = h.Day
			u.Headers = append(u.Headers, header)
		}
		if s.Version != nil {
			u.Version = &AppVersion{From: s.Version.From, App: s.Version.App.receive()}
		}
		for _, x := range s.Deltas {
			c := checks[x.Check]
			if c == nil {
				return fmt.Errorf("another machine judged by a check %q that is not known here", x.Check)
			}
			u.deltas = append(u.deltas, delta{c, x.Subject, x.Put, x.Remove, x.Fresh, x.FreshAccounts, x.Gone, x.Causes})
			u.Put = append(u.Put, x.Put...)
			u.Delete = append(u.Delete, x.Remove...)
		}
		r.updates = append(r.updates, u)
	}
	return nil
}

// recordsOf is how many records each app brought.
func recordsOf(touched []Touched) map[string]int {
	out := map[string]int{}
	for _, t := range touched {
		out[t.App] += t.Records
	}
	return out
}
