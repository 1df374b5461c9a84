package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/ingest"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/capture"
	"github.com/mailreeve/mailreeve/internal/s3"
)

func (c *cli) captureCommand() *cobra.Command {
	var as config.CapturePage
	cmd := &cobra.Command{
		Use:   "capture [URL…]",
		Short: "Open an app's page in Chromium as the crawler and write a capture",
		Long: `capture opens pages in a real Chromium, as the crawler's account, and looks for addresses in all that the page shows, holds, receives and sends.
What was found goes into the manifest of the captures source; the recording, the page and the screenshot beside it hold no address any more.
Without a URL it opens those of the configuration (capture.urls). See docs/capture.md.`,
		Example: "  mailreeve capture https://app.acme.example/members --app com.acme.mailer --viewer 5b10a --cookies crawler.txt",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, urls []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			pages := cfg.Capture.URLs
			if len(urls) > 0 {
				pages = nil
				for _, u := range urls {
					as.URL = u
					pages = append(pages, as)
				}
			}
			if len(pages) == 0 {
				return usagef("give the URL of a page, or some in the configuration as capture.urls")
			}
			k, err := newCrawler(cmd.Context(), c, cfg)
			if err != nil {
				return err
			}
			return k.visit(cmd.Context(), pages)
		},
	}
	cmd.Flags().StringVar(&as.App, "app", "", "the app's key (default: the app of the registry whose host it is)")
	cmd.Flags().StringVar(&as.Site, "site", "", "cloud id of the site that the page belongs to")
	cmd.Flags().StringVar(&as.Viewer, "viewer", "", "account id of the crawler: its own address is no exposure")
	cmd.Flags().StringVar(&as.CookiesFile, "cookies", "", "file with the crawler's cookies: cookies.txt, or JSON as browsers' tools export it")
	cmd.Flags().StringVar(&as.HeadersFile, "headers", "", "file with headers that log the crawler in, one a line; they are sent to the page's own origin only")
	return cmd
}

// A crawler captures pages as the configuration wants it.
type crawler struct {
	*cli
	cfg    *config.Config
	camera capture.Capturer
}

// newCrawler finds out that everything is there before any page is opened.
func newCrawler(ctx context.Context, c *cli, cfg *config.Config) (*crawler, error) {
	k := &crawler{cli: c, cfg: cfg}
	manifest, err := k.manifest()
	if err != nil {
		return nil, err
	}
	sandbox := cfg.Capture.Sandbox == nil || *cfg.Capture.Sandbox
	if err := capture.MaySandbox(sandbox); err != nil {
		return nil, err
	}
	chromium := cfg.Capture.Chromium
	if strings.ContainsRune(chromium, filepath.Separator) { // else it is looked for in PATH
		chromium = cfg.Resolve(chromium)
	}
	chromium, err = capture.FindChromium(chromium)
	if err != nil {
		return nil, err
	}
	k.camera = capture.Capturer{Chromium: chromium, Sandbox: sandbox, AllowPrivate: cfg.Capture.AllowPrivate, Manifest: manifest, Limits: capture.DefaultLimits(),
		Clock: c.clock, Addresses: k.addresses}
	if cfg.AddressKeyFile != "" {
		if k.camera.Key, err = readKey(cfg.Resolve(cfg.AddressKeyFile)); err != nil {
			return nil, err
		}
	}
	return k, k.readable(ctx)
}

// sources are those of a kind.
func (k *crawler) sources(kind audit.Kind) []config.Source {
	return slices.DeleteFunc(slices.Clone(k.cfg.Sources), func(s config.Source) bool { return s.Kind != string(kind) })
}

// manifest is the file that captures are told of in.
func (k *crawler) manifest() (string, error) {
	list := k.sources(audit.KindCaptures)
	switch {
	case len(list) == 0:
		return "", fmt.Errorf("%s: captures go where the captures source is, and there is none: add {kind: captures, path: captures/manifest.jsonl} to sources", k.cfg.Path)
	case len(list) > 1:
		return "", fmt.Errorf("%s: there are %d captures sources: leave the one that captures shall be added to", k.cfg.Path, len(list))
	case s3.IsURL(list[0].Path):
		return "", fmt.Errorf("%s: sources (captures): %s is in object storage, where nothing can be added to a file: capture with a configuration whose manifest is in a folder, and copy the folder there", k.cfg.Path, list[0].Path)
	case strings.ContainsAny(list[0].Path, "*?["), strings.HasSuffix(list[0].Path, ".gz"), strings.HasSuffix(list[0].Path, ".zst"):
		return "", fmt.Errorf("%s: sources (captures): %s is not one plain file, so no capture can be added: name one, as captures/manifest.jsonl", k.cfg.Path, list[0].Path)
	}
	return k.cfg.Resolve(list[0].Path), nil
}

// visit captures pages, one after the other, and tells of each.
func (k *crawler) visit(ctx context.Context, pages []config.CapturePage) error {
	failed := 0
	for _, p := range pages {
		res, err := k.one(ctx, p)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
			fmt.Fprintf(k.err, "%s: %v\n", shown(capture.RedactURL(ctx, p.URL)), err)
			continue
		}
		fmt.Fprintln(k.out, told(res, p.Viewer))
	}
	if failed > 0 {
		return fmt.Errorf("%s could not be captured", count(failed, "page", "pages"))
	}
	return nil
}

func (k *crawler) one(ctx context.Context, p config.CapturePage) (*capture.Result, error) {
	if err := capture.CheckURL(p.URL); err != nil {
		return nil, err
	}
	page := capture.Page{URL: p.URL, App: p.App, Site: p.Site, Viewer: p.Viewer}
	for _, id := range []string{p.App, p.Site, p.Viewer} {
		if address.LooksLike([]byte(id)) {
			return nil, errors.New("app, site and viewer are ids; one of them looks like an address")
		}
	}
	var err error
	if page.App == "" {
		if page.App, err = k.appOf(ctx, p.URL); err != nil {
			return nil, err
		}
	}
	if p.CookiesFile != "" {
		if page.Login.Cookies, err = capture.ReadCookies(k.cfg.Resolve(p.CookiesFile)); err != nil {
			return nil, err
		}
	}
	if p.HeadersFile != "" {
		if page.Login.Headers, err = capture.ReadHeaders(k.cfg.Resolve(p.HeadersFile)); err != nil {
			return nil, err
		}
	}
	return k.camera.Capture(ctx, page)
}

// told is a line about a page: what was found, in how many accounts' case, the viewer's own left out where it is no exposure.
func told(res *capture.Result, viewer string) string {
	accounts := map[audit.Place]map[string]bool{}
	hosts := map[string]bool{}
	for _, s := range slices.Concat(res.HAR, res.DOM) {
		if s.Account == viewer && s.Place != audit.Sent {
			continue
		}
		if accounts[s.Place] == nil {
			accounts[s.Place] = map[string]bool{}
		}
		accounts[s.Place][s.Account] = true
		if s.Place == audit.Sent && s.Host != "" {
			hosts[s.Host] = true
		}
	}
	n := func(p audit.Place) string { return count(len(accounts[p]), "account", "accounts") }
	line := fmt.Sprintf("%s  %s  %s  visible: %s; payload: %s; sent: %s", shown(res.URL), shown(res.App), strings.Join(res.Files, " "), n(audit.Shown), n(audit.Payload), n(audit.Sent))
	if len(hosts) > 0 {
		line += " to " + count(len(hosts), "host", "hosts")
	}
	if res.NoScreenshot != "" {
		line += "; no screenshot: " + shown(res.NoScreenshot)
	}
	for _, note := range res.Notes {
		line += "; " + shown(note)
	}
	return line
}

// appOf is the app of the registry to which a URL's host belongs: the one with the longest domain that it is, or is under.
func (k *crawler) appOf(ctx context.Context, raw string) (string, error) {
	host := audit.HostOf(raw)
	apps := map[string]*audit.App{}
	for _, s := range k.sources(audit.KindApps) {
		err := k.lines(ctx, s, 1, func(line []byte) {
			if app, err := ingest.App(line); err == nil { // a bad line is the night's to tell
				apps[app.Key] = app
			}
		})
		if err != nil {
			return "", err
		}
	}
	var found []string
	longest := 0
	for key, app := range apps {
		for _, d := range app.Features.Domains {
			d = strings.TrimPrefix(d, "*.")
			if host != d && !strings.HasSuffix(host, "."+d) || len(d) < longest {
				continue
			}
			if len(d) > longest {
				longest, found = len(d), nil
			}
			if !slices.Contains(found, key) {
				found = append(found, key)
			}
		}
	}
	switch slices.Sort(found); len(found) {
	case 0:
		return "", errors.New("no app of the registry has this host in its descriptor or domains: say whose page it is with --app (in the configuration: app)")
	case 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("its host is that of %s: say whose page it is with --app (in the configuration: app)", strings.Join(found, ", "))
	}
}

// readable says whether the addresses can be looked at.
func (k *crawler) readable(ctx context.Context) error {
	list := k.sources(audit.KindAddresses)
	if len(list) == 0 {
		return fmt.Errorf("%s: nothing can be found without the addresses that were handed out: add {kind: addresses, path: …} to sources", k.cfg.Path)
	}
	enough := errors.New("enough")
	err := k.addresses(ctx, func(capture.Address) error { return enough })
	switch {
	case errors.Is(err, enough):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("sources (addresses): %s holds no address that can be looked at", list[0].Path)
}

// addresses gives all lines of the addresses source.
func (k *crawler) addresses(ctx context.Context, add func(capture.Address) error) error {
	id := ""
	if k.camera.Key != nil {
		id = address.KeyID(*k.camera.Key)
	}
	for _, s := range k.sources(audit.KindAddresses) {
		stop, cancel := context.WithCancelCause(ctx)
		err := k.lines(stop, s, cmp.Or(k.cfg.Workers, 2), func(line []byte) {
			a, err := ingest.Address(line)
			if err != nil {
				return // a bad line is the night's to tell
			}
			switch {
			case a.Digests != nil && id == "":
				err = fmt.Errorf("sources (addresses): %s holds digests: say with address_key_file where their key is", s.Path)
			case a.Digests != nil && a.KeyID != id:
				err = fmt.Errorf("sources (addresses): %s holds digests by another key than that of address_key_file", s.Path)
			default:
				err = add(capture.Address{Account: a.Account, Email: a.Email, Digests: a.Digests})
			}
			if err != nil {
				cancel(err)
			}
		})
		if cause := context.Cause(stop); cause != nil {
			err = cause
		}
		cancel(nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// lines reads the files of a source. visit is called by so many goroutines.
func (k *crawler) lines(ctx context.Context, s config.Source, workers int, visit func(line []byte)) error {
	if f := feedOf(k.cfg, &s); f != nil {
		if _, _, err := f.Fetch(ctx, "", &lineWriter{visit: visit}); err != nil {
			return fmt.Errorf("sources (%s): %s: %w", s.Kind, s.Name(), err)
		}
		return nil
	}
	objects := s3.FromEnvironment()
	files, err := ingest.Glob(ctx, k.cfg.Resolve(s.Path), objects)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no such file: %s", k.cfg.Resolve(s.Path))
	}
	for _, path := range files {
		if err == nil {
			_, err = ingest.Read(ctx, path, nil, ingest.Options{Workers: workers, Objects: objects}, func(int) ingest.Lines { return eachLine(visit) })
		}
	}
	if err != nil {
		return fmt.Errorf("sources (%s): %w", s.Kind, err)
	}
	return nil
}

// eachLine is called with the lines of a file.
type eachLine func(line []byte)

func (f eachLine) Line(_ ingest.Pos, line []byte) { f(line) }

func (f eachLine) TooLong(ingest.Pos) {}

// A lineWriter calls visit with each whole line that is written.
type lineWriter struct {
	visit func(line []byte)
	rest  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte{'\n'})
		if !ok {
			return len(p), nil
		}
		w.visit(line)
		w.rest = rest
	}
}

// keepCapturing captures the pages of the configuration by its schedule, beside the nights, until ctx is done.
func (s *system) keepCapturing(ctx context.Context, c *cli) error {
	if s.cfg.Capture.Every == "" || len(s.cfg.Capture.URLs) == 0 {
		return nil
	}
	plan, err := schedule.Parse(s.cfg.Capture.Every)
	if err != nil {
		return fmt.Errorf("capture.every: %w", err)
	}
	if _, err := newCrawler(ctx, c, s.cfg); err != nil && ctx.Err() == nil { // told now, and tried again at each time: a file may be on its way
		s.log.Warn("pages cannot be captured so far", "error", err)
	}
	never := func(context.Context) (time.Time, error) { return time.Time{}, nil } // what was missed is not made up
	visit := func(ctx context.Context, _, _ time.Time) error {
		k, err := newCrawler(ctx, c, s.cfg)
		if err == nil {
			err = k.visit(ctx, s.cfg.Capture.URLs)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("not all pages were captured", "error", err)
		}
		return nil
	}
	return (&schedule.Runner{Schedule: plan, Log: s.log, Last: never, Night: visit}).Serve(ctx)
}
