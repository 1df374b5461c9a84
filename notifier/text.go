package notifier

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/mailreeve/mailreeve/audit"
)

// The words in which every rendering tells of a digest. They hold text from outside only where they say so.

// maxNamed is how many findings of a kind Text names.
const maxNamed = 50

// Headline says in one line which night it was and what is new. It holds nothing from outside.
func (d Digest) Headline() string {
	what := "Email API audit"
	switch {
	case d.Dry:
		what += ", dry run"
	case d.Baseline:
		what += ", baseline"
	}
	what += fmt.Sprintf(", %s: %s", Stamp(d.AsOf), d.News())
	if d.Blind() {
		what += ", not all was looked at"
	}
	return what
}

// How says how the run came about. It holds nothing from outside.
func (d Digest) How() string {
	how := "by hand"
	if d.Scheduled != audit.Never {
		how = "scheduled for " + Stamp(d.Scheduled)
	}
	if d.Dry {
		how += ", dry: nothing was filed"
	}
	if d.Baseline {
		how += ", baseline"
	}
	return how
}

// News says in half a line what is new.
func (d Digest) News() string {
	var news []string
	if n := d.New.Total(); n > 0 {
		news = append(news, fmt.Sprintf("%d new (%s)", n, d.New))
	}
	for _, c := range []struct {
		what string
		Counts
	}{{"reopened", d.Reopened}, {"worsened", d.Worsened}} {
		if n := c.Total(); n > 0 {
			news = append(news, fmt.Sprint(n, " ", c.what))
		}
	}
	if len(news) == 0 {
		return "nothing new"
	}
	return strings.Join(news, ", ")
}

// String is as in "1 critical, 2 high"; "none" where there is none.
func (c Counts) String() string {
	var s []string
	for _, n := range []struct {
		n    int
		what audit.Severity
	}{{c.Critical, audit.Critical}, {c.High, audit.High}, {c.Medium, audit.Medium}, {c.Low, audit.Low}} {
		if n.n > 0 {
			s = append(s, fmt.Sprint(n.n, " ", n.what))
		}
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}

// Table is what changed and what is open, by severity, in aligned columns. It holds nothing from outside.
func (d Digest) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %8s %8s %8s %8s %8s\n", "", "critical", "high", "medium", "low", "all")
	for _, row := range []struct {
		what string
		Counts
	}{{"new", d.New}, {"reopened", d.Reopened}, {"worsened", d.Worsened}, {"grew", d.Grew}, {"resolved", d.Resolved}, {"withdrawn", d.Withdrawn}, {"still open", d.Open}} {
		if row.Total() > 0 || row.what == "new" || row.what == "still open" && !d.Share {
			fmt.Fprintf(&b, "%-10s %8d %8d %8d %8d %8d\n", row.what, row.Critical, row.High, row.Medium, row.Low, row.Total())
		}
	}
	return b.String()
}

// Remarks are what a reader should know beside the findings. They hold nothing from outside.
func (d Digest) Remarks() []string {
	var r []string
	if d.Silent > 0 {
		r = append(r, fmt.Sprint("Suppressed or dismissed findings that grew: ", d.Silent))
	}
	if d.Observed.Total() > 0 {
		r = append(r, fmt.Sprintf("Observed only, nobody is told until their check is enforced: %s", d.Observed))
	}
	if d.Overdue > 0 {
		r = append(r, fmt.Sprint("Findings whose deadline has passed: ", d.Overdue))
	}
	if d.UnknownInstalls > 0 {
		r = append(r, fmt.Sprint("Retrievals on sites of which nobody can say whether the app was installed, not judged: ", d.UnknownInstalls))
	}
	if d.ClockTrouble > 0 {
		r = append(r, fmt.Sprint("Records from more than 24 hours after the audit, a clock is wrong: ", d.ClockTrouble))
	}
	if d.Purged != nil {
		r = append(r, "Purged: "+Line(d.Purged.String()))
	}
	return r
}

// Head names the trail's head, for who keeps digests where nobody of this machine can change them; "" where there is none. It holds nothing from outside.
func (d Digest) Head() string {
	if d.Trail == nil {
		return ""
	}
	return fmt.Sprintf("Trail: entry %d, head %s", d.Trail.Seq, Line(d.Trail.Hash))
}

// NotLookedAt names the sources and checks that could not be looked at, and why, one a line. It holds text from outside.
func (d Digest) NotLookedAt() []string {
	var lines []string
	for _, s := range d.Sources {
		if !s.Looked {
			lines = append(lines, because(fmt.Sprintf("%s, %s", s.Kind, Line(s.Path)), s.Trouble))
		}
	}
	for _, c := range d.Checks {
		lines = append(lines, because(Line(c.ID), c.Why))
	}
	return lines
}

func because(what, why string) string {
	if why = Line(why); why != "" {
		return what + ": " + why
	}
	return what
}

// Who is an item's app, as in "Acme Mailer (com.acme.mailer), Acme". It is text from outside; each part of it passes show, which shortens and escapes it.
func (i Item) Who(show func(string) string) string {
	name, key, vendor := show(i.AppName), show(i.App), show(i.Vendor)
	switch {
	case name != "" && key != "":
		name += " (" + key + ")"
	default:
		name = cmp.Or(name, key, "calls by no app")
	}
	if vendor != "" {
		name += ", " + vendor
	}
	return name
}

// What is an item's rule, as in "P6 purpose-prohibited, marketing". The subject is text from outside; it passes show.
func (i Item) What(show func(string) string) string {
	what := show(i.Clause) + " " + show(i.Check)
	if s := show(i.Subject); s != "" {
		what += ", " + s
	}
	if i.Confidence != "" && i.Confidence != audit.Certain {
		what += " (" + show(string(i.Confidence)) + ")"
	}
	return what
}

// Numbers are an item's, as in "412 occurrences, 97 accounts, 3 sites"; where added, also what the night added. They hold nothing from outside.
func (i Item) Numbers(added bool) string {
	s := count(i.Occurrences, "occurrence")
	if i.Accounts > 0 {
		s += ", " + count(i.Accounts, "account")
	}
	if i.Sites > 0 {
		s += ", " + count(i.Sites, "site")
	}
	if added && i.Latest.Occurrences > 0 {
		s += ", of them new " + count(i.Latest.Occurrences, "occurrence")
		if i.Latest.Accounts > 0 {
			s += " with " + count(i.Latest.Accounts, "account")
		}
	}
	if i.DueAt != audit.Never && i.DueAt != 0 {
		s += ", due " + Stamp(i.DueAt)
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n, " ", what, "s")
}

// Stamp is an instant to the minute, in UTC; "none" for Ever and Never.
func Stamp(i audit.Instant) string {
	if i == audit.Ever || i == audit.Never {
		return "none"
	}
	return i.Time().Format("2006-01-02 15:04 UTC")
}

// A Group is items that are named under one heading.
type Group struct {
	Heading string
	Items   []Item
	Added   bool   // they were there before: show what the night added
	More    string // what those are called that are not named
}

// Groups are the items that are named, in order; no group is empty.
func (d Digest) Groups() []Group {
	var groups []Group
	for _, g := range []Group{
		{"New, critical and high", d.Named, false, "new critical and high"},
		{"Reopened", d.NamedReopened, true, "reopened"},
		{"Worsened", d.NamedWorsened, true, "worsened"},
		{"Due within 7 days", d.NamedDue, false, "due within 7 days"},
	} {
		if len(g.Items) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// Text is the digest for a terminal.
func (d Digest) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Audit as of %s, run %s, %s\n", Stamp(d.AsOf), Line(d.Run), d.How())
	if d.Changed() {
		b.WriteString("\n" + d.Table())
	} else {
		fmt.Fprintf(&b, "Nothing new. Still open: %s\n", d.Open)
	}
	for _, r := range d.Remarks() {
		b.WriteString(r + "\n")
	}
	show := func(s string) string { return Shorten(Line(s), 120) }
	for _, g := range d.Groups() {
		fmt.Fprintf(&b, "\n%s\n", g.Heading)
		for _, i := range g.Items[:min(len(g.Items), maxNamed)] {
			fmt.Fprintf(&b, "  %-8s  %s\n            %s\n            %s  %s\n", Line(string(i.Severity)), i.Who(show), i.What(show), Line(i.ID), i.Numbers(g.Added))
			if why := Shorten(Line(i.Why), 400); why != "" {
				fmt.Fprintf(&b, "            %s\n", why)
			}
		}
		if more := len(g.Items) - maxNamed; more > 0 {
			fmt.Fprintf(&b, "  and %d more %s: mailreeve findings list --run %s\n", more, g.More, Line(d.Run))
		}
	}
	if lines := d.NotLookedAt(); len(lines) > 0 {
		b.WriteString("\nCould not look at\n")
		for _, l := range lines {
			fmt.Fprintf(&b, "  %s\n", l)
		}
	}
	if len(d.Sources) > 0 {
		b.WriteString("\n")
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.TabIndent)
		fmt.Fprint(w, "source   \tlines\tfacts\tduplicates\tquarantined\texpired\tnewest\t  path\n")
		for _, s := range d.Sources {
			fmt.Fprintf(w, "%-9s\t%d\t%d\t%d\t%d\t%d\t%s\t  %s\n", s.Kind, s.Lines, s.Facts, s.Duplicates, s.Quarantined, s.Expired, Stamp(s.Newest), Line(s.Path))
		}
		w.Flush()
	}
	for _, n := range d.Notes {
		b.WriteString(Line(n) + "\n")
	}
	if head := d.Head(); head != "" {
		b.WriteString(head + "\n")
	}
	return b.String()
}
