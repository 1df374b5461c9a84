package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxDepth is how deep the named fields of a line may lie.
const maxDepth = 32

// json reads the values of a line that is one JSON object. A name with dots is found however its parts are nested. A name that is read may not come twice.
func (r *Reader) json(line []byte) error {
	if !json.Valid(line) {
		var all json.RawMessage
		return broken(json.Unmarshal(line, &all))
	}
	w := &walk{text: line}
	if w.next() != '{' {
		return errors.New("not a JSON object")
	}
	return r.object(w, "", 0)
}

// broken says why a text is no JSON, without a word of it.
func broken(err error) error {
	syntax := (*json.SyntaxError)(nil)
	switch {
	case !errors.As(err, &syntax):
		return errors.New("not a JSON object")
	case strings.HasSuffix(syntax.Error(), "after top-level value"):
		return errors.New("something follows the JSON object")
	case strings.HasPrefix(syntax.Error(), "unexpected end"):
		return errors.New("not a JSON object: the line ends too early")
	}
	return fmt.Errorf("not a JSON object: byte %d cannot stand there", syntax.Offset)
}

// A walk goes through a text that is known to be JSON, so that what is not read costs little.
type walk struct {
	text []byte
	at   int
}

// next is the next byte that is no white space.
func (w *walk) next() byte {
	for {
		switch c := w.text[w.at]; c {
		case ' ', '\t', '\n', '\r':
			w.at++
		default:
			return c
		}
	}
}

// value passes over the next value.
func (w *walk) value() []byte {
	first := w.next()
	from := w.at
	switch first {
	case '"':
		w.quoted()
	case '{', '[':
		for depth := 0; ; {
			c := w.text[w.at]
			if c == '"' {
				w.quoted()
				continue
			}
			w.at++
			if c == '{' || c == '[' {
				depth++
			} else if c == '}' || c == ']' {
				if depth--; depth == 0 {
					break
				}
			}
		}
	default:
		for w.at < len(w.text) && strings.IndexByte(",]} \t\n\r", w.text[w.at]) < 0 {
			w.at++
		}
	}
	return w.text[from:w.at]
}

// quoted passes over a string.
func (w *walk) quoted() {
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}

// entries goes to each entry of the list or object that comes next; each passes over it.
func (w *walk) entries(each func() error) error {
	w.next()
	for w.at++; ; {
		switch w.next() {
		case ']', '}':
			w.at++
			return nil
		case ',':
			w.at++
		default:
			if err := each(); err != nil {
				return err
			}
		}
	}
}

// object reads an object.
func (r *Reader) object(w *walk, prefix string, depth int) error {
	return w.entries(func() error {
		name, _ := scalar(w.value())
		if prefix != "" {
			name = prefix + "." + name
		}
		w.next()
		w.at++ // the colon
		i, wanted := r.names[name]
		switch {
		case wanted:
			return r.put(name, &r.values[i], w.value())
		case r.prefixes[name] && depth < maxDepth && w.next() == '{':
			return r.object(w, name, depth+1)
		case r.preset.headers != "" && name == r.preset.headers:
			return r.headers(w.value())
		}
		w.value()
		return nil
	})
}

// put keeps a value: a string, a number, true or false, or a list of them. null is none.
func (r *Reader) put(name string, v *value, raw json.RawMessage) error {
	if v.have {
		return fmt.Errorf("%s comes twice", name)
	}
	v.have = true
	switch raw[0] {
	case '[':
		v.list = []string{}
		w := &walk{text: raw}
		return w.entries(func() error {
			text, ok := scalar(w.value())
			if !ok {
				return fmt.Errorf("%s entry %d is neither a string nor a number", name, len(v.list)+1)
			}
			v.list = append(v.list, text)
			return nil
		})
	case '{':
		return fmt.Errorf("%s is an object", name)
	default:
		v.text, _ = scalar(raw)
		if r.preset.proxy && v.text == "-" {
			v.text = ""
		}
	}
	return nil
}

// scalar is the text of a value that is neither an object nor a list; false: it is one, or null.
func scalar(raw json.RawMessage) (string, bool) {
	switch raw[0] {
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 {
			return string(raw[1 : len(raw)-1]), true
		}
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}

// headers reads a list of objects with name and value.
func (r *Reader) headers(raw json.RawMessage) error {
	var list []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s is no list of headers", r.preset.headers)
	}
	for _, h := range list {
		i, ok := r.names[r.preset.headers+":"+strings.ToLower(h.Name)]
		if !ok {
			continue
		}
		if r.values[i].have {
			return fmt.Errorf("%s has a header that is read twice", r.preset.headers)
		}
		r.values[i] = value{have: true, text: h.Value}
	}
	return nil
}
