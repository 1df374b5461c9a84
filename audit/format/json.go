package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is how deep the named fields of a line may lie.
const maxDepth = 32

// json reads the values of a line that is one JSON object. A name with dots is found however its parts are nested. A name that is read may not come twice.
func (r *Reader) json(line []byte) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	if err := r.object(d, "", 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not a JSON object: the line ends too early")
	}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("not a JSON object: byte %d cannot stand there", syntax.Offset) // its text quotes the line
	}
	return errors.New("not a JSON object")
}

// object reads an object whose brace was read.
func (r *Reader) object(d *json.Decoder, prefix string, depth int) error {
	for {
		t, err := d.Token()
		if err != nil {
			return broken(err)
		}
		key, ok := t.(string)
		if !ok {
			return nil // the closing brace
		}
		name := key
		if prefix != "" {
			name = prefix + "." + key
		}
		i, wanted := r.names[name]
		if r.prefixes[name] && !wanted && depth < maxDepth {
			if err := r.inside(d, name, depth); err != nil {
				return err
			}
			continue
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return broken(err)
		}
		switch {
		case wanted:
			if err := r.put(name, &r.values[i], raw); err != nil {
				return err
			}
		case r.preset.headers != "" && name == r.preset.headers:
			if err := r.headers(raw); err != nil {
				return err
			}
		}
	}
}

// inside reads a value that may hold named ones.
func (r *Reader) inside(d *json.Decoder, name string, depth int) error {
	t, err := d.Token()
	switch {
	case err != nil:
		return broken(err)
	case t == json.Delim('{'):
		return r.object(d, name, depth+1)
	case t == json.Delim('['):
		for d.More() {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return broken(err)
			}
		}
		if _, err := d.Token(); err != nil {
			return broken(err)
		}
	}
	return nil
}

// put keeps a value: a string, a number, true or false, or a list of them. null is none.
func (r *Reader) put(name string, v *value, raw json.RawMessage) error {
	if v.have {
		return fmt.Errorf("%s comes twice", name)
	}
	v.have = true
	switch raw[0] {
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return broken(err)
		}
		v.list = make([]string, 0, len(list))
		for i, x := range list {
			text, ok := scalar(x)
			if !ok {
				return fmt.Errorf("%s entry %d is neither a string nor a number", name, i+1)
			}
			v.list = append(v.list, text)
		}
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
