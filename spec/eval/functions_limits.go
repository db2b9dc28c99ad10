package eval

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/layform/layform/layout/imagespec"
)

// Most functions produce no more than a small multiple of what they are given,
// which the meter has measured. Those that multiply are asked beforehand.

// limited makes a function that checks its arguments, without marks, before it runs.
func limited(f function.Function, check func(args []cty.Value) error) function.Function {
	return checked(f, func(args []cty.Value) error {
		plain := make([]cty.Value, len(args))
		for i, arg := range args {
			plain[i], _ = arg.UnmarkDeep()
		}
		return check(plain)
	})
}

// sensitivePath says why a function does not take a path.
const sensitivePath = "the path is sensitive, but a plan lists what functions read"

// withOpenPaths makes a function that refuses sensitive arguments among its
// first n, which are paths and patterns.
func withOpenPaths(f function.Function, n int) function.Function {
	return checked(f, func(args []cty.Value) error {
		for i, arg := range args[:min(n, len(args))] {
			if IsSensitive(arg) {
				return function.NewArgErrorf(i, sensitivePath)
			}
		}
		return nil
	})
}

// checked makes a function that checks its arguments before it runs.
func checked(f function.Function, check func(args []cty.Value) error) function.Function {
	params := f.Params()
	for i := range params {
		params[i] = permissive(params[i])
	}
	variadic := f.VarParam()
	if variadic != nil {
		v := permissive(*variadic)
		variadic = &v
	}
	return function.New(&function.Spec{
		Params:   params,
		VarParam: variadic,
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// permissive lets every argument through: the function inside judges it.
func permissive(p function.Parameter) function.Parameter {
	p.AllowNull, p.AllowUnknown, p.AllowMarked, p.AllowDynamicType = true, true, true, true
	return p
}

// limitGrowth refuses what would grow beyond the size of a value.
func limitGrowth(base, times, each int) error {
	if times > 0 && int64(base)+int64(times)*int64(each) > maxValue {
		return fmt.Errorf("the result would be larger than %d MiB", maxValue>>20)
	}
	return nil
}

// StringOf is the text of a known string.
func StringOf(v cty.Value) (string, bool) {
	if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return "", false
	}
	return v.AsString(), true
}

// limitLength refuses a first argument of more bytes, for what a function makes of
// it on the way is several times as large.
func limitLength(size int) func(args []cty.Value) error {
	return func(args []cty.Value) error {
		if s, ok := StringOf(args[0]); ok && len(s) > size {
			return function.NewArgErrorf(0, "a text here may have at most %d bytes", size)
		}
		return nil
	}
}

func limitDigits(args []cty.Value) error {
	if s, ok := StringOf(args[0]); ok && len(s) > 1000 {
		return function.NewArgErrorf(0, "a number may have at most 1000 digits")
	}
	return nil
}

var formatNumber = imagespec.Pattern(`%[^%a-zA-Z]*[a-zA-Z]`)
var longNumber = imagespec.Pattern(`[0-9]{5,}`)

func limitFormat(args []cty.Value) error {
	s, ok := StringOf(args[0])
	if !ok {
		return nil
	}
	verbs := formatNumber().FindAllString(s, -1)
	for _, verb := range verbs {
		if longNumber().MatchString(verb) {
			return function.NewArgErrorf(0, "a width or precision may have at most 4 digits")
		}
	}
	// Verbs such as %[1]s may use one argument any number of times.
	var longest int64
	for _, arg := range args[1:] {
		size, _ := Size(arg)
		longest = max(longest, size)
	}
	return limitGrowth(len(s), len(verbs), int(longest)+9999)
}

func limitIndent(args []cty.Value) error {
	s, ok := StringOf(args[1])
	n := args[0]
	if !ok || n.IsNull() || !n.IsKnown() || n.Type() != cty.Number {
		return nil
	}
	if n.LessThan(cty.Zero).True() || n.GreaterThan(cty.NumberIntVal(10_000)).True() {
		return function.NewArgErrorf(0, "an indentation is between 0 and 10000 spaces")
	}
	spaces, _ := n.AsBigFloat().Int64()
	return limitGrowth(len(s), strings.Count(s, "\n"), int(spaces))
}

func limitJoin(args []cty.Value) error {
	separator, ok := StringOf(args[0])
	if !ok {
		return nil
	}
	count := 0
	for _, list := range args[1:] {
		if list.IsKnown() && !list.IsNull() && list.CanIterateElements() {
			count += list.LengthInt()
		}
	}
	return limitGrowth(0, count, len(separator))
}

func limitProduct(args []cty.Value) error {
	product := 1
	for _, set := range args {
		if !set.IsKnown() || set.IsNull() || !set.CanIterateElements() {
			return nil
		}
		product *= max(set.LengthInt(), 1)
		if err := limitGrowth(0, product, valueCost*(len(args)+1)); err != nil {
			return err
		}
	}
	return nil
}

// limitJSON refuses texts so deep that decoding them would overflow the stack,
// and those with characters that decoding would replace.
func limitJSON(args []cty.Value) error {
	s, ok := StringOf(args[0])
	switch {
	case ok && tooDeep(s, MaxValueDepth) >= 0:
		return function.NewArgErrorf(0, "the JSON text is nested more than %d levels deep", MaxValueDepth)
	case ok && loneSurrogate(s) >= 0:
		at := loneSurrogate(s)
		return function.NewArgErrorf(0, "%s in the JSON text is half of a surrogate pair, which is no character", s[at:at+6])
	}
	if text, changed := changedByJSON(s); ok && changed {
		return function.NewArgErrorf(0, "decoding the JSON text would change %s, which is not in Unicode normal form C; use source for the file", text)
	}
	return nil
}

var (
	yamlAnchor  = imagespec.Pattern(`(?m)(?:^|[\s,\[{:-])&([^\s,\[\]{}]+)`)
	yamlAlias   = imagespec.Pattern(`(?m)(?:^|[\s,\[{:-])\*([^\s,\[\]{}]+)`)
	yamlCompact = imagespec.Pattern(`(?m)(?:[-?:][ \t]+){` + strconv.Itoa(MaxValueDepth) + `}`)
)

// limitYAML refuses texts that are large, deep or that multiply themselves
// through aliases.
func limitYAML(args []cty.Value) error {
	s, ok := StringOf(args[0])
	if !ok {
		return nil
	}
	if len(s) > MaxSourceSize {
		return function.NewArgErrorf(0, "the YAML text is larger than %d bytes", MaxSourceSize)
	}
	depth := 0
	for at := range len(s) {
		switch s[at] {
		case '{', '[':
			depth++
		case '}', ']':
			depth = max(depth-1, 0)
		}
		if depth > MaxValueDepth {
			return function.NewArgErrorf(0, "the YAML text is nested more than %d levels deep", MaxValueDepth)
		}
	}
	if yamlCompact().MatchString(s) {
		return function.NewArgErrorf(0, "the YAML text is nested more than %d levels deep", MaxValueDepth)
	}
	if escape, changed := changedByYAML(s); changed {
		return function.NewArgErrorf(0, "decoding the YAML text could change %s, which is not in Unicode normal form C; write the character as it is", escape)
	}
	return limitAliases(s)
}

// limitAliases refuses texts that use anchors too often.
func limitAliases(s string) error {
	anchors := map[string]bool{}
	for _, m := range yamlAnchor().FindAllStringSubmatch(s, -1) {
		anchors[m[1]] = true
	}
	aliases := 0
	for _, m := range yamlAlias().FindAllStringSubmatch(s, -1) {
		if anchors[m[1]] {
			aliases++
		}
	}
	if aliases > maxAliases {
		return function.NewArgErrorf(0, "the YAML text uses more than %d aliases", maxAliases)
	}
	return nil
}

// maxAliases is the number of aliases of a YAML text: nested ones multiply.
const maxAliases = 20
