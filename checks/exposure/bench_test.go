package exposure

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

func BenchmarkFile(b *testing.B) {
	file := os.Getenv("EXPOSURE_FILE")
	if file == "" {
		b.Skip("EXPOSURE_FILE names what to scan")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		f := New(Limits{Body: 256 << 20})
		if _, err := f.Scan(context.Background(), 1, audit.CaptureKind(os.Getenv("EXPOSURE_KIND")), strings.NewReader(string(data))); err != nil {
			b.Fatal(err)
		}
	}
}

// An address of many that were handed out.
func strangers(i int) (string, string) {
	return fmt.Sprintf("acc%08d", i), fmt.Sprintf("person.number%d@company%d.example", i, i%997)
}

func BenchmarkAddress(b *testing.B) {
	for _, kinds := range []struct {
		name string
		doc  string
	}{
		{"plain", alice},
		{"md5", alice + " " + hexed(md5s("x"))},
		{"md5+sha256", alice + " " + hexed(md5s("x")) + " " + hexed(sha256s("x"))},
		{"all", alice + " " + hexed(md5s("x")) + " " + hexed(sha1s("x")) + " " + hexed(sha224s("x")) + " " + hexed(sha256s("x")) + " " + hexed(sha384s("x")) + " " + hexed(sha512s("x"))},
	} {
		b.Run(kinds.name, func(b *testing.B) {
			f := New(Limits{})
			if _, err := f.Scan(context.Background(), 1, audit.CaptureText, strings.NewReader(kinds.doc)); err != nil {
				b.Fatal(err)
			}
			m := f.Matcher()
			var accounts, emails []string
			for i := range 1 << 16 {
				a, e := strangers(i)
				accounts, emails = append(accounts, a), append(emails, e)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Address(accounts[i&(1<<16-1)], emails[i&(1<<16-1)])
				i++
			}
			b.ReportMetric(1e6/(float64(b.Elapsed().Nanoseconds())/float64(b.N))*1e3/1e6, "Maddr/s")
		})
	}
}
