package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/report"
)

func (c *cli) reportCommand() *cobra.Command {
	var month, file string
	cmd := &cobra.Command{
		Use:   "report --month YYYY-MM",
		Short: "Write the month's report for auditors, one HTML file",
		Long: `report writes what nights and people did in a month (UTC) as one HTML file that needs nothing else to be read or printed: findings by vendor and clause, trends, ages,
deadlines kept and missed, what was suppressed, dismissed, accepted and decided with its reasons, what could not be looked at night by night, and the head of the audit trail at
the month's end, which mailreeve verify --head checks. A month that still runs is reported as far as it came, and says so; one without a night is an error. The same store
and month give the same bytes.`,
		Example: "  mailreeve report --month 2026-11 > report.html\n  mailreeve report --month 2026-11 -o report-2026-11.html",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if month == "" {
				return usagef("report needs --month, as in 2026-11")
			}
			m, err := report.ParseMonth(month)
			if err != nil {
				return usagef("--month: %w", err)
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			r := &report.Reporter{Store: s.store, Clock: c.clock, Clause: func(name string) string { return checks.Clause(s.cfg.Policy, name) }, Exceptions: s.cfg.Policy.Exceptions}
			write := func(w io.Writer) error { return r.Write(cmd.Context(), w, m) }
			if file == "" || file == "-" {
				return write(c.out)
			}
			return replaceFile(file, write)
		},
	}
	cmd.Flags().StringVar(&month, "month", "", "the month, as in 2026-11")
	cmd.Flags().StringVarP(&file, "output", "o", "", "the file to write (default: stdout)")
	return cmd
}

// replaceFile writes a file whole or not at all: what was there stays until all of it is written. What is no file, as a pipe, is written to as it is.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil { // else it stays this user's alone
		if err := f.Chmod(info.Mode()); err != nil {
			return errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
