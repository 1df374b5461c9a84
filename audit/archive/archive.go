// Package archive keeps the facts: calls and reports, packed per app and UTC day in immutable segment files. The store's rows say which pack
// lies where; a segment that no row names is what a crash left behind, and is removed.
package archive

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// An Archive is a storage of segments. It belongs to one store.
type Archive struct {
	storage storage
	id      string
	k0, k1  uint64 // key of the content hashes

	mu   sync.Mutex
	open map[string]file

	free sync.Pool // of *memory
}

// An Owner is the store that an archive belongs to.
type Owner interface {
	ID() string
	ArchiveKey() []byte // at least 16 bytes
	// SegmentsInUse names the segments that its packs lie in.
	SegmentsInUse(ctx context.Context) ([]string, error)
}

const (
	idFile  = "archive.json"
	idFile2 = "archive-id.json" // has the id of an archive whose idFile is from before they had any
)

// Open opens the archive in dir, and makes it where there is none. An archive that belongs to another store is refused: its packs are hashed with another
// key, and its segments would look like leftovers. It is not made for a store that names segments already: they are elsewhere.
func Open(ctx context.Context, dir string, store Owner) (*Archive, error) {
	d, err := openFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return openIn(ctx, d, store)
}

// OpenBucket is Open for an archive in object storage, at s3://bucket/prefix. All that the archive does there ends with ctx.
func OpenBucket(ctx context.Context, client *s3.Client, url string, store Owner) (*Archive, error) {
	b, err := openBucket(ctx, client, url)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a, err := openIn(ctx, b, store)
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return a, nil
}

// a label is what archive.json says.
type label struct {
	Store   string `json:"store"`
	Archive string `json:"archive,omitempty"` // id of the archive itself: processes tell by it whether they have the same one
}

// belongs reads an archive's archive.json, and says whether it names the store.
func belongs(text []byte, where, store string) (o label, err error) {
	switch {
	case json.Unmarshal(text, &o) != nil:
		return o, fmt.Errorf("archive: %s/%s is damaged: it should say which store the archive belongs to", where, idFile)
	case store == "":
		return o, fmt.Errorf("archive: %s is there, and its store %s is not: mend store: in the configuration, restore the store from a backup, or give a new store an archive of its own", where, o.Store)
	case o.Store != store:
		return o, fmt.Errorf("archive: %s belongs to another store (%s, not %s): set archive: to this store's own folder", where, o.Store, store)
	}
	return o, nil
}

// gone is the error of an archive that is not there, while its store names segments of it.
func gone(where string, segments int) error {
	return fmt.Errorf("%s is gone or empty, and the store names %d segments of it: see that it is mounted, mend archive: in the configuration, or restore the archive from a backup", where, segments)
}

func openIn(ctx context.Context, where storage, store Owner) (*Archive, error) {
	a := &Archive{storage: where, k0: binary.LittleEndian.Uint64(store.ArchiveKey()), k1: binary.LittleEndian.Uint64(store.ArchiveKey()[8:]), open: map[string]file{}}
	mine := func() ([]byte, error) {
		text, err := json.Marshal(label{store.ID(), rand.Text()})
		return append(text, '\n'), err
	}
	text, err := where.claim(idFile, func() ([]byte, error) {
		segments, err := store.SegmentsInUse(ctx)
		if err == nil && len(segments) > 0 {
			err = gone(where.String(), len(segments))
		}
		if err != nil {
			return nil, err
		}
		return mine()
	})
	if err != nil {
		return nil, a.failed(err)
	}
	l, err := belongs(text, where.String(), store.ID())
	if err == nil && l.Archive == "" {
		if text, err = where.claim(idFile2, mine); err != nil {
			return nil, a.failed(err)
		}
		l, err = belongs(text, where.String(), store.ID())
	}
	a.id = l.Archive
	return a, err
}

// ID is the archive's own: processes that have the same one have the same archive.
func (a *Archive) ID() string { return a.id }

// Holds says whether the archive has segments up to that byte of each; the error, which one it lacks.
func (a *Archive) Holds(segments map[string]int64) error {
	for name, need := range segments {
		size, err := a.storage.size(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("archive: %s lacks the segment %s, which is of this night: see that each machine that works on a night has the same archive, and run again, nothing was lost", a.storage, name)
		case err != nil:
			return fmt.Errorf("archive: %w", err)
		case size < need:
			return fmt.Errorf("archive: %s has only %d bytes of the segment %s, which is of this night: %d were written: see the disk, and run again, nothing was lost", a.storage, size, name, need)
		}
	}
	return nil
}

// Close closes the segments.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, f := range a.open {
		errs = append(errs, f.Close())
	}
	a.open = map[string]file{}
	return errors.Join(append(errs, a.storage.close())...)
}

// Sweep removes what no pack of the store lies in: segments of runs that did not finish, and temporary files. Only the holder of the night's
// lock may call it.
func (a *Archive) Sweep(inUse []string) error {
	keep := map[string]bool{}
	for _, s := range inUse {
		keep[s] = true
	}
	names, err := a.storage.list()
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	for name := range keep {
		if !slices.Contains(names, name) {
			return fmt.Errorf("archive: %s lacks the segment %s, which holds facts that the store names: restore the archive from a backup", a.storage, name)
		}
	}
	for _, name := range names {
		if keep[name] || !isSegment(name) {
			continue
		}
		if err := a.remove(name); err != nil {
			return fmt.Errorf("archive: a leftover segment: %w", err)
		}
	}
	if err := a.storage.clean(); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// remove removes a file.
func (a *Archive) remove(name string) error {
	a.mu.Lock()
	if f := a.open[name]; f != nil {
		f.Close()
		delete(a.open, name)
	}
	a.mu.Unlock()
	return a.storage.remove(name)
}

const (
	segmentSuffix = ".seg"
	spoolSuffix   = ".spool"
)

// isSegment says whether a file of that name is the archive's own, to be removed when nobody names it. What lies deeper never is.
func isSegment(name string) bool {
	return !strings.Contains(name, "/") && (strings.HasSuffix(name, segmentSuffix) || strings.HasSuffix(name, spoolSuffix))
}

const maxOpen = 128

func (a *Archive) segment(name string) (file, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.open[name]; f != nil {
		return f, nil
	}
	f, err := a.storage.open(name)
	if err != nil {
		return nil, err
	}
	if len(a.open) >= maxOpen {
		for other, g := range a.open {
			if n, ok := g.(newFile); !ok || n.published() {
				// A reader that still holds it gets fs.ErrClosed and opens it again.
				g.Close()
				delete(a.open, other)
				break
			}
		}
	}
	a.open[name] = f
	return f, nil
}

// CloseFiles closes the files that are open to be read. A process that does parts of nights calls it after each: a file that another process removed meanwhile
// would go on taking its space.
func (a *Archive) CloseFiles() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, f := range a.open {
		if n, ok := f.(newFile); !ok || n.published() {
			f.Close() // who still reads gets fs.ErrClosed, and opens it again
			delete(a.open, name)
		}
	}
}

// read reads length bytes of a pack from its start.
func (a *Archive) read(p *audit.Pack, length int64) ([]byte, error) {
	b := make([]byte, length)
	if err := a.readAt(p.Segment, b, p.Offset); err != nil {
		return nil, damaged(p, err)
	}
	return b, nil
}

// readAt fills p from a file of the archive.
func (a *Archive) readAt(name string, p []byte, offset int64) error {
	for try := 0; ; try++ {
		f, err := a.segment(name)
		if err != nil {
			return err
		}
		if _, err = f.ReadAt(p, offset); !errors.Is(err, fs.ErrClosed) || try == 10 {
			return err
		}
	}
}

// Calls reads the calls of one app and day from all its packs.
func (a *Archive) Calls(day audit.Day, packs []audit.Pack) (*audit.CallDay, error) {
	parts := make([]*audit.CallDay, 0, len(packs))
	for i := range packs {
		m, ok := a.free.Get().(*memory)
		if !ok {
			m = &memory{}
		}
		m.pack = room(m.pack, int(packs[i].Length))
		if err := a.readAt(packs[i].Segment, m.pack, packs[i].Offset); err != nil {
			return nil, damaged(&packs[i], err)
		}
		d, err := decodeCalls(day, m.pack, m)
		if err != nil {
			return nil, damaged(&packs[i], err)
		}
		d.Memory = m
		parts = append(parts, d)
	}
	return mergeCalls(day, parts), nil
}

// A memory is what a pack of calls was read and decoded into.
type memory struct {
	pack     []byte
	calls    []audit.Call
	accounts []uint32
}

// room is n things in the memory of p, where that is enough. They hold anything.
func room[T any](p []T, n int) []T {
	if cap(p) < n {
		return make([]T, n)
	}
	return p[:n]
}

// Free takes back the memory of a day that Calls read of one pack, for the next: of the day nothing may be used any more.
func (a *Archive) Free(day *audit.CallDay) {
	if m, ok := day.Memory.(*memory); ok {
		*day = audit.CallDay{Day: day.Day}
		a.free.Put(m)
	}
}

// Reports reads the reports of one app and day from all its packs.
func (a *Archive) Reports(day audit.Day, packs []audit.Pack) (*audit.ReportDay, error) {
	parts := make([]*audit.ReportDay, 0, len(packs))
	for i := range packs {
		b, err := a.read(&packs[i], packs[i].Length)
		if err != nil {
			return nil, err
		}
		d, err := decodeReports(day, b)
		if err != nil {
			return nil, damaged(&packs[i], err)
		}
		parts = append(parts, d)
	}
	return mergeReports(day, parts), nil
}

// Counting reads, from packs of one kind, app and day, the accounts that count: retrieved, or held by reports that count.
func (a *Archive) Counting(packs []audit.Pack) (audit.IDs, error) {
	sets := make([]audit.IDs, 0, len(packs))
	for i := range packs {
		p := &packs[i]
		b, err := a.tables(p)
		if err != nil {
			return audit.IDs{}, err
		}
		ids, err := counting(p.Kind, b)
		if err != nil {
			return audit.IDs{}, damaged(p, err)
		}
		sets = append(sets, ids)
	}
	return audit.Union(sets...), nil
}

// tables reads a pack as far as its tables reach, or a little further.
func (a *Archive) tables(p *audit.Pack) ([]byte, error) {
	const guess = 16 << 10 // most tables fit
	b, err := a.read(p, min(guess, p.Length))
	if err == nil && len(b) >= headerSize {
		if need := int64(tablesSize(b)); need > int64(len(b)) {
			b, err = a.read(p, min(need, p.Length))
		}
	}
	return b, err
}

// A segmentWriter appends packs to a new segment, from several goroutines.
type segmentWriter struct {
	archive *Archive
	name    string
	mu      sync.Mutex
	f       newFile
	at      int64

	settling sync.Mutex
}

func (a *Archive) create(name string) (*segmentWriter, error) {
	f, err := a.storage.create(name)
	if err != nil {
		return nil, a.failed(err)
	}
	return &segmentWriter{archive: a, name: name, f: f}, nil
}

func (w *segmentWriter) append(p []byte) (offset int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.f.WriteAt(p, w.at); err != nil {
		return 0, w.archive.failed(err)
	}
	offset = w.at
	w.at += int64(len(p))
	return offset, nil
}

// settle begins to make durable what was appended. Nobody waits for another who does.
func (w *segmentWriter) settle() {
	w.mu.Lock()
	at := w.at
	w.mu.Unlock()
	if w.settling.TryLock() {
		defer w.settling.Unlock()
		w.f.settle(at)
	}
}

func (w *segmentWriter) readAt(p []byte, offset int64) error {
	_, err := w.f.ReadAt(p, offset)
	return err
}

// sync makes the segment durable and lets others read it.
func (w *segmentWriter) sync() error {
	if err := w.f.publish(); err != nil {
		return w.archive.failed(err)
	}
	return nil
}

func (w *segmentWriter) remove() { w.f.remove() }

// failed says why something could not be written, and what to do about it.
func (a *Archive) failed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("archive: %w: make room on the disk of %s and run again, nothing was lost", err, a.storage)
	}
	return fmt.Errorf("archive: %w", err)
}
