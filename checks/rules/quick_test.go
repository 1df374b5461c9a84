package rules

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
)

// A drawing draws expressions of what quicken knows.
type drawing struct {
	*rapid.T
	tables map[string]*table
	scope  []drawn
}

// A drawn is a name and its type: that of a struct, int, bool, string, timestamp or duration, or a list of them.
type drawn struct{ name, of string }

func (d *drawing) one(list ...string) string { return rapid.SampledFrom(list).Draw(d.T, "") }

// row gives something that has fields, and their Go type.
func (d *drawing) row() (name string, of reflect.Type) {
	rows := []drawn{{"app", "audit.AppFigures"}, {"retrievals", "audit.SpanFigures"}, {"reports", "audit.SpanFigures"}}
	for _, v := range d.scope {
		if d.tables[v.of] != nil {
			rows = append(rows, v, v, v)
		}
	}
	r := rapid.SampledFrom(rows).Draw(d.T, "row")
	return r.name, reflect.TypeOf(d.tables[r.of].rows(&audit.Figures{})).Elem()
}

// field gives a field of some row that is of a type; otherwise where the row has none.
func (d *drawing) field(of reflect.Type, otherwise string) string {
	name, row := d.row()
	var fields []string
	for i := range row.NumField() {
		if f := row.Field(i); f.Type == of {
			fields = append(fields, name+"."+f.Tag.Get("json"))
		}
	}
	for _, v := range d.scope {
		if v.of == of.String() {
			fields = append(fields, v.name)
		}
	}
	if len(fields) == 0 {
		return otherwise
	}
	return d.one(fields...)
}

// loop is a macro over a list: what gives what it does with the variable.
func (d *drawing) loop(macro string, depth int, what func(depth int) string) string {
	lists := []drawn{{"approvals", "audit.ApprovalFigures"}, {"daily", "audit.DayOf"}, {"calls", "audit.CallsOf"}, {"purposes", "audit.PurposeFigures"}, {"sites", "audit.SiteFigures"},
		{"findings", "audit.FoundFigures"}, {"", "string"}, {"", "int64"}}
	l := rapid.SampledFrom(lists).Draw(d.T, "over")
	switch {
	case l.of == "string":
		l.name = d.texts(depth - 1)
	case l.of == "int64":
		l.name = d.numbers(depth - 1)
	case depth > 1 && d.one("", "filter") == "filter":
		l.name = d.over(l, "filter", depth-1, d.truth)
	}
	return d.over(l, macro, depth, what)
}

func (d *drawing) over(l drawn, macro string, depth int, what func(depth int) string) string {
	v := fmt.Sprint("v", len(d.scope))
	d.scope = append(d.scope, drawn{v, l.of})
	body := what(depth - 1)
	d.scope = d.scope[:len(d.scope)-1]
	return fmt.Sprintf("%s.%s(%s, %s)", l.name, macro, v, body)
}

func (d *drawing) truth(depth int) string {
	if depth <= 0 {
		return d.field(reflect.TypeFor[bool](), d.one("true", "false"))
	}
	compared := d.one("==", "!=", "<", "<=", ">", ">=")
	switch rapid.IntRange(0, 12).Draw(d.T, "truth") {
	case 0:
		return "!" + d.truth(depth-1)
	case 1:
		return fmt.Sprintf("(%s && %s)", d.truth(depth-1), d.truth(depth-1))
	case 2:
		return fmt.Sprintf("(%s || %s)", d.truth(depth-1), d.truth(depth-1))
	case 3:
		return fmt.Sprintf("(%s ? %s : %s)", d.truth(depth-1), d.truth(depth-1), d.truth(depth-1))
	case 4:
		return fmt.Sprintf("(%s %s %s)", d.moment(depth-1), compared, d.moment(depth-1))
	case 5:
		return fmt.Sprintf("(%s %s %s)", d.span(depth-1), compared, d.span(depth-1))
	case 6:
		return fmt.Sprintf("(%s %s %s)", d.text(depth-1), compared, d.text(depth-1))
	case 7:
		return fmt.Sprintf("(%s in %s)", d.text(depth-1), d.texts(depth-1))
	case 8:
		return fmt.Sprintf("(%s in %s)", d.number(depth-1), d.numbers(depth-1))
	case 9:
		return fmt.Sprintf("%s.%s(%s)", d.text(depth-1), d.one("startsWith", "endsWith", "contains"), d.text(depth-1))
	case 10:
		return d.loop(d.one("exists", "all", "exists_one"), depth, d.truth)
	case 11:
		return d.text(depth-1) + ".matches('^[a-z]+$')"
	}
	return fmt.Sprintf("(%s %s %s)", d.number(depth-1), compared, d.number(depth-1))
}

func (d *drawing) number(depth int) string {
	if depth <= 0 {
		return d.field(reflect.TypeFor[int64](), d.one("0", "1", "2", "7", "-3", "9223372036854775807", "users"))
	}
	switch rapid.IntRange(0, 6).Draw(d.T, "number") {
	case 0:
		return fmt.Sprintf("(%s %s %s)", d.number(depth-1), d.one("+", "-", "*", "/", "%"), d.number(depth-1))
	case 1:
		return fmt.Sprintf("size(%s)", d.one(d.texts(depth-1), d.numbers(depth-1), d.text(depth-1)))
	case 2:
		return fmt.Sprintf("sum(%s)", d.numbers(depth-1))
	case 3:
		return fmt.Sprintf("math.%s(%s)", d.one("greatest", "least"), d.numbers(depth-1))
	case 4:
		return fmt.Sprintf("math.%s(%s, %s)", d.one("greatest", "least"), d.number(depth-1), d.number(depth-1))
	case 5:
		return fmt.Sprintf("(-%s)", d.field(reflect.TypeFor[int64](), "users"))
	}
	return fmt.Sprintf("(%s ? %s : %s)", d.truth(depth-1), d.number(depth-1), d.number(depth-1))
}

func (d *drawing) moment(depth int) string {
	if depth > 0 && d.one("+", "field") == "+" {
		return fmt.Sprintf("(%s %s %s)", d.moment(depth-1), d.one("+", "-"), d.span(depth-1))
	}
	return d.field(reflect.TypeFor[time.Time](), d.one("as_of", "timestamp(0)", "timestamp('2026-11-20T01:02:03Z')"))
}

func (d *drawing) span(depth int) string {
	if depth <= 0 {
		return d.one("days(1)", "days(90)", "days(-400)", "duration('36h')")
	}
	switch d.one("days", "-", "+") {
	case "days":
		return fmt.Sprintf("days(%s)", d.number(depth-1))
	case "-":
		return fmt.Sprintf("(%s - %s)", d.moment(depth-1), d.moment(depth-1))
	}
	return fmt.Sprintf("(%s %s %s)", d.span(depth-1), d.one("+", "-"), d.span(depth-1))
}

func (d *drawing) text(depth int) string {
	if depth > 0 && d.one("+", "field") == "+" {
		return fmt.Sprintf("(%s + %s)", d.text(depth-1), d.text(depth-1))
	}
	return d.field(reflect.TypeFor[string](), d.one("''", "'a'", "'ab'", "'é'"))
}

func (d *drawing) texts(depth int) string {
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(d.T, "texts") {
		case 0:
			return d.loop("map", depth, d.text)
		case 1:
			return fmt.Sprintf("(%s + %s)", d.texts(depth-1), d.texts(depth-1))
		case 2:
			return d.over(drawn{d.texts(depth - 1), "string"}, "filter", depth, d.truth)
		}
	}
	return d.field(reflect.TypeFor[[]string](), fmt.Sprintf("['a', %s]", d.one("'ab'", "app.key")))
}

func (d *drawing) numbers(depth int) string {
	if depth > 0 && d.one("map", "list") == "map" {
		return d.loop("map", depth, d.number)
	}
	return fmt.Sprintf("[%s, 2]", d.number(0))
}

// figures draws an app. Some of its numbers and moments are extreme.
func figures(t *rapid.T) *audit.Figures {
	f := &audit.Figures{}
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		switch p := v.Addr().Interface().(type) {
		case *int64:
			*p = rapid.SampledFrom([]int64{0, 1, 2, 3, 7, 100, -1, math.MaxInt64}).Draw(t, "")
		case *bool:
			*p = rapid.Bool().Draw(t, "")
		case *string:
			*p = rapid.SampledFrom([]string{"", "a", "ab", "b", "é", "none"}).Draw(t, "")
		case *time.Time:
			year := rapid.SampledFrom([]int{1, 1970, 2025, 2026, 2026, 2026, 2026, 2026, 2026, 2200, 9000}).Draw(t, "year")
			*p = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 86400e9}).Draw(t, "")))
		default:
			switch v.Kind() {
			case reflect.Slice:
				v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "n"), 3))
				for i := range v.Len() {
					fill(v.Index(i))
				}
			case reflect.Struct:
				for i := range v.NumField() {
					if v.Type().Field(i).IsExported() {
						fill(v.Field(i))
					}
				}
			}
		}
	}
	fill(reflect.ValueOf(f).Elem())
	return f
}

// What is compiled to functions says what CEL says, or that CEL has to be asked.
func TestQuickSaysWhatCELSays(t *testing.T) {
	t.Parallel()
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	of := &apps{adapter: env.CELTypeAdapter(), tables: tables()}
	relied := 0
	rapid.Check(t, func(t *rapid.T) {
		d := &drawing{T: t, tables: of.tables}
		text := d.one(d.truth(4), d.text(3), d.texts(4))
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", text, issues.Err())
		}
		program, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		q := quicken(ast.NativeRep(), of.tables)
		if q == nil {
			t.Fatalf("%s is not known", text)
		}
		a := of.app(figures(t))
		want, _, err := program.Eval(a)
		var got any
		var ok bool
		switch ast.OutputType().Kind() {
		case types.BoolKind:
			got, ok = quickly[bool](q, a)
		case types.StringKind:
			got, ok = quickly[string](q, a)
		default:
			var list []string
			list, ok = quickly[[]string](q, a)
			got = append([]string{}, list...)
		}
		if !ok {
			return
		}
		relied++
		if err != nil {
			t.Fatalf("%s: %v, CEL: %v", text, got, err)
		}
		native, err := want.ConvertToNative(reflect.TypeOf(got))
		if err != nil || !reflect.DeepEqual(got, native) {
			t.Fatalf("%s: %v, CEL: %v, %v", text, got, native, err)
		}
	})
	if relied == 0 {
		t.Error("CEL had to be asked each time")
	}
}

// What the manual's rules are made of is known, and what is not is CEL's.
func TestWhatIsQuick(t *testing.T) {
	t.Parallel()
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"app.email_scope && (retrievals.last == timestamp(0) || as_of - retrievals.last > days(90))":                      true,
		"approvals.exists(a, a.in_force && 'user-sync' in a.purposes)":                                                    true,
		"2 * math.greatest(daily.map(d, d.age <= 15 ? d.reported : 0)) < sum(daily.filter(d, d.age < 7).map(d, d.calls))": true,
		"calls.filter(c, c.status == 200 && !(c.site in ['a', 'b'])).map(c, c.site)":                                      true,
		"app.egress.exists(h, h.endsWith('.tracker.example'))":                                                            true,
		"has(app.name)":                     false,
		"app.name.lowerAscii() == 'a'":      false,
		"as_of.getHours() == 2":             false,
		"double(users) / 3.0 > 1.5":         false,
		"calls[0].calls == 1":               false,
		"daily == []":                       false,
		"approvals.exists(a, a == a)":       false,
		"sites.map(s, [s.site]).size() > 1": false,
	} {
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			t.Errorf("%s: %v", text, issues.Err())
			continue
		}
		if got := quicken(ast.NativeRep(), tables()) != nil; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
