// Package capture opens apps' pages in a real browser, as the crawler's account, and writes down what became of the addresses there.
//
// A page is opened by a Chromium of its own, with a fresh profile and a proxy of mailreeve's as its only way out. All that goes over its network is
// recorded in memory, the page is scrolled to its end, stopped, and read from the renderer. Detection runs over what is whole and stays in memory; what
// is written is redacted, and the screenshot is taken of a page in which bars stand for addresses. See docs/capture.md.
package capture

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks/exposure"
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

	// Addresses gives all addresses that were handed out to add, which many goroutines may call at once, until it returns an error. It may be called more than once.
	Addresses func(ctx context.Context, add func(Address) error) error
	Key       *[32]byte // of digests among them; nil: there are none

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
	redact := newRedactor(ctx, exposure.NewMasker(exposure.Limits{}), p.Login.secrets())
	seen, err := c.see(ctx, p, started)
	if err != nil {
		return nil, redact.error(err)
	}
	res := &Result{URL: redact.url(p.URL), App: p.App, HAR: seen.inHAR, DOM: seen.inDOM, Notes: seen.notes}
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

// seen is what there is to write of a page.
type seen struct {
	har, dom, screenshot []byte // redacted
	noScreenshot         error
	inHAR, inDOM         []audit.Sighting
	notes                []string
}

// see opens a page and looks. When it returns, nothing is left of the browser, or a note or the error says what is.
func (c *Capturer) see(ctx context.Context, p Page, started time.Time) (out *seen, err error) {
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
	defer func() {
		switch left := b.end(); {
		case left == nil:
		case err != nil:
			err = fmt.Errorf("%w; %w", err, left)
		default:
			out.notes = append(out.notes, left.Error())
		}
	}()
	v := newVisit(c.Limits, p.Login, originOf(p.URL), proxy, b.client)
	b.client.on = func(s *session, event any) { v.on(ctx, s, event) }
	go b.client.run(ctx)

	starting, endStarting := context.WithTimeout(ctx, c.Limits.Start)
	defer endStarting()
	if err := v.prepare(starting); err != nil {
		if v.page() == nil && ctx.Err() == nil {
			_ = b.end() // then all that it said is there
			err = fmt.Errorf("the browser did not start (%s)", b.said)
		}
		return nil, orCanceled(ctx, err)
	}
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
	v.record.soFar(whole)
	v.freeze(whole)
	v.dropSilent(whole)
	v.record.complete(whole)
	v.recordStorage(whole)
	recording := v.record.har(started)
	secrets := append(p.Login.secrets(), recording.cookies()...)
	out = &seen{notes: v.notes()}
	snap, documents, err := v.still(whole)
	if err != nil { // the recording may hold enough
		if err = orCanceled(ctx, err); ctx.Err() != nil {
			return nil, err
		}
		out.noScreenshot = fmt.Errorf("the page itself could not be read: %w", err)
	}
	d := newDetector()
	finds, err := c.match(ctx, out, d, recording, snap, secrets)
	if err != nil {
		return nil, err
	}
	if out.noScreenshot == nil {
		shooting, endShooting := context.WithTimeout(ctx, c.Limits.Screenshot)
		defer endShooting()
		if out.screenshot, err = v.shoot(shooting, snap, finds, d, secrets, documents); err != nil {
			out.screenshot, out.noScreenshot = nil, orCanceled(ctx, err)
		}
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

// match looks for addresses in the recording, the page and what its screen shows, and redacts all of it.
func (c *Capturer) match(ctx context.Context, out *seen, d *detector, recording *har, snap *snapshot, secrets []string) ([]*find, error) {
	whole, err := recording.bytes()
	if err != nil {
		return nil, err
	}
	look := func(what string, kind audit.CaptureKind, text []byte) (doc int) {
		doc, notes, err := d.scan(ctx, kind, text)
		if err != nil {
			notes = append(notes, "it could not be looked at: "+err.Error())
		}
		for _, note := range notes {
			out.notes = append(out.notes, what+": "+note)
		}
		return doc
	}
	inHAR := look("the recording", audit.CaptureHAR, whole)
	inDOM := look("the page", audit.CaptureHTML, []byte(snap.html(snap.main())))
	texts := map[int]string{}
	for _, f := range snap.finds(ctx, d, secrets, nil) {
		doc, _, err := d.scan(ctx, audit.CaptureText, []byte(f.text))
		if err != nil {
			return nil, err
		}
		texts[doc] = f.text
	}
	found, err := d.match(ctx, c)
	if err != nil {
		return nil, err
	}
	out.inHAR, out.inDOM = found[inHAR], found[inDOM]
	known := map[string]bool{}
	for doc, text := range texts {
		known[text] = known[text] || len(found[doc]) > 0
	}
	finds := snap.finds(ctx, d, secrets, known)
	return finds, c.redact(ctx, out, newRedactor(ctx, d.masker, secrets), recording, snap, finds)
}

// redact makes what is written, and makes sure that no address can be found in it, as whoever reads it would try.
func (c *Capturer) redact(ctx context.Context, out *seen, r *redactor, recording *har, snap *snapshot, finds []*find) (err error) {
	if out.har, err = r.har(recording).bytes(); err != nil {
		return err
	}
	snap.mask(finds)
	out.dom = []byte(r.text(audit.CaptureHTML, snap.html(snap.main())))
	again := newDetector()
	har, _, errHAR := again.scan(ctx, audit.CaptureHAR, out.har)
	dom, _, errDOM := again.scan(ctx, audit.CaptureHTML, out.dom)
	found, err := again.match(ctx, c)
	if err != nil {
		return err
	}
	if len(found[har]) > 0 || errHAR != nil {
		if out.har, err = recording.leftOut().bytes(); err != nil {
			return err
		}
		out.notes = append(out.notes, "the recording could not be masked and is left out")
	}
	if len(found[dom]) > 0 || errDOM != nil {
		out.dom = []byte("<!-- left out: it could not be masked -->\n")
		out.notes = append(out.notes, "the page's text could not be masked and is left out")
	}
	return ctx.Err()
}
