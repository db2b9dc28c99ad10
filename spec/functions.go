package spec

import (
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
)

// functionTable is every function that expressions may call, by name. None of
// them reads a clock, random numbers, the environment or the network; those that
// read files do it through r. templatefile is listed so that its name is known;
// each evaluation has its own.
func functionTable(r *reader) map[string]function.Function {
	table := map[string]function.Function{}
	for _, group := range []map[string]function.Function{
		numberFunctions(), textFunctions(), collectionFunctions(), encodingFunctions(), fileFunctions(r), typeFunctions(),
	} {
		for name, f := range group {
			table[name] = f
		}
	}
	table["templatefile"] = refusedTemplate("templatefile is not available here")
	return table
}

func numberFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs":      stdlib.AbsoluteFunc,
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"log":      stdlib.LogFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": limited(stdlib.ParseIntFunc, limitDigits),
		"pow":      stdlib.PowFunc,
		"signum":   stdlib.SignumFunc,
		"sum":      sumFunc(),
	}
}

func textFunctions() map[string]function.Function {
	return map[string]function.Function{
		"basename":    textFunc(basename),
		"chomp":       stdlib.ChompFunc,
		"dirname":     textFunc(dirname),
		"endswith":    testFunc("suffix", endsWith),
		"format":      limited(stdlib.FormatFunc, limitFormat),
		"formatdate":  stdlib.FormatDateFunc,
		"formatlist":  limited(stdlib.FormatListFunc, limitFormat),
		"indent":      limited(stdlib.IndentFunc, limitIndent),
		"join":        limited(stdlib.JoinFunc, limitJoin),
		"lower":       stdlib.LowerFunc,
		"regex":       limited(stdlib.RegexFunc, limitPattern),
		"regexall":    limited(stdlib.RegexAllFunc, limitPattern),
		"replace":     limited(replaceFunc(), limitPattern),
		"split":       stdlib.SplitFunc,
		"startswith":  testFunc("prefix", startsWith),
		"strcontains": testFunc("substr", containsText),
		"strrev":      stdlib.ReverseFunc,
		"substr":      stdlib.SubstrFunc,
		"timeadd":     stdlib.TimeAddFunc,
		"timecmp":     timecmpFunc(),
		"title":       stdlib.TitleFunc,
		"trim":        stdlib.TrimFunc,
		"trimprefix":  stdlib.TrimPrefixFunc,
		"trimspace":   stdlib.TrimSpaceFunc,
		"trimsuffix":  stdlib.TrimSuffixFunc,
		"upper":       stdlib.UpperFunc,
	}
}

func collectionFunctions() map[string]function.Function {
	return map[string]function.Function{
		"alltrue":                allOf(),
		"anytrue":                anyOf(),
		"chunklist":              stdlib.ChunklistFunc,
		"coalesce":               coalesceFunc(),
		"coalescelist":           stdlib.CoalesceListFunc,
		"compact":                stdlib.CompactFunc,
		"concat":                 stdlib.ConcatFunc,
		"contains":               stdlib.ContainsFunc,
		"distinct":               distinctFunc(),
		"element":                stdlib.ElementFunc,
		"flatten":                stdlib.FlattenFunc,
		"hasindex":               stdlib.HasIndexFunc,
		"index":                  positionFunc(),
		"keys":                   stdlib.KeysFunc,
		"length":                 lengthFunc(),
		"lookup":                 lookupFunc(),
		"matchkeys":              matchkeysFunc(),
		"merge":                  stdlib.MergeFunc,
		"one":                    oneFunc(),
		"range":                  stdlib.RangeFunc,
		"reverse":                stdlib.ReverseListFunc,
		"setintersection":        stdlib.SetIntersectionFunc,
		"setproduct":             limited(stdlib.SetProductFunc, limitProduct),
		"setsubtract":            stdlib.SetSubtractFunc,
		"setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc,
		"setunion":               stdlib.SetUnionFunc,
		"slice":                  stdlib.SliceFunc,
		"sort":                   stdlib.SortFunc,
		"transpose":              transposeFunc(),
		"values":                 stdlib.ValuesFunc,
		"zipmap":                 stdlib.ZipmapFunc,
	}
}

func encodingFunctions() map[string]function.Function {
	return map[string]function.Function{
		"base64decode": base64DecodeFunc(),
		"base64encode": textFunc(base64Encode),
		"base64sha256": textFunc(base64SHA256),
		"base64sha512": textFunc(base64SHA512),
		"csvdecode":    stdlib.CSVDecodeFunc,
		"jsondecode":   limited(stdlib.JSONDecodeFunc, limitJSON),
		"jsonencode":   stdlib.JSONEncodeFunc,
		"md5":          textFunc(hexMD5),
		"sha1":         textFunc(hexSHA1),
		"sha256":       textFunc(hexSHA256),
		"sha512":       textFunc(hexSHA512),
		"urldecode":    urlDecodeFunc(),
		"urlencode":    textFunc(urlEncode),
		"yamldecode":   limited(yaml.YAMLDecodeFunc, limitYAML),
		"yamlencode":   yaml.YAMLEncodeFunc,
	}
}

func typeFunctions() map[string]function.Function {
	return map[string]function.Function{
		"can":          tryfunc.CanFunc,
		"issensitive":  isSensitiveFunc(),
		"nonsensitive": nonsensitiveFunc(),
		"sensitive":    sensitiveFunc(),
		"tobool":       stdlib.MakeToFunc(cty.Bool),
		"tolist":       stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":        stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":     stdlib.MakeToFunc(cty.Number),
		"toset":        stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":     stdlib.MakeToFunc(cty.String),
		"try":          tryfunc.TryFunc,
	}
}

func fileFunctions(r *reader) map[string]function.Function {
	table := map[string]function.Function{
		"file":             fileFunc(r, "file", utf8Text),
		"filebase64":       fileFunc(r, "filebase64", func(s string) (string, error) { return base64Encode(s), nil }),
		"filebase64sha256": fileFunc(r, "filebase64sha256", func(s string) (string, error) { return base64SHA256(s), nil }),
		"filemd5":          fileFunc(r, "filemd5", func(s string) (string, error) { return hexMD5(s), nil }),
		"filesha1":         fileFunc(r, "filesha1", func(s string) (string, error) { return hexSHA1(s), nil }),
		"filesha256":       fileFunc(r, "filesha256", func(s string) (string, error) { return hexSHA256(s), nil }),
		"filesha512":       fileFunc(r, "filesha512", func(s string) (string, error) { return hexSHA512(s), nil }),
		"fileexists":       fileExistsFunc(r),
		"fileset":          filesetFunc(r),
	}
	for name, f := range table {
		table[name] = withOpenPaths(f, 2)
	}
	return table
}
