package notifier_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

var update = flag.Bool("update", false, "write the golden files")

func TestText(t *testing.T) {
	for name, d := range nights.All() {
		t.Run(name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", name+".txt"), d.Text())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

func TestQuietNightIsShort(t *testing.T) {
	d := nights.Quiet()
	d.Sources = nil
	if n := strings.Count(d.Text(), "\n"); n > 3 {
		t.Errorf("%d lines:\n%s", n, d.Text())
	}
	if d.Changed() || d.Blind() {
		t.Error("nothing changed, and everything was looked at")
	}
}

func TestCompose(t *testing.T) {
	finding := func(app string, s audit.Severity, st audit.Status, accounts int) audit.Finding {
		return audit.Finding{ID: "F-" + app, Check: "access-unapproved", App: app, Severity: s, Status: st, Accounts: accounts, Title: "a title"}
	}
	changes := []audit.Change{
		{Finding: finding("a", audit.High, audit.Open, 900), What: audit.IsNew},
		{Finding: finding("b", audit.Critical, audit.Open, 1), What: audit.IsNew},
		{Finding: finding("c", audit.Critical, audit.Open, 2), What: audit.IsNew},
		{Finding: finding("d", audit.Low, audit.Open, 2), What: audit.IsNew},
		{Finding: finding("e", audit.Low, audit.Open, 2), What: audit.IsReopened},
		{Finding: finding("f", audit.Medium, audit.Suppressed, 2), What: audit.IsReopened},
		{Finding: finding("g", audit.Medium, audit.FalsePositive, 2), What: audit.Grew},
		{Finding: finding("h", audit.Medium, audit.Acknowledged, 2), What: audit.Grew},
		{Finding: finding("i", audit.Medium, audit.Open, 2), What: audit.IsWorsened},
		{Finding: finding("j", audit.High, audit.Resolved, 0), What: audit.IsResolved},
		{Finding: finding("j", audit.High, audit.Resolved, 0), What: audit.IsWithdrawn},
	}
	open := map[audit.Severity]int{audit.High: 1}
	run := &audit.Run{ID: "R", Summary: audit.RunSummary{
		Checks: []audit.CheckResult{{ID: "x", Looked: true}, {ID: "y", Why: "no joe@example.com"}},
		Notes:  []string{"as joe@example.com\nsaid"}}}
	d := notifier.Compose(&audit.Result{Run: run, Changes: changes, Open: open}, nights.Redact)
	var names []string
	for _, i := range d.Named {
		names = append(names, i.App+" "+i.Why)
	}
	if diff := cmp.Diff([]string{"c a title", "b a title", "a a title"}, names); diff != "" {
		t.Error("named:", diff)
	}
	d.Named, d.NamedReopened, d.NamedWorsened = nil, nil, nil
	want := notifier.Digest{Run: "R",
		New: notifier.Counts{Critical: 2, High: 1, Low: 1}, Reopened: notifier.Counts{Low: 1}, Worsened: notifier.Counts{Medium: 1}, Grew: notifier.Counts{Medium: 1},
		Resolved: notifier.Counts{High: 1}, Withdrawn: notifier.Counts{High: 1}, Open: notifier.Counts{High: 1}, Silent: 2,
		Checks: []audit.CheckResult{{ID: "y", Why: "no [address]"}}, Notes: []string{"as [address] said"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	if !d.Changed() || !d.Blind() {
		t.Error("it changed, and a check could not look")
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"  two\r\n\tlines\u2028three  ": "two lines three",
		"a\x00b\x1b[31mred\x7f":         `a\x00b\x1b[31mred\x7f`,
		"\u202egpj.exe":                 `\u202egpj.exe`,
		"zero\u200bwidth\ufeff":         `zero\u200bwidth\ufeff`,
		"bad \xff\xfe utf":              `bad \xff\xfe utf`,
		"a real \ufffd":                 "a real \ufffd",
		"می\u200cخواهم 👩\u200d💻 naïve":  "می\u200cخواهم 👩\u200d💻 naïve",
		"": "",
	} {
		if got := notifier.Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := nights.Hostile().Draw(t, "s")
		l := notifier.Line(s)
		if strings.ContainsAny(l, "\n\r\t\x00\x1b\u202e") || !utf8.ValidString(l) || strings.TrimSpace(l) != l {
			t.Fatalf("%q", l)
		}
		if again := notifier.Line(l); again != l {
			t.Fatalf("%q becomes %q", l, again)
		}
		n := rapid.IntRange(1, 50).Draw(t, "n")
		if short := notifier.Shorten(l, n); utf8.RuneCountInString(short) > n || !utf8.ValidString(short) || short != l && !strings.HasSuffix(short, "…") {
			t.Fatalf("%d of %q: %q", n, l, short)
		}
	})
}

// TestTextIsForTerminals: whatever the digest holds, the terminal gets lines of printable text.
func TestTextIsForTerminals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := nights.Any(t)
		text := d.Text()
		if !utf8.ValidString(text) || strings.ContainsAny(strings.ReplaceAll(text, "\n", ""), "\x00\x07\x1b\r\t\u202e\u200b") {
			t.Fatalf("%q", text)
		}
		if strings.Contains(text, nights.Address) {
			t.Fatalf("an address: %s", text)
		}
	})
}
