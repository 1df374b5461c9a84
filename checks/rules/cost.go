package rules

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/mailreeve/mailreeve/audit"
)

// An expression is compiled twice. To count what it costs takes longer than to evaluate it; for an app of usual size, of which it is known beforehand
// that the limit is not reached, nothing is counted.
type expression struct {
	counted cel.Program
	plain   cel.Program // nil: it may exceed the limit also for an app of usual size
}

func newExpression(env *cel.Env, ast *cel.Ast) (*expression, error) {
	counted, err := env.Program(ast, cel.CostLimit(CostLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	x := &expression{counted: counted}
	if most, err := env.EstimateCost(ast, usual{}); err != nil || most.Max > CostLimit {
		return x, nil
	}
	x.plain, err = env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	return x, err
}

// program is what to evaluate for an app.
func (x *expression) program(usual bool) cel.Program {
	if usual && x.plain != nil {
		return x.plain
	}
	return x.counted
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

// An app is what expressions see of one: made once, though many rules look.
type app struct {
	of    *audit.Figures
	usual bool
	vars  map[string]ref.Val
}

// apps makes what expressions see.
type apps struct{ adapter types.Adapter }

func (s *apps) app(f *audit.Figures) *app {
	return f.Once(s, func() any {
		a := s.adapter
		return &app{f, isUsual(f), map[string]ref.Val{
			"as_of": a.NativeToValue(f.AsOf), "app": a.NativeToValue(&f.App), "retrievals": a.NativeToValue(&f.Retrievals), "reports": a.NativeToValue(&f.Reports),
			"users": a.NativeToValue(f.Users), "approvals": listOf(a, f.Approvals), "daily": listOf(a, f.Daily), "calls": listOf(a, f.Calls),
			"purposes": listOf(a, f.Purposes), "sites": listOf(a, f.Sites), "findings": listOf(a, f.Findings),
		}}
	}).(*app)
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
	v, ok := x.vars[name]
	return v, ok
}

// Parent implements [cel.Activation].
func (*app) Parent() cel.Activation { return nil }
