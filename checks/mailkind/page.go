package mailkind

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxPage bounds how much text of a mail its kind is told from.
const maxPage = 128 << 10

// page is what a reader of the mail sees, and what it is made of.
type page struct {
	text   string // blocks end with a line feed
	images int    // without those of one or two pixels
	links  int
}

// look gives what a reader sees first: the page where there is one, else the plain text.
func (m *Mail) look() page {
	var plain, rich *Part
	for i := range m.Parts {
		p := &m.Parts[i]
		switch {
		case p.Attached || p.calendar:
		case p.HTML && rich == nil:
			rich = p
		case !p.HTML && plain == nil:
			plain = p
		}
	}
	var out page
	if rich != nil {
		out = lookAt(rich.Body)
	}
	if plain != nil && (rich == nil || len(strings.TrimSpace(out.text)) < 40) {
		text := string(plain.Body[:min(len(plain.Body), maxPage)])
		out.links += strings.Count(text, "https://") + strings.Count(text, "http://")
		out.text += unwrap(text)
	}
	return out
}

// unwrap joins the lines of plain text that were wrapped, so that a wording goes over their ends. Quoted lines are left out.
func unwrap(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		t := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(t, ">"):
		case t == "":
			out.WriteString("\n")
		case len(t) < 45: // shorter than a wrapped line: a heading, an item
			out.WriteString(t)
			out.WriteString("\n")
		default:
			out.WriteString(t)
			out.WriteString(" ")
		}
	}
	return out.String()
}

// lookAt reads a page in one go, however deep it is nested. What a browser does not show is left out as far as the tags and their own styles tell.
func lookAt(b []byte) page {
	var out page
	var text strings.Builder
	z := html.NewTokenizer(bytes.NewReader(b))
	z.SetMaxBuf(1 << 20)
	hidden := "" // the element that is left out with all that is in it
	depth := 0
	for text.Len() < maxPage {
		switch z.Next() {
		case html.ErrorToken:
			out.text = text.String()
			return out
		case html.TextToken:
			if hidden == "" {
				text.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := atom.Lookup(name)
			if hidden != "" {
				if string(name) == hidden {
					depth++
				}
				continue
			}
			style, alt, tiny := "", "", false
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				switch string(key) {
				case "style":
					style = strings.ToLower(strings.ReplaceAll(string(value), " ", ""))
				case "alt":
					alt = string(value)
				case "width", "height":
					v := strings.TrimSuffix(string(value), "px")
					tiny = tiny || v == "0" || v == "1" || v == "2"
				}
			}
			switch tag {
			case atom.Style, atom.Script, atom.Title, atom.Template, atom.Noscript:
				hidden, depth = string(name), 1
			case atom.Img:
				if !tiny {
					out.images++
					text.WriteString(" " + alt + " ")
				}
			case atom.A:
				out.links++
				text.WriteByte(' ')
			default:
				if strings.Contains(style, "display:none") && !void(tag) {
					hidden, depth = string(name), 1
				}
				if block(tag) {
					text.WriteByte('\n')
				}
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if hidden != "" {
				if string(name) == hidden {
					if depth--; depth == 0 {
						hidden = ""
					}
				}
				continue
			}
			if block(atom.Lookup(name)) {
				text.WriteByte('\n')
			}
		}
	}
	out.text = text.String()
	return out
}

func block(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Td, atom.Th, atom.Tr, atom.Table, atom.Br, atom.Hr, atom.Li, atom.Ul, atom.Ol, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5,
		atom.H6, atom.Center, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Blockquote, atom.Pre, atom.Dt, atom.Dd:
		return true
	}
	return false
}

func void(a atom.Atom) bool {
	switch a {
	case atom.Br, atom.Hr, atom.Input, atom.Meta, atom.Link, atom.Area, atom.Base, atom.Col, atom.Embed, atom.Source, atom.Wbr:
		return true
	}
	return false
}
