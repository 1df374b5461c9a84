package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// A HeadFile is a file to which the trail's head is appended after each night: whoever writes the trail anew, or cuts it off, does not agree with it any
// more. Each line is an entry's number, its hash, and in words when and why it was the last. It is worth as much as it is hard to change: see
// docs/operations.md.
type HeadFile string

// HeadFile is where the store's heads are kept: beside the file of SQLite; of Postgres, in the folder dir.
func (s *Store) HeadFile(dir string) HeadFile {
	if f, ok := s.d.(*sqliteFile); ok {
		return HeadFile(f.path + ".heads")
	}
	return HeadFile(filepath.Join(dir, "mailreeve.heads"))
}

// Append adds a head and makes it durable.
func (f HeadFile) Append(head audit.TrailHead, why string) error {
	err := f.append(fmt.Sprintf("%d %s %s\n", head.Seq, head.Hash, why))
	if err != nil {
		return fmt.Errorf("the trail's head could not be kept in %s: %w: see that this user may append to it, and that the disk is not full", string(f), err)
	}
	return nil
}

func (f HeadFile) append(line string) (err error) {
	_, missing := os.Stat(string(f))
	file, err := os.OpenFile(string(f), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// A line that a power cut left half stands alone.
	if size, err := file.Seek(0, io.SeekEnd); err == nil && size > 0 {
		var last [1]byte
		if _, err := file.ReadAt(last[:], size-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := file.WriteString(line); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if !errors.Is(missing, fs.ErrNotExist) {
		return nil
	}
	dir, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// read gives the heads of the file, none where there is no file. A half line is left out.
func (f HeadFile) read() (heads []audit.TrailHead, err error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the kept heads of the trail: %w", err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		number, rest, _ := strings.Cut(line, " ")
		hash, _, _ := strings.Cut(rest, " ")
		seq, err := strconv.ParseInt(number, 10, 64)
		if raw, herr := hex.DecodeString(hash); err == nil && herr == nil && len(raw) == 32 {
			heads = append(heads, audit.TrailHead{Seq: seq, Hash: hash})
		}
	}
	return heads, nil
}

// A LostHeadError says that the trail does not go back to a head that was kept.
type LostHeadError struct {
	Head audit.TrailHead
	File HeadFile
	Last int64 // the trail's last entry
}

func (e *LostHeadError) Error() string {
	what := "its history was written anew"
	if e.Last < e.Head.Seq {
		what = fmt.Sprintf("it was cut off: it ends with entry %d", e.Last)
	}
	return fmt.Sprintf("the trail no longer has entry %d with the hash %s, which %s keeps: %s. If the store was restored from an older backup or begun anew, "+
		"move that file away; else somebody changed the store behind mailreeve's back", e.Head.Seq, e.Head.Hash, string(e.File), what)
}

// Agrees holds the trail against the heads that f keeps, and gives how many there are. A [LostHeadError] names the first that the trail does not have.
func (s *Store) Agrees(ctx context.Context, f HeadFile) (n int, err error) {
	kept, err := f.read()
	if err != nil || len(kept) == 0 {
		return 0, err
	}
	err = s.read(ctx, "hold the trail against its kept heads", func(t *tx) error {
		last, err := t.head(ctx)
		if err != nil {
			return err
		}
		seqs := make([]int64, len(kept))
		for i, h := range kept {
			seqs[i] = h.Seq
		}
		have := map[int64]string{0: strings.Repeat("00", 32)}
		err = chunks(seqs, func(seqs []int64) error {
			var found []trailRow
			if err := t.all(ctx, &found, selectTrail+` WHERE seq IN (?)`, seqs); err != nil {
				return err
			}
			for _, r := range found {
				have[r.Seq] = hex.EncodeToString(r.Hash)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, h := range kept {
			if have[h.Seq] != h.Hash {
				return &LostHeadError{Head: h, File: f, Last: last.Seq}
			}
		}
		return nil
	})
	return len(kept), err
}
