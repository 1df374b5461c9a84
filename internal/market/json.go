package market

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kv is a field of a record; obj is a record whose fields may be written in any order.
type kv struct {
	name  string
	value any
}

type obj []kv

// opt is an optional field's value: when it is empty it may be absent, null, or the empty value, which all mean the same.
type opt struct{ v any }

// raw is written as it stands.
type raw string

// spelling decides how a record is written: nothing of it changes what the record says.
type spelling struct {
	rng    *rand.Rand
	wild   bool // fields in any order, escapes, odd white space, odd times
	fields func(*rand.Rand) obj
}

// write spells a record as one line.
func (s spelling) write(o obj) []byte {
	var b strings.Builder
	all := append(obj{}, o...)
	if s.fields != nil {
		all = append(all, s.fields(s.rng)...)
	}
	s.object(&b, all)
	return []byte(b.String())
}

func (s spelling) object(b *strings.Builder, o obj) {
	if s.wild {
		s.rng.Shuffle(len(o), func(i, j int) { o[i], o[j] = o[j], o[i] })
	}
	b.WriteString("{")
	first := true
	for _, f := range o {
		v := f.value
		if p, ok := v.(opt); ok {
			v = p.v
			if empty(v) {
				switch s.rng.IntN(3) {
				case 0:
					continue
				case 1:
					v = nil
				}
			}
		}
		if !first {
			b.WriteString(",")
		}
		first = false
		s.space(b)
		s.text(b, f.name)
		s.space(b)
		b.WriteString(":")
		s.space(b)
		s.value(b, v)
		s.space(b)
	}
	b.WriteString("}")
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	}
	return false
}

func (s spelling) space(b *strings.Builder) {
	if s.wild && s.rng.IntN(12) == 0 {
		b.WriteString([]string{" ", "\t", "  "}[s.rng.IntN(3)])
	}
}

func (s spelling) value(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case raw:
		b.WriteString(string(v))
	case string:
		s.text(b, v)
	case time.Time:
		s.text(b, s.instant(v))
	case obj:
		s.object(b, append(obj{}, v...))
	case []any:
		b.WriteString("[")
		for i, e := range v {
			if i > 0 {
				b.WriteString(",")
				s.space(b)
			}
			s.value(b, e)
		}
		b.WriteString("]")
	case int, bool:
		fmt.Fprint(b, v)
	default:
		panic(fmt.Sprintf("market: %T", v))
	}
}

func (s spelling) text(b *strings.Builder, t string) {
	if !s.wild || s.rng.IntN(3) > 0 {
		q, _ := json.Marshal(t)
		b.Write(q)
		return
	}
	b.WriteByte('"')
	for _, r := range t {
		switch {
		case s.rng.IntN(8) == 0 && r < 0x10000:
			fmt.Fprintf(b, []string{`\u%04x`, `\u%04X`}[s.rng.IntN(2)], r)
		case r == '/' && s.rng.IntN(2) == 0:
			b.WriteString(`\/`)
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// instant spells a time in one of the ways that time.Parse with RFC3339Nano reads.
func (s spelling) instant(t time.Time) string {
	t = t.UTC()
	plain := t.Format(time.RFC3339Nano)
	if !s.wild {
		return plain
	}
	switch s.rng.IntN(9) {
	case 0:
		return t.Format("2006-01-02T15:04:05.000000000Z")
	case 1:
		return strings.TrimSuffix(plain, "Z") + "+00:00"
	case 2:
		return t.In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339Nano)
	case 3:
		return t.In(time.FixedZone("", -11*3600-2700)).Format("2006-01-02T15:04:05.000000000Z07:00")
	case 4:
		return strings.TrimSuffix(plain, "Z") + "-00:00"
	case 5:
		if s.rng.IntN(3) == 0 {
			return strings.Replace(plain, ".", ",", 1)
		}
	case 6:
		if s.rng.IntN(3) == 0 {
			return strings.Replace(plain, "T0", "T", 1)
		}
	}
	return plain
}
