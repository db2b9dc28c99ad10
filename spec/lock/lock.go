// Package lock holds the lock file of a spec, layform.lock.hcl: which digest each
// reference of a base stands for. The file is kept under version control, so that a
// tag that moves changes nothing until somebody says so.
//
//	# Maintained by "layform lock"; keep it under version control.
//	lock_version = 1
//
//	base "docker.io/library/alpine:3.20" {
//	  digest = "sha256:0a4eaa0eecf5f8c050e5bba433f58c052be7587ee8af3e8b3910ef9ab5fbe9f5"
//	}
//
// A label is a reference in its normal form, with host and tag written out; a digest is
// that of the index where the reference names one, which pins every platform at once.
// Nothing else is recorded: bots that update digests can compute no more than these. The
// same pins give the same bytes. The package reads and writes no file.
package lock

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/opencontainers/go-digest"
	"github.com/zclconf/go-cty/cty"
)

const (
	// Name is the name of the file, beside layform.hcl.
	Name = "layform.lock.hcl"
	// Version is the version of the format that Parse reads and Format writes.
	Version = 1

	heading          = "# Maintained by \"layform lock\"; keep it under version control.\n"
	baseBlock        = "base"
	outputBlock      = "output"
	versionAttribute = "lock_version"
	digestAttribute  = "digest"
)

// File is the content of a lock file.
type File struct {
	// Bases are the pins of references in normal form.
	Bases map[string]Pin
	// Outputs are the digests that objects had, by address.
	Outputs map[string]Pin
}

// New returns a file that pins nothing.
func New() *File { return &File{Bases: map[string]Pin{}, Outputs: map[string]Pin{}} }

// Pin is one digest with the place where the file says it; the place is empty for a
// pin that is in no file yet.
type Pin struct {
	Digest digest.Digest
	Range  hcl.Range
}

// Format returns the text of the file: sorted, with LF.
func (f *File) Format() []byte {
	file := hclwrite.NewEmptyFile()
	body := file.Body()
	body.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte(heading)}})
	body.SetAttributeValue(versionAttribute, cty.NumberIntVal(Version))
	appendPins(body, baseBlock, f.Bases)
	appendPins(body, outputBlock, f.Outputs)
	return file.Bytes()
}

// appendPins appends a block for each pin, in the order of their labels.
func appendPins(body *hclwrite.Body, block string, pins map[string]Pin) {
	for _, label := range slices.Sorted(maps.Keys(pins)) {
		body.AppendNewline()
		b := body.AppendNewBlock(block, []string{label})
		b.Body().SetAttributeValue(digestAttribute, cty.StringVal(pins[label].Digest.String()))
	}
}

// Difference is what a lock file lacks for a spec, and what it has too much.
type Difference struct {
	// Missing are references without a pin, Unused are pins that no reference needs; sorted.
	Missing, Unused []string
}

// Compare compares the pins of bases with the references that a spec needs pinned.
func (f *File) Compare(references []string) Difference {
	need := map[string]bool{}
	for _, r := range references {
		need[r] = true
	}
	var d Difference
	for r := range need {
		if _, ok := f.Bases[r]; !ok {
			d.Missing = append(d.Missing, r)
		}
	}
	for r := range f.Bases {
		if !need[r] {
			d.Unused = append(d.Unused, r)
		}
	}
	slices.Sort(d.Missing)
	slices.Sort(d.Unused)
	return d
}
