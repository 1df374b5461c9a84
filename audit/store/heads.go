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
	"github.com/mailreeve/mailreeve/internal/s3"
)

// A HeadFile is a file to which the trail's head is appended after each night: whoever writes the trail anew, or cuts it off, does not agree with it any
// more. Each line is an entry's number, its hash, and in words when and why it was the last. It is worth as much as it is hard to change: see
// docs/operations.md.
type HeadFile string

// Heads are where heads of the trail are kept.
type Heads interface {
	String() string
	// Append adds a head, after what happened, and makes it durable.
	Append(ctx context.Context, head audit.TrailHead, after string) error
	// Kept gives the heads, none where none was ever kept.
	Kept(ctx context.Context) ([]audit.TrailHead, error)
}

// HeadObjects keep the trail's heads in object storage, each as an object of its own that is never overwritten: its name has the entry's number and hash,
// so a list of them is all that is read. Who may create but not delete there cannot make them say anything else.
type HeadObjects struct {
	Client *s3.Client
	Bucket string
	Prefix string // of the keys
}

// HeadsInBucket is where an archive at s3://bucket/prefix has the heads.
func HeadsInBucket(client *s3.Client, url string) (HeadObjects, error) {
	bucket, prefix, err := s3.Split(url)
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return HeadObjects{Client: client, Bucket: bucket, Prefix: prefix + "heads/"}, err
}

func (o HeadObjects) String() string { return s3.Scheme + o.Bucket + "/" + o.Prefix }

// Append implements Heads. One that is there already says the same.
func (o HeadObjects) Append(ctx context.Context, head audit.TrailHead, after string) error {
	key := fmt.Sprintf("%s%012d-%s", o.Prefix, head.Seq, head.Hash)
	err := o.Client.PutOnce(ctx, o.Bucket, key, fmt.Appendf(nil, "%d %s %s\n", head.Seq, head.Hash, after))
	if err != nil {
		return fmt.Errorf("the trail's head could not be kept: %w", err)
	}
	return nil
}

// Kept implements Heads.
func (o HeadObjects) Kept(ctx context.Context) (heads []audit.TrailHead, err error) {
	for x, err := range o.Client.List(ctx, o.Bucket, o.Prefix) {
		if err != nil {
			return nil, fmt.Errorf("the kept heads of the trail: %w", err)
		}
		if h, ok := headOf(strings.TrimPrefix(x.Key, o.Prefix), "-"); ok {
			heads = append(heads, h)
		}
	}
	return heads, nil
}

// headOf reads an entry's number and hash, with sep between and after.
func headOf(text, sep string) (h audit.TrailHead, ok bool) {
	number, rest, _ := strings.Cut(text, sep)
	hash, _, _ := strings.Cut(rest, sep)
	seq, err := strconv.ParseInt(number, 10, 64)
	raw, herr := hex.DecodeString(hash)
	return audit.TrailHead{Seq: seq, Hash: hash}, err == nil && herr == nil && len(raw) == 32
}

// HeadFile is where the store's heads are kept: beside the file of SQLite; of Postgres, in the folder dir.
func (s *Store) HeadFile(dir string) HeadFile {
	if f, ok := s.d.(*sqliteFile); ok {
		return HeadFile(f.path + ".heads")
	}
	return HeadFile(filepath.Join(dir, "mailreeve.heads"))
}

func (f HeadFile) String() string { return string(f) }

// Append implements Heads.
func (f HeadFile) Append(_ context.Context, head audit.TrailHead, after string) error {
	err := f.append(fmt.Sprintf("%d %s %s\n", head.Seq, head.Hash, after))
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

// Kept implements Heads. A half line is left out.
func (f HeadFile) Kept(context.Context) (heads []audit.TrailHead, err error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the kept heads of the trail: %w", err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if h, ok := headOf(line, " "); ok {
			heads = append(heads, h)
		}
	}
	return heads, nil
}

// A LostHeadError says that the trail does not go back to a head that was kept.
type LostHeadError struct {
	Head audit.TrailHead
	In   Heads
	Last int64 // the trail's last entry
}

func (e *LostHeadError) Error() string {
	what := "its history was written anew"
	if e.Last < e.Head.Seq {
		what = fmt.Sprintf("it was cut off: it ends with entry %d", e.Last)
	}
	return fmt.Sprintf("the trail no longer has entry %d with the hash %s, which %s keeps: %s. If the store was restored from an older backup or begun anew, "+
		"move what is kept there away; else somebody changed the store behind mailreeve's back", e.Head.Seq, e.Head.Hash, e.In, what)
}

// Agrees holds the trail against the heads that are kept in one place, and gives how many there are. A [LostHeadError] names the first that the trail does not have.
func (s *Store) Agrees(ctx context.Context, in Heads) (n int, err error) {
	kept, err := in.Kept(ctx)
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
				return &LostHeadError{Head: h, In: in, Last: last.Seq}
			}
		}
		return nil
	})
	return len(kept), err
}
