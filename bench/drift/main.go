// Command drift evaluates the check purpose-drift on simulated apps of every purpose, and prints how often it is wrong and what it finds. See package driftsim.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/mailreeve/mailreeve/internal/driftsim"
)

func main() {
	seed := flag.Uint64("seed", 1, "of the simulation; what the check was tuned on is not what it is measured on")
	quiet := flag.Int("quiet", 200, "apps of each purpose with nothing amiss")
	planted := flag.Int("planted", 40, "apps with a drift, for each purpose and pattern")
	wrong := flag.Bool("wrong", false, "print what was found wrongly")
	flag.Parse()
	r, err := driftsim.Run(*seed, *quiet, *planted)
	if err == nil {
		err = r.Write(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *wrong {
		for _, w := range r.Wrong {
			fmt.Println(w)
		}
	}
}
