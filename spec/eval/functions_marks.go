package eval

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Sensitive is the mark of values that are never shown.
type Sensitive struct{}

// IsSensitive reports whether any part of a value is sensitive.
func IsSensitive(v cty.Value) bool { return v.HasMarkDeep(Sensitive{}) }

func sensitiveFunc() function.Function {
	return marking(func(v cty.Value) cty.Value { return v.Mark(Sensitive{}) })
}

// nonsensitiveFunc is nonsensitive: it takes the mark off the value as a whole,
// and leaves those of its members.
func nonsensitiveFunc() function.Function {
	return marking(func(v cty.Value) cty.Value {
		v, marks := v.Unmark()
		delete(marks, Sensitive{})
		return v.WithMarks(marks)
	})
}

func marking(f func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{permissive(anyValue("value"))},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0]), nil },
	})
}

// isSensitiveFunc is issensitive: of a value as a whole. What is unknown may
// become sensitive, unless it is already.
func isSensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{permissive(anyValue("value"))},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			switch _, sensitive := marks[Sensitive{}]; {
			case sensitive:
				return cty.True, nil
			case !v.IsKnown():
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.False, nil
		},
	})
}

// toFunc converts to a type, and leaves marks where they are.
func toFunc(t cty.Type) function.Function {
	plain := stdlib.MakeToFunc(t)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true, AllowMarked: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, _ := args[0].UnmarkDeep()
			if _, err := Convert(v, t); err == nil && hasMany(v) {
				return t, nil
			}
			return plain.ReturnTypeForValues([]cty.Value{v})
		},
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			if v, err := Convert(args[0], retType); err == nil {
				return v, nil
			}
			v, _ := args[0].UnmarkDeep()
			return plain.Call([]cty.Value{v}) // says what is wrong
		},
	})
}
