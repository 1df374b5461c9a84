package archive

import (
	"cmp"
	"encoding/json"
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
	_, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && len(segments) == 0 {
		return nil
	}
	var owner string
	if err == nil {
		owner, err = ownerOf(dir)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(segments) > 0:
		return fmt.Errorf("archive: %s is gone or empty, and the store names %d segments of it: restore the archive from a backup, or mend archive: (%w)", dir, len(segments), err)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case store == "":
		return fmt.Errorf("archive: %s is there, and its store %s is not: mend store: in the configuration, restore the store from a backup, or give a new store an archive of its own",
			dir, owner)
	case owner != store:
		return fmt.Errorf("archive: %s belongs to another store (%s, not %s): set archive: to this store's own folder", dir, owner, store)
	}
	var lost, short []string
	for _, name := range slices.Sorted(maps.Keys(segments)) {
		switch i, err := os.Stat(filepath.Join(dir, name)); {
		case errors.Is(err, fs.ErrNotExist):
			lost = append(lost, name)
		case err != nil:
			return fmt.Errorf("archive: %w", err)
		case i.Size() < segments[name]:
			short = append(short, name)
		}
	}
	if bad := cmp.Or(len(lost), len(short)); bad > 0 {
		what, names := "lacks", lost
		if len(lost) == 0 {
			what, names = "has only the beginning of", short
		}
		return fmt.Errorf("archive: %s %s %d of the %d segments that the store names, such as %s: restore store and archive, together, from a backup",
			dir, what, bad, len(segments), names[0])
	}
	return nil
}

// ownerOf is the id of the store that the archive in dir belongs to; fs.ErrNotExist where it says nothing yet.
func ownerOf(dir string) (string, error) {
	path := filepath.Join(dir, idFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("archive: %w", err)
	}
	var id struct {
		Store string `json:"store"`
	}
	if json.Unmarshal(text, &id) != nil {
		return "", fmt.Errorf("archive: %s is damaged: it should say which store the archive belongs to", path)
	}
	return id.Store, nil
}
