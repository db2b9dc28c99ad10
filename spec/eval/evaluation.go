package eval

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

// Library is the functions that the expressions of a spec may call, and what
// those have read on disk. Its methods may be called concurrently.
type Library struct {
	reader    *reader
	functions map[string]function.Function
	// root is the parent of every evaluation context.
	root *hcl.EvalContext
	// templates are parsed template files by path.
	templates sync.Map
}

// NewLibrary is the library of a spec in a directory, which its functions read
// and never leave.
func NewLibrary(dir string) *Library {
	l := &Library{reader: newReader(dir)}
	l.functions = functionTable(l.reader)
	l.root = &hcl.EvalContext{Functions: l.functions}
	return l
}

// Dir is the directory that NewLibrary was given.
func (l *Library) Dir() string { return l.reader.dir }

// Read reads a file of the directory as an input of the spec. The function is
// named in Inputs; the content comes out the same each time.
func (l *Library) Read(function, name string) (string, error) { return l.reader.read(function, name) }

// Inputs lists the files and patterns that were read so far: sorted, without
// duplicates.
func (l *Library) Inputs() []Input { return l.reader.list() }

// Has reports whether there is a function of that name.
func (l *Library) Has(name string) bool {
	_, ok := l.functions[name]
	return ok
}

// FunctionNames lists the names of the functions, sorted.
func (l *Library) FunctionNames() []string { return slices.Sorted(maps.Keys(l.functions)) }

// Evaluation evaluates expressions that share one bound on what they produce. It
// is used by one goroutine.
type Evaluation struct {
	library *Library
	meter   *meter
	ctx     *hcl.EvalContext
	// costly are the functions of costlyFunctions, and at is the expression that
	// calls them.
	costly map[string]function.Function
	at     hcl.Range
}

// NewEvaluation starts an evaluation that reports its progress to w.
func (l *Library) NewEvaluation(w *Watch) *Evaluation {
	v := &Evaluation{library: l, meter: &meter{watch: w}}
	v.ctx = l.root.NewChild()
	v.ctx.Variables = map[string]cty.Value{meterName: cty.CapsuleVal(meterType, v.meter)}
	v.ctx.Functions = v.templateFunctions()
	return v
}

// Value evaluates an expression in which names have the given values. Where it
// reports errors, the value is unknown. Once a limit was hit, every evaluation
// reports that.
func (v *Evaluation) Value(e *Expression, names map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	ctx := v.ctx.NewChild()
	ctx.Variables = names
	if e.costly {
		ctx.Functions = v.costlyFunctions()
	}
	outer := v.at
	v.at = e.Range()
	result, diags := e.Syntax.Value(ctx)
	v.at = outer
	if problem := v.meter.problem(); problem != nil {
		return cty.DynamicVal, hcl.Diagnostics{problem}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return result, diags
}

// Charge counts n units of work, a byte of a value or thereabouts, for what lies at
// a place. It gives the diagnostic of the limit that was hit, nil if none was.
func (v *Evaluation) Charge(n int64, at hcl.Range) *hcl.Diagnostic {
	v.meter.charge(n, at)
	return v.meter.problem()
}

// Refuse ends the evaluation as if a limit had been hit, and gives the diagnostic.
func (v *Evaluation) Refuse(limit string, at hcl.Range) *hcl.Diagnostic {
	v.meter.trip(limit, at)
	return v.meter.problem()
}

// Literal evaluates an expression that names nothing and calls no function. It is
// changed by that, and good for nothing else afterwards.
func (v *Evaluation) Literal(e hclsyntax.Expression) (cty.Value, hcl.Diagnostics) {
	result, diags := addMeters(e).Value(&hcl.EvalContext{Variables: v.ctx.Variables})
	if problem := v.meter.problem(); problem != nil {
		return cty.DynamicVal, hcl.Diagnostics{problem}
	}
	return result, diags
}

// costlyFunctions are the functions that have a cost, each charging the meter of
// this evaluation before it runs.
func (v *Evaluation) costlyFunctions() map[string]function.Function {
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
