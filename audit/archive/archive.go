// Package archive keeps the facts: calls and reports, packed per app and UTC day in immutable segment files. The store's rows say which pack
// lies where; a segment that no row names is what a crash left behind, and is removed.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/mailreeve/mailreeve/audit"
)

// An Archive is a folder of segments. It belongs to one store.
type Archive struct {
	dir    string
	k0, k1 uint64 // key of the content hashes

	mu   sync.Mutex
	open map[string]*os.File
}

const idFile = "archive.json"

// Open opens the archive in dir for the store of that id, and makes it where there is none. An archive that belongs to another store is refused:
// its packs are hashed with another key, and its segments would look like leftovers. key holds at least 16 bytes.
func Open(dir, store string, key []byte) (*Archive, error) {
	if strings.HasPrefix(dir, "s3://") {
		return nil, fmt.Errorf("archive %s: object storage is not supported yet; give a folder", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("archive: %w (make the folder, or set archive: to one that can be written)", err)
	}
	path := filepath.Join(dir, idFile)
	var id struct {
		Store string `json:"store"`
	}
	switch text, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		id.Store = store
		text, _ = json.Marshal(id)
		if err := writeFile(path, append(text, '\n')); err != nil {
			return nil, (&Archive{dir: dir}).failed(err)
		}
	case err != nil:
		return nil, fmt.Errorf("archive: %w", err)
	case json.Unmarshal(text, &id) != nil:
		return nil, fmt.Errorf("archive: %s is damaged: it should say which store the archive belongs to", path)
	case id.Store != store:
		return nil, fmt.Errorf("archive: %s belongs to another store (%s, not %s): set archive: to this store's own folder", dir, id.Store, store)
	}
	return &Archive{dir: dir, k0: le64(key), k1: le64(key[8:]), open: map[string]*os.File{}}, nil
}

func le64(b []byte) uint64 {
	_ = b[7]
	n := uint64(0)
	for i := range 8 {
		n |= uint64(b[i]) << (8 * i)
	}
	return n
}

func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// Close closes the segments.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, f := range a.open {
		errs = append(errs, f.Close())
	}
	a.open = map[string]*os.File{}
	return errors.Join(errs...)
}

// Sweep removes what no pack of the store lies in: segments of runs that did not finish, and temporary files. Only the holder of the night's
// lock may call it.
func (a *Archive) Sweep(inUse []string) error {
	keep := map[string]bool{}
	for _, s := range inUse {
		keep[s] = true
	}
	for name := range keep {
		if _, err := os.Stat(filepath.Join(a.dir, name)); err != nil {
			return fmt.Errorf("archive: %s lacks the segment %s, which holds facts that the store names: restore the archive from a backup (%w)", a.dir, name, err)
		}
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if keep[name] || !strings.HasSuffix(name, segmentSuffix) && !strings.HasSuffix(name, spoolSuffix) {
			continue
		}
		a.mu.Lock()
		if f := a.open[name]; f != nil {
			f.Close()
			delete(a.open, name)
		}
		a.mu.Unlock()
		if err := os.Remove(filepath.Join(a.dir, name)); err != nil {
			return fmt.Errorf("archive: a leftover segment: %w", err)
		}
	}
	return nil
}

const (
	segmentSuffix = ".seg"
	spoolSuffix   = ".spool"
)

const maxOpen = 128

func (a *Archive) segment(name string) (*os.File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.open[name]; f != nil {
		return f, nil
	}
	f, err := os.Open(filepath.Join(a.dir, filepath.Base(name)))
	if err != nil {
		return nil, err
	}
	if len(a.open) >= maxOpen {
		for other, g := range a.open {
			if strings.HasSuffix(other, segmentSuffix) {
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

// read reads length bytes of a pack from its start.
func (a *Archive) read(p *audit.Pack, length int64) ([]byte, error) {
	b := make([]byte, length)
	for try := 0; ; try++ {
		f, err := a.segment(p.Segment)
		if err != nil {
			return nil, damaged(p, err)
		}
		switch _, err = f.ReadAt(b, p.Offset); {
		case err == nil:
			return b, nil
		case errors.Is(err, fs.ErrClosed) && try < 10:
		default:
			return nil, damaged(p, err)
		}
	}
}

// Calls reads the calls of one app and day from all its packs.
func (a *Archive) Calls(day audit.Day, packs []audit.Pack) (*audit.CallDay, error) {
	parts := make([]*audit.CallDay, 0, len(packs))
	for i := range packs {
		b, err := a.read(&packs[i], packs[i].Length)
		if err != nil {
			return nil, err
		}
		d, err := decodeCalls(day, b)
		if err != nil {
			return nil, damaged(&packs[i], err)
		}
		parts = append(parts, d)
	}
	return mergeCalls(day, parts), nil
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
	const guess = 16 << 10 // most tables fit
	sets := make([]audit.IDs, 0, len(packs))
	for i := range packs {
		p := &packs[i]
		b, err := a.read(p, min(guess, p.Length))
		if err == nil && len(b) >= headerSize {
			if need := int64(tablesSize(b)); need > int64(len(b)) {
				b, err = a.read(p, min(need, p.Length))
			}
		}
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

// A segmentWriter appends packs to a new segment, from several goroutines.
type segmentWriter struct {
	archive *Archive
	name    string
	mu      sync.Mutex
	f       *os.File
	at      int64
}

func (a *Archive) create(name string) (*segmentWriter, error) {
	f, err := os.OpenFile(filepath.Join(a.dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
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

// sync makes the segment durable, its name in the folder included.
func (w *segmentWriter) sync() error {
	err := w.f.Sync()
	if err == nil {
		var d *os.File
		if d, err = os.Open(w.archive.dir); err == nil {
			err = d.Sync()
			d.Close()
		}
	}
	if err != nil {
		return w.archive.failed(err)
	}
	return nil
}

// failed says why something could not be written, and what to do about it.
func (a *Archive) failed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("archive: %w: make room on the disk of %s and run again, nothing was lost", err, a.dir)
	}
	return fmt.Errorf("archive: %w", err)
}

func (w *segmentWriter) remove() {
	w.f.Close()
	os.Remove(filepath.Join(w.archive.dir, w.name))
}
