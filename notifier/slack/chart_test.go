package slack

import (
	"bytes"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

func someNights(n int) []Night {
	start := time.Date(2026, 10, 24, 2, 30, 0, 0, time.UTC)
	var list []Night
	open := 140
	for i := range n {
		x := Night{AsOf: audit.At(start.AddDate(0, 0, i)), New: (i * 7) % 11, Closed: (i * 5) % 9}
		open += x.New - x.Closed
		x.Open = open
		list = append(list, x)
	}
	return list
}

func TestChart(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 30} {
		picture, err := Chart(someNights(n))
		if err != nil {
			t.Fatal(err)
		}
		if path := os.Getenv("MAILREEVE_TEST_CHART"); path != "" && n == 30 { // to look at it
			if err := os.WriteFile(path, picture, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		img, err := png.Decode(bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		colours := map[any]bool{}
		for x := range img.Bounds().Dx() {
			for y := range img.Bounds().Dy() {
				colours[img.At(x, y)] = true
			}
		}
		if len(colours) < 4 || len(picture) > 200<<10 {
			t.Errorf("%d nights: %d colours, %d bytes", n, len(colours), len(picture))
		}
	}
	if _, err := Chart([]Night{{}, {}}); err != nil {
		t.Error("nights on which nothing happened:", err)
	}
}
