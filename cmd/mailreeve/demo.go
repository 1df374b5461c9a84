package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/capture"
	"github.com/mailreeve/mailreeve/internal/demo"
)

// demoSeed makes the demo's marketplace the same for everybody.
const demoSeed = 1

func (c *cli) demoCommand() *cobra.Command {
	var dir string
	var serve bool
	cmd := &cobra.Command{
		Use:     "demo",
		Example: "  mailreeve demo\n  mailreeve demo --dir demo --serve",
		Short:   "Audit a whole synthetic marketplace: the two-minute tour",
		Long: `demo invents a marketplace of 200 apps, writes what its gateway would have logged in 30 days, and audits it night by night. It needs no server,
no configuration and no network. Where Chromium is installed, it also captures a page that shows an address. What it leaves behind can be looked at with every other command.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), dir, serve) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "an empty or new folder for it (default: a new one among the temporary files)")
	cmd.Flags().BoolVar(&serve, "serve", false, "then serve the console on what was found, until it is stopped")
	return cmd
}

func (c *cli) demo(ctx context.Context, dir string, serve bool) error {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "mailreeve-demo-"); err != nil {
			return err
		}
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: give a new folder with --dir", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	began := time.Now()
	m := demo.New(demoSeed, c.clock())
	c.config = filepath.Join(dir, config.DefaultName)
	if err := os.WriteFile(c.config, m.Config(), 0o600); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	s.slack = false // a token in the environment is not meant for this

	nights := m.Nights()
	fmt.Fprintf(c.out, "200 invented apps, %d nights. One line a night:\n\n", len(nights))
	var lines int64
	for i, asOf := range nights {
		if err := m.Write(dir, i); err != nil {
			return err
		}
		res, err := s.audit(ctx, audit.Options{AsOf: audit.At(asOf), ScheduledAt: audit.At(asOf), By: "demo"}, true, nil)
		if err != nil {
			return err
		}
		for _, x := range res.Run.Summary.Sources {
			lines += x.Lines
		}
		d, err := s.digest(ctx, res)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s  %s", asOf.UTC().Format(time.DateOnly), d.News())
		for _, x := range []struct {
			n    int
			what string
		}{{d.Resolved.Total(), "resolved"}, {d.Withdrawn.Total(), "withdrawn"}} {
			if x.n > 0 {
				fmt.Fprintf(c.out, ", %d %s", x.n, x.what)
			}
		}
		fmt.Fprintf(c.out, "; %d open", d.Open.Total())
		if !res.Looked() {
			fmt.Fprint(c.out, "; could not look at everything")
		}
		fmt.Fprintln(c.out)
		if i == len(nights)-1 {
			fmt.Fprintf(c.out, "\nThe last night's digest, as Slack would get it:\n\n%s", d.Text())
		}
	}
	found, err := s.store.Findings(ctx, store.Filter{})
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, "\nWhat a reviewer would look at first:")
	fmt.Fprintln(c.out)
	if err := demo.WriteReview(c.out, found, 8, false); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "\nWhat was planted, and what was found:")
	fmt.Fprintln(c.out)
	table := demo.Compare(m.Planted(), found)
	if err := table.Write(c.out); err != nil {
		return err
	}
	if err := c.demoCapture(ctx, s, dir); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\n%d lines audited in %d nights in %.1f s. Look around:\n", lines, len(nights), time.Since(began).Seconds())
	for _, command := range []string{"findings list", "findings show F-…", "runs list", "runs coverage", "quarantine list", "checks explain report-overdue"} {
		fmt.Fprintf(c.out, "  mailreeve %s -c %s\n", command, c.config)
	}
	if !table.Perfect() {
		return errors.New("what was found is not what was planted: please report this as a bug")
	}
	if serve {
		return c.demoServe(ctx, s)
	}
	return nil
}

// demoServe serves the console on the demo's data, at the usual address or, where that is taken, another.
func (c *cli) demoServe(ctx context.Context, s *system) error {
	if l, err := net.Listen("tcp", s.cfg.Console.Listen); err != nil {
		s.cfg.Console.Listen = "127.0.0.1:0"
	} else if err := l.Close(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "\nThe console shows it in a browser, until you press Ctrl-C:")
	return s.serveConsole(ctx, nil)
}

// demoPage is a page that shows an address, which only a browser can see: a script makes it.
const demoPage = `<!doctype html><title>Members</title><h1>Members</h1><p id="one">…</p><script>document.getElementById("one").textContent = atob("%s")</script>`

// demoCapture opens a page of this machine's own in Chromium, as mailreeve capture does, beside what was audited. Without a browser it says so.
func (c *cli) demoCapture(ctx context.Context, s *system, dir string) error {
	fmt.Fprintln(c.out, "\nA page whose script writes an address, captured by Chromium:")
	fmt.Fprintln(c.out)
	chromium, err := capture.FindChromium("")
	if err != nil {
		fmt.Fprintf(c.out, "  not shown: %v\n", err)
		return nil
	}
	manifest := filepath.Join(dir, "captured", "manifest.jsonl")
	if err := os.MkdirAll(filepath.Dir(manifest), 0o700); err != nil {
		return err
	}
	k := &crawler{cli: c, cfg: s.cfg}
	k.camera = capture.Capturer{Chromium: chromium, Sandbox: capture.MaySandbox(true) == nil, AllowPrivate: true, Manifest: manifest, Limits: capture.DefaultLimits(),
		Clock: c.clock, Addresses: k.addresses}
	var once sync.Once
	shows := ""
	err = k.addresses(ctx, func(a capture.Address) error {
		once.Do(func() { shows = base64.StdEncoding.EncodeToString([]byte(a.Email)) })
		return nil
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	page := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, demoPage, shows) }), ReadHeaderTimeout: time.Minute}
	go page.Serve(l) // until it is closed
	defer page.Close()
	res, err := k.camera.Capture(ctx, capture.Page{URL: "http://" + l.Addr().String() + "/members", App: "example.demo"})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(c.out, "  not shown: %v\n", err)
		return nil
	}
	fmt.Fprintf(c.out, "  %s\n", told(res, ""))
	fmt.Fprintf(c.out, "  What is written of it holds no address any more: %s\n", filepath.Dir(manifest))
	return nil
}
