package vendorpage

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// MaxFile is how large a file may be that a vendor attaches, in bytes.
const MaxFile = 5 << 20

// room is how much is kept of what vendors attach.
func room() store.AttachmentRoom {
	return store.AttachmentRoom{Files: 20, Vendor: 100 << 20, All: 2 << 30}
}

const maxName = 80 // characters of a file's name

// Why a file is not taken.
var (
	errEmpty = errors.New("the file is empty")
	errKind  = errors.New("the file is no PDF, no PNG or JPEG picture, and no plain text (such as .txt, .csv, .log or .json)")
)

// A kind is a type of files that is taken, and how such files end.
type kind struct {
	contentType string
	endings     []string // the first is given to a file that has none of them
}

// kindOf says what a file is, by what is in it: what its name says, or whoever sent it, proves nothing.
func kindOf(content []byte) (kind, error) {
	switch {
	case len(content) == 0:
		return kind{}, errEmpty
	case bytes.HasPrefix(content, []byte("%PDF-")):
		return kind{"application/pdf", []string{".pdf"}}, nil
	}
	if _, err := png.DecodeConfig(bytes.NewReader(content)); err == nil {
		return kind{"image/png", []string{".png"}}, nil
	}
	if _, err := jpeg.DecodeConfig(bytes.NewReader(content)); err == nil {
		return kind{"image/jpeg", []string{".jpg", ".jpeg"}}, nil
	}
	if isText(content) {
		return kind{"text/plain; charset=utf-8", []string{".txt", ".csv", ".log", ".json", ".md"}}, nil
	}
	return kind{}, errKind
}

// isText says whether a file is plain text that nothing takes for more: neither controls nor markup. CSV begins with anything but <.
func isText(content []byte) bool {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) || bytes.ContainsFunc(content, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }) {
		return false
	}
	begin := bytes.TrimLeftFunc(content, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) })
	return !bytes.HasPrefix(begin, []byte("<")) && !bytes.HasPrefix(begin, []byte("%!")) && !bytes.HasPrefix(begin, []byte("#!")) && strings.HasPrefix(http.DetectContentType(content), "text/plain")
}

// nameOf is a file's name for people: no path, nothing hidden, no address, and an ending that says what it is.
func nameOf(sent string, k kind) string {
	name := address.Redact(notifier.Line(path.Base(strings.ReplaceAll(sent, `\`, "/"))))
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	ending := path.Ext(name)
	stem, ext := strings.Trim(strings.TrimSuffix(name, ending), ". "), strings.ToLower(ending) // which may be longer than what it was
	if !slices.Contains(k.endings, ext) {
		stem, ext = strings.Trim(name, ". "), k.endings[0]
	}
	if stem == "" || stem == "_" {
		stem = "file"
	}
	return notifier.Shorten(stem, maxName) + ext
}

// readFile reads the one file of a form, and no more than a file may be large.
func readFile(r *http.Request) (name string, content []byte, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", nil, err
	}
	for {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return "", nil, errNoFile
		case err != nil:
			return "", nil, err
		case part.FormName() != "file":
			continue // its rest is skipped, and the whole is limited
		case part.FileName() == "":
			return "", nil, errNoFile
		}
		content, err := io.ReadAll(io.LimitReader(part, MaxFile+1))
		switch {
		case err != nil:
			return "", nil, err
		case len(content) > MaxFile:
			return "", nil, &http.MaxBytesError{Limit: MaxFile}
		}
		return part.FileName(), content, nil
	}
}

// attachment is a file as it is kept: of text, addresses are masked at the door.
func attachment(t *notices.Told, vendor, name string, content []byte) (*store.Attachment, error) {
	k, err := kindOf(content)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(k.contentType, "text/") {
		content = []byte(address.Redact(string(content)))
	}
	sum := sha256.Sum256(content)
	return &store.Attachment{ID: "A-" + rand.Text()[:16], App: t.App, Finding: t.ID, Vendor: vendor, Name: nameOf(name, k), Kind: k.contentType, Size: int64(len(content)),
		Digest: hex.EncodeToString(sum[:]), Content: content}, nil
}
