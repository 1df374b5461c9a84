package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/notifier"
)

// Nothing from outside reaches a terminal as a control, or a spreadsheet as a formula; JSON says exactly what was said.
func TestHostileTextIsShown(t *testing.T) {
	hostile := []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx", "\x1b[2J", "\u009b2J", "a\u202eb", "a\nb", "a\u2028b", "a\x00b", "<!channel>", "\U000e0041", "\xff", "Acmé 🦊"}
	l := listing[string]{record: func(s string) any { return s }, columns: []column[string]{{name: "text", of: func(s string) string { return s }}}}
	for _, format := range []string{asTable, asCSV, asJSON, asJSONL} {
		var out bytes.Buffer
		if err := l.print(&cli{out: &out, err: &out}, format, slices.Values(hostile)); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && hides(r) }); i >= 0 {
			t.Errorf("%s: %q holds what does not print", format, out.String()[i:])
		}
		switch format {
		case asCSV:
			for _, line := range strings.Split(out.String(), "\n") {
				if line != "" && strings.ContainsAny(strings.TrimPrefix(line, `"`)[:1], "=+-@\t\r") {
					t.Errorf("csv: %q is a formula", line)
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
