package eval

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// The extra cost of functions whose work is not linear in the sizes of their arguments
// and result, in the units of a meter.
const (
	// pairCost is for comparing two values.
	pairCost = 64
	// memberCost is for a value that goes into a set, which is hashed and sorted,
	// and numberCost for a number, which is written out for that.
	memberCost, numberCost = 512, 4096
	// maxPattern is the length of a regular expression in bytes.
	maxPattern = 10_000
)

// costs gives the cost of a call of each function that has one, from arguments
// without marks.
var costs = map[string]func(args []cty.Value) int64{
	"distinct": func(args []cty.Value) int64 {
		if _, ok := plainStrings(args[0]); ok {
			return members(args[0])
		}
		return members(args[0]) * members(args[0]) / 2 * pairCost
	},
	"matchkeys": func(args []cty.Value) int64 { return setCost(args[1:]) },
	"regex":     func(args []cty.Value) int64 { return matchCost(args[0], args[1]) },
	"regexall":  func(args []cty.Value) int64 { return matchCost(args[0], args[1]) },
	"replace": func(args []cty.Value) int64 {
		find, ok := StringOf(args[1])
		if !ok || len(find) < 2 || find[0] != '/' || find[len(find)-1] != '/' {
			return 0
		}
		return matchCost(cty.StringVal(find[1:len(find)-1]), args[0])
	},
	"setintersection":        setCost,
	"setproduct":             setCost,
	"setsubtract":            setCost,
	"setsymmetricdifference": setCost,
	"setunion":               setCost,
	"toset":                  setCost,
}

// distinctFunc is distinct, which compares each pair, without that for strings.
func distinctFunc() function.Function {
	return function.New(&function.Spec{
		Params:       stdlib.DistinctFunc.Params(),
		Type:         func(args []cty.Value) (cty.Type, error) { return stdlib.DistinctFunc.ReturnTypeForValues(args) },
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			all, ok := plainStrings(args[0])
			if !ok {
				return stdlib.Distinct(args[0])
			}
			seen := map[string]bool{}
			return cty.ListVal(slices.DeleteFunc(all, func(v cty.Value) bool {
				again := seen[v.AsString()]
				seen[v.AsString()] = true
				return again
			})), nil
		},
	})
}

// plainStrings gives the elements of a list of one or more known strings.
func plainStrings(v cty.Value) ([]cty.Value, bool) {
	if !v.Type().Equals(cty.List(cty.String)) || members(v) == 0 || !v.IsWhollyKnown() || v.ContainsMarked() || HasNull(v) {
		return nil, false
	}
	return v.AsValueSlice(), true
}

// members is the number of elements of a collection, 0 where it is not known.
func members(v cty.Value) int64 {
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return 0
	}
	return int64(v.LengthInt())
}

// setCost is the cost of making sets of the arguments.
func setCost(args []cty.Value) int64 {
	var total int64
	for _, arg := range args {
		n := members(arg)
		if n == 0 {
			continue
		}
		each := int64(memberCost)
		it := arg.ElementIterator()
		it.Next()
		if _, first := it.Element(); first.Type() == cty.Number {
			each = numberCost
		}
		total += n * each
	}
	return total
}

// matchCost is the cost of running a regular expression over a text: each of its
// instructions may be tried at each byte.
func matchCost(pattern, text cty.Value) int64 {
	p, ok := StringOf(pattern)
	s, both := StringOf(text)
	if !ok || !both || len(p) > maxPattern {
		return 0
	}
	parsed, err := syntax.Parse(p, syntax.Perl)
	if err != nil {
		return 0 // the function says what is wrong
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return int64(len(program.Inst)) * int64(len(s)+1)
}

// limitPattern refuses regular expressions so long that compiling them costs
// more than running them.
func limitPattern(args []cty.Value) error {
	for i, arg := range args[:min(2, len(args))] {
		if p, ok := StringOf(arg); ok && len(p) > maxPattern && (i == 0 && len(args) == 2 || i == 1 && len(args) == 3 && strings.HasPrefix(p, "/") && strings.HasSuffix(p, "/")) {
			return function.NewArgErrorf(i, "a regular expression may have at most %d bytes", maxPattern)
		}
	}
	return nil
}

// callsCostly reports whether an expression calls a function that has a cost.
func callsCostly(e hclsyntax.Expression) bool {
	found := false
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && costs[call.Name] != nil {
			found = true
		}
		return nil
	})
	return found
}
