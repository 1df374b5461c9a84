package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/record"
	"github.com/mailreeve/mailreeve/notifier"
)

// Nothing from outside reaches a terminal as a control, or a spreadsheet as a formula; JSON says exactly what was said.
func TestHostileTextIsShown(t *testing.T) {
	hostile := []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx", "\x1b[2J", "\u009b2J", "a\u202eb", "a\nb", "a\u2028b", "a\x00b", "<!channel>", "\U000e0041", "\xff", "Acmé 🦊"}
	l := listing[string]{record: func(s string) any { return s }, columns: []column[string]{{name: "text", of: func(s string) string { return s }}}}
	for _, format := range []string{asTable, asCSV, asExcel, asJSON, asJSONL} {
		var out bytes.Buffer
		if err := l.print(&cli{out: &out, err: &out}, format, slices.Values(hostile)); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if format == asExcel {
			if !strings.HasPrefix(text, "\ufefftext\r\n") || strings.Count(text, "\r\n") != strings.Count(text, "\n") {
				t.Errorf("excel: %q", text)
			}
			text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && record.Hides(r) }); i >= 0 {
			t.Errorf("%s: %q holds what does not print", format, text[i:])
		}
		switch format {
		case asCSV, asExcel:
			if rows, err := csv.NewReader(strings.NewReader(text)).ReadAll(); err != nil || len(rows) != len(hostile)+1 {
				t.Errorf("%s: %d rows, %v", format, len(rows), err)
			}
			for _, line := range strings.Split(text, "\n") {
				if line != "" && strings.ContainsAny(strings.TrimPrefix(line, `"`)[:1], "=+-@\t\r") {
					t.Errorf("%s: %q is a formula", format, line)
				}
			}
		case asJSON:
			var back []string
			if err := json.Unmarshal(out.Bytes(), &back); err != nil {
				t.Fatal(err)
			}
			for i, s := range hostile {
				if want := strings.ToValidUTF8(s, "\ufffd"); back[i] != want {
					t.Errorf("json: %q came back as %q", want, back[i])
				}
			}
		}
	}
	if got := notifier.Cell("=1", shown); got != "'=1" {
		t.Errorf("a formula's cell is %q", got)
	}
	if got := shown("Acmé 🦊 <!channel>"); got != "Acmé 🦊 <!channel>" {
		t.Errorf("a plain text is shown as %q", got)
	}
}

// A spreadsheet gets the texts too, times that it can reckon with, and no cell longer than it takes.
func TestExcelHasAllAndProgramsHaveWhatTheyHad(t *testing.T) {
	long := strings.Repeat("é", 40_000)
	l := listing[string]{columns: []column[string]{
		{name: "app key", of: func(s string) string { return s }},
		{name: "first seen", at: func(string) audit.Instant { return audit.At(time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)) }},
		{name: "due at", at: func(string) audit.Instant { return audit.Never }, wide: true},
		{name: "explanation", of: func(string) string { return long }, wide: true, prose: true},
	}}
	var programs, sheet bytes.Buffer
	for format, out := range map[string]*bytes.Buffer{asCSV: &programs, asExcel: &sheet} {
		if err := l.print(&cli{out: out, err: out}, format, slices.Values([]string{"acme"})); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := programs.String(), "app_key,first_seen,due_at\nacme,2026-11-22T10:00:00.000000005Z,\n"; got != want {
		t.Errorf("csv: %q", got)
	}
	got, cut := strings.CutPrefix(sheet.String(), "\ufeffapp key,first seen (UTC),due at (UTC),explanation\r\nacme,2026-11-22 10:00:00,,é")
	if !cut || len([]rune(got)) > 32_767 || !strings.HasSuffix(got, "é…\r\n") {
		t.Errorf("excel: %.200q", sheet.String())
	}
}
