package eval

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// TestConvert holds that values of many members are converted as cty converts
// them.
func TestConvert(t *testing.T) {
	repeat := func(members ...cty.Value) []cty.Value {
		var all []cty.Value
		for len(all) <= manyMembers {
			all = append(all, members...)
		}
		return all
	}
	object := func(members []cty.Value) cty.Value {
		named := map[string]cty.Value{}
		for i, m := range members {
			named[fmt.Sprintf("k%d", i)] = m
		}
		return cty.ObjectVal(named)
	}
	one, a, yes := cty.NumberIntVal(1), cty.StringVal("a"), cty.True
	inner := cty.ObjectVal(map[string]cty.Value{"a": one})
	optional := cty.ObjectWithOptionalAttrs(map[string]cty.Type{"a": cty.String, "b": cty.String}, []string{"b"})
	tuples := [][]cty.Value{
		repeat(a), repeat(a, one), repeat(one, yes), repeat(a, cty.NullVal(cty.String)), repeat(cty.NullVal(cty.DynamicPseudoType)),
		repeat(a, cty.NullVal(cty.DynamicPseudoType)), repeat(a, cty.DynamicVal), repeat(one, cty.UnknownVal(cty.String)),
		repeat(a.Mark(Sensitive{}), one), repeat(inner), repeat(inner, cty.EmptyObjectVal), repeat(inner, one),
		repeat(cty.TupleVal([]cty.Value{a}), cty.EmptyTupleVal), repeat(cty.TupleVal([]cty.Value{one}), cty.TupleVal([]cty.Value{a, a})),
		append(repeat(one), a), append(repeat(a), inner),
	}
	for _, members := range tuples {
		for _, v := range []cty.Value{cty.TupleVal(members), cty.TupleVal(members).Mark(Sensitive{}), object(members)} {
			for _, to := range []cty.Type{cty.String, cty.Number, cty.Bool, cty.DynamicPseudoType, optional, cty.List(cty.String), cty.List(cty.DynamicPseudoType)} {
				for _, to := range []cty.Type{cty.List(to), cty.Set(to), cty.Map(to), to} {
					got, err := Convert(v, to)
					want, wantErr := convert.Convert(v, to)
					if wantErr != nil && to.HasDynamicTypes() && to.ElementType() != cty.DynamicPseudoType {
						continue // cty gives up where one type for all members exists
					}
					if (err == nil) != (wantErr == nil) || err == nil && !got.RawEquals(want) {
						t.Fatalf("%s of %d to %s gives %v, cty %v", v.Type().FriendlyName(), len(members), to.FriendlyName(), err, wantErr)
					}
				}
			}
		}
	}
}

// TestLargeExpressions evaluates expressions over 20,000 members, which a step
// for each pair of them would take minutes for.
func TestLargeExpressions(t *testing.T) {
	const n = 20_000
	var strs, pairs, mixed strings.Builder
	for i := range n {
		fmt.Fprintf(&strs, "%q,", fmt.Sprint("t", i))
		fmt.Fprintf(&pairs, "k%d=%d,", i, i)
		fmt.Fprintf(&mixed, "%d,%q,", i, "x")
	}
	list, object := "["+strs.String()+"]", "{"+pairs.String()+"}"
	for name, c := range map[string]struct {
		expr  string
		limit bool
	}{
		"list": {list, false}, "toset": {"toset(" + list + ")", false}, "join": {`join("", ` + list + ")", false}, "tomap": {"tomap(" + object + ")", false},
		"conditional": {"true ? " + list + " : []", false}, "conditional object": {"false ? {} : " + object, false}, "keys": {"sort(keys(" + object + "))", false},
		"mixed list": {"tolist([" + mixed.String() + "])", false}, "mixed conditional": {"true ? [" + mixed.String() + "] : []", true},
		"mixed arguments": {`join("", [` + mixed.String() + "])", true}, "nulls": {"tolist([" + strings.Repeat("null,", n) + "])", false},
	} {
		syntax, diags := hclsyntax.ParseExpression([]byte(c.expr), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		e, diags := NewExpression(syntax)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		v, diags := NewLibrary(t.TempDir()).NewEvaluation(new(Watch)).Value(e, nil)
		if limited := diags.HasErrors() && strings.Contains(diags.Error(), "more than"); limited != c.limit || !c.limit && diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
		}
		if !c.limit && v.Type().IsTupleType() {
			t.Errorf("%s is a tuple", name)
		}
	}
}
