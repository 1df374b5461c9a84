package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-analyze/charts"
	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// A Night is what a chart shows of one.
type Night struct {
	AsOf   audit.Instant `json:"as_of"`
	New    int           `json:"new"`    // and reopened
	Closed int           `json:"closed"` // resolved or withdrawn
	Open   int           `json:"open"`   // afterwards
}

// Chart draws nights as a PNG picture: what came and went as bars, what is open as a line on an axis of its own. It needs no font of this machine.
func Chart(nights []Night) ([]byte, error) {
	var came, went, open []float64
	var days []string
	step := 1 + len(nights)/10 // a label for each would not fit
	for i, n := range nights {
		came, went, open = append(came, float64(n.New)), append(went, float64(n.Closed)), append(open, float64(n.Open))
		day := " "
		if (len(nights)-1-i)%step == 0 {
			day = n.AsOf.Time().Format("2 Jan")
		}
		days = append(days, day)
	}
	return draw(came, went, open, days)
}

func draw(came, went, open []float64, days []string) ([]byte, error) {
	bars := charts.NewSeriesListBar([][]float64{came, went}).ToGenericSeriesList()
	line := charts.NewSeriesListLine([][]float64{open}).ToGenericSeriesList()
	line[0].YAxisIndex = 1
	o := charts.ChartOption{
		Width: 960, Height: 400, OutputFormat: charts.ChartOutputPNG,
		Title:      charts.TitleOption{Text: fmt.Sprintf("The last %d nights", len(days))},
		Legend:     charts.LegendOption{SeriesNames: []string{"new and reopened", "resolved and withdrawn", "open (right)"}},
		XAxis:      charts.XAxisOption{Labels: days, LabelCount: len(days)},
		YAxis:      []charts.YAxisOption{axis(slices.Concat(came, went)), axis(open)},
		SeriesList: append(bars, line...),
	}
	p, err := charts.Render(o)
	if err != nil {
		return nil, err
	}
	return p.Bytes()
}

// axis counts from 0 in whole numbers.
func axis(values []float64) charts.YAxisOption {
	most := 4.0
	for _, v := range values {
		most = max(most, v)
	}
	top := float64((int(most) + 3) / 4 * 4)
	return charts.YAxisOption{Min: charts.Ptr(0.0), Max: &top, LabelCount: 5, ValueFormatter: func(v float64) string { return fmt.Sprintf("%.0f", v) }}
}

// chartTries is how often a chart is tried: what comes after it in its channel waits meanwhile.
const chartTries = 5

// chart uploads a chart into a digest's thread. A picture is no news: where Slack does not take it, or has not taken the digest, the digest stands without.
func (c *Client) chart(ctx context.Context, msg audit.Message, b body) (receipt string, err error) {
	in, ok, err := c.placeOf(ctx, b.Of)
	if err != nil || !ok || msg.Attempts > chartTries {
		return nowhere, dispensable(err)
	}
	name := strings.ReplaceAll(strings.TrimPrefix(msg.Key, "slack "), " ", "-") + ".png"
	if msg.Attempts > 0 {
		at, ok, err := c.find(ctx, msg, in, func(m slack.Message) bool {
			return slices.ContainsFunc(m.Files, func(f slack.File) bool { return f.Name == name })
		})
		if errors.Is(err, errGone) {
			return nowhere, nil
		}
		if err != nil {
			return nowhere, dispensable(err)
		}
		if ok {
			return at.String(), nil
		}
	}
	nights := b.Nights
	picture, err := Chart(nights)
	if err != nil {
		return "", final(fmt.Errorf("slack: the chart: %w", err))
	}
	last := nights[len(nights)-1]
	_, err = c.api.UploadFileContext(ctx, slack.UploadFileParameters{
		Reader: bytes.NewReader(picture), FileSize: len(picture), Filename: name, Title: fmt.Sprintf("The last %d nights", len(nights)),
		AltTxt:  fmt.Sprintf("Findings that came, went and are open in the last %d nights; after that of %s %d are open", len(nights), notifier.Stamp(last.AsOf), last.Open),
		Channel: in.channel, ThreadTimestamp: in.ts,
	})
	if err != nil {
		return nowhere, dispensable(c.class(err, "files:write"))
	}
	return in.String(), nil
}

// dispensable is nil for what will not pass by itself.
func dispensable(err error) error {
	var f *notifier.Failure
	if errors.As(err, &f) && f.Final {
		return nil
	}
	return err
}
