package eval

import (
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
)

// functionTable is every function that expressions may call, by name. None of
// them reads a clock, random numbers, the environment or the network; those that
// read files do it through r. templatefile and templatestring are listed so that
// their names are known; each evaluation has its own.
func functionTable(r *reader) map[string]function.Function {
	table := map[string]function.Function{}
	for _, group := range functionGroups(r) {
		for name, f := range group.table {
			table[name] = f
		}
	}
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
		"semvercmp":   semverFunc(),
		"slug":        limited(slugFunc(), limitLength(64<<10)),
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
		"base64decode":     base64DecodeFunc(),
		"base64encode":     textFunc(base64Encode),
		"base64gunzip":     decodedText(base64Gunzip, bytesElsewhere),
		"base64gzip":       checkedText(base64Gzip),
		"base64sha256":     textFunc(base64SHA256),
		"base64sha512":     textFunc(base64SHA512),
		"csvdecode":        stdlib.CSVDecodeFunc,
		"jsondecode":       limited(stdlib.JSONDecodeFunc, limitJSON),
		"jsonencode":       stdlib.JSONEncodeFunc,
		"md5":              textFunc(hexMD5),
		"sha1":             textFunc(hexSHA1),
		"sha256":           textFunc(hexSHA256),
		"sha512":           textFunc(hexSHA512),
		"textdecodebase64": limited(textDecodeFunc(), limitLength(maxValue/4)),
		"textencodebase64": limited(textEncodeFunc(), limitLength(maxValue/8)),
		"urldecode":        urlDecodeFunc(),
		"uuidv5":           uuidFunc(),
		"urlencode":        textFunc(urlEncode),
		"yamldecode":       limited(yaml.YAMLDecodeFunc, limitYAML),
		"yamlencode":       yaml.YAMLEncodeFunc,
	}
}

func networkFunctions() map[string]function.Function {
	return map[string]function.Function{
		"cidrcontains": cidrContainsFunc(),
		"cidrhost":     cidrHostFunc(),
		"cidrnetmask":  cidrNetmaskFunc(),
		"cidrsubnet":   cidrSubnetFunc(),
		"cidrsubnets":  cidrSubnetsFunc(),
	}
}

func typeFunctions() map[string]function.Function {
	return map[string]function.Function{
		"can":          tryfunc.CanFunc,
		"issensitive":  isSensitiveFunc(),
		"nonsensitive": nonsensitiveFunc(),
		"sensitive":    sensitiveFunc(),
		"tobool":       toFunc(cty.Bool),
		"tolist":       toFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":        toFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":     toFunc(cty.Number),
		"toset":        toFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":     toFunc(cty.String),
		"try":          tryfunc.TryFunc,
	}
}

func fileFunctions(r *reader) map[string]function.Function {
	table := map[string]function.Function{
		"file":             fileTextFunc(r),
		"filebase64":       fileSumFunc(r, "filebase64", base64Encode),
		"filebase64sha256": fileSumFunc(r, "filebase64sha256", base64SHA256),
		"filebase64sha512": fileSumFunc(r, "filebase64sha512", base64SHA512),
		"filemd5":          fileSumFunc(r, "filemd5", hexMD5),
		"filesha1":         fileSumFunc(r, "filesha1", hexSHA1),
		"filesha256":       fileSumFunc(r, "filesha256", hexSHA256),
		"filesha512":       fileSumFunc(r, "filesha512", hexSHA512),
		"fileexists":       fileExistsFunc(r),
		"fileset":          filesetFunc(r),
	}
	for name, f := range table {
		table[name] = withOpenPaths(f, 2)
	}
	table["templatefile"] = refusedTemplate("path", "templatefile is not available here")
	table["templatestring"] = refusedTemplate("template", "templatestring is not available here")
	return table
}
