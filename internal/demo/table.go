package demo

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/mailreeve/mailreeve/audit"
)

// A Table holds planted against found.
type Table struct{ Rows []Row }

// A Row is one finding, planted, found, or both.
type Row struct {
	Planted *Planted
	Found   *audit.Finding
}

// Compare holds what was planted against what was found. Findings that are resolved count as not found.
func Compare(planted []Planted, found []audit.Finding) Table {
	type key struct{ check, app, subject string }
	at := map[key]int{}
	var t Table
	for i := range planted {
		p := &planted[i]
		at[key{p.Check, p.App, p.Subject}] = len(t.Rows)
		t.Rows = append(t.Rows, Row{Planted: p})
	}
	for i := range found {
		f := &found[i]
		if f.Status == audit.Resolved {
			continue
		}
		if n, ok := at[key{f.Check, f.App, f.Subject}]; ok {
			t.Rows[n].Found = f
		} else {
			t.Rows = append(t.Rows, Row{Found: f})
		}
	}
	slices.SortStableFunc(t.Rows, func(a, b Row) int { return strings.Compare(a.key(), b.key()) })
	return t
}

func (r Row) key() string {
	if r.Planted != nil {
		return keyOf(*r.Planted)
	}
	return keyOf(Planted{Check: r.Found.Check, App: r.Found.App, Subject: r.Found.Subject})
}

// Exact says whether it was planted and found with the same numbers.
func (r Row) Exact() bool {
	p, f := r.Planted, r.Found
	return p != nil && f != nil && p.Occurrences == f.Occurrences && p.Accounts == f.Accounts && p.Sites == f.Sites
}

// Counts says how many were planted, found, both, and both with exact numbers.
func (t Table) Counts() (planted, found, both, exact int) {
	for _, r := range t.Rows {
		if r.Planted != nil {
			planted++
		}
		if r.Found != nil {
			found++
		}
		if r.Planted != nil && r.Found != nil {
			both++
		}
		if r.Exact() {
			exact++
		}
	}
	return planted, found, both, exact
}

// Recall is the share of what was planted that was found.
func (t Table) Recall() float64 {
	planted, _, both, _ := t.Counts()
	return share(both, planted)
}

// Precision is the share of what was found that was planted.
func (t Table) Precision() float64 {
	_, found, both, _ := t.Counts()
	return share(both, found)
}

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// Perfect says whether all that was planted was found, with exact numbers, and nothing else.
func (t Table) Perfect() bool {
	return !slices.ContainsFunc(t.Rows, func(r Row) bool { return !r.Exact() })
}

// Write prints the table, a line a finding and at most 100 columns: ✓ where planted and found agree, else what differs.
func (t Table) Write(w io.Writer) error {
	out := &printer{w: w}
	out.line("  %-24s %-27s %-22s %6s %7s %5s", "check", "app", "subject", "count", "accnts", "sites")
	for _, r := range t.Rows {
		mark, p := "✓", r.Planted
		var counts string
		switch {
		case r.Found == nil:
			mark, counts = "✗", "not found"
		case p == nil:
			mark, counts = "✗", "not planted"
			p = &Planted{Check: r.Found.Check, App: r.Found.App, Subject: r.Found.Subject}
		case r.Exact():
			counts = fmt.Sprintf("%6s %7s %5s", number(p.Occurrences), number(p.Accounts), number(p.Sites))
		default:
			mark = "≠"
			counts = fmt.Sprintf("%6s %7s %5s", unlike(r.Found.Occurrences, p.Occurrences), unlike(r.Found.Accounts, p.Accounts), unlike(r.Found.Sites, p.Sites))
		}
		app := p.App
		if app == "" {
			app = "(no app)"
		}
		out.line("%s %-24s %-27s %-22s %s", mark, cut(p.Check, 24), cut(app, 27), cut(p.Subject, 22), counts)
	}
	planted, found, both, exact := t.Counts()
	out.line("")
	out.line("planted %d, found %d, both %d, with exact numbers %d: recall %.2f, precision %.2f", planted, found, both, exact, t.Recall(), t.Precision())
	return out.err
}

// number leaves out nothing but a zero, which says nothing.
func number(n int) string {
	if n == 0 {
		return "·"
	}
	return fmt.Sprint(n)
}

// unlike is a number that was found, and, where it is another, that which was planted.
func unlike(found, planted int) string {
	if found == planted {
		return number(found)
	}
	return fmt.Sprintf("%d≠%d", found, planted)
}

// WriteReview prints what a reviewer would look at first: open findings, worst first, n of them and how many more. With colour for terminals.
func WriteReview(w io.Writer, findings []audit.Finding, n int, colour bool) error {
	open := slices.DeleteFunc(slices.Clone(findings), func(f audit.Finding) bool {
		return f.Status == audit.Resolved || f.Status == audit.Suppressed || f.Status == audit.FalsePositive
	})
	slices.SortStableFunc(open, func(a, b audit.Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(b.Accounts, a.Accounts),
			cmp.Compare(b.Occurrences, a.Occurrences), strings.Compare(a.ID, b.ID))
	})
	out := &printer{w: w}
	for i := range open[:min(n, len(open))] {
		f := &open[i]
		app := f.AppName
		if app == "" {
			app = f.App
		}
		if app == "" {
			app = "(no app)"
		}
		if f.AppName != "" && f.App != "" {
			app += " (" + f.App + ")"
		}
		// Coloured after it was padded: the codes have no width.
		severity := fmt.Sprintf("%-8s", cut(string(f.Severity), 8))
		if colour {
			severity = colourOf(f.Severity) + severity + "\x1b[0m"
		}
		out.line("%s  %-14s  %s", severity, cut(f.ID, 14), cut(app, 70))
		out.line("          %-3s  %s", cut(f.Clause, 3), cut(f.Title, 80))
		if what := extent(f); what != "" {
			out.line("               %s", what)
		}
	}
	if more := len(open) - n; more > 0 {
		out.line("and %d more", more)
	}
	return out.err
}

// extent says how much a finding is of; nothing of a state.
func extent(f *audit.Finding) string {
	if f.Accounts == 0 && f.Sites == 0 && f.Occurrences <= 1 {
		return ""
	}
	parts := []string{plural(f.Occurrences, "time")}
	if f.Accounts > 0 {
		parts = append(parts, plural(f.Accounts, "account"))
	}
	if f.Sites > 0 {
		parts = append(parts, plural(f.Sites, "site"))
	}
	return strings.Join(parts, ", ") + ", last " + f.LastSeen.Time().Format("2006-01-02 15:04")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func colourOf(s audit.Severity) string {
	switch s {
	case audit.Critical:
		return "\x1b[1;31m"
	case audit.High:
		return "\x1b[31m"
	case audit.Medium:
		return "\x1b[33m"
	}
	return "\x1b[2m"
}

// cut is s in at most n columns; control characters are shown, not sent.
func cut(s string, n int) string {
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// printer prints lines without spaces at their end until one fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}
