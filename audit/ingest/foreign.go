package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/format"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// foreignOf has opt read files of a format, and gives what makes a reader of one for each worker: nil where f is nil, whose lines the decoder reads.
func foreignOf(f *format.Format, opt *Options) func() *format.Reader {
	if f == nil {
		return func() *format.Reader { return nil }
	}
	var header []byte
	if f.Header() {
		opt.Header = func(line []byte) error {
			header = bytes.Clone(line)
			_, err := f.Reader(header)
			return err
		}
	}
	return func() *format.Reader {
		r, _ := f.Reader(header) // the header was read before; a file without one has no lines
		return r
	}
}

// foreignCall reads a line of another format: the same call as the decoder reads, by the same rules, but that it may have no request id.
func foreignCall(r *format.Reader, line []byte) (none audit.CallRecord, err error) {
	c, err := r.Read(line)
	if err != nil {
		return none, err
	}
	ts := "is there"
	if c.At.IsZero() {
		ts = ""
	}
	if err := required("ts", ts, "cloud_id", c.Site, "path", c.Path, "auth", c.Auth); err != nil {
		return none, err
	}
	if audit.ParseAuth([]byte(c.Auth)) == 0 {
		return none, errors.New("auth is none of " + audit.AuthNames() + ", nor a word that words has")
	}
	var status *int64
	if c.Status != 0 {
		n := int64(c.Status)
		status = &n
	}
	return callRecord(c.At, c.RequestID, c.App, c.Site, c.Path, c.Auth, c.Purpose, status, c.Accounts)
}

// A Sample is what was found in the first lines of a file.
type Sample struct {
	File                     string
	FirstBad                 int            // the number of the first bad line
	Lines, Others, Good, Bad int            // Others: of other paths than those that are asked for
	Found                    map[string]int // by field: good lines that have it
	Why                      string         // the first bad one is
}

// The bounds of a sample, in lines and bytes of text.
const (
	sampleLines = 1000
	sampleBytes = 4 << 20
)

// LookAt reads the first lines of the newest file that a pattern names, as lines of a kind, and, where f is not nil, of a format. It keeps nothing of them. As in a
// night, a last line without an end waits for [Patience] from the file's last change.
func LookAt(ctx context.Context, pattern string, k audit.Kind, f *format.Format, objects *s3.Client, now time.Time) (s Sample, err error) {
	p := newPlaces(objects)
	from := p.of(pattern)
	_, s.File, _, err = newestOf(ctx, from, pattern)
	if err != nil {
		return s, err
	}
	file, err := from.open(ctx, s.File, 1)
	if err != nil {
		return s, err
	}
	defer file.Close()
	r := &run{file: file, path: s.File}
	if r.id, err = file.identify(); err != nil {
		return s, err
	}
	r.young = isYoung(r.id, now)
	kind, err := r.compression()
	if err != nil {
		return s, err
	}
	text, err := r.text(kind)
	if err != nil {
		return s, fmt.Errorf("%s: %w", s.File, err)
	}
	defer text.Close()
	sample := &io.LimitedReader{R: text, N: sampleBytes}
	lines := bufio.NewScanner(sample)
	lines.Buffer(nil, sampleBytes)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if atEOF && bytes.IndexByte(data, '\n') < 0 && (r.young || sample.N == 0) {
			return len(data), nil, nil // a line that is not written to its end, or that the sample cuts
		}
		return bufio.ScanLines(data, atEOF)
	})
	s.Found = map[string]int{}
	var reader *format.Reader
	var own Decoder
	for n := 1; s.Lines < sampleLines && lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if f != nil && n == 1 {
			var header []byte
			if f.Header() {
				header = bytes.Clone(line)
			}
			if reader, err = f.Reader(header); err != nil {
				return s, fmt.Errorf("%s: %w", s.File, err)
			}
			if f.Header() {
				continue
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		s.Lines++
		var call audit.CallRecord
		if f != nil {
			call, err = foreignCall(reader, line)
		} else {
			err = own.try(k, line)
		}
		switch {
		case errors.Is(err, format.ErrOther):
			s.Others++
		case err != nil:
			if s.Bad++; s.Bad == 1 {
				s.FirstBad, s.Why = n, err.Error()
			}
		case f != nil:
			s.see(&call)
			fallthrough
		default:
			s.Good++
		}
	}
	return s, lines.Err()
}

// try reads a line of a kind, and says what is wrong with it.
func (d *Decoder) try(k audit.Kind, line []byte) (err error) {
	switch k {
	case audit.KindAccess:
		err = d.Call(line, &audit.CallRecord{})
	case audit.KindReports:
		err = d.Report(line, &audit.ReportRecord{})
	case audit.KindInstalls:
		_, err = d.Lifecycle(line)
	case audit.KindIncidents:
		_, err = Incident(line)
	case audit.KindApps:
		_, err = App(line)
	case audit.KindAddresses:
		_, err = d.Address(line)
	default:
		_, err = Observation(k, line)
	}
	return err
}

// see counts what a call has.
func (s *Sample) see(call *audit.CallRecord) {
	for field, has := range map[string]bool{format.RequestID: len(call.RequestID) > 0, format.App: len(call.App) > 0, format.Purpose: len(call.Purpose) > 0, format.Accounts: call.Accounts.Len() > 0,
		format.TS: true, format.Site: true, format.Path: true, format.Auth: true, format.Status: true} { // without the latter it were bad
		if has {
			s.Found[field]++
		}
	}
}
