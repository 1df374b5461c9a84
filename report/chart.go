package report

import (
	"fmt"
	"html/template"

	"github.com/go-analyze/charts"
)

// A figure is a chart, and what it is for who does not see it: its numbers stand in a table beside it.
type figure struct {
	Title string
	Alt   string
	SVG   template.HTML
}

// A series is one colour of a chart's bars.
type series struct {
	name   string
	colour charts.Color
	values []float64
}

// Colours that are told apart on paper and by who sees no red.
func colours() (worst, bad, fair, mild, plain charts.Color) {
	rgb := func(r, g, b uint8) charts.Color { return charts.Color{R: r, G: g, B: b, A: 255} }
	return rgb(0x8f, 0x1a, 0x16), rgb(0xd9, 0x6b, 0x0f), rgb(0xe6, 0xbe, 0x4a), rgb(0x9f, 0xa9, 0xb5), rgb(0x0a, 0x55, 0xa3)
}

// draw draws bars, the series one upon the other. Labels are ours: nothing from outside comes into a picture.
func draw(title, alt string, labels []string, list ...series) (figure, error) {
	var values [][]float64
	var names []string
	var palette []charts.Color
	most := 0.0
	for i := range labels {
		sum := 0.0
		for _, s := range list {
			sum += s.values[i]
		}
		most = max(most, sum)
	}
	for _, s := range list {
		values, names, palette = append(values, s.values), append(names, s.name), append(palette, s.colour)
	}
	o := charts.NewBarChartOptionWithData(values)
	o.Theme = charts.GetTheme(charts.ThemeLight).WithSeriesColors(palette).WithBackgroundColor(charts.ColorTransparent)
	o.Padding = charts.NewBox(4, 10, 4, 2)
	o.StackSeries = charts.Ptr(true)
	o.CategoryAxis.Labels, o.CategoryAxis.LabelCount = labels, len(labels)
	o.CategoryAxis.LabelFontStyle.FontSize = 9
	o.CategoryAxis.BoundaryGap = charts.Ptr(true) // so that each bar stands above its label
	steps := (int(most) + 3) / 4                  // whole numbers only
	o.ValueAxis[0].Min, o.ValueAxis[0].Max = charts.Ptr(0.0), charts.Ptr(float64(max(4*steps, 4)))
	o.ValueAxis[0].LabelCount = 5
	o.ValueAxis[0].LabelFontStyle.FontSize = 9
	o.ValueAxis[0].ValueFormatter = func(v float64) string { return fmt.Sprintf("%.0f", v) }
	o.Legend.FontStyle.FontSize = 9
	if len(list) > 1 {
		o.Legend.SeriesNames = names
		o.Legend.Symbol = charts.SymbolSquare
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 700, Height: 190})
	if err := p.BarChart(o); err != nil {
		return figure{}, fmt.Errorf("chart %q: %w", title, err)
	}
	svg, err := p.Bytes()
	if err != nil {
		return figure{}, fmt.Errorf("chart %q: %w", title, err)
	}
	return figure{title, alt, template.HTML(svg)}, nil
}
