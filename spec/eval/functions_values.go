package eval

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
				if err != nil || n.IsNull() || v.Type() == cty.Bool {
					return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "every element must be a number")
				}
				total = total.Add(n)
			}
			return total, nil
		},
	})
}

func allOf() function.Function { return boolFold(cty.False) }
func anyOf() function.Function { return boolFold(cty.True) }

// boolFold makes a function over a list of bools that is decided by the first
// that equals one value, whatever is unknown beside it; null counts as false.
func boolFold(decides cty.Value) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result := decides.Not()
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				if v.IsKnown() && v.IsNull() {
					v = cty.False
				}
				if !v.IsKnown() {
					result = cty.UnknownVal(cty.Bool)
				} else if v.RawEquals(decides) {
					return decides, nil
				}
			}
			return result, nil
		},
	})
}

// coalesceFunc is coalesce: the first argument that is neither null nor "". The
// marks of those that it passed over go with it, for it tells that they are empty.
func coalesceFunc() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{
			Name: "vals", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true,
		},
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
			var passed []cty.ValueMarks
			for _, arg := range args {
				v, err := convert.Convert(arg, retType)
				if err != nil {
					return cty.NilVal, err
				}
				v, marks := v.Unmark()
				passed = append(passed, marks)
				if !v.IsKnown() {
					return cty.UnknownVal(retType).WithMarks(passed...), nil
				}
				if v.IsNull() || retType == cty.String && v.AsString() == "" {
					continue
				}
				return v.WithMarks(passed...), nil
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

// lengthFunc is length: of a collection, or of a string in characters. It has the
// marks of the value as a whole, for those of its members say nothing of it.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{permissive(anyValue("value"))},
		Type:         function.StaticReturnType(cty.Number),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			length := cty.UnknownVal(cty.Number)
			switch t := v.Type(); {
			case t == cty.DynamicPseudoType && !v.IsKnown():
			case v.IsNull():
				return cty.NilVal, function.NewArgErrorf(0, "argument must not be null")
			case t == cty.String:
				n, err := stdlib.Strlen(v)
				if err != nil {
					return cty.NilVal, err
				}
				length = n
			case t.IsTupleType():
				length = cty.NumberIntVal(int64(t.Length()))
			case t.IsObjectType():
				length = cty.NumberIntVal(int64(len(t.AttributeTypes())))
			case t.IsCollectionType():
				length = v.Length()
			default:
				return cty.NilVal, function.NewArgErrorf(0, "a string, list, set or map is needed")
			}
			return length.WithMarks(marks), nil
		},
	})
}

// lookupFunc is lookup, with the default optional. The value has its own marks
// and those of the map and the key.
func lookupFunc() function.Function {
	param := permissive(anyValue("map"))
	param.AllowNull = false
	other := permissive(anyValue("default"))
	return function.New(&function.Spec{
		Params:   []function.Parameter{param, {Name: "key", Type: cty.String, AllowMarked: true, AllowUnknown: true}},
		VarParam: &other,
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := lookup(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return lookup(args) },
	})
}

func lookup(args []cty.Value) (cty.Value, error) {
	if len(args) > 3 {
		return cty.NilVal, errors.New("lookup takes a map, a key and a default")
	}
	object, marks := args[0].Unmark()
	key, more := args[1].Unmark()
	t := object.Type()
	switch {
	case t == cty.DynamicPseudoType:
		return cty.DynamicVal.WithMarks(marks, more), nil
	case !t.IsObjectType() && !t.IsMapType():
		return cty.NilVal, function.NewArgErrorf(0, "a map is needed")
	case t.IsMapType() && (!object.IsKnown() || !key.IsKnown()):
		return cty.UnknownVal(t.ElementType()).WithMarks(marks, more), nil
	case !object.IsKnown() || !key.IsKnown():
		return cty.DynamicVal.WithMarks(marks, more), nil
	case t.IsMapType() && object.HasIndex(key).True():
		return object.Index(key).WithMarks(marks, more), nil
	case t.IsObjectType() && t.HasAttribute(key.AsString()):
		return object.GetAttr(key.AsString()).WithMarks(marks, more), nil
	case len(args) < 3:
		return cty.NilVal, function.NewArgErrorf(1, "the map has no such key, and there is no default")
	}
	v := args[2]
	if t.IsMapType() {
		var err error
		if v, err = convert.Convert(v, t.ElementType()); err != nil {
			return cty.NilVal, function.NewArgErrorf(2, "the default must have the type of the map's elements: %w", err)
		}
	}
	return v.WithMarks(marks, more), nil
}

// matchkeysFunc is matchkeys: the values whose keys are searched for, compared in
// the one type that both lists of keys convert to.
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
			if !args[0].IsKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
				return cty.UnknownVal(retType), nil
			}
			if args[0].LengthInt() != args[1].LengthInt() {
				return cty.NilVal, errors.New("values and keys must have the same length")
			}
			common, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()})
			var lists [2]cty.Value
			for i, arg := range args[1:] {
				var err error
				if lists[i], err = convert.Convert(arg, common); err != nil {
					return cty.NilVal, function.NewArgError(i+1, err)
				}
			}
			wanted := newValueSet(lists[1].AsValueSlice())
			var found []cty.Value
			values := args[0].AsValueSlice()
			for i, key := range lists[0].AsValueSlice() {
				if wanted.has(key) {
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

// valueSet finds values among others without comparing each with each.
type valueSet map[int][]cty.Value

func newValueSet(values []cty.Value) valueSet {
	set := valueSet{}
	for _, v := range values {
		set[v.Hash()] = append(set[v.Hash()], v)
	}
	return set
}

func (s valueSet) has(v cty.Value) bool { return slices.ContainsFunc(s[v.Hash()], v.RawEquals) }

// oneFunc is one: the only element of a list or set, null if it is empty. It has
// the marks of the collection and of the element.
func oneFunc() function.Function {
	pick := func(arg cty.Value) (cty.Value, error) {
		v, marks := arg.Unmark()
		if !iterable(v) || v.Type().IsMapType() || v.Type().IsObjectType() || v.LengthInt() > 1 {
			return cty.NilVal, function.NewArgErrorf(0, "a list or set of at most one element is needed")
		}
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			return element.WithMarks(marks), nil
		}
		if v.Type().IsTupleType() {
			return cty.NullVal(cty.DynamicPseudoType).WithMarks(marks), nil
		}
		return cty.NullVal(v.Type().ElementType()).WithMarks(marks), nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t := args[0].Type(); !args[0].IsKnown() && (t.IsListType() || t.IsSetType()) {
				return t.ElementType(), nil
			} else if !args[0].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := pick(args[0])
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			if !args[0].IsKnown() {
				return cty.UnknownVal(retType).WithMarks(args[0].Marks()), nil
			}
			return pick(args[0])
		},
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
