package ingest

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
)

// A State is what Read must know of a file to skip it, or to read on, the next time. It belongs to a path, which the caller keeps with it.
type State struct {
	identity
	Waiting bool     // the last line was not delivered
	Block   int64    // size of the blocks; 0 for a compressed file
	Offset  int64    // where to read on: the end of the last whole line, the start of one that has no end
	Before  int64    // lines before Offset
	Hashes  []uint64 // xxhash of each block, the last one perhaps shorter
	Tag     string   // what a feed wants to be told the next time
}

// identity tells one state of a file from another. Of an object, Inode is a hash of its ETag.
type identity struct {
	Size          int64
	Modified      int64 // ns since the Unix epoch
	Changed       int64 // likewise, of the inode; 0 where the system does not tell
	Device, Inode uint64
	Racy          bool // it changed so shortly before that a further change might not show
}

// racy is how long after a change a further one might not show in a file's times, as coarse as some systems keep them.
const racy = 2 * time.Second

// racyFine is racy where the times have fractions of a second: a few ticks of the system's clock.
const racyFine = 50 * time.Millisecond

func (id identity) modified() time.Time { return time.Unix(0, id.Modified) }

func identify(info os.FileInfo) identity {
	id := identity{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	id.system(info)
	last := max(id.Modified, id.Changed)
	within := racy
	if last%1e9 != 0 {
		within = racyFine
	}
	id.Racy = time.Since(time.Unix(0, last)) < within
	return id
}

// unchanged says whether a file that is now id is surely the one that s was taken of.
func (s *State) unchanged(id identity) bool {
	if s.Racy {
		return false
	}
	id.Racy = false
	return s.identity == id
}

// seenAs gives the state of a file that was read on another machine, to which a shared disk has another number, the identity that it has here. An object
// has one everywhere.
func (s *State) seenAs(here identity) {
	if here.Device != 0 && s.Size == here.Size && s.Modified == here.Modified {
		here.Racy = here.Racy || s.Racy
		s.identity = here
	}
}

// The versions of a state: with a tag, it is another.
const (
	stateVersion  = 1
	taggedVersion = 2
)

// MarshalBinary gives s in about 8 bytes for each 8 MiB of the file.
func (s State) MarshalBinary() ([]byte, error) {
	flags := byte(0)
	if s.Waiting {
		flags |= 1
	}
	if s.Racy {
		flags |= 2
	}
	p := []byte{stateVersion, flags}
	if s.Tag != "" {
		p[0] = taggedVersion
		p = binary.AppendUvarint(p, uint64(len(s.Tag)))
		p = append(p, s.Tag...)
	}
	for _, n := range []int64{s.Size, s.Modified, s.Changed, int64(s.Device), int64(s.Inode), s.Block, s.Offset, s.Before} {
		p = binary.AppendVarint(p, n)
	}
	for _, h := range s.Hashes {
		p = binary.LittleEndian.AppendUint64(p, h)
	}
	return p, nil
}

// UnmarshalBinary reads what MarshalBinary gave. What does not agree with itself is refused: the file is then to be read whole.
func (s *State) UnmarshalBinary(p []byte) error {
	bad := errors.New("the state of a source file is damaged, or of another version: read the file whole")
	if len(p) < 2 || p[0] != stateVersion && p[0] != taggedVersion {
		return bad
	}
	tagged := p[0] == taggedVersion
	out := State{Waiting: p[1]&1 != 0}
	out.Racy = p[1]&2 != 0
	p = p[2:]
	if tagged {
		n, w := binary.Uvarint(p)
		if w <= 0 || n > uint64(len(p)-w) {
			return bad
		}
		out.Tag, p = string(p[w:w+int(n)]), p[w+int(n):]
	}
	var numbers [8]int64
	for i := range numbers {
		n, w := binary.Varint(p)
		if w <= 0 {
			return bad
		}
		numbers[i], p = n, p[w:]
	}
	out.Size, out.Modified, out.Changed = numbers[0], numbers[1], numbers[2]
	out.Device, out.Inode = uint64(numbers[3]), uint64(numbers[4])
	out.Block, out.Offset, out.Before = numbers[5], numbers[6], numbers[7]
	if len(p)%8 != 0 || out.Size < 0 || out.Block < 0 || out.Before < 0 || out.Offset < 0 || out.Offset > out.Size {
		return bad
	}
	blocks := int64(0)
	if out.Block > 0 {
		blocks = (out.Size-1)/out.Block + 1
		if out.Size == 0 {
			blocks = 0
		}
	}
	if blocks != int64(len(p)/8) {
		return bad
	}
	for ; len(p) > 0; p = p[8:] {
		out.Hashes = append(out.Hashes, binary.LittleEndian.Uint64(p))
	}
	*s = out
	return nil
}
