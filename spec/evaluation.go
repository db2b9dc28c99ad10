package spec

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// library is the functions that the expressions of a spec may call, and what
// those have read on disk. Its methods may be called concurrently.
type library struct {
	reader    *reader
	functions map[string]function.Function
	// root is the parent of every evaluation context.
	root *hcl.EvalContext
	// templates are parsed template files by path.
	templates sync.Map
}

// newLibrary is the library of a spec in a directory, which its functions read
// and never leave.
func newLibrary(dir string) *library {
	l := &library{reader: newReader(dir)}
	l.functions = functionTable(l.reader)
	l.root = &hcl.EvalContext{Functions: l.functions}
	return l
}

// dir is the directory that newLibrary was given.
func (l *library) dir() string { return l.reader.dir }

// read reads a file of the directory as an input of the spec. The function is
// named in inputs; the content comes out the same each time.
func (l *library) read(function, name string) (string, error) { return l.reader.read(function, name) }

// inputs lists what was read so far: sorted, without duplicates.
func (l *library) inputs() []Input { return l.reader.list() }

// has reports whether there is a function of that name.
func (l *library) has(name string) bool {
	_, ok := l.functions[name]
	return ok
}

// functionNames lists the names of the functions, sorted.
func (l *library) functionNames() []string { return slices.Sorted(maps.Keys(l.functions)) }

// evaluation evaluates expressions that share one bound on what they produce. It
// is used by one goroutine.
type evaluation struct {
	library *library
	meter   *meter
	ctx     *hcl.EvalContext
	// costly are the functions of costlyFunctions, and at is the expression that
	// calls them.
	costly map[string]function.Function
	at     hcl.Range
}

// newEvaluation is an evaluation that w is told of.
func (l *library) newEvaluation(w *watch) *evaluation {
	v := &evaluation{library: l, meter: &meter{watch: w}}
	v.ctx = l.root.NewChild()
	v.ctx.Variables = map[string]cty.Value{meterName: cty.CapsuleVal(meterType, v.meter)}
	v.ctx.Functions = v.templateFunctions()
	return v
}

// value evaluates an expression in which names have the given values. Where it
// reports errors, the value is unknown. Once a limit was hit, every evaluation
// reports that.
func (v *evaluation) value(e *expression, names map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	ctx := v.ctx.NewChild()
	ctx.Variables = names
	if e.costly {
		ctx.Functions = v.costlyFunctions()
	}
	outer := v.at
	v.at = e.rng()
	result, diags := e.syntax.Value(ctx)
	v.at = outer
	if problem := v.meter.problem(); problem != nil {
		return cty.DynamicVal, hcl.Diagnostics{problem}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return result, diags
}

// literal evaluates an expression that names nothing and calls no function. It is
// changed by that, and good for nothing else afterwards.
func (v *evaluation) literal(e hclsyntax.Expression) (cty.Value, hcl.Diagnostics) {
	result, diags := addMeters(e).Value(&hcl.EvalContext{Variables: v.ctx.Variables})
	if problem := v.meter.problem(); problem != nil {
		return cty.DynamicVal, hcl.Diagnostics{problem}
	}
	return result, diags
}

// costlyFunctions are the functions that have a cost, each charging the meter of
// this evaluation before it runs.
func (v *evaluation) costlyFunctions() map[string]function.Function {
	if v.costly == nil {
		v.costly = map[string]function.Function{}
		for name, cost := range costs {
			v.costly[name] = limited(v.library.functions[name], func(args []cty.Value) error {
				if len(args) > 0 && !v.meter.charge(cost(args), v.at) {
					return errors.New(v.meter.limit)
				}
				return nil
			})
		}
	}
	return v.costly
}
