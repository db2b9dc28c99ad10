package spec

import (
	"errors"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// anyValue is a parameter that takes everything that is known.
func anyValue(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType}
}

// iterable reports whether a value has elements: it is a list, set, tuple, map or object.
func iterable(v cty.Value) bool { return !v.IsNull() && v.CanIterateElements() }

func sumFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{anyValue("list")},
		Type:         function.StaticReturnType(cty.Number),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !iterable(args[0]) || args[0].Type().IsMapType() || args[0].Type().IsObjectType() || args[0].LengthInt() == 0 {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "a list of at least one number is needed")
			}
			total := cty.Zero
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				n, err := convert.Convert(v, cty.Number)
				if err != nil || n.IsNull() {
					return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "every element must be a number")
				}
				total = total.Add(n)
			}
			return total, nil
		},
	})
}

func allOf() function.Function {
	return boolFold(cty.True, func(a, b cty.Value) cty.Value { return a.And(b) })
}

func anyOf() function.Function {
	return boolFold(cty.False, func(a, b cty.Value) cty.Value { return a.Or(b) })
}

// boolFold makes a function over a list of bools; null counts as false.
func boolFold(start cty.Value, fold func(a, b cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result := start
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				if v.IsNull() {
					v = cty.False
				}
				result = fold(result, v)
			}
			return result, nil
		},
	})
}

// coalesceFunc is coalesce: the first argument that is neither null nor "".
func coalesceFunc() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true},
		Type: func(args []cty.Value) (cty.Type, error) {
			types := make([]cty.Type, len(args))
			for i, arg := range args {
				types[i] = arg.Type()
			}
			t, _ := convert.UnifyUnsafe(types)
			if t == cty.NilType {
				return cty.NilType, errors.New("all arguments must have the same type")
			}
			return t, nil
		},
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			for _, arg := range args {
				v, err := convert.Convert(arg, retType)
				if err != nil {
					return cty.NilVal, err
				}
				if !v.IsKnown() {
					return cty.UnknownVal(retType), nil
				}
				if v.IsNull() || retType == cty.String && v.AsString() == "" {
					continue
				}
				return v, nil
			}
			return cty.NilVal, errors.New("no argument is set: all are null or empty strings")
		},
	})
}

// positionFunc is index: the position of a value in a list.
func positionFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{anyValue("list"), anyValue("value")},
		Type:         function.StaticReturnType(cty.Number),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "a list is needed")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				i, v := it.Element()
				equal, err := stdlib.Equal(v, args[1])
				if err != nil {
					return cty.NilVal, err
				}
				if !equal.IsKnown() {
					return cty.UnknownVal(cty.Number), nil
				}
				if equal.True() {
					return i, nil
				}
			}
			return cty.NilVal, function.NewArgErrorf(1, "the list has no such element")
		},
	})
}

// lengthFunc is length: of a collection, or of a string in characters.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true}},
		Type:         function.StaticReturnType(cty.Number),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch t := args[0].Type(); {
			case t == cty.DynamicPseudoType:
				return cty.UnknownVal(cty.Number), nil
			case t == cty.String:
				return stdlib.Strlen(args[0])
			case t.IsTupleType():
				return cty.NumberIntVal(int64(t.Length())), nil
			case t.IsObjectType():
				return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
			case t.IsCollectionType():
				return args[0].Length(), nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "a string, list, set or map is needed")
		},
	})
}

// lookupFunc is lookup, with the default optional.
func lookupFunc() function.Function {
	get := func(args []cty.Value) (cty.Value, error) {
		switch {
		case len(args) > 3:
			return cty.NilVal, errors.New("lookup takes a map, a key and a default")
		case len(args) == 3:
			return stdlib.Lookup(args[0], args[1], args[2])
		}
		key, marks := args[1].Unmark()
		if !args[0].IsKnown() || !key.IsKnown() {
			return cty.DynamicVal, nil
		}
		object, more := args[0].Unmark()
		if t := object.Type(); !t.IsObjectType() && !t.IsMapType() {
			return cty.NilVal, function.NewArgErrorf(0, "a map is needed")
		}
		for it := object.ElementIterator(); it.Next(); {
			if k, v := it.Element(); k.AsString() == key.AsString() {
				return v.WithMarks(marks, more), nil
			}
		}
		return cty.NilVal, function.NewArgErrorf(1, "the map has no such key, and there is no default")
	}
	param := function.Parameter{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true}
	return function.New(&function.Spec{
		Params:   []function.Parameter{param, {Name: "key", Type: cty.String, AllowMarked: true, AllowUnknown: true}},
		VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true, AllowNull: true},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := get(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return get(args) },
	})
}

// matchkeysFunc is matchkeys: the values whose keys are searched for.
func matchkeysFunc() function.Function {
	list := cty.List(cty.DynamicPseudoType)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "values", Type: list}, {Name: "keys", Type: list}, {Name: "searchset", Type: list}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()}); t == cty.NilType {
				return cty.NilType, errors.New("keys and searchset must be of the same type")
			}
			return args[0].Type(), nil
		},
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
				return cty.UnknownVal(retType), nil
			}
			values, keys, search := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
			if len(values) != len(keys) {
				return cty.NilVal, errors.New("values and keys must have the same length")
			}
			var found []cty.Value
			for i, key := range keys {
				if slices.ContainsFunc(search, func(s cty.Value) bool { eq, err := stdlib.Equal(key, s); return err == nil && eq.True() }) {
					found = append(found, values[i])
				}
			}
			if len(found) == 0 {
				return cty.ListValEmpty(retType.ElementType()), nil
			}
			return cty.ListVal(found), nil
		},
	})
}

// oneFunc is one: the only element of a list or set, null if it is empty.
func oneFunc() function.Function {
	pick := func(v cty.Value) (cty.Value, error) {
		if !iterable(v) || v.Type().IsMapType() || v.Type().IsObjectType() || v.LengthInt() > 1 {
			return cty.NilVal, function.NewArgErrorf(0, "a list or set of at most one element is needed")
		}
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			return element, nil
		}
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{anyValue("list")},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := pick(args[0])
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) { return pick(args[0]) },
	})
}

// transposeFunc is transpose: a map of lists turned inside out.
func transposeFunc() function.Function {
	t := cty.Map(cty.List(cty.String))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "map", Type: t}},
		Type:   function.StaticReturnType(t),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(t), nil
			}
			turned := map[string][]cty.Value{}
			for it := args[0].ElementIterator(); it.Next(); {
				key, list := it.Element()
				if list.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "a list is null")
				}
				for inner := list.ElementIterator(); inner.Next(); {
					_, v := inner.Element()
					if v.IsNull() {
						return cty.NilVal, function.NewArgErrorf(0, "an element of a list is null")
					}
					turned[v.AsString()] = append(turned[v.AsString()], key)
				}
			}
			if len(turned) == 0 {
				return cty.MapValEmpty(cty.List(cty.String)), nil
			}
			lists := map[string]cty.Value{}
			for k, keys := range turned {
				lists[k] = cty.ListVal(keys)
			}
			return cty.MapVal(lists), nil
		},
	})
}

// sensitivity is the mark of values that are never shown.
type sensitivity struct{}

// isSensitive reports whether any part of a value is sensitive.
func isSensitive(v cty.Value) bool { return v.HasMarkDeep(sensitivity{}) }

func sensitiveFunc() function.Function {
	return marking(func(v cty.Value) cty.Value { return v.Mark(sensitivity{}) })
}

func nonsensitiveFunc() function.Function {
	return marking(func(v cty.Value) cty.Value {
		v, _ = v.UnmarkDeep()
		return v
	})
}

func marking(f func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true},
		},
		Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0]), nil },
	})
}

func isSensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true},
		},
		Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return cty.BoolVal(isSensitive(args[0])), nil },
	})
}
