package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Look says what is wrong with the archive in dir, for the store of that id, which names segments and up to which byte of each its packs lie. It changes
// nothing. An archive that is not there yet is in order while the store names no segment; one that is there, while the store is not (its id is empty), is
// not.
func Look(dir, store string, segments map[string]int64) error {
	id, err := os.ReadFile(filepath.Join(dir, idFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("archive: %w: let archive: name a folder that this user may read and write", err)
	}
	sizes := map[string]int64{}
	for name := range segments {
		switch i, err := os.Stat(filepath.Join(dir, name)); {
		case err == nil:
			sizes[name] = i.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("archive: %w", err)
		}
	}
	return look(dir, id, store, sizes, segments)
}

// look compares what is there, archive.json (nil: it is not) and the segments' sizes, with what the store names.
func look(where string, id []byte, store string, sizes, segments map[string]int64) error {
	switch {
	case id == nil && len(segments) > 0:
		return fmt.Errorf("archive: %w", gone(where, len(segments)))
	case id == nil:
		return nil
	}
	if _, err := belongs(id, where, store); err != nil {
		return err
	}
	var lost, short []string
	for _, name := range slices.Sorted(maps.Keys(segments)) {
		switch size, ok := sizes[name]; {
		case !ok:
			lost = append(lost, name)
		case size < segments[name]:
			short = append(short, name)
		}
	}
	if bad := cmp.Or(len(lost), len(short)); bad > 0 {
		what, names := "lacks", lost
		if len(lost) == 0 {
			what, names = "has only the beginning of", short
		}
		return fmt.Errorf("archive: %s %s %d of the %d segments that the store names, such as %s: restore store and archive, together, from a backup",
			where, what, bad, len(segments), names[0])
	}
	return nil
}
