package eval

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Conversions of cty compare the types of all members of a tuple or object pair
// by pair, even where they are the same: half a minute for 50,000 strings.
// Values of many members are converted here instead, member by member.

const (
	// manyMembers is the number of members from which a tuple or object is
	// converted member by member.
	manyMembers = 64
	// maxTypes is the number of types that the members of one value may have
	// where one type for all of them is looked for.
	maxTypes = 256
)

// Convert is convert.Convert at a cost that grows with the size of the value.
func Convert(v cty.Value, t cty.Type) (cty.Value, error) {
	plain, marks := v.Unmark()
	if !hasMany(plain) || !t.IsCollectionType() || plain.Type().Equals(t) {
		return convert.Convert(v, t)
	}
	from := plain.Type()
	fromMap := from.IsObjectType() || from.IsMapType()
	if fromMap != t.IsMapType() {
		return convert.Convert(v, t)
	}
	keys, members := membersOf(plain)
	members, err := convertMembers(members, t.ElementType())
	if errors.Is(err, errOther) {
		return convert.Convert(v, t)
	}
	if err != nil {
		return cty.NilVal, err
	}
	return collectionOf(t, keys, members).WithMarks(marks), nil
}

// hasMany reports whether a value without a mark is known and has so many
// members that cty's conversions should not see it.
func hasMany(v cty.Value) bool {
	return v.IsKnown() && !v.IsNull() && v.CanIterateElements() && v.LengthInt() > manyMembers
}

// membersOf takes a value apart; keys are those of an object or map.
func membersOf(v cty.Value) (keys []string, members []cty.Value) {
	t := v.Type()
	named := t.IsObjectType() || t.IsMapType()
	members = make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, member := it.Element()
		if named {
			keys = append(keys, k.AsString())
		}
		members = append(members, member)
	}
	return keys, members
}

// collectionOf makes a collection of members of one type; t says which.
func collectionOf(t cty.Type, keys []string, members []cty.Value) cty.Value {
	switch {
	case t.IsMapType():
		m := make(map[string]cty.Value, len(keys))
		for i, k := range keys {
			m[k] = members[i]
		}
		return cty.MapVal(m)
	case t.IsSetType():
		return cty.SetVal(members)
	}
	return cty.ListVal(members)
}

// errOther is returned for members about which cty knows more: what is wrong
// with one of them, or what becomes of values without a type.
var errOther = errors.New("conversion that cty does")

// convertMembers brings members to a type; where it is the dynamic type or holds
// it, to the one that all of them can have.
func convertMembers(members []cty.Value, t cty.Type) ([]cty.Value, error) {
	out := make([]cty.Value, len(members))
	for i, member := range members {
		out[i] = member
		if !member.IsKnown() && member.Type() == cty.DynamicPseudoType {
			return nil, errOther
		}
		if t == cty.DynamicPseudoType {
			continue
		}
		var err error
		if out[i], err = Convert(member, t); err != nil {
			return nil, errOther
		}
	}
	types := distinctTypes(out)
	if len(types) == 1 { // nulls without a type come to lists without one
		return out, nil
	}
	if len(types) > maxTypes {
		return nil, fmt.Errorf("its elements have more than %d different types", maxTypes)
	}
	common, _ := convert.UnifyUnsafe(types)
	if common == cty.NilType {
		return nil, errors.New("all elements must have the same type")
	}
	if common.HasDynamicTypes() {
		return nil, errOther
	}
	return convertMembers(out, common)
}

// distinctTypes lists the types that values have, up to one more than maxTypes.
func distinctTypes(values []cty.Value) []cty.Type {
	var types []cty.Type
next:
	for _, v := range values {
		t := v.Type()
		for _, known := range types {
			if t.Equals(known) {
				continue next
			}
		}
		if types = append(types, t); len(types) > maxTypes {
			break
		}
	}
	return types
}

// collected makes a list or map of a tuple or object whose many members have one
// type. Expressions cannot tell the difference, but for its cost where it is
// converted later.
func collected(v cty.Value) cty.Value {
	plain, marks := v.Unmark()
	t := plain.Type()
	if !t.IsTupleType() && !t.IsObjectType() || !hasMany(plain) {
		return v
	}
	keys, members := membersOf(plain)
	first := members[0].Type()
	if first.HasDynamicTypes() {
		return v
	}
	for _, member := range members {
		if !member.Type().Equals(first) {
			return v
		}
	}
	to := cty.List(first)
	if t.IsObjectType() {
		to = cty.Map(first)
	}
	return collectionOf(to, keys, members).WithMarks(marks)
}

// conversionCost is the number of comparisons in cty's conversion of a value.
func conversionCost(v cty.Value) int64 {
	v, _ = v.Unmark()
	if t := v.Type(); !t.IsTupleType() && !t.IsObjectType() || !hasMany(v) {
		return 0
	}
	n := int64(v.LengthInt())
	return n * n / 2
}

// convertsArguments reports whether cty converts arguments of the function of a
// name to lists, sets or maps before it is called.
var convertsArguments = func() func(name string) bool {
	names := sync.OnceValue(func() map[string]bool {
		converts := map[string]bool{}
		for name, f := range functionTable(newReader("")) {
			params := f.Params()
			if v := f.VarParam(); v != nil {
				params = append(params, *v)
			}
			for _, p := range params {
				converts[name] = converts[name] || p.Type.IsCollectionType()
			}
		}
		return converts
	})
	return func(name string) bool { return names()[name] }
}()

// converted is an expression whose value cty will convert: a branch of a
// conditional, or an argument of a function.
type converted struct{ metered }

func convertedExpr(e hclsyntax.Expression) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr, *converted:
		return e
	}
	return &converted{metered{Expression: &hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}}}
}

// Value evaluates the expression and charges what its conversion costs.
func (e *converted) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.metered.Value(ctx)
	m := meterOf(ctx)
	if m == nil || m.charge(conversionCost(v), e.Range()) {
		return v, diags
	}
	return cty.DynamicVal, hcl.Diagnostics{m.problem()}
}
