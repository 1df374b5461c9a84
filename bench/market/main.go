// Command market writes the synthetic night (or nights) that mailreeve's speed is measured on.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/mailreeve/mailreeve/bench/internal/market"
)

func main() {
	o := market.Defaults()
	start := o.Start.Format(time.DateOnly)
	flag.StringVar(&o.Dir, "dir", "night", "folder to write into")
	flag.IntVar(&o.Lines, "lines", o.Lines, "calls a day; 0.5% more are copies")
	flag.IntVar(&o.Reports, "reports", 0, "reports a day (default 27 for every 1,000 calls)")
	flag.IntVar(&o.Days, "days", o.Days, "consecutive days")
	flag.IntVar(&o.Skip, "skip", 0, "leave out the logs of this many first days")
	flag.StringVar(&start, "start", start, "the first day")
	flag.IntVar(&o.Apps, "apps", o.Apps, "apps")
	flag.IntVar(&o.Sites, "sites", o.Sites, "sites of an app")
	flag.IntVar(&o.Accounts, "accounts", o.Accounts, "accounts of a site")
	flag.Uint64Var(&o.Seed, "seed", o.Seed, "seed")
	flag.BoolVar(&o.Zstd, "zst", false, "compress the logs with zstd")
	flag.IntVar(&o.Workers, "workers", o.Workers, "workers in mailreeve.yaml")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	if o.Start, err = time.Parse(time.DateOnly, start); err != nil {
		fmt.Fprintln(os.Stderr, "market:", err)
		os.Exit(2)
	}
	if err := market.Write(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(o.AsOf().Format(time.RFC3339))
}
