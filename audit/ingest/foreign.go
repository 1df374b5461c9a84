package ingest

import (
	"bytes"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/format"
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
	var status *int64
	if c.Status != 0 {
		n := int64(c.Status)
		status = &n
	}
	return callRecord(c.At, c.RequestID, c.App, c.Site, c.Path, c.Auth, c.Purpose, status, c.Accounts)
}
