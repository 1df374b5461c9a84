// Package capture opens apps' pages in a real browser, as the crawler's account, and writes down what became of the addresses there.
//
// A page is opened by a Chromium of its own, with a fresh profile and a proxy of mailreeve's as its only way out. All that goes over its network is
// recorded in memory, the page is scrolled to its end, stopped, and read from the renderer. Detection runs over what is whole and stays in memory; what
// is written is redacted, and the screenshot is taken of a page in which bars stand for addresses. See docs/capture.md.
package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A Capturer captures pages.
type Capturer struct {
	Chromium     string // its path: FindChromium
	Sandbox      bool   // the browser's own; MaySandbox
	AllowPrivate bool   // let pages reach hosts that are not public
	Manifest     string // the file that tells of captures; they are put beside it
	Limits       Limits
	Resolve      Resolver         // nil: the machine's
	Clock        func() time.Time // nil: the machine's
	Log          *slog.Logger     // nil: nothing is logged

	// Addresses gives all addresses that were handed out to add, one at a time, until it returns an error.
	Addresses func(ctx context.Context, add func(account, email string) error) error

	dial dialer // nil: the machine's; tests have others
}

// A Page is what to open, as whom, and whose it is.
type Page struct {
	URL    string
	App    string
	Site   string
	Viewer string // the crawler's account; its own address is no exposure
	Login  Login
}

// A Result is what came of a page. Nothing in it holds an address.
type Result struct {
	URL          string
	App          string
	Files        []string         // beside the manifest; the screenshot, if there is one, is the last
	HAR          []audit.Sighting // in what went over the network
	DOM          []audit.Sighting // in the page as scripts made it
	NoScreenshot string           // why there is none; empty: there is one
	Notes        []string         // what could not be looked at, or was kept from the page
}

// CheckURL says whether a page can be captured by this URL. The error does not quote it.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("this is no URL of a page: give http://… or https://…")
	case u.User != nil:
		return errors.New("a user name in the URL would be written down: log in with cookies or headers")
	}
	return nil
}

// Capture opens a page and writes a capture of it. The error, which holds nothing of the page, says why there is none.
func (c *Capturer) Capture(ctx context.Context, p Page) (*Result, error) {
	if err := CheckURL(p.URL); err != nil {
		return nil, err
	}
	now := time.Now
	if c.Clock != nil {
		now = c.Clock
	}
	started := now()
	redact := &redactor{secrets: p.Login.secrets()}
	seen, err := c.see(ctx, p, started)
	if err != nil {
		return nil, errors.New(redact.text(audit.CaptureText, err.Error()))
	}
	res := &Result{URL: redact.url(p.URL), App: p.App, HAR: seen.sightings[docHAR], DOM: seen.sightings[docDOM], Notes: seen.notes}
	name := nameAt(started)
	dir := filepath.Dir(c.Manifest)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of captures: %w", err)
	}
	common := line{App: p.App, Site: p.Site, Viewer: p.Viewer, CapturedAt: started.UTC().Truncate(time.Millisecond), URL: res.URL}
	if seen.noScreenshot == nil {
		common.Screenshot = name + ".png"
	} else {
		res.NoScreenshot = redact.text(audit.CaptureText, seen.noScreenshot.Error())
	}
	har, dom := common, common
	har.File, har.Kind, har.Sightings = name+".har", audit.CaptureHAR, res.HAR
	dom.File, dom.Kind, dom.Sightings = name+".html", audit.CaptureHTML, res.DOM
	files := []struct {
		name string
		text []byte
	}{{har.File, seen.har}, {dom.File, seen.dom}, {common.Screenshot, seen.screenshot}}
	for _, f := range files {
		if f.name == "" {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.name), f.text); err != nil {
			return nil, err
		}
		res.Files = append(res.Files, f.name)
	}
	return res, appendLines(c.Manifest, []line{har, dom})
}

// The documents that the detector looks through, by their numbers; finds on the screen follow.
const (
	docHAR = iota
	docDOM
	docWrittenHAR
	docWrittenDOM
	docFinds
)

// seen is what there is to write of a page.
type seen struct {
	har, dom, screenshot []byte // redacted
	noScreenshot         error
	sightings            map[int][]audit.Sighting
	notes                []string
}

// see opens a page and looks. When it returns, nothing is left of the browser.
func (c *Capturer) see(ctx context.Context, p Page, started time.Time) (*seen, error) {
	resolve := c.Resolve
	if resolve == nil {
		resolve = resolveByDNS
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	proxy, err := newProxy(ctx, c.AllowPrivate, resolve, c.dial, c.Limits)
	if err != nil {
		return nil, err
	}
	defer proxy.close()
	b, err := start(ctx, c.Chromium, c.Sandbox, proxy)
	if err != nil {
		return nil, err
	}
	defer b.end()
	v := newVisit(c.Limits, p.Login, originOf(p.URL), proxy, b.client)
	b.client.on = func(s *session, event any) { v.on(ctx, s, event) }
	go b.client.run(ctx)

	whole, endWhole := context.WithTimeout(ctx, c.Limits.Page)
	defer endWhole()
	opening, endOpening := context.WithTimeout(whole, c.Limits.Page*2/3)
	defer endOpening()
	if err := v.open(opening, p.URL); err != nil {
		return nil, orCanceled(ctx, err)
	}
	if v.wasRefused() {
		return nil, errRefused
	}
	v.freeze(whole)
	v.record.complete(whole)
	recording := v.record.har(started, v.storage(whole))
	secrets := append(p.Login.secrets(), recording.cookies()...)
	out := &seen{notes: v.notes()}
	snap, documents, err := v.still(whole)
	if err != nil { // the recording may hold enough
		if err = orCanceled(ctx, err); ctx.Err() != nil {
			return nil, err
		}
		out.noScreenshot = err
		out.notes = append(out.notes, "the page itself could not be read: "+err.Error())
	}
	finds := snap.finds(secrets)
	if err := c.match(ctx, out, recording, snap, finds, &redactor{secrets: secrets}); err != nil {
		return nil, err
	}
	if out.noScreenshot == nil {
		shooting, endShooting := context.WithTimeout(ctx, c.Limits.Screenshot)
		defer endShooting()
		out.screenshot, out.noScreenshot = v.shoot(shooting, snap, finds, secrets, documents)
	}
	return out, ctx.Err()
}

// orCanceled is why the caller ended it, if it did, else err.
func orCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errTooLong
	}
	return err
}

// match redacts the recording and the page, and looks for addresses in both, whole and redacted, and in what was found on the screen.
func (c *Capturer) match(ctx context.Context, out *seen, recording *har, snap *snapshot, finds []*find, r *redactor) error {
	whole, err := recording.bytes()
	if err != nil {
		return err
	}
	page := snap.html(snap.main())
	if out.har, err = r.har(recording).bytes(); err != nil {
		return err
	}
	snap.mask(finds)
	out.dom = []byte(r.text(audit.CaptureHTML, snap.html(snap.main())))
	f := newFinder()
	documents := []struct {
		kind audit.CaptureKind
		text []byte
	}{docHAR: {audit.CaptureHAR, whole}, docDOM: {audit.CaptureHTML, []byte(page)}, docWrittenHAR: {audit.CaptureHAR, out.har}, docWrittenDOM: {audit.CaptureHTML, out.dom}}
	for i, d := range documents {
		notes, err := f.scan(ctx, i, d.kind, bytes.NewReader(d.text))
		if err != nil && i < docWrittenHAR {
			out.notes = append(out.notes, string(d.kind)+" could not be looked at: "+err.Error())
		}
		if i < docWrittenHAR {
			out.notes = append(out.notes, notes...)
		}
	}
	for i, x := range finds {
		if _, err := f.scan(ctx, docFinds+i, audit.CaptureText, strings.NewReader(x.text)); err != nil {
			return err
		}
	}
	if err := c.Addresses(ctx, func(account, email string) error { f.address(account, email); return nil }); err != nil {
		return fmt.Errorf("the addresses: %w", err)
	}
	out.sightings = f.sightings()
	for i, x := range finds {
		x.known = len(out.sightings[docFinds+i]) > 0
	}
	if len(out.sightings[docWrittenHAR]) > 0 {
		empty := &har{harLog{Version: "1.2", Creator: recording.Log.Creator, Pages: recording.Log.Pages, Entries: []*harEntry{}, Comment: "left out: it could not be masked"}}
		if out.har, err = empty.bytes(); err != nil {
			return err
		}
		out.notes = append(out.notes, "the recording could not be masked and is left out")
	}
	if len(out.sightings[docWrittenDOM]) > 0 {
		out.dom = []byte("<!-- left out: it could not be masked -->\n")
		out.notes = append(out.notes, "the page's text could not be masked and is left out")
	}
	return nil
}
