package rules

import (
	"reflect"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/mailreeve/mailreeve/audit"
)

// An expression is compiled up to three times. To count what it costs takes longer than to evaluate it; for an app of usual size, of which it is known
// beforehand that the limit is not reached, nothing is counted, and what most rules are made of needs no interpreter; see quicken.
type expression struct {
	counted cel.Program
	plain   cel.Program // nil: it may exceed the limit also for an app of usual size
	quick   *quick      // nil: plain alone knows it
	lists   bool        // it gives a list
}

func newExpression(env *cel.Env, ast *cel.Ast, rows map[string]*table) (*expression, error) {
	counted, err := env.Program(ast, cel.CostLimit(CostLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	x := &expression{counted: counted, lists: ast.OutputType().Kind() == types.ListKind}
	if most, err := env.EstimateCost(ast, usual{}); err != nil || most.Max > CostLimit {
		return x, nil
	}
	x.quick = quicken(ast.NativeRep(), rows)
	x.plain, err = env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	return x, err
}

// evaluate gives an expression's value for an app: a bool, a string or strings.
func evaluate[T any](x *expression, a *app) (value T, err error) {
	program := x.counted
	if a.usual && x.plain != nil {
		if v, ok := quickly[T](x.quick, a); ok {
			return v, nil
		}
		program = x.plain
	}
	v, _, err := program.Eval(a)
	if err != nil {
		return value, tooMuch(err)
	}
	native, err := v.ConvertToNative(reflect.TypeFor[T]())
	if err != nil {
		return value, err
	}
	return native.(T), nil
}

// What an app of usual size has at most.
const (
	usualText = 2000 // bytes
	usualList = 200  // of lists within others
)

func usualLists() map[string]int {
	return map[string]int{"calls": 5000, "daily": 400, "sites": 1000, "purposes": 100, "approvals": 100, "findings": 1000}
}

// usual estimates the sizes of what an app of usual size has. It implements [cost.Estimator].
type usual struct{}

// EstimateCallCost implements [cost.Estimator]: as CEL does.
func (usual) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// EstimateSize implements [cost.Estimator].
func (usual) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) == 0 {
		return nil
	}
	most := 1
	switch n.Type().Kind() {
	case types.StringKind:
		most = usualText
	case types.ListKind:
		most = usualList
		if lists := usualLists(); len(path) == 1 && lists[path[0]] > 0 {
			most = lists[path[0]]
		}
	}
	return &cost.SizeEstimate{Max: uint64(most)}
}

// isUsual says whether an app's figures are within those sizes.
func isUsual(f *audit.Figures) bool {
	most := usualLists()
	if len(f.Calls) > most["calls"] || len(f.Daily) > most["daily"] || len(f.Sites) > most["sites"] || len(f.Purposes) > most["purposes"] ||
		len(f.Approvals) > most["approvals"] || len(f.Findings) > most["findings"] {
		return false
	}
	texts := func(list ...string) bool {
		return !slices.ContainsFunc(list, func(s string) bool { return len(s) > usualText })
	}
	few := func(list []string) bool { return len(list) <= usualList && texts(list...) }
	a := &f.App
	return texts(a.Key, a.Name, a.Kind, a.Vendor, a.ListingURL, a.PrivacyPolicyURL, a.TermsURL, a.Stores) && few(a.Scopes) && few(a.Modules) && few(a.Egress) && few(a.Domains) &&
		!slices.ContainsFunc(f.Approvals, func(x audit.ApprovalFigures) bool {
			return !texts(x.Request, x.Status) || !few(x.Purposes) || !few(x.ThirdParties)
		}) &&
		!slices.ContainsFunc(f.Findings, func(x audit.FoundFigures) bool { return !texts(x.Check, x.Subject) }) &&
		!slices.ContainsFunc(f.Sites, func(x audit.SiteFigures) bool { return !texts(x.Site) }) &&
		!slices.ContainsFunc(f.Calls, func(x audit.CallsOf) bool { return !texts(x.Site, x.Purpose) })
}

// An app is what expressions see of one: made once, though many rules look, and of what they look at only.
type app struct {
	of      *audit.Figures
	usual   bool
	adapter types.Adapter
	vars    map[string]ref.Val // what CEL sees; nil: it did not look yet

	asOf    int64
	columns []*column // by field; nil: not looked at yet
	places  [][]int64 // by table: those of all rows
	cells   []cell    // of the loops of the expression under way
	odd     bool      // something was out of the ordinary in it
	beyond  bool      // a moment of the app is
}

// apps makes what expressions see.
type apps struct {
	adapter types.Adapter
	tables  map[string]*table
}

func (s *apps) app(f *audit.Figures) *app {
	return f.Once(s, func() any {
		a := &app{of: f, usual: isUsual(f), adapter: s.adapter}
		a.beyond = f.AsOf.IsZero()
		a.asOf = a.nanoseconds(&f.AsOf)
		return a
	}).(*app)
}

// seen is what CEL sees of the app.
func (x *app) seen() map[string]ref.Val {
	if x.vars == nil {
		a, f := x.adapter, x.of
		x.vars = map[string]ref.Val{
			"as_of": a.NativeToValue(f.AsOf), "app": a.NativeToValue(&f.App), "retrievals": a.NativeToValue(&f.Retrievals), "reports": a.NativeToValue(&f.Reports),
			"users": a.NativeToValue(f.Users), "approvals": listOf(a, f.Approvals), "daily": listOf(a, f.Daily), "calls": listOf(a, f.Calls),
			"purposes": listOf(a, f.Purposes), "sites": listOf(a, f.Sites), "findings": listOf(a, f.Findings),
		}
	}
	return x.vars
}

func listOf[T any](a types.Adapter, list []T) ref.Val {
	out := make([]ref.Val, len(list))
	for i := range list {
		out[i] = a.NativeToValue(&list[i])
	}
	return types.NewRefValList(a, out)
}

// ResolveName implements [cel.Activation].
func (x *app) ResolveName(name string) (any, bool) {
	v, ok := x.seen()[name]
	return v, ok
}

// Parent implements [cel.Activation].
func (*app) Parent() cel.Activation { return nil }
