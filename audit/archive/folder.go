package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// folder is a storage in the file system.
type folder string

func openFolder(dir string) (folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("%w (make the folder, or set archive: to one that can be written)", err)
	}
	return folder(dir), nil
}

func (d folder) String() string { return string(d) }

func (d folder) path(name string) string { return filepath.Join(string(d), filepath.Base(name)) }

func (d folder) create(name string) (newFile, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &folderFile{File: f}, nil
}

func (d folder) open(name string) (file, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d folder) list() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (d folder) remove(name string) error { return os.Remove(d.path(name)) }

func (d folder) size(name string) (int64, error) {
	i, err := os.Stat(d.path(name))
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func (d folder) claim(name string, fresh func() ([]byte, error)) ([]byte, error) {
	there, err := os.ReadFile(d.path(name))
	if !errors.Is(err, fs.ErrNotExist) {
		return there, err
	}
	text, err := fresh()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(string(d), ".new-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), d.path(name)) // unlike Rename it does not replace what another wrote meanwhile
	}
	if errors.Is(err, fs.ErrExist) {
		return os.ReadFile(d.path(name))
	}
	return text, err
}

func (folder) clean() error { return nil }

func (folder) close() error { return nil }

// folderFile is a file under way, in its place already.
type folderFile struct {
	*os.File
	settled int64 // up to here the system was told to write it out
	durable atomic.Bool
}

// settleAtOnce is how many bytes the system is told to write out at a time.
const settleAtOnce = 8 << 20

func (p *folderFile) settle(upTo int64) {
	if n := upTo - p.settled; n >= settleAtOnce {
		writeOut(p.File, p.settled, n)
		p.settled = upTo
	}
}

// publish makes the file durable, its name in the folder included.
func (p *folderFile) publish() error {
	err := p.Sync()
	if err == nil {
		var d *os.File
		if d, err = os.Open(filepath.Dir(p.Name())); err == nil {
			err = d.Sync()
			d.Close()
		}
	}
	p.durable.Store(err == nil)
	return err
}

func (p *folderFile) published() bool { return p.durable.Load() }

func (p *folderFile) remove() {
	p.Close()
	os.Remove(p.Name())
}
