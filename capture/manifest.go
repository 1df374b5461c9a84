package capture

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A line is one of the manifest: a capture, and what was seen in it while it was whole. What is written is redacted, so nobody can find it there again.
type line struct {
	File       string            `json:"file"`
	Kind       audit.CaptureKind `json:"kind"`
	App        string            `json:"app_key"`
	Site       string            `json:"cloud_id"`
	Viewer     string            `json:"viewer_account_id"`
	CapturedAt time.Time         `json:"captured_at"`
	URL        string            `json:"url"`
	Screenshot string            `json:"screenshot,omitempty"`
	Sightings  []audit.Sighting  `json:"sightings"`
}

// nameAt is a name for the files of a capture: when it was made, and chance; nothing of the page.
func nameAt(t time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return t.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// writeFile writes a file that is there whole or not at all.
func writeFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".capture-*")
	if err != nil {
		return fmt.Errorf("writing a capture: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing a capture: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// appendLines adds lines to the manifest, in one write: who reads it meanwhile sees all of them or none.
func appendLines(path string, lines []line) error {
	var b strings.Builder
	for _, l := range lines {
		if l.Sightings == nil {
			l.Sightings = []audit.Sighting{}
		}
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	text := b.String()
	if unfinished(f) {
		text = "\n" + text
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	return nil
}

// unfinished says whether a file's last line has no end.
func unfinished(f *os.File) bool {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], end-1)
	return err == nil && last[0] != '\n'
}
