// Package rules makes checks of rules that a platform writes itself, in CEL (https://cel.dev), over an app's figures. A rule sees numbers, the app's
// registry entry and its approvals, and the moment that the night is of; it sees no account and no address, no other app, no clock and no network. What it
// says of the same figures is always the same. docs/rules.md is for those who write rules.
package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// CostLimit bounds what a rule may do for one app, in CEL's units: a step of a loop costs a few. It is about a tenth of a second.
const CostLimit = 1_000_000

// Subjects bounds how many findings of an app one rule gives.
const Subjects = 100

// subjectLength bounds a subject, in characters.
const subjectLength = 200

// variable is what rules see of an app, and the sources that it comes from; see apps.
type variable struct {
	name     string
	of       *cel.Type
	needs    []audit.Kind
	purposes bool
}

// variables lists what rules see.
func variables() []variable {
	access, apps, installs := audit.KindAccess, audit.KindApps, audit.KindInstalls
	list := func(name string) *cel.Type { return cel.ListType(cel.ObjectType("audit." + name)) }
	return []variable{
		{"as_of", cel.TimestampType, nil, false},
		{"app", cel.ObjectType("audit.AppFigures"), []audit.Kind{apps}, false},
		{"approvals", list("ApprovalFigures"), []audit.Kind{apps}, false},
		{"daily", list("DayOf"), []audit.Kind{access, audit.KindReports}, false},
		{"calls", list("CallsOf"), []audit.Kind{access}, true},
		{"purposes", list("PurposeFigures"), []audit.Kind{access, apps}, true},
		{"sites", list("SiteFigures"), []audit.Kind{access, installs}, false},
		{"retrievals", cel.ObjectType("audit.SpanFigures"), []audit.Kind{access}, false},
		{"reports", cel.ObjectType("audit.SpanFigures"), []audit.Kind{audit.KindReports}, false},
		{"users", cel.IntType, []audit.Kind{installs}, false},
		{"findings", list("FoundFigures"), nil, false},
	}
}

// environment is what rules are written in.
func environment() (*cel.Env, error) {
	options := []cel.EnvOption{
		ext.NativeTypes(ext.ParseStructTag("json"), reflect.TypeFor[audit.AppFigures](), reflect.TypeFor[audit.ApprovalFigures](), reflect.TypeFor[audit.DayOf](),
			reflect.TypeFor[audit.CallsOf](), reflect.TypeFor[audit.PurposeFigures](), reflect.TypeFor[audit.SiteFigures](), reflect.TypeFor[audit.SpanFigures](),
			reflect.TypeFor[audit.FoundFigures]()),
		ext.Strings(), ext.Math(), ext.Sets(), ext.Lists(),
		cel.DefaultUTCTimeZone(true), cel.CrossTypeNumericComparisons(true), cel.EagerlyValidateDeclarations(true),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals(), cel.ValidateHomogeneousAggregateLiterals()),
		cel.Function("days", cel.Overload("days_int", []*cel.Type{cel.IntType}, cel.DurationType, cel.UnaryBinding(days))),
		cel.Function("sum", cel.Overload("sum_list_int", []*cel.Type{cel.ListType(cel.IntType)}, cel.IntType, cel.UnaryBinding(sum))),
	}
	for _, v := range variables() {
		options = append(options, cel.Variable(v.name, v.of))
	}
	return cel.NewEnv(options...)
}

// maxDays bounds a number of days: a hundred years.
const maxDays = 36500

// days is so many days as a duration.
func days(v ref.Val) ref.Val {
	n, ok := v.(types.Int)
	if !ok || n > maxDays || n < -maxDays {
		return types.NewErr("days: more than a hundred years")
	}
	return types.Duration{Duration: time.Duration(n) * 24 * time.Hour}
}

// sum adds up a list of numbers.
func sum(v ref.Val) ref.Val {
	list, ok := v.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	total := types.Int(0)
	for it := list.Iterator(); it.HasNext() == types.True; {
		n := total.Add(it.Next())
		t, ok := n.(types.Int)
		if !ok {
			return n
		}
		total = t
	}
	return total
}

// Compile makes checks of rules. The error tells every mistake, each with its place.
func Compile(list []audit.OwnRule) ([]audit.Check, error) {
	if len(list) == 0 {
		return nil, nil
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	var out []audit.Check
	var wrong []error
	first, of := map[string]audit.Position{}, &apps{adapter: env.CELTypeAdapter(), tables: tables()}
	for i := range list {
		r := &list[i]
		if at, ok := first[r.ID]; ok {
			wrong = append(wrong, fmt.Errorf("%s: rule %s: %s has a rule of that id: give this one another", r.At, r.ID, at))
			continue
		}
		first[r.ID] = r.At
		c, err := compile(env, of, r)
		if err == nil {
			err = test(&c, r)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		out = append(out, c)
	}
	return out, errors.Join(wrong...)
}

// compile makes a check of a rule.
func compile(env *cel.Env, of *apps, r *audit.OwnRule) (audit.Check, error) {
	when, uses, err := program(env, of, r, "when", r.When, r.WhenAt, "bool", cel.BoolType)
	if err != nil {
		return audit.Check{}, err
	}
	var subject *expression
	if strings.TrimSpace(r.Subject) != "" {
		var more []variable
		if subject, more, err = program(env, of, r, "subject", r.Subject, r.SubjectAt, "string or list(string)", cel.StringType, cel.ListType(cel.StringType)); err != nil {
			return audit.Check{}, err
		}
		uses = append(uses, more...)
	}
	title, err := titleOf(r)
	if err != nil {
		return audit.Check{}, err
	}
	finds := r.Finds
	if finds == "" {
		finds = strings.ReplaceAll(r.Title, "{subject}", "the subject")
	}
	condition := strings.Join(strings.Fields(r.When), " ")
	detail := address.Redact(shorten(condition))
	c := audit.Check{ID: r.ID, Clause: r.Clause, Nature: audit.IsState, Severity: r.Severity, Confidence: r.Confidence, Own: true, EachNight: true,
		Finds: finds, Title: title, Remediation: r.Remediation, NoAccounts: true, NoSites: true,
		Rule: "A rule of this platform's own (" + r.At.String() + "). It holds where: " + condition + boundaries(r),
		Holds: func(d *audit.Dossier, t *audit.Tally) error {
			f, err := d.Figures()
			if err != nil {
				return err
			}
			subjects, err := judge(of.app(f), when, subject)
			if err != nil {
				return &audit.RuleError{Err: err}
			}
			for _, s := range subjects {
				t.State(s, audit.Evidence{Detail: detail})
			}
			return nil
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			what := r.Finds
			if what == "" {
				what = strings.ReplaceAll(r.Title, "{subject}", f.Subject)
			}
			return fmt.Sprintf("By a rule of the platform's own, %s: %s", r.ID, what)
		},
		Proof: audit.Proof{Violates: caseOf(r.Violates), Complies: caseOf(r.Complies)},
	}
	for _, v := range uses {
		c.Purposes = c.Purposes || v.purposes
		for _, k := range v.needs {
			if !slices.Contains(c.Needs, k) {
				c.Needs = append(c.Needs, k)
			}
		}
	}
	for _, s := range r.Violates[:min(1, len(r.Violates))] {
		for _, subject := range s.Subjects {
			c.Proof.Violates.Finds = append(c.Proof.Violates.Finds, audit.Found{Subject: subject, Occurrences: 1})
		}
	}
	return c, nil
}

// boundaries says how a rule's findings are told apart.
func boundaries(r *audit.OwnRule) string {
	s := strings.Join(strings.Fields(r.Subject), " ")
	if s == "" {
		return "\n\nBoundaries: an app has one finding of it, without a subject."
	}
	return "\n\nBoundaries: a finding for each subject: " + s
}

// caseOf is the first of some examples.
func caseOf(list []audit.Example) audit.Case {
	if len(list) == 0 {
		return audit.Case{}
	}
	story := list[0].Story
	if story == "" {
		story = "The example at " + list[0].At.String() + "."
	}
	return audit.Case{Story: story, Dossier: func() *audit.Dossier { return audit.DossierOf(list[0].Figures) }}
}

// titleOf is the title as checks have it.
func titleOf(r *audit.OwnRule) (string, error) {
	switch n := strings.Count(r.Title, "{subject}"); {
	case strings.Contains(r.Title, "%"):
		return "", fmt.Errorf("%s: rule %s: title: write per cent instead of %%", r.TitleAt, r.ID)
	case n > 1:
		return "", fmt.Errorf("%s: rule %s: title: {subject} stands in it twice", r.TitleAt, r.ID)
	case n == 1 && strings.TrimSpace(r.Subject) == "":
		return "", fmt.Errorf("%s: rule %s: title: {subject} stands in it, and the rule gives none: write subject, or take it out", r.TitleAt, r.ID)
	}
	return strings.ReplaceAll(r.Title, "{subject}", "%s"), nil
}

// program type-checks an expression, and says which variables it uses. All that is wrong with it has its place in the file.
func program(env *cel.Env, of *apps, r *audit.OwnRule, key, text string, at audit.Position, wants string, types ...*cel.Type) (*expression, []variable, error) {
	ast, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		var wrong []error
		for _, e := range issues.Errors() {
			says, _, _ := strings.Cut(e.Message, "\n")
			wrong = append(wrong, fmt.Errorf("%s: rule %s: %s: %s", place(at, e.Location.Line(), e.Location.Column()), r.ID, key, says))
		}
		return nil, nil, errors.Join(wrong...)
	}
	if !slices.ContainsFunc(types, func(t *cel.Type) bool { return ast.OutputType().IsExactType(t) }) {
		return nil, nil, fmt.Errorf("%s: rule %s: %s: it gives %s, and has to give %s", place(at, 1, 0), r.ID, key, ast.OutputType(), wants)
	}
	p, err := newExpression(env, ast, of.tables)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: rule %s: %s: %w", place(at, 1, 0), r.ID, key, err)
	}
	named := map[string]bool{}
	for _, of := range ast.NativeRep().ReferenceMap() {
		named[of.Name] = true
	}
	var uses []variable
	for _, v := range variables() {
		if named[v.name] {
			uses = append(uses, v)
		}
	}
	return p, uses, nil
}

// place is a place in an expression as one in the file that it stands in. Lines count from 1, columns from 0.
func place(at audit.Position, line, column int) audit.Position {
	if at.Column == 0 || line < 1 {
		return at
	}
	return audit.Position{File: at.File, Line: at.Line + line - 1, Column: at.Column + column}
}

// judge gives the subjects that a rule finds in an app, ascending: "" where it has none.
func judge(x *app, when, subject *expression) ([]string, error) {
	holds, err := evaluate[bool](when, x)
	if err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	if !holds {
		return nil, nil
	}
	if subject == nil {
		return []string{""}, nil
	}
	var list []string
	if subject.lists {
		list, err = evaluate[[]string](subject, x)
	} else {
		list = make([]string, 1)
		list[0], err = evaluate[string](subject, x)
	}
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	out := slices.Compact(slices.Sorted(slices.Values(list))) // mostly many are the same
	for i := range out {
		out[i] = clean(out[i])
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > Subjects {
		return nil, fmt.Errorf("subject: it gives %d subjects, and %d are the most: let it say fewer, or leave it out", len(out), Subjects)
	}
	return out, nil
}

// tooMuch words the end of a rule that took too long.
func tooMuch(err error) error {
	if strings.Contains(err.Error(), "actual cost limit exceeded") {
		return fmt.Errorf("it does more than a rule may for one app (%d units of CEL): use daily or purposes instead of calls, or one loop instead of one within another", CostLimit)
	}
	return errors.New(address.Redact(err.Error()))
}

// clean is a subject without what may be an address, and of a length that fits.
func clean(s string) string { return shorten(address.Redact(strings.ToValidUTF8(s, "�"))) }

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= subjectLength {
		return s
	}
	return string([]rune(s)[:subjectLength-1]) + "…"
}

// test holds a rule against its examples.
func test(c *audit.Check, r *audit.OwnRule) error {
	var wrong []error
	for _, x := range []struct {
		list     []audit.Example
		violates bool
	}{{r.Violates, true}, {r.Complies, false}} {
		for i := range x.list {
			e := &x.list[i]
			got, err := Finds(c, e)
			switch {
			case err != nil:
				wrong = append(wrong, fmt.Errorf("%s: rule %s: the example: %w", e.At, r.ID, err))
			case x.violates && len(got) == 0:
				wrong = append(wrong, fmt.Errorf("%s: rule %s: this example has to violate the rule, and it finds nothing", e.At, r.ID))
			case !x.violates && len(got) > 0:
				wrong = append(wrong, fmt.Errorf("%s: rule %s: this example has to comply with the rule, and it finds %q", e.At, r.ID, got))
			case x.violates && e.Subjects != nil && !slices.Equal(got, e.Subjects):
				wrong = append(wrong, fmt.Errorf("%s: rule %s: the example has the subjects %q, and the rule finds %q", e.At, r.ID, e.Subjects, got))
			}
		}
	}
	return errors.Join(wrong...)
}

// Finds gives the subjects that a rule finds in an example, ascending.
func Finds(c *audit.Check, e *audit.Example) ([]string, error) {
	d := audit.DossierOf(e.Figures)
	t := audit.NewTally(c, audit.StateDay, d.AsOf, nil)
	if err := c.Holds(d, t); err != nil {
		return nil, err
	}
	var out []string
	for _, x := range t.Contributions(d.Key) {
		out = append(out, x.Subject)
	}
	return out, nil
}
