package eval

import (
	"strings"

	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// ParseFile parses one file of HCL or JSON, after measuring it. What is parsed is
// its SourceText, all of which must be in composed form. The file is never nil.
func ParseFile(name, text string) (*hcl.File, hcl.Diagnostics) {
	f, _, diags := ParseCounted(name, text)
	return f, diags
}

// ParseCounted is ParseFile, and counts the tokens of the file.
func ParseCounted(name, text string) (*hcl.File, int, hcl.Diagnostics) {
	f, tokens, diags := parse(name, text)
	if !diags.HasErrors() {
		diags = append(diags, checkComposed(name, f)...)
	}
	return f, tokens, diags
}

func parse(name, text string) (f *hcl.File, tokens int, diags hcl.Diagnostics) {
	src := []byte(SourceText(text))
	if problem := CheckText(name, src); problem != nil {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, 0, hcl.Diagnostics{problem}
	}
	if strings.HasSuffix(name, ".json") {
		if problem := jsonProblem(name, src); problem != nil {
			return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, 0, hcl.Diagnostics{problem}
		}
		f, diags := hcljson.Parse(src, name)
		if f == nil {
			f = &hcl.File{Bytes: src, Body: hcl.EmptyBody()}
		}
		return f, jsonTokens(src), diags
	}
	tokens, problem := sourceNesting(name, src)
	if problem != nil {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, tokens, hcl.Diagnostics{problem}
	}
	f, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	return f, tokens, diags
}
