package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// slowest is how long a reader may take for one write of an answer that is longer than a page.
const slowest = 30 * time.Second

// Stream is w for an answer that takes as long as it takes, as long as somebody reads it: each write has a time of its own, rather than all of them together.
// Write some 64 KiB at a time.
func Stream(w http.ResponseWriter) io.Writer { return stream{w, http.NewResponseController(w)} }

type stream struct {
	to      io.Writer
	control *http.ResponseController
}

func (s stream) Write(p []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(slowest)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("stream an answer: %w", err)
	}
	return s.to.Write(p)
}

// Download answers with a file of a name, as nothing but a file to keep: a browser neither shows it nor runs anything in it.
func Download(w http.ResponseWriter, name string, content []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("file %q: %w", name, err)
	}
	return nil
}
