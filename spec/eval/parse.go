package eval

import (
	"bytes"
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
	tokens, ends, problem := sourceNesting(name, src)
	if problem != nil {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, tokens, hcl.Diagnostics{problem}
	}
	f, diags = parsePieces(name, src, ends)
	return f, tokens, diags
}

// parsePieces parses a file piece by piece, for its tokens take a hundred times the memory
// of its text. Where that comes to anything but a right file, the whole is parsed.
func parsePieces(name string, src []byte, ends []hcl.Pos) (*hcl.File, hcl.Diagnostics) {
	if len(src) <= lexedAtOnce {
		return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	}
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	start := hcl.InitialPos
	for i := range len(ends) + 1 {
		end := hcl.Pos{Byte: len(src)}
		if i < len(ends) {
			end = ends[i]
		}
		piece := src[start.Byte:end.Byte]
		// The parser passes over a byte order mark where its text begins; within a file
		// that is a mistake.
		marked := i > 0 && bytes.HasPrefix(piece, []byte("\ufeff"))
		f, diags := hclsyntax.ParseConfig(piece, name, start)
		if marked || len(diags) > 0 || !extend(body, f) {
			return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		}
		start = end
	}
	whole := &hcl.File{Bytes: src, Body: body}
	whole.Nav = navigation(name, whole)
	return whole, nil
}

// extend adds what a piece of a file holds to the body of the file. It reports whether
// no attribute is there twice.
func extend(body *hclsyntax.Body, f *hcl.File) bool {
	piece := f.Body.(*hclsyntax.Body)
	if body.SrcRange.Filename == "" {
		body.SrcRange = piece.SrcRange
	}
	body.SrcRange.End, body.EndRange = piece.SrcRange.End, piece.EndRange
	for name, a := range piece.Attributes {
		if body.Attributes[name] != nil {
			return false
		}
		body.Attributes[name] = a
	}
	body.Blocks = append(body.Blocks, piece.Blocks...)
	return true
}
