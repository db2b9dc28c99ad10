// Package edit writes the text of spec files: it formats them, edits the blocks in
// them, and makes the starter that a new spec begins with. It reads and writes no
// file, and keeps comments and the order of what stands in a text.
//
// An Editor holds the files of a spec, and each of its edits either does all of what
// it says or is a RefusedError, which leaves all texts as they were.
package edit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/layform/layform/spec/eval"
)

// Format gives a spec file its canonical layout: indentation, spaces and aligned
// equals signs, with lines that end in LF and one at the end, and no byte order mark. Formatting what it
// returns changes nothing, and it means the same as before. A file that does not parse is returned as it is, with
// the errors; so is a file of JSON, without errors when it parses.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	_, diags := eval.ParseFile(filename, string(src))
	if diags.HasErrors() || strings.HasSuffix(filename, ".json") {
		return src, diags
	}
	whole := string(src)
	if whole != "" && !strings.HasSuffix(whole, "\n") {
		whole += "\n"
	}
	text := []byte(eval.SourceText(whole))
	// A comment that moves can change how its neighbours are aligned, so one
	// pass is not always enough.
	for range maxPasses {
		next := hclwrite.Format(text)
		if bytes.Equal(next, text) || !sameTokens(next, text) {
			break
		}
		text = next
	}
	return text, diags
}

// sameTokens reports whether two texts consist of the same tokens. Taking out
// the space between two of them can make them one: _.1 .0 is not _.1.0.
func sameTokens(a, b []byte) bool {
	x, xDiags := hclsyntax.LexConfig(a, "", hcl.InitialPos)
	y, yDiags := hclsyntax.LexConfig(b, "", hcl.InitialPos)
	return !xDiags.HasErrors() && !yDiags.HasErrors() && slices.EqualFunc(x, y, func(s, t hclsyntax.Token) bool {
		return s.Type == t.Type && (s.Type == hclsyntax.TokenComment || bytes.Equal(s.Bytes, t.Bytes))
	})
}

// maxPasses bounds the passes of Format over one text.
const maxPasses = 8
