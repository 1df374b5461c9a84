package demo_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/demo"
)

// found is what an audit that makes no mistake would find.
func found(planted []demo.Planted) []audit.Finding {
	out := make([]audit.Finding, len(planted))
	for i, p := range planted {
		out[i] = audit.Finding{ID: audit.FindingID(p.Check, p.App, p.Subject), Check: p.Check, App: p.App, Subject: p.Subject, Status: audit.Open, Clause: "P1",
			Severity: audit.Severities()[i%4], Title: "Something that takes many words to be said in full", AppName: "\x1b[31m" + p.App,
			Occurrences: p.Occurrences, Accounts: p.Accounts, Sites: p.Sites, LastSeen: audit.At(end())}
	}
	return out
}

// render is what write writes; no line of it may have more than 100 columns.
func render(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
	return b.String()
}

func TestTable(t *testing.T) {
	planted := demo.New(1, end()).Planted()
	all := found(planted)
	table := demo.Compare(planted, all)
	if !table.Perfect() || table.Recall() != 1 || table.Precision() != 1 {
		t.Error("equal ones differ")
	}
	t.Log("\n" + render(t, func(b *bytes.Buffer) error { return table.Write(b) }))

	all[0].Accounts += 2
	all[1].Status = audit.Resolved
	all = append(all, audit.Finding{Check: "report-overdue", App: "com.new", Status: audit.Open, Occurrences: 1}, audit.Finding{Check: "x", App: "gone", Status: audit.Resolved})
	table = demo.Compare(planted, all)
	text := render(t, func(b *bytes.Buffer) error { return table.Write(b) })
	for _, want := range []string{"≠ " + planted[0].Check, "not found", "not planted", "com.new", "recall 0.98, precision 0.98"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if table.Perfect() || strings.Contains(text, "gone") {
		t.Errorf("unlike ones agree:\n%s", text)
	}
}

// TestReview: worst first, control characters shown, colours only where asked for.
func TestReview(t *testing.T) {
	all := found(demo.New(1, end()).Planted())
	all[0].Status = audit.Resolved
	plain := render(t, func(b *bytes.Buffer) error { return demo.WriteReview(b, all, 6, false) })
	if strings.Contains(plain, "\x1b") || !strings.HasPrefix(plain, "critical") || !strings.Contains(plain, "and 50 more") {
		t.Error(plain)
	}
	var b bytes.Buffer
	if err := demo.WriteReview(&b, all, 6, true); err != nil || !strings.Contains(b.String(), "\x1b[1;31mcritical") {
		t.Error(b.String(), err)
	}
}
