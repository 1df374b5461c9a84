// Command detector compares how many bytes a second the detector of addresses looks through with what ripgrep does for one plain pattern, in turns, on the
// same pages and scripts, on one thread each.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks/exposure"
)

// pattern is a plain address: the usual one, and nothing in disguise.
const pattern = `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`

func main() {
	dir := flag.String("dir", "", "folder for the corpus (default: in the user's cache folder)")
	size := flag.Int("mb", 100, "size of the corpus, in MB")
	pairs := flag.Int("pairs", 5, "pairs of runs")
	files := flag.String("files", "", "look through the .html and .js files in this folder instead")
	scanned := flag.String("scan", "", "only look through the files in this folder, once")
	profile := flag.String("cpuprofile", "", "with -scan: write a profile to this file")
	flag.Parse()
	if flag.NArg() > 0 || *pairs < 1 || *size < 1 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	if *scanned != "" {
		err = scan(*scanned, *profile)
	} else {
		err = compare(*dir, *files, *size, *pairs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "detector:", err)
		os.Exit(1)
	}
}

// scan looks through each file of a folder, and forgets it, as a night does that has no addresses to compare with.
func scan(dir, profile string) error {
	if profile != "" {
		stop, err := profiled(profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	found := 0
	var scratch exposure.Scratch
	err := each(dir, func(path string, kind audit.CaptureKind) error {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		f := exposure.NewIn(&scratch, exposure.Limits{})
		if _, err := f.Scan(context.Background(), 1, kind, file); err != nil {
			return err
		}
		if !f.Empty() {
			found++
		}
		return nil
	})
	fmt.Println(found, "files hold candidates")
	return err
}

// each calls look for each page and script in a folder.
func each(dir string, look func(path string, kind audit.CaptureKind) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		switch filepath.Ext(path) {
		case ".html":
			return look(path, audit.CaptureHTML)
		case ".js":
			return look(path, audit.CaptureJS)
		}
		return nil
	})
}

func compare(dir, files string, mb, pairs int) error {
	rg, err := exec.LookPath("rg")
	if err != nil {
		return errors.New("ripgrep is not installed: rg is not in the path")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if files == "" {
		if dir == "" {
			if dir, err = os.UserCacheDir(); err != nil {
				return err
			}
			dir = filepath.Join(dir, "mailreeve-bench")
		}
		files = filepath.Join(dir, fmt.Sprintf("pages%d-%dMB", version, mb))
		if err := corpus(files, mb*1_000_000); err != nil {
			return err
		}
	}
	var total int64
	count := 0
	if err := each(files, func(path string, _ audit.CaptureKind) error { // also into the page cache
		b, err := os.ReadFile(path)
		total += int64(len(b))
		count++
		return err
	}); err != nil {
		return err
	}
	if total == 0 {
		return fmt.Errorf("no .html or .js in %s", files)
	}
	grep := []string{rg, "--no-config", "--no-ignore", "--threads", "1", "--count-matches", "--no-filename", "-g", "*.html", "-g", "*.js", "--regexp", pattern, files}
	fmt.Printf("%.1f MB in %d files\nA: %s\nB: %s -scan, GOMAXPROCS=1\n\n", float64(total)/1e6, count, strings.Join(grep, " "), filepath.Base(self))
	fmt.Println("pair   ripgrep MB/s   (of CPU)   detector MB/s   (of CPU)   ratio   (of CPU)")
	var ratios, cpu []float64
	for i := range pairs {
		a, err := measure(grep...)
		if err != nil {
			return err
		}
		b, err := measure(self, "-scan", files)
		if err != nil {
			return err
		}
		rate := func(d time.Duration) float64 { return float64(total) / 1e6 / d.Seconds() }
		ratios = append(ratios, a.wall.Seconds()/b.wall.Seconds())
		cpu = append(cpu, a.cpu.Seconds()/b.cpu.Seconds())
		fmt.Printf("%4d   %12.0f   %8.0f   %13.0f   %8.0f   %5.3f   %8.3f\n", i+1, rate(a.wall), rate(a.cpu), rate(b.wall), rate(b.cpu), ratios[i], cpu[i])
	}
	slices.Sort(ratios)
	slices.Sort(cpu)
	fmt.Printf("\nmedian of the ratios: %.3f by the clock, %.3f by CPU seconds\n", ratios[pairs/2], cpu[pairs/2])
	return nil
}

// cost is what a process took, from its start to its end.
type cost struct{ wall, cpu time.Duration }

func measure(command ...string) (cost, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", command[0], err, stderr.Bytes())
	}
	return cost{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}
