package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/format"
)

// A file of calls or reports can be read by any process that sees it: its records go into a spool, and what else there is to tell of it is an Errand's
// answer. The process that runs the night takes the answers as if it had read the files itself.

// isBulk says whether the files of a kind are read wherever there are hands: those whose records go to the archive.
func isBulk(k audit.Kind) bool { return k == audit.KindAccess || k == audit.KindReports }

// An errand is a file to be read elsewhere. Here and in its answer, what may be no UTF-8 is bytes: JSON's strings would change it.
type errand struct {
	Kind   audit.Kind    `json:"kind"`
	File   uint32        `json:"file"`
	Path   []byte        `json:"path"`
	Prior  []byte        `json:"prior,omitempty"` // state of the file when it was last read; none: read it whole
	MaxBad float64       `json:"max_bad"`
	AsOf   audit.Instant `json:"as_of"`
	Now    time.Time     `json:"now"` // by the night's clock, which every age is told by
	Purged audit.Day     `json:"purged"`
	Watch  []string      `json:"watch,omitempty"` // accounts whose retrievals are of interest
	Format *format.Spec  `json:"format,omitempty"`
}

// An answer is what came of an errand.
type answer struct {
	State    []byte                          `json:"state,omitempty"`
	Lines    int64                           `json:"lines"`
	Bases    []uint64                        `json:"bases,omitempty"`
	Skipped  bool                            `json:"skipped,omitempty"`
	Bytes    int64                           `json:"bytes"`
	Trouble  []byte                          `json:"trouble,omitempty"` // why the file could not be read to its end
	Bad      []badAnswer                     `json:"bad,omitempty"`
	Newest   audit.Instant                   `json:"newest"`
	Future   map[audit.Instant]audit.Instant `json:"future,omitempty"`
	Canaries []audit.Canary                  `json:"canaries,omitempty"`
	Expired  int64                           `json:"expired,omitempty"`
}

type badAnswer struct {
	Place  uint64 `json:"place"`
	Reason string `json:"reason"`
	Text   []byte `json:"text,omitempty"`
}

// bulk reads the files of calls and reports: elsewhere where that is worth it, else here.
func (r *reading) bulk(ctx context.Context, tasks []*task) error {
	tasks = slices.DeleteFunc(tasks, func(t *task) bool {
		id, err := r.places.of(t.file.Path).stat(ctx, t.file.Path)
		if err != nil {
			return false // to read it says why
		}
		t.seen = id
		return t.prior != nil && !t.prior.Waiting && t.prior.unchanged(t.seen)
	})
	if len(tasks) < 2 { // one file is read by all hands here
		for _, t := range tasks {
			if err := r.finish(ctx, t, r.read(ctx, t)); err != nil {
				return err
			}
		}
		return nil
	}
	errands := make([][]byte, len(tasks))
	for i, t := range tasks {
		e := errand{Kind: t.src.Kind, File: t.file.ID, Path: []byte(t.file.Path), MaxBad: t.src.MaxBad, AsOf: r.req.AsOf, Now: r.now, Purged: r.req.Purged,
			Watch: slices.Sorted(maps.Keys(r.observed.hits.all))}
		if t.prior != nil {
			e.Prior = t.file.State
		}
		if t.src.Format != nil {
			spec := t.src.Format.Spec()
			e.Format = &spec
		}
		var err error
		if errands[i], err = json.Marshal(e); err != nil {
			return fmt.Errorf("%s: %w", t.file.Path, err)
		}
	}
	answers, err := r.req.Elsewhere(ctx, errands, func(i int) { // it was done
		r.progress(tasks[i].seen.Size)
	})
	if err != nil {
		return err
	}
	for i, t := range tasks {
		read, expired, err := r.answered(answers[i])
		if err != nil {
			return fmt.Errorf("%s: %w", t.file.Path, err)
		}
		r.expired[t.file.ID] += expired
		read.res.State.seenAs(t.seen)
		if err := r.finish(ctx, t, read); err != nil {
			return err
		}
	}
	return nil
}

// answered is an answer as reading here would have given it.
func (r *reading) answered(text []byte) (read fileRead, expired int64, err error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return read, 0, fmt.Errorf("what another process read cannot be understood: %w", err)
	}
	read.res = Result{Lines: a.Lines, Bases: a.Bases, Skipped: a.Skipped, Bytes: a.Bytes}
	if len(a.Trouble) > 0 {
		read.err = errors.New(string(a.Trouble))
	} else if err := read.res.State.UnmarshalBinary(a.State); err != nil {
		return read, 0, err
	}
	l := &lines{newest: a.Newest, future: a.Future, canaries: a.Canaries}
	first := uint64(len(r.chunks)) << 32
	for _, b := range a.Bad {
		l.bad = append(l.bad, badLine{place: first + b.Place, reason: b.Reason, text: string(b.Text)})
	}
	read.lines = []*lines{l}
	return read, a.Expired, nil
}

// Errand reads the file that an errand names into in, which belongs to this errand alone. The chunks say where the records lie that in was given; none:
// nothing of the file may be taken. What is wrong with the file stands in the answer. An error says that this process could not do it; another one may.
func (s *Sources) Errand(ctx context.Context, text []byte, in audit.Intake, forgotten *audit.Forgotten, here bool) (out []byte, chunks []audit.Chunk, err error) {
	var e errand
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, nil, fmt.Errorf("what is to be read cannot be understood: %w", err)
	}
	var prior *State
	if len(e.Prior) > 0 {
		prior = &State{}
		if err := prior.UnmarshalBinary(e.Prior); err != nil {
			return nil, nil, err
		}
	}
	var hits watch
	for _, account := range e.Watch {
		hits.add(account)
	}
	opt := Options{Workers: 1, Now: e.Now, Objects: s.Objects}
	var layout *format.Format
	if e.Format != nil {
		if layout, err = e.Format.Compile(); err != nil {
			return nil, nil, err
		}
	}
	foreign := foreignOf(layout, &opt)
	l := &lines{kind: e.Kind, file: e.File, asOf: e.AsOf, into: in.Worker(0), newest: audit.Ever, purged: e.Purged, forgotten: forgotten, watch: &hits}
	res, err := Read(ctx, string(e.Path), prior, opt, func(int) Lines {
		l.foreign = foreign()
		return l
	})
	if ctx.Err() != nil {
		return nil, nil, cmp.Or(err, ctx.Err())
	}
	if l.err != nil {
		return nil, nil, l.err
	}
	if err != nil && !here { // this machine may lack the disk, a right or the credentials: only the night itself can say that it could not look
		return nil, nil, fmt.Errorf("%w: each machine that works on a night must be able to read the sources, at the same paths", err)
	}
	a := answer{Lines: res.Lines - l.others, Bases: res.Bases, Skipped: res.Skipped, Bytes: res.Bytes, Newest: l.newest, Future: l.future, Canaries: l.canaries,
		Expired: in.Worker(0).Expired()[e.File]}
	taken := err == nil
	if err != nil {
		a.Trouble = []byte(err.Error())
	} else if a.State, err = res.State.MarshalBinary(); err != nil {
		return nil, nil, err
	}
	for _, b := range l.bad {
		a.Bad = append(a.Bad, badAnswer{b.place, b.reason, []byte(b.text)})
	}
	if tooManyBad(Source{MaxBad: e.MaxBad}, string(e.Path), a.Lines, int64(len(a.Bad)), func() string { return "" }) != "" {
		taken = false
	}
	if taken {
		for _, first := range res.Bases {
			chunks = append(chunks, audit.Chunk{File: e.File, First: first})
		}
	}
	out, err = json.Marshal(a)
	return out, chunks, err
}
