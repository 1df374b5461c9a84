package exposure

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// A reader reads JSON from a stream, value by value, holding no more than the strings that it is asked for. It reads what is valid JSON, and some that is not: what
// matters is to see all there is.
type reader struct {
	in  *bufio.Reader
	buf []byte
}

var errJSON = errors.New("this is no JSON")

func newReader(r io.Reader) *reader { return &reader{in: bufio.NewReaderSize(r, 64<<10)} }

// peek gives the next byte that is no white space.
func (p *reader) peek() (byte, error) {
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return 0, short(err)
		}
		switch c {
		case ' ', '\n', '\r', '\t', 0xEF, 0xBB, 0xBF:
			continue
		}
		return c, p.in.UnreadByte()
	}
}

func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// object calls field for each key of an object, whose value field has to read. A value that is no object is skipped.
func (p *reader) object(field func(key string) error) error {
	return p.members('{', '}', func(c byte) error {
		if c != '"' {
			return errJSON
		}
		key, err := p.string(256, nil)
		if err != nil {
			return err
		}
		if c, err = p.peek(); err != nil {
			return err
		} else if c != ':' {
			return errJSON
		}
		p.in.Discard(1)
		return field(string(key))
	})
}

// array calls element for each element, which has to read it. A value that is no array is skipped.
func (p *reader) array(element func() error) error {
	return p.members('[', ']', func(byte) error { return element() })
}

// members calls member where one begins, with the byte that it begins with, from the bracket that opens to the one that closes.
func (p *reader) members(opens, closes byte, member func(begins byte) error) error {
	c, err := p.peek()
	if err != nil {
		return err
	}
	if c != opens {
		return p.skip()
	}
	p.in.Discard(1)
	for {
		c, err := p.peek()
		switch {
		case err != nil:
			return err
		case c == closes:
			p.in.Discard(1)
			return nil
		case c == ',':
			p.in.Discard(1)
		default:
			if err := member(c); err != nil {
				return err
			}
		}
	}
}

// skip reads a value and forgets it. It does not recurse.
func (p *reader) skip() error {
	return p.each(0, func([]byte) {})
}

// each reads a value, and hands each string in it, keys too, to f. Strings are cut to limit bytes, and what follows comes in a further call.
func (p *reader) each(limit int, f func([]byte)) error {
	for depth := 0; ; {
		c, err := p.peek()
		if err != nil {
			return err
		}
		switch c {
		case '{', '[':
			depth++
			p.in.Discard(1)
		case '}', ']':
			if depth == 0 {
				return errJSON
			}
			depth--
			p.in.Discard(1)
		case ',', ':':
			if depth == 0 {
				return errJSON
			}
			p.in.Discard(1)
			continue
		case '"':
			t, err := p.string(limit, f)
			if err != nil {
				return err
			}
			if limit > 0 {
				f(t)
			}
		default:
			n := 0
			for ; ; n++ {
				c, err := p.in.ReadByte()
				if err != nil {
					if err == io.EOF && depth == 0 {
						return nil
					}
					return short(err)
				}
				if !(is(c, inWord) || c == '-' || c == '+' || c == '.') {
					p.in.UnreadByte()
					break
				}
			}
			if n == 0 {
				return errJSON
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// number reads an integer; 0 where the value is none.
func (p *reader) number() (int, error) {
	c, err := p.peek()
	if err != nil {
		return 0, err
	}
	if c != '-' && (c < '0' || c > '9') {
		return 0, p.skip()
	}
	n, neg, whole := 0, false, true
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return 0, short(err)
		}
		switch {
		case c == '-':
			neg = true
		case '0' <= c && c <= '9':
			if whole && n < 1<<50 {
				n = n*10 + int(c-'0')
			}
		case c == '.' || c|0x20 == 'e' || c == '+':
			whole = false
		default:
			if neg {
				n = -n
			}
			return n, p.in.UnreadByte()
		}
	}
}

// text reads a string of a bounded length; "" where the value is none.
func (p *reader) text(limit int) (string, error) {
	c, err := p.peek()
	if err != nil {
		return "", err
	}
	if c != '"' {
		return "", p.skip()
	}
	t, err := p.string(limit, nil)
	return string(t), err
}

// string reads a string, with its escapes decoded. Where it is longer than limit, it comes in pieces that overlap, all but the last of them to rest (which may
// be nil: then the beginning is what is returned). The result is valid until the next string. On a premature end it returns what it has.
func (p *reader) string(limit int, rest func([]byte)) ([]byte, error) {
	p.in.Discard(1)
	p.buf = p.buf[:0]
	dropped := false
	for {
		// The stretch up to the next quote or escape, as it stands.
		w, err := p.in.Peek(max(1, p.in.Buffered()))
		if err != nil {
			return p.buf, short(err)
		}
		n := 0
		for n < len(w) && w[n] != '"' && w[n] != '\\' {
			n++
		}
		if !dropped {
			p.buf = append(p.buf, w[:n]...)
		}
		p.in.Discard(n)
		if n < len(w) {
			c, _ := p.in.ReadByte()
			if c == '"' {
				return p.buf, nil
			}
			if err := p.escape(dropped); err != nil {
				return p.buf, err
			}
		}
		if len(p.buf) > limit {
			switch {
			case rest != nil && limit > 0:
				rest(p.buf[:limit])
				p.buf = append(p.buf[:0], p.buf[max(limit/2, limit-overlap):]...)
			case rest != nil:
				p.buf = p.buf[:0]
			default:
				p.buf = p.buf[:limit]
				dropped = true
			}
		}
	}
}

// overlap is how much of a piece comes again with the next, so that what lies across the cut is seen whole.
const overlap = 16 << 10

// escape decodes what follows a backslash.
func (p *reader) escape(drop bool) error {
	c, err := p.in.ReadByte()
	if err != nil {
		return short(err)
	}
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		r, err := p.hex4()
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(r) {
			if w, err := p.in.Peek(6); err == nil && w[0] == '\\' && w[1] == 'u' {
				if low, ok := hexRune(w[2:6]); ok {
					if two := utf16.DecodeRune(r, low); two != utf8.RuneError {
						r = two
						p.in.Discard(6)
					}
				}
			}
		}
		if !drop {
			p.buf = utf8.AppendRune(p.buf, r)
		}
		return nil
	}
	if !drop {
		p.buf = append(p.buf, c)
	}
	return nil
}

func (p *reader) hex4() (rune, error) {
	w, err := p.in.Peek(4)
	if err != nil {
		return 0, short(err)
	}
	r, ok := hexRune(w)
	if !ok {
		return utf8.RuneError, nil
	}
	p.in.Discard(4)
	return r, nil
}
