package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/internal/s3test"
)

// TestNightsInPairs measures nights whose sources and archive are in object storage beside the same ones on local files, in turns, and holds their findings
// against each other. MAILREEVE_TEST_NIGHTS names a folder that bench/market wrote, MAILREEVE_TEST_LATENCY what each request takes longer.
func TestNightsInPairs(t *testing.T) {
	from := os.Getenv("MAILREEVE_TEST_NIGHTS")
	if from == "" {
		t.Skip("a measurement: set MAILREEVE_TEST_NIGHTS")
	}
	latency, _ := time.ParseDuration(os.Getenv("MAILREEVE_TEST_LATENCY"))
	server := s3test.Start(t)
	address, asked := server.Address, func() (int, int64) { return 0, 0 }
	if latency > 0 {
		proxy := server.Proxy(t)
		proxy.Break(func(*http.Request) s3test.Fault { return s3test.Fault{Delay: latency} })
		address, asked = proxy.Address, func() (int, int64) { r, n := proxy.Asked(); return len(r), n }
	}
	s3test.Use(t, address)
	bucket := server.Bucket(t)
	binary := built(t)
	local, far := t.TempDir(), t.TempDir()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	write := func(dir, name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	give := func(name string) {
		write(local, name, read(name))
		server.Put(t, bucket, name, read(name))
	}
	config := string(read("mailreeve.yaml"))
	write(local, "mailreeve.yaml", []byte(config))
	config = strings.ReplaceAll(config, `path: "`, `path: "s3://`+bucket+"/")
	write(far, "mailreeve.yaml", []byte(strings.Replace(config, "mailreeve.archive", "s3://"+bucket+"/archive", 1)))
	var days []string
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if day, ok := strings.CutPrefix(e.Name(), "access-"); ok {
			days = append(days, day[:len(time.DateOnly)])
		} else if strings.Contains(e.Name(), ".jsonl") && !strings.HasPrefix(e.Name(), "reports-") {
			give(e.Name())
		}
	}
	var ratios []float64
	for i, day := range days {
		for _, e := range entries {
			if strings.Contains(e.Name(), day) {
				give(e.Name())
			}
		}
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		at = at.Add(26*time.Hour + 30*time.Minute)
		took := map[string]time.Duration{}
		order := []string{local, far}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		asked()
		for _, dir := range order {
			began := time.Now()
			night(t, binary, dir, at, 0)
			took[dir] = time.Since(began)
		}
		requests, bytes := asked()
		ratio := took[far].Seconds() / took[local].Seconds()
		ratios = append(ratios, ratio)
		fmt.Printf("%s local %6.2f s  far %6.2f s  ratio %.2f  %5d requests %8.1f MB\n", day, took[local].Seconds(), took[far].Seconds(), ratio, requests, float64(bytes)/1e6)
	}
	slices.Sort(ratios)
	fmt.Printf("median ratio %.2f\n", ratios[len(ratios)/2])
	if diff := cmp.Diff(held(t, local), held(t, far)); diff != "" {
		t.Errorf("findings (-local +far):\n%s", diff)
	}
}
