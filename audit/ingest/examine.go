package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// observations is the part of a reading that looks into files.
type observations struct {
	look  audit.Look
	docs  []*audit.Observation         // by number in the look; nil: not taken after all
	taken map[audit.ObservationID]bool // by the run, so that a copy is not looked into again
	hits  watch                        // accounts whose retrievals are of interest
	match audit.Matching               // set while addresses are read

	waiting int // captures and mails that another run has to hold against the addresses
}

// isObserved says whether sources of a kind bring observations.
func isObserved(k audit.Kind) bool { return audit.ObservedKind(k) != 0 }

// rank is the order in which kinds are read: mail says which accounts are canaries, which is asked of the calls; addresses come once all files
// were looked into.
func rank(k audit.Kind) int {
	switch k {
	case audit.KindMail:
		return 0
	case audit.KindAddresses:
		return 2
	}
	return 1
}

// look looks into the files that the lines of a manifest name. A line whose file cannot be looked into becomes a bad one. Lines that say what is known
// are dropped and counted. If the storage cannot be reached, the error wraps s3.ErrUnreachable.
func (r *reading) look(ctx context.Context, f audit.FileReading, src Source, workers []*lines) (copies int64, err error) {
	var ids []audit.ObservationID
	for _, w := range workers {
		if w != nil {
			for i := range w.observed {
				ids = append(ids, w.observed[i].what.ID)
			}
		}
	}
	known := map[audit.ObservationID]bool{}
	if len(ids) > 0 && r.req.Observed != nil {
		if known, err = r.req.Observed(ctx, ids); err != nil {
			return 0, err
		}
	}
	fresh := map[audit.ObservationID]bool{}
	for _, w := range workers {
		if w == nil {
			continue
		}
		sortPlaced(w.observed)
		kept := w.observed[:0]
		for i := range w.observed {
			p := w.observed[i]
			o := &p.what
			if known[o.ID] || r.observed.taken[o.ID] || fresh[o.ID] {
				copies++
				w.see(o.At)
				continue
			}
			switch {
			case o.Kind == audit.KindSignals, o.Kind == audit.KindCaptures && o.Examined:
			case o.Kind == audit.KindCaptures && r.observed.look.Full():
				r.observed.waiting++
			default: // a mail is read even then, for its kind and sender
				err := r.lookInto(ctx, o, f.Path, src.Authserv)
				switch {
				case ctx.Err() != nil:
					return 0, ctx.Err()
				case errors.Is(err, s3.ErrUnreachable): // that is no fault of the line
					return 0, err
				case err != nil:
					w.bad = append(w.bad, badLine{place: p.place, reason: err.Error()})
					continue
				}
			}
			r.req.Forgotten.Observation(o)
			fresh[o.ID] = true
			w.see(o.At)
			kept = append(kept, p)
		}
		w.observed = kept
	}
	return copies, nil
}

// lookInto looks into the file of one observation. What is found waits for the addresses; a mail that comes where the look is full, for another run.
func (r *reading) lookInto(ctx context.Context, o *audit.Observation, manifest, authserv string) error {
	file, err := r.places.of(manifest).beside(ctx, manifest, o.File)
	if err != nil {
		return fmt.Errorf("its file %s cannot be opened: %w", address.Redact(o.File), err)
	}
	defer file.Close()
	text := io.NewSectionReader(file, 0, math.MaxInt64)
	n, full := len(r.observed.docs), r.observed.look.Full()
	r.observed.docs = append(r.observed.docs, nil)
	var notes []string
	if o.Kind == audit.KindMail {
		o.Mail, notes, err = r.observed.look.Mail(ctx, n, text, authserv)
	} else {
		notes, err = r.observed.look.Capture(ctx, n, o.Form, text)
	}
	if err != nil {
		return fmt.Errorf("its file %s: %w", address.Redact(o.File), err)
	}
	id, err := file.identify()
	if err != nil {
		return fmt.Errorf("its file %s: %w", address.Redact(o.File), err)
	}
	if now := (audit.FileMark{Size: id.Size, Changed: audit.At(id.modified())}); o.Mark == nil {
		o.Mark = &now
	} else if *o.Mark != now {
		return fmt.Errorf("its file %s is another than when its line was first read", address.Redact(o.File))
	}
	for _, note := range notes {
		r.out.Notes = append(r.out.Notes, fmt.Sprintf("%s of %s: %s", address.Redact(o.File), o.App, note))
	}
	if full {
		r.observed.waiting++
		return nil
	}
	waiting := *o
	r.observed.docs[n] = &waiting
	return nil
}

// pending looks into the captures and mails of earlier runs that no run could hold against the addresses yet. One whose file is gone waits no longer: its
// line goes to quarantine, as it would have when it was new.
func (r *reading) pending(ctx context.Context) error {
	paths := map[uint32]string{}
	for _, f := range r.known {
		paths[f.ID] = f.Path
	}
	for i := range r.req.Pending {
		if r.observed.look.Full() {
			r.observed.waiting++
			continue
		}
		o := r.req.Pending[i]
		err := r.lookInto(ctx, &o, paths[o.Source.File], "")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, s3.ErrUnreachable) { // it waits on
			for k := range r.out.Sources {
				if to := &r.out.Sources[k]; to.Kind == o.Kind {
					to.Trouble = fmt.Sprintf("%s: %s", to.Path, err)
				}
			}
			continue
		}
		o.Mail = r.req.Pending[i].Mail // what was read of it first holds
		if err != nil {
			o.Examined, o.Trouble = true, err.Error()
			r.out.Examined = append(r.out.Examined, o)
			bad := audit.Quarantined{File: o.Source.File, Path: paths[o.Source.File], Line: o.Source.Line, Kind: o.Kind, Reason: err.Error()}
			if r.req.Bad != nil {
				if err := r.req.Bad(ctx, []audit.Quarantined{bad}); err != nil {
					return err
				}
			}
			continue
		}
		*r.observed.docs[len(r.observed.docs)-1] = o
	}
	if n := r.observed.waiting; n > 0 {
		r.out.Notes = append(r.out.Notes, fmt.Sprintf("captures and mails that wait for the next run, because this one has all that it can compare: %d", n))
	}
	return nil
}

// addresses reads the addresses past what was found in files, and tells what was seen. Where they cannot be looked at, the files wait for a later run.
func (r *reading) addresses(ctx context.Context, plans []plan) error {
	var mine []int
	for i := range plans {
		if plans[i].Kind == audit.KindAddresses {
			mine = append(mine, i)
		}
	}
	able := func() bool {
		return !slices.ContainsFunc(mine, func(i int) bool { return r.out.Sources[i].Trouble != "" })
	}
	if len(mine) == 0 || !able() || r.observed.look == nil {
		return nil
	}
	if err := r.pending(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(r.observed.docs, func(o *audit.Observation) bool { return o != nil }) {
		return nil
	}
	seen := map[int][]audit.Sighting{}
	if !r.observed.look.Empty() {
		r.observed.match = r.observed.look.Against()
		for _, i := range mine {
			for _, path := range plans[i].files {
				if err := r.file(ctx, i, plans[i].Source, path); err != nil {
					return err
				}
			}
		}
		if able() && r.held == 0 {
			for _, i := range mine {
				r.out.Sources[i].Trouble = fmt.Sprintf("%s: it holds no address: nothing was held against it", plans[i].Path)
			}
		}
		if !able() {
			return nil
		}
		seen = r.observed.match.Sightings()
	}
	fresh := map[audit.ObservationID]*audit.Observation{}
	for i := range r.out.Observations {
		fresh[r.out.Observations[i].ID] = &r.out.Observations[i]
	}
	for n, o := range r.observed.docs {
		if o == nil {
			continue
		}
		if mine := fresh[o.ID]; mine != nil {
			mine.Examined, mine.Sightings = true, seen[n]
			r.req.Forgotten.Observation(mine)
			continue
		}
		o.Examined, o.Sightings = true, seen[n]
		r.req.Forgotten.Observation(o)
		r.out.Examined = append(r.out.Examined, *o)
	}
	return nil
}

// A watch is a set of accounts that is asked for every account of every call.
type watch struct {
	all  map[string]bool
	tail [1 << 10]uint64 // a bit for each last two bytes of an account
}

func tailOf[T string | []byte](id T) uint16 {
	n := len(id)
	if n < 2 {
		return 0
	}
	return uint16(id[n-2])<<8 | uint16(id[n-1])
}

func (w *watch) add(id string) {
	if w.all == nil {
		w.all = map[string]bool{}
	}
	w.all[id] = true
	t := tailOf(id)
	w.tail[t>>6] |= 1 << (t & 63)
}

func (w *watch) has(id []byte) bool {
	t := tailOf(id)
	return w.tail[t>>6]&(1<<(t&63)) != 0 && w.all[string(id)]
}
