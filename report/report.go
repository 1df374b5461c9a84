// Package report writes the month's report for auditors: one HTML file that needs nothing else to be read, or printed.
//
// What it counts comes from the trail: a finding's history up to the month's end says what it was then, whatever became of it since. So the report of a month
// that is over stays what it is, but for what only the present knows, as a finding's severity and whose its app is.
package report

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/web"
)

//go:embed report.html
var page string

//go:embed report.css
var style string

// A Month is a calendar month in UTC.
type Month struct{ first time.Time }

// ParseMonth reads a month as in 2026-11.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return Month{}, fmt.Errorf("%q is no month as in 2026-11", s)
	}
	return Month{t}, nil
}

// String is m as in 2026-11.
func (m Month) String() string { return m.first.Format("2006-01") }

// Name is m as in November 2026.
func (m Month) Name() string { return m.first.Format("January 2006") }

// plus is the month n months after m.
func (m Month) plus(n int) Month { return Month{m.first.AddDate(0, n, 0)} }

func (m Month) begin() audit.Instant { return audit.At(m.first) }
func (m Month) end() audit.Instant   { return m.plus(1).begin() }
func (m Month) days() int            { return int(m.end().Day() - m.begin().Day()) }

// A Reporter is what reports are made of.
type Reporter struct {
	Store *store.Store
	Clock audit.Clock

	// Clause gives the words of a clause.
	Clause func(clause string) string

	// Exceptions are the policy's, as they are now.
	Exceptions []audit.Exception
}

// A NoNightsError says that there is nothing to report of a month.
type NoNightsError struct {
	Month Month
	Began int           // nights that did not finish
	Last  audit.Instant // as-of of the last night that did, of all months; Never: none ever did
}

func (e *NoNightsError) Error() string {
	switch {
	case e.Began > 0:
		return fmt.Sprintf("no night of %s finished, of %d that began: `mailreeve runs list` says why", e.Month.Name(), e.Began)
	case e.Last == audit.Never:
		return fmt.Sprintf("there is nothing to report of %s: no night ever finished", e.Month.Name())
	}
	return fmt.Sprintf("there is nothing to report of %s: no night is as of that month, and the last of all is as of %s", e.Month.Name(), e.Last.Day())
}

// trendMonths is how many months the trend goes back, the reported one among them.
const trendMonths = 12

// Write writes the report of a month. It reads histories one by one: what it holds grows with nights, vendors and deadlines that passed, not with findings. The same store gives
// the same bytes. A [NoNightsError] where no night of the month finished; a [store.BrokenTrailError] where the trail is no proof of anything.
func (r *Reporter) Write(ctx context.Context, w io.Writer, m Month) error {
	b := &builder{Reporter: r, ctx: ctx, month: m}
	for _, step := range []func() error{b.nights, b.trail, b.histories, b.figures} {
		if err := step(); err != nil {
			return fmt.Errorf("report of %s: %w", m, err)
		}
	}
	t, err := template.New("report").Funcs(funcs()).Option("missingkey=error").Parse(page)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	if err := cmp.Or(t.Execute(web.Plainly(out), b), b.err); err != nil {
		return fmt.Errorf("report of %s: %w", m, err)
	}
	return out.Flush()
}

// A builder makes one report. Its exported fields and methods are what the template shows.
type builder struct {
	*Reporter
	ctx   context.Context
	month Month
	err   error // of what was read while the page was written

	Runs     []audit.Run // that finished
	Failed   []audit.Run
	Days     []string
	Matrix   []coverageRow
	Blind    []*blindRow
	Observed int   // findings that are observed only, and not counted
	Looked   share // nights and checks, night by night

	marks       []int64 // ends of the trail's parts, up to the month's
	cuts        []store.Entry
	First, Last store.Entry // of the month; First's Seq 0: nothing happened

	Clauses  []*clauseRow
	Vendors  []*vendorRow
	All      clauseRow
	Ages     []ageRow
	Trend    []trendRow
	Missed   []missedRow // the worst first
	Unlisted int         // missed, and not among Missed
	vendors  map[string]*vendorRow
	clauses  map[string]*clauseRow

	NightChart, OpenChart, ClauseChart, AgeChart, TrendChart figure
}

func (b *builder) Month() Month                 { return b.month }
func (b *builder) Style() template.CSS          { return template.CSS(style) }
func (b *builder) Running() bool                { return audit.At(b.Clock()) < b.month.end() }
func (b *builder) LastRun() *audit.Run          { return &b.Runs[len(b.Runs)-1] }
func (b *builder) Severities() []audit.Severity { return audit.Severities() }

// LastDay is the month's last day.
func (b *builder) LastDay() audit.Day { return b.month.end().Day() - 1 }

// Quiet says that no night is as of the month's last days, though the month is over.
func (b *builder) Quiet() bool { return !b.Running() && b.LastRun().AsOf.Day() < b.LastDay() }

// Entries is how many entries of the trail are the month's.
func (b *builder) Entries() int64 { return b.Last.Seq - b.begin().Seq }

func (b *builder) begin() store.Entry { return b.cuts[len(b.cuts)-2] }

// nights reads the month's runs.
func (b *builder) nights() error {
	runs, err := b.Store.RunsAsOf(b.ctx, b.month.begin(), b.month.end())
	if err != nil {
		return err
	}
	for _, r := range runs {
		switch r.Status {
		case audit.Finished:
			b.Runs = append(b.Runs, r)
		case audit.Failed:
			b.Failed = append(b.Failed, r)
		}
	}
	if len(b.Runs) == 0 {
		last, err := b.Store.Finished(b.ctx, 1)
		if err != nil {
			return err
		}
		none := &NoNightsError{Month: b.month, Began: len(b.Failed), Last: audit.Never}
		if len(last) > 0 {
			none.Last = last[0].AsOf
		}
		return none
	}
	b.coverage()
	return nil
}

// trail parts the trail by months, and follows its chain.
func (b *builder) trail() error {
	for i := -trendMonths; i <= 0; i++ {
		cut, err := b.Store.TrailBefore(b.ctx, b.month.plus(i).end())
		if err != nil {
			return err
		}
		b.cuts, b.marks = append(b.cuts, cut), append(b.marks, cut.Seq)
	}
	b.Last = b.cuts[len(b.cuts)-1]
	if b.Entries() > 0 {
		first, err := b.Store.Trail(b.ctx, store.TrailFilter{After: b.begin().Seq, Limit: 1})
		if err != nil {
			return err
		}
		b.First = first[0]
	}
	_, _, err := b.Store.Verify(b.ctx)
	return err
}

// histories counts what became of findings.
func (b *builder) histories() error {
	b.vendors, b.clauses = map[string]*vendorRow{}, map[string]*clauseRow{}
	b.Ages = ages()
	b.Trend = make([]trendRow, len(b.marks)-1)
	asOf := b.LastRun().AsOf
	// What changes no status and names no deadline; there is much of it.
	but := []string{"grew", "shrank", "graded", "commented", "notice drafted"}
	err := b.Store.Histories(b.ctx, b.Last.Seq, but, func(h *store.History) error {
		if h.Observed {
			b.Observed++
			return b.ctx.Err()
		}
		l := lifeOf(h, b.marks)
		for i := range b.Trend {
			b.Trend[i].count(l.at[i], l.at[i+1], h.Severity)
		}
		end := l.at[len(l.at)-1]
		for _, row := range []*clauseRow{&b.All, b.clause(h.Clause)} {
			row.count(h, &l)
		}
		b.vendor(h).count(h, &l, asOf)
		if audit.IsOpen(end) {
			days := int((asOf - h.Filed) / audit.Instant(24*time.Hour))
			for i := range b.Ages {
				if days <= b.Ages[i].To {
					b.Ages[i].Open.add(h.Severity)
					break
				}
			}
		}
		if l.Missed > 0 || l.Late {
			b.missed(missedRow{Finding: h.ID, App: cmp.Or(h.AppName, h.App, noApp), Key: h.App, Vendor: vendorName(h), Clause: h.Clause, Check: h.Check, Severity: h.Severity, Due: l.Due, Status: end,
				Before: l.Missed == 0})
		}
		return b.ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, c := range b.clauses {
		if c.any() || c.Open.Total() > 0 || c.Kept+c.DeadlinesMissed > 0 {
			b.Clauses = append(b.Clauses, c)
		}
	}
	slices.SortFunc(b.Clauses, func(x, y *clauseRow) int { return compareClauses(x.Clause, y.Clause) })
	for _, v := range b.vendors {
		if v.any() || v.Open.Total() > 0 || v.Kept+v.DeadlinesMissed > 0 {
			b.Vendors = append(b.Vendors, v)
		}
	}
	slices.SortFunc(b.Vendors, func(x, y *vendorRow) int {
		return cmp.Or(y.Open.compare(x.Open), strings.Compare(x.Name, y.Name), strings.Compare(x.key, y.key))
	})
	b.worst()
	return nil
}

// compareClauses puts P2 before P10.
func compareClauses(x, y string) int {
	number := func(s string) int {
		n, _ := strconv.Atoi(strings.TrimLeft(s, "P"))
		return n
	}
	return cmp.Or(cmp.Compare(number(x), number(y)), strings.Compare(x, y))
}

func (b *builder) clause(id string) *clauseRow {
	c := b.clauses[id]
	if c == nil {
		c = &clauseRow{Clause: id, Says: b.Clause(id)}
		b.clauses[id] = c
	}
	return c
}

// A severities is how many findings are of each severity.
type severities [4]int

func (s *severities) add(x audit.Severity) {
	if i := x.Rank(); i >= 0 {
		s[i]++
	}
}

// Of is how many are of a severity.
func (s severities) Of(x audit.Severity) int { return s[x.Rank()] }

// Total is how many there are.
func (s severities) Total() int { return s[0] + s[1] + s[2] + s[3] }

func (s severities) compare(o severities) int { return slices.Compare(s[:], o[:]) }

// A clauseRow is what became of the findings of a clause.
type clauseRow struct {
	Clause, Says string
	moves
	Open            severities // at the month's end
	Kept            int        // deadlines
	DeadlinesMissed int
	Run             int // deadlines that run at the month's end
	Late            int // findings that are open past their deadline
}

func (c *clauseRow) count(h *store.History, l *life) {
	c.add(l.moves)
	if audit.IsOpen(l.at[len(l.at)-1]) {
		c.Open.add(h.Severity)
	}
	c.Kept += l.Kept
	c.DeadlinesMissed += l.deadline.Missed
	if l.Running {
		c.Run++
	}
	if l.deadline.Late {
		c.Late++
	}
}

// A vendorRow is what became of the findings of a vendor.
type vendorRow struct {
	clauseRow
	Name   string
	Cells  map[string]*cell // by clause
	Oldest int              // days since the oldest open finding was filed
	key    string
	apps   map[string]bool
}

// A cell is a vendor's findings of a clause.
type cell struct{ Open, Filed int }

// Apps is how many of its apps something was found of.
func (v *vendorRow) Apps() int { return len(v.apps) }

func (v *vendorRow) count(h *store.History, l *life, asOf audit.Instant) {
	v.clauseRow.count(h, l)
	open := audit.IsOpen(l.at[len(l.at)-1])
	if !open && l.moves == (moves{}) {
		return
	}
	v.apps[h.App] = true
	c := v.Cells[h.Clause]
	if c == nil {
		c = &cell{}
		v.Cells[h.Clause] = c
	}
	c.Filed += l.Filed
	if open {
		c.Open++
		v.Oldest = max(v.Oldest, int((asOf-h.Filed)/audit.Instant(24*time.Hour)))
	}
}

// noApp stands for calls by no app, which are of no vendor.
const noApp = "calls by no app"

func vendorName(h *store.History) string {
	if h.App == "" {
		return noApp
	}
	return cmp.Or(h.Vendor.Name, h.Vendor.ID, h.AppName, h.App)
}

func (b *builder) vendor(h *store.History) *vendorRow {
	key := audit.VendorKey(h.App, h.Vendor)
	v := b.vendors[key]
	if v == nil {
		v = &vendorRow{Name: vendorName(h), Cells: map[string]*cell{}, key: key, apps: map[string]bool{}}
		b.vendors[key] = v
	}
	return v
}

// An ageRow is how many findings are open for some days.
type ageRow struct {
	Name string
	To   int // days
	Open severities
}

func ages() []ageRow {
	return []ageRow{{Name: "up to 7 days", To: 7}, {Name: "8 to 30 days", To: 30}, {Name: "31 to 90 days", To: 90}, {Name: "more than 90 days", To: 1 << 30}}
}

// A trendRow is one month.
type trendRow struct {
	Name          string
	Filed, Closed int
	Open          severities // at its end
	Nights        bool       // there was one by then
}

func (t *trendRow) count(before, after audit.Status, s audit.Severity) {
	if before == "" && after != "" {
		t.Filed++
	}
	if audit.IsOpen(before) && !audit.IsOpen(after) || before == "" && after != "" && !audit.IsOpen(after) {
		t.Closed++
	}
	if audit.IsOpen(after) {
		t.Open.add(s)
	}
}

// A missedRow is a finding whose deadline passed.
type missedRow struct {
	Finding, App, Key, Vendor, Clause, Check string
	Severity                                 audit.Severity
	Due                                      audit.Instant
	Status                                   audit.Status // at the month's end
	Before                                   bool         // it passed in an earlier month
}

// missedShown bounds the findings that are named.
const missedShown = 1000

func compareMissed(x, y missedRow) int {
	return cmp.Or(cmp.Compare(x.Severity.Rank(), y.Severity.Rank()), cmp.Compare(x.Due, y.Due), strings.Compare(x.Finding, y.Finding))
}

// missed names a finding. Now and then it lets go of the least severe.
func (b *builder) missed(row missedRow) {
	if b.Missed = append(b.Missed, row); len(b.Missed) >= 2*missedShown {
		b.worst()
	}
}

// worst puts those that are named in order, and lets go of more than are shown.
func (b *builder) worst() {
	slices.SortFunc(b.Missed, compareMissed)
	if more := len(b.Missed) - missedShown; more > 0 {
		b.Unlisted += more
		b.Missed = slices.Delete(b.Missed, missedShown, len(b.Missed))
	}
}

// A share is how many of how many.
type share struct{ Of, All int }

// Percent is the share in hundredths, never 100 where something is missing.
func (s share) Percent() string {
	if s.All == 0 {
		return "–"
	}
	return strconv.Itoa(s.Of*100/s.All) + "%"
}

// A coverageRow is whether a source, or a check, was looked at on each day of the month.
type coverageRow struct {
	What, Name, Path string
	Days             []string // yes, no, or empty: no night, or it was not configured
	share
}

// A blindRow is what nights, one after the other, could not look at for one reason: a source, or checks.
type blindRow struct {
	From, To *audit.Run // the first of these nights, and the last
	Nights   int
	What     string
	Names    []string // a source's kind, ids of checks
	Path     string   // of a source
	Why      string
	Again    *audit.Run // the next night of the month that could; nil: none
}

// merged puts checks together that could not look for the same reason, in the same nights.
func merged(list []*blindRow) []*blindRow {
	type same struct {
		from, to *audit.Run
		why      string
	}
	rows := map[same]*blindRow{}
	var out []*blindRow
	for _, r := range list {
		key := same{r.From, r.To, r.Why}
		if first := rows[key]; first != nil && r.What == check {
			first.Names = append(first.Names, r.Names...)
			continue
		}
		if r.What == check {
			rows[key] = r
		}
		out = append(out, r)
	}
	return out
}

// coverage works out what nights looked at. Of a day with several the last tells.
func (b *builder) coverage() {
	for d := range b.month.days() {
		b.Days = append(b.Days, strconv.Itoa(d+1))
	}
	type name struct{ what, name, path string }
	rows := map[name]*coverageRow{}
	blind := map[name][]*blindRow{} // that wait for a night that could look
	begin := b.month.begin().Day()
	for i := range b.Runs {
		r := &b.Runs[i]
		add := func(what, id, path string, looked bool, why string) {
			n := name{what, id, path}
			row := rows[n]
			if row == nil {
				row = &coverageRow{What: what, Name: id, Path: path, Days: make([]string, b.month.days())}
				rows[n] = row
			}
			row.All++
			if what == check {
				b.Looked.All++
			}
			day := &row.Days[r.AsOf.Day()-begin]
			if !looked {
				*day = "no"
				waits := blind[n]
				if len(waits) == 0 || waits[len(waits)-1].Why != why {
					waits = append(waits, &blindRow{From: r, What: what, Names: []string{id}, Path: path, Why: why})
					b.Blind, blind[n] = append(b.Blind, waits[len(waits)-1]), waits
				}
				last := waits[len(waits)-1]
				last.To = r
				last.Nights++
				return
			}
			*day = "yes"
			row.Of++
			if what == check {
				b.Looked.Of++
			}
			for _, was := range blind[n] {
				was.Again = r
			}
			delete(blind, n)
		}
		for _, s := range r.Summary.Sources {
			add("source", string(s.Kind), s.Path, s.Looked, s.Trouble)
		}
		for _, x := range r.Summary.Checks {
			if x.Off {
				continue
			}
			add(check, x.ID, "", x.Looked, x.Why)
		}
	}
	for _, n := range slices.SortedFunc(maps.Keys(rows), func(x, y name) int {
		return cmp.Or(-strings.Compare(x.what, y.what), strings.Compare(x.name, y.name), strings.Compare(x.path, y.path))
	}) {
		b.Matrix = append(b.Matrix, *rows[n])
	}
	b.Blind = merged(b.Blind)
}

const check = "check"

// NightDays is how many days of the month a night is as of, of those up to the last night.
func (b *builder) NightDays() share {
	begin := b.month.begin().Day()
	days := map[audit.Day]bool{}
	for i := range b.Runs {
		days[b.Runs[i].AsOf.Day()] = true
	}
	all := b.month.days()
	if b.Running() {
		all = int(b.LastRun().AsOf.Day()-begin) + 1
	}
	return share{len(days), all}
}

// pageSize is how many rows are read at once while the page is written.
const pageSize = 200

// Acts are the suppressions and dismissals that ran in the month, in the order in which they were made.
func (b *builder) Acts() iter.Seq[store.PastAct] {
	return func(yield func(store.PastAct) bool) {
		for after := int64(0); ; {
			list, err := b.Store.ActsDuring(b.ctx, b.month.begin(), b.Last.At, after, pageSize)
			if err != nil {
				b.err = cmp.Or(b.err, err)
				return
			}
			for _, a := range list {
				if a.Ended > b.Last.At && a.Ended >= b.month.end() {
					a.Ended = audit.Never // at the month's end it ran
				}
				if after = a.ID; !yield(a) {
					return
				}
			}
			if len(list) < pageSize {
				return
			}
		}
	}
}

// Excepted are the policy's exceptions that did not end before the month.
func (b *builder) Excepted() (list []audit.Exception) {
	for _, x := range b.Exceptions {
		if x.Until > b.month.begin() {
			list = append(list, x)
		}
	}
	return list
}

// A deedRow is something that a person did to a finding, and what that is about.
type deedRow struct {
	store.Entry
	About audit.Finding // empty: it is not kept any more
}

// Accepted are the additions to apps that were taken into their approvals, Decided what was decided about apps.
func (b *builder) Accepted() iter.Seq[deedRow] { return b.deeds("accepted") }

// Decided is what was decided about apps.
func (b *builder) Decided() iter.Seq[deedRow] { return b.deeds("decided") }

func (b *builder) deeds(what string) iter.Seq[deedRow] {
	return func(yield func(deedRow) bool) {
		for after := b.begin().Seq; ; {
			entries, err := b.Store.Trail(b.ctx, store.TrailFilter{What: what, After: after, Before: b.Last.Seq + 1, Limit: pageSize})
			if err != nil {
				b.err = cmp.Or(b.err, err)
				return
			}
			if len(entries) == 0 {
				return
			}
			var ids []string
			for _, e := range entries {
				ids = append(ids, e.Finding)
			}
			list, err := b.Store.Findings(b.ctx, store.Filter{IDs: ids})
			if err != nil {
				b.err = cmp.Or(b.err, err)
				return
			}
			about := map[string]audit.Finding{}
			for _, f := range list {
				about[f.ID] = f
			}
			for _, e := range entries {
				if after = e.Seq; !yield(deedRow{e, about[e.Finding]}) {
					return
				}
			}
		}
	}
}

// figures draws the charts.
func (b *builder) figures() error {
	worst, bad, fair, mild, plain := colours()
	bySeverity := func(n int, of func(i int) severities) []series {
		out := []series{{name: "critical", colour: worst}, {name: "high", colour: bad}, {name: "medium", colour: fair}, {name: "low", colour: mild}}
		for i := range n {
			for j := range out {
				out[j].values = append(out[j].values, float64(of(i)[j]))
			}
		}
		return out
	}
	days := b.month.days()
	fresh, back, open := make([]float64, days), make([]float64, days), make([]float64, days)
	for i := range b.Runs {
		f, day := b.Runs[i].Summary.Findings, b.Runs[i].AsOf.Day()-b.month.begin().Day()
		fresh[day] += float64(f.New)
		back[day] += float64(f.Reopened + f.Worsened)
		open[day] = float64(f.Open)
	}
	var err error
	chart := func(into *figure, title, alt string, labels []string, list ...series) {
		if err == nil {
			*into, err = draw(title, alt, labels, list...)
		}
	}
	chart(&b.NightChart, "Found each day: new, and reopened or worsened", "Bars by day; the numbers are in the table of nights", b.Days,
		series{"new", plain, fresh}, series{"reopened or worsened", bad, back})
	chart(&b.OpenChart, "Open after each day's last night", "Bars by day; the numbers are in the table of nights", b.Days, series{"open", plain, open})
	var labels []string
	for _, c := range b.Clauses {
		labels = append(labels, c.Clause)
	}
	if len(labels) > 0 {
		chart(&b.ClauseChart, "Open at the month's end, by clause", "Bars by clause and severity; the numbers are in the table", labels,
			bySeverity(len(labels), func(i int) severities { return b.Clauses[i].Open })...)
	}
	labels = nil
	for _, a := range b.Ages {
		labels = append(labels, a.Name)
	}
	chart(&b.AgeChart, "Open at the month's end, by age", "Bars by age and severity; the numbers are in the table", labels,
		bySeverity(len(labels), func(i int) severities { return b.Ages[i].Open })...)
	labels = nil
	for i := range b.Trend {
		b.Trend[i].Name = b.month.plus(i + 1 - trendMonths).first.Format("Jan 2006")
		b.Trend[i].Nights = b.marks[i+1] > 0
	}
	b.Trend = slices.DeleteFunc(b.Trend, func(t trendRow) bool { return !t.Nights })
	for _, t := range b.Trend {
		labels = append(labels, t.Name)
	}
	if len(labels) > 1 {
		chart(&b.TrendChart, "Open at each month's end", "Bars by month and severity; the numbers are in the table", labels,
			bySeverity(len(labels), func(i int) severities { return b.Trend[i].Open })...)
	}
	return err
}
