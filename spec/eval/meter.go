package eval

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// The limits of one evaluation: of one object, local or output. They keep a
// hostile or mistaken expression from taking the machine with it: a meter counts
// what expressions produce while they run, and stops them.
const (
	// MaxSilence is how long an evaluation may go without anything being counted.
	// It is a last resort: what takes time is counted, so that what a spec may do
	// does not depend on the machine or on its load.
	MaxSilence = 2 * time.Minute
	// maxLoaded bounds the sum of maxProduced over all evaluations of one Load.
	maxLoaded = 1 << 30
	// maxProduced bounds the output of one evaluation, and maxValue the size of one
	// value: bytes of strings and numbers, plus valueCost for every element and, for
	// output, stepCost for every step.
	maxProduced = 96 << 20
	maxValue    = 32 << 20
	valueCost   = 64
	stepCost    = 256
	// MaxValueDepth is how deep values may be nested.
	MaxValueDepth = 200
	// maxExponent is the largest binary exponent of a number. Larger ones have no
	// use in a spec, and their decimal form fills the memory.
	maxExponent = 8192
)

// meter counts what one evaluation produces.
type meter struct {
	produced int64
	// limit is the text of the first limit that was hit; it stays set, so that
	// try and can do not hide it.
	limit string
	at    hcl.Range
	// Watch receives the progress, and stops the evaluation from outside.
	watch *Watch
}

// Watch connects an evaluation with guarded, which waits for it.
type Watch struct {
	// counted is the sum of the charges of all meters of the evaluation.
	counted atomic.Int64
	stop    atomic.Bool
}

// Progress reports work that no meter counts.
func (w *Watch) Progress() { w.counted.Add(1) }

// meterName is the variable that leads expressions to the meter. It is no
// identifier, so no expression can name it.
const meterName = "(meter)"

var meterType = cty.Capsule("meter", reflect.TypeFor[meter]())

// meterOf finds the meter of an evaluation, nil outside of one.
func meterOf(ctx *hcl.EvalContext) *meter {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[meterName]; ok {
			return v.EncapsulatedValue().(*meter)
		}
	}
	return nil
}

// charge adds to what was produced and reports whether the limits still hold.
func (m *meter) charge(n int64, at hcl.Range) bool {
	if m.limit != "" {
		return false
	}
	m.produced += n
	total := m.watch.counted.Add(n)
	switch {
	case m.watch.stop.Load():
		m.trip(silence, at)
	case total > maxLoaded:
		m.trip(fmt.Sprintf("The expressions of the spec produce more than %d MiB of values in all.", maxLoaded>>20), at)
	case m.produced > maxProduced:
		m.trip(fmt.Sprintf("This produces more than %d MiB of values.", maxProduced>>20), at)
	}
	return m.limit == ""
}

// silence is the text of the last resort.
var silence = fmt.Sprintf("A step of the evaluation takes longer than %s.", MaxSilence)

// infinite is the text about a number that is none.
const infinite = "A number here is infinite."

func (m *meter) trip(limit string, at hcl.Range) {
	if m.limit == "" {
		m.limit, m.at = limit, at
	}
}

// value checks one value and charges it.
func (m *meter) value(v cty.Value, at hcl.Range) bool {
	cost, problem := Size(v)
	if problem != "" {
		m.trip(problem, at)
		return false
	}
	return m.charge(cost, at)
}

// problem is the diagnostic of the limit that was hit, nil if none was.
func (m *meter) problem() *hcl.Diagnostic {
	if m.limit == "" {
		return nil
	}
	if m.limit == infinite {
		return Errorf(&m.at, "Infinite number", "%s", infinite)
	}
	return Errorf(&m.at, "Expression too large", "%s", m.limit+" Make the expression smaller.")
}

// Size measures a value, as far as the limits go. What is shared between
// parts of a value counts as often as it occurs: it is what any walk over the
// value costs.
func Size(v cty.Value) (cost int64, problem string) {
	s := sizer{left: maxValue}
	s.add(v, 0)
	if s.problem == "" && s.left < 0 {
		s.problem = fmt.Sprintf("A value here takes more than %d MiB.", maxValue>>20)
	}
	return maxValue - s.left, s.problem
}

type sizer struct {
	left    int64
	problem string
}

func (s *sizer) add(v cty.Value, depth int) {
	s.left -= valueCost
	if s.left < 0 || s.problem != "" {
		return
	}
	if depth > MaxValueDepth {
		s.problem = fmt.Sprintf("A value here is nested more than %d levels deep.", MaxValueDepth)
		return
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return
	}
	switch t := v.Type(); {
	case t == cty.String:
		s.left -= int64(len(v.AsString()))
	case t == cty.Number:
		f := v.AsBigFloat()
		if f.IsInf() {
			s.problem = infinite
		} else if e := f.MantExp(nil); e > maxExponent || e < -maxExponent {
			s.problem = "A number here is too large or too small."
		}
	case t.IsObjectType() || t.IsTupleType() || t.IsCollectionType():
		for it := v.ElementIterator(); it.Next() && s.left >= 0 && s.problem == ""; {
			key, element := it.Element()
			if key.Type() == cty.String && !t.IsSetType() {
				s.left -= int64(len(key.AsString()))
			}
			s.add(element, depth+1)
		}
	}
}

// metered is an expression that checks its value with the meter of the
// evaluation. It stands at all places where values are multiplied: the body of
// a for expression, the parts of a template, arguments and results of functions,
// and operands. It wraps parentheses rather than the expression itself, so that
// walks over the syntax tree see the expression inside.
type metered struct {
	hclsyntax.Expression
	// scalar is set where only strings and numbers can be of use.
	scalar bool
}

func meteredExpr(e hclsyntax.Expression, scalar bool) hclsyntax.Expression {
	return &metered{Expression: &hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, scalar: scalar}
}

// Value evaluates the expression and checks what comes out.
func (e *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	m := meterOf(ctx)
	if m == nil {
		return e.Expression.Value(ctx)
	}
	if !m.charge(stepCost, e.Range()) {
		return cty.DynamicVal, hcl.Diagnostics{m.problem()}
	}
	v, diags := e.Expression.Value(ctx)
	ok := true
	if t := v.Type(); e.scalar && !t.IsPrimitiveType() {
		ok = m.charge(valueCost, e.Range())
	} else {
		ok = m.value(v, e.Range())
	}
	if !ok {
		return cty.DynamicVal, hcl.Diagnostics{m.problem()}
	}
	return collected(v), diags
}

// addMeters puts meters into an expression, in place, and returns it.
func addMeters(e hclsyntax.Expression) hclsyntax.Expression {
	// VisitAll calls the function for a node before it asks the node for its
	// children, so that meters just added are walked through, not over.
	hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.ForExpr:
			n.ValExpr = meteredExpr(n.ValExpr, false)
			if n.KeyExpr != nil {
				n.KeyExpr = meteredExpr(n.KeyExpr, true)
			}
			if n.CondExpr != nil {
				n.CondExpr = meteredExpr(n.CondExpr, true)
			}
			n.CollExpr = meterCompound(n.CollExpr)
		case *hclsyntax.TemplateExpr:
			for i, part := range n.Parts {
				if _, literal := part.(*hclsyntax.LiteralValueExpr); !literal {
					n.Parts[i] = meteredExpr(part, true)
				}
			}
		case *hclsyntax.TemplateJoinExpr:
			// Its tuple is a for expression, whose body is metered.
		case *hclsyntax.FunctionCallExpr:
			for i, arg := range n.Args {
				if convertsArguments(n.Name) {
					n.Args[i] = convertedExpr(arg)
				} else {
					n.Args[i] = meterCompound(arg)
				}
			}
		case *hclsyntax.ConditionalExpr:
			n.TrueResult, n.FalseResult = convertedExpr(n.TrueResult), convertedExpr(n.FalseResult)
		case *hclsyntax.BinaryOpExpr:
			n.LHS, n.RHS = meterCompound(n.LHS), meterCompound(n.RHS)
			if n.Op == hclsyntax.OpDivide || n.Op == hclsyntax.OpModulo {
				n.RHS = divisorExpr(n.RHS)
			}
		case *hclsyntax.ObjectConsKeyExpr:
			if n.ForceNonLiteral {
				n.Wrapped = meterCompound(n.Wrapped)
			}
		}
		return nil
	})
	return meterCompound(e)
}

// meterCompound meters an expression that can produce something new. A literal
// is as large as its text, and what a traversal finds was measured before.
func meterCompound(e hclsyntax.Expression) hclsyntax.Expression {
	switch e.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.ScopeTraversalExpr, *metered, *converted:
		return e
	}
	return meteredExpr(e, false)
}
