package rules

import (
	"cmp"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/mailreeve/mailreeve/audit"
)

// What most rules are made of (comparisons, arithmetic, loops over lists of figures) is also compiled to functions over columns of these figures: of each
// field that a rule names there is one, made once for an app. CEL's interpreter boxes each number and asks for each by its name, and takes some ten times as long.
//
// These functions never decide what CEL would decide otherwise. An expression with a part that is not known here is CEL's altogether; and where anything
// is out of the ordinary (a number that is too large, a division by zero, a moment centuries away) the app is odd: CEL evaluates the expression
// from its beginning, and words the error.
type (
	number  = func(*app) int64 // an int, nanoseconds of a timestamp or duration, or the place of a row in its table
	truth   = func(*app) bool
	text    = func(*app) string
	numbers = func(*app) []int64
	texts   = func(*app) []string
)

// A table is all rows of one type that rules see.
type table struct {
	id     int
	rows   func(*audit.Figures) any // a slice of structs
	fields map[string]*field
}

// A field is one of a table.
type field struct {
	id    int
	of    *table
	index int
}

// A column is a field of all rows: in the list that is of its type.
type column struct {
	numbers []int64
	truths  []bool
	texts   []string
	lists   [][]string
}

// tables are those of what rules see, by CEL's name of the type.
func tables() map[string]*table {
	out := map[string]*table{}
	id := 0
	for i, rows := range []func(*audit.Figures) any{
		func(f *audit.Figures) any { return []audit.AppFigures{f.App} },
		func(f *audit.Figures) any { return []audit.SpanFigures{f.Retrievals, f.Reports} },
		func(f *audit.Figures) any { return f.Approvals },
		func(f *audit.Figures) any { return f.Daily },
		func(f *audit.Figures) any { return f.Calls },
		func(f *audit.Figures) any { return f.Purposes },
		func(f *audit.Figures) any { return f.Sites },
		func(f *audit.Figures) any { return f.Findings },
	} {
		t := &table{id: i, rows: rows, fields: map[string]*field{}}
		of := reflect.TypeOf(rows(&audit.Figures{})).Elem()
		for j := range of.NumField() {
			t.fields[of.Field(j).Tag.Get("json")] = &field{id: id, of: t, index: j}
			id++
		}
		out["audit."+of.Name()] = t
	}
	return out
}

// column is a field of all rows of an app.
func (a *app) column(f *field) *column {
	for len(a.columns) <= f.id {
		a.columns = append(a.columns, nil)
	}
	c := a.columns[f.id]
	if c == nil {
		c = &column{}
		a.columns[f.id] = c
		rows := reflect.ValueOf(f.of.rows(a.of))
		switch rows.Type().Elem().Field(f.index).Type {
		case reflect.TypeFor[int64]():
			c.numbers = pluck(rows, f.index, func(n *int64) int64 { return *n })
		case reflect.TypeFor[time.Time]():
			c.numbers = pluck(rows, f.index, a.nanoseconds)
		case reflect.TypeFor[bool]():
			c.truths = pluck(rows, f.index, func(b *bool) bool { return *b })
		case reflect.TypeFor[string]():
			c.texts = pluck(rows, f.index, func(s *string) string { return *s })
		case reflect.TypeFor[[]string]():
			c.lists = pluck(rows, f.index, func(l *[]string) []string { return slices.Clip(*l) })
		}
	}
	return c
}

func pluck[T, C any](rows reflect.Value, index int, of func(*T) C) []C {
	out := make([]C, rows.Len())
	for i := range out {
		out[i] = of(rows.Index(i).Field(index).Addr().Interface().(*T))
	}
	return out
}

// nanoseconds is a moment as rules see it: one that never came is the first of Unix time. Of an app that has one out of the range of numbers CEL decides.
func (a *app) nanoseconds(t *time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if y := t.Year(); y < 1900 || y > 2150 {
		a.beyond = true
	}
	return t.UnixNano()
}

// every gives the places of all rows of a table.
func (a *app) every(t *table) []int64 {
	for len(a.places) <= t.id {
		a.places = append(a.places, nil)
	}
	if a.places[t.id] == nil {
		list := make([]int64, reflect.ValueOf(t.rows(a.of)).Len())
		for i := range list {
			list[i] = int64(i)
		}
		a.places[t.id] = list
	}
	return a.places[t.id]
}

// A cell holds what a variable of a loop is bound to: in the field of its type.
type cell struct {
	number  int64
	truth   bool
	text    string
	numbers []int64
	texts   []string
}

// A quick is an expression as a function.
type quick struct {
	of    any // truth, text or texts
	cells int
}

// quickly evaluates an expression. It says whether that may be relied on.
func quickly[T any](q *quick, a *app) (v T, ok bool) {
	if q == nil || a.beyond {
		return v, false
	}
	of, ok := q.of.(func(*app) T)
	if !ok {
		return v, false
	}
	for len(a.cells) < q.cells {
		a.cells = append(a.cells, cell{})
	}
	a.odd = false
	v = of(a)
	return v, !a.odd && !a.beyond
}

// quicken makes a function of an expression; nil where a part of it is not known here.
func quicken(tree *ast.AST, rows map[string]*table) *quick {
	q := &quickening{tree: tree, tables: rows}
	of := q.expr(tree.Expr())
	if of == nil {
		return nil
	}
	return &quick{of, q.cells}
}

// A quickening is a quicken under way.
type quickening struct {
	tree   *ast.AST
	tables map[string]*table
	scope  []binding // of the loops around, the innermost last
	cells  int
}

// A binding is a variable of a loop.
type binding struct {
	name string
	cell int
	of   *types.Type
}

// An expression, or a variable, is of one of these forms.
func form(of *types.Type) any {
	switch of.Kind() {
	case types.IntKind, types.TimestampKind, types.DurationKind, types.StructKind:
		return number(nil)
	case types.BoolKind:
		return truth(nil)
	case types.StringKind:
		return text(nil)
	case types.ListKind:
		switch form(of.Parameters()[0]).(type) {
		case number:
			return numbers(nil)
		case text:
			return texts(nil)
		}
	}
	return nil
}

// expr makes a function of an expression; nil where it is not known here.
func (q *quickening) expr(e ast.Expr) any {
	of := q.known(e)
	if of == nil || reflect.TypeOf(of) != reflect.TypeOf(form(q.tree.GetType(e.ID()))) {
		return nil
	}
	return of
}

func (q *quickening) known(e ast.Expr) any {
	switch e.Kind() {
	case ast.LiteralKind:
		switch v := e.AsLiteral().(type) {
		case types.Int:
			return constant(int64(v))
		case types.Bool:
			return constant(bool(v))
		case types.String:
			return constant(string(v))
		}
	case ast.IdentKind:
		return q.ident(e)
	case ast.SelectKind:
		return q.field(e.AsSelect())
	case ast.CallKind:
		return q.call(e.AsCall())
	case ast.ListKind:
		return q.list(e)
	case ast.ComprehensionKind:
		return q.loop(e.AsComprehension())
	}
	return nil
}

func constant[T any](v T) func(*app) T { return func(*app) T { return v } }

func (q *quickening) ident(e ast.Expr) any {
	name := e.AsIdent()
	for _, v := range slices.Backward(q.scope) {
		if v.name != name {
			continue
		}
		switch at := v.cell; form(v.of).(type) {
		case number:
			return func(a *app) int64 { return a.cells[at].number }
		case truth:
			return func(a *app) bool { return a.cells[at].truth }
		case text:
			return func(a *app) string { return a.cells[at].text }
		case numbers:
			return func(a *app) []int64 { return a.cells[at].numbers }
		case texts:
			return func(a *app) []string { return a.cells[at].texts }
		}
		return nil
	}
	switch name {
	case "as_of":
		return func(a *app) int64 { return a.asOf }
	case "users":
		return func(a *app) int64 { return a.of.Users }
	case "app", "retrievals":
		return constant[int64](0)
	case "reports":
		return constant[int64](1)
	}
	if of := q.tree.GetType(e.ID()); of.Kind() == types.ListKind {
		if t := q.tables[of.Parameters()[0].TypeName()]; t != nil {
			return func(a *app) []int64 { return a.every(t) }
		}
	}
	return nil
}

// field is one of a row.
func (q *quickening) field(e ast.SelectExpr) any {
	row, ok := q.expr(e.Operand()).(number)
	t := q.tables[q.tree.GetType(e.Operand().ID()).TypeName()]
	if !ok || t == nil || e.IsTestOnly() || t.fields[e.FieldName()] == nil {
		return nil
	}
	f := t.fields[e.FieldName()]
	switch reflect.TypeOf(t.rows(&audit.Figures{})).Elem().Field(f.index).Type {
	case reflect.TypeFor[int64](), reflect.TypeFor[time.Time]():
		return func(a *app) int64 { return a.column(f).numbers[row(a)] }
	case reflect.TypeFor[bool]():
		return func(a *app) bool { return a.column(f).truths[row(a)] }
	case reflect.TypeFor[string]():
		return func(a *app) string { return a.column(f).texts[row(a)] }
	case reflect.TypeFor[[]string]():
		return func(a *app) []string { return a.column(f).lists[row(a)] }
	}
	return nil
}

func (q *quickening) list(e ast.Expr) any {
	list := e.AsList()
	if len(list.OptionalIndices()) > 0 {
		return nil
	}
	switch form(q.tree.GetType(e.ID())).(type) {
	case numbers:
		return listOfAll[int64](q, list.Elements())
	case texts:
		return listOfAll[string](q, list.Elements())
	}
	return nil
}

func listOfAll[T any](q *quickening, elements []ast.Expr) any {
	var all []func(*app) T
	fixed := true
	for _, e := range elements {
		of, ok := q.expr(e).(func(*app) T)
		if !ok {
			return nil
		}
		all, fixed = append(all, of), fixed && e.Kind() == ast.LiteralKind
	}
	gather := func(a *app) []T {
		var out []T
		for _, of := range all {
			out = append(out, of(a))
		}
		return out
	}
	if fixed {
		return constant(slices.Clip(gather(nil)))
	}
	return gather
}

// loop is what exists, all, filter, map and their like are: a variable that goes over a list, and another that each step gives anew.
func (q *quickening) loop(e ast.ComprehensionExpr) any {
	over := q.expr(e.IterRange())
	if over == nil || e.HasIterVar2() {
		return nil
	}
	result := binding{e.AccuVar(), q.cells, q.tree.GetType(e.LoopStep().ID())}
	each := binding{e.IterVar(), q.cells + 1, q.tree.GetType(e.IterRange().ID()).Parameters()[0]}
	q.cells += 2
	first := q.expr(e.AccuInit())
	outside := len(q.scope)
	q.scope = append(q.scope, result, each)
	goes, ok := q.expr(e.LoopCondition()).(truth)
	step := q.expr(e.LoopStep())
	q.scope = q.scope[:outside+1]
	last := q.expr(e.Result())
	q.scope = q.scope[:outside]
	if !ok || last == nil || reflect.TypeOf(first) != reflect.TypeOf(step) {
		return nil
	}
	var run func(*app)
	switch over := over.(type) {
	case numbers:
		run = looping(over, func(a *app, n int64) { a.cells[each.cell].number = n }, result.cell, first, goes, step)
	case texts:
		run = looping(over, func(a *app, s string) { a.cells[each.cell].text = s }, result.cell, first, goes, step)
	}
	if run == nil {
		return nil
	}
	switch last := last.(type) {
	case number:
		return after(run, last)
	case truth:
		return after(run, last)
	case numbers:
		return after(run, last)
	case texts:
		return after(run, last)
	}
	return nil
}

func after[T any](run func(*app), last func(*app) T) func(*app) T {
	return func(a *app) T {
		run(a)
		return last(a)
	}
}

func looping[E any](over func(*app) []E, set func(*app, E), result int, first any, goes truth, step any) func(*app) {
	switch first := first.(type) {
	case number:
		return steps(over, set, func(a *app) *int64 { return &a.cells[result].number }, first, goes, step.(number))
	case truth:
		return steps(over, set, func(a *app) *bool { return &a.cells[result].truth }, first, goes, step.(truth))
	case numbers:
		return steps(over, set, func(a *app) *[]int64 { return &a.cells[result].numbers }, first, goes, step.(numbers))
	case texts:
		return steps(over, set, func(a *app) *[]string { return &a.cells[result].texts }, first, goes, step.(texts))
	}
	return nil
}

func steps[E, R any](over func(*app) []E, set func(*app, E), result func(*app) *R, first func(*app) R, goes truth, step func(*app) R) func(*app) {
	return func(a *app) {
		list := over(a)
		so := result(a)
		*so = first(a)
		for _, x := range list {
			set(a, x)
			if !goes(a) {
				return
			}
			*so = step(a)
		}
	}
}

// call is a function, or an operator.
func (q *quickening) call(e ast.CallExpr) any {
	args := e.Args()
	if e.IsMemberFunction() {
		args = append([]ast.Expr{e.Target()}, args...)
	}
	if len(args) == 0 || len(args) > 3 {
		return nil
	}
	// Some want a text that is known beforehand.
	if s, ok := args[len(args)-1].AsLiteral().(types.String); ok {
		switch e.FunctionName() {
		case overloads.TypeConvertTimestamp:
			if t, err := time.Parse(time.RFC3339Nano, string(s)); err == nil && t.Year() >= 1900 && t.Year() <= 2150 {
				return constant(t.UnixNano())
			}
			return nil
		case overloads.TypeConvertDuration:
			if d, err := time.ParseDuration(string(s)); err == nil {
				return constant(int64(d))
			}
			return nil
		case overloads.Matches:
			in, ok := q.expr(args[0]).(text)
			if like, err := regexp.Compile(string(s)); ok && err == nil {
				return func(a *app) bool { return like.MatchString(in(a)) }
			}
			return nil
		}
	}
	var x [3]any
	kind := [3]*types.Type{}
	for i, arg := range args {
		if x[i] = q.expr(arg); x[i] == nil {
			return nil
		}
		kind[i] = q.tree.GetType(arg.ID())
	}
	is := func(k types.Kind) bool { return kind[0].Kind() == k }
	switch len(args) {
	case 1:
		switch of := x[0].(type) {
		case truth:
			switch e.FunctionName() {
			case operators.LogicalNot:
				return func(a *app) bool { return !of(a) }
			case operators.NotStrictlyFalse:
				return of // of an error CEL decides
			}
		case number:
			switch {
			case e.FunctionName() == operators.Negate && is(types.IntKind):
				return func(a *app) int64 { return a.minus(0, of(a)) }
			case e.FunctionName() == "days":
				return func(a *app) int64 { return a.days(of(a)) }
			case e.FunctionName() == overloads.TypeConvertTimestamp && is(types.IntKind):
				return func(a *app) int64 { return a.times(of(a), int64(time.Second)) }
			}
		case text:
			if e.FunctionName() == overloads.Size {
				return func(a *app) int64 { return int64(utf8.RuneCountInString(of(a))) }
			}
		case texts:
			if e.FunctionName() == overloads.Size {
				return func(a *app) int64 { return int64(len(of(a))) }
			}
		case numbers:
			switch e.FunctionName() {
			case overloads.Size:
				return func(a *app) int64 { return int64(len(of(a))) }
			case "sum":
				return func(a *app) int64 { return a.fold(of(a), a.plus, true) }
			case "math.@max":
				return func(a *app) int64 { return a.fold(of(a), func(x, y int64) int64 { return max(x, y) }, false) }
			case "math.@min":
				return func(a *app) int64 { return a.fold(of(a), func(x, y int64) int64 { return min(x, y) }, false) }
			}
		}
	case 2:
		if e.FunctionName() == operators.In && kind[1].Kind() == types.ListKind && kind[1].Parameters()[0].IsExactType(kind[0]) && !is(types.StructKind) {
			switch y := x[1].(type) {
			case numbers:
				return among(x[0].(number), y)
			case texts:
				return among(x[0].(text), y)
			}
		}
		switch of := x[0].(type) {
		case truth:
			if y, ok := x[1].(truth); ok {
				switch e.FunctionName() {
				case operators.LogicalAnd:
					return func(a *app) bool { return of(a) && y(a) }
				case operators.LogicalOr:
					return func(a *app) bool { return of(a) || y(a) }
				case operators.Equals:
					return func(a *app) bool { return of(a) == y(a) }
				case operators.NotEquals:
					return func(a *app) bool { return of(a) != y(a) }
				}
			}
		case number:
			if y, ok := x[1].(number); ok && !is(types.StructKind) {
				if kind[0].IsExactType(kind[1]) {
					if c := compare(e.FunctionName(), of, y); c != nil {
						return c
					}
				}
				return arithmetic(e.FunctionName(), of, y)
			}
		case text:
			if y, ok := x[1].(text); ok {
				return words(e.FunctionName(), of, y)
			}
		case numbers:
			if y, ok := x[1].(numbers); ok && e.FunctionName() == operators.Add {
				return concat(q, args, of, y)
			}
		case texts:
			if y, ok := x[1].(texts); ok && e.FunctionName() == operators.Add {
				return concat(q, args, of, y)
			}
		}
	case 3:
		if of, ok := x[0].(truth); ok && e.FunctionName() == operators.Conditional && kind[1].IsExactType(kind[2]) {
			switch y := x[1].(type) {
			case number:
				return either(of, y, x[2])
			case truth:
				return either(of, y, x[2])
			case text:
				return either(of, y, x[2])
			case numbers:
				return either(of, y, x[2])
			case texts:
				return either(of, y, x[2])
			}
		}
	}
	return nil
}

func either[T any](is truth, yes func(*app) T, other any) any {
	no, ok := other.(func(*app) T)
	if !ok {
		return nil
	}
	return func(a *app) T {
		if is(a) {
			return yes(a)
		}
		return no(a)
	}
}

func among[T comparable](x func(*app) T, list func(*app) []T) truth {
	return func(a *app) bool { return slices.Contains(list(a), x(a)) }
}

func compare[T cmp.Ordered](operator string, x, y func(*app) T) truth {
	switch operator {
	case operators.Equals:
		return func(a *app) bool { return x(a) == y(a) }
	case operators.NotEquals:
		return func(a *app) bool { return x(a) != y(a) }
	case operators.Less:
		return func(a *app) bool { return x(a) < y(a) }
	case operators.LessEquals:
		return func(a *app) bool { return x(a) <= y(a) }
	case operators.Greater:
		return func(a *app) bool { return x(a) > y(a) }
	case operators.GreaterEquals:
		return func(a *app) bool { return x(a) >= y(a) }
	}
	return nil
}

// arithmetic is of ints, or of what else the types that CEL has checked allow.
func arithmetic(function string, x, y number) any {
	switch function {
	case operators.Add:
		return func(a *app) int64 { return a.plus(x(a), y(a)) }
	case operators.Subtract:
		return func(a *app) int64 { return a.minus(x(a), y(a)) }
	case operators.Multiply:
		return func(a *app) int64 { return a.times(x(a), y(a)) }
	case operators.Divide:
		return func(a *app) int64 { return a.divided(x(a), y(a), func(x, y int64) int64 { return x / y }) }
	case operators.Modulo:
		return func(a *app) int64 { return a.divided(x(a), y(a), func(x, y int64) int64 { return x % y }) }
	case "math.@max":
		return func(a *app) int64 { return max(x(a), y(a)) }
	case "math.@min":
		return func(a *app) int64 { return min(x(a), y(a)) }
	}
	return nil
}

func words(function string, x, y text) any {
	if c := compare(function, x, y); c != nil {
		return c
	}
	switch function {
	case operators.Add:
		return func(a *app) string { return x(a) + y(a) }
	case overloads.StartsWith:
		return func(a *app) bool { return strings.HasPrefix(x(a), y(a)) }
	case overloads.EndsWith:
		return func(a *app) bool { return strings.HasSuffix(x(a), y(a)) }
	case overloads.Contains:
		return func(a *app) bool { return strings.Contains(x(a), y(a)) }
	}
	return nil
}

// concat is two lists as one. What a loop gathers, element by element, is nobody else's, and grows where it is.
func concat[T any](q *quickening, args []ast.Expr, x, y func(*app) []T) any {
	if list := args[1].AsList().Elements(); args[1].Kind() == ast.ListKind && len(list) == 1 && q.gathers(args[0]) {
		if one, ok := q.expr(list[0]).(func(*app) T); ok {
			return func(a *app) []T {
				list := x(a)
				if list == nil {
					list = make([]T, 0, 16)
				}
				return append(list, one(a))
			}
		}
	}
	return func(a *app) []T { return slices.Concat(x(a), y(a)) }
}

// gathers says whether an expression is what the innermost loop gives.
func (q *quickening) gathers(e ast.Expr) bool {
	n := len(q.scope)
	return n >= 2 && e.Kind() == ast.IdentKind && q.scope[n-2].name == e.AsIdent()
}

func (a *app) plus(x, y int64) int64 {
	a.odd = a.odd || y > 0 && x > math.MaxInt64-y || y < 0 && x < math.MinInt64-y
	return x + y
}

// minus leaves what is nearly too large to CEL, which takes the seconds of two moments from each other before their nanoseconds.
func (a *app) minus(x, y int64) int64 {
	const near = int64(2 * time.Second)
	a.odd = a.odd || y < 0 && x > math.MaxInt64-near+y || y > 0 && x < math.MinInt64+near+y
	return x - y
}

func (a *app) times(x, y int64) int64 {
	z := x * y
	a.odd = a.odd || x != 0 && (z/x != y || x == -1 && y == math.MinInt64)
	return z
}

func (a *app) divided(x, y int64, by func(x, y int64) int64) int64 {
	if y == 0 || x == math.MinInt64 && y == -1 {
		a.odd = true
		return 0
	}
	return by(x, y)
}

func (a *app) days(n int64) int64 {
	a.odd = a.odd || n > maxDays || n < -maxDays
	return n * int64(24*time.Hour)
}

// fold makes one number of many. Of none it is 0, or odd.
func (a *app) fold(list []int64, by func(x, y int64) int64, none bool) int64 {
	if len(list) == 0 {
		a.odd = a.odd || !none
		return 0
	}
	x := list[0]
	for _, y := range list[1:] {
		x = by(x, y)
	}
	return x
}
