package capture

import (
	"context"
	_ "embed" // for the script
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// The screenshot is taken of a page that was changed first: bars are where addresses were, and grey boxes where something is that cannot be read. What
// to change is decided here, from what the browser's renderer says it shows; a script in a world of its own only carries it out. Then the page is looked
// at again, and there is no screenshot unless nothing is left.

//go:embed mask.js
var maskScript string

// The reasons for which there is no screenshot.
var (
	errHuge   = errors.New("the page has too many nodes")
	errMany   = errors.New("too much had to be masked")
	errLeft   = errors.New("something of the shape of an address was left after masking")
	errMoved  = errors.New("the page went elsewhere meanwhile")
	errFailed = errors.New("the page could not be masked")
)

// A find is a text on the screen that has the shape of an address, in whatever disguise.
type find struct {
	text  string
	parts []part
	known bool // the address is one that was handed out
}

// finds are all of a snapshot; known tells of a text whether it is an address that was handed out.
func (s *snapshot) finds(ctx context.Context, d *detector, secrets []string, known map[string]bool) []*find {
	var all []*find
	for _, r := range s.readings {
		shapes, _ := d.shapes(ctx, r.text, secrets) // whether it could all be read is asked after masking
		for _, x := range shapes {
			if parts := r.parts(x.From, x.To); len(parts) > 0 {
				text := r.text[x.From:x.To]
				all = append(all, &find{text: text, parts: parts, known: x.Hash || known[text]})
			}
		}
	}
	return all
}

// fit lays the page out in its whole height, as far as that is shown.
func (v *visit) fit(ctx context.Context) error {
	m, err := cdp.Call(ctx, v.main, page.GetLayoutMetrics, cdp.Empty{})
	if err != nil {
		return err
	}
	height := int64(viewHeight)
	if m.CSSContentSize != nil {
		height = min(max(height, int64(math.Ceil(m.CSSContentSize.Height))), v.limits.Height)
	}
	_, err = cdp.Call(ctx, v.main, emulation.SetDeviceMetricsOverride, viewport(height))
	return err
}

// still lays the frozen page out and looks at it. Where it fails, the snapshot is empty.
func (v *visit) still(ctx context.Context) (snap *snapshot, documents string, err error) {
	if err = v.fit(ctx); err == nil {
		documents, err = v.documents(ctx)
	}
	if err == nil {
		snap, err = v.look(ctx)
	}
	if err != nil {
		snap = &snapshot{}
	}
	return snap, documents, err
}

// An operation changes a node; mask.js carries it out.
type operation struct {
	Do     string   `json:"do"`
	Ranges [][2]int `json:"ranges,omitempty"` // in UTF-16 units, ascending, apart
	Known  any      `json:"known,omitempty"`  // for each range; of generated content: one
	Name   string   `json:"name,omitempty"`
	Text   string   `json:"text,omitempty"`
	node   cdp.BackendNodeID
}

// maxOperations is how many changes of a page are worth a screenshot.
const maxOperations = 20_000

// A marking is what was found in one piece.
type marking struct {
	piece  *piece
	ranges [][2]int // ascending, apart
	known  []bool   // for each range
}

// markings are the finds, by piece.
func markings(finds []*find) []*marking {
	type mark struct {
		from, to int
		known    bool
	}
	marks := map[*piece][]mark{}
	var all []*marking
	for _, f := range finds {
		for _, p := range f.parts {
			if marks[p.piece] == nil {
				all = append(all, &marking{piece: p.piece})
			}
			marks[p.piece] = append(marks[p.piece], mark{p.from, p.to, f.known})
		}
	}
	for _, m := range all {
		list := marks[m.piece]
		slices.SortFunc(list, func(a, b mark) int { return a.from - b.from })
		for _, x := range list {
			if last := len(m.ranges) - 1; last >= 0 && x.from < m.ranges[last][1] { // overlaps the one before
				m.ranges[last][1], m.known[last] = max(m.ranges[last][1], x.to), m.known[last] || x.known
				continue
			}
			m.ranges, m.known = append(m.ranges, [2]int{x.from, x.to}), append(m.known, x.known)
		}
	}
	return all
}

// operations are the changes that mask what was found and cover what cannot be read, by document.
func (s *snapshot) operations(finds []*find) map[*document][]operation {
	all := map[*document][]operation{}
	for _, m := range markings(finds) {
		p := m.piece
		o := operation{Do: string(p.what), Name: p.name, Known: m.known, node: p.node}
		if p.what == pieceGenerated {
			o.Text, o.Known = p.text, slices.Contains(m.known, true)
		} else {
			for _, r := range m.ranges {
				o.Ranges = append(o.Ranges, [2]int{units(p.text[:r[0]]), units(p.text[:r[1]])})
			}
		}
		all[p.doc] = append(all[p.doc], o)
	}
	for _, d := range s.docs {
		whole, background, generated := d.unreadable(s.after)
		for _, id := range whole {
			all[d] = append(all[d], operation{Do: "cover", node: id})
		}
		for _, id := range background {
			all[d] = append(all[d], operation{Do: "background", node: id})
		}
		for _, g := range generated {
			all[d] = append(all[d], operation{Do: "generated", Name: g.name, Known: false, node: g.node})
		}
	}
	return all
}

// units is the length of s in JavaScript.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

// mask carries the operations out.
func (v *visit) mask(ctx context.Context, all map[*document][]operation) error {
	n := 0
	for _, list := range all {
		n += len(list)
	}
	if n > maxOperations {
		return errMany
	}
	for d, list := range all {
		in, err := world(ctx, d.session, d.frame)
		if err != nil {
			return fmt.Errorf("%w: %w", errFailed, err)
		}
		for chunk := range slices.Chunk(list, 500) {
			if err := maskIn(ctx, d.session, in, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

func maskIn(ctx context.Context, s *session, in runtime.ExecutionContextID, list []operation) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	args := []*runtime.CallArgument{{Value: text}}
	for _, o := range list {
		res, err := cdp.Call(ctx, s, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: o.node, ExecutionContextID: in, ObjectGroup: "mailreeve"})
		if err != nil {
			return fmt.Errorf("%w: %w", errFailed, err)
		}
		args = append(args, &runtime.CallArgument{ObjectID: res.Object.ObjectID})
	}
	yes := true
	res, err := cdp.Call(ctx, s, runtime.CallFunctionOn, runtime.CallFunctionOnParams{FunctionDeclaration: maskScript, ExecutionContextID: in, Arguments: args,
		ReturnByValue: &yes, Silent: &yes})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errFailed, err)
	case res.ExceptionDetails != nil, res.Result == nil, string(res.Result.Value) != "0":
		return errFailed
	}
	return nil
}

// settle is how long the renderers may take to lay out and paint what was changed.
const settle = 150 * time.Millisecond

// shoot masks the page as it was looked at, makes sure that nothing is left, and takes its picture.
func (v *visit) shoot(ctx context.Context, snap *snapshot, finds []*find, d *detector, secrets []string, documents string) ([]byte, error) {
	if err := v.mask(ctx, snap.operations(finds)); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := v.clean(ctx, d, secrets, documents); err != nil {
		return nil, err
	}
	no := false
	shot, err := cdp.Call(ctx, v.main, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: &no})
	if err != nil {
		return nil, err
	}
	return shot.Data, v.clean(ctx, d, secrets, documents) // nor did it change while the picture was taken
}

// clean says whether the page as it is now shows nothing that must not be in a picture.
func (v *visit) clean(ctx context.Context, d *detector, secrets []string, documents string) error {
	now, err := v.documents(ctx)
	if err != nil {
		return err
	}
	if now != documents {
		return errMoved
	}
	snap, err := v.look(ctx)
	if err != nil {
		return err
	}
	for _, r := range snap.readings {
		shapes, sure := d.shapes(ctx, r.text, secrets)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(shapes) > 0 || !sure {
			return errLeft
		}
	}
	for d, list := range snap.operations(nil) {
		covered := map[cdp.BackendNodeID]bool{}
		for i := range d.nodes {
			if n := &d.nodes[i]; strings.Contains(n.style(styleFilter), "contrast(0)") {
				covered[n.id] = true
			}
		}
		for _, o := range list {
			if o.Do != "cover" || !covered[o.node] { // what is covered stays an image; nothing else is left to do
				return errLeft
			}
		}
	}
	return nil
}
