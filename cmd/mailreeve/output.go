package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier"
)

// The formats of a list.
const (
	asTable = "table"
	asJSON  = "json"
	asJSONL = "jsonl"
	asCSV   = "csv"
	asExcel = "excel" // CSV for spreadsheets
	asOCSF  = "ocsf"
)

// completes has shells complete an option by the values that it takes.
func completes[S ~string](cmd *cobra.Command, option string, values []S) {
	list := make([]cobra.Completion, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	_ = cmd.RegisterFlagCompletionFunc(option, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)) // fails only for an option that there is not
}

// formatFlag is --format of a list. Its value is checked before the command runs.
func formatFlag(cmd *cobra.Command, into *string, formats ...string) {
	if len(formats) == 0 {
		formats = []string{asTable, asJSON, asJSONL, asCSV}
	}
	cmd.Flags().StringVar(into, "format", formats[0], "how to print: "+strings.Join(formats, ", "))
	completes(cmd, "format", formats)
	also := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(formats, *into) {
			return usagef("--format: %q is none of %s", *into, strings.Join(formats, ", "))
		}
		if also != nil {
			return also(cmd, args)
		}
		return nil
	}
}

// A column is a column of a table and of CSV: a text, or an instant, which tables give to the second.
type column[T any] struct {
	name string
	of   func(T) string
	at   func(T) audit.Instant
	wide bool           // left out of tables
	told func(T) string // in tables, where of is for programs

	prose bool // for people who read a spreadsheet: also left out of CSV for programs
}

func (c *column[T]) text(x T, exact bool) string {
	switch {
	case c.told != nil && !exact:
		return c.told(x)
	case c.at == nil:
		return c.of(x)
	case exact:
		return instantText(c.at(x))
	default:
		return when(c.at(x))
	}
}

// A listing says how a list of Ts is printed.
type listing[T any] struct {
	columns []column[T]
	record  func(T) any // as JSON
	none    string      // what to say where a table would be empty
}

// print writes a list in a format: data to c.out, and, where a table would be empty, that it is to c.err.
func (l listing[T]) print(c *cli, format string, items iter.Seq[T]) error {
	w := bufio.NewWriter(c.out)
	var err error
	switch format {
	case asJSON:
		err = l.json(w, items)
	case asJSONL:
		for x := range items {
			if err = record.Write(w, l.record(x), ""); err != nil {
				break
			}
		}
	case asCSV:
		err = l.csv(w, items)
	case asExcel:
		err = l.excel(w, items)
	default:
		var n int
		if n, err = l.table(w, items); n == 0 && err == nil && l.none != "" {
			fmt.Fprintln(c.err, l.none)
		}
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// json writes one array, an item a line.
func (l listing[T]) json(w io.Writer, items iter.Seq[T]) error {
	between := "[\n"
	for x := range items {
		if _, err := io.WriteString(w, between); err != nil {
			return err
		}
		var b bytes.Buffer
		if err := record.Write(&b, l.record(x), ""); err != nil {
			return err
		}
		if _, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n"))); err != nil {
			return err
		}
		between = ",\n"
	}
	end := "\n]\n"
	if between == "[\n" {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}

// csv is for programs: as they have always read it.
func (l listing[T]) csv(w io.Writer, items iter.Seq[T]) error {
	columns := slices.DeleteFunc(slices.Clone(l.columns), func(c column[T]) bool { return c.prose })
	head := func(c column[T]) string { return strings.ReplaceAll(c.name, " ", "_") }
	return writeCSV(csv.NewWriter(w), columns, items, head, func(c column[T], x T) string { return notifier.Cell(c.text(x, true), shown) })
}

// cellRoom is how many characters a cell of Excel surely has room for: 32,767 units of UTF-16.
const cellRoom = 16_000

// excel is for spreadsheets: by RFC 4180, with the mark without which Excel takes UTF-8 for something else, and times that are times to them.
func (l listing[T]) excel(w io.Writer, items iter.Seq[T]) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	head := func(c column[T]) string {
		if c.at != nil {
			return c.name + " (UTC)"
		}
		return c.name
	}
	return writeCSV(out, l.columns, items, head, func(c column[T], x T) string {
		if c.at == nil {
			return notifier.Shorten(notifier.Cell(c.of(x), shown), cellRoom)
		}
		if t := c.at(x); record.IsSet(t) {
			return t.Time().Format(time.DateTime)
		}
		return ""
	})
}

func writeCSV[T any](out *csv.Writer, columns []column[T], items iter.Seq[T], head func(column[T]) string, text func(column[T], T) string) error {
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = head(c)
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for x := range items {
		for i, c := range columns {
			row[i] = text(c, x)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// table writes aligned columns under a head, and nothing where there are no items. It gives how many there are.
func (l listing[T]) table(w io.Writer, items iter.Seq[T]) (n int, err error) {
	out := newTable(w)
	for x := range items {
		if n == 0 {
			var head []string
			for _, c := range l.columns {
				if !c.wide {
					head = append(head, strings.ToUpper(c.name))
				}
			}
			out.row(head...)
		}
		n++
		var row []string
		for _, c := range l.columns {
			if !c.wide {
				row = append(row, c.text(x, false))
			}
		}
		out.row(row...)
	}
	return n, out.flush()
}

// A table aligns its columns. What it is given is shown, control characters escaped.
type table struct {
	w *tabwriter.Writer
}

func newTable(w io.Writer) *table {
	return &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

func (t *table) row(cells ...string) {
	for i := range cells {
		if cells[i] = shown(cells[i]); cells[i] == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t")) // errors come with flush
}

func (t *table) flush() error { return t.w.Flush() }

// shown is a text for a terminal: what does not print is escaped as in Go.
func shown(s string) string {
	if !strings.ContainsFunc(s, record.Hides) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case record.Hides(r):
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// when is an instant for people: to the second, nothing where it is not set.
func when(t audit.Instant) string {
	if !record.IsSet(t) {
		return ""
	}
	return t.Time().Format(time.RFC3339)
}

// instantText is an instant in CSV.
func instantText(t audit.Instant) string {
	if !record.IsSet(t) {
		return ""
	}
	return t.String()
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
