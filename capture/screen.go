package capture

import (
	"cmp"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
)

// A piece is a text that the page shows.
type piece struct {
	doc        *document
	index      int               // of the node in the document
	node       cdp.BackendNodeID // to change: the text, or the element that it belongs to
	what       pieceKind
	name       string // of an attribute; of generated content: before, after, marker
	text       string
	x, y, w, h float64
	block      int // the block that a run of text is in
	layout     int // of generated content: in the document's
}

// pieceKind is how a piece is changed.
type pieceKind string

const (
	pieceText      pieceKind = "text"
	pieceGenerated pieceKind = "generated"
	pieceTyped     pieceKind = "typed"
	pieceAttribute pieceKind = "attribute"
)

// shownAttributes are those that a browser shows, as such or as a label.
var shownAttributes = []string{"value", "placeholder", "alt", "title", "label", "aria-label", "aria-placeholder", "aria-valuetext", "aria-description", "summary", "abbr", "content", "download"}

// A reading is pieces in an order in which somebody may read them, as one text.
type reading struct {
	pieces []*piece
	ends   []int // in text: where each piece ends
	text   string
}

func (r *reading) add(b *strings.Builder, p *piece, before string) {
	b.WriteString(before)
	b.WriteString(p.text)
	r.pieces = append(r.pieces, p)
	r.ends = append(r.ends, b.Len())
}

// A part is some of a piece's text.
type part struct {
	piece    *piece
	from, to int
}

// parts are those of the pieces' texts that lie in text[from:to].
func (r *reading) parts(from, to int) []part {
	var out []part
	i, _ := slices.BinarySearch(r.ends, from+1)
	for ; i < len(r.pieces); i++ {
		begin := r.ends[i] - len(r.pieces[i].text)
		if begin >= to {
			break
		}
		if a, b := max(from, begin), min(to, r.ends[i]); a < b {
			out = append(out, part{r.pieces[i], a - begin, b - begin})
		}
	}
	return out
}

// pieces are all texts that the document shows.
func (d *document) pieces() []*piece {
	var out []*piece
	for i := range d.nodes {
		n := &d.nodes[i]
		switch {
		case n.kind == 3:
			if n.parent < 0 {
				break
			}
			p := &piece{doc: d, index: i, node: n.id, what: pieceText, text: n.value, block: d.nodes[n.parent].block}
			switch {
			case n.first >= 0:
				p.place(d, i)
			case !strings.EqualFold(d.nodes[n.parent].name, "option"):
				continue
			default:
				p.block = -i
			}
			out = append(out, p)
		case n.pseudo != "" && n.parent >= 0:
			for j := n.first; j >= 0 && j < len(d.laid) && d.laid[j].node == i; j++ {
				if d.laid[j].text != "" {
					p := &piece{doc: d, index: i, node: d.nodes[n.parent].id, what: pieceGenerated, name: n.pseudo, text: d.laid[j].text, block: d.nodes[n.parent].block}
					p.layout = j
					p.x, p.y, p.w, p.h = d.laid[j].x, d.laid[j].y, d.laid[j].w, d.laid[j].h
					out = append(out, p)
				}
			}
		case n.kind == 1:
			if n.isTyped && n.typed != "" {
				p := &piece{doc: d, index: i, node: n.id, what: pieceTyped, text: n.typed, block: -i}
				p.place(d, i)
				out = append(out, p)
			}
			for _, name := range shownAttributes {
				if v, ok := n.attr(name); ok && v != "" && n.first >= 0 {
					out = append(out, &piece{doc: d, index: i, node: n.id, what: pieceAttribute, name: name, text: v, block: -i})
				}
			}
		}
	}
	return out
}

// place puts the piece where all layouts of a node are.
func (p *piece) place(d *document, i int) {
	for j := d.nodes[i].first; j >= 0 && j < len(d.laid) && d.laid[j].node == i; j++ {
		l := &d.laid[j]
		if p.w == 0 && p.h == 0 {
			p.x, p.y, p.w, p.h = l.x, l.y, l.w, l.h
			continue
		}
		right, bottom := max(p.x+p.w, l.x+l.w), max(p.y+p.h, l.y+l.h)
		p.x, p.y = min(p.x, l.x), min(p.y, l.y)
		p.w, p.h = right-p.x, bottom-p.y
	}
}

// maxLine is the height, in pixels, up to which a piece is taken for one line.
const maxLine = 80

// readings are the ways to read the document: as it is written, and as it is laid out.
func (d *document) readings() []*reading {
	pieces := d.pieces()
	written := &reading{}
	var b strings.Builder
	var before *piece
	for _, p := range pieces {
		gap := "\n"
		if before == nil || before.block == p.block && p.block >= 0 && p.what != pieceAttribute || beside(before, p) {
			gap = ""
		}
		written.add(&b, p, gap)
		if p.what != pieceAttribute {
			before = p
		} else {
			before = &piece{block: -1 << 30}
		}
	}
	written.text = b.String()

	var lines []*piece
	for _, p := range pieces {
		if p.w > 0 && p.h > 0 && p.h <= maxLine {
			lines = append(lines, p)
		}
	}
	slices.SortStableFunc(lines, func(a, b *piece) int { return cmp.Compare(a.y+a.h/2, b.y+b.h/2) })
	laidOut := &reading{}
	b.Reset()
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && sameLine(lines[n-1], lines[n]) {
			n++
		}
		line := slices.Clone(lines[:n])
		slices.SortStableFunc(line, func(a, b *piece) int { return cmp.Compare(a.x, b.x) })
		for i, p := range line {
			switch {
			case i == 0:
				laidOut.add(&b, p, "\n")
			case beside(line[i-1], p):
				laidOut.add(&b, p, "")
			default:
				laidOut.add(&b, p, " ")
			}
		}
		lines = lines[n:]
	}
	laidOut.text = b.String()
	return []*reading{written, laidOut}
}

// sameLine says whether two pieces stand on one line.
func sameLine(a, b *piece) bool {
	top, bottom := max(a.y, b.y), min(a.y+a.h, b.y+b.h)
	return bottom-top > min(a.h, b.h)/2
}

// beside says whether b follows a without a gap that one could see.
func beside(a, b *piece) bool {
	if a.w == 0 || b.w == 0 || a.h == 0 || b.h == 0 || !sameLine(a, b) {
		return false
	}
	gap := b.x - (a.x + a.w)
	return gap > -4 && gap < 0.4*min(a.h, b.h)
}

// covered are elements that show what cannot be read.
var covered = []string{"img", "canvas", "video", "audio", "svg", "object", "embed", "picture", "image", "fencedframe", "webview", "portal", "model"}

// A generatedContent is what a style sheet adds to an element.
type generatedContent struct {
	node cdp.BackendNodeID
	name string // before, after, marker…
}

// unreadable is what of the document cannot be read, and so is covered: elements as a whole, backgrounds of elements, and generated content that has
// images. after says which frames are read by themselves.
func (d *document) unreadable(after map[owner]*document) (whole, background []cdp.BackendNodeID, generated []generatedContent) {
	for i := range d.nodes {
		n := &d.nodes[i]
		if n.kind != 1 || n.first < 0 {
			continue
		}
		paints := external(n.style(styleBackground)) || external(n.style(styleBorder)) || external(n.style(styleList)) || external(n.style(styleMask))
		name := strings.ToLower(n.name)
		switch {
		case n.pseudo != "":
			if n.parent >= 0 && (paints || external(n.style(styleContent))) {
				generated = append(generated, generatedContent{d.nodes[n.parent].id, n.pseudo})
			}
		case name == "iframe" || name == "frame":
			if after[owner{d.session, n.id}] == nil {
				whole = append(whole, n.id)
			}
		case slices.Contains(covered, name) && !n.drawn, name == "input" && isImage(n), external(n.style(styleContent)):
			whole = append(whole, n.id)
		case paints && !n.drawn:
			background = append(background, n.id)
		}
	}
	return whole, background, generated
}

func isImage(n *node) bool {
	kind, _ := n.attr("type")
	return strings.EqualFold(kind, "image")
}

// external says whether a style's value paints what is not in it: an image, in whatever way.
func external(v string) bool {
	return strings.Contains(v, "url(") || strings.Contains(v, "image-set(") || strings.Contains(v, "paint(") || strings.Contains(v, "element(") || strings.Contains(v, "cross-fade(")
}
