package capture

import (
	"context"
	"html"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/domsnapshot"
	"github.com/chromedp/chromedp"

	"github.com/mailreeve/mailreeve/audit/address"
)

// A snapshot is what the browser's renderers know of the page at one moment: nodes, also those in closed shadow roots and in frames, and what is laid
// out, also generated content. No script of the page has a say in it.
type snapshot struct {
	docs     []*document
	readings []*reading
	after    map[owner]*document // what frames hold, by their elements
}

// An owner is the element of a frame.
type owner struct {
	in   *session
	node cdp.BackendNodeID
}

// A document is one of a snapshot.
type document struct {
	session  *session
	frame    cdp.FrameID
	url      string
	nodes    []node
	children [][]int
	laid     []laid        // in the order of layout
	inner    map[int]int64 // documents of frames in the same process, by the frame's element: their index in the renderer's answer
}

// A node is an element, a text, or generated content of an element.
type node struct {
	parent  int
	kind    int64
	name    string // upper case in HTML
	value   string
	id      cdp.BackendNodeID
	attrs   []string // names and values in turn
	shadow  string   // kind of the shadow root that it is in, where it is at its top
	pseudo  string   // of generated content: before, after, marker…
	typed   string   // what an input or a text area holds
	isTyped bool
	laid    bool // it, or something in it, is to be seen
	styles  []string
	first   int  // its first layout; -1: none
	block   int  // the nearest element around it, itself included, that is no part of a line; -1: none
	drawn   bool // it is in an SVG
}

// laid is something that is laid out.
type laid struct {
	node       int
	text       string // as it is shown; empty: no text
	x, y, w, h float64
}

// styles are those that a snapshot holds of each node that is laid out.
var styles = []string{"display", "visibility", "opacity", "background-image", "border-image-source", "list-style-image", "mask-image", "content", "filter"}

const (
	styleDisplay = iota
	styleVisibility
	styleOpacity
	styleBackground
	styleBorder
	styleList
	styleMask
	styleContent
	styleFilter
)

// maxSnapshot is how much of a page is looked at, as the browser writes it: some 400,000 nodes. Reading it is work that no deadline ends.
const maxSnapshot = 32 << 20

// look takes a snapshot of the page and its frames.
func (v *visit) look(ctx context.Context) (*snapshot, error) {
	snap := &snapshot{after: map[owner]*document{}}
	roots := map[cdp.FrameID]*document{} // of targets
	left := maxSnapshot
	for _, s := range v.framesNow() {
		var text jsonv2.Value
		if err := s.Call(ctx, domsnapshot.CommandCaptureSnapshot, domsnapshot.CaptureSnapshotParams{ComputedStyles: styles}, &text); err != nil {
			if s != v.main && ctx.Err() == nil {
				continue // a frame that has gone meanwhile: its place is covered
			}
			return nil, err
		}
		if left -= len(text); left < 0 {
			return nil, errHuge
		}
		var res domsnapshot.CaptureSnapshotResult
		if err := jsonv2.Unmarshal(text, &res, chromedp.DefaultUnmarshalOptions); err != nil {
			return nil, err
		}
		var here []*document
		for _, d := range res.Documents {
			here = append(here, documentOf(s, d, res.Strings))
		}
		if len(here) == 0 {
			continue
		}
		roots[cdp.FrameID(s.target)] = here[0]
		snap.docs = append(snap.docs, here...)
		for _, d := range here {
			snap.readings = append(snap.readings, d.readings()...)
		}
		for _, d := range here {
			for element, i := range d.inner {
				if i > 0 && int(i) < len(here) {
					snap.after[owner{s, d.nodes[element].id}] = here[i]
				}
			}
		}
	}
	for _, s := range v.framesNow() { // which element holds which target
		d := roots[cdp.FrameID(s.target)]
		if d == nil || s == v.main {
			continue
		}
		for _, outer := range v.framesNow() {
			if outer == s {
				continue
			}
			res, err := cdp.Call(ctx, outer, dom.GetFrameOwner, dom.GetFrameOwnerParams{FrameID: cdp.FrameID(s.target)})
			if err == nil && res.BackendNodeID != 0 {
				snap.after[owner{outer, res.BackendNodeID}] = d
				break
			}
		}
	}
	return snap, nil
}

// rare is the values that only some nodes have, by node.
func rare[T any](index []int64, value []T) map[int]T {
	m := make(map[int]T, len(index))
	for i, at := range index {
		if i < len(value) {
			m[int(at)] = value[i]
		}
	}
	return m
}

// documentOf reads a document of the renderer's answer.
func documentOf(s *session, d *domsnapshot.DocumentSnapshot, table []string) *document {
	text := func(i domsnapshot.StringIndex) string {
		if i < 0 || int(i) >= len(table) {
			return ""
		}
		return table[i]
	}
	rareText := func(r *domsnapshot.RareStringData) map[int]string {
		if r == nil {
			return nil
		}
		m := map[int]string{}
		for i, v := range rare(r.Index, r.Value) {
			if v >= 0 {
				m[i] = text(v)
			}
		}
		return m
	}
	n := d.Nodes
	out := &document{session: s, frame: cdp.FrameID(text(d.FrameID)), url: text(d.DocumentURL), nodes: make([]node, len(n.NodeName)),
		children: make([][]int, len(n.NodeName)), inner: map[int]int64{}}
	shadow, pseudo, input, area := rareText(n.ShadowRootType), rareText(n.PseudoType), rareText(n.InputValue), rareText(n.TextValue)
	for i := range out.nodes {
		x := node{parent: -1, kind: 1, first: -1, name: text(n.NodeName[i])}
		if i < len(n.ParentIndex) {
			x.parent = int(n.ParentIndex[i])
		}
		if i < len(n.NodeType) {
			x.kind = n.NodeType[i]
		}
		if i < len(n.NodeValue) {
			x.value = text(n.NodeValue[i])
		}
		if i < len(n.BackendNodeID) {
			x.id = n.BackendNodeID[i]
		}
		if i < len(n.Attributes) {
			for _, a := range n.Attributes[i] {
				x.attrs = append(x.attrs, text(domsnapshot.StringIndex(a)))
			}
		}
		x.shadow, x.pseudo = shadow[i], pseudo[i]
		if x.typed, x.isTyped = input[i]; !x.isTyped {
			x.typed, x.isTyped = area[i]
		}
		if x.parent >= i { // not a tree: parents come first
			x.parent = -1
		}
		out.nodes[i] = x
		if x.parent >= 0 {
			out.children[x.parent] = append(out.children[x.parent], i)
		}
	}
	if n.ContentDocumentIndex != nil {
		out.inner = rare(n.ContentDocumentIndex.Index, n.ContentDocumentIndex.Value)
	}
	for i, at := range d.Layout.NodeIndex {
		if at < 0 || int(at) >= len(out.nodes) {
			continue
		}
		l := laid{node: int(at)}
		if i < len(d.Layout.Text) {
			l.text = text(d.Layout.Text[i])
		}
		if i < len(d.Layout.Bounds) && len(d.Layout.Bounds[i]) == 4 {
			b := d.Layout.Bounds[i]
			l.x, l.y, l.w, l.h = b[0], b[1], b[2], b[3]
		}
		x := &out.nodes[at]
		if x.first < 0 {
			x.first = len(out.laid)
			if i < len(d.Layout.Styles) {
				for _, v := range d.Layout.Styles[i] {
					x.styles = append(x.styles, text(domsnapshot.StringIndex(v)))
				}
			}
		}
		out.laid = append(out.laid, l)
	}
	for i := range out.nodes { // parents come first
		n := &out.nodes[i]
		n.block = -1
		if n.parent >= 0 {
			up := &out.nodes[n.parent]
			n.block, n.drawn = up.block, up.drawn || strings.EqualFold(up.name, "svg")
		}
		if s := n.style(styleDisplay); s != "" && s != "inline" && s != "contents" {
			n.block = i
		}
	}
	for i := range out.nodes {
		if !out.shows(i) {
			continue
		}
		for j := i; j >= 0 && !out.nodes[j].laid; j = out.nodes[j].parent {
			out.nodes[j].laid = true
		}
	}
	return out
}

// shows says whether something of a node itself is to be seen.
func (d *document) shows(i int) bool {
	n := &d.nodes[i]
	if n.first < 0 || n.kind != 1 && n.kind != 3 {
		return false
	}
	if n.kind == 1 {
		return n.style(styleVisibility) != "hidden"
	}
	l := &d.laid[n.first]
	return strings.TrimSpace(n.value) != "" && l.w > 0 && l.h > 0 && (n.parent < 0 || d.nodes[n.parent].style(styleVisibility) != "hidden")
}

// style is a computed style of a node that is laid out; empty where it is not.
func (n *node) style(which int) string {
	if which < len(n.styles) {
		return n.styles[which]
	}
	return ""
}

// attr is an attribute's value, and whether it is there.
func (n *node) attr(name string) (string, bool) {
	for i := 0; i+1 < len(n.attrs); i += 2 {
		if strings.EqualFold(n.attrs[i], name) {
			return n.attrs[i+1], true
		}
	}
	return "", false
}

// void are elements without an end.
var void = []string{"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}

// metadata are elements that are never laid out, so that this says nothing about them.
var metadata = []string{"html", "head", "body", "title", "style", "script", "meta", "link", "base", "template", "noscript", "source", "track", "param", "option", "optgroup", "datalist", "area", "map", "br", "wbr"}

// html is the page as one text: what scripts made of it, with shadow roots and frames in their places, what is typed into inputs as their values, and
// `hidden` at elements of which nothing is laid out.
func (s *snapshot) html(main *document) string {
	w := &writer{snap: s, open: map[*document]bool{}}
	if main == nil {
		return "<!-- left out: the page could not be read -->\n"
	}
	w.document(main)
	return w.out.String()
}

// mask puts masks over what was found on the screen: an address may be read there that cannot be found in the order of the source.
func (s *snapshot) mask(finds []*find) {
	for _, m := range markings(finds) {
		var b strings.Builder
		end := 0
		for _, r := range m.ranges {
			b.WriteString(m.piece.text[end:r[0]])
			b.WriteString(address.Mask)
			end = r[1]
		}
		b.WriteString(m.piece.text[end:])
		text := b.String()
		d := m.piece.doc
		switch n := &d.nodes[m.piece.index]; m.piece.what {
		case pieceText:
			n.value = text
		case pieceTyped:
			n.typed = text
		case pieceAttribute:
			for i := 0; i+1 < len(n.attrs); i += 2 {
				if strings.EqualFold(n.attrs[i], m.piece.name) {
					n.attrs[i+1] = text
				}
			}
		case pieceGenerated:
			d.laid[m.piece.layout].text = text
		}
	}
}

// main is the document of the page itself; nil where it could not be read.
func (s *snapshot) main() *document {
	if len(s.docs) == 0 {
		return nil
	}
	return s.docs[0]
}

type writer struct {
	snap *snapshot
	out  strings.Builder
	open map[*document]bool // that are being written
}

func (w *writer) document(d *document) {
	if w.open[d] {
		return
	}
	w.open[d] = true
	defer delete(w.open, d)
	// An explicit stack: pages are nested as deep as they like.
	type step struct {
		node int
		end  string // written when the node is done; empty: begin it
	}
	stack := []step{}
	push := func(list []int) {
		for _, i := range slices.Backward(list) {
			stack = append(stack, step{node: i})
		}
	}
	for i := range d.nodes {
		if d.nodes[i].parent < 0 {
			stack = append(stack, step{node: i})
		}
	}
	slices.Reverse(stack)
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.end != "" {
			w.out.WriteString(s.end)
			continue
		}
		n := &d.nodes[s.node]
		switch {
		case n.kind == 3 || n.kind == 4:
			w.text(d, n)
		case n.kind == 8:
			w.out.WriteString("<!--" + strings.ReplaceAll(n.value, "-->", "--&gt;") + "-->")
		case n.kind == 10:
			if len(w.open) == 1 {
				w.out.WriteString("<!DOCTYPE html>")
			}
		case n.kind == 9 || n.kind == 11:
			push(d.children[s.node])
		case n.pseudo != "":
			if text := w.generated(d, s.node); text != "" {
				w.out.WriteString(`<span data-generated="` + html.EscapeString(n.pseudo) + `">` + html.EscapeString(text) + "</span>")
			}
		case n.kind == 1:
			name := w.begin(d, n)
			if slices.Contains(void, name) {
				break
			}
			if inner := w.snap.after[owner{d.session, n.id}]; inner != nil {
				w.out.WriteString("</" + name + ">")
				w.out.WriteString(`<div data-frame="` + html.EscapeString(inner.url) + `">`)
				if len(w.open) < 20 {
					w.document(inner)
				}
				w.out.WriteString("</div>")
				break
			}
			stack = append(stack, step{end: "</" + name + ">"})
			if name == "textarea" && n.isTyped {
				w.out.WriteString(html.EscapeString(n.typed))
				break
			}
			var light, shadow []int
			for _, c := range d.children[s.node] {
				if d.nodes[c].shadow != "" && n.shadow == "" {
					shadow = append(shadow, c)
				} else {
					light = append(light, c)
				}
			}
			push(light)
			if len(shadow) > 0 {
				w.out.WriteString(`<div data-shadow-root="` + html.EscapeString(d.nodes[shadow[0]].shadow) + `">`)
				stack = append(stack, step{end: "</div>"})
				push(shadow)
			}
		}
	}
}

// raw are elements whose text is no markup.
var raw = []string{"script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext", "noscript"}

func (w *writer) text(d *document, n *node) {
	if n.parent >= 0 && slices.Contains(raw, strings.ToLower(d.nodes[n.parent].name)) {
		w.out.WriteString(n.value)
		return
	}
	w.out.WriteString(html.EscapeString(n.value))
}

// generated is the text that a style sheet made.
func (w *writer) generated(d *document, i int) string {
	var b strings.Builder
	for j := d.nodes[i].first; j >= 0 && j < len(d.laid) && d.laid[j].node == i; j++ {
		b.WriteString(d.laid[j].text)
	}
	return b.String()
}

// begin writes the start of an element and gives its name.
func (w *writer) begin(d *document, n *node) string {
	name := strings.ToLower(n.name)
	if len(w.open) > 1 && (name == "html" || name == "head" || name == "body") { // of a frame
		w.out.WriteString(`<div data-element="` + name + `"`)
		name = "div"
	} else {
		w.out.WriteString("<" + name)
	}
	hidden := false
	for i := 0; i+1 < len(n.attrs); i += 2 {
		k, v := n.attrs[i], n.attrs[i+1]
		hidden = hidden || k == "hidden"
		if k == "value" && n.isTyped {
			continue
		}
		w.out.WriteString(" " + k + `="` + html.EscapeString(v) + `"`)
	}
	if n.isTyped && name == "input" {
		w.out.WriteString(` value="` + html.EscapeString(n.typed) + `"`)
	}
	if !hidden && (!n.laid && !slices.Contains(metadata, name) || n.style(styleOpacity) == "0") {
		w.out.WriteString(` hidden=""`)
	}
	w.out.WriteString(">")
	return name
}
