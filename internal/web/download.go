package web

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
)

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
