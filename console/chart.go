package console

import (
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A chart is bars, one a day or night, drawn by the template "chart". Its table says the same to who does not see it.
type chart struct {
	Title         string
	Width, Height int
	Bars          []bar
	First, Last   string // what the axis says at its ends
	Most          int
}

// A bar is one day or night.
type bar struct {
	Name  string // the day
	Said  string // what it says of it
	Parts []part
	X     int
	Hit   int // width of the place to point at
}

// A part is one colour of a bar.
type part struct {
	Kind          string
	N             int
	X, Y          int
	Width, Height int
}

const (
	barPitch  = 20
	barWidth  = 14
	barHeight = 80
)

// draw lays the bars out: heights are in proportion to the tallest.
func (c *chart) draw() {
	for _, b := range c.Bars {
		n := 0
		for _, p := range b.Parts {
			n += p.N
		}
		c.Most = max(c.Most, n)
	}
	c.Width, c.Height = max(1, len(c.Bars))*barPitch, barHeight
	for i := range c.Bars {
		b := &c.Bars[i]
		b.X, b.Hit = i*barPitch, barPitch
		y := barHeight
		for j := range b.Parts {
			p := &b.Parts[j]
			p.X, p.Width = b.X+(barPitch-barWidth)/2, barWidth
			if p.N > 0 {
				p.Height = max(2, p.N*(barHeight-2)/c.Most)
			}
			y -= p.Height
			p.Y = y
		}
	}
	if len(c.Bars) > 0 {
		c.First, c.Last = c.Bars[0].Name, c.Bars[len(c.Bars)-1].Name
	}
}

// chartDays is how many days or nights a chart shows.
const chartDays = 30

// A spark is the last days of a finding in a list.
type spark struct {
	Said          string
	Width, Height int
	Bars          []part
}

const (
	sparkPitch  = 4
	sparkHeight = 20
)

// sparkOf draws the days of a finding up to today; nil where there are none.
func sparkOf(days []store.DayCount, today audit.Day) *spark {
	if len(days) == 0 {
		return nil
	}
	most, sum := 0, 0
	for _, d := range days {
		most, sum = max(most, d.Occurrences), sum+d.Occurrences
	}
	s := &spark{Said: count(sum, "occurrence", "occurrences") + " in the last 30 days, on " + count(len(days), "day", "days"), Width: chartDays * sparkPitch, Height: sparkHeight}
	for _, d := range days {
		if x := int(d.Day-today) + chartDays - 1; x >= 0 && x < chartDays {
			h := max(2, d.Occurrences*sparkHeight/most)
			s.Bars = append(s.Bars, part{X: x * sparkPitch, Y: sparkHeight - h, Width: sparkPitch - 1, Height: h})
		}
	}
	return s
}

// daysChart is how often a finding was seen, day by day, up to the last; nil where there is nothing to draw.
func daysChart(days []store.DayCount, f *audit.Finding) *chart {
	if len(days) < 2 {
		return nil
	}
	last := max(days[len(days)-1].Day, f.LastSeen.Day())
	c := &chart{Title: "Occurrences a day"}
	n := map[audit.Day]int{}
	for _, d := range days {
		n[d.Day] = d.Occurrences
	}
	for day := max(last-chartDays+1, days[0].Day); day <= last; day++ {
		name := day.Start().Time().Format(time.DateOnly)
		c.Bars = append(c.Bars, bar{Name: name, Said: name + ": " + count(n[day], "occurrence", "occurrences"), Parts: []part{{Kind: "bar-" + string(f.Severity), N: n[day]}}})
	}
	c.draw()
	return c
}
