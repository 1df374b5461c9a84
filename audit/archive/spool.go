package archive

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/mailreeve/mailreeve/audit"
)

// What one process took in and another seals lies in a spool meanwhile: rows, and what is needed to read them.

// NewErrand begins the intake of an errand of a run, of one worker: of facts that another process may seal. Its files have a name of their own, as an
// errand may be done twice.
func (a *Archive) NewErrand(run int64, purged audit.Day, limit int64, forgotten *audit.Forgotten) (audit.Intake, error) {
	in := a.newIntake(run, ownName(run), 1)
	in.purged, in.forgotten, in.share = purged, forgotten, max(limit, largeBlock)
	return in, nil
}

// Gather is the intake of a run whose facts were taken in by errands, with a segment of its own. Its Commit and Abort leave the spools alone.
func (a *Archive) Gather(run int64, spools []audit.Spool) (audit.Intake, error) {
	in := a.newIntake(run, ownName(run), 0)
	for i := range spools {
		s := &spools[i]
		read := func(p []byte, offset int64) error { return a.readAt(s.Name, p, offset) }
		resolve := resolverOf(s.Chunks)
		texts := sync.OnceValues(func() ([]string, error) { return readTexts(read, s.Texts) })
		for _, x := range s.Rows {
			key := dayKey{x.App, x.Kind, x.Day}
			in.rows[key] = append(in.rows[key], &rows{kind: x.Kind, day: x.Day, n: x.Records, spilled: x.Extents, spool: read,
				texts: texts, resolve: resolve})
		}
	}
	return in, nil
}

func ownName(run int64) string {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return fmt.Sprintf("run-%06d-%s", run, hex.EncodeToString(b))
}

// resolverOf tells lines by the chunks that an errand read.
func resolverOf(chunks []audit.Chunk) resolver {
	return func(place uint64) (audit.Source, bool) {
		i := place >> 32
		if i >= uint64(len(chunks)) {
			return audit.Source{}, false
		}
		return audit.Source{File: chunks[i].File, Line: chunks[i].First + place&0xffffffff}, true
	}
}

// Spool ends the taking in and leaves all of it where every process that has the archive can read it.
func (in *Intake) Spool(chunks []audit.Chunk) (audit.Spool, error) {
	w := in.workers[0]
	if w.err != nil {
		return audit.Spool{}, w.err
	}
	if err := w.spill(); err != nil {
		return audit.Spool{}, err
	}
	out := audit.Spool{Name: in.spool.name, Chunks: chunks}
	var list writer
	list.texts(w.texts.all)
	var err error
	if out.Texts, err = in.spool.extent(list.b); err != nil {
		return audit.Spool{}, err
	}
	_ = w.each(func(app string, r *rows) error { // visiting fails where the visitor does
		out.Rows = append(out.Rows, audit.Spooled{App: app, Kind: r.kind, Day: r.day, Records: r.n, Extents: r.spilled})
		return nil
	})
	if err := in.spool.sync(); err != nil {
		return audit.Spool{}, err
	}
	return out, in.spool.f.Close()
}

// readTexts reads the texts of a spool.
func readTexts(spool func(p []byte, offset int64) error, e audit.Extent) ([]string, error) {
	p := make([]byte, e.Length)
	if err := readExtent(spool, p, e); err != nil {
		return nil, err
	}
	r := reader{b: p}
	list := r.texts()
	if r.bad {
		return nil, fmt.Errorf("archive: the run's own spool: %w", errDamaged)
	}
	return list, nil
}

// Drop removes spools that nobody needs any more. What is left of them, the next Sweep removes.
func (a *Archive) Drop(spools []audit.Spool) {
	for i := range spools {
		name := spools[i].Name
		if name == "" {
			continue
		}
		_ = a.remove(name)
	}
}
