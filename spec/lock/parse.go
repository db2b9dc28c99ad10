package lock

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/opencontainers/go-digest"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
)

// Parse reads the text of a lock file; name is the one that diagnostics show. The
// file holds the pins that could be read, and is never nil. Line ends may be CRLF.
func Parse(name, text string) (*File, hcl.Diagnostics) {
	f := New()
	if rng, ok := conflictMarker(name, text); ok {
		return f, hcl.Diagnostics{problem(rng, "Merge conflict",
			"The lock file has conflict markers of version control. Keep one side of each conflict, and run layform lock: it adds the pins that are missing then, drops those of no use, and leaves all others as they are.")}
	}
	parsed, diags := eval.ParseFile(name, text)
	if diags.HasErrors() {
		return f, diags
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	if !ok {
		return f, hcl.Diagnostics{problem(hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos},
			"Lock file in JSON", "A lock file is written in HCL alone.")}
	}
	if newer := checkVersion(name, body); newer != nil {
		return f, append(diags, newer)
	}
	for _, block := range body.Blocks {
		diags = append(diags, f.add(block)...)
	}
	return f, diags
}

// checkVersion checks the attributes of the file, of which lock_version is the only one.
func checkVersion(name string, body *hclsyntax.Body) *hcl.Diagnostic {
	for _, a := range body.Attributes {
		if a.Name != versionAttribute {
			return problem(a.NameRange, "Unknown attribute of a lock file",
				fmt.Sprintf("%s is no attribute of a lock file. Was the file written by a newer layform?", a.Name))
		}
	}
	a := body.Attributes[versionAttribute]
	if a == nil {
		return problem(hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}, "No version of the lock file",
			fmt.Sprintf("The file begins with lock_version = %d. Add that line, or delete the file and run layform lock.", Version))
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || !v.RawEquals(cty.NumberIntVal(Version)) {
		return problem(a.Expr.Range(), "Unknown version of the lock file",
			fmt.Sprintf("This layform reads lock_version = %d. Was the file written by a newer layform?", Version))
	}
	return nil
}

// add adds the pin of one block.
func (f *File) add(block *hclsyntax.Block) hcl.Diagnostics {
	pins := map[string]map[string]Pin{baseBlock: f.Bases, outputBlock: f.Outputs}[block.Type]
	if pins == nil {
		return hcl.Diagnostics{problem(block.TypeRange, "Unknown block of a lock file",
			fmt.Sprintf("A lock file has blocks named base and output, not %s. Was the file written by a newer layform?", block.Type))}
	}
	if len(block.Labels) != 1 || block.Labels[0] == "" {
		return hcl.Diagnostics{problem(block.DefRange(), "Label of a pin",
			fmt.Sprintf("A %s block has one label: the reference or the address whose digest it holds.", block.Type))}
	}
	label := block.Labels[0]
	if first, ok := pins[label]; ok {
		return hcl.Diagnostics{problem(block.LabelRanges[0], "Two pins of one reference",
			fmt.Sprintf("%s is pinned in line %d already. Delete one of the two blocks.", label, first.Range.Start.Line))}
	}
	d, diag := pinned(block)
	if diag != nil {
		return hcl.Diagnostics{diag}
	}
	pins[label] = Pin{Digest: d, Range: block.DefRange()}
	return nil
}

// pinned returns the digest of a block, which holds nothing else.
func pinned(block *hclsyntax.Block) (digest.Digest, *hcl.Diagnostic) {
	for _, b := range block.Body.Blocks {
		return "", problem(b.DefRange(), "Block in a pin", "A pin holds a digest alone. Was the file written by a newer layform?")
	}
	for _, a := range block.Body.Attributes {
		if a.Name != digestAttribute {
			return "", problem(a.NameRange, "Unknown attribute of a pin",
				fmt.Sprintf("A pin holds a digest alone, not %s. Was the file written by a newer layform?", a.Name))
		}
	}
	a := block.Body.Attributes[digestAttribute]
	if a == nil {
		return "", problem(block.DefRange(), "Pin without a digest", "Write digest = \"sha256:…\", or delete the block and run layform lock.")
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return "", problem(a.Expr.Range(), "Digest of a pin", "The digest is a plain string, as in \"sha256:…\".")
	}
	d := digest.Digest(v.AsString())
	if err := d.Validate(); err != nil {
		return "", problem(a.Expr.Range(), "Digest of a pin",
			fmt.Sprintf("%q is no digest (%v). It is the algorithm, a colon and the lower-case hexadecimal sum.", v.AsString(), err))
	}
	return d, nil
}

// conflictMarker finds the first line with which version control begins a conflict.
func conflictMarker(name, text string) (hcl.Range, bool) {
	line, offset := 1, 0
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "<<<<<<< ") {
			start := hcl.Pos{Line: line, Column: 1, Byte: offset}
			end := hcl.Pos{Line: line, Column: 8, Byte: offset + 7}
			return hcl.Range{Filename: name, Start: start, End: end}, true
		}
		line, offset = line+1, offset+len(l)
	}
	return hcl.Range{}, false
}

func problem(rng hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: rng.Ptr()}
}
